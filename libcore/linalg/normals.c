/* linalg/normals.c - Philox in lanes, then Box-Muller in loops that the compiler vectorises. */
#include "linalg/normals.h"

#include "base/lanes.h"
#include "linalg/vmath.h"

/* A 32-bit word in (0, 1]: one rounding, of all 32 bits, so that small numbers, far out in the tail, are fine. */
static inline gb_real unit_of(uint32_t word)
{
#ifdef GB_DOUBLE
  return gb_rng_unit(word);
#else
  return ((float)(int32_t)(word >> 16) * 65536 + (float)(int32_t)(word & 0xffff) + 0.5f) * 0x1p-32f;
#endif
}

/* In half turns, [0, 2). */
static inline gb_real half_turns_of(uint32_t word)
{
#ifdef GB_DOUBLE
  return 2 * gb_rng_unit(word);
#else
  return (float)(int32_t)(word >> 8) * 0x1p-23f;
#endif
}

/* Both normal numbers of GB_LANES pairs of words. */
static void box_muller(const uint32_t *restrict a, const uint32_t *restrict b, gb_real *restrict x, gb_real *restrict y)
{
  for (int k = 0; k < GB_LANES; k++) {
    gb_real r = gb_sqrt(-2 * gb_log(unit_of(a[k]))), c, s;
    gb_circle_half_turns(half_turns_of(b[k]), &c, &s);
    x[k] = r * c;
    y[k] = r * s;
  }
}

/* The numbers of GB_LANES blocks: x[i] has number i of each of them. */
static void draw(const gb_key *key, const uint32_t counter[4][GB_LANES], gb_real x[4][GB_LANES])
{
  uint32_t word[4][GB_LANES];
  gb_vu c[4], v[4];
  memcpy(c, counter, sizeof c);
  gb_vu_philox(key->k[0], key->k[1], c, v);
  memcpy(word, v, sizeof word);
  box_muller(word[0], word[1], x[0], x[1]);
  box_muller(word[2], word[3], x[2], x[3]);
}

/* One row, as far as it has GB_LANES whole blocks at a time. */
static void whole_blocks(gb_key key, size_t n, gb_real *restrict out)
{
  for (size_t block = 0; (block + GB_LANES) * 4 <= n; block += GB_LANES) {
    uint32_t counter[4][GB_LANES];
    gb_real x[4][GB_LANES];
    for (size_t k = 0; k < GB_LANES; k++) {
      counter[0][k] = (uint32_t)(block + k);
      for (int w = 0; w < 3; w++) counter[w + 1][k] = key.c[w];
    }
    draw(&key, counter, x);
    for (size_t k = 0; k < GB_LANES; k++)
      for (size_t i = 0; i < 4; i++) out[4 * (block + k) + i] = x[i][k];
  }
}

/* Which block of which row. */
typedef struct place {
  size_t row, block;
} place;

void gb_normals(uint64_t seed, gb_purpose purpose, uint64_t first, uint64_t step, size_t rows, size_t n, size_t stride,
                gb_real *out)
{
  size_t whole = n / 4 / GB_LANES * GB_LANES, rest = (n + 3) / 4 - whole; /* blocks of a row */
  for (size_t r = 0; r < rows && whole; r++)
    whole_blocks(gb_rng_key(seed, purpose, first + r, step), n, out + r * stride);
  place at = {0, whole}, lane[GB_LANES];
  gb_key key = {.k = {0}};
  for (size_t done = 0, all = rows * rest, m; done < all; done += m) { /* what is left of all rows, together */
    uint32_t counter[4][GB_LANES];
    gb_real x[4][GB_LANES];
    m = all - done < GB_LANES ? all - done : GB_LANES;
    for (size_t k = 0; k < GB_LANES; k++) {
      if (k < m) {
        if (at.block == whole || k == 0) key = gb_rng_key(seed, purpose, first + at.row, step);
        lane[k] = at;
        at = at.block + 1 < whole + rest ? (place){at.row, at.block + 1} : (place){at.row + 1, whole};
      }
      counter[0][k] = (uint32_t)lane[k < m ? k : 0].block; /* idle lanes repeat something */
      for (int w = 0; w < 3; w++) counter[w + 1][k] = key.c[w];
    }
    draw(&key, counter, x);
    for (size_t k = 0; k < m; k++) {
      size_t from = 4 * lane[k].block, left = n - from < 4 ? n - from : 4;
      for (size_t i = 0; i < left; i++) out[lane[k].row * stride + from + i] = x[i][k];
    }
  }
}
