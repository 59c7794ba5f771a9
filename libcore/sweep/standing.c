/* sweep/standing.c - order, table, sweep.json. */
#include "sweep/standing.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

int gb_standing_rung(const gb_standing *s, size_t trial)
{
  int r = (int)s->design->opts.rungs - 1;
  for (; r >= 0; r--) {
    gb_trial_state state = gb_rungs_state(s->rungs, trial, r);
    if (state == GB_TRIAL_DONE || state == GB_TRIAL_FAILED) break;
  }
  return r;
}

gb_tally gb_standing_count(const gb_standing *s)
{
  gb_tally n = {0};
  for (size_t i = 0; i < s->design->n_trials; i++) {
    bool failed = false, running = false;
    for (int r = 0; r < s->design->opts.rungs; r++) {
      failed = failed || gb_rungs_state(s->rungs, i, r) == GB_TRIAL_FAILED;
      running = running || gb_rungs_state(s->rungs, i, r) == GB_TRIAL_RUNNING;
    }
    n.failed += failed;
    n.running += running;
    n.open += !failed && !running && gb_standing_rung(s, i) < 0;
  }
  n.done = s->design->n_trials - n.failed - n.running - n.open;
  return n;
}

typedef struct place {
  size_t trial;
  int rung;
  double metric;
} place;

static int compare(const void *a, const void *b)
{
  const place *x = a, *y = b;
  if (x->rung != y->rung) return y->rung - x->rung;
  if (x->metric != y->metric) return x->metric < y->metric ? -1 : 1;
  return (x->trial > y->trial) - (x->trial < y->trial);
}

size_t gb_standing_order(const gb_standing *s, size_t *order)
{
  size_t n = 0;
  place *v = NULL;
  if (gb_new(&v, s->design->n_trials)) return 0;
  for (size_t i = 0; i < s->design->n_trials; i++) {
    int r = gb_standing_rung(s, i);
    if (r < 0 || gb_rungs_state(s->rungs, i, r) != GB_TRIAL_DONE) continue;
    v[n++] = (place){i, r, gb_rungs_metric(s->rungs, i, r)};
  }
  qsort(v, n, sizeof *v, compare);
  for (size_t i = 0; i < n; i++) order[i] = v[i].trial;
  gb_free(&v);
  return n;
}

void gb_standing_settings(const gb_design *d, size_t trial, gb_text *out)
{
  for (size_t k = 0; k < d->n_axes; k++) {
    gb_text_add(out, "%s%s=", k ? " " : "", d->axis[k].key);
    gb_design_value(d, gb_design_point(d, trial), k, out);
  }
  if (d->opts.seeds > 1)
    gb_text_add(out, "%srun.seed=%llu", d->n_axes ? " " : "", (unsigned long long)gb_design_seed(d, trial));
}

static void print_failures(const gb_standing *s, gb_text *out)
{
  enum { SHOWN = 5 };
  size_t failed = 0;
  for (size_t i = 0; i < s->design->n_trials; i++) {
    int r = gb_standing_rung(s, i);
    if (r < 0 || gb_rungs_state(s->rungs, i, r) != GB_TRIAL_FAILED) continue;
    if (failed++ >= SHOWN) continue;
    gb_text_add(out, "%04zu failed: ", i);
    gb_standing_settings(s->design, i, out);
    gb_text_add(out, "\n     %.200s\n", s->result[i].reason);
  }
  if (failed > SHOWN) gb_text_add(out, "and %zu more; all are in trials.jsonl\n", failed - SHOWN);
}

gb_err gb_standing_print(const gb_standing *s, const char *dir, gb_text *out)
{
  enum { SHOWN = 10 };
  size_t *order = NULL;
  GB_TRY(gb_new(&order, s->design->n_trials));
  size_t n = gb_standing_order(s, order);
  gb_text_add(out, "%5s %9s %14s  settings (%zu of %zu, the best first)\n", "trial", "steps", s->design->opts.metric,
              n < SHOWN ? n : SHOWN, n);
  for (size_t i = 0; i < n && i < SHOWN; i++) {
    const gb_result *x = &s->result[order[i]];
    gb_text_add(out, " %04zu %9llu %14.6g  ", order[i], (unsigned long long)x->step, x->metric);
    gb_standing_settings(s->design, order[i], out);
    gb_text_add(out, "\n");
  }
  print_failures(s, out);
  if (n) gb_text_add(out, "the best one: %s/trials/%04zu; all of them: %s/sweep.json\n", dir, order[0], dir);
  gb_free(&order);
  return gb_text_done(out);
}

static json_t *integer(uint64_t v)
{
  return json_integer((json_int_t)v);
}

static json_t *axes_as_json(const gb_design *d)
{
  static const char *const scale[] = {"values", "linear", "log", "integer"};
  json_t *all = json_array();
  for (size_t k = 0; k < d->n_axes; k++) {
    const gb_axis *a = &d->axis[k];
    json_t *o = json_object(), *values = json_array();
    json_object_set_new(o, "key", json_string(a->key));
    json_object_set_new(o, "scale", json_string(scale[a->scale]));
    if (a->scale != GB_SCALE_VALUES) {
      json_object_set_new(o, "min", json_real(a->min));
      json_object_set_new(o, "max", json_real(a->max));
    }
    for (size_t i = 0; i < a->n; i++) json_array_append_new(values, json_string(a->value[i]));
    json_object_set_new(o, "values", values);
    json_array_append_new(all, o);
  }
  return all;
}

static json_t *settings_as_json(const gb_design *d, size_t trial)
{
  json_t *o = json_object();
  for (size_t k = 0; k < d->n_axes; k++) {
    gb_text value = {0};
    gb_design_value(d, gb_design_point(d, trial), k, &value);
    json_object_set_new(o, d->axis[k].key, json_string(value.s));
    gb_text_free(&value);
  }
  if (d->opts.seeds > 1) json_object_set_new(o, "run.seed", integer(gb_design_seed(d, trial)));
  return o;
}

static json_t *trial_as_json(const gb_standing *s, size_t i)
{
  const gb_result *x = &s->result[i];
  char name[64];
  json_t *o = json_object(), *metrics = json_array(), *terms = json_object();
  int r = gb_standing_rung(s, i);
  bool failed = r >= 0 && gb_rungs_state(s->rungs, i, r) == GB_TRIAL_FAILED;
  snprintf(name, sizeof name, "trials/%04zu", i);
  json_object_set_new(o, "trial", integer(i));
  json_object_set_new(o, "point", integer(gb_design_point(s->design, i)));
  json_object_set_new(o, "directory", json_string(name));
  json_object_set_new(o, "settings", settings_as_json(s->design, i));
  json_object_set_new(o, "state", json_string(r < 0 ? "open" : failed ? "failed" : "done"));
  json_object_set_new(o, "rung", json_integer(r));
  for (int k = 0; k < r + !failed; k++) json_array_append_new(metrics, json_real(gb_rungs_metric(s->rungs, i, k)));
  json_object_set_new(o, "metrics", metrics);
  if (failed) {
    json_object_set_new(o, "code", json_integer(x->code));
    json_object_set_new(o, "reason", json_string(x->reason));
  } else if (r >= 0) {
    json_object_set_new(o, "step", integer(x->step));
    json_object_set_new(o, "best_step", integer(x->best_step));
    json_object_set_new(o, "metric", json_real(x->metric));
  }
  for (int k = 0; k < x->n_terms; k++) json_object_set_new(terms, x->term[k], json_real(x->mean[k]));
  json_object_set_new(o, "terms", terms);
  return o;
}

gb_err gb_standing_write(const gb_standing *s, const char *path)
{
  const gb_sweep_opts *opts = &s->design->opts;
  size_t *order = NULL;
  GB_TRY(gb_new(&order, s->design->n_trials));
  size_t n = gb_standing_order(s, order);
  json_t *o = json_object(), *rungs = json_array(), *trials = json_array(), *best = n ? integer(order[0]) : json_null();
  json_object_set_new(o, "design", json_string(opts->design));
  json_object_set_new(o, "metric", json_string(opts->metric));
  json_object_set_new(o, "axes", axes_as_json(s->design));
  json_object_set_new(o, "seeds", json_integer(opts->seeds));
  json_object_set_new(o, "eta", json_integer(opts->eta));
  for (int r = 0; r < opts->rungs; r++) json_array_append_new(rungs, integer(s->rung_steps[r]));
  json_object_set_new(o, "rungs", rungs);
  json_object_set_new(o, "best", best);
  for (size_t i = 0; i < s->design->n_trials; i++) json_array_append_new(trials, trial_as_json(s, i));
  json_object_set_new(o, "trials", trials);
  char *text = json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
  gb_err e = text ? gb_file_write(path, text, strlen(text)) : GB_FAIL(GB_ERR_MEMORY, "no memory for %s", path);
  free(text);
  json_decref(o);
  gb_free(&order);
  return e;
}
