/* ad/params.h - all weights of a model in one block: one reduction, one update, one file. */
#pragma once
#include <stdbool.h>

#include "base/err.h"
#include "base/real.h"
#include "base/rng.h"

enum { GB_PARAM_NDIM = 4, GB_PARAM_NAME = 64 };

typedef struct gb_params gb_params;
typedef int gb_param; /* handle of one weight tensor */

/* How a tensor follows the "gradient" that ops write for it, after its mean over the batch is taken. What is not
 * learned is neither clipped nor decayed, and is no part of the gradient's length. */
typedef enum gb_rule {
  GB_LEARNED, /* by the optimiser */
  GB_FOLLOWS, /* a statistic, whose "gradient" is its next value: w += 0.1 (value - w) */
  GB_GROWS    /* a multiplier: w += rate value */
} gb_rule;

typedef struct gb_param_info {
  char name[GB_PARAM_NAME];
  int ndim;
  size_t shape[GB_PARAM_NDIM];
  size_t first, count; /* place in the block, in elements; blocks are padded to a cache line */
  gb_rule rule;
  double rate; /* of GB_GROWS; else 0 */
} gb_param_info;

/** An empty list of tensors.
 *  Local. */
gb_err gb_params_create(gb_params **out);
void gb_params_destroy(gb_params **p);

/** Declare a tensor, drawn uniformly from [-bound, bound] by gb_params_freeze(); bound 0 gives zeros.
 *  Local. Before gb_params_freeze().
 *  @param[in] name  unique, e.g. "encoder.1.weight"; becomes the dataset name in checkpoints */
gb_err gb_params_add(gb_params *p, const char *name, int ndim, const size_t shape[], double bound, gb_param *out);

/** Declare a tensor of n numbers that start with `value`.
 *  Local. Before gb_params_freeze(). */
gb_err gb_params_add_constant(gb_params *p, const char *name, size_t n, double value, gb_param *out);

/** Let a tensor start about these numbers: they are added to what is drawn.
 *  Local. Before gb_params_freeze().
 *  @param[in] name   of a tensor that was declared
 *  @param[in] value  [its count], copied
 *  @return GB_ERR_MEMORY */
gb_err gb_params_start_about(gb_params *p, const char *name, const double *value);

/** Declare a statistic that starts with `value` everywhere. An op writes, as the gradient of this tensor, the sum over
 * its rows of what is averaged; the optimiser moves the tensor towards the mean over the batch.
 *  Local. Before gb_params_freeze(). */
gb_err gb_params_add_statistic(gb_params *p, const char *name, size_t n, double value, gb_param *out);

/** Declare a multiplier, one number. An op writes, as its gradient, the sum over its rows of what it grows with.
 *  Local. Before gb_params_freeze().
 *  @param[in] value  its first value
 *  @param[in] rate   growth in a step, per mean over the batch of what the op writes */
gb_err gb_params_add_multiplier(gb_params *p, const char *name, double value, double rate, gb_param *out);

/** Allocate the block and draw initial weights: a function of (seed, number of the tensor, number of the element).
 *  Local. No gb_params_add() after this. */
gb_err gb_params_freeze(gb_params *p, uint64_t seed);

/** Number of tensors; elements of the block, with padding; what is learned of it.
 *  Local. */
int gb_params_n(const gb_params *p);
size_t gb_params_size(const gb_params *p);
size_t gb_params_count(const gb_params *p);

/** Is any tensor a statistic? Then rows of a batch are not independent while training.
 *  Local. */
bool gb_params_have_statistics(const gb_params *p);

/** Tensor i; handles count from 0.
 *  Local. */
const gb_param_info *gb_params_info(const gb_params *p, int i);

/** The block; padding stays 0.
 *  Local. */
gb_real *gb_params_value(gb_params *p);

/** Move the block to memory of the caller, [gb_params_size(p)], which must live as long as p: shared by the ranks of a
 * node. NULL: back to memory of its own.
 *  Local. After gb_params_freeze().
 *  @param[in] copy  copy the values there, else the memory holds them already */
gb_err gb_params_place(gb_params *p, gb_real *memory, bool copy);
