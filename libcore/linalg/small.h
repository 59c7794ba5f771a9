/* linalg/small.h - products of matrices that stay in the first cache, again and again: a network inside an equation.
 * The same chains of fused multiply-adds as those of linalg/gemm.h, so the same bits, with less around them: rows lie
 * side by side, and nothing is looked up or copied. All functions are Local. */
#pragma once
#include "linalg/gemm.h"

enum { GB_SMALL = 4096 }; /* numbers of B that leave room in the first cache */

/** C = A B [rows, n], as gb_gemm_rows().
 *  Local.
 *  @param[in] a       [rows, k]
 *  @param[in] packed  B [k, n] by gb_gemm_pack() */
void gb_small_rows(size_t rows, size_t k, const gb_real *a, size_t n, const gb_real *packed, const gb_finish *finish,
                   gb_real *c);

/** D = A^T G [k, n], as gb_gemm_outer() of one part.
 *  Local.
 *  @param[in] a, g  [rows, k], [rows, n]; fast if the first cache holds both
 *  @param[in] add   chains continue what D holds */
void gb_small_outer(size_t rows, bool add, size_t k, const gb_real *a, size_t n, const gb_real *g, gb_real *d);

/** The same of any number of rows, in `parts` equal pieces, a power of two, as gb_gemm_outer().
 *  Local.
 *  @param[in] add      only with one part
 *  @param[in] scratch  [gb_small_sums_scratch(most parts, k, n)] bytes */
void gb_small_sums(size_t rows, size_t parts, bool add, size_t k, const gb_real *a, size_t n, const gb_real *g,
                   gb_real *d, void *scratch);
size_t gb_small_sums_scratch(size_t parts, size_t k, size_t n);

/** Components become rows, and back: to[r * next + i] = u[i, r]; u[i, r] += from[r * next + i].
 *  Local.
 *  @param[in,out] u  [n, rows] */
void gb_small_to_rows(size_t rows, size_t n, const double *u, gb_real *to, size_t next);
void gb_small_from_rows(size_t rows, size_t n, const gb_real *from, size_t next, double *u);

/** Lines of n numbers, `step` apart, side by side.
 *  Local. */
void gb_small_gather(size_t lines, size_t n, const gb_real *from, size_t step, gb_real *to);
