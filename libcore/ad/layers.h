/* ad/layers.h - network layers: dense, convolution and its transpose on lattices, each with its activation.
 *
 * Samples are rows, channels the fastest index ("NHWC"). All builders are Local. */
#pragma once
#include "ad/graph.h"
#include "linalg/activation.h"

/** y = activation(x W + b). W: [width of x, n], b: [n], or NULL as in all layers here: none.
 *  Local. */
gb_node *gb_dense(gb_graph *g, gb_node *x, gb_node *W, gb_node *b, gb_shape shape, gb_activation a);

typedef struct gb_window {
  size_t kernel, stride; /* both directions alike */
  bool zero;             /* zeros lie beyond the edges; else the lattice is periodic */
  bool padded;           /* instead of both: `pad` zeros lie around the larger image, and nothing else does */
  size_t pad;
} gb_window;

/** The side of the smaller image of a window from that of the larger one, and the other way round: n / stride and
 *  n stride; padded: (n + 2 pad - kernel) / stride + 1 rounded down and (n - 1) stride + kernel - 2 pad, or 0 where
 *  the window does not fit.
 *  Local. */
size_t gb_window_small(gb_window win, size_t n);
size_t gb_window_large(gb_window win, size_t n);

/** Convolution: output gb_window_small(h) x gb_window_small(w) x channels. Output (i, j) sees the kernel x kernel
 * inputs around (stride i, stride j), of even kernels one more to the right and below; padded, those from (stride i -
 * pad, stride j - pad) on. W: [kernel, kernel, c of x, channels]. Local. h and w must be multiples of stride and
 * kernel <= h, w; padded, kernel <= h + 2 pad, w + 2 pad. */
gb_node *gb_conv(gb_graph *g, gb_node *x, gb_node *W, gb_node *b, gb_window win, size_t channels, gb_activation a);

/** Transposed convolution: output gb_window_large(h) x gb_window_large(w) x channels; without bias and activation it
 * is the transpose of gb_conv() from that shape, with the same W: [kernel, kernel, channels, c of x]. Local. kernel <=
 * output h, w; padded, the output has at least one pixel. */
gb_node *gb_deconv(gb_graph *g, gb_node *x, gb_node *W, gb_node *b, gb_window win, size_t channels, gb_activation a);

enum { GB_TURNS = 4 };

/** Convolution of the group p4, shifts and quarter turns of the square lattice: its output has an orientation besides a
 * place, and when the input is turned by 90 degrees about pixel (0, 0) the output is, too, with its orientations moved
 * on by one. Pixels with orientations lie side by side: shape h x 4 w x c is [h, w, 4, c]. Output [h/stride, w/stride,
 * 4, channels]. W: [kernel, kernel, turns, c of x, channels].
 * Local. h = w of x, a multiple of stride; kernel odd, <= h; periodic, not padded.
 *  Source: T. S. Cohen and M. Welling, arXiv:1602.07576, section 7.
 *  @param[in] turns  orientations of x: 1 (none) or GB_TURNS */
gb_node *gb_turned_conv(gb_graph *g, gb_node *x, gb_node *W, gb_node *b, gb_window win, size_t turns, size_t channels,
                        gb_activation a);
