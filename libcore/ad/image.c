/* ad/image.c - pooling and interpolation. Inner loops run over channels, or over all numbers of a row of pixels. */
#include "ad/image.h"

#include <string.h>

#include "base/mem.h"

typedef struct pool {
  size_t size;
} pool;

/* y = the larger, or the one that is NaN */
static void raise_to(size_t n, const gb_real *restrict x, gb_real *restrict y)
{
  for (size_t i = 0; i < n; i++) y[i] = x[i] > y[i] || x[i] != x[i] ? x[i] : y[i];
}

/* From the first of a block's pixels that has the largest number on, its gradient is 0. */
static void give_to(size_t n, bool born, const gb_real *restrict x, const gb_real *restrict y, gb_real *restrict y_bar,
                    gb_real *restrict x_bar)
{
  for (size_t i = 0; i < n; i++) {
    bool here = !(x[i] < y[i]);
    x_bar[i] = (born ? x_bar[i] : 0) + (here ? y_bar[i] : 0);
    y_bar[i] = here ? 0 : y_bar[i];
  }
}

/* Where pixel (y, x) of an image begins. */
static size_t pixel(gb_shape image, size_t y, size_t x)
{
  return (y * image.w + x) * image.c;
}

static gb_err pool_forward(gb_node *y)
{
  const gb_node *x = y->in[0];
  const pool *p = y->ctx;
  size_t c = y->shape.c, s = p->size;
  gb_real *to = y->v;
  for (size_t r = 0; r < y->rows; r++)
    for (size_t i = 0; i < y->shape.h; i++)
      for (size_t j = 0; j < y->shape.w; j++, to += c) {
        const gb_real *from = x->v + r * x->width + pixel(x->shape, i * s, j * s);
        memcpy(to, from, c * sizeof *to);
        for (size_t k = 1; k < s * s; k++) raise_to(c, from + pixel(x->shape, k / s, k % s), to);
      }
  return GB_OK;
}

/* Pixels of one image that are in no block. */
static void zero_rest(const gb_node *y, gb_real *x_bar)
{
  const pool *p = y->ctx;
  gb_shape x = y->in[0]->shape;
  size_t h = y->shape.h * p->size, w = y->shape.w * p->size;
  for (size_t i = 0; i < h && w < x.w; i++) memset(x_bar + pixel(x, i, w), 0, (x.w - w) * x.c * sizeof *x_bar);
  memset(x_bar + pixel(x, h, 0), 0, (x.h - h) * x.w * x.c * sizeof *x_bar);
}

static gb_err pool_vjp(gb_node *y)
{
  gb_node *x = y->in[0];
  const pool *p = y->ctx;
  size_t c = y->shape.c, s = p->size, at = 0;
  for (size_t r = 0; x->g && r < y->rows; r++) {
    if (!gb_node_is_born(x)) zero_rest(y, x->g + r * x->width);
    for (size_t i = 0; i < y->shape.h; i++)
      for (size_t j = 0; j < y->shape.w; j++, at += c)
        for (size_t k = 0; k < s * s; k++) {
          size_t from = r * x->width + pixel(x->shape, i * s + k / s, j * s + k % s);
          give_to(c, gb_node_is_born(x), x->v + from, y->v + at, y->g + at, x->g + from);
        }
  }
  return GB_OK;
}

/* The tangent of the pixel that gave its number: the first of equals. */
static gb_err pool_jvp(gb_node *y)
{
  const gb_node *x = y->in[0];
  const pool *p = y->ctx;
  size_t c = y->shape.c, s = p->size, pixels = y->shape.h * y->shape.w;
  for (size_t i = 0; i < y->rows * y->width; i++) {
    size_t r = i / y->width, at = i / c % pixels, channel = i % c, k = 0, from;
    do from = pixel(x->shape, at / y->shape.w * s + k / s, at % y->shape.w * s + k % s) + channel;
    while (x->v[r * x->width + from] < y->v[i] && ++k < s * s);
    for (size_t d = r * y->directions; d < (r + 1) * y->directions; d++)
      y->t[d * y->width + i % y->width] = x->t[d * x->width + from];
  }
  return GB_OK;
}

static const gb_op pool_op = {"max pool", pool_forward, pool_vjp};

gb_node *gb_max_pool(gb_graph *g, gb_node *x, size_t size)
{
  pool *p = gb_graph_context(g, sizeof *p);
  if (!p || !x) return NULL;
  GB_ASSERT(size && size <= x->shape.h && size <= x->shape.w);
  p->size = size;
  gb_node *y = gb_graph_apply(g, &pool_op, p, (gb_shape){x->shape.h / size, x->shape.w / size, x->shape.c}, 1, &x);
  if (!y) return NULL;
  y->starts = true;
  y->jvp = pool_jvp;
  return y;
}

/* Between which two of m pixels one of n lies, and how far from the first to the second. */
typedef struct between {
  size_t first, second;
  gb_real share;
} between;

static between place(size_t i, size_t n, size_t m)
{
  if (n == 1) return (between){0};
  size_t steps = i * (m - 1), first = steps / (n - 1);
  return (between){first, first + (first + 1 < m), (gb_real)((double)(steps % (n - 1)) / (double)(n - 1))};
}

/* to = a + share (b - a) */
static void blend(size_t n, gb_real share, const gb_real *restrict a, const gb_real *restrict b, gb_real *restrict to)
{
  for (size_t i = 0; i < n; i++) to[i] = (1 - share) * a[i] + share * b[i];
}

static void add_share(size_t n, gb_real share, const gb_real *restrict g, gb_real *restrict to)
{
  for (size_t i = 0; i < n; i++) to[i] += share * g[i];
}

/* Rows are blended first, into y->scratch, then pixels of the row. */
static void upsampled(const gb_node *y, size_t rows, const gb_real *numbers, gb_real *to)
{
  const gb_node *x = y->in[0];
  size_t c = x->shape.c, row = x->shape.w * c;
  gb_real *blended = y->scratch;
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < y->shape.h; i++) {
      between v = place(i, y->shape.h, x->shape.h);
      const gb_real *from = numbers + r * x->width;
      blend(row, v.share, from + v.first * row, from + v.second * row, blended);
      for (size_t j = 0; j < y->shape.w; j++, to += c) {
        between u = place(j, y->shape.w, x->shape.w);
        blend(c, u.share, blended + u.first * c, blended + u.second * c, to);
      }
    }
}

static gb_err upsample_forward(gb_node *y)
{
  upsampled(y, y->rows, y->in[0]->v, y->v);
  return GB_OK;
}

static gb_err upsample_jvp(gb_node *y)
{
  upsampled(y, y->rows * y->directions, y->in[0]->t, y->t);
  return GB_OK;
}

static gb_err upsample_vjp(gb_node *y)
{
  gb_node *x = y->in[0];
  size_t c = x->shape.c, row = x->shape.w * c;
  gb_real *blended = y->scratch;
  const gb_real *g = y->g;
  for (size_t r = 0; x->g && r < y->rows; r++)
    for (size_t i = 0; i < y->shape.h; i++) {
      memset(blended, 0, row * sizeof *blended);
      for (size_t j = 0; j < y->shape.w; j++, g += c) {
        between u = place(j, y->shape.w, x->shape.w);
        add_share(c, 1 - u.share, g, blended + u.first * c);
        add_share(c, u.share, g, blended + u.second * c);
      }
      between v = place(i, y->shape.h, x->shape.h);
      gb_real *to = x->g + r * x->width;
      add_share(row, 1 - v.share, blended, to + v.first * row);
      add_share(row, v.share, blended, to + v.second * row);
    }
  return GB_OK;
}

static const gb_op upsample_op = {"upsample", upsample_forward, upsample_vjp};

gb_node *gb_upsample(gb_graph *g, gb_node *x, size_t h, size_t w)
{
  gb_node *y = x ? gb_graph_apply(g, &upsample_op, NULL, (gb_shape){h, w, x->shape.c}, 1, &x) : NULL;
  if (!y) return NULL;
  y->jvp = upsample_jvp;
  y->n_scratch = x->shape.w * x->shape.c * sizeof(gb_real);
  return y;
}
