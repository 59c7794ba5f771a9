/* sim/tableau.h - explicit Runge-Kutta methods of fixed steps, as numbers. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { GB_MOST_STAGES = 32 };

/* Stage i takes the rate at u + h sum_j a[i][j] rate_j, time t + c[i] h; the step is h sum_i b[i] rate_i. */
typedef struct gb_tableau {
  size_t n; /* stages */
  double a[GB_MOST_STAGES][GB_MOST_STAGES], b[GB_MOST_STAGES], c[GB_MOST_STAGES];
} gb_tableau;

/** Is it one of these methods: euler, midpoint, rk4, rkc?
 *  Local. */
bool gb_tableau_has(const char *method);

/** Stages of a step.
 *  Local.
 *  @param[in] stages  of rkc, 2 ... GB_MOST_STAGES; others have their own number */
size_t gb_tableau_stages(const char *method, size_t stages);

/** Its numbers.
 *  Local. rkc, of order 2: the damped Chebyshev method, stable where a rate of decay times h is below 0.65 stages^2.
 *  Sources: E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, section II.1; B. P.
 *  Sommeijer, L. F. Shampine, J. G. Verwer, RKC: an explicit solver for parabolic PDEs, J. Comput. Appl. Math. 88
 *  (1998) 315, eqs. (2.1) to (2.7). */
void gb_tableau_make(const char *method, size_t stages, gb_tableau *out);
