/* sim/chains.c - stages of thermalisation, automatic stride, sampling. */
#include "sim/chains.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "sim/series.h"

static const gb_field fields[] = {
    GB_NUMBER(gb_chains_opts, chains, "10", 1, 1e6, "chains", GB_FIXED,
              "Independent Markov chains per temperature. Data are split into training, validation and test "
              "by chain."),
    GB_NUMBER(gb_chains_opts, samples, "100", 2, 1e9, "samples", GB_FIXED, "Stored samples per chain."),
    GB_NUMBER(gb_chains_opts, spacing, "5", 2, 1000, "tau_int", GB_FIXED,
              "Steps between stored samples, in units of the largest measured autocorrelation time tau_int. "
              "2 is the usual "
              "definition of independence; 5 leaves correlations below 1 %."),
    GB_NUMBER(gb_chains_opts, burn_in, "128", 16, 1e9, "steps", GB_FIXED,
              "Steps before anything is measured; proposals are tuned here and nowhere else."),
    GB_NUMBER(gb_chains_opts, pilot, "1024", 64, 1e9, "steps", GB_FIXED,
              "Length of the first pilot run; doubled until it is 50 autocorrelation times long. Pilots are "
              "discarded."),
    GB_NUMBER(gb_chains_opts, longest_pilot, "131072", 64, 1e9, "steps", GB_FIXED,
              "A temperature that needs a longer pilot than this ends the run with an error."),
    GB_NUMBER(gb_chains_opts, validation_chains, "1", 0, 1e6, "chains", GB_FIXED,
              "Chains of each temperature kept for validation: those before the test chains."),
    GB_NUMBER(gb_chains_opts, test_chains, "1", 0, 1e6, "chains", GB_FIXED,
              "Chains of each temperature kept for tests: the last ones."),
    GB_NUMBER(gb_chains_opts, deflate, "0", 0, 9, "1", GB_FIXED,
              "Compression level of stored configurations (shuffle + deflate); 0: none, and fastest. Needs a "
              "second pass and "
              "twice the disk space while it runs."),
    GB_NUMBER(gb_chains_opts, save_seconds, "60", 0, 1e6, "s", GB_FREE,
              "Interval at which the state is saved; a killed run loses at most the work since."),
    {0}};

static gb_err check(const void *opts)
{
  const gb_chains_opts *o = opts;
  GB_CHECK(o->validation_chains + o->test_chains < o->chains, GB_ERR_CONFIG,
           "generate.chains = %lld leaves no chain for training after %lld for validation and %lld for "
           "tests. Use more chains.",
           (long long)o->chains, (long long)o->validation_chains, (long long)o->test_chains);
  GB_CHECK(o->longest_pilot >= o->pilot, GB_ERR_CONFIG,
           "generate.longest_pilot = %lld is shorter than generate.pilot = %lld", (long long)o->longest_pilot,
           (long long)o->pilot);
  return GB_OK;
}

const gb_schema gb_chains_schema = {"generate", "How many samples, and how they are drawn.", sizeof(gb_chains_opts),
                                    fields, check};

static const gb_ensemble *ensemble(const gb_chains *ch)
{
  return ch->sim->kind->ensemble;
}

static size_t units_of(size_t n_units, int rank, int size)
{
  return (n_units + (size_t)(size - 1 - rank)) / (size_t)size;
}

size_t gb_chains_unit(const gb_chains *ch, size_t k)
{
  return k * (size_t)ch->c.size + (size_t)ch->c.rank;
}

static size_t temperature_of(const gb_chains *ch, size_t unit)
{
  return unit / (size_t)ch->opts.chains;
}

gb_err gb_chains_create(gb_comm c, const gb_sim *sim, const gb_chains_opts *opts, uint64_t seed, gb_chains *out)
{
  gb_err e = GB_OK;
  gb_chains *ch = out;
  const gb_ensemble *en = sim->kind->ensemble;
  *ch = (gb_chains){.c = c, .sim = sim, .opts = *opts, .seed = seed, .n_T = sim->dims.temperature.n};
  ch->n_units = ch->n_T * (size_t)opts->chains;
  ch->n_mine = units_of(ch->n_units, c.rank, c.size);
  GB_GOTO(e, gb_new(&ch->steps, ch->n_T), done);
  GB_GOTO(e, gb_new(&ch->stride, ch->n_T), done);
  GB_GOTO(e, gb_new(&ch->tau, ch->n_T * (size_t)en->n_track), done);
  GB_GOTO(e, gb_new(&ch->state, ch->n_mine * sim->dims.n_state), done);
  for (size_t k = 0; k < ch->n_mine; k++) {
    size_t u = gb_chains_unit(ch, k);
    en->start(sim->self, sim->dims.temperature.v[temperature_of(ch, u)], seed, u, ch->state + k * sim->dims.n_state);
  }
done:
  e = gb_comm_agree(c, e);
  if (e) gb_chains_destroy(ch);
  return e;
}

void gb_chains_destroy(gb_chains *ch)
{
  gb_free(&ch->steps);
  gb_free(&ch->stride);
  gb_free(&ch->tau);
  gb_free(&ch->state);
  gb_free(&ch->series);
  *ch = (gb_chains){0};
}

bool gb_chains_ready(const gb_chains *ch)
{
  for (size_t t = 0; t < ch->n_T; t++)
    if (!ch->stride[t]) return false;
  return true;
}

int64_t gb_chains_stage_steps(const gb_chains *ch)
{
  return ch->stage == 0 ? ch->opts.burn_in : ch->opts.pilot << (ch->stage - 1);
}

gb_err gb_chains_enter_stage(gb_chains *ch, int64_t stage, int64_t done)
{
  ch->stage = stage;
  ch->stage_done = done;
  gb_free(&ch->series);
  ch->series_room = stage ? (size_t)gb_chains_stage_steps(ch) : 0;
  return gb_comm_agree(ch->c, gb_new(&ch->series, ch->n_mine * (size_t)ensemble(ch)->n_track * ch->series_room));
}

/* Autocorrelation times of one finished pilot, per temperature: [n_T, n_track] of values and of errors, the
 * same on all ranks; -1 where a chain was too short. Means over chains are taken in the order of chains on
 * every rank. */
static gb_err pilot_times(gb_chains *ch, double *tau, double *error)
{
  size_t n_track = (size_t)ensemble(ch)->n_track, chains = (size_t)ch->opts.chains, n = ch->n_units * n_track;
  double *each;
  GB_TRY(gb_comm_agree(ch->c, gb_new(&each, 2 * n)));
  for (size_t k = 0; k < ch->n_mine; k++)
    for (size_t q = 0; q < n_track; q++) {
      size_t u = gb_chains_unit(ch, k);
      double *t = each + 2 * (u * n_track + q);
      if (ch->stride[temperature_of(ch, u)]) continue;
      if (!gb_series_tau(1, ch->series_room, ch->series + (k * n_track + q) * ch->series_room, &t[0], &t[1])) t[0] = -1;
    }
  gb_comm_merge(ch->c, each, 2 * n);
  for (size_t t = 0; t < ch->n_T; t++)
    for (size_t q = 0; q < n_track; q++) {
      double sum = 0, square = 0;
      bool closed = true;
      for (size_t c = 0; c < chains; c++) {
        const double *v = each + 2 * ((t * chains + c) * n_track + q);
        closed &= v[0] >= 0;
        sum += v[0];
        square += v[1] * v[1];
      }
      tau[t * n_track + q] = closed ? sum / (double)chains : -1;
      error[t * n_track + q] = sqrt(square) / (double)chains;
    }
  gb_free(&each);
  return GB_OK;
}

/* The end of a pilot: which temperatures are ready, and with which stride? */
static gb_err judge(gb_chains *ch)
{
  enum { PILOT_TAUS = 50 }; /* error of tau from one chain: about 60 %, averaged over chains and added to it */
  size_t n_track = (size_t)ensemble(ch)->n_track;
  double *tau = NULL, *error = NULL;
  gb_err e = GB_OK;
  GB_GOTO(e, gb_new(&tau, ch->n_T * n_track), done);
  GB_GOTO(e, gb_new(&error, ch->n_T * n_track), done);
done:
  e = gb_comm_agree(ch->c, e);
  if (!e) e = pilot_times(ch, tau, error);
  for (size_t t = 0; t < ch->n_T && !e; t++) {
    double slowest = 0;
    size_t which = 0;
    if (ch->stride[t]) continue;
    for (size_t q = 0; q < n_track; q++) {
      double v = tau[t * n_track + q] < 0 ? INFINITY : tau[t * n_track + q] + error[t * n_track + q];
      ch->tau[t * n_track + q] = v;
      if (v > slowest) slowest = v, which = q;
    }
    if ((double)ch->series_room >= PILOT_TAUS * slowest)
      ch->stride[t] = (int64_t)ceil(ch->opts.spacing * slowest);
    else if (2 * (int64_t)ch->series_room > ch->opts.longest_pilot)
      e = GB_FAIL(GB_ERR_NUMERIC,
                  "T = %g: the autocorrelation time of %s is not settled by a pilot of %zu steps. Allow a longer one "
                  "(generate.longest_pilot), or faster dynamics: more over-relaxation or clusters in section %s.",
                  ch->sim->dims.temperature.v[t], ensemble(ch)->track[which].name, ch->series_room,
                  ch->sim->kind->name);
  }
  gb_free(&tau);
  gb_free(&error);
  return gb_comm_agree(ch->c, e); /* the same decision everywhere; this marks it as common */
}

static void run_unit(gb_chains *ch, size_t k, int64_t n)
{
  const gb_ensemble *en = ensemble(ch);
  size_t u = gb_chains_unit(ch, k), t = temperature_of(ch, u), n_track = (size_t)en->n_track;
  double T = ch->sim->dims.temperature.v[t], *state = ch->state + k * ch->sim->dims.n_state, now[16];
  GB_ASSERT(n_track <= 16);
  for (int64_t i = 0; i < n; i++) {
    en->step(ch->sim->self, T, ch->seed, u, (uint64_t)(ch->steps[t] + i), ch->stage == 0, state);
    if (ch->stage == 0) continue;
    en->measure(ch->sim->self, T, state, now);
    for (size_t q = 0; q < n_track; q++)
      ch->series[(k * n_track + q) * ch->series_room + (size_t)(ch->stage_done + i)] = now[q];
  }
}

gb_err gb_chains_advance(gb_chains *ch, int64_t n)
{
  int64_t left = gb_chains_stage_steps(ch) - ch->stage_done;
  if (n > left) n = left;
  for (size_t k = 0; k < ch->n_mine; k++)
    if (!ch->stride[temperature_of(ch, gb_chains_unit(ch, k))]) run_unit(ch, k, n);
  for (size_t t = 0; t < ch->n_T; t++)
    if (!ch->stride[t]) ch->steps[t] += n;
  ch->stage_done += n;
  if (n < left) return GB_OK;
  if (ch->stage > 0) GB_TRY(judge(ch));
  return gb_chains_enter_stage(ch, ch->stage + 1, 0);
}

void gb_chains_draw(gb_chains *ch, size_t k, uint64_t first, size_t n, float *x, double *obs)
{
  enum { MOST_OBS = 32 };
  const gb_ensemble *en = ensemble(ch);
  size_t u = gb_chains_unit(ch, k), t = temperature_of(ch, u), sites = ch->sim->dims.n;
  double T = ch->sim->dims.temperature.v[t], *state = ch->state + k * ch->sim->dims.n_state, one[MOST_OBS];
  uint64_t stride = (uint64_t)ch->stride[t], begin = (uint64_t)ch->steps[t] + first * stride;
  GB_ASSERT(en->n_obs <= MOST_OBS);
  for (size_t i = 0; i < n; i++) {
    for (uint64_t j = 0; j < stride; j++) en->step(ch->sim->self, T, ch->seed, u, begin + i * stride + j, false, state);
    en->sample(ch->sim->self, ch->seed, u, first + i, state, x + i * sites);
    en->observe(ch->sim->self, T, x + i * sites, one);
    for (int q = 0; q < en->n_obs; q++) obs[(size_t)q * n + i] = one[q];
  }
}

double gb_chains_bytes(const gb_sim *sim, const gb_chains_opts *opts, int size)
{
  size_t units = units_of(sim->dims.temperature.n * (size_t)opts->chains, 0, size);
  double per_unit = (double)sim->dims.n_state + (double)sim->kind->ensemble->n_track * (double)opts->pilot;
  return 8 * (double)units * per_unit;
}
