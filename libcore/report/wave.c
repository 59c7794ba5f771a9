/* report/wave.c - numbers of curves. */
#include "report/wave.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

/* The nearest rising curve of sign * x, in blocks of equal values. Returns the squared distance. */
static double rising(size_t n, const double *x, double sign, double *mean, double *count, double *rest)
{
  size_t blocks = 0, at = 0;
  double square = 0;
  for (size_t i = 0; i < n; i++) {
    mean[blocks] = sign * x[i];
    count[blocks++] = 1;
    while (blocks > 1 && mean[blocks - 2] > mean[blocks - 1]) {
      double both = count[blocks - 2] + count[blocks - 1];
      mean[blocks - 2] += (mean[blocks - 1] - mean[blocks - 2]) * count[blocks - 1] / both;
      count[blocks - 2] = both;
      blocks--;
    }
  }
  for (size_t b = 0; b < blocks; b++)
    for (size_t k = (size_t)count[b]; k > 0; k--, at++) {
      rest[at] = x[at] - sign * mean[b];
      square += rest[at] * rest[at];
    }
  return square;
}

gb_err gb_wave_rest(size_t n, const double *x, double *rest)
{
  double *room = NULL;
  GB_TRY(gb_new(&room, 3 * n));
  double up = rising(n, x, 1, room, room + n, rest);
  double down = rising(n, x, -1, room, room + n, room + 2 * n);
  if (down < up) memcpy(rest, room + 2 * n, n * sizeof *rest);
  gb_free(&room);
  return GB_OK;
}

double gb_wave_range(size_t n, const double *x)
{
  double least = INFINITY, most = -INFINITY;
  for (size_t i = 0; i < n; i++) {
    least = fmin(least, x[i]);
    most = fmax(most, x[i]);
  }
  return most - least;
}

size_t gb_wave_bin(size_t n, const double *x)
{
  size_t strongest = 1;
  double most = -1;
  for (size_t k = 1; k <= n / 2; k++) {
    double c = 0, s = 0;
    for (size_t i = 0; i < n; i++) {
      double phase = 2 * M_PI * (double)(k * i % n) / (double)n;
      c += x[i] * cos(phase);
      s += x[i] * sin(phase);
    }
    if (c * c + s * s <= most) continue;
    most = c * c + s * s;
    strongest = k;
  }
  return strongest;
}

double gb_wave_trend(size_t n, const double *x)
{
  double middle = ((double)n - 1) / 2, xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < n; i++) {
    double rank = -0.5;
    for (size_t k = 0; k < n; k++) rank += x[k] < x[i] ? 1 : x[k] > x[i] ? 0 : 0.5;
    double u = (double)i - middle, v = rank - middle;
    xx += u * u;
    yy += v * v;
    xy += u * v;
  }
  return yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

double gb_wave_r2(double n, double sse, double sum, double square)
{
  return 1 - sse / (square - sum * sum / n);
}
