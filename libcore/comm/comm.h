/* comm/comm.h - a group of ranks, by value: agreement, small exchanges, and who owns what. */
#pragma once
#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct gb_comm {
  MPI_Comm mpi;
  int rank, size;
} gb_comm;

typedef struct gb_range {
  size_t first, count;
} gb_range; /* [first, first + count) */

/** A communicator of our own with the ranks of `mpi`; an MPI error on it ends the job with status GB_ERR_LIB.
 *  Collective over mpi. Closed by gb_comm_close(). */
gb_err gb_comm_open(MPI_Comm mpi, gb_comm *out);
void gb_comm_close(gb_comm *c);

/** The ranks of every color by themselves, in the order of their keys.
 *  Collective over c. Closed by gb_comm_close(). */
gb_comm gb_comm_split(gb_comm c, int color, int key);

/** The ranks that share memory with this one, in their order.
 *  Collective over c. Closed by gb_comm_close(). */
gb_comm gb_comm_machine(gb_comm c);

/** This rank alone.
 *  Local. Need not be closed. */
gb_comm gb_comm_self(void);

/** The ranks in groups of `size` neighbours; c.size must be a multiple of it.
 *  Collective over c. Closed by gb_comm_close(). */
gb_err gb_comm_teams(gb_comm c, int size, gb_comm *out);

/** May a thread other than the first call MPI, one thread at a time? Then MPI was started with MPI_THREAD_SERIALIZED at
 * least. Local. */
bool gb_comm_threads(void);

/** Hints to MPI-IO. What the library at hand does not know it ignores.
 *  Local. Freed by gb_comm_info_free(); with n = 0 there is nothing to free.
 *  @param[in] hint  [n] key and value */
MPI_Info gb_comm_info(size_t n, const char *const hint[][2]);
void gb_comm_info_free(MPI_Info *info);

/** The value that MPI keeps of a hint for an open file.
 *  Local.
 *  @return false if it keeps none */
bool gb_comm_file_hint(MPI_File file, const char *key, char value[MPI_MAX_INFO_VAL + 1]);

/** Make a local result common: if any rank failed, all ranks return the failure of the lowest of them, with
 * its message. Every local failure passes through here before it may leave a collective function: no rank
 * goes on alone, none waits for ever. Collective over c.
 *  @param[in] mine  the result of this rank */
gb_err gb_comm_agree(gb_comm c, gb_err mine);

/** n bytes of rank 0 to all ranks.
 *  Collective over c. */
void gb_comm_bcast(gb_comm c, void *data, size_t n);

/** n elements of `size` bytes of every rank, in their order, to rank 0; n < 2^31.
 *  Collective over c.
 *  @param[out] all  [ranks, n] on rank 0 */
void gb_comm_gather(gb_comm c, const void *mine, size_t n, size_t size, void *all);

/** A text that rank 0 holds (NULL elsewhere) to all ranks.
 *  Collective over c.
 *  @param[in,out] text  freed by gb_free() on every rank; ends with a 0 beyond its n bytes */
gb_err gb_comm_bcast_text(gb_comm c, char **text, size_t *n);

/** Largest value over the ranks, element by element. No NaN may be passed.
 *  Collective over c. */
void gb_comm_max(gb_comm c, double *v, size_t n);

/** Sum over the ranks, element by element; exact, so independent of ranks and order.
 *  Collective over c. */
void gb_comm_sum_i64(gb_comm c, int64_t *v, size_t n);

/** Sum over the ranks, element by element, the same on all of them; its last bits depend on how many there are.
 *  Collective over c. */
void gb_comm_sum(gb_comm c, double *v, size_t n);

/** Put together an array of which each element is set on exactly one rank and 0 on the others.
 *  Collective over c. Exact: only zeros are added. */
void gb_comm_merge(gb_comm c, double *v, size_t n);

/** Is it true on any rank?
 *  Collective over c. */
bool gb_comm_any(gb_comm c, bool mine);

/** The contiguous share of rank `rank` of n items: shares differ by at most one.
 *  Local. */
gb_range gb_comm_share(gb_comm c, size_t n);
