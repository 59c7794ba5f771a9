/* base/mem.h - memory that is zeroed, aligned for vectors and counted. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define GB_ALIGN 64 /* bytes: a cache line, and an AVX-512 vector */

/** n zeroed elements of `size` bytes, aligned to GB_ALIGN.
 *  Local. Freed by gb_free() only.
 *  @return NULL if n * size overflows or there is no memory; n = 0 gives a valid block */
void *gb_alloc(size_t n, size_t size);

/** A copy of a string.
 *  Local. Freed by gb_free().
 *  @return NULL if there is no memory or s is NULL */
char *gb_strdup(const char *s);

/** Free the block and set the caller's pointer to NULL: `gb_free(&p)`.
 *  Local. NULL is allowed. */
#define gb_free(pp)                                                                                                    \
  do {                                                                                                                 \
    gb_release((void *)*(pp));                                                                                         \
    *(pp) = NULL;                                                                                                      \
  } while (0)
void gb_release(void *p);

/** Blocks allocated and not freed; a test ends with 0.
 *  Local. */
int64_t gb_mem_live(void);

/** Bytes now in use, and the highest value so far.
 *  Local. */
size_t gb_mem_bytes(void);
size_t gb_mem_peak(void);

/** Allocate n zeroed elements of the type *pp points at: `GB_TRY(gb_new(&rows, n))`.
 *  Local.
 *  @return GB_ERR_MEMORY, naming the pointer and its size */
#define gb_new(pp, n) gb_new_named((pp), (n), sizeof **(pp), #pp)
gb_err gb_new_named(void *pp, size_t n, size_t size, const char *name);
