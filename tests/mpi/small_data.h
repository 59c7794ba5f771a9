/* mpi/small_data.h - a small data set file as greybox-generate lays it out, written by rank 0 without Monte Carlo. */
#pragma once
#include "base/hash.h"
#include "base/rng.h"
#include "data/dataset.h"
#include "io/angle16.h"
#include "io/h5.h"
#include "mpi/ranks.h"

enum { DATA_T = 4, DATA_CHAINS = 3, DATA_SAMPLES = 9, DATA_SIDE = 4 };
enum { DATA_WIDTH = DATA_SIDE * DATA_SIDE, DATA_N = DATA_T * DATA_CHAINS * DATA_SAMPLES };

static const size_t data_shape[] = {DATA_SIDE, DATA_SIDE};

typedef struct small_data {
  double temperature[DATA_T];
  uint8_t split[DATA_N]; /* [temperature, chain, sample] */
  float x[DATA_N][DATA_WIDTH];
  gb_h5_type type; /* of what is stored: GB_H5_F32, x; GB_H5_U16, code */
  uint16_t code[DATA_N][DATA_WIDTH];
  uint64_t checksum[DATA_N];
} small_data;

/* Angles all around the circle, steeper in order at low temperature; whole chains for training, validation and test. */
static inline void data_fill(small_data *d, uint64_t seed)
{
  d->type = GB_H5_F32;
  for (size_t t = 0; t < DATA_T; t++) d->temperature[t] = 0.4 + 0.4 * (double)t;
  for (size_t i = 0; i < DATA_N; i++) {
    uint32_t w[4 * DATA_WIDTH];
    double T = d->temperature[i / (DATA_CHAINS * DATA_SAMPLES)];
    d->split[i] = (uint8_t)(i / DATA_SAMPLES % DATA_CHAINS);
    gb_rng_words(gb_rng_key(seed, GB_RNG_TEST, i, 0), 0, 4 * DATA_WIDTH, w);
    for (size_t k = 0; k < DATA_WIDTH; k++)
      d->x[i][k] = (float)remainder(6 * gb_rng_unit(w[4]) + 1.5 * T * (2 * gb_rng_unit(w[4 * k + 1]) - 1), 2 * M_PI);
    d->checksum[i] = gb_hash64(d->x[i], sizeof d->x[i]);
  }
}

/* Store 16-bit codes from now on; x becomes what they stand for. */
static inline void data_encode(small_data *d)
{
  d->type = GB_H5_U16;
  for (size_t i = 0; i < DATA_N; i++) {
    gb_angle16_encode(DATA_WIDTH, d->x[i], d->code[i]);
    gb_angle16_decode(DATA_WIDTH, d->code[i], d->x[i]);
    d->checksum[i] = gb_hash64(d->code[i], sizeof d->code[i]);
  }
}

static inline const void *data_stored(const small_data *d)
{
  return d->type == GB_H5_U16 ? (const void *)d->code : d->x;
}

static inline void data_put(gb_h5 *f, const char *name, gb_h5_type type, int ndim, const void *v)
{
  gb_h5_spec s = {.name = name,
                  .type = type,
                  .ndim = ndim,
                  .shape = {DATA_T, DATA_CHAINS, DATA_SAMPLES, DATA_SIDE, DATA_SIDE},
                  .unit = "1",
                  .doc = "Test."};
  CHECK_OK(gb_h5_add(f, &s));
  CHECK_OK(gb_h5_write_all(f, name, v));
}

/* Write the file, without the dataset `except` (NULL: all). Collective over world. */
static inline void data_write(const small_data *d, const char *path, const char *except)
{
  static const char *const name[] = {"/temperature", "/split", "/checksum", "/configurations"};
  const gb_h5_type type[] = {GB_H5_F64, GB_H5_U8, GB_H5_U64, d->type};
  static const int ndim[] = {1, 3, 3, 5};
  const void *const v[] = {d->temperature, d->split, d->checksum, data_stored(d)};
  if (world.rank == 0) {
    gb_h5 *f;
    CHECK_OK(gb_h5_create(self, path, &f));
    for (int i = 0; i < 4; i++)
      if (!except || strcmp(except, name[i])) data_put(f, name[i], type[i], ndim[i], v[i]);
    CHECK_OK(gb_h5_close(&f, true));
  }
  MPI_Barrier(world.mpi);
}

/* Are these n bytes the same on all ranks? Collective over world. */
static inline bool same_on_all(const void *v, size_t n)
{
  uint64_t mine = gb_hash64(v, n), first = mine;
  gb_comm_bcast(world, &first, sizeof first);
  return !gb_comm_any(world, mine != first);
}
