/* linalg/normals.h - standard normal numbers of many streams at once, in vector lanes. */
#pragma once
#include "base/rng.h"

/** Row r of out gets n independent standard normal numbers of stream (purpose, first + r, step): which ones does not
 *  depend on the rows drawn with it. Up to 6.7 in float; their distribution is right to the 24 bits of a float.
 *  Local.
 *  @param[in]  first   global number of the first row
 *  @param[in]  stride  numbers between the starts of rows, at least n
 *  @param[out] out     [rows, stride]
 *  Source: G. E. P. Box and M. E. Muller, Ann. Math. Statist. 29 (1958) 610, on Philox blocks (base/rng.h): words 0 and
 *  1 of a block make its numbers 0 and 1, words 2 and 3 the next two. */
void gb_normals(uint64_t seed, gb_purpose purpose, uint64_t first, uint64_t step, size_t rows, size_t n, size_t stride,
                gb_real *out);
