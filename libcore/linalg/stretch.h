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

/** Starts of the runs of rows first ... first + rows.
 *  Local.
 *  @param[out] run  [a->taps, GB_STRETCH] */
static inline void gb_stretch_look_up(const gb_runs *a, const gb_real *x, size_t first, size_t rows,
                                      const gb_real **run)
{
  size_t p = first % a->rows;
  const gb_real *from = x + first / a->rows * a->image;
  for (size_t r = 0; r < rows; r++) {
    const int32_t *offset = a->offset + p * a->taps;
    for (size_t t = 0; t < a->taps; t++) run[t * GB_STRETCH + r] = offset[t] < 0 ? a->zeros : from + offset[t];
    if (++p == a->rows) {
      p = 0;
      from += a->image;
    }
  }
}
