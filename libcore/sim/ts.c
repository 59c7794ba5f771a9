/* sim/ts.c - one TS for a block of rows, without an assembled matrix.
 *
 * Gradients of parameters, latents and weights are taken where PETSc asks for a product with the transposed Jacobian:
 * its own way, JacobianP, costs passes over all weights per step, and in 3.18 it is wrong for explicit methods with a
 * weight b_i = 0. In the adjoint of an explicit step the product at stage i is with x, and what belongs to the
 * parameters is h b_i x, or h x if b_i = 0 (rk.c scales differently there). Of the theta methods: the solution of the
 * transposed system (shift I - J) x, x / shift belongs to the parameters at the end of the step; the product with shift
 * < 0, -x / shift to those at its beginning; a product with shift 0 only moves x.
 *
 * Explicit steps of fixed length keep the tape of the forward pass. All others fill it in the backward pass, when the
 * number of stages is known: trial steps and Newton's iterations leave nothing behind. */
#include "sim/ts.h"

#include <float.h>
#include <math.h>
#include <petscts.h>
#include <string.h>

#include "base/mem.h"
#include "linalg/lu.h"
#include "sim/petsc.h"

enum {
  SPARE = 2,
  STEPS = 500, /* a frame, at most, of adaptive methods; a trajectory keeps all their stages */
  MOST_NEWTON = 50,
  BLOCK = 64 /* rows where nothing is shared: PETSc's own time per step does not count, the tape is not yet too long */
};

typedef enum kind { FIXED, ADAPTIVE, IMPLICIT } kind;
typedef struct method {
  const char *name;
  kind kind;
  const char *rk; /* of TSRK */
  size_t stages;  /* of which the gradient is taken */
  double theta;   /* of TSTHETA */
} method;

static const method methods[] = {{"euler", FIXED, TSRK1FE, 1, 0},
                                 {"midpoint", FIXED, TSRK2B, 2, 0},
                                 {"rk4", FIXED, TSRK4, 4, 0},
                                 {"dopri5", ADAPTIVE, TSRK5DP, 6, 0}, /* the last of 7 is the next step's first */
                                 {"crank_nicolson", IMPLICIT, NULL, 2, 0.5},
                                 {"backward_euler", IMPLICIT, NULL, 1, 1}};

/* A TS for so many rows. */
typedef struct solver {
  size_t rows; /* 0: not made */
  TS ts;
  Vec u, lambda;
  Mat jacobian;
  bool trajectory, full; /* does it keep one; has it one that no backward pass used? */
  size_t steps;          /* of the last solution */
  size_t *at_frame;      /* [frames] steps before it */
} solver;

struct gb_ts {
  gb_rhs *f;
  method m;
  size_t pass_rows, fixed_steps; /* steps of fixed length */
  double h;
  const PetscReal *b;     /* weights of an explicit method */
  PetscReal *frame_times; /* [frames] */
  solver *kept;           /* [pass_rows] of the blocks of a training pass */
  solver spare[SPARE];    /* of other passes */
  size_t next_spare, parts;
  bool recompute;
  gb_tape whole;        /* of the pass, or of the block in hand, if it is kept */
  bool training, keeps; /* is this a pass with a gradient; is this solve kept for it? */

  /* The solve in hand. */
  const gb_node *y;
  solver *now;
  gb_tape tape;
  size_t slot, stage, frame;
  gb_err failure; /* in a callback */
  double t, shift;
  double *u, *rate, *row; /* [size, rows] where the Jacobian is asked for; scratch */
  double *lu;             /* [size / n][rows][n, n] factors of shift I - J */
  int *pivot;             /* [size / n][rows][n] */
  bool factored;
};

static const method *find(const char *name)
{
  size_t i = 0;
  while (strcmp(methods[i].name, name)) i++;
  return methods + i;
}

size_t gb_ts_block(const gb_ode_opts *o, size_t pass_rows)
{
  return find(o->method)->kind == FIXED && pass_rows > BLOCK ? BLOCK : pass_rows;
}

gb_err gb_ts_create(gb_rhs *f, size_t pass_rows, gb_ts **out)
{
  size_t n = f->size * f->most, halves = f->size / f->n;
  gb_ts *s;
  GB_TRY(gb_petsc_begin());
  GB_TRY(gb_new(out, 1));
  s = *out;
  s->f = f;
  s->m = *find(f->p.opts->method);
  s->pass_rows = pass_rows;
  s->fixed_steps = (f->p.frames - 1) * (size_t)f->p.opts->substeps;
  s->h = f->p.sim->dims.frame_time / (double)f->p.opts->substeps;
  s->recompute = gb_ode_recomputes(f->p.opts);
  GB_TRY(gb_new(&s->kept, pass_rows));
  GB_TRY(gb_new(&s->frame_times, f->p.frames));
  GB_TRY(gb_new(&s->u, 3 * n));
  s->rate = s->u + n;
  s->row = s->u + 2 * n;
  if (s->m.kind != IMPLICIT) return GB_OK;
  GB_TRY(gb_new(&s->lu, halves * f->most * f->n * f->n));
  GB_TRY(gb_new(&s->pivot, halves * f->most * f->n));
  return GB_OK;
}

static void forget(solver *v)
{
  PetscBool over = PETSC_FALSE;
  gb_free(&v->at_frame);
  PetscFinalized(&over);
  if (!over) {
    TSDestroy(&v->ts);
    VecDestroy(&v->u);
    VecDestroy(&v->lambda);
    MatDestroy(&v->jacobian);
  }
  *v = (solver){0};
}

void gb_ts_destroy(gb_ts **out)
{
  gb_ts *s = *out;
  if (!s) return;
  for (size_t i = 0; s->kept && i < s->pass_rows; i++) forget(&s->kept[i]);
  for (size_t i = 0; i < SPARE; i++) forget(&s->spare[i]);
  gb_free(&s->kept);
  gb_free(&s->frame_times);
  gb_free(&s->u);
  gb_free(&s->lu);
  gb_free(&s->pivot);
  gb_free(out);
}

/* Steps of fixed length are kept on the tape while they are made. */
static bool tape_is_kept(const gb_ts *s)
{
  return s->keeps && s->m.kind == FIXED;
}

/* The right-hand side for PETSc; a failure is kept for the one who called it. */
static PetscErrorCode rate_of(gb_ts *s, double t, Vec state, double *du)
{
  const PetscScalar *u;
  bool keep = tape_is_kept(s);
  PetscCall(VecGetArrayRead(state, &u));
  gb_rhs_rate(s->f, keep ? &s->tape : &s->f->probe, keep ? s->slot++ : 0, t, u, du);
  PetscCall(VecRestoreArrayRead(state, &u));
  s->failure = gb_rhs_check(s->f, t, du);
  return s->failure ? PETSC_ERR_FP : 0;
}

static PetscErrorCode explicit_rate(TS ts, PetscReal t, Vec state, Vec to, void *ctx)
{
  PetscScalar *du;
  (void)ts;
  PetscCall(VecGetArrayWrite(to, &du));
  PetscErrorCode code = rate_of(ctx, t, state, du);
  PetscCall(VecRestoreArrayWrite(to, &du));
  return code;
}

static PetscErrorCode implicit_residual(TS ts, PetscReal t, Vec state, Vec udot, Vec to, void *ctx)
{
  gb_ts *s = ctx;
  const PetscScalar *v;
  PetscScalar *out;
  size_t n = s->f->size * s->f->rows;
  (void)ts;
  PetscErrorCode code = rate_of(s, t, state, s->rate);
  PetscCall(VecGetArrayRead(udot, &v));
  PetscCall(VecGetArrayWrite(to, &out));
  for (size_t i = 0; i < n; i++) out[i] = v[i] - s->rate[i];
  PetscCall(VecRestoreArrayWrite(to, &out));
  PetscCall(VecRestoreArrayRead(udot, &v));
  return code;
}

/* Where a Jacobian is wanted. What of it, is seen later. */
static PetscErrorCode note_place(gb_ts *s, double t, Vec state, double shift)
{
  const PetscScalar *u;
  PetscCall(VecGetArrayRead(state, &u));
  memcpy(s->u, u, s->f->size * s->f->rows * sizeof *u);
  PetscCall(VecRestoreArrayRead(state, &u));
  s->t = t;
  s->shift = shift;
  s->factored = false;
  return 0;
}

static PetscErrorCode explicit_jacobian(TS ts, PetscReal t, Vec state, Mat a, Mat p, void *ctx)
{
  (void)ts, (void)a, (void)p;
  return note_place(ctx, t, state, 0);
}

static PetscErrorCode implicit_jacobian(TS ts, PetscReal t, Vec state, Vec udot, PetscReal shift, Mat a, Mat p,
                                        void *ctx)
{
  (void)ts, (void)udot, (void)a, (void)p;
  return note_place(ctx, t, state, shift);
}

/* A stage of the backward pass: out = (d rate / d u)^T x, and `scale` times what belongs to weights and parameters. */
static void stage_vjp(gb_ts *s, double scale, const double *x, double *out)
{
  gb_rhs *f = s->f;
  size_t n = f->size * f->rows;
  for (size_t i = 0; i < n; i++) s->row[i] = scale * x[i];
  memset(out, 0, n * sizeof *out);
  gb_rhs_vjp(f, &s->tape, s->slot, s->t, s->u, s->row, out);
  for (size_t i = 0; i < n; i++) out[i] /= scale;
  if (!tape_is_kept(s)) s->slot++;
}

/* Go to the stage of the tape whose gradient is next. */
static void find_stage(gb_ts *s)
{
  if (tape_is_kept(s))
    s->slot--;
  else
    gb_rhs_rate(s->f, &s->tape, s->slot, s->t, s->u, s->rate);
}

/* A linear map, on the numbers of PETSc's vectors. */
typedef PetscErrorCode linear_map(gb_ts *s, const double *from, double *to);

static PetscErrorCode apply(gb_ts *s, linear_map *map, Vec x, Vec y)
{
  const PetscScalar *from;
  PetscScalar *to;
  PetscCall(VecGetArrayRead(x, &from));
  PetscCall(VecGetArrayWrite(y, &to));
  PetscCall(map(s, from, to));
  PetscCall(VecRestoreArrayWrite(y, &to));
  PetscCall(VecRestoreArrayRead(x, &from));
  return 0;
}

static PetscErrorCode product(Mat a, linear_map *map, Vec x, Vec y)
{
  gb_ts *s;
  PetscCall(MatShellGetContext(a, &s));
  return apply(s, map, x, y);
}

static PetscErrorCode solve(PC pc, linear_map *map, Vec x, Vec y)
{
  gb_ts *s;
  PetscCall(PCShellGetContext(pc, &s));
  return apply(s, map, x, y);
}

static PetscErrorCode explicit_map(gb_ts *s, const double *from, double *to)
{
  PetscReal h;
  PetscCall(TSGetTimeStep(s->now->ts, &h)); /* negative */
  double b = s->b[--s->stage];
  find_stage(s);
  stage_vjp(s, -h * (b != 0 ? b : 1), from, to);
  return 0;
}

static PetscErrorCode explicit_product(Mat a, Vec x, Vec y)
{
  return product(a, explicit_map, x, y);
}

/* (shift I - J)^T. */
static PetscErrorCode implicit_map(gb_ts *s, const double *from, double *to)
{
  size_t n = s->f->size * s->f->rows;
  if (s->shift < 0) {
    find_stage(s);
    stage_vjp(s, -1 / s->shift, from, to);
  } else {
    gb_rhs_rate(s->f, &s->f->probe, 0, s->t, s->u, s->rate);
    memset(to, 0, n * sizeof *to);
    gb_rhs_state_vjp(s->f, &s->f->probe, 0, s->t, s->u, from, to);
  }
  for (size_t i = 0; i < n; i++) to[i] = s->shift * from[i] - to[i];
  return 0;
}

static PetscErrorCode implicit_product(Mat a, Vec x, Vec y)
{
  return product(a, implicit_map, x, y);
}

/* Factors of shift I - J of every row and half, at a stage that has been computed. */
static void factor_all(gb_ts *s, const gb_tape *tape, size_t slot)
{
  gb_rhs *f = s->f;
  size_t n = f->n, blocks = f->size / n * f->rows;
  for (size_t c = 0; c < n; c++) {
    gb_rhs_jacobian(f, tape, slot, s->t, s->u, c, s->row);
    for (size_t k = 0; k < blocks; k++)
      for (size_t i = 0; i < n; i++)
        s->lu[(k * n + i) * n + c] = (i == c ? s->shift : 0) - s->row[(k / f->rows * n + i) * f->rows + k % f->rows];
  }
  for (size_t k = 0; k < blocks; k++) gb_lu_factor(n, n, s->lu + k * n * n, s->pivot + k * n);
  s->factored = true;
}

static void solve_all(const gb_ts *s, bool transposed, const double *b, double *x)
{
  const gb_rhs *f = s->f;
  size_t n = f->n, blocks = f->size / n * f->rows;
  double *one = s->row;
  for (size_t k = 0; k < blocks; k++) {
    size_t at = k / f->rows * n * f->rows + k % f->rows;
    for (size_t i = 0; i < n; i++) one[i] = b[at + i * f->rows];
    (transposed ? gb_lu_solve_transposed : gb_lu_solve)(n, n, s->lu + k * n * n, s->pivot + k * n, one);
    for (size_t i = 0; i < n; i++) x[at + i * f->rows] = one[i];
  }
}

static PetscErrorCode newton_map(gb_ts *s, const double *from, double *to)
{
  if (!s->factored) {
    gb_rhs_rate(s->f, &s->f->probe, 0, s->t, s->u, s->rate);
    factor_all(s, &s->f->probe, 0);
  }
  solve_all(s, false, from, to);
  return 0;
}

static PetscErrorCode newton_solve(PC pc, Vec x, Vec y)
{
  return solve(pc, newton_map, x, y);
}

/* The transposed system of a backward step; its solution belongs to the parameters at the end of the step. */
static PetscErrorCode adjoint_map(gb_ts *s, const double *from, double *to)
{
  find_stage(s);
  factor_all(s, &s->tape, s->slot);
  solve_all(s, true, from, to);
  stage_vjp(s, 1 / s->shift, to, s->rate);
  return 0;
}

static PetscErrorCode adjoint_solve(PC pc, Vec x, Vec y)
{
  return solve(pc, adjoint_map, x, y);
}

/* Is the next frame here? */
static bool at_frame(const gb_ts *s, double t, size_t steps)
{
  double frame_time = s->f->p.sim->dims.frame_time;
  if (s->m.kind == ADAPTIVE) return t > ((double)s->frame - 1e-7) * frame_time;
  return steps == s->frame * (size_t)s->f->p.opts->substeps;
}

static PetscErrorCode after_step(TS ts)
{
  gb_ts *s;
  Vec state;
  PetscReal t;
  PetscInt steps;
  const PetscScalar *u;
  PetscCall(TSGetApplicationContext(ts, &s));
  PetscCall(TSGetTime(ts, &t));
  PetscCall(TSGetStepNumber(ts, &steps));
  if (s->frame == s->f->p.frames || !at_frame(s, t, (size_t)steps)) return 0;
  PetscCall(TSGetSolution(ts, &state));
  PetscCall(VecGetArrayRead(state, &u));
  s->failure = gb_rhs_check(s->f, (double)s->frame * s->f->p.sim->dims.frame_time, u);
  gb_rhs_put_frame(s->f, s->y, s->frame, u);
  PetscCall(VecRestoreArrayRead(state, &u));
  s->now->at_frame[s->frame++] = (size_t)steps;
  return s->failure ? PETSC_ERR_FP : 0;
}

/* Before each backward step, and after the last: the gradient of the frame that is here. The state that PETSc shows is
 * a stage's, and the last time is stale: only the number of the step counts. */
static PetscErrorCode before_backward_step(TS ts, PetscInt steps, PetscReal t, Vec u, PetscInt n, Vec *lambda, Vec *mu,
                                           void *ctx)
{
  gb_ts *s = ctx;
  PetscScalar *to;
  (void)ts, (void)t, (void)u, (void)n, (void)mu;
  s->stage = s->m.stages;
  if (s->frame == 0 || s->now->at_frame[s->frame - 1] != (size_t)steps) return 0;
  PetscCall(VecGetArray(lambda[0], &to));
  gb_rhs_take_frame(s->f, s->y, --s->frame, to);
  PetscCall(VecRestoreArray(lambda[0], &to));
  return 0;
}

static PetscErrorCode make_explicit(gb_ts *s, solver *v)
{
  const PetscReal *a, *c, *embedded, *dense;
  PetscInt n;
  PetscBool reuses_last;
  PetscCall(TSSetType(v->ts, TSRK));
  PetscCall(TSRKSetType(v->ts, s->m.rk));
  PetscCall(TSRKGetTableau(v->ts, &n, &a, &s->b, &c, &embedded, &n, &dense, &reuses_last));
  PetscCall(TSSetRHSFunction(v->ts, NULL, explicit_rate, s));
  PetscCall(TSSetRHSJacobian(v->ts, v->jacobian, v->jacobian, explicit_jacobian, s));
  PetscCall(MatShellSetOperation(v->jacobian, MATOP_MULT_TRANSPOSE, (void (*)(void))explicit_product));
  return 0;
}

static PetscErrorCode make_implicit(gb_ts *s, solver *v)
{
  const double precision = sizeof(gb_real) == sizeof(float) ? FLT_EPSILON : DBL_EPSILON;
  SNES snes;
  SNESLineSearch search;
  KSP ksp;
  PC pc;
  PetscCall(TSSetType(v->ts, TSTHETA));
  PetscCall(TSThetaSetTheta(v->ts, s->m.theta));
  PetscCall(TSThetaSetEndpoint(v->ts, s->m.theta < 1 ? PETSC_TRUE : PETSC_FALSE));
  PetscCall(TSSetIFunction(v->ts, NULL, implicit_residual, s));
  PetscCall(TSSetIJacobian(v->ts, v->jacobian, v->jacobian, implicit_jacobian, s));
  PetscCall(MatShellSetOperation(v->jacobian, MATOP_MULT_TRANSPOSE, (void (*)(void))implicit_product));
  PetscCall(TSGetSNES(v->ts, &snes));
  /* A residual cannot fall below the rounding of the network, nor a correction below that of the state. */
  PetscCall(SNESSetTolerances(snes, 0, fmax(s->f->p.opts->tolerance, 100 * precision), 8 * precision, MOST_NEWTON,
                              PETSC_MAX_INT));
  PetscCall(SNESGetLineSearch(snes, &search));
  PetscCall(SNESLineSearchSetType(search, SNESLINESEARCHBASIC));
  PetscCall(SNESGetKSP(snes, &ksp));
  PetscCall(KSPSetType(ksp, KSPPREONLY));
  PetscCall(KSPGetPC(ksp, &pc));
  PetscCall(PCSetType(pc, PCSHELL));
  PetscCall(PCShellSetContext(pc, s));
  PetscCall(PCShellSetApply(pc, newton_solve));
  PetscCall(PCShellSetApplyTranspose(pc, adjoint_solve));
  return 0;
}

/* When to stop, and how long steps are. */
static PetscErrorCode set_times(gb_ts *s, solver *v)
{
  const gb_ode_problem *p = &s->f->p;
  double frame_time = p->sim->dims.frame_time;
  TSAdapt adapt;
  PetscCall(TSGetAdapt(v->ts, &adapt));
  PetscCall(TSSetErrorIfStepFails(v->ts, PETSC_FALSE));
  if (s->m.kind == ADAPTIVE) {
    for (size_t k = 0; k < p->frames; k++) s->frame_times[k] = (double)k * frame_time;
    PetscCall(TSAdaptSetType(adapt, TSADAPTBASIC));
    PetscCall(TSAdaptSetStepLimits(adapt, 1e-6 * frame_time, frame_time));
    PetscCall(TSSetTolerances(v->ts, p->opts->tolerance, NULL, p->opts->tolerance, NULL));
    PetscCall(TSSetTimeSpan(v->ts, (PetscInt)p->frames, s->frame_times));
    PetscCall(TSSetExactFinalTime(v->ts, TS_EXACTFINALTIME_MATCHSTEP));
    PetscCall(TSSetMaxSteps(v->ts, (PetscInt)(STEPS * p->frames)));
    return 0;
  }
  PetscCall(TSAdaptSetType(adapt, TSADAPTNONE));
  PetscCall(TSSetExactFinalTime(v->ts, TS_EXACTFINALTIME_STEPOVER));
  PetscCall(TSSetMaxTime(v->ts, 2 * (double)p->frames * frame_time)); /* the number of steps ends it */
  PetscCall(TSSetMaxSteps(v->ts, (PetscInt)s->fixed_steps));
  return 0;
}

/* A trajectory in memory, with stages; also in place of one that no backward pass has used, which PETSc can only forget
 * together with its options. */
static PetscErrorCode new_trajectory(solver *v)
{
  TSTrajectory trajectory;
  PetscCall(TSResetTrajectory(v->ts));
  PetscCall(TSSetSaveTrajectory(v->ts));
  PetscCall(TSGetTrajectory(v->ts, &trajectory));
  PetscCall(TSTrajectorySetType(trajectory, v->ts, TSTRAJECTORYMEMORY));
  PetscCall(TSTrajectorySetSolutionOnly(trajectory, PETSC_FALSE));
  return 0;
}

static PetscErrorCode make(gb_ts *s, solver *v)
{
  PetscInt n = (PetscInt)(s->f->size * v->rows);
  PetscCall(TSCreate(PETSC_COMM_SELF, &v->ts));
  PetscCall(VecCreateSeq(PETSC_COMM_SELF, n, &v->u));
  PetscCall(VecDuplicate(v->u, &v->lambda));
  PetscCall(MatCreateShell(PETSC_COMM_SELF, n, n, n, n, s, &v->jacobian));
  PetscCall(TSSetProblemType(v->ts, TS_NONLINEAR));
  PetscCall(TSSetApplicationContext(v->ts, s));
  PetscCall(s->m.kind == IMPLICIT ? make_implicit(s, v) : make_explicit(s, v));
  PetscCall(set_times(s, v));
  PetscCall(TSSetPostStep(v->ts, after_step));
  if (!v->trajectory) return 0;
  PetscCall(TSSetCostGradients(v->ts, 1, &v->lambda, NULL));
  PetscCall(TSAdjointMonitorSet(v->ts, before_backward_step, s, NULL));
  return 0;
}

/* v, made for so many rows. */
static gb_err ready(gb_ts *s, solver *v, size_t rows, bool trajectory)
{
  if (v->rows == rows) return GB_OK;
  forget(v);
  GB_TRY(gb_new(&v->at_frame, s->f->p.frames));
  v->rows = rows;
  v->trajectory = trajectory;
  v->full = trajectory; /* not full, but without options */
  int code = make(s, v);
  if (code) forget(v);
  GB_PETSC(code);
  return GB_OK;
}

/* The solver of block number `block`, if it is kept, or a spare one for so many rows. */
static gb_err choose(gb_ts *s, size_t block, solver **out)
{
  size_t k = 0;
  if (s->keeps)
    *out = &s->kept[block];
  else {
    while (k < SPARE && s->spare[k].rows != s->f->rows) k++;
    if (k == SPARE) k = s->next_spare++ % SPARE;
    *out = &s->spare[k];
  }
  return ready(s, *out, s->f->rows, s->keeps);
}

/* The block that begins at row `first`. Rows share steps where these depend on them. */
static size_t block_rows(const gb_ts *s, const gb_node *y, size_t first)
{
  size_t most = s->f->most;
  if (s->m.kind != FIXED)
    most = s->training ? y->rows : GB_ODE_GROUP - (size_t)(s->f->p.draws->first_row + first) % GB_ODE_GROUP;
  return gb_rhs_rows(y, first, most);
}

static PetscErrorCode run_forward(gb_ts *s)
{
  solver *v = s->now;
  PetscScalar *u;
  PetscInt steps;
  if (v->full) PetscCall(new_trajectory(v));
  v->full = v->trajectory;
  PetscCall(TSSetTime(v->ts, 0));
  PetscCall(TSSetStepNumber(v->ts, 0));
  PetscCall(TSSetTimeStep(v->ts, s->h));
  PetscCall(VecGetArrayWrite(v->u, &u));
  gb_rhs_start(s->f, u);
  gb_rhs_put_frame(s->f, s->y, 0, u);
  PetscCall(VecRestoreArrayWrite(v->u, &u));
  v->at_frame[0] = 0;
  s->frame = 1;
  if (s->f->p.frames > 1) PetscCall(TSSolve(v->ts, v->u));
  PetscCall(TSGetStepNumber(v->ts, &steps));
  v->steps = (size_t)steps;
  return 0;
}

/* A failure without a number that is not finite: the row that changes fastest is the likely cause. */
static gb_err stuck(gb_ts *s, TSConvergedReason reason)
{
  const gb_rhs *f = s->f;
  const PetscScalar *u;
  PetscReal t;
  size_t worst = 0, n = f->size * f->rows;
  GB_PETSC(TSGetTime(s->now->ts, &t));
  GB_PETSC(VecGetArrayRead(s->now->u, &u));
  gb_rhs_rate(s->f, &s->f->probe, 0, t, u, s->rate);
  for (size_t i = 0; i < n; i++)
    if (fabs(s->rate[i]) / (1 + fabs(u[i])) > fabs(s->rate[worst]) / (1 + fabs(u[worst]))) worst = i;
  GB_PETSC(VecRestoreArrayRead(s->now->u, &u));
  return gb_rhs_refuse(f, worst % f->rows, worst / f->rows, t,
                       reason == TS_DIVERGED_NONLINEAR_SOLVE
                           ? "changes so fast that Newton's method does not converge"
                           : "changes so fast that steps would have to be too short or too many");
}

static gb_err forward_block(gb_ts *s, size_t block)
{
  TSConvergedReason reason = TS_CONVERGED_ITERATING;
  GB_TRY(choose(s, block, &s->now));
  s->slot = 0;
  int code = run_forward(s);
  if (!code) code = (int)TSGetConvergedReason(s->now->ts, &reason);
  gb_err e = s->failure                  ? s->failure
             : code                      ? gb_petsc_failure(code, __FILE__, __LINE__, __func__)
             : s->frame < s->f->p.frames ? stuck(s, reason)
                                         : GB_OK;
  if (e) forget(s->now); /* what PETSc has of it is in no good state */
  return e;
}

/* For the tape of so many rows, if it is kept. */
static gb_err room(gb_ts *s, size_t rows)
{
  if (!tape_is_kept(s)) return GB_OK;
  return gb_rhs_tape(s->f, rows, s->fixed_steps * s->m.stages + s->f->norm_frames, &s->whole);
}

gb_err gb_ts_forward(gb_ts *s, gb_node *y)
{
  gb_rhs *f = s->f;
  size_t block = 0;
  s->y = y;
  s->training = y->g && f->p.draws->training;
  s->keeps = s->training && !s->recompute;
  s->parts = y->parts;
  s->failure = GB_OK;
  gb_rhs_pack(f, false);
  if (s->m.kind == IMPLICIT) gb_rhs_pack(f, true); /* Newton's method wants derivatives */
  GB_TRY(room(s, y->rows));
  for (size_t first = 0; first < y->rows; first += f->rows) {
    gb_rhs_block(f, first, block_rows(s, y, first));
    if (tape_is_kept(s)) s->tape = gb_rhs_tape_from(f, &s->whole, first);
    GB_TRY(forward_block(s, block++));
  }
  return GB_OK;
}

/* row: where the block is in the tape, if that is kept. */
static gb_err backward_block(gb_ts *s, size_t block, size_t row)
{
  gb_rhs *f = s->f;
  size_t n;
  s->now = &s->kept[block];
  n = s->now->steps * s->m.stages;
  if (tape_is_kept(s))
    s->tape = gb_rhs_tape_from(f, &s->whole, row);
  else
    GB_TRY(gb_rhs_tape(f, f->rows, n + f->norm_frames, &s->tape));
  GB_TRY(gb_rhs_deltas(f, &s->tape));
  s->slot = tape_is_kept(s) ? n : 0;
  s->frame = f->p.frames;
  GB_PETSC(VecZeroEntries(s->now->lambda));
  if (f->p.frames > 1) GB_PETSC(TSAdjointSolve(s->now->ts));
  GB_ASSERT(s->slot == (tape_is_kept(s) ? 0 : n));
  s->now->full = false;
  gb_rhs_collect(f, s->y, &s->tape);
  return GB_OK;
}

gb_err gb_ts_vjp(gb_ts *s, gb_node *y)
{
  gb_rhs *f = s->f;
  size_t block = 0;
  GB_ASSERT(s->training && s->parts == y->parts);
  gb_rhs_pack(f, true);
  if (s->recompute) {
    s->keeps = true;
    GB_TRY(room(s, f->most));
  }
  for (size_t first = 0; first < y->rows; first += f->rows) {
    gb_rhs_block(f, first, block_rows(s, y, first));
    if (s->recompute) {
      s->tape = s->whole;
      GB_TRY(forward_block(s, 0));
    }
    GB_TRY(s->recompute ? backward_block(s, 0, 0) : backward_block(s, block++, first));
  }
  return GB_OK;
}
