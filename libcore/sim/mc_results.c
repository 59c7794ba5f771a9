/* sim/mc_results.c - thermodynamics of a finished data set: means, jackknife errors, autocorrelation times. */
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

/* Results of one temperature: value and error of every summary quantity [n_summary, 2], and tau_int
 * [n_summary]. */
static gb_err summarize(gb_mc *mc, size_t t, double *value, double *tau)
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
  for (size_t q = 0; q < n_summary; q++) {
    value[2 * q] = mean[q];
    value[2 * q + 1] = error[q];
  }
done:
  gb_free(&column);
  gb_free(&moment);
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
  GB_TRY(gb_h5_write_all(mc->data, "/summary/tau_int", tau));
  GB_TRY(gb_h5_write_all(mc->data, "/sampling/stride", mc->ch.stride));
  GB_TRY(gb_h5_write_all(mc->data, "/sampling/thermalisation", mc->ch.steps));
  return gb_h5_write_all(mc->data, "/sampling/tau_int", mc->ch.tau);
}

/* Each temperature is summarised by one rank, from the file. */
gb_err gb_mc_results(gb_mc *mc)
{
  size_t n_summary = (size_t)gb_mc_ensemble(mc)->n_summary;
  double *value = NULL, *tau = NULL;
  gb_err e = gb_new(&value, 2 * n_summary * mc->ch.n_T);
  if (!e) e = gb_new(&tau, n_summary * mc->ch.n_T);
  for (size_t t = (size_t)mc->c.rank; t < mc->ch.n_T && !e; t += (size_t)mc->c.size)
    e = summarize(mc, t, value + 2 * n_summary * t, tau + n_summary * t);
  e = gb_comm_agree(mc->c, e);
  if (!e) {
    gb_comm_merge(mc->c, value, 2 * n_summary * mc->ch.n_T);
    gb_comm_merge(mc->c, tau, n_summary * mc->ch.n_T);
    e = write_results(mc, value, tau);
  }
  gb_free(&value);
  gb_free(&tau);
  return e;
}
