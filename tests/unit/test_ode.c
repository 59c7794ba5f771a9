/* tests/unit/test_ode.c - what does not depend on how rows share passes, what is refused, and that nothing grows. */
#include <malloc.h>
#include <mpi.h>

#include "foreign_leaks.h"
#include "ode_bench.h"
#include "sim/petsc.h"

enum { ROWS = 160, N_WAYS = 7 };

/* Rows do not meet in the first `apart`; in the others, only those of a group. */
static const struct way {
  const char *solver, *method;
} ways[N_WAYS] = {{"direct", "euler"}, {"direct", "rk4"},           {"direct", "rkc"},  {"petsc", "midpoint"},
                  {"petsc", "rk4"},    {"petsc", "crank_nicolson"}, {"petsc", "dopri5"}};
enum { N_APART = 5 };

static void make_keeping(const char *trajectory, int way, size_t rows, swinger *s)
{
  *s = (swinger){.solver = ways[way].solver,
                 .method = ways[way].method,
                 .trajectory = trajectory,
                 .rows = rows,
                 .seen = 2,
                 .norm = true,
                 .n_latent = 2,
                 .hidden = 33,
                 .layers = 3,
                 .activation = GB_ELU,
                 .inside = GB_INSIDE_SUM,
                 .clock = GB_CLOCK_CIRCLE,
                 .reduced = true,
                 .tolerance = 1e-4};
  swing_begin(s);
}

static void make(int way, size_t rows, swinger *s)
{
  make_keeping("memory", way, rows, s);
}

/* Rows first ... first + n in one pass, in pieces; gradient and solution [rows, width] go to their places. */
static void pass(swinger *s, size_t first, size_t n, size_t parts, bool add, gb_real *grad, gb_real *y)
{
  s->rows = n;
  s->parts = parts;
  s->draws.first_row = first;
  swing_fill(s, s->x, 1);
  swing_fill(s, s->theta_data, 2);
  swing_fill(s, s->latent_data, 3);
  swing_loss(s);
  if (y) memcpy(y + first * s->y->width, s->y->v, n * s->y->width * sizeof *y);
  if (grad) swing_backward(s, grad, add);
}

typedef struct result {
  gb_real *y, *grad;
  size_t n_y, n_grad;
} result;

static result room(const swinger *s)
{
  result r = {.n_y = ROWS * s->y->width, .n_grad = gb_params_size(s->p)};
  r.y = gb_alloc(r.n_y, sizeof *r.y);
  r.grad = gb_alloc(r.n_grad, sizeof *r.grad);
  return r;
}

static void give_back(result *r)
{
  gb_free(&r->y);
  gb_free(&r->grad);
}

static void same(const result *a, const result *b, int way)
{
  if (memcmp(a->y, b->y, a->n_y * sizeof *a->y)) fail_msg("y: %s by %s", ways[way].method, ways[way].solver);
  if (memcmp(a->grad, b->grad, a->n_grad * sizeof *a->grad))
    fail_msg("gradient: %s by %s", ways[way].method, ways[way].solver);
}

/* One pass, and passes of several lengths that continue each other. */
static void passes_do_not_matter(void **state)
{
  (void)state;
  static const size_t length[] = {7, 65, 1, 80, 7};
  for (int w = 0; w < N_APART; w++) {
    swinger s;
    make(w, ROWS, &s);
    result whole = room(&s), pieces = room(&s);
    pass(&s, 0, ROWS, 1, false, whole.grad, whole.y);
    for (size_t i = 0, first = 0; i < 5; first += length[i++])
      pass(&s, first, length[i], 1, i > 0, pieces.grad, pieces.y);
    same(&whole, &pieces, w);
    give_back(&whole);
    give_back(&pieces);
    swing_end(&s);
  }
}

/* Four pieces in one pass, and each in its own, added in the same tree. */
static void pieces_make_a_tree(void **state)
{
  (void)state;
  for (int w = 0; w < N_WAYS; w++) {
    swinger s;
    make(w, ROWS, &s);
    result whole = room(&s), one[4];
    pass(&s, 0, ROWS, 4, false, whole.grad, whole.y);
    for (size_t k = 0; k < 4; k++) {
      one[k] = room(&s);
      pass(&s, k * ROWS / 4, ROWS / 4, 1, false, one[k].grad, one[0].y);
    }
    for (size_t i = 0; i < whole.n_grad; i++)
      one[0].grad[i] = (one[0].grad[i] + one[1].grad[i]) + (one[2].grad[i] + one[3].grad[i]);
    same(&whole, &one[0], w);
    give_back(&whole);
    for (int k = 0; k < 4; k++) give_back(&one[k]);
    swing_end(&s);
  }
}

/* Without training, steps are shared by groups of rows that begin at multiples of GB_ODE_GROUP. */
static void groups_of_an_evaluation(void **state)
{
  (void)state;
  for (int w = 0; w < N_WAYS; w++) {
    swinger s;
    make(w, ROWS, &s);
    result whole = room(&s), pieces = room(&s);
    s.draws.training = false;
    pass(&s, 0, ROWS, 1, false, NULL, whole.y);
    for (size_t first = 0; first < ROWS; first += 2 * GB_ODE_GROUP)
      pass(&s, first, 2 * GB_ODE_GROUP, 1, false, NULL, pieces.y);
    same(&whole, &pieces, w);
    give_back(&whole);
    give_back(&pieces);
    swing_end(&s);
  }
}

/* Forward passes without a backward one, and evaluations, leave no trace in what follows. */
static void evaluations_in_between(void **state)
{
  (void)state;
  for (int w = 0; w < N_WAYS; w++) {
    swinger s;
    make(w, ROWS, &s);
    result first = room(&s), again = room(&s);
    pass(&s, 0, ROWS, 1, false, first.grad, first.y);
    pass(&s, 3, 20, 1, false, NULL, NULL);
    s.draws.training = false;
    pass(&s, 16, 48, 1, false, NULL, NULL);
    s.draws.training = true;
    pass(&s, 0, ROWS, 2, false, NULL, NULL);
    pass(&s, 0, ROWS, 1, false, again.grad, again.y);
    same(&first, &again, w);
    give_back(&first);
    give_back(&again);
    swing_end(&s);
  }
}

/* What is solved again in the backward pass has the same bits, and holds less. */
static void recomputed(void **state)
{
  (void)state;
  static const size_t rows[] = {ROWS, 71};
  for (int w = 0; w < N_WAYS; w++) {
    swinger s[2];
    result r[2];
    size_t held[2];
    for (int k = 0; k < 2; k++) {
      make_keeping(k ? "recompute" : "memory", w, ROWS, &s[k]);
      held[k] = gb_graph_bytes(s[k].g);
      r[k] = room(&s[k]);
      for (int i = 0; i < 2; i++) pass(&s[k], 0, rows[i], 1, i > 0, r[k].grad, r[k].y);
    }
    same(&r[0], &r[1], w);
    /* Blocks of 16 rows (direct) or 64 in place of 160; where rows share steps, a block is the whole pass. */
    CHECK(w < N_APART ? 10 * held[1] < 7 * held[0] : held[1] == held[0]);
    for (int k = 0; k < 2; k++) {
      give_back(&r[k]);
      swing_end(&s[k]);
    }
  }
}

/* The known part alone, solved beside the whole, is what it is without a network. */
static void reduced(void **state)
{
  (void)state;
  for (int w = 0; w < N_APART; w++) {
    swinger s, bare = {.solver = ways[w].solver, .method = ways[w].method, .rows = 5, .seen = 2};
    make(w, 5, &s);
    swing_begin(&bare);
    swing_loss(&s);
    for (int t = 0; t < 2; t++) { /* theta is the first layer of both */
      const gb_param_info *a = gb_params_info(bare.p, t), *b = gb_params_info(s.p, t);
      memcpy(gb_params_value(bare.p) + a->first, gb_params_value(s.p) + b->first, a->count * sizeof(gb_real));
    }
    swing_loss(&bare);
    size_t n = bare.y->width;
    for (size_t r = 0; r < 5; r++) {
      assert_memory_equal(s.y->v + r * 2 * n + n, bare.y->v + r * n, n * sizeof *bare.y->v);
      CHECK(memcmp(s.y->v + r * 2 * n, bare.y->v + r * n, n * sizeof *bare.y->v) != 0);
    }
    swing_end(&s);
    swing_end(&bare);
  }
}

/* The bytes that are in use do not grow from the third to the fortieth step. */
static void nothing_grows(void **state)
{
  (void)state;
  for (int w = 0; w < N_WAYS; w++) {
    swinger s;
    make(w, 32, &s);
    result r = room(&s);
    size_t ours = 0, all = 0;
    for (int k = 0; k < 40; k++) {
      pass(&s, 0, 32, 2, false, r.grad, NULL);
      if (k % 3 == 1) pass(&s, 0, 32, 2, false, NULL, NULL); /* not used */
      if (k == 6) {
        ours = gb_mem_bytes();
        all = mallinfo2().uordblks;
      }
    }
    CHECK(gb_mem_bytes() == ours);
    CHECK(mallinfo2().uordblks < all + 20000);
    give_back(&r);
    swing_end(&s);
  }
}

/* A number that is not finite: where and with which parameters. The next pass is as if nothing had been. */
static void not_finite(void **state)
{
  (void)state;
  for (int w = 0; w < N_WAYS; w++) {
    swinger s;
    make(w, 8, &s);
    result before = room(&s), after = room(&s);
    pass(&s, 100, 8, 1, false, before.grad, NULL);
    s.latent_data->v[3 * 2] = (gb_real)NAN;
    CHECK_FAILS(gb_graph_run(s.g, NULL, NULL, 8, 1), GB_ERR_NUMERIC, "equation of row 103, frame");
    CHECK_FAILS(gb_graph_run(s.g, NULL, NULL, 8, 1), GB_ERR_NUMERIC, "is not finite; omega = ");
    pass(&s, 100, 8, 1, false, after.grad, NULL);
    assert_memory_equal(before.grad, after.grad, before.n_grad * sizeof *before.grad);
    give_back(&before);
    give_back(&after);
    swing_end(&s);
  }
}

/* A damping of 1e6 per second: explicit steps end, implicit ones do not mind. */
static void stiff(void **state)
{
  (void)state;
  for (int w = 0; w < N_WAYS; w++) {
    swinger s;
    make(w, 4, &s);
    gb_params_value(s.p)[gb_params_info(s.p, 1)->first + 1] = (gb_real)1e6;
    gb_err_clear();
    gb_err e = gb_graph_run(s.g, NULL, NULL, 4, 1);
    if (!strcmp(ways[w].method, "dopri5"))
      CHECK(e == GB_ERR_NUMERIC && strstr(gb_err_message(), "component 1 changes so fast that steps"));
    else if (!strcmp(ways[w].method, "crank_nicolson"))
      CHECK(e == GB_OK);
    gb_err_clear();
    swing_end(&s);
  }
}

/* All sites alike, u' = 9 b u^2: the quadratic equation of a long implicit step has no solution. */
static void newton_fails(void **state)
{
  (void)state;
  swinger s = {.solver = "petsc", .method = "backward_euler", .rows = 4, .seen = 7, .sites = 7, .tolerance = 1e-4};
  swing_begin(&s);
  gb_params_value(s.p)[gb_params_info(s.p, 1)->first + 1] = (gb_real)1e4;
  for (size_t i = 0; i < 4 * s.x->width; i++) s.x->v[i] = 1;
  CHECK_FAILS(gb_graph_run(s.g, NULL, NULL, 4, 1), GB_ERR_NUMERIC, "Newton's method does not converge; a = ");
  swing_end(&s);
}

static void options(void **state)
{
  (void)state;
  gb_ode_opts o = {.method = "dopri5", .solver = "direct", .substeps = 1, .tolerance = 1e-6, .trajectory = "memory"};
  CHECK_FAILS(gb_ode_schema.check(&o), GB_ERR_CONFIG, "ode.solver: direct has no dopri5");
  o.solver = "auto";
  CHECK_OK(gb_ode_schema.check(&o));
  o.method = "rkc";
  CHECK_OK(gb_ode_schema.check(&o));
  o.solver = "petsc";
  CHECK_FAILS(gb_ode_schema.check(&o), GB_ERR_CONFIG, "ode.solver: petsc has no rkc");
}

int main(int argc, char **argv)
{
  static const struct CMUnitTest tests[] = {TEST(passes_do_not_matter),
                                            TEST(pieces_make_a_tree),
                                            TEST(groups_of_an_evaluation),
                                            TEST(evaluations_in_between),
                                            TEST(recomputed),
                                            TEST(reduced),
                                            TEST(nothing_grows),
                                            TEST(not_finite),
                                            TEST(stiff),
                                            TEST(newton_fails),
                                            TEST(options)};
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  gb_petsc_end();
  MPI_Finalize();
  return failed;
}
