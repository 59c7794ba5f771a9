/* learn/optim.h - from a gradient to new weights: clipping, Adam and AdamW, learning-rate schedules. */
#pragma once
#include "base/real.h"
#include "config/schema.h"

typedef struct gb_optim_opts {
  const char *optimizer, *schedule;
  double learning_rate, beta1, beta2, epsilon, weight_decay, clip_norm;
  int64_t warmup;
} gb_optim_opts;
extern const gb_schema gb_optim_schema; /* section "optimizer" */

/** Learning rate of a step: linear warm-up, then constant, or down to 0 along half a cosine.
 *  Local.
 *  @param[in] step   from 0
 *  @param[in] steps  of the whole training
 *  Source of the cosine: I. Loshchilov and F. Hutter, arXiv:1608.03983, eq. 5 without restarts. */
double gb_optim_rate(const gb_optim_opts *o, uint64_t step, uint64_t steps);

/** Euclidean norm of a vector, in double and in a fixed order.
 *  Local. */
double gb_optim_norm(size_t n, const gb_real *v);

/** One step of Adam (D. P. Kingma and J. Ba, arXiv:1412.6980, algorithm 1) or AdamW (I. Loshchilov and F. Hutter,
 *  arXiv:1711.05101, algorithm 2): w changes, m and v are the moments.
 *  Local.
 *  @param[in] scale  of the gradient: 1, or less if it was clipped
 *  @param[in] step   from 0 */
void gb_optim_step(const gb_optim_opts *o, double rate, double scale, uint64_t step, size_t n, const gb_real *grad,
                   gb_real *m, gb_real *v, gb_real *w);
