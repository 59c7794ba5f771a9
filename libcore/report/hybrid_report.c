/* report/hybrid_report.c - find grey-box VAEs, assess them, group them over seeds, write both forms. */
#include "report/hybrid_report.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "learn/optim.h"
#include "learn/trainer.h"
#include "report/bound.h"
#include "report/report.h"

enum { PASS_ROWS = 64, LEVELS = 2 };

static gb_err find_models(gb_hybrid_report *r, gb_texts given, const char *dir)
{
  gb_model_list *found;
  GB_TRY(gb_new(&found, 1));
  gb_err e = gb_models_find(given, dir, LEVELS, found);
  for (size_t i = 0; i < found->n && !e; i++) snprintf(r->member[i].dir, sizeof r->member->dir, "%s", found->dir[i]);
  r->n_models = found->n;
  gb_free(&found);
  if (!e && !r->n_models)
    e = GB_FAIL(GB_ERR_CONFIG,
                "report.models: no trained model in %s or up to two levels below it. Run greybox-train first, or name "
                "directories.",
                dir);
  return e;
}

static gb_err describe(gb_hybrid_member *m, const gb_trained *t)
{
  const gb_schema *sections[] = {t->sim.kind->schema,    &gb_dataset_schema, &gb_hybrid_schema,
                                 &gb_regularizer_schema, &gb_ode_schema,     &gb_objective_schema,
                                 &gb_optim_schema,       &gb_train_schema,   NULL};
  const gb_model *model = &t->built.model;
  gb_hybrid_opts o;
  gb_config_get(t->cfg, &gb_hybrid_schema, &o);
  m->global = !strcmp(o.inference, "global");
  m->name = t->name;
  m->file = t->file;
  m->seed = t->seed;
  m->step = t->step;
  m->n_terms = model->n_terms;
  memcpy(m->term, model->term, (size_t)model->n_terms * sizeof *m->term);
  gb_config_print_fixed(t->cfg, sections, &m->settings);
  GB_TRY(gb_text_done(&m->settings));
  return gb_learning_read(m->dir, model, &m->train, &m->validate);
}

/* What the log says of the network in the equation, for these weights. */
static void find_norm(gb_hybrid_member *m)
{
  for (int k = 0; k < m->n_terms; k++)
    for (size_t i = 0; i < m->validate.n && !strcmp(m->term[k], "network_norm"); i++)
      if ((uint64_t)m->validate.step[i] == m->step) m->a.number.network_norm = m->validate.term[k][i];
}

/* Its code beside the best linear one; of models whose parameters are those of all rows there is none. */
static gb_err compare(gb_comm c, gb_hybrid_report *r, gb_hybrid_member *m, gb_dataset *data)
{
  enum { DRAWS = 8 };
  gb_hybrid_numbers *s = &m->a.number;
  gb_trained t;
  gb_bounds b;
  s->rate = s->square = s->gain = NAN;
  if (!gb_comm_any(c, r->linear.of.n > 0) || m->global) return GB_OK;
  GB_TRY(gb_trained_open_evidence(c, m->dir, r->physics, PASS_ROWS, &t));
  gb_err e = gb_bounds_estimate(c, &t.built.model, data, DRAWS, (gb_bound_watch){NULL, NULL}, &b);
  gb_trained_close(&t);
  if (e) return e;
  if (b.latents) {
    s->square = b.term[0];
    s->rate = b.rate[0];
    s->gain = gb_baseline_gain(&r->linear, b.latents, s->rate, s->square);
  }
  gb_bounds_free(&b);
  return GB_OK;
}

static gb_err assess_model(gb_comm c, gb_hybrid_report *r, gb_hybrid_member *m, gb_dataset *data,
                           const gb_report_opts *how, const gb_hybrid_assess_opts *o)
{
  gb_trained t;
  gb_err e = GB_OK;
  GB_TRY(gb_models_open(c, m->dir, r->physics, PASS_ROWS, data, r->data_path, r->run, &t));
  GB_GOTO(e, gb_comm_agree(c, describe(m, &t)), done);
  GB_GOTO(e, gb_hybrid_assess(c, &t, m->dir, data, o, &m->a), done);
  GB_GOTO(e, compare(c, r, m, data), done);
  GB_GOTO(e, gb_classes_assess(c, &t, data, how->class, how->factor, &m->classes), done);
  find_norm(m);
  if (m->a.n_parameter > r->n_parameter) r->n_parameter = m->a.n_parameter;
done:
  gb_trained_close(&t);
  return e;
}

static int rung(const char *name)
{
  static const char *const ladder[] = {"NN-only", "NN+solver", "Phys-only", "NN+phys", "NN+phys+reg"};
  int k = 0;
  while (k < (int)(sizeof ladder / sizeof *ladder) && strcmp(name, ladder[k])) k++;
  return k;
}

static int by_ladder(const void *a, const void *b)
{
  const gb_hybrid_member *x = a, *y = b;
  int order = rung(x->name) - rung(y->name);
  return order ? order : strcmp(x->dir, y->dir);
}

static bool together(const gb_hybrid_member *a, const gb_hybrid_member *b)
{
  return !strcmp(a->name, b->name) && !strcmp(a->settings.s, b->settings.s);
}

/* Mean and standard deviation of every number over the members, one after another. */
static void average(const gb_hybrid_report *r, gb_hybrid_group *g)
{
  double *mean = (double *)&g->mean, *sd = (double *)&g->sd;
  for (size_t k = 0; k < sizeof g->mean / sizeof *mean; k++) {
    double sum = 0, square = 0;
    for (size_t i = 0; i < g->n; i++) sum += ((const double *)&r->member[g->member[i]].a.number)[k];
    mean[k] = sum / (double)g->n;
    for (size_t i = 0; i < g->n; i++)
      square += pow(((const double *)&r->member[g->member[i]].a.number)[k] - mean[k], 2);
    sd[k] = g->n > 1 ? sqrt(square / (double)(g->n - 1)) : NAN;
  }
}

/* The name, and where it alone does not tell groups apart, the part of the directories that members have in common. */
static void label(const gb_hybrid_report *r, gb_hybrid_group *g)
{
  const char *first = r->member[g->member[0]].dir, *root = gb_run_get(r->run)->dir;
  size_t same_name = 0, common = strlen(first), skip = strlen(root);
  for (size_t k = 0; k < r->n_groups; k++) same_name += !strcmp(r->group[k].name, g->name);
  for (size_t i = 1; i < g->n; i++) {
    const char *other = r->member[g->member[i]].dir;
    size_t k = 0;
    while (k < common && first[k] == other[k]) k++;
    while (k > 0 && first[k] != '/') k--;
    common = k;
  }
  if (strncmp(first, root, skip) || first[skip] != '/' || common <= skip + 1)
    skip = 0;
  else
    skip++;
  if (same_name < 2)
    snprintf(g->label, sizeof g->label, "%s", g->name);
  else
    snprintf(g->label, sizeof g->label, "%s (%.*s)", g->name, (int)(common - skip), first + skip);
  for (char *s = g->label; *s; s++)
    if (*s == '\'' || *s == '\\') *s = ' '; /* it is quoted in plots */
}

static gb_err group(gb_hybrid_report *r)
{
  GB_TRY(gb_new(&r->group, r->n_models));
  for (size_t i = 0; i < r->n_models; i++) {
    size_t k = 0;
    while (k < r->n_groups && !together(&r->member[r->group[k].member[0]], &r->member[i])) k++;
    gb_hybrid_group *g = &r->group[k];
    if (k == r->n_groups) r->n_groups++;
    g->name = r->member[i].name;
    g->member[g->n++] = i;
  }
  for (size_t k = 0; k < r->n_groups; k++) {
    average(r, &r->group[k]);
    label(r, &r->group[k]);
  }
  return GB_OK;
}

bool gb_hybrid_has_parameters(const gb_hybrid_report *r, const gb_hybrid_group *g)
{
  return r->member[g->member[0]].a.truth != NULL;
}

bool gb_hybrid_has_scales(const gb_hybrid_group *g)
{
  return !isnan(g->mean.counterfactual[0]);
}

const gb_what_if *gb_hybrid_what_if(const gb_hybrid_report *r)
{
  for (size_t i = 0; i < r->n_models; i++)
    if (r->member[i].a.what_if.n) return &r->member[i].a.what_if;
  return NULL;
}

const gb_var *gb_hybrid_parameters(const gb_hybrid_report *r)
{
  return r->physics->image || r->physics->dynamics ? gb_sim_parameters(r->sim) : NULL;
}

bool gb_hybrid_fits(const gb_hybrid_report *r, const gb_reference *of)
{
  return !strcmp(of->physics, r->physics->name) && of->global == r->member[0].global;
}

size_t gb_hybrid_horizon(const gb_hybrid_report *r, const gb_hybrid_group *g)
{
  size_t n = r->member[g->member[0]].a.n_horizon;
  for (size_t i = 1; i < g->n; i++)
    if (r->member[g->member[i]].a.n_horizon < n) n = r->member[g->member[i]].a.n_horizon;
  return n;
}

static gb_err write_forms(gb_hybrid_report *r)
{
  gb_text json = {0}, page = {0};
  gb_err e = group(r);
  if (!e) e = gb_hybrid_json(r, &json);
  if (!e) e = gb_hybrid_page(r, &page);
  if (!e) e = gb_file_write(gb_run_path(r->run, "report.json"), json.s, json.n);
  if (!e) e = gb_file_write(gb_run_path(r->run, "report.html"), page.s, page.n);
  gb_text_free(&json);
  gb_text_free(&page);
  return e;
}

static gb_err assess_all(gb_comm c, gb_hybrid_report *r, const gb_report_opts *o, const gb_sim *sim, gb_dataset *data)
{
  gb_hybrid_assess_opts how = {.frames = (size_t)o->frames,
                               .what_if = o->what_if,
                               .low = o->generate_low,
                               .high = o->generate_high,
                               .spread = o->generate_spread,
                               .seed = (uint64_t)gb_run_get(r->run)->seed};
  r->sim = sim;
  r->dims = &sim->dims;
  r->n_train = gb_dataset_rows(data, GB_TRAIN);
  r->n_test = gb_dataset_rows(data, GB_TEST);
  gb_err e =
      c.rank ? GB_OK : gb_baseline_read(gb_run_path(r->run, "analysis.h5"), gb_dataset_fingerprint(data), &r->linear);
  GB_TRY(gb_comm_agree(c, e));
  for (size_t i = 0; i < r->n_models; i++) GB_TRY(assess_model(c, r, &r->member[i], data, o, &how));
  if (!o->models.n) qsort(r->member, r->n_models, sizeof *r->member, by_ladder);
  return GB_OK;
}

static void close_report(gb_hybrid_report *r)
{
  for (size_t i = 0; r->member && i < r->n_models; i++) {
    gb_hybrid_assessment_free(&r->member[i].a);
    gb_classes_free(&r->member[i].classes);
    gb_learning_free(&r->member[i].train);
    gb_learning_free(&r->member[i].validate);
    gb_text_free(&r->member[i].settings);
  }
  gb_baseline_free(&r->linear);
  gb_free(&r->member);
  gb_free(&r->group);
}

gb_err gb_hybrid_report_write(gb_comm c, const gb_config *cfg, const gb_physics *physics, const gb_sim *sim,
                              gb_run *run)
{
  gb_report_opts o;
  gb_dataset_opts d;
  gb_dataset *data = NULL;
  gb_hybrid_report r = {.physics = physics, .run = run};
  gb_err e = GB_OK;
  gb_config_get(cfg, &gb_report_schema, &o);
  gb_config_get(cfg, &gb_dataset_schema, &d);
  if (!*d.path) d.path = gb_run_path(run, "dataset.h5");
  snprintf(r.data_path, sizeof r.data_path, "%s", d.path);
  d.path = r.data_path;
  if (o.sizes.n) e = GB_FAIL(GB_ERR_CONFIG, "report.sizes is for physics with a helicity modulus. Leave it out.");
  if (!e) e = gb_new(&r.member, GB_MOST_MODELS);
  GB_GOTO(e, gb_comm_agree(c, e), done);
  GB_GOTO(e, gb_comm_agree(c, c.rank == 0 ? find_models(&r, o.models, gb_run_get(run)->dir) : GB_OK), done);
  gb_comm_bcast(c, &r.n_models, sizeof r.n_models);
  GB_GOTO(e, gb_dataset_open(c, &d, sim->dims.ndim, sim->dims.shape, &data), done);
  GB_GOTO(e, assess_all(c, &r, &o, sim, data), done);
  GB_GOTO(e, gb_comm_agree(c, c.rank == 0 ? write_forms(&r) : GB_OK), done);
  gb_run_say(run, "%s", gb_run_path(run, "report.html"));
done:
  close_report(&r);
  gb_dataset_close(&data);
  return e;
}
