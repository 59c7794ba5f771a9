/* physics/xy/moves.c - Metropolis and over-relaxation sweeps, and the step that is made of them. */
#include <math.h>

#include "xy/xy.h"

/* What the kernels cost, in processor cycles (tests/bench/mc.c, a core with AVX2; docs/PERFORMANCE.md): it decides
 * which mix is the cheapest, so it is a table and not a clock. Per site: */
static const double COST_METROPOLIS = 7.4, COST_OVERRELAXATION = 1.2, COST_CLUSTER = 6;
static const double COST_FLIP = 45; /* per spin of a cluster */

enum {
  SWEEPS_MAX = 1024,  /* room for the sweeps of one step in the number of a stream */
  SWEEPS_AT_ONCE = 16 /* Metropolis sweeps whose streams are open at a time */
};

/* Sum of the four neighbours. */
GB_INLINE gb_xy_spin local_field(const gb_xy_spin *a, const gb_xy_spin *b, const gb_xy_spin *c, const gb_xy_spin *d)
{
  return (gb_xy_spin){(a->c + b->c) + (c->c + d->c), (a->s + b->s) + (c->s + d->s)};
}

/* Reflection about the local field. 1e-30: a vanishing field maps the spin to its opposite, as good a reflection as
 * any. */
GB_INLINE void reflect(gb_xy_spin *v, gb_xy_spin h)
{
  gb_vf t = 2 * (v->c * h.c + v->s * h.s) / (h.c * h.c + h.s * h.s + 1e-30f);
  v->c = t * h.c - v->c;
  v->s = t * h.s - v->s;
}

typedef struct proposal {
  gb_vf unit; /* tangent of half an angle, per unit of the draw in [-255.5, 255.5] */
  gb_vf gain; /* K log2(e) */
} proposal;

/* A turn by an angle whose half has the tangent t, one of 512 values symmetric about 0 (9 bits of the word), accepted
 * with probability min(1, exp(-dE/T)) to within 2^-24 (the other 23 bits). Returns 1 where accepted. */
GB_INLINE gb_vf propose(gb_xy_spin *v, gb_xy_spin h, gb_vu word, const proposal *p)
{
  gb_vf zero = {0}, t = (__builtin_convertvector((gb_vi)(word & 511), gb_vf) - 255.5f) * p->unit;
  gb_vf u = gb_xy_unit(word), q = t * t, n = 1 / (1 + q), dc = (1 - q) * n, ds = 2 * t * n;
  gb_vf c = v->c * dc - v->s * ds, s = v->s * dc + v->c * ds;
  gb_vf gain = p->gain * ((c - v->c) * h.c + (s - v->s) * h.s); /* -dE/T in powers of 2 */
  gb_vf chance = gb_vf_exp2(gb_vf_less(gain, zero, gain, zero));
  v->c = gb_vf_less(u, chance, c, v->c);
  v->s = gb_vf_less(u, chance, s, v->s);
  return gb_vf_less(u, chance, gb_vf_all(1), zero);
}

/* A row in two parts: its body, and the slot whose neighbour is beyond the end of the row. */
enum { BODY = 1, EDGE = 2 };

static void overrelax_row(const gb_xy_row *r, size_t n, int part)
{
  size_t first = r->side<0, last = r->side> 0 ? n - 1 : n, edge = r->side > 0 ? n - 1 : 0;
  const gb_xy_spin *side = r->same + r->side;
  if (part & BODY)
    for (size_t j = first; j < last; j++)
      reflect(&r->own[j], local_field(&r->same[j], &side[j], &r->above[j], &r->below[j]));
  if (part & EDGE) reflect(&r->own[edge], local_field(&r->same[edge], &r->edge, &r->above[edge], &r->below[edge]));
}

static gb_vf metropolis_row(const gb_xy_row *r, size_t n, int part, const gb_vu *word, const proposal *p)
{
  size_t first = r->side<0, last = r->side> 0 ? n - 1 : n, edge = r->side > 0 ? n - 1 : 0;
  const gb_xy_spin *side = r->same + r->side;
  gb_vf accepted = {0};
  if (part & BODY)
    for (size_t j = first; j < last; j++)
      accepted += propose(&r->own[j], local_field(&r->same[j], &side[j], &r->above[j], &r->below[j]), word[j], p);
  if (part & EDGE)
    accepted +=
        propose(&r->own[edge], local_field(&r->same[edge], &r->edge, &r->above[edge], &r->below[edge]), word[edge], p);
  return accepted;
}

/* Half sweeps (one colour each) of a run of sweeps. */
typedef struct work {
  gb_xy *s;
  gb_xy_state *state;
  const gb_xy_stream *stream; /* one for each Metropolis sweep */
  size_t metropolis;          /* half sweeps that are Metropolis; the others are over-relaxation */
  proposal p;
  gb_vi accepted;
} work;

/* Half sweep number k of row y. */
static void one_row(work *w, size_t k, int64_t y, int part)
{
  size_t p = k % 2, n = w->s->slots;
  gb_xy_row r = gb_xy_look(w->s, w->state, p, y);
  if (k >= w->metropolis) {
    overrelax_row(&r, n, part);
    return;
  }
  size_t edge = r.side > 0 ? n - 1 : 0;
  gb_xy_words(w->s, &w->stream[k / 2], p, y, part == EDGE ? edge : 0, part == EDGE ? 1 : n);
  gb_vf yes = metropolis_row(&r, n, part, w->s->words, &w->p);
  if (y >= 0 && y < (int64_t)w->s->ny) w->accepted += __builtin_convertvector(yes, gb_vi); /* not those of the halo */
}

/* Half sweeps first ... first + n - 1 in one pass: as soon as three neighbouring rows have had half sweep k - 1, the
 * one in the middle gets half sweep k, while it is in the cache. Half sweep number i (from 1) covers the rows lo + i
 * lo_step
 * ... hi + i hi_step. In the order of this loop no row runs ahead of what its neighbours still need: they then have had
 * k or k + 1, and the latter changes the other colour. */
static void pass(work *w, size_t first, int64_t n, int64_t lo, int64_t lo_step, int64_t hi, int64_t hi_step,
                 gb_messages *x)
{
  int64_t begin = lo + (lo_step < 0 ? n * lo_step : lo_step), end = hi + (hi_step > 0 ? n * hi_step : hi_step) + n;
  for (int64_t front = begin; front < end; front++) {
    for (int64_t i = 1; i <= n; i++) {
      int64_t y = front - (i - 1);
      if (y >= lo + i * lo_step && y <= hi + i * hi_step) one_row(w, first + (size_t)i - 1, y, BODY | EDGE);
    }
    if (x && front % 16 == 0) gb_grid_poke(x);
  }
}

/* Strips that are whole rows of the lattice. The halo of n rows travels while rows are updated that do not feel it:
 * half sweep i those at least i rows away from the border. The rest, with what of the halo later half sweeps need,
 * follows. */
static void run_deep(work *w, size_t half_sweeps)
{
  int64_t ny = (int64_t)w->s->ny;
  for (size_t first = 0, n; first < half_sweeps; first += n) {
    n = half_sweeps - first < GB_XY_DEPTH ? half_sweeps - first : GB_XY_DEPTH;
    int64_t d = (int64_t)n;
    gb_messages x;
    gb_xy_send_rows(w->s, w->state, n, &x);
    pass(w, first, d, 0, 1, ny - 1, -1, &x);
    gb_grid_end(&x);
    pass(w, first, d, -d, 1, -1, 1, NULL);
    pass(w, first, d, ny, -1, ny - 1 + d, -1, NULL);
  }
}

/* Boxes with neighbours to the right and left: one half sweep at a time, the interior while the border travels. */
static void run_boxes(work *w, size_t half_sweeps)
{
  gb_xy *s = w->s;
  int64_t last = (int64_t)s->ny - 1;
  for (size_t k = 0; k < half_sweeps; k++) {
    gb_messages rows, columns;
    gb_xy_send_rows(s, w->state, 1, &rows);
    gb_xy_send_columns(s, w->state, 1 - k % 2, &columns);
    for (int64_t y = 1; y < last; y++) one_row(w, k, y, BODY);
    gb_grid_end(&rows);
    gb_grid_end(&columns);
    for (int64_t y = 1; y < last; y++) one_row(w, k, y, EDGE);
    one_row(w, k, 0, BODY | EDGE);
    one_row(w, k, last, BODY | EDGE);
  }
}

static void run_replicas(work *w, size_t half_sweeps)
{
  for (size_t k = 0; k < half_sweeps; k++)
    for (int64_t y = 0; y < (int64_t)w->s->ny; y++) one_row(w, k, y, BODY | EDGE);
}

void gb_xy_run(gb_xy *s, const gb_walkers *w, const gb_xy_sweeps *sweeps, gb_xy_state *state)
{
  gb_xy_stream stream[SWEEPS_AT_ONCE];
  for (size_t m = 0, n; m == 0 || m < sweeps->metropolis; m += n) { /* usually once */
    n = sweeps->metropolis - m < SWEEPS_AT_ONCE ? sweeps->metropolis - m : SWEEPS_AT_ONCE;
    bool last = m + n == sweeps->metropolis;
    work one = {.s = s, .state = state, .stream = stream, .metropolis = 2 * n};
    one.p = (proposal){state->width / 255.5f, gb_vf_all((float)(sweeps->K * M_LOG2E))};
    for (size_t i = 0; i < n; i++) gb_xy_open_stream(s, w, GB_RNG_METROPOLIS, sweeps->number + m + i, &stream[i]);
    size_t half_sweeps = 2 * (n + (last ? sweeps->overrelaxation : 0));
    if (!s->strips)
      run_replicas(&one, half_sweeps);
    else if (s->grid.size[1] == 1)
      run_deep(&one, half_sweeps);
    else
      run_boxes(&one, half_sweeps);
    for (size_t k = 0; k < w->n && sweeps->accepted && m == 0; k++) sweeps->accepted[k] = 0;
    for (size_t l = 0; l < (s->strips ? GB_LANES : w->n) && sweeps->accepted; l++)
      sweeps->accepted[gb_xy_walker(s, l, w)] += one.accepted[l];
    if (n == 0) break;
  }
  if (sweeps->accepted) gb_comm_sum_i64(s->grid.c, sweeps->accepted, w->n);
}

/* One Newton step towards 1 / |v|: the rounding of a few hundred sweeps, 1e-5, becomes 1e-10. */
void gb_xy_normalise(const gb_xy *s, gb_xy_state *state)
{
  for (size_t p = 0; p < 2; p++) {
    gb_xy_spin *v = gb_xy_at(s, state, p, 0);
    for (size_t i = 0; i < s->ny * s->slots; i++) {
      gb_vf r = 1.5f - 0.5f * (v[i].c * v[i].c + v[i].s * v[i].s);
      v[i].c *= r;
      v[i].s *= r;
    }
  }
}

/* Towards the acceptance with the smallest energy autocorrelation: a flat optimum, measured. Products and quotients
 * only: the C library's exp need not have the same bits everywhere. */
static void tune_width(const gb_xy *s, const gb_walkers *w, uint64_t step, const int64_t *accepted, float sweeps,
                       gb_xy_state *state)
{
  static const float best = 0.42f, least = 1e-3f, most = 20;
  float gain = 16 / (16 + (float)step);
  gain = gain < 0.1f ? 0.1f : gain;
  for (size_t l = 0; l < GB_LANES; l++) {
    float rate = (float)accepted[gb_xy_walker(s, l, w)] / ((float)s->sites * sweeps);
    float a = state->width[l] * (1 + gain * (rate - best));
    state->width[l] = a < least ? least : a > most ? most : a;
  }
}

void gb_xy_step(void *self, const gb_walkers *w, size_t mix, uint64_t step, bool tune, void *state, double cost[])
{
  gb_xy *s = self;
  const gb_xy_mix *m = &s->mix[mix];
  double K = s->opts.J / w->T, spent = COST_METROPOLIS * m->metropolis;
  int64_t accepted[GB_MOST_WALKERS], flips[GB_MOST_WALKERS] = {0};
  uint32_t word[4];
  /* The same number for all chains, so that they can walk together: it does not depend on any configuration. */
  gb_rng_block(gb_rng_key(w->seed, GB_RNG_MIX, 0, step), 0, word);
  uint64_t least = (uint64_t)(m->overrelaxation / 2), most = (uint64_t)(1.5 * m->overrelaxation);
  gb_xy_sweeps sweeps = {.metropolis = (size_t)m->metropolis,
                         .overrelaxation = least + ((uint64_t)word[0] * (most - least + 1) >> 32),
                         .K = K,
                         .number = step * SWEEPS_MAX,
                         .accepted = tune ? accepted : NULL};
  gb_xy_run(s, w, &sweeps, state);
  spent += COST_OVERRELAXATION * m->overrelaxation;
  uint64_t clusters = (uint64_t)((double)(step + 1) * m->wolff) - (uint64_t)((double)step * m->wolff);
  for (uint64_t i = 0; i < clusters; i++) gb_xy_wolff(s, w, K, step * SWEEPS_MAX + i, state, flips);
  spent += COST_CLUSTER * m->wolff;
  gb_xy_normalise(s, state);
  if (tune) tune_width(s, w, step, accepted, (float)m->metropolis, state);
  for (size_t k = 0; k < w->n; k++) cost[k] += spent * (double)s->sites + COST_FLIP * (double)flips[k];
}
