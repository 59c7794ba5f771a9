/* comm/reduce.c - fixed-point sums of float vectors.
 *
 * Why not MPI_Allreduce of floats: its bits depend on the number of ranks. Why not a tree over shards: it
 * needs its own communication. Integers need neither: addition is associative, so one MPI_Allreduce of 64-bit
 * integers does it, whoever adds first. The power of two of a block must be known before the first element is
 * converted; it travels with the losses of the step in one small allreduce of maxima. */
#include "comm/reduce.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { FRACTION_BITS = 62 }; /* of int64_t: sign and one bit stay free */

struct gb_reduce {
  gb_comm c;
  gb_range mine;
  size_t n_blocks, *first; /* block b is [first[b], first[b + 1]) */
  int shard_bits;          /* headroom: 2^shard_bits >= n_shards */
  gb_real *slots;          /* [mine.count, n] */
  int64_t *fixed;          /* [n] */
  size_t n_side;
  double *small; /* [n_blocks + n_side] maxima of the blocks, then the side values */
};

gb_err gb_reduce_create(gb_comm c, size_t n_blocks, const size_t block_size[], size_t n_shards, size_t n_side,
                        gb_reduce **out)
{
  gb_reduce *r;
  gb_err e = GB_OK;
  GB_ASSERT(n_shards >= 1 && n_shards <= (size_t)1 << 20);
  GB_TRY(gb_comm_agree(c, gb_new(&r, 1)));
  *r = (gb_reduce){.c = c, .mine = gb_comm_share(c, n_shards), .n_blocks = n_blocks, .n_side = n_side};
  while ((size_t)1 << r->shard_bits < n_shards) r->shard_bits++;
  GB_GOTO(e, gb_new(&r->first, n_blocks + 1), done);
  for (size_t b = 0; b < n_blocks; b++) r->first[b + 1] = r->first[b] + block_size[b];
  GB_GOTO(e, gb_new(&r->slots, r->mine.count * r->first[n_blocks]), done);
  GB_GOTO(e, gb_new(&r->fixed, r->first[n_blocks]), done);
  GB_GOTO(e, gb_new(&r->small, n_blocks + n_side), done);
done:
  e = gb_comm_agree(c, e);
  if (e) gb_reduce_destroy(&r);
  *out = r;
  return e;
}

void gb_reduce_destroy(gb_reduce **r)
{
  if (!*r) return;
  gb_free(&(*r)->first);
  gb_free(&(*r)->slots);
  gb_free(&(*r)->fixed);
  gb_free(&(*r)->small);
  gb_free(r);
}

gb_range gb_reduce_mine(const gb_reduce *r)
{
  return r->mine;
}

gb_real *gb_reduce_slot(gb_reduce *r, size_t shard)
{
  GB_ASSERT(shard >= r->mine.first && shard - r->mine.first < r->mine.count);
  return r->slots + (shard - r->mine.first) * r->first[r->n_blocks];
}

/* Largest magnitude of a vector; INFINITY if an element is not finite. */
static double magnitude(size_t n, const gb_real *v)
{
  gb_real largest = 0;
  int finite = 1;
  for (size_t i = 0; i < n; i++) {
    gb_real a = v[i] < 0 ? -v[i] : v[i];
    finite &= v[i] - v[i] == 0; /* false for NaN and both infinities */
    largest = a > largest ? a : largest;
  }
  return finite ? (double)largest : INFINITY;
}

static void add_fixed(size_t n, double to_fixed, const gb_real *restrict v, int64_t *restrict sum)
{
  for (size_t i = 0; i < n; i++) sum[i] += (int64_t)((double)v[i] * to_fixed);
}

/* Are all results finite? A sum of finite elements may be beyond a float. */
static bool from_fixed(size_t n, double to_real, const int64_t *restrict sum, gb_real *restrict total)
{
  int finite = 1;
  for (size_t i = 0; i < n; i++) {
    total[i] = (gb_real)((double)sum[i] * to_real);
    finite &= total[i] - total[i] == 0;
  }
  return finite;
}

/* 0 at the precision of any float; its power of two would leave the range of double. */
static bool negligible(double largest)
{
  return largest < 0x1p-900;
}

/* Bits by which a block is shifted to become integers: |element| < 2^exponent <= 2^(62 - shard_bits - shift).
 */
static int shift_of(const gb_reduce *r, double largest)
{
  int exponent;
  frexp(largest, &exponent);
  return FRACTION_BITS - r->shard_bits - exponent;
}

size_t gb_reduce_sum(gb_reduce *r, double scale, double *side, gb_real *total)
{
  size_t n = r->first[r->n_blocks];
  double *largest = r->small, *carried = r->small + r->n_blocks;
  for (size_t b = 0; b < r->n_blocks; b++) {
    largest[b] = 0;
    for (size_t k = 0; k < r->mine.count; k++)
      largest[b] = fmax(largest[b], magnitude(r->first[b + 1] - r->first[b], r->slots + k * n + r->first[b]));
  }
  for (size_t i = 0; i < r->n_side; i++) carried[i] = isnan(side[i]) ? INFINITY : side[i];
  gb_comm_max(r->c, r->small, r->n_blocks + r->n_side);
  for (size_t i = 0; i < r->n_side; i++) side[i] = carried[i];
  for (size_t b = 0; b < r->n_blocks; b++)
    if (isinf(largest[b])) return b;

  memset(r->fixed, 0, n * sizeof *r->fixed);
  for (size_t b = 0; b < r->n_blocks; b++) {
    if (negligible(largest[b])) continue;
    double to_fixed = ldexp(1, shift_of(r, largest[b]));
    for (size_t k = 0; k < r->mine.count; k++)
      add_fixed(r->first[b + 1] - r->first[b], to_fixed, r->slots + k * n + r->first[b], r->fixed + r->first[b]);
  }
  gb_comm_sum_i64(r->c, r->fixed, n);
  for (size_t b = 0; b < r->n_blocks; b++) {
    double to_real = negligible(largest[b]) ? 0 : scale * ldexp(1, -shift_of(r, largest[b]));
    if (!from_fixed(r->first[b + 1] - r->first[b], to_real, r->fixed + r->first[b], total + r->first[b])) return b;
  }
  return r->n_blocks;
}
