/* report/sampling.h - how a data set was sampled: what a person wants to know before trusting it. */
#pragma once
#include "base/text.h"
#include "comm/comm.h"

typedef struct gb_sampling {
  size_t n_T, n_track, n_setting;
  double *T;                /* [n_T] */
  double *tau;              /* [n_T, n_track] in steps */
  double *mix;              /* [n_T, n_setting] per step */
  double *hot;              /* [n_T, 2] */
  int64_t *stride;          /* [n_T] steps between stored samples */
  int64_t *dropped;         /* [n_T] steps before the first one */
  int64_t *quality;         /* [n_T] 0: good */
  gb_text tracks, settings; /* names, separated by commas */
  gb_text meaning;          /* of quality */
} gb_sampling;

/** Read /sampling of a data set; n_T is 0 if it has none.
 *  Collective over c.
 *  @return GB_ERR_IO */
gb_err gb_sampling_read(gb_comm c, const char *path, gb_sampling *out);
void gb_sampling_free(gb_sampling *s);
