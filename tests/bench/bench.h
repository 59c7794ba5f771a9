/* tests/bench/bench.h - alternating rounds of two bodies, and one JSON object per result. */
#pragma once
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

enum { BENCH_ROUNDS = 9 };

typedef struct bench_side {
  double best, median; /* of the rates */
} bench_side;

static int bench_compare(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static inline bench_side bench_sort(double *rate, int n)
{
  qsort(rate, (size_t)n, sizeof *rate, bench_compare);
  return (bench_side){rate[n - 1], rate[n / 2]};
}

/* Work per second of two bodies, measured in turn, so that a drifting clock meets both. A body does its work and
 * returns how much it did. */
static inline void bench_alternate(double (*ours)(void *), void *a, double (*other)(void *), void *b, bench_side out[2])
{
  double rate[2][BENCH_ROUNDS];
  ours(a); /* warm */
  if (other) other(b);
  for (int r = 0; r < BENCH_ROUNDS; r++)
    for (int k = 0; k < 2; k++) {
      if (k == 1 && !other) continue;
      double begin = gb_clock_now(), work = k ? other(b) : ours(a);
      rate[k][r] = work / (gb_clock_now() - begin);
    }
  out[0] = bench_sort(rate[0], BENCH_ROUNDS);
  if (other) out[1] = bench_sort(rate[1], BENCH_ROUNDS);
}

/* value: median rate; ratio: of the medians, or 0 if there is no other side; gate: least ratio wanted, 0: none set. */
static inline void bench_print(const char *name, const char *unit, const bench_side *ours, const char *against,
                               const bench_side *other, double gate)
{
  double ratio = other ? ours->median / other->median : 0;
  printf("{\"name\": \"%s\", \"value\": %.6g, \"best\": %.6g, \"unit\": \"%s\", ", name, ours->median, ours->best,
         unit);
  if (other)
    printf("\"against\": \"%s\", \"other\": %.6g, \"other_best\": %.6g, \"ratio\": %.4g, ", against, other->median,
           other->best, ratio);
  else
    printf("\"against\": null, \"ratio\": null, ");
  if (gate > 0 && other)
    printf("\"gate\": %g, \"pass\": %s}\n", gate, ratio >= gate ? "true" : "false");
  else
    printf("\"gate\": null, \"pass\": null}\n");
  fflush(stdout);
}
