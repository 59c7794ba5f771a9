/* tests/mpi/test_assess.c - what a report says of a model: the same numbers on any ranks, and the right ones. */
#include "report/assess.h"

#include <sys/stat.h>

#include "learn/checkpoint.h"
#include "mpi/small_data.h"
#include "registry.h"
#include "sim/series.h"

enum { PASS = 5, PRIOR = 33, TEST_ROWS = DATA_T * DATA_SAMPLES, LATENT = 2 };

static small_data data;
static const gb_schema *sections[12];

/* A run directory with an untrained model, as gb_experiment_train() leaves one. */
static void make_model(const char *dir, const char *file, int seed)
{
  char yaml[1024];
  size_t n = 0;
  gb_config *cfg;
  gb_sim sim;
  gb_vae *vae;
  gb_vae_opts model;
  gb_objective_opts objective;
  gb_text text = {0};
  sections[n++] = &gb_run_schema;
  sections[n++] = gb_physics_all[0]->schema;
  for (size_t i = 0; gb_experiment_sections[i]; i++) sections[n++] = gb_experiment_sections[i];
  sections[n] = NULL;
  snprintf(yaml, sizeof yaml,
           "run: {dir: x, seed: %d}\nxy: {L: 4}\nmodel: {encoder: [dense 9 tanh], decoder: [dense 7], latent: %d}\n"
           "objective: {energy_weight: 1}\n",
           seed, LATENT);
  CHECK_OK(gb_config_parse("test", yaml, strlen(yaml), 0, NULL, sections, &cfg));
  gb_config_get(cfg, &gb_vae_schema, &model);
  gb_config_get(cfg, &gb_objective_schema, &objective);
  CHECK_OK(gb_sim_create(gb_physics_all[0], cfg, gb_comm_self(), &sim));
  CHECK_OK(gb_vae_create(&model, &objective, &sim, PASS, (uint64_t)seed, NULL, &vae));
  gb_config_print_fixed(cfg, sections, &text);
  if (world.rank == 0) mkdir(scratch(dir), 0777);
  MPI_Barrier(world.mpi);
  gb_state s = {.step = 17, .best = 1, .data = 99, .params = gb_vae_params(vae)};
  char path[128];
  snprintf(path, sizeof path, "%s/%s", dir, file);
  CHECK_OK(gb_checkpoint_save(world, scratch(path), text.s, &s));
  MPI_Barrier(world.mpi);
  gb_text_free(&text);
  gb_vae_destroy(&vae);
  gb_sim_destroy(&sim);
  gb_config_destroy(&cfg);
}

static gb_err open_data(gb_comm c, const char *name, gb_dataset **d)
{
  gb_dataset_opts o = {.path = scratch(name), .memory = 4};
  return gb_dataset_open(c, &o, 2, data_shape, d);
}

/* A model and data with a group of ranks, and what gb_assess() says. */
typedef struct case_ {
  gb_trained m;
  gb_dataset *d;
  gb_assessment a;
} case_;

static void open_case(gb_comm c, case_ *x)
{
  CHECK_OK(gb_trained_open(c, scratch("model"), gb_physics_all[0], PASS, 0, &x->m));
  CHECK_OK(open_data(c, "data.h5", &x->d));
  CHECK_OK(gb_assess(c, &x->m, x->d, PRIOR, &x->a));
}

static void close_case(case_ *x)
{
  gb_assessment_free(&x->a);
  gb_dataset_close(&x->d);
  gb_trained_close(&x->m);
}

/* `energies` of the samples rise with the temperature: no test of chance. */
static void prepare(void)
{
  data_fill(&data, 1);
  data_write(&data, scratch("data.h5"), NULL);
  make_model("model", "checkpoint.h5", 3);
}

static void any_ranks_say_the_same(void **state)
{
  (void)state;
  case_ x, y;
  prepare();
  open_case(world, &x);
  open_case(self, &y);
  const gb_assessment *a = &x.a, *b = &y.a;
  CHECK(a->n_T == DATA_T && a->latent == LATENT && a->n_obs > 0 && a->n_summary > 0);
  for (int s = 0; s < GB_SOURCES; s++) {
    size_t n = a->rows[s].n;
    CHECK(n == (s == GB_FROM_PRIOR ? PRIOR : TEST_ROWS) && b->rows[s].n == n);
    CHECK(!memcmp(a->rows[s].t, b->rows[s].t, n * sizeof *a->rows[s].t));
    CHECK(!memcmp(a->rows[s].obs, b->rows[s].obs, n * a->n_obs * sizeof *a->rows[s].obs));
    CHECK(!memcmp(a->summary[s], b->summary[s], DATA_T * a->n_summary * 2 * sizeof **a->summary));
    CHECK(same_on_all(a->rows[s].obs, n * a->n_obs * sizeof *a->rows[s].obs));
    CHECK(same_on_all(a->summary[s], DATA_T * a->n_summary * 2 * sizeof **a->summary));
  }
  CHECK(!memcmp(a->mu, b->mu, TEST_ROWS * LATENT * sizeof *a->mu));
  CHECK(!memcmp(a->kl, b->kl, TEST_ROWS * LATENT * sizeof *a->kl));
  CHECK(!memcmp(a->term, b->term, TEST_ROWS * GB_VAE_TERMS * sizeof *a->term));
  CHECK(same_on_all(a->mu, TEST_ROWS * LATENT * sizeof *a->mu));
  CHECK(same_on_all(a->term, TEST_ROWS * GB_VAE_TERMS * sizeof *a->term));
  close_case(&x);
  close_case(&y);
}

/* Row i of the test split: chain 2 of each temperature in turn. */
static const float *test_row(size_t i)
{
  return data.x[(i / DATA_SAMPLES * DATA_CHAINS + GB_TEST) * DATA_SAMPLES + i % DATA_SAMPLES];
}

/* The observables of each source belong to the row they stand in. */
static void rows_are_what_they_say(void **state)
{
  (void)state;
  case_ x;
  prepare();
  open_case(world, &x);
  const gb_ensemble *en = x.m.sim.kind->ensemble;
  const gb_assessment *a = &x.a;
  gb_model model = x.m.built.model;
  for (size_t i = 0; i < TEST_ROWS; i++) {
    double obs[64], sum[GB_VAE_TERMS], kl = 0;
    float rec[DATA_WIDTH];
    size_t t = i / DATA_SAMPLES;
    for (int s = GB_FROM_DATA; s <= GB_FROM_SAMPLE; s++) CHECK(a->rows[s].t[i] == t);
    en->observe(x.m.sim.self, data.temperature[t], test_row(i), obs);
    CHECK(!memcmp(obs, a->rows[GB_FROM_DATA].obs + i * a->n_obs, a->n_obs * sizeof *obs));
    /* alone instead of in a pass: up to rounding */
    gb_pass pass = {GB_PASS_FIXED, i, false};
    CHECK_OK(gb_model_sums(&model, 1, test_row(i), pass, sum));
    gb_vae_view w = gb_vae_look(x.m.built.vae);
    gb_real z[LATENT];
    double turned = w.turned[0], square = 0;
    memcpy(z, w.mu, sizeof z);
    for (size_t k = 0; k < DATA_WIDTH;
         k++) { /* (cos, sin) about their mean under Gaussian noise of the angle, at a draw */
      double length = exp(-exp((double)w.spread[k]) / 2), angle = (double)test_row(i)[k];
      square += pow(cos(angle) - length * (double)w.direction[2 * k], 2);
      square += pow(sin(angle) - length * (double)w.direction[2 * k + 1], 2);
    }
    CHECK_NEAR(a->square[i], square, 1e-4);
    for (int k = 0; k < GB_VAE_FREE; k++)
      CHECK_NEAR(a->term[i * GB_VAE_TERMS + (size_t)k], sum[k], 1e-4 * (1 + fabs(sum[k])));
    for (size_t j = 0; j < LATENT; j++) {
      CHECK_NEAR(a->mu[i * LATENT + j], (double)w.mu[j], 1e-5);
      kl += a->kl[i * LATENT + j];
    }
    CHECK_NEAR(kl, sum[GB_VAE_KL], 1e-5);
    CHECK_OK(gb_vae_decode(x.m.built.vae, 1, z, &turned));
    for (int noisy = 0; noisy < 2; noisy++) {
      gb_vae_output(x.m.built.vae, noisy, pass, rec);
      en->observe(x.m.sim.self, data.temperature[t], rec, obs);
      double e = a->rows[noisy ? GB_FROM_SAMPLE : GB_FROM_MEAN].obs[i * a->n_obs];
      CHECK_NEAR(e, obs[0], 1e-4);
    }
  }
  close_case(&x);
}

/* A sample of the prior gets the temperature of the training sample whose latent mean is nearest. */
static void prior_samples_get_a_temperature(void **state)
{
  (void)state;
  case_ x;
  double mu[TEST_ROWS][LATENT]; /* as many training rows as test rows */
  size_t found[DATA_T] = {0};
  prepare();
  open_case(world, &x);
  gb_model model = x.m.built.model;
  for (uint64_t first = 0; first < TEST_ROWS; first += PASS) {
    size_t n = TEST_ROWS - first < PASS ? TEST_ROWS - first : PASS;
    float rows[PASS][DATA_WIDTH];
    double sum[GB_VAE_TERMS];
    for (uint64_t i = 0; i < n; i++) CHECK_OK(gb_dataset_read(x.d, GB_TRAIN, 1, &(uint64_t){first + i}, rows[i]));
    CHECK_OK(gb_model_sums(&model, n, rows[0], (gb_pass){GB_PASS_FIXED, first, false}, sum));
    for (size_t i = 0; i < n * LATENT; i++)
      mu[first + i / LATENT][i % LATENT] = (double)gb_vae_look(x.m.built.vae).mu[i];
  }
  for (uint64_t i = 0; i < PRIOR; i++) {
    gb_real z[LATENT];
    double best = INFINITY;
    size_t nearest = 0;
    gb_rng_normal(gb_rng_key(3, GB_RNG_PRIOR, i, 0), LATENT, z);
    for (size_t k = 0; k < TEST_ROWS; k++) {
      double d = hypot((double)z[0] - mu[k][0], (double)z[1] - mu[k][1]);
      if (d < best) best = d, nearest = k;
    }
    CHECK(x.a.rows[GB_FROM_PRIOR].t[i] == nearest / DATA_SAMPLES);
    found[nearest / DATA_SAMPLES]++;
    for (size_t q = 0; q < x.a.n_obs; q++) CHECK(isfinite(x.a.rows[GB_FROM_PRIOR].obs[i * x.a.n_obs + q]));
  }
  for (size_t t = 0; t < DATA_T; t++) /* fewer than 8: no statistics */
    CHECK(isnan(x.a.summary[GB_FROM_PRIOR][t * x.a.n_summary * 2]) == (found[t] < 8));
  CHECK(found[0] < PRIOR); /* not all the same */
  close_case(&x);
}

static size_t index_of(int n, const gb_var *v, const char *name)
{
  for (int i = 0; i < n; i++)
    if (!strcmp(v[i].name, name)) return (size_t)i;
  fail_msg("there is no %s", name);
  return 0;
}

/* Means and correlations against their definitions. */
static void statistics(void **state)
{
  (void)state;
  case_ x;
  prepare();
  open_case(world, &x);
  const gb_assessment *a = &x.a;
  const gb_ensemble *en = x.m.sim.kind->ensemble;
  size_t q = index_of(en->n_summary, en->summary, "energy");
  double radius[TEST_ROWS], out[2 * DATA_T], error[2];
  for (size_t i = 0; i < TEST_ROWS; i++) radius[i] = hypot(a->mu[2 * i], a->mu[2 * i + 1]);
  CHECK_OK(gb_assess_radius(a, out));
  for (size_t t = 0; t < DATA_T; t++) {
    double e = 0, r = 0, variance = 0;
    for (size_t i = t * DATA_SAMPLES; i < (t + 1) * DATA_SAMPLES; i++) {
      e += a->rows[GB_FROM_DATA].obs[i * a->n_obs] / DATA_SAMPLES;
      r += radius[i] / DATA_SAMPLES;
    }
    for (size_t i = t * DATA_SAMPLES; i < (t + 1) * DATA_SAMPLES; i++)
      variance += (radius[i] - r) * (radius[i] - r) / (DATA_SAMPLES - 1);
    CHECK_NEAR(a->summary[GB_FROM_DATA][(t * a->n_summary + q) * 2], e, 1e-12);
    CHECK_NEAR(out[2 * t], r, 1e-12);
    CHECK_NEAR(out[2 * t + 1], sqrt(variance / DATA_SAMPLES), 1e-12); /* bins of one sample */
  }
  for (int s = GB_FROM_MEAN; s <= GB_FROM_SAMPLE; s++) {
    double mean = 0;
    for (size_t i = 0; i < TEST_ROWS; i++)
      mean += fabs(a->rows[s].obs[i * a->n_obs] - a->rows[GB_FROM_DATA].obs[i * a->n_obs]) / TEST_ROWS;
    CHECK_OK(gb_assess_energy_error(a, (gb_source)s, error));
    CHECK_NEAR(error[0], mean, 1e-12);
    CHECK(error[1] > 0 && error[1] < error[0]);
  }
  for (int which = 0; which < en->n_obs; which++) {
    double mr = 0, mo = 0, rr = 0, oo = 0, ro = 0;
    for (size_t i = 0; i < TEST_ROWS; i++) {
      mr += radius[i] / TEST_ROWS;
      mo += a->rows[GB_FROM_DATA].obs[i * a->n_obs + (size_t)which] / TEST_ROWS;
    }
    for (size_t i = 0; i < TEST_ROWS; i++) {
      double u = radius[i] - mr, v = a->rows[GB_FROM_DATA].obs[i * a->n_obs + (size_t)which] - mo;
      rr += u * u;
      oo += v * v;
      ro += u * v;
    }
    CHECK_NEAR(gb_assess_correlation(a, which), ro / sqrt(rr * oo), 1e-9);
  }
  close_case(&x);
}

static void models_are_read_back(void **state)
{
  (void)state;
  gb_trained m;
  gb_dataset *d;
  gb_assessment a;
  prepare();
  make_model("both", "checkpoint.h5", 4);
  make_model("both", "best.h5", 5);
  CHECK_OK(gb_trained_open(world, scratch("both"), gb_physics_all[0], PASS, 0, &m));
  CHECK(m.seed == 5 && m.step == 17 && m.data == 99); /* the best one, if there is one */
  assert_string_equal(m.name, "HG-VAE");
  gb_trained_close(&m);
  CHECK_ALL_FAIL(gb_trained_open(world, scratch("nowhere"), gb_physics_all[0], PASS, 0, &m), GB_ERR_IO, "nowhere");
  CHECK(!m.built.vae && !m.cfg);
  for (size_t i = 0; i < DATA_N; i++) data.split[i] = data.split[i] == GB_TEST ? GB_VALIDATION : data.split[i];
  data_write(&data, scratch("no_test.h5"), NULL);
  CHECK_OK(gb_trained_open(world, scratch("model"), gb_physics_all[0], PASS, 0, &m));
  CHECK_OK(open_data(world, "no_test.h5", &d));
  CHECK_ALL_FAIL(gb_assess(world, &m, d, PRIOR, &a), GB_ERR_CONFIG, "no test samples");
  gb_dataset_close(&d);
  gb_trained_close(&m);
}

/* A line meets another where algebra says. The error, to first order, is that of an interpolation between two points;
 * the standard deviation of 1000 draws is known to 2.2 %, four times that is allowed. */
static void crossings(void **state)
{
  (void)state;
  enum { N = 9 };
  double T[N], y[2 * N], out[2];
  for (size_t i = 0; i < N; i++) {
    T[i] = 0.2 + 0.1 * (double)i + 0.003 * (double)(i * i); /* not evenly spaced */
    y[2 * i] = 1.1 - 0.8 * T[i];
    y[2 * i + 1] = 0.004 * (1 + (double)i);
  }
  CHECK(gb_assess_crossing(N, T, y, 0.5, out));
  double at = 1.1 / 1.3;
  size_t k = 0;
  while (T[k + 1] < at) k++;
  double u = (at - T[k]) / (T[k + 1] - T[k]), expected = hypot((1 - u) * y[2 * k + 1], u * y[2 * k + 3]) / 1.3;
  CHECK_NEAR(out[0], at, 1e-12);
  CHECK_NEAR(out[1] / expected, 1, 0.09);
  y[2 * k + 4] = NAN; /* a temperature without statistics is left out; the line is still a line */
  CHECK(gb_assess_crossing(N, T, y, 0.5, out));
  CHECK_NEAR(out[0], at, 1e-12);
  for (size_t i = 0; i < N; i++) y[2 * i + 1] = 0;
  CHECK(gb_assess_crossing(N, T, y, 0.5, out) && out[1] < 1e-7);
  CHECK(!gb_assess_crossing(N, T, y, 0.01, out)); /* they meet outside */
  CHECK(!gb_assess_crossing(N, T, y, 50, out));   /* below from the start */
  for (size_t i = 0; i < N; i++) y[2 * i] = 0.9 * T[i] - 0.3;
  CHECK(!gb_assess_crossing(N, T, y, 0.5, out)); /* from below */
  CHECK(!gb_assess_crossing(0, T, y, 0.5, out) && !gb_assess_crossing(1, T, y, 0.5, out));
}

/* Of a cubic the slopes between neighbours lie on a parabola whose vertex is where the cubic is steepest, wherever that
 * is on the grid. The error follows from the three slopes, whose noise is that of four points. */
static void steepest_falls(void **state)
{
  (void)state;
  enum { N = 12 };
  double T[N], y[2 * N], out[2];
  for (double at = 0.55; at < 0.95; at += 0.0173) {
    for (size_t i = 0; i < N; i++) {
      T[i] = 0.2 + 0.1 * (double)i;
      y[2 * i] = 3 + pow(T[i] - at, 3) - (T[i] - at);
      y[2 * i + 1] = 1e-5;
    }
    CHECK(gb_assess_crossover(N, T, y, out));
    CHECK_NEAR(out[0], at, 1e-9);
    /* vertex = middle - h (s2 - s0) / (2 (s2 - 2 s1 + s0)), h the spacing, curvature of the slopes 6 h^2 */
    size_t k = 1;
    for (size_t i = 1; i + 2 < N; i++)
      if (fabs((T[i] + T[i + 1]) / 2 - at) < fabs((T[k] + T[k + 1]) / 2 - at)) k = i;
    double h = 0.1, v = ((T[k] + T[k + 1]) / 2 - at) / h, c = 6 * h * h, square = 0;
    /* d vertex / d s = h ((v - 1/2), -2 v, (v + 1/2)) / c and s from the points -1, 0, 1, 2: differences over h */
    double by_slope[3] = {h * (0.5 - v) / c, h * 2 * v / c, h * (-0.5 - v) / c}, before = 0;
    for (int i = 0; i < 4; i++) {
      double by_point = (before - (i < 3 ? by_slope[i] : 0)) / h;
      before = i < 3 ? by_slope[i] : 0;
      square += by_point * by_point;
    }
    CHECK_NEAR(out[1] / (1e-5 * sqrt(square)), 1, 0.12); /* 1000 draws: 2.2 %; near a midpoint a few fall beside */
  }
  for (size_t i = 0; i < N; i++) y[2 * i] = T[i];
  CHECK(!gb_assess_crossover(N, T, y, out)); /* rises */
  for (size_t i = 0; i < N; i++) y[2 * i] = exp(-5 * T[i]);
  CHECK(!gb_assess_crossover(N, T, y, out)); /* steepest at the first point */
  for (size_t i = 0; i < N; i++) y[2 * i] = -exp(5 * T[i]);
  CHECK(!gb_assess_crossover(N, T, y, out)); /* at the last */
  for (size_t i = 0; i < N; i++) y[2 * i] = -tanh(5 * (T[i] - 0.75)) + 20 * exp(-30 * (T[i] - 0.2));
  CHECK(gb_assess_crossover(N, T, y, out)); /* steeper still at the first point, but this is where it bends */
  CHECK_NEAR(out[0], 0.75, 1e-3);
  static const double slope[N - 1] = {-10, -9, -9.5, -7,   -4,  -2,
                                      -5,  -3, -1,   -0.5, -0.2}; /* a wiggle where it is steep */
  for (size_t i = 0; i + 1 < N; i++) y[2 * i + 2] = y[2 * i] + 0.1 * slope[i];
  CHECK(gb_assess_crossover(N, T, y, out));
  CHECK_NEAR(out[0], 0.86, 1e-9); /* the vertex through -2, -5, -3 about T = 0.85 */
  for (size_t i = 0; i < N; i++) y[2 * i] = NAN;
  CHECK(!gb_assess_crossover(N, T, y, out));
  CHECK(!gb_assess_crossover(3, T, y, out));
}

static const struct CMUnitTest tests[] = {
    TEST(any_ranks_say_the_same),
    TEST(rows_are_what_they_say),
    TEST(prior_samples_get_a_temperature),
    TEST(statistics),
    TEST(models_are_read_back),
    TEST(crossings),
    TEST(steepest_falls),
};
RUN_ON_RANKS(tests)
