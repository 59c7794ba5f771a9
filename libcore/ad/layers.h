/* ad/layers.h - network layers: dense, convolution and its transpose on lattices, each with its activation.
 *
 * Samples are rows, channels the fastest index ("NHWC"). All builders are Local. */
#pragma once
#include "ad/graph.h"
#include "linalg/activation.h"

/** y = activation(x W + b). W: [width of x, n], b: [n].
 *  Local. */
gb_node *gb_dense(gb_graph *g, gb_node *x, gb_node *W, gb_node *b, gb_shape shape, gb_activation a);

typedef struct gb_window {
  size_t kernel, stride; /* both directions alike */
  bool zero;             /* zeros lie beyond the edges; else the lattice is periodic */
} gb_window;

/** Convolution: output h/stride x w/stride x channels. Output (i, j) sees the kernel x kernel inputs around (stride i,
 * stride j), of even kernels one more to the right and below. W: [kernel, kernel, c of x, channels]. Local. h and w
 * must be multiples of stride, kernel <= h, w. */
gb_node *gb_conv(gb_graph *g, gb_node *x, gb_node *W, gb_node *b, gb_window win, size_t channels, gb_activation a);

/** Transposed convolution: output h*stride x w*stride x channels; without bias and activation it is the transpose of
 * gb_conv() from that shape, with the same W: [kernel, kernel, channels, c of x]. Local. kernel <= output h, w. */
gb_node *gb_deconv(gb_graph *g, gb_node *x, gb_node *W, gb_node *b, gb_window win, size_t channels, gb_activation a);
