/* report/hybrid_report.h - everything a report on grey-box VAEs shows, and its two forms. */
#pragma once
#include "io/run.h"
#include "report/baseline.h"
#include "report/classes.h"
#include "report/hybrid_assess.h"
#include "report/hybrid_reference.h"
#include "report/models.h"

typedef struct gb_hybrid_member { /* one model */
  char dir[GB_MODEL_PATH];
  const char *name, *file; /* in the table of baselines; of its weights */
  uint64_t seed, step;
  gb_text settings; /* all that defines it, but for its seed */
  bool global;      /* one set of parameters for all rows */
  int n_terms;
  const char *term[GB_MOST_TERMS];
  gb_learning train, validate;
  gb_hybrid_assessment a;
  gb_classes classes;
} gb_hybrid_member;

typedef struct gb_hybrid_group { /* models that differ by their seeds only */
  const char *name;
  char label[256];
  size_t n, member[GB_MOST_MODELS];
  gb_hybrid_numbers mean, sd; /* sd: the standard deviation over the members; NAN of one */
} gb_hybrid_group;

typedef struct gb_hybrid_report {
  const gb_physics *physics;
  gb_run *run;
  const gb_sim *sim;   /* of run.physics, which the data were made with */
  const gb_dims *dims; /* of a sample */
  char data_path[GB_MODEL_PATH];
  size_t n_train, n_test, n_models, n_groups, n_parameter; /* n_parameter: the most of any model */
  gb_hybrid_member *member;                                /* [n_models] */
  gb_hybrid_group *group;                                  /* [n_groups] in the order of the table */
  gb_baseline linear;                                      /* of run.dir, on rank 0 */
} gb_hybrid_report;

/** The report of a physics without an ensemble; gb_report_write() calls it.
 *  Collective over c. */
gb_err gb_hybrid_report_write(gb_comm c, const gb_config *cfg, const gb_physics *physics, const gb_sim *sim,
                              gb_run *run);

/** The two forms.
 *  Local. */
gb_err gb_hybrid_json(const gb_hybrid_report *r, gb_text *out);
gb_err gb_hybrid_page(const gb_hybrid_report *r, gb_text *out);

/** Does a group have inferred and true parameters; counterfactuals; what values was any model asked about (NULL: none
 * was); and of how many frames is there an extrapolation of
 * all its members.
 *  Local. */
bool gb_hybrid_has_parameters(const gb_hybrid_report *r, const gb_hybrid_group *g);
bool gb_hybrid_has_scales(const gb_hybrid_group *g);
const gb_what_if *gb_hybrid_what_if(const gb_hybrid_report *r);
size_t gb_hybrid_horizon(const gb_hybrid_report *r, const gb_hybrid_group *g);

/** The table of the parameters of the known part; NULL: nothing is known.
 *  Local. */
const gb_var *gb_hybrid_parameters(const gb_hybrid_report *r);

/** Is a reference of this physics, and of models like these?
 *  Local. */
bool gb_hybrid_fits(const gb_hybrid_report *r, const gb_reference *of);

/** Figures, each an <svg> element.
 *  Local. */
gb_err gb_hybrid_figure_parameters(const gb_hybrid_report *r, gb_text *svg);
gb_err gb_hybrid_figure_scales(const gb_hybrid_report *r, gb_text *svg);
gb_err gb_hybrid_figure_what_if(const gb_hybrid_report *r, gb_text *svg);
gb_err gb_hybrid_figure_horizon(const gb_hybrid_report *r, gb_text *svg);
gb_err gb_hybrid_figure_learning(const gb_hybrid_report *r, gb_text *svg);
gb_err gb_hybrid_figure_trajectories(const gb_hybrid_report *r, gb_text *svg);

/** Images side by side: of the first member of a group, samples over what P and PAB make of them; and generated ones.
 *  Local. */
gb_err gb_hybrid_figure_images(const gb_hybrid_report *r, const gb_hybrid_group *g, gb_text *svg);
gb_err gb_hybrid_figure_generated(const gb_hybrid_report *r, const gb_hybrid_group *g, gb_text *svg);
