/* tests/unit/gradient_hybrid.c - whole grey-box VAEs in double: the gradient of the loss against fourth-order
 * differences for every pattern, and terms against what they stand for. */
#include "check.h"
#include "config/config.h"
#include "foreign_leaks.h"
#include "io/run.h"
#include "learn/hybrid.h"
#include "registry.h"
#include "sim/petsc.h"
#include "stencil.h"

enum { ROWS = 3, ROOM = 4, MOST = 8 * 8 * 3 };

static const char pendulum[] =
    "run: {physics: pendulum}\n"
    "pendulum: {frames: 6, frame_time: 0.2}\n"
    "hybrid: {inside_layers: [dense 5, dense 4], after_layers: [dense 5], features: [dense 7], "
    "heads: [dense 4], unmixer_layers: [dense 6], activation: tanh, sigma: 0.4}\n"
    "regularizer: {reduced_model: 0.3, reduced_model_kl: 0.2, unmixing: 0.7, augmentation: 0.5}\n";
static const char line[] =
    "run: {physics: advection_diffusion}\n"
    "advection_diffusion: {frames: 5, points: 4, frame_time: 0.1, spacing: 0.3}\n"
    "hybrid: {inside_layers: [dense 6], clock: circle, latent_inside: 2, after: nothing, frame_map: "
    "true, features: [dense 7], heads: [dense 4], unmixer: frames, unmixer_layers: [dense 6], "
    "activation: tanh, sigma: 0.3}\n"
    "regularizer: {reduced_model: 0.3, unmixing: 0.7, augmentation: 20}\n";
static const char global[] =
    "run: {physics: pendulum}\n"
    "pendulum: {frames: 6, frame_time: 0.2, observe: state, law: damped, driven: state}\n"
    "hybrid: {inside_layers: [dense 5], clock: none, after: nothing, inference: global, start: "
    "[1.2, 0.3], activation: tanh}\n"
    "regularizer: {network_norm: 0.3, multiplier: 2, multiplier_rate: 1}\n";
static const char galaxy[] =
    "run: {physics: galaxy}\n"
    "galaxy: {size: 8}\n"
    "hybrid: {inside: nothing, after: unet, after_layers: [\"grid 2 2 3\", \"deconv 2 kernel 4 stride 4\"], unet: [2, "
    "3], "
    "features: [\"conv 2 kernel 3 pad 1\", batchnorm, dense 6], heads: [dense 4], unmixer: channels, unmixer_layers: "
    "[dense 4], activation: tanh, sigma: 0.4}\n"
    "regularizer: {reduced_model: 0.3, unmixing: 0.7, augmentation: 0.5}\n";
static const char classed[] =
    "run: {physics: predator_prey}\n"
    "predator_prey: {frames: 6, frame_time: 0.5}\n"
    "hybrid: {inside_layers: [dense 4], after: nothing, features: [dense 7], heads: [dense 4], unmixer: nothing, "
    "activation: tanh, sigma: 0.4}\n"
    "regularizer: {classification: 0.4, reduced_model: 0.3}\n";
static const char curves[] =
    "run: {physics: curves}\n"
    "curves: {frames: 9}\n"
    "hybrid: {known: nothing, inside: nothing, after_layers: [dense 5], latent_after: 3, features: [dense 7], heads: "
    "[], activation: tanh, sigma: 0.4}\n"
    "regularizer: {classification: 0.6, class: sigmoid}\n";

static const char prey[] =
    "run: {physics: predator_prey}\n"
    "predator_prey: {frames: 6, frame_time: 4, start: prepared, gain: [0.7, 1.3], drift: [-0.1, 0.1]}\n"
    "hybrid: {inside: nothing, after: calibration, after_layers: [], knots: 3, features: [dense 7], heads: [dense 4], "
    "unmixer: nothing, activation: tanh, sigma: 0.4}\n"
    "regularizer: {reduced_model: 0.3, augmentation: 1e-4, augmentation_gain: 0.2, augmentation_baseline: 0.1}\n"
    "ode: {substeps: 8}\n";

static const struct {
  const char *name, *yaml;
  const char *change[4], *model; /* its name in the table of baselines */
} cases[] = {
    {"sum", pendulum, {NULL}, "NN+phys+reg"},
    {"parameters", pendulum, {"hybrid.inside=parameters", "ode.method=euler"}, "NN+phys+reg"},
    {"driven", pendulum, {"hybrid.inside_state=driven", "ode.method=midpoint"}, "NN+phys+reg"},
    {"phys-only", pendulum, {"hybrid.inside=nothing", "hybrid.after=nothing"}, "Phys-only"},
    {"solver", pendulum, {"hybrid.known=kinematics", "ode.method=midpoint", "hybrid.clock=none"}, "NN+solver"},
    {"nn-only", pendulum, {"hybrid.known=nothing", "hybrid.inside=nothing"}, "NN-only"},
    {"calibration", pendulum, {"hybrid.after=calibration"}, "NN+phys+reg"},
    {"calibration of the law",
     pendulum,
     {"hybrid.after=calibration", "hybrid.inside=nothing", "regularizer.augmentation_gain=0.2", "hybrid.knots=3"},
     "NN+phys+reg"},
    {"prey", prey, {NULL}, "NN+phys+reg"},
    {"prey of two parameters", prey, {"predator_prey.law=template_and_predation"}, "NN+phys+reg"},
    {"no unmixer", pendulum, {"hybrid.unmixer=nothing", "hybrid.after=nothing"}, "NN+phys+reg"},
    {"line", line, {NULL}, "NN+phys+reg"},
    {"global", global, {NULL}, "NN+phys+reg"},
    {"neural ode", global, {"hybrid.known=kinematics", "hybrid.start=[]"}, "NN+solver"},
    {"galaxy", galaxy, {NULL}, "NN+phys+reg"},
    {"escort", pendulum, {"objective.kind=relbo-escort", "objective.alpha=0.6"}, "NN+phys+reg"},
    {"escort, phys-only",
     pendulum,
     {"hybrid.inside=nothing", "hybrid.after=nothing", "objective.kind=relbo-escort", "objective.alpha=1.1"},
     "Phys-only"},
    {"classes of a law", classed, {NULL}, "NN+phys+reg"},
    {"classes", curves, {NULL}, "NN-only"},
    {"nothing known of a law",
     classed,
     {"hybrid.known=nothing", "hybrid.inside=nothing", "hybrid.after=network", "hybrid.after_layers=[dense 5]"},
     "NN-only"},
    {"renyi-prior", line, {"objective.kind=renyi-prior", "objective.alpha=0.4"}, "NN+phys+reg"},
};
enum { CASES = sizeof cases / sizeof *cases };

typedef struct world {
  const gb_schema *sections[16];
  gb_config *cfg;
  gb_sim sim;
  gb_hybrid_opts opts;
  gb_regularizer_opts regularizer;
  gb_objective_opts objective;
  gb_ode_opts ode;
  gb_hybrid_plan plan;
  gb_hybrid *h;
  gb_model m;
  float x[ROWS * MOST];
  gb_real fixed[ROWS * MOST]; /* P at the weights where the gradient is taken: no gradient passes through it */
  double weight[GB_MOST_TERMS];
} world;

/* Classes of the rows; the last one has none. */
static const double label[ROWS] = {0, 1, -1};

static gb_err forward(world *w, gb_pass pass, const double *term[])
{
  if (w->m.label) w->m.take_labels(w->m.self, ROWS, label);
  return w->m.forward(w->m.self, ROWS, 1, w->x, pass, term);
}

static gb_err open_world(world *w, const char *yaml, const char *const change[4])
{
  int n = 0, changes = 0;
  gb_run_opts run;
  const gb_physics *physics;
  *w = (world){0};
  w->sections[n++] = &gb_run_schema;
  for (int i = 0; gb_physics_all[i]; i++) w->sections[n++] = gb_physics_all[i]->schema;
  w->sections[n++] = &gb_hybrid_schema;
  w->sections[n++] = &gb_regularizer_schema;
  w->sections[n++] = &gb_objective_schema;
  w->sections[n++] = &gb_ode_schema;
  char *list[4 + 1] = {"run.dir=none"};
  while (changes < 4 && change[changes]) {
    list[changes + 1] = (char *)change[changes];
    changes++;
  }
  CHECK_OK(gb_config_parse("test", yaml, strlen(yaml), changes + 1, list, w->sections, &w->cfg));
  gb_config_get(w->cfg, &gb_run_schema, &run);
  gb_config_get(w->cfg, &gb_hybrid_schema, &w->opts);
  gb_config_get(w->cfg, &gb_regularizer_schema, &w->regularizer);
  gb_config_get(w->cfg, &gb_objective_schema, &w->objective);
  gb_config_get(w->cfg, &gb_ode_schema, &w->ode);
  CHECK_OK(gb_sim_find(gb_physics_all, run.physics, &physics));
  CHECK_OK(gb_sim_create(physics, w->cfg, gb_comm_self(), &w->sim));
  w->plan = (gb_hybrid_plan){.opts = &w->opts,
                             .regularizer = &w->regularizer,
                             .objective = &w->objective,
                             .ode = &w->ode,
                             .sim = &w->sim,
                             .rows = ROOM,
                             .seed = 3};
  gb_err e = gb_hybrid_create(&w->plan, NULL, &w->h);
  if (e) return e;
  w->m = gb_hybrid_model(w->h);
  w->m.weights(w->m.self, 5, w->weight);
  for (uint64_t r = 0; r < ROWS; r++) {
    double truth[16];
    CHECK(w->sim.dims.n <= MOST);
    CHECK_OK(physics->simulator->simulate(w->sim.self, 1, r, w->x + r * w->sim.dims.n, truth));
  }
  return GB_OK;
}

static void close_world(world *w)
{
  gb_hybrid_destroy(&w->h);
  gb_sim_destroy(&w->sim);
  gb_config_destroy(&w->cfg);
}

static double square(size_t n, const gb_real *a, const gb_real *b)
{
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

/* The loss; `unmixing` against the decode that is held fixed. */
static double loss(world *w)
{
  static const gb_pass pass = {.step = 5, .first_row = 7, .training = true};
  const double *term[GB_MOST_TERMS];
  double all = 0;
  CHECK_OK(forward(w, pass, term));
  gb_hybrid_view v = gb_hybrid_look(w->h);
  for (int k = 0; k < w->m.n_terms; k++) {
    if (w->weight[k] == 0) continue;
    if (!strcmp(w->m.term[k], "unmixing")) {
      size_t n = v.width / (w->sim.kind->image ? 3 : 1);
      all += w->weight[k] * square(ROWS * n, v.unmixed, w->fixed);
      continue;
    }
    for (size_t r = 0; r < ROWS; r++) all += w->weight[k] * term[k][r];
  }
  return all;
}

static double difference(world *w, size_t n, const double *kept, const double *direction)
{
  double h = w->sim.kind->image ? 1e-6 : 2e-4; /* the U-Net has rectifiers: none may turn within a step */
  double *value = gb_params_value(w->m.params), d = 0;
  for (int k = 0; k < 4; k++) {
    for (size_t i = 0; i < n; i++) value[i] = kept[i] + stencil[k].at * h * direction[i];
    d += stencil[k].c * loss(w) / h;
  }
  memcpy(value, kept, n * sizeof *value);
  return d;
}

/* Two random directions through each tensor, against the largest element of its gradient. */
static void compare(world *w, const char *name)
{
  gb_params *p = w->m.params;
  size_t n = gb_params_size(p);
  double *grad = gb_alloc(n, sizeof *grad), *kept = gb_alloc(n, sizeof *kept), *u = gb_alloc(n, sizeof *u);
  double rounding = w->sim.kind->image ? 1e-7 : 1e-9; /* of the loss, divided by h */
  memcpy(kept, gb_params_value(p), n * sizeof *kept);
  loss(w);
  gb_hybrid_view v = gb_hybrid_look(w->h);
  if (v.decode[GB_DECODE_P])
    memcpy(w->fixed, v.decode[GB_DECODE_P], ROWS * v.width / (w->sim.kind->image ? 3 : 1) * sizeof(gb_real));
  CHECK_OK(w->m.backward(w->m.self, w->weight, &(gb_gradient){.block = grad, .parts = 1}));
  for (int t = 0; t < gb_params_n(p); t++) {
    const gb_param_info *info = gb_params_info(p, t);
    if (info->rule != GB_LEARNED) continue;
    for (uint64_t k = 0; k < 2; k++) {
      double along = 0, scale = 0;
      memset(u, 0, n * sizeof *u);
      gb_rng_normal(gb_rng_key(9, GB_RNG_TEST, (uint64_t)t, k), info->count, u + info->first);
      for (size_t i = info->first; i < info->first + info->count; i++) {
        u[i] /= sqrt((double)info->count);
        along += grad[i] * u[i];
        scale = fmax(scale, fabs(grad[i]));
      }
      double d = difference(w, n, kept, u);
      if (fabs(along - d) > 1e-6 * scale + rounding)
        fail_msg("%s, %s: %.12g but differences %.12g", name, info->name, along, d);
    }
  }
  gb_free(&grad);
  gb_free(&kept);
  gb_free(&u);
}

static void gradients(void **state)
{
  (void)state;
  for (int i = 0; i < CASES; i++) {
    world w;
    CHECK_OK(open_world(&w, cases[i].yaml, cases[i].change));
    compare(&w, cases[i].name);
    close_world(&w);
  }
}

static const double *term_of(const world *w, const char *name, const double *term[])
{
  for (int k = 0; k < w->m.n_terms; k++)
    if (!strcmp(w->m.term[k], name)) return term[k];
  fail_msg("there is no term %s", name);
  return NULL;
}

/* An added residual r and d = PA - P: the four squares of R_PPC are (|r|^2 + |d|^2) / 2. */
static void reduced_model_in_both_forms(void **state)
{
  (void)state;
  static const char *const none[4] = {NULL};
  const double *term[GB_MOST_TERMS];
  world w;
  CHECK_OK(open_world(&w, pendulum, none));
  CHECK_OK(forward(&w, (gb_pass){5, 7, true}, term));
  gb_hybrid_view v = gb_hybrid_look(w.h);
  for (size_t r = 0; r < ROWS; r++) {
    const gb_real *p = v.decode[GB_DECODE_P] + r * v.width, *pa = v.decode[GB_DECODE_PA] + r * v.width,
                  *pb = v.decode[GB_DECODE_PB] + r * v.width, *pab = v.decode[GB_DECODE_PAB] + r * v.width;
    double whole =
        (square(v.width, pa, p) + square(v.width, pb, p) + square(v.width, pab, pa) + square(v.width, pab, pb)) / 4;
    double simple = (square(v.width, pb, p) + square(v.width, pa, p)) / 2;
    CHECK_NEAR(term_of(&w, "reduced_model", term)[r], whole, 1e-13 * whole);
    CHECK_NEAR(simple, whole, 1e-13 * whole);
    CHECK(whole > 1e-3);
  }
  close_world(&w);
}

/* With the noise off, inference and decoding from its latents are the same. */
static void decoding_what_was_inferred(void **state)
{
  (void)state;
  for (int i = 0; i < CASES; i++) {
    world w;
    gb_real theta[ROWS * GB_MOST_PARAMETERS], inside[ROWS * 8], after[ROWS * 8], out[ROWS * MOST], p[ROWS * MOST];
    CHECK_OK(open_world(&w, cases[i].yaml, cases[i].change));
    CHECK_OK(gb_hybrid_infer(w.h, ROWS, 0, w.x));
    gb_hybrid_view v = gb_hybrid_look(w.h);
    memcpy(out, v.decode[GB_DECODE_PAB], ROWS * v.width * sizeof *out);
    size_t n_p = ROWS * v.width / (w.sim.kind->image ? 3 : 1);
    if (v.decode[GB_DECODE_P]) memcpy(p, v.decode[GB_DECODE_P], n_p * sizeof *p);
    if (v.theta) memcpy(theta, v.theta, ROWS * v.n_parameter * sizeof *theta);
    if (v.inside) memcpy(inside, v.inside, ROWS * v.n_inside * sizeof *inside);
    if (v.after) memcpy(after, v.after, ROWS * v.n_after * sizeof *after);
    const double *term[GB_MOST_TERMS];
    CHECK_OK(forward(&w, (gb_pass){5, 7, true}, term)); /* other latents */
    CHECK_OK(
        gb_hybrid_decode(w.h, ROWS, w.x, v.theta ? theta : NULL, v.inside ? inside : NULL, v.after ? after : NULL));
    assert_memory_equal(out, gb_hybrid_look(w.h).decode[GB_DECODE_PAB], ROWS * v.width * sizeof *out);
    if (v.decode[GB_DECODE_P]) assert_memory_equal(p, gb_hybrid_look(w.h).decode[GB_DECODE_P], n_p * sizeof *p);
    close_world(&w);
  }
}

/* The term is that of the scores of a plane for each class, from the weights; a row without a class has none, and so
 * have all rows of a pass of which no classes are told. */
static void classification(void **state)
{
  (void)state;
  static const char *const none[4] = {NULL};
  static const gb_pass pass = {.step = 5, .first_row = 7};
  enum { CLASSES = 2, LATENTS = 3 };
  const double *term[GB_MOST_TERMS];
  const gb_real *weight = NULL, *bias = NULL;
  world w;
  CHECK_OK(open_world(&w, curves, none));
  assert_string_equal(w.m.label, "sigmoid");
  assert_int_equal(w.m.classes, CLASSES);
  for (int t = 0; t < gb_params_n(w.m.params); t++) {
    const gb_param_info *info = gb_params_info(w.m.params, t);
    if (!strcmp(info->name, "classifier.weight")) weight = gb_params_value(w.m.params) + info->first;
    if (!strcmp(info->name, "classifier.bias")) bias = gb_params_value(w.m.params) + info->first;
  }
  CHECK(weight && bias);
  CHECK_OK(forward(&w, pass, term));
  double told[ROWS];
  memcpy(told, term_of(&w, "classification", term), sizeof told);
  CHECK_OK(w.m.forward(w.m.self, ROWS, 1, w.x, pass, term));
  for (size_t r = 0; r < ROWS; r++) CHECK_NEAR(term_of(&w, "classification", term)[r], 0, 0);
  CHECK_OK(gb_hybrid_infer(w.h, ROWS, 7, w.x));
  const gb_real *mean = gb_hybrid_look(w.h).after;
  for (size_t r = 0; r < ROWS; r++) {
    double score[CLASSES], sum = 0;
    for (size_t k = 0; k < CLASSES; k++) {
      score[k] = bias[k];
      for (size_t j = 0; j < LATENTS; j++) score[k] += mean[r * LATENTS + j] * weight[j * CLASSES + k];
      sum += exp(score[k]);
    }
    CHECK_NEAR(told[r], label[r] < 0 ? 0 : log(sum) - score[(size_t)label[r]], 1e-12);
  }
  CHECK(told[0] > 0.1);
  close_world(&w);
}

static void names_and_refusals(void **state)
{
  (void)state;
  static const struct {
    const char *yaml, *change[4], *message;
  } bad[] = {
      {pendulum, {"hybrid.after=unet"}, "hybrid.after = unet is for images"},
      {pendulum, {"hybrid.after=calibration", "hybrid.latent_after=0"}, "hybrid.latent_after = 0"},
      {pendulum, {"hybrid.after=calibration", "hybrid.known=nothing", "hybrid.inside=nothing"}, "no solution"},
      {pendulum, {"regularizer.pretraining=5", "regularizer.augmentation=0"}, "regularizer.pretraining = 5"},
      {galaxy, {"regularizer.augmentation_gain=0.1"}, "are for differential equations"},
      {pendulum, {"hybrid.known=nothing", "hybrid.inside=parameters"}, "hybrid.inside = parameters"},
      {pendulum, {"hybrid.known=kinematics", "hybrid.inside=nothing", "hybrid.after=nothing"}, "leave nothing"},
      {pendulum, {"hybrid.after=network"}, "hybrid.after = network makes the sample alone"},
      {pendulum, {"hybrid.inside_layers=[conv 4]"}, "dense layers only"},
      {global, {"hybrid.start=[1]"}, "hybrid.start has 1 numbers"},
      {global, {"pendulum.observe=angle"}, "needs the whole state"},
      {galaxy, {"hybrid.inside=sum"}, "an image is no differential equation"},
      {galaxy, {"hybrid.unmixer=residual"}, "mixes `channels`"},
      {pendulum, {"objective.kind=relbo"}, "takes elbo, relbo-escort or renyi-prior"},
      {global, {"objective.kind=renyi-prior"}, "no posterior"},
      {pendulum,
       {"regularizer.classification=1"},
       "regularizer.class = behaviour is no truth of run.physics = pendulum"},
      {curves, {"regularizer.class=steepness"}, "that tell a class: sigmoid. Name one"},
      {classed, {"regularizer.class=template"}, "that tell a class: behaviour. Name one"},
      {pendulum, {"objective.free_bits=0.1"}, "are for models of lattices"},
  };
  for (int i = 0; i < CASES; i++) {
    world w;
    CHECK_OK(open_world(&w, cases[i].yaml, cases[i].change));
    assert_string_equal(w.m.name, cases[i].model);
    close_world(&w);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    world w;
    CHECK_FAILS(open_world(&w, bad[i].yaml, bad[i].change), GB_ERR_CONFIG, bad[i].message);
    close_world(&w);
  }
}

/* Until pretraining ends nothing but the augmentation counts, and validations judge as ever. */
static void pretraining(void **state)
{
  (void)state;
  static const char *const change[4] = {"regularizer.pretraining=6"};
  world w;
  double then[GB_MOST_TERMS], judged[GB_MOST_TERMS];
  CHECK_OK(open_world(&w, pendulum, change)); /* its weights are those of step 5 */
  w.m.weights(w.m.self, 6, then);
  w.m.weights(w.m.self, GB_PASS_FIXED, judged);
  for (int k = 0; k < w.m.n_terms; k++) {
    bool drawn = !strcmp(w.m.term[k], "augmentation");
    CHECK((w.weight[k] > 0) == drawn && then[k] > 0 && (judged[k] > 0) == (k == 0));
    CHECK(!drawn || w.weight[k] == then[k]);
  }
  close_world(&w);
}

/* ln p(x|z) from the decode, and the mean over draws of ln p(z)/q(z|x), which is -kl, of every pattern. */
static void evidence(void **state)
{
  enum { DRAWS = 1000 };
  (void)state;
  for (int i = 0; i < CASES; i++) {
    world w;
    double sum[ROWS] = {0}, square[ROWS] = {0}, kl[ROWS] = {0}, mean[16];
    CHECK_OK(open_world(&w, cases[i].yaml, cases[i].change));
    w.objective.evidence = true;
    gb_hybrid_destroy(&w.h);
    CHECK_OK(gb_hybrid_create(&w.plan, NULL, &w.h));
    w.m = gb_hybrid_model(w.h);
    CHECK(w.m.weigh);
    size_t n = w.sim.dims.n;
    for (uint64_t k = 0; k < DRAWS; k++) {
      const double *term[GB_MOST_TERMS];
      CHECK_OK(forward(&w, (gb_pass){k, 7, false}, term));
      gb_hybrid_view v = gb_hybrid_look(w.h);
      for (size_t r = 0; r < ROWS; r++) {
        gb_weight q = w.m.weigh(w.m.self, r, mean);
        double s2 = w.opts.sigma * w.opts.sigma, error = 0;
        for (size_t j = 0; j < n; j++) error += pow(v.decode[GB_DECODE_PAB][r * n + j] - (double)w.x[r * n + j], 2);
        CHECK_NEAR(q.likelihood, -error / (2 * s2) - (double)n * log(sqrt(2 * M_PI * s2)), 1e-9 * (1 + error / s2));
        sum[r] += q.ratio / DRAWS;
        square[r] += q.ratio * q.ratio / DRAWS;
        if (w.m.latents) kl[r] = term[1][r];
      }
    }
    for (size_t r = 0; r < ROWS; r++)
      CHECK_NEAR(sum[r], -kl[r], 5 * sqrt((square[r] - sum[r] * sum[r]) / DRAWS) + 1e-12);
    close_world(&w);
  }
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv); /* PETSc simulates the samples */
  const struct CMUnitTest tests[] = {TEST(gradients),
                                     TEST(reduced_model_in_both_forms),
                                     TEST(decoding_what_was_inferred),
                                     TEST(evidence),
                                     TEST(classification),
                                     TEST(pretraining),
                                     TEST(names_and_refusals)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  gb_petsc_end();
  MPI_Finalize();
  return failed;
}
