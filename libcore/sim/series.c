/* sim/series.c - Gamma method and jackknife, serial and in fixed order. */
#include "sim/series.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

bool gb_series_tau(size_t n_chains, size_t n, const double *x, double *tau, double *error)
{
  enum { WINDOW = 6 }; /* W >= 6 tau: the neglected tail is about exp(-6) of tau */
  double mean = 0, variance = 0, lo = x[0], hi = x[0];
  for (size_t i = 0; i < n_chains * n; i++) {
    mean += x[i];
    lo = fmin(lo, x[i]);
    hi = fmax(hi, x[i]);
  }
  mean /= (double)(n_chains * n);
  for (size_t i = 0; i < n_chains * n; i++) variance += (x[i] - mean) * (x[i] - mean);
  variance /= (double)(n_chains * n);
  *tau = 0.5;
  *error = 0;
  if (!isfinite(variance)) return false;
  if (variance == 0 || hi - lo <= 1e-14 * fmax(fabs(lo), fabs(hi)))
    return true; /* constant up to rounding, in any unit */
  for (size_t w = 1; w < n; w++) {
    double gamma = 0;
    for (size_t c = 0; c < n_chains; c++)
      for (size_t i = 0; i + w < n; i++) gamma += (x[c * n + i] - mean) * (x[c * n + i + w] - mean);
    *tau += gamma / (double)(n_chains * (n - w)) / variance;
    if ((double)w >= WINDOW * fmax(*tau, 0.5)) {
      double total = (double)(n_chains * n);
      *tau *= 1 + (2 * (double)w + 1) / total; /* the subtracted mean is itself an estimate: Wolff eq. (49) */
      if (*tau < 0.5) *tau = 0.5;              /* anticorrelated: independent is what is claimed, not more */
      *error = *tau * sqrt(2 * (2 * (double)w + 1) / total);
      return true;
    }
  }
  return false;
}

/* Bin of sample i of a chain of n samples with `bins` bins of nearly equal length. */
static size_t bin_of(size_t i, size_t n, size_t bins)
{
  return i * bins / n;
}

gb_err gb_series_jackknife(size_t n_chains, size_t n, const double *x, gb_function f, double *value, double *error)
{
  enum { BINS = 128 };
  size_t per_chain = (BINS + n_chains - 1) / n_chains;
  if (per_chain > n) per_chain = n;
  size_t bins = per_chain * n_chains, n_all = n_chains * n, n_in = f.n_in, n_out = f.n_out;
  double *sum = NULL, *size = NULL, *mean = NULL, *part = NULL;
  gb_err e = GB_OK;
  GB_GOTO(e, gb_new(&sum, (bins + 1) * n_in), done); /* row `bins`: the sum of all */
  GB_GOTO(e, gb_new(&size, bins), done);
  GB_GOTO(e, gb_new(&mean, n_in), done);
  GB_GOTO(e, gb_new(&part, (bins + 1) * n_out), done); /* without bin k; row `bins`: with all */
  for (size_t c = 0; c < n_chains; c++)
    for (size_t i = 0; i < n; i++) {
      size_t k = c * per_chain + bin_of(i, n, per_chain);
      size[k]++;
      for (size_t a = 0; a < n_in; a++) sum[k * n_in + a] += x[(c * n + i) * n_in + a];
    }
  for (size_t k = 0; k < bins; k++)
    for (size_t a = 0; a < n_in; a++) sum[bins * n_in + a] += sum[k * n_in + a];
  for (size_t k = 0; k <= bins; k++) {
    double rest = (double)n_all - (k < bins ? size[k] : 0);
    for (size_t a = 0; a < n_in; a++) mean[a] = (sum[bins * n_in + a] - (k < bins ? sum[k * n_in + a] : 0)) / rest;
    f.f(f.ctx, mean, part + k * n_out);
  }
  /* Bins of unequal length: the pseudo-values of Busing et al. For a mean the value is the mean of all samples. */
  for (size_t o = 0; o < n_out; o++) {
    double all = part[bins * n_out + o], b = (double)bins, estimate = b * all, square = 0;
    for (size_t k = 0; k < bins; k++) estimate -= (1 - size[k] / (double)n_all) * part[k * n_out + o];
    for (size_t k = 0; k < bins; k++) {
      double h = (double)n_all / size[k], pseudo = h * all - (h - 1) * part[k * n_out + o];
      square += pow(pseudo - estimate, 2) / (h - 1);
    }
    value[o] = estimate;
    error[o] = sqrt(square / b);
  }
done:
  gb_free(&sum);
  gb_free(&size);
  gb_free(&mean);
  gb_free(&part);
  return e;
}

gb_err gb_series_function_tau(size_t n_chains, size_t n, const double *x, gb_function f, double *tau)
{
  size_t n_all = n_chains * n, n_in = f.n_in, n_out = f.n_out;
  double *mean = NULL, *scale = NULL, *up = NULL, *down = NULL, *slope = NULL, *series = NULL;
  gb_err e = GB_OK;
  GB_GOTO(e, gb_new(&mean, n_in), done);
  GB_GOTO(e, gb_new(&scale, n_in), done);
  GB_GOTO(e, gb_new(&up, n_out), done);
  GB_GOTO(e, gb_new(&down, n_out), done);
  GB_GOTO(e, gb_new(&slope, n_in * n_out), done);
  GB_GOTO(e, gb_new(&series, n_all), done);
  for (size_t a = 0; a < n_in; a++) {
    for (size_t i = 0; i < n_all; i++) mean[a] += x[i * n_in + a] / (double)n_all;
    for (size_t i = 0; i < n_all; i++) scale[a] += pow(x[i * n_in + a] - mean[a], 2) / (double)n_all;
    scale[a] = sqrt(scale[a] / (double)n_all); /* a step of one standard error: small, and in the right unit */
  }
  for (size_t a = 0; a < n_in; a++) {
    /* Below the rounding of the mean of a long series nothing moves. */
    double kept = mean[a], h = scale[a], smallest = 1e-10 * fabs(kept) / sqrt((double)n_all);
    mean[a] = kept + h;
    f.f(f.ctx, mean, up);
    mean[a] = kept - h;
    f.f(f.ctx, mean, down);
    mean[a] = kept;
    for (size_t o = 0; o < n_out; o++) slope[o * n_in + a] = h > smallest ? (up[o] - down[o]) / (2 * h) : 0;
  }
  for (size_t o = 0; o < n_out; o++) {
    double error;
    for (size_t i = 0; i < n_all; i++) {
      series[i] = 0;
      for (size_t a = 0; a < n_in; a++) series[i] += slope[o * n_in + a] * (x[i * n_in + a] - mean[a]);
    }
    if (!gb_series_tau(n_chains, n, series, &tau[o], &error)) tau[o] = -1;
  }
done:
  gb_free(&mean);
  gb_free(&scale);
  gb_free(&up);
  gb_free(&down);
  gb_free(&slope);
  gb_free(&series);
  return e;
}
