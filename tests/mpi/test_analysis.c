/* tests/mpi/test_analysis.c - an analysis: its numbers are those of the formulas at the eigenvalues found, it is the
 * same on any number of ranks, and comes back from its file. */
#include "report/analysis.h"

#include <hdf5.h>

#include "base/file.h"
#include "base/rng.h"
#include "io/h5.h"
#include "learn/experiment.h"
#include "mpi/small_data.h"
#include "registry.h"

enum { ROWS = 300, WIDTH = 8 };

static double x[ROWS][WIDTH];
static const double betas[] = {0.5, 1, 3}, alphas[] = {0.3, 1.3, 3}, latents[] = {0, 4, 2}, noises[] = {0, 0.2};

static void make(size_t rank)
{
  for (size_t i = 0; i < ROWS; i++)
    for (size_t k = 0; k < WIDTH; k++) {
      uint32_t r[4];
      gb_rng_words(gb_rng_key(3, GB_RNG_TEST, i, 0), (uint32_t)k * 4, 4, r);
      x[i][k] = k < rank ? (gb_rng_unit(r[0]) + gb_rng_unit(r[1]) - 1) * (3 - 0.3 * (double)k) : 1;
    }
}

static gb_err read_array(void *unused, size_t first, size_t n, double *out)
{
  (void)unused;
  memcpy(out, x[first], n * sizeof *x);
  return GB_OK;
}

static gb_samples samples(void)
{
  return (gb_samples){.name = "these", .n = ROWS, .width = WIDTH, .read = read_array};
}

static gb_analyze_opts options(void)
{
  return (gb_analyze_opts){.split = "training",
                           .route = "auto",
                           .latent = {3, latents},
                           .beta = {3, betas},
                           .alpha = {3, alphas},
                           .noise = {2, noises},
                           .components = 1, /* fewer than latents: those are kept */
                           .levels = 17,
                           .memory = 1};
}

static void check_numbers(const gb_analysis *a)
{
  static gb_linear_objective *const f[] = {gb_linear_elbo, gb_linear_elbo, gb_linear_escort, gb_linear_joint};
  static const size_t n_weight[] = {1, 3, 3, 3};
  gb_spectrum of = {WIDTH, a->pca.lam};
  for (gb_family_kind k = 0; k < GB_FAMILIES; k++)
    for (size_t s = 0; s < 2; s++)
      for (size_t m = 0; m < 3; m++)
        for (size_t w = 0; w < n_weight[k]; w++) {
          double S[4] = {0}, weight = k == GB_PPCA ? 1 : k == GB_BETA_ELBO ? betas[w] : alphas[w];
          gb_optimum o;
          size_t at = gb_analysis_at(a, k, s, m, w);
          CHECK(a->family[k].weight[w] == weight);
          if (f[k](of, (size_t)latents[m], weight, noises[s], S, &o)) {
            CHECK(k == GB_JOINT && isnan(a->family[k].number[GB_LINEAR_RATE][at]));
            CHECK(isnan(a->family[k].signal[4 * at]));
            gb_err_clear();
            continue;
          }
          for (int i = 0; i < GB_LINEAR_NUMBERS; i++) CHECK_NEAR(a->family[k].number[i][at], o.v[i], 0);
          for (int i = 0; i < 4; i++) CHECK_NEAR(a->family[k].signal[4 * at + (size_t)i], S[i], 0);
        }
  for (size_t i = 0; i < 17; i++) { /* with all latents, none, 4, 2: fewer have no less error at a level */
    CHECK_NEAR(a->rate[17 + i], 0, 0);
    CHECK(a->rate[i] >= a->rate[34 + i] && a->rate[34 + i] >= a->rate[51 + i]);
    CHECK(a->error[i] <= a->error[34 + i] + 1e-12 && a->error[34 + i] <= a->error[51 + i] + 1e-12);
    CHECK(!i || (a->level[i] < a->level[i - 1] && a->rate[i] > a->rate[i - 1]));
  }
  CHECK_NEAR(a->rate[0], 0, 0);
  CHECK_NEAR(a->level[16], fmax(a->pca.lam[WIDTH - 1] / 100, 1e-9 * a->pca.lam[0]), 1e-14); /* nine decades at most */
  CHECK_NEAR(
      a->renyi[(0 * 3 + 1) * 3 + 0],
      gb_linear_renyi_information(4, a->family[GB_PPCA].signal + 4 * gb_analysis_at(a, GB_PPCA, 0, 1, 0),
                                  a->family[GB_PPCA].number[GB_LINEAR_NOISE][gb_analysis_at(a, GB_PPCA, 0, 1, 0)], 0.3),
      0);
}

/* Equal bits, NAN also. */
static bool same(const double *a, const double *b, size_t n)
{
  return !memcmp(a, b, n * sizeof *a);
}

static void found_written_and_read(void **state)
{
  gb_samples s = samples();
  gb_analyze_opts o = options();
  gb_analysis a, b;
  const char *const note[][2] = {{"route", "qr"}, {"title", "Test."}};
  (void)state;
  make(WIDTH);
  CHECK_OK(gb_analysis_find(world, &o, &s, &a));
  CHECK(a.pca.route == GB_ROUTE_QR && a.pca.n_component == 4 && a.n_mode == 4);
  check_numbers(&a);
  a.data = 0x1234567890abcdef;
  CHECK_OK(gb_analysis_write(world, &a, 2, note, scratch("analysis.h5")));
  CHECK_OK(gb_analysis_read(world, scratch("analysis.h5"), &b));
  CHECK(b.data == a.data && b.pca.n == ROWS && b.pca.route == GB_ROUTE_QR);
  CHECK(b.n_noise == 2 && b.n_latent == 3 && b.n_mode == 4 && b.n_level == 17 && b.family[GB_JOINT].n_weight == 3);
  check_numbers(&b);
  CHECK(same(a.pca.mean, b.pca.mean, WIDTH) && same(a.pca.lam, b.pca.lam, WIDTH));
  CHECK(same(a.level, b.level, 17) && same(a.rate, b.rate, 4 * 17) && same(a.error, b.error, 4 * 17));
  CHECK(same(a.renyi, b.renyi, 18) && same(a.noise, b.noise, 2) && same(a.latent, b.latent, 3));
  CHECK(b.pca.mine.first == 0 && b.pca.mine.count == 4); /* all of them, which each rank has a part of at first */
  CHECK(same(a.pca.component, b.pca.component + a.pca.mine.first * WIDTH, a.pca.mine.count * WIDTH));
  double sum = 0;
  for (size_t i = 0; i < WIDTH; i++) sum += b.pca.component[3 * WIDTH + i] * b.pca.component[3 * WIDTH + i];
  CHECK_NEAR(sum, 1, 1e-12);
  gb_analysis_free(&a);
  gb_analysis_free(&b);
}

/* Lists that are empty, no component: nothing of them is in the file. */
static void least_of_all(void **state)
{
  gb_samples s = samples();
  gb_analyze_opts o = options();
  gb_analysis a, b;
  const char *const note[][2] = {{"route", "covariance"}};
  (void)state;
  make(WIDTH);
  o.route = "covariance";
  o.components = 0;
  o.latent.n = 1;
  o.beta = o.alpha = (gb_reals){0, NULL};
  CHECK_OK(gb_analysis_find(world, &o, &s, &a));
  CHECK_OK(gb_analysis_write(world, &a, 1, note, scratch("least.h5")));
  CHECK_OK(gb_analysis_read(world, scratch("least.h5"), &b));
  CHECK(b.n_latent == 1 && !b.n_mode && !b.pca.n_component && !b.family[GB_BETA_ELBO].n_weight);
  CHECK(same(a.family[GB_PPCA].number[GB_LINEAR_LIKELIHOOD], b.family[GB_PPCA].number[GB_LINEAR_LIKELIHOOD], 2));
  gb_analysis_free(&a);
  gb_analysis_free(&b);
}

/* A file whose parts do not fit together. */
static void other_shapes(void **state)
{
  gb_samples s = samples();
  gb_analyze_opts o = options();
  gb_analysis a;
  const char *const note[][2] = {{"route", "qr"}};
  const char *path = scratch("other.h5");
  (void)state;
  make(WIDTH);
  CHECK_OK(gb_analysis_find(world, &o, &s, &a));
  CHECK_OK(gb_analysis_write(world, &a, 1, note, path));
  gb_analysis_free(&a);
  if (world.rank == 0) {
    hid_t f = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), space = H5Screate_simple(3, (hsize_t[]){2, 9, 1}, NULL);
    CHECK(f >= 0 && H5Ldelete(f, "/beta_elbo/rate", H5P_DEFAULT) >= 0);
    H5Dclose(H5Dcreate2(f, "/beta_elbo/rate", H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
    H5Fclose(f);
    CHECK_OK(gb_file_seal(path));
  }
  MPI_Barrier(world.mpi);
  CHECK_ALL_FAIL(gb_analysis_read(world, path, &a), GB_ERR_IO,
                 "/beta_elbo/rate has 9 items along axis 1, 3 are expected");
}

/* Some numbers are constant: the joint divergence is infinite, all else is there; more latents than that cannot be. */
static void singular_data(void **state)
{
  gb_samples s = samples();
  gb_analyze_opts o = options();
  gb_analysis a;
  (void)state;
  make(5);
  CHECK_OK(gb_analysis_find(world, &o, &s, &a));
  for (int i = 5; i < WIDTH; i++) CHECK(a.pca.lam[i] == 0);
  check_numbers(&a);
  CHECK(isnan(a.family[GB_JOINT].number[GB_LINEAR_NOISE][0]));
  CHECK(a.family[GB_ESCORT].number[GB_LINEAR_NOISE][0] > 0);
  gb_analysis_free(&a);
  make(4);
  CHECK_ALL_FAIL(gb_analysis_find(world, &o, &s, &a), GB_ERR_CONFIG, "4 latents leave no variance");
  gb_analysis_free(&a);
}

static void refusals(void **state)
{
  gb_samples s = samples();
  gb_analyze_opts o = options();
  gb_analysis a;
  double many[] = {8};
  (void)state;
  make(WIDTH);
  o.latent = (gb_reals){1, many};
  CHECK_ALL_FAIL(gb_analysis_find(world, &o, &s, &a), GB_ERR_CONFIG,
                 "analyze.latent = 8: samples have 8 numbers, so linear models have at most 7 latents where");
  gb_analysis_free(&a);
  o.noise = (gb_reals){1, noises + 1};
  CHECK_OK(gb_analysis_find(world, &o, &s, &a)); /* a noise that is given needs nothing left over */
  gb_analysis_free(&a);
  s.n = 8;
  CHECK_ALL_FAIL(gb_analysis_find(world, &o, &s, &a), GB_ERR_CONFIG, "no more than 7 independent components");
  gb_analysis_free(&a);
  s.n = 0;
  CHECK_ALL_FAIL(gb_analysis_find(world, &o, &s, &a), GB_ERR_CONFIG, "the 0 samples of these");
  gb_analysis_free(&a);
  if (world.rank == 0) {
    gb_h5 *f;
    CHECK_OK(gb_h5_create(self, scratch("other.h5"), &f));
    CHECK_OK(gb_h5_close(&f, true));
  }
  gb_comm_any(world, false);
  CHECK_ALL_FAIL(gb_analysis_read(world, scratch("other.h5"), &a), GB_ERR_IO, "is no analysis.h5");
  CHECK_ALL_FAIL(gb_analysis_read(world, scratch("nothing.h5"), &a), GB_ERR_IO, "nothing.h5");
}

/* What greybox-analyze does with a file of samples. */
static gb_err analyze(const char *path, const char *split)
{
  static const gb_schema *sections[16] = {&gb_run_schema};
  static const char text[] = "run: {physics: xy}\nxy: {L: 4, T: [1]}\nanalyze: {latent: [2]}\n";
  char dir[PATH_MAX], data[PATH_MAX], part[64], *overrides[] = {dir, data, part};
  const gb_physics *xy;
  gb_config *cfg;
  gb_sim sim;
  gb_run *run;
  size_t n = 1;
  CHECK_OK(gb_sim_find(gb_physics_all, "xy", &xy));
  sections[n++] = xy->schema;
  for (size_t i = 0; gb_experiment_sections[i]; i++) sections[n++] = gb_experiment_sections[i];
  sections[n] = &gb_analyze_schema;
  snprintf(dir, sizeof dir, "run.dir=%s/run", scratch_folder);
  snprintf(data, sizeof data, "data.path=%s", path);
  snprintf(part, sizeof part, "analyze.split=%s", split);
  CHECK_OK(gb_config_parse("test", text, strlen(text), 3, overrides, sections, &cfg));
  CHECK_OK(gb_sim_create(xy, cfg, gb_comm_self(), &sim));
  CHECK_OK(gb_run_open(world, "test", cfg, sections, &run));
  gb_err e = gb_analyze(world, cfg, &sim, run);
  gb_run_close(&run);
  gb_sim_destroy(&sim);
  gb_config_destroy(&cfg);
  return e;
}

static void files_of_samples(void **state)
{
  static small_data d;
  gb_analysis a;
  char path[300];
  (void)state;
  snprintf(path, sizeof path, "%s/data.h5", scratch_folder);
  data_fill(&d, 5);
  data_write(&d, path, NULL);
  CHECK_OK(analyze(path, "all"));
  CHECK_OK(gb_analysis_read(world, scratch("run/analysis.h5"), &a));
  CHECK(a.pca.n == DATA_N && a.pca.width == 2 * DATA_WIDTH && a.data);
  gb_analysis_free(&a);
  CHECK_OK(analyze(path, "test"));
  CHECK_OK(gb_analysis_read(world, scratch("run/analysis.h5"), &a));
  CHECK(a.pca.n == DATA_N / 3);
  gb_analysis_free(&a);
  d.x[DATA_SAMPLES + 1][3] = NAN; /* of the second chain, which is for validation: its second sample, site 3 */
  d.checksum[DATA_SAMPLES + 1] = gb_hash64(d.x[DATA_SAMPLES + 1], sizeof d.x[0]);
  data_write(&d, path, NULL);
  CHECK_OK(analyze(path, "training"));
  CHECK_ALL_FAIL(analyze(path, "validation"), GB_ERR_NUMERIC,
                 "data.h5, analyze.split = validation: number 6 of sample 1 is not finite");
  for (size_t i = 0; i < DATA_N; i++) {
    for (size_t k = 0; k < DATA_WIDTH; k++) d.x[i][k] = 0.25f;
    d.checksum[i] = gb_hash64(d.x[i], sizeof d.x[i]);
  }
  data_write(&d, path, NULL);
  CHECK_ALL_FAIL(analyze(path, "all"), GB_ERR_NUMERIC, "all samples are equal");
}

static const struct CMUnitTest tests[] = {TEST(found_written_and_read), TEST(least_of_all), TEST(other_shapes),
                                          TEST(singular_data),          TEST(refusals),     TEST(files_of_samples)};
RUN_ON_RANKS(tests)
