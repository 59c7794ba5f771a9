/* ad/latent.h - the latent part of a VAE: the Gaussian posterior q(z|x) = N(mu, diag exp(logvar)) against N(0, I). */
#pragma once
#include "ad/graph.h"

/** z = mu + exp(logvar / 2) eps. eps: data node of standard normal numbers.
 *  Local. Source: D. P. Kingma and M. Welling, arXiv:1312.6114, eq. 10. */
gb_node *gb_latent_sample(gb_graph *g, gb_node *mu, gb_node *logvar, gb_node *eps);

/** Loss term KL(q || N(0, I)) = 1/2 sum_j (exp(logvar_j) + mu_j^2 - 1 - logvar_j), in nats.
 *  Local. Source: arXiv:1312.6114, appendix B. */
gb_node *gb_latent_kl(gb_graph *g, gb_node *mu, gb_node *logvar);
