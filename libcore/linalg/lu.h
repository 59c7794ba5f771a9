/* linalg/lu.h - small dense systems of linear equations: steps of stiff equations. */
#pragma once
#include <stddef.h>

/** A = P^T L U, in place.
 *  Local. A singular A leaves numbers that are not finite, here or in the solution.
 *  @param[in,out] a      [n, n] by columns: element (i, j) is a[j * stride + i]
 *  @param[in]     stride  n or more
 *  @param[out]    pivot  [n] with which row k changed places in step k */
void gb_lu_factor(size_t n, size_t stride, double *a, int *pivot);

/** x = A^-1 x, or A^-T x, by such factors.
 *  Local.
 *  @param[in,out] x  [n] */
void gb_lu_solve(size_t n, size_t stride, const double *a, const int *pivot, double *x);
void gb_lu_solve_transposed(size_t n, size_t stride, const double *a, const int *pivot, double *x);

/** A becomes its inverse, by Gauss and Jordan with row exchanges: for more than a few right-hand sides one after the
 * other, as substitution is a chain and a product is not. Local. All `stride` numbers of a column are worked on: those
 * beyond n must be finite.
 *  @param[in,out] a      as above
 *  @param[out]    pivot  [n] */
void gb_inverse(size_t n, size_t stride, double *a, int *pivot);

/** y = A x.
 *  Local.
 *  @param[in]  x  [n]
 *  @param[out] y  [stride], apart from x */
void gb_inverse_apply(size_t n, size_t stride, const double *a, const double *x, double *y);
