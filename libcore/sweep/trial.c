/* sweep/trial.c - settings to overrides, overrides to a config, and from there as the program for one training. */
#include "sweep/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "learn/experiment.h"

enum { ROWS = 64 }; /* of a pass that evaluates: the numbers of a row do not depend on it */

static gb_err keep(gb_text *t, int *n, char **out)
{
  gb_err e = gb_text_done(t);
  if (!e) e = gb_new(&out[*n], t->n + 1);
  if (!e) memcpy(out[(*n)++], t->s, t->n + 1);
  gb_text_free(t);
  return e;
}

static bool varies(const gb_design *d, const char *section, const char *key)
{
  char name[128];
  snprintf(name, sizeof name, "%s.%s", section, key);
  for (size_t k = 0; k < d->n_axes; k++)
    if (gb_is(d->axis[k].key, name)) return true;
  return false;
}

/* A path as a YAML value: in quotes if it has characters that mean something there. */
static void add_path(const char *path, gb_text *out)
{
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-";
  if (*path != '-' && path[strspn(path, plain)] == 0) {
    gb_text_add(out, "%s", path);
    return;
  }
  gb_text_add(out, "\"");
  for (; *path; path++) gb_text_add(out, "%s%c", *path == '"' || *path == '\\' ? "\\" : "", *path);
  gb_text_add(out, "\"");
}

gb_err gb_trial_overrides(const gb_trials *t, size_t trial, int *n, char ***out)
{
  const gb_design *d = t->design;
  gb_text line = {0};
  char path[PATH_MAX];
  gb_dataset_opts data;
  *n = 0;
  GB_TRY(gb_new(out, d->n_axes + 3));
  for (size_t k = 0; k < d->n_axes; k++) {
    gb_text_add(&line, "%s=", d->axis[k].key);
    gb_design_value(d, gb_design_point(d, trial), k, &line);
    GB_TRY(keep(&line, n, *out));
  }
  if (d->opts.seeds > 1) {
    gb_text_add(&line, "run.seed=%llu", (unsigned long long)gb_design_seed(d, trial));
    GB_TRY(keep(&line, n, *out));
  }
  gb_config_get(t->cfg, &gb_dataset_schema, &data);
  if (!*data.path && !varies(d, "data", "path")) { /* by default it lies in run.dir */
    gb_text_add(&line, "data.path=");
    add_path(gb_experiment_data(t->cfg, path).path, &line);
    GB_TRY(keep(&line, n, *out));
  }
  GB_CHECK(snprintf(path, sizeof path, "%s/trials/%04zu", t->dir, trial) < (int)sizeof path, GB_ERR_CONFIG,
           "run.dir is too long a name");
  gb_text_add(&line, "run.dir=");
  add_path(path, &line);
  return keep(&line, n, *out);
}

void gb_trial_free_overrides(int n, char ***overrides)
{
  for (int i = 0; i < n; i++) gb_free(&(*overrides)[i]);
  gb_free(overrides);
}

gb_err gb_trial_config(const gb_trials *t, size_t trial, int rung, gb_config **cfg, uint64_t *steps)
{
  gb_train_opts train;
  char **overrides = NULL;
  int n = 0;
  *cfg = NULL;
  *steps = 0;
  gb_err e = gb_trial_overrides(t, trial, &n, &overrides);
  if (!e) e = gb_config_derive(t->cfg, n, overrides, cfg);
  gb_trial_free_overrides(n, &overrides);
  if (e) return e;
  gb_config_get(*cfg, &gb_train_schema, &train);
  *steps = gb_design_steps(t->design, (uint64_t)train.steps, (uint64_t)train.validate_every, rung);
  return GB_OK;
}

bool gb_trial_shares_data(const gb_trials *t)
{
  const char *const owner[] = {gb_dataset_schema.section, t->physics->schema->section};
  for (size_t k = 0; k < t->design->n_axes; k++)
    for (int i = 0; i < 2; i++) {
      size_t n = strlen(owner[i]);
      if (!strncmp(t->design->axis[k].key, owner[i], n) && t->design->axis[k].key[n] == '.') return false;
    }
  return true;
}

/* Terms of the best weights on the validation split. */
static gb_err evaluate(gb_comm c, const gb_trials *t, const gb_config *cfg, const char *dir, gb_result *out)
{
  char path[PATH_MAX];
  gb_trained trained;
  gb_dataset *own = NULL;
  gb_err e = GB_OK;
  GB_TRY(gb_trained_open(c, dir, t->physics, ROWS, 0, &trained));
  const gb_model *model = &trained.built.model;
  const gb_dims *dims = &trained.sim.dims;
  gb_dataset_opts opts = gb_experiment_data(cfg, path);
  if (!t->data) GB_GOTO(e, gb_dataset_open(c, &opts, dims->ndim, dims->shape, &own), done);
  GB_GOTO(e, gb_train_evaluate(c, model, own ? own : t->data, GB_VALIDATION, out->mean), done);
  out->n_terms = model->n_terms;
  for (int k = 0; k < model->n_terms; k++) snprintf(out->term[k], sizeof out->term[k], "%s", model->term[k]);
done:
  gb_dataset_close(&own);
  gb_trained_close(&trained);
  return e;
}

static gb_err judge(const gb_trials *t, const gb_training *training, gb_result *out)
{
  const char *metric = t->design->opts.metric;
  GB_CHECK(isfinite(training->result.best), GB_ERR_CONFIG,
           "the data set has no validation samples, so there is nothing to compare trials by");
  GB_CHECK(out->step <= out->steps, GB_ERR_CONFIG,
           "it was trained to step %llu before, beyond the rung at step %llu: halving would know what it must not know "
           "yet. Choose another run.dir, or sweep.rungs=1.",
           (unsigned long long)out->step, (unsigned long long)out->steps);
  out->metric = training->result.best;
  for (int k = 0; k < out->n_terms; k++)
    if (gb_is(out->term[k], metric)) out->metric = out->mean[k];
  GB_CHECK(isfinite(out->metric), GB_ERR_NUMERIC, "the mean of `%s` over the validation split is not finite", metric);
  return GB_OK;
}

static gb_err train(gb_comm c, const gb_trials *t, gb_config *cfg, gb_result *out)
{
  gb_sim sim = {0};
  gb_run *run = NULL;
  gb_training training = {.data = t->data, .until = (int64_t)out->steps, .needs = t->design->opts.metric};
  gb_err e = GB_OK;
  GB_GOTO(e, gb_comm_agree(c, gb_sim_create(t->physics, cfg, gb_comm_self(), &sim)), done);
  GB_GOTO(e, gb_run_open_alone(c, "greybox-sweep", cfg, t->all, &run), done);
  gb_run_quiet(run, t->watch, t->watcher);
  GB_GOTO(e, gb_experiment_train(c, cfg, &sim, run, &training), done);
  out->step = training.result.step;
  out->best_step = training.result.best_step;
  if (isfinite(training.result.best)) GB_GOTO(e, evaluate(c, t, cfg, gb_run_get(run)->dir, out), done);
  e = gb_comm_agree(c, judge(t, &training, out));
done:
  gb_run_close(&run);
  gb_sim_destroy(&sim);
  return e;
}

gb_err gb_trial_run(gb_comm c, const gb_trials *t, size_t trial, int rung, gb_result *out)
{
  gb_config *cfg;
  double begin = gb_clock_now();
  *out = (gb_result){0};
  gb_err e = gb_comm_agree(c, gb_trial_config(t, trial, rung, &cfg, &out->steps));
  if (!e) e = train(c, t, cfg, out);
  gb_config_destroy(&cfg);
  out->code = e;
  out->seconds = gb_clock_now() - begin;
  if (!e) return GB_OK;
  if (!gb_err_is_common()) return e;
  snprintf(out->reason, sizeof out->reason, "%s", gb_err_message());
  gb_err_clear();
  return GB_OK;
}
