/* physics/pendulum.c - a damped pendulum that is shaken: theta'' = A w^2 cos(2 pi f t) - b theta' - w^2 sin theta.
 *
 * Notes
 * What rows are simulated with is the whole equation, to 1e-12; what is known of it is the free pendulum, with damping
 * or without. Angles are not wrapped: a pendulum that goes over the top has an angle above pi. */
#include <math.h>
#include <string.h>

#include "base/lanes.h"
#include "base/mem.h"
#include "base/text.h"
#include "linalg/vmath.h"
#include "sim/integrate.h"
#include "sim/rows.h"

typedef struct pendulum_opts {
  int64_t frames;
  double frame_time, noise;
  gb_reals omega, damping, initial_angle, radius, amplitude, forcing_frequency, omega_box, damping_box, omega_limits;
  const char *observe, *start, *law, *driven;
} pendulum_opts;

static const gb_field fields[] = {
    GB_NUMBER(pendulum_opts, frames, "50", 2, 100000, "frames", GB_FIXED, "Frames in a sample."),
    GB_NUMBER(pendulum_opts, frame_time, "0.05", 1e-6, 1e3, "s", GB_FIXED, "Time between frames."),
    GB_WORD(pendulum_opts, observe, "angle", "angle|state", GB_FIXED,
            "What a frame shows: the angle, or angle and angular velocity."),
    GB_NUMBER(pendulum_opts, noise, "0.01", 0, 10, "rad", GB_FIXED,
              "Standard deviation of the noise on every observed number."),
    GB_WORD(pendulum_opts, start, "rest", "rest|ring", GB_FIXED,
            "Start at rest at `initial_angle`, or at a random point on a circle of `radius` in the plane of angle and "
            "angular velocity."),
    GB_NUMBER(pendulum_opts, initial_angle, "[-1.57, 1.57]", -3.15, 3.15, "rad", GB_FIXED,
              "Range [low, high] of the first angle."),
    GB_NUMBER(pendulum_opts, radius, "[1.3, 2.3]", 0, 10, "1", GB_FIXED, "Range [low, high] of the radius of a start."),
    GB_NUMBER(pendulum_opts, omega, "[0.785, 3.14]", 1e-3, 1e3, "rad/s", GB_FIXED,
              "Range [low, high] of the angular frequency of small swings."),
    GB_NUMBER(pendulum_opts, damping, "[0, 0.8]", 0, 1e3, "1/s", GB_FIXED, "Range [low, high] of the damping."),
    GB_NUMBER(pendulum_opts, amplitude, "[0, 40]", 0, 1e4, "1", GB_FIXED,
              "Range [low, high] of the forcing, in units of omega^2."),
    GB_NUMBER(pendulum_opts, forcing_frequency, "[3.14, 6.28]", 0, 1e3, "Hz", GB_FIXED,
              "Range [low, high] of the frequency of the forcing."),
    GB_WORD(pendulum_opts, law, "undamped", "undamped|damped", GB_FIXED,
            "The known part: the free pendulum, with omega as its parameter, or with omega and damping."),
    GB_WORD(pendulum_opts, driven, "velocity", "velocity|state", GB_FIXED,
            "To which rates something unknown may add: that of the angular velocity, or both."),
    GB_NUMBER(pendulum_opts, omega_box, "[0.392, 3.53]", 0, 1e4, "rad/s", GB_FIXED,
              "Box [low, high] in which omega is expected: its prior, and where solutions that train the encoder are "
              "drawn."),
    GB_NUMBER(pendulum_opts, omega_limits, "[0, 20]", 0, 1e4, "rad/s", GB_FIXED,
              "Limits [low, high] of an inferred omega."),
    GB_NUMBER(pendulum_opts, damping_box, "[0, 1]", 0, 1e4, "1/s", GB_FIXED,
              "Box [low, high] in which the damping is expected, and limited to, of a known part with damping."),
    {0}};

static gb_err check(const void *opts)
{
  const pendulum_opts *o = opts;
  GB_TRY(gb_range_check("pendulum.initial_angle", o->initial_angle));
  GB_TRY(gb_range_check("pendulum.radius", o->radius));
  GB_TRY(gb_range_check("pendulum.omega", o->omega));
  GB_TRY(gb_range_check("pendulum.damping", o->damping));
  GB_TRY(gb_range_check("pendulum.amplitude", o->amplitude));
  GB_TRY(gb_range_check("pendulum.forcing_frequency", o->forcing_frequency));
  GB_TRY(gb_box_check("pendulum.omega_box", o->omega_box, "pendulum.omega", o->omega));
  GB_TRY(gb_box_check("pendulum.omega_limits", o->omega_limits, "pendulum.omega_box", o->omega_box));
  if (gb_is(o->law, "damped"))
    GB_TRY(gb_box_check("pendulum.damping_box", o->damping_box, "pendulum.damping", o->damping));
  return GB_OK;
}

static const gb_schema schema = {"pendulum", "The pendulum: what is simulated, and what is known of it.",
                                 sizeof(pendulum_opts), fields, check};

/* The parameters of the known part come first. */
enum { OMEGA, DAMPING, N_PARAMETER, ANGLE = N_PARAMETER, VELOCITY, AMPLITUDE, FREQUENCY, N_TRUTH };
static const gb_var truth[N_TRUTH] = {
    {"omega", "rad/s", "Angular frequency w of small swings."},
    {"damping", "1/s", "Damping b."},
    {"initial_angle", "rad", "Angle at t = 0."},
    {"initial_velocity", "rad/s", "Angular velocity at t = 0."},
    {"amplitude", "1", "Amplitude A of the forcing, in units of w^2."},
    {"forcing_frequency", "Hz", "Frequency f of the forcing."},
};

typedef struct pendulum {
  pendulum_opts opts;
  double low[N_PARAMETER], high[N_PARAMETER], least[N_PARAMETER], most[N_PARAMETER];
  bool damped, rest;
  size_t seen;
} pendulum;

static gb_err create(const void *opts, gb_comm team, void **self, gb_dims *dims)
{
  pendulum *p;
  GB_CHECK(team.size == 1, GB_ERR_CONFIG, "a pendulum cannot be spread over ranks. Set generate.ranks_per_chain = 1.");
  GB_TRY(gb_new(&p, 1));
  const pendulum_opts *o = &p->opts;
  p->opts = *(const pendulum_opts *)opts;
  p->damped = gb_is(o->law, "damped");
  p->rest = gb_is(o->start, "rest");
  p->seen = gb_is(o->observe, "angle") ? 1 : 2;
  p->low[OMEGA] = o->omega_box.v[0];
  p->high[OMEGA] = o->omega_box.v[1];
  p->least[OMEGA] = o->omega_limits.v[0];
  p->most[OMEGA] = o->omega_limits.v[1];
  if (p->damped) {
    p->low[DAMPING] = p->least[DAMPING] = o->damping_box.v[0];
    p->high[DAMPING] = p->most[DAMPING] = o->damping_box.v[1];
  }
  /* "radian" and not "rad": these angles are not periodic */
  *dims = gb_dims_rows(2, (size_t[]){(size_t)o->frames, p->seen}, (const char *[]){"frame", "component"},
                       p->seen == 1 ? "radian" : "radian, radian/s");
  dims->n_parameter = p->damped ? 2 : 1;
  dims->low = p->low;
  dims->high = p->high;
  dims->least = p->least;
  dims->most = p->most;
  dims->n_state = 2;
  dims->frames = (size_t)o->frames;
  dims->seen = p->seen;
  dims->driven = gb_is(o->driven, "velocity") ? 1 : 0;
  dims->frame_time = o->frame_time;
  *self = p;
  return GB_OK;
}

static void destroy(void **self)
{
  gb_free(self);
}

/* The whole equation. */
static void shaken(void *ctx, double t, const double *u, double *du)
{
  const double *z = ctx, w2 = z[OMEGA] * z[OMEGA];
  du[0] = u[1];
  du[1] = z[AMPLITUDE] * w2 * cos(2 * M_PI * z[FREQUENCY] * t) - z[DAMPING] * u[1] - w2 * sin(u[0]);
}

/* x [frames, seen], the observed part of the solution. */
static gb_err solve(const void *self, const double *z, size_t frames, double *x)
{
  const pendulum *p = self;
  double *time, *u, z_copy[N_TRUTH];
  GB_TRY(gb_new(&time, 3 * frames));
  u = time + frames;
  memcpy(z_copy, z, sizeof z_copy);
  for (size_t k = 0; k < frames; k++) time[k] = (double)k * p->opts.frame_time;
  gb_err e = gb_integrate(&(gb_equation){.n = 2, .ctx = z_copy, .rate = shaken, .tolerance = 1e-12}, z + ANGLE, frames,
                          time, u);
  for (size_t k = 0; !e && k < frames; k++) memcpy(x + k * p->seen, u + 2 * k, p->seen * sizeof *x);
  gb_free(&time);
  return e;
}

static void draw(const pendulum *p, uint64_t seed, uint64_t row, double *z)
{
  enum { DIRECTION = N_TRUTH, RADIUS };
  static const double turn[] = {0, 2 * M_PI};
  const pendulum_opts *o = &p->opts;
  double direction = gb_row_draw(seed, row, DIRECTION, (gb_reals){2, turn});
  double radius = gb_row_draw(seed, row, RADIUS, o->radius);
  z[OMEGA] = gb_row_draw(seed, row, OMEGA, o->omega);
  z[DAMPING] = gb_row_draw(seed, row, DAMPING, o->damping);
  z[ANGLE] = p->rest ? gb_row_draw(seed, row, ANGLE, o->initial_angle) : radius * cos(direction);
  z[VELOCITY] = p->rest ? 0 : radius * sin(direction);
  z[AMPLITUDE] = gb_row_draw(seed, row, AMPLITUDE, o->amplitude);
  z[FREQUENCY] = gb_row_draw(seed, row, FREQUENCY, o->forcing_frequency);
}

static gb_solved solved(const pendulum *p)
{
  return (gb_solved){.self = p,
                     .solve = solve,
                     .frames = (size_t)p->opts.frames,
                     .seen = p->seen,
                     .noise = p->opts.noise,
                     .n_truth = N_TRUTH,
                     .truth = truth};
}

static gb_err exact(void *self, const double *z, size_t frames, float *x)
{
  gb_solved s = solved(self);
  return gb_solved_exact(&s, z, frames, x);
}

static gb_err simulate(void *self, uint64_t seed, uint64_t row, float *x, double *z)
{
  gb_solved s = solved(self);
  draw(self, seed, row, z);
  return gb_solved_row(&s, seed, row, z, x);
}

static const gb_simulator simulator = {.n_truth = N_TRUTH, .truth = truth, .simulate = simulate, .exact = exact};

static void start(void *self, size_t rows, const gb_real *x, double *u)
{
  const pendulum *p = self;
  size_t n = (size_t)p->opts.frames * p->seen;
  for (size_t r = 0; r < rows; r++) {
    u[r] = (double)x[r * n];
    u[rows + r] = p->seen == 2 ? (double)x[r * n + 1] : 0;
  }
}

/* Loops over rows, which become vector loops as the compiler knows what does not depend on the row. */
GB_INLINE void rates(bool damped, size_t rows, const double *restrict u, const double *restrict theta,
                     double *restrict du)
{
  for (size_t r = 0; r < rows; r++) {
    double c, s, w = theta[r];
    gb_circle_double(u[r], &c, &s);
    du[r] = u[rows + r];
    du[rows + r] = -w * w * s - (damped ? theta[rows + r] * u[rows + r] : 0);
  }
}

static void rate(void *self, size_t rows, double t, const double *u, const double *theta, double *du)
{
  const pendulum *p = self;
  (void)t;
  if (p->damped)
    rates(true, rows, u, theta, du);
  else
    rates(false, rows, u, theta, du);
}

GB_INLINE void pull_back(bool damped, bool parameters, size_t rows, const double *restrict u,
                         const double *restrict theta, const double *restrict bar, double *restrict ubar,
                         double *restrict theta_bar)
{
  for (size_t r = 0; r < rows; r++) {
    double c, s, w = theta[r], of_v = bar[rows + r];
    gb_circle_double(u[r], &c, &s);
    ubar[r] -= w * w * c * of_v;
    ubar[rows + r] += bar[r] - (damped ? theta[rows + r] * of_v : 0);
    if (parameters) theta_bar[r] -= 2 * w * s * of_v;
    if (parameters && damped) theta_bar[rows + r] -= u[rows + r] * of_v;
  }
}

static void rate_vjp(void *self, size_t rows, double t, const double *u, const double *theta, const double *bar,
                     double *ubar, double *theta_bar)
{
  const pendulum *p = self;
  (void)t;
  if (p->damped && theta_bar)
    pull_back(true, true, rows, u, theta, bar, ubar, theta_bar);
  else if (p->damped)
    pull_back(true, false, rows, u, theta, bar, ubar, theta_bar);
  else if (theta_bar)
    pull_back(false, true, rows, u, theta, bar, ubar, theta_bar);
  else
    pull_back(false, false, rows, u, theta, bar, ubar, theta_bar);
}

static void kinematics(void *self, size_t rows, const double *u, double *du)
{
  (void)self;
  memcpy(du, u + rows, rows * sizeof *du);
  memset(du + rows, 0, rows * sizeof *du);
}

static void kinematics_vjp(void *self, size_t rows, const double *bar, double *ubar)
{
  double *restrict vbar = ubar + rows;
  (void)self;
  for (size_t r = 0; r < rows; r++) vbar[r] += bar[r];
}

static const gb_dynamics dynamics = {.n_parameter = N_PARAMETER,
                                     .parameter = truth,
                                     .start = start,
                                     .rate = rate,
                                     .rate_vjp = rate_vjp,
                                     .kinematics = kinematics,
                                     .kinematics_vjp = kinematics_vjp};

const gb_physics gb_physics_pendulum = {
    .name = "pendulum",
    .doc = "Pendulum with friction and a periodic force, known as a free pendulum.",
    .source = "N. Takeishi and A. Kalousis, NeurIPS 2021, arXiv:2102.13156, section 4.1; start `ring`, law `damped`, "
              "driven `state`: Y. Yin et al., ICLR 2021, arXiv:2010.04456, section 4.1",
    .schema = &schema,
    .create = create,
    .destroy = destroy,
    .simulator = &simulator,
    .dynamics = &dynamics,
};
