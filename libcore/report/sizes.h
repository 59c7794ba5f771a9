/* report/sizes.h - what the search for T_KT needs of data sets of several lattice sizes. */
#pragma once
#include "base/text.h"
#include "comm/comm.h"
#include "report/kt.h"
#include "sim/physics.h"

typedef struct gb_lattice { /* one data set */
  char path[4096];
  double L;
  size_t n_T;
  double *T, *Y;    /* [n_T], [n_T, 2] helicity modulus and its error */
  int64_t *quality; /* [n_T] 0: good */
} gb_lattice;

typedef struct gb_lattices {
  size_t n, n_flagged; /* data sets; temperatures, over all of them, whose quality is not 0 */
  gb_lattice *of;      /* [n] */
  gb_text meaning;     /* of quality, as the data set tells it */
} gb_lattices;

/** Read dataset.h5 of each directory: temperatures, helicity modulus, and /sampling/quality if it is there.
 *  Collective over c.
 *  @param[in] dims  of an instance of the physics: names of the lattice axes
 *  @return GB_ERR_CONFIG for a directory without a data set, or one of another physics or without helicity modulus */
gb_err gb_lattices_read(gb_comm c, const gb_physics *physics, const gb_dims *dims, gb_texts dirs, gb_lattices *out);
void gb_lattices_free(gb_lattices *s);

/** gb_kt_analyse() of the temperatures whose quality is 0.
 *  Local. */
gb_err gb_lattices_analyse(const gb_lattices *s, gb_kt *out);
