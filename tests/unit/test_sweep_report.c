/* tests/unit/test_sweep_report.c - means, Pareto fronts and the linear curve of a sweep's report. */
#include "report/sweep_report.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "check.h"
#include "linalg/linear.h"

static void means_leave_out_what_is_not_there(void **state)
{
  (void)state;
  gb_sweep_mean m = gb_sweep_mean_of(4, (double[]){1, NAN, 3, 8});
  CHECK(m.n == 3);
  CHECK_NEAR(m.mean, 4, 1e-15);
  CHECK_NEAR(m.error, sqrt(26.0 / 6), 1e-15);
  m = gb_sweep_mean_of(2, (double[]){NAN, 5});
  CHECK(m.n == 1);
  CHECK_NEAR(m.mean, 5, 0);
  CHECK_NEAR(m.error, 0, 0);
  CHECK(gb_sweep_mean_of(1, (double[]){INFINITY}).n == 0);
}

static void check_front(size_t n, const double *a, const double *b, const char *expected)
{
  bool front[8];
  char text[9] = "";
  CHECK_OK(gb_sweep_front(n, a, b, front));
  for (size_t i = 0; i < n; i++) text[i] = front[i] ? '1' : '0';
  assert_string_equal(text, expected);
}

/* By the definition, with many equal values. */
static void fronts_of_any_points(void **state)
{
  enum { N = 40, CASES = 200 };
  (void)state;
  for (uint64_t k = 0; k < CASES; k++) {
    double a[N], b[N];
    bool front[N];
    for (uint64_t i = 0; i < N; i++) {
      uint32_t w[4];
      gb_rng_block(gb_rng_key(k, GB_RNG_TEST, i, 0), 0, w);
      a[i] = w[2] % 16 ? (double)(w[0] % 12) : NAN;
      b[i] = (double)(w[1] % 12);
    }
    CHECK_OK(gb_sweep_front(N, a, b, front));
    for (int i = 0; i < N; i++) {
      bool beaten = !isfinite(a[i]);
      for (int j = 0; j < N; j++) beaten = beaten || (a[j] <= a[i] && b[j] <= b[i] && (a[j] < a[i] || b[j] < b[i]));
      CHECK(front[i] == !beaten);
    }
  }
}

static void fronts(void **state)
{
  (void)state;
  check_front(5, (double[]){0, 1, 2, 1, 3}, (double[]){9, 5, 5, 6, 1}, "11001");
  check_front(3, (double[]){1, 1, 1}, (double[]){2, 2, 3}, "110"); /* equal ones do not push each other out */
  check_front(3, (double[]){1, NAN, 0}, (double[]){2, 0, NAN}, "100");
}

/* At its optimum the beta-ELBO with fitted noise is on the curve: error / n is its noise, the level beta times that. */
static void linear_optima_lie_on_the_curve(void **state)
{
  enum { N = 6, M = 3 };
  static const double lam[N] = {9, 4, 1.5, 0.6, 0.3, 0.1};
  gb_spectrum of = {N, lam};
  double S[M], rate, error;
  (void)state;
  for (double beta = 0.4; beta < 4; beta *= 1.7) {
    gb_optimum x;
    CHECK_OK(gb_linear_elbo(of, M, beta, 0, S, &x));
    gb_linear_rate(of, M, beta * x.v[GB_LINEAR_NOISE], &rate, &error);
    CHECK_NEAR(rate, x.v[GB_LINEAR_RATE], 1e-9);
    CHECK_NEAR(gb_sweep_distortion(N, error), x.v[GB_LINEAR_DISTORTION], 1e-9);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(means_leave_out_what_is_not_there), TEST(fronts), TEST(fronts_of_any_points),
                                     TEST(linear_optima_lie_on_the_curve)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
