/* learn/vae.h - variational autoencoders of fields of angles: VAE, H-VAE, G-VAE and HG-VAE.
 *
 * Encoder: samples -> q(z|x) = N(mu, diag exp(logvar)). Decoder: z -> on every site a direction and a spread. Loss
 * terms in nats per sample: `nll` = -ln p(x|z) at one sampled z, `kl` = KL(q(z|x) || N(0, I)), `energy` = N (e(x) -
 * e(rec))^2, and with free bits `free_bits` = sum_j max(0, lambda - KL_j); loss = nll + beta (kl + free_bits) +
 * energy_weight energy. Other objectives than the ELBO (objective.kind) have a term `renyi` instead of free_bits, and
 * some not the KL term.
 * The ladder of arXiv:1705.09524 is two keys: model.spread
 * (fixed: no G, learned: G) and objective.energy_weight (0: no H). Derivations: docs/theory/hgvae.md. */
#pragma once
#include "config/schema.h"
#include "learn/model.h"
#include "learn/objective.h"
#include "sim/physics.h"

typedef struct gb_vae_opts {
  const char *encoding;
  bool align;
  gb_texts encoder, decoder;
  const char *activation;
  int64_t latent;
  const char *likelihood, *spread;
  double sigma;
} gb_vae_opts;
extern const gb_schema gb_vae_schema; /* section "model" */

/* The last one only with free bits, or as `renyi` of objectives other than the ELBO: never both. */
enum { GB_VAE_NLL, GB_VAE_KL, GB_VAE_ENERGY, GB_VAE_FREE, GB_VAE_TERMS, GB_VAE_RENYI = GB_VAE_FREE };

typedef struct gb_vae gb_vae;

/** Build the model and draw its initial weights.
 *  Local.
 *  @param[in] sim   its samples are angles and it has an ensemble; borrowed
 *  @param[in] rows  most samples of one pass
 *  @param[in] seed  of the run
 *  @param[in,out] table  if not NULL, a description of the layers is appended
 *  @return GB_ERR_CONFIG naming layer and shapes if the layers do not fit */
gb_err gb_vae_create(const gb_vae_opts *opts, const gb_objective_opts *objective, const gb_sim *sim, size_t rows,
                     uint64_t seed, gb_text *table, gb_vae **out);
void gb_vae_destroy(gb_vae **v);

/** The name this model has in the ladder: "VAE", "H-VAE", "G-VAE" or "HG-VAE".
 *  Local. */
const char *gb_vae_name(const gb_vae_opts *opts, const gb_objective_opts *objective);

/** Its face to the trainer, and its weights. Borrowed from v; gb_model_destroy() of it destroys v.
 *  Local. */
gb_model gb_vae_model(gb_vae *v);
gb_params *gb_vae_params(gb_vae *v);

/* What the last pass computed, row by row; borrowed, valid until the next. */
typedef struct gb_vae_view {
  size_t rows, latent, sites;
  const gb_real *mu, *logvar; /* [rows, latent] */
  const gb_real *z;           /* [rows, samples, latent]; what follows is of the first sample */
  size_t samples;
  const gb_real *direction; /* [rows, sites, 2]: the mean field, in the frame of the model (aligned if so) */
  const gb_real *spread;    /* [rows, sites] ln sigma^2; NULL if it is fixed */
  double fixed_spread;
  const double *term[GB_VAE_TERMS]; /* [rows]; NULL of free bits where there are none */
  const double *turned;             /* [rows] angle by which align turned each sample, rad */
} gb_vae_view;

/** Decode given latents instead of encoding samples; fills the view but no terms.
 *  Local.
 *  @param[in] z       [n, latent]
 *  @param[in] turned  [n] angle by which each sample is turned back; NULL: none */
gb_err gb_vae_decode(gb_vae *v, size_t n, const gb_real *z, const double *turned);
gb_vae_view gb_vae_look(const gb_vae *v);

/** Angles of the decoded rows in [-pi, pi], in the frame of the samples: the mean field, or with one draw of the noise.
 *  Local.
 *  @param[in] noisy  draw; the random numbers are those of `pass`
 *  @param[out] x     [rows, sites] */
void gb_vae_output(const gb_vae *v, bool noisy, gb_pass pass, float *x);

/** |x - E[x|z]|^2 of the rows that were encoded last, at the latents that were decoded last, in the numbers that the
 *  encoder sees: (cos, sin), whose mean under the noise is shorter than 1, or half turns, of which the nearest way
 *  round counts. What docs/theory/linear.md calls the error.
 *  Local.
 *  @param[out] square  [rows] summed over the numbers of a sample */
void gb_vae_squares(const gb_vae *v, double *square);
