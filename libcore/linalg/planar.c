/* linalg/planar.c - angles into vectors and back. */
#include "linalg/planar.h"

#include <math.h>

#include "linalg/vmath.h"

/* Turn n vectors by (c, s). */
static void turn(size_t n, double c, double s, gb_real *restrict v)
{
  gb_real tc = (gb_real)c, ts = (gb_real)s;
  for (size_t i = 0; i < n; i++) {
    gb_real x = v[2 * i], y = v[2 * i + 1];
    v[2 * i] = x * tc - y * ts;
    v[2 * i + 1] = y * tc + x * ts;
  }
}

/* The vectors of n angles, and their sum. */
static void unit_vectors(size_t n, const float *restrict angle, gb_real *restrict v, double sum[2])
{
  enum { STRIP = 128 };
  gb_real c[STRIP], s[STRIP];
  sum[0] = sum[1] = 0;
  for (size_t i = 0, m; i < n; i += m) {
    m = n - i < STRIP ? n - i : STRIP;
    for (size_t k = 0; k < m; k++) gb_circle((gb_real)angle[i + k], &c[k], &s[k]);
    for (size_t k = 0; k < m; k++) {
      v[2 * (i + k)] = c[k];
      v[2 * (i + k) + 1] = s[k];
    }
    sum[0] += gb_sum(m, c);
    sum[1] += gb_sum(m, s);
  }
}

double gb_planar_vectors(size_t n, const float *angle, bool align, gb_real *v)
{
  double sum[2], c, s;
  unit_vectors(n, angle, v, sum);
  if (!align) return 0;
  double turned = atan2(sum[1], sum[0]);
  sincos(-turned, &s, &c);
  turn(n, c, s, v);
  return turned;
}

void gb_planar_half_turns(size_t n, const gb_real *v, gb_real *restrict out)
{
  for (size_t i = 0; i < n; i++) out[i] = gb_angle(v[2 * i], v[2 * i + 1]) * (gb_real)(1 / M_PI);
}
