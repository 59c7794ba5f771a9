/* report/paths.c - lines in latent space: which, their decodes, and numbers of those. */
#include "report/paths.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "report/wave.h"

const char *const gb_stop_name[GB_STOP_NUMBERS] = {"behaviour", "period",    "amplitude", "swing",
                                                   "bin",       "frequency", "first",     "last"};

typedef struct work {
  gb_trained *m;
  gb_dataset *data;
  const double *mean;
  size_t width, frames, seen;
  size_t latents[3];                      /* of parameters, inside, after */
  gb_real *z[3];                          /* one of each */
  float *x, *ends;                        /* [width], [2, width] */
  double *curve, *blend, *swings, *apart; /* [GB_STOPS, frames] twice, [frames] twice */
} work;

/* The next row after `from`, in a circle, whose class is another one, or the same. False: there is none. */
static bool partner(size_t rows, const double *class, size_t from, bool alike, size_t *to)
{
  for (size_t d = 1; d < rows; d++) {
    *to = (from + d) % rows;
    if (((size_t) class[*to] == (size_t) class[from]) == alike) return true;
  }
  return false;
}

/* On the line between two latents; what does not start from latents starts from the mean of both samples, weighed
 * alike. */
static gb_err decode(work *w, const gb_path *p)
{
  uint64_t row[2] = {p->from, p->to};
  size_t all = w->latents[0] + w->latents[1] + w->latents[2];
  const double *a = w->mean + p->from * all, *b = w->mean + p->to * all;
  GB_TRY(gb_dataset_read(w->data, GB_TEST, 2, row, w->ends));
  for (size_t s = 0; s < GB_STOPS; s++) {
    double t = (double)s / (GB_STOPS - 1);
    for (size_t i = 0; i < w->width; i++)
      w->x[i] = (float)((1 - t) * (double)w->ends[i] + t * (double)w->ends[w->width + i]);
    for (size_t q = 0, at = 0; q < 3; q++)
      for (size_t j = 0; j < w->latents[q]; j++, at++) w->z[q][j] = (gb_real)((1 - t) * a[at] + t * b[at]);
    GB_TRY(gb_hybrid_decode(w->m->built.hybrid, 1, w->x, w->z[0], w->z[1], w->z[2]));
    const gb_real *y = gb_hybrid_look(w->m->built.hybrid).decode[GB_DECODE_PAB];
    for (size_t f = 0; f < w->frames; f++) w->curve[s * w->frames + f] = (double)y[f * w->seen + w->seen / 2];
  }
  return GB_OK;
}

static gb_err swing_of(work *w, const double *x, double *out)
{
  GB_TRY(gb_wave_rest(w->frames, x, w->swings));
  *out = gb_wave_range(w->frames, w->swings);
  return GB_OK;
}

/* Towards where it swings less. */
static gb_err orient(work *w, gb_path *p)
{
  double first = 0, last = 0;
  GB_TRY(swing_of(w, w->curve, &first));
  GB_TRY(swing_of(w, w->curve + (GB_STOPS - 1) * w->frames, &last));
  p->turned = first < last;
  for (size_t s = 0, r = GB_STOPS - 1; first < last && s < r; s++, r--)
    for (size_t f = 0; f < w->frames; f++) {
      double *a = &w->curve[s * w->frames + f], *b = &w->curve[r * w->frames + f], v = *a;
      *a = *b;
      *b = v;
    }
  return GB_OK;
}

static gb_err describe(work *w, size_t s, double *out)
{
  size_t n = w->frames;
  const double *x = w->curve + s * n, *end = w->curve + (GB_STOPS - 1) * n;
  gb_curve c = gb_curve_describe(n, 1, x, w->m->sim.dims.frame_time);
  GB_TRY(swing_of(w, x, &out[GB_STOP_SWING]));
  gb_wave_apart(n, x, end, w->apart);
  out[GB_STOP_BEHAVIOUR] = c.behaviour;
  out[GB_STOP_PERIOD] = c.period;
  out[GB_STOP_AMPLITUDE] = c.amplitude;
  out[GB_STOP_BIN] = (double)gb_wave_bin(n, w->swings);
  out[GB_STOP_FREQUENCY] = x == end ? NAN : gb_wave_frequency(n, w->apart);
  out[GB_STOP_FIRST] = x[0];
  out[GB_STOP_LAST] = x[n - 1];
  return GB_OK;
}

/* The part of a path on which a number stays near where it began. */
static double stays(const double *v, size_t stride, double within)
{
  size_t same = 0;
  while (same + 1 < GB_STOPS && fabs(v[(same + 1) * stride] - v[0]) <= within) same++;
  return (double)same / (GB_STOPS - 1);
}

/* How long the bin stays if the curves at both ends are mixed. */
static gb_err blend(work *w, gb_path *p)
{
  double bin[GB_STOPS];
  for (size_t s = 0; s < GB_STOPS; s++) {
    double t = (double)s / (GB_STOPS - 1);
    for (size_t f = 0; f < w->frames; f++)
      w->blend[f] = (1 - t) * w->curve[f] + t * w->curve[(GB_STOPS - 1) * w->frames + f];
    GB_TRY(gb_wave_rest(w->frames, w->blend, w->swings));
    bin[s] = (double)gb_wave_bin(w->frames, w->swings);
  }
  p->blended = stays(bin, 1, 0);
  return GB_OK;
}

static gb_err make(work *w, gb_path *p)
{
  double swing[GB_STOPS];
  GB_TRY(decode(w, p));
  GB_TRY(orient(w, p));
  for (size_t s = 0; s < GB_STOPS; s++) {
    GB_TRY(describe(w, s, p->stop[s]));
    swing[s] = p->stop[s][GB_STOP_SWING];
  }
  p->trend = gb_wave_trend(GB_STOPS, swing);
  p->kept = stays(&p->stop[0][GB_STOP_BIN], GB_STOP_NUMBERS, 0);
  p->steady = stays(&p->stop[0][GB_STOP_FREQUENCY], GB_STOP_NUMBERS, 0.5);
  return blend(w, p);
}

static gb_err open_work(work *w)
{
  gb_hybrid_view v = gb_hybrid_look(w->m->built.hybrid);
  const gb_dims *d = &w->m->sim.dims;
  w->width = d->n;
  w->frames = d->frames;
  w->seen = d->seen;
  w->latents[0] = v.n_parameter;
  w->latents[1] = v.n_inside;
  w->latents[2] = v.n_after;
  for (int q = 0; q < 3; q++) GB_TRY(gb_new(&w->z[q], w->latents[q]));
  GB_TRY(gb_new(&w->x, 3 * w->width));
  w->ends = w->x + w->width;
  GB_TRY(gb_new(&w->curve, (GB_STOPS + 3) * w->frames));
  w->blend = w->curve + GB_STOPS * w->frames;
  w->swings = w->blend + w->frames;
  w->apart = w->swings + w->frames;
  return GB_OK;
}

static void close_work(work *w)
{
  for (int q = 0; q < 3; q++) gb_free(&w->z[q]);
  gb_free(&w->x);
  gb_free(&w->curve);
}

static void swap_ends(gb_path *p)
{
  size_t from = p->from;
  p->from = p->to;
  p->to = from;
}

/* Path i is made by rank i mod size. */
gb_err gb_paths_decode(gb_comm c, gb_trained *m, gb_dataset *data, const double *mean, const double *class, bool alike,
                       gb_paths *out)
{
  work w = {.m = m, .data = data, .mean = mean};
  size_t rows = gb_dataset_rows(data, GB_TEST), one = GB_STOPS * m->sim.dims.frames, to;
  *out = (gb_paths){0};
  for (size_t i = 0; i < rows && out->n < GB_PAIRS; i++)
    if (partner(rows, class, i, alike, &to)) out->of[out->n++] = (gb_path){.from = i, .to = to};
  gb_err e = gb_new(&out->curve, GB_SHOWN_PAIRS * one);
  if (!e) e = open_work(&w);
  for (size_t i = (size_t)c.rank; i < out->n && !e; i += (size_t)c.size) {
    e = make(&w, &out->of[i]);
    if (i < GB_SHOWN_PAIRS) memcpy(out->curve + i * one, w.curve, one * sizeof *w.curve);
  }
  close_work(&w);
  GB_TRY(gb_comm_agree(c, e));
  for (size_t i = 0; i < out->n; i++) {
    gb_path *p = &out->of[i];
    gb_comm_merge(c, &p->turned, (sizeof *p - offsetof(gb_path, turned)) / sizeof(double));
    if (p->turned > 0) swap_ends(p);
  }
  gb_comm_merge(c, out->curve, GB_SHOWN_PAIRS * one);
  return GB_OK;
}

void gb_paths_free(gb_paths *p)
{
  gb_free(&p->curve);
  p->n = 0;
}
