/* sim/rodas.c - Rodas5P as a type of TS, with dense systems.
 *
 * Notes
 * Of u' = f(u), with U_i instead of the stages themselves (E. Hairer and G. Wanner, Solving Ordinary Differential
 * Equations II, section IV.7):
 *     (I / (h gamma) - J) U_i = f(u + sum_j a_ij U_j) + sum_j c_ij / h U_j,    j < i,
 * and the new u is what a ninth stage would start from. Without U_8 it is of order 4: U_8 is the error. */
#include "sim/rodas.h"

#include <math.h>
#include <petsc/private/tsimpl.h>
#include <string.h>

#include "base/mem.h"
#include "linalg/lu.h"

enum { STAGES = 8, LANE = 8, ORDER = 5 };
static const double diagonal = 0.21193756319429014; /* gamma */

/* Of the first six stages. The others start one U after the other further. */
static const double a[6][STAGES] = {
    {0},
    {3.0},
    {2.849394379747939, 0.45842242204463923},
    {-6.954028509809101, 2.489845061869568, -10.358996098473584},
    {2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641},
    {-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946},
};

static const double c[STAGES][STAGES] = {
    {0},
    {-14.155112264123755},
    {-17.97296035885952, -2.859693295451294},
    {147.12150275711716, -1.41221402718213, 71.68940251302358},
    {165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306},
    {24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471},
    {30.91273214028599, -3.1208243349937974, 77.79954646070892, 34.28646028294783, -19.097331116725623,
     -28.087943162872662},
    {37.80277123390563, -3.2571969029072276, 112.26918849496327, 66.9347231244047, -40.06618937091002,
     -54.66780262877968, -9.48861652309627},
};

typedef struct rodas {
  const gb_equation *f;
  bool *wild;
  size_t n, stride;
  double *j, *inverse; /* [n, stride] */
  double *u, *now;     /* [stride] before the step; where a stage starts, and the new one */
  double *rate;        /* [stride] */
  double *U;           /* [STAGES, stride] */
  int *pivot;
  bool derived; /* j is of u */
  double error;
} rodas;

/* The inverse of I / (h gamma) - J. */
static void invert(rodas *r, double h)
{
  for (size_t k = 0; k < r->n; k++) {
    double *restrict to = r->inverse + k * r->stride;
    const double *from = r->j + k * r->stride;
    for (size_t i = 0; i < r->stride; i++) to[i] = -from[i];
    to[k] += 1 / (h * diagonal);
  }
  gb_inverse(r->n, r->stride, r->inverse, r->pivot);
}

/* Where stage i starts. Stages share memory of fixed strides: the loops are over whole vectors. */
static void go_to(rodas *r, int i)
{
  double *restrict now = r->now;
  const double *before = i < 6 ? r->u : NULL;
  if (!before) { /* one U further than the stage before */
    const double *U = r->U + (size_t)(i - 1) * r->stride;
    for (size_t k = 0; k < r->stride; k++) now[k] += U[k];
    return;
  }
  memcpy(now, before, r->stride * sizeof *now);
  for (int j = 0; j < i; j++) {
    const double *U = r->U + (size_t)j * r->stride, by = a[i][j];
    for (size_t k = 0; k < r->stride; k++) now[k] += by * U[k];
  }
}

static void stage(rodas *r, double t, double h, int i)
{
  double *restrict sum = r->rate;
  go_to(r, i);
  r->f->rate(r->f->ctx, t, r->now, sum);
  for (int j = 0; j < i; j++) {
    const double *U = r->U + (size_t)j * r->stride, by = c[i][j] / h;
    for (size_t k = 0; k < r->stride; k++) sum[k] += by * U[k];
  }
  gb_inverse_apply(r->n, r->stride, r->inverse, sum, r->U + (size_t)i * r->stride);
}

/* Of the new state: the root of the mean square of what order 4 differs by, in tolerances. Not finite: so large that
 * the next attempt is a tenth as long. */
static double weigh(rodas *r, double absolute, double relative)
{
  const double hopeless = 1e20, *error = r->U + (STAGES - 1) * r->stride;
  double sum = 0;
  for (size_t i = 0; i < r->n; i++) {
    double e = error[i] / (absolute + relative * fmax(fabs(r->u[i]), fabs(r->now[i])));
    sum += e * e;
  }
  double e = sqrt(sum / (double)r->n);
  if (e < hopeless) return e;
  *r->wild = true;
  return hopeless;
}

static void attempt(TS ts, rodas *r)
{
  if (!r->derived) r->f->jacobian(r->f->ctx, r->u, r->stride, r->j);
  r->derived = true;
  invert(r, ts->time_step);
  for (int i = 0; i < STAGES; i++) stage(r, ts->ptime, ts->time_step, i);
  go_to(r, STAGES);
  r->error = weigh(r, ts->atol, ts->rtol);
}

static PetscErrorCode put(TS ts, const rodas *r, const double *u)
{
  double *to;
  PetscCall(VecGetArrayWrite(ts->vec_sol, &to));
  memcpy(to, u, r->n * sizeof *to);
  PetscCall(VecRestoreArrayWrite(ts->vec_sol, &to));
  return 0;
}

static PetscErrorCode take(TS ts, rodas *r)
{
  const double *from;
  PetscCall(VecGetArrayRead(ts->vec_sol, &from));
  memcpy(r->u, from, r->n * sizeof *from);
  PetscCall(VecRestoreArrayRead(ts->vec_sol, &from));
  r->derived = false;
  return 0;
}

static PetscErrorCode step(TS ts)
{
  rodas *r = ts->data;
  PetscBool accepted = PETSC_FALSE;
  PetscInt attempts = 0;
  PetscReal next = ts->time_step;
  PetscCall(take(ts, r));
  while (!ts->reason) {
    attempt(ts, r);
    PetscCall(put(ts, r, r->now));
    PetscCall(TSAdaptCandidatesClear(ts->adapt));
    PetscCall(TSAdaptCandidateAdd(ts->adapt, NULL, ORDER, 1, 1, 1, PETSC_TRUE));
    PetscCall(TSAdaptChoose(ts->adapt, ts, ts->time_step, NULL, &next, &accepted));
    if (accepted) {
      ts->ptime += ts->time_step;
      ts->time_step = next;
      break;
    }
    PetscCall(put(ts, r, r->u));
    ts->time_step = next;
    ts->reject++;
    if (++attempts > ts->max_reject && ts->max_reject >= 0) ts->reason = TS_DIVERGED_STEP_REJECTED;
  }
  return 0;
}

static PetscErrorCode error(TS ts, NormType type, PetscInt *order, PetscReal *norm)
{
  const rodas *r = ts->data;
  (void)type;
  *order = ORDER;
  *norm = r->error;
  return 0;
}

static PetscErrorCode nothing(TS ts)
{
  (void)ts;
  return 0;
}

static PetscErrorCode destroy(TS ts)
{
  rodas *r = ts->data;
  if (r) {
    gb_free(&r->j);
    gb_free(&r->pivot);
  }
  gb_free(&r);
  ts->data = NULL;
  return 0;
}

static PetscErrorCode create(TS ts)
{
  ts->ops->setup = nothing;
  ts->ops->step = step;
  ts->ops->evaluatewlte = error;
  ts->ops->reset = nothing;
  ts->ops->destroy = destroy;
  ts->default_adapt_type = TSADAPTBASIC;
  ts->usessnes = PETSC_FALSE;
  return 0;
}

static gb_err make(const gb_equation *f, bool *wild, rodas **out)
{
  rodas *r;
  GB_TRY(gb_new(&r, 1));
  *out = r;
  r->f = f;
  r->wild = wild;
  r->n = f->n;
  r->stride = (f->n + LANE - 1) / LANE * LANE;
  GB_TRY(gb_new(&r->pivot, r->n));
  GB_TRY(gb_new(&r->j, (2 * r->n + 3 + STAGES) * r->stride));
  r->inverse = r->j + r->n * r->stride;
  r->u = r->inverse + r->n * r->stride;
  r->now = r->u + r->stride;
  r->rate = r->now + r->stride;
  r->U = r->rate + r->stride;
  return GB_OK;
}

PetscErrorCode gb_rodas_use(TS ts, const gb_equation *f, bool *wild)
{
  static const char name[] = "rodas5p";
  PetscCall(TSRegister(name, create)); /* again: the same */
  PetscCall(TSSetType(ts, name));
  return make(f, wild, (rodas **)&ts->data) ? PETSC_ERR_MEM : 0;
}
