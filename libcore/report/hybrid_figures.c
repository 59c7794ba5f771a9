/* report/hybrid_figures.c - figures of a report on grey-box VAEs. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "report/hybrid_report.h"
#include "report/plot.h"
#include "report/tiles.h"

enum { MOST_COLUMNS = 6, TRAJECTORIES = 3 }; /* panels side by side; rows shown */

static const gb_hybrid_member *first_of(const gb_hybrid_report *r, const gb_hybrid_group *g)
{
  return &r->member[g->member[0]];
}

static gb_plot begin(const char *more)
{
  gb_plot s = {0};
  gb_text_add(&s.t, "%sset key noenhanced\n%s", gb_plot_style(), more);
  return s;
}

/* Numbers over time, `stride` apart. */
static int curve(gb_plot *s, double frame_time, size_t frames, size_t stride, const double *y)
{
  gb_text_add(&s->t, "$b%d << EOD\n", s->blocks);
  for (size_t k = 0; k < frames; k++) gb_text_add(&s->t, "%.6g %.6g\n", (double)k * frame_time, y[k * stride]);
  gb_text_add(&s->t, "EOD\n");
  return s->blocks++;
}

gb_err gb_hybrid_figure_parameters(const gb_hybrid_report *r, gb_text *svg)
{
  enum { MOST_POINTS = 1000 };
  gb_plot s = begin("set size square\nset xtics rotate by -40\n");
  size_t shown[MOST_COLUMNS], n = 0, rows = 0;
  for (size_t k = 0; k < r->n_groups && n < MOST_COLUMNS; k++) {
    if (!gb_hybrid_has_parameters(r, &r->group[k])) continue;
    shown[n++] = k;
    size_t m = first_of(r, &r->group[k])->a.n_parameter;
    rows = m > rows ? m : rows;
  }
  gb_text_add(&s.t, "set multiplot layout %zu,%zu\n", rows, n);
  for (size_t j = 0; j < rows; j++)
    for (size_t i = 0; i < n; i++) {
      const gb_hybrid_group *g = &r->group[shown[i]];
      const gb_hybrid_assessment *a = &first_of(r, g)->a;
      size_t points = a->n < MOST_POINTS ? a->n : MOST_POINTS;
      if (j >= a->n_parameter) {
        gb_text_add(&s.t, "set multiplot next\n");
        continue;
      }
      gb_text_add(&s.t, "$p << EOD\n");
      for (size_t k = 0; k < points; k++)
        gb_text_add(&s.t, "%.4g %.4g\n", a->truth[k * a->n_parameter + j], a->inferred[k * a->n_parameter + j]);
      gb_text_add(&s.t,
                  "EOD\nset title '%s' noenhanced\nset xlabel '%s, true' noenhanced\nset ylabel 'inferred' offset 1\n"
                  "plot x with lines lc rgb '#bbbbbb', $p with points pt 7 ps 0.2 lc rgb '%s'\n",
                  g->label, gb_hybrid_parameters(r)[j].name, gb_plot_colour(shown[i]));
    }
  gb_text_add(&s.t, "unset multiplot\n");
  return gb_plot_draw(&s, r->run, 1080, (int)(rows * (n > 2 ? 320 : 440)), svg);
}

/* Curves of reference rows, each in the colour of the first group of its name. */
typedef struct others {
  size_t n, colour[GB_MOST_MODELS];
  int block[GB_MOST_MODELS];
} others;

/* Of the list of numbers at `offset`. Data come before the plot command: gnuplot takes no blocks inside it. */
static others references(const gb_hybrid_report *r, gb_plot *s, size_t offset, size_t n, const double *x)
{
  size_t all;
  const gb_reference *of = gb_references(&all);
  others o = {0};
  for (size_t i = 0; i < all && o.n < GB_MOST_MODELS; i++) {
    const double *v = (const double *)((const char *)&of[i].number + offset);
    double y[GB_SCALES];
    size_t k = 0;
    while (k < r->n_groups && strcmp(r->group[k].name, of[i].model)) k++;
    if (!gb_hybrid_fits(r, &of[i]) || k == r->n_groups) continue;
    for (size_t j = 0; j < n; j++) y[j] = gb_reference_value(v[j]);
    o.colour[o.n] = k;
    o.block[o.n++] = gb_plot_block(s, n, x, 1, y, 1);
  }
  return o;
}

static void reference_curves(gb_plot *s, const others *o)
{
  for (size_t i = 0; i < o->n; i++)
    gb_plot_curve(s, o->block[i], "using 1:2 with linespoints pt 6 ps 0.7 dt 3 lw 1.2", gb_plot_colour(o->colour[i]),
                  NULL);
}

/* Errors over the factor. */
static void scales_panel(const gb_hybrid_report *r, gb_plot *s, const char *title, size_t offset)
{
  int own[GB_MOST_MODELS];
  for (size_t k = 0; k < r->n_groups; k++) {
    const double *mean = (const double *)((const char *)&r->group[k].mean + offset);
    const double *sd = (const double *)((const char *)&r->group[k].sd + offset);
    double y[GB_SCALES][2];
    for (size_t j = 0; j < GB_SCALES; j++) {
      y[j][0] = mean[j];
      y[j][1] = isfinite(sd[j]) ? sd[j] : 0;
    }
    own[k] = gb_plot_block(s, GB_SCALES, gb_scale, 2, y[0], 2);
  }
  others o = references(r, s, offset, GB_SCALES, gb_scale);
  gb_text_add(&s->t, "set title '%s'\n", title);
  gb_plot_begin(s);
  for (size_t k = 0; k < r->n_groups; k++) {
    gb_plot_curve(s, own[k], "using 1:2:3 with yerrorbars pt 7 ps 0.5", gb_plot_colour(k), NULL);
    gb_plot_curve(s, own[k], "using 1:2 with lines lw 1.5", gb_plot_colour(k), r->group[k].label);
  }
  reference_curves(s, &o);
  gb_plot_end(s);
}

gb_err gb_hybrid_figure_scales(const gb_hybrid_report *r, gb_text *svg)
{
  gb_plot s = begin("set logscale y\nset xlabel 'factor'\nset ylabel 'mean |difference|'\nset xrange [0:3.2]\n"
                    "set multiplot layout 1,2\nset key top left\n");
  scales_panel(r, &s, "generator with the inferred one scaled", offsetof(gb_hybrid_numbers, counterfactual));
  scales_panel(r, &s, "generator with the true one scaled", offsetof(gb_hybrid_numbers, intervention));
  gb_text_add(&s.t, "unset multiplot\n");
  return gb_plot_draw(&s, r->run, 1080, 440, svg);
}

gb_err gb_hybrid_figure_what_if(const gb_hybrid_report *r, gb_text *svg)
{
  const char *parameter = gb_hybrid_parameters(r)[0].name;
  gb_plot s = begin("set xlabel 'time'\nset key off\nset lmargin 5\nset rmargin 1\n");
  size_t shown[MOST_COLUMNS], n = 0;
  for (size_t k = 0; k < r->n_groups && n < MOST_COLUMNS; k++)
    if (first_of(r, &r->group[k])->a.what_if.n) shown[n++] = k;
  const gb_what_if *first = &first_of(r, &r->group[shown[0]])->a.what_if;
  double least = first->exact[0], most = least;
  for (size_t k = 0; k < first->n * first->frames; k++) {
    least = fmin(least, first->exact[k]);
    most = fmax(most, first->exact[k]);
  }
  double span = most > least ? most - least : 1; /* all panels have one scale */
  gb_text_add(&s.t, "set xtics %.2g\nset yrange [%g:%g]\nset ytics %.1g\nset multiplot layout %zu,%zu\n",
              r->dims->frame_time * (double)r->dims->frames / 2, least - span / 10, most + span / 5, span / 3, n,
              first->n);
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < first->n; k++) {
      const gb_what_if *w = &first_of(r, &r->group[shown[i]])->a.what_if;
      int exact = curve(&s, r->dims->frame_time, w->frames, 1, w->exact + k * w->frames);
      int decode = curve(&s, r->dims->frame_time, w->frames, 1, w->decode + k * w->frames);
      if (i == 0)
        gb_text_add(&s.t, "set title '%s = %g' noenhanced\n", parameter, w->value[k]);
      else
        gb_text_add(&s.t, "unset title\n");
      gb_plot_begin(&s);
      gb_plot_curve(&s, exact, "using 1:2 with points pt 7 ps 0.25", "#000000", NULL);
      gb_plot_curve(&s, decode, "using 1:2 with lines lw 1.5", gb_plot_colour(shown[i]), NULL);
      gb_plot_end(&s);
    }
  gb_text_add(&s.t, "unset multiplot\n");
  return gb_plot_draw(&s, r->run, 1080, (int)n * 260, svg);
}

gb_err gb_hybrid_figure_horizon(const gb_hybrid_report *r, gb_text *svg)
{
  int own[GB_MOST_MODELS];
  double frame[GB_HORIZONS];
  gb_plot s = begin("set logscale xy\nset xlabel 'frame'\nset ylabel 'mean |difference|'\nset key top left\n");
  for (size_t k = 0; k < r->n_groups; k++) {
    const gb_hybrid_group *g = &r->group[k];
    const gb_hybrid_assessment *a = &first_of(r, g)->a;
    size_t n = gb_hybrid_horizon(r, g);
    double *mean = NULL;
    gb_err e = gb_new(&mean, n);
    for (size_t i = 0; i < g->n && !e; i++)
      for (size_t j = 0; j < n; j++) mean[j] += r->member[g->member[i]].a.error[j] / (double)g->n;
    own[k] = e ? -1 : gb_plot_block(&s, n, a->frame, 1, mean, 1);
    gb_free(&mean);
    if (e) gb_text_free(&s.t);
    GB_TRY(e);
  }
  for (size_t i = 0; i < GB_HORIZONS; i++) frame[i] = (double)((size_t)gb_horizon[i] * r->dims->frames) - 1;
  others o = references(r, &s, offsetof(gb_hybrid_numbers, extrapolation), GB_HORIZONS, frame);
  gb_text_add(&s.t, "set arrow from %zu, graph 0 to %zu, graph 1 nohead dt 2 lc rgb '#888888'\n", r->dims->frames - 1,
              r->dims->frames - 1);
  gb_plot_begin(&s);
  for (size_t k = 0; k < r->n_groups; k++)
    gb_plot_curve(&s, own[k], "using 1:2 with lines lw 1.5", gb_plot_colour(k), r->group[k].label);
  reference_curves(&s, &o);
  gb_plot_end(&s);
  return gb_plot_draw(&s, r->run, 720, 440, svg);
}

static const double *validation_of(const gb_hybrid_member *m, const char *term)
{
  for (int k = 0; k < m->n_terms; k++)
    if (!strcmp(m->term[k], term)) return m->validate.term[k];
  return NULL;
}

/* Mean over the members of a term at the validations they share, as a block; -1 if there is none. */
static gb_err learning_block(const gb_hybrid_report *r, const gb_hybrid_group *g, const char *term, gb_plot *s,
                             int *number)
{
  const gb_learning *first = &first_of(r, g)->validate;
  size_t n = first->n;
  double *mean;
  *number = -1;
  for (size_t i = 0; i < g->n; i++) {
    const gb_hybrid_member *m = &r->member[g->member[i]];
    size_t k = 0;
    if (!validation_of(m, term)) return GB_OK;
    while (k < n && k < m->validate.n &&
           !(m->validate.step[k] < first->step[k] || m->validate.step[k] > first->step[k]))
      k++;
    n = k;
  }
  GB_TRY(gb_new(&mean, n));
  for (size_t i = 0; i < g->n; i++)
    for (size_t k = 0; k < n; k++) mean[k] += validation_of(&r->member[g->member[i]], term)[k] / (double)g->n;
  *number = gb_plot_block(s, n, first->step, 1, mean, 1);
  gb_free(&mean);
  return GB_OK;
}

gb_err gb_hybrid_figure_learning(const gb_hybrid_report *r, gb_text *svg)
{
  static const char *const term[] = {"reconstruction", "augmentation", "unmixing",
                                     "reduced_model",  "fit",          "network_norm"};
  enum { TERMS = sizeof term / sizeof *term };
  int block[TERMS][GB_MOST_MODELS], panels = 0;
  bool any[TERMS] = {false};
  gb_plot s = begin("set logscale xy\nset xlabel 'step'\n");
  for (size_t t = 0; t < TERMS; t++) {
    for (size_t k = 0; k < r->n_groups; k++) {
      gb_err e = learning_block(r, &r->group[k], term[t], &s, &block[t][k]);
      if (e) gb_text_free(&s.t);
      GB_TRY(e);
      any[t] = any[t] || block[t][k] >= 0;
    }
    panels += any[t];
  }
  gb_text_add(&s.t, "set multiplot layout 1,%d\n", panels > 0 ? panels : 1);
  for (size_t t = 0; t < TERMS; t++) {
    if (!any[t]) continue;
    gb_text_add(&s.t, "set title '%s' noenhanced\nset key off\n", term[t]);
    gb_plot_begin(&s);
    for (size_t k = 0; k < r->n_groups; k++)
      gb_plot_curve(&s, block[t][k], "using 1:2 with lines lw 1.5", gb_plot_colour(k), r->group[k].label);
    gb_plot_end(&s);
  }
  gb_text_add(&s.t, "unset multiplot\n");
  return gb_plot_draw(&s, r->run, 1080, 360, svg);
}

/* One component of a trajectory over the frames. */
static int trajectory(gb_plot *s, const gb_dims *d, const double *y)
{
  return curve(s, d->frame_time, d->frames, d->seen, y + d->seen / 2);
}

gb_err gb_hybrid_figure_trajectories(const gb_hybrid_report *r, gb_text *svg)
{
  gb_plot s = begin("set xlabel 'time'\nset key off\n");
  size_t columns = r->n_groups < MOST_COLUMNS ? r->n_groups : MOST_COLUMNS;
  size_t rows = first_of(r, &r->group[0])->a.n_example;
  rows = rows < TRAJECTORIES ? rows : TRAJECTORIES;
  gb_text_add(&s.t, "set xtics %.2g\nset multiplot layout %zu,%zu\n", r->dims->frame_time * (double)r->dims->frames / 2,
              rows, columns);
  for (size_t i = 0; i < rows; i++)
    for (size_t k = 0; k < columns; k++) {
      const gb_hybrid_assessment *a = &first_of(r, &r->group[k])->a;
      const double *p = a->n_parameter ? a->decode[GB_DECODE_P] : NULL, *whole = a->decode[GB_DECODE_PAB];
      int sample = trajectory(&s, r->dims, a->sample + i * a->width);
      int alone = p ? trajectory(&s, r->dims, p + i * a->width) : -1;
      int model = trajectory(&s, r->dims, whole + i * a->width);
      gb_text_add(&s.t, "set title '%s' noenhanced\n", i == 0 ? r->group[k].label : "");
      gb_plot_begin(&s);
      gb_plot_curve(&s, sample, "using 1:2 with points pt 7 ps 0.25", "#000000", NULL);
      gb_plot_curve(&s, alone, "using 1:2 with lines lw 1.2 dt 2", "#888888", NULL);
      gb_plot_curve(&s, model, "using 1:2 with lines lw 1.5", gb_plot_colour(k), NULL);
      gb_plot_end(&s);
    }
  gb_text_add(&s.t, "unset multiplot\n");
  return gb_plot_draw(&s, r->run, 1080, (int)rows * 230, svg);
}

/* --- images. */

gb_err gb_hybrid_figure_images(const gb_hybrid_report *r, const gb_hybrid_group *g, gb_text *svg)
{
  static const int shown[] = {GB_DECODE_P, GB_DECODE_PAB};
  const gb_hybrid_assessment *a = &first_of(r, g)->a;
  size_t pixels = r->dims->shape[0] * r->dims->shape[1], row = 1;
  gb_tiles t;
  GB_TRY(gb_tiles_make(r->dims, a->decode[GB_DECODE_P] ? 3 : 2, a->n_example, &t));
  for (size_t i = 0; i < a->n_example; i++) gb_tiles_put(&t, 0, i, a->width / pixels, a->sample + i * a->width);
  for (size_t k = 0; k < sizeof shown / sizeof *shown; k++) {
    size_t w = a->decode_width[shown[k]];
    if (!w) continue;
    for (size_t i = 0; i < a->n_example; i++) gb_tiles_put(&t, row, i, w / pixels, a->decode[shown[k]] + i * w);
    row++;
  }
  return gb_tiles_draw(r->run, &t, svg);
}

gb_err gb_hybrid_figure_generated(const gb_hybrid_report *r, const gb_hybrid_group *g, gb_text *svg)
{
  const gb_hybrid_assessment *a = &first_of(r, g)->a;
  size_t pixels = r->dims->shape[0] * r->dims->shape[1];
  gb_tiles t;
  GB_TRY(gb_tiles_make(r->dims, GB_GENERATED_ROWS, GB_GENERATED_COLUMNS, &t));
  for (size_t i = 0; i < GB_GENERATED; i++)
    gb_tiles_put(&t, i / GB_GENERATED_COLUMNS, i % GB_GENERATED_COLUMNS, a->width / pixels,
                 a->generated + i * a->width);
  return gb_tiles_draw(r->run, &t, svg);
}
