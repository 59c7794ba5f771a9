/* report/classes.h - a model of curves that belong to classes (a truth that is 0, 1, ...): are the classes apart in its
 * latents, is each described well, and what lies on the way from one curve to another. */
#pragma once
#include "report/factors.h"
#include "report/hybrid_assess.h"
#include "report/paths.h"

struct json_t;

enum { GB_MOST_CLASSES = 8 };

/* Of one class of the test split. */
typedef struct gb_class {
  size_t n;
  double r2;     /* of all numbers of its samples, which have noise */
  double recall; /* part of it that the classifier finds */
  /* Ripple of a reconstruction: standard deviation over the second half of the frames of its difference from the curve
   * without noise (with it, if there is no generator), over the range of that curve. */
  double ripple_mean, ripple_95, ripple_most;
} gb_class;

/* Classes of both ends differ, of behaviours in that only one oscillates; are the same. */
enum { GB_PATH_APART, GB_PATH_ALIKE, GB_PATH_KINDS };

typedef struct gb_classes {
  size_t n; /* classes; 0: none are known, and nothing else is set */
  gb_class of[GB_MOST_CLASSES];
  double ridge, accuracy, training_accuracy; /* of the classifier; accuracy: on the test split */
  size_t rows, latents, factor, colour;      /* factors that tell the class, and whose colours the second figure has */
  bool against_exact;
  gb_factors factors;       /* of the test rows */
  gb_disentangled compared; /* latents with factors */
  double *mean;             /* [rows, latents] */
  size_t frames;
  gb_paths paths[GB_PATH_KINDS];
  double trend, falling;        /* of paths between classes: mean trend; part of them with one <= -0.9; */
  double kept, blended, steady; /* parts of them of which gb_path has so for 0.6 of the path */
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
