/* physics/xy/observe.c - what is measured: exact sums over vectors of spins, and the plain definition for any sample.
 *
 * Notes
 * Sums over the lattice are sums of integers: every term is cut to a multiple of 2^-24 first. They are the same for any
 * arrangement of the lattice in lanes, boxes and ranks, and differ from the real sum by less than 2^-24 per site. */
#include <math.h>
#include <string.h>

#include "xy/xy.h"

enum { SUM_BONDS, SUM_IX, SUM_IY, SUM_MC, SUM_MS, SUM_VORTEX, SUM_WINDING_X, SUM_WINDING_Y, N_SUMS };
enum { SUM_REAL = SUM_VORTEX }; /* the first ones are in units of 2^-24 */

#define SCALE 0x1p24f
enum { ROOM = 16 }; /* terms up to 4 units of 2^24 that a 32-bit number holds */

typedef struct sums {
  gb_vi part[N_SUMS];
  int64_t total[GB_LANES][N_SUMS];
  int terms;
} sums;

static void flush(sums *t)
{
  for (int q = 0; q < N_SUMS; q++) {
    for (size_t l = 0; l < GB_LANES; l++) t->total[l][q] += t->part[q][l];
    t->part[q] = (gb_vi){0};
  }
  t->terms = 0;
}

/* Does the short arc from a to b cross the negative x axis? +1 counterclockwise, -1 clockwise, else 0; `cross` is the
 * sine of the arc. Around a closed path the sum is its winding. No arc tangent, and exactly antisymmetric. */
GB_INLINE gb_vi crossing(gb_vf a, gb_vf b, gb_vf cross)
{
  gb_vf zero = {0};
  return ((a < zero) & (b >= zero) & (cross < zero)) - ((a >= zero) & (b < zero) & (cross > zero)); /* true is -1 */
}

GB_INLINE gb_vf cross(const gb_xy_spin *a, const gb_xy_spin *b)
{
  return a->c * b->s - a->s * b->c;
}

GB_INLINE gb_vi fixed(gb_vf x)
{
  return __builtin_convertvector(x * SCALE, gb_vi);
}

/* One site with its neighbours at x + 1, at y + 1 and at both. */
GB_INLINE void add_site(sums *t, const gb_xy_spin *v, const gb_xy_spin *right, const gb_xy_spin *above,
                        const gb_xy_spin *both)
{
  gb_vf ix = cross(v, right), iy = cross(v, above);
  gb_vi wx = crossing(v->s, right->s, ix), wy = crossing(v->s, above->s, iy);
  gb_vi turn =
      wx + crossing(right->s, both->s, cross(right, both)) - crossing(above->s, both->s, cross(above, both)) - wy;
  t->part[SUM_BONDS] += fixed(v->c * (right->c + above->c) + v->s * (right->s + above->s));
  t->part[SUM_IX] += fixed(ix);
  t->part[SUM_IY] += fixed(iy);
  t->part[SUM_MC] += fixed(v->c);
  t->part[SUM_MS] += fixed(v->s);
  t->part[SUM_VORTEX] -= turn != 0;
  t->part[SUM_WINDING_X] += wx;
  t->part[SUM_WINDING_Y] += wy;
  if (++t->terms == ROOM) flush(t);
}

/* Row y of colour p. */
static void add_row(gb_xy *s, gb_xy_state *state, size_t p, size_t y, sums *t)
{
  size_t n = s->slots;
  gb_xy_row r = gb_xy_look(s, state, p, (int64_t)y);
  gb_xy_spin corner;
  const gb_xy_spin *next = gb_xy_next(s, state, p, y, &corner); /* the same colour, one row up */
  if (r.side < 0) { /* the site stands at even x: its right neighbour is in its own slot, so is the one right above */
    for (size_t j = 0; j < n; j++) add_site(t, &r.own[j], &r.same[j], &r.above[j], &next[j]);
    return;
  }
  for (size_t j = 0; j + 1 < n; j++) add_site(t, &r.own[j], &r.same[j + 1], &r.above[j], &next[j + 1]);
  add_site(t, &r.own[n - 1], &r.edge, &r.above[n - 1], &corner);
}

/* Sums of every walker, over the whole lattice. */
static void add_up(gb_xy *s, const gb_walkers *w, const gb_xy_state *state, int64_t total[][N_SUMS])
{
  sums t = {.terms = 0};
  gb_xy_state *same = (gb_xy_state *)(uintptr_t)state; /* the rows that are looked at are only read */
  gb_xy_fetch_halo(s, same);
  for (size_t p = 0; p < 2; p++)
    for (size_t y = 0; y < s->ny; y++) add_row(s, same, p, y, &t);
  flush(&t);
  memset(total, 0, w->n * sizeof *total);
  for (size_t l = 0; l < (s->strips ? GB_LANES : w->n); l++)
    for (int q = 0; q < N_SUMS; q++) total[gb_xy_walker(s, l, w)][q] += t.total[l][q];
  gb_comm_sum_i64(s->grid.c, *total, w->n * N_SUMS);
}

/* From the sums of one configuration, in double, to its observables. */
static void estimate(const gb_xy *s, double T, const double sum[N_SUMS], double *out)
{
  double n = (double)s->sites, J = s->opts.J, e = -J * sum[SUM_BONDS] / n;
  double m2 = (sum[SUM_MC] * sum[SUM_MC] + sum[SUM_MS] * sum[SUM_MS]) / (n * n);
  double current2 = J * J * (sum[SUM_IX] * sum[SUM_IX] + sum[SUM_IY] * sum[SUM_IY]) / (2 * n);
  out[GB_XY_ENERGY] = e;
  out[GB_XY_ABS_M] = sqrt(m2);
  out[GB_XY_M2] = m2;
  out[GB_XY_HELICITY] = -e / 2 - current2 / T;
  out[GB_XY_VORTEX] = sum[SUM_VORTEX] / n;
  out[GB_XY_CURRENT2] = current2;
  out[GB_XY_WINDING_X] = sum[SUM_WINDING_X] / (double)s->L;
  out[GB_XY_WINDING_Y] = sum[SUM_WINDING_Y] / (double)s->L;
}

static void estimate_all(gb_xy *s, const gb_walkers *w, const gb_xy_state *state, double out[][GB_XY_OBS])
{
  int64_t total[GB_MOST_WALKERS][N_SUMS];
  add_up(s, w, state, total);
  for (size_t k = 0; k < w->n; k++) {
    double sum[N_SUMS];
    for (int q = 0; q < N_SUMS; q++) sum[q] = (double)total[k][q] * (q < SUM_REAL ? 0x1p-24 : 1);
    estimate(s, w->T, sum, out[k]);
  }
}

void gb_xy_measure(void *self, const gb_walkers *w, const void *state, double *track)
{
  double o[GB_MOST_WALKERS][GB_XY_OBS];
  estimate_all(self, w, state, o);
  for (size_t k = 0; k < w->n; k++) {
    double *t = track + k * GB_XY_MEASURED;
    t[GB_XY_TRACK_ENERGY] = o[k][GB_XY_ENERGY];
    t[GB_XY_TRACK_M2] = o[k][GB_XY_M2];
    t[GB_XY_TRACK_CURRENT2] = o[k][GB_XY_CURRENT2];
    t[GB_XY_TRACK_VORTEX] = o[k][GB_XY_VORTEX];
    t[GB_XY_TRACK_WINDING_X] = o[k][GB_XY_WINDING_X];
    t[GB_XY_TRACK_WINDING_Y] = o[k][GB_XY_WINDING_Y];
  }
}

/* The largest float that is not above pi. */
#define PI_BELOW 0x1.921fb4p+1f

void gb_xy_sample(void *self, const gb_walkers *w, uint64_t number, const void *state, float *const x[],
                  double *const obs[])
{
  gb_xy *s = self;
  const gb_xy_state *from = state;
  gb_vf turn = {0}, rc, rs, most = gb_vf_all(PI_BELOW);
  double o[GB_MOST_WALKERS][GB_XY_OBS];
  float *out[GB_LANES];
  size_t n = s->strips ? GB_LANES : w->n;
  estimate_all(s, w, from, o);
  for (size_t k = 0; k < w->n; k++) memcpy(obs[k], o[k], sizeof o[k]);
  /* A global rotation is an exact symmetry: each sample gets its own, so that the common angle, the slowest of all
   * modes, is independent too. */
  for (size_t l = 0; l < n; l++) {
    uint32_t word[4];
    gb_rng_block(gb_rng_key(w->seed, GB_RNG_ROTATE, w->chain[gb_xy_walker(s, l, w)], number), 0, word);
    turn[l] = (float)(word[0] >> 9) * 0x1p-23f;
  }
  gb_vf_circle(turn, &rc, &rs);
  for (size_t y = 0; y < s->ny; y++) {
    for (size_t p = 0; p < 2; p++) {
      const gb_xy_spin *v = gb_xy_get(s, from, p, y);
      gb_vf *row = s->row[(y + p) & 1];
      for (size_t j = 0; j < s->slots; j++) {
        gb_vf a = gb_vf_angle(v[j].c * rc - v[j].s * rs, v[j].s * rc + v[j].c * rs);
        a = gb_vf_less(most, a, most, a);
        row[j] = gb_vf_less(a, -most, -most, a);
      }
    }
    for (size_t l = 0; l < n; l++) out[l] = x[gb_xy_walker(s, l, w)] + y * s->nx + gb_xy_left(s, l);
    gb_xy_unlace(s, n, s->row[0], s->row[1], out);
  }
}

/* Turns that bring the difference b - a into [-pi, pi). */
static double turns(double a, double b)
{
  return b - a >= M_PI ? -1 : b - a < -M_PI ? 1 : 0;
}

static void unit_vectors(size_t n, const float *x, double *c, double *s)
{
  for (size_t i = 0; i < n; i++) sincos((double)x[i], &s[i], &c[i]);
}

/* The definition, in double, of any angles. */
void gb_xy_observe(void *self, double T, const float *x, double *obs)
{
  gb_xy *s = self;
  size_t L = s->L;
  double sum[N_SUMS] = {0}, *c = s->rows, *sn = c + L, *above_c = c + 2 * L, *above_s = c + 3 * L;
  unit_vectors(L, x, above_c, above_s);
  for (size_t y = 0; y < L; y++) {
    const float *own = x + y * L, *above = y + 1 == L ? x : own + L;
    memcpy(c, above_c, 2 * L * sizeof *c);
    unit_vectors(L, above, above_c, above_s);
    for (size_t k = 0; k < L; k++) {
      size_t r = k + 1 == L ? 0 : k + 1;
      double wx = turns(own[k], own[r]), wy = turns(own[k], above[k]);
      double turn = wx + turns(own[r], above[r]) - turns(above[k], above[r]) - wy;
      sum[SUM_BONDS] += c[k] * (c[r] + above_c[k]) + sn[k] * (sn[r] + above_s[k]);
      sum[SUM_IX] += c[k] * sn[r] - sn[k] * c[r];
      sum[SUM_IY] += c[k] * above_s[k] - sn[k] * above_c[k];
      sum[SUM_MC] += c[k];
      sum[SUM_MS] += sn[k];
      sum[SUM_VORTEX] += turn != 0;
      sum[SUM_WINDING_X] += wx;
      sum[SUM_WINDING_Y] += wy;
    }
  }
  estimate(s, T, sum, obs);
}
