/* physics/xy/lace.c - from the lanes of vectors to rows of numbers and back. */
#include <string.h>

#include "xy/xy.h"

enum { SIDE = GB_LANES };

/* A square of numbers, turned about its diagonal: the halves of pairs of vectors change places, then their quarters...
 */
GB_INLINE void transpose(gb_vf v[SIDE])
{
#pragma GCC unroll 8
  for (int32_t step = SIDE / 2; step > 0; step /= 2) {
    gb_vi low = {0}, high = {0};
#pragma GCC unroll 16
    for (int32_t l = 0; l < SIDE; l++) {
      low[l] = l & step ? SIDE + (l ^ step) : l;
      high[l] = l & step ? SIDE + l : l ^ step;
    }
#pragma GCC unroll 16
    for (int32_t i = 0; i < SIDE; i++) {
      if (i & step) continue;
      gb_vf a = v[i], b = v[i | step];
      v[i] = __builtin_shuffle(a, b, low);
      v[i | step] = __builtin_shuffle(a, b, high);
    }
  }
}

void gb_xy_unlace(const gb_xy *s, size_t n, const gb_vf *even, const gb_vf *odd, float *const out[])
{
  size_t j = 0;
  for (; 2 * j + SIDE <= s->width; j += SIDE / 2) {
    gb_vf v[SIDE];
    for (size_t i = 0; i < SIDE / 2; i++) {
      v[2 * i] = even[j + i];
      v[2 * i + 1] = odd[j + i];
    }
    transpose(v);
    for (size_t l = 0; l < n; l++) memcpy(out[l] + 2 * j, &v[l], sizeof v[l]);
  }
  for (; j < s->slots; j++)
    for (size_t l = 0; l < n; l++) {
      out[l][2 * j] = even[j][l];
      out[l][2 * j + 1] = odd[j][l];
    }
}

void gb_xy_lace(const gb_xy *s, const float *const in[], gb_vf *even, gb_vf *odd)
{
  size_t j = 0;
  for (; 2 * j + SIDE <= s->width; j += SIDE / 2) {
    gb_vf v[SIDE];
    for (size_t l = 0; l < SIDE; l++) memcpy(&v[l], in[l] + 2 * j, sizeof v[l]);
    transpose(v);
    for (size_t i = 0; i < SIDE / 2; i++) {
      even[j + i] = v[2 * i];
      odd[j + i] = v[2 * i + 1];
    }
  }
  for (; j < s->slots; j++)
    for (size_t l = 0; l < SIDE; l++) {
      even[j][l] = in[l][2 * j];
      odd[j][l] = in[l][2 * j + 1];
    }
}
