/* physics/xy/state.c - where spins lie in memory: replicas or strips in the lanes, boxes of a lattice on ranks. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "xy/xy.h"

enum {
  TALL = 64,           /* rows of a box: from there on passes of several half sweeps pay more than short borders */
  STRIP_UNIT = 8,      /* sites: four slots of a colour share a block of random numbers */
  WIDEST = 16,         /* lanes of the widest vectors: what a lattice allows must not depend on the machine */
  STRIPS_FROM = 256,   /* at this size GB_LANES replicas no longer fit into the second-level cache: measured */
  CLUSTERS_BELOW = 512 /* larger lattices may be spread over ranks, and clusters cannot */
};

void gb_xy_destroy(void **self)
{
  gb_xy *s = *self;
  if (!s) return;
  gb_free(&s->mix);
  gb_free(&s->words);
  gb_free(&s->border);
  for (int k = 0; k < 4; k++) {
    gb_free(&s->column[k / 2][k % 2]);
    gb_free(&s->out[k / 2][k % 2]);
  }
  for (int k = 0; k < 2; k++) gb_free(&s->row[k]);
  gb_free(&s->rows);
  gb_free(&s->flat);
  gb_free(&s->neighbour);
  gb_free(&s->queue);
  gb_free(&s);
  *self = NULL;
}

/* The mixes among which burn-in chooses. What the user fixed is the same in all of them. The best ones differ by
 * temperature and size. Clusters are in all of them, where they can be: without, the helicity modulus has rare slow
 * excursions, which a trial does not see (docs/theory/xy.md). */
static gb_err list_mixes(gb_xy *s)
{
  const gb_xy_opts *o = &s->opts;
  double eighth = fmax(2, (double)s->L / 8), wolff = s->L < CLUSTERS_BELOW ? 0.125 : 0;
  double metropolis[2] = {1, 2}, overrelaxation[3] = {eighth / 2, eighth, 2 * eighth};
  size_t n_m = 2, n_o = 3;
  if (o->metropolis > 0) metropolis[0] = (double)o->metropolis, n_m = 1;
  if (o->overrelaxation >= 0) overrelaxation[0] = (double)o->overrelaxation, n_o = 1;
  if (o->wolff >= 0) wolff = o->wolff;
  GB_TRY(gb_new(&s->mix, n_m * n_o + 1));
  for (size_t k = 0; k < n_o; k++)
    for (size_t m = 0; m < n_m; m++) s->mix[s->n_mix++] = (gb_xy_mix){metropolis[m], overrelaxation[k], wolff};
  if (o->wolff < 0 && wolff > 0) /* one more, for the worst places: large lattices just above the transition */
    s->mix[s->n_mix++] = (gb_xy_mix){metropolis[n_m - 1], overrelaxation[n_o / 2], 1};
  return GB_OK;
}

static gb_err check_team(const gb_xy *s)
{
  for (size_t i = 0; i < s->n_mix; i++)
    GB_CHECK(s->grid.c.size == 1 || s->mix[i].wolff == 0, GB_ERR_CONFIG,
             "xy.wolff: clusters cannot grow on a lattice that is spread over %d ranks. Set xy.wolff = 0, or "
             "generate.ranks_per_chain = 1.",
             s->grid.c.size);
  return GB_OK;
}

/* What clusters need, of any mix that has them. */
static gb_err make_cluster_room(gb_xy *s)
{
  size_t L = s->L;
  bool any = false;
  for (size_t i = 0; i < s->n_mix; i++) any |= s->mix[i].wolff > 0;
  if (!any) return GB_OK;
  GB_CHECK(
      s->sites <= INT32_MAX, GB_ERR_CONFIG,
      "xy.wolff: clusters cannot grow on a lattice of more than 2^31 sites. Set xy.wolff = 0, or xy.L below 46342.");
  GB_TRY(gb_new(&s->flat, (s->strips ? 1 : GB_LANES) * s->sites));
  GB_TRY(gb_new(&s->neighbour, 4 * s->sites));
  GB_TRY(gb_new(&s->queue, s->sites + 3));
  for (size_t y = 0; y < L; y++)
    for (size_t x = 0; x < L; x++) {
      int32_t *n = s->neighbour + 4 * (y * L + x);
      n[0] = (int32_t)(y * L + (x + 1) % L);
      n[1] = (int32_t)(y * L + (x + L - 1) % L);
      n[2] = (int32_t)((y + 1) % L * L + x);
      n[3] = (int32_t)((y + L - 1) % L * L + x);
    }
  return GB_OK;
}

static gb_err divide(gb_xy *s, gb_comm team, bool strips)
{
  bool spread = team.size > 1;
  GB_TRY(
      gb_grid_make(team, s->L, s->L, spread ? 2 * GB_XY_DEPTH : 1, spread ? STRIP_UNIT * WIDEST : 1, TALL, &s->grid));
  s->ny = s->grid.count[0];
  s->nx = s->grid.count[1];
  s->strips = strips;
  s->halo = strips ? GB_XY_DEPTH : 0;
  s->width = s->strips ? s->nx / GB_LANES : s->nx;
  s->slots = s->width / 2;
  return GB_OK;
}

static gb_err make_room(gb_xy *s)
{
  GB_TRY(list_mixes(s));
  GB_TRY(check_team(s));
  GB_TRY(gb_new(&s->words, s->slots + 3));
  GB_TRY(gb_new(&s->border, 4 * s->halo * s->slots));
  for (int k = 0; k < 4; k++) {
    GB_TRY(gb_new(&s->column[k / 2][k % 2], 2 * (s->ny + 1)));
    GB_TRY(gb_new(&s->out[k / 2][k % 2], 2 * (s->ny + 1)));
  }
  for (int k = 0; k < 2; k++) GB_TRY(gb_new(&s->row[k], s->slots));
  GB_TRY(gb_new(&s->rows, 4 * s->L));
  return make_cluster_room(s);
}

gb_err gb_xy_create(const void *opts, gb_comm team, void **self, gb_dims *dims)
{
  int64_t L = ((const gb_xy_opts *)opts)->L;
  return gb_xy_arrange(opts, team, team.size > 1 || (L >= STRIPS_FROM && L % (STRIP_UNIT * WIDEST) == 0), self, dims);
}

gb_err gb_xy_arrange(const void *opts, gb_comm team, bool strips, void **self, gb_dims *dims)
{
  gb_xy *s = NULL;
  gb_err e = GB_OK;
  GB_TRY(gb_new(&s, 1));
  s->opts = *(const gb_xy_opts *)opts;
  s->L = (size_t)s->opts.L;
  s->sites = s->L * s->L;
  GB_GOTO(e, divide(s, team, strips), done);
  GB_GOTO(e, make_room(s), done);
  *dims = gb_dims_plain(s->L, s->L, "rad", s->opts.T, 2);
  for (int i = 0; i < 2; i++) {
    dims->first[i] = s->grid.first[i];
    dims->count[i] = s->grid.count[i];
  }
  dims->n_mine = s->ny * s->nx;
  dims->n_tuned = 1;
  dims->walkers = s->strips ? 1 : GB_LANES;
  dims->walker_bytes = sizeof(gb_xy_state) + 2 * (s->ny + 2 * s->halo) * s->slots * sizeof(gb_xy_spin);
  dims->n_mix = s->n_mix;
  dims->mix = (const double *)s->mix;
  *self = s;
  return GB_OK;
done:
  gb_xy_destroy((void **)&s);
  return e;
}

/* The spin beyond the right end of a row of the other colour (its first, one lane on), or beyond the left one. */
static gb_xy_spin beyond(const gb_xy *s, const gb_xy_spin *same, size_t q, int64_t y, bool right)
{
  gb_xy_spin v = right ? same[0] : same[s->slots - 1];
  if (!s->strips) return v;
  gb_vi from;
  int32_t one = right ? 1 : GB_LANES - 1, last = right ? GB_LANES - 1 : 0;
  for (int32_t l = 0; l < GB_LANES; l++) from[l] = (l + one) % GB_LANES;
  gb_xy_spin out = {__builtin_shuffle(v.c, from), __builtin_shuffle(v.s, from)};
  if (s->grid.size[1] > 1) {
    const float *next = s->column[q][right ? 0 : 1] + 2 * y;
    out.c[last] = next[0];
    out.s[last] = next[1];
  }
  return out;
}

gb_xy_row gb_xy_look(const gb_xy *s, gb_xy_state *state, size_t p, int64_t y)
{
  size_t q = 1 - p;
  int64_t ny = (int64_t)s->ny;
  bool right = (y + (int64_t)p) & 1, around = s->halo == 0; /* a box starts at even x and y */
  gb_xy_row r = {.own = gb_xy_at(s, state, p, y), .same = gb_xy_at(s, state, q, y), .side = right ? 1 : -1};
  r.above = gb_xy_at(s, state, q, around && y + 1 == ny ? 0 : y + 1);
  r.below = gb_xy_at(s, state, q, around && y == 0 ? ny - 1 : y - 1);
  r.edge = beyond(s, r.same, q, y, right);
  return r;
}

const gb_xy_spin *gb_xy_next(const gb_xy *s, const gb_xy_state *state, size_t p, size_t y, gb_xy_spin *corner)
{
  const gb_xy_spin *next = gb_xy_get(s, state, p, s->halo == 0 && y + 1 == s->ny ? 0 : y + 1);
  *corner = beyond(s, next, p, (int64_t)y + 1, true);
  return next;
}

void gb_xy_pack(void *self, const gb_walkers *w, const float *const field[], const double *const tuned[], void *state)
{
  const gb_xy *s = self;
  gb_xy_state *to = state;
  for (size_t l = 0; l < GB_LANES; l++) {
    size_t walker = gb_xy_walker(s, l, w);
    const float *c = field[walker] + gb_xy_left(s, l), *sn = c + s->ny * s->nx;
    to->width[l] = (float)tuned[walker][0];
    for (size_t p = 0; p < 2; p++)
      for (size_t y = 0; y < s->ny; y++)
        for (size_t j = 0; j < s->slots; j++) {
          gb_xy_spin *v = gb_xy_at(s, to, p, (int64_t)y) + j;
          size_t at = y * s->nx + 2 * j + ((y + p) & 1);
          v->c[l] = c[at];
          v->s[l] = sn[at];
        }
  }
}

void gb_xy_unpack(void *self, const gb_walkers *w, const void *state, float *const field[], double *const tuned[])
{
  const gb_xy *s = self;
  const gb_xy_state *from = state;
  size_t n = s->strips ? GB_LANES : w->n;
  for (size_t l = 0; l < n; l++) {
    float *c = field[gb_xy_walker(s, l, w)] + gb_xy_left(s, l), *sn = c + s->ny * s->nx;
    tuned[gb_xy_walker(s, l, w)][0] = (double)from->width[l];
    for (size_t p = 0; p < 2; p++)
      for (size_t y = 0; y < s->ny; y++)
        for (size_t j = 0; j < s->slots; j++) {
          const gb_xy_spin *v = gb_xy_get(s, from, p, y) + j;
          size_t at = y * s->nx + 2 * j + ((y + p) & 1);
          c[at] = v->c[l];
          sn[at] = v->s[l];
        }
  }
}

/* Global number of the first block of random numbers of a row of my box, in the order (colour, row, slot). */
static uint32_t block_of(const gb_xy *s, size_t p, int64_t y)
{
  size_t row = (s->L + s->grid.first[0] + (size_t)y) % s->L; /* a row of the halo may be beyond the lattice */
  return (uint32_t)((p * s->L + row) * ((s->L / 2 + 3) / 4) + s->grid.first[1] / STRIP_UNIT);
}

void gb_xy_open_stream(const gb_xy *s, const gb_walkers *w, gb_purpose purpose, uint64_t number, gb_xy_stream *out)
{
  for (size_t l = 0; l < GB_LANES; l++) {
    gb_key key = gb_rng_key(w->seed, purpose, w->chain[gb_xy_walker(s, l, w)], number);
    for (int i = 0; i < 3; i++) out->counter[i + 1][l] = key.c[i];
    out->counter[0][l] = (uint32_t)(gb_xy_left(s, l) / STRIP_UNIT);
    memcpy(out->key, key.k, sizeof out->key);
  }
}

void gb_xy_words(const gb_xy *s, const gb_xy_stream *stream, size_t p, int64_t y, size_t first, size_t n)
{
  uint32_t row = block_of(s, p, y);
  for (size_t j = first / 4 * 4; j < first + n; j += 4) {
    gb_vu counter[4];
    memcpy(counter, stream->counter, sizeof counter);
    counter[0] += row + (uint32_t)(j / 4);
    gb_vu_philox(stream->key[0], stream->key[1], counter, s->words + j);
  }
}

void gb_xy_start(void *self, const gb_walkers *w, bool hot, void *state)
{
  gb_xy *s = self;
  gb_xy_state *to = state;
  gb_xy_stream stream;
  gb_xy_open_stream(s, w, GB_RNG_START, 0, &stream);
  for (size_t p = 0; p < 2; p++)
    for (size_t y = 0; y < s->ny; y++) {
      gb_xy_spin *row = gb_xy_at(s, to, p, (int64_t)y);
      if (hot) gb_xy_words(s, &stream, p, (int64_t)y, 0, s->slots);
      for (size_t j = 0; j < s->slots; j++) row[j] = (gb_xy_spin){gb_vf_all(1), {0}};
      for (size_t j = 0; j < s->slots && hot; j++) gb_vf_circle(gb_xy_unit(s->words[j]), &row[j].c, &row[j].s);
    }
  to->width = gb_vf_all((float)fmin(1.2, sqrt(w->T / s->opts.J))); /* near the tuned value, which burn-in finds */
}
