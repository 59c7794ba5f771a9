/* tests/mpi/test_h5_background.c - a batch written by a thread: the same file, and failures where they are asked for.
 */
#include <pthread.h>
#include <signal.h>

#include "mpi/batch.h"

/* What the caller does meanwhile: no MPI, no HDF5. */
static double compute(void)
{
  double sum = 0;
  for (int i = 1; i < 300000; i++) sum += 1.0 / i;
  return sum;
}

static void threads_are_allowed(void **state)
{
  (void)state;
  CHECK(gb_comm_threads());
}

static void make(const char *path, bool background, bool sync)
{
  static rows r;
  gb_h5 *f;
  CHECK_OK(gb_h5_create(world, path, &f));
  add_sets(f);
  for (unsigned round = 0; round < 3; round++) { /* each over the one before */
    fill_rows(&r, world, round);
    if (background) {
      CHECK_OK(gb_h5_write_start(f, &(gb_h5_batch){ITEMS, r.item, sync}));
      CHECK(compute() > 12);
      CHECK_OK(gb_h5_write_wait(f));
      CHECK_OK(gb_h5_write_wait(f)); /* nothing left to wait for */
    } else {
      for (int i = 0; i < ITEMS; i++) CHECK_OK(gb_h5_write(f, r.item[i].name, r.n, r.block, r.item[i].data));
    }
  }
  CHECK_OK(gb_h5_close(&f, true));
}

static void same_file(void **state)
{
  (void)state;
  for (int sync = 0; sync < 2; sync++) {
    gb_h5 *f;
    make(scratch("front.h5"), false, false);
    make(scratch("back.h5"), true, sync);
    CHECK_OK(gb_h5_open(world, scratch("back.h5"), &f));
    check_rows(f, 2);
    CHECK_OK(gb_h5_close(&f, false));
    if (world.rank == 0) {
      size_t n = 0, m = 0;
      char *a = scratch_get(scratch("front.h5"), &n), *b = scratch_get(scratch("back.h5"), &m);
      CHECK(a && b && n == m && !memcmp(a, b, n));
      free(a);
      free(b);
    }
    MPI_Barrier(world.mpi);
  }
}

/* A block out of range on one rank, a dataset that is missing: all ranks are told at the wait, and not before. */
static void failures(void **state)
{
  static rows r;
  (void)state;
  for (int bad = 0; bad < world.size; bad++) {
    gb_h5 *f;
    CHECK_OK(gb_h5_create(world, scratch("w.h5"), &f));
    add_sets(f);
    fill_rows(&r, world, 5);
    if (world.rank == bad) r.block[r.n - 1].start[0] = ROWS;
    CHECK_OK(gb_h5_write_start(f, &(gb_h5_batch){ITEMS, r.item, true}));
    CHECK(gb_err_message()[0] == 0);
    CHECK_ALL_FAIL(gb_h5_write_wait(f), GB_ERR_IO, "/a: items 41 ... 42 of axis 0 were asked for; it has 41");
    CHECK_OK(gb_h5_write_wait(f)); /* told once */
    fill_rows(&r, world, 6);
    r.item[2].name = "/none";
    CHECK_OK(gb_h5_write_start(f, &(gb_h5_batch){ITEMS, r.item, false}));
    CHECK_ALL_FAIL(gb_h5_write_wait(f), GB_ERR_IO, "/none");
    r.item[2].name = "/c/d"; /* the file is as good as before: what failed can be written again */
    CHECK_OK(gb_h5_write_start(f, &(gb_h5_batch){ITEMS, r.item, false}));
    CHECK_OK(gb_h5_write_wait(f));
    CHECK_OK(gb_h5_close(&f, true));
    CHECK_OK(gb_h5_open(world, scratch("w.h5"), &f));
    check_rows(f, 6);
    CHECK_OK(gb_h5_close(&f, false));
  }
}

/* Sync, close and the next batch wait by themselves, and report what nobody asked for. */
static void nobody_waits(void **state)
{
  static rows r, other;
  gb_h5 *f;
  (void)state;
  for (int way = 0; way < 3; way++) {
    CHECK_OK(gb_h5_create(world, scratch("n.h5"), &f));
    add_sets(f);
    fill_rows(&r, world, 1);
    fill_rows(&other, world, 2);
    CHECK_OK(gb_h5_write_start(f, &(gb_h5_batch){ITEMS, r.item, false}));
    if (way == 1) CHECK_OK(gb_h5_sync(f));
    if (way == 2) CHECK_OK(gb_h5_write_start(f, &(gb_h5_batch){ITEMS, other.item, false}));
    CHECK_OK(gb_h5_close(&f, true));
    CHECK_OK(gb_h5_open(world, scratch("n.h5"), &f));
    check_rows(f, way == 2 ? 2 : 1);
    CHECK_OK(gb_h5_close(&f, false));
    if (world.rank == 0) unlink(scratch("n.h5"));

    CHECK_OK(gb_h5_create(world, scratch("n.h5"), &f));
    add_sets(f);
    r.item[1].name = "/none";
    CHECK_OK(gb_h5_write_start(f, &(gb_h5_batch){ITEMS, r.item, false}));
    if (way == 1) CHECK_ALL_FAIL(gb_h5_sync(f), GB_ERR_IO, "/none");
    if (way == 2) CHECK_ALL_FAIL(gb_h5_write_start(f, &(gb_h5_batch){ITEMS, other.item, false}), GB_ERR_IO, "/none");
    if (way == 0) {
      CHECK_ALL_FAIL(gb_h5_close(&f, true), GB_ERR_IO, "/none");
      CHECK(access(scratch("n.h5"), F_OK) != 0); /* an incomplete file gets no name */
    }
    CHECK_OK(gb_h5_close(&f, false));
    CHECK(f == NULL);
  }
}

/* Other uses of HDF5, of this file and of others, wait for the thread; its result is kept. */
static void other_uses(void **state)
{
  static rows r;
  gb_h5 *f, *g = NULL;
  gb_text t = {0};
  (void)state;
  make(scratch("other.h5"), false, false);
  CHECK_OK(gb_h5_create(world, scratch("u.h5"), &f));
  add_sets(f);
  fill_rows(&r, world, 9);
  for (int i = 0; i < 20; i++) {
    r.item[2].name = i % 2 ? "/c/d" : "/none";
    CHECK_OK(gb_h5_write_start(f, &(gb_h5_batch){ITEMS, r.item, false}));
    switch (i % 5) { /* i: each of these with and without a failure on its way */
    case 0: CHECK(gb_h5_has(f, "/c")); break;
    case 1: CHECK_OK(gb_h5_get_note(f, "/a", "doc", &t)); break;
    case 2: CHECK_OK(gb_h5_open(world, scratch("other.h5"), &g)); break;
    case 3: check_rows(g, 2); break;
    default: CHECK_OK(gb_h5_close(&g, false));
    }
    if (i % 2)
      CHECK_OK(gb_h5_write_wait(f));
    else
      CHECK_ALL_FAIL(gb_h5_write_wait(f), GB_ERR_IO, "/none");
  }
  gb_text_free(&t);
  CHECK_OK(gb_h5_close(&f, true));
  CHECK_OK(gb_h5_open(world, scratch("u.h5"), &f));
  check_rows(f, 9);
  CHECK_OK(gb_h5_close(&f, false));
}

static volatile sig_atomic_t caught;
static pthread_t catcher;

static void on_signal(int number)
{
  caught += number == SIGUSR1;
  catcher = pthread_self();
}

/* Signals to the process during a batch are handled by the main thread. */
static void signals(void **state)
{
  static rows r;
  gb_h5 *f;
  struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
  (void)state;
  sigaction(SIGUSR1, &act, &before);
  CHECK_OK(gb_h5_create(world, scratch("s.h5"), &f));
  add_sets(f);
  fill_rows(&r, world, 3);
  for (int i = 0; i < 20; i++) {
    caught = 0;
    CHECK_OK(gb_h5_write_start(f, &(gb_h5_batch){ITEMS, r.item, i % 4 == 0}));
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(compute() > 12);
    CHECK_OK(gb_h5_write_wait(f));
    CHECK(caught == 1 && pthread_equal(catcher, pthread_self()));
  }
  sigaction(SIGUSR1, &before, NULL);
  CHECK_OK(gb_h5_close(&f, true));
}

/* A file of rank 0 alone, as checkpoints are. */
static void alone(void **state)
{
  static rows r;
  gb_h5 *f;
  (void)state;
  if (world.rank == 0) {
    CHECK_OK(gb_h5_create(self, scratch("one.h5"), &f));
    add_sets(f);
    fill_rows(&r, self, 4);
    CHECK_OK(gb_h5_write_start(f, &(gb_h5_batch){ITEMS, r.item, true}));
    CHECK_OK(gb_h5_write_wait(f));
    CHECK_OK(gb_h5_close(&f, true));
    CHECK_OK(gb_h5_open(self, scratch("one.h5"), &f));
    check_rows(f, 4);
    CHECK_OK(gb_h5_close(&f, false));
  }
}

static const struct CMUnitTest tests[] = {
    TEST(threads_are_allowed), TEST(same_file), TEST(failures), TEST(nobody_waits),
    TEST(other_uses),          TEST(signals),   TEST(alone),
};
RUN_ON_RANKS(tests)
