/* data/dataset.h - samples in a file; a batch is a pure function of the step.
 *
 * Reads what greybox-generate writes, and foreign files of labelled images (data/layout.h, docs/FILES.md). Samples are
 * stored as float32, as 16-bit angles (io/angle16.h) or as bytes (images), and held in memory as they are stored; who
 * reads a row gets float either way. A checksum is of the bytes as stored. Rows of a split are numbered in the order of
 * the file. */
#pragma once
#include "comm/comm.h"
#include "config/schema.h"
#include "data/symmetry.h"

typedef struct gb_dataset_opts {
  const char *path;
  double memory;
  gb_texts augment;
  int64_t import_class, import_training, import_validation, import_seed; /* of a foreign file */
} gb_dataset_opts;
extern const gb_schema gb_dataset_schema; /* section "data" */

typedef enum gb_split { GB_TRAIN, GB_VALIDATION, GB_TEST, GB_SPLITS } gb_split;

typedef struct gb_dataset gb_dataset;

/** Open a data set and check that it holds samples of this shape; if it fits into data.memory it is read now, and every
 *  sample compared with its checksum. The ranks of a machine hold one copy; rows are read by each rank
 *  for itself, without MPI.
 *  Collective over c.
 *  @param[in] ndim, shape  of one sample
 *  @return GB_ERR_IO if the file is missing, damaged or of another kind; GB_ERR_CONFIG if the shape differs */
gb_err gb_dataset_open(gb_comm c, const gb_dataset_opts *opts, int ndim, const size_t shape[], gb_dataset **out);
/** Collective over c. */
void gb_dataset_close(gb_dataset **d);

/** Rows of a split.
 *  Local. */
size_t gb_dataset_rows(const gb_dataset *d, gb_split split);

/** Numbers in one sample; temperatures of the grid, none if rows are independent of such.
 *  Local. Borrowed. */
size_t gb_dataset_width(const gb_dataset *d);
gb_reals gb_dataset_temperatures(const gb_dataset *d);

/** Copy rows of a split, decoded.
 *  Local: ranks may read different rows at different times.
 *  @param[in]  row  [n] numbers within the split
 *  @param[out] x    [n, width] */
gb_err gb_dataset_read(gb_dataset *d, gb_split split, size_t n, const uint64_t row[], float *x);

/** Index of a row's temperature in the grid, where there is one.
 *  Local. */
size_t gb_dataset_temperature_of(const gb_dataset *d, gb_split split, uint64_t row);

/** Rows of the training batch of `step`: every row once an epoch, in an order drawn anew each epoch.
 *  Local. Rows [first, first + n) of the batch.
 *  @param[in]  batch  rows in a batch, over all ranks
 *  @param[out] row    [n] numbers within the split */
void gb_dataset_batch(const gb_dataset *d, uint64_t seed, uint64_t step, size_t batch, size_t first, size_t n,
                      uint64_t row[]);

/** Move training samples by these symmetries (a sum of gb_symmetry; 0: leave them as they are) from now on.
 *  Local; the same on all ranks.
 *  @param[in] symmetries  of samples with two axes, or with channels as a third; GB_LATTICE_ROTATION of square ones */
gb_err gb_dataset_augment(gb_dataset *d, unsigned symmetries);

/** From now on this rank works on the rows [first, first + n) of every training batch: of a data set that is not held
 *  in memory, those of the next step are then read in the background while a step computes (io/h5.h).
 *  Local. n = 0: nothing is read ahead, as at first. */
gb_err gb_dataset_ahead(gb_dataset *d, uint64_t seed, size_t batch, size_t first, size_t n);

/** Samples of the training batch of `step`: the rows that gb_dataset_batch() has, moved by the symmetries, each by an
 *  element drawn for (seed, step, its number in the batch).
 *  Local. Rows [first, first + n) of the batch; the same bits whether they were read ahead or not.
 *  @param[out] x  [n, width] */
gb_err gb_dataset_training(gb_dataset *d, uint64_t seed, uint64_t step, size_t batch, size_t first, size_t n, float *x);

/** What was drawn for the rows of a split, from /truth/NAME; is there such a thing?
 *  Local: ranks may ask at different times.
 *  @param[out] out  [rows of the split]
 *  @return GB_ERR_IO if there is not */
gb_err gb_dataset_truth(gb_dataset *d, gb_split split, const char *name, double *out);
bool gb_dataset_has_truth(const gb_dataset *d, const char *name);

/** A sentence for a person: what was taken from a foreign file, and what is odd about it. "" of our own files.
 *  Local. Borrowed. */
const char *gb_dataset_note(const gb_dataset *d);

/** A number that tells data sets apart: the hash of all sample checksums; of a foreign file, of its shape, its labels,
 *  and which rows were taken for what.
 *  Local. */
uint64_t gb_dataset_fingerprint(const gb_dataset *d);

/** Bytes this rank holds in memory; of what ranks share, its part.
 *  Local. */
size_t gb_dataset_bytes(const gb_dataset *d);
