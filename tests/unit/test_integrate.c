/* tests/unit/test_integrate.c - trajectories against solutions in closed form, and those that cannot be had. */
#include "sim/integrate.h"

#include "check.h"
#include "comm/comm.h"
#include "foreign_leaks.h"
#include "sim/petsc.h"

typedef struct oscillator {
  double omega;
  long calls;
} oscillator;

static void growth(void *ctx, double t, const double *u, double *du)
{
  (void)ctx, (void)t;
  du[0] = u[0];
}

static void turn(void *ctx, double t, const double *u, double *du)
{
  oscillator *o = ctx;
  (void)t;
  o->calls++;
  du[0] = u[1];
  du[1] = -o->omega * o->omega * u[0];
}

static void driven(void *ctx, double t, const double *u, double *du)
{
  (void)ctx, (void)u;
  du[0] = cos(t);
}

static void exponential(void **state)
{
  (void)state;
  static const double time[] = {1, 1.5, 1.5001, 3, 6}, u0 = 2;
  double u[5];
  CHECK_OK(gb_integrate(&(gb_equation){.n = 1, .ctx = NULL, .rate = growth, .tolerance = 1e-12}, &u0, 5, time, u));
  assert_true(u[0] == 2);
  for (int k = 0; k < 5; k++) CHECK_NEAR(u[k] / (2 * exp(time[k] - 1)), 1, 1e-11);
  CHECK_OK(gb_integrate(&(gb_equation){.n = 1, .ctx = NULL, .rate = growth, .tolerance = 1e-12}, &u0, 1, time, u));
  assert_true(u[0] == 2);
}

/* A hundred frames of a tenth of the period; also from a late time on. A tight tolerance costs more than a loose one,
 * and is kept. */
static void harmonic(void **state)
{
  (void)state;
  enum { FRAMES = 100 };
  double time[FRAMES], u[2 * FRAMES], worst[2] = {0};
  static const double u0[] = {1, 0}, tolerance[] = {1e-12, 1e-6};
  oscillator o[2] = {{2, 0}, {2, 0}};
  for (int i = 0; i < 2; i++) {
    for (int k = 0; k < FRAMES; k++) time[k] = 1000 + 0.1 * M_PI * k;
    CHECK_OK(gb_integrate(&(gb_equation){.n = 2, .ctx = o + i, .rate = turn, .tolerance = tolerance[i]}, u0, FRAMES,
                          time, u));
    for (int k = 0; k < FRAMES; k++) {
      double phase = 2 * (time[k] - time[0]);
      worst[i] = fmax(worst[i], fmax(fabs(u[2 * k] - cos(phase)), fabs(u[2 * k + 1] / 2 + sin(phase))));
    }
  }
  CHECK_NEAR(worst[0], 0, 1e-11);
  CHECK_NEAR(worst[1], 0, 1e-4);
  CHECK(worst[1] > worst[0] && o[1].calls < o[0].calls);
  CHECK(o[0].calls < 100 * FRAMES); /* a few steps of 13 stages per frame */
}

/* The same arguments give the same bits, whatever was integrated between. */
static void trajectories_are_functions(void **state)
{
  (void)state;
  static const double u0[] = {1, 0}, zero = 0, time[] = {0, 0.3, 5};
  double a[6], b[6], c[3];
  oscillator o = {1.7, 0};
  CHECK_OK(gb_integrate(&(gb_equation){.n = 2, .ctx = &o, .rate = turn, .tolerance = 1e-10}, u0, 3, time, a));
  CHECK_OK(gb_integrate(&(gb_equation){.n = 1, .ctx = NULL, .rate = driven, .tolerance = 1e-12}, &zero, 3, time, c));
  CHECK_OK(gb_integrate(&(gb_equation){.n = 2, .ctx = &o, .rate = turn, .tolerance = 1e-10}, u0, 3, time, b));
  assert_memory_equal(a, b, sizeof a);
  for (int k = 0; k < 3; k++) CHECK_NEAR(c[k], sin(time[k]), 1e-11);
}

static void square(void *ctx, double t, const double *u, double *du)
{
  ++*(long *)ctx;
  (void)t;
  du[0] = u[0] * u[0];
}

/* A root of what may be negative only beyond the solution. */
static void fall(void *ctx, double t, const double *u, double *du)
{
  (void)ctx, (void)t;
  du[0] = -sqrt(u[0]) + 1e-3;
}

static void hopeless(void *ctx, double t, const double *u, double *du)
{
  (void)u;
  ++*(long *)ctx;
  du[0] = t > 0.5 ? NAN : 1;
}

/* u' = u^2 from 1 ends at t = 1, which the message says; in a time that does not matter. */
static void blow_up(void **state)
{
  (void)state;
  static const double one = 1, time[] = {0, 0.5, 2};
  double u[3];
  long calls = 0;
  CHECK_FAILS(gb_integrate(&(gb_equation){.n = 1, .ctx = &calls, .rate = square, .tolerance = 1e-10}, &one, 3, time, u),
              GB_ERR_NUMERIC, "t = 1");
  CHECK_NEAR(u[1], 2, 1e-8);
  CHECK(calls < 100000);
}

static void not_a_number(void **state)
{
  (void)state;
  static const double zero = 0, bad = NAN, time[] = {0, 0.25, 1};
  double u[3];
  long calls = 0;
  CHECK_FAILS(
      gb_integrate(&(gb_equation){.n = 1, .ctx = &calls, .rate = hopeless, .tolerance = 1e-10}, &zero, 3, time, u),
      GB_ERR_NUMERIC, "a rate is not finite");
  CHECK_NEAR(u[1], 0.25, 1e-9);
  CHECK_FAILS(gb_integrate(&(gb_equation){.n = 1, .ctx = &calls, .rate = square, .tolerance = 1e-10}, &bad, 3, time, u),
              GB_ERR_NUMERIC, "t = 0");
  CHECK(calls < 100000);
}

/* Trial steps that leave the domain are shortened: the solution itself stays in it. */
static void trial_steps_may_leave_the_domain(void **state)
{
  (void)state;
  static const double one = 1, time[] = {0, 1, 40};
  double u[3];
  CHECK_OK(gb_integrate(&(gb_equation){.n = 1, .ctx = NULL, .rate = fall, .tolerance = 1e-9}, &one, 3, time, u));
  CHECK(u[2] > 0.99e-6 && u[2] < 2e-6);
}

static void handed_on(void *ctx, double t, const double *u, double *du)
{
  (void)ctx, (void)t;
  du[0] = -1e4 * u[0];
  du[1] = 1e4 * u[0];
}

/* The first trial step is a hundred times too long. Nothing of it stays in the state: what one component loses the
 * other has. */
static void rejected_steps_leave_nothing(void **state)
{
  (void)state;
  static const double u0[] = {1, 0}, time[] = {0, 0.01};
  double u[4];
  CHECK_OK(gb_integrate(&(gb_equation){.n = 2, .rate = handed_on, .tolerance = 1e-9}, u0, 2, time, u));
  CHECK_NEAR(u[2] + u[3], 1, 1e-13);
  CHECK_NEAR(u[2], 0, 1e-9);
}

/* The stiff problem of H. H. Robertson: rates over nine orders of magnitude. */
static void robertson(void *ctx, double t, const double *u, double *du)
{
  (void)ctx, (void)t;
  du[0] = -0.04 * u[0] + 1e4 * u[1] * u[2];
  du[2] = 3e7 * u[1] * u[1];
  du[1] = -du[0] - du[2];
}

static void robertson_jacobian(void *ctx, const double *u, size_t stride, double *j)
{
  const double rows[3][3] = {
      {-0.04, 1e4 * u[2], 1e4 * u[1]}, {0.04, -1e4 * u[2] - 6e7 * u[1], -1e4 * u[1]}, {0, 6e7 * u[1], 0}};
  (void)ctx;
  for (size_t i = 0; i < 3; i++)
    for (size_t k = 0; k < 3; k++) j[k * stride + i] = rows[i][k];
}

/* The last values are those of the Test Set for IVP Solvers (problem rober), the others by SciPy's Radau at 1e-12:
 * between steps too; in few steps, and nothing is lost. */
static void stiff(void **state)
{
  (void)state;
  enum { TIMES = 6 };
  static const double u0[] = {1, 0, 0}, time[TIMES] = {0, 0.4, 4, 40, 400, 1e11};
  static const double last[] = {0.2083340149701255e-07, 0.8333360770334713e-13, 0.9999999791665050};
  static const double middle[] = {0.9851721139, 0.9055186786, 0.7158270687, 0.4505186685};
  double u[2][3 * TIMES];
  gb_integrator *r;
  for (int k = 0; k < 2; k++) {
    gb_equation f = {.n = 3,
                     .rate = robertson,
                     .jacobian = robertson_jacobian,
                     .tolerance = k ? 1e-10 : 1e-7,
                     .least = k ? 1e-18 : 1e-15};
    CHECK_OK(gb_integrator_create(&f, &r));
    CHECK_OK(gb_integrator_run(r, u0, TIMES, time, u[k]));
    if (gb_integrator_steps(r) >= (k ? 2500 : 600)) fail_msg("%zu steps", gb_integrator_steps(r));
    gb_integrator_destroy(&r);
    for (int i = 0; i < 3; i++) CHECK_NEAR(u[k][3 * (TIMES - 1) + i] / last[i], 1, k ? 1e-7 : 1e-4);
    for (int i = 0; i < 4; i++) CHECK_NEAR(u[k][3 * (i + 1)], middle[i], k ? 1e-9 : 1e-6);
    for (int i = 0; i < TIMES; i++) CHECK_NEAR(u[k][3 * i] + u[k][3 * i + 1] + u[k][3 * i + 2], 1, 1e-13);
  }
}

/* u' = u^2, and a kick at every rate: stiff equations that cannot be integrated fail, and the next trajectory of the
 * same integrator is what it is in a new one. */
static void square_jacobian(void *ctx, const double *u, size_t stride, double *j)
{
  (void)ctx, (void)stride;
  j[0] = 2 * u[0];
}

/* u' = 1, u' = u^2: the second one ends it, and is named. */
static void two(void *ctx, double t, const double *u, double *du)
{
  (void)ctx;
  (void)t;
  du[0] = 1;
  du[1] = u[1] * u[1];
}

static void letter(void *ctx, size_t i, char out[GB_COMPONENT_NAME])
{
  (void)ctx;
  snprintf(out, GB_COMPONENT_NAME, "%s", i ? "b" : "a");
}

static void failures_name_the_component(void **state)
{
  (void)state;
  static const double u0[] = {1, 1}, time[] = {0, 2};
  double u[4];
  gb_equation f = {.n = 2, .rate = two, .tolerance = 1e-10};
  CHECK_FAILS(gb_integrate(&f, u0, 2, time, u), GB_ERR_NUMERIC, "Fastest there is component 1.");
  f.name = letter;
  CHECK_FAILS(gb_integrate(&f, u0, 2, time, u), GB_ERR_NUMERIC, "Fastest there is b.");
}

static void an_integrator_forgets(void **state)
{
  (void)state;
  static const double one = 1, time[] = {0, 0.1, 0.5}, late[] = {0, 0.5, 2};
  double a[3], b[3], c[3];
  long calls = 0;
  gb_equation f = {.n = 1, .ctx = &calls, .rate = square, .jacobian = square_jacobian, .tolerance = 1e-9};
  gb_integrator *r;
  CHECK_OK(gb_integrator_create(&f, &r));
  CHECK_OK(gb_integrator_run(r, &one, 3, time, a));
  CHECK_FAILS(gb_integrator_run(r, &one, 3, late, b), GB_ERR_NUMERIC, "t = 1");
  CHECK_OK(gb_integrator_run(r, &one, 3, time, b));
  gb_integrator_destroy(&r);
  CHECK_OK(gb_integrate(&f, &one, 3, time, c));
  assert_memory_equal(a, b, sizeof a);
  assert_memory_equal(a, c, sizeof a);
  CHECK_NEAR(a[1], 1 / 0.9, 1e-8);
  CHECK_NEAR(a[2], 2, 1e-8);
}

static gb_err below_three(void *ctx, double t, double *u)
{
  (void)ctx;
  GB_CHECK(u[0] < 3, GB_ERR_NUMERIC, "three is reached at t = %.3g", t);
  return GB_OK;
}

static void checks_end_it(void **state)
{
  (void)state;
  static const double one = 1, time[] = {0, 1, 2};
  double u[3];
  gb_equation f = {.n = 1, .rate = growth, .tolerance = 1e-9, .check = below_three};
  CHECK_FAILS(gb_integrate(&f, &one, 3, time, u), GB_ERR_NUMERIC, "three is reached at t = 1.");
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {TEST(exponential),
                                     TEST(harmonic),
                                     TEST(trajectories_are_functions),
                                     TEST(blow_up),
                                     TEST(not_a_number),
                                     TEST(trial_steps_may_leave_the_domain),
                                     TEST(rejected_steps_leave_nothing),
                                     TEST(stiff),
                                     TEST(failures_name_the_component),
                                     TEST(an_integrator_forgets),
                                     TEST(checks_end_it)};
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  gb_petsc_end();
  MPI_Finalize();
  return failed;
}
