/* linalg/joint.c - with X = L'A'AL - 1 and e = 1 - alpha the law r ~ q^alpha p^e has covariance K = L (1 + e X)^-1 L'
 * and mean a + e K g, g = A'A (mean of p - a). Gradients by the model are means of those of ln p under r; those by the
 * encoder are alpha / e times means of those of ln q, which vanish with e: they are written without the quotient. */
#include "linalg/joint.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "linalg/renyi.h"

enum { MATRICES = 8, VECTORS = 4 };

gb_err gb_joint_create(size_t n, size_t m, gb_joint *out)
{
  size_t N = n + m;
  *out = (gb_joint){.n = n, .m = m};
  GB_TRY(gb_new(&out->mean, n));
  GB_TRY(gb_new(&out->root, n * n));
  GB_TRY(gb_new(&out->V, m * n));
  GB_TRY(gb_new(&out->b, m));
  GB_TRY(gb_new(&out->log_gamma, m));
  GB_TRY(gb_new(&out->W, n * m));
  GB_TRY(gb_new(&out->c, n));
  GB_TRY(gb_new(&out->by_V, m * n));
  GB_TRY(gb_new(&out->by_b, m));
  GB_TRY(gb_new(&out->by_log_gamma, m));
  GB_TRY(gb_new(&out->by_W, n * m));
  GB_TRY(gb_new(&out->by_c, n));
  return gb_new(&out->work, MATRICES * N * N + VECTORS * N);
}

void gb_joint_destroy(gb_joint *j)
{
  double **all[] = {&j->mean, &j->root,         &j->V,    &j->b,    &j->log_gamma, &j->W, &j->c, &j->by_V,
                    &j->by_b, &j->by_log_gamma, &j->by_W, &j->by_c, &j->work};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) gb_free(all[i]);
}

gb_err gb_joint_data(gb_joint *j, const double *mean, const double *covariance)
{
  size_t n = j->n;
  memcpy(j->mean, mean, n * sizeof *mean);
  j->log_det = 0;
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k <= i; k++) {
      double sum = covariance[i * n + k];
      for (size_t l = 0; l < k; l++) sum -= j->root[i * n + l] * j->root[k * n + l];
      j->root[k * n + i] = 0;
      if (k < i) {
        j->root[i * n + k] = sum / j->root[k * n + k];
        continue;
      }
      GB_CHECK(sum > 1e-13 * (double)n * covariance[i * n + i], GB_ERR_NUMERIC,
               "the covariance is singular: number %zu of a sample is a linear function of those before it", i);
      j->root[i * n + i] = sqrt(sum);
      j->log_det += log(sum);
    }
  return GB_OK;
}

double gb_joint_entropy(const gb_joint *j)
{
  return ((double)j->n * (1 + log(2 * M_PI)) + j->log_det) / 2;
}

/* c = a b */
static void multiply(size_t n, const double *restrict a, const double *restrict b, double *restrict c)
{
  memset(c, 0, n * n * sizeof *c);
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < n; k++)
      for (size_t l = 0; l < n; l++) c[i * n + l] += a[i * n + k] * b[k * n + l];
}

static void transpose(size_t n, const double *a, double *b)
{
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < n; k++) b[k * n + i] = a[i * n + k];
}

/* y = a x */
static void apply(size_t n, const double *a, const double *x, double *y)
{
  for (size_t i = 0; i < n; i++) {
    y[i] = 0;
    for (size_t k = 0; k < n; k++) y[i] += a[i * n + k] * x[k];
  }
}

static double scalar(size_t n, const double *a, const double *b)
{
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* 1 + e X = (1 + e N)(1 + e D)(1 + e N'), N below the diagonal of f, D on it: nothing is lost for small e. Is it
 * positive definite, and not close to its end? */
static bool factor(size_t n, double e, const double *X, double *f)
{
  for (size_t j = 0; j < n; j++)
    for (size_t i = j; i < n; i++) {
      double sum = 0;
      for (size_t k = 0; k < j; k++) sum += f[i * n + k] * f[j * n + k] * (1 + e * f[k * n + k]);
      f[i * n + j] = X[i * n + j] - e * sum;
      if (i > j) f[i * n + j] /= 1 + e * f[j * n + j];
      if (i == j && 1 + e * f[j * n + j] < GB_RENYI_LEAST) return false; /* NaN goes on */
    }
  return true;
}

/* b = (1 + e X)^-1 b */
static void solve(size_t n, double e, const double *f, double *b)
{
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < i; k++)
      for (size_t l = 0; l < n; l++) b[i * n + l] -= e * f[i * n + k] * b[k * n + l];
  for (size_t i = 0; i < n; i++)
    for (size_t l = 0; l < n; l++) b[i * n + l] /= 1 + e * f[i * n + i];
  for (size_t i = n; i-- > 0;)
    for (size_t k = i + 1; k < n; k++)
      for (size_t l = 0; l < n; l++) b[i * n + l] -= e * f[k * n + i] * b[k * n + l];
}

/* L, and A L, A = [1/s, -W/s; 0, 1]: residual over noise, and latents. */
static void stack(const gb_joint *j, double *L, double *AL)
{
  size_t n = j->n, m = j->m, N = n + m;
  double s = exp(j->log_s2 / 2);
  memset(L, 0, N * N * sizeof *L);
  for (size_t i = 0; i < n; i++) memcpy(L + i * N, j->root + i * n, n * sizeof *L);
  for (size_t k = 0; k < m; k++) {
    for (size_t i = 0; i < n; i++)
      for (size_t l = 0; l <= i; l++) L[(n + k) * N + l] += j->V[k * n + i] * j->root[i * n + l];
    L[(n + k) * N + n + k] = exp(j->log_gamma[k] / 2);
  }
  memcpy(AL, L, N * N * sizeof *L);
  for (size_t i = 0; i < n; i++)
    for (size_t l = 0; l < N; l++) {
      for (size_t k = 0; k < m; k++) AL[i * N + l] -= j->W[i * m + k] * L[(n + k) * N + l];
      AL[i * N + l] /= s;
    }
}

/* g = A'A d for d = mean of the model - a; returns d'g. */
static double mismatch(const gb_joint *j, const double *a, double *g)
{
  size_t n = j->n, m = j->m;
  double s2 = exp(j->log_s2), all = 0;
  for (size_t k = 0; k < m; k++) {
    g[n + k] = -a[n + k];
    all += a[n + k] * a[n + k];
  }
  for (size_t i = 0; i < n; i++) {
    double d = j->c[i] - a[i];
    for (size_t k = 0; k < m; k++) d += j->W[i * m + k] * a[n + k];
    g[i] = d / s2;
    all += d * d / s2;
    for (size_t k = 0; k < m; k++) g[n + k] -= j->W[i * m + k] * d / s2;
  }
  return all;
}

/* Y = L X (1 + e X)^-1 L' is what the covariance of q is more than K, over e. */
static void by_encoder(gb_joint *j, double alpha, const double *Y, const double *u)
{
  size_t n = j->n, m = j->m, N = n + m;
  for (size_t k = 0; k < m; k++) {
    const double *V = j->V + k * n, *zx = Y + (n + k) * N;
    double *by = j->by_V + k * n, ratio = alpha / exp(j->log_gamma[k]);
    double moved = u[n + k] - scalar(n, V, u), square = zx[n + k] - scalar(n, V, zx);
    for (size_t i = 0; i < n; i++) {
      double rest = zx[i];
      for (size_t l = 0; l < n; l++) rest -= V[l] * Y[l * N + i];
      square -= rest * V[i];
      by[i] = -ratio * ((1 - alpha) * moved * u[i] - rest + moved * j->mean[i]);
    }
    j->by_b[k] = -ratio * moved;
    j->by_log_gamma[k] = -ratio / 2 * ((1 - alpha) * moved * moved - square);
  }
}

/* Under r, of mean `at` and covariance K. */
static void by_model(gb_joint *j, const double *K, const double *at)
{
  size_t n = j->n, m = j->m, N = n + m;
  double s2 = exp(j->log_s2), square = 0;
  for (size_t i = 0; i < n; i++) {
    const double *W = j->W + i * m, *xz = K + i * N + n;
    double f = at[i] - j->c[i] - scalar(m, W, at + n);
    square += f * f + K[i * N + i] - scalar(m, W, xz);
    for (size_t k = 0; k < m; k++) {
      double with = xz[k];
      for (size_t l = 0; l < m; l++) with -= W[l] * K[(n + l) * N + n + k];
      square -= with * W[k];
      j->by_W[i * m + k] = -(f * at[n + k] + with) / s2;
    }
    j->by_c[i] = -f / s2;
  }
  j->by_log_s2 = ((double)n - square / s2) / 2;
}

double gb_joint_divergence(gb_joint *j, double alpha, double *used)
{
  size_t n = j->n, m = j->m, N = n + m, NN = N * N;
  double *L = j->work, *AL = L + NN, *X = AL + NN, *f = X + NN, *Z = f + NN, *K = Z + NN, *Y = K + NN, *t = Y + NN;
  double *a = t + NN, *g = a + N, *u = g + N, *at = u + N, log_det = 0;
  stack(j, L, AL);
  transpose(N, AL, t);
  multiply(N, t, AL, X);
  for (size_t i = 0; i < N; i++) X[i * N + i] -= 1;
  for (*used = alpha; !factor(N, 1 - *used, X, f);) *used = 1 + (*used - 1) / 2;
  double e = 1 - *used;
  for (size_t i = 0; i < N; i++) log_det += e == 0 ? f[i * N + i] : log1p(e * f[i * N + i]) / e;
  log_det += (double)n * j->log_s2 - j->log_det;
  for (size_t k = 0; k < m; k++) log_det -= j->log_gamma[k];

  transpose(N, L, Z);
  solve(N, e, f, Z);
  multiply(N, L, Z, K);
  multiply(N, X, Z, t);
  multiply(N, L, t, Y);
  memcpy(a, j->mean, n * sizeof *a);
  for (size_t k = 0; k < m; k++) a[n + k] = j->b[k] + scalar(n, j->V + k * n, j->mean);
  double apart = mismatch(j, a, g);
  apply(N, K, g, u);
  for (size_t i = 0; i < N; i++) at[i] = a[i] + e * u[i];
  by_encoder(j, *used, Y, u);
  by_model(j, K, at);
  return (log_det + apart - e * scalar(N, g, u)) / 2;
}
