/* report/evaluate.c - weights in, a table and a small JSON file out. */
#include "report/evaluate.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "learn/experiment.h"
#include "learn/trainer.h"

enum { ROWS = 64 }; /* of a pass: the numbers of a row do not depend on it */

static const char *const split_name[GB_SPLITS] = {"training", "validation", "test"};

typedef struct result {
  size_t rows;
  double loss, term[GB_MOST_TERMS + GB_MOST_NOTES];
} result;

static gb_err one_split(gb_comm c, const gb_model *model, gb_dataset *data, gb_split split, result *out)
{
  double weight[GB_MOST_TERMS];
  *out = (result){.rows = gb_dataset_rows(data, split)};
  if (!out->rows) return GB_OK;
  GB_TRY(gb_train_evaluate(c, model, data, split, out->term));
  model->weights(model->self, GB_PASS_FIXED, weight);
  for (int k = 0; k < model->n_terms; k++) {
    out->loss += weight[k] * out->term[k];
    if (isfinite(out->term[k])) continue;
    gb_err e =
        GB_FAIL(GB_ERR_NUMERIC, "the mean of `%s` over the %s split is not finite", model->term[k], split_name[split]);
    gb_err_set_common(); /* all ranks have the same mean */
    return e;
  }
  return GB_OK;
}

static void add_table(const gb_trained *t, const char *dir, const char *path, const gb_model *model, const result *r,
                      bool same, gb_text *out)
{
  gb_text_add(out, "%s/%s: %s, weights of step %llu\n%s%s\n\n%-10s %8s %12s", dir, t->file, t->name,
              (unsigned long long)t->step, path, same ? "" : " (not the data set of its training)", "split", "samples",
              "loss");
  for (int k = 0; k < model->n_terms; k++) gb_text_add(out, " %12s", model->term[k]);
  gb_text_add(out, "\n");
  for (int s = 0; s < GB_SPLITS; s++) {
    if (!r[s].rows) continue;
    gb_text_add(out, "%-10s %8zu %12.5f", split_name[s], r[s].rows, r[s].loss);
    for (int k = 0; k < model->n_terms; k++) gb_text_add(out, " %12.5f", r[s].term[k]);
    gb_text_add(out, "\n");
  }
}

static json_t *as_json(const gb_trained *t, const char *path, const gb_model *model, const result *r, bool same)
{
  json_t *o = json_object(), *splits = json_object();
  json_object_set_new(o, "weights", json_string(t->file));
  json_object_set_new(o, "step", json_integer((json_int_t)t->step));
  json_object_set_new(o, "model", json_string(t->name));
  json_object_set_new(o, "data", json_string(path));
  json_object_set_new(o, "data_of_training", json_boolean(same));
  for (int s = 0; s < GB_SPLITS; s++) {
    if (!r[s].rows) continue;
    json_t *one = json_object();
    json_object_set_new(one, "samples", json_integer((json_int_t)r[s].rows));
    json_object_set_new(one, "loss", json_real(r[s].loss));
    for (int k = 0; k < model->n_terms; k++) json_object_set_new(one, model->term[k], json_real(r[s].term[k]));
    for (int k = 0; k < model->n_notes; k++)
      json_object_set_new(one, model->note[k], json_real(r[s].term[model->n_terms + k]));
    json_object_set_new(splits, split_name[s], one);
  }
  json_object_set_new(o, "splits", splits);
  return o;
}

/* Rank 0. */
static gb_err hand_over(const gb_trained *t, const char *dir, const char *path, const gb_model *model, const result *r,
                        bool same)
{
  char file[PATH_MAX];
  gb_text table = {0};
  json_t *o = as_json(t, path, model, r, same);
  char *s = json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
  snprintf(file, sizeof file, "%s/evaluation.json", dir);
  add_table(t, dir, path, model, r, same, &table);
  gb_err e = s ? gb_text_done(&table) : GB_FAIL(GB_ERR_MEMORY, "no memory for %s", file);
  if (!e) e = gb_file_write(file, s, strlen(s));
  if (!e) fputs(table.s, stdout);
  json_decref(o);
  free(s);
  gb_text_free(&table);
  return e;
}

gb_err gb_evaluate(gb_comm c, const char *dir, const gb_physics *physics, const gb_dataset_opts *opts)
{
  gb_trained t;
  gb_dataset *data = NULL;
  result r[GB_SPLITS];
  gb_err e = GB_OK;
  GB_TRY(gb_trained_open(c, dir, physics, ROWS, 0, &t));
  gb_model model = t.built.model;
  GB_GOTO(e, gb_dataset_open(c, opts, t.sim.dims.ndim, t.sim.dims.shape, &data), done);
  for (int s = 0; s < GB_SPLITS; s++) GB_GOTO(e, one_split(c, &model, data, (gb_split)s, &r[s]), done);
  bool same = gb_dataset_fingerprint(data) == t.data;
  e = gb_comm_agree(c, c.rank == 0 ? hand_over(&t, dir, opts->path, &model, r, same) : GB_OK);
done:
  gb_dataset_close(&data);
  gb_trained_close(&t);
  return e;
}
