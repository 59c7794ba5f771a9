/* tests/fuzz/fuzz_files.c - changed bytes in HDF5 files that are read: refused with a reason, or what was written;
 * never a crash, a hang or a leak.
 *
 * Of an input the first byte chooses a file (a checkpoint, data sets of two kinds) and how it is changed; the rest are
 * edits: 4 bytes of a place, one to be added there. As it is: the checksum behind the file must tell, before HDF5 sees
 * it. Or, of the stored numbers and texts alone, with a new checksum: what a faulty writer could make of them. Then the
 * checks of the reader are on their own. */
#include <hdf5.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "learn/checkpoint.h"
#include "mpi/small_data.h"

enum { FILES = 3, MOST = 1 << 20, AREAS = 64, SEAL = 47 /* bytes of the line with the checksum */ };

typedef struct good {
  char *bytes;
  size_t n, n_areas, first[AREAS], count[AREAS]; /* areas: of stored numbers and texts */
} good;

static good file[FILES];
static char path[PATH_MAX];

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

static void write_data(bool codes)
{
  static small_data d;
  data_fill(&d, 3);
  if (codes) data_encode(&d);
  data_write(&d, path, NULL);
}

static herr_t add_area(hid_t f, const char *name, const H5O_info_t *info, void *to)
{
  good *g = to;
  if (info->type != H5O_TYPE_DATASET) return 0;
  hid_t set = H5Dopen2(f, name, H5P_DEFAULT);
  haddr_t at = H5Dget_offset(set);
  if (at != HADDR_UNDEF && g->n_areas < AREAS) {
    g->first[g->n_areas] = (size_t)at;
    g->count[g->n_areas++] = (size_t)H5Dget_storage_size(set);
  }
  H5Dclose(set);
  return 0;
}

static void keep(good *g)
{
  g->bytes = scratch_get(path, &g->n);
  CHECK(g->n < MOST);
  hid_t f = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  H5Ovisit(f, H5_INDEX_NAME, H5_ITER_INC, add_area, g);
  H5Fclose(f);
  CHECK(g->n_areas >= 4);
}

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
  snprintf(path, sizeof path, "%s", scratch("file.h5"));
  for (int k = 0; k < FILES; k++) {
    if (k == 0) write_checkpoint();
    if (k > 0) write_data(k == 2);
    keep(&file[k]);
  }
  return 0;
}

/* The place that 4 bytes stand for: anywhere, or in an area. */
static size_t place(const good *g, bool areas, uint32_t word)
{
  size_t total = 0;
  if (!areas) return word % g->n;
  for (size_t i = 0; i < g->n_areas; i++) total += g->count[i];
  size_t at = word % total, i = 0;
  for (; at >= g->count[i]; i++) at -= g->count[i];
  return g->first[i] + at;
}

static void fault(const char *what)
{
  fprintf(stderr, "%s: %s\n", what, gb_err_message());
  abort();
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

static gb_err read_data(void)
{
  gb_dataset_opts o = {.path = path, .memory = 4};
  gb_dataset *d = NULL;
  float x[DATA_WIDTH];
  gb_err e = gb_dataset_open(self, &o, 2, data_shape, &d);
  for (int s = 0; s < GB_SPLITS && !e; s++)
    for (uint64_t row = 0; row < gb_dataset_rows(d, (gb_split)s) && !e; row++)
      e = gb_dataset_read(d, (gb_split)s, 1, &row, x);
  gb_dataset_close(&d);
  return e;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
  static char bytes[MOST];
  if (size < 6) return 0;
  int k = data[0] % FILES;
  bool seal = data[0] / FILES % 2;
  good *g = &file[k];
  memcpy(bytes, g->bytes, g->n);
  for (size_t i = 1; i + 5 <= size; i += 5) {
    uint32_t word;
    memcpy(&word, data + i, sizeof word);
    size_t at = place(g, seal, word);
    if (at >= g->n - SEAL && i > 1) continue; /* two faults at once, one of them in the checksum, cannot be told */
    bytes[at] += (char)data[i + 4];
    if (at >= g->n - SEAL) break;
  }
  scratch_put(path, bytes, g->n - (seal ? SEAL : 0));
  if (seal && gb_file_seal(path)) abort();
  int64_t live = gb_mem_live();
  gb_err_clear();
  gb_err e = k == 0 ? read_checkpoint() : read_data();
  if (e && (e != GB_ERR_IO || !strstr(gb_err_message(), path))) fault("an error without the name of its file");
  if (!e && memcmp(bytes, g->bytes, g->n - SEAL) && !seal) fault("a change is not told");
  gb_err_clear();
  if (gb_mem_live() != live) fault("a leak");
  return 0;
}
