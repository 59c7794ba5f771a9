/* sweep/ledger.h - what happened to which trial: trials.jsonl, one event a line, on disk before anything follows from
 * it.
 */
#pragma once
#include "learn/model.h"
#include "sweep/design.h"

typedef struct gb_result { /* of a trial at a rung */
  gb_err code;             /* GB_OK, or why it failed */
  uint64_t steps;          /* of the rung; 0: its config is wrong, so nobody knows */
  uint64_t step, best_step;
  double metric, seconds;
  int n_terms;
  char term[GB_MOST_TERMS][32]; /* on the validation split, with the best weights */
  double mean[GB_MOST_TERMS];
  char reason[600]; /* of a failure */
} gb_result;

typedef enum gb_event { GB_EVENT_START, GB_EVENT_DONE, GB_EVENT_FAILED, GB_EVENTS } gb_event;

typedef struct gb_record {
  gb_event event;
  size_t trial;
  int rung;
  gb_result result;
} gb_record;

typedef struct gb_ledger {
  char *config; /* fixed keys of the sweep that began it; NULL: there is no ledger yet */
  size_t n;
  gb_record *record; /* [n] in the order of the file, without starts */
} gb_ledger;

/** Read a ledger. A last line that a kill cut short does not count.
 *  Local. Freed by gb_ledger_free(), also after a failure.
 *  @return GB_ERR_IO naming the line if another one is damaged */
gb_err gb_ledger_read(const char *path, gb_ledger *out);
void gb_ledger_free(gb_ledger *l);

/** Begin a ledger, or cut off what a kill left of a last line, so that lines can be appended.
 *  Local.
 *  @param[in] config  to be kept in a new one */
gb_err gb_ledger_begin(const char *path, const char *config);

/** Append an event; it is on disk when this returns.
 *  Local; one process at a time.
 *  @return GB_ERR_IO */
gb_err gb_ledger_append(const char *path, const gb_design *d, const gb_record *r);
