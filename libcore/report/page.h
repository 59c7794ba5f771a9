/* report/page.h - pieces of report.html. */
#pragma once
#include "report/report.h"

/** Begin a page with its heading; end it with the provenance of this program.
 *  Local.
 *  @return GB_ERR_MEMORY if any append failed */
void gb_page_open(gb_text *t, const char *title);
gb_err gb_page_close(gb_text *t);

/** Text of files and configs, which may hold anything: never markup.
 *  Local. */
void gb_page_text(gb_text *t, const char *s);

/** 0.0173(4): a value with the error of its last digit.
 *  Local. */
void gb_page_value(gb_text *t, const double v[2]);

/** The end of a <figure>.
 *  Local. */
void gb_page_caption(gb_text *t, const char *text);

/** The section on how the data were sampled; nothing if the data set does not tell.
 *  Local. */
void gb_page_sampling(const gb_report *r, gb_text *t);

/** The section on linear models of the data.
 *  Local. */
gb_err gb_page_linear(const gb_report *r, gb_text *t);

/** The section on the Kosterlitz-Thouless transition.
 *  Local. */
gb_err gb_page_kt(const gb_report *r, gb_text *t);
