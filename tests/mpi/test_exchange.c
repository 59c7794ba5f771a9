/* tests/mpi/test_exchange.c - on any number of ranks and nodes the sum has the bits of one serial tree, the new weights
 * are everywhere, and whatever one rank sees, all ranks hear of. */
#include "comm/exchange.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "mpi/ranks.h"

enum { TENSORS = 6, N = 16 + 304 + 0 + 2000 + 48 + 1024, SIDE = 3, STATISTIC = 4 };
static const size_t size[TENSORS] = {16, 304, 0, 2000, 48, 1024};
static const bool statistic[TENSORS] = {[STATISTIC] = true};

/* Shards of magnitudes over many decades; sums of them are rounded at every addition. */
static gb_real element(size_t shard, size_t step, size_t i)
{
  uint32_t w[4];
  gb_rng_block(gb_rng_key(1, GB_RNG_TEST, shard, step), (uint32_t)i, w);
  return (gb_real)((gb_rng_unit(w[0]) - 0.5) * pow(10, -6 * gb_rng_unit(w[1])));
}

/* The tree written down again. */
static gb_real tree(size_t first, size_t count, size_t step, size_t i)
{
  size_t half = 1;
  if (count == 1) return element(first, step, i);
  while (2 * half < count) half *= 2;
  return tree(first, half, step, i) + tree(first + half, count - half, step, i);
}

typedef struct setting {
  gb_comm c;
  int ranks_per_node;
  size_t shards, bucket;
  bool fast;
} setting;

typedef struct exchange {
  gb_cluster cluster;
  gb_exchange *x;
  const gb_range *part, *piece;
  size_t n_parts, n_pieces;
} exchange;

static exchange open_exchange(setting s)
{
  exchange t = {0};
  gb_exchange_opts o = {TENSORS, size, statistic, s.shards, SIDE, s.bucket, s.fast};
  CHECK_OK(gb_cluster_open(s.c, s.ranks_per_node, &t.cluster));
  CHECK_OK(gb_exchange_create(&t.cluster, &o, &t.x));
  t.part = gb_exchange_parts(t.x, &t.n_parts);
  t.piece = gb_exchange_pieces(t.x, &t.n_pieces);
  return t;
}

static void close_exchange(exchange *t)
{
  gb_exchange_destroy(&t->x);
  CHECK(t->x == NULL);
  gb_exchange_destroy(&t->x); /* NULL is allowed */
  gb_cluster_close(&t->cluster);
}

/* Fill my parts from the end, as a backward pass does, and say so at uneven intervals. */
static void fill(exchange *t, size_t step, bool say)
{
  for (size_t p = 0; p + 1 < t->n_parts; p++)
    for (size_t i = 0; i < N; i++) gb_exchange_gradient(t->x, p)[i] = tree(t->part[p].first, t->part[p].count, step, i);
  for (size_t i = N; t->n_parts && i-- > 0;) {
    gb_range last = t->part[t->n_parts - 1];
    gb_exchange_gradient(t->x, t->n_parts - 1)[i] = tree(last.first, last.count, step, i);
    if (say && i % (97 + 50 * (size_t)world.rank) == 0) gb_exchange_passed(t->x, i);
  }
}

/* Fixed blocks of a tensor, in each of them 16 lanes; blocks in their order. */
static double norm_of(const gb_real *g)
{
  double all = 0;
  for (size_t t = 0; t < TENSORS; g += size[t++])
    for (size_t b = 0; b < size[t] && t != STATISTIC; b += GB_TREE_BLOCK) {
      double lane[16] = {0}, sum = 0;
      for (size_t i = b; i < size[t] && i < b + GB_TREE_BLOCK; i++) lane[i % 16] += (double)g[i] * (double)g[i];
      for (size_t k = 0; k < 16; k++) sum += lane[k];
      all += sum;
    }
  return sqrt(all);
}

/* Some steps; after each, weights and norm are those of the serial tree, and nothing of the step before is left. */
static void check_steps(setting s)
{
  static gb_real w[N], g[N];
  double scale = 1.0 / 24;
  exchange t = open_exchange(s);
  memset(w, 0, sizeof w);
  for (size_t step = 0; step < 3; step++) {
    double side[SIDE] = {-INFINITY, -INFINITY, s.c.rank}, norm;
    const gb_real *mine;
    for (size_t i = 0; i < N; i++) w[i] += g[i] = tree(0, s.shards, step, i) * (gb_real)scale;
    fill(&t, step, step != 1);
    if (s.c.rank == s.c.size - 1) side[0] = 1.0 / 3;
    CHECK(gb_exchange_sum(t.x, scale, side, &mine, &norm) == TENSORS);
    CHECK(side[0] == 1.0 / 3 && side[1] == -INFINITY && side[2] == s.c.size - 1);
    if (norm != norm_of(g)) fail_msg("norm %.17g, expected %.17g", norm, norm_of(g));
    gb_real *weight = gb_exchange_weights(t.x);
    for (size_t p = 0; p < t.n_pieces; p++)
      for (size_t i = t.piece[p].first; i < t.piece[p].first + t.piece[p].count; i++) weight[i] += mine[i];
    gb_exchange_share(t.x);
    for (size_t i = 0; i < N; i++)
      if (weight[i] != w[i])
        fail_msg("%zu shards, %d ranks a node, bucket %zu, step %zu: weight %zu is %.9g, expected %.9g", s.shards,
                 s.ranks_per_node, s.bucket, step, i, (double)weight[i], (double)w[i]);
  }
  close_exchange(&t);
}

static void bits_of_the_serial_tree(void **state)
{
  (void)state;
  static const size_t shards[] = {1, 2, 3, 5, 6, 8, 12, 23, 64}, bucket[] = {0, 512, 1};
  for (size_t k = 0; k < sizeof shards / sizeof *shards; k++)
    for (int nodes = 0; nodes <= 3; nodes++)
      check_steps((setting){.c = world, .ranks_per_node = nodes, .shards = shards[k], .bucket = bucket[k % 3]});
  for (int nodes = 0; nodes <= 2; nodes++) check_steps((setting){.c = self, .ranks_per_node = nodes, .shards = 7});
}

/* As part of a larger job: groups that know nothing of each other. */
static void groups_of_ranks(void **state)
{
  (void)state;
  gb_comm half;
  if (world.size % 2) return;
  CHECK_OK(gb_comm_teams(world, world.size / 2, &half));
  int group = world.rank / half.size;
  check_steps((setting){.c = half, .ranks_per_node = group, .shards = 6 + (size_t)group});
  gb_comm_close(&half);
}

/* Every element has one owner; owners have equally much, up to a block in every bucket. */
static void one_owner_each(void **state)
{
  (void)state;
  for (int nodes = 0; nodes <= 2; nodes++) {
    exchange t = open_exchange((setting){.c = world, .ranks_per_node = nodes, .shards = 8, .bucket = 1000});
    double owners[N] = {0};
    size_t sum = 0;
    for (size_t p = 0; p < t.n_pieces; p++) {
      sum += t.piece[p].count;
      CHECK(t.piece[p].first % 16 == 0 || t.piece[p].count == 0);
      for (size_t i = 0; i < t.piece[p].count; i++) owners[t.piece[p].first + i] += 1;
    }
    CHECK(sum == gb_exchange_owned(t.x));
    CHECK(fabs((double)sum - (double)N / world.size) <= (double)(GB_TREE_BLOCK * t.n_pieces));
    gb_comm_merge(world, owners, N);
    for (size_t i = 0; i < N; i++) CHECK(owners[i] == 1);
    close_exchange(&t);
  }
}

static void gather_and_deal(void **state)
{
  (void)state;
  for (int k = 0; k < 4; k++) {
    exchange t = open_exchange(
        (setting){.c = world, .ranks_per_node = k % 3, .shards = 8, .bucket = k % 2 ? 700 : 0, .fast = k == 3});
    static gb_real all[N], back[N];
    gb_real *mine;
    CHECK_OK(gb_new(&mine, gb_exchange_owned(t.x)));
    for (size_t i = 0; i < N; i++) all[i] = world.rank == 0 ? element(0, 0, i) : 0;
    gb_exchange_deal(t.x, all, mine);
    for (size_t p = 0, at = 0; p < t.n_pieces; at += t.piece[p++].count)
      for (size_t i = 0; i < t.piece[p].count; i++) CHECK(mine[at + i] == element(0, 0, t.piece[p].first + i));
    gb_exchange_gather(t.x, mine, back);
    if (world.rank == 0) CHECK(!memcmp(all, back, sizeof all));
    gb_free(&mine);
    close_exchange(&t);
  }
}

/* The tensor is named, whatever rank has the shard and whatever rank owns the element; side values come through. */
static void not_finite_is_named(void **state)
{
  (void)state;
  enum { SHARDS = 11 };
  static const double bad[] = {NAN, INFINITY, -INFINITY};
  static const struct {
    size_t index, tensor;
  } place[] = {{0, 0}, {16, 1}, {319, 1}, {320, 3}, {2319, 3}, {2320, STATISTIC}, {N - 1, 5}};
  for (int nodes = 0; nodes <= 2; nodes++) {
    exchange t = open_exchange((setting){.c = world, .ranks_per_node = nodes, .shards = SHARDS, .bucket = 900});
    for (size_t k = 0; k < sizeof place / sizeof *place; k++)
      for (size_t shard = 0; shard < SHARDS; shard += 5) {
        double side[SIDE] = {world.rank, world.rank == 0 ? NAN : -INFINITY, world.rank ? -INFINITY : INFINITY}, norm;
        const gb_real *mine;
        for (size_t p = 0; p < t.n_parts; p++)
          for (size_t i = 0; i < N; i++) {
            bool here = shard - t.part[p].first < t.part[p].count && (i == place[k].index || i == N - 1);
            gb_exchange_gradient(t.x, p)[i] = (gb_real)(here ? bad[k % 3] : 1);
          }
        CHECK(gb_exchange_sum(t.x, 1, side, &mine, &norm) == place[k].tensor);
        CHECK(isnan(norm) && side[0] == world.size - 1 && side[1] == INFINITY && side[2] == INFINITY);
        gb_exchange_share(t.x);
        for (size_t i = 0; i < N; i++) CHECK(gb_exchange_weights(t.x)[i] == 0);
      }
    close_exchange(&t);
  }
}

/* Finite parts whose sum no float can hold: that is not well either. */
static void overflow_of_the_sum_is_named(void **state)
{
  (void)state;
  exchange t = open_exchange((setting){.c = world, .shards = 16});
  double side[SIDE] = {0}, norm, scale = sizeof(gb_real) == 4 ? 1 : 0x1p896;
  const gb_real *mine;
  for (size_t p = 0; p < t.n_parts; p++)
    for (size_t i = 0; i < N; i++) gb_exchange_gradient(t.x, p)[i] = (gb_real)(i == 2319 ? 3e38 : 1);
  CHECK(gb_exchange_sum(t.x, world.size == 1 ? 2 * scale : scale, side, &mine, &norm) == 3);
  close_exchange(&t);
}

/* A rank that gives up after its first layers: nobody waits for it, all know it, and the next step is as ever. */
static void failing_rank(void **state)
{
  (void)state;
  for (int nodes = 0; nodes <= 2; nodes++)
    for (int who = 0; who < world.size; who++) {
      exchange t = open_exchange((setting){.c = world, .ranks_per_node = nodes, .shards = 8, .bucket = 256});
      double side[SIDE] = {-INFINITY, -INFINITY, world.rank == who}, norm;
      const gb_real *mine;
      if (world.rank == who)
        gb_exchange_passed(t.x, N - 600);
      else
        fill(&t, 0, true);
      gb_exchange_sum(t.x, 1, side, &mine, &norm);
      CHECK(side[2] == 1);
      fill(&t, 1, true);
      side[2] = 0;
      CHECK(gb_exchange_sum(t.x, 1, side, &mine, &norm) == TENSORS && side[2] == 0);
      for (size_t p = 0; p < t.n_pieces; p++)
        for (size_t i = t.piece[p].first; i < t.piece[p].first + t.piece[p].count; i++)
          CHECK(mine[i] == tree(0, 8, 1, i));
      close_exchange(&t);
    }
}

/* Plain sums: right up to rounding, weights the same on all ranks. */
static void fast_sum(void **state)
{
  (void)state;
  enum { SHARDS = 7 };
  exchange t = open_exchange((setting){.c = world, .shards = SHARDS, .fast = true});
  double side[SIDE] = {world.rank}, norm;
  const gb_real *mine;
  CHECK(!gb_exchange_overlaps(t.x) && gb_exchange_owned(t.x) == N && t.n_pieces == 1);
  CHECK(t.n_parts == (gb_comm_share(world, SHARDS).count > 0));
  for (size_t step = 0; step < 2; step++) {
    for (size_t i = 0; i < N && t.n_parts; i++) {
      gb_exchange_gradient(t.x, 0)[i] = 0;
      for (size_t s = 0; s < t.part[0].count; s++)
        gb_exchange_gradient(t.x, 0)[i] += element(t.part[0].first + s, step, i);
    }
    CHECK(gb_exchange_sum(t.x, 0.5, side, &mine, &norm) == TENSORS && side[0] == world.size - 1);
    CHECK_NEAR(norm, norm_of(mine), 1e-14 * norm);
    for (size_t i = 0; i < N; i++) CHECK_NEAR((double)mine[i], (double)tree(0, SHARDS, step, i) / 2, 3e-7);
    gb_exchange_share(t.x);
  }
  double low = (double)mine[0], high = low;
  gb_comm_max(world, &high, 1);
  CHECK(low == high);
  close_exchange(&t);
}

/* Nothing to add: no tensors, no side values, fewer shards than ranks. */
static void empty_cases(void **state)
{
  (void)state;
  gb_cluster cluster;
  gb_exchange *x;
  double side = world.rank, norm;
  const gb_real *mine;
  size_t one = 1, n, n_pieces;
  CHECK_OK(gb_cluster_open(world, 0, &cluster));
  gb_exchange_opts o = {.n_shards = 1, .n_side = 1};
  CHECK_OK(gb_exchange_create(&cluster, &o, &x));
  CHECK(gb_exchange_sum(x, 1, &side, &mine, &norm) == 0 && side == world.size - 1 && norm == 0);
  gb_exchange_destroy(&x);
  o = (gb_exchange_opts){.n_tensors = 1, .size = &one, .n_shards = 1};
  CHECK_OK(gb_exchange_create(&cluster, &o, &x));
  gb_exchange_parts(x, &n);
  CHECK(n == (world.rank == 0)); /* one shard: the others have none */
  if (n) *gb_exchange_gradient(x, 0) = GB_R(0.75);
  CHECK(gb_exchange_sum(x, 2, NULL, &mine, &norm) == 1 && norm == 1.5);
  const gb_range *piece = gb_exchange_pieces(x, &n_pieces);
  if (piece->count) *gb_exchange_weights(x) = *mine;
  gb_exchange_share(x);
  CHECK(*gb_exchange_weights(x) == 1.5);
  gb_exchange_destroy(&x);
  gb_cluster_close(&cluster);
}

/* The machine is one node; its ranks can be dealt into several, but not into unequal ones. */
static void nodes_of_ranks(void **state)
{
  (void)state;
  for (int most = 0; most <= world.size + 1; most++) {
    gb_cluster cluster;
    CHECK_OK(gb_cluster_open(world, most, &cluster));
    int here = most == 0 || most > world.size ? world.size : world.size % most ? 1 : most;
    CHECK(cluster.here.size == here && cluster.lane.size == world.size / here && cluster.all.size == world.size);
    CHECK(cluster.all.rank == cluster.lane.rank * here + cluster.here.rank && cluster.all.rank == world.rank);
    gb_shared *s;
    CHECK_OK(gb_shared_create(cluster.here, cluster.here.rank == 1 ? 0 : 100 * sizeof(int), &s));
    int *mine = gb_shared_of(s, cluster.here.rank);
    if (cluster.here.rank != 1) {
      for (int i = 0; i < 100; i++) CHECK(mine[i] == 0);
      for (int i = 0; i < 100; i++) mine[i] = world.rank + i;
    }
    gb_shared_sync(s);
    for (int r = 0; r < here; r++) {
      int *of = gb_shared_of(s, r);
      CHECK((uintptr_t)of % GB_ALIGN == 0);
      for (int i = 0; i < 100 && r != 1; i++) CHECK(of[i] == world.rank - cluster.here.rank + r + i);
    }
    gb_shared_sync(s);
    gb_shared_destroy(&s);
    gb_shared_destroy(&s); /* NULL is allowed */
    gb_cluster_close(&cluster);
  }
}

/* Every range is cut into whole subtrees: aligned, in order, without gaps, as few as there can be. */
static void subtrees(void **state)
{
  (void)state;
  for (size_t first = 0; first < 40; first++)
    for (size_t count = 0; count < 40; count++) {
      gb_range part[GB_TREE_PARTS];
      size_t n = gb_tree_cut((gb_range){first, count}, part), at = first;
      for (size_t p = 0; p < n; p++) {
        CHECK(part[p].first == at && part[p].count && !(part[p].count & (part[p].count - 1)));
        CHECK(at % part[p].count == 0);
        if (p) /* two halves of a subtree are never left apart */
          CHECK(part[p].count != part[p - 1].count || part[p - 1].first % (2 * part[p].count) != 0);
        at += part[p].count;
      }
      CHECK(at == first + count);
    }
  gb_range part[GB_TREE_PARTS]; /* the longest list there is */
  CHECK(gb_tree_cut((gb_range){1, ((size_t)1 << GB_TREE_BITS) - 2}, part) == 2 * (GB_TREE_BITS - 1));
}

static const struct CMUnitTest tests[] = {
    TEST(subtrees),
    TEST(nodes_of_ranks),
    TEST(bits_of_the_serial_tree),
    TEST(groups_of_ranks),
    TEST(one_owner_each),
    TEST(gather_and_deal),
    TEST(not_finite_is_named),
    TEST(overflow_of_the_sum_is_named),
    TEST(failing_rank),
    TEST(fast_sum),
    TEST(empty_cases),
};
RUN_ON_RANKS(tests)
