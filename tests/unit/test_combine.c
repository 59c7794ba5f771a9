/* tests/unit/test_combine.c - ad/combine.h with float networks: where numbers go, what is not computed, and the same
 * bits of shared weights however rows are shared out over passes. */
#include "ad/combine.h"

#include "ad/elementwise.h"
#include "ad/latent.h"
#include "ad/layers.h"
#include "ad/norm.h"
#include "ad/rotor.h"
#include "check.h"

enum { ROWS = 8 };

typedef struct net {
  gb_params *p;
  gb_graph *g;
  gb_node *data[3];
  int n_data;
  gb_draws draws;
} net;

static void open_net(net *n)
{
  *n = (net){.draws = {.seed = 9, .step = 3, .training = true}};
  CHECK_OK(gb_params_create(&n->p));
  CHECK_OK(gb_graph_create(n->p, ROWS, &n->g));
}

static void ready(net *n)
{
  CHECK_OK(gb_params_freeze(n->p, 11));
  CHECK_OK(gb_graph_plan(n->g));
}

static void close_net(net *n)
{
  gb_graph_destroy(&n->g);
  gb_params_destroy(&n->p);
}

static gb_node *data(net *n, gb_shape shape)
{
  return n->data[n->n_data++] = gb_graph_data(n->g, shape);
}

static gb_node *weights(net *n, const char *name, size_t count)
{
  gb_param id;
  CHECK_OK(gb_params_add(n->p, name, 1, &count, 1, &id));
  return gb_graph_param(n->g, id);
}

static gb_node *dense(net *n, const char *name, gb_node *x, size_t width)
{
  char w[16], b[16];
  snprintf(w, sizeof w, "%s.w", name);
  snprintf(b, sizeof b, "%s.b", name);
  return gb_dense(n->g, x, weights(n, w, x->width * width), weights(n, b, width), (gb_shape){1, 1, width}, GB_TANH);
}

/* Rows of the data from `first` on. */
static void run(net *n, uint64_t first, size_t rows, size_t parts)
{
  for (int k = 0; k < n->n_data; k++)
    for (size_t r = 0; r < rows; r++)
      gb_rng_normal(gb_rng_key(5, GB_RNG_TEST, first + r, (uint64_t)k), n->data[k]->width,
                    n->data[k]->v + r * n->data[k]->width);
  n->draws.first_row = first;
  CHECK_OK(gb_graph_run(n->g, NULL, NULL, rows, parts));
}

static void backward(net *n, gb_node *term, double weight, gb_gradient out)
{
  CHECK_OK(gb_graph_backward(n->g, 1, &term, &weight, &out));
}

static void numbers_go_where_they_belong(void **state)
{
  (void)state;
  net n;
  open_net(&n);
  gb_node *a = data(&n, (gb_shape){2, 2, 3}), *b = data(&n, (gb_shape){2, 2, 3}), *c = data(&n, (gb_shape){2, 2, 1});
  gb_node *both = gb_stack(n.g, 2, (gb_node *[]){a, b}), *b_again = gb_pick(n.g, both, 1);
  gb_node *wide = gb_concat(n.g, 2, (gb_node *[]){c, b}), *flat = gb_reshape(n.g, wide, (gb_shape){1, 8, 2});
  gb_node *some = gb_slice(n.g, both, 5, (gb_shape){1, 2, 2}), *stopped = gb_stop(n.g, both);
  ready(&n);
  run(&n, 0, ROWS, 1);
  CHECK(both->copies == 2 && both->rows == 2 * ROWS && b_again->copies == 1 && b_again->rows == ROWS);
  CHECK(wide->shape.c == 4 && flat->shape.w == 8 && some->copies == 2 && stopped->copies == 2);
  for (size_t r = 0; r < ROWS; r++) {
    CHECK(!memcmp(both->v + 2 * r * 12, a->v + r * 12, 12 * sizeof(gb_real)));
    CHECK(!memcmp(both->v + (2 * r + 1) * 12, b->v + r * 12, 12 * sizeof(gb_real)));
    for (size_t k = 0; k < 2; k++)
      CHECK(!memcmp(some->v + (2 * r + k) * 4, (k ? b : a)->v + r * 12 + 5, 4 * sizeof(gb_real)));
    for (size_t i = 0; i < 4; i++) {
      CHECK(wide->v[(r * 4 + i) * 4] == c->v[r * 4 + i]);
      CHECK(!memcmp(wide->v + (r * 4 + i) * 4 + 1, b->v + (r * 4 + i) * 3, 3 * sizeof(gb_real)));
    }
  }
  CHECK(!memcmp(b_again->v, b->v, 12 * ROWS * sizeof(gb_real)));
  CHECK(!memcmp(flat->v, wide->v, 16 * ROWS * sizeof(gb_real)));
  CHECK(!memcmp(stopped->v, both->v, 24 * ROWS * sizeof(gb_real)));
  close_net(&n);
}

static void nothing_gives_nothing(void **state)
{
  (void)state;
  net n;
  open_net(&n);
  static const double limit[] = {0};
  gb_node *x = data(&n, (gb_shape){1, 1, 1}), *lacking[] = {x, NULL}, *there[] = {x, x};
  CHECK(!gb_stack(n.g, 2, lacking) && !gb_concat(n.g, 2, lacking) && !gb_pick(n.g, NULL, 0) && !gb_stop(n.g, NULL));
  CHECK(!gb_reshape(n.g, NULL, x->shape) && !gb_slice(n.g, NULL, 0, x->shape) && !gb_clamp(n.g, NULL, limit, limit));
  CHECK(!gb_squared_distance(n.g, 2, there, lacking, 1) && !gb_squared_distance(n.g, 2, lacking, there, 1));
  CHECK(!gb_multiplied_distance(n.g, x, x, 1, NULL) && !gb_latent_kl_to(n.g, x, NULL, limit, limit));
  close_net(&n);
}

static int looks;

static gb_err look_forward(gb_node *y)
{
  memcpy(y->v, y->in[0]->v, y->rows * y->width * sizeof *y->v);
  return GB_OK;
}

static gb_err look_vjp(gb_node *y)
{
  looks++;
  for (size_t i = 0; i < y->rows * y->width; i++) y->in[0]->g[i] += y->g[i];
  return GB_OK;
}

static const gb_op look = {"look", look_forward, look_vjp};

/* Below a stop no vjp is called, no gradient has memory, and weights get 0. */
static void stop_stops(void **state)
{
  (void)state;
  for (int stopped = 0; stopped < 2; stopped++) {
    net n;
    open_net(&n);
    gb_node *x = data(&n, (gb_shape){1, 1, 3}), *below = dense(&n, "below", x, 4), *above = dense(&n, "above", x, 4);
    gb_node *seen = gb_graph_apply(n.g, &look, NULL, below->shape, 1, &below);
    gb_node *end = stopped ? gb_stop(n.g, seen) : seen;
    gb_node *term = gb_squared_distance(n.g, 1, &end, &above, 1);
    ready(&n);
    gb_real *grad = gb_alloc(gb_params_size(n.p), sizeof *grad);
    for (size_t i = 0; i < gb_params_size(n.p); i++) grad[i] = 7;
    looks = 0;
    run(&n, 0, ROWS, 1);
    backward(&n, term, 1, (gb_gradient){.block = grad, .parts = 1});
    CHECK(looks == !stopped && (below->g == NULL) == stopped && (seen->g == NULL) == stopped);
    for (int t = 0; t < 4; t++) {
      const gb_param_info *info = gb_params_info(n.p, t);
      for (size_t i = info->first; i < info->first + info->count; i++) CHECK((grad[i] == 0) == (t < 2 && stopped));
    }
    gb_free(&grad);
    close_net(&n);
  }
}

/* A latent of which one half is stopped. */
static void stop_before_latents(void **state)
{
  (void)state;
  for (int half = 0; half < 2; half++) {
    net n;
    open_net(&n);
    gb_node *x = data(&n, (gb_shape){1, 1, 3}), *mu = dense(&n, "mu", x, 4), *l = dense(&n, "logvar", x, 4);
    gb_node *m = half ? mu : gb_stop(n.g, mu), *k = half ? gb_stop(n.g, l) : l;
    gb_node *z = gb_latent_sample(n.g, m, k, data(&n, (gb_shape){1, 1, 4}));
    gb_node *zero = data(&n, (gb_shape){1, 1, 4});
    gb_node *term[] = {gb_latent_kl(n.g, m, k), gb_latent_free_bits(n.g, m, k, 0.3),
                       gb_squared_distance(n.g, 1, &z, &zero, 1)};
    ready(&n);
    gb_real *grad = gb_alloc(gb_params_size(n.p), sizeof *grad);
    run(&n, 0, ROWS, 1);
    CHECK_OK(gb_graph_backward(n.g, 3, term, (double[]){1, 1, 1}, &(gb_gradient){.block = grad, .parts = 1}));
    for (int t = 0; t < 4; t++) CHECK((grad[gb_params_info(n.p, t)->first] == 0) == (t / 2 == half));
    gb_free(&grad);
    close_net(&n);
  }
}

/* Fields of rotors whose direction or spread is stopped. */
static void stop_before_rotors(void **state)
{
  (void)state;
  for (int half = 0; half < 2; half++) {
    net n;
    open_net(&n);
    gb_shape s = {2, 2, 1};
    gb_node *x = data(&n, (gb_shape){1, 1, 3}), *near = data(&n, (gb_shape){2, 2, 2});
    gb_node *turn = gb_reshape(n.g, dense(&n, "turn", x, 4), s), *raw = gb_reshape(n.g, dense(&n, "raw", x, 4), s);
    gb_node *u = gb_rotor_from_angle(n.g, half ? turn : gb_stop(n.g, turn));
    gb_node *l = gb_rotor_spread(n.g, half ? gb_stop(n.g, raw) : raw);
    gb_node *expected = gb_rotor_expected(n.g, GB_GAUSSIAN, u, l, 0);
    gb_node *drawn = gb_rotor_sample(n.g, GB_VON_MISES, u, l, 0, &n.draws);
    gb_node *term[] = {gb_rotor_nll(n.g, GB_VON_MISES, near, u, l, 0), gb_squared_distance(n.g, 1, &expected, &near, 1),
                       gb_squared_distance(n.g, 1, &drawn, &near, 1)};
    ready(&n);
    gb_real *grad = gb_alloc(gb_params_size(n.p), sizeof *grad);
    run(&n, 0, ROWS, 1);
    for (int k = 0; k < 3; k++) {
      backward(&n, term[k], 1, (gb_gradient){.block = grad, .parts = 1});
      for (int t = 0; t < 4; t++) CHECK((grad[gb_params_info(n.p, t)->first] == 0) == (t / 2 == half));
    }
    gb_free(&grad);
    close_net(&n);
  }
}

/* Three inputs through the same two layers, with dropout. */
typedef struct shared {
  net n;
  gb_node *y, *term;
} shared;

static void open_shared(shared *s)
{
  net *n = &s->n;
  open_net(n);
  gb_node *a = data(n, (gb_shape){1, 1, 19}), *b = data(n, (gb_shape){1, 1, 19}),
          *target = data(n, (gb_shape){1, 1, 5});
  gb_node *h = gb_stack(n->g, 3, (gb_node *[]){a, b, dense(n, "first", a, 19)});
  h = gb_dropout(n->g, dense(n, "hidden", h, 33), 0.3, "hidden", &n->draws);
  s->y = dense(n, "last", h, 5);
  gb_node *one = gb_pick(n->g, s->y, 0), *two = gb_pick(n->g, s->y, 1), *three = gb_pick(n->g, s->y, 2);
  s->term = gb_squared_distance(n->g, 2, (gb_node *[]){one, three}, (gb_node *[]){two, target}, 0.3);
  ready(n);
}

/* The bits of one pass with four pieces are those of four passes added in the tree, and those of passes of one row that
 * continue the sum of a piece. */
static void shared_weights_have_the_same_bits(void **state)
{
  (void)state;
  enum { PARTS = 4, PIECE = ROWS / PARTS, NUMBERS = 3 * 5 };
  shared s;
  open_shared(&s);
  size_t size = gb_params_size(s.n.p), differing = 0;
  gb_real *whole = gb_alloc(size, sizeof *whole), *part[PARTS], *y = gb_alloc(ROWS * NUMBERS, sizeof *y);
  double term[ROWS];
  run(&s.n, 40, ROWS, PARTS);
  backward(&s.n, s.term, 0.7, (gb_gradient){.block = whole, .parts = PARTS});
  memcpy(y, s.y->v, ROWS * NUMBERS * sizeof *y);
  memcpy(term, s.term->term, sizeof term);
  for (size_t step = 1; step <= PIECE; step++) { /* rows in a pass */
    for (size_t p = 0; p < PARTS; p++) {
      part[p] = gb_alloc(size, sizeof **part);
      for (size_t r = 0; r < PIECE; r += step) {
        run(&s.n, 40 + p * PIECE + r, step, 1);
        backward(&s.n, s.term, 0.7, (gb_gradient){.block = part[p], .parts = 1, .add = r > 0});
        CHECK(!memcmp(y + (p * PIECE + r) * NUMBERS, s.y->v, step * NUMBERS * sizeof *y));
        CHECK(!memcmp(term + p * PIECE + r, s.term->term, step * sizeof *term));
      }
    }
    for (size_t i = 0; i < size; i++) {
      gb_real sum = (part[0][i] + part[1][i]) + (part[2][i] + part[3][i]);
      CHECK(!memcmp(&whole[i], &sum, sizeof sum));
      differing += part[0][i] != part[1][i];
    }
    for (size_t p = 0; p < PARTS; p++) gb_free(&part[p]);
  }
  CHECK(differing > size);
  gb_free(&whole);
  gb_free(&y);
  close_net(&s.n);
}

/* Copies of a field are drawn apart, and each as it is in any other pass. */
static void copies_of_fields(void **state)
{
  (void)state;
  enum { NUMBERS = 2 * 3 * 3 * 2, ALONE = 5 };
  for (int noise = 0; noise < 2; noise++) {
    net n;
    gb_real all[ROWS * NUMBERS];
    open_net(&n);
    gb_node *turn = data(&n, (gb_shape){3, 3, 1}), *u = gb_rotor_from_angle(n.g, turn);
    gb_node *y = gb_rotor_sample(n.g, noise ? GB_VON_MISES : GB_GAUSSIAN, gb_stack(n.g, 2, (gb_node *[]){u, u}), NULL,
                                 -1, &n.draws);
    ready(&n);
    run(&n, 20, ROWS, 1);
    memcpy(all, y->v, sizeof all);
    for (size_t r = 0; r < 2 * ROWS; r++) /* the turns themselves come first in the op's memory */
      for (size_t q = 0; q < r; q++) CHECK(y->work[27 * r] != y->work[27 * q]);
    run(&n, 20 + ALONE, 1, 1);
    CHECK(!memcmp(all + ALONE * NUMBERS, y->v, NUMBERS * sizeof *all));
    close_net(&n);
  }
}

/* Equal copies are left out at different places. */
static void copies_draw_for_themselves(void **state)
{
  (void)state;
  enum { WIDTH = 400 };
  net n;
  open_net(&n);
  gb_node *x = data(&n, (gb_shape){1, 1, WIDTH}), *h = gb_stack(n.g, 2, (gb_node *[]){x, x});
  gb_node *y = gb_dropout(n.g, h, 0.5, "a", &n.draws);
  ready(&n);
  run(&n, 3, ROWS, 1);
  for (size_t r = 0; r + 1 < 2 * ROWS; r++) {
    size_t equal = 0;
    for (size_t i = 0; i < WIDTH; i++) equal += (y->v[r * WIDTH + i] == 0) == (y->v[(r + 1) * WIDTH + i] == 0);
    CHECK_NEAR((double)equal, WIDTH / 2, 5 * sqrt(WIDTH) / 2);
  }
  close_net(&n);
}

/* Statistics are over rows and copies, and what is written for them is a sum over rows, not over copies. */
static void batch_norm_sees_all_copies(void **state)
{
  (void)state;
  net n;
  gb_param id[2];
  open_net(&n);
  gb_node *a = data(&n, (gb_shape){1, 1, 1}), *b = data(&n, (gb_shape){1, 1, 1}), *zero = data(&n, (gb_shape){1, 1, 1});
  CHECK_OK(gb_params_add_statistic(n.p, "mean", 1, 0, &id[0]));
  CHECK_OK(gb_params_add_statistic(n.p, "variance", 1, 1, &id[1]));
  gb_node *y =
      gb_batch_norm(n.g, gb_stack(n.g, 2, (gb_node *[]){a, b}), weights(&n, "gamma", 1), weights(&n, "beta", 1),
                    gb_graph_param(n.g, id[0]), gb_graph_param(n.g, id[1]), &n.draws, GB_NONE);
  gb_node *first = gb_pick(n.g, y, 0), *term = gb_squared_distance(n.g, 1, &first, &zero, 1);
  ready(&n);
  gb_real *grad = gb_alloc(gb_params_size(n.p), sizeof *grad);
  double mean = 0, variance = 0;
  run(&n, 0, ROWS, 1);
  backward(&n, term, 1, (gb_gradient){.block = grad, .parts = 1});
  for (size_t r = 0; r < ROWS; r++) mean += (double)(a->v[r] + b->v[r]) / (2 * ROWS);
  for (size_t r = 0; r < ROWS; r++)
    variance += (pow((double)a->v[r] - mean, 2) + pow((double)b->v[r] - mean, 2)) / (2 * ROWS - 1);
  CHECK_NEAR((double)grad[gb_params_info(n.p, id[0])->first] / ROWS, mean, 1e-6);
  CHECK_NEAR((double)grad[gb_params_info(n.p, id[1])->first] / ROWS, variance, 1e-6);
  gb_free(&grad);
  close_net(&n);
}

static void clamp_limits(void **state)
{
  (void)state;
  static const double low[] = {-0.5, -INFINITY}, high[] = {0.25, 0};
  static const float in[] = {-0.6f, -1e30f, -0.5f, 0, 0, 1, 0.3f, NAN}, out[] = {-0.5f, -1e30f, -0.5f, 0, 0, 0, 0.25f};
  net n;
  open_net(&n);
  gb_node *x = data(&n, (gb_shape){2, 2, 2}), *y = gb_clamp(n.g, x, low, high);
  ready(&n);
  memcpy(x->v, in, sizeof in);
  CHECK_OK(gb_graph_run(n.g, NULL, NULL, 1, 1));
  CHECK(!memcmp(y->v, out, sizeof out - sizeof *out) && isnan(y->v[7]));
  close_net(&n);
}

/* 21 numbers: more than two vectors, and a rest. */
static void distance_formula(void **state)
{
  (void)state;
  net n;
  open_net(&n);
  gb_shape s = {1, 3, 7};
  gb_node *a = data(&n, s), *b = data(&n, s), *c = data(&n, s);
  gb_node *term = gb_squared_distance(n.g, 2, (gb_node *[]){a, c}, (gb_node *[]){b, a}, 0.6);
  ready(&n);
  run(&n, 0, ROWS, 1);
  for (size_t r = 0; r < ROWS; r++) {
    double sum = 0;
    for (size_t i = r * 21; i < (r + 1) * 21; i++)
      sum += pow((double)a->v[i] - (double)b->v[i], 2) + pow((double)c->v[i] - (double)a->v[i], 2);
    CHECK_NEAR(term->term[r] / (0.6 * sum), 1, 1e-14);
  }
  close_net(&n);
}

/* A multiplier is one number that is neither learned nor a statistic; the term has its value, its growth has not, nor
 * the weight of the term; without the term it does not grow. */
static void multipliers(void **state)
{
  (void)state;
  net n;
  gb_param id;
  gb_shape s = {1, 1, 3};
  double growth = 0;
  open_net(&n);
  gb_node *a = data(&n, s), *b = data(&n, s), *other;
  CHECK_OK(gb_params_add_multiplier(n.p, "lambda", 2.5, 0.01, &id));
  gb_node *term = gb_multiplied_distance(n.g, a, b, 1.0 / 3, gb_graph_param(n.g, id));
  other = dense(&n, "other", a, 3);
  other = gb_squared_distance(n.g, 1, &other, &b, 1);
  ready(&n);
  const gb_param_info *info = gb_params_info(n.p, id);
  CHECK(info->rule == GB_GROWS && info->rate == 0.01 && info->count == 1 && !gb_params_have_statistics(n.p));
  CHECK(gb_params_count(n.p) == 3 * 3 + 3 && gb_params_value(n.p)[info->first] == (gb_real)2.5);
  gb_real *grad = gb_alloc(gb_params_size(n.p), sizeof *grad);
  run(&n, 0, ROWS, 2);
  for (size_t r = 0; r < ROWS; r++) {
    double d = 0;
    for (size_t i = 3 * r; i < 3 * r + 3; i++) d += pow((double)a->v[i] - (double)b->v[i], 2) / 3;
    CHECK_NEAR(term->term[r] / (2.5 * d), 1, 1e-14);
    growth += d;
  }
  backward(&n, term, 0.125, (gb_gradient){.block = grad, .parts = 2});
  CHECK_NEAR((double)grad[info->first] / growth, 1, 1e-6);
  backward(&n, other, 1, (gb_gradient){.block = grad, .parts = 2});
  CHECK(grad[info->first] == 0);
  gb_free(&grad);
  close_net(&n);
}

/* Against the formula; that of the standard normal distribution is 1/2 (exp l + mu^2 - 1 - l) to the last bit. */
static void divergences(void **state)
{
  (void)state;
  static const double mean[] = {0.3, -2}, logvar[] = {-1.5, 0.8};
  net n;
  open_net(&n);
  gb_shape s = {1, 2, 2};
  gb_node *mu = data(&n, s), *l = data(&n, s);
  gb_node *any = gb_latent_kl_to(n.g, mu, l, mean, logvar), *plain = gb_latent_kl(n.g, mu, l);
  ready(&n);
  run(&n, 0, ROWS, 1);
  for (size_t r = 0; r < ROWS; r++) {
    double sum = 0, of_plain = 0;
    for (size_t i = 4 * r; i < 4 * r + 4; i++) {
      double m = (double)mu->v[i], k = (double)l->v[i], k0 = logvar[i % 2];
      sum += (exp(k - k0) - 1 + k0 - k + pow(m - mean[i % 2], 2) * exp(-k0)) / 2;
      of_plain += (double)plain->work[i] + m * m - 1 - k;
      CHECK_NEAR((double)plain->work[i] / exp(k), 1, 2e-7);
    }
    CHECK_NEAR(any->term[r], sum, 1e-5 * (1 + sum));
    CHECK(plain->term[r] == of_plain / 2);
  }
  close_net(&n);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(numbers_go_where_they_belong),
                                     TEST(nothing_gives_nothing),
                                     TEST(stop_stops),
                                     TEST(stop_before_latents),
                                     TEST(stop_before_rotors),
                                     TEST(shared_weights_have_the_same_bits),
                                     TEST(copies_draw_for_themselves),
                                     TEST(copies_of_fields),
                                     TEST(batch_norm_sees_all_copies),
                                     TEST(clamp_limits),
                                     TEST(distance_formula),
                                     TEST(multipliers),
                                     TEST(divergences)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
