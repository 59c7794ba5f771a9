/* learn/network.h - a list of layers, as written in a config, becomes nodes of a graph.
 *
 * A layer is a short text, e.g. "conv 32 kernel 4 stride 2 tanh"; which there are: the table of learn/layer.c, shown in
 * docs/CONFIG.md. */
#pragma once
#include "ad/graph.h"
#include "base/text.h"
#include "config/schema.h"
#include "linalg/activation.h"

/* How weights start: uniform numbers within +- a bound. */
typedef enum gb_init {
  GB_INIT_GAIN, /* variance gain / fan_in, biases 0 (K. He et al., arXiv:1502.01852, eq. 10; gain 2 keeps the signal of
                   rectifiers, 1 that of smooth activations) */
  GB_INIT_FAN_IN, /* bound 1 / sqrt(fan_in), biases as well (Y. LeCun et al., Efficient BackProp, 1998, with a third of
                     its variance: what PyTorch does) */
} gb_init;

/* What layers have in common that do not say it themselves. */
typedef struct gb_style {
  const gb_draws *draws;  /* for layers that are another in training (batch norm, dropout); borrowed by the graph */
  const char *activation; /* of layers with a product that name none: one of GB_ACTIVATIONS */
  gb_init init;
  gb_text *table; /* a line per layer is appended: text, shapes, weights */
} gb_style;

/** Add the layers to the graph.
 *  Local.
 *  @param[in] key     e.g. "model.encoder", for messages
 *  @param[in] prefix  of the names of the weights; NULL: the last word of key
 *  @return NULL after a failure (kept by the graph): GB_ERR_CONFIG naming the layer and the shapes */
gb_node *gb_network_build(gb_graph *g, const gb_style *style, const char *key, const char *prefix, gb_texts layers,
                          gb_node *x);

/** One more dense layer without activation, small weights: the last layer of a part.
 *  Local. */
gb_node *gb_network_dense_head(gb_graph *g, const gb_style *style, const char *name, gb_node *x, gb_shape shape);

/** The last layer of a decoder, onto h x w sites: a 3 x 3 convolution if x is already arranged so; a transposed
 * convolution of stride s and kernel 2 s - 1 if x is s times coarser; else dense. Local. */
gb_node *gb_network_site_head(gb_graph *g, const gb_style *style, const char *name, gb_node *x, gb_shape shape);

/** Weights of a dense layer that an op of its own kind applies, such as one inside a differential equation.
 *  Local. NULL after a failure.
 *  @param[in] closing  it is the last one of a network that adds to something: it starts ten times smaller */
typedef struct gb_dense_weights {
  gb_node *w, *b; /* [inputs, outputs], [outputs] */
} gb_dense_weights;
gb_dense_weights gb_network_dense_weights(gb_graph *g, const gb_style *style, const char *name, const char *text,
                                          size_t inputs, size_t outputs, gb_activation a, bool closing);
