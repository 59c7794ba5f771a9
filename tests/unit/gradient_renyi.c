/* tests/unit/gradient_renyi.c - in double: tangents of every op against differences and against transposed derivatives,
 * terms of Renyi bounds, and what a decoder says of its latents against Monte Carlo. */
#include "ad/bound.h"
#include "ad/image.h"
#include "ad/latent.h"
#include "ad/rotor.h"
#include "gradient_bench.h"
#include "learn/joint.h"
#include "learn/network.h"
#include "learn/relbo.h"
#include "linalg/renyi.h"
#include "linalg/von_mises.h"

enum { ROWS = 3, LATENT = 3 };

/* Tangents of y by z, both rows of b->g. */
static void check_tangents(bench *b, gb_node *z, gb_node *y)
{
  static const double h = 1e-3;
  double one = 1;
  size_t n = z->rows * z->width, size = y->rows * y->width;
  double *kept = gb_alloc(n, sizeof *kept), *slope = gb_alloc(size, sizeof *slope), largest = 0;
  double *grad = gb_alloc(gb_params_size(b->p), sizeof *grad);
  memcpy(kept, z->v, n * sizeof *kept);
  CHECK_OK(gb_graph_push(b->g));
  CHECK_OK(gb_graph_backward(b->g, 1, b->term, &one, &(gb_gradient){.block = grad, .parts = 1}));
  for (size_t r = 0; r < z->rows; r++)
    for (size_t d = 0; d < z->width; d++) {
      const double *t = y->t + (r * z->width + d) * y->width;
      double along = 0;
      for (size_t i = 0; i < y->width; i++) along += mark(i + 5 * r) * t[i];
      CHECK_NEAR(along, z->g[r * z->width + d], 1e-12 * (1 + fabs(along)));
    }
  for (size_t d = 0; d < z->width; d++) {
    memset(slope, 0, size * sizeof *slope);
    for (int k = 0; k < 4; k++) {
      for (size_t i = 0; i < n; i++) z->v[i] = kept[i] + (i % z->width == d ? stencil[k].at * h : 0);
      CHECK_OK(gb_graph_run(b->g, z, y, b->rows, 1));
      for (size_t i = 0; i < size; i++) slope[i] += stencil[k].c * y->v[i] / h;
    }
    memcpy(z->v, kept, n * sizeof *kept);
    for (size_t i = 0; i < size; i++) {
      double t = y->t[(i / y->width * z->width + d) * y->width + i % y->width];
      CHECK_NEAR(t, slope[i], 1e-8);
      largest = fmax(largest, fabs(t));
    }
  }
  CHECK(largest > 1e-3);
  gb_free(&kept);
  gb_free(&slope);
  gb_free(&grad);
}

/* Every layer that a decoder may have, and every activation. */
static void layers_carry_tangents(void **state)
{
  (void)state;
#define LAYERS(...)                                                                                                    \
  {                                                                                                                    \
    sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *const[])                                      \
    {                                                                                                                  \
      __VA_ARGS__                                                                                                      \
    }                                                                                                                  \
  }
  const gb_texts lists[] = {
      LAYERS("dense 7 tanh", "dense 5 gelu", "dense 4 sigmoid", "dense 6 softplus", "dense 3 none"),
      LAYERS("dense 9 relu", "dense 9 leaky_relu", "dense 9 elu"),
      LAYERS("grid 4 4 3 tanh", "conv 4 kernel 3 tanh", "conv 3 kernel 2 stride 2 gelu"),
      LAYERS("grid 2 2 5 tanh", "deconv 4 kernel 4 stride 2 softplus", "deconv 2 kernel 2 stride 2"),
      LAYERS("grid 4 4 2 tanh", "conv 2 p4 kernel 3 tanh", "mean"),
      LAYERS("grid 4 4 3 tanh", "maxpool 2", "upsample 3", "conv 2 kernel 3 pad 1"),
      LAYERS("dense 8 tanh", "layernorm gelu", "dense 4"),
      LAYERS("grid 3 3 4 none", "layernorm tanh", "layernorm"),
      LAYERS("dense 6 tanh", "skip", "dense 6 tanh", "dense 6 none", "add gelu"),
      LAYERS("dense 6 tanh", "skip", "dense 6 tanh", "dense 5 none", "add none"),
      LAYERS("dense 8 tanh", "dropout 0.4", "dense 4")};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    bench b;
    gb_text table = {0};
    gb_draws draws = {3, 4, 5, true};
    begin(&b);
    gb_style style = {&draws, "tanh", GB_INIT_FAN_IN, &table};
    gb_node *z = source(&b, "z", (gb_shape){1, 1, LATENT});
    gb_node *y = gb_network_build(b.g, &style, "decoder", NULL, lists[i], z);
    probe_node(&b, y);
    CHECK(!gb_graph_carry(b.g, z, 1, &y, ROWS));
    start(&b);
    check_tangents(&b, z, y);
    end(&b);
    gb_text_free(&table);
  }
}

static void heads_carry_tangents(void **state)
{
  (void)state;
  for (int kind = 0; kind < 3; kind++) {
    bench b;
    begin(&b);
    gb_node *z = source(&b, "z", (gb_shape){1, 1, LATENT});
    size_t n = 12;
    gb_node *raw = gb_dense(b.g, z, weights(&b, "w", 2, (size_t[]){LATENT, 12}, 1), weights(&b, "b", 1, &n, 0),
                            (gb_shape){2, 2, 3}, GB_NONE);
    gb_node *y = kind == 0   ? gb_rotor_from_vector(b.g, raw)
                 : kind == 1 ? gb_rotor_from_angle(b.g, raw)
                             : gb_rotor_spread(b.g, raw);
    probe_node(&b, y);
    CHECK(!gb_graph_carry(b.g, z, 1, &y, ROWS));
    start(&b);
    check_tangents(&b, z, y);
    end(&b);
  }
}

/* An op that mixes rows is named, and nothing is carried. */
static void batch_norm_does_not(void **state)
{
  (void)state;
  const gb_texts list = LAYERS("dense 6 tanh", "batchnorm");
  bench b;
  gb_text table = {0};
  gb_draws draws = {3, 4, 5, true};
  begin(&b);
  gb_style style = {&draws, "tanh", GB_INIT_FAN_IN, &table};
  gb_node *z = source(&b, "z", (gb_shape){1, 1, LATENT});
  gb_node *y = gb_network_build(b.g, &style, "decoder", NULL, list, z);
  const gb_node *lacks = gb_graph_carry(b.g, z, 1, &y, ROWS);
  CHECK(lacks);
  assert_string_equal(lacks->op->name, "batch norm");
  CHECK(!z->directions && !y->directions);
  end(&b);
  gb_text_free(&table);
}

/* mu and logvar that depend on weights, and noise in as many copies; first seen below. */
typedef struct latents {
  gb_node *mu, *logvar, *eps;
} latents;

static latents make_latents(bench *b, size_t copies)
{
  latents l = {source(b, "mu", (gb_shape){1, 1, LATENT}), source(b, "logvar", (gb_shape){1, 1, LATENT}),
               data(b, (gb_shape){1, 1, LATENT})};
  l.eps->copies = copies;
  return l;
}

/* Noise of all copies; start() drew that of the first rows only. */
static void draw_copies(bench *b, const latents *l)
{
  gb_rng_normal(gb_rng_key(6, GB_RNG_TEST, 0, 0), ROWS * l->eps->copies * LATENT, l->eps->v);
  loss(b);
}

/* -ln N(x; W z, s2) of a few numbers, for each copy. */
typedef struct linear {
  size_t n;
  const double *W, *x; /* [n, latent], [n] */
  double s2;
} linear;

static double residual(const linear *c, const gb_node *z, size_t r, size_t i)
{
  double d = c->x[i];
  for (size_t j = 0; j < z->width; j++) d -= c->W[i * z->width + j] * z->v[r * z->width + j];
  return d;
}

static gb_err linear_forward(gb_node *y)
{
  const linear *c = y->ctx;
  for (size_t r = 0; r < y->rows; r++) {
    y->term[r] = (double)c->n / 2 * log(2 * M_PI * c->s2);
    for (size_t i = 0; i < c->n; i++)
      y->term[r] += residual(c, y->in[0], r, i) * residual(c, y->in[0], r, i) / (2 * c->s2);
  }
  return GB_OK;
}

static gb_err linear_vjp(gb_node *y)
{
  const linear *c = y->ctx;
  gb_node *z = y->in[0];
  for (size_t r = 0; r < y->rows; r++)
    for (size_t j = 0; j < z->width; j++)
      for (size_t i = 0; i < c->n; i++)
        z->g[r * z->width + j] -= y->g[r] * residual(c, z, r, i) * c->W[i * z->width + j] / c->s2;
  return GB_OK;
}

static const gb_op linear_op = {"linear likelihood", linear_forward, linear_vjp};

static gb_node *linear_nll(bench *b, const linear *c, gb_node *z)
{
  return gb_graph_apply_to_copies(b->g, &linear_op, (void *)c, (gb_shape){1, 1, 0}, z->copies, 1, &z);
}

static const double decoder[] = {0.9, -0.2, 0.4, 0.1, 0.8, -0.5, -0.3, 0.6, 0.7, 0.5, 0.2, -0.6},
                    seen[] = {0.4, -0.9, 0.3, 1.2};

static void terms_have_their_gradients(void **state)
{
  (void)state;
  static const double alphas[] = {-1.5, 0, 0.5, 1, 1.04};
  static const linear c = {4, decoder, seen, 0.7};
  static const double mean[] = {0.4, -0.3, 0.2}, logvar[] = {1.1, 0.8, -0.5};
  static const gb_prior unit = {0}, prior = {mean, logvar};
  for (size_t k = 0; k < sizeof alphas / sizeof *alphas; k++)
    for (int kind = alphas[k] > 0 ? 0 : 2; kind < 4; kind++) {
      bench b;
      begin(&b);
      latents l = make_latents(&b, kind == 2 ? 5 : 1);
      if (kind == 0) {
        b.term[b.n_terms++] = gb_bound_divergence(b.g, &alphas[k], l.mu, l.logvar, k % 2 ? prior : unit);
        b.term[b.n_terms++] = gb_latent_kl(b.g, l.mu, l.logvar); /* the second one to come: is the first kept? */
      } else if (kind == 1) {
        probe_node(&b, gb_bound_escort(b.g, &alphas[k], l.mu, l.logvar, l.eps, k % 2 ? unit : prior));
      } else {
        gb_node *z = gb_bound_samples(b.g, l.mu, l.logvar, l.eps), *nll = linear_nll(&b, &c, z);
        b.term[b.n_terms++] = gb_bound_sampled(b.g, alphas[k], kind == 2 ? 1 : 2.5, nll, z, l.mu, l.logvar, l.eps);
        b.term[b.n_terms++] = gb_bound_mean(b.g, nll);
      }
      start(&b);
      draw_copies(&b, &l);
      compare(&b);
      end(&b);
    }
}

/* The worked example of test_renyi.c with latents as nodes. */
static const double W2[] = {1.0, 0.2, 0.5, -0.3, 0.0, 0.8}, x3[] = {0.7, -0.4, 1.1};
static const linear example = {3, W2, x3, 0.25};

typedef struct fixed {
  bench b;
  double alpha;
  gb_node *mu, *logvar, *eps, *z, *nll, *bound, *kl;
} fixed;
enum { ESCORT, RELBO };

static void open_fixed(fixed *f, double alpha, int kind, const gb_given *given)
{
  static const double mean[2] = {0.3, 0.6}, variance[2] = {0.15, 0.2};
  gb_shape two = {1, 1, 2};
  size_t n = 2;
  f->alpha = alpha;
  begin_rows(&f->b, 1, 1);
  gb_node *one = gb_graph_data(f->b.g, (gb_shape){1, 1, 1});
  gb_node *of_mu = weights(&f->b, "mu", 2, (size_t[]){1, 2}, 0), *a = weights(&f->b, "a", 1, &n, 0);
  gb_node *of_l = weights(&f->b, "l", 2, (size_t[]){1, 2}, 0), *c = weights(&f->b, "c", 1, &n, 0);
  f->mu = gb_dense(f->b.g, one, of_mu, a, two, GB_NONE);
  f->logvar = gb_dense(f->b.g, one, of_l, c, two, GB_NONE);
  f->eps = gb_graph_data(f->b.g, two);
  f->z = kind == ESCORT ? gb_bound_escort(f->b.g, &f->alpha, f->mu, f->logvar, f->eps, (gb_prior){0})
                        : gb_bound_scaled(f->b.g, given, f->mu, f->logvar, f->eps);
  f->nll = linear_nll(&f->b, &example, f->z);
  f->bound = kind == ESCORT ? gb_bound_divergence(f->b.g, &f->alpha, f->mu, f->logvar, (gb_prior){0})
                            : gb_bound_given(f->b.g, given, f->mu, f->logvar);
  f->kl = gb_latent_kl(f->b.g, f->mu, f->logvar);
  CHECK_OK(gb_params_freeze(f->b.p, 1));
  CHECK_OK(gb_graph_plan(f->b.g));
  double *v = gb_params_value(f->b.p);
  for (size_t j = 0; j < 2; j++) {
    v[gb_params_info(f->b.p, 1)->first + j] = mean[j];
    v[gb_params_info(f->b.p, 3)->first + j] = log(variance[j]);
  }
  one->v[0] = 0;
}

static void escort_of_the_example(void **state)
{
  (void)state;
  static const double c[][2] = {{0.25, -5.0266246527}, {0.5, -4.2205599770}, {1.1, -3.6663102643}};
  for (size_t k = 0; k < 3; k++) {
    fixed f;
    double sum = 0;
    open_fixed(&f, c[k][0], ESCORT, NULL);
    /* nll is quadratic: its mean is that over the corners of a square of one standard deviation */
    for (int corner = 0; corner < 4; corner++) {
      f.eps->v[0] = corner & 1 ? 1 : -1;
      f.eps->v[1] = corner & 2 ? 1 : -1;
      CHECK_OK(gb_graph_run(f.b.g, NULL, NULL, 1, 1));
      sum += f.nll->term[0] / 4;
    }
    CHECK_NEAR(-sum - f.bound->term[0], c[k][1], 2e-9);
    end(&f.b);
  }
}

/* What a decoder without curvature says of row `row` at mu. */
static void fill(gb_relbo *r, size_t row, double beta)
{
  static const double mu[2] = {0.3, 0.6};
  for (size_t j = 0; j < 2; j++) {
    double *score = r->score + row * 2 + j, *information = r->information + row * 4 + j * 2;
    *score = information[0] = information[1] = 0;
    for (size_t i = 0; i < 3; i++) {
      *score += W2[2 * i + j] * (x3[i] - W2[2 * i] * mu[0] - W2[2 * i + 1] * mu[1]) / 0.25 * beta;
      for (size_t q = 0; q < 2; q++) information[q] += W2[2 * i + j] * W2[2 * i + q] / 0.25 * beta;
    }
  }
}

/* The encoder's gradient with the posterior held fixed is that of -D_alpha(q||p(z|x)), which an independent program
 * gave: what comes through the sample, averaged over the corners of a square as above, and what is given. */
static void gradient_of_the_example(void **state)
{
  (void)state;
  static const double expected[4] = {0.01832309, 1.12965325, 0.02652408, 0.17846402};
  static const double mu[2] = {0.3, 0.6}, one[2] = {1, 1};
  double logvar[2] = {log(0.15), log(0.2)}, sum[4] = {0};
  gb_relbo r;
  fixed f;
  gb_node *term[2];
  CHECK_OK(gb_relbo_create(1, 2, 0.5, 1, &r));
  fill(&r, 0, 1);
  gb_relbo_group(&r, 1, (size_t[]){0}, 1, mu, logvar);
  open_fixed(&f, 0.5, RELBO, &r.loss);
  term[0] = f.nll;
  term[1] = f.bound;
  for (int corner = 0; corner < 4; corner++) {
    double grad[256];
    CHECK(gb_params_size(f.b.p) <= 256);
    f.eps->v[0] = corner & 1 ? 1 : -1;
    f.eps->v[1] = corner & 2 ? 1 : -1;
    CHECK_OK(gb_graph_run(f.b.g, NULL, NULL, 1, 1));
    CHECK_NEAR(f.bound->term[0], -0.2380668271, 1e-9);
    CHECK_OK(gb_graph_backward(f.b.g, 2, term, one, &(gb_gradient){.block = grad, .parts = 1}));
    for (size_t j = 0; j < 4; j++) sum[j] -= grad[gb_params_info(f.b.p, j < 2 ? 1 : 3)->first + j % 2] / 4;
  }
  for (size_t j = 0; j < 4; j++) CHECK_NEAR(sum[j], expected[j], 1e-8);
  end(&f.b);
  gb_relbo_destroy(&r);
}

/* The same by the stacked matrix; two identical rows and an empty lane. */
static void relbo_of_the_example(void **state)
{
  (void)state;
  static const double delta[][2] = {{0.25, 0.3759040172}, {0.5, 0.2380668271}, {1.1, -0.0425466897}};
  static const double mu[4] = {0.3, 0.6, 0.3, 0.6};
  double logvar[4] = {log(0.15), log(0.2), log(0.15), log(0.2)};
  for (size_t k = 0; k < 3; k++)
    for (int tempered = 0; tempered < 2; tempered++) {
      gb_relbo r;
      double beta = tempered ? 4 : 1;
      CHECK_OK(gb_relbo_create(2, 2, delta[k][0], beta, &r));
      for (size_t row = 0; row < 2; row++) fill(&r, row, beta);
      gb_relbo_group(&r, 2, (size_t[]){0, 1}, 1, mu, logvar);
      for (size_t row = 0; row < 2; row++) {
        CHECK_NEAR(r.loss.value[row], -delta[k][1], 1e-9);
        CHECK_NEAR(r.least[row], 1 + (1 - delta[k][0]) * ((delta[k][0] < 1 ? 0.80355737 : 0.91244263) - 1), 1e-8);
      }
      gb_relbo_destroy(&r);
    }
}

/* A q too wide for alpha = 1.3 in one direction: D_1.3 is infinite, the least weight tells, and the alpha that takes
 * its place is where that weight is GB_RENYI_LEAST: with the same eigensystem nothing else changes. */
static void outside_of_the_domain(void **state)
{
  (void)state;
  static const double mu[2] = {0.3, 0.6};
  const double logvar[2] = {log(1.5), log(0.2)}, wide = 1.3;
  gb_relbo r, lowered;
  CHECK_OK(gb_relbo_create(1, 2, wide, 1, &r));
  fill(&r, 0, 1);
  gb_relbo_group(&r, 1, (size_t[]){0}, 1, mu, logvar);
  CHECK(r.least[0] < 0);
  double top = 1 + (1 - r.least[0]) / (wide - 1), alpha = 1 + (1 - GB_RENYI_LEAST) / (top - 1);
  CHECK(alpha > 1 && alpha < wide);
  CHECK_OK(gb_relbo_create(1, 2, alpha * (1 - 1e-15), 1, &lowered));
  fill(&lowered, 0, 1);
  gb_relbo_group(&lowered, 1, (size_t[]){0}, 1, mu, logvar);
  CHECK_NEAR(lowered.least[0], GB_RENYI_LEAST, 1e-12);
  CHECK(isfinite(r.loss.value[0]) && r.loss.value[0] > 0);
  CHECK_NEAR(r.loss.value[0], lowered.loss.value[0], 1e-9 * r.loss.value[0]);
  for (size_t j = 0; j < 2; j++) {
    CHECK_NEAR(r.loss.by_mu[j], lowered.loss.by_mu[j], 1e-9 * (1 + fabs(r.loss.by_mu[j])));
    CHECK_NEAR(r.loss.by_log_var[j], lowered.loss.by_log_var[j], 1e-9 * (1 + fabs(r.loss.by_log_var[j])));
  }
  gb_relbo_destroy(&r);
  gb_relbo_destroy(&lowered);
}

/* Score and information of noisy angles against draws: <score> = 0 and <score score'> = information, with spreads that
 * depend on the latents too. */
static void information_is_the_spread_of_scores(void **state)
{
  (void)state;
  enum { DRAWS = 20000, SITES = 6, M = LATENT };
  for (int i = 0; i < 4; i++) {
    gb_noise noise = i & 1 ? GB_VON_MISES : GB_GAUSSIAN;
    bool learned = i & 2;
    bench b;
    double even = 2 * log(0.35), x[2 * SITES], score[M], information[M * M], sum[M] = {0}, sums[M * M] = {0};
    begin_rows(&b, 1, 1);
    size_t n = 3 * SITES;
    gb_node *z = source(&b, "z", (gb_shape){1, 1, M});
    gb_node *raw = gb_dense(b.g, z, weights(&b, "w", 2, (size_t[]){M, n}, 1), weights(&b, "b", 1, &n, 0.5),
                            (gb_shape){1, SITES, 3}, GB_NONE);
    gb_node *to[2] = {gb_rotor_from_vector(b.g, raw), gb_rotor_spread(b.g, raw)};
    CHECK(!gb_graph_carry(b.g, z, 2, to, 1));
    start(&b);
    for (size_t k = 0; k < SITES; k++) to[1]->v[k] -= 1.5; /* narrow enough for a Gaussian on a circle */
    CHECK_OK(gb_graph_push(b.g));
    for (uint64_t d = 0; d < DRAWS; d++) {
      for (size_t k = 0; k < SITES; k++) {
        double spread = learned ? to[1]->v[k] : even, noise_of, normal;
        gb_key key = gb_rng_key(12, GB_RNG_TEST, d * SITES + k, 0);
        gb_rng_normal(key, 1, &normal);
        noise_of = noise == GB_GAUSSIAN ? exp(spread / 2) * normal : gb_von_mises_draw(exp(-spread), key);
        double angle = atan2(to[0]->v[2 * k + 1], to[0]->v[2 * k]) + noise_of;
        sincos(angle, &x[2 * k + 1], &x[2 * k]);
      }
      gb_rotor_pull_back(noise, to[0], learned ? to[1] : NULL, even, 0, x, score, information);
      for (size_t p = 0; p < M; p++) {
        sum[p] += score[p] / DRAWS;
        for (size_t q = 0; q < M; q++) sums[p * M + q] += score[p] * score[q] / DRAWS;
      }
    }
    double trace = 0;
    for (size_t p = 0; p < M; p++) trace += information[p * M + p];
    CHECK(trace > 1);
    for (size_t p = 0; p < M; p++) {
      CHECK_NEAR(sum[p], 0, 5 * sqrt(information[p * M + p] / DRAWS));
      for (size_t q = 0; q < M; q++) CHECK_NEAR(sums[p * M + q], information[p * M + q], 0.06 * trace / M);
    }
    end(&b);
  }
}

/* A linear VAE of angles whose weights are those of two dense layers, ln gamma and ln sigma^2. */
static void joint_loss_has_its_gradient(void **state)
{
  (void)state;
  enum { N = 4, M = 2 };
  static const double h = 1e-4, alphas[] = {0.4, 1, 1.1};
  const gb_shape site = {2, 2, 1}, latent = {1, 1, M};
  const size_t shape[][2] = {{N, M}, {M, N}}, m = M, n = N, one = 1;
  double mean[N] = {0.2, -0.1, 0.3, 0.1}, covariance[N * N];
  for (size_t i = 0; i < N * N; i++) covariance[i] = i % (N + 1) == 0 ? 0.4 + 0.1 * (double)(i / N) : 0.1;
  for (int k = 0; k < 3; k++) {
    gb_params *p;
    gb_graph *g;
    gb_param id[6];
    gb_joint_loss l;
    CHECK_OK(gb_params_create(&p));
    CHECK_OK(gb_params_add(p, "V", 2, shape[0], 2, &id[0]));
    CHECK_OK(gb_params_add(p, "b", 1, &m, 0.5, &id[1]));
    CHECK_OK(gb_params_add(p, "l", 1, &m, 1, &id[2]));
    CHECK_OK(gb_params_add(p, "W", 2, shape[1], 0.3, &id[3]));
    CHECK_OK(gb_params_add(p, "c", 1, &n, 0.1, &id[4]));
    CHECK_OK(gb_params_add(p, "s", 1, &one, 0.5, &id[5]));
    CHECK_OK(gb_graph_create(p, 4, &g));
    gb_node *x = gb_graph_data(g, site), *w[6];
    for (int i = 0; i < 6; i++) w[i] = gb_graph_param(g, id[i]);
    gb_node *mu = gb_dense(g, x, w[0], w[1], latent, GB_NONE);
    gb_node *output = gb_dense(g, mu, w[3], w[4], site, GB_NONE);
    gb_node *spread = gb_rotor_shared_spread(g, w[5], site, 1, -0.5);
    CHECK_OK(gb_params_freeze(p, 4));
    CHECK_OK(gb_graph_plan(g));
    CHECK_OK(gb_joint_loss_create(p, &(gb_joint_maps){mu, output, w[2], spread, 0}, alphas[k], &l));
    CHECK_FAILS(gb_joint_loss_forward(&l), GB_ERR_CONFIG, "has not seen");
    CHECK_OK(gb_joint_data(&l.law, mean, covariance));
    l.known = true;
    size_t size = gb_params_size(p);
    double *grad = gb_alloc(size, sizeof *grad), *more = gb_alloc(size, sizeof *more), *value = gb_params_value(p);
    CHECK_OK(gb_graph_run(g, NULL, NULL, 4, 1));
    CHECK_OK(gb_joint_loss_forward(&l));
    CHECK(l.used == l.alpha);
    gb_joint_loss_backward(&l, 0.7, 4, &(gb_gradient){.block = grad, .parts = 2});
    gb_joint_loss_backward(&l, 0.7, 3, &(gb_gradient){.block = more, .parts = 1});
    gb_joint_loss_backward(&l, 0.7, 1, &(gb_gradient){.block = more, .parts = 1, .add = true});
    for (int t = 0; t < gb_params_n(p); t++) {
      const gb_param_info *info = gb_params_info(p, t);
      for (size_t i = info->first; i < info->first + info->count; i++) {
        double kept = value[i], slope = 0;
        for (int s = 0; s < 4; s++) {
          value[i] = kept + stencil[s].at * h;
          CHECK_OK(gb_graph_run(g, NULL, NULL, 4, 1));
          CHECK_OK(gb_joint_loss_forward(&l));
          slope += stencil[s].c * l.value / h;
        }
        value[i] = kept;
        CHECK_NEAR(grad[i], 4 * 0.7 * slope, 1e-8 * (1 + fabs(grad[i])));
        CHECK_NEAR(more[i], grad[i], 1e-14 * fabs(grad[i]));
        CHECK(fabs(grad[i]) > 1e-6);
      }
    }
    gb_free(&grad);
    gb_free(&more);
    gb_joint_loss_destroy(&l);
    gb_graph_destroy(&g);
    gb_params_destroy(&p);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(layers_carry_tangents),      TEST(heads_carry_tangents),    TEST(batch_norm_does_not),
      TEST(terms_have_their_gradients), TEST(escort_of_the_example),   TEST(relbo_of_the_example),
      TEST(outside_of_the_domain),      TEST(gradient_of_the_example), TEST(information_is_the_spread_of_scores),
      TEST(joint_loss_has_its_gradient)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
