/* unit/test_pieces.c - pieces follow each other in memory, cover the block once and keep to the limit. */
#include "io/pieces.h"

#include "check.h"

/* Offset of a place in the memory of a block. */
static uint64_t offset(int ndim, const gb_h5_block *b, const uint64_t place[])
{
  uint64_t at = 0;
  for (int i = 0; i < ndim; i++) at = at * b->count[i] + (place[i] - b->start[i]);
  return at;
}

static void check_block(int ndim, const gb_h5_block *b, size_t size, size_t limit)
{
  size_t n = gb_pieces_count(ndim, b, size, limit), all = gb_pieces_elements(ndim, b), next = 0;
  CHECK(n >= 1);
  for (size_t i = 0; i < n; i++) {
    gb_h5_block p = gb_pieces_get(ndim, b, size, limit, i);
    size_t elements = gb_pieces_elements(ndim, &p);
    uint64_t last[GB_H5_NDIM];
    CHECK(elements * size <= limit || elements == 1);
    if (all == 0) continue;
    CHECK(elements >= 1);
    for (int k = 0; k < ndim; k++) {
      CHECK(p.start[k] >= b->start[k] && p.start[k] + p.count[k] <= b->start[k] + b->count[k]);
      last[k] = p.start[k] + p.count[k] - 1;
    }
    CHECK(offset(ndim, b, p.start) == next); /* at once after the piece before, and without gaps inside */
    CHECK(offset(ndim, b, last) == next + elements - 1);
    next += elements;
  }
  CHECK(next == all || all == 0);
}

static void all_shapes(void **state)
{
  (void)state;
  static const gb_h5_block block[] = {{{3, 0, 7, 1}, {5, 4, 3, 6}}, {{0, 2, 0, 0}, {1, 9, 1, 4}},
                                      {{9, 0, 0, 5}, {2, 1, 1, 1}}, {{0}, {1, 1, 1, 1}},
                                      {{0}, {7, 0, 3, 2}},          {{1, 2, 3, 4}, {0, 0, 0, 0}}};
  for (size_t i = 0; i < sizeof block / sizeof *block; i++)
    for (int ndim = 0; ndim <= 4; ndim++)
      for (size_t size = 1; size <= 8; size *= 2)
        for (size_t limit = 1; limit < 3000; limit += 1 + limit / 7) check_block(ndim, &block[i], size, limit);
}

/* As few pieces as rows allow; a block within the limit is one piece. */
static void few(void **state)
{
  (void)state;
  const gb_h5_block rows = {{0, 0}, {10, 100}}, huge = {{5, 0}, {3, 3000000000}};
  CHECK(gb_pieces_count(2, &rows, 4, 4000) == 1);
  CHECK(gb_pieces_count(2, &rows, 4, 3999) == 2); /* 9 rows, 1 row */
  CHECK(gb_pieces_count(2, &rows, 4, 400) == 10);
  CHECK(gb_pieces_count(2, &rows, 4, 399) == 20); /* 99 and 1 of each row */
  CHECK(gb_pieces_count(2, &huge, 1, 1 << 30) == 9);
  gb_h5_block p = gb_pieces_get(2, &huge, 1, 1 << 30, 8);
  CHECK(p.start[0] == 7 && p.count[0] == 1 && p.start[1] == (uint64_t)2 << 30 &&
        p.count[1] == 3000000000 - ((uint64_t)2 << 30));
  CHECK(gb_pieces_limit >= 1 << 20 && gb_pieces_limit < (size_t)1 << 30);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(all_shapes), TEST(few)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
