/* linalg/dist.h - matrices of doubles spread over ranks, and what is done to them: ScaLAPACK, which appears in dist.c
 * only.
 *
 * The ranks form a grid of rows x columns. A matrix [m, n] is cut into square blocks that are dealt to the grid in
 * turns along both axes (L. S. Blackford et al., ScaLAPACK Users' Guide, SIAM 1997, section 4.3). Columns of a matrix
 * are samples or vectors: they come from, and go to, pieces of consecutive columns, one piece a rank, as rows of a file
 * are read and written. Results depend on the number of ranks and the grid in their last bits.
 *
 * Indices of the library are 32-bit: what would need more is refused with GB_ERR_CONFIG before anything is allocated.
 */
#pragma once
#include "comm/comm.h"

typedef struct gb_dist gb_dist; /* the grid of ranks */
typedef struct gb_dist_matrix gb_dist_matrix;

/** Put the ranks on a grid.
 *  Collective over c, which is borrowed. Closed by gb_dist_close().
 *  @param[in] rows, columns  of the grid, rows * columns = ranks; 0, 0: as square as their number allows
 *  @return GB_ERR_CONFIG if they do not make up the ranks */
gb_err gb_dist_open(gb_comm c, int rows, int columns, gb_dist **out);
/** Collective over the grid. Matrices on it are destroyed before. NULL is allowed. */
void gb_dist_close(gb_dist **d);

/** Shape of the grid.
 *  Local. */
void gb_dist_shape(const gb_dist *d, int *rows, int *columns);

/** A matrix of zeros.
 *  Collective over the grid.
 *  @param[in] m, n  at least 1
 *  @return GB_ERR_CONFIG if it is too large for 32-bit indices, GB_ERR_MEMORY */
gb_err gb_dist_create(gb_dist *d, size_t m, size_t n, gb_dist_matrix **out);
/** Local. NULL is allowed. */
void gb_dist_destroy(gb_dist_matrix **a);

/** The piece of this rank, when `count` columns go in pieces of ceil(count / ranks).
 *  Local. */
gb_range gb_dist_piece(const gb_dist *d, size_t count);

/** Columns [first, first + count) of a from the pieces of the ranks, and back.
 *  Collective over the grid.
 *  @param mine  [piece, m] my gb_dist_piece() of them, column after column
 *  @return GB_ERR_CONFIG if a piece is too large for 32-bit indices */
gb_err gb_dist_put(gb_dist_matrix *a, size_t first, size_t count, const double *mine);
gb_err gb_dist_get(const gb_dist_matrix *a, size_t first, size_t count, double *mine);

/** Rows [first, first + count) of a from the pieces of the ranks.
 *  Collective over the grid.
 *  @param mine  [piece, n] my gb_dist_piece() of them, row after row
 *  @return GB_ERR_CONFIG as above, GB_ERR_MEMORY */
gb_err gb_dist_put_rows(gb_dist_matrix *a, size_t first, size_t count, const double *mine);

/** c = scale a a' + keep c, its lower triangle.
 *  Collective over the grid.
 *  @param[in] a        [m, n], of which the first `columns` are taken
 *  @param[in,out] c    [m, m] */
void gb_dist_square(double scale, const gb_dist_matrix *a, size_t columns, double keep, gb_dist_matrix *c);

/** Eigenvalues of a symmetric matrix in decreasing order, and its eigenvectors, by pdsyevd (F. Tisseur and
 *  J. Dongarra, SIAM J. Sci. Comput. 20 (1999) 2223). Signs of vectors, and turns within the space of equal
 * eigenvalues, are arbitrary. Collective over the grid.
 *  @param[in,out] a   [m, m] its lower triangle, all finite; destroyed
 *  @param[out] value  [m] the same on all ranks
 *  @param[out] vector [m, m] column k belongs to value k
 *  @return GB_ERR_NUMERIC if it does not converge */
gb_err gb_dist_eigen(gb_dist_matrix *a, double *value, gb_dist_matrix *vector);

/** Singular values in decreasing order, and left singular vectors, by pdgesvd. Signs and turns as above.
 *  Collective over the grid.
 *  @param[in,out] a   [m, n] all finite; destroyed
 *  @param[out] value  [min(m, n)] the same on all ranks
 *  @param[out] vector [m, min(m, n)]
 *  @return GB_ERR_NUMERIC if it does not converge */
gb_err gb_dist_svd(gb_dist_matrix *a, double *value, gb_dist_matrix *vector);

/** l = r' of the QR factorisation a = q r, by pdgeqrf: its singular values and left singular vectors are those of a',
 * and it is small where a is tall. Collective over the grid.
 *  @param[in,out] a  [n, m] samples in rows; destroyed
 *  @param[out] l     [m, min(m, n)]
 *  @return GB_ERR_MEMORY */
gb_err gb_dist_triangle(gb_dist_matrix *a, gb_dist_matrix *l);
