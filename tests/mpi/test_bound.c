/* tests/mpi/test_bound.c - bounds of a linear-Gaussian VAE, whose ln p(x) and posterior are known: on any ranks. */
#include "report/bound.h"

#include "learn/vae.h"
#include "linalg/renyi.h"
#include "mpi/small_data.h"
#include "registry.h"

enum { M = 2, PASS = 5, TEST_ROWS = DATA_T * DATA_SAMPLES, N = DATA_WIDTH };

static const double s[M] = {0.3, 0.2}, sigma = 0.1; /* rad: far from the branch cut */
static small_data data;
static gb_config *cfg;
static gb_sim sim;

/* Orthogonal unit vectors. */
static double axis(size_t j, size_t i)
{
  return (j && i % 2 ? -1 : 1) / sqrt(N);
}

/* x = sum_j z_j s_j u_j + sigma eps. */
static void make_data(void)
{
  data_fill(&data, 1);
  for (size_t r = 0; r < DATA_N; r++) {
    gb_real e[N + M];
    gb_rng_normal(gb_rng_key(8, GB_RNG_TEST, r, 0), N + M, e);
    for (size_t i = 0; i < N; i++) {
      double x = sigma * (double)e[i];
      for (size_t j = 0; j < M; j++) x += s[j] * axis(j, i) * (double)e[N + j];
      data.x[r][i] = (float)x;
    }
    data.checksum[r] = gb_hash64(data.x[r], sizeof data.x[r]);
  }
  data_write(&data, scratch("data.h5"), NULL);
}

static const float *test_row(size_t i)
{
  return data.x[(i / DATA_SAMPLES * DATA_CHAINS + GB_TEST) * DATA_SAMPLES + i % DATA_SAMPLES];
}

/* Mean of ln p(x) over the test rows: x ~ N(0, sigma^2 + sum_j s_j^2 u_j u_j'). */
static double exact(void)
{
  double sum = 0;
  for (size_t r = 0; r < TEST_ROWS; r++) {
    const float *x = test_row(r);
    double v = sigma * sigma, square = 0, log_det = (N - M) * log(v);
    for (size_t i = 0; i < N; i++) square += (double)x[i] * (double)x[i] / v;
    for (size_t j = 0; j < M; j++) {
      double along = 0, of = v + s[j] * s[j];
      for (size_t i = 0; i < N; i++) along += axis(j, i) * (double)x[i];
      square += along * along * (1 / of - 1 / v);
      log_det += log(of);
    }
    sum -= (N * log(2 * M_PI) + log_det + square) / 2 / TEST_ROWS;
  }
  return sum;
}

static gb_real *tensor(gb_params *p, const char *name)
{
  for (int t = 0; t < gb_params_n(p); t++)
    if (!strcmp(gb_params_info(p, t)->name, name)) return gb_params_value(p) + gb_params_info(p, t)->first;
  fail_msg("no %s", name);
  return NULL;
}

/* That model, and its posterior with variances e^wider times as large. */
static gb_vae *make_model(double wider)
{
  static const gb_vae_opts opts = {.encoding = "angle",
                                   .activation = "none",
                                   .latent = M,
                                   .likelihood = "gaussian",
                                   .spread = "fixed",
                                   .sigma = 0.1};
  static const gb_objective_opts objective = {.kind = "iwae", .beta = 3, .energy_mode = "mean", .evidence = true};
  gb_vae *v;
  CHECK_OK(gb_vae_create(&opts, &objective, &sim, PASS, 4, NULL, &v));
  gb_params *p = gb_vae_params(v);
  memset(gb_params_value(p), 0, gb_params_size(p) * sizeof(gb_real));
  for (size_t j = 0; j < M; j++) {
    double variance = 1 / (1 + s[j] * s[j] / (sigma * sigma));
    tensor(p, "logvar.bias")[j] = (gb_real)(log(variance) + wider);
    for (size_t i = 0; i < N; i++) { /* angles are half turns to the networks */
      tensor(p, "output.weight")[j * N + i] = (gb_real)(s[j] * axis(j, i) / M_PI);
      tensor(p, "mu.weight")[i * M + j] = (gb_real)(variance * s[j] * axis(j, i) / (sigma * sigma) * M_PI);
    }
  }
  return v;
}

static void estimate(gb_comm c, double wider, size_t draws, gb_bounds *out)
{
  gb_dataset *d;
  gb_dataset_opts o = {.path = scratch("data.h5"), .memory = 4};
  gb_vae *v = make_model(wider);
  gb_model m = gb_vae_model(v);
  CHECK_OK(gb_dataset_open(c, &o, 2, data_shape, &d));
  CHECK_OK(gb_bounds_estimate(c, &m, d, draws, (gb_bound_watch){NULL, NULL}, out));
  gb_dataset_close(&d);
  gb_vae_destroy(&v);
}

static void open_all(void)
{
  static const gb_schema *sections[2];
  static const char yaml[] = "xy: {L: 4}";
  sections[0] = gb_physics_all[0]->schema;
  CHECK_OK(gb_config_parse("test", yaml, strlen(yaml), 0, NULL, sections, &cfg));
  CHECK_OK(gb_sim_create(gb_physics_all[0], cfg, gb_comm_self(), &sim));
  make_data();
}

static void close_all(void)
{
  gb_sim_destroy(&sim);
  gb_config_destroy(&cfg);
}

/* Where q is the posterior, w is p(x) whatever z is drawn. */
static void every_bound_is_exact_at_the_posterior(void **state)
{
  (void)state;
  gb_bounds b;
  open_all();
  estimate(world, 0, 3, &b);
  CHECK(b.rows == TEST_ROWS && b.draws == 3 && b.latents == M);
  for (int o = 0; o < GB_BOUND_ORDERS; o++) CHECK_NEAR(b.bound[o][0], exact(), 1e-4);
  CHECK_NEAR(b.gap[0], 0, 1e-6);
  double error = sqrt(N / 2.0 / TEST_ROWS); /* -2 ln p(x) is chi^2 of N numbers, and a constant */
  CHECK(b.bound[0][1] > 0.6 * error && b.bound[0][1] < 1.5 * error);
  gb_bounds_free(&b);
  close_all();
}

/* L_alpha = ln p(x) - D_alpha(q || posterior). */
static void bounds_of_a_wide_posterior(void **state)
{
  enum { DRAWS = 600 };
  static const double wider = 0.4, tolerance = 0.015; /* four times the noise of the draws */
  double rho = exp(wider), top = 0;
  gb_bounds b;
  (void)state;
  open_all();
  estimate(world, wider, DRAWS, &b);
  for (int o = 0; o < GB_BOUND_ORDERS; o++) {
    double order = gb_bound_order[o], D = M * (gb_renyi_kl(rho, 0) - gb_renyi_delta(order, rho, 0));
    if (order == 0) D = 0; /* of laws with the same support */
    CHECK_NEAR(b.bound[o][0], exact() - D, tolerance);
    CHECK(!o || b.bound[o][0] < top);
    top = b.bound[o][0];
  }
  CHECK_NEAR(b.gap[0], M * gb_renyi_kl(rho, 0), tolerance);
  CHECK_NEAR(b.gap[0], b.bound[GB_BOUND_IWAE][0] - b.bound[GB_BOUND_ELBO][0], 1e-12);
  CHECK_NEAR(b.bound[GB_BOUND_ELBO][0], -b.distortion[0] - b.rate[0], tolerance); /* mean of ln p(z)/q(z|x): -kl */
  CHECK(b.term[0] == b.distortion[0]);
  gb_bounds_free(&b);
  close_all();
}

static void any_ranks_say_the_same(void **state)
{
  (void)state;
  gb_bounds a, b;
  open_all();
  estimate(world, 0.3, 7, &a);
  estimate(self, 0.3, 7, &b);
  CHECK(!memcmp(&a, &b, offsetof(gb_bounds, mean)));
  CHECK(!memcmp(a.mean, b.mean, TEST_ROWS * M * sizeof *a.mean));
  CHECK(same_on_all(&a, offsetof(gb_bounds, mean)));
  for (size_t i = 0; i < TEST_ROWS; i++) { /* each row has its own */
    double along = 0, variance = 1 / (1 + s[0] * s[0] / (sigma * sigma));
    for (size_t k = 0; k < N; k++) along += axis(0, k) * (double)test_row(i)[k];
    CHECK_NEAR(a.mean[i * M], variance * s[0] * along / (sigma * sigma), 1e-5);
  }
  gb_bounds_free(&a);
  gb_bounds_free(&b);
  close_all();
}

static const struct CMUnitTest tests[] = {TEST(every_bound_is_exact_at_the_posterior), TEST(bounds_of_a_wide_posterior),
                                          TEST(any_ranks_say_the_same)};
RUN_ON_RANKS(tests)
