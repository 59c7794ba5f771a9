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
