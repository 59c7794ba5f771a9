/* physics/xy/xy.h - the XY model inside: how spins lie in memory, and the moves. Not for use outside physics/xy.c, its
 * folder and the tests.
 *
 * Notes
 * Spins are float unit vectors, never angles. Sites of one colour of the checkerboard have all their neighbours in the
 * other, so all of a colour move at once. Site (row y, slot j) of colour p stands at x = 2 j + ((y + p) & 1); its
 * neighbours, of the other colour, are slot j of the rows y - 1, y and y + 1, and slot j + 1 or j - 1 of its own row.
 * A vector of GB_LANES floats holds, in either
 *   replicas: the same site of GB_LANES chains, or
 *   strips:   the same site of GB_LANES vertical strips of one chain's lattice (of one rank's box of it).
 * The arithmetic of a site is the same in both, lanes never meet except at the edges of strips, and random numbers
 * follow the global site: so a chain has the same bits in either, next to any other chains and on any number of
 * ranks. */
#pragma once
#include "base/lanes.h"
#include "comm/grid.h"
#include "sim/physics.h"

enum { GB_XY_DEPTH = 8 }; /* half sweeps that are done in one pass over a lattice too large for the caches */

typedef struct gb_xy_opts {
  int64_t L;
  double J;
  gb_reals T;
  int64_t metropolis, overrelaxation;
  double wolff;
} gb_xy_opts;

typedef struct gb_xy_spin {
  gb_vf c, s;
} gb_xy_spin; /* cosines and sines of one site, all lanes */

typedef struct gb_xy_mix {
  double metropolis, overrelaxation, wolff;
} gb_xy_mix; /* of one step: Metropolis sweeps, mean over-relaxation sweeps, mean Wolff clusters */

typedef struct gb_xy {
  gb_xy_opts opts;
  size_t L, sites;
  gb_grid grid;        /* the team's boxes of the lattice */
  size_t ny, nx;       /* my box */
  size_t halo;         /* rows kept of the boxes above and below mine; 0 with replicas, which wrap around */
  bool strips;         /* lanes are strips of one chain, not chains */
  size_t width, slots; /* of a lane: sites in a row, and half of them */
  size_t n_mix;
  gb_xy_mix *mix;      /* [n_mix] */
  gb_vu *words;        /* [slots + 3] random numbers of a row */
  gb_xy_spin *border;  /* [2, 2, halo, slots] of both colours, my first and last rows on their way to the neighbours */
  float *column[2][2]; /* [colour][0: beyond the right edge, 1: beyond the left] [ny + 1, 2] cosine, sine */
  float *out[2][2];    /* what the neighbours get of it */
  gb_vf *row[2];       /* [slots] scratch: one number per site of a row, at even and odd x */
  double *rows;        /* [4, L] scratch of gb_xy_observe() */
  float *flat; /* [chains, ny, nx] one number per site, for clusters; NULL, as the next two, if no mix has them */
  int32_t *neighbour; /* [sites, 4] right, left, up, down */
  int32_t *queue;     /* [sites + 3] */
} gb_xy;

/* The working state of chains that walk together. */
typedef struct gb_xy_state {
  gb_vf width;       /* of proposals: the tangent of half the largest angle */
  gb_xy_spin spin[]; /* [2, halo + ny + halo, slots] by colour */
} gb_xy_state;

/* A row of one colour and what it sees. */
typedef struct gb_xy_row {
  gb_xy_spin *own;
  const gb_xy_spin *same, *above, *below; /* of the other colour: the own row, and those at y + 1 and y - 1 */
  int64_t side;                           /* the second neighbour in the own row: at slot j + 1 or j - 1 */
  gb_xy_spin edge;                        /* the one beyond the end of the row */
} gb_xy_row;

/* ---- state.c: where spins lie */

gb_err gb_xy_create(const void *opts, gb_comm team, void **self, gb_dims *dims);
/** The same with strips, which need L to be a multiple of 128, or replicas, which need a team of one rank. */
gb_err gb_xy_arrange(const void *opts, gb_comm team, bool strips, void **self, gb_dims *dims);
void gb_xy_destroy(void **self);
void gb_xy_pack(void *self, const gb_walkers *w, const float *const field[], const double *const tuned[], void *state);
void gb_xy_unpack(void *self, const gb_walkers *w, const void *state, float *const field[], double *const tuned[]);
void gb_xy_start(void *self, const gb_walkers *w, bool hot, void *state);

/** Row y of my box, of colour p; -halo <= y < ny + halo. */
static inline gb_xy_spin *gb_xy_at(const gb_xy *s, gb_xy_state *state, size_t p, int64_t y)
{
  return state->spin + ((int64_t)(p * (s->ny + 2 * s->halo) + s->halo) + y) * (int64_t)s->slots;
}

static inline const gb_xy_spin *gb_xy_get(const gb_xy *s, const gb_xy_state *state, size_t p, size_t y)
{
  return state->spin + (p * (s->ny + 2 * s->halo) + s->halo + y) * s->slots;
}

/** The same with its surroundings. */
gb_xy_row gb_xy_look(const gb_xy *s, gb_xy_state *state, size_t p, int64_t y);

/** Row y + 1 of the same colour, and its first spin beyond the right end, which stands at x + 1 for the last slot of an
 * odd row. After gb_xy_fetch_halo(). */
const gb_xy_spin *gb_xy_next(const gb_xy *s, const gb_xy_state *state, size_t p, size_t y, gb_xy_spin *corner);

/** Where lane l of a vector belongs: its walker, and the x of its first site in my box. */
static inline size_t gb_xy_walker(const gb_xy *s, size_t lane, const gb_walkers *w)
{
  return s->strips ? 0 : lane < w->n ? lane : 0; /* idle lanes repeat walker 0 */
}

static inline size_t gb_xy_left(const gb_xy *s, size_t lane)
{
  return s->strips ? lane * s->width : 0;
}

/** Row y of what belongs to a lane in the scratch s->flat, [chain, y, x]. */
static inline float *gb_xy_flat(const gb_xy *s, const gb_walkers *w, size_t lane, size_t y)
{
  return s->flat + (gb_xy_walker(s, lane, w) * s->ny + y) * s->nx + gb_xy_left(s, lane);
}

/* ---- lace.c: a row of vectors is as many rows of numbers as there are lanes */

/** Vectors at even and odd x into rows of the lanes.
 *  @param[in] n     lanes that are wanted
 *  @param[in] even, odd [slots]
 *  @param[out] out  [n][width] */
void gb_xy_unlace(const gb_xy *s, size_t n, const gb_vf *even, const gb_vf *odd, float *const out[]);
/** And back.
 *  @param[in] in  [GB_LANES][width] */
void gb_xy_lace(const gb_xy *s, const float *const in[], gb_vf *even, gb_vf *odd);

/* Random numbers of one sweep: Philox blocks of four words, for four sites of a colour that follow each other in a row.
 */
typedef struct gb_xy_stream {
  uint32_t key[2];
  gb_vu counter[4]; /* of row 0, slot 0 */
} gb_xy_stream;

void gb_xy_open_stream(const gb_xy *s, const gb_walkers *w, gb_purpose purpose, uint64_t number, gb_xy_stream *out);
/** Into s->words[first ... first + n - 1]: one word for each of these slots of row y of colour p. */
void gb_xy_words(const gb_xy *s, const gb_xy_stream *stream, size_t p, int64_t y, size_t first, size_t n);

/** Words as floats in the open interval (0, 1), by their upper 23 bits. */
GB_INLINE gb_vf gb_xy_unit(gb_vu words)
{
  return (__builtin_convertvector((gb_vi)(words >> 9), gb_vf) + 0.5f) * 0x1p-23f;
}

/* ---- halo.c: what a box needs of its neighbours; replicas need nothing */

/** Start to fetch `depth` rows of both colours above and below my box; gb_grid_end() waits for them. */
void gb_xy_send_rows(gb_xy *s, gb_xy_state *state, size_t depth, gb_messages *x);
/** Start to fetch the spins beyond both ends of all rows of colour q. */
void gb_xy_send_columns(gb_xy *s, gb_xy_state *state, size_t q, gb_messages *x);
/** The row above and the column to the right of both colours, with the corner. */
void gb_xy_fetch_halo(gb_xy *s, gb_xy_state *state);

/* ---- moves.c */

/* Sweeps of both colours that follow each other: Metropolis sweeps, then over-relaxation sweeps. */
typedef struct gb_xy_sweeps {
  size_t metropolis, overrelaxation;
  double K;          /* J / T */
  uint64_t number;   /* of the first Metropolis sweep: its random numbers */
  int64_t *accepted; /* [walkers] is set to the moves accepted in the Metropolis sweeps; NULL: not wanted */
} gb_xy_sweeps;

void gb_xy_run(gb_xy *s, const gb_walkers *w, const gb_xy_sweeps *sweeps, gb_xy_state *state);
/** All spins back to unit length. */
void gb_xy_normalise(const gb_xy *s, gb_xy_state *state);
void gb_xy_step(void *self, const gb_walkers *w, size_t mix, uint64_t step, bool tune, void *state, double cost[]);

/* ---- wolff.c */

/** One Wolff cluster of every chain. Adds the number of spins of each cluster to flips[]. */
void gb_xy_wolff(gb_xy *s, const gb_walkers *w, double K, uint64_t number, gb_xy_state *state, int64_t flips[]);

/* ---- observe.c */

enum {
  GB_XY_ENERGY,
  GB_XY_ABS_M,
  GB_XY_M2,
  GB_XY_HELICITY,
  GB_XY_VORTEX,
  GB_XY_CURRENT2,
  GB_XY_WINDING_X,
  GB_XY_WINDING_Y,
  GB_XY_OBS
};
enum {
  GB_XY_TRACK_ENERGY,
  GB_XY_TRACK_M2,
  GB_XY_TRACK_CURRENT2,
  GB_XY_TRACK_VORTEX,
  GB_XY_TRACKS,
  GB_XY_TRACK_WINDING_X = GB_XY_TRACKS,
  GB_XY_TRACK_WINDING_Y,
  GB_XY_MEASURED
};

void gb_xy_measure(void *self, const gb_walkers *w, const void *state, double *track);
void gb_xy_sample(void *self, const gb_walkers *w, uint64_t number, const void *state, float *const x[],
                  double *const obs[]);
void gb_xy_observe(void *self, double T, const float *x, double *obs);
