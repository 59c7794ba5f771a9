/* learn/objective.h - which bound is trained, the weights of the terms of its loss, and how they change. */
#pragma once
#include "config/schema.h"

typedef struct gb_objective_opts {
  const char *kind, *gradient;
  double alpha;
  int64_t samples, linearise_every;
  double beta;
  int64_t beta_warmup, beta_cycle, beta_cycles;
  double beta_ramp, free_bits;
  double energy_weight;
  int64_t energy_start, energy_warmup;
  const char *energy_mode;
  bool evidence; /* no key of the config: only nll and kl, at one draw of q, whatever the kind: to compare models that
                    were trained with different ones (gb_trained_open_evidence()) */
} gb_objective_opts;
extern const gb_schema gb_objective_schema; /* section "objective" */

/* What objective.kind and objective.gradient come to. */
typedef enum gb_objective_kind {
  GB_ELBO,
  GB_RELBO,         /* the decoder linearised, its posterior held fixed */
  GB_RENYI_SAMPLED, /* several samples: relbo with sampled gradients, vr, iwae */
  GB_RELBO_ESCORT,
  GB_RELBO_JOINT, /* of linear models, from moments of the data */
  GB_RENYI_PRIOR
} gb_objective_kind;

/** GB_ELBO for evidence.
 *  Local. */
gb_objective_kind gb_objective_kind_of(const gb_objective_opts *o);

/** Is the KL term in the loss? Not where a Renyi divergence from the prior stands in its place.
 *  Local. */
bool gb_objective_has_kl(const gb_objective_opts *o);

/** Its alpha: that of the options, but of ELBO 1 and of IWAE 0.
 *  Local. */
double gb_objective_alpha(const gb_objective_opts *o);

/** Samples of the latents that a pass decodes for each row of the data.
 *  Local. */
size_t gb_objective_samples(const gb_objective_opts *o);

/** A weight that is 0 before step `start` and rises linearly over the next `warmup` steps.
 *  Local. */
double gb_objective_warmed(double weight, uint64_t step, int64_t start, int64_t warmup);

/** The weight of the KL term at a step: warmed up, or in cycles.
 *  Local. */
double gb_objective_beta(const gb_objective_opts *o, uint64_t step);
