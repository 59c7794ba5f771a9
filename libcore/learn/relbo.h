/* learn/relbo.h - RELBO-A's regulariser: Delta_alpha = KL(q||p(z|x)) - D_alpha(q||p(z|x)) with the posterior p(z|x)
 * that is not learned, but follows from the decoder linearised about the mean of q; docs/theory/renyi.md. */
#pragma once
#include "ad/bound.h"

/* Of every row. */
typedef struct gb_relbo {
  size_t latent;
  double alpha, beta;
  gb_given loss;               /* -Delta; the gradient of KL - Delta with p(z|x) held fixed: far from the prior both are
                                  huge, and their difference is not */
  double *least;               /* [rows] the smallest w */
  double *work, *vectors;      /* of one group of rows */
  double *score, *information; /* [group, latent], [group, latent, latent]: to be filled */
} gb_relbo;

enum { GB_RELBO_GROUP = 8 }; /* rows that are worked on together */

/** Local. latent <= GB_RENYI_MOST. */
gb_err gb_relbo_create(size_t rows, size_t latent, double alpha, double beta, gb_relbo *out);
void gb_relbo_destroy(gb_relbo *r);

/** Rows row[0], ..., row[n - 1] from what r->score and r->information hold of them: J' grad ln p(x|z) and J' F J at z
 * = mu (gb_rotor_pull_back()). Local. n <= GB_RELBO_GROUP.
 *  @param[in] times       what these rows count, in value and gradient: they stand for so many
 *  @param[in] mu, logvar  [rows, latent] of all rows */
void gb_relbo_group(gb_relbo *r, size_t n, const size_t *row, double times, const gb_real *mu, const gb_real *logvar);

/** A row for which another one stands: its value is 0, and it does not move the encoder.
 *  Local. */
void gb_relbo_leave_out(gb_relbo *r, size_t row);
