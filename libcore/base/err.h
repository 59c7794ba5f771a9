/* base/err.h - how anything fails: one list of codes, one recorded failure (per thread; base/task.h hands it over),
 * three macros. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

/* The value of a code is the exit status of the program (docs/FILES.md lists them for job scripts). */
#define GB_ERR_LIST(X)                                                                                                 \
  X(GB_OK, 0, "success")                                                                                               \
  X(GB_ERR_CONFIG, 2, "the configuration is wrong: fix it, do not requeue")                                            \
  X(GB_ERR_IO, 3, "a file could not be read or written")                                                               \
  X(GB_ERR_NUMERIC, 4, "a number became non-finite or a method did not converge")                                      \
  X(GB_ERR_LIB, 5, "a library (MPI, HDF5, PETSc, ScaLAPACK) reported an error")                                        \
  X(GB_ERR_MEMORY, 6, "an allocation failed")                                                                          \
  X(GB_ERR_BUSY, 7, "another run uses the run directory")                                                              \
  X(GB_ERR_STUCK, 8, "nothing moved for run.watchdog seconds: a rank or a file system hangs")                          \
  X(GB_STOPPED, 75, "asked to stop: the state is saved, run the same command again to continue")

typedef enum gb_err {
#define X(name, exit_code, text) name = exit_code,
  GB_ERR_LIST(X)
#undef X
} gb_err;

/** The sentence that belongs to a code.
 *  Local. */
const char *gb_err_text(gb_err code);

/** Record a failure: its message and its place. Only the first failure since gb_err_clear() keeps its
 * message. Local. Called through GB_CHECK and GB_FAIL.
 *  @return code, so that a function can return the call */
gb_err gb_fail(gb_err code, const char *file, int line, const char *func, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/** Add a calling function to the place of the recorded failure.
 *  Local. Called through GB_TRY and GB_GOTO. */
gb_err gb_trace(gb_err code, const char *file, int line, const char *func);

/** Stop at a bug: prints the expression and calls abort(); the launcher ends the other ranks.
 *  Local. */
_Noreturn void gb_panic(const char *file, int line, const char *expr);

/** Forget the recorded failure (sweeps go on after a failed trial).
 *  Local. */
void gb_err_clear(void);

/** The recorded message, and where it was raised ("" if nothing failed).
 *  Local. Borrowed until the next failure. */
const char *gb_err_message(void);
const char *gb_err_place(void);

/** Replace the recorded failure by one that another rank reported.
 *  Local. Used by gb_comm_agree(), which then marks the failure as common to all ranks. */
void gb_err_adopt(const char *message, const char *place);

/** Was the recorded failure agreed by all ranks? Then a program may leave in order; else it must abort.
 *  Local. */
bool gb_err_is_common(void);
void gb_err_set_common(void);

#define GB_FAIL(code, ...) gb_fail(code, __FILE__, __LINE__, __func__, __VA_ARGS__)
#define GB_CHECK(cond, code, ...)                                                                                      \
  do {                                                                                                                 \
    if (!(cond)) return GB_FAIL(code, __VA_ARGS__);                                                                    \
  } while (0)
#define GB_TRY(call)                                                                                                   \
  do {                                                                                                                 \
    gb_err e_ = (call);                                                                                                \
    if (e_) return gb_trace(e_, __FILE__, __LINE__, __func__);                                                         \
  } while (0)
#define GB_GOTO(e, call, label)                                                                                        \
  do {                                                                                                                 \
    if (((e) = (call))) {                                                                                              \
      gb_trace(e, __FILE__, __LINE__, __func__);                                                                       \
      goto label;                                                                                                      \
    }                                                                                                                  \
  } while (0)
#define GB_ASSERT(cond) ((cond) ? (void)0 : gb_panic(__FILE__, __LINE__, #cond))
