/* sim/direct.c - the step and its transpose. A block of rows goes through all steps before the next one starts, so that
 * its states stay in the caches. What is not kept is computed again, block by block. */
#include "sim/direct.h"

#include <string.h>

#include "base/mem.h"
#include "sim/tableau.h"

enum { BLOCK = 16 /* rows: the deltas of all their stages stay in the second cache */ };

struct gb_direct {
  gb_rhs *f;
  gb_tableau rk;
  size_t steps, stages; /* of all frames */
  double h;
  bool recompute;
  gb_tape tape; /* of the last forward pass, or of the block in hand */
  bool kept, trained;
  size_t parts;
  double *states; /* [block][stage][size, rows] where the rate was taken */
  size_t n_states;
  double *rate;   /* [rk.n][size, rows] rates; backward: gradients of the states of the stages */
  double *u, *at; /* [size, rows] */
};

bool gb_direct_has(const char *method)
{
  return gb_tableau_has(method);
}

size_t gb_direct_block(size_t pass_rows)
{
  return pass_rows < BLOCK ? pass_rows : BLOCK;
}

size_t gb_direct_stages(const gb_ode_opts *o)
{
  return gb_tableau_stages(o->method, (size_t)o->stages) * (size_t)o->substeps;
}

gb_err gb_direct_create(gb_rhs *f, gb_direct **out)
{
  gb_direct *d;
  size_t n = f->size * f->most;
  GB_TRY(gb_new(out, 1));
  d = *out;
  *d = (gb_direct){.f = f,
                   .steps = (f->p.frames - 1) * (size_t)f->p.opts->substeps,
                   .h = f->p.sim->dims.frame_time / (double)f->p.opts->substeps,
                   .recompute = gb_ode_recomputes(f->p.opts)};
  gb_tableau_make(f->p.opts->method, (size_t)f->p.opts->stages, &d->rk);
  d->stages = d->steps * d->rk.n;
  GB_TRY(gb_new(&d->rate, (d->rk.n + 2) * n));
  d->u = d->rate + d->rk.n * n;
  d->at = d->u + n;
  return GB_OK;
}

void gb_direct_destroy(gb_direct **d)
{
  if (!*d) return;
  gb_free(&(*d)->rate);
  gb_free(&(*d)->states);
  gb_free(d);
}

/* y += c x */
static void axpy(size_t n, double c, const double *restrict x, double *restrict y)
{
  if (c != 0)
    for (size_t i = 0; i < n; i++) y[i] += c * x[i];
}

/* y = x + c d; y may be x */
static void move(size_t n, const double *x, double c, const double *restrict d, double *y)
{
#pragma GCC ivdep
  for (size_t i = 0; i < n; i++) y[i] = x[i] + c * d[i];
}

/* Where the state of a stage of the block is, if it is kept. */
static double *state_of(const gb_direct *d, size_t stage)
{
  size_t before = d->recompute ? 0 : d->f->first; /* rows */
  return d->states + (before * d->stages + stage * d->f->rows) * d->f->size;
}

/* Where the state before a step is: that of its first stage. */
static double *before_step(const gb_direct *d, size_t step)
{
  return d->kept && step < d->steps ? state_of(d, step * d->rk.n) : d->u;
}

static double time_of(const gb_direct *d, size_t step, size_t i)
{
  size_t m = (size_t)d->f->p.opts->substeps;
  return (double)(step / m) * d->f->p.sim->dims.frame_time + ((double)(step % m) + d->rk.c[i]) * d->h;
}

static void step_forward(gb_direct *d, const gb_tape *tape, size_t step)
{
  const gb_tableau *k = &d->rk;
  size_t n = d->f->size * d->f->rows;
  double *u = before_step(d, step), *next = before_step(d, step + 1);
  for (size_t i = 0; i < k->n; i++) {
    size_t stage = step * k->n + i;
    double *at = i == 0 ? u : d->kept ? state_of(d, stage) : d->at;
    for (size_t j = 0; j < i; j++)
      if (k->a[i][j] != 0 || j == 0) move(n, j ? at : u, d->h * k->a[i][j], d->rate + j * n, at);
    gb_rhs_rate(d->f, tape, d->kept ? stage : 0, time_of(d, step, i), at, d->rate + i * n);
  }
  for (size_t i = 0; i < k->n; i++) move(n, i ? next : u, d->h * k->b[i], d->rate + i * n, next);
}

/* u holds the gradient of the state after the step; then that before it. */
static void step_backward(gb_direct *d, const gb_tape *tape, size_t step)
{
  const gb_tableau *k = &d->rk;
  size_t n = d->f->size * d->f->rows;
  for (size_t i = k->n; i-- > 0;) { /* at: the gradient of the rate */
    size_t stage = step * k->n + i;
    memset(d->at, 0, n * sizeof *d->at);
    axpy(n, d->h * k->b[i], d->u, d->at);
    for (size_t j = i + 1; j < k->n; j++) axpy(n, d->h * k->a[j][i], d->rate + j * n, d->at);
    memset(d->rate + i * n, 0, n * sizeof *d->rate);
    gb_rhs_vjp(d->f, tape, stage, time_of(d, step, i), state_of(d, stage), d->at, d->rate + i * n);
  }
  for (size_t i = 0; i < k->n; i++) axpy(n, 1, d->rate + i * n, d->u);
}

/* A block may reach over the end of a piece of the rows. */
static size_t block_rows(const gb_rhs *f, const gb_node *y, size_t first)
{
  return y->rows - first < f->most ? y->rows - first : f->most;
}

static gb_err forward_block(gb_direct *d, gb_node *y, const gb_tape *tape)
{
  size_t m = (size_t)d->f->p.opts->substeps;
  gb_rhs_start(d->f, before_step(d, 0));
  for (size_t step = 0;; step++) {
    const double *u = before_step(d, step);
    if (step % m == 0) {
      GB_TRY(gb_rhs_check(d->f, time_of(d, step, 0), u));
      gb_rhs_put_frame(d->f, y, step / m, u);
    }
    if (step == d->steps) return GB_OK;
    step_forward(d, tape, step);
  }
}

/* Room to keep what so many rows go through. */
static gb_err keep(gb_direct *d, size_t rows)
{
  d->kept = true;
  GB_TRY(gb_rhs_tape(d->f, rows, d->stages + d->f->norm_frames, &d->tape));
  return gb_rhs_grow(&d->states, &d->n_states, rows * d->stages * d->f->size, sizeof *d->states);
}

gb_err gb_direct_forward(gb_direct *d, gb_node *y)
{
  gb_rhs *f = d->f;
  d->kept = false;
  d->trained = y->g && f->p.draws->training;
  d->parts = y->parts;
  gb_rhs_pack(f, false);
  if (d->trained && !d->recompute) GB_TRY(keep(d, y->rows));
  for (size_t first = 0; first < y->rows; first += f->rows) {
    gb_rhs_block(f, first, block_rows(f, y, first));
    gb_tape tape = d->kept ? gb_rhs_tape_from(f, &d->tape, first) : f->probe;
    GB_TRY(forward_block(d, y, &tape));
  }
  return GB_OK;
}

gb_err gb_direct_vjp(gb_direct *d, gb_node *y)
{
  gb_rhs *f = d->f;
  size_t m = (size_t)f->p.opts->substeps;
  GB_ASSERT(d->trained && d->parts == y->parts);
  gb_rhs_pack(f, true);
  if (d->recompute) GB_TRY(keep(d, f->most));
  for (size_t first = 0; first < y->rows; first += f->rows) {
    gb_rhs_block(f, first, block_rows(f, y, first));
    gb_tape tape = gb_rhs_tape_from(f, &d->tape, d->recompute ? 0 : first);
    if (d->recompute) GB_TRY(forward_block(d, y, &tape));
    GB_TRY(gb_rhs_deltas(f, &tape));
    memset(d->u, 0, f->size * f->rows * sizeof *d->u);
    for (size_t step = d->steps;; step--) {
      if (step % m == 0) gb_rhs_take_frame(f, y, step / m, d->u);
      if (step == 0) break;
      step_backward(d, &tape, step - 1);
    }
    gb_rhs_collect(f, y, &tape);
  }
  return GB_OK;
}
