/* comm/post.h - small messages between ranks that do different things, and waiting that leaves the core to others.
 *
 * One-sided communication would do without somebody who answers, but Open MPI 4.1 emulates its atomic operations on one
 * machine, and crashes in them. */
#pragma once
#include "comm/comm.h"

typedef struct gb_post gb_post;

/** Messages of `size` bytes.
 *  Collective over c. Closed by gb_post_close().
 *  @return GB_ERR_MEMORY, the same on all ranks */
gb_err gb_post_open(gb_comm c, size_t size, gb_post **out);

/** Close. Every message was received before.
 *  Collective over c; waits for all, resting. NULL is allowed. */
void gb_post_close(gb_post **p);

/** Send a message to another rank. The next one to the same rank waits, resting, until this one has left.
 *  Local. */
void gb_post_send(gb_post *p, int to, const void *message);

/** Send it unless the last message to that rank is still on its way.
 *  Local. */
void gb_post_offer(gb_post *p, int to, const void *message);

/** Take a message, if one is there; those of one rank come in their order.
 *  Local. */
bool gb_post_take(gb_post *p, int *from, void *message);

/** Sleep a moment: 50 us at first, then twice as long each time, at most 20 ms.
 *  Local.
 *  @param[in,out] last  seconds of the moment before; 0 at first */
void gb_comm_nap(double *last);

/** gb_comm_bcast(), and a barrier, for ranks that may wait for minutes: they sleep instead of asking all the time.
 *  Collective over c. */
void gb_comm_bcast_resting(gb_comm c, void *data, size_t n);
void gb_comm_meet_resting(gb_comm c);
