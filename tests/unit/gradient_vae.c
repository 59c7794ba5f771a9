/* tests/unit/gradient_vae.c - the whole VAE in double: its gradient against fourth-order differences of its loss, and
 * its three terms against what they stand for. */
#include "ad/latent.h"
#include "ad/layers.h"
#include "ad/rotor.h"
#include "check.h"
#include "config/config.h"
#include "learn/vae.h"
#include "linalg/von_mises.h"
#include "registry.h"
#include "stencil.h"

enum { L = 4, N = L * L, ROWS = 3, ROOM = 5 }; /* ROOM: rows of the graph, more than a pass uses */

typedef struct world {
  gb_config *cfg;
  gb_sim sim;
  const gb_schema *sections[2];
} world;

static void open_world(world *w)
{
  static const char yaml[] = "xy: {L: 4, J: 1.3}";
  *w = (world){.sections = {gb_physics_all[0]->schema}};
  CHECK_OK(gb_config_parse("test", yaml, strlen(yaml), 0, NULL, w->sections, &w->cfg));
  CHECK_OK(gb_sim_create(gb_physics_all[0], w->cfg, gb_comm_self(), &w->sim));
}

static void close_world(world *w)
{
  gb_sim_destroy(&w->sim);
  gb_config_destroy(&w->cfg);
}

/* Smooth activations only: ELU and rectifiers have a kink at 0, and among hundreds of units one is always within a step
 * of it. (gradient_ops.c checks each of them alone.) */
static const char *const dense_encoder[] = {"dense 6 tanh"}, *const dense_decoder[] = {"dense 7", "dense 9 tanh"};
static const char *const conv_encoder[] = {"conv 3 kernel 2 stride 2", "dense 5 tanh"};
static const char *const conv_decoder[] = {"grid 2 2 4 tanh", "deconv 3 kernel 4 stride 2"};

typedef struct bench {
  gb_vae *v;
  gb_model m;
  float x[ROWS * N];
  double weight[GB_VAE_TERMS];
} bench;

static double loss(bench *b)
{
  static const gb_pass pass = {.step = 5, .first_row = 7};
  double sum[GB_VAE_TERMS], all = 0;
  CHECK_OK(gb_model_sums(&b->m, ROWS, b->x, pass, sum));
  for (int k = 0; k < b->m.n_terms; k++) all += b->weight[k] * sum[k];
  return all;
}

/* Smallest distance of a residual from pi, where the wrapped Gaussian has its jump. */
static double margin(const bench *b)
{
  gb_vae_view w = gb_vae_look(b->v);
  double least = M_PI;
  for (size_t i = 0; i < ROWS * N; i++) {
    double d = (double)b->x[i] - w.turned[i / N] - atan2(w.direction[2 * i + 1], w.direction[2 * i]);
    least = fmin(least, M_PI - fabs(remainder(d, 2 * M_PI)));
  }
  return least;
}

/* Angles all around the circle, of which no residual is so near to pi that a difference could step over it. They are
 * found by trying: three of ten draws fail. */
static void choose_data(bench *b)
{
  static const double safe = 0.02;
  for (uint64_t seed = 0; seed < 1000; seed++) {
    for (size_t i = 0; i < ROWS * N; i++) {
      uint32_t w[4];
      gb_rng_block(gb_rng_key(seed, GB_RNG_TEST, i, 0), 0, w);
      b->x[i] = (float)(M_PI * (2 * gb_rng_unit(w[0]) - 1));
    }
    loss(b);
    if (margin(b) > safe) return;
  }
  fail_msg("no data");
}

/* Derivative of the loss along a direction in the space of the weights: error h^4 / 30 of the fifth derivative, which
 * is large where a decoded vector is short, and 1e-16 / h of the loss. */
static double difference(bench *b, size_t n, const double *kept, const double *direction)
{
  static const double h = 2e-4;
  double *value = gb_params_value(gb_vae_params(b->v)), d = 0;
  for (int k = 0; k < 4; k++) {
    for (size_t i = 0; i < n; i++) value[i] = kept[i] + stencil[k].at * h * direction[i];
    d += stencil[k].c * loss(b) / h;
  }
  memcpy(value, kept, n * sizeof *value);
  return d;
}

/* Every `stride`-th weight of every tensor, and random directions through all of them. */
static void compare(bench *b)
{
  enum { DIRECTIONS = 8, SINGLE = 250 };
  gb_params *p = gb_vae_params(b->v);
  size_t n = gb_params_size(p), stride = 1 + gb_params_count(p) / SINGLE, checked = 0;
  double *grad = gb_alloc(n, sizeof *grad), *kept = gb_alloc(n, sizeof *kept), *u = gb_alloc(n, sizeof *u);
  double largest = 0, square = 0;
  memcpy(kept, gb_params_value(p), n * sizeof *kept);
  loss(b);
  CHECK_OK(b->m.backward(b->m.self, b->weight, &(gb_gradient){.block = grad, .parts = 1}));
  for (size_t i = 0; i < n; i++) {
    largest = fmax(largest, fabs(grad[i]));
    square += grad[i] * grad[i];
  }
  CHECK(largest > 0.1);
  for (int t = 0; t < gb_params_n(p); t++) {
    const gb_param_info *info = gb_params_info(p, t);
    for (size_t i = info->first + (size_t)t % stride; i < info->first + info->count; i += stride, checked++) {
      u[i] = 1;
      CHECK_NEAR(grad[i], difference(b, n, kept, u), 1e-6 * largest);
      u[i] = 0;
    }
  }
  CHECK(checked > 120);
  for (uint64_t k = 0; k < DIRECTIONS; k++) {
    double length = 0, along = 0;
    gb_rng_normal(gb_rng_key(9, GB_RNG_TEST, k, 0), n, u);
    for (size_t i = 0; i < n; i++) length += u[i] * u[i];
    for (size_t i = 0; i < n; i++) along += grad[i] * (u[i] /= sqrt(length));
    CHECK_NEAR(along, difference(b, n, kept, u), 1e-6 * fmin(largest, sqrt(square)));
  }
  gb_free(&grad);
  gb_free(&kept);
  gb_free(&u);
}

static void check_objective(const world *w, const gb_vae_opts *opts, const gb_objective_opts *objective,
                            const double *weight)
{
  bench b = {.weight = {weight[0], weight[1], weight[2], weight[3]}};
  CHECK_OK(gb_vae_create(opts, objective, &w->sim, ROOM, 11, NULL, &b.v));
  b.m = gb_vae_model(b.v);
  choose_data(&b);
  compare(&b);
  gb_vae_destroy(&b.v);
}

static void check_model(const world *w, const gb_vae_opts *opts, const char *energy_mode, const double *weight)
{
  check_objective(
      w, opts, &(gb_objective_opts){.kind = "elbo", .beta = 1, .energy_weight = 1, .energy_mode = energy_mode}, weight);
}

/* All combinations but one. von Mises noise is drawn by rejection: with a learned spread the accepted draw jumps when a
 * weight moves, and where it does not jump it moves in another way than implicit reparameterisation says, which is
 * right in the mean only: noisy_energies_have_their_mean() below. With a fixed spread the draws do not depend on the
 * weights.
 */
static void all_models(void **state)
{
  (void)state;
  static const char *const modes[] = {"mean", "sample", "expected"};
  static const double weight[GB_VAE_TERMS] = {0.9, 1.7, 0.6};
  world w;
  open_world(&w);
  for (int i = 0; i < 32; i++)
    for (int mode = 0; mode < 3; mode++) {
      bool conv = i & 1, vector = i & 2, align = i & 4, von_mises = i & 8, learned = i & 16;
      if (von_mises && learned && mode == 1) continue;
      gb_vae_opts o = {.encoding = vector ? "cossin" : "angle",
                       .align = align,
                       .encoder = {conv ? 2 : 1, conv ? conv_encoder : dense_encoder},
                       .decoder = {2, conv ? conv_decoder : dense_decoder},
                       .activation = "softplus",
                       .latent = 2,
                       .likelihood = von_mises ? "von_mises" : "gaussian",
                       .spread = learned ? "learned" : "fixed",
                       .sigma = 0.6};
      check_model(&w, &o, modes[mode], weight);
    }
  close_world(&w);
}

/* One sigma for all, a weight: with every likelihood, energy and way to have samples. */
static void shared_spread(void **state)
{
  (void)state;
  static const double weight[GB_VAE_TERMS] = {0.9, 1.7, 0.6, 1.7};
  static const char *const modes[] = {"mean", "sample", "expected"}, *const kinds[] = {"elbo", "relbo-escort", "vr"};
  world w;
  open_world(&w);
  for (int i = 0; i < 12; i++)
    for (int k = 0; k < 3; k++) {
      bool vector = i & 1, von_mises = i & 2;
      if (von_mises && i / 4 == 1) continue; /* as above */
      gb_vae_opts o = {.encoding = vector ? "cossin" : "angle",
                       .encoder = {1, dense_encoder},
                       .decoder = {2, dense_decoder},
                       .activation = "softplus",
                       .latent = 2,
                       .likelihood = von_mises ? "von_mises" : "gaussian",
                       .spread = "shared",
                       .sigma = 0.6};
      gb_objective_opts objective = {
          .kind = kinds[k], .alpha = 0.6, .samples = 3, .beta = 1.7, .energy_weight = 1, .energy_mode = modes[i / 4]};
      check_objective(&w, &o, &objective, weight);
    }
  close_world(&w);
}

/* The energy term is skipped if its weight is 0, as in a plain VAE; weights of terms may be 0 during warm-up. */
static void terms_alone(void **state)
{
  (void)state;
  static const double weight[][GB_VAE_TERMS] = {{1, 1, 0}, {1, 0, 0}, {0, 0, 1}, {0, 1, 0}};
  gb_vae_opts o = {.encoding = "cossin",
                   .encoder = {2, conv_encoder},
                   .decoder = {2, dense_decoder},
                   .activation = "softplus",
                   .latent = 3,
                   .likelihood = "gaussian",
                   .spread = "learned"};
  world w;
  open_world(&w);
  for (size_t i = 0; i < sizeof weight / sizeof *weight; i++) check_model(&w, &o, "sample", weight[i]);
  close_world(&w);
}

/* Renyi objectives whose gradient is that of their value. */
static void renyi_objectives(void **state)
{
  (void)state;
  static const double weight[GB_VAE_TERMS] = {1, 1.7, 0.2, 1.7};
  static const struct {
    const char *kind;
    double alpha;
  } c[] = {{"relbo", 0.4}, {"vr", -0.5}, {"vr", 1.2}, {"iwae", 0.5}, {"relbo-escort", 0.6}, {"renyi-prior", 1.01}};
  world w;
  open_world(&w);
  for (size_t i = 0; i < sizeof c / sizeof *c; i++)
    for (int conv = 0; conv < 2; conv++) {
      gb_vae_opts o = {.encoding = "cossin",
                       .encoder = {conv ? 2 : 1, conv ? conv_encoder : dense_encoder},
                       .decoder = {2, conv ? conv_decoder : dense_decoder},
                       .activation = "softplus",
                       .latent = 2,
                       .likelihood = conv ? "von_mises" : "gaussian",
                       .spread = conv ? "fixed" : "learned",
                       .sigma = 0.6};
      gb_objective_opts objective = {.kind = c[i].kind,
                                     .gradient = "sampled",
                                     .alpha = c[i].alpha,
                                     .samples = 3,
                                     .beta = 1.7,
                                     .energy_weight = 1,
                                     .energy_mode = conv ? "sample" : "expected"};
      check_objective(&w, &o, &objective, weight);
    }
  close_world(&w);
}

static bool is_of_decoder(const gb_param_info *info)
{
  return !strncmp(info->name, "decoder", 7) || !strncmp(info->name, "output", 6) || !strncmp(info->name, "spread", 6);
}

/* With a posterior held fixed the decoder's gradient is that of the ELBO, to the bit; the encoder's is that of nll +
 * beta (kl + renyi), renyi being a function of mu and logvar whose derivatives are those of gb_renyi_gradient(). Of a
 * decoder that is nearly linear about a narrow q, -renyi is what many samples say. */
static void fixed_posterior(const char *spread)
{
  enum { M = 3, SAMPLES = 4000 };
  static const double weight[GB_VAE_TERMS] = {1, 1.3, 0, 1.3};
  static const char *const kinds[] = {"elbo", "relbo"};
  gb_vae_opts o = {.encoding = "cossin",
                   .encoder = {1, dense_encoder},
                   .decoder = {2, dense_decoder},
                   .activation = "softplus",
                   .latent = M,
                   .likelihood = "gaussian",
                   .spread = spread,
                   .sigma = 0.6};
  world w;
  open_world(&w);
  bench b[2];
  double *grad[2], delta[2] = {0};
  for (int k = 0; k < 2; k++) {
    gb_objective_opts objective = {
        .kind = kinds[k], .gradient = "stop", .alpha = 0.9, .samples = SAMPLES, .beta = 1.3, .energy_mode = "mean"};
    b[k] = (bench){.weight = {weight[0], weight[1], weight[2], weight[3]}};
    CHECK_OK(gb_vae_create(&o, &objective, &w.sim, ROOM, 11, NULL, &b[k].v));
    b[k].m = gb_vae_model(b[k].v);
    gb_params *p = gb_vae_params(b[k].v);
    for (int t = 0; t < gb_params_n(p); t++) { /* q with variances of 0.001 */
      const gb_param_info *info = gb_params_info(p, t);
      if (!strcmp(info->name, "logvar.bias"))
        for (size_t i = 0; i < info->count; i++) gb_params_value(p)[info->first + i] = -7;
    }
    if (k == 0)
      choose_data(&b[0]);
    else
      memcpy(b[k].x, b[0].x, sizeof b[0].x);
    loss(&b[k]);
    double note[GB_MOST_NOTES];
    for (size_t r = 0; k == 1 && r < ROWS; r++) {
      b[k].m.note_row(b[k].m.self, r, note);
      for (int i = 0; i < b[k].m.n_notes; i++) {
        if (!strcmp(b[k].m.note[i], "delta_linear")) delta[0] += note[i];
        if (!strcmp(b[k].m.note[i], "delta_sampled")) delta[1] += note[i];
        if (!strcmp(b[k].m.note[i], "outside")) CHECK(note[i] == 0);
        if (!strcmp(b[k].m.note[i], "least_w")) CHECK(note[i] > 0.9 - 1e-12 && note[i] < 10);
      }
    }
    grad[k] = gb_alloc(gb_params_size(p), sizeof *grad[k]);
    CHECK_OK(b[k].m.backward(b[k].m.self, b[k].weight, &(gb_gradient){.block = grad[k], .parts = 1}));
  }
  assert_string_equal(b[1].m.term[GB_VAE_RENYI], "renyi");
  gb_params *p = gb_vae_params(b[0].v);
  size_t decoder = 0, encoder = 0;
  for (int t = 0; t < gb_params_n(p); t++) {
    const gb_param_info *info = gb_params_info(p, t);
    bool of_decoder = is_of_decoder(info);
    for (size_t i = info->first; i < info->first + info->count; i++) {
      if (of_decoder) CHECK(grad[0][i] == grad[1][i]);
      decoder += of_decoder;
      encoder += !of_decoder && grad[0][i] != grad[1][i];
    }
  }
  CHECK(decoder > 50 && encoder > 50);
  CHECK(delta[0] > 0.05);
  CHECK_NEAR(delta[0], delta[1], 0.1 * delta[0]);
  for (int k = 0; k < 2; k++) gb_vae_destroy(&b[k].v);
  for (int k = 0; k < 2; k++) gb_free(&grad[k]);
  close_world(&w);
}

static void relbo_with_a_fixed_posterior(void **state)
{
  (void)state;
  fixed_posterior("learned");
  fixed_posterior("shared");
}

/* The gradient of rows [first, first + n) of x in a training. */
static void training_gradient(const world *w, int64_t every, size_t first, size_t n, const float *x, size_t size,
                              double *grad)
{
  static const double weight[GB_VAE_TERMS] = {1, 1.3, 0, 1.3};
  const gb_vae_opts o = {.encoding = "cossin",
                         .encoder = {1, dense_encoder},
                         .decoder = {2, dense_decoder},
                         .activation = "softplus",
                         .latent = 2,
                         .likelihood = "gaussian",
                         .spread = "shared",
                         .sigma = 0.6};
  const gb_objective_opts objective = {
      .kind = "relbo", .gradient = "stop", .alpha = 0.6, .linearise_every = every, .beta = 1.3, .energy_mode = "mean"};
  gb_vae *v;
  double sum[GB_VAE_TERMS];
  CHECK_OK(gb_vae_create(&o, &objective, &w->sim, ROOM, 11, NULL, &v));
  gb_model m = gb_vae_model(v);
  CHECK(gb_params_size(m.params) == size);
  CHECK_OK(gb_model_sums(&m, n, x + first * N, (gb_pass){.step = 2, .first_row = first, .training = true}, sum));
  CHECK_OK(m.backward(m.self, weight, &(gb_gradient){.block = grad, .parts = 1}));
  gb_vae_destroy(&v);
}

/* Every second row stands for two: the encoder's gradient is twice that of these rows, the decoder's that of all. Rows
 * have the same noise alone as together. */
static void some_rows_stand_for_all(void **state)
{
  (void)state;
  enum { SIZE = 1024 };
  static double grad[SIZE], alone[SIZE], expected[SIZE];
  float x[ROOM * N];
  world w;
  gb_vae *v;
  open_world(&w);
  CHECK_OK(gb_vae_create(&(gb_vae_opts){.encoding = "cossin",
                                        .encoder = {1, dense_encoder},
                                        .decoder = {2, dense_decoder},
                                        .activation = "softplus",
                                        .latent = 2,
                                        .likelihood = "gaussian",
                                        .spread = "shared",
                                        .sigma = 0.6},
                         &(gb_objective_opts){.kind = "elbo", .energy_mode = "mean"}, &w.sim, 1, 11, NULL, &v));
  gb_params *p = gb_vae_params(v);
  size_t size = gb_params_size(p);
  CHECK(size <= SIZE);
  for (size_t i = 0; i < ROOM * N; i++) x[i] = (float)(0.5 * sin((double)i * (double)i));
  training_gradient(&w, 2, 0, ROOM, x, size, grad);
  for (size_t r = 0; r < ROOM; r++) {
    training_gradient(&w, 1, r, 1, x, size, alone);
    for (int t = 0; t < gb_params_n(p); t++) {
      const gb_param_info *info = gb_params_info(p, t);
      double times = is_of_decoder(info) ? 1 : r % 2 ? 0 : 2;
      for (size_t i = info->first; i < info->first + info->count; i++) expected[i] += times * alone[i];
    }
  }
  size_t moved = 0;
  for (size_t i = 0; i < size; i++) {
    CHECK_NEAR(grad[i], expected[i], 1e-11 * (1 + fabs(expected[i])));
    moved += fabs(grad[i]) > 1e-3;
  }
  CHECK(moved > 300);
  gb_vae_destroy(&v);
  close_world(&w);
}

/* Term: the energy per site of a field. */
static gb_err energy_forward(gb_node *y)
{
  const gb_sim *sim = y->ctx;
  sim->kind->ensemble->energy(sim->self, y->rows, y->in[0]->v, y->term);
  return GB_OK;
}

static gb_err energy_vjp(gb_node *y)
{
  const gb_sim *sim = y->ctx;
  sim->kind->ensemble->energy_vjp(sim->self, y->rows, y->in[0]->v, y->g, y->in[0]->g);
  return GB_OK;
}

static const gb_op energy_op = {"energy of a field", energy_forward, energy_vjp};

enum { RAW = 3 * N }; /* numbers that the decoder gives per sample: two of a direction and one of a spread per site */

/* A field as a function of weights that are its raw numbers, and its energy. */
typedef struct field_bench {
  gb_params *p;
  gb_graph *g;
  gb_node *one, *term;
  gb_draws draws;
  gb_real *grad;
} field_bench;

static void open_field(field_bench *b, const world *w, gb_noise noise, bool sampled, double ln_variance)
{
  gb_param weight, bias;
  *b = (field_bench){.draws = {3, 0, 0}};
  CHECK_OK(gb_params_create(&b->p));
  CHECK_OK(gb_graph_create(b->p, 1, &b->g));
  CHECK_OK(gb_params_add(b->p, "weight", 2, (size_t[]){1, RAW}, 1, &weight));
  CHECK_OK(gb_params_add(b->p, "bias", 1, (size_t[]){RAW}, 0, &bias));
  b->one = gb_graph_data(b->g, (gb_shape){1, 1, 1});
  gb_node *raw =
      gb_dense(b->g, b->one, gb_graph_param(b->g, weight), gb_graph_param(b->g, bias), (gb_shape){L, L, 3}, GB_NONE);
  gb_node *u = gb_rotor_from_vector(b->g, raw), *l = gb_rotor_spread(b->g, raw);
  gb_node *field = sampled ? gb_rotor_sample(b->g, noise, u, l, 0, &b->draws) : gb_rotor_expected(b->g, noise, u, l, 0);
  b->term = gb_graph_term(b->g, &energy_op, (void *)&w->sim, 1, &field);
  CHECK_OK(gb_params_freeze(b->p, 17));
  CHECK_OK(gb_graph_plan(b->g));
  for (size_t i = 2; i < RAW; i += 3) gb_params_value(b->p)[gb_params_info(b->p, bias)->first + i] = ln_variance;
  b->one->v[0] = 1;
  CHECK_OK(gb_new(&b->grad, gb_params_size(b->p)));
}

static double run_field(field_bench *b, uint64_t step, const gb_real **raw_gradient)
{
  static const double one = 1;
  b->draws.step = step;
  CHECK_OK(gb_graph_run(b->g, NULL, NULL, 1, 1));
  CHECK_OK(gb_graph_backward(b->g, 1, &b->term, &one, &(gb_gradient){.block = b->grad, .parts = 1}));
  *raw_gradient = b->grad + gb_params_info(b->p, 1)->first;
  return b->term->term[0];
}

static void close_field(field_bench *b)
{
  gb_free(&b->grad);
  gb_graph_destroy(&b->g);
  gb_params_destroy(&b->p);
}

/* Noise on different sites is independent and the energy has no product of a site with itself: the mean energy of noisy
 * fields is the energy of the mean field. So is the mean of its gradients, by which the reparameterisation of the draws
 * is checked, of von Mises too. 4 standard errors; 5 for the 48 components of a gradient (all seeds are fixed). */
static void noisy_energies_have_their_mean(void **state)
{
  (void)state;
  enum { DRAWS = 8000 };
  static const double ln_variance[] = {-5, -1.5, 0.5};
  world w;
  open_world(&w);
  for (int noise = GB_GAUSSIAN; noise <= GB_VON_MISES; noise++)
    for (size_t i = 0; i < 3; i++) {
      field_bench noisy, exact;
      const gb_real *g;
      double sum = 0, square = 0, sums[RAW] = {0}, squares[RAW] = {0};
      open_field(&noisy, &w, (gb_noise)noise, true, ln_variance[i]);
      open_field(&exact, &w, (gb_noise)noise, false, ln_variance[i]);
      for (uint64_t k = 0; k < DRAWS; k++) {
        double e = run_field(&noisy, k, &g);
        sum += e / DRAWS;
        square += e * e / DRAWS;
        for (size_t q = 0; q < RAW; q++) {
          sums[q] += g[q] / DRAWS;
          squares[q] += g[q] * g[q] / DRAWS;
        }
      }
      double e = run_field(&exact, 0, &g), error = sqrt((square - sum * sum) / DRAWS);
      CHECK(error > 0 && error < 0.01);
      CHECK_NEAR(sum, e, 4 * error);
      for (size_t q = 0; q < RAW; q++)
        CHECK_NEAR(sums[q], g[q], 5 * sqrt((squares[q] - sums[q] * sums[q]) / DRAWS) + 1e-12);
      close_field(&noisy);
      close_field(&exact);
    }
  close_world(&w);
}

/* KL(q || p) = integral of q ln(q / p) by Simpson's rule, latent by latent. */
static void kl_is_the_integral(void **state)
{
  (void)state;
  enum { M = 5, POINTS = 4000 };
  static const double mu[M] = {0, 1.3, -4, 0.1, -0.7}, logvar[M] = {0, -3, 1.5, -11, 3};
  gb_params *p;
  gb_graph *g;
  CHECK_OK(gb_params_create(&p));
  CHECK_OK(gb_graph_create(p, 1, &g));
  gb_node *a = gb_graph_data(g, (gb_shape){1, 1, M}), *b = gb_graph_data(g, (gb_shape){1, 1, M});
  gb_node *kl = gb_latent_kl(g, a, b);
  CHECK_OK(gb_params_freeze(p, 1));
  CHECK_OK(gb_graph_plan(g));
  memcpy(a->v, mu, sizeof mu);
  memcpy(b->v, logvar, sizeof logvar);
  CHECK_OK(gb_graph_run(g, NULL, NULL, 1, 1));
  double sum = 0;
  for (int j = 0; j < M; j++) {
    double sigma = exp(logvar[j] / 2), h = 24 * sigma / POINTS;
    for (int i = 0; i <= POINTS; i++) {
      double z = mu[j] - 12 * sigma + i * h, t = (z - mu[j]) / sigma, c = i == 0 || i == POINTS ? 1 : i % 2 ? 4 : 2;
      double q = exp(-t * t / 2) / (sigma * sqrt(2 * M_PI));
      sum += c * h / 3 * q * (-t * t / 2 - log(sigma) + z * z / 2);
    }
  }
  CHECK_NEAR(kl->term[0], sum, 1e-10);
  gb_graph_destroy(&g);
  gb_params_destroy(&p);
}

/* Integral of exp(-nll) over the circle. von Mises: 1. The Gaussian of the wrapped residual is cut at +-pi and not
 * normalised again: erf(pi / (sigma sqrt 2)), which is 1 to 4e-10 for sigma <= 0.5 and 0.83 at the largest learned
 * sigma that the data here use, 2.3. */
static void likelihoods_are_densities(void **state)
{
  (void)state;
  enum { POINTS = 4000, SIGMAS = 7 };
  static const double sigma[SIGMAS] = {0.05, 0.2, 0.5, 0.8, 1.3, 1.7, 2.3}, turn = 2.1;
  for (int i = 0; i < 4; i++) {
    gb_noise noise = i & 1 ? GB_VON_MISES : GB_GAUSSIAN;
    bool learned = i & 2;
    for (int k = 0; k < SIGMAS; k++) {
      gb_params *p;
      gb_graph *g;
      double sum = 0, spread = 2 * log(sigma[k]);
      CHECK_OK(gb_params_create(&p));
      CHECK_OK(gb_graph_create(p, POINTS, &g));
      gb_node *x = gb_graph_data(g, (gb_shape){1, 1, 2}), *u = gb_graph_data(g, (gb_shape){1, 1, 2}),
              *l = learned ? gb_graph_data(g, (gb_shape){1, 1, 1}) : NULL;
      gb_node *nll = gb_rotor_nll(g, noise, x, u, l, learned ? NAN : spread);
      CHECK_OK(gb_params_freeze(p, 1));
      CHECK_OK(gb_graph_plan(g));
      for (size_t q = 0; q < POINTS; q++) {
        sincos(M_PI * (2 * ((double)q + 0.5) / POINTS - 1) + turn, &x->v[2 * q + 1], &x->v[2 * q]);
        u->v[2 * q] = cos(turn);
        u->v[2 * q + 1] = sin(turn);
        if (learned) l->v[q] = spread;
      }
      CHECK_OK(gb_graph_run(g, NULL, NULL, POINTS, 1));
      for (size_t q = 0; q < POINTS; q++) sum += exp(-nll->term[q]) * 2 * M_PI / POINTS;
      /* midpoint rule: exact for the periodic density; h^2/12 of its slope at the cut, below 1e-7, for the other */
      if (noise == GB_VON_MISES)
        CHECK_NEAR(sum, 1, 1e-12);
      else
        CHECK_NEAR(sum, erf(M_PI / (sigma[k] * sqrt(2))), 5e-8);
      if (sigma[k] <= 0.5) CHECK_NEAR(sum, 1, 4e-10);
      gb_graph_destroy(&g);
      gb_params_destroy(&p);
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(all_models),
                                     TEST(shared_spread),
                                     TEST(terms_alone),
                                     TEST(renyi_objectives),
                                     TEST(relbo_with_a_fixed_posterior),
                                     TEST(some_rows_stand_for_all),
                                     TEST(noisy_energies_have_their_mean),
                                     TEST(kl_is_the_integral),
                                     TEST(likelihoods_are_densities)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
