/* ad/image.h - ops that make images smaller or larger, channel by channel. */
#pragma once
#include "ad/graph.h"

/** The largest number of each size x size block of a channel: h / size x w / size x c, rounded down; what is left over
 *  at the right and below is not seen. The gradient goes to the first of equals. A NaN stays one.
 *  Local. size <= h, w. */
gb_node *gb_max_pool(gb_graph *g, gb_node *x, size_t size);

/** Bilinear interpolation to h x w x c, with the corners of both images at the same place: pixel i of n lies at i (m -
 *  1) / (n - 1) of m; a single one at 0.
 *  Local. */
gb_node *gb_upsample(gb_graph *g, gb_node *x, size_t h, size_t w);
