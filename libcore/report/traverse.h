/* report/traverse.h - what a decoder makes of each latent alone. */
#pragma once
#include "base/text.h"
#include "io/run.h"
#include "learn/experiment.h"

/** Figures of decodes in which one latent goes from -3 to 3 standard deviations of its prior and all others stay at its
 *  mean: fields of angles as arrows, solutions as curves of one component (from the initial state of the first test
 *  row), images as tiles. Latents of the largest variance first, as many as can be shown. A latent whose decode fails
 *  is left out, and that is said.
 *  Local.
 *  @param[in] variance  [latents] of the means of q over the data
 *  @param[in,out] out   <figure>s are appended; nothing of a model without latents */
gb_err gb_traverse(gb_trained *m, gb_dataset *data, const double *variance, gb_run *run, gb_text *out);

/** The name of a latent for a reader: that of the parameter it is, or its number from 1.
 *  Local. Appended to out. */
void gb_latent_name(const gb_trained *m, size_t latent, gb_text *out);
