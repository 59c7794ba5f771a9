/* tests/unit/test_von_mises.c - Bessel ratios, draws and their derivative against quadrature in long double. */
#include "linalg/von_mises.h"

#include <stdlib.h>

#include "check.h"

/* Means over the density exp(kappa (cos t - 1)), by the trapezoidal rule over [0, pi], which converges exponentially
 * for smooth periodic functions: with s points in the width of the peak its error is exp(-2 (pi s)^2). */
typedef struct means {
  long double norm, versine, cosine; /* integral / pi of the density; <1 - cos t>; <cos t> */
} means;

static long points(double kappa)
{
  return 60 + (long)(12 * sqrt(kappa));
}

static means means_of(double kappa)
{
  long n = points(kappa);
  long double norm = 0, v = 0, c = 0, k = kappa;
  for (long i = 0; i <= n; i++) {
    long double s = sinl(M_PIl * (long double)i / (long double)n / 2), one_minus_c = 2 * s * s;
    long double w = i == 0 || i == n ? 0.5L : 1, p = w * expl(-k * one_minus_c);
    norm += p;
    v += p * one_minus_c;
    c += w * (1 - one_minus_c) * expm1l(k * (1 - one_minus_c)); /* small kappa: less the 1 whose mean is 0 */
  }
  return (means){norm / (long double)n, v / norm, kappa < 1 ? c * expl(-k) / norm : 1 - v / norm};
}

/* The relative errors of the header, at and around the switches of method as well. */
static void functions_have_their_accuracy(void **state)
{
  (void)state;
  static const double near_switches[] = {0.99e-4, 1.01e-4, 24.999, 25, 25.001, 499, 501};
  for (int i = 0; i < 187; i++) {
    double kappa = i < 180 ? 1e-6 * pow(1.165, i) : near_switches[i - 180]; /* 1e-6 ... 7.4e5 */
    means m = means_of(kappa);
    long double log_i0 = kappa + logl(m.norm);
    CHECK_NEAR(gb_von_mises_log_i0(kappa), (double)log_i0, 1e-13 * fmax(1, (double)log_i0));
    CHECK_NEAR(gb_von_mises_length(kappa) / (double)m.cosine, 1, 1e-13);
  }
  assert_true(gb_von_mises_log_i0(0) == 0 && gb_von_mises_length(0) == 0 && gb_von_mises_length_slope(0) == 0.5);
}

/* dA/dkappa is the variance of cos t; computed about its mean, so without cancellation. */
static void slope_is_a_variance(void **state)
{
  (void)state;
  for (int i = 0; i < 180; i++) {
    double kappa = 1e-6 * pow(1.165, i);
    means m = means_of(kappa);
    long n = points(kappa);
    long double sum = 0, norm = 0;
    for (long k = 0; k <= n; k++) {
      long double s = sinl(M_PIl * (long double)k / (long double)n / 2), d = 2 * s * s - m.versine;
      long double p = expl(-2 * (long double)kappa * s * s) * (k == 0 || k == n ? 0.5L : 1);
      sum += p * d * d;
      norm += p;
    }
    CHECK_NEAR(gb_von_mises_length_slope(kappa) / (double)(sum / norm), 1, 1e-9);
  }
}

/* Integral of (cos t - A)^with exp(kappa (cos t - 1)) over [a, b] by Simpson's rule. */
static long double integral(double kappa, long double a, long double b, long double versine, int with)
{
  enum { N = 1000 };
  long double h = (b - a) / N, sum = 0;
  for (int i = 0; i <= N; i++) {
    long double s = sinl((a + h * i) / 2), one_minus_c = 2 * s * s;
    sum += (i == 0 || i == N ? 1
            : i % 2          ? 4
                             : 2) *
           expl(-(long double)kappa * one_minus_c) * (with ? versine - one_minus_c : 1);
  }
  return sum * h / 3;
}

/* -(dF/dkappa)/p at |d|: from the nearer end, as far as the density reaches. Error 1e-8 of 1 + |value|. */
static void move_is_the_implicit_derivative(void **state)
{
  (void)state;
  for (int i = 0; i < 30; i++) {
    double kappa = 0.01 * pow(1.7, i); /* 0.01 ... 4.8e4 */
    means m = means_of(kappa);
    double width = fmin(M_PI, 9 / sqrt(kappa));
    for (int k = 1; k < 24; k++) {
      double d = width * k / 24, s = sin(d / 2), end = fmin(M_PI, 12 / sqrt(kappa) + d);
      long double p = expl(-2 * (long double)kappa * s * s), upper = integral(kappa, d, end, m.versine, 1);
      double expected = (double)(upper / p), move = gb_von_mises_move(kappa, d);
      CHECK_NEAR(move, expected, 1e-8 * (1 + fabs(expected)));
      CHECK_NEAR(gb_von_mises_move(kappa, -d), -move, 0);
    }
    assert_true(gb_von_mises_move(kappa, 0) == 0);
  }
}

static int increasing(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Draws follow the distribution: Kolmogorov-Smirnov at 1.95 / sqrt(n), which a right generator exceeds once in 1000
 * seeds (N. Smirnov, Ann. Math. Statist. 19 (1948) 279). The seeds are fixed, so the test does not flicker. */
static void draws_follow_the_distribution(void **state)
{
  (void)state;
  enum { N = 20000, KAPPAS = 8 };
  static const double kappa[KAPPAS] = {0, 1e-7, 1e-3, 0.3, 2, 20, 400, 2e5};
  static double x[N];
  for (uint64_t i = 0; i < KAPPAS; i++) {
    for (uint64_t k = 0; k < N; k++) x[k] = gb_von_mises_draw(kappa[i], gb_rng_key(3, GB_RNG_TEST, k, i));
    qsort(x, N, sizeof *x, increasing);
    assert_true(x[0] >= -M_PI && x[N - 1] <= M_PI);
    double reach = fmin(M_PI, 12 / sqrt(fmax(kappa[i], 1e-3))), worst = 0;
    long double norm = integral(kappa[i], -reach, reach, 0, 0), below = 0;
    for (size_t k = 0; k < N; k += 40) { /* between the points looked at, the distance changes by 40 / N at most */
      below += integral(kappa[i], k ? x[k - 40] : -reach, x[k], 0, 0);
      worst = fmax(worst, fabs((double)(below / norm) - (double)k / N));
    }
    CHECK_NEAR(worst, 0, 1.95 / sqrt(N) + 40.0 / N);
  }
}

/* The float versions for network data, over all the kappa that a spread can give, and around their switch at 6. */
static void loops_have_their_accuracy(void **state)
{
  (void)state;
  for (double kappa = 1e-9; kappa < 1e9; kappa *= 1.003) {
    float k = (float)kappa, less, lack;
    double log_less, one_minus;
    gb_von_mises_less(k, &less, &lack);
    kappa = (double)k;
    log_less = gb_von_mises_log_i0(kappa) - kappa;
    one_minus =
        kappa < 1e4 ? kappa * (1 - gb_von_mises_length(kappa)) : 0.5 + 1 / (8 * kappa) + 1 / (8 * kappa * kappa);
    CHECK_NEAR((double)less, log_less, 1.5e-6 * fmax(1, fabs(log_less)));
    CHECK_NEAR((double)lack, one_minus, 1.5e-6);
  }
  float less, lack;
  gb_von_mises_less(0, &less, &lack);
  assert_true(less == 0 && lack == 0);
  gb_von_mises_less(NAN, &less, &lack);
  assert_true(isnan(less) && isnan(lack));
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(functions_have_their_accuracy), TEST(slope_is_a_variance),
                                     TEST(move_is_the_implicit_derivative), TEST(draws_follow_the_distribution),
                                     TEST(loops_have_their_accuracy)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
