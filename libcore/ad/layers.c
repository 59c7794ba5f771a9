/* ad/layers.c - one op in two directions: a window that slides over a large image, with one pixel of a small image per
 * position. A convolution goes from large to small, its transpose from small to large, and each is the other's
 * derivative. A dense layer is the window over an image of one pixel.
 *
 * The pixels that a position sees, and the positions that see a pixel, are tables of offsets; the products read through
 * them (linalg/gemm.h), so nothing is gathered and periodic edges cost nothing. Pixels are sorted into stride x stride
 * classes: those of a class are seen by the same elements of the window, so no product multiplies zeros between pixels.
 *
 * Which kernel computes what (the bits are the same):
 *   few small channels, stride 1, 8 wide, not p4     narrow_conv   3 times faster than the general product
 *   gradient of W, few small channels                narrow_outer  6 times
 *   all else                                         gemm_rows, gemm_outer */
#include "ad/layers.h"

#include <string.h>

#include "base/mem.h"
#include "linalg/gemm.h"
#include "linalg/narrow.h"

/* The pixels of a class, as rows of positions. */
typedef struct pixels {
  gb_runs runs;
  int32_t *place; /* [runs.rows] of the pixels in the large image */
  size_t *tap;    /* [runs.taps] of the elements of the window, in W */
} pixels;

typedef struct sliding {
  gb_shape large, small;
  gb_window window;
  gb_activation activation;
  bool turned;       /* with orientations */
  gb_runs positions; /* as rows of pixels */
  size_t classes;
  pixels *seen; /* [classes] */
} sliding;

enum { X, W, B };

/* Coordinate `at` of n, or -1 where there are zeros. */
static int64_t on_lattice(const sliding *s, int64_t at, size_t n)
{
  int64_t m = (int64_t)n;
  if (s->window.zero) return at < 0 || at >= m ? -1 : at;
  return ((at % m) + m) % m;
}

static int32_t offset_of(gb_shape shape, int64_t y, int64_t x)
{
  return y < 0 || x < 0 ? -1 : (int32_t)((y * (int64_t)shape.w + x) * (int64_t)shape.c);
}

static void fill_positions(sliding *s, int32_t *offset)
{
  int64_t stride = (int64_t)s->window.stride, kernel = (int64_t)s->window.kernel, pad = (kernel - 1) / 2;
  for (int64_t i = 0; i < (int64_t)s->small.h; i++)
    for (int64_t j = 0; j < (int64_t)s->small.w; j++)
      for (int64_t ky = 0; ky < kernel; ky++)
        for (int64_t kx = 0; kx < kernel; kx++)
          *offset++ = offset_of(s->large, on_lattice(s, i * stride + ky - pad, s->large.h),
                                on_lattice(s, j * stride + kx - pad, s->large.w));
}

/* Elements of the window, along one axis, that see the pixels a, a + stride, ... */
static size_t seeing(const sliding *s, size_t a, size_t element[])
{
  size_t n = 0, pad = (s->window.kernel - 1) / 2;
  for (size_t k = 0; k < s->window.kernel; k++)
    if ((a + pad + s->window.kernel * s->window.stride - k) % s->window.stride == 0) element[n++] = k;
  return n;
}

/* The position whose element k sees pixel `at`; -1 if there is none. */
static int64_t position_of(const sliding *s, size_t at, size_t k, size_t n)
{
  return on_lattice(s, ((int64_t)at + (int64_t)(s->window.kernel - 1) / 2 - (int64_t)k) / (int64_t)s->window.stride, n);
}

/* Tables still free to be handed out. */
typedef struct room {
  int32_t *offset, *place;
  size_t *tap;
} room;

static void fill_class(sliding *s, size_t a, size_t b, pixels *p, room *left)
{
  size_t K = s->window.kernel, ky[K], kx[K], ny = seeing(s, a, ky), nx = seeing(s, b, kx);
  size_t stride = s->window.stride;
  *p = (pixels){.place = left->place, .tap = left->tap};
  p->runs = (gb_runs){.taps = ny * nx, .c = s->small.c, .offset = left->offset, .image = gb_shape_width(s->small)};
  for (size_t y = 0; y < ny; y++)
    for (size_t x = 0; x < nx; x++) *left->tap++ = (ky[y] * K + kx[x]) * s->large.c * s->small.c;
  for (size_t py = a; py < s->large.h; py += stride)
    for (size_t px = b; px < s->large.w; px += stride) {
      *left->place++ = offset_of(s->large, (int64_t)py, (int64_t)px);
      p->runs.rows++;
      for (size_t y = 0; y < ny; y++)
        for (size_t x = 0; x < nx; x++)
          *left->offset++ =
              offset_of(s->small, position_of(s, py, ky[y], s->small.h), position_of(s, px, kx[x], s->small.w));
    }
}

static size_t larger(size_t a, size_t b)
{
  return a > b ? a : b;
}

/* Tables in memory of the graph, still empty: n_taps of all classes together. */
static sliding *new_sliding(gb_graph *g, sliding start, size_t classes, size_t n_taps, size_t n_pixels, room *left)
{
  size_t entries = start.positions.rows * start.positions.taps;
  sliding *s = gb_graph_context(g, sizeof *s);
  pixels *seen = gb_graph_context(g, classes * sizeof *seen);
  size_t *tap = gb_graph_context(g, n_taps * sizeof *tap);
  int32_t *table = gb_graph_context(g, (2 * entries + n_pixels) * sizeof *table);
  gb_real *zeros = gb_graph_context(g, (larger(start.large.c, start.small.c) + GB_NARROW_ROOM) * sizeof *zeros);
  if (!zeros) return NULL;
  *s = start;
  s->seen = seen;
  s->positions.offset = table;
  s->positions.c = s->large.c;
  s->positions.image = gb_shape_width(s->large);
  s->positions.zeros = zeros;
  *left = (room){table, table + 2 * entries, tap};
  return s;
}

static sliding *make_sliding(gb_graph *g, gb_shape large, gb_shape small, gb_window win, gb_activation a)
{
  size_t taps = win.kernel * win.kernel;
  sliding start = {.large = large, .small = small, .window = win, .activation = a};
  room left;
  start.positions = (gb_runs){.rows = small.h * small.w, .taps = taps};
  sliding *s = new_sliding(g, start, win.stride * win.stride, taps, large.h * large.w, &left);
  if (!s) return NULL;
  fill_positions(s, left.offset);
  left.offset += s->positions.rows * taps;
  for (size_t y = 0; y < win.stride; y++)
    for (size_t x = 0; x < win.stride; x++) {
      fill_class(s, y, x, &s->seen[s->classes], &left);
      s->seen[s->classes++].runs.zeros = s->positions.zeros;
    }
  return s;
}

/* Turned windows. A pixel of a lattice with orientations is `turns` pixels side by side, so it is another table and
 * nothing else: position (i, j, turn) has the window turned that often, and sees orientations counted from its own. */

typedef struct step {
  int64_t y, x;
} step;

/* From the middle of a window to its element (ky, kx), after so many quarter turns. */
static step turned(const sliding *s, size_t ky, size_t kx, size_t turn)
{
  int64_t pad = (int64_t)(s->window.kernel - 1) / 2;
  step d = {(int64_t)ky - pad, (int64_t)kx - pad};
  for (; turn; turn--) d = (step){d.x, -d.y};
  return d;
}

static void fill_turned_positions(sliding *s, size_t turns, int32_t *offset)
{
  int64_t h = (int64_t)s->large.h, w = (int64_t)(s->large.w / turns), stride = (int64_t)s->window.stride;
  for (int64_t i = 0; i < h / stride; i++)
    for (int64_t j = 0; j < w / stride; j++)
      for (size_t turn = 0; turn < GB_TURNS; turn++)
        for (size_t k = 0; k < s->positions.taps; k++) {
          size_t at = k / turns;
          step d = turned(s, at / s->window.kernel, at % s->window.kernel, turn);
          int64_t y = (i * stride + d.y + h) % h, x = (j * stride + d.x + w) % w;
          *offset++ = offset_of(s->large, y, x * (int64_t)turns + (int64_t)((k % turns + turn) % turns));
        }
}

/* Is a pixel (a, b) + multiples of the stride seen, from some position, at a step d? */
static bool steps_there(const sliding *s, int64_t a, int64_t b, step d)
{
  int64_t stride = (int64_t)s->window.stride;
  return (a - d.y) % stride == 0 && (b - d.x) % stride == 0;
}

/* Positions that see pixel (y, x): GB_TURNS of each element of the window, less those that the stride leaves out. */
static void fill_seeing(const sliding *s, size_t turns, int64_t y, int64_t x, room *left)
{
  int64_t h = (int64_t)s->large.h, w = (int64_t)(s->large.w / turns), stride = (int64_t)s->window.stride;
  size_t K = s->window.kernel;
  for (size_t turn = 0; turn < GB_TURNS; turn++)
    for (size_t at = 0; at < K * K; at++) {
      step d = turned(s, at / K, at % K, turn);
      if (steps_there(s, y, x, d))
        *left->offset++ =
            offset_of(s->small, (y - d.y + h) % h / stride, (x - d.x + w) % w / stride * GB_TURNS + (int64_t)turn);
    }
}

/* The pixels (a, b) + multiples of the stride, of one orientation. */
static void fill_turned_class(sliding *s, size_t turns, int64_t a, int64_t b, size_t orientation, pixels *p, room *left)
{
  int64_t h = (int64_t)s->large.h, w = (int64_t)(s->large.w / turns), stride = (int64_t)s->window.stride;
  size_t K = s->window.kernel;
  *p = (pixels){.place = left->place, .tap = left->tap};
  p->runs = (gb_runs){.c = s->small.c, .offset = left->offset, .image = gb_shape_width(s->small)};
  for (size_t turn = 0; turn < GB_TURNS; turn++)
    for (size_t at = 0; at < K * K; at++) {
      if (!steps_there(s, a, b, turned(s, at / K, at % K, turn))) continue;
      *left->tap++ = (at * turns + (orientation + GB_TURNS - turn) % turns) * s->large.c * s->small.c;
      p->runs.taps++;
    }
  for (int64_t y = a; y < h; y += stride)
    for (int64_t x = b; x < w; x += stride) {
      *left->place++ = offset_of(s->large, y, x * (int64_t)turns + (int64_t)orientation);
      p->runs.rows++;
      fill_seeing(s, turns, y, x, left);
    }
}

static sliding *make_turned(gb_graph *g, gb_shape large, gb_shape small, gb_window win, size_t turns, gb_activation a)
{
  size_t window = win.kernel * win.kernel;
  sliding start = {.large = large, .small = small, .window = win, .activation = a, .turned = true};
  room left;
  start.positions = (gb_runs){.rows = small.h * small.w, .taps = window * turns};
  sliding *s =
      new_sliding(g, start, win.stride * win.stride * turns, GB_TURNS * window * turns, large.h * large.w, &left);
  if (!s) return NULL;
  fill_turned_positions(s, turns, left.offset);
  left.offset += s->positions.rows * s->positions.taps;
  for (size_t y = 0; y < win.stride; y++)
    for (size_t x = 0; x < win.stride; x++)
      for (size_t o = 0; o < turns; o++)
        fill_turned_class(s, turns, (int64_t)y, (int64_t)x, o, &s->seen[s->classes++], &left);
  return s;
}

/* Numbers of packed weights come first in the scratch, then what the product itself needs. */
static size_t packed_room(const sliding *s)
{
  size_t n = gb_gemm_packed(s->positions.taps * s->large.c, s->small.c);
  for (size_t k = 0; k < s->classes; k++) n = larger(n, gb_gemm_packed(s->seen[k].runs.taps * s->small.c, s->large.c));
  return n;
}

static bool is_narrow(const sliding *s)
{
  return s->small.c <= GB_NARROW;
}

static bool is_narrow_conv(const sliding *s)
{
  return is_narrow(s) && !s->turned && s->window.stride == 1 && s->large.w >= 8;
}

static gb_lattice lattice_of(const sliding *s)
{
  return (gb_lattice){s->large.h, s->large.w, s->large.c, s->window.kernel, s->window.zero};
}

static size_t scratch_room(const sliding *s, size_t rows)
{
  gb_lattice l = lattice_of(s);
  size_t n = gb_gemm_rows_scratch(&s->positions);
  for (size_t k = 0; k < s->classes; k++) n = larger(n, gb_gemm_rows_scratch(&s->seen[k].runs));
  n = larger(packed_room(s) * sizeof(gb_real) + n, gb_gemm_outer_scratch(&s->positions, rows, s->small.c));
  if (is_narrow(s)) n = larger(n, gb_narrow_outer_scratch(&s->positions, rows));
  return is_narrow_conv(s) ? larger(n, gb_narrow_conv_scratch(&l)) : n;
}

static void to_small(const gb_node *y, const gb_real *large, const gb_real *w, const gb_finish *f, gb_real *small)
{
  const sliding *s = y->ctx;
  gb_real *packed = y->scratch;
  if (is_narrow_conv(s)) {
    gb_lattice l = lattice_of(s);
    gb_narrow_conv(y->rows, &l, large, s->small.c, w, f, small, y->scratch);
    return;
  }
  gb_gemm_pack(s->positions.taps, s->large.c, s->small.c, w, NULL, s->small.c, false, packed);
  gb_gemm_rows(y->rows, &s->positions, large, s->small.c, packed, f, small, gb_shape_width(s->small), NULL,
               packed + packed_room(s));
}

static void to_large(const gb_node *y, const gb_real *small, const gb_real *w, const gb_finish *f, gb_real *large)
{
  const sliding *s = y->ctx;
  gb_real *packed = y->scratch;
  for (const pixels *p = s->seen; p < s->seen + s->classes; p++) {
    gb_gemm_pack(p->runs.taps, s->small.c, s->large.c, w, p->tap, s->small.c, true, packed);
    gb_gemm_rows(y->rows, &p->runs, small, s->large.c, packed, f, large, gb_shape_width(s->large), p->place,
                 packed + packed_room(s));
  }
}

typedef void direction(const gb_node *y, const gb_real *from, const gb_real *w, const gb_finish *f, gb_real *to);

static void forward(gb_node *y, direction *go)
{
  const sliding *s = y->ctx;
  bool at_once = gb_activation_is_monotone(s->activation);
  gb_finish f = {.start = GB_START_BIAS,
                 .bias = y->in[B]->v,
                 .activate = at_once && s->activation != GB_NONE ? gb_activate : NULL,
                 .kind = (int)s->activation};
  go(y, y->in[X]->v, y->in[W]->v, &f, y->v);
  if (at_once) return;
  memcpy(y->work, y->v, y->rows * y->width * sizeof *y->v); /* the derivative wants it */
  gb_activate((int)s->activation, y->rows * y->width, y->v);
}

/* Back through the activation, and to the bias. */
static void start_vjp(gb_node *y)
{
  const sliding *s = y->ctx;
  gb_activate_vjp((int)s->activation, y->rows * y->width, gb_activation_is_monotone(s->activation) ? y->v : y->work,
                  y->g);
  gb_node_sum_rows(y, y->in[B], y->rows * y->width / y->in[B]->width, y->in[B]->width, y->g, NULL);
}

static void gradient_of_w(gb_node *y, const gb_real *large, const gb_real *small)
{
  const sliding *s = y->ctx;
  (is_narrow(s) ? gb_narrow_outer : gb_gemm_outer)(y->rows, y->parts, y->add, &s->positions, large, s->small.c, small,
                                                   y->in[W]->g, y->scratch);
}

static void gradient_of_x(gb_node *y, direction *go)
{
  gb_node *x = y->in[X];
  if (x->g) go(y, y->g, y->in[W]->v, &(gb_finish){.start = x->born ? GB_START_ADD : GB_START_ZERO}, x->g);
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

static gb_node *make(gb_graph *g, const gb_op *op, sliding *s, gb_shape shape, gb_node *const in[3])
{
  gb_node *y = s ? gb_graph_apply(g, op, s, shape, 3, in) : NULL;
  if (!y) return NULL;
  y->starts = true;
  y->flops = 2 * (double)(s->positions.rows * s->positions.taps) * (double)(s->large.c * s->small.c);
  y->n_scratch = scratch_room(s, gb_graph_rows(g));
  if (!gb_activation_is_monotone(s->activation)) y->n_work = y->width;
  return y;
}

gb_node *gb_dense(gb_graph *g, gb_node *x, gb_node *w, gb_node *b, gb_shape shape, gb_activation a)
{
  if (!x) return NULL;
  gb_shape large = {1, 1, x->width}, small = {1, 1, gb_shape_width(shape)};
  return make(g, &dense_op, make_sliding(g, large, small, (gb_window){1, 1, false}, a), shape, (gb_node *[]){x, w, b});
}

gb_node *gb_conv(gb_graph *g, gb_node *x, gb_node *w, gb_node *b, gb_window win, size_t channels, gb_activation a)
{
  if (!x) return NULL;
  gb_shape small = {x->shape.h / win.stride, x->shape.w / win.stride, channels};
  return make(g, &conv_op, make_sliding(g, x->shape, small, win, a), small, (gb_node *[]){x, w, b});
}

gb_node *gb_deconv(gb_graph *g, gb_node *x, gb_node *w, gb_node *b, gb_window win, size_t channels, gb_activation a)
{
  if (!x) return NULL;
  gb_shape large = {x->shape.h * win.stride, x->shape.w * win.stride, channels};
  return make(g, &deconv_op, make_sliding(g, large, x->shape, win, a), large, (gb_node *[]){x, w, b});
}

gb_node *gb_turned_conv(gb_graph *g, gb_node *x, gb_node *w, gb_node *b, gb_window win, size_t turns, size_t channels,
                        gb_activation a)
{
  if (!x) return NULL;
  GB_ASSERT((turns == 1 || turns == GB_TURNS) && x->shape.w == x->shape.h * turns && win.kernel % 2 && !win.zero);
  size_t side = x->shape.h / win.stride;
  gb_shape small = {side, side * GB_TURNS, channels};
  return make(g, &turned_op, make_turned(g, x->shape, small, win, turns, a), small, (gb_node *[]){x, w, b});
}
