/* tests/unit/test_vmath.c - exp and tanh of floats against libm in double, over the whole line. */
#include "linalg/vmath.h"

#include "base/real.h"
#include "check.h"

static float from_bits(uint32_t bits)
{
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static uint32_t to_bits(float x)
{
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

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

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(exp_is_near), TEST(exp_saturates), TEST(nan_stays_nan), TEST(tanh_is_near),
                                     TEST(vectors_and_scalars_agree)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
