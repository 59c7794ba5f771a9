/* comm/cluster.c - MPI-3 shared windows. A rank that is alone on its node needs no window: its memory is its own. */
#include "comm/cluster.h"

#include <string.h>
#include <sys/statvfs.h>

#include "base/mem.h"
#include "base/text.h"

struct gb_shared {
  gb_comm here;
  MPI_Win win;
  void **part; /* [here.size] */
};

/* The ranks of this machine, or of their group of `most` neighbours on it. */
static gb_comm neighbours(gb_comm c, int most)
{
  gb_comm machine = gb_comm_machine(c);
  if (most == 0) return machine;
  gb_comm group = gb_comm_split(machine, machine.rank / most, c.rank);
  gb_comm_close(&machine);
  return group;
}

gb_err gb_cluster_open(gb_comm c, int ranks_per_node, gb_cluster *out)
{
  gb_comm here = neighbours(c, ranks_per_node);
  int sizes[2] = {here.size, -here.size}, first = c.rank;
  MPI_Allreduce(MPI_IN_PLACE, sizes, 2, MPI_INT, MPI_MAX, c.mpi);
  if (sizes[0] != -sizes[1]) {
    gb_comm_close(&here);
    here = gb_comm_split(c, c.rank, 0);
  }
  MPI_Bcast(&first, 1, MPI_INT, 0, here.mpi); /* its lowest rank stands for a node */
  gb_comm lane = gb_comm_split(c, here.rank, first);
  *out = (gb_cluster){.all = gb_comm_split(c, 0, lane.rank * here.size + here.rank), .here = here, .lane = lane};
  return GB_OK;
}

void gb_cluster_close(gb_cluster *n)
{
  gb_comm_close(&n->all);
  gb_comm_close(&n->here);
  gb_comm_close(&n->lane);
}

static void *aligned(void *p)
{
  return (void *)(((uintptr_t)p + GB_ALIGN - 1) / GB_ALIGN * GB_ALIGN);
}

/* Pages of a part lie where the rank runs that touches them first: its own. */
static void open_window(gb_shared *s, size_t bytes)
{
  void *mine;
  MPI_Info info = gb_comm_info(1, (const char *const[][2]){{"alloc_shared_noncontig", "true"}});
  MPI_Win_allocate_shared((MPI_Aint)(bytes + GB_ALIGN), 1, info, s->here.mpi, &mine, &s->win);
  gb_comm_info_free(&info);
  MPI_Win_lock_all(MPI_MODE_NOCHECK, s->win);
  for (int r = 0; r < s->here.size; r++) {
    MPI_Aint size;
    int unit;
    MPI_Win_shared_query(s->win, r, &size, &unit, &s->part[r]);
    s->part[r] = aligned(s->part[r]); /* every process maps a window at a page: the same place for all */
  }
  memset(s->part[s->here.rank], 0, bytes);
}

/* A window that does not fit would end in a signal when it is first written, or in a word of the MPI library. */
static gb_err check_room(gb_comm here, size_t bytes)
{
  int64_t all = (int64_t)bytes;
  char wanted[32], free[32];
  gb_comm_sum_i64(here, &all, 1);
  double room = (double)gb_shared_room();
  gb_err e = (double)all <= room ? GB_OK
                                 : GB_FAIL(GB_ERR_MEMORY,
                                           "/dev/shm: %d ranks want to share %s there, and %s are free. Give the "
                                           "machine or container a larger one, or let ranks share nothing: "
                                           "train.ranks_per_node = 1.",
                                           here.size, gb_text_bytes((double)all, wanted), gb_text_bytes(room, free));
  return gb_comm_agree(here, e);
}

gb_err gb_shared_create(gb_comm here, size_t bytes, gb_shared **out)
{
  gb_shared *s = NULL;
  gb_err e = gb_new(&s, 1);
  if (!e) {
    *s = (gb_shared){.here = here, .win = MPI_WIN_NULL};
    e = gb_new(&s->part, (size_t)here.size);
  }
  if (!e && here.size == 1) e = gb_new_named(&s->part[0], bytes, 1, "shared memory");
  e = gb_comm_agree(here, e);
  if (!e && here.size > 1) e = check_room(here, bytes);
  if (!e && here.size > 1) {
    open_window(s, bytes);
    gb_shared_sync(s);
  }
  if (e) gb_shared_destroy(&s);
  *out = s;
  return e;
}

void gb_shared_destroy(gb_shared **s)
{
  if (!*s) return;
  if ((*s)->win != MPI_WIN_NULL) {
    MPI_Win_unlock_all((*s)->win);
    MPI_Win_free(&(*s)->win);
  } else if ((*s)->part) {
    gb_free(&(*s)->part[0]);
  }
  gb_free(&(*s)->part);
  gb_free(s);
}

size_t gb_shared_room(void)
{
  struct statvfs v;
  return statvfs("/dev/shm", &v) ? SIZE_MAX : (size_t)v.f_bavail * (size_t)v.f_frsize;
}

void *gb_shared_of(const gb_shared *s, int rank)
{
  return s->part[rank];
}

void gb_shared_fence(gb_shared *s)
{
  if (s->win != MPI_WIN_NULL) MPI_Win_sync(s->win);
}

void gb_shared_sync(gb_shared *s)
{
  if (s->win == MPI_WIN_NULL) return;
  MPI_Win_sync(s->win);
  MPI_Barrier(s->here.mpi);
  MPI_Win_sync(s->win);
}
