/* tests/unit/test_quality.c - the flag /sampling/quality: each of its reasons, and none without one.
 *
 * What it is computed from is static in libcore/sim/mc_results.c: this file includes the source. */
#include "foreign_leaks.h"
#include "sim/mc_results.c"

#include "base/rng.h"
#include "physics/ensemble.h"

enum { CHAINS = 4, SAMPLES = 400, ALL = CHAINS * SAMPLES };

typedef struct fake {
  lab l;
  gb_mc mc;
  double hot[2], tau[LAB_MOST], *column; /* [n_obs, CHAINS, SAMPLES] */
} fake;

/* One temperature of the XY model whose observables are independent uniform numbers, and whose windings are 0. */
static void begin(fake *f)
{
  lab_open(&f->l, "xy",
           "xy: {L: 4, T: [1]}\ngenerate: {chains: 4, samples: 400, validation_chains: 0, test_chains: 0}\n");
  f->mc = (gb_mc){.sim = &f->l.sim};
  f->mc.ch.sim = &f->l.sim;
  f->mc.ch.opts = f->l.opts;
  f->mc.ch.hot = f->hot;
  f->hot[0] = f->hot[1] = 0;
  size_t n_obs = (size_t)f->l.en->n_obs;
  CHECK_OK(gb_new(&f->column, n_obs * ALL));
  for (size_t i = 0; i < n_obs * ALL; i++) {
    uint32_t w[4];
    gb_rng_block(gb_rng_key(9, GB_RNG_TEST, i, 0), 0, w);
    f->column[i] = gb_rng_unit(w[0]);
  }
  for (int q = 0; q < 2; q++) {
    const char *name = q ? "winding_y" : "winding_x";
    double *winding = f->column + lab_index(f->l.en->n_obs, f->l.en->obs, name) * ALL;
    for (size_t i = 0; i < ALL; i++) winding[i] = 0;
  }
  for (int q = 0; q < LAB_MOST; q++) f->tau[q] = 0.5;
}

static void end(fake *f)
{
  gb_free(&f->column);
  lab_close(&f->l);
}

static int flag(fake *f)
{
  return (int)quality_of(&f->mc, 0, f->column, f->tau);
}

static double *observable(fake *f, const char *name)
{
  return f->column + lab_index(f->l.en->n_obs, f->l.en->obs, name) * ALL;
}

static void good_data_have_none(void **state)
{
  fake f;
  (void)state;
  begin(&f);
  CHECK(flag(&f) == 0);
  f.hot[0] = 4.9; /* an accident among some hundred comparisons */
  f.hot[1] = 3;   /* trapped hot chains are told, and no fault of what is stored */
  f.tau[2] = 0.9;
  CHECK(flag(&f) == 0);
  f.tau[3] = -1; /* chains too short to tell */
  CHECK(flag(&f) == 0);
  end(&f);
}

/* The second half of all chains lies higher by a tenth of the range: 0.1 / (0.29 sqrt(4 / 1600)) = 7 standard errors.
 * Of one chain: a quarter of that, unseen. Twice the autocorrelation time: an error larger by sqrt(2), 4.9, unseen. */
static void halves_that_differ(void **state)
{
  fake f;
  (void)state;
  begin(&f);
  double *e = observable(&f, "m2");
  for (size_t i = 0; i < ALL; i++) e[i] += i < SAMPLES && i % SAMPLES >= SAMPLES / 2 ? 0.1 : 0;
  CHECK(flag(&f) == 0);
  for (size_t i = SAMPLES; i < ALL; i++) e[i] += i % SAMPLES >= SAMPLES / 2 ? 0.1 : 0;
  CHECK(flag(&f) == HALVES_DIFFER);
  f.tau[0] = 1;
  CHECK_NEAR(compare_halves((size_t)f.l.en->n_obs, CHAINS, SAMPLES, f.column, 1) * sqrt(2),
             compare_halves((size_t)f.l.en->n_obs, CHAINS, SAMPLES, f.column, 0.5), 1e-9);
  end(&f);
}

static void starts_that_differ(void **state)
{
  fake f;
  (void)state;
  begin(&f);
  f.hot[0] = 5.1;
  CHECK(flag(&f) == STARTS_DIFFER);
  end(&f);
}

/* One stored chain with a winding in all of its samples, of either sign and along either axis. One that visits a sector
 * for a while is not trapped. */
static void a_trapped_chain(void **state)
{
  (void)state;
  for (int k = 0; k < 4; k++) {
    fake f;
    begin(&f);
    double *winding = observable(&f, k / 2 ? "winding_y" : "winding_x") + (size_t)k * SAMPLES;
    for (size_t i = 0; i < SAMPLES; i++) winding[i] = i % 2 ? 0 : k % 2 ? -0.9 : 0.9;
    CHECK(flag(&f) == 0);
    for (size_t i = 0; i < SAMPLES; i++) winding[i] = k % 2 ? -1 : 1;
    CHECK(flag(&f) == TRAPPED);
    end(&f);
  }
}

static void correlated_samples(void **state)
{
  fake f;
  (void)state;
  begin(&f);
  f.tau[f.l.en->n_summary - 1] = 1.4; /* its standard error is 1.4 sqrt(2 (12 * 1.4 + 1) / 1600) = 0.21 */
  CHECK(flag(&f) == 0);
  f.tau[f.l.en->n_summary - 1] = 3.2; /* 0.7: more than 3 of them above 1 */
  CHECK(flag(&f) == CORRELATED);
  f.hot[0] = 9;
  CHECK(flag(&f) == (CORRELATED | STARTS_DIFFER)); /* reasons add up */
  end(&f);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {TEST(good_data_have_none), TEST(halves_that_differ), TEST(starts_that_differ),
                                     TEST(a_trapped_chain), TEST(correlated_samples)};
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failed;
}
