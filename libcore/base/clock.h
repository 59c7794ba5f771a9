/* base/clock.h - time, for people and logs only: no result ever depends on it. */
#pragma once
#include <stddef.h>

/** Seconds since an arbitrary moment; never goes back.
 *  Local. */
double gb_clock_now(void);

/** The wall clock as ISO 8601 in UTC, "2026-11-21T20:52:03Z".
 *  Local. */
const char *gb_clock_utc(char buffer[24]);
