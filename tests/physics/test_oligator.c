/* tests/physics/test_oligator.c - the Oligator against numbers computed elsewhere, and its conservation laws. */
#include "molecule.h"

#include "sim/petsc.h"

#define PUBLISHED "template_1: [38.5, 38.5], template_2: [3.89, 3.89], template_3: [38.5, 38.5], alpha: [10, 10]"

/* Strands in nM, by SciPy's BDF at 1e-9 from the SBML file BIOMD0000000315: to the digits that are known. */
static void strands(void **state)
{
  (void)state;
  static const double late[3][2] = {{0.026, 11.475}, {0.0529, 4.2004}, {0.308, 10.448}};
  static const double ends[3][2] = {{5e-4, 5e-3}, {1e-4, 5e-4}, {5e-4, 5e-3}};
  molecule m;
  molecule_open(&m, "oligator",
                "oligator: {noise: 0, observe: strands, frames: 8001, frame_time: 0.5, tolerance: 1e-9, " PUBLISHED
                "}");
  CHECK_NEAR(molecule_at(&m, 50, 0), 1.60485, 1e-5);
  CHECK_NEAR(molecule_at(&m, 50, 1), 3.6139, 5e-5);
  CHECK_NEAR(molecule_at(&m, 50, 2), 12.7946, 5e-5);
  CHECK_NEAR(molecule_at(&m, 11.5, 0), 182.9, 0.05);
  CHECK_NEAR(molecule_at(&m, 146.5, 0), 14.31, 0.005);
  CHECK(molecule_label(&m)[GB_CURVE_BEHAVIOUR] == GB_CURVE_SUSTAINED);
  CHECK_NEAR(molecule_label(&m)[GB_CURVE_PERIOD], 108.1, 0.005 * 108.1);
  for (size_t s = 0; s < 3; s++) {
    double least, most;
    molecule_range(&m, 3000, s, &least, &most);
    CHECK_NEAR(least, late[s][0], ends[s][0]);
    CHECK_NEAR(most, late[s][1], ends[s][1]);
  }
  molecule_close(&m);
}

static void fluorescence(void **state)
{
  (void)state;
  double least, most;
  molecule m;
  molecule_open(&m, "oligator", "oligator: {noise: 0, frames: 8001, frame_time: 0.5, tolerance: 1e-8, " PUBLISHED "}");
  CHECK_NEAR(molecule_at(&m, 50, 0), 0.876279, 1e-6);
  molecule_range(&m, 3000, 0, &least, &most);
  CHECK_NEAR(least, 0.615, 6e-4);
  CHECK_NEAR(most, 0.862, 6e-4);
  molecule_close(&m);
}

static void methods_agree(void **state)
{
  (void)state;
  molecule_methods("oligator", "observe: strands, frames: 64, frame_time: 5, " PUBLISHED, 1e-6);
  molecule_methods("oligator", "observe: strands, frames: 64, frame_time: 5, kinetics: michaelis_menten, " PUBLISHED,
                   1e-6);
}

/* Rows in which strands stay where they can be, whatever is drawn: both kinetics end without a failure (templates are
 * checked after every step), and no concentration is negative. */
static void rows_stay_positive(void **state)
{
  (void)state;
  static const char *const kinetics[] = {"first_order", "michaelis_menten"};
  for (int k = 0; k < 2; k++) {
    char yaml[256];
    bed b;
    snprintf(yaml, sizeof yaml,
             "oligator: {noise: 0, observe: strands, kinetics: %s, frames: 40, frame_time: 20, "
             "affinity_alpha: [5, 12], affinity_beta: [5, 12], affinity_inhibitor: [5, 12]}",
             kinetics[k]);
    bed_open(&b, "oligator", yaml);
    for (uint64_t row = 0; row < 40; row++) {
      float x[3 * 40];
      double z[32];
      CHECK_OK(b.sim.kind->simulator->simulate(b.sim.self, 2, row, x, z));
      for (size_t i = 0; i < b.sim.dims.n; i++) CHECK(x[i] >= 0 && x[i] < 1e5f);
    }
    bed_close(&b);
  }
}

static void bad_ranges_are_refused(void **state)
{
  (void)state;
  bed_refused("oligator", "oligator: {template_1: [-3, 4]}", "oligator.template_1");
  bed_refused("oligator", "oligator: {alpha: [5, 4]}", "oligator.alpha = [5, 4]");
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {TEST(strands), TEST(fluorescence), TEST(methods_agree), TEST(rows_stay_positive),
                                     TEST(bad_ranges_are_refused)};
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  gb_petsc_end();
  MPI_Finalize();
  return failed;
}
