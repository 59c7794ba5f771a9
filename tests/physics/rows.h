/* tests/physics/rows.h - an instance of a physics that simulates rows, and derivatives of its known part against
 * differences. */
#pragma once
#include "base/rng.h"
#include "check.h"
#include "registry.h"

typedef struct bed {
  gb_config *cfg;
  gb_sim sim;
  const gb_schema *schemas[2];
} bed;

static inline void bed_open(bed *b, const char *name, const char *yaml)
{
  const gb_physics *kind = NULL;
  CHECK_OK(gb_sim_find(gb_physics_all, name, &kind));
  *b = (bed){.schemas = {kind->schema}};
  CHECK_OK(gb_config_parse("test", yaml, strlen(yaml), 0, NULL, b->schemas, &b->cfg));
  CHECK_OK(gb_sim_create(kind, b->cfg, gb_comm_self(), &b->sim));
}

static inline void bed_close(bed *b)
{
  gb_sim_destroy(&b->sim);
  gb_config_destroy(&b->cfg);
}

/* The section is refused, with this in the message. */
static inline void bed_refused(const char *name, const char *yaml, const char *text)
{
  const gb_physics *kind = NULL;
  gb_config *cfg = NULL;
  CHECK_OK(gb_sim_find(gb_physics_all, name, &kind));
  const gb_schema *schemas[] = {kind->schema, NULL};
  CHECK_FAILS(gb_config_parse("test", yaml, strlen(yaml), 0, NULL, schemas, &cfg), GB_ERR_CONFIG, text);
}

/* n numbers, uniform in (low, high). */
static inline void bed_uniform(uint64_t index, size_t n, double low, double high, double *out)
{
  for (size_t i = 0; i < n; i++) {
    uint32_t w[4];
    gb_rng_block(gb_rng_key(6, GB_RNG_TEST, index, i), 0, w);
    out[i] = low + (high - low) * gb_rng_unit(w[0]);
  }
}

enum { BED_ROWS = 5, BED_MOST = 256 };

/* The derivative of sum_i bar_i f_i along one argument: sixth-order differences, whose error h^6 and 1e-16/h balance
 * near 1e-13 at h = 4e-3. */
typedef double (*bed_function)(void *ctx);
static inline double bed_difference(double *at, bed_function f, void *ctx)
{
  static const double h = 4e-3, c[] = {3.0 / 4, -3.0 / 20, 1.0 / 60};
  double kept = *at, d = 0;
  for (int k = 0; k < 3; k++)
    for (int sign = -1; sign <= 1; sign += 2) {
      *at = kept + sign * (k + 1) * h;
      d += sign * c[k] * f(ctx) / h;
    }
  *at = kept;
  return d;
}

typedef struct bed_rate {
  const gb_sim *sim;
  bool kinematics;
  double t, u[BED_MOST], theta[BED_MOST], bar[BED_MOST], du[BED_MOST];
} bed_rate;

static inline double bed_rate_sum(void *ctx)
{
  bed_rate *q = ctx;
  const gb_dynamics *d = q->sim->kind->dynamics;
  size_t n = q->sim->dims.n_state * BED_ROWS;
  double sum = 0;
  if (q->kinematics)
    d->kinematics(q->sim->self, BED_ROWS, q->u, q->du);
  else
    d->rate(q->sim->self, BED_ROWS, q->t, q->u, q->theta, q->du);
  for (size_t i = 0; i < n; i++) sum += q->bar[i] * q->du[i];
  return sum;
}

/* rate_vjp, with and without parameters, and kinematics_vjp: added to what was there, 1e-8 of the largest. */
static inline void bed_check_dynamics(const gb_sim *sim)
{
  enum { BOTH, STATE_ONLY, KINEMATICS };
  static bed_rate q;
  const gb_dims *d = &sim->dims;
  const gb_dynamics *dy = sim->kind->dynamics;
  size_t n = d->n_state * BED_ROWS, m = d->n_parameter * BED_ROWS;
  CHECK(n <= BED_MOST && m <= BED_MOST && d->n_parameter <= (size_t)dy->n_parameter);
  q = (bed_rate){.sim = sim, .t = 0.7};
  bed_uniform(1, n, -2, 2, q.u);
  bed_uniform(2, n, -1, 1, q.bar);
  for (size_t k = 0; k < d->n_parameter; k++)
    bed_uniform(3 + k, BED_ROWS, d->low[k] + 0.02 * (d->high[k] - d->low[k]), d->high[k], q.theta + k * BED_ROWS);
  for (int way = BOTH; way <= KINEMATICS; way++) {
    double ubar[BED_MOST], tbar[BED_MOST], largest = 0;
    for (size_t i = 0; i < BED_MOST; i++) ubar[i] = tbar[i] = 0.5;
    q.kinematics = way == KINEMATICS;
    if (q.kinematics && !dy->kinematics) continue;
    if (q.kinematics)
      dy->kinematics_vjp(sim->self, BED_ROWS, q.bar, ubar);
    else
      dy->rate_vjp(sim->self, BED_ROWS, q.t, q.u, q.theta, q.bar, ubar, way == BOTH ? tbar : NULL);
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(ubar[i] - 0.5));
    CHECK(largest > 1e-3);
    for (size_t i = 0; i < n; i++) CHECK_NEAR(ubar[i] - 0.5, bed_difference(q.u + i, bed_rate_sum, &q), 1e-8 * largest);
    for (size_t i = 0; i < BED_MOST; i++)
      if (i >= n) assert_true(ubar[i] == 0.5);
    largest = 0;
    for (size_t i = 0; i < m; i++) largest = fmax(largest, fabs(tbar[i] - 0.5));
    if (way == BOTH) CHECK(largest > 1e-3);
    for (size_t i = 0; i < BED_MOST; i++)
      CHECK_NEAR(tbar[i] - 0.5, i < m && way == BOTH ? bed_difference(q.theta + i, bed_rate_sum, &q) : 0,
                 1e-8 * largest);
  }
}

typedef struct bed_picture {
  const gb_sim *sim;
  gb_real theta[GB_MOST_PARAMETERS * BED_ROWS], *y;
  double bar[BED_ROWS];
} bed_picture;

/* Irregular weights of pixels, near 1: in their sums few digits of the image cancel. */
static inline double bed_mark(size_t i)
{
  return 1 + 0.5 * sin(1.0 + 2.7 * (double)i);
}

static inline double bed_picture_sum(bed_picture *q)
{
  const gb_dims *d = &q->sim->dims;
  size_t n = d->shape[0] * d->shape[1] * q->sim->kind->image->channels;
  double sum = 0;
  q->sim->kind->image->draw(q->sim->self, BED_ROWS, q->theta, q->y);
  for (size_t r = 0; r < BED_ROWS; r++)
    for (size_t i = 0; i < n; i++) sum += q->bar[r] * bed_mark(i) * (double)q->y[r * n + i];
  return sum;
}

/* Fourth-order difference; the error of the numbers' rounding and that of h balance near the tolerances below. */
static inline double bed_picture_difference(bed_picture *q, size_t i)
{
  static const double h = sizeof(gb_real) == 8 ? 2e-4 : 0x1p-7, c[] = {2.0 / 3, -1.0 / 12};
  gb_real kept = q->theta[i];
  double d = 0;
  for (int k = 0; k < 2; k++)
    for (int sign = -1; sign <= 1; sign += 2) {
      q->theta[i] = kept + (gb_real)(sign * (k + 1) * h);
      d += sign * c[k] * bed_picture_sum(q) / h;
    }
  q->theta[i] = kept;
  return d;
}

/* draw_vjp of the middle of the box, in steps of 2^-7, which floats have: 1e-8 of the largest derivative in double,
 * 2e-3 in float. */
static inline void bed_check_image(const gb_sim *sim)
{
  const gb_image *im = sim->kind->image;
  const gb_dims *d = &sim->dims;
  size_t m = d->n_parameter, n = d->shape[0] * d->shape[1] * im->channels;
  double at[BED_ROWS * GB_MOST_PARAMETERS], largest = 0, tolerance = sizeof(gb_real) == 8 ? 1e-8 : 2e-3;
  gb_real *ybar, bar[BED_ROWS * GB_MOST_PARAMETERS];
  bed_picture q = {.sim = sim};
  CHECK(m == (size_t)im->n_parameter && im->channels >= 1 && d->ndim >= 2);
  CHECK_OK(gb_new(&q.y, BED_ROWS * n));
  CHECK_OK(gb_new(&ybar, BED_ROWS * n));
  bed_uniform(1, BED_ROWS * m, 0.3, 0.7, at);
  for (size_t i = 0; i < BED_ROWS * m; i++) {
    size_t k = i % m;
    q.theta[i] = (gb_real)(rint(128 * (d->low[k] + at[i] * (d->high[k] - d->low[k]))) / 128);
    bar[i] = (gb_real)0.5;
  }
  for (size_t r = 0; r < BED_ROWS; r++) q.bar[r] = r % 2 ? -1.25 : 1;
  for (size_t i = 0; i < BED_ROWS * n; i++) ybar[i] = (gb_real)(q.bar[i / n] * bed_mark(i % n));
  im->draw_vjp(sim->self, BED_ROWS, q.theta, ybar, bar);
  for (size_t i = 0; i < BED_ROWS * m; i++) largest = fmax(largest, fabs((double)bar[i] - 0.5));
  CHECK(largest > 1e-2);
  for (size_t i = 0; i < BED_ROWS * m; i++)
    CHECK_NEAR((double)bar[i] - 0.5, bed_picture_difference(&q, i), tolerance * largest);
  gb_free(&q.y);
  gb_free(&ybar);
}
