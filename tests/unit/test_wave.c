/* tests/unit/test_wave.c - numbers of curves against closed forms. */
#include "report/wave.h"

#include <math.h>

#include "check.h"

static void test_rest(void **state)
{
  const double rises[] = {-2, -1, -1, 0, 5}, falls[] = {3, 2, 2, -1, -7}, dent[] = {0, 3, 1, 4, 5};
  const double of_dent[] = {0, 1, -1, 0, 0}; /* 3 and 1 are pooled */
  double rest[5];
  (void)state;
  CHECK_OK(gb_wave_rest(5, rises, rest));
  CHECK_NEAR(gb_wave_range(5, rest), 0, 1e-15);
  CHECK_OK(gb_wave_rest(5, falls, rest));
  CHECK_NEAR(gb_wave_range(5, rest), 0, 1e-15);
  CHECK_OK(gb_wave_rest(5, dent, rest));
  for (int i = 0; i < 5; i++) CHECK_NEAR(rest[i], of_dent[i], 1e-15);
}

static void test_bin(void **state)
{
  enum { N = 48 };
  double x[N];
  (void)state;
  for (int i = 0; i < N; i++) x[i] = 9 + 0.4 * cos(2 * M_PI * 2 * i / N) + sin(2 * M_PI * 5 * i / N + 1);
  assert_int_equal(gb_wave_bin(N, x), 5);
}

static void test_trend(void **state)
{
  const double up[] = {1, 2, 30}, down[] = {4, 3, -1}, ties[] = {1, 1, 2}, flat[] = {2, 2, 2};
  (void)state;
  CHECK_NEAR(gb_wave_trend(3, up), 1, 1e-15);
  CHECK_NEAR(gb_wave_trend(3, down), -1, 1e-15);
  CHECK_NEAR(gb_wave_trend(3, ties), sqrt(0.75), 1e-15); /* ranks 0.5, 0.5, 2 */
  assert_true(isnan(gb_wave_trend(3, flat)));
}

/* Of 1, 2, 3, 4 about 2.5 the squares are 5; described as 1, 2, 3, 3 one is missed by 1. */
static void test_r2(void **state)
{
  (void)state;
  CHECK_NEAR(gb_wave_r2(4, 1, 10, 30), 0.8, 1e-15);
  CHECK_NEAR(gb_wave_r2(4, 5, 10, 30), 0, 1e-15); /* no better than the mean */
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_rest), cmocka_unit_test(test_bin),
                                     cmocka_unit_test(test_trend), cmocka_unit_test(test_r2)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
