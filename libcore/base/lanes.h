/* base/lanes.h - arithmetic on vectors of floats, one number per lane, with the same bits on every machine.
 *
 * Notes
 * The compiler's vector types become AVX-512, AVX2, NEON or plain instructions. Only + - * /, comparisons and bit
 * operations are used, contraction is off (CMakeLists.txt), and every function below is a fixed sequence of them: a
 * lane gives the same bits for any number of lanes, on any machine with IEEE arithmetic. Coefficients are minimax fits
 * in the stated interval; the stated errors are those of the polynomial, to which a few roundings of 2^-24 are to be
 * added (tests/unit/test_lanes.c measures the sum). */
#pragma once
#include <stdint.h>

#include "base/minimax.h"
#include "base/rng.h"
#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { GB_LANES = 16 };
#else
enum { GB_LANES = 8 };
#endif

typedef float gb_vf __attribute__((vector_size(4 * GB_LANES), may_alias));
typedef int32_t gb_vi __attribute__((vector_size(4 * GB_LANES), may_alias));
typedef uint32_t gb_vu __attribute__((vector_size(4 * GB_LANES), may_alias));
typedef uint64_t gb_vw __attribute__((vector_size(4 * GB_LANES), may_alias)); /* of half as many lanes */

#define GB_INLINE static inline __attribute__((always_inline))

/** All lanes equal. Local. */
GB_INLINE gb_vf gb_vf_all(float x)
{
  return x - (gb_vf){0};
}

/** Lane by lane: a < b ? x : y. Local. */
GB_INLINE gb_vf gb_vf_less(gb_vf a, gb_vf b, gb_vf x, gb_vf y)
{
#if defined(__AVX512F__)
  return (gb_vf)_mm512_mask_blend_ps(_mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ), (__m512)y, (__m512)x);
#else
  gb_vi mask = a < b;
  return (gb_vf)(((gb_vi)x & mask) | ((gb_vi)y & ~mask));
#endif
}

/** |x|. Local. */
GB_INLINE gb_vf gb_vf_abs(gb_vf x)
{
  return (gb_vf)((gb_vi)x & 0x7fffffff);
}

/** |x| with the sign of s. Local. */
GB_INLINE gb_vf gb_vf_sign(gb_vf x, gb_vf s)
{
  return (gb_vf)(((gb_vi)x & 0x7fffffff) | ((gb_vi)s & (int32_t)0x80000000));
}

/** 2^x for x <= 0; below -30 it is 2^-30. Relative error 1.6e-7. Local. */
GB_INLINE gb_vf gb_vf_exp2(gb_vf x)
{
  gb_vf low = gb_vf_all(-30);
  x = gb_vf_less(x, low, low, x);
  gb_vi n = __builtin_convertvector(x - 0.5f, gb_vi); /* cut towards 0: the nearest integer */
  gb_vf f = x - __builtin_convertvector(n, gb_vf);
  gb_vf p = 0x1.5c08dcp-10f * f + 0x1.3d0c52p-7f;
  p = p * f + 0x1.c6b6e6p-5f;
  p = p * f + 0x1.ebf918p-3f;
  p = p * f + 0x1.62e428p-1f;
  p = p * f + 0x1.000002p+0f;
  return (gb_vf)((gb_vi)p + n * (1 << 23));
}

/** log2 of normal x > 0. Error 1e-7, relative to |log2 x|; 0 at x = 1. Local. */
GB_INLINE gb_vf gb_vf_log2(gb_vf x)
{
  /* x = 2^e m with m in [sqrt(1/2), sqrt(2)): the fraction of x minus that of sqrt(1/2) carries into the exponent */
  gb_vi bits = (gb_vi)x - 0x3f3504f3, e = bits >> 23;
  gb_vf m = (gb_vf)((gb_vi)x - e * (1 << 23)) - 1;
  return GB_MINIMAX_LOG2(m) + __builtin_convertvector(e, gb_vf);
}

/** Unit vectors at the angles 2 pi u, u in [0, 1). Error 6e-8 in each component. Local. */
GB_INLINE void gb_vf_circle(gb_vf u, gb_vf *c, gb_vf *s)
{
  gb_vi quarter = __builtin_convertvector(4 * u + 0.5f, gb_vi);
  gb_vf r = (u - 0.25f * __builtin_convertvector(quarter, gb_vf)) * 0x1.921fb6p+2f; /* |r| <= pi/4 */
  gb_vf sine = GB_MINIMAX_SIN(r), cosine = GB_MINIMAX_COS(r);
  gb_vf odd = __builtin_convertvector(quarter & 1, gb_vf), none = {0};
  gb_vf a = gb_vf_less(none, odd, sine, cosine), b = gb_vf_less(none, odd, cosine, sine);
  *c = (gb_vf)((gb_vi)a ^ (((quarter + 1) & 2) << 30)); /* the cosine is negative in the quarters 1 and 2 */
  *s = (gb_vf)((gb_vi)b ^ ((quarter & 2) << 30));
}

/** The angle of (c, s), which need not have unit length but not both be 0, in [-pi, pi]. Error 6e-8 of the
 *  polynomial. Local. */
GB_INLINE gb_vf gb_vf_angle(gb_vf c, gb_vf s)
{
  gb_vf x = gb_vf_abs(c), y = gb_vf_abs(s);
  gb_vf small = gb_vf_less(x, y, x, y), large = gb_vf_less(x, y, y, x), a = GB_MINIMAX_ATAN(small / large);
  a = gb_vf_less(x, y, 0x1.921fb6p+0f - a, a);
  a = gb_vf_less(c, (gb_vf){0}, 0x1.921fb6p+1f - a, a);
  return gb_vf_sign(a, s);
}

/** 32-bit numbers times m, of the lower halves of 64-bit lanes. Local. */
GB_INLINE gb_vw gb_vw_times(gb_vw a, uint32_t m)
{
#if defined(__AVX512F__)
  return (gb_vw)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(m));
#elif defined(__AVX2__)
  return (gb_vw)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(m));
#else
  return (a & 0xffffffff) * m;
#endif
}

/** Philox4x32-10 in every lane: block [c0, c1, c2, c3] of the key (k0, k1), as gb_rng_block() has it. Even and odd
 *  lanes are computed apart, each in the lower halves of 64-bit lanes, so that a product needs no shuffles; the upper
 *  halves hold rubbish. Local. */
GB_INLINE void gb_vu_philox(uint32_t k0, uint32_t k1, const gb_vu counter[4], gb_vu out[4])
{
  gb_vw half[2][4];
  for (int w = 0; w < 4; w++) {
    half[0][w] = (gb_vw)counter[w];
    half[1][w] = (gb_vw)counter[w] >> 32;
  }
  for (int round = 0; round < 10; round++) {
    for (int h = 0; h < 2; h++) {
      gb_vw p0 = gb_vw_times(half[h][0], 0xD2511F53), p1 = gb_vw_times(half[h][2], 0xCD9E8D57);
      half[h][0] = (p1 >> 32) ^ half[h][1] ^ k0;
      half[h][1] = p1;
      half[h][2] = (p0 >> 32) ^ half[h][3] ^ k1;
      half[h][3] = p0;
    }
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  for (int w = 0; w < 4; w++) out[w] = (gb_vu)((half[0][w] & 0xffffffff) | half[1][w] << 32);
}
