/* report/plot.c - scripts for gnuplot in pieces. */
#include "report/plot.h"

#include <math.h>

const char *gb_plot_colour(size_t i)
{
  static const char *const colour[] = {"#4477AA", "#CCBB44", "#228833", "#EE6677", "#AA3377", "#66CCEE", "#BBBBBB"};
  return colour[i % (sizeof colour / sizeof *colour)];
}

const char *gb_plot_style(void)
{
  return "set border 3 lc rgb '#888888'\nset tics nomirror tc rgb '#333333'\nset grid lc rgb '#eeeeee' lt 1\n"
         "set key noautotitle samplen 2 spacing 1.1 tc rgb '#333333'\nset bars 0.4\n";
}

void gb_plot_begin(gb_plot *s)
{
  gb_text_add(&s->t, "plot ");
  s->begun = false;
}

void gb_plot_curve(gb_plot *s, int number, const char *how, const char *colour, const char *title)
{
  if (number < 0) return;
  gb_text_add(&s->t, "%s$b%d %s lc rgb '%s'", s->begun ? ", " : "", number, how, colour);
  if (title) gb_text_add(&s->t, " title '%s'", title);
  s->begun = true;
}

void gb_plot_end(gb_plot *s)
{
  gb_text_add(&s->t, s->begun ? "\n" : "NaN\n");
}

int gb_plot_block(gb_plot *s, size_t n, const double *x, int columns, const double *y, size_t stride)
{
  size_t kept = 0;
  for (size_t i = 0; i < n; i++) kept += isfinite(y[i * stride]) != 0;
  if (!kept) return -1;
  gb_text_add(&s->t, "$b%d << EOD\n", s->blocks);
  for (size_t i = 0; i < n; i++) {
    if (!isfinite(y[i * stride])) continue;
    gb_text_add(&s->t, "%.8g", x[i]);
    for (size_t k = 0; k < (size_t)columns; k++) gb_text_add(&s->t, " %.8g", y[i * stride + k]);
    gb_text_add(&s->t, "\n");
  }
  gb_text_add(&s->t, "EOD\n");
  return s->blocks++;
}

gb_err gb_plot_draw(gb_plot *s, gb_run *run, int width, int height, gb_text *svg)
{
  gb_err e = gb_text_done(&s->t);
  if (!e) e = gb_gnuplot(run, width, height, s->t.s, svg);
  gb_text_free(&s->t);
  return e;
}
