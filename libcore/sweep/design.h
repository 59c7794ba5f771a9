/* sweep/design.h - which trials a sweep has: points of a design over the axes, each with every seed. */
#pragma once
#include "config/config.h"
#include "sweep/axis.h"

typedef struct gb_sweep_opts {
  gb_texts axes;
  const char *design, *metric;
  int64_t trials, seeds, design_seed, rungs, eta, ranks_per_trial;
} gb_sweep_opts;
extern const gb_schema gb_sweep_schema; /* section "sweep" */

typedef struct gb_design {
  gb_sweep_opts opts;
  uint64_t first_seed; /* run.seed */
  size_t n_axes, n_points, n_trials;
  gb_axis *axis; /* [n_axes] */
} gb_design;

/** Read section "sweep" of a config.
 *  Local. Texts of opts are borrowed from cfg. Freed by gb_design_free(), also after a failure.
 *  @param[in] allowed  sections whose keys may be axes besides run.seed; ends with NULL
 *  @return GB_ERR_CONFIG naming the axis and the cure */
gb_err gb_design_read(const gb_config *cfg, const gb_schema *const allowed[], gb_design *out);
void gb_design_free(gb_design *d);

/** The value of an axis at a point: a function of the design alone.
 *  Local. Appended to out. */
void gb_design_value(const gb_design *d, size_t point, size_t axis, gb_text *out);

/** Point and seed of a trial: the seeds of a point follow each other.
 *  Local. */
size_t gb_design_point(const gb_design *d, size_t trial);
uint64_t gb_design_seed(const gb_design *d, size_t trial);

/** The trial that is begun as number `place`: those of a grid in a shuffled order, since its first ones are all in one
 *  corner; others in their own.
 *  Local. */
size_t gb_design_order(const gb_design *d, size_t place);

/** Steps after which a trial is compared with others: those of the last rung, or of a lower one, eta times fewer a
 * rung, rounded up to the next validation. Local. */
uint64_t gb_design_steps(const gb_design *d, uint64_t steps, uint64_t validate_every, int rung);
