/* base/hash.c - the only use of xxHash. */
#include "base/hash.h"

#include <stdio.h>
#include <xxhash.h>

void gb_hash_hex(const void *data, size_t n, char hex[33])
{
  XXH128_hash_t h = XXH3_128bits(data, n);
  snprintf(hex, 33, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
}

uint64_t gb_hash64(const void *data, size_t n)
{
  return XXH3_64bits(data, n);
}
