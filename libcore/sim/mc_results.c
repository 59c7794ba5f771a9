/* sim/mc_results.c - thermodynamics of a finished data set: means, jackknife errors, autocorrelation times. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "sim/mc.h"
#include "sim/series.h"

typedef struct at_temperature {
  const gb_mc *mc;
  double T;
} at_temperature;

static void summary_of(const void *ctx, const double *moment, double *out)
{
  const at_temperature *a = ctx;
  gb_mc_ensemble(a->mc)->summarize(a->mc->sim->self, a->T, moment, out);
}

enum { HALVES_DIFFER = 1, STARTS_DIFFER = 2, TRAPPED = 4, CORRELATED = 8 };

/* Largest difference between the means of the first and the second half of the chains, in standard errors. */
static double compare_halves(size_t n_obs, size_t chains, size_t n, const double *column, double tau)
{
  double largest = 0, all = (double)(chains * n);
  for (size_t q = 0; q < n_obs; q++) {
    double mean[2] = {0}, square = 0;
    for (size_t i = 0; i < chains * n; i++)
      mean[i % n >= n / 2] += column[q * chains * n + i] / (double)(chains * (i % n >= n / 2 ? n - n / 2 : n / 2));
    for (size_t i = 0; i < chains * n; i++) square += pow(column[q * chains * n + i] - mean[i % n >= n / 2], 2);
    double error = sqrt(square / all * 2 * tau * 4 / all);
    if (error > 0) largest = fmax(largest, fabs(mean[1] - mean[0]) / error);
  }
  return largest;
}

/* Is the mean of a topological number away from 0 in any chain? Its observable has the same name. */
static bool any_trapped(const gb_mc *mc, size_t chains, size_t n, const double *column)
{
  const gb_ensemble *en = gb_mc_ensemble(mc);
  for (int s = en->n_track; s < en->n_track + en->n_sector; s++)
    for (int q = 0; q < en->n_obs; q++) {
      if (strcmp(en->obs[q].name, en->track[s].name)) continue;
      for (size_t c = 0; c < chains; c++) {
        double mean = 0;
        for (size_t i = 0; i < n; i++) mean += column[((size_t)q * chains + c) * n + i] / (double)n;
        if (fabs(mean) > 0.5) return true;
      }
    }
  return false;
}

/* The flag of one temperature. Five standard errors: with some hundred comparisons in a file, an accident is rare. */
static double quality_of(const gb_mc *mc, size_t t, const double *column, const double *tau)
{
  static const double limit = 5, independent = 1, allowed = 3; /* the last: standard errors of tau itself */
  const gb_ensemble *en = gb_mc_ensemble(mc);
  size_t chains = (size_t)mc->ch.opts.chains, n = (size_t)mc->ch.opts.samples;
  double slowest = 0.5;
  for (int q = 0; q < en->n_summary; q++) slowest = fmax(slowest, tau[q]);
  /* U. Wolff, Comput. Phys. Commun. 156 (2004) 143, eq. 42, with a window of 6 tau */
  double error = slowest * sqrt(2 * (12 * slowest + 1) / (double)(chains * n));
  int flag = 0;
  if (compare_halves((size_t)en->n_obs, chains, n, column, slowest) > limit) flag |= HALVES_DIFFER;
  if (mc->ch.hot[2 * t] > limit) flag |= STARTS_DIFFER;
  if (any_trapped(mc, chains, n, column)) flag |= TRAPPED;
  if (slowest > independent + allowed * error) flag |= CORRELATED;
  return flag;
}

/* Results of one temperature: value and error of every summary quantity [n_summary, 2], and tau_int
 * [n_summary]; the quality flag. */
static gb_err summarize(gb_mc *mc, size_t t, double *value, double *tau, double *quality)
{
  enum { MOST = 32 };
  const gb_ensemble *en = gb_mc_ensemble(mc);
  size_t chains = (size_t)mc->ch.opts.chains, n = (size_t)mc->ch.opts.samples, all = chains * n;
  size_t n_obs = (size_t)en->n_obs, n_moment = (size_t)en->n_moment, n_summary = (size_t)en->n_summary;
  at_temperature at = {mc, mc->sim->dims.temperature.v[t]};
  gb_function f = {summary_of, &at, n_moment, n_summary};
  double *column = NULL, *moment = NULL, obs[MOST], mean[MOST], error[MOST];
  char name[128];
  gb_err e = GB_OK;
  GB_ASSERT(n_obs <= MOST && n_summary <= MOST);
  GB_GOTO(e, gb_new(&column, n_obs * all), done);
  GB_GOTO(e, gb_new(&moment, n_moment * all), done);
  for (size_t q = 0; q < n_obs; q++) {
    gb_h5_block b = {{t, 0, 0}, {1, chains, n}};
    snprintf(name, sizeof name, "/observables/%s", en->obs[q].name);
    GB_GOTO(e, gb_h5_read(mc->data, name, GB_H5_F64, &b, column + q * all), done);
  }
  for (size_t i = 0; i < all; i++) {
    for (size_t q = 0; q < n_obs; q++) obs[q] = column[q * all + i];
    en->moments(mc->sim->self, obs, moment + i * n_moment);
  }
  GB_GOTO(e, gb_series_jackknife(chains, n, moment, f, mean, error), done);
  GB_GOTO(e, gb_series_function_tau(chains, n, moment, f, tau), done);
  *quality = quality_of(mc, t, column, tau);
  for (size_t q = 0; q < n_summary; q++) {
    value[2 * q] = mean[q];
    value[2 * q + 1] = error[q];
  }
done:
  gb_free(&column);
  gb_free(&moment);
  return e;
}

static gb_err write_sampling(gb_mc *mc, const double *quality)
{
  const gb_dims *d = &mc->sim->dims;
  size_t n_setting = (size_t)gb_mc_ensemble(mc)->n_setting, n_T = mc->ch.n_T;
  double *mix = NULL;
  int64_t *flag = NULL;
  gb_err e = gb_new(&mix, n_T * n_setting);
  if (!e) e = gb_new(&flag, n_T);
  e = gb_comm_agree(mc->c, e);
  for (size_t t = 0; t < n_T && !e; t++) {
    for (size_t i = 0; i < n_setting; i++) mix[t * n_setting + i] = d->mix[(size_t)mc->ch.mix[t] * n_setting + i];
    flag[t] = (int64_t)quality[t];
  }
  if (!e && n_setting) e = gb_h5_write_all(mc->data, "/sampling/mix", mix);
  if (!e) e = gb_h5_write_all(mc->data, "/sampling/quality", flag);
  if (!e) e = gb_h5_write_all(mc->data, "/sampling/cost", mc->ch.cost);
  if (!e) e = gb_h5_write_all(mc->data, "/sampling/hot_start", mc->ch.hot);
  if (!e) e = gb_h5_write_all(mc->data, "/sampling/stride", mc->ch.stride);
  if (!e) e = gb_h5_write_all(mc->data, "/sampling/thermalisation", mc->ch.steps);
  if (!e) e = gb_h5_write_all(mc->data, "/sampling/tau_int", mc->ch.tau);
  gb_free(&mix);
  gb_free(&flag);
  return e;
}

static gb_err write_results(gb_mc *mc, const double *value, const double *tau)
{
  const gb_ensemble *en = gb_mc_ensemble(mc);
  size_t n_summary = (size_t)en->n_summary;
  char name[128];
  double *pair;
  GB_TRY(gb_comm_agree(mc->c, gb_new(&pair, 2 * mc->ch.n_T)));
  gb_err e = GB_OK;
  for (size_t q = 0; q < n_summary && !e; q++) {
    for (size_t t = 0; t < mc->ch.n_T; t++) memcpy(pair + 2 * t, value + 2 * (t * n_summary + q), 2 * sizeof *pair);
    snprintf(name, sizeof name, "/summary/%s", en->summary[q].name);
    e = gb_h5_write_all(mc->data, name, pair);
  }
  gb_free(&pair);
  GB_TRY(e);
  return gb_h5_write_all(mc->data, "/summary/tau_int", tau);
}

/* Each temperature is summarised by one rank, from the file. */
gb_err gb_mc_results(gb_mc *mc)
{
  size_t n_summary = (size_t)gb_mc_ensemble(mc)->n_summary, n_T = mc->ch.n_T;
  double *value = NULL, *tau = NULL, *quality = NULL;
  gb_err e = gb_new(&value, 2 * n_summary * n_T);
  if (!e) e = gb_new(&tau, n_summary * n_T);
  if (!e) e = gb_new(&quality, n_T);
  for (size_t t = (size_t)mc->c.rank; t < n_T && !e; t += (size_t)mc->c.size)
    e = summarize(mc, t, value + 2 * n_summary * t, tau + n_summary * t, &quality[t]);
  e = gb_comm_agree(mc->c, e);
  if (!e) {
    gb_comm_merge(mc->c, value, 2 * n_summary * n_T);
    gb_comm_merge(mc->c, tau, n_summary * n_T);
    gb_comm_merge(mc->c, quality, n_T);
    e = write_results(mc, value, tau);
  }
  if (!e) e = write_sampling(mc, quality);
  gb_free(&value);
  gb_free(&tau);
  gb_free(&quality);
  return e;
}
