/* comm/comm.c - thin layers over MPI collectives. */
#include "comm/comm.h"

#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "base/watch.h"

#define PIECE ((size_t)1 << 28) /* elements per MPI call: counts are int */

static void die(MPI_Comm *mpi, int *code, ...)
{
  char text[MPI_MAX_ERROR_STRING];
  int n = 0;
  MPI_Error_string(*code, text, &n);
  fprintf(stderr, "greybox: MPI failed: %.*s\n", n, text);
  MPI_Abort(*mpi, GB_ERR_LIB);
}

/* Errors on it end the job. */
static gb_comm own(MPI_Comm mpi)
{
  gb_comm c = {.mpi = mpi};
  MPI_Errhandler handler;
  MPI_Comm_create_errhandler(die, &handler);
  MPI_Comm_set_errhandler(mpi, handler);
  MPI_Errhandler_free(&handler);
  MPI_Comm_rank(mpi, &c.rank);
  MPI_Comm_size(mpi, &c.size);
  return c;
}

gb_err gb_comm_open(MPI_Comm mpi, gb_comm *out)
{
  MPI_Comm copy;
  MPI_Comm_dup(mpi, &copy);
  *out = own(copy);
  return GB_OK;
}

gb_comm gb_comm_split(gb_comm c, int color, int key)
{
  MPI_Comm part;
  MPI_Comm_split(c.mpi, color, key, &part);
  return own(part);
}

gb_comm gb_comm_machine(gb_comm c)
{
  MPI_Comm machine;
  MPI_Comm_split_type(c.mpi, MPI_COMM_TYPE_SHARED, c.rank, MPI_INFO_NULL, &machine);
  return own(machine);
}

gb_comm gb_comm_self(void)
{
  return (gb_comm){.mpi = MPI_COMM_SELF, .rank = 0, .size = 1};
}

gb_err gb_comm_teams(gb_comm c, int size, gb_comm *out)
{
  GB_ASSERT(size > 0 && c.size % size == 0);
  *out = gb_comm_split(c, c.rank / size, c.rank);
  return GB_OK;
}

void gb_comm_close(gb_comm *c)
{
  if (c->size) MPI_Comm_free(&c->mpi);
  *c = (gb_comm){0};
}

bool gb_comm_threads(void)
{
  int level;
  MPI_Query_thread(&level);
  return level >= MPI_THREAD_SERIALIZED;
}

MPI_Info gb_comm_info(size_t n, const char *const hint[][2])
{
  MPI_Info info = MPI_INFO_NULL;
  if (n) MPI_Info_create(&info);
  for (size_t i = 0; i < n; i++) MPI_Info_set(info, hint[i][0], hint[i][1]);
  return info;
}

void gb_comm_info_free(MPI_Info *info)
{
  if (*info != MPI_INFO_NULL) MPI_Info_free(info);
}

bool gb_comm_file_hint(MPI_File file, const char *key, char value[MPI_MAX_INFO_VAL + 1])
{
  MPI_Info info = MPI_INFO_NULL;
  int found = 0;
  if (MPI_File_get_info(file, &info) == MPI_SUCCESS && info != MPI_INFO_NULL) {
    MPI_Info_get(info, key, MPI_MAX_INFO_VAL, value, &found);
    MPI_Info_free(&info);
  }
  return found;
}

gb_err gb_comm_agree(gb_comm c, gb_err mine)
{
  struct {
    char message[2048], place[1024];
    int code;
  } report;
  int failing = mine ? c.rank : c.size, first;
  MPI_Allreduce(&failing, &first, 1, MPI_INT, MPI_MIN, c.mpi);
  GB_BEAT();
  if (first == c.size) return GB_OK;
  memset(&report, 0, sizeof report);
  if (c.rank == first) {
    report.code = mine;
    snprintf(report.message, sizeof report.message, "%s", gb_err_message());
    snprintf(report.place, sizeof report.place, "%s", gb_err_place());
  }
  MPI_Bcast(&report, sizeof report, MPI_BYTE, first, c.mpi);
  gb_err_adopt(report.message, report.place);
  gb_err_set_common();
  return (gb_err)report.code;
}

void gb_comm_bcast(gb_comm c, void *data, size_t n)
{
  for (size_t i = 0; i < n; i += PIECE)
    MPI_Bcast((char *)data + i, (int)(n - i < PIECE ? n - i : PIECE), MPI_BYTE, 0, c.mpi);
  GB_BEAT();
}

void gb_comm_gather(gb_comm c, const void *mine, size_t n, size_t size, void *all)
{
  MPI_Datatype element;
  GB_ASSERT(n <= INT_MAX && size <= INT_MAX);
  MPI_Type_contiguous((int)size, MPI_BYTE, &element);
  MPI_Type_commit(&element);
  MPI_Gather(mine, (int)n, element, all, (int)n, element, 0, c.mpi);
  MPI_Type_free(&element);
  GB_BEAT();
}

gb_err gb_comm_bcast_text(gb_comm c, char **text, size_t *n)
{
  gb_err e = GB_OK;
  uint64_t size = c.rank == 0 ? *n : 0;
  gb_comm_bcast(c, &size, sizeof size);
  if (c.rank != 0) e = gb_new(text, size + 1);
  GB_TRY(gb_comm_agree(c, e));
  gb_comm_bcast(c, *text, size);
  *n = size;
  return GB_OK;
}

void gb_comm_max(gb_comm c, double *v, size_t n)
{
  for (size_t i = 0; i < n; i += PIECE)
    MPI_Allreduce(MPI_IN_PLACE, v + i, (int)(n - i < PIECE ? n - i : PIECE), MPI_DOUBLE, MPI_MAX, c.mpi);
  GB_BEAT();
}

void gb_comm_sum_i64(gb_comm c, int64_t *v, size_t n)
{
  if (c.size == 1) return;
  for (size_t i = 0; i < n; i += PIECE)
    MPI_Allreduce(MPI_IN_PLACE, v + i, (int)(n - i < PIECE ? n - i : PIECE), MPI_INT64_T, MPI_SUM, c.mpi);
  GB_BEAT();
}

void gb_comm_merge(gb_comm c, double *v, size_t n)
{
  for (size_t i = 0; i < n; i += PIECE)
    MPI_Allreduce(MPI_IN_PLACE, v + i, (int)(n - i < PIECE ? n - i : PIECE), MPI_DOUBLE, MPI_SUM, c.mpi);
  GB_BEAT();
}

void gb_comm_sum(gb_comm c, double *v, size_t n)
{
  gb_comm_merge(c, v, n); /* the same operation, of which less is asked there */
  gb_comm_bcast(c, v, n * sizeof *v);
}

bool gb_comm_any(gb_comm c, bool mine)
{
  int v = mine;
  MPI_Allreduce(MPI_IN_PLACE, &v, 1, MPI_INT, MPI_MAX, c.mpi);
  GB_BEAT();
  return v != 0;
}

gb_range gb_comm_share(gb_comm c, size_t n)
{
  size_t size = (size_t)c.size, rank = (size_t)c.rank, base = n / size, rest = n % size;
  return (gb_range){rank * base + (rank < rest ? rank : rest), base + (rank < rest)};
}
