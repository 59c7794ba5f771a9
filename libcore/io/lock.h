/* io/lock.h - one run at a time in a directory: a locked file that says who holds it. */
#pragma once
#include "base/text.h"

/** Lock a file, made if it is missing, and write into it who we are: program, Slurm job, host, process, time. The
 *  kernel frees the lock of a process that ends in whatever way. Where a file system knows no locks what the file says
 *  decides: a process of this host that is no more holds nothing.
 *  Local.
 *  @param[in] patience  seconds to wait for a holder that may be about to end
 *  @param[out] before   what a dead holder left in the file is appended; freed by gb_text_free()
 *  @param[out] lock     for gb_lock_drop(); -1 after a failure
 *  @return GB_ERR_BUSY, naming the holder; GB_ERR_IO */
gb_err gb_lock_take(const char *path, const char *program, double patience, gb_text *before, int *lock);

/** Empty the file and free the lock.
 *  Local. A lock of -1 is allowed. */
void gb_lock_drop(int *lock);
