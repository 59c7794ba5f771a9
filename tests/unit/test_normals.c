/* tests/unit/test_normals.c - normal numbers in lanes: those of the streams, whoever is drawn with them; normal. */
#include "linalg/normals.h"

#include "check.h"

/* Box-Muller in double on the words of the stream: floats add roundings only, 1e-6 of numbers of size 1. */
static void they_are_those_of_the_stream(void **state)
{
  (void)state;
  enum { ROWS = 7, MOST = 150 };
  gb_real x[ROWS][MOST + 3], expected[MOST];
  for (size_t n = 1; n <= MOST; n++) {
    const uint64_t first = 0xfffffffcu, step = 5; /* the upper word of the index changes among the rows */
    for (size_t r = 0; r < ROWS; r++)
      for (size_t i = 0; i < MOST + 3; i++) x[r][i] = 99;
    gb_normals(42, GB_RNG_TEST, first, step, ROWS, n, MOST + 3, x[0]);
    for (size_t r = 0; r < ROWS; r++) {
      gb_rng_normal(gb_rng_key(42, GB_RNG_TEST, first + r, step), n, expected);
      for (size_t i = 0; i < n; i++) CHECK_NEAR((double)x[r][i], (double)expected[i], 1.5e-6);
      for (size_t i = n; i < MOST + 3; i++) CHECK(x[r][i] == 99); /* nothing beyond */
    }
  }
}

/* A row has the same bits alone and in company, the first numbers of a row whatever its length. */
static void rows_are_independent(void **state)
{
  (void)state;
  enum { ROWS = 50, N = 37 };
  static gb_real all[ROWS][N], one[N];
  gb_normals(3, GB_RNG_LATENT, 1000, 9, ROWS, N, N, all[0]);
  for (size_t r = 0; r < ROWS; r++)
    for (size_t n = 1; n <= N; n += 6) {
      gb_normals(3, GB_RNG_LATENT, 1000 + r, 9, 1, n, N, one);
      for (size_t i = 0; i < n; i++) CHECK(one[i] == all[r][i]);
    }
  gb_normals(3, GB_RNG_LATENT, 1000, 9, 0, N, N, one); /* no rows, and rows of nothing */
  gb_normals(3, GB_RNG_LATENT, 1000, 9, 5, 0, N, one);
  CHECK(one[0] == all[ROWS - 1][0]);
}

/* Moments of a million numbers, 5 standard errors; the distribution function at 13 places, out to 4 sigma. */
static void they_are_normal(void **state)
{
  (void)state;
  enum { N = 1 << 20, PLACES = 13 };
  gb_real *x = gb_alloc(N, sizeof *x);
  double m[5] = {0}, below[PLACES] = {0}, both = 0;
  gb_normals(8, GB_RNG_TEST, 0, 0, 1, N, N, x);
  for (size_t i = 0; i < N; i++) {
    double v = (double)x[i], p = 1;
    for (int k = 1; k <= 4; k++) m[k] += (p *= v) / N;
    for (int k = 0; k < PLACES; k++) below[k] += v < (k - 6) * (2.0 / 3) ? 1.0 / N : 0;
    if (i) both += v * (double)x[i - 1] / N;
  }
  CHECK_NEAR(m[1], 0, 5 * sqrt(1.0 / N));
  CHECK_NEAR(m[2], 1, 5 * sqrt(2.0 / N));
  CHECK_NEAR(m[3], 0, 5 * sqrt(15.0 / N));
  CHECK_NEAR(m[4], 3, 5 * sqrt(96.0 / N));
  CHECK_NEAR(both, 0, 5 * sqrt(1.0 / N));
  for (int k = 0; k < PLACES; k++) {
    double p = erfc(-(k - 6) * (2.0 / 3) / sqrt(2)) / 2;
    CHECK_NEAR(below[k], p, 5 * sqrt(p * (1 - p) / N));
  }
  gb_free(&x);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(they_are_those_of_the_stream), TEST(rows_are_independent),
                                     TEST(they_are_normal)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
