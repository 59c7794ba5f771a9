/* tests/mpi/test_hybrid_assess.c - what a report says of a grey-box VAE: the same numbers on any ranks, and the right
 * ones. */
#include "report/hybrid_assess.h"

#include <sys/stat.h>

#include "io/run.h"
#include "learn/checkpoint.h"
#include "mpi/ranks.h"
#include "registry.h"
#include "sim/curve.h"
#include "sim/simulate.h"

enum { PASS = 4, TEST_ROWS = 15, FRAMES = 10, LONG = 40 }; /* the test rows end within a pass */

static const char pendulum[] =
    "run: {physics: pendulum, dir: data, seed: 3}\npendulum: {frames: 10, frame_time: 0.1}\n"
    "simulate: {training: 6, validation: 2, test: 15}\n"
    "hybrid: {inside_layers: [dense 5], after: nothing, features: [dense 7], heads: [dense 6], "
    "unmixer_layers: [dense 8]}\n";
static const char galaxy[] =
    "run: {physics: galaxy, dir: sky, seed: 3}\ngalaxy: {size: 16, neighbours: 0}\n"
    "simulate: {training: 6, validation: 2, test: 15}\n"
    "hybrid: {inside: nothing, after: unet, unet: [2, 3], after_layers: [dense 4, grid 16 16 1], "
    "features: [conv 2 stride 4, dense 6], heads: [dense 5], unmixer: channels, "
    "unmixer_layers: [dense 4]}\n";

/* With the law alone, started where the generator starts, a decode is what the generator makes. */
#define PREY                                                                                                           \
  "run: {physics: predator_prey, dir: prey, seed: 3}\n"                                                                \
  "predator_prey: {frames: 60, frame_time: 8, observe: prey, start: prepared, noise: 0.001}\n"                         \
  "simulate: {training: 150, validation: 2, test: 15}\node: {substeps: 40}\n"
static const char prey_law[] =
    PREY "hybrid: {inside: nothing, after: nothing, features: [dense 7], heads: [dense 6], unmixer: nothing}\n";
static const char prey_plain[] =
    PREY "hybrid: {known: nothing, inside: nothing, after: residual, latent_after: 3, after_layers: [dense 40], "
         "features: [dense 7], heads: [dense 6]}\n";

/* A config with all that a data set and a training need. */
typedef struct setup {
  const gb_physics *physics;
  gb_config *cfg;
  const gb_schema *all[20], *training[20];
} setup;

static void open_setup(const char *name, const char *yaml, setup *s)
{
  size_t n = 0, m = 0;
  *s = (setup){0};
  CHECK_OK(gb_sim_find(gb_physics_all, name, &s->physics));
  s->all[n++] = s->training[m++] = &gb_run_schema;
  s->all[n++] = s->training[m++] = s->physics->schema;
  s->all[n++] = &gb_simulate_schema;
  for (size_t i = 0; gb_experiment_sections[i]; i++) {
    s->all[n++] = gb_experiment_sections[i];
    if (gb_experiment_sections[i] != &gb_vae_schema) s->training[m++] = gb_experiment_sections[i];
  }
  char dir[PATH_MAX + 16];
  snprintf(dir, sizeof dir, "run.dir=%s", scratch(name));
  CHECK_OK(gb_config_parse("test", yaml, strlen(yaml), 1, (char *[]){dir}, s->all, &s->cfg));
}

/* Make the network in the equation one that drives what is positive away exponentially. */
static void make_wild(gb_params *params)
{
  for (int i = 0; i < gb_params_n(params); i++) {
    const gb_param_info *t = gb_params_info(params, i);
    for (size_t k = 0; k < t->count && !strncmp(t->name, "inside.network", 14); k++)
      gb_params_value(params)[t->first + k] = 2;
  }
}

/* The data set, made by all ranks, and an untrained model beside it, as gb_experiment_train() leaves one. */
static void prepare(const char *name, const char *yaml, bool wild)
{
  setup s;
  gb_run *run;
  gb_sim sim;
  gb_hybrid *h;
  gb_hybrid_opts hybrid;
  gb_regularizer_opts regularizer;
  gb_objective_opts objective;
  gb_ode_opts ode;
  gb_text text = {0};
  char path[PATH_MAX + 32];
  open_setup(name, yaml, &s);
  const gb_schema *defining[] = {&gb_run_schema, s.physics->schema, &gb_simulate_schema, NULL};
  CHECK_OK(gb_run_open(world, "test", s.cfg, s.all, &run));
  CHECK_OK(gb_simulate(world, s.cfg, s.physics, defining, run));
  gb_config_get(s.cfg, &gb_hybrid_schema, &hybrid);
  gb_config_get(s.cfg, &gb_regularizer_schema, &regularizer);
  gb_config_get(s.cfg, &gb_objective_schema, &objective);
  gb_config_get(s.cfg, &gb_ode_schema, &ode);
  CHECK_OK(gb_sim_create(s.physics, s.cfg, gb_comm_self(), &sim));
  gb_hybrid_plan plan = {.opts = &hybrid,
                         .regularizer = &regularizer,
                         .objective = &objective,
                         .ode = &ode,
                         .sim = &sim,
                         .rows = PASS,
                         .seed = 3};
  CHECK_OK(gb_hybrid_create(&plan, NULL, &h));
  if (wild) make_wild(gb_hybrid_model(h).params);
  gb_config_print_fixed(s.cfg, s.training, &text);
  gb_state state = {.step = 17, .best = 1, .data = 99, .params = gb_hybrid_model(h).params};
  snprintf(path, sizeof path, "%s/best.h5", gb_run_get(run)->dir);
  CHECK_OK(gb_checkpoint_save(world, path, text.s, &state));
  gb_run_close(&run);
  MPI_Barrier(world.mpi);
  gb_text_free(&text);
  gb_hybrid_destroy(&h);
  gb_sim_destroy(&sim);
  gb_config_destroy(&s.cfg);
}

/* A model and data with a group of ranks, and what gb_hybrid_assess() says. */
typedef struct case_ {
  gb_trained m;
  gb_dataset *d;
  gb_hybrid_assessment a;
} case_;

static const double two[] = {0.5, 0.3, 0.7, 0.5}, four[] = {0.8, 0.6, 0.9, 2.8};
static const double template[] = {75, 120, 150, 240};
static const gb_hybrid_assess_opts how = {
    .frames = LONG, .what_if = {4, template}, .low = {4, two}, .high = {4, four}, .spread = 2, .seed = 5};

static gb_err open_model(gb_comm c, const char *name, size_t frames, gb_trained *m)
{
  const gb_physics *physics;
  CHECK_OK(gb_sim_find(gb_physics_all, name, &physics));
  return gb_trained_open(c, scratch(name), physics, PASS, frames, m);
}

static void open_case(gb_comm c, const char *name, case_ *x)
{
  char path[PATH_MAX + 32];
  CHECK_OK(open_model(c, name, 0, &x->m));
  snprintf(path, sizeof path, "%s/dataset.h5", scratch(name));
  gb_dataset_opts o = {.path = path, .memory = 4};
  CHECK_OK(gb_dataset_open(c, &o, x->m.sim.dims.ndim, x->m.sim.dims.shape, &x->d));
  CHECK_OK(gb_hybrid_assess(c, &x->m, scratch(name), x->d, &how, &x->a));
}

static void close_case(case_ *x)
{
  gb_hybrid_assessment_free(&x->a);
  gb_dataset_close(&x->d);
  gb_trained_close(&x->m);
}

/* Both NULL, or the same bits. */
static bool same(const double *a, const double *b, size_t n)
{
  return (!a && !b) || (a && b && !memcmp(a, b, n * sizeof *a));
}

static void compare(const char *name)
{
  case_ x, y;
  open_case(world, name, &x);
  open_case(self, name, &y);
  const gb_hybrid_assessment *a = &x.a, *b = &y.a;
  CHECK(a->n == TEST_ROWS && a->n_example == GB_EXAMPLES);
  CHECK(!memcmp(&a->number, &b->number, sizeof a->number));
  CHECK(same(a->truth, b->truth, a->n * a->n_parameter));
  CHECK(same(a->inferred, b->inferred, a->n * a->n_parameter));
  CHECK(a->n_horizon == b->n_horizon && same(a->error, b->error, a->n_horizon));
  CHECK(same(a->sample, b->sample, a->n_example * a->width));
  for (int d = 0; d < GB_DECODES; d++) CHECK(same(a->decode[d], b->decode[d], a->n_example * a->decode_width[d]));
  CHECK(same(a->generated, b->generated, GB_GENERATED * a->width));
  CHECK(a->what_if.n == b->what_if.n && a->what_if.crossings == b->what_if.crossings);
  CHECK(same(a->what_if.decode, b->what_if.decode, a->what_if.n * a->what_if.frames));
  close_case(&x);
  close_case(&y);
}

static void any_ranks_say_the_same(void **state)
{
  (void)state;
  prepare("pendulum", pendulum, false);
  compare("pendulum");
  prepare("galaxy", galaxy, false);
  compare("galaxy");
  prepare("predator_prey", prey_law, false);
  compare("predator_prey");
  prepare("predator_prey", prey_plain, false);
  compare("predator_prey");
}

/* What one row alone gives: sums of the reconstruction, the parameter, and errors at other parameters and times. */
typedef struct row {
  double sse, abs, omega, counterfactual[GB_SCALES], intervention[GB_SCALES], late[3];
} row;

static double far_from(const gb_hybrid *h, size_t first, size_t n, const float *exact)
{
  double sum = 0;
  const gb_real *y = gb_hybrid_look(h).decode[GB_DECODE_PAB];
  for (size_t k = first; k < first + n; k++) sum += fabs((double)y[k] - (double)exact[k]) / (double)n;
  return sum;
}

static void one_row(case_ *x, gb_trained *longer, uint64_t i, const double *truth, row *out)
{
  static const size_t late[3] = {0, FRAMES - 1, LONG - 1};
  const gb_simulator *s = x->m.sim.kind->simulator;
  gb_hybrid *h = x->m.built.hybrid;
  float sample[FRAMES], exact[LONG];
  double z[8];
  *out = (row){0};
  CHECK_OK(gb_dataset_read(x->d, GB_TEST, 1, &i, sample));
  CHECK_OK(gb_hybrid_infer(h, 1, i, sample));
  gb_hybrid_view v = gb_hybrid_look(h);
  for (size_t k = 0; k < FRAMES; k++) {
    double d = (double)v.decode[GB_DECODE_PAB][k] - (double)sample[k];
    out->sse += d * d;
    out->abs += fabs(d);
  }
  gb_real omega = v.theta[0];
  out->omega = (double)omega;
  for (size_t k = 0; k < GB_SCALES; k++) {
    gb_real scaled = (gb_real)((double)omega * gb_scale[k]);
    CHECK_OK(gb_hybrid_decode(h, 1, sample, &scaled, NULL, NULL));
    memcpy(z, truth, (size_t)s->n_truth * sizeof *z);
    z[0] = (double)scaled;
    CHECK_OK(s->exact(x->m.sim.self, z, FRAMES, exact));
    out->counterfactual[k] = far_from(h, 0, FRAMES, exact);
    z[0] = truth[0] * gb_scale[k];
    CHECK_OK(s->exact(x->m.sim.self, z, FRAMES, exact));
    out->intervention[k] = far_from(h, 0, FRAMES, exact);
  }
  CHECK_OK(gb_hybrid_infer(longer->built.hybrid, 1, i, sample));
  CHECK_OK(s->exact(x->m.sim.self, truth, LONG, exact));
  for (size_t k = 0; k < 3; k++) out->late[k] = far_from(longer->built.hybrid, late[k], 1, exact);
}

/* Every number from rows that pass alone: up to rounding of sums in single precision. */
static void numbers_are_what_they_say(void **state)
{
  (void)state;
  static const double tolerance = 2e-5;
  case_ x;
  gb_trained longer;
  row mean = {0}, one[TEST_ROWS];
  double l2 = 0, mae = 0, truth[TEST_ROWS][8], column[TEST_ROWS], mi = 0, mt = 0, ii = 0, tt = 0, it = 0;
  prepare("pendulum", pendulum, false);
  open_case(world, "pendulum", &x);
  CHECK_OK(open_model(world, "pendulum", LONG, &longer));
  const gb_simulator *s = x.m.sim.kind->simulator;
  for (size_t j = 0; j < (size_t)s->n_truth; j++) {
    CHECK_OK(gb_dataset_truth(x.d, GB_TEST, s->truth[j].name, column));
    for (size_t i = 0; i < TEST_ROWS; i++) truth[i][j] = column[i];
  }
  for (size_t i = 0; i < TEST_ROWS; i++) {
    one_row(&x, &longer, i, truth[i], &one[i]);
    for (size_t k = 0; k < sizeof mean / sizeof(double); k++)
      ((double *)&mean)[k] += ((double *)&one[i])[k] / TEST_ROWS;
    l2 += sqrt(one[i].sse) / TEST_ROWS;
    mae += fabs(one[i].omega - truth[i][0]) / TEST_ROWS;
    mi += one[i].omega / TEST_ROWS;
    mt += truth[i][0] / TEST_ROWS;
    CHECK_NEAR(x.a.inferred[i], one[i].omega, tolerance);
    CHECK(x.a.truth[i] <= truth[i][0] && x.a.truth[i] >= truth[i][0]);
  }
  for (size_t i = 0; i < TEST_ROWS; i++) {
    ii += (one[i].omega - mi) * (one[i].omega - mi);
    tt += (truth[i][0] - mt) * (truth[i][0] - mt);
    it += (one[i].omega - mi) * (truth[i][0] - mt);
  }
  const gb_hybrid_numbers *n = &x.a.number;
  CHECK_NEAR(n->l2, l2, tolerance);
  CHECK_NEAR(n->sse, mean.sse, tolerance * 10);
  CHECK_NEAR(n->mae, mean.abs / FRAMES, tolerance);
  CHECK_NEAR(n->parameter_mae[0], mae, tolerance);
  CHECK_NEAR(n->correlation[0], it / sqrt(ii * tt), 1e-3);
  for (size_t k = 0; k < GB_SCALES; k++) {
    CHECK_NEAR(n->counterfactual[k], mean.counterfactual[k], tolerance);
    CHECK_NEAR(n->intervention[k], mean.intervention[k], tolerance);
  }
  CHECK(x.a.n_horizon == 40 && x.a.frame[0] <= 0 && x.a.frame[39] >= LONG - 1);
  CHECK_NEAR(x.a.error[0], mean.late[0], tolerance);
  CHECK_NEAR(n->extrapolation[0], mean.late[1], tolerance);
  CHECK_NEAR(n->extrapolation[2], mean.late[2], 20 * tolerance); /* rounding grows along the way */
  CHECK(isnan(n->extrapolation[3]) && isnan(n->parameter_mae[1]));
  gb_trained_close(&longer);
  close_case(&x);
}

/* Directions within half a turn of the truth; examples and generated images are images. */
static void images(void **state)
{
  (void)state;
  case_ x;
  gb_hybrid_assess_opts wrong = how;
  gb_hybrid_assessment a;
  enum { ANGLE = 3 };
  prepare("galaxy", galaxy, false);
  open_case(world, "galaxy", &x);
  CHECK(!strcmp(gb_sim_parameters(&x.m.sim)[ANGLE].name, "angle"));
  double mae = 0;
  for (size_t i = 0; i < TEST_ROWS; i++) {
    double d = x.a.inferred[i * 4 + ANGLE] - x.a.truth[i * 4 + ANGLE];
    CHECK(fabs(d) <= M_PI / 2 + 1e-12);
    mae += fabs(d) / TEST_ROWS;
  }
  CHECK_NEAR(x.a.number.parameter_mae[ANGLE], mae, 1e-12);
  CHECK(x.a.decode_width[GB_DECODE_P] * 3 == x.a.width && x.a.decode_width[GB_DECODE_PAB] == x.a.width);
  CHECK(isnan(x.a.number.counterfactual[0]) && x.a.n_horizon == 0);
  bool differ = false;
  for (size_t k = 0; k < GB_GENERATED * x.a.width; k++) {
    CHECK(x.a.generated[k] >= 0 && x.a.generated[k] <= 1); /* behind a sigmoid */
    differ = differ || (k >= x.a.width && fabs(x.a.generated[k] - x.a.generated[k - x.a.width]) > 1e-6);
  }
  CHECK(differ);
  wrong.low.n = 2;
  CHECK_ALL_FAIL(gb_hybrid_assess(world, &x.m, scratch("galaxy"), x.d, &wrong, &a), GB_ERR_CONFIG,
                 "report.generate_low has 2 numbers");
  close_case(&x);
}

/* A model that runs away: the report goes as far as it stays finite, and does not fail. */
static void divergence(void **state)
{
  (void)state;
  case_ x;
  prepare("pendulum", pendulum, true);
  open_case(world, "pendulum", &x);
  CHECK(x.a.n_horizon == 20 && isfinite(x.a.number.extrapolation[1]) && isnan(x.a.number.extrapolation[2]));
  CHECK(isfinite(x.a.number.l2) && x.a.error[19] > 1e10);
  close_case(&x);
}

/* What the generator makes of the truth of a row with this value. */
static gb_behaviour made(const case_ *x, size_t i, double value, double *curve)
{
  enum { MOST = 16, PREY_FRAMES = 60 };
  int n;
  double truth[MOST], column[TEST_ROWS];
  float exact[PREY_FRAMES];
  const gb_var *name = gb_sim_truth(&x->m.sim, &n);
  CHECK(n <= MOST);
  for (int j = 0; j < n; j++) {
    CHECK_OK(gb_dataset_truth(x->d, GB_TEST, name[j].name, column));
    truth[j] = j ? column[i] : value;
  }
  CHECK_OK(x->m.sim.kind->simulator->exact(x->m.sim.self, truth, PREY_FRAMES, exact));
  for (size_t f = 0; f < PREY_FRAMES; f++) curve[f] = (double)exact[f];
  return gb_curve_describe_above(PREY_FRAMES, 1, curve, 8, 3 * x->a.what_if.noise).behaviour;
}

/* A model that is the generator is right in all cases, and those that cross a threshold are counted. */
static void behaviour_of_the_law(void **state)
{
  (void)state;
  case_ x;
  double curve[60], G[TEST_ROWS];
  size_t crossings = 0, kinds[GB_BEHAVIOURS] = {0};
  prepare("predator_prey", prey_law, false);
  open_case(world, "predator_prey", &x);
  const gb_what_if *w = &x.a.what_if;
  const gb_what_if_numbers *s = &x.a.number.what_if;
  CHECK(w->n == 4 && w->frames == 60);
  CHECK_NEAR(w->noise, 0.001, 1e-4);
  CHECK_OK(gb_dataset_truth(x.d, GB_TEST, "template", G));
  for (size_t i = 0; i < TEST_ROWS; i++)
    for (size_t k = 0; k < w->n; k++) {
      gb_behaviour is = made(&x, i, template[k], curve);
      kinds[is]++;
      for (size_t f = 0; i == 0 && f < w->frames; f++) {
        CHECK_NEAR(w->exact[k * w->frames + f], curve[f], 1e-12);
        CHECK_NEAR(w->decode[k * w->frames + f], curve[f], 2e-3);
      }
      crossings += is != made(&x, i, G[i], curve);
    }
  CHECK(kinds[GB_CURVE_STEADY] == TEST_ROWS && kinds[GB_CURVE_SUSTAINED] == 2 * TEST_ROWS &&
        kinds[GB_CURVE_DAMPED] == TEST_ROWS);
  CHECK(w->crossings == crossings && crossings > TEST_ROWS);
  for (size_t k = 0; k < w->n; k++) CHECK_NEAR(s->of[k], 1, 1e-12);
  CHECK_NEAR(s->all, 1, 1e-12);
  CHECK_NEAR(s->across, 1, 1e-12);
  CHECK(isnan(s->of[4]) && s->own < 1); /* what an untrained encoder infers */
  CHECK(x.a.number.parameter_median[0] > 0.05);
  close_case(&x);
}

/* Mean latents of the two training rows nearest to a value, of 150. */
static void nearest(case_ *x, double value, double *out)
{
  enum { ROWS = 150, LATENTS = 3 };
  double G[ROWS];
  float sample[60];
  bool taken[ROWS] = {false};
  CHECK_OK(gb_dataset_truth(x->d, GB_TRAIN, "template", G));
  memset(out, 0, LATENTS * sizeof *out);
  for (int k = 0; k < 2; k++) {
    uint64_t best = ROWS;
    for (uint64_t i = 0; i < ROWS; i++)
      if (!taken[i] && (best == ROWS || fabs(G[i] - value) < fabs(G[best] - value))) best = i;
    taken[best] = true;
    CHECK_OK(gb_dataset_read(x->d, GB_TRAIN, 1, &best, sample));
    CHECK_OK(gb_hybrid_infer(x->m.built.hybrid, 1, best, sample));
    for (size_t j = 0; j < LATENTS; j++) out[j] += (double)gb_hybrid_look(x->m.built.hybrid).after[j] / 2;
  }
}

/* A model without the law is moved in its latents by what they change with the parameter. */
static void behaviour_without_the_law(void **state)
{
  (void)state;
  case_ x;
  double G[TEST_ROWS], from[3], to[3], curve[60], right[4] = {0};
  float sample[60];
  gb_real z[3];
  prepare("predator_prey", prey_plain, false);
  open_case(world, "predator_prey", &x);
  const gb_what_if *w = &x.a.what_if;
  gb_hybrid *h = x.m.built.hybrid;
  CHECK(w->n == 4 && x.a.n_parameter == 0 && isnan(x.a.number.parameter_median[0]));
  CHECK_OK(gb_dataset_truth(x.d, GB_TEST, "template", G));
  for (uint64_t i = 0; i < TEST_ROWS; i++)
    for (size_t k = 0; k < w->n; k++) {
      nearest(&x, G[i], from);
      nearest(&x, template[k], to);
      CHECK_OK(gb_dataset_read(x.d, GB_TEST, 1, &i, sample));
      CHECK_OK(gb_hybrid_infer(h, 1, i, sample));
      for (size_t j = 0; j < 3; j++) z[j] = (gb_real)((double)gb_hybrid_look(h).after[j] + to[j] - from[j]);
      CHECK_OK(gb_hybrid_decode(h, 1, sample, NULL, NULL, z));
      for (size_t f = 0; f < w->frames; f++) curve[f] = (double)gb_hybrid_look(h).decode[GB_DECODE_PAB][f];
      for (size_t f = 0; i == 0 && f < w->frames; f++) CHECK_NEAR(w->decode[k * w->frames + f], curve[f], 1e-5);
      gb_behaviour is = gb_curve_describe_above(w->frames, 1, curve, 8, 3 * w->noise).behaviour;
      right[k] += (double)(is == made(&x, i, template[k], curve)) / TEST_ROWS;
    }
  for (size_t k = 0; k < w->n; k++) CHECK_NEAR(x.a.number.what_if.of[k], right[k], 1e-12);
  close_case(&x);
}

static void what_cannot_be_asked(void **state)
{
  (void)state;
  static const double many[GB_WHAT_IFS + 1] = {100, 110, 120};
  case_ x;
  gb_hybrid_assess_opts wrong = how;
  gb_hybrid_assessment a;
  prepare("pendulum", pendulum, false);
  open_case(world, "pendulum", &x); /* nothing labels its behaviour */
  CHECK(x.a.what_if.n == 0 && isnan(x.a.number.what_if.all));
  close_case(&x);
  prepare("predator_prey", prey_law, false);
  open_case(world, "predator_prey", &x);
  wrong.what_if = (gb_reals){GB_WHAT_IFS + 1, many};
  CHECK_ALL_FAIL(gb_hybrid_assess(world, &x.m, scratch("predator_prey"), x.d, &wrong, &a), GB_ERR_CONFIG,
                 "report.what_if has 10 values");
  close_case(&x);
}

static const struct CMUnitTest tests[] = {
    TEST(any_ranks_say_the_same),
    TEST(numbers_are_what_they_say),
    TEST(images),
    TEST(divergence),
    TEST(behaviour_of_the_law),
    TEST(behaviour_without_the_law),
    TEST(what_cannot_be_asked),
};
RUN_ON_RANKS(tests)
