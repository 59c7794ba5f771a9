/* learn/checkpoint.h - all the state of a training run, and nothing else. The number of ranks is not in it. */
#pragma once
#include "ad/params.h"
#include "base/text.h"
#include "comm/comm.h"

typedef struct gb_state {
  uint64_t step;          /* steps done */
  double best;            /* smallest validation loss so far; INFINITY before the first */
  uint64_t best_step;     /* where it was */
  uint64_t stale;         /* validations since */
  uint64_t stopped_early; /* 1: patience ran out */
  uint64_t data;          /* fingerprint of the data set */
  gb_params *params;      /* borrowed */
  gb_real *m, *v;         /* Adam's moments, [gb_params_size(params)] on rank 0; NULL: not part of this file */
  gb_real *average;       /* of the weights, likewise */
} gb_state;

/** Write a checkpoint: aside, checksummed, read again, synced, renamed; the old file stays until then.
 *  Collective over c; rank 0 writes, and the file is the same whatever the number of ranks.
 *  @param[in] config  text that says what the weights belong to
 *  @return GB_ERR_IO, the same on all ranks */
gb_err gb_checkpoint_save(gb_comm c, const char *path, const char *config, const gb_state *s);

/** The same, and the file that was there stays as the generation before: checkpoint.prev.h5 beside checkpoint.h5.
 *  Collective over c. */
gb_err gb_checkpoint_advance(gb_comm c, const char *path, const char *config, const gb_state *s);

/** gb_generations_recover() of a checkpoint.
 *  Collective over c; rank 0 acts, and on it `told` is filled. */
gb_err gb_checkpoint_recover(gb_comm c, const char *path, gb_text *told);

/** Read a checkpoint into a state whose params have the same tensors. Weights and numbers come to all ranks, moments
 * and the average to rank 0. Collective over c; rank 0 reads.
 *  @return GB_ERR_IO if the file is damaged or holds other tensors */
gb_err gb_checkpoint_load(gb_comm c, const char *path, gb_state *s);

/** The config text of a checkpoint.
 *  Collective over c; rank 0 reads.
 *  @param[out] config  freed by gb_free() */
gb_err gb_checkpoint_config(gb_comm c, const char *path, char **config);
