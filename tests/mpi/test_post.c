/* tests/mpi/test_post.c - messages between ranks that do different things: none is lost, all are in order, waiting
 * rests. */
#include "comm/post.h"

#include <time.h>

#include "base/mem.h"
#include "mpi/ranks.h"

typedef struct letter {
  int number;
  char text[5000]; /* longer than what MPI libraries send without being asked for it */
} letter;

static void pause_for(double seconds)
{
  nanosleep(&(struct timespec){0, (long)(seconds * 1e9)}, NULL);
}

static void every_message_comes_in_order(void **state)
{
  (void)state;
  enum { TIMES = 50 };
  gb_post *p;
  letter l = {0};
  int from, got = 0, next[64] = {0};
  CHECK_OK(gb_post_open(world, sizeof l, &p));
  if (world.rank > 0) {
    for (l.number = 0; l.number < TIMES; l.number++) {
      snprintf(l.text + sizeof l.text - 16, 16, "%d", world.rank * l.number);
      gb_post_send(p, 0, &l);
    }
  }
  for (double nap = 0; world.rank == 0 && got < TIMES * (world.size - 1);) {
    if (!gb_post_take(p, &from, &l)) {
      gb_comm_nap(&nap);
      continue;
    }
    CHECK(from > 0 && from < world.size && l.number == next[from]++);
    CHECK(atoi(l.text + sizeof l.text - 16) == from * l.number);
    got++;
  }
  CHECK(!gb_post_take(p, &from, &l));
  gb_post_close(&p);
  CHECK(p == NULL);
  gb_post_close(&p); /* NULL is allowed */
}

/* An offer does not wait for one who does not look; what comes is some of the offers, in order, then what was sent. */
static void offers_do_not_wait(void **state)
{
  (void)state;
  enum { TIMES = 20 };
  gb_post *p;
  letter l = {0};
  CHECK_OK(gb_post_open(world, sizeof l, &p));
  MPI_Barrier(world.mpi);
  if (world.rank == 0) {
    pause_for(0.3);
    for (int r = 1, from, last = 0; r < world.size;) {
      if (!gb_post_take(p, &from, &l)) continue;
      CHECK(l.number > 0 && l.number <= TIMES);
      if (world.size == 2) CHECK(l.number > last);
      last = l.number;
      r += l.number == TIMES;
    }
  } else {
    double begin = MPI_Wtime();
    for (l.number = 1; l.number < TIMES; l.number++) gb_post_offer(p, 0, &l);
    CHECK(MPI_Wtime() - begin < 0.25);
    gb_post_send(p, 0, &l);
  }
  gb_post_close(&p);
}

static double cpu_seconds(void)
{
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Who waits leaves the core to others: a small part of the time is computed away. */
static void waiting_rests(void **state)
{
  (void)state;
  static const double pause = 0.4;
  char text[16] = "";
  double before = cpu_seconds();
  if (world.rank == 0) {
    pause_for(pause);
    snprintf(text, sizeof text, "go");
  }
  gb_comm_bcast_resting(world, text, sizeof text);
  assert_string_equal(text, "go");
  if (world.rank == world.size - 1) pause_for(pause);
  gb_comm_meet_resting(world);
  CHECK(cpu_seconds() - before < 0.2 * 2 * pause);
}

static const struct CMUnitTest tests[] = {TEST(every_message_comes_in_order), TEST(offers_do_not_wait),
                                          TEST(waiting_rests)};
RUN_ON_RANKS(tests)
