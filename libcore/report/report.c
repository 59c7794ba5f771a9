/* report/report.c - find the models, assess them, write both forms. */
#include "report/report.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "report/hybrid_report.h"
#include "report/sweep_report.h"

static const gb_field fields[] = {
    GB_WORD(
        gb_report_opts, models, "[]", NULL, GB_FREE,
        "Run directories of the models to compare, in this order; empty: run.dir and its sub-directories that hold "
        "weights (of grey-box VAEs two levels of them), in the order of their kinds; of a sweep all its trials on one "
        "page. Grey-box VAEs that differ by their seeds only are put together."),
    GB_WORD(gb_report_opts, sizes, "[]", NULL, GB_FREE,
            "Run directories of data sets of several lattice sizes, at least three: the report then determines T_KT "
            "from them."),
    GB_NUMBER(gb_report_opts, prior_samples, "4000", 8, 1e7, "samples", GB_FREE,
              "Samples drawn from the prior of each model of planar spins."),
    GB_NUMBER(
        gb_report_opts, bound_samples, "64", 0, 65536, "draws", GB_FREE,
        "Latents drawn of every test sample for the bounds of ln p(x) by which the trials of a sweep are compared, "
        "whatever their objectives; 0: their weights are not read."),
    GB_WORD(
        gb_report_opts, factor, "", NULL, GB_FREE,
        "Of a sweep: the known factor whose correlation with the latents is mapped: T, direction, an observable, or "
        "what was drawn for simulated rows; empty: abs_m, else the first that was drawn. Of curves with classes: the "
        "truth "
        "that colours the second scatter of latents; empty: frequency or period."),
    GB_WORD(gb_report_opts, class, "", NULL, GB_FREE,
            "Of curves: the truth with values 0, 1, ... that tells their class, by which latents are judged; empty: "
            "behaviour, if there is one."),
    GB_NUMBER(gb_report_opts, frames, "1000", 0, 1e6, "frames", GB_FREE,
              "Grey-box VAEs that can go on in time are compared with the generator up to here."),
    GB_NUMBER(
        gb_report_opts, what_if, "[]", -1e12, 1e12, "that of the physics", GB_FREE,
        "Of curves whose behaviour is known: values, nine at most, to which the first parameter of the law is set; "
        "does the decode then behave as what the generator makes of them? Empty: seven, evenly over its box."),
    GB_NUMBER(gb_report_opts, generate_low, "[]", -1e12, 1e12, "those of the physics", GB_FREE,
              "Of images: lower ends of the ranges from which the parameters of generated ones are drawn; empty: those "
              "of their box."),
    GB_NUMBER(gb_report_opts, generate_high, "[]", -1e12, 1e12, "those of the physics", GB_FREE,
              "The upper ends of these ranges."),
    GB_NUMBER(gb_report_opts, generate_spread, "1", 0, 1e3, "1", GB_FREE,
              "Standard deviation of the other latents of generated images."),
    {0}};
const gb_schema gb_report_schema = {"report", "Comparison of trained models with the data.", sizeof(gb_report_opts),
                                    fields, NULL};

enum { PASS_ROWS = 64 };

/* Where the helicity modulus meets this line is the transition: D. R. Nelson and J. M. Kosterlitz, Phys. Rev. Lett. 39
 * (1977) 1201. */
#define NELSON_KOSTERLITZ (2 / M_PI)

static int rung(const char *name)
{
  static const char *const ladder[] = {"VAE", "H-VAE", "G-VAE", "HG-VAE"};
  int k = 0;
  while (k < (int)(sizeof ladder / sizeof *ladder) && strcmp(name, ladder[k])) k++;
  return k;
}

static int by_ladder(const void *a, const void *b)
{
  const gb_reported *x = a, *y = b;
  int order = rung(x->m.name) - rung(y->m.name);
  return order ? order : strcmp(x->dir, y->dir);
}

/* Directories given, or found below run.dir. */
static gb_err find_models(gb_report *r, const gb_report_opts *o, const char *dir)
{
  gb_model_list *found;
  GB_TRY(gb_new(&found, 1));
  gb_err e = gb_models_find(o->models, dir, 1, found);
  for (size_t i = 0; i < found->n && !e; i++) snprintf(r->model[i].dir, sizeof r->model->dir, "%s", found->dir[i]);
  r->n_models = found->n;
  gb_free(&found);
  if (!e && !r->n_models && !o->sizes.n)
    e = GB_FAIL(GB_ERR_CONFIG,
                "report.models: no trained model in %s or below it. Run greybox-train or greybox-sweep first, or name "
                "directories; or "
                "give report.sizes, data sets of several lattice sizes, for T_KT alone.",
                dir);
  return e;
}

/* Beside the best linear code, if what was analysed are the numbers that this model sees. */
static gb_err compare(const gb_report *r, gb_reported *m)
{
  gb_vae_opts o;
  gb_config_get(m->m.cfg, &gb_vae_schema, &o);
  GB_TRY(gb_assess_error(&m->a, m->square));
  m->rate = gb_assess_rate(&m->a);
  m->gain = gb_baseline_fits(&r->linear, &o) ? gb_baseline_gain(&r->linear, m->a.latent, m->rate, m->square[0]) : NAN;
  return GB_OK;
}

static gb_err derive(gb_report *r, gb_reported *m)
{
  enum { ENERGY, ABS_M }; /* the first two observables of an ensemble of planar spins */
  const gb_assessment *a = &m->a;
  size_t n = a->rows[GB_FROM_DATA].n;
  for (size_t i = 0; i < n; i++)
    for (int k = 0; k < GB_VAE_TERMS; k++) m->term[k] += a->term[i * GB_VAE_TERMS + (size_t)k] / (double)n;
  GB_TRY(gb_assess_energy_error(a, GB_FROM_MEAN, m->energy_error[0]));
  GB_TRY(gb_assess_energy_error(a, GB_FROM_SAMPLE, m->energy_error[1]));
  GB_TRY(compare(r, m));
  m->correlation_e = gb_assess_correlation(a, ENERGY);
  m->correlation_m = gb_assess_correlation(a, ABS_M);
  GB_TRY(gb_new(&m->radius, 2 * r->T.n));
  GB_TRY(gb_assess_radius(a, m->radius));
  m->has_crossover = gb_assess_crossover(r->T.n, r->T.v, m->radius, m->crossover);
  gb_model model = m->m.built.model;
  return gb_learning_read(m->dir, &model, &m->train, &m->validate);
}

static gb_err assess_model(gb_comm c, gb_report *r, gb_reported *m, gb_dataset *data, size_t n_prior)
{
  GB_TRY(gb_models_open(c, m->dir, r->physics, PASS_ROWS, data, r->data_path, r->run, &m->m));
  const gb_model *model = &m->m.built.model;
  GB_TRY(gb_train_evaluate(c, model, data, GB_TEST, m->mean)); /* which lets it look at the data, if it must */
  GB_TRY(gb_assess(c, &m->m, data, n_prior, &m->a));
  return gb_comm_agree(c, derive(r, m));
}

static void cross(gb_report *r)
{
  const gb_ensemble *en = r->physics->ensemble;
  const gb_assessment *a = &r->model[0].a;
  double *y = gb_alloc(2 * r->T.n, sizeof *y);
  for (int q = 0; y && q < en->n_summary; q++) {
    if (strcmp(en->summary[q].name, "helicity_modulus")) continue;
    for (size_t t = 0; t < r->T.n; t++)
      memcpy(y + 2 * t, a->summary[GB_FROM_DATA] + 2 * (t * a->n_summary + (size_t)q), 2 * sizeof *y);
    r->has_crossing = gb_assess_crossing(r->T.n, r->T.v, y, NELSON_KOSTERLITZ, r->crossing);
  }
  gb_free(&y);
}

static gb_err assess_models(gb_comm c, gb_report *r, const gb_report_opts *o, const gb_dataset_opts *d,
                            const gb_sim *sim, gb_dataset **data)
{
  GB_TRY(gb_dataset_open(c, d, sim->dims.ndim, sim->dims.shape, data));
  GB_TRY(gb_sampling_read(c, r->data_path, &r->sampling));
  r->data = *data;
  r->T = gb_dataset_temperatures(*data);
  r->n_train = gb_dataset_rows(*data, GB_TRAIN);
  r->n_test = gb_dataset_rows(*data, GB_TEST);
  GB_TRY(gb_comm_agree(
      c, c.rank ? GB_OK
                : gb_baseline_read(gb_run_path(r->run, "analysis.h5"), gb_dataset_fingerprint(*data), &r->linear)));
  for (size_t i = 0; i < r->n_models; i++) GB_TRY(assess_model(c, r, &r->model[i], *data, (size_t)o->prior_samples));
  if (!o->models.n) qsort(r->model, r->n_models, sizeof *r->model, by_ladder); /* not in the order of the file system */
  cross(r);
  return GB_OK;
}

static gb_err write_forms(gb_report *r)
{
  gb_text json = {0}, page = {0};
  gb_err e = r->sizes.n ? gb_lattices_analyse(&r->sizes, &r->kt) : GB_OK;
  if (!e) e = gb_report_json(r, &json);
  if (!e) e = gb_report_page(r, &page);
  if (!e) e = gb_file_write(gb_run_path(r->run, "report.json"), json.s, json.n);
  if (!e) e = gb_file_write(gb_run_path(r->run, "report.html"), page.s, page.n);
  gb_text_free(&json);
  gb_text_free(&page);
  return e;
}

gb_err gb_report_write(gb_comm c, const gb_config *cfg, const gb_physics *physics, const gb_sim *sim, gb_run *run)
{
  gb_report_opts o;
  gb_dataset_opts d;
  gb_dataset *data = NULL;
  gb_report *r = NULL;
  gb_err e = GB_OK;
  gb_config_get(cfg, &gb_report_schema, &o);
  if (!o.models.n && !o.sizes.n && gb_sweep_report_fits(c, run))
    return gb_sweep_report_write(c, cfg, physics, sim, run);
  if (!physics->ensemble) return gb_hybrid_report_write(c, cfg, physics, sim, run);
  gb_config_get(cfg, &gb_dataset_schema, &d);
  if (!*d.path) d.path = gb_run_path(run, "dataset.h5");
  GB_TRY(gb_comm_agree(c, gb_new(&r, 1)));
  *r = (gb_report){.physics = physics, .run = run, .data_path = d.path, .sites = sim->dims.n};
  GB_GOTO(e, gb_comm_agree(c, c.rank == 0 ? find_models(r, &o, gb_run_get(run)->dir) : GB_OK), done);
  gb_comm_bcast(c, &r->n_models, sizeof r->n_models);
  GB_GOTO(e, gb_lattices_read(c, physics, &sim->dims, o.sizes, &r->sizes), done);
  if (r->n_models) GB_GOTO(e, assess_models(c, r, &o, &d, sim, &data), done);
  GB_GOTO(e, gb_comm_agree(c, c.rank == 0 ? write_forms(r) : GB_OK), done);
  gb_run_say(run, "%s", gb_run_path(run, "report.html"));
done:
  for (size_t i = 0; i < r->n_models; i++) {
    gb_assessment_free(&r->model[i].a);
    gb_trained_close(&r->model[i].m);
    gb_learning_free(&r->model[i].train);
    gb_learning_free(&r->model[i].validate);
    gb_free(&r->model[i].radius);
  }
  gb_baseline_free(&r->linear);
  gb_sampling_free(&r->sampling);
  gb_lattices_free(&r->sizes);
  gb_dataset_close(&data);
  gb_free(&r);
  return e;
}
