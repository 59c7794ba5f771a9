/* sim/instrument.h - what a fluorometer shows of concentrations: a gain, an offset and a drift that are not known, each
 * curve its own. */
#pragma once
#include "sim/rows.h"

/* Options of a physics: ranges of what is drawn for a row. */
typedef struct gb_instrument {
  gb_reals gain, offset, drift;
  double drift_time; /* min */
} gb_instrument;

/* Their rows in its table: `member` of the struct T of its options. */
#define GB_INSTRUMENT_FIELDS(T, member)                                                                                \
  {"gain",                                                                                                             \
   GB_REALS,                                                                                                           \
   offsetof(T, member.gain),                                                                                           \
   "[1, 1]",                                                                                                           \
   1e-3,                                                                                                               \
   1e3,                                                                                                                \
   NULL,                                                                                                               \
   "1",                                                                                                                \
   GB_FIXED,                                                                                                           \
   "Range [low, high] of the factor by which a curve is brighter than its concentrations, each curve its own; the "    \
   "known part does not know of it, nor of the next two."},                                                            \
      {"offset",                                                                                                       \
       GB_REALS,                                                                                                       \
       offsetof(T, member.offset),                                                                                     \
       "[0, 0]",                                                                                                       \
       -1e3,                                                                                                           \
       1e3,                                                                                                            \
       NULL,                                                                                                           \
       "unit",                                                                                                         \
       GB_FIXED,                                                                                                       \
       "Range [low, high] of the light that is there at t = 0 without any strand."},                                   \
      {"drift",                                                                                                        \
       GB_REALS,                                                                                                       \
       offsetof(T, member.drift),                                                                                      \
       "[0, 0]",                                                                                                       \
       -1e3,                                                                                                           \
       1e3,                                                                                                            \
       NULL,                                                                                                           \
       "unit",                                                                                                         \
       GB_FIXED,                                                                                                       \
       "Range [low, high] of what comes to that light in the long run."},                                              \
  {                                                                                                                    \
    "drift_time", GB_REAL, offsetof(T, member.drift_time), "300", 1e-6, 1e9, NULL, "min", GB_FIXED,                    \
        "Time in which all but 1/e of the drift has come."                                                             \
  }

/* What is drawn, in this order, and its rows in a table of gb_var. */
enum { GB_INSTRUMENT_GAIN, GB_INSTRUMENT_OFFSET, GB_INSTRUMENT_DRIFT, GB_INSTRUMENT_NUMBERS };
#define GB_INSTRUMENT_VARS                                                                                             \
  {"gain", "1", "How much brighter the curve is than its concentrations."},                                            \
      {"offset", "unit", "Light at t = 0 without any strand."},                                                        \
  {                                                                                                                    \
    "drift", "unit", "What comes to it in the long run."                                                               \
  }

/** Check its ranges.
 *  Local.
 *  @param[in] section  of the physics, for the message
 *  @return GB_ERR_CONFIG naming key and value */
gb_err gb_instrument_check(const char *section, const gb_instrument *o);

/** Draw gain, offset and drift of a row: its numbers `which`, `which` + 1, `which` + 2 (gb_row_draw()).
 *  Local. */
void gb_instrument_draw(const gb_instrument *o, uint64_t seed, uint64_t row, uint32_t which,
                        double out[GB_INSTRUMENT_NUMBERS]);

/** x = gain x + offset + drift (1 - exp(-t / drift_time)), of all numbers of a frame alike.
 *  Local.
 *  @param[in]     interval  between frames, min; the first is at t = 0
 *  @param[in,out] x         [frames, seen] */
void gb_instrument_show(const gb_instrument *o, const double drawn[GB_INSTRUMENT_NUMBERS], size_t frames, size_t seen,
                        double interval, double *x);
