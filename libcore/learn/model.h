/* learn/model.h - what a trainer needs to know of a model: a differentiable loss, as a weighted sum of named terms. */
#pragma once
#include <stdint.h>

#include "ad/params.h"

enum { GB_MOST_TERMS = 8 };

/* Which noise a pass draws: it is a function of (seed of the run, step, number of the row). */
typedef struct gb_pass {
  uint64_t step;      /* of the training; GB_PASS_FIXED: noise that does not depend on it, for validation */
  uint64_t first_row; /* global number of the first row */
} gb_pass;
#define GB_PASS_FIXED GB_RNG_STEP_MAX

typedef struct gb_model {
  void *self;
  size_t rows; /* most rows of one pass */
  int n_terms;
  const char *const *term; /* names, [n_terms] */

  /** Compute the terms of n samples.
   *  Local.
   *  @param[out] sum  [n_terms] summed over the samples, in nats */
  gb_err (*forward)(void *self, size_t n, const float *x, gb_pass pass, double *sum);
  /** Gradient of sum_k weight[k] * sum over samples of term k, of the last forward.
   *  Local.
   *  @param[out] grad  overwritten; the size of the weights' block */
  gb_err (*backward)(void *self, const double *weight, gb_real *grad);
  /** Weights of the terms at a step; at GB_PASS_FIXED their final values.
   *  Local. */
  void (*weights)(const void *self, uint64_t step, double *weight);
} gb_model;
