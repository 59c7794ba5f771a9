/* learn/model.h - what a trainer needs to know of a model: a differentiable loss, as a weighted sum of named terms. */
#pragma once
#include <stdint.h>

#include "ad/graph.h"
#include "data/dataset.h"

enum { GB_MOST_TERMS = 8, GB_MOST_NOTES = 72 };

/* Which noise a pass draws: it is a function of (seed of the run, step, number of the row). */
typedef struct gb_pass {
  uint64_t step;      /* of the training; GB_PASS_FIXED: noise that does not depend on it, for validation */
  uint64_t first_row; /* global number of the first row */
  bool training;      /* else without regularisers: no dropout, learned statistics */
} gb_pass;
#define GB_PASS_FIXED GB_RNG_STEP_MAX

/* ln w of a sample x at latents z that q(z|x) has drawn, in two parts: w = p(x, z) / q(z|x), in nats. Its mean over
 * draws is the ELBO, the logarithm of the mean of w below ln p(x) (arXiv:1509.00519). */
typedef struct gb_weight {
  double likelihood; /* ln p(x|z) */
  double ratio;      /* ln p(z) - ln q(z|x); its mean over draws is -kl */
} gb_weight;

typedef struct gb_model {
  void *self;
  void (*destroy)(void **self);
  const char *name;  /* what is said of it in logs and reports */
  gb_params *params; /* its weights, borrowed from it */
  gb_graph *graph;   /* to measure; borrowed from it */
  size_t rows;       /* most rows of one pass */
  int n_terms;
  const char *const *term; /* names, [n_terms] */
  unsigned idle;           /* bit k: term k has no weight at any step, and training passes leave it out */
  bool whole_shards;       /* statistics over the rows of a shard: a training pass must hold whole ones */

  /** NULL, or look at the training data, of which the loss is a number: before the first pass over a data set.
   *  Collective over c. */
  gb_err (*prepare)(void *self, gb_comm c, gb_dataset *data);
  /** Compute the terms of n samples.
   *  Local.
   *  @param[in]  parts  equal pieces of the samples over which statistics are taken, if the model has such
   *  @param[out] term   [n_terms] in nats: [n], borrowed until the next pass; NULL of what a training pass leaves out
   */
  gb_err (*forward)(void *self, size_t n, size_t parts, const float *x, gb_pass pass, const double *term[]);
  /** Gradient of sum_k weight[k] * sum over samples of term k, of the last forward.
   *  Local.
   *  @param[in,out] out  where to put it; its parts are those of the forward pass */
  gb_err (*backward)(void *self, const double *weight, const gb_gradient *out);
  /** Weights of the terms at a step; at GB_PASS_FIXED those by which validations judge.
   *  Local. */
  void (*weights)(const void *self, uint64_t step, double *weight);

  /* Classes of the samples, if the loss needs them: the truth that tells them, how many there are, and a function that
   * takes those of the next forward pass; without a call before it samples of a pass have none. */
  const char *label; /* NULL: no class is needed, and the others are not set */
  size_t classes;
  /** Local.
   *  @param[in] label  [n], copied */
  void (*take_labels)(void *self, size_t n, const double *label);

  int n_notes;             /* numbers that validations log beside the terms; 0: none */
  const char *const *note; /* their names, [n_notes] */
  uint64_t least;          /* bit k, of the first 64: the least of note k over the samples, else the mean */
  /** What the last forward pass, one of a validation, says of a row.
   *  Local.
   *  @param[out] note  [n_notes] */
  void (*note_row)(const void *self, size_t row, double *note);
  /** From means over all samples to what is logged, in place.
   *  Local. */
  void (*note_all)(const void *self, double *note);

  size_t latents; /* that are inferred of a sample; their prior is Gaussian */
  /** NULL (the objective draws other latents than one of q), or ln w of a row of the last forward pass.
   *  Local.
   *  @param[out] mean  [latents] of q(z|x), in standard deviations of the prior from its mean; NULL: not wanted */
  gb_weight (*weigh)(const void *self, size_t row, double *mean);
} gb_model;

/** Let go of a model, and forget it.
 *  Local. */
void gb_model_destroy(gb_model *model);

/** The classes of all rows of a split, for a model that needs them.
 *  Local.
 *  @param[out] label  [rows of the split]; NULL if the model needs none. To be freed, also after a failure
 *  @return GB_ERR_IO if the data set does not tell them, GB_ERR_CONFIG if a number is no class */
gb_err gb_model_labels(const gb_model *model, gb_dataset *data, gb_split split, double **label);

/** The terms of n samples, summed over them one after another.
 *  Local.
 *  @param[out] sum  [n_terms] */
gb_err gb_model_sums(const gb_model *model, size_t n, const float *x, gb_pass pass, double sum[]);
