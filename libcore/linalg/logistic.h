/* linalg/logistic.h - logistic regression: which side of a plane. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/** Fit P(yes | x) = 1 / (1 + exp(-(w_0 + sum_j w_j x_j))) by Newton's method with halved steps, at the greatest
 *  log-likelihood minus ridge / 2 * sum_j w_j^2, j > 0: without a ridge, what a plane separates has no finite w.
 *  Local.
 *  @param[in]  x    [n, m]
 *  @param[in]  yes  [n]
 *  @param[out] w    [m + 1]
 *  @return GB_ERR_NUMERIC if it does not converge
 *  Source: T. Hastie, R. Tibshirani, J. Friedman, The Elements of Statistical Learning, 2nd ed., section 4.4.1. */
gb_err gb_logistic_fit(size_t n, size_t m, const double *x, const bool *yes, double ridge, double *w);

/** w_0 + sum_j w_j x_j: above 0 is yes.
 *  Local. */
double gb_logistic_score(size_t m, const double *x, const double *w);
