/* comm/tree.h - the fixed binary tree in which the vectors of shards are added, so that it does not matter who adds.
 *
 * The sum over shards [first, first + count) is the shard itself if count is 1; else it is the sum over the first 2^k
 * of them, 2^k being the largest power of two below count, plus the sum over the rest. Subtrees of 2^k shards that
 * start at a multiple of 2^k are whole: they are the same in a tree over any number of shards. */
#pragma once
#include "base/real.h"
#include "comm/comm.h"

enum { GB_TREE_BITS = 20, GB_TREE_PARTS = 2 * GB_TREE_BITS, GB_TREE_BLOCK = 512 };

/** Cut a range of shards into the fewest whole subtrees.
 *  Local.
 *  @param[out] part  in order
 *  @return their number; a range has at most 2^GB_TREE_BITS shards */
size_t gb_tree_cut(gb_range shards, gb_range part[GB_TREE_PARTS]);

/** out = sum over `shards`, put together from subtrees.
 *  Local. Additions are those of the tree, in gb_real.
 *  @param[in]  part  whole subtrees that make up `shards`, in order
 *  @param[in]  in    the vector of every part
 *  @param[in]  n     elements, at most GB_TREE_BLOCK
 *  @param[in]  at    where they start in the vectors
 *  @param[out] out   [n] */
void gb_tree_add(gb_range shards, const gb_range part[], const gb_real *const in[], size_t at, size_t n, gb_real *out);
