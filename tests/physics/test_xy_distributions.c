/* tests/physics/test_xy_distributions.c - whole distributions, not only means: every mix of the vector kernels against
 * a textbook Metropolis in double, by the test of Kolmogorov and Smirnov. */
#include <stdlib.h>

#include "xy_lab.h"

enum { L = 8, N = L * L, SAMPLES = 4000, MOST = 8192 };

static int ascending(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Probability that two samples of one distribution are as far apart as these: N. Smirnov (1948) with the correction of
 * M. Stephens, J. R. Stat. Soc. B 32 (1970) 115. Sorts them. */
static double same_distribution(size_t n_a, double *a, size_t n_b, double *b)
{
  double far = 0, p = 0, n = (double)n_a * (double)n_b / (double)(n_a + n_b);
  qsort(a, n_a, sizeof *a, ascending);
  qsort(b, n_b, sizeof *b, ascending);
  for (size_t i = 0, j = 0; i < n_a && j < n_b;) {
    double x = fmin(a[i], b[j]);
    while (i < n_a && a[i] <= x) i++;
    while (j < n_b && b[j] <= x) j++;
    far = fmax(far, fabs((double)i / (double)n_a - (double)j / (double)n_b));
  }
  double z = far * (sqrt(n) + 0.12 + 0.11 / sqrt(n));
  if (z < 0.2) return 1; /* the series below converges badly; the probability is above 1 - 1e-12 */
  for (int k = 1; k <= 100; k++) p += 2 * (k % 2 ? 1 : -1) * exp(-2 * k * k * z * z);
  return fmin(1, p);
}

/* Of the function itself: uniform numbers look uniform, others do not; the tabulated 5 % point is 1.358. */
static void the_comparison_can_tell(void **unused)
{
  static double a[MOST], b[MOST];
  int below = 0;
  (void)unused;
  for (uint64_t trial = 0; trial < 200; trial++) {
    uniform(100000 + 2 * trial, 500, a);
    uniform(100001 + 2 * trial, 700, b);
    below += same_distribution(500, a, 700, b) < 0.1;
  }
  CHECK_NEAR(below, 20, 4 * sqrt(18)); /* binomial */
  for (size_t i = 0; i < 1000; i++) {
    a[i] = (double)i;
    b[i] = (double)i + 1000 * 1.358 / (sqrt(500) + 0.12 + 0.11 / sqrt(500)); /* a known distance */
  }
  CHECK_NEAR(same_distribution(1000, a, 1000, b), 0.05,
             0.005); /* distances are multiples of 1/1000, which is 6 % of p */
}

/* ------------------------------------------------------------------------------------------------------ textbook */

/* A generator of another kind: S. Vigna's xorshift128+ (2017). */
static uint64_t shift[2] = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9};

static double random_unit(void)
{
  uint64_t x = shift[0], y = shift[1];
  shift[0] = y;
  x ^= x << 23;
  shift[1] = x ^ y ^ (x >> 18) ^ (y >> 5);
  return ((double)((shift[1] + y) >> 11) + 0.5) * 0x1p-53;
}

/* One sweep: any site, any angle near the old one, exp(-dE/T). */
static void textbook_sweep(double T, double theta[N])
{
  for (int k = 0; k < N; k++) {
    size_t i = (size_t)(random_unit() * N), n[4];
    double now = theta[i], new = now + 1.6 * sqrt(fmin(T, 2)) * (2 * random_unit() - 1), d = 0;
    neighbours(L, i / L, i % L, n);
    for (int j = 0; j < 4; j++) d -= cos(new - theta[n[j]]) - cos(now - theta[n[j]]);
    if (random_unit() < exp(-d / T)) theta[i] = new;
  }
}

static void textbook_observe(const double theta[N], double *e, double *m2)
{
  double c = 0, s = 0;
  *e = 0;
  for (size_t i = 0; i < N; i++) {
    size_t n[4];
    neighbours(L, i / L, i % L, n);
    *e -= (cos(theta[i] - theta[n[0]]) + cos(theta[i] - theta[n[2]])) / N;
    c += cos(theta[i]) / N;
    s += sin(theta[i]) / N;
  }
  *m2 = c * c + s * s;
}

/* n samples, each five autocorrelation times after the last; the time is measured first. */
static void textbook(double T, size_t n, double *e, double *m2)
{
  enum { PILOT = MOST };
  static double pilot[2][PILOT];
  double theta[N] = {0}, tau, error, slowest = 0;
  for (int i = 0; i < 1000; i++) textbook_sweep(T, theta);
  for (int i = 0; i < PILOT; i++) {
    textbook_sweep(T, theta);
    textbook_observe(theta, &pilot[0][i], &pilot[1][i]);
  }
  for (int q = 0; q < 2; q++) {
    CHECK(gb_series_tau(1, PILOT, pilot[q], &tau, &error) && error < tau / 3);
    slowest = fmax(slowest, tau + error);
  }
  int64_t stride = (int64_t)ceil(5 * slowest);
  for (size_t k = 0; k < n; k++) {
    for (int64_t i = 0; i < stride; i++) textbook_sweep(T, theta);
    textbook_observe(theta, &e[k], &m2[k]);
  }
}

/* ------------------------------------------------------------------------------------------------------- kernels */

/* Samples of the program, five autocorrelation times apart as it finds them, of the mix that `options` fix. */
static void kernels(double T, const char *options, uint64_t seed, double *e, double *m2)
{
  enum { CHAINS = 16 };
  lab l;
  gb_chains ch;
  double *o;
  char yaml[512];
  snprintf(yaml, sizeof yaml,
           "xy: {L: %d, T: [%.17g], %s}\n"
           "generate: {chains: %d, samples: %d, hot_chains: 0, validation_chains: 0, test_chains: 0}\n",
           L, T, options, CHAINS, SAMPLES / CHAINS);
  lab_open(&l, "xy", yaml);
  CHECK(l.sim.dims.n_mix == 1 && l.opts.spacing == 5);
  lab_equilibrate(&l, seed, &ch);
  CHECK_OK(gb_new(&o, SAMPLES * GB_XY_OBS));
  lab_draw(&ch, 0, o);
  for (size_t i = 0; i < SAMPLES; i++) {
    e[i] = o[i * GB_XY_OBS + GB_XY_ENERGY];
    m2[i] = o[i * GB_XY_OBS + GB_XY_M2];
  }
  gb_free(&o);
  gb_chains_destroy(&ch);
  lab_close(&l);
}

/* 2 temperatures, 3 mixes, 2 quantities, against the textbook and against the first mix: 20 comparisons. A correct
 * program has one p below 1e-4 among them with a probability of 0.002, once, when the random numbers change. What is
 * seen: a temperature wrong by 3 % at T = 0.5 moves the energy by a fifth of its spread, 4000 samples make that p =
 * 1e-8; so does the last test. */
static void every_kernel_has_the_distribution_of_the_textbook(void **unused)
{
  static const char *const mixes[] = {"metropolis: 1, overrelaxation: 0, wolff: 0",
                                      "metropolis: 1, overrelaxation: 12, wolff: 0",
                                      "metropolis: 1, overrelaxation: 0, wolff: 3"};
  static const double temperatures[] = {0.5, 1.1};
  static double e[4][SAMPLES], m2[4][SAMPLES], wrong_e[SAMPLES], wrong_m2[SAMPLES];
  bool good = true;
  (void)unused;
  for (size_t t = 0; t < 2; t++) {
    double T = temperatures[t];
    textbook(T, SAMPLES, e[3], m2[3]);
    for (size_t k = 0; k < 3; k++) {
      kernels(T, mixes[k], SEED + 10 * t + k, e[k], m2[k]);
      for (size_t other = 0; other < 4; other += 3) {
        if (k == 0 && other == 0) continue;
        double p_e = same_distribution(SAMPLES, e[k], SAMPLES, e[other]);
        double p_m2 = same_distribution(SAMPLES, m2[k], SAMPLES, m2[other]);
        if (p_e > 1e-4 && p_m2 > 1e-4) continue;
        print_error("T = %g, {%s} against %s: p = %.2g for e, %.2g for |m|^2\n", T, mixes[k],
                    other ? "the textbook" : mixes[other], p_e, p_m2);
        good = false;
      }
    }
    if (t > 0) continue;
    kernels(1.03 * T, mixes[1], SEED, wrong_e, wrong_m2);
    CHECK(same_distribution(SAMPLES, wrong_e, SAMPLES, e[3]) < 1e-4);
  }
  CHECK(good);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      TEST(the_comparison_can_tell),
      TEST(every_kernel_has_the_distribution_of_the_textbook),
  };
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failed;
}
