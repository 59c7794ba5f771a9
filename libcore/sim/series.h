/* sim/series.h - statistics of correlated series: autocorrelation time and jackknife errors. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/** Integrated autocorrelation time tau = 1/2 + sum_{t=1}^{W} rho(t) of equally long chains of one quantity,
 * with its error; the mean over all chains is subtracted, rho is averaged over chains. Local.
 *  @param[in] n_chains, n  chains, and measurements of each
 *  @param[in] x     [n_chains, n] any unit
 *  @param[out] tau    in measurements; 1/2 means independent; 1/2 too if x is constant
 *  @param[out] error  one standard deviation of tau
 *  @return false if no window closes (chains shorter than about 12 tau) or x is not finite
 *  Source: U. Wolff, Comput. Phys. Commun. 156 (2004) 143 (error of tau, replica average); self-consistent
 * window W >= 6 tau(W) of A. D. Sokal, Monte Carlo Methods in Statistical Mechanics (1996), section 3. */
bool gb_series_tau(size_t n_chains, size_t n, const double *x, double *tau, double *error);

/** A function of means: out [n_out] from mean [n_in]. */
typedef struct gb_function {
  void (*f)(const void *ctx, const double *mean, double *out);
  const void *ctx;
  size_t n_in, n_out;
} gb_function;

/** Functions of means with jackknife errors over bins (bias of order 1/bins removed). Bins never cross
 * chains; there are about 128 of them in all, so that the error of an error is about 6 %. Local.
 *  @param[in] n_chains, n  chains, and samples of each; at least 2 samples in all
 *  @param[in] x      [n_chains, n, n_in]
 *  @param[out] value [n_out]
 *  @param[out] error [n_out] one standard deviation
 *  @return GB_ERR_MEMORY
 *  Source: B. Efron, The Jackknife (1982), chapters 2 and 3; bins of unequal length: F. Busing, E. Meijer and
 * R. van der Leeden, Statistics and Computing 9 (1999) 3 (delete-m_j jackknife). */
gb_err gb_series_jackknife(size_t n_chains, size_t n, const double *x, gb_function f, double *value, double *error);

/** Autocorrelation time of functions of means: that of the linearised function (Wolff 2004, eqs. 32 to 35).
 *  Local.
 *  @param[out] tau  [n_out] in samples; -1 where no window closes
 *  @return GB_ERR_MEMORY */
gb_err gb_series_function_tau(size_t n_chains, size_t n, const double *x, gb_function f, double *tau);
