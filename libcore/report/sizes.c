/* report/sizes.c - data sets of several lattice sizes, read and handed to the analysis. */
#include "report/sizes.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/h5.h"

static const char helicity[] = "/summary/helicity_modulus", flag[] = "/sampling/quality";

static gb_err look(const gb_lattice *a, const char *dir)
{
  GB_CHECK(access(a->path, R_OK) == 0, GB_ERR_CONFIG,
           "report.sizes: %s holds no dataset.h5. Make it with greybox-generate run.dir=%s, or correct the list.", dir,
           dir);
  return GB_OK;
}

static gb_err check_physics(gb_h5 *f, const gb_lattice *a, const gb_physics *physics)
{
  gb_text name = {0};
  gb_err e = gb_h5_get_note(f, "/", "physics", &name);
  if (!e && strcmp(name.s, physics->name))
    e = GB_FAIL(GB_ERR_CONFIG,
                "report.sizes: %s is a data set of the physics %s, run.physics is %s. Take it out of the list.",
                a->path, name.s, physics->name);
  if (!e && !gb_h5_has(f, helicity))
    e = GB_FAIL(GB_ERR_CONFIG,
                "report.sizes: %s has no %s, which tells T_KT. Take it out of the list, or make it with "
                "greybox-generate and run.physics=xy.",
                a->path, helicity);
  gb_text_free(&name);
  return e;
}

/* The side, from the axes: they are there even if configurations are not. */
static gb_err read_side(gb_h5 *f, const gb_dims *dims, gb_lattice *a)
{
  for (int i = 0; i < dims->ndim; i++) {
    char axis[64];
    uint64_t side;
    snprintf(axis, sizeof axis, "/%s", dims->axis[i]);
    GB_TRY(gb_h5_shape(f, axis, GB_H5_I64, 1, &side));
    GB_CHECK(i == 0 || (double)side == a->L, GB_ERR_CONFIG,
             "report.sizes: %s has a lattice of unequal sides; the flow with L is that of squares. Take it out of the "
             "list.",
             a->path);
    a->L = (double)side;
  }
  return GB_OK;
}

static gb_err read_lattice(gb_h5 *f, const gb_physics *physics, const gb_dims *dims, gb_lattice *a, gb_text *meaning)
{
  uint64_t n;
  GB_TRY(check_physics(f, a, physics));
  GB_TRY(read_side(f, dims, a));
  GB_TRY(gb_h5_shape(f, "/temperature", GB_H5_F64, 1, &n));
  a->n_T = n;
  GB_TRY(gb_new(&a->T, n));
  GB_TRY(gb_new(&a->Y, 2 * n));
  GB_TRY(gb_new(&a->quality, n));
  GB_TRY(gb_h5_read_all(f, "/temperature", GB_H5_F64, n, a->T));
  GB_TRY(gb_h5_read_all(f, helicity, GB_H5_F64, 2 * n, a->Y));
  if (!gb_h5_has(f, flag)) return GB_OK;
  if (!meaning->n) GB_TRY(gb_h5_get_note(f, flag, "doc", meaning));
  return gb_h5_read_all(f, flag, GB_H5_I64, n, a->quality);
}

gb_err gb_lattices_read(gb_comm c, const gb_physics *physics, const gb_dims *dims, gb_texts dirs, gb_lattices *out)
{
  *out = (gb_lattices){0};
  gb_err e = gb_comm_agree(c, gb_new(&out->of, dirs.n));
  for (size_t i = 0; i < dirs.n && !e; i++) {
    gb_lattice *a = &out->of[out->n++];
    gb_h5 *f = NULL;
    snprintf(a->path, sizeof a->path, "%s/dataset.h5", dirs.v[i]);
    e = gb_comm_agree(c, look(a, dirs.v[i]));
    if (!e) e = gb_h5_open(c, a->path, &f);
    if (!e) e = gb_comm_agree(c, read_lattice(f, physics, dims, a, &out->meaning));
    gb_h5_close(&f, false);
    for (size_t t = 0; t < a->n_T && !e; t++) out->n_flagged += a->quality[t] != 0;
  }
  if (e) gb_lattices_free(out);
  return e;
}

void gb_lattices_free(gb_lattices *s)
{
  for (size_t i = 0; i < s->n; i++) {
    gb_free(&s->of[i].T);
    gb_free(&s->of[i].Y);
    gb_free(&s->of[i].quality);
  }
  gb_free(&s->of);
  gb_text_free(&s->meaning);
  *s = (gb_lattices){0};
}

gb_err gb_lattices_analyse(const gb_lattices *s, gb_kt *out)
{
  enum { DRAWS = 200 }; /* an error that is itself known to 5 % */
  size_t room = 0, n = 0;
  gb_kt_point *p;
  for (size_t i = 0; i < s->n; i++) room += s->of[i].n_T;
  GB_TRY(gb_new(&p, room));
  for (size_t i = 0; i < s->n; i++)
    for (size_t t = 0; t < s->of[i].n_T; t++) {
      const gb_lattice *a = &s->of[i];
      if (a->quality[t] == 0) p[n++] = (gb_kt_point){a->L, a->T[t], a->Y[2 * t], a->Y[2 * t + 1]};
    }
  gb_err e = gb_kt_analyse(n, p, DRAWS, out);
  gb_free(&p);
  return e;
}
