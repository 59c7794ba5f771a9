/* sim/integrate.h - one trajectory of an ordinary differential equation, to a tolerance: how data sets are simulated.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { GB_COMPONENT_NAME = 128 };

typedef struct gb_equation {
  size_t n; /* components of the state */
  void *ctx;
  /** du = f(t, u). Not finite: the integration fails. */
  void (*rate)(void *ctx, double t, const double *u, double *du);
  double tolerance; /* of the local error, relative, and absolute unless `least` is given */
  double least;     /* absolute tolerance; 0: `tolerance` */
  /** The Jacobian, by columns: d f_i / d u_j is jacobian[j * stride + i]. Given: the equation is stiff, and f must not
   * depend on t. */
  void (*jacobian)(void *ctx, const double *u, size_t stride, double *jacobian);
  /** What must hold after every step; a failure ends the integration. It may move u within the tolerance, to where it
   * must be. NULL: nothing. */
  gb_err (*check)(void *ctx, double t, double *u);
  /** What component i is, for a message: "strand a"; from which keys it comes is to be said, too. NULL: its number. */
  void (*name)(void *ctx, size_t i, char out[GB_COMPONENT_NAME]);
} gb_equation;

/** The solution at given times. Without a Jacobian by an adaptive Runge-Kutta method of order 8(7) (PETSc TS, scheme
 *  8vr; J. H. Verner, Numer. Algorithms 53 (2010) 383); with one by an adaptive Rosenbrock method of order 5(4), which
 *  is L-stable (PETSc TS, with sim/rodas.h as its method), and
 *  between its steps by the polynomial of degree 5 through values and two derivatives.
 *  Local; by one thread at a time, as PETSc has it. A function of its arguments: no other trajectory has a part in its
 *  steps.
 *  @param[in]  time  [n_times], increasing; u0 is the state at time[0]
 *  @param[out] u     [n_times, n]
 *  @return GB_ERR_NUMERIC naming the time that was reached, and the component that changes fastest there, if steps
 * become too small or a number is not finite; the failure of `check` */
gb_err gb_integrate(const gb_equation *f, const double *u0, size_t n_times, const double *time, double *u);

/* The same for many trajectories of one equation, whose ctx may change between them: what PETSc needs is made once. */
typedef struct gb_integrator gb_integrator;

/** Local. @param[in] f  copied */
gb_err gb_integrator_create(const gb_equation *f, gb_integrator **out);
gb_err gb_integrator_run(gb_integrator *r, const double *u0, size_t n_times, const double *time, double *u);

/** Local. Before gb_petsc_end(). NULL is allowed. */
void gb_integrator_destroy(gb_integrator **r);

/** Steps of the last trajectory, those that were tried again not counted.
 *  Local. */
size_t gb_integrator_steps(const gb_integrator *r);
