/* report/hybrid_reference.h - what others found with the same models on data of the same kind. */
#pragma once
#include "report/hybrid_assess.h"

typedef struct gb_reference {
  const char *physics, *model; /* names of a gb_physics, and of gb_hybrid_name() */
  bool global;                 /* one set of parameters for all rows (hybrid.inference: global) */
  const char *source;
  gb_hybrid_numbers number; /* 0: not known */
} gb_reference;

/** v, or NAN if it is 0: not known.
 *  Local. */
double gb_reference_value(double v);

/** All there are, of all physics.
 *  Local. Borrowed.
 *  @param[out] n  their number */
const gb_reference *gb_references(size_t *n);
