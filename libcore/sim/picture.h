/* sim/picture.h - the known image of a physics as an op. */
#pragma once
#include "ad/graph.h"
#include "sim/physics.h"

/** The image of parameters, [shape[0], shape[1], channels].
 *  Local.
 *  @param[in] sim    has gb_image; borrowed
 *  @param[in] theta  [n_parameter], inside the box of sim->dims
 *  @return a failed graph with GB_ERR_CONFIG if there is no known image or theta has another width */
gb_node *gb_image_draw(gb_graph *g, const gb_sim *sim, gb_node *theta);
