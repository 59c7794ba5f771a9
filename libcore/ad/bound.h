/* ad/bound.h - loss terms of Renyi bounds: what is added to nll + KL, in nats; docs/theory/renyi.md derives them.
 *
 * q(z|x) = N(mu, diag exp(logvar)), prior N(0, I) where no other is named. All builders are Local. */
#pragma once
#include "ad/graph.h"

/** z = mu + exp(logvar / 2) eps for each copy of eps.
 *  Local.
 *  @param[in] eps  data node of standard normal numbers, in as many copies as z shall have */
gb_node *gb_bound_samples(gb_graph *g, gb_node *mu, gb_node *logvar, gb_node *eps);

/** Loss term: the mean over the copies of a term.
 *  Local. */
gb_node *gb_bound_mean(gb_graph *g, gb_node *term);

/** Loss term -L - mean(nll) / beta - KL(q || N(0, I)), with L the sampled bound gb_renyi_bound() of ln w = -nll / beta
 * + ln p(z) - ln q(z|x): beta (nll / beta + KL + this) is -beta times the Renyi bound of the model whose likelihood is
 * p(x|z)^(1/beta).
 *  Local. Its gradient is the reparameterised one of Y. Li and R. E. Turner, arXiv:1602.02311, eq. 13.
 *  @param[in] nll  term of each copy of z
 *  @param[in] z    gb_bound_samples(g, mu, logvar, eps) */
gb_node *gb_bound_sampled(gb_graph *g, double alpha, double beta, gb_node *nll, gb_node *z, gb_node *mu,
                          gb_node *logvar, gb_node *eps);

/* A prior N(mean, diag exp(logvar)). */
typedef struct gb_prior {
  const double *mean, *logvar; /* [channels of mu], copied; both NULL: zeros */
} gb_prior;

/** Loss term D_alpha(q || prior), alpha > 0, which is borrowed and read at every pass. Of a sample outside the domain
 * (a variance above alpha / (alpha - 1) of the prior's, or within 1 % of w there) alpha is that of gb_renyi_alpha(),
 * held fixed. Local. */
gb_node *gb_bound_divergence(gb_graph *g, const double *alpha, gb_node *mu, gb_node *logvar, gb_prior prior);

/** A draw z of the escort law r ~ q^alpha prior^(1 - alpha), which in units where the prior is N(0, I) has mean alpha
 * mu / v and variance gamma / v, v = alpha + (1 - alpha) gamma, gamma = exp(logvar). alpha as above. Local. */
gb_node *gb_bound_escort(gb_graph *g, const double *alpha, gb_node *mu, gb_node *logvar, gb_node *eps, gb_prior prior);

/* A term that is computed elsewhere, before the graph reaches it. */
typedef struct gb_given {
  double *value;               /* [rows] */
  gb_real *by_mu, *by_log_var; /* [rows, latent] its gradient, beside what comes through gb_bound_scaled() */
  gb_real *A;                  /* [rows, latent, latent] of gb_bound_scaled() */
} gb_given;

/** z = mu + Gamma^1/2 eps, Gamma = diag exp(logvar), whose gradient u is Gamma^-1/2 A Gamma^1/2 u of mu and (Gamma^1/2
 * u)_j (A eps)_j / 2 of logvar, instead of u and (Gamma^1/2 u)_j eps_j / 2.
 *  Local.
 *  @param[in] given  borrowed: A of each row, at the time of the backward pass */
gb_node *gb_bound_scaled(gb_graph *g, const gb_given *given, gb_node *mu, gb_node *logvar, gb_node *eps);

/** Loss term as given; borrowed.
 *  Local. */
gb_node *gb_bound_given(gb_graph *g, const gb_given *given, gb_node *mu, gb_node *logvar);
