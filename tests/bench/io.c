/* tests/bench/io.c - one file of MEGABYTES in chunks, as float32 or as 16-bit angles.
 * Usage: mpirun -n N bench_io FILE MEGABYTES f32|u16|stall; run.sh alternates it with dd.
 *   f32, u16  seconds of collective writes with sync and rename; u16 with the coding of the angles
 *   stall     MB for each second that the computing of a rank loses to writing (f32): in the background, then at once
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/angle16.h"
#include "io/h5.h"

enum { SIDE = 32, CHUNK = 64, ROUNDS = 8 };
#define COMPUTE_SECONDS 0.4 /* between two rounds; greybox-generate: 2 */

typedef struct job {
  gb_comm c;
  const char *path;
  uint64_t samples;
  gb_h5_type type;
  gb_range mine; /* chunks */
  float *x;      /* a round */
  uint16_t *q;
  double iterations; /* of a round's computing; 0: none */
  bool background;
} job;

static double compute(double iterations)
{
  double v[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (double i = 0; i < iterations; i++)
    for (int k = 0; k < 8; k++) v[k] = v[k] * 0.999 + 1e-3;
  return v[0] + v[7];
}

static gb_err write_rounds(job *j, gb_h5 *f)
{
  gb_h5_block block;
  gb_h5_item item = {"/x", 0, &block, j->type == GB_H5_U16 ? (void *)j->q : j->x};
  for (size_t r = 0; r < ROUNDS; r++) {
    size_t first = j->mine.first + j->mine.count * r / ROUNDS, last = j->mine.first + j->mine.count * (r + 1) / ROUNDS;
    GB_TRY(gb_h5_write_wait(f));
    block = (gb_h5_block){{first * CHUNK, 0, 0}, {(last - first) * CHUNK, SIDE, SIDE}};
    item.n = last > first;
    if (j->type == GB_H5_U16) gb_angle16_encode((last - first) * CHUNK * SIDE * SIDE, j->x, j->q);
    if (j->background)
      GB_TRY(gb_h5_write_start(f, &(gb_h5_batch){1, &item, r + 1 == ROUNDS}));
    else
      GB_TRY(gb_h5_write(f, item.name, item.n, item.block, item.data));
    if (compute(j->iterations) < 0) return GB_ERR_NUMERIC;
  }
  return gb_h5_sync(f);
}

/* Seconds of a whole file. */
static gb_err write_file(job *j, double *seconds)
{
  gb_h5 *f = NULL;
  gb_h5_spec spec = {.name = "/x",
                     .type = j->type,
                     .ndim = 3,
                     .shape = {j->samples, SIDE, SIDE},
                     .chunk = {CHUNK, SIDE, SIDE},
                     .unit = "rad",
                     .doc = "bench"};
  double begin = gb_clock_now();
  gb_err e = gb_h5_create(j->c, j->path, &f);
  if (!e) e = gb_h5_add(f, &spec);
  if (!e) e = write_rounds(j, f);
  gb_err closed = gb_h5_close(&f, !e);
  *seconds = gb_clock_now() - begin;
  return e ? e : closed;
}

static double compute_seconds(const job *j, double iterations, int rounds)
{
  double begin, t;
  gb_comm_any(j->c, false); /* all ranks at a time: they share the machine */
  begin = gb_clock_now();
  for (int i = 0; i < rounds; i++)
    if (compute(iterations) < 0) return 0;
  t = gb_clock_now() - begin;
  gb_comm_max(j->c, &t, 1);
  return t;
}

static gb_err stall(job *j, double rate[2])
{
  double megabytes = (double)j->samples * SIDE * SIDE * 4e-6, t;
  j->iterations = 1 << 20;
  while ((t = compute_seconds(j, j->iterations, 1)) < COMPUTE_SECONDS / 4) j->iterations *= 2;
  j->iterations *= COMPUTE_SECONDS / t;
  for (int i = 0; i < 2; i++) {
    double alone = compute_seconds(j, j->iterations, ROUNDS), with;
    j->background = i == 0;
    GB_TRY(write_file(j, &with));
    rate[i] = megabytes / fmax(with - alone, 1e-2);
  }
  return GB_OK;
}

static gb_err measure(job *j, bool stalls)
{
  size_t round = (j->mine.count / ROUNDS + 1) * CHUNK * SIDE * SIDE;
  double result[2] = {0, 0};
  gb_err e = gb_new(&j->x, round);
  if (!e) e = gb_new(&j->q, j->type == GB_H5_U16 ? round : 0);
  e = gb_comm_agree(j->c, e);
  for (size_t i = 0; i < round && !e; i++) j->x[i] = (float)(i % 6283) * 1e-3f - 3.1415f;
  if (!e) e = stalls ? stall(j, result) : write_file(j, result);
  if (!e && j->c.rank == 0) printf(stalls ? "%.6g %.6g\n" : "%.6f\n", result[0], result[1]);
  gb_free(&j->x);
  gb_free(&j->q);
  return e;
}

int main(int argc, char **argv)
{
  job j = {0};
  if (argc != 4) return 2;
  MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &(int){0});
  gb_comm_open(MPI_COMM_WORLD, &j.c);
  j.path = argv[1];
  j.type = strcmp(argv[3], "u16") ? GB_H5_F32 : GB_H5_U16;
  j.samples = strtoull(argv[2], NULL, 10) * 1000000 / ((j.type == GB_H5_U16 ? 2 : 4) * SIDE * SIDE) / CHUNK * CHUNK;
  j.mine = gb_comm_share(j.c, j.samples / CHUNK);
  gb_err e = measure(&j, !strcmp(argv[3], "stall"));
  if (e) fprintf(stderr, "bench_io: %s\n", gb_err_message());
  gb_comm_close(&j.c);
  MPI_Finalize();
  return (int)e;
}
