/* fuzz/change.h - good files, and what the bytes of an input change in them.
 *
 * Three ways. As it is: any byte; the checksum behind the file must tell, before HDF5 sees it. Values: stored numbers
 * and texts alone, with a new checksum. Structure: data sets and attributes that are missing, or others of any type and
 * shape, groups, links; with a new checksum, too. The last two are what a faulty writer could make: the checks of the
 * reader are on their own. */
#pragma once
#include <hdf5.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "check.h"
#include "unit/scratch.h"

enum { MOST = 1 << 20, AREAS = 96, SEAL = 47 /* bytes of the line with the checksum */, MOST_EDITS = 8 };

typedef enum way { AS_IT_IS, VALUES, STRUCTURE, WAYS } way;

typedef struct good {
  char *bytes;
  size_t n, seal, n_areas, first[AREAS], count[AREAS]; /* seal: bytes of it; areas: of stored numbers and texts */
  size_t n_sets;
  char set[AREAS][96];
} good;

typedef struct input {
  const unsigned char *next, *end;
} input;

static unsigned take(input *in)
{
  return in->next < in->end ? *in->next++ : 0;
}

static herr_t add_set(hid_t f, const char *name, const H5O_info_t *info, void *to)
{
  good *g = to;
  if (info->type != H5O_TYPE_DATASET) return 0;
  hid_t set = H5Dopen2(f, name, H5P_DEFAULT);
  haddr_t at = H5Dget_offset(set);
  if (g->n_sets < AREAS) snprintf(g->set[g->n_sets++], sizeof g->set[0], "%s", name);
  if (at != HADDR_UNDEF && g->n_areas < AREAS) {
    g->first[g->n_areas] = (size_t)at;
    g->count[g->n_areas++] = (size_t)H5Dget_storage_size(set);
  }
  H5Dclose(set);
  return 0;
}

/* Keep a file that was written. */
static void keep(const char *path, good *g)
{
  g->bytes = scratch_get(path, &g->n);
  CHECK(g->bytes && g->n < MOST);
  g->seal = gb_file_sealed(path) ? 0 : SEAL;
  gb_err_clear();
  hid_t f = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  H5Ovisit(f, H5_INDEX_NAME, H5_ITER_INC, add_set, g);
  H5Fclose(f);
  CHECK(g->n_areas >= 1);
}

/* The place that 4 bytes stand for: anywhere, or in an area. */
static size_t place(const good *g, way how, uint32_t word)
{
  size_t total = 0;
  if (how == AS_IT_IS) return word % g->n;
  for (size_t i = 0; i < g->n_areas; i++) total += g->count[i];
  size_t at = word % total, i = 0;
  for (; at >= g->count[i]; i++) at -= g->count[i];
  return g->first[i] + at;
}

/* Edits of 5 bytes: a place, and what is to be added there.
 * @return is anything another byte now? */
static bool change_bytes(const good *g, way how, input in, char *bytes)
{
  for (bool first = true; in.end - in.next >= 5; first = false) {
    uint32_t word = 0;
    for (int k = 0; k < 4; k++) word |= (uint32_t)take(&in) << 8 * k;
    size_t at = place(g, how, word);
    if (at >= g->n - g->seal && !first) { /* two faults at once, one of them in the checksum, cannot be told */
      take(&in);
      continue;
    }
    bytes[at] += (char)take(&in);
    if (at >= g->n - g->seal) break;
  }
  return memcmp(bytes, g->bytes, g->n - g->seal) != 0;
}

/* Any type; closed by the caller. */
static hid_t make_type(input *in)
{
  const hid_t plain[] = {H5T_IEEE_F32LE, H5T_IEEE_F64LE, H5T_STD_I64LE,  H5T_STD_U64LE, H5T_STD_U8LE,
                         H5T_STD_U16LE,  H5T_STD_I32BE,  H5T_IEEE_F64BE, H5T_STD_I8LE,  H5T_STD_REF_OBJ};
  unsigned which = take(in) % 14;
  hid_t type;
  switch (which) {
  case 10:
  case 11:
    type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, which == 10 ? H5T_VARIABLE : 1 + take(in));
    return type;
  case 12: return H5Tvlen_create(H5T_STD_U8LE);
  case 13: return H5Tcreate(H5T_OPAQUE, 1 + take(in));
  default: return H5Tcopy(plain[which]);
  }
}

static const hsize_t length[] = {0, 1, 2, 3, 4, 5, 6, 9, 16, 1000, 1 << 20, (hsize_t)1 << 32, (hsize_t)1 << 62};
enum { LENGTHS = sizeof length / sizeof *length, MOST_NDIM = 9 };

static hid_t make_space(input *in)
{
  hsize_t shape[MOST_NDIM];
  int ndim = (int)(take(in) % (MOST_NDIM + 1));
  if (ndim == MOST_NDIM) return H5Screate(H5S_NULL);
  for (int i = 0; i < ndim; i++) shape[i] = length[take(in) % LENGTHS];
  return H5Screate_simple(ndim, shape, NULL);
}

/* A data set in which nothing was written: a shape may promise what no disk holds. */
static void make_set(hid_t f, const char *name, hid_t type, hid_t space, bool chunked)
{
  hid_t list = H5Pcreate(H5P_DATASET_CREATE);
  int ndim = H5Sget_simple_extent_ndims(space);
  if (chunked && ndim > 0) {
    hsize_t chunk[MOST_NDIM];
    for (int i = 0; i < ndim; i++) chunk[i] = 2;
    H5Pset_chunk(list, ndim, chunk);
  } else {
    H5Pset_alloc_time(list, H5D_ALLOC_TIME_LATE);
  }
  hid_t set = H5Dcreate2(f, name, type, space, H5P_DEFAULT, list, H5P_DEFAULT);
  if (set >= 0) H5Dclose(set);
  H5Pclose(list);
}

static void make_any_set(hid_t f, const char *name, input *in)
{
  hid_t type = make_type(in), space = make_space(in);
  H5Ldelete(f, name, H5P_DEFAULT);
  make_set(f, name, type, space, take(in) % 2);
  H5Sclose(space);
  H5Tclose(type);
}

/* The same type, and one axis of another length. */
static void reshape_set(hid_t f, const char *name, input *in)
{
  hsize_t shape[MOST_NDIM];
  hid_t set = H5Dopen2(f, name, H5P_DEFAULT);
  if (set < 0) return; /* gone already */
  hid_t type = H5Dget_type(set), space = H5Dget_space(set);
  int ndim = H5Sget_simple_extent_dims(space, shape, NULL);
  if (ndim > 0) shape[take(in) % (unsigned)ndim] = length[take(in) % LENGTHS];
  if (ndim > 0) H5Sset_extent_simple(space, ndim, shape, NULL);
  H5Dclose(set);
  H5Ldelete(f, name, H5P_DEFAULT);
  make_set(f, name, type, space, take(in) % 2);
  H5Sclose(space);
  H5Tclose(type);
}

static void change_attribute(hid_t f, const char *name, input *in)
{
  static const char *const attribute[] = {"unit", "doc", "columns", "xxh3", "physics", "route", "title"};
  const char *a = attribute[take(in) % 7];
  H5Adelete_by_name(f, name, a, H5P_DEFAULT);
  if (take(in) % 2) return;
  hid_t type = make_type(in), space = make_space(in);
  hid_t made = H5Acreate_by_name(f, name, a, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  if (made >= 0) H5Aclose(made);
  H5Sclose(space);
  H5Tclose(type);
}

static void change_structure(const good *g, const char *path, input in)
{
  hid_t f = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
  CHECK(f >= 0);
  for (int i = 0; i < MOST_EDITS && in.next < in.end; i++) {
    const char *name = g->set[take(&in) % g->n_sets], *other = g->set[take(&in) % g->n_sets];
    unsigned what = take(&in) % 16;
    if (what < 2) {
      change_attribute(f, what ? name : "/", &in);
      continue;
    }
    if (what > 10) {
      reshape_set(f, name, &in);
      continue;
    }
    if (what > 6) {
      make_any_set(f, name, &in);
      continue;
    }
    H5Ldelete(f, name, H5P_DEFAULT); /* 6: it is missing */
    if (what == 2) H5Gclose(H5Gcreate2(f, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    if (what == 3) H5Lcreate_soft(name, f, name, H5P_DEFAULT, H5P_DEFAULT); /* to itself */
    if (what == 4) H5Lcreate_soft(other, f, name, H5P_DEFAULT, H5P_DEFAULT);
    if (what == 5) H5Lcreate_external("nowhere.h5", "/x", f, name, H5P_DEFAULT, H5P_DEFAULT);
  }
  H5Fclose(f);
}

static void fault(const char *what)
{
  fprintf(stderr, "%s: %s\n", what, gb_err_message());
  abort();
}

/* Write the changed file.
 * @return must it be refused? */
static bool change(const good *g, way how, input in, const char *path)
{
  static char bytes[MOST];
  bool changed = false;
  size_t n = how == AS_IT_IS ? g->n : g->n - g->seal;
  memcpy(bytes, g->bytes, g->n);
  if (how != STRUCTURE) changed = change_bytes(g, how, in, bytes);
  scratch_put(path, bytes, n);
  if (how == STRUCTURE) change_structure(g, path, in);
  if (how != AS_IT_IS && g->seal && gb_file_seal(path)) abort();
  return how == AS_IT_IS && changed;
}

/* What a reader may say of a changed file. */
static void judge(gb_err e, bool must_fail, const char *path)
{
  if (e && e != GB_ERR_IO && e != GB_ERR_CONFIG && e != GB_ERR_MEMORY) fault("an error of another kind");
  if (e && e != GB_ERR_MEMORY && !strstr(gb_err_message(), path)) fault("an error without the name of its file");
  if (must_fail && e != GB_ERR_IO) fault("a change is not told");
}
