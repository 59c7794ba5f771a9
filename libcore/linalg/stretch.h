/* linalg/stretch.h - what the gradients of weights in gemm.c and narrow.c share: sums over rows are computed a stretch
 * of rows at a time, and those of pieces are added in a binary tree. */
#pragma once
#include "linalg/gemm.h"

enum { GB_STRETCH = 256 }; /* rows, at most */

/** Levels of the tree over `parts` pieces, a power of two.
 *  Local. */
static inline size_t gb_stretch_levels(size_t parts)
{
  size_t l = 0;
  while ((size_t)1 << l < parts) l++;
  return l;
}

/** Starts of the runs of rows first ... first + rows, image by image and along GB_STRETCH: stores a power of two apart
 * would all meet in one set of the cache.
 *  Local.
 *  @param[out] run  [a->taps, GB_STRETCH] */
static inline void gb_stretch_look_up(const gb_runs *a, const gb_real *x, size_t first, size_t rows,
                                      const gb_real **run)
{
  for (size_t r = 0, n; r < rows; r += n) {
    size_t p = (first + r) % a->rows;
    const gb_real *from = x + (first + r) / a->rows * a->image;
    n = a->rows - p < rows - r ? a->rows - p : rows - r;
    for (size_t t = 0; t < a->taps; t++) {
      const int32_t *offset = a->offset + p * a->taps + t;
      for (size_t i = 0; i < n; i++, offset += a->taps)
        run[t * GB_STRETCH + r + i] = *offset < 0 ? a->zeros : from + *offset;
    }
  }
}
