/* tests/bench/pingpong.c - the machine in three numbers, for the model of scale (tests/bench/scale.py).
 *
 * Usage: mpirun -n 2 bench_pingpong. Prints: seconds of an empty message one way (alpha); seconds per byte of a message
 * of 4 MiB one way, less alpha (beta); seconds per byte that a core moves through memory when both cores add vectors of
 * 5 MB at once. Best of rounds. */
#include <mpi.h>

#include "bench.h"

enum { LARGE = 4 << 20, FLOATS = 1250000, MOST_CALLS = 2000 };

static double one_way(int rank, char *buffer, int bytes, int calls)
{
  MPI_Barrier(MPI_COMM_WORLD);
  double begin = gb_clock_now();
  for (int i = 0; i < calls; i++)
    for (int turn = 0; turn < 2; turn++) {
      if (rank == turn)
        MPI_Send(buffer, bytes, MPI_BYTE, 1 - turn, 0, MPI_COMM_WORLD);
      else
        MPI_Recv(buffer, bytes, MPI_BYTE, turn, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
  return (gb_clock_now() - begin) / (2 * calls);
}

static void add(float *restrict a, const float *restrict b)
{
  for (int i = 0; i < FLOATS; i++) a[i] += b[i];
}

static void (*volatile pass)(float *restrict, const float *restrict) = add; /* so that passes stay one after another */

/* Two reads and a write of each element. */
static double per_byte(float *a, const float *b)
{
  enum { PASSES = 20 };
  MPI_Barrier(MPI_COMM_WORLD);
  double begin = gb_clock_now();
  for (int p = 0; p < PASSES; p++) pass(a, b);
  double spent = (gb_clock_now() - begin) / (PASSES * 3.0 * FLOATS * sizeof(float));
  MPI_Allreduce(MPI_IN_PLACE, &spent, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return spent;
}

static double least(double a, double b)
{
  return a < b ? a : b;
}

int main(void)
{
  double best[3] = {1e300, 1e300, 1e300};
  int rank, size;
  MPI_Init(NULL, NULL);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  char *buffer = calloc(LARGE, 1);
  float *a = calloc(FLOATS, sizeof *a), *b = calloc(FLOATS, sizeof *b);
  if (size != 2 || !buffer || !a || !b) return 2;
  for (int r = 0; r < 4 * BENCH_ROUNDS; r++) {
    best[0] = least(best[0], one_way(rank, buffer, 0, MOST_CALLS));
    best[1] = least(best[1], one_way(rank, buffer, LARGE, 20));
    best[2] = least(best[2], per_byte(a, b));
  }
  if (rank == 0) printf("%.4g %.4g %.4g\n", best[0], (best[1] - best[0]) / LARGE, best[2]);
  free(buffer);
  free(a);
  free(b);
  MPI_Finalize();
  return 0;
}
