/* base/generations.h - a sealed file (base/file.h) and the one that had its name before: if one is damaged, the other
 * takes its place. */
#pragma once
#include <limits.h>

#include "base/text.h"

/** The name of the generation before: "run/checkpoint.prev.h5" of "run/checkpoint.h5".
 *  Local. */
void gb_generations_before(const char *path, char name[PATH_MAX]);

/** Look whether a file is whole. If it is not, or missing after a crash, the generation before takes its name, and the
 *  damaged file is kept as "run/checkpoint.damaged.h5". A damaged file without one before it is left to its reader, who
 *  knows more.
 *  Local.
 *  @param[out] told  what was done, if anything, is appended; freed by gb_text_free()
 *  @return GB_ERR_IO if both are damaged; nothing was touched then */
gb_err gb_generations_recover(const char *path, gb_text *told);
