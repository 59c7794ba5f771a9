/* tests/mpi/test_linear_training.c - the whole way, from a data set file through model and trainer to weights: a linear
 * VAE of small angles ends at the optimum that algebra gives for its objective, in signals and learned noise. */
#include "base/hash.h"
#include "config/config.h"
#include "io/h5.h"
#include "learn/trainer.h"
#include "learn/vae.h"
#include "linalg/jacobi.h"
#include "linalg/linear.h"
#include "mpi/ranks.h"
#include "registry.h"

enum { L = 4, N = L * L, M = 3, ROWS = 8 * N, CHAINS = 2, LANES = GB_JACOBI_LANES };

/* In units of 0.05 rad^2: three modes above all others, which differ, so that alpha moves the noise of relbo-joint. */
static const double spectrum[N] = {5, 3, 2, 0.8, 0.75, 0.7, 0.65, 0.6, 0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15};
static double lam[N];

/* Vector i of an orthonormal basis: of Hadamard's matrix. */
static double basis(size_t i, size_t site)
{
  return __builtin_parity((unsigned)(i & site)) ? -1.0 / L : 1.0 / L;
}

static void put(gb_h5 *f, const char *name, gb_h5_type type, int ndim, const void *v)
{
  gb_h5_spec s = {
      .name = name, .type = type, .ndim = ndim, .shape = {1, CHAINS, ROWS, L, L}, .unit = "1", .doc = "Test."};
  CHECK_OK(gb_h5_add(f, &s));
  CHECK_OK(gb_h5_write_all(f, name, v));
}

/* Samples at +- (n lam_i)^1/2 along each axis, about a mean: their covariance is exact. Chain 0 trains, 1 validates. */
static void write_data(const char *path)
{
  static float x[CHAINS * ROWS][N];
  static const double temperature = 1;
  uint8_t split[CHAINS * ROWS];
  uint64_t checksum[CHAINS * ROWS];
  for (size_t i = 0; i < N; i++) lam[i] = 0.05 * spectrum[i];
  for (size_t r = 0; r < CHAINS * ROWS; r++) {
    size_t i = r / 2 % N;
    split[r] = (uint8_t)(r / ROWS);
    for (size_t k = 0; k < N; k++)
      x[r][k] = (float)(0.1 * (double)(k % 3) + (r % 2 ? -1 : 1) * sqrt(N * lam[i]) * basis(i, k));
    checksum[r] = gb_hash64(x[r], sizeof x[r]);
  }
  if (world.rank == 0) {
    gb_h5 *f;
    CHECK_OK(gb_h5_create(self, path, &f));
    put(f, "/temperature", GB_H5_F64, 1, &temperature);
    put(f, "/split", GB_H5_U8, 3, split);
    put(f, "/checksum", GB_H5_U64, 3, checksum);
    put(f, "/configurations", GB_H5_F32, 5, x);
    CHECK_OK(gb_h5_close(&f, true));
  }
  MPI_Barrier(world.mpi);
}

static const gb_real *tensor(gb_params *p, const char *name)
{
  for (int t = 0; t < gb_params_n(p); t++)
    if (!strcmp(gb_params_info(p, t)->name, name)) return gb_params_value(p) + gb_params_info(p, t)->first;
  fail_msg("there is no %s", name);
  return NULL;
}

static int falling(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x < y) - (x > y);
}

/* Squared singular values of the decoder, in rad^2, the largest first. */
static void signals(gb_params *p, double S[M])
{
  double a[M * M * LANES] = {0}, q[M * M * LANES];
  const gb_real *W = tensor(p, "output.weight");
  for (size_t i = 0; i < M * M * LANES; i++)
    for (size_t c = 0; c < N; c++)
      a[i] += M_PI * M_PI * (double)W[i / LANES / M * N + c] * (double)W[i / LANES % M * N + c];
  gb_jacobi(M, a, q);
  for (size_t k = 0; k < M; k++) S[k] = a[(k * M + k) * LANES];
  qsort(S, M, sizeof *S, falling);
}

typedef struct training {
  const char *kind;
  double alpha, beta;
  int64_t steps;
  double learning_rate;
  gb_linear_objective *closed;
} training;

static void run(const training *t, gb_sim *sim, gb_vae **v)
{
  static const gb_schema *const sections[] = {&gb_run_schema, NULL};
  static int number;
  char yaml[PATH_MAX], path[PATH_MAX];
  gb_config *cfg;
  gb_run *r;
  gb_dataset *d;
  gb_train_result result;
  const gb_vae_opts o = {.encoding = "angle",
                         .activation = "elu",
                         .latent = M,
                         .likelihood = "gaussian",
                         .spread = "shared",
                         .sigma = 0.4};
  const gb_objective_opts objective = {.kind = t->kind,
                                       .gradient = "stop",
                                       .alpha = t->alpha,
                                       .beta = t->beta,
                                       .samples = 8,
                                       .linearise_every = 1,
                                       .energy_mode = "mean"};
  const gb_train_opts opts = {.steps = t->steps,
                              .batch = ROWS,
                              .shards = 4,
                              .reduction = "exact",
                              .log_every = t->steps,
                              .validate_every = t->steps,
                              .save_every = t->steps};
  const gb_optim_opts optim = {.optimizer = "adam",
                               .learning_rate = t->learning_rate,
                               .schedule = "cosine",
                               .beta1 = 0.9,
                               .beta2 = 0.99,
                               .epsilon = 1e-10};
  snprintf(path, sizeof path, "%.300s/data.h5", scratch_folder);
  snprintf(yaml, sizeof yaml, "run: {dir: \"%.300s/%d\", log_seconds: 1000}", scratch_folder, number++);
  CHECK_OK(gb_vae_create(&o, &objective, sim, gb_train_rows(&opts, world.size), 5, NULL, v));
  gb_model model = gb_vae_model(*v);
  CHECK_OK(gb_config_parse("test", yaml, strlen(yaml), 0, NULL, sections, &cfg));
  CHECK_OK(gb_run_open(world, "greybox-test", cfg, sections, &r));
  CHECK_OK(gb_dataset_open(world, &(gb_dataset_opts){.path = path, .memory = 1}, 2, (size_t[]){L, L}, &d));
  CHECK_OK(gb_train(world, &opts, &optim, 3, &model, model.params, d, r, "a linear VAE\n", &result));
  CHECK(result.step == (uint64_t)t->steps);
  gb_dataset_close(&d);
  gb_run_close(&r);
  gb_config_destroy(&cfg);
}

/* KL and squared error of draws of q are those of the optimum, and on the curve of linear codes: one that is trained
 * gains nothing over the best. Samples in half turns. */
static void check_code(gb_vae *v, const gb_optimum *best)
{
  enum { DRAWS = 200 };
  gb_model m = gb_vae_model(v);
  float x[2 * N * N];
  double rate = 0, error = 0;
  for (size_t r = 0; r < 2 * N; r++)
    for (size_t k = 0; k < N; k++)
      x[r * N + k] = (float)(0.1 * (double)(k % 3) + (r % 2 ? -1 : 1) * sqrt(N * lam[r / 2]) * basis(r / 2, k));
  for (uint64_t d = 0; d < DRAWS; d++) {
    const double *term[GB_MOST_TERMS];
    double square[2 * N];
    CHECK_OK(m.forward(m.self, 2 * N, 1, x, (gb_pass){d, 0, false}, term));
    gb_vae_squares(v, square);
    for (size_t r = 0; r < 2 * N; r++) {
      rate += term[GB_VAE_KL][r] / (2 * N * DRAWS);
      error += M_PI * M_PI * square[r] / (2 * N * DRAWS);
    }
  }
  CHECK_NEAR(rate, best->v[GB_LINEAR_RATE], 0.01 * rate);
  CHECK_NEAR(error, best->v[GB_LINEAR_ERROR], 0.01 * error);
  CHECK_NEAR(gb_linear_error_at((gb_spectrum){N, lam}, M, rate), error, 0.01 * error);
}

/* Variances of the model along its modes, and its noise, within 1 %. */
static void check_optimum(const training *t)
{
  static const char yaml[] = "xy: {L: 4}";
  const gb_schema *sections[] = {gb_physics_all[0]->schema, NULL};
  double S[M], expected[M];
  gb_optimum best;
  gb_config *cfg;
  gb_sim sim;
  gb_vae *v;
  CHECK_OK(gb_config_parse("test", yaml, strlen(yaml), 0, NULL, sections, &cfg));
  CHECK_OK(gb_sim_create(gb_physics_all[0], cfg, gb_comm_self(), &sim));
  run(t, &sim, &v);
  CHECK_OK(t->closed((gb_spectrum){N, lam}, M, t->closed == gb_linear_elbo ? t->beta : t->alpha, 0, expected, &best));
  signals(gb_vae_params(v), S);
  double s2 = best.v[GB_LINEAR_NOISE], found = exp((double)*gb_vae_look(v).spread);
  CHECK(best.v[GB_LINEAR_ACTIVE] >= 2);
  CHECK_NEAR(found, s2, 0.01 * s2);
  for (size_t k = 0; k < M; k++) CHECK_NEAR(S[k], expected[k], 0.01 * (expected[k] + s2));
  if (!strcmp(t->kind, "elbo")) check_code(v, &best);
  gb_vae_destroy(&v);
  gb_sim_destroy(&sim);
  gb_config_destroy(&cfg);
}

/* On several ranks only what is quick: above 1 the edge of the domain wants small steps. */
static void joint(void **state)
{
  (void)state;
  static const double alphas[] = {0.3, 0.7, 1.2};
  write_data(scratch("data.h5"));
  for (int i = 0; i < (world.size > 1 ? 2 : 3); i++)
    check_optimum(&(training){"relbo-joint", alphas[i], 1, alphas[i] > 1 ? 30000 : 4000, alphas[i] > 1 ? 0.004 : 0.02,
                              gb_linear_joint});
}

/* Sampled latents take longer; that results do not depend on the ranks is shown elsewhere. */
static void sampled(void **state)
{
  (void)state;
  static const training c[] = {{"elbo", 1, 0.5, 45000, 0.02, gb_linear_elbo},
                               {"elbo", 1, 1, 45000, 0.02, gb_linear_elbo},
                               {"elbo", 1, 2, 45000, 0.02, gb_linear_elbo},
                               {"relbo", 0.4, 1, 45000, 0.02, gb_linear_elbo},
                               {"relbo-escort", 0.5, 1, 45000, 0.02, gb_linear_escort},
                               {"relbo-escort", 0.8, 1, 45000, 0.02, gb_linear_escort},
                               {"relbo-escort", 1.3, 1, 45000, 0.02, gb_linear_escort}};
  if (world.size > 1) skip();
  for (size_t i = 0; i < sizeof c / sizeof *c; i++) check_optimum(&c[i]);
}

static const struct CMUnitTest tests[] = {TEST(joint), TEST(sampled)};

RUN_ON_RANKS(tests)
