/* sweep/sweep.h - many trainings in one start: ranks in groups, each with a trial of its own.
 *
 * Rank 0 says who trains what, and alone writes the ledger. It trains as the others do, and looks for their messages
 * between two of its steps. */
#pragma once
#include "sweep/trial.h"

typedef struct gb_sweep_call {
  const gb_config *cfg;
  const gb_physics *physics;
  const gb_schema *const *all; /* every section */
  const char *config;          /* for gb_sweep_list(): the file, and what was given after it */
  int n_overrides;
  char *const *overrides;
} gb_sweep_call;

/** Train all trials of a config, or go on with them.
 *  Collective over c.
 *  @param[in] run  opened on run.dir
 *  @return GB_OK also if trials failed: that is in the ledger; GB_STOPPED if asked to stop (all is saved);
 * GB_ERR_CONFIG if the ledger belongs to another sweep; GB_ERR_NUMERIC if all trials failed */
gb_err gb_sweep_run(gb_comm c, const gb_sweep_call *call, gb_run *run);

/** What a sweep will do and need, for --dry-run; wrong settings of trials are listed.
 *  Collective over c. */
gb_err gb_sweep_plan(gb_comm c, const gb_sweep_call *call, gb_text *out);

/** One line for each trial, that a shell runs as the same training.
 *  Local. */
gb_err gb_sweep_list(const gb_sweep_call *call, gb_text *out);
