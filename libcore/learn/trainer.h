/* learn/trainer.h - data-parallel training. Knows no physics, no VAE, no YAML.
 *
 * The batch of a step is cut into `shards` equal pieces, fixed in the config; ranks own whole shards, and compute them
 * in passes (learn/passes.h). The gradients of shards are added in a fixed tree (comm/exchange.h), so weights and
 * checkpoints are the same bits on any number of ranks up to `shards`, in passes of any size, before and after a kill.
 */
#pragma once
#include "comm/comm.h"
#include "data/dataset.h"
#include "io/run.h"
#include "learn/model.h"
#include "learn/optim.h"
#include "learn/times.h"

typedef struct gb_train_opts {
  int64_t steps, batch, shards;
  int64_t micro_batch, ranks_per_node;
  const char *reduction;
  int64_t log_every, validate_every, save_every, hash_every, patience;
  int64_t until; /* no key of the config: pause after this step, saved, to go on another time; 0: at no step */
} gb_train_opts;
extern const gb_schema gb_train_schema; /* section "train" */

typedef struct gb_train_result {
  uint64_t step, best_step;
  double best;
  gb_times times; /* of this rank */
} gb_train_result;

/** Rows that one pass can use if so many ranks train: what a model is to be made for.
 *  Local. */
size_t gb_train_rows(const gb_train_opts *opts, int ranks);

/** Train, or continue from run.dir/checkpoint.h5. Writes checkpoint.h5, best.h5 and log lines.
 *  Collective over c.
 *  @param[in] config   text stored in checkpoints, to say what they belong to
 *  @param[in] params   of the model; changed
 *  @return GB_STOPPED if asked to stop (the state is saved); GB_ERR_NUMERIC naming step and term if the loss or its
 *          gradient is not finite, or that ranks hold different weights; GB_ERR_CONFIG if the checkpoint belongs to
 *          another data set */
gb_err gb_train(gb_comm c, const gb_train_opts *opts, const gb_optim_opts *optim, uint64_t seed, const gb_model *model,
                gb_params *params, gb_dataset *data, gb_run *run, const char *config, gb_train_result *out);

/** Mean of every term over all rows of a split, with fixed noise: the same on any number of ranks, in passes of any
 * size. Collective over c.
 *  @param[out] mean [model->n_terms + model->n_notes]: terms, then notes */
gb_err gb_train_evaluate(gb_comm c, const gb_model *model, gb_dataset *data, gb_split split, double *mean);
