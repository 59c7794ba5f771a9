/* tests/unit/test_series.c - statistics of correlated series against processes whose answers are known.
 *
 * x_t = r x_(t-1) + sqrt(1 - r^2) z_t has variance 1, rho(t) = r^t and tau = (1 + r) / (2 (1 - r)). */
#include "sim/series.h"

#include "base/rng.h"
#include "check.h"

/* n_chains stationary chains of `n` samples with a place for each of `n_in` quantities; fills quantity a. */
static void autoregressive(double r, uint64_t seed, size_t n_chains, size_t n, size_t n_in, size_t a, double *x)
{
  gb_real *z;
  CHECK_OK(gb_new(&z, n));
  for (size_t c = 0; c < n_chains; c++) {
    double v = 0;
    gb_rng_normal(gb_rng_key(seed, GB_RNG_TEST, c, a), n, z);
    for (size_t i = 0; i < n; i++) {
      v = i == 0 ? (double)z[i] : r * v + sqrt(1 - r * r) * (double)z[i];
      x[(c * n + i) * n_in + a] = v;
    }
  }
  gb_free(&z);
}

static double tau_of(double r)
{
  return (1 + r) / (2 * (1 - r));
}

/* Over many seeds: the mean is right, and the quoted error is the scatter. */
static void tau_of_known_process(void **state)
{
  (void)state;
  enum { SEEDS = 200, CHAINS = 4 };
  static const struct {
    double r;
    size_t n;
  } table[] = {{0.4, 1000}, {0.8, 4000}, {0.9, 8000}};
  for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
    double r = table[k].r, exact = tau_of(r), *x, mean = 0, mean_pull = 0, pull2 = 0;
    size_t n = table[k].n;
    CHECK_OK(gb_new(&x, CHAINS * n));
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
      double tau, error;
      autoregressive(r, seed, CHAINS, n, 1, 0, x);
      CHECK(gb_series_tau(CHAINS, n, x, &tau, &error));
      CHECK_NEAR(tau, exact, 6 * error);
      CHECK_NEAR(error / tau, 0, 0.5);
      mean += tau / SEEDS;
      mean_pull += (tau - exact) / error / SEEDS;
      pull2 += pow((tau - exact) / error, 2) / SEEDS;
    }
    CHECK_NEAR(mean, exact, 0.02 * exact); /* window bias exp(-6) and scatter of the mean of 200 */
    CHECK_NEAR(mean_pull, 0, 0.35);        /* error grows with tau: pulls lean to the left */
    CHECK(pull2 > 0.6 && pull2 < 1.5);
    gb_free(&x);
  }
}

/* Independent samples: the claim never exceeds independence, and hardly falls short of it. */
static void independent(void **state)
{
  (void)state;
  enum { SEEDS = 100, N = 2000 };
  static double x[N];
  double mean = 0;
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    double tau, error;
    autoregressive(0, seed, 1, N, 1, 0, x);
    CHECK(gb_series_tau(1, N, x, &tau, &error));
    CHECK(tau >= 0.5);
    mean += tau / SEEDS;
  }
  CHECK_NEAR(mean, 0.5, 0.05);
}

static void anticorrelated_is_called_independent(void **state)
{
  (void)state;
  enum { N = 5000 };
  static double x[N];
  double tau, error;
  autoregressive(-0.8, 1, 1, N, 1, 0, x);
  CHECK(gb_series_tau(1, N, x, &tau, &error));
  CHECK(tau == 0.5 && error > 0);
}

/* Shifted, scaled by a power of two, mirrored, chains in another order: the same tau in samples. */
static void tau_has_no_unit(void **state)
{
  (void)state;
  enum { CHAINS = 3, N = 3000 };
  static double x[CHAINS * N], y[CHAINS * N];
  static const double factor[] = {-1, 0x1p-60, 0x1p60, 4};
  double tau, error, other, other_error;
  autoregressive(0.7, 5, CHAINS, N, 1, 0, x);
  CHECK(gb_series_tau(CHAINS, N, x, &tau, &error));
  for (size_t k = 0; k < sizeof factor / sizeof *factor; k++) {
    for (size_t i = 0; i < CHAINS * N; i++) y[i] = factor[k] * x[i];
    CHECK(gb_series_tau(CHAINS, N, y, &other, &other_error));
    CHECK(other == tau && other_error == error);
  }
  for (size_t i = 0; i < CHAINS * N; i++) y[i] = x[(i + N) % (CHAINS * N)] + 1000;
  CHECK(gb_series_tau(CHAINS, N, y, &other, &other_error));
  CHECK_NEAR(other, tau, 1e-9);
  CHECK_NEAR(other_error, error, 1e-9);
}

static void constant(void **state)
{
  (void)state;
  enum { N = 1000 };
  static double x[N];
  static const double value[] = {0, 1, -0.1, 1e30, 1e-30, 1.0 / 3};
  for (size_t k = 0; k < sizeof value / sizeof *value; k++) {
    double tau = 7, error = 7;
    for (size_t i = 0; i < N; i++) x[i] = value[k] * (1 + (i % 3 == 0) * 0x1p-52); /* up to rounding */
    CHECK(gb_series_tau(4, N / 4, x, &tau, &error));
    CHECK(tau == 0.5 && error == 0);
  }
  enum { LONG = 1000000 }; /* 0.1 a million times: the rounding of the sum must not look like a signal */
  double *same, tau, error;
  CHECK_OK(gb_new(&same, LONG));
  for (size_t i = 0; i < LONG; i++) same[i] = 0.1;
  CHECK(gb_series_tau(2, LONG / 2, same, &tau, &error));
  CHECK(tau == 0.5 && error == 0);
  gb_free(&same);
}

static void too_short(void **state)
{
  (void)state;
  enum { CHAINS = 64, N = 60 };
  static double x[CHAINS * N];
  double tau, error;
  autoregressive(0.95, 3, CHAINS, N, 1, 0, x); /* tau = 19.5, so the window needs 117 */
  CHECK(!gb_series_tau(CHAINS, N, x, &tau, &error));
  autoregressive(0, 3, CHAINS, N, 1, 0, x);
  CHECK(gb_series_tau(CHAINS, N, x, &tau, &error)); /* the same length is enough for independent samples */
  for (size_t n = 1; n <= 3; n++) CHECK(!gb_series_tau(CHAINS, n, x, &tau, &error));
}

/* A number that is none must not be reported as a perfectly independent series. */
static void not_finite(void **state)
{
  (void)state;
  enum { N = 400 };
  static double x[N];
  static const double bad[] = {NAN, INFINITY, -INFINITY};
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
    double tau, error;
    autoregressive(0.5, 3, 1, N, 1, 0, x);
    x[N / 2] = bad[k];
    CHECK(!gb_series_tau(1, N, x, &tau, &error));
  }
}

static void identity(const void *ctx, const double *mean, double *out)
{
  (void)ctx;
  out[0] = mean[0];
}

static void square(const void *ctx, const double *mean, double *out)
{
  (void)ctx;
  out[0] = mean[0] * mean[0];
}

static void ratio_and_sum(const void *ctx, const double *mean, double *out)
{
  const double *weight = ctx;
  out[0] = mean[0] / mean[1];
  out[1] = weight[0] * mean[0] + weight[1] * mean[1];
}

static void variance(const void *ctx, const double *mean, double *out)
{
  (void)ctx;
  out[0] = mean[1] - mean[0] * mean[0];
}

/* One sample a bin: the jackknife error of a mean is the textbook's, its value the mean. */
static void jackknife_of_a_mean(void **state)
{
  (void)state;
  enum { N = 128 };
  static double x[N];
  static const size_t chains[] = {1, 2, 4, 32, 128};
  double mean = 0, s2 = 0, value, error;
  autoregressive(0, 8, 1, N, 1, 0, x);
  for (size_t i = 0; i < N; i++) mean += x[i] / N;
  for (size_t i = 0; i < N; i++) s2 += pow(x[i] - mean, 2) / (N - 1);
  for (size_t k = 0; k < sizeof chains / sizeof *chains; k++) {
    CHECK_OK(gb_series_jackknife(chains[k], N / chains[k], x, (gb_function){identity, NULL, 1, 1}, &value, &error));
    CHECK_NEAR(value, mean, 1e-13);
    CHECK_NEAR(error, sqrt(s2 / N), 1e-13);
    /* The square of a mean is too large by s2 / n; exactly that is removed. */
    CHECK_OK(gb_series_jackknife(chains[k], N / chains[k], x, (gb_function){square, NULL, 1, 1}, &value, &error));
    CHECK_NEAR(value, mean * mean - s2 / N, 1e-12);
  }
}

/* Longer series: bins of equal length, the textbook error of the bin means. */
static void jackknife_bins(void **state)
{
  (void)state;
  enum { BINS = 128, LENGTH = 50, N = BINS * LENGTH };
  static double x[N], bin[BINS];
  double mean = 0, s2 = 0, value, error;
  autoregressive(0.9, 8, 1, N, 1, 0, x);
  for (size_t i = 0; i < N; i++) bin[i / LENGTH] += x[i] / LENGTH;
  for (size_t k = 0; k < BINS; k++) mean += bin[k] / BINS;
  for (size_t k = 0; k < BINS; k++) s2 += pow(bin[k] - mean, 2) / (BINS - 1);
  CHECK_OK(gb_series_jackknife(1, N, x, (gb_function){identity, NULL, 1, 1}, &value, &error));
  CHECK_NEAR(value, mean, 1e-13);
  CHECK_NEAR(error, sqrt(s2 / BINS), 1e-13);
}

/* Shapes that do not divide evenly: few samples, more chains than bins, lengths that leave a rest. */
static void jackknife_of_odd_shapes(void **state)
{
  (void)state;
  static const size_t shape[][2] = {{1, 2}, {2, 1}, {1, 3}, {300, 5}, {129, 1}, {7, 131}, {5, 3}, {127, 2}};
  static double x[300 * 131], reversed[300 * 131];
  for (size_t k = 0; k < sizeof shape / sizeof *shape; k++) {
    size_t chains = shape[k][0], n = shape[k][1], all = chains * n;
    double mean = 0, s2 = 0, value, error, other, other_error;
    autoregressive(0, k, 1, all, 1, 0, x);
    for (size_t i = 0; i < all; i++) mean += x[i] / (double)all;
    for (size_t i = 0; i < all; i++) s2 += pow(x[i] - mean, 2) / ((double)all - 1);
    CHECK_OK(gb_series_jackknife(chains, n, x, (gb_function){identity, NULL, 1, 1}, &value, &error));
    CHECK_NEAR(value, mean, error); /* bins of unequal length: nearly the mean */
    CHECK(error > 0 && isfinite(error));
    if (all > 100) CHECK_NEAR(error, sqrt(s2 / (double)all), 0.3 * error);
    for (size_t c = 0; c < chains; c++)
      for (size_t i = 0; i < n; i++) reversed[(chains - 1 - c) * n + i] = x[c * n + i];
    CHECK_OK(gb_series_jackknife(chains, n, reversed, (gb_function){identity, NULL, 1, 1}, &other, &other_error));
    CHECK_NEAR(other, value, 1e-12); /* bins never cross chains, so the order of chains is nothing */
    CHECK_NEAR(other_error, error, 1e-12);
  }
}

/* Ratio and weighted sum of correlated quantities: error propagation with the covariance. */
static void jackknife_against_delta_method(void **state)
{
  (void)state;
  enum { SEEDS = 60, N = 12800 };
  static double x[2 * N];
  static const double weight[2] = {3, -2};
  double of_mean[2] = {0}, expected[2], value[2], error[2];
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    autoregressive(0, seed, 1, N, 2, 0, x);
    autoregressive(0, seed, 1, N, 2, 1, x);
    for (size_t i = 0; i < N; i++) {
      double a = x[2 * i], b = x[2 * i + 1];
      x[2 * i] = 2 + a; /* variances 1 and 0.25 + 0.25, covariance 0.5 */
      x[2 * i + 1] = 5 + 0.5 * a + 0.5 * b;
    }
    CHECK_OK(gb_series_jackknife(1, N, x, (gb_function){ratio_and_sum, weight, 2, 2}, value, error));
    CHECK_NEAR(value[0], 0.4, 5 * error[0]);
    CHECK_NEAR(value[1], 3 * 2 - 2 * 5, 5 * error[1]);
    for (int o = 0; o < 2; o++) of_mean[o] += error[o] / SEEDS;
  }
  double v00 = 1, v01 = 0.5, v11 = 0.5, g0 = 1.0 / 5, g1 = -2.0 / 25;
  expected[0] = sqrt((g0 * g0 * v00 + 2 * g0 * g1 * v01 + g1 * g1 * v11) / N);
  expected[1] = sqrt((9 * v00 - 12 * v01 + 4 * v11) / N);
  for (int o = 0; o < 2; o++) CHECK_NEAR(of_mean[o] / expected[o], 1, 0.04); /* 6 % / sqrt(60), five times */
}

/* Pulls of a correlated, nonlinear quantity have variance 1: the quoted error is the true one. */
static void jackknife_pulls(void **state)
{
  (void)state;
  enum { SEEDS = 400, CHAINS = 4, N = 4096 };
  double *x, mean = 0, second = 0;
  CHECK_OK(gb_new(&x, 2 * CHAINS * N));
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    double value, error;
    autoregressive(0.5, seed, CHAINS, N, 2, 0, x);
    for (size_t i = 0; i < CHAINS * N; i++) x[2 * i + 1] = x[2 * i] * x[2 * i];
    CHECK_OK(gb_series_jackknife(CHAINS, N, x, (gb_function){variance, NULL, 2, 1}, &value, &error));
    mean += (value - 1) / error / SEEDS;
    second += pow((value - 1) / error, 2) / SEEDS;
  }
  CHECK_NEAR(mean, 0, 5 / sqrt(SEEDS));
  double v = second - mean * mean;
  CHECK(v > 0.85 && v < 1.2);
  gb_free(&x);
}

/* The linearised function of a linear function is the function. */
static void tau_of_functions(void **state)
{
  (void)state;
  enum { CHAINS = 4, N = 4000 };
  double *x, *y, tau[2], expected, error;
  static const double weight[2] = {3, -2};
  CHECK_OK(gb_new(&x, 2 * CHAINS * N));
  CHECK_OK(gb_new(&y, CHAINS * N));
  autoregressive(0.9, 1, CHAINS, N, 2, 0, x);
  autoregressive(0.3, 2, CHAINS, N, 2, 1, x);
  for (size_t i = 0; i < CHAINS * N; i++) x[2 * i + 1] += 10; /* so that the ratio is nearly linear */
  for (size_t i = 0; i < CHAINS * N; i++) y[i] = weight[0] * x[2 * i] + weight[1] * x[2 * i + 1];
  CHECK(gb_series_tau(CHAINS, N, y, &expected, &error));
  CHECK_OK(gb_series_function_tau(CHAINS, N, x, (gb_function){ratio_and_sum, weight, 2, 2}, tau));
  CHECK_NEAR(tau[1], expected, 1e-6);
  CHECK_NEAR(tau[0], tau_of(0.9), 1.5); /* the numerator, near 0 over 10, does all the moving */
  gb_free(&x);
  gb_free(&y);
}

/* A quantity that does not move, at any size of its value, adds nothing; a chain too short says so. */
static void tau_of_functions_at_the_edges(void **state)
{
  (void)state;
  enum { CHAINS = 2, N = 3000 };
  double *x, tau[2], expected, error, *y;
  static const double weight[2] = {1, 1};
  CHECK_OK(gb_new(&x, 2 * CHAINS * N));
  CHECK_OK(gb_new(&y, CHAINS * N));
  autoregressive(0.8, 1, CHAINS, N, 2, 0, x);
  for (size_t i = 0; i < CHAINS * N; i++) y[i] = x[2 * i];
  CHECK(gb_series_tau(CHAINS, N, y, &expected, &error));
  static const double still[] = {7, 1e6, 0.1};
  for (size_t k = 0; k < sizeof still / sizeof *still; k++) {
    for (size_t i = 0; i < CHAINS * N; i++) x[2 * i + 1] = still[k];
    CHECK_OK(gb_series_function_tau(CHAINS, N, x, (gb_function){ratio_and_sum, weight, 2, 2}, tau));
    CHECK_NEAR(tau[0], expected, 1e-6);
    CHECK_NEAR(tau[1], expected, 1e-4);
  }
  for (size_t i = 0; i < CHAINS * N; i++) x[2 * i] = 0.1;
  CHECK_OK(gb_series_function_tau(CHAINS, N, x, (gb_function){ratio_and_sum, weight, 2, 2}, tau));
  CHECK(tau[0] == 0.5 && tau[1] == 0.5);
  autoregressive(0.95, 3, CHAINS, 40, 2, 0, x);
  autoregressive(0.95, 4, CHAINS, 40, 2, 1, x);
  CHECK_OK(gb_series_function_tau(CHAINS, 3, x, (gb_function){ratio_and_sum, weight, 2, 2}, tau));
  CHECK(tau[0] == -1 && tau[1] == -1);
  gb_free(&x);
  gb_free(&y);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(tau_of_known_process),
      TEST(independent),
      TEST(anticorrelated_is_called_independent),
      TEST(tau_has_no_unit),
      TEST(constant),
      TEST(too_short),
      TEST(not_finite),
      TEST(jackknife_of_a_mean),
      TEST(jackknife_bins),
      TEST(jackknife_of_odd_shapes),
      TEST(jackknife_against_delta_method),
      TEST(jackknife_pulls),
      TEST(tau_of_functions),
      TEST(tau_of_functions_at_the_edges),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
