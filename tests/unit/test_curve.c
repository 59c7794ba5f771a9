/* tests/unit/test_curve.c - what curves do, of curves in closed form. */
#include "sim/curve.h"

#include "check.h"

enum { N = 128 };

typedef double (*form)(double t);

static double sine(double t)
{
  return 3 + 2 * sin(2 * M_PI * t / 0.13);
}
static double settles_first(double t) /* a high spike before */
{
  return sine(t) + 200 * exp(-t / 0.03);
}
static double dying(double t)
{
  return 1 + exp(-3 * t) * cos(2 * M_PI * t / 0.11);
}
static double growing(double t)
{
  return exp(0.5 * t) * cos(2 * M_PI * t / 0.11);
}
static double rise(double t)
{
  return 5 + tanh(12 * (t - 0.4));
}
static double fall(double t)
{
  return -rise(t);
}
static double decay(double t)
{
  return exp(-6 * t);
}
static double line(double t)
{
  return 3 * t;
}
static double rest(double t)
{
  (void)t;
  return 7;
}
static double hump(double t)
{
  return exp(-40 * (t - 0.5) * (t - 0.5));
}

static void behaviours(void **state)
{
  (void)state;
  static const struct {
    const char *name;
    form f;
    gb_behaviour behaviour;
    double period, amplitude; /* amplitude 0: not checked */
  } cases[] = {
      {"sine", sine, GB_CURVE_SUSTAINED, 0.13, 4}, {"settles first", settles_first, GB_CURVE_SUSTAINED, 0.13, 4},
      {"dying", dying, GB_CURVE_DAMPED, 0.11, 0},  {"growing", growing, GB_CURVE_SUSTAINED, 0.11, 0},
      {"rise", rise, GB_CURVE_SIGMOID, 0, 2},      {"fall", fall, GB_CURVE_SIGMOID, 0, 2},
      {"decay", decay, GB_CURVE_STEADY, 0, 1},     {"line", line, GB_CURVE_STEADY, 0, 3},
      {"rest", rest, GB_CURVE_STEADY, 0, 0},       {"hump", hump, GB_CURVE_STEADY, 0, 1}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    double x[2 * N], out[GB_CURVE_NUMBERS];
    for (size_t i = 0; i < N; i++) {
      x[2 * i] = cases[k].f((double)i / (N - 1));
      x[2 * i + 1] = sin((double)i); /* beside it: not looked at */
    }
    gb_curve c = gb_curve_describe(N, 2, x, 1.0 / (N - 1));
    if (c.behaviour != cases[k].behaviour) fail_msg("%s is called %s", cases[k].name, gb_behaviour_name[c.behaviour]);
    CHECK_NEAR(c.period, cases[k].period, 0.01 * cases[k].period);
    if (cases[k].amplitude > 0) CHECK_NEAR(c.amplitude, cases[k].amplitude, 0.01 * cases[k].amplitude);
    gb_curve_numbers(&c, out);
    CHECK(out[GB_CURVE_BEHAVIOUR] == c.behaviour && out[GB_CURVE_PERIOD] == c.period &&
          out[GB_CURVE_AMPLITUDE] == c.amplitude);
  }
}

/* Of a curve that is not known so well: seen, or not. */
static void small_swings(void **state)
{
  (void)state;
  double x[N];
  for (size_t i = 0; i < N; i++) x[i] = 0.1 * sin(2 * M_PI * (double)i / 16);
  CHECK(gb_curve_describe_above(N, 1, x, 1, 0).behaviour == GB_CURVE_SUSTAINED);
  CHECK(gb_curve_describe_above(N, 1, x, 1, 0.19).behaviour == GB_CURVE_SUSTAINED);
  CHECK(gb_curve_describe_above(N, 1, x, 1, 0.21).behaviour == GB_CURVE_STEADY);
}

/* The shortest curves have no behaviour, and nothing beyond their ends is read. */
static void short_curves(void **state)
{
  (void)state;
  static const double x[] = {1, 5, 2, 9, 3, 7, 1};
  for (size_t n = 2; n <= sizeof x / sizeof *x; n++) {
    gb_curve c = gb_curve_describe(n, 1, x, 1);
    CHECK(isfinite(c.period) && isfinite(c.amplitude));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(behaviours), TEST(small_swings), TEST(short_curves)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
