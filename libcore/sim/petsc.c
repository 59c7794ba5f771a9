/* sim/petsc.c - the start and end of PETSc, and its words on a failure. */
#include "sim/petsc.h"

#include <petscsys.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static char said[256]; /* of the failure that is on its way up */

/* Instead of dozens of lines per rank on standard error: the innermost message. */
static PetscErrorCode keep(MPI_Comm comm, int line, const char *function, const char *file, PetscErrorCode code,
                           PetscErrorType type, const char *message, void *ctx)
{
  (void)comm, (void)line, (void)file, (void)ctx;
  if (type == PETSC_ERROR_INITIAL) snprintf(said, sizeof said, "%s: %s", function, message ? message : "");
  return code;
}

gb_err gb_petsc_begin(void)
{
  char name[] = "greybox", a[] = "-skip_petscrc", b[] = "-no_signal_handler", *list[] = {name, a, b, NULL};
  char **argv = list, *leaked = NULL;
  int argc = 3;
  PetscBool there = PETSC_FALSE;
  PetscErrorCode code = PetscInitialized(&there);
  if (!code && there) return GB_OK;
  if (getenv("PETSC_OPTIONS")) leaked = gb_strdup(getenv("PETSC_OPTIONS"));
  unsetenv("PETSC_OPTIONS");
  PETSC_COMM_WORLD = MPI_COMM_SELF;
  code = PetscInitialize(&argc, &argv, NULL, NULL);
  if (leaked) setenv("PETSC_OPTIONS", leaked, 1);
  gb_free(&leaked);
  GB_PETSC(code);
  GB_PETSC(PetscPushErrorHandler(keep, NULL));
  return GB_OK;
}

void gb_petsc_end(void)
{
  PetscBool there = PETSC_FALSE;
  if (PetscInitialized(&there) || !there) return;
  PetscPopErrorHandler();
  PetscFinalize();
}

gb_err gb_petsc_failure(int code, const char *file, int line, const char *func)
{
  const char *text = NULL;
  gb_err e = code == PETSC_ERR_FP || code == PETSC_ERR_NOT_CONVERGED ? GB_ERR_NUMERIC
             : code == PETSC_ERR_MEM                                 ? GB_ERR_MEMORY
                                                                     : GB_ERR_LIB;
  PetscErrorMessage((PetscErrorCode)code, &text, NULL);
  e = gb_fail(e, file, line, func, "PETSc error %d (%s) %s", code, text ? text : "unknown", said);
  *said = 0;
  return e;
}
