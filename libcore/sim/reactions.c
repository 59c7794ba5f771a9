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

/* Rows side by side in a vector. */
enum { LANES = 8 };
typedef double lanes __attribute__((vector_size(8 * LANES)));
typedef int64_t masks __attribute__((vector_size(8 * LANES)));

/* y where x > 0, else 0. */
GB_INLINE double one_where(double x, double y)
{
  return x > 0 ? y : 0;
}

GB_INLINE lanes many_where(lanes x, lanes y)
{
  return (lanes)((masks)y & (x > 0));
}

#define NUMBER  double
#define F(name) one_##name
#include "sim/reactions_rows.h"
#undef NUMBER
#undef F
#define NUMBER  lanes
#define F(name) many_##name
#include "sim/reactions_rows.h"
#undef NUMBER
#undef F

void gb_reactions_rate(const gb_reactions *r, size_t n, size_t stride, const double *u, const double *const p[],
                       double *du)
{
  size_t i = 0;
  for (; i + LANES <= n; i += LANES) many_rates(r, stride, u + i, p, i, du + i);
  for (; i < n; i++) one_rates(r, stride, u + i, p, i, du + i);
}

void gb_reactions_vjp(const gb_reactions *r, size_t n, size_t stride, const double *u, const double *const p[],
                      const double *w, double *ubar, double *const pbar[])
{
  size_t i = 0;
  for (; i + LANES <= n; i += LANES) many_pull_back(r, stride, u + i, p, i, w + i, ubar + i, pbar);
  for (; i < n; i++) one_pull_back(r, stride, u + i, p, i, w + i, ubar + i, pbar);
}

/* --- one row */

void gb_reactions_jacobian(const gb_reactions *r, const double *u, const double *const p[], size_t stride,
                           double *jacobian)
{
  double free[GB_REACTION_ENZYMES];
  size_t n = r->n_species;
  one_desaturate(r, 1, u, p, 0, free);
  for (size_t j = 0; j < n; j++) memset(jacobian + j * stride, 0, n * sizeof *jacobian);
  for (size_t k = 0; k < r->n_reaction; k++) {
    const gb_reaction *a = &r->reaction[k];
    for (unsigned q = 0; q < 2; q++) {
      if (a->reactant[q] == GB_NO || !(u[a->reactant[q]] > 0)) continue;
      double *column = jacobian + (size_t)a->reactant[q] * stride;
      double v = one_flux(a, 1, u, p, 0, free, 1u << q, false);
      for (int j = 0; j < a->n_change; j++) column[a->change[j].species] += one_scaled(&a->change[j], p, 0) * v;
    }
    if (a->enzyme == GB_NO) continue;
    double v = one_flux(a, 1, u, p, 0, free, 0, false);
    for (size_t l = 0; l < r->n_load; l++) {
      const gb_change *of = &r->load[l].of;
      if (r->load[l].enzyme != a->enzyme || !(u[of->species] > 0)) continue;
      double *column = jacobian + (size_t)of->species * stride, d = -v * free[a->enzyme] * one_scaled(of, p, 0);
      for (int j = 0; j < a->n_change; j++) column[a->change[j].species] += one_scaled(&a->change[j], p, 0) * d;
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
