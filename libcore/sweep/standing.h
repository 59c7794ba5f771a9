/* sweep/standing.h - how a sweep stands, for people and for reports. */
#pragma once
#include "sweep/ledger.h"
#include "sweep/rungs.h"

typedef struct gb_standing {
  const gb_design *design;
  gb_rungs *rungs;
  gb_result *result;    /* [n_trials] of the highest rung that each trial has a result of */
  uint64_t *rung_steps; /* [rungs] with the steps of the config */
} gb_standing;

typedef struct gb_tally {
  size_t done, running, failed, open; /* trials: done are those that will not go on */
} gb_tally;

/** Count trials.
 *  Local. */
gb_tally gb_standing_count(const gb_standing *s);

/** The rung of the result of a trial, -1: it has none.
 *  Local. */
int gb_standing_rung(const gb_standing *s, size_t trial);

/** The trials with a metric, the best first: by rung, metric, number.
 *  Local.
 *  @param[out] order  [n_trials]
 *  @return how many */
size_t gb_standing_order(const gb_standing *s, size_t *order);

/** The settings of a trial on one line: "objective.beta=0.1 run.seed=2".
 *  Local. Appended to out. */
void gb_standing_settings(const gb_design *d, size_t trial, gb_text *out);

/** The table at the end of a sweep.
 *  Local. Appended to out. */
gb_err gb_standing_print(const gb_standing *s, const char *dir, gb_text *out);

/** sweep.json (docs/FILES.md): the same bytes on any number of ranks, after any kill.
 *  Local.
 *  @return GB_ERR_IO */
gb_err gb_standing_write(const gb_standing *s, const char *path);
