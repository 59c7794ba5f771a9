/* tests/unit/test_sobol.c - the published points, and what makes them even. */
#include "sweep/sobol.h"

#include <string.h>

#include "check.h"

/* The first points in three dimensions that Joe and Kuo print on their page (web.maths.unsw.edu.au/~fkuo/sobol). */
static void published_points(void **state)
{
  (void)state;
  static const double point[10][3] = {{0, 0, 0},
                                      {0.5, 0.5, 0.5},
                                      {0.75, 0.25, 0.25},
                                      {0.25, 0.75, 0.75},
                                      {0.375, 0.375, 0.625},
                                      {0.875, 0.875, 0.125},
                                      {0.625, 0.125, 0.875},
                                      {0.125, 0.625, 0.375},
                                      {0.1875, 0.3125, 0.9375},
                                      {0.6875, 0.8125, 0.4375}};
  for (uint32_t n = 0; n < 10; n++)
    for (int d = 0; d < 3; d++) CHECK(gb_sobol(d, n) * 0x1p-32 == point[n][d]);
}

/* Any block of 2^k points has one in each interval of length 2^-k, in every dimension. */
static void one_point_in_each_interval(void **state)
{
  (void)state;
  enum { K = 8, N = 1 << K };
  for (int d = 0; d < GB_SOBOL_DIMENSIONS; d++)
    for (uint32_t block = 0; block < 3; block++) {
      bool seen[N] = {false};
      for (uint32_t n = 0; n < N; n++) {
        uint32_t cell = gb_sobol(d, block * N + n) >> (32 - K);
        CHECK(!seen[cell]);
        seen[cell] = true;
      }
    }
}

/* The first two dimensions are a (0, k, 2)-net: one point in each box of area 2^-k with sides that are powers of two.
 */
static void one_point_in_each_box(void **state)
{
  (void)state;
  enum { K = 8, N = 1 << K };
  for (int a = 1; a < K; a++) {
    bool seen[N] = {false};
    for (uint32_t n = 0; n < N; n++) {
      uint32_t box = gb_sobol(0, n) >> (32 - a) << (K - a) | gb_sobol(1, n) >> (32 - (K - a));
      CHECK(!seen[box]);
      seen[box] = true;
    }
  }
}

/* Property A (Sobol 1976), which these direction numbers have: of the first 2^d points one is in each of the 2^d
 * orthants of the first d dimensions. So the first bits of their direction numbers have an odd determinant; a wrong
 * number of the table would show with probability 1/2 in each of the dimensions from its own on. */
static void property_a(void **state)
{
  (void)state;
  for (int d = 1; d <= GB_SOBOL_DIMENSIONS; d++) {
    uint32_t row[GB_SOBOL_DIMENSIONS] = {0};
    for (int i = 0; i < d; i++)
      for (int j = 0; j < d; j++) /* the point whose Gray code is bit j alone */
        row[i] |= (gb_sobol(i, (uint32_t)((UINT64_C(2) << j) - 1)) >> 31) << j;
    for (int j = 0; j < d; j++) {
      int pivot = j;
      while (pivot < d && !(row[pivot] >> j & 1)) pivot++;
      CHECK(pivot < d);
      uint32_t kept = row[pivot];
      row[pivot] = row[j];
      row[j] = kept;
      for (int i = 0; i < d; i++)
        if (i != j && row[i] >> j & 1) row[i] ^= row[j];
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(published_points), TEST(one_point_in_each_interval),
                                     TEST(one_point_in_each_box), TEST(property_a)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
