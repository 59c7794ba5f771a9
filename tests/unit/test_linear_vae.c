/* tests/unit/test_linear_vae.c - objectives at work: a linear-Gaussian VAE, trained by our optimiser with sampled
 * latents, ends at the optimum that algebra gives (probabilistic PCA and its kin). */
#include <stdlib.h>

#include "ad/bound.h"
#include "ad/combine.h"
#include "ad/latent.h"
#include "ad/layers.h"
#include "check.h"
#include "learn/optim.h"
#include "learn/relbo.h"
#include "linalg/jacobi.h"
#include "linalg/normals.h"

enum { MOST_WIDTH = 8, MOST_ROWS = 2 * MOST_WIDTH, MOST_LATENT = 4, STEPS = 80000 };

/* -ln N(x; f, s2): inputs x, f and, where it is learned, ln s2. */
static gb_err nll_forward(gb_node *y)
{
  const gb_node *x = y->in[0], *f = y->in[1];
  double l = y->n_in > 2 ? (double)*y->in[2]->v : log(*(const double *)y->ctx), n = (double)x->width;
  for (size_t r = 0; r < y->rows; r++) {
    double square = 0;
    for (size_t i = r * x->width; i < (r + 1) * x->width; i++) {
      double d = (double)x->v[i] - (double)f->v[i];
      square += d * d;
    }
    y->term[r] = (square * exp(-l) + n * (l + log(2 * M_PI))) / 2;
    y->work[r] = (gb_real)((n - square * exp(-l)) / 2);
  }
  return GB_OK;
}

static gb_err nll_vjp(gb_node *y)
{
  const gb_node *x = y->in[0], *f = y->in[1];
  double precision = exp(y->n_in > 2 ? -(double)*y->in[2]->v : -log(*(const double *)y->ctx));
  for (size_t i = 0; i < y->rows * x->width; i++)
    f->g[i] += (gb_real)(precision * (double)(f->v[i] - x->v[i])) * y->g[i / x->width];
  if (y->n_in > 2) gb_node_sum_rows(y, y->in[2], y->rows, 1, y->work, y->g);
  return GB_OK;
}

static const gb_op nll_op = {"Gaussian likelihood", nll_forward, nll_vjp};

typedef enum kind { ELBO, RELBO, ESCORT } kind;

typedef struct experiment {
  kind kind;
  double weight; /* beta, or alpha */
  double s2;     /* 0: learned */
  size_t n, m;
  double lam[MOST_WIDTH], S[MOST_LATENT], expected_s2;
} experiment;

typedef struct model {
  const experiment *of;
  gb_params *p;
  gb_graph *g;
  gb_node *x, *mu, *logvar, *eps, *z, *term[3], *W, *log_s2;
  gb_relbo relbo;
} model;

static gb_node *weights(model *v, const char *name, int ndim, const size_t shape[], double bound)
{
  gb_param id;
  CHECK_OK(gb_params_add(v->p, name, ndim, shape, bound, &id));
  return gb_graph_param(v->g, id);
}

static void build(model *v, const experiment *of)
{
  size_t n = of->n, m = of->m, rows = 2 * n, one = 1;
  gb_shape latent = {1, 1, m}, sample = {1, 1, n};
  *v = (model){.of = of};
  CHECK_OK(gb_params_create(&v->p));
  CHECK_OK(gb_graph_create(v->p, rows, &v->g));
  v->x = gb_graph_data(v->g, sample);
  v->mu = gb_dense(v->g, v->x, weights(v, "V", 2, (size_t[]){n, m}, 0.3), NULL, latent, GB_NONE);
  v->logvar = gb_repeat(v->g, weights(v, "l", 1, &m, 0.1), latent);
  v->eps = gb_graph_data(v->g, latent);
  if (of->kind == RELBO) CHECK_OK(gb_relbo_create(rows, m, of->weight, 1, &v->relbo));
  v->z = of->kind == RELBO    ? gb_bound_scaled(v->g, &v->relbo.loss, v->mu, v->logvar, v->eps)
         : of->kind == ESCORT ? gb_bound_escort(v->g, &of->weight, v->mu, v->logvar, v->eps, (gb_prior){0})
                              : gb_latent_sample(v->g, v->mu, v->logvar, v->eps);
  v->W = weights(v, "W", 2, (size_t[]){m, n}, 0.3);
  gb_node *f = gb_dense(v->g, v->z, v->W, NULL, sample, GB_NONE);
  v->log_s2 = of->s2 > 0 ? NULL : weights(v, "ln s2", 1, &one, 0);
  v->term[0] = gb_graph_term(v->g, &nll_op, (void *)&of->s2, v->log_s2 ? 3 : 2, (gb_node *[]){v->x, f, v->log_s2});
  v->term[0]->n_work = 1;
  v->term[1] = gb_latent_kl(v->g, v->mu, v->logvar);
  v->term[2] = of->kind == RELBO ? gb_bound_given(v->g, &v->relbo.loss, v->mu, v->logvar)
                                 : gb_bound_divergence(v->g, &of->weight, v->mu, v->logvar, (gb_prior){0});
  CHECK_OK(gb_params_freeze(v->p, 4));
  CHECK_OK(gb_graph_plan(v->g));
  /* rows +- (n lam_i)^1/2 along each axis: mean 0, covariance diag(lam) */
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < n; i++)
      v->x->v[r * n + i] = (gb_real)(r / 2 == i ? (r % 2 ? -1 : 1) * sqrt((double)n * of->lam[i]) : 0);
}

/* What the decoder says of z at mu: J = W' of all rows. */
static void linearise(model *v)
{
  size_t n = v->of->n, m = v->of->m, rows = 2 * n;
  double precision = exp(-(double)*v->log_s2->v);
  for (size_t first = 0; first < rows; first += GB_RELBO_GROUP) {
    size_t row[GB_RELBO_GROUP];
    for (size_t i = 0; i < GB_RELBO_GROUP; i++) row[i] = first + i;
    for (size_t r = first; r < first + GB_RELBO_GROUP; r++)
      for (size_t j = 0; j < m; j++) {
        double *score = v->relbo.score + (r - first) * m + j,
               *information = v->relbo.information + ((r - first) * m + j) * m;
        *score = 0;
        for (size_t k = 0; k < m; k++) information[k] = 0;
        for (size_t i = 0; i < n; i++) {
          double w = (double)v->W->v[j * n + i], d = (double)v->x->v[r * n + i];
          for (size_t k = 0; k < m; k++) {
            d -= (double)v->W->v[k * n + i] * (double)v->mu->v[r * m + k];
            information[k] += w * (double)v->W->v[k * n + i] * precision;
          }
          *score += w * d * precision;
        }
      }
    gb_relbo_group(&v->relbo, GB_RELBO_GROUP, row, 1, v->mu->v, v->logvar->v);
  }
}

static void train(model *v)
{
  gb_optim_opts o = {
      .optimizer = "adam", .learning_rate = 0.02, .schedule = "cosine", .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8};
  size_t size = gb_params_size(v->p), rows = 2 * v->of->n, m = v->of->m;
  gb_real *grad = gb_alloc(size, sizeof *grad), *first = gb_alloc(size, sizeof *first),
          *second = gb_alloc(size, sizeof *second);
  double weight[3] = {1, v->of->kind == ELBO ? v->of->weight : 0, v->of->kind != ELBO};
  for (uint64_t step = 0; step < STEPS; step++) {
    gb_normals(9, GB_RNG_LATENT, 0, step, rows, m, m, v->eps->v);
    if (v->of->kind == RELBO) {
      CHECK_OK(gb_graph_run(v->g, NULL, v->logvar, rows, 1));
      v->W->v = gb_params_value(v->p) + v->W->first;
      v->log_s2->v = gb_params_value(v->p) + v->log_s2->first;
      linearise(v);
    }
    CHECK_OK(gb_graph_run(v->g, NULL, NULL, rows, 1));
    CHECK_OK(gb_graph_backward(v->g, 3, v->term, weight, &(gb_gradient){.block = grad, .parts = 1}));
    double rate = gb_optim_rate(&o, step, STEPS);
    gb_optim_step(&o, rate, 1 / (double)rows, step, size, grad, first, second, gb_params_value(v->p));
  }
  gb_free(&grad);
  gb_free(&first);
  gb_free(&second);
}

static int falling(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x < y) - (x > y);
}

/* Squared singular values of W, the largest first. */
static void signals(const model *v, double S[MOST_LATENT])
{
  static double a[MOST_LATENT * MOST_LATENT * GB_JACOBI_LANES], q[MOST_LATENT * MOST_LATENT * GB_JACOBI_LANES];
  size_t n = v->of->n, m = v->of->m;
  const gb_real *W = gb_params_value(v->p) + v->W->first;
  for (size_t i = 0; i < m * m * GB_JACOBI_LANES; i++) {
    size_t j = i / GB_JACOBI_LANES / m, k = i / GB_JACOBI_LANES % m;
    a[i] = 0;
    for (size_t c = 0; c < n; c++) a[i] += (double)W[j * n + c] * (double)W[k * n + c];
  }
  gb_jacobi(m, a, q);
  for (size_t j = 0; j < m; j++) S[j] = a[(j * m + j) * GB_JACOBI_LANES];
  qsort(S, m, sizeof *S, falling);
}

static void check_optimum(const experiment *of)
{
  model v;
  double S[MOST_LATENT];
  build(&v, of);
  train(&v);
  signals(&v, S);
  for (size_t j = 0; j < of->m; j++)
    CHECK_NEAR(S[j], of->S[j], of->S[j] > 0 ? 0.01 * (of->S[j] + of->expected_s2) : 0.01);
  if (v.log_s2) CHECK_NEAR(exp((double)gb_params_value(v.p)[v.log_s2->first]), of->expected_s2, 0.01 * of->expected_s2);
  if (of->kind == RELBO) gb_relbo_destroy(&v.relbo);
  gb_graph_destroy(&v.g);
  gb_params_destroy(&v.p);
}

#define SPECTRUM                                                                                                       \
  {                                                                                                                    \
    5, 3, 1.5, 0.9, 0.6, 0.5, 0.4, 0.3                                                                                 \
  }

/* S = lam - beta s2 of the modes with lam > beta s2, s2 = sum of the other lam over n - beta k. */
static void beta_elbo(void **state)
{
  (void)state;
  static const experiment c[] = {{ELBO, 0.5, 0, 8, 4, SPECTRUM, {4.85, 2.85, 1.35, 0.75}, 0.3},
                                 {ELBO, 1, 0, 8, 4, SPECTRUM, {4.55, 2.55, 1.05, 0.45}, 0.45},
                                 {ELBO, 2, 0, 8, 2, {5, 3, 0.9, 0.9, 0.6, 0.5, 0.4, 0.3}, {3.2, 1.2}, 0.9}};
  for (size_t i = 0; i < sizeof c / sizeof *c; i++) check_optimum(&c[i]);
}

/* The encoder can be the posterior: alpha moves the bound, not its optimum. */
static void relbo(void **state)
{
  (void)state;
  static const double alphas[] = {0.4, 0.8, 1.2};
  for (size_t i = 0; i < 3; i++)
    check_optimum(&(experiment){RELBO, alphas[i], 0, 8, 4, SPECTRUM, {4.55, 2.55, 1.05, 0.45}, 0.45});
}

/* Of a noise that is given, roots of lam = [tau^2 - e s2 tau + e s2^2]^2 / (tau^2 (tau - e s2)), e = 1 - alpha, tau = S
 * + s2; the third mode's latent would pay more than it explains. */
static void escort(void **state)
{
  (void)state;
  static const experiment c[] = {{ESCORT, 0.5, 0.5, 3, 2, {4, 2, 0.3}, {3.690110, 1.630846}, 0.5},
                                 {ESCORT, 0.8, 0.5, 3, 2, {4, 2, 0.3}, {3.575425, 1.550937}, 0.5},
                                 {ESCORT, 1.3, 0.5, 3, 2, {4, 2, 0.3}, {3.388483, 1.427108}, 0.5}};
  for (size_t i = 0; i < 3; i++) check_optimum(&c[i]);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(beta_elbo), TEST(relbo), TEST(escort)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
