/* base/rng.h - random numbers are a function, not a state.
 *
 * Philox4x32-10 of Random123 (Salmon, Moraes, Dror, Shaw, SC'11) maps (key, counter) to 128 random bits. The
 * key is the seed of the run. The counter holds what the numbers are for (purpose), for whom (index: a chain,
 * a row, a weight block; always a global number), when (step) and which of them (block). So a draw never
 * depends on ranks, on order or on what was drawn before, and there is no generator state to save. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/real.h"

/* One purpose, one family of streams: two processes never share numbers. Append only: the value is in the
 * counter. */
typedef enum gb_purpose {
  GB_RNG_START = 1,  /* first state of a Markov chain */
  GB_RNG_METROPOLIS, /* proposals and decisions */
  GB_RNG_MIX,        /* how many over-relaxation sweeps a step has */
  GB_RNG_WOLFF,      /* cluster seeds, mirrors and bonds */
  GB_RNG_ROTATE,     /* the global rotation of a stored configuration */
  GB_RNG_WEIGHTS,    /* initial weights */
  GB_RNG_SHUFFLE,    /* order of the training set */
  GB_RNG_LATENT,     /* latent noise of the encoder */
  GB_RNG_OUTPUT,     /* output noise of the decoder */
  GB_RNG_PRIOR,      /* latents drawn from the prior */
  GB_RNG_TEST,       /* tests */
  GB_RNG_REDRAW,     /* results drawn again within their errors */
  GB_RNG_AUGMENT,    /* symmetry operations on training samples */
  GB_RNG_DROPOUT,    /* which numbers of a layer are left out */
  GB_RNG_TRUTH,      /* what a simulated row is drawn from */
  GB_RNG_NOISE,      /* noise of observations */
  GB_RNG_PARAMETER,  /* parameters of the known part, drawn to train an encoder */
  GB_RNG_SPLIT,      /* which rows of a foreign file are for training, validation and test */
  GB_RNG_DRAWN,      /* noise of samples of the known part that train an encoder */
  GB_RNG_SURROUND,   /* what an image or an instrument shows besides in them */
  GB_RNG_DESIGN,     /* points of a sweep, and the order in which it visits them */
} gb_purpose;

#define GB_RNG_INDEX_MAX (((uint64_t)1 << 44) - 1) /* limits of index and step: they share a counter word */
#define GB_RNG_STEP_MAX  (((uint64_t)1 << 44) - 1)

typedef struct gb_key {
  uint32_t k[2], c[3];
} gb_key; /* seed; counter words 1..3, word 0 is the block */

/** The key of one stream.
 *  Local.
 *  @param[in] seed   of the run
 *  @param[in] index  global number of the chain, row or block; <= GB_RNG_INDEX_MAX
 *  @param[in] step   of the chain or the training; <= GB_RNG_STEP_MAX */
gb_key gb_rng_key(uint64_t seed, gb_purpose purpose, uint64_t index, uint64_t step);

/** Block number `block` of a stream: four words, each uniform over all 32-bit numbers.
 *  Local. */
void gb_rng_block(gb_key key, uint32_t block, uint32_t out[4]);

/** n words of a stream from block `first_block` on.
 *  Local. */
void gb_rng_words(gb_key key, uint32_t first_block, size_t n, uint32_t *out);

/** A 32-bit word as a double in the open interval (0, 1): never 0 and never 1.
 *  Local. */
static inline double gb_rng_unit(uint32_t word)
{
  return (word + 0.5) * 0x1p-32;
}

/** The same in the open interval (low, high).
 *  Local. */
static inline double gb_rng_between(uint32_t word, double low, double high)
{
  return low + (high - low) * gb_rng_unit(word);
}

/** n independent standard normal numbers (Box-Muller, both of a pair used).
 *  Local.
 *  @param[out] out [n], dimensionless */
void gb_rng_normal(gb_key key, size_t n, gb_real *out);

/** Elements first ... first + count - 1 of a random permutation of [0, n), without storing it.
 *  Local. An eight-round Feistel network keyed by Philox, walked until it lands inside [0, n) (Black and
 * Rogaway, CT-RSA 2002, "cycle walking"): a bijection for every key. In vector lanes.
 *  @param[in] n     1 <= n <= 2^62
 *  @param[out] out  [count] */
void gb_rng_permute_range(gb_key key, uint64_t n, uint64_t first, size_t count, uint64_t *out);
