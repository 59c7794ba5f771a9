/* learn/hybrid_graph.c - encoder, decoder and terms of a grey-box VAE.
 *
 * Order of the nodes: what the encoder needs, the term that trains it alone, all latents, the decodes, the other terms:
 * so decoding can begin behind the latents, and a training can end before terms that have no weight. */
#include "learn/hybrid_graph.h"

#include <math.h>
#include <string.h>

#include "ad/bound.h"
#include "ad/combine.h"
#include "ad/cross_entropy.h"
#include "ad/elementwise.h"
#include "ad/image.h"
#include "ad/latent.h"
#include "base/mem.h"
#include "base/text.h"
#include "learn/layer.h"
#include "learn/network.h"
#include "learn/unet.h"
#include "sim/picture.h"

enum { MOST_LEVELS = 16, MOST_LATENTS = 3, MOST_WIDTH = 4096 };

typedef struct posterior {
  gb_node *mu, *logvar;
} posterior;

typedef struct builder {
  gb_graph *g;
  const gb_hybrid_plan *plan;
  const gb_hybrid_opts *o;
  gb_hybrid_graph *out;
  gb_style style;
  gb_shape sample;
  size_t frames;
  posterior q[MOST_LATENTS];      /* parameters, inside, after: those there are, in this order, */
  gb_node **latent[MOST_LATENTS]; /* and where their draws go */
  int n_q;
} builder;

static size_t product(gb_shape s)
{
  return gb_shape_width(s);
}

static gb_shape flat(size_t n)
{
  return (gb_shape){1, 1, n};
}

static bool has_law(const builder *b)
{
  return gb_is(b->o->known, "law");
}

static bool is_global(const builder *b)
{
  return gb_is(b->o->inference, "global");
}

/* Layers of a list, then a dense one. */
static gb_node *perceptron(builder *b, const char *key, const char *prefix, gb_texts layers, gb_node *x, size_t n,
                           const char *activation)
{
  char last[64], name[GB_PARAM_NAME];
  const char *text = last;
  snprintf(last, sizeof last, "dense %zu %s", n, activation);
  snprintf(name, sizeof name, "%.40s.output", prefix);
  gb_node *h = gb_network_build(b->g, &b->style, key, prefix, layers, x);
  return gb_network_build(b->g, &b->style, key, name, (gb_texts){1, &text}, h);
}

static gb_node *features(builder *b, const char *of, gb_node *x)
{
  char prefix[GB_PARAM_NAME];
  snprintf(prefix, sizeof prefix, "features.%s", of);
  return gb_network_build(b->g, &b->style, "hybrid.features", prefix, b->o->features, x);
}

static gb_node *head(builder *b, const char *of, const char *what, gb_node *h, size_t n, const char *activation)
{
  char prefix[GB_PARAM_NAME];
  snprintf(prefix, sizeof prefix, "%s.%s", of, what);
  return perceptron(b, "hybrid.heads", prefix, b->o->heads, h, n, activation);
}

/* Latents of networks: their own features, a head for each of mean and ln variance. */
static posterior infer_latents(builder *b, const char *of, size_t n, gb_node **seen)
{
  gb_node *h = features(b, of, b->out->x);
  *seen = h;
  gb_node *mu = head(b, of, "mean", h, n, "none");
  return (posterior){mu, head(b, of, "logvar", h, n, "none")};
}

/* Let a tensor start about these numbers. */
static void start_about(builder *b, const char *name, const double *value)
{
  gb_err e = gb_params_start_about(gb_graph_params(b->g), name, value);
  if (e) gb_graph_fail(b->g, e);
}

/* A linear map of every frame, that starts near the identity: what is known passes. */
static gb_node *map_frames(builder *b, const char *key, const char *prefix, gb_node *x)
{
  char text[48], name[GB_PARAM_NAME];
  const char *layer = text;
  size_t c = b->sample.c;
  double *identity;
  snprintf(text, sizeof text, "conv %zu kernel 1 none", c);
  snprintf(name, sizeof name, "%s.0.weight", prefix);
  gb_node *y = gb_network_build(b->g, &b->style, key, prefix, (gb_texts){1, &layer}, x);
  if (!y) return NULL;
  gb_err e = gb_new(&identity, c * c);
  if (e) return gb_graph_fail(b->g, e);
  for (size_t k = 0; k < c; k++) identity[k * c + k] = 1;
  start_about(b, name, identity);
  gb_free(&identity);
  return y;
}

/* A weighted mean of the channels, which is as bright as the sample: else brightness would mean something else for
 * each; and a pedestal, since the sky has no place in the known image. */
static gb_node *mixed_channels(builder *b, gb_node *seen)
{
  gb_node *w = perceptron(b, "hybrid.unmixer_layers", "unmixer", b->o->unmixer_layers, seen, b->sample.c + 1, "tanh");
  return gb_mix_channels(b->g, b->out->x, w);
}

/* Of each component the logarithm of a gain, and knots of a baseline: how many numbers, and what they make of a curve.
 */
static size_t calibrations(const builder *b)
{
  return b->sample.c * (1 + (size_t)b->o->knots);
}

static gb_node *calibrated(builder *b, gb_node *x, gb_node *r)
{
  gb_graph *g = b->g;
  size_t c = b->sample.c;
  gb_node *knots = gb_slice(g, r, c, (gb_shape){(size_t)b->o->knots, 1, c});
  return gb_add(g, gb_amplify(g, x, gb_slice(g, r, 0, flat(c))), gb_upsample(g, knots, b->sample.h, 1), GB_NONE);
}

/* What the sample would be if only the known part had made it, from the sample and the means of the other latents. */
static gb_node *unmix(builder *b, const posterior *inside, const posterior *after, gb_node *seen)
{
  const gb_hybrid_opts *o = b->o;
  gb_graph *g = b->g;
  gb_node *part[MOST_LATENTS], *x = b->out->x;
  int n = 0;
  size_t width = product(b->sample);
  if (gb_is(o->unmixer, "channels")) return mixed_channels(b, seen);
  if (gb_is(o->unmixer, "residual")) part[n++] = gb_reshape(g, x, flat(width));
  if (inside->mu) part[n++] = inside->mu;
  if (after->mu) part[n++] = after->mu;
  gb_node *r =
      n ? perceptron(b, "hybrid.unmixer_layers", "unmixer", o->unmixer_layers, gb_concat(g, n, part), width, "none")
        : NULL;
  gb_node *base = x;
  if (gb_is(o->unmixer, "frames")) {
    base = map_frames(b, "hybrid.unmixer", "unmixer.frames", x);
    if (!n) return base;
  }
  return gb_add(g, base, gb_reshape(g, r, b->sample), GB_NONE);
}

/* The equation without a network, from the start of each sample. */
static gb_node *law_alone(builder *b, gb_node *theta)
{
  gb_ode_problem p = {.sim = b->plan->sim,
                      .opts = b->plan->ode,
                      .draws = &b->out->draws,
                      .frames = b->plan->sim->dims.frames,
                      .known = GB_KNOWN_LAW};
  if (b->plan->sim->kind->image) return gb_image_draw(b->g, b->plan->sim, theta);
  return gb_reshape(b->g, gb_ode_solve(b->g, &p, b->out->x, theta, NULL), b->sample);
}

/* The encoder starts in the middle of the box, a tenth of its width uncertain: elsewhere samples of a narrow box would
 * all be cut off at its ends, where no gradient leads back. */
static void start_in_box(builder *b)
{
  const gb_dims *d = &b->plan->sim->dims;
  double mean[GB_MOST_PARAMETERS], logvar[GB_MOST_PARAMETERS];
  for (size_t j = 0; j < b->out->n_parameter; j++) {
    mean[j] = log(expm1((d->low[j] + d->high[j]) / 2)); /* softplus makes the middle of it */
    logvar[j] = 2 * log((d->high[j] - d->low[j]) / 10);
  }
  start_about(b, "parameters.mean.output.0.bias", mean);
  start_about(b, "parameters.logvar.output.0.bias", logvar);
}

/* Samples of the known part alone, of parameters that are drawn, as an instrument may show them, with noise as it may
 * be on observations. */
static gb_node *drawn_samples(builder *b)
{
  const gb_image *image = b->plan->sim->kind->image;
  const gb_regularizer_opts *r = b->plan->regularizer;
  gb_node *y = gb_stop(b->g, law_alone(b, b->out->drawn));
  if (r->augmentation_gain > 0 || r->augmentation_baseline > 0) {
    b->out->drawn_calibration = gb_graph_data(b->g, flat(calibrations(b)));
    y = calibrated(b, y, b->out->drawn_calibration);
  }
  if (r->augmentation_noise <= 0 && !(image && image->surround)) return y;
  b->out->drawn_noise = gb_graph_data(b->g, y->shape);
  return gb_add(b->g, y, b->out->drawn_noise, GB_NONE);
}

/* Errors of drawn parameters, each in units of the width of its box, so that none outweighs the others by its unit; the
 * geometric mean of the widths is taken as 1, so that the error of a single parameter has its own unit. */
static gb_node *augmentation(builder *b, gb_node *inferred)
{
  const gb_dims *d = &b->plan->sim->dims;
  size_t n = b->out->n_parameter;
  double whole = 1, scale[GB_MOST_PARAMETERS] = {0};
  for (size_t j = 0; j < n; j++) whole *= d->high[j] - d->low[j];
  for (size_t j = 0; j < n; j++) scale[j] = pow(whole, 1 / (double)n) / (d->high[j] - d->low[j]);
  gb_node *found = gb_scaled(b->g, inferred, scale), *drawn = gb_scaled(b->g, b->out->drawn, scale);
  return gb_squared_distance(b->g, 1, &found, &drawn, 1 / (double)n);
}

/* Parameters of the known part, from the unmixed sample; with augmentation also from samples of the known part alone,
 * whose parameters are known: the same weights on both. */
static posterior infer_parameters(builder *b, const posterior *inside, const posterior *after, gb_node *seen)
{
  gb_hybrid_graph *out = b->out;
  gb_graph *g = b->g;
  size_t n = out->n_parameter;
  out->unmixed = gb_is(b->o->unmixer, "nothing") ? out->x : unmix(b, inside, after, seen);
  gb_node *what = out->unmixed, *h, *mu;
  if (out->drawn) what = gb_stack(g, 2, (gb_node *[]){out->unmixed, drawn_samples(b)});
  h = features(b, "parameters", what);
  mu = head(b, "parameters", "mean", h, n, "softplus");
  posterior q = {mu, NULL};
  if (out->drawn) {
    q.mu = gb_pick(g, mu, 0);
    h = gb_pick(g, h, 0);
  }
  q.logvar = head(b, "parameters", "logvar", h, n, "none");
  if (q.logvar) start_in_box(b);
  if (out->drawn) out->augmentation = augmentation(b, gb_pick(g, mu, 1));
  return q;
}

/* Mean and ln variance of all latents. */
static posterior all_posteriors(builder *b)
{
  gb_node *mu[MOST_LATENTS], *logvar[MOST_LATENTS];
  for (int k = 0; k < b->n_q; k++) {
    mu[k] = b->q[k].mu;
    logvar[k] = b->q[k].logvar;
  }
  return (posterior){gb_concat(b->g, b->n_q, mu), gb_concat(b->g, b->n_q, logvar)};
}

/* The unit Gaussian, and of parameters one as wide as their box. */
static gb_prior prior(const builder *b, double mean[MOST_WIDTH], double logvar[MOST_WIDTH])
{
  const gb_dims *d = &b->plan->sim->dims;
  memset(mean, 0, MOST_WIDTH * sizeof *mean);
  memset(logvar, 0, MOST_WIDTH * sizeof *logvar);
  for (size_t j = 0; j < b->out->n_parameter; j++) {
    mean[j] = (d->low[j] + d->high[j]) / 2;
    logvar[j] = 2 * log(fmax(1e-3, sqrt(0.75) * (d->high[j] - d->low[j]))); /* three times that of the uniform one */
  }
  return (gb_prior){mean, logvar};
}

/* Draws of q, or of RELBO-B of its escort law; parameters within their box. */
static void draw_latents(builder *b)
{
  gb_hybrid_graph *out = b->out;
  const gb_dims *d = &b->plan->sim->dims;
  gb_node *all = NULL;
  if (gb_objective_kind_of(b->plan->objective) == GB_RELBO_ESCORT) {
    double mean[MOST_WIDTH], logvar[MOST_WIDTH];
    posterior q = all_posteriors(b);
    all = gb_bound_escort(b->g, &out->alpha, q.mu, q.logvar, out->eps, prior(b, mean, logvar));
  }
  for (size_t k = 0, first = 0, n; k < (size_t)b->n_q && b->q[k].mu; k++, first += n) {
    n = b->q[k].mu->width;
    gb_node *z = all ? gb_slice(b->g, all, first, flat(n))
                     : gb_latent_sample(b->g, b->q[k].mu, b->q[k].logvar, gb_slice(b->g, out->eps, first, flat(n)));
    if (b->latent[k] == &out->theta) z = gb_clamp(b->g, z, d->least ? d->least : d->low, d->most ? d->most : d->high);
    *b->latent[k] = z;
  }
}

static void add_posterior(builder *b, posterior q, gb_node **latent)
{
  b->latent[b->n_q] = latent;
  b->q[b->n_q++] = q;
}

static void encoder(builder *b)
{
  gb_hybrid_graph *out = b->out;
  posterior inside = {0}, after = {0};
  gb_node *seen = NULL;
  if (out->n_inside) inside = infer_latents(b, "inside", out->n_inside, &seen);
  if (out->n_after) after = infer_latents(b, "after", out->n_after, &seen);
  if (out->n_parameter) add_posterior(b, infer_parameters(b, &inside, &after, seen), &out->theta);
  if (out->n_inside) add_posterior(b, inside, &out->inside);
  if (out->n_after) add_posterior(b, after, &out->after);
  draw_latents(b);
  out->last_latent = out->after ? out->after : out->inside ? out->inside : out->theta;
}

/* The dense layers of the network in the equation. */
static void inside_network(builder *b, gb_ode_problem *p)
{
  const gb_sim *sim = b->plan->sim;
  gb_ode_network *net = &p->network;
  size_t in = gb_ode_inputs(p, b->out->n_inside);
  for (size_t i = 0; i <= b->o->inside_layers.n; i++) {
    bool last = i == b->o->inside_layers.n;
    gb_layer l = {.size = {gb_ode_outputs(sim, p->inside)}, .activation = GB_NONE};
    char where[64], name[GB_PARAM_NAME];
    const char *text = last ? "dense" : b->o->inside_layers.v[i];
    snprintf(where, sizeof where, "hybrid.inside_layers[%zu]", i);
    snprintf(name, sizeof name, "inside.network.%zu", i);
    gb_err e = last ? GB_OK : gb_layer_parse(where, text, (gb_activation)gb_activation_find(b->o->activation), &l);
    if (!e && !last && l.kind != GB_LAYER_DENSE)
      e = GB_FAIL(GB_ERR_CONFIG, "%s `%s`: a network in an equation has dense layers only. Write `dense N`.", where,
                  text);
    if (!e && i >= GB_ODE_LAYERS)
      e = GB_FAIL(GB_ERR_CONFIG, "%s: a network in an equation has at most %d hidden layers", where, GB_ODE_LAYERS - 1);
    if (e) {
      gb_graph_fail(b->g, e);
      return;
    }
    gb_dense_weights w = gb_network_dense_weights(b->g, &b->style, name, text, in, l.size[0], l.activation, last);
    net->W[i] = w.w;
    net->b[i] = w.b;
    net->activation[i] = l.activation;
    net->n_layers = (int)i + 1;
    in = l.size[0];
  }
}

static gb_ode_problem equation(builder *b)
{
  const gb_hybrid_opts *o = b->o;
  gb_ode_problem p = {.sim = b->plan->sim, .opts = b->plan->ode, .draws = &b->out->draws, .frames = b->frames};
  p.known = has_law(b) ? GB_KNOWN_LAW : gb_is(o->known, "kinematics") ? GB_KNOWN_KINEMATICS : GB_KNOWN_NOTHING;
  p.inside = gb_is(o->inside, "sum")          ? GB_INSIDE_SUM
             : gb_is(o->inside, "parameters") ? GB_INSIDE_PARAMETERS
                                              : GB_INSIDE_NOTHING;
  p.clock = gb_is(o->clock, "time") ? GB_CLOCK_TIME : gb_is(o->clock, "circle") ? GB_CLOCK_CIRCLE : GB_CLOCK_NONE;
  p.sees_from = gb_is(o->inside_state, "driven") ? p.sim->dims.driven : 0;
  p.reduced = p.inside != GB_INSIDE_NOTHING && has_law(b) && !is_global(b);
  if (p.inside != GB_INSIDE_NOTHING) inside_network(b, &p);
  return p;
}

/* One solve: with the network inside, and without. */
static void solutions(builder *b, const gb_ode_problem *p)
{
  gb_hybrid_graph *out = b->out;
  gb_graph *g = b->g;
  gb_shape one = {b->frames, 1, b->sample.c}, both = {(p->reduced ? 2 : 1) * b->frames, 1, b->sample.c};
  gb_node *y = gb_reshape(g, gb_ode_solve(g, p, out->x, out->theta, out->inside), both);
  if (b->o->frame_map) y = map_frames(b, "hybrid.frame_map", "frame_map", y);
  out->decode[GB_DECODE_PA] = p->reduced ? gb_slice(g, y, 0, one) : y;
  if (p->reduced) out->decode[GB_DECODE_P] = gb_slice(g, y, product(one), one);
  if (!p->reduced && (p->inside == GB_INSIDE_NOTHING || is_global(b))) out->decode[GB_DECODE_P] = y;
}

/* What the network behind the physics is told: all latents. */
static gb_node *all_latents(builder *b)
{
  gb_node *in[MOST_LATENTS];
  int n = 0;
  if (b->out->theta) in[n++] = b->out->theta;
  if (b->out->inside) in[n++] = b->out->inside;
  if (b->out->after) in[n++] = b->out->after;
  return gb_concat(b->g, n, in);
}

static gb_node *replicated(builder *b, gb_node *image)
{
  gb_node *in[GB_NODE_INPUTS];
  if (!image || image->shape.c == b->sample.c) return image;
  for (size_t k = 0; k < b->sample.c; k++) in[k] = image;
  return gb_concat(b->g, (int)b->sample.c, in);
}

/* Behind the physics' image, the first images are as dark as samples are. Where they start half bright, making them
 * darker is all that counts for a long while, and the known image is put out before a network has learned to make use
 * of it. */
static gb_node *image_behind(builder *b, gb_node *h)
{
  const gb_hybrid_opts *o = b->o;
  size_t widths[MOST_LEVELS], n = o->unet.n < MOST_LEVELS ? o->unet.n : MOST_LEVELS;
  double dark = b->plan->sim->kind->image->background, start[GB_NODE_INPUTS];
  GB_ASSERT(b->sample.c <= GB_NODE_INPUTS);
  for (size_t k = 0; k < n; k++) widths[k] = (size_t)o->unet.v[k];
  h = gb_concat(b->g, 2, (gb_node *[]){replicated(b, b->out->decode[GB_DECODE_PA]), h});
  h = gb_unet_build(b->g, &b->style, "unet", h, n, widths, b->sample.c, b->sample.h);
  for (size_t k = 0; k < b->sample.c; k++) start[k] = log(dark / (1 - dark)); /* of which the sigmoid is `dark` */
  if (h && dark > 0) start_about(b, "unet_last0.0.bias", start);
  return gb_activated(b->g, h, GB_SIGMOID);
}

/* What an instrument shows of a solution: gain times it, and a baseline. */
static void calibration(builder *b)
{
  gb_node **y = b->out->decode;
  gb_node *r =
      perceptron(b, "hybrid.after_layers", "after", b->o->after_layers, b->out->after, calibrations(b), "none");
  if (y[GB_DECODE_P]) y[GB_DECODE_PB] = calibrated(b, y[GB_DECODE_P], r);
  y[GB_DECODE_PAB] = y[GB_DECODE_PA] == y[GB_DECODE_P] ? y[GB_DECODE_PB] : calibrated(b, y[GB_DECODE_PA], r);
}

static void behind(builder *b)
{
  gb_hybrid_graph *out = b->out;
  const gb_hybrid_opts *o = b->o;
  gb_graph *g = b->g;
  gb_node **y = out->decode;
  if (gb_is(o->after, "nothing")) {
    y[GB_DECODE_PB] = y[GB_DECODE_P];
    y[GB_DECODE_PAB] = y[GB_DECODE_PA];
    return;
  }
  if (gb_is(o->after, "calibration")) {
    calibration(b);
    return;
  }
  gb_node *z = all_latents(b);
  if (gb_is(o->after, "residual") || !b->plan->sim->kind->image) {
    gb_node *r = perceptron(b, "hybrid.after_layers", "after", o->after_layers, z, product(b->sample), "none");
    r = gb_reshape(g, r, b->sample);
    if (!y[GB_DECODE_PA]) y[GB_DECODE_PB] = r; /* nothing is before it */
    if (y[GB_DECODE_P]) y[GB_DECODE_PB] = gb_add(g, y[GB_DECODE_P], r, GB_NONE);
    y[GB_DECODE_PAB] = y[GB_DECODE_PA] == y[GB_DECODE_P] ? y[GB_DECODE_PB] : gb_add(g, y[GB_DECODE_PA], r, GB_NONE);
    return;
  }
  gb_node *h = gb_network_build(g, &b->style, "hybrid.after_layers", "after", o->after_layers, z);
  y[GB_DECODE_PB] = y[GB_DECODE_PAB] = gb_is(o->after, "unet") ? image_behind(b, h) : h;
}

static gb_hybrid_term *add_term(builder *b, const char *name, gb_node *node, double weight)
{
  gb_hybrid_term *t = &b->out->term[b->out->n_terms++];
  *t = (gb_hybrid_term){name, node, weight, false};
  return t;
}

/* Without its U-Net an image is the known one before a sky, of a learned colour: light that is everywhere must not
 * count as light of an object, which would grow until it covers the sky. */
static gb_node *before_sky(builder *b, gb_node *image)
{
  gb_param id;
  gb_err e = gb_params_add_constant(gb_graph_params(b->g), "reduced_model.sky", b->sample.c, 0, &id);
  if (e) return gb_graph_fail(b->g, e);
  return gb_add(b->g, replicated(b, image), gb_repeat(b->g, gb_graph_param(b->g, id), b->sample), GB_NONE);
}

/* The decodes that differ only by what a network adds, squared and averaged over the ways to add it. */
static gb_node *reduced_model(builder *b)
{
  gb_node **y = b->out->decode, *p = y[GB_DECODE_P];
  if (b->plan->sim->kind->image) {
    p = before_sky(b, p);
    return gb_squared_distance(b->g, 1, &y[GB_DECODE_PB], &p, 1);
  }
  gb_node *with[] = {y[GB_DECODE_PA], y[GB_DECODE_PB], y[GB_DECODE_PAB], y[GB_DECODE_PAB]};
  gb_node *without[] = {p, p, y[GB_DECODE_PA], y[GB_DECODE_PB]}, *a[4], *c[4];
  int n = 0;
  for (int k = 0; k < 4; k++) {
    if (with[k] == without[k]) continue;
    a[n] = with[k];
    c[n++] = without[k];
  }
  return n ? gb_squared_distance(b->g, n, a, c, 0.25) : NULL;
}

/* The divergence of all latents from their prior. */
static void divergence(builder *b)
{
  const gb_objective_opts *o = b->plan->objective;
  double mean[MOST_WIDTH], logvar[MOST_WIDTH], sigma = b->o->sigma;
  double weight = 2 * sigma * sigma * (1 + b->plan->regularizer->reduced_model_kl);
  posterior q = all_posteriors(b);
  gb_prior p = prior(b, mean, logvar);
  b->out->mu = q.mu;
  b->out->logvar = q.logvar;
  memcpy(b->out->prior_mean, mean, sizeof b->out->prior_mean);
  memcpy(b->out->prior_logvar, logvar, sizeof b->out->prior_logvar);
  bool kl = gb_objective_has_kl(o);
  add_term(b, "kl", gb_latent_kl_to(b->g, q.mu, q.logvar, p.mean, p.logvar), kl ? weight : 0)->times_beta = true;
  if (kl) return;
  add_term(b, "renyi", gb_bound_divergence(b->g, &b->out->alpha, q.mu, q.logvar, p), weight)->times_beta = true;
}

/* Classes are told by planes in latent means, which count in standard deviations of the prior. */
static gb_node *classification(builder *b)
{
  gb_hybrid_graph *out = b->out;
  double scale[MOST_WIDTH];
  for (size_t j = 0; j < MOST_WIDTH; j++) scale[j] = j < out->n_parameter ? exp(-out->prior_logvar[j] / 2) : 1;
  gb_node *score =
      gb_network_dense_head(b->g, &b->style, "classifier", gb_scaled(b->g, out->mu, scale), flat(out->classes));
  return gb_cross_entropy(b->g, score, out->label);
}

/* Terms of a model whose parameters are the same for all samples. */
static void global_terms(builder *b, const gb_ode_problem *p)
{
  const gb_regularizer_opts *r = b->plan->regularizer;
  gb_param id;
  gb_err e = gb_params_add_multiplier(gb_graph_params(b->g), "multiplier", r->multiplier, r->multiplier_rate, &id);
  if (e) {
    gb_graph_fail(b->g, e);
    return;
  }
  add_term(b, "fit",
           gb_multiplied_distance(b->g, b->out->decode[GB_DECODE_PAB], b->out->x, 1 / (double)product(b->sample),
                                  gb_graph_param(b->g, id)),
           1);
  if (p->inside != GB_INSIDE_NOTHING)
    add_term(b, "network_norm", gb_ode_network_norm(b->g, p, b->out->x, NULL), r->network_norm);
}

static void terms(builder *b, const gb_ode_problem *p)
{
  gb_hybrid_graph *out = b->out;
  const gb_regularizer_opts *r = b->plan->regularizer;
  add_term(b, "reconstruction", gb_squared_distance(b->g, 1, &out->decode[GB_DECODE_PAB], &out->x, 1),
           is_global(b) ? 0 : 1);
  if (is_global(b)) {
    global_terms(b, p);
    return;
  }
  divergence(b);
  if (out->label) add_term(b, "classification", classification(b), r->classification);
  if (out->augmentation) add_term(b, "augmentation", out->augmentation, r->augmentation);
  if (!has_law(b)) return;
  gb_node *pair[] = {out->unmixed, gb_stop(b->g, out->decode[GB_DECODE_P])};
  if (out->unmixed != out->x) add_term(b, "unmixing", gb_squared_distance(b->g, 1, &pair[0], &pair[1], 1), r->unmixing);
  gb_node *d = reduced_model(b);
  if (d) add_term(b, "reduced_model", d, r->reduced_model);
}

/* One value for all samples, learned as a weight. */
static gb_node *global_parameters(builder *b)
{
  gb_node *one[GB_MOST_PARAMETERS];
  size_t n = b->out->n_parameter;
  for (size_t j = 0; j < n; j++) {
    char name[GB_PARAM_NAME];
    gb_param id;
    snprintf(name, sizeof name, "parameters.%s", b->plan->sim->kind->dynamics->parameter[j].name);
    gb_err e = gb_params_add_constant(gb_graph_params(b->g), name, 1, b->o->start.v[j], &id);
    if (e) return gb_graph_fail(b->g, e);
    one[j] = gb_repeat(b->g, gb_graph_param(b->g, id), flat(1));
  }
  return gb_concat(b->g, (int)n, one);
}

void gb_hybrid_build(gb_graph *g, const gb_hybrid_plan *plan, gb_text *table, gb_hybrid_graph *out)
{
  const gb_hybrid_opts *o = plan->opts;
  const gb_dims *d = &plan->sim->dims;
  const gb_physics *k = plan->sim->kind;
  builder b = {.g = g, .plan = plan, .o = o, .out = out};
  b.style = (gb_style){&out->draws, o->activation, GB_INIT_FAN_IN, table};
  b.sample = k->image ? (gb_shape){d->shape[0], d->shape[1], d->shape[2]} : (gb_shape){d->frames, 1, d->seen};
  b.frames = plan->frames ? plan->frames : d->frames;
  out->draws.seed = plan->seed;
  out->n_parameter = has_law(&b) ? d->n_parameter : 0;
  out->n_inside = is_global(&b) || gb_is(o->inside, "nothing") ? 0 : (size_t)o->latent_inside;
  out->n_after = is_global(&b) || gb_is(o->after, "nothing") ? 0 : (size_t)o->latent_after;
  out->x = gb_graph_data(g, b.sample);
  if (is_global(&b)) {
    out->theta = out->n_parameter ? global_parameters(&b) : NULL;
  } else {
    out->eps = gb_graph_data(g, flat(out->n_parameter + out->n_inside + out->n_after));
    if (out->n_parameter && plan->regularizer->augmentation > 0) out->drawn = gb_graph_data(g, flat(out->n_parameter));
    if (plan->regularizer->classification > 0) {
      out->classes = gb_var_classes(gb_sim_find_truth(plan->sim, plan->regularizer->class));
      out->label = gb_graph_data(g, flat(1));
    }
    encoder(&b);
  }
  gb_ode_problem p = {0};
  if (k->image) {
    out->decode[GB_DECODE_P] = out->decode[GB_DECODE_PA] = out->theta ? gb_image_draw(g, plan->sim, out->theta) : NULL;
  } else if (k->dynamics && !gb_is(o->after, "network")) {
    p = equation(&b);
    solutions(&b, &p);
  }
  behind(&b);
  if (!plan->frames || plan->frames == d->frames) terms(&b, &p);
}
