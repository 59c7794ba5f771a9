/* sim/integrate.c - trajectories to a tolerance by PETSc's adaptive Runge-Kutta methods. */
#include "sim/integrate.h"

#include <math.h>
#include <petscts.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "sim/petsc.h"

/* Of all steps of a trajectory, and of attempts at one step: each divides it by up to ten, and limits.shortest ends it
 * before. */
enum { MOST_STEPS = 2000000, MOST_ATTEMPTS = 60 };

typedef struct run {
  const gb_equation *f;
  TS ts;
  Vec state;
  double shortest, end; /* step; time where this piece ends */
  PetscInt steps;       /* done in all pieces */
  bool stuck, wild;     /* a step was too short; a rate was not finite in the last attempt at a step */
} run;

/* A rate that is not finite becomes one that no tolerance accepts, so that the step is tried again and shorter: a long
 * trial step may leave the domain in which the solution stays. */
static PetscErrorCode rate(TS ts, PetscReal t, Vec state, Vec out, void *ctx)
{
  static const double unacceptable = 1e100;
  run *r = ctx;
  const double *u;
  double *du;
  (void)ts;
  PetscCall(VecGetArrayRead(state, &u));
  PetscCall(VecGetArrayWrite(out, &du));
  r->f->rate(r->f->ctx, t, u, du);
  for (size_t i = 0; i < r->f->n; i++)
    if (!(fabs(du[i]) < unacceptable)) {
      du[i] = unacceptable;
      r->wild = true;
    }
  PetscCall(VecRestoreArrayWrite(out, &du));
  PetscCall(VecRestoreArrayRead(state, &u));
  return 0;
}

/* At its shortest a step is accepted whatever its error is: then the integration has failed. */
static PetscErrorCode after_step(TS ts)
{
  run *r;
  PetscReal before, now;
  PetscCall(TSGetApplicationContext(ts, &r));
  PetscCall(TSGetPrevTime(ts, &before));
  PetscCall(TSGetTime(ts, &now));
  r->stuck = now < r->end && now - before < 1.5 * r->shortest;
  if (r->stuck) PetscCall(TSSetConvergedReason(ts, TS_CONVERGED_USER));
  if (!r->stuck) r->wild = false;
  return 0;
}

static PetscErrorCode open_solver(run *r, double span)
{
  TSAdapt adapt;
  PetscCall(VecCreateSeq(PETSC_COMM_SELF, (PetscInt)r->f->n, &r->state));
  PetscCall(TSCreate(PETSC_COMM_SELF, &r->ts));
  PetscCall(TSSetProblemType(r->ts, TS_NONLINEAR));
  PetscCall(TSSetType(r->ts, TSRK));
  PetscCall(TSRKSetType(r->ts, TSRK8VR));
  PetscCall(TSSetRHSFunction(r->ts, NULL, rate, r));
  PetscCall(TSSetApplicationContext(r->ts, r));
  PetscCall(TSSetPostStep(r->ts, after_step));
  PetscCall(TSSetExactFinalTime(r->ts, TS_EXACTFINALTIME_MATCHSTEP));
  PetscCall(TSSetTolerances(r->ts, r->f->tolerance, NULL, r->f->tolerance, NULL));
  PetscCall(TSSetMaxSteps(r->ts, MOST_STEPS));
  PetscCall(TSSetMaxStepRejections(r->ts, MOST_ATTEMPTS));
  PetscCall(TSSetErrorIfStepFails(r->ts, PETSC_FALSE));
  PetscCall(TSGetAdapt(r->ts, &adapt));
  PetscCall(TSAdaptSetType(adapt, TSADAPTBASIC));
  PetscCall(TSAdaptSetStepLimits(adapt, r->shortest, span));
  return 0;
}

/* From time t to r->end, with a first step of *h; *h becomes the step that fits there. */
static PetscErrorCode advance(run *r, double t, double *h, TSConvergedReason *why, double *reached)
{
  PetscCall(TSSetTime(r->ts, t));
  PetscCall(TSSetMaxTime(r->ts, r->end));
  PetscCall(TSSetTimeStep(r->ts, *h));
  PetscCall(TSSetStepNumber(r->ts, r->steps));
  PetscCall(TSSolve(r->ts, r->state));
  PetscCall(TSGetConvergedReason(r->ts, why));
  PetscCall(TSGetTime(r->ts, reached));
  PetscCall(TSGetStepNumber(r->ts, &r->steps));
  PetscCall(TSGetTimeStep(r->ts, h));
  return 0;
}

static gb_err failure(const run *r, TSConvergedReason why, double reached)
{
  const char *cause = r->wild                  ? "a rate is not finite"
                      : r->steps >= MOST_STEPS ? "it took too many steps"
                      : r->stuck || why < 0    ? "steps became too short"
                                               : "the state is not finite";
  return GB_FAIL(GB_ERR_NUMERIC, "the integration ended at t = %.9g, before t = %.9g: %s", reached, r->end, cause);
}

static gb_err arrived(const run *r, const double *u, TSConvergedReason why, double reached)
{
  bool good = why == TS_CONVERGED_TIME && reached >= r->end;
  for (size_t i = 0; i < r->f->n; i++) good = good && isfinite(u[i]);
  return good ? GB_OK : failure(r, why, reached);
}

static gb_err integrate(run *r, const double *u0, size_t n_times, const double *time, double *u)
{
  size_t n = r->f->n;
  double span = time[n_times - 1] - time[0], h = time[1] - time[0], reached = time[0], *v;
  const double *now;
  TSConvergedReason why = TS_CONVERGED_TIME;
  GB_PETSC(open_solver(r, span));
  GB_PETSC(VecGetArrayWrite(r->state, &v));
  memcpy(v, u0, n * sizeof *v);
  GB_PETSC(VecRestoreArrayWrite(r->state, &v));
  for (size_t k = 1; k < n_times; k++) {
    r->end = time[k];
    GB_PETSC(advance(r, time[k - 1], &h, &why, &reached));
    GB_PETSC(VecGetArrayRead(r->state, &now));
    memcpy(u + k * n, now, n * sizeof *u);
    GB_PETSC(VecRestoreArrayRead(r->state, &now));
    GB_TRY(arrived(r, u + k * n, why, reached));
  }
  return GB_OK;
}

gb_err gb_integrate(const gb_equation *f, const double *u0, size_t n_times, const double *time, double *u)
{
  run r = {.f = f};
  memcpy(u, u0, f->n * sizeof *u);
  for (size_t i = 0; i < f->n; i++)
    GB_CHECK(isfinite(u0[i]), GB_ERR_NUMERIC, "component %zu of the state at t = %.9g is %g", i, time[0], u0[i]);
  if (n_times < 2) return GB_OK;
  GB_TRY(gb_petsc_begin());
  /* Far below what any of the methods needs to be accurate, and above the spacing of numbers like the times. */
  r.shortest = fmax(1e-13 * (time[n_times - 1] - time[0]), 1e-15 * fmax(fabs(time[0]), fabs(time[n_times - 1])));
  gb_err e = integrate(&r, u0, n_times, time, u);
  TSDestroy(&r.ts);
  VecDestroy(&r.state);
  return e;
}
