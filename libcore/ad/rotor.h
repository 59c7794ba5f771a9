/* ad/rotor.h - decoders of angles: on every site a direction u (a unit vector) and a spread l = ln sigma^2.
 *
 * Two noise models about the direction: Gaussian (the residual wrapped into (-pi, pi], standard deviation sigma) and
 * von Mises (exact on the circle, kappa = 1 / sigma^2). Shapes: u [sites, 2] as (cos, sin), l [sites]; l is a node, or
 * NULL for one fixed value. Samples x [sites, 2] are unit vectors as well. docs/theory/hgvae.md has the derivations.
 * All builders are Local. */
#pragma once
#include "ad/graph.h"

typedef enum gb_noise { GB_GAUSSIAN, GB_VON_MISES } gb_noise;

enum { GB_SPREAD_LOW = -12, GB_SPREAD_HIGH = 4 }; /* limits of ln sigma^2: sigma from 0.0025 to 7.4 rad */

/** u = (a, b) / |(a, b)| from channels 0 and 1 of raw [sites, channels].
 *  Local. */
gb_node *gb_rotor_from_vector(gb_graph *g, gb_node *raw);

/** u = (cos pi a, sin pi a) from channel 0 of raw [sites, channels]: an angle in half turns.
 *  Local. */
gb_node *gb_rotor_from_angle(gb_graph *g, gb_node *raw);

/** l from the last channel of raw [sites, channels], bent smoothly into (GB_SPREAD_LOW, GB_SPREAD_HIGH).
 *  Local. */
gb_node *gb_rotor_spread(gb_graph *g, gb_node *raw);

/** One l for all sites of all samples, a learned weight: l(weight), bent as above.
 *  Local.
 *  @param[in] weight  one number; 0 gives l = start
 *  @param[in] shape   sites
 *  @param[in] copies  of each sample */
gb_node *gb_rotor_shared_spread(gb_graph *g, gb_node *weight, gb_shape shape, size_t copies, double start);

/** dl/dweight at l.
 *  Local. */
double gb_rotor_spread_slope(double l);

/** Loss term -ln p(x | u, l) of the angles of x [sites, 2], in nats, summed over sites; of each copy of u.
 *  Local. x has one copy.
 *  @param[in] fixed  ln sigma^2 where l is NULL */
gb_node *gb_rotor_nll(gb_graph *g, gb_noise noise, gb_node *x, gb_node *u, gb_node *l, double fixed);

/** What one sample says about the numbers z that tangents belong to, after a gb_graph_push(): its score J' grad ln p(x
 * | u, l) and the Fisher information J' F J of the noise, with J the Jacobian of angles and spreads. Of a site F is
 * 1/sigma^2 of the angle and 1/2 of l (Gaussian), kappa A(kappa) and kappa^2 A'(kappa) (von Mises): their means over x
 * are those of grad ln p grad ln p', without a cross term. Local.
 *  @param[in]  row    of u and l
 *  @param[in]  x      [sites, 2]
 *  @param[out] score  [directions]
 *  @param[out] information  [directions, directions] */
void gb_rotor_pull_back(gb_noise noise, const gb_node *u, const gb_node *l, double fixed, size_t row, const gb_real *x,
                        double *score, double *information);

/** The field of mean spins s = r u, r = <cos of the noise>: exp(-sigma^2/2) or A(kappa). Its energy is the expected
 * energy of independently noisy spins. Local. */
gb_node *gb_rotor_expected(gb_graph *g, gb_noise noise, gb_node *u, gb_node *l, double fixed);

/** Spins with their noise: u turned by a variate, which is differentiable in l (reparameterised, implicitly for von
 * Mises). Local.
 *  @param[in] draws  borrowed; read at every run */
gb_node *gb_rotor_sample(gb_graph *g, gb_noise noise, gb_node *u, gb_node *l, double fixed, const gb_draws *draws);
