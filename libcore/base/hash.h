/* base/hash.h - checksums of what is stored (xxHash: fast and well tested, not cryptographic). */
#pragma once
#include <stddef.h>
#include <stdint.h>

/** 128-bit xxHash (XXH3) of n bytes as 32 hexadecimal digits.
 *  Local. */
void gb_hash_hex(const void *data, size_t n, char hex[33]);

/** 64-bit xxHash (XXH3) of n bytes.
 *  Local. */
uint64_t gb_hash64(const void *data, size_t n);

/** As gb_hash_hex() of the first n bytes of an open file.
 *  Local.
 *  @return 0, or why it cannot be read (errno; EIO if it is shorter) */
int gb_hash_file(int fd, size_t n, char hex[33]);
