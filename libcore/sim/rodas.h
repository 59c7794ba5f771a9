/* sim/rodas.h - a Rosenbrock method of order 5 for PETSc's TS, whose own are of order 4 at most and spend most of the
 * time of a small system outside of it. */
#pragma once
#include <petscts.h>

#include "sim/integrate.h"

/** Make a TS use Rodas5P: order 5(4), L-stable, eight stages (G. Steinebach, BIT Numer. Math. 63 (2023) 27). The steps
 *  are TSAdapt's; the error is the root of the mean square, weighted by the tolerances of the TS.
 *  Local. After gb_petsc_begin().
 *  @param[in]  f     with a Jacobian; outlives the TS
 *  @param[out] wild  set by an attempt at a step in which a rate was not finite; outlives the TS */
PetscErrorCode gb_rodas_use(TS ts, const gb_equation *f, bool *wild);
