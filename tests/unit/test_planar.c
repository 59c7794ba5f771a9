/* tests/unit/test_planar.c - angles as vectors, turned, and back. */
#include "linalg/planar.h"

#include "check.h"

enum { N = 300 };

static void vectors_and_back(void **state)
{
  float angle[N];
  gb_real v[2 * N], half[N], turned[2 * N];
  double sum[2] = {0, 0};
  (void)state;
  for (int i = 0; i < N; i++) angle[i] = (float)(M_PI * sin(0.7 * i) * 0.999 + 0.3 * cos(i));
  CHECK_NEAR(gb_planar_vectors(N, angle, false, v), 0, 0);
  gb_planar_half_turns(N, v, half);
  for (int i = 0; i < N; i++) {
    CHECK_NEAR(v[2 * i], cos(angle[i]), 2e-7);
    CHECK_NEAR(v[2 * i + 1], sin(angle[i]), 2e-7);
    CHECK_NEAR(remainder(half[i] * M_PI - angle[i], 2 * M_PI), 0, 1e-6);
    sum[0] += v[2 * i];
    sum[1] += v[2 * i + 1];
  }
  double by = gb_planar_vectors(N, angle, true, turned), across = 0, along = 0;
  CHECK_NEAR(by, atan2(sum[1], sum[0]), 1e-6);
  for (int i = 0; i < N; i++) {
    CHECK_NEAR(turned[2 * i], cos(angle[i] - by), 1e-6);
    CHECK_NEAR(turned[2 * i + 1], sin(angle[i] - by), 1e-6);
    along += turned[2 * i];
    across += turned[2 * i + 1];
  }
  CHECK_NEAR(across, 0, 1e-4);
  CHECK_NEAR(along, hypot(sum[0], sum[1]), 1e-4);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(vectors_and_back)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
