/* sim/making.h - what every data set in the making needs, however its samples come about: where it comes from, whether
 * the run directory is free for it, when to save and to stop. */
#pragma once
#include "io/h5.h"
#include "io/run.h"
#include "sim/physics.h"

typedef struct gb_making {
  gb_comm c;
  gb_run *run;
  const gb_config *cfg;
  const gb_sim *sim;
  const gb_schema *const *sections; /* whose fixed fields define the data; ends with NULL */
} gb_making;

/* In the run directory: the data set while it grows (with .part behind it) and complete, and the state of the run. */
extern const char gb_making_data[], gb_making_state[];

/** A number that only rank 0 may choose, because it looks at the clock or a folder.
 *  Collective over c. */
int64_t gb_making_choice(gb_comm c, int64_t mine);

/** The dataset `name` that labels an axis of n: 0, 1, 2, ...
 *  Collective over m->c. */
gb_err gb_making_axis(const gb_making *m, gb_h5 *f, const char *name, uint64_t n, const char *doc);

/** /provenance, and the attributes of the file.
 *  Collective over m->c. */
gb_err gb_making_provenance(const gb_making *m, gb_h5 *f);

/** Fail unless the config stored as text `name` in a file agrees with that of the run.
 *  Local.
 *  @return GB_ERR_CONFIG naming the first key that differs */
gb_err gb_making_match(const gb_making *m, gb_h5 *f, const char *name, const char *path);

typedef enum gb_found { GB_NOTHING, GB_A_STATE, GB_ALL } gb_found;

/** A new state is about to get its name: the old one becomes the generation before (base/generations.h).
 *  Local; rank 0 acts. */
void gb_making_keep_state(const gb_making *m);

/** What does the run directory hold? In place of a damaged state there is the one before it, and that is told.
 *  Collective over m->c.
 *  @return GB_ERR_CONFIG if it holds something and run.resume is false */
gb_err gb_making_look(const gb_making *m, gb_found *there);

/** The data set is complete: was it made with this config? Says that there is nothing to do.
 *  Collective over m->c. */
gb_err gb_making_complete(const gb_making *m);

typedef enum gb_wish { GB_GO_ON, GB_SAVE, GB_STOP } gb_wish;

/** Is it time to save, or has someone asked to stop? The same answer on all ranks.
 *  Collective over m->c.
 *  @param[in] saved_at      of rank 0, by gb_clock_now()
 *  @param[in] save_seconds  generate.save_seconds, say */
gb_wish gb_making_ask(const gb_making *m, double saved_at, double save_seconds);

/** The failure with which a run ends that was asked to stop, after it saved.
 *  Local; the same on all ranks.
 *  @return GB_STOPPED */
gb_err gb_making_stopped(const gb_making *m);

/** The data set has its name: the state is removed.
 *  Local; rank 0 acts. */
void gb_making_tidy(const gb_making *m);
