/* linalg/jacobi.h - eigenvalues and eigenvectors of many small symmetric matrices at once, one in each vector lane. */
#pragma once
#include <stddef.h>

enum { GB_JACOBI_LANES = 8 };

/** A = V diag(lambda) V' of GB_JACOBI_LANES symmetric matrices, in no order. The bits of one do not depend on the
 * others. Local. m <= 64. Of positive definite matrices small eigenvalues are as exact, relatively, as a scaling of
 * rows and columns allows (J. Demmel and K. Veselic, SIAM J. Matrix Anal. Appl. 13 (1992) 1204). Source: Jacobi in the
 * order of a round robin, G. H. Golub and C. F. Van Loan, Matrix Computations, section 8.5.
 *  @param[in,out] a  [m, m, lanes]; eigenvalues are left on its diagonal
 *  @param[out]    v  [m, m, lanes] vectors in columns */
void gb_jacobi(size_t m, double *a, double *v);
