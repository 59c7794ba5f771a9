/* physics/advection_diffusion.c - a hump on a line that spreads and drifts: y_t = a y_xx + c y_x.
 *
 * Notes
 * Central differences on points `spacing` apart; beyond both ends y = 0. The sign of c is that of the published data:
 * with c > 0 the hump moves towards x = 0. What is known is the diffusion. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "sim/integrate.h"
#include "sim/rows.h"

typedef struct advdif_opts {
  int64_t frames, points;
  double spacing, frame_time, noise;
  gb_reals magnitude, diffusion, velocity, diffusion_box;
} advdif_opts;

static const gb_field fields[] = {
    GB_NUMBER(advdif_opts, frames, "50", 2, 100000, "frames", GB_FIXED, "Frames in a sample."),
    GB_NUMBER(advdif_opts, points, "20", 3, 4096, "points", GB_FIXED, "Points of the line."),
    GB_NUMBER(advdif_opts, spacing, "0.1", 1e-6, 1e6, "length", GB_FIXED, "Distance between points."),
    GB_NUMBER(advdif_opts, frame_time, "0.02", 1e-6, 1e3, "time", GB_FIXED, "Time between frames."),
    GB_NUMBER(advdif_opts, noise, "0.001", 0, 10, "1", GB_FIXED,
              "Standard deviation of the noise on every observed number."),
    GB_NUMBER(advdif_opts, magnitude, "[0.5, 1.5]", -1e3, 1e3, "1", GB_FIXED,
              "Range [low, high] of the height of the hump at t = 0, half a sine wave over all points."),
    GB_NUMBER(advdif_opts, diffusion, "[0.01, 0.1]", 0, 1e3, "length^2/time", GB_FIXED,
              "Range [low, high] of the diffusion coefficient a."),
    GB_NUMBER(advdif_opts, velocity, "[0.01, 0.1]", -1e3, 1e3, "length/time", GB_FIXED,
              "Range [low, high] of the velocity c."),
    GB_NUMBER(advdif_opts, diffusion_box, "[0.005, 0.2]", 0, 1e4, "length^2/time", GB_FIXED,
              "Box [low, high] in which the diffusion coefficient is inferred."),
    {0}};

static gb_err check(const void *opts)
{
  const advdif_opts *o = opts;
  GB_TRY(gb_range_check("advection_diffusion.magnitude", o->magnitude));
  GB_TRY(gb_range_check("advection_diffusion.diffusion", o->diffusion));
  GB_TRY(gb_range_check("advection_diffusion.velocity", o->velocity));
  return gb_box_check("advection_diffusion.diffusion_box", o->diffusion_box, "advection_diffusion.diffusion",
                      o->diffusion);
}

static const gb_schema schema = {"advection_diffusion", "A hump on a line: what is simulated, and what is known of it.",
                                 sizeof(advdif_opts), fields, check};

enum { DIFFUSION, N_PARAMETER, VELOCITY = N_PARAMETER, MAGNITUDE, N_TRUTH };
static const gb_var truth[N_TRUTH] = {
    {"diffusion", "length^2/time", "Diffusion coefficient a."},
    {"velocity", "length/time", "Velocity c of the drift towards x = 0."},
    {"magnitude", "1", "Height of the hump at t = 0."},
};

typedef struct advdif {
  advdif_opts opts;
  size_t points;
} advdif;

static gb_err create(const void *opts, gb_comm team, void **self, gb_dims *dims)
{
  advdif *p;
  GB_CHECK(team.size == 1, GB_ERR_CONFIG,
           "advection_diffusion cannot be spread over ranks. Set generate.ranks_per_chain = 1.");
  GB_TRY(gb_new(&p, 1));
  p->opts = *(const advdif_opts *)opts;
  p->points = (size_t)p->opts.points;
  size_t frames = (size_t)p->opts.frames;
  *dims = gb_dims_rows(2, (size_t[]){frames, p->points}, (const char *[]){"frame", "point"}, "1");
  dims->n_parameter = N_PARAMETER;
  dims->low = p->opts.diffusion_box.v;
  dims->high = p->opts.diffusion_box.v + 1;
  dims->n_state = dims->seen = p->points;
  dims->frames = frames;
  dims->frame_time = p->opts.frame_time;
  *self = p;
  return GB_OK;
}

static void destroy(void **self)
{
  gb_free(self);
}

/* The row of numbers `by` points away from point i, NULL beyond an end, where all are 0. */
static const double *beside(const advdif *p, size_t rows, const double *u, size_t i, int by)
{
  return i + (size_t)by < p->points ? u + (i + (size_t)by) * rows : NULL;
}

static inline double number(const double *row, size_t r)
{
  return row ? row[r] : 0;
}

typedef struct problem {
  const advdif *p;
  double diffusion, velocity;
} problem;

/* The whole equation. */
static void drifting(void *ctx, double t, const double *u, double *du)
{
  const problem *q = ctx;
  double dx = q->p->opts.spacing, a = q->diffusion / (dx * dx), c = q->velocity / (2 * dx);
  (void)t;
  for (size_t i = 0; i < q->p->points; i++) {
    double left = number(beside(q->p, 1, u, i, -1), 0), right = number(beside(q->p, 1, u, i, 1), 0);
    du[i] = a * ((left + right) - 2 * u[i]) + c * (right - left);
  }
}

/* x [frames, points]. */
static gb_err solve(const void *self, const double *z, size_t frames, double *x)
{
  const advdif *p = self;
  double *time, *first;
  problem q = {p, z[DIFFUSION], z[VELOCITY]};
  GB_TRY(gb_new(&time, frames + p->points));
  first = time + frames;
  for (size_t k = 0; k < frames; k++) time[k] = (double)k * p->opts.frame_time;
  for (size_t i = 0; i < p->points; i++) first[i] = z[MAGNITUDE] * sin(M_PI * (double)i / (double)(p->points - 1));
  gb_err e = gb_integrate(&(gb_equation){.n = p->points, .ctx = &q, .rate = drifting, .tolerance = 1e-12}, first,
                          frames, time, x);
  gb_free(&time);
  return e;
}

static gb_solved solved(const advdif *p)
{
  return (gb_solved){.self = p,
                     .solve = solve,
                     .frames = (size_t)p->opts.frames,
                     .seen = p->points,
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
  const advdif *p = self;
  gb_solved s = solved(p);
  z[DIFFUSION] = gb_row_draw(seed, row, DIFFUSION, p->opts.diffusion);
  z[VELOCITY] = gb_row_draw(seed, row, VELOCITY, p->opts.velocity);
  z[MAGNITUDE] = gb_row_draw(seed, row, MAGNITUDE, p->opts.magnitude);
  return gb_solved_row(&s, seed, row, z, x);
}

static const gb_simulator simulator = {.n_truth = N_TRUTH, .truth = truth, .simulate = simulate, .exact = exact};

static void start(void *self, size_t rows, const gb_real *x, double *u)
{
  const advdif *p = self;
  size_t n = (size_t)p->opts.frames * p->points;
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < p->points; i++) u[i * rows + r] = (double)x[r * n + i];
}

static void rate(void *self, size_t rows, double t, const double *u, const double *theta, double *du)
{
  const advdif *p = self;
  double scale = 1 / (p->opts.spacing * p->opts.spacing);
  (void)t;
  for (size_t i = 0; i < p->points; i++) {
    const double *left = beside(p, rows, u, i, -1), *right = beside(p, rows, u, i, 1), *here = u + i * rows;
    double *restrict out = du + i * rows;
    for (size_t r = 0; r < rows; r++) out[r] = theta[r] * scale * ((number(left, r) + number(right, r)) - 2 * here[r]);
  }
}

/* Second differences are their own transpose. */
static void rate_vjp(void *self, size_t rows, double t, const double *u, const double *theta, const double *w,
                     double *ubar, double *theta_bar)
{
  const advdif *p = self;
  double scale = 1 / (p->opts.spacing * p->opts.spacing);
  (void)t;
  for (size_t i = 0; i < p->points; i++) {
    const double *left = beside(p, rows, w, i, -1), *right = beside(p, rows, w, i, 1);
    const double *here = w + i * rows, *state = u + i * rows;
    double *restrict out = ubar + i * rows, *restrict sum = theta_bar;
    for (size_t r = 0; r < rows; r++) out[r] += theta[r] * scale * ((number(left, r) + number(right, r)) - 2 * here[r]);
    for (size_t r = 0; sum && r < rows; r++)
      sum[r] += state[r] * scale * ((number(left, r) + number(right, r)) - 2 * here[r]);
  }
}

static const gb_dynamics dynamics = {
    .n_parameter = N_PARAMETER, .parameter = truth, .start = start, .rate = rate, .rate_vjp = rate_vjp};

const gb_physics gb_physics_advection_diffusion = {
    .name = "advection_diffusion",
    .doc = "A hump on a line that spreads and drifts, known as diffusion.",
    .source = "N. Takeishi and A. Kalousis, NeurIPS 2021, arXiv:2102.13156, section 4.2; signs as in their data",
    .schema = &schema,
    .create = create,
    .destroy = destroy,
    .simulator = &simulator,
    .dynamics = &dynamics,
};
