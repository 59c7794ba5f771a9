/* learn/optim.c - elementwise, so vectorised, and the same bits on every rank. */
#include "learn/optim.h"

#include <math.h>
#include <string.h>

static const gb_field fields[] = {
    GB_WORD(gb_optim_opts, optimizer, "adam", "adam|adamw", GB_FIXED,
            "adam: weight_decay is added to the gradient; adamw: it shrinks the weights directly."),
    GB_NUMBER(gb_optim_opts, learning_rate, "1e-3", 0, 1e3, "1", GB_FIXED, "Learning rate after warm-up."),
    GB_WORD(gb_optim_opts, schedule, "constant", "constant|cosine", GB_FIXED,
            "Learning rate after warm-up: constant, or falling to 0 at train.steps along half a cosine."),
    GB_NUMBER(gb_optim_opts, warmup, "0", 0, 1e12, "steps", GB_FIXED,
              "The learning rate rises linearly over so many steps."),
    GB_NUMBER(gb_optim_opts, beta1, "0.9", 0, 0.999999, "1", GB_FIXED, "Decay of the first moment."),
    GB_NUMBER(gb_optim_opts, beta2, "0.999", 0, 0.999999, "1", GB_FIXED, "Decay of the second moment."),
    GB_NUMBER(gb_optim_opts, epsilon, "1e-8", 1e-30, 1, "1", GB_FIXED, "Added to the root of the second moment."),
    GB_NUMBER(gb_optim_opts, weight_decay, "0", 0, 10, "1", GB_FIXED, "Weight decay."),
    GB_NUMBER(
        gb_optim_opts, clip_norm, "0", 0, 1e12, "1", GB_FIXED,
        "A gradient (of the mean loss, after the sum over all ranks) longer than this is shortened to it; 0: never."),
    {0}};
const gb_schema gb_optim_schema = {"optimizer", "How weights follow the gradient.", sizeof(gb_optim_opts), fields,
                                   NULL};

double gb_optim_rate(const gb_optim_opts *o, uint64_t step, uint64_t steps)
{
  double s = (double)step, warm = (double)o->warmup, end = (double)steps;
  if (s < warm) return o->learning_rate * (s + 1) / warm;
  if (!strcmp(o->schedule, "constant") || end <= warm) return o->learning_rate;
  return o->learning_rate * (1 + cos(M_PI * fmin(1, (s - warm) / (end - warm)))) / 2;
}

double gb_optim_norm(size_t n, const gb_real *v)
{
  enum { LANES = 16 }; /* partial sums that the compiler can keep in vectors; their order is part of the result */
  double lane[LANES] = {0}, sum = 0;
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (size_t k = 0; k < LANES; k++) lane[k] += (double)v[i + k] * (double)v[i + k];
  for (; i < n; i++) lane[0] += (double)v[i] * (double)v[i];
  for (size_t k = 0; k < LANES; k++) sum += lane[k];
  return sqrt(sum);
}

void gb_optim_step(const gb_optim_opts *o, double rate, double scale, uint64_t step, size_t n,
                   const gb_real *restrict grad, gb_real *restrict m, gb_real *restrict v, gb_real *restrict w)
{
  double t = (double)step + 1, decay = o->weight_decay;
  bool decoupled = !strcmp(o->optimizer, "adamw");
  gb_real b1 = (gb_real)o->beta1, b2 = (gb_real)o->beta2, c1 = 1 - b1, c2 = 1 - b2, s = (gb_real)scale;
  gb_real to_rate = (gb_real)(rate / (1 - pow(o->beta1, t))), to_v = (gb_real)(1 / (1 - pow(o->beta2, t)));
  gb_real eps = (gb_real)o->epsilon, added = (gb_real)(decoupled ? 0 : decay),
          kept = (gb_real)(decoupled ? 1 - rate * decay : 1);
  for (size_t i = 0; i < n; i++) {
    gb_real g = s * grad[i] + added * w[i];
    m[i] = b1 * m[i] + c1 * g;
    v[i] = b2 * v[i] + c2 * g * g;
#ifdef GB_DOUBLE
    gb_real root = sqrt(v[i] * to_v);
#else
    gb_real root = sqrtf(v[i] * to_v);
#endif
    w[i] = kept * w[i] - to_rate * m[i] / (root + eps);
  }
}
