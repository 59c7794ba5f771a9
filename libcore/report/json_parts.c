/* report/json_parts.c - pieces of report.json. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "report/json.h"

json_t *gb_json_number(double v)
{
  return isfinite(v) ? json_real(v) : json_null();
}

json_t *gb_json_list(size_t n, size_t stride, const double *v)
{
  json_t *a = json_array();
  for (size_t i = 0; i < n; i++) json_array_append_new(a, gb_json_number(v[i * stride]));
  return a;
}

json_t *gb_json_curve(const gb_learning *c, int n_terms, const char *const term[])
{
  json_t *o = json_pack("{s:o, s:o}", "step", gb_json_list(c->n, 1, c->step), "loss", gb_json_list(c->n, 1, c->loss));
  for (int k = 0; k < n_terms; k++) json_object_set_new(o, term[k], gb_json_list(c->n, 1, c->term[k]));
  return o;
}

json_t *gb_json_baseline(const gb_baseline *b, const char *name, const double *y)
{
  json_t *curves = json_array();
  for (size_t i = 0; i < b->n_curves; i++)
    json_array_append_new(curves, json_pack("{s:o, s:o, s:o}", "latent", gb_json_number(b->latent[i]), "rate",
                                            gb_json_list(b->n_level, 1, b->rate + i * b->n_level), name,
                                            gb_json_list(b->n_level, 1, y + i * b->n_level)));
  return curves;
}

gb_err gb_json_done(json_t *o, gb_text *out)
{
  char *s = o ? json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(8)) : NULL;
  if (s) gb_text_add(out, "%s\n", s);
  gb_err e = s ? gb_text_done(out) : GB_FAIL(GB_ERR_MEMORY, "no memory for report.json");
  free(s);
  json_decref(o);
  return e;
}
