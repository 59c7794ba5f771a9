/* tests/mpi/test_h5_unthreaded.c - where MPI allows no threads a batch is written at once, with the same results. */
#define RANKS_THREADS MPI_THREAD_SINGLE
#include "mpi/batch.h"

static void written_at_once(void **state)
{
  static rows r;
  gb_h5 *f;
  (void)state;
  CHECK(!gb_comm_threads());
  CHECK_OK(gb_h5_create(world, scratch("a.h5"), &f));
  add_sets(f);
  fill_rows(&r, world, 1);
  CHECK_OK(gb_h5_write_start(f, &(gb_h5_batch){ITEMS, r.item, true}));
  memset(r.a, 0, sizeof r.a); /* nobody looks at it any more */
  CHECK_OK(gb_h5_write_wait(f));
  CHECK_OK(gb_h5_close(&f, true));
  CHECK_OK(gb_h5_open(world, scratch("a.h5"), &f));
  check_rows(f, 1);
  CHECK_OK(gb_h5_close(&f, false));
}

static void failures_are_kept(void **state)
{
  static rows r;
  gb_h5 *f;
  (void)state;
  CHECK_OK(gb_h5_create(world, scratch("b.h5"), &f));
  add_sets(f);
  fill_rows(&r, world, 1);
  if (world.rank == world.size - 1) r.block[0].count[1] = COLS + 1;
  CHECK_OK(gb_h5_write_start(f, &(gb_h5_batch){ITEMS, r.item, false}));
  CHECK(gb_err_message()[0] == 0);
  CHECK_ALL_FAIL(gb_h5_write_wait(f), GB_ERR_IO, "/a: items 0 ... 701 of axis 1");
  CHECK_OK(gb_h5_close(&f, false));
}

static const struct CMUnitTest tests[] = {TEST(written_at_once), TEST(failures_are_kept)};
RUN_ON_RANKS(tests)
