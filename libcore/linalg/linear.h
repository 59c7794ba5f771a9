/* linalg/linear.h - the linear-Gaussian VAE in closed form, from the eigenvalues of a covariance: what the best linear
 * model of the data reaches under each objective. docs/theory/linear.md derives every formula.
 *
 * Model: z ~ N(0, I_m), x = mean + W z + noise, noise ~ N(0, s2 I_n). Its columns lie along the first eigenvectors of
 * the covariance; along mode i the data have variance lam_i, W has signal S_i = |W_i|^2 >= 0, the model variance
 * tau_i = S_i + s2. The encoder is q(z|x) = N(mu, gamma) per mode, mu linear in x. A mode with S_i > 0 is active. All
 * numbers are means over the data, in nats per sample, squared units of the samples where they are variances. */
#pragma once
#include <stddef.h>

#include "base/err.h"

typedef struct gb_spectrum {
  size_t n;
  const double *lam; /* [n] eigenvalues of the covariance, decreasing, >= 0 */
} gb_spectrum;

enum {
  GB_LINEAR_NOISE,       /* s2 */
  GB_LINEAR_ACTIVE,      /* modes with S > 0 */
  GB_LINEAR_OBJECTIVE,   /* at its maximum */
  GB_LINEAR_LIKELIHOOD,  /* ln p(x) of the model */
  GB_LINEAR_RATE,        /* KL(q(z|x) || p(z)) */
  GB_LINEAR_ERROR,       /* E |x - W z|^2 under q, summed over the numbers of a sample */
  GB_LINEAR_DISTORTION,  /* -E ln p(x|z) under q: n/2 ln 2 pi s2 + error / (2 s2) */
  GB_LINEAR_INFORMATION, /* mutual information of x and z in the model: 1/2 sum ln(tau / s2) */
  GB_LINEAR_NUMBERS
};

typedef struct gb_optimum {
  double v[GB_LINEAR_NUMBERS];
} gb_optimum;

/** The best model with m latents under an objective.
 *  Local.
 *  @param[in]  weight  of the objective: beta or alpha, > 0
 *  @param[in]  s2      variance of the noise; 0: it is optimised, too, for which variance must be left over:
 *                      m < n and lam[m] > 0
 *  @param[out] S       [m] signals
 *  @return GB_ERR_CONFIG for m > n, or no variance left over; GB_ERR_NUMERIC if the objective has no finite maximum */
typedef gb_err gb_linear_objective(gb_spectrum of, size_t m, double weight, double s2, double *S, gb_optimum *out);

/** E_q ln p(x|z) - beta KL(q || p(z)). beta = 1: the ELBO, and the maximum of the likelihood: probabilistic PCA (M. E.
 *  Tipping and C. M. Bishop, J. R. Stat. Soc. B 61 (1999) 611). It is also the optimum of RELBO-A for every alpha,
 * since q is free to be the posterior. Local. */
gb_linear_objective gb_linear_elbo;

/** RELBO-B, the escort split: E_r ln p(x|z) - D_alpha(q || p(z)), r proportional to q^alpha p(z)^(1 - alpha).
 *  Local. */
gb_linear_objective gb_linear_escort;

/** RELBO-C, the joint level: -D_alpha(p_data(x) q(z|x) || p(x|z) p(z)), p_data the Gaussian of the covariance.
 *  Local.
 *  @return GB_ERR_NUMERIC also where lam[n - 1] = 0, since then it is infinite, and where (alpha - 1) lam >= alpha tau
 *          for a mode and a noise that is given */
gb_linear_objective gb_linear_joint;

/** Rate and error of the best code with m latents at a level, by reverse water-filling: no linear encoder and decoder
 *  with this rate has less error, and with m = n no code of Gaussian data at all (T. M. Cover and J. A. Thomas,
 * Elements of Information Theory, theorem 10.3.3). Of the beta-ELBO with noise s2 it is the point at level beta s2.
 *  Local.
 *  @param[in]  level  > 0: error that is left along every mode of more variance
 *  @param[out] rate   nats; error: squared units, as GB_LINEAR_ERROR */
void gb_linear_rate(gb_spectrum of, size_t m, double level, double *rate, double *error);

/** The error of that code at a rate.
 *  Local.
 *  @param[in] rate  nats, >= 0 */
double gb_linear_error_at(gb_spectrum of, size_t m, double rate);

/** Renyi mutual information D_alpha(p(x, z) || p(x) p(z)) of the model, in nats; alpha = 1: GB_LINEAR_INFORMATION.
 *  Local.
 *  @return INFINITY outside of its domain, (alpha - 1) rho < 1 with rho^2 = S / (S + s2) */
double gb_linear_renyi_information(size_t m, const double *S, double s2, double alpha);

/** ln p(x) of one sample under the model with these signals.
 *  Local.
 *  @param[in] y2    [m] squared components of x - mean along the modes
 *  @param[in] rest  |x - mean|^2 less the sum of y2 */
double gb_linear_log_density(size_t n, size_t m, const double *S, double s2, const double *y2, double rest);
