/* report/sweep_assess.c - from the directories of trials to what is said of each. */
#include "report/sweep_assess.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "report/traverse.h"

enum { PASS_ROWS = 64 };

typedef struct job {
  gb_comm c;
  const gb_trials *t;
  gb_run *run;
  gb_sweep_assessment *out;
  bool shared;        /* one data set for all, */
  gb_dataset *data;   /* open or not yet */
  gb_factors factors; /* of it */
  double done, total; /* trials */
} job;

static void tell(void *ctx, double part)
{
  job *j = ctx;
  if (j->c.rank == 0) gb_run_progress(j->run, "assessing", fmin(j->done + part, j->total), j->total, "trials", NULL);
}

static void close_data(job *j)
{
  gb_factors_free(&j->factors);
  gb_dataset_close(&j->data);
}

/* The data of a trial, and what is known of them. */
static gb_err open_data(job *j, const gb_config *cfg, const gb_trained *m)
{
  char path[PATH_MAX];
  gb_err e = GB_OK;
  if (!j->data) {
    gb_dataset_opts o = gb_experiment_data(cfg, path);
    GB_TRY(gb_dataset_open(j->c, &o, m->sim.dims.ndim, m->sim.dims.shape, &j->data));
    GB_TRY(gb_factors_read(j->c, &m->sim, j->data, &j->factors));
  }
  if (m->data != gb_dataset_fingerprint(j->data))
    e = GB_FAIL(GB_ERR_CONFIG, "it was trained on another data set than that of its config");
  return gb_comm_agree(j->c, e);
}

static bool same_names(const gb_factors *a, const gb_factors *b)
{
  bool same = a->n == b->n;
  for (size_t k = 0; k < a->n && same; k++) same = !strcmp(a->of[k].name, b->of[k].name);
  return same;
}

static gb_err keep_names(job *j)
{
  gb_factors *f = &j->out->factors;
  GB_CHECK(!j->out->n || same_names(f, &j->factors), GB_ERR_CONFIG,
           "other factors are known of its data set than of the first trial's");
  if (j->out->n) return GB_OK;
  *f = j->factors;
  for (size_t k = 0; k < f->n; k++) f->of[k].value = NULL;
  j->out->rows = j->factors.rows;
  return GB_OK;
}

static gb_err judge(job *j, const gb_config *cfg, gb_evidence *out)
{
  gb_trained m;
  gb_run_opts run;
  gb_err e = GB_OK;
  gb_config_get(cfg, &gb_run_schema, &run);
  GB_TRY(gb_trained_open_evidence(j->c, run.dir, j->t->physics, PASS_ROWS, &m));
  GB_GOTO(e, open_data(j, cfg, &m), done);
  GB_GOTO(e, gb_comm_agree(j->c, keep_names(j)), done);
  GB_GOTO(e, gb_evidence_gather(j->c, &m, j->data, &j->factors, j->out->draws, (gb_bound_watch){tell, j}, out), done);
done:
  gb_trained_close(&m);
  if (!j->shared) close_data(j);
  return e;
}

/* What is wrong with a trial alone is said of it; the others go on. */
static gb_err excuse(gb_err e, gb_sweep_judged *x)
{
  if (e != GB_ERR_CONFIG && e != GB_ERR_IO && e != GB_ERR_NUMERIC) return e;
  snprintf(x->why, sizeof x->why, "%s", gb_err_message());
  gb_err_clear();
  return GB_OK;
}

static gb_err judge_trial(job *j, size_t trial)
{
  gb_sweep_judged *x = &j->out->trial[trial];
  gb_config *cfg = NULL;
  uint64_t steps;
  gb_err e = gb_comm_agree(j->c, gb_trial_config(j->t, trial, 0, &cfg, &steps));
  if (!e) e = judge(j, cfg, &x->of);
  gb_config_destroy(&cfg);
  x->done = !e;
  j->out->n += x->done;
  return e ? excuse(e, x) : GB_OK;
}

static gb_err choose(const gb_physics *physics, const char *factor, gb_sweep_assessment *a)
{
  gb_text names = {0};
  a->chosen = gb_factors_find(&a->factors, *factor ? factor : physics->ensemble ? "abs_m" : "");
  if (!*factor && a->chosen == a->factors.n) a->chosen = 0;
  if (!*factor || a->chosen < a->factors.n) return GB_OK;
  for (size_t k = 0; k < a->factors.n; k++) gb_text_add(&names, "%s%s", k ? ", " : "", a->factors.of[k].name);
  gb_err e = GB_FAIL(GB_ERR_CONFIG, "report.factor = %.100s: the data set has no such factor. It has: %s.", factor,
                     names.n ? names.s : "none");
  gb_text_free(&names);
  return e;
}

/* The trial that describes the data best, and its latents as pictures. */
static gb_err show_best(job *j)
{
  gb_sweep_assessment *a = j->out;
  gb_config *cfg = NULL;
  gb_trained m = {0};
  gb_run_opts run;
  uint64_t steps;
  gb_err e = GB_OK;
  double most = -INFINITY;
  for (size_t i = 0; i < j->t->design->n_trials; i++) {
    if (!a->trial[i].done || !(a->trial[i].of.bounds.bound[GB_BOUND_IWAE][0] > most)) continue;
    a->best = i;
    most = a->trial[i].of.bounds.bound[GB_BOUND_IWAE][0];
  }
  GB_GOTO(e, gb_comm_agree(j->c, gb_trial_config(j->t, a->best, 0, &cfg, &steps)), done);
  gb_config_get(cfg, &gb_run_schema, &run);
  GB_GOTO(e, gb_trained_open_evidence(j->c, run.dir, j->t->physics, PASS_ROWS, &m), done);
  GB_GOTO(e, open_data(j, cfg, &m), done);
  if (j->c.rank == 0) e = gb_traverse(&m, j->data, a->trial[a->best].of.of.variance, j->run, &a->traversal);
  e = gb_comm_agree(j->c, e);
done:
  gb_trained_close(&m);
  gb_config_destroy(&cfg);
  return e;
}

/* Minutes may be left: a wish to stop ends the report, of which nothing is written then. */
static gb_err stop_if_wanted(job *j)
{
  if (!gb_comm_any(j->c, gb_run_stop_wanted(j->run))) return GB_OK;
  gb_run_stop_done(j->run);
  gb_err e =
      GB_FAIL(GB_STOPPED, "stopped on request after %.0f of %.0f trials; a report begins anew", j->done, j->total);
  gb_err_set_common();
  return e;
}

gb_err gb_sweep_assess(gb_comm c, const gb_trials *t, const bool *wanted, size_t draws, const char *factor, gb_run *run,
                       gb_sweep_assessment *out)
{
  job j = {.c = c, .t = t, .run = run, .out = out, .shared = gb_trial_shares_data(t)};
  size_t n = t->design->n_trials;
  *out = (gb_sweep_assessment){.draws = draws};
  for (size_t i = 0; i < n; i++) j.total += wanted[i];
  if (!draws || j.total == 0) return GB_OK;
  gb_err e = gb_comm_agree(c, gb_new(&out->trial, n));
  for (size_t i = 0; i < n && !e; i++) {
    if (!wanted[i]) continue;
    e = stop_if_wanted(&j);
    if (!e) e = judge_trial(&j, i);
    j.done++;
    tell(&j, 0);
  }
  if (!e && out->n) e = gb_comm_agree(c, choose(t->physics, factor, out));
  if (!e && out->n) e = show_best(&j);
  close_data(&j);
  return e;
}

void gb_sweep_assessment_free(gb_sweep_assessment *a, size_t n_trials)
{
  for (size_t i = 0; i < n_trials && a->trial; i++) gb_evidence_free(&a->trial[i].of);
  gb_free(&a->trial);
  gb_text_free(&a->traversal);
}
