/* sweep/past.h - how a sweep stands, from its config and its ledger: to go on with it, and to report on it. */
#pragma once
#include "sweep/standing.h"
#include "sweep/trial.h"

/** The design of a config, and the steps of its rungs.
 *  Local. Freed by gb_design_free() and gb_past_free(), also after a failure.
 *  @param[out] out  its design is borrowed; without rungs and results
 *  @return GB_ERR_CONFIG naming the key and the cure */
gb_err gb_past_design(const gb_config *cfg, const gb_physics *physics, gb_design *design, gb_standing *out);

/** Read a ledger, and what of it still holds: not of a trial that is to be trained longer now, and no failure of a
 *  machine. Without a file all trials are open.
 *  Local.
 *  @param[in] t         whose trials they are; all and data are not needed
 *  @param[in,out] out   of gb_past_design(); gets rungs and results
 *  @param[out] ledger   the lines; freed by gb_ledger_free(), also after a failure
 *  @param[in,out] fixed  fixed keys of the config, for gb_ledger_begin(), are appended; NULL: they are not wanted
 *  @return GB_ERR_CONFIG naming the key if the ledger is that of another sweep; GB_ERR_IO if it is damaged */
gb_err gb_past_read(const gb_trials *t, const char *path, gb_standing *out, gb_ledger *ledger, gb_text *fixed);
void gb_past_free(gb_standing *s);
