/* tests/unit/gradient_xy.c - the energy of fields of planar vectors and its gradient, in the double build.
 *
 * The energy is a sum of products of two different components: it is linear in each of them. A central difference is
 * then exact at any step; with a step of 1 rounding leaves a few 1e-16 of the sum. */
#include "base/rng.h"
#include "foreign_leaks.h"
#include "physics/ensemble.h"

enum { L = 6, N = L * L, ROWS = 3, ALL = ROWS * N * 2 };

static void open_xy(lab *l)
{
  static const char yaml[] = "xy: {L: 6, J: 1.7, T: [1]}\ngenerate: {chains: 4}\n";
  lab_open(l, "xy", yaml);
}

static void uniform(uint64_t index, size_t n, double *out)
{
  for (size_t i = 0; i < n; i++) {
    uint32_t w[4];
    gb_rng_block(gb_rng_key(5, GB_RNG_TEST, index, i), 0, w);
    out[i] = 2 * gb_rng_unit(w[0]) - 1;
  }
}

static void vjp_is_the_derivative(void **state)
{
  lab l;
  gb_real s[ALL], ebar[ROWS] = {1, -0.25, 3}, bar[ALL];
  double u[ALL], plus[ROWS], minus[ROWS], largest = 0;
  (void)state;
  open_xy(&l);
  uniform(1, ALL, u);
  for (size_t i = 0; i < ALL; i++) {
    s[i] = (gb_real)u[i];
    bar[i] = 0.5; /* added into, not overwritten */
  }
  l.en->energy_vjp(l.sim.self, ROWS, s, ebar, bar);
  for (size_t i = 0; i < ALL; i++) largest = fmax(largest, fabs((double)bar[i] - 0.5));
  CHECK(largest > 0.01);
  for (size_t i = 0; i < ALL; i++) {
    gb_real kept = s[i];
    s[i] = kept + 1;
    l.en->energy(l.sim.self, ROWS, s, plus);
    s[i] = kept - 1;
    l.en->energy(l.sim.self, ROWS, s, minus);
    s[i] = kept;
    double difference = 0;
    for (size_t r = 0; r < ROWS; r++) difference += (double)ebar[r] * (plus[r] - minus[r]) / 2;
    CHECK_NEAR((double)bar[i] - 0.5, difference, 1e-8 * largest);
  }
  lab_close(&l);
}

/* Euler: a quadratic form has <s, grad e> = 2 e. No differences, so close to the last digit. */
static void the_energy_is_quadratic(void **state)
{
  lab l;
  gb_real s[ALL], ebar[ROWS] = {1, 1, 1}, bar[ALL] = {0};
  double u[ALL], e[ROWS];
  (void)state;
  open_xy(&l);
  uniform(2, ALL, u);
  for (size_t i = 0; i < ALL; i++) s[i] = (gb_real)u[i];
  l.en->energy(l.sim.self, ROWS, s, e);
  l.en->energy_vjp(l.sim.self, ROWS, s, ebar, bar);
  for (size_t r = 0; r < ROWS; r++) {
    double dot = 0;
    for (size_t i = r * N * 2; i < (r + 1) * N * 2; i++) dot += (double)s[i] * (double)bar[i];
    CHECK_NEAR(dot, 2 * e[r], 1e-13);
  }
  lab_close(&l);
}

/* Unit vectors: the energy is what observe() finds in the angles. */
static void unit_vectors_have_the_observed_energy(void **state)
{
  lab l;
  gb_real s[ALL];
  float x[ROWS * N];
  double u[ROWS * N], e[ROWS], observed[LAB_MOST];
  (void)state;
  open_xy(&l);
  uniform(3, ROWS * N, u);
  for (size_t i = 0; i < ROWS * N; i++) {
    x[i] = (float)(3.14 * u[i]);
    s[2 * i] = (gb_real)cos((double)x[i]);
    s[2 * i + 1] = (gb_real)sin((double)x[i]);
  }
  l.en->energy(l.sim.self, ROWS, s, e);
  for (size_t r = 0; r < ROWS; r++) {
    l.en->observe(l.sim.self, 1, x + r * N, observed);
    CHECK_NEAR(e[r], observed[lab_index(l.en->n_obs, l.en->obs, "energy")], 1e-13);
  }
  lab_close(&l);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      TEST(vjp_is_the_derivative),
      TEST(the_energy_is_quadratic),
      TEST(unit_vectors_have_the_observed_energy),
  };
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failed;
}
