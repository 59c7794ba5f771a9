/* learn/network.c - the little language of layers. */
#include "learn/network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ad/layers.h"

typedef enum layer_kind { DENSE, GRID, CONV, DECONV, N_KINDS } layer_kind;

/* Numbers that follow the name, and whether there is a window. */
static const struct {
  const char *name;
  int sizes;
  bool window;
} kinds[N_KINDS] = {{"dense", 1, false}, {"grid", 3, false}, {"conv", 1, true}, {"deconv", 1, true}};

typedef struct layer {
  layer_kind kind;
  size_t size[3];
  gb_window window;
  gb_activation activation;
} layer;

enum { LARGEST = 1 << 20, MOST_NUMBERS = 1 << 30 }; /* a size; numbers in a sample, so that products stay in range */

static gb_err number(const char *where, const char *layer_text, const char *what, const char *word, size_t *out)
{
  char *end = NULL;
  long v = word ? strtol(word, &end, 10) : 0;
  GB_CHECK(word && end != word && !*end && v >= 1 && v <= LARGEST, GB_ERR_CONFIG,
           "%s `%s`: %s must be a whole number from 1 to %d, not `%s`", where, layer_text, what, LARGEST,
           word ? word : "");
  *out = (size_t)v;
  return GB_OK;
}

static gb_err parse(const char *where, const char *text, gb_activation standard, layer *out)
{
  char copy[128], *rest = copy, *word;
  GB_CHECK(strlen(text) < sizeof copy, GB_ERR_CONFIG, "%s: a layer has fewer than %zu characters", where, sizeof copy);
  strcpy(copy, text);
  word = strtok_r(copy, " ", &rest);
  int k = 0;
  while (k < N_KINDS && (!word || strcmp(word, kinds[k].name))) k++;
  GB_CHECK(k < N_KINDS, GB_ERR_CONFIG,
           "%s `%s`: no such layer. Write `dense N`, `grid H W C`, `conv C kernel K stride S` or `deconv C kernel K "
           "stride S`.",
           where, text);
  *out = (layer){.kind = (layer_kind)k, .window = {3, 1}, .activation = standard};
  for (int i = 0; i < kinds[k].sizes; i++)
    GB_TRY(number(where, text, "a size", strtok_r(NULL, " ", &rest), &out->size[i]));
  while ((word = strtok_r(NULL, " ", &rest))) {
    if (kinds[k].window && !strcmp(word, "kernel"))
      GB_TRY(number(where, text, "kernel", strtok_r(NULL, " ", &rest), &out->window.kernel));
    else if (kinds[k].window && !strcmp(word, "stride"))
      GB_TRY(number(where, text, "stride", strtok_r(NULL, " ", &rest), &out->window.stride));
    else if (gb_activation_find(word) >= 0)
      out->activation = (gb_activation)gb_activation_find(word);
    else
      return GB_FAIL(GB_ERR_CONFIG, "%s `%s`: `%s` is not understood. Options: %san activation (%s).", where, text,
                     word, kinds[k].window ? "kernel K, stride S and " : "", GB_ACTIVATIONS);
  }
  return GB_OK;
}

/* Shape of the output of a layer, or why there is none. */
static gb_err output_shape(const char *where, const char *text, const layer *l, gb_shape in, gb_shape *out)
{
  size_t s = l->window.stride, k = l->window.kernel;
  switch (l->kind) {
  case DENSE: *out = (gb_shape){1, 1, l->size[0]}; break;
  case GRID: *out = (gb_shape){l->size[0], l->size[1], l->size[2]}; break;
  case CONV:
    GB_CHECK(in.h % s == 0 && in.w % s == 0, GB_ERR_CONFIG,
             "%s `%s`: its input is %zu x %zu x %zu; stride %zu does not divide %zu x %zu", where, text, in.h, in.w,
             in.c, s, in.h, in.w);
    *out = (gb_shape){in.h / s, in.w / s, l->size[0]};
    break;
  case DECONV: *out = (gb_shape){in.h * s, in.w * s, l->size[0]}; break;
  default: GB_ASSERT(!"a kind of layer");
  }
  GB_CHECK((double)out->h * (double)out->w * (double)out->c <= MOST_NUMBERS, GB_ERR_CONFIG,
           "%s `%s`: input %zu x %zu x %zu, output %zu x %zu x %zu: more than %d numbers", where, text, in.h, in.w,
           in.c, out->h, out->w, out->c, MOST_NUMBERS);
  if (l->kind == DENSE || l->kind == GRID) return GB_OK;
  gb_shape large = l->kind == CONV ? in : *out;
  GB_CHECK(k <= large.h && k <= large.w, GB_ERR_CONFIG,
           "%s `%s`: input %zu x %zu x %zu, output %zu x %zu x %zu; kernel %zu is larger than the lattice", where, text,
           in.h, in.w, in.c, out->h, out->w, out->c, k);
  return GB_OK;
}

typedef struct weights {
  gb_node *w, *b;
  size_t count;
} weights;

/* Uniform weights of variance gain / fan_in, zero biases (K. He et al., arXiv:1502.01852, eq. 10; gain 2 keeps the
 * signal of rectifiers, 1 that of smooth activations). */
static weights make_weights(gb_graph *g, const char *name, int ndim, const size_t shape[], size_t outputs,
                            double fan_in, double gain)
{
  char full[GB_PARAM_NAME];
  gb_param w, b;
  gb_err e;
  snprintf(full, sizeof full, "%s.weight", name);
  if ((e = gb_params_add(gb_graph_params(g), full, ndim, shape, sqrt(3 * gain / fan_in), &w))) {
    gb_graph_fail(g, e);
    return (weights){0};
  }
  snprintf(full, sizeof full, "%s.bias", name);
  if ((e = gb_params_add(gb_graph_params(g), full, 1, &outputs, 0, &b))) {
    gb_graph_fail(g, e);
    return (weights){0};
  }
  return (weights){gb_graph_param(g, w), gb_graph_param(g, b), gb_params_info(gb_graph_params(g), w)->count + outputs};
}

static double gain_of(gb_activation a)
{
  return a == GB_RELU || a == GB_ELU ? 2 : 1;
}

static gb_node *add_layer(gb_graph *g, const char *name, const layer *l, gb_node *x, gb_shape out, size_t *count)
{
  size_t k = l->window.kernel, s = l->window.stride, in = x->width, width = gb_shape_width(out);
  double gain = gain_of(l->activation);
  weights w;
  gb_node *y;
  switch (l->kind) {
  case CONV:
    w = make_weights(g, name, 4, (size_t[]){k, k, x->shape.c, out.c}, out.c, (double)(k * k * x->shape.c), gain);
    y = gb_conv(g, x, w.w, w.b, l->window, out.c, l->activation);
    break;
  case DECONV: /* an output is reached by (k / s)^2 windows */
    w = make_weights(g, name, 4, (size_t[]){k, k, out.c, x->shape.c}, out.c,
                     (double)(k * k * x->shape.c) / (double)(s * s), gain);
    y = gb_deconv(g, x, w.w, w.b, l->window, out.c, l->activation);
    break;
  default:
    w = make_weights(g, name, 2, (size_t[]){in, width}, width, (double)in, gain);
    y = gb_dense(g, x, w.w, w.b, out, l->activation);
  }
  *count = w.count;
  return y;
}

static void add_line(gb_text *table, const char *name, const char *text, gb_shape in, gb_shape out, size_t count)
{
  char from[64], to[64];
  snprintf(from, sizeof from, "%zu x %zu x %zu", in.h, in.w, in.c);
  snprintf(to, sizeof to, "%zu x %zu x %zu", out.h, out.w, out.c);
  gb_text_add(table, "  %-16s %-30s %14s -> %-14s %8zu weights\n", name, text, from, to, count);
}

gb_node *gb_network_build(gb_graph *g, const char *key, gb_texts layers, const char *activation, gb_node *x,
                          gb_text *table)
{
  const char *part = strrchr(key, '.');
  part = part ? part + 1 : key;
  for (size_t i = 0; i < layers.n && x; i++) {
    char where[96], name[GB_PARAM_NAME];
    layer l = {0};
    gb_shape out = {0}, in = x->shape;
    size_t count;
    snprintf(where, sizeof where, "%s[%zu]", key, i);
    snprintf(name, sizeof name, "%.40s.%zu", part, i);
    gb_err e = parse(where, layers.v[i], (gb_activation)gb_activation_find(activation), &l);
    if (!e) e = output_shape(where, layers.v[i], &l, in, &out);
    if (e) return gb_graph_fail(g, e);
    x = add_layer(g, name, &l, x, out, &count);
    add_line(table, name, layers.v[i], in, out, count);
  }
  return x;
}

gb_node *gb_network_dense_head(gb_graph *g, const char *name, gb_node *x, gb_shape shape, gb_text *table)
{
  const layer l = {.kind = GRID, .activation = GB_NONE};
  size_t count;
  if (!x) return NULL;
  gb_shape in = x->shape;
  gb_node *y = add_layer(g, name, &l, x, shape, &count);
  add_line(table, name, "dense", in, shape, count);
  return y;
}

gb_node *gb_network_site_head(gb_graph *g, const char *name, gb_node *x, gb_shape shape, gb_text *table)
{
  const layer l = {.kind = CONV, .window = {3, 1}, .activation = GB_NONE};
  size_t count;
  if (!x) return NULL;
  if (x->shape.h != shape.h || x->shape.w != shape.w || shape.h < 3 || shape.w < 3)
    return gb_network_dense_head(g, name, x, shape, table);
  gb_shape in = x->shape;
  gb_node *y = add_layer(g, name, &l, x, shape, &count);
  add_line(table, name, "conv kernel 3", in, shape, count);
  return y;
}
