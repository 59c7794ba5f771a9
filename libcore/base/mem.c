/* base/mem.c - a counting layer over aligned_alloc(). */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 1 << 21 };

static int64_t live;
static size_t bytes, peak;

/* The size of a block is kept one alignment unit before it. */
static size_t *header(void *p)
{
  return (size_t *)((char *)p - GB_ALIGN);
}

void *gb_alloc(size_t n, size_t size)
{
  size_t total;
  if (__builtin_mul_overflow(n, size, &total)) return NULL;
  if (total > PTRDIFF_MAX - 2 * (size_t)HUGE_PAGE) return NULL;
  size_t padded = (total + GB_ALIGN - 1) / GB_ALIGN * GB_ALIGN, huge = 2 * HUGE_PAGE;
  size_t unit = total < huge ? (size_t)GB_ALIGN : (size_t)HUGE_PAGE;
  size_t room = (padded + GB_ALIGN + unit - 1) / unit * unit;
  char *raw = aligned_alloc(unit, room);
  if (!raw) return NULL;
  if (unit == HUGE_PAGE)
    madvise(raw, room, MADV_HUGEPAGE); /* fewer misses of the page table's cache; no matter if not */
  void *p = raw + GB_ALIGN;
  memset(p, 0, padded);
  *header(p) = total;
  live++;
  bytes += total;
  if (bytes > peak) peak = bytes;
  return p;
}

char *gb_strdup(const char *s)
{
  if (!s) return NULL;
  size_t n = strlen(s) + 1;
  char *copy = gb_alloc(n, 1);
  return copy ? memcpy(copy, s, n) : NULL;
}

void gb_release(void *p)
{
  if (!p) return;
  live--;
  bytes -= *header(p);
  free((char *)p - GB_ALIGN);
}

int64_t gb_mem_live(void)
{
  return live;
}

size_t gb_mem_bytes(void)
{
  return bytes;
}

size_t gb_mem_peak(void)
{
  return peak;
}

gb_err gb_new_named(void *pp, size_t n, size_t size, const char *name)
{
  void *p = gb_alloc(n, size);
  memcpy(pp, &p, sizeof p);
  GB_CHECK(p, GB_ERR_MEMORY,
           "no memory for %s: %zu elements of %zu bytes. Use more ranks or nodes, or a smaller problem.",
           name + (name[0] == '&'), n, size);
  return GB_OK;
}
