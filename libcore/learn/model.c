/* learn/model.c - what can be said of any model. */
#include "learn/model.h"

#include <math.h>

#include "base/mem.h"

void gb_model_destroy(gb_model *model)
{
  if (model->self) model->destroy(&model->self);
  *model = (gb_model){0};
}

gb_err gb_model_labels(const gb_model *model, gb_dataset *data, gb_split split, double **label)
{
  size_t n = gb_dataset_rows(data, split);
  *label = NULL;
  if (!model->label) return GB_OK;
  GB_TRY(gb_new(label, n));
  GB_TRY(gb_dataset_truth(data, split, model->label, *label));
  for (size_t i = 0; i < n; i++) {
    double v = (*label)[i];
    GB_CHECK(v >= 0 && v < (double)model->classes && v <= floor(v), GB_ERR_CONFIG,
             "regularizer.class = %s: %g, of row %zu of a split, is no class; they are 0 ... %zu. Make the data again, "
             "or set regularizer.classification to 0.",
             model->label, v, i, model->classes - 1);
  }
  return GB_OK;
}

gb_err gb_model_sums(const gb_model *model, size_t n, const float *x, gb_pass pass, double sum[])
{
  const double *term[GB_MOST_TERMS];
  GB_TRY(model->forward(model->self, n, 1, x, pass, term));
  for (int k = 0; k < model->n_terms; k++) {
    sum[k] = 0;
    for (size_t r = 0; r < n && term[k]; r++) sum[k] += term[k][r];
  }
  return GB_OK;
}
