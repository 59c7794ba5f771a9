/* physics/galaxy/galaxy.h - what the known image and the simulated images of galaxies share. Not for use outside
 * physics/galaxy.c, its folder and the tests. */
#pragma once
#include "sim/physics.h"

typedef enum gb_galaxy_profile { GB_GALAXY_EXPONENTIAL, GB_GALAXY_GAUSSIAN, GB_GALAXY_SERSIC } gb_galaxy_profile;

typedef struct gb_galaxy_opts {
  int64_t size, neighbours, known_neighbours;
  const char *profile, *class;
  double sersic_index, jitter, psf, known_psf, read_noise;
  gb_reals intensity, semi_axis, edge_on_ellipticity, face_on_ellipticity, sky, gain;
  gb_reals intensity_box, semi_axis_box, ellipticity_box;
  bool dust, colour;
} gb_galaxy_opts;

/* The parameters of the known image come first. */
enum { GB_GALAXY_INTENSITY, GB_GALAXY_AXIS, GB_GALAXY_ELLIPTICITY, GB_GALAXY_ANGLE, GB_GALAXY_PARAMETERS };
enum { GB_GALAXY_CLASS = GB_GALAXY_PARAMETERS, GB_GALAXY_TRUTH, GB_GALAXY_CHANNELS = 3 };

typedef struct gb_galaxy {
  gb_galaxy_opts opts;
  size_t size;
  gb_galaxy_profile profile;
  double index, b; /* of a Sersic profile exp(-b r^(1/index)) */
  double low[GB_GALAXY_PARAMETERS], high[GB_GALAXY_PARAMETERS];
  gb_real *grid; /* [size] x of the columns, -1 ... 1; -y of the lines */
  double *work;  /* [2, size, size] to blur in */
  gb_real *bar;  /* [size, size] */
} gb_galaxy;

/** b of a Sersic profile, for which half of the light is inside r = 1; error below 1e-4 for index >= 0.5.
 *  Local.
 *  Source: L. Ciotti and G. Bertin, Astron. Astrophys. 352 (1999) 447, eq. 18. */
double gb_galaxy_sersic_b(double index);

/** Convolve n x n pixels, of `channels` numbers each, with a Gaussian; beyond the edges it goes on as it ends.
 * Transposed: the product with the transpose of this map. Local.
 *  @param[in]     sigma  pixels; 0 changes nothing
 *  @param[in,out] light  [n, n, channels]
 *  @param[out]    work   [n, n, channels] */
void gb_galaxy_blur(double sigma, size_t n, size_t channels, bool transposed, double *light, double *work);

/* A star or small galaxy nearby: an elliptic Gaussian, in half images; the smallest are points, which the optics blur.
 * Each number is uniform in its range. */
typedef enum gb_galaxy_near {
  GB_GALAXY_NEAR_X,
  GB_GALAXY_NEAR_Y,
  GB_GALAXY_NEAR_PEAK,
  GB_GALAXY_NEAR_SIZE,  /* its semi-major axis */
  GB_GALAXY_NEAR_RATIO, /* of the other one to it */
  GB_GALAXY_NEAR_ANGLE,
  GB_GALAXY_NEAR
} gb_galaxy_near;
extern const double gb_galaxy_near_range[GB_GALAXY_NEAR][2];

/** Add the light of a neighbour.
 *  Local.
 *  @param[in]     z      [GB_GALAXY_NEAR]
 *  @param[in]     gain   [channels] of it
 *  @param[in,out] light  [size, size, channels] */
void gb_galaxy_add_neighbour(const gb_galaxy *g, const double *z, size_t channels, const double *gain, double *light);

/** gb_image.surround of an instance: up to known_neighbours neighbours.
 *  Local. */
void gb_galaxy_surround(void *self, uint64_t seed, uint64_t row, uint64_t step, gb_real *y);

/** gb_simulator.simulate of an instance.
 *  Local. */
gb_err gb_galaxy_simulate(void *self, uint64_t seed, uint64_t row, float *x, double *truth);

/** A Poisson variate: the number that a uniform number u in (0, 1) stands for.
 *  Local. Inversion, outwards from the most probable number.
 *  @param[in] mean  >= 0 */
double gb_galaxy_poisson(double mean, double u);
