/* sim/curve.h - what a curve does: rest, swing ever less, swing on, or go over from one level to another. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "sim/physics.h"

typedef enum gb_behaviour {
  GB_CURVE_STEADY,
  GB_CURVE_DAMPED,
  GB_CURVE_SUSTAINED,
  GB_CURVE_SIGMOID,
  GB_BEHAVIOURS
} gb_behaviour;
extern const char *const gb_behaviour_name[GB_BEHAVIOURS];

/** Does a curve of this behaviour have a period? Local. */
static inline bool gb_behaviour_oscillates(gb_behaviour b)
{
  return b == GB_CURVE_DAMPED || b == GB_CURVE_SUSTAINED;
}

typedef struct gb_curve {
  gb_behaviour behaviour;
  double period;    /* mean time between maxima after the first third; 0: it does not oscillate */
  double amplitude; /* from the last minimum to the last maximum; of what does not oscillate, from least to most */
} gb_curve;

/** Describe a curve without noise.
 *  Local. It oscillates if after the first third, in which it may settle, it has two maxima that stand out by a
 *  twentieth of its range there; sustained: it keeps 0.9 of its swing from the second third to the last one. A sigmoid
 * goes one way, and is fastest in between: at both ends at most half as fast.
 *  @param[in] x  [n], `stride` apart, at equal intervals */
gb_curve gb_curve_describe(size_t n, size_t stride, const double *x, double interval);

/** The same of a curve that is known to some accuracy only: maxima must stand out by `least`, too.
 *  Local.
 *  @param[in] least  in units of x, >= 0 */
gb_curve gb_curve_describe_above(size_t n, size_t stride, const double *x, double interval, double least);

/* The same as numbers of a truth: behaviour, period, amplitude. */
enum { GB_CURVE_BEHAVIOUR, GB_CURVE_PERIOD, GB_CURVE_AMPLITUDE, GB_CURVE_NUMBERS };

/** Local. */
void gb_curve_numbers(const gb_curve *c, double out[GB_CURVE_NUMBERS]);

/* Their rows in a table of gb_var. */
#define GB_CURVE_VARS(time, unit)                                                                                      \
  {"behaviour", "steady, damped, sustained, sigmoid",                                                                  \
   "0: steady, 1: damped, 2: sustained, 3: sigmoid; of the curve without noise."},                                     \
      {"period", time, "Time between maxima after the first third; 0: it does not oscillate."},                        \
  {                                                                                                                    \
    "amplitude", unit, "From the last minimum to the last maximum; of what does not oscillate, from least to most."    \
  }
