/* sim/reactions.c - fluxes, their derivatives, and what they change. */
#include "sim/reactions.h"

#include <math.h>
#include <string.h>

#include "base/lanes.h"
#include "base/mem.h"

gb_err gb_reactions_create(gb_reactions *r, size_t n_species, size_t n_parameter, size_t most_reactions,
                           size_t most_loads)
{
  *r = (gb_reactions){.n_species = n_species, .n_parameter = n_parameter};
  GB_TRY(gb_new(&r->reaction, most_reactions));
  r->room_reaction = most_reactions;
  GB_TRY(gb_new(&r->load, most_loads));
  r->room_load = most_loads;
  return GB_OK;
}

void gb_reactions_destroy(gb_reactions *r)
{
  gb_free(&r->reaction);
  gb_free(&r->load);
  *r = (gb_reactions){0};
}

/* Is this GB_NO or below n? */
static bool valid(int i, size_t n)
{
  return i == GB_NO || (i >= 0 && (size_t)i < n);
}

static bool valid_change(const gb_reactions *r, const gb_change *c)
{
  return c->species != GB_NO && valid(c->species, r->n_species) && valid(c->scale, r->n_parameter);
}

void gb_reactions_add(gb_reactions *r, gb_reaction a)
{
  GB_ASSERT(r->n_reaction < r->room_reaction && a.n_change <= GB_REACTION_CHANGES);
  GB_ASSERT(valid(a.factor, r->n_parameter) && valid(a.enzyme, GB_REACTION_ENZYMES));
  GB_ASSERT(valid(a.reactant[0], r->n_species) && valid(a.reactant[1], r->n_species));
  for (int k = 0; k < a.n_change; k++) GB_ASSERT(valid_change(r, &a.change[k]));
  r->reaction[r->n_reaction++] = a;
}

void gb_reactions_load(gb_reactions *r, gb_load load)
{
  GB_ASSERT(r->n_load < r->room_load && load.enzyme >= 0 && load.enzyme < GB_REACTION_ENZYMES);
  GB_ASSERT(valid_change(r, &load.of));
  r->load[r->n_load++] = load;
}

static inline double above(double u)
{
  return u > 0 ? u : 0;
}

/* 1 / saturation of every enzyme. */
GB_INLINE void desaturate(const gb_reactions *r, size_t n, size_t stride, const double *u, const double *const p[],
                          double (*free)[GB_REACTION_ROWS])
{
  for (size_t e = 0; e < GB_REACTION_ENZYMES; e++)
    for (size_t i = 0; i < n; i++) free[e][i] = 1;
  for (size_t k = 0; k < r->n_load; k++) {
    const gb_load *l = &r->load[k];
    const double *x = u + (size_t)l->of.species * stride;
    double *restrict to = free[l->enzyme];
    if (l->of.scale == GB_NO)
      for (size_t i = 0; i < n; i++) to[i] += l->of.by * above(x[i]);
    else
      for (size_t i = 0; i < n; i++) to[i] += l->of.by * p[l->of.scale][i] * above(x[i]);
  }
  for (size_t e = 0; e < GB_REACTION_ENZYMES; e++)
    for (size_t i = 0; i < n; i++) free[e][i] = 1 / free[e][i];
}

static const double ones[GB_REACTION_ROWS] = {[0 ... GB_REACTION_ROWS - 1] = 1};

/* v [n] of one reaction, without the reactants of which the bits of `skip` are set, and without p[factor] if `bare`. One
 * loop: what is not there is 1. */
GB_INLINE void flux(const gb_reaction *a, size_t n, size_t stride, const double *u, const double *const p[],
                    double (*free)[GB_REACTION_ROWS], unsigned skip, bool bare, double *restrict v)
{
  const double *factor = a->factor == GB_NO || bare ? ones : p[a->factor];
  const double *enzyme = a->enzyme == GB_NO ? ones : free[a->enzyme], *x[2];
  double rate = a->rate;
  for (unsigned k = 0; k < 2; k++)
    x[k] = a->reactant[k] == GB_NO || skip & 1u << k ? ones : u + (size_t)a->reactant[k] * stride;
  for (size_t i = 0; i < n; i++) v[i] = rate * factor[i] * enzyme[i] * above(x[0][i]) * above(x[1][i]);
}

GB_INLINE void rates(const gb_reactions *r, size_t n, size_t stride, const double *u, const double *const p[],
                     double *du)
{
  double free[GB_REACTION_ENZYMES][GB_REACTION_ROWS], v[GB_REACTION_ROWS];
  desaturate(r, n, stride, u, p, free);
  for (size_t s = 0; s < r->n_species; s++) memset(du + s * stride, 0, n * sizeof *du);
  for (size_t k = 0; k < r->n_reaction; k++) {
    const gb_reaction *a = &r->reaction[k];
    flux(a, n, stride, u, p, free, 0, false, v);
    for (int j = 0; j < a->n_change; j++) {
      const gb_change *c = &a->change[j];
      double *restrict to = du + (size_t)c->species * stride;
      if (c->scale == GB_NO)
        for (size_t i = 0; i < n; i++) to[i] += c->by * v[i];
      else
        for (size_t i = 0; i < n; i++) to[i] += c->by * p[c->scale][i] * v[i];
    }
  }
}

/* One row has no loops over rows. */
void gb_reactions_rate(const gb_reactions *r, size_t n, size_t stride, const double *u, const double *const p[],
                       double *du)
{
  GB_ASSERT(n <= GB_REACTION_ROWS);
  if (n == 1 && stride == 1)
    rates(r, 1, 1, u, p, du);
  else
    rates(r, n, stride, u, p, du);
}

/* What one change of a reaction owes to the flux, and to the parameter that scales it. */
static void change_vjp(const gb_change *c, size_t n, const double *const p[], const double *w, const double *v,
                       double *restrict vbar, double *const pbar[])
{
  const double *scale = c->scale == GB_NO ? NULL : p[c->scale];
  for (size_t i = 0; i < n; i++) vbar[i] += c->by * (scale ? scale[i] : 1) * w[i];
  if (scale && pbar && pbar[c->scale])
    for (size_t i = 0; i < n; i++) pbar[c->scale][i] += c->by * v[i] * w[i];
}

/* Saturations: sbar [enzyme] holds d / d ln(saturation). */
static void loads_vjp(const gb_reactions *r, size_t n, size_t stride, const double *u, const double *const p[],
                      double (*free)[GB_REACTION_ROWS], double (*sbar)[GB_REACTION_ROWS], double *ubar,
                      double *const pbar[])
{
  for (size_t k = 0; k < r->n_load; k++) {
    const gb_load *l = &r->load[k];
    const double *x = u + (size_t)l->of.species * stride, *scale = l->of.scale == GB_NO ? NULL : p[l->of.scale];
    const double *of = sbar[l->enzyme], *f = free[l->enzyme];
    double *restrict to = ubar + (size_t)l->of.species * stride;
    for (size_t i = 0; i < n; i++) to[i] += x[i] > 0 ? of[i] * f[i] * l->of.by * (scale ? scale[i] : 1) : 0;
    if (scale && pbar && pbar[l->of.scale])
      for (size_t i = 0; i < n; i++) pbar[l->of.scale][i] += of[i] * f[i] * l->of.by * above(x[i]);
  }
}

void gb_reactions_vjp(const gb_reactions *r, size_t n, size_t stride, const double *u, const double *const p[],
                      const double *w, double *ubar, double *const pbar[])
{
  double free[GB_REACTION_ENZYMES][GB_REACTION_ROWS], sbar[GB_REACTION_ENZYMES][GB_REACTION_ROWS] = {{0}};
  double v[GB_REACTION_ROWS], vbar[GB_REACTION_ROWS];
  GB_ASSERT(n <= GB_REACTION_ROWS);
  desaturate(r, n, stride, u, p, free);
  for (size_t k = 0; k < r->n_reaction; k++) {
    const gb_reaction *a = &r->reaction[k];
    flux(a, n, stride, u, p, free, 0, false, v);
    memset(vbar, 0, n * sizeof *vbar);
    for (int j = 0; j < a->n_change; j++)
      change_vjp(&a->change[j], n, p, w + (size_t)a->change[j].species * stride, v, vbar, pbar);
    for (size_t i = 0; a->enzyme != GB_NO && i < n; i++) sbar[a->enzyme][i] -= vbar[i] * v[i];
    for (unsigned q = 0; q < 2; q++) {
      if (a->reactant[q] == GB_NO) continue;
      const double *x = u + (size_t)a->reactant[q] * stride;
      double *restrict to = ubar + (size_t)a->reactant[q] * stride;
      flux(a, n, stride, u, p, free, 1u << q, false, v);
      for (size_t i = 0; i < n; i++) to[i] += x[i] > 0 ? vbar[i] * v[i] : 0;
    }
    if (a->factor == GB_NO || !pbar || !pbar[a->factor]) continue;
    flux(a, n, stride, u, p, free, 0, true, v);
    for (size_t i = 0; i < n; i++) pbar[a->factor][i] += vbar[i] * v[i];
  }
  loads_vjp(r, n, stride, u, p, free, sbar, ubar, pbar);
}

/* --- one row */

static double scaled(const gb_change *c, const double *const p[])
{
  return c->scale == GB_NO ? c->by : c->by * *p[c->scale];
}

void gb_reactions_jacobian(const gb_reactions *r, const double *u, const double *const p[], size_t stride,
                           double *jacobian)
{
  double free[GB_REACTION_ENZYMES][GB_REACTION_ROWS], one[1];
  size_t n = r->n_species;
  desaturate(r, 1, 1, u, p, free);
  for (size_t j = 0; j < n; j++) memset(jacobian + j * stride, 0, n * sizeof *jacobian);
  for (size_t k = 0; k < r->n_reaction; k++) {
    const gb_reaction *a = &r->reaction[k];
    for (unsigned q = 0; q < 2; q++) {
      if (a->reactant[q] == GB_NO || !(u[a->reactant[q]] > 0)) continue;
      double *column = jacobian + (size_t)a->reactant[q] * stride;
      flux(a, 1, 1, u, p, free, 1u << q, false, one);
      for (int j = 0; j < a->n_change; j++) column[a->change[j].species] += scaled(&a->change[j], p) * *one;
    }
    if (a->enzyme == GB_NO) continue;
    flux(a, 1, 1, u, p, free, 0, false, one);
    for (size_t l = 0; l < r->n_load; l++) {
      const gb_change *of = &r->load[l].of;
      if (r->load[l].enzyme != a->enzyme || !(u[of->species] > 0)) continue;
      double *column = jacobian + (size_t)of->species * stride, d = -*one * *free[a->enzyme] * scaled(of, p);
      for (int j = 0; j < a->n_change; j++) column[a->change[j].species] += scaled(&a->change[j], p) * d;
    }
  }
}

gb_err gb_reactions_conserved(const char *name, double t, double total, size_t n, double *part)
{
  const double rounding = 1e-10;
  double sum = 0, above = 0;
  for (size_t i = 0; i < n; i++) {
    sum += part[i];
    above += fmax(part[i], 0);
  }
  GB_CHECK(fabs(sum - total) <= rounding * total, GB_ERR_NUMERIC,
           "template %s is not conserved at t = %.9g min: its parts add up to %.17g of %.17g", name, t, sum, total);
  for (size_t i = 0; i < n && above > sum; i++) part[i] = fmax(part[i], 0) * sum / above;
  return GB_OK;
}
