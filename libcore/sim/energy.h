/* sim/energy.h - the physics in the loss: how far the energy of a reconstruction is from that of its input. */
#pragma once
#include "ad/graph.h"
#include "sim/physics.h"

/** Loss term N (e(data) - e(field))^2 = (Delta E)^2 / N, e the energy per site, N sites, E = N e.
 *  Local. HG-VAE: M. Cristoforetti et al., arXiv:1705.09524 (that the energy difference enters the loss); the scale is
 * ours, docs/theory/hgvae.md.
 *  @param[in] sim    must have an ensemble; borrowed
 *  @param[in] field  [sites, 2] reconstruction as planar vectors
 *  @param[in] data   [sites, 2] input as unit vectors */
gb_node *gb_energy_term(gb_graph *g, const gb_sim *sim, gb_node *field, gb_node *data);

/** Energies per site of the last run of the term: of the field and of the data.
 *  Local. Borrowed; [rows]. */
const double *gb_energy_of_field(const gb_node *term);
const double *gb_energy_of_data(const gb_node *term);
