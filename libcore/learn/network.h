/* learn/network.h - a list of layers, as written in a config, becomes nodes of a graph.
 *
 * A layer is a short text, e.g. "conv 32 kernel 4 stride 2 tanh"; which there are: the table of learn/layer.c, shown in
 * docs/CONFIG.md. */
#pragma once
#include "ad/graph.h"
#include "config/schema.h"

/** Add the layers to the graph.
 *  Local.
 *  @param[in] draws       for layers that are another in training (batch norm, dropout); borrowed by the graph
 *  @param[in] key         e.g. "model.encoder", for messages; its last word prefixes the names of the weights
 *  @param[in] activation  of layers with a product that name none
 *  @param[in,out] table   a line per layer is appended: text, shapes, weights
 *  @return NULL after a failure (kept by the graph): GB_ERR_CONFIG naming the layer and the shapes */
gb_node *gb_network_build(gb_graph *g, const gb_draws *draws, const char *key, gb_texts layers, const char *activation,
                          gb_node *x, gb_text *table);

/** One more dense layer without activation, small weights: the last layer of a part.
 *  Local. */
gb_node *gb_network_dense_head(gb_graph *g, const char *name, gb_node *x, gb_shape shape, gb_text *table);

/** The last layer of a decoder, onto h x w sites: a 3 x 3 convolution if x is already arranged so; a transposed
 * convolution of stride s and kernel 2 s - 1 if x is s times coarser; else dense. Local. */
gb_node *gb_network_site_head(gb_graph *g, const char *name, gb_node *x, gb_shape shape, gb_text *table);
