/* tests/physics/test_xy_errors.c - are the error bars of the XY model right, and are its stored samples independent? */
#include "ensemble.h"

enum { SEEDS = 500 };

static void open_xy(lab *l, const char *section, const char *generate)
{
  char yaml[1024];
  snprintf(yaml, sizeof yaml, "xy: {%s}\ngenerate: {%s, validation_chains: 0, test_chains: 0}\n", section, generate);
  lab_open(l, "xy", yaml);
}

/* Exact values of the 4 x 4 torus: tests/physics/xy_reference.csv. */
static const char *const names[] = {"energy", "m2", "helicity_modulus", "specific_heat"};
enum { N_NAMES = 4 };
static const double exact[][N_NAMES] = {{-1.4933303534, 0.7171221737, 0.7130981122, 0.7680891},
                                        {-0.9259860962, 0.4018833331, 0.2957197626, 0.8825690}};

/* Skewness of one sample of e, |m|^2, the integrand of Y, and N (e - <e>)^2 / T^2: from 200000 samples of this program.
 * The estimate of a skewed quantity and its error are correlated, which moves the mean of the pulls by -g / (2 sqrt(n))
 * and their variance by (7 g^2 / 4 + 3) / n (P. Hall, The Bootstrap and Edgeworth Expansion (1992), section 2.6). */
static const double skewness[][N_NAMES] = {{0.87, -0.99, -3.6, 5.3}, {0.08, -0.04, -1.6, 2.0}};

/* (estimate - exact) / error over many short runs. The standard deviation of the variance of 500 pulls is 0.06:
 * [0.8, 1.25] is wide for a right error and closed for one that is wrong by 15 %. */
static void pulls_are_standard_normal(void **state)
{
  static double pull[2][N_NAMES][SEEDS], off[2][N_NAMES][SEEDS];
  lab l;
  bool good = true;
  (void)state;
  open_xy(&l, "L: 4, T: [0.9, 1.5]", "chains: 4, hot_chains: 0, samples: 60, trial: 64, pilot: 256");
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    gb_chains ch;
    lab_equilibrate(&l, 1000 + seed, &ch);
    for (size_t t = 0; t < 2; t++) {
      lab_result r = lab_sample(&l, &ch, t);
      for (size_t q = 0; q < N_NAMES; q++) {
        size_t k = lab_index(l.en->n_summary, l.en->summary, names[q]);
        off[t][q][seed] = r.value[k] - exact[t][q];
        pull[t][q][seed] = off[t][q][seed] / r.error[k];
      }
    }
    gb_chains_destroy(&ch);
  }
  for (size_t t = 0; t < 2; t++)
    for (size_t q = 0; q < N_NAMES; q++) {
      double mean = 0, variance = 0, bias = 0, spread = 0;
      for (size_t i = 0; i < SEEDS; i++) {
        mean += pull[t][q][i] / SEEDS;
        bias += off[t][q][i] / SEEDS;
      }
      for (size_t i = 0; i < SEEDS; i++) {
        variance += pow(pull[t][q][i] - mean, 2) / (SEEDS - 1);
        spread += pow(off[t][q][i] - bias, 2) / (SEEDS - 1);
      }
      double g = skewness[t][q], n = (double)(l.opts.chains * l.opts.samples);
      double expected = -g / (2 * sqrt(n)), width = 1 + (7 * g * g / 4 + 3) / n;
      bool fine = variance > 0.8 * width && variance < 1.25 * width && fabs(mean - expected) < 4 / sqrt(SEEDS) &&
                  fabs(bias) < 4 * sqrt(spread / SEEDS);
      if (!fine)
        print_error("T = %g, %s: pulls have mean %.3f and variance %.3f, expected %.3f and %.3f; bias %.2g +- %.2g\n",
                    l.sim.dims.temperature.v[t], names[q], mean, variance, expected, width, bias, sqrt(spread / SEEDS));
      good &= fine;
    }
  lab_close(&l);
  CHECK(good);
}

/* The default spacing: what is stored is independent, for every observable. */
static void stored_samples_are_independent(void **state)
{
  enum { CHAINS = 4, SAMPLES = 4000 };
  lab l;
  gb_chains ch;
  double *x, *column, tau, error;
  bool good = true;
  (void)state;
  open_xy(&l, "L: 8, T: [0.5, 0.9, 1.1]", "chains: 4, hot_chains: 0, samples: 4000");
  assert_true(l.opts.spacing == 5 && l.opts.chains == CHAINS && l.opts.samples == SAMPLES);
  lab_equilibrate(&l, 12, &ch);
  size_t n_obs = (size_t)l.en->n_obs;
  CHECK_OK(gb_new(&x, CHAINS * SAMPLES * n_obs));
  CHECK_OK(gb_new(&column, CHAINS * SAMPLES));
  for (size_t t = 0; t < 3; t++) {
    lab_draw(&ch, t, x);
    for (size_t q = 0; q < n_obs; q++) {
      for (size_t i = 0; i < CHAINS * SAMPLES; i++) column[i] = x[i * n_obs + q];
      bool closed = gb_series_tau(CHAINS, SAMPLES, column, &tau, &error);
      if (closed && tau <= 0.6 && error < 0.03) continue;
      print_error("T = %g, %s: tau_int = %.3f +- %.3f\n", l.sim.dims.temperature.v[t], l.en->obs[q].name, tau, error);
      good = false;
    }
  }
  gb_free(&x);
  gb_free(&column);
  gb_chains_destroy(&ch);
  lab_close(&l);
  CHECK(good);
}

/* With spacing 2, the stride is at least 2 tau_int of every tracked quantity, tau_int being measured here on another,
 * longer series of consecutive steps; and it is not wastefully longer. */
static void stride_is_two_autocorrelation_times(void **state)
{
  enum { STEPS = 25000, CHAINS = 8 };
  static const char *const sections[] = {"L: 4, T: [0.5, 0.9, 1.5]", "L: 16, T: [0.5, 0.9, 1.1]"};
  bool good = true;
  (void)state;
  for (size_t k = 0; k < 2; k++) {
    lab l;
    gb_chains ch;
    double *series, now[GB_MOST_WALKERS * LAB_MOST], cost[GB_MOST_WALKERS] = {0};
    open_xy(&l, sections[k], "chains: 8, spacing: 2, hot_chains: 0, pilot: 2048");
    lab_equilibrate(&l, 13, &ch);
    size_t n_track = (size_t)l.en->n_track, row = n_track + (size_t)l.en->n_sector, n = STEPS;
    CHECK(ch.n_groups == 3);
    CHECK_OK(gb_new(&series, n_track * CHAINS * n));
    for (size_t t = 0; t < 3; t++) {
      double T = l.sim.dims.temperature.v[t], slowest = 0, error_of_it = 0;
      gb_group *g = &ch.group[t];
      CHECK(g->t == t && g->w.n == CHAINS);
      for (size_t i = 0; i < n; i++) { /* steps that the chains did not make before */
        l.en->step(l.sim.self, &g->w, (size_t)ch.mix[t], (1 << 20) + i, false, g->state, cost);
        l.en->measure(l.sim.self, &g->w, g->state, now);
        for (size_t c = 0; c < CHAINS; c++)
          for (size_t q = 0; q < n_track; q++) series[(q * CHAINS + c) * n + i] = now[c * row + q];
      }
      for (size_t q = 0; q < n_track; q++) {
        double tau, error;
        CHECK(gb_series_tau(CHAINS, n, series + q * CHAINS * n, &tau, &error));
        if (tau > slowest) slowest = tau, error_of_it = error;
      }
      CHECK(error_of_it < 0.05 * slowest);
      double stride = (double)ch.stride[t];
      if (stride >= 2 * slowest && stride <= 2 * 1.5 * slowest + 1) continue;
      print_error("%zu sites, T = %g: the stride is %g, 2 tau_int = %.3f +- %.3f\n", l.sim.dims.n, T, stride,
                  2 * slowest, 2 * error_of_it);
      good = false;
    }
    gb_free(&series);
    gb_chains_destroy(&ch);
    lab_close(&l);
  }
  CHECK(good);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      TEST(pulls_are_standard_normal),
      TEST(stored_samples_are_independent),
      TEST(stride_is_two_autocorrelation_times),
  };
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failed;
}
