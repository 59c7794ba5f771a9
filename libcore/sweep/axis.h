/* sweep/axis.h - one key of a sweep and the values it takes, in words: "objective.beta log 0.1 10 count 8". */
#pragma once
#include "base/text.h"

typedef enum gb_axis_scale { GB_SCALE_VALUES, GB_SCALE_LINEAR, GB_SCALE_LOG, GB_SCALE_INTEGER } gb_axis_scale;

typedef struct gb_axis {
  char *text; /* as it was given */
  char *key;  /* "section.key" */
  gb_axis_scale scale;
  bool whole;      /* all values are integers */
  double min, max; /* unless the values are listed */
  size_t n;        /* values it may have; 0: any from min to max */
  char **value;    /* [n] as YAML */
} gb_axis;

#define GB_AXIS_MOST 10000 /* values of an axis */

/** Understand an axis: KEY values A B ..., or KEY linear|log|integer MIN MAX [count N].
 *  Local. Freed by gb_axis_free(), also after a failure.
 *  @return GB_ERR_CONFIG naming the axis, what is wrong, and what it should look like */
gb_err gb_axis_parse(const char *text, gb_axis *out);
void gb_axis_free(gb_axis *a);

/** Say that the key takes integers (values between are then rounded, and equal ones listed once), and list the values
 * of an axis that has a count, and all of integers that are listed by nothing. Local. To be called once, before
 * gb_axis_value().
 *  @param[in] list  the axis must be a list, for a grid; an axis without a count is then an error, integers are all
 * listed
 */
gb_err gb_axis_settle(gb_axis *a, bool whole, bool list);

/** The value at the place u of [0, 1): one of the list, or between min and max on its scale, with 8 digits.
 *  Local. Appended to out. */
void gb_axis_value(const gb_axis *a, double u, gb_text *out);
