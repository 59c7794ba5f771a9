/* tests/unit/gradient_blocks.c - norms, dropout, sums and whole residual blocks against differences,
 * in double. */
#include "ad/elementwise.h"
#include "ad/norm.h"
#include "gradient_bench.h"
#include "learn/network.h"

enum { ROWS = 20 }; /* at most 4 pieces: of few values that are near each other a norm is too curved for differences */

static gb_node *statistic(bench *b, const char *name, size_t n, double value)
{
  gb_param id;
  CHECK_OK(gb_params_add_statistic(b->p, name, n, value, &id));
  return gb_graph_param(b->g, id);
}

static gb_node *batch_norm(bench *b, gb_node *x, const gb_draws *draws, gb_activation a)
{
  size_t c[] = {x->shape.c};
  return gb_batch_norm(b->g, x, weights(b, "gamma", 1, c, 1), weights(b, "beta", 1, c, 1),
                       statistic(b, "mean", *c, 0.3), statistic(b, "variance", *c, 1.7), draws, a);
}

/* Of two nodes, of a node and data, and of a node with itself. */
static void sums(void **state)
{
  (void)state;
  for (int i = 0; i < 6; i++) {
    bench b;
    begin(&b);
    gb_activation a = i < 3 ? GB_NONE : i == 3 ? GB_GELU : GB_TANH;
    gb_shape shape = {2, 2, 3};
    gb_node *x = source(&b, "x", shape), *y = i % 3 == 0 ? source(&b, "y", shape) : i % 3 == 1 ? data(&b, shape) : x;
    gb_node *z = gb_add(b.g, x, y, a);
    probe_node(&b, z);
    start(&b);
    for (size_t k = 0; k < b.rows * z->width; k++) {
      gb_real sum = x->v[k] + y->v[k];
      gb_activate((int)a, 1, &sum);
      CHECK(z->v[k] == sum);
    }
    compare(&b);
    end(&b);
  }
}

static const gb_shape shapes[] = {
    {1, 1, 3}, {2, 2, 2}, {1, 1, 67}}; /* the last: more channels than are summed at once */

/* Every piece has its own statistics; out of training there are no pieces. */
static void batch_norms(void **state)
{
  (void)state;
  for (size_t s = 0; s < 3; s++)
    for (size_t parts = 1; parts <= 4; parts *= 2)
      for (int training = 0; training < 2; training++) {
        gb_draws draws = {.training = training};
        bench b;
        begin_rows(&b, ROWS, parts);
        gb_node *x = source(&b, "x", shapes[s]);
        probe_node(&b, batch_norm(&b, x, &draws, s == 0 ? GB_TANH : s == 1 ? GB_GELU : GB_NONE));
        probe_node(&b, x); /* the norm adds to a gradient that is there */
        finish(&b);
      }
}

static void layer_norms(void **state)
{
  (void)state;
  static const gb_shape of[] = {{1, 1, 5}, {2, 2, 3}, {1, 1, 19}, {1, 2, 8}};
  for (size_t s = 0; s < 4; s++) {
    bench b;
    begin(&b);
    size_t c[] = {of[s].c};
    gb_node *x = source(&b, "x", of[s]);
    probe_node(&b, gb_layer_norm(b.g, x, weights(&b, "gamma", 1, c, 1), weights(&b, "beta", 1, c, 1),
                                 s == 0   ? GB_GELU
                                 : s == 1 ? GB_SOFTPLUS
                                          : GB_NONE));
    probe_node(&b, x);
    finish(&b);
  }
}

static void dropouts(void **state)
{
  (void)state;
  for (int training = 0; training < 2; training++) {
    gb_draws draws = {3, 4, 5, training};
    bench b;
    begin(&b);
    gb_node *x = source(&b, "x", (gb_shape){2, 2, 3});
    probe_node(&b, gb_dropout(b.g, x, 0.4, "a", &draws));
    probe_node(&b, x);
    finish(&b);
  }
}

/* Whole lists: blocks with and without projections of each kind, blocks within blocks, norms inside. Smooth activations
 * only: among hundreds of units one is always within a step of a kink. */
static void lists(void **state)
{
  (void)state;
  static const struct {
    gb_shape in;
    size_t n;
    const char *layer[8];
  } c[] = {
      {{4, 4, 2}, 5, {"skip", "conv 2", "dropout 0.3", "conv 2 none", "add tanh"}},
      {{4, 4, 2},
       7,
       {"conv 3", "skip", "conv 3 none", "batchnorm gelu", "conv 4 padding zero stride 2 none", "layernorm", "add"}},
      {{2, 2, 3}, 4, {"skip", "deconv 2 kernel 4 stride 2", "batchnorm", "add softplus"}},
      {{1, 1, 4}, 8, {"skip", "dense 5", "skip", "dense 5", "layernorm tanh", "add", "dense 3", "add"}},
      {{2, 2, 2}, 5, {"batchnorm", "skip", "dense 6", "add", "dense 2"}},
      {{1, 1, 3}, 3, {"skip", "grid 2 2 2", "add"}},
      {{4, 4, 2}, 3, {"conv 2 p4", "conv 3 p4 stride 2", "conv 2 p4 kernel 1 none"}},
      {{4, 4, 2},
       8,
       {"skip", "conv 2 p4 stride 2", "batchnorm", "add", "skip", "conv 3 p4 kernel 1", "add gelu", "mean"}},
      {{6, 6, 1}, 3, {"conv 2 p4 stride 3 kernel 5", "conv 2 p4 stride 2 kernel 1", "dense 3"}},
      {{3, 5, 2}, 2, {"conv 3", "mean"}},
  };
  for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
    gb_draws draws = {3, 4, 5, true};
    gb_text table = {0};
    bench b;
    begin_rows(&b, ROWS, 2);
    gb_style style = {&draws, "tanh", GB_INIT_GAIN, &table};
    probe_node(&b, gb_network_build(b.g, &style, "e", NULL, (gb_texts){c[i].n, c[i].layer}, source(&b, "x", c[i].in)));
    finish(&b);
    gb_text_free(&table);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(sums), TEST(batch_norms), TEST(layer_norms), TEST(dropouts), TEST(lists)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
