/* io/run.h - a run directory holds everything a program writes: config, provenance, log, results. */
#pragma once
#include "config/config.h"

typedef struct gb_run_opts {
  const char *physics, *dir;
  int64_t seed;
  bool resume;
  double log_seconds, watchdog;
} gb_run_opts;
extern const gb_schema gb_run_schema; /* section "run" */

typedef struct gb_run gb_run;

typedef struct gb_kv {
  const char *key;
  double value;
  const char *text;
} gb_kv; /* text, if not NULL, is the value */

/** Make run.dir, write config.yaml (resolved), append to build.txt (who, where, with what), open log.jsonl.
 *  Collective over c.
 *  @param[in] cfg  outlives the run, which borrows its texts
 *  @param[in] sections  every section, for config.yaml; ends with NULL
 *  @return GB_ERR_IO */
gb_err gb_run_open(gb_comm c, const char *program, const gb_config *cfg, const gb_schema *const sections[],
                   gb_run **out);

/** The same for a program that goes on with what it finds there: no other may do so at the same time. Before anything
 *  is written it locks the file `lock`, which then names its job, host and process, until gb_run_close(); a dead run
 *  leaves a lock that does not hold. Waits some seconds for a holder that is about to end.
 *  Collective over c.
 *  @return GB_ERR_BUSY, naming the run that holds the lock; GB_ERR_IO */
gb_err gb_run_open_alone(gb_comm c, const char *program, const gb_config *cfg, const gb_schema *const sections[],
                         gb_run **out);
void gb_run_close(gb_run **r);

/** From now on a signal is a wish to stop; gb_run_open() does this too. Early, so that none ends a rank that starts.
 *  Local. */
void gb_run_catch_signals(void);

/** The options of section "run".
 *  Local. */
const gb_run_opts *gb_run_get(const gb_run *r);

/** The path of a file in the run directory.
 *  Local. Borrowed until the run is closed or 8 more paths are asked for. */
const char *gb_run_path(gb_run *r, const char *name);

/** One line of log.jsonl: {"time", "program", "event", then the pairs}.
 *  Local; rank 0 writes, others do nothing. A line that cannot be written is dropped: a full disk must not
 * end a run that could still save its state. */
void gb_run_log(gb_run *r, const char *event, size_t n, const gb_kv kv[]);

/** Tell a person: a sentence on standard output, rank 0 only.
 *  Local. */
void gb_run_say(gb_run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Show progress: on a terminal one line that is rewritten, with rate and time left; elsewhere one line every
 *  run.log_seconds; the same interval in log.jsonl.
 *  Local; rank 0 only.
 *  @param[in] what  e.g. "training"; a new name starts a new bar
 *  @param[in] done, total  in `unit`
 *  @param[in] extra  appended text, may be NULL */
void gb_run_progress(gb_run *r, const char *what, double done, double total, const char *unit, const char *extra);

/** Lines that are shown below the progress on a terminal, and rewritten with it; "" or NULL: none.
 *  Local; rank 0 only. Elsewhere than on a terminal they are not shown.
 *  @param[in] lines  each ends with a newline; what does not fit into a line is cut off. Borrowed until the next call
 */
void gb_run_table(gb_run *r, const char *lines);

/** From now on say nothing and show no progress on standard output, but call watch(ctx, done, total) at each: for a run
 *  that is part of another one.
 *  Local. */
void gb_run_quiet(gb_run *r, void (*watch)(void *ctx, double done, double total), void *ctx);

/** Ask this rank to stop, as a signal would.
 *  Local. */
void gb_run_stop_ask(void);

/** Was this rank asked to stop? SIGTERM, SIGUSR1, SIGINT, or a file named `stop` in the run directory (looked
 * for by rank 0). Ranks may answer differently: agree before acting. Local. */
bool gb_run_stop_wanted(gb_run *r);

/** Forget a `stop` file, so that the next start goes on.
 *  Local; rank 0 acts. */
void gb_run_stop_done(gb_run *r);

/** Commit, compiler and library versions of this program: one "name: value" a line.
 *  Local. */
void gb_run_build(gb_text *out);

/** The version line of --version.
 *  Local. */
const char *gb_run_version(void);
