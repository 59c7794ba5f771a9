/* sim/chains.h - many Markov chains: thermalise them, choose how they walk, find the stride at which samples are
 * independent, draw them.
 *
 * A unit is one chain at one temperature. Units 0 ... n_data - 1 are those whose samples are stored, unit t * chains +
 * c being chain c of temperature t; after them come hot_chains per temperature that start hot and only serve as a
 * check. Everything a unit does is a function of (config, seed, unit), so ranks never enter a result. Chains of one
 * temperature walk together in groups, and a group belongs to a team of ranks, over which its samples are spread
 * (usually one rank). All chains of a temperature share one mix of moves and one stride.
 *
 * Stages: 0 is burn-in, which tunes the proposals. Then, if there is a choice of mixes, one trial of each; the cheapest
 * per independent sample is kept. Then pilots of pilot, 2 pilot, 4 pilot ... steps, from which autocorrelation times
 * follow. A temperature is ready when its pilot is at least 50 tau long; the others go on with the next one. */
#pragma once
#include "comm/comm.h"
#include "sim/physics.h"

enum { GB_MOST_MEASURED = 16 }; /* n_track + n_sector of an ensemble */

typedef struct gb_chains_opts {
  int64_t chains, samples;
  double spacing;
  int64_t burn_in, trial, pilot, longest_pilot, hot_chains;
  int64_t validation_chains, test_chains;
  const char *configurations;
  int64_t deflate, ranks_per_chain;
  double save_seconds;
} gb_chains_opts;
extern const gb_schema gb_chains_schema; /* section "generate" */

typedef struct gb_group {
  gb_walkers w;
  size_t t;     /* temperature */
  size_t first; /* its units are my units first ... first + w.n - 1 */
  void *state;
} gb_group;

typedef struct gb_chains {
  gb_comm c, team;
  const gb_sim *sim;
  gb_chains_opts opts;
  uint64_t seed;
  size_t n_T, n_units, n_data;
  size_t n_groups, n_mine;       /* of my team; its units in increasing order */
  size_t data_groups, data_mine; /* of those the first ones, which are stored */
  gb_group *group;
  size_t *unit; /* [n_mine] global numbers */

  /* What a saved state holds besides the working states. All but the last are the same on all ranks. */
  int64_t stage, stage_done; /* steps done of this stage */
  int64_t *steps;            /* [n_T] steps made so far by each chain of a temperature */
  int64_t *mix;              /* [n_T] the one chosen */
  double *cost;              /* [n_T, n_mix] cycles per number and independent sample; -1: not settled by the trial */
  int64_t *stride;           /* [n_T] steps between stored samples; 0: not yet known */
  double *tau;               /* [n_T, n_track] in steps, from the last pilot, plus one standard error */
  double *hot;               /* [n_T, 2] hot against ordered start: largest |z| of a tracked mean; trapped chains */
  double *series;            /* [n_mine, n_track + n_sector + 1, series_room] this trial or pilot; last: cost */
  size_t series_room;        /* its length in steps; 0 in burn-in */
} gb_chains;

/** Chains in their first state.
 *  Collective over c.
 *  @param[in] team  the ranks of c that share my chains, as `sim` was made for; c in groups of equal size
 *  @param[in] sim   borrowed; must have an ensemble
 *  @return GB_ERR_MEMORY */
gb_err gb_chains_create(gb_comm c, gb_comm team, const gb_sim *sim, const gb_chains_opts *opts, uint64_t seed,
                        gb_chains *out);
void gb_chains_destroy(gb_chains *ch);

/** Are all strides known?
 *  Local. */
bool gb_chains_ready(const gb_chains *ch);

/** Steps in the present stage, and its name.
 *  Local. */
int64_t gb_chains_stage_steps(const gb_chains *ch);
const char *gb_chains_stage_name(const gb_chains *ch);

/** Numbers recorded per step and chain of a trial or pilot.
 *  Local. */
size_t gb_chains_recorded(const gb_chains *ch);

/** Start a stage: room for its series. Called by gb_chains_advance() and when a saved state is read.
 *  Collective over c.
 *  @return GB_ERR_MEMORY */
gb_err gb_chains_enter_stage(gb_chains *ch, int64_t stage, int64_t done);

/** Run all chains that are not ready at most n steps further, up to the end of the stage; there, decide which
 *  mix is used or which temperatures are ready, and enter the next stage.
 *  Collective over c.
 *  @return GB_ERR_NUMERIC if a temperature is not ready after the longest pilot */
gb_err gb_chains_advance(gb_chains *ch, int64_t n);

/** Draw `n` samples of each chain of my group g, whose next samples have number `first`.
 *  Collective over the team.
 *  @param[out] x    [w.n, n, sim->dims.n_mine]
 *  @param[out] obs  [w.n, n_obs, n] */
void gb_chains_draw(gb_chains *ch, size_t g, uint64_t first, size_t n, float *x, double *obs);

/** Bytes of memory a rank needs for its chains, at most.
 *  Local. */
double gb_chains_bytes(const gb_sim *sim, const gb_chains_opts *opts, int size);
