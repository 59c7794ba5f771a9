/* learn/hybrid.c - options of a grey-box VAE, and passes over its graph. */
#include "learn/hybrid.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "learn/hybrid_graph.h"
#include "linalg/normals.h"

static const gb_field fields[] = {
    GB_WORD(gb_hybrid_opts, known, "law", "law|kinematics|nothing", GB_FIXED,
            "What the decoder knows: the law of the physics; of a differential equation only what holds by the meaning "
            "of its components (a velocity is the rate of an angle); or nothing."),
    GB_WORD(gb_hybrid_opts, inside, "sum", "nothing|sum|parameters", GB_FIXED,
            "The network inside the differential equation: none; added to the rates (parallel sum); or it multiplies "
            "the parameters of the law by exp(network), at every time (network -> physics)."),
    GB_WORD(gb_hybrid_opts, inside_layers, "[dense 64, dense 64]", NULL, GB_FIXED,
            "Its hidden layers. Inputs: its latents, the state, the clock."),
    GB_WORD(gb_hybrid_opts, inside_state, "whole", "whole|driven", GB_FIXED,
            "What it is told of the state: all of it; or only the components to whose rates it may add (of a pendulum "
            "the velocity: nothing unknown depends on the angle, so no network can do the work of omega)."),
    GB_WORD(gb_hybrid_opts, clock, "time", "none|time|circle", GB_FIXED,
            "What it is told of time: nothing, t, or (sin t, cos t)."),
    GB_NUMBER(gb_hybrid_opts, latent_inside, "1", 0, 1024, "1", GB_FIXED, "Latent variables it is given."),
    GB_WORD(
        gb_hybrid_opts, after, "residual", "nothing|residual|calibration|unet|network", GB_FIXED,
        "The network behind the physics (physics -> network): none; one that is added to the solution (where nothing "
        "is known: to the state at t = 0, which stays); one that makes of the solution what an instrument shows, by a "
        "gain for each component and a baseline, from latent_after alone: they stay where parameters are changed; for "
        "images, a U-Net over the physics' image beside one made from latents; or, where nothing is known, one that "
        "makes the sample alone."),
    GB_WORD(
        gb_hybrid_opts, after_layers, "[dense 128, dense 128]", NULL, GB_FIXED,
        "Layers from all latents on: of `residual` and `calibration` the hidden ones; of `unet` and `network` up to an "
        "image."),
    GB_NUMBER(gb_hybrid_opts, latent_after, "2", 0, 1024, "1", GB_FIXED, "Latent variables it is given besides."),
    GB_NUMBER(gb_hybrid_opts, knots, "4", 1, 4096, "1", GB_FIXED,
              "Of `calibration`: numbers at equal distances between which the baseline is interpolated linearly. With "
              "few of them it is slow, and cannot do the work of the law."),
    GB_NUMBER(gb_hybrid_opts, unet, "[8, 16, 32, 64]", 1, 4096, "channels", GB_FIXED,
              "Channels of the levels of the U-Net."),
    GB_WORD(gb_hybrid_opts, frame_map, "false", NULL, GB_FIXED,
            "One learned linear map of every frame of the solution, whatever is behind it."),
    GB_WORD(gb_hybrid_opts, features, "[dense 128, dense 128, dense 256]", NULL, GB_FIXED,
            "Layers of each encoder: from the sample to the latents of either network, from the unmixed sample to the "
            "parameters."),
    GB_WORD(gb_hybrid_opts, heads, "[dense 64, dense 32]", NULL, GB_FIXED,
            "Hidden layers between features and the mean or ln variance of a latent."),
    GB_WORD(gb_hybrid_opts, unmixer, "residual", "nothing|residual|frames|channels", GB_FIXED,
            "How the sample is turned into what the known part alone would have made: not at all; sample + network of "
            "(sample, means of the other latents); a linear map of every frame + network of those means; of images, "
            "one channel, a weighted mean of them and a pedestal, from the features."),
    GB_WORD(gb_hybrid_opts, unmixer_layers, "[dense 128, dense 128]", NULL, GB_FIXED, "Its hidden layers."),
    GB_WORD(gb_hybrid_opts, activation, "elu", GB_ACTIVATIONS, GB_FIXED, "Activation of layers that name none."),
    GB_WORD(gb_hybrid_opts, inference, "encoder", "encoder|global", GB_FIXED,
            "Whether parameters and latents are inferred for every sample, or the parameters are the same for all and "
            "there are no latents."),
    GB_NUMBER(gb_hybrid_opts, start, "[]", -1e12, 1e12, "those of the physics", GB_FIXED,
              "With inference: global, where the parameters start."),
    GB_NUMBER(gb_hybrid_opts, sigma, "0.0111", 1e-6, 1e3, "unit of the samples", GB_FIXED,
              "Standard deviation of the Gaussian noise of observations."),
    {0}};
const gb_schema gb_hybrid_schema = {"hybrid", "The grey-box VAE: for physics with a differential equation or an image.",
                                    sizeof(gb_hybrid_opts), fields, NULL};

static const gb_field regularizer_fields[] = {
    GB_NUMBER(
        gb_regularizer_opts, reduced_model, "0", 0, 1e12, "1", GB_FIXED,
        "Weight of the squared difference between decodes with and without the networks: they do no more than they "
        "must (R_PPC, decoder part)."),
    GB_NUMBER(gb_regularizer_opts, reduced_model_kl, "0", 0, 1e12, "1", GB_FIXED,
              "The KL term weighs 1 + this (R_PPC, encoder part)."),
    GB_NUMBER(
        gb_regularizer_opts, unmixing, "0", 0, 1e12, "1", GB_FIXED,
        "Weight of the squared difference between the unmixed sample and the decode of the known part alone (R_DA1)."),
    GB_NUMBER(gb_regularizer_opts, augmentation, "0", 0, 1e12, "1", GB_FIXED,
              "Weight of the squared error of parameters that the encoder finds in solutions of the known part, drawn "
              "with parameters uniform in their box (R_DA2), of several relative to the widths of their boxes; 0: none "
              "are drawn."),
    GB_NUMBER(gb_regularizer_opts, augmentation_noise, "0", 0, 1e3, "unit of the samples", GB_FIXED,
              "Standard deviation of Gaussian noise on those solutions: an encoder that has seen only noiseless ones "
              "reads too much into observations."),
    GB_NUMBER(
        gb_regularizer_opts, augmentation_gain, "0", 0, 10, "1", GB_FIXED,
        "Of differential equations: standard deviation of the logarithm of a gain by which each component of those "
        "solutions is multiplied, as an instrument might."),
    GB_NUMBER(gb_regularizer_opts, augmentation_baseline, "0", 0, 1e3, "unit of the samples", GB_FIXED,
              "Standard deviation of each knot (hybrid.knots) of a baseline that is added to them."),
    GB_NUMBER(gb_regularizer_opts, pretraining, "0", 0, 1e12, "steps", GB_FIXED,
              "First steps in which nothing but the augmentation counts: the encoder learns to read the law before "
              "networks can learn to do without it."),
    GB_NUMBER(gb_regularizer_opts, network_norm, "0", 0, 1e12, "1", GB_FIXED,
              "Weight of the squared norm of the network in the equation relative to that of the state, on observed "
              "states (APHYNITY); with hybrid.inference: global."),
    GB_NUMBER(gb_regularizer_opts, multiplier, "1", 0, 1e12, "1", GB_FIXED,
              "With hybrid.inference: global, the first value of the weight of the mean squared error."),
    GB_NUMBER(gb_regularizer_opts, multiplier_rate, "0", 0, 1e12, "1", GB_FIXED,
              "Every step adds so many times the mean squared error to that weight; so it never decreases."),
    GB_NUMBER(gb_regularizer_opts, classification, "0", 0, 1e12, "1", GB_FIXED,
              "Weight of the cross entropy, in nats, of a linear classifier on the latent means, so that planes part "
              "the classes of regularizer.class (the supervised term of arXiv:1406.5298); 0: no class is looked at."),
    GB_WORD(
        gb_regularizer_opts, class, "behaviour", NULL, GB_FIXED,
        "The truth of simulated rows that tells the class; docs/PHYSICS.md names the classes in place of its unit."),
    {0}};

const gb_schema gb_regularizer_schema = {
    "regularizer", "What keeps networks from doing the work of the physics, and classes apart in latents.",
    sizeof(gb_regularizer_opts), regularizer_fields, NULL};

struct gb_hybrid {
  gb_hybrid_plan plan;
  gb_hybrid_graph of;
  gb_params *params;
  gb_graph *graph;
  const char *term_name[GB_MOST_TERMS];
  size_t last_rows;
  bool labelled; /* the next pass has its classes */
};

const char *gb_hybrid_name(const gb_hybrid_opts *o, const gb_regularizer_opts *r)
{
  bool network = !gb_is(o->inside, "nothing") || !gb_is(o->after, "nothing");
  bool regularised = r->reduced_model > 0 || r->unmixing > 0 || r->augmentation > 0 || r->network_norm > 0;
  if (!gb_is(o->known, "law")) return gb_is(o->inside, "nothing") ? "NN-only" : "NN+solver";
  return !network ? "Phys-only" : regularised ? "NN+phys+reg" : "NN+phys";
}

static gb_err check_image(const gb_hybrid_opts *o, const gb_regularizer_opts *r)
{
  GB_CHECK(gb_is(o->inside, "nothing"), GB_ERR_CONFIG,
           "hybrid.inside = %s: an image is no differential equation. Set it to nothing.", o->inside);
  GB_CHECK(gb_is(o->after, "unet") || gb_is(o->after, "network"), GB_ERR_CONFIG,
           "hybrid.after = %s: behind an image there is `unet`, or `network` alone", o->after);
  GB_CHECK(
      gb_is(o->known, "law") == gb_is(o->after, "unet"), GB_ERR_CONFIG,
      "hybrid.known = %s and hybrid.after = %s do not fit: `unet` has the image of the law as its input, `network` "
      "goes without",
      o->known, o->after);
  GB_CHECK(!gb_is(o->known, "law") || gb_is(o->unmixer, "channels"), GB_ERR_CONFIG,
           "hybrid.unmixer = %s: of images it mixes `channels`", o->unmixer);
  GB_CHECK(gb_is(o->inference, "encoder"), GB_ERR_CONFIG, "hybrid.inference = global is for differential equations");
  GB_CHECK(r->augmentation_gain == 0 && r->augmentation_baseline == 0, GB_ERR_CONFIG,
           "regularizer.augmentation_gain = %g and augmentation_baseline = %g are for differential equations. Set both "
           "to 0.",
           r->augmentation_gain, r->augmentation_baseline);
  return GB_OK;
}

static gb_err check_equation(const gb_hybrid_opts *o, const gb_dims *d)
{
  bool law = gb_is(o->known, "law");
  bool alone = gb_is(o->after, "network"), calibrates = gb_is(o->after, "calibration"),
       none = gb_is(o->known, "nothing") && gb_is(o->inside, "nothing");
  GB_CHECK(!gb_is(o->after, "unet"), GB_ERR_CONFIG,
           "hybrid.after = unet is for images. Set it to residual, calibration or nothing.");
  GB_CHECK(!alone || (none && o->latent_after > 0 && gb_is(o->inference, "encoder")), GB_ERR_CONFIG,
           "hybrid.after = network makes the sample alone. Set hybrid.known: nothing, hybrid.inside: nothing, "
           "hybrid.latent_after: 1 or more, hybrid.inference: encoder; or take residual.");
  GB_CHECK(!calibrates || o->latent_after > 0, GB_ERR_CONFIG,
           "hybrid.latent_after = 0: hybrid.after = calibration is made from these latents. Set 1 or more.");
  GB_CHECK(!calibrates || !none, GB_ERR_CONFIG,
           "hybrid.after = calibration, but hybrid.known = nothing and hybrid.inside = nothing leave no solution to "
           "calibrate");
  GB_CHECK(!gb_is(o->unmixer, "channels"), GB_ERR_CONFIG, "hybrid.unmixer = channels is for images");
  GB_CHECK(law || !gb_is(o->inside, "parameters"), GB_ERR_CONFIG,
           "hybrid.inside = parameters multiplies those of the law, but hybrid.known = %s", o->known);
  GB_CHECK(law || !gb_is(o->inside, "nothing") || !gb_is(o->after, "nothing"), GB_ERR_CONFIG,
           "hybrid.known, inside and after leave nothing that could describe a sample");
  if (gb_is(o->inference, "encoder")) return GB_OK;
  GB_CHECK(gb_is(o->after, "nothing") && gb_is(o->clock, "none"), GB_ERR_CONFIG,
           "hybrid.inference = global: set hybrid.after: nothing and hybrid.clock: none");
  GB_CHECK(!law || o->start.n == d->n_parameter, GB_ERR_CONFIG,
           "hybrid.start has %zu numbers, the law has %zu parameters", o->start.n, d->n_parameter);
  GB_CHECK(d->seen == d->n_state, GB_ERR_CONFIG,
           "hybrid.inference = global needs the whole state in the samples (%zu of %zu components are seen)", d->seen,
           d->n_state);
  return GB_OK;
}

/* Rows of a simulator of which nothing is known: a network makes all of a sample from its latents. */
static gb_err check_nothing(const gb_physics *k, const gb_hybrid_opts *o)
{
  GB_CHECK(gb_is(o->known, "nothing") && gb_is(o->inside, "nothing") &&
               (gb_is(o->after, "residual") || gb_is(o->after, "network")) && o->latent_after > 0 &&
               gb_is(o->inference, "encoder"),
           GB_ERR_CONFIG,
           "run.physics = %s has neither a differential equation nor an image. Set hybrid.known: nothing, "
           "hybrid.inside: nothing, hybrid.after: network, hybrid.latent_after: 1 or more, hybrid.inference: encoder.",
           k->name);
  return GB_OK;
}

/* Keys that would be read by nothing. */
static gb_err check_objective(const gb_objective_opts *j, const gb_hybrid_opts *o)
{
  gb_objective_kind kind = gb_objective_kind_of(j);
  GB_CHECK(kind == GB_ELBO || kind == GB_RELBO_ESCORT || kind == GB_RENYI_PRIOR, GB_ERR_CONFIG,
           "objective.kind = %s: a grey-box VAE takes elbo, relbo-escort or renyi-prior. The others decode several "
           "draws of a row, or differentiate the decoder by the latents.",
           j->kind);
  GB_CHECK(kind == GB_ELBO || gb_is(o->inference, "encoder"), GB_ERR_CONFIG,
           "objective.kind = %s: with hybrid.inference = global there is no posterior to diverge. Take elbo.", j->kind);
  GB_CHECK(j->free_bits == 0 && j->energy_weight == 0, GB_ERR_CONFIG,
           "objective.free_bits = %g and objective.energy_weight = %g are for models of lattices. Set both to 0.",
           j->free_bits, j->energy_weight);
  return GB_OK;
}

static gb_err check_classes(const gb_hybrid_plan *p)
{
  const gb_regularizer_opts *r = p->regularizer;
  gb_text known = {0};
  int n = 0;
  const gb_var *truth = p->sim->kind->simulator ? gb_sim_truth(p->sim, &n) : NULL;
  const gb_var *class = gb_sim_find_truth(p->sim, r->class);
  if (r->classification == 0 || (class && gb_var_classes(class) && gb_is(p->opts->inference, "encoder"))) return GB_OK;
  GB_CHECK(
      gb_is(p->opts->inference, "encoder"), GB_ERR_CONFIG,
      "regularizer.classification = %g: with hybrid.inference = global there are no latents to tell classes by. Set "
      "it to 0.",
      r->classification);
  for (int k = 0; k < n; k++)
    if (gb_var_classes(&truth[k])) gb_text_add(&known, "%s%s", known.n ? ", " : "", truth[k].name);
  gb_err e = GB_FAIL(GB_ERR_CONFIG,
                     "regularizer.class = %.100s is %s of run.physics = %s. Truths that tell a class: %s. Name one, or "
                     "set regularizer.classification to 0.",
                     r->class, class ? "a truth that tells no class" : "no truth", p->sim->kind->name,
                     known.n ? known.s : "none");
  gb_text_free(&known);
  return e;
}

static gb_err check_pretraining(const gb_regularizer_opts *r, const gb_hybrid_opts *o)
{
  bool drawn = r->augmentation > 0 && gb_is(o->known, "law") && gb_is(o->inference, "encoder");
  GB_CHECK(!r->pretraining || drawn, GB_ERR_CONFIG,
           "regularizer.pretraining = %lld: there is no augmentation that could count alone. Set "
           "regularizer.augmentation above 0, of a model with hybrid.known: law and hybrid.inference: encoder, or "
           "regularizer.pretraining to 0.",
           (long long)r->pretraining);
  return GB_OK;
}

static gb_err check(const gb_hybrid_plan *p)
{
  const gb_physics *k = p->sim->kind;
  const gb_hybrid_opts *o = p->opts;
  GB_CHECK(k->dynamics || k->image || k->simulator, GB_ERR_CONFIG,
           "run.physics = %s: a grey-box VAE needs a differential equation, an image or a simulator", k->name);
  GB_TRY(check_objective(p->objective, o));
  GB_TRY(check_classes(p));
  GB_TRY(check_pretraining(p->regularizer, o));
  GB_CHECK(!p->frames || p->frames == p->sim->dims.frames || gb_is(o->after, "nothing"), GB_ERR_CONFIG,
           "hybrid.after = %s makes %zu frames and no other number of them", o->after, p->sim->dims.frames);
  if (!k->image && !k->dynamics) return check_nothing(k, o);
  return k->image ? check_image(o, p->regularizer) : check_equation(o, &p->sim->dims);
}

gb_err gb_hybrid_create(const gb_hybrid_plan *plan, gb_text *table, gb_hybrid **out)
{
  gb_text unused = {0};
  gb_hybrid *h = NULL;
  gb_err e = GB_OK;
  *out = NULL;
  GB_TRY(check(plan));
  GB_TRY(gb_new(&h, 1));
  h->plan = *plan;
  if (gb_ode_couples_rows(plan->ode) && plan->rows < GB_ODE_GROUP) h->plan.rows = GB_ODE_GROUP;
  GB_GOTO(e, gb_params_create(&h->params), failed);
  GB_GOTO(e, gb_graph_create(h->params, h->plan.rows, &h->graph), failed);
  gb_hybrid_build(h->graph, plan, table ? table : &unused, &h->of);
  GB_GOTO(e, gb_params_freeze(h->params, plan->seed), failed);
  GB_GOTO(e, gb_graph_plan(h->graph), failed);
  for (int k = 0; k < h->of.n_terms; k++) h->term_name[k] = h->of.term[k].name;
  gb_text_free(&unused);
  *out = h;
  return GB_OK;
failed:
  gb_text_free(&unused);
  gb_hybrid_destroy(&h);
  return e;
}

void gb_hybrid_destroy(gb_hybrid **h)
{
  if (!*h) return;
  gb_graph_destroy(&(*h)->graph);
  gb_params_destroy(&(*h)->params);
  gb_free(h);
}

/* Of each component ln gain, then knots of the baseline. */
static void draw_calibrations(gb_hybrid *h, size_t n, gb_pass pass)
{
  const gb_regularizer_opts *o = h->plan.regularizer;
  size_t width = h->of.drawn_calibration->width, gains = h->plan.sim->dims.seen;
  gb_real *v = h->of.drawn_calibration->v;
  gb_normals(h->plan.seed, GB_RNG_SURROUND, pass.first_row, pass.step, n, width, width, v);
  for (size_t i = 0; i < n * width; i++)
    v[i] *= (gb_real)(i % width < gains ? o->augmentation_gain : o->augmentation_baseline);
}

/* Parameters of the known part, uniform in their box, for every row of this step; and what their samples have besides.
 */
static void draw_parameters(gb_hybrid *h, size_t n, gb_pass pass)
{
  const gb_dims *d = &h->plan.sim->dims;
  size_t m = h->of.drawn->width;
  for (size_t r = 0; r < n; r++) {
    uint32_t word[GB_MOST_PARAMETERS];
    gb_rng_words(gb_rng_key(h->plan.seed, GB_RNG_PARAMETER, pass.first_row + r, pass.step), 0, m, word);
    for (size_t j = 0; j < m; j++) h->of.drawn->v[r * m + j] = (gb_real)gb_rng_between(word[j], d->low[j], d->high[j]);
  }
  if (h->of.drawn_calibration) draw_calibrations(h, n, pass);
  if (!h->of.drawn_noise) return;
  const gb_image *image = h->plan.sim->kind->image;
  gb_real sd = (gb_real)h->plan.regularizer->augmentation_noise, *v = h->of.drawn_noise->v;
  size_t width = h->of.drawn_noise->width;
  if (sd > 0) {
    gb_normals(h->plan.seed, GB_RNG_DRAWN, pass.first_row, pass.step, n, width, width, v);
    for (size_t i = 0; i < n * width; i++) v[i] *= sd;
  } else
    memset(v, 0, n * width * sizeof *v);
  if (!image || !image->surround) return;
  for (size_t r = 0; r < n; r++)
    image->surround(h->plan.sim->self, h->of.drawn->v + r * m, h->plan.seed, pass.first_row + r, pass.step,
                    v + r * width);
}

static void take_labels(void *self, size_t n, const double *label)
{
  gb_hybrid *h = self;
  for (size_t i = 0; i < n; i++) h->of.label->v[i] = (gb_real)label[i];
  h->labelled = true;
}

static void load(gb_hybrid *h, size_t n, const float *x, gb_pass pass)
{
  for (size_t i = 0; h->of.label && !h->labelled && i < n; i++) h->of.label->v[i] = -1;
  h->labelled = false;
  for (size_t i = 0; i < n * h->of.x->width; i++) h->of.x->v[i] = (gb_real)x[i];
  h->of.draws.step = pass.step;
  h->of.draws.first_row = pass.first_row;
  h->of.draws.training = pass.training;
  h->last_rows = n;
}

/* Terms at the end that no training needs, and how many are before them. */
static int wanted_terms(const gb_hybrid *h)
{
  int n = h->of.n_terms;
  if (h->plan.objective->evidence) return h->of.mu ? 2 : 1; /* reconstruction, kl */
  while (n > 1 && h->of.term[n - 1].weight <= 0) n--;
  return n;
}

/* Steps in which nothing but the augmentation counts. */
static bool pretrains(const gb_hybrid *h, uint64_t step)
{
  return step != GB_PASS_FIXED && step < (uint64_t)h->plan.regularizer->pretraining;
}

/* Behind it nothing is computed that a training needs. */
static const gb_node *last_wanted(const gb_hybrid *h, bool early)
{
  int n = wanted_terms(h);
  if (early) return h->of.augmentation;
  while (h->of.term[n - 1].node == h->of.augmentation) n--; /* it stands further ahead */
  return h->of.term[n - 1].node;
}

static gb_err forward(void *self, size_t n, size_t parts, const float *x, gb_pass pass, const double *term[])
{
  gb_hybrid *h = self;
  bool all = !pass.training && !h->plan.objective->evidence;
  bool early = pass.training && pretrains(h, pass.step) && !gb_params_have_statistics(h->params); /* they need a pass */
  int wanted = all ? h->of.n_terms : wanted_terms(h);
  h->of.alpha = h->plan.objective->alpha;
  load(h, n, x, pass);
  if (h->of.eps) {
    size_t m = h->of.eps->width;
    gb_normals(h->plan.seed, GB_RNG_LATENT, pass.first_row, pass.step, n, m, m, h->of.eps->v);
  }
  if (h->of.drawn) draw_parameters(h, n, pass);
  GB_TRY(gb_graph_run(h->graph, NULL, all ? NULL : last_wanted(h, early), n, parts));
  for (int k = 0; k < h->of.n_terms; k++) {
    const gb_node *t = h->of.term[k].node;
    term[k] = k < wanted && (!early || t == h->of.augmentation) ? t->term : NULL;
  }
  return GB_OK;
}

/* Parameters are drawn before they are held to where the known part makes sense: q and prior are those of what is
 * drawn.
 */
static gb_weight weigh(const void *self, size_t row, double *mean)
{
  const gb_hybrid *h = self;
  const gb_hybrid_graph *of = &h->of;
  double s2 = h->plan.opts->sigma * h->plan.opts->sigma;
  gb_weight w = {-(of->term[0].node->term[row] / s2 + (double)of->x->width * log(2 * M_PI * s2)) / 2, 0};
  for (size_t j = 0, m = of->mu ? of->mu->width : 0; j < m; j++) {
    double e = (double)of->eps->v[row * m + j], mu = (double)of->mu->v[row * m + j],
           l = (double)of->logvar->v[row * m + j], m0 = j < of->n_parameter ? of->prior_mean[j] : 0,
           l0 = j < of->n_parameter ? of->prior_logvar[j] : 0, z = (mu + exp(l / 2) * e - m0) * exp(-l0 / 2);
    w.ratio += (e * e - z * z + l - l0) / 2;
    if (mean) mean[j] = (mu - m0) * exp(-l0 / 2);
  }
  return w;
}

static gb_err backward(void *self, const double *weight, const gb_gradient *out)
{
  gb_hybrid *h = self;
  gb_node *term[GB_MOST_TERMS];
  double of[GB_MOST_TERMS];
  int n = 0;
  for (int k = 0; k < h->of.n_terms; k++) {
    if (weight[k] == 0) continue;
    term[n] = h->of.term[k].node;
    of[n++] = weight[k];
  }
  return gb_graph_backward(h->graph, n, term, of, out);
}

/* Validations judge by the reconstruction alone: what regularisers cost says nothing of how well data are described. */
static void weights(const void *self, uint64_t step, double *weight)
{
  const gb_hybrid *h = self;
  bool judging = step == GB_PASS_FIXED, early = pretrains(h, step);
  double beta = judging ? 1 : gb_objective_beta(h->plan.objective, step);
  for (int k = 0; k < h->of.n_terms; k++) {
    const gb_hybrid_term *t = &h->of.term[k];
    weight[k] = judging ? k == 0 : t->times_beta ? t->weight * beta : t->weight;
    if (early && t->node != h->of.augmentation) weight[k] = 0;
  }
}

static void destroy(void **self)
{
  gb_hybrid *h = *self;
  gb_hybrid_destroy(&h);
  *self = NULL;
}

gb_model gb_hybrid_model(gb_hybrid *h)
{
  unsigned idle = 0;
  for (int k = wanted_terms(h); k < h->of.n_terms; k++) idle |= 1u << k;
  return (gb_model){.self = h,
                    .destroy = destroy,
                    .name = gb_hybrid_name(h->plan.opts, h->plan.regularizer),
                    .params = h->params,
                    .graph = h->graph,
                    .rows = h->plan.rows,
                    .n_terms = h->of.n_terms,
                    .term = h->term_name,
                    .idle = idle,
                    .whole_shards = gb_params_have_statistics(h->params) || gb_ode_couples_rows(h->plan.ode),
                    .forward = forward,
                    .backward = backward,
                    .weights = weights,
                    .label = h->of.label ? h->plan.regularizer->class : NULL,
                    .classes = h->of.classes,
                    .take_labels = take_labels,
                    .latents = h->of.mu ? h->of.mu->width : 0,
                    .weigh = h->of.n_terms && gb_objective_kind_of(h->plan.objective) == GB_ELBO ? weigh : NULL};
}

gb_hybrid_view gb_hybrid_look(const gb_hybrid *h)
{
  const gb_hybrid_graph *of = &h->of;
  gb_hybrid_view v = {.rows = h->last_rows,
                      .width = of->decode[GB_DECODE_PAB]->width,
                      .n_parameter = of->n_parameter,
                      .n_inside = of->n_inside,
                      .n_after = of->n_after,
                      .theta = of->theta ? of->theta->v : NULL,
                      .inside = of->inside ? of->inside->v : NULL,
                      .after = of->after ? of->after->v : NULL,
                      .prior_mean = of->prior_mean,
                      .prior_logvar = of->prior_logvar,
                      .unmixed = of->unmixed && of->unmixed != of->x ? of->unmixed->v : NULL};
  for (int k = 0; k < GB_DECODES; k++) v.decode[k] = of->decode[k] ? of->decode[k]->v : NULL;
  return v;
}

/* The decode that is made last: without a network behind the physics PAB is PA, and P comes after it. */
static const gb_node *end_of_decoding(const gb_hybrid *h)
{
  gb_node *const *y = h->of.decode;
  return y[GB_DECODE_PAB] == y[GB_DECODE_PA] && y[GB_DECODE_P] ? y[GB_DECODE_P] : y[GB_DECODE_PAB];
}

gb_err gb_hybrid_infer(gb_hybrid *h, size_t n, size_t first_row, const float *x)
{
  load(h, n, x, (gb_pass){GB_PASS_FIXED, first_row, false});
  h->of.alpha = 1;
  if (h->of.eps) memset(h->of.eps->v, 0, n * h->of.eps->width * sizeof *h->of.eps->v);
  if (h->of.drawn) draw_parameters(h, n, (gb_pass){GB_PASS_FIXED, first_row, false});
  return gb_graph_run(h->graph, NULL, end_of_decoding(h), n, 1);
}

static void set(gb_node *to, size_t n, const gb_real *from)
{
  if (to && from) memcpy(to->v, from, n * to->width * sizeof *from);
}

gb_err gb_hybrid_decode(gb_hybrid *h, size_t n, const float *x, const gb_real *theta, const gb_real *inside,
                        const gb_real *after)
{
  load(h, n, x, (gb_pass){GB_PASS_FIXED, h->of.draws.first_row, false});
  set(h->of.theta, n, theta);
  set(h->of.inside, n, inside);
  set(h->of.after, n, after);
  return gb_graph_run(h->graph, h->of.last_latent, end_of_decoding(h), n, 1);
}
