/* tests/mpi/test_comm.c - agreement, exchange and shares, on any number of ranks. */
#include "comm/comm.h"

#include "mpi/ranks.h"

static void who_is_there(void **state)
{
  (void)state;
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  CHECK(world.rank == rank && world.size == size);
  CHECK(self.rank == 0 && self.size == 1);
  gb_comm none = {0};
  gb_comm_close(&none); /* never opened: nothing to do */
}

static void agreement_on_success(void **state)
{
  (void)state;
  CHECK(gb_comm_agree(world, GB_OK) == GB_OK);
  CHECK(!gb_err_is_common());
  assert_string_equal(gb_err_message(), "");
}

/* Whichever rank fails, all return its code, with its message and place. */
static void one_failure_becomes_common(void **state)
{
  (void)state;
  static const gb_err code[] = {GB_ERR_CONFIG, GB_ERR_IO, GB_ERR_NUMERIC, GB_ERR_MEMORY};
  char expected[64];
  for (int bad = 0; bad < world.size; bad++) {
    gb_err mine = world.rank == bad ? GB_FAIL(code[bad % 4], "rank %d has no disk", bad) : GB_OK;
    CHECK(gb_comm_agree(world, mine) == code[bad % 4]);
    CHECK(gb_err_is_common());
    snprintf(expected, sizeof expected, "rank %d has no disk", bad);
    assert_string_equal(gb_err_message(), expected);
    CHECK(strstr(gb_err_place(), "one_failure_becomes_common (test_comm.c:"));
    gb_err_clear();
  }
}

/* Several fail differently: the lowest of them speaks, also on ranks that had a failure of their own. */
static void lowest_failing_rank_speaks(void **state)
{
  (void)state;
  for (int lowest = 0; lowest < world.size; lowest++) {
    gb_err mine =
        world.rank >= lowest ? GB_FAIL(world.rank == lowest ? GB_ERR_IO : GB_ERR_NUMERIC, "%d", world.rank) : GB_OK;
    char expected[16];
    CHECK(gb_comm_agree(world, mine) == GB_ERR_IO);
    snprintf(expected, sizeof expected, "%d", lowest);
    assert_string_equal(gb_err_message(), expected);
    gb_err_clear();
  }
}

/* The wish to stop is agreed like a failure, without a message. */
static void stop_is_agreed(void **state)
{
  (void)state;
  CHECK(gb_comm_agree(world, world.rank == world.size - 1 ? GB_STOPPED : GB_OK) == GB_STOPPED);
  assert_string_equal(gb_err_message(), "");
}

static void broadcast(void **state)
{
  (void)state;
  enum { N = 100000 };
  static unsigned char data[N];
  for (size_t i = 0; i < N; i++) data[i] = world.rank == 0 ? (unsigned char)(i * 7) : 0;
  gb_comm_bcast(world, data, N);
  for (size_t i = 0; i < N; i++) CHECK(data[i] == (unsigned char)(i * 7));
  gb_comm_bcast(world, NULL, 0);
}

static void broadcast_text(void **state)
{
  (void)state;
  static const struct {
    const char *s;
    size_t n;
  } table[] = {{"", 0}, {"a config", 8}, {"zero\0inside", 11}};
  for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
    char *text = NULL;
    size_t n = 0;
    if (world.rank == 0) {
      n = table[k].n;
      CHECK_OK(gb_new(&text, n + 1));
      memcpy(text, table[k].s, n);
    }
    CHECK_OK(gb_comm_bcast_text(world, &text, &n));
    CHECK(n == table[k].n && !memcmp(text, table[k].s, n + 1)); /* with the 0 after it */
    gb_free(&text);
  }
}

static void extremes_and_sums(void **state)
{
  (void)state;
  int size = world.size, rank = world.rank;
  double v[] = {rank, -rank, rank == size / 2 ? INFINITY : 1, -INFINITY};
  gb_comm_max(world, v, 4);
  CHECK(v[0] == size - 1 && v[1] == 0 && v[2] == INFINITY && v[3] == -INFINITY);
  int64_t s[] = {rank + 1, ((int64_t)1 << 60) / size + rank, -rank};
  gb_comm_sum_i64(world, s, 3);
  CHECK(s[0] == size * (size + 1) / 2);
  CHECK(s[1] == ((int64_t)1 << 60) / size * size + size * (size - 1) / 2); /* to the last digit */
  CHECK(s[2] == -size * (size - 1) / 2);
  gb_comm_max(world, NULL, 0);
  gb_comm_sum_i64(world, NULL, 0);
  CHECK(!gb_comm_any(world, false));
  CHECK(gb_comm_any(world, true));
  for (int k = 0; k < size; k++) CHECK(gb_comm_any(world, rank == k));
}

/* Each element comes from one rank, with its bits. */
static void merge(void **state)
{
  (void)state;
  enum { N = 1000 };
  static double v[N];
  gb_range mine = gb_comm_share(world, N);
  for (size_t i = 0; i < N; i++) v[i] = i >= mine.first && i < mine.first + mine.count ? 1 / (3.0 + (double)i) : 0;
  gb_comm_merge(world, v, N);
  for (size_t i = 0; i < N; i++) CHECK(v[i] == 1 / (3.0 + (double)i));
}

static void sums_of_doubles(void **state)
{
  (void)state;
  double v[3] = {world.rank, 0.1, 1e-3 * world.rank}, n = world.size, first[3];
  gb_comm_sum(world, v, 3);
  CHECK_NEAR(v[0], n * (n - 1) / 2, 0);
  CHECK_NEAR(v[1], 0.1 * n, 1e-15);
  CHECK_NEAR(v[2], 1e-3 * n * (n - 1) / 2, 1e-17);
  memcpy(first, v, sizeof v);
  gb_comm_bcast(world, first, sizeof first);
  CHECK(!memcmp(first, v, sizeof v)); /* the same bits everywhere */
}

/* For any number of ranks, more than there are here: every item has one owner, shares differ by at most one. */
static void shares(void **state)
{
  (void)state;
  static const size_t large = (size_t)1 << 50;
  for (int size = 1; size <= 33; size++)
    for (size_t k = 0; k <= 100; k++) {
      size_t n = k < 100 ? k : large + 5, next = 0, least = SIZE_MAX, most = 0;
      for (int rank = 0; rank < size; rank++) {
        gb_range r = gb_comm_share((gb_comm){.rank = rank, .size = size}, n);
        CHECK(r.first == next);
        next += r.count;
        least = r.count < least ? r.count : least;
        most = r.count > most ? r.count : most;
      }
      CHECK(next == n && most - least <= 1);
    }
}

/* A part of the ranks agrees on its own; the others neither take part nor notice. */
static void sub_communicators(void **state)
{
  (void)state;
  MPI_Comm half;
  gb_comm c = {0};
  int colour = world.rank % 2;
  MPI_Comm_split(world.mpi, colour, -world.rank, &half); /* and in reversed order */
  CHECK_OK(gb_comm_open(half, &c));
  MPI_Comm_free(&half); /* ours is our own */
  CHECK(c.size == (world.size + 1 - colour) / 2);
  int64_t members = 1;
  gb_comm_sum_i64(c, &members, 1);
  CHECK(members == c.size);
  gb_err e = gb_comm_agree(c, colour == 1 && c.rank == 0 ? GB_FAIL(GB_ERR_IO, "odd") : GB_OK);
  CHECK(e == (colour ? GB_ERR_IO : GB_OK));
  assert_string_equal(gb_err_message(), colour ? "odd" : "");
  int from = world.rank;
  gb_comm_bcast(c, &from, sizeof from);
  int highest = world.size - 1;
  CHECK(from == (highest % 2 == colour ? highest : highest - 1)); /* rank 0 of the part */
  gb_comm_close(&c);
  CHECK(c.size == 0);
}

static const struct CMUnitTest tests[] = {
    TEST(who_is_there),
    TEST(agreement_on_success),
    TEST(one_failure_becomes_common),
    TEST(stop_is_agreed),
    TEST(broadcast),
    TEST(lowest_failing_rank_speaks),
    TEST(broadcast_text),
    TEST(extremes_and_sums),
    TEST(merge),
    TEST(sums_of_doubles),
    TEST(shares),
    TEST(sub_communicators),
};
RUN_ON_RANKS(tests)
