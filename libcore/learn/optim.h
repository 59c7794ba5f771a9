/* learn/optim.h - from a gradient to new weights: clipping, Adam and AdamW, learning-rate schedules, averages. */
#pragma once
#include "base/real.h"
#include "config/schema.h"

typedef struct gb_optim_opts {
  const char *optimizer, *schedule;
  double learning_rate, step_factor, beta1, beta2, epsilon, weight_decay, clip_norm, clip_value, ema;
  int64_t warmup, step_every;
} gb_optim_opts;
extern const gb_schema gb_optim_schema; /* section "optimizer" */

/** Learning rate of a step: linear warm-up, then constant, down to 0 along half a cosine, or multiplied by step_factor
 *  every step_every steps.
 *  Local.
 *  @param[in] step   from 0
 *  @param[in] steps  of the whole training
 *  Source of the cosine: I. Loshchilov and F. Hutter, arXiv:1608.03983, eq. 5 without restarts. */
double gb_optim_rate(const gb_optim_opts *o, uint64_t step, uint64_t steps);

/** What a gradient is multiplied by, for clip_norm.
 *  Local. */
double gb_optim_shortened(const gb_optim_opts *o, double norm);

/** One step of Adam (D. P. Kingma and J. Ba, arXiv:1412.6980, algorithm 1) or AdamW (I. Loshchilov and F. Hutter,
 *  arXiv:1711.05101, algorithm 2): w changes, m and v are the moments.
 *  Local.
 *  @param[in] scale  of the gradient: 1, or less if it was clipped; then elements are limited to clip_value
 *  @param[in] step   from 0 */
void gb_optim_step(const gb_optim_opts *o, double rate, double scale, uint64_t step, size_t n, const gb_real *grad,
                   gb_real *m, gb_real *v, gb_real *w);

/** Statistics follow what the batch has: w += (value - w) / 10.
 *  Local. */
void gb_optim_follow(size_t n, const gb_real *value, gb_real *w);

/** A multiplier grows: w += rate * value.
 *  Local. */
void gb_optim_grow(double rate, size_t n, const gb_real *value, gb_real *w);

/** The running average of weights after a step: its decay is `ema`, but less in the first steps,
 *  min(ema, (1 + step) / (10 + step)), so that the start is soon forgotten (as num_updates does in TensorFlow's
 *  ExponentialMovingAverage).
 *  Local.
 *  @param[in] step  from 0 */
void gb_optim_average(const gb_optim_opts *o, uint64_t step, size_t n, const gb_real *w, gb_real *average);
