/* linalg/gemm.h - products of network matrices, in which every element is one chain of fused multiply-adds.
 *
 * C[r, j] = start + a[r, 0] b[0, j] + a[r, 1] b[1, j] + ..., one after another, each step rounded once. So an element
 * depends on nothing but its own row and column: not on how many rows share a product, on blocks, tiles or vectors, nor
 * on the processor. BLAS libraries give no such promise (OpenBLAS: other bits for a row when the number of rows
 * changes), and without it neither micro-batches nor ranks could be invisible.
 *
 * The rows of A are given as runs of numbers within images, which makes one product of a dense layer (one run), of a
 * convolution (a run per element of the window: nothing is copied) and of its transpose. Cf. M. Dukhan, The Indirect
 * Convolution Algorithm, arXiv:1907.02129. All functions are Local. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/real.h"

/* A matrix [images * rows, taps * c]: row p of an image is `taps` runs of c numbers. */
typedef struct gb_runs {
  size_t rows, taps, c;
  const int32_t *offset; /* [rows, taps] where a run starts in its image; -1: it is all zeros */
  size_t image;          /* numbers from one image to the next */
  const gb_real *zeros;  /* [c], where there are offsets of -1 */
} gb_runs;

/** Numbers of gb_gemm_pack()'s result for k x n.
 *  Local. */
size_t gb_gemm_packed(size_t k, size_t n);

/** B [taps * c, n] in the order in which products read it. Row i of run t starts at b + tap[t] + i * row; or, if
 *  transposed, is the numbers i, row + i, 2 row + i ... from b + tap[t] on.
 *  Local.
 *  @param[in] tap     [taps]; NULL: runs lie one after another
 *  @param[out] packed [gb_gemm_packed(taps * c, n)] */
void gb_gemm_pack(size_t taps, size_t c, size_t n, const gb_real *b, const size_t *tap, size_t row, bool transposed,
                  gb_real *packed);

/* What happens to the elements of a product. */
typedef enum gb_start { GB_START_ZERO, GB_START_BIAS, GB_START_ADD } gb_start;
typedef struct gb_finish {
  gb_start start;      /* chains start from 0, from bias[j], or from what C holds */
  const gb_real *bias; /* [n] */
  /* NULL, or applied to finished stretches of C */
  void (*activate)(int kind, size_t n, gb_real *y);
  int kind;
} gb_finish;

/** C = A B. Row p of image i is written to c + i * c_image + place[p] (NULL: p * n).
 *  Local.
 *  @param[in] x, a     images, and how rows lie in them
 *  @param[in] packed   B [a->taps * a->c, n]
 *  @param[in] scratch  [gb_gemm_rows_scratch(a)] bytes */
void gb_gemm_rows(size_t images, const gb_runs *a, const gb_real *x, size_t n, const gb_real *packed,
                  const gb_finish *finish, gb_real *c, size_t c_image, const int32_t *place, void *scratch);
size_t gb_gemm_rows_scratch(const gb_runs *a);

/** D = A^T G, [taps * c, n]: the gradient of weights. Images are in `parts` equal pieces, a power of two; a piece is a
 *  chain over its rows, and pieces are added in a binary tree.
 *  Local.
 *  @param[in] g        [images * rows, n]
 *  @param[in] add      chains continue what D holds; only with one part
 *  @param[in] scratch  [gb_gemm_outer_scratch(a, images, n)] bytes */
void gb_gemm_outer(size_t images, size_t parts, bool add, const gb_runs *a, const gb_real *x, size_t n,
                   const gb_real *g, gb_real *d, void *scratch);
size_t gb_gemm_outer_scratch(const gb_runs *a, size_t images, size_t n); /* enough for any parts */
