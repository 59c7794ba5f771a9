/* report/evidence.h - what can be compared of all trained models: bounds of ln p(x), what latents say of known factors,
 * and the energy of reconstructions. */
#pragma once
#include "learn/experiment.h"
#include "report/bound.h"
#include "report/factors.h"

typedef struct gb_evidence {
  gb_bounds bounds;
  gb_disentangled of;        /* none of a model without latents, or data of which no factor is known */
  bool has_energy;           /* a physics with an energy: */
  double energy_error[2][2]; /* mean of |e(reconstruction) - e(sample)| per site, of mean fields and of noisy ones, with
                                standard errors; the latent is the mean of q */
  double square[2];          /* gb_assess_error(), of such a physics */
} gb_evidence;

/** Gather it on the test split.
 *  Collective over c; the same on all ranks and for any number of them. Freed by gb_evidence_free(), also after a
 *  failure.
 *  @param[in] m        of gb_trained_open_evidence()
 *  @param[in] factors  of the data
 *  @param[in] draws    of gb_bounds_estimate()
 *  @return as gb_bounds_estimate() */
gb_err gb_evidence_gather(gb_comm c, gb_trained *m, gb_dataset *data, const gb_factors *factors, size_t draws,
                          gb_bound_watch watch, gb_evidence *out);
void gb_evidence_free(gb_evidence *e);
