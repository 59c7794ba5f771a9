/* report/sweep_report.h - what a report shows of a sweep: its trials, rate against distortion, maps over two axes.
 *
 * Everything is of the trials that finished the highest rung any has finished (without halving: of all that are done),
 * with their best weights. The metric is that of the ledger, on the validation split. Rate is the mean of the term
 * `kl`; distortion that of `nll`, in nats, or of `reconstruction`, in squared numbers, whichever the model has: with
 * report.bound_samples both are of the test split and of draws of q, whatever the objective drew (report/evidence.h);
 * without, or where no trial has its weights any more, they are those of the ledger. */
#pragma once
#include "io/run.h"
#include "report/baseline.h"
#include "report/sweep_assess.h"
#include "sweep/past.h"

typedef enum gb_sweep_quantity {
  GB_SWEEP_METRIC,
  GB_SWEEP_RATE,
  GB_SWEEP_DISTORTION,
  GB_SWEEP_LEDGER, /* those above are in the ledger; these are gathered from the weights: */
  GB_SWEEP_IWAE = GB_SWEEP_LEDGER,
  GB_SWEEP_ELBO,
  GB_SWEEP_GAP,
  GB_SWEEP_ACTIVE,
  GB_SWEEP_CORRELATION, /* the largest of any latent with the chosen factor */
  GB_SWEEP_ENERGY_ERROR,
  GB_SWEEP_ERROR, /* of VAEs of angles, whose distortion is none: gb_assess_error() */
  GB_SWEEP_GAIN,  /* gb_baseline_gain() */
  GB_SWEEP_QUANTITIES
} gb_sweep_quantity;

typedef struct gb_sweep_mean {
  size_t n;           /* trials; 0: there is no mean */
  double mean, error; /* standard error; 0 of one trial */
} gb_sweep_mean;

typedef struct gb_sweep_bound { /* the least error of linear models at a rate, from analysis.h5; on rank 0 */
  gb_baseline of;
  double *nats;   /* [n_curves, n_level] -ln p of Gaussian decoders with that error; NULL: of other numbers than nll */
  char note[300]; /* why there are none; "": no analysis.h5, or nothing to tell */
} gb_sweep_bound;

typedef struct gb_sweep_start { /* a start of the sweep that came to its end, or was stopped */
  char time[24];
  const char *end;                    /* "done" or "stopped" */
  double ranks, seconds, utilisation; /* NAN where the log does not tell */
} gb_sweep_start;

typedef struct gb_sweep_report {
  const gb_physics *physics;
  gb_run *run;
  gb_design design;
  gb_standing standing;
  gb_tally tally;
  double trained; /* seconds of all trainings in the ledger */
  int rung;       /* that means are of; -1: no trial is done */
  size_t n_order;
  size_t *order;                      /* [n_order] trials with a result, the best first */
  double *value[GB_SWEEP_QUANTITIES]; /* [n_trials]; NAN: none at this rung, or no such term */
  const char *name[GB_SWEEP_QUANTITIES];
  size_t *place;  /* [n_points, n_axes] of a grid: number of the value in the list of the axis */
  double *number; /* [n_points, n_axes] the value; its place where an axis has other values than numbers */
  gb_sweep_mean *point[GB_SWEEP_QUANTITIES]; /* [n_points] over the seeds */
  bool *front; /* [n_points] no other point has as little of both rate and distortion, and less of one */
  size_t n_starts;
  gb_sweep_start *start;
  gb_sweep_bound bound;
  gb_sweep_assessment judged;
} gb_sweep_report;

/** Was there a sweep in a run directory?
 *  Collective over c; rank 0 looks. */
bool gb_sweep_report_fits(gb_comm c, gb_run *run);

/** Write report.json and report.html of the sweep in the run directory, finished or not.
 *  Collective over c.
 *  @return GB_ERR_CONFIG if its ledger is that of another config */
gb_err gb_sweep_report_write(gb_comm c, const gb_config *cfg, const gb_physics *physics, const gb_sim *sim,
                             gb_run *run);

/** Is there a number of this kind, of any trial?
 *  Local. */
bool gb_sweep_has(const gb_sweep_report *r, gb_sweep_quantity q);

/** Points that differ by the second axis only, in its order; of designs other than grids there are none, of one axis
 * all. Local.
 *  @param[in] first    a point that begins such a line
 *  @param[out] member  [values of the second axis] at least, of one axis [n_points]
 *  @return how many; 0 if no line begins at this point */
size_t gb_sweep_line(const gb_sweep_report *r, size_t first, size_t *member);

/** Is there a map: a grid of at least two axes, of at most 40 values each?
 *  Local. */
bool gb_sweep_has_maps(const gb_sweep_report *r);

/** Means over the trials with each value of the first axis of a grid and each of the second.
 *  Local.
 *  @param[out] out  [values of the first axis, of the second]; NAN: none; freed by gb_free(), also after a failure */
gb_err gb_sweep_map(const gb_sweep_report *r, gb_sweep_quantity q, double **out);

/** The mean of values that are finite, and its standard error.
 *  Local. */
gb_sweep_mean gb_sweep_mean_of(size_t n, const double *v);

/** Mark what no other pair is as small as in both, and smaller in one; pairs that are not finite are not marked.
 *  Local.
 *  @param[out] front  [n]
 *  @return GB_ERR_MEMORY */
gb_err gb_sweep_front(size_t n, const double *a, const double *b, bool *front);

/** The exact curve of run.dir/analysis.h5, if it is there and belongs to the data and the encoding of the trials.
 *  Collective over c. Freed by gb_sweep_bound_free(), also after a failure.
 *  @param[in] t  whose trials
 *  @param[out] out  on rank 0 */
gb_err gb_sweep_bound_find(gb_comm c, const gb_trials *t, const gb_sim *sim, gb_run *run, gb_sweep_bound *out);
void gb_sweep_bound_free(gb_sweep_bound *b);

/** Exact curves of this quantity over the rate, [n_curves, n_level]; NULL: there are none.
 *  Local. Borrowed. */
const double *gb_sweep_curve(const gb_sweep_report *r, gb_sweep_quantity q);

/** Least -E ln p(x|z), in nats, of a Gaussian decoder whose noise has one variance: n/2 ln(2 pi e error/n), the value
 * of n/2 ln 2 pi s2 + error / (2 s2) at the best s2, error / n. Local. */
double gb_sweep_distortion(size_t n, double error);

/** The figure of rate and of distortion or error, an <svg> element; the two forms of the report.
 *  Local. */
gb_err gb_sweep_figure(const gb_sweep_report *r, gb_sweep_quantity q, gb_text *svg);
gb_err gb_sweep_page(const gb_sweep_report *r, gb_text *out);
gb_err gb_sweep_json(const gb_sweep_report *r, gb_text *out);

/** The sections of the page on bounds, factors and latents of trained models; nothing if none was judged.
 *  Local. */
void gb_sweep_page_judged(const gb_sweep_report *r, gb_text *t);

/** Pieces of pages: a number, or a dash; a mean with its error; the settings of a point.
 *  Local. */
void gb_sweep_cell(gb_text *t, double v);
void gb_sweep_mean_cell(gb_text *t, const gb_sweep_mean *m);
void gb_sweep_point_settings(const gb_sweep_report *r, size_t point, gb_text *t);
