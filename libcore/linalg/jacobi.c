/* linalg/jacobi.c - sweeps of rotations; a lane that has converged gets rotations by 0 while others go on. */
#include "linalg/jacobi.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { LANES = GB_JACOBI_LANES, MOST_SWEEPS = 40 };

static const double small = 0x1p-53; /* of an element, relative to the root of its two diagonal ones */

/* The rotation that annihilates a[p, q]: tangent, cosine and sine of its angle. Does any lane turn? */
static bool angles(const double *app, const double *aqq, const double *apq, double *restrict t, double *restrict c,
                   double *restrict s)
{
  int turning = 0;
  for (int l = 0; l < LANES; l++) {
    bool still = fabs(apq[l]) <= small * sqrt(fabs(app[l] * aqq[l]));
    double divisor = still ? 1 : 2 * apq[l], tau = (aqq[l] - app[l]) / divisor;
    double turn = (tau < 0 ? -1.0 : 1.0) / (fabs(tau) + sqrt(1 + tau * tau));
    t[l] = still ? 0 : turn;
    c[l] = 1 / sqrt(1 + t[l] * t[l]);
    s[l] = t[l] * c[l];
    turning |= !still;
  }
  return turning;
}

static inline void turn(const double *restrict c, const double *restrict s, double *restrict x, double *restrict y)
{
  for (int l = 0; l < LANES; l++) {
    double a = x[l], b = y[l];
    x[l] = c[l] * a - s[l] * b;
    y[l] = s[l] * a + c[l] * b;
  }
}

static bool rotate(size_t m, size_t p, size_t q, double *a, double *v)
{
  double t[LANES], c[LANES], s[LANES];
  double *app = a + (p * m + p) * LANES, *aqq = a + (q * m + q) * LANES, *apq = a + (p * m + q) * LANES;
  if (!angles(app, aqq, apq, t, c, s)) return false;
  for (int l = 0; l < LANES; l++) {
    app[l] -= t[l] * apq[l];
    aqq[l] += t[l] * apq[l];
    apq[l] = t[l] != 0 ? 0 : apq[l];
  }
  memcpy(a + (q * m + p) * LANES, apq, LANES * sizeof *a);
  for (size_t k = 0; k < m; k++) {
    double *kp = a + (k * m + p) * LANES, *kq = a + (k * m + q) * LANES;
    turn(c, s, v + (k * m + p) * LANES, v + (k * m + q) * LANES);
    if (k == p || k == q) continue;
    turn(c, s, kp, kq);
    memcpy(a + (p * m + k) * LANES, kp, LANES * sizeof *a);
    memcpy(a + (q * m + k) * LANES, kq, LANES * sizeof *a);
  }
  return true;
}

void gb_jacobi(size_t m, double *a, double *v)
{
  bool turning = true;
  memset(v, 0, m * m * LANES * sizeof *v);
  for (size_t i = 0; i < m * LANES; i++) v[(i / LANES) * (m + 1) * LANES + i % LANES] = 1;
  for (int sweep = 0; sweep < MOST_SWEEPS && turning; sweep++) {
    turning = false;
    for (size_t p = 0; p + 1 < m; p++)
      for (size_t q = p + 1; q < m; q++) turning |= rotate(m, p, q, a, v);
  }
}
