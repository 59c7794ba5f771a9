/* physics/galaxy.c - images of galaxies, known as an ellipse whose light falls off from its centre.
 *
 * Notes
 * I(x, y) = I0 f(r), r^2 = (x'/A)^2 + (y'/B)^2, B = A (1 - e), (x', y') = (x, y) turned by theta, on a grid over [-1,
 * 1] both ways whose first line is y = 1. f is exp(-r) or exp(-r^2), of which A is the length of decay, or a Sersic
 * profile exp(-b r^(1/n)), of which A is the half-light radius. All but the second have a kink or a cusp at r = 0,
 * where derivatives are taken as 0. What is simulated, in physics/galaxy/, has arms, dust, bulge, colours and noise. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "galaxy/galaxy.h"
#include "linalg/vmath.h"
#include "sim/rows.h"

static const gb_field fields[] = {
    GB_NUMBER(gb_galaxy_opts, size, "69", 8, 1024, "pixels", GB_FIXED, "Side of the images."),
    GB_WORD(gb_galaxy_opts, profile, "exponential", "exponential|gaussian|sersic", GB_FIXED,
            "How light falls off, in the known image and in the disks of simulated ones."),
    GB_NUMBER(gb_galaxy_opts, sersic_index, "4", 0.5, 8, "1", GB_FIXED,
              "Index of a Sersic profile: 1 a disk, 4 an elliptical galaxy."),
    GB_WORD(gb_galaxy_opts, class, "edge_on", "edge_on|edge_on_bulge|face_on|spiral|mixed", GB_FIXED,
            "What is simulated; mixed: one of the four for every row."),
    GB_NUMBER(gb_galaxy_opts, intensity, "[0.4, 1]", 0.1, 1, "1", GB_FIXED,
              "Range [low, high] of the brightness of a disk's centre; 1 is white."),
    GB_NUMBER(gb_galaxy_opts, semi_axis, "[0.25, 0.6]", 0.1, 1.5, "half image", GB_FIXED,
              "Range [low, high] of the semi-major axis."),
    GB_NUMBER(gb_galaxy_opts, edge_on_ellipticity, "[0.7, 0.95]", 0, 0.999, "1", GB_FIXED,
              "Range [low, high] of 1 - B/A of disks that are seen edge-on."),
    GB_NUMBER(gb_galaxy_opts, face_on_ellipticity, "[0, 0.6]", 0, 0.999, "1", GB_FIXED,
              "Range [low, high] of 1 - B/A of all others."),
    GB_NUMBER(gb_galaxy_opts, jitter, "0.02", 0, 1, "half image", GB_FIXED,
              "Standard deviation of the place of the centre, both ways."),
    GB_NUMBER(gb_galaxy_opts, dust, "true", 0, 0, "1", GB_FIXED, "Disks that are seen edge-on have a dark lane."),
    GB_NUMBER(gb_galaxy_opts, colour, "true", 0, 0, "1", GB_FIXED,
              "Channels differ, and disks are bluer outwards; else images are grey."),
    GB_NUMBER(gb_galaxy_opts, neighbours, "3", 0, 20, "sources", GB_FIXED,
              "At most so many stars and small galaxies beside it."),
    GB_NUMBER(gb_galaxy_opts, sky, "[0.02, 0.05]", 0, 1, "1", GB_FIXED,
              "Range [low, high] of the brightness of the sky."),
    GB_NUMBER(gb_galaxy_opts, psf, "1", 0, 20, "pixels", GB_FIXED,
              "Standard deviation of the Gaussian that a point becomes; 0: a point."),
    GB_NUMBER(gb_galaxy_opts, gain, "[200, 400]", 0, 1e6, "electrons", GB_FIXED,
              "Range [low, high] of the electrons of brightness 1, whose number has a Poisson distribution; 0: no such "
              "noise."),
    GB_NUMBER(gb_galaxy_opts, read_noise, "0.01", 0, 1, "1", GB_FIXED,
              "Standard deviation of the noise of reading out."),
    GB_NUMBER(gb_galaxy_opts, known_psf, "0", 0, 20, "pixels", GB_FIXED,
              "What is known of psf: the known image is blurred so; 0: it is not."),
    GB_NUMBER(gb_galaxy_opts, known_neighbours, "0", 0, 20, "sources", GB_FIXED,
              "What is known of neighbours: images that train the encoder have at most so many."),
    GB_NUMBER(gb_galaxy_opts, intensity_box, "[0.1, 1]", 0.1, 1, "1", GB_FIXED,
              "Box [low, high] in which the intensity is expected: its prior, and where images that train the encoder "
              "are drawn."),
    GB_NUMBER(gb_galaxy_opts, semi_axis_box, "[0.1, 1.5]", 0.001, 10, "half image", GB_FIXED,
              "Box [low, high] in which the semi-major axis is expected."),
    GB_NUMBER(gb_galaxy_opts, ellipticity_box, "[0, 0.999]", 0, 0.999, "1", GB_FIXED,
              "Box [low, high] in which the ellipticity is expected."),
    {0}};

static gb_err check(const void *opts)
{
  const gb_galaxy_opts *o = opts;
  GB_TRY(gb_range_check("galaxy.intensity", o->intensity));
  GB_TRY(gb_range_check("galaxy.semi_axis", o->semi_axis));
  GB_TRY(gb_range_check("galaxy.edge_on_ellipticity", o->edge_on_ellipticity));
  GB_TRY(gb_range_check("galaxy.face_on_ellipticity", o->face_on_ellipticity));
  GB_TRY(gb_range_check("galaxy.sky", o->sky));
  GB_TRY(gb_range_check("galaxy.gain", o->gain));
  GB_TRY(gb_range_check("galaxy.intensity_box", o->intensity_box));
  GB_TRY(gb_range_check("galaxy.semi_axis_box", o->semi_axis_box));
  return gb_range_check("galaxy.ellipticity_box", o->ellipticity_box);
}

static const gb_schema schema = {"galaxy", "Images of galaxies: what is simulated, and what is known of it.",
                                 sizeof(gb_galaxy_opts), fields, check};

static const gb_var truth[GB_GALAXY_TRUTH] = {
    {"intensity", "1", "Brightness I0 of the centre of the disk."},
    {"semi_axis", "half image", "Semi-major axis A."},
    {"ellipticity", "1", "e = 1 - B/A, B the semi-minor axis."},
    {"angle", "rad", "Angle theta by which the image is turned clockwise; the same after half a turn."},
    {"class", "1",
     "Number in Galaxy10 (SDSS): 0 face-on without arms, 4 edge-on with a bulge, 6 edge-on without one, 7, 8 and 9 "
     "tight, medium and loose spirals."},
};

static const double least[GB_GALAXY_PARAMETERS] = {0.1, 0.001, 0, 0},
                    most[GB_GALAXY_PARAMETERS] = {1, 10, 0.999, 3.142};

double gb_galaxy_sersic_b(double n)
{
  return 2 * n - 1.0 / 3 + 4 / (405 * n) + 46 / (25515 * n * n) + 131 / (1148175 * n * n * n) -
         2194697 / (30690717750 * n * n * n * n);
}

static void destroy(void **self)
{
  gb_galaxy *s = *self;
  if (s) {
    gb_free(&s->grid);
    gb_free(&s->work);
    gb_free(&s->bar);
  }
  gb_free(self);
}

static gb_err create(const void *opts, gb_comm team, void **self, gb_dims *dims)
{
  gb_galaxy *s;
  GB_CHECK(team.size == 1, GB_ERR_CONFIG, "a galaxy cannot be spread over ranks. Set generate.ranks_per_chain = 1.");
  GB_TRY(gb_new(&s, 1));
  *self = s;
  s->opts = *(const gb_galaxy_opts *)opts;
  s->size = (size_t)s->opts.size;
  GB_TRY(gb_new(&s->grid, s->size));
  GB_TRY(gb_new(&s->work, 2 * s->size * s->size));
  GB_TRY(gb_new(&s->bar, s->size * s->size));
  for (size_t i = 0; i < s->size; i++)
    s->grid[i] = (gb_real)((2 * (double)i - (double)(s->size - 1)) / (double)(s->size - 1));
  s->profile = !strcmp(s->opts.profile, "exponential") ? GB_GALAXY_EXPONENTIAL
               : !strcmp(s->opts.profile, "gaussian")  ? GB_GALAXY_GAUSSIAN
                                                       : GB_GALAXY_SERSIC;
  s->index = s->opts.sersic_index;
  s->b = gb_galaxy_sersic_b(s->index);
  *dims = gb_dims_rows(3, (size_t[]){s->size, s->size, GB_GALAXY_CHANNELS}, (const char *[]){"y", "x", "channel"}, "1");
  dims->n_parameter = GB_GALAXY_PARAMETERS;
  const gb_reals box[] = {s->opts.intensity_box, s->opts.semi_axis_box, s->opts.ellipticity_box};
  for (int k = 0; k < GB_GALAXY_ANGLE; k++) {
    s->low[k] = box[k].v[0];
    s->high[k] = box[k].v[1];
  }
  s->high[GB_GALAXY_ANGLE] = 3.142;
  dims->low = s->low;
  dims->high = s->high;
  dims->least = least;
  dims->most = most;
  return GB_OK;
}

/* A turned ellipse: p = x'/A = px x + py y and q = y'/B = qx x + qy y. */
typedef struct ellipse {
  gb_real px, py, qx, qy;
} ellipse;

static ellipse turned(const gb_real *theta)
{
  gb_real c, s, a = theta[GB_GALAXY_AXIS], b = a * (1 - theta[GB_GALAXY_ELLIPTICITY]);
  gb_circle(theta[GB_GALAXY_ANGLE], &c, &s);
  return (ellipse){c / a, -s / a, s / b, c / b};
}

/* What a profile is made of, for loops over pixels. */
typedef struct shape {
  gb_real b, power; /* exp(-b r^(2 power)) of a Sersic profile */
} shape;

/* f and its derivative over r; 0 at r = 0. */
static inline void fall(gb_galaxy_profile profile, shape s, gb_real r2, gb_real *f, gb_real *slope)
{
  if (profile == GB_GALAXY_EXPONENTIAL) {
    gb_real r = gb_sqrt(r2);
    *f = gb_exp(-r);
    *slope = r > 0 ? -*f / r : 0;
  } else if (profile == GB_GALAXY_GAUSSIAN) {
    *f = gb_exp(-r2);
    *slope = -2 * *f;
  } else {
    gb_real safe = r2 > GB_R(1e-30) ? r2 : GB_R(1e-30), power = s.b * gb_exp(s.power * gb_log(safe));
    power = r2 > GB_R(1e-30) ? power : 0;
    *f = gb_exp(-power);
    *slope = -2 * s.power * power / safe * *f;
  }
}

static inline void draw_line(gb_galaxy_profile profile, shape s, ellipse e, gb_real intensity, size_t n,
                             const gb_real *restrict x, gb_real y, gb_real *restrict out)
{
  for (size_t j = 0; j < n; j++) {
    gb_real p = e.px * x[j] + e.py * y, q = e.qx * x[j] + e.qy * y, f, slope;
    fall(profile, s, p * p + q * q, &f, &slope);
    out[j] = intensity * f;
  }
}

static shape shape_of(const gb_galaxy *s)
{
  return (shape){(gb_real)s->b, (gb_real)(0.5 / s->index)};
}

/* One image as the optics show it, or the gradient with respect to it before they did. */
static void blurred(const gb_galaxy *s, bool transposed, const gb_real *in, gb_real *out)
{
  size_t n = s->size * s->size;
  for (size_t i = 0; i < n; i++) s->work[i] = (double)in[i];
  gb_galaxy_blur(s->opts.known_psf, s->size, 1, transposed, s->work, s->work + n);
  for (size_t i = 0; i < n; i++) out[i] = (gb_real)s->work[i];
}

static void draw(void *self, size_t rows, const gb_real *theta, gb_real *y)
{
  const gb_galaxy *s = self;
  shape f = shape_of(s);
  for (size_t r = 0; r < rows; r++) {
    const gb_real *z = theta + r * GB_GALAXY_PARAMETERS, top = z[GB_GALAXY_INTENSITY];
    ellipse e = turned(z);
    for (size_t i = 0; i < s->size; i++) {
      gb_real *out = y + (r * s->size + i) * s->size, v = -s->grid[i];
      switch (s->profile) {
      case GB_GALAXY_EXPONENTIAL: draw_line(GB_GALAXY_EXPONENTIAL, f, e, top, s->size, s->grid, v, out); break;
      case GB_GALAXY_GAUSSIAN: draw_line(GB_GALAXY_GAUSSIAN, f, e, top, s->size, s->grid, v, out); break;
      case GB_GALAXY_SERSIC: draw_line(GB_GALAXY_SERSIC, f, e, top, s->size, s->grid, v, out); break;
      }
    }
    gb_real *whole = y + r * s->size * s->size;
    if (s->opts.known_psf > 0) blurred(s, false, whole, whole);
  }
}

/* Per pixel: ybar f, and ybar f'/r times r^2, q^2 and p q. */
enum { OF_F, OF_RR, OF_QQ, OF_PQ, N_PART, PIECE = 128 };

static inline void line_parts(gb_galaxy_profile profile, shape s, ellipse e, size_t n, const gb_real *restrict x,
                              gb_real y, const gb_real *restrict ybar, gb_real part[restrict N_PART][PIECE])
{
  for (size_t j = 0; j < n; j++) {
    gb_real p = e.px * x[j] + e.py * y, q = e.qx * x[j] + e.qy * y, f, slope;
    fall(profile, s, p * p + q * q, &f, &slope);
    slope *= ybar[j];
    part[OF_F][j] = ybar[j] * f;
    part[OF_RR][j] = slope * (p * p + q * q);
    part[OF_QQ][j] = slope * (q * q);
    part[OF_PQ][j] = slope * (p * q);
  }
}

static void add_parts(const gb_galaxy *s, ellipse e, const gb_real *ybar, double sum[N_PART])
{
  gb_real part[N_PART][PIECE];
  shape f = shape_of(s);
  for (size_t i = 0; i < s->size; i++)
    for (size_t first = 0; first < s->size; first += PIECE) {
      size_t n = s->size - first < PIECE ? s->size - first : PIECE;
      const gb_real *bar = ybar + i * s->size + first, *x = s->grid + first, v = -s->grid[i];
      switch (s->profile) {
      case GB_GALAXY_EXPONENTIAL: line_parts(GB_GALAXY_EXPONENTIAL, f, e, n, x, v, bar, part); break;
      case GB_GALAXY_GAUSSIAN: line_parts(GB_GALAXY_GAUSSIAN, f, e, n, x, v, bar, part); break;
      case GB_GALAXY_SERSIC: line_parts(GB_GALAXY_SERSIC, f, e, n, x, v, bar, part); break;
      }
      for (int k = 0; k < N_PART; k++) sum[k] += gb_sum(n, part[k]);
    }
}

static void draw_vjp(void *self, size_t rows, const gb_real *theta, const gb_real *ybar, gb_real *theta_bar)
{
  const gb_galaxy *s = self;
  for (size_t r = 0; r < rows; r++) {
    const gb_real *z = theta + r * GB_GALAXY_PARAMETERS;
    gb_real *out = theta_bar + r * GB_GALAXY_PARAMETERS;
    double sum[N_PART] = {0}, top = (double)z[GB_GALAXY_INTENSITY], ratio = 1 - (double)z[GB_GALAXY_ELLIPTICITY];
    const gb_real *bar = ybar + r * s->size * s->size;
    if (s->opts.known_psf > 0) {
      blurred(s, true, bar, s->bar);
      bar = s->bar;
    }
    add_parts(s, turned(z), bar, sum);
    out[GB_GALAXY_INTENSITY] += (gb_real)sum[OF_F];
    out[GB_GALAXY_AXIS] -= (gb_real)(top * sum[OF_RR] / (double)z[GB_GALAXY_AXIS]);
    out[GB_GALAXY_ELLIPTICITY] += (gb_real)(top * sum[OF_QQ] / ratio);
    out[GB_GALAXY_ANGLE] += (gb_real)(top * sum[OF_PQ] * (1 / ratio - ratio));
  }
}

static const gb_image image = {.n_parameter = GB_GALAXY_PARAMETERS,
                               .parameter = truth,
                               .channels = 1,
                               .background = 0.05,
                               .draw = draw,
                               .draw_vjp = draw_vjp,
                               .surround = gb_galaxy_surround};

static const gb_simulator simulator = {.n_truth = GB_GALAXY_TRUTH, .truth = truth, .simulate = gb_galaxy_simulate};

const gb_physics gb_physics_galaxy = {
    .name = "galaxy",
    .doc = "Images of galaxies in three colours, known as a grey ellipse.",
    .source =
        "N. Takeishi and A. Kalousis, NeurIPS 2021, arXiv:2102.13156, section 4.3 (exponential profile); simulated "
        "images instead of Galaxy10 (SDSS), with its classes: H. W. Leung and J. Bovy, astroNN",
    .schema = &schema,
    .create = create,
    .destroy = destroy,
    .simulator = &simulator,
    .image = &image,
};
