/* tests/unit/test_vae.c - the VAE as trainer and report use it, with float networks: independent rows, one meaning of a
 * latent, the frame of aligned samples, weights of the terms. */
#include "learn/vae.h"

#include "check.h"
#include "config/config.h"
#include "linalg/von_mises.h"
#include "registry.h"

enum { L = 4, N = L * L, ROWS = 9, LATENT = 3 };

static const gb_schema *sections[] = {NULL, NULL};
static gb_config *cfg;
static gb_sim sim;

static int open_sim(void **state)
{
  static const char yaml[] = "xy: {L: 4, J: 1.3}";
  (void)state;
  sections[0] = gb_physics_all[0]->schema;
  return gb_config_parse("test", yaml, strlen(yaml), 0, NULL, sections, &cfg) ||
         gb_sim_create(gb_physics_all[0], cfg, gb_comm_self(), &sim);
}

static int close_sim(void **state)
{
  (void)state;
  gb_sim_destroy(&sim);
  gb_config_destroy(&cfg);
  return 0;
}

static const char *const conv_layers[] = {"conv 5 stride 2", "conv 6 kernel 2", "dense 11"};
static const char *const dense_layers[] = {"dense 13", "dense 17"};
static const char *const deconv_layers[] = {"grid 2 2 6", "deconv 4 kernel 2 stride 2"};

static const gb_vae_opts small = {.encoding = "cossin",
                                  .encoder = {2, dense_layers},
                                  .decoder = {2, dense_layers},
                                  .activation = "elu",
                                  .latent = LATENT,
                                  .likelihood = "gaussian",
                                  .spread = "learned",
                                  .sigma = 0.4};
static const gb_objective_opts hg = {.kind = "elbo", .beta = 2, .energy_weight = 3, .energy_mode = "sample"};

static gb_vae *create(const gb_vae_opts *o, const gb_objective_opts *objective, size_t rows, uint64_t seed)
{
  gb_vae *v;
  CHECK_OK(gb_vae_create(o, objective, &sim, rows, seed, NULL, &v));
  return v;
}

static void angles(uint64_t seed, size_t n, float *x)
{
  for (size_t i = 0; i < n; i++) {
    uint32_t w[4];
    gb_rng_block(gb_rng_key(seed, GB_RNG_TEST, i, 0), 0, w);
    x[i] = (float)(3.14 * (2 * gb_rng_unit(w[0]) - 1));
  }
}

static void forward(gb_vae *v, size_t n, const float *x, uint64_t first_row)
{
  double sum[GB_VAE_TERMS];
  gb_model m = gb_vae_model(v);
  CHECK_OK(gb_model_sums(&m, n, x, (gb_pass){.step = 4, .first_row = first_row}, sum));
}

/* Options number i of 16: every key takes both values. */
static gb_vae_opts variant(int i, gb_objective_opts *objective)
{
  gb_vae_opts o = small;
  *objective = hg;
  if (i & 1) o.encoder = (gb_texts){3, conv_layers}, o.decoder = (gb_texts){2, deconv_layers};
  o.encoding = i & 2 ? "angle" : "cossin";
  o.likelihood = i & 4 ? "von_mises" : "gaussian";
  o.align = i & 8;
  objective->energy_mode = i & 8 ? "expected" : "sample";
  return o;
}

/* All that a pass computes about row r. */
typedef struct result {
  float mu[LATENT], logvar[LATENT], z[LATENT], direction[2 * N], spread[N];
  double term[GB_VAE_TERMS], turned;
} result;

static result row_of(const gb_vae *v, size_t r)
{
  gb_vae_view w = gb_vae_look(v);
  result out;
  memset(&out, 0, sizeof out);
  memcpy(out.mu, w.mu + r * LATENT, sizeof out.mu);
  memcpy(out.logvar, w.logvar + r * LATENT, sizeof out.logvar);
  memcpy(out.z, w.z + r * LATENT, sizeof out.z);
  memcpy(out.direction, w.direction + 2 * r * N, sizeof out.direction);
  memcpy(out.spread, w.spread + r * N, sizeof out.spread);
  for (int k = 0; k < GB_VAE_TERMS; k++) out.term[k] = w.term[k] ? w.term[k][r] : 0;
  out.turned = w.turned[r];
  return out;
}

/* The bits of a row depend neither on what stands in the other rows nor on their number. */
static void rows_are_independent(void **state)
{
  (void)state;
  static float x[ROWS * N], y[ROWS * N];
  enum { KEPT = 4 };
  for (int i = 0; i < 16; i++) {
    gb_objective_opts objective;
    gb_vae_opts o = variant(i, &objective);
    gb_vae *all = create(&o, &objective, ROWS, 5), *one = create(&o, &objective, 1, 5);
    angles(1, ROWS * N, x);
    angles(2, ROWS * N, y);
    memcpy(y + KEPT * N, x + KEPT * N, N * sizeof *x);
    forward(all, ROWS, x, 100);
    result a = row_of(all, KEPT), other = row_of(all, KEPT + 1);
    forward(all, ROWS, y, 100);
    result b = row_of(all, KEPT);
    CHECK(!memcmp(&a, &b, sizeof a));
    CHECK(memcmp(&a, &other, sizeof a));
    forward(one, 1, x + KEPT * N, 100 + KEPT); /* the noise goes with the number of the row */
    b = row_of(one, 0);
    CHECK(!memcmp(&a, &b, sizeof a));
    forward(one, 1, x + KEPT * N, 101 + KEPT);
    b = row_of(one, 0);
    CHECK(fabsf(a.z[0] - b.z[0]) > 1e-3f);
    gb_vae_destroy(&all);
    gb_vae_destroy(&one);
  }
}

/* Batch norm and dropout: in training rows and steps matter, after it neither does, nor in the decoder alone. */
static void regularisers_belong_to_training(void **state)
{
  (void)state;
  static const char *const layers[] = {"dense 13 none", "batchnorm elu", "dropout 0.4"};
  static float x[ROWS * N];
  gb_vae_opts o = small;
  const double *term[GB_MOST_TERMS];
  double first[2][2];
  o.encoder = o.decoder = (gb_texts){3, layers};
  gb_vae *v = create(&o, &hg, ROWS, 5), *plain = create(&small, &hg, ROWS, 5);
  gb_model m = gb_vae_model(v);
  CHECK(m.whole_shards && !gb_vae_model(plain).whole_shards);
  angles(1, ROWS * N, x);
  for (int training = 0; training < 2; training++) {
    CHECK_OK(m.forward(m.self, ROWS, 1, x, (gb_pass){4, 100, training}, term));
    first[training][0] = term[GB_VAE_KL][0];
    CHECK_OK(m.forward(m.self, ROWS - 3, 1, x, (gb_pass){4, 100, training}, term));
    CHECK((term[GB_VAE_KL][0] == first[training][0]) == !training);
    CHECK_OK(m.forward(m.self, ROWS, 1, x, (gb_pass){5, 100, training}, term));
    first[training][1] = term[GB_VAE_KL][0]; /* the posterior: without noise of its own */
    CHECK((first[training][0] == first[training][1]) == !training);
  }
  CHECK(first[0][0] != first[1][0]);
  CHECK_OK(m.forward(m.self, ROWS, 1, x, (gb_pass){5, 100, false}, term));
  result a = row_of(v, 2);
  float z[ROWS * LATENT];
  memcpy(z, gb_vae_look(v).z, sizeof z);
  CHECK_OK(m.forward(m.self, ROWS, 1, x, (gb_pass){5, 100, true}, term));
  CHECK_OK(gb_vae_decode(v, ROWS, z, NULL));
  result b = row_of(v, 2);
  CHECK(!memcmp(a.direction, b.direction, sizeof a.direction) && !memcmp(a.spread, b.spread, sizeof a.spread));
  gb_vae_destroy(&v);
  gb_vae_destroy(&plain);
}

/* The sums that forward() gives are those of the rows. */
static void sums_are_of_all_rows(void **state)
{
  (void)state;
  static float x[ROWS * N];
  gb_vae *v = create(&small, &hg, ROWS, 5);
  gb_model m = gb_vae_model(v);
  double sum[GB_VAE_TERMS], expected[GB_VAE_TERMS] = {0};
  CHECK(m.rows == ROWS && m.n_terms == GB_VAE_FREE);
  angles(1, ROWS * N, x);
  CHECK_OK(gb_model_sums(&m, ROWS - 2, x, (gb_pass){3, 0, false}, sum));
  for (size_t r = 0; r < ROWS - 2; r++)
    for (int k = 0; k < m.n_terms; k++) expected[k] += gb_vae_look(v).term[k][r];
  for (int k = 0; k < m.n_terms; k++) CHECK_NEAR(sum[k], expected[k], 1e-12 * fabs(sum[k]));
  gb_vae_destroy(&v);
}

/* Decoding the latents of a sample again gives its field again, bit by bit; the output is that field as angles, turned
 * back into the frame of the sample. */
static void decoding_repeats_the_field(void **state)
{
  (void)state;
  static float x[ROWS * N], out[ROWS * N];
  angles(1, ROWS * N, x);
  for (int i = 0; i < 16; i++) {
    gb_objective_opts objective;
    gb_vae_opts o = variant(i, &objective);
    gb_vae *v = create(&o, &objective, ROWS, 5);
    float z[ROWS * LATENT];
    double turned[ROWS];
    result before[ROWS];
    forward(v, ROWS, x, 0);
    gb_vae_view w = gb_vae_look(v);
    memcpy(z, w.z, sizeof z);
    memcpy(turned, w.turned, sizeof turned);
    for (size_t r = 0; r < ROWS; r++) before[r] = row_of(v, r);
    CHECK_OK(gb_vae_decode(v, ROWS, z, turned));
    gb_vae_output(v, false, (gb_pass){0, 0, false}, out);
    for (size_t r = 0; r < ROWS; r++) {
      result after = row_of(v, r);
      CHECK(!memcmp(before[r].direction, after.direction, sizeof after.direction));
      CHECK(!memcmp(before[r].spread, after.spread, sizeof after.spread) && after.turned == turned[r]);
      for (size_t k = 0; k < N; k++) {
        double a = atan2((double)after.direction[2 * k + 1], (double)after.direction[2 * k]) + turned[r];
        CHECK_NEAR(remainder((double)out[r * N + k] - a, 2 * M_PI), 0, 1e-6);
        CHECK(fabsf(out[r * N + k]) <= 3.1415928f);
      }
    }
    CHECK_OK(gb_vae_decode(v, 2, z, NULL)); /* no turn, fewer rows */
    CHECK(gb_vae_look(v).rows == 2 && gb_vae_look(v).turned[1] == 0);
    gb_vae_destroy(&v);
  }
}

/* With align, a sample and the same sample turned as a whole are the same to the model, and its output turns with them.
 * Rounding of the angles to float leaves 1e-6 of each; a von Mises or Gaussian nll of 16 sites multiplies it by less
 * than 100. Without align they are different. */
static void aligned_samples_have_no_direction(void **state)
{
  (void)state;
  static float x[ROWS * N], y[ROWS * N], at[ROWS * N], turned[ROWS * N];
  angles(3, ROWS * N, x);
  for (size_t i = 0; i < ROWS * N; i++) y[i] = (float)remainder((double)x[i] + 2.5, 2 * M_PI);
  for (int i = 0; i < 16; i++) {
    gb_objective_opts objective;
    gb_vae_opts o = variant(i, &objective);
    double sum[2][GB_VAE_TERMS];
    gb_vae *v = create(&o, &objective, ROWS, 5);
    gb_model m = gb_vae_model(v);
    CHECK_OK(gb_model_sums(&m, ROWS, x, (gb_pass){3, 0, false}, sum[0]));
    gb_vae_output(v, false, (gb_pass){3, 0, false}, at);
    CHECK_OK(gb_model_sums(&m, ROWS, y, (gb_pass){3, 0, false}, sum[1]));
    gb_vae_output(v, false, (gb_pass){3, 0, false}, turned);
    if (o.align) {
      for (int k = 0; k < m.n_terms; k++) CHECK_NEAR(sum[0][k], sum[1][k], 1e-3 + 1e-6 * sum[0][k]);
      for (size_t q = 0; q < ROWS * N; q++)
        CHECK_NEAR(remainder((double)turned[q] - (double)at[q] - 2.5, 2 * M_PI), 0, 1e-4);
    } else {
      CHECK(fabs(sum[0][GB_VAE_NLL] - sum[1][GB_VAE_NLL]) > 0.1);
    }
    gb_vae_destroy(&v);
  }
}

/* Noise about the decoded direction has the width that the model says: <cos> of the Gaussian is exp(-sigma^2 / 2), of
 * von Mises A(1 / sigma^2). 4 standard errors. Another pass draws another field, the same pass the same. */
static void noise_has_its_width(void **state)
{
  (void)state;
  enum { PASSES = 300 };
  static float x[ROWS * N], out[ROWS * N], again[ROWS * N];
  angles(1, ROWS * N, x);
  for (int i = 0; i < 4; i++) {
    gb_vae_opts o = small;
    bool learned = i & 1, von_mises = i & 2;
    double sum = 0, square = 0, expected = 0, count = (double)PASSES * ROWS * N;
    o.spread = learned ? "learned" : "fixed";
    o.likelihood = von_mises ? "von_mises" : "gaussian";
    o.sigma = 0.7;
    gb_vae *v = create(&o, &hg, ROWS, 5);
    forward(v, ROWS, x, 0);
    gb_vae_view w = gb_vae_look(v);
    CHECK(learned ? w.spread != NULL : w.spread == NULL && fabs(w.fixed_spread - 2 * log(0.7)) < 1e-15);
    for (uint64_t pass = 0; pass < PASSES; pass++) {
      gb_vae_output(v, true, (gb_pass){pass, 10, false}, out);
      for (size_t k = 0; k < ROWS * N; k++) {
        double variance = exp(w.spread ? (double)w.spread[k] : w.fixed_spread);
        double c = cos((double)out[k] - atan2((double)w.direction[2 * k + 1], (double)w.direction[2 * k]));
        sum += c / count;
        square += c * c / count;
        expected += (von_mises ? gb_von_mises_length(1 / variance) : exp(-variance / 2)) / count;
        CHECK(fabsf(out[k]) <= 3.1415928f);
      }
    }
    CHECK_NEAR(sum, expected, 4 * sqrt((square - sum * sum) / count));
    gb_vae_output(v, true, (gb_pass){PASSES - 1, 10, false}, again);
    CHECK(!memcmp(out, again, sizeof out));
    gb_vae_output(v, true, (gb_pass){PASSES - 1, 11, false}, again); /* the next row */
    size_t same = 0;
    for (size_t k = 0; k < ROWS * N; k++) same += out[k] == again[k];
    CHECK(same == 0);
    gb_vae_destroy(&v);
  }
}

static void weights_of_terms_warm_up(void **state)
{
  (void)state;
  gb_objective_opts o = {
      .kind = "elbo", .beta = 3, .beta_warmup = 10, .energy_weight = 8, .energy_warmup = 4, .energy_mode = "mean"};
  static const struct {
    uint64_t step;
    double kl, energy;
  } c[] = {{0, 0, 0},   {1, 0.3, 2}, {3, 0.9, 6},  {4, 1.2, 8},
           {9, 2.7, 8}, {10, 3, 8},  {1000, 3, 8}, {GB_PASS_FIXED, 3, 8}};
  double w[GB_VAE_TERMS];
  gb_vae *v = create(&small, &o, 1, 5);
  gb_model m = gb_vae_model(v);
  for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
    m.weights(m.self, c[i].step, w);
    CHECK(w[GB_VAE_NLL] == 1);
    CHECK_NEAR(w[GB_VAE_KL], c[i].kl, 1e-15);
    CHECK_NEAR(w[GB_VAE_ENERGY], c[i].energy, 1e-15);
  }
  gb_vae_destroy(&v);
  o.energy_start = 2; /* the energy term rises over steps 2 ... 6 */
  v = create(&small, &o, 1, 5);
  m = gb_vae_model(v);
  static const double late[] = {0, 0, 0, 2, 4, 6, 8, 8};
  for (uint64_t step = 0; step < sizeof late / sizeof *late; step++) {
    m.weights(m.self, step, w);
    CHECK_NEAR(w[GB_VAE_ENERGY], late[step], 1e-15);
  }
  gb_vae_destroy(&v);
  o.beta_warmup = o.energy_start = o.energy_warmup = 0;
  v = create(&small, &o, 1, 5);
  m = gb_vae_model(v);
  m.weights(m.self, 0, w);
  CHECK(w[GB_VAE_KL] == 3 && w[GB_VAE_ENERGY] == 8);
  gb_vae_destroy(&v);
}

/* Three cycles of 10 steps, up in 4, then beta for ever. */
static void beta_goes_in_cycles(void **state)
{
  (void)state;
  gb_objective_opts o = {
      .kind = "elbo", .beta = 2, .beta_cycle = 10, .beta_cycles = 3, .beta_ramp = 0.4, .energy_mode = "mean"};
  double w[GB_VAE_TERMS];
  gb_vae *v = create(&small, &o, 1, 5);
  gb_model m = gb_vae_model(v);
  static const double cycle[] = {0, 0.5, 1, 1.5, 2, 2, 2, 2, 2, 2};
  for (uint64_t step = 0; step < 60; step++) {
    m.weights(m.self, step, w);
    CHECK_NEAR(w[GB_VAE_KL], step < 30 ? cycle[step % 10] : 2, 1e-15);
  }
  m.weights(m.self, GB_PASS_FIXED, w);
  CHECK(w[GB_VAE_KL] == 2);
  gb_vae_destroy(&v);
  CHECK_OK(gb_objective_schema.check(&o));
  o.beta_warmup = 5;
  CHECK_FAILS(gb_objective_schema.check(&o), GB_ERR_CONFIG, "objective.beta_cycle and objective.beta_warmup");
}

/* With free bits there is a fourth term, weighted as the KL; both together are sum_j max(lambda, KL_j) of each row. */
static void free_bits_are_a_term(void **state)
{
  (void)state;
  static const double lambda = 0.1;
  static float x[ROWS * N];
  gb_objective_opts o = hg;
  double w[GB_VAE_TERMS];
  size_t below = 0;
  o.free_bits = lambda;
  o.beta_warmup = 10;
  gb_vae *v = create(&small, &o, ROWS, 5);
  gb_model m = gb_vae_model(v);
  CHECK(m.n_terms == GB_VAE_TERMS);
  assert_string_equal(m.term[GB_VAE_FREE], "free_bits");
  m.weights(m.self, 5, w);
  CHECK(w[GB_VAE_FREE] == w[GB_VAE_KL] && w[GB_VAE_KL] == 1);
  angles(1, ROWS * N, x);
  forward(v, ROWS, x, 0);
  gb_vae_view view = gb_vae_look(v);
  for (size_t r = 0; r < ROWS; r++) {
    double expected = 0;
    for (size_t i = r * LATENT; i < (r + 1) * LATENT; i++) {
      double l = (double)view.logvar[i], mu = (double)view.mu[i], kl = (exp(l) + mu * mu - 1 - l) / 2;
      expected += fmax(lambda, kl);
      below += kl < lambda;
    }
    CHECK_NEAR(view.term[GB_VAE_KL][r] + view.term[GB_VAE_FREE][r], expected, 1e-5);
  }
  CHECK(below > 3 && below < ROWS * LATENT - 3);
  gb_vae_destroy(&v);
}

/* Without weight the energy is left out of training passes, and only there; the rest is what it is with it. */
static void idle_energy(void **state)
{
  (void)state;
  static float x[ROWS * N];
  angles(1, ROWS * N, x);
  for (int with = 0; with < 2; with++) {
    gb_objective_opts o = hg;
    const double *term[2][GB_VAE_TERMS];
    double kept[2][ROWS];
    o.energy_weight = with;
    gb_vae *v = create(&small, &o, ROWS, 5);
    gb_model m = gb_vae_model(v);
    CHECK(m.idle == (with ? 0 : 1u << GB_VAE_ENERGY));
    for (int training = 0; training < 2; training++) {
      CHECK_OK(m.forward(m.self, ROWS, 1, x, (gb_pass){3, 0, training}, term[training]));
      CHECK((term[training][GB_VAE_ENERGY] == NULL) == (training && !with));
      memcpy(kept[training], term[training][GB_VAE_NLL], sizeof kept[0]);
    }
    CHECK(!memcmp(kept[0], kept[1], sizeof kept[0]));
    gb_vae_destroy(&v);
  }
}

static void names_of_the_ladder(void **state)
{
  (void)state;
  gb_vae_opts o = small;
  gb_objective_opts h = hg;
  assert_string_equal(gb_vae_name(&o, &h), "HG-VAE");
  o.spread = "fixed";
  assert_string_equal(gb_vae_name(&o, &h), "H-VAE");
  h.energy_weight = 0;
  assert_string_equal(gb_vae_name(&o, &h), "VAE");
  o.spread = "learned";
  assert_string_equal(gb_vae_name(&o, &h), "G-VAE");
}

/* A weight that is not a number must show in the loss, whatever the activation: a rectifier that turns it into 0 would
 * let a broken model train on. */
static void nan_reaches_the_loss(void **state)
{
  (void)state;
  static const char *const activation[] = {"none", "relu", "elu", "tanh", "softplus"};
  static float x[N];
  angles(1, N, x);
  for (int a = 0; a < 5; a++)
    for (int conv = 0; conv < 2; conv++) {
      gb_vae_opts o = small;
      double sum[GB_VAE_TERMS];
      o.activation = activation[a];
      if (conv) o.encoder = (gb_texts){3, conv_layers}, o.decoder = (gb_texts){2, deconv_layers};
      gb_vae *v = create(&o, &hg, 1, 5);
      gb_model m = gb_vae_model(v);
      gb_params *p = gb_vae_params(v);
      for (int t = 0; t < gb_params_n(p); t++) {
        gb_real *w = gb_params_value(p) + gb_params_info(p, t)->first, kept = *w;
        *w = NAN;
        CHECK_OK(gb_model_sums(&m, 1, x, (gb_pass){3, 0, false}, sum));
        if (isfinite(sum[0]) && isfinite(sum[1]) && isfinite(sum[2]))
          fail_msg("%s: a NaN in %s is not seen", activation[a], gb_params_info(p, t)->name);
        *w = kept;
      }
      gb_vae_destroy(&v);
    }
}

/* What cannot be built is refused without a leak; the place of the mistake is named. */
static void refusals(void **state)
{
  (void)state;
  gb_vae_opts o = small;
  gb_vae *v = NULL;
  static const char *const bad[] = {"dense 4", "conv 3 stride 3"};
  gb_text table = {0};
  o.encoder = (gb_texts){2, bad};
  CHECK_FAILS(gb_vae_create(&o, &hg, &sim, 1, 5, &table, &v), GB_ERR_CONFIG, "model.encoder[1] `conv 3 stride 3`: ");
  CHECK(!v);
  o = small;
  o.decoder = (gb_texts){2, bad};
  CHECK_FAILS(gb_vae_create(&o, &hg, &sim, 1, 5, NULL, &v), GB_ERR_CONFIG, "model.decoder[1] `conv 3 stride 3`: ");
  gb_physics kind = *sim.kind;
  gb_sim other = sim;
  kind.ensemble = NULL;
  kind.name = "pendulum";
  other.kind = &kind;
  CHECK_FAILS(gb_vae_create(&small, &hg, &other, 1, 5, NULL, &v), GB_ERR_CONFIG, "run.physics = pendulum: ");
  other = sim;
  other.dims.unit = "1";
  CHECK_FAILS(gb_vae_create(&small, &hg, &other, 1, 5, NULL, &v), GB_ERR_CONFIG, "fields of angles");
  other = sim;
  other.dims.ndim = 1;
  CHECK_FAILS(gb_vae_create(&small, &hg, &other, 1, 5, NULL, &v), GB_ERR_CONFIG, "two-dimensional");
  gb_text_free(&table);
}

/* Mean over draws of what a model says of each row: that of ln p(z)/q(z|x) is -kl. */
static void check_draws(gb_model *m, const float *x)
{
  enum { DRAWS = 4000 };
  double sum[ROWS] = {0}, square[ROWS] = {0}, mean[LATENT];
  const double *term[GB_VAE_TERMS];
  for (uint64_t k = 0; k < DRAWS; k++) {
    CHECK_OK(m->forward(m->self, ROWS, 1, x, (gb_pass){.step = k}, term));
    for (size_t r = 0; r < ROWS; r++) {
      gb_weight w = m->weigh(m->self, r, mean);
      CHECK(w.likelihood == -term[GB_VAE_NLL][r]);
      sum[r] += w.ratio / DRAWS;
      square[r] += w.ratio * w.ratio / DRAWS;
    }
  }
  for (size_t r = 0; r < ROWS; r++)
    CHECK_NEAR(sum[r], -term[GB_VAE_KL][r], 5 * sqrt((square[r] - sum[r] * sum[r]) / DRAWS));
}

/* Whatever was trained, its weights are those of a model that draws from q; and so they are compared. */
static void evidence_of_any_objective(void **state)
{
  static const char *const kinds[] = {"elbo", "relbo", "relbo-escort", "renyi-prior", "vr", "iwae", "relbo-joint"};
  float x[ROWS * N];
  (void)state;
  angles(4, ROWS * N, x);
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    gb_objective_opts o = {.kind = kinds[k],
                           .gradient = "stop",
                           .alpha = 0.5,
                           .samples = 3,
                           .linearise_every = 1,
                           .beta = 1,
                           .energy_mode = "mean"};
    gb_vae_opts opts = small;
    if (!strcmp(kinds[k], "relbo-joint"))
      opts.encoding = "angle", opts.encoder.n = opts.decoder.n = 0, opts.spread = "shared";
    gb_vae *trained = create(&opts, &o, ROWS, 5);
    gb_model as_trained = gb_vae_model(trained);
    CHECK((as_trained.weigh != NULL) == (k == 0));
    o.evidence = true;
    gb_vae *v = create(&opts, &o, ROWS, 5);
    gb_model m = gb_vae_model(v);
    CHECK(gb_params_n(m.params) == gb_params_n(as_trained.params));
    for (int t = 0; t < gb_params_n(m.params); t++) {
      const gb_param_info *a = gb_params_info(m.params, t), *b = gb_params_info(as_trained.params, t);
      assert_string_equal(a->name, b->name);
      CHECK(a->ndim == b->ndim && a->count == b->count && a->first == b->first);
    }
    size_t n = gb_params_size(m.params);
    assert_memory_equal(gb_params_value(m.params), gb_params_value(as_trained.params), n * sizeof(gb_real));
    CHECK(m.weigh && m.latents == LATENT && m.n_terms == GB_VAE_FREE && !m.prepare);
    check_draws(&m, x);
    gb_vae_destroy(&trained);
    gb_vae_destroy(&v);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(rows_are_independent),
                                     TEST(regularisers_belong_to_training),
                                     TEST(sums_are_of_all_rows),
                                     TEST(decoding_repeats_the_field),
                                     TEST(aligned_samples_have_no_direction),
                                     TEST(noise_has_its_width),
                                     TEST(weights_of_terms_warm_up),
                                     TEST(beta_goes_in_cycles),
                                     TEST(free_bits_are_a_term),
                                     TEST(idle_energy),
                                     TEST(names_of_the_ladder),
                                     TEST(nan_reaches_the_loss),
                                     TEST(evidence_of_any_objective),
                                     TEST(refusals)};
  return cmocka_run_group_tests(tests, open_sim, close_sim);
}
