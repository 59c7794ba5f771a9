/* learn/relbo.c - from information and score to Delta: the singular values of the stacked matrix [Gamma^1/2; F^1/2 J
 * Gamma^1/2], squared, as eigenvalues of its product with itself. */
#include "learn/relbo.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "linalg/jacobi.h"
#include "linalg/renyi.h"

enum { LANES = GB_JACOBI_LANES };
_Static_assert((int)LANES == (int)GB_RELBO_GROUP, "a row per lane");

gb_err gb_relbo_create(size_t rows, size_t latent, double alpha, double beta, gb_relbo *out)
{
  size_t square = latent * latent;
  *out = (gb_relbo){.latent = latent, .alpha = alpha, .beta = beta};
  GB_TRY(gb_new(&out->loss.value, rows));
  GB_TRY(gb_new(&out->loss.by_mu, rows * latent));
  GB_TRY(gb_new(&out->loss.by_log_var, rows * latent));
  GB_TRY(gb_new(&out->loss.A, rows * square));
  GB_TRY(gb_new(&out->least, rows));
  GB_TRY(gb_new(&out->work, square * LANES));
  GB_TRY(gb_new(&out->vectors, square * LANES));
  GB_TRY(gb_new(&out->score, GB_RELBO_GROUP * latent));
  return gb_new(&out->information, GB_RELBO_GROUP * square);
}

void gb_relbo_destroy(gb_relbo *r)
{
  gb_free(&r->loss.value);
  gb_free(&r->loss.by_mu);
  gb_free(&r->loss.by_log_var);
  gb_free(&r->loss.A);
  gb_free(&r->least);
  gb_free(&r->work);
  gb_free(&r->vectors);
  gb_free(&r->score);
  gb_free(&r->information);
}

/* Lane l of Gamma^1/2 (1 + J' F J / beta) Gamma^1/2; of lanes without a row the unit matrix. */
static void stack(gb_relbo *r, size_t l, size_t n, const gb_real *logvar)
{
  size_t m = r->latent;
  double root[GB_RENYI_MOST];
  for (size_t i = 0; i < m; i++) root[i] = l < n ? exp((double)logvar[i] / 2) : 1;
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < m; j++) {
      double v = i == j;
      if (l < n) v += r->information[(l * m + i) * m + j] / r->beta;
      r->work[(i * m + j) * LANES + l] = v * root[i] * root[j];
    }
}

/* Gradients of the KL term, mu and (gamma - 1) / 2, are those of the prior's part of g and Lambda: A acts on them. */
static void one_row(gb_relbo *r, size_t l, size_t row, double times, const gb_real *mu, const gb_real *logvar)
{
  enum { MOST = GB_RENYI_MOST };
  size_t m = r->latent;
  double rho[MOST], h[MOST] = {0}, root[MOST], O[MOST * MOST], A[MOST * MOST], wider[MOST], top = 0;
  for (size_t i = 0; i < m; i++) {
    rho[i] = r->work[(i * m + i) * LANES + l];
    top = rho[i] > top || rho[i] != rho[i] ? rho[i] : top;
    root[i] = exp((double)logvar[i] / 2);
  }
  for (size_t j = 0; j < m; j++) {
    double g = root[j] * (r->score[l * m + j] / r->beta - (double)mu[j]);
    for (size_t i = 0; i < m; i++) {
      O[j * m + i] = r->vectors[(j * m + i) * LANES + l];
      h[i] += O[j * m + i] * g;
    }
  }
  double alpha = gb_renyi_alpha(r->alpha, top);
  r->loss.value[row] = -times * gb_renyi_gradient(m, alpha, rho, O, h, A, wider);
  r->least[row] = INFINITY;
  for (size_t i = 0; i < m; i++) r->least[row] = fmin(r->least[row], 1 + (1 - r->alpha) * (rho[i] - 1));
  for (size_t j = 0; j < m; j++) {
    double along = 0;
    for (size_t k = 0; k < m; k++) {
      A[j * m + k] *= times;
      along += A[j * m + k] * root[k] * (double)mu[k];
      r->loss.A[(row * m + j) * m + k] = (gb_real)A[j * m + k];
    }
    r->loss.by_mu[row * m + j] = (gb_real)(along / root[j]);
    r->loss.by_log_var[row * m + j] = (gb_real)(A[j * m + j] * (root[j] * root[j] - 1) / 2 - times * wider[j]);
  }
}

void gb_relbo_group(gb_relbo *r, size_t n, const size_t *row, double times, const gb_real *mu, const gb_real *logvar)
{
  size_t m = r->latent;
  for (size_t l = 0; l < LANES; l++) stack(r, l, n, l < n ? logvar + row[l] * m : NULL);
  gb_jacobi(m, r->work, r->vectors);
  for (size_t l = 0; l < n; l++) one_row(r, l, row[l], times, mu + row[l] * m, logvar + row[l] * m);
}

/* As one_row() with times = 0. */
void gb_relbo_leave_out(gb_relbo *r, size_t row)
{
  size_t m = r->latent;
  r->loss.value[row] = 0;
  r->least[row] = INFINITY;
  memset(r->loss.by_mu + row * m, 0, m * sizeof *r->loss.by_mu);
  memset(r->loss.by_log_var + row * m, 0, m * sizeof *r->loss.by_log_var);
  memset(r->loss.A + row * m * m, 0, m * m * sizeof *r->loss.A);
}
