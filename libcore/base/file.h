/* base/file.h - files that are whole or absent. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/** The whole content of a regular file, with a 0 after it.
 *  Local.
 *  @param[out] text   freed by gb_free()
 *  @return GB_ERR_IO if it cannot be read, is no regular file or has more than `limit` bytes */
gb_err gb_file_read(const char *path, size_t limit, char **text, size_t *n);

/** Write a file so that it is either the old one or the whole new one: path.part, fsync, rename, fsync of the
 * folder. Local.
 *  @return GB_ERR_IO */
gb_err gb_file_write(const char *path, const char *s, size_t n);

/** Make a finished file permanent under its name: fsync(part), rename to path, fsync of the folder.
 *  Local.
 *  @return GB_ERR_IO */
gb_err gb_file_commit(const char *part, const char *path);

/** The same, and a file that had the name before gets the name `kept`, whatever had that. A crash may leave no file
 *  under `path`, but never neither of them.
 *  Local.
 *  @return GB_ERR_IO */
gb_err gb_file_commit_keeping(const char *part, const char *path, const char *kept);

/** Give a file, made if it is missing, room on the disk for so many bytes, without changing its size: later writes of
 *  them cannot fail for want of room. Where the file system cannot do that, at least so much must be free now.
 *  Local.
 *  @return GB_ERR_IO */
gb_err gb_file_reserve(const char *path, uint64_t bytes);

/** Give back the room beyond the end of a file. What cannot be given back stays: no failure.
 *  Local. */
void gb_file_trim(const char *path);

/** Put a line with the checksum of all bytes of a file behind its end, where HDF5, for one, does not look. It protects
 *  readers that cannot bear damage: a changed byte in the structure of an HDF5 file can crash the library. Files of
 * more than 4 GiB stay as they are: reading them once more would take too long (samples have checksums of their own).
 *  Local.
 *  @return GB_ERR_IO */
gb_err gb_file_seal(const char *path);

/** Compare a file with the line that gb_file_seal() put behind it; a file without one passes.
 *  Local.
 *  @return GB_ERR_IO if the file is damaged or cannot be read */
gb_err gb_file_check_seal(const char *path);

/** The same for a file that must have such a line, unless it is too long for one: one that was cut short has none.
 *  Local.
 *  @return GB_ERR_IO */
gb_err gb_file_sealed(const char *path);

/** mkdir -p.
 *  Local.
 *  @return GB_ERR_IO */
gb_err gb_file_make_folder(const char *path);
