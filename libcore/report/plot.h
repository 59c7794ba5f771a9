/* report/plot.h - scripts for gnuplot in pieces: data, curves, panels. */
#pragma once
#include "report/gnuplot.h"

/* A script under way; whether the present panel has a curve yet. Zero-initialise; gb_plot_draw() ends it. */
typedef struct gb_plot {
  gb_text t;
  bool begun;
  int blocks;
} gb_plot;

/** The colour of curve number i, "#rrggbb".
 *  Local. Of those that colour-blind readers can tell apart: P. Tol, Colour Schemes, SRON/EPS/TN/09-002, "bright". */
const char *gb_plot_colour(size_t i);

/** Axes, grid and key of all figures.
 *  Local. Borrowed. */
const char *gb_plot_style(void);

/** Numbered data: rows (x, y columns); rows whose first y is not finite are left out.
 *  Local.
 *  @param[in] y  [n] rows of `columns` numbers, `stride` apart
 *  @return its number; -1 if it is empty */
int gb_plot_block(gb_plot *s, size_t n, const double *x, int columns, const double *y, size_t stride);

/** A panel of curves; one without any stays empty.
 *  Local.
 *  @param[in] number  of a block; -1: no curve, which gnuplot would refuse
 *  @param[in] how     "using ... with ..."
 *  @param[in] title   NULL: not in the key */
void gb_plot_begin(gb_plot *s);
void gb_plot_curve(gb_plot *s, int number, const char *how, const char *colour, const char *title);
void gb_plot_end(gb_plot *s);

/** Run gnuplot on the script, and append what it draws.
 *  Local. As gb_gnuplot(). */
gb_err gb_plot_draw(gb_plot *s, gb_run *run, int width, int height, gb_text *svg);
