/* comm/exchange.c - the sum over shards and the way back.
 *
 * Why every weight has an owner, and not every rank all sums: adding and updating are then divided among the ranks, and
 * what goes back is written once, as weights. Why blocks: the sum of squares of a block is one number whoever owns the
 * block, so the norm, a sum of those numbers in their order, knows nothing of owners.
 *
 * Order of the vector: buckets of blocks; in a bucket the lanes; in a lane the nodes. A piece is what one rank owns of
 * one bucket. With one node there is one bucket and a lane is one rank. */
#include "comm/exchange.h"

#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"

#define REAL (sizeof(gb_real) == sizeof(float) ? MPI_FLOAT : MPI_DOUBLE)

enum {
  BLOCK = GB_TREE_BLOCK,
  BUCKET = 1 << 17,  /* elements: half a megabyte, several times what a network delivers within its latency */
  MESSAGE = 1 << 10, /* and what one rank sends another is at least this, on average: a network counts messages, too */
  MOST_BUCKETS = 64
};

/* A step of a bucket between nodes; counts are in elements, [nodes]. */
typedef struct bucket {
  gb_real *send, *recv;
  int *send_count, *send_at, *recv_count, *recv_at; /* of gradients */
  int *piece_count, *piece_at;                      /* of weights: pieces of my lane in the vector */
  MPI_Request request;
} bucket;

struct gb_exchange {
  gb_cluster cluster;
  bool fast;
  size_t n, n_tensors, n_blocks, n_shards;
  size_t *block;     /* [n_blocks + 1] first elements */
  size_t *tensor_of; /* [n_blocks] */
  bool *unclipped;   /* [n_tensors] */

  gb_range part[GB_TREE_PARTS]; /* mine */
  size_t n_parts;
  gb_shared *gradients;          /* of a rank: its watermark, then [n_parts, or 1, and n] */
  size_t *n_here;                /* [here.size] parts of the ranks of this node */
  gb_range *part_here;           /* those parts, in order */
  const gb_real **gradient_here; /* and their vectors */
  gb_range *sent;                /* subtrees that nodes send, in order */
  size_t *sent_by;               /* [nodes + 1] those of node m are [sent_by[m], sent_by[m + 1]) */
  const gb_real **received;      /* one for each of `sent` */

  gb_shared *common; /* of the first rank: weights [n], then sums of squares [n_blocks] */
  gb_real *weights;
  double *squares;
  double *lane_squares; /* [n_blocks] before they are put together */

  size_t n_buckets, started; /* buckets start from the last one */
  size_t *cut;               /* [n_buckets, ranks + 1] first blocks of the pieces: lanes, in them nodes */
  bucket *bucket;            /* [n_buckets] */
  gb_range *piece;           /* [n_buckets] mine, in elements */
  size_t owned, n_side;
  double *side;       /* [n_side + 1] */
  gb_real *memory[2]; /* all send and receive buffers */
  int *counts;        /* all of bucket.*_count and *_at */
};

static size_t nodes(const gb_exchange *x)
{
  return (size_t)x->cluster.lane.size;
}

static size_t ranks(const gb_exchange *x)
{
  return (size_t)x->cluster.all.size;
}

/* First block of what node m owns in lane l of bucket k; m = nodes is the end. */
static size_t cut_at(const gb_exchange *x, size_t k, size_t lane, size_t m)
{
  return x->cut[k * (ranks(x) + 1) + lane * nodes(x) + m];
}

static gb_range elements(const gb_exchange *x, size_t first_block, size_t end_block)
{
  return (gb_range){x->block[first_block], x->block[end_block] - x->block[first_block]};
}

static gb_range piece_of(const gb_exchange *x, size_t k, size_t lane, size_t m)
{
  return elements(x, cut_at(x, k, lane, m), cut_at(x, k, lane, m + 1));
}

static gb_range lane_of(const gb_exchange *x, size_t k)
{
  size_t lane = (size_t)x->cluster.here.rank;
  return elements(x, cut_at(x, k, lane, 0), cut_at(x, k, lane, nodes(x)));
}

/* --- set-up --- */

static gb_err cut_blocks(gb_exchange *x, const gb_exchange_opts *o)
{
  size_t most = 0, b = 0;
  for (size_t t = 0; t < o->n_tensors; t++) most += (o->size[t] + BLOCK - 1) / BLOCK;
  GB_TRY(gb_new(&x->block, most + 1));
  GB_TRY(gb_new(&x->tensor_of, most));
  GB_TRY(gb_new(&x->unclipped, o->n_tensors));
  for (size_t t = 0; t < o->n_tensors; t++) {
    x->unclipped[t] = o->unclipped && o->unclipped[t];
    for (size_t i = 0; i < o->size[t]; i += BLOCK, b++) {
      x->block[b] = x->n + i;
      x->tensor_of[b] = t;
    }
    x->n += o->size[t];
  }
  x->block[b] = x->n;
  x->n_blocks = b;
  GB_CHECK(x->n <= INT_MAX, GB_ERR_CONFIG, "model: %zu weights are more than MPI can count; use smaller layers", x->n);
  return GB_OK;
}

/* Pieces of a bucket have equally many elements, up to a block. */
static gb_err cut_pieces(gb_exchange *x, const gb_exchange_opts *o)
{
  size_t b = 0, p = ranks(x), worth = o->bucket ? o->bucket : BUCKET > p * MESSAGE ? BUCKET : p * MESSAGE;
  x->n_buckets = nodes(x) > 1 && !x->fast ? x->n / worth : 1;
  x->n_buckets = x->n_buckets < 1 ? 1 : x->n_buckets > MOST_BUCKETS ? MOST_BUCKETS : x->n_buckets;
  GB_TRY(gb_new(&x->cut, x->n_buckets * (p + 1)));
  GB_TRY(gb_new(&x->piece, x->n_buckets));
  for (size_t k = 0; k < x->n_buckets; k++)
    for (size_t q = 0; q <= p; q++) {
      double share = ((double)k + (double)q / (double)p) / (double)x->n_buckets;
      while (b < x->n_blocks && (double)x->block[b] < share * (double)x->n) b++;
      x->cut[k * (p + 1) + q] = k + 1 == x->n_buckets && q == p ? x->n_blocks : b;
    }
  for (size_t k = 0; k < x->n_buckets; k++) {
    x->piece[k] =
        x->fast ? (gb_range){0, x->n} : piece_of(x, k, (size_t)x->cluster.here.rank, (size_t)x->cluster.lane.rank);
    x->owned += x->piece[k].count;
  }
  return GB_OK;
}

/* Shards are shared out in the order of node.all: those of a node follow each other. */
static gb_err cut_shards(gb_exchange *x)
{
  gb_comm all = x->cluster.all, here = x->cluster.here;
  size_t n = 0;
  gb_range mine = gb_comm_share(all, x->n_shards);
  x->n_parts = x->fast ? mine.count > 0 : gb_tree_cut(mine, x->part);
  if (x->fast) x->part[0] = mine;
  GB_TRY(gb_new(&x->n_here, (size_t)here.size));
  GB_TRY(gb_new(&x->part_here, (size_t)here.size * GB_TREE_PARTS));
  GB_TRY(gb_new(&x->gradient_here, (size_t)here.size * GB_TREE_PARTS));
  GB_TRY(gb_new(&x->sent, nodes(x) * GB_TREE_PARTS));
  GB_TRY(gb_new(&x->sent_by, nodes(x) + 1));
  GB_TRY(gb_new(&x->received, nodes(x) * GB_TREE_PARTS));
  for (int r = 0; r < here.size; r++) {
    gb_comm of = {.rank = all.rank - here.rank + r, .size = all.size};
    x->n_here[r] = gb_tree_cut(gb_comm_share(of, x->n_shards), x->part_here + n);
    n += x->n_here[r];
  }
  for (int m = 0; m < x->cluster.lane.size; m++) {
    gb_comm of = {.rank = m * here.size, .size = all.size};
    gb_range a = gb_comm_share(of, x->n_shards);
    of.rank += here.size - 1;
    gb_range b = gb_comm_share(of, x->n_shards);
    size_t count = gb_tree_cut((gb_range){a.first, b.first + b.count - a.first}, x->sent + x->sent_by[m]);
    x->sent_by[m + 1] = x->sent_by[m] + count;
  }
  return GB_OK;
}

/* Counts and places of all messages; memory for them. */
static gb_err plan_messages(gb_exchange *x)
{
  size_t m_n = nodes(x), lane = (size_t)x->cluster.here.rank, me = (size_t)x->cluster.lane.rank, sends = 0;
  size_t mine = x->sent_by[me + 1] - x->sent_by[me], all = x->sent_by[m_n], at[2] = {0};
  GB_TRY(gb_new(&x->bucket, x->n_buckets));
  for (size_t k = 0; k < x->n_buckets; k++) x->bucket[k].request = MPI_REQUEST_NULL;
  if (m_n == 1 || x->fast) return GB_OK;
  for (size_t k = 0; k < x->n_buckets; k++) sends += mine * lane_of(x, k).count;
  GB_CHECK(sends <= INT_MAX && all * x->owned <= INT_MAX, GB_ERR_CONFIG,
           "%zu weights in %zu shards on %zu nodes: messages would be longer than MPI can count", x->n, x->n_shards,
           m_n);
  GB_TRY(gb_new(&x->memory[0], sends));
  GB_TRY(gb_new(&x->memory[1], all * x->owned));
  GB_TRY(gb_new(&x->counts, x->n_buckets * 6 * m_n));
  for (size_t k = 0; k < x->n_buckets; k++) {
    bucket *b = &x->bucket[k];
    int **field[] = {&b->send_count, &b->send_at, &b->recv_count, &b->recv_at, &b->piece_count, &b->piece_at};
    for (size_t f = 0; f < 6; f++) *field[f] = x->counts + (k * 6 + f) * m_n;
    b->send = x->memory[0] + at[0];
    b->recv = x->memory[1] + at[1];
    for (size_t m = 0; m < m_n; m++) {
      gb_range piece = piece_of(x, k, lane, m);
      b->piece_count[m] = (int)piece.count;
      b->piece_at[m] = (int)piece.first;
      b->send_count[m] = (int)(mine * piece.count);
      b->send_at[m] = (int)(mine * (piece.first - lane_of(x, k).first));
      b->recv_count[m] = (int)((x->sent_by[m + 1] - x->sent_by[m]) * x->piece[k].count);
      b->recv_at[m] = (int)(x->sent_by[m] * x->piece[k].count);
    }
    at[0] += mine * lane_of(x, k).count;
    at[1] += all * x->piece[k].count;
  }
  return GB_OK;
}

/* The watermark of a rank: elements from there on are final. It has a cache line of its own. */
static _Atomic size_t *watermark(const gb_exchange *x, int rank)
{
  return gb_shared_of(x->gradients, rank);
}

static gb_real *gradient_of(const gb_exchange *x, int rank, size_t part)
{
  return (gb_real *)((char *)gb_shared_of(x->gradients, rank) + GB_ALIGN) + part * x->n;
}

static gb_err share_memory(gb_exchange *x)
{
  gb_comm here = x->fast ? gb_comm_self() : x->cluster.here;
  size_t vectors = x->n_parts ? x->n_parts : 1, weights = (x->n * sizeof(gb_real) + GB_ALIGN - 1) / GB_ALIGN * GB_ALIGN;
  GB_TRY(gb_shared_create(here, GB_ALIGN + vectors * x->n * sizeof(gb_real), &x->gradients));
  GB_TRY(gb_shared_create(here, here.rank ? 0 : weights + x->n_blocks * sizeof(double), &x->common));
  x->weights = gb_shared_of(x->common, 0);
  x->squares = (double *)((char *)x->weights + weights);
  for (int r = 0, p = 0; r < here.size && !x->fast; r++)
    for (size_t i = 0; i < x->n_here[r]; i++) x->gradient_here[p++] = gradient_of(x, r, i);
  *watermark(x, here.rank) = x->n;
  return GB_OK;
}

gb_err gb_exchange_create(const gb_cluster *cluster, const gb_exchange_opts *o, gb_exchange **out)
{
  gb_exchange *x = NULL;
  GB_ASSERT(o->n_shards >= 1 && o->n_shards <= (size_t)1 << GB_TREE_BITS);
  gb_err e = gb_new(&x, 1);
  if (!e) {
    *x = (gb_exchange){
        .cluster = *cluster, .fast = o->fast, .n_tensors = o->n_tensors, .n_shards = o->n_shards, .n_side = o->n_side};
    e = cut_blocks(x, o);
    if (!e) e = cut_shards(x);
    if (!e) e = cut_pieces(x, o);
    if (!e) e = plan_messages(x);
    if (!e) e = gb_new(&x->lane_squares, x->n_blocks);
    if (!e) e = gb_new(&x->side, x->n_side + 1);
  }
  e = gb_comm_agree(cluster->all, e);
  if (!e) e = gb_comm_agree(cluster->all, share_memory(x));
  if (e) gb_exchange_destroy(&x);
  *out = x;
  return e;
}

void gb_exchange_destroy(gb_exchange **x)
{
  if (!*x) return;
  gb_shared_destroy(&(*x)->gradients);
  gb_shared_destroy(&(*x)->common);
  gb_free(&(*x)->block);
  gb_free(&(*x)->tensor_of);
  gb_free(&(*x)->unclipped);
  gb_free(&(*x)->n_here);
  gb_free(&(*x)->part_here);
  gb_free(&(*x)->gradient_here);
  gb_free(&(*x)->sent);
  gb_free(&(*x)->sent_by);
  gb_free(&(*x)->received);
  gb_free(&(*x)->lane_squares);
  gb_free(&(*x)->cut);
  gb_free(&(*x)->bucket);
  gb_free(&(*x)->piece);
  gb_free(&(*x)->side);
  gb_free(&(*x)->memory[0]);
  gb_free(&(*x)->memory[1]);
  gb_free(&(*x)->counts);
  gb_free(x);
}

const gb_range *gb_exchange_parts(const gb_exchange *x, size_t *n)
{
  *n = x->n_parts;
  return x->part;
}

gb_real *gb_exchange_gradient(gb_exchange *x, size_t i)
{
  GB_ASSERT(i < x->n_parts);
  return gradient_of(x, x->fast ? 0 : x->cluster.here.rank, i);
}

gb_real *gb_exchange_weights(gb_exchange *x)
{
  return x->weights;
}

const gb_range *gb_exchange_pieces(const gb_exchange *x, size_t *n)
{
  *n = x->n_buckets;
  return x->piece;
}

size_t gb_exchange_owned(const gb_exchange *x)
{
  return x->owned;
}

bool gb_exchange_overlaps(const gb_exchange *x)
{
  return nodes(x) > 1 && !x->fast;
}

/* --- between nodes: from the parts of a node to one subtree or two, to the owners --- */

/* Add what the node has of my lane, and send it. All ranks of the node have passed the bucket. */
static void start_bucket(gb_exchange *x, size_t k)
{
  bucket *b = &x->bucket[k];
  size_t me = (size_t)x->cluster.lane.rank, lane = (size_t)x->cluster.here.rank, first = x->sent_by[me];
  size_t mine = x->sent_by[me + 1] - first;
  for (size_t m = 0; m < nodes(x); m++) {
    gb_range piece = piece_of(x, k, lane, m);
    const gb_range *part = x->part_here;
    const gb_real *const *in = x->gradient_here;
    for (size_t s = 0; s < mine; s++) {
      gb_range tree = x->sent[first + s];
      gb_real *to = b->send + b->send_at[m] + s * piece.count;
      for (size_t i = 0; i < piece.count; i += BLOCK)
        gb_tree_add(tree, part, in, piece.first + i, piece.count - i < BLOCK ? piece.count - i : BLOCK, to + i);
      for (size_t end = tree.first + tree.count; part->first + part->count < end; part++) in++;
      part++, in++;
    }
  }
  MPI_Ialltoallv(b->send, b->send_count, b->send_at, REAL, b->recv, b->recv_count, b->recv_at, REAL,
                 x->cluster.lane.mpi, &b->request);
}

void gb_exchange_passed(gb_exchange *x, size_t first)
{
  int done;
  if (!gb_exchange_overlaps(x)) return;
  atomic_store_explicit(watermark(x, x->cluster.here.rank), first, memory_order_release);
  while (x->started < x->n_buckets) {
    size_t k = x->n_buckets - 1 - x->started;
    for (int r = 0; r < x->cluster.here.size; r++)
      if (atomic_load_explicit(watermark(x, r), memory_order_acquire) > x->block[cut_at(x, k, 0, 0)]) goto poll;
    start_bucket(x, k);
    x->started++;
  }
poll:
  for (size_t i = 0; i < x->started; i++) MPI_Test(&x->bucket[x->n_buckets - 1 - i].request, &done, MPI_STATUS_IGNORE);
}

/* --- the sum --- */

/* v *= scale; the sum of its squares. */
static double scaled(gb_real scale, size_t n, gb_real *v)
{
  enum { LANES = 16 }; /* partial sums that the compiler can keep in vectors; their order is part of the result */
  double lane[LANES] = {0}, sum = 0;
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (size_t k = 0; k < LANES; k++) {
      v[i + k] *= scale;
      lane[k] += (double)v[i + k] * (double)v[i + k];
    }
  for (; i < n; i++) {
    v[i] *= scale;
    lane[0] += (double)v[i] * (double)v[i];
  }
  for (size_t k = 0; k < LANES; k++) sum += lane[k];
  return sum;
}

/* The result goes over the first part of this rank: of my pieces (my lane, between nodes) I am the only reader. */
static gb_real *result(gb_exchange *x)
{
  return gradient_of(x, x->fast ? 0 : x->cluster.here.rank, 0);
}

static void sum_piece(gb_exchange *x, size_t k, gb_real scale, double *squares)
{
  size_t lane = (size_t)x->cluster.here.rank, me = (size_t)x->cluster.lane.rank, begin = cut_at(x, k, lane, me);
  size_t end = cut_at(x, k, lane, me + 1), start = x->block[begin], all = x->sent_by[nodes(x)];
  bool wide = nodes(x) > 1;
  gb_range shards = {0, x->n_shards};
  gb_real *to = result(x);
  for (size_t s = 0; s < all && wide; s++) x->received[s] = x->bucket[k].recv + s * x->piece[k].count;
  for (size_t b = begin; b < end; b++) {
    size_t at = x->block[b], n = x->block[b + 1] - at;
    if (wide)
      gb_tree_add(shards, x->sent, x->received, at - start, n, to + at);
    else
      gb_tree_add(shards, x->part_here, x->gradient_here, at, n, to + at);
    squares[b] = scaled(scale, n, to + at);
  }
}

/* Sums of squares of all blocks, on all ranks. */
static void merge_squares(gb_exchange *x)
{
  size_t lane = (size_t)x->cluster.here.rank;
  if (nodes(x) > 1) {
    gb_comm_merge(x->cluster.lane, x->lane_squares, x->n_blocks);
    for (size_t k = 0; k < x->n_buckets; k++) {
      size_t first = cut_at(x, k, lane, 0), end = cut_at(x, k, lane, nodes(x));
      memcpy(x->squares + first, x->lane_squares + first, (end - first) * sizeof *x->squares);
    }
  }
  gb_shared_sync(x->common);
}

static size_t verdict(const gb_exchange *x, double *norm)
{
  double all = 0;
  for (size_t b = 0; b < x->n_blocks; b++)
    if (!isfinite(x->squares[b])) return x->tensor_of[b];
  for (size_t b = 0; b < x->n_blocks; b++)
    if (!x->unclipped[x->tensor_of[b]]) all += x->squares[b];
  *norm = sqrt(all);
  return x->n_tensors;
}

/* Also the moment from which the parts of all ranks may be read. */
static void merge_side(gb_exchange *x, double *side)
{
  for (size_t i = 0; i < x->n_side; i++) x->side[i] = isnan(side[i]) ? INFINITY : side[i];
  x->side[x->n_side] = 0;
  gb_shared_fence(x->gradients);
  gb_comm_max(x->cluster.all, x->side, x->n_side + 1);
  gb_shared_fence(x->gradients);
  for (size_t i = 0; i < x->n_side; i++) side[i] = x->side[i];
}

static void sum_fast(gb_exchange *x, gb_real scale)
{
  if (!x->n_parts) memset(result(x), 0, x->n * sizeof(gb_real));
  MPI_Allreduce(MPI_IN_PLACE, result(x), (int)x->n, REAL, MPI_SUM, x->cluster.all.mpi);
  for (size_t b = 0; b < x->n_blocks; b++)
    x->squares[b] = scaled(scale, x->block[b + 1] - x->block[b], result(x) + x->block[b]);
}

size_t gb_exchange_sum(gb_exchange *x, double scale, double *side, const gb_real **gradient, double *norm)
{
  bool wide = gb_exchange_overlaps(x);
  *norm = NAN;
  *gradient = result(x);
  merge_side(x, side);
  if (x->fast) {
    sum_fast(x, (gb_real)scale);
    return verdict(x, norm);
  }
  atomic_store(watermark(x, x->cluster.here.rank), x->n); /* of the next step; all ranks have stopped to look at it */
  for (; wide && x->started < x->n_buckets; x->started++) start_bucket(x, x->n_buckets - 1 - x->started);
  x->started = 0;
  if (wide) {
    for (size_t k = 0; k < x->n_buckets; k++) MPI_Wait(&x->bucket[k].request, MPI_STATUS_IGNORE);
    memset(x->lane_squares, 0, x->n_blocks * sizeof *x->lane_squares);
  }
  for (size_t k = 0; k < x->n_buckets; k++) sum_piece(x, k, (gb_real)scale, wide ? x->lane_squares : x->squares);
  merge_squares(x);
  return verdict(x, norm);
}

/* --- the way back --- */

void gb_exchange_share(gb_exchange *x)
{
  if (x->fast) return;
  for (size_t k = 0; k < x->n_buckets && nodes(x) > 1; k++)
    MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, x->weights, x->bucket[k].piece_count, x->bucket[k].piece_at,
                    REAL, x->cluster.lane.mpi, &x->bucket[k].request);
  for (size_t k = 0; k < x->n_buckets; k++) MPI_Wait(&x->bucket[k].request, MPI_STATUS_IGNORE);
  gb_shared_sync(x->common);
}

/* The piece of any rank. */
static gb_range piece_of_rank(const gb_exchange *x, size_t k, int rank)
{
  return piece_of(x, k, (size_t)(rank % x->cluster.here.size), (size_t)(rank / x->cluster.here.size));
}

void gb_exchange_gather(gb_exchange *x, const gb_real *mine, gb_real *all)
{
  gb_comm c = x->cluster.all;
  for (size_t k = 0, at = 0; k < x->n_buckets; at += x->piece[k++].count)
    if (c.rank == 0)
      memcpy(all + x->piece[k].first, mine + at, x->piece[k].count * sizeof *mine);
    else if (!x->fast)
      MPI_Send(mine + at, (int)x->piece[k].count, REAL, 0, (int)k, c.mpi);
  for (int r = 1; r < c.size && c.rank == 0 && !x->fast; r++)
    for (size_t k = 0; k < x->n_buckets; k++) {
      gb_range p = piece_of_rank(x, k, r);
      MPI_Recv(all + p.first, (int)p.count, REAL, r, (int)k, c.mpi, MPI_STATUS_IGNORE);
    }
}

void gb_exchange_deal(gb_exchange *x, const gb_real *all, gb_real *mine)
{
  gb_comm c = x->cluster.all;
  if (x->fast) {
    if (c.rank == 0) memcpy(mine, all, x->n * sizeof *mine);
    gb_comm_bcast(c, mine, x->n * sizeof *mine);
    return;
  }
  for (int r = 1; r < c.size && c.rank == 0; r++)
    for (size_t k = 0; k < x->n_buckets; k++) {
      gb_range p = piece_of_rank(x, k, r);
      MPI_Send(all + p.first, (int)p.count, REAL, r, (int)k, c.mpi);
    }
  for (size_t k = 0, at = 0; k < x->n_buckets; at += x->piece[k++].count)
    if (c.rank == 0)
      memcpy(mine + at, all + x->piece[k].first, x->piece[k].count * sizeof *mine);
    else
      MPI_Recv(mine + at, (int)x->piece[k].count, REAL, 0, (int)k, c.mpi, MPI_STATUS_IGNORE);
}
