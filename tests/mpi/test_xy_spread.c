/* tests/mpi/test_xy_spread.c - an XY lattice spread over a team of ranks is the chain of one rank, bit by bit.
 *
 * Every rank walks the whole chain for itself as well and compares its box. The grid can be prescribed: the source that
 * chooses it is included here with another name for gb_grid_make(). On at most 4 ranks the product prefers rows of
 * boxes; columns come from 8 ranks on, on which this test runs, too: only there a box has different neighbours above
 * and below, and some at its corners. */
#include "comm/grid.h"

static gb_err prescribed_grid(gb_comm c, size_t ny, size_t nx, size_t unit_y, size_t unit_x, size_t tall, gb_grid *out);
#define gb_grid_make prescribed_grid
#include "xy/state.c"
#undef gb_grid_make

#include "physics/ensemble.h"
#include "ranks.h"

static size_t columns; /* of the grid; 0: the product decides */

static gb_err prescribed_grid(gb_comm c, size_t ny, size_t nx, size_t unit_y, size_t unit_x, size_t tall, gb_grid *out)
{
  GB_TRY(gb_grid_make(c, ny, nx, unit_y, unit_x, tall, out));
  if (!columns || c.size == 1) return GB_OK;
  out->size[1] = columns;
  out->size[0] = (size_t)c.size / columns;
  out->at[0] = (size_t)c.rank / columns;
  out->at[1] = (size_t)c.rank % columns;
  out->count[0] = ny / out->size[0];
  out->count[1] = nx / out->size[1];
  for (int i = 0; i < 2; i++) out->first[i] = out->at[i] * out->count[i];
  CHECK(out->count[0] % unit_y == 0 && out->count[1] % unit_x == 0);
  return GB_OK;
}

/* A chain on a team, with room for its box. */
typedef struct walk {
  gb_xy *s;
  gb_dims d;
  gb_walkers w;
  void *state;
  float *field, *x;
  double tuned, obs[GB_XY_OBS], track[GB_XY_MEASURED], cost;
} walk;

static double grid_of_T[1] = {0.9};

static void begin(walk *k, int64_t L, gb_comm team)
{
  void *model;
  gb_xy_opts opts = {.L = L, .J = 1, .T = {.n = 1, .v = grid_of_T}, .overrelaxation = -1, .wolff = 0};
  *k = (walk){.w = {.T = 0.9, .seed = 5, .n = 1, .chain = {42}}};
  CHECK_OK(gb_xy_create(&opts, team, &model, &k->d));
  k->s = model;
  CHECK(k->s->strips && k->d.walkers == 1);
  char *state;
  CHECK_OK(gb_new(&state, k->d.walker_bytes));
  k->state = state;
  CHECK_OK(gb_new(&k->field, 2 * k->d.n_mine));
  CHECK_OK(gb_new(&k->x, k->d.n_mine));
}

static void end(walk *k)
{
  void *model = k->s;
  gb_free(&k->state);
  gb_free(&k->field);
  gb_free(&k->x);
  gb_xy_destroy(&model);
}

static void look(walk *k, uint64_t number)
{
  float *field[1] = {k->field}, *x[1] = {k->x};
  double *tuned[1] = {&k->tuned}, *obs[1] = {k->obs};
  gb_xy_unpack(k->s, &k->w, k->state, field, tuned);
  gb_xy_measure(k->s, &k->w, k->state, k->track);
  gb_xy_sample(k->s, &k->w, number, k->state, x, obs);
}

/* My box of the spread chain is in the whole one; sums are those of the whole lattice on all ranks. */
static void check_same(walk *whole, walk *spread, uint64_t number)
{
  size_t L = whole->s->L, n = L * L, rows = spread->d.count[0], width = spread->d.count[1];
  look(whole, number);
  look(spread, number);
  for (size_t y = 0; y < rows; y++) {
    size_t from = (spread->d.first[0] + y) * L + spread->d.first[1], to = y * width;
    CHECK(!memcmp(whole->x + from, spread->x + to, width * sizeof(float)));
    for (size_t part = 0; part < 2; part++)
      CHECK(
          !memcmp(whole->field + part * n + from, spread->field + part * spread->d.n_mine + to, width * sizeof(float)));
  }
  CHECK(whole->tuned == spread->tuned && whole->cost == spread->cost);
  CHECK(!memcmp(whole->obs, spread->obs, sizeof whole->obs) &&
        !memcmp(whole->track, spread->track, sizeof whole->track));
}

static void run_sweeps(walk *k, gb_xy_sweeps sweeps)
{
  gb_xy_run(k->s, &k->w, &sweeps, k->state);
}

/* Each move, many of them in one pass, and then whole steps, tuned and not. */
static void check_chain(int64_t L, size_t px, bool hot)
{
  walk whole, spread;
  columns = 0;
  begin(&whole, L, gb_comm_self());
  columns = px;
  begin(&spread, L, world);
  CHECK(spread.s->grid.size[1] == px && spread.s->grid.size[0] * px == (size_t)world.size);
  CHECK(spread.d.n_mine * (size_t)world.size == whole.d.n && spread.d.n == whole.d.n);
  gb_xy_start(whole.s, &whole.w, hot, whole.state);
  gb_xy_start(spread.s, &spread.w, hot, spread.state);
  check_same(&whole, &spread, 0);
  for (uint64_t i = 0; i < 2; i++) {
    int64_t accepted[2];
    run_sweeps(&whole, (gb_xy_sweeps){.metropolis = 1, .K = 1.1, .number = i, .accepted = &accepted[0]});
    run_sweeps(&spread, (gb_xy_sweeps){.metropolis = 1, .K = 1.1, .number = i, .accepted = &accepted[1]});
    CHECK(accepted[0] == accepted[1] && accepted[0] > 0);
    check_same(&whole, &spread, i);
    run_sweeps(&whole, (gb_xy_sweeps){.overrelaxation = 1});
    run_sweeps(&spread, (gb_xy_sweeps){.overrelaxation = 1});
    check_same(&whole, &spread, i);
    for (size_t n = 0; n < 7; n += 3) { /* 2, 8 and 14 half sweeps: fewer than a pass, one, and more */
      gb_xy_sweeps many = {.metropolis = n, .overrelaxation = 1 + n / 6 * 6, .K = 1.1, .number = 100 + 10 * i};
      run_sweeps(&whole, many);
      run_sweeps(&spread, many);
      check_same(&whole, &spread, i);
    }
  }
  for (uint64_t i = 0; i < 6; i++) {
    gb_xy_step(whole.s, &whole.w, i % whole.d.n_mix, i, i < 3, whole.state, &whole.cost);
    gb_xy_step(spread.s, &spread.w, i % spread.d.n_mix, i, i < 3, spread.state, &spread.cost);
  }
  check_same(&whole, &spread, 7);
  end(&whole);
  end(&spread);
}

static void a_spread_lattice_is_the_whole_one(void **state)
{
  (void)state;
  if (world.size == 3) {
    walk k;
    void *model;
    gb_xy_opts opts = {.L = 256, .J = 1, .T = {.n = 1, .v = grid_of_T}, .overrelaxation = -1, .wolff = 0};
    columns = 0;
    CHECK_FAILS(gb_xy_create(&opts, world, &model, &k.d), GB_ERR_CONFIG, "256 x 256 sites cannot be divided among 3");
    check_chain(384, 1, true);
    check_chain(384, 3, true);
    return;
  }
  for (size_t px = 1; px <= (size_t)world.size && px <= 4; px *= 2) {
    check_chain(px > 2 ? 512 : 256, px, true);
    check_chain(px > 2 ? 512 : 256, px, false);
  }
  columns = 0;
}

/* What the product chooses: rows of boxes if their boundary is no longer, and columns as well from 8 ranks on. */
static void columns_occur(void **state)
{
  gb_grid g;
  (void)state;
  for (int size = 1; size <= 16; size *= 2) {
    gb_comm c = {.size = size};
    CHECK_OK(gb_grid_make(c, 256, 256, 2, 128, 1 << 30, &g));
    CHECK(g.size[1] == (size < 8 ? 1 : 2));
  }
}

/* The same box: spins and widths. What the halo holds is fetched anew before it is used. */
static bool same_box(const walk *a, const walk *b)
{
  const gb_xy_state *x = a->state, *y = b->state;
  size_t bytes = a->s->ny * a->s->slots * sizeof(gb_xy_spin);
  return !memcmp(&x->width, &y->width, sizeof x->width) &&
         !memcmp(gb_xy_get(a->s, x, 0, 0), gb_xy_get(b->s, y, 0, 0), bytes) &&
         !memcmp(gb_xy_get(a->s, x, 1, 0), gb_xy_get(b->s, y, 1, 0), bytes);
}

/* A box goes through its description and comes back the same; the chain goes on from it. */
static void boxes_are_packed(void **state)
{
  (void)state;
  for (size_t px = 1; px <= (size_t)world.size && px <= 2 && world.size != 3; px *= 2) {
    walk a, b;
    columns = px;
    begin(&a, 256, world);
    begin(&b, 256, world);
    gb_xy_start(a.s, &a.w, true, a.state);
    gb_xy_start(b.s, &b.w, false, b.state);
    for (uint64_t i = 0; i < 2; i++) gb_xy_step(a.s, &a.w, 0, i, true, a.state, &a.cost);
    look(&a, 0);
    const float *field[1] = {a.field};
    const double *tuned[1] = {&a.tuned};
    gb_xy_pack(b.s, &b.w, field, tuned, b.state);
    CHECK(same_box(&a, &b));
    b.cost = a.cost;
    for (uint64_t i = 2; i < 4; i++) {
      gb_xy_step(a.s, &a.w, 1, i, false, a.state, &a.cost);
      gb_xy_step(b.s, &b.w, 1, i, false, b.state, &b.cost);
    }
    CHECK(same_box(&a, &b) && a.cost == b.cost);
    end(&a);
    end(&b);
  }
  columns = 0;
}

/* Clusters cannot grow across ranks: refused, unless the options leave none. */
static void clusters_are_refused(void **state)
{
  static const double wolff[] = {-1, 0.125, 1};
  void *model;
  gb_dims d;
  (void)state;
  columns = 0;
  if (world.size == 3) return;
  for (int k = 0; k < 3; k++) {
    gb_xy_opts opts = {.L = 256, .J = 1, .T = {.n = 1, .v = grid_of_T}, .overrelaxation = -1, .wolff = wolff[k]};
    if (world.size > 1) {
      CHECK_FAILS(gb_xy_create(&opts, world, &model, &d), GB_ERR_CONFIG, "Set xy.wolff = 0");
    } else {
      CHECK_OK(gb_xy_create(&opts, world, &model, &d));
      gb_xy_destroy(&model);
    }
  }
  gb_xy_opts large = {.L = 512, .J = 1, .T = {.n = 1, .v = grid_of_T}, .overrelaxation = -1, .wolff = -1};
  CHECK_OK(gb_xy_create(&large, world, &model, &d)); /* none is tried at this size: the data must not depend on teams */
  gb_xy_destroy(&model);
}

static const struct CMUnitTest tests[] = {TEST(a_spread_lattice_is_the_whole_one), TEST(columns_occur),
                                          TEST(boxes_are_packed), TEST(clusters_are_refused)};
RUN_ON_RANKS(tests)
