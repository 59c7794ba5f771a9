/* report/paths.h - what a model makes of the points between the latents of two curves. */
#pragma once
#include "learn/experiment.h"
#include "sim/curve.h"

enum { GB_STOPS = 11, GB_PAIRS = 100, GB_SHOWN_PAIRS = 2 };

/* A decode on the line between the latents of two curves: numbers of the component that is seen. */
enum {
  GB_STOP_BEHAVIOUR, /* a gb_behaviour, */
  GB_STOP_PERIOD,    /* and what else gb_curve_describe() says */
  GB_STOP_AMPLITUDE,
  GB_STOP_SWING,     /* range of gb_wave_rest() */
  GB_STOP_BIN,       /* gb_wave_bin() of it: periods in a sample */
  GB_STOP_FREQUENCY, /* gb_wave_frequency() of what the curve at the end of the path has no part of; NAN at the end */
  GB_STOP_FIRST,     /* value at the first frame, */
  GB_STOP_LAST,      /* and at the last one */
  GB_STOP_NUMBERS
};
extern const char *const gb_stop_name[GB_STOP_NUMBERS];

/* Parts of a path are from its start, up to the last stop before the first that differs from the start. */
typedef struct gb_path {
  size_t from, to; /* test rows; of `from` the swing is not less */
  double turned;   /* 1: `from` is the partner that was looked for, else 0 */
  double trend;    /* rank correlation of the swing with the place on the path */
  double kept;     /* part of the path on which the bin stays */
  double steady;   /* part of it on which the frequency stays within half a bin */
  double blended; /* `kept` of the straight line between the curves at both ends, whose oscillation has one frequency */
  double stop[GB_STOPS][GB_STOP_NUMBERS];
} gb_path;

typedef struct gb_paths {
  size_t n; /* 0 if there are too few rows of any class */
  gb_path of[GB_PAIRS];
  double *curve; /* [GB_SHOWN_PAIRS, GB_STOPS, frames] of the first ones */
} gb_paths;

/** Decode on the lines between the latent means of test rows and the next row, in a circle, of another class, or of
 *  the same: of the first GB_PAIRS rows that have such a partner.
 *  Collective over c; the same on all ranks and for any number of them. Freed by gb_paths_free(), also after a failure.
 *  @param[in] mean   [test rows, latents] parameters, inside, after
 *  @param[in] class  [test rows]
 *  @param[in] alike  of the same class */
gb_err gb_paths_decode(gb_comm c, gb_trained *m, gb_dataset *data, const double *mean, const double *class, bool alike,
                       gb_paths *out);
void gb_paths_free(gb_paths *p);
