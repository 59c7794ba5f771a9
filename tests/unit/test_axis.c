/* tests/unit/test_axis.c - axes in words: what is understood, what is refused, and the values. */
#include "sweep/axis.h"

#include "base/mem.h"
#include "check.h"

/* The listed values with blanks between, or the value at u. */
static void check_values(const char *text, bool whole, const char *expected)
{
  gb_axis a;
  gb_text t = {0};
  CHECK_OK(gb_axis_parse(text, &a));
  CHECK_OK(gb_axis_settle(&a, whole, true));
  for (size_t i = 0; i < a.n; i++) gb_text_add(&t, "%s%s", i ? " " : "", a.value[i]);
  assert_string_equal(t.s, expected);
  gb_text_free(&t);
  gb_axis_free(&a);
}

static void lists(void **state)
{
  (void)state;
  check_values("a.b values 1 2 3", false, "1 2 3");
  check_values("  a.b   values\tfixed  learned ", false, "fixed learned");
  check_values("a.b values [dense 4, dense 8] [dense 16] {min: 1, max: 2, count: 3}", false,
               "[dense 4, dense 8] [dense 16] {min: 1, max: 2, count: 3}");
  check_values("a.b values \"x y\" 'u v'", false, "\"x y\" 'u v'");
  check_values("a.b linear 0 1 count 5", false, "0 0.25 0.5 0.75 1");
  check_values("a.b linear -1 1 count 2", false, "-1 1");
  check_values("a.b linear 0.1 0.7 count 4", false, "0.1 0.3 0.5 0.7");
  check_values("a.b log 1e-3 10 count 5", false, "0.001 0.01 0.1 1 10");
  check_values("a.b log 1 2 count 3", false, "1 1.4142136 2");
  check_values("a.b integer 2 6", false, "2 3 4 5 6");
  check_values("a.b integer 2 12 count 3", false, "2 7 12");
  check_values("a.b log 2 64 count 6", true, "2 4 8 16 32 64");
  check_values("a.b log 1 10 count 8", true, "1 2 3 4 5 7 10"); /* what rounds to the same is listed once */
}

static void refusals(void **state)
{
  (void)state;
  static const struct {
    const char *text, *message;
  } table[] = {{"", "does not begin with a key"},
               {"beta log 1 2", "does not begin with a key"},
               {".b log 1 2", "does not begin with a key"},
               {"a. log 1 2", "does not begin with a key"},
               {"a.b", "none of values, linear, log, integer"},
               {"a.b logarithmic 1 2", "none of values, linear, log, integer"},
               {"a.b values", "no value is given"},
               {"a.b values [dense 4", "is not closed"},
               {"a.b values 'x", "is not closed"},
               {"a.b log 1", "two numbers are expected"},
               {"a.b log 1 2 3", "two numbers are expected"},
               {"a.b log 1 2 cnt 3", "two numbers are expected"},
               {"a.b log 1 x", "must be numbers"},
               {"a.b linear nan 1", "must be numbers"},
               {"a.b linear 0 inf", "must be numbers"},
               {"a.b log 2 1", "MIN must be below MAX"},
               {"a.b linear 1 1", "MIN must be below MAX"},
               {"a.b log 0 1", "needs MIN above 0"},
               {"a.b log -1 1", "needs MIN above 0"},
               {"a.b integer 0.5 2", "must be integers"},
               {"a.b log 1 2 count 1", "from 2 to 10000"},
               {"a.b log 1 2 count 2.5", "from 2 to 10000"},
               {"a.b log 1 2 count 10001", "from 2 to 10000"}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    gb_axis a;
    CHECK_FAILS(gb_axis_parse(table[i].text, &a), GB_ERR_CONFIG, table[i].message);
    gb_axis_free(&a);
    CHECK_FAILS(gb_axis_parse(table[i].text, &a), GB_ERR_CONFIG, "Write \"section.key values A B C\"");
    gb_axis_free(&a);
  }
  gb_axis a;
  CHECK_OK(gb_axis_parse("a.b log 1 2", &a));
  CHECK_FAILS(gb_axis_settle(&a, false, true), GB_ERR_CONFIG, "add count N");
  gb_axis_free(&a);
  CHECK_OK(gb_axis_parse("a.b integer 0 10000", &a));
  CHECK_FAILS(gb_axis_settle(&a, false, true), GB_ERR_CONFIG, "more than 10000");
  gb_axis_free(&a);
}

static void value_at(const char *text, bool whole, double u, const char *expected)
{
  gb_axis a;
  gb_text t = {0};
  CHECK_OK(gb_axis_parse(text, &a));
  CHECK_OK(gb_axis_settle(&a, whole, false));
  gb_axis_value(&a, u, &t);
  assert_string_equal(t.s, expected);
  gb_text_free(&t);
  gb_axis_free(&a);
}

/* Between the ends, for random and Sobol designs; lists and counts stay lists. */
static void values_between(void **state)
{
  (void)state;
  value_at("a.b linear 2 4", false, 0.5, "3");
  value_at("a.b linear 2 4", false, 0, "2");
  value_at("a.b log 0.01 100", false, 0.5, "1");
  value_at("a.b log 0.01 100", false, 0.75, "10");
  value_at("a.b log 1 1024", true, 0.55, "45"); /* 2^5.5 = 45.25 */
  value_at("a.b integer 3 5", false, 0, "3");
  value_at("a.b integer 3 5", false, 0.34, "4");
  value_at("a.b integer 3 5", false, 0.67, "5");
  value_at("a.b integer 3 5", false, 0.9999999999, "5");
  value_at("a.b values x y z", false, 0.9999999999, "z");
  value_at("a.b values x y z", false, 0.34, "y");
  value_at("a.b log 1 100 count 3", false, 0.4, "10");
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(lists), TEST(refusals), TEST(values_between)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
