/* tests/unit/test_activation.c - activations of float networks against libm in double, their slopes against
 * differences, and what happens far out and to NaN. */
#include "linalg/activation.h"

#include "check.h"

static double exact(gb_activation a, double x)
{
  switch (a) {
  case GB_NONE: return x;
  case GB_RELU: return fmax(x, 0);
  case GB_LEAKY_RELU: return x < 0 ? 0.2 * x : x;
  case GB_ELU: return x < 0 ? expm1(x) : x;
  case GB_GELU: return x * erfc(-x / sqrt(2)) / 2;
  case GB_TANH: return tanh(x);
  case GB_SIGMOID: return 1 / (1 + exp(-x));
  case GB_SOFTPLUS: return fmax(x, 0) + log1p(exp(-fabs(x)));
  }
  return NAN;
}

enum { N = 1001 };

/* -10 to 10 without 0, where some have a kink. */
static void fill(float x[N])
{
  for (int i = 0; i < N; i++) x[i] = (float)(i - N / 2) * 0.02f + 0.003f;
}

static void values_and_slopes(void **state)
{
  (void)state;
  for (int k = GB_NONE; k <= GB_SOFTPLUS; k++) {
    gb_activation a = (gb_activation)k;
    float x[N], y[N], g[N];
    fill(x);
    fill(y);
    gb_activate(k, N, y);
    for (int i = 0; i < N; i++) g[i] = 2;
    gb_activate_vjp(k, N, gb_activation_is_monotone(a) ? y : x, g);
    for (int i = 0; i < N; i++) {
      double at = (double)x[i], slope = (exact(a, at + 1e-4) - exact(a, at - 1e-4)) / 2e-4;
      CHECK_NEAR((double)y[i], exact(a, at), 1e-6 * fmax(1, fabs(at)));
      CHECK_NEAR((double)g[i], 2 * slope, 3e-6);
    }
  }
}

static void far_out(void **state)
{
  (void)state;
  for (int k = GB_NONE; k <= GB_SOFTPLUS; k++) {
    float y[] = {-1e4f, 1e4f, NAN};
    gb_activate(k, 3, y);
    CHECK_NEAR((double)y[0], exact((gb_activation)k, -1e4), 1e-6);
    CHECK_NEAR((double)y[1], exact((gb_activation)k, 1e4), 1e-6);
    CHECK(isnan(y[2]));
  }
}

/* Names and numbers belong together, and the list for messages has all of them. */
static void names(void **state)
{
  (void)state;
  char list[] = GB_ACTIVATIONS;
  int n = 0;
  for (char *word = strtok(list, "|"); word; word = strtok(NULL, "|")) assert_int_equal(gb_activation_find(word), n++);
  assert_int_equal(n, GB_SOFTPLUS + 1);
  assert_int_equal(gb_activation_find("sigmoid"), GB_SIGMOID);
  assert_int_equal(gb_activation_find("leaky_relu"), GB_LEAKY_RELU);
  assert_int_equal(gb_activation_find("leaky"), -1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(values_and_slopes), TEST(far_out), TEST(names)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
