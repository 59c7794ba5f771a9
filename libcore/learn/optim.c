/* learn/optim.c - elementwise, so vectorised, and the same bits on every rank. */
#include "learn/optim.h"

#include <math.h>
#include <string.h>

static const gb_field fields[] = {
    GB_WORD(gb_optim_opts, optimizer, "adam", "adam|adamw", GB_FIXED,
            "adam: weight_decay is added to the gradient; adamw: it shrinks the weights directly."),
    GB_NUMBER(gb_optim_opts, learning_rate, "1e-3", 0, 1e3, "1", GB_FIXED, "Learning rate after warm-up."),
    GB_WORD(gb_optim_opts, schedule, "constant", "constant|cosine|step", GB_FIXED,
            "Learning rate after warm-up: constant, falling to 0 at train.steps along half a cosine, or falling in "
            "steps."),
    GB_NUMBER(gb_optim_opts, step_every, "10000", 1, 1e12, "steps", GB_FIXED,
              "Interval of the step schedule, counted from the end of the warm-up."),
    GB_NUMBER(gb_optim_opts, step_factor, "0.5", 1e-6, 1, "1", GB_FIXED,
              "By this the step schedule multiplies the learning rate."),
    GB_NUMBER(gb_optim_opts, warmup, "0", 0, 1e12, "steps", GB_FIXED,
              "The learning rate rises linearly over so many steps."),
    GB_NUMBER(gb_optim_opts, beta1, "0.9", 0, 0.999999, "1", GB_FIXED, "Decay of the first moment."),
    GB_NUMBER(gb_optim_opts, beta2, "0.999", 0, 0.999999, "1", GB_FIXED, "Decay of the second moment."),
    GB_NUMBER(gb_optim_opts, epsilon, "1e-8", 1e-30, 1, "1", GB_FIXED, "Added to the root of the second moment."),
    GB_NUMBER(gb_optim_opts, weight_decay, "0", 0, 10, "1", GB_FIXED, "Weight decay."),
    GB_NUMBER(
        gb_optim_opts, clip_norm, "0", 0, 1e12, "1", GB_FIXED,
        "A gradient (of the mean loss, after the sum over all ranks) longer than this is shortened to it; 0: never."),
    GB_NUMBER(gb_optim_opts, clip_value, "0", 0, 1e12, "1", GB_FIXED,
              "Every element of that gradient is limited to +- this; 0: never. Not together with clip_norm."),
    GB_NUMBER(gb_optim_opts, ema, "0", 0, 0.9999999, "1", GB_FIXED,
              "Decay of the running average of the weights, which then is what is validated and kept in best.h5; 0: "
              "none. The first steps have less: min(ema, (1 + step) / (10 + step))."),
    {0}};

static gb_err check(const void *opts)
{
  const gb_optim_opts *o = opts;
  GB_CHECK(!(o->clip_norm > 0 && o->clip_value > 0), GB_ERR_CONFIG,
           "optimizer.clip_norm and optimizer.clip_value are both set. Set one of them to 0.");
  return GB_OK;
}

const gb_schema gb_optim_schema = {"optimizer", "How weights follow the gradient.", sizeof(gb_optim_opts), fields,
                                   check};

double gb_optim_rate(const gb_optim_opts *o, uint64_t step, uint64_t steps)
{
  double s = (double)step, warm = (double)o->warmup, end = (double)steps;
  if (s < warm) return o->learning_rate * (s + 1) / warm;
  if (!strcmp(o->schedule, "step"))
    return o->learning_rate * pow(o->step_factor, floor((s - warm) / (double)o->step_every));
  if (!strcmp(o->schedule, "constant") || end <= warm) return o->learning_rate;
  return o->learning_rate * (1 + cos(M_PI * fmin(1, (s - warm) / (end - warm)))) / 2;
}

double gb_optim_shortened(const gb_optim_opts *o, double norm)
{
  return o->clip_norm > 0 && norm > o->clip_norm ? o->clip_norm / norm : 1;
}

void gb_optim_step(const gb_optim_opts *o, double rate, double scale, uint64_t step, size_t n,
                   const gb_real *restrict grad, gb_real *restrict m, gb_real *restrict v, gb_real *restrict w)
{
  double t = (double)step + 1, decay = o->weight_decay;
  bool decoupled = !strcmp(o->optimizer, "adamw");
  gb_real b1 = (gb_real)o->beta1, b2 = (gb_real)o->beta2, c1 = 1 - b1, c2 = 1 - b2, s = (gb_real)scale;
  gb_real to_rate = (gb_real)(rate / (1 - pow(o->beta1, t))), to_v = (gb_real)(1 / (1 - pow(o->beta2, t)));
  gb_real eps = (gb_real)o->epsilon, added = (gb_real)(decoupled ? 0 : decay),
          kept = (gb_real)(decoupled ? 1 - rate * decay : 1),
          limit = (gb_real)(o->clip_value > 0 ? o->clip_value : INFINITY);
  for (size_t i = 0; i < n; i++) {
    gb_real g = s * grad[i];
    g = g > limit ? limit : g;
    g = g < -limit ? -limit : g;
    g += added * w[i];
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

void gb_optim_follow(size_t n, const gb_real *restrict value, gb_real *restrict w)
{
  for (size_t i = 0; i < n; i++) w[i] += GB_R(0.1) * (value[i] - w[i]);
}

void gb_optim_grow(double rate, size_t n, const gb_real *restrict value, gb_real *restrict w)
{
  for (size_t i = 0; i < n; i++) w[i] += (gb_real)rate * value[i];
}

void gb_optim_average(const gb_optim_opts *o, uint64_t step, size_t n, const gb_real *restrict w,
                      gb_real *restrict average)
{
  double t = (double)step;
  gb_real change = (gb_real)(1 - fmin(o->ema, (1 + t) / (10 + t)));
  for (size_t i = 0; i < n; i++) average[i] += change * (w[i] - average[i]);
}
