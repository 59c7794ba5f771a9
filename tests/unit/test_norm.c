/* tests/unit/test_norm.c - batch norm and layer norm with float networks: the formula, pieces, statistics, and the same
 * bits however pieces are shared out over passes. */
#include "ad/norm.h"

#include "check.h"

enum { ROWS = 16 };

/* data -> layer norm (where there are channels) -> batch norm -> a loss. */
typedef struct net {
  gb_params *p;
  gb_graph *g;
  gb_node *data, *x, *y, *term;
  gb_node *gamma, *beta, *mean, *variance; /* of the batch norm */
  gb_draws draws;
} net;

/* term[r] = sum_i sin(i + number of the row) y[r, i] */
static double mark(const gb_node *t, size_t r, size_t i)
{
  const gb_draws *draws = t->ctx;
  return sin((double)(draws->first_row + r) + 2.7 * (double)i);
}

static gb_err probe_forward(gb_node *t)
{
  const gb_node *y = t->in[0];
  for (size_t r = 0; r < t->rows; r++) {
    t->term[r] = 0;
    for (size_t i = 0; i < y->width; i++) t->term[r] += mark(t, r, i) * (double)y->v[r * y->width + i];
  }
  return GB_OK;
}

static gb_err probe_vjp(gb_node *t)
{
  gb_node *y = t->in[0];
  for (size_t r = 0; r < t->rows; r++)
    for (size_t i = 0; i < y->width; i++) y->g[r * y->width + i] += (gb_real)mark(t, r, i) * t->g[r];
  return GB_OK;
}

static const gb_op probe = {"probe", probe_forward, probe_vjp};

static gb_node *weights(net *n, const char *name, size_t count)
{
  gb_param id;
  CHECK_OK(gb_params_add(n->p, name, 1, &count, 1, &id));
  return gb_graph_param(n->g, id);
}

static gb_node *statistic(net *n, const char *name, size_t count, double value)
{
  gb_param id;
  CHECK_OK(gb_params_add_statistic(n->p, name, count, value, &id));
  return gb_graph_param(n->g, id);
}

static void open_net(net *n, gb_shape shape)
{
  size_t c = shape.c;
  *n = (net){.draws = {.training = true}};
  CHECK_OK(gb_params_create(&n->p));
  CHECK_OK(gb_graph_create(n->p, ROWS, &n->g));
  n->x = n->data = gb_graph_data(n->g, shape);
  if (c > 1) n->x = gb_layer_norm(n->g, n->data, weights(n, "first.gamma", c), weights(n, "first.beta", c), GB_NONE);
  n->gamma = weights(n, "gamma", c);
  n->beta = weights(n, "beta", c);
  n->mean = statistic(n, "mean", c, 0.5);
  n->variance = statistic(n, "variance", c, 4);
  n->y = gb_batch_norm(n->g, n->x, n->gamma, n->beta, n->mean, n->variance, &n->draws, GB_NONE);
  n->term = gb_graph_term(n->g, &probe, &n->draws, 1, &n->y);
  CHECK_OK(gb_params_freeze(n->p, 11));
  CHECK_OK(gb_graph_plan(n->g));
}

static void close_net(net *n)
{
  gb_graph_destroy(&n->g);
  gb_params_destroy(&n->p);
}

/* A pass over rows from `first` on: numbers about 3 with a spread of 2. */
static gb_err run(net *n, size_t first, size_t rows, size_t parts)
{
  size_t width = n->data->width;
  for (size_t r = 0; r < rows; r++) {
    gb_real *x = n->data->v + r * width;
    gb_rng_normal(gb_rng_key(5, GB_RNG_TEST, first + r, 0), width, x);
    for (size_t i = 0; i < width; i++) x[i] = 3 + 2 * x[i];
  }
  n->draws.first_row = first;
  return gb_graph_run(n->g, NULL, NULL, rows, parts);
}

static void backward(net *n, size_t parts, gb_real *grad)
{
  static const double one = 1;
  CHECK_OK(gb_graph_backward(n->g, 1, &n->term, &one, &(gb_gradient){.block = grad, .parts = parts}));
}

static const gb_shape shapes[] = {{1, 1, 3}, {4, 2, 5}, {1, 1, 70}, {2, 2, 64}, {1, 1, 1}, {3, 3, 1}};
enum { SHAPES = sizeof shapes / sizeof *shapes, WIDEST = 256 };

/* Against the formula in double, in two passes. Numbers up to 10 have errors of 1e-6, and are divided by spreads of at
 * least a few tenths. */
static void batch_formula(void **state)
{
  (void)state;
  for (size_t s = 0; s < SHAPES; s++)
    for (size_t parts = 1; parts <= 4; parts *= 2) {
      net n;
      open_net(&n, shapes[s]);
      gb_real *grad = gb_alloc(gb_params_size(n.p), sizeof *grad);
      size_t c = shapes[s].c, m = ROWS / parts * shapes[s].h * shapes[s].w;
      CHECK_OK(run(&n, 0, ROWS, parts));
      backward(&n, parts, grad);
      for (size_t k = 0; k < c; k++) {
        double means = 0, variances = 0;
        for (size_t p = 0; p < parts; p++) {
          const gb_real *x = n.x->v + p * m * c + k, *y = n.y->v + p * m * c + k;
          double mean = 0, variance = 0, gamma = (double)n.gamma->v[k], beta = (double)n.beta->v[k];
          for (size_t r = 0; r < m; r++) mean += (double)x[r * c] / (double)m;
          for (size_t r = 0; r < m; r++) variance += pow((double)x[r * c] - mean, 2) / (double)m;
          for (size_t r = 0; r < m; r++)
            CHECK_NEAR((double)y[r * c], gamma * ((double)x[r * c] - mean) / sqrt(variance + 1e-5) + beta, 2e-5);
          means += mean / (double)parts;
          variances += variance * (double)m / (double)(m - 1) / (double)parts;
        }
        /* the gradient of a statistic, by rows: what it moves to */
        CHECK_NEAR((double)grad[n.mean->first + k] / ROWS, means, 1e-5 * fabs(means) + 1e-6);
        CHECK_NEAR((double)grad[n.variance->first + k] / ROWS, variances, 1e-5 * variances);
      }
      gb_free(&grad);
      close_net(&n);
    }
}

/* Out of training: by the running statistics, whatever else is in the pass, and they stay as they are. */
static void batch_evaluation(void **state)
{
  (void)state;
  for (size_t s = 0; s < SHAPES; s++) {
    net n;
    open_net(&n, shapes[s]);
    gb_real *grad = gb_alloc(gb_params_size(n.p), sizeof *grad), last[WIDEST];
    size_t c = shapes[s].c, width = gb_shape_width(shapes[s]);
    n.draws.training = false;
    CHECK_OK(run(&n, 0, ROWS, 1));
    backward(&n, 1, grad);
    for (size_t i = 0; i < ROWS * width; i++) {
      double gamma = (double)n.gamma->v[i % c], beta = (double)n.beta->v[i % c];
      CHECK_NEAR((double)n.y->v[i], gamma * ((double)n.x->v[i] - 0.5) / sqrt(4 + 1e-5) + beta, 1e-5);
    }
    for (size_t k = 0; k < c; k++) CHECK(grad[n.mean->first + k] == 0 && grad[n.variance->first + k] == 0);
    memcpy(last, n.y->v + (ROWS - 1) * width, width * sizeof *last);
    CHECK_OK(run(&n, ROWS - 1, 1, 1));
    CHECK(!memcmp(last, n.y->v, width * sizeof *last));
    gb_free(&grad);
    close_net(&n);
  }
}

/* Four pieces in one pass give the bits of four passes of one, added in the tree: values, gradients, statistics. */
static void pieces_are_exact(void **state)
{
  (void)state;
  enum { PARTS = 4, PIECE = ROWS / PARTS };
  for (size_t s = 0; s < SHAPES; s++) {
    net n;
    open_net(&n, shapes[s]);
    size_t size = gb_params_size(n.p), width = gb_shape_width(shapes[s]), differing = 0;
    gb_real *whole = gb_alloc(size, sizeof *whole), *part[PARTS], *y = gb_alloc(ROWS * width, sizeof *y);
    CHECK_OK(run(&n, 0, ROWS, PARTS));
    backward(&n, PARTS, whole);
    memcpy(y, n.y->v, ROWS * width * sizeof *y);
    for (size_t p = 0; p < PARTS; p++) {
      part[p] = gb_alloc(size, sizeof **part);
      CHECK_OK(run(&n, p * PIECE, PIECE, 1));
      CHECK(!memcmp(y + p * PIECE * width, n.y->v, PIECE * width * sizeof *y));
      backward(&n, 1, part[p]);
    }
    for (size_t i = 0; i < size; i++) {
      gb_real sum = (part[0][i] + part[1][i]) + (part[2][i] + part[3][i]);
      CHECK(!memcmp(&whole[i], &sum, sizeof sum));
      differing += part[0][i] != part[1][i];
    }
    CHECK(differing > 0);
    for (size_t p = 0; p < PARTS; p++) gb_free(&part[p]);
    gb_free(&whole);
    gb_free(&y);
    close_net(&n);
  }
}

/* One value in a piece has no variance; a row of several sites has. Equal numbers have none: beta is left. */
static void too_few_values(void **state)
{
  (void)state;
  net n;
  open_net(&n, (gb_shape){1, 1, 3});
  CHECK_FAILS(run(&n, 0, 4, 4), GB_ERR_CONFIG, "batchnorm: a shard has one sample, of one site");
  n.draws.training = false;
  CHECK_OK(run(&n, 0, 4, 4));
  close_net(&n);
  open_net(&n, (gb_shape){1, 2, 1});
  CHECK_OK(run(&n, 0, 4, 4));
  for (size_t i = 0; i < 8; i++) n.data->v[i] = 7e3f;
  CHECK_OK(gb_graph_run(n.g, NULL, NULL, 4, 2));
  for (size_t i = 0; i < 8; i++) CHECK_NEAR((double)n.y->v[i], (double)n.beta->v[0], 1e-6);
  close_net(&n);
}

static void layer_formula(void **state)
{
  (void)state;
  for (size_t s = 0; s < 4; s++) {
    net n;
    open_net(&n, shapes[s]);
    size_t c = shapes[s].c;
    CHECK_OK(run(&n, 0, ROWS, 1));
    const gb_real *gamma = n.x->in[1]->v, *beta = n.x->in[2]->v;
    for (size_t r = 0; r < ROWS * shapes[s].h * shapes[s].w; r++) {
      const gb_real *x = n.data->v + r * c, *y = n.x->v + r * c;
      double mean = 0, variance = 0;
      for (size_t k = 0; k < c; k++) mean += (double)x[k] / (double)c;
      for (size_t k = 0; k < c; k++) variance += pow((double)x[k] - mean, 2) / (double)c;
      for (size_t k = 0; k < c; k++)
        CHECK_NEAR((double)y[k], (double)gamma[k] * ((double)x[k] - mean) / sqrt(variance + 1e-5) + (double)beta[k],
                   2e-5);
    }
    close_net(&n);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(batch_formula), TEST(batch_evaluation), TEST(pieces_are_exact),
                                     TEST(too_few_values), TEST(layer_formula)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
