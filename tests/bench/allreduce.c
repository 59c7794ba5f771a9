/* tests/bench/allreduce.c - a sum over the ranks of a vector of floats: MPI_Allreduce, a bare shared window, and ours.
 *
 * Usage: mpirun -n N bench_allreduce. From 1 KB to 100 MB, one JSON line per size; microseconds, the best of rounds in
 * which all ways take turns (medians: *_median). What is measured of ours is more than a sum: every rank gives a
 * gradient, the norm and non-finite numbers are found, and new weights (here: the gradient) come back to all ranks; on
 * one node, and as if every rank were a node of its own, so that messages pass between them. "window" is the least
 * that memory allows: each rank adds one slice of all vectors. */
#include <string.h>

#include "bench.h"
#include "comm/comm.h"
#include "comm/exchange.h"

enum { SIDE = 4, MOST_RANKS = 64 };

typedef struct job {
  gb_comm c;
  size_t n;
  float *in, *out;
  MPI_Win win;
  float *shared[MOST_RANKS], *shared_out; /* [n] of each rank; [n] once */
  gb_cluster cluster[2];                  /* all ranks on one node; every rank a node */
  gb_exchange *x[2];
} job;

static void allreduce(job *j)
{
  MPI_Allreduce(j->in, j->out, (int)j->n, MPI_FLOAT, MPI_SUM, j->c.mpi);
}

static void in_place(job *j)
{
  MPI_Allreduce(MPI_IN_PLACE, j->out, (int)j->n, MPI_FLOAT, MPI_SUM, j->c.mpi);
}

static void add_slice(float *restrict out, const float *restrict a, size_t n)
{
  for (size_t i = 0; i < n; i++) out[i] += a[i];
}

static void window(job *j)
{
  size_t size = (size_t)j->c.size, first = j->n * (size_t)j->c.rank / size;
  size_t count = j->n * ((size_t)j->c.rank + 1) / size - first;
  MPI_Win_sync(j->win);
  MPI_Barrier(j->c.mpi);
  MPI_Win_sync(j->win);
  memcpy(j->shared_out + first, j->shared[0] + first, count * sizeof(float));
  for (size_t r = 1; r < size; r++) add_slice(j->shared_out + first, j->shared[r] + first, count);
  MPI_Win_sync(j->win);
  MPI_Barrier(j->c.mpi);
  MPI_Win_sync(j->win);
}

static void exchange(gb_exchange *x)
{
  double side[SIDE] = {0}, norm;
  const gb_real *gradient;
  size_t n;
  const gb_range *piece = gb_exchange_pieces(x, &n);
  gb_exchange_sum(x, 1, side, &gradient, &norm);
  for (size_t i = 0; i < n; i++)
    memcpy(gb_exchange_weights(x) + piece[i].first, gradient + piece[i].first, piece[i].count * sizeof *gradient);
  gb_exchange_share(x);
}

static void ours(job *j)
{
  exchange(j->x[0]);
}

static void ours_between_nodes(job *j)
{
  exchange(j->x[1]);
}

static const struct {
  const char *name;
  void (*run)(job *j);
} way[] = {{"allreduce", allreduce},
           {"in_place", in_place},
           {"window", window},
           {"ours", ours},
           {"ours_between_nodes", ours_between_nodes}};
enum { WAYS = sizeof way / sizeof *way };

static void fill(float *v, size_t n, float value)
{
  for (size_t i = 0; i < n; i++) v[i] = value;
}

static gb_err open_exchange(job *j, size_t k)
{
  GB_TRY(gb_cluster_open(j->c, k == 0 ? 0 : 1, &j->cluster[k]));
  gb_exchange_opts o = {
      .n_tensors = 1, .size = &j->n, .n_shards = (size_t)j->c.size, .n_side = SIDE, .bucket = 0, .fast = false};
  return gb_exchange_create(&j->cluster[k], &o, &j->x[k]);
}

static gb_err open_job(job *j)
{
  void *base;
  MPI_Win_allocate_shared((MPI_Aint)((j->c.rank == 0 ? 2 : 1) * j->n * sizeof(float)), sizeof(float), MPI_INFO_NULL,
                          j->c.mpi, &base, &j->win);
  MPI_Win_lock_all(MPI_MODE_NOCHECK, j->win);
  for (int r = 0; r < j->c.size; r++) {
    MPI_Aint bytes;
    int unit;
    MPI_Win_shared_query(j->win, r, &bytes, &unit, (void *)&j->shared[r]);
  }
  j->shared_out = j->shared[0] + j->n;
  j->in = malloc(j->n * sizeof(float));
  j->out = malloc(j->n * sizeof(float));
  GB_CHECK(j->in && j->out, GB_ERR_MEMORY, "no memory for %zu floats", j->n);
  GB_TRY(open_exchange(j, 0));
  return open_exchange(j, 1);
}

static void close_job(job *j)
{
  for (size_t k = 0; k < 2; k++) {
    gb_exchange_destroy(&j->x[k]);
    gb_cluster_close(&j->cluster[k]);
  }
  MPI_Win_unlock_all(j->win);
  MPI_Win_free(&j->win);
  free(j->in);
  free(j->out);
}

static void fill_all(job *j, float value)
{
  fill(j->in, j->n, value);
  fill(j->out, j->n, value);
  fill(j->shared[j->c.rank], j->n, value);
  for (size_t k = 0; k < 2; k++) fill(gb_exchange_gradient(j->x[k], 0), j->n, value);
}

/* Every way gives the sum 1 + 2 + ... to every rank. */
static gb_err check(job *j)
{
  float sum = (float)(j->c.size * (j->c.size + 1) / 2);
  const float *result[WAYS] = {j->out, j->out, j->shared_out, gb_exchange_weights(j->x[0]),
                               gb_exchange_weights(j->x[1])};
  for (size_t w = 0; w < WAYS; w++) {
    fill_all(j, (float)(j->c.rank + 1));
    MPI_Barrier(j->c.mpi);
    way[w].run(j);
    for (size_t i = 0; i < j->n; i++)
      GB_CHECK(result[w][i] == sum, GB_ERR_NUMERIC, "%s: %g instead of %g", way[w].name, (double)result[w][i],
               (double)sum);
    MPI_Barrier(j->c.mpi);
  }
  fill_all(j, 0); /* sums of zeros stay finite however often they are made */
  MPI_Barrier(j->c.mpi);
  return GB_OK;
}

/* Microseconds of one call: the slowest rank counts. */
static double microseconds(job *j, size_t w, int calls)
{
  MPI_Barrier(j->c.mpi);
  double begin = gb_clock_now();
  for (int i = 0; i < calls; i++) way[w].run(j);
  double spent = (gb_clock_now() - begin) / calls * 1e6;
  gb_comm_max(j->c, &spent, 1);
  return spent;
}

static void measure(job *j)
{
  double spent[WAYS][BENCH_ROUNDS], best[WAYS];
  int calls[WAYS]; /* about 50 ms a round; the same on all ranks, which all know the slowest */
  for (size_t w = 0; w < WAYS; w++) calls[w] = (int)(5e4 / microseconds(j, w, 2)) + 1;
  for (int r = 0; r < BENCH_ROUNDS; r++)
    for (size_t w = 0; w < WAYS; w++) spent[w][r] = microseconds(j, w, calls[w]);
  if (j->c.rank) return;
  printf("{\"name\": \"sum of floats, %d ranks\", \"bytes\": %zu, \"unit\": \"us\"", j->c.size, j->n * sizeof(float));
  for (size_t w = 0; w < WAYS; w++) {
    qsort(spent[w], BENCH_ROUNDS, sizeof **spent, bench_compare);
    best[w] = spent[w][0];
    printf(", \"%s\": %.4g, \"%s_median\": %.4g", way[w].name, best[w], way[w].name, spent[w][BENCH_ROUNDS / 2]);
  }
  printf(", \"ratio\": %.4g}\n", (best[0] < best[1] ? best[0] : best[1]) / best[3]); /* MPI's better time over ours */
  fflush(stdout);
}

int main(void)
{
  static const size_t bytes[] = {1 << 10, 10 << 10, 100 << 10, 1 << 20, 5 << 20, 10 << 20, 100 << 20};
  job j = {.n = 0};
  gb_err e = GB_OK;
  MPI_Init(NULL, NULL);
  gb_comm_open(MPI_COMM_WORLD, &j.c);
  if (j.c.size > MOST_RANKS) e = GB_FAIL(GB_ERR_CONFIG, "more than %d ranks", MOST_RANKS);
  for (size_t i = 0; i < sizeof bytes / sizeof *bytes && !e; i++) {
    j.n = bytes[i] / sizeof(float);
    e = gb_comm_agree(j.c, open_job(&j));
    if (!e) e = gb_comm_agree(j.c, check(&j));
    if (!e) measure(&j);
    if (!e) close_job(&j);
  }
  if (e && j.c.rank == 0) fprintf(stderr, "bench_allreduce: %s\n", gb_err_message());
  gb_comm_close(&j.c);
  MPI_Finalize();
  return (int)e;
}
