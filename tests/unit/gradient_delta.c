/* tests/unit/gradient_delta.c - in double: how good Delta of a linearised decoder is, against draws, where the spread
 * of the noise depends on the latents too. */
#include "ad/rotor.h"
#include "gradient_bench.h"
#include "learn/relbo.h"
#include "linalg/renyi.h"

enum { M = 3, SITES = 64, ROWS = 500, PASSES = 20, SAMPLES = 8 };

/* A decoder of angles with a learned spread, and one sample x. */
typedef struct decoder {
  bench b;
  gb_node *z, *u, *l, *x, *nll;
} decoder;

/* What latents do to angles and to ln sigma^2, in units of the weights; sigma where they are 0. */
typedef struct kind {
  double angle, spread, sigma;
} kind;

static void open_decoder(decoder *d, kind of)
{
  size_t hidden = 24, n = 3 * SITES;
  gb_shape pair = {1, SITES, 2};
  begin_rows(&d->b, ROWS, 1);
  gb_graph *g = d->b.g;
  d->z = gb_graph_data(g, (gb_shape){1, 1, M});
  d->x = gb_graph_data(g, pair);
  gb_node *in = weights(&d->b, "in", 2, (size_t[]){M, hidden}, 0.25), *shift = weights(&d->b, "shift", 1, &hidden, 1);
  gb_node *out = weights(&d->b, "out", 2, (size_t[]){hidden, n}, 0.5), *middle = weights(&d->b, "middle", 1, &n, 1);
  gb_node *h = gb_dense(g, d->z, in, shift, (gb_shape){1, 1, hidden}, GB_TANH);
  gb_node *raw = gb_dense(g, h, out, middle, (gb_shape){1, SITES, 3}, GB_NONE);
  d->u = gb_rotor_from_vector(g, raw);
  d->l = gb_rotor_spread(g, raw);
  d->nll = gb_rotor_nll(g, GB_GAUSSIAN, d->x, d->u, d->l, 0);
  CHECK(!gb_graph_carry(g, d->z, 2, (gb_node *[]){d->u, d->l}, 1));
  CHECK_OK(gb_params_freeze(d->b.p, 17));
  CHECK_OK(gb_graph_plan(g));
  double *v = gb_params_value(d->b.p), *w = v + gb_params_info(d->b.p, 2)->first,
         *c = v + gb_params_info(d->b.p, 3)->first;
  for (size_t i = 0; i < 3 * hidden * SITES; i++) w[i] *= i % 3 == 2 ? of.spread : of.angle;
  for (size_t i = 0; i < SITES; i++) { /* directions of length near 2 */
    c[3 * i + 2] = 2 * log(of.sigma);
    sincos(7.0 * (double)i, &c[3 * i], &c[3 * i + 1]);
    c[3 * i] *= 2;
    c[3 * i + 1] *= 2;
  }
}

/* Draw x of the model at latents `at`, into all rows. */
static void draw_sample(decoder *d, uint64_t index, const double *at)
{
  memcpy(d->z->v, at, M * sizeof *at);
  CHECK_OK(gb_graph_run(d->b.g, NULL, d->l, 1, 1));
  for (size_t k = 0; k < SITES; k++) {
    double normal;
    gb_rng_normal(gb_rng_key(21, GB_RNG_TEST, index * SITES + k, 0), 1, &normal);
    double angle = atan2(d->u->v[2 * k + 1], d->u->v[2 * k]) + exp(d->l->v[k] / 2) * normal;
    sincos(angle, &d->x->v[2 * k + 1], &d->x->v[2 * k]);
  }
  for (size_t r = 1; r < ROWS; r++) memcpy(d->x->v + 2 * SITES * r, d->x->v, 2 * SITES * sizeof *d->x->v);
}

/* Delta of the linearised decoder; with `still` as if the spread did not depend on the latents. */
static double linear_delta(decoder *d, gb_relbo *r, const double *mu, const double *logvar, bool still)
{
  gb_node l = *d->l;
  memcpy(d->z->v, mu, M * sizeof *mu);
  CHECK_OK(gb_graph_run(d->b.g, NULL, d->l, 1, 1));
  CHECK_OK(gb_graph_push(d->b.g));
  if (still) l.t = NULL;
  gb_rotor_pull_back(GB_GAUSSIAN, d->u, still ? &l : d->l, 0, 0, d->x->v, r->score, r->information);
  gb_relbo_group(r, 1, (size_t[]){0}, 1, mu, logvar);
  return -r->loss.value[0];
}

/* The bound of many draws less the ELBO of the same. */
static double sampled_delta(decoder *d, double alpha, const double *mu, const double *logvar)
{
  static double log_w[ROWS * PASSES], e[ROWS * M];
  for (uint64_t p = 0; p < PASSES; p++) {
    gb_rng_normal(gb_rng_key(22, GB_RNG_TEST, p, 0), ROWS * M, e);
    for (size_t i = 0; i < ROWS * M; i++) d->z->v[i] = mu[i % M] + exp(logvar[i % M] / 2) * e[i];
    CHECK_OK(gb_graph_run(d->b.g, NULL, NULL, ROWS, 1));
    for (size_t r = 0; r < ROWS; r++) {
      double sum = -d->nll->term[r];
      for (size_t j = 0; j < M; j++) {
        double z = d->z->v[r * M + j];
        sum += (e[r * M + j] * e[r * M + j] - z * z + logvar[j]) / 2;
      }
      log_w[p * ROWS + r] = sum;
    }
  }
  return gb_renyi_bound(alpha, ROWS * PASSES, log_w, NULL) - gb_renyi_bound(1, ROWS * PASSES, log_w, NULL);
}

/* What an encoder may say: a variance half as large again as the diagonal of the posterior's precision has it, and a
 * standard deviation away from its mode in every direction. */
static void place(decoder *d, gb_relbo *r, const double *at, double *mu, double *logvar)
{
  double even[M] = {0};
  for (size_t j = 0; j < M; j++) mu[j] = at[j];
  for (int step = 0; step < 12; step++) { /* towards the mode, coordinate by coordinate */
    linear_delta(d, r, mu, even, false);
    for (size_t j = 0; j < M; j++) {
      double precision = 1 + r->information[j * M + j];
      mu[j] += 0.4 * (r->score[j] - mu[j]) / precision;
      logvar[j] = log(1.5 / precision);
    }
  }
  for (size_t j = 0; j < M; j++) mu[j] += exp(logvar[j] / 2);
}

/* Sums over samples of |error| and of Delta by draws. */
typedef struct quality {
  double whole, still, delta;
} quality;

static quality measure(double alpha, kind of)
{
  quality q = {0};
  gb_relbo r;
  decoder d;
  CHECK_OK(gb_relbo_create(1, M, alpha, 1, &r));
  open_decoder(&d, of);
  for (uint64_t s = 0; s < SAMPLES; s++) {
    double at[M], mu[M], logvar[M];
    gb_rng_normal(gb_rng_key(20, GB_RNG_TEST, s, 0), M, at);
    draw_sample(&d, s, at);
    place(&d, &r, at, mu, logvar);
    double sampled = sampled_delta(&d, alpha, mu, logvar);
    q.whole += fabs(linear_delta(&d, &r, mu, logvar, false) - sampled);
    q.still += fabs(linear_delta(&d, &r, mu, logvar, true) - sampled);
    q.delta += sampled;
  }
  gb_relbo_destroy(&r);
  end(&d.b);
  return q;
}

static void spreads_that_depend_on_latents(void **state)
{
  static const struct {
    kind of;
    double most, least; /* errors of Delta, relative: of the whole, at most; without the block of spreads, at least */
  } c[] = {{{1, 0, 0.3}, 0.25, 0},    {{1, 2, 0.3}, 0.12, 0.15}, {{0, 4, 0.3}, 0.15, 0.5},  {{1, 0, 0.1}, 0.10, 0},
           {{1, 2, 0.1}, 0.05, 0.05}, {{0, 4, 0.1}, 0.13, 0.5},  {{1, 2, 0.03}, 0.03, 0.02}};
  (void)state;
  for (size_t k = 0; k < sizeof c / sizeof *c; k++) {
    quality q = measure(0.5, c[k].of);
    CHECK(q.delta > SAMPLES);
    CHECK(q.whole < c[k].most * q.delta && q.still > c[k].least * q.delta);
    CHECK(c[k].of.spread > 0 || q.still == q.whole);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(spreads_that_depend_on_latents)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
