/* report/baseline.h - analysis.h5 beside trained models: what they gain over the best linear code of their rate. */
#pragma once
#include "learn/vae.h"
#include "linalg/linear.h"

typedef struct gb_baseline {
  gb_spectrum of;           /* of.n: numbers in a sample; 0: there is no analysis */
  double *lam;              /* [of.n] */
  size_t n_curves, n_level; /* exact curves of rate and error: */
  double *latent;           /* [n_curves] numbers of latents; the first: as many as a sample has numbers */
  double *rate, *error;     /* [n_curves, n_level] nats; squared numbers of a sample */
  char split[16], encoding[16], align[8]; /* what was analysed: split; model.encoding and model.align of angles */
  char note[200];                         /* why it is not used, though it is there */
} gb_baseline;

/** Read an analysis, if it is there and of this data set.
 *  Local.
 *  @param[in] data  fingerprint of the data set
 *  @param[out] out  freed by gb_baseline_free(), also after a failure */
gb_err gb_baseline_read(const char *path, uint64_t data, gb_baseline *out);
void gb_baseline_free(gb_baseline *b);

/** Are its numbers those that a VAE of angles sees?
 *  Local. */
bool gb_baseline_fits(const gb_baseline *b, const gb_vae_opts *o);

/** What the best linear code with this rate and so many latents leaves, over what a model left: more than 1 if the
 * model is better. Local.
 *  @return NAN if there is no analysis, or it has fewer numbers than latents */
double gb_baseline_gain(const gb_baseline *b, size_t latents, double rate, double error);
