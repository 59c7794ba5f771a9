/* tests/unit/gradient_bench.h - for tests in double: a graph of weights, an op and a loss, whose gradient is compared
 * with fourth-order differences. */
#pragma once
#include "ad/layers.h"
#include "check.h"
#include "stencil.h"

enum { MOST_TERMS = 2, MOST_DATA = 8 };

/* A bench: the weights that feed the op under test, and the terms whose weighted sum is differentiated. */
typedef struct bench {
  size_t rows, parts;
  gb_params *p;
  gb_graph *g;
  int n_terms;
  gb_node *term[MOST_TERMS];
  gb_node *data[MOST_DATA];
  int n_data;
  gb_node *near, *direction; /* vectors `near` are put near `direction`: the wrapped residual jumps at pi */
  gb_node *mu, *logvar;      /* NULL, or latents whose KL has a kink here */
  double kink;
  double step; /* of the differences; 0: 1e-3. Smaller where there are kinks everywhere */
} bench;

static const double term_weight[MOST_TERMS] = {0.7, -1.3};

/* term[r] = sum_i w_i y_i with fixed, irregular w: makes any row node a loss. */
static inline double mark(size_t i)
{
  return sin(1.0 + 2.7 * (double)i);
}

static gb_err probe_forward(gb_node *t)
{
  const gb_node *y = t->in[0];
  for (size_t r = 0; r < t->rows; r++) {
    t->term[r] = 0;
    for (size_t i = 0; i < y->width; i++) t->term[r] += mark(i + 5 * r) * y->v[r * y->width + i];
  }
  return GB_OK;
}

static gb_err probe_vjp(gb_node *t)
{
  gb_node *y = t->in[0];
  for (size_t r = 0; r < t->rows; r++)
    for (size_t i = 0; i < y->width; i++) y->g[r * y->width + i] += mark(i + 5 * r) * t->g[r];
  return GB_OK;
}

static const gb_op probe = {"probe", probe_forward, probe_vjp};

static inline gb_node *weights(bench *b, const char *name, int ndim, const size_t shape[], double bound)
{
  gb_param id;
  CHECK_OK(gb_params_add(b->p, name, ndim, shape, bound, &id));
  return gb_graph_param(b->g, id);
}

static inline gb_node *data(bench *b, gb_shape shape)
{
  CHECK(b->n_data < MOST_DATA);
  return b->data[b->n_data++] = gb_graph_data(b->g, shape);
}

/* A row node that depends on weights: a dense layer of data. */
static inline gb_node *source(bench *b, const char *name, gb_shape shape)
{
  enum { IN = 3 };
  char w[32], o[32];
  size_t n = gb_shape_width(shape);
  snprintf(w, sizeof w, "%s.w", name);
  snprintf(o, sizeof o, "%s.b", name);
  return gb_dense(b->g, data(b, (gb_shape){1, 1, IN}), weights(b, w, 2, (size_t[]){IN, n}, 1),
                  weights(b, o, 1, (size_t[]){n}, 1), shape, GB_NONE);
}

static inline void begin_rows(bench *b, size_t rows, size_t parts)
{
  *b = (bench){.rows = rows, .parts = parts};
  CHECK_OK(gb_params_create(&b->p));
  CHECK_OK(gb_graph_create(b->p, rows, &b->g));
}

static inline void begin(bench *b)
{
  begin_rows(b, 3, 1);
}

static inline void probe_node(bench *b, gb_node *y)
{
  b->term[b->n_terms++] = gb_graph_term(b->g, &probe, NULL, 1, &y);
}

static inline double loss(bench *b)
{
  double sum = 0;
  CHECK_OK(gb_graph_run(b->g, NULL, NULL, b->rows, b->parts));
  for (int k = 0; k < b->n_terms; k++)
    for (size_t r = 0; r < b->rows; r++) sum += term_weight[k] * b->term[k]->term[r];
  return sum;
}

/* Latents are on both sides of the kink, and 0.01 away from it: a step of the differences moves a KL by less. */
static inline void check_kinks(const bench *b)
{
  size_t below = 0, n = b->rows * b->mu->width;
  for (size_t i = 0; i < n; i++) {
    double l = b->logvar->v[i], kl = (exp(l) + b->mu->v[i] * b->mu->v[i] - 1 - l) / 2;
    CHECK(fabs(kl - b->kink) > 0.01);
    below += kl < b->kink;
  }
  CHECK(below > 3 && below < n - 3);
}

/* First weights, data, a first loss. */
static inline void start(bench *b)
{
  CHECK_OK(gb_params_freeze(b->p, 11));
  CHECK_OK(gb_graph_plan(b->g));
  for (int k = 0; k < b->n_data; k++)
    gb_rng_normal(gb_rng_key(5, GB_RNG_TEST, (uint64_t)k, 0), b->rows * b->data[k]->width, b->data[k]->v);
  loss(b);
  for (size_t i = 0; b->near && i < b->rows * b->near->width / 2; i++)
    sincos(atan2(b->direction->v[2 * i + 1], b->direction->v[2 * i]) + 1.5 * mark(i), &b->near->v[2 * i + 1],
           &b->near->v[2 * i]);
  loss(b);
  if (b->mu) check_kinks(b);
}

/* Fourth-order difference of the loss along one weight. */
static inline double difference(bench *b, double *value)
{
  const double h = b->step ? b->step : 1e-3;
  double kept = *value, d = 0;
  for (int k = 0; k < 4; k++) {
    *value = kept + stencil[k].at * h;
    d += stencil[k].c * loss(b) / h;
  }
  *value = kept;
  return d;
}

/* Every weight: |gradient - difference| <= 1e-7 of the largest gradient (difference: error h^4 and 1e-16/h at h =
 * 1e-3). What is written for a statistic or a multiplier is no gradient. */
static inline void compare(bench *b)
{
  double *value = gb_params_value(b->p), *grad = gb_alloc(gb_params_size(b->p), sizeof *grad), largest = 0;
  CHECK_OK(gb_graph_backward(b->g, b->n_terms, b->term, term_weight, &(gb_gradient){.block = grad, .parts = b->parts}));
  for (int compared = 0; compared < 2; compared++) {
    for (int t = 0; t < gb_params_n(b->p); t++) {
      const gb_param_info *info = gb_params_info(b->p, t);
      if (info->rule != GB_LEARNED) continue;
      for (size_t i = info->first; i < info->first + info->count; i++)
        if (compared)
          CHECK_NEAR(grad[i], difference(b, value + i), 1e-7 * largest);
        else
          largest = fmax(largest, fabs(grad[i]));
    }
    CHECK(largest > 1e-3);
  }
  gb_free(&grad);
}

static inline void end(bench *b)
{
  gb_graph_destroy(&b->g);
  gb_params_destroy(&b->p);
}

static inline void finish(bench *b)
{
  start(b);
  compare(b);
  end(b);
}
