/* sim/ode.c - the options, and the two ops: the solution, and the size of the network in it. */
#include "sim/ode.h"

#include <string.h>

#include "base/mem.h"
#include "sim/direct.h"
#include "sim/tableau.h"
#include "sim/ts.h"

enum { LAYER_INPUTS = 2, MOST_INPUTS = 3 + LAYER_INPUTS * GB_ODE_LAYERS };

static gb_err check(const void *opts)
{
  const gb_ode_opts *o = opts;
  GB_CHECK(strcmp(o->solver, "direct") || gb_direct_has(o->method), GB_ERR_CONFIG,
           "ode.solver: direct has no %s: its methods are euler, midpoint, rk4 and rkc. Use petsc or auto", o->method);
  GB_CHECK(strcmp(o->solver, "petsc") || strcmp(o->method, "rkc"), GB_ERR_CONFIG,
           "ode.solver: petsc has no rkc, direct has. Use direct or auto");
  return GB_OK;
}

static const gb_field fields[] = {
    GB_WORD(
        gb_ode_opts, method, "rk4", "euler|midpoint|rk4|rkc|dopri5|crank_nicolson|backward_euler", GB_FIXED,
        "How a step is made. euler, midpoint, rk4: explicit, 1, 2 and 4 evaluations a step, error of order 1, 2, 4 in "
        "its length. rkc: Runge-Kutta-Chebyshev, explicit of order 2, whose evaluations buy stability: for stiff "
        "equations whose fast parts only decay, like chemical reactions. dopri5: explicit of order 5, steps of the "
        "length that the tolerance allows, shared by the rows "
        "of a shard. crank_nicolson (order 2), backward_euler (1): implicit, for stiff equations, where explicit "
        "steps would have to be tiny. The published phys-vae experiments use euler, APHYNITY an rk4."),
    GB_WORD(gb_ode_opts, solver, "auto", "auto|direct|petsc", GB_FIXED,
            "Who makes the steps: a loop of our own with fixed explicit steps (direct), or PETSc's TS and TSAdjoint, "
            "which have every method but rkc and give the same numbers to rounding. auto: direct where it can."),
    GB_NUMBER(gb_ode_opts, substeps, "1", 1, 10000, "1", GB_FIXED,
              "Steps of equal length from one frame to the next; dopri5 begins with that length and then chooses its "
              "own."),
    GB_NUMBER(
        gb_ode_opts, stages, "8", 2, GB_MOST_STAGES, "1", GB_FIXED,
        "Evaluations in a step of rkc. Steps are stable up to about 0.65 stages^2 / (rate of the fastest decay)."),
    GB_NUMBER(
        gb_ode_opts, tolerance, "1e-6", 1e-12, 1e-1, "1", GB_FIXED,
        "Of dopri5: error of a step, relative to each component and absolute. Of implicit methods: Newton's "
        "iteration ends when the residual has fallen by this factor; below 1e-5 the networks' single precision is "
        "in the way."),
    GB_WORD(gb_ode_opts, trajectory, "memory", "memory|recompute", GB_FREE,
            "What training keeps of a solution for its gradient. memory: all stages of all rows of a pass. recompute: "
            "nothing; blocks of rows are solved again, one after another, and only the stages of one are there at a "
            "time. The same bits, in up to a third more time."),
    {0}};
const gb_schema gb_ode_schema = {"ode", "Numerical solution of differential equations inside a model.",
                                 sizeof(gb_ode_opts), fields, check};

bool gb_ode_couples_rows(const gb_ode_opts *o)
{
  return !gb_direct_has(o->method);
}

bool gb_ode_recomputes(const gb_ode_opts *o)
{
  return !strcmp(o->trajectory, "recompute");
}

size_t gb_ode_inputs(const gb_ode_problem *p, size_t n_latent)
{
  static const size_t clocks[] = {[GB_CLOCK_NONE] = 0, [GB_CLOCK_TIME] = 1, [GB_CLOCK_CIRCLE] = 2};
  return n_latent + p->sim->dims.n_state - p->sees_from + clocks[p->clock];
}

size_t gb_ode_outputs(const gb_sim *sim, gb_inside inside)
{
  switch (inside) {
  case GB_INSIDE_SUM: return sim->dims.n_state - sim->dims.driven;
  case GB_INSIDE_PARAMETERS: return sim->dims.n_parameter;
  default: return 0;
  }
}

typedef struct ode {
  gb_rhs f;
  gb_direct *direct; /* or */
  gb_ts *ts;
} ode;

static void destroy(void *ctx)
{
  ode *o = ctx;
  gb_direct_destroy(&o->direct);
  gb_ts_destroy(&o->ts);
  gb_rhs_destroy(&o->f);
}

static gb_err forward(gb_node *y)
{
  ode *o = y->ctx;
  o->f.norm_counts = false;
  return o->direct ? gb_direct_forward(o->direct, y) : gb_ts_forward(o->ts, y);
}

static gb_err vjp(gb_node *y)
{
  ode *o = y->ctx;
  gb_err e = o->direct ? gb_direct_vjp(o->direct, y) : gb_ts_vjp(o->ts, y);
  o->f.norm_counts = false;
  return e;
}

static const gb_op op = {"ode", forward, vjp};

/* Of all steps, if none has to be shorter than it begins. */
static size_t stages(const gb_ode_problem *p)
{
  size_t of_frame = gb_direct_has(p->opts->method) ? gb_direct_stages(p->opts) : 6 * (size_t)p->opts->substeps;
  return of_frame * (p->frames - 1);
}

/* What the solver needs beside the node. */
static gb_err set_up(gb_graph *g, ode *o, const gb_ode_problem *p, gb_node *x, gb_node *theta, gb_node *latents)
{
  bool direct = strcmp(p->opts->solver, "petsc") && gb_direct_has(p->opts->method);
  size_t rows = gb_graph_rows(g);
  GB_TRY(check(p->opts));
  GB_TRY(gb_rhs_create(&o->f, p, x, theta, latents, direct ? gb_direct_block(rows) : gb_ts_block(p->opts, rows), rows));
  GB_TRY(direct ? gb_direct_create(&o->f, &o->direct) : gb_ts_create(&o->f, rows, &o->ts));
  gb_graph_will_hold(g, gb_rhs_bytes(&o->f, gb_ode_recomputes(p->opts) ? o->f.most : rows, stages(p)));
  return GB_OK;
}

/* Are all nodes there that have to be? A builder before may have failed. */
static bool complete(const gb_ode_problem *p, const gb_node *x)
{
  bool yes = x != NULL;
  for (int l = 0; p->inside != GB_INSIDE_NOTHING && l < p->network.n_layers; l++)
    yes &= p->network.W[l] && p->network.b[l];
  return yes;
}

gb_node *gb_ode_solve(gb_graph *g, const gb_ode_problem *p, gb_node *x, gb_node *theta, gb_node *latents)
{
  const gb_dynamics *known = p->sim->kind->dynamics;
  gb_node *in[MOST_INPUTS] = {x};
  int n = 1;
  if (!complete(p, x)) return NULL;
  GB_ASSERT(known && x->width == p->sim->dims.n && p->frames > 0 &&
            (p->inside != GB_INSIDE_PARAMETERS || p->known == GB_KNOWN_LAW));
  GB_ASSERT(p->known != GB_KNOWN_LAW || (theta ? theta->width : 0) == p->sim->dims.n_parameter);
  ode *o = gb_graph_context(g, sizeof *o);
  if (!o) return NULL;
  gb_graph_owns(g, o, destroy);
  gb_err e = set_up(g, o, p, x, theta, latents);
  if (e) return gb_graph_fail(g, e);
  if (o->f.theta_node) in[n++] = o->f.theta_node;
  if (o->f.n_latent) in[n++] = o->f.latent_node;
  double products = 0;
  for (int l = 0; l < o->f.p.network.n_layers; l++) {
    in[n++] = p->network.W[l];
    in[n++] = p->network.b[l];
    products += (double)p->network.W[l]->width;
  }
  gb_node *y = gb_graph_apply(g, &op, o, (gb_shape){p->reduced ? 2 : 1, p->frames, p->sim->dims.seen}, n, in);
  if (y) y->flops = 2 * products * (double)stages(p);
  return y;
}

/* The term's own part is the number. What follows from it for weights and latents is done by the op of the solution,
 * which has the tape: weights are written once. */
static gb_err norm_forward(gb_node *t)
{
  gb_rhs *f = &((ode *)t->in[0]->ctx)->f; /* the solution has packed the weights */
  for (size_t first = 0, rows; first < t->rows; first += rows) {
    rows = t->rows - first < f->most ? t->rows - first : f->most;
    gb_rhs_block(f, first, rows);
    gb_rhs_norm(f, t->term);
  }
  return GB_OK;
}

static gb_err norm_vjp(gb_node *t)
{
  gb_rhs *f = &((ode *)t->in[0]->ctx)->f;
  memcpy(f->norm_weight, t->g, t->rows * sizeof *t->g);
  f->norm_counts = true;
  return GB_OK;
}

static const gb_op norm_op = {"ode norm", norm_forward, norm_vjp};

/* The solution in which these weights are. */
static gb_node *solution_of(const gb_graph *g, const gb_ode_problem *p)
{
  int n;
  gb_node *const *node = gb_graph_nodes(g, &n);
  for (int i = 0; i < n; i++)
    for (int k = 0; node[i]->op == &op && k < node[i]->n_in; k++)
      if (node[i]->in[k] == p->network.W[0]) return node[i];
  return NULL;
}

gb_node *gb_ode_network_norm(gb_graph *g, const gb_ode_problem *p, gb_node *x, gb_node *latents)
{
  const gb_dims *d = &p->sim->dims;
  if (!complete(p, x)) return NULL;
  gb_node *y = solution_of(g, p);
  GB_ASSERT(y && d->seen == d->n_state && x->width % d->n_state == 0);
  gb_rhs *f = &((ode *)y->ctx)->f;
  GB_ASSERT(!f->norm_frames && f->latent_node == latents);
  f->norm_x = x;
  f->norm_frames = x->width / d->n_state;
  return gb_graph_term(g, &norm_op, y->ctx, 2, (gb_node *[]){y, x});
}
