/* tests/unit/test_rows.c - ranges, draws, noise and failures of simulated rows. */
#include "sim/rows.h"

#include "check.h"

static gb_reals pair(double low, double high)
{
  static double v[2];
  v[0] = low;
  v[1] = high;
  return (gb_reals){2, v};
}

static void ranges(void **state)
{
  (void)state;
  static const double inside[] = {1, 2};
  gb_reals drawn = {2, inside};
  CHECK_OK(gb_range_check("a.b", pair(1, 1)));
  CHECK_FAILS(gb_range_check("a.b", pair(2, 1)), GB_ERR_CONFIG, "a.b = [2, 1]: the first number is above the second");
  CHECK_FAILS(gb_range_check("a.b", (gb_reals){1, inside}), GB_ERR_CONFIG, "a.b has 1 numbers: give two");
  CHECK_OK(gb_box_check("a.box", pair(1, 2), "a.b", drawn));
  CHECK_FAILS(gb_box_check("a.box", pair(1.5, 3), "a.b", drawn), GB_ERR_CONFIG,
              "a.box = [1.5, 3] does not contain a.b = [1, 2]");
  CHECK_FAILS(gb_box_check("a.box", pair(0, 1.5), "a.b", drawn), GB_ERR_CONFIG, "does not contain");
  CHECK_FAILS(gb_box_check("a.box", pair(1, 1), "a.b", drawn), GB_ERR_CONFIG, "is empty");
}

/* Uniform: mean and variance within five standard errors; neither seed, row nor number share draws. */
static void draws(void **state)
{
  (void)state;
  enum { N = 20000 };
  double sum = 0, square = 0, a = gb_row_draw(1, 2, 3, pair(0, 1));
  for (uint64_t r = 0; r < N; r++) {
    double x = gb_row_draw(9, r / 10, (uint32_t)(r % 10), pair(-1, 3));
    assert_true(x > -1 && x < 3);
    sum += x;
    square += (x - 1) * (x - 1);
  }
  CHECK_NEAR(sum / N, 1, 5 * sqrt(16 / 12.0 / N));
  CHECK_NEAR(square / N, 16 / 12.0, 5 * sqrt(256 / 180.0 / N));
  assert_true(a == gb_row_draw(1, 2, 3, pair(0, 1)) && a != gb_row_draw(1, 2, 2, pair(0, 1)));
  assert_true(a != gb_row_draw(1, 1, 3, pair(0, 1)) && a != gb_row_draw(0, 2, 3, pair(0, 1)));
  assert_true(a != gb_row_draw(1, 2, 7, pair(0, 1)));
  assert_true(gb_row_draw(1, 2, 3, pair(0.7, 0.7)) == 0.7);
}

static void noise(void **state)
{
  (void)state;
  enum { N = 10000 };
  static double exact[N];
  static float x[N], y[N];
  double sum = 0, square = 0;
  for (size_t i = 0; i < N; i++) exact[i] = 3;
  CHECK_OK(gb_row_observe(5, 6, 0.5, N, exact, x));
  CHECK_OK(gb_row_observe(5, 7, 0.5, N, exact, y));
  for (size_t i = 0; i < N; i++) {
    sum += (double)x[i] - 3;
    square += ((double)x[i] - 3) * ((double)x[i] - 3);
  }
  CHECK_NEAR(sum / N, 0, 5 * 0.5 / sqrt(N));
  CHECK_NEAR(sqrt(square / N), 0.5, 5 * 0.5 / sqrt(2.0 * N));
  CHECK(memcmp(x, y, sizeof x));
  CHECK_OK(gb_row_observe(5, 7, 0, N, exact, y));
  for (size_t i = 0; i < N; i++) assert_true(y[i] == 3);
}

static gb_err fails(void)
{
  return GB_FAIL(GB_ERR_NUMERIC, "no solution");
}

static void failures_name_the_row(void **state)
{
  (void)state;
  static const gb_var truth[] = {{"omega", "1/s", "One."}, {"damping", "1/s", "Two."}};
  static const double value[] = {1.5, 0.25};
  assert_int_equal(gb_row_failed(GB_OK, 12, 2, truth, value), GB_OK);
  assert_string_equal(gb_err_message(), "");
  CHECK_FAILS(gb_row_failed(fails(), 12, 2, truth, value), GB_ERR_NUMERIC,
              "row 12 (omega = 1.5, damping = 0.25): no solution");
}

/* A unit that lists names is that of a class; other units, and classes beyond the list, are no names. */
static void classes(void **state)
{
  static const gb_var curve = {"kind", "sine, sigmoid, flat", "One of three."},
                      rate = {"rate", "1/(nM min)", "No class."};
  char name[32];
  (void)state;
  assert_int_equal(gb_var_classes(&curve), 3);
  assert_int_equal(gb_var_classes(&rate), 0);
  assert_string_equal(gb_class_name(curve.unit, 0, name), "sine");
  assert_string_equal(gb_class_name(curve.unit, 2, name), "flat");
  assert_string_equal(gb_class_name(curve.unit, 3, name), "3");
  assert_string_equal(gb_class_name(rate.unit, 0, name), "0");
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(ranges), TEST(draws), TEST(noise), TEST(failures_name_the_row),
                                     TEST(classes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
