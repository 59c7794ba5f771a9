/* report/models.h - where trained models are, and what the logs of their trainings say. */
#pragma once
#include "config/schema.h"
#include "learn/experiment.h"

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

/** Open a model that is to be compared with a data set, and say so.
 *  Collective over c. Closed by gb_trained_close().
 *  @param[in,out] dir  where it is, as rank 0 has it; then on all ranks
 *  @param[in] rows     of a pass
 *  @param[in] path     of data, for the message
 *  @return GB_ERR_CONFIG if it was trained on another one */
gb_err gb_models_open(gb_comm c, char dir[GB_MODEL_PATH], const gb_physics *physics, size_t rows,
                      const gb_dataset *data, const char *path, gb_run *run, gb_trained *out);

typedef struct gb_learning { /* one event of log.jsonl over the steps */
  size_t n;
  double *step;                /* [n] */
  double *loss;                /* [n] */
  double *term[GB_MOST_TERMS]; /* [n] as the model numbers them; NAN where a term was left out */
} gb_learning;

/** Read log.jsonl of a run directory; without one, both curves are empty.
 *  Local. Freed by gb_learning_free(), also after a failure. */
gb_err gb_learning_read(const char *dir, const gb_model *model, gb_learning *train, gb_learning *validate);
void gb_learning_free(gb_learning *c);
