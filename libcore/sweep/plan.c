/* sweep/plan.c - --dry-run and --list: what a sweep will do, without doing it. */
#include <math.h>
#include <string.h>

#include "learn/experiment.h"
#include "sweep/past.h"
#include "sweep/sweep.h"

static void describe(const gb_standing *s, gb_text *out)
{
  const gb_design *d = s->design;
  const uint64_t *rung_steps = s->rung_steps;
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
  gb_standing s;
  gb_config_get(call->cfg, &gb_run_schema, &run);
  gb_err e = gb_past_design(call->cfg, call->physics, &d, &s);
  gb_trials t = {.cfg = call->cfg, .physics = call->physics, .all = call->all, .design = &d, .dir = run.dir};
  if (!e) describe(&s, out);
  if (!e) e = check_trials(&t, out);
  if (!e) gb_text_add(out, "each trial, with the values of the config itself and one rank:\n");
  if (!e) e = gb_sim_create(call->physics, call->cfg, gb_comm_self(), &sim);
  e = gb_comm_agree(c, e);
  if (!e) e = gb_comm_agree(c, gb_experiment_plan(gb_comm_self(), call->cfg, &sim, out));
  gb_sim_destroy(&sim);
  gb_past_free(&s);
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
  gb_standing s;
  gb_run_opts run;
  gb_config_get(call->cfg, &gb_run_schema, &run);
  gb_err e = gb_past_design(call->cfg, call->physics, &d, &s);
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
  gb_past_free(&s);
  gb_design_free(&d);
  return e ? e : gb_text_done(out);
}
