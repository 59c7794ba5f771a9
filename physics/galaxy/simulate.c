/* physics/galaxy/simulate.c - images of galaxies as a camera would see them.
 *
 * Notes
 * A disk with arms, a dark lane or a bulge; neighbours; sky; the blur of the optics; photons, which have a Poisson
 * distribution, and the noise of reading out; then 8 bits. Channels are red, green, blue, which the survey took in its
 * bands i, r, g: a galaxy is brightest in red. Uniform numbers of a row are draws 0, 1, ... of gb_row_draw(), normal
 * ones are step 1 of the same stream; of noise, step 0 is reading out and step 1 photons. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "galaxy/galaxy.h"
#include "linalg/normals.h"
#include "sim/rows.h"

enum { CHANNELS = GB_GALAXY_CHANNELS, MOST_NEIGHBOURS = 20 };

/* Which draw is what. */
enum {
  DRAW_INTENSITY,
  DRAW_AXIS,
  DRAW_ELLIPTICITY,
  DRAW_ANGLE,
  DRAW_KIND,
  DRAW_ARMS,
  DRAW_PITCH,
  DRAW_CONTRAST,
  DRAW_PHASE,
  DRAW_DUST,
  DRAW_LANE,
  DRAW_BULGE,
  DRAW_BULGE_RADIUS,
  DRAW_GRADIENT,
  DRAW_SKY,
  DRAW_GAIN,
  DRAW_NEIGHBOURS,
  DRAW_NEIGHBOUR = 32, /* of the first; DRAWS_EACH each */
  DRAWS_EACH = 8
};
const double gb_galaxy_near_range[GB_GALAXY_NEAR][2] = {{-1, 1},      {-1, 1},  {0.05, 0.5},
                                                        {0.01, 0.06}, {0.4, 1}, {0, M_PI}};

typedef enum kind { EDGE_ON, EDGE_ON_BULGE, FACE_ON, SPIRAL, N_KIND } kind;

/* A row on its way. */
typedef struct scene {
  const gb_galaxy *g;
  uint64_t seed, row;
  kind kind;
  const double *z; /* truth */
  double x0, y0;
  double arms, winding, contrast, phase; /* of a spiral: winding = 1 / tan(pitch) */
  double dust, lane;                     /* depth, and width in semi-minor axes */
  double bulge, bulge_radius;            /* brightness at its half-light radius, which is in semi-major axes */
  double gradient, gain[1 + MOST_NEIGHBOURS][CHANNELS];
} scene;

static double between(const scene *s, uint32_t which, double low, double high)
{
  return gb_row_draw(s->seed, s->row, which, (gb_reals){2, (const double[]){low, high}});
}

static double of(const scene *s, uint32_t which, gb_reals range)
{
  return gb_row_draw(s->seed, s->row, which, range);
}

static kind kind_of(const scene *s)
{
  static const char *const name[N_KIND] = {"edge_on", "edge_on_bulge", "face_on", "spiral"};
  for (int k = 0; k < N_KIND; k++)
    if (!strcmp(s->g->opts.class, name[k])) return (kind)k;
  return (kind)between(s, DRAW_KIND, 0, N_KIND);
}

/* Place and colours: normal numbers of one stream, in this order. */
static void draw_normal(scene *s)
{
  static const double mean[CHANNELS] = {1.0, 0.9, 0.75}, spread = 0.07;
  enum { PLACE = 2, ALL = PLACE + (1 + MOST_NEIGHBOURS) * CHANNELS };
  gb_real w[ALL];
  gb_rng_normal(gb_rng_key(s->seed, GB_RNG_TRUTH, s->row, 1), ALL, w);
  s->x0 = s->g->opts.jitter * (double)w[0];
  s->y0 = s->g->opts.jitter * (double)w[1];
  for (size_t k = 0; k <= MOST_NEIGHBOURS; k++)
    for (size_t c = 0; c < CHANNELS; c++)
      s->gain[k][c] = s->g->opts.colour ? fmax(0, mean[c] + spread * (double)w[PLACE + k * CHANNELS + c]) : 1;
}

static void draw_shape(scene *s, double *z)
{
  const gb_galaxy_opts *o = &s->g->opts;
  static const int class[N_KIND] = {6, 4, 0, 7};
  static const double tight = 10, loose = 30; /* pitch in degrees; three classes of equal width */
  double pitch = between(s, DRAW_PITCH, tight, loose);
  bool edge_on = s->kind == EDGE_ON || s->kind == EDGE_ON_BULGE;
  z[GB_GALAXY_INTENSITY] = of(s, DRAW_INTENSITY, o->intensity);
  z[GB_GALAXY_AXIS] = of(s, DRAW_AXIS, o->semi_axis);
  z[GB_GALAXY_ELLIPTICITY] = of(s, DRAW_ELLIPTICITY, edge_on ? o->edge_on_ellipticity : o->face_on_ellipticity);
  z[GB_GALAXY_ANGLE] = between(s, DRAW_ANGLE, 0, M_PI);
  z[GB_GALAXY_CLASS] = class[s->kind] + (s->kind == SPIRAL ? floor(3 * (pitch - tight) / (loose - tight)) : 0);
  s->z = z;
  s->arms = floor(between(s, DRAW_ARMS, 2, 5));
  s->winding = 1 / tan(pitch * M_PI / 180);
  s->contrast = s->kind == SPIRAL ? between(s, DRAW_CONTRAST, 0.2, 0.6) : 0;
  s->phase = between(s, DRAW_PHASE, 0, 2 * M_PI);
  s->dust = edge_on && o->dust ? between(s, DRAW_DUST, 0.3, 0.7) : 0;
  s->lane = between(s, DRAW_LANE, 0.2, 0.5);
  s->bulge = s->kind == EDGE_ON_BULGE ? between(s, DRAW_BULGE, 0.1, 0.3) : 0;
  s->bulge_radius = between(s, DRAW_BULGE_RADIUS, 0.15, 0.3);
  s->gradient = o->colour ? between(s, DRAW_GRADIENT, 0, 0.3) : 0;
}

/* A Sersic profile in units of its brightness at r = 1. */
static double sersic(double index, double r)
{
  return exp(-gb_galaxy_sersic_b(index) * (pow(r, 1 / index) - 1));
}

static double disk(const gb_galaxy *g, double r)
{
  return g->profile == GB_GALAXY_EXPONENTIAL ? exp(-r)
         : g->profile == GB_GALAXY_GAUSSIAN  ? exp(-r * r)
                                             : exp(-g->b * pow(r, 1 / g->index));
}

/* Adds the light of the galaxy at (x, y). */
static void add_galaxy(const scene *s, double c, double sine, double x, double y, double *out)
{
  static const double bluer[CHANNELS] = {-1, 0, 1}, neutral = 0.627; /* of r / (1 + r), at the half-light radius */
  double a = s->z[GB_GALAXY_AXIS], b = a * (1 - s->z[GB_GALAXY_ELLIPTICITY]), pixel = 2.0 / (double)(s->g->size - 1);
  double along = (x - s->x0) * c - (y - s->y0) * sine, across = (x - s->x0) * sine + (y - s->y0) * c;
  double p = along / a, q = across / b, r = hypot(p, q), light = s->z[GB_GALAXY_INTENSITY] * disk(s->g, r);
  if (s->contrast > 0)
    light *= 1 + s->contrast * cos(s->arms * (atan2(q, p) - log(fmax(r, 1e-3)) * s->winding) + s->phase);
  if (s->dust > 0) light *= 1 - s->dust * exp(-(q / s->lane) * (q / s->lane));
  if (s->bulge > 0) /* round; its cusp is narrower than a pixel */
    light += s->bulge * s->z[GB_GALAXY_INTENSITY] *
             sersic(4, hypot(hypot(along, across), pixel / 2) / (s->bulge_radius * a));
  for (size_t k = 0; k < CHANNELS; k++)
    out[k] += light * s->gain[0][k] * (1 + s->gradient * bluer[k] * (r / (1 + r) - neutral));
}

void gb_galaxy_add_neighbour(const gb_galaxy *g, const double *z, size_t channels, const double *gain, double *light)
{
  size_t n = g->size;
  double peak = z[GB_GALAXY_NEAR_PEAK], a = z[GB_GALAXY_NEAR_SIZE], b = a * z[GB_GALAXY_NEAR_RATIO];
  double c = cos(z[GB_GALAXY_NEAR_ANGLE]), sine = sin(z[GB_GALAXY_NEAR_ANGLE]);
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++) {
      double x = (double)g->grid[j] - z[GB_GALAXY_NEAR_X], y = -(double)g->grid[i] - z[GB_GALAXY_NEAR_Y];
      double p = (x * c - y * sine) / a, q = (x * sine + y * c) / b, f = peak * exp(-(p * p + q * q) / 2);
      for (size_t k = 0; k < channels; k++) light[(i * n + j) * channels + k] += f * gain[k];
    }
}

/* What a disk at (x0, y0) shines more than one in the middle. */
static void move_disk(const gb_galaxy *g, const gb_real *theta, double x0, double y0, double *light)
{
  double a = (double)theta[GB_GALAXY_AXIS], b = a * (1 - (double)theta[GB_GALAXY_ELLIPTICITY]);
  double c = cos((double)theta[GB_GALAXY_ANGLE]), sine = sin((double)theta[GB_GALAXY_ANGLE]);
  double p0 = (x0 * c - y0 * sine) / a, q0 = (x0 * sine + y0 * c) / b;
  for (size_t i = 0; i < g->size; i++)
    for (size_t j = 0; j < g->size; j++) {
      double x = (double)g->grid[j], y = -(double)g->grid[i], p = (x * c - y * sine) / a, q = (x * sine + y * c) / b;
      light[i * g->size + j] +=
          (double)theta[GB_GALAXY_INTENSITY] * (disk(g, hypot(p - p0, q - q0)) - disk(g, hypot(p, q)));
    }
}

void gb_galaxy_surround(void *self, const gb_real *theta, uint64_t seed, uint64_t row, uint64_t step, gb_real *y)
{
  enum { NEAR = 1, SKY = NEAR + MOST_NEIGHBOURS * GB_GALAXY_NEAR, PLACE, WORDS = PLACE + 2 };
  const gb_galaxy *g = self;
  size_t n = g->size * g->size;
  uint32_t word[WORDS];
  double z[GB_GALAXY_NEAR], gain = 1, *light = g->work;
  gb_rng_words(gb_rng_key(seed, GB_RNG_SURROUND, row, step), 0, WORDS, word);
  size_t near = (size_t)((double)(g->opts.known_neighbours + 1) * gb_rng_unit(word[0]));
  double sky = gb_rng_between(word[SKY], g->opts.known_sky.v[0], g->opts.known_sky.v[1]);
  memset(light, 0, n * sizeof *light);
  for (size_t k = 0; k < near; k++) {
    for (size_t i = 0; i < GB_GALAXY_NEAR; i++) {
      const double *range = gb_galaxy_near_range[i];
      z[i] = gb_rng_between(word[NEAR + k * GB_GALAXY_NEAR + i], range[0], range[1]);
    }
    gb_galaxy_add_neighbour(g, z, 1, &gain, light);
  }
  if (g->opts.known_jitter > 0) {
    double r = g->opts.known_jitter * sqrt(-2 * log(gb_rng_unit(word[PLACE]))); /* Box and Muller */
    double phi = gb_rng_between(word[PLACE + 1], 0, 2 * M_PI);
    move_disk(g, theta, r * cos(phi), r * sin(phi), light);
  }
  if (near || g->opts.known_jitter > 0) gb_galaxy_blur(g->opts.known_psf, g->size, 1, false, light, light + n);
  for (size_t i = 0; i < n; i++) y[i] += (gb_real)(light[i] + sky); /* which is the same, blurred or not */
}

static void expose(const scene *s, double *light)
{
  const gb_galaxy_opts *o = &s->g->opts;
  size_t n = s->g->size;
  double sky = of(s, DRAW_SKY, o->sky), c = cos(s->z[GB_GALAXY_ANGLE]), sine = sin(s->z[GB_GALAXY_ANGLE]);
  uint32_t near = (uint32_t)between(s, DRAW_NEIGHBOURS, 0, (double)o->neighbours + 1);
  for (size_t i = 0; i < n * n * CHANNELS; i++) light[i] = sky;
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++)
      add_galaxy(s, c, sine, (double)s->g->grid[j], -(double)s->g->grid[i], light + (i * n + j) * CHANNELS);
  for (uint32_t k = 0; k < near; k++) {
    double z[GB_GALAXY_NEAR];
    for (uint32_t i = 0; i < GB_GALAXY_NEAR; i++)
      z[i] = between(s, DRAW_NEIGHBOUR + k * DRAWS_EACH + i, gb_galaxy_near_range[i][0], gb_galaxy_near_range[i][1]);
    gb_galaxy_add_neighbour(s->g, z, CHANNELS, s->gain[1 + k], light);
  }
}

enum { MOST_REACH = 80 }; /* of the widest optics that options allow */

/* A Gaussian as far as it counts. */
typedef struct kernel {
  long reach;
  double weight[MOST_REACH + 1]; /* of points so far away */
} kernel;

static kernel gaussian(double sigma)
{
  enum { REACH = 4 };
  kernel k = {.reach = (long)ceil(REACH * sigma)};
  double whole = 0;
  GB_ASSERT(k.reach <= MOST_REACH);
  for (long d = -k.reach; d <= k.reach; d++) whole += exp(-(double)(d * d) / (2 * sigma * sigma));
  for (long d = 0; d <= k.reach; d++) k.weight[d] = exp(-(double)(d * d) / (2 * sigma * sigma)) / whole;
  return k;
}

/* Convolve n points, of `width` numbers each. */
static void blur_line(const kernel *by, size_t n, size_t width, bool transposed, const double *in, double *out)
{
  long last = (long)n - 1;
  memset(out, 0, n * width * sizeof *out);
  for (long d = -by->reach; d <= by->reach; d++) {
    double weight = by->weight[labs(d)];
    for (long i = 0; i <= last; i++) {
      size_t there = (size_t)(i + d < 0 ? 0 : i + d > last ? last : i + d) * width, here = (size_t)i * width;
      size_t from = transposed ? here : there, to = transposed ? there : here;
      for (size_t k = 0; k < width; k++) out[to + k] += weight * in[from + k];
    }
  }
}

void gb_galaxy_blur(double sigma, size_t n, size_t channels, bool transposed, double *light, double *work)
{
  size_t width = n * channels;
  if (!(sigma > 0)) return;
  kernel by = gaussian(sigma);
  blur_line(&by, n, width, transposed, light, work); /* down the columns: a point is a line of the image */
  for (size_t i = 0; i < n; i++) blur_line(&by, n, channels, transposed, work + i * width, light + i * width);
}

double gb_galaxy_poisson(double mean, double u)
{
  static const double least = 1e-18; /* below it, what is left of u is the rounding of the sum of all */
  int sign;
  double up = floor(mean), down = up;
  if (!(mean > 0)) return 0;
  double p_up = exp(up * log(mean) - mean - lgamma_r(up + 1, &sign)), p_down = p_up;
  u -= p_up;
  while (u >= 0 && p_up + p_down > least) {
    up++;
    p_up *= mean / up;
    u -= p_up;
    if (u < 0) return up;
    p_down *= down / mean;
    down--;
    u -= p_down;
    if (u < 0) return down;
  }
  return u < 0 ? floor(mean) : up;
}

static double uniform(const uint32_t word[2])
{
  return ((double)word[0] + gb_rng_unit(word[1])) * 0x1p-32;
}

/* Electrons, noise, 8 bits. */
static void read_out(const scene *s, size_t n, const double *light, const gb_real *noise, const uint32_t *word,
                     float *x)
{
  const gb_galaxy_opts *o = &s->g->opts;
  double gain = of(s, DRAW_GAIN, o->gain);
  for (size_t i = 0; i < n; i++) {
    double v = gain > 0 ? gb_galaxy_poisson(light[i] * gain, uniform(word + 2 * i)) / gain : light[i];
    v += o->read_noise * (double)noise[i];
    x[i] = (float)rint(255 * fmin(1, fmax(0, v))) / 255.0f;
  }
}

gb_err gb_galaxy_simulate(void *self, uint64_t seed, uint64_t row, float *x, double *truth)
{
  scene s = {.g = self, .seed = seed, .row = row};
  size_t n = s.g->size * s.g->size * CHANNELS;
  double *light = NULL;
  gb_real *noise = NULL;
  uint32_t *word = NULL;
  gb_err e;
  GB_GOTO(e, gb_new(&light, 2 * n), done);
  GB_GOTO(e, gb_new(&noise, n), done);
  GB_GOTO(e, gb_new(&word, 2 * n), done);
  s.kind = kind_of(&s);
  draw_normal(&s);
  draw_shape(&s, truth);
  expose(&s, light);
  gb_galaxy_blur(s.g->opts.psf, s.g->size, CHANNELS, false, light, light + n);
  gb_normals(seed, GB_RNG_NOISE, row, 0, 1, n, n, noise);
  gb_rng_words(gb_rng_key(seed, GB_RNG_NOISE, row, 1), 0, 2 * n, word);
  read_out(&s, n, light, noise, word, x);
done:
  gb_free(&light);
  gb_free(&noise);
  gb_free(&word);
  return e;
}
