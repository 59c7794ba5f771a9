/* tests/unit/test_tableau.c - order conditions, and where steps are stable. */
#include "check.h"
#include "sim/tableau.h"

/* What a step multiplies u by, of du/dt = (x + i y) u with h = 1. */
static double growth(const gb_tableau *t, double x, double y)
{
  double re[GB_MOST_STAGES], im[GB_MOST_STAGES], r = 1, j = 0; /* rates */
  for (size_t i = 0; i < t->n; i++) {
    double a = 1, b = 0;
    for (size_t k = 0; k < i; k++) {
      a += t->a[i][k] * re[k];
      b += t->a[i][k] * im[k];
    }
    re[i] = x * a - y * b;
    im[i] = x * b + y * a;
  }
  for (size_t i = 0; i < t->n; i++) {
    r += t->b[i] * re[i];
    j += t->b[i] * im[i];
  }
  return hypot(r, j);
}

static void orders(void **state)
{
  (void)state;
  static const struct {
    const char *name;
    size_t stages, has;
    int order;
  } known[] = {{"euler", 0, 1, 1}, {"midpoint", 0, 2, 2}, {"rk4", 0, 4, 4},
               {"rkc", 2, 2, 2},   {"rkc", 7, 7, 2},      {"rkc", 32, 32, 2}};
  for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
    gb_tableau t;
    double b = 0, c = 0, cc = 0, ac = 0;
    CHECK(gb_tableau_has(known[k].name) && gb_tableau_stages(known[k].name, known[k].stages) == known[k].has);
    gb_tableau_make(known[k].name, known[k].stages, &t);
    CHECK(t.n == known[k].has);
    for (size_t i = 0; i < t.n; i++) {
      double row = 0;
      for (size_t j = 0; j < GB_MOST_STAGES; j++) {
        row += t.a[i][j];
        CHECK(j < i || t.a[i][j] == 0);
        ac += t.b[i] * t.a[i][j] * t.c[j];
      }
      CHECK_NEAR(row, t.c[i], 1e-12);
      b += t.b[i];
      c += t.b[i] * t.c[i];
      cc += t.b[i] * t.c[i] * t.c[i];
    }
    CHECK_NEAR(b, 1, 1e-12);
    if (known[k].order >= 2) CHECK_NEAR(c, 0.5, 1e-12);
    if (known[k].order >= 3) CHECK_NEAR(cc, 1.0 / 3, 1e-12);
    if (known[k].order >= 3) CHECK_NEAR(ac, 1.0 / 6, 1e-12);
  }
  CHECK(!gb_tableau_has("dopri5"));
}

/* The bound of Sommeijer, Shampine and Verwer, 2/3 (s^2 - 1) (1 - 2 eps / 15), eps = 2/13, which is that of their eq.
 * (2.8) but for rounding of the constant: inside all decays, a quarter beyond it does not. */
static void stability(void **state)
{
  (void)state;
  for (size_t s = 2; s <= GB_MOST_STAGES; s++) {
    gb_tableau t;
    double reach = 2.0 / 3 * (double)(s * s - 1) * (1 - 2.0 / 15 * 2 / 13);
    gb_tableau_make("rkc", s, &t);
    for (int k = 1; k <= 2000; k++) CHECK(growth(&t, -0.99 * reach * k / 2000, 0) < 1);
    CHECK(growth(&t, -1.25 * reach, 0) > 1);
    if (s >= 5) CHECK(0.6 * (double)(s * s) < reach && reach < 0.66 * (double)(s * s)); /* as docs/CONFIG.md has it */
  }
}

/* Decay that turns, as of a slow oscillation beside fast reactions. */
static void damps_oscillations(void **state)
{
  (void)state;
  gb_tableau t;
  gb_tableau_make("rkc", 8, &t);
  for (int k = 0; k <= 300; k++) CHECK(growth(&t, -1 - 0.1 * k, 0.6) < 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(orders), TEST(stability), TEST(damps_oscillations)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
