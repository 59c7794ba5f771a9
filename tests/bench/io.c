/* tests/bench/io.c - one collective write of MEGABYTES of float32 in chunks, with sync and rename: prints seconds.
 * Usage: mpirun -n N bench_io FILE MEGABYTES; run.sh alternates it with dd. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/h5.h"

enum { SIDE = 32, ROUNDS = 8 };

static gb_err write_file(gb_comm c, const char *path, uint64_t samples)
{
  gb_h5 *f = NULL;
  uint64_t chunk = 64;
  gb_h5_spec spec = {.name = "/x",
                     .type = GB_H5_F32,
                     .ndim = 3,
                     .shape = {samples, SIDE, SIDE},
                     .chunk = {chunk, SIDE, SIDE},
                     .unit = "rad",
                     .doc = "bench"};
  gb_range mine = gb_comm_share(c, samples / chunk);
  float *x;
  GB_TRY(gb_new(&x, (mine.count / ROUNDS + 1) * chunk * SIDE * SIDE));
  gb_err e = gb_h5_create(c, path, &f);
  if (!e) e = gb_h5_add(f, &spec);
  for (size_t r = 0; r < ROUNDS && !e; r++) {
    size_t first = mine.first + mine.count * r / ROUNDS, last = mine.first + mine.count * (r + 1) / ROUNDS;
    gb_h5_block b = {{first * chunk, 0, 0}, {(last - first) * chunk, SIDE, SIDE}};
    e = gb_h5_write(f, "/x", last > first, &b, x);
  }
  if (!e) e = gb_h5_sync(f);
  gb_err closed = gb_h5_close(&f, !e);
  gb_free(&x);
  return e ? e : closed;
}

int main(int argc, char **argv)
{
  gb_comm c;
  if (argc != 3) return 2;
  MPI_Init(NULL, NULL);
  gb_comm_open(MPI_COMM_WORLD, &c);
  double begin = gb_clock_now();
  gb_err e = write_file(c, argv[1], strtoull(argv[2], NULL, 10) * 1000000 / (4 * SIDE * SIDE) / 64 * 64);
  if (e) fprintf(stderr, "bench_io: %s\n", gb_err_message());
  if (c.rank == 0 && !e) printf("%.6f\n", gb_clock_now() - begin);
  gb_comm_close(&c);
  MPI_Finalize();
  return (int)e;
}
