/* tests/mpi/test_chains.c - mixes, costs, strides, autocorrelation times and states of chains do not depend on the
 * number of ranks; how chains are dealt to groups and teams. */
#include "physics/ensemble.h"
#include "ranks.h"

/* How many chains, hot chains and temperatures: fewer than lanes, exactly as many, some more, and more ranks than
 * groups. */
static const struct {
  int chains, hot;
  const char *T;
} cases[] = {{1, 0, "1"}, {3, 2, "0.7, 1.2"}, {8, 8, "1"}, {16, 0, "0.9, 1, 1.1"}, {17, 5, "1.3"}, {32, 16, "1.5"}};
enum { N_CASES = sizeof cases / sizeof *cases };

static void open_case(lab *l, size_t k, const char *xy)
{
  char yaml[512];
  snprintf(yaml, sizeof yaml,
           "xy: {L: 6, T: [%s], %s}\n"
           "generate: {chains: %d, hot_chains: %d, samples: 4, burn_in: 16, trial: 64, pilot: 128, spacing: 2, "
           "validation_chains: 0, test_chains: 0}\n",
           cases[k].T, xy, cases[k].chains, cases[k].hot);
  lab_open(l, "xy", yaml);
}

/* The description of my k-th unit. */
static void unit_of(gb_chains *ch, size_t group, size_t k, float *field, double *tuned)
{
  const gb_ensemble *en = ch->sim->kind->ensemble;
  float *all[GB_MOST_WALKERS];
  double *all_tuned[GB_MOST_WALKERS];
  size_t n = ch->sim->dims.n_field * ch->sim->dims.n;
  for (size_t i = 0; i < ch->group[group].w.n; i++) {
    CHECK_OK(gb_new(&all[i], n));
    CHECK_OK(gb_new(&all_tuned[i], ch->sim->dims.n_tuned));
  }
  en->unpack(ch->sim->self, &ch->group[group].w, ch->group[group].state, all, all_tuned);
  memcpy(field, all[k], n * sizeof *field);
  memcpy(tuned, all_tuned[k], ch->sim->dims.n_tuned * sizeof *tuned);
  for (size_t i = 0; i < ch->group[group].w.n; i++) {
    gb_free(&all[i]);
    gb_free(&all_tuned[i]);
  }
}

/* Unit u of these chains: where it walks. */
static void find(const gb_chains *ch, size_t u, size_t *group, size_t *k)
{
  *k = 0;
  for (*group = 0; *group < ch->n_groups; ++*group)
    for (*k = 0; *k < ch->group[*group].w.n; ++*k)
      if (ch->unit[ch->group[*group].first + *k] == u) return;
  fail_msg("unit %zu is missing", u);
}

/* Every unit of mine is in the same state as on one rank. */
static void check_states(gb_chains *here, gb_chains *alone)
{
  float a[2 * 36], b[2 * 36];
  double at = 0, bt = 0;
  CHECK(here->sim->dims.n_field * here->sim->dims.n == 72 && here->sim->dims.n_tuned == 1);
  for (size_t g = 0; g < here->n_groups; g++)
    for (size_t k = 0; k < here->group[g].w.n; k++) {
      size_t u = here->unit[here->group[g].first + k], group = 0, place = 0;
      find(alone, u, &group, &place);
      unit_of(here, g, k, a, &at);
      unit_of(alone, group, place, b, &bt);
      CHECK(!memcmp(a, b, sizeof a) && at == bt);
    }
}

static void check_findings(const gb_chains *here, const gb_chains *alone)
{
  size_t n_T = here->n_T, n_mix = here->sim->dims.n_mix, n_track = (size_t)here->sim->kind->ensemble->n_track;
  CHECK(here->stage == alone->stage && here->stage_done == alone->stage_done);
  CHECK(!memcmp(here->steps, alone->steps, n_T * sizeof *here->steps));
  CHECK(!memcmp(here->mix, alone->mix, n_T * sizeof *here->mix));
  CHECK(!memcmp(here->cost, alone->cost, n_T * n_mix * sizeof *here->cost));
  CHECK(!memcmp(here->stride, alone->stride, n_T * sizeof *here->stride));
  CHECK(!memcmp(here->tau, alone->tau, n_T * n_track * sizeof *here->tau));
  CHECK(!memcmp(here->hot, alone->hot, n_T * 2 * sizeof *here->hot));
}

/* Samples of all stored chains of mine, by unit: angles [n_data, DRAWN, n], observables [n_data, n_obs, DRAWN]. */
enum { DRAWN = 3 };
static void draw_all(gb_chains *ch, float *angles, double *observed)
{
  size_t n = DRAWN * ch->sim->dims.n, n_obs = DRAWN * (size_t)ch->sim->kind->ensemble->n_obs;
  float *x;
  double *o;
  CHECK_OK(gb_new(&x, GB_MOST_WALKERS * n));
  CHECK_OK(gb_new(&o, GB_MOST_WALKERS * n_obs));
  for (size_t g = 0; g < ch->data_groups; g++) {
    gb_chains_draw(ch, g, 0, DRAWN, x, o);
    for (size_t k = 0; k < ch->group[g].w.n; k++) {
      memcpy(angles + ch->group[g].w.chain[k] * n, x + k * n, n * sizeof *x);
      memcpy(observed + ch->group[g].w.chain[k] * n_obs, o + k * n_obs, n_obs * sizeof *o);
    }
  }
  gb_free(&x);
  gb_free(&o);
}

static void check_samples(gb_chains *here, gb_chains *alone)
{
  size_t n = DRAWN * here->sim->dims.n, n_obs = DRAWN * (size_t)here->sim->kind->ensemble->n_obs;
  float *x[2];
  double *o[2];
  for (int i = 0; i < 2; i++) {
    CHECK_OK(gb_new(&x[i], here->n_data * n));
    CHECK_OK(gb_new(&o[i], here->n_data * n_obs));
    draw_all(i ? alone : here, x[i], o[i]);
  }
  for (size_t k = 0; k < here->data_mine; k++) {
    size_t u = here->unit[k];
    CHECK(!memcmp(x[0] + u * n, x[1] + u * n, n * sizeof(float)));
    CHECK(!memcmp(o[0] + u * n_obs, o[1] + u * n_obs, n_obs * sizeof(double)));
  }
  for (int i = 0; i < 2; i++) {
    gb_free(&x[i]);
    gb_free(&o[i]);
  }
}

/* To the end of burn-in, of the trials and of the pilots, in pieces of different lengths; then samples. */
static void ranks_do_not_matter(void **state)
{
  (void)state;
  for (size_t k = 0; k < N_CASES; k++) {
    lab l;
    gb_chains here, alone;
    open_case(&l, k, "wolff: -1");
    CHECK(l.sim.dims.n_mix > 1);
    CHECK_OK(gb_chains_create(world, gb_comm_self(), &l.sim, &l.opts, 3, &here));
    CHECK_OK(gb_chains_create(gb_comm_self(), gb_comm_self(), &l.sim, &l.opts, 3, &alone));
    check_states(&here, &alone);
    int64_t stage = 0;
    while (!gb_chains_ready(&here)) {
      CHECK_OK(gb_chains_advance(&here, 50));
      while (alone.stage != here.stage || alone.stage_done != here.stage_done) CHECK_OK(gb_chains_advance(&alone, 25));
      if (here.stage != stage) check_findings(&here, &alone);
      stage = here.stage;
    }
    CHECK(gb_chains_ready(&alone) && stage > (int64_t)l.sim.dims.n_mix + 1);
    for (size_t t = 0; t < here.n_T; t++) {
      CHECK(here.cost[t * l.sim.dims.n_mix + (size_t)here.mix[t]] > 0);
      CHECK((here.hot[2 * t] > 0) == (cases[k].hot > 1 && cases[k].chains > 1));
    }
    check_states(&here, &alone);
    check_samples(&here, &alone);
    gb_chains_destroy(&here);
    gb_chains_destroy(&alone);
    lab_close(&l);
  }
}

/* Every unit walks on exactly one team; groups are full, but smaller if teams would be idle otherwise; the stored ones
 * come first and in order. */
static void every_unit_walks_once(void **state)
{
  (void)state;
  for (size_t k = 0; k < N_CASES; k++) {
    lab l;
    gb_chains ch;
    open_case(&l, k, "wolff: 0");
    CHECK_OK(gb_chains_create(world, gb_comm_self(), &l.sim, &l.opts, 3, &ch));
    int64_t *count, groups = (int64_t)ch.data_groups;
    CHECK_OK(gb_new(&count, ch.n_units));
    size_t chains = (size_t)cases[k].chains, widest = 0;
    for (size_t g = 0; g < ch.n_groups; g++) {
      const gb_group *q = &ch.group[g];
      CHECK(q->w.n >= 1 && q->w.n <= l.sim.dims.walkers && q->w.T == l.sim.dims.temperature.v[q->t] && q->w.seed == 3);
      widest = q->w.n > widest ? q->w.n : widest;
      for (size_t i = 0; i < q->w.n; i++) {
        size_t u = ch.unit[q->first + i];
        CHECK(q->w.chain[i] == u && (u < ch.n_data) == (g < ch.data_groups));
        CHECK(u < ch.n_data ? u / chains == q->t : (u - ch.n_data) / (size_t)cases[k].hot == q->t);
        count[u]++;
      }
    }
    for (size_t i = 1; i < ch.n_mine; i++) CHECK(ch.unit[i] > ch.unit[i - 1]);
    gb_comm_sum_i64(world, count, ch.n_units);
    for (size_t u = 0; u < ch.n_units; u++) CHECK(count[u] == 1);
    /* As many groups as ranks if there are as many chains; half as many groups would leave a rank idle. */
    int64_t all = groups;
    double most = (double)widest;
    gb_comm_sum_i64(world, &all, 1);
    gb_comm_max(world, &most, 1);
    widest = (size_t)most;
    size_t twice = 2 * widest, full = chains < l.sim.dims.walkers ? chains : l.sim.dims.walkers;
    CHECK(all >= world.size || all == (int64_t)ch.n_data);
    CHECK(widest == full || ch.n_T * ((chains + twice - 1) / twice) < (size_t)world.size);
    gb_free(&count);
    gb_chains_destroy(&ch);
    lab_close(&l);
  }
}

/* A temperature that is not settled ends the run on all ranks, with one message. */
static void a_pilot_that_is_too_short_fails_on_all_ranks(void **state)
{
  lab l;
  gb_chains ch;
  (void)state;
  lab_open(&l, "xy",
           "xy: {L: 16, T: [0.3, 5], metropolis: 1, overrelaxation: 0, wolff: 0}\n"
           "generate: {chains: 4, burn_in: 16, pilot: 256, longest_pilot: 256}\n");
  CHECK_OK(gb_chains_create(world, gb_comm_self(), &l.sim, &l.opts, 3, &ch));
  CHECK_OK(gb_chains_advance(&ch, 16));
  CHECK_ALL_FAIL(gb_chains_advance(&ch, 256), GB_ERR_NUMERIC, "T = 0.3: the autocorrelation time of");
  gb_chains_destroy(&ch);
  lab_close(&l);
}

static const struct CMUnitTest tests[] = {TEST(ranks_do_not_matter), TEST(every_unit_walks_once),
                                          TEST(a_pilot_that_is_too_short_fails_on_all_ranks)};
RUN_ON_RANKS(tests)
