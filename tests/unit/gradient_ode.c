/* tests/unit/gradient_ode.c - gradients through differential equations against fourth-order differences, of every
 * method and solver; our solver against PETSc. */
#include <mpi.h>

#include "foreign_leaks.h"
#include "ode_bench.h"
#include "sim/petsc.h"
#include "stencil.h"

/* Fourth-order difference of the loss along one weight. */
static double difference(swinger *s, double *value)
{
  static const double h = 1e-3;
  double kept = *value, d = 0;
  for (int k = 0; k < 4; k++) {
    *value = kept + stencil[k].at * h;
    d += stencil[k].c * swing_loss(s) / h;
  }
  *value = kept;
  return d;
}

/* Every weight of every tensor, relative to the largest gradient in it. */
static void compare(swinger *s, double tolerance)
{
  swing_begin(s);
  double *value = gb_params_value(s->p), *grad = gb_alloc(gb_params_size(s->p), sizeof *grad);
  swing_loss(s);
  swing_backward(s, grad, false);
  for (int t = 0; t < gb_params_n(s->p); t++) {
    const gb_param_info *info = gb_params_info(s->p, t);
    double largest = 0, worst = 0;
    for (size_t i = info->first; i < info->first + info->count; i++) {
      double d = difference(s, value + i);
      largest = fmax(largest, fabs(d));
      worst = fmax(worst, fabs(grad[i] - d));
    }
    if (!(largest > 1e-4 && worst <= tolerance * largest))
      fail_msg("%s by %s, known %d, inside %d, clock %d, reduced %d, norm %d: %s differs by %.3g of %.3g", s->method,
               s->solver, s->known, s->inside, s->clock, s->reduced, s->norm, info->name, worst, largest);
  }
  gb_free(&grad);
  swing_end(s);
}

static const swinger law = {.rows = 3,
                            .seen = 1,
                            .n_latent = 2,
                            .hidden = 5,
                            .layers = 3,
                            .activation = GB_TANH,
                            .inside = GB_INSIDE_SUM,
                            .clock = GB_CLOCK_TIME,
                            .reduced = true,
                            .tolerance = 1e-12};

enum { N_FIXED_SOLVERS = 2 };
static const char *const fixed_solvers[] = {"direct", "petsc"};
static const char *const fixed_steps[] = {"euler", "midpoint", "rk4"};

/* Every method of a solver. */
static void methods(const char *solver, int n, const char *const method[], double tolerance)
{
  for (int m = 0; m < n; m++)
    for (int inside = GB_INSIDE_SUM; inside <= GB_INSIDE_PARAMETERS; inside++)
      for (int k = 0; k < 2; k++) {
        swinger s = law;
        s.method = method[m];
        s.solver = solver;
        s.inside = (gb_inside)inside;
        s.substeps = 1 + k;
        s.clock = k ? GB_CLOCK_CIRCLE : GB_CLOCK_TIME;
        s.reduced = k == 0;
        compare(&s, tolerance);
      }
}

static void direct_steps(void **state)
{
  (void)state;
  static const char *const stabilised[] = {"rkc"};
  methods("direct", 3, fixed_steps, 1e-8);
  methods("direct", 1, stabilised, 1e-8);
}

static void petsc_steps(void **state)
{
  (void)state;
  methods("petsc", 3, fixed_steps, 1e-8);
}

static void petsc_other_methods(void **state)
{
  (void)state;
  static const char *const other[] = {"crank_nicolson", "backward_euler", "dopri5"};
  methods("petsc", 3, other, 1e-8);
}

/* The same numbers from both solvers. */
static void both_solvers(void **state)
{
  (void)state;
  for (int m = 0; m < 3; m++) {
    swinger s[2];
    double *grad[2];
    for (int k = 0; k < 2; k++) {
      s[k] = law;
      s[k].method = fixed_steps[m];
      s[k].solver = fixed_solvers[k];
      s[k].rows = 20;
      s[k].parts = 2;
      s[k].frames = 30;
      s[k].activation = GB_ELU;
      swing_begin(&s[k]);
      grad[k] = gb_alloc(gb_params_size(s[k].p), sizeof *grad[k]);
      swing_loss(&s[k]);
      swing_backward(&s[k], grad[k], false);
    }
    for (size_t i = 0; i < s[0].rows * s[0].y->width; i++) CHECK_NEAR(s[0].y->v[i], s[1].y->v[i], 1e-12);
    for (int t = 0; t < gb_params_n(s[0].p); t++) {
      const gb_param_info *info = gb_params_info(s[0].p, t);
      double largest = 0;
      for (size_t i = info->first; i < info->first + info->count; i++) largest = fmax(largest, fabs(grad[0][i]));
      for (size_t i = info->first; i < info->first + info->count; i++)
        CHECK_NEAR(grad[0][i], grad[1][i], 1e-12 * largest);
    }
    for (int k = 0; k < 2; k++) {
      gb_free(&grad[k]);
      swing_end(&s[k]);
    }
  }
}

/* Solver and method of one case. */
typedef struct way {
  const char *solver, *method;
} way;

/* Without a law, without latents, without a network; activations of which x or y is kept. */
static void parts_of_the_problem(void **state)
{
  (void)state;
  static const way ways[] = {{"direct", "rk4"}, {"petsc", "rk4"}, {"petsc", "crank_nicolson"}};
  for (int i = 0; i < 3; i++) {
    for (int known = GB_KNOWN_LAW; known <= GB_KNOWN_NOTHING; known++)
      for (int k = 0; k < 3; k++) {
        swinger s = law;
        s.solver = ways[i].solver;
        s.method = ways[i].method;
        s.known = (gb_known)known;
        s.seen = known == GB_KNOWN_NOTHING ? 2 : 1; /* else nothing that is seen moves */
        s.n_latent = (size_t)k;
        s.clock = GB_CLOCK_NONE;
        s.activation = k == 1 ? GB_GELU : GB_SOFTPLUS;
        compare(&s, 1e-8);
      }
    swinger s = law;
    s.solver = ways[i].solver;
    s.method = ways[i].method;
    s.inside = GB_INSIDE_NOTHING;
    s.n_latent = 0;
    compare(&s, 1e-8);
  }
}

/* A network that does not see the angle: gradients, and the same numbers as one that sees it with weights of 0. */
static void hidden_angle(void **state)
{
  (void)state;
  static const way ways[] = {
      {"direct", "midpoint"}, {"petsc", "rk4"}, {"petsc", "dopri5"}, {"petsc", "crank_nicolson"}};
  for (int i = 0; i < 4; i++) {
    swinger s[2];
    double *value[2], *grad[2];
    for (int k = 0; k < 2; k++) {
      s[k] = law;
      s[k].solver = ways[i].solver;
      s[k].method = ways[i].method;
      s[k].sees_from = k == 0 ? 1 : 0;
      if (k == 0) compare(&s[k], 1e-8);
      swing_begin(&s[k]);
      value[k] = gb_params_value(s[k].p);
      grad[k] = gb_alloc(gb_params_size(s[k].p), sizeof *grad[k]);
    }
    for (int t = 0; t < gb_params_n(s[0].p); t++) {
      const gb_param_info *a = gb_params_info(s[0].p, t), *b = gb_params_info(s[1].p, t);
      size_t same = a->count == b->count ? a->count : law.n_latent * law.hidden; /* latents, then the angle */
      memset(value[1] + b->first, 0, b->count * sizeof **value);
      memcpy(value[1] + b->first, value[0] + a->first, same * sizeof **value);
      memcpy(value[1] + b->first + b->count - (a->count - same), value[0] + a->first + same,
             (a->count - same) * sizeof **value);
    }
    for (int k = 0; k < 2; k++) {
      swing_loss(&s[k]);
      swing_backward(&s[k], grad[k], false);
    }
    for (size_t j = 0; j < s[0].rows * s[0].y->width; j++) CHECK_NEAR(s[0].y->v[j], s[1].y->v[j], 1e-13);
    for (int t = 0; t < gb_params_n(s[0].p); t++) {
      const gb_param_info *a = gb_params_info(s[0].p, t), *b = gb_params_info(s[1].p, t);
      for (size_t j = 0; j < a->count && a->count == b->count; j++)
        CHECK_NEAR(grad[0][a->first + j], grad[1][b->first + j], 1e-12);
    }
    for (int k = 0; k < 2; k++) {
      gb_free(&grad[k]);
      swing_end(&s[k]);
    }
  }
}

/* More components, all of them driven: the systems of implicit steps have rows to exchange. */
static void larger_states(void **state)
{
  (void)state;
  static const way ways[] = {{"direct", "rk4"}, {"direct", "rkc"}, {"petsc", "dopri5"}, {"petsc", "crank_nicolson"}};
  for (int i = 0; i < 4; i++)
    for (int k = 0; k < 3; k++) {
      swinger s = law;
      s.solver = ways[i].solver;
      s.method = ways[i].method;
      s.inside = k < 2 ? GB_INSIDE_SUM : GB_INSIDE_PARAMETERS;
      s.sites = k == 1 ? 0 : 7;
      s.seen = k == 1 ? 2 : 7;
      s.drives_all = true;
      s.frames = 3;
      s.frame_time = 0.1;
      compare(&s, 1e-8);
    }
}

/* The size of the network beside the solution, in pieces. */
static void norm(void **state)
{
  (void)state;
  static const way ways[] = {{"direct", "rk4"}, {"petsc", "rk4"}, {"petsc", "dopri5"}, {"petsc", "backward_euler"}};
  for (int i = 0; i < 4; i++)
    for (int k = 0; k < 2; k++) {
      swinger s = law;
      s.solver = ways[i].solver;
      s.method = ways[i].method;
      s.seen = 2;
      s.rows = 4;
      s.parts = k ? 2 : 1;
      s.norm = true;
      s.frames = 9; /* more than there are in the data */
      s.data_frames = 6;
      compare(&s, 1e-8);
    }
}

/* Parameters of all rows that are the same. */
static void set_parameters(swinger *s, double omega, double zeta)
{
  const gb_param_info *w = gb_params_info(s->p, 0), *b = gb_params_info(s->p, 1);
  double *value = gb_params_value(s->p);
  memset(value + w->first, 0, w->count * sizeof *value);
  value[b->first] = log(expm1(omega)); /* a softplus follows */
  value[b->first + 1] = zeta > 0 ? log(expm1(zeta)) : -100;
}

/* The known part by Euler's method, omega = 2, theta(0) = 1, steps of 0.05: an independent implementation in double. */
static void euler_pendulum(void **state)
{
  (void)state;
  static const struct {
    size_t frame;
    double theta;
  } known[] = {{0, 1}, {1, 1}, {10, 0.631675150}, {25, -0.777444664}, {49, -0.265042896}};
  for (int k = 0; k < N_FIXED_SOLVERS; k++) {
    swinger s = {.method = "euler", .solver = fixed_solvers[k], .rows = 1, .seen = 1, .frames = 50, .frame_time = 0.05};
    swing_begin(&s);
    set_parameters(&s, 2, 0);
    s.x->v[0] = 1;
    swing_loss(&s);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) CHECK_NEAR(s.y->v[known[i].frame], known[i].theta, 6e-10);
    swing_end(&s);
  }
}

int main(int argc, char **argv)
{
  static const struct CMUnitTest tests[] = {
      TEST(direct_steps),         TEST(petsc_steps),   TEST(petsc_other_methods), TEST(both_solvers),
      TEST(parts_of_the_problem), TEST(larger_states), TEST(hidden_angle),        TEST(norm),
      TEST(euler_pendulum)};
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  gb_petsc_end();
  MPI_Finalize();
  return failed;
}
