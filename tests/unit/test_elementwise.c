/* tests/unit/test_elementwise.c - dropout with float networks: what is left out, how often, and that nothing but the
 * name of the layer, the row and the step decides. */
#include "ad/elementwise.h"

#include "check.h"

enum { ROWS = 40, WIDTH = 517 };

typedef struct net {
  gb_params *p;
  gb_graph *g;
  gb_node *x, *a, *b;
  gb_draws draws;
} net;

static void open_net(net *n, double rate)
{
  *n = (net){.draws = {.seed = 9, .step = 3, .training = true}};
  CHECK_OK(gb_params_create(&n->p));
  CHECK_OK(gb_graph_create(n->p, ROWS, &n->g));
  n->x = gb_graph_data(n->g, (gb_shape){1, 1, WIDTH});
  n->a = gb_dropout(n->g, n->x, rate, "encoder.1", &n->draws);
  n->b = gb_dropout(n->g, n->x, rate, "decoder.1", &n->draws);
  CHECK_OK(gb_params_freeze(n->p, 1));
  CHECK_OK(gb_graph_plan(n->g));
}

static void close_net(net *n)
{
  gb_graph_destroy(&n->g);
  gb_params_destroy(&n->p);
}

/* Ones in; out: what each number is multiplied with. */
static void run(net *n, uint64_t first, size_t rows)
{
  for (size_t i = 0; i < rows * WIDTH; i++) n->x->v[i] = 1;
  n->draws.first_row = first;
  CHECK_OK(gb_graph_run(n->g, NULL, NULL, rows, 1));
}

static size_t zeros(const gb_real *v, size_t n)
{
  size_t count = 0;
  for (size_t i = 0; i < n; i++) count += v[i] == 0;
  return count;
}

/* Of N numbers N P are 0, give or take 4 sqrt(N P (1 - P)); so in single rows, columns and of neighbours, both. */
static void rates(void **state)
{
  (void)state;
  static const double rate[] = {0.01, 0.3, 0.5, 0.99};
  enum { N = ROWS * WIDTH };
  for (size_t k = 0; k < 4; k++) {
    net n;
    double p = rate[k], pp = p * p;
    size_t pairs = 0;
    open_net(&n, p);
    run(&n, 100, ROWS);
    for (size_t i = 0; i < N; i++) CHECK(n.a->v[i] == 0 || fabs((double)n.a->v[i] * (1 - p) - 1) < 1e-6);
    CHECK_NEAR((double)zeros(n.a->v, N), N * p, 4 * sqrt(N * p * (1 - p)));
    for (size_t r = 0; r < ROWS; r++)
      CHECK_NEAR((double)zeros(n.a->v + r * WIDTH, WIDTH), WIDTH * p, 5 * sqrt(WIDTH * p * (1 - p)) + 1);
    for (size_t i = 0; i + 1 < N; i++) pairs += n.a->v[i] == 0 && n.a->v[i + 1] == 0;
    CHECK_NEAR((double)pairs, N * pp, 6 * sqrt(N * pp * (1 - pp)) + 1);
    close_net(&n);
  }
}

/* Seed, step, row and layer each choose; for a pair of independent halves N / 2 of N numbers agree. */
static void keys(void **state)
{
  (void)state;
  enum { N = 8 * WIDTH };
  net n;
  gb_real first[N];
  open_net(&n, 0.5);
  run(&n, 100, 8);
  memcpy(first, n.a->v, sizeof first);
  for (int i = 0; i < 4; i++) {
    const gb_real *other = i == 0 ? n.b->v : n.a->v;
    size_t equal = 0;
    n.draws.seed = i == 1 ? 10 : 9;
    n.draws.step = i == 2 ? 4 : 3;
    run(&n, i == 3 ? 108 : 100, 8);
    for (size_t k = 0; k < N; k++) equal += first[k] == other[k];
    CHECK_NEAR((double)equal, N / 2, 4 * sqrt(N) / 2);
  }
  /* a row is the same, alone or in company */
  for (size_t r = 0; r < 8; r++) {
    run(&n, 100 + r, 1);
    CHECK(!memcmp(first + r * WIDTH, n.a->v, WIDTH * sizeof *first));
  }
  close_net(&n);
}

static void off_in_evaluation(void **state)
{
  (void)state;
  net n;
  open_net(&n, 0.5);
  n.draws.training = false;
  run(&n, 0, ROWS);
  for (size_t i = 0; i < ROWS * WIDTH; i++) CHECK(n.a->v[i] == 1);
  close_net(&n);
}

/* A NaN reaches the loss also where it is left out. */
static void nan_stays(void **state)
{
  (void)state;
  net n;
  open_net(&n, 0.5);
  run(&n, 0, 1);
  for (size_t i = 0; i < WIDTH; i++) n.x->v[i] = NAN;
  CHECK_OK(gb_graph_run(n.g, NULL, NULL, 1, 1));
  for (size_t i = 0; i < WIDTH; i++) CHECK(isnan(n.a->v[i]));
  close_net(&n);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(rates), TEST(keys), TEST(off_in_evaluation), TEST(nan_stays)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
