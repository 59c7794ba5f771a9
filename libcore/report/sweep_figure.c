/* report/sweep_figure.c - rate against distortion or error: points of a sweep, the Pareto front, the exact linear
 * curve.
 */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "report/plot.h"
#include "report/sweep_report.h"

enum { MOST_TITLES = 12 }; /* lines that are named in the key */

/* The axis that colours points: the second one, or the only one. */
static size_t colour_axis(const gb_sweep_report *r)
{
  return r->design.n_axes > 1 ? 1 : 0;
}

/* A text between single quotes. */
static void quoted(const char *s, gb_text *t)
{
  for (; *s; s++) gb_text_add(t, *s == '\'' ? "''" : "%c", *s);
}

/* Rates, and rows of the quantity and colour, of the points listed.
 *  @return the block; -1: it is empty */
static int points_block(const gb_sweep_report *r, gb_sweep_quantity q, gb_plot *s, size_t n, const size_t *point)
{
  const size_t axes = r->design.n_axes;
  double *x = NULL, *y = NULL;
  int block = -1;
  if (!gb_new(&x, n) && !gb_new(&y, 2 * n)) {
    for (size_t i = 0; i < n; i++) {
      x[i] = r->point[GB_SWEEP_RATE][point[i]].mean;
      y[2 * i] = isfinite(x[i]) ? r->point[q][point[i]].mean : NAN;
      y[2 * i + 1] = axes ? r->number[point[i] * axes + colour_axis(r)] : 0;
    }
    block = gb_plot_block(s, n, x, 2, y, 2);
  }
  gb_free(&x);
  gb_free(&y);
  return block;
}

static const gb_sweep_report *sorting; /* qsort has no room for it; one thread writes reports */
static int by_rate(const void *a, const void *b)
{
  double x = sorting->point[GB_SWEEP_RATE][*(const size_t *)a].mean;
  double y = sorting->point[GB_SWEEP_RATE][*(const size_t *)b].mean;
  return (x > y) - (x < y);
}

static size_t list_front(const gb_sweep_report *r, size_t *point)
{
  size_t n = 0;
  for (size_t p = 0; p < r->design.n_points; p++)
    if (r->front[p]) point[n++] = p;
  sorting = r;
  qsort(point, n, sizeof *point, by_rate);
  return n;
}

/* "objective.alpha = 0.5, ..." of all axes but that along the line. */
static void name_line(const gb_sweep_report *r, size_t first, gb_text *t)
{
  const gb_design *d = &r->design;
  gb_text value = {0};
  for (size_t k = 0; k < d->n_axes; k++) {
    if (k == colour_axis(r)) continue;
    gb_text_add(&value, "%s%s = ", value.n ? ", " : "", d->axis[k].key);
    gb_design_value(d, first, k, &value);
  }
  if (value.n) quoted(value.s, t);
  gb_text_free(&value);
}

typedef struct line {
  int block;
  size_t first;
} line;

static size_t list_lines(const gb_sweep_report *r, gb_sweep_quantity q, gb_plot *s, size_t *member, line *out)
{
  size_t n = 0;
  for (size_t p = 0; p < r->design.n_points; p++) {
    size_t m = gb_sweep_line(r, p, member);
    int block = m > 1 ? points_block(r, q, s, m, member) : -1;
    if (block >= 0) out[n++] = (line){block, p};
  }
  return n;
}

static void draw_lines(const gb_sweep_report *r, gb_plot *s, size_t n, const line *l)
{
  for (size_t i = 0; i < n; i++) {
    gb_text title = {0};
    const size_t axes = r->design.n_axes;
    name_line(r, l[i].first, &title);
    gb_plot_curve(s, l[i].block, "using 1:2 with lines lw 1.6", gb_plot_colour(r->place[l[i].first * axes]),
                  n <= MOST_TITLES && title.n ? title.s : NULL);
    gb_text_free(&title);
  }
}

/* The scale of colours: that of the axis, with its values as marks where there are few. */
static void set_colours(const gb_sweep_report *r, gb_text *t)
{
  enum { MOST_MARKS = 12 };
  const gb_axis *a = r->design.n_axes ? &r->design.axis[colour_axis(r)] : NULL;
  gb_text_add(t, "set palette defined (0 '#313695', 0.25 '#74add1', 0.45 '#fee090', 0.6 '#f46d43', 1 '#a50026')\n");
  if (!a) {
    gb_text_add(t, "unset colorbox\n");
    return;
  }
  gb_text_add(t, "set cblabel '%s' noenhanced\n%s", a->key, a->scale == GB_SCALE_LOG ? "set logscale cb\n" : "");
  if (!a->n || a->n > MOST_MARKS) return;
  gb_text_add(t, "set cbtics noenhanced (");
  for (size_t i = 0; i < a->n; i++) {
    char *end;
    double v = strtod(a->value[i], &end);
    gb_text_add(t, "%s'", i ? ", " : "");
    quoted(a->value[i], t);
    gb_text_add(t, "' %.8g", *end ? (double)i : v);
  }
  gb_text_add(t, ")\n");
}

static int by_value(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Where an axis ends: at the largest value of a trial, but training that went astray is left outside. */
static double axis_end(const gb_sweep_report *r, gb_sweep_quantity q, double *room)
{
  static const double astray = 20; /* times as far from the least one as the median */
  size_t n = 0;
  for (size_t i = 0; i < r->design.n_trials; i++)
    if (isfinite(r->value[q][i])) room[n++] = r->value[q][i];
  if (!n) return 1;
  qsort(room, n, sizeof *room, by_value);
  double limit = room[n / 2] + astray * (room[n / 2] - room[0]), most = room[n - 1];
  if (most > limit && limit > room[0]) most = limit;
  return most + 0.05 * (most - room[0]);
}

static void draw_bound(const gb_baseline *b, gb_plot *s, int block, size_t i)
{
  char how[80], title[80];
  snprintf(how, sizeof how, "using 1:2 with lines lw 1.4 dt %zu", 1 + i % 5);
  snprintf(title, sizeof title, i ? "linear, %g latents" : "linear, any latents", b->latent[i]);
  gb_plot_curve(s, block, how, "#777777", title);
}

static void set_axes(const gb_sweep_report *r, gb_sweep_quantity q, double *room, gb_text *t)
{
  bool nats = q == GB_SWEEP_DISTORTION && r->physics->ensemble;
  double rate = axis_end(r, GB_SWEEP_RATE, room);
  gb_text_add(t,
              "set key noenhanced outside right top vertical\nset xlabel 'rate: kl, nats%s'\nset ylabel '%s%s, "
              "%s'\nset xrange [0:%g]\nset yrange [*:%.8g]\n",
              r->judged.n ? " (test split)" : "", q == GB_SWEEP_DISTORTION ? "distortion: " : "", r->name[q],
              nats ? "nats" : "squared numbers", rate > 0 ? rate : 1, axis_end(r, q, room));
  set_colours(r, t);
}

static void draw_all(const gb_sweep_report *r, gb_sweep_quantity q, gb_plot *s, size_t *room, line *lines, int *bound)
{
  const gb_design *d = &r->design;
  const gb_baseline *b = &r->bound.of;
  const double *curve = gb_sweep_curve(r, q);
  size_t n = list_lines(r, q, s, room, lines), n_front = q == GB_SWEEP_DISTORTION ? list_front(r, room) : 0;
  int front = points_block(r, q, s, n_front, room);
  int trials = gb_plot_block(s, d->n_trials, r->value[GB_SWEEP_RATE], 1, r->value[q], 1);
  for (size_t p = 0; p < d->n_points; p++) room[p] = p;
  int all = points_block(r, q, s, d->n_points, room);
  for (size_t i = 0; i < b->n_curves && curve; i++)
    bound[i] = gb_plot_block(s, b->n_level, b->rate + i * b->n_level, 1, curve + i * b->n_level, 1);
  gb_plot_begin(s);
  for (size_t i = 0; i < b->n_curves && curve; i++) draw_bound(b, s, bound[i], i);
  draw_lines(r, s, n, lines);
  gb_plot_curve(s, front, "using 1:2 with lines lw 2 dt 2", "#000000", "Pareto front");
  if (d->opts.seeds > 1) gb_plot_curve(s, trials, "using 1:2 with points pt 7 ps 0.35", "#999999", "trials");
  if (all >= 0) gb_text_add(&s->t, "%s$b%d using 1:2:3 with points pt 7 ps 0.8 lc palette", s->begun ? ", " : "", all);
  s->begun = s->begun || all >= 0;
  gb_plot_end(s);
}

gb_err gb_sweep_figure(const gb_sweep_report *r, gb_sweep_quantity q, gb_text *svg)
{
  gb_plot s = {0};
  size_t *room = NULL;
  line *lines = NULL;
  int *bound = NULL;
  double *values = NULL;
  gb_err e = gb_new(&values, r->design.n_trials);
  if (!e) e = gb_new(&room, r->design.n_points);
  if (!e) e = gb_new(&lines, r->design.n_points);
  if (!e) e = gb_new(&bound, r->bound.of.n_curves);
  if (!e) {
    gb_text_add(&s.t, "%s", gb_plot_style());
    set_axes(r, q, values, &s.t);
    draw_all(r, q, &s, room, lines, bound);
    e = gb_plot_draw(&s, r->run, 1080, 560, svg);
  }
  gb_free(&values);
  gb_free(&room);
  gb_free(&lines);
  gb_free(&bound);
  return e;
}
