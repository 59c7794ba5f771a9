/* physics/xy.c - the 2D XY model: H = -J sum_<ij> cos(theta_i - theta_j) on a periodic L x L square lattice.
 *
 * Notes
 * A chain keeps unit vectors (cos, sin) in double, never angles. Sites of one colour of the checkerboard have
 * all their neighbours in the other, so a colour is updated as whole rows: plain loops over arrays that the
 * compiler vectorises, without a sum whose order could depend on the vector width. Site (row y, slot j) of
 * colour p stands at x = 2 j + ((y + p) & 1). Its neighbours of the other colour are slot j of rows y - 1 and
 * y + 1, slot j of its own row, and slot j - 1 or j + 1 of its own row. One step = `metropolis` Metropolis
 * sweeps + k over-relaxation sweeps + `wolff` Wolff clusters, k drawn uniformly from [k0/2, 3 k0/2]:
 * over-relaxation moves spin waves ballistically, and a fixed k can resonate with them. Metropolis: rotation
 * by an angle whose half has the tangent a (2u - 1). The proposal is symmetric, so accepting with min(1,
 * exp(-dE/T)) is exact (Metropolis et al. 1953); a is tuned during burn-in only. Over-relaxation: reflection
 * of a spin about its local field; the energy does not change (M. Creutz, Phys. Rev. D 36 (1987) 515). Wolff:
 * reflection of a cluster at a random line (U. Wolff, Phys. Rev. Lett. 62 (1989) 361). Chains start ordered,
 * in a random direction: hot starts can be trapped in a winding sector for ever. Estimators and conventions:
 * docs/theory/xy.md. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "sim/physics.h"

typedef struct xy_opts {
  int64_t L;
  double J;
  gb_reals T;
  int64_t metropolis, overrelaxation, wolff;
} xy_opts;

static const gb_field fields[] = {
    GB_NUMBER(xy_opts, L, "16", 2, 4096, "sites", GB_FIXED, "Side of the periodic square lattice; even."),
    GB_NUMBER(xy_opts, J, "1", 1e-6, 1e6, "energy", GB_FIXED, "Coupling; 1 sets the unit of energy and temperature."),
    GB_NUMBER(xy_opts, T, "{min: 0.1, max: 2, count: 20}", 1e-4, 1e9, "energy", GB_FIXED,
              "Temperatures, increasing: a list, or {min, max, count}; k_B = 1."),
    GB_NUMBER(xy_opts, metropolis, "1", 1, 1000, "sweeps", GB_FIXED, "Metropolis sweeps in a step."),
    GB_NUMBER(xy_opts, overrelaxation, "0", 0, 10000, "sweeps", GB_FIXED,
              "Mean number k0 of over-relaxation sweeps in a step; 0: max(2, L/8)."),
    GB_NUMBER(xy_opts, wolff, "1", 0, 1000, "clusters", GB_FIXED, "Wolff clusters in a step."),
    {0}};

static gb_err check(const void *opts)
{
  const xy_opts *o = opts;
  GB_CHECK(o->L % 2 == 0, GB_ERR_CONFIG,
           "xy.L = %lld is odd: the checkerboard update needs two colours that alternate around the lattice. "
           "Use %lld or "
           "%lld.",
           (long long)o->L, (long long)o->L - 1, (long long)o->L + 1);
  GB_CHECK(o->T.n > 0, GB_ERR_CONFIG, "xy.T is empty: give at least one temperature");
  for (size_t i = 1; i < o->T.n; i++)
    GB_CHECK(o->T.v[i] > o->T.v[i - 1], GB_ERR_CONFIG, "xy.T must increase, but %g follows %g", o->T.v[i],
             o->T.v[i - 1]);
  return GB_OK;
}

static const gb_schema schema = {"xy", "The 2D XY model and the Monte Carlo that samples it.", sizeof(xy_opts), fields,
                                 check};

/* A chain's state: x and y components of both colours, then the tuned proposal. */
typedef struct xy {
  xy_opts opts;
  size_t L, half, sites; /* half = L / 2 sites of a colour in a row */
  double mean_or;        /* k0 */
  int32_t *neighbour;    /* [sites, 4] in state order, for clusters */
  int32_t *stack;        /* [sites] */
  double *row;           /* [6, half] scratch of one row */
  uint32_t *words;       /* [2 half] */
  double *field;         /* [4, sites] scratch: components and links of one sample */
} xy;

enum { OBS_ENERGY, OBS_ABS_M, OBS_M2, OBS_HELICITY, OBS_VORTEX, OBS_CURRENT2, N_OBS };
static const gb_var obs[N_OBS] = {
    {"energy", "energy", "Energy per site: -(J/N) sum over bonds of cos(theta_i - theta_j)."},
    {"abs_m", "1", "|m|, m = (1/N) sum of (cos theta, sin theta)."},
    {"m2", "1", "|m|^2."},
    {"helicity", "energy",
     "Integrand of the helicity modulus, mean of both axes: -e/2 - (Ix^2 + Iy^2)/(2 N T), I = J sum "
     "sin(theta_j - theta_i)."},
    {"vortex_density", "1/site", "Plaquettes with winding +1 or -1, per site."},
    {"current2", "energy^2", "(Ix^2 + Iy^2)/(2 N): the current part of the helicity integrand, times T."},
};

enum { TRACK_ENERGY, TRACK_M2, TRACK_CURRENT2, N_TRACK };
static const gb_var track[N_TRACK] = {
    {"energy", "energy", "Energy per site."},
    {"m2", "1", "|m|^2."},
    {"current2", "energy^2", "(Ix^2 + Iy^2)/(2 N)."},
};

enum { MEAN_E, MEAN_E2, MEAN_ABS_M, MEAN_M2, MEAN_M4, MEAN_HELICITY, MEAN_VORTEX, N_MOMENT };
enum { SUM_ENERGY, SUM_C, SUM_ABS_M, SUM_M2, SUM_CHI, SUM_BINDER, SUM_HELICITY, SUM_VORTEX, N_SUMMARY };
static const gb_var summary[N_SUMMARY] = {
    {"energy", "energy", "<e>, energy per site."},
    {"specific_heat", "1", "N (<e^2> - <e>^2) / T^2 per site."},
    {"abs_m", "1", "<|m|>."},
    {"m2", "1", "<|m|^2>."},
    {"chi", "1/energy", "N <|m|^2> / T."},
    {"binder", "1", "1 - <|m|^4> / (3 <|m|^2>^2)."},
    {"helicity_modulus", "energy", "Helicity modulus (spin stiffness) Y, mean of both axes."},
    {"vortex_density", "1/site", "Vortices and antivortices per site."},
};

static void destroy(void **self)
{
  xy *s = *self;
  if (!s) return;
  gb_free(&s->neighbour);
  gb_free(&s->stack);
  gb_free(&s->row);
  gb_free(&s->words);
  gb_free(&s->field);
  gb_free(&s);
  *self = NULL;
}

/* Slot of the neighbour in the own row that is not slot j: j + 1 or j - 1, by row and colour. */
static size_t side_slot(const xy *s, size_t colour, size_t y, size_t j)
{
  return (y + colour) & 1 ? (j + 1) % s->half : (j + s->half - 1) % s->half;
}

static size_t up(const xy *s, size_t y)
{
  return y + 1 == s->L ? 0 : y + 1;
}

static size_t down(const xy *s, size_t y)
{
  return y == 0 ? s->L - 1 : y - 1;
}

/* Position of colour p, row y, slot j in a component array. */
static size_t at(const xy *s, size_t p, size_t y, size_t j)
{
  return p * s->sites / 2 + y * s->half + j;
}

static gb_err create(const void *opts, void **self, gb_dims *dims)
{
  xy *s = NULL;
  gb_err e = GB_OK;
  GB_TRY(gb_new(&s, 1));
  s->opts = *(const xy_opts *)opts;
  s->L = (size_t)s->opts.L;
  s->half = s->L / 2;
  s->sites = s->L * s->L;
  s->mean_or = s->opts.overrelaxation ? (double)s->opts.overrelaxation : fmax(2, (double)s->L / 8);
  GB_GOTO(e, gb_new(&s->neighbour, 4 * s->sites), done);
  GB_GOTO(e, gb_new(&s->stack, s->sites), done);
  GB_GOTO(e, gb_new(&s->row, 6 * s->half), done);
  GB_GOTO(e, gb_new(&s->words, 2 * s->half + 3), done);
  GB_GOTO(e, gb_new(&s->field, 4 * s->sites), done);
  for (size_t p = 0; p < 2; p++)
    for (size_t y = 0; y < s->L; y++)
      for (size_t j = 0; j < s->half; j++) {
        int32_t *n = s->neighbour + 4 * at(s, p, y, j);
        n[0] = (int32_t)at(s, 1 - p, y, j);
        n[1] = (int32_t)at(s, 1 - p, y, side_slot(s, p, y, j));
        n[2] = (int32_t)at(s, 1 - p, up(s, y), j);
        n[3] = (int32_t)at(s, 1 - p, down(s, y), j);
      }
  *dims = (gb_dims){.ndim = 2,
                    .shape = {s->L, s->L},
                    .axis = {"y", "x"},
                    .n = s->sites,
                    .unit = "rad",
                    .temperature = s->opts.T,
                    .n_state = 2 * s->sites + 1};
  *self = s;
  return GB_OK;
done:
  destroy((void **)&s);
  return e;
}

/* The three parts of a state. */
static double *cosines(double *state)
{
  return state;
}

static double *sines(const xy *s, double *state)
{
  return state + s->sites;
}

static double *width(const xy *s, double *state) /* tangent of half the largest proposed angle */
{
  return state + 2 * s->sites;
}

static void start(void *self, double T, uint64_t seed, uint64_t chain, double *state)
{
  xy *s = self;
  uint32_t w[4];
  gb_rng_block(gb_rng_key(seed, GB_RNG_START, chain, 0), 0, w);
  double phi = 2 * M_PI * gb_rng_unit(w[0]);
  for (size_t i = 0; i < s->sites; i++) {
    cosines(state)[i] = cos(phi);
    sines(s, state)[i] = sin(phi);
  }
  *width(s, state) = fmin(1.2, sqrt(T / s->opts.J)); /* near the tuned value, which burn-in finds */
}

/* Sum of the four neighbours of each site of colour p in row y; into hc, hs [half]. `side` [2 half] is
 * scratch. */
static void local_field(const xy *s, const double *c, const double *sn, size_t p, size_t y, double *restrict side,
                        double *restrict hc, double *restrict hs)
{
  size_t h = s->half, q = 1 - p;
  const double *components[2] = {c, sn};
  double *out[2] = {hc, hs};
  for (int k = 0; k < 2; k++) {
    const double *v = components[k];
    const double *own = v + at(s, q, y, 0), *above = v + at(s, q, up(s, y), 0), *below = v + at(s, q, down(s, y), 0);
    double *restrict sum = out[k];
    if ((y + p) & 1) {
      memcpy(side, own + 1, (h - 1) * sizeof *side);
      side[h - 1] = own[0];
    } else {
      memcpy(side + 1, own, (h - 1) * sizeof *side);
      side[0] = own[h - 1];
    }
    for (size_t j = 0; j < h; j++) sum[j] = (own[j] + side[j]) + (above[j] + below[j]);
  }
}

static void overrelax(xy *s, double *state)
{
  size_t h = s->half;
  double *hc = s->row, *hs = s->row + h, *side = s->row + 2 * h;
  for (size_t p = 0; p < 2; p++)
    for (size_t y = 0; y < s->L; y++) {
      double *restrict c = cosines(state) + at(s, p, y, 0), *restrict sn = sines(s, state) + at(s, p, y, 0);
      local_field(s, cosines(state), sines(s, state), p, y, side, hc, hs);
      for (size_t j = 0; j < h; j++) {
        /* 1e-300: a vanishing field maps the spin to its opposite, which is as good a reflection as any */
        double t = 2 * (c[j] * hc[j] + sn[j] * hs[j]) / (hc[j] * hc[j] + hs[j] * hs[j] + 1e-300);
        c[j] = t * hc[j] - c[j];
        sn[j] = t * hs[j] - sn[j];
      }
    }
}

static void normalise(const xy *s, double *state)
{
  double *restrict c = cosines(state), *restrict sn = sines(s, state);
  for (size_t i = 0; i < s->sites; i++) {
    double r = 1 / sqrt(c[i] * c[i] + sn[i] * sn[i]);
    c[i] *= r;
    sn[i] *= r;
  }
}

/* One sweep over both colours. Returns the accepted fraction. */
static double metropolis(xy *s, double K, gb_key key, double *state)
{
  size_t h = s->half, accepted = 0;
  double *hc = s->row, *hs = s->row + h, *side = s->row + 2 * h, *t = s->row + 4 * h, *log_u = s->row + 5 * h;
  double a = *width(s, state);
  uint32_t blocks = (uint32_t)((2 * h + 3) / 4); /* of a row of one colour: two words a site */
  for (size_t p = 0; p < 2; p++)
    for (size_t y = 0; y < s->L; y++) {
      double *restrict c = cosines(state) + at(s, p, y, 0), *restrict sn = sines(s, state) + at(s, p, y, 0);
      gb_rng_words(key, (uint32_t)(p * s->L + y) * blocks, 2 * h, s->words);
      for (size_t j = 0; j < h; j++) t[j] = a * (2 * gb_rng_unit(s->words[j]) - 1);
      for (size_t j = 0; j < h; j++) log_u[j] = log(gb_rng_unit(s->words[h + j]));
      local_field(s, cosines(state), sines(s, state), p, y, side, hc, hs);
      for (size_t j = 0; j < h; j++) {
        double n = 1 / (1 + t[j] * t[j]), dc = (1 - t[j] * t[j]) * n, ds = 2 * t[j] * n;
        double nc = c[j] * dc - sn[j] * ds, ns = sn[j] * dc + c[j] * ds;
        double gain = K * ((nc - c[j]) * hc[j] + (ns - sn[j]) * hs[j]); /* -dE/T */
        bool yes = gain > log_u[j];
        c[j] = yes ? nc : c[j];
        sn[j] = yes ? ns : sn[j];
        accepted += yes;
      }
    }
  return (double)accepted / (double)s->sites;
}

/* Words of a stream one after the other. */
typedef struct draws {
  gb_key key;
  uint32_t block, left, w[4];
} draws;

static double draw(draws *d)
{
  if (d->left == 0) {
    gb_rng_block(d->key, d->block++, d->w);
    d->left = 4;
  }
  return gb_rng_unit(d->w[4 - d->left--]);
}

static void wolff(xy *s, double K, gb_key key, double *state)
{
  draws d = {.key = key};
  double *c = cosines(state), *sn = sines(s, state);
  size_t seed = (size_t)(draw(&d) * (double)s->sites), n = 0;
  double phi = 2 * M_PI * draw(&d), rc = cos(phi), rs = sin(phi);
  double proj = c[seed] * rc + sn[seed] * rs;
  c[seed] -= 2 * proj * rc;
  sn[seed] -= 2 * proj * rs;
  s->stack[n++] = (int32_t)seed;
  while (n > 0) {
    size_t i = (size_t)s->stack[--n];
    double mine = -(c[i] * rc + sn[i] * rs); /* before its reflection */
    for (int k = 0; k < 4; k++) {
      size_t j = (size_t)s->neighbour[4 * i + (size_t)k];
      double theirs = c[j] * rc + sn[j] * rs, product = mine * theirs;
      /* a reflected neighbour has the other sign now: it is never taken twice, and needs no mark */
      if (product <= 0 || draw(&d) >= -expm1(-2 * K * product)) continue;
      c[j] -= 2 * theirs * rc;
      sn[j] -= 2 * theirs * rs;
      s->stack[n++] = (int32_t)j;
    }
  }
}

static void step(void *self, double T, uint64_t seed, uint64_t chain, uint64_t number, bool tune, double *state)
{
  xy *s = self;
  double K = s->opts.J / T, accepted = 0;
  uint32_t w[4];
  uint64_t m = (uint64_t)s->opts.metropolis, clusters = (uint64_t)s->opts.wolff;
  for (uint64_t i = 0; i < m; i++)
    accepted += metropolis(s, K, gb_rng_key(seed, GB_RNG_METROPOLIS, chain, number * m + i), state) / (double)m;
  gb_rng_block(gb_rng_key(seed, GB_RNG_MIX, chain, number), 0, w);
  size_t least = (size_t)(s->mean_or / 2), most = (size_t)(1.5 * s->mean_or);
  for (size_t k = least + (size_t)(gb_rng_unit(w[0]) * (double)(most - least + 1)); k > 0; k--) overrelax(s, state);
  for (uint64_t i = 0; i < clusters; i++)
    wolff(s, K, gb_rng_key(seed, GB_RNG_WOLFF, chain, number * clusters + i), state);
  normalise(s, state);
  if (tune) {
    enum { MEMORY = 16 };            /* steps before the gain of the search falls */
    static const double best = 0.42; /* acceptance with the smallest energy autocorrelation: a flat optimum, measured */
    double gain = 1 / sqrt(1 + (double)number / MEMORY);
    *width(s, state) = fmin(20, fmax(1e-3, *width(s, state) * exp(gain * (accepted - best))));
  }
}

/* Sums over the present state of a chain. */
static void measure(void *self, double T, const double *state, double *out)
{
  xy *s = self;
  (void)T;
  const double *c = state, *sn = state + s->sites;
  double bonds = 0, ix = 0, iy = 0, mc = 0, ms = 0;
  for (size_t y = 0; y < s->L; y++)
    for (size_t p = 0; p < 2; p++)
      for (size_t j = 0; j < s->half; j++) {
        size_t i = at(s, p, y, j), right = at(s, 1 - p, y, (y + p) & 1 ? side_slot(s, p, y, j) : j);
        size_t above = at(s, 1 - p, up(s, y), j);
        bonds += c[i] * (c[right] + c[above]) + sn[i] * (sn[right] + sn[above]);
        ix += c[i] * sn[right] - sn[i] * c[right];
        iy += c[i] * sn[above] - sn[i] * c[above];
        mc += c[i];
        ms += sn[i];
      }
  double n = (double)s->sites, J = s->opts.J;
  out[TRACK_ENERGY] = -J * bonds / n;
  out[TRACK_M2] = (mc * mc + ms * ms) / (n * n);
  out[TRACK_CURRENT2] = J * J * (ix * ix + iy * iy) / (2 * n);
}

/* Angle in (-pi, pi] as float: the nearest float to pi lies above pi, the one below it is the largest
 * allowed. */
static float as_angle(double theta)
{
  const float pi_below = 0x1.921fb4p+1f;
  float a = (float)theta;
  return a > pi_below ? pi_below : a < -pi_below ? -pi_below : a;
}

static void sample(void *self, uint64_t seed, uint64_t chain, uint64_t number, const double *state, float *x)
{
  xy *s = self;
  uint32_t w[4];
  /* A global rotation is an exact symmetry: each sample gets its own, so that the common angle, the slowest
   * of all modes, is independent too. */
  gb_rng_block(gb_rng_key(seed, GB_RNG_ROTATE, chain, number), 0, w);
  double phi = 2 * M_PI * gb_rng_unit(w[0]), rc = cos(phi), rs = sin(phi);
  for (size_t p = 0; p < 2; p++)
    for (size_t y = 0; y < s->L; y++)
      for (size_t j = 0; j < s->half; j++) {
        double c = state[at(s, p, y, j)], sn = state[s->sites + at(s, p, y, j)];
        x[y * s->L + 2 * j + ((y + p) & 1)] = as_angle(atan2(sn * rc + c * rs, c * rc - sn * rs));
      }
}

/* Difference of two angles in [-pi, pi). */
static double wrap(double d)
{
  return d - 2 * M_PI * floor((d + M_PI) / (2 * M_PI));
}

static void observe(void *self, double T, const float *x, double *out)
{
  xy *s = self;
  size_t L = s->L;
  double bonds = 0, ix = 0, iy = 0, mc = 0, ms = 0, vortices = 0, n = (double)s->sites, J = s->opts.J;
  double *c = s->field, *sn = c + s->sites, *to_right = sn + s->sites, *to_above = to_right + s->sites;
  for (size_t i = 0; i < s->sites; i++) {
    sincos((double)x[i], &sn[i], &c[i]);
    mc += c[i];
    ms += sn[i];
  }
  for (size_t y = 0; y < L; y++)
    for (size_t k = 0; k < L; k++) {
      size_t i = y * L + k, right = y * L + (k + 1 == L ? 0 : k + 1), above = up(s, y) * L + k;
      bonds += c[i] * (c[right] + c[above]) + sn[i] * (sn[right] + sn[above]);
      ix += c[i] * sn[right] - sn[i] * c[right];
      iy += c[i] * sn[above] - sn[i] * c[above];
      to_right[i] = wrap((double)x[right] - x[i]);
      to_above[i] = wrap((double)x[above] - x[i]);
    }
  for (size_t y = 0; y < L; y++)
    for (size_t k = 0; k < L;
         k++) { /* every link enters two plaquettes with opposite signs: the windings add up to 0 */
      size_t i = y * L + k, right = y * L + (k + 1 == L ? 0 : k + 1), above = up(s, y) * L + k;
      vortices += fabs(rint((to_right[i] + to_above[right] - to_right[above] - to_above[i]) / (2 * M_PI)));
    }
  double m2 = (mc * mc + ms * ms) / (n * n), e = -J * bonds / n, current2 = J * J * (ix * ix + iy * iy) / (2 * n);
  out[OBS_ENERGY] = e;
  out[OBS_ABS_M] = sqrt(m2);
  out[OBS_M2] = m2;
  out[OBS_HELICITY] = -e / 2 - current2 / T;
  out[OBS_VORTEX] = vortices / n;
  out[OBS_CURRENT2] = current2;
}

static void moments(void *self, const double *o, double *mean)
{
  (void)self;
  mean[MEAN_E] = o[OBS_ENERGY];
  mean[MEAN_E2] = o[OBS_ENERGY] * o[OBS_ENERGY];
  mean[MEAN_ABS_M] = o[OBS_ABS_M];
  mean[MEAN_M2] = o[OBS_M2];
  mean[MEAN_M4] = o[OBS_M2] * o[OBS_M2];
  mean[MEAN_HELICITY] = o[OBS_HELICITY];
  mean[MEAN_VORTEX] = o[OBS_VORTEX];
}

static void summarize(void *self, double T, const double *mean, double *out)
{
  const xy *s = self;
  double n = (double)s->sites;
  out[SUM_ENERGY] = mean[MEAN_E];
  out[SUM_C] = n * (mean[MEAN_E2] - mean[MEAN_E] * mean[MEAN_E]) / (T * T);
  out[SUM_ABS_M] = mean[MEAN_ABS_M];
  out[SUM_M2] = mean[MEAN_M2];
  out[SUM_CHI] = n * mean[MEAN_M2] / T;
  out[SUM_BINDER] = 1 - mean[MEAN_M4] / (3 * mean[MEAN_M2] * mean[MEAN_M2]);
  out[SUM_HELICITY] = mean[MEAN_HELICITY];
  out[SUM_VORTEX] = mean[MEAN_VORTEX];
}

static void energy(void *self, size_t rows, const gb_real *field, double *e)
{
  const xy *s = self;
  size_t L = s->L;
  for (size_t r = 0; r < rows; r++) {
    const gb_real *v = field + r * 2 * s->sites;
    double bonds = 0;
    for (size_t y = 0; y < L; y++) {
      const gb_real *row = v + 2 * y * L, *above = v + 2 * up(s, y) * L;
      for (size_t k = 0; k < L; k++) {
        const gb_real *a = row + 2 * k, *b = row + 2 * (k + 1 == L ? 0 : k + 1), *d = above + 2 * k;
        bonds += (double)a[0] * (b[0] + d[0]) + (double)a[1] * (b[1] + d[1]);
      }
    }
    e[r] = -s->opts.J * bonds / (double)s->sites;
  }
}

static void energy_vjp(void *self, size_t rows, const gb_real *field, const gb_real *ebar, gb_real *sbar)
{
  const xy *s = self;
  size_t L = s->L;
  for (size_t r = 0; r < rows; r++) {
    const gb_real *v = field + r * 2 * s->sites;
    gb_real *out = sbar + r * 2 * s->sites, scale = (gb_real)(-s->opts.J / (double)s->sites) * ebar[r];
    for (size_t y = 0; y < L; y++) {
      const gb_real *row = v + 2 * y * L, *above = v + 2 * up(s, y) * L, *below = v + 2 * down(s, y) * L;
      for (size_t k = 0; k < L; k++) {
        const gb_real *b = row + 2 * (k + 1 == L ? 0 : k + 1), *a = row + 2 * (k == 0 ? L - 1 : k - 1);
        for (size_t i = 0; i < 2; i++)
          out[2 * (y * L + k) + i] += scale * ((a[i] + b[i]) + (above[2 * k + i] + below[2 * k + i]));
      }
    }
  }
}

static const gb_ensemble ensemble = {.n_obs = N_OBS,
                                     .n_track = N_TRACK,
                                     .n_summary = N_SUMMARY,
                                     .obs = obs,
                                     .track = track,
                                     .summary = summary,
                                     .n_moment = N_MOMENT,
                                     .start = start,
                                     .step = step,
                                     .measure = measure,
                                     .sample = sample,
                                     .observe = observe,
                                     .moments = moments,
                                     .summarize = summarize,
                                     .energy = energy,
                                     .energy_vjp = energy_vjp};

const gb_physics gb_physics_xy = {
    .name = "xy",
    .doc = "2D XY model: planar spins with a Berezinskii-Kosterlitz-Thouless transition at T = 0.8929 J.",
    .source = "V. L. Berezinskii, Sov. Phys. JETP 32 (1971) 493; J. M. Kosterlitz and D. J. Thouless, J. "
              "Phys. C 6 (1973) 1181; "
              "T_KT: Y. Komura and Y. Okabe, J. Phys. Soc. Jpn. 81 (2012) 113001",
    .schema = &schema,
    .create = create,
    .destroy = destroy,
    .ensemble = &ensemble,
};
