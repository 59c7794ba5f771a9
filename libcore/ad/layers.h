/* ad/layers.h - network layers: dense, convolution and its transpose on periodic lattices, each with its activation.
 *
 * Samples are rows, channels the fastest index ("NHWC"), weights [inputs, outputs]. All builders are Local. */
#pragma once
#include "ad/graph.h"

/* Every derivative follows from the value, so an activation needs no memory of its own. */
#define GB_ACTIVATIONS "none|relu|elu|tanh|softplus"
typedef enum gb_activation { GB_NONE, GB_RELU, GB_ELU, GB_TANH, GB_SOFTPLUS } gb_activation;

/** The activation of this name (one of GB_ACTIVATIONS), or -1.
 *  Local. */
int gb_activation_find(const char *name);

/** y = activation(x W + b). W: [width of x, n], b: [n].
 *  Local. */
gb_node *gb_dense(gb_graph *g, gb_node *x, gb_node *W, gb_node *b, gb_shape shape, gb_activation a);

typedef struct gb_window {
  size_t kernel, stride;
} gb_window; /* both directions alike */

/** Convolution with periodic padding: output h/stride x w/stride x channels. Output (i, j) sees the kernel x kernel
 * inputs around (stride i, stride j), of even kernels one more to the right and below. W: [kernel, kernel, c of x,
 * channels]. Local. h and w must be multiples of stride, kernel <= h, w. */
gb_node *gb_conv(gb_graph *g, gb_node *x, gb_node *W, gb_node *b, gb_window win, size_t channels, gb_activation a);

/** Transposed convolution: output h*stride x w*stride x channels; without activation it is the transpose of gb_conv()
 * of that shape. W: [c of x, kernel, kernel, channels]. Local. kernel <= output h, w. */
gb_node *gb_deconv(gb_graph *g, gb_node *x, gb_node *W, gb_node *b, gb_window win, size_t channels, gb_activation a);
