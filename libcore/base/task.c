/* base/task.c - start, join, hand over. The record of a failure is per thread (err.c), so it is carried by hand. */
#include "base/task.h"

#include <signal.h>
#include <string.h>

static void *run(void *task)
{
  gb_task *t = task;
  t->result = t->work(t->what);
  if (!t->result) return NULL;
  snprintf(t->message, sizeof t->message, "%s", gb_err_message());
  snprintf(t->place, sizeof t->place, "%s", gb_err_place());
  t->common = gb_err_is_common();
  gb_err_clear();
  return NULL;
}

bool gb_task_thread(pthread_t *thread, void *(*body)(void *), void *what)
{
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* which the thread inherits */
  bool started = pthread_create(thread, NULL, body, what) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return started;
}

void gb_task_start(gb_task *t, bool here, gb_err (*work)(void *), void *what)
{
  GB_ASSERT(!t->running);
  *t = (gb_task){.work = work, .what = what};
  if (!here) t->running = gb_task_thread(&t->thread, run, t);
  if (!t->running) run(t);
}

void gb_task_join(gb_task *t)
{
  if (t->running) pthread_join(t->thread, NULL);
  t->running = false;
}

gb_err gb_task_result(gb_task *t)
{
  gb_task_join(t);
  gb_err e = t->result;
  t->result = GB_OK;
  if (!e) return GB_OK;
  gb_err_adopt(t->message, t->place);
  if (t->common) gb_err_set_common();
  return e;
}
