/* tests/unit/test_reactions.c - a small network against its equations by hand, its derivatives against differences, and
 * what it conserves. */
#include "sim/reactions.h"

#include "base/rng.h"
#include "check.h"

/* A + B <-> C, rates 2 and p0; C -> A + D by an enzyme, 3 p1 / (1 + C / 4 + p2 D / 5); D -> nothing by the same one. D
 * comes in p2 per reaction. */
enum { A, B, C, D, N, P = 3 };

static void begin(gb_reactions *r)
{
  CHECK_OK(gb_reactions_create(r, N, P, 4, 2));
  gb_reactions_add(r, (gb_reaction){2, GB_NO, GB_NO, {A, B}, 3, {{A, -1, GB_NO}, {B, -1, GB_NO}, {C, 1, GB_NO}}});
  gb_reactions_add(r, (gb_reaction){1, 0, GB_NO, {C, GB_NO}, 3, {{A, 1, GB_NO}, {B, 1, GB_NO}, {C, -1, GB_NO}}});
  gb_reactions_add(r, (gb_reaction){3, 1, 0, {C, GB_NO}, 3, {{C, -1, GB_NO}, {A, 1, GB_NO}, {D, 1, 2}}});
  gb_reactions_add(r, (gb_reaction){0.7, GB_NO, 0, {D, GB_NO}, 1, {{D, -1, GB_NO}}});
  gb_reactions_load(r, (gb_load){0, {C, 0.25, GB_NO}});
  gb_reactions_load(r, (gb_load){0, {D, 0.2, 2}});
}

static void by_hand(const double *u, const double *p, double *du)
{
  double x[N];
  for (int i = 0; i < N; i++) x[i] = fmax(u[i], 0);
  double on = 2 * x[A] * x[B], off = p[0] * x[C], free = 1 / (1 + x[C] / 4 + p[2] * x[D] / 5);
  double made = 3 * p[1] * x[C] * free, lost = 0.7 * x[D] * free;
  du[A] = -on + off + made;
  du[B] = -on + off;
  du[C] = on - off - made;
  du[D] = p[2] * made - lost;
}

static double draw(size_t i, double low, double high)
{
  uint32_t w[4];
  gb_rng_block(gb_rng_key(1, GB_RNG_TEST, i, 0), 0, w);
  return low + (high - low) * gb_rng_unit(w[0]);
}

/* Any number of rows in any stride; concentrations below 0 count as 0. */
static void rates(void **state)
{
  (void)state;
  enum { STRIDE = 80 };
  double u[N * STRIDE], du[N * STRIDE], p[P][STRIDE], one[N], of[P], expected[N];
  const double *rows[P] = {p[0], p[1], p[2]};
  static const size_t n[] = {1, 2, 7, GB_REACTION_ROWS};
  gb_reactions r;
  begin(&r);
  for (size_t i = 0; i < N * STRIDE; i++) u[i] = draw(i, -0.3, 2);
  for (size_t i = 0; i < P * STRIDE; i++) p[i / STRIDE][i % STRIDE] = draw(1000 + i, 0.2, 2);
  for (int k = 0; k < 4; k++) {
    for (size_t i = 0; i < N * STRIDE; i++) du[i] = 77;
    gb_reactions_rate(&r, n[k], STRIDE, u, rows, du);
    for (size_t c = 0; c < STRIDE; c++) {
      for (int i = 0; i < N; i++) one[i] = u[i * STRIDE + (int)c];
      for (int i = 0; i < P; i++) of[i] = p[i][c];
      by_hand(one, of, expected);
      for (int i = 0; i < N; i++)
        CHECK_NEAR(du[i * STRIDE + (int)c], c < n[k] ? expected[i] : 77, c < n[k] ? 1e-14 : 0);
    }
  }
  const double *single[P] = {&of[0], &of[1], &of[2]};
  gb_reactions_rate(&r, 1, 1, one, single, du);
  for (int i = 0; i < N; i++) CHECK_NEAR(du[i], expected[i], 1e-14);
  gb_reactions_destroy(&r);
}

/* w . rate */
static double along(const double *u, const double *p, const double *w)
{
  double du[N], sum = 0;
  by_hand(u, p, du);
  for (int i = 0; i < N; i++) sum += w[i] * du[i];
  return sum;
}

/* Fourth-order difference with one number moved. */
static double difference(double *x, const double *u, const double *p, const double *w)
{
  static const double h = 1e-3;
  double kept = *x, d = 0;
  static const struct {
    double at, c;
  } s[] = {{1, 2. / 3}, {-1, -2. / 3}, {2, -1. / 12}, {-2, 1. / 12}};
  for (int k = 0; k < 4; k++) {
    *x = kept + s[k].at * h;
    d += s[k].c * along(u, p, w) / h;
  }
  *x = kept;
  return d;
}

/* Jacobian and products with it; what is below 0 has no derivative. Gradients are added to what is there. */
static void derivatives(void **state)
{
  (void)state;
  enum { STRIDE = 5 };
  gb_reactions r;
  begin(&r);
  for (size_t k = 0; k < 20; k++) {
    double u[N], p[P], w[N], j[N * STRIDE], ubar[N], pbar[P], *bars[P] = {&pbar[0], NULL, &pbar[2]};
    const double *rows[P] = {&p[0], &p[1], &p[2]};
    for (size_t i = 0; i < N; i++) {
      u[i] = draw(100 * k + i, 0.1, 2);
      w[i] = draw(100 * k + 10 + i, -1, 1);
      ubar[i] = 0.5;
    }
    if (k % 3 == 0) u[k % N] = -0.2;
    for (size_t i = 0; i < P; i++) {
      p[i] = draw(100 * k + 20 + i, 0.2, 2);
      pbar[i] = 0.5;
    }
    gb_reactions_vjp(&r, 1, 1, u, rows, w, ubar, bars);
    gb_reactions_jacobian(&r, u, rows, STRIDE, j);
    for (size_t i = 0; i < N; i++) {
      double d = difference(&u[i], u, p, w), product = 0;
      for (size_t m = 0; m < N; m++) product += w[m] * j[i * STRIDE + m];
      CHECK_NEAR(ubar[i] - 0.5, d, 1e-9);
      CHECK_NEAR(product, d, 1e-9);
    }
    for (size_t i = 0; i < P; i++) CHECK_NEAR(pbar[i] - 0.5, i == 1 ? 0 : difference(&p[i], u, p, w), 1e-9);
    gb_reactions_vjp(&r, 1, 1, u, rows, w, ubar, NULL);
  }
  gb_reactions_destroy(&r);
}

static void conserved(void **state)
{
  (void)state;
  double part[] = {2, -1e-12, 3, 5}, lost[] = {2, 3, 5 - 1e-8};
  CHECK_OK(gb_reactions_conserved("aa", 7, 10, 4, part));
  CHECK(part[1] == 0);
  CHECK_NEAR(part[0] + part[2] + part[3], 10, 1e-11);
  CHECK_NEAR(part[0] / part[3], 0.4, 1e-14);
  CHECK_FAILS(gb_reactions_conserved("aa", 7, 10, 3, lost), GB_ERR_NUMERIC,
              "template aa is not conserved at t = 7 min");
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(rates), TEST(derivatives), TEST(conserved)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
