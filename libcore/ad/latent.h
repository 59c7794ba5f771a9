/* ad/latent.h - the latent part of a VAE: the Gaussian posterior q(z|x) = N(mu, diag exp(logvar)) against N(0, I). */
#pragma once
#include "ad/graph.h"

/** z = mu + exp(logvar / 2) eps. eps: data node of standard normal numbers.
 *  Local. Source: D. P. Kingma and M. Welling, arXiv:1312.6114, eq. 10. */
gb_node *gb_latent_sample(gb_graph *g, gb_node *mu, gb_node *logvar, gb_node *eps);

/** Loss term KL(q || N(0, I)) = 1/2 sum_j (exp(logvar_j) + mu_j^2 - 1 - logvar_j), in nats.
 *  Local. Source: arXiv:1312.6114, appendix B. */
gb_node *gb_latent_kl(gb_graph *g, gb_node *mu, gb_node *logvar);

/** Loss term KL(q || N(mean, diag exp(logvar0))) = 1/2 sum_j (exp(l_j - k_j) - 1 - (l_j - k_j) + (mu_j - mean_j)^2
 * exp(-k_j)), l = logvar, k = logvar0, in nats.
 *  Local. Source: S. Kullback and R. A. Leibler, Ann. Math. Statist. 22 (1951) 79, for two Gaussians.
 *  @param[in] mean, logvar0  [channels of mu], copied; NULL: zeros */
gb_node *gb_latent_kl_to(gb_graph *g, gb_node *mu, gb_node *logvar, const double *mean, const double *logvar0);

/** Loss term sum_j max(0, lambda - KL_j), in nats: added to the one above it makes sum_j max(lambda, KL_j), so that a
 * latent has no reason to carry less than lambda ("free bits").
 *  Local.
 *  Source: D. P. Kingma et al., arXiv:1606.04934, eq. 15, with one group per latent. There KL_j is the mean over a
 *  minibatch; here it is that of each sample, since a mean over the batch would have to be known before the first row
 *  can go backward: the terms of a sample would depend on its batch, and on how that is shared out.
 *  @param[in] lambda  nats, > 0 */
gb_node *gb_latent_free_bits(gb_graph *g, gb_node *mu, gb_node *logvar, double lambda);
