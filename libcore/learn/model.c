/* learn/model.c - what can be said of any model. */
#include "learn/model.h"

void gb_model_destroy(gb_model *model)
{
  if (model->self) model->destroy(&model->self);
  *model = (gb_model){0};
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
