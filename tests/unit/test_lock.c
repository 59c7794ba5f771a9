/* tests/unit/test_lock.c - one run at a time in a directory. */
#include "io/lock.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "check.h"
#include "unit/scratch.h"

/* In place of the C library's: a file system without locks can be had. */
static bool no_locks;
int flock(int fd, int operation)
{
  if (!no_locks) return (int)syscall(SYS_flock, fd, operation);
  errno = ENOLCK;
  return -1;
}

static gb_err take(const char *path, double patience, char *before, int *lock)
{
  gb_text t = {0};
  gb_err e = gb_lock_take(path, "greybox-test", patience, &t, lock);
  snprintf(before, 600, "%s", t.s ? t.s : "");
  gb_text_free(&t);
  return e;
}

/* A process that takes the lock, tells, and holds it until it is killed. */
static pid_t holder(const char *path)
{
  int told[2], lock;
  char before[600], c;
  CHECK(pipe(told) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    c = take(path, 0, before, &lock) ? 'n' : 'y';
    if (write(told[1], &c, 1) == 1) pause();
    _exit(0);
  }
  CHECK(read(told[0], &c, 1) == 1 && c == 'y');
  close(told[0]);
  close(told[1]);
  return pid;
}

static void end(pid_t pid)
{
  kill(pid, SIGKILL);
  CHECK(waitpid(pid, NULL, 0) == pid);
}

/* Free, held by another, left behind by a dead one, dropped in order: with locks and without. */
static void one_at_a_time(void **state)
{
  (void)state;
  char before[600], pid_text[40];
  int lock;
  setenv("SLURM_JOB_ID", "4711", 1);
  for (int k = 0; k < 2; k++) {
    no_locks = k;
    const char *path = scratch(k ? "a" : "b");
    pid_t pid = holder(path);
    snprintf(pid_text, sizeof pid_text, "pid=%ld", (long)pid);
    CHECK_FAILS(take(path, 0, before, &lock), GB_ERR_BUSY, "greybox-test job=4711 host=");
    CHECK_FAILS(take(path, 0, before, &lock), GB_ERR_BUSY, pid_text);
    CHECK(lock == -1);
    end(pid);
    CHECK_OK(take(path, 0, before, &lock));
    CHECK(strstr(before, pid_text)); /* it can be told who died */
    gb_lock_drop(&lock);
    CHECK_OK(take(path, 0, before, &lock));
    CHECK(lock >= 0 && !*before);
    gb_lock_drop(&lock);
    gb_lock_drop(&lock);
  }
  no_locks = false;
}

/* Without locks, what a process of another machine wrote counts until a person removes it. */
static void another_machine(void **state)
{
  (void)state;
  static const char line[] = "greybox-train job=3 host=no.such.host pid=1 since=2026-01-01T00:00:00Z\n";
  char before[600];
  int lock;
  FILE *f = fopen(scratch("far"), "w");
  CHECK(f && fputs(line, f) >= 0 && fclose(f) == 0);
  no_locks = true;
  CHECK_FAILS(take(scratch("far"), 0, before, &lock), GB_ERR_BUSY, "host=no.such.host");
  no_locks = false;
  CHECK_OK(take(scratch("far"), 0, before, &lock)); /* nobody holds it */
  CHECK(strstr(before, "job=3 host=no.such.host"));
  gb_lock_drop(&lock);
}

/* A holder that ends in time is waited for. */
static void patience(void **state)
{
  (void)state;
  char before[600];
  int lock;
  double begin = gb_clock_now();
  pid_t pid = holder(scratch("slow"));
  CHECK_FAILS(take(scratch("slow"), 0.4, before, &lock), GB_ERR_BUSY, "another run uses this directory");
  CHECK(gb_clock_now() - begin >= 0.4);
  pid_t killer = fork();
  if (killer == 0) {
    usleep(300000);
    kill(pid, SIGKILL);
    _exit(0);
  }
  CHECK_OK(take(scratch("slow"), 30, before, &lock));
  gb_lock_drop(&lock);
  CHECK(waitpid(killer, NULL, 0) == killer && waitpid(pid, NULL, 0) == pid);
  CHECK_FAILS(take(scratch("no/folder"), 0, before, &lock), GB_ERR_IO, "no/folder");
}

static int begin(void **state)
{
  (void)state;
  scratch_make();
  return 0;
}

static int finish(void **state)
{
  (void)state;
  scratch_remove();
  return 0;
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(one_at_a_time), TEST(another_machine), TEST(patience)};
  return cmocka_run_group_tests(tests, begin, finish);
}
