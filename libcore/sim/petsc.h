/* sim/petsc.h - PETSc, from the first solver to the end of the program. Only sim/petsc.c, sim/integrate.c and sim/ts.c
 * include PETSc's own headers; all its objects belong to one rank (PETSC_COMM_SELF). */
#pragma once
#include "base/err.h"

/** Start PETSc, the first time; it gets no options from command line, environment or files, and no signals.
 *  Local. After MPI_Init().
 *  @return GB_ERR_LIB */
gb_err gb_petsc_begin(void);

/** End it, if it was started.
 *  Local. Before MPI_Finalize(). */
void gb_petsc_end(void);

/** The failure for a code that a function of PETSc returned: GB_ERR_NUMERIC where a number was not finite or a solver
 *  did not converge, GB_ERR_MEMORY, else GB_ERR_LIB; with PETSc's own words.
 *  Local. */
gb_err gb_petsc_failure(int code, const char *file, int line, const char *func);

#define GB_PETSC(call)                                                                                                 \
  do {                                                                                                                 \
    int code_ = (int)(call);                                                                                           \
    if (code_) return gb_petsc_failure(code_, __FILE__, __LINE__, __func__);                                           \
  } while (0)
