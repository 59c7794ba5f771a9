/* base/task.h - one function in a thread of its own, and its failure in the thread that waits for it. */
#pragma once
#include <pthread.h>

#include "base/err.h"

typedef struct gb_task { /* {0}: nothing was started */
  gb_err (*work)(void *);
  void *what;
  pthread_t thread;
  bool running; /* a thread is to be joined */
  gb_err result;
  bool common;
  char message[2048], place[1024]; /* the record of the failure */
} gb_task;

/** A thread that takes no signals: their handlers run in the first one.
 *  Local.
 *  @return false if there can be none */
bool gb_task_thread(pthread_t *thread, void *(*body)(void *), void *what);

/** Begin work(what) in a thread that takes no signals; with `here`, and where no thread can be had, it is done before
 * this returns. The work must not use gb_new() or gb_free(), which count without a lock.
 *  Local.
 *  @param t  nothing is running in it; stays where it is until gb_task_result() */
void gb_task_start(gb_task *t, bool here, gb_err (*work)(void *), void *what);

/** Wait until the work is done.
 *  Local. Nothing is done if nothing runs. */
void gb_task_join(gb_task *t);

/** Wait, and return what the work returned; a failure's message and place become the recorded failure of this thread.
 * A second call returns GB_OK.
 *  Local. */
gb_err gb_task_result(gb_task *t);
