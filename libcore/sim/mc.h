/* sim/mc.h - a Monte Carlo run in progress, and its two files: the data set and the saved state. */
#pragma once
#include "io/h5.h"
#include "io/run.h"
#include "sim/chains.h"
#include "sim/making.h"

typedef struct gb_mc {
  gb_comm c;
  gb_run *run;
  const gb_config *cfg;
  const gb_sim *sim;
  const gb_schema *const *sections; /* whose fixed fields define the data */
  gb_h5_type stored;                /* of configurations: GB_H5_F32 or GB_H5_U16 */
  bool store;                       /* false: observables only */
  gb_chains ch;
  int64_t samples_done; /* of every chain, in the part; -1: the part is not made yet */
  gb_h5 *data;          /* the part, open for writing; NULL before and after */
} gb_mc;

/** The same as those helpers want it.
 *  Local. */
gb_making gb_mc_making(const gb_mc *mc);

/** The ensemble of the physics.
 *  Local. */
const gb_ensemble *gb_mc_ensemble(const gb_mc *mc);

/** Samples in a chunk of the stored configurations.
 *  Local. */
size_t gb_mc_chunk(const gb_sim *sim, const gb_chains_opts *o);

/** Make NAME.part in the run directory with all datasets of a data set, their space and everything that is known
 *  before the first sample: axes, split, provenance.
 *  Collective over mc->c.
 *  @param[in] deflate  of the configurations */
gb_err gb_mc_make_part(gb_mc *mc, const char *name, int deflate, gb_h5 **out);

/** My stored units as blocks of a per-sample dataset, samples [first, first + n); of /configurations my box of each.
 *  Local.
 *  @param[out] out  [mc->ch.data_mine], freed by gb_free() */
gb_err gb_mc_blocks(const gb_mc *mc, uint64_t first, uint64_t n, gb_h5_block **out);

/** How many of them this rank writes of what is stored once per sample: one rank of the team does.
 *  Local. */
size_t gb_mc_writes(const gb_mc *mc);

/** Save the state; the part is synced first, so that it holds what the state says.
 *  Collective over mc->c. */
gb_err gb_mc_save(gb_mc *mc);

/** Read the state back, on any number of ranks.
 *  Collective over mc->c.
 *  @return GB_ERR_IO if the file is damaged, GB_ERR_CONFIG if it belongs to another config */
gb_err gb_mc_load(gb_mc *mc);

/** Compute and write the summary and sampling datasets. Each temperature is worked out by one rank, from the file.
 *  Collective over mc->c. */
gb_err gb_mc_results(gb_mc *mc);
