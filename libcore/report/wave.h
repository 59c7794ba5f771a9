/* report/wave.h - how much a curve swings, how fast, and how well it is described, as numbers. */
#pragma once
#include <stddef.h>

#include "base/err.h"

/** What no monotonic curve can have: x minus the rising or the falling curve nearest to it in squares, whichever is
 *  nearer. 0 of a curve that goes one way.
 *  Local.
 *  @param[out] rest  [n]
 *  @return GB_ERR_MEMORY
 *  Source: pool adjacent violators, M. Ayer et al., Ann. Math. Statist. 26 (1955) 641. */
gb_err gb_wave_rest(size_t n, const double *x, double *rest);

/** From least to most.
 *  Local. */
double gb_wave_range(size_t n, const double *x);

/** Number of the strongest bin of the discrete Fourier transform, 1 ... n / 2.
 *  Local. O(n^2). */
size_t gb_wave_bin(size_t n, const double *x);

/** The frequency at which the Fourier transform of x is strongest, in periods in a sample: a multiple of 1/16 from 1/2
 *  to n / 2, near the strongest multiple of 1/2.
 *  Local. O(n^2). */
double gb_wave_frequency(size_t n, const double *x);

/** What x has and `other` has not: x minus its mean and minus that multiple of `other`, about its mean, which leaves
 *  least squares. Of (1 - t) x + t other it is the same for all t, up to a factor.
 *  Local.
 *  @param[out] apart  [n] */
void gb_wave_apart(size_t n, const double *x, const double *other, double *apart);

/** Spearman's rank correlation of x with 0, 1, ... n - 1; equal numbers share the mean of their ranks.
 *  Local.
 *  @return NAN if all are equal */
double gb_wave_trend(size_t n, const double *x);

/** Coefficient of determination of n numbers: 1 - sse / (square - sum^2 / n).
 *  Local.
 *  @param[in] sse          sum of squared errors
 *  @param[in] sum, square  of the numbers, and of their squares */
double gb_wave_r2(double n, double sse, double sum, double square);
