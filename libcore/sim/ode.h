/* sim/ode.h - the solution of a differential equation as an op: the known part of a physics plus a network, integrated
 * from an observation on, differentiable in weights, parameters and latents.
 *
 * Two implementations of one op. `direct`: explicit Runge-Kutta steps unrolled here, activations kept; fixed steps
 * only. `petsc`: TS and TSAdjoint, every method. Both promise the bits of a row to depend on no other row and those of
 * weight gradients not on how rows share passes; adaptive steps, and the iterations of implicit ones, are shared by the
 * rows of a shard (in a training; by those of it that are in a pass) or of GB_ODE_GROUP rows (else). */
#pragma once
#include "ad/graph.h"
#include "config/schema.h"
#include "linalg/activation.h"
#include "sim/physics.h"

typedef struct gb_ode_opts {
  const char *method;     /* euler|midpoint|rk4|rkc|dopri5|crank_nicolson|backward_euler */
  const char *solver;     /* auto|direct|petsc */
  int64_t substeps;       /* of equal length in a frame; fixed-step methods */
  double tolerance;       /* of adaptive steps (dopri5) and of Newton's method */
  const char *trajectory; /* memory|recompute */
  int64_t stages;         /* of a step of rkc */
} gb_ode_opts;
extern const gb_schema gb_ode_schema; /* section "ode" */

enum { GB_ODE_LAYERS = 6, GB_ODE_GROUP = 16 };

/* Which part of the physics is in the equation. */
typedef enum gb_known { GB_KNOWN_LAW, GB_KNOWN_KINEMATICS, GB_KNOWN_NOTHING } gb_known;

/* Where the network is. */
typedef enum gb_inside {
  GB_INSIDE_NOTHING,
  GB_INSIDE_SUM,        /* du/dt = f(t, u; theta) + network, for the driven components */
  GB_INSIDE_PARAMETERS, /* du/dt = f(t, u; theta * exp(network)), componentwise */
} gb_inside;

/* What the network is told of time. */
typedef enum gb_ode_clock { GB_CLOCK_NONE, GB_CLOCK_TIME, GB_CLOCK_CIRCLE /* sin t, cos t */ } gb_ode_clock;

/* Dense layers; the last one has gb_ode_outputs() columns. Inputs, in this order: latents, the state from component
 * sees_from on, clock. */
typedef struct gb_ode_network {
  int n_layers;
  gb_node *W[GB_ODE_LAYERS], *b[GB_ODE_LAYERS]; /* weights: W [inputs, outputs], b [outputs] */
  gb_activation activation[GB_ODE_LAYERS];
} gb_ode_network;

typedef struct gb_ode_problem {
  const gb_sim *sim; /* has gb_dynamics; borrowed */
  const gb_ode_opts *opts;
  const gb_draws *draws; /* whether this is training, and which rows, for messages; borrowed */
  size_t frames;         /* may be more than samples have */
  gb_known known;
  gb_inside inside;
  gb_ode_clock clock;
  size_t sees_from;
  gb_ode_network network; /* unless GB_INSIDE_NOTHING */
  bool reduced;           /* beside the solution, that of the known part alone, from the same solve */
} gb_ode_problem;

/** Do rows that are solved together share anything: lengths of steps, or Newton iterations?
 *  Local. */
bool gb_ode_couples_rows(const gb_ode_opts *opts);

/** Are stages forgotten after the forward pass, and computed again, block by block, in the backward pass?
 *  Local. */
bool gb_ode_recomputes(const gb_ode_opts *opts);

/** Inputs and outputs of the network in the equation.
 *  Local.
 *  @param[in] n_latent  width of the latents */
size_t gb_ode_inputs(const gb_ode_problem *p, size_t n_latent);
size_t gb_ode_outputs(const gb_sim *sim, gb_inside inside);

/** The observed components at all frames, [frames, seen]; with p->reduced [2, frames, seen], the known part alone
 *  second.
 *  gb_graph_run() fails with GB_ERR_NUMERIC, naming row, time, component and parameters, where a state is not finite
 *  or steps became too small.
 *  Local.
 *  @param[in] x        observations, from which trajectories start: no gradient
 *  @param[in] theta    [n_parameter] of the known part; NULL if it has none or is left out
 *  @param[in] latents  inputs of the network; NULL: none */
gb_node *gb_ode_solve(gb_graph *g, const gb_ode_problem *p, gb_node *x, gb_node *theta, gb_node *latents);

/** Loss term: the mean over frames of (|F| / (|x| + 1e-5))^2, F the network's outputs at an observation x and its time.
 *  Where the term has its least value, the known part explains as much as it can.
 *  Local. After gb_ode_solve() of the same problem, in whose backward pass the gradients of this term are taken. States
 * must be observed whole (seen = n_state).
 *  Source: Y. Yin et al., Augmenting physical models with deep networks (APHYNITY), ICLR 2021, section 3.
 *  @param[in] x        [frames, seen] observations: no gradient
 *  @param[in] latents  those of the solution */
gb_node *gb_ode_network_norm(gb_graph *g, const gb_ode_problem *p, gb_node *x, gb_node *latents);
