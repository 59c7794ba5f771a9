/* report/hybrid_assess.h - a trained grey-box VAE against the data it has not seen, and against the truth behind them.
 *
 * Latents are posterior means. What is compared, and how: N. Takeishi and A. Kalousis, NeurIPS 2021
 * (arXiv:2102.13156), section 4, and the notebooks that came with it. */
#pragma once
#include "data/dataset.h"
#include "learn/experiment.h"
#include "report/what_if.h"

enum { GB_SCALES = 9, GB_HORIZONS = 6, GB_EXAMPLES = 6, GB_GENERATED_ROWS = 4, GB_GENERATED_COLUMNS = 8 };
enum { GB_GENERATED = GB_GENERATED_ROWS * GB_GENERATED_COLUMNS };
extern const double gb_scale[GB_SCALES];  /* by which the first parameter is multiplied */
extern const int gb_horizon[GB_HORIZONS]; /* lengths of a sample after which an extrapolation is judged */

/* All in units of the samples, over the whole test split; NAN where a model or data set has no such thing. */
typedef struct gb_hybrid_numbers {
  double l2;                 /* mean over rows of |reconstruction - sample|_2 */
  double mae;                /* mean over all numbers of |reconstruction - sample| */
  double sse;                /* mean over rows of |reconstruction - sample|_2^2 */
  double log_mse;            /* log10 of the mean over all numbers of the squared difference */
  double rate, square, gain; /* KL and |x - reconstruction|^2 at draws of q, and gb_baseline_gain(); NAN: unknown */
  double network_norm;       /* the term of this name at the validation of these weights */
  double parameter_mae[GB_MOST_PARAMETERS], correlation[GB_MOST_PARAMETERS]; /* inferred and true; Pearson's r */
  double parameter_median[GB_MOST_PARAMETERS];                               /* median of |inferred - true| / |true| */
  /* MAE of the decode with the first inferred parameter scaled, against the generator with the same one, all else of
   * the truth; and against the generator with the true one scaled. */
  double counterfactual[GB_SCALES], intervention[GB_SCALES];
  double extrapolation[GB_HORIZONS]; /* MAE of one frame against the generator */
  gb_what_if_numbers what_if;
} gb_hybrid_numbers;

typedef struct gb_hybrid_assessment {
  gb_hybrid_numbers number;
  size_t n, width, n_parameter; /* test rows; numbers in a sample; parameters that the model infers */
  double *inferred, *truth;     /* [n, n_parameter]; truth NULL: not known. Angles of images are the same after half a
                                   turn: inferred is the representative nearest to the truth */
  size_t n_horizon;             /* as far as all rows stay finite; 0: it does not extrapolate */
  double *frame, *error;        /* [n_horizon] a frame, and the MAE there */
  gb_what_if what_if;
  size_t n_example;           /* the first test rows */
  double *sample;             /* [n_example, width] */
  double *decode[GB_DECODES]; /* [n_example, decode_width]; NULL: the model has no such decode */
  size_t decode_width[GB_DECODES];
  double *generated; /* [GB_GENERATED, width] of images: decodes of drawn latents; else NULL */
} gb_hybrid_assessment;

typedef struct gb_hybrid_assess_opts {
  size_t frames;      /* to extrapolate to */
  gb_reals what_if;   /* values of the first parameter; empty: those of gb_what_if_assess() */
  gb_reals low, high; /* ranges of the parameters of generated images; empty: their box */
  double spread;      /* standard deviation of the other latents there */
  uint64_t seed;      /* of these draws */
} gb_hybrid_assess_opts;

/** Assess a model on the test split.
 *  Collective over c; work is spread over the ranks, the result is the same on all and for any number of them.
 *  @param[in] dir  where m is from
 *  @return GB_ERR_CONFIG if the data set has no test split, or ranges do not fit to the parameters; as
 * gb_what_if_assess() */
gb_err gb_hybrid_assess(gb_comm c, gb_trained *m, const char *dir, gb_dataset *data, const gb_hybrid_assess_opts *opts,
                        gb_hybrid_assessment *out);
void gb_hybrid_assessment_free(gb_hybrid_assessment *a);
