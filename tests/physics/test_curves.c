/* tests/physics/test_curves.c - sines and sigmoids against their closed forms, and what their truth says. */
#include "rows.h"

#include "sim/petsc.h"

enum { SIGMOID, AMPLITUDE, FREQUENCY, PHASE, STEEPNESS, MIDPOINT, SIGN, N_TRUTH, FRAMES = 128 };

static void rows_are_what_they_say(void **state)
{
  (void)state;
  enum { ROWS = 2000 };
  double sigmoids = 0, up = 0, square = 0;
  bed b;
  bed_open(&b, "curves", "curves: {sines: 0.3, noise: 0.02}");
  for (uint64_t row = 0; row < ROWS; row++) {
    float x[FRAMES];
    double z[N_TRUTH];
    CHECK_OK(b.sim.kind->simulator->simulate(b.sim.self, 5, row, x, z));
    for (int k = 0; k < FRAMES; k++) {
      double t = k / (FRAMES - 1.0), sine = z[AMPLITUDE] * sin(2 * M_PI * (z[FREQUENCY] * t + z[PHASE]));
      double wave = z[AMPLITUDE] * (2 / (1 + exp(-z[STEEPNESS] * (t - z[MIDPOINT]))) - 1);
      square += pow((double)x[k] - (z[SIGMOID] > 0 ? z[SIGN] * wave : sine), 2);
    }
    sigmoids += z[SIGMOID];
    up += z[SIGN] > 0;
    CHECK(z[AMPLITUDE] >= 0.5 && z[AMPLITUDE] <= 1);
    if (z[SIGMOID] > 0)
      CHECK(z[FREQUENCY] == 0 && z[STEEPNESS] >= 10 && z[STEEPNESS] <= 40 && fabs(z[SIGN]) == 1);
    else
      CHECK(z[FREQUENCY] >= 1 && z[FREQUENCY] <= 4 && z[STEEPNESS] == 0 && z[SIGN] == 0);
  }
  CHECK_NEAR(sigmoids / ROWS, 0.7, 5 * sqrt(0.21 / ROWS));
  CHECK_NEAR(up / sigmoids, 0.5, 5 * sqrt(0.25 / sigmoids));
  CHECK_NEAR(sqrt(square / (ROWS * FRAMES)), 0.02, 0.02 * 5 / sqrt(2.0 * ROWS * FRAMES));
  bed_close(&b);
}

static void bad_ranges_are_refused(void **state)
{
  (void)state;
  bed_refused("curves", "curves: {frequency: [4, 1]}", "curves.frequency = [4, 1]");
  bed_refused("curves", "curves: {sines: 1.5}", "curves.sines");
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {TEST(rows_are_what_they_say), TEST(bad_ranges_are_refused)};
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  gb_petsc_end();
  MPI_Finalize();
  return failed;
}
