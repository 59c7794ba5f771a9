/* sim/integrate.h - one trajectory of an ordinary differential equation, to a tolerance: how data sets are simulated.
 */
#pragma once
#include <stddef.h>

#include "base/err.h"

typedef struct gb_equation {
  size_t n; /* components of the state */
  void *ctx;
  /** du = f(t, u). Not finite: the integration fails. */
  void (*rate)(void *ctx, double t, const double *u, double *du);
  double tolerance; /* of the local error, relative and absolute */
} gb_equation;

/** The solution at given times, by an adaptive Runge-Kutta method of order 8(7) (PETSc TS, scheme 8vr; J. H. Verner,
 *  Numer. Algorithms 53 (2010) 383).
 *  Local; by one thread at a time, as PETSc has it. A function of its arguments: no other trajectory has a part in its
 *  steps.
 *  @param[in]  time  [n_times], increasing; u0 is the state at time[0]
 *  @param[out] u     [n_times, n]
 *  @return GB_ERR_NUMERIC naming the time that was reached, if steps become too small or a number is not finite */
gb_err gb_integrate(const gb_equation *f, const double *u0, size_t n_times, const double *time, double *u);
