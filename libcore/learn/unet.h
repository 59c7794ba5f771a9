/* learn/unet.h - an image to an image of the same size: what is fine passes beside what is coarse. */
#pragma once
#include "learn/network.h"

/** A U-Net. Down: two convolutions with batch norm and ReLU on each of n_widths levels, and between levels the largest
 *  of 2 x 2 pixels. Up: bilinear interpolation to twice the size with the corners in place, beside it (after its
 *  channels) what was there on the way down, two convolutions, ReLU and batch norm in this order. Then a convolution to
 *  channels_out. All are 3 x 3 with one pixel of zeros around, but these: if the side of x is 5 more than a multiple of
 *  2^(n_widths - 1), the first two (kernels 3 and 4, no zeros) take those 5 pixels off; if h_out is another side than
 *  the finest level has, the last one (kernel 2 or 3) brings it there. No bias where a batch norm follows.
 *  Local. Source: O. Ronneberger et al., arXiv:1505.04597, section 2, with padded convolutions and interpolation; of
 *  69 x 69 pixels as N. Takeishi and A. Kalousis, arXiv:2102.13156, have it for galaxies.
 *  @param[in] style    its activation is not used: see above
 *  @param[in] name     begins the names of the weights: no dot in it, another for each U-Net of a model
 *  @param[in] x        square images
 *  @param[in] widths   [n_widths] channels of the levels, the finest first
 *  @param[in] h_out    side of the output: at most 2 less and 5 more than that of the finest level
 *  @return h_out x h_out x channels_out, without activation; NULL after a failure (kept by the graph): GB_ERR_CONFIG
 *          naming sizes and those that would fit */
gb_node *gb_unet_build(gb_graph *g, const gb_style *style, const char *name, gb_node *x, size_t n_widths,
                       const size_t widths[], size_t channels_out, size_t h_out);
