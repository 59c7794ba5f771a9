/* tests/unit/test_watch.c - a process that hangs is ended and told of; one that works, or was only stopped, is not. */
#include "base/watch.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"

static void rest(double seconds)
{
  nanosleep(&(struct timespec){(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)}, NULL);
}

static void beat_for(double seconds)
{
  for (double end = gb_clock_now() + seconds; gb_clock_now() < end; rest(0.01)) GB_BEAT();
}

/* A process with a watchdog, in which `body` runs; `*told` is the other end of its standard error. */
static pid_t begin(double limit, void (*body)(void), int *told)
{
  int ends[2];
  CHECK(pipe(ends) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[1], STDERR_FILENO);
    gb_watch_limit(limit);
    if (gb_watch_start("greybox-test")) _exit(99);
    gb_watch_rank(3, 5);
    body();
    _exit(0);
  }
  close(ends[1]);
  *told = ends[0];
  return pid;
}

/* Its exit status, and what it said. */
static int end(pid_t pid, int told, char text[2048])
{
  int status;
  size_t n = 0;
  for (ssize_t got; n < 2047 && (got = read(told, text + n, 2047 - n)) > 0;) n += (size_t)got;
  text[n] = 0;
  close(told);
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
  return WEXITSTATUS(status);
}

static void hang(void)
{
  gb_watch_work("training", 7, 10);
  beat_for(1);
  gb_watch_beat("this_place");
  rest(60);
}

static void work(void)
{
  beat_for(1.5);
}

static void compute_long(void)
{
  gb_watch_long("pdsyevd", 60);
  rest(1.5);
}

static void compute_once(void) /* what may be long is over */
{
  gb_watch_long("pdsyevd", 60);
  gb_watch_beat("afterwards");
  rest(60);
}

static void rest_a_little(void)
{
  rest(0.3);
}

static void ends_what_hangs(void **state)
{
  (void)state;
  char text[2048];
  int told;
  double begun = gb_clock_now();
  pid_t pid = begin(0.5, hang, &told);
  CHECK(end(pid, told, text) == GB_ERR_STUCK);
  double seconds = gb_clock_now() - begun;
  CHECK(seconds > 1.4 && seconds < 20);
  CHECK(strstr(text, "greybox-test: error: rank 3 of 5 on "));
  CHECK(strstr(text, "(run.watchdog = 0.5 s), training, 7 of 10, after this_place()"));
  pid = begin(0.5, compute_once, &told);
  CHECK(end(pid, told, text) == GB_ERR_STUCK);
  CHECK(strstr(text, "after afterwards()"));
}

static void spares_what_works(void **state)
{
  (void)state;
  void (*const body[])(void) = {work, compute_long, work};
  const double limit[] = {0.5, 0.5, 0};
  for (int i = 0; i < 3; i++) {
    char text[2048];
    int told;
    pid_t pid = begin(limit[i], body[i], &told);
    CHECK(end(pid, told, text) == 0 && !*text);
  }
}

/* Time in which the process itself was stopped does not count. */
static void spares_what_was_stopped(void **state)
{
  (void)state;
  char text[2048];
  int told;
  pid_t pid = begin(1.5, rest_a_little, &told);
  rest(0.1);
  CHECK(kill(pid, SIGSTOP) == 0);
  rest(3);
  CHECK(kill(pid, SIGCONT) == 0);
  CHECK(end(pid, told, text) == 0 && !*text);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(ends_what_hangs), TEST(spares_what_works), TEST(spares_what_was_stopped)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
