/* tests/mpi/test_simulate.c - rows of a simulator in a file: the same numbers on any number of ranks, stopped or not.
 */
#include "sim/simulate.h"

#include <limits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "data/dataset.h"
#include "io/h5.h"
#include "mpi/ranks.h"
#include "sim/rows.h"

enum { FRAMES = 4, SEEN = 2, SIDE = 3, TRUTHS = 3, N = 23 };

typedef struct toy_opts {
  int64_t bad, worse; /* rows that fail: the result is no number; the simulator says so */
  int64_t times;      /* draws of row `worse` that fail */
} toy_opts;

static const gb_field fields[] = {GB_NUMBER(toy_opts, bad, "-1", -1, 1e9, "1", GB_FIXED, "Test."),
                                  GB_NUMBER(toy_opts, worse, "-1", -1, 1e9, "1", GB_FIXED, "Test."),
                                  GB_NUMBER(toy_opts, times, "1", 1, 1000, "1", GB_FIXED, "Test."),
                                  {0}};
static const gb_schema schema = {"toy", "Test.", sizeof(toy_opts), fields, NULL};
static const gb_schema *const sections[] = {&gb_run_schema, &schema, &gb_simulate_schema, NULL};

static gb_err create(const void *opts, gb_comm team, void **it, gb_dims *dims)
{
  (void)team;
  *dims = (gb_dims){.ndim = 2,
                    .shape = {FRAMES, SEEN},
                    .axis = {"frame", "component"},
                    .n = FRAMES * SEEN,
                    .unit = "m",
                    .frame_time = 0.25};
  GB_TRY(gb_new((toy_opts **)it, 1));
  memcpy(*it, opts, sizeof(toy_opts));
  return GB_OK;
}

static gb_err create_image(const void *opts, gb_comm team, void **it, gb_dims *dims)
{
  GB_TRY(create(opts, team, it, dims));
  *dims =
      (gb_dims){.ndim = 3, .shape = {SIDE, SIDE, 3}, .axis = {"y", "x", "channel"}, .n = SIDE * SIDE * 3, .unit = "1"};
  return GB_OK;
}

static void destroy(void **it)
{
  gb_free(it);
}

/* What row `row` is: of an image, numbers from below 0 to above 1. */
static void expected(size_t n, uint64_t seed, uint64_t row, float x[], double truth[TRUTHS])
{
  uint32_t w[32];
  gb_rng_words(gb_rng_key(seed, GB_RNG_TRUTH, row, 0), 0, 32, w);
  for (size_t i = 0; i < n; i++) x[i] = (float)(1.2 * gb_rng_unit(w[i]) - 0.1);
  truth[0] = gb_rng_unit(w[30]);
  truth[1] = (double)(row % 4);
  truth[2] = (double)row;
}

static gb_err simulate(void *it, uint64_t seed, uint64_t row, float *x, double *truth)
{
  const toy_opts *o = it;
  char name[48];
  expected(SIDE * SIDE * 3, seed, row, x, truth);
  if ((int64_t)row == o->bad) x[FRAMES * SEEN - 1] = nanf("");
  for (uint64_t k = 0; o->worse >= 0 && k < (uint64_t)o->times; k++)
    GB_CHECK(row != gb_row_again((uint64_t)o->worse, k), GB_ERR_NUMERIC, "%s: no way at t = 0.5",
             gb_row_name(row, name));
  return GB_OK;
}

static gb_err simulate_rows(void *it, uint64_t seed, uint64_t row, float *x, double *truth)
{
  float all[SIDE * SIDE * 3];
  GB_TRY(simulate(it, seed, row, all, truth));
  memcpy(x, all, FRAMES * SEEN * sizeof *x);
  return GB_OK;
}

static const gb_var truths[TRUTHS] = {{"e", "1", "A number."}, {"class", "1", "A class."}, {"row", "1", "Another."}};
static const gb_simulator simulator = {TRUTHS, truths, simulate_rows, NULL},
                          image_simulator = {TRUTHS, truths, simulate, NULL};
static const gb_image image = {.channels = 1};
static const gb_physics toy = {.name = "toy",
                               .doc = "Test.",
                               .source = "Test.",
                               .schema = &schema,
                               .create = create,
                               .destroy = destroy,
                               .simulator = &simulator},
                        toy_image = {.name = "toy",
                                     .doc = "Test.",
                                     .source = "Test.",
                                     .schema = &schema,
                                     .create = create_image,
                                     .destroy = destroy,
                                     .simulator = &image_simulator,
                                     .image = &image};

/* Generate into a folder; `more`: further keys in YAML. */
static gb_err generate_with(const gb_physics *physics, const char *dir, const char *more, const char *rows)
{
  char text[PATH_MAX + 300];
  gb_config *cfg;
  gb_run *run = NULL;
  snprintf(text, sizeof text,
           "run: {physics: toy, dir: \"%s\", seed: 5%s}\nsimulate: {training: 10, validation: 6, test: 7%s}\n",
           scratch(dir), more, rows);
  CHECK_OK(gb_config_parse("case.yaml", text, strlen(text), 0, NULL, sections, &cfg));
  CHECK_OK(gb_run_open(world, "greybox-test", cfg, sections, &run));
  gb_err e = gb_simulate(world, cfg, physics, sections, run);
  gb_run_close(&run);
  gb_config_destroy(&cfg);
  MPI_Barrier(world.mpi);
  return e;
}

static gb_err generate(const gb_physics *physics, const char *dir, const char *more)
{
  return generate_with(physics, dir, more, "");
}

static void check_rows(const char *path, const gb_physics *physics)
{
  static const size_t shape[] = {FRAMES, SEEN}, image_shape[] = {SIDE, SIDE, 3}, rows[GB_SPLITS] = {10, 6, 7};
  bool of_image = physics->image;
  size_t n = of_image ? SIDE * SIDE * 3 : FRAMES * SEEN;
  gb_dataset_opts o = {.path = path, .memory = 4};
  gb_dataset *d;
  uint64_t row = 0;
  CHECK_OK(gb_dataset_open(world, &o, of_image ? 3 : 2, of_image ? image_shape : shape, &d));
  for (gb_split s = GB_TRAIN; s < GB_SPLITS; s++) {
    double e[N], number[N];
    CHECK(gb_dataset_rows(d, s) == rows[s]);
    CHECK_OK(gb_dataset_truth(d, s, "e", e));
    CHECK_OK(gb_dataset_truth(d, s, "row", number));
    for (uint64_t i = 0; i < rows[s]; i++, row++) {
      float x[SIDE * SIDE * 3], wanted[SIDE * SIDE * 3];
      double truth[TRUTHS];
      expected(n, 5, row, wanted, truth);
      CHECK_OK(gb_dataset_read(d, s, 1, &i, x));
      for (size_t k = 0; k < n && of_image; k++) {
        float inside = wanted[k] < 0 ? 0 : wanted[k] > 1 ? 1 : wanted[k];
        CHECK_NEAR((double)x[k], (double)inside, 0.5 / 255 + 1e-6);
      }
      if (!of_image) CHECK(!memcmp(x, wanted, n * sizeof *x));
      CHECK(e[i] == truth[0] && number[i] == truth[2]);
    }
  }
  gb_dataset_close(&d);
}

static void rows_are_written(void **state)
{
  (void)state;
  gb_h5 *f;
  double time[FRAMES];
  CHECK_OK(generate(&toy, "rows", ""));
  check_rows(scratch("rows/dataset.h5"), &toy);
  CHECK_OK(gb_h5_open(self, scratch("rows/dataset.h5"), &f));
  CHECK_OK(gb_h5_read_all(f, "/time", GB_H5_F64, FRAMES, time));
  for (int i = 0; i < FRAMES; i++) CHECK(time[i] == 0.25 * i);
  CHECK(!gb_h5_has(f, "/images") && !gb_h5_has(f, "/ans") && gb_h5_has(f, "/provenance/config"));
  CHECK_OK(gb_h5_close(&f, false));
  CHECK(access(scratch("rows/generate.state.h5"), F_OK) && access(scratch("rows/dataset.h5.part"), F_OK));
  CHECK_OK(generate(&toy, "rows", "")); /* nothing to do */
  CHECK_ALL_FAIL(generate(&toy, "rows", ", resume: false"), GB_ERR_CONFIG, "run.resume is false");
  CHECK_ALL_FAIL(generate(&toy, "rows", "}\ntoy: {bad: 100"), GB_ERR_CONFIG, "toy.bad");
}

static void images_are_written(void **state)
{
  (void)state;
  gb_h5 *f;
  uint8_t ans[N];
  CHECK_OK(generate(&toy_image, "images", ""));
  check_rows(scratch("images/dataset.h5"), &toy_image);
  CHECK_OK(gb_h5_open(self, scratch("images/dataset.h5"), &f));
  CHECK_OK(gb_h5_read_all(f, "/ans", GB_H5_U8, N, ans));
  for (int i = 0; i < N; i++) CHECK(ans[i] == i % 4);
  CHECK_OK(gb_h5_close(&f, false));
}

static void bad_rows_are_named(void **state)
{
  (void)state;
  CHECK_ALL_FAIL(generate(&toy, "bad", "}\ntoy: {bad: 17"), GB_ERR_NUMERIC,
                 "row 17 is nan at time = 0.75, frame = 3, component = 1, for e = 0.");
  CHECK_ALL_FAIL(generate(&toy, "worse", "}\ntoy: {worse: 21"), GB_ERR_NUMERIC, "row 21: no way at t = 0.5");
  CHECK_ALL_FAIL(generate(&toy, "both", "}\ntoy: {bad: 4, worse: 5"), GB_ERR_NUMERIC, "row 4 is nan"); /* the first */
}

/* Rows that fail are drawn again; which and why is told, whether the run is stopped or not, and others are as they
 * were. */
static void failed_rows_are_drawn_again(void **state)
{
  (void)state;
  static const char often[] = "}\ntoy: {bad: 4, worse: 17, times: 3", again[] = "}\ntoy: {bad: 4, worse: 17, times: 2";
  uint16_t draws[N];
  char reason[N][256];
  double number[N];
  gb_h5 *f;
  for (int stopped = 0; stopped < 2; stopped++) {
    const char *dir = stopped ? "again.stopped" : "again";
    gb_err e = GB_STOPPED;
    for (int starts = 0; e; starts++) {
      CHECK(starts <= N);
      if (world.rank == 0 && stopped) {
        CHECK_OK(gb_file_make_folder(scratch(dir)));
        scratch_put(scratch("again.stopped/stop"), "", 0);
      }
      MPI_Barrier(world.mpi);
      gb_err_clear();
      e = generate_with(&toy, dir, again, ", redraws: 2");
      CHECK(e == GB_OK || (stopped && e == GB_STOPPED));
      MPI_Barrier(world.mpi);
    }
    gb_err_clear();
    CHECK_OK(gb_h5_open(self, scratch(stopped ? "again.stopped/dataset.h5" : "again/dataset.h5"), &f));
    CHECK_OK(gb_h5_read_all(f, "/draws", GB_H5_U16, N, draws));
    CHECK_OK(gb_h5_read_all(f, "/failure", GB_H5_U8, sizeof reason, reason));
    CHECK_OK(gb_h5_read_all(f, "/truth/row", GB_H5_F64, N, number));
    CHECK_OK(gb_h5_close(&f, false));
    for (int i = 0; i < N; i++) {
      CHECK(draws[i] == (i == 4 ? 2 : i == 17 ? 3 : 1));
      CHECK(number[i] == (double)gb_row_again((uint64_t)i, draws[i] - 1u));
      CHECK(!strncmp(reason[i],
                     i == 4    ? "row 4 is nan at time"
                     : i == 17 ? "row 17: no way"
                               : "",
                     i == 4 || i == 17 ? 14 : 1));
    }
    MPI_Barrier(world.mpi);
  }
  CHECK_ALL_FAIL(generate_with(&toy, "often", often, ", redraws: 2"), GB_ERR_NUMERIC,
                 "row 17, draw 3: no way at t = 0.5");
}

/* Each start makes one round and stops: the rows are as if it had not. */
static void stopped_runs_go_on(void **state)
{
  (void)state;
  int stops = 0;
  CHECK_OK(generate(&toy, "whole", ""));
  for (gb_err e = GB_STOPPED; e; stops++) {
    if (world.rank == 0) {
      CHECK_OK(gb_file_make_folder(scratch("stopped")));
      scratch_put(scratch("stopped/stop"), "", 0);
    }
    MPI_Barrier(world.mpi);
    gb_err_clear();
    e = generate(&toy, "stopped", "");
    CHECK(e == GB_OK || (e == GB_STOPPED && access(scratch("stopped/stop"), F_OK)));
    CHECK(!e == !access(scratch("stopped/dataset.h5"), F_OK) && stops < N);
    MPI_Barrier(world.mpi); /* all have looked before the next stop file is there */
  }
  gb_err_clear();
  CHECK(stops * world.size >= N / 4);
  check_rows(scratch("stopped/dataset.h5"), &toy);
}

enum { SEAL = 47 }; /* bytes of the checksum behind a file */

static void damaged_state(void **state)
{
  (void)state;
  if (world.rank == 0) {
    CHECK_OK(gb_file_make_folder(scratch("damaged")));
    scratch_put(scratch("damaged/stop"), "", 0);
  }
  MPI_Barrier(world.mpi);
  CHECK_ALL_FAIL(generate(&toy, "damaged", ""), GB_STOPPED, "stopped on request; everything is saved in ");
  CHECK_ALL_FAIL(generate(&toy, "damaged", "}\ntoy: {bad: 100"), GB_ERR_CONFIG, "toy.bad");
  if (world.rank == 0) { /* rows_done, which stands behind the format */
    size_t n = 0;
    char *all = scratch_get(scratch("damaged/generate.state.h5"), &n);
    const int64_t numbers[3] = {3, world.size, 0};
    char *at = memmem(all, n, numbers, sizeof numbers);
    CHECK(at);
    at[8] ^= 2;
    scratch_put(scratch("damaged/generate.state.h5"), all, n - SEAL); /* what a damaged one without its seal is */
    CHECK(rename(scratch("damaged/generate.state.prev.h5"), scratch("kept.h5")) == 0);
    free(all);
  }
  MPI_Barrier(world.mpi);
  CHECK_ALL_FAIL(generate(&toy, "damaged", ""), GB_ERR_IO, "generate.state.h5: does not match its checksums");
  if (world.rank == 0) CHECK(rename(scratch("kept.h5"), scratch("damaged/generate.state.prev.h5")) == 0);
  MPI_Barrier(world.mpi);
  CHECK_OK(generate(&toy, "damaged", "")); /* there is a state before it */
  check_rows(scratch("damaged/dataset.h5"), &toy);
  CHECK(access(scratch("damaged/generate.state.damaged.h5"), F_OK) == 0);
  CHECK(access(scratch("damaged/generate.state.prev.h5"), F_OK) != 0);
}

static void plan(void **state)
{
  (void)state;
  static const char text[] = "run: {physics: toy, dir: x}\nsimulate: {training: 8, validation: 1, test: 1}\n",
                    bad[] = "run: {physics: toy, dir: x}\ntoy: {bad: 3}\n";
  gb_config *cfg;
  gb_sim sim;
  gb_text t = {0};
  CHECK_OK(gb_config_parse("case.yaml", text, strlen(text), 0, NULL, sections, &cfg));
  CHECK_OK(gb_sim_create(&toy, cfg, self, &sim));
  CHECK_OK(gb_simulate_plan(cfg, &sim, 4, &t));
  CHECK(strstr(t.s, "rows: 8 training + 1 validation + 1 test = 10 of 8 numbers"));
  CHECK(strstr(t.s, "rows/s per rank") && strstr(t.s, "on 4 ranks"));
  gb_text_free(&t);
  gb_sim_destroy(&sim);
  gb_config_destroy(&cfg);
  CHECK_OK(gb_config_parse("case.yaml", bad, strlen(bad), 0, NULL, sections, &cfg));
  CHECK_OK(gb_sim_create(&toy, cfg, self, &sim));
  CHECK_FAILS(gb_simulate_plan(cfg, &sim, 4, &t), GB_ERR_NUMERIC, "row 3 is nan");
  gb_text_free(&t);
  gb_sim_destroy(&sim);
  gb_config_destroy(&cfg);
}

static const struct CMUnitTest tests[] = {TEST(rows_are_written),
                                          TEST(images_are_written),
                                          TEST(bad_rows_are_named),
                                          TEST(failed_rows_are_drawn_again),
                                          TEST(stopped_runs_go_on),
                                          TEST(damaged_state),
                                          TEST(plan)};
RUN_ON_RANKS(tests)
