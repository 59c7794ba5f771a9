/* tests/unit/test_vmath.c - functions of floats against libm in double, over the whole line. */
#include "linalg/vmath.h"

#include "base/real.h"
#include "check.h"
#include "unit/bits.h"

enum { STRIDE = 101 }; /* of about 2^30 floats on either side of 0, denormal ones included: every 101st */

/* The promise of the header, relative error 2e-7, is 3.4 units of 2^-24. */
static void exp_is_near(void **state)
{
  (void)state;
  for (int negative = 0; negative < 2; negative++) {
    uint32_t last = to_bits(negative ? 87.0f : 88.0f);
    double worst = 0, at = 0;
    for (uint32_t b = 0; b <= last; b += STRIDE) {
      float x = negative ? -from_bits(b) : from_bits(b);
      double exact = exp((double)x), error = fabs((double)gb_exp(x) - exact) / exact;
      if (!(error <= worst)) worst = error, at = x; /* NaN too */
    }
    if (!(worst < 2e-7)) fail_msg("gb_exp(%.9g) has a relative error of %.3g", at, worst);
  }
  assert_true(gb_exp(0.0f) == 1 && gb_exp(-0.0f) == 1);
}

/* The limits themselves, and beyond them: no overflow, no denormal number, no wrap-around of the exponent. */
static void exp_saturates(void **state)
{
  (void)state;
  static const float beyond[] = {88.00001f, 88.8f, 89, 127, 128, 1e3f, 1e10f, 3e38f, INFINITY};
  CHECK_NEAR((double)gb_exp(88) / exp(88), 1, 2e-7);
  CHECK_NEAR((double)gb_exp(-87) / exp(-87), 1, 2e-7);
  for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
    assert_true(gb_exp(beyond[i]) == gb_exp(88));
    assert_true(gb_exp(-beyond[i]) == gb_exp(-87));
  }
}

/* A NaN must reach the loss, where it ends the training with a message. */
static void nan_stays_nan(void **state)
{
  (void)state;
  float x[19], e[19], t[19]; /* an array: the vectorised loop, with a rest */
  for (size_t i = 0; i < 19; i++) x[i] = i % 3 ? NAN : 1;
  for (size_t i = 0; i < 19; i++) {
    e[i] = gb_exp(x[i]);
    t[i] = gb_tanh(x[i]);
  }
  for (size_t i = 0; i < 19; i++) assert_true(isnan(e[i]) == (i % 3 != 0) && isnan(t[i]) == (i % 3 != 0));
}

static void tanh_is_near(void **state)
{
  (void)state;
  double worst = 0, at = 0;
  for (uint32_t b = 0; b <= to_bits(INFINITY); b += STRIDE) {
    float x = from_bits(b), y = gb_tanh(x);
    double error = fabs((double)y - tanh((double)x));
    if (!(error <= worst)) worst = error, at = x;
    if (gb_tanh(-x) != -y || y > 1) fail_msg("gb_tanh(+-%.9g) = +-%.9g", (double)x, (double)y);
  }
  if (!(worst < 2e-7)) fail_msg("gb_tanh(%.9g) has an error of %.3g", at, worst);
  assert_true(gb_tanh(INFINITY) == 1 && gb_tanh(-INFINITY) == -1 && gb_tanh(30) == 1 && gb_tanh(0) == 0);
}

/* A loop over an array is vectorised, a single call is not: the same bits, or results would depend on where a sample
 * stands in its batch. */
static void vectors_and_scalars_agree(void **state)
{
  (void)state;
  enum { N = 1 << 16 };
  static float x[N + 16], y[N + 16], z[N + 16];
  for (size_t i = 0; i < N + 16; i++) x[i] = (float)sin(1.7 * (double)i) * 90;
  for (size_t i = 0; i < N; i++) {
    y[i] = gb_exp(x[i]);
    z[i] = gb_tanh(x[i] / 16);
  }
  for (size_t i = 0; i < N; i++) {
    volatile float one = x[i];
    assert_true(gb_exp(one) == y[i] && gb_tanh(one / 16) == z[i]);
  }
}

/* Angles up to 8192, and any number of half turns. Near 0 the sine keeps its digits. */
static void circle_is_near(void **state)
{
  (void)state;
  double worst = 0, worst_turn = 0, worst_small = 0;
  for (uint32_t b = 0; b <= to_bits(8192); b += 5 * STRIDE)
    for (int negative = 0; negative < 2; negative++) {
      float x = negative ? -from_bits(b) : from_bits(b), c, s;
      gb_circle(x, &c, &s);
      worst = fmax(worst, fmax(fabs((double)c - cos((double)x)), fabs((double)s - sin((double)x))));
      if (fabsf(x) < 0.5f && b > to_bits(1e-30f)) worst_small = fmax(worst_small, fabs((double)s / sin((double)x) - 1));
    }
  for (uint32_t b = 0; b <= to_bits(3e38f); b += 9 * STRIDE)
    for (int negative = 0; negative < 2; negative++) {
      float x = negative ? -from_bits(b) : from_bits(b), c, s;
      double a = M_PI * remainder((double)x, 2);
      gb_circle_half_turns(x, &c, &s);
      worst_turn = fmax(worst_turn, fmax(fabs((double)c - cos(a)), fabs((double)s - sin(a))));
    }
  CHECK(worst > 1e-8 && worst_turn > 1e-8);
  CHECK_NEAR(worst, 0, 1.5e-7);
  CHECK_NEAR(worst_turn, 0, 1.5e-7);
  CHECK_NEAR(worst_small, 0, 2e-7);
}

/* Against libm in long double, where there are more digits. Small angles keep theirs; NaN stays; a loop has the bits of
 * single calls. */
static void circle_in_double_is_near(void **state)
{
  (void)state;
  enum { N = 1 << 20, BLOCK = 1 << 10 };
  static double x[BLOCK], c[BLOCK], s[BLOCK];
  double worst = 0, worst_small = 0;
  for (size_t first = 0; first < N; first += BLOCK) {
    for (size_t i = 0; i < BLOCK; i++) {
      double k = (double)(first + i) / N;
      x[i] = i % 3 == 0 ? 1e4 * (2 * k - 1) : i % 3 == 1 ? rint(6366 * k) * M_PI_4 * (1 + 1e-9 * k) : pow(10, -9 * k);
    }
    for (size_t i = 0; i < BLOCK; i++) gb_circle_double(x[i], c + i, s + i);
    for (size_t i = 0; i < BLOCK; i++) {
      double one_c, one_s;
      volatile double one = x[i];
      gb_circle_double(one, &one_c, &one_s);
      assert_true(one_c == c[i] && one_s == s[i]);
      worst = fmax(worst, (double)fmaxl(fabsl(c[i] - cosl(x[i])), fabsl(s[i] - sinl(x[i]))));
      if (fabs(x[i]) < 0.7 && x[i] != 0) worst_small = fmax(worst_small, (double)fabsl(s[i] / sinl(x[i]) - 1));
    }
  }
  CHECK(worst > 1e-17 && worst_small > 1e-17);
  CHECK_NEAR(worst, 0, 2.3e-16);
  CHECK_NEAR(worst_small, 0, 2.3e-16);
  x[0] = NAN;
  gb_circle_double(x[0], c, s);
  assert_true(isnan(c[0]) && isnan(s[0]));
}

/* All around the circle, of long and short vectors; small angles keep their digits; a vector of no length has angle 0.
 */
static void angle_is_near(void **state)
{
  (void)state;
  double worst = 0, worst_small = 0;
  for (int i = 0; i < 1 << 20; i++) {
    double a = M_PI * (2 * (i + 0.5) / (1 << 20) - 1), length = exp(sin(0.7 * i) * 20);
    float c = (float)(length * cos(a)), s = (float)(length * sin(a));
    worst = fmax(worst, fabs((double)gb_angle(c, s) - atan2((double)s, (double)c)));
  }
  for (double a = 1e-20; a < 0.4; a *= 1.01) {
    float c = (float)cos(a), s = (float)-sin(a);
    worst_small = fmax(worst_small, fabs((double)gb_angle(c, s) / atan2((double)s, (double)c) - 1));
  }
  CHECK(worst > 1e-8);
  CHECK_NEAR(worst, 0, 3.3e-7);
  CHECK_NEAR(worst_small, 0, 8e-7);
  assert_true(gb_angle(0, 0) == 0 && gb_angle(1, 0) == 0);
  assert_true(isnan(gb_angle(NAN, 1)) && isnan(gb_angle(1, NAN)));
}

static void log_is_near(void **state)
{
  (void)state;
  double worst = 0;
  for (uint32_t b = to_bits(1.2e-38f); b <= to_bits(3e38f); b += 5 * STRIDE) {
    float x = from_bits(b);
    double exact = log((double)x);
    if (exact != 0) worst = fmax(worst, fabs((double)gb_log(x) - exact) / fabs(exact));
  }
  CHECK(worst > 1e-8);
  CHECK_NEAR(worst, 0, 3e-7);
  assert_true(gb_log(1) == 0);
}

/* Sums in double lose nothing of floats whose sum is exact; every length of the rest. */
static void sums_are_double(void **state)
{
  (void)state;
  enum { N = 133 };
  float x[N];
  for (size_t n = 0; n <= N; n++) {
    double expected = 0;
    for (size_t i = 0; i < n; i++) {
      x[i] = i % 2 ? 1 : 0x1p27f * (float)(i + 1); /* 1 is lost in a float sum */
      expected += (double)x[i];
    }
    assert_true(gb_sum(n, x) == expected);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(exp_is_near),     TEST(exp_saturates),
                                     TEST(nan_stays_nan),   TEST(tanh_is_near),
                                     TEST(circle_is_near),  TEST(circle_in_double_is_near),
                                     TEST(angle_is_near),   TEST(log_is_near),
                                     TEST(sums_are_double), TEST(vectors_and_scalars_agree)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
