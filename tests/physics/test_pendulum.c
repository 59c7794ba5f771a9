/* tests/physics/test_pendulum.c - the pendulum against trajectories computed elsewhere, its energy, and its noise. */
#include "rows.h"

#include "sim/petsc.h"

enum { FRAMES = 50, OMEGA = 0, DAMPING, ANGLE, VELOCITY, AMPLITUDE, FREQUENCY, N_TRUTH };
static const size_t at[] = {0, 1, 10, 25, 49}; /* the frames that are known */
enum { KNOWN = sizeof at / sizeof *at };

/* theta at these frames, of omega = 2, damping 0.3, f = 4, A = 10 from rest at 1: SciPy's DOP853 at 1e-12. A float has
 * half a unit of 2^-24 of 1.04. */
static void shaken(void **state)
{
  (void)state;
  static const double z[N_TRUTH] = {[OMEGA] = 2, [DAMPING] = 0.3, [ANGLE] = 1, [AMPLITUDE] = 10, [FREQUENCY] = 4};
  static const double expected[] = {1, 1.039321420, 0.594939667, -0.628501753, -0.132039891};
  float x[FRAMES], first[11];
  bed b;
  bed_open(&b, "pendulum", "pendulum: {}");
  const gb_simulator *s = b.sim.kind->simulator;
  CHECK_OK(s->exact(b.sim.self, z, FRAMES, x));
  for (int k = 0; k < KNOWN; k++) CHECK_NEAR((double)x[at[k]], expected[k], 0x1p-24);
  CHECK_OK(s->exact(b.sim.self, z, 11, first)); /* a shorter one is the first part, to the tolerance */
  for (int k = 0; k < 11; k++) CHECK_NEAR((double)first[k], (double)x[k], 0x1p-23);
  bed_close(&b);
}

/* The free pendulum: SciPy again. */
static void free_pendulum(void **state)
{
  (void)state;
  static const double z[N_TRUTH] = {[OMEGA] = 2, [ANGLE] = 1};
  static const double expected[] = {1, 0.995794542, 0.600085366, -0.706651174, -0.119527361};
  float x[2 * FRAMES];
  bed b;
  bed_open(&b, "pendulum", "pendulum: {observe: state}");
  CHECK_OK(b.sim.kind->simulator->exact(b.sim.self, z, FRAMES, x));
  for (int k = 0; k < KNOWN; k++) CHECK_NEAR((double)x[2 * at[k]], expected[k], 0x1p-24);
  for (int k = 0; k < FRAMES; k++) { /* v^2 / 2 - w^2 cos theta is constant */
    double y = (double)x[2 * k], v = (double)x[2 * k + 1];
    CHECK_NEAR(v * v / 2 - 4 * cos(y), -4 * cos(1), 2e-6);
  }
  bed_close(&b);
}

/* Euler steps of one frame through the known part, of several rows at once, one of which is known. */
static void euler(void **state)
{
  (void)state;
  enum { ROWS = 7, OURS = 4 };
  static const double expected[] = {1, 1, 0.631675150, -0.777444664, -0.265042896};
  double u[2 * ROWS], du[2 * ROWS], omega[ROWS], path[FRAMES];
  gb_real x[ROWS * FRAMES] = {0};
  bed b;
  bed_open(&b, "pendulum", "pendulum: {}");
  const gb_dynamics *d = b.sim.kind->dynamics;
  for (size_t r = 0; r < ROWS; r++) {
    x[r * FRAMES] = (gb_real)(0.2 * (double)(r + 1));
    omega[r] = 0.4 * (double)(r + 1);
  }
  d->start(b.sim.self, ROWS, x, u);
  u[OURS] = 1;
  for (size_t r = 0; r < ROWS; r++) CHECK(u[ROWS + r] == 0 && fabs(u[r] - 0.2 * (double)(r + 1)) < 1e-7);
  for (size_t k = 0; k < FRAMES; k++) {
    path[k] = u[OURS];
    d->rate(b.sim.self, ROWS, 0.05 * (double)k, u, omega, du);
    for (size_t i = 0; i < 2 * ROWS; i++) u[i] += 0.05 * du[i];
  }
  for (int k = 0; k < KNOWN; k++) CHECK_NEAR(path[at[k]], expected[k], 6e-10);
  bed_close(&b);
}

/* The known part is what the simulator integrates without force, with damping too: the velocity of a frame, by central
 * differences of a fine trajectory. */
static void law_is_the_simulated_one(void **state)
{
  (void)state;
  enum { FINE = 2001 };
  static const double z[N_TRUTH] = {[OMEGA] = 1.3, [DAMPING] = 0.4, [ANGLE] = 0.5, [VELOCITY] = 1.2};
  static float x[2 * FINE];
  double u[2], du[2];
  bed b;
  bed_open(&b, "pendulum", "pendulum: {observe: state, law: damped, frame_time: 0.001}");
  CHECK(b.sim.dims.n_parameter == 2 && b.sim.dims.low[1] == 0 && b.sim.dims.high[1] == 1);
  CHECK_OK(b.sim.kind->simulator->exact(b.sim.self, z, FINE, x));
  for (size_t k = 100; k + 100 < FINE; k += 100) {
    u[0] = (double)x[2 * k];
    u[1] = (double)x[2 * k + 1];
    b.sim.kind->dynamics->rate(b.sim.self, 1, 0, u, z, du);
    for (size_t i = 0; i < 2; i++)
      CHECK_NEAR(du[i], ((double)x[2 * (k + 50) + i] - (double)x[2 * (k - 50) + i]) / 0.1, 2e-3);
  }
  bed_close(&b);
}

static void derivatives(void **state)
{
  (void)state;
  static const char *const yaml[] = {"pendulum: {}", "pendulum: {law: damped, observe: state, driven: state}"};
  for (int i = 0; i < 2; i++) {
    bed b;
    bed_open(&b, "pendulum", yaml[i]);
    CHECK(b.sim.dims.driven == (i ? 0 : 1) && b.sim.dims.seen == (i ? 2 : 1) && b.sim.dims.n_state == 2);
    bed_check_dynamics(&b.sim);
    bed_close(&b);
  }
}

/* Over rows: truth in its ranges and spread over them, at rest or on a ring; noise of the right size: its standard
 * deviation of n numbers is known to 1/sqrt(2 n), and five of that are allowed. */
static void rows_are_as_asked(void **state)
{
  (void)state;
  enum { ROWS = 200 };
  static const double low[N_TRUTH] = {0.785, 0, -1.57, 0, 0, 3.14}, high[N_TRUTH] = {3.14, 0.8, 1.57, 0, 40, 6.28};
  for (int ring = 0; ring < 2; ring++) {
    double least[N_TRUTH], most[N_TRUTH], sum = 0, square = 0, n = 0;
    float x[2 * FRAMES], y[2 * FRAMES];
    bed b;
    bed_open(&b, "pendulum", ring ? "pendulum: {observe: state, start: ring}" : "pendulum: {}");
    const gb_simulator *s = b.sim.kind->simulator;
    for (uint64_t r = 0; r < ROWS; r++) {
      double z[N_TRUTH];
      CHECK_OK(s->simulate(b.sim.self, 3, r, x, z));
      CHECK_OK(s->exact(b.sim.self, z, FRAMES, y));
      for (size_t i = 0; i < b.sim.dims.n; i++) {
        double noise = (double)x[i] - (double)y[i];
        sum += noise;
        square += noise * noise;
        n++;
      }
      for (int k = 0; k < N_TRUTH; k++) {
        least[k] = r ? fmin(least[k], z[k]) : z[k];
        most[k] = r ? fmax(most[k], z[k]) : z[k];
      }
      double radius = hypot(z[ANGLE], z[VELOCITY]);
      if (ring) CHECK(radius > 1.3 && radius < 2.3);
    }
    CHECK_NEAR(sqrt(square / n), 0.01, 0.01 * 5 / sqrt(2 * n));
    CHECK_NEAR(sum / n, 0, 0.01 * 5 / sqrt(n));
    for (int k = 0; k < N_TRUTH; k++) {
      double width = high[k] - low[k];
      if (ring && (k == ANGLE || k == VELOCITY)) {
        CHECK(least[k] < -1.5 && most[k] > 1.5);
      } else {
        CHECK(least[k] >= low[k] && least[k] <= low[k] + 0.05 * width);
        CHECK(most[k] <= high[k] && most[k] >= high[k] - 0.05 * width);
      }
    }
    bed_close(&b);
  }
}

static void bad_ranges_are_refused(void **state)
{
  (void)state;
  bed_refused("pendulum", "pendulum: {omega: [2, 1]}", "pendulum.omega = [2, 1]");
  bed_refused("pendulum", "pendulum: {omega: [1, 2, 3]}", "pendulum.omega has 3 numbers");
  bed_refused("pendulum", "pendulum: {damping: [-0.1, 0.2]}", "pendulum.damping");
  bed_refused("pendulum", "pendulum: {omega_box: [1, 2]}", "does not contain pendulum.omega = [0.785, 3.14]");
  bed_refused("pendulum", "pendulum: {omega: [1, 1], omega_box: [1, 1]}", "pendulum.omega_box = [1, 1] is empty");
  bed_refused("pendulum", "pendulum: {law: damped, damping: [0, 2]}", "pendulum.damping_box");
  bed b; /* without damping in the law its box does not matter */
  bed_open(&b, "pendulum", "pendulum: {damping: [2, 2]}");
  CHECK(b.sim.dims.n_parameter == 1);
  bed_close(&b);
}

/* A team is refused. */
static void teams_are_refused(void **state)
{
  (void)state;
  bed b;
  void *self = NULL;
  gb_dims dims;
  gb_comm two = gb_comm_self();
  bed_open(&b, "pendulum", "pendulum: {}");
  two.size = 2;
  CHECK_FAILS(b.sim.kind->create(NULL, two, &self, &dims), GB_ERR_CONFIG, "ranks_per_chain = 1");
  bed_close(&b);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {TEST(shaken),
                                     TEST(free_pendulum),
                                     TEST(euler),
                                     TEST(law_is_the_simulated_one),
                                     TEST(derivatives),
                                     TEST(rows_are_as_asked),
                                     TEST(bad_ranges_are_refused),
                                     TEST(teams_are_refused)};
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  gb_petsc_end();
  MPI_Finalize();
  return failed;
}
