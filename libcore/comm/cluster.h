/* comm/cluster.h - the ranks of one machine, which share memory, and the order of all ranks in which they are
 * neighbours.
 */
#pragma once
#include "comm/comm.h"

typedef struct gb_cluster {
  gb_comm all;  /* every rank, node after node; rank 0 is the rank 0 it was made of */
  gb_comm here; /* the ranks of this node */
  gb_comm lane; /* the ranks in my place on their nodes: lane.rank is the number of this node, lane.size that of all */
} gb_cluster;

/** Find out who shares memory with whom. Nodes have equally many ranks: where they have not, every rank is a node of
 * its own. Collective over c. Closed by gb_cluster_close().
 *  @param[in] ranks_per_node  cut the ranks of a machine into nodes of so many; 0: a machine is a node */
gb_err gb_cluster_open(gb_comm c, int ranks_per_node, gb_cluster *out);
void gb_cluster_close(gb_cluster *n);

/* Memory of which every rank of a node has a part that all of them can use. */
typedef struct gb_shared gb_shared;

/** Room for `bytes` zeroed bytes of this rank (every rank says its own), aligned to GB_ALIGN.
 *  Collective over here.
 *  @return GB_ERR_MEMORY, also if /dev/shm has no room for it */
gb_err gb_shared_create(gb_comm here, size_t bytes, gb_shared **out);
void gb_shared_destroy(gb_shared **s);

/** Bytes that shared memory of this machine can still take: MPI libraries put windows into /dev/shm, which is small in
 * some containers, and writing to a window that does not fit there kills a process.
 *  Local. */
size_t gb_shared_room(void);

/** The part of a rank.
 *  Local. Borrowed from s. */
void *gb_shared_of(const gb_shared *s, int rank);

/** What this rank wrote can be seen by the others, and what they wrote by this one: called before and after every
 *  synchronisation of the ranks.
 *  Local. */
void gb_shared_fence(gb_shared *s);

/** Wait for all ranks of the node; then everyone sees what everyone wrote.
 *  Collective over here. */
void gb_shared_sync(gb_shared *s);
