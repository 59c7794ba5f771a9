/* ad/combine.c - what only moves numbers is one op: blocks of an input that are blocks of the result. */
#include "ad/combine.h"

#include <math.h>
#include <string.h>

#include "linalg/vmath.h"

/* For each sample `count` blocks of `size` numbers, `from` and then every `from_step` in an input's sample, to `to` and
 * every `to_step` in that of the result. Steps go on from sample to sample. */
typedef struct blocks {
  size_t count, size, from, from_step, to, to_step;
} blocks;

static gb_err move_forward(gb_node *y)
{
  for (int k = 0; k < y->n_in; k++) {
    const blocks *b = (const blocks *)y->ctx + k;
    const gb_real *from = y->in[k]->v + b->from;
    gb_real *to = y->v + b->to;
    for (size_t i = 0; i < y->rows / y->copies * b->count; i++)
      memcpy(to + i * b->to_step, from + i * b->from_step, b->size * sizeof *to);
  }
  return GB_OK;
}

static gb_err move_vjp(gb_node *y)
{
  for (int k = 0; k < y->n_in; k++) {
    const blocks *b = (const blocks *)y->ctx + k;
    gb_node *x = y->in[k];
    for (size_t i = 0; x->g && i < y->rows / y->copies * b->count; i++) {
      const gb_real *restrict g = y->g + b->to + i * b->to_step;
      gb_real *restrict x_bar = x->g + b->from + i * b->from_step;
      if (gb_node_is_born(x))
        for (size_t j = 0; j < b->size; j++) x_bar[j] += g[j];
      else
        memcpy(x_bar, g, b->size * sizeof *g);
    }
    gb_node_bear(x);
  }
  return GB_OK;
}

static gb_err nothing(gb_node *y)
{
  (void)y;
  return GB_OK;
}

static const gb_op stack_op = {"stack", move_forward, move_vjp};
static const gb_op pick_op = {"pick", move_forward, move_vjp};
static const gb_op concat_op = {"concat", move_forward, move_vjp};
static const gb_op reshape_op = {"reshape", nothing, nothing};
static const gb_op slice_op = {"slice", move_forward, move_vjp};
static const gb_op stop_op = {"stop", nothing, NULL};

static gb_node *move(gb_graph *g, const gb_op *op, gb_shape shape, int n, gb_node *const in[], const blocks *b)
{
  blocks *kept = gb_graph_context(g, (size_t)n * sizeof *kept);
  if (!kept) return NULL;
  memcpy(kept, b, (size_t)n * sizeof *kept);
  return gb_graph_apply(g, op, kept, shape, n, in);
}

static bool all_there(int n, gb_node *const in[])
{
  GB_ASSERT(n >= 1 && n <= GB_NODE_INPUTS);
  for (int k = 0; k < n; k++)
    if (!in[k]) return false;
  return true;
}

gb_node *gb_stack(gb_graph *g, int n, gb_node *const in[])
{
  blocks b[GB_NODE_INPUTS];
  if (!all_there(n, in)) return NULL;
  gb_shape s = in[0]->shape;
  for (int k = 0; k < n; k++) {
    size_t width = in[k]->width;
    GB_ASSERT(in[k]->copies == 1 && in[k]->shape.h == s.h && in[k]->shape.w == s.w && in[k]->shape.c == s.c);
    b[k] = (blocks){1, width, 0, width, (size_t)k * width, (size_t)n * width};
  }
  gb_node *y = move(g, &stack_op, s, n, in, b);
  if (!y) return NULL;
  y->copies = (size_t)n;
  y->starts = true;
  return y;
}

gb_node *gb_pick(gb_graph *g, gb_node *x, size_t copy)
{
  if (!x) return NULL;
  GB_ASSERT(copy < x->copies);
  gb_node *y =
      move(g, &pick_op, x->shape, 1, &x, &(blocks){1, x->width, copy * x->width, x->copies * x->width, 0, x->width});
  if (y) y->copies = 1;
  return y;
}

gb_node *gb_stop(gb_graph *g, gb_node *x)
{
  return x ? gb_graph_view(g, &stop_op, x, x->shape) : NULL;
}

gb_node *gb_concat(gb_graph *g, int n, gb_node *const in[])
{
  blocks b[GB_NODE_INPUTS];
  if (!all_there(n, in)) return NULL;
  gb_shape s = {in[0]->shape.h, in[0]->shape.w, 0};
  for (int k = 0; k < n; k++) {
    size_t c = in[k]->shape.c;
    GB_ASSERT(in[k]->shape.h == s.h && in[k]->shape.w == s.w);
    b[k] = (blocks){.count = in[k]->copies * s.h * s.w, .size = c, .from_step = c, .to = s.c};
    s.c += c;
  }
  for (int k = 0; k < n; k++) b[k].to_step = s.c;
  gb_node *y = move(g, &concat_op, s, n, in, b);
  if (y) y->starts = true;
  return y;
}

gb_node *gb_reshape(gb_graph *g, gb_node *x, gb_shape shape)
{
  return gb_graph_view(g, &reshape_op, x, shape);
}

gb_node *gb_slice(gb_graph *g, gb_node *x, size_t first, gb_shape shape)
{
  if (!x) return NULL;
  size_t n = gb_shape_width(shape);
  GB_ASSERT(n > 0 && n <= x->width && first <= x->width - n);
  return move(g, &slice_op, shape, 1, &x, &(blocks){x->copies, n, first, x->width, 0, n});
}

/* Limits [c] of the channels: low, then high. */
static gb_err clamp_forward(gb_node *y)
{
  size_t c = y->shape.c;
  const gb_real *restrict low = y->ctx, *restrict high = low + c;
  for (size_t r = 0; r < y->rows * y->shape.h * y->shape.w; r++) {
    const gb_real *restrict x = y->in[0]->v + r * c;
    gb_real *restrict v = y->v + r * c;
    for (size_t k = 0; k < c; k++) v[k] = x[k] < low[k] ? low[k] : x[k] > high[k] ? high[k] : x[k]; /* NaN stays */
  }
  return GB_OK;
}

static gb_err clamp_vjp(gb_node *y)
{
  size_t c = y->shape.c;
  const gb_real *restrict low = y->ctx, *restrict high = low + c;
  for (size_t r = 0; r < y->rows * y->shape.h * y->shape.w; r++) {
    const gb_real *restrict x = y->in[0]->v + r * c, *restrict g = y->g + r * c;
    gb_real *restrict x_bar = y->in[0]->g + r * c;
    for (size_t k = 0; k < c; k++) x_bar[k] += x[k] < low[k] || x[k] > high[k] ? 0 : g[k];
  }
  return GB_OK;
}

static const gb_op clamp_op = {"clamp", clamp_forward, clamp_vjp};

gb_node *gb_clamp(gb_graph *g, gb_node *x, const double *low, const double *high)
{
  if (!x) return NULL;
  size_t c = x->shape.c;
  gb_real *limit = gb_graph_context(g, 2 * c * sizeof *limit);
  if (!limit) return NULL;
  for (size_t k = 0; k < c; k++) {
    GB_ASSERT(low[k] <= high[k]);
    limit[k] = (gb_real)low[k];
    limit[c + k] = (gb_real)high[k];
  }
  return gb_graph_apply(g, &clamp_op, limit, x->shape, 1, &x);
}

static gb_err scale_forward(gb_node *y)
{
  const gb_real *scale = y->ctx;
  for (size_t i = 0; i < y->rows * y->width; i++) y->v[i] = scale[i % y->shape.c] * y->in[0]->v[i];
  return GB_OK;
}

static gb_err scale_vjp(gb_node *y)
{
  const gb_real *scale = y->ctx;
  for (size_t i = 0; i < y->rows * y->width; i++) y->in[0]->g[i] += scale[i % y->shape.c] * y->g[i];
  return GB_OK;
}

static const gb_op scale_op = {"scale", scale_forward, scale_vjp};

gb_node *gb_scaled(gb_graph *g, gb_node *x, const double *scale)
{
  if (!x) return NULL;
  gb_real *kept = gb_graph_context(g, x->shape.c * sizeof *kept);
  if (!kept) return NULL;
  for (size_t k = 0; k < x->shape.c; k++) kept[k] = (gb_real)scale[k];
  return gb_graph_apply(g, &scale_op, kept, x->shape, 1, &x);
}

/* bar += f (a - b) */
static void pull(size_t n, gb_real f, const gb_real *a, const gb_real *b, gb_real *restrict bar)
{
  for (size_t i = 0; i < n; i++) bar[i] += f * (a[i] - b[i]);
}

/* Row r of the pair that begins with input k. */
static double distance_of(const gb_node *y, int k, size_t r)
{
  size_t n = y->in[k]->width;
  return gb_sum_squared_differences(n, y->in[k]->v + r * n, y->in[k + 1]->v + r * n);
}

static void pull_pair(gb_node *y, int k, size_t r, gb_real f)
{
  gb_node *a = y->in[k], *b = y->in[k + 1];
  size_t at = r * a->width;
  if (a->g) pull(a->width, f, a->v + at, b->v + at, a->g + at);
  if (b->g) pull(a->width, -f, a->v + at, b->v + at, b->g + at);
}

static gb_err distance_forward(gb_node *y)
{
  double scale = *(const double *)y->ctx;
  for (size_t r = 0; r < y->rows; r++) {
    double sum = 0;
    for (int k = 0; k < y->n_in; k += 2) sum += distance_of(y, k, r);
    y->term[r] = scale * sum;
  }
  return GB_OK;
}

static gb_err distance_vjp(gb_node *y)
{
  double scale = *(const double *)y->ctx;
  for (size_t r = 0; r < y->rows; r++)
    for (int k = 0; k < y->n_in; k += 2) pull_pair(y, k, r, (gb_real)(2 * scale * (double)y->g[r]));
  return GB_OK;
}

static const gb_op distance_op = {"squared distance", distance_forward, distance_vjp};

static double *keep_scale(gb_graph *g, double scale)
{
  double *kept = gb_graph_context(g, sizeof *kept);
  if (kept) *kept = scale;
  return kept;
}

gb_node *gb_squared_distance(gb_graph *g, int n, gb_node *const a[], gb_node *const b[], double scale)
{
  gb_node *in[GB_NODE_INPUTS];
  GB_ASSERT(n <= GB_NODE_INPUTS / 2);
  if (!all_there(n, a) || !all_there(n, b)) return NULL;
  for (int k = 0; k < n; k++) {
    GB_ASSERT(a[k]->width == b[k]->width);
    in[2 * k] = a[k];
    in[2 * k + 1] = b[k];
  }
  double *kept = keep_scale(g, scale);
  return kept ? gb_graph_term(g, &distance_op, kept, 2 * n, in) : NULL;
}

enum { A, B, LAMBDA };

/* y->work [rows]: the term without its multiplier. */
static gb_err multiplied_forward(gb_node *y)
{
  double scale = *(const double *)y->ctx;
  for (size_t r = 0; r < y->rows; r++) {
    double d = scale * distance_of(y, A, r);
    y->work[r] = (gb_real)d;
    y->term[r] = (double)*y->in[LAMBDA]->v * d;
  }
  return GB_OK;
}

static gb_err multiplied_vjp(gb_node *y)
{
  double f = 2 * *(const double *)y->ctx * (double)*y->in[LAMBDA]->v;
  gb_node_sum_rows(y, y->in[LAMBDA], y->rows, 1, y->work, NULL);
  for (size_t r = 0; r < y->rows; r++) pull_pair(y, A, r, (gb_real)(f * (double)y->g[r]));
  return GB_OK;
}

static const gb_op multiplied_op = {"multiplied distance", multiplied_forward, multiplied_vjp};

gb_node *gb_multiplied_distance(gb_graph *g, gb_node *a, gb_node *b, double scale, gb_node *lambda)
{
  if (!a || !b || !lambda) return NULL;
  GB_ASSERT(a->width == b->width && lambda->is_param && lambda->width == 1);
  double *kept = keep_scale(g, scale);
  gb_node *y = kept ? gb_graph_term(g, &multiplied_op, kept, 3, (gb_node *[]){a, b, lambda}) : NULL;
  if (y) y->n_work = 1;
  return y;
}

static gb_err repeat_forward(gb_node *y)
{
  size_t n = y->in[0]->width;
  for (size_t i = 0; i < y->rows * y->width; i += n) memcpy(y->v + i, y->in[0]->v, n * sizeof *y->v);
  return GB_OK;
}

static gb_err repeat_vjp(gb_node *y)
{
  size_t n = y->in[0]->width;
  gb_node_sum_rows(y, y->in[0], y->rows * (y->width / n), n, y->g, NULL);
  return GB_OK;
}

static const gb_op repeat_op = {"repeat", repeat_forward, repeat_vjp};

gb_node *gb_repeat(gb_graph *g, gb_node *weights, gb_shape shape)
{
  if (!weights) return NULL;
  GB_ASSERT(weights->is_param && gb_shape_width(shape) % weights->width == 0);
  return gb_graph_apply(g, &repeat_op, NULL, shape, 1, &weights);
}

static gb_real mean_of(size_t n, const gb_real *x)
{
  gb_real sum = 0;
  for (size_t k = 0; k < n; k++) sum += x[k];
  return sum / (gb_real)n;
}

static gb_err mix_forward(gb_node *y)
{
  size_t c = y->in[0]->shape.c;
  for (size_t i = 0; i < y->rows * y->width; i++) {
    const gb_real *x = y->in[0]->v + i * c, *w = y->in[1]->v + i / y->width * (c + 1);
    gb_real mean = mean_of(c, x), sum = mean + w[c];
    for (size_t k = 0; k < c; k++) sum += w[k] * (x[k] - mean);
    y->v[i] = sum;
  }
  return GB_OK;
}

static gb_err mix_vjp(gb_node *y)
{
  gb_node *x = y->in[0], *w = y->in[1];
  size_t c = x->shape.c;
  for (size_t i = 0; i < y->rows * y->width; i++) {
    size_t at = i * c, of = i / y->width * (c + 1);
    gb_real grey = mean_of(c, x->v + at), rest = 1 / (gb_real)c - mean_of(c, w->v + of);
    for (size_t k = 0; k < c && x->g; k++) x->g[at + k] += y->g[i] * (w->v[of + k] + rest);
    for (size_t k = 0; k < c && w->g; k++) w->g[of + k] += y->g[i] * (x->v[at + k] - grey);
    if (w->g) w->g[of + c] += y->g[i];
  }
  return GB_OK;
}

static const gb_op mix_op = {"mix_channels", mix_forward, mix_vjp};

gb_node *gb_mix_channels(gb_graph *g, gb_node *x, gb_node *w)
{
  if (!x || !w) return NULL;
  GB_ASSERT(w->width == x->shape.c + 1);
  return gb_graph_apply(g, &mix_op, NULL, (gb_shape){x->shape.h, x->shape.w, 1}, 2, (gb_node *[]){x, w});
}

static gb_err amplify_forward(gb_node *y)
{
  size_t c = y->shape.c;
  for (size_t r = 0; r < y->rows; r++)
    for (size_t k = 0; k < c; k++) {
      gb_real gain = (gb_real)exp((double)y->in[1]->v[r * c + k]);
      for (size_t i = r * y->width + k; i < (r + 1) * y->width; i += c) y->v[i] = gain * y->in[0]->v[i];
    }
  return GB_OK;
}

static gb_err amplify_vjp(gb_node *y)
{
  gb_node *x = y->in[0], *w = y->in[1];
  size_t c = y->shape.c;
  for (size_t r = 0; r < y->rows; r++)
    for (size_t k = 0; k < c; k++) {
      gb_real gain = (gb_real)exp((double)w->v[r * c + k]);
      for (size_t i = r * y->width + k; i < (r + 1) * y->width; i += c) {
        if (x->g) x->g[i] += y->g[i] * gain;
        if (w->g) w->g[r * c + k] += y->g[i] * y->v[i];
      }
    }
  return GB_OK;
}

static const gb_op amplify_op = {"amplify", amplify_forward, amplify_vjp};

gb_node *gb_amplify(gb_graph *g, gb_node *x, gb_node *w)
{
  if (!x || !w) return NULL;
  GB_ASSERT(w->width == x->shape.c);
  return gb_graph_apply(g, &amplify_op, NULL, x->shape, 2, (gb_node *[]){x, w});
}
