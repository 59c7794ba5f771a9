/* learn/times.h - where the time of a training goes: for people only, no result depends on it. */
#pragma once
#include "base/clock.h"
#include "base/text.h"

typedef enum gb_phase {
  GB_TIME_DATA,
  GB_TIME_FORWARD,
  GB_TIME_BACKWARD,
  GB_TIME_EXCHANGE, /* waiting for other ranks included */
  GB_TIME_UPDATE,
  GB_TIME_VALIDATION,
  GB_TIME_SAVE,
  GB_TIMES
} gb_phase;

typedef struct gb_times {
  double seconds[GB_TIMES];
  double last; /* the moment that is accounted for */
} gb_times;

/** What follows is not part of the phase that ends next.
 *  Local. */
static inline void gb_times_begin(gb_times *t)
{
  t->last = gb_clock_now();
}

/** A phase ends: it had the time since the last call.
 *  Local. */
static inline void gb_times_end(gb_times *t, gb_phase phase)
{
  double now = gb_clock_now();
  t->seconds[phase] += now - t->last;
  t->last = now;
}

/** A line per phase: seconds, mean and most over the ranks, and the share of the mean.
 *  Local.
 *  @param[in] rank  [ranks] times of every rank */
void gb_times_print(size_t ranks, const gb_times rank[], gb_text *out);
