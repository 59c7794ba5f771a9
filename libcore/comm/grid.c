/* comm/grid.c - the only point-to-point messages. */
#include "comm/grid.h"

#include <string.h>

#include "base/watch.h"

gb_err gb_grid_make(gb_comm c, size_t ny, size_t nx, size_t unit_y, size_t unit_x, size_t tall, gb_grid *out)
{
  size_t ranks = (size_t)c.size, best = 0, shortest = 0;
  for (size_t py = 1; py <= ranks; py++) {
    size_t px = ranks / py;
    if (py * px != ranks || ny % (py * unit_y) || nx % (px * unit_x)) continue;
    size_t boundary = px == 1 && ny / py >= tall ? 1 : (py > 1 ? nx / px : 0) + (px > 1 ? ny / py : 0);
    if (!best || boundary < shortest || (boundary == shortest && py > best)) best = py, shortest = boundary;
  }
  GB_CHECK(
      best, GB_ERR_CONFIG,
      "%zu x %zu sites cannot be divided among %zu ranks into equal boxes whose sides are multiples of %zu and %zu. "
      "Spread it over another number of ranks (generate.ranks_per_chain), or change its size.",
      ny, nx, ranks, unit_y, unit_x);
  *out = (gb_grid){.c = c, .size = {best, ranks / best}};
  out->at[0] = (size_t)c.rank / out->size[1];
  out->at[1] = (size_t)c.rank % out->size[1];
  out->count[0] = ny / out->size[0];
  out->count[1] = nx / out->size[1];
  for (int i = 0; i < 2; i++) out->first[i] = out->at[i] * out->count[i];
  return GB_OK;
}

static int neighbour(const gb_grid *g, gb_side side)
{
  size_t y = g->at[0], x = g->at[1], ny = g->size[0], nx = g->size[1];
  switch (side) {
  case GB_UP: y = (y + 1) % ny; break;
  case GB_DOWN: y = (y + ny - 1) % ny; break;
  case GB_RIGHT: x = (x + 1) % nx; break;
  case GB_LEFT: x = (x + nx - 1) % nx; break;
  }
  return (int)(y * nx + x);
}

void gb_grid_begin(const gb_grid *g, int n, const gb_message m[], gb_messages *x)
{
  static const gb_side opposite[] = {GB_DOWN, GB_UP, GB_LEFT, GB_RIGHT};
  GB_ASSERT(n <= GB_GRID_MESSAGES);
  x->n = 0;
  for (int i = 0; i < n; i++) {
    if (neighbour(g, m[i].to) == g->c.rank) { /* the lattice is periodic: I am my own neighbour */
      memcpy(m[i].receive, m[i].send, m[i].bytes);
      continue;
    }
    MPI_Irecv(m[i].receive, (int)m[i].bytes, MPI_BYTE, neighbour(g, opposite[m[i].to]), i, g->c.mpi,
              &x->request[x->n++]);
    MPI_Isend(m[i].send, (int)m[i].bytes, MPI_BYTE, neighbour(g, m[i].to), i, g->c.mpi, &x->request[x->n++]);
  }
}

void gb_grid_end(gb_messages *x)
{
  if (x->n) MPI_Waitall(x->n, x->request, MPI_STATUSES_IGNORE);
  x->n = 0;
  GB_BEAT();
}

void gb_grid_poke(gb_messages *x)
{
  int done;
  if (x->n) MPI_Testall(x->n, x->request, &done, MPI_STATUSES_IGNORE);
}
