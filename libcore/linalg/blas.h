/* linalg/blas.h - dense products on OpenBLAS. BLAS appears in blas.c only. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/real.h"

/** Make sure that OpenBLAS uses kernels that fit the processor. It chooses them when it is loaded, from a
 * table of processors, and takes its oldest ones (3 to 5 times slower) for a processor newer than the table.
 * If that happened, this starts the program again with OPENBLAS_CORETYPE set, which the user can also set,
 * for equal kernels, thus equal bits, on all nodes of a mixed cluster. Local. Before MPI_Init(); does not
 * return if it starts the program again. */
void gb_blas_choose_kernels(char *const argv[]);

/** One thread per rank: ranks already fill the cores, and thread counts must not change bits.
 *  Local. Called once at start. */
void gb_blas_start(void);

/** The BLAS this program runs with: library, version and the processor kernels it chose. Bits depend on them.
 *  Local. */
const char *gb_blas_describe(void);

/** C = alpha op(A) op(B) + beta C, row-major.
 *  Local.
 *  @param[in] ta, tb  transpose A, B
 *  @param[in] m, n, k op(A) is [m, k], op(B) is [k, n], C is [m, n]
 *  @param[in] lda, ldb, ldc  row lengths as stored */
void gb_gemm(bool ta, bool tb, size_t m, size_t n, size_t k, gb_real alpha, const gb_real *a, size_t lda,
             const gb_real *b, size_t ldb, gb_real beta, gb_real *c, size_t ldc);
