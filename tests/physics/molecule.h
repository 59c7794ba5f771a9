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
