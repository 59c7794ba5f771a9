/* report/hybrid_json.c - report.json of grey-box VAEs: every number of the page, and those behind the curves. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "report/hybrid_report.h"
#include "report/json.h"

static double known(double v, bool reference)
{
  return reference ? gb_reference_value(v) : v;
}

static json_t *what_if(const gb_what_if_numbers *s, size_t n)
{
  return json_pack("{s:o, s:o, s:o, s:o}", "own", gb_json_number(s->own), "of", gb_json_list(n, 1, s->of), "all",
                   gb_json_number(s->all), "across", gb_json_number(s->across));
}

static json_t *numbers(const gb_hybrid_report *r, const gb_hybrid_numbers *s, bool reference)
{
  const gb_var *parameter = gb_hybrid_parameters(r);
  json_t *o = json_object(), *parameters = json_object(), *counterfactual = json_array(), *intervention = json_array(),
         *extrapolation = json_array();
  json_object_set_new(o, "l2", gb_json_number(known(s->l2, reference)));
  json_object_set_new(o, "mae", gb_json_number(known(s->mae, reference)));
  json_object_set_new(o, "sse", gb_json_number(known(s->sse, reference)));
  if (r->linear.of.n && !reference) {
    json_object_set_new(o, "kl", gb_json_number(s->rate));
    json_object_set_new(o, "squared_error", gb_json_number(s->square));
    json_object_set_new(o, "linear_error_over_it", gb_json_number(s->gain));
  }
  json_object_set_new(o, "log_mse", gb_json_number(known(s->log_mse, reference)));
  json_object_set_new(o, "network_norm", gb_json_number(known(s->network_norm, reference)));
  for (size_t j = 0; j < r->n_parameter; j++)
    json_object_set_new(parameters, parameter[j].name,
                        json_pack("{s:o, s:o, s:o}", "mae", gb_json_number(known(s->parameter_mae[j], reference)),
                                  "correlation", gb_json_number(known(s->correlation[j], reference)),
                                  "median_relative_error", gb_json_number(known(s->parameter_median[j], reference))));
  for (size_t i = 0; i < GB_SCALES; i++) {
    json_array_append_new(counterfactual, gb_json_number(known(s->counterfactual[i], reference)));
    json_array_append_new(intervention, gb_json_number(known(s->intervention[i], reference)));
  }
  for (size_t i = 0; i < GB_HORIZONS; i++)
    json_array_append_new(extrapolation, gb_json_number(known(s->extrapolation[i], reference)));
  const gb_what_if *w = gb_hybrid_what_if(r);
  if (w && !reference) json_object_set_new(o, "what_if", what_if(&s->what_if, w->n));
  json_object_set_new(o, "parameters", parameters);
  json_object_set_new(o, "counterfactual", counterfactual);
  json_object_set_new(o, "intervention", intervention);
  json_object_set_new(o, "extrapolation", extrapolation);
  return o;
}

static json_t *inferred(const gb_hybrid_report *r, const gb_hybrid_assessment *a)
{
  json_t *o = json_object();
  for (size_t j = 0; j < a->n_parameter; j++) {
    json_t *one = json_pack("{s:o}", "inferred", gb_json_list(a->n, a->n_parameter, a->inferred + j));
    if (a->truth) json_object_set_new(one, "true", gb_json_list(a->n, a->n_parameter, a->truth + j));
    json_object_set_new(o, gb_hybrid_parameters(r)[j].name, one);
  }
  return o;
}

/* The cases, and the curves of the first test row. */
static json_t *asked(const gb_what_if *w)
{
  json_t *decode = json_array(), *exact = json_array();
  for (size_t k = 0; k < w->n; k++) {
    json_array_append_new(decode, gb_json_list(w->frames, 1, w->decode + k * w->frames));
    json_array_append_new(exact, gb_json_list(w->frames, 1, w->exact + k * w->frames));
  }
  return json_pack("{s:o, s:I, s:o, s:o}", "noise", gb_json_number(w->noise), "crossings", (json_int_t)w->crossings,
                   "decode", decode, "exact", exact);
}

/* Trajectories only: images are on the page. */
static json_t *examples(const gb_hybrid_assessment *a)
{
  static const char *const name[GB_DECODES] = {"P", "PA", "PB", "PAB"};
  json_t *all = json_array();
  for (size_t i = 0; i < a->n_example; i++) {
    json_t *o = json_pack("{s:o}", "sample", gb_json_list(a->width, 1, a->sample + i * a->width));
    for (int d = 0; d < GB_DECODES; d++)
      if (a->decode[d])
        json_object_set_new(o, name[d], gb_json_list(a->decode_width[d], 1, a->decode[d] + i * a->decode_width[d]));
    json_array_append_new(all, o);
  }
  return all;
}

static json_t *model(const gb_hybrid_report *r, const gb_hybrid_member *m)
{
  const gb_hybrid_assessment *a = &m->a;
  json_t *o = json_pack("{s:s, s:s, s:I, s:I, s:s}", "name", m->name, "directory", m->dir, "seed", (json_int_t)m->seed,
                        "step", (json_int_t)m->step, "weights", m->file);
  json_object_set_new(o, "test", numbers(r, &a->number, false));
  json_object_set_new(o, "parameters", inferred(r, a));
  if (a->n_horizon)
    json_object_set_new(o, "extrapolation",
                        json_pack("{s:o, s:o}", "frame", gb_json_list(a->n_horizon, 1, a->frame), "mae",
                                  gb_json_list(a->n_horizon, 1, a->error)));
  if (a->what_if.n) json_object_set_new(o, "what_if", asked(&a->what_if));
  if (m->classes.n) json_object_set_new(o, "classes", gb_classes_json(&m->classes));
  json_object_set_new(o, "training", gb_json_curve(&m->train, m->n_terms, m->term));
  json_object_set_new(o, "validation", gb_json_curve(&m->validate, m->n_terms, m->term));
  return o;
}

static json_t *group(const gb_hybrid_report *r, const gb_hybrid_group *g)
{
  json_t *o = json_pack("{s:s, s:s, s:I}", "name", g->name, "label", g->label, "seeds", (json_int_t)g->n);
  json_t *directories = json_array();
  for (size_t i = 0; i < g->n; i++) json_array_append_new(directories, json_string(r->member[g->member[i]].dir));
  json_object_set_new(o, "directories", directories);
  json_object_set_new(o, "mean", numbers(r, &g->mean, false));
  json_object_set_new(o, "sd", numbers(r, &g->sd, false));
  if (!r->physics->image) json_object_set_new(o, "examples", examples(&r->member[g->member[0]].a));
  return o;
}

static json_t *references(const gb_hybrid_report *r)
{
  size_t n;
  const gb_reference *of = gb_references(&n);
  json_t *all = json_array();
  for (size_t i = 0; i < n; i++)
    if (gb_hybrid_fits(r, &of[i]))
      json_array_append_new(all, json_pack("{s:s, s:s, s:o}", "name", of[i].model, "source", of[i].source, "numbers",
                                           numbers(r, &of[i].number, true)));
  return all;
}

/* What the numbers in lists belong to. */
static json_t *axes(const gb_hybrid_report *r)
{
  json_t *frames = json_array();
  for (size_t i = 0; i < GB_HORIZONS && r->physics->dynamics; i++)
    json_array_append_new(frames, json_integer((json_int_t)((size_t)gb_horizon[i] * r->dims->frames) - 1));
  const gb_what_if *w = gb_hybrid_what_if(r);
  return json_pack("{s:o, s:o, s:o}", "scale", gb_json_list(GB_SCALES, 1, gb_scale), "frame", frames, "what_if",
                   gb_json_list(w ? w->n : 0, 1, w ? w->value : NULL));
}

gb_err gb_hybrid_json(const gb_hybrid_report *r, gb_text *out)
{
  json_t *models = json_array(), *groups = json_array();
  for (size_t i = 0; i < r->n_models; i++) json_array_append_new(models, model(r, &r->member[i]));
  for (size_t i = 0; i < r->n_groups; i++) json_array_append_new(groups, group(r, &r->group[i]));
  json_t *o = json_pack("{s:s, s:{s:s, s:I, s:I}, s:o, s:o, s:o, s:o}", "physics", r->physics->name, "data", "path",
                        r->data_path, "training_samples", (json_int_t)r->n_train, "test_samples", (json_int_t)r->n_test,
                        "axes", axes(r), "groups", groups, "models", models, "references", references(r));
  return gb_json_done(o, out);
}
