/* tests/mpi/test_grid.c - ranks as a periodic grid: which grid, which box, and that messages come from the side that is
 * promised. */
#include "comm/grid.h"

#include "ranks.h"

enum { NEVER = 1 << 30 }; /* no box is so tall: whole rows are not preferred */

/* Which grid: nothing is communicated, so any number of ranks can be asked for. 0 x 0: refused. */
static const struct {
  int ranks;
  size_t ny, nx, unit_y, unit_x, py, px;
} cases[] = {
    {1, 6, 10, 2, 2, 1, 1},        {2, 256, 256, 2, 128, 2, 1}, {3, 256, 256, 2, 128, 0, 0}, /* 256 / 3 */
    {3, 384, 384, 2, 128, 3, 1},   {4, 256, 256, 2, 128, 4, 1}, {4, 256, 256, 128, 128, 2, 2},
    {8, 256, 256, 2, 128, 4, 2},   {8, 512, 512, 2, 128, 4, 2}, {16, 512, 512, 2, 128, 4, 4},
    {16, 512, 512, 2, 256, 8, 2},  {2, 3, 8, 1, 1, 1, 2},       {2, 8, 3, 1, 1, 2, 1},
    {4, 4, 256, 4, 64, 1, 4},      {6, 64, 96, 1, 1, 2, 3},     {6, 96, 64, 1, 1, 6, 1},
    {5, 64, 64, 1, 1, 0, 0},       {1, 6, 10, 4, 1, 0, 0},      {64, 256, 256, 2, 128, 32, 2},
    {512, 256, 256, 2, 128, 0, 0}, /* more than the units allow */
};

static void the_grid_with_the_shortest_boundary(void **state)
{
  (void)state;
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    gb_grid g;
    size_t py = cases[k].py, px = cases[k].px, ny = cases[k].ny, nx = cases[k].nx;
    if (!py) {
      gb_comm c = {.rank = 0, .size = cases[k].ranks};
      CHECK_FAILS(gb_grid_make(c, ny, nx, cases[k].unit_y, cases[k].unit_x, NEVER, &g), GB_ERR_CONFIG,
                  "cannot be divided");
      continue;
    }
    size_t covered = 0;
    for (int r = 0; r < cases[k].ranks; r++) {
      gb_comm c = {.rank = r, .size = cases[k].ranks};
      CHECK_OK(gb_grid_make(c, ny, nx, cases[k].unit_y, cases[k].unit_x, NEVER, &g));
      if (g.size[0] != py || g.size[1] != px)
        fail_msg("%d ranks, %zu x %zu: a grid of %zu x %zu", cases[k].ranks, ny, nx, g.size[0], g.size[1]);
      CHECK(g.at[0] < py && g.at[1] < px && g.at[0] * px + g.at[1] == (size_t)r);
      CHECK(g.count[0] * py == ny && g.count[1] * px == nx);
      CHECK(g.count[0] % cases[k].unit_y == 0 && g.count[1] % cases[k].unit_x == 0);
      CHECK(g.first[0] == g.at[0] * g.count[0] && g.first[1] == g.at[1] * g.count[1]);
      covered += g.count[0] * g.count[1];
    }
    CHECK(covered == ny * nx);
  }
}

/* Whole rows where boxes can be tall enough, else the shortest boundary. */
static void whole_rows_are_preferred(void **state)
{
  static const struct {
    int ranks;
    size_t px;
  } cases_of_rows[] = {{8, 1}, {64, 1}, {128, 8}};
  (void)state;
  for (size_t k = 0; k < 3; k++) {
    gb_grid g;
    gb_comm c = {.rank = 0, .size = cases_of_rows[k].ranks};
    CHECK_OK(gb_grid_make(c, 4096, 4096, 16, 128, 64, &g));
    CHECK(g.size[1] == cases_of_rows[k].px && g.size[0] * g.size[1] == (size_t)c.size);
  }
}

/* Every rank sends who it is, the side and a number; several messages to one side, of different lengths, and none at
 * all; with computation between begin and end. */
static void exchange(const gb_grid *g)
{
  enum { ROUNDS = 3, LONG = 5000 };
  static const gb_side to[GB_GRID_MESSAGES] = {GB_UP, GB_DOWN, GB_RIGHT, GB_LEFT, GB_UP, GB_LEFT, GB_UP, GB_DOWN};
  static int32_t send[GB_GRID_MESSAGES][LONG], receive[GB_GRID_MESSAGES][LONG];
  gb_message m[GB_GRID_MESSAGES];
  gb_messages x;
  for (int n = 0; n <= GB_GRID_MESSAGES; n++)
    for (int round = 0; round < ROUNDS; round++) {
      for (int i = 0; i < n; i++) {
        size_t words = round == 2 ? LONG : 3;
        m[i] = (gb_message){to[i], send[i], receive[i], words * sizeof **send};
        memset(receive[i], 0xff, sizeof receive[i]);
        for (size_t k = 0; k < words; k++) send[i][k] = g->c.rank * 1000 + i * 100 + round * 10 + (int32_t)(k % 7);
      }
      gb_grid_begin(g, n, m, &x);
      gb_grid_end(&x);
      for (int i = 0; i < n; i++) {
        size_t y = g->at[0], c = g->at[1], py = g->size[0], px = g->size[1], words = m[i].bytes / sizeof **send;
        if (to[i] == GB_UP) y = (y + py - 1) % py; /* it goes up: it comes from below, where y is less by 1 */
        if (to[i] == GB_DOWN) y = (y + 1) % py;
        if (to[i] == GB_RIGHT) c = (c + px - 1) % px;
        if (to[i] == GB_LEFT) c = (c + 1) % px;
        for (size_t k = 0; k < words; k++)
          CHECK(receive[i][k] == (int32_t)(y * px + c) * 1000 + i * 100 + round * 10 + (int32_t)(k % 7));
        CHECK(words == LONG || receive[i][words] == -1); /* not a byte too many */
      }
    }
}

/* As a column, as a row, as a square: with one rank along an axis the message comes from itself, with two both
 * neighbours are one rank. */
static void messages_come_from_the_right_side(void **state)
{
  size_t n = (size_t)world.size;
  gb_grid g;
  (void)state;
  CHECK_OK(gb_grid_make(world, 2 * n, 2, 1, 2, NEVER, &g));
  CHECK(g.size[0] == n && g.size[1] == 1);
  exchange(&g);
  CHECK_OK(gb_grid_make(world, 2, 2 * n, 2, 1, NEVER, &g));
  CHECK(g.size[0] == 1 && g.size[1] == n);
  exchange(&g);
  if (n != 4) return;
  CHECK_OK(gb_grid_make(world, 4, 4, 2, 2, NEVER, &g));
  CHECK(g.size[0] == 2 && g.size[1] == 2);
  exchange(&g);
}

/* Each group of ranks has its own grid, and messages stay inside. */
static void teams_have_grids_of_their_own(void **state)
{
  gb_comm team;
  gb_grid g;
  (void)state;
  for (int size = 1; size <= world.size; size++) {
    if (world.size % size) continue;
    CHECK_OK(gb_comm_teams(world, size, &team));
    CHECK(team.size == size && team.rank == world.rank % size);
    CHECK_OK(gb_grid_make(team, 12, 12, 1, 1, NEVER, &g));
    exchange(&g);
    int first = world.rank;
    gb_comm_bcast(team, &first, sizeof first);
    CHECK(first == world.rank / size * size); /* neighbours of the world */
    gb_comm_close(&team);
  }
}

static const struct CMUnitTest tests[] = {TEST(the_grid_with_the_shortest_boundary), TEST(whole_rows_are_preferred),
                                          TEST(messages_come_from_the_right_side), TEST(teams_have_grids_of_their_own)};
RUN_ON_RANKS(tests)
