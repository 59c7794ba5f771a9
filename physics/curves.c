/* physics/curves.c - sines and sigmoids: stand-ins for molecular systems that oscillate and that switch.
 *
 * Notes
 * Time runs from 0 to 1. A sine is A sin(2 pi (f t + p)), a sigmoid +-A tanh(s (t - m) / 2), which goes from one end to
 * the other with steepness s around its midpoint m. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "sim/rows.h"

typedef struct curves_opts {
  int64_t frames;
  double sines, noise;
  gb_reals amplitude, frequency, phase, steepness, midpoint;
} curves_opts;

static const gb_field fields[] = {
    GB_NUMBER(curves_opts, frames, "128", 2, 100000, "frames", GB_FIXED, "Frames in a sample, from t = 0 to 1."),
    GB_NUMBER(curves_opts, sines, "0.5", 0, 1, "1", GB_FIXED, "Part of the rows that are sines; others are sigmoids."),
    GB_NUMBER(curves_opts, noise, "0.01", 0, 10, "1", GB_FIXED, "Standard deviation of the noise on every number."),
    GB_NUMBER(curves_opts, amplitude, "[0.5, 1]", 1e-6, 1e6, "1", GB_FIXED, "Range [low, high] of the amplitude A."),
    GB_NUMBER(curves_opts, frequency, "[1, 4]", 1e-3, 1e3, "1", GB_FIXED,
              "Range [low, high] of the periods f of a sine."),
    GB_NUMBER(curves_opts, phase, "[0, 1]", 0, 1, "period", GB_FIXED, "Range [low, high] of the phase p of a sine."),
    GB_NUMBER(curves_opts, steepness, "[10, 40]", 1e-3, 1e4, "1", GB_FIXED,
              "Range [low, high] of the steepness s of a sigmoid."),
    GB_NUMBER(curves_opts, midpoint, "[0.3, 0.7]", -10, 10, "1", GB_FIXED,
              "Range [low, high] of the midpoint m of a sigmoid."),
    {0}};

static gb_err check(const void *opts)
{
  const curves_opts *o = opts;
  GB_TRY(gb_range_check("curves.amplitude", o->amplitude));
  GB_TRY(gb_range_check("curves.frequency", o->frequency));
  GB_TRY(gb_range_check("curves.phase", o->phase));
  GB_TRY(gb_range_check("curves.steepness", o->steepness));
  return gb_range_check("curves.midpoint", o->midpoint);
}

static const gb_schema schema = {"curves", "Sines and sigmoids.", sizeof(curves_opts), fields, check};

enum { SIGMOID, AMPLITUDE, FREQUENCY, PHASE, STEEPNESS, MIDPOINT, SIGN, N_TRUTH };
static const gb_var truth[N_TRUTH] = {
    {"sigmoid", "sine, sigmoid", "1: a sigmoid, 0: a sine."},
    {"amplitude", "1", "Amplitude A."},
    {"frequency", "1", "Periods f of a sine; 0 of a sigmoid."},
    {"phase", "period", "Phase p of a sine; 0 of a sigmoid."},
    {"steepness", "1", "Steepness s of a sigmoid; 0 of a sine."},
    {"midpoint", "1", "Midpoint m of a sigmoid; 0 of a sine."},
    {"sign", "1", "1: a sigmoid that rises, -1: one that falls; 0 of a sine."},
};

static gb_err create(const void *opts, gb_comm team, void **self, gb_dims *dims)
{
  curves_opts *o;
  GB_CHECK(team.size == 1, GB_ERR_CONFIG, "curves cannot be spread over ranks. Set generate.ranks_per_chain = 1.");
  GB_TRY(gb_new(&o, 1));
  *o = *(const curves_opts *)opts;
  *dims = gb_dims_rows(2, (size_t[]){(size_t)o->frames, 1}, (const char *[]){"frame", "component"}, "1");
  dims->frames = (size_t)o->frames;
  dims->seen = 1;
  dims->frame_time = 1 / (double)(o->frames - 1);
  *self = o;
  return GB_OK;
}

static void destroy(void **self)
{
  gb_free(self);
}

/* x [frames]; more frames go on behind t = 1. */
static gb_err solve(const void *self, const double *z, size_t frames, double *x)
{
  const curves_opts *o = self;
  for (size_t k = 0; k < frames; k++) {
    double t = (double)k / (double)(o->frames - 1);
    x[k] = z[SIGMOID] > 0 ? z[SIGN] * z[AMPLITUDE] * tanh(z[STEEPNESS] * (t - z[MIDPOINT]) / 2)
                          : z[AMPLITUDE] * sin(2 * M_PI * (z[FREQUENCY] * t + z[PHASE]));
  }
  return GB_OK;
}

static gb_solved solved(const curves_opts *o)
{
  return (gb_solved){.self = o,
                     .solve = solve,
                     .frames = (size_t)o->frames,
                     .seen = 1,
                     .noise = o->noise,
                     .n_truth = N_TRUTH,
                     .truth = truth};
}

static gb_err exact(void *self, const double *z, size_t frames, float *x)
{
  gb_solved s = solved(self);
  return gb_solved_exact(&s, z, frames, x);
}

static gb_err simulate(void *self, uint64_t seed, uint64_t row, float *x, double *z)
{
  static const double ends[] = {0, 1};
  const gb_reals unit = {2, ends};
  const curves_opts *o = self;
  gb_solved s = solved(o);
  memset(z, 0, N_TRUTH * sizeof *z);
  z[SIGMOID] = gb_row_draw(seed, row, SIGMOID, unit) >= o->sines;
  z[AMPLITUDE] = gb_row_draw(seed, row, AMPLITUDE, o->amplitude);
  if (z[SIGMOID] > 0) {
    z[STEEPNESS] = gb_row_draw(seed, row, STEEPNESS, o->steepness);
    z[MIDPOINT] = gb_row_draw(seed, row, MIDPOINT, o->midpoint);
    z[SIGN] = gb_row_draw(seed, row, SIGN, unit) < 0.5 ? -1 : 1;
  } else {
    z[FREQUENCY] = gb_row_draw(seed, row, FREQUENCY, o->frequency);
    z[PHASE] = gb_row_draw(seed, row, PHASE, o->phase);
  }
  return gb_solved_row(&s, seed, row, z, x);
}

static const gb_simulator simulator = {.n_truth = N_TRUTH, .truth = truth, .simulate = simulate, .exact = exact};

const gb_physics gb_physics_curves = {
    .name = "curves",
    .doc = "Sines and sigmoids, stand-ins for molecular systems.",
    .source = "closed forms: A sin(2 pi (f t + p)) and +-A tanh(s (t - m) / 2)",
    .schema = &schema,
    .create = create,
    .destroy = destroy,
    .simulator = &simulator,
};
