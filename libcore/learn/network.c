/* learn/network.c - from a list of layers to nodes: weights, residual blocks, the table of what was built. */
#include "learn/network.h"

#include <math.h>
#include <string.h>

#include "ad/elementwise.h"
#include "ad/image.h"
#include "ad/norm.h"
#include "learn/layer.h"

enum { DEEPEST = 16 }; /* residual blocks within each other */

/* The last layer of a residual block starts so much smaller than elsewhere. Not 0: a rectifier behind it would have no
 * slope there and stay. */
static const double closing_scale = 0.1;

/* What a list of layers is built into. */
typedef struct builder {
  gb_graph *g;
  const gb_style *style;
  size_t count; /* weights of the layer at hand */
  size_t depth; /* open residual blocks: */
  struct {
    size_t at;     /* number of the `skip` */
    gb_node *x;    /* what it remembers */
    bool p4;       /* in orientations? */
    size_t layers; /* layers with weights since, but those of blocks within */
  } open[DEEPEST];
} builder;

/* A node with orientations has the pixels of a site side by side (gb_turned_conv()). */
static gb_extent extent_of(const gb_node *x, bool p4)
{
  gb_shape s = x->shape;
  return (gb_extent){{s.h, p4 ? s.w / GB_TURNS : s.w, s.c}, p4};
}

static gb_node *keep(builder *b, gb_err e, gb_param id)
{
  if (e) return gb_graph_fail(b->g, e);
  const gb_param_info *info = gb_params_info(gb_graph_params(b->g), id);
  b->count += info->rule == GB_LEARNED ? info->count : 0;
  return gb_graph_param(b->g, id);
}

static gb_node *drawn(builder *b, const char *name, const char *what, int ndim, const size_t shape[], double bound)
{
  char full[GB_PARAM_NAME];
  gb_param id = 0;
  snprintf(full, sizeof full, "%s.%s", name, what);
  gb_err e = gb_params_add(gb_graph_params(b->g), full, ndim, shape, bound, &id);
  return keep(b, e, id);
}

static gb_node *constant(builder *b, const char *name, const char *what, size_t n, double value, bool statistic)
{
  char full[GB_PARAM_NAME];
  gb_param id = 0;
  snprintf(full, sizeof full, "%s.%s", name, what);
  gb_err e = (statistic ? gb_params_add_statistic : gb_params_add_constant)(gb_graph_params(b->g), full, n, value, &id);
  return keep(b, e, id);
}

/* @param[in] outputs  biases; 0: none */
static gb_dense_weights make_weights(builder *b, const char *name, int ndim, const size_t shape[], size_t outputs,
                                     double fan_in, double gain)
{
  bool gained = b->style->init == GB_INIT_GAIN;
  double bound = gained ? sqrt(3 * gain / fan_in) : 1 / sqrt(fan_in);
  gb_node *w = drawn(b, name, "weight", ndim, shape, bound);
  if (!w || !outputs) return (gb_dense_weights){w, NULL};
  return (gb_dense_weights){w, gained ? constant(b, name, "bias", outputs, 0, false)
                                      : drawn(b, name, "bias", 1, &outputs, bound)};
}

static double gain_of(gb_activation a)
{
  if (a == GB_LEAKY_RELU) return 2 / (1 + GB_LEAKY_SLOPE * GB_LEAKY_SLOPE); /* eq. 15 there */
  return a == GB_RELU || a == GB_ELU ? 2 : 1;
}

static gb_node *add_dense(builder *b, const char *name, const gb_layer *l, gb_node *x, gb_shape out, double scale)
{
  size_t width = gb_shape_width(out);
  double gain = gain_of(l->activation) * scale * scale;
  gb_dense_weights w =
      make_weights(b, name, 2, (size_t[]){x->width, width}, l->no_bias ? 0 : width, (double)x->width, gain);
  return gb_dense(b->g, x, w.w, w.b, out, l->activation);
}

static gb_node *add_conv(builder *b, const char *name, const gb_layer *l, gb_node *x, bool p4, size_t channels,
                         double scale)
{
  size_t k = l->window.kernel, s = l->window.stride, c = x->shape.c, turns = p4 ? GB_TURNS : 1;
  size_t biases = l->no_bias ? 0 : channels;
  double seen = (double)(k * k * c * turns), gain = gain_of(l->activation) * scale * scale;
  if (l->kind == GB_LAYER_CONV) {
    gb_dense_weights w = make_weights(b, name, 4, (size_t[]){k, k, turns * c, channels}, biases, seen, gain);
    return l->p4 ? gb_turned_conv(b->g, x, w.w, w.b, l->window, turns, channels, l->activation)
                 : gb_conv(b->g, x, w.w, w.b, l->window, channels, l->activation);
  }
  seen /= (double)(s * s); /* an output is reached by (k / s)^2 windows */
  gb_dense_weights w = make_weights(b, name, 4, (size_t[]){k, k, channels, c}, biases, seen, gain);
  return gb_deconv(b->g, x, w.w, w.b, l->window, channels, l->activation);
}

static gb_node *add_norm(builder *b, const char *name, const gb_layer *l, gb_node *x, double scale)
{
  size_t c = x->shape.c;
  gb_node *gamma = constant(b, name, "weight", c, scale, false);
  gb_node *beta = gamma ? constant(b, name, "bias", c, 0, false) : NULL;
  if (!beta) return NULL;
  if (l->kind == GB_LAYER_LAYERNORM) return gb_layer_norm(b->g, x, gamma, beta, l->activation);
  gb_node *mean = constant(b, name, "running_mean", c, 0, true);
  gb_node *variance = mean ? constant(b, name, "running_var", c, 1, true) : NULL;
  return gb_batch_norm(b->g, x, gamma, beta, mean, variance, b->style->draws, l->activation);
}

/* What the block began with, brought to its other end: by a layer of its own, if shapes differ. NULL without a failure
 * of the graph: there is none. */
static gb_node *project(builder *b, const char *name, gb_node *x, gb_extent in, gb_extent out)
{
  gb_layer l = {.kind = GB_LAYER_CONV, .window = {.kernel = 1, .stride = 1}, .p4 = out.p4, .activation = GB_NONE};
  gb_shape i = in.shape, o = out.shape;
  if (i.h == o.h && i.w == o.w && i.c == o.c && in.p4 == out.p4) return x;
  if ((i.h == 1 && i.w == 1 && !out.p4) || (o.h == 1 && o.w == 1 && !out.p4)) return add_dense(b, name, &l, x, o, 1);
  if (in.p4 && !out.p4) return NULL;
  if (o.h * (i.h / o.h) == i.h && o.w * (i.h / o.h) == i.w) {
    l.window.stride = i.h / o.h;
  } else if (!out.p4 && i.h * (o.h / i.h) == o.h && i.w * (o.h / i.h) == o.w) {
    l.kind = GB_LAYER_DECONV;
    l.window.kernel = l.window.stride = o.h / i.h;
  } else {
    return NULL;
  }
  return add_conv(b, name, &l, x, in.p4, o.c, 1);
}

static gb_node *skip(builder *b, const char *where, size_t at, gb_node *x, bool p4)
{
  if (b->depth == DEEPEST)
    return gb_graph_fail(
        b->g, GB_FAIL(GB_ERR_CONFIG, "%s `skip`: more than %d residual blocks within each other", where, DEEPEST));
  b->open[b->depth].at = at;
  b->open[b->depth].x = x;
  b->open[b->depth].p4 = p4;
  b->open[b->depth++].layers = 0;
  return x;
}

static gb_node *add(builder *b, const char *where, const char *text, const char *name, const gb_layer *l, gb_node *x,
                    gb_extent out)
{
  char from[80], to[80];
  gb_err e = GB_OK;
  if (!b->depth)
    e = GB_FAIL(GB_ERR_CONFIG, "%s `%s`: no `skip` before it. A residual block is written: skip, its layers, add.",
                where, text);
  else if (!b->open[b->depth - 1].layers)
    e = GB_FAIL(GB_ERR_CONFIG,
                "%s `%s`: no layer with weights since its `skip`. Put the layers of the residual block between them.",
                where, text);
  if (e) return gb_graph_fail(b->g, e);
  gb_node *start = b->open[--b->depth].x;
  gb_extent in = extent_of(start, b->open[b->depth].p4);
  gb_node *kept = project(b, name, start, in, out);
  if (!kept) {
    e = GB_FAIL(GB_ERR_CONFIG,
                "%s `%s`: its `skip` remembers %s, the block gives %s: no stride leads from one to the other. Change "
                "strides so that both sides differ by the same whole factor.",
                where, text, gb_extent_text(in, from), gb_extent_text(out, to));
    return gb_graph_fail(b->g, e);
  }
  return gb_add(b->g, kept, x, l->activation);
}

/* Is layer i the last one with weights before the `add` of the block it stands in? Blocks within do not count. */
static bool closes_block(gb_texts layers, size_t i)
{
  size_t depth = 0;
  for (size_t j = i + 1; j < layers.n; j++) {
    gb_layer_kind k = gb_layer_kind_of(layers.v[j]);
    if (k == GB_LAYER_ADD && depth-- == 0) return true;
    if (k == GB_LAYER_SKIP) depth++;
    if (gb_layer_has_weights(k) && depth == 0) return false;
  }
  return false;
}

static gb_node *add_layer(builder *b, const char *name, const gb_layer *l, gb_node *x, bool p4, gb_shape out,
                          double scale)
{
  switch (l->kind) {
  case GB_LAYER_CONV:
  case GB_LAYER_DECONV: return add_conv(b, name, l, x, p4, out.c, scale);
  case GB_LAYER_BATCHNORM:
  case GB_LAYER_LAYERNORM: return add_norm(b, name, l, x, scale);
  case GB_LAYER_MEAN: return gb_mean(b->g, x);
  case GB_LAYER_DROPOUT: return gb_dropout(b->g, x, l->rate, name, b->style->draws);
  case GB_LAYER_MAXPOOL: return gb_max_pool(b->g, x, l->size[0]);
  case GB_LAYER_UPSAMPLE: return gb_upsample(b->g, x, out.h, out.w);
  default: return add_dense(b, name, l, x, out, scale);
  }
}

static void add_line(gb_text *table, const char *name, const char *text, gb_extent in, gb_extent out, size_t count)
{
  char from[80], to[80];
  gb_text_add(table, "  %-16s %-30s %14s -> %-14s %8zu weights\n", name, text, gb_extent_text(in, from),
              gb_extent_text(out, to), count);
}

/* @param[in,out] p4  has x orientations? */
static gb_node *one_layer(builder *b, const char *key, const char *part, gb_texts layers, size_t i, gb_node *x,
                          bool *p4)
{
  gb_activation standard = (gb_activation)gb_activation_find(b->style->activation);
  char where[96], name[GB_PARAM_NAME];
  const char *text = layers.v[i];
  gb_layer l = {0};
  gb_extent in = extent_of(x, *p4), out = {0};
  snprintf(where, sizeof where, "%s[%zu]", key, i);
  snprintf(name, sizeof name, "%.40s.%zu", part, i);
  gb_err e = gb_layer_parse(where, text, standard, &l);
  if (!e) e = gb_layer_shape(where, text, &l, in, &out);
  if (e) return gb_graph_fail(b->g, e);
  b->count = 0;
  if (l.kind == GB_LAYER_SKIP)
    x = skip(b, where, i, x, *p4);
  else if (l.kind == GB_LAYER_ADD)
    x = add(b, where, text, name, &l, x, out);
  else
    x = add_layer(b, name, &l, x, *p4, out.shape, b->depth && closes_block(layers, i) ? closing_scale : 1);
  if (b->depth && gb_layer_has_weights(l.kind)) b->open[b->depth - 1].layers++;
  add_line(b->style->table, name, text, in, out, b->count);
  *p4 = out.p4;
  return x;
}

gb_node *gb_network_build(gb_graph *g, const gb_style *style, const char *key, const char *prefix, gb_texts layers,
                          gb_node *x)
{
  builder b = {.g = g, .style = style};
  bool p4 = false;
  const char *part = strrchr(key, '.');
  part = prefix ? prefix : part ? part + 1 : key;
  for (size_t i = 0; i < layers.n && x; i++) x = one_layer(&b, key, part, layers, i, x, &p4);
  if (x && b.depth) {
    size_t at = b.open[b.depth - 1].at;
    return gb_graph_fail(g, GB_FAIL(GB_ERR_CONFIG, "%s[%zu] `%s`: no `add` follows that ends the residual block", key,
                                    at, layers.v[at]));
  }
  return x;
}

gb_node *gb_network_dense_head(gb_graph *g, const gb_style *style, const char *name, gb_node *x, gb_shape shape)
{
  builder b = {.g = g, .style = style};
  if (!x) return NULL;
  gb_node *y = add_dense(&b, name, &(gb_layer){.kind = GB_LAYER_DENSE, .activation = GB_NONE}, x, shape, 1);
  add_line(style->table, name, "dense", extent_of(x, false), (gb_extent){shape, false}, b.count);
  return y;
}

/* How many times finer h x w sites are than x, alike in both directions; 0: x is no coarser lattice. */
static size_t times_finer(const gb_node *x, gb_shape shape)
{
  size_t s = shape.h / x->shape.h;
  bool lattice = x->shape.h > 1 && x->shape.w > 1 && shape.h >= 3 && shape.w >= 3;
  return lattice && x->shape.h * s == shape.h && x->shape.w * s == shape.w && 2 * s - 1 <= shape.h ? s : 0;
}

gb_node *gb_network_site_head(gb_graph *g, const gb_style *style, const char *name, gb_node *x, gb_shape shape)
{
  builder b = {.g = g, .style = style};
  char text[64];
  size_t s = x ? times_finer(x, shape) : 0;
  if (!s) return gb_network_dense_head(g, style, name, x, shape);
  const gb_layer l = {.kind = s == 1 ? GB_LAYER_CONV : GB_LAYER_DECONV,
                      .window = {.kernel = s == 1 ? 3 : 2 * s - 1, .stride = s},
                      .activation = GB_NONE};
  gb_node *y = add_conv(&b, name, &l, x, false, shape.c, 1);
  if (s == 1)
    snprintf(text, sizeof text, "conv kernel 3");
  else
    snprintf(text, sizeof text, "deconv kernel %zu stride %zu", l.window.kernel, s);
  add_line(style->table, name, text, extent_of(x, false), (gb_extent){shape, false}, b.count);
  return y;
}

gb_dense_weights gb_network_dense_weights(gb_graph *g, const gb_style *style, const char *name, const char *text,
                                          size_t inputs, size_t outputs, gb_activation a, bool closing)
{
  builder b = {.g = g, .style = style};
  double scale = closing ? closing_scale : 1, fan_in = (double)inputs / (scale * scale);
  gb_dense_weights w = make_weights(&b, name, 2, (size_t[]){inputs, outputs}, outputs, fan_in, gain_of(a));
  add_line(style->table, name, text, (gb_extent){{1, 1, inputs}, false}, (gb_extent){{1, 1, outputs}, false}, b.count);
  return w;
}
