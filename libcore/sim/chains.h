/* sim/chains.h - many Markov chains: thermalise them, find the stride at which samples are independent, draw
 * them.
 *
 * A unit is one chain at one temperature, number u = t * chains + chain; rank r owns the units u with u mod
 * size = r. Everything a unit does is a function of (config, seed, u), so ranks never enter a result. All
 * chains of a temperature share one stride. Stages: 0 is burn-in, which tunes the proposals; stage k >= 1 is
 * a pilot of pilot * 2^(k-1) steps, from which autocorrelation times follow. A temperature is ready when its
 * pilot is at least 50 tau long; the others go on with the next, longer stage. */
#pragma once
#include "comm/comm.h"
#include "sim/physics.h"

typedef struct gb_chains_opts {
  int64_t chains, samples;
  double spacing;
  int64_t burn_in, pilot, longest_pilot;
  int64_t validation_chains, test_chains;
  int64_t deflate;
  double save_seconds;
} gb_chains_opts;
extern const gb_schema gb_chains_schema; /* section "generate" */

typedef struct gb_chains {
  gb_comm c;
  const gb_sim *sim;
  gb_chains_opts opts;
  uint64_t seed;
  size_t n_T, n_units, n_mine; /* n_mine: units of this rank */

  /* What a saved state holds. The first four are the same on all ranks. */
  int64_t stage, stage_done; /* steps done of this stage */
  int64_t *steps;            /* [n_T] steps made so far by each chain of a temperature */
  int64_t *stride;           /* [n_T] steps between stored samples; 0: not yet known */
  double *tau;               /* [n_T, n_track] in steps, from the last pilot, plus one standard error */
  double *state;             /* [n_mine, n_state] */
  double *series;            /* [n_mine, n_track, series_room] the present pilot */
  size_t series_room;        /* its length in steps; 0 in burn-in */
} gb_chains;

/** Chains in their first state.
 *  Collective over c.
 *  @param[in] sim  borrowed; must have an ensemble
 *  @return GB_ERR_MEMORY */
gb_err gb_chains_create(gb_comm c, const gb_sim *sim, const gb_chains_opts *opts, uint64_t seed, gb_chains *out);
void gb_chains_destroy(gb_chains *ch);

/** Global number of my k-th unit, its temperature index and its chain.
 *  Local. */
size_t gb_chains_unit(const gb_chains *ch, size_t k);

/** Are all strides known?
 *  Local. */
bool gb_chains_ready(const gb_chains *ch);

/** Steps in the present stage.
 *  Local. */
int64_t gb_chains_stage_steps(const gb_chains *ch);

/** Start a stage: room for its series. Called by gb_chains_advance() and when a saved state is read.
 *  Collective over c.
 *  @return GB_ERR_MEMORY */
gb_err gb_chains_enter_stage(gb_chains *ch, int64_t stage, int64_t done);

/** Run all chains that are not ready at most n steps further, up to the end of the stage; there, decide which
 *  temperatures are ready and enter the next stage.
 *  Collective over c.
 *  @return GB_ERR_NUMERIC if a temperature is not ready after the longest pilot */
gb_err gb_chains_advance(gb_chains *ch, int64_t n);

/** Draw `n` samples of my k-th unit, whose next sample has number `first`.
 *  Local.
 *  @param[out] x    [n, sim->dims.n]
 *  @param[out] obs  [n_obs, n] */
void gb_chains_draw(gb_chains *ch, size_t k, uint64_t first, size_t n, float *x, double *obs);

/** Bytes of memory a rank needs for its chains, at most.
 *  Local. */
double gb_chains_bytes(const gb_sim *sim, const gb_chains_opts *opts, int size);
