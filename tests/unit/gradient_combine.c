/* tests/unit/gradient_combine.c - ad/combine.h and the KL to any Gaussian against fourth-order differences, in double.
 */
#include "ad/combine.h"

#include "ad/elementwise.h"
#include "ad/latent.h"
#include "gradient_bench.h"

/* One layer for three nodes; a node twice, and one that has a use of its own besides. */
static void shared_weights(void **state)
{
  (void)state;
  for (int a = GB_NONE; a <= GB_SOFTPLUS; a++) {
    bench b;
    begin_rows(&b, 4, 2);
    gb_shape s = {1, 1, 5};
    gb_node *one = source(&b, "one", s), *two = source(&b, "two", s);
    gb_node *h = gb_stack(b.g, 3, (gb_node *[]){one, two, one});
    gb_node *y = gb_dense(b.g, h, weights(&b, "w", 2, (size_t[]){5, 4}, 1), weights(&b, "b", 1, (size_t[]){4}, 1),
                          (gb_shape){1, 1, 4}, (gb_activation)a);
    gb_node *first = gb_pick(b.g, y, 0), *second = gb_pick(b.g, y, 1);
    probe_node(&b, gb_add(b.g, first, second, GB_TANH));
    probe_node(&b, gb_concat(b.g, 3, (gb_node *[]){gb_pick(b.g, y, 2), second, two}));
    CHECK(y->copies == 3 && first->copies == 1);
    finish(&b);
  }
}

/* Images, with a window that crosses pixels. */
static void shared_windows(void **state)
{
  (void)state;
  bench b;
  begin_rows(&b, 2, 2);
  gb_shape s = {4, 4, 2};
  gb_node *h = gb_stack(b.g, 2, (gb_node *[]){source(&b, "one", s), source(&b, "two", s)});
  gb_window win = {.kernel = 3, .stride = 2};
  gb_node *y = gb_conv(b.g, h, weights(&b, "w", 4, (size_t[]){3, 3, 2, 3}, 1), weights(&b, "b", 1, (size_t[]){3}, 1),
                       win, 3, GB_GELU);
  gb_node *z = gb_deconv(b.g, y, weights(&b, "v", 4, (size_t[]){3, 3, 2, 3}, 1), weights(&b, "d", 1, (size_t[]){2}, 1),
                         win, 2, GB_NONE);
  probe_node(&b, gb_pick(b.g, z, 0));
  probe_node(&b, gb_pick(b.g, z, 1));
  finish(&b);
}

/* Shapes that change, of one copy and of several. */
static void parts_of_rows(void **state)
{
  (void)state;
  for (int copies = 1; copies <= 2; copies++) {
    bench b;
    begin(&b);
    gb_node *x = source(&b, "x", (gb_shape){2, 3, 2}), *y = source(&b, "y", (gb_shape){2, 3, 1});
    if (copies == 2) {
      x = gb_stack(b.g, 2, (gb_node *[]){x, source(&b, "x2", x->shape)});
      y = gb_stack(b.g, 2, (gb_node *[]){y, source(&b, "y2", y->shape)});
    }
    gb_node *both = gb_concat(b.g, 3, (gb_node *[]){x, y, x});
    gb_node *flat = gb_reshape(b.g, both, (gb_shape){1, 3, 10});
    gb_node *some = gb_slice(b.g, flat, 7, (gb_shape){2, 1, 4}), *more = gb_slice(b.g, flat, 12, (gb_shape){1, 1, 18});
    CHECK(some->copies == (size_t)copies && both->width == 30);
    probe_node(&b, copies == 2 ? gb_pick(b.g, some, 1) : some);
    probe_node(&b, copies == 2 ? gb_pick(b.g, more, 0) : more);
    finish(&b);
  }
}

/* Some numbers are outside, some inside, and none is so near a limit that a difference steps over it. */
static void clamps(void **state)
{
  (void)state;
  static const double low[] = {-0.5, -INFINITY, -0.2}, high[] = {0.7, 0.3, INFINITY};
  bench b;
  size_t outside = 0;
  begin(&b);
  gb_node *x = source(&b, "x", (gb_shape){1, 4, 3});
  probe_node(&b, gb_clamp(b.g, x, low, high));
  start(&b);
  for (size_t i = 0; i < b.rows * x->width; i++) {
    CHECK(fabs(x->v[i] - low[i % 3]) > 0.008 && fabs(x->v[i] - high[i % 3]) > 0.008);
    outside += x->v[i] < low[i % 3] || x->v[i] > high[i % 3];
  }
  CHECK(outside > 8 && outside < 28);
  compare(&b);
  end(&b);
}

static void scales(void **state)
{
  (void)state;
  static const double scale[] = {0.5, -2, 3};
  bench b;
  begin(&b);
  gb_node *x = source(&b, "x", (gb_shape){1, 4, 3}), *y = gb_scaled(b.g, x, scale);
  probe_node(&b, y);
  start(&b);
  for (size_t i = 0; i < b.rows * x->width; i++) CHECK(y->v[i] == scale[i % 3] * x->v[i]);
  compare(&b);
  end(&b);
}

/* Three weights for all six pixels, and for the whole. */
static void repeats(void **state)
{
  (void)state;
  for (size_t pixels = 1; pixels <= 6; pixels += 5) {
    bench b;
    begin_rows(&b, 4, 2);
    gb_node *w = weights(&b, "w", 1, (size_t[]){3}, 1), *y = gb_repeat(b.g, w, (gb_shape){pixels, 1, 3});
    probe_node(&b, y);
    start(&b);
    for (size_t i = 0; i < b.rows * y->width; i++) CHECK(y->v[i] == w->v[i % 3]);
    compare(&b);
    end(&b);
  }
}

/* Channels with weights of each sample, and a pedestal. */
static void mixtures(void **state)
{
  (void)state;
  bench b;
  begin(&b);
  gb_node *x = source(&b, "x", (gb_shape){2, 3, 3}), *w = source(&b, "w", (gb_shape){1, 1, 4});
  gb_node *y = gb_mix_channels(b.g, x, w);
  probe_node(&b, y);
  start(&b);
  for (size_t r = 0; r < b.rows; r++)
    for (size_t i = 0; i < 6; i++) {
      const gb_real *p = x->v + r * 18 + i * 3, *u = w->v + r * 4;
      double m = (p[0] + p[1] + p[2]) / 3, rest = (1 - u[0] - u[1] - u[2]) / 3; /* weights with the sum 1 */
      CHECK_NEAR(y->v[r * 6 + i], p[0] * u[0] + p[1] * u[1] + p[2] * u[2] + 3 * m * rest + u[3], 1e-13);
    }
  compare(&b);
  end(&b);
}

/* Channels with a gain of each sample. */
static void gains(void **state)
{
  (void)state;
  bench b;
  begin(&b);
  gb_node *x = source(&b, "x", (gb_shape){4, 1, 2}), *w = source(&b, "w", (gb_shape){1, 1, 2});
  gb_node *y = gb_amplify(b.g, x, w);
  probe_node(&b, y);
  start(&b);
  for (size_t r = 0; r < b.rows; r++)
    for (size_t i = 0; i < 8; i++) CHECK_NEAR(y->v[8 * r + i], exp(w->v[2 * r + i % 2]) * x->v[8 * r + i], 1e-13);
  compare(&b);
  end(&b);
}

static void distances(void **state)
{
  (void)state;
  bench b;
  begin_rows(&b, 4, 2);
  gb_shape s = {1, 2, 5}, t = {1, 1, 3};
  gb_node *x = source(&b, "x", s), *y = source(&b, "y", s), *z = source(&b, "z", t);
  b.term[b.n_terms++] =
      gb_squared_distance(b.g, 4, (gb_node *[]){x, z, y, x}, (gb_node *[]){y, data(&b, t), data(&b, s), x}, 0.37);
  finish(&b);
}

/* What is written for the multiplier is no gradient. */
static void multiplied_distance(void **state)
{
  (void)state;
  bench b;
  gb_param lambda;
  begin_rows(&b, 4, 2);
  gb_shape s = {1, 2, 5};
  gb_node *x = source(&b, "x", s), *y = source(&b, "y", s);
  CHECK_OK(gb_params_add_multiplier(b.p, "lambda", 1.7, 0.1, &lambda));
  b.term[b.n_terms++] = gb_multiplied_distance(b.g, x, y, 0.37, gb_graph_param(b.g, lambda));
  finish(&b);
}

static void any_gaussian(void **state)
{
  (void)state;
  static const double mean[] = {0.4, -1.1}, logvar[] = {-0.7, 1.3};
  bench b;
  begin(&b);
  gb_shape s = {1, 3, 2};
  b.term[b.n_terms++] = gb_latent_kl_to(b.g, source(&b, "mu", s), source(&b, "logvar", s), mean, logvar);
  finish(&b);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(shared_weights), TEST(shared_windows), TEST(parts_of_rows), TEST(clamps),    TEST(scales),
      TEST(repeats),        TEST(mixtures),       TEST(gains),         TEST(distances), TEST(multiplied_distance),
      TEST(any_gaussian)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
