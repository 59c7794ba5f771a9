/* data/layout.h - the kinds of files that hold samples, and what their tables say. For dataset.c.
 *
 * Three kinds (docs/FILES.md): Monte Carlo samples, /configurations over temperature, chain and sample; independent
 * rows, /observables; images, /images of bytes, of which 255 stands for 1. Images without /split are of a foreign file
 * laid out as Galaxy10: of these one class (/ans) is taken, and divided here. */
#pragma once
#include "data/dataset.h"
#include "io/h5.h"

typedef struct gb_layout {
  const char *name; /* of the samples */
  gb_h5_type type;  /* GB_H5_F32; GB_H5_U16: codes of io/angle16.h; GB_H5_U8: 255 x */
  int lead, ndim;   /* axes before those of a sample; its own */
  uint64_t shape[GB_H5_NDIM];
  size_t width, n; /* numbers in a sample; rows */
  uint64_t *place; /* [n] where rows stand in the file, increasing; NULL: it has no others */
  uint8_t *split;  /* [n] gb_split */
  uint64_t *hash;  /* [n] checksums; NULL: a foreign file has none */
  double *grid;    /* [n_T] temperatures */
  size_t n_T;      /* 0: rows have no temperature */
  uint64_t fingerprint;
  char note[256]; /* what a person should know of a foreign file; "" */
} gb_layout;

/** Find out what a file is, and read all but its samples.
 *  Local. `out` is freed by gb_layout_free(), also after a failure.
 *  @param[in] path         for messages
 *  @param[in] ndim, shape  of one sample
 *  @return GB_ERR_IO if the file is damaged or of another kind; GB_ERR_CONFIG if the options do not fit to it */
gb_err gb_layout_read(gb_h5 *f, const char *path, const gb_dataset_opts *opts, int ndim, const size_t shape[],
                      gb_layout *out);
void gb_layout_free(gb_layout *l);

/** Bytes of one sample as stored.
 *  Local. */
size_t gb_layout_bytes(const gb_layout *l);

/** Numbers of one sample from the bytes that stand for them.
 *  Local.
 *  @param[out] x  [width] */
void gb_layout_decode(const gb_layout *l, const void *stored, float *x);

/** Where a row stands.
 *  Local.
 *  @param[out] index  [lead] */
void gb_layout_locate(const gb_layout *l, uint64_t row, uint64_t index[]);

/** Can `row` be read in one block with the row before it?
 *  Local. */
bool gb_layout_neighbours(const gb_layout *l, uint64_t row);

/** Compare a sample with its checksum, where there are such.
 *  Local.
 *  @return GB_ERR_IO naming the row */
gb_err gb_layout_verify(const gb_layout *l, const char *path, uint64_t row, const void *stored, const uint64_t hash[]);
