/* unit/test_task.c - work in another thread: its result, its failure's record, no signals. */
#include "base/task.h"

#include <signal.h>
#include <unistd.h>

#include "check.h"

typedef struct job {
  pthread_t who;
  sigset_t blocked;
  int wanted, pipe[2];
} job;

static gb_err work(void *what)
{
  job *j = what;
  char c = 0;
  j->who = pthread_self();
  pthread_sigmask(SIG_BLOCK, NULL, &j->blocked);
  if (j->pipe[0]) CHECK(read(j->pipe[0], &c, 1) == 1); /* until the main thread has gone on */
  GB_CHECK(j->wanted == 0, (gb_err)j->wanted, "job %d failed", j->wanted);
  return GB_OK;
}

static void another_thread(void **state)
{
  (void)state;
  gb_task t = {0};
  job j = {.wanted = GB_ERR_IO};
  sigset_t before, after;
  CHECK_OK(gb_task_result(&t)); /* nothing was started */
  CHECK(pipe(j.pipe) == 0);
  pthread_sigmask(SIG_BLOCK, NULL, &before);
  gb_task_start(&t, false, work, &j);
  pthread_sigmask(SIG_BLOCK, NULL, &after);
  CHECK(GB_FAIL(GB_ERR_NUMERIC, "one of this thread") && !strcmp(gb_err_message(), "one of this thread"));
  CHECK(write(j.pipe[1], "x", 1) == 1);
  gb_task_join(&t);
  gb_task_join(&t);
  CHECK(!strcmp(gb_err_message(), "one of this thread")); /* failures of two threads do not mix */
  CHECK(!pthread_equal(j.who, pthread_self()));
  for (int s = 1; s < 32; s++) {
    if (s != SIGKILL && s != SIGSTOP) CHECK(sigismember(&j.blocked, s));
    CHECK(sigismember(&before, s) == sigismember(&after, s));
  }
  gb_err_clear();
  CHECK_FAILS(gb_task_result(&t), GB_ERR_IO, "job 3 failed");
  CHECK_OK(gb_task_result(&t));
  close(j.pipe[0]);
  close(j.pipe[1]);
}

static void here(void **state)
{
  (void)state;
  gb_task t = {0};
  job j = {.wanted = GB_ERR_CONFIG};
  gb_task_start(&t, true, work, &j);
  CHECK(pthread_equal(j.who, pthread_self()) && gb_err_message()[0] == 0); /* reported when it is asked for */
  CHECK(gb_task_result(&t) == GB_ERR_CONFIG && strstr(gb_err_place(), "test_task.c"));
  gb_err_clear();
  for (int i = 0; i < 50; i++) { /* the same task again, in both ways */
    j.wanted = i % 3 ? 0 : GB_ERR_LIB;
    gb_task_start(&t, i % 2, work, &j);
    CHECK(gb_task_result(&t) == (gb_err)j.wanted);
    gb_err_clear();
  }
}

static gb_err agreed(void *what)
{
  (void)what;
  gb_err e = GB_FAIL(GB_ERR_IO, "all know");
  gb_err_set_common();
  return e;
}

static void common(void **state)
{
  (void)state;
  gb_task t = {0};
  gb_task_start(&t, false, agreed, NULL);
  CHECK(gb_task_result(&t) == GB_ERR_IO && gb_err_is_common() && !strcmp(gb_err_message(), "all know"));
  gb_err_clear();
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(another_thread), TEST(here), TEST(common)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
