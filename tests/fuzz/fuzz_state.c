/* tests/fuzz/fuzz_state.c - changed states of generate (fuzz/change.h): refused with a reason, or the data set comes
 * out as it would have; never a crash, a hang or a leak.
 *
 * Of an input the first byte chooses a state and how it is changed. run.sh has greybox-generate make the states, by
 * stopping it: chains in a trial, chains that are sampled, rows; and whole data sets of the same configs. */
#include <unistd.h>

#include "base/hash.h"
#include "fuzz/change.h"
#include "io/h5.h"
#include "io/run.h"
#include "mpi/ranks.h"
#include "registry.h"
#include "sim/chains.h"
#include "sim/generate.h"
#include "sim/simulate.h"

enum { STATES = 3 };

static const char *const config[STATES] = {"xy", "rounds", "rows"}, *const folder[STATES] = {"trial", "sampled",
                                                                                             "begun"};

static struct {
  good state, part; /* part: the unfinished data set; n = 0: there is none yet */
  uint64_t result;
  gb_config *cfg;
  gb_run *run;
  const gb_physics *physics;
} job[STATES];

static const gb_schema *all[64];

static void name(char path[PATH_MAX], const char *dir, const char *file)
{
  snprintf(path, PATH_MAX, "%s/%s/%s", getenv("FUZZ_GOOD"), dir, file);
}

/* The checksums of all samples: those that stand in the file are tested against the samples elsewhere. */
static uint64_t result_of(const char *path)
{
  gb_h5 *f;
  uint64_t shape[3], n = 1, *hash, all_of_them;
  CHECK_OK(gb_h5_open(self, path, &f));
  bool rows = gb_h5_has(f, "/row");
  CHECK_OK(gb_h5_shape(f, "/checksum", GB_H5_U64, rows ? 1 : 3, shape));
  for (int i = 0; i < (rows ? 1 : 3); i++) n *= shape[i];
  CHECK_OK(gb_new(&hash, n));
  CHECK_OK(gb_h5_read_all(f, "/checksum", GB_H5_U64, n, hash));
  all_of_them = gb_hash64(hash, n * sizeof *hash);
  gb_free(&hash);
  gb_h5_close(&f, false);
  return all_of_them;
}

static void open_job(int k)
{
  char path[PATH_MAX], dir[PATH_MAX + 16], *overrides[] = {dir};
  gb_run_opts opts;
  snprintf(dir, sizeof dir, "run.dir=%s", scratch(folder[k]));
  snprintf(path, sizeof path, "%s/%s.yaml", getenv("FUZZ_GOOD"), config[k]);
  CHECK_OK(gb_config_load(self, path, 1, overrides, all, &job[k].cfg));
  gb_config_get(job[k].cfg, &gb_run_schema, &opts);
  CHECK_OK(gb_sim_find(gb_physics_all, opts.physics, &job[k].physics));
  CHECK_OK(gb_run_open(self, "fuzz", job[k].cfg, all, &job[k].run));
  name(path, folder[k], "generate.state.h5");
  keep(path, &job[k].state);
  name(path, folder[k], "dataset.h5.part");
  job[k].part.bytes = scratch_get(path, &job[k].part.n);
  name(path, config[k], "dataset.h5");
  job[k].result = result_of(path);
}

static gb_err go_on(int k)
{
  bool chains = job[k].physics->ensemble;
  const gb_schema *const defining[] = {&gb_run_schema, job[k].physics->schema,
                                       chains ? &gb_chains_schema : &gb_simulate_schema, NULL};
  return (chains ? gb_generate : gb_simulate)(self, job[k].cfg, job[k].physics, defining, job[k].run);
}

/* Put the rest of the directory back. */
static void prepare(int k)
{
  static const char *const left[] = {"dataset.h5", "generate.state.prev.h5", "generate.state.damaged.h5", "stop"};
  for (size_t i = 0; i < sizeof left / sizeof *left; i++) unlink(gb_run_path(job[k].run, left[i]));
  if (job[k].part.n)
    scratch_put(gb_run_path(job[k].run, "dataset.h5.part"), job[k].part.bytes, job[k].part.n);
  else
    unlink(gb_run_path(job[k].run, "dataset.h5.part"));
}

static void check(int k, gb_err e, bool must_fail, const char *path)
{
  judge(e, must_fail, path);
  if (!e && result_of(gb_run_path(job[k].run, "dataset.h5")) != job[k].result) fault("another data set");
}

static void leave(void)
{
  scratch_remove();
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
  size_t n = 0;
  MPI_Init(argc, argv);
  gb_comm_open(MPI_COMM_WORLD, &world);
  gb_comm_open(MPI_COMM_SELF, &self);
  scratch_make();
  atexit(leave);
  if (!freopen("/dev/null", "w", stdout)) abort(); /* progress */
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  all[n++] = &gb_run_schema;
  for (size_t i = 0; gb_physics_all[i]; i++) all[n++] = gb_physics_all[i]->schema;
  all[n++] = &gb_chains_schema;
  all[n++] = &gb_simulate_schema;
  for (int k = 0; k < STATES; k++) {
    open_job(k);
    prepare(k);
    scratch_put(gb_run_path(job[k].run, "generate.state.h5"), job[k].state.bytes, job[k].state.n);
    check(k, go_on(k), false, ""); /* else nothing would be found out */
  }
  return 0;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
  char path[PATH_MAX];
  if (size < 6) return 0;
  int k = data[0] % STATES;
  prepare(k);
  snprintf(path, sizeof path, "%s", gb_run_path(job[k].run, "generate.state.h5"));
  bool must_fail = change(&job[k].state, (way)(data[0] / STATES % WAYS), (input){data + 1, data + size}, path);
  int64_t live = gb_mem_live();
  gb_err_clear();
  check(k, go_on(k), must_fail, path);
  gb_err_clear();
  if (gb_mem_live() != live) fault("a leak");
  return 0;
}
