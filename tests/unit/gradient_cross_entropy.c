/* tests/unit/gradient_cross_entropy.c - the loss of a classifier against differences and closed forms, in double. */
#include "ad/cross_entropy.h"

#include "gradient_bench.h"

enum { CLASSES = 3, ROWS = 4 };
static const gb_real labels[ROWS] = {2, 0, -1, 2};

static gb_node *begin_entropy(bench *b)
{
  begin_rows(b, ROWS, 2);
  gb_node *score = source(b, "score", (gb_shape){1, 1, CLASSES}), *label = data(b, (gb_shape){1, 1, 1});
  b->term[b->n_terms++] = gb_cross_entropy(b->g, score, label);
  start(b);
  memcpy(label->v, labels, sizeof labels);
  loss(b);
  return score;
}

static void gradients(void **state)
{
  (void)state;
  bench b;
  begin_entropy(&b);
  compare(&b);
  end(&b);
}

/* One label costs ln sum exp(s) - s, and none costs nothing. */
static void values(void **state)
{
  (void)state;
  bench b;
  gb_node *score = begin_entropy(&b);
  for (size_t r = 0; r < ROWS; r++) {
    double sum = 0;
    for (size_t k = 0; k < CLASSES; k++) sum += exp(score->v[r * CLASSES + k]);
    double right = labels[r] < 0 ? 0 : log(sum) - score->v[r * CLASSES + (size_t)labels[r]];
    CHECK_NEAR(b.term[0]->term[r], right, 1e-14);
  }
  CHECK(b.term[0]->term[0] > 0.1);
  end(&b);
}

/* Scores of which no exponential is a number. */
static void large_scores(void **state)
{
  static const gb_real scores[ROWS * CLASSES] = {5e4, -5e4, 4e4, 5e4, -5e4, 5e4, 1e300, 0, 0, -7e4, -7e4, -7e4};
  (void)state;
  gb_params *p;
  gb_graph *g;
  CHECK_OK(gb_params_create(&p));
  CHECK_OK(gb_graph_create(p, ROWS, &g));
  gb_node *score = gb_graph_data(g, (gb_shape){1, 1, CLASSES}), *label = gb_graph_data(g, (gb_shape){1, 1, 1});
  gb_node *y = gb_cross_entropy(g, score, label);
  CHECK_OK(gb_params_freeze(p, 1));
  CHECK_OK(gb_graph_plan(g));
  memcpy(score->v, scores, sizeof scores);
  memcpy(label->v, labels, sizeof labels);
  CHECK_OK(gb_graph_run(g, NULL, NULL, ROWS, 1));
  CHECK_NEAR(y->term[0], 1e4, 1e-9);
  CHECK_NEAR(y->term[1], log(2), 1e-9);
  CHECK_NEAR(y->term[2], 0, 0);
  CHECK_NEAR(y->term[3], log(3), 1e-9);
  gb_graph_destroy(&g);
  gb_params_destroy(&p);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(gradients), TEST(values), TEST(large_scores)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
