/* report/gnuplot.h - a gnuplot script becomes an SVG that can stand inside a page. */
#pragma once
#include "io/run.h"

/** Run gnuplot (its program of that name) on a script and append the <svg> element it draws.
 *  Local. Uses hidden files in the run directory and removes them; its messages stay after a failure.
 *  @param[in] width, height  in pixels
 *  @param[in] script  plot commands; terminal and output are set already
 *  @return GB_ERR_LIB if gnuplot is missing or fails, with what it said */
gb_err gb_gnuplot(gb_run *run, int width, int height, const char *script, gb_text *svg);
