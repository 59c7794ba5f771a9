/* tests/physics/test_xy_moves.c - each move of the XY model by itself: what it must conserve, which distribution it
 * must leave alone, and that every mix of them samples the same. */
#include "xy_lab.h"

enum { WALKERS = 8 }; /* of the lanes of any machine */

/* ------------------------------------------------------------------------------------------------ over-relaxation */

/* A reflection of floats is wrong by a few 2^-24 = 6e-8, and nothing brings a spin back to unit length here. Errors of
 * N sites add up at random over n sweeps: 3e-7 sqrt(n / N) of e, 1.5e-6 for n = 100 and N = 4; three times that.
 * Lengths alike, without the mean over sites: 1e-5 is three times 3e-7 sqrt(100). */
static void overrelaxation_conserves_energy(void **unused)
{
  static const char *const sections[] = {"L: 2", "L: 4", "L: 6", "L: 16", "L: 32"};
  (void)unused;
  for (size_t k = 0; k < sizeof sections / sizeof *sections; k++) {
    lab l;
    troop t;
    float *before;
    double e[WALKERS], moved = 0;
    open_xy(&l, sections[k]);
    troop_open(&t, l.sim.self, l.sim.dims, WALKERS, 1);
    size_t L = t.s->L, n = 2 * t.s->sites;
    CHECK_OK(gb_new(&before, n));
    troop_heat(&t, k);
    for (size_t i = 0; i < WALKERS; i++) e[i] = energy_of(L, 1, t.field[i]);
    for (int sweep = 0; sweep < 100; sweep++) {
      memcpy(before, t.field[0], n * sizeof *before);
      overrelax(&t);
      troop_unpack(&t);
      for (size_t i = 0; i < WALKERS; i++) CHECK_NEAR(energy_of(L, 1, t.field[i]), e[i], 5e-6);
      for (size_t i = 0; i < n; i++) moved += fabs((double)(t.field[0][i] - before[i])) / (double)t.s->sites;
    }
    CHECK(moved > 50); /* 100 sweeps of reflections at random fields: not the identity */
    for (size_t w = 0; w < WALKERS; w++)
      for (size_t i = 0; i < t.s->sites; i++)
        CHECK_NEAR(hypot((double)t.field[w][i], (double)t.field[w][t.s->sites + i]), 1, 1e-5);
    gb_xy_normalise(t.s, t.state); /* what every step ends with: a float of length 1 up to its own rounding */
    troop_unpack(&t);
    for (size_t w = 0; w < WALKERS; w++)
      for (size_t i = 0; i < t.s->sites; i++)
        CHECK_NEAR(hypot((double)t.field[w][i], (double)t.field[w][t.s->sites + i]), 1, 0x1.8p-23);
    gb_free(&before);
    troop_close(&t);
    lab_close(&l);
  }
}

/* Colour 0 first: there theta' = 2 phi - theta with phi the direction of the sum of the four neighbours as they were;
 * then colour 1, whose neighbours are new. The field is wrong by 4 roundings of numbers up to 4, 2^-22 in all, and
 * divides by its length h: 1e-6 (1 + 1/h) is four times that. */
static void overrelaxation_reflects_about_the_local_field(void **unused)
{
  lab l;
  troop t;
  enum { L = 6, N = L * L };
  float old[WALKERS][2 * N];
  (void)unused;
  open_xy(&l, "L: 6");
  troop_open(&t, l.sim.self, l.sim.dims, WALKERS, 1);
  troop_heat(&t, 1);
  for (size_t w = 0; w < WALKERS; w++) memcpy(old[w], t.field[w], sizeof old[w]);
  overrelax(&t);
  troop_unpack(&t);
  for (size_t i = 0; i < WALKERS * N; i++) {
    size_t w = i / N, y = i % N / L, x = i % L, me = y * L + x, n[4];
    const float *v = (y + x) & 1 ? t.field[w] : old[w]; /* the neighbours' state when this site was reflected */
    double hc = 0, hs = 0;
    neighbours(L, y, x, n);
    for (int k = 0; k < 4; k++) {
      hc += (double)v[n[k]];
      hs += (double)v[N + n[k]];
    }
    double theta = 2 * atan2(hs, hc) - atan2((double)old[w][N + me], (double)old[w][me]);
    double allowed = 1e-6 * (1 + 1 / hypot(hc, hs));
    CHECK_NEAR(t.field[w][me], cos(theta), allowed);
    CHECK_NEAR(t.field[w][N + me], sin(theta), allowed);
  }
  troop_close(&t);
  lab_close(&l);
}

/* An antiferromagnetic ring of neighbours has no field at all: the spin must stay a unit vector. */
static void overrelaxation_survives_a_vanishing_field(void **unused)
{
  lab l;
  troop t;
  (void)unused;
  open_xy(&l, "L: 4");
  troop_open(&t, l.sim.self, l.sim.dims, WALKERS, 1);
  for (size_t w = 0; w < WALKERS; w++)
    for (size_t i = 0; i < 16; i++) {
      double theta = 0.7 * (double)w; /* + + - - along both axes: two neighbours of each sign */
      t.field[w][i] = (float)((i % 4 / 2 + i / 8) % 2 ? cos(theta) : -cos(theta));
      t.field[w][16 + i] = (float)((i % 4 / 2 + i / 8) % 2 ? sin(theta) : -sin(theta));
    }
  for (size_t i = 0; i < 16; i++) {
    size_t n[4];
    double h = 0;
    neighbours(4, i / 4, i % 4, n);
    for (int k = 0; k < 4; k++) h += (double)t.field[0][n[k]];
    CHECK(h == 0);
  }
  troop_pack(&t);
  for (int sweep = 0; sweep < 3; sweep++) {
    overrelax(&t);
    troop_unpack(&t);
    for (size_t w = 0; w < WALKERS; w++)
      for (size_t i = 0; i < 16; i++) CHECK_NEAR(hypot((double)t.field[w][i], (double)t.field[w][16 + i]), 1, 0x1p-22);
  }
  troop_close(&t);
  lab_close(&l);
}

/* ----------------------------------------------------------------------------------------------------- Metropolis */

/* One spin in a frozen field, its angle drawn from its equilibrium exp(K h cos(theta - phi)), makes one move. If the
 * move is in detailed balance, as many spins go from bin a to bin b as from b to a. A coupling that is wrong by a
 * factor 1 + d makes the ratio exp(d K (E_a - E_b)): at d = 0.01 the pairs far apart differ by 4 %. */
static void metropolis_is_in_detailed_balance(void **unused)
{
  enum { BINS = 8, TRIALS = 1 << 21, GRID = 4096 };
  static double cumulated[GRID + 1];
  static int64_t flow[BINS][BINS];
  lab l;
  troop t;
  double z2 = 0, worst = 0, theta[WALKERS];
  float frozen[8];
  int pairs = 0;
  (void)unused;
  open_xy(&l, "L: 2");
  troop_open(&t, l.sim.self, l.sim.dims, WALKERS, 1);
  troop_heat(&t, 5);
  memcpy(frozen, t.field[0], sizeof frozen);
  /* site (0, 0) moves first: its neighbours (0, 1) and (1, 0), each twice */
  double hc = 2 * ((double)frozen[1] + (double)frozen[2]), hs = 2 * ((double)frozen[5] + (double)frozen[6]);
  double phi = atan2(hs, hc), h = hypot(hc, hs), K = 2 / h;
  for (int i = 0; i < GRID; i++) /* mid-point rule; inside a cell the angle is uniform: an error of order 1 / GRID^2 */
    cumulated[i + 1] = cumulated[i] + exp(K * h * cos(2 * M_PI * (i + 0.5) / GRID));
  memset(flow, 0, sizeof flow);
  for (uint64_t trial = 0; trial < TRIALS / WALKERS; trial++) {
    for (size_t k = 0; k < WALKERS; k++) {
      uint32_t w[4];
      gb_rng_block(gb_rng_key(SEED, GB_RNG_TEST, 100 + k, trial), 0, w);
      double u = gb_rng_unit(w[0]) * cumulated[GRID];
      int low = 0, high = GRID;
      while (high - low > 1) {
        int middle = (low + high) / 2;
        if (cumulated[middle] <= u)
          low = middle;
        else
          high = middle;
      }
      theta[k] = 2 * M_PI * (low + gb_rng_unit(w[1])) / GRID; /* relative to the field */
      memcpy(t.field[k], frozen, sizeof frozen);
      t.field[k][0] = (float)cos(phi + theta[k]);
      t.field[k][4] = (float)sin(phi + theta[k]);
      t.width[k] = 6; /* turns by up to 161 degrees: every pair of bins is linked */
    }
    troop_pack(&t);
    metropolis(&t, K, trial, NULL);
    troop_unpack(&t);
    for (size_t k = 0; k < WALKERS; k++) {
      double after = atan2((double)t.field[k][4], (double)t.field[k][0]) - phi;
      after -= 2 * M_PI * floor(after / (2 * M_PI));
      flow[(int)(theta[k] / (2 * M_PI) * BINS) % BINS][(int)(after / (2 * M_PI) * BINS) % BINS]++;
    }
  }
  for (int a = 0; a < BINS; a++)
    for (int b = a + 1; b < BINS; b++) {
      double there = (double)flow[a][b], back = (double)flow[b][a];
      CHECK(there + back > 1000);
      double z = (there - back) / sqrt(there + back);
      z2 += z * z;
      worst = fmax(worst, fabs(z));
      pairs++;
    }
  CHECK_NEAR(worst, 0, 4.5);
  CHECK_NEAR(z2, pairs, 4 * sqrt(2.0 * pairs)); /* chi squared */
  troop_close(&t);
  lab_close(&l);
}

/* What was accepted is what moved. */
static void accepted_moves_are_counted(void **unused)
{
  lab l;
  troop t;
  int64_t accepted[WALKERS];
  (void)unused;
  open_xy(&l, "L: 10");
  troop_open(&t, l.sim.self, l.sim.dims, WALKERS, 1);
  troop_heat(&t, 9);
  for (uint64_t i = 0; i < 20; i++) {
    float old[WALKERS][200];
    for (size_t k = 0; k < WALKERS; k++) memcpy(old[k], t.field[k], sizeof old[k]);
    metropolis(&t, 0.8, i, accepted);
    troop_unpack(&t);
    for (size_t k = 0; k < WALKERS; k++) {
      int64_t moved = 0;
      for (int j = 0; j < 100; j++) moved += old[k][j] != t.field[k][j] || old[k][100 + j] != t.field[k][100 + j];
      CHECK(moved == accepted[k] && moved > 10 && moved < 100);
    }
  }
  troop_close(&t);
  lab_close(&l);
}

/* Burn-in finds a proposal width with the acceptance it aims at, and nothing but burn-in changes the width. (Above T of
 * about 1.8 no width has an acceptance as low as that.) */
static void proposals_are_tuned_in_burn_in_only(void **unused)
{
  static const double temperatures[] = {0.05, 0.5, 1, 1.4};
  lab l;
  (void)unused;
  open_xy(&l, "L: 16");
  for (size_t i = 0; i < 4; i++) {
    double T = temperatures[i], tuned[WALKERS], rate[WALKERS] = {0}, cost[WALKERS] = {0};
    size_t mix = l.sim.dims.n_mix - 1;
    troop t;
    troop_open(&t, l.sim.self, l.sim.dims, WALKERS, T);
    gb_xy_start(t.s, &t.w, false, t.state);
    for (uint64_t k = 0; k < 128; k++) gb_xy_step(t.s, &t.w, mix, k, true, t.state, cost);
    troop_unpack(&t);
    memcpy(tuned, t.width, sizeof tuned);
    for (uint64_t k = 0; k < 200; k++) {
      int64_t accepted[WALKERS];
      gb_xy_step(t.s, &t.w, k % l.sim.dims.n_mix, 128 + k, false, t.state, cost);
      metropolis(&t, 1 / T, 1000000 + k, accepted);
      for (size_t j = 0; j < WALKERS; j++) rate[j] += (double)accepted[j] / 256 / 200;
    }
    troop_unpack(&t);
    for (size_t j = 0; j < WALKERS; j++) {
      CHECK(t.width[j] == tuned[j]);
      CHECK_NEAR(rate[j], 0.42, 0.05);
      CHECK(j == 0 || tuned[j] != tuned[0]); /* each chain has its own */
    }
    troop_close(&t);
  }
  lab_close(&l);
}

/* ---------------------------------------------------------------------------------------------------------- Wolff */

/* Numbers of sites that hang together with site i among those that moved. */
static size_t flood(size_t L, size_t first, bool *moved)
{
  size_t queue[1024], n = 0, done = 0;
  queue[n++] = first;
  moved[first] = false;
  while (done < n) {
    size_t i = queue[done++], next[4];
    neighbours(L, i / L, i % L, next);
    for (int k = 0; k < 4; k++)
      if (moved[next[k]]) {
        moved[next[k]] = false;
        queue[n++] = next[k];
      }
  }
  return n;
}

/* A cluster move reflects all its spins at one line: s -> s - 2 (s.r) r. The others keep their bits. Floats: the line,
 * the projection and the product have errors of a few 2^-24 each; 1e-6 is twice their sum. */
static void wolff_reflects_a_connected_cluster(void **unused)
{
  enum { L = 8, N = L * L, MOVES = 100 };
  lab l;
  troop t;
  float old[WALKERS][2 * N];
  int64_t largest = 0, smallest = N;
  double cost[WALKERS] = {0};
  (void)unused;
  open_xy(&l, "L: 8");
  troop_open(&t, l.sim.self, l.sim.dims, WALKERS, 0.9);
  troop_heat(&t, 3);
  for (uint64_t i = 0; i < 50; i++) gb_xy_step(t.s, &t.w, 0, i, true, t.state, cost);
  for (uint64_t k = 0; k < MOVES; k++) {
    int64_t flips[WALKERS] = {0};
    troop_unpack(&t);
    for (size_t w = 0; w < WALKERS; w++) memcpy(old[w], t.field[w], sizeof old[w]);
    gb_xy_wolff(t.s, &t.w, 1 / 0.9, k, t.state, flips);
    troop_unpack(&t);
    for (size_t w = 0; w < WALKERS; w++) {
      const float *a = old[w], *b = t.field[w];
      bool moved[N];
      int64_t size = 0;
      size_t far = 0;
      double rc = 0, rs = 0, most = 0;
      for (size_t i = 0; i < N; i++) {
        double dc = (double)b[i] - (double)a[i], ds = (double)b[N + i] - (double)a[N + i], d = hypot(dc, ds);
        moved[i] = d > 0;
        size += moved[i];
        if (d > most) most = d, rc = dc / d, rs = ds / d, far = i; /* the normal, up to its sign */
      }
      CHECK(size == flips[w] && size > 0);
      for (size_t i = 0; i < N && most > 0.5; i++) {
        double p = moved[i] ? 2 * ((double)a[i] * rc + (double)a[N + i] * rs) : 0;
        CHECK_NEAR(b[i], (double)a[i] - p * rc, 1e-6);
        CHECK_NEAR(b[N + i], (double)a[N + i] - p * rs, 1e-6);
      }
      CHECK((int64_t)flood(L, far, moved) == size);
      largest = size > largest ? size : largest;
      smallest = size < smallest ? size : smallest;
    }
    gb_xy_normalise(t.s, t.state);
  }
  CHECK(largest > 40 && smallest == 1); /* clusters of all sizes occur at this temperature */
  troop_close(&t);
  lab_close(&l);
}

/* ----------------------------------------------------------------------------------------- each move by itself */

typedef void (*move)(troop *t, double K, uint64_t number);

static void only_metropolis(troop *t, double K, uint64_t number)
{
  metropolis(t, K, number, NULL);
  if (number % 64 == 0) gb_xy_normalise(t->s, t->state);
}

static void only_wolff(troop *t, double K, uint64_t number)
{
  int64_t flips[WALKERS] = {0};
  gb_xy_wolff(t->s, &t->w, K, number, t->state, flips);
  gb_xy_normalise(t->s, t->state);
}

/* Exact: tests/physics/xy_reference.csv, L = 4. */
static const struct exact {
  double T, e, m2, c;
} exact_4[] = {{0.9, -1.4933303534, 0.7171221737, 0.7680891}, {1.5, -0.9259860962, 0.4018833331, 0.8825690}};

static void alone(move one, size_t moves)
{
  lab l;
  bool good = true;
  double *observed, obs[WALKERS][GB_XY_OBS], *o[WALKERS];
  float angles[WALKERS][16], *x[WALKERS];
  open_xy(&l, "L: 4");
  for (size_t k = 0; k < WALKERS; k++) {
    o[k] = obs[k];
    x[k] = angles[k];
  }
  CHECK_OK(gb_new(&observed, WALKERS * moves * GB_XY_OBS));
  for (size_t i = 0; i < 2; i++) {
    double T = exact_4[i].T;
    troop t;
    troop_open(&t, l.sim.self, l.sim.dims, WALKERS, T);
    for (size_t k = 0; k < WALKERS; k++) t.w.chain[k] = 10 * i + k;
    gb_xy_start(t.s, &t.w, false, t.state);
    for (uint64_t k = 0; k < 200; k++) one(&t, 1 / T, k);
    for (size_t k = 0; k < moves; k++) {
      one(&t, 1 / T, 200 + k);
      gb_xy_sample(t.s, &t.w, k, t.state, x, o);
      for (size_t w = 0; w < WALKERS; w++) memcpy(observed + (w * moves + k) * GB_XY_OBS, o[w], sizeof *obs);
    }
    /* 128 bins: far longer than the autocorrelation times of about 10 */
    lab_result r = lab_summarize(&l, T, WALKERS, moves, observed);
    good &= lab_precise(&l, &r, "energy", 2.5e-3);
    good &= lab_agrees(&l, &r, "energy", exact_4[i].e, 0, 0);
    good &= lab_agrees(&l, &r, "m2", exact_4[i].m2, 0, 0);
    good &= lab_agrees(&l, &r, "specific_heat", exact_4[i].c, 0, 0);
    troop_close(&t);
  }
  gb_free(&observed);
  lab_close(&l);
  CHECK(good);
}

static void metropolis_alone_is_exact(void **unused)
{
  (void)unused;
  alone(only_metropolis, 65536);
}

static void wolff_alone_is_exact(void **unused)
{
  (void)unused;
  alone(only_wolff, 65536);
}

/* Through the options: mostly over-relaxation, mostly clusters, mostly Metropolis, a cluster now and then. */
static void every_mix_gives_the_same(void **unused)
{
  static const char *const mixes[] = {
      "metropolis: 1, overrelaxation: 30, wolff: 0", "metropolis: 1, overrelaxation: 1, wolff: 6",
      "metropolis: 5, overrelaxation: 0, wolff: 0", "metropolis: 1, overrelaxation: 2, wolff: 0.375"};
  bool good = true;
  (void)unused;
  for (size_t k = 0; k < sizeof mixes / sizeof *mixes; k++) {
    char yaml[512];
    lab l;
    gb_chains ch;
    snprintf(yaml, sizeof yaml,
             "xy: {L: 4, T: [0.9, 1.5], %s}\n"
             "generate: {chains: 8, samples: 4000, spacing: 2, hot_chains: 0, validation_chains: 0, test_chains: 0}\n",
             mixes[k]);
    lab_open(&l, "xy", yaml);
    CHECK(l.sim.dims.n_mix == 1);
    lab_equilibrate(&l, SEED + k, &ch);
    for (size_t t = 0; t < 2; t++) {
      lab_result r = lab_sample(&l, &ch, t);
      good &= lab_precise(&l, &r, "energy", 2.5e-3);
      good &= lab_agrees(&l, &r, "energy", exact_4[t].e, 0, 0);
      good &= lab_agrees(&l, &r, "m2", exact_4[t].m2, 0, 0);
    }
    gb_chains_destroy(&ch);
    lab_close(&l);
  }
  CHECK(good);
}

/* A mean number of clusters that is not whole: spread evenly over the steps, to the cluster. */
static void a_fraction_of_a_cluster(void **unused)
{
  lab l;
  troop t;
  (void)unused;
  open_xy(&l, "L: 4, metropolis: 1, overrelaxation: 0, wolff: 0.375");
  troop_open(&t, l.sim.self, l.sim.dims, 1, 0.05); /* cold: a cluster has at least one spin and mostly many */
  gb_xy_start(t.s, &t.w, false, t.state);
  int clusters = 0;
  double least = INFINITY, step[80];
  for (uint64_t i = 0; i < 80; i++) {
    step[i] = 0;
    gb_xy_step(t.s, &t.w, 0, i, false, t.state, &step[i]);
    least = fmin(least, step[i]);
  }
  for (int i = 0; i < 80; i++) clusters += step[i] > least; /* the spins of a cluster cost extra */
  CHECK(clusters == 30);
  troop_close(&t);
  lab_close(&l);
}

/* ------------------------------------------------------------------------------------------ the choice of the mix */

/* Trials come after burn-in and before the pilots; there, and only there, the mix is chosen, and it is the cheapest of
 * those that are settled. No width changes after burn-in. */
static void mixes_are_chosen_by_trials_only(void **unused)
{
  enum { CHAINS = 8 };
  lab l;
  gb_chains ch;
  double *observed, width[2][CHAINS];
  size_t n_mix;
  (void)unused;
  open_xy(&l, "L: 16, T: [0.7, 1.2]");
  n_mix = l.sim.dims.n_mix;
  CHECK(n_mix > 4);
  CHECK_OK(gb_chains_create(l.c, gb_comm_self(), &l.sim, &l.opts, SEED, &ch));
  for (size_t stage = 0; stage <= n_mix; stage++) {
    CHECK(ch.stage == (int64_t)stage);
    CHECK(!strcmp(gb_chains_stage_name(&ch), stage ? "trial" : "burn-in"));
    CHECK(gb_chains_stage_steps(&ch) == (stage ? l.opts.trial : l.opts.burn_in));
    CHECK_OK(gb_chains_advance(&ch, 1 << 30));
    for (size_t g = 0; g < ch.n_groups; g++) {
      float *field[GB_MOST_WALKERS];
      double *tuned[GB_MOST_WALKERS], now[CHAINS];
      CHECK(ch.group[g].w.n == CHAINS);
      for (size_t k = 0; k < CHAINS; k++) {
        CHECK_OK(gb_new(&field[k], 2 * l.sim.dims.n));
        tuned[k] = &now[k];
      }
      l.en->unpack(l.sim.self, &ch.group[g].w, ch.group[g].state, field, tuned);
      if (stage == 0) memcpy(width[g], now, sizeof now);
      CHECK(!memcmp(width[g], now, sizeof now));
      for (size_t k = 0; k < CHAINS; k++) gb_free(&field[k]);
    }
  }
  CHECK(!strcmp(gb_chains_stage_name(&ch), "pilot") && gb_chains_stage_steps(&ch) == l.opts.pilot);
  int64_t chosen[2] = {ch.mix[0], ch.mix[1]};
  for (size_t t = 0; t < 2; t++) {
    double best = ch.cost[t * n_mix + (size_t)chosen[t]];
    CHECK(best > 0);
    for (size_t i = 0; i < n_mix; i++) CHECK(ch.cost[t * n_mix + i] == -1 || ch.cost[t * n_mix + i] >= best);
  }
  while (!gb_chains_ready(&ch)) CHECK_OK(gb_chains_advance(&ch, 100));
  CHECK_OK(gb_new(&observed, CHAINS * 100 * GB_XY_OBS));
  for (size_t t = 0; t < 2; t++) lab_draw(&ch, t, observed);
  CHECK(ch.mix[0] == chosen[0] && ch.mix[1] == chosen[1]);
  gb_free(&observed);
  gb_chains_destroy(&ch);
  lab_close(&l);
}

/* What is fixed by an option is the same in all mixes; the rest varies. */
static void mixes_follow_the_options(void **unused)
{
  static const struct {
    const char *yaml;
    bool metropolis, overrelaxation, wolff; /* varies? */
  } cases[] = {{"L: 32", true, true, true},
               {"L: 32, metropolis: 3", false, true, true},
               {"L: 32, overrelaxation: 0", true, false, true},
               {"L: 32, wolff: 0", true, true, false},
               {"L: 32, metropolis: 2, overrelaxation: 7, wolff: 0.5", false, false, false}};
  (void)unused;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    lab l;
    open_xy(&l, cases[i].yaml);
    const gb_xy *s = l.sim.self;
    bool varies[3] = {false, false, false};
    for (size_t k = 0; k < s->n_mix; k++) {
      varies[0] |= s->mix[k].metropolis != s->mix[0].metropolis;
      varies[1] |= s->mix[k].overrelaxation != s->mix[0].overrelaxation;
      varies[2] |= s->mix[k].wolff != s->mix[0].wolff;
      CHECK(s->mix[k].metropolis >= 1); /* ergodic */
      for (size_t j = 0; j < k; j++) CHECK(memcmp(&s->mix[j], &s->mix[k], sizeof s->mix[k]));
    }
    CHECK(varies[0] == cases[i].metropolis && varies[1] == cases[i].overrelaxation && varies[2] == cases[i].wolff);
    CHECK((s->n_mix == 1) == (i == 4));
    lab_close(&l);
  }
}

/* ------------------------------------------------------------------------------------------------------ refusals */

static void wrong_options_are_refused(void **unused)
{
  static const struct {
    const char *yaml, *reason;
  } wrong[] = {
      {"xy: {L: 15}", "xy.L = 15 is odd"},
      {"xy: {L: 15}", "14"},
      {"xy: {L: 15}", "16"},
      {"xy: {L: 0}", "xy.L"},
      {"xy: {L: 65538}", "xy.L"},
      {"xy: {J: 0}", "xy.J"},
      {"xy: {J: -1}", "xy.J"},
      {"xy: {T: [1, 1]}", "xy.T must increase"},
      {"xy: {T: [2, 1]}", "xy.T must increase"},
      {"xy: {T: []}", "xy.T"},
      {"xy: {T: [0]}", "xy.T"},
      {"xy: {T: [nan]}", "xy.T"},
      {"xy: {metropolis: -1}", "xy.metropolis"},
      {"xy: {metropolis: 1.5}", "xy.metropolis"},
      {"xy: {wolff: -0.5}", "xy.wolff = -0.5"},
      {"xy: {wolff: -2}", "xy.wolff"},
      {"xy: {wolff: 1001}", "xy.wolff"},
      {"xy: {overrelaxation: -2}", "xy.overrelaxation"},
      {"xy: {overrelaxation: 10001}", "xy.overrelaxation"},
  };
  const gb_schema *const schemas[] = {lab_physics("xy")->schema, NULL};
  (void)unused;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    gb_config *cfg = NULL;
    CHECK_FAILS(gb_config_parse("test", wrong[i].yaml, strlen(wrong[i].yaml), 0, NULL, schemas, &cfg), GB_ERR_CONFIG,
                wrong[i].reason);
    gb_config_destroy(&cfg);
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      TEST(overrelaxation_conserves_energy),
      TEST(overrelaxation_reflects_about_the_local_field),
      TEST(overrelaxation_survives_a_vanishing_field),
      TEST(metropolis_is_in_detailed_balance),
      TEST(accepted_moves_are_counted),
      TEST(proposals_are_tuned_in_burn_in_only),
      TEST(wolff_reflects_a_connected_cluster),
      TEST(metropolis_alone_is_exact),
      TEST(wolff_alone_is_exact),
      TEST(every_mix_gives_the_same),
      TEST(a_fraction_of_a_cluster),
      TEST(mixes_are_chosen_by_trials_only),
      TEST(mixes_follow_the_options),
      TEST(wrong_options_are_refused),
  };
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failed;
}
