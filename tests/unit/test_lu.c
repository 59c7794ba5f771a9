/* tests/unit/test_lu.c - solutions of small systems, also transposed, and rows that must change places. */
#include "linalg/lu.h"

#include "base/rng.h"
#include "check.h"

enum { MOST = 24 };

static double draw(size_t i)
{
  uint32_t w[4];
  gb_rng_block(gb_rng_key(1, GB_RNG_TEST, i, 0), 0, w);
  return 2 * gb_rng_unit(w[0]) - 1;
}

/* A x = b for random A with zeros on the diagonal; the residual is that of rounding. */
static void solutions(void **state)
{
  (void)state;
  for (size_t n = 2; n <= MOST; n++) {
    double a[MOST * MOST] = {0}, lu[MOST * MOST], b[MOST], x[MOST];
    int pivot[MOST];
    for (size_t j = 0; j < n; j++)
      for (size_t i = 0; i < n; i++) a[j * MOST + i] = i == j && i % 2 == 0 ? 0 : draw(n * MOST * MOST + j * MOST + i);
    for (size_t i = 0; i < n; i++) b[i] = draw(i);
    memcpy(lu, a, sizeof lu);
    gb_lu_factor(n, MOST, lu, pivot);
    for (int way = 0; way < 2; way++) {
      memcpy(x, b, sizeof x);
      (way ? gb_lu_solve_transposed : gb_lu_solve)(n, MOST, lu, pivot, x);
      for (size_t i = 0; i < n; i++) {
        double sum = 0, size = 1;
        for (size_t j = 0; j < n; j++) {
          double term = (way ? a[i * MOST + j] : a[j * MOST + i]) * x[j];
          sum += term;
          size += fabs(term);
        }
        CHECK_NEAR(sum, b[i], 1e-13 * size);
      }
    }
  }
}

/* The same systems by the inverse, in strides of several sizes. */
static void inverses(void **state)
{
  (void)state;
  static const size_t strides[] = {8, 13, 16, 24, 32, 40};
  for (int s = 0; s < 6; s++)
    for (size_t stride = strides[s], n = 1; n <= stride && n <= MOST; n++) {
      double a[40 * 40] = {0}, inverse[40 * 40], x[40] = {0}, b[40];
      int pivot[40];
      for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < n; i++)
          a[j * stride + i] = i == j && i % 2 == 0 && n > 1 ? 0 : draw(n * MOST * MOST + j * MOST + i);
      for (size_t i = 0; i < n; i++) b[i] = draw(i);
      memcpy(inverse, a, sizeof inverse);
      gb_inverse(n, stride, inverse, pivot);
      gb_inverse_apply(n, stride, inverse, b, x);
      for (size_t i = 0; i < n; i++) {
        double sum = 0, size = 1;
        for (size_t j = 0; j < n; j++) {
          sum += a[j * stride + i] * x[j];
          size += fabs(a[j * stride + i] * x[j]);
        }
        CHECK_NEAR(sum, b[i], 2e-12 * size);
      }
    }
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(solutions), TEST(inverses)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
