/* base/hash.c - the only use of xxHash. */
#include "base/hash.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/watch.h"

static void print(XXH128_hash_t h, char hex[33])
{
  snprintf(hex, 33, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
}

void gb_hash_hex(const void *data, size_t n, char hex[33])
{
  print(XXH3_128bits(data, n), hex);
}

int gb_hash_file(int fd, size_t n, char hex[33])
{
  static _Thread_local char buffer[1 << 18];
  XXH3_state_t *state = XXH3_createState();
  if (!state) return ENOMEM;
  int error = 0;
  XXH3_128bits_reset(state);
  for (size_t done = 0; done < n && !error;) {
    size_t want = n - done < sizeof buffer ? n - done : sizeof buffer;
    ssize_t got = pread(fd, buffer, want, (off_t)done);
    if (got > 0) {
      XXH3_128bits_update(state, buffer, (size_t)got);
      done += (size_t)got;
      GB_BEAT();
    } else if (got == 0 || errno != EINTR) {
      error = got ? errno : EIO;
    }
  }
  print(XXH3_128bits_digest(state), hex);
  XXH3_freeState(state);
  return error;
}

uint64_t gb_hash64(const void *data, size_t n)
{
  return XXH3_64bits(data, n);
}
