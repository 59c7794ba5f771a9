/* physics/xy/wolff.c - Wolff clusters, without a branch that the data decide.
 *
 * Notes
 * U. Wolff, Phys. Rev. Lett. 62 (1989) 361: spins are reflected at a line with normal r, a bond from i to a neighbour j
 * is activated with probability 1 - exp(min(0, -2K p_i p_j)), p = s.r. Only the projections p matter while a cluster
 * grows: a spin that joins changes the sign of its p at once, so that it cannot join again. Bonds are compared as
 * -log2(u) < 2K log2(e) p_i p_j, with the logarithms made for many spins at a time. At the end every vector of spins
 * moves by (p_new - p_old) r, which is 0 outside the cluster. */
#include <math.h>

#include "base/mem.h"
#include "xy/xy.h"

typedef uint32_t __attribute__((may_alias)) bits; /* of a float */

/* -log2(u) of the bonds to the four neighbours of GB_LANES spins that joined one after the other. */
typedef struct bonds {
  uint32_t key[2];
  gb_vu counter[4];
  float level[GB_LANES][4];
} bonds;

static void refill(bonds *b, uint32_t joined)
{
  gb_vu counter[4], word[4];
  for (int i = 0; i < 4; i++) counter[i] = b->counter[i];
  for (uint32_t l = 0; l < GB_LANES; l++) counter[0][l] = 1 + joined + l; /* block 0 chose the seed and the line */
  gb_vu_philox(b->key[0], b->key[1], counter, word);
  for (int k = 0; k < 4; k++) {
    gb_vf level = -gb_vf_log2(gb_xy_unit(word[k]));
    for (size_t l = 0; l < GB_LANES; l++) b->level[l][k] = level[l];
  }
}

/* Grow from `seed`, changing signs of p. Returns the size of the cluster. First in, first out: the next spins are then
 * known long before their turn, and the processor works on several at a time. */
static uint32_t grow(const gb_xy *s, bonds *b, size_t seed, float kappa, bits *restrict p)
{
  int32_t *queue = s->queue;
  uint32_t n = 1, joined = 0;
  queue[0] = (int32_t)seed;
  p[seed] ^= 0x80000000;
  while (joined < n) {
    union {
      uint32_t u;
      float f;
    } mine = {.u = p[queue[joined]] ^ 0x80000000}, theirs; /* before its reflection */
    const int32_t *neighbour = s->neighbour + 4 * (size_t)queue[joined];
    if (joined % GB_LANES == 0) refill(b, joined);
    const float *level = b->level[joined++ % GB_LANES];
    float k = kappa * mine.f;
    for (int i = 0; i < 4; i++) {
      int32_t j = neighbour[i];
      theirs.u = p[j];
      uint32_t joins = level[i] < k * theirs.f; /* a level is above 0: never if the signs differ */
      p[j] = theirs.u ^ joins << 31;
      queue[n] = j;
      n += joins;
    }
  }
  return joined;
}

/* Projections of all spins on r into s->flat, [chain, y, x]. */
static void project(const gb_xy *s, const gb_walkers *w, const gb_xy_state *state, gb_vf rc, gb_vf rs)
{
  float *out[GB_LANES];
  for (size_t y = 0; y < s->ny; y++) {
    for (size_t p = 0; p < 2; p++) {
      const gb_xy_spin *v = gb_xy_get(s, state, p, y);
      gb_vf *row = s->row[(y + p) & 1];
      for (size_t j = 0; j < s->slots; j++) row[j] = v[j].c * rc + v[j].s * rs;
    }
    for (size_t l = 0; l < GB_LANES; l++) out[l] = gb_xy_flat(s, w, l, y);
    gb_xy_unlace(s, s->strips ? GB_LANES : w->n, s->row[0], s->row[1], out);
  }
}

/* Spins whose projection changed are reflected. */
static void reflect(const gb_xy *s, const gb_walkers *w, gb_xy_state *state, gb_vf rc, gb_vf rs)
{
  const float *in[GB_LANES];
  for (size_t y = 0; y < s->ny; y++) {
    for (size_t l = 0; l < GB_LANES; l++) in[l] = gb_xy_flat(s, w, l, y);
    gb_xy_lace(s, in, s->row[0], s->row[1]);
    for (size_t p = 0; p < 2; p++) {
      gb_xy_spin *v = gb_xy_at(s, state, p, (int64_t)y);
      const gb_vf *row = s->row[(y + p) & 1];
      for (size_t j = 0; j < s->slots; j++) {
        gb_vf change = row[j] - (v[j].c * rc + v[j].s * rs);
        v[j].c += change * rc;
        v[j].s += change * rs;
      }
    }
  }
}

void gb_xy_wolff(gb_xy *s, const gb_walkers *w, double K, uint64_t number, gb_xy_state *state, int64_t flips[])
{
  gb_vf rc, rs, angle = {0};
  size_t seed[GB_MOST_WALKERS];
  bonds b[GB_MOST_WALKERS];
  GB_ASSERT(s->neighbour);
  for (size_t k = 0; k < w->n; k++) {
    uint32_t word[4];
    gb_key key = gb_rng_key(w->seed, GB_RNG_WOLFF, w->chain[k], number);
    gb_rng_block(key, 0, word);
    seed[k] = (size_t)((uint64_t)word[0] * s->sites >> 32);
    for (size_t l = 0; l < GB_LANES; l++)
      if (gb_xy_walker(s, l, w) == k) angle[l] = (float)(word[1] >> 9) * 0x1p-23f;
    for (int i = 0; i < 2; i++) b[k].key[i] = key.k[i];
    for (int i = 0; i < 3; i++) b[k].counter[i + 1] = key.c[i] - (gb_vu){0};
  }
  gb_vf_circle(angle, &rc, &rs);
  project(s, w, state, rc, rs);
  for (size_t k = 0; k < w->n; k++)
    flips[k] += grow(s, &b[k], seed[k], (float)(2 * K * M_LOG2E), (bits *)(gb_xy_flat(s, w, k, 0)));
  reflect(s, w, state, rc, rs);
}
