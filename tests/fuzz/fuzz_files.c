/* tests/fuzz/fuzz_files.c - changed HDF5 files that are read (fuzz/change.h): refused with a reason, or what was
 * written; never a crash, a hang or a leak.
 *
 * Of an input the first byte chooses a file and how it is changed; the rest are the changes. A checkpoint, data sets of
 * two kinds and foreign images are written here; run.sh has programs make whole data sets and an analysis. */
#include "fuzz/change.h"
#include "learn/checkpoint.h"
#include "mpi/small_data.h"
#include "registry.h"
#include "report/analysis.h"
#include "report/sampling.h"
#include "report/sizes.h"
#include "sim/physics.h"

enum { IMAGES = 12, SIDE = 4, CHANNELS = 3, ROW = 50 /* frames of run.sh's rows */ };

static char path[PATH_MAX];
static const size_t picture[] = {SIDE, SIDE, CHANNELS};

static gb_params *make_params(void)
{
  gb_params *p;
  gb_param id;
  CHECK_OK(gb_params_create(&p));
  CHECK_OK(gb_params_add(p, "encoder.0.weight", 2, (size_t[]){3, 5}, 1, &id));
  CHECK_OK(gb_params_add(p, "encoder.0.bias", 1, (size_t[]){5}, 0, &id));
  CHECK_OK(gb_params_freeze(p, 1));
  return p;
}

static void write_checkpoint(void)
{
  gb_state s = {.step = 7, .best = 1.5, .params = make_params()};
  CHECK_OK(gb_new(&s.m, gb_params_size(s.params)));
  CHECK_OK(gb_new(&s.v, gb_params_size(s.params)));
  CHECK_OK(gb_checkpoint_save(self, path, "run:\n  seed: 7\n", &s));
  gb_free(&s.m);
  gb_free(&s.v);
  gb_params_destroy(&s.params);
}

static gb_err read_checkpoint(void)
{
  gb_state s = {.params = make_params()};
  char *text = NULL;
  gb_err e = gb_new(&s.m, gb_params_size(s.params));
  if (!e) e = gb_new(&s.v, gb_params_size(s.params));
  if (!e) e = gb_checkpoint_load(self, path, &s);
  if (!e) e = gb_checkpoint_config(self, path, &text);
  gb_free(&text);
  gb_free(&s.m);
  gb_free(&s.v);
  gb_params_destroy(&s.params);
  return e;
}

static void write_data(bool codes)
{
  static small_data d;
  data_fill(&d, 3);
  if (codes) data_encode(&d);
  data_write(&d, path, NULL);
}

static void write_floats(void)
{
  write_data(false);
}

static void write_codes(void)
{
  write_data(true);
}

/* Open a data set and read all of its samples. */
static gb_err read_samples(int ndim, const size_t shape[], float *x)
{
  gb_dataset_opts o = {.path = path, .memory = 4, .import_class = 1, .import_training = 2, .import_validation = 2};
  gb_dataset *d = NULL;
  gb_err e = gb_dataset_open(self, &o, ndim, shape, &d);
  for (int s = 0; s < GB_SPLITS && !e; s++)
    for (uint64_t row = 0; row < gb_dataset_rows(d, (gb_split)s) && !e; row++)
      e = gb_dataset_read(d, (gb_split)s, 1, &row, x);
  gb_dataset_close(&d);
  return e;
}

static gb_err read_data(void)
{
  float x[DATA_WIDTH];
  return read_samples(2, data_shape, x);
}

static void put_images(gb_h5 *f)
{
  uint8_t x[IMAGES * SIDE * SIDE * CHANNELS], ans[IMAGES];
  gb_h5_spec images = {.name = "/images",
                       .type = GB_H5_U8,
                       .ndim = 4,
                       .shape = {IMAGES, SIDE, SIDE, CHANNELS},
                       .unit = "1",
                       .doc = "Test."};
  gb_h5_spec classes = {.name = "/ans", .type = GB_H5_U8, .ndim = 1, .shape = {IMAGES}, .unit = "1", .doc = "Test."};
  for (size_t i = 0; i < sizeof x; i++) x[i] = (uint8_t)(i * 37 + 5);
  for (size_t i = 0; i < IMAGES; i++) ans[i] = i % 3 != 0;
  CHECK_OK(gb_h5_add(f, &images));
  CHECK_OK(gb_h5_write_all(f, images.name, x));
  CHECK_OK(gb_h5_add(f, &classes));
  CHECK_OK(gb_h5_write_all(f, classes.name, ans));
}

/* As Galaxy10 has them: nothing else, and no checksum of ours. */
static void write_foreign(void)
{
  gb_h5 *f;
  struct stat st;
  CHECK_OK(gb_h5_create(self, path, &f));
  put_images(f);
  CHECK_OK(gb_h5_close(&f, true));
  CHECK(stat(path, &st) == 0 && truncate(path, st.st_size - SEAL) == 0);
}

static gb_err read_pictures(void)
{
  float x[SIDE * SIDE * CHANNELS];
  return read_samples(3, picture, x);
}

static gb_err read_rows(void)
{
  float x[ROW];
  return read_samples(2, (size_t[]){ROW, 1}, x);
}

static gb_err read_analysis(void)
{
  gb_analysis a;
  gb_err e = gb_analysis_read(self, path, &a);
  gb_analysis_free(&a);
  return e;
}

/* What the report wants to know of a data set: how it was sampled; and its helicity modulus. */
static gb_err read_summary(void)
{
  char folder[PATH_MAX], *dirs[] = {folder};
  gb_dims dims = {.ndim = 2, .axis = {"y", "x"}};
  gb_sampling sampling;
  gb_lattices lattices = {0};
  const gb_physics *xy;
  snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
  CHECK_OK(gb_sim_find(gb_physics_all, "xy", &xy));
  gb_err e = gb_sampling_read(self, path, &sampling);
  gb_sampling_free(&sampling);
  if (!e) e = gb_lattices_read(self, xy, &dims, (gb_texts){1, (const char *const *)dirs}, &lattices);
  gb_lattices_free(&lattices);
  return e;
}

static const struct {
  const char *made; /* the file in the folder FUZZ_GOOD, where a program made it */
  void (*write)(void);
  gb_err (*read)(void);
} kind[] = {{NULL, write_checkpoint, read_checkpoint},
            {NULL, write_floats, read_data},
            {NULL, write_codes, read_data},
            {NULL, write_foreign, read_pictures},
            {"rows/dataset.h5", NULL, read_rows},
            {"xy/dataset.h5", NULL, read_summary},
            {"xy/analysis.h5", NULL, read_analysis}};
enum { KINDS = sizeof kind / sizeof *kind };

static good file[KINDS];

static void leave(void)
{
  scratch_remove();
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
  MPI_Init(argc, argv);
  gb_comm_open(MPI_COMM_WORLD, &world);
  gb_comm_open(MPI_COMM_SELF, &self);
  scratch_make();
  atexit(leave);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  for (int k = 0; k < KINDS; k++) {
    if (kind[k].write) {
      snprintf(path, sizeof path, "%s", scratch("dataset.h5"));
      kind[k].write();
    } else {
      snprintf(path, sizeof path, "%s/%s", getenv("FUZZ_GOOD"), kind[k].made);
    }
    keep(path, &file[k]);
  }
  snprintf(path, sizeof path, "%s", scratch("dataset.h5"));
  for (int k = 0; k < KINDS; k++) { /* else nothing would be found out */
    scratch_put(path, file[k].bytes, file[k].n);
    CHECK_OK(kind[k].read());
  }
  return 0;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
  if (size < 6) return 0;
  int k = data[0] % KINDS;
  way how = (way)(data[0] / KINDS % WAYS);
  if (how == AS_IT_IS && !file[k].seal) return 0; /* damage of a foreign file goes to HDF5 as it is */
  bool must_fail = change(&file[k], how, (input){data + 1, data + size}, path);
  int64_t live = gb_mem_live();
  gb_err_clear();
  judge(kind[k].read(), must_fail, path);
  gb_err_clear();
  if (gb_mem_live() != live) fault("a leak");
  return 0;
}
