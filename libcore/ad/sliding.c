/* ad/sliding.c - which pixels a position sees, and which positions see a pixel. */
#include "ad/sliding.h"

#include "base/mem.h"

/* Are there zeros beyond the edges, and how far beyond them begins the first window? */
static bool has_zeros(const gb_sliding *s)
{
  return s->window.zero || s->window.padded;
}

static size_t overhang(const gb_sliding *s)
{
  return s->window.padded ? s->window.pad : (s->window.kernel - 1) / 2;
}

/* Coordinate `at` of n, or -1 where there are zeros. */
static int64_t on_lattice(const gb_sliding *s, int64_t at, size_t n)
{
  int64_t m = (int64_t)n;
  if (has_zeros(s)) return at < 0 || at >= m ? -1 : at;
  return ((at % m) + m) % m;
}

static int32_t offset_of(gb_shape shape, int64_t y, int64_t x)
{
  return y < 0 || x < 0 ? -1 : (int32_t)((y * (int64_t)shape.w + x) * (int64_t)shape.c);
}

static void fill_positions(gb_sliding *s, int32_t *offset)
{
  int64_t stride = (int64_t)s->window.stride, kernel = (int64_t)s->window.kernel, pad = (int64_t)overhang(s);
  for (int64_t i = 0; i < (int64_t)s->small.h; i++)
    for (int64_t j = 0; j < (int64_t)s->small.w; j++)
      for (int64_t ky = 0; ky < kernel; ky++)
        for (int64_t kx = 0; kx < kernel; kx++)
          *offset++ = offset_of(s->large, on_lattice(s, i * stride + ky - pad, s->large.h),
                                on_lattice(s, j * stride + kx - pad, s->large.w));
}

/* Elements of the window, along one axis, that see the pixels a, a + stride, ... */
static size_t seeing(const gb_sliding *s, size_t a, size_t element[])
{
  size_t n = 0, pad = overhang(s);
  for (size_t k = 0; k < s->window.kernel; k++)
    if ((a + pad + s->window.kernel * s->window.stride - k) % s->window.stride == 0) element[n++] = k;
  return n;
}

/* The position whose element k sees pixel `at`; -1 if there is none. */
static int64_t position_of(const gb_sliding *s, size_t at, size_t k, size_t n)
{
  return on_lattice(s, ((int64_t)at + (int64_t)overhang(s) - (int64_t)k) / (int64_t)s->window.stride, n);
}

/* Tables still free to be handed out. */
typedef struct room {
  int32_t *offset, *place;
  size_t *tap;
} room;

static void fill_class(gb_sliding *s, size_t a, size_t b, gb_pixels *p, room *left)
{
  size_t K = s->window.kernel, ky[K], kx[K], ny = seeing(s, a, ky), nx = seeing(s, b, kx);
  size_t stride = s->window.stride;
  *p = (gb_pixels){.place = left->place, .tap = left->tap};
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

/* Tables in memory of the graph, still empty: n_taps of all classes together, n_seen (pixel, position) at most. */
static gb_sliding *new_sliding(gb_graph *g, gb_sliding start, size_t classes, size_t n_taps, size_t n_pixels,
                               size_t n_seen, room *left)
{
  size_t entries = start.positions.rows * start.positions.taps;
  gb_sliding *s = gb_graph_context(g, sizeof *s);
  gb_pixels *seen = gb_graph_context(g, classes * sizeof *seen);
  size_t *tap = gb_graph_context(g, n_taps * sizeof *tap);
  int32_t *table = gb_graph_context(g, (entries + n_seen + n_pixels) * sizeof *table);
  gb_real *zeros = gb_graph_context(g, (larger(start.large.c, start.small.c) + GB_NARROW_ROOM) * sizeof *zeros);
  if (!zeros) return NULL;
  *s = start;
  s->seen = seen;
  s->positions.offset = table;
  s->positions.c = s->large.c;
  s->positions.image = gb_shape_width(s->large);
  s->positions.zeros = zeros;
  *left = (room){table, table + entries + n_seen, tap};
  return s;
}

/* For gb_narrow_conv(): windows of positions that lie side by side.
 *  @param[out] tap  [kernel^2] */
static void fill_taps_to_small(const gb_sliding *s, gb_tap *tap)
{
  int K = (int)s->window.kernel, pad = (int)overhang(s);
  *s->windows = (gb_windows){(size_t)(K * K), tap, 0, s->small.w * s->small.c, s->small.c};
  for (int k = 0; k < K * K; k++) tap[k] = (gb_tap){k / K - pad, k % K - pad, (size_t)k * s->large.c * s->small.c};
  *s->lattice = (gb_lattice){s->large.h, s->large.w, s->large.c, (size_t)pad, (size_t)(K - 1 - pad), has_zeros(s)};
}

/* From the position at the place of pixel a to the one whose element k sees that pixel. */
static int step_of(const gb_sliding *s, size_t a, size_t k)
{
  return ((int)a + (int)overhang(s) - (int)k) / (int)s->window.stride;
}

static void reach(gb_lattice *l, int step)
{
  l->before = larger(l->before, (size_t)(step < 0 ? -step : 0));
  l->after = larger(l->after, (size_t)(step > 0 ? step : 0));
}

static void fill_taps_to_large(const gb_sliding *s, gb_tap *tap)
{
  size_t stride = s->window.stride, K = s->window.kernel, ky[K], kx[K];
  *s->lattice = (gb_lattice){s->small.h, s->small.w, s->small.c, 0, 0, has_zeros(s)};
  for (size_t k = 0; k < s->classes; k++) {
    size_t a = k / stride, b = k % stride, ny = seeing(s, a, ky), nx = seeing(s, b, kx);
    s->windows[k] =
        (gb_windows){ny * nx, tap, (size_t)*s->seen[k].place, stride * s->large.w * s->large.c, stride * s->large.c};
    for (size_t t = 0; t < ny * nx; t++, tap++) {
      *tap = (gb_tap){step_of(s, a, ky[t / nx]), step_of(s, b, kx[t % nx]), s->seen[k].tap[t]};
      reach(s->lattice, tap->dy);
      reach(s->lattice, tap->dx);
    }
  }
}

/* Are windows around a site of the larger image for each of the smaller one, stride of them apart? */
static bool as_large(const gb_sliding *s)
{
  return overhang(s) == (s->window.kernel - 1) / 2 && s->small.h * s->window.stride == s->large.h &&
         s->small.w * s->window.stride == s->large.w;
}

/* Where gb_narrow_conv() is of use, what it needs. */
static gb_err fill_taps(gb_graph *g, gb_sliding *s)
{
  enum { WORTH = 8 }; /* sites in a row, for vectors along it */
  bool small = s->small.c <= GB_NARROW && s->window.stride == 1 && s->large.w >= WORTH;
  bool large = s->small.c > GB_NARROW && s->large.c <= GB_NARROW && s->small.w >= WORTH;
  if ((!small && !large) || !as_large(s)) return GB_OK;
  gb_tap *tap = gb_graph_context(g, s->positions.taps * sizeof *tap);
  s->windows = gb_graph_context(g, s->classes * sizeof *s->windows);
  s->lattice = gb_graph_context(g, sizeof *s->lattice);
  if (!s->lattice) return GB_ERR_MEMORY;
  (small ? fill_taps_to_small : fill_taps_to_large)(s, tap);
  return GB_OK;
}

gb_sliding *gb_sliding_make(gb_graph *g, gb_shape large, gb_shape small, gb_window win, gb_activation a)
{
  size_t taps = win.kernel * win.kernel;
  gb_sliding start = {.large = large, .small = small, .window = win, .activation = a};
  room left;
  start.positions = (gb_runs){.rows = small.h * small.w, .taps = taps};
  size_t most_seen = (large.h + win.stride - 1) / win.stride * ((large.w + win.stride - 1) / win.stride) * taps;
  gb_sliding *s = new_sliding(g, start, win.stride * win.stride, taps, large.h * large.w, most_seen, &left);
  if (!s) return NULL;
  fill_positions(s, left.offset);
  left.offset += s->positions.rows * taps;
  for (size_t y = 0; y < win.stride; y++)
    for (size_t x = 0; x < win.stride; x++) {
      fill_class(s, y, x, &s->seen[s->classes], &left);
      s->seen[s->classes++].runs.zeros = s->positions.zeros;
    }
  return fill_taps(g, s) ? NULL : s;
}

/* Turned windows. A pixel of a lattice with orientations is `turns` pixels side by side, so it is another table and
 * nothing else: position (i, j, turn) has the window turned that often, and sees orientations counted from its own. */

typedef struct step {
  int64_t y, x;
} step;

/* From the middle of a window to its element (ky, kx), after so many quarter turns. */
static step turned(const gb_sliding *s, size_t ky, size_t kx, size_t turn)
{
  int64_t pad = (int64_t)(s->window.kernel - 1) / 2;
  step d = {(int64_t)ky - pad, (int64_t)kx - pad};
  for (; turn; turn--) d = (step){d.x, -d.y};
  return d;
}

static void fill_turned_positions(gb_sliding *s, size_t turns, int32_t *offset)
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
static bool steps_there(const gb_sliding *s, int64_t a, int64_t b, step d)
{
  int64_t stride = (int64_t)s->window.stride;
  return (a - d.y) % stride == 0 && (b - d.x) % stride == 0;
}

/* Positions that see pixel (y, x): GB_TURNS of each element of the window, less those that the stride leaves out. */
static void fill_seeing(const gb_sliding *s, size_t turns, int64_t y, int64_t x, room *left)
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
static void fill_turned_class(gb_sliding *s, size_t turns, int64_t a, int64_t b, size_t orientation, gb_pixels *p,
                              room *left)
{
  int64_t h = (int64_t)s->large.h, w = (int64_t)(s->large.w / turns), stride = (int64_t)s->window.stride;
  size_t K = s->window.kernel;
  *p = (gb_pixels){.place = left->place, .tap = left->tap};
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

gb_sliding *gb_sliding_make_turned(gb_graph *g, gb_shape large, gb_shape small, gb_window win, size_t turns,
                                   gb_activation a)
{
  size_t window = win.kernel * win.kernel;
  gb_sliding start = {.large = large, .small = small, .window = win, .activation = a};
  room left;
  start.positions = (gb_runs){.rows = small.h * small.w, .taps = window * turns};
  gb_sliding *s = new_sliding(g, start, win.stride * win.stride * turns, GB_TURNS * window * turns, large.h * large.w,
                              start.positions.rows * start.positions.taps, &left);
  if (!s) return NULL;
  fill_turned_positions(s, turns, left.offset);
  left.offset += s->positions.rows * s->positions.taps;
  for (size_t y = 0; y < win.stride; y++)
    for (size_t x = 0; x < win.stride; x++)
      for (size_t o = 0; o < turns; o++)
        fill_turned_class(s, turns, (int64_t)y, (int64_t)x, o, &s->seen[s->classes++], &left);
  return s;
}
