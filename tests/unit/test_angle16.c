/* unit/test_angle16.c - every code there and back; the error bound all around the circle; the ends. */
#include "io/angle16.h"

#include "check.h"

enum { CODES = 65536 };

static const double half_cell = M_PI / CODES;

/* The way from a to b on the circle. */
static double apart(double a, double b)
{
  return fabs(remainder(a - b, 2 * M_PI));
}

static void all_codes(void **state)
{
  (void)state;
  static uint16_t q[CODES], back[CODES];
  static float theta[CODES];
  for (size_t i = 0; i < CODES; i++) q[i] = (uint16_t)i;
  gb_angle16_decode(CODES, q, theta);
  gb_angle16_encode(CODES, theta, back);
  for (size_t i = 0; i < CODES; i++) {
    CHECK(back[i] == i);
    CHECK(theta[i] == (float)(((double)i + 0.5) * 2 * M_PI / CODES - M_PI)); /* the definition, in docs/FILES.md */
    CHECK(theta[i] > -(float)M_PI && theta[i] < (float)M_PI);
    if (i) CHECK(theta[i] > theta[i - 1]);
  }
}

/* A dense sweep, in runs of all lengths so that the ends of vector loops are met too. */
static void error_bound(void **state)
{
  (void)state;
  enum { SWEEP = 1 << 21, LONGEST = 37 };
  double largest = 0;
  for (size_t i = 0, n; i < SWEEP; i += n) {
    float theta[LONGEST], back[LONGEST];
    uint16_t q[LONGEST];
    n = i % LONGEST + 1;
    for (size_t k = 0; k < n; k++) {
      double t = (2.0 * (double)(i + k) / SWEEP - 1) * M_PI;
      theta[k] = (float)(t < M_PI ? t : M_PI);
    }
    gb_angle16_encode(n, theta, q);
    gb_angle16_decode(n, q, back);
    for (size_t k = 0; k < n; k++) largest = fmax(largest, apart((double)theta[k], (double)back[k]));
  }
  CHECK(largest <= half_cell + 2e-7); /* a float near pi is rounded by up to 1.2e-7 */
  CHECK(largest > 0.99 * half_cell);
}

/* The edges of cells: an angle goes into the cell it lies in. */
static void edges(void **state)
{
  (void)state;
  for (size_t i = 1; i < CODES; i++) {
    float edge = (float)((double)i * 2 * M_PI / CODES - M_PI), theta[2];
    uint16_t q[2];
    theta[0] = edge - 3e-7f; /* beyond the rounding of floats near pi */
    theta[1] = edge + 3e-7f;
    gb_angle16_encode(2, theta, q);
    CHECK(q[0] == i - 1 && q[1] == i);
  }
}

static void ends(void **state)
{
  (void)state;
  const float pi = (float)M_PI; /* beyond pi by 8.7e-8 */
  const float theta[] = {-pi,
                         nextafterf(-pi, 0),
                         nextafterf(-pi, -4),
                         -4,
                         -INFINITY,
                         pi,
                         nextafterf(pi, 0),
                         nextafterf(pi, 4),
                         4,
                         INFINITY,
                         NAN,
                         0,
                         -0.0f};
  static const uint16_t expected[] = {0, 0, 0, 0, 0, 65535, 65535, 65535, 65535, 65535, 0, 32768, 32768};
  enum { N = sizeof theta / sizeof *theta };
  uint16_t q[N];
  float back[1];
  gb_angle16_encode(N, theta, q);
  for (size_t i = 0; i < N; i++) CHECK(q[i] == expected[i]);
  gb_angle16_decode(1, q, back);
  CHECK_NEAR((double)back[0], half_cell - M_PI, 2e-7);
  gb_angle16_decode(1, q + 5, back);
  CHECK_NEAR((double)back[0], M_PI - half_cell, 2e-7);
  gb_angle16_encode(0, NULL, NULL);
  gb_angle16_decode(0, NULL, NULL);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(all_codes), TEST(error_bound), TEST(edges), TEST(ends)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
