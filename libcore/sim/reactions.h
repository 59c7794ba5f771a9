/* sim/reactions.h - the rate equations of a network of reactions: mass action, and enzymes that reactions compete for.
 *
 * The flux of a reaction is
 *     v = rate * p[factor] * (product of its reactants' concentrations) / saturation of its enzyme,
 *     saturation = 1 + sum over the enzyme's loads of by * p[scale] * concentration,
 * and it changes species by v * by * p[scale]. Concentrations below 0, which rounding can leave, count as 0. p are
 * parameters; an index of GB_NO leaves a factor out. What reactions leave as it is, the sum over a conserved group,
 * every Runge-Kutta and Rosenbrock method leaves as it is. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { GB_NO = -1, GB_REACTION_CHANGES = 4, GB_REACTION_ENZYMES = 4, GB_REACTION_ROWS = 64 };

typedef struct gb_change {
  int species;
  double by;
  int scale;
} gb_change;

typedef struct gb_reaction {
  double rate;
  int factor, enzyme;
  int reactant[2]; /* GB_NO: none */
  int n_change;
  gb_change change[GB_REACTION_CHANGES];
} gb_reaction;

typedef struct gb_load {
  int enzyme;
  gb_change of; /* of the saturation */
} gb_load;

typedef struct gb_reactions {
  size_t n_species, n_parameter, n_reaction, n_load, room_reaction, room_load;
  gb_reaction *reaction;
  gb_load *load;
} gb_reactions;

/** A network without reactions, with room for so many.
 *  Local.
 *  @return GB_ERR_MEMORY */
gb_err gb_reactions_create(gb_reactions *r, size_t n_species, size_t n_parameter, size_t most_reactions,
                           size_t most_loads);
void gb_reactions_destroy(gb_reactions *r);

/** Add one; there must be room, and indices must be valid.
 *  Local. */
void gb_reactions_add(gb_reactions *r, gb_reaction reaction);
void gb_reactions_load(gb_reactions *r, gb_load load);

/** du/dt of n <= GB_REACTION_ROWS rows.
 *  Local.
 *  @param[in]  u   [n_species, stride] of which the first n of each line count
 *  @param[in]  p   [n_parameter][n]
 *  @param[out] du  as u */
void gb_reactions_rate(const gb_reactions *r, size_t n, size_t stride, const double *u, const double *const p[],
                       double *du);

/** ubar += (d rate / d u)^T w, pbar += (d rate / d p)^T w.
 *  Local.
 *  @param[in]     w     as u
 *  @param[in,out] ubar  as u
 *  @param[in,out] pbar  [n_parameter][n]; NULL: none, of one or of all */
void gb_reactions_vjp(const gb_reactions *r, size_t n, size_t stride, const double *u, const double *const p[],
                      const double *w, double *ubar, double *const pbar[]);

/** The Jacobian of one row.
 *  Local.
 *  @param[out] jacobian  by columns: d rate_i / d u_j is jacobian[j * stride + i] */
void gb_reactions_jacobian(const gb_reactions *r, const double *u, const double *const p[], size_t stride,
                           double *jacobian);

/** After a step: the parts of a whole that reactions conserve add up to its total. What is below 0, by less than the
 *  tolerance of the step, becomes 0, and the other parts make up for it.
 *  Local.
 *  @param[in]     name  of the whole, and t the time in minutes, for the message
 *  @param[in,out] part  [n]
 *  @return GB_ERR_NUMERIC if the sum is off by more than rounding (1e-10, relative) */
gb_err gb_reactions_conserved(const char *name, double t, double total, size_t n, double *part);
