/* report/assess.h - a trained model against the data it has not seen: reconstructions, latents, samples of the prior.
 */
#pragma once
#include "comm/comm.h"
#include "data/dataset.h"
#include "learn/experiment.h"

/* Fields that are compared: the test samples, their decoded mean field and one noisy reconstruction of each, and
 * samples of the prior. The latent of a reconstruction is the mean of q(z|x). */
typedef enum gb_source { GB_FROM_DATA, GB_FROM_MEAN, GB_FROM_SAMPLE, GB_FROM_PRIOR, GB_SOURCES } gb_source;

typedef struct gb_rows { /* samples of one source */
  size_t n;
  size_t *t;   /* [n] index of the temperature */
  double *obs; /* [n, n_obs] observables of the ensemble */
} gb_rows;

typedef struct gb_assessment {
  size_t n_T, latent, n_obs, n_summary;
  gb_rows rows[GB_SOURCES];
  double *mu;     /* [test rows, latent] */
  double *term;   /* [test rows, GB_VAE_TERMS] nll and kl at one sampled z; energy of one noisy reconstruction */
  double *kl;     /* [test rows, latent] KL of each latent, nats */
  double *square; /* [test rows] gb_vae_squares() at one z ~ q */
  double *summary[GB_SOURCES]; /* [n_T, n_summary, 2] value and standard error; NaN where fewer than 8 samples fell */
} gb_assessment;

/** Assess a model on the test split.
 *  Collective over c; work is spread over the ranks, the result is the same on all and for any number of them.
 *  A sample of the prior gets the temperature of the training sample whose latent mean is nearest to it (Euclidean).
 *  @param[in] n_prior  samples of the prior; 0: none are drawn, nor is the training split read
 *  @return GB_ERR_CONFIG if the data set has no test split */
gb_err gb_assess(gb_comm c, gb_trained *m, gb_dataset *data, size_t n_prior, gb_assessment *out);
void gb_assessment_free(gb_assessment *a);

/** Mean of |e(source) - e(data)| per site over the test split, and its standard error (jackknife).
 *  Local. The first observable is the energy.
 *  @param[in] source  GB_FROM_MEAN or GB_FROM_SAMPLE
 *  @return GB_ERR_MEMORY */
gb_err gb_assess_energy_error(const gb_assessment *a, gb_source source, double out[2]);

/** Mean of the squares over the test split, and its standard error (jackknife).
 *  Local.
 *  @return GB_ERR_MEMORY */
gb_err gb_assess_error(const gb_assessment *a, double out[2]);

/** KL(q||p), nats: mean over the test split.
 *  Local. */
double gb_assess_rate(const gb_assessment *a);

/** Pearson correlation of |mu_z| with observable `which` of the data over the test split.
 *  Local. */
double gb_assess_correlation(const gb_assessment *a, int which);

/** Mean and standard error of |mu_z| at each temperature.
 *  Local.
 *  @param[out] out [n_T, 2] */
gb_err gb_assess_radius(const gb_assessment *a, double *out);

/** KL of one latent, nats: mean over the test samples.
 *  Local. */
double gb_assess_kl(const gb_assessment *a, size_t j);

/** Where a curve over the temperature falls steepest inside the grid: the inflection with the largest downward slope,
 * by the parabola through that slope and its two neighbours. Local.
 *  @param[in] y  [n, 2] value and error at T [n]
 *  @param[out] out  temperature and its standard error (1000 curves drawn within the errors)
 *  @return false if it has no such inflection */
bool gb_assess_crossover(size_t n, const double *T, const double *y, double out[2]);

/** Where a curve crosses a straight line through the origin from above to below, by linear interpolation.
 *  Local.
 *  @param[out] out  temperature and its standard error
 *  @return false if it does not */
bool gb_assess_crossing(size_t n, const double *T, const double *y, double slope, double out[2]);
