/* linalg/renyi.c - sums over directions that stay smooth where alpha passes 1. */
#include "linalg/renyi.h"

#include <math.h>

#include "base/err.h"

static double weight(double alpha, double rho)
{
  return 1 + (1 - alpha) * (rho - 1);
}

double gb_renyi_alpha(double alpha, double rho)
{
  if (!(alpha > 1 && weight(alpha, rho) < GB_RENYI_LEAST)) return alpha; /* NaN stays */
  return 1 + (1 - GB_RENYI_LEAST) / (rho - 1);
}

/* 1 - ln(1 + y) / y */
static double lack(double y)
{
  if (fabs(y) > 0.01) return 1 - log1p(y) / y;
  return y * (1.0 / 2 - y * (1.0 / 3 - y * (1.0 / 4 - y * (1.0 / 5 - y * (1.0 / 6 - y * (1.0 / 7 - y / 8))))));
}

double gb_renyi_delta(double alpha, double rho, double h)
{
  double e = 1 - alpha, x = rho - 1;
  return (e * h * h / weight(alpha, rho) + x * lack(e * x)) / 2;
}

double gb_renyi_divergence(double alpha, double rho, double h)
{
  double x = rho - 1, y = (1 - alpha) * x;
  double share = fabs(y) > 0.01 ? log1p(y) / y : 1 - lack(y); /* of which 1 - lack(y) has no digits where y is large */
  return (alpha * h * h / (rho * weight(alpha, rho)) + x * share - log(rho)) / 2;
}

double gb_renyi_kl(double rho, double h)
{
  return (h * h / rho + rho - 1 - log(rho)) / 2;
}

/* With d = mu - m* = -Lambda^-1 g and S = (1 - alpha) Gamma + alpha Lambda^-1 = Gamma^1/2 O (w / rho) O' Gamma^1/2 the
 * gradients of -D_alpha(q||p) are
 *   by mu          -alpha S^-1 d = Gamma^-1/2 O (alpha h / w)
 *   by ln gamma_j  1/2 [1 - (S^-1)_jj gamma_j] + alpha (1 - alpha)/2 gamma_j (S^-1 d)_j^2
 * and 1 - rho / w = alpha (1 - rho) / w. */
double gb_renyi_gradient(size_t m, double alpha, const double *rho, const double *O, const double *h, double *A,
                         double *wider)
{
  double delta = 0, w[GB_RENYI_MOST];
  GB_ASSERT(m <= GB_RENYI_MOST);
  for (size_t i = 0; i < m; i++) {
    w[i] = weight(alpha, rho[i]);
    delta += gb_renyi_delta(alpha, rho[i], h[i]);
  }
  for (size_t j = 0; j < m; j++) {
    double moved = 0;
    for (size_t i = 0; i < m; i++) moved += O[j * m + i] * h[i] / w[i];
    wider[j] = alpha * (1 - alpha) / 2 * moved * moved;
    for (size_t k = 0; k <= j; k++) {
      double sum = 0;
      for (size_t i = 0; i < m; i++) sum += O[j * m + i] * O[k * m + i] * (alpha / w[i]);
      A[j * m + k] = A[k * m + j] = sum;
    }
  }
  return delta;
}

/* Weights are taken relative to the mean, so that nothing is lost near alpha = 1, or to the largest one where that
 * would overflow. */
double gb_renyi_bound(double alpha, size_t n, const double *log_w, double *share)
{
  double e = 1 - alpha, mean = 0, top = -INFINITY, sum = 0;
  for (size_t k = 0; k < n; k++) mean += log_w[k] / (double)n;
  for (size_t k = 0; k < n; k++) top = fmax(top, e * (log_w[k] - mean));
  for (size_t k = 0; k < n; k++) sum += exp(e * (log_w[k] - mean) - top);
  for (size_t k = 0; share && k < n; k++) share[k] = exp(e * (log_w[k] - mean) - top) / sum;
  if (e == 0) return mean;
  if (top > 1) return mean + (top + log(sum / (double)n)) / e;
  double small = 0;
  for (size_t k = 0; k < n; k++) small += expm1(e * (log_w[k] - mean)) / (double)n;
  return mean + log1p(small) / e;
}
