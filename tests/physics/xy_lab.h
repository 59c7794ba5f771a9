/* tests/physics/xy_lab.h - a few chains of the XY model that walk together, and their spins as plain arrays: what the
 * tests of its moves, estimators and layouts start from. */
#pragma once
#include "base/rng.h"
#include "ensemble.h"
#include "xy/xy.h"

enum { SEED = 77 };

#define PI_BELOW 0x1.921fb4p+1f /* the largest float below pi */

static inline void open_xy(lab *l, const char *section)
{
  char yaml[1024];
  snprintf(yaml, sizeof yaml,
           "xy: {%s}\ngenerate: {chains: 8, samples: 100, hot_chains: 0, validation_chains: 0, test_chains: 0}\n",
           section);
  lab_open(l, "xy", yaml);
}

/* n uniform numbers in (0, 1). */
static inline void uniform(uint64_t index, size_t n, double *out)
{
  for (size_t i = 0; i < n; i++) {
    uint32_t w[4];
    gb_rng_block(gb_rng_key(SEED, GB_RNG_TEST, index, 0), (uint32_t)i, w);
    out[i] = gb_rng_unit(w[0]);
  }
}

/* The nearest angle that may be stored. */
static inline float as_angle(double a)
{
  float x = (float)a;
  return x > PI_BELOW ? PI_BELOW : x < -PI_BELOW ? -PI_BELOW : x;
}

/* Independent, uniform angles. */
static inline void hot_angles(const gb_xy *s, uint64_t index, float *x)
{
  double u[4096];
  CHECK(s->sites <= sizeof u / sizeof *u);
  uniform(index, s->sites, u);
  for (size_t i = 0; i < s->sites; i++) x[i] = as_angle(2 * M_PI * u[i] - M_PI);
}

/* Chains that walk together, and room for their description. */
typedef struct troop {
  gb_xy *s;
  gb_dims dims;
  gb_walkers w;
  void *state;
  float *field[GB_MOST_WALKERS]; /* [2, ny, nx]: cosines, sines */
  double width[GB_MOST_WALKERS], *tuned[GB_MOST_WALKERS];
} troop;

static inline void troop_open(troop *t, void *self, gb_dims dims, size_t n, double T)
{
  *t = (troop){.s = self, .dims = dims, .w = {.T = T, .seed = SEED, .n = n}};
  CHECK(n >= 1 && n <= dims.walkers && dims.walkers <= GB_MOST_WALKERS);
  char *state;
  CHECK_OK(gb_new(&state, dims.walker_bytes));
  t->state = state;
  for (size_t k = 0; k < n; k++) {
    t->w.chain[k] = k;
    t->tuned[k] = &t->width[k];
    t->width[k] = 1;
    CHECK_OK(gb_new(&t->field[k], 2 * dims.n_mine));
  }
}

/* One sweep over both colours. */
static inline void overrelax(troop *t)
{
  gb_xy_run(t->s, &t->w, &(gb_xy_sweeps){.overrelaxation = 1}, t->state);
}

static inline void metropolis(troop *t, double K, uint64_t number, int64_t *accepted)
{
  gb_xy_run(t->s, &t->w, &(gb_xy_sweeps){.metropolis = 1, .K = K, .number = number, .accepted = accepted}, t->state);
}

static inline void troop_close(troop *t)
{
  gb_free(&t->state);
  for (size_t k = 0; k < t->w.n; k++) gb_free(&t->field[k]);
}

static inline void troop_pack(troop *t)
{
  const float *field[GB_MOST_WALKERS];
  const double *tuned[GB_MOST_WALKERS];
  for (size_t k = 0; k < t->w.n; k++) {
    field[k] = t->field[k];
    tuned[k] = t->tuned[k];
  }
  gb_xy_pack(t->s, &t->w, field, tuned, t->state);
}

static inline void troop_unpack(troop *t)
{
  gb_xy_unpack(t->s, &t->w, t->state, t->field, t->tuned);
}

/* Independent, uniform angles for every chain. */
static inline void troop_heat(troop *t, uint64_t index)
{
  for (size_t k = 0; k < t->w.n; k++) {
    for (size_t i = 0; i < t->dims.n_mine; i++) {
      uint32_t w[4];
      gb_rng_block(gb_rng_key(SEED, GB_RNG_TEST, 1000 * index + k, 1), (uint32_t)i, w);
      t->field[k][i] = (float)cos(2 * M_PI * gb_rng_unit(w[0]));
      t->field[k][t->dims.n_mine + i] = (float)sin(2 * M_PI * gb_rng_unit(w[0]));
    }
  }
  troop_pack(t);
}

/* Energy per site of one field, in double. */
static inline double energy_of(size_t L, double J, const float *c)
{
  const float *s = c + L * L;
  double bonds = 0;
  for (size_t y = 0; y < L; y++)
    for (size_t x = 0; x < L; x++) {
      size_t i = y * L + x, r = y * L + (x + 1) % L, u = (y + 1) % L * L + x;
      bonds += (double)c[i] * ((double)c[r] + (double)c[u]) + (double)s[i] * ((double)s[r] + (double)s[u]);
    }
  return -J * bonds / (double)(L * L);
}

/* The four neighbours of site (y, x). */
static inline void neighbours(size_t L, size_t y, size_t x, size_t n[4])
{
  n[0] = y * L + (x + 1) % L;
  n[1] = y * L + (x + L - 1) % L;
  n[2] = (y + 1) % L * L + x;
  n[3] = (y + L - 1) % L * L + x;
}
