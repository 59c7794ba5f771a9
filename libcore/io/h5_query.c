/* io/h5_query.c - what is in a file: types, shapes, names, texts. */
#include <string.h>

#include "base/mem.h"
#include "io/h5_inside.h"

hid_t gb_h5_stored_type(gb_h5_type type)
{
  switch (type) {
  case GB_H5_F32: return H5T_IEEE_F32LE;
  case GB_H5_F64: return H5T_IEEE_F64LE;
  case GB_H5_I64: return H5T_STD_I64LE;
  case GB_H5_U64: return H5T_STD_U64LE;
  case GB_H5_U8: return H5T_STD_U8LE;
  case GB_H5_U16: return H5T_STD_U16LE;
  }
  return -1;
}

void gb_h5_drop(gb_h5_selection *s)
{
  if (s->memory >= 0) H5Sclose(s->memory);
  if (s->file >= 0) H5Sclose(s->file);
  if (s->set >= 0) H5Dclose(s->set);
}

/* Nobody is to make room for what cannot be there: deflate makes at most 1032 bytes of one. */
static gb_err check_extent(gb_h5 *f, const char *name, const gb_h5_selection *s)
{
  static const double most = 1032;
  hid_t type = H5Dget_type(s->set);
  hsize_t there = 0;
  double bytes = (double)H5Tget_size(type);
  H5Tclose(type);
  for (int i = 0; i < s->ndim; i++) bytes *= (double)s->shape[i];
  GB_CHECK(f->writing || H5Fget_filesize(f->file, &there) < 0 || bytes <= most * (double)there, GB_ERR_IO,
           "%s: %s is said to have %.3g bytes, in a file of %.3g: the file is damaged", f->path, name, bytes,
           (double)there);
  return GB_OK;
}

gb_err gb_h5_open_set(gb_h5 *f, const char *name, size_t n, const gb_h5_block block[], gb_h5_selection *s)
{
  *s = (gb_h5_selection){.set = -1, .file = -1, .memory = -1};
  s->set = H5Dopen2(f->file, name, H5P_DEFAULT);
  if (s->set < 0) return gb_h5_failed(f, "opening the dataset", name);
  s->file = H5Dget_space(s->set);
  s->ndim = H5Sget_simple_extent_ndims(s->file);
  GB_CHECK(s->ndim >= 0 && s->ndim <= GB_H5_NDIM, GB_ERR_IO, "%s: %s has %d axes", f->path, name, s->ndim);
  H5Sget_simple_extent_dims(s->file, s->shape, NULL);
  GB_TRY(check_extent(f, name, s));
  for (const gb_h5_block *b = block; n > 0 && b < block + n; b++)
    for (int i = 0; i < s->ndim; i++)
      GB_CHECK(b->start[i] <= s->shape[i] && b->count[i] <= s->shape[i] - b->start[i], GB_ERR_IO,
               "%s: %s: items %llu ... %llu of axis %d were asked for; it has %llu", f->path, name,
               (unsigned long long)b->start[i], (unsigned long long)(b->start[i] + b->count[i]), i,
               (unsigned long long)s->shape[i]);
  return GB_OK;
}

/* Elements of this type are in the file; -1: of a type that is not ours. */
static gb_h5_type type_of(hid_t set)
{
  hid_t type = H5Dget_type(set);
  int found = -1;
  for (gb_h5_type t = GB_H5_F32; t <= GB_H5_U16; t++)
    if (H5Tequal(type, gb_h5_stored_type(t)) > 0) found = (int)t;
  H5Tclose(type);
  return (gb_h5_type)found;
}

gb_err gb_h5_known_type(gb_h5 *f, const gb_h5_selection *s, const char *name, gb_h5_type *type)
{
  *type = type_of(s->set);
  GB_CHECK((int)*type >= 0, GB_ERR_IO,
           "%s: %s is of a type that this program does not store. Was the file made by another program?", f->path,
           name);
  return GB_OK;
}

gb_err gb_h5_check_type(gb_h5 *f, hid_t set, const char *name, gb_h5_type type)
{
  static const char *const text[] = {"float32", "float64", "int64", "uint64", "uint8", "uint16"};
  GB_CHECK(type_of(set) == type, GB_ERR_IO, "%s: %s is not of type %s. Was the file made by another program?", f->path,
           name, text[type]);
  return GB_OK;
}

gb_err gb_h5_shape(gb_h5 *f, const char *name, gb_h5_type type, int ndim, uint64_t shape[])
{
  gb_h5_settle();
  gb_h5_selection s;
  gb_err e = gb_h5_open_set(f, name, 0, NULL, &s);
  if (!e) e = gb_h5_check_type(f, s.set, name, type);
  if (!e && s.ndim != ndim) e = GB_FAIL(GB_ERR_IO, "%s: %s has %d axes, %d are expected", f->path, name, s.ndim, ndim);
  for (int i = 0; i < ndim && !e; i++) shape[i] = s.shape[i];
  gb_h5_drop(&s);
  return e;
}

gb_err gb_h5_stored(gb_h5 *f, const char *name, gb_h5_type *type)
{
  gb_h5_settle();
  gb_h5_selection s;
  gb_err e = gb_h5_open_set(f, name, 0, NULL, &s);
  if (!e) e = gb_h5_known_type(f, &s, name, type);
  gb_h5_drop(&s);
  return e;
}

gb_err gb_h5_integers(gb_h5 *f, const char *name, size_t n, int64_t *v)
{
  gb_h5_settle();
  gb_h5_selection s;
  gb_err e = gb_h5_open_set(f, name, 0, NULL, &s);
  hid_t type = e ? -1 : H5Dget_type(s.set);
  if (!e && H5Tget_class(type) != H5T_INTEGER) e = GB_FAIL(GB_ERR_IO, "%s: %s does not hold integers", f->path, name);
  if (!e && (s.ndim != 1 || s.shape[0] != n))
    e = GB_FAIL(GB_ERR_IO, "%s: %s is not a list of %zu numbers", f->path, name, n);
  if (!e && H5Dread(s.set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, v) < 0)
    e = gb_h5_failed(f, "reading", name);
  if (type >= 0) H5Tclose(type);
  gb_h5_drop(&s);
  return e;
}

bool gb_h5_has(gb_h5 *f, const char *name)
{
  gb_h5_settle();
  char prefix[256];
  for (const char *p = name + 1; (p = strchr(p, '/')); p++) { /* H5Lexists wants every folder to exist */
    snprintf(prefix, sizeof prefix, "%.*s", (int)(p - name), name);
    if (H5Lexists(f->file, prefix, H5P_DEFAULT) <= 0) return false;
  }
  return H5Lexists(f->file, name, H5P_DEFAULT) > 0;
}

gb_err gb_h5_get_note(gb_h5 *f, const char *name, const char *attribute, gb_text *text)
{
  gb_h5_settle();
  hid_t a = H5Aopen_by_name(f->file, name, attribute, H5P_DEFAULT, H5P_DEFAULT);
  if (a < 0) return gb_h5_failed(f, "opening an attribute of", name);
  hid_t type = H5Aget_type(a), space = H5Aget_space(a);
  char *value = NULL;
  bool ours = H5Tis_variable_str(type) > 0 && H5Sget_simple_extent_npoints(space) == 1;
  gb_err e = GB_OK;
  if (!ours || H5Aread(a, type, &value) < 0 || !value)
    e = gb_h5_failed(f, "reading an attribute of", name);
  else
    gb_text_add(text, "%s", value);
  if (value) H5free_memory(value);
  H5Sclose(space);
  H5Tclose(type);
  H5Aclose(a);
  return e ? e : gb_text_done(text);
}

gb_err gb_h5_get_text(gb_h5 *f, const char *name, char **text)
{
  gb_h5_settle();
  enum { LONGEST = 1 << 26 };
  gb_err e = GB_OK;
  hid_t set = H5Dopen2(f->file, name, H5P_DEFAULT);
  if (set < 0) return gb_h5_failed(f, "opening the text", name);
  hid_t type = H5Dget_type(set), space = H5Dget_space(set);
  size_t n = H5Tget_size(type);
  if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) || H5Sget_simple_extent_npoints(space) != 1 ||
      n > LONGEST)
    e = GB_FAIL(GB_ERR_IO, "%s: %s is not a text of this program", f->path, name);
  if (!e) e = gb_new(text, n + 1);
  if (!e && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, *text) < 0) {
    e = gb_h5_failed(f, "reading the text", name);
    gb_free(text);
  }
  H5Sclose(space);
  H5Tclose(type);
  H5Dclose(set);
  return e;
}

bool gb_h5_hint(gb_h5 *f, const char *key, char value[MPI_MAX_INFO_VAL + 1])
{
  gb_h5_settle();
  MPI_File *file = NULL;
  if (f->c.size == 1 || H5Fget_vfd_handle(f->file, H5P_DEFAULT, (void **)&file) < 0) return false;
  return gb_comm_file_hint(*file, key, value);
}

const char *gb_h5_version(void)
{
  static char text[32];
  unsigned major, minor, release;
  H5get_libversion(&major, &minor, &release);
  snprintf(text, sizeof text, "%u.%u.%u", major, minor, release);
  return text;
}
