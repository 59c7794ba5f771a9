/* physics/xy/moves.c - Metropolis and over-relaxation sweeps, and the step that is made of them. */
#include "xy/xy.h"

/* What the kernels cost, in processor cycles (tests/bench/mc.c, a core with AVX2; docs/PERFORMANCE.md): it decides
 * which mix is the cheapest, so it is a table and not a clock. Per site: */
static const double COST_METROPOLIS = 7.4, COST_OVERRELAXATION = 1.2, COST_CLUSTER = 6;
static const double COST_FLIP = 45; /* per spin of a cluster */

static const double LOG2_E = 1.4426950408889634;

enum { SWEEPS_MAX = 1024 }; /* room for the sweeps of one step in the number of a stream */

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

/* What a sweep does to a row. */
typedef struct sweep {
  gb_xy *s;
  gb_xy_state *state;
  const gb_xy_stream *stream; /* NULL: over-relaxation */
  proposal p;
  gb_vi accepted;
} sweep;

GB_INLINE void one_row(sweep *w, size_t p, size_t y, int part)
{
  gb_xy_row r = gb_xy_look(w->s, w->state, p, y);
  size_t n = w->s->slots, edge = r.side > 0 ? n - 1 : 0;
  if (!w->stream) {
    overrelax_row(&r, n, part);
    return;
  }
  gb_xy_words(w->s, w->stream, p, y, part == EDGE ? edge : 0, part == EDGE ? 1 : n);
  w->accepted += __builtin_convertvector(metropolis_row(&r, n, part, w->s->words, &w->p), gb_vi);
}

/* Both colours. On a spread lattice the halo travels while the interior is updated. */
static void run(sweep *w)
{
  gb_xy *s = w->s;
  bool rows = s->grid.size[0] > 1, columns = s->grid.size[1] > 1;
  size_t first = rows ? 1 : 0, last = rows ? s->ny - 1 : s->ny;
  for (size_t p = 0; p < 2; p++) {
    gb_exchange x = {.n = 0};
    gb_xy_send_halo(s, w->state, 1 - p, &x);
    for (size_t y = first; y < last; y++) one_row(w, p, y, columns ? BODY : BODY | EDGE);
    gb_grid_end(&x);
    for (size_t y = first; y < last && columns; y++) one_row(w, p, y, EDGE);
    if (!rows) continue;
    one_row(w, p, 0, BODY | EDGE);
    one_row(w, p, s->ny - 1, BODY | EDGE);
  }
}

void gb_xy_overrelax(gb_xy *s, gb_xy_state *state)
{
  sweep w = {.s = s, .state = state};
  run(&w);
}

void gb_xy_metropolis(gb_xy *s, const gb_walkers *w, double K, uint64_t number, gb_xy_state *state, int64_t *accepted)
{
  gb_xy_stream stream;
  gb_xy_open_stream(s, w, GB_RNG_METROPOLIS, number, &stream);
  sweep one = {.s = s, .state = state, .stream = &stream};
  one.p = (proposal){state->width / 255.5f, gb_vf_all((float)(K * LOG2_E))};
  run(&one);
  if (!accepted) return;
  for (size_t k = 0; k < w->n; k++) accepted[k] = 0;
  for (size_t l = 0; l < (s->strips ? GB_LANES : w->n); l++) accepted[gb_xy_walker(s, l, w)] += one.accepted[l];
  gb_comm_sum_i64(s->grid.c, accepted, w->n);
}

/* One Newton step towards 1 / |v|: the rounding of a few hundred sweeps, 1e-5, becomes 1e-10. */
void gb_xy_normalise(const gb_xy *s, gb_xy_state *state)
{
  for (size_t i = 0; i < 2 * s->ny * s->slots; i++) {
    gb_xy_spin *v = &state->spin[i];
    gb_vf r = 1.5f - 0.5f * (v->c * v->c + v->s * v->s);
    v->c *= r;
    v->s *= r;
  }
}

/* Towards the acceptance with the smallest energy autocorrelation: a flat optimum, measured. Products and quotients
 * only: the C library's exp need not have the same bits everywhere. */
static void tune_width(const gb_xy *s, const gb_walkers *w, uint64_t step, const int64_t *accepted, gb_xy_state *state)
{
  static const float best = 0.42f, least = 1e-3f, most = 20;
  float gain = 16 / (16 + (float)step);
  gain = gain < 0.1f ? 0.1f : gain;
  for (size_t l = 0; l < GB_LANES; l++) {
    float rate = (float)accepted[gb_xy_walker(s, l, w)] / (float)s->sites;
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
  for (uint64_t i = 0; i < (uint64_t)m->metropolis; i++)
    gb_xy_metropolis(s, w, K, step * SWEEPS_MAX + i, state, tune ? accepted : NULL);
  /* The same number for all chains, so that they can walk together: it does not depend on any configuration. */
  gb_rng_block(gb_rng_key(w->seed, GB_RNG_MIX, 0, step), 0, word);
  uint64_t least = (uint64_t)(m->overrelaxation / 2), most = (uint64_t)(1.5 * m->overrelaxation);
  uint64_t sweeps = least + ((uint64_t)word[0] * (most - least + 1) >> 32);
  for (uint64_t k = 0; k < sweeps; k++) gb_xy_overrelax(s, state);
  spent += COST_OVERRELAXATION * m->overrelaxation;
  uint64_t clusters = (uint64_t)((double)(step + 1) * m->wolff) - (uint64_t)((double)step * m->wolff);
  for (uint64_t i = 0; i < clusters; i++) gb_xy_wolff(s, w, K, step * SWEEPS_MAX + i, state, flips);
  spent += COST_CLUSTER * m->wolff;
  gb_xy_normalise(s, state);
  if (tune) tune_width(s, w, step, accepted, state);
  for (size_t k = 0; k < w->n; k++) cost[k] += spent * (double)s->sites + COST_FLIP * (double)flips[k];
}
