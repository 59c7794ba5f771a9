/* report/what_if.h - set the first parameter of the law to other values: does a model then say what the system would
 * do?
 *
 * Of physics whose rows are told apart by their behaviour (sim/curve.h). A model with the law is given the value, all
 * else stays as it was inferred. One without it has no such parameter: its latents are moved by what they change with
 * it on average, over the training rows whose values are known. */
#pragma once
#include "data/dataset.h"
#include "learn/experiment.h"

enum { GB_WHAT_IFS = 9 }; /* the most values */

/* Parts of the test rows whose decode behaves as the curve that the generator makes of the same value and all else of
 * the truth; NAN: not known. */
typedef struct gb_what_if_numbers {
  double own;             /* as it was inferred, against the row's own curve */
  double of[GB_WHAT_IFS]; /* at each value */
  double all;             /* at any of them */
  double across;          /* where the generator's curve behaves otherwise than the row's own one */
} gb_what_if_numbers;

typedef struct gb_what_if {
  size_t n; /* values; 0: nothing was asked, and nothing else is set */
  double value[GB_WHAT_IFS];
  double noise;     /* root mean square difference of the test samples from their curves without noise: what of a curve
                       stands out by less than three times this is not seen */
  size_t crossings; /* cases behind `across` */
  size_t frames;
  double *decode, *exact; /* [n, frames] of the first test row, the first number of each frame */
} gb_what_if;

/** Ask a model, if the physics has an equation and labels behaviour.
 *  Collective over c; the same on all ranks and for any number of them. Freed by gb_what_if_free(), also after a
 * failure.
 *  @param[in] truth   [test rows, n_truth] all that was drawn, as gb_sim_truth() has it
 *  @param[in] values  none: seven, evenly over the box of the parameter
 *  @return GB_ERR_CONFIG of too many values */
gb_err gb_what_if_assess(gb_comm c, gb_trained *m, gb_dataset *data, const double *truth, gb_reals values,
                         gb_what_if *out, gb_what_if_numbers *number);
void gb_what_if_free(gb_what_if *w);
