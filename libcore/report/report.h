/* report/report.h - everything a report shows, and its two forms: report.json and report.html. */
#pragma once
#include "io/run.h"
#include "report/assess.h"
#include "report/baseline.h"
#include "report/models.h"
#include "report/sampling.h"
#include "report/sizes.h"

typedef struct gb_report_opts {
  gb_texts models, sizes;
  int64_t prior_samples, frames, bound_samples;
  const char *factor, *class;
  gb_reals what_if, generate_low, generate_high;
  double generate_spread;
} gb_report_opts;
extern const gb_schema gb_report_schema; /* section "report" */

typedef struct gb_reported { /* one model */
  char dir[GB_MODEL_PATH];
  gb_trained m;
  gb_assessment a;
  gb_learning train, validate;
  double term[GB_VAE_TERMS];                  /* mean over the test split */
  double mean[GB_MOST_TERMS + GB_MOST_NOTES]; /* gb_train_evaluate() of that split: terms, then notes */
  double energy_error[2][2];                  /* |e(rec) - e| of the mean field and of a noisy one: value, error */
  double correlation_m, correlation_e;        /* of |mu_z| with |m| and with e */
  double rate, square[2], gain; /* gb_assess_rate(), gb_assess_error(), and over linear codes; NAN: unknown */
  double *radius;               /* [n_T, 2] mean |mu_z| */
  bool has_crossover;
  double crossover[2];
} gb_reported;

typedef struct gb_report {
  const gb_physics *physics;
  gb_run *run;
  gb_dataset *data;
  const char *data_path;
  gb_reals T;
  size_t sites, n_train, n_test;
  gb_sampling sampling;
  size_t n_models; /* 0: no data, T, sites and rows either */
  gb_reported model[GB_MOST_MODELS];
  gb_baseline linear; /* of run.dir, on rank 0 */
  bool has_crossing;
  double crossing[2]; /* where the helicity modulus of the data crosses 2 T / pi */
  gb_lattices sizes;  /* none: no search for T_KT */
  gb_kt kt;
} gb_report;

/** Assess the models, search for T_KT in report.sizes, and write report.json and report.html into the run directory.
 *  Collective over c.
 *  Of a run directory with a sweep, if neither models nor sizes are named: gb_sweep_report_write(). Of a physics
 * without an ensemble: gb_hybrid_report_write().
 *  @return GB_ERR_CONFIG if there is nothing to report on, or a model belongs to other data */
gb_err gb_report_write(gb_comm c, const gb_config *cfg, const gb_physics *physics, const gb_sim *sim, gb_run *run);

/** The two forms.
 *  Local. */
gb_err gb_report_json(const gb_report *r, gb_text *out);
gb_err gb_report_page(const gb_report *r, gb_text *out);
