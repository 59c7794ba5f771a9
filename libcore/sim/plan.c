/* sim/plan.c - what a run will need, from its config and two seconds of trying. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "sim/chains.h"
#include "sim/generate.h"
#include "sim/series.h"

enum { POINTS = 3, ROOM = 8192, LEAST = 64, LARGEST = 1 << 30 }; /* bytes of a state that is worth trying */

static const double SECONDS = 2; /* in all */

typedef struct trial {
  double T, step; /* seconds a step and chain */
  double tau;     /* steps; < 0: not settled in the time */
} trial;

/* Walk at one temperature for a while: how long does a step take, and how long do chains remember? */
static gb_err try_one(const gb_sim *sim, const gb_chains_opts *o, size_t t, double seconds, trial *out)
{
  const gb_ensemble *en = sim->kind->ensemble;
  size_t m = (size_t)(en->n_track + en->n_sector), mix = sim->dims.n_mix / 2, n = 0;
  gb_walkers w = {.T = sim->dims.temperature.v[t], .seed = 1, .n = sim->dims.walkers};
  double *series = NULL, cost[GB_MOST_WALKERS], now[GB_MOST_WALKERS * GB_MOST_MEASURED];
  char *state = NULL;
  gb_err e = GB_OK;
  GB_ASSERT(m <= GB_MOST_MEASURED);
  if (w.n > (size_t)o->chains) w.n = (size_t)o->chains;
  for (size_t k = 0; k < w.n; k++) w.chain[k] = k;
  *out = (trial){.T = w.T, .tau = -1};
  GB_GOTO(e, gb_new(&state, sim->dims.walker_bytes), done);
  GB_GOTO(e, gb_new(&series, w.n * m * ROOM), done);
  double begin = gb_clock_now(), half = 0;
  uint64_t step = 0;
  en->start(sim->self, &w, false, state);
  for (; half < seconds / 2 && step < (uint64_t)o->burn_in; step++) {
    en->step(sim->self, &w, mix, step, true, state, cost);
    half = gb_clock_now() - begin;
  }
  begin = gb_clock_now();
  for (; n < ROOM && (n == 0 || gb_clock_now() - begin < seconds / 2); n++) {
    en->step(sim->self, &w, mix, step++, false, state, cost);
    en->measure(sim->self, &w, state, now);
    for (size_t k = 0; k < w.n * m; k++) series[k * ROOM + n] = now[k];
  }
  out->step = (gb_clock_now() - begin) / (double)n / (double)w.n;
  bool settled = n >= LEAST;
  for (size_t q = 0; q < (size_t)en->n_track; q++) {
    double tau, error, sum = 0;
    for (size_t k = 0; k < w.n && settled; k++) {
      settled = gb_series_tau(1, n, series + (k * m + q) * ROOM, &tau, &error);
      sum += tau / (double)w.n;
    }
    out->tau = fmax(out->tau, sum);
  }
  if (!settled) out->tau = -1;
done:
  gb_free(&state);
  gb_free(&series);
  return e;
}

/* Steps every chain makes: before its first sample, and per sample. */
static double steps_before(const gb_sim *sim, const gb_chains_opts *o)
{
  return (double)o->burn_in + (sim->dims.n_mix > 1 ? (double)sim->dims.n_mix * (double)o->trial : 0) + (double)o->pilot;
}

static gb_err add_time(const gb_sim *sim, const gb_chains_opts *o, int size, gb_text *out)
{
  size_t n_T = sim->dims.temperature.n, points = n_T < POINTS ? n_T : POINTS;
  double mean = 0, chains = (double)n_T * (double)o->chains, hot = (double)n_T * (double)o->hot_chains;
  bool settled = true;
  if (sim->dims.walker_bytes > LARGEST) {
    gb_text_add(out, "time: not tried, a configuration is too large for --dry-run\n");
    return GB_OK;
  }
  for (size_t i = 0; i < points; i++) {
    trial t;
    size_t at = points > 1 ? i * (n_T - 1) / (points - 1) : 0;
    GB_TRY(try_one(sim, o, at, SECONDS / (double)points, &t));
    gb_text_add(out, "tried T = %g: %.3g chain steps/s per rank", t.T, 1 / t.step);
    if (t.tau > 0)
      gb_text_add(out, ", tau_int about %.2g steps\n", t.tau);
    else
      gb_text_add(out, ", tau_int not settled in the time\n");
    settled &= t.tau > 0;
    double stride = ceil(o->spacing * fmax(t.tau, 0.5));
    double checks = (double)(o->burn_in + o->pilot) * hot / chains; /* steps of hot chains, for each that is stored */
    mean += t.step * (steps_before(sim, o) + checks + (double)o->samples * stride) / (double)points;
  }
  if (settled)
    gb_text_add(out, "time: about %.2g s on %d rank%s like this one, without what the disk takes\n",
                mean * chains / (double)size, size, size > 1 ? "s" : "");
  return GB_OK;
}

gb_err gb_generate_plan(const gb_config *cfg, const gb_sim *sim, int size, gb_text *out)
{
  gb_chains_opts o;
  char a[32], b[32];
  gb_config_get(cfg, &gb_chains_schema, &o);
  const gb_ensemble *en = sim->kind->ensemble;
  double n_T = (double)sim->dims.temperature.n, chains = (double)o.chains, n = n_T * chains * (double)o.samples;
  double number = !strcmp(o.configurations, "uint16") ? 2 : !strcmp(o.configurations, "none") ? 0 : 4;
  double sample_bytes = (double)sim->dims.n * number + 8.0 * (en->n_obs + 1) + 1;
  double state_bytes = n_T * (chains + (double)o.hot_chains) * 4 * (double)(sim->dims.n_field * sim->dims.n);
  double disk = n * sample_bytes * (o.deflate ? 2 : 1) + state_bytes;
  gb_text_add(out, "configurations: %.0f temperatures x %.0f chains x %lld samples = %.0f\n", n_T, chains,
              (long long)o.samples, n);
  gb_text_add(out,
              "steps per chain: at least %.0f before the first sample, then %lld strides (measured during the run)\n",
              steps_before(sim, &o), (long long)o.samples);
  gb_text_add(out, "memory per rank: %s with %d rank%s\n",
              gb_text_bytes(gb_chains_bytes(sim, &o, size) + gb_generate_buffers(), a), size, size > 1 ? "s" : "");
  gb_text_add(out, "disk: %s%s\n", gb_text_bytes(disk, b), o.deflate ? " while it runs (raw and compressed data)" : "");
  return add_time(sim, &o, size, out);
}
