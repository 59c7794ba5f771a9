/* comm/reduce.h - the sum of gradients over shards: exact, so that ranks and order never show. */
#pragma once
#include "base/real.h"
#include "comm/comm.h"

typedef struct gb_reduce gb_reduce;

/** A sum over `n_shards` shards of vectors made of blocks (one per weight tensor). Ranks own contiguous
 * ranges of shards; a rank may own none. Collective over c.
 *  @param[in] n_blocks, block_size  lengths of the blocks, in elements
 *  @param[in] n_shards  1 ... 2^20
 *  @param[in] n_side    doubles carried along by every sum
 *  @return GB_ERR_MEMORY */
gb_err gb_reduce_create(gb_comm c, size_t n_blocks, const size_t block_size[], size_t n_shards, size_t n_side,
                        gb_reduce **out);
void gb_reduce_destroy(gb_reduce **r);

/** The shards of this rank.
 *  Local. */
gb_range gb_reduce_mine(const gb_reduce *r);

/** Where shard number `shard` (global, one of mine) puts its vector.
 *  Local. Borrowed from r; [sum of block_size]. */
gb_real *gb_reduce_slot(gb_reduce *r, size_t shard);

/** total = scale * sum over all shards of their vectors.
 *  Collective over c. Exact in fixed point: the largest magnitude of each block over all shards sets a power
 * of two, every element becomes a 64-bit integer with at least 40 bits below it, and integers are added. Any
 * order and any grouping give the same bits; the result differs from the real sum by less than n_shards * 2^-40
 * of the block's largest element.
 *  @param[in,out] side  [n_side] in: -INFINITY where this rank has nothing to say, else the value; out: the
 * largest over the ranks, that is every value on every rank; INFINITY for what was not finite
 *  @param[out] total    [sum of block_size], the same on all ranks; of use only if all is well
 *  @return a block with an element, or a sum, that is not finite, or n_blocks if all is well */
size_t gb_reduce_sum(gb_reduce *r, double scale, double *side, gb_real *total);
