/* tests/physics/test_xy_moves.c - each move and each estimator of physics/xy.c by itself: what it must conserve, which
 * distribution it must leave alone, which symmetries it has.
 *
 * The moves are static there: this file includes the source. */
#include "xy.c"

#include "ensemble.h"

#define PI_BELOW 0x1.921fb4p+1f /* the largest float below pi */

static const uint64_t SEED = 77;

static void open_xy(lab *l, const char *section)
{
  char yaml[1024];
  snprintf(yaml, sizeof yaml, "xy: {%s}\ngenerate: {chains: 4, samples: 100, validation_chains: 0, test_chains: 0}\n",
           section);
  lab_open(l, "xy", yaml);
}

/* n uniform numbers in (0, 1). */
static void uniform(uint64_t index, size_t n, double *out)
{
  for (size_t i = 0; i < n; i++) {
    uint32_t w[4];
    gb_rng_block(gb_rng_key(SEED, GB_RNG_TEST, index, 0), (uint32_t)i, w);
    out[i] = gb_rng_unit(w[0]);
  }
}

/* A state with independent, uniform angles. */
static void hot(xy *s, uint64_t index, double *state)
{
  uniform(index, s->sites, state);
  for (size_t i = 0; i < s->sites; i++) {
    double theta = 2 * M_PI * state[i];
    cosines(state)[i] = cos(theta);
    sines(s, state)[i] = sin(theta);
  }
  *width(s, state) = 1;
}

/* The same as angles; smooth: a random ordered region, with few vortices. */
static void hot_angles(const xy *s, uint64_t index, float *x)
{
  double u[4096];
  CHECK(s->sites <= sizeof u / sizeof *u);
  uniform(index, s->sites, u);
  for (size_t i = 0; i < s->sites; i++) x[i] = as_angle(2 * M_PI * u[i] - M_PI);
}

/* Index in a state of the site at (y, x), from the coordinates alone. */
static size_t site(const xy *s, size_t y, size_t x)
{
  size_t L = s->L;
  y %= L;
  x %= L;
  return ((y + x) & 1) * s->sites / 2 + y * s->half + x / 2;
}

static double energy_of(xy *s, const double *state)
{
  double t[N_TRACK];
  measure(s, 1, state, t);
  return t[TRACK_ENERGY];
}

/* ------------------------------------------------------------------------------------------------ over-relaxation */

static void overrelaxation_conserves_energy(void **unused)
{
  static const char *const sections[] = {"L: 2", "L: 4", "L: 6", "L: 16", "L: 32"};
  (void)unused;
  for (size_t k = 0; k < sizeof sections / sizeof *sections; k++) {
    lab l;
    double *state, *before;
    open_xy(&l, sections[k]);
    xy *s = l.sim.self;
    CHECK_OK(gb_new(&state, l.sim.dims.n_state));
    CHECK_OK(gb_new(&before, l.sim.dims.n_state));
    hot(s, k, state);
    double e = energy_of(s, state), moved = 0;
    for (int sweep = 0; sweep < 100; sweep++) {
      memcpy(before, state, l.sim.dims.n_state * sizeof *state);
      overrelax(s, state);
      CHECK_NEAR(energy_of(s, state), e, 1e-12);
      for (size_t i = 0; i < 2 * s->sites; i++) moved += fabs(state[i] - before[i]) / (double)s->sites;
    }
    CHECK(moved > 50); /* 100 sweeps of reflections at random fields: not the identity */
    for (size_t i = 0; i < s->sites; i++) CHECK_NEAR(hypot(state[i], state[s->sites + i]), 1, 1e-12);
    gb_free(&state);
    gb_free(&before);
    lab_close(&l);
  }
}

/* Colour 0 first: there theta' = 2 phi - theta with phi the direction of the sum of the four neighbours as they were;
 * then colour 1, whose neighbours are new. A reflection is its own inverse and preserves volume. */
static void overrelaxation_reflects_about_the_local_field(void **unused)
{
  lab l;
  double *state, *old;
  (void)unused;
  open_xy(&l, "L: 6");
  xy *s = l.sim.self;
  CHECK_OK(gb_new(&state, l.sim.dims.n_state));
  CHECK_OK(gb_new(&old, l.sim.dims.n_state));
  hot(s, 1, state);
  memcpy(old, state, l.sim.dims.n_state * sizeof *state);
  overrelax(s, state);
  for (size_t y = 0; y < s->L; y++)
    for (size_t x = 0; x < s->L; x++) {
      const double *v = (y + x) & 1 ? state : old; /* the neighbours' state when this site was reflected */
      size_t i = site(s, y, x),
             n[4] = {site(s, y + 1, x), site(s, y + s->L - 1, x), site(s, y, x + 1), site(s, y, x + s->L - 1)};
      double hc = 0, hs = 0;
      for (int k = 0; k < 4; k++) {
        hc += v[n[k]];
        hs += v[s->sites + n[k]];
      }
      double theta = 2 * atan2(hs, hc) - atan2(old[s->sites + i], old[i]);
      CHECK_NEAR(state[i], cos(theta), 1e-12);
      CHECK_NEAR(state[s->sites + i], sin(theta), 1e-12);
    }
  gb_free(&state);
  gb_free(&old);
  lab_close(&l);
}

/* An antiferromagnetic ring of neighbours has no field at all: the spin must stay a unit vector. */
static void overrelaxation_survives_a_vanishing_field(void **unused)
{
  lab l;
  double *state;
  (void)unused;
  open_xy(&l, "L: 4");
  xy *s = l.sim.self;
  CHECK_OK(gb_new(&state, l.sim.dims.n_state));
  for (size_t i = 0; i < s->sites; i++) state[i] = i % 2 ? 1 : -1; /* rows of +1 -1 in both colours */
  overrelax(s, state);
  for (size_t i = 0; i < s->sites; i++) CHECK_NEAR(hypot(state[i], state[s->sites + i]), 1, 1e-12);
  gb_free(&state);
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
  double *state, *frozen, z2 = 0, worst = 0;
  int pairs = 0;
  (void)unused;
  open_xy(&l, "L: 2");
  xy *s = l.sim.self;
  CHECK_OK(gb_new(&state, l.sim.dims.n_state));
  CHECK_OK(gb_new(&frozen, l.sim.dims.n_state));
  hot(s, 5, frozen);
  *width(s, frozen) = 6; /* turns by up to 161 degrees: every pair of bins is linked */
  double hc = 0, hs = 0; /* site (0, 0): its neighbours (0, 1) and (1, 0), each twice */
  for (int k = 0; k < 2; k++) {
    size_t i = k ? site(s, 1, 0) : site(s, 0, 1);
    hc += 2 * frozen[i];
    hs += 2 * frozen[s->sites + i];
  }
  double phi = atan2(hs, hc), h = hypot(hc, hs), K = 2 / h;
  for (int i = 0; i < GRID; i++) /* mid-point rule; inside a cell the angle is uniform: an error of order 1 / GRID^2 */
    cumulated[i + 1] = cumulated[i] + exp(K * h * cos(2 * M_PI * (i + 0.5) / GRID));
  memset(flow, 0, sizeof flow);
  for (uint64_t trial = 0; trial < TRIALS; trial++) {
    uint32_t w[4];
    gb_rng_block(gb_rng_key(SEED, GB_RNG_TEST, 100, trial), 0, w);
    double u = gb_rng_unit(w[0]) * cumulated[GRID];
    int low = 0, high = GRID;
    while (high - low > 1) {
      int middle = (low + high) / 2;
      if (cumulated[middle] <= u)
        low = middle;
      else
        high = middle;
    }
    double theta = 2 * M_PI * (low + gb_rng_unit(w[1])) / GRID; /* relative to the field */
    memcpy(state, frozen, l.sim.dims.n_state * sizeof *state);
    state[0] = cos(phi + theta);
    state[s->sites] = sin(phi + theta);
    metropolis(s, K, gb_rng_key(SEED, GB_RNG_METROPOLIS, 0, trial), state);
    double after = atan2(state[s->sites], state[0]) - phi;
    after -= 2 * M_PI * floor(after / (2 * M_PI));
    flow[(int)(theta / (2 * M_PI) * BINS) % BINS][(int)(after / (2 * M_PI) * BINS) % BINS]++;
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
  gb_free(&state);
  gb_free(&frozen);
  lab_close(&l);
}

/* Burn-in finds a proposal width with the acceptance it aims at, and nothing but burn-in changes the width. (Above T of
 * about 1.8 no width has an acceptance as low as that.) */
static void proposals_are_tuned_in_burn_in_only(void **unused)
{
  lab l;
  double *state;
  (void)unused;
  open_xy(&l, "L: 16, T: [0.05, 0.5, 1, 1.4]");
  xy *s = l.sim.self;
  CHECK_OK(gb_new(&state, l.sim.dims.n_state));
  for (size_t t = 0; t < 4; t++) {
    double T = l.sim.dims.temperature.v[t], accepted = 0;
    start(s, T, SEED, t, state);
    for (uint64_t i = 0; i < 128; i++) step(s, T, SEED, t, i, true, state);
    double tuned = *width(s, state);
    for (uint64_t i = 0; i < 200; i++) {
      step(s, T, SEED, t, 128 + i, false, state);
      accepted += metropolis(s, 1 / T, gb_rng_key(SEED, GB_RNG_METROPOLIS, 1000 + t, i), state) / 200;
    }
    CHECK(*width(s, state) == tuned);
    CHECK_NEAR(accepted, 0.42, 0.05);
  }
  gb_free(&state);
  lab_close(&l);
}

/* ----------------------------------------------------------------------------------------- each move by itself */

typedef void (*move)(xy *s, double K, uint64_t number, double *state);

static void only_metropolis(xy *s, double K, uint64_t number, double *state)
{
  metropolis(s, K, gb_rng_key(SEED, GB_RNG_METROPOLIS, 1, number), state);
}

static void only_wolff(xy *s, double K, uint64_t number, double *state)
{
  wolff(s, K, gb_rng_key(SEED, GB_RNG_WOLFF, 2, number), state);
  normalise(s, state);
}

/* Exact: tests/physics/xy_reference.csv, L = 4. */
static const struct exact {
  double T, e, m2, c;
} exact_4[] = {{0.9, -1.4933303534, 0.7171221737, 0.7680891}, {1.5, -0.9259860962, 0.4018833331, 0.8825690}};

static void alone(move one, size_t moves)
{
  lab l;
  bool good = true;
  open_xy(&l, "L: 4");
  xy *s = l.sim.self;
  double *state, *observed;
  float x[16];
  CHECK_OK(gb_new(&state, l.sim.dims.n_state));
  CHECK_OK(gb_new(&observed, moves * N_OBS));
  for (size_t t = 0; t < 2; t++) {
    double T = exact_4[t].T;
    start(s, T, SEED, t, state);
    *width(s, state) = 1;
    for (uint64_t i = 0; i < 1000; i++) one(s, 1 / T, i, state);
    for (size_t i = 0; i < moves; i++) {
      one(s, 1 / T, 1000 + i, state);
      sample(s, SEED, t, i, state, x);
      observe(s, T, x, observed + i * N_OBS);
    }
    lab_result r =
        lab_summarize(&l, T, 1, moves, observed); /* 128 bins: far longer than the autocorrelation times of about 10 */
    good &= lab_precise(&l, &r, "energy", 2.5e-3);
    good &= lab_agrees(&l, &r, "energy", exact_4[t].e, 0, 0);
    good &= lab_agrees(&l, &r, "m2", exact_4[t].m2, 0, 0);
    good &= lab_agrees(&l, &r, "specific_heat", exact_4[t].c, 0, 0);
  }
  gb_free(&state);
  gb_free(&observed);
  lab_close(&l);
  CHECK(good);
}

static void metropolis_alone_is_exact(void **unused)
{
  (void)unused;
  alone(only_metropolis, 500000);
}

static void wolff_alone_is_exact(void **unused)
{
  (void)unused;
  alone(only_wolff, 500000);
}

/* Through the options: mostly over-relaxation, mostly clusters, mostly Metropolis. */
static void every_mix_gives_the_same(void **unused)
{
  static const char *const mixes[] = {"metropolis: 1, overrelaxation: 30, wolff: 0",
                                      "metropolis: 1, overrelaxation: 1, wolff: 6",
                                      "metropolis: 5, overrelaxation: 1, wolff: 0"};
  bool good = true;
  (void)unused;
  for (size_t k = 0; k < sizeof mixes / sizeof *mixes; k++) {
    char yaml[512];
    lab l;
    gb_chains ch;
    snprintf(yaml, sizeof yaml,
             "xy: {L: 4, T: [0.9, 1.5], %s}\n"
             "generate: {chains: 4, samples: 8000, spacing: 2, validation_chains: 0, test_chains: 0}\n",
             mixes[k]);
    lab_open(&l, "xy", yaml);
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

/* A cluster move reflects all its spins at one line: s -> s - 2 (s.r) r. The others stay. */
static void wolff_reflects_a_connected_cluster(void **unused)
{
  enum { L = 8, MOVES = 200 };
  lab l;
  double *state, *old;
  size_t largest = 0, smallest = (size_t)L * L;
  (void)unused;
  open_xy(&l, "L: 8");
  xy *s = l.sim.self;
  CHECK_OK(gb_new(&state, l.sim.dims.n_state));
  CHECK_OK(gb_new(&old, l.sim.dims.n_state));
  hot(s, 3, state);
  for (uint64_t i = 0; i < 50; i++) step(s, 0.9, SEED, 9, i, true, state);
  for (uint64_t k = 0; k < MOVES; k++) {
    memcpy(old, state, l.sim.dims.n_state * sizeof *state);
    wolff(s, 1 / 0.9, gb_rng_key(SEED, GB_RNG_WOLFF, 3, k), state);
    size_t size = 0;
    double axis = NAN;
    for (size_t y = 0; y < L; y++)
      for (size_t x = 0; x < L; x++) {
        size_t i = site(s, y, x);
        double dc = state[i] - old[i], ds = state[s->sites + i] - old[s->sites + i];
        if (hypot(dc, ds) < 1e-9) continue;
        double angle = atan2(ds, dc); /* of the normal of the line, up to a sign */
        if (size++ == 0) axis = angle;
        CHECK_NEAR(sin(angle - axis), 0, 1e-6);
        CHECK_NEAR(hypot(state[i], state[s->sites + i]), 1, 1e-9);
        size_t n[4] = {site(s, y + 1, x), site(s, y + L - 1, x), site(s, y, x + 1), site(s, y, x + L - 1)};
        int moved = 0; /* a cluster of more than one site has no lonely site */
        for (int j = 0; j < 4; j++)
          moved += hypot(state[n[j]] - old[n[j]], state[s->sites + n[j]] - old[s->sites + n[j]]) > 0;
        if (!moved) smallest = 1;
        if (!moved) CHECK(size == 1);
      }
    if (size > largest) largest = size;
  }
  CHECK(largest > 40 && smallest == 1); /* clusters of all sizes occur at this temperature */
  gb_free(&state);
  gb_free(&old);
  lab_close(&l);
}

/* ----------------------------------------------------------------------------------------------- the estimators */

/* Signed windings by the definition, of all plaquettes; returns their sum, counts those that are not 0. */
static int windings(size_t L, const float *x, int *count)
{
  int sum = 0;
  *count = 0;
  for (size_t y = 0; y < L; y++)
    for (size_t k = 0; k < L; k++) {
      size_t yy = (y + 1) % L, kk = (k + 1) % L;
      double corner[5] = {x[y * L + k], x[y * L + kk], x[yy * L + kk], x[yy * L + k], x[y * L + k]}, turn = 0;
      for (int i = 0; i < 4; i++) turn += remainder(corner[i + 1] - corner[i], 2 * M_PI);
      int q = (int)lround(turn / (2 * M_PI));
      CHECK_NEAR(turn, 2 * M_PI * q, 1e-9);
      CHECK(q >= -1 && q <= 1);
      sum += q;
      *count += q != 0;
    }
  return sum;
}

static void vortices_add_up_to_zero(void **unused)
{
  static const char *const sections[] = {"L: 2", "L: 4", "L: 10", "L: 32"};
  (void)unused;
  for (size_t k = 0; k < 4; k++) {
    lab l;
    float *x;
    double o[N_OBS];
    int64_t all = 0;
    open_xy(&l, sections[k]);
    xy *s = l.sim.self;
    CHECK_OK(gb_new(&x, s->sites));
    for (uint64_t i = 0; i < 200; i++) {
      int count;
      hot_angles(s, 1000 * k + i, x);
      CHECK(windings(s->L, x, &count) == 0);
      observe(s, 1, x, o);
      CHECK_NEAR(o[OBS_VORTEX] * (double)s->sites, count, 1e-9);
      all += count;
    }
    CHECK(all > 0);
    /* Differences of exactly half a turn: each link still enters its two plaquettes with opposite signs, so there are
     * as many +1 as -1. */
    static const float special[] = {0, PI_BELOW, -PI_BELOW, PI_BELOW / 2, -PI_BELOW / 2};
    for (uint64_t i = 0; i < 200; i++) {
      double u[1024];
      uniform(7000 + i, s->sites, u);
      for (size_t j = 0; j < s->sites; j++) x[j] = special[(int)(5 * u[j])];
      observe(s, 1, x, o);
      double n = o[OBS_VORTEX] * (double)s->sites;
      CHECK(fmod(rint(n), 2) == 0 && fabs(n - rint(n)) < 1e-9);
    }
    gb_free(&x);
    lab_close(&l);
  }
}

/* One vortex and one antivortex, placed by hand. */
static void a_pair_is_counted(void **unused)
{
  enum { L = 16 };
  lab l;
  float x[L * L];
  double o[N_OBS];
  int count;
  (void)unused;
  open_xy(&l, "L: 16");
  for (int y = 0; y < L; y++)
    for (int k = 0; k < L; k++)
      x[y * L + k] = as_angle(remainder(atan2(y - 7.5, k - 3.5) - atan2(y - 7.5, k - 11.5), 2 * M_PI));
  CHECK(windings(L, x, &count) == 0 && count == 2);
  observe(l.sim.self, 1, x, o);
  CHECK_NEAR(o[OBS_VORTEX], 2.0 / (L * L), 1e-12);
  lab_close(&l);
}

/* Plane spin waves with p turns along one axis and r along the other: everything is known. */
static void spin_waves(void **unused)
{
  enum { L = 12 };
  lab l;
  float x[L * L];
  double o[N_OBS], n = L * L, J = 1.5, T = 0.7;
  (void)unused;
  open_xy(&l, "L: 12, J: 1.5, T: [0.7]");
  for (int p = -3; p <= 3; p++)
    for (int r = -3; r <= 3; r++) {
      double a = 2 * M_PI * p / L, b = 2 * M_PI * r / L;
      for (int y = 0; y < L; y++)
        for (int k = 0; k < L; k++) x[y * L + k] = as_angle(remainder(a * k + b * y + 0.3, 2 * M_PI));
      observe(l.sim.self, T, x, o);
      double e = -J * (cos(a) + cos(b)), current2 = J * J * n * (pow(sin(a), 2) + pow(sin(b), 2)) / 2;
      double m2 = p == 0 && r == 0; /* the tolerance: an angle is a float, its error at most 1.2e-7 */
      CHECK_NEAR(o[OBS_ENERGY], e, 1e-6);
      CHECK_NEAR(o[OBS_M2], m2, 1e-6);
      CHECK_NEAR(o[OBS_ABS_M], m2, 1e-6);
      CHECK_NEAR(o[OBS_CURRENT2], current2, 1e-6 * (1 + current2));
      CHECK_NEAR(o[OBS_HELICITY], -e / 2 - current2 / T, 1e-6 * (1 + current2));
      CHECK_NEAR(o[OBS_VORTEX], 0, 0);
    }
  lab_close(&l);
}

/* Global rotation, translation, exchange of the axes, theta -> -theta, all spins up. */
static void estimators_have_the_symmetries(void **unused)
{
  enum { L = 10, N = L * L };
  lab l;
  float x[N], moved[N];
  double before[N_OBS], after[N_OBS], u[4];
  (void)unused;
  open_xy(&l, "L: 10");
  for (uint64_t trial = 0; trial < 50; trial++) {
    hot_angles(l.sim.self, 50 + trial, x);
    uniform(500 + trial, 4, u);
    observe(l.sim.self, 0.8, x, before);
    for (int which = 0; which < 4; which++) {
      int dy = (int)(u[0] * L), dx = (int)(u[1] * L);
      for (int y = 0; y < L; y++)
        for (int k = 0; k < L; k++) {
          double same = x[y * L + k];
          float *to = which == 1   ? &moved[(y + dy) % L * L + (k + dx) % L]
                      : which == 2 ? &moved[k * L + y]
                                   : &moved[y * L + k];
          *to = which == 0   ? as_angle(remainder(same + 2 * M_PI * u[2], 2 * M_PI))
                : which == 3 ? -x[y * L + k]
                             : x[y * L + k];
        }
      observe(l.sim.self, 0.8, moved, after);
      /* rotated angles are rounded to floats again; otherwise only the order of sums differs */
      for (int q = 0; q < N_OBS; q++)
        CHECK_NEAR(after[q], before[q], (which == 0 ? 1e-5 : 1e-12) * (1 + fabs(before[q])));
    }
  }
  lab_close(&l);
}

/* What decides the stride is what is stored: measure() of a state and observe() of the sample of that state. */
static void measure_agrees_with_observe(void **unused)
{
  static const char *const sections[] = {"L: 2, J: 0.5", "L: 8, J: 0.5", "L: 18, J: 0.5"};
  (void)unused;
  for (size_t k = 0; k < 3; k++) {
    lab l;
    double *state, t[N_TRACK], o[N_OBS];
    float *x;
    open_xy(&l, sections[k]);
    xy *s = l.sim.self;
    CHECK_OK(gb_new(&state, l.sim.dims.n_state));
    CHECK_OK(gb_new(&x, s->sites));
    for (uint64_t i = 0; i < 20; i++) {
      hot(s, 300 + i, state);
      for (uint64_t j = 0; j < i; j++) step(s, 0.4, SEED, i, j, false, state);
      measure(s, 0.4, state, t);
      sample(s, SEED, k, i, state, x);
      observe(s, 0.4, x, o);
      CHECK_NEAR(o[OBS_ENERGY], t[TRACK_ENERGY], 1e-6);
      CHECK_NEAR(o[OBS_M2], t[TRACK_M2], 1e-6);
      CHECK_NEAR(o[OBS_CURRENT2], t[TRACK_CURRENT2], 1e-5 * (1 + t[TRACK_CURRENT2]));
    }
    gb_free(&state);
    gb_free(&x);
    lab_close(&l);
  }
}

/* float networks: sums of two rounded components, each wrong by 2^-24, times up to 1; the mean over bonds stays below
 * twice that. The double build is tested to 1e-13 in tests/unit/gradient_xy.c. */
static void energy_of_unit_vectors_is_the_energy(void **unused)
{
  enum { L = 8, N = L * L, ROWS = 3 };
  lab l;
  float x[N];
  gb_real field[ROWS * N * 2];
  double o[ROWS][N_OBS], e[ROWS], one;
  (void)unused;
  open_xy(&l, "L: 8, J: 2.5");
  for (uint64_t r = 0; r < ROWS; r++) {
    hot_angles(l.sim.self, 900 + r, x);
    observe(l.sim.self, 1, x, o[r]);
    for (int i = 0; i < N; i++) {
      field[(r * N + (size_t)i) * 2] = (gb_real)cos((double)x[i]);
      field[(r * N + (size_t)i) * 2 + 1] = (gb_real)sin((double)x[i]);
    }
  }
  l.en->energy(l.sim.self, ROWS, field, e);
  for (size_t r = 0; r < ROWS; r++) {
    CHECK_NEAR(e[r], o[r][OBS_ENERGY], 2.5 * 2 * 0x1p-23);
    l.en->energy(l.sim.self, 1, field + r * N * 2, &one);
    CHECK(one == e[r]); /* rows are independent, bit by bit */
  }
  lab_close(&l);
}

/* Every link of the gradient, on vectors of any length. The energy is linear in each component, so that a central
 * difference has no truncation error at any step; with a step of 1 rounding is 2^-23 of e, times N. */
static void gradient_of_the_energy(void **unused)
{
  enum { L = 4, N = L * L, ROWS = 2 };
  lab l;
  double u[ROWS * N * 2], plus[ROWS], minus[ROWS];
  gb_real field[ROWS * N * 2], bar[ROWS * N * 2], ebar[ROWS] = {1.25, -0.5};
  (void)unused;
  open_xy(&l, "L: 4, J: 2");
  uniform(4000, ROWS * N * 2, u);
  for (size_t i = 0; i < ROWS * N * 2; i++) {
    field[i] = (gb_real)(2 * u[i] - 1);
    bar[i] = 3; /* added into, not overwritten */
  }
  l.en->energy_vjp(l.sim.self, ROWS, field, ebar, bar);
  for (size_t i = 0; i < ROWS * N * 2; i++) {
    gb_real kept = field[i];
    size_t r = i / (N * 2);
    field[i] = kept + 1;
    l.en->energy(l.sim.self, ROWS, field, plus);
    field[i] = kept - 1;
    l.en->energy(l.sim.self, ROWS, field, minus);
    field[i] = kept;
    CHECK_NEAR(bar[i] - 3, (double)ebar[r] * (plus[r] - minus[r]) / 2, 2e-6);
  }
  lab_close(&l);
}

/* ------------------------------------------------------------------------------------------------ what is stored */

static void stored_angles_are_in_range(void **unused)
{
  lab l;
  double *state;
  float *x;
  (void)unused;
  static const double edge[] = {M_PI, -M_PI, 0, 3.1415925, -3.1415925};
  for (size_t i = 0; i < sizeof edge / sizeof *edge; i++) {
    CHECK((double)as_angle(edge[i]) <= M_PI && (double)as_angle(edge[i]) > -M_PI);
    CHECK_NEAR(as_angle(edge[i]), edge[i], 0x1p-22); /* a float near pi has steps of 2^-22 */
  }
  open_xy(&l, "L: 32");
  xy *s = l.sim.self;
  CHECK_OK(gb_new(&state, l.sim.dims.n_state));
  CHECK_OK(gb_new(&x, s->sites));
  double mean_c = 0, mean_s = 0, low = 0, high = 0;
  for (uint64_t i = 0; i < 400; i++) {
    start(s, 1, SEED, 0, state);
    sample(s, SEED, 0, i, state, x);
    for (size_t j = 0; j < s->sites; j++) {
      CHECK((double)x[j] > -M_PI && (double)x[j] <= M_PI);
      CHECK_NEAR(x[j], x[0], 0); /* an ordered start: one angle */
    }
    mean_c += cos(x[0]) / 400;
    mean_s += sin(x[0]) / 400;
    low = fmin(low, x[0]);
    high = fmax(high, x[0]);
  }
  /* a rotation of its own for each sample, uniform on the circle: the mean of 400 unit vectors is about 1/20 */
  CHECK(hypot(mean_c, mean_s) < 0.15 && low < -3 && high > 3);
  gb_free(&state);
  gb_free(&x);
  lab_close(&l);
}

/* Samples depend on J and T through J/T alone; energies scale with J. Powers of 2, so that this holds bit by bit. */
static void the_coupling_scales(void **unused)
{
  lab a, b;
  gb_chains ch_a, ch_b;
  double *o_a, *o_b;
  (void)unused;
  open_xy(&a, "L: 6, T: [0.9], J: 1");
  open_xy(&b, "L: 6, T: [3.6], J: 4");
  lab_equilibrate(&a, SEED, &ch_a);
  lab_equilibrate(&b, SEED, &ch_b);
  CHECK_OK(gb_new(&o_a, 400 * N_OBS));
  CHECK_OK(gb_new(&o_b, 400 * N_OBS));
  lab_draw(&ch_a, 0, o_a);
  lab_draw(&ch_b, 0, o_b);
  for (int i = 0; i < 400; i++) {
    const double *p = o_a + i * N_OBS, *q = o_b + i * N_OBS;
    CHECK(q[OBS_ENERGY] == 4 * p[OBS_ENERGY] && q[OBS_M2] == p[OBS_M2] && q[OBS_VORTEX] == p[OBS_VORTEX]);
    CHECK(q[OBS_CURRENT2] == 16 * p[OBS_CURRENT2]);
    CHECK_NEAR(q[OBS_HELICITY], 4 * p[OBS_HELICITY], 1e-12);
  }
  gb_free(&o_a);
  gb_free(&o_b);
  gb_chains_destroy(&ch_a);
  gb_chains_destroy(&ch_b);
  lab_close(&a);
  lab_close(&b);
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
      {"xy: {L: 4098}", "xy.L"},
      {"xy: {J: 0}", "xy.J"},
      {"xy: {J: -1}", "xy.J"},
      {"xy: {T: [1, 1]}", "xy.T must increase"},
      {"xy: {T: [2, 1]}", "xy.T must increase"},
      {"xy: {T: []}", "xy.T"},
      {"xy: {T: [0]}", "xy.T"},
      {"xy: {T: [nan]}", "xy.T"},
      {"xy: {metropolis: 0}", "xy.metropolis"},
      {"xy: {wolff: -1}", "xy.wolff"},
      {"xy: {overrelaxation: 10001}", "xy.overrelaxation"},
  };
  const gb_schema *const schemas[] = {&schema, NULL};
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
      TEST(proposals_are_tuned_in_burn_in_only),
      TEST(metropolis_alone_is_exact),
      TEST(wolff_alone_is_exact),
      TEST(every_mix_gives_the_same),
      TEST(wolff_reflects_a_connected_cluster),
      TEST(vortices_add_up_to_zero),
      TEST(a_pair_is_counted),
      TEST(spin_waves),
      TEST(estimators_have_the_symmetries),
      TEST(measure_agrees_with_observe),
      TEST(energy_of_unit_vectors_is_the_energy),
      TEST(gradient_of_the_energy),
      TEST(stored_angles_are_in_range),
      TEST(the_coupling_scales),
      TEST(wrong_options_are_refused),
  };
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failed;
}
