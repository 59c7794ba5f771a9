/* linalg/linear.c - optima of the linear-Gaussian VAE, mode by mode. */
#include "linalg/linear.h"

#include <math.h>

/* An encoder along a mode: E mu^2 = gain^2 lam, variance gamma. */
typedef struct code {
  double gain, gamma;
} code;

/* The posterior of a model with noise s2 and signal S. */
static code posterior(double S, double s2)
{
  return (code){sqrt(S) / (S + s2), s2 / (S + s2)};
}

static double total(gb_spectrum of, size_t first)
{
  double sum = 0;
  for (size_t i = of.n; i-- > first;) sum += of.lam[i]; /* small ones first */
  return sum;
}

/* Numbers of the modes from m on, which the model leaves to the noise. */
static void begin(gb_spectrum of, size_t m, double s2, gb_optimum *out)
{
  double rest = total(of, m);
  *out = (gb_optimum){{0}};
  out->v[GB_LINEAR_NOISE] = s2;
  out->v[GB_LINEAR_ERROR] = rest;
  out->v[GB_LINEAR_LIKELIHOOD] = -0.5 * ((double)of.n * log(2 * M_PI * s2) + rest / s2);
}

static void add_mode(double lam, double S, code q, gb_optimum *out)
{
  double *v = out->v, s2 = v[GB_LINEAR_NOISE], left = 1 - sqrt(S) * q.gain;
  v[GB_LINEAR_ACTIVE] += S > 0;
  v[GB_LINEAR_LIKELIHOOD] -= 0.5 * (log1p(S / s2) + lam / (S + s2));
  v[GB_LINEAR_INFORMATION] += 0.5 * log1p(S / s2);
  v[GB_LINEAR_RATE] += 0.5 * (q.gamma - 1 + q.gain * q.gain * lam - log(q.gamma));
  v[GB_LINEAR_ERROR] += lam * left * left + S * q.gamma;
}

static void finish(gb_spectrum of, gb_optimum *out)
{
  double *v = out->v, s2 = v[GB_LINEAR_NOISE];
  v[GB_LINEAR_DISTORTION] = 0.5 * ((double)of.n * log(2 * M_PI * s2) + v[GB_LINEAR_ERROR] / s2);
}

static gb_err check(gb_spectrum of, size_t m, double s2)
{
  GB_CHECK(m <= of.n, GB_ERR_CONFIG, "%zu latents are more than the %zu numbers of a sample", m, of.n);
  GB_CHECK(s2 > 0 || (m < of.n && of.lam[m] > 0), GB_ERR_CONFIG,
           "%zu latents leave no variance from which the noise could be found: use fewer of them, or more samples", m);
  return GB_OK;
}

/* The noise of the beta-ELBO with its k active modes: the sum over all modes of lam / s2, but at most beta of each of
 * the first m, is n; it falls with s2, so there is one solution. */
static double elbo_noise(gb_spectrum of, size_t m, double beta)
{
  for (size_t k = m; k > 0; k--) {
    double room = (double)of.n - beta * (double)k, s2 = total(of, k) / room;
    if (room > 0 && of.lam[k - 1] > beta * s2) return s2;
  }
  return total(of, 0) / (double)of.n;
}

gb_err gb_linear_elbo(gb_spectrum of, size_t m, double beta, double s2, double *S, gb_optimum *out)
{
  GB_TRY(check(of, m, s2));
  if (s2 == 0) s2 = elbo_noise(of, m, beta);
  begin(of, m, s2, out);
  for (size_t i = 0; i < m; i++) {
    S[i] = fmax(0, of.lam[i] - beta * s2);
    add_mode(of.lam[i], S[i], posterior(S[i], beta * s2), out);
  }
  finish(of, out);
  out->v[GB_LINEAR_OBJECTIVE] = -out->v[GB_LINEAR_DISTORTION] - beta * out->v[GB_LINEAR_RATE];
  return GB_OK;
}

/* --- RELBO-B. In units of the noise: l = lam / s2, u = tau / s2 >= 1, e = 1 - alpha. */

/* The variance for which u is stationary; it has this value at u = 1, too, where the mode begins. */
static double escort_variance(double u, double e)
{
  double f = u * u - e * u + e;
  return f * f / (u * u * (u - e));
}

/* Its derivative has the sign of this, which changes at most once above u = 1. */
static double escort_slope(double u, double e)
{
  return ((u - e) * u - 3 * e) * u + 2 * e * e;
}

/* The largest u in (lo, hi] at which a function that rises through 0 from there on does so. */
static double bisect(double (*f)(double u, double e), double e, double target, double lo, double hi)
{
  for (int i = 0; i < 200 && lo < hi; i++) {
    double mid = lo + (hi - lo) / 2;
    if (mid <= lo || mid >= hi) break;
    if (f(mid, e) < target)
      lo = mid;
    else
      hi = mid;
  }
  return hi;
}

/* What the mode adds to the objective, without -1/2 ln 2 pi s2: encoder of escort variance t = 1/u. */
static double escort_value(double l, double u, double e)
{
  double t = 1 / u, c = 1 - e * t, alpha = 1 - e;
  /* (ln alpha - ln c) / e */
  double log_ratio = e == 0 ? t - 1 : log1p(-e * (1 - t) / c) / e;
  return -l / (2 * (1 + c * (u - 1))) - (u - 1) * t / 2 - alpha / 2 * log_ratio - log(u) / 2;
}

/* tau / s2 of the best model along a mode; 1: it is not active. */
static double escort_tau(double l, double e)
{
  double least = 1, hi = 2;
  if (escort_slope(1, e) < 0) { /* alpha < 1/sqrt 2: two stationary points, the upper one a maximum */
    while (escort_slope(hi, e) < 0) hi *= 2;
    least = bisect(escort_slope, e, 0, 1, hi);
  }
  if (l <= escort_variance(least, e)) return 1;
  hi = fmax(2 * least, l);
  while (escort_variance(hi, e) < l) hi *= 2;
  double u = bisect(escort_variance, e, l, least, hi);
  return escort_value(l, u, e) > escort_value(l, 1, e) ? u : 1;
}

/* The objective with noise s2, and its derivative by ln s2: signals and encoders are at their optimum, so only what
 * contains s2 itself counts. */
static double escort_at(gb_spectrum of, size_t m, double e, double s2, double *slope)
{
  double rest = total(of, m), sum = -0.5 * ((double)of.n * log(2 * M_PI * s2) + rest / s2);
  *slope = 0.5 * (rest / s2 - (double)of.n);
  for (size_t i = 0; i < m; i++) {
    double l = of.lam[i] / s2, u = escort_tau(l, e), a = 1 + (1 - e / u) * (u - 1);
    sum += escort_value(l, u, e);
    *slope += 0.5 * (l / (a * a) + (u - 1) / u);
  }
  return sum;
}

/* The best noise: the objective has several maxima where modes begin with a jump, so the range is searched before the
 * best one is refined. */
static double escort_noise(gb_spectrum of, size_t m, double e)
{
  enum { STEPS = 400 };
  double slope, best = -INFINITY; /* below lo it rises; above hi no mode is active, and it falls */
  double lo = log(total(of, m) / (double)of.n), hi = log(fmax(1, 1 - e) * of.lam[0]), at = lo;
  double step = (hi - lo) / STEPS;
  for (int i = 0; i <= STEPS; i++) {
    double x = lo + step * i, y = escort_at(of, m, e, exp(x), &slope);
    if (y > best) best = y, at = x;
  }
  double a = at - step, b = at + step; /* the derivative is positive at a, negative at b */
  for (int i = 0; i < 100 && a < b; i++) {
    double x = a + (b - a) / 2;
    escort_at(of, m, e, exp(x), &slope);
    if (slope > 0)
      a = x;
    else
      b = x;
  }
  return exp(a + (b - a) / 2);
}

gb_err gb_linear_escort(gb_spectrum of, size_t m, double alpha, double s2, double *S, gb_optimum *out)
{
  double e = 1 - alpha, slope;
  GB_TRY(check(of, m, s2));
  if (s2 == 0) s2 = escort_noise(of, m, e);
  begin(of, m, s2, out);
  for (size_t i = 0; i < m; i++) {
    double u = escort_tau(of.lam[i] / s2, e), c = 1 - e / u;
    S[i] = s2 * (u - 1);
    add_mode(of.lam[i], S[i], (code){sqrt(S[i]) / (c * S[i] + s2), alpha / (u * c)}, out);
  }
  finish(of, out);
  out->v[GB_LINEAR_OBJECTIVE] = escort_at(of, m, e, s2, &slope);
  return GB_OK;
}

/* --- RELBO-C. */

/* sum (s2 - lam_j) / ((1 - alpha) lam_j + alpha s2) over the modes from m on: rises with s2, 0 at the best noise. */
static double joint_balance(gb_spectrum of, size_t m, double alpha, double s2)
{
  double sum = 0;
  for (size_t j = m; j < of.n; j++) sum += (s2 - of.lam[j]) / ((1 - alpha) * of.lam[j] + alpha * s2);
  return sum;
}

static double joint_noise(gb_spectrum of, size_t m, double alpha)
{
  double hi = of.lam[m], lo = fmax(of.lam[of.n - 1], alpha > 1 ? (1 - 1 / alpha) * hi : 0);
  for (int i = 0; i < 200; i++) {
    double mid = lo + (hi - lo) / 2;
    if (mid <= lo || mid >= hi) break;
    if (joint_balance(of, m, alpha, mid) < 0)
      lo = mid;
    else
      hi = mid;
  }
  return hi;
}

/* D_alpha(N(0, lam) || N(0, tau)); INFINITY outside of its domain. */
static double joint_divergence(double lam, double tau, double alpha)
{
  double e = 1 - alpha, less = lam / tau - 1;
  if (1 + e * less <= 0) return INFINITY;
  return 0.5 * (log(tau / lam) + (e == 0 ? less : log1p(e * less) / e));
}

gb_err gb_linear_joint(gb_spectrum of, size_t m, double alpha, double s2, double *S, gb_optimum *out)
{
  double divergence = 0;
  GB_TRY(check(of, m, s2));
  GB_CHECK(
      of.lam[of.n - 1] > 0, GB_ERR_NUMERIC,
      "the covariance is singular, so the joint divergence is infinite: there are too few samples, or some of their "
      "numbers are constant");
  if (s2 == 0) s2 = joint_noise(of, m, alpha);
  for (size_t i = 0; i < m; i++) S[i] = fmax(0, of.lam[i] - s2);
  for (size_t i = 0; i < of.n; i++) divergence += joint_divergence(of.lam[i], s2 + (i < m ? S[i] : 0), alpha);
  GB_CHECK(isfinite(divergence), GB_ERR_NUMERIC,
           "alpha = %g is outside of the domain of the joint divergence for a noise of variance %g", alpha, s2);
  begin(of, m, s2, out);
  for (size_t i = 0; i < m; i++) add_mode(of.lam[i], S[i], posterior(S[i], s2), out);
  finish(of, out);
  out->v[GB_LINEAR_OBJECTIVE] = -divergence;
  return GB_OK;
}

void gb_linear_rate(gb_spectrum of, size_t m, double level, double *rate, double *error)
{
  *rate = 0;
  *error = total(of, m);
  for (size_t i = 0; i < m; i++) {
    if (of.lam[i] > level) *rate += 0.5 * log(of.lam[i] / level);
    *error += fmin(of.lam[i], level);
  }
}

/* With k modes above the level, 2 rate = sum ln lam_i - k ln level. */
double gb_linear_error_at(gb_spectrum of, size_t m, double rate)
{
  double sum = 0, level = of.n ? of.lam[0] : 0, unused, error;
  for (size_t k = 1; k <= m && of.lam[k - 1] > 0; k++) {
    sum += log(of.lam[k - 1]);
    level = exp((sum - 2 * rate) / (double)k);
    if (k < m && of.lam[k] <= level) break;
  }
  gb_linear_rate(of, m, level, &unused, &error);
  return error;
}

double gb_linear_renyi_information(size_t m, const double *S, double s2, double alpha)
{
  double e = 1 - alpha, sum = 0;
  for (size_t i = 0; i < m; i++) {
    double rho2 = S[i] / (S[i] + s2);
    if (1 - e * e * rho2 <= 0) return INFINITY;
    sum += 0.5 * log1p(S[i] / s2) + (e == 0 ? 0 : 0.5 * log1p(-e * e * rho2) / e);
  }
  return sum;
}

double gb_linear_log_density(size_t n, size_t m, const double *S, double s2, const double *y2, double rest)
{
  double sum = (double)n * log(2 * M_PI * s2) + rest / s2;
  for (size_t i = 0; i < m; i++) sum += log1p(S[i] / s2) + y2[i] / (S[i] + s2);
  return -sum / 2;
}
