/* linalg/von_mises.h - the von Mises distribution of an angle d: exp(kappa cos d) / (2 pi I0(kappa)), kappa >= 0. */
#pragma once
#include "base/rng.h"
#include "linalg/vmath.h"

/** ln I0(kappa), of the modified Bessel function. Error below 1e-13, relative where it is above 1.
 *  Local. Source: power series (DLMF 10.25.2) below 25, asymptotic series (DLMF 10.40.1) from there on. */
double gb_von_mises_log_i0(double kappa);

/** Mean resultant length A = <cos d> = I1(kappa) / I0(kappa). Relative error below 1e-13.
 *  Local. d ln I0 / d kappa = A; dA / d kappa = 1 - A / kappa - A^2. Same sources. */
double gb_von_mises_length(double kappa);

/** dA / d kappa, without the cancellation of the formula above.
 *  Local. Relative error below 1e-9. */
double gb_von_mises_length_slope(double kappa);

/** One variate in [-pi, pi], from a stream of its own.
 *  Local. Source: D. J. Best and N. I. Fisher, Appl. Statist. 28 (1979) 152 (rejection from a wrapped Cauchy). */
double gb_von_mises_draw(double kappa, gb_key key);

/** How a variate moves with kappa when its place in the distribution does not: -(dF/dkappa) / p at d, with F the
 *  distribution function. Makes draws differentiable. Error below 1e-8 of 1 + |value|.
 *  Local. kappa > 0, |d| <= pi.
 *  Source: M. Figurnov, S. Mohamed, A. Mnih, Implicit Reparameterization Gradients, NeurIPS 2018, eq. 5. */
double gb_von_mises_move(double kappa, double d);

/** ln I0(kappa) - kappa and kappa (1 - A(kappa)), for loops over network data: branch-free. Error below 1.5e-6 in
 * float, relative where the value is above 1; in the double build those of the functions above. Local. kappa >= 0.
 *  Source: polynomials in kappa^2 for I0 and I1 / kappa up to 6, in 1 / kappa beyond, fitted at Chebyshev nodes with
 *  errors below 1e-7 (DLMF 10.25.2, 10.40.1 give the functions). */
static inline void gb_von_mises_less(gb_real kappa, gb_real *log_i0_less, gb_real *lack)
{
#ifdef GB_DOUBLE
  *log_i0_less = gb_von_mises_log_i0(kappa) - kappa;
  *lack = kappa * (1 - gb_von_mises_length(kappa));
#else
  const float border = 6;
  float x = kappa < border ? kappa : border, y = kappa < border ? border : kappa, q = x * x, v = 1 / y;
  float i0 = 0x1.151566p-46f * q + 0x1.14c54cp-39f;
  i0 = i0 * q + 0x1.0bf78cp-31f;
  i0 = i0 * q + 0x1.21bc64p-24f;
  i0 = i0 * q + 0x1.c76a1ep-18f;
  i0 = i0 * q + 0x1.c713dcp-12f;
  i0 = i0 * q + 0x1.00007ap-6f;
  i0 = i0 * q + 0x1.ffffecp-3f;
  i0 = i0 * q + 0x1p+0f;
  float i1 = 0x1.d58818p-51f * q + 0x1.2273cp-43f;
  i1 = i1 * q + 0x1.2ee9c2p-35f;
  i1 = i1 * q + 0x1.832c9ep-28f;
  i1 = i1 * q + 0x1.6c34cp-21f;
  i1 = i1 * q + 0x1.c71922p-15f;
  i1 = i1 * q + 0x1.555584p-9f;
  i1 = i1 * q + 0x1.fffffcp-5f;
  i1 = i1 * q + 0x1p-1f;
  float far = -0x1.d6845ap+4f * v + 0x1.3ca39ap+4f;
  far = far * v + -0x1.efc2p+1f;
  far = far * v + 0x1.051aecp-1f;
  far = far * v + 0x1.6dfc9p-5f;
  far = far * v + 0x1.01f52cp-4f;
  far = far * v + 0x1.fffbacp-4f;
  far = far * v;
  float rest = -0x1.e2d63ap+8f * v + 0x1.0cc606p+8f;
  rest = rest * v + -0x1.98d3ecp+5f;
  rest = rest * v + 0x1.56238cp+2f;
  rest = rest * v + -0x1.52431ep-5f;
  rest = rest * v + 0x1.0aef2p-3f;
  rest = rest * v + 0x1.ffd11ep-4f;
  rest = rest * v + 0x1p-1f;
  /* one logarithm for both: of I0, or of the 2 pi kappa under the root of the asymptotic form */
  float log_of = gb_log(kappa < border ? i0 : 0x1.921fb6p+2f * y);
  *log_i0_less = kappa < border ? log_of - kappa : far - log_of / 2;
  *lack = kappa < border ? x * (1 - x * i1 / i0) : rest;
#endif
}
