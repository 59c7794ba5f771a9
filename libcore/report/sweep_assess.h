/* report/sweep_assess.h - the trials of a sweep, whatever their objectives, judged alike. */
#pragma once
#include "base/text.h"
#include "io/run.h"
#include "report/evidence.h"
#include "sweep/trial.h"

typedef struct gb_sweep_judged { /* a trial */
  bool done;
  char why[300]; /* it could not be judged; "": it was not asked for */
  gb_evidence of;
} gb_sweep_judged;

typedef struct gb_sweep_assessment {
  size_t n, draws, rows;  /* trials judged: 0, the others have no meaning; latents drawn a row; test rows */
  gb_factors factors;     /* names; of the first data set */
  size_t chosen;          /* whose correlation is mapped; factors.n: none */
  gb_sweep_judged *trial; /* [n_trials] */
  size_t best;            /* with the highest IWAE bound */
  gb_text traversal;      /* of it: <figure>s; rank 0 */
} gb_sweep_assessment;

/** Open the weights of trials one after another and gather their gb_evidence; of the best one also draw its latents.
 *  Collective over c: trials in turn, their test rows spread over the ranks. What a trial lacks (weights that were
 *  removed, another data set, a decode that fails) is said of it, and no failure. Trials with data sets or physics of
 *  their own are judged by those. Freed by gb_sweep_assessment_free(), also after a failure.
 *  @param[in] wanted  [n_trials]
 *  @param[in] draws   of gb_bounds_estimate(); 0: nothing is done
 *  @param[in] factor  whose correlation is mapped; "": abs_m, else the first that was drawn
 *  @return GB_ERR_CONFIG if there is no factor of this name; GB_STOPPED if asked to stop */
gb_err gb_sweep_assess(gb_comm c, const gb_trials *t, const bool *wanted, size_t draws, const char *factor, gb_run *run,
                       gb_sweep_assessment *out);
void gb_sweep_assessment_free(gb_sweep_assessment *a, size_t n_trials);
