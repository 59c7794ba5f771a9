/* tests/unit/gradient_integral.c - in double: the sampled Renyi bound of so many draws that it is an integral, against
 * numbers of an independent program: RELBO-A of a linear decoder and its gradients by everything. */
#include "ad/bound.h"
#include "ad/combine.h"
#include "ad/latent.h"
#include "gradient_bench.h"

/* The worked example of test_renyi.c. */
static const double W2[] = {1.0, 0.2, 0.5, -0.3, 0.0, 0.8}, x3[] = {0.7, -0.4, 1.1};

/* The example's likelihood with W and ln s2 as weights; each copy counts as a node of a lattice over eps does in the
 * integral that the sampled bound is a mean for: weights of a trapezoidal rule under the logarithm. */
typedef struct lattice {
  double alpha;
  size_t n;          /* nodes */
  const double *eps; /* [n, 2], `step` apart */
  double step;
} lattice;

static gb_err lattice_forward(gb_node *y)
{
  const lattice *c = y->ctx;
  const double *z = y->in[0]->v, *W = y->in[1]->v, l = *y->in[2]->v;
  for (size_t r = 0; r < y->rows; r++) {
    const double *e = c->eps + 2 * r;
    double *by = y->work + 7 * r, square = 0;
    for (size_t i = 0; i < 3; i++) {
      double d = x3[i] - W[2 * i] * z[2 * r] - W[2 * i + 1] * z[2 * r + 1];
      square += d * d;
      for (size_t j = 0; j < 2; j++) by[2 * i + j] = -d * z[2 * r + j] * exp(-l);
    }
    by[6] = (3 - square * exp(-l)) / 2;
    double node = log((double)c->n * c->step * c->step / (2 * M_PI)) - (e[0] * e[0] + e[1] * e[1]) / 2;
    y->term[r] = (3 * (log(2 * M_PI) + l) + square * exp(-l)) / 2 - node / (1 - c->alpha);
  }
  return GB_OK;
}

static gb_err lattice_vjp(gb_node *y)
{
  gb_node *z = y->in[0];
  const double *W = y->in[1]->v, l = *y->in[2]->v;
  double *by = y->work + 7 * y->rows;
  for (size_t r = 0; r < y->rows; r++)
    for (size_t j = 0; j < 2; j++)
      for (size_t i = 0; i < 3; i++) {
        double d = x3[i] - W[2 * i] * z->v[2 * r] - W[2 * i + 1] * z->v[2 * r + 1];
        z->g[2 * r + j] -= y->g[r] * d * W[2 * i + j] * exp(-l);
      }
  for (size_t r = 0; r < y->rows; r++)
    for (size_t i = 0; i < 6; i++) by[6 * r + i] = y->g[r] * y->work[7 * r + i];
  gb_node_sum_rows(y, y->in[1], y->rows, 6, by, NULL);
  for (size_t r = 0; r < y->rows; r++) by[r] = y->work[7 * r + 6];
  gb_node_sum_rows(y, y->in[2], y->rows, 1, by, y->g);
  return GB_OK;
}

static const gb_op lattice_op = {"likelihood on a lattice", lattice_forward, lattice_vjp};

/* -L of the sampled bound, as the sum of its three terms. */
typedef struct integral {
  bench b;
  lattice of;
  gb_node *mean, *kl, *bound;
} integral;

static void open_integral(integral *f, double alpha, size_t side, double *eps)
{
  static const double mean[2] = {0.3, 0.6}, variance[2] = {0.15, 0.2};
  const size_t two = 2, one = 1, n = side * side;
  const gb_shape pair = {1, 1, 2};
  f->of = (lattice){alpha, n, eps, 20.0 / (double)(side - 1)};
  for (size_t k = 0; k < n; k++) {
    eps[2 * k] = -10 + f->of.step * (double)(k / side);
    eps[2 * k + 1] = -10 + f->of.step * (double)(k % side);
  }
  begin_rows(&f->b, 1, 1);
  gb_graph *g = f->b.g;
  gb_node *mu = gb_repeat(g, weights(&f->b, "mu", 1, &two, 0), pair);
  gb_node *l = gb_repeat(g, weights(&f->b, "l", 1, &two, 0), pair);
  gb_node *W = weights(&f->b, "W", 2, (size_t[]){3, 2}, 0), *s2 = weights(&f->b, "ln s2", 1, &one, 0);
  gb_node *noise = gb_graph_data(g, pair);
  noise->copies = n;
  gb_node *z = gb_bound_samples(g, mu, l, noise);
  gb_node *nll = gb_graph_term(g, &lattice_op, &f->of, 3, (gb_node *[]){z, W, s2});
  nll->n_work = 14;
  f->mean = gb_bound_mean(g, nll);
  f->kl = gb_latent_kl(g, mu, l);
  f->bound = gb_bound_sampled(g, alpha, 1, nll, z, mu, l, noise);
  CHECK_OK(gb_params_freeze(f->b.p, 1));
  CHECK_OK(gb_graph_plan(g));
  double *v = gb_params_value(f->b.p);
  for (size_t j = 0; j < 2; j++) {
    v[gb_params_info(f->b.p, 0)->first + j] = mean[j];
    v[gb_params_info(f->b.p, 1)->first + j] = log(variance[j]);
  }
  memcpy(v + gb_params_info(f->b.p, 2)->first, W2, sizeof W2);
  v[gb_params_info(f->b.p, 3)->first] = log(0.25);
  memcpy(noise->v, eps, 2 * n * sizeof *eps);
  CHECK_OK(gb_graph_run(g, NULL, NULL, 1, 1));
}

/* The sampled bound of all draws at once, an integral over eps: RELBO-A, and the gradients by all of its numbers, as an
 * independent program gave them. */
static void integral_of_the_example(void **state)
{
  enum { SIDE = 161 };
  static double eps[2 * SIDE * SIDE];
  static const double relbo[][2] = {{0.25, -3.3371489894}, {0.5, -3.4749861795}, {1.1, -3.7555996963}};
  static const double by[4][6] = {{0.01832309, 1.12965325},
                                  {0.02652408, 0.17846402},
                                  {-0.34798564, 0.60432324, -0.68772594, -0.73162651, 0.5430687, 0.74608722},
                                  {-0.35422891 * 0.25}}; /* by ln s2 */
  (void)state;
  for (size_t k = 0; k < 3; k++) {
    integral f;
    open_integral(&f, relbo[k][0], SIDE, eps);
    CHECK_NEAR(-(f.mean->term[0] + f.kl->term[0] + f.bound->term[0]), relbo[k][1], 1e-9);
    double grad[256], one[3] = {1, 1, 1};
    CHECK(gb_params_size(f.b.p) <= 256);
    CHECK_OK(gb_graph_backward(f.b.g, 3, (gb_node *[]){f.mean, f.kl, f.bound}, one,
                               &(gb_gradient){.block = grad, .parts = 1}));
    for (int t = 0; t < 4 && k == 1; t++)
      for (size_t i = 0; i < gb_params_info(f.b.p, t)->count; i++)
        CHECK_NEAR(-grad[gb_params_info(f.b.p, t)->first + i], by[t][i], 1.1e-8);
    end(&f.b);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(integral_of_the_example)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
