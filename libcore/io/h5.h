/* io/h5.h - parallel HDF5 in a few verbs. HDF5 appears in h5.c and h5_query.c only.
 *
 * Every dataset carries its unit and a sentence (attributes `unit`, `doc`) and, where given, HDF5 dimension
 * scales; docs/FILES.md lists them all. Rows are addressed by global index, so a file's content never depends
 * on how many ranks wrote it. A file is written as path.part and gets its name only when it is complete and
 * on disk. */
#pragma once
#include <stdint.h>

#include "base/text.h"
#include "comm/comm.h"
#include "config/schema.h"

enum { GB_H5_NDIM = 6 };

typedef enum gb_h5_type { GB_H5_F32, GB_H5_F64, GB_H5_I64, GB_H5_U64, GB_H5_U8, GB_H5_U16 } gb_h5_type;

typedef struct gb_h5_spec {
  const char *name; /* "/observables/energy"; folders are made on the way */
  gb_h5_type type;
  int ndim;
  uint64_t shape[GB_H5_NDIM];
  uint64_t chunk[GB_H5_NDIM]; /* chunk[0] = 0: contiguous */
  int deflate;                /* 0: none; 1 ... 9: shuffle + deflate (needs chunks) */
  const char *unit, *doc;
  const char *dims[GB_H5_NDIM]; /* names of 1-D datasets that label the axes; NULL: no label */
} gb_h5_spec;

typedef struct gb_h5_block {
  uint64_t start[GB_H5_NDIM], count[GB_H5_NDIM];
} gb_h5_block;

typedef struct gb_h5 gb_h5;

typedef struct gb_h5_opts {
  int64_t stripe_count;
  double stripe_size; /* MiB */
  const char *collective_buffering;
  int64_t aggregators;
} gb_h5_opts;
extern const gb_schema gb_h5_schema; /* section "io" */

/** How files are laid out and written from now on; before the first call, as the defaults of gb_h5_schema say. No file
 * reads differently for it.
 *  Local; the same on all ranks. Nothing of opts is kept. */
void gb_h5_tune(const gb_h5_opts *opts);

/** The value of a hint that MPI was given for a file ("striping_factor", "cb_nodes").
 *  Local.
 *  @return false if it was given none: by default, and for a file of one rank, which needs no MPI-IO */
bool gb_h5_hint(gb_h5 *f, const char *key, char value[MPI_MAX_INFO_VAL + 1]);

/** Start a new file as path.part (an older part is overwritten).
 *  Collective over c. With one rank the file needs no MPI-IO, so rank 0 may write a file of its own by
 * passing a communicator of size 1.
 *  @return GB_ERR_IO */
gb_err gb_h5_create(gb_comm c, const char *path, gb_h5 **out);

/** Go on with path.part, whose datasets were all made before.
 *  Collective over c. */
gb_err gb_h5_continue(gb_comm c, const char *path, gb_h5 **out);

/** Open a finished file for reading, after comparing all of it with the checksum at its end, if it has one: damage in
 *  the structure of a file can crash HDF5.
 *  Collective over c; rank 0 compares. */
gb_err gb_h5_open(gb_comm c, const char *path, gb_h5 **out);

/** The same without comparing: for a caller who did.
 *  Collective over c. */
gb_err gb_h5_open_compared(gb_comm c, const char *path, gb_h5 **out);

/** Everything written so far is on disk when this returns.
 *  Collective over the file's communicator. */
gb_err gb_h5_sync(gb_h5 *f);

/** Close; with `commit`, put the checksum behind the end (gb_file_seal()), sync and give a created or continued file
 * its name, unless a batch failed that nobody waited for. Collective over the file's communicator. NULL is allowed. */
gb_err gb_h5_close(gb_h5 **f, bool commit);

/** Could a file not be closed? HDF5 1.10 then crashes when it is ended, as MPI_Finalize() does.
 *  Local. */
bool gb_h5_broken(void);

/** Make a dataset. Space is allocated at once, so that later writes leave the structure of the file alone: a
 * killed writer then loses data but never the file. Collective over the file's communicator. */
gb_err gb_h5_add(gb_h5 *f, const gb_h5_spec *spec);

/** Write my blocks of a dataset, in the dataset's own type. Blocks may be of any size, also beyond 2 GiB: they go in
 * pieces (io/pieces.h).
 *  Collective over the file's communicator.
 *  @param[in] n      number of my blocks; 0: this rank writes nothing in this call
 *  @param[in] block  [n] disjoint, in increasing row-major order
 *  @param[in] data   the elements of the blocks in the order of the file */
gb_err gb_h5_write(gb_h5 *f, const char *name, size_t n, const gb_h5_block block[], const void *data);

/* What gb_h5_write_start() writes, in this order: the arguments of gb_h5_write() */
typedef struct gb_h5_item {
  const char *name;
  size_t n;
  const gb_h5_block *block;
  const void *data;
} gb_h5_item;

typedef struct gb_h5_batch {
  size_t n; /* the same on all ranks */
  const gb_h5_item *item;
  bool sync; /* then gb_h5_sync() */
} gb_h5_batch;

/** Begin to write a batch in a thread, so that the caller can go on computing; then gb_h5_write_wait(). What the batch
 * points at (items, names, blocks, data) stays as it is until then, and the caller must not use MPI. It may use
 * HDF5, also for other files: each function of this header waits for the thread first.
 * Where MPI does not allow threads (gb_comm_threads()) all is written before this returns.
 *  Collective over the file's communicator. A batch that is still on its way is waited for.
 *  @return the failure of the batch before, if nobody waited for it; that of this one comes from gb_h5_write_wait() */
gb_err gb_h5_write_start(gb_h5 *f, const gb_h5_batch *batch);

/** Wait for the batch; its writes are then as those of gb_h5_write().
 *  Collective over the file's communicator. Nothing is done if there is none. gb_h5_sync() and gb_h5_close() call it.
 *  @return the failure of the first item that failed, the same on all ranks; items after it are not written */
gb_err gb_h5_write_wait(gb_h5 *f);

/** Write a whole (small) dataset that all ranks hold.
 *  Collective over the file's communicator; rank 0 writes. */
gb_err gb_h5_write_all(gb_h5 *f, const char *name, const void *data);

/** Read a block of any size; `type` must be the stored type.
 *  Local: ranks may read different blocks at different times.
 *  @return GB_ERR_IO if the dataset is missing, has another type or does not hold the block */
gb_err gb_h5_read(gb_h5 *f, const char *name, gb_h5_type type, const gb_h5_block *block, void *data);

/* What the next two read: blocks of one dataset, one after another into `data`. */
typedef struct gb_h5_want {
  const char *name;
  gb_h5_type type;
  size_t n;
  const gb_h5_block *block;
  void *data;
} gb_h5_want;

/** Read them.
 *  Local. As gb_h5_read(). */
gb_err gb_h5_read_blocks(gb_h5 *f, const gb_h5_want *want);

/** The same, of compressed chunks that many of the blocks touch: with room, for the time of the call, to keep 256 MiB
 * of them unpacked. Local. As gb_h5_read().
 *  @param[in] want  its blocks in increasing row-major order, or chunks are unpacked again */
gb_err gb_h5_read_packed(gb_h5 *f, const gb_h5_want *want);

/** Begin to read blocks in a thread, so that the caller can go on computing; then gb_h5_read_wait(). What it points at
 * stays as it is until then. The caller may use MPI, since a file of one rank is read without it, and HDF5: each
 * function of this header waits for the thread first. Where MPI does not allow threads (gb_comm_threads()) all is read
 * before this returns.
 *  Local. One read at a time.
 *  @param[in] f  opened by one rank alone */
void gb_h5_read_start(gb_h5 *f, const gb_h5_want *want);

/** Wait for the blocks.
 *  Local. Nothing is done if nothing is read; gb_h5_close() waits, too, but does not tell of a failure.
 *  @return as gb_h5_read() */
gb_err gb_h5_read_wait(gb_h5 *f);

/** Read a whole dataset of `n` elements.
 *  Local. */
gb_err gb_h5_read_all(gb_h5 *f, const char *name, gb_h5_type type, size_t n, void *data);

/** Shape of a dataset, which must have the given type and number of axes.
 *  Local.
 *  @param[out] shape [ndim] */
gb_err gb_h5_shape(gb_h5 *f, const char *name, gb_h5_type type, int ndim, uint64_t shape[]);

/** Type of a dataset.
 *  Local.
 *  @return GB_ERR_IO if the dataset is missing or of no type that this program stores */
gb_err gb_h5_stored(gb_h5 *f, const char *name, gb_h5_type *type);

/** Read a whole list of integers, of whatever width and sign they are stored.
 *  Local.
 *  @param[out] v  [n]
 *  @return GB_ERR_IO if the dataset is missing, holds no integers or has another shape */
gb_err gb_h5_integers(gb_h5 *f, const char *name, size_t n, int64_t *v);

/** Is there an object of this name?
 *  Local. */
bool gb_h5_has(gb_h5 *f, const char *name);

/** Text of any length as a scalar string dataset.
 *  put: Collective over the file's communicator. get: Local; *text freed by gb_free(). */
gb_err gb_h5_put_text(gb_h5 *f, const char *name, const char *text, const char *doc);
gb_err gb_h5_get_text(gb_h5 *f, const char *name, char **text);

/** Text attribute of an object ("/" is the file).
 *  Collective over the file's communicator. */
gb_err gb_h5_note(gb_h5 *f, const char *name, const char *attribute, const char *text);

/** Text attribute of a dataset.
 *  Local.
 *  @param[out] text  appended to; freed by gb_text_free() */
gb_err gb_h5_get_note(gb_h5 *f, const char *name, const char *attribute, gb_text *text);

/** Version of the HDF5 library this program runs with.
 *  Local. */
const char *gb_h5_version(void);
