/* data/layout.c - one function a kind of file, and what all of them share. */
#include "data/layout.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "io/angle16.h"

enum { MONTE_CARLO = 3, ROWS = 1 }; /* axes before those of a sample */

/* Galaxy10 SDSS, as its documentation (astroNN) counts it: of all images 589 are of class 6. */
enum { SDSS_IMAGES = 21785, SDSS_CLASS = 6, SDSS_OF_CLASS = 589, CHANNELS = 3 };

size_t gb_layout_bytes(const gb_layout *l)
{
  return l->width * (l->type == GB_H5_U8 ? 1 : l->type == GB_H5_U16 ? sizeof(uint16_t) : sizeof(float));
}

void gb_layout_decode(const gb_layout *l, const void *stored, float *x)
{
  const uint8_t *byte = stored;
  if (l->type == GB_H5_U16)
    gb_angle16_decode(l->width, stored, x);
  else if (l->type == GB_H5_U8)
    for (size_t i = 0; i < l->width; i++) x[i] = (float)byte[i] / 255;
  else
    memcpy(x, stored, gb_layout_bytes(l));
}

void gb_layout_locate(const gb_layout *l, uint64_t row, uint64_t index[])
{
  if (l->place) row = l->place[row];
  for (int i = l->lead - 1; i >= 0; i--) {
    index[i] = row % l->shape[i];
    row /= l->shape[i];
  }
}

bool gb_layout_neighbours(const gb_layout *l, uint64_t row)
{
  if (row == 0) return false;
  return l->place ? l->place[row] == l->place[row - 1] + 1 : row % l->shape[l->lead - 1] != 0;
}

gb_err gb_layout_verify(const gb_layout *l, const char *path, uint64_t row, const void *stored, const uint64_t hash[])
{
  uint64_t at[MONTE_CARLO];
  if (!hash || gb_hash64(stored, gb_layout_bytes(l)) == hash[row]) return GB_OK;
  gb_layout_locate(l, row, at);
  if (l->lead == ROWS)
    return GB_FAIL(GB_ERR_IO, "%s: row %llu does not match its checksum: the file is damaged", path,
                   (unsigned long long)at[0]);
  return GB_FAIL(GB_ERR_IO,
                 "%s: sample %llu of chain %llu at temperature %llu does not match its checksum: the file is damaged",
                 path, (unsigned long long)at[2], (unsigned long long)at[1], (unsigned long long)at[0]);
}

/* "69 x 69 x 3" */
static void say_shape(char text[96], int ndim, const uint64_t shape[])
{
  int n = 0;
  for (int i = 0; i < ndim; i++)
    n += snprintf(text + n, 96 - (size_t)n, "%s%llu", i ? " x " : "", (unsigned long long)shape[i]);
}

/* The samples: their axes, which must be those of the physics. */
static gb_err read_shape(gb_h5 *f, const char *path, int ndim, const size_t shape[], gb_layout *l)
{
  uint64_t wanted[GB_H5_NDIM];
  char there[96], config[96];
  bool equal = true;
  GB_ASSERT(ndim > 0 && l->lead + ndim <= GB_H5_NDIM);
  l->ndim = ndim;
  GB_TRY(gb_h5_shape(f, l->name, l->type, l->lead + ndim, l->shape));
  l->n = l->width = 1;
  for (int i = 0; i < l->lead; i++) l->n *= l->shape[i];
  for (int i = 0; i < ndim; i++) {
    wanted[i] = shape[i];
    l->width *= shape[i];
    equal &= l->shape[l->lead + i] == shape[i];
  }
  say_shape(there, ndim, l->shape + l->lead);
  say_shape(config, ndim, wanted);
  GB_CHECK(equal, GB_ERR_CONFIG,
           "%s holds samples of %s, the config says %s. Set the size in the config to that of the data.", path, there,
           config);
  return GB_OK;
}

static gb_err read_marks(gb_h5 *f, const char *path, gb_layout *l)
{
  GB_TRY(gb_new(&l->split, l->n));
  GB_TRY(gb_h5_read_all(f, "/split", GB_H5_U8, l->n, l->split));
  for (size_t i = 0; i < l->n; i++)
    GB_CHECK(l->split[i] < GB_SPLITS, GB_ERR_IO, "%s: /split holds %d; 0, 1 and 2 are known", path, l->split[i]);
  GB_TRY(gb_new(&l->hash, l->n));
  GB_TRY(gb_h5_read_all(f, "/checksum", GB_H5_U64, l->n, l->hash));
  l->fingerprint = gb_hash64(l->hash, l->n * sizeof *l->hash);
  return GB_OK;
}

static gb_err read_monte_carlo(gb_h5 *f, const char *path, int ndim, const size_t shape[], gb_layout *l)
{
  uint64_t n_T;
  l->name = "/configurations";
  l->lead = MONTE_CARLO;
  GB_TRY(gb_h5_stored(f, l->name, &l->type));
  GB_CHECK(l->type == GB_H5_F32 || l->type == GB_H5_U16, GB_ERR_IO,
           "%s: /configurations is neither of type float32 nor uint16. Was the file made by another program?", path);
  GB_TRY(read_shape(f, path, ndim, shape, l));
  GB_TRY(gb_h5_shape(f, "/temperature", GB_H5_F64, 1, &n_T));
  GB_CHECK(n_T == l->shape[0], GB_ERR_IO, "%s: %llu temperatures, but samples at %llu", path, (unsigned long long)n_T,
           (unsigned long long)l->shape[0]);
  GB_TRY(gb_new(&l->grid, n_T));
  l->n_T = n_T;
  GB_TRY(gb_h5_read_all(f, "/temperature", GB_H5_F64, n_T, l->grid));
  return read_marks(f, path, l);
}

/* Keep the rows of one class: ans becomes their places in the file. */
static void keep_class(int64_t wanted, gb_layout *l, int64_t ans[])
{
  size_t n = 0;
  for (size_t i = 0; i < l->n; i++)
    if (ans[i] == wanted) l->place[n++] = i;
  l->n = n;
}

/* The first of a random order are for training, the next for validation, the rest for the test. */
static gb_err divide(const gb_dataset_opts *o, const char *path, gb_layout *l)
{
  uint64_t order[64], n = l->n, training = (uint64_t)o->import_training, validation = (uint64_t)o->import_validation;
  GB_CHECK(n > 0, GB_ERR_CONFIG, "data.import_class: %s holds no image of class %lld in /ans", path,
           (long long)o->import_class);
  GB_CHECK(training + validation <= n, GB_ERR_CONFIG,
           "data.import_training = %llu and data.import_validation = %llu: %s holds %llu images of class %lld in all",
           (unsigned long long)training, (unsigned long long)validation, path, (unsigned long long)n,
           (long long)o->import_class);
  GB_TRY(gb_new(&l->split, n));
  for (uint64_t i = 0, m; i < n; i += m) {
    m = n - i < 64 ? n - i : 64;
    gb_rng_permute_range(gb_rng_key((uint64_t)o->import_seed, GB_RNG_SPLIT, 0, 0), n, i, m, order);
    for (uint64_t k = 0; k < m; k++)
      l->split[order[k]] = i + k < training ? GB_TRAIN : i + k < training + validation ? GB_VALIDATION : GB_TEST;
  }
  return GB_OK;
}

static void note_import(const gb_dataset_opts *o, const char *path, size_t all, gb_layout *l)
{
  bool odd = all == SDSS_IMAGES && o->import_class == SDSS_CLASS && l->n != SDSS_OF_CLASS;
  snprintf(l->note, sizeof l->note, "%.120s: %zu of %zu images are of class %lld%s", path, l->n, all,
           (long long)o->import_class, odd ? ". Warning: Galaxy10 SDSS has 589; is the file complete?" : "");
}

/* A foreign file: one of its classes. */
static gb_err import(gb_h5 *f, const char *path, const gb_dataset_opts *o, gb_layout *l)
{
  size_t all = l->n;
  int64_t *ans = NULL;
  GB_CHECK(l->ndim == 3 && l->shape[l->lead + 2] == CHANNELS, GB_ERR_IO,
           "%s: /images has %llu channels; of a foreign file %d are expected", path,
           (unsigned long long)l->shape[l->lead + l->ndim - 1], CHANNELS);
  gb_err e = gb_new(&ans, all);
  if (!e) e = gb_new(&l->place, all);
  if (!e) e = gb_h5_integers(f, "/ans", all, ans);
  uint64_t part[4] = {e ? 0 : gb_hash64(ans, all * sizeof *ans)};
  if (!e) keep_class(o->import_class, l, ans);
  gb_free(&ans);
  GB_TRY(e);
  GB_TRY(divide(o, path, l));
  part[1] = gb_hash64(l->shape, (size_t)(l->lead + l->ndim) * sizeof *l->shape);
  part[2] = gb_hash64(l->place, l->n * sizeof *l->place);
  part[3] = gb_hash64(l->split, l->n);
  l->fingerprint = gb_hash64(part, sizeof part);
  note_import(o, path, all, l);
  return GB_OK;
}

static gb_err read_images(gb_h5 *f, const char *path, const gb_dataset_opts *o, int ndim, const size_t shape[],
                          gb_layout *l)
{
  l->name = "/images";
  l->lead = ROWS;
  l->type = GB_H5_U8;
  GB_TRY(read_shape(f, path, ndim, shape, l));
  return gb_h5_has(f, "/split") ? read_marks(f, path, l) : import(f, path, o, l);
}

static gb_err read_rows(gb_h5 *f, const char *path, int ndim, const size_t shape[], gb_layout *l)
{
  l->name = "/observables";
  l->lead = ROWS;
  l->type = GB_H5_F32;
  GB_TRY(read_shape(f, path, ndim, shape, l));
  return read_marks(f, path, l);
}

gb_err gb_layout_read(gb_h5 *f, const char *path, const gb_dataset_opts *opts, int ndim, const size_t shape[],
                      gb_layout *out)
{
  *out = (gb_layout){0};
  if (gb_h5_has(f, "/images")) return read_images(f, path, opts, ndim, shape, out);
  if (gb_h5_has(f, "/observables") && !gb_h5_has(f, "/temperature")) return read_rows(f, path, ndim, shape, out);
  return read_monte_carlo(f, path, ndim, shape, out);
}

void gb_layout_free(gb_layout *l)
{
  gb_free(&l->place);
  gb_free(&l->split);
  gb_free(&l->hash);
  gb_free(&l->grid);
}
