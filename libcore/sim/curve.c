/* sim/curve.c - maxima that stand out, and what follows from them. */
#include "sim/curve.h"

#include <math.h>
#include <stdbool.h>

const char *const gb_behaviour_name[GB_BEHAVIOURS] = {"steady", "damped", "sustained", "sigmoid"};

typedef struct curve {
  size_t n, stride;
  const double *x;
} curve;

static double at(const curve *c, size_t i)
{
  return c->x[i * c->stride];
}

static void range(const curve *c, size_t first, double *least, double *most)
{
  *least = *most = at(c, first);
  for (size_t i = first; i < c->n; i++) {
    *least = fmin(*least, at(c, i));
    *most = fmax(*most, at(c, i));
  }
}

/* The extremum near sample i, of the parabola through it and its neighbours. */
static double extremum(const curve *c, size_t i, double *place)
{
  *place = (double)i;
  if (i == 0 || i + 1 >= c->n) return at(c, i);
  double a = at(c, i - 1), b = at(c, i), d = at(c, i + 1), bend = a - 2 * b + d, slope = (d - a) / 2;
  if (bend == 0 || fabs(slope) > fabs(bend)) return b;
  *place -= slope / bend;
  return b - slope * slope / (2 * bend);
}

/* Extrema that stand out by h: how many maxima, where the outer ones are, how high, and the minima next to them. */
typedef struct swings {
  size_t n, n_minimum; /* minima after the first maximum */
  double first_place, last_place, first_top, last_top, first_bottom, last_bottom;
} swings;

static void add_maximum(const curve *c, swings *s, size_t i)
{
  s->last_top = extremum(c, i, &s->last_place);
  if (s->n++ > 0) return;
  s->first_top = s->last_top;
  s->first_place = s->last_place;
}

static void add_minimum(const curve *c, swings *s, size_t i)
{
  double place;
  s->last_bottom = extremum(c, i, &place);
  if (s->n > 0 && s->n_minimum++ == 0) s->first_bottom = s->last_bottom;
}

static swings find_swings(const curve *c, size_t first, double h)
{
  swings s = {0};
  size_t top = first, bottom = first;
  bool rising = false, falling = false;
  for (size_t i = first; i < c->n; i++) {
    double v = at(c, i);
    if (v > at(c, top)) top = i;
    if (v < at(c, bottom)) bottom = i;
    if (!falling && at(c, top) - v > h) {
      if (rising) add_maximum(c, &s, top);
      falling = true;
      rising = false;
      bottom = i;
    } else if (!rising && v - at(c, bottom) > h) {
      if (falling) add_minimum(c, &s, bottom);
      rising = true;
      falling = false;
      top = i;
    }
  }
  return s;
}

/* From least to most of samples [first, end), where extrema between samples count. */
static double height(const curve *c, size_t first, size_t end)
{
  double least = at(c, first), most = least, place;
  for (size_t i = first; i < end; i++) {
    bool inside = i > first && i + 1 < end;
    bool top = inside && at(c, i) >= at(c, i - 1) && at(c, i) >= at(c, i + 1);
    bool bottom = inside && at(c, i) <= at(c, i - 1) && at(c, i) <= at(c, i + 1);
    double v = top || bottom ? extremum(c, i, &place) : at(c, i);
    least = fmin(least, v);
    most = fmax(most, v);
  }
  return most - least;
}

/* How much of its swing a curve keeps: with a maximum or two in each of the last two thirds, by their heights, as
 * single maxima depend on where samples fall; else from the first swing to the last. */
static double keeps(const curve *c, const swings *s)
{
  enum { SEVERAL = 4 };
  if (s->n >= SEVERAL) return height(c, 2 * c->n / 3, c->n) / height(c, c->n / 3, 2 * c->n / 3);
  return (s->last_top - s->last_bottom) / (s->first_top - s->first_bottom);
}

/* Monotonic, and slower at both ends than in between. */
static bool is_sigmoid(const curve *c, double span)
{
  size_t end = c->n / 50 + 1;
  double way = 0, fastest = 0;
  if (c->n < 8) return false;
  for (size_t i = 0; i + 1 < c->n; i++) way += fabs(at(c, i + 1) - at(c, i));
  for (size_t i = 0; i + end < c->n; i++) fastest = fmax(fastest, fabs(at(c, i + end) - at(c, i)));
  return way < 1.05 * span && fabs(at(c, c->n - 1) - at(c, 0)) > 0.9 * span &&
         fabs(at(c, end) - at(c, 0)) <= fastest / 2 && fabs(at(c, c->n - 1) - at(c, c->n - 1 - end)) <= fastest / 2;
}

gb_curve gb_curve_describe_above(size_t n, size_t stride, const double *x, double interval, double least_swing)
{
  const double sustained = 0.9, stands_out = 0.05, visible = 1e-4;
  curve c = {n, stride, x};
  double least, most, low, high;
  range(&c, 0, &least, &most);
  range(&c, n / 3, &low, &high);
  gb_curve out = {GB_CURVE_STEADY, 0, most - least};
  if (high - low > visible * (most - least) && high - low > 1e-6 * fmax(fabs(high), fabs(low))) {
    swings s = find_swings(&c, n / 3, fmax(stands_out * (high - low), least_swing));
    if (s.n >= 2) {
      out.behaviour = keeps(&c, &s) >= sustained ? GB_CURVE_SUSTAINED : GB_CURVE_DAMPED;
      out.period = (s.last_place - s.first_place) / (double)(s.n - 1) * interval;
      out.amplitude = s.last_top - s.last_bottom;
      return out;
    }
  }
  if (is_sigmoid(&c, most - least)) out.behaviour = GB_CURVE_SIGMOID;
  return out;
}

gb_curve gb_curve_describe(size_t n, size_t stride, const double *x, double interval)
{
  return gb_curve_describe_above(n, stride, x, interval, 0);
}

void gb_curve_numbers(const gb_curve *c, double out[GB_CURVE_NUMBERS])
{
  out[GB_CURVE_BEHAVIOUR] = c->behaviour;
  out[GB_CURVE_PERIOD] = c->period;
  out[GB_CURVE_AMPLITUDE] = c->amplitude;
}
