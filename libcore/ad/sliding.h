/* ad/sliding.h - a window that slides over a large image, with one pixel of a small image per position, as tables of
 * offsets. The products read through them (linalg/gemm.h), so nothing is gathered and periodic edges cost nothing. */
#pragma once
#include "ad/layers.h"
#include "linalg/narrow.h"

/* The pixels of a class, as rows of positions. */
typedef struct gb_pixels {
  gb_runs runs;
  int32_t *place; /* [runs.rows] of the pixels in the large image */
  size_t *tap;    /* [runs.taps] of the elements of the window, in W */
} gb_pixels;

typedef struct gb_sliding {
  gb_shape large, small;
  gb_window window;
  gb_activation activation;
  gb_runs positions; /* as rows of gb_pixels */
  size_t classes;
  gb_pixels *seen;     /* [classes] */
  gb_lattice *lattice; /* of the side that narrow_conv reads; NULL if it is not used */
  gb_windows *windows; /* [1 to small, classes to large] */
} gb_sliding;

/** Positions: the small image. Pixels of the large one are sorted into stride x stride classes: those of a class are
 * seen by the same elements of the window, so that no product multiplies zeros between pixels.
 *  Local. In memory of the graph.
 *  @return NULL after a failure */
gb_sliding *gb_sliding_make(gb_graph *g, gb_shape large, gb_shape small, gb_window win, gb_activation a);

/** The same for a window in four orientations; see gb_turned_conv().
 *  Local. */
gb_sliding *gb_sliding_make_turned(gb_graph *g, gb_shape large, gb_shape small, gb_window win, size_t turns,
                                   gb_activation a);
