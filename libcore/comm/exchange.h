/* comm/exchange.h - gradients in, weights out.
 *
 * Gradients of shards are added in the fixed tree of comm/tree.h. Every weight has one owner among the ranks: it gets
 * the sum, computes the new weight, and writes it to where all ranks see it. Weights therefore depend neither on ranks
 * nor on nodes. On a node nothing is sent: gradients and the one copy of the weights lie in memory that its ranks
 * share. Between nodes, ranks of equal place (a lane) send each other what their node has already added, bucket by
 * bucket while the backward pass goes on, and afterwards the new weights.
 *
 * One step: fill the parts; gb_exchange_sum(); write the weights of the pieces; gb_exchange_share(). */
#pragma once
#include "comm/cluster.h"
#include "comm/tree.h"

typedef struct gb_exchange gb_exchange;

typedef struct gb_exchange_opts {
  size_t n_tensors;
  const size_t *size;    /* [n_tensors] elements, with padding: they follow each other in the vector of weights */
  const bool *unclipped; /* [n_tensors] not part of the norm; NULL: all are */
  size_t n_shards;       /* 1 ... 2^GB_TREE_BITS */
  size_t n_side;         /* doubles carried along by every sum */
  size_t bucket;         /* elements that are worth a message of their own; 0: a good number */
  bool fast;             /* every rank adds its shards as it likes, and the library adds those sums: the bits of the
                            result depend on the ranks */
} gb_exchange_opts;

/** Everything is set up here: no memory is asked for later.
 *  Collective over cluster->all.
 *  @param[in] cluster  copied; closed after the exchange is destroyed
 *  @return GB_ERR_MEMORY */
gb_err gb_exchange_create(const gb_cluster *cluster, const gb_exchange_opts *opts, gb_exchange **out);
void gb_exchange_destroy(gb_exchange **x);

/** The parts of the sum that this rank provides: whole subtrees of shards (fast: all its shards at once). A rank
 * without shards has none. Local. Borrowed.
 *  @param[out] n  their number */
const gb_range *gb_exchange_parts(const gb_exchange *x, size_t *n);

/** Where the gradient of part i goes: [elements of all tensors]. Padding stays 0.
 *  Local. Borrowed. Free from the end of gb_exchange_share() to gb_exchange_sum(), which overwrites it. */
gb_real *gb_exchange_gradient(gb_exchange *x, size_t i);

/** The weights: one copy for all ranks of the node (fast: one each).
 *  Local. Borrowed; [elements of all tensors], at first 0. A rank writes its own pieces only, after gb_exchange_sum().
 */
gb_real *gb_exchange_weights(gb_exchange *x);

/** What this rank owns: ranges of elements, in order (fast: everything).
 *  Local. Borrowed.
 *  @param[out] n  their number */
const gb_range *gb_exchange_pieces(const gb_exchange *x, size_t *n);

/** Elements of all pieces.
 *  Local. */
size_t gb_exchange_owned(const gb_exchange *x);

/** Can a sum begin before the gradients are complete? Then gb_exchange_passed() is worth calling.
 *  Local. */
bool gb_exchange_overlaps(const gb_exchange *x);

/** Say that elements from `first` on are final in all parts of this rank, and let messages make progress.
 *  Local: never waits. May be left out; gb_exchange_sum() says it of the rest. */
void gb_exchange_passed(gb_exchange *x, size_t first);

/** gradient = scale * sum over all shards, in the pieces of this rank.
 *  Collective over cluster->all. A rank that failed takes part with whatever is in its parts, and says so in `side`.
 *  @param[in,out] side  [n_side] in: -INFINITY where this rank has nothing to say, else the value; out: the largest
 * over the ranks, that is every value on every rank; INFINITY for what was not finite
 *  @param[out] gradient  indexed like the weights, of use in the pieces only. Borrowed until gb_exchange_share().
 *  @param[out] norm     Euclidean norm of the whole gradient, but for unclipped tensors: the same bits on any ranks
 *  @return a tensor with an element that is not finite, the lowest one, or n_tensors if all is well; the same on all
 *          ranks */
size_t gb_exchange_sum(gb_exchange *x, double scale, double *side, const gb_real **gradient, double *norm);

/** The weights that every rank wrote in its pieces are now everywhere.
 *  Collective over cluster->all. */
void gb_exchange_share(gb_exchange *x);

/** Put a vector together of which every rank has its pieces, on rank 0; and deal it out.
 *  Collective over cluster->all.
 *  @param[in]  mine  [gb_exchange_owned()] the pieces, one after the other
 *  @param[out] all   [elements of all tensors] on rank 0 */
void gb_exchange_gather(gb_exchange *x, const gb_real *mine, gb_real *all);
void gb_exchange_deal(gb_exchange *x, const gb_real *all, gb_real *mine);
