/* unit/bits.h - floats as the integers that have the same bits. */
#pragma once
#include <stdint.h>
#include <string.h>

static inline float from_bits(uint32_t bits)
{
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static inline uint32_t to_bits(float x)
{
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
