/* base/watch.c - beats are counted without a lock; one thread looks whether the count has changed. */
#include "base/watch.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/task.h"

static struct {
  const char *program;
  _Atomic int rank, ranks; /* ranks = 0: not known yet */
  _Atomic uint64_t beats;
  _Atomic double limit, more; /* seconds */
  _Atomic double done, total;
  const char *_Atomic where, *_Atomic work;
} self = {.limit = 1800};

void gb_watch_rank(int rank, int ranks)
{
  self.rank = rank;
  self.ranks = ranks;
}

void gb_watch_limit(double seconds)
{
  self.limit = seconds;
}

void gb_watch_beat(const char *where)
{
  atomic_store_explicit(&self.where, where, memory_order_relaxed);
  atomic_store_explicit(&self.more, 0, memory_order_relaxed);
  atomic_fetch_add_explicit(&self.beats, 1, memory_order_relaxed);
}

void gb_watch_long(const char *where, double seconds)
{
  gb_watch_beat(where);
  self.more = seconds;
}

void gb_watch_work(const char *what, double done, double total)
{
  self.work = what;
  self.done = done;
  self.total = total;
}

static void nap(double seconds)
{
  time_t whole = (time_t)seconds;
  nanosleep(&(struct timespec){whole, (long)((seconds - (double)whole) * 1e9)}, NULL);
}

/* In a thread of its own: standard error may be what hangs. */
static void *tell(void *since)
{
  char line[1024], host[256] = "unknown", who[64] = "a rank that starts";
  const char *work = self.work;
  gethostname(host, sizeof host - 1);
  if (self.ranks) snprintf(who, sizeof who, "rank %d of %d", self.rank, self.ranks);
  int n =
      snprintf(line, sizeof line, "%s: error: %s on %s, process %ld: nothing has moved since %s (run.watchdog = %g s)",
               self.program, who, host, (long)getpid(), (const char *)since, self.limit);
  if (work)
    n += snprintf(line + n, sizeof line - (size_t)n, ", %s, %.0f of %.0f", work, (double)self.done, (double)self.total);
  n += snprintf(line + n, sizeof line - (size_t)n,
                ", after %s(). Another rank may be stopped or lost, or a file system does not answer. The last save is "
                "intact.\n",
                self.where ? self.where : "the start");
  if (write(STDERR_FILENO, line, (size_t)n) < 0) return NULL;
  return NULL;
}

static void *watch(void *unused)
{
  static const double longest = 1, others = 2; /* between looks; for other ranks to tell where they wait, too */
  static char since[24];
  uint64_t seen = self.beats;
  double quiet = 0; /* sum of naps since the last beat */
  gb_clock_utc(since);
  for (;;) {
    double limit = self.limit, pause = limit > 0 && limit < 20 * longest ? limit / 20 : longest;
    nap(pause);
    uint64_t now = self.beats;
    if (now != seen) {
      seen = now;
      quiet = 0;
      gb_clock_utc(since);
    } else if (limit > 0 && (quiet += pause) >= limit + self.more) {
      pthread_t speaker;
      gb_task_thread(&speaker, tell, since);
      nap(others);
      _exit(GB_ERR_STUCK);
    }
  }
  return unused;
}

gb_err gb_watch_start(const char *program)
{
  pthread_t thread;
  self.program = program;
  GB_CHECK(gb_task_thread(&thread, watch, NULL), GB_ERR_LIB, "no thread can be started for the watchdog");
  pthread_detach(thread);
  return GB_OK;
}
