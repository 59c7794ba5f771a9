/* report/json.c - report.json: every number of the page, and those behind the curves. */
#include <jansson.h>

#include "report/json.h"
#include "report/report.h"

static json_t *with_error(const double v[2])
{
  return json_pack("{s:o, s:o}", "value", gb_json_number(v[0]), "error", gb_json_number(v[1]));
}

/* {"energy": {"value": [...], "error": [...]}, ...} over the temperatures */
static json_t *summary(const gb_report *r, const gb_assessment *a, gb_source source)
{
  const gb_ensemble *en = r->physics->ensemble;
  json_t *o = json_object();
  for (size_t q = 0; q < a->n_summary; q++) {
    const double *v = a->summary[source] + 2 * q;
    json_object_set_new(o, en->summary[q].name,
                        json_pack("{s:o, s:o}", "value", gb_json_list(a->n_T, 2 * a->n_summary, v), "error",
                                  gb_json_list(a->n_T, 2 * a->n_summary, v + 1)));
  }
  return o;
}

static json_t *latents(const gb_assessment *a)
{
  json_t *o = json_array();
  for (size_t j = 0; j < a->latent; j++) json_array_append_new(o, gb_json_number(gb_assess_kl(a, j)));
  return o;
}

static json_t *model_object(const gb_report *r, const gb_reported *m)
{
  gb_model model = m->m.built.model;
  json_t *o = json_object(), *test = json_object();
  json_object_set_new(o, "name", json_string(m->m.name));
  json_object_set_new(o, "directory", json_string(m->dir));
  json_object_set_new(o, "step", json_integer((json_int_t)m->m.step));
  json_object_set_new(o, "latent", json_integer((json_int_t)m->a.latent));
  for (int k = 0; k < model.n_terms; k++) json_object_set_new(test, model.term[k], gb_json_number(m->term[k]));
  for (int k = 0; k < model.n_notes; k++)
    json_object_set_new(test, model.note[k], gb_json_number(m->mean[model.n_terms + k]));
  json_object_set_new(test, "abs_energy_error_mean_field", with_error(m->energy_error[0]));
  json_object_set_new(test, "abs_energy_error_sample", with_error(m->energy_error[1]));
  json_object_set_new(test, "squared_error", with_error(m->square));
  json_object_set_new(test, "linear_error_over_it", gb_json_number(m->gain));
  json_object_set_new(test, "correlation_radius_abs_m", gb_json_number(m->correlation_m));
  json_object_set_new(test, "correlation_radius_energy", gb_json_number(m->correlation_e));
  json_object_set_new(test, "kl_per_latent", latents(&m->a));
  json_object_set_new(o, "test", test);
  json_object_set_new(o, "mean_field", summary(r, &m->a, GB_FROM_MEAN));
  json_object_set_new(o, "sample", summary(r, &m->a, GB_FROM_SAMPLE));
  json_object_set_new(o, "prior", summary(r, &m->a, GB_FROM_PRIOR));
  json_object_set_new(o, "radius",
                      json_pack("{s:o, s:o}", "value", gb_json_list(r->T.n, 2, m->radius), "error",
                                gb_json_list(r->T.n, 2, m->radius + 1)));
  json_object_set_new(o, "radius_crossover", m->has_crossover ? with_error(m->crossover) : json_null());
  json_object_set_new(o, "training", gb_json_curve(&m->train, model.n_terms, model.term));
  json_object_set_new(o, "validation", gb_json_curve(&m->validate, model.n_terms, model.term));
  return o;
}

static json_t *reading(const gb_kt_reading *m)
{
  if (!m->found) return json_null();
  return json_pack("{s:o, s:o, s:o, s:i}", "T", with_error(m->T), "C", with_error(m->C), "chi2",
                   gb_json_number(m->chi2), "dof", m->dof);
}

static json_t *lattice(const gb_kt *k, const gb_lattice *a)
{
  size_t of = 0;
  json_t *excluded = json_array();
  while (of + 1 < k->n_sizes && k->L[of] < a->L) of++;
  for (size_t i = 0; i < a->n_T; i++)
    if (a->quality[i])
      json_array_append_new(excluded,
                            json_pack("{s:f, s:I}", "temperature", a->T[i], "quality", (json_int_t)a->quality[i]));
  return json_pack("{s:s, s:o, s:o, s:{s:o, s:o}, s:o, s:o}", "path", a->path, "L", gb_json_number(a->L), "temperature",
                   gb_json_list(a->n_T, 1, a->T), "helicity_modulus", "value", gb_json_list(a->n_T, 2, a->Y), "error",
                   gb_json_list(a->n_T, 2, a->Y + 1), "crossing",
                   k->crosses[of] ? with_error(k->crossing[of]) : json_null(), "excluded", excluded);
}

static json_t *kosterlitz_thouless(const gb_report *r)
{
  const gb_kt *k = &r->kt;
  const gb_kt_reading *flow = &k->cut[k->chosen].by[GB_KT_FLOW];
  json_t *sizes = json_array(), *cuts = json_array();
  for (size_t i = 0; i < r->sizes.n; i++) json_array_append_new(sizes, lattice(k, &r->sizes.of[i]));
  for (size_t i = 0; i < k->n_cuts; i++) {
    json_t *cut =
        json_pack("{s:o, s:I}", "L_min", gb_json_number(k->cut[i].L_min), "sizes", (json_int_t)k->cut[i].n_sizes);
    for (int m = 0; m < GB_KT_METHODS; m++) json_object_set_new(cut, gb_kt_method_name[m], reading(&k->cut[i].by[m]));
    json_array_append_new(cuts, cut);
  }
  json_t *dof = json_array();
  for (size_t t = 0; t < k->n_T; t++) json_array_append_new(dof, json_integer(k->dof[t]));
  return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:{s:f, s:f}, s:o, s:o, s:{s:o, s:o, s:o, s:o}}",
                   "T_KT", gb_json_number(k->T), "error", gb_json_number(k->error), "statistical",
                   gb_json_number(k->statistical), "systematic", gb_json_number(k->systematic), "shift",
                   gb_json_number(k->shift), "truncation", gb_json_number(k->truncation), "L_min",
                   gb_json_number(k->cut[k->chosen].L_min), "chi2", gb_json_number(flow->chi2), "dof", flow->dof, "C",
                   with_error(flow->C), "known", "value", GB_KT_KNOWN, "error", GB_KT_KNOWN_ERROR, "sizes", sizes,
                   "cuts", cuts, "weber_minnhagen", "temperature", gb_json_list(k->n_T, 1, k->T_grid), "chi2",
                   gb_json_list(k->n_T, 1, k->chi2), "dof", dof, "amplitude", gb_json_list(k->n_T, 1, k->A));
}

static json_t *integers(size_t n, const int64_t *v)
{
  json_t *a = json_array();
  for (size_t i = 0; i < n; i++) json_array_append_new(a, json_integer((json_int_t)v[i]));
  return a;
}

static json_t *sampling(const gb_sampling *s)
{
  if (!s->n_T) return json_null();
  return json_pack("{s:o, s:o, s:o}", "stride", integers(s->n_T, s->stride), "thermalisation",
                   integers(s->n_T, s->dropped), "quality", integers(s->n_T, s->quality));
}

static json_t *data_object(const gb_report *r)
{
  return json_pack("{s:s, s:o, s:I, s:I, s:I, s:o, s:o, s:o}", "path", r->data_path, "temperature",
                   gb_json_list(r->T.n, 1, r->T.v), "sites", (json_int_t)r->sites, "training_samples",
                   (json_int_t)r->n_train, "test_samples", (json_int_t)r->n_test, "summary",
                   summary(r, &r->model[0].a, GB_FROM_DATA), "helicity_crossing",
                   r->has_crossing ? with_error(r->crossing) : json_null(), "sampling", sampling(&r->sampling));
}

gb_err gb_report_json(const gb_report *r, gb_text *out)
{
  json_t *models = json_array(), *o = json_object();
  for (size_t i = 0; i < r->n_models; i++) json_array_append_new(models, model_object(r, &r->model[i]));
  json_object_set_new(o, "physics", json_string(r->physics->name));
  if (r->n_models) json_object_set_new(o, "data", data_object(r));
  json_object_set_new(o, "models", models);
  if (r->linear.of.n) json_object_set_new(o, "linear", gb_json_baseline(&r->linear, "error", r->linear.error));
  if (r->sizes.n) json_object_set_new(o, "kosterlitz_thouless", kosterlitz_thouless(r));
  return gb_json_done(o, out);
}
