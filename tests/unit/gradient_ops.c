/* tests/unit/gradient_ops.c - every op's vjp against fourth-order differences of its forward, in double. */
#include "ad/latent.h"
#include "ad/layers.h"
#include "ad/rotor.h"
#include "config/config.h"
#include "gradient_bench.h"
#include "linalg/von_mises.h"
#include "registry.h"
#include "sim/energy.h"

enum { SIDE = 4 };

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
  } c[] = {{{3, 1, false, false, 0}, GB_NONE},     {{3, 2, false, false, 0}, GB_TANH},
           {{2, 2, false, false, 0}, GB_NONE},     {{4, 2, false, false, 0}, GB_SOFTPLUS},
           {{1, 1, false, false, 0}, GB_NONE},     {{3, 1, true, false, 0}, GB_GELU},
           {{3, 2, true, false, 0}, GB_NONE},      {{4, 2, true, false, 0}, GB_ELU},
           {{1, 2, false, false, 0}, GB_SOFTPLUS}, {{4, 1, true, false, 0}, GB_NONE}};
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

/* To few channels, on lattices wide enough for the kernels that run along them. */
static void narrow_convolutions(void **state)
{
  (void)state;
  static const gb_window w[] = {
      {3, 1, false, false, 0}, {3, 2, false, false, 0}, {4, 2, true, false, 0}, {2, 1, true, false, 0}};
  enum { WIDE = 8 };
  for (size_t i = 0; i < sizeof w / sizeof *w; i++) {
    bench b;
    begin(&b);
    size_t k = w[i].kernel;
    gb_node *x = source(&b, "in", (gb_shape){WIDE, WIDE, 5});
    gb_node *y = gb_deconv(b.g, x, weights(&b, "v", 4, (size_t[]){k, k, 3, 5}, 1),
                           weights(&b, "d", 1, (size_t[]){3}, 1), w[i], 3, GB_TANH);
    gb_node *z = gb_conv(b.g, y, weights(&b, "w", 4, (size_t[]){k, k, 3, 2}, 1), weights(&b, "b", 1, (size_t[]){2}, 1),
                         w[i], 2, GB_NONE);
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
      TEST(dense_layers),   TEST(convolutions),    TEST(narrow_convolutions), TEST(latent),
      TEST(free_bits),      TEST(likelihoods),     TEST(expected_fields),     TEST(sampled_fields),
      TEST(von_mises_move), TEST(von_mises_draws), TEST(von_mises_functions), TEST(energy_term),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
