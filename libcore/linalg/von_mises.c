/* linalg/von_mises.c - Bessel functions by series, draws by rejection, their derivative by quadrature. */
#include "linalg/von_mises.h"

#include <math.h>

enum { SWITCH = 25 }; /* kappa from which the asymptotic series reaches double precision */

/* I_nu(x) for small x: (x/2)^nu sum_k (x^2/4)^k / (k! (k + nu)!), nu = 0 or 1. */
static double series(int nu, double x)
{
  double q = x * x / 4, term = nu ? x / 2 : 1, sum = term;
  for (int k = 1; term > 1e-17 * sum; k++) {
    term *= q / ((double)k * (k + nu));
    sum += term;
  }
  return sum;
}

/* I_nu(x) sqrt(2 pi x) exp(-x) for large x: sum_k (-1)^k a_k(nu) / x^k, cut at its smallest term. */
static double asymptotic(int nu, double x)
{
  double mu = 4.0 * nu * nu, term = 1, sum = 1;
  for (int k = 1; k < 60; k++) {
    double next = -term * (mu - (2.0 * k - 1) * (2.0 * k - 1)) / (8.0 * k * x);
    if (fabs(next) >= fabs(term) || fabs(next) < 1e-17) break;
    term = next;
    sum += term;
  }
  return sum;
}

double gb_von_mises_log_i0(double kappa)
{
  if (kappa < SWITCH) return log(series(0, kappa));
  return kappa - log(2 * M_PI * kappa) / 2 + log(asymptotic(0, kappa));
}

double gb_von_mises_length(double kappa)
{
  return kappa < SWITCH ? series(1, kappa) / series(0, kappa) : asymptotic(1, kappa) / asymptotic(0, kappa);
}

double gb_von_mises_length_slope(double kappa)
{
  if (kappa < 1e-4) return 0.5 - 3 * kappa * kappa / 16; /* A = kappa/2 - kappa^3/16 + ... */
  if (kappa > 500) { /* A = 1 - 1/(2 k) - 1/(8 k^2) - 1/(8 k^3) - 25/(128 k^4) - ... */
    double v = 1 / kappa;
    return v * v * (0.5 + v * (0.25 + v * (0.375 + v * 0.78125)));
  }
  double a = gb_von_mises_length(kappa);
  return 1 - a / kappa - a * a;
}

double gb_von_mises_draw(double kappa, gb_key key)
{
  uint32_t w[4];
  if (kappa < 1e-6) { /* uniform to the precision of the numbers */
    gb_rng_block(key, 0, w);
    return M_PI * (2 * gb_rng_unit(w[0]) - 1);
  }
  double tau = 1 + sqrt(1 + 4 * kappa * kappa), rho = (tau - sqrt(2 * tau)) / (2 * kappa);
  double r = (1 + rho * rho) / (2 * rho);
  /* 1 - f is what is needed of f for large kappa, where f -> 1: d = acos(f) = 2 asin(sqrt((1 - f) / 2)) */
  for (uint32_t block = 0;; block++) {
    gb_rng_block(key, block, w);
    double z = cos(M_PI * gb_rng_unit(w[0])), one_minus_f = (r - 1) * (1 - z) / (r + z), f = 1 - one_minus_f;
    double c = kappa * (r - f), u = gb_rng_unit(w[1]);
    if (c * (2 - c) <= u && log(c / u) + 1 < c) continue;
    double d = 2 * asin(sqrt(fmin(1, one_minus_f / 2)));
    return w[2] & 1 ? d : -d;
  }
}

/* Integral of f over [a, b] by 32-point Gauss-Legendre quadrature: 16 nodes of the positive half and their weights
 * (Abramowitz and Stegun, table 25.4). */
static double quadrature(double (*f)(const double *p, double t), const double *p, double a, double b)
{
  enum { HALF = 16 };
  static const double node[HALF] = {
      0.0483076656877383162, 0.1444719615827964934, 0.2392873622521370745, 0.3318686022821276497,
      0.4213512761306353454, 0.5068999089322293900, 0.5877157572407623290, 0.6630442669302152010,
      0.7321821187402896804, 0.7944837959679424070, 0.8493676137325699701, 0.8963211557660521240,
      0.9349060759377396892, 0.9647622555875064308, 0.9856115115452683354, 0.9972638618494815635};
  static const double weight[HALF] = {
      0.0965400885147278006, 0.0956387200792748594, 0.0938443990808045654, 0.0911738786957638847,
      0.0876520930044038111, 0.0833119242269467552, 0.0781938957870703065, 0.0723457941088485062,
      0.0658222227763618468, 0.0586840934785355471, 0.0509980592623761762, 0.0428358980222266807,
      0.0342738629130214331, 0.0253920653092620595, 0.0162743947309056706, 0.0070186100094700966};
  double sum = 0, middle = (a + b) / 2, half = (b - a) / 2;
  for (int i = 0; i < HALF; i++) sum += weight[i] * (f(p, middle - half * node[i]) + f(p, middle + half * node[i]));
  return half * sum;
}

/* (cos t - A) exp(kappa (cos t - cos d)); p = {kappa, A, d} */
static double moved_weight(const double *p, double t)
{
  double drop = 2 * sin((p[2] - t) / 2) * sin((p[2] + t) / 2); /* cos t - cos d, without cancellation */
  return (cos(t) - p[1]) * exp(p[0] * drop);
}

double gb_von_mises_move(double kappa, double d)
{
  /* dF/dkappa at |d| is the integral of (cos t - A) p(t) over [0, |d|], which is minus that over [|d|, pi]. The first
   * loses digits in the tail, where it is a small difference; there the second is taken, as far as exp(-36) reaches. */
  double x = fabs(d), p[3] = {kappa, gb_von_mises_length(kappa), x}, height = kappa * (1 - cos(x)), move;
  if (height < 8) {
    move = -quadrature(moved_weight, p, 0, x);
  } else {
    double end = cos(x) - 36 / kappa;
    move = quadrature(moved_weight, p, x, end > -1 ? acos(end) : M_PI);
  }
  return d < 0 ? -move : move;
}
