/* tests/unit/test_joint.c - the Renyi divergence between joint laws against its textbook form, its gradient against
 * differences, its optimum against the closed form, and its domain. */
#include "linalg/joint.h"

#include "base/rng.h"
#include "check.h"
#include "linalg/linear.h"
#include "linalg/renyi.h"

enum { N = 5, M = 2, ALL = N + M };

static double uniform(uint64_t index, uint32_t i)
{
  uint32_t w[4];
  gb_rng_block(gb_rng_key(8, GB_RNG_TEST, index, 0), i, w);
  return 2 * gb_rng_unit(w[0]) - 1;
}

static void fill(uint64_t index, uint32_t first, size_t n, double scale, double *v)
{
  for (size_t i = 0; i < n; i++) v[i] = scale * uniform(index, first + (uint32_t)i);
}

static double covariance[N * N], mean[N];

static void draw(uint64_t index, gb_joint *j)
{
  double a[N * N];
  CHECK_OK(gb_joint_create(N, M, j));
  fill(index, 0, N * N, 0.4, a);
  fill(index, 100, N, 0.5, mean);
  for (size_t i = 0; i < N; i++)
    for (size_t k = 0; k < N; k++) {
      covariance[i * N + k] = i == k ? 0.3 : 0;
      for (size_t l = 0; l < N; l++) covariance[i * N + k] += a[i * N + l] * a[k * N + l];
    }
  CHECK_OK(gb_joint_data(j, mean, covariance));
  fill(index, 200, M * N, 0.5, j->V);
  fill(index, 300, M, 0.5, j->b);
  fill(index, 400, M, 0.7, j->log_gamma);
  fill(index, 500, N * M, 0.8, j->W);
  fill(index, 600, N, 0.5, j->c);
  j->log_s2 = 0.4 + 0.3 * uniform(index, 700);
}

/* a = inverse of a; returns ln |a|. Gauss and Jordan; a is positive definite. */
static double invert(double a[ALL][ALL])
{
  double log_det = 0;
  for (size_t p = 0; p < ALL; p++) {
    double pivot = a[p][p];
    CHECK(pivot > 0);
    log_det += log(pivot);
    a[p][p] = 1;
    for (size_t k = 0; k < ALL; k++) a[p][k] /= pivot;
    for (size_t i = 0; i < ALL; i++) {
      double f = a[i][p];
      if (i == p) continue;
      a[i][p] = 0;
      for (size_t k = 0; k < ALL; k++) a[i][k] -= f * a[p][k];
    }
  }
  return log_det;
}

/* alpha/2 d' S^-1 d - [ln|S| - (1 - alpha) ln|Q| - alpha ln|P|] / (2 (alpha - 1)), S = (1 - alpha) Q + alpha P, with
 * the covariances of the two joints written down block by block. */
static double textbook(const gb_joint *j, double alpha)
{
  double Q[ALL][ALL], P[ALL][ALL], S[ALL][ALL], d[ALL] = {0}, square = 0, s2 = exp(j->log_s2);
  for (size_t i = 0; i < N; i++) {
    d[i] = j->c[i] - mean[i];
    for (size_t k = 0; k < N; k++) {
      Q[i][k] = covariance[i * N + k];
      P[i][k] = i == k ? s2 : 0;
      for (size_t l = 0; l < M; l++) P[i][k] += j->W[i * M + l] * j->W[k * M + l];
    }
    for (size_t l = 0; l < M; l++) {
      P[i][N + l] = P[N + l][i] = j->W[i * M + l];
      Q[i][N + l] = 0;
      for (size_t k = 0; k < N; k++) Q[i][N + l] += covariance[i * N + k] * j->V[l * N + k];
      Q[N + l][i] = Q[i][N + l];
    }
  }
  for (size_t k = 0; k < M; k++) {
    d[N + k] = -j->b[k];
    for (size_t i = 0; i < N; i++) d[N + k] -= j->V[k * N + i] * mean[i];
    for (size_t l = 0; l < M; l++) {
      P[N + k][N + l] = k == l;
      Q[N + k][N + l] = k == l ? exp(j->log_gamma[k]) : 0;
      for (size_t i = 0; i < N; i++) Q[N + k][N + l] += j->V[k * N + i] * Q[i][N + l];
    }
  }
  for (size_t i = 0; i < ALL; i++)
    for (size_t k = 0; k < ALL; k++) S[i][k] = (1 - alpha) * Q[i][k] + alpha * P[i][k];
  double ls = invert(S), lq = invert(Q), lp = invert(P);
  for (size_t i = 0; i < ALL; i++)
    for (size_t k = 0; k < ALL; k++) square += d[i] * S[i][k] * d[k];
  return alpha / 2 * square - (ls - (1 - alpha) * lq - alpha * lp) / (2 * (alpha - 1));
}

static void textbook_agrees(void **state)
{
  (void)state;
  static const double alphas[] = {0.05, 0.4, 0.8, 1.05, 1.15};
  for (uint64_t index = 0; index < 12; index++) {
    gb_joint j;
    double used, before = 0;
    draw(index, &j);
    for (size_t k = 0; k < 5; k++) {
      double d = gb_joint_divergence(&j, alphas[k], &used);
      if (used != alphas[k]) continue; /* out of its domain */
      CHECK_NEAR(d, textbook(&j, alphas[k]), 1e-11 * (1 + d));
      CHECK(d > before); /* it rises with alpha */
      before = d;
    }
    CHECK(before > 0.5);
    double at = gb_joint_divergence(&j, 1, &used);
    CHECK_NEAR(gb_joint_divergence(&j, 1 - 1e-7, &used), at, 1e-5);
    double below = gb_joint_divergence(&j, 1 - 1e-7, &used), above = gb_joint_divergence(&j, 1 + 1e-7, &used);
    CHECK_NEAR((below + above) / 2, at, 1e-12 * at); /* smooth: no step, no noise over 1e-7 */
    gb_joint_destroy(&j);
  }
}

/* Through 1 D moves by 1/2 Var ln(q/p) (alpha - 1): a model near the data has little of it. */
static void gradient_agrees(void **state)
{
  (void)state;
  static const double alphas[] = {0.3, 1 - 1e-7, 1, 1.05};
  static const double h = 1e-5;
  for (uint64_t index = 0; index < 4; index++)
    for (size_t k = 0; k < 4; k++) {
      gb_joint j;
      double used, by[2 * N * M + 2 * M + N + 1];
      draw(index, &j);
      double *const at[] = {j.V, j.b, j.log_gamma, j.W, j.c, &j.log_s2};
      const double *const of[] = {j.by_V, j.by_b, j.by_log_gamma, j.by_W, j.by_c, &j.by_log_s2};
      static const size_t count[] = {M * N, M, M, N * M, N, 1};
      gb_joint_divergence(&j, alphas[k], &used);
      CHECK(used == alphas[k]);
      for (size_t t = 0, n = 0; t < 6; n += count[t++]) memcpy(by + n, t < 5 ? of[t] : &j.by_log_s2, count[t] * 8);
      for (size_t t = 0, n = 0; t < 6; t++)
        for (size_t i = 0; i < count[t]; i++, n++) {
          double kept = at[t][i];
          at[t][i] = kept + h;
          double up = gb_joint_divergence(&j, alphas[k], &used);
          at[t][i] = kept - h;
          double down = gb_joint_divergence(&j, alphas[k], &used);
          at[t][i] = kept;
          CHECK_NEAR(by[n], (up - down) / (2 * h), 1e-7 * (1 + fabs(by[n])));
        }
      gb_joint_destroy(&j);
    }
}

/* The best of all: modes along the axes, the encoder the posterior, signals and noise of linalg/linear.h. */
static void optimum_is_that_of_algebra(void **state)
{
  (void)state;
  static const double lam[N] = {3, 1.5, 0.5, 0.4, 0.2}, alphas[] = {0.4, 0.8, 1, 1.2};
  double none[N] = {0}, diagonal[N * N] = {0};
  gb_joint j;
  CHECK_OK(gb_joint_create(N, M, &j));
  for (size_t i = 0; i < N; i++) diagonal[i * N + i] = lam[i];
  CHECK_OK(gb_joint_data(&j, none, diagonal));
  for (size_t k = 0; k < 4; k++) {
    double S[M], used;
    gb_optimum best;
    CHECK_OK(gb_linear_joint((gb_spectrum){N, lam}, M, alphas[k], 0, S, &best));
    double s2 = best.v[GB_LINEAR_NOISE];
    j.log_s2 = log(s2);
    for (size_t i = 0; i < M; i++) {
      j.W[i * M + i] = sqrt(S[i]);
      j.V[i * N + i] = sqrt(S[i]) / (S[i] + s2);
      j.log_gamma[i] = log(s2 / (S[i] + s2));
    }
    CHECK_NEAR(gb_joint_divergence(&j, alphas[k], &used), -best.v[GB_LINEAR_OBJECTIVE], 1e-12);
    for (size_t i = 0; i < N * M; i++) CHECK(fabs(j.by_V[i]) < 1e-10 && fabs(j.by_W[i]) < 1e-10);
    CHECK(fabs(j.by_log_gamma[0]) < 1e-10 && fabs(j.by_log_gamma[1]) < 1e-10 && fabs(j.by_log_s2) < 1e-8);
  }
  CHECK_NEAR(gb_joint_entropy(&j), (N * log(2 * M_PI * exp(1)) + log(3 * 1.5 * 0.5 * 0.4 * 0.2)) / 2, 1e-13);
  gb_joint_destroy(&j);
}

/* Data much wider than the model: infinite for alpha = 4, and the alpha that is taken instead is not. */
static void domain_is_kept(void **state)
{
  (void)state;
  double used;
  gb_joint j;
  draw(1, &j);
  j.log_s2 = log(0.01);
  double d = gb_joint_divergence(&j, 4, &used);
  CHECK(used > 1 && used < 2 && isfinite(d) && d > 0);
  CHECK_NEAR(d, textbook(&j, used), 1e-9 * d);
  double same;
  CHECK_NEAR(gb_joint_divergence(&j, used, &same), d, 0);
  CHECK(same == used);
  memset(covariance, 0, sizeof covariance);
  for (size_t i = 0; i + 1 < N; i++) covariance[i * N + i] = 1;
  CHECK_FAILS(gb_joint_data(&j, mean, covariance), GB_ERR_NUMERIC, "number 4 of a sample");
  gb_joint_destroy(&j);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(textbook_agrees), TEST(gradient_agrees), TEST(optimum_is_that_of_algebra),
                                     TEST(domain_is_kept)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
