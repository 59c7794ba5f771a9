/* io/angle16.c - two loops that the compiler turns into vectors. */
#include "io/angle16.h"

#include <math.h>

void gb_angle16_encode(size_t n, const float *restrict theta, uint16_t *restrict q)
{
  for (size_t i = 0; i < n; i++) {
    double cell = ((double)theta[i] + M_PI) * (65536 / (2 * M_PI));
    cell = cell > 0 ? cell : 0; /* NaN too */
    cell = cell < 65535 ? cell : 65535;
    q[i] = (uint16_t)(int32_t)cell;
  }
}

void gb_angle16_decode(size_t n, const uint16_t *restrict q, float *restrict theta)
{
  for (size_t i = 0; i < n; i++) theta[i] = (float)(((double)q[i] + 0.5) * (2 * M_PI / 65536) - M_PI);
}
