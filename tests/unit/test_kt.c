/* tests/unit/test_kt.c - the Kosterlitz-Thouless temperature of made-up lattices whose flow is known. */
#include "report/kt.h"

#include "base/rng.h"
#include "check.h"

enum { SIZES = 4, TEMPERATURES = 7, N = SIZES * TEMPERATURES };

/* What the helicity modulus of the XY model is like: docs/theory/xy.md. */
static const double T_true = 0.8929, b = 1.05, u = 0.085, slope = 2;
static double middle = 3.8; /* ln L0: there c and u are parabolas in T */

static double truth(double L, double T)
{
  double t = 1 - T / T_true;
  return 2 * T / M_PI * gb_kt_flow(b * t + 5 * t * t, u + slope * t - 5 * t * t, log(L) - middle);
}

/* Lattices of 16 to 128 at 0.885 to 0.93; `noise` times the error is added. */
static void make(double error, double noise, uint64_t seed, gb_kt_point p[N])
{
  gb_real z[N];
  gb_rng_normal(gb_rng_key(seed, GB_RNG_TEST, 0, 0), N, z);
  for (size_t i = 0; i < N; i++) {
    double L = ldexp(16, (int)(i % SIZES)), T = 0.885 + 0.045 * (double)(i / SIZES) / (TEMPERATURES - 1);
    p[i] = (gb_kt_point){L, T, truth(L, T) + noise * error * (double)z[i], error};
  }
}

/* The differential equation, by another route: u = s coth(2 s (l + C)) solves it without the factor 1 + u, which for
 * small u changes the speed only; and the fixed line u = sqrt(c) stays where it is. */
static void flow(void **state)
{
  (void)state;
  const double step = 1e-4;
  for (double c = -0.02; c < 0.03; c += 0.005)
    for (double u0 = -0.1; u0 < 0.25; u0 += 0.05) {
      double here = gb_kt_flow(c, u0, 0), ahead = gb_kt_flow(c, u0, step), behind = gb_kt_flow(c, u0, -step);
      double winding = 16 * M_PI * exp(-4 * M_PI * (1 + u0)), x = 1 + u0;
      double dx = 2 * (c - u0 * u0) * x * (1 - winding * (2 * x - 4 * M_PI * x * x));
      CHECK_NEAR(here, x * (1 - winding * x), 1e-12);
      CHECK_NEAR((ahead - behind) / (2 * step), dx, 1e-8);
      /* there in two pieces is there in one: an autonomous flow */
      double far = 0.7, y = gb_kt_flow(c, u0, far), half = u0;
      for (int i = 0; i < 1000; i++) half += far / 1000 * 2 * (c - half * half) * (1 + half); /* Euler, 1e-4 */
      CHECK_NEAR(y, gb_kt_flow(0, half, 0), 1e-4);
    }
  const double s = 0.05;
  for (double l = 4; l < 6; l += 0.5) { /* small u: the known solutions of the lowest order */
    double at4 = s / tanh(2 * s * 4), at_l = s / tanh(2 * s * l);
    CHECK_NEAR(gb_kt_flow(s * s, at4, l - 4), 1 + at_l, 3e-3);
    at4 = s / tan(2 * s * 4);
    at_l = s / tan(2 * s * l);
    CHECK_NEAR(gb_kt_flow(-s * s, at4, l - 4), 1 + at_l, 3e-3);
    CHECK_NEAR(gb_kt_flow(0, 1.0 / 8, l - 4), 1 + 1 / (2 * l), 3e-3);
  }
}

static void exact(void **state)
{
  (void)state;
  gb_kt_point p[N], shuffled[N];
  static gb_kt k;
  make(1e-4, 0, 0, p);
  for (size_t i = 0; i < N; i++) shuffled[i] = p[(i * 11 + 5) % N];
  CHECK_OK(gb_kt_analyse(N, shuffled, 20, &k));
  CHECK(k.n_sizes == SIZES && k.n_cuts == SIZES - 1 && k.chosen == 0 && k.n_T == TEMPERATURES);
  for (size_t i = 0; i < k.n_cuts; i++) {
    CHECK(k.cut[i].n_sizes == SIZES - i && k.cut[i].L_min == ldexp(16, (int)i));
    CHECK_NEAR(k.cut[i].by[GB_KT_FLOW].T[0], T_true, 5e-5); /* parabolas at `middle`, not quite at the L0 of the fit */
  }
  middle = k.cut[0].l0;
  make(1e-4, 0, 0, p);
  CHECK_OK(gb_kt_analyse(N, p, 20, &k));
  CHECK_NEAR(k.cut[0].by[GB_KT_FLOW].chi2, 0, 1e-6);
  CHECK_NEAR(k.cut[0].by[GB_KT_FLOW].C[0], 1 / (2 * u) - middle, 1e-6);
  CHECK_NEAR(k.T, T_true, 1e-8);
  CHECK_NEAR(gb_kt_curve(&k.cut[0], 50, 0.9), truth(50, 0.9), 1e-6);
  for (size_t i = 0; i < SIZES; i++) { /* linear between temperatures 0.0075 apart; 16 and 32 cross above 0.93 */
    CHECK(k.crosses[i] == (k.L[i] > 40));
    if (k.crosses[i]) CHECK_NEAR(truth(k.L[i], k.crossing[i][0]), 2 / M_PI * k.crossing[i][0], 3e-4);
  }
}

/* The readings of Weber and Minnhagen, at their own formula. */
static void weber_minnhagen(void **state)
{
  (void)state;
  gb_kt_point p[N];
  static gb_kt k;
  make(1e-4, 0, 0, p);
  for (size_t i = 0; i < N; i++)
    p[i].Y = 2 * p[i].T / M_PI * (1 - 5 * (p[i].T - 0.893)) * (1 + 1 / (2 * (log(p[i].L) + 0.8)));
  CHECK_OK(gb_kt_analyse(N, p, 20, &k));
  for (int m = GB_KT_LEAST; m <= GB_KT_AMPLITUDE; m++) {
    const gb_kt_reading *r = &k.cut[0].by[m];
    CHECK(r->found && r->dof == SIZES - 1);
    CHECK_NEAR(r->T[0], 0.893, 2e-6); /* between 0.8925 and 0.9 */
    CHECK_NEAR(r->C[0], 0.8, 1e-2);
    CHECK(r->T[1] > 1e-6 && r->T[1] < 1e-3);
  }
}

/* (estimate - true) / error over many lattices with noise: mean 0, width 1. */
static void pulls(void **state)
{
  (void)state;
  enum { REPLICAS = 200, DRAWS = 30 };
  double mean = 0, square = 0, chi2 = 0;
  static gb_kt k;
  for (uint64_t seed = 0; seed < REPLICAS; seed++) {
    gb_kt_point p[N];
    make(5e-4, 1, seed, p);
    CHECK_OK(gb_kt_analyse(N, p, DRAWS, &k));
    const gb_kt_reading *r = &k.cut[0].by[GB_KT_FLOW];
    double pull = (r->T[0] - T_true) / r->T[1];
    mean += pull / REPLICAS;
    square += pull * pull / REPLICAS;
    chi2 += r->chi2 / r->dof / REPLICAS;
    CHECK(k.error >= k.statistical && k.statistical > 1e-5 && k.statistical < 5e-3);
  }
  CHECK_NEAR(mean, 0, 4 / sqrt(REPLICAS));
  CHECK_NEAR(sqrt(square - mean * mean), 1, 4 / sqrt(2.0 * REPLICAS) + 0.02);
  CHECK_NEAR(chi2, 1, 0.1);
}

/* A lattice that does not follow is dropped, and the shift is in the error. */
static void a_lattice_too_small(void **state)
{
  (void)state;
  gb_kt_point p[N];
  static gb_kt k;
  make(2e-4, 1, 3, p);
  for (size_t i = 0; i < N; i += SIZES) p[i].Y *= 1.01;
  CHECK_OK(gb_kt_analyse(N, p, 50, &k));
  CHECK(k.chosen == 1 && k.cut[1].L_min == 32);
  CHECK_NEAR(k.T, T_true, 4 * k.error);
  CHECK(k.truncation > 0 &&
        k.truncation < 0.003); /* without 1 + u the made-up flow is missed, by about |u| of its slope */
  CHECK_NEAR(k.systematic, hypot(k.shift, k.truncation), 1e-15);
  CHECK_NEAR(k.shift, fabs(k.cut[1].by[GB_KT_FLOW].T[0] - k.cut[2].by[GB_KT_FLOW].T[0]), 0);
}

/* The same numbers in another unit of energy, and every time. */
static void units(void **state)
{
  (void)state;
  gb_kt_point p[N];
  static gb_kt k, again, scaled;
  make(5e-4, 1, 1, p);
  CHECK_OK(gb_kt_analyse(N, p, 20, &k));
  CHECK_OK(gb_kt_analyse(N, p, 20, &again));
  CHECK(!memcmp(&k, &again, sizeof k));
  for (size_t i = 0; i < N; i++) p[i].T *= 0x1p20, p[i].Y *= 0x1p20, p[i].error *= 0x1p20;
  CHECK_OK(gb_kt_analyse(N, p, 20, &scaled));
  CHECK_NEAR(scaled.T / 0x1p20, k.T, 1e-9);
  CHECK_NEAR(scaled.error / 0x1p20, k.error, 1e-7);
}

static void refused(void **state)
{
  (void)state;
  gb_kt_point p[N];
  static gb_kt k;
  make(5e-4, 1, 1, p);
  CHECK_FAILS(gb_kt_analyse(0, p, 20, &k), GB_ERR_CONFIG, "at least 3 lattice sizes, these are 0");
  for (size_t i = 0; i < N; i++) p[i].L = i % 2 ? 16 : 32;
  CHECK_FAILS(gb_kt_analyse(N, p, 20, &k), GB_ERR_CONFIG, "at least 3 lattice sizes, these are 2");
  make(5e-4, 1, 1, p);
  CHECK_FAILS(gb_kt_analyse(2 * SIZES, p, 20, &k), GB_ERR_CONFIG, "at least 3 temperatures, these are 2");
  p[3].error = 0;
  CHECK_FAILS(gb_kt_analyse(N, p, 20, &k), GB_ERR_CONFIG, "generate more samples");
  make(5e-4, 1, 1, p);
  p[5].Y = NAN;
  CHECK_FAILS(gb_kt_analyse(N, p, 20, &k), GB_ERR_CONFIG, "no point to fit");
  make(5e-4, 1, 1, p);
  for (size_t i = 0; i < N; i++) p[i].Y += 0.2;
  CHECK_FAILS(gb_kt_analyse(N, p, 20, &k), GB_ERR_CONFIG, "crosses 2T/pi");
  for (size_t i = 0; i < N; i++) p[i].Y = 2 / M_PI * p[i].T + (p[i].T < 0.9 ? 0.3 : -0.3); /* a jump: nothing near */
  CHECK_FAILS(gb_kt_analyse(N, p, 20, &k), GB_ERR_NUMERIC, "could not be fitted");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(flow),  TEST(exact),   TEST(weber_minnhagen), TEST(pulls), TEST(a_lattice_too_small),
      TEST(units), TEST(refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
