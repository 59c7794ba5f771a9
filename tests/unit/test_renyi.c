/* tests/unit/test_renyi.c - Renyi divergences against dense algebra, integrals and numbers that were worked out with
 * other programs; eigenvalues of small matrices. */
#include "base/rng.h"
#include "check.h"
#include "linalg/jacobi.h"
#include "linalg/renyi.h"

enum { LANES = GB_JACOBI_LANES, MOST = 16 };

static double normal(uint64_t index, uint32_t i)
{
  uint32_t w[4];
  gb_rng_block(gb_rng_key(3, GB_RNG_TEST, index, 0), i, w);
  return sqrt(-2 * log(gb_rng_unit(w[0]))) * cos(2 * M_PI * gb_rng_unit(w[1]));
}

/* Cholesky factor in place, lower; returns the logarithm of the determinant, NAN of a matrix that is not positive. */
static double cholesky(size_t m, double a[MOST][MOST])
{
  double log_det = 0;
  for (size_t j = 0; j < m; j++) {
    for (size_t k = 0; k < j; k++) a[j][j] -= a[j][k] * a[j][k];
    if (!(a[j][j] > 0)) return NAN;
    a[j][j] = sqrt(a[j][j]);
    log_det += 2 * log(a[j][j]);
    for (size_t i = j + 1; i < m; i++) {
      for (size_t k = 0; k < j; k++) a[i][j] -= a[i][k] * a[j][k];
      a[i][j] /= a[j][j];
    }
  }
  return log_det;
}

/* x = A^-1 b, A as cholesky() leaves it. */
static void solve(size_t m, double l[MOST][MOST], const double *b, double *x)
{
  for (size_t i = 0; i < m; i++) {
    x[i] = b[i];
    for (size_t k = 0; k < i; k++) x[i] -= l[i][k] * x[k];
    x[i] /= l[i][i];
  }
  for (size_t i = m; i-- > 0;) {
    for (size_t k = i + 1; k < m; k++) x[i] -= l[k][i] * x[k];
    x[i] /= l[i][i];
  }
}

typedef struct gaussian {
  size_t m;
  double mean[MOST], cov[MOST][MOST];
} gaussian;

/* D_alpha(q||p) = alpha/2 d' S^-1 d - [ln|S| - (1 - alpha) ln|Sq| - alpha ln|Sp|] / (2 (alpha - 1)), S = (1 - alpha) Sq
 * + alpha Sp, by its textbook form. */
static double dense_divergence(double alpha, const gaussian *q, const gaussian *p)
{
  size_t m = q->m;
  double s[MOST][MOST], a[MOST][MOST], b[MOST][MOST], d[MOST] = {0}, y[MOST], square = 0;
  for (size_t i = 0; i < m; i++) {
    d[i] = p->mean[i] - q->mean[i];
    for (size_t j = 0; j < m; j++) {
      a[i][j] = q->cov[i][j];
      b[i][j] = p->cov[i][j];
      s[i][j] = (1 - alpha) * a[i][j] + alpha * b[i][j];
    }
  }
  double ls = cholesky(m, s), la = cholesky(m, a), lb = cholesky(m, b);
  solve(m, s, d, y);
  for (size_t i = 0; i < m; i++) square += d[i] * y[i];
  return alpha / 2 * square - (ls - (1 - alpha) * la - alpha * lb) / (2 * (alpha - 1));
}

/* What the library works with: Gamma^1/2 Lambda Gamma^1/2 = O rho O', h = O' Gamma^1/2 g. */
typedef struct pair {
  size_t m;
  double gamma[MOST], rho[MOST], O[MOST * MOST], h[MOST];
} pair;

static pair decompose(size_t m, const double *gamma, double lambda[MOST][MOST], const double *g)
{
  static double a[MOST * MOST * LANES], v[MOST * MOST * LANES];
  pair out = {.m = m};
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < m; j++)
      for (size_t l = 0; l < LANES; l++) a[(i * m + j) * LANES + l] = sqrt(gamma[i] * gamma[j]) * lambda[i][j];
  gb_jacobi(m, a, v);
  for (size_t i = 0; i < m; i++) {
    out.gamma[i] = gamma[i];
    out.rho[i] = a[(i * m + i) * LANES];
    for (size_t j = 0; j < m; j++) {
      out.O[j * m + i] = v[(j * m + i) * LANES];
      out.h[i] += out.O[j * m + i] * sqrt(gamma[j]) * g[j];
    }
  }
  return out;
}

static double delta_of(double alpha, const pair *p)
{
  double sum = 0;
  for (size_t i = 0; i < p->m; i++) sum += gb_renyi_delta(alpha, p->rho[i], p->h[i]);
  return sum;
}

static double kl_of(const pair *p)
{
  double sum = 0;
  for (size_t i = 0; i < p->m; i++) sum += gb_renyi_kl(p->rho[i], p->h[i]);
  return sum;
}

/* A linear decoder of three numbers and two latents. */
static const double W[3][2] = {{1.0, 0.2}, {0.5, -0.3}, {0.0, 0.8}}, s2 = 0.25, x[3] = {0.7, -0.4, 1.1},
                    mu[2] = {0.3, 0.6}, gamma_[2] = {0.15, 0.2};

static void posterior(double lambda[MOST][MOST], double *g)
{
  for (size_t j = 0; j < 2; j++) {
    g[j] = -mu[j];
    for (size_t k = 0; k < 2; k++) lambda[j][k] = j == k;
    for (size_t i = 0; i < 3; i++) {
      g[j] += W[i][j] * (x[i] - W[i][0] * mu[0] - W[i][1] * mu[1]) / s2;
      for (size_t k = 0; k < 2; k++) lambda[j][k] += W[i][j] * W[i][k] / s2;
    }
  }
}

/* Numbers of an independent program, 10 digits; ELBO = -3.7130530066. */
static void worked_example(void **state)
{
  (void)state;
  static const struct {
    double alpha, delta, divergence, relbo, prior;
  } c[] = {{0.25, 0.3759040172, 0.1533173921, -3.3371489894, 0.6094657404},
           {0.5, 0.2380668271, 0.2911545823, -3.4749861795, 0.8781985215},
           {1.1, -0.0425466897, 0.5717680991, -3.7555996963, 1.1895292612}};
  static const double rho[2] = {0.91244263, 0.80355737}, h2[2] = {0.11517584, 0.72792496};
  double lambda[MOST][MOST], g[2], prior_kl = 0;
  posterior(lambda, g);
  pair p = decompose(2, gamma_, lambda, g);
  size_t first = p.rho[0] > p.rho[1] ? 0 : 1;
  for (size_t i = 0; i < 2; i++) {
    CHECK_NEAR(p.rho[i ^ first], rho[i], 1e-8);
    CHECK_NEAR(p.h[i ^ first] * p.h[i ^ first], h2[i], 1e-8);
    prior_kl += gb_renyi_kl(gamma_[i], sqrt(gamma_[i]) * mu[i]);
  }
  CHECK_NEAR(kl_of(&p), 0.5292214093, 1e-9);
  CHECK_NEAR(prior_kl, 1.1532789487, 1e-9);
  for (size_t k = 0; k < 3; k++) {
    double delta = delta_of(c[k].alpha, &p), prior = prior_kl, whole = 0;
    for (size_t i = 0; i < 2; i++) {
      prior -= gb_renyi_delta(c[k].alpha, gamma_[i], sqrt(gamma_[i]) * mu[i]);
      whole += gb_renyi_divergence(c[k].alpha, gamma_[i], sqrt(gamma_[i]) * mu[i]);
    }
    CHECK_NEAR(delta, c[k].delta, 1e-9);
    CHECK_NEAR(kl_of(&p) - delta, c[k].divergence, 1e-9);
    CHECK_NEAR(-3.7130530066 + delta, c[k].relbo, 1e-9);
    CHECK_NEAR(prior, c[k].prior, 1e-9);
    CHECK_NEAR(whole, c[k].prior, 1e-9);
  }
}

/* A random q and p of m latents; wide: q is wider than p in some directions. */
static pair random_pair(uint64_t seed, size_t m, bool wide, gaussian *q, gaussian *p)
{
  double lambda[MOST][MOST], factor[MOST][MOST], g[MOST] = {0}, gamma[MOST] = {0}, unit[MOST];
  uint32_t at = 0;
  *q = *p = (gaussian){.m = m};
  for (size_t i = 0; i < m; i++) {
    q->mean[i] = normal(seed, at++);
    p->mean[i] = q->mean[i] + 0.5 * normal(seed, at++);
    q->cov[i][i] = gamma[i] = exp(normal(seed, at++) - (wide ? 0 : 4));
    for (size_t j = 0; j < m; j++) factor[i][j] = normal(seed, at++);
  }
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < m; j++) {
      lambda[i][j] = i == j;
      for (size_t k = 0; k < m; k++) lambda[i][j] += factor[i][k] * factor[j][k];
    }
  for (size_t i = 0; i < m; i++) {
    g[i] = 0;
    for (size_t j = 0; j < m; j++) g[i] += lambda[i][j] * (p->mean[j] - q->mean[j]);
  }
  pair out = decompose(m, gamma, lambda, g);
  cholesky(m, lambda);
  for (size_t j = 0; j < m; j++) {
    for (size_t i = 0; i < m; i++) unit[i] = i == j;
    solve(m, lambda, unit, p->cov[j]);
  }
  return out;
}

/* Delta, and its gradient: of ELBO + Delta less that of ELBO, g and 1/2 (1 - R_jj). */
static double gradient_of(double alpha, const pair *c, double *by_mu, double *by_l)
{
  double A[MOST * MOST], wider[MOST], R[MOST][MOST] = {{0}}, u[MOST] = {0};
  size_t m = c->m;
  double delta = gb_renyi_gradient(m, alpha, c->rho, c->O, c->h, A, wider);
  for (size_t j = 0; j < m; j++)
    for (size_t i = 0; i < m; i++) {
      u[j] += c->O[j * m + i] * c->h[i]; /* Gamma^1/2 g */
      for (size_t k = 0; k < m; k++) R[j][k] += c->O[j * m + i] * c->rho[i] * c->O[k * m + i];
    }
  for (size_t j = 0; j < m; j++) {
    double all = 0, product = 0;
    for (size_t k = 0; k < m; k++) {
      all += A[j * m + k] * u[k];
      product += A[j * m + k] * ((j == k) - R[k][j]);
    }
    by_mu[j] = (all - u[j]) / sqrt(c->gamma[j]);
    by_l[j] = (product - (1 - R[j][j])) / 2 + wider[j];
  }
  return delta;
}

/* Below alpha = 1 it grows as a logarithm, where KL and Delta have no difference left: alpha / (2 (1 - alpha)) ln rho.
 */
static void far_outside_of_the_prior(void **state)
{
  (void)state;
  for (double rho = 1e20; rho < 1e300; rho *= 1e40) {
    double far = gb_renyi_divergence(0.3, rho * 1e5, 0), near = gb_renyi_divergence(0.3, rho, 0);
    CHECK_NEAR(far - near, 0.3 / 1.4 * log(1e5), 1e-12);
  }
  CHECK(gb_renyi_divergence(1, 1, 0) == 0 && gb_renyi_divergence(0.5, 1, 0) == 0);
}

/* KL - Delta = D_alpha of dense algebra; the gradient at a p held fixed by differences of that. */
static void dense_algebra_agrees(void **state)
{
  (void)state;
  static const double alphas[] = {0.05, 0.3, 0.9, 1.04, 1.3};
  size_t inside = 0;
  for (uint64_t seed = 0; seed < 12; seed++)
    for (size_t k = 0; k < sizeof alphas / sizeof *alphas; k++) {
      gaussian q, p;
      double alpha = alphas[k], by_mu[MOST], by_l[MOST], top = 0;
      pair c = random_pair(seed, 1 + seed % 6, seed & 1, &q, &p);
      for (size_t i = 0; i < c.m; i++) top = fmax(top, c.rho[i]);
      double dense = dense_divergence(alpha, &q, &p);
      if (gb_renyi_alpha(alpha, top) != alpha) continue;
      inside++;
      double sum = 0;
      for (size_t i = 0; i < c.m; i++) sum += gb_renyi_divergence(alpha, c.rho[i], c.h[i]);
      CHECK_NEAR(sum, dense, 1e-11 * (1 + dense));
      CHECK_NEAR(kl_of(&c) - delta_of(alpha, &c), dense, 1e-11 * (1 + dense));
      CHECK_NEAR(gradient_of(alpha, &c, by_mu, by_l), delta_of(alpha, &c), 1e-12);
      /* Delta = KL - D, and KL = D at 1: its own textbook form */
      for (size_t j = 0; j < c.m; j++) {
        const double h = 1e-4;
        double d[2], near = 1 - 1e-7, kept = q.mean[j], width = q.cov[j][j];
        for (int s = 0; s < 2; s++) {
          q.mean[j] = kept + (s ? h : -h);
          d[s] = (dense_divergence(near, &q, &p) + dense_divergence(2 - near, &q, &p)) / 2 -
                 dense_divergence(alpha, &q, &p);
        }
        q.mean[j] = kept;
        CHECK_NEAR(by_mu[j], (d[1] - d[0]) / (2 * h), 2e-4 * (1 + fabs(by_mu[j])));
        for (int s = 0; s < 2; s++) {
          q.cov[j][j] = width * exp(s ? h : -h);
          d[s] = (dense_divergence(near, &q, &p) + dense_divergence(2 - near, &q, &p)) / 2 -
                 dense_divergence(alpha, &q, &p);
        }
        q.cov[j][j] = width;
        CHECK_NEAR(by_l[j], (d[1] - d[0]) / (2 * h), 2e-4 * (1 + fabs(by_l[j])));
      }
    }
  CHECK(inside > 40);
}

/* The gradient by differences of Delta itself, with Lambda and m* fixed: m = 1, where rho and h are elementary. */
static void gradient_of_one_latent(void **state)
{
  (void)state;
  static const double alphas[] = {0.1, 0.5, 1 - 1e-9, 1, 1 + 1e-9, 1.2};
  for (size_t k = 0; k < sizeof alphas / sizeof *alphas; k++) {
    double lambda = 2.3, at = 0.4, m = -0.5, l = -0.6, by_mu, by_l, step = 1e-3, d_mu = 0, d_l = 0;
    double c[] = {1.0 / 12, -2.0 / 3, 2.0 / 3, -1.0 / 12}, shift[] = {-2, -1, 1, 2};
    double gamma = exp(l), rho = gamma * lambda, h = sqrt(gamma) * lambda * (at - m);
    pair one = {1, {gamma}, {rho}, {1}, {h}};
    gradient_of(alphas[k], &one, &by_mu, &by_l);
    for (int i = 0; i < 4; i++) {
      double g = exp(l + shift[i] * step);
      d_mu += c[i] / step * gb_renyi_delta(alphas[k], rho, sqrt(gamma) * lambda * (at - m - shift[i] * step));
      d_l += c[i] / step * gb_renyi_delta(alphas[k], g * lambda, sqrt(g) * lambda * (at - m));
    }
    CHECK_NEAR(by_mu, d_mu, 1e-10);
    CHECK_NEAR(by_l, d_l, 1e-10);
  }
}

/* Through 1 without a jump, with the slope that theory gives: Delta = (1 - alpha)/2 Var_q ln(q/p) + ... */
static void continuous_at_one(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < 6; seed++) {
    gaussian q, p;
    pair c = random_pair(seed, 4, false, &q, &p);
    double variance = 0;
    for (size_t i = 0; i < c.m; i++) variance += c.h[i] * c.h[i] + (c.rho[i] - 1) * (c.rho[i] - 1) / 2;
    CHECK(delta_of(1, &c) == 0);
    for (int s = -1; s <= 1; s += 2) {
      CHECK_NEAR(delta_of(1 + s * 1e-7, &c), -s * 1e-7 / 2 * variance, 1e-10);
      CHECK_NEAR(delta_of(1 + s * 1e-9, &c), 0, 1e-8);
      double by_mu[2][MOST], by_l[2][MOST]; /* gradients too: of 0 at 1, and of the same slope on both sides */
      gradient_of(1 + s * 1e-7, &c, by_mu[0], by_l[0]);
      gradient_of(1 - s * 1e-7, &c, by_mu[1], by_l[1]);
      for (size_t j = 0; j < c.m; j++) {
        CHECK_NEAR(by_mu[0][j], -by_mu[1][j], 1e-8);
        CHECK_NEAR(by_l[0][j], -by_l[1][j], 1e-8);
      }
      double a = delta_of(1 + s * 0.0099999999 / 3, &c), b = delta_of(1 + s * 0.0100000001 / 3, &c);
      CHECK_NEAR(a, b, 1e-8); /* where the series takes over */
    }
  }
}

/* RELBO-A decreases with alpha: it is ln p(x) at 0, and the ELBO at 1. */
static void ordered_in_alpha(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < 6; seed++) {
    gaussian q, p;
    pair c = random_pair(seed, 5, false, &q, &p);
    double last = kl_of(&c);
    CHECK_NEAR(delta_of(1e-12, &c), last, 1e-9 * (1 + last));
    for (double alpha = 0.05; alpha < 1.5; alpha += 0.05) {
      double now = delta_of(alpha, &c);
      CHECK(now < last && (now > 0) == (alpha < 1 - 1e-12));
      last = now;
    }
  }
}

/* Outside the domain alpha is brought back to where the least weight is GB_RENYI_LEAST. */
static void domain(void **state)
{
  (void)state;
  CHECK(gb_renyi_alpha(0.005, 1e-3) == 0.005 && gb_renyi_alpha(0.5, 1e9) == 0.5 && gb_renyi_alpha(50, 0.9) == 50);
  CHECK(gb_renyi_alpha(1.1, 10.8) == 1.1);
  double back = gb_renyi_alpha(1.1, 12);
  CHECK(back > 1 && back < 1.1);
  CHECK_NEAR(1 + (1 - back) * (12 - 1), GB_RENYI_LEAST, 1e-14);
  CHECK(isnan(gb_renyi_delta(gb_renyi_alpha(1.1, NAN), NAN, 1)));
}

/* The bound of a few weights against its formula in long double; extreme ones do not overflow. */
static void sampled_bound(void **state)
{
  (void)state;
  enum { N = 7 };
  static const double log_w[N] = {-3.1, -2.9, -4.7, -3.3, -2.2, -3.0, -5.9};
  static const double alphas[] = {-3, 0, 0.5, 0.999999, 1.000001, 1.7, 4};
  double share[N], mean = 0, last = INFINITY;
  for (size_t k = 0; k < sizeof alphas / sizeof *alphas; k++) {
    long double sum = 0;
    double total = 0;
    for (size_t i = 0; i < N; i++) sum += expl((1 - (long double)alphas[k]) * log_w[i]) / N;
    double bound = gb_renyi_bound(alphas[k], N, log_w, share);
    CHECK_NEAR(bound, (double)(logl(sum) / (1 - (long double)alphas[k])), 1e-11);
    for (size_t i = 0; i < N; i++) total += share[i];
    CHECK_NEAR(total, 1, 1e-14);
    CHECK(bound < last);
    last = bound;
  }
  for (size_t i = 0; i < N; i++) mean += log_w[i] / N;
  CHECK_NEAR(gb_renyi_bound(1, N, log_w, share), mean, 1e-15);
  CHECK_NEAR(share[3], 1.0 / N, 1e-15);
  double below = gb_renyi_bound(1 - 1e-7, N, log_w, NULL), above = gb_renyi_bound(1 + 1e-7, N, log_w, NULL);
  CHECK_NEAR((below + above) / 2, mean, 1e-8);
  CHECK_NEAR(below, above, 1e-6);
  double far[2] = {-5000, 1000};
  CHECK_NEAR(gb_renyi_bound(0, 2, far, share), 1000 - log(2), 1e-10);
  CHECK_NEAR(gb_renyi_bound(3, 2, far, share), -5000 + log(2) / 2, 1e-9);
}

/* Boltzmann laws of the 2 x 2 XY torus, which is a ring of four with doubled bonds: p_K^alpha is p_(alpha K), so that
 * Renyi entropies and divergences are differences of free energies. The grid is the sample of the sampled bound: a
 * periodic integrand, exact to rounding. Oracles: sums of Bessel functions. */
static double log_z(double K)
{
  enum { M = 40 };
  static double log_w[M * M * M], c[M];
  for (size_t i = 0; i < M; i++) c[i] = cos(2 * M_PI * (double)i / M);
  for (size_t i = 0, n = 0; i < M; i++)
    for (size_t j = 0; j < M; j++)
      for (size_t k = 0; k < M; k++, n++) log_w[n] = 2 * (c[i] + c[(i + M - j) % M] + c[(j + M - k) % M] + c[k]);
  double alpha = 1 - K; /* mean of exp(K log_w) */
  return 4 * log(2 * M_PI) + K * gb_renyi_bound(alpha, M * M * M, log_w, NULL);
}

static double entropy(double alpha, double K)
{
  return (log_z(alpha * K) - alpha * log_z(K)) / (1 - alpha);
}

static double divergence(double alpha, double K, double of)
{
  return (log_z(alpha * K + (1 - alpha) * of) - alpha * log_z(K) - (1 - alpha) * log_z(of)) / (alpha - 1);
}

static void thermal_is_renyi(void **state)
{
  (void)state;
  CHECK_NEAR(log_z(1) - 4 * log(2 * M_PI), 3.6953950205, 1e-9);
  CHECK_NEAR(log_z(0.5) - 4 * log(2 * M_PI), 1.0203191668, 1e-9);
  CHECK_NEAR(entropy(0.5, 1), 5.6967515788, 1e-9);
  CHECK_NEAR(entropy(2, 1), 4.1938470662, 1e-9);
  CHECK_NEAR(entropy(0.5, 0.5), 6.8373750668, 1e-9);
  CHECK_NEAR((entropy(1 + 1e-4, 1) + entropy(1 - 1e-4, 1)) / 2, 4.8104159046, 1e-7);
  CHECK_NEAR(divergence(0.5, 1, 0.5), 0.2693328321, 1e-9);
  CHECK_NEAR(divergence(2, 1, 0.5), 0.6403611632, 1e-9);
  CHECK_NEAR((divergence(1 + 1e-4, 1, 0.5) + divergence(1 - 1e-4, 1, 0.5)) / 2, 0.4431678371, 1e-7);
}

/* A V = V lambda, V orthogonal, whatever is in the other lanes: spread spectra, degenerate and diagonal matrices. */
static void eigenvectors(void **state)
{
  (void)state;
  enum { SIDE = 64 };
  static double a[SIDE * SIDE * LANES], v[SIDE * SIDE * LANES], kept[SIDE * SIDE], alone[2][SIDE * SIDE * LANES];
  static const size_t sizes[] = {1, 2, 3, 8, 17, SIDE};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    size_t m = sizes[s];
    for (int kind = 0; kind < 3; kind++) {
      for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j <= i; j++)
          for (size_t l = 0; l < LANES; l++) {
            double scale = kind == 1 ? exp(-0.4 * (double)(i + j)) : 1;
            double e = kind == 2 ? 0.1 + 3 * (i == j) : (normal(l, (uint32_t)(i * m + j)) + 9 * (i == j)) * scale;
            a[(i * m + j) * LANES + l] = a[(j * m + i) * LANES + l] = l == 5 ? 2.5 * (i == j) : e;
          }
      for (size_t i = 0; i < m * m; i++) kept[i] = a[i * LANES + 1];
      for (size_t i = 0; i < m * m * LANES; i++) alone[0][i] = a[i / LANES * LANES + 1];
      gb_jacobi(m, a, v);
      gb_jacobi(m, alone[0], alone[1]);
      for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++) {
          double rest = -v[(i * m + j) * LANES + 1] * a[(j * m + j) * LANES + 1], product = 0;
          for (size_t k = 0; k < m; k++) {
            rest += kept[i * m + k] * v[(k * m + j) * LANES + 1];
            product += v[(k * m + i) * LANES + 1] * v[(k * m + j) * LANES + 1];
          }
          CHECK_NEAR(rest, 0, 1e-12 * (double)(m + 10));
          CHECK_NEAR(product, i == j, 1e-13 * (double)(m + 10));
          CHECK(v[(i * m + j) * LANES + 1] == alone[1][(i * m + j) * LANES + 3]);
          CHECK(a[(i * m + i) * LANES + 5] == 2.5);
        }
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(worked_example),
                                     TEST(dense_algebra_agrees),
                                     TEST(far_outside_of_the_prior),
                                     TEST(gradient_of_one_latent),
                                     TEST(continuous_at_one),
                                     TEST(ordered_in_alpha),
                                     TEST(domain),
                                     TEST(sampled_bound),
                                     TEST(thermal_is_renyi),
                                     TEST(eigenvectors)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
