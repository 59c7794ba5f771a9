/* sweep/sobol.h - points that fill a cube more evenly than random ones. */
#pragma once
#include <stdint.h>

enum { GB_SOBOL_DIMENSIONS = 21 };

/** Coordinate `dimension` of point n of the Sobol sequence, times 2^32, in the order of Gray codes: the first 2^k
 * points, and every further block of 2^k, are one in each interval of length 2^-k of every coordinate. Direction
 * numbers: S. Joe and F. Y. Kuo, SIAM J. Sci. Comput. 30 (2008) 2635, file new-joe-kuo-6.21201. Local.
 *  @param[in] dimension  0 ... GB_SOBOL_DIMENSIONS - 1 */
uint32_t gb_sobol(int dimension, uint32_t n);
