/* sweep/design.c - grids, random points and Sobol sequences as functions of the number of a point. */
#include "sweep/design.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "io/run.h"
#include "sweep/sobol.h"

static const gb_field fields[] = {
    GB_WORD(
        gb_sweep_opts, axes, "[]", NULL, GB_FIXED,
        "The keys to vary, each with its values: \"objective.beta log 0.1 10 count 8\", \"model.latent integer 2 8\", "
        "\"objective.energy_weight linear 0 100 count 5\", \"model.spread values fixed learned\"."),
    GB_WORD(gb_sweep_opts, design, "grid", "grid|random|sobol", GB_FIXED,
            "grid: all combinations; random: independent points; sobol: points that fill the space evenly (Joe and Kuo "
            "2008, moved by a random shift), best in powers of two."),
    GB_NUMBER(gb_sweep_opts, trials, "0", 0, 1e6, "points", GB_FREE,
              "Points of a random or Sobol design; may be raised later. 0: all of a grid."),
    GB_NUMBER(gb_sweep_opts, seeds, "1", 1, 1000, "seeds", GB_FIXED,
              "Each point is trained with so many seeds: run.seed, run.seed + 1, and so on."),
    GB_NUMBER(gb_sweep_opts, design_seed, "1", 0, 9007199254740992.0, "1", GB_FIXED,
              "Seed of random points, of the shift of Sobol points, and of the order in which a grid is visited."),
    GB_WORD(
        gb_sweep_opts, metric, "loss", NULL, GB_FIXED,
        "What is compared, at the best validation; less is better: loss, or one of its terms, as in `validate` lines "
        "of log.jsonl."),
    GB_NUMBER(
        gb_sweep_opts, rungs, "1", 1, 10, "rungs", GB_FIXED,
        "Successive halving (ASHA, arXiv:1810.05934): every trial is trained to the first rung, the best 1/eta of "
        "them to the next, the last one is train.steps; 1: all trials are trained to the end."),
    GB_NUMBER(gb_sweep_opts, eta, "4", 2, 16, "1", GB_FIXED, "A rung has so many times the steps of the one before."),
    GB_NUMBER(gb_sweep_opts, ranks_per_trial, "1", 1, 1e6, "ranks", GB_FREE,
              "Ranks that train a trial together; where they do not divide all ranks, one group is smaller. Changes no "
              "result."),
    {0}};

static gb_err check(const void *opts)
{
  const gb_sweep_opts *o = opts;
  bool grid = gb_is(o->design, "grid");
  GB_CHECK(!o->axes.n || grid || o->trials, GB_ERR_CONFIG,
           "sweep.trials = 0: a %s design needs to know how many points: sweep.trials=64", o->design);
  GB_CHECK(!grid || !o->trials, GB_ERR_CONFIG,
           "sweep.trials = %lld: a grid has all combinations of its axes. Leave sweep.trials out, or choose "
           "sweep.design=random or sobol.",
           (long long)o->trials);
  return GB_OK;
}

const gb_schema gb_sweep_schema = {"sweep", "Many trainings of one config (greybox-sweep).", sizeof(gb_sweep_opts),
                                   fields, check};

/* Does an earlier axis vary the same key, or do the seeds? */
static gb_err check_twin(const gb_design *d, size_t k)
{
  for (size_t i = 0; i < k; i++)
    GB_CHECK(!gb_is(d->axis[i].key, d->axis[k].key), GB_ERR_CONFIG,
             "sweep.axes: %s is varied twice, by \"%.100s\" and \"%.100s\". Keep one of them.", d->axis[k].key,
             d->axis[i].text, d->axis[k].text);
  GB_CHECK(!gb_is(d->axis[k].key, "run.seed") || d->opts.seeds == 1, GB_ERR_CONFIG,
           "sweep.axes: run.seed is varied by \"%.100s\" and by sweep.seeds = %lld. Keep one of them.", d->axis[k].text,
           (long long)d->opts.seeds);
  return GB_OK;
}

static gb_err read_axis(const gb_config *cfg, const gb_schema *const allowed[], gb_design *d, size_t k)
{
  gb_axis *a = &d->axis[k];
  const gb_schema *schema;
  const gb_field *field;
  GB_TRY(gb_axis_parse(d->opts.axes.v[k], a));
  gb_err e = gb_config_find(cfg, a->key, &schema, &field);
  if (e) {
    char why[512];
    snprintf(why, sizeof why, "%s", gb_err_message());
    gb_err_clear();
    return GB_FAIL(e, "sweep.axes: \"%.200s\": %s", a->text, why);
  }
  bool read = gb_is(a->key, "run.seed");
  for (size_t i = 0; allowed[i] && !read; i++) read = schema == allowed[i];
  GB_CHECK(
      read, GB_ERR_CONFIG,
      "sweep.axes: \"%.200s\": %s cannot be varied: it is no part of a training. Axes may be run.seed and the keys "
      "that greybox-train --help lists from the physics on.",
      a->text, a->key);
  GB_TRY(check_twin(d, k));
  return gb_axis_settle(a, field->kind == GB_INT, gb_is(d->opts.design, "grid"));
}

enum { MOST_TRIALS = 1000000 };

static gb_err count_trials(gb_design *d)
{
  double n = (double)d->opts.trials, all = 1, entrants = 1;
  for (size_t k = 0; k < d->n_axes; k++) all *= (double)d->axis[k].n;
  if (gb_is(d->opts.design, "grid")) n = all;
  GB_CHECK(
      n * (double)d->opts.seeds <= MOST_TRIALS, GB_ERR_CONFIG,
      "sweep.axes: %.0f points with %lld seeds each are more than %d trials. Give the axes fewer values, or choose "
      "sweep.design=random.",
      n, (long long)d->opts.seeds, MOST_TRIALS);
  d->n_points = (size_t)n;
  d->n_trials = d->n_points * (size_t)d->opts.seeds;
  for (int r = 1; r < d->opts.rungs; r++) entrants *= (double)d->opts.eta;
  GB_CHECK(
      entrants <= (double)d->n_trials, GB_ERR_CONFIG,
      "sweep.rungs = %lld: of %zu trials none would reach the last rung, since 1/%lld of a rung go on to the next. "
      "Lower sweep.rungs or sweep.eta, or make more trials.",
      (long long)d->opts.rungs, d->n_trials, (long long)d->opts.eta);
  return GB_OK;
}

gb_err gb_design_read(const gb_config *cfg, const gb_schema *const allowed[], gb_design *d)
{
  gb_run_opts run;
  *d = (gb_design){0};
  gb_config_get(cfg, &gb_sweep_schema, &d->opts);
  gb_config_get(cfg, &gb_run_schema, &run);
  d->first_seed = (uint64_t)run.seed;
  size_t n = d->opts.axes.n;
  GB_CHECK(
      n || d->opts.seeds > 1, GB_ERR_CONFIG,
      "sweep.axes is empty: nothing is varied. Say which keys, as sweep.axes=[objective.beta log 0.1 10 count 8], or "
      "give sweep.seeds.");
  GB_CHECK(n <= GB_SOBOL_DIMENSIONS || !gb_is(d->opts.design, "sobol"), GB_ERR_CONFIG,
           "sweep.axes: a Sobol design has at most %d axes. Choose sweep.design=random.", GB_SOBOL_DIMENSIONS);
  GB_TRY(gb_new(&d->axis, n));
  for (; d->n_axes < n; d->n_axes++) {
    gb_err e = read_axis(cfg, allowed, d, d->n_axes);
    if (!e) continue;
    d->n_axes++; /* it is to be freed, too */
    return e;
  }
  return count_trials(d);
}

void gb_design_free(gb_design *d)
{
  for (size_t k = 0; k < d->n_axes; k++) gb_axis_free(&d->axis[k]);
  gb_free(&d->axis);
  *d = (gb_design){0};
}

size_t gb_design_point(const gb_design *d, size_t trial)
{
  return trial / (size_t)d->opts.seeds;
}

uint64_t gb_design_seed(const gb_design *d, size_t trial)
{
  return d->first_seed + trial % (uint64_t)d->opts.seeds;
}

/* Random words of the design, for an axis of a point; the shift of a Sobol sequence is that of point 0. */
static uint32_t word(const gb_design *d, size_t point, size_t axis)
{
  uint32_t w[4];
  gb_rng_block(gb_rng_key((uint64_t)d->opts.design_seed, GB_RNG_DESIGN, point, 0), (uint32_t)(axis / 4), w);
  return w[axis % 4];
}

void gb_design_value(const gb_design *d, size_t point, size_t axis, gb_text *out)
{
  if (gb_is(d->opts.design, "grid")) {
    for (size_t k = d->n_axes - 1; k > axis; k--) point /= d->axis[k].n; /* the last axis runs fastest */
    gb_text_add(out, "%s", d->axis[axis].value[point % d->axis[axis].n]);
  } else if (gb_is(d->opts.design, "sobol")) {
    gb_axis_value(&d->axis[axis], gb_rng_unit(gb_sobol((int)axis, (uint32_t)point) ^ word(d, 0, axis)), out);
  } else {
    gb_axis_value(&d->axis[axis], gb_rng_unit(word(d, point, axis)), out);
  }
}

size_t gb_design_order(const gb_design *d, size_t place)
{
  uint64_t trial = place;
  if (gb_is(d->opts.design, "grid") && d->opts.rungs > 1)
    gb_rng_permute_range(gb_rng_key((uint64_t)d->opts.design_seed, GB_RNG_DESIGN, 0, 1), d->n_trials, place, 1, &trial);
  return trial;
}

uint64_t gb_design_steps(const gb_design *d, uint64_t steps, uint64_t validate_every, int rung)
{
  uint64_t part = 1;
  for (int r = rung + 1; r < d->opts.rungs; r++) part *= (uint64_t)d->opts.eta;
  if (part == 1) return steps;
  uint64_t validations = ((steps + part - 1) / part + validate_every - 1) / validate_every;
  return validations * validate_every < steps ? validations * validate_every : steps;
}
