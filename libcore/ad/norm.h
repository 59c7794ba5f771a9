/* ad/norm.h - activations brought to mean 0 and variance 1: each channel over a piece of the batch, or each site over
 * its channels; then scaled by gamma and shifted by beta, which are learned. */
#pragma once
#include "ad/graph.h"
#include "linalg/activation.h"

/* Added to every variance, as in PyTorch. */
#define GB_NORM_EPSILON 1e-5

/** Batch norm: y = activation(gamma (x - mean) / sqrt(variance + 1e-5) + beta), channel by channel.
 *  In training mean and variance are those over the rows, all their copies and the sites of one of the pieces that a
 * pass consists of: a shard, whose size belongs to the experiment as ranks do not ("ghost batch norm": E. Hoffer et
 * al., arXiv:1705.08741, algorithm 1). Else they are the running ones, towards which gradients of `mean` and `variance`
 * lead: the means over pieces of what a piece has, the variance with n - 1 in the denominator, as PyTorch keeps it.
 *  gb_graph_run() fails with GB_ERR_CONFIG if a channel has fewer than two values in a piece.
 *  Local. Source: S. Ioffe and C. Szegedy, arXiv:1502.03167, algorithm 1.
 *  @param[in] gamma, beta     [channels of x] weights
 *  @param[in] mean, variance  [channels of x] statistics (gb_params_add_statistic())
 *  @param[in] draws           borrowed: whether this is training */
gb_node *gb_batch_norm(gb_graph *g, gb_node *x, gb_node *gamma, gb_node *beta, gb_node *mean, gb_node *variance,
                       const gb_draws *draws, gb_activation a);

/** Layer norm: y = activation(gamma (x - mean) / sqrt(variance + 1e-5) + beta) with mean and variance over the channels
 * of a site, the same in training and after it. Behind a dense layer, one site, this is J. L. Ba et al.,
 * arXiv:1607.06450, eq. 4; on a lattice that of Z. Liu et al., arXiv:2201.03545, section 2.6, which keeps the symmetry
 * of translations. Local.
 *  @param[in] gamma, beta  [channels of x] weights */
gb_node *gb_layer_norm(gb_graph *g, gb_node *x, gb_node *gamma, gb_node *beta, gb_activation a);
