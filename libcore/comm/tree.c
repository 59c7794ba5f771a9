/* comm/tree.c - cutting ranges, adding subtrees. */
#include "comm/tree.h"

#include <string.h>

size_t gb_tree_cut(gb_range shards, gb_range part[GB_TREE_PARTS])
{
  size_t n = 0, end = shards.first + shards.count;
  for (size_t at = shards.first; at < end; at += part[n++].count) {
    size_t count = 1;
    while (at % (2 * count) == 0 && at + 2 * count <= end) count *= 2;
    GB_ASSERT(n < GB_TREE_PARTS);
    part[n] = (gb_range){at, count};
  }
  return n;
}

typedef struct walk {
  const gb_range *part; /* the next one */
  const gb_real *const *in;
  size_t at, n;
  gb_real sum[GB_TREE_BITS + 2][GB_TREE_BLOCK]; /* of a left half, while its right half is added */
} walk;

static void add(size_t n, const gb_real *left, const gb_real *right, gb_real *restrict out)
{
  for (size_t i = 0; i < n; i++) out[i] = left[i] + right[i];
}

/* The sum over shards: a vector of the caller or w->sum[depth]. */
static const gb_real *walk_over(walk *w, size_t first, size_t count, int depth)
{
  if (w->part->first == first && w->part->count == count) {
    w->part++;
    return *w->in++ + w->at;
  }
  size_t half = 1;
  GB_ASSERT(count > 1 && depth <= GB_TREE_BITS);
  while (2 * half < count) half *= 2;
  const gb_real *left = walk_over(w, first, half, depth);
  const gb_real *right = walk_over(w, first + half, count - half, depth + 1);
  gb_real *sum = w->sum[depth];
  if (left == sum) /* the compiler may then forget that they could overlap */
    for (size_t i = 0; i < w->n; i++) sum[i] += right[i];
  else
    add(w->n, left, right, sum);
  return sum;
}

void gb_tree_add(gb_range shards, const gb_range part[], const gb_real *const in[], size_t at, size_t n, gb_real *out)
{
  walk w; /* not cleared: every element is written before it is read */
  GB_ASSERT(n <= GB_TREE_BLOCK);
  w.part = part;
  w.in = in;
  w.at = at;
  w.n = n;
  const gb_real *sum = walk_over(&w, shards.first, shards.count, 0);
  if (sum != out) memmove(out, sum, n * sizeof *out);
}
