/* tests/mpi/test_sweep.c - groups of ranks train trials of which some fail; what is written does not depend on them. */
#include "sweep/sweep.h"

#include "learn/experiment.h"
#include "mpi/small_data.h"
#include "registry.h"

enum { MOST = 32, GROUPS = 2 };

static const gb_physics *physics;
static const gb_schema *sections[MOST];

static void find_physics(void)
{
  size_t n = 0;
  CHECK_OK(gb_sim_find(gb_physics_all, "xy", &physics));
  sections[n++] = &gb_run_schema;
  sections[n++] = physics->schema;
  for (size_t i = 0; gb_experiment_sections[i]; i++) sections[n++] = gb_experiment_sections[i];
  sections[n++] = &gb_sweep_schema;
  CHECK(n < MOST);
}

/* A sweep in the folder `dir` of the scratch folder on the ranks of c. */
static gb_err sweep_in(gb_comm c, const char *dir, const char *sweep)
{
  char text[2000];
  gb_config *cfg;
  gb_run *run = NULL;
  int n = snprintf(text, sizeof text,
                   "run: {physics: xy, dir: \"%.300s/%s\", log_seconds: 1000}\n"
                   "xy: {L: %d}\n"
                   "data: {path: \"%.300s/data.h5\"}\n"
                   "model: {encoder: [dense 4], decoder: [dense 4], latent: 2}\n"
                   "train: {steps: 16, batch: 8, shards: 4, validate_every: 4, save_every: 8}\n"
                   "sweep: {%s}\n",
                   scratch_folder, dir, DATA_SIDE, scratch_folder, sweep);
  CHECK_OK(gb_config_parse("test", text, (size_t)n, 0, NULL, sections, &cfg));
  CHECK_OK(gb_run_open(c, "greybox-test", cfg, sections, &run));
  gb_err e = gb_sweep_run(c, &(gb_sweep_call){.cfg = cfg, .physics = physics, .all = sections}, run);
  gb_run_close(&run);
  gb_config_destroy(&cfg);
  return e;
}

static small_data data;

static char *read_text(const char *dir, const char *name)
{
  char path[200];
  size_t n = 0;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  return scratch_get(scratch(path), &n);
}

static size_t count(const char *text, const char *what)
{
  size_t n = 0;
  for (const char *p = text; (p = strstr(p, what)); p++) n++;
  return n;
}

/* Results on all ranks, in groups of so many, against those of rank 0 alone. */
static void check_like_alone(const char *sweep, const char *name, int done, int failed)
{
  char dir[64], grouped[1000];
  size_t lines = 0;
  for (int k = 1; k <= GROUPS; k++) {
    snprintf(dir, sizeof dir, "%s%d", name, k);
    snprintf(grouped, sizeof grouped, "%s, ranks_per_trial: %d", sweep, k);
    CHECK_OK(sweep_in(world, dir, grouped));
    if (k == 1) CHECK_OK(sweep_in(world, dir, grouped)); /* there is nothing to do any more */
  }
  MPI_Barrier(world.mpi);
  if (world.rank == 0) {
    CHECK_OK(sweep_in(self, name, sweep));
    char *alone = read_text(name, "sweep.json");
    CHECK(count(alone, "\"state\": \"done\"") == (size_t)done &&
          count(alone, "\"state\": \"failed\"") == (size_t)failed);
    CHECK(count(alone, "\"state\": \"open\"") == 0);
    for (int k = 0; k <= GROUPS; k++) {
      snprintf(dir, sizeof dir, k ? "%s%d" : "%s", name, k);
      char *here = read_text(dir, "sweep.json"), *ledger = read_text(dir, "trials.jsonl");
      CHECK(here != NULL && ledger != NULL);
      assert_string_equal(here, alone);
      if (k == 0) lines = count(ledger, "\n");
      CHECK(count(ledger, "\n") == lines && count(ledger, "\"event\":\"failed\"") == (size_t)failed);
      free(here);
      free(ledger);
    }
    free(alone);
  }
  MPI_Barrier(world.mpi);
}

static void trials_that_fail(void **state)
{
  (void)state;
  find_physics();
  data_fill(&data, 3);
  data_write(&data, scratch("data.h5"), NULL);
  check_like_alone("axes: [optimizer.learning_rate values 1e-3 -1 1000, model.latent values 2 0]", "fail", 1, 5);
}

static void every_trial_opens_its_data(void **state)
{
  (void)state;
  find_physics();
  check_like_alone("axes: [data.memory values 4 0, \"data.augment values [] [spin_rotation]\"], seeds: 2", "data", 8,
                   0);
}

static void halving(void **state)
{
  (void)state;
  find_physics();
  check_like_alone("axes: [objective.beta log 0.1 10], design: sobol, trials: 8, rungs: 3, eta: 2, metric: nll", "half",
                   8, 0);
}

/* All ranks hear the same, none hangs. */
static void failures_of_all(void **state)
{
  (void)state;
  find_physics();
  CHECK_ALL_FAIL(sweep_in(world, "none", "axes: [optimizer.learning_rate values -1 -2]"), GB_ERR_NUMERIC,
                 "all 2 trials failed");
  CHECK_ALL_FAIL(sweep_in(world, "none", "axes: [optimizer.learning_rate values -1 -3]"), GB_ERR_CONFIG,
                 "sweep.axes is now");
  CHECK_ALL_FAIL(sweep_in(world, "rungs", "axes: [run.seed integer 1 64], rungs: 4, eta: 4"), GB_ERR_CONFIG,
                 "are both at step 4");
}

static const struct CMUnitTest tests[] = {TEST(trials_that_fail), TEST(every_trial_opens_its_data), TEST(halving),
                                          TEST(failures_of_all)};
RUN_ON_RANKS(tests)
