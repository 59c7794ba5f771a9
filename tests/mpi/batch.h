/* mpi/batch.h - some datasets, and the blocks that each rank writes into them. */
#pragma once
#include "io/h5.h"
#include "mpi/ranks.h"

enum { ROWS = 41, COLS = 700, ITEMS = 3 };

static const gb_h5_spec set_of[ITEMS] = {
    {.name = "/a", .type = GB_H5_F32, .ndim = 2, .shape = {ROWS, COLS}, .unit = "1", .doc = "Whole."},
    {.name = "/b", .type = GB_H5_U16, .ndim = 2, .shape = {ROWS, COLS}, .chunk = {6, COLS}, .unit = "1", .doc = "Cut."},
    {.name = "/c/d", .type = GB_H5_U64, .ndim = 1, .shape = {ROWS}, .unit = "1", .doc = "Small."}};

typedef struct rows { /* what this rank writes: every world.size-th row */
  size_t n;
  gb_h5_block block[ROWS];
  float a[ROWS * COLS];
  uint16_t b[ROWS * COLS];
  uint64_t d[ROWS];
  gb_h5_item item[ITEMS];
} rows;

static inline void fill_rows(rows *r, gb_comm c, unsigned salt)
{
  r->n = 0;
  for (size_t row = (size_t)c.rank; row < ROWS; row += (size_t)c.size) {
    for (size_t k = 0; k < COLS; k++) {
      r->a[r->n * COLS + k] = (float)(row * COLS + k + salt);
      r->b[r->n * COLS + k] = (uint16_t)(row * 1000 + k * 7 + salt);
    }
    r->d[r->n] = row + salt;
    r->block[r->n++] = (gb_h5_block){{row, 0}, {1, COLS}};
  }
  r->item[0] = (gb_h5_item){"/a", r->n, r->block, r->a};
  r->item[1] = (gb_h5_item){"/b", r->n, r->block, r->b};
  r->item[2] = (gb_h5_item){"/c/d", r->n, r->block, r->d};
}

static inline void add_sets(gb_h5 *f)
{
  for (int i = 0; i < ITEMS; i++) CHECK_OK(gb_h5_add(f, &set_of[i]));
}

/* The whole file as it must be. */
static inline void check_rows(gb_h5 *f, unsigned salt)
{
  static rows all, back;
  gb_comm one = {.rank = 0, .size = 1};
  fill_rows(&all, one, salt);
  CHECK_OK(gb_h5_read_all(f, "/a", GB_H5_F32, ROWS * COLS, back.a));
  CHECK_OK(gb_h5_read_all(f, "/b", GB_H5_U16, ROWS * COLS, back.b));
  CHECK_OK(gb_h5_read_all(f, "/c/d", GB_H5_U64, ROWS, back.d));
  CHECK(!memcmp(all.a, back.a, sizeof all.a) && !memcmp(all.b, back.b, sizeof all.b) &&
        !memcmp(all.d, back.d, sizeof all.d));
}
