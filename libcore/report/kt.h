/* report/kt.h - the Kosterlitz-Thouless temperature from the helicity modulus Y of several lattice sizes.
 *
 * x = pi Y / (2 T) is 1 at the transition of the infinite lattice; x - 1 = u flows with l = ln L. Three readings, of
 * which the first is the headline (docs/theory/xy.md derives and compares them):
 *   flow       all points at once follow du/dl = 2 (c - u^2)(1 + u), c(T) = 0 at T_KT, u smooth in T at a reference
 * size least      H. Weber and P. Minnhagen, Phys. Rev. B 37 (1988) 5986: chi^2 of x = 1 + 1/(2 (l + C)) is least at
 * T_KT amplitude  the same with x = A (1 + 1/(2 (l + C))): A(T) = 1 at T_KT */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { GB_KT_SIZES = 16, GB_KT_TEMPERATURES = 256, GB_KT_PARAMETERS = 6 };

/* The square lattice with J = 1: Y. Komura and Y. Okabe, J. Phys. Soc. Jpn. 81 (2012) 113001. */
#define GB_KT_KNOWN       0.89289
#define GB_KT_KNOWN_ERROR 0.00005

/* The flow is an expansion in u: it is fitted to points with a smaller |u|. */
#define GB_KT_WINDOW 0.15

typedef struct gb_kt_point {
  double L, T, Y, error;
} gb_kt_point;

typedef enum gb_kt_method { GB_KT_FLOW, GB_KT_LEAST, GB_KT_AMPLITUDE, GB_KT_METHODS } gb_kt_method;
extern const char *const gb_kt_method_name[GB_KT_METHODS];

typedef struct gb_kt_reading {
  bool found;
  double T[2], C[2]; /* value and statistical error; C is 1/(2 u) - l at T_KT */
  double chi2;       /* of the fit; of "amplitude" that with A = 1 at the nearest temperature */
  int dof;
} gb_kt_reading;

/* What is left when the smallest lattices are dropped. */
typedef struct gb_kt_cut {
  double L_min;
  size_t n_sizes;
  gb_kt_reading by[GB_KT_METHODS];
  double flow[GB_KT_PARAMETERS], l0, scale; /* of the flow: gb_kt_curve() */
} gb_kt_cut;

typedef struct gb_kt {
  size_t n_sizes, n_cuts, chosen; /* cut[chosen] gives the headline */
  double L[GB_KT_SIZES];          /* increasing */
  bool crosses[GB_KT_SIZES];
  double crossing[GB_KT_SIZES][2]; /* where Y of this size is 2 T / pi: temperature and error */
  gb_kt_cut cut[GB_KT_SIZES];
  double T, statistical, systematic, error; /* the headline; error: both in quadrature */
  double shift, truncation; /* make systematic, in quadrature: dropping a size; orders beyond the flow. NAN: unknown */
  size_t n_T;               /* of the chosen cut: temperatures that at least three sizes have */
  double T_grid[GB_KT_TEMPERATURES], chi2[GB_KT_TEMPERATURES], A[GB_KT_TEMPERATURES];
  int dof[GB_KT_TEMPERATURES]; /* of chi2, which has A = 1 */
} gb_kt;

/** All readings, with errors from `draws` redraws of the points within their errors.
 *  Local. The headline is the flow from the smallest L_min on whose chi^2 is at most dof + 2 sqrt(2 dof), or else from
 *  the three largest sizes; its systematic error is made of the shift when one more size is dropped, and of half the
 * shift when the last order of the flow, 1 + u, is left out.
 *  @param[in] p  [n] in any order; T, Y and error in one unit of energy
 *  @return GB_ERR_CONFIG for fewer than three sizes or temperatures, errors that are not positive, or temperatures that
 *  do not reach the transition; GB_ERR_NUMERIC if no fit converges */
gb_err gb_kt_analyse(size_t n, const gb_kt_point *p, int draws, gb_kt *out);

/** Y(L, T) of the flow that was fitted to this cut.
 *  Local. */
double gb_kt_curve(const gb_kt_cut *cut, double L, double T);

/** x of the flow at a distance dl = ln(L / L0) from a size where it is 1 + u0, as a periodic lattice shows it: winding
 *  lowers x by the factor 1 - 16 pi x exp(-4 pi x) (M. Hasenbusch, J. Phys. A 38 (2005) 5869).
 *  Local. */
double gb_kt_flow(double c, double u0, double dl);
