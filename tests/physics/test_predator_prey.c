/* tests/physics/test_predator_prey.c - extinction, oscillation and damping against numbers computed elsewhere. */
#include "molecule.h"

#include "sim/petsc.h"

/* Period, and the largest N and P after 1000 minutes, by SciPy's LSODA at 1e-10: of every G. */
static void periods(void **state)
{
  (void)state;
  static const struct {
    double G, period, N, P;
  } known[] = {
      {100, 178.2, 25.69, 71.58}, {110, 111.7, 41.33, 107.9}, {120, 102.4, 54.11, 135.1}, {150, 85.7, 73.9, 184.4}};
  for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
    molecule m;
    char yaml[256];
    double least, most[2];
    snprintf(yaml, sizeof yaml,
             "predator_prey: {noise: 0, unit: 1, frames: 6001, frame_time: 0.5, tolerance: 1e-9, G: [%g, %g]}",
             known[k].G, known[k].G);
    molecule_open(&m, "predator_prey", yaml);
    for (size_t i = 0; i < 2; i++) molecule_range(&m, 1500, i, &least, &most[i]);
    CHECK(molecule_label(&m)[GB_CURVE_BEHAVIOUR] == GB_CURVE_SUSTAINED);
    CHECK_NEAR(molecule_label(&m)[GB_CURVE_PERIOD], known[k].period, 0.005 * known[k].period);
    CHECK_NEAR(most[0], known[k].N, 1e-3 * known[k].N);
    CHECK_NEAR(most[1], known[k].P, 1e-3 * known[k].P);
    molecule_close(&m);
  }
}

/* With less template the prey dies out; with more both come to rest, the predators near 97 and 111 nM. */
static void thresholds(void **state)
{
  (void)state;
  static const struct {
    double G, N, P;
    gb_behaviour behaviour;
  } known[] = {{80, 0, 0, GB_CURVE_STEADY}, {180, NAN, 97, GB_CURVE_DAMPED}, {200, NAN, 111, GB_CURVE_DAMPED}};
  for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
    molecule m;
    char yaml[256];
    snprintf(yaml, sizeof yaml,
             "predator_prey: {noise: 0, unit: 1, frames: 4001, frame_time: 1, tolerance: 1e-9, G: [%g, %g]}",
             known[k].G, known[k].G);
    molecule_open(&m, "predator_prey", yaml);
    if (known[k].N >= 0) CHECK_NEAR(molecule_at(&m, 4000, 0), known[k].N, 1e-2);
    CHECK_NEAR(molecule_at(&m, 4000, 1), known[k].P, 1e-2 + 0.006 * known[k].P);
    molecule_close(&m);
    snprintf(yaml, sizeof yaml, "predator_prey: {frames: 201, frame_time: 4, G: [%g, %g]}", known[k].G, known[k].G);
    molecule_open(&m, "predator_prey", yaml); /* while it can be seen */
    CHECK(molecule_label(&m)[GB_CURVE_BEHAVIOUR] == known[k].behaviour);
    molecule_close(&m);
  }
}

static void methods_agree(void **state)
{
  (void)state;
  molecule_methods("predator_prey", "G: [120, 120]", 1e-6);
}

static void derivatives(void **state)
{
  (void)state;
  static const char *const yaml[] = {"predator_prey: {}",
                                     "predator_prey: {law: template_and_predation, observe: prey, unit: 3}"};
  for (int i = 0; i < 2; i++) {
    bed b;
    bed_open(&b, "predator_prey", yaml[i]);
    CHECK(b.sim.dims.n_parameter == (i ? 2 : 1) && b.sim.dims.seen == (i ? 1 : 2));
    bed_check_dynamics(&b.sim);
    bed_close(&b);
  }
}

/* What is known is what is simulated: rates by central differences of a fine trajectory. */
static void law_is_the_simulated_one(void **state)
{
  (void)state;
  molecule m;
  double u[2], du[2], G = 130;
  molecule_open(&m, "predator_prey", "predator_prey: {noise: 0, frames: 20001, frame_time: 0.01, G: [130, 130]}");
  for (size_t k = 1000; k + 100 < m.frames; k += 1000) {
    for (size_t i = 0; i < 2; i++) u[i] = (double)m.x[2 * k + i];
    m.b.sim.kind->dynamics->rate(m.b.sim.self, 1, 0, u, &G, du);
    for (size_t i = 0; i < 2; i++)
      CHECK_NEAR(du[i], ((double)m.x[2 * (k + 5) + i] - (double)m.x[2 * (k - 5) + i]) / 0.1, 5e-5);
  }
  molecule_close(&m);
}

static void instrument(void **state)
{
  (void)state;
  molecule_instrument("predator_prey", "observe: both", 4);
}

/* What is known starts at the first frame, or where the sample was prepared. */
static void starts(void **state)
{
  (void)state;
  static const char *const yaml[] = {"predator_prey: {prey: [20, 40], predator: [5, 7], observe: prey}",
                                     "predator_prey: {prey: [20, 40], predator: [5, 7], start: prepared}"};
  for (int k = 0; k < 2; k++) {
    molecule m;
    double u[2];
    molecule_open(&m, "predator_prey", yaml[k]);
    gb_real *x = gb_alloc(m.b.sim.dims.n, sizeof *x);
    for (size_t i = 0; i < m.b.sim.dims.n; i++) x[i] = (gb_real)m.x[i];
    m.b.sim.kind->dynamics->start(m.b.sim.self, 1, x, u);
    CHECK_NEAR(u[0], k ? 0.3 : (double)m.x[0], 1e-12);
    CHECK_NEAR(u[1], 0.06, 1e-12);
    gb_free(&x);
    molecule_close(&m);
  }
}

static void bad_ranges_are_refused(void **state)
{
  (void)state;
  bed_refused("predator_prey", "predator_prey: {G: [-1, 100]}", "predator_prey.G");
  bed_refused("predator_prey", "predator_prey: {gain: [0, 1]}", "predator_prey.gain");
  bed_refused("predator_prey", "predator_prey: {gain: [1]}", "predator_prey.gain has 1 numbers");
  bed_refused("predator_prey", "predator_prey: {offset: [0.1, 0]}", "predator_prey.offset = [0.1, 0]");
  bed_refused("predator_prey", "predator_prey: {drift: [1, 0]}", "predator_prey.drift = [1, 0]");
  bed_refused("predator_prey", "predator_prey: {drift_time: 0}", "predator_prey.drift_time");
  bed_refused("predator_prey", "predator_prey: {G: [100, 90]}", "predator_prey.G = [100, 90]");
  bed_refused("predator_prey", "predator_prey: {G: [20, 90]}", "predator_prey.G_box = [50, 250] does not contain");
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {TEST(periods),
                                     TEST(thresholds),
                                     TEST(methods_agree),
                                     TEST(derivatives),
                                     TEST(law_is_the_simulated_one),
                                     TEST(instrument),
                                     TEST(starts),
                                     TEST(bad_ranges_are_refused)};
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  gb_petsc_end();
  MPI_Finalize();
  return failed;
}
