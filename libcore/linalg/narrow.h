/* linalg/narrow.h - products with very few columns, such as the last layer of a decoder (cosine, sine, spread per
 * site): the kernels of linalg/gemm.h would leave most lanes of a vector idle. The same chains of fused multiply-adds,
 * so the same bits: which kernel computes a layer is a matter of speed alone. All functions are Local. */
#pragma once
#include "linalg/gemm.h"

enum {
  GB_NARROW = 4,       /* most columns of windows */
  GB_NARROW_OUTER = 8, /* and of A^T G */
  GB_NARROW_ROOM = 64, /* numbers beyond the end of x, and of a->zeros, that may be read (and are not used) */
};

/** D = A^T G [taps * c, n] as gb_gemm_outer(), n <= GB_NARROW_OUTER. Reads whole vectors of a run.
 *  Local.
 *  @param[in] scratch  [gb_narrow_outer_scratch(a, images)] bytes */
void gb_narrow_outer(size_t images, size_t parts, bool add, const gb_runs *a, const gb_real *x, size_t n,
                     const gb_real *g, gb_real *d, void *scratch);
size_t gb_narrow_outer_scratch(const gb_runs *a, size_t images);

/* Sites of an image and what lies around them. */
typedef struct gb_lattice {
  size_t h, w, c;
  size_t before, after; /* rows and columns beyond the edges that windows reach */
  bool zero;            /* what is there; else the lattice is periodic */
} gb_lattice;

/* One element of a window: site (y, x) sees (y + dy, x + dx). */
typedef struct gb_tap {
  int dy, dx;
  size_t w; /* where its weights [c, n] begin */
} gb_tap;

/* Windows all over the lattice, and where their results go: y[first + i * row + j * site + column] of site (i, j). */
typedef struct gb_windows {
  size_t n;
  const gb_tap *tap; /* [n], |dy|, |dx| within the reach of the lattice */
  size_t first, row, site;
} gb_windows;

typedef struct gb_weights {
  const gb_real *w;
  size_t row, column;
} gb_weights;

/** y = windows of x [images, h, w, c] times weights, n <= GB_NARROW columns, for several kinds of windows. Weight
 *  (i, j) of a tap is w[tap.w + i * row + j * column].
 *  Local.
 *  @param[in] y_image  numbers from one image of y to the next; finish.activate is applied to all of them
 *  @param[in] scratch  [gb_narrow_conv_scratch(l)] bytes */
void gb_narrow_conv(size_t images, const gb_lattice *l, const gb_real *x, size_t n, gb_weights w, size_t n_windows,
                    const gb_windows *windows, const gb_finish *finish, gb_real *y, size_t y_image, void *scratch);
size_t gb_narrow_conv_scratch(const gb_lattice *l);
