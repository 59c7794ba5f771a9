/* tests/unit/ode_bench.h - a damped pendulum, and a graph whose only op of interest is its solution with a network. */
#pragma once
#include "ad/layers.h"
#include "check.h"
#include "sim/ode.h"

/* theta'' = -omega^2 sin theta - zeta theta'. The first `seen` of (theta, theta') are observed; self: the dims. */
static inline void swing_start(void *self, size_t rows, const gb_real *x, double *u)
{
  const gb_dims *d = self;
  for (size_t r = 0; r < rows; r++) {
    u[r] = (double)x[r * d->n];
    u[rows + r] = d->seen > 1 ? (double)x[r * d->n + 1] : 0;
  }
}

static inline void swing_rate(void *self, size_t rows, double t, const double *u, const double *theta, double *du)
{
  (void)self, (void)t;
  for (size_t r = 0; r < rows; r++) {
    du[r] = u[rows + r];
    du[rows + r] = -theta[r] * theta[r] * sin(u[r]) - theta[rows + r] * u[rows + r];
  }
}

static inline void swing_vjp(void *self, size_t rows, double t, const double *u, const double *theta, const double *w,
                             double *ubar, double *theta_bar)
{
  (void)self, (void)t;
  for (size_t r = 0; r < rows; r++) {
    ubar[r] -= theta[r] * theta[r] * cos(u[r]) * w[rows + r];
    ubar[rows + r] += w[r] - theta[rows + r] * w[rows + r];
    if (!theta_bar) continue;
    theta_bar[r] -= 2 * theta[r] * sin(u[r]) * w[rows + r];
    theta_bar[rows + r] -= u[rows + r] * w[rows + r];
  }
}

static inline void swing_kinematics(void *self, size_t rows, const double *u, double *du)
{
  (void)self;
  for (size_t r = 0; r < rows; r++) du[r] = u[rows + r];
}

static inline void swing_kinematics_vjp(void *self, size_t rows, const double *w, double *ubar)
{
  (void)self;
  for (size_t r = 0; r < rows; r++) ubar[rows + r] += w[r];
}

static const gb_var swing_parameters[] = {{"omega", "rad/s", ""}, {"zeta", "1/s", ""}};
static const gb_dynamics swing = {2,         swing_parameters, swing_start,         swing_rate,
                                  swing_vjp, swing_kinematics, swing_kinematics_vjp};
static const gb_physics swing_physics = {.name = "swing", .dynamics = &swing};

/* Sites on a ring, all observed: du_i = a (u_(i+1) - 2 u_i + u_(i-1)) + 9 b u_(i+1) u_(i-1). */
static inline void ring_start(void *self, size_t rows, const gb_real *x, double *u)
{
  const gb_dims *d = self;
  for (size_t i = 0; i < d->n_state; i++)
    for (size_t r = 0; r < rows; r++) u[i * rows + r] = (double)x[r * d->n + i];
}

static inline void ring_rate(void *self, size_t rows, double t, const double *u, const double *theta, double *du)
{
  size_t n = ((const gb_dims *)self)->n_state;
  (void)t;
  for (size_t i = 0; i < n; i++)
    for (size_t r = 0; r < rows; r++) {
      double left = u[(i + n - 1) % n * rows + r], right = u[(i + 1) % n * rows + r];
      du[i * rows + r] = theta[r] * (left - 2 * u[i * rows + r] + right) + 9 * theta[rows + r] * left * right;
    }
}

static inline void ring_vjp(void *self, size_t rows, double t, const double *u, const double *theta, const double *w,
                            double *ubar, double *theta_bar)
{
  size_t n = ((const gb_dims *)self)->n_state;
  (void)t;
  for (size_t i = 0; i < n; i++)
    for (size_t r = 0; r < rows; r++) {
      size_t l = (i + n - 1) % n * rows + r, m = i * rows + r, p = (i + 1) % n * rows + r;
      ubar[l] += (theta[r] + 9 * theta[rows + r] * u[p]) * w[m];
      ubar[m] -= 2 * theta[r] * w[m];
      ubar[p] += (theta[r] + 9 * theta[rows + r] * u[l]) * w[m];
      if (!theta_bar) continue;
      theta_bar[r] += (u[l] - 2 * u[m] + u[p]) * w[m];
      theta_bar[rows + r] += 9 * u[l] * u[p] * w[m];
    }
}

static const gb_var ring_parameters[] = {{"a", "1/s", ""}, {"b", "1/s", ""}};
static const gb_dynamics ring = {2, ring_parameters, ring_start, ring_rate, ring_vjp, NULL, NULL};
static const gb_physics ring_physics = {.name = "ring", .dynamics = &ring};

/* What is varied between cases, and what it is made of. */
typedef struct swinger {
  const char *method, *solver, *trajectory; /* NULL: in memory */
  gb_known known;
  gb_inside inside;
  gb_ode_clock clock;
  bool reduced, norm;
  size_t rows, parts, frames, seen, n_latent, hidden;
  size_t sees_from; /* the network, components of the state */
  size_t sites;     /* of a ring; 0: the pendulum */
  bool drives_all;  /* the network, both components of the pendulum */
  int layers;       /* of the network: hidden ones have the activation */
  gb_activation activation;
  double tolerance, frame_time;
  int64_t substeps;

  gb_dims dims;
  gb_sim sim;
  gb_ode_opts opts;
  gb_draws draws;
  gb_params *p;
  gb_graph *g;
  gb_node *x, *theta_data, *latent_data, *y, *term, *norm_term;
  size_t data_frames;
} swinger;

static inline double swing_mark(size_t i)
{
  return sin(1.0 + 2.7 * (double)i);
}

/* A loss of all frames: sum (1 + mark / 2) y^2 / 2. */
static gb_err swing_term_forward(gb_node *t)
{
  const gb_node *y = t->in[0];
  for (size_t r = 0; r < t->rows; r++) {
    t->term[r] = 0;
    for (size_t i = 0; i < y->width; i++) {
      double v = (double)y->v[r * y->width + i];
      t->term[r] += (1 + swing_mark(i) / 2) * v * v / 2;
    }
  }
  return GB_OK;
}

static gb_err swing_term_vjp(gb_node *t)
{
  gb_node *y = t->in[0];
  for (size_t r = 0; r < t->rows; r++)
    for (size_t i = 0; i < y->width; i++)
      y->g[r * y->width + i] += (gb_real)(1 + swing_mark(i) / 2) * y->v[r * y->width + i] * t->g[r];
  return GB_OK;
}

static const gb_op swing_term = {"swing term", swing_term_forward, swing_term_vjp};

static inline gb_node *swing_weights(swinger *s, const char *name, size_t in, size_t out)
{
  gb_param id;
  if (in)
    CHECK_OK(gb_params_add(s->p, name, 2, (size_t[]){in, out}, 1.5 / sqrt((double)in), &id));
  else
    CHECK_OK(gb_params_add(s->p, name, 1, (size_t[]){out}, 0.5, &id));
  return gb_graph_param(s->g, id);
}

/* n numbers a row that depend on weights: a dense layer of data. */
static inline gb_node *swing_source(swinger *s, const char *name, size_t n, gb_node **data)
{
  char w[32], b[32];
  snprintf(w, sizeof w, "%s.w", name);
  snprintf(b, sizeof b, "%s.b", name);
  *data = gb_graph_data(s->g, (gb_shape){1, 1, 2});
  gb_node *weight = swing_weights(s, w, 2, n), *bias = swing_weights(s, b, 0, n);
  return gb_dense(s->g, *data, weight, bias, (gb_shape){1, 1, n}, GB_SOFTPLUS);
}

static inline void swing_network(swinger *s, gb_ode_problem *p)
{
  size_t in = gb_ode_inputs(p, s->n_latent), out = gb_ode_outputs(&s->sim, s->inside);
  p->network.n_layers = s->layers;
  for (int l = 0; l < s->layers; l++) {
    char w[32], b[32];
    size_t to = l + 1 < s->layers ? s->hidden : out;
    snprintf(w, sizeof w, "net.%d.w", l);
    snprintf(b, sizeof b, "net.%d.b", l);
    p->network.W[l] = swing_weights(s, w, in, to);
    p->network.b[l] = swing_weights(s, b, 0, to);
    p->network.activation[l] = l + 1 < s->layers ? s->activation : GB_NONE;
    in = to;
  }
}

/* Numbers of a data node, functions of the global row. */
static inline void swing_fill(const swinger *s, gb_node *node, size_t key)
{
  for (size_t r = 0; node && r < s->rows; r++)
    for (size_t i = 0; i < node->width; i++)
      node->v[r * node->width + i] = (gb_real)swing_mark(31 * key + 7 * i + 3 * (s->draws.first_row + r));
}

/* A graph for up to s->rows rows. */
static inline void swing_begin(swinger *s)
{
  if (!s->frames) s->frames = 6;
  if (!s->data_frames) s->data_frames = s->frames;
  if (!s->substeps) s->substeps = 1;
  if (!s->parts) s->parts = 1;
  s->dims = (gb_dims){.ndim = 2,
                      .shape = {s->data_frames, s->seen},
                      .n = s->data_frames * s->seen,
                      .n_state = s->sites ? s->sites : 2,
                      .frames = s->data_frames,
                      .seen = s->seen,
                      .driven = s->sites || s->drives_all ? 0 : 1,
                      .frame_time = s->frame_time > 0 ? s->frame_time : 0.2};
  s->dims.n_parameter = (size_t)(s->sites ? ring_physics : swing_physics).dynamics->n_parameter;
  s->sim = (gb_sim){s->sites ? &ring_physics : &swing_physics, &s->dims, s->dims};
  s->opts = (gb_ode_opts){s->method, s->solver, s->substeps, s->tolerance, s->trajectory ? s->trajectory : "memory", 5};
  s->draws.training = true;
  CHECK_OK(gb_params_create(&s->p));
  CHECK_OK(gb_graph_create(s->p, s->rows, &s->g));
  gb_ode_problem p = {.sim = &s->sim,
                      .opts = &s->opts,
                      .draws = &s->draws,
                      .frames = s->frames,
                      .known = s->known,
                      .inside = s->inside,
                      .clock = s->clock,
                      .sees_from = s->sees_from,
                      .reduced = s->reduced};
  s->x = gb_graph_data(s->g, (gb_shape){1, s->data_frames, s->seen});
  gb_node *theta = s->known == GB_KNOWN_LAW ? swing_source(s, "theta", 2, &s->theta_data) : NULL;
  gb_node *z = s->n_latent ? swing_source(s, "latents", s->n_latent, &s->latent_data) : NULL;
  if (s->inside != GB_INSIDE_NOTHING) swing_network(s, &p);
  s->y = gb_ode_solve(s->g, &p, s->x, theta, z);
  s->term = gb_graph_term(s->g, &swing_term, NULL, 1, &s->y);
  if (s->norm) s->norm_term = gb_ode_network_norm(s->g, &p, s->x, z);
  CHECK_OK(gb_params_freeze(s->p, 11));
  CHECK_OK(gb_graph_plan(s->g));
  swing_fill(s, s->x, 1);
  swing_fill(s, s->theta_data, 2);
  swing_fill(s, s->latent_data, 3);
}

static inline void swing_end(swinger *s)
{
  gb_graph_destroy(&s->g);
  gb_params_destroy(&s->p);
}

static const double swing_norm_weight = 0.3;

static inline double swing_loss(swinger *s)
{
  double sum = 0;
  CHECK_OK(gb_graph_run(s->g, NULL, NULL, s->rows, s->parts));
  for (size_t r = 0; r < s->rows; r++)
    sum += s->term->term[r] + (s->norm ? swing_norm_weight * s->norm_term->term[r] : 0);
  return sum;
}

static inline void swing_backward(swinger *s, gb_real *block, bool add)
{
  gb_node *term[2] = {s->term, s->norm_term};
  CHECK_OK(gb_graph_backward(s->g, s->norm ? 2 : 1, term, (double[]){1, swing_norm_weight},
                             &(gb_gradient){.block = block, .parts = s->parts, .add = add}));
}
