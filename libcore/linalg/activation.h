/* linalg/activation.h - activation functions of whole stretches of numbers, and their derivatives. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/real.h"

#define GB_ACTIVATIONS "none|relu|leaky_relu|elu|gelu|tanh|sigmoid|softplus"
typedef enum gb_activation {
  GB_NONE,
  GB_RELU,
  GB_LEAKY_RELU,
  GB_ELU,
  GB_GELU,
  GB_TANH,
  GB_SIGMOID,
  GB_SOFTPLUS
} gb_activation;

#define GB_LEAKY_SLOPE 0.2 /* of leaky_relu, below 0 */

/** The activation of this name (one of GB_ACTIVATIONS), or -1.
 *  Local. */
int gb_activation_find(const char *name);

/** Does the derivative follow from the value? Not that of gelu, x Phi(x): there x has to be kept.
 *  Local. */
static inline bool gb_activation_is_monotone(gb_activation a)
{
  return a != GB_GELU;
}

/** y = activation(y). A NaN stays one.
 *  Local.
 *  @param[in] kind  a gb_activation */
void gb_activate(int kind, size_t n, gb_real *y);

/** g *= activation'(x), from y = activation(x); of gelu from x itself.
 *  Local. */
void gb_activate_vjp(int kind, size_t n, const gb_real *y_or_x, gb_real *g);

/** The same two for any activation: x is put aside where the derivative wants it.
 *  Local.
 *  @param kept  [n] x; not used, and may be NULL, if gb_activation_is_monotone() */
void gb_activate_kept(gb_activation a, size_t n, gb_real *y, gb_real *kept);
void gb_activate_kept_vjp(gb_activation a, size_t n, const gb_real *y, const gb_real *kept, gb_real *g);

/** t *= activation'(x) for several tangents of each row.
 *  Local.
 *  @param[in]     y, kept  [rows, width] as above
 *  @param[in,out] t        [rows, directions, width] */
void gb_activate_kept_jvp(gb_activation a, size_t rows, size_t directions, size_t width, const gb_real *y,
                          const gb_real *kept, gb_real *t);
