/* report/sweep_json.c - report.json of a sweep: what the page shows that sweep.json does not have. */
#include <jansson.h>
#include <math.h>

#include "base/mem.h"
#include "report/json.h"
#include "report/sweep_report.h"

static const char *const key[GB_SWEEP_QUANTITIES] = {
    "metric",       "rate",          "distortion",          "iwae", "elbo", "gap", "active_units", "correlation",
    "energy_error", "squared_error", "linear_error_over_it"};

/* Without weights there are only those of the ledger. */
static int quantities(const gb_sweep_report *r)
{
  return r->judged.n ? GB_SWEEP_QUANTITIES : GB_SWEEP_LEDGER;
}

static json_t *whole(size_t v)
{
  return json_integer((json_int_t)v);
}

static json_t *mean_object(const gb_sweep_mean *m)
{
  return json_pack("{s:o, s:o}", "value", gb_json_number(m->n ? m->mean : NAN), "error",
                   gb_json_number(m->n > 1 ? m->error : NAN));
}

static json_t *value_object(const double v[2])
{
  return json_pack("{s:o, s:o}", "value", gb_json_number(v[0]), "error", gb_json_number(v[1]));
}

/* Per factor: the matrix over latents, and its gap. */
static json_t *factors(const gb_factors *f, const gb_disentangled *d)
{
  json_t *all = json_object();
  for (size_t k = 0; k < f->n && d->latents; k++)
    json_object_set_new(all, f->of[k].name,
                        json_pack("{s:o, s:o, s:o}", "correlation",
                                  gb_json_list(d->latents, d->factors, d->correlation + k), "information",
                                  gb_json_list(d->latents, d->factors, d->information + k), "gap",
                                  gb_json_number(d->gap[k])));
  return all;
}

/* What the weights of a trial say; why they do not. */
static void add_evidence(const gb_sweep_assessment *a, size_t t, json_t *o)
{
  const gb_evidence *v = &a->trial[t].of;
  json_t *bound = json_array();
  if (*a->trial[t].why) json_object_set_new(o, "not_compared", json_string(a->trial[t].why));
  if (!a->trial[t].done) return;
  for (int k = 0; k < GB_BOUND_ORDERS; k++) json_array_append_new(bound, value_object(v->bounds.bound[k]));
  json_object_set_new(o, "bound", bound);
  json_object_set_new(o, "gap", value_object(v->bounds.gap));
  json_object_set_new(o, "minus_log_likelihood", value_object(v->bounds.distortion));
  json_object_set_new(o, "kl", value_object(v->bounds.rate));
  json_object_set_new(o, "active_units", whole(v->of.active));
  json_object_set_new(o, "variance", gb_json_list(v->of.latents, 1, v->of.variance));
  json_object_set_new(o, "factors", factors(&a->factors, &v->of));
  if (!v->has_energy) return;
  json_object_set_new(o, "energy_error_mean_field", value_object(v->energy_error[0]));
  json_object_set_new(o, "energy_error_sample", value_object(v->energy_error[1]));
  json_object_set_new(o, "squared_error", value_object(v->square));
}

static json_t *trials(const gb_sweep_report *r)
{
  json_t *all = json_array();
  for (size_t i = 0; i < r->n_order; i++) {
    size_t t = r->order[i];
    json_t *o = json_object();
    json_object_set_new(o, "trial", whole(t));
    json_object_set_new(o, "step", json_integer((json_int_t)r->standing.result[t].step));
    json_object_set_new(o, "metric", gb_json_number(r->standing.result[t].metric));
    json_object_set_new(o, "rate", gb_json_number(r->value[GB_SWEEP_RATE][t]));
    json_object_set_new(o, "distortion", gb_json_number(r->value[GB_SWEEP_DISTORTION][t]));
    if (r->judged.trial) add_evidence(&r->judged, t, o);
    json_array_append_new(all, o);
  }
  return all;
}

static json_t *failures(const gb_sweep_report *r)
{
  json_t *all = json_array();
  for (size_t i = 0; i < r->design.n_trials; i++) {
    const gb_result *x = &r->standing.result[i];
    if (x->code)
      json_array_append_new(all,
                            json_pack("{s:o, s:i, s:s}", "trial", whole(i), "code", (int)x->code, "reason", x->reason));
  }
  return all;
}

static json_t *points(const gb_sweep_report *r)
{
  json_t *all = json_array();
  for (size_t p = 0; p < r->design.n_points; p++) {
    json_t *o = json_object(), *settings = json_object();
    for (size_t k = 0; k < r->design.n_axes; k++) {
      gb_text value = {0};
      gb_design_value(&r->design, p, k, &value);
      json_object_set_new(settings, r->design.axis[k].key, json_string(value.s));
      gb_text_free(&value);
    }
    json_object_set_new(o, "point", whole(p));
    json_object_set_new(o, "settings", settings);
    json_object_set_new(o, "trials", whole(r->point[GB_SWEEP_METRIC][p].n));
    for (int q = 0; q < quantities(r); q++) json_object_set_new(o, key[q], mean_object(&r->point[q][p]));
    json_object_set_new(o, "front", json_boolean(r->front[p]));
    json_array_append_new(all, o);
  }
  return all;
}

static gb_err add_maps(const gb_sweep_report *r, json_t *all)
{
  const gb_axis *rows = &r->design.axis[0], *columns = &r->design.axis[1];
  json_t *o = json_pack("{s:s, s:s}", "rows", rows->key, "columns", columns->key);
  gb_err e = GB_OK;
  for (gb_sweep_quantity q = 0; (int)q < quantities(r) && !e; q++) {
    double *cell = NULL;
    json_t *map = json_array();
    e = gb_sweep_map(r, q, &cell);
    for (size_t i = 0; i < rows->n && !e; i++)
      json_array_append_new(map, gb_json_list(columns->n, 1, cell + i * columns->n));
    json_object_set_new(o, key[q], map);
    gb_free(&cell);
  }
  json_object_set_new(all, "maps", o);
  return e;
}

static json_t *linear(const gb_sweep_report *r)
{
  const gb_sweep_bound *b = &r->bound;
  json_t *o = json_pack("{s:s, s:o}", "split", b->of.split, "error", gb_json_baseline(&b->of, "error", b->of.error));
  if (b->nats) json_object_set_new(o, "nats", gb_json_baseline(&b->of, "distortion", b->nats));
  return o;
}

static json_t *starts(const gb_sweep_report *r)
{
  json_t *all = json_array();
  for (size_t i = 0; i < r->n_starts; i++) {
    const gb_sweep_start *s = &r->start[i];
    json_array_append_new(all, json_pack("{s:s, s:s, s:o, s:o, s:o}", "time", s->time, "end", s->end, "ranks",
                                         gb_json_number(s->ranks), "seconds", gb_json_number(s->seconds), "utilisation",
                                         gb_json_number(s->utilisation)));
  }
  return all;
}

static json_t *compared(const gb_sweep_assessment *a)
{
  return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "trials", whole(a->n), "test_samples", whole(a->rows), "draws",
                   whole(a->draws), "order", gb_json_list(GB_BOUND_ORDERS, 1, gb_bound_order), "factor",
                   a->chosen < a->factors.n ? json_string(a->factors.of[a->chosen].name) : json_null(), "best",
                   whole(a->best));
}

gb_err gb_sweep_json(const gb_sweep_report *r, gb_text *out)
{
  const gb_tally *n = &r->tally;
  json_t *o = json_object(), *names = json_object();
  json_object_set_new(o, "physics", json_string(r->physics->name));
  for (int q = 0; q < quantities(r); q++) json_object_set_new(names, key[q], json_string(r->name[q]));
  json_object_set_new(o, "names", names);
  if (r->judged.n) json_object_set_new(o, "compared", compared(&r->judged));
  json_object_set_new(o, "rung", json_integer(r->rung));
  json_object_set_new(o, "count",
                      json_pack("{s:o, s:o, s:o}", "done", whole(n->done), "failed", whole(n->failed), "open",
                                whole(n->open + n->running)));
  json_object_set_new(o, "seconds", gb_json_number(r->trained));
  json_object_set_new(o, "trials", trials(r));
  json_object_set_new(o, "failed", failures(r));
  json_object_set_new(o, "points", points(r));
  gb_err e = gb_sweep_has_maps(r) ? add_maps(r, o) : GB_OK;
  if (r->bound.of.of.n) json_object_set_new(o, "linear", linear(r));
  json_object_set_new(o, "starts", starts(r));
  if (e) {
    json_decref(o);
    return e;
  }
  return gb_json_done(o, out);
}
