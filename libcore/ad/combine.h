/* ad/combine.h - ops that put nodes together and take them apart, stop gradients, and compare. */
#pragma once
#include "ad/graph.h"

/** One node with n copies of nodes of equal shape, each with one copy: copy k is in[k]. A layer applied to it is
 * applied to all of them with the same weights, which still are written once in a backward pass. Local.
 *  @param[in] n  1 to GB_NODE_INPUTS */
gb_node *gb_stack(gb_graph *g, int n, gb_node *const in[]);

/** One copy of a node that has several.
 *  Local.
 *  @param[in] copy  from 0 */
gb_node *gb_pick(gb_graph *g, gb_node *x, size_t copy);

/** The same value; no gradient passes.
 *  Local. */
gb_node *gb_stop(gb_graph *g, gb_node *x);

/** Channels of nodes of equal height and width, side by side.
 *  Local.
 *  @param[in] n  1 to GB_NODE_INPUTS */
gb_node *gb_concat(gb_graph *g, int n, gb_node *const in[]);

/** The same numbers in another shape of as many.
 *  Local. */
gb_node *gb_reshape(gb_graph *g, gb_node *x, gb_shape shape);

/** Numbers of each row from `first` on, as many as `shape` has.
 *  Local. */
gb_node *gb_slice(gb_graph *g, gb_node *x, size_t first, gb_shape shape);

/** y = x limited to [low, high], channel by channel; the gradient is 0 where x is outside.
 *  Local.
 *  @param[in] low, high  [channels of x] low <= high, copied; may be infinite */
gb_node *gb_clamp(gb_graph *g, gb_node *x, const double *low, const double *high);

/** y = scale x, channel by channel.
 *  Local.
 *  @param[in] scale  [channels of x], copied */
gb_node *gb_scaled(gb_graph *g, gb_node *x, const double *scale);

/** Loss term scale * sum_k |a[k] - b[k]|^2 over all numbers of a row, summed in double.
 *  Local.
 *  @param[in] n     pairs, 1 to GB_NODE_INPUTS / 2
 *  @param[in] a, b  [n] of equal width in pairs; a[k] may be b[k] */
gb_node *gb_squared_distance(gb_graph *g, int n, gb_node *const a[], gb_node *const b[], double scale);

/** Loss term lambda * scale * |a - b|^2, where lambda grows with the mean of scale * |a - b|^2 over the batch, whatever
 * the weight of the term is: a constraint a = b that is enforced more and more.
 *  Local. Source: Y. Yin et al., arXiv:2010.04456, algorithm 1: lambda += tau_2 L_traj.
 *  @param[in] lambda  a multiplier (gb_params_add_multiplier()) of no other op */
gb_node *gb_multiplied_distance(gb_graph *g, gb_node *a, gb_node *b, double scale, gb_node *lambda);

/** The same numbers for every row: a weight tensor as a node of this shape, as often as it fits: one number for each
 * channel is one for each channel of all pixels.
 *  Local. The width of the shape is a multiple of that of the weights. */
gb_node *gb_repeat(gb_graph *g, gb_node *weights, gb_shape shape);

/** One channel from many: at every pixel of x [h, w, c] a weighted mean of the channels and a pedestal, m + sum_k w[k]
 *  (x[k] - m) + w[c], m the plain mean. The weights of the channels so have the sum 1, whatever w is.
 *  Local.
 *  @param[in] w  [c + 1], which each sample has of its own */
gb_node *gb_mix_channels(gb_graph *g, gb_node *x, gb_node *w);

/** y = exp(w) x, channel by channel.
 *  Local.
 *  @param[in] w  [channels of x], which each sample has of its own */
gb_node *gb_amplify(gb_graph *g, gb_node *x, gb_node *w);
