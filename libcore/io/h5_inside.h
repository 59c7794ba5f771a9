/* io/h5_inside.h - what h5.c and h5_query.c share, and nobody else includes. */
#pragma once
#include <hdf5.h>
#include <limits.h>

#include "base/task.h"
#include "io/h5.h"

struct gb_h5 {
  gb_comm c;
  hid_t file, transfer; /* transfer: collective if there is more than one rank */
  char path[PATH_MAX], part[PATH_MAX];
  bool writing;
  uint64_t wanted, reserved; /* bytes of all datasets; that the disk keeps for the part */
  gb_task task;              /* the batch on its way, see gb_h5_write_start() */
  gb_h5_batch batch;
  gb_h5_want want;
};

/** Wait for the thread that writes or reads, if there is one: HDF5 knows no threads.
 *  Local. */
void gb_h5_settle(void);

/** A failure of HDF5, with its innermost message; `name` may be NULL.
 *  Local.
 *  @return GB_ERR_IO */
gb_err gb_h5_failed(const gb_h5 *f, const char *what, const char *name);

/** The HDF5 type of elements in a file.
 *  Local. */
hid_t gb_h5_stored_type(gb_h5_type type);

/* An open dataset, what is selected in it, and the memory that matches. */
typedef struct gb_h5_selection {
  hid_t set, file, memory;
  int ndim;
  hsize_t shape[GB_H5_NDIM];
} gb_h5_selection;

/** Open a dataset of which these blocks are to be read or written; closed by gb_h5_drop(), also after a failure.
 *  Local.
 *  @return GB_ERR_IO if it is missing or does not hold a block */
gb_err gb_h5_open_set(gb_h5 *f, const char *name, size_t n, const gb_h5_block block[], gb_h5_selection *s);
void gb_h5_drop(gb_h5_selection *s);

/** The type of an open dataset.
 *  Local.
 *  @return GB_ERR_IO if this program stores no such type */
gb_err gb_h5_known_type(gb_h5 *f, const gb_h5_selection *s, const char *name, gb_h5_type *type);

/** Fail unless it is this type.
 *  Local. */
gb_err gb_h5_check_type(gb_h5 *f, hid_t set, const char *name, gb_h5_type type);
