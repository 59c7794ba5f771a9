/* tests/physics/test_xy_estimators.c - each estimator of the XY model by itself, of stored angles and of spins in the
 * lanes: known configurations, symmetries, and that both ways to compute it agree. */
#include "xy_lab.h"

enum { WALKERS = 8 };

static void observe(const lab *l, double T, const float *x, double *o)
{
  l->en->observe(l->sim.self, T, x, o);
}

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
    double o[GB_XY_OBS];
    int64_t all = 0;
    open_xy(&l, sections[k]);
    gb_xy *s = l.sim.self;
    CHECK_OK(gb_new(&x, s->sites));
    for (uint64_t i = 0; i < 200; i++) {
      int count;
      hot_angles(s, 1000 * k + i, x);
      CHECK(windings(s->L, x, &count) == 0);
      observe(&l, 1, x, o);
      CHECK_NEAR(o[GB_XY_VORTEX] * (double)s->sites, count, 1e-9);
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
      observe(&l, 1, x, o);
      double n = o[GB_XY_VORTEX] * (double)s->sites;
      CHECK(fmod(rint(n), 2) == 0 && fabs(n - rint(n)) < 1e-9);
    }
    gb_free(&x);
    lab_close(&l);
  }
}

/* The same of spins in the lanes: with exactly opposite neighbours and components that are 0 of either sign, links are
 * antisymmetric, so the number of vortices is even and windings are whole. */
static void special_spins_have_whole_windings(void **unused)
{
  static const float special[][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}, {1, -0.f}, {-1, -0.f}, {-0.f, 1}, {-0.f, -1}};
  static const char *const sections[] = {"L: 2", "L: 4", "L: 10"};
  (void)unused;
  for (size_t k = 0; k < 3; k++) {
    lab l;
    troop t;
    double m[WALKERS * GB_XY_MEASURED];
    open_xy(&l, sections[k]);
    troop_open(&t, l.sim.self, l.sim.dims, WALKERS, 1);
    for (uint64_t i = 0; i < 200; i++) {
      for (size_t w = 0; w < WALKERS; w++) {
        double u[100];
        uniform(9000 + i * WALKERS + w, t.s->sites, u);
        for (size_t j = 0; j < t.s->sites; j++) {
          t.field[w][j] = special[(int)(8 * u[j])][0];
          t.field[w][t.s->sites + j] = special[(int)(8 * u[j])][1];
        }
      }
      troop_pack(&t);
      gb_xy_measure(t.s, &t.w, t.state, m);
      for (size_t w = 0; w < WALKERS; w++) {
        const double *o = m + w * GB_XY_MEASURED;
        double n = o[GB_XY_TRACK_VORTEX] * (double)t.s->sites;
        CHECK(fmod(rint(n), 2) == 0 && fabs(n - rint(n)) < 1e-9);
        CHECK_NEAR(o[GB_XY_TRACK_ENERGY], energy_of(t.s->L, 1, t.field[w]), 0);
        CHECK_NEAR(o[GB_XY_TRACK_WINDING_X] * (double)t.s->L, rint(o[GB_XY_TRACK_WINDING_X] * (double)t.s->L), 1e-9);
      }
    }
    troop_close(&t);
    lab_close(&l);
  }
}

/* One vortex and one antivortex, placed by hand. */
static void a_pair_is_counted(void **unused)
{
  enum { L = 16 };
  lab l;
  float x[L * L];
  double o[GB_XY_OBS];
  int count;
  (void)unused;
  open_xy(&l, "L: 16");
  for (int y = 0; y < L; y++)
    for (int k = 0; k < L; k++)
      x[y * L + k] = as_angle(remainder(atan2(y - 7.5, k - 3.5) - atan2(y - 7.5, k - 11.5), 2 * M_PI));
  CHECK(windings(L, x, &count) == 0 && count == 2);
  observe(&l, 1, x, o);
  CHECK_NEAR(o[GB_XY_VORTEX], 2.0 / (L * L), 1e-12);
  lab_close(&l);
}

/* Plane spin waves with p turns along x and r along y: everything is known, of angles and of spins in the lanes. The
 * tolerance of both: a float's relative error of 2^-24, in every link. The branch cut lies beside no site. */
static void spin_waves(void **unused)
{
  enum { L = 12, N = L * L };
  lab l;
  troop t;
  float x[N];
  double o[GB_XY_OBS], m[GB_XY_MEASURED], n = N, J = 1.5, T = 0.7;
  (void)unused;
  open_xy(&l, "L: 12, J: 1.5, T: [0.7]");
  troop_open(&t, l.sim.self, l.sim.dims, 1, T);
  for (int p = -3; p <= 3; p++)
    for (int r = -3; r <= 3; r++) {
      double a = 2 * M_PI * p / L, b = 2 * M_PI * r / L;
      for (int y = 0; y < L; y++)
        for (int k = 0; k < L; k++) {
          double theta = a * k + b * y + 0.3;
          x[y * L + k] = as_angle(remainder(theta, 2 * M_PI));
          t.field[0][y * L + k] = (float)cos(theta);
          t.field[0][N + y * L + k] = (float)sin(theta);
        }
      troop_pack(&t);
      observe(&l, T, x, o);
      gb_xy_measure(t.s, &t.w, t.state, m);
      double e = -J * (cos(a) + cos(b)), current2 = J * J * n * (pow(sin(a), 2) + pow(sin(b), 2)) / 2;
      double m2 = p == 0 && r == 0; /* the tolerance: an angle is a float, its error at most 1.2e-7 */
      CHECK_NEAR(o[GB_XY_ENERGY], e, 1e-6);
      CHECK_NEAR(o[GB_XY_M2], m2, 1e-6);
      CHECK_NEAR(o[GB_XY_ABS_M], m2, 1e-6);
      CHECK_NEAR(o[GB_XY_CURRENT2], current2, 1e-6 * (1 + current2));
      CHECK_NEAR(o[GB_XY_HELICITY], -e / 2 - current2 / T, 1e-6 * (1 + current2));
      CHECK_NEAR(o[GB_XY_VORTEX], 0, 0);
      CHECK_NEAR(o[GB_XY_WINDING_X], p, 0);
      CHECK_NEAR(o[GB_XY_WINDING_Y], r, 0);
      CHECK_NEAR(m[GB_XY_TRACK_ENERGY], e, 1e-6);
      CHECK_NEAR(m[GB_XY_TRACK_M2], m2, 1e-6);
      CHECK_NEAR(m[GB_XY_TRACK_CURRENT2], current2, 2e-6 * (1 + current2));
      CHECK_NEAR(m[GB_XY_TRACK_VORTEX], 0, 0);
      CHECK_NEAR(m[GB_XY_TRACK_WINDING_X], p, 0);
      CHECK_NEAR(m[GB_XY_TRACK_WINDING_Y], r, 0);
    }
  troop_close(&t);
  lab_close(&l);
}

/* Global rotation, translation, exchange of the axes, theta -> -theta, all spins up. */
static void estimators_have_the_symmetries(void **unused)
{
  enum { L = 10, N = L * L };
  lab l;
  float x[N], moved[N];
  double before[GB_XY_OBS], after[GB_XY_OBS], u[4];
  (void)unused;
  open_xy(&l, "L: 10");
  for (uint64_t trial = 0; trial < 50; trial++) {
    hot_angles(l.sim.self, 50 + trial, x);
    uniform(500 + trial, 4, u);
    observe(&l, 0.8, x, before);
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
      observe(&l, 0.8, moved, after);
      if (which == 2) { /* the axes have changed places */
        double kept = after[GB_XY_WINDING_X];
        after[GB_XY_WINDING_X] = after[GB_XY_WINDING_Y];
        after[GB_XY_WINDING_Y] = kept;
      }
      for (int q = GB_XY_WINDING_X; q <= GB_XY_WINDING_Y && which == 3; q++) after[q] = -after[q];
      /* rotated angles are rounded to floats again; otherwise only the order of sums differs */
      for (int q = 0; q < GB_XY_OBS; q++)
        CHECK_NEAR(after[q], before[q], (which == 0 ? 1e-5 : 1e-12) * (1 + fabs(before[q])));
    }
  }
  lab_close(&l);
}

/* What decides the stride is what is stored: measure() of a state, the observables of its sample, bit by bit; and
 * observe() of the stored angles. A term of a sum is cut to a multiple of 2^-24 and comes from products of floats, 2.5
 * 2^-24 off at most; an angle is stored with an error of 2^-23, its arc tangent included. All in all 6 2^-24 for every
 * link and 3 2^-24 for every component of m. */
static void measure_agrees_with_observe(void **unused)
{
  static const char *const sections[] = {"L: 2, J: 0.5", "L: 8, J: 0.5", "L: 18, J: 0.5"};
  (void)unused;
  for (size_t k = 0; k < 3; k++) {
    lab l;
    troop t;
    double m[WALKERS * GB_XY_MEASURED], obs[WALKERS][GB_XY_OBS], o[GB_XY_OBS], *out[WALKERS], cost[WALKERS] = {0};
    float *x[WALKERS];
    open_xy(&l, sections[k]);
    troop_open(&t, l.sim.self, l.sim.dims, WALKERS, 0.4);
    for (size_t w = 0; w < WALKERS; w++) {
      CHECK_OK(gb_new(&x[w], t.s->sites));
      out[w] = obs[w];
    }
    for (uint64_t i = 0; i < 20; i++) {
      troop_heat(&t, 300 + i);
      for (uint64_t j = 0; j < i; j++) gb_xy_step(t.s, &t.w, 0, j, false, t.state, cost);
      gb_xy_measure(t.s, &t.w, t.state, m);
      gb_xy_sample(t.s, &t.w, i, t.state, x, out);
      troop_unpack(&t);
      for (size_t w = 0; w < WALKERS; w++) {
        const double *now = m + w * GB_XY_MEASURED;
        double unit = 0x1p-24 * 6, J = 0.5, current = J * sqrt(2 * obs[w][GB_XY_CURRENT2] / (double)t.s->sites);
        observe(&l, 0.4, x[w], o);
        CHECK(obs[w][GB_XY_ENERGY] == now[GB_XY_TRACK_ENERGY] && obs[w][GB_XY_M2] == now[GB_XY_TRACK_M2]);
        CHECK(obs[w][GB_XY_CURRENT2] == now[GB_XY_TRACK_CURRENT2]);
        CHECK(obs[w][GB_XY_VORTEX] == now[GB_XY_TRACK_VORTEX]);
        CHECK(obs[w][GB_XY_WINDING_X] == now[GB_XY_TRACK_WINDING_X]);
        CHECK(obs[w][GB_XY_WINDING_Y] == now[GB_XY_TRACK_WINDING_Y]);
        CHECK(obs[w][GB_XY_ABS_M] == sqrt(obs[w][GB_XY_M2]));
        CHECK_NEAR(obs[w][GB_XY_HELICITY], -obs[w][GB_XY_ENERGY] / 2 - obs[w][GB_XY_CURRENT2] / 0.4, 1e-12);
        CHECK_NEAR(now[GB_XY_TRACK_ENERGY], energy_of(t.s->L, J, t.field[w]), 2 * J * unit);
        CHECK_NEAR(o[GB_XY_ENERGY], now[GB_XY_TRACK_ENERGY], 2 * J * unit);
        CHECK_NEAR(o[GB_XY_M2], now[GB_XY_TRACK_M2], 2 * (o[GB_XY_ABS_M] + unit) * unit);
        CHECK_NEAR(o[GB_XY_CURRENT2], now[GB_XY_TRACK_CURRENT2],
                   (double)t.s->sites * 2 * (current + J * unit) * J * unit);
        CHECK_NEAR(o[GB_XY_VORTEX], now[GB_XY_TRACK_VORTEX], 1e-12);
        CHECK_NEAR(o[GB_XY_WINDING_X], now[GB_XY_TRACK_WINDING_X], 1e-12);
        CHECK_NEAR(o[GB_XY_WINDING_Y], now[GB_XY_TRACK_WINDING_Y], 1e-12);
      }
    }
    for (size_t w = 0; w < WALKERS; w++) gb_free(&x[w]);
    troop_close(&t);
    lab_close(&l);
  }
}

/* ------------------------------------------------------------------------------------------------ trapped sectors */

/* A wave with p turns along x and r along y. */
static void wave(size_t L, int p, int r, float *field)
{
  for (size_t i = 0; i < L * L; i++) {
    double theta = 2 * M_PI * (p * (double)(i % L) + r * (double)(i / L)) / (double)L + 0.1;
    field[i] = (float)cos(theta);
    field[L * L + i] = (float)sin(theta);
  }
}

/* At T = 0.1 local moves do not leave a sector in any time one can wait: to unwind takes a vortex pair, of energy about
 * 2 pi J ln(L/2): exp(-60). A cluster reflects half a turn of the wave, which unwinds it. */
static void a_winding_stays_until_a_cluster_undoes_it(void **unused)
{
  enum { L = 16, STEPS = 400 };
  static const int turns[WALKERS][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}, {1, 1}, {-1, 1}, {0, 0}, {2, 0}};
  lab l, clusters; /* the same layout of spins; only the second has room for clusters */
  troop t;
  double m[WALKERS * GB_XY_MEASURED], cost[WALKERS] = {0};
  int64_t flips[WALKERS] = {0};
  (void)unused;
  open_xy(&l, "L: 16, wolff: 0");
  open_xy(&clusters, "L: 16, wolff: 1");
  troop_open(&t, l.sim.self, l.sim.dims, WALKERS, 0.1);
  for (size_t w = 0; w < WALKERS; w++) {
    wave(L, turns[w][0], turns[w][1], t.field[w]);
    t.width[w] = 0.3;
  }
  troop_pack(&t);
  for (uint64_t i = 0; i < STEPS; i++) {
    gb_xy_step(t.s, &t.w, i % l.sim.dims.n_mix, i, false, t.state, cost);
    gb_xy_measure(t.s, &t.w, t.state, m);
    for (size_t w = 0; w < WALKERS; w++) {
      CHECK_NEAR(m[w * GB_XY_MEASURED + GB_XY_TRACK_WINDING_X], turns[w][0], 1e-12);
      CHECK_NEAR(m[w * GB_XY_MEASURED + GB_XY_TRACK_WINDING_Y], turns[w][1], 1e-12);
    }
  }
  for (uint64_t i = 0; i < STEPS; i++) gb_xy_wolff(clusters.sim.self, &t.w, 1 / 0.1, i, t.state, flips);
  gb_xy_measure(t.s, &t.w, t.state, m);
  int free = 0;
  for (size_t w = 0; w < WALKERS; w++)
    free += m[w * GB_XY_MEASURED + GB_XY_TRACK_WINDING_X] == 0 && m[w * GB_XY_MEASURED + GB_XY_TRACK_WINDING_Y] == 0;
  CHECK(free >= 6);
  troop_close(&t);
  lab_close(&clusters);
  lab_close(&l);
}

/* Chains that started hot and fell into a sector are counted, and left out of the comparison with the ordered start:
 * their energy, 0.15 above the rest at a spread of 0.01, would be a huge |t|. */
static void trapped_chains_are_counted(void **unused)
{
  enum { HOT = 6, L = 16 };
  static const int turns[HOT][2] = {{1, 0}, {0, 0}, {0, -1}, {0, 0}, {0, 0}, {1, 1}};
  lab l;
  gb_chains ch;
  float *field[GB_MOST_WALKERS];
  double width[GB_MOST_WALKERS], *tuned[GB_MOST_WALKERS];
  (void)unused;
  lab_open(&l, "xy",
           "xy: {L: 16, T: [0.1], metropolis: 1, overrelaxation: 4, wolff: 0}\n"
           "generate: {chains: 8, hot_chains: 6}\n");
  CHECK_OK(gb_chains_create(l.c, gb_comm_self(), &l.sim, &l.opts, SEED, &ch));
  CHECK(ch.n_groups == 2 && ch.data_groups == 1 && ch.group[1].w.n == HOT && ch.unit[8] == 8);
  for (size_t k = 0; k < HOT; k++) {
    CHECK_OK(gb_new(&field[k], 2 * L * L));
    wave(L, turns[k][0], turns[k][1], field[k]);
    width[k] = 0.3;
    tuned[k] = &width[k];
  }
  const float *from[GB_MOST_WALKERS];
  const double *from_tuned[GB_MOST_WALKERS];
  for (size_t k = 0; k < HOT; k++) {
    from[k] = field[k];
    from_tuned[k] = tuned[k];
  }
  l.en->pack(l.sim.self, &ch.group[1].w, from, from_tuned, ch.group[1].state);
  while (!gb_chains_ready(&ch)) CHECK_OK(gb_chains_advance(&ch, 1 << 30));
  CHECK_NEAR(ch.hot[1], 3, 0);
  CHECK(ch.hot[0] > 0 &&
        ch.hot[0] < 5); /* the largest of four |t| with 9 degrees of freedom: 5 has probability 0.003 */
  for (size_t k = 0; k < HOT; k++) gb_free(&field[k]);
  gb_chains_destroy(&ch);
  lab_close(&l);
}

/* ----------------------------------------------------------------------------------------- the energy of networks */

/* float networks: sums of two rounded components, each wrong by 2^-24, times up to 1; the mean over bonds stays below
 * twice that. The double build is tested to 1e-13 in tests/unit/gradient_xy.c. */
static void energy_of_unit_vectors_is_the_energy(void **unused)
{
  enum { L = 8, N = L * L, ROWS = 3 };
  lab l;
  float x[N];
  gb_real field[ROWS * N * 2];
  double o[ROWS][GB_XY_OBS], e[ROWS], one;
  (void)unused;
  open_xy(&l, "L: 8, J: 2.5");
  for (uint64_t r = 0; r < ROWS; r++) {
    hot_angles(l.sim.self, 900 + r, x);
    observe(&l, 1, x, o[r]);
    for (int i = 0; i < N; i++) {
      field[(r * N + (size_t)i) * 2] = (gb_real)cos((double)x[i]);
      field[(r * N + (size_t)i) * 2 + 1] = (gb_real)sin((double)x[i]);
    }
  }
  l.en->energy(l.sim.self, ROWS, field, e);
  for (size_t r = 0; r < ROWS; r++) {
    CHECK_NEAR(e[r], o[r][GB_XY_ENERGY], 2.5 * 2 * 0x1p-23);
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
  enum { ROUNDS = 50, ALL = ROUNDS * WALKERS };
  lab l;
  troop t;
  float *x[WALKERS];
  double obs[WALKERS][GB_XY_OBS], *o[WALKERS], mean_c = 0, mean_s = 0, low = 0, high = 0;
  (void)unused;
  open_xy(&l, "L: 32");
  troop_open(&t, l.sim.self, l.sim.dims, WALKERS, 1);
  for (size_t w = 0; w < WALKERS; w++) {
    CHECK_OK(gb_new(&x[w], t.s->sites));
    o[w] = obs[w];
  }
  gb_xy_start(t.s, &t.w, false, t.state);
  for (uint64_t i = 0; i < ROUNDS; i++) {
    gb_xy_sample(t.s, &t.w, i, t.state, x, o);
    for (size_t w = 0; w < WALKERS; w++) {
      for (size_t j = 0; j < t.s->sites; j++) {
        CHECK(x[w][j] >= -PI_BELOW && x[w][j] <= PI_BELOW);
        CHECK_NEAR(x[w][j], x[w][0], 0); /* an ordered start: one angle */
      }
      mean_c += cos((double)x[w][0]) / ALL;
      mean_s += sin((double)x[w][0]) / ALL;
      low = fmin(low, (double)x[w][0]);
      high = fmax(high, (double)x[w][0]);
    }
  }
  /* a rotation of its own for each sample, uniform on the circle: the mean of 400 unit vectors is about 1/20 */
  CHECK(hypot(mean_c, mean_s) < 0.15 && low < -3 && high > 3);
  /* spins along the negative x axis, with zeros of both signs: a rotation may leave the angle just beyond pi */
  for (uint64_t i = 0; i < 400; i++) {
    for (size_t w = 0; w < WALKERS; w++)
      for (size_t j = 0; j < t.s->sites; j++) {
        t.field[w][j] = -1;
        t.field[w][t.s->sites + j] = j % 2 ? -0.f : 0.f;
      }
    troop_pack(&t);
    gb_xy_sample(t.s, &t.w, 1000 + i, t.state, x, o);
    for (size_t w = 0; w < WALKERS; w++)
      for (size_t j = 0; j < t.s->sites; j++) CHECK(x[w][j] >= -PI_BELOW && x[w][j] <= PI_BELOW);
  }
  for (size_t w = 0; w < WALKERS; w++) gb_free(&x[w]);
  troop_close(&t);
  lab_close(&l);
}

/* A stored configuration is that of the chain, turned as a whole. Rotation, arc tangent and the rounding of an angle
 * near pi are 2^-23 each at most; two angles are compared: 6 2^-23, below 2^-20. */
static void a_sample_is_a_turned_state(void **unused)
{
  lab l;
  troop t;
  float *x[WALKERS];
  double obs[WALKERS][GB_XY_OBS], *o[WALKERS];
  (void)unused;
  open_xy(&l, "L: 18");
  troop_open(&t, l.sim.self, l.sim.dims, WALKERS, 1);
  troop_heat(&t, 40);
  for (size_t w = 0; w < WALKERS; w++) {
    CHECK_OK(gb_new(&x[w], t.s->sites));
    o[w] = obs[w];
  }
  gb_xy_sample(t.s, &t.w, 3, t.state, x, o);
  for (size_t w = 0; w < WALKERS; w++) {
    double first = 0;
    for (size_t j = 0; j < t.s->sites; j++) {
      double turn = (double)x[w][j] - atan2((double)t.field[w][t.s->sites + j], (double)t.field[w][j]);
      if (j == 0) first = turn;
      CHECK_NEAR(remainder(turn - first, 2 * M_PI), 0, 0x1p-20);
    }
    for (size_t v = 0; v < w; v++) CHECK(x[v][0] != x[w][0]);
  }
  for (size_t w = 0; w < WALKERS; w++) gb_free(&x[w]);
  troop_close(&t);
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
  CHECK(ch_a.mix[0] == ch_b.mix[0] && ch_a.stride[0] == ch_b.stride[0]);
  CHECK_OK(gb_new(&o_a, 800 * GB_XY_OBS));
  CHECK_OK(gb_new(&o_b, 800 * GB_XY_OBS));
  lab_draw(&ch_a, 0, o_a);
  lab_draw(&ch_b, 0, o_b);
  for (int i = 0; i < 800; i++) {
    const double *p = o_a + i * GB_XY_OBS, *q = o_b + i * GB_XY_OBS;
    CHECK(q[GB_XY_ENERGY] == 4 * p[GB_XY_ENERGY] && q[GB_XY_M2] == p[GB_XY_M2] && q[GB_XY_VORTEX] == p[GB_XY_VORTEX]);
    CHECK(q[GB_XY_CURRENT2] == 16 * p[GB_XY_CURRENT2]);
    CHECK_NEAR(q[GB_XY_HELICITY], 4 * p[GB_XY_HELICITY], 1e-12);
  }
  gb_free(&o_a);
  gb_free(&o_b);
  gb_chains_destroy(&ch_a);
  gb_chains_destroy(&ch_b);
  lab_close(&a);
  lab_close(&b);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      TEST(vortices_add_up_to_zero),
      TEST(special_spins_have_whole_windings),
      TEST(a_pair_is_counted),
      TEST(spin_waves),
      TEST(estimators_have_the_symmetries),
      TEST(measure_agrees_with_observe),
      TEST(a_winding_stays_until_a_cluster_undoes_it),
      TEST(trapped_chains_are_counted),
      TEST(energy_of_unit_vectors_is_the_energy),
      TEST(gradient_of_the_energy),
      TEST(stored_angles_are_in_range),
      TEST(a_sample_is_a_turned_state),
      TEST(the_coupling_scales),
  };
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failed;
}
