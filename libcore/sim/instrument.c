/* sim/instrument.c - gain, offset and drift. */
#include "sim/instrument.h"

#include <math.h>

gb_err gb_instrument_check(const char *section, const gb_instrument *o)
{
  const gb_reals range[] = {o->gain, o->offset, o->drift};
  static const char *const name[] = {"gain", "offset", "drift"};
  char key[64];
  for (int k = 0; k < GB_INSTRUMENT_NUMBERS; k++) {
    snprintf(key, sizeof key, "%s.%s", section, name[k]);
    GB_TRY(gb_range_check(key, range[k]));
  }
  return GB_OK;
}

void gb_instrument_draw(const gb_instrument *o, uint64_t seed, uint64_t row, uint32_t which,
                        double out[GB_INSTRUMENT_NUMBERS])
{
  const gb_reals range[] = {o->gain, o->offset, o->drift};
  for (uint32_t k = 0; k < GB_INSTRUMENT_NUMBERS; k++) out[k] = gb_row_draw(seed, row, which + k, range[k]);
}

void gb_instrument_show(const gb_instrument *o, const double drawn[GB_INSTRUMENT_NUMBERS], size_t frames, size_t seen,
                        double interval, double *x)
{
  for (size_t k = 0; k < frames; k++) {
    double come = -expm1(-(double)k * interval / o->drift_time);
    double dark = drawn[GB_INSTRUMENT_OFFSET] + drawn[GB_INSTRUMENT_DRIFT] * come;
    for (size_t i = 0; i < seen; i++) x[k * seen + i] = drawn[GB_INSTRUMENT_GAIN] * x[k * seen + i] + dark;
  }
}
