/* base/watch.h - a watchdog: a thread that ends this rank if nothing moves any more.
 *
 * A rank that waits in a collective, or in a file system, cannot help itself, and MPI sets no limit to waiting. So
 * whoever gets something done says so, with GB_BEAT(): a collective that came to its end, a row, a sweep, a piece of a
 * file. If no beat comes for the limit, the thread tells where the last ones came from and ends the process at once: as
 * kill -9 would do, but with status GB_ERR_STUCK. The launcher then ends the other ranks, those that are stopped, too.
 * Nothing but the work since the last save is lost.
 *
 * The thread counts its own naps, not the time that has passed: a process that was stopped and goes on is not late. It
 * uses neither MPI nor the run directory, which may be what hangs. */
#pragma once
#include <stdint.h>

#include "base/err.h"

/** Start the thread, before MPI, whose start may hang, too. Without it (in tests) beats go nowhere. The limit is half
 * an hour until gb_watch_limit(). Local.
 *  @param[in] program  for the message; a literal
 *  @return GB_ERR_LIB if there can be no thread */
gb_err gb_watch_start(const char *program);

/** Which rank this is, for the message.
 *  Local. */
void gb_watch_rank(int rank, int ranks);

/** How long nothing may move.
 *  Local.
 *  @param[in] seconds  0: for ever */
void gb_watch_limit(double seconds);

/** Something was done. Of any thread; costs some nanoseconds.
 *  Local.
 *  @param[in] where  a literal */
void gb_watch_beat(const char *where);
#define GB_BEAT() gb_watch_beat(__func__)

/** A beat, before a call that by itself may take long and gives none: it has so many seconds more than the limit.
 *  Local. */
void gb_watch_long(const char *where, double seconds);

/** What the rank works at, for the message. No beat.
 *  Local.
 *  @param[in] what  stays where it is
 *  @param[in] done, total  in any unit */
void gb_watch_work(const char *what, double done, double total);
