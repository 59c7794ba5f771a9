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

/* Of the Fourier transform, squared; frequency: periods in the sample. */
static double strength(size_t n, const double *x, double frequency)
{
  double c = 0, s = 0;
  for (size_t i = 0; i < n; i++) {
    double phase = 2 * M_PI * frequency * (double)i / (double)n;
    c += x[i] * cos(phase);
    s += x[i] * sin(phase);
  }
  return c * c + s * s;
}

/* The strongest of `count` frequencies. */
static double strongest(size_t n, const double *x, double first, double step, size_t count)
{
  double best = first, most = -1;
  for (size_t k = 0; k < count; k++) {
    double at = first + (double)k * step, v = strength(n, x, at);
    if (v <= most) continue;
    most = v;
    best = at;
  }
  return best;
}

size_t gb_wave_bin(size_t n, const double *x)
{
  return (size_t)strongest(n, x, 1, 1, n / 2);
}

double gb_wave_frequency(size_t n, const double *x)
{
  double near = strongest(n, x, 0.5, 0.5, n - 1), low = fmax(near - 0.5, 0.5), high = fmin(near + 0.5, (double)n / 2);
  return strongest(n, x, low, 1. / 16, (size_t)lrint(16 * (high - low)) + 1);
}

void gb_wave_apart(size_t n, const double *x, const double *other, double *apart)
{
  double mx = 0, mo = 0, xo = 0, oo = 0;
  for (size_t i = 0; i < n; i++) {
    mx += x[i] / (double)n;
    mo += other[i] / (double)n;
  }
  for (size_t i = 0; i < n; i++) {
    xo += (x[i] - mx) * (other[i] - mo);
    oo += (other[i] - mo) * (other[i] - mo);
  }
  for (size_t i = 0; i < n; i++) apart[i] = x[i] - mx - (oo > 0 ? xo / oo : 0) * (other[i] - mo);
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
