/* data/symmetry.c - words, draws, and one gather per sample. */
#include "data/symmetry.h"

#include <math.h>
#include <string.h>

static const char *const word[] = {"spin_rotation", "spin_reflection", "translation", "lattice_reflection",
                                   "lattice_rotation"};
enum { WORDS = sizeof word / sizeof *word };

gb_err gb_symmetry_parse(gb_texts words, const char *key, unsigned offered, const char *owner, unsigned *set)
{
  *set = 0;
  for (size_t i = 0; i < words.n; i++) {
    int k = 0;
    while (k < WORDS && strcmp(words.v[i], word[k])) k++;
    GB_CHECK(k < WORDS, GB_ERR_CONFIG, "%s: `%s` is no symmetry. Known are " GB_SYMMETRIES ".", key, words.v[i]);
    GB_CHECK(offered >> k & 1, GB_ERR_CONFIG, "%s: samples of %s do not have the symmetry `%s`. Leave it out.", key,
             owner, words.v[i]);
    *set |= 1u << k;
  }
  return GB_OK;
}

/* Uniform over [0, n) but for 2^-32. */
static size_t below(uint32_t word_of, size_t n)
{
  return (size_t)((uint64_t)word_of * n >> 32);
}

gb_move gb_symmetry_draw(unsigned set, uint64_t seed, uint64_t row, uint64_t step, size_t h, size_t w)
{
  uint32_t r[4];
  gb_move m = {.sign = 1};
  gb_rng_block(gb_rng_key(seed, GB_RNG_AUGMENT, row, step), 0, r);
  uint32_t bits = r[3];
  if (set & GB_SPIN_ROTATION) m.turn = (float)(2 * M_PI * gb_rng_unit(r[0]) - M_PI);
  if (set & GB_SPIN_REFLECTION) m.sign = bits & 1 ? -1 : 1;
  if (set & GB_TRANSLATION) {
    m.shift[0] = below(r[1], h);
    m.shift[1] = below(r[2], w);
  }
  if (set & GB_LATTICE_REFLECTION) {
    m.mirror[0] = bits & 2;
    m.mirror[1] = bits & 4;
  }
  if (set & GB_LATTICE_ROTATION) { /* quarter turns: a transposition and one mirror are one, both mirrors are two */
    unsigned quarters = bits >> 3 & 3;
    m.transpose = quarters & 1;
    m.mirror[0] ^= quarters == 1 || quarters == 2;
    m.mirror[1] ^= quarters == 2 || quarters == 3;
  }
  return m;
}

/* Where the numbers of an axis come from: n places, `apart` numbers from each other. */
static void offsets(size_t n, bool mirror, size_t shift, size_t apart, uint32_t *out)
{
  for (size_t i = 0; i < n; i++) {
    size_t from = i < shift ? i + n - shift : i - shift;
    out[i] = (uint32_t)((mirror ? n - 1 - from : from) * apart);
  }
}

/* Places change, numbers do not. */
static void gather(size_t h, size_t w, size_t channels, const uint32_t *line, const uint32_t *place, const float *x,
                   float *restrict y)
{
  for (size_t i = 0; i < h; i++)
    for (size_t j = 0; j < w; j++)
      for (size_t k = 0; k < channels; k++) *y++ = x[line[i] + place[j] + k];
}

void gb_symmetry_move(const gb_move *m, size_t h, size_t w, size_t channels, uint32_t *scratch, const float *x,
                      float *y)
{
  const float pi = 0x1.921fb6p+1f, two_pi = 0x1.921fb6p+2f, sign = m->sign, turn = m->turn;
  uint32_t *line = scratch, *place = scratch + h;
  offsets(h, m->mirror[0], m->shift[0], (m->transpose ? 1 : w) * channels, line);
  offsets(w, m->mirror[1], m->shift[1], (m->transpose ? w : 1) * channels, place);
  if (sign == 1 && turn == 0) {
    gather(h, w, channels, line, place, x, y);
    return;
  }
  GB_ASSERT(channels == 1);
  for (size_t i = 0; i < h; i++) {
    const float *from = x + line[i];
    float *restrict to = y + i * w;
    for (size_t j = 0; j < w; j++) {
      float a = sign * from[place[j]] + turn;
      a = a > pi ? a - two_pi : a;
      to[j] = a < -pi ? a + two_pi : a;
    }
  }
}
