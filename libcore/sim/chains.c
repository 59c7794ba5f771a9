/* sim/chains.c - groups of walkers, stages of thermalisation, choice of the mix, automatic stride, sampling. */
#include "sim/chains.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/watch.h"
#include "sim/series.h"

static const gb_field fields[] = {
    GB_NUMBER(gb_chains_opts, chains, "16", 1, 1e6, "chains", GB_FIXED,
              "Independent Markov chains per temperature. Data are split into training, validation and test "
              "by chain. Multiples of 16 fill the vectors of a processor."),
    GB_NUMBER(gb_chains_opts, samples, "100", 2, 1e9, "samples", GB_FIXED, "Stored samples per chain."),
    GB_NUMBER(gb_chains_opts, spacing, "5", 2, 1000, "tau_int", GB_FIXED,
              "Steps between stored samples, in units of the largest measured autocorrelation time tau_int. "
              "2 is the usual "
              "definition of independence; 5 leaves correlations below 1 %."),
    GB_NUMBER(gb_chains_opts, burn_in, "128", 16, 1e9, "steps", GB_FIXED,
              "Steps before anything is measured; proposals are tuned here and nowhere else."),
    GB_NUMBER(gb_chains_opts, trial, "256", 64, 1e9, "steps", GB_FIXED,
              "Length of the trial of each mix of moves, if the physics leaves the choice to burn-in."),
    GB_NUMBER(gb_chains_opts, pilot, "1024", 64, 1e9, "steps", GB_FIXED,
              "Length of the first pilot run; doubled until it is 50 autocorrelation times long. Pilots are "
              "discarded."),
    GB_NUMBER(gb_chains_opts, longest_pilot, "131072", 64, 1e9, "steps", GB_FIXED,
              "A temperature that needs a longer pilot than this ends the run with an error."),
    GB_NUMBER(gb_chains_opts, hot_chains, "8", 0, 1000, "chains", GB_FIXED,
              "Chains per temperature that start hot and are not stored: a check of thermalisation."),
    GB_NUMBER(gb_chains_opts, validation_chains, "1", 0, 1e6, "chains", GB_FIXED,
              "Chains of each temperature kept for validation: those before the test chains."),
    GB_NUMBER(gb_chains_opts, test_chains, "1", 0, 1e6, "chains", GB_FIXED,
              "Chains of each temperature kept for tests: the last ones."),
    GB_WORD(gb_chains_opts, configurations, "float32", "float32|uint16|none", GB_FIXED,
            "How configurations are stored: float32; angles as 16-bit codes, half the size, error below 4.8e-5 rad; "
            "or not at all, only their observables."),
    GB_NUMBER(gb_chains_opts, deflate, "0", 0, 9, "1", GB_FIXED,
              "Compression level of stored configurations (shuffle + deflate); 0: none, and fastest. Needs a "
              "second pass and "
              "twice the disk space while it runs."),
    GB_NUMBER(
        gb_chains_opts, ranks_per_chain, "1", 1, 1e6, "ranks", GB_FREE,
        "Ranks over which every configuration is spread, a divisor of the number of ranks: for lattices too large "
        "or too slow for one. The data do not depend on it."),
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

bool gb_chains_ready(const gb_chains *ch)
{
  for (size_t t = 0; t < ch->n_T; t++)
    if (!ch->stride[t]) return false;
  return true;
}

/* Walkers of a group: as many as the physics can take, but fewer if teams would be idle otherwise. */
static size_t group_size(const gb_sim *sim, const gb_chains_opts *o, size_t n_teams)
{
  size_t chains = (size_t)o->chains, width = sim->dims.walkers;
  while (width > 1 && sim->dims.temperature.n * ((chains + width - 1) / width) < n_teams) width = (width + 1) / 2;
  return width;
}

/* Calls for every group of `chains` units per temperature from unit number `first` on, in the order of units: those of
 * my team are added. Neighbours in temperature go to different teams, as their costs differ. */
static void deal(gb_chains *ch, size_t first, size_t chains, size_t width)
{
  size_t n_teams = (size_t)(ch->c.size / ch->team.size), mine = (size_t)(ch->c.rank / ch->team.size);
  size_t blocks = (chains + width - 1) / width;
  for (size_t t = 0; t < ch->n_T; t++)
    for (size_t b = 0; b < blocks; b++) {
      if ((b * ch->n_T + t) % n_teams != mine) continue;
      size_t begin = b * width, n = chains - begin < width ? chains - begin : width;
      gb_group *g = ch->group ? &ch->group[ch->n_groups] : NULL;
      for (size_t k = 0; k < n && g; k++) {
        size_t u = first + t * chains + begin + k;
        ch->unit[ch->n_mine + k] = u;
        g->w.chain[k] = u;
      }
      if (g) {
        g->w.T = ch->sim->dims.temperature.v[t];
        g->w.seed = ch->seed;
        g->w.n = n;
        g->t = t;
        g->first = ch->n_mine;
      }
      ch->n_groups++;
      ch->n_mine += n;
    }
}

static void deal_all(gb_chains *ch)
{
  size_t width = group_size(ch->sim, &ch->opts, (size_t)(ch->c.size / ch->team.size));
  ch->n_groups = ch->n_mine = 0;
  deal(ch, 0, (size_t)ch->opts.chains, width);
  ch->data_groups = ch->n_groups;
  ch->data_mine = ch->n_mine;
  deal(ch, ch->n_data, (size_t)ch->opts.hot_chains, width);
}

static gb_err make_groups(gb_chains *ch)
{
  deal_all(ch); /* counts */
  GB_TRY(gb_new(&ch->unit, ch->n_mine));
  GB_TRY(gb_new(&ch->group, ch->n_groups));
  deal_all(ch);
  for (size_t g = 0; g < ch->n_groups; g++) {
    char *state;
    GB_TRY(gb_new(&state, ch->sim->dims.walker_bytes));
    ch->group[g].state = state;
    ensemble(ch)->start(ch->sim->self, &ch->group[g].w, g >= ch->data_groups, state);
  }
  return GB_OK;
}

gb_err gb_chains_create(gb_comm c, gb_comm team, const gb_sim *sim, const gb_chains_opts *opts, uint64_t seed,
                        gb_chains *out)
{
  gb_err e = GB_OK;
  gb_chains *ch = out;
  const gb_ensemble *en = sim->kind->ensemble;
  *ch = (gb_chains){.c = c, .team = team, .sim = sim, .opts = *opts, .seed = seed, .n_T = sim->dims.temperature.n};
  ch->n_data = ch->n_T * (size_t)opts->chains;
  ch->n_units = ch->n_data + ch->n_T * (size_t)opts->hot_chains;
  GB_GOTO(e, gb_new(&ch->steps, ch->n_T), done);
  GB_GOTO(e, gb_new(&ch->mix, ch->n_T), done);
  GB_GOTO(e, gb_new(&ch->cost, ch->n_T * sim->dims.n_mix), done);
  GB_GOTO(e, gb_new(&ch->stride, ch->n_T), done);
  GB_GOTO(e, gb_new(&ch->tau, ch->n_T * (size_t)en->n_track), done);
  GB_GOTO(e, gb_new(&ch->hot, ch->n_T * 2), done);
  GB_GOTO(e, make_groups(ch), done);
done:
  e = gb_comm_agree(c, e);
  if (e) gb_chains_destroy(ch);
  return e;
}

void gb_chains_destroy(gb_chains *ch)
{
  for (size_t g = 0; ch->group && g < ch->n_groups; g++) gb_free(&ch->group[g].state);
  gb_free(&ch->group);
  gb_free(&ch->unit);
  gb_free(&ch->steps);
  gb_free(&ch->mix);
  gb_free(&ch->cost);
  gb_free(&ch->stride);
  gb_free(&ch->tau);
  gb_free(&ch->hot);
  gb_free(&ch->series);
  *ch = (gb_chains){0};
}

/* Stage numbers: burn-in, then the trials, then the pilots. */
static int64_t n_trials(const gb_chains *ch)
{
  return ch->sim->dims.n_mix > 1 ? (int64_t)ch->sim->dims.n_mix : 0;
}

static bool is_trial(const gb_chains *ch)
{
  return ch->stage >= 1 && ch->stage <= n_trials(ch);
}

int64_t gb_chains_stage_steps(const gb_chains *ch)
{
  return ch->stage == 0 ? ch->opts.burn_in
         : is_trial(ch) ? ch->opts.trial
                        : ch->opts.pilot << (ch->stage - n_trials(ch) - 1);
}

const char *gb_chains_stage_name(const gb_chains *ch)
{
  return ch->stage == 0 ? "burn-in" : is_trial(ch) ? "trial" : "pilot";
}

static size_t measured(const gb_chains *ch)
{
  return (size_t)(ensemble(ch)->n_track + ensemble(ch)->n_sector);
}

size_t gb_chains_recorded(const gb_chains *ch)
{
  return measured(ch) + 1;
}

gb_err gb_chains_enter_stage(gb_chains *ch, int64_t stage, int64_t done)
{
  ch->stage = stage;
  ch->stage_done = done;
  gb_free(&ch->series);
  ch->series_room = stage ? (size_t)gb_chains_stage_steps(ch) : 0;
  return gb_comm_agree(ch->c, gb_new(&ch->series, ch->n_mine * gb_chains_recorded(ch) * ch->series_room));
}

/* Series q of my k-th unit. */
static double *series(const gb_chains *ch, size_t k, size_t q)
{
  return ch->series + (k * gb_chains_recorded(ch) + q) * ch->series_room;
}

/* What the end of a trial or pilot is judged by. */
typedef struct findings {
  double *tau;   /* [n_units, n_track] of each stored chain; -1: it was too short */
  double *error; /* [n_units, n_track] */
  double *mean;  /* [n_units, measured + 1] over its second half; the last is the cost of a step */
} findings;

static void free_findings(findings *f)
{
  gb_free(&f->tau);
  gb_free(&f->error);
  gb_free(&f->mean);
}

/* Every team looks at its own chains; then all ranks know all. */
static gb_err look(gb_chains *ch, findings *f)
{
  size_t n_track = (size_t)ensemble(ch)->n_track, n_mean = gb_chains_recorded(ch);
  size_t half = ch->series_room / 2; /* means after the first half: chains that started hot need it to forget */
  gb_err e = gb_new(&f->tau, ch->n_units * n_track);
  if (!e) e = gb_new(&f->error, ch->n_units * n_track);
  if (!e) e = gb_new(&f->mean, ch->n_units * n_mean);
  GB_TRY(gb_comm_agree(ch->c, e));
  for (size_t g = 0; g < ch->n_groups && ch->team.rank == 0; g++)
    for (size_t k = ch->group[g].first; k < ch->group[g].first + ch->group[g].w.n; k++) {
      size_t u = ch->unit[k];
      if (ch->stride[ch->group[g].t]) continue;
      for (size_t q = 0; q < n_mean; q++)
        for (size_t i = half; i < ch->series_room; i++)
          f->mean[u * n_mean + q] += series(ch, k, q)[i] / (double)(ch->series_room - half);
      for (size_t q = 0; q < n_track && u < ch->n_data; q++)
        if (!gb_series_tau(1, ch->series_room, series(ch, k, q), &f->tau[u * n_track + q], &f->error[u * n_track + q]))
          f->tau[u * n_track + q] = -1;
    }
  gb_comm_merge(ch->c, f->tau, ch->n_units * n_track);
  gb_comm_merge(ch->c, f->error, ch->n_units * n_track);
  gb_comm_merge(ch->c, f->mean, ch->n_units * n_mean);
  return GB_OK;
}

/* Autocorrelation time of a tracked quantity plus one standard error: mean over the chains, in their order. INFINITY
 * if a chain was too short. */
static double tau_of(const gb_chains *ch, const findings *f, size_t t, size_t q)
{
  size_t n_track = (size_t)ensemble(ch)->n_track, chains = (size_t)ch->opts.chains;
  double sum = 0, square = 0;
  for (size_t u = t * chains; u < (t + 1) * chains; u++) {
    if (f->tau[u * n_track + q] < 0) return INFINITY;
    sum += f->tau[u * n_track + q];
    square += pow(f->error[u * n_track + q], 2);
  }
  return (sum + sqrt(square)) / (double)chains;
}

static double slowest(const gb_chains *ch, const findings *f, size_t t, size_t *which)
{
  double most = 0;
  for (size_t q = 0; q < (size_t)ensemble(ch)->n_track; q++) {
    double tau = tau_of(ch, f, t, q);
    if (tau > most) most = tau, *which = q;
  }
  return most;
}

/* The cost of the mix just tried; after the last one, the choice. */
static void judge_trial(gb_chains *ch, const findings *f)
{
  size_t n_mix = ch->sim->dims.n_mix, m = (size_t)ch->stage - 1, n_mean = gb_chains_recorded(ch), which = 0;
  size_t chains = (size_t)ch->opts.chains;
  for (size_t t = 0; t < ch->n_T; t++) {
    double tau = slowest(ch, f, t, &which), step = 0;
    for (size_t u = t * chains; u < (t + 1) * chains; u++) step += f->mean[(u + 1) * n_mean - 1] / (double)chains;
    ch->cost[t * n_mix + m] = isfinite(tau) ? 2 * tau * step / (double)ch->sim->dims.n : -1;
    if (m + 1 < n_mix) continue;
    ch->mix[t] = (int64_t)n_mix - 1; /* if none is settled: the one that decorrelates most */
    for (size_t i = n_mix; i-- > 0;) {
      double now = ch->cost[t * n_mix + i], best = ch->cost[t * n_mix + (size_t)ch->mix[t]];
      if (now >= 0 && (best < 0 || now <= best)) ch->mix[t] = (int64_t)i;
    }
  }
}

static bool is_trapped(const gb_chains *ch, const double *mean)
{
  for (size_t q = (size_t)ensemble(ch)->n_track; q < measured(ch); q++)
    if (fabs(mean[q]) > 0.5) return true;
  return false;
}

/* Do chains that started hot give the same means as those that started ordered? Student's t of each tracked quantity,
 * from the means of chains; hot chains that are trapped are counted and left out. */
static void compare_starts(gb_chains *ch, const findings *f, size_t t)
{
  size_t n_mean = gb_chains_recorded(ch), n_o = (size_t)ch->opts.chains, n_h = (size_t)ch->opts.hot_chains;
  const double *ordered = f->mean + t * n_o * n_mean, *hot = f->mean + (ch->n_data + t * n_h) * n_mean;
  double *out = ch->hot + 2 * t;
  out[0] = out[1] = 0;
  for (size_t u = 0; u < n_h; u++) out[1] += is_trapped(ch, hot + u * n_mean);
  double used = (double)n_h - out[1], all = (double)n_o + used;
  if (used < 2 || n_o < 2) return;
  for (size_t q = 0; q < (size_t)ensemble(ch)->n_track; q++) {
    double a = 0, b = 0, square = 0;
    for (size_t u = 0; u < n_o; u++) a += ordered[u * n_mean + q] / (double)n_o;
    for (size_t u = 0; u < n_h; u++) b += is_trapped(ch, hot + u * n_mean) ? 0 : hot[u * n_mean + q] / used;
    for (size_t u = 0; u < n_o; u++) square += pow(ordered[u * n_mean + q] - a, 2);
    for (size_t u = 0; u < n_h; u++) square += is_trapped(ch, hot + u * n_mean) ? 0 : pow(hot[u * n_mean + q] - b, 2);
    double error = sqrt(square / (all - 2) * (1 / (double)n_o + 1 / used));
    if (error > 0) out[0] = fmax(out[0], fabs(a - b) / error);
  }
}

/* The end of a pilot: which temperatures are ready, and with which stride? */
static gb_err judge_pilot(gb_chains *ch, const findings *f)
{
  enum { PILOT_TAUS = 50 }; /* error of tau from one chain: about 60 %, averaged over chains and added to it */
  size_t n_track = (size_t)ensemble(ch)->n_track;
  for (size_t t = 0; t < ch->n_T; t++) {
    size_t which = 0;
    if (ch->stride[t]) continue;
    for (size_t q = 0; q < n_track; q++) ch->tau[t * n_track + q] = tau_of(ch, f, t, q);
    compare_starts(ch, f, t);
    double tau = slowest(ch, f, t, &which);
    if ((double)ch->series_room >= PILOT_TAUS * tau)
      ch->stride[t] = (int64_t)ceil(ch->opts.spacing * tau);
    else if (2 * (int64_t)ch->series_room > ch->opts.longest_pilot)
      return GB_FAIL(
          GB_ERR_NUMERIC,
          "T = %g: the autocorrelation time of %s is not settled by a pilot of %zu steps. Allow a longer one "
          "(generate.longest_pilot), or faster dynamics: more over-relaxation or clusters in section %s.",
          ch->sim->dims.temperature.v[t], ensemble(ch)->track[which].name, ch->series_room, ch->sim->kind->name);
  }
  return GB_OK;
}

static gb_err judge(gb_chains *ch)
{
  findings f = {0};
  gb_err e = look(ch, &f);
  if (!e && is_trial(ch))
    judge_trial(ch, &f);
  else if (!e)
    e = judge_pilot(ch, &f);
  free_findings(&f);
  return gb_comm_agree(ch->c, e); /* the same decision everywhere; this marks it as common */
}

static size_t mix_of(const gb_chains *ch, size_t t)
{
  return ch->stage == 0 ? ch->sim->dims.n_mix - 1 : is_trial(ch) ? (size_t)ch->stage - 1 : (size_t)ch->mix[t];
}

static void run_group(gb_chains *ch, gb_group *g, int64_t n)
{
  const gb_ensemble *en = ensemble(ch);
  size_t m = measured(ch);
  double now[GB_MOST_WALKERS * GB_MOST_MEASURED];
  GB_ASSERT(m <= GB_MOST_MEASURED);
  for (int64_t i = 0; i < n; i++) {
    double cost[GB_MOST_WALKERS] = {0};
    en->step(ch->sim->self, &g->w, mix_of(ch, g->t), (uint64_t)(ch->steps[g->t] + i), ch->stage == 0, g->state, cost);
    GB_BEAT();
    if (ch->stage == 0) continue;
    en->measure(ch->sim->self, &g->w, g->state, now);
    for (size_t k = 0; k < g->w.n; k++) {
      for (size_t q = 0; q < m; q++) series(ch, g->first + k, q)[ch->stage_done + i] = now[k * m + q];
      series(ch, g->first + k, m)[ch->stage_done + i] = cost[k];
    }
  }
}

gb_err gb_chains_advance(gb_chains *ch, int64_t n)
{
  int64_t left = gb_chains_stage_steps(ch) - ch->stage_done;
  if (n > left) n = left;
  size_t walking = is_trial(ch) ? ch->data_groups : ch->n_groups; /* the check of starts needs no trials */
  for (size_t g = 0; g < walking; g++)
    if (!ch->stride[ch->group[g].t]) run_group(ch, &ch->group[g], n);
  for (size_t t = 0; t < ch->n_T; t++)
    if (!ch->stride[t]) ch->steps[t] += n;
  ch->stage_done += n;
  if (n < left) return GB_OK;
  if (ch->stage > 0) GB_TRY(judge(ch));
  return gb_chains_enter_stage(ch, ch->stage + 1, 0);
}

void gb_chains_draw(gb_chains *ch, size_t g, uint64_t first, size_t n, float *x, double *obs)
{
  enum { MOST_OBS = 32 };
  const gb_ensemble *en = ensemble(ch);
  gb_group *group = &ch->group[g];
  size_t n_mine = ch->sim->dims.n_mine, n_obs = (size_t)en->n_obs;
  uint64_t stride = (uint64_t)ch->stride[group->t], step = (uint64_t)ch->steps[group->t] + first * stride;
  float *row[GB_MOST_WALKERS];
  double one[GB_MOST_WALKERS][MOST_OBS], *o[GB_MOST_WALKERS], cost[GB_MOST_WALKERS] = {0};
  GB_ASSERT(n_obs <= MOST_OBS);
  for (size_t i = 0; i < n; i++) {
    for (uint64_t j = 0; j < stride; j++) {
      en->step(ch->sim->self, &group->w, mix_of(ch, group->t), step++, false, group->state, cost);
      GB_BEAT();
    }
    for (size_t k = 0; k < group->w.n; k++) {
      row[k] = x + (k * n + i) * n_mine;
      o[k] = one[k];
    }
    en->sample(ch->sim->self, &group->w, first + i, group->state, row, o);
    for (size_t k = 0; k < group->w.n; k++)
      for (size_t q = 0; q < n_obs; q++) obs[(k * n_obs + q) * n + i] = one[k][q];
  }
}

double gb_chains_bytes(const gb_sim *sim, const gb_chains_opts *o, int size)
{
  const gb_dims *d = &sim->dims;
  double teams = (double)size / (double)o->ranks_per_chain, width = (double)group_size(sim, o, (size_t)fmax(1, teams));
  double groups = ceil((double)d->temperature.n *
                       (ceil((double)o->chains / width) + ceil((double)o->hot_chains / width)) / fmax(1, teams));
  double recorded = (double)(sim->kind->ensemble->n_track + sim->kind->ensemble->n_sector + 1);
  return groups * ((double)d->walker_bytes + width * 8 * recorded * (double)o->pilot);
}
