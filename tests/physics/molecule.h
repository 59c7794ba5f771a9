/* tests/physics/molecule.h - noiseless rows of a molecular system, their maxima and values at named times. */
#pragma once
#include "rows.h"
#include "sim/curve.h"

typedef struct molecule {
  bed b;
  size_t frames, seen;
  float *x;
  double truth[64];
} molecule;

/* Row 0 of a config without noise, whose ranges are single numbers. */
static inline void molecule_open(molecule *m, const char *name, const char *yaml)
{
  bed_open(&m->b, name, yaml);
  m->frames = m->b.sim.dims.frames;
  m->seen = m->b.sim.dims.seen;
  CHECK_OK(gb_new(&m->x, m->b.sim.dims.n));
  CHECK_OK(m->b.sim.kind->simulator->simulate(m->b.sim.self, 1, 0, m->x, m->truth));
}

static inline void molecule_close(molecule *m)
{
  gb_free(&m->x);
  bed_close(&m->b);
}

static inline double molecule_at(const molecule *m, double time, size_t which)
{
  size_t k = (size_t)lrint(time / m->b.sim.dims.frame_time);
  CHECK(k < m->frames);
  return (double)m->x[k * m->seen + which];
}

/* Least and most after a time. */
static inline void molecule_range(const molecule *m, double from, size_t which, double *least, double *most)
{
  *least = INFINITY;
  *most = -INFINITY;
  for (size_t k = (size_t)lrint(from / m->b.sim.dims.frame_time); k < m->frames; k++) {
    *least = fmin(*least, (double)m->x[k * m->seen + which]);
    *most = fmax(*most, (double)m->x[k * m->seen + which]);
  }
}

/* The numbers of sim/curve.h that the row tells. */
static inline const double *molecule_label(const molecule *m)
{
  int n;
  gb_sim_truth(&m->b.sim, &n);
  return m->truth + n - GB_CURVE_NUMBERS;
}

/* Largest difference of two rows, in units of the largest number. */
static inline double molecule_distance(const molecule *a, const molecule *b)
{
  double most = 0, size = 0;
  CHECK(a->b.sim.dims.n == b->b.sim.dims.n);
  for (size_t i = 0; i < a->b.sim.dims.n; i++) {
    most = fmax(most, fabs((double)a->x[i] - (double)b->x[i]));
    size = fmax(size, fabs((double)a->x[i]));
  }
  return most / size;
}

/* The same of both methods. */
static inline void molecule_methods(const char *name, const char *keys, double tolerance)
{
  static const char *const method[] = {"implicit", "explicit"};
  molecule m[2];
  char yaml[1024];
  for (int k = 0; k < 2; k++) {
    snprintf(yaml, sizeof yaml, "%s: {noise: 0, tolerance: 1e-10, method: %s, %s}", name, method[k], keys);
    molecule_open(&m[k], name, yaml);
  }
  CHECK_NEAR(molecule_distance(&m[0], &m[1]), 0, tolerance);
  for (int k = 0; k < 2; k++) molecule_close(&m[k]);
}

/* Light is gain times concentration, and a baseline that drifts; the truth tells them, behind the `gain` numbers that
 * are drawn before, and nothing else of a row changes. */
static inline void molecule_instrument(const char *name, const char *keys, int gain)
{
  molecule plain, seen;
  char yaml[1024];
  snprintf(yaml, sizeof yaml, "%s: {noise: 0, %s}", name, keys);
  molecule_open(&plain, name, yaml);
  snprintf(yaml, sizeof yaml,
           "%s: {noise: 0, %s, gain: [0.5, 2], offset: [-0.1, 0.3], drift: [0, 0.4], drift_time: 50}", name, keys);
  molecule_open(&seen, name, yaml);
  const double *z = seen.truth + gain, *neutral = plain.truth + gain, frame_time = seen.b.sim.dims.frame_time;
  enum { GAIN, OFFSET, DRIFT };
  int n;
  const gb_var *table = gb_sim_truth(&seen.b.sim, &n);
  CHECK(!strcmp(table[gain].name, "gain") && n == gain + 3 + GB_CURVE_NUMBERS);
  CHECK(!memcmp(seen.truth, plain.truth, (size_t)gain * sizeof *z));
  CHECK(neutral[GAIN] == 1 && neutral[OFFSET] == 0 && neutral[DRIFT] == 0);
  CHECK(z[GAIN] > 0.5 && z[GAIN] < 2 && z[OFFSET] > -0.1 && z[OFFSET] < 0.3 && z[DRIFT] > 0 && z[DRIFT] < 0.4);
  for (size_t k = 0; k < seen.frames; k++)
    for (size_t i = 0; i < seen.seen; i++) {
      double dark = z[OFFSET] + z[DRIFT] * (1 - exp(-frame_time * (double)k / 50));
      double light = z[GAIN] * (double)plain.x[k * seen.seen + i] + dark;
      CHECK_NEAR(seen.x[k * seen.seen + i], light, 1e-6 * fmax(1, light));
    }
  molecule_close(&plain);
  molecule_close(&seen);
}
