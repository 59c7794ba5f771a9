/* tests/unit/test_optim.c - Adam and AdamW against ten lines of scalar double, schedules at their corners, clipping,
 * averages. */
#include "learn/optim.h"

#include "base/rng.h"
#include "check.h"

enum { N = 37, STEPS = 100 }; /* not a multiple of a vector: the rest of the loop counts too */

static const gb_optim_opts plain = {
    .optimizer = "adam", .schedule = "constant", .learning_rate = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};

typedef struct weight {
  double w, m, v, size; /* size: the first moment of |gradient| */
} weight;

/* arXiv:1412.6980, algorithm 1, with L2 in the gradient; arXiv:1711.05101, algorithm 2, lines 6 to 12. */
static void reference(const gb_optim_opts *o, double rate, double scale, int t, double g, weight *x)
{
  bool decoupled = !strcmp(o->optimizer, "adamw");
  double before = x->w;
  g = scale * g + (decoupled ? 0 : o->weight_decay * before);
  x->m = o->beta1 * x->m + (1 - o->beta1) * g;
  x->size = o->beta1 * x->size + (1 - o->beta1) * fabs(g);
  x->v = o->beta2 * x->v + (1 - o->beta2) * g * g;
  double m_hat = x->m / (1 - pow(o->beta1, t)), v_hat = x->v / (1 - pow(o->beta2, t));
  x->w = before - rate * m_hat / (sqrt(v_hat) + o->epsilon);
  if (decoupled) x->w -= rate * o->weight_decay * before;
}

/* Gradients of very different size, some of them 0 for a while, so that epsilon and the bias corrections matter. */
static double gradient(int t, size_t i)
{
  gb_real g;
  gb_rng_normal(gb_rng_key(3, GB_RNG_TEST, i, (uint64_t)t), 1, &g);
  return i % 5 == 4 && t < 20 ? 0 : (double)g * pow(10, (double)(i % 7) - 5) + (i % 3 ? 0 : 1e-3);
}

/* What is rounded to float: a weight of size 1 each step (6e-8), and 1 - beta2, whose relative error of 1.3e-5 enters
 * each update, of at most a few rates, by half: 100 steps of 1e-2 make 1e-5 in all. A wrong exponent in a bias
 * correction, a decay of the wrong kind or a missing epsilon make 1e-3 and more. */
static void agrees_with_the_papers(void **state)
{
  (void)state;
  static const struct {
    const char *optimizer;
    double decay, epsilon, beta1, scale;
  } c[] = {{"adam", 0, 1e-8, 0.9, 1},   {"adam", 0.05, 1e-8, 0.9, 1}, {"adamw", 0.05, 1e-8, 0.9, 1},
           {"adamw", 0, 1e-3, 0.5, 1},  {"adam", 0.3, 0.1, 0, 0.25},  {"adamw", 0.3, 0.1, 0, 0.25},
           {"adam", 0, 1e-30, 0.99, 1}, {"adamw", 10, 1e-8, 0.999, 1}};
  for (size_t k = 0; k < sizeof c / sizeof *c; k++) {
    gb_optim_opts o = plain;
    gb_real w[N], m[N] = {0}, v[N] = {0}, g[N];
    weight x[N];
    o.optimizer = c[k].optimizer;
    o.weight_decay = c[k].decay;
    o.epsilon = c[k].epsilon;
    o.beta1 = c[k].beta1;
    for (size_t i = 0; i < N; i++) {
      w[i] = (gb_real)sin(1 + 3.3 * (double)i);
      x[i] = (weight){.w = (double)w[i]};
    }
    for (int t = 1; t <= STEPS; t++) {
      double rate = 1e-2 / (1 + 0.1 * t); /* given from outside: it may change */
      for (size_t i = 0; i < N; i++) {
        g[i] = (gb_real)gradient(t, i);
        reference(&o, rate, c[k].scale, t, (double)g[i], &x[i]);
      }
      gb_optim_step(&o, rate, c[k].scale, (uint64_t)t - 1, N, g, m, v, w);
      for (size_t i = 0; i < N; i++) {
        CHECK_NEAR((double)w[i], x[i].w, 2e-5);
        CHECK_NEAR((double)m[i], x[i].m, 3e-5 * x[i].size + 2e-5 * c[k].decay);
        CHECK_NEAR((double)v[i], x[i].v, 1e-4 * x[i].v + 1e-30);
      }
    }
  }
}

/* The first update of Adam has the size of the rate, whatever the gradient (arXiv:1412.6980, section 2.1). */
static void first_step_is_the_rate(void **state)
{
  (void)state;
  for (double size = 1e-6; size < 1e7; size *= 10) {
    gb_real w = 0, m = 0, v = 0, g = (gb_real)size;
    gb_optim_step(&plain, 0.125, 1, 0, 1, &g, &m, &v, &w);
    CHECK_NEAR((double)w, -0.125, 0.125 * (1e-5 + 1e-8 / size));
  }
}

/* Padding between tensors has no gradient and stays 0; a gradient of 0 divides nothing by 0. */
static void zero_stays_zero(void **state)
{
  (void)state;
  gb_real w[16] = {0}, m[16] = {0}, v[16] = {0}, g[16] = {0};
  for (uint64_t t = 0; t < 5; t++) gb_optim_step(&plain, 0.1, 1, t, 16, g, m, v, w);
  for (size_t i = 0; i < 16; i++) assert_true(w[i] == 0 && m[i] == 0 && v[i] == 0);
}

static void schedules(void **state)
{
  (void)state;
  gb_optim_opts o = plain;
  o.learning_rate = 0.5;
  for (uint64_t s = 0; s < 200; s += 7) assert_true(gb_optim_rate(&o, s, 100) == 0.5);
  o.warmup = 10;
  for (uint64_t s = 0; s < 10; s++) CHECK_NEAR(gb_optim_rate(&o, s, 100), 0.05 * (double)(s + 1), 1e-16);
  assert_true(gb_optim_rate(&o, 0, 100) > 0); /* the first step is not lost */
  assert_true(gb_optim_rate(&o, 9, 100) == 0.5 && gb_optim_rate(&o, 10, 100) == 0.5);
  o.schedule = "cosine"; /* from 0.5 at step 10 to 0 at step 110 */
  CHECK_NEAR(gb_optim_rate(&o, 4, 110), 0.25, 1e-16);
  assert_true(gb_optim_rate(&o, 10, 110) == 0.5);
  CHECK_NEAR(gb_optim_rate(&o, 60, 110), 0.25, 1e-16);
  CHECK_NEAR(gb_optim_rate(&o, 35, 110), 0.25 * (1 + sqrt(0.5)), 1e-15);
  CHECK_NEAR(gb_optim_rate(&o, 85, 110), 0.25 * (1 - sqrt(0.5)), 1e-15);
  assert_true(gb_optim_rate(&o, 109, 110) > 0 && gb_optim_rate(&o, 109, 110) < 1.3e-4);
  assert_true(gb_optim_rate(&o, 110, 110) == 0 && gb_optim_rate(&o, 5000, 110) == 0);
  for (uint64_t s = 10; s < 110; s++) assert_true(gb_optim_rate(&o, s + 1, 110) < gb_optim_rate(&o, s, 110));
  o.warmup = 0;
  assert_true(gb_optim_rate(&o, 0, 1) == 0.5); /* the only step */
  o.warmup = 50;                               /* longer than the training: it never gets past its warm-up */
  CHECK_NEAR(gb_optim_rate(&o, 29, 30), 0.3, 1e-16);
  assert_true(isfinite(gb_optim_rate(&o, 50, 50)) && isfinite(gb_optim_rate(&o, 60, 50)));
  o.learning_rate = 0;
  assert_true(gb_optim_rate(&o, 3, 30) == 0);
}

/* Down by a factor at every interval after the warm-up. */
static void step_schedule(void **state)
{
  (void)state;
  gb_optim_opts o = plain;
  o.learning_rate = 0.5;
  o.schedule = "step";
  o.warmup = 10;
  o.step_every = 20;
  o.step_factor = 0.1;
  CHECK_NEAR(gb_optim_rate(&o, 4, 100), 0.25, 1e-16);
  assert_true(gb_optim_rate(&o, 10, 100) == 0.5 && gb_optim_rate(&o, 29, 100) == 0.5);
  CHECK_NEAR(gb_optim_rate(&o, 30, 100), 0.05, 1e-17);
  CHECK_NEAR(gb_optim_rate(&o, 49, 5), 0.05, 1e-17); /* whatever the length */
  CHECK_NEAR(gb_optim_rate(&o, 50, 100), 0.005, 1e-18);
}

static void clipping(void **state)
{
  (void)state;
  gb_optim_opts o = plain;
  assert_true(gb_optim_shortened(&o, 1e30) == 1);
  o.clip_norm = 2;
  assert_true(gb_optim_shortened(&o, 2) == 1 && gb_optim_shortened(&o, 8) == 0.25);
  o = plain;
  o.clip_value = 0.75; /* as if the gradient had been limited before */
  gb_real w[2][N] = {0}, m[2][N] = {0}, v[2][N] = {0}, g[2][N];
  for (uint64_t t = 0; t < 5; t++) {
    for (size_t i = 0; i < N; i++) {
      g[0][i] = (gb_real)(2 * sin(3.7 * (double)(i + t)));
      g[1][i] = (gb_real)fmax(-0.75, fmin(0.75, (double)g[0][i]));
    }
    gb_optim_step(&o, 0.1, 1, t, N, g[0], m[0], v[0], w[0]);
    gb_optim_step(&plain, 0.1, 1, t, N, g[1], m[1], v[1], w[1]);
  }
  assert_memory_equal(w[0], w[1], sizeof w[0]);
  assert_memory_equal(v[0], v[1], sizeof v[0]);
  assert_true(w[0][3] != 0);
}

static void schema_refuses_two_kinds_of_clipping(void **state)
{
  (void)state;
  gb_optim_opts o = plain;
  o.clip_norm = o.clip_value = 1;
  assert_int_equal(gb_optim_schema.check(&o), GB_ERR_CONFIG);
  gb_err_clear();
  o.clip_norm = 0;
  assert_int_equal(gb_optim_schema.check(&o), GB_OK);
}

/* Statistics, multipliers and averages in double. */
static void followers(void **state)
{
  (void)state;
  gb_optim_opts o = plain;
  o.ema = 0.99;
  gb_real w[N], average[N], value[N], grown[N];
  double x[N], y[N], z[N];
  for (size_t i = 0; i < N; i++)
    x[i] = y[i] = z[i] = (double)(grown[i] = w[i] = average[i] = (gb_real)cos(2.1 * (double)i));
  for (int t = 0; t < 2000; t++) {
    double decay = fmin(0.99, (1.0 + t) / (10.0 + t));
    for (size_t i = 0; i < N; i++) {
      value[i] = (gb_real)(2 + sin(0.3 * t + (double)i));
      x[i] = 0.9 * x[i] + 0.1 * (double)value[i];
      y[i] = decay * y[i] + (1 - decay) * x[i];
      z[i] += 3e-4 * (double)value[i];
    }
    gb_optim_follow(N, value, w);
    gb_optim_grow(3e-4, N, value, grown);
    gb_optim_average(&o, (uint64_t)t, N, w, average);
    for (size_t i = 0; i < N; i++) {
      CHECK_NEAR((double)w[i], x[i], 3e-6);
      CHECK_NEAR((double)average[i], y[i], 3e-5);
      CHECK_NEAR((double)grown[i], z[i], 1e-4);
    }
  }
  CHECK_NEAR((double)average[0], 2, 0.05); /* the start is forgotten */
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(agrees_with_the_papers),
                                     TEST(first_step_is_the_rate),
                                     TEST(zero_stays_zero),
                                     TEST(schedules),
                                     TEST(step_schedule),
                                     TEST(clipping),
                                     TEST(schema_refuses_two_kinds_of_clipping),
                                     TEST(followers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
