/* sim/physics.h - what a physics is. One file in physics/ fills one gb_physics; one line in physics/list.h
 * names it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/real.h"
#include "comm/comm.h"
#include "config/config.h"
#include "data/symmetry.h"

typedef struct gb_var {
  const char *name, *unit, *doc;
} gb_var; /* a named number; of one that tells a class, `unit` names the classes 0, 1, ...: "sine, sigmoid" */

/** How many classes a number tells apart; 0: it is none that tells a class.
 *  Local. */
size_t gb_var_classes(const gb_var *v);

/** Name of a class; its number where the unit has no name for it.
 *  Local.
 *  @return buffer */
const char *gb_class_name(const char *unit, size_t class, char buffer[32]);

enum { GB_SAMPLE_NDIM = 3, GB_MOST_WALKERS = 16, GB_MOST_PARAMETERS = 8 };

/* What one instance (a physics with its options chosen) deals in. */
typedef struct gb_dims {
  int ndim; /* of one sample */
  size_t shape[GB_SAMPLE_NDIM];
  const char *axis[GB_SAMPLE_NDIM]; /* their names */
  size_t n;                         /* numbers in one sample: the product of shape */
  const char *unit;                 /* of a sample's numbers; "rad": they are angles, periodic in 2 pi */
  gb_reals temperature;             /* grid of the control parameter; borrowed from the options */

  /* One sample may be spread over the ranks of a team; this rank then holds a box of it. */
  size_t first[GB_SAMPLE_NDIM], count[GB_SAMPLE_NDIM];
  size_t n_mine; /* numbers in the box */

  /* A chain is described by n_field floats per number of a sample, and by n_tuned doubles found during burn-in. */
  size_t n_field, n_tuned;
  size_t walkers;      /* chains that can walk together, in the lanes of vectors, say; <= GB_MOST_WALKERS */
  size_t walker_bytes; /* of the working state of such a group */

  /* Of a known part (gb_dynamics, gb_image): how many of its parameters this instance has, the first ones of the table,
   * the box in which they are expected, and, if it is wider, the one in which the known part makes sense. Borrowed from
   * the instance. */
  size_t n_parameter;
  const double *low, *high;   /* [n_parameter] */
  const double *least, *most; /* [n_parameter]; NULL: low and high */

  /* Where what is drawn for a row follows from the options (a network that the user writes): its table, the parameters
   * of the known part first, borrowed from the instance. NULL: that of the gb_simulator, and of the known part. */
  int n_truth;
  const gb_var *truth;

  /* Of a gb_dynamics: a sample is [frames, seen], frame k at time k * frame_time. A state has n_state components, of
   * which the first `seen` are observed, and those from `driven` on have rates that are not fixed by what the
   * components mean, so that something unknown may add to them. */
  size_t n_state, frames, seen, driven;
  double frame_time;

  /* Ways to make a step, from which burn-in chooses the cheapest per independent sample; the last one decorrelates
   * most. With one there is nothing to choose. */
  size_t n_mix;
  const double *mix; /* [n_mix, n_setting]; borrowed from the instance */
} gb_dims;

/** Dimensions of samples that one rank holds whole, of chains that walk alone and have one way to make a step.
 *  Local. `n_field` floats per site and no tuned number.
 */
gb_dims gb_dims_plain(size_t ny, size_t nx, const char *unit, gb_reals temperature, size_t n_field);

/** Dimensions of samples that one rank holds whole and that no chain makes: rows of a gb_simulator.
 *  Local.
 *  @param[in] axis  [ndim] names of the axes; literals */
gb_dims gb_dims_rows(int ndim, const size_t shape[], const char *const axis[], const char *unit);

/* Chains of one temperature that walk together. */
typedef struct gb_walkers {
  double T;
  uint64_t seed;
  size_t n;                        /* 1 ... dims.walkers */
  uint64_t chain[GB_MOST_WALKERS]; /* their global numbers */
} gb_walkers;

/* Equilibrium at temperature T: the weight exp(-E(x) / T), k_B = 1. Lattices of planar unit vectors (XY).
 * A capability is had whole or not at all: no slot of a present struct may be NULL. All slots are Local, or Collective
 * over the team if samples are spread. What a chain does is a function of (options, T, seed, its number): neither
 * of those that walk beside it nor of the team. Arrays over walkers are [w->n]. */
typedef struct gb_ensemble {
  int n_obs, n_track, n_sector, n_summary, n_setting;
  const gb_var *obs;     /* [n_obs] what is measured on every stored sample */
  const gb_var *track;   /* [n_track + n_sector] what must decorrelate between stored samples; then topological
                            numbers, whose mean over a chain is away from 0 if the chain is trapped */
  const gb_var *summary; /* [n_summary] thermodynamic results per temperature */
  const gb_var *setting; /* [n_setting] the numbers that make a mix */
  int n_moment;          /* means from which the summary follows */
  unsigned symmetries;   /* operations (a sum of gb_symmetry) that leave E and every observable of a sample as they are,
                            but for the windings, which may change places and signs */

  /** Put chains into their first state; `hot`: as far from order as can be. */
  void (*start)(void *self, const gb_walkers *w, bool hot, void *state);
  /** Step number `step` with mix number `mix`; leaves exp(-E/T) invariant if `tune` is false. With `tune` it also
   * adapts its proposals. Adds to cost[] what the step cost each chain, in tabulated processor cycles: never a clock.
   */
  void (*step)(void *self, const gb_walkers *w, size_t mix, uint64_t step, bool tune, void *state, double cost[]);
  /** The tracked quantities of the present states. */
  void (*measure)(void *self, const gb_walkers *w, const void *state, double *track /* [w->n, n_track + n_sector] */);
  /** Sample number `number` of every chain, as it is stored, and its observables. */
  void (*sample)(void *self, const gb_walkers *w, uint64_t number, const void *state,
                 float *const x[] /* [w->n][n_mine] */, double *const obs[] /* [w->n][n_obs] */);
  /** Working state from and to the description of chains. */
  void (*pack)(void *self, const gb_walkers *w, const float *const field[] /* [w->n][n_field, n_mine] */,
               const double *const tuned[] /* [w->n][n_tuned] */, void *state);
  void (*unpack)(void *self, const gb_walkers *w, const void *state, float *const field[], double *const tuned[]);

  /** Observables of any sample, stored or generated by a model. */
  void (*observe)(void *self, double T, const float *x /* [n] */, double *obs /* [n_obs] */);
  void (*moments)(void *self, const double *obs /* [n_obs] */, double *moment /* [n_moment] */);
  void (*summarize)(void *self, double T, const double *moment /* [n_moment] */, double *summary /* [n_summary] */);

  /** Energy per site of `rows` fields of planar vectors, which need not have unit length: a field of mean
   * spins gives the mean energy of independently fluctuating spins. */
  void (*energy)(void *self, size_t rows, const gb_real *s /* [rows, n, 2] */, double *e /* [rows] */);
  /** sbar += (d e / d s) ebar. */
  void (*energy_vjp)(void *self, size_t rows, const gb_real *s, const gb_real *ebar /* [rows] */, gb_real *sbar);
} gb_ensemble;

/* Independent samples from a generator that knows more than the known part does: data sets with the truth beside them.
 * All slots are Local, and functions of (options, seed, row). */
typedef struct gb_simulator {
  int n_truth;
  const gb_var *truth; /* [n_truth] what is drawn for every row; the first are the parameters of the known part */

  /** Row number `row`: what was drawn, and what is observed of it, with noise.
   *  @return GB_ERR_NUMERIC naming row, time and truth if the integration fails */
  gb_err (*simulate)(void *self, uint64_t seed, uint64_t row, float *x /* [n] */, double *truth /* [n_truth] */);
  /** What would be observed of a truth without noise, for any number of frames; NULL of images. */
  gb_err (*exact)(void *self, const double *truth, size_t frames, float *x /* [frames, seen] */);
} gb_simulator;

/* The known part of a dynamical system, du/dt = f(t, u; theta). Arrays are [component, row] in double: rows are the
 * fastest index, so that loops over them are vector loops. What a row becomes depends on no other row. All slots are
 * Local. */
typedef struct gb_dynamics {
  int n_parameter;         /* the most that an instance has: gb_dims.n_parameter */
  const gb_var *parameter; /* theta */

  /** The state at t = 0, from an observation. */
  void (*start)(void *self, size_t rows, const gb_real *x /* [rows, n] */, double *u);
  /** du = f. */
  void (*rate)(void *self, size_t rows, double t, const double *u, const double *theta, double *du);
  /** ubar += (df/du)^T w, theta_bar += (df/dtheta)^T w. theta_bar may be NULL. */
  void (*rate_vjp)(void *self, size_t rows, double t, const double *u, const double *theta, const double *w,
                   double *ubar, double *theta_bar);
  /** The part of f that holds by the meaning of the components (a velocity is the rate of an angle); it has no
   * parameters and is linear in u, so its vjp is ubar += K^T w. NULL: there is none. */
  void (*kinematics)(void *self, size_t rows, const double *u, double *du);
  void (*kinematics_vjp)(void *self, size_t rows, const double *w, double *ubar);
} gb_dynamics;

/* A known image in closed form. All slots are Local. */
typedef struct gb_image {
  int n_parameter;
  const gb_var *parameter;
  size_t channels;   /* of the image; samples may have more */
  double background; /* of samples, between 0 and 1: as bright as most of their pixels are; 0: nothing is known of it */
  /** y = image of theta. */
  void (*draw)(void *self, size_t rows, const gb_real *theta /* [rows, n_parameter] */,
               gb_real *y /* [rows, shape[0], shape[1], channels] */);
  /** theta_bar += (dy/dtheta)^T ybar. */
  void (*draw_vjp)(void *self, size_t rows, const gb_real *theta, const gb_real *ybar, gb_real *theta_bar);
  /** Add to one image what it may have besides and is not described by theta, at random: a function of (seed, row,
   * step). Images that train an encoder have it, which so learns to look past it. NULL: nothing is known of that. */
  void (*surround)(void *self, const gb_real *theta, uint64_t seed, uint64_t row, uint64_t step, gb_real *y);
} gb_image;

typedef struct gb_physics {
  const char *name;   /* the word after `run.physics:` in a config, and its section */
  const char *doc;    /* one line */
  const char *source; /* papers and equations */
  const gb_schema *schema;
  /** Make an instance.
   *  @param[in] opts  the struct of its section; texts and lists in it outlive the instance
   *  @param[in] team  ranks over which a sample is spread; a physics that cannot do that refuses more than one */
  gb_err (*create)(const void *opts, gb_comm team, void **self, gb_dims *dims);
  void (*destroy)(void **self);
  const gb_ensemble *ensemble;   /* NULL: no equilibrium */
  const gb_simulator *simulator; /* NULL: no generator of rows */
  const gb_dynamics *dynamics;   /* NULL: no differential equation */
  const gb_image *image;         /* NULL: no closed-form image */
} gb_physics;

/* An instance. */
typedef struct gb_sim {
  const gb_physics *kind;
  void *self;
  gb_dims dims;
} gb_sim;

/** Find a physics by name.
 *  Local.
 *  @param[in] all  ends with NULL
 *  @return GB_ERR_CONFIG naming the nearest known one */
gb_err gb_sim_find(const gb_physics *const all[], const char *name, const gb_physics **out);

/** Make an instance with the options of its section.
 *  Local.
 *  @param[in] cfg   outlives the instance
 *  @param[in] team  ranks over which each sample is spread; gb_comm_self(): none is */
gb_err gb_sim_create(const gb_physics *kind, const gb_config *cfg, gb_comm team, gb_sim *out);

/** What is drawn for every row, and the parameters of the known part: the table of the instance, else of the kind.
 *  Local. Of a kind with a simulator; with a known part.
 *  @param[out] n  numbers of the table */
const gb_var *gb_sim_truth(const gb_sim *sim, int *n);
const gb_var *gb_sim_parameters(const gb_sim *sim);
void gb_sim_destroy(gb_sim *sim);

/** The number of this name in the table of gb_sim_truth(); NULL: there is none, or no simulator.
 *  Local. */
const gb_var *gb_sim_find_truth(const gb_sim *sim, const char *name);
