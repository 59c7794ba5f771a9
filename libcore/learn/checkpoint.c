/* learn/checkpoint.c - one small HDF5 file, written and read by rank 0. */
#include "learn/checkpoint.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/generations.h"
#include "base/hash.h"
#include "base/mem.h"
#include "io/h5.h"

#define REAL (sizeof(gb_real) == sizeof(float) ? GB_H5_F32 : GB_H5_F64)

enum { VERSION = 1 };
typedef enum number { FORMAT, STEP, BEST_STEP, STALE, STOPPED_EARLY, DATA, N_NUMBERS } number;

/* The vectors a file can hold, and their folders. */
typedef struct part {
  const char *folder, *doc;
  gb_real *v;
} part;

enum { PARTS = 4 };

static void parts_of(const gb_state *s, part out[PARTS])
{
  out[0] = (part){"/weights", "Weights.", gb_params_value(s->params)};
  out[1] = (part){"/adam/m", "Adam's first moment.", s->m};
  out[2] = (part){"/adam/v", "Adam's second moment.", s->v};
  out[3] = (part){"/average", "Running average of the weights.", s->average};
}

static void name_of(const part *p, const gb_param_info *info, char out[160])
{
  snprintf(out, 160, "%s/%s", p->folder, info->name);
}

/* A dataset with the checksum of its bytes beside it. */
static gb_err put(gb_h5 *f, const gb_h5_spec *spec, size_t bytes, const void *data)
{
  char hash[33];
  gb_hash_hex(data, bytes, hash);
  GB_TRY(gb_h5_add(f, spec));
  GB_TRY(gb_h5_write_all(f, spec->name, data));
  return gb_h5_note(f, spec->name, "xxh3", hash);
}

static gb_err check(gb_h5 *f, const char *path, const char *name, size_t bytes, const void *data)
{
  char hash[33];
  gb_text stored = {0};
  gb_err e = gb_h5_get_note(f, name, "xxh3", &stored);
  gb_hash_hex(data, bytes, hash);
  if (!e && strcmp(stored.s, hash))
    e = GB_FAIL(GB_ERR_IO, "%s: %s does not match its checksum: the file is damaged", path, name);
  gb_text_free(&stored);
  return e;
}

static gb_err get(gb_h5 *f, const char *path, const char *name, gb_h5_type type, size_t n, size_t bytes, void *data)
{
  GB_TRY(gb_h5_read_all(f, name, type, n, data));
  return check(f, path, name, bytes, data);
}

static gb_err write_part(gb_h5 *f, const gb_state *s, const part *p)
{
  for (int i = 0; i < gb_params_n(s->params) && p->v; i++) {
    const gb_param_info *info = gb_params_info(s->params, i);
    char name[160];
    gb_h5_spec spec = {.name = name, .type = REAL, .ndim = info->ndim, .unit = "1", .doc = p->doc};
    name_of(p, info, name);
    for (int k = 0; k < info->ndim; k++) spec.shape[k] = info->shape[k];
    GB_TRY(put(f, &spec, info->count * sizeof *p->v, p->v + info->first));
  }
  return GB_OK;
}

static gb_err write_numbers(gb_h5 *f, const gb_state *s)
{
  uint64_t numbers[N_NUMBERS] = {VERSION, s->step, s->best_step, s->stale, s->stopped_early, s->data};
  gb_h5_spec n = {
      .name = "/numbers",
      .type = GB_H5_U64,
      .ndim = 1,
      .shape = {N_NUMBERS},
      .unit = "1",
      .doc = "Format, steps done, step of the best validation, validations since, stopped early, fingerprint of "
             "the data set."};
  gb_h5_spec b = {
      .name = "/best", .type = GB_H5_F64, .ndim = 1, .shape = {1}, .unit = "nats", .doc = "Best validation loss."};
  GB_TRY(put(f, &n, sizeof numbers, numbers));
  return put(f, &b, sizeof s->best, &s->best);
}

static gb_err write_config(gb_h5 *f, const char *config)
{
  char hash[33];
  gb_hash_hex(config, strlen(config), hash);
  GB_TRY(gb_h5_put_text(f, "/config", config, "All keys that determine the result, YAML."));
  return gb_h5_note(f, "/config", "xxh3", hash);
}

static gb_err write_file(gb_comm alone, const char *path, const char *config, const gb_state *s)
{
  part p[PARTS];
  gb_h5 *f = NULL;
  gb_err e = gb_h5_create(alone, path, &f);
  parts_of(s, p);
  if (!e) e = write_config(f, config);
  if (!e) e = write_numbers(f, s);
  for (int i = 0; i < PARTS && !e; i++) e = write_part(f, s, &p[i]);
  gb_err closed = gb_h5_close(&f, false);
  return e ? e : closed;
}

/* Is what was written what is there? A full disk may be told late, or never: HDF5 closes such a file without an error.
 */
static gb_err read_again(gb_comm alone, const char *aside, const gb_state *s)
{
  part p[PARTS];
  gb_h5 *f = NULL;
  gb_real *copy = NULL;
  gb_err e = gb_h5_open(alone, aside, &f);
  if (!e) e = gb_new(&copy, gb_params_size(s->params));
  parts_of(s, p);
  for (int k = 0; k < PARTS && !e; k++)
    for (int i = 0; i < gb_params_n(s->params) && p[k].v && !e; i++) {
      const gb_param_info *info = gb_params_info(s->params, i);
      char name[160];
      name_of(&p[k], info, name);
      e = get(f, aside, name, REAL, info->count, info->count * sizeof *copy, copy);
      if (!e && memcmp(copy, p[k].v + info->first, info->count * sizeof *copy))
        e = GB_FAIL(GB_ERR_IO, "%s: %s is not what was written: is the disk full?", aside, name);
    }
  gb_h5_close(&f, false);
  gb_free(&copy);
  return e;
}

static gb_err save(gb_comm alone, const char *path, const char *kept, const char *config, const gb_state *s)
{
  char aside[PATH_MAX];
  snprintf(aside, sizeof aside, "%s.part", path);
  gb_err e = write_file(alone, path, config, s); /* as path.part */
  if (!e) e = gb_file_seal(aside);
  if (!e) e = read_again(alone, aside, s);
  if (!e) e = gb_file_commit_keeping(aside, path, kept);
  if (e) unlink(aside); /* what is left of a full disk is needed */
  return e;
}

/* Run by rank 0 on a communicator of its own: plain file access, no MPI-IO. */
static gb_comm alone_of(gb_comm c)
{
  return (gb_comm){MPI_COMM_SELF, 0, c.rank == 0};
}

gb_err gb_checkpoint_save(gb_comm c, const char *path, const char *config, const gb_state *s)
{
  return gb_comm_agree(c, c.rank == 0 ? save(alone_of(c), path, NULL, config, s) : GB_OK);
}

gb_err gb_checkpoint_advance(gb_comm c, const char *path, const char *config, const gb_state *s)
{
  char kept[PATH_MAX];
  gb_generations_before(path, kept);
  return gb_comm_agree(c, c.rank == 0 ? save(alone_of(c), path, kept, config, s) : GB_OK);
}

gb_err gb_checkpoint_recover(gb_comm c, const char *path, gb_text *told)
{
  return gb_comm_agree(c, c.rank == 0 ? gb_generations_recover(path, told) : GB_OK);
}

static gb_err read_part(gb_h5 *f, const char *path, gb_state *s, const part *p)
{
  for (int i = 0; i < gb_params_n(s->params) && p->v; i++) {
    const gb_param_info *info = gb_params_info(s->params, i);
    char name[160];
    uint64_t shape[GB_H5_NDIM];
    name_of(p, info, name);
    GB_TRY(gb_h5_shape(f, name, REAL, info->ndim, shape));
    for (int k = 0; k < info->ndim; k++)
      GB_CHECK(shape[k] == info->shape[k], GB_ERR_IO,
               "%s: %s has another shape than the model: was it made by another config?", path, name);
    GB_TRY(get(f, path, name, REAL, info->count, info->count * sizeof *p->v, p->v + info->first));
  }
  return GB_OK;
}

static gb_err read_file(gb_comm alone, const char *path, gb_state *s)
{
  uint64_t n[N_NUMBERS];
  part p[PARTS];
  gb_h5 *f = NULL;
  gb_err e = gb_h5_open(alone, path, &f);
  parts_of(s, p);
  if (!e) e = get(f, path, "/numbers", GB_H5_U64, N_NUMBERS, sizeof n, n);
  if (!e && n[FORMAT] != VERSION)
    e = GB_FAIL(GB_ERR_IO, "%s: was written in format %llu, this program reads %d", path, (unsigned long long)n[FORMAT],
                VERSION);
  if (!e) e = get(f, path, "/best", GB_H5_F64, 1, sizeof s->best, &s->best);
  if (!e) {
    s->step = n[STEP];
    s->best_step = n[BEST_STEP];
    s->stale = n[STALE];
    s->stopped_early = n[STOPPED_EARLY];
    s->data = n[DATA];
  }
  for (int i = 0; i < PARTS && !e; i++) e = read_part(f, path, s, &p[i]);
  gb_h5_close(&f, false);
  return e;
}

gb_err gb_checkpoint_load(gb_comm c, const char *path, gb_state *s)
{
  uint64_t *numbers[] = {&s->step, &s->best_step, &s->stale, &s->stopped_early, &s->data};
  GB_TRY(gb_comm_agree(c, c.rank == 0 ? read_file(alone_of(c), path, s) : GB_OK));
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) gb_comm_bcast(c, numbers[i], sizeof **numbers);
  gb_comm_bcast(c, &s->best, sizeof s->best);
  gb_comm_bcast(c, gb_params_value(s->params), gb_params_size(s->params) * sizeof(gb_real));
  return GB_OK;
}

static gb_err read_config(gb_comm alone, const char *path, char **config)
{
  gb_h5 *f = NULL;
  gb_err e = gb_h5_open(alone, path, &f);
  if (!e) e = gb_h5_get_text(f, "/config", config);
  if (!e) e = check(f, path, "/config", strlen(*config), *config);
  gb_h5_close(&f, false);
  return e;
}

gb_err gb_checkpoint_config(gb_comm c, const char *path, char **config)
{
  *config = NULL;
  GB_TRY(gb_comm_agree(c, c.rank == 0 ? read_config(alone_of(c), path, config) : GB_OK));
  size_t n = *config ? strlen(*config) : 0;
  return gb_comm_bcast_text(c, config, &n);
}
