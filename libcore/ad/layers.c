/* ad/layers.c - dense layers are one gemm; convolutions gather their windows (im2col) and are one gemm.
 *
 * Why im2col: on the layers of these models a plain gather + sgemm comes within 15 % of oneDNN's kernels (measured,
 * docs/PERFORMANCE.md), and the gather makes periodic padding free. */
#include "ad/layers.h"

#include <string.h>

#include "linalg/blas.h"
#include "linalg/vmath.h"

static const char *const activation_name[] = {"none", "relu", "elu", "tanh", "softplus"};

int gb_activation_find(const char *name)
{
  for (int i = GB_NONE; i <= GB_SOFTPLUS; i++)
    if (!strcmp(activation_name[i], name)) return i;
  return -1;
}

/* A NaN stays one (no comparison with it is true): it must reach the loss. */
static void activate(gb_activation a, size_t n, gb_real *restrict y)
{
  switch (a) {
  case GB_NONE: break;
  case GB_RELU:
    for (size_t i = 0; i < n; i++) y[i] = y[i] < 0 ? 0 : y[i];
    break;
  case GB_ELU:
    for (size_t i = 0; i < n; i++) {
      gb_real e = gb_exp(y[i] < 0 ? y[i] : 0) - 1;
      y[i] = y[i] < 0 ? e : y[i];
    }
    break;
  case GB_TANH:
    for (size_t i = 0; i < n; i++) y[i] = gb_tanh(y[i]);
    break;
  case GB_SOFTPLUS:
    for (size_t i = 0; i < n; i++) y[i] = (y[i] > 0 ? y[i] : 0) + (gb_real)log1p(gb_exp(y[i] < 0 ? y[i] : -y[i]));
    break;
  }
}

/* g *= activation'(x), written with y = activation(x). */
static void activate_vjp(gb_activation a, size_t n, const gb_real *restrict y, gb_real *restrict g)
{
  switch (a) {
  case GB_NONE: break;
  case GB_RELU:
    for (size_t i = 0; i < n; i++) g[i] = y[i] > 0 ? g[i] : 0;
    break;
  case GB_ELU:
    for (size_t i = 0; i < n; i++) g[i] *= y[i] > 0 ? 1 : y[i] + 1;
    break;
  case GB_TANH:
    for (size_t i = 0; i < n; i++) g[i] *= 1 - y[i] * y[i];
    break;
  case GB_SOFTPLUS:
    for (size_t i = 0; i < n; i++) g[i] *= 1 - gb_exp(-y[i]);
    break;
  }
}

/* y [rows, n] = b in every row, so that the gemm adds to it. */
static void fill_rows(size_t rows, size_t n, const gb_real *b, gb_real *y)
{
  for (size_t r = 0; r < rows; r++) memcpy(y + r * n, b, n * sizeof *y);
}

typedef struct layer {
  gb_activation activation;
  gb_window window;
} layer;

enum { X, W, B };

static gb_err dense_forward(gb_node *y)
{
  const layer *l = y->ctx;
  const gb_node *x = y->in[X];
  fill_rows(y->rows, y->width, y->in[B]->v, y->v);
  gb_gemm(false, false, y->rows, y->width, x->width, 1, x->v, x->width, y->in[W]->v, y->width, 1, y->v, y->width);
  activate(l->activation, y->rows * y->width, y->v);
  return GB_OK;
}

static gb_err dense_vjp(gb_node *y)
{
  const layer *l = y->ctx;
  gb_node *x = y->in[X], *w = y->in[W];
  activate_vjp(l->activation, y->rows * y->width, y->v, y->g);
  gb_node_sum_rows(y, y->in[B], y->rows, y->width, y->g, NULL);
  gb_gemm(true, false, x->width, y->width, y->rows, 1, x->v, x->width, y->g, y->width, 1, w->g, y->width);
  if (x->g) gb_gemm(false, true, y->rows, x->width, y->width, 1, y->g, y->width, w->v, y->width, 1, x->g, x->width);
  return GB_OK;
}

static const gb_op dense_op = {"dense", dense_forward, dense_vjp};

static void *make_context(gb_graph *g, gb_activation a, gb_window win)
{
  layer *l = gb_graph_context(g, sizeof *l);
  if (l) *l = (layer){a, win};
  return l;
}

gb_node *gb_dense(gb_graph *g, gb_node *x, gb_node *w, gb_node *b, gb_shape shape, gb_activation a)
{
  void *ctx = make_context(g, a, (gb_window){0, 0});
  return ctx ? gb_graph_apply(g, &dense_op, ctx, shape, 3, (gb_node *[]){x, w, b}) : NULL;
}

/* The two sides of a window: `large` is what the kernel slides over, `small` has one pixel per position. */
typedef struct sliding {
  gb_shape large, small;
  size_t kernel, stride;
} sliding;

static size_t window_width(const sliding *s)
{
  return s->kernel * s->kernel * s->large.c;
}

/* The row (or column) of n that element k of the window at position j sees, with wrapping: kernel <= n. */
static size_t seen(const sliding *s, size_t j, size_t k, size_t n)
{
  size_t x = j * s->stride + k + n - (s->kernel - 1) / 2;
  if (x >= n) x -= n;
  return x >= n ? x - n : x;
}

/* One row of a window: `n` pixels of image line `line` from column `x` on, the rest (where it wraps) from column 0. */
typedef struct span {
  size_t line, x, n;
} span;

static span window_row(const sliding *s, size_t i, size_t j, size_t ky)
{
  size_t x = seen(s, j, 0, s->large.w), left = s->large.w - x;
  return (span){seen(s, i, ky, s->large.h), x, left < s->kernel ? left : s->kernel};
}

/* columns [small.h * small.w, kernel * kernel * c] of one image: every window as a row */
static void gather(const sliding *s, const gb_real *restrict image, gb_real *restrict columns)
{
  size_t c = s->large.c;
  for (size_t i = 0; i < s->small.h; i++)
    for (size_t j = 0; j < s->small.w; j++)
      for (size_t ky = 0; ky < s->kernel; ky++, columns += s->kernel * c) {
        span r = window_row(s, i, j, ky);
        const gb_real *row = image + r.line * s->large.w * c;
        memcpy(columns, row + r.x * c, r.n * c * sizeof *columns);
        if (r.n < s->kernel) memcpy(columns + r.n * c, row, (s->kernel - r.n) * c * sizeof *columns);
      }
}

static void add(size_t n, const gb_real *restrict from, gb_real *restrict to)
{
  for (size_t i = 0; i < n; i++) to[i] += from[i];
}

/* The transpose of gather(): image += */
static void scatter(const sliding *s, const gb_real *restrict columns, gb_real *restrict image)
{
  size_t c = s->large.c;
  for (size_t i = 0; i < s->small.h; i++)
    for (size_t j = 0; j < s->small.w; j++)
      for (size_t ky = 0; ky < s->kernel; ky++, columns += s->kernel * c) {
        span r = window_row(s, i, j, ky);
        gb_real *row = image + r.line * s->large.w * c;
        add(r.n * c, columns, row + r.x * c);
        add((s->kernel - r.n) * c, columns + r.n * c, row);
      }
}

static void gather_rows(const sliding *s, size_t rows, const gb_real *images, gb_real *columns)
{
  size_t n = gb_shape_width(s->large), m = s->small.h * s->small.w * window_width(s);
  for (size_t r = 0; r < rows; r++) gather(s, images + r * n, columns + r * m);
}

static void scatter_rows(const sliding *s, size_t rows, const gb_real *columns, gb_real *images)
{
  size_t n = gb_shape_width(s->large), m = s->small.h * s->small.w * window_width(s);
  for (size_t r = 0; r < rows; r++) scatter(s, columns + r * m, images + r * n);
}

static sliding conv_window(const gb_node *y)
{
  const layer *l = y->ctx;
  return (sliding){y->in[X]->shape, y->shape, l->window.kernel, l->window.stride};
}

static gb_err conv_forward(gb_node *y)
{
  const layer *l = y->ctx;
  sliding s = conv_window(y);
  size_t c = y->shape.c, pixels = y->rows * y->shape.h * y->shape.w, k = window_width(&s);
  gather_rows(&s, y->rows, y->in[X]->v, y->work); /* kept for the gradient of W */
  fill_rows(pixels, c, y->in[B]->v, y->v);
  gb_gemm(false, false, pixels, c, k, 1, y->work, k, y->in[W]->v, c, 1, y->v, c);
  activate(l->activation, y->rows * y->width, y->v);
  return GB_OK;
}

static gb_err conv_vjp(gb_node *y)
{
  const layer *l = y->ctx;
  sliding s = conv_window(y);
  gb_node *x = y->in[X], *w = y->in[W];
  size_t c = y->shape.c, pixels = y->rows * y->shape.h * y->shape.w, k = window_width(&s);
  activate_vjp(l->activation, y->rows * y->width, y->v, y->g);
  gb_node_sum_rows(y, y->in[B], pixels, c, y->g, NULL);
  gb_gemm(true, false, k, c, pixels, 1, y->work, k, y->g, c, 1, w->g, c);
  if (!x->g) return GB_OK;
  gb_gemm(false, true, pixels, k, c, 1, y->g, c, w->v, c, 0, y->work, k);
  scatter_rows(&s, y->rows, y->work, x->g);
  return GB_OK;
}

static const gb_op conv_op = {"conv", conv_forward, conv_vjp};

gb_node *gb_conv(gb_graph *g, gb_node *x, gb_node *w, gb_node *b, gb_window win, size_t channels, gb_activation a)
{
  void *ctx = make_context(g, a, win);
  if (!ctx || !x) return NULL;
  gb_shape shape = {x->shape.h / win.stride, x->shape.w / win.stride, channels};
  gb_node *y = gb_graph_apply(g, &conv_op, ctx, shape, 3, (gb_node *[]){x, w, b});
  if (y) y->n_work = shape.h * shape.w * win.kernel * win.kernel * x->shape.c;
  return y;
}

static sliding deconv_window(const gb_node *y)
{
  const layer *l = y->ctx;
  return (sliding){y->shape, y->in[X]->shape, l->window.kernel, l->window.stride};
}

static gb_err deconv_forward(gb_node *y)
{
  const layer *l = y->ctx;
  sliding s = deconv_window(y);
  const gb_node *x = y->in[X];
  size_t c = x->shape.c, pixels = y->rows * x->shape.h * x->shape.w, k = window_width(&s);
  gb_gemm(false, false, pixels, k, c, 1, x->v, c, y->in[W]->v, k, 0, y->work, k);
  fill_rows(y->rows * y->shape.h * y->shape.w, y->shape.c, y->in[B]->v, y->v);
  scatter_rows(&s, y->rows, y->work, y->v);
  activate(l->activation, y->rows * y->width, y->v);
  return GB_OK;
}

static gb_err deconv_vjp(gb_node *y)
{
  const layer *l = y->ctx;
  sliding s = deconv_window(y);
  gb_node *x = y->in[X], *w = y->in[W];
  size_t c = x->shape.c, pixels = y->rows * x->shape.h * x->shape.w, k = window_width(&s);
  activate_vjp(l->activation, y->rows * y->width, y->v, y->g);
  gb_node_sum_rows(y, y->in[B], y->rows * y->shape.h * y->shape.w, y->shape.c, y->g, NULL);
  gather_rows(&s, y->rows, y->g, y->work);
  gb_gemm(true, false, c, k, pixels, 1, x->v, c, y->work, k, 1, w->g, k);
  if (x->g) gb_gemm(false, true, pixels, c, k, 1, y->work, k, w->v, k, 1, x->g, c);
  return GB_OK;
}

static const gb_op deconv_op = {"deconv", deconv_forward, deconv_vjp};

gb_node *gb_deconv(gb_graph *g, gb_node *x, gb_node *w, gb_node *b, gb_window win, size_t channels, gb_activation a)
{
  void *ctx = make_context(g, a, win);
  if (!ctx || !x) return NULL;
  gb_shape shape = {x->shape.h * win.stride, x->shape.w * win.stride, channels};
  gb_node *y = gb_graph_apply(g, &deconv_op, ctx, shape, 3, (gb_node *[]){x, w, b});
  if (y) y->n_work = x->shape.h * x->shape.w * win.kernel * win.kernel * channels;
  return y;
}
