/* linalg/von_mises.h - the von Mises distribution of an angle d: exp(kappa cos d) / (2 pi I0(kappa)), kappa >= 0. */
#pragma once
#include "base/rng.h"

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
