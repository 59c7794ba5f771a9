/* linalg/joint.h - Renyi divergence between the two joint laws of a linear-Gaussian VAE, and its gradient; the bound
 * RELBO-C of docs/theory/renyi.md.
 *
 * Of the data and the encoder: x ~ N(mean, S), z|x ~ N(V x + b, diag exp(log_gamma)). Of the model: z ~ N(0, I), x|z ~
 * N(W z + c, s2 I). n numbers in x, m in z. The joint law of data and encoder is N(a, Q), Q = L L'; that of the model
 * has precision A'A. All that is needed is the matrix L'A'A L, whose eigenvalues are the ratios of the two. */
#pragma once
#include <stddef.h>

#include "base/err.h"

typedef struct gb_joint {
  size_t n, m;
  double *mean, *root, log_det;       /* [n]; [n, n] lower, root root' = S; ln |S|: gb_joint_data() */
  double *V, *b, *log_gamma;          /* [m, n], [m], [m]; to be filled */
  double *W, *c, log_s2;              /* [n, m], [n]; to be filled */
  double *by_V, *by_b, *by_log_gamma; /* gradient of the divergence, as those above */
  double *by_W, *by_c, by_log_s2;
  double *work;
} gb_joint;

/** Memory for it. Local. */
gb_err gb_joint_create(size_t n, size_t m, gb_joint *out);
void gb_joint_destroy(gb_joint *j);

/** Mean and covariance of the data.
 *  Local.
 *  @param[in] covariance  [n, n], of which the lower triangle is read
 *  @return GB_ERR_NUMERIC if it is not positive definite to rounding; the message has the number of the first variance
 *          that vanishes, given those before it */
gb_err gb_joint_data(gb_joint *j, const double *mean, const double *covariance);

/** D_alpha(data and encoder || model), alpha > 0, in nats, smooth where alpha passes 1, and its gradient.
 *  Local. About 6 (n + m)^3 products.
 *  @param[out] used  alpha, or where the divergence is infinite (which a Cholesky factorisation finds; alpha > 1 only)
 *                    or close to it, one nearer to 1, whose distance from 1 is halved until it is not */
double gb_joint_divergence(gb_joint *j, double alpha, double *used);

/** Shannon entropy of the law of the data, in nats.
 *  Local. */
double gb_joint_entropy(const gb_joint *j);
