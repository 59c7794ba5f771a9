/* report/bound.h - one bound for trained models, whatever they were trained with: sampled Renyi bounds of ln p(x). */
#pragma once
#include "data/dataset.h"
#include "learn/model.h"

enum { GB_BOUND_ORDERS = 6, GB_BOUND_IWAE = 0, GB_BOUND_ELBO = 4 };
extern const double gb_bound_order[GB_BOUND_ORDERS]; /* alpha, rising; 0 and 1 at the places named above */

/* Over the test split, in nats: mean over its rows, and the standard error of that, with rows taken as independent. */
typedef struct gb_bounds {
  size_t rows, draws, latents;
  double bound[GB_BOUND_ORDERS][2]; /* L_alpha of the draws of each row: of alpha = 0 IWAE, of alpha = 1 the ELBO */
  double gap[2];                    /* IWAE - ELBO of the same draws: not negative */
  double distortion[2];             /* -ln p(x|z), z ~ q(z|x) */
  double rate[2];                   /* KL(q(z|x) || p(z)), in closed form */
  double term[2];                   /* the first term of the model in its own unit: nll, or the squared error */
  double *mean;                     /* [rows, latents] of q, in standard deviations of the prior from its mean */
} gb_bounds;

/* Who wants to know how far it is; called on every rank. */
typedef struct gb_bound_watch {
  void (*tell)(void *ctx, double part);
  void *ctx;
} gb_bound_watch;

/** Estimate the bounds of a model from `draws` latents a row: numbers (seed, row, draw).
 *  Collective over c; rows are spread over the ranks, the result is the same on all and for any number of them.
 *  L_alpha as gb_renyi_bound(), so it does not rise with alpha. For alpha < 1 its mean is below its limit of many
 * draws, which is below ln p(x); for alpha > 1 above.
 *  @param[in] model  of gb_trained_open_evidence()
 *  @param[in] draws  at least 1
 *  @param[out] out   freed by gb_bounds_free(), also after a failure
 *  @return GB_ERR_CONFIG if the data set has no test split; GB_ERR_NUMERIC if a decode fails or a bound is not finite
 *  Source: Y. Burda et al., arXiv:1509.00519, eq. 8; Y. Li and R. E. Turner, arXiv:1602.02311, eq. 10. */
gb_err gb_bounds_estimate(gb_comm c, const gb_model *model, gb_dataset *data, size_t draws, gb_bound_watch watch,
                          gb_bounds *out);
void gb_bounds_free(gb_bounds *b);
