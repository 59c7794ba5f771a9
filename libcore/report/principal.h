/* report/principal.h - mean, eigenvalues of the covariance and its eigenvectors, of samples that are read by all ranks.
 *
 * Three routes (docs/theory/linear.md): the covariance, added up window by window, and its eigenvalues; or all samples
 * in memory, and their singular values, directly or those of the triangle of a QR factorisation. The covariance squares
 * the condition number: eigenvalues below about 1e-15 of the largest are noise by this route, but not by the others. */
#pragma once
#include "comm/comm.h"

typedef struct gb_samples { /* where they come from */
  const char *name;         /* for messages */
  size_t n, width;
  /** Samples [first, first + n), as numbers. Local.
   *  @param[out] x  [n, width] */
  gb_err (*read)(void *self, size_t first, size_t n, double *x);
  void *self;
} gb_samples;

typedef enum gb_route { GB_ROUTE_AUTO, GB_ROUTE_COVARIANCE, GB_ROUTE_QR, GB_ROUTE_SVD, GB_ROUTES } gb_route;
extern const char *const gb_route_name[GB_ROUTES];

/* Where the time went: reading, moving between ranks, the covariance or the QR factorisation, eigen- or singular
 * values. */
enum { GB_PART_READ, GB_PART_MOVE, GB_PART_PRODUCTS, GB_PART_VALUES, GB_PARTS };

typedef struct gb_principal {
  size_t n, width;          /* samples; numbers in each */
  gb_route route;           /* that was taken */
  int grid[2];              /* of ranks */
  double *mean, *lam;       /* [width] the same on all ranks; lam decreasing, 0 where it is less than rounding */
  size_t n_component;       /* eigenvectors that are kept, the first ones */
  gb_range mine;            /* those that this rank has */
  double *component;        /* [mine.count, width] orthonormal */
  double seconds[GB_PARTS]; /* of this rank */
} gb_principal;

/* Most numbers in a sample for which the QR factorisation is chosen: pdgesvd takes about ten times as long as pdsyevd,
 * at 2048 a minute on one core. */
enum { GB_QR_MOST = 1024 };

/** The route that the shape chooses, and memory that it takes on a rank, in bytes.
 *  Local. Tall data (at least two samples a number) take the QR factorisation if their samples are not too wide and
 *  `memory` bytes per rank are enough to hold them, all others the covariance. A route that is not GB_ROUTE_AUTO is
 * kept. */
gb_route gb_principal_route(gb_route wanted, int ranks, size_t n, size_t width, double memory);
double gb_principal_bytes(gb_route route, int ranks, size_t n, size_t width, double memory);

/** Find them.
 *  Collective over c. `out` is freed by gb_principal_free(), also after a failure.
 *  @param[in] components  to keep, at most min(n, width)
 *  @param[in] memory      bytes per rank that a route other than the covariance may take; windows are a small part of
 * it
 *  @return GB_ERR_NUMERIC if a number is not finite (naming the sample) or all samples are equal; GB_ERR_CONFIG for
 * less than two samples, or if `route` needs more memory */
gb_err gb_principal_find(gb_comm c, const gb_samples *samples, size_t components, gb_route route, double memory,
                         gb_principal *out);
void gb_principal_free(gb_principal *p);
