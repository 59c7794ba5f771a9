/* linalg/narrow.h - products with very few columns, such as the last layer of a decoder (cosine, sine, spread per
 * site): the kernels of linalg/gemm.h would leave most lanes of a vector idle. The same chains of fused multiply-adds,
 * so the same bits: which kernel computes a layer is a matter of speed alone. All functions are Local. */
#pragma once
#include "linalg/gemm.h"

enum {
  GB_NARROW = 4,       /* most columns */
  GB_NARROW_ROOM = 64, /* numbers beyond the end of x, and of a->zeros, that may be read (and are not used) */
};

/** D = A^T G [taps * c, n] as gb_gemm_outer(), n <= GB_NARROW. Reads whole vectors of a run.
 *  Local.
 *  @param[in] scratch  [gb_narrow_outer_scratch(a, images)] bytes */
void gb_narrow_outer(size_t images, size_t parts, bool add, const gb_runs *a, const gb_real *x, size_t n,
                     const gb_real *g, gb_real *d, void *scratch);
size_t gb_narrow_outer_scratch(const gb_runs *a, size_t images);

/* A square window of odd or even size that moves by single sites over an h x w lattice with c channels. */
typedef struct gb_lattice {
  size_t h, w, c, kernel;
  bool zero; /* beyond the edges; else periodic */
} gb_lattice;

/** y [images, h, w, n] = windows of x [images, h, w, c] times w [kernel * kernel * c, n], n <= GB_NARROW.
 *  Local.
 *  @param[in] scratch  [gb_narrow_conv_scratch(l)] bytes */
void gb_narrow_conv(size_t images, const gb_lattice *l, const gb_real *x, size_t n, const gb_real *w,
                    const gb_finish *finish, gb_real *y, void *scratch);
size_t gb_narrow_conv_scratch(const gb_lattice *l);
