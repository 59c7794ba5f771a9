/* sweep/sweep.c - rank 0 deals out trials and writes down results; everyone trains. */
#include "sweep/sweep.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "comm/post.h"
#include "learn/experiment.h"
#include "sweep/standing.h"

/* What groups and rank 0 tell each other. A group asks, or hands in a result and asks; it is told a trial, or that
 * there is none for it any more. While it trains it tells how far it is, and may be told to stop. */
typedef enum kind { ASK, RESULT, PROGRESS, TRIAL, STOP, END } kind;

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
  gb_sim sim;
  gb_post *post;
  double told;        /* when this rank last told how far it is */
  double begin, busy; /* seconds */
  letter job;         /* of this group */
  bool stop;          /* some rank was asked to stop; on rank 0 */
  /* rank 0 */
  gb_err failed; /* the ledger cannot be written, and why */
  char why[600];
  gb_rungs *rungs;
  gb_result *result; /* [n_trials] */
  uint64_t *rung_steps;
  desk *desk; /* [ranks] */
  char ledger[PATH_MAX];
  double shown;
  gb_text table;
} sweep;

static gb_standing standing(const sweep *s)
{
  return (gb_standing){&s->design, s->rungs, s->result, s->rung_steps};
}

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

/* Failures of the machine are no property of a trial: the next start tries again. */
static bool is_verdict(gb_err code)
{
  return code == GB_ERR_CONFIG || code == GB_ERR_NUMERIC;
}

static void take_result(sweep *s, const letter *l)
{
  const gb_result *x = &l->result;
  s->result[l->trial] = *x;
  if (x->code == GB_STOPPED) {
    s->stop = true;
    gb_rungs_set(s->rungs, l->trial, l->rung, GB_TRIAL_OPEN, 0);
    return;
  }
  record(s, x->code ? GB_EVENT_FAILED : GB_EVENT_DONE, l);
  gb_rungs_set(s->rungs, l->trial, l->rung, x->code ? GB_TRIAL_FAILED : GB_TRIAL_DONE, x->metric);
  if (x->code) gb_run_say(s->run, "trial %04zu failed: %.300s", l->trial, x->reason);
}

/* What a group is to do next.
 *  @return false if that is not known yet */
static bool next_job(sweep *s, desk *d)
{
  letter *job = &d->job;
  *job = (letter){.kind = END};
  gb_next next = s->stop || s->failed ? GB_NEXT_NONE : gb_rungs_next(s->rungs, &job->trial, &job->rung);
  if (next == GB_NEXT_WAIT) return false;
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
    double cost = (double)(s->rung_steps[r] - (r ? s->rung_steps[r - 1] : 0)),
           entered = (double)gb_rungs_entered(s->rungs, r);
    *total += cost * fmax(entrants, entered);
    entrants = floor(entrants / (double)s->design.opts.eta);
    for (size_t i = 0; i < s->design.n_trials; i++)
      if (gb_rungs_state(s->rungs, i, r) >= GB_TRIAL_DONE) *done += cost;
  }
  for (int r = 0; r < s->c.size; r++) {
    const letter *job = &s->desk[r].job;
    if (!s->desk[r].training) continue;
    double end = (double)s->rung_steps[job->rung], begin = job->rung ? (double)s->rung_steps[job->rung - 1] : 0;
    *done += fmax(0, job->fraction * end - begin);
  }
}

/* The best trial so far, of the highest rung that any has finished.
 *  @return false if there is none */
static bool find_best(const sweep *s, size_t *best)
{
  gb_standing st = standing(s);
  int of_best = -1;
  for (size_t i = 0; i < s->design.n_trials; i++) {
    int r = gb_standing_rung(&st, i);
    if (r < of_best || r < 0 || gb_rungs_state(s->rungs, i, r) != GB_TRIAL_DONE) continue;
    if (r == of_best && s->result[i].metric >= s->result[*best].metric) continue;
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
    gb_text_add(&s->table, "  best %04zu: %.6g  ", *best, s->result[*best].metric);
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
  static const double interval = 0.2;
  char extra[160];
  double now = gb_clock_now(), done, total;
  if (now - s->shown < interval && !last) return;
  s->shown = now;
  gb_standing st = standing(s);
  gb_tally n = gb_standing_count(&st);
  size_t best = 0;
  bool found = find_best(s, &best);
  int used = snprintf(extra, sizeof extra, "%zu done, %zu running, %zu failed", n.done, n.running, n.failed);
  if (found) snprintf(extra + used, sizeof extra - (size_t)used, ", best %04zu: %.5g", best, s->result[best].metric);
  count_steps(s, &done, &total);
  write_table(s, found ? &best : NULL);
  gb_run_progress(s->run, "sweep", last ? total : fmin(done, 0.999 * total), total, "steps", extra);
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
  show(s, false);
}

/* --- the first rank of every group */

/* At each step of a training. */
static void watch(void *ctx, double done, double total)
{
  static const double interval = 0.2;
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

/* Hand in the last result, and wait for what is next. */
static void obtain(sweep *s)
{
  double nap = 0;
  int from;
  if (s->c.rank == 0) {
    hear(s, 0, &s->job);
    for (;;) {
      serve(s);
      if (next_job(s, &s->desk[0])) break;
      gb_comm_nap(&nap);
    }
    s->job = s->desk[0].job;
    return;
  }
  gb_post_send(s->post, 0, &s->job);
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
  int size = s->c.size, k = (int)s->design.opts.ranks_per_trial, n = (size + k - 1) / k;
  int first = 0, group = 0;
  for (; group < n; group++) {
    int count = size / n + (group < size % n);
    if (s->c.rank == 0) s->desk[first].is_first = true;
    if (s->c.rank >= first && s->c.rank < first + count) break;
    first += count;
  }
  for (int g = group + 1, at = first + size / n + (group < size % n); s->c.rank == 0 && g < n; g++) {
    s->desk[at].is_first = true;
    at += size / n + (g < size % n);
  }
  s->group = gb_comm_split(s->c, group, s->c.rank);
}

/* The sections a sweep is defined by, and of these those whose keys may be varied. */
enum { MOST_SECTIONS = 20 };
static void list_sections(const gb_physics *physics, bool axes, const gb_schema *out[MOST_SECTIONS])
{
  size_t n = 0;
  if (!axes) out[n++] = &gb_run_schema;
  if (!axes) out[n++] = &gb_sweep_schema;
  out[n++] = physics->schema;
  for (size_t i = 0; gb_experiment_sections[i]; i++) out[n++] = gb_experiment_sections[i];
  GB_ASSERT(n < MOST_SECTIONS);
  out[n] = NULL;
}

static gb_err read_design(const gb_sweep_call *call, gb_design *d)
{
  const gb_schema *allowed[MOST_SECTIONS];
  list_sections(call->physics, true, allowed);
  return gb_design_read(call->cfg, allowed, d);
}

/* Steps of the rungs with the steps of the config itself. */
static gb_err steps_of_rungs(const gb_config *cfg, const gb_design *d, uint64_t **out)
{
  gb_train_opts train;
  gb_config_get(cfg, &gb_train_schema, &train);
  GB_TRY(gb_new(out, (size_t)d->opts.rungs));
  for (int r = 0; r < d->opts.rungs; r++) {
    (*out)[r] = gb_design_steps(d, (uint64_t)train.steps, (uint64_t)train.validate_every, r);
    GB_CHECK(
        r == 0 || (*out)[r] > (*out)[r - 1], GB_ERR_CONFIG,
        "sweep.rungs = %lld: rungs %d and %d are both at step %llu, since a rung needs a validation of its own. Lower "
        "train.validate_every = %lld or sweep.rungs, or raise train.steps.",
        (long long)d->opts.rungs, r - 1, r, (unsigned long long)(*out)[r], (long long)train.validate_every);
  }
  return GB_OK;
}

/* Does a line of the ledger still hold? Not if the trial is to be trained longer now, and not of a machine's failure.
 */
static gb_err take_record(sweep *s, const gb_record *r)
{
  gb_config *cfg;
  uint64_t steps;
  if (r->trial >= s->design.n_trials || r->rung >= s->design.opts.rungs) return GB_OK;
  if (gb_rungs_state(s->rungs, r->trial, r->rung) != GB_TRIAL_OPEN) return GB_OK;
  if (r->event == GB_EVENT_FAILED && !is_verdict(r->result.code)) return GB_OK;
  gb_err e = gb_trial_config(&s->trials, r->trial, r->rung, &cfg, &steps);
  gb_config_destroy(&cfg);
  if (e == GB_ERR_MEMORY) return e;
  gb_err_clear();
  if (steps != r->result.steps) return GB_OK;
  s->result[r->trial] = r->result;
  gb_rungs_set(s->rungs, r->trial, r->rung, r->event == GB_EVENT_DONE ? GB_TRIAL_DONE : GB_TRIAL_FAILED,
               r->result.metric);
  return GB_OK;
}

static gb_err make_rungs(sweep *s)
{
  size_t *order = NULL, n = s->design.n_trials;
  gb_err e = gb_new(&order, n);
  for (size_t i = 0; i < n && !e; i++) order[i] = gb_design_order(&s->design, i);
  if (!e) e = gb_rungs_create(n, (int)s->design.opts.rungs, (int)s->design.opts.eta, order, &s->rungs);
  gb_free(&order);
  return e;
}

/* Rank 0: the ledger, as it is or anew. */
static gb_err open_ledger(sweep *s)
{
  const gb_schema *sections[MOST_SECTIONS];
  gb_ledger l = {0};
  gb_text config = {0};
  list_sections(s->trials.physics, false, sections);
  GB_TRY(make_rungs(s));
  GB_TRY(gb_new(&s->result, s->design.n_trials));
  snprintf(s->ledger, sizeof s->ledger, "%s", gb_run_path(s->run, "trials.jsonl"));
  gb_config_print_fixed(s->trials.cfg, sections, &config);
  gb_err e = gb_text_done(&config);
  if (!e) e = gb_ledger_read(s->ledger, &l);
  if (e) goto done;
  if (l.config) e = gb_config_match(s->trials.cfg, l.config, s->ledger, sections);
  if (!e && l.config && !gb_run_get(s->run)->resume)
    e = GB_FAIL(GB_ERR_CONFIG, "run.resume is false but %s exists. Choose another run.dir, or let it resume.",
                s->ledger);
  if (!e) e = gb_ledger_begin(s->ledger, config.s);
  for (size_t i = 0; i < l.n && !e; i++) e = take_record(s, &l.record[i]);
  if (!e && l.n) {
    gb_standing st = standing(s);
    gb_tally n = gb_standing_count(&st);
    gb_run_say(s->run, "continuing %s: %zu of %zu trials are done, %zu failed", s->ledger, n.done, s->design.n_trials,
               n.failed);
  }
done:
  gb_ledger_free(&l);
  gb_text_free(&config);
  return e;
}

static gb_err begin(sweep *s, const gb_sweep_call *call)
{
  char path[PATH_MAX];
  gb_err e = read_design(call, &s->design);
  if (!e) e = steps_of_rungs(call->cfg, &s->design, &s->rung_steps);
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
  gb_standing st = standing(s);
  gb_tally n = gb_standing_count(&st);
  gb_text t = {0};
  double used = wall > 0 ? busy / (wall * s->c.size) : 1;
  if (!s->stop) show(s, true);
  gb_run_table(s->run, NULL);
  gb_run_log(s->run, s->stop ? "stopped" : "done", 5,
             (gb_kv[]){{"done", (double)n.done, NULL},
                       {"failed", (double)n.failed, NULL},
                       {"open", (double)n.open, NULL},
                       {"seconds", wall, NULL},
                       {"utilisation", used, NULL}});
  gb_err e = gb_standing_write(&st, gb_run_path(s->run, "sweep.json"));
  if (!e) e = gb_standing_print(&st, gb_run_get(s->run)->dir, &t);
  if (!e)
    gb_run_say(s->run, "\n%s%zu done, %zu failed, %zu open; ranks trained %.1f %% of the time", t.s, n.done, n.failed,
               n.open, 100 * used);
  if (!e && !s->stop && n.failed == s->design.n_trials)
    e = GB_FAIL(GB_ERR_NUMERIC, "all %zu trials failed, the first one with: %.300s", n.failed, s->result[0].reason);
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
  gb_rungs_destroy(&s->rungs);
  gb_design_free(&s->design);
  gb_text_free(&s->table);
  gb_free(&s->result);
  gb_free(&s->rung_steps);
  gb_free(&s->desk);
  gb_free(&s);
  return e;
}

/* --- --dry-run and --list */

static void describe(const gb_design *d, const uint64_t *rung_steps, gb_text *out)
{
  double steps = 0, entrants = (double)d->n_trials;
  gb_text_add(out, "sweep: %zu trials: a %s design of %zu points, %lld seed%s each\n", d->n_trials, d->opts.design,
              d->n_points, (long long)d->opts.seeds, d->opts.seeds > 1 ? "s" : "");
  for (size_t k = 0; k < d->n_axes; k++) {
    const gb_axis *a = &d->axis[k];
    gb_text_add(out, "  %s:", a->key);
    for (size_t i = 0; i < a->n; i++) gb_text_add(out, " %s", a->value[i]);
    if (!a->n) gb_text_add(out, " between %.8g and %.8g", a->min, a->max);
    gb_text_add(out, "\n");
  }
  for (int r = 0; r < d->opts.rungs; r++) {
    if (d->opts.rungs > 1)
      gb_text_add(out, "  rung %d: about %.0f trials to step %llu\n", r, entrants, (unsigned long long)rung_steps[r]);
    steps += entrants * (double)(rung_steps[r] - (r ? rung_steps[r - 1] : 0));
    entrants = floor(entrants / (double)d->opts.eta);
  }
  gb_text_add(out, "  in all about %.0f steps; with all trials to the end %.0f\n", steps,
              (double)d->n_trials * (double)rung_steps[d->opts.rungs - 1]);
}

/* Which trials will fail for their settings? */
static gb_err check_trials(const gb_trials *t, gb_text *out)
{
  enum { SHOWN = 5 };
  size_t bad = 0;
  for (size_t i = 0; i < t->design->n_trials; i++) {
    gb_config *cfg;
    uint64_t steps;
    gb_err e = gb_trial_config(t, i, 0, &cfg, &steps);
    gb_config_destroy(&cfg);
    if (e == GB_ERR_MEMORY) return e;
    if (e && bad++ < SHOWN) gb_text_add(out, "  trial %04zu will fail: %s\n", i, gb_err_message());
    gb_err_clear();
  }
  if (bad > SHOWN) gb_text_add(out, "  and %zu more will fail\n", bad - SHOWN);
  return GB_OK;
}

gb_err gb_sweep_plan(gb_comm c, const gb_sweep_call *call, gb_text *out)
{
  gb_design d;
  gb_run_opts run;
  gb_sim sim = {0};
  uint64_t *rung_steps = NULL;
  gb_config_get(call->cfg, &gb_run_schema, &run);
  gb_err e = read_design(call, &d);
  if (!e) e = steps_of_rungs(call->cfg, &d, &rung_steps);
  gb_trials t = {.cfg = call->cfg, .physics = call->physics, .all = call->all, .design = &d, .dir = run.dir};
  if (!e) describe(&d, rung_steps, out);
  if (!e) e = check_trials(&t, out);
  if (!e) gb_text_add(out, "each trial, with the values of the config itself and one rank:\n");
  if (!e) e = gb_sim_create(call->physics, call->cfg, gb_comm_self(), &sim);
  e = gb_comm_agree(c, e);
  if (!e) e = gb_comm_agree(c, gb_experiment_plan(gb_comm_self(), call->cfg, &sim, out));
  gb_sim_destroy(&sim);
  gb_free(&rung_steps);
  gb_design_free(&d);
  return e;
}

/* A word that a shell takes as it is. */
static void add_word(const char *word, gb_text *out)
{
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-=:,@%";
  if (*word && word[strspn(word, plain)] == 0) {
    gb_text_add(out, " %s", word);
    return;
  }
  gb_text_add(out, " '");
  for (; *word; word++) gb_text_add(out, *word == '\'' ? "'\\''" : "%c", *word);
  gb_text_add(out, "'");
}

gb_err gb_sweep_list(const gb_sweep_call *call, gb_text *out)
{
  gb_design d;
  gb_run_opts run;
  gb_config_get(call->cfg, &gb_run_schema, &run);
  gb_err e = read_design(call, &d);
  gb_trials t = {.cfg = call->cfg, .physics = call->physics, .all = call->all, .design = &d, .dir = run.dir};
  for (size_t i = 0; i < d.n_trials && !e; i++) {
    char **overrides = NULL;
    int n = 0;
    gb_text_add(out, "greybox-train");
    add_word(call->config, out);
    for (int k = 0; k < call->n_overrides; k++)
      if (strncmp(call->overrides[k], "sweep.", 6) && strncmp(call->overrides[k], "run.dir=", 8))
        add_word(call->overrides[k], out);
    e = gb_trial_overrides(&t, i, &n, &overrides);
    for (int k = 0; k < n; k++) add_word(overrides[k], out);
    gb_trial_free_overrides(n, &overrides);
    gb_text_add(out, "\n");
  }
  gb_design_free(&d);
  return e ? e : gb_text_done(out);
}
