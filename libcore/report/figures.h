/* report/figures.h - the figures of a report, each an <svg> element. */
#pragma once
#include "report/report.h"

/** Loss by term over the steps: validation as lines, training as dots.
 *  Local. */
gb_err gb_figure_loss(const gb_report *r, gb_text *svg);

/** Thermodynamics over the temperature: the data, and one source of every model.
 *  Local. */
gb_err gb_figure_observables(const gb_report *r, gb_source source, gb_text *svg);

/** Latent means of the test samples, the two latents with the largest KL, coloured by temperature; one panel a model.
 *  Local. */
gb_err gb_figure_latent(const gb_report *r, gb_text *svg);

/** Mean |mu_z| over the temperature, and the helicity modulus of the data with the line 2 T / pi.
 *  Local. */
gb_err gb_figure_transition(const gb_report *r, gb_text *svg);

/** The search for T_KT: Y(T) of every size, x - 1 over ln L, chi^2(T), and T_KT over the smallest size used.
 *  Local. */
gb_err gb_figure_kt(const gb_report *r, gb_text *svg);

/** Arrows on a lattice coloured by direction, vortices marked; one panel a field.
 *  Local.
 *  @param[in] side   of the lattice
 *  @param[in] n      panels
 *  @param[in] field  [n] angles [side, side], row 0 at the bottom; NULL: an empty panel
 *  @param[in] title  [n] */
void gb_figure_lattices(size_t side, size_t n, const float *const field[], const char *const title[], gb_text *svg);
