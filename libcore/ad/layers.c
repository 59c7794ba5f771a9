/* ad/layers.c - one op in two directions: over the window of ad/sliding.h, a convolution goes from large to small, its
 * transpose from small to large, and each is the other's derivative. A dense layer is the window over an image of one
 * pixel.
 *
 * Which kernel computes what (the bits are the same):
 *   to few channels, where what they see lies side      narrow_conv   3 times faster than the general product
 *     by side: to small with stride 1, to large
 *   gradient of W, few small channels                   narrow_outer  6 times
 *   one small matrix for every pixel                    small_rows, small_sums   1.5 times
 *   all else                                            gemm_rows, gemm_outer */
#include "ad/layers.h"

#include "ad/sliding.h"
#include "base/mem.h"
#include "linalg/gemm.h"
#include "linalg/narrow.h"
#include "linalg/small.h"

enum { X, W, B };

static gb_node *bias_of(const gb_node *y)
{
  return y->n_in > B ? y->in[B] : NULL;
}

static size_t larger(size_t a, size_t b)
{
  return a > b ? a : b;
}

/* Numbers of packed weights come first in the scratch, then what the product itself needs. */
static size_t packed_room(const gb_sliding *s)
{
  size_t n = gb_gemm_packed(s->positions.taps * s->large.c, s->small.c);
  for (size_t k = 0; k < s->classes; k++) n = larger(n, gb_gemm_packed(s->seen[k].runs.taps * s->small.c, s->large.c));
  return n;
}

static bool is_narrow(const gb_sliding *s)
{
  return s->small.c <= GB_NARROW;
}

/* Is it one small matrix for every pixel, at its own place? */
static bool is_pixelwise(const gb_sliding *s)
{
  return s->window.kernel == 1 && s->window.stride == 1 && s->positions.taps == 1 && s->positions.rows > 1 &&
         s->positions.rows == s->large.h * s->large.w && s->large.c * s->small.c <= GB_SMALL;
}

/* Do vectors along the larger image's channels have fewer idle lanes than along the smaller one's? */
static bool is_narrow_outer(const gb_sliding *s)
{
  return is_narrow(s) || (s->small.c <= GB_NARROW_OUTER && s->large.c >= GB_NARROW_OUTER);
}

static size_t scratch_room(const gb_sliding *s, size_t rows)
{
  size_t n = gb_gemm_rows_scratch(&s->positions);
  for (size_t k = 0; k < s->classes; k++) n = larger(n, gb_gemm_rows_scratch(&s->seen[k].runs));
  n = larger(packed_room(s) * sizeof(gb_real) + n, gb_gemm_outer_scratch(&s->positions, rows, s->small.c));
  if (is_pixelwise(s)) n = larger(n, gb_small_sums_scratch(rows, s->large.c, s->small.c));
  if (is_narrow_outer(s)) n = larger(n, gb_narrow_outer_scratch(&s->positions, rows));
  return s->lattice ? larger(n, gb_narrow_conv_scratch(s->lattice)) : n;
}

static void to_small(const gb_node *y, const gb_real *large, const gb_real *w, const gb_finish *f, gb_real *small)
{
  const gb_sliding *s = y->ctx;
  gb_real *packed = y->scratch;
  if (s->lattice && is_narrow(s)) {
    gb_narrow_conv(y->rows, s->lattice, large, s->small.c, (gb_weights){w, s->small.c, 1}, 1, s->windows, f, small,
                   gb_shape_width(s->small), y->scratch);
    return;
  }
  gb_gemm_pack(s->positions.taps, s->large.c, s->small.c, w, NULL, s->small.c, false, packed);
  if (is_pixelwise(s))
    gb_small_rows(y->rows * s->positions.rows, s->large.c, large, s->small.c, packed, f, small);
  else
    gb_gemm_rows(y->rows, &s->positions, large, s->small.c, packed, f, small, gb_shape_width(s->small), NULL,
                 packed + packed_room(s));
}

static void to_large(const gb_node *y, const gb_real *small, const gb_real *w, const gb_finish *f, gb_real *large)
{
  const gb_sliding *s = y->ctx;
  gb_real *packed = y->scratch;
  if (s->lattice && !is_narrow(s)) {
    gb_narrow_conv(y->rows, s->lattice, small, s->large.c, (gb_weights){w, 1, s->small.c}, s->classes, s->windows, f,
                   large, gb_shape_width(s->large), y->scratch);
    return;
  }
  for (const gb_pixels *p = s->seen; p < s->seen + s->classes; p++) {
    gb_gemm_pack(p->runs.taps, s->small.c, s->large.c, w, p->tap, s->small.c, true, packed);
    if (is_pixelwise(s))
      gb_small_rows(y->rows * s->positions.rows, s->small.c, small, s->large.c, packed, f, large);
    else
      gb_gemm_rows(y->rows, &p->runs, small, s->large.c, packed, f, large, gb_shape_width(s->large), p->place,
                   packed + packed_room(s));
  }
}

typedef void direction(const gb_node *y, const gb_real *from, const gb_real *w, const gb_finish *f, gb_real *to);

static void forward(gb_node *y, direction *go)
{
  const gb_sliding *s = y->ctx;
  bool at_once = gb_activation_is_monotone(s->activation);
  gb_node *b = bias_of(y);
  gb_finish f = {.start = b ? GB_START_BIAS : GB_START_ZERO,
                 .bias = b ? b->v : NULL,
                 .activate = at_once && s->activation != GB_NONE ? gb_activate : NULL,
                 .kind = (int)s->activation};
  go(y, y->in[X]->v, y->in[W]->v, &f, y->v);
  if (!at_once) gb_activate_kept(s->activation, y->rows * y->width, y->v, y->work);
}

/* Back through the activation, and to the bias. */
static void start_vjp(gb_node *y)
{
  const gb_sliding *s = y->ctx;
  gb_activate_kept_vjp(s->activation, y->rows * y->width, y->v, y->work, y->g);
  gb_node *b = bias_of(y);
  if (b) gb_node_sum_rows(y, b, y->rows * y->width / b->width, b->width, y->g, NULL);
}

static void gradient_of_w(gb_node *y, const gb_real *large, const gb_real *small)
{
  const gb_sliding *s = y->ctx;
  if (is_pixelwise(s) && !is_narrow_outer(s)) {
    gb_small_sums(y->rows * s->positions.rows, y->parts, y->add, s->large.c, large, s->small.c, small, y->in[W]->g,
                  y->scratch);
    return;
  }
  (is_narrow_outer(s) ? gb_narrow_outer : gb_gemm_outer)(y->rows, y->parts, y->add, &s->positions, large, s->small.c,
                                                         small, y->in[W]->g, y->scratch);
}

static void gradient_of_x(gb_node *y, direction *go)
{
  gb_node *x = y->in[X];
  if (x->g) go(y, y->g, y->in[W]->v, &(gb_finish){.start = gb_node_is_born(x) ? GB_START_ADD : GB_START_ZERO}, x->g);
}

/* Tangents are rows like any other. */
static void carry(const gb_node *y, direction *go)
{
  const gb_sliding *s = y->ctx;
  gb_node all = *y;
  all.rows *= y->directions;
  go(&all, y->in[X]->t, y->in[W]->v, &(gb_finish){.start = GB_START_ZERO}, y->t);
  gb_activate_kept_jvp(s->activation, y->rows, y->directions, y->width, y->v, y->work, y->t);
}

static gb_err conv_jvp(gb_node *y)
{
  carry(y, to_small);
  return GB_OK;
}

static gb_err deconv_jvp(gb_node *y)
{
  carry(y, to_large);
  return GB_OK;
}

static gb_err conv_forward(gb_node *y)
{
  forward(y, to_small);
  return GB_OK;
}

static gb_err conv_vjp(gb_node *y)
{
  start_vjp(y);
  gradient_of_w(y, y->in[X]->v, y->g);
  gradient_of_x(y, to_large);
  return GB_OK;
}

static gb_err deconv_forward(gb_node *y)
{
  forward(y, to_large);
  return GB_OK;
}

static gb_err deconv_vjp(gb_node *y)
{
  start_vjp(y);
  gradient_of_w(y, y->g, y->in[X]->v);
  gradient_of_x(y, to_small);
  return GB_OK;
}

static const gb_op dense_op = {"dense", conv_forward, conv_vjp};
static const gb_op conv_op = {"conv", conv_forward, conv_vjp};
static const gb_op deconv_op = {"deconv", deconv_forward, deconv_vjp};
static const gb_op turned_op = {"conv p4", conv_forward, conv_vjp};

static gb_node *make(gb_graph *g, const gb_op *op, gb_sliding *s, gb_shape shape, gb_node *const in[3])
{
  gb_node *y = s ? gb_graph_apply(g, op, s, shape, in[B] ? B + 1 : B, in) : NULL;
  if (!y) return NULL;
  y->starts = true;
  y->jvp = op == &deconv_op ? deconv_jvp : conv_jvp;
  y->flops = 2 * (double)(s->positions.rows * s->positions.taps) * (double)(s->large.c * s->small.c);
  y->n_scratch = scratch_room(s, gb_graph_rows(g) * y->copies);
  if (!gb_activation_is_monotone(s->activation)) y->n_work = y->width;
  return y;
}

gb_node *gb_dense(gb_graph *g, gb_node *x, gb_node *w, gb_node *b, gb_shape shape, gb_activation a)
{
  if (!x) return NULL;
  gb_shape large = {1, 1, x->width}, small = {1, 1, gb_shape_width(shape)};
  return make(g, &dense_op, gb_sliding_make(g, large, small, (gb_window){.kernel = 1, .stride = 1}, a), shape,
              (gb_node *[]){x, w, b});
}

size_t gb_window_small(gb_window win, size_t n)
{
  if (!win.padded) return n / win.stride;
  return n + 2 * win.pad < win.kernel ? 0 : (n + 2 * win.pad - win.kernel) / win.stride + 1;
}

size_t gb_window_large(gb_window win, size_t n)
{
  if (!win.padded) return n * win.stride;
  size_t spanned = (n - 1) * win.stride + win.kernel;
  return spanned > 2 * win.pad ? spanned - 2 * win.pad : 0;
}

gb_node *gb_conv(gb_graph *g, gb_node *x, gb_node *w, gb_node *b, gb_window win, size_t channels, gb_activation a)
{
  if (!x) return NULL;
  gb_shape small = {gb_window_small(win, x->shape.h), gb_window_small(win, x->shape.w), channels};
  return make(g, &conv_op, gb_sliding_make(g, x->shape, small, win, a), small, (gb_node *[]){x, w, b});
}

gb_node *gb_deconv(gb_graph *g, gb_node *x, gb_node *w, gb_node *b, gb_window win, size_t channels, gb_activation a)
{
  if (!x) return NULL;
  gb_shape large = {gb_window_large(win, x->shape.h), gb_window_large(win, x->shape.w), channels};
  return make(g, &deconv_op, gb_sliding_make(g, large, x->shape, win, a), large, (gb_node *[]){x, w, b});
}

gb_node *gb_turned_conv(gb_graph *g, gb_node *x, gb_node *w, gb_node *b, gb_window win, size_t turns, size_t channels,
                        gb_activation a)
{
  if (!x) return NULL;
  GB_ASSERT((turns == 1 || turns == GB_TURNS) && x->shape.w == x->shape.h * turns && win.kernel % 2 && !win.zero &&
            !win.padded);
  size_t side = x->shape.h / win.stride;
  gb_shape small = {side, side * GB_TURNS, channels};
  return make(g, &turned_op, gb_sliding_make_turned(g, x->shape, small, win, turns, a), small, (gb_node *[]){x, w, b});
}
