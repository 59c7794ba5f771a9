/* learn/hybrid.h - grey-box VAEs: a known physics inside the decoder, networks for what it lacks.
 *
 * Latents: z_P, the parameters of the known part; z_A, what networks need to know, in the equation (inside) and behind
 * its solution (after). Decodes, from one solve: P the known part alone, PA with the network inside, PB with that after
 * it, PAB with both: the model. Loss = reconstruction + 2 sigma^2 beta (1 + reduced_model_kl) kl + regularisers, in
 * squared units of the samples: 2 sigma^2 times the negative ELBO of Gaussian noise sigma, if beta = 1.
 * Source: N. Takeishi and A. Kalousis, NeurIPS 2021 (arXiv:2102.13156); with inference: global, Y. Yin et al., ICLR
 * 2021 (arXiv:2010.04456). Derivations: docs/theory/hybrid.md. */
#pragma once
#include "config/schema.h"
#include "learn/model.h"
#include "learn/objective.h"
#include "sim/ode.h"

typedef struct gb_hybrid_opts {
  const char *known, *inside, *inside_state, *clock, *after, *unmixer, *inference, *activation;
  gb_texts inside_layers, after_layers, features, heads, unmixer_layers;
  gb_reals unet, start;
  int64_t latent_inside, latent_after, knots;
  bool frame_map;
  double sigma;
} gb_hybrid_opts;
extern const gb_schema gb_hybrid_schema; /* section "hybrid" */

typedef struct gb_regularizer_opts {
  double classification;
  const char *class;
  double reduced_model, reduced_model_kl, unmixing, augmentation, augmentation_noise, augmentation_gain,
      augmentation_baseline, network_norm, multiplier, multiplier_rate;
  int64_t pretraining;
} gb_regularizer_opts;
extern const gb_schema gb_regularizer_schema; /* section "regularizer" */

/* What a hybrid is made of; all borrowed by it. */
typedef struct gb_hybrid_plan {
  const gb_hybrid_opts *opts;
  const gb_regularizer_opts *regularizer;
  const gb_objective_opts *objective;
  const gb_ode_opts *ode;
  const gb_sim *sim; /* has gb_dynamics or gb_image, or a gb_simulator of rows of which nothing is known */
  size_t frames;     /* to decode; 0: those of a sample. Others: decodes only, no terms */
  size_t rows;       /* most of one pass */
  uint64_t seed;     /* of the run */
} gb_hybrid_plan;

typedef struct gb_hybrid gb_hybrid;

/** Build the model and draw its initial weights.
 *  Local.
 *  @param[in,out] table  if not NULL, a description of the layers is appended
 *  @return GB_ERR_CONFIG if parts do not fit each other or the physics */
gb_err gb_hybrid_create(const gb_hybrid_plan *plan, gb_text *table, gb_hybrid **out);
void gb_hybrid_destroy(gb_hybrid **h);

/** Its face to the trainer. Borrowed from h; gb_model_destroy() of it destroys h.
 *  Local. */
gb_model gb_hybrid_model(gb_hybrid *h);

/** What it is in the table of baselines: "NN-only", "NN+solver", "Phys-only", "NN+phys" or "NN+phys+reg".
 *  Local. */
const char *gb_hybrid_name(const gb_hybrid_opts *opts, const gb_regularizer_opts *regularizer);

enum { GB_DECODE_P, GB_DECODE_PA, GB_DECODE_PB, GB_DECODE_PAB, GB_DECODES };

typedef struct gb_hybrid_view {
  size_t rows, width;                      /* width: numbers in a decode */
  size_t n_parameter, n_inside, n_after;   /* latents */
  const gb_real *theta, *inside, *after;   /* [rows, n_...] */
  const double *prior_mean, *prior_logvar; /* [n_parameter] of theta before it is held to its box; others: 0 */
  const gb_real *decode[GB_DECODES];       /* [rows, width] */
  const gb_real *unmixed;                  /* as a sample; NULL if there is no unmixer */
} gb_hybrid_view;

/** What the last pass computed; borrowed, valid until the next.
 *  Local. */
gb_hybrid_view gb_hybrid_look(const gb_hybrid *h);

/** Infer latents of samples as posterior means, and decode them.
 *  Local.
 *  @param[in] first_row  global number of the first row, for messages */
gb_err gb_hybrid_infer(gb_hybrid *h, size_t n, size_t first_row, const float *x);

/** Decode given latents.
 *  Local. From the initial states of samples x.
 *  @param[in] theta, inside, after  [n, ...]; NULL: those of the last pass stay */
gb_err gb_hybrid_decode(gb_hybrid *h, size_t n, const float *x, const gb_real *theta, const gb_real *inside,
                        const gb_real *after);
