/* linalg/vmath.h - elementary functions for loops over network data: branch-free, so that the compiler vectorises them,
 * and made of exactly rounded operations only, so that every processor gives the same bits. */
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/minimax.h"
#include "base/real.h"

/** exp(x); relative error below 2e-7 in float (all floats of [-87, 88] were compared with libm). Saturates instead of
 *  overflowing: below -87 and above 88 it is exp(-87) and exp(88). In the double build libm's exp with the same limits.
 *  Local.
 *  Source: range reduction with a two-part ln 2 and a minimax polynomial of degree 6 (S. L. Moshier, Cephes, expf). */
static inline gb_real gb_exp(gb_real x)
{
#ifdef GB_DOUBLE
  return exp(x < -87 ? -87 : x > 88 ? 88 : x);
#else
  const float log2_e = 1.44269504088896341f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  const float round_magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to the nearest integer */
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  float shifted = GB_FMA(x, log2_e, round_magic), n = shifted - round_magic;
  float r = GB_FMA(n, -ln2_low, GB_FMA(n, -ln2_high, x));
  float p = 1.9875691500e-4f;
  p = GB_FMA(p, r, 1.3981999507e-3f);
  p = GB_FMA(p, r, 8.3334519073e-3f);
  p = GB_FMA(p, r, 4.1665795894e-2f);
  p = GB_FMA(p, r, 1.6666665459e-1f);
  p = GB_FMA(p, r, 5.0000001201e-1f);
  p = GB_FMA(p, r * r, r) + 1.0f;
  uint32_t bits; /* its last nine are n: made the exponent of 2^n without a conversion, which NaN has none of */
  float scale;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 127) << 23;
  memcpy(&scale, &bits, sizeof scale);
  return p * scale;
#endif
}

/** tanh(x), from gb_exp(); absolute error below 2e-7 in float.
 *  Local. */
static inline gb_real gb_tanh(gb_real x)
{
  gb_real t = gb_exp(-2 * (x < 0 ? -x : x)), y = (1 - t) / (1 + t);
  return x < 0 ? -y : y;
}

/** ln(1 + t) for t in [0, 1]; relative error below 2e-7 in float.
 *  Local. Source: 2 artanh(s), s = t / (2 + t), as s times a polynomial in s^2 fitted at Chebyshev points. */
static inline gb_real gb_log1p(gb_real t)
{
#ifdef GB_DOUBLE
  return log1p(t);
#else
  float s = t / (2.0f + t), q = s * s;
  float p = 0.24090641f;
  p = p * q + 0.21475846f;
  p = p * q + 0.28613393f;
  p = p * q + 0.39998953f;
  p = p * q + 0.66666676f;
  p = p * q + 2.0f;
  return s * p;
#endif
}

/** Distribution function of the standard normal distribution; absolute error below 3e-7 in float.
 *  Local. Source: M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions, 26.2.17. */
static inline gb_real gb_normal_cdf(gb_real x)
{
#ifdef GB_DOUBLE
  return erfc(-x * 0.70710678118654752440) / 2;
#else
  float a = x < 0 ? -x : x, t = 1.0f / (1.0f + 0.2316419f * a);
  float p = 1.330274429f;
  p = p * t - 1.821255978f;
  p = p * t + 1.781477937f;
  p = p * t - 0.356563782f;
  p = p * t + 0.319381530f;
  float tail = 0.39894228f * gb_exp(-a * a / 2) * p * t;
  return x < 0 ? tail : 1.0f - tail;
#endif
}

/** Unit vector at the angle r plus so many quarter turns (their last two bits count), |r| <= pi/4.
 *  Local. */
static inline void gb_circle_in_quarter(uint32_t quarter, float r, float *c, float *s)
{
  float sine = GB_MINIMAX_SIN(r), cosine = GB_MINIMAX_COS(r);
  uint32_t of_sine, of_cosine;
  memcpy(&of_sine, &sine, sizeof sine);
  memcpy(&of_cosine, &cosine, sizeof cosine);
  uint32_t odd = -(quarter & 1), a = (of_sine & odd) | (of_cosine & ~odd), b = (of_cosine & odd) | (of_sine & ~odd);
  a ^= ((quarter + 1) & 2) << 30; /* the cosine is negative in the quarters 1 and 2 */
  b ^= (quarter & 2) << 30;
  memcpy(c, &a, sizeof a);
  memcpy(s, &b, sizeof b);
}

/** (cos x, sin x), |x| <= 8192; error below 1.5e-7 in float. In the double build libm's.
 *  Local.
 *  Source: quarter turns are taken off with a three-part pi/2 (S. L. Moshier, Cephes, sinf); polynomials of
 *  base/minimax.h. */
static inline void gb_circle(gb_real x, gb_real *c, gb_real *s)
{
#ifdef GB_DOUBLE
  sincos(x, s, c);
#else
  const float round_magic = 12582912.0f; /* 1.5 * 2^23, as in gb_exp() */
  float shifted = x * 0.636619772367581343f + round_magic, n = shifted - round_magic;
  uint32_t quarter;
  memcpy(&quarter, &shifted, sizeof shifted);
  gb_circle_in_quarter(quarter, ((x - n * 1.5703125f) - n * 4.837512969970703125e-4f) - n * 7.549789954891882e-8f, c,
                       s);
#endif
}

/** (cos x, sin x) in double in either build, |x| <= 10000; error below 2.3e-16. Beyond, it grows with |x|.
 *  Local.
 *  Source: quarter turns are taken off with a three-part pi/2, polynomials on [-pi/4, pi/4] (S. L. Moshier, Cephes,
 *  sin). */
static inline void gb_circle_double(double x, double *c, double *s)
{
  const double round_magic = 6755399441055744.0; /* 1.5 * 2^52, as in gb_exp() */
  double shifted = x * 0.63661977236758134308 + round_magic, n = shifted - round_magic;
  double r = ((x - n * 1.57079625129699707031) - n * 7.54978941586159635336e-8) - n * 5.39030285815811905e-15;
  double q = r * r, p = 1.58962301576546568060e-10;
  p = p * q - 2.50507477628578072866e-8;
  p = p * q + 2.75573136213857245213e-6;
  p = p * q - 1.98412698295895385996e-4;
  p = p * q + 8.33333333332211858878e-3;
  p = p * q - 1.66666666666666307295e-1;
  double sine = p * q * r + r;
  p = -1.13585365213876817300e-11;
  p = p * q + 2.08757008419747316778e-9;
  p = p * q - 2.75573141792967388112e-7;
  p = p * q + 2.48015872888517045348e-5;
  p = p * q - 1.38888888888730564116e-3;
  p = p * q + 4.16666666666665929218e-2;
  double cosine = p * q * q + (1 - q / 2);
  uint64_t quarter, of_sine, of_cosine;
  memcpy(&quarter, &shifted, sizeof shifted);
  memcpy(&of_sine, &sine, sizeof sine);
  memcpy(&of_cosine, &cosine, sizeof cosine);
  uint64_t odd = -(quarter & 1), a = (of_sine & odd) | (of_cosine & ~odd), b = (of_cosine & odd) | (of_sine & ~odd);
  a ^= ((quarter + 1) & 2) << 62; /* the cosine is negative in the quarters 1 and 2 */
  b ^= (quarter & 2) << 62;
  memcpy(c, &a, sizeof a);
  memcpy(s, &b, sizeof b);
}

/** (cos pi x, sin pi x) for any x; error below 1.5e-7 in float: whole turns are taken off without rounding.
 *  Local. */
static inline void gb_circle_half_turns(gb_real x, gb_real *c, gb_real *s)
{
#ifdef GB_DOUBLE
  sincos(M_PI * (x - 2 * rint(x / 2)), s, c);
#else
  const float round_magic = 12582912.0f;
  x = 2 * (x - 2 * rintf(x / 2)); /* quarter turns, in [-2, 2] */
  float shifted = x + round_magic, n = shifted - round_magic;
  uint32_t quarter;
  memcpy(&quarter, &shifted, sizeof shifted);
  gb_circle_in_quarter(quarter, (x - n) * 0x1.921fb6p+0f, c, s);
#endif
}

/** The angle of (c, s), which need not have unit length, in [-pi, pi]; 0 of (0, 0). Error below 3.3e-7 in float, 8e-7
 *  of the angle for small ones.
 *  Local. The polynomial is that of base/minimax.h. */
static inline gb_real gb_angle(gb_real c, gb_real s)
{
#ifdef GB_DOUBLE
  return atan2(s, c);
#else
  float x = c < 0 ? -c : c, y = s < 0 ? -s : s;
  float small = x < y ? x : y, large = x < y ? y : x, a = GB_MINIMAX_ATAN(small / (large + 1e-37f));
  a = x < y ? 0x1.921fb6p+0f - a : a;
  a = c < 0 ? 0x1.921fb6p+1f - a : a;
  return s < 0 ? -a : a;
#endif
}

/** ln x of normal x > 0; error below 3e-7, relative to |ln x|, in float; 0 at x = 1.
 *  Local. The polynomial is that of base/minimax.h. */
static inline gb_real gb_log(gb_real x)
{
#ifdef GB_DOUBLE
  return log(x);
#else
  uint32_t bits;
  memcpy(&bits, &x, sizeof x);
  uint32_t e = (bits - 0x3f3504f3u) & 0xff800000u; /* x = 2^n m, m in [sqrt(1/2), sqrt(2)); n in the exponent's place */
  float m, n = (float)((int32_t)e >> 23);
  bits -= e;
  memcpy(&m, &bits, sizeof m);
  m -= 1;
  return (GB_MINIMAX_LOG2(m) + n) * 0x1.62e43p-1f;
#endif
}

/** The square root.
 *  Local. Exactly rounded, and vectorised where a call of libm would not be. */
static inline gb_real gb_sqrt(gb_real x)
{
#ifdef GB_DOUBLE
  return sqrt(x);
#else
  return sqrtf(x);
#endif
}

typedef double gb_eight_sums __attribute__((vector_size(64)));
typedef gb_real gb_eight __attribute__((vector_size(8 * sizeof(gb_real)), aligned(sizeof(gb_real)), may_alias));

/** Eight numbers, in double.
 *  Local. */
static inline gb_eight_sums gb_eight_get(const gb_real *x)
{
  return __builtin_convertvector(*(const gb_eight *)x, gb_eight_sums);
}

/** The sum of eight partial sums, in a fixed tree.
 *  Local. */
static inline double gb_eight_total(const double t[8])
{
  return ((t[0] + t[4]) + (t[2] + t[6])) + ((t[1] + t[5]) + (t[3] + t[7]));
}

/** The sum of x [n] in double: eight partial sums, of every eighth number each, then these in a fixed tree. The same
 *  bits on any machine.
 *  Local. */
static inline double gb_sum(size_t n, const gb_real *x)
{
  gb_eight_sums t = {0};
  size_t i = 0;
  for (; i + 8 <= n; i += 8) t += gb_eight_get(x + i);
  for (size_t j = 0; i + j < n; j++) t[j] += (double)x[i + j];
  return gb_eight_total((const double *)&t);
}

/** |a - b|^2 of vectors [n] in double, summed as gb_sum() does.
 *  Local. */
static inline double gb_sum_squared_differences(size_t n, const gb_real *a, const gb_real *b)
{
  gb_eight_sums t = {0};
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    gb_eight_sums d = gb_eight_get(a + i) - gb_eight_get(b + i);
    t += d * d;
  }
  for (size_t j = 0; i + j < n; j++)
    t[j] += ((double)a[i + j] - (double)b[i + j]) * ((double)a[i + j] - (double)b[i + j]);
  return gb_eight_total((const double *)&t);
}
