/* sim/integrate.c - trajectories to a tolerance by PETSc's adaptive Runge-Kutta and Rosenbrock methods. */
#include "sim/integrate.h"

#include <math.h>
#include <petscts.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "sim/petsc.h"
#include "sim/rodas.h"

/* Of all steps of a trajectory, and of attempts at one step: each divides it by up to ten, and r->shortest ends it
 * before. */
enum { MOST_STEPS = 2000000, MOST_ATTEMPTS = 60, LANE = 8 };

/* State, its rate, and the rate of that, at one time. */
typedef struct point {
  double t, *u, *du, *ddu;
  bool derived;
} point;

struct gb_integrator {
  gb_equation f;
  TS ts;
  Vec state;
  double shortest, end; /* step; time where this piece ends */
  PetscInt steps;       /* done in all pieces */
  bool stuck, wild;     /* a step was too short; a rate was not finite in the last attempt at a step */
  gb_err failure;       /* of f.check */
  double *begin;        /* [n] state at the begin of a step */

  /* Of stiff equations. */
  size_t stride;
  double *j;          /* [n, stride] a Jacobian */
  point before, now;  /* ends of the last step */
  const double *time; /* [n_times] of this trajectory */
  double *to;         /* [n_times, n] */
  size_t next, n_times;
};

/* A rate that is not finite becomes one that no tolerance accepts, so that the step is tried again and shorter: a long
 * trial step may leave the domain in which the solution stays. */
static void tame(gb_integrator *r, double *du)
{
  static const double unacceptable = 1e100;
  for (size_t i = 0; i < r->f.n; i++)
    if (!(fabs(du[i]) < unacceptable)) {
      du[i] = unacceptable;
      r->wild = true;
    }
}

static PetscErrorCode rate(TS ts, PetscReal t, Vec state, Vec out, void *ctx)
{
  gb_integrator *r = ctx;
  const double *u;
  double *du;
  (void)ts;
  PetscCall(VecGetArrayRead(state, &u));
  PetscCall(VecGetArrayWrite(out, &du));
  r->f.rate(r->f.ctx, t, u, du);
  tame(r, du);
  PetscCall(VecRestoreArrayWrite(out, &du));
  PetscCall(VecRestoreArrayRead(state, &u));
  return 0;
}

/* --- times between steps */

/* u' = f, u'' = J f. */
static void derive(gb_integrator *r, point *p)
{
  size_t n = r->f.n;
  if (p->derived) return;
  r->f.rate(r->f.ctx, p->t, p->u, p->du);
  r->f.jacobian(r->f.ctx, p->u, r->stride, r->j);
  memset(p->ddu, 0, n * sizeof *p->ddu);
  for (size_t k = 0; k < n; k++)
    for (size_t i = 0; i < n; i++) p->ddu[i] += r->j[k * r->stride + i] * p->du[k];
  p->derived = true;
}

/* The polynomial of degree 5 with the values and derivatives of both ends, at a + s (b - a). */
static void interpolate(size_t n, const point *a, const point *b, double s, double *u)
{
  double h = b->t - a->t, q = 1 - s;
  double rise = s * s * s * (10 - 15 * s + 6 * s * s), left = s * q * q * q * (1 + 3 * s),
         right = -q * s * s * s * (1 + 3 * q), left2 = s * s * q * q * q / 2, right2 = q * q * s * s * s / 2;
  for (size_t i = 0; i < n; i++)
    u[i] = a->u[i] + rise * (b->u[i] - a->u[i]) + h * (left * a->du[i] + right * b->du[i]) +
           h * h * (left2 * a->ddu[i] + right2 * b->ddu[i]);
}

/* The times that the last step went past. */
static void fill(gb_integrator *r)
{
  size_t n = r->f.n;
  for (; r->next < r->n_times && r->time[r->next] <= r->now.t; r->next++) {
    double *to = r->to + r->next * n;
    if (r->time[r->next] == r->now.t) {
      memcpy(to, r->now.u, n * sizeof *to);
      continue;
    }
    derive(r, &r->before);
    derive(r, &r->now);
    interpolate(n, &r->before, &r->now, (r->time[r->next] - r->before.t) / (r->now.t - r->before.t), to);
  }
}

static void follow(gb_integrator *r, double t, const double *u)
{
  point kept = r->before;
  r->before = r->now;
  r->now = kept;
  r->now.t = t;
  r->now.derived = false;
  memcpy(r->now.u, u, r->f.n * sizeof *u);
  fill(r);
}

/* --- steps */

/* At its shortest a step is accepted whatever its error is: then the integration has failed. */
static PetscErrorCode after_step(TS ts)
{
  gb_integrator *r;
  PetscReal before, now;
  Vec state;
  double *u;
  PetscCall(TSGetApplicationContext(ts, &r));
  PetscCall(TSGetPrevTime(ts, &before));
  PetscCall(TSGetTime(ts, &now));
  r->stuck = now < r->end && now - before < 1.5 * r->shortest; /* or too short to be told from 0 */
  if (!r->stuck) r->wild = false;
  if (!r->f.jacobian && !r->f.check) {
    if (r->stuck) PetscCall(TSSetConvergedReason(ts, TS_CONVERGED_USER));
    return 0;
  }
  PetscCall(TSGetSolution(ts, &state));
  PetscCall(VecGetArray(state, &u));
  if (!r->stuck && r->f.check) r->failure = r->f.check(r->f.ctx, now, u);
  if (!r->stuck && !r->failure && r->f.jacobian) follow(r, now, u);
  PetscCall(VecRestoreArray(state, &u));
  if (r->stuck || r->failure) PetscCall(TSSetConvergedReason(ts, TS_CONVERGED_USER));
  return 0;
}

/* PETSc takes a step that it rejects back by subtraction, which leaves the rounding of what it subtracts: of a step
 * that was far too long, nothing else. So every stage begins from a copy. */
static PetscErrorCode before_step(TS ts)
{
  gb_integrator *r;
  Vec state;
  const double *u;
  PetscCall(TSGetApplicationContext(ts, &r));
  PetscCall(TSGetSolution(ts, &state));
  PetscCall(VecGetArrayRead(state, &u));
  memcpy(r->begin, u, r->f.n * sizeof *u);
  PetscCall(VecRestoreArrayRead(state, &u));
  return 0;
}

static PetscErrorCode before_stage(TS ts, PetscReal t)
{
  gb_integrator *r;
  Vec state;
  double *u;
  (void)t;
  PetscCall(TSGetApplicationContext(ts, &r));
  PetscCall(TSGetSolution(ts, &state));
  PetscCall(VecGetArrayWrite(state, &u));
  memcpy(u, r->begin, r->f.n * sizeof *u);
  PetscCall(VecRestoreArrayWrite(state, &u));
  return 0;
}

static PetscErrorCode make_explicit(gb_integrator *r)
{
  PetscCall(TSSetPreStep(r->ts, before_step));
  PetscCall(TSSetPreStage(r->ts, before_stage));
  PetscCall(TSSetType(r->ts, TSRK));
  PetscCall(TSRKSetType(r->ts, TSRK8VR));
  PetscCall(TSSetRHSFunction(r->ts, NULL, rate, r));
  return 0;
}

static PetscErrorCode make(gb_integrator *r)
{
  TSAdapt adapt;
  PetscCall(VecCreateSeq(PETSC_COMM_SELF, (PetscInt)r->f.n, &r->state));
  PetscCall(TSCreate(PETSC_COMM_SELF, &r->ts));
  PetscCall(TSSetProblemType(r->ts, TS_NONLINEAR));
  PetscCall(r->f.jacobian ? gb_rodas_use(r->ts, &r->f, &r->wild) : make_explicit(r));
  PetscCall(TSSetApplicationContext(r->ts, r));
  PetscCall(TSSetPostStep(r->ts, after_step));
  PetscCall(TSSetExactFinalTime(r->ts, TS_EXACTFINALTIME_MATCHSTEP));
  PetscCall(TSSetTolerances(r->ts, r->f.least > 0 ? r->f.least : r->f.tolerance, NULL, r->f.tolerance, NULL));
  PetscCall(TSSetMaxSteps(r->ts, MOST_STEPS));
  PetscCall(TSSetMaxStepRejections(r->ts, MOST_ATTEMPTS));
  PetscCall(TSSetErrorIfStepFails(r->ts, PETSC_FALSE));
  PetscCall(TSGetAdapt(r->ts, &adapt));
  PetscCall(TSAdaptSetType(adapt, TSADAPTBASIC));
  return 0;
}

static void forget(gb_integrator *r)
{
  TSDestroy(&r->ts);
  VecDestroy(&r->state);
}

/* From time t to r->end, with a first step of *h; *h becomes the step that fits there. */
static PetscErrorCode advance(gb_integrator *r, double t, double *h, TSConvergedReason *why, double *reached)
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

/* The component whose rate is not finite, or the greatest in units of its tolerance. */
static size_t fastest(gb_integrator *r, double t, const double *u)
{
  size_t most = 0;
  double size = -1;
  r->f.rate(r->f.ctx, t, u, r->begin);
  for (size_t i = 0; i < r->f.n; i++) {
    double v = fabs(r->begin[i]) / (r->f.tolerance * fabs(u[i]) + (r->f.least > 0 ? r->f.least : r->f.tolerance));
    if (!isfinite(v)) return i;
    if (v <= size) continue;
    size = v;
    most = i;
  }
  return most;
}

static gb_err failure(gb_integrator *r, const double *u, TSConvergedReason why, double reached)
{
  char name[GB_COMPONENT_NAME];
  size_t i = fastest(r, reached, u);
  snprintf(name, sizeof name, "component %zu", i);
  if (r->f.name) r->f.name(r->f.ctx, i, name);
  const char *cause = r->wild                  ? "a rate is not finite"
                      : r->steps >= MOST_STEPS ? "it took too many steps"
                      : r->stuck || why < 0    ? "steps became too short"
                                               : "the state is not finite";
  return GB_FAIL(GB_ERR_NUMERIC, "the integration ended at t = %.9g, before t = %.9g: %s. Fastest there is %s.",
                 reached, r->end, cause, name);
}

static gb_err arrived(gb_integrator *r, const double *u, TSConvergedReason why, double reached)
{
  bool good = why == TS_CONVERGED_TIME && reached >= r->end;
  if (r->failure) return r->failure;
  for (size_t i = 0; i < r->f.n; i++) good = good && isfinite(u[i]);
  return good ? GB_OK : failure(r, u, why, reached);
}

/* Steps end at every time. */
static gb_err piecewise(gb_integrator *r, size_t n_times, const double *time, double *u)
{
  size_t n = r->f.n;
  double h = time[1] - time[0], reached = time[0];
  const double *now;
  TSConvergedReason why = TS_CONVERGED_TIME;
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

/* A step in which the state changes by about a hundredth (Hairer, Norsett and Wanner, Solving Ordinary Differential
 * Equations I, section II.4), and no more than `most`. */
static double first_step(gb_integrator *r, double t, const double *u, double most)
{
  double size = 0, change = 0;
  r->f.rate(r->f.ctx, t, u, r->begin);
  for (size_t i = 0; i < r->f.n; i++) {
    size = fmax(size, fabs(u[i]));
    change = fmax(change, fabs(r->begin[i]));
  }
  double h = change > 0 && isfinite(change) ? 0.01 * fmax(size, 1e-5) / change : most;
  return fmin(fmax(h, 100 * r->shortest), most);
}

/* Steps end where they like. */
static gb_err interpolated(gb_integrator *r, size_t n_times, const double *time, double *u)
{
  double reached = time[0];
  TSConvergedReason why = TS_CONVERGED_TIME;
  r->now.t = time[0];
  r->now.derived = false;
  memcpy(r->now.u, u, r->f.n * sizeof *u);
  r->time = time;
  r->to = u;
  r->n_times = n_times;
  r->next = 1;
  r->end = time[n_times - 1];
  double h = first_step(r, time[0], u, r->end - time[0]);
  GB_PETSC(advance(r, time[0], &h, &why, &reached));
  for (size_t k = r->next; k < n_times; k++) memset(u + k * r->f.n, 0, r->f.n * sizeof *u);
  return arrived(r, r->now.u, why, reached);
}

gb_err gb_integrator_run(gb_integrator *r, const double *u0, size_t n_times, const double *time, double *u)
{
  TSAdapt adapt;
  double *v;
  memcpy(u, u0, r->f.n * sizeof *u);
  for (size_t i = 0; i < r->f.n; i++)
    GB_CHECK(isfinite(u0[i]), GB_ERR_NUMERIC, "component %zu of the state at t = %.9g is %g", i, time[0], u0[i]);
  if (n_times < 2) return GB_OK;
  if (!r->ts) GB_PETSC(make(r));
  double span = time[n_times - 1] - time[0];
  /* Far below what a method needs to be accurate, and above the spacing of numbers like the times; stiff equations may
   * begin with steps that are much shorter than what comes later. */
  r->shortest = r->f.jacobian ? 1e-20 * span : fmax(1e-13 * span, 1e-15 * fmax(fabs(time[0]), fabs(time[n_times - 1])));
  r->steps = 0;
  r->stuck = r->wild = false;
  r->failure = GB_OK;
  GB_PETSC(TSGetAdapt(r->ts, &adapt));
  GB_PETSC(TSAdaptSetStepLimits(adapt, r->shortest, span));
  GB_PETSC(VecGetArrayWrite(r->state, &v));
  memcpy(v, u0, r->f.n * sizeof *v);
  GB_PETSC(VecRestoreArrayWrite(r->state, &v));
  gb_err e = r->f.jacobian ? interpolated(r, n_times, time, u) : piecewise(r, n_times, time, u);
  if (e) forget(r); /* what PETSc has of it is in no good state */
  return e;
}

static gb_err new_point(size_t n, point *p)
{
  GB_TRY(gb_new(&p->u, 3 * n));
  p->du = p->u + n;
  p->ddu = p->du + n;
  return GB_OK;
}

static gb_err prepare(gb_integrator *r)
{
  size_t n = r->f.n;
  r->stride = (n + LANE - 1) / LANE * LANE;
  GB_TRY(gb_petsc_begin());
  GB_TRY(gb_new(&r->begin, n));
  if (r->f.jacobian) {
    GB_TRY(gb_new(&r->j, n * r->stride));
    GB_TRY(new_point(n, &r->before));
    GB_TRY(new_point(n, &r->now));
  }
  GB_PETSC(make(r));
  return GB_OK;
}

gb_err gb_integrator_create(const gb_equation *f, gb_integrator **out)
{
  gb_integrator *r;
  *out = NULL;
  GB_TRY(gb_new(&r, 1));
  r->f = *f;
  gb_err e = prepare(r);
  if (e) gb_integrator_destroy(&r);
  *out = r;
  return e;
}

void gb_integrator_destroy(gb_integrator **out)
{
  gb_integrator *r = *out;
  if (!r) return;
  forget(r);
  gb_free(&r->begin);
  gb_free(&r->j);
  gb_free(&r->before.u);
  gb_free(&r->now.u);
  gb_free(out);
}

size_t gb_integrator_steps(const gb_integrator *r)
{
  return (size_t)r->steps;
}

gb_err gb_integrate(const gb_equation *f, const double *u0, size_t n_times, const double *time, double *u)
{
  gb_integrator *r;
  GB_TRY(gb_integrator_create(f, &r));
  gb_err e = gb_integrator_run(r, u0, n_times, time, u);
  gb_integrator_destroy(&r);
  return e;
}
