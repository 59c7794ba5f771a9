/* learn/passes.h - the gradient of this rank's part of a batch, in as many passes as its memory wants.
 *
 * A pass holds 2^k whole shards, which the backward pass adds in the tree, or a piece of one shard, which continues the
 * sum over its rows: the bits do not depend on how a batch is cut into passes. */
#pragma once
#include "comm/exchange.h"
#include "data/dataset.h"
#include "learn/model.h"
#include "learn/times.h"

typedef struct gb_passes gb_passes;

typedef struct gb_batch {
  gb_dataset *data; /* borrowed */
  uint64_t seed;
  size_t rows, shard_rows; /* of a batch; of one of its shards */
  size_t most;             /* rows of a pass, at most model->rows */
  bool fast;               /* as in gb_exchange_opts */
} gb_batch;

/** Rows that a pass of a training can use: what a model is made for.
 *  Local.
 *  @param[in] n_shards, ranks  that share them
 *  @param[in] most  rows that a pass may have; 0: any number
 *  @param[in] fast  as in gb_exchange_opts */
size_t gb_passes_rows(size_t shard_rows, size_t n_shards, size_t ranks, size_t most, bool fast);

/** Plan the passes for the parts of a rank.
 *  Local.
 *  @param[in] model, x  borrowed
 *  @param[out] out      to be destroyed after a failure, too
 *  @return GB_ERR_CONFIG if the model needs whole shards and has no room for one; GB_ERR_MEMORY */
gb_err gb_passes_create(const gb_batch *batch, const gb_model *model, size_t n_weights, gb_exchange *x,
                        gb_passes **out);
void gb_passes_destroy(gb_passes **p);

/** Gradients of all parts, and the terms of all their shards.
 *  Local; lets the exchange begin.
 *  @param[in] weight  of the terms
 *  @param[out] sum    [shards of the batch, n_terms]: those of this rank's shards are set, summed over rows in order */
gb_err gb_passes_run(gb_passes *p, uint64_t step, const double *weight, double *sum, gb_times *times);
