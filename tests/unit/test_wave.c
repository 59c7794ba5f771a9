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

/* Between two bins, and at both ends of what there is. */
static void test_frequency(void **state)
{
  enum { N = 64 };
  static const double known[] = {0.5, 2.4375, 7.5, 12.25, 32};
  double x[N];
  (void)state;
  for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
    for (int i = 0; i < N; i++) x[i] = cos(2 * M_PI * known[k] * i / N - M_PI * known[k]); /* even about the middle */
    CHECK_NEAR(gb_wave_frequency(N, x), known[k], known[k] < 1 ? 0.25 : 1. / 16);
  }
}

/* A mixture without what it has of one part is, but for a factor, the same for all shares. */
static void test_apart(void **state)
{
  enum { N = 40 };
  double x[N], other[N], mixed[N], first[N], apart[N], inner = 0;
  (void)state;
  for (int i = 0; i < N; i++) {
    x[i] = 0.3 + sin(0.5 * i);
    other[i] = 2 + tanh(0.2 * (i - 22));
  }
  gb_wave_apart(N, x, other, first);
  for (int i = 0; i < N; i++) inner += first[i] * other[i];
  CHECK_NEAR(inner, 0, 1e-12);
  for (int k = 1; k < 9; k++) {
    double t = k / 9.;
    for (int i = 0; i < N; i++) mixed[i] = (1 - t) * x[i] + t * other[i];
    gb_wave_apart(N, mixed, other, apart);
    for (int i = 0; i < N; i++) CHECK_NEAR(apart[i], (1 - t) * first[i], 1e-14);
  }
  for (int i = 0; i < N; i++) other[i] = 5; /* has nothing to take away */
  gb_wave_apart(N, x, other, apart);
  for (int i = 0; i < N; i++) CHECK_NEAR(apart[i] - apart[0], x[i] - x[0], 1e-14);
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
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_rest),      cmocka_unit_test(test_bin),
                                     cmocka_unit_test(test_frequency), cmocka_unit_test(test_apart),
                                     cmocka_unit_test(test_trend),     cmocka_unit_test(test_r2)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
