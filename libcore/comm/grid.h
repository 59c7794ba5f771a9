/* comm/grid.h - the ranks of a communicator as a periodic grid of two axes, and messages to neighbours. */
#pragma once
#include "comm/comm.h"

typedef enum gb_side { GB_UP, GB_DOWN, GB_RIGHT, GB_LEFT } gb_side; /* up: larger y; right: larger x */

typedef struct gb_grid {
  gb_comm c;
  size_t size[2], at[2]; /* ranks along y and x; my place: rank = at[0] * size[1] + at[1] */
  size_t first[2], count[2];
} gb_grid; /* my box: [first, first + count) along y and x */

typedef struct gb_message {
  gb_side to;       /* the neighbour it goes to; what comes in, comes from the opposite side */
  const void *send; /* [bytes] */
  void *receive;    /* [bytes] */
  size_t bytes;     /* < 2^31 */
} gb_message;

enum { GB_GRID_MESSAGES = 8 };
typedef struct gb_messages {
  MPI_Request request[2 * GB_GRID_MESSAGES];
  int n;
} gb_messages; /* messages on their way */

/** Divide ny x nx sites among the ranks so that boxes have equal sides, multiples of unit_y and unit_x. Boxes are whole
 *  rows if they can be `tall` sites high, else they have the shortest boundary.
 *  Local (the same on all ranks).
 *  @return GB_ERR_CONFIG if no grid of c.size ranks does that */
gb_err gb_grid_make(gb_comm c, size_t ny, size_t nx, size_t unit_y, size_t unit_x, size_t tall, gb_grid *out);

/** Start and finish an exchange; in between the buffers may be neither read (receive) nor changed (send).
 *  Collective over g->c. */
void gb_grid_begin(const gb_grid *g, int n, const gb_message m[], gb_messages *x);
void gb_grid_end(gb_messages *x);

/** Let messages on their way make progress: libraries without a thread of their own need that.
 *  Local. */
void gb_grid_poke(gb_messages *x);
