/* learn/experiment.h - one training, from config to checkpoint: the sentence that joins data, model and trainer. */
#pragma once
#include <limits.h>

#include "config/config.h"
#include "data/dataset.h"
#include "io/run.h"
#include "learn/hybrid.h"
#include "learn/trainer.h"
#include "learn/vae.h"
#include "sim/physics.h"

/* A model, and which it is. */
typedef struct gb_built {
  gb_model model;
  gb_vae *vae;       /* of a physics with an ensemble, else NULL */
  gb_hybrid *hybrid; /* of all others */
} gb_built;

/** The sections a training is made of; ends with NULL.
 *  Local. */
extern const gb_schema *const gb_experiment_sections[];

/** What a training will need, for --dry-run: layers, weights, steps, memory, disk. Opens the data set if it is there.
 *  Collective over c. */
gb_err gb_experiment_plan(gb_comm c, const gb_config *cfg, const gb_sim *sim, gb_text *out);

/* What a training may be given besides its config, and what it gives back. */
typedef struct gb_training {
  gb_dataset *data;  /* that of the config, if it is open already; NULL: it is opened, and closed again */
  int64_t until;     /* pause after this step; 0: at no step */
  const char *needs; /* a term that the model must have, or "loss"; NULL: none */
  bool profile;      /* measure, and tell at the end where the time went: on standard output and in profile.txt */
  gb_train_result result;
} gb_training;

/** Train the model of a config into its run directory, or continue there.
 *  Collective over c.
 *  @param[in] run  opened on run.dir
 *  @return as gb_train(); GB_ERR_CONFIG if the checkpoint belongs to another config */
gb_err gb_experiment_train(gb_comm c, const gb_config *cfg, const gb_sim *sim, gb_run *run, gb_training *t);

/** The data set that a config names, with its default filled in.
 *  Local.
 *  @param[out] path  room for the name, to which the result points */
gb_dataset_opts gb_experiment_data(const gb_config *cfg, char path[PATH_MAX]);

/** A trained model, read back from a run directory.
 *  Collective over c. Closed by gb_trained_close().
 *  @param[in] frames  that a hybrid decodes; 0: those of a sample. With others it has no terms */
typedef struct gb_experiment gb_experiment; /* all options of a training */
typedef struct gb_trained {
  gb_config *cfg; /* of its training */
  gb_sim sim;
  gb_experiment *opts; /* from it; what the model borrows */
  gb_built built;
  uint64_t seed, step, data; /* of the run; of the weights; fingerprint of the data set */
  const char *name;          /* in the ladder */
  const char *file;          /* "best.h5", or "checkpoint.h5" where nothing was validated */
} gb_trained;
gb_err gb_trained_open(gb_comm c, const char *dir, const gb_physics *physics, size_t rows, size_t frames,
                       gb_trained *out);

/** The same, but with the objective of every model the ELBO without anything else: terms are nll or reconstruction, and
 * kl; passes draw one latent of q, and model.weigh is there. Weights do not depend on the objective. Collective over c.
 */
gb_err gb_trained_open_evidence(gb_comm c, const char *dir, const gb_physics *physics, size_t rows, gb_trained *out);
void gb_trained_close(gb_trained *t);
