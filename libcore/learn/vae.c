/* learn/vae.c - the graph of a VAE, and passes over it. */
#include "learn/vae.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ad/bound.h"
#include "ad/combine.h"
#include "ad/latent.h"
#include "ad/layers.h"
#include "ad/rotor.h"
#include "base/mem.h"
#include "base/text.h"
#include "learn/joint.h"
#include "learn/network.h"
#include "learn/relbo.h"
#include "linalg/normals.h"
#include "linalg/planar.h"
#include "linalg/renyi.h"
#include "linalg/vmath.h"
#include "linalg/von_mises.h"
#include "sim/energy.h"

static const gb_field vae_fields[] = {
    GB_WORD(
        gb_vae_opts, encoding, "cossin", "cossin|angle", GB_FIXED,
        "How angles enter the encoder and leave the decoder: as (cos, sin), without a branch cut, or as the angle."),
    GB_WORD(gb_vae_opts, align, "false", NULL, GB_FIXED,
            "Turn every sample so that its magnetisation points along x: takes the global rotation out of the data."),
    GB_WORD(gb_vae_opts, encoder, "[conv 16 stride 2, conv 32 stride 2, dense 128]", NULL, GB_FIXED,
            "Layers from the sample to the last hidden layer, in the words of the table at the end of docs/CONFIG.md. "
            "Heads are added."),
    GB_WORD(
        gb_vae_opts, decoder, "[dense 128, dense 256]", NULL, GB_FIXED,
        "Layers from the latents on. The last one is added: a convolution if they end on the lattice (L x L sites), a "
        "transposed one if they end on a coarser one, else dense."),
    GB_WORD(gb_vae_opts, activation, "elu", GB_ACTIVATIONS, GB_FIXED, "Activation of layers that name none."),
    GB_NUMBER(gb_vae_opts, latent, "4", 1, 4096, "1", GB_FIXED, "Latent variables."),
    GB_WORD(
        gb_vae_opts, likelihood, "gaussian", "gaussian|von_mises", GB_FIXED,
        "Noise about the decoded direction: Gaussian of the wrapped residual, or von Mises with kappa = 1/sigma^2."),
    GB_WORD(gb_vae_opts, spread, "learned", "learned|shared|fixed", GB_FIXED,
            "Noise. learned: sigma per site from the decoder (the G of HG-VAE); shared: one sigma for all sites and "
            "samples, a weight (homoscedastic; the shared variance of sigma-VAE, arXiv:2006.13202); fixed: "
            "model.sigma everywhere."),
    GB_NUMBER(gb_vae_opts, sigma, "0.5", 0.01, 7, "rad", GB_FIXED,
              "Standard deviation of the noise where it is fixed, and at the start where it is shared."),
    {0}};
const gb_schema gb_vae_schema = {"model", "The variational autoencoder.", sizeof(gb_vae_opts), vae_fields, NULL};

static const char *const term_names[] = {"nll", "kl", "energy", "free_bits"}, *const renyi_names[] = {
                                                                                  "nll", "kl", "energy", "renyi"};

struct gb_vae {
  gb_vae_opts opts;
  gb_objective_opts objective;
  const gb_sim *sim;
  uint64_t seed;
  size_t rows, sites;
  gb_params *params;
  gb_graph *graph;
  gb_node *vectors, *turns; /* data: (cos x, sin x) [sites, 2], x / pi [sites] (or NULL) */
  gb_node *eps, *mu, *logvar, *z, *output, *direction, *spread, *term[GB_VAE_TERMS];
  gb_node *decoded[2]; /* direction and spread of all samples; spread may be NULL */
  gb_objective_kind kind;
  gb_joint_loss joint;   /* of GB_RELBO_JOINT */
  gb_relbo relbo;        /* of GB_RELBO, and its check by samples: */
  gb_real *noise;        /* [rows, samples, latent] */
  double *log_w;         /* [rows, samples] */
  double *bound, *delta; /* [rows] what they bound ln p(x) by, less their ELBO */
  char note_name[GB_MOST_NOTES][16];
  const char *note[GB_MOST_NOTES];
  int n_notes;
  gb_draws draws;
  double *turned; /* [rows] */
  size_t last_rows;
};

const char *gb_vae_name(const gb_vae_opts *opts, const gb_objective_opts *objective)
{
  bool G = gb_is(opts->spread, "learned"), H = objective->energy_weight > 0;
  return H ? (G ? "HG-VAE" : "H-VAE") : G ? "G-VAE" : "VAE";
}

static gb_noise noise_of(const gb_vae *v)
{
  return gb_is(v->opts.likelihood, "gaussian") ? GB_GAUSSIAN : GB_VON_MISES;
}

static double fixed_spread(const gb_vae *v)
{
  return 2 * log(v->opts.sigma);
}

/* Of the ELBO without free bits the last term would always be 0: there is none. */
static int n_terms(const gb_vae *v)
{
  return v->objective.free_bits > 0 || v->kind != GB_ELBO ? GB_VAE_TERMS : GB_VAE_FREE;
}

static gb_node *sample_latents(gb_vae *v)
{
  v->eps = gb_graph_data(v->graph, (gb_shape){1, 1, (size_t)v->opts.latent});
  if (!v->eps) return NULL;
  v->eps->copies = gb_objective_samples(&v->objective);
  if (v->kind == GB_RELBO_ESCORT)
    return gb_bound_escort(v->graph, &v->objective.alpha, v->mu, v->logvar, v->eps, (gb_prior){0});
  if (v->kind == GB_RENYI_SAMPLED) return gb_bound_samples(v->graph, v->mu, v->logvar, v->eps);
  if (v->kind == GB_RELBO) return gb_bound_scaled(v->graph, &v->relbo.loss, v->mu, v->logvar, v->eps);
  return gb_latent_sample(v->graph, v->mu, v->logvar, v->eps);
}

/* The likelihood, the KL term, and what goes with them. */
static void add_bound(gb_vae *v)
{
  gb_graph *g = v->graph;
  double alpha = gb_objective_alpha(&v->objective), beta = v->objective.beta;
  gb_node *nll = gb_rotor_nll(g, noise_of(v), v->vectors, v->decoded[0], v->decoded[1], fixed_spread(v));
  v->term[GB_VAE_NLL] = v->kind == GB_RENYI_SAMPLED ? gb_bound_mean(g, nll) : nll;
  v->term[GB_VAE_KL] = gb_latent_kl(g, v->mu, v->logvar);
  gb_node **last = &v->term[GB_VAE_RENYI];
  switch (v->kind) {
  case GB_ELBO:
    if (v->objective.free_bits > 0) *last = gb_latent_free_bits(g, v->mu, v->logvar, v->objective.free_bits);
    break;
  case GB_RELBO_JOINT:
  case GB_RELBO: *last = gb_bound_given(g, &v->relbo.loss, v->mu, v->logvar); break;
  case GB_RENYI_SAMPLED: *last = gb_bound_sampled(g, alpha, beta, nll, v->z, v->mu, v->logvar, v->eps); break;
  default: *last = gb_bound_divergence(g, &v->objective.alpha, v->mu, v->logvar, (gb_prior){0});
  }
}

/* Rows whose tangents are computed together: they stay in the cache, and weights are not packed too often. */
static size_t rows_carried(const gb_vae *v)
{
  size_t groups = 256 / GB_RELBO_GROUP / (size_t)v->opts.latent;
  return GB_RELBO_GROUP * (groups < 1 ? 1 : groups > 4 ? 4 : groups);
}

/* Tangents from the latents to what is decoded. */
static void carry_tangents(gb_vae *v)
{
  int n = v->decoded[1] ? 2 : 1;
  if (v->kind != GB_RELBO || !v->decoded[0]) return;
  const gb_node *lacks = gb_graph_carry(v->graph, v->z, n, v->decoded, rows_carried(v));
  if (lacks)
    gb_graph_fail(v->graph, GB_FAIL(GB_ERR_CONFIG,
                                    "objective.kind: relbo differentiates model.decoder by the latents, row by row, "
                                    "and its `%s` mixes rows. Take "
                                    "layernorm there, objective.gradient: sampled, or another kind.",
                                    lacks->op->name));
}

/* Of all samples alike: the encoder of relbo-joint is linear. */
static gb_node *constant_logvar(gb_vae *v, gb_shape latent)
{
  gb_param id;
  gb_err e = gb_params_add(v->params, "logvar.bias", 1, &latent.c, 0, &id);
  return e ? gb_graph_fail(v->graph, e) : gb_repeat(v->graph, gb_graph_param(v->graph, id), latent);
}

static gb_node *shared_spread(gb_vae *v, gb_shape site, size_t copies)
{
  gb_param id;
  gb_err e = gb_params_add(v->params, "spread.bias", 1, (size_t[]){1}, 0, &id);
  if (e) return gb_graph_fail(v->graph, e);
  return gb_rotor_shared_spread(v->graph, gb_graph_param(v->graph, id), site, copies, fixed_spread(v));
}

static void build(gb_vae *v, gb_text *table)
{
  gb_graph *g = v->graph;
  const gb_dims *d = &v->sim->dims;
  bool vector = gb_is(v->opts.encoding, "cossin"), learned = gb_is(v->opts.spread, "learned");
  gb_shape site = {d->shape[0], d->shape[1], 1}, pair = {site.h, site.w, 2}, latent = {1, 1, (size_t)v->opts.latent};
  gb_shape raw = {site.h, site.w, (vector ? 2 : 1) + (learned ? 1 : 0)};
  v->vectors = gb_graph_data(g, pair);
  if (!vector) v->turns = gb_graph_data(g, site);
  gb_style style = {&v->draws, v->opts.activation, GB_INIT_GAIN, table};
  gb_node *h = gb_network_build(g, &style, "model.encoder", NULL, v->opts.encoder, vector ? v->vectors : v->turns);
  v->mu = gb_network_dense_head(g, &style, "mu", h, latent);
  v->logvar = gb_is(v->objective.kind, "relbo-joint") ? constant_logvar(v, latent)
                                                      : gb_network_dense_head(g, &style, "logvar", h, latent);
  v->z = sample_latents(v);
  h = gb_network_build(g, &style, "model.decoder", NULL, v->opts.decoder, v->z);
  v->output = h = gb_network_site_head(g, &style, "output", h, raw);
  v->decoded[0] = v->direction = vector ? gb_rotor_from_vector(g, h) : gb_rotor_from_angle(g, h);
  v->decoded[1] = v->spread = learned                                ? gb_rotor_spread(g, h)
                              : h && gb_is(v->opts.spread, "shared") ? shared_spread(v, site, h->copies)
                                                                     : NULL;
  if (h && h->copies > 1) {
    v->direction = gb_pick(g, v->direction, 0);
    if (v->spread) v->spread = gb_pick(g, v->spread, 0);
  }
  carry_tangents(v);
  add_bound(v);
  gb_node *field = v->direction;
  if (gb_is(v->objective.energy_mode, "expected"))
    field = gb_rotor_expected(g, noise_of(v), v->direction, v->spread, fixed_spread(v));
  if (gb_is(v->objective.energy_mode, "sample"))
    field = gb_rotor_sample(g, noise_of(v), v->direction, v->spread, fixed_spread(v), &v->draws);
  v->term[GB_VAE_ENERGY] = gb_energy_term(g, v->sim, field, v->vectors);
}

/* What validations say beside the terms. Each kind has those before it in the list, and a KL of every latent. */
enum { NOTE_ACTIVE, NOTE_OUTSIDE, NOTE_LEAST, NOTE_LINEAR, NOTE_SAMPLED, NOTES };

static int notes_before_kl(const gb_vae *v)
{
  return v->kind == GB_RELBO                                 ? NOTES
         : v->kind == GB_ELBO || v->kind == GB_RENYI_SAMPLED ? NOTE_ACTIVE + 1
                                                             : NOTE_OUTSIDE + 1;
}

static void name_notes(gb_vae *v)
{
  static const char *const first[NOTES] = {"active_units", "outside", "least_w", "delta_linear", "delta_sampled"};
  int n = notes_before_kl(v);
  for (int k = 0; k < n; k++) snprintf(v->note_name[k], sizeof v->note_name[k], "%s", first[k]);
  for (int64_t j = 0; j < v->opts.latent && n < GB_MOST_NOTES; j++, n++)
    snprintf(v->note_name[n], sizeof v->note_name[n], "kl_%d", (int)j);
  for (int k = 0; k < n; k++) v->note[k] = v->note_name[k];
  v->n_notes = n;
}

static gb_err prepare_check(gb_vae *v)
{
  size_t m = (size_t)v->opts.latent, n = v->rows * (size_t)v->objective.samples;
  GB_TRY(gb_relbo_create(v->rows, m, v->objective.alpha, v->objective.beta, &v->relbo));
  GB_TRY(gb_new(&v->noise, n * m));
  GB_TRY(gb_new(&v->log_w, n));
  GB_TRY(gb_new(&v->bound, v->rows));
  return gb_new(&v->delta, v->rows);
}

enum { JOINT_MOST = 256 }; /* sites: beyond, a pass would take seconds */

/* Is the model linear, and its noise the same for all samples? */
static gb_err check_linear(const gb_vae_opts *o, size_t sites)
{
  static const char cure[] = "Change that, or take another kind: relbo for other decoders.";
  static const char why[] = "objective.kind: relbo-joint is for linear-Gaussian models, but";
  GB_CHECK(!o->encoder.n && !o->decoder.n, GB_ERR_CONFIG,
           "%s model.%s[0] is `%s`: it wants encoder: [] and decoder: []. %s", why,
           o->encoder.n ? "encoder" : "decoder", o->encoder.n ? o->encoder.v[0] : o->decoder.v[0], cure);
  GB_CHECK(gb_is(o->encoding, "angle"), GB_ERR_CONFIG, "%s model.encoding = %s: it wants angle. %s", why, o->encoding,
           cure);
  GB_CHECK(gb_is(o->likelihood, "gaussian"), GB_ERR_CONFIG, "%s model.likelihood = %s: it wants gaussian. %s", why,
           o->likelihood, cure);
  GB_CHECK(!gb_is(o->spread, "learned"), GB_ERR_CONFIG,
           "%s model.spread = learned depends on the latents: it wants shared or fixed. %s", why, cure);
  GB_CHECK(sites <= JOINT_MOST, GB_ERR_CONFIG,
           "%s samples have %zu sites, whose covariance it factorises at every step: at most %d. Take a smaller "
           "lattice, or another kind.",
           why, sites, JOINT_MOST);
  return GB_OK;
}

static gb_err prepare_joint(gb_vae *v)
{
  const gb_joint_maps maps = {v->mu, v->output, v->logvar->in[0], v->spread, fixed_spread(v)};
  GB_TRY(gb_new(&v->relbo.loss.value, v->rows));
  return gb_joint_loss_create(v->params, &maps, v->objective.alpha, &v->joint);
}

gb_err gb_vae_create(const gb_vae_opts *opts, const gb_objective_opts *objective, const gb_sim *sim, size_t rows,
                     uint64_t seed, gb_text *table, gb_vae **out)
{
  gb_text unused = {0};
  gb_vae *v = NULL;
  gb_err e = GB_OK;
  *out = NULL;
  GB_CHECK(sim->kind->ensemble && sim->dims.ndim == 2 && gb_is(sim->dims.unit, "rad"), GB_ERR_CONFIG,
           "run.physics = %s: this model describes two-dimensional fields of angles with an energy", sim->kind->name);
  GB_CHECK(
      gb_objective_kind_of(objective) != GB_RELBO || opts->latent <= GB_RENYI_MOST, GB_ERR_CONFIG,
      "model.latent = %lld: objective.kind: relbo takes up to %d latents. Take objective.gradient: sampled for more.",
      (long long)opts->latent, GB_RENYI_MOST);
  if (gb_objective_kind_of(objective) == GB_RELBO_JOINT) GB_TRY(check_linear(opts, sim->dims.n));
  GB_TRY(gb_new(&v, 1));
  *v = (gb_vae){.opts = *opts, .objective = *objective, .sim = sim, .seed = seed, .rows = rows, .sites = sim->dims.n};
  v->draws.seed = seed;
  v->kind = gb_objective_kind_of(objective);
  name_notes(v);
  if (v->kind == GB_RELBO) GB_GOTO(e, prepare_check(v), failed);
  GB_GOTO(e, gb_new(&v->turned, rows), failed);
  GB_GOTO(e, gb_params_create(&v->params), failed);
  GB_GOTO(e, gb_graph_create(v->params, rows, &v->graph), failed);
  build(v, table ? table : &unused);
  GB_GOTO(e, gb_params_freeze(v->params, seed), failed);
  GB_GOTO(e, gb_graph_plan(v->graph), failed);
  if (v->kind == GB_RELBO_JOINT) GB_GOTO(e, prepare_joint(v), failed);
  gb_text_free(&unused);
  *out = v;
  return GB_OK;
failed:
  gb_text_free(&unused);
  gb_vae_destroy(&v);
  return e;
}

void gb_vae_destroy(gb_vae **vae)
{
  if (!*vae) return;
  gb_graph_destroy(&(*vae)->graph);
  gb_params_destroy(&(*vae)->params);
  gb_free(&(*vae)->turned);
  gb_relbo_destroy(&(*vae)->relbo);
  gb_joint_loss_destroy(&(*vae)->joint);
  gb_free(&(*vae)->noise);
  gb_free(&(*vae)->log_w);
  gb_free(&(*vae)->bound);
  gb_free(&(*vae)->delta);
  gb_free(vae);
}

gb_params *gb_vae_params(gb_vae *v)
{
  return v->params;
}

/* Fill the data nodes with n samples. */
static void load(gb_vae *v, size_t n, const float *x)
{
  for (size_t r = 0; r < n; r++) {
    gb_real *vector = v->vectors->v + 2 * r * v->sites;
    v->turned[r] = gb_planar_vectors(v->sites, x + r * v->sites, v->opts.align, vector);
    if (v->turns) gb_planar_half_turns(v->sites, vector, v->turns->v + r * v->sites);
  }
}

/* An energy term without weight costs as much as all other work on sites: only validations compute it. */
static unsigned idle(const gb_vae *v)
{
  return v->objective.energy_weight > 0 && !v->objective.evidence ? 0 : 1u << GB_VAE_ENERGY;
}

/* One row of a group: what its decoded sites say of its latents. */
static void pull_back(gb_vae *v, size_t decoded, size_t lane, size_t row)
{
  size_t m = v->z->width;
  gb_rotor_pull_back(noise_of(v), v->decoded[0], v->decoded[1], fixed_spread(v), decoded,
                     v->vectors->v + 2 * row * v->sites, v->relbo.score + lane * m,
                     v->relbo.information + lane * m * m);
}

/* The decoder and its Jacobian at the means of q, for the term that wants them: a few rows at a time, whose tangents
 * stay in the cache. The latents are overwritten. Of a training batch, every so many-th row, counted from its first:
 * batches come in an order drawn at random. */
static gb_err linearise(gb_vae *v, size_t n, gb_pass pass)
{
  size_t m = v->z->width, most = rows_carried(v), every = pass.training ? (size_t)v->objective.linearise_every : 1;
  size_t start = (every - pass.first_row % every) % every, all = start < n ? (n - start + every - 1) / every : 0;
  const gb_node *last = v->decoded[v->decoded[1] ? 1 : 0];
  for (size_t r = 0; r < n && every > 1; r++) gb_relbo_leave_out(&v->relbo, r);
  for (size_t first = 0, count; first < all; first += count) {
    size_t row[GB_RELBO_GROUP];
    count = all - first < most ? all - first : most;
    for (size_t i = 0; i < count; i++)
      memcpy(v->z->v + i * m, v->mu->v + (start + (first + i) * every) * m, m * sizeof *v->z->v);
    v->draws.first_row = (pass.first_row + start) / every + first;
    GB_TRY(gb_graph_run(v->graph, v->z, last, count, 1));
    GB_TRY(gb_graph_push(v->graph));
    for (size_t i = 0; i < count; i++) {
      size_t lane = i % GB_RELBO_GROUP;
      row[lane] = start + (first + i) * every;
      pull_back(v, i, lane, row[lane]);
      if (lane + 1 == GB_RELBO_GROUP || i + 1 == count)
        gb_relbo_group(&v->relbo, lane + 1, row, (double)every, v->mu->v, v->logvar->v);
    }
  }
  v->draws.first_row = pass.first_row;
  return GB_OK;
}

/* The bound that a linearised decoder only estimates, from samples of q: the first of them is that of nll. */
static gb_err check_by_samples(gb_vae *v, size_t n, gb_pass pass)
{
  size_t m = v->z->width, samples = (size_t)v->objective.samples;
  gb_normals(v->seed, GB_RNG_LATENT, pass.first_row, pass.step, n, samples * m, samples * m, v->noise);
  for (size_t k = 0; k < samples; k++) {
    for (size_t i = 0; i < n * m; i++)
      v->z->v[i] = v->mu->v[i] + gb_exp(v->logvar->v[i] / 2) * v->noise[(i / m * samples + k) * m + i % m];
    GB_TRY(gb_graph_run(v->graph, v->z, v->term[GB_VAE_NLL], n, 1));
    for (size_t r = 0; r < n; r++) {
      double sum = -v->term[GB_VAE_NLL]->term[r] / v->objective.beta;
      for (size_t j = 0; j < m; j++) {
        double e = (double)v->noise[(r * samples + k) * m + j], z = (double)v->z->v[r * m + j];
        sum += (e * e - z * z + (double)v->logvar->v[r * m + j]) / 2;
      }
      v->log_w[r * samples + k] = sum;
    }
  }
  for (size_t r = 0; r < n; r++) {
    const double *log_w = v->log_w + r * samples;
    v->bound[r] = gb_renyi_bound(v->objective.alpha, samples, log_w, NULL);
    v->delta[r] = v->bound[r] - gb_renyi_bound(1, samples, log_w, NULL);
  }
  return GB_OK;
}

/* Validations judge by what was sampled: nll + beta (kl + renyi) = -beta bound. */
static void use_bounds(gb_vae *v, size_t n)
{
  for (size_t r = 0; r < n; r++) {
    double elbo = -v->term[GB_VAE_NLL]->term[r] / v->objective.beta - v->term[GB_VAE_KL]->term[r];
    v->term[GB_VAE_RENYI]->term[r] = elbo - v->bound[r];
  }
}

/* A number of all rows: what nll and kl are not of it is the rest. */
static gb_err use_joint(gb_vae *v, size_t n)
{
  GB_TRY(gb_joint_loss_forward(&v->joint));
  for (size_t r = 0; r < n; r++)
    v->term[GB_VAE_RENYI]->term[r] = v->joint.value - v->term[GB_VAE_NLL]->term[r] - v->term[GB_VAE_KL]->term[r];
  return GB_OK;
}

static const gb_real *half_turns(void *self, size_t n, const float *x)
{
  gb_vae *v = self;
  load(v, n, x);
  return v->turns->v;
}

static gb_err prepare(void *self, gb_comm c, gb_dataset *data)
{
  gb_vae *v = self;
  return gb_joint_loss_prepare(&v->joint, c, data, v->rows, half_turns, v);
}

static gb_err forward(void *self, size_t n, size_t parts, const float *x, gb_pass pass, const double *term[])
{
  gb_vae *v = self;
  size_t m = v->eps->width * v->eps->copies;
  load(v, n, x);
  gb_normals(v->seed, GB_RNG_LATENT, pass.first_row, pass.step, n, m, m, v->eps->v);
  v->draws.step = pass.step;
  v->draws.first_row = pass.first_row;
  v->draws.training = pass.training;
  v->last_rows = n;
  unsigned out = pass.training || v->objective.evidence ? idle(v) : 0;
  gb_node *last = v->term[n_terms(v) > GB_VAE_FREE ? GB_VAE_FREE : GB_VAE_KL]; /* before the energy */
  if (v->kind == GB_RELBO) {
    GB_TRY(gb_graph_run(v->graph, NULL, v->logvar, n, parts));
    GB_TRY(linearise(v, n, pass));
    if (!pass.training) GB_TRY(check_by_samples(v, n, pass));
  }
  GB_TRY(gb_graph_run(v->graph, v->kind == GB_RELBO ? v->logvar : NULL, out ? last : NULL, n, parts));
  if (v->kind == GB_RELBO && !pass.training) use_bounds(v, n);
  if (v->kind == GB_RELBO_JOINT) GB_TRY(use_joint(v, n));
  for (int k = 0; k < n_terms(v); k++) term[k] = out >> k & 1 ? NULL : v->term[k]->term;
  return GB_OK;
}

static double kl_of_latent(const gb_vae *v, size_t row, size_t j)
{
  size_t i = row * v->mu->width + j;
  double l = (double)v->logvar->v[i];
  return gb_renyi_kl(exp(l), exp(l / 2) * (double)v->mu->v[i]);
}

static void note_row(const void *self, size_t row, double *note)
{
  const gb_vae *v = self;
  double alpha = gb_objective_alpha(&v->objective), top = -INFINITY;
  size_t m = v->mu->width;
  int first = notes_before_kl(v);
  for (size_t j = 0; j < m; j++) top = fmax(top, exp((double)v->logvar->v[row * m + j]));
  for (int k = first; k < v->n_notes; k++) note[k] = kl_of_latent(v, row, (size_t)(k - first));
  note[NOTE_ACTIVE] = 0;
  if (first > NOTE_OUTSIDE) note[NOTE_OUTSIDE] = gb_renyi_alpha(alpha, top) != alpha;
  if (v->kind == GB_RELBO_JOINT) note[NOTE_OUTSIDE] = v->joint.used != v->joint.alpha;
  if (v->kind != GB_RELBO) return;
  note[NOTE_OUTSIDE] = alpha > 1 && v->relbo.least[row] < GB_RENYI_LEAST;
  note[NOTE_LEAST] = v->relbo.least[row];
  note[NOTE_LINEAR] = -v->relbo.loss.value[row];
  note[NOTE_SAMPLED] = v->delta[row];
}

/* A latent is active if its KL is above 0.01 nats on average. */
static void note_all(const void *self, double *note)
{
  const gb_vae *v = self;
  int n = 0;
  for (int k = notes_before_kl(v); k < v->n_notes; k++) n += note[k] > 0.01;
  note[NOTE_ACTIVE] = n;
}

static gb_weight weigh(const void *self, size_t row, double *mean)
{
  const gb_vae *v = self;
  size_t m = v->mu->width;
  gb_weight w = {-v->term[GB_VAE_NLL]->term[row], 0};
  for (size_t j = 0; j < m; j++) {
    double e = (double)v->eps->v[row * m + j], z = (double)v->z->v[row * m + j];
    w.ratio += (e * e - z * z + (double)v->logvar->v[row * m + j]) / 2;
    if (mean) mean[j] = (double)v->mu->v[row * m + j];
  }
  return w;
}

static gb_err backward(void *self, const double *weight, const gb_gradient *out)
{
  gb_vae *v = self;
  gb_node *term[GB_VAE_TERMS];
  double of[GB_VAE_TERMS];
  int n = 0;
  if (v->kind == GB_RELBO_JOINT) {
    gb_joint_loss_backward(&v->joint, weight[GB_VAE_RENYI], v->last_rows, out);
    return GB_OK;
  }
  for (int k = 0; k < n_terms(v); k++) {
    if (weight[k] == 0 || (k == GB_VAE_KL && v->kind == GB_RELBO)) continue; /* whose gradient is in v->relbo.loss */
    term[n] = v->term[k];
    of[n++] = weight[k];
  }
  return gb_graph_backward(v->graph, n, term, of, out);
}

static void weights(const void *self, uint64_t step, double *weight)
{
  const gb_vae *v = self;
  const gb_objective_opts *o = &v->objective;
  weight[GB_VAE_NLL] = 1;
  weight[GB_VAE_KL] = gb_objective_has_kl(o) ? gb_objective_beta(o, step) : 0;
  weight[GB_VAE_ENERGY] = gb_objective_warmed(o->energy_weight, step, o->energy_start, o->energy_warmup);
  if (n_terms(v) > GB_VAE_FREE) weight[GB_VAE_FREE] = gb_objective_beta(o, step);
}

static void destroy(void **self)
{
  gb_vae *v = *self;
  gb_vae_destroy(&v);
  *self = NULL;
}

gb_model gb_vae_model(gb_vae *v)
{
  return (gb_model){.self = v,
                    .destroy = destroy,
                    .name = gb_vae_name(&v->opts, &v->objective),
                    .params = v->params,
                    .graph = v->graph,
                    .rows = v->rows,
                    .n_terms = n_terms(v),
                    .term = v->kind == GB_ELBO ? term_names : renyi_names,
                    .idle = idle(v),
                    .whole_shards = gb_params_have_statistics(v->params),
                    .prepare = v->kind == GB_RELBO_JOINT ? prepare : NULL,
                    .forward = forward,
                    .backward = backward,
                    .weights = weights,
                    .n_notes = v->n_notes,
                    .note = v->note,
                    .least = v->kind == GB_RELBO ? 1u << NOTE_LEAST : 0,
                    .note_row = note_row,
                    .note_all = note_all,
                    .latents = v->mu->width,
                    .weigh = v->kind == GB_ELBO ? weigh : NULL};
}

gb_err gb_vae_decode(gb_vae *v, size_t n, const gb_real *z, const double *turned)
{
  v->last_rows = n;
  v->draws.training = false;
  for (size_t r = 0; r < n; r++) v->turned[r] = turned ? turned[r] : 0;
  for (size_t r = 0; r < n; r++)
    memcpy(v->z->v + r * v->z->copies * v->z->width, z + r * v->z->width, v->z->width * sizeof *z);
  return gb_graph_run(v->graph, v->z, v->spread ? v->spread : v->direction, n, 1);
}

gb_vae_view gb_vae_look(const gb_vae *v)
{
  gb_vae_view w = {.rows = v->last_rows,
                   .latent = v->z->width,
                   .sites = v->sites,
                   .mu = v->mu->v,
                   .logvar = v->logvar->v,
                   .z = v->z->v,
                   .samples = v->z->copies,
                   .direction = v->direction->v,
                   .spread = v->spread ? v->spread->v : NULL,
                   .fixed_spread = fixed_spread(v),
                   .turned = v->turned};
  for (int k = 0; k < n_terms(v); k++) w.term[k] = v->term[k]->term;
  return w;
}

void gb_vae_output(const gb_vae *v, bool noisy, gb_pass pass, float *x)
{
  gb_vae_view w = gb_vae_look(v);
  for (size_t r = 0; r < w.rows; r++)
    for (size_t i = 0; i < w.sites; i++) {
      size_t k = r * w.sites + i;
      double a = atan2((double)w.direction[2 * k + 1], (double)w.direction[2 * k]) + w.turned[r];
      if (noisy) {
        gb_key key = gb_rng_key(v->seed, GB_RNG_OUTPUT, (pass.first_row + r) * w.sites + i, pass.step);
        double spread = w.spread ? (double)w.spread[k] : w.fixed_spread;
        gb_real normal;
        if (noise_of(v) == GB_GAUSSIAN) {
          gb_rng_normal(key, 1, &normal);
          a += exp(spread / 2) * (double)normal;
        } else {
          a += gb_von_mises_draw(exp(-spread), key);
        }
      }
      x[k] = (float)remainder(a, 2 * M_PI);
    }
}

/* Mean resultant length of the noise of a site. */
static double length_of(const gb_vae *v, double spread)
{
  return noise_of(v) == GB_GAUSSIAN ? exp(-exp(spread) / 2) : gb_von_mises_length(exp(-spread));
}

void gb_vae_squares(const gb_vae *v, double *square)
{
  for (size_t r = 0; r < v->last_rows; r++) {
    square[r] = 0;
    for (size_t k = r * v->sites; k < (r + 1) * v->sites; k++) {
      const gb_real *x = v->vectors->v + 2 * k, *u = v->direction->v + 2 * k;
      double c = (double)x[0] * (double)u[0] + (double)x[1] * (double)u[1];
      double s = (double)x[1] * (double)u[0] - (double)x[0] * (double)u[1], turn = atan2(s, c) / M_PI;
      double length = length_of(v, v->spread ? (double)v->spread->v[k] : fixed_spread(v));
      square[r] += v->turns ? turn * turn : 1 - length * (2 * c - length);
    }
  }
}
