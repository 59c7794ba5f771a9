/* tests/unit/test_logistic.c - logistic regression against closed forms. */
#include "linalg/logistic.h"

#include <math.h>

#include "check.h"

/* With one number that is 0 or 1 the fitted probabilities are the shares of yes. */
static void test_shares(void **state)
{
  enum { N = 30 };
  double x[N], w[2];
  bool yes[N];
  (void)state;
  for (int i = 0; i < N; i++) {
    x[i] = i < 10 ? 0 : 1;
    yes[i] = i < 10 ? i < 3 : i < 25; /* 3 of 10, 15 of 20 */
  }
  CHECK_OK(gb_logistic_fit(N, 1, x, yes, 0, w));
  CHECK_NEAR(w[0], log(0.3 / 0.7), 1e-8);
  CHECK_NEAR(w[0] + w[1], log(0.75 / 0.25), 1e-8);
}

/* Two points at -1 and 1: w_0 = 0, and ridge * w = 2 / (1 + exp(w)). */
static void test_ridge(void **state)
{
  const double x[] = {-1, 1};
  const bool yes[] = {false, true};
  double w[2];
  (void)state;
  CHECK_OK(gb_logistic_fit(2, 1, x, yes, 0.5, w));
  CHECK_NEAR(w[0], 0, 1e-8);
  CHECK_NEAR(0.5 * w[1], 2 / (1 + exp(w[1])), 1e-8);
}

/* What a plane separates is separated, whatever the units. */
static void test_separates(void **state)
{
  enum { N = 200 };
  double x[2 * N], w[3];
  bool yes[N];
  (void)state;
  for (int i = 0; i < N; i++) {
    x[2 * i] = cos(7.0 * i);
    x[2 * i + 1] = 100 * sin(3.0 * i * i);
    yes[i] = x[2 * i] - 0.01 * x[2 * i + 1] > 0.2;
  }
  CHECK_OK(gb_logistic_fit(N, 2, x, yes, 1e-6, w));
  for (int i = 0; i < N; i++) assert_true((gb_logistic_score(2, x + 2 * i, w) > 0) == yes[i]);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_shares), cmocka_unit_test(test_ridge),
                                     cmocka_unit_test(test_separates)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
