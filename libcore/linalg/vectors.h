/* linalg/vectors.h - vectors of network numbers, for the kernels of products. */
#pragma once
#include <stdint.h>
#include <string.h>

#include "base/lanes.h"
#include "base/real.h"
#if defined(__FMA__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { GB_VR_BYTES = 64 };
#else
enum { GB_VR_BYTES = 32 };
#endif
enum { GB_VR = GB_VR_BYTES / (int)sizeof(gb_real) }; /* numbers in a vector */
typedef gb_real gb_vr __attribute__((vector_size(GB_VR_BYTES), aligned(sizeof(gb_real)), may_alias));
#if defined(GB_DOUBLE)
typedef int64_t gb_vr_int;
#else
typedef int32_t gb_vr_int;
#endif
typedef gb_vr_int gb_vr_lanes __attribute__((vector_size(GB_VR_BYTES))); /* numbers of lanes */

/** a b + c, rounded once, lane by lane. Local. */
GB_INLINE gb_vr gb_vr_fma(gb_vr a, gb_vr b, gb_vr c)
{
#if defined(GB_DOUBLE) && defined(__AVX512F__)
  return (gb_vr)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(GB_DOUBLE) && defined(__FMA__)
  return (gb_vr)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__AVX512F__)
  return (gb_vr)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  return (gb_vr)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  for (int l = 0; l < GB_VR; l++) c[l] = GB_FMA(a[l], b[l], c[l]);
  return c;
#endif
}

/** All lanes equal. Local. */
GB_INLINE gb_vr gb_vr_all(gb_real x)
{
  return x - (gb_vr){0};
}

#if defined(__AVX512F__) && defined(GB_DOUBLE)
#define GB_VR_SOME(n) ((__mmask8)((1u << (n)) - 1))
#elif defined(__AVX512F__)
#define GB_VR_SOME(n) ((__mmask16)((1u << (n)) - 1))
#endif

/** The first n numbers from p on, then zeros. Nothing else is read. Local. */
GB_INLINE gb_vr gb_vr_get(const gb_real *p, size_t n)
{
  if (n >= GB_VR) return *(const gb_vr *)p;
#if defined(__AVX512F__) && defined(GB_DOUBLE)
  return (gb_vr)_mm512_maskz_loadu_pd(GB_VR_SOME(n), p);
#elif defined(__AVX512F__)
  return (gb_vr)_mm512_maskz_loadu_ps(GB_VR_SOME(n), p);
#else
  gb_vr v = {0};
  memcpy(&v, p, n * sizeof *p);
  return v;
#endif
}

/** The first n numbers of v to p. Nothing else is written. Local. */
GB_INLINE void gb_vr_put(gb_real *p, size_t n, gb_vr v)
{
  if (n >= GB_VR) {
    *(gb_vr *)p = v;
    return;
  }
#if defined(__AVX512F__) && defined(GB_DOUBLE)
  _mm512_mask_storeu_pd(p, GB_VR_SOME(n), (__m512d)v);
#elif defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, GB_VR_SOME(n), (__m512)v);
#else
  memcpy(p, &v, n * sizeof *p);
#endif
}

/** GB_VR vectors become the columns of what they were the rows of. Local. */
static inline void gb_vr_transpose(gb_vr v[GB_VR])
{
  static const gb_vr_int numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  gb_vr_lanes lane;
  memcpy(&lane, numbers, sizeof lane);
#pragma GCC unroll 4
  for (int s = GB_VR / 2; s > 0; s /= 2) {
    gb_vr_lanes odd = (lane & s) != 0, low = lane + (odd & (GB_VR - s)), high = lane + (s & ~odd) + (odd & GB_VR);
#pragma GCC unroll 16
    for (int i = 0; i < GB_VR; i++) {
      if (i & s) continue;
      gb_vr a = v[i], b = v[i + s];
      v[i] = __builtin_shuffle(a, b, low);
      v[i + s] = __builtin_shuffle(a, b, high);
    }
  }
}
