/* sweep/trial.h - one training of a sweep: what `greybox-train CONFIG key=value ...` would do, on a group of ranks. */
#pragma once
#include "data/dataset.h"
#include "io/run.h"
#include "sim/physics.h"
#include "sweep/ledger.h"

typedef struct gb_trials { /* what all trials of a sweep have in common */
  const gb_config *cfg;
  const gb_physics *physics;
  const gb_schema *const *all; /* every section, for the config.yaml of a trial */
  const gb_design *design;
  const char *dir;                                     /* run.dir of the sweep */
  gb_dataset *data;                                    /* that all of them learn from; NULL: each opens its own */
  void (*watch)(void *ctx, double done, double total); /* called at each step on rank 0 of a group */
  void *watcher;
} gb_trials;

/** The overrides that make the config of a trial: its settings, its run.dir, and where the data are.
 *  Local.
 *  @param[out] out  [*n] texts, freed by gb_trial_free_overrides() */
gb_err gb_trial_overrides(const gb_trials *t, size_t trial, int *n, char ***out);
void gb_trial_free_overrides(int n, char ***overrides);

/** The config of a trial, and how far it is to be trained for a rung.
 *  Local. Freed by gb_config_destroy().
 *  @return GB_ERR_CONFIG if its settings are wrong */
gb_err gb_trial_config(const gb_trials *t, size_t trial, int rung, gb_config **cfg, uint64_t *steps);

/** Do the trials learn from one data set that can be opened before?
 *  Local. */
bool gb_trial_shares_data(const gb_trials *t);

/** Train a trial to a rung, or see that it was.
 *  Collective over c.
 *  @param[out] out  how it went; code is GB_STOPPED if it was asked to stop
 *  @return a failure that not all ranks of c know of: none can go on. Else GB_OK, also if the trial failed */
gb_err gb_trial_run(gb_comm c, const gb_trials *t, size_t trial, int rung, gb_result *out);
