/* report/tiles.h - images side by side in one figure. */
#pragma once
#include "io/run.h"
#include "sim/physics.h"

/* Tiles [rows, columns] of images of height x width pixels. */
typedef struct gb_tiles {
  size_t rows, columns, height, width;
  size_t total_height, total_width;
  unsigned char *pixel; /* [total_height, total_width, 3] */
} gb_tiles;

/** White tiles for samples of these dimensions.
 *  Local. Freed by gb_tiles_draw().
 *  @return GB_ERR_MEMORY */
gb_err gb_tiles_make(const gb_dims *d, size_t rows, size_t columns, gb_tiles *t);

/** Put an image on a tile.
 *  Local.
 *  @param[in] channels  3: red, green, blue; 1: grey
 *  @param[in] x         [height, width, channels], from 0 to 1; its first row is on top */
void gb_tiles_put(gb_tiles *t, size_t row, size_t column, size_t channels, const double *x);

/** Append the figure, an <svg> element.
 *  Local. As gb_gnuplot(). */
gb_err gb_tiles_draw(gb_run *run, gb_tiles *t, gb_text *svg);
