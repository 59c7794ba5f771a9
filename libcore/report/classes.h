/* report/classes.h - a model of curves that belong to classes (a truth that is 0, 1, ...): are the classes apart in its
 * latents, is each described well, and what lies on the way from one curve to another. */
#pragma once
#include "report/factors.h"
#include "report/hybrid_assess.h"
#include "sim/curve.h"

struct json_t;

enum { GB_MOST_CLASSES = 8, GB_STOPS = 10, GB_PAIRS = 100, GB_SHOWN_PAIRS = 2 };

/* Of one class of the test split. */
typedef struct gb_class {
  size_t n;
  double r2;     /* of all numbers of its samples, which have noise */
  double recall; /* part of it that the classifier finds */
  /* Ripple of a reconstruction: standard deviation over the second half of the frames of its difference from the curve
   * without noise (with it, if there is no generator), over the range of that curve. */
  double ripple_mean, ripple_95, ripple_most;
} gb_class;

/* A decode on the line between the latents of two curves: numbers of the component that is seen. */
enum {
  GB_STOP_BEHAVIOUR, /* a gb_behaviour, */
  GB_STOP_PERIOD,    /* and what else gb_curve_describe() says */
  GB_STOP_AMPLITUDE,
  GB_STOP_SWING, /* range of gb_wave_rest() */
  GB_STOP_BIN,   /* gb_wave_bin() of it: periods in a sample */
  GB_STOP_FIRST, /* value at the first frame, */
  GB_STOP_LAST,  /* and at the last one */
  GB_STOP_NUMBERS
};
extern const char *const gb_stop_name[GB_STOP_NUMBERS];

typedef struct gb_path {
  size_t from, to; /* test rows; of `from` the swing is not less */
  double trend;    /* rank correlation of the swing with the place on the path */
  double kept;     /* part of the path, from its start, on which the strongest bin stays */
  double stop[GB_STOPS][GB_STOP_NUMBERS];
} gb_path;

enum { GB_PATH_APART, GB_PATH_ALIKE, GB_PATH_KINDS }; /* classes of both ends differ; are the same */

typedef struct gb_classes {
  size_t n; /* classes; 0: none are known, and nothing else is set */
  gb_class of[GB_MOST_CLASSES];
  double ridge, accuracy, training_accuracy; /* of the classifier; accuracy: on the test split */
  size_t rows, latents, factor, colour;      /* factors that tell the class, and whose colours the second figure has */
  bool against_exact;
  gb_factors factors;           /* of the test rows */
  gb_disentangled compared;     /* latents with factors */
  double *mean;                 /* [rows, latents] */
  size_t n_path[GB_PATH_KINDS]; /* 0 if there are too few rows of any class */
  gb_path path[GB_PATH_KINDS][GB_PAIRS];
  size_t frames;
  double *curve[GB_PATH_KINDS]; /* [GB_SHOWN_PAIRS, GB_STOPS, frames] of the first ones */
  double trend, falling, kept;  /* of paths between classes: mean trend; part of them with one <= -0.9; part of them
                                   that keep the bin over 0.6 of the path */
} gb_classes;

/** Assess a model.
 *  Collective over c; the same on all ranks and for any number of them. Freed by gb_classes_free(), also after a
 * failure. Nothing of images, of models without latents, and of data without that truth.
 *  @param[in] name    of the truth that tells the class; "": behaviour, if the data have it
 *  @param[in] colour  of the factor that colours the second figure; "": period or frequency, if the data have one
 *  @return GB_ERR_CONFIG if `name` or `colour` is none of the data set, or numbers no classes */
gb_err gb_classes_assess(gb_comm c, gb_trained *m, gb_dataset *data, const char *name, const char *colour,
                         gb_classes *out);
void gb_classes_free(gb_classes *k);

/** The section of the page, and that of report.json.
 *  Local. Of k->n > 0. */
gb_err gb_classes_page(const gb_classes *k, const char *label, gb_run *run, gb_text *t);
struct json_t *gb_classes_json(const gb_classes *k);
