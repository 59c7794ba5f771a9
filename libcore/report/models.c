/* report/models.c - directories with weights, and logs of trainings. */
#include "report/models.h"

#include <dirent.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

static bool holds_weights(const char *dir)
{
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s/best.h5", dir) < PATH_MAX && access(path, R_OK) == 0) return true;
  return snprintf(path, sizeof path, "%s/checkpoint.h5", dir) < PATH_MAX && access(path, R_OK) == 0;
}

static gb_err add_model(gb_model_list *l, const char *dir)
{
  GB_CHECK(l->n < GB_MOST_MODELS, GB_ERR_CONFIG,
           "report.models: a report compares at most %d models; name those you want", GB_MOST_MODELS);
  snprintf(l->dir[l->n++], sizeof l->dir[0], "%s", dir);
  return GB_OK;
}

static gb_err look(const char *dir, int levels, gb_model_list *out)
{
  if (holds_weights(dir)) GB_TRY(add_model(out, dir));
  DIR *d = levels > 0 ? opendir(dir) : NULL;
  gb_err e = GB_OK;
  for (struct dirent *entry; d && !e && (entry = readdir(d));) {
    char path[PATH_MAX];
    if (entry->d_name[0] == '.' || snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) >= PATH_MAX) continue;
    e = look(path, levels - 1, out);
  }
  if (d) closedir(d);
  return e;
}

static int by_name(const void *a, const void *b)
{
  return strcmp(a, b);
}

gb_err gb_models_find(gb_texts given, const char *dir, int levels, gb_model_list *out)
{
  out->n = 0;
  for (size_t i = 0; i < given.n; i++) {
    GB_CHECK(holds_weights(given.v[i]), GB_ERR_CONFIG, "report.models: %s holds neither best.h5 nor checkpoint.h5",
             given.v[i]);
    GB_TRY(add_model(out, given.v[i]));
  }
  if (given.n) return GB_OK;
  GB_TRY(look(dir, levels, out));
  qsort(out->dir, out->n, sizeof out->dir[0], by_name); /* not in the order of the file system */
  return GB_OK;
}

gb_err gb_models_open(gb_comm c, char dir[GB_MODEL_PATH], const gb_physics *physics, size_t rows,
                      const gb_dataset *data, const char *path, gb_run *run, gb_trained *out)
{
  gb_err e = GB_OK;
  gb_comm_bcast(c, dir, GB_MODEL_PATH);
  GB_TRY(gb_trained_open(c, dir, physics, rows, 0, out));
  if (out->data != gb_dataset_fingerprint(data))
    e = GB_FAIL(GB_ERR_CONFIG,
                "%s was trained on another data set than %s. Set data.path to the one it was trained on.", dir, path);
  e = gb_comm_agree(c, e);
  if (e)
    gb_trained_close(out);
  else
    gb_run_say(run, "assessing %s (%s, %llu steps)", dir, out->name, (unsigned long long)out->step);
  return e;
}

static gb_err make_curve(gb_learning *c, size_t n)
{
  GB_TRY(gb_new(&c->step, n));
  GB_TRY(gb_new(&c->loss, n));
  for (int k = 0; k < GB_MOST_TERMS; k++) GB_TRY(gb_new(&c->term[k], n));
  return GB_OK;
}

void gb_learning_free(gb_learning *c)
{
  gb_free(&c->step);
  gb_free(&c->loss);
  for (int k = 0; k < GB_MOST_TERMS; k++) gb_free(&c->term[k]);
}

/* A resumed run repeats steps since its last checkpoint: the later line replaces the earlier. */
static void add_point(gb_learning *c, json_t *line, const gb_model *model)
{
  double step = json_number_value(json_object_get(line, "step"));
  while (c->n > 0 && c->step[c->n - 1] >= step) c->n--;
  c->step[c->n] = step;
  c->loss[c->n] = json_number_value(json_object_get(line, "loss"));
  for (int k = 0; k < model->n_terms; k++) {
    json_t *value = json_object_get(line, model->term[k]); /* none of a term that training leaves out */
    c->term[k][c->n] = value ? json_number_value(value) : NAN;
  }
  c->n++;
}

gb_err gb_learning_read(const char *dir, const gb_model *model, gb_learning *train, gb_learning *validate)
{
  enum { LARGEST = 1 << 30 };
  char path[PATH_MAX], *text = NULL;
  size_t n = 0, lines = 0;
  if (snprintf(path, sizeof path, "%s/log.jsonl", dir) >= PATH_MAX || access(path, R_OK)) return GB_OK;
  GB_TRY(gb_file_read(path, LARGEST, &text, &n));
  for (size_t i = 0; i < n; i++) lines += text[i] == '\n';
  gb_err e = make_curve(train, lines);
  if (!e) e = make_curve(validate, lines);
  for (char *line = text, *end; !e && (end = strchr(line, '\n')); line = end + 1) {
    json_t *o = json_loadb(line, (size_t)(end - line), 0, NULL); /* a line cut by a kill is no JSON: skipped */
    const char *event = json_string_value(json_object_get(o, "event"));
    if (event && !strcmp(event, "train")) add_point(train, o, model);
    if (event && !strcmp(event, "validate")) add_point(validate, o, model);
    json_decref(o);
  }
  gb_free(&text);
  return e;
}
