/* data/dataset.c - rows of an HDF5 file, in memory if they fit. */
#include "data/dataset.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "io/angle16.h"
#include "io/h5.h"

static const gb_field fields[] = {
    GB_WORD(gb_dataset_opts, path, "", NULL, GB_FREE,
            "Data set to learn from: a dataset.h5 of greybox-generate. Empty: dataset.h5 in run.dir."),
    GB_NUMBER(gb_dataset_opts, memory, "4", 0, 1e6, "GiB", GB_FREE,
              "A data set up to this size is held in the memory of every rank; a larger one is read row by row."),
    {0}};
const gb_schema gb_dataset_schema = {"data", "What to learn from.", sizeof(gb_dataset_opts), fields, NULL};

enum { LEAD = 3 }; /* axes before those of a sample: temperature, chain, sample */

struct gb_dataset {
  gb_h5 *file;
  char *path;
  int ndim;
  uint64_t shape[GB_H5_NDIM]; /* of /configurations */
  size_t width, n;            /* numbers in a sample; samples in the file */
  gb_reals temperature;
  double *grid;             /* behind temperature */
  uint64_t *row[GB_SPLITS]; /* place in the file of each row of a split */
  size_t n_rows[GB_SPLITS];
  gb_h5_type type; /* of /configurations: GB_H5_F32, angles; GB_H5_U16, codes of io/angle16.h */
  void *x;         /* [n, width] as stored, or NULL */
  uint16_t *code;  /* [width] one sample on its way from the file */
  uint64_t fingerprint;
};

/* Where a row stands in the file. */
static void locate(const gb_dataset *d, uint64_t row, uint64_t index[LEAD])
{
  for (int i = LEAD - 1; i >= 0; i--) {
    index[i] = row % d->shape[i];
    row /= d->shape[i];
  }
}

/* Bytes of one sample. */
static size_t stored_bytes(const gb_dataset *d)
{
  return d->width * (d->type == GB_H5_U16 ? sizeof(uint16_t) : sizeof(float));
}

static gb_err verify(const gb_dataset *d, uint64_t row, const void *x, uint64_t hash)
{
  uint64_t at[LEAD];
  locate(d, row, at);
  GB_CHECK(gb_hash64(x, stored_bytes(d)) == hash, GB_ERR_IO,
           "%s: sample %llu of chain %llu at temperature %llu does not match its checksum: the file is damaged",
           d->path, (unsigned long long)at[2], (unsigned long long)at[1], (unsigned long long)at[0]);
  return GB_OK;
}

static gb_err check_shape(const gb_dataset *d, int ndim, const size_t shape[])
{
  for (int i = 0; i < ndim; i++)
    GB_CHECK(
        d->shape[LEAD + i] == shape[i], GB_ERR_CONFIG,
        "%s holds samples of %llu x %llu, the config says %zu x %zu. Set the size in the config to that of the data.",
        d->path, (unsigned long long)d->shape[LEAD], (unsigned long long)d->shape[LEAD + ndim - 1], shape[0],
        shape[ndim - 1]);
  return GB_OK;
}

static gb_err read_shape(gb_dataset *d, int ndim, const size_t shape[])
{
  uint64_t n_T;
  d->ndim = ndim;
  GB_TRY(gb_h5_stored(d->file, "/configurations", &d->type));
  GB_CHECK(d->type == GB_H5_F32 || d->type == GB_H5_U16, GB_ERR_IO,
           "%s: /configurations is neither of type float32 nor uint16. Was the file made by another program?", d->path);
  GB_TRY(gb_h5_shape(d->file, "/configurations", d->type, LEAD + ndim, d->shape));
  GB_TRY(gb_h5_shape(d->file, "/temperature", GB_H5_F64, 1, &n_T));
  GB_CHECK(n_T == d->shape[0], GB_ERR_IO, "%s: %llu temperatures, but samples at %llu", d->path,
           (unsigned long long)n_T, (unsigned long long)d->shape[0]);
  GB_TRY(check_shape(d, ndim, shape));
  d->n = d->shape[0] * d->shape[1] * d->shape[2];
  d->width = 1;
  for (int i = 0; i < ndim; i++) d->width *= shape[i];
  GB_TRY(gb_new(&d->code, d->width));
  GB_TRY(gb_new(&d->grid, n_T));
  d->temperature = (gb_reals){n_T, d->grid};
  return gb_h5_read_all(d->file, "/temperature", GB_H5_F64, n_T, d->grid);
}

static gb_err read_split(gb_dataset *d)
{
  uint8_t *split = NULL;
  gb_err e = gb_new(&split, d->n);
  if (!e) e = gb_h5_read_all(d->file, "/split", GB_H5_U8, d->n, split);
  for (size_t i = 0; i < d->n && !e; i++) {
    if (split[i] < GB_SPLITS)
      d->n_rows[split[i]]++;
    else
      e = GB_FAIL(GB_ERR_IO, "%s: /split holds %d; 0, 1 and 2 are known", d->path, split[i]);
  }
  for (int s = 0; s < GB_SPLITS && !e; s++) {
    e = gb_new(&d->row[s], d->n_rows[s]);
    for (size_t i = 0, k = 0; i < d->n && !e; i++)
      if (split[i] == s) d->row[s][k++] = i;
  }
  gb_free(&split);
  return e;
}

/* All checksums, and the samples they belong to if these are to be held. */
static gb_err read_samples(gb_dataset *d, bool hold)
{
  uint64_t *hash = NULL;
  gb_err e = gb_new(&hash, d->n);
  if (!e) e = gb_h5_read_all(d->file, "/checksum", GB_H5_U64, d->n, hash);
  if (!e) d->fingerprint = gb_hash64(hash, d->n * sizeof *hash);
  if (!e && hold) {
    char *x = NULL;
    e = gb_new(&x, d->n * stored_bytes(d));
    d->x = x;
    if (!e) e = gb_h5_read_all(d->file, "/configurations", d->type, d->n * d->width, x);
    for (size_t i = 0; i < d->n && !e; i++) e = verify(d, i, x + i * stored_bytes(d), hash[i]);
  }
  gb_free(&hash);
  return e;
}

static gb_err read_all(gb_dataset *d, const gb_dataset_opts *opts, int ndim, const size_t shape[])
{
  GB_TRY(read_shape(d, ndim, shape));
  GB_TRY(read_split(d));
  return read_samples(d, (double)(d->n * stored_bytes(d)) <= opts->memory * 0x1p30);
}

gb_err gb_dataset_open(gb_comm c, const gb_dataset_opts *opts, int ndim, const size_t shape[], gb_dataset **out)
{
  gb_dataset *d = NULL;
  gb_err e = gb_new(&d, 1);
  if (!e && !(d->path = gb_strdup(opts->path))) e = GB_FAIL(GB_ERR_MEMORY, "no memory for a name");
  if (!e && access(opts->path, F_OK))
    e = GB_FAIL(GB_ERR_IO, "%s: %s. Make it with greybox-generate, or let data.path name another data set.", opts->path,
                strerror(errno));
  e = gb_comm_agree(c, e);
  if (!e) e = gb_h5_open(c, opts->path, &d->file);
  if (!e) e = gb_comm_agree(c, read_all(d, opts, ndim, shape));
  if (e) gb_dataset_close(&d);
  *out = d;
  return e;
}

void gb_dataset_close(gb_dataset **dataset)
{
  gb_dataset *d = *dataset;
  if (!d) return;
  gb_h5_close(&d->file, false);
  gb_free(&d->path);
  gb_free(&d->grid);
  for (int s = 0; s < GB_SPLITS; s++) gb_free(&d->row[s]);
  gb_free(&d->x);
  gb_free(&d->code);
  gb_free(dataset);
}

size_t gb_dataset_rows(const gb_dataset *d, gb_split split)
{
  return d->n_rows[split];
}

size_t gb_dataset_width(const gb_dataset *d)
{
  return d->width;
}

gb_reals gb_dataset_temperatures(const gb_dataset *d)
{
  return d->temperature;
}

static gb_err read_row(gb_dataset *d, uint64_t row, float *x)
{
  gb_h5_block b = {{0}, {1, 1, 1}};
  uint64_t hash;
  locate(d, row, b.start);
  GB_TRY(gb_h5_read(d->file, "/checksum", GB_H5_U64, &b, &hash));
  for (int i = 0; i < d->ndim; i++) b.count[LEAD + i] = d->shape[LEAD + i];
  void *stored = d->type == GB_H5_U16 ? (void *)d->code : x;
  GB_TRY(gb_h5_read(d->file, "/configurations", d->type, &b, stored));
  GB_TRY(verify(d, row, stored, hash));
  if (d->type == GB_H5_U16) gb_angle16_decode(d->width, d->code, x);
  return GB_OK;
}

static void held_row(const gb_dataset *d, uint64_t row, float *x)
{
  const char *stored = (const char *)d->x + row * stored_bytes(d);
  if (d->type == GB_H5_U16)
    gb_angle16_decode(d->width, (const uint16_t *)stored, x);
  else
    memcpy(x, stored, stored_bytes(d));
}

gb_err gb_dataset_read(gb_dataset *d, gb_split split, size_t n, const uint64_t row[], float *x)
{
  for (size_t i = 0; i < n; i++) {
    uint64_t at = d->row[split][row[i]];
    if (d->x)
      held_row(d, at, x + i * d->width);
    else
      GB_TRY(read_row(d, at, x + i * d->width));
  }
  return GB_OK;
}

size_t gb_dataset_temperature_of(const gb_dataset *d, gb_split split, uint64_t row)
{
  return d->row[split][row] / (d->shape[1] * d->shape[2]);
}

void gb_dataset_batch(const gb_dataset *d, uint64_t seed, uint64_t step, size_t batch, size_t first, size_t n,
                      uint64_t row[])
{
  uint64_t rows = d->n_rows[GB_TRAIN];
  for (size_t i = 0; i < n; i++) {
    uint64_t position = step * batch + first + i, epoch = position / rows;
    row[i] = gb_rng_permute(gb_rng_key(seed, GB_RNG_SHUFFLE, 0, epoch), rows, position % rows);
  }
}

size_t gb_dataset_bytes(const gb_dataset *d)
{
  return (d->x ? d->n * stored_bytes(d) : 0) + d->n * sizeof **d->row;
}

uint64_t gb_dataset_fingerprint(const gb_dataset *d)
{
  return d->fingerprint;
}
