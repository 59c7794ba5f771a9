/* learn/vae.c - the graph of a VAE, and passes over it. */
#include "learn/vae.h"

#include <math.h>
#include <string.h>

#include "ad/latent.h"
#include "ad/layers.h"
#include "ad/rotor.h"
#include "base/mem.h"
#include "base/text.h"
#include "learn/network.h"
#include "linalg/normals.h"
#include "linalg/planar.h"
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
    GB_WORD(gb_vae_opts, spread, "learned", "learned|fixed", GB_FIXED,
            "sigma per site from the decoder (the G of HG-VAE), or model.sigma everywhere."),
    GB_NUMBER(gb_vae_opts, sigma, "0.5", 0.01, 7, "rad", GB_FIXED,
              "Standard deviation of the noise where it is fixed."),
    {0}};
const gb_schema gb_vae_schema = {"model", "The variational autoencoder.", sizeof(gb_vae_opts), vae_fields, NULL};

static const char *const term_names[GB_VAE_TERMS] = {"nll", "kl", "energy", "free_bits"};

struct gb_vae {
  gb_vae_opts opts;
  gb_objective_opts objective;
  const gb_sim *sim;
  uint64_t seed;
  size_t rows, sites;
  gb_params *params;
  gb_graph *graph;
  gb_node *vectors, *turns; /* data: (cos x, sin x) [sites, 2], x / pi [sites] (or NULL) */
  gb_node *eps, *mu, *logvar, *z, *direction, *spread, *term[GB_VAE_TERMS];
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

/* Without free bits that term would always be 0: there is none. */
static int n_terms(const gb_vae *v)
{
  return v->objective.free_bits > 0 ? GB_VAE_TERMS : GB_VAE_FREE;
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
  v->logvar = gb_network_dense_head(g, &style, "logvar", h, latent);
  v->eps = gb_graph_data(g, latent);
  v->z = gb_latent_sample(g, v->mu, v->logvar, v->eps);
  h = gb_network_build(g, &style, "model.decoder", NULL, v->opts.decoder, v->z);
  h = gb_network_site_head(g, &style, "output", h, raw);
  v->direction = vector ? gb_rotor_from_vector(g, h) : gb_rotor_from_angle(g, h);
  v->spread = learned ? gb_rotor_spread(g, h) : NULL;
  v->term[GB_VAE_NLL] = gb_rotor_nll(g, noise_of(v), v->vectors, v->direction, v->spread, fixed_spread(v));
  v->term[GB_VAE_KL] = gb_latent_kl(g, v->mu, v->logvar);
  if (n_terms(v) > GB_VAE_FREE) v->term[GB_VAE_FREE] = gb_latent_free_bits(g, v->mu, v->logvar, v->objective.free_bits);
  gb_node *field = v->direction;
  if (gb_is(v->objective.energy_mode, "expected"))
    field = gb_rotor_expected(g, noise_of(v), v->direction, v->spread, fixed_spread(v));
  if (gb_is(v->objective.energy_mode, "sample"))
    field = gb_rotor_sample(g, noise_of(v), v->direction, v->spread, fixed_spread(v), &v->draws);
  v->term[GB_VAE_ENERGY] = gb_energy_term(g, v->sim, field, v->vectors);
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
  GB_TRY(gb_new(&v, 1));
  *v = (gb_vae){.opts = *opts, .objective = *objective, .sim = sim, .seed = seed, .rows = rows, .sites = sim->dims.n};
  v->draws.seed = seed;
  GB_GOTO(e, gb_new(&v->turned, rows), failed);
  GB_GOTO(e, gb_params_create(&v->params), failed);
  GB_GOTO(e, gb_graph_create(v->params, rows, &v->graph), failed);
  build(v, table ? table : &unused);
  GB_GOTO(e, gb_params_freeze(v->params, seed), failed);
  GB_GOTO(e, gb_graph_plan(v->graph), failed);
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
  return v->objective.energy_weight > 0 ? 0 : 1u << GB_VAE_ENERGY;
}

static gb_err forward(void *self, size_t n, size_t parts, const float *x, gb_pass pass, const double *term[])
{
  gb_vae *v = self;
  size_t m = v->eps->width;
  load(v, n, x);
  gb_normals(v->seed, GB_RNG_LATENT, pass.first_row, pass.step, n, m, m, v->eps->v);
  v->draws.step = pass.step;
  v->draws.first_row = pass.first_row;
  v->draws.training = pass.training;
  v->last_rows = n;
  unsigned out = pass.training ? idle(v) : 0;
  gb_node *last = v->term[n_terms(v) > GB_VAE_FREE ? GB_VAE_FREE : GB_VAE_KL]; /* before the energy */
  GB_TRY(gb_graph_run(v->graph, NULL, out ? last : NULL, n, parts));
  for (int k = 0; k < n_terms(v); k++) term[k] = out >> k & 1 ? NULL : v->term[k]->term;
  return GB_OK;
}

static gb_err backward(void *self, const double *weight, const gb_gradient *out)
{
  gb_vae *v = self;
  gb_node *term[GB_VAE_TERMS];
  double of[GB_VAE_TERMS];
  int n = 0;
  for (int k = 0; k < n_terms(v); k++) {
    if (weight[k] == 0) continue;
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
  weight[GB_VAE_KL] = gb_objective_beta(o, step);
  weight[GB_VAE_ENERGY] = gb_objective_warmed(o->energy_weight, step, o->energy_start, o->energy_warmup);
  if (n_terms(v) > GB_VAE_FREE) weight[GB_VAE_FREE] = weight[GB_VAE_KL];
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
                    .term = term_names,
                    .idle = idle(v),
                    .whole_shards = gb_params_have_statistics(v->params),
                    .forward = forward,
                    .backward = backward,
                    .weights = weights};
}

gb_err gb_vae_decode(gb_vae *v, size_t n, const gb_real *z, const double *turned)
{
  v->last_rows = n;
  v->draws.training = false;
  for (size_t r = 0; r < n; r++) v->turned[r] = turned ? turned[r] : 0;
  memcpy(v->z->v, z, n * v->z->width * sizeof *z);
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
