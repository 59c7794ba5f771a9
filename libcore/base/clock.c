/* base/clock.c - POSIX clocks. */
#include "base/clock.h"

#include <time.h>

double gb_clock_now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *gb_clock_utc(char buffer[24])
{
  time_t now = time(NULL);
  struct tm parts;
  gmtime_r(&now, &parts);
  strftime(buffer, 24, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return buffer;
}
