/* ad/pull_back.c - Fisher information and score of decoded angles, by latents.
 *
 * Rows are whitened: a row of the Jacobian times the root of F, the residual as score over that root. Then all that is
 * wanted are their scalar products, in double, in an order that depends on nothing. */
#include <math.h>
#include <string.h>

#include "ad/rotor.h"
#include "linalg/vmath.h"
#include "linalg/von_mises.h"

enum { STRIP = 64, LANES = 8, MOST = 64 };

/* Whitened numbers of a strip of sites: of the angles, then of the spreads; row MOST is the residual. */
typedef struct strip {
  double row[MOST + 1][2 * STRIP];
} strip;

/* Roots of F, and scores over them, of one site. */
typedef struct site {
  double root_angle, residual_angle, root_spread, residual_spread;
} site;

static site gaussian_site(double cosine, double sine, double l)
{
  double root = exp(-l / 2), d = (double)gb_angle((gb_real)cosine, (gb_real)sine) * root;
  return (site){root, d, sqrt(0.5), (d * d - 1) * sqrt(0.5)};
}

/* ln p = kappa cos d - ln I0(kappa), kappa = exp(-l) */
static site von_mises_site(double cosine, double sine, double l)
{
  double kappa = exp(-l), length = gb_von_mises_length(kappa), root = sqrt(kappa * length);
  double root_spread = kappa * sqrt(gb_von_mises_length_slope(kappa));
  return (site){root, kappa * sine / root, root_spread, kappa * (length - cosine) / root_spread};
}

static void whiten(gb_noise noise, const gb_node *u, const gb_node *l, double fixed, size_t row, const gb_real *x,
                   size_t first, size_t count, strip *s)
{
  size_t n = u->directions, rest = (STRIP - count) * sizeof(double);
  for (size_t d = 0; d <= n && rest; d++) {
    memset(s->row[d] + count, 0, rest);
    memset(s->row[d] + STRIP + count, 0, rest);
  }
  const gb_real *v = u->v + row * u->width + 2 * first;
  for (size_t i = 0; i < count; i++) {
    double uc = (double)v[2 * i], us = (double)v[2 * i + 1], xc = (double)x[2 * (first + i)],
           xs = (double)x[2 * (first + i) + 1], square = uc * uc + us * us, length = sqrt(square);
    double spread = l ? (double)l->v[row * l->width + first + i] : fixed;
    site k = (noise == GB_GAUSSIAN ? gaussian_site : von_mises_site)((xc * uc + xs * us) / length,
                                                                     (xs * uc - xc * us) / length, spread);
    double fc = -us / square * k.root_angle, fs = uc / square * k.root_angle;
    const gb_real *t = u->t + row * n * u->width + 2 * (first + i);
    for (size_t d = 0; d < n; d++) s->row[d][i] = fc * (double)t[d * u->width] + fs * (double)t[d * u->width + 1];
    s->row[n][i] = k.residual_angle;
    if (!l) continue;
    const gb_real *tl = l->t + row * n * l->width + first + i;
    for (size_t d = 0; d < n; d++) s->row[d][STRIP + i] = k.root_spread * (double)tl[d * l->width];
    s->row[n][STRIP + i] = k.residual_spread;
  }
}

static double product(size_t n, const double *restrict a, const double *restrict b)
{
  double sum[LANES] = {0};
  for (size_t i = 0; i < n; i += LANES)
    for (size_t k = 0; k < LANES; k++) sum[k] += a[i + k] * b[i + k];
  return gb_eight_total(sum);
}

void gb_rotor_pull_back(gb_noise noise, const gb_node *u, const gb_node *l, double fixed, size_t row, const gb_real *x,
                        double *score, double *information)
{
  strip s;
  size_t n = u->directions, sites = u->width / 2;
  GB_ASSERT(n <= MOST);
  for (size_t i = 0; i < n * n; i++) information[i] = 0;
  for (size_t i = 0; i < n; i++) score[i] = 0;
  for (size_t first = 0, count; first < sites; first += count) {
    count = sites - first < STRIP ? sites - first : STRIP;
    whiten(noise, u, l, fixed, row, x, first, count, &s);
    for (size_t a = 0; a < n; a++) {
      for (size_t b = a; b < n; b++) information[a * n + b] += product(l ? 2 * STRIP : STRIP, s.row[a], s.row[b]);
      score[a] += product(l ? 2 * STRIP : STRIP, s.row[a], s.row[n]);
    }
  }
  for (size_t a = 0; a < n; a++)
    for (size_t b = 0; b < a; b++) information[a * n + b] = information[b * n + a];
}
