/* report/models.h - where trained models are, and what the logs of their trainings say. */
#pragma once
#include "config/schema.h"
#include "learn/model.h"

enum { GB_MOST_MODELS = 64, GB_MODEL_PATH = 4096 };

typedef struct gb_model_list {
  size_t n;
  char dir[GB_MOST_MODELS][GB_MODEL_PATH];
} gb_model_list;

/** Directories that hold weights: those given, in their order; if none is, `dir` and what is below it, sorted by name.
 *  Local.
 *  @param[in]  levels  to look below dir
 *  @param[out] out     n is 0 if there is none below dir
 *  @return GB_ERR_CONFIG if one that is given holds none, or there are too many */
gb_err gb_models_find(gb_texts given, const char *dir, int levels, gb_model_list *out);

typedef struct gb_curve { /* one event of log.jsonl over the steps */
  size_t n;
  double *step;                /* [n] */
  double *loss;                /* [n] */
  double *term[GB_MOST_TERMS]; /* [n] as the model numbers them; NAN where a term was left out */
} gb_curve;

/** Read log.jsonl of a run directory; without one, both curves are empty.
 *  Local. Freed by gb_curve_free(), also after a failure. */
gb_err gb_curves_read(const char *dir, const gb_model *model, gb_curve *train, gb_curve *validate);
void gb_curve_free(gb_curve *c);
