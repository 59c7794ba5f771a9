/* base/rng.c - Philox streams, normal numbers and stateless permutations. */
#include "base/rng.h"

#include <Random123/philox.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/lanes.h"

gb_key gb_rng_key(uint64_t seed, gb_purpose purpose, uint64_t index, uint64_t step)
{
  GB_ASSERT(index <= GB_RNG_INDEX_MAX && step <= GB_RNG_STEP_MAX);
  uint32_t high = (uint32_t)purpose << 24 | (uint32_t)(index >> 32) << 12 | (uint32_t)(step >> 32);
  return (gb_key){{(uint32_t)seed, (uint32_t)(seed >> 32)}, {(uint32_t)step, (uint32_t)index, high}};
}

void gb_rng_block(gb_key key, uint32_t block, uint32_t out[4])
{
  philox4x32_ctr_t c = {{block, key.c[0], key.c[1], key.c[2]}};
  philox4x32_key_t k = {{key.k[0], key.k[1]}};
  philox4x32_ctr_t r = philox4x32(c, k);
  for (int i = 0; i < 4; i++) out[i] = r.v[i];
}

void gb_rng_words(gb_key key, uint32_t first_block, size_t n, uint32_t *out)
{
  size_t i = 0;
  gb_vu lane, word[4];
  for (uint32_t l = 0; l < GB_LANES; l++) lane[l] = l;
  for (; i + 4 * GB_LANES <= n; i += 4 * GB_LANES) {
    const gb_vu none = {0}, counter[4] = {lane + (first_block + (uint32_t)(i / 4)), none + key.c[0], none + key.c[1],
                                          none + key.c[2]};
    gb_vu_philox(key.k[0], key.k[1], counter, word);
    for (size_t l = 0; l < GB_LANES; l++)
      for (size_t w = 0; w < 4; w++) out[i + 4 * l + w] = word[w][l];
  }
  for (; i + 4 <= n; i += 4) gb_rng_block(key, first_block + (uint32_t)(i / 4), out + i);
  if (i < n) {
    uint32_t last[4];
    gb_rng_block(key, first_block + (uint32_t)(i / 4), last);
    for (size_t j = 0; i < n; i++, j++) out[i] = last[j];
  }
}

void gb_rng_normal(gb_key key, size_t n, gb_real *out)
{
  for (size_t i = 0; i < n; i += 4) {
    uint32_t w[4];
    gb_rng_block(key, (uint32_t)(i / 4), w);
    for (size_t j = 0; j < 4 && i + j < n; j += 2) {
      double r = sqrt(-2 * log(gb_rng_unit(w[j]))), phi = 2 * M_PI * gb_rng_unit(w[j + 1]);
      out[i + j] = (gb_real)(r * cos(phi));
      if (i + j + 1 < n) out[i + j + 1] = (gb_real)(r * sin(phi));
    }
  }
}

/* Of the Feistel network. With 4, pairs of a small range are far from equally likely: tests/unit/test_rng.c */
enum { ROUNDS = 8 };

/* Bits of each half: the smallest domain 2^(2 half) that holds n, so < 4 walks on average. */
static int half_of(uint64_t n)
{
  int half = 1;
  while ((uint64_t)1 << 2 * half < n) half++;
  return half;
}

/* One walk of every lane through the network. A half (< 2^31) is the block, and the round chooses a word of two such
 * blocks. */
static void walk(gb_key key, uint32_t mask, gb_vu *left, gb_vu *right)
{
  const gb_vu zero = {0};
  for (uint32_t round = 0; round < ROUNDS; round++) {
    gb_vu w[4], counter[4] = {*right | (zero + (round / 4 << 31)), zero + key.c[0], zero + key.c[1], zero + key.c[2]};
    gb_vu_philox(key.k[0], key.k[1], counter, w);
    gb_vu next = (*left ^ w[round % 4]) & mask;
    *left = *right;
    *right = next;
  }
}

void gb_rng_permute_range(gb_key key, uint64_t n, uint64_t first, size_t count, uint64_t *out)
{
  GB_ASSERT(n >= 1 && n <= (uint64_t)1 << 62 && first <= n && count <= n - first);
  int half = half_of(n);
  uint32_t mask = (uint32_t)(((uint64_t)1 << half) - 1), left[GB_LANES] = {0}, right[GB_LANES] = {0};
  size_t owner[GB_LANES], next = 0, busy = 0; /* whose element a lane walks; the next one to begin; lanes at work */
  for (size_t l = 0; l < GB_LANES; l++) owner[l] = count;
  do { /* a lane whose walk has ended inside takes the next element */
    for (size_t l = 0; l < GB_LANES && next < count; l++) {
      if (owner[l] < count) continue;
      owner[l] = next;
      left[l] = (uint32_t)((first + next) >> half);
      right[l] = (uint32_t)(first + next++) & mask;
      busy++;
    }
    gb_vu a, b;
    memcpy(&a, left, sizeof a);
    memcpy(&b, right, sizeof b);
    walk(key, mask, &a, &b);
    memcpy(left, &a, sizeof a);
    memcpy(right, &b, sizeof b);
    for (size_t l = 0; l < GB_LANES; l++) {
      uint64_t i = (uint64_t)left[l] << half | right[l];
      if (owner[l] == count || i >= n) continue;
      out[owner[l]] = i;
      owner[l] = count;
      busy--;
    }
  } while (busy || next < count);
}
