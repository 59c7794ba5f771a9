/* sim/rhs.h - the right-hand side of many differential equations at once: the known part of a physics, a network, and a
 * tape of what the network saw, from which the gradients of its weights follow in one large product per layer.
 *
 * A block is some rows that are integrated together. In it the state is [component, row] in double, of n components,
 * or 2 n if the known part alone is integrated beside the whole. The tape of a block is [stage, row, number]. An
 * element of a weight gradient is one chain over rows, and over the stages of a row, which any other block continues:
 * so it does not matter how rows are shared out to blocks and passes. */
#pragma once
#include "sim/ode.h"

/* Stages of the rows of a block. value[0] are the inputs of the network, value[l + 1] the outputs of layer l. */
typedef struct gb_tape {
  size_t stages;                     /* of a row */
  gb_real *value[GB_ODE_LAYERS + 1]; /* [stage, row, width[l]] */
  gb_real *before[GB_ODE_LAYERS];    /* [stage, row, width[l + 1]] before the activation, if its derivative needs it */
  gb_real *delta[GB_ODE_LAYERS + 1]; /* [stage, row, width[l]] gradient before the activation; from 1 on */
} gb_tape;

typedef struct gb_rhs {
  gb_ode_problem p;
  const gb_dynamics *known;
  gb_node *x, *theta_node, *latent_node; /* of the op; the last two may be NULL */
  size_t n, size;                        /* components; with those of the known part alone */
  size_t n_theta, n_latent, n_out;
  size_t sees; /* components of the state that the network sees, the last ones */
  size_t width[GB_ODE_LAYERS + 1];
  size_t value_width, before_width, delta_width; /* numbers of a stage and row of a tape */

  /* The block in hand. */
  size_t first, rows, most;    /* most: room */
  double *theta, *theta_bar;   /* [n_theta, rows] */
  double *latent_bar;          /* [n_latent, rows] */
  double *driven, *driven_bar; /* [n_theta, rows] parameters times exp(network) */
  gb_real *input_bar;          /* [rows, width[0]] */
  double *unit;                /* [size, rows] a unit vector of every row */
  gb_tape probe;               /* one stage, for what is not recorded */

  gb_real *packed[2][GB_ODE_LAYERS]; /* W, and transposed */
  void *scratch;                     /* of products */
  gb_real *values, *lines;           /* what is multiplied: lines of the tape, and of its deltas */
  gb_real *piece;                    /* the gradients of a piece of the rows, and sums of finished pieces */
  size_t n_weights, n_levels;

  /* A loss term may ask for the size of the network at observations: further stages, behind the others. */
  gb_node *norm_x;
  size_t norm_frames;   /* 0: there is none */
  bool norm_counts;     /* in this backward pass */
  gb_real *norm_weight; /* [rows of the pass] gradient of the term, if it counts */
  double *observed;     /* [n, rows] */

  gb_real *tape, *deltas; /* grown when needed */
  size_t n_tape, n_deltas;
  void *memory;
} gb_rhs;

/** Sizes from the problem, and memory for blocks of up to `most` rows.
 *  Local.
 *  @param[in] pass_rows  most rows of a pass
 *  @return GB_ERR_MEMORY */
gb_err gb_rhs_create(gb_rhs *f, const gb_ode_problem *p, gb_node *x, gb_node *theta, gb_node *latents, size_t most,
                     size_t pass_rows);
void gb_rhs_destroy(gb_rhs *f);

/** Bring the weights into the order in which products read them: forward, or transposed.
 *  Local. Once per pass. */
void gb_rhs_pack(gb_rhs *f, bool transposed);

/** Rows of the block that begins at row `first`: at most so many, and within a piece of the rows of y.
 *  Local. */
size_t gb_rhs_rows(const gb_node *y, size_t first, size_t most);

/** Take rows [first, first + rows) in hand: their parameters, and no gradients yet.
 *  Local. */
void gb_rhs_block(gb_rhs *f, size_t first, size_t rows);

/** The state at t = 0, from the observations of the block: u [size, rows].
 *  Local. */
void gb_rhs_start(gb_rhs *f, double *u);

/** du = the right-hand side, with the network as stage number `stage` of the tape.
 *  Local. */
void gb_rhs_rate(gb_rhs *f, const gb_tape *tape, size_t stage, double t, const double *u, double *du);

/** ubar += (d rate / d u)^T w, and those of parameters, latents and weights: these are kept in the block and the
 *  tape. After gb_rhs_rate() of this stage.
 *  Local. */
void gb_rhs_vjp(gb_rhs *f, const gb_tape *tape, size_t stage, double t, const double *u, const double *w, double *ubar);

/** The loss term of gb_ode_network_norm() of the rows in hand: term[first ... first + rows].
 *  Local. */
void gb_rhs_norm(gb_rhs *f, double *term);

/** The same of the state alone. The deltas of this stage are lost.
 *  Local. */
void gb_rhs_state_vjp(gb_rhs *f, const gb_tape *tape, size_t stage, double t, const double *u, const double *w,
                      double *ubar);

/** Row number `component` of the Jacobian of every row's equation: jacobian [size, rows]; with the known part alone
 * beside it, of both. After gb_rhs_rate() of this stage, whose deltas are lost. Local. */
void gb_rhs_jacobian(gb_rhs *f, const gb_tape *tape, size_t stage, double t, const double *u, size_t component,
                     double *jacobian);

/** Memory for n elements, if there is not enough: its content is lost.
 *  Local.
 *  @param[in,out] memory  the address of a pointer
 *  @return GB_ERR_MEMORY */
gb_err gb_rhs_grow(void *memory, size_t *has, size_t n, size_t size);

/** Bytes that a solution of `rows` rows keeps for its way back: tape, deltas of a block, and states.
 *  Local. */
size_t gb_rhs_bytes(const gb_rhs *f, size_t rows, size_t stages);

/** A tape of `rows` rows; its memory is that of the last call, larger if need be.
 *  Local.
 *  @return GB_ERR_MEMORY */
gb_err gb_rhs_tape(gb_rhs *f, size_t rows, size_t stages, gb_tape *out);

/** The same for deltas, of the block in hand.
 *  Local.
 *  @return GB_ERR_MEMORY */
gb_err gb_rhs_deltas(gb_rhs *f, gb_tape *tape);

/** The tape from a row on.
 *  Local. */
gb_tape gb_rhs_tape_from(const gb_rhs *f, const gb_tape *tape, size_t row);

/** Deltas of stages [first, first + count) of the block are 0.
 *  Local. */
void gb_rhs_no_deltas(const gb_rhs *f, const gb_tape *tape, size_t first, size_t count);

/** At the end of the backward pass of a block: its gradients into those of the nodes. The last norm_frames stages of
 *  the tape are filled here. Blocks come in order, and do not
 *  reach beyond a piece of the rows.
 *  Local. */
void gb_rhs_collect(gb_rhs *f, const gb_node *y, const gb_tape *tape);

/** Fail unless numbers of all components are finite.
 *  Local.
 *  @param[in] u  [size, rows] state or its rate at time t
 *  @return GB_ERR_NUMERIC naming row, time, component and parameters */
gb_err gb_rhs_check(const gb_rhs *f, double t, const double *u);

/** The failure that gb_rhs_check() reports, for another reason.
 *  Local.
 *  @param[in] what  follows the component: "is not finite" */
gb_err gb_rhs_refuse(const gb_rhs *f, size_t row, size_t component, double t, const char *what);

/** The observed components at frame k, into y, and the gradient of y into that of the state.
 *  Local.
 *  @param[in,out] ubar  [size, rows] added into */
void gb_rhs_put_frame(const gb_rhs *f, const gb_node *y, size_t frame, const double *u);
void gb_rhs_take_frame(const gb_rhs *f, const gb_node *y, size_t frame, double *ubar);
