/* sweep/sweep.c - rank 0 deals out trials and writes down results; everyone trains. */
#include "sweep/sweep.h"

#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "comm/post.h"
#include "learn/experiment.h"
#include "sweep/past.h"

/* What groups and rank 0 tell each other. A group asks, or hands in a result and asks; it is told a trial, or that
 * there is none for it any more; until that is known it is told to wait, so that it knows rank 0 to be alive. While it
 * trains it tells how far it is, and may be told to stop. */
typedef enum kind { ASK, RESULT, PROGRESS, TRIAL, WAIT, STOP, END } kind;

static const double interval = 0.2; /* seconds between two letters that nobody waits for, and between two looks */

typedef struct letter {
  kind kind;
  int rung;
  size_t trial;
  double fraction; /* of the steps to the rung */
  gb_result result;
} letter;

typedef struct desk { /* what rank 0 knows of the first rank of a group */
  bool is_first, training, asks, told_to_stop, left;
  letter job;
} desk;

typedef struct sweep {
  gb_comm c, group;
  gb_run *run;
  gb_trials trials;
  gb_design design;
  gb_standing standing; /* rungs and results on rank 0 */
  gb_sim sim;
  gb_post *post;
  double told;        /* when this rank last told how far it is, or rank 0 that it is alive */
  double begin, busy; /* seconds */
  letter job;         /* of this group */
  bool stop;          /* some rank was asked to stop; on rank 0 */
  /* rank 0 */
  gb_err failed; /* the ledger cannot be written, and why */
  char why[600];
  desk *desk; /* [ranks] */
  char ledger[PATH_MAX];
  double shown;
  gb_text table;
} sweep;

/* --- rank 0: the ledger, and who does what */

static void record(sweep *s, gb_event event, const letter *l)
{
  gb_record r = {.event = event, .trial = l->trial, .rung = l->rung, .result = l->result};
  if (s->failed) return;
  s->failed = gb_ledger_append(s->ledger, &s->design, &r);
  if (!s->failed) return;
  snprintf(s->why, sizeof s->why, "%s", gb_err_message());
  gb_err_clear(); /* the trial of this rank saves and stops, which is no failure */
}

static void take_result(sweep *s, const letter *l)
{
  const gb_result *x = &l->result;
  s->standing.result[l->trial] = *x;
  if (x->code == GB_STOPPED) {
    s->stop = true;
    gb_rungs_set(s->standing.rungs, l->trial, l->rung, GB_TRIAL_OPEN, 0);
    return;
  }
  record(s, x->code ? GB_EVENT_FAILED : GB_EVENT_DONE, l);
  gb_rungs_set(s->standing.rungs, l->trial, l->rung, x->code ? GB_TRIAL_FAILED : GB_TRIAL_DONE, x->metric);
  if (x->code) gb_run_say(s->run, "trial %04zu failed: %.300s", l->trial, x->reason);
}

static bool anyone_trains(const sweep *s)
{
  for (int r = 0; r < s->c.size; r++)
    if (s->desk[r].training) return true;
  return false;
}

/* What a group is to do next. Nobody leaves before all can: who waits is looked after here.
 *  @return false if that is not known yet */
static bool next_job(sweep *s, desk *d)
{
  letter *job = &d->job;
  *job = (letter){.kind = END};
  gb_next next = s->stop || s->failed ? GB_NEXT_NONE : gb_rungs_next(s->standing.rungs, &job->trial, &job->rung);
  if (next == GB_NEXT_WAIT || (next == GB_NEXT_NONE && anyone_trains(s))) return false;
  if (next == GB_NEXT_TRIAL) {
    job->kind = TRIAL;
    record(s, GB_EVENT_START, job);
  }
  d->asks = false;
  d->training = next == GB_NEXT_TRIAL;
  d->left = next == GB_NEXT_NONE;
  return true;
}

static void hear(sweep *s, int from, const letter *l)
{
  desk *d = &s->desk[from];
  if (l->kind == PROGRESS) {
    d->job.fraction = l->fraction;
    return;
  }
  if (l->kind == RESULT) take_result(s, l);
  d->training = false;
  d->asks = true;
}

static void tell_to_stop(sweep *s)
{
  gb_run_stop_ask(); /* the trial of this rank looks for a `stop` in its own directory */
  for (int r = 1; r < s->c.size; r++) {
    desk *d = &s->desk[r];
    if (!d->training || d->told_to_stop) continue;
    d->told_to_stop = true;
    gb_post_send(s->post, r, &(letter){.kind = STOP});
  }
}

/* Steps of all trials that will be trained, as far as is known, and of those the steps that were made. */
static void count_steps(const sweep *s, double *done, double *total)
{
  double entrants = (double)s->design.n_trials;
  *done = *total = 0;
  for (int r = 0; r < s->design.opts.rungs; r++) {
    double cost = (double)(s->standing.rung_steps[r] - (r ? s->standing.rung_steps[r - 1] : 0)),
           entered = (double)gb_rungs_entered(s->standing.rungs, r);
    *total += cost * fmax(entrants, entered);
    entrants = floor(entrants / (double)s->design.opts.eta);
    for (size_t i = 0; i < s->design.n_trials; i++)
      if (gb_rungs_state(s->standing.rungs, i, r) >= GB_TRIAL_DONE) *done += cost;
  }
  for (int r = 0; r < s->c.size; r++) {
    const letter *job = &s->desk[r].job;
    if (!s->desk[r].training) continue;
    double end = (double)s->standing.rung_steps[job->rung],
           begin = job->rung ? (double)s->standing.rung_steps[job->rung - 1] : 0;
    *done += fmax(0, job->fraction * end - begin);
  }
}

/* The best trial so far, of the highest rung that any has finished.
 *  @return false if there is none */
static bool find_best(const sweep *s, size_t *best)
{
  int of_best = -1;
  for (size_t i = 0; i < s->design.n_trials; i++) {
    int r = gb_standing_rung(&s->standing, i);
    if (r < of_best || r < 0 || gb_rungs_state(s->standing.rungs, i, r) != GB_TRIAL_DONE) continue;
    if (r == of_best && s->standing.result[i].metric >= s->standing.result[*best].metric) continue;
    *best = i;
    of_best = r;
  }
  return of_best >= 0;
}

/* The best trial, and those that are trained now, a line each. */
static void write_table(sweep *s, const size_t *best)
{
  enum { LINES = 16 };
  int n = 0;
  s->table.n = 0;
  if (best) {
    gb_text_add(&s->table, "  best %04zu: %.6g  ", *best, s->standing.result[*best].metric);
    gb_standing_settings(&s->design, *best, &s->table);
    gb_text_add(&s->table, "\n");
  }
  for (int r = 0; r < s->c.size; r++) {
    const letter *job = &s->desk[r].job;
    if (!s->desk[r].training) continue;
    if (++n > LINES) continue;
    gb_text_add(&s->table, "  %04zu %3.0f %%  ", job->trial, 100 * job->fraction);
    if (s->design.opts.rungs > 1) gb_text_add(&s->table, "rung %d  ", job->rung);
    gb_standing_settings(&s->design, job->trial, &s->table);
    gb_text_add(&s->table, "\n");
  }
  if (n > LINES) gb_text_add(&s->table, "  and %d more\n", n - LINES);
  gb_run_table(s->run, s->table.s);
}

static void show(sweep *s, bool last)
{
  char extra[160];
  double now = gb_clock_now(), done, total;
  if (now - s->shown < interval && !last) return;
  s->shown = now;
  gb_tally n = gb_standing_count(&s->standing);
  size_t best = 0;
  bool found = find_best(s, &best);
  int used = snprintf(extra, sizeof extra, "%zu done, %zu running, %zu failed", n.done, n.running, n.failed);
  if (found)
    snprintf(extra + used, sizeof extra - (size_t)used, ", best %04zu: %.5g", best, s->standing.result[best].metric);
  count_steps(s, &done, &total);
  write_table(s, found ? &best : NULL);
  gb_run_progress(s->run, "sweep", last ? total : fmin(done, 0.999 * total), total, "steps", extra);
}

static void tell_to_wait(sweep *s)
{
  double now = gb_clock_now();
  if (now - s->told < interval) return;
  s->told = now;
  for (int r = 1; r < s->c.size; r++)
    if (s->desk[r].asks) gb_post_offer(s->post, r, &(letter){.kind = WAIT});
}

/* Read what came, answer whom there is an answer for. */
static void serve(sweep *s)
{
  letter l;
  int from;
  while (gb_post_take(s->post, &from, &l)) hear(s, from, &l);
  s->stop = s->stop || gb_run_stop_wanted(s->run);
  if (s->stop || s->failed) tell_to_stop(s);
  for (int r = 1; r < s->c.size; r++)
    if (s->desk[r].asks && next_job(s, &s->desk[r])) gb_post_send(s->post, r, &s->desk[r].job);
  tell_to_wait(s);
  show(s, false);
}

/* --- the first rank of every group */

/* At each step of a training. */
static void watch(void *ctx, double done, double total)
{
  sweep *s = ctx;
  letter l = {.kind = PROGRESS, .fraction = done / total};
  double now = gb_clock_now();
  int from;
  if (s->c.rank == 0) {
    s->desk[0].job.fraction = l.fraction;
    serve(s);
  } else if (now - s->told >= interval) {
    s->told = now;
    gb_post_offer(s->post, 0, &l);
    if (gb_post_take(s->post, &from, &l) && l.kind == STOP) gb_run_stop_ask();
  }
}

/* Hand in the last result, if that was not done, and wait for what is next, or for the word that it takes longer. */
static void obtain(sweep *s)
{
  double nap = 0, begin = gb_clock_now();
  int from;
  bool asked = s->job.kind == WAIT;
  if (s->c.rank == 0) {
    if (!asked) hear(s, 0, &s->job);
    s->job.kind = WAIT;
    for (; s->job.kind == WAIT && gb_clock_now() - begin < interval; gb_comm_nap(&nap)) {
      serve(s);
      if (next_job(s, &s->desk[0])) s->job = s->desk[0].job;
    }
    return;
  }
  if (!asked) gb_post_send(s->post, 0, &s->job);
  for (;;) {
    if (!gb_post_take(s->post, &from, &s->job)) {
      gb_comm_nap(&nap);
    } else if (s->job.kind == STOP) {
      gb_run_stop_ask();
    } else {
      return;
    }
  }
}

/* Rank 0 has no more trials for itself: it is there for the others until they have left. */
static void wait_for_others(sweep *s)
{
  double nap = 0;
  for (int r = 1; r < s->c.size; r++)
    while (s->desk[r].is_first && !s->desk[r].left) {
      serve(s);
      gb_comm_nap(&nap);
    }
}

static gb_err work(sweep *s)
{
  s->job = (letter){.kind = ASK};
  for (;;) {
    if (s->group.rank == 0) obtain(s);
    gb_comm_bcast_resting(s->group, &s->job, sizeof s->job);
    if (s->job.kind == WAIT) continue;
    if (s->job.kind == END) return GB_OK;
    double begin = gb_clock_now();
    GB_TRY(gb_trial_run(s->group, &s->trials, s->job.trial, s->job.rung, &s->job.result));
    s->busy += gb_clock_now() - begin;
    s->job.kind = RESULT;
  }
}

/* --- begin and end */

/* Groups of neighbours, of sweep.ranks_per_trial ranks or one fewer. */
static void make_groups(sweep *s)
{
  int size = s->c.size, k = (int)s->design.opts.ranks_per_trial, n = (size + k - 1) / k, group = 0;
  for (int g = 0, first = 0; g < n; first += size / n + (g < size % n), g++) {
    if (s->c.rank == 0) s->desk[first].is_first = true;
    if (s->c.rank >= first) group = g;
  }
  s->group = gb_comm_split(s->c, group, s->c.rank);
}

/* Rank 0: the ledger, as it is or anew. */
static gb_err open_ledger(sweep *s)
{
  gb_ledger l;
  gb_text fixed = {0};
  snprintf(s->ledger, sizeof s->ledger, "%s", gb_run_path(s->run, "trials.jsonl"));
  gb_err e = gb_past_read(&s->trials, s->ledger, &s->standing, &l, &fixed);
  if (!e && l.config && !gb_run_get(s->run)->resume)
    e = GB_FAIL(GB_ERR_CONFIG, "run.resume is false but %s exists. Choose another run.dir, or let it resume.",
                s->ledger);
  if (!e) e = gb_ledger_begin(s->ledger, fixed.s);
  if (!e && l.n) {
    gb_tally n = gb_standing_count(&s->standing);
    gb_run_say(s->run, "continuing %s: %zu of %zu trials are done, %zu failed", s->ledger, n.done, s->design.n_trials,
               n.failed);
  }
  gb_ledger_free(&l);
  gb_text_free(&fixed);
  return e;
}

static gb_err begin(sweep *s, const gb_sweep_call *call)
{
  char path[PATH_MAX];
  gb_err e = gb_past_design(call->cfg, call->physics, &s->design, &s->standing);
  s->trials = (gb_trials){.cfg = call->cfg,
                          .physics = call->physics,
                          .all = call->all,
                          .design = &s->design,
                          .dir = gb_run_get(s->run)->dir,
                          .watch = watch,
                          .watcher = s};
  if (!e && s->c.rank == 0) e = gb_new(&s->desk, (size_t)s->c.size);
  if (!e && s->c.rank == 0) e = open_ledger(s);
  if (!e) e = gb_sim_create(call->physics, call->cfg, gb_comm_self(), &s->sim);
  GB_TRY(gb_comm_agree(s->c, e));
  if (gb_trial_shares_data(&s->trials)) {
    gb_dataset_opts data = gb_experiment_data(call->cfg, path);
    GB_TRY(gb_dataset_open(s->c, &data, s->sim.dims.ndim, s->sim.dims.shape, &s->trials.data));
  }
  GB_TRY(gb_post_open(s->c, sizeof(letter), &s->post));
  make_groups(s);
  return GB_OK;
}

/* Rank 0: the table, sweep.json, and how well the ranks were used. */
static gb_err conclude(sweep *s, double busy, double wall)
{
  gb_tally n = gb_standing_count(&s->standing);
  gb_text t = {0};
  double used = wall > 0 ? busy / (wall * s->c.size) : 1;
  if (!s->stop) show(s, true);
  gb_run_table(s->run, NULL);
  gb_run_log(s->run, s->stop ? "stopped" : "done", 6,
             (gb_kv[]){{"done", (double)n.done, NULL},
                       {"failed", (double)n.failed, NULL},
                       {"open", (double)n.open, NULL},
                       {"ranks", (double)s->c.size, NULL},
                       {"seconds", wall, NULL},
                       {"utilisation", used, NULL}});
  gb_err e = gb_standing_write(&s->standing, gb_run_path(s->run, "sweep.json"));
  if (!e) e = gb_standing_print(&s->standing, gb_run_get(s->run)->dir, &t);
  if (!e)
    gb_run_say(s->run, "\n%s%zu done, %zu failed, %zu open; ranks trained %.1f %% of the time", t.s, n.done, n.failed,
               n.open, 100 * used);
  gb_err first = s->standing.result[0].code; /* a full disk, say, is none of the settings' fault */
  if (!e && !s->stop && n.failed == s->design.n_trials)
    e = GB_FAIL(first == GB_ERR_CONFIG ? GB_ERR_NUMERIC : first, "all %zu trials failed, the first one with: %.300s",
                n.failed, s->standing.result[0].reason);
  gb_text_free(&t);
  return e;
}

static gb_err run_all(sweep *s)
{
  double busy[2];
  s->begin = gb_clock_now();
  GB_TRY(work(s));
  if (s->c.rank == 0) wait_for_others(s);
  gb_comm_meet_resting(s->c);
  busy[0] = s->busy;
  busy[1] = s->c.rank == 0 ? gb_clock_now() - s->begin : 0;
  gb_comm_merge(s->c, busy, 2);
  gb_err e = s->failed ? GB_FAIL(s->failed, "%s", s->why) : GB_OK;
  if (!e && s->c.rank == 0) e = conclude(s, busy[0], busy[1]);
  GB_TRY(gb_comm_agree(s->c, e));
  if (!gb_comm_any(s->c, s->stop)) return GB_OK;
  gb_run_stop_done(s->run);
  e = GB_FAIL(GB_STOPPED, "stopped on request; everything is saved in %s", gb_run_get(s->run)->dir);
  gb_err_set_common();
  return e;
}

gb_err gb_sweep_run(gb_comm c, const gb_sweep_call *call, gb_run *run)
{
  sweep *s;
  GB_TRY(gb_comm_agree(c, gb_new(&s, 1)));
  s->c = c;
  s->run = run;
  gb_err e = begin(s, call);
  if (!e) e = run_all(s);
  gb_run_table(run, NULL);
  if (e && !gb_err_is_common())
    return e; /* the others do not know: the program aborts, nothing collective may come before */
  gb_post_close(&s->post);
  gb_comm_close(&s->group);
  gb_dataset_close(&s->trials.data);
  gb_sim_destroy(&s->sim);
  gb_past_free(&s->standing);
  gb_design_free(&s->design);
  gb_text_free(&s->table);
  gb_free(&s->desk);
  gb_free(&s);
  return e;
}
