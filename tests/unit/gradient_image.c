/* tests/unit/gradient_image.c - layers for images, in double: windows with explicit padding, pooling and interpolation,
 * their values against loops over the definition, their gradients against differences. */
#include "ad/image.h"

#include "gradient_bench.h"

static double at(const gb_node *x, size_t row, int64_t i, int64_t j, size_t c)
{
  gb_shape s = x->shape;
  if (i < 0 || j < 0 || i >= (int64_t)s.h || j >= (int64_t)s.w) return 0;
  return x->v[row * x->width + ((size_t)i * s.w + (size_t)j) * s.c + c];
}

/* Sum over the window of large pixels around (or, of the transpose, over the windows that reach) one output number. */
static double by_definition(const gb_node *y, gb_window w, bool transposed, size_t row, size_t i, size_t j, size_t c)
{
  const gb_node *x = y->in[0];
  int64_t s = (int64_t)w.stride, p = (int64_t)w.pad, K = (int64_t)w.kernel;
  size_t c_in = x->shape.c, c_out = y->shape.c;
  double sum = y->n_in > 2 ? y->in[2]->v[c] : 0;
  for (int64_t k = 0; k < K * K; k++)
    for (size_t f = 0; f < c_in; f++) {
      const double *weight = y->in[1]->v + (size_t)k * c_in * c_out;
      int64_t a = (int64_t)i + p - k / K, b = (int64_t)j + p - k % K;
      if (!transposed)
        sum += weight[f * c_out + c] * at(x, row, (int64_t)i * s - p + k / K, (int64_t)j * s - p + k % K, f);
      else if (a % s == 0 && b % s == 0)
        sum += weight[c * c_in + f] * at(x, row, a / s, b / s, f);
    }
  return sum;
}

static void check_window(const bench *b, const gb_node *y, gb_window w, bool transposed)
{
  gb_shape s = y->shape;
  for (size_t r = 0; r < b->rows; r++)
    for (size_t i = 0; i < s.h; i++)
      for (size_t j = 0; j < s.w; j++)
        for (size_t c = 0; c < s.c; c++)
          CHECK_NEAR(at(y, r, (int64_t)i, (int64_t)j, c), by_definition(y, w, transposed, r, i, j, c), 1e-13);
}

static gb_node *window_layer(bench *b, gb_node *x, gb_window w, bool transposed, size_t channels, bool bias)
{
  size_t K = w.kernel, c = x->shape.c;
  gb_node *o = bias ? weights(b, "b", 1, &channels, 1) : NULL;
  return transposed ? gb_deconv(b->g, x, weights(b, "w", 4, (size_t[]){K, K, channels, c}, 1), o, w, channels, GB_NONE)
                    : gb_conv(b->g, x, weights(b, "w", 4, (size_t[]){K, K, c, channels}, 1), o, w, channels, GB_NONE);
}

/* From and to few channels and more, which different kernels compute. */
static const size_t channels[][2] = {{2, 3}, {5, 2}, {2, 5}, {5, 6}};

static void padded_windows(void **state)
{
  (void)state;
  static const struct {
    size_t kernel, stride, pad;
    bool transposed;
    size_t h, w, h_out, w_out;
  } c[] = {{3, 1, 0, false, 7, 6, 5, 4}, {4, 1, 0, false, 5, 9, 2, 6}, {2, 1, 3, false, 4, 3, 9, 8},
           {5, 1, 2, false, 4, 8, 4, 8}, {3, 1, 1, false, 8, 9, 8, 9}, {5, 2, 1, false, 9, 8, 4, 3},
           {2, 3, 0, false, 7, 8, 2, 3}, {3, 2, 1, false, 8, 7, 4, 4}, {4, 1, 0, true, 1, 1, 4, 4},
           {4, 2, 1, true, 3, 4, 6, 8},  {5, 2, 1, true, 3, 4, 7, 9},  {5, 2, 0, true, 3, 2, 9, 7},
           {1, 3, 0, true, 3, 2, 7, 4},  {3, 1, 2, true, 4, 5, 2, 3},  {4, 1, 6, false, 2, 1, 11, 10},
           {1, 1, 0, false, 2, 2, 2, 2}, {4, 3, 0, false, 4, 4, 1, 1}};
  for (size_t i = 0; i < sizeof c / sizeof *c; i++)
    for (size_t k = 0; k < 4; k++) {
      gb_window w = {.kernel = c[i].kernel, .stride = c[i].stride, .padded = true, .pad = c[i].pad};
      bench b;
      begin(&b);
      gb_node *x = source(&b, "x", (gb_shape){c[i].h, c[i].w, channels[k][0]});
      gb_node *y = window_layer(&b, x, w, c[i].transposed, channels[k][1], k != 1);
      assert_int_equal(y->shape.h, c[i].h_out);
      assert_int_equal(y->shape.w, c[i].w_out);
      probe_node(&b, y);
      if (k == 2) probe_node(&b, x); /* the layer adds to a gradient that is there */
      start(&b);
      check_window(&b, y, w, c[i].transposed);
      compare(&b);
      end(&b);
    }
}

/* Where both can be said, they are the same numbers, bit by bit. */
static void padding_zero_is_a_pad(void **state)
{
  (void)state;
  for (size_t kernel = 1; kernel <= 5; kernel++)
    for (size_t stride = 1; stride <= 2; stride++)
      for (size_t k = 0; k < 4; k++) {
        gb_window w = {.kernel = kernel, .stride = stride, .zero = true};
        gb_window p = {.kernel = kernel, .stride = stride, .padded = true, .pad = (kernel - 1) / 2};
        if (gb_window_small(p, 8) * stride != 8) continue;
        bench b;
        begin(&b);
        gb_node *x = source(&b, "x", (gb_shape){8, 8, channels[k][0]});
        gb_node *y = window_layer(&b, x, w, false, channels[k][1], true);
        gb_node *w2 = weights(&b, "w2", 4, (size_t[]){kernel, kernel, channels[k][0], channels[k][1]}, 0);
        gb_node *z = gb_conv(b.g, x, w2, weights(&b, "b2", 1, &channels[k][1], 0), p, channels[k][1], GB_NONE);
        start(&b);
        for (int i = 1; i <= 2; i++) memcpy(z->in[i]->v, y->in[i]->v, z->in[i]->width * sizeof *z->in[i]->v);
        loss(&b);
        CHECK(y->width == z->width && !memcmp(y->v, z->v, b.rows * y->width * sizeof *y->v));
        end(&b);
      }
}

static void max_pools(void **state)
{
  (void)state;
  static const struct {
    gb_shape in;
    size_t size;
  } c[] = {{{4, 4, 3}, 2}, {{5, 7, 2}, 2}, {{7, 8, 1}, 3}, {{3, 2, 2}, 1}, {{2, 2, 17}, 2}, {{4, 3, 2}, 3}};
  for (size_t i = 0; i < 2 * sizeof c / sizeof *c; i++) {
    bench b;
    begin(&b);
    size_t s = c[i / 2].size;
    gb_node *x = source(&b, "x", c[i / 2].in), *y = gb_max_pool(b.g, x, s);
    CHECK(y->shape.h == x->shape.h / s && y->shape.w == x->shape.w / s && y->shape.c == x->shape.c);
    probe_node(&b, y);
    if (i % 2) probe_node(&b, x);
    start(&b);
    for (size_t k = 0; k < b.rows * y->width; k++) {
      size_t channel = k % y->shape.c, pixel = k % y->width / y->shape.c, row = k / y->width;
      size_t first_y = pixel / y->shape.w * s, first_x = pixel % y->shape.w * s;
      double most = -INFINITY;
      for (size_t t = 0; t < s * s; t++)
        most = fmax(most, at(x, row, (int64_t)(first_y + t / s), (int64_t)(first_x + t % s), channel));
      CHECK(y->v[k] == most);
    }
    compare(&b);
    end(&b);
  }
}

/* All numbers are equal (their weights 0): the gradient, which the biases show, goes to the first of each block. */
static void ties_go_to_the_first(void **state)
{
  (void)state;
  enum { SIDE = 5, N = SIDE * SIDE };
  bench b;
  double grad[256];
  begin(&b);
  gb_node *zeros = weights(&b, "w", 2, (size_t[]){1, N}, 0), *bias = weights(&b, "b", 1, (size_t[]){N}, 0);
  gb_node *x = gb_dense(b.g, data(&b, (gb_shape){1, 1, 1}), zeros, bias, (gb_shape){SIDE, SIDE, 1}, GB_NONE);
  gb_node *y = gb_max_pool(b.g, x, 2);
  probe_node(&b, y);
  start(&b);
  CHECK(gb_params_size(b.p) <= sizeof grad / sizeof *grad);
  CHECK_OK(gb_graph_backward(b.g, 1, b.term, term_weight, &(gb_gradient){.block = grad, .parts = 1}));
  for (size_t i = 0; i < N; i++) {
    size_t h = i / SIDE, w = i % SIDE, block = h / 2 * 2 + w / 2;
    double expected = 0;
    if (h % 2 == 0 && w % 2 == 0 && h < 4 && w < 4)
      for (size_t r = 0; r < b.rows; r++) expected += term_weight[0] * mark(block + 5 * r);
    CHECK_NEAR(grad[bias->first + i], expected, 1e-15);
  }
  end(&b);
}

/* A NaN anywhere in a block is what comes out of it, and of nothing else. */
static void nan_stays(void **state)
{
  (void)state;
  for (size_t k = 0; k < 4; k++) {
    bench b;
    begin(&b);
    gb_node *x = data(&b, (gb_shape){4, 4, 1}), *y = gb_max_pool(b.g, x, 2), *z = gb_upsample(b.g, x, 8, 8);
    start(&b);
    x->v[(2 + k / 2) * 4 + k % 2] = NAN;
    loss(&b);
    for (size_t i = 0; i < y->width; i++) CHECK(isnan(y->v[i]) == (i == 2));
    size_t lost = 0;
    for (size_t i = 0; i < z->width; i++) lost += isnan(z->v[i]) != 0;
    CHECK(lost > 0 && lost < z->width);
    end(&b);
  }
}

static void interpolations(void **state)
{
  (void)state;
  static const struct {
    gb_shape in;
    size_t h, w;
  } c[] = {{{4, 4, 3}, 8, 8}, {{3, 5, 2}, 6, 10}, {{1, 2, 2}, 2, 4}, {{2, 3, 1}, 1, 7},
           {{5, 4, 2}, 3, 2}, {{3, 3, 17}, 3, 3}, {{1, 1, 2}, 2, 3}};
  for (size_t i = 0; i < 2 * sizeof c / sizeof *c; i++) {
    bench b;
    begin(&b);
    gb_shape in = c[i / 2].in;
    gb_node *x = source(&b, "x", in), *y = gb_upsample(b.g, x, c[i / 2].h, c[i / 2].w);
    CHECK(y->shape.h == c[i / 2].h && y->shape.w == c[i / 2].w && y->shape.c == in.c);
    probe_node(&b, y);
    if (i % 2) probe_node(&b, x);
    start(&b);
    for (size_t k = 0; k < b.rows * y->width; k++) { /* every pixel of x by its tent */
      size_t channel = k % in.c, pixel = k % y->width / in.c, row = k / y->width;
      double sum = 0, h = y->shape.h == 1 ? 0 : (double)(pixel / y->shape.w * (in.h - 1)) / (double)(y->shape.h - 1);
      double w = y->shape.w == 1 ? 0 : (double)(pixel % y->shape.w * (in.w - 1)) / (double)(y->shape.w - 1);
      for (size_t p = 0; p < in.h * in.w; p++)
        sum += fmax(0, 1 - fabs(h - (double)(p / in.w))) * fmax(0, 1 - fabs(w - (double)(p % in.w))) *
               x->v[row * x->width + p * in.c + channel];
      CHECK_NEAR(y->v[k], sum, 1e-13);
    }
    compare(&b);
    end(&b);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(padded_windows), TEST(padding_zero_is_a_pad),
                                     TEST(max_pools),      TEST(ties_go_to_the_first),
                                     TEST(nan_stays),      TEST(interpolations)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
