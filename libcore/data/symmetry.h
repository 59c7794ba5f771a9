/* data/symmetry.h - samples on a lattice of angles, and images, moved by elements of their symmetry group that are
 * drawn at random.
 *
 * A physics says which of these its samples have (gb_ensemble.symmetries), a config which are used (data.augment). The
 * element is a function of (seed, step, number of the row in the batch): on any number of ranks, in any passes, a row
 * is moved alike. */
#pragma once
#include "base/rng.h"
#include "config/schema.h"

typedef enum gb_symmetry {
  GB_SPIN_ROTATION = 1,      /* all angles turn by one angle */
  GB_SPIN_REFLECTION = 2,    /* all angles change sign */
  GB_TRANSLATION = 4,        /* of a periodic lattice */
  GB_LATTICE_REFLECTION = 8, /* left and right, or up and down, or both change places */
  GB_LATTICE_ROTATION = 16,  /* by quarter turns; of a square lattice */
} gb_symmetry;

/* The words of a config for them, in this order. */
#define GB_SYMMETRIES "spin_rotation, spin_reflection, translation, lattice_reflection, lattice_rotation"

/** The set of symmetries that a list of words names.
 *  Local.
 *  @param[in]  key      of the config, for the message
 *  @param[in]  offered  those that the samples have
 *  @param[in]  owner    whose samples they are
 *  @return GB_ERR_CONFIG naming a word that is unknown, or that the samples do not have */
gb_err gb_symmetry_parse(gb_texts words, const char *key, unsigned offered, const char *owner, unsigned *set);

/* One element: out[y, x] = sign * in[line[y] + place[x]] + turn, wrapped into [-pi, pi]. */
typedef struct gb_move {
  float sign, turn;
  bool transpose, mirror[2]; /* axes change places; then y, x are reversed */
  size_t shift[2];           /* then moved, along y and x */
} gb_move;

/** The element of a row: uniform over the group that the set generates.
 *  Local.
 *  @param[in] row   in the batch, over all ranks
 *  @param[in] h, w  sides of the lattice */
gb_move gb_symmetry_draw(unsigned set, uint64_t seed, uint64_t row, uint64_t step, size_t h, size_t w);

/** Move a sample.
 *  Local.
 *  @param[in]  channels  numbers at each place; they move together. A move with a sign or a turn has one
 *  @param[out] scratch   [h + w]
 *  @param[in]  x         [h, w, channels]; with a sign or a turn, angles in [-pi, pi], rad
 *  @param[out] y         [h, w, channels]; another array than x */
void gb_symmetry_move(const gb_move *m, size_t h, size_t w, size_t channels, uint32_t *scratch, const float *x,
                      float *y);
