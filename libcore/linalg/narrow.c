/* linalg/narrow.c - vectors along the inner index for A^T G, along the lattice for windows. */
#include "linalg/narrow.h"

#include <string.h>

#include "linalg/stretch.h"
#include "linalg/vectors.h"

enum { BLOCK = 6 };         /* vectors of A, or of sites, held at once */
enum { FEWER = BLOCK / 2 }; /* of A, with more than GB_NARROW columns */

/* A^T G: the transposed result [n, taps, vectors of c] is what is kept; few columns make it small. */

static size_t vectors_of(size_t c)
{
  return (c + GB_VR - 1) / GB_VR;
}

static size_t strip_size(const gb_runs *a)
{
  return GB_NARROW_OUTER * a->taps * vectors_of(a->c) * GB_VR;
}

size_t gb_narrow_outer_scratch(const gb_runs *a, size_t images)
{
  return (gb_stretch_levels(images) + 2) * strip_size(a) * sizeof(gb_real) + GB_STRETCH * a->taps * sizeof(gb_real *);
}

/* Chains of `count` vectors, from vector `first` of a row on, over the rows of a stretch. */
GB_INLINE void chain(int n, int count, size_t rows, const gb_real *const *const from[BLOCK], const size_t at[BLOCK],
                     const gb_real *g, gb_real *strip, size_t line)
{
  gb_vr acc[GB_NARROW_OUTER][BLOCK];
  for (int j = 0; j < n; j++)
    for (int v = 0; v < count; v++) acc[j][v] = *(const gb_vr *)(strip + (size_t)j * line + (size_t)v * GB_VR);
  for (size_t r = 0; r < rows; r++, g += n) {
    gb_vr x[BLOCK];
    for (int v = 0; v < count; v++) x[v] = *(const gb_vr *)(from[v][r] + at[v]);
    for (int j = 0; j < n; j++) {
      gb_vr s = gb_vr_all(g[j]);
      for (int v = 0; v < count; v++) acc[j][v] = gb_vr_fma(x[v], s, acc[j][v]);
    }
  }
  for (int j = 0; j < n; j++)
    for (int v = 0; v < count; v++) *(gb_vr *)(strip + (size_t)j * line + (size_t)v * GB_VR) = acc[j][v];
}

static size_t at_once(size_t n)
{
  return n <= GB_NARROW ? BLOCK : FEWER;
}

/* With sizes known to the compiler, so that the sums stay in registers. */
static void some_chains(size_t n, size_t count, size_t rows, const gb_real *const *const from[BLOCK],
                        const size_t at[BLOCK], const gb_real *g, gb_real *strip, size_t line)
{
  if (count == at_once(n)) {
    switch (n) {
    case 1: chain(1, BLOCK, rows, from, at, g, strip, line); break;
    case 2: chain(2, BLOCK, rows, from, at, g, strip, line); break;
    case 3: chain(3, BLOCK, rows, from, at, g, strip, line); break;
    case 4: chain(4, BLOCK, rows, from, at, g, strip, line); break;
    case 5: chain(5, FEWER, rows, from, at, g, strip, line); break;
    case 6: chain(6, FEWER, rows, from, at, g, strip, line); break;
    case 7: chain(7, FEWER, rows, from, at, g, strip, line); break;
    default: chain(8, FEWER, rows, from, at, g, strip, line);
    }
    return;
  }
  for (size_t v = 0; v < count; v++) switch (n) {
    case 1: chain(1, 1, rows, from + v, at + v, g, strip + v * GB_VR, line); break;
    case 2: chain(2, 1, rows, from + v, at + v, g, strip + v * GB_VR, line); break;
    case 3: chain(3, 1, rows, from + v, at + v, g, strip + v * GB_VR, line); break;
    case 4: chain(4, 1, rows, from + v, at + v, g, strip + v * GB_VR, line); break;
    case 5: chain(5, 1, rows, from + v, at + v, g, strip + v * GB_VR, line); break;
    case 6: chain(6, 1, rows, from + v, at + v, g, strip + v * GB_VR, line); break;
    case 7: chain(7, 1, rows, from + v, at + v, g, strip + v * GB_VR, line); break;
    default: chain(8, 1, rows, from + v, at + v, g, strip + v * GB_VR, line);
    }
}

static void one_stretch(const gb_runs *a, const gb_real *const *run, size_t rows, size_t n, const gb_real *g,
                        gb_real *strip)
{
  size_t per_run = vectors_of(a->c), all = a->taps * per_run, most = at_once(n);
  for (size_t first = 0; first < all; first += most) {
    const gb_real *const *from[BLOCK];
    size_t at[BLOCK], count = all - first < most ? all - first : most;
    for (size_t v = 0; v < count; v++) {
      from[v] = run + (first + v) / per_run * GB_STRETCH;
      at[v] = (first + v) % per_run * GB_VR;
    }
    some_chains(n, count, rows, from, at, g, strip + first * GB_VR, all * GB_VR);
  }
}

/* Between D [taps * c, n] and a strip [n, taps, vectors of c]. */
static void exchange(const gb_runs *a, size_t n, gb_real *d, gb_real *strip, bool to_strip)
{
  size_t padded = vectors_of(a->c) * GB_VR;
  for (size_t t = 0; t < a->taps; t++)
    for (size_t i = 0; i < a->c; i++)
      for (size_t j = 0; j < n; j++) {
        gb_real *in_d = d + (t * a->c + i) * n + j, *in_strip = strip + (j * a->taps + t) * padded + i;
        if (to_strip)
          *in_strip = *in_d;
        else
          *in_d = *in_strip;
      }
}

void gb_narrow_outer(size_t images, size_t parts, bool add, const gb_runs *a, const gb_real *x, size_t n,
                     const gb_real *g, gb_real *d, void *scratch)
{
  size_t piece = images * a->rows / parts, size = strip_size(a);
  gb_real *level = scratch, *sum = level + (gb_stretch_levels(images) + 1) * size;
  const gb_real **run = (const gb_real **)(sum + size);
  for (size_t p = 0; p < parts; p++) {
    memset(sum, 0, size * sizeof *sum);
    if (add) exchange(a, n, d, sum, true);
    for (size_t done = 0, rows; done < piece; done += rows) {
      rows = piece - done < GB_STRETCH ? piece - done : GB_STRETCH;
      gb_stretch_look_up(a, x, p * piece + done, rows, run);
      one_stretch(a, run, rows, n, g + (p * piece + done) * n, sum);
    }
    size_t l = 0;
    for (; p >> l & 1; l++)
      for (size_t i = 0; i < size; i++) sum[i] = level[l * size + i] + sum[i];
    memcpy(level + l * size, sum, size * sizeof *sum);
  }
  exchange(a, n, d, sum, false);
}

/* Windows: an image is turned into planes, one per channel, with the sites beyond the edges in place. */

static size_t plane_width(const gb_lattice *l)
{
  return l->before + vectors_of(l->w) * GB_VR + l->after;
}

static size_t plane_size(const gb_lattice *l)
{
  return (l->before + l->h + l->after) * plane_width(l);
}

size_t gb_narrow_conv_scratch(const gb_lattice *l)
{
  return l->c * plane_size(l) * sizeof(gb_real);
}

/* c numbers of w sites become w numbers in c planes. */
static void turn_row(const gb_lattice *l, const gb_real *x, gb_real *planes)
{
  size_t c = l->c, size = plane_size(l), i = 0;
  for (; i + GB_VR <= l->w; i += GB_VR)
    for (size_t k = 0; k < c; k += GB_VR) {
      gb_vr v[GB_VR];
      for (int s = 0; s < GB_VR; s++) v[s] = *(const gb_vr *)(x + (i + (size_t)s) * c + k);
      gb_vr_transpose(v);
      for (size_t s = 0; s < GB_VR && k + s < c; s++) *(gb_vr *)(planes + (k + s) * size + i) = v[s];
    }
  for (; i < l->w; i++)
    for (size_t k = 0; k < c; k++) planes[k * size + i] = x[i * c + k];
}

/* The sites beyond the left and right edge of a row whose first site is *row. Lanes behind them are of no use, but what
 * lies in the scratch may be numbers below the normal range, which slow all lanes down. */
static void wrap_row(const gb_lattice *l, gb_real *row)
{
  size_t seen = l->w + l->after;
  memset(row + seen, 0, (plane_width(l) - l->before - seen) * sizeof *row);
  for (size_t i = 0; i < l->after; i++) row[l->w + i] = l->zero ? 0 : row[i];
  for (size_t i = 1; i <= l->before; i++) *(row - i) = l->zero ? 0 : row[l->w - i];
}

static void turn_image(const gb_lattice *l, const gb_real *x, gb_real *planes)
{
  size_t width = plane_width(l), size = plane_size(l);
  for (size_t y = 0; y < l->h; y++) turn_row(l, x + y * l->w * l->c, planes + (l->before + y) * width + l->before);
  for (size_t k = 0; k < l->c; k++, planes += size) {
    gb_real *first = planes + l->before * width, *end = first + l->h * width;
    for (gb_real *row = first; row < end; row += width) wrap_row(l, row + l->before);
    if (l->zero) {
      memset(planes, 0, l->before * width * sizeof *planes);
      memset(end, 0, l->after * width * sizeof *planes);
    } else {
      memcpy(planes, end - l->before * width, l->before * width * sizeof *planes);
      memcpy(end, first, l->after * width * sizeof *planes);
    }
  }
}

/* The chains of `count` vectors of sites, of n columns. */
GB_INLINE void chains(int n, int count, const gb_lattice *l, const gb_windows *d, const gb_real *planes,
                      const size_t at[], const gb_weights *all, gb_vr acc[GB_NARROW][BLOCK])
{
  size_t size = plane_size(l);
  ptrdiff_t width = (ptrdiff_t)plane_width(l);
  for (const gb_tap *t = d->tap; t < d->tap + d->n; t++) {
    const gb_real *p = planes + t->dy * width + t->dx, *w = all->w + t->w;
    for (size_t k = 0; k < l->c; k++, p += size, w += all->row) {
      gb_vr x[BLOCK];
      for (int v = 0; v < count; v++) x[v] = *(const gb_vr *)(p + at[v]);
      for (int j = 0; j < n; j++) {
        gb_vr s = gb_vr_all(w[(size_t)j * all->column]);
        for (int v = 0; v < count; v++) acc[j][v] = gb_vr_fma(x[v], s, acc[j][v]);
      }
    }
  }
}

/* With sizes known to the compiler, so that the sums stay in registers. */
static void some_sites(size_t n, size_t count, const gb_lattice *l, const gb_windows *d, const gb_real *planes,
                       const size_t at[], const gb_weights *w, gb_vr acc[GB_NARROW][BLOCK])
{
  if (count == BLOCK) switch (n) {
    case 1: chains(1, BLOCK, l, d, planes, at, w, acc); return;
    case 2: chains(2, BLOCK, l, d, planes, at, w, acc); return;
    case 3: chains(3, BLOCK, l, d, planes, at, w, acc); return;
    default: chains(4, BLOCK, l, d, planes, at, w, acc); return;
    }
  for (size_t v = 0; v < count; v++) {
    gb_vr one[GB_NARROW][BLOCK];
    for (size_t j = 0; j < n; j++) one[j][0] = acc[j][v];
    switch (n) {
    case 1: chains(1, 1, l, d, planes, at + v, w, one); break;
    case 2: chains(2, 1, l, d, planes, at + v, w, one); break;
    case 3: chains(3, 1, l, d, planes, at + v, w, one); break;
    default: chains(4, 1, l, d, planes, at + v, w, one); break;
    }
    for (size_t j = 0; j < n; j++) acc[j][v] = one[j][0];
  }
}

static void one_image(const gb_lattice *l, const gb_windows *d, const gb_real *planes, size_t n, const gb_weights *w,
                      const gb_finish *f, gb_real *y)
{
  size_t per_row = vectors_of(l->w), all = l->h * per_row, count;
  for (size_t first = 0; first < all; first += count) {
    size_t at[BLOCK], row[BLOCK], left[BLOCK]; /* in the planes, in y; sites that are there */
    gb_vr acc[GB_NARROW][BLOCK];
    count = all - first < BLOCK ? all - first : BLOCK;
    for (size_t v = 0; v < count; v++) {
      size_t i = (first + v) / per_row, j = (first + v) % per_row * GB_VR;
      at[v] = (l->before + i) * plane_width(l) + l->before + j;
      row[v] = d->first + i * d->row + j * d->site;
      left[v] = l->w - j < GB_VR ? l->w - j : GB_VR;
      for (size_t k = 0; k < n; k++) {
        acc[k][v] = gb_vr_all(f->start == GB_START_BIAS ? f->bias[k] : 0);
        for (size_t s = 0; f->start == GB_START_ADD && s < left[v]; s++) acc[k][v][s] = y[row[v] + s * d->site + k];
      }
    }
    some_sites(n, count, l, d, planes, at, w, acc);
    for (size_t v = 0; v < count; v++)
      for (size_t s = 0; s < left[v]; s++)
        for (size_t k = 0; k < n; k++) y[row[v] + s * d->site + k] = acc[k][v][s];
  }
}

void gb_narrow_conv(size_t images, const gb_lattice *l, const gb_real *x, size_t n, gb_weights w, size_t n_windows,
                    const gb_windows *windows, const gb_finish *finish, gb_real *y, size_t y_image, void *scratch)
{
  for (size_t i = 0; i < images; i++, y += y_image) {
    turn_image(l, x + i * l->h * l->w * l->c, scratch);
    for (size_t k = 0; k < n_windows; k++) one_image(l, &windows[k], scratch, n, &w, finish, y);
    if (finish->activate) finish->activate(finish->kind, y_image, y);
  }
}
