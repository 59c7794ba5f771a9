/* sweep/past.c - a config and a ledger in, results and the state of the halving out. */
#include "sweep/past.h"

#include "base/mem.h"
#include "learn/experiment.h"

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

gb_err gb_past_design(const gb_config *cfg, const gb_physics *physics, gb_design *design, gb_standing *out)
{
  const gb_schema *allowed[MOST_SECTIONS];
  *out = (gb_standing){.design = design};
  list_sections(physics, true, allowed);
  GB_TRY(gb_design_read(cfg, allowed, design));
  return steps_of_rungs(cfg, design, &out->rung_steps);
}

/* Failures of the machine are no property of a trial: the next start tries again. */
static bool is_verdict(gb_err code)
{
  return code == GB_ERR_CONFIG || code == GB_ERR_NUMERIC;
}

/* Does a line of the ledger still hold? Not if the trial is to be trained longer now, and not of a machine's failure.
 */
static gb_err take_record(const gb_trials *t, const gb_record *r, gb_standing *s)
{
  gb_config *cfg;
  uint64_t steps;
  if (r->trial >= s->design->n_trials || r->rung >= s->design->opts.rungs) return GB_OK;
  if (gb_rungs_state(s->rungs, r->trial, r->rung) != GB_TRIAL_OPEN) return GB_OK;
  if (r->event == GB_EVENT_FAILED && !is_verdict(r->result.code)) return GB_OK;
  gb_err e = gb_trial_config(t, r->trial, r->rung, &cfg, &steps);
  gb_config_destroy(&cfg);
  if (e == GB_ERR_MEMORY) return e;
  gb_err_clear();
  if (steps != r->result.steps) return GB_OK;
  s->result[r->trial] = r->result;
  gb_rungs_set(s->rungs, r->trial, r->rung, r->event == GB_EVENT_DONE ? GB_TRIAL_DONE : GB_TRIAL_FAILED,
               r->result.metric);
  return GB_OK;
}

/* All trials open. */
static gb_err begin(gb_standing *s)
{
  const gb_design *d = s->design;
  size_t *order = NULL;
  GB_TRY(gb_new(&s->result, d->n_trials));
  GB_TRY(gb_new(&order, d->n_trials));
  for (size_t i = 0; i < d->n_trials; i++) order[i] = gb_design_order(d, i);
  gb_err e = gb_rungs_create(d->n_trials, (int)d->opts.rungs, (int)d->opts.eta, order, &s->rungs);
  gb_free(&order);
  return e;
}

gb_err gb_past_read(const gb_trials *t, const char *path, gb_standing *out, gb_ledger *ledger, gb_text *fixed)
{
  const gb_schema *sections[MOST_SECTIONS];
  list_sections(t->physics, false, sections);
  *ledger = (gb_ledger){0};
  if (fixed) {
    gb_config_print_fixed(t->cfg, sections, fixed);
    GB_TRY(gb_text_done(fixed));
  }
  GB_TRY(begin(out));
  GB_TRY(gb_ledger_read(path, ledger));
  if (ledger->config) GB_TRY(gb_config_match(t->cfg, ledger->config, path, sections));
  for (size_t i = 0; i < ledger->n; i++) GB_TRY(take_record(t, &ledger->record[i], out));
  return GB_OK;
}

void gb_past_free(gb_standing *s)
{
  gb_rungs_destroy(&s->rungs);
  gb_free(&s->result);
  gb_free(&s->rung_steps);
}
