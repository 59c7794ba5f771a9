/* sim/simulate.h - a config becomes a data set of independent rows: what a simulator observes, and the truth behind it.
 */
#pragma once
#include "config/config.h"
#include "io/run.h"
#include "sim/physics.h"

typedef struct gb_simulate_opts {
  int64_t training, validation, test, redraws;
  double save_seconds;
} gb_simulate_opts;
extern const gb_schema gb_simulate_schema; /* section "simulate" */

/** What a run will need, for --dry-run; a second of trying tells how long it will take.
 *  Local.
 *  @return GB_ERR_NUMERIC if a row that was tried failed */
gb_err gb_simulate_plan(const gb_config *cfg, const gb_sim *sim, int size, gb_text *out);

/** Simulate all rows into run.dir/dataset.h5, or continue where a stopped or killed run was.
 *  Collective over c.
 *  @param[in] physics   must have a simulator
 *  @param[in] sections  whose fixed fields define the data: compared on resume, stored in the file; ends with NULL
 *  @return GB_STOPPED if asked to stop (the state is saved); GB_ERR_CONFIG if the directory belongs to another config;
 *          GB_ERR_NUMERIC naming the first row that failed, also when drawn again simulate.redraws times */
gb_err gb_simulate(gb_comm c, const gb_config *cfg, const gb_physics *physics, const gb_schema *const sections[],
                   gb_run *run);
