/* linalg/renyi.h - what Renyi divergences of Gaussians are made of; docs/theory/renyi.md derives it.
 *
 * q = N(mu, Gamma) is an approximation, p = N(m*, Lambda^-1) what it approximates; g = Lambda (m* - mu). With the
 * eigenvalues rho and vectors O of Gamma^1/2 Lambda Gamma^1/2 and h = O' Gamma^1/2 g, all is a sum over directions,
 * each with a weight w = 1 + (1 - alpha)(rho - 1). D_alpha(q||p) is finite if and only if all w > 0. All in nats. */
#pragma once
#include <stddef.h>

/** A domain is left where the least w falls below this: for alpha > 1, near an infinite divergence. */
#define GB_RENYI_LEAST 0.01

/** alpha, or for a sample outside the domain the alpha nearest to it whose least w is GB_RENYI_LEAST.
 *  Local.
 *  @param[in] rho  the largest one */
double gb_renyi_alpha(double alpha, double rho);

/** One direction's part of Delta = KL(q||p) - D_alpha(q||p): 1/2 [e h^2 / w + (rho - 1) - ln(1 + e (rho - 1)) / e],
 *  e = 1 - alpha; 0 for alpha = 1, and smooth there. Its sign is that of e.
 *  Local. w > 0. */
double gb_renyi_delta(double alpha, double rho, double h);

/** One direction's part of D_alpha(q||p): 1/2 [alpha h^2 / (rho w) + ln(1 + e (rho - 1)) / e - ln rho]. Finite also
 * where KL and Delta are so large that their difference says nothing. Local. w > 0. */
double gb_renyi_divergence(double alpha, double rho, double h);

/** One direction's part of KL(q||p): 1/2 (h^2 / rho + rho - 1 - ln rho).
 *  Local. */
double gb_renyi_kl(double rho, double h);

enum { GB_RENYI_MOST = 64 };

/** Delta with p held fixed, and what it makes of the gradients of ELBO = -KL(q||p) + const: those by mu and ln gamma
 * are g and 1/2 (1 - R_jj), R = Gamma^1/2 Lambda Gamma^1/2; those of ELBO + Delta are Gamma^-1/2 A Gamma^1/2 g and 1/2
 * [A (1 - R)]_jj + wider_j. A is positive definite: whatever estimates g and R, no sign is turned. Local.
 *  @param[in]  m       <= GB_RENYI_MOST
 *  @param[in]  alpha   within the domain: gb_renyi_alpha()
 *  @param[in]  rho, O  [m], [m, m]: vector i is O[., i]
 *  @param[in]  h       [m]
 *  @param[out] A       [m, m]: O diag(alpha / w) O'
 *  @param[out] wider   [m]: alpha (1 - alpha) / 2 (O (h / w))_j^2 */
double gb_renyi_gradient(size_t m, double alpha, const double *rho, const double *O, const double *h, double *A,
                         double *wider);

/** The sampled bound 1/(1 - alpha) ln mean exp((1 - alpha) log_w): that of n samples of q, of which log_w = ln p(x, z)
 * - ln q(z). alpha = 1: the mean of log_w; alpha = 0: importance weighting. Local. Source: Y. Li and R. E. Turner,
 * arXiv:1602.02311, eq. 10; Y. Burda et al., arXiv:1509.00519, eq. 8.
 *  @param[out] share  [n] its derivatives by log_w; they add up to 1. NULL: not wanted */
double gb_renyi_bound(double alpha, size_t n, const double *log_w, double *share);
