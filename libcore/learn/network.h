/* learn/network.h - a list of layers, as written in a config, becomes nodes of a graph.
 *
 * A layer is a short text, the words after its size in any order:
 *   dense N                              N outputs
 *   grid H W C                           dense, then arranged as H x W sites with C channels
 *   conv C [kernel K] [stride S]         periodic convolution to C channels; K = 3, S = 1 if not said
 *   deconv C [kernel K] [stride S]       its transpose: S times larger
 * and ends, if it differs from model.activation, with the name of an activation. */
#pragma once
#include "ad/graph.h"
#include "config/schema.h"

/** Add the layers to the graph.
 *  Local.
 *  @param[in] key         e.g. "model.encoder", for messages; its last word prefixes the names of the weights
 *  @param[in] activation  of layers that do not name one
 *  @param[in,out] table   a line per layer is appended: text, shapes, weights
 *  @return NULL after a failure (kept by the graph): GB_ERR_CONFIG naming the layer and the shapes */
gb_node *gb_network_build(gb_graph *g, const char *key, gb_texts layers, const char *activation, gb_node *x,
                          gb_text *table);

/** One more dense layer without activation, small weights: the last layer of a part.
 *  Local. */
gb_node *gb_network_dense_head(gb_graph *g, const char *name, gb_node *x, gb_shape shape, gb_text *table);

/** The last layer of a decoder to `channels` channels on h x w sites: a 3 x 3 convolution if x is already arranged so,
 *  else dense.
 *  Local. */
gb_node *gb_network_site_head(gb_graph *g, const char *name, gb_node *x, gb_shape shape, gb_text *table);
