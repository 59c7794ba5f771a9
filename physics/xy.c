/* physics/xy.c - the 2D XY model: H = -J sum_<ij> cos(theta_i - theta_j) on a periodic L x L square lattice.
 *
 * Notes
 * Options, names, thermodynamics and the energy of fields; how spins are stored and moved is in physics/xy/ (start with
 * xy.h). One step = Metropolis sweeps + k over-relaxation sweeps + now and then a Wolff cluster, in proportions that
 * burn-in chooses per temperature; k is drawn uniformly from [k0/2, 3 k0/2]: over-relaxation moves spin waves
 * ballistically, and a fixed k can resonate with them. Chains start ordered: hot starts can be trapped in a winding
 * sector for ever. Estimators and conventions: docs/theory/xy.md. */
#include "xy/xy.h"

#include "linalg/vmath.h"

static const gb_field fields[] = {
    GB_NUMBER(gb_xy_opts, L, "16", 2, 65536, "sites", GB_FIXED, "Side of the periodic square lattice; even."),
    GB_NUMBER(gb_xy_opts, J, "1", 1e-6, 1e6, "energy", GB_FIXED,
              "Coupling; 1 sets the unit of energy and temperature."),
    GB_NUMBER(gb_xy_opts, T, "{min: 0.1, max: 2, count: 20}", 1e-4, 1e9, "energy", GB_FIXED,
              "Temperatures, increasing: a list, or {min, max, count}; k_B = 1."),
    GB_NUMBER(gb_xy_opts, metropolis, "0", 0, 1000, "sweeps", GB_FIXED,
              "Metropolis sweeps in a step; 0: burn-in chooses, per temperature."),
    GB_NUMBER(gb_xy_opts, overrelaxation, "-1", -1, 10000, "sweeps", GB_FIXED,
              "Mean number k0 of over-relaxation sweeps in a step; -1: burn-in chooses near L/8."),
    GB_NUMBER(gb_xy_opts, wolff, "-1", -1, 1000, "clusters", GB_FIXED,
              "Mean number of Wolff clusters in a step, 0.125: one every eighth; -1: burn-in chooses."),
    {0}};

static gb_err check(const void *opts)
{
  const gb_xy_opts *o = opts;
  GB_CHECK(o->L % 2 == 0, GB_ERR_CONFIG,
           "xy.L = %lld is odd: the checkerboard update needs two colours that alternate around the lattice. "
           "Use %lld or "
           "%lld.",
           (long long)o->L, (long long)o->L - 1, (long long)o->L + 1);
  GB_CHECK(o->wolff >= 0 || o->wolff == -1, GB_ERR_CONFIG,
           "xy.wolff = %g: give 0 or more clusters per step, or -1 to let burn-in choose", o->wolff);
  GB_CHECK(o->T.n > 0, GB_ERR_CONFIG, "xy.T is empty: give at least one temperature");
  for (size_t i = 1; i < o->T.n; i++)
    GB_CHECK(o->T.v[i] > o->T.v[i - 1], GB_ERR_CONFIG, "xy.T must increase, but %g follows %g", o->T.v[i],
             o->T.v[i - 1]);
  return GB_OK;
}

static const gb_schema schema = {"xy", "The 2D XY model and the Monte Carlo that samples it.", sizeof(gb_xy_opts),
                                 fields, check};

static const gb_var obs[GB_XY_OBS] = {
    {"energy", "energy", "Energy per site: -(J/N) sum over bonds of cos(theta_i - theta_j)."},
    {"abs_m", "1", "|m|, m = (1/N) sum of (cos theta, sin theta)."},
    {"m2", "1", "|m|^2."},
    {"helicity", "energy",
     "Integrand of the helicity modulus, mean of both axes: -e/2 - (Ix^2 + Iy^2)/(2 N T), I = J sum "
     "sin(theta_j - theta_i)."},
    {"vortex_density", "1/site", "Plaquettes with winding +1 or -1, per site."},
    {"current2", "energy^2", "(Ix^2 + Iy^2)/(2 N): the current part of the helicity integrand, times T."},
    {"winding_x", "1", "Winding of the angle along x, mean over the rows."},
    {"winding_y", "1", "Winding of the angle along y, mean over the columns."},
};

static const gb_var track[GB_XY_MEASURED] = {
    {"energy", "energy", "Energy per site."},
    {"m2", "1", "|m|^2."},
    {"current2", "energy^2", "(Ix^2 + Iy^2)/(2 N)."},
    {"vortex_density", "1/site", "Plaquettes with winding +1 or -1, per site."},
    {"winding_x", "1", "Winding of the angle along x, mean over the rows."},
    {"winding_y", "1", "Winding of the angle along y, mean over the columns."},
};

static const gb_var setting[] = {
    {"metropolis", "sweeps", "Metropolis sweeps in a step."},
    {"overrelaxation", "sweeps", "Mean number of over-relaxation sweeps in a step."},
    {"wolff", "clusters", "Mean number of Wolff clusters in a step."},
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

static void moments(void *self, const double *o, double *mean)
{
  (void)self;
  mean[MEAN_E] = o[GB_XY_ENERGY];
  mean[MEAN_E2] = o[GB_XY_ENERGY] * o[GB_XY_ENERGY];
  mean[MEAN_ABS_M] = o[GB_XY_ABS_M];
  mean[MEAN_M2] = o[GB_XY_M2];
  mean[MEAN_M4] = o[GB_XY_M2] * o[GB_XY_M2];
  mean[MEAN_HELICITY] = o[GB_XY_HELICITY];
  mean[MEAN_VORTEX] = o[GB_XY_VORTEX];
}

static void summarize(void *self, double T, const double *mean, double *out)
{
  const gb_xy *s = self;
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

static size_t up(size_t L, size_t y)
{
  return y + 1 == L ? 0 : y + 1;
}

static size_t down(size_t L, size_t y)
{
  return y == 0 ? L - 1 : y - 1;
}

/* The sum of s_i (s_right + s_above) over sites, in double: eight partial sums, then these in a fixed tree. The lattice
 * is passed over as one line, in which the neighbour to the right follows; ends of rows are put right afterwards. */
static double bonds_of(size_t L, const gb_real *v)
{
  size_t n = 2 * L, last = n * (L - 1), i = 0;
  gb_eight_sums t = {0};
  double ends = 0;
  for (; i + 8 <= last; i += 8) t += gb_eight_get(v + i) * (gb_eight_get(v + i + 2) + gb_eight_get(v + i + n));
  for (size_t j = 0; i + j < last; j++) t[j] += (double)v[i + j] * ((double)v[i + j + 2] + (double)v[i + j + n]);
  for (size_t y = 0; y + 1 < L; y++) {
    const gb_real *end = v + y * n + n - 2, *own = v + y * n, *next = own + n;
    for (size_t k = 0; k < 2; k++) ends += (double)end[k] * ((double)own[k] - (double)next[k]);
  }
  for (i = 0; i + 8 <= n - 2; i += 8)
    t += gb_eight_get(v + last + i) * (gb_eight_get(v + last + i + 2) + gb_eight_get(v + i));
  for (; i < n; i++) ends += (double)v[last + i] * ((double)v[last + (i + 2 < n ? i + 2 : i + 2 - n)] + (double)v[i]);
  return gb_eight_total((const double *)&t) + ends;
}

static void energy(void *self, size_t rows, const gb_real *field, double *e)
{
  const gb_xy *s = self;
  for (size_t r = 0; r < rows; r++) e[r] = -s->opts.J * bonds_of(s->L, field + r * 2 * s->sites) / (double)s->sites;
}

/* Numbers 2k and 2k + 1 of a row of the lattice get `scale` times the sum of the neighbours of site k. */
static void pull(gb_real *restrict out, gb_real scale, size_t first, size_t end, const gb_real *left,
                 const gb_real *right, const gb_real *below, const gb_real *above)
{
  for (size_t i = first; i < end; i++) out[i] += scale * ((left[i] + right[i]) + (above[i] + below[i]));
}

static void energy_vjp(void *self, size_t rows, const gb_real *field, const gb_real *ebar, gb_real *sbar)
{
  const gb_xy *s = self;
  size_t L = s->L, n = 2 * L;
  for (size_t r = 0; r < rows; r++) {
    const gb_real *v = field + r * 2 * s->sites;
    gb_real scale = (gb_real)(-s->opts.J / (double)s->sites) * ebar[r];
    for (size_t y = 0; y < L; y++) {
      const gb_real *row = v + y * n, *above = v + up(L, y) * n, *below = v + down(L, y) * n;
      gb_real *out = sbar + r * 2 * s->sites + y * n;
      pull(out, scale, 0, 2, row + n - 2, row + 2, below, above);
      pull(out, scale, 2, n - 2, row - 2, row + 2, below, above);
      for (size_t i = 0; i < 2; i++) {
        size_t k = n - 2 + i;
        out[k] += scale * ((row[k - 2] + row[i]) + (above[k] + below[k]));
      }
    }
  }
}

static const gb_ensemble ensemble = {.n_obs = GB_XY_OBS,
                                     .n_track = GB_XY_TRACKS,
                                     .n_sector = GB_XY_MEASURED - GB_XY_TRACKS,
                                     .n_summary = N_SUMMARY,
                                     .n_setting = 3,
                                     .obs = obs,
                                     .track = track,
                                     .summary = summary,
                                     .setting = setting,
                                     .n_moment = N_MOMENT,
                                     .symmetries = GB_SPIN_ROTATION | GB_SPIN_REFLECTION | GB_TRANSLATION |
                                                   GB_LATTICE_REFLECTION | GB_LATTICE_ROTATION,
                                     .start = gb_xy_start,
                                     .step = gb_xy_step,
                                     .measure = gb_xy_measure,
                                     .sample = gb_xy_sample,
                                     .pack = gb_xy_pack,
                                     .unpack = gb_xy_unpack,
                                     .observe = gb_xy_observe,
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
    .create = gb_xy_create,
    .destroy = gb_xy_destroy,
    .ensemble = &ensemble,
};
