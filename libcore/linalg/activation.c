/* linalg/activation.c - loops without branches, which the compiler vectorises. */
#include "linalg/activation.h"

#include <math.h>
#include <string.h>

#include "linalg/vmath.h"

static const char *const names[] = {"none", "relu", "leaky_relu", "elu", "gelu", "tanh", "sigmoid", "softplus"};

int gb_activation_find(const char *name)
{
  for (int i = GB_NONE; i <= GB_SOFTPLUS; i++)
    if (!strcmp(names[i], name)) return i;
  return -1;
}

static const gb_real slope = (gb_real)GB_LEAKY_SLOPE;

/* A NaN stays one (no comparison with it is true): it must reach the loss. */
void gb_activate(int kind, size_t n, gb_real *restrict y)
{
  switch ((gb_activation)kind) {
  case GB_NONE: break;
  case GB_RELU:
    for (size_t i = 0; i < n; i++) y[i] = y[i] < 0 ? 0 : y[i];
    break;
  case GB_LEAKY_RELU:
    for (size_t i = 0; i < n; i++) y[i] *= y[i] < 0 ? slope : 1;
    break;
  case GB_ELU:
    for (size_t i = 0; i < n; i++) {
      gb_real e = gb_exp(y[i] < 0 ? y[i] : 0) - 1;
      y[i] = y[i] < 0 ? e : y[i];
    }
    break;
  case GB_GELU:
    for (size_t i = 0; i < n; i++) y[i] *= gb_normal_cdf(y[i]);
    break;
  case GB_TANH:
    for (size_t i = 0; i < n; i++) y[i] = gb_tanh(y[i]);
    break;
  case GB_SIGMOID:
    for (size_t i = 0; i < n; i++) y[i] = 1 / (1 + gb_exp(-y[i]));
    break;
  case GB_SOFTPLUS:
    for (size_t i = 0; i < n; i++) y[i] = (y[i] > 0 ? y[i] : 0) + gb_log1p(gb_exp(y[i] < 0 ? y[i] : -y[i]));
    break;
  }
}

void gb_activate_vjp(int kind, size_t n, const gb_real *restrict y, gb_real *restrict g)
{
  const gb_real inv_sqrt_2pi = GB_R(0.39894228040143268);
  switch ((gb_activation)kind) {
  case GB_NONE: break;
  case GB_RELU:
    for (size_t i = 0; i < n; i++) g[i] = y[i] > 0 ? g[i] : 0;
    break;
  case GB_LEAKY_RELU:
    for (size_t i = 0; i < n; i++) g[i] *= y[i] > 0 ? 1 : slope;
    break;
  case GB_ELU:
    for (size_t i = 0; i < n; i++) g[i] *= y[i] > 0 ? 1 : y[i] + 1;
    break;
  case GB_GELU:
    for (size_t i = 0; i < n; i++) g[i] *= gb_normal_cdf(y[i]) + y[i] * inv_sqrt_2pi * gb_exp(-y[i] * y[i] / 2);
    break;
  case GB_TANH:
    for (size_t i = 0; i < n; i++) g[i] *= 1 - y[i] * y[i];
    break;
  case GB_SIGMOID:
    for (size_t i = 0; i < n; i++) g[i] *= y[i] * (1 - y[i]);
    break;
  case GB_SOFTPLUS:
    for (size_t i = 0; i < n; i++) g[i] *= 1 - gb_exp(-y[i]);
    break;
  }
}

void gb_activate_kept(gb_activation a, size_t n, gb_real *y, gb_real *kept)
{
  if (!gb_activation_is_monotone(a)) memcpy(kept, y, n * sizeof *y);
  gb_activate((int)a, n, y);
}

void gb_activate_kept_vjp(gb_activation a, size_t n, const gb_real *y, const gb_real *kept, gb_real *g)
{
  gb_activate_vjp((int)a, n, gb_activation_is_monotone(a) ? y : kept, g);
}

void gb_activate_kept_jvp(gb_activation a, size_t rows, size_t directions, size_t width, const gb_real *y,
                          const gb_real *kept, gb_real *t)
{
  enum { STRIP = 128 };
  const gb_real *of = gb_activation_is_monotone(a) ? y : kept;
  if (a == GB_NONE) return;
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0, m; i < width; i += m) {
      gb_real slopes[STRIP];
      m = width - i < STRIP ? width - i : STRIP;
      for (size_t k = 0; k < m; k++) slopes[k] = 1;
      gb_activate_vjp((int)a, m, of + r * width + i, slopes);
      for (size_t d = 0; d < directions; d++) {
        gb_real *restrict to = t + (r * directions + d) * width + i;
        for (size_t k = 0; k < m; k++) to[k] *= slopes[k];
      }
    }
}
