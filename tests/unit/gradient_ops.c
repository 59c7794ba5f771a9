/* tests/unit/gradient_ops.c - every op's vjp against fourth-order differences of its forward, in double. */
#include "ad/latent.h"
#include "ad/layers.h"
#include "ad/rotor.h"
#include "check.h"
#include "config/config.h"
#include "linalg/von_mises.h"
#include "registry.h"
#include "sim/energy.h"

enum { ROWS = 3, SIDE = 4, MOST_TERMS = 2 };

/* A bench: the weights that feed the op under test, and the terms whose weighted sum is differentiated. */
typedef struct bench {
  gb_params *p;
  gb_graph *g;
  int n_terms;
  gb_node *term[MOST_TERMS];
  gb_node *data[4];
  int n_data;
  gb_node *near, *direction; /* vectors `near` are put near `direction`: the wrapped residual jumps at pi */
  gb_node *mu, *logvar;      /* NULL, or latents whose KL has a kink here */
  double kink;
} bench;

static const double term_weight[MOST_TERMS] = {0.7, -1.3};

/* term[r] = sum_i w_i y_i with fixed, irregular w: makes any row node a loss. */
static double mark(size_t i)
{
  return sin(1.0 + 2.7 * (double)i);
}

static gb_err probe_forward(gb_node *t)
{
  const gb_node *y = t->in[0];
  for (size_t r = 0; r < t->rows; r++) {
    t->term[r] = 0;
    for (size_t i = 0; i < y->width; i++) t->term[r] += mark(i + 5 * r) * y->v[r * y->width + i];
  }
  return GB_OK;
}

static gb_err probe_vjp(gb_node *t)
{
  gb_node *y = t->in[0];
  for (size_t r = 0; r < t->rows; r++)
    for (size_t i = 0; i < y->width; i++) y->g[r * y->width + i] += mark(i + 5 * r) * t->g[r];
  return GB_OK;
}

static const gb_op probe = {"probe", probe_forward, probe_vjp};

static gb_node *weights(bench *b, const char *name, int ndim, const size_t shape[], double bound)
{
  gb_param id;
  CHECK_OK(gb_params_add(b->p, name, ndim, shape, bound, &id));
  return gb_graph_param(b->g, id);
}

static gb_node *data(bench *b, gb_shape shape)
{
  return b->data[b->n_data++] = gb_graph_data(b->g, shape);
}

/* A row node that depends on weights: a dense layer of data. */
static gb_node *source(bench *b, const char *name, gb_shape shape)
{
  enum { IN = 3 };
  char w[32], o[32];
  size_t n = gb_shape_width(shape);
  snprintf(w, sizeof w, "%s.w", name);
  snprintf(o, sizeof o, "%s.b", name);
  return gb_dense(b->g, data(b, (gb_shape){1, 1, IN}), weights(b, w, 2, (size_t[]){IN, n}, 1),
                  weights(b, o, 1, (size_t[]){n}, 1), shape, GB_NONE);
}

static void begin(bench *b)
{
  *b = (bench){0};
  CHECK_OK(gb_params_create(&b->p));
  CHECK_OK(gb_graph_create(b->p, ROWS, &b->g));
}

static void probe_node(bench *b, gb_node *y)
{
  b->term[b->n_terms++] = gb_graph_term(b->g, &probe, NULL, 1, &y);
}

static double loss(bench *b)
{
  double sum = 0;
  CHECK_OK(gb_graph_run(b->g, NULL, NULL, ROWS, 1));
  for (int k = 0; k < b->n_terms; k++)
    for (size_t r = 0; r < ROWS; r++) sum += term_weight[k] * b->term[k]->term[r];
  return sum;
}

/* Latents are on both sides of the kink, and 0.01 away from it: a step of the differences moves a KL by less. */
static void check_kinks(const bench *b)
{
  size_t below = 0, n = ROWS * b->mu->width;
  for (size_t i = 0; i < n; i++) {
    double l = b->logvar->v[i], kl = (exp(l) + b->mu->v[i] * b->mu->v[i] - 1 - l) / 2;
    CHECK(fabs(kl - b->kink) > 0.01);
    below += kl < b->kink;
  }
  CHECK(below > 3 && below < n - 3);
}

/* Every weight: |gradient - difference| <= 1e-7 of the largest gradient (difference: error h^4 and 1e-16/h at h =
 * 1e-3). */
static void finish(bench *b)
{
  CHECK_OK(gb_params_freeze(b->p, 11));
  CHECK_OK(gb_graph_plan(b->g));
  size_t n = gb_params_size(b->p);
  double *value = gb_params_value(b->p), *grad = gb_alloc(n, sizeof *grad), largest = 0;
  for (int k = 0; k < b->n_data; k++)
    gb_rng_normal(gb_rng_key(5, GB_RNG_TEST, (uint64_t)k, 0), ROWS * b->data[k]->width, b->data[k]->v);
  loss(b);
  for (size_t i = 0; b->near && i < ROWS * b->near->width / 2; i++)
    sincos(atan2(b->direction->v[2 * i + 1], b->direction->v[2 * i]) + 1.5 * mark(i), &b->near->v[2 * i + 1],
           &b->near->v[2 * i]);
  loss(b);
  if (b->mu) check_kinks(b);
  CHECK_OK(gb_graph_backward(b->g, b->n_terms, b->term, term_weight, &(gb_gradient){.block = grad, .parts = 1}));
  for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(grad[i]));
  CHECK(largest > 1e-3);
  for (int t = 0; t < gb_params_n(b->p); t++)
    for (size_t i = gb_params_info(b->p, t)->first, end = i + gb_params_info(b->p, t)->count; i < end; i++) {
      static const double h = 1e-3;
      double kept = value[i], d = 0;
      static const struct {
        double at, c;
      } stencil[] = {{-2, 1.0 / 12}, {-1, -2.0 / 3}, {1, 2.0 / 3}, {2, -1.0 / 12}};
      for (int k = 0; k < 4; k++) {
        value[i] = kept + stencil[k].at * h;
        d += stencil[k].c * loss(b) / h;
      }
      value[i] = kept;
      CHECK_NEAR(grad[i], d, 1e-7 * largest);
    }
  gb_free(&grad);
  gb_graph_destroy(&b->g);
  gb_params_destroy(&b->p);
}

static void dense_layers(void **state)
{
  (void)state;
  for (int a = GB_NONE; a <= GB_SOFTPLUS; a++) {
    bench b;
    begin(&b);
    gb_node *h = source(&b, "in", (gb_shape){1, 1, 5});
    gb_node *y = gb_dense(b.g, h, weights(&b, "w", 2, (size_t[]){5, 4}, 1), weights(&b, "b", 1, (size_t[]){4}, 1),
                          (gb_shape){1, 1, 4}, (gb_activation)a);
    probe_node(&b, y);
    finish(&b);
  }
}

static void convolutions(void **state)
{
  (void)state;
  static const struct {
    gb_window w;
    gb_activation a;
  } c[] = {{{3, 1, false}, GB_NONE},     {{3, 2, false}, GB_TANH}, {{2, 2, false}, GB_NONE},
           {{4, 2, false}, GB_SOFTPLUS}, {{1, 1, false}, GB_NONE}, {{3, 1, true}, GB_GELU},
           {{3, 2, true}, GB_NONE},      {{4, 2, true}, GB_ELU},   {{1, 2, false}, GB_SOFTPLUS},
           {{4, 1, true}, GB_NONE}};
  for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
    bench b;
    begin(&b);
    size_t k = c[i].w.kernel;
    gb_node *x = source(&b, "in", (gb_shape){SIDE, SIDE, 2});
    gb_node *y = gb_conv(b.g, x, weights(&b, "w", 4, (size_t[]){k, k, 2, 3}, 1), weights(&b, "b", 1, (size_t[]){3}, 1),
                         c[i].w, 3, c[i].a);
    gb_node *z = gb_deconv(b.g, y, weights(&b, "v", 4, (size_t[]){k, k, 2, 3}, 1),
                           weights(&b, "d", 1, (size_t[]){2}, 1), c[i].w, 2, c[i].a);
    probe_node(&b, y);
    probe_node(&b, z);
    finish(&b);
  }
}

static void latent(void **state)
{
  (void)state;
  bench b;
  begin(&b);
  gb_shape m = {1, 1, 4};
  gb_node *mu = source(&b, "mu", m), *l = source(&b, "logvar", m);
  probe_node(&b, gb_latent_sample(b.g, mu, l, data(&b, m)));
  b.term[b.n_terms++] = gb_latent_kl(b.g, mu, l);
  finish(&b);
}

/* lambda amid the latents' KL: some are below it, some above, and none so near that a difference steps over the kink.
 */
static void free_bits(void **state)
{
  (void)state;
  static const double lambda = 0.31;
  bench b;
  begin(&b);
  gb_shape m = {1, 1, 7};
  gb_node *mu = source(&b, "mu", m), *l = source(&b, "logvar", m);
  b.term[b.n_terms++] = gb_latent_free_bits(b.g, mu, l, lambda);
  b.kink = lambda;
  b.mu = mu;
  b.logvar = l;
  finish(&b);
}

static gb_node *rotor(bench *b, bool vector, bool learned, gb_node **l)
{
  gb_node *raw = source(b, "raw", (gb_shape){SIDE, SIDE, (vector ? 2 : 1) + (learned ? 1 : 0)});
  *l = learned ? gb_rotor_spread(b->g, raw) : NULL;
  return vector ? gb_rotor_from_vector(b->g, raw) : gb_rotor_from_angle(b->g, raw);
}

/* Both noise models, both encodings, fixed and learned spread. */
static void likelihoods(void **state)
{
  (void)state;
  for (int i = 0; i < 8; i++) {
    bench b;
    begin(&b);
    gb_node *l, *u = rotor(&b, i & 1, i & 2, &l);
    b.direction = u;
    b.near = data(&b, (gb_shape){SIDE, SIDE, 2});
    b.term[b.n_terms++] = gb_rotor_nll(b.g, i & 4 ? GB_VON_MISES : GB_GAUSSIAN, b.near, u, l, -0.4);
    finish(&b);
  }
}

static void expected_fields(void **state)
{
  (void)state;
  for (int i = 0; i < 4; i++) {
    bench b;
    begin(&b);
    gb_node *l, *u = rotor(&b, true, i & 1, &l);
    probe_node(&b, gb_rotor_expected(b.g, i & 2 ? GB_VON_MISES : GB_GAUSSIAN, u, l, -0.4));
    finish(&b);
  }
}

/* Gaussian noise is a smooth function of the weights at fixed draws. (Von Mises draws are not: see the next test.) */
static void sampled_fields(void **state)
{
  (void)state;
  for (int i = 0; i < 2; i++) {
    bench b;
    gb_draws draws = {3, 4, 5, true};
    begin(&b);
    gb_node *l, *u = rotor(&b, true, i & 1, &l);
    probe_node(&b, gb_rotor_sample(b.g, GB_GAUSSIAN, u, l, -0.4, &draws));
    finish(&b);
  }
}

/* Distribution function of von Mises from -pi by Simpson's rule. */
static double von_mises_cdf(double kappa, double d)
{
  enum { N = 20000 };
  double h = (d + M_PI) / N, sum = 0, log_i0 = gb_von_mises_log_i0(kappa);
  for (int i = 0; i <= N; i++) sum += (i == 0 || i == N ? 1 : i % 2 ? 4 : 2) * exp(kappa * cos(-M_PI + i * h) - log_i0);
  return sum * h / 3 / (2 * M_PI);
}

/* move() keeps the distribution function constant: F(kappa + h, d + h move) = F(kappa, d). */
static void von_mises_move(void **state)
{
  (void)state;
  static const double kappa[] = {0.05, 0.7, 3, 11, 40, 200};
  for (size_t i = 0; i < sizeof kappa / sizeof *kappa; i++)
    for (double x = -3; x <= 3; x += 0.5) {
      double d = fmax(-3.1, fmin(3.1, x / sqrt(fmax(kappa[i], 0.9)))), h = 1e-3 * kappa[i];
      double density = exp(kappa[i] * cos(d) - gb_von_mises_log_i0(kappa[i])) / (2 * M_PI);
      double by_kappa = (von_mises_cdf(kappa[i] + h, d) - von_mises_cdf(kappa[i] - h, d)) / (2 * h);
      double move = gb_von_mises_move(kappa[i], d);
      CHECK_NEAR(move * density, -by_kappa, 1e-6 * density * (1 + fabs(move)) + 1e-9);
    }
}

/* The gradient that implicit reparameterisation gives in the mean over many draws is that of the exact expectation. */
static void von_mises_draws(void **state)
{
  (void)state;
  enum { N = 40000 };
  static const double kappa[] = {0.4, 2, 30, 4000};
  for (size_t i = 0; i < sizeof kappa / sizeof *kappa; i++) {
    double c = 0, c2 = 0, slope = 0, slope2 = 0;
    for (uint64_t k = 0; k < N; k++) {
      double d = gb_von_mises_draw(kappa[i], gb_rng_key(1, GB_RNG_TEST, k, i)),
             s = -sin(d) * gb_von_mises_move(kappa[i], d);
      c += cos(d) / N;
      c2 += cos(d) * cos(d) / N;
      slope += s / N;
      slope2 += s * s / N;
    }
    CHECK_NEAR(c, gb_von_mises_length(kappa[i]), 4 * sqrt((c2 - c * c) / N));
    CHECK_NEAR(slope, gb_von_mises_length_slope(kappa[i]), 4 * sqrt((slope2 - slope * slope) / N));
  }
}

static void von_mises_functions(void **state)
{
  (void)state;
  /* I0 and I1: Abramowitz and Stegun, table 9.8 (e^-x I0, e^-x I1 at 1, 5, 10, 20) */
  static const struct {
    double x, i0, i1;
  } table[] = {{1, 0.4657596077, 0.2079104154},
               {5, 0.1835408126, 0.1639722669},
               {10, 0.1278333372, 0.1212626814},
               {20, 0.0897803119, 0.0875062222}};
  for (size_t i = 0; i < 4; i++) {
    CHECK_NEAR(exp(gb_von_mises_log_i0(table[i].x) - table[i].x), table[i].i0, 2e-10);
    CHECK_NEAR(gb_von_mises_length(table[i].x), table[i].i1 / table[i].i0, 2e-9);
  }
  for (double x = 1e-5; x < 1e5; x *= 1.37) { /* derivatives, across the switches of method */
    double h = 1e-4 * x;
    CHECK_NEAR((gb_von_mises_log_i0(x + h) - gb_von_mises_log_i0(x - h)) / (2 * h), gb_von_mises_length(x),
               1e-7 + 1e-11 / h);
    CHECK_NEAR((gb_von_mises_length(x + h) - gb_von_mises_length(x - h)) / (2 * h) / gb_von_mises_length_slope(x), 1,
               1e-6 + 1e-15 / (h * gb_von_mises_length_slope(x)));
  }
}

static void energy_term(void **state)
{
  (void)state;
  char yaml[] = "xy: {L: 4, J: 1.3}";
  const gb_schema *const sections[] = {gb_physics_all[0]->schema, NULL};
  gb_config *cfg;
  gb_sim sim;
  bench b;
  CHECK_OK(gb_config_parse("test", yaml, strlen(yaml), 0, NULL, sections, &cfg));
  CHECK_OK(gb_sim_create(gb_physics_all[0], cfg, gb_comm_self(), &sim));
  begin(&b);
  gb_node *field = source(&b, "field", (gb_shape){SIDE, SIDE, 2});
  b.term[b.n_terms++] = gb_energy_term(b.g, &sim, field, data(&b, (gb_shape){SIDE, SIDE, 2}));
  finish(&b);
  gb_sim_destroy(&sim);
  gb_config_destroy(&cfg);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(dense_layers),    TEST(convolutions),        TEST(latent),         TEST(free_bits),
      TEST(likelihoods),     TEST(expected_fields),     TEST(sampled_fields), TEST(von_mises_move),
      TEST(von_mises_draws), TEST(von_mises_functions), TEST(energy_term),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
