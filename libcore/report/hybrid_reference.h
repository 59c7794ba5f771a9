/* report/hybrid_reference.h - what others found with the same models on data of the same kind. */
#pragma once
#include "report/hybrid_assess.h"

typedef struct gb_reference {
  const char *physics, *model; /* names of a gb_physics, and of gb_hybrid_name() */
  const char *source;
  gb_hybrid_numbers number; /* 0: not known */
} gb_reference;

/** All there are, of all physics.
 *  Local. Borrowed.
 *  @param[out] n  their number */
const gb_reference *gb_references(size_t *n);
