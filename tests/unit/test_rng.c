/* tests/unit/test_rng.c - random numbers as functions: known answer, independence, distributions, bijections. */
#include <stdlib.h>

#include "base/rng.h"
#include "check.h"

/* Random123 1.14, tests/kat_vectors: philox4x32-10 for key 0, counter 0. */
static void known_answer(void **state)
{
  (void)state;
  uint32_t w[4];
  gb_rng_block(gb_rng_key(0, (gb_purpose)0, 0, 0), 0, w);
  CHECK(w[0] == 0x6627e8d5 && w[1] == 0xe169c58d && w[2] == 0xbc57ac4c && w[3] == 0x9b00dbd8);
}

/* Also from kat_vectors: all bits set, and the digits of pi. Fixes the order of words in key and counter. */
static void known_answer_of_all_words(void **state)
{
  (void)state;
  uint32_t w[4];
  gb_rng_block((gb_key){{0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff, 0xffffffff}}, 0xffffffff, w);
  CHECK(w[0] == 0x408f276d && w[1] == 0x41c83b0e && w[2] == 0xa20bc7c6 && w[3] == 0x6d5451fd);
  gb_rng_block((gb_key){{0xa4093822, 0x299f31d0}, {0x85a308d3, 0x13198a2e, 0x03707344}}, 0x243f6a88, w);
  CHECK(w[0] == 0xd16cfe09 && w[1] == 0x94fdcceb && w[2] == 0x5001e420 && w[3] == 0x24126ea1);
}

/* The numeric values are in the counter: stored runs depend on them. */
static void purposes_are_frozen(void **state)
{
  (void)state;
  CHECK(GB_RNG_START == 1 && GB_RNG_METROPOLIS == 2 && GB_RNG_MIX == 3 && GB_RNG_WOLFF == 4 && GB_RNG_ROTATE == 5);
  CHECK(GB_RNG_WEIGHTS == 6 && GB_RNG_SHUFFLE == 7 && GB_RNG_LATENT == 8 && GB_RNG_OUTPUT == 9 && GB_RNG_PRIOR == 10);
}

static bool same_key(gb_key a, gb_key b)
{
  return !memcmp(&a, &b, sizeof a);
}

/* Every argument, up to its limit, goes into the key: no two streams share one. */
static void keys_differ(void **state)
{
  (void)state;
  enum { MOST = 4000 };
  static gb_key key[MOST];
  static const uint64_t wide[] = {0, 1, 2, 0xfff, 0x1000, 0xffffffff, 0x100000000, 0x100000001, GB_RNG_INDEX_MAX};
  static const uint64_t seed[] = {0, 1, 0xffffffff, 0x100000000, UINT64_MAX};
  enum { WIDE = sizeof wide / sizeof *wide, SEEDS = sizeof seed / sizeof *seed };
  size_t n = 0;
  CHECK(GB_RNG_INDEX_MAX == GB_RNG_STEP_MAX);
  for (size_t s = 0; s < SEEDS; s++)
    for (int p = GB_RNG_START; p <= GB_RNG_TEST && p < 5; p++)
      for (size_t i = 0; i < WIDE; i++)
        for (size_t t = 0; t < WIDE; t++) key[n++] = gb_rng_key(seed[s], (gb_purpose)p, wide[i], wide[t]);
  CHECK(n == SEEDS * 4 * WIDE * WIDE && n <= MOST);
  for (size_t a = 0; a < n; a++)
    for (size_t b = 0; b < a; b++) CHECK(!same_key(key[a], key[b]));
}

/* Streams that differ in one argument share no words and are not correlated. */
static void streams_differ(void **state)
{
  (void)state;
  enum { N = 4096 };
  static uint32_t a[N], b[N];
  const gb_key base = gb_rng_key(5, GB_RNG_TEST, 7, 9),
               other[] = {gb_rng_key(6, GB_RNG_TEST, 7, 9),
                          gb_rng_key(5, GB_RNG_PRIOR, 7, 9),
                          gb_rng_key(5, GB_RNG_TEST, 8, 9),
                          gb_rng_key(5, GB_RNG_TEST, 7, 10),
                          gb_rng_key(5 + ((uint64_t)1 << 32), GB_RNG_TEST, 7, 9),
                          gb_rng_key(5, GB_RNG_TEST, 7 + ((uint64_t)1 << 32), 9),
                          gb_rng_key(5, GB_RNG_TEST, 7, 9 + ((uint64_t)1 << 32))};
  gb_rng_words(base, 0, N, a);
  for (size_t k = 0; k < sizeof other / sizeof *other; k++) {
    double product = 0;
    int equal = 0;
    gb_rng_words(other[k], 0, N, b);
    for (size_t i = 0; i < N; i++) {
      equal += a[i] == b[i];
      product += (gb_rng_unit(a[i]) - 0.5) * (gb_rng_unit(b[i]) - 0.5);
    }
    CHECK(equal == 0); /* expected: 4096 / 2^32 */
    CHECK_NEAR(product * 12 / N, 0, 5 / sqrt(N));
  }
}

static void words_are_blocks(void **state)
{
  (void)state;
  gb_key key = gb_rng_key(1, GB_RNG_TEST, 2, 3);
  for (size_t n = 0; n < 200; n += n < 23 ? 1 : 13) { /* with and without blocks that are computed together */
    uint32_t w[201], block[4];
    memset(w, 0xab, sizeof w);
    gb_rng_words(key, 17, n, w);
    for (size_t i = 0; i < n; i++) {
      gb_rng_block(key, 17 + (uint32_t)(i / 4), block);
      CHECK(w[i] == block[i % 4]);
    }
    CHECK(w[n] == 0xabababab); /* nothing beyond */
  }
}

static void unit_is_open(void **state)
{
  (void)state;
  CHECK(gb_rng_unit(0) > 0);
  CHECK(gb_rng_unit(0xffffffff) < 1);
  CHECK(gb_rng_unit(0x7fffffff) + gb_rng_unit(0x80000000) == 1); /* symmetric about 1/2 */
  CHECK(gb_rng_unit(0) + gb_rng_unit(0xffffffff) == 1);
}

/* Chi-square over 256 values of every byte of the words, and bit balance. */
static void words_are_uniform(void **state)
{
  (void)state;
  enum { N = 1 << 18 };
  static uint32_t w[N];
  gb_rng_words(gb_rng_key(11, GB_RNG_TEST, 0, 0), 0, N, w);
  for (int byte = 0; byte < 4; byte++) {
    double count[256] = {0}, chi2 = 0, expected = N / 256.0;
    for (size_t i = 0; i < N; i++) count[w[i] >> 8 * byte & 255]++;
    for (int k = 0; k < 256; k++) chi2 += (count[k] - expected) * (count[k] - expected) / expected;
    CHECK_NEAR(chi2, 255, 5 * sqrt(2 * 255.0));
  }
}

static int ascending(const void *a, const void *b)
{
  gb_real x = *(const gb_real *)a, y = *(const gb_real *)b;
  return (x > y) - (x < y);
}

static void normal_moments_and_shape(void **state)
{
  (void)state;
  enum { N = 400000 };
  static gb_real x[N];
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0, neighbours = 0, sqrt_n = sqrt(N), largest = 0;
  gb_rng_normal(gb_rng_key(3, GB_RNG_TEST, 0, 0), N, x);
  for (size_t i = 0; i < N; i++) {
    double v = (double)x[i];
    CHECK(isfinite(v));
    m1 += v / N;
    m2 += v * v / N;
    m3 += v * v * v / N;
    m4 += v * v * v * v / N;
    if (i + 1 < N) neighbours += v * (double)x[i + 1] / N;
  }
  /* Standard errors of the raw moments of a standard normal: variances 1, 2, 15, 96 over N. */
  CHECK_NEAR(m1, 0, 5 / sqrt_n);
  CHECK_NEAR(m2, 1, 5 * sqrt(2) / sqrt_n);
  CHECK_NEAR(m3, 0, 5 * sqrt(15) / sqrt_n);
  CHECK_NEAR(m4, 3, 5 * sqrt(96) / sqrt_n);
  CHECK_NEAR(neighbours, 0, 5 / sqrt_n); /* the two of a Box-Muller pair are independent */
  /* Kolmogorov-Smirnov: D sqrt(N) exceeds 2.3 with probability 2 exp(-2 2.3^2) = 5e-5. */
  qsort(x, N, sizeof *x, ascending);
  for (size_t i = 0; i < N; i++) {
    double cdf = 0.5 * erfc(-(double)x[i] / sqrt(2));
    largest = fmax(largest, fmax(fabs(cdf - (double)i / N), fabs(cdf - (double)(i + 1) / N)));
  }
  CHECK_NEAR(largest * sqrt_n, 0, 2.3);
}

/* The first numbers of a stream do not depend on how many are drawn. */
static void normal_prefixes(void **state)
{
  (void)state;
  gb_key key = gb_rng_key(4, GB_RNG_TEST, 1, 1);
  gb_real all[21], some[22];
  gb_rng_normal(key, 21, all);
  for (size_t n = 0; n <= 21; n++) {
    for (size_t i = 0; i < 22; i++) some[i] = 77;
    gb_rng_normal(key, n, some);
    CHECK(!memcmp(some, all, n * sizeof *all));
    CHECK(some[n] == 77);
  }
}

static uint64_t element(gb_key key, uint64_t n, uint64_t i)
{
  uint64_t j;
  gb_rng_permute_range(key, n, i, 1, &j);
  return j;
}

static void permutes(gb_key key, uint64_t n)
{
  unsigned char *seen = calloc(n, 1);
  uint64_t *image = calloc(n, sizeof *image);
  gb_rng_permute_range(key, n, 0, n, image);
  for (uint64_t i = 0; i < n; i++) {
    CHECK(image[i] < n);
    CHECK(!seen[image[i]]);
    seen[image[i]] = 1;
  }
  free(image);
  free(seen);
}

/* The Feistel network and its walk, for one element. */
static uint64_t reference(gb_key key, uint64_t n, uint64_t i)
{
  int half = 1;
  while ((uint64_t)1 << 2 * half < n) half++;
  uint64_t mask = ((uint64_t)1 << half) - 1;
  do {
    uint64_t left = i >> half, right = i & mask;
    for (uint32_t round = 0; round < 8; round++) {
      uint32_t w[4];
      gb_rng_block(key, (uint32_t)right | round / 4 << 31, w);
      uint64_t next = (left ^ w[round % 4]) & mask;
      left = right;
      right = next;
    }
    i = left << half | right;
  } while (i >= n);
  return i;
}

/* In lanes: the same elements, from anywhere on, of ranges that need few walks and many. */
static void permutations_in_lanes(void **state)
{
  (void)state;
  enum { MOST = 70 };
  static const uint64_t n[] = {
      1, 2, 3, 5, 16, 17, 63, 64, 65, 1000, 4097, 123456789, (uint64_t)1 << 40, (uint64_t)1 << 62};
  uint64_t out[MOST + 1];
  for (size_t k = 0; k < sizeof n / sizeof *n; k++)
    for (size_t count = 0; count <= MOST && count <= n[k]; count += 1 + count / 5)
      for (int end = 0; end < 2; end++) {
        gb_key key = gb_rng_key(3, GB_RNG_TEST, k, count);
        uint64_t first = end ? n[k] - count : n[k] / 3 < n[k] - count ? n[k] / 3 : 0;
        out[count] = 7;
        gb_rng_permute_range(key, n[k], first, count, out);
        for (size_t i = 0; i < count; i++) CHECK(out[i] == reference(key, n[k], first + i));
        CHECK(out[count] == 7);
      }
}

static void permutations_are_bijections(void **state)
{
  (void)state;
  static const uint64_t large[] = {1023, 1024, 1025, 4095, 4096, 4097, 65537, 100003};
  for (uint64_t n = 1; n <= 300; n++) permutes(gb_rng_key(1, GB_RNG_TEST, n, 0), n);
  for (size_t k = 0; k < sizeof large / sizeof *large; k++) permutes(gb_rng_key(2, GB_RNG_TEST, k, 0), large[k]);
}

/* At the limit of the header no list of all images fits; that none of a thousand coincide is what can be
 * seen. */
static void permutation_of_the_largest_range(void **state)
{
  (void)state;
  enum { N = 1000 };
  static uint64_t image[N];
  uint64_t n = (uint64_t)1 << 62;
  gb_key key = gb_rng_key(2, GB_RNG_TEST, 0, 0);
  bool upper = false;
  for (uint64_t i = 0; i < N; i++) {
    image[i] = element(key, n, i % 2 ? n - 1 - i : i);
    CHECK(image[i] < n);
    upper |= image[i] > n / 2;
    for (uint64_t k = 0; k < i; k++) CHECK(image[k] != image[i]);
  }
  CHECK(upper);
}

/* Two independent random permutations of n elements agree in Poisson(1) places. */
static void unlike(gb_key a, gb_key b, uint64_t n)
{
  int fixed = 0, mirrored = 0;
  for (uint64_t i = 0; i < n; i++) {
    uint64_t x = element(a, n, i);
    fixed += x == element(b, n, i);
    /* Relabelled by flipping bits on both sides: what a Feistel network keyed by XOR would give. */
    mirrored += (x ^ 3 ^ 3 << 5) == element(b, n, i ^ 3 ^ 3 << 5);
  }
  CHECK(fixed < 12 && mirrored < 12);
}

static void permutations_differ_by_key(void **state)
{
  (void)state;
  enum { N = 1024 };
  const gb_key base = gb_rng_key(1, GB_RNG_SHUFFLE, 0, 0);
  unlike(base, gb_rng_key(1, GB_RNG_SHUFFLE, 0, 1), N);
  unlike(base, gb_rng_key(1, GB_RNG_SHUFFLE, 1, 0), N);
  unlike(base, gb_rng_key(1, GB_RNG_TEST, 0, 0), N);
  unlike(base, gb_rng_key(2, GB_RNG_SHUFFLE, 0, 0), N); /* 2 = 1 ^ 3 */
}

/* Every element lands everywhere equally often, and so does a pair: chi-square over keys. */
static void permutations_are_fair(void **state)
{
  (void)state;
  enum { KEYS = 20000, MOST = 100 };
  static const uint64_t size[] = {2, 3, 5, 10, 16, 37, 100};
  static double pair[MOST][MOST];
  for (size_t k = 0; k < sizeof size / sizeof *size; k++) {
    uint64_t n = size[k];
    double first[MOST] = {0}, last[MOST] = {0}, chi2[3] = {0}, freedom[3] = {n - 1., n - 1., n * (n - 1.) - 1};
    memset(pair, 0, sizeof pair);
    for (uint64_t key = 0; key < KEYS; key++) {
      gb_key stream = gb_rng_key(9, GB_RNG_TEST, key, 0);
      uint64_t a = element(stream, n, 0), b = element(stream, n, n - 1);
      first[a]++;
      last[b]++;
      pair[a][b]++;
    }
    for (uint64_t i = 0; i < n; i++) {
      double expected = (double)KEYS / (double)n, both = expected / (double)(n - 1);
      chi2[0] += pow(first[i] - expected, 2) / expected;
      chi2[1] += pow(last[i] - expected, 2) / expected;
      for (uint64_t j = 0; j < n; j++) chi2[2] += i == j ? 0 : pow(pair[i][j] - both, 2) / both;
    }
    for (int i = 0; i < 3; i++) CHECK_NEAR(chi2[i], freedom[i], 5 * sqrt(2 * freedom[i]) + 10);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(known_answer),
      TEST(known_answer_of_all_words),
      TEST(purposes_are_frozen),
      TEST(keys_differ),
      TEST(streams_differ),
      TEST(words_are_blocks),
      TEST(unit_is_open),
      TEST(words_are_uniform),
      TEST(normal_moments_and_shape),
      TEST(normal_prefixes),
      TEST(permutations_in_lanes),
      TEST(permutations_are_bijections),
      TEST(permutation_of_the_largest_range),
      TEST(permutations_differ_by_key),
      TEST(permutations_are_fair),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
