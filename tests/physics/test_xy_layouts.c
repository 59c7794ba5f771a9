/* tests/physics/test_xy_layouts.c - a chain has the same bits as a replica among others and as strips, in any lane; and
 * no two of its draws share a random number. tests/mpi/test_xy_spread.c: on several ranks. */
#include <stdlib.h>

#include "xy_lab.h"

/* An instance in a given layout. */
static void arrange(int64_t L, bool strips, troop *t, size_t n, double T)
{
  static double grid[1];
  void *self;
  gb_dims dims;
  grid[0] = T;
  gb_xy_opts opts = {.L = L, .J = 1, .T = {.n = 1, .v = grid}, .metropolis = 0, .overrelaxation = -1, .wolff = -1};
  CHECK_OK(gb_xy_arrange(&opts, gb_comm_self(), strips, &self, &dims));
  troop_open(t, self, dims, n, T);
  CHECK(t->s->strips == strips);
}

static void leave(troop *t)
{
  void *self = t->s;
  troop_close(t);
  gb_xy_destroy(&self);
}

static bool same(const troop *a, size_t i, const troop *b, size_t j)
{
  return !memcmp(a->field[i], b->field[j], 2 * a->dims.n_mine * sizeof(float)) && a->width[i] == b->width[j];
}

/* Sums and a sample of walker i of a and walker j of b. */
static void check_measured(troop *a, size_t i, troop *b, size_t j, uint64_t number)
{
  float *xa[GB_MOST_WALKERS], *xb[GB_MOST_WALKERS];
  double oa[GB_MOST_WALKERS][GB_XY_OBS], ob[GB_MOST_WALKERS][GB_XY_OBS], *pa[GB_MOST_WALKERS], *pb[GB_MOST_WALKERS];
  double ma[GB_MOST_WALKERS][GB_XY_MEASURED], mb[GB_MOST_WALKERS][GB_XY_MEASURED];
  for (size_t k = 0; k < GB_MOST_WALKERS; k++) {
    CHECK_OK(gb_new(&xa[k], a->dims.n_mine));
    CHECK_OK(gb_new(&xb[k], b->dims.n_mine));
    pa[k] = oa[k];
    pb[k] = ob[k];
  }
  gb_xy_measure(a->s, &a->w, a->state, *ma);
  gb_xy_measure(b->s, &b->w, b->state, *mb);
  CHECK(!memcmp(ma[i], mb[j], sizeof ma[i]));
  gb_xy_sample(a->s, &a->w, number, a->state, xa, pa);
  gb_xy_sample(b->s, &b->w, number, b->state, xb, pb);
  CHECK(!memcmp(oa[i], ob[j], sizeof oa[i]));
  CHECK(!memcmp(xa[i], xb[j], a->dims.n_mine * sizeof(float)));
  for (size_t k = 0; k < GB_MOST_WALKERS; k++) {
    gb_free(&xa[k]);
    gb_free(&xb[k]);
  }
}

enum { REPLICAS = 5, LANE = 3 }; /* the chain is walker LANE of a group of REPLICAS */

/* One move after the other, compared after each. */
static void strips_are_replicas(void **unused)
{
  static const int64_t sizes[] = {128, 256};
  (void)unused;
  for (size_t k = 0; k < 2; k++) {
    troop r, s;
    double K = 1 / 0.9, cost_r[GB_MOST_WALKERS] = {0}, cost_s[GB_MOST_WALKERS] = {0};
    arrange(sizes[k], false, &r, REPLICAS, 0.9);
    arrange(sizes[k], true, &s, 1, 0.9);
    s.w.chain[0] = r.w.chain[LANE];
    for (int hot = 1; hot >= 0; hot--) {
      gb_xy_start(r.s, &r.w, hot, r.state);
      gb_xy_start(s.s, &s.w, hot, s.state);
      for (uint64_t i = 0; i < 3; i++) {
        int64_t accepted[GB_MOST_WALKERS], of_strips, flips[GB_MOST_WALKERS] = {0}, flips_s = 0;
        metropolis(&r, K, i, accepted);
        metropolis(&s, K, i, &of_strips);
        CHECK(accepted[LANE] == of_strips && of_strips > 0);
        troop_unpack(&r), troop_unpack(&s);
        CHECK(same(&r, LANE, &s, 0));
        overrelax(&r);
        overrelax(&s);
        troop_unpack(&r), troop_unpack(&s);
        CHECK(same(&r, LANE, &s, 0));
        gb_xy_wolff(r.s, &r.w, K, i, r.state, flips);
        gb_xy_wolff(s.s, &s.w, K, i, s.state, &flips_s);
        CHECK(flips[LANE] == flips_s && flips_s > 0);
        troop_unpack(&r), troop_unpack(&s);
        CHECK(same(&r, LANE, &s, 0));
        check_measured(&r, LANE, &s, 0, i);
      }
      for (uint64_t i = 0; i < 6; i++) { /* whole steps, the first ones tuned */
        size_t mix = i < 4 ? r.dims.n_mix - 1 : i;
        gb_xy_step(r.s, &r.w, mix, i, i < 4, r.state, cost_r);
        gb_xy_step(s.s, &s.w, mix, i, i < 4, s.state, cost_s);
      }
      troop_unpack(&r), troop_unpack(&s);
      CHECK(same(&r, LANE, &s, 0) && s.width[0] != 1 && cost_r[LANE] == cost_s[0]);
      CHECK(!same(&r, 0, &s, 0));
      check_measured(&r, LANE, &s, 0, 17);
    }
    leave(&r);
    leave(&s);
  }
}

/* In any lane, beside any others, with any number of them: also on lattices whose rows do not fill vectors or blocks of
 * random numbers. */
static void neighbours_in_the_lanes_do_not_matter(void **unused)
{
  static const int64_t sizes[] = {2, 4, 6, 10, 18, 32, 34};
  (void)unused;
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    troop one, all;
    double cost_one[1] = {0}, cost_all[GB_MOST_WALKERS] = {0};
    arrange(sizes[k], false, &all, GB_LANES, 1.1);
    for (size_t i = 0; i < all.w.n; i++) all.w.chain[i] = 1000 - 7 * i;
    gb_xy_start(all.s, &all.w, true, all.state);
    for (uint64_t s = 0; s < 20; s++) gb_xy_step(all.s, &all.w, s % all.dims.n_mix, s, s < 10, all.state, cost_all);
    troop_unpack(&all);
    for (size_t i = 0; i < all.w.n; i++) {
      arrange(sizes[k], false, &one, 1, 1.1);
      one.w.chain[0] = all.w.chain[i];
      cost_one[0] = 0;
      gb_xy_start(one.s, &one.w, true, one.state);
      for (uint64_t s = 0; s < 20; s++) gb_xy_step(one.s, &one.w, s % one.dims.n_mix, s, s < 10, one.state, cost_one);
      troop_unpack(&one);
      CHECK(same(&one, 0, &all, i) && cost_one[0] == cost_all[i]);
      for (size_t j = 0; j < i; j++) CHECK(!same(&all, i, &all, j));
      check_measured(&one, 0, &all, i, 5);
      leave(&one);
    }
    leave(&all);
  }
}

/* measure() against double arithmetic on the unpacked spins: 2.5 2^-24 for every link and the cut to 2^-24. */
static void energies_of_all_sizes(void **unused)
{
  static const struct {
    int64_t L;
    bool strips;
  } cases[] = {{2, false},  {4, false},  {6, false},  {10, false},  {18, false}, {32, false},
               {34, false}, {62, false}, {66, false}, {128, false}, {128, true}, {256, true}};
  (void)unused;
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    troop t;
    double m[GB_MOST_WALKERS][GB_XY_MEASURED], cost[GB_MOST_WALKERS] = {0};
    size_t L = (size_t)cases[k].L;
    arrange(cases[k].L, cases[k].strips, &t, cases[k].strips ? 1 : 7, 0.8);
    gb_xy_start(t.s, &t.w, true, t.state);
    for (uint64_t s = 0; s < 4; s++) {
      gb_xy_measure(t.s, &t.w, t.state, *m);
      troop_unpack(&t);
      for (size_t i = 0; i < t.w.n; i++) {
        double mc = 0, ms = 0, n = (double)(L * L);
        for (size_t j = 0; j < L * L; j++) {
          mc += (double)t.field[i][j] / n;
          ms += (double)t.field[i][L * L + j] / n;
        }
        CHECK_NEAR(m[i][GB_XY_TRACK_ENERGY], energy_of(L, 1, t.field[i]), 2 * 3.5 * 0x1p-24);
        CHECK_NEAR(m[i][GB_XY_TRACK_M2], mc * mc + ms * ms, 3 * 0x1p-24);
      }
      gb_xy_step(t.s, &t.w, s % t.dims.n_mix, s, false, t.state, cost);
    }
    leave(&t);
  }
}

/* pack and unpack are each other's inverse, for numbers that tell every site from every other. */
static void packing_is_the_identity(void **unused)
{
  static const struct {
    int64_t L;
    bool strips;
  } cases[] = {{2, false}, {6, false}, {10, false}, {32, false}, {128, false}, {128, true}, {384, true}};
  (void)unused;
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
    for (size_t n = 1; n <= GB_LANES; n += cases[k].strips ? GB_LANES : 3) {
      troop t;
      char *again;
      arrange(cases[k].L, cases[k].strips, &t, n, 1);
      for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < 2 * t.dims.n; j++) t.field[i][j] = (float)(j + i * 1000000);
        t.width[i] = 0.25 * (double)(1 + i);
      }
      troop_pack(&t);
      for (size_t i = 0; i < n; i++) {
        memset(t.field[i], 0, 2 * t.dims.n * sizeof(float));
        t.width[i] = 0;
      }
      troop_unpack(&t);
      for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < 2 * t.dims.n; j++) CHECK(t.field[i][j] == (float)(j + i * 1000000));
        CHECK(t.width[i] == 0.25 * (double)(1 + i));
      }
      CHECK_OK(gb_new(&again, t.dims.walker_bytes));
      memcpy(again, t.state, t.dims.walker_bytes);
      memset(t.state, 0, t.dims.walker_bytes);
      troop_pack(&t);
      CHECK(!memcmp(again, t.state, t.dims.walker_bytes)); /* idle lanes as well: they repeat the first */
      gb_free(&again);
      leave(&t);
    }
}

/* Where burn-in would not choose clusters, the option still gives them; where no mix has them, nothing is kept for
 * them. */
static void clusters_on_request(void **unused)
{
  static double T[] = {0.9};
  (void)unused;
  for (int k = 0; k < 2; k++) {
    gb_xy_opts opts = {.L = 512, .J = 1, .T = {1, T}, .metropolis = 1, .overrelaxation = 1, .wolff = k};
    troop t;
    void *self;
    gb_dims dims;
    double cost[1] = {0};
    CHECK_OK(gb_xy_create(&opts, gb_comm_self(), &self, &dims));
    troop_open(&t, self, dims, 1, T[0]);
    CHECK(!t.s->neighbour == !k && !t.s->flat == !k && !t.s->queue == !k);
    gb_xy_start(t.s, &t.w, false, t.state);
    gb_xy_step(t.s, &t.w, 0, 0, false, t.state, cost);
    CHECK(cost[0] > 0);
    troop_close(&t);
    gb_xy_destroy(&self);
  }
}

/* Rows of lanes and back. */
static void lacing_is_a_transposition(void **unused)
{
  static const int64_t sizes[] = {2, 6, 10, 16, 32, 34, 50};
  (void)unused;
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    troop t;
    arrange(sizes[k], false, &t, 1, 1);
    gb_vf *even, *odd, *even_back, *odd_back;
    float *rows, *out[GB_LANES];
    const float *in[GB_LANES];
    size_t width = t.s->width, slots = t.s->slots;
    CHECK_OK(gb_new(&even, slots));
    CHECK_OK(gb_new(&odd, slots));
    CHECK_OK(gb_new(&even_back, slots));
    CHECK_OK(gb_new(&odd_back, slots));
    CHECK_OK(gb_new(&rows, GB_LANES * width));
    for (size_t j = 0; j < slots; j++)
      for (size_t l = 0; l < GB_LANES; l++) {
        even[j][l] = (float)(1000 * l + 2 * j);
        odd[j][l] = (float)(1000 * l + 2 * j + 1);
      }
    for (size_t l = 0; l < GB_LANES; l++) in[l] = out[l] = rows + l * width;
    for (size_t n = 1; n <= GB_LANES; n++) {
      for (size_t i = 0; i < GB_LANES * width; i++) rows[i] = -1;
      gb_xy_unlace(t.s, n, even, odd, out);
      for (size_t i = 0; i < GB_LANES * width; i++)
        CHECK(rows[i] == (i / width < n ? (float)(1000 * (i / width) + i % width) : -1));
    }
    gb_xy_lace(t.s, in, even_back, odd_back);
    CHECK(!memcmp(even, even_back, slots * sizeof *even) && !memcmp(odd, odd_back, slots * sizeof *odd));
    gb_free(&even);
    gb_free(&odd);
    gb_free(&even_back);
    gb_free(&odd_back);
    gb_free(&rows);
    leave(&t);
  }
}

/* ------------------------------------------------------------------------------------------------ random numbers */

/* A block and the place in it from which a word came: counter and word number, 5 words. */
typedef struct draw {
  uint32_t c[5];
} draw;

static int compare(const void *a, const void *b)
{
  return memcmp(a, b, sizeof(draw));
}

/* Every word is the one of its site: word j % 4 of block (colour, row, j / 4) of the stream of its chain and sweep. So
 * no two sites, colours, sweeps or chains share one: all of them are listed, sorted and compared. */
static void no_two_draws_share_a_word(void **unused)
{
  static const int64_t sizes[] = {2, 6, 10, 32};
  (void)unused;
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    enum { SWEEPS = 3 };
    troop t;
    size_t L = (size_t)sizes[k], n = 0, blocks = (L / 2 + 3) / 4;
    draw *all;
    arrange(sizes[k], false, &t, 8, 1);
    CHECK_OK(gb_new(&all, 2 * SWEEPS * 8 * L * L));
    for (size_t i = 0; i < 8; i++) t.w.chain[i] = i < 4 ? i : (UINT64_C(1) << 43) + i;
    for (int purpose = 0; purpose < 2; purpose++)
      for (uint64_t sweep = 0; sweep < SWEEPS; sweep++) {
        gb_purpose what = purpose ? GB_RNG_START : GB_RNG_METROPOLIS;
        uint64_t number = sweep * 1024 + (sweep == 2 ? UINT64_C(1) << 40 : 0); /* of steps, and late */
        gb_xy_stream stream;
        gb_xy_open_stream(t.s, &t.w, what, number, &stream);
        for (size_t p = 0; p < 2; p++)
          for (size_t y = 0; y < L; y++) {
            gb_xy_words(t.s, &stream, p, y, 0, t.s->slots);
            for (size_t j = 0; j < t.s->slots; j++)
              for (size_t i = 0; i < 8; i++) {
                uint32_t word[4], block = (uint32_t)((p * L + y) * blocks + j / 4);
                gb_key key = gb_rng_key(SEED, what, t.w.chain[i], number);
                gb_rng_block(key, block, word);
                CHECK(t.s->words[j][i] == word[j % 4]);
                all[n++] = (draw){{key.c[0], key.c[1], key.c[2], block, (uint32_t)(j % 4)}};
              }
          }
      }
    CHECK(n == 2 * SWEEPS * 8 * L * L);
    qsort(all, n, sizeof *all, compare);
    for (size_t i = 1; i < n; i++) CHECK(compare(&all[i - 1], &all[i]) < 0);
    gb_free(&all);
    leave(&t);
  }
}

/* A part of a row gets the same words as the whole of it, and both layouts give a site the same. */
static void layouts_share_their_words(void **unused)
{
  enum { L = 128 };
  troop r, s;
  gb_xy_stream of_r, of_s;
  (void)unused;
  arrange(L, false, &r, 1, 1);
  arrange(L, true, &s, 1, 1);
  r.w.chain[0] = s.w.chain[0] = 12345;
  gb_xy_open_stream(r.s, &r.w, GB_RNG_METROPOLIS, 99, &of_r);
  gb_xy_open_stream(s.s, &s.w, GB_RNG_METROPOLIS, 99, &of_s);
  for (size_t p = 0; p < 2; p++)
    for (size_t y = 0; y < L; y++) {
      uint32_t word[L / 2];
      gb_xy_words(r.s, &of_r, p, y, 0, L / 2);
      gb_xy_words(s.s, &of_s, p, y, 0, s.s->slots);
      for (size_t j = 0; j < L / 2; j++) {
        word[j] = r.s->words[j][0];
        CHECK(word[j] == s.s->words[j % s.s->slots][j / s.s->slots]);
      }
      for (size_t first = 0; first < L / 2; first += 5) {
        memset(r.s->words, 0, L / 2 * sizeof *r.s->words);
        gb_xy_words(r.s, &of_r, p, y, first, 1);
        CHECK(r.s->words[first][0] == word[first]);
      }
    }
  leave(&r);
  leave(&s);
}

/* Strips need sides that every machine can divide. */
static void layouts_are_chosen_by_size(void **unused)
{
  static const struct {
    int64_t L;
    bool strips;
  } cases[] = {{2, false}, {128, false}, {192, false}, {256, true}, {258, false}, {320, false}, {384, true}};
  static double T[1] = {1};
  (void)unused;
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    void *self;
    gb_dims d;
    gb_xy_opts opts = {.L = cases[k].L, .J = 1, .T = {.n = 1, .v = T}, .overrelaxation = -1, .wolff = -1};
    CHECK_OK(gb_xy_create(&opts, gb_comm_self(), &self, &d));
    CHECK(((gb_xy *)self)->strips == cases[k].strips);
    CHECK(d.walkers == (cases[k].strips ? 1 : (size_t)GB_LANES) && d.n_mine == d.n);
    gb_xy_destroy(&self);
    CHECK(!self);
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      TEST(strips_are_replicas),        TEST(neighbours_in_the_lanes_do_not_matter),
      TEST(energies_of_all_sizes),      TEST(packing_is_the_identity),
      TEST(clusters_on_request),        TEST(lacing_is_a_transposition),
      TEST(no_two_draws_share_a_word),  TEST(layouts_share_their_words),
      TEST(layouts_are_chosen_by_size),
  };
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failed;
}
