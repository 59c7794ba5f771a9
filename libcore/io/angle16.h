/* io/angle16.h - angles in two bytes: the circle in 65536 equal cells.
 *
 * Code q stands for the middle of its cell, theta = (q + 0.5) 2 pi / 65536 - pi. An angle and what is read back differ
 * by at most half a cell, pi / 65536 = 4.8e-5 rad, and a rounding to float. Both ways are plain arithmetic in double,
 * without libm: the same bits everywhere. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* What the attribute `unit` of a dataset of codes says. */
#define GB_ANGLE16_UNIT "2 pi / 65536 rad, from -pi; code + 0.5"

/** Angles to codes.
 *  Local.
 *  @param[in] theta  [n] in [-pi, pi], rad. The ends, where rounding may put float(pi) beyond pi, go to the cells at
 *                    their own side: -pi to 0, pi to 65535. What lies beyond goes there too, NaN to 0.
 *  @param[out] q     [n] */
void gb_angle16_encode(size_t n, const float *theta, uint16_t *q);

/** Codes to angles in (-pi, pi), rad; encoding these gives the same codes.
 *  Local.
 *  @param[out] theta  [n] */
void gb_angle16_decode(size_t n, const uint16_t *q, float *theta);
