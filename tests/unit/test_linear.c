/* tests/unit/test_linear.c - optima of the linear-Gaussian VAE: numbers worked out elsewhere, and that they are optima
 * of the objectives as these are defined. */
#include "linalg/linear.h"

#include "check.h"

enum { N = 8, M = 4 };
static const double lam[N] = {5, 3, 1.5, .9, .6, .5, .4, .3};
static const gb_spectrum data = {N, lam};

/* A linear model with a code of its own along every mode, and the objectives of such by their definitions. */
typedef struct model {
  size_t m;
  double s2, S[M], gain[M], gamma[M]; /* E mu^2 = gain^2 lam */
} model;

static double kl(double mu2, double g)
{
  return 0.5 * (g + mu2 - 1 - log(g));
}

/* -ln p(x|z) for a code with this gain and variance. */
static double distortion(const model *x, const double *gain, const double *variance)
{
  double sum = 0;
  for (size_t i = 0; i < N; i++) {
    double left = i < x->m ? 1 - sqrt(x->S[i]) * gain[i] : 1;
    sum += lam[i] * left * left + (i < x->m ? x->S[i] * variance[i] : 0);
  }
  return 0.5 * (N * log(2 * M_PI * x->s2) + sum / x->s2);
}

static double elbo(const model *x, double beta)
{
  double sum = -distortion(x, x->gain, x->gamma);
  for (size_t i = 0; i < x->m; i++) sum -= beta * kl(x->gain[i] * x->gain[i] * lam[i], x->gamma[i]);
  return sum;
}

/* D_alpha(N(mu, g) || N(0, 1)) is linear in mu^2. */
static double renyi(double mu2, double g, double a)
{
  double v = a + (1 - a) * g;
  return a == 1 ? kl(mu2, g) : a * mu2 / (2 * v) + (log(v) - (1 - a) * log(g)) / (2 * (1 - a));
}

static double escort(const model *x, double a)
{
  double gain[M], variance[M], sum = 0;
  for (size_t i = 0; i < x->m; i++) {
    double v = a + (1 - a) * x->gamma[i];
    gain[i] = a * x->gain[i] / v;
    variance[i] = x->gamma[i] / v;
    sum -= renyi(x->gain[i] * x->gain[i] * lam[i], x->gamma[i], a);
  }
  return sum - distortion(x, gain, variance);
}

/* -D_alpha of the joints: every mode is a pair (x, z) of centred Gaussian numbers. */
static double joint(const model *x, double a)
{
  double sum = 0;
  for (size_t i = 0; i < N; i++) {
    bool on = i < x->m;
    double k = on ? x->gain[i] : 0, g = on ? x->gamma[i] : 1, w = on ? sqrt(x->S[i]) : 0, tau = w * w + x->s2;
    double q[3] = {lam[i], k * lam[i], k * k * lam[i] + g}, p[3] = {tau, w, 1}, mix[3];
    for (int c = 0; c < 3; c++) mix[c] = (1 - a) * q[c] + a * p[c];
    double det_q = lam[i] * g, det_p = x->s2, det = mix[0] * mix[2] - mix[1] * mix[1];
    sum += (log(det) - (1 - a) * log(det_q) - a * log(det_p)) / (2 * (1 - a));
  }
  return -sum;
}

/* The optimum as a model: q has escort variance s2 / tau, or is the posterior of noise `factor` s2. */
static model made_of(const double *S, double s2, size_t m, double factor, double alpha)
{
  model x = {.m = m, .s2 = s2};
  for (size_t i = 0; i < m; i++) {
    double tau = S[i] + factor * s2, c = 1 - (1 - alpha) * s2 / tau;
    x.S[i] = S[i];
    x.gain[i] = alpha == 1 ? sqrt(S[i]) / tau : sqrt(S[i]) / (c * S[i] + s2);
    x.gamma[i] = alpha == 1 ? factor * s2 / tau : alpha * s2 / (tau * c);
  }
  return x;
}

/* No small change of any number makes the objective larger than `value`, which it has here. */
static void check_optimal(double (*f)(const model *, double), model x, double weight, double value, bool free_noise)
{
  CHECK_NEAR(f(&x, weight), value, 1e-9);
  double *const part[] = {x.S, x.gain, x.gamma};
  for (int sign = -1; sign <= 1; sign += 2) {
    const double h = 1e-4 * sign;
    for (int k = 0; k < 3; k++)
      for (size_t i = 0; i < x.m; i++) {
        double was = part[k][i];
        part[k][i] = was * (1 + h) + (k == 2 ? 0 : fabs(h));
        CHECK(f(&x, weight) < value + 1e-13 * N);
        part[k][i] = was;
      }
    if (!free_noise) continue;
    double was = x.s2;
    x.s2 *= 1 + h;
    CHECK(f(&x, weight) < value);
    x.s2 = was;
  }
}

static void elbo_and_beta(void **state)
{
  static const struct {
    double beta, s2, S[M];
  } known[] = {{.5, .3, {4.85, 2.85, 1.35, .75}}, {1, .45, {4.55, 2.55, 1.05, .45}}, {3, 1.44, {.68, 0, 0, 0}}};
  double S[M];
  gb_optimum o;
  (void)state;
  for (size_t k = 0; k < 3; k++) {
    double beta = known[k].beta;
    CHECK_OK(gb_linear_elbo(data, M, beta, 0, S, &o));
    CHECK_NEAR(o.v[GB_LINEAR_NOISE], known[k].s2, 1e-12);
    for (int i = 0; i < M; i++) CHECK_NEAR(S[i], known[k].S[i], 1e-12);
    CHECK_NEAR(o.v[GB_LINEAR_ACTIVE], k == 2 ? 1 : M, 0);
    check_optimal(elbo, made_of(S, known[k].s2, M, beta, 1), beta, o.v[GB_LINEAR_OBJECTIVE], true);
    CHECK_OK(gb_linear_elbo(data, M, beta, .7, S, &o));
    check_optimal(elbo, made_of(S, .7, M, beta, 1), beta, o.v[GB_LINEAR_OBJECTIVE], false);
  }
}

/* At the optimum of the ELBO the bound is tight; the discarded modes have their mean. */
static void probabilistic_pca(void **state)
{
  double S[M];
  gb_optimum o;
  (void)state;
  for (size_t m = 0; m <= M; m++) {
    double s2 = 0, ln_det = 0, information = 0;
    for (size_t i = m; i < N; i++) s2 += lam[i] / (double)(N - m);
    for (size_t i = 0; i < N; i++) ln_det += log(i < m ? lam[i] : s2);
    for (size_t i = 0; i < m; i++) information += 0.5 * log(lam[i] / s2);
    CHECK_OK(gb_linear_elbo(data, m, 1, 0, S, &o));
    CHECK_NEAR(o.v[GB_LINEAR_NOISE], s2, 1e-14);
    CHECK_NEAR(o.v[GB_LINEAR_LIKELIHOOD], -0.5 * (N * log(2 * M_PI) + ln_det + N), 1e-12);
    CHECK_NEAR(o.v[GB_LINEAR_OBJECTIVE], o.v[GB_LINEAR_LIKELIHOOD], 1e-12);
    CHECK_NEAR(o.v[GB_LINEAR_RATE], information, 1e-12);
    CHECK_NEAR(o.v[GB_LINEAR_INFORMATION], information, 1e-12);
  }
}

static void rate_and_distortion(void **state)
{
  double S[M], rate, error;
  gb_optimum o;
  (void)state;
  for (double beta = 0.2; beta < 20; beta *= 1.3) /* the points of a beta sweep lie on the curve */
    for (double s2 = 0; s2 < 1; s2 += 0.25) {
      CHECK_OK(gb_linear_elbo(data, M, beta, s2, S, &o));
      double noise = o.v[GB_LINEAR_NOISE];
      gb_linear_rate(data, M, beta * noise, &rate, &error);
      CHECK_NEAR(o.v[GB_LINEAR_RATE], rate, 1e-12);
      CHECK_NEAR(o.v[GB_LINEAR_ERROR], error, 1e-12);
      double k = o.v[GB_LINEAR_ACTIVE], rest = 0; /* D = n/2 ln 2 pi s2 + k beta/2 + sum of inactive lam / (2 s2) */
      for (size_t i = (size_t)k; i < N; i++) rest += lam[i] / (2 * noise);
      CHECK_NEAR(o.v[GB_LINEAR_DISTORTION], N / 2. * log(2 * M_PI * noise) + k * beta / 2 + rest, 1e-12);
    }
  for (double level = 0.2; level < 6; level += 0.3) { /* slope dD/dR = -level, D half the error */
    double r[2], d[2], h = 1e-6 * level;
    gb_linear_rate(data, N, level - h, &r[0], &d[0]);
    gb_linear_rate(data, N, level + h, &r[1], &d[1]);
    if (level < 5) CHECK_NEAR((d[1] - d[0]) / (r[1] - r[0]) / 2, -level, 1e-5 * level);
  }
  for (size_t m = 0; m <= N; m++) { /* the same curve by its rate; the error that is left at no and at any rate */
    CHECK_NEAR(gb_linear_error_at(data, m, 0), 12.2, 1e-12);
    double left = 0;
    for (size_t i = m; i < N; i++) left += lam[i];
    CHECK_NEAR(gb_linear_error_at(data, m, INFINITY), left, 1e-12);
    for (double level = 0.01; level < 5; level *= 1.3) {
      gb_linear_rate(data, m, level, &rate, &error);
      CHECK_NEAR(gb_linear_error_at(data, m, rate), error, 1e-12);
    }
  }
  gb_linear_rate(data, N, 5, &rate, &error);
  CHECK_NEAR(rate, 0, 0);
  CHECK_NEAR(error, 12.2, 1e-12);
  gb_linear_rate(data, N, 1, &rate, &error);
  CHECK_NEAR(rate, 0.5 * log(5 * 3 * 1.5), 1e-14);
  CHECK_NEAR(error, 3 + .9 + .6 + .5 + .4 + .3, 1e-14);
  gb_linear_rate(data, 1, 1, &rate, &error); /* one latent has nothing for the second mode */
  CHECK_NEAR(rate, 0.5 * log(5), 1e-14);
  CHECK_NEAR(error, 8.2, 1e-14);
}

static void escort_signals(void **state)
{
  static const double alpha[] = {.3, .5, .8, 1, 1.3}, of[2][5] = {{1.686434, 1.630846, 1.550937, 1.5, 1.427108},
                                                                  {3.767557, 3.690110, 3.575425, 3.5, 3.388483}};
  gb_optimum o;
  double S[M], s2 = 0.5;
  (void)state;
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < 5; i++) {
      double l = 2 + 2 * k, e = 1 - alpha[i];
      CHECK_OK(gb_linear_escort((gb_spectrum){1, &l}, 1, alpha[i], s2, S, &o));
      CHECK_NEAR(S[0], of[k][i], 5.1e-7);
      double tau = S[0] + s2, f = tau * tau - e * s2 * tau + e * s2 * s2;
      CHECK_NEAR(f * f / (tau * tau * (tau - e * s2)), l, 1e-12);
    }
}

/* Where a mode begins: for alpha < 1/sqrt 2 with a jump, before the slope at 0 would let it. */
static void escort_begins(void **state)
{
  static const struct {
    double alpha, at, S;
  } known[] = {{.3, 2.182, 1.165}, {.5, 1.803, .575}, {.6, 1.619, .30},
               {.7, 1.4284, 0},    {.9, 1 / .9, 0},   {1.5, 1 / 1.5, 0}};
  gb_optimum o;
  double S;
  (void)state;
  for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
    double lo = 0.1, hi = 10;
    for (int i = 0; i < 60; i++) {
      double mid = (lo + hi) / 2;
      CHECK_OK(gb_linear_escort((gb_spectrum){1, &mid}, 1, known[k].alpha, 1, &S, &o));
      if (S > 0)
        hi = mid;
      else
        lo = mid;
    }
    CHECK_NEAR(hi, known[k].at, 5.1e-4);
    CHECK_OK(gb_linear_escort((gb_spectrum){1, &hi}, 1, known[k].alpha, 1, &S, &o));
    CHECK_NEAR(S, known[k].S, known[k].alpha < .65 ? 6e-3 : 0.05); /* a scan found them */
  }
}

static void escort_is_optimal(void **state)
{
  static const double alpha[] = {.05, .3, .5, .65, .8, 1, 1.1, 1.5, 4};
  double S[M];
  gb_optimum o, one, fixed;
  (void)state;
  for (size_t k = 0; k < sizeof alpha / sizeof *alpha; k++) {
    CHECK_OK(gb_linear_escort(data, M, alpha[k], 0, S, &o));
    double s2 = o.v[GB_LINEAR_NOISE], value = o.v[GB_LINEAR_OBJECTIVE];
    check_optimal(escort, made_of(S, s2, M, 1, alpha[k]), alpha[k], value, true);
    for (double x = 0.05; x < 30; x *= 1.02) { /* the best of all noises */
      CHECK_OK(gb_linear_escort(data, M, alpha[k], x, S, &fixed));
      CHECK(fixed.v[GB_LINEAR_OBJECTIVE] <= value + 1e-12);
    }
    double rate, error; /* another code than the best one: above the curve */
    gb_linear_rate(data, M, s2, &rate, &error);
    CHECK(o.v[GB_LINEAR_ERROR] + 2 * s2 * o.v[GB_LINEAR_RATE] >= error + 2 * s2 * rate - 1e-12);
  }
  CHECK_OK(gb_linear_escort(data, M, 1, 0, S, &one));
  CHECK_OK(gb_linear_elbo(data, M, 1, 0, S, &o));
  for (int i = 0; i < GB_LINEAR_NUMBERS; i++) CHECK_NEAR(one.v[i], o.v[i], 1e-9);
}

static void joint_noise(void **state)
{
  static const double rest[5] = {.9, .6, .5, .4, .3};
  static const double known[][3] = {{.01, .47180, 5.1e-6},  {.3, .489880, 5.1e-7},  {.7, .517328, 5.1e-7},
                                    {.99, .539216, 5.1e-7}, {1, .54, 1e-12},        {1.2, .556051, 5.1e-7},
                                    {1.4, .572655, 5.1e-7}, {1e-9, .471204, 5.1e-7}};
  gb_optimum o;
  (void)state;
  for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
    double a = known[k][0], sum = 0, weights = 0;
    CHECK_OK(gb_linear_joint((gb_spectrum){5, rest}, 0, a, 0, NULL, &o));
    double s2 = o.v[GB_LINEAR_NOISE];
    CHECK_NEAR(s2, known[k][1], known[k][2]);
    for (int j = 0; j < 5; j++) {
      double w = 1 / ((1 - a) * rest[j] + a * s2);
      sum += w * rest[j];
      weights += w;
    }
    CHECK_NEAR(s2, sum / weights, 1e-12);
  }
}

static void joint_is_optimal(void **state)
{
  static const double alpha[] = {.1, .5, .9, 1.1, 1.5, 3};
  double S[M];
  gb_optimum o;
  (void)state;
  for (size_t k = 0; k < sizeof alpha / sizeof *alpha; k++) {
    CHECK_OK(gb_linear_joint(data, M, alpha[k], 0, S, &o));
    double s2 = o.v[GB_LINEAR_NOISE];
    for (int i = 0; i < M; i++) CHECK_NEAR(S[i], lam[i] - s2, 1e-13); /* every kept mode has its own variance */
    check_optimal(joint, made_of(S, s2, M, 1, 1), alpha[k], o.v[GB_LINEAR_OBJECTIVE], true);
    CHECK_OK(gb_linear_joint(data, M, alpha[k], 1, S, &o)); /* that of the fourth is less than the noise */
    CHECK(S[2] > 0 && S[3] == 0);
    CHECK_NEAR(o.v[GB_LINEAR_ACTIVE], 3, 0);
  }
}

/* alpha through 1 without a jump: on both sides of it, 1e-7 away, numbers move in a straight line; and beta of the
 * limit.
 */
static void continuous_at_one(void **state)
{
  gb_linear_objective *const of[] = {gb_linear_elbo, gb_linear_escort, gb_linear_joint};
  double S[3][M];
  gb_optimum o[3];
  (void)state;
  for (int f = 0; f < 3; f++)
    for (double s2 = 0; s2 < 1; s2 += 0.6) {
      for (int k = 0; k < 3; k++) CHECK_OK(of[f](data, M, 1 + 1e-7 * (k - 1), s2, S[k], &o[k]));
      for (int i = 0; i < M; i++) {
        CHECK_NEAR((S[0][i] + S[2][i]) / 2, S[1][i], 1e-8);
        CHECK_NEAR(S[0][i], S[2][i], 1e-6);
      }
      for (int i = 0; i < GB_LINEAR_NUMBERS; i++) CHECK_NEAR((o[0].v[i] + o[2].v[i]) / 2, o[1].v[i], 1e-8);
    }
}

/* W = [1 .2; .5 -.3; 0 .8] has these squared singular values; x = (.7, -.4, 1.1) in its basis, noise 0.25. */
static void density_and_informations(void **state)
{
  double x[3] = {.7, -.4, 1.1}, S[2], y2[2], s2 = .25;
  (void)state;
  double a = 1.25, b = 1 * .2 - .5 * .3, c = .04 + .09 + .64, root = sqrt((a - c) * (a - c) / 4 + b * b);
  double wx[2] = {x[0] + .5 * x[1], .2 * x[0] - .3 * x[1] + .8 * x[2]}, rest = .49 + .16 + 1.21;
  for (int k = 0; k < 2; k++) {
    S[k] = (a + c) / 2 + (k ? -root : root);
    double v[2] = {b, S[k] - a}, norm2 = v[0] * v[0] + v[1] * v[1], dot = wx[0] * v[0] + wx[1] * v[1];
    y2[k] = dot * dot / norm2 / S[k];
    rest -= y2[k];
  }
  CHECK_NEAR(sqrt(S[0]), 1.12033612, 5.1e-9);
  CHECK_NEAR(sqrt(S[1]), 0.87455531, 5.1e-9);
  CHECK_NEAR(gb_linear_log_density(3, 2, S, s2, y2, rest), -3.1838315973, 1e-9);

  double rho2[2] = {S[0] / (S[0] + s2), S[1] / (S[1] + s2)}, shannon = 0;
  for (int i = 0; i < 2; i++) shannon -= 0.5 * log(1 - rho2[i]);
  CHECK_NEAR(gb_linear_renyi_information(2, S, s2, 1), shannon, 1e-14);
  CHECK_NEAR(gb_linear_renyi_information(2, S, s2, 1 + 1e-8), shannon, 1e-7);
  for (double alpha = .3; alpha < 2; alpha += .4) {
    double sum = shannon;
    for (int i = 0; i < 2; i++) sum += log(1 - (1 - alpha) * (1 - alpha) * rho2[i]) / (2 * (1 - alpha));
    CHECK_NEAR(gb_linear_renyi_information(2, S, s2, alpha), sum, 1e-12);
  }
  CHECK(isinf(gb_linear_renyi_information(2, S, s2, 2.5)));
}

static void refusals(void **state)
{
  static const double some[4] = {2, 1, 0, 0};
  double S[8];
  gb_optimum o;
  (void)state;
  CHECK_FAILS(gb_linear_elbo(data, N + 1, 1, 1, S, &o), GB_ERR_CONFIG, "9 latents are more than the 8 numbers");
  CHECK_FAILS(gb_linear_escort(data, N, 1, 0, S, &o), GB_ERR_CONFIG, "8 latents leave no variance");
  CHECK_FAILS(gb_linear_elbo((gb_spectrum){4, some}, 2, 1, 0, S, &o), GB_ERR_CONFIG, "leave no variance");
  CHECK_FAILS(gb_linear_joint((gb_spectrum){4, some}, 1, .5, 0, S, &o), GB_ERR_NUMERIC, "singular");
  CHECK_FAILS(gb_linear_joint(data, 0, 3, .5, S, &o), GB_ERR_NUMERIC, "alpha = 3 is outside of the domain");
  CHECK_OK(gb_linear_elbo(data, N, 1, .1, S, &o)); /* with a noise all of them are fine */
  CHECK_NEAR(S[N - 1], .2, 1e-15);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(elbo_and_beta),
                                     TEST(probabilistic_pca),
                                     TEST(rate_and_distortion),
                                     TEST(escort_signals),
                                     TEST(escort_begins),
                                     TEST(escort_is_optimal),
                                     TEST(joint_noise),
                                     TEST(joint_is_optimal),
                                     TEST(continuous_at_one),
                                     TEST(density_and_informations),
                                     TEST(refusals)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
