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

/* Of the sites of a strip: cosine and sine of the residual, ln sigma^2, and the factors of a tangent of u in that of
 * its angle; then roots of F, and scores over them. */
typedef struct looks {
  gb_real cosine[STRIP], sine[STRIP], l[STRIP], fc[STRIP], fs[STRIP];
  gb_real root_angle[STRIP], residual_angle[STRIP], root_spread[STRIP], residual_spread[STRIP];
} looks;

static void gaussian_sites(size_t n, looks *s)
{
  const gb_real half_root = GB_R(0.70710678118654752440);
  for (size_t i = 0; i < n; i++) {
    gb_real root = gb_exp(-s->l[i] / 2), d = gb_angle(s->cosine[i], s->sine[i]) * root;
    s->root_angle[i] = root;
    s->residual_angle[i] = d;
    s->root_spread[i] = half_root;
    s->residual_spread[i] = (d * d - 1) * half_root;
  }
}

/* ln p = kappa cos d - ln I0(kappa), kappa = exp(-l) */
static void von_mises_sites(size_t n, looks *s)
{
  for (size_t i = 0; i < n; i++) {
    double kappa = exp(-(double)s->l[i]), length = gb_von_mises_length(kappa), root = sqrt(kappa * length);
    double root_spread = kappa * sqrt(gb_von_mises_length_slope(kappa));
    s->root_angle[i] = (gb_real)root;
    s->residual_angle[i] = (gb_real)(kappa * (double)s->sine[i] / root);
    s->root_spread[i] = (gb_real)root_spread;
    s->residual_spread[i] = (gb_real)(kappa * (length - (double)s->cosine[i]) / root_spread);
  }
}

static void look_at_sites(gb_noise noise, const gb_real *u, const gb_real *l, double fixed, const gb_real *x, size_t n,
                          looks *s)
{
  for (size_t i = 0; i < n; i++) {
    gb_real uc = u[2 * i], us = u[2 * i + 1], xc = x[2 * i], xs = x[2 * i + 1], square = uc * uc + us * us;
    gb_real inverse = 1 / gb_sqrt(square);
    s->cosine[i] = (xc * uc + xs * us) * inverse;
    s->sine[i] = (xs * uc - xc * us) * inverse;
    s->fc[i] = -us * inverse * inverse;
    s->fs[i] = uc * inverse * inverse;
    s->l[i] = l ? l[i] : (gb_real)fixed;
  }
  (noise == GB_GAUSSIAN ? gaussian_sites : von_mises_sites)(n, s);
}

static void whiten_angles(size_t n, const looks *s, const gb_real *restrict t, double *restrict row)
{
  for (size_t i = 0; i < n; i++) row[i] = (double)(s->root_angle[i] * (s->fc[i] * t[2 * i] + s->fs[i] * t[2 * i + 1]));
}

static void whiten(gb_noise noise, const gb_node *u, const gb_node *l, double fixed, size_t row, const gb_real *x,
                   size_t first, size_t count, strip *s)
{
  size_t n = u->directions, rest = (STRIP - count) * sizeof(double);
  looks k;
  for (size_t d = 0; d <= n && rest; d++) {
    memset(s->row[d] + count, 0, rest);
    memset(s->row[d] + STRIP + count, 0, rest);
  }
  look_at_sites(noise, u->v + row * u->width + 2 * first, l ? l->v + row * l->width + first : NULL, fixed,
                x + 2 * first, count, &k);
  for (size_t d = 0; d < n; d++) {
    whiten_angles(count, &k, u->t + (row * n + d) * u->width + 2 * first, s->row[d]);
    const gb_real *tl = l && l->t ? l->t + (row * n + d) * l->width + first : NULL;
    for (size_t i = 0; tl && i < count; i++) s->row[d][STRIP + i] = (double)(k.root_spread[i] * tl[i]);
  }
  for (size_t i = 0; i < count; i++) {
    s->row[n][i] = (double)k.residual_angle[i];
    s->row[n][STRIP + i] = (double)k.residual_spread[i];
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
  size_t n = u->directions, sites = u->width / 2, seen = l && l->t ? 2 * STRIP : STRIP;
  GB_ASSERT(n <= MOST);
  for (size_t i = 0; i < n * n; i++) information[i] = 0;
  for (size_t i = 0; i < n; i++) score[i] = 0;
  for (size_t first = 0, count; first < sites; first += count) {
    count = sites - first < STRIP ? sites - first : STRIP;
    whiten(noise, u, l, fixed, row, x, first, count, &s);
    for (size_t a = 0; a < n; a++) {
      for (size_t b = a; b < n; b++) information[a * n + b] += product(seen, s.row[a], s.row[b]);
      score[a] += product(seen, s.row[a], s.row[n]);
    }
  }
  for (size_t a = 0; a < n; a++)
    for (size_t b = 0; b < a; b++) information[a * n + b] = information[b * n + a];
}
