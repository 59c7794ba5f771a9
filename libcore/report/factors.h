/* report/factors.h - what latents say of the factors that are known behind the data: temperature, magnetisation, true
 * parameters. */
#pragma once
#include "data/dataset.h"
#include "sim/physics.h"

enum { GB_MOST_FACTORS = 32 };

typedef struct gb_factor {
  const char *name, *unit;
  double period; /* of a direction; 0: a number on a line */
  double *value; /* [rows] */
} gb_factor;

typedef struct gb_factors {
  size_t rows; /* test rows */
  size_t n;    /* 0: nothing is known */
  gb_factor of[GB_MOST_FACTORS];
} gb_factors;

/** What is known of the test rows of a data set. Of an equilibrium the temperature T, the observables, and of angles
 * the `direction` of the magnetisation; of simulated rows what was drawn for them. Angles have a period: half a turn in
 *  images, which are the same after it, else a turn.
 *  Collective over c; the same on all ranks. Freed by gb_factors_free(), also after a failure. */
gb_err gb_factors_read(gb_comm c, const gb_sim *sim, gb_dataset *data, gb_factors *out);
void gb_factors_free(gb_factors *f);

/** Number of the factor of this name; f->n if there is none.
 *  Local. */
size_t gb_factors_find(const gb_factors *f, const char *name);

/** Pearson's correlation of x with a factor; with a direction the multiple correlation with its cosine and sine, which
 *  has no sign: K. V. Mardia, J. R. Statist. Soc. B 38 (1976) 364.
 *  Local.
 *  @param[in] x  [rows], `stride` apart
 *  @return NAN if x or the factor does not vary */
double gb_factor_correlation(size_t rows, const double *x, size_t stride, const gb_factor *f);

/** Bins into which gb_factor_information() cuts each of two numbers: the cube root of the rows, at most 20.
 *  Local. */
size_t gb_factor_bins(size_t rows);

/** Mutual information of two numbers, nats: each is cut into bins of equal counts (equal values stay together), and
 *  the estimate from counts is corrected for its first bias, (bins of x + bins of y - pairs of bins - 1) / 2 rows,
 * where only those count that hold a row: G. A. Miller, in Information Theory in Psychology (1955) 95. For many rows it
 * is below the information of the numbers themselves, which bins lose a part of; of independent ones it is about 0, on
 *  either side.
 *  Local.
 *  @param[in] x        [rows], `stride` apart
 *  @param[out] entropy of y in its bins, corrected alike; NULL: not wanted
 *  @return GB_ERR_MEMORY */
gb_err gb_factor_information(size_t rows, const double *x, size_t stride, const double *y, double *out,
                             double *entropy);

typedef struct gb_disentangled {
  size_t latents, factors;
  double *correlation, *information; /* [latents, factors] */
  double *gap;                       /* [factors] mutual information gap */
  double *variance;                  /* [latents] of the mean of q over the rows */
  size_t active;                     /* latents whose variance is above 0.01 */
} gb_disentangled;

/** Compare the means of q with all factors. Mutual information gap of a factor: the difference between the two latents
 *  that tell most of it, over its entropy (R. T. Q. Chen et al., arXiv:1802.04942), here of means of q and in bins.
 *  Active units: Y. Burda et al., arXiv:1509.00519.
 *  Local. Freed by gb_disentangled_free(), also after a failure.
 *  @param[in] mean  [f->rows, latents] in standard deviations of the prior */
gb_err gb_factors_compare(const gb_factors *f, size_t latents, const double *mean, gb_disentangled *out);
void gb_disentangled_free(gb_disentangled *d);

/** The largest size of a correlation, and information, of any latent with a factor; NAN: there is none.
 *  Local. */
double gb_disentangled_correlation(const gb_disentangled *d, size_t factor);
double gb_disentangled_information(const gb_disentangled *d, size_t factor);
