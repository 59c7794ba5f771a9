/* report/tiles.c - images side by side: pixels, drawn by gnuplot. */
#include "report/tiles.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "report/plot.h"

enum { GAP = 2 }; /* pixels between images */

gb_err gb_tiles_make(const gb_dims *d, size_t rows, size_t columns, gb_tiles *t)
{
  *t = (gb_tiles){.rows = rows, .columns = columns, .height = d->shape[0], .width = d->shape[1]};
  t->total_height = rows * (t->height + GAP);
  t->total_width = columns * (t->width + GAP);
  size_t n = 3 * t->total_height * t->total_width;
  GB_TRY(gb_new(&t->pixel, n));
  memset(t->pixel, 255, n);
  return GB_OK;
}

void gb_tiles_put(gb_tiles *t, size_t row, size_t column, size_t channels, const double *x)
{
  for (size_t i = 0; i < t->height; i++)
    for (size_t j = 0; j < t->width; j++) {
      size_t at = (row * (t->height + GAP) + i) * t->total_width + column * (t->width + GAP) + j;
      for (size_t c = 0; c < 3; c++) {
        double v = x[(i * t->width + j) * channels + (channels < 3 ? 0 : c)];
        t->pixel[3 * at + c] = (unsigned char)lround(255 * fmin(1, fmax(0, v)));
      }
    }
}

gb_err gb_tiles_draw(gb_run *run, gb_tiles *t, gb_text *svg)
{
  gb_plot s = {0};
  gb_text_add(&s.t, "$p << EOD\n");
  for (size_t i = 0; i < t->total_height; i++)
    for (size_t j = 0; j < t->total_width; j++) {
      const unsigned char *p = t->pixel + 3 * (i * t->total_width + j);
      gb_text_add(&s.t, "%zu %zu %d %d %d\n", j, t->total_height - 1 - i, p[0], p[1], p[2]);
    }
  gb_text_add(&s.t,
              "EOD\nunset border\nunset tics\nunset key\nset margins 0,0,0,0\nset xrange [-0.5:%g]\nset yrange "
              "[-0.5:%g]\nplot $p using 1:2:3:4:5 with rgbimage\n",
              (double)t->total_width - 0.5, (double)t->total_height - 0.5);
  double zoom = fmin(2, 1080 / (double)t->total_width);
  gb_free(&t->pixel);
  return gb_plot_draw(&s, run, (int)(zoom * (double)t->total_width), (int)(zoom * (double)t->total_height), svg);
}
