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
  CHECK_OK(gb_integrate(&(gb_equation){1, NULL, growth, 1e-12}, &u0, 5, time, u));
  assert_true(u[0] == 2);
  for (int k = 0; k < 5; k++) CHECK_NEAR(u[k] / (2 * exp(time[k] - 1)), 1, 1e-11);
  CHECK_OK(gb_integrate(&(gb_equation){1, NULL, growth, 1e-12}, &u0, 1, time, u));
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
    CHECK_OK(gb_integrate(&(gb_equation){2, o + i, turn, tolerance[i]}, u0, FRAMES, time, u));
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
  CHECK_OK(gb_integrate(&(gb_equation){2, &o, turn, 1e-10}, u0, 3, time, a));
  CHECK_OK(gb_integrate(&(gb_equation){1, NULL, driven, 1e-12}, &zero, 3, time, c));
  CHECK_OK(gb_integrate(&(gb_equation){2, &o, turn, 1e-10}, u0, 3, time, b));
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
  CHECK_FAILS(gb_integrate(&(gb_equation){1, &calls, square, 1e-10}, &one, 3, time, u), GB_ERR_NUMERIC, "t = 1");
  CHECK_NEAR(u[1], 2, 1e-8);
  CHECK(calls < 100000);
}

static void not_a_number(void **state)
{
  (void)state;
  static const double zero = 0, bad = NAN, time[] = {0, 0.25, 1};
  double u[3];
  long calls = 0;
  CHECK_FAILS(gb_integrate(&(gb_equation){1, &calls, hopeless, 1e-10}, &zero, 3, time, u), GB_ERR_NUMERIC,
              "a rate is not finite");
  CHECK_NEAR(u[1], 0.25, 1e-9);
  CHECK_FAILS(gb_integrate(&(gb_equation){1, &calls, square, 1e-10}, &bad, 3, time, u), GB_ERR_NUMERIC, "t = 0");
  CHECK(calls < 100000);
}

/* Trial steps that leave the domain are shortened: the solution itself stays in it. */
static void trial_steps_may_leave_the_domain(void **state)
{
  (void)state;
  static const double one = 1, time[] = {0, 1, 40};
  double u[3];
  CHECK_OK(gb_integrate(&(gb_equation){1, NULL, fall, 1e-9}, &one, 3, time, u));
  CHECK(u[2] > 0.99e-6 && u[2] < 2e-6);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {TEST(exponential), TEST(harmonic),     TEST(trajectories_are_functions),
                                     TEST(blow_up),     TEST(not_a_number), TEST(trial_steps_may_leave_the_domain)};
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  gb_petsc_end();
  MPI_Finalize();
  return failed;
}
