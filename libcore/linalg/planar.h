/* linalg/planar.h - a sample of angles as a model sees it: unit vectors, or angles in half turns; turned so that their
 * sum points along x, if so wished. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/real.h"

/** Unit vectors of n angles.
 *  Local.
 *  @param[in]  align  turn all by one angle, so that the direction of their sum is 0
 *  @param[out] v      [n, 2] (cos, sin)
 *  @return the angle by which they were turned back, rad; 0 without align */
double gb_planar_vectors(size_t n, const float *angle, bool align, gb_real *v);

/** Angles of n vectors, divided by pi: in [-1, 1].
 *  Local. */
void gb_planar_half_turns(size_t n, const gb_real *v, gb_real *out);
