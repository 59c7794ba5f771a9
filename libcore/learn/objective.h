/* learn/objective.h - weights of the terms of a loss, and how they change over a training. */
#pragma once
#include "config/schema.h"

typedef struct gb_objective_opts {
  double beta;
  int64_t beta_warmup, beta_cycle, beta_cycles;
  double beta_ramp, free_bits;
  double energy_weight;
  int64_t energy_start, energy_warmup;
  const char *energy_mode;
} gb_objective_opts;
extern const gb_schema gb_objective_schema; /* section "objective" */

/** A weight that is 0 before step `start` and rises linearly over the next `warmup` steps.
 *  Local. */
double gb_objective_warmed(double weight, uint64_t step, int64_t start, int64_t warmup);

/** The weight of the KL term at a step: warmed up, or in cycles.
 *  Local. */
double gb_objective_beta(const gb_objective_opts *o, uint64_t step);
