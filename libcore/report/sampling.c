/* report/sampling.c - /sampling of a data set. */
#include "report/sampling.h"

#include "base/mem.h"
#include "io/h5.h"

static gb_err read_columns(gb_h5 *f, const char *path, const char *name, size_t n_T, double **v, size_t *n,
                           gb_text *columns)
{
  uint64_t shape[2];
  GB_TRY(gb_h5_shape(f, name, GB_H5_F64, 2, shape));
  GB_CHECK(shape[0] == n_T, GB_ERR_IO, "%s: %s has %llu rows for %zu temperatures", path, name,
           (unsigned long long)shape[0], n_T);
  *n = shape[1];
  GB_TRY(gb_h5_get_note(f, name, "columns", columns));
  GB_TRY(gb_new(v, n_T * *n));
  return gb_h5_read_all(f, name, GB_H5_F64, n_T * *n, *v);
}

static gb_err read_integers(gb_h5 *f, const char *name, size_t n, int64_t **v)
{
  GB_TRY(gb_new(v, n));
  return gb_h5_read_all(f, name, GB_H5_I64, n, *v);
}

static gb_err read_all(gb_h5 *f, const char *path, gb_sampling *s)
{
  uint64_t n_T;
  size_t two;
  gb_text ignored = {0};
  if (!gb_h5_has(f, "/sampling") || !gb_h5_has(f, "/sampling/quality") || !gb_h5_has(f, "/sampling/mix")) return GB_OK;
  GB_TRY(gb_h5_shape(f, "/temperature", GB_H5_F64, 1, &n_T));
  GB_TRY(gb_new(&s->T, n_T));
  GB_TRY(gb_h5_read_all(f, "/temperature", GB_H5_F64, n_T, s->T));
  GB_TRY(read_columns(f, path, "/sampling/tau_int", n_T, &s->tau, &s->n_track, &s->tracks));
  GB_TRY(read_columns(f, path, "/sampling/mix", n_T, &s->mix, &s->n_setting, &s->settings));
  gb_err e = read_columns(f, path, "/sampling/hot_start", n_T, &s->hot, &two, &ignored);
  gb_text_free(&ignored);
  GB_TRY(e);
  GB_CHECK(two == 2, GB_ERR_IO, "%s: /sampling/hot_start has %zu columns, not 2", path, two);
  GB_TRY(read_integers(f, "/sampling/stride", n_T, &s->stride));
  GB_TRY(read_integers(f, "/sampling/thermalisation", n_T, &s->dropped));
  GB_TRY(read_integers(f, "/sampling/quality", n_T, &s->quality));
  GB_TRY(gb_h5_get_note(f, "/sampling/quality", "doc", &s->meaning));
  s->n_T = n_T;
  return GB_OK;
}

gb_err gb_sampling_read(gb_comm c, const char *path, gb_sampling *out)
{
  gb_h5 *f = NULL;
  *out = (gb_sampling){0};
  GB_TRY(gb_h5_open(c, path, &f));
  gb_err e = gb_comm_agree(c, read_all(f, path, out));
  gb_h5_close(&f, false);
  if (e) gb_sampling_free(out);
  return e;
}

void gb_sampling_free(gb_sampling *s)
{
  gb_free(&s->T);
  gb_free(&s->tau);
  gb_free(&s->mix);
  gb_free(&s->hot);
  gb_free(&s->stride);
  gb_free(&s->dropped);
  gb_free(&s->quality);
  gb_text_free(&s->tracks);
  gb_text_free(&s->settings);
  gb_text_free(&s->meaning);
  *s = (gb_sampling){0};
}
