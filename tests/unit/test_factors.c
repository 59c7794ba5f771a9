/* tests/unit/test_factors.c - correlation, mutual information and active units against closed forms. */
#include "report/factors.h"

#include "base/rng.h"
#include "check.h"

enum { ROWS = 20000 };

static void normals(uint64_t seed, size_t n, double *out)
{
  gb_real *v = gb_alloc(n, sizeof *v);
  gb_rng_normal(gb_rng_key(seed, GB_RNG_TEST, 0, 0), n, v);
  for (size_t i = 0; i < n; i++) out[i] = (double)v[i];
  gb_free(&v);
}

/* Pairs of unit Gaussians with correlation r. */
static void pairs(uint64_t seed, size_t n, double r, double *x, double *y)
{
  normals(seed, n, x);
  normals(seed + 1, n, y);
  for (size_t i = 0; i < n; i++) y[i] = r * x[i] + sqrt(1 - r * r) * y[i];
}

static double below(double x)
{
  return erfc(-x / sqrt(2)) / 2;
}

/* The number that a part p of a Gaussian is below. */
static double quantile(double p)
{
  double a = -10, b = 10;
  if (p <= 0 || p >= 1) return p <= 0 ? a : b;
  for (int i = 0; i < 80; i++) {
    double m = (a + b) / 2;
    if (below(m) < p)
      a = m;
    else
      b = m;
  }
  return a;
}

/* Mutual information of a bivariate Gaussian in bins of equal probability, by the midpoint rule. */
static double binned(double r, size_t bins)
{
  enum { POINTS = 200 };
  double sum = 0;
  for (size_t i = 0; i < bins; i++)
    for (size_t j = 0; j < bins; j++) {
      double low = quantile((double)j / (double)bins), high = quantile((double)(j + 1) / (double)bins), p = 0;
      for (int k = 0; k < POINTS; k++) {
        double x = quantile(((double)i + (k + 0.5) / POINTS) / (double)bins), w = sqrt(1 - r * r);
        p += (below((high - r * x) / w) - below((low - r * x) / w)) / POINTS / (double)bins;
      }
      if (p > 0) sum += p * log(p * (double)bins * (double)bins);
    }
  return sum;
}

static void information_of_gaussians(void **state)
{
  static const double r[] = {0, 0.5, 0.9};
  static double x[ROWS], y[ROWS];
  (void)state;
  for (size_t k = 0; k < 3; k++) {
    gb_factor f = {"y", "1", 0, y};
    double I, H, whole = -log(1 - r[k] * r[k]) / 2, in_bins = binned(r[k], gb_factor_bins(ROWS));
    pairs(20 * k + 1, ROWS, r[k], x, y);
    CHECK_NEAR(gb_factor_correlation(ROWS, x, 1, &f), r[k], 4 * (1 - r[k] * r[k]) / sqrt(ROWS));
    CHECK_OK(gb_factor_information(ROWS, x, 1, y, &I, &H));
    CHECK_NEAR(I, in_bins, 0.005 + 3 * r[k] / sqrt(ROWS));
    CHECK(in_bins <= whole + 1e-3 && in_bins >= 0.93 * whole - 1e-3); /* bins lose a few per cent */
    CHECK_NEAR(H, log((double)gb_factor_bins(ROWS)), 1e-3);
  }
}

/* Of independent numbers it is 0 in the mean; uncorrected it would be (10 - 1)^2 / 2000 = 0.04. */
static void information_of_nothing(void **state)
{
  enum { CASES = 200, FEW = 1000 };
  static double x[FEW], y[FEW];
  double sum = 0, square = 0;
  (void)state;
  CHECK(gb_factor_bins(FEW) == 10);
  for (uint64_t k = 0; k < CASES; k++) {
    double I;
    pairs(1000 + 2 * k, FEW, 0, x, y);
    CHECK_OK(gb_factor_information(FEW, x, 1, y, &I, NULL));
    sum += I / CASES;
    square += I * I / CASES;
  }
  double error = sqrt((square - sum * sum) / CASES);
  CHECK(error < 0.001);
  CHECK_NEAR(sum, 0, 4 * error);
}

/* Equal values stay together: of 4 temperatures there are 4 bins, and all of their entropy is told by themselves. */
static void few_values(void **state)
{
  static double T[400], x[400], constant[400];
  double I, H;
  (void)state;
  for (size_t i = 0; i < 400; i++) {
    T[i] = (double)(i / 100);
    x[i] = exp(-T[i]);
    constant[i] = 7;
  }
  CHECK_OK(gb_factor_information(400, x, 1, T, &I, &H));
  CHECK_NEAR(H, log(4) + 3.0 / 800, 1e-12);
  CHECK_NEAR(I, log(4) + 3.0 / 800, 1e-12);
  CHECK_OK(gb_factor_information(400, constant, 1, T, &I, NULL));
  CHECK_NEAR(I, 0, 1e-12);
  CHECK(isnan(gb_factor_correlation(400, constant, 1, &(gb_factor){"T", "energy", 0, T})));
}

static void directions(void **state)
{
  static double a[ROWS], x[ROWS], e[ROWS];
  gb_factor turn = {"direction", "rad", 2 * M_PI, a}, half = {"angle", "rad", M_PI, a};
  (void)state;
  normals(5, ROWS, e);
  for (size_t i = 0; i < ROWS; i++) {
    uint32_t w[4];
    gb_rng_block(gb_rng_key(6, GB_RNG_TEST, i, 0), 0, w);
    a[i] = gb_rng_between(w[0], -M_PI, M_PI);
    x[i] = 3 + cos(a[i] - 1.2);
  }
  CHECK_NEAR(gb_factor_correlation(ROWS, x, 1, &turn), 1, 1e-9);
  CHECK(gb_factor_correlation(ROWS, x, 1, &half) < 4 / sqrt(ROWS));
  for (size_t i = 0; i < ROWS; i++) x[i] = cos(2 * a[i]);
  CHECK_NEAR(gb_factor_correlation(ROWS, x, 1, &half), 1, 1e-9);
  CHECK(gb_factor_correlation(ROWS, x, 1, &turn) < 4 / sqrt(ROWS));
  for (size_t i = 0; i < ROWS; i++) x[i] = sqrt(2) * sin(a[i]) + e[i]; /* half of its variance */
  CHECK_NEAR(gb_factor_correlation(ROWS, x, 1, &turn), sqrt(0.5), 0.02);
}

/* Three latents: the factor, a collapsed one, a copy of the factor or noise. */
static void latents_against_factors(void **state)
{
  static double mean[3 * ROWS], y[ROWS], e[ROWS];
  gb_factors f = {.rows = ROWS, .n = 1, .of = {{"y", "1", 0, y}}};
  (void)state;
  normals(7, ROWS, y);
  normals(8, ROWS, e);
  for (int copy = 0; copy < 2; copy++) {
    gb_disentangled d;
    for (size_t i = 0; i < ROWS; i++) {
      mean[3 * i] = -2 * y[i];
      mean[3 * i + 1] = 0.05 * e[i];
      mean[3 * i + 2] = copy ? y[i] : e[i];
    }
    CHECK_OK(gb_factors_compare(&f, 3, mean, &d));
    CHECK(d.active == 2 && d.latents == 3 && d.factors == 1);
    CHECK_NEAR(d.variance[0], 4, 0.2);
    CHECK_NEAR(d.correlation[0], -1, 1e-12);
    CHECK_NEAR(gb_disentangled_correlation(&d, 0), 1, 1e-12);
    CHECK_NEAR(gb_disentangled_information(&d, 0), d.information[0], 0);
    CHECK_NEAR(d.gap[0], copy ? 0 : 1, 0.02);
    gb_disentangled_free(&d);
  }
  gb_disentangled none;
  CHECK_OK(gb_factors_compare(&f, 0, NULL, &none));
  CHECK(none.active == 0 && isnan(none.gap[0]) && isnan(gb_disentangled_correlation(&none, 0)));
  gb_disentangled_free(&none);
  CHECK(gb_factors_find(&f, "y") == 0 && gb_factors_find(&f, "z") == 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(information_of_gaussians), TEST(information_of_nothing), TEST(few_values),
                                     TEST(directions), TEST(latents_against_factors)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
