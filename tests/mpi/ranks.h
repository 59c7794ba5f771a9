/* mpi/ranks.h - main() of a test that runs on several ranks. */
#pragma once
#include <mpi.h>
#include <stdlib.h>

#include "check.h"
#include "comm/comm.h"
#include "unit/scratch.h"

#ifndef RANKS_THREADS
#define RANKS_THREADS MPI_THREAD_SERIALIZED /* as apps/app.c */
#endif

static gb_comm world, self;

/* The same folder on all ranks. */
static inline int ranks_begin(void **state)
{
  (void)state;
  if (world.rank == 0) scratch_make();
  gb_comm_bcast(world, scratch_folder, sizeof scratch_folder);
  return 0;
}

static inline int ranks_end(void **state)
{
  (void)state;
  MPI_Barrier(world.mpi);
  if (world.rank == 0) scratch_remove();
  return 0;
}

/* A failed check ends the job at once: the other ranks would wait for this one for ever. */
#define RUN_ON_RANKS(tests)                                                                                            \
  int main(int argc, char **argv)                                                                                      \
  {                                                                                                                    \
    setenv("CMOCKA_TEST_ABORT", "1", 1);                                                                               \
    MPI_Init_thread(&argc, &argv, RANKS_THREADS, &(int){0});                                                           \
    gb_comm_open(MPI_COMM_WORLD, &world);                                                                              \
    gb_comm_open(MPI_COMM_SELF, &self);                                                                                \
    int bad = cmocka_run_group_tests(tests, ranks_begin, ranks_end);                                                   \
    gb_comm_close(&self);                                                                                              \
    gb_comm_close(&world);                                                                                             \
    MPI_Finalize();                                                                                                    \
    return bad;                                                                                                        \
  }

/* The same code on all ranks, and the same message: what `agree` promises for every collective function. */
#define CHECK_ALL_FAIL(call, code, text)                                                                               \
  do {                                                                                                                 \
    gb_err_clear();                                                                                                    \
    gb_err e_ = (call);                                                                                                \
    char of_0_[2048];                                                                                                  \
    snprintf(of_0_, sizeof of_0_, "%s", gb_err_message());                                                             \
    gb_comm_bcast(world, of_0_, sizeof of_0_);                                                                         \
    if (e_ != (code)) fail_msg("%s returned %d, expected %d", #call, (int)e_, (int)(code));                            \
    if (!strstr(gb_err_message(), text))                                                                               \
      fail_msg("%s: the message \"%s\" lacks \"%s\"", #call, gb_err_message(), text);                                  \
    if (strcmp(of_0_, gb_err_message()) || !gb_err_is_common()) fail_msg("%s: the failure is not common", #call);      \
    gb_err_clear();                                                                                                    \
  } while (0)
