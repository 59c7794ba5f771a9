/* tests/physics/test_advection_diffusion.c - the hump against numbers computed elsewhere, eigenvectors, and its noise.
 */
#include "rows.h"

#include "sim/petsc.h"

enum { FRAMES = 50, POINTS = 20, DIFFUSION = 0, VELOCITY, MAGNITUDE, N_TRUTH };
static const size_t at[] = {0, 5, 10, 15, 19}; /* the points that are known, in frame 49 */
enum { KNOWN = sizeof at / sizeof *at, LAST = 49 };

/* a = 0.05, c = 0.08, magnitude 1: SciPy to 1e-12. The hump moves towards x = 0. */
static void drifting(void **state)
{
  (void)state;
  static const double z[N_TRUTH] = {[DIFFUSION] = 0.05, [VELOCITY] = 0.08, [MAGNITUDE] = 1};
  static const double expected[] = {0.1527613442, 0.7188842685, 0.8561706840, 0.4765042401, 0.0776887206};
  float x[FRAMES * POINTS];
  bed b;
  bed_open(&b, "advection_diffusion", "advection_diffusion: {}");
  CHECK_OK(b.sim.kind->simulator->exact(b.sim.self, z, FRAMES, x));
  for (int k = 0; k < KNOWN; k++) CHECK_NEAR((double)x[LAST * POINTS + at[k]], expected[k], 0x1p-25 + 1e-10);
  for (size_t i = 0; i < POINTS; i++) CHECK_NEAR((double)x[i], sin(M_PI * (double)i / (POINTS - 1)), 0x1p-24);
  bed_close(&b);
}

/* Two Euler steps per frame through the known part, of several rows at once. */
static void euler(void **state)
{
  (void)state;
  enum { ROWS = 5, OURS = 3 };
  static const double expected[] = {0.1111612697, 0.6527939224, 0.8722264357, 0.5550849239, 0.1111612697};
  double u[POINTS * ROWS], du[POINTS * ROWS], a[ROWS];
  bed b;
  bed_open(&b, "advection_diffusion", "advection_diffusion: {}");
  for (size_t r = 0; r < ROWS; r++) a[r] = 0.02 + 0.01 * (double)r;
  for (size_t i = 0; i < POINTS * ROWS; i++) u[i] = (double)(1 + i % ROWS) / 4 * sin(M_PI * (double)(i / ROWS) / 19);
  for (size_t k = 0; k < 2 * LAST; k++) {
    b.sim.kind->dynamics->rate(b.sim.self, ROWS, 0, u, a, du);
    for (size_t i = 0; i < POINTS * ROWS; i++) u[i] += 0.01 * du[i];
  }
  for (int k = 0; k < KNOWN; k++) CHECK_NEAR(u[at[k] * ROWS + OURS], expected[k], 6e-11);
  bed_close(&b);
}

/* Sine waves that end one point beyond either end keep their shape. */
static void waves_keep_their_shape(void **state)
{
  (void)state;
  enum { N = 7 };
  double u[N], du[N], a = 0.3;
  bed b;
  bed_open(&b, "advection_diffusion", "advection_diffusion: {points: 7, spacing: 0.25, diffusion_box: [0.001, 1]}");
  for (int k = 1; k <= N; k++) {
    double rate = -2 * (1 - cos(k * M_PI / (N + 1))) * a / (0.25 * 0.25);
    for (int i = 0; i < N; i++) u[i] = sin(k * M_PI * (i + 1) / (N + 1));
    b.sim.kind->dynamics->rate(b.sim.self, 1, 0, u, &a, du);
    for (int i = 0; i < N; i++) CHECK_NEAR(du[i], rate * u[i], 1e-13);
  }
  bed_close(&b);
}

static void derivatives(void **state)
{
  (void)state;
  bed b;
  bed_open(&b, "advection_diffusion", "advection_diffusion: {points: 7}");
  CHECK(b.sim.dims.n_state == 7 && b.sim.dims.seen == 7 && b.sim.dims.driven == 0);
  bed_check_dynamics(&b.sim);
  bed_close(&b);
}

/* Truth in its ranges and spread over them; noise of the right size, to five standard errors. */
static void rows_are_as_asked(void **state)
{
  (void)state;
  enum { ROWS = 200 };
  static const double low[N_TRUTH] = {0.01, 0.01, 0.5}, high[N_TRUTH] = {0.1, 0.1, 1.5};
  double least[N_TRUTH], most[N_TRUTH], square = 0, n = 0;
  float x[FRAMES * POINTS], y[FRAMES * POINTS];
  bed b;
  bed_open(&b, "advection_diffusion", "advection_diffusion: {}");
  const gb_simulator *s = b.sim.kind->simulator;
  for (uint64_t r = 0; r < ROWS; r++) {
    double z[N_TRUTH];
    CHECK_OK(s->simulate(b.sim.self, 3, r, x, z));
    CHECK_OK(s->exact(b.sim.self, z, FRAMES, y));
    for (size_t i = 0; i < b.sim.dims.n; i++, n++) square += pow((double)x[i] - (double)y[i], 2);
    for (int k = 0; k < N_TRUTH; k++) {
      least[k] = r ? fmin(least[k], z[k]) : z[k];
      most[k] = r ? fmax(most[k], z[k]) : z[k];
    }
  }
  CHECK_NEAR(sqrt(square / n), 1e-3, 1e-3 * 5 / sqrt(2 * n));
  for (int k = 0; k < N_TRUTH; k++) {
    double width = high[k] - low[k];
    CHECK(least[k] >= low[k] && least[k] <= low[k] + 0.05 * width);
    CHECK(most[k] <= high[k] && most[k] >= high[k] - 0.05 * width);
  }
  bed_close(&b);
}

static void bad_ranges_are_refused(void **state)
{
  (void)state;
  static const char name[] = "advection_diffusion";
  bed_refused(name, "advection_diffusion: {velocity: [2, 1]}", "advection_diffusion.velocity = [2, 1]");
  bed_refused(name, "advection_diffusion: {diffusion: [-0.1, 0.1]}", "advection_diffusion.diffusion");
  bed_refused(name, "advection_diffusion: {diffusion: [0.001, 0.1]}",
              "advection_diffusion.diffusion_box = [0.005, 0.2] does not contain");
  bed_refused(name, "advection_diffusion: {magnitude: [1]}", "advection_diffusion.magnitude has 1 numbers");
  bed_refused(name, "advection_diffusion: {points: 2}", "advection_diffusion.points");
}

/* What cannot be integrated is reported with its row: here diffusion is far too fast for steps that can be made. */
static void failures_name_the_row(void **state)
{
  (void)state;
  float x[2 * 3];
  double z[N_TRUTH];
  bed b;
  bed_open(&b, "advection_diffusion",
           "advection_diffusion: {frames: 2, points: 3, spacing: 1e-6, frame_time: 1, diffusion: [1000, 1000], "
           "diffusion_box: [1, 10000]}");
  CHECK_FAILS(b.sim.kind->simulator->simulate(b.sim.self, 1, 17, x, z), GB_ERR_NUMERIC, "row 17 (diffusion = 1000,");
  bed_close(&b);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {TEST(drifting),
                                     TEST(euler),
                                     TEST(waves_keep_their_shape),
                                     TEST(derivatives),
                                     TEST(rows_are_as_asked),
                                     TEST(bad_ranges_are_refused),
                                     TEST(failures_name_the_row)};
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  gb_petsc_end();
  MPI_Finalize();
  return failed;
}
