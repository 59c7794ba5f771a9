/* tests/mpi/test_reduce.c - the sum over shards has the same bits on any number of ranks, and is right. */
#include "comm/reduce.h"

#include <stdlib.h>

#include "base/rng.h"
#include "mpi/ranks.h"

enum { SHARDS = 23, BLOCKS = 5, SIDE = 3 };
static const size_t block_size[BLOCKS] = {1, 300, 0, 7, 64};
enum { N = 1 + 300 + 0 + 7 + 64 };

/* Shard vectors of magnitudes over many decades; block 3 is much smaller than the others. */
static gb_real element(size_t shard, size_t i, int decades)
{
  gb_key key = gb_rng_key(1, GB_RNG_TEST, shard, i);
  uint32_t w[4];
  gb_rng_block(key, 0, w);
  double v = (gb_rng_unit(w[0]) - 0.5) * pow(10, -decades * gb_rng_unit(w[1]));
  return (gb_real)(i >= 301 && i < 308 ? v * 1e-20 : v);
}

static void open_sum(gb_comm c, size_t n_shards, gb_reduce **r)
{
  CHECK_OK(gb_reduce_create(c, BLOCKS, block_size, n_shards, SIDE, r));
}

/* The sum by a communicator; `move` renames the shards: order must not matter. */
static void sum(gb_comm c, size_t n_shards, size_t move, int decades, double scale, gb_real total[N])
{
  gb_reduce *r;
  double side[SIDE] = {-INFINITY, -INFINITY, -INFINITY};
  open_sum(c, n_shards, &r);
  gb_range mine = gb_reduce_mine(r);
  for (size_t s = mine.first; s < mine.first + mine.count; s++) {
    gb_real *v = gb_reduce_slot(r, s);
    for (size_t i = 0; i < N; i++) v[i] = element((s * move) % n_shards, i, decades);
  }
  CHECK(gb_reduce_sum(r, scale, side, total) == BLOCKS);
  gb_reduce_destroy(&r);
  CHECK(r == NULL);
  gb_reduce_destroy(&r); /* NULL is allowed */
}

static void same_bits_for_any_number_of_ranks(void **state)
{
  (void)state;
  static gb_real reference[N], total[N];
  static const size_t n_shards[] = {1, 2, 3, SHARDS, 64};
  for (size_t k = 0; k < sizeof n_shards / sizeof *n_shards; k++) {
    sum(self, n_shards[k], 1, 8, 1.0 / 3, reference);
    sum(world, n_shards[k], 1, 8, 1.0 / 3, total);
    CHECK(!memcmp(reference, total, sizeof total));
    double nonzero = 0;
    for (size_t i = 0; i < N; i++) nonzero += total[i] != 0;
    CHECK(nonzero == N);
  }
}

static void order_of_shards_is_nothing(void **state)
{
  (void)state;
  static gb_real reference[N], total[N];
  sum(self, SHARDS, 1, 8, 1, reference);
  for (size_t move = 2; move < SHARDS; move += 5) { /* SHARDS is prime: a permutation */
    sum(world, SHARDS, move, 8, 1, total);
    CHECK(!memcmp(reference, total, sizeof total));
  }
}

/* Against long double. What the header promises, and then the rounding of the result to a float. */
static void is_the_sum(void **state)
{
  (void)state;
  static gb_real total[N];
  static const double scale[] = {1, -2.5e-3, 0};
  static const int decades[] = {0, 3, 12};
  size_t first = 0;
  for (size_t k = 0; k < 9; k++) {
    sum(world, SHARDS, 1, decades[k / 3], scale[k % 3], total);
    first = 0;
    for (size_t b = 0; b < BLOCKS; b++) {
      double largest = 0;
      for (size_t i = first; i < first + block_size[b]; i++)
        for (size_t s = 0; s < SHARDS; s++) largest = fmax(largest, fabs((double)element(s, i, decades[k / 3])));
      for (size_t i = first; i < first + block_size[b]; i++) {
        long double exact = 0;
        for (size_t s = 0; s < SHARDS; s++) exact += (long double)element(s, i, decades[k / 3]);
        exact *= (long double)scale[k % 3];
        double ulp = sizeof(gb_real) == 4 ? 0x1p-24 : 0x1p-52;
        CHECK_NEAR((double)((long double)total[i] - exact), 0,
                   fabs(scale[k % 3]) * largest * SHARDS * 0x1p-40 + fabs((double)exact) * ulp);
      }
      first += block_size[b];
    }
  }
}

/* One reduction object serves all steps; nothing of an earlier one may remain. */
static void steps_do_not_mix(void **state)
{
  (void)state;
  static gb_real first[N], again[N];
  gb_reduce *r;
  double side[SIDE];
  open_sum(world, SHARDS, &r);
  gb_range mine = gb_reduce_mine(r);
  for (int step = 0; step < 3; step++) {
    double expected = step == 1 ? 1e30 : 1;
    for (size_t s = mine.first; s < mine.first + mine.count; s++)
      for (size_t i = 0; i < N; i++) gb_reduce_slot(r, s)[i] = (gb_real)(s == 4 ? expected : 0);
    for (int i = 0; i < SIDE; i++) side[i] = -INFINITY;
    CHECK(gb_reduce_sum(r, 1, side, step == 0 ? first : again) == BLOCKS);
    for (size_t i = 0; i < N && step == 1; i++) CHECK(again[i] == (gb_real)1e30);
  }
  CHECK(!memcmp(first, again, sizeof first));
  CHECK(first[0] == 1 && first[N - 1] == 1);
  gb_reduce_destroy(&r);
}

/* Magnitudes at both ends of a float, alone and cancelling. */
static void huge_and_tiny(void **state)
{
  (void)state;
  static gb_real total[N];
  static const double value[] = {3e38, 1e30, 1e-30, 1.2e-38, 1.5e-45, 0}; /* the last but one is denormal */
  gb_reduce *r;
  double side[SIDE];
  open_sum(world, SHARDS, &r);
  gb_range mine = gb_reduce_mine(r);
  for (size_t k = 0; k < sizeof value / sizeof *value; k++) {
    gb_real v = (gb_real)value[k];
    for (size_t s = mine.first; s < mine.first + mine.count; s++)
      for (size_t i = 0; i < N; i++) gb_reduce_slot(r, s)[i] = s == 3 || s == 20 ? v : s == 11 ? -v : 0;
    for (int i = 0; i < SIDE; i++) side[i] = -INFINITY;
    CHECK(gb_reduce_sum(r, 1, side, total) == BLOCKS);
    for (size_t i = 0; i < N; i++) CHECK(total[i] == v); /* although v + v is beyond a float */
  }
  gb_reduce_destroy(&r);
}

/* The block is named, whatever rank holds the shard and wherever in the block it is; `total` stays. */
static void not_finite_is_named(void **state)
{
  (void)state;
  static gb_real total[N];
  static const double bad[] = {NAN, INFINITY, -INFINITY};
  static const struct {
    size_t index, block;
  } place[] = {{0, 0}, {1, 1}, {300, 1}, {301, 3}, {N - 1, 4}};
  gb_reduce *r;
  double side[SIDE];
  open_sum(world, SHARDS, &r);
  gb_range mine = gb_reduce_mine(r);
  for (size_t shard = 0; shard < SHARDS; shard += 11)
    for (size_t k = 0; k < sizeof place / sizeof *place; k++) {
      for (size_t s = mine.first; s < mine.first + mine.count; s++)
        for (size_t i = 0; i < N; i++)
          gb_reduce_slot(r, s)[i] = (gb_real)(s == shard && i == place[k].index ? bad[k % 3] : 1);
      for (int i = 0; i < SIDE; i++) side[i] = world.rank;
      total[0] = 77;
      CHECK(gb_reduce_sum(r, 1, side, total) == place[k].block);
      CHECK(total[0] == 77);
      CHECK(side[0] == world.size - 1); /* losses come through even then: they go into the message */
    }
  gb_reduce_destroy(&r);
}

/* Finite vectors whose sum no float can hold: that is not well either. */
static void overflow_of_the_sum_is_named(void **state)
{
  (void)state;
  static gb_real total[N];
  gb_reduce *r;
  double side[SIDE] = {0}, scale = sizeof(gb_real) == 4 ? 1 : 0x1p896;
  open_sum(world, SHARDS, &r);
  gb_range mine = gb_reduce_mine(r);
  for (size_t s = mine.first; s < mine.first + mine.count; s++)
    for (size_t i = 0; i < N; i++) gb_reduce_slot(r, s)[i] = (gb_real)(i == 305 ? 3e38 : 1);
  CHECK(gb_reduce_sum(r, scale, side, total) == 3);
  gb_reduce_destroy(&r);
}

static void side_values(void **state)
{
  (void)state;
  static gb_real total[N];
  gb_reduce *r;
  open_sum(world, SHARDS, &r);
  int last = world.size - 1;
  double side[SIDE] = {world.rank == last ? -3.5 : -INFINITY, world.rank == 0 ? 1 / 3.0 : -INFINITY, world.rank};
  CHECK(gb_reduce_sum(r, 1, side, total) == BLOCKS);
  CHECK(side[0] == -3.5 && side[1] == 1 / 3.0 && side[2] == last);
  side[0] = world.rank == 0 ? NAN : -INFINITY;
  side[1] = world.rank == last ? INFINITY : -INFINITY;
  side[2] = -INFINITY;
  CHECK(gb_reduce_sum(r, 1, side, total) == BLOCKS);
  CHECK(side[0] == INFINITY && side[1] == INFINITY && side[2] == -INFINITY);
  gb_reduce_destroy(&r);
}

/* Nothing to add: no blocks, no side values, fewer shards than ranks. */
static void empty_cases(void **state)
{
  (void)state;
  gb_reduce *r;
  gb_real one = 5;
  double side = world.rank;
  size_t size = 1;
  CHECK_OK(gb_reduce_create(world, 0, NULL, 1, 1, &r));
  CHECK(gb_reduce_sum(r, 1, &side, NULL) == 0);
  CHECK(side == world.size - 1);
  gb_reduce_destroy(&r);
  CHECK_OK(gb_reduce_create(world, 1, &size, 1, 0, &r));
  gb_range mine = gb_reduce_mine(r);
  CHECK(mine.count == (world.rank == 0)); /* one shard: the others own none */
  if (mine.count) *gb_reduce_slot(r, 0) = 0.75;
  CHECK(gb_reduce_sum(r, 2, NULL, &one) == 1);
  CHECK(one == 1.5);
  gb_reduce_destroy(&r);
}

/* The largest number of shards the header allows: the headroom must hold. */
static void most_shards(void **state)
{
  (void)state;
  gb_reduce *r;
  gb_real total[2];
  size_t size = 2, n_shards = (size_t)1 << 20;
  CHECK_OK(gb_reduce_create(world, 1, &size, n_shards, 0, &r));
  gb_range mine = gb_reduce_mine(r);
  for (size_t s = mine.first; s < mine.first + mine.count; s++) {
    gb_reduce_slot(r, s)[0] = GB_R(0.99999);
    gb_reduce_slot(r, s)[1] = (gb_real)(s % 2 ? 1 : -1) * GB_R(0.99999);
  }
  CHECK(gb_reduce_sum(r, 1.0 / (double)n_shards, NULL, total) == 1);
  CHECK(total[0] == GB_R(0.99999) && total[1] == 0);
  gb_reduce_destroy(&r);
}

static const struct CMUnitTest tests[] = {
    TEST(same_bits_for_any_number_of_ranks),
    TEST(order_of_shards_is_nothing),
    TEST(is_the_sum),
    TEST(steps_do_not_mix),
    TEST(huge_and_tiny),
    TEST(not_finite_is_named),
    TEST(overflow_of_the_sum_is_named),
    TEST(side_values),
    TEST(empty_cases),
    TEST(most_shards),
};
RUN_ON_RANKS(tests)
