/* ad/elementwise.h - small ops without weights. */
#pragma once
#include "ad/graph.h"
#include "linalg/activation.h"

/** y = activation(a + b), of equal shape: the end of a residual block.
 *  Local. */
gb_node *gb_add(gb_graph *g, gb_node *a, gb_node *b, gb_activation activation);

/** y = activation(x).
 *  Local. */
gb_node *gb_activated(gb_graph *g, gb_node *x, gb_activation activation);

/** The mean of each channel over all pixels: 1 x 1 x c.
 *  Local. */
gb_node *gb_mean(gb_graph *g, gb_node *x);

/** In training every number is 0 with probability `rate`, else divided by 1 - rate; after it y = x. Which are left out
 *  is a function of (seed, name, step, global number of the row): of row * copies + copy, where there are copies.
 *  Local. Source: N. Srivastava et al., J. Mach. Learn. Res. 15 (2014) 1929, section 10 ("inverted": scaled in
 * training).
 *  @param[in] rate   0 < rate < 1; met within 2^-32
 *  @param[in] name   of the layer: no two of a model share one
 *  @param[in] draws  borrowed */
gb_node *gb_dropout(gb_graph *g, gb_node *x, double rate, const char *name, const gb_draws *draws);
