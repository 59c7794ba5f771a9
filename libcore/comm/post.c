/* comm/post.c - one message on its way to each rank, on a communicator of its own. */
#include "comm/post.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/watch.h"

struct gb_post {
  gb_comm c;
  size_t size;
  char *out;         /* [ranks, size] what is on its way */
  MPI_Request *sent; /* [ranks] */
};

void gb_comm_nap(double *last)
{
  static const double shortest = 50e-6, longest = 20e-3;
  *last = *last == 0 ? shortest : 2 * *last < longest ? 2 * *last : longest;
  nanosleep(&(struct timespec){0, (long)(*last * 1e9)}, NULL);
}

static bool is_done(MPI_Request *request)
{
  int done;
  MPI_Test(request, &done, MPI_STATUS_IGNORE);
  return done;
}

static void rest_until(MPI_Request *request)
{
  for (double nap = 0; !is_done(request);) gb_comm_nap(&nap);
  GB_BEAT();
}

void gb_comm_bcast_resting(gb_comm c, void *data, size_t n)
{
  MPI_Request request;
  GB_ASSERT(n <= INT_MAX);
  if (c.size == 1) return;
  MPI_Ibcast(data, (int)n, MPI_BYTE, 0, c.mpi, &request);
  rest_until(&request);
}

void gb_comm_meet_resting(gb_comm c)
{
  MPI_Request request;
  if (c.size == 1) return;
  MPI_Ibarrier(c.mpi, &request);
  rest_until(&request);
}

gb_err gb_post_open(gb_comm c, size_t size, gb_post **out)
{
  gb_post *p = NULL;
  gb_err e = gb_new(&p, 1);
  GB_ASSERT(size <= INT_MAX);
  if (!e) p->size = size;
  if (!e) e = gb_new(&p->out, (size_t)c.size * size);
  if (!e) e = gb_new(&p->sent, (size_t)c.size);
  for (int r = 0; r < c.size && !e; r++) p->sent[r] = MPI_REQUEST_NULL;
  e = gb_comm_agree(c, e);
  if (!e) e = gb_comm_open(c.mpi, &p->c);
  *out = p;
  if (e) gb_post_close(out);
  return e;
}

void gb_post_close(gb_post **post)
{
  gb_post *p = *post;
  if (!p) return;
  for (int r = 0; r < p->c.size; r++) rest_until(&p->sent[r]);
  if (p->c.size) gb_comm_meet_resting(p->c);
  gb_comm_close(&p->c);
  gb_free(&p->out);
  gb_free(&p->sent);
  gb_free(post);
}

static void start(gb_post *p, int to, const void *message)
{
  char *out = p->out + (size_t)to * p->size;
  memcpy(out, message, p->size);
  MPI_Isend(out, (int)p->size, MPI_BYTE, to, 0, p->c.mpi, &p->sent[to]);
}

void gb_post_send(gb_post *p, int to, const void *message)
{
  rest_until(&p->sent[to]);
  start(p, to, message);
}

void gb_post_offer(gb_post *p, int to, const void *message)
{
  if (is_done(&p->sent[to])) start(p, to, message);
}

bool gb_post_take(gb_post *p, int *from, void *message)
{
  int there;
  MPI_Status status;
  if (p->c.size == 1) return false;
  MPI_Iprobe(MPI_ANY_SOURCE, 0, p->c.mpi, &there, &status);
  if (!there) return false;
  *from = status.MPI_SOURCE;
  MPI_Recv(message, (int)p->size, MPI_BYTE, *from, 0, p->c.mpi, MPI_STATUS_IGNORE);
  GB_BEAT();
  return true;
}
