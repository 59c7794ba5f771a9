/* sim/generate.h - a config becomes a data set: dataset.h5 in the run directory. */
#pragma once
#include "config/config.h"
#include "io/run.h"
#include "sim/physics.h"

/** What a run will need, for --dry-run; two seconds of trying tell how long it will take.
 *  Local.
 *  @return GB_ERR_MEMORY */
gb_err gb_generate_plan(const gb_config *cfg, const gb_sim *sim, int size, gb_text *out);

/** Bytes of the buffers of a run, per rank.
 *  Local. */
double gb_generate_buffers(void);

/** Sample an ensemble into run.dir/dataset.h5, or continue where a stopped or killed run was.
 *  Collective over c.
 *  @param[in] physics   must have an ensemble
 *  @param[in] sections  whose fixed fields define the data: compared on resume, stored in the file; ends with
 * NULL
 *  @return GB_STOPPED if asked to stop (the state is saved); GB_ERR_CONFIG if the directory belongs to
 * another config */
gb_err gb_generate(gb_comm c, const gb_config *cfg, const gb_physics *physics, const gb_schema *const sections[],
                   gb_run *run);
