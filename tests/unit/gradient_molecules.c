/* tests/unit/gradient_molecules.c - gradients through stiff molecular systems, by implicit methods and their adjoints
 * and by a stabilised explicit one, against fourth-order differences. */
#include <mpi.h>

#include "ad/layers.h"
#include "check.h"
#include "foreign_leaks.h"
#include "registry.h"
#include "sim/ode.h"
#include "sim/petsc.h"
#include "stencil.h"

enum { ROWS = 3 };

/* Parameters of every row from weights, the solution, and the sum of its squares. */
typedef struct model {
  const gb_schema *schemas[2];
  gb_config *cfg;
  gb_sim sim;
  gb_ode_opts opts;
  gb_draws draws;
  gb_params *p;
  gb_graph *g;
  gb_node *x, *data, *y, *term;
} model;

static gb_err squares(gb_node *t)
{
  const gb_node *y = t->in[0];
  for (size_t r = 0; r < t->rows; r++) {
    t->term[r] = 0;
    for (size_t i = 0; i < y->width; i++)
      t->term[r] += (1 + sin((double)i)) * y->v[r * y->width + i] * y->v[r * y->width + i];
  }
  return GB_OK;
}

static gb_err squares_vjp(gb_node *t)
{
  gb_node *y = t->in[0];
  for (size_t r = 0; r < t->rows; r++)
    for (size_t i = 0; i < y->width; i++)
      y->g[r * y->width + i] += 2 * (1 + sin((double)i)) * y->v[r * y->width + i] * t->g[r];
  return GB_OK;
}

static const gb_op square_op = {"squares", squares, squares_vjp};

/* Parameters around the middle of their box, rows apart by a tenth of its width. */
static void set_weights(model *m)
{
  const gb_param_info *w = gb_params_info(m->p, 0), *b = gb_params_info(m->p, 1);
  double *value = gb_params_value(m->p);
  const gb_dims *d = &m->sim.dims;
  for (size_t k = 0; k < d->n_parameter; k++) {
    double middle = (d->low[k] + d->high[k]) / 2, width = d->high[k] - d->low[k];
    value[b->first + k] = middle > 30 ? middle : log(expm1(middle)); /* a softplus follows */
    for (size_t i = 0; i < 2; i++) value[w->first + i * d->n_parameter + k] = (i ? -0.1 : 0.1) * width;
  }
}

static void begin(model *m, const char *name, const char *yaml, const char *method, int64_t substeps)
{
  const gb_physics *kind = NULL;
  gb_param w, b;
  CHECK_OK(gb_sim_find(gb_physics_all, name, &kind));
  *m = (model){
      .schemas = {kind->schema}, .opts = {method, "auto", substeps, 1e-13, "memory", 7}, .draws = {.training = true}};
  CHECK_OK(gb_config_parse("test", yaml, strlen(yaml), 0, NULL, m->schemas, &m->cfg));
  CHECK_OK(gb_sim_create(kind, m->cfg, gb_comm_self(), &m->sim));
  const gb_dims *d = &m->sim.dims;
  CHECK_OK(gb_params_create(&m->p));
  CHECK_OK(gb_graph_create(m->p, ROWS, &m->g));
  m->x = gb_graph_data(m->g, (gb_shape){1, d->frames, d->seen});
  m->data = gb_graph_data(m->g, (gb_shape){1, 1, 2});
  CHECK_OK(gb_params_add(m->p, "w", 2, (size_t[]){2, d->n_parameter}, 1, &w));
  CHECK_OK(gb_params_add(m->p, "b", 1, (size_t[]){d->n_parameter}, 1, &b));
  gb_node *weight = gb_graph_param(m->g, w), *bias = gb_graph_param(m->g, b);
  gb_node *theta = gb_dense(m->g, m->data, weight, bias, (gb_shape){1, 1, d->n_parameter}, GB_SOFTPLUS);
  gb_ode_problem p = {.sim = &m->sim,
                      .opts = &m->opts,
                      .draws = &m->draws,
                      .frames = d->frames,
                      .known = GB_KNOWN_LAW,
                      .inside = GB_INSIDE_NOTHING,
                      .clock = GB_CLOCK_NONE};
  m->y = gb_ode_solve(m->g, &p, m->x, theta, NULL);
  m->term = gb_graph_term(m->g, &square_op, NULL, 1, &m->y);
  CHECK_OK(gb_params_freeze(m->p, 3));
  CHECK_OK(gb_graph_plan(m->g));
  set_weights(m);
  for (size_t r = 0; r < ROWS; r++) {
    float *row = gb_alloc(d->n, sizeof *row);
    double truth[64];
    CHECK_OK(kind->simulator->simulate(m->sim.self, 1, r, row, truth));
    for (size_t i = 0; i < d->n; i++) m->x->v[r * d->n + i] = row[i];
    for (size_t i = 0; i < 2; i++) m->data->v[2 * r + i] = sin(1 + (double)(2 * r + i));
    gb_free(&row);
  }
}

static void end(model *m)
{
  gb_graph_destroy(&m->g);
  gb_params_destroy(&m->p);
  gb_sim_destroy(&m->sim);
  gb_config_destroy(&m->cfg);
}

static double loss(model *m)
{
  double sum = 0;
  CHECK_OK(gb_graph_run(m->g, NULL, NULL, ROWS, 1));
  for (size_t r = 0; r < ROWS; r++) sum += m->term->term[r];
  return sum;
}

/* Every weight, relative to the largest gradient of its tensor. */
static void compare(const char *name, const char *yaml, const char *method, int64_t substeps)
{
  model m;
  begin(&m, name, yaml, method, substeps);
  double *value = gb_params_value(m.p), *grad = gb_alloc(gb_params_size(m.p), sizeof *grad);
  loss(&m);
  CHECK_OK(gb_graph_backward(m.g, 1, &m.term, (double[]){1}, &(gb_gradient){.block = grad, .parts = 1}));
  for (int t = 0; t < gb_params_n(m.p); t++) {
    const gb_param_info *info = gb_params_info(m.p, t);
    double largest = 0, worst = 0;
    for (size_t i = info->first; i < info->first + info->count; i++) {
      double kept = value[i], d = 0, h = 2e-4 * fmax(1, fabs(kept));
      for (int k = 0; k < 4; k++) {
        value[i] = kept + stencil[k].at * h;
        d += stencil[k].c * loss(&m) / h;
      }
      value[i] = kept;
      largest = fmax(largest, fabs(d));
      worst = fmax(worst, fabs(grad[i] - d));
    }
    if (!(largest > 1e-6 && worst <= 1e-6 * largest))
      fail_msg("%s by %s: %s differs by %.3g of %.3g", name, method, info->name, worst, largest);
  }
  gb_free(&grad);
  end(&m);
}

static void implicit_methods(void **state)
{
  (void)state;
  static const char *const method[] = {"crank_nicolson", "backward_euler"};
  for (int k = 0; k < 2; k++) {
    compare("predator_prey", "predator_prey: {frames: 8, frame_time: 4, law: template_and_predation}", method[k], 4);
    compare("pen_dna", "pen_dna: {frames: 6, frame_time: 5}", method[k], 10);
    compare(
        "pen_dna",
        "pen_dna: {frames: 5, frame_time: 5, observe: [a, b], strands: [\"a: K 40..60, start 10\", \"b: K 80..100\", "
        "\"i: K 0.02\"], templates: [\"aa: a -> a, total 20..30, inhibitor i\", \"ab: a -> b, total 3..4\", \"bi: b -> "
        "i, total 40..50\"], exonuclease: [3, 4]}",
        method[k], 10);
  }
}

/* Steps of a sixth of a minute, where rk4 is stable below a seventeenth. */
static void stabilised_method(void **state)
{
  (void)state;
  compare("pen_dna", "pen_dna: {frames: 6, frame_time: 5, start: prepared}", "rkc", 30);
  compare("predator_prey", "predator_prey: {frames: 8, frame_time: 4, law: template_and_predation}", "rkc", 4);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {TEST(implicit_methods), TEST(stabilised_method)};
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  gb_petsc_end();
  MPI_Finalize();
  return failed;
}
