/* report/sweep_report.c - from the ledger of a sweep to means, the Pareto front and maps; both forms. */
#include "report/sweep_report.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "report/report.h"

bool gb_sweep_report_fits(gb_comm c, gb_run *run)
{
  return gb_comm_any(c, c.rank == 0 && access(gb_run_path(run, "trials.jsonl"), F_OK) == 0);
}

gb_sweep_mean gb_sweep_mean_of(size_t n, const double *v)
{
  gb_sweep_mean m = {0};
  double squares = 0;
  for (size_t i = 0; i < n; i++) {
    if (!isfinite(v[i])) continue;
    m.mean += v[i];
    m.n++;
  }
  if (!m.n) return (gb_sweep_mean){0, NAN, NAN};
  m.mean /= (double)m.n;
  for (size_t i = 0; i < n; i++)
    if (isfinite(v[i])) squares += (v[i] - m.mean) * (v[i] - m.mean);
  if (m.n > 1) m.error = sqrt(squares / ((double)m.n * (double)(m.n - 1)));
  return m;
}

typedef struct pair {
  double a, b;
  size_t at;
} pair;

static int by_first(const void *u, const void *v)
{
  const pair *x = u, *y = v;
  if (x->a < y->a || x->a > y->a) return x->a < y->a ? -1 : 1;
  return (x->b > y->b) - (x->b < y->b);
}

gb_err gb_sweep_front(size_t n, const double *a, const double *b, bool *front)
{
  pair *v = NULL, best = {NAN, INFINITY, 0};
  size_t m = 0;
  GB_TRY(gb_new(&v, n));
  for (size_t i = 0; i < n; i++) {
    front[i] = false;
    if (isfinite(a[i]) && isfinite(b[i])) v[m++] = (pair){a[i], b[i], i};
  }
  qsort(v, m, sizeof *v, by_first);
  for (size_t i = 0; i < m; i++) {
    bool twin = !(v[i].a > best.a) && !(v[i].b > best.b); /* equal ones do not push each other out */
    if (v[i].b < best.b) best = v[i];
    front[v[i].at] = twin || best.at == v[i].at;
  }
  gb_free(&v);
  return GB_OK;
}

static bool is_grid(const gb_design *d)
{
  return gb_is(d->opts.design, "grid");
}

bool gb_sweep_has(const gb_sweep_report *r, gb_sweep_quantity q)
{
  for (size_t i = 0; i < r->design.n_trials; i++)
    if (isfinite(r->value[q][i])) return true;
  return false;
}

size_t gb_sweep_line(const gb_sweep_report *r, size_t first, size_t *member)
{
  const gb_design *d = &r->design;
  size_t along = d->n_axes > 1 ? 1 : 0, stride = 1;
  if (!is_grid(d) || !d->n_axes || r->place[first * d->n_axes + along]) return 0;
  for (size_t k = along + 1; k < d->n_axes; k++) stride *= d->axis[k].n; /* the last axis is the fastest */
  for (size_t i = 0; i < d->axis[along].n; i++) member[i] = first + i * stride;
  return d->axis[along].n;
}

bool gb_sweep_has_maps(const gb_sweep_report *r)
{
  enum { MOST = 40 };
  const gb_design *d = &r->design;
  return is_grid(d) && d->n_axes > 1 && d->axis[0].n <= MOST && d->axis[1].n <= MOST && r->rung >= 0;
}

gb_err gb_sweep_map(const gb_sweep_report *r, gb_sweep_quantity q, double **out)
{
  const gb_design *d = &r->design;
  size_t cells = d->axis[0].n * d->axis[1].n, *n = NULL;
  gb_err e = gb_new(out, cells);
  if (!e) e = gb_new(&n, cells);
  for (size_t t = 0; t < d->n_trials && !e; t++) {
    const size_t *place = r->place + gb_design_point(d, t) * d->n_axes;
    if (!isfinite(r->value[q][t])) continue;
    (*out)[place[0] * d->axis[1].n + place[1]] += r->value[q][t];
    n[place[0] * d->axis[1].n + place[1]]++;
  }
  for (size_t i = 0; i < cells && !e; i++) (*out)[i] = n[i] ? (*out)[i] / (double)n[i] : NAN;
  gb_free(&n);
  return e;
}

/* --- what the ledger says */

static double term(const gb_result *x, const char *name)
{
  for (int k = 0; k < x->n_terms; k++)
    if (gb_is(x->term[k], name)) return x->mean[k];
  return NAN;
}

static bool counts(const gb_sweep_report *r, size_t trial)
{
  return gb_standing_rung(&r->standing, trial) == r->rung &&
         gb_rungs_state(r->standing.rungs, trial, r->rung) == GB_TRIAL_DONE;
}

static void take_values(gb_sweep_report *r)
{
  r->name[GB_SWEEP_METRIC] = r->design.opts.metric;
  r->name[GB_SWEEP_RATE] = "kl";
  r->name[GB_SWEEP_DISTORTION] = "nll";
  r->name[GB_SWEEP_IWAE] = "IWAE bound";
  r->name[GB_SWEEP_ELBO] = "ELBO";
  r->name[GB_SWEEP_GAP] = "gap, IWAE − ELBO";
  r->name[GB_SWEEP_ACTIVE] = "active units";
  r->name[GB_SWEEP_CORRELATION] = "correlation";
  r->name[GB_SWEEP_ENERGY_ERROR] = "energy error";
  r->name[GB_SWEEP_ERROR] = "squared error";
  r->name[GB_SWEEP_GAIN] = "gain over linear";
  for (size_t i = 0; i < r->design.n_trials; i++) {
    const gb_result *x = &r->standing.result[i];
    for (int q = 0; q < GB_SWEEP_QUANTITIES; q++) r->value[q][i] = NAN;
    if (r->rung < 0 || !counts(r, i)) continue;
    if (!isfinite(term(x, "nll"))) r->name[GB_SWEEP_DISTORTION] = "reconstruction";
    r->value[GB_SWEEP_METRIC][i] = x->metric;
    r->value[GB_SWEEP_RATE][i] = term(x, "kl");
    r->value[GB_SWEEP_DISTORTION][i] = term(x, r->name[GB_SWEEP_DISTORTION]);
  }
}

/* What the weights of trials say, in the place of what the ledger says. */
static void take_judged(gb_sweep_report *r)
{
  const gb_sweep_assessment *a = &r->judged;
  for (size_t i = 0; i < r->design.n_trials && a->n; i++) {
    const gb_evidence *v = &a->trial[i].of;
    bool done = a->trial[i].done;
    r->value[GB_SWEEP_RATE][i] = done && v->bounds.latents ? v->bounds.rate[0] : NAN;
    r->value[GB_SWEEP_DISTORTION][i] = done ? v->bounds.term[0] : NAN;
    if (!done) continue;
    r->value[GB_SWEEP_IWAE][i] = v->bounds.bound[GB_BOUND_IWAE][0];
    r->value[GB_SWEEP_ELBO][i] = v->bounds.bound[GB_BOUND_ELBO][0];
    r->value[GB_SWEEP_GAP][i] = v->bounds.gap[0];
    r->value[GB_SWEEP_ACTIVE][i] = (double)v->of.active;
    if (a->chosen < a->factors.n) r->value[GB_SWEEP_CORRELATION][i] = gb_disentangled_correlation(&v->of, a->chosen);
    if (v->has_energy) r->value[GB_SWEEP_ENERGY_ERROR][i] = v->energy_error[0][0];
    if (v->has_energy) r->value[GB_SWEEP_ERROR][i] = v->square[0];
    r->value[GB_SWEEP_GAIN][i] = gb_baseline_gain(&r->bound.of, v->bounds.latents, r->value[GB_SWEEP_RATE][i],
                                                  v->has_energy ? v->square[0] : v->bounds.term[0]);
  }
}

static gb_err take_means(gb_sweep_report *r)
{
  size_t n = r->design.n_points, seeds = (size_t)r->design.opts.seeds;
  double *mean = NULL;
  GB_TRY(gb_new(&mean, 2 * n));
  for (size_t p = 0; p < n; p++) {
    for (int q = 0; q < GB_SWEEP_QUANTITIES; q++) r->point[q][p] = gb_sweep_mean_of(seeds, r->value[q] + p * seeds);
    mean[p] = r->point[GB_SWEEP_RATE][p].mean;
    mean[n + p] = r->point[GB_SWEEP_DISTORTION][p].mean;
  }
  gb_err e = gb_sweep_front(n, mean, mean + n, r->front);
  gb_free(&mean);
  return e;
}

static bool is_number(const char *text, double *out)
{
  char *end;
  *out = strtod(text, &end);
  return end != text && !*end && isfinite(*out);
}

/* Where a point lies along an axis. */
static gb_err take_place(gb_sweep_report *r, size_t p, size_t k, bool numbers)
{
  const gb_axis *a = &r->design.axis[k];
  size_t at = p * r->design.n_axes + k, i = 0;
  gb_text value = {0};
  gb_design_value(&r->design, p, k, &value);
  gb_err e = gb_text_done(&value);
  while (!e && i < a->n && !gb_is(a->value[i], value.s)) i++;
  r->place[at] = i;
  if (!e && (!numbers || !is_number(value.s, &r->number[at]))) r->number[at] = (double)i;
  gb_text_free(&value);
  return e;
}

static gb_err take_places(gb_sweep_report *r)
{
  for (size_t k = 0; k < r->design.n_axes; k++) {
    const gb_axis *a = &r->design.axis[k];
    bool numbers = true;
    double v;
    for (size_t i = 0; i < a->n; i++) numbers = numbers && is_number(a->value[i], &v);
    for (size_t p = 0; p < r->design.n_points; p++) GB_TRY(take_place(r, p, k, numbers));
  }
  return GB_OK;
}

static double number_in(const json_t *o, const char *key)
{
  const json_t *v = json_object_get(o, key);
  return json_is_number(v) ? json_number_value(v) : NAN;
}

/* How the starts of the sweep ended, from log.jsonl. A start that was killed has written no such line. */
static gb_err take_starts(gb_sweep_report *r)
{
  enum { LARGEST = 1 << 30 };
  char *text = NULL;
  size_t n = 0, lines = 0;
  GB_TRY(gb_file_read(gb_run_path(r->run, "log.jsonl"), LARGEST, &text, &n));
  for (size_t i = 0; i < n; i++) lines += text[i] == '\n';
  gb_err e = gb_new(&r->start, lines);
  for (char *line = text, *end; !e && (end = strchr(line, '\n')); line = end + 1) {
    json_t *o = json_loadb(line, (size_t)(end - line), 0, NULL); /* a line cut by a kill is no JSON: skipped */
    const char *event = json_string_value(json_object_get(o, "event"));
    const char *time = json_string_value(json_object_get(o, "time"));
    gb_sweep_start s = {
        .ranks = number_in(o, "ranks"), .seconds = number_in(o, "seconds"), .utilisation = number_in(o, "utilisation")};
    s.end = event && gb_is(event, "done") ? "done" : event && gb_is(event, "stopped") ? "stopped" : NULL;
    if (s.end && time && isfinite(s.utilisation)) {
      snprintf(s.time, sizeof s.time, "%s", time);
      r->start[r->n_starts++] = s;
    }
    json_decref(o);
  }
  gb_free(&text);
  return e;
}

static gb_err allocate(gb_sweep_report *r)
{
  const gb_design *d = &r->design;
  GB_TRY(gb_new(&r->order, d->n_trials));
  for (int q = 0; q < GB_SWEEP_QUANTITIES; q++) {
    GB_TRY(gb_new(&r->value[q], d->n_trials));
    GB_TRY(gb_new(&r->point[q], d->n_points));
  }
  GB_TRY(gb_new(&r->front, d->n_points));
  GB_TRY(gb_new(&r->place, d->n_points * d->n_axes));
  return gb_new(&r->number, d->n_points * d->n_axes);
}

static gb_err gather(gb_sweep_report *r, const gb_trials *t)
{
  char path[PATH_MAX];
  gb_ledger ledger;
  snprintf(path, sizeof path, "%s", gb_run_path(r->run, "trials.jsonl"));
  gb_err e = gb_past_read(t, path, &r->standing, &ledger, NULL);
  for (size_t i = 0; i < ledger.n; i++) r->trained += ledger.record[i].result.seconds;
  gb_ledger_free(&ledger);
  if (e) return e;
  GB_TRY(allocate(r));
  r->tally = gb_standing_count(&r->standing);
  r->n_order = gb_standing_order(&r->standing, r->order);
  r->rung = r->n_order ? gb_standing_rung(&r->standing, r->order[0]) : -1;
  take_values(r);
  GB_TRY(take_places(r));
  return take_starts(r);
}

/* Of the trials with a value: rank 0 knows them. */
static gb_err judge(gb_comm c, const gb_trials *t, gb_run *run, const gb_report_opts *o, gb_sweep_report *r)
{
  bool *wanted = NULL;
  gb_err e = gb_comm_agree(c, gb_new(&wanted, r->design.n_trials));
  if (e) return e;
  for (size_t i = 0; i < r->design.n_trials && c.rank == 0; i++) wanted[i] = isfinite(r->value[GB_SWEEP_METRIC][i]);
  gb_comm_bcast(c, wanted, r->design.n_trials * sizeof *wanted);
  e = gb_sweep_assess(c, t, wanted, (size_t)o->bound_samples, o->factor, run, &r->judged);
  gb_free(&wanted);
  return e;
}

static gb_err summarise(gb_sweep_report *r)
{
  take_judged(r);
  return take_means(r);
}

static gb_err write_forms(const gb_sweep_report *r)
{
  gb_text json = {0}, page = {0};
  gb_err e = gb_sweep_json(r, &json);
  if (!e) e = gb_sweep_page(r, &page);
  if (!e) e = gb_file_write(gb_run_path(r->run, "report.json"), json.s, json.n);
  if (!e) e = gb_file_write(gb_run_path(r->run, "report.html"), page.s, page.n);
  gb_text_free(&json);
  gb_text_free(&page);
  return e;
}

static void close_report(gb_sweep_report *r)
{
  gb_sweep_assessment_free(&r->judged, r->design.n_trials);
  gb_sweep_bound_free(&r->bound);
  gb_past_free(&r->standing);
  gb_design_free(&r->design);
  for (int q = 0; q < GB_SWEEP_QUANTITIES; q++) {
    gb_free(&r->value[q]);
    gb_free(&r->point[q]);
  }
  gb_free(&r->order);
  gb_free(&r->front);
  gb_free(&r->place);
  gb_free(&r->number);
  gb_free(&r->start);
}

gb_err gb_sweep_report_write(gb_comm c, const gb_config *cfg, const gb_physics *physics, const gb_sim *sim, gb_run *run)
{
  gb_sweep_report r = {.physics = physics, .run = run, .rung = -1};
  gb_trials t = {.cfg = cfg, .physics = physics, .design = &r.design, .dir = gb_run_get(run)->dir};
  gb_report_opts opts;
  gb_config_get(cfg, &gb_report_schema, &opts);
  gb_err e = gb_past_design(cfg, physics, &r.design, &r.standing);
  if (!e && c.rank == 0) e = gather(&r, &t);
  GB_GOTO(e, gb_comm_agree(c, e), done);
  GB_GOTO(e, gb_sweep_bound_find(c, &t, sim, run, &r.bound), done);
  GB_GOTO(e, judge(c, &t, run, &opts, &r), done);
  if (c.rank == 0) e = summarise(&r);
  if (c.rank == 0 && !e) e = write_forms(&r);
  GB_GOTO(e, gb_comm_agree(c, e), done);
  gb_run_say(run, "%s", gb_run_path(run, "report.html"));
done:
  close_report(&r);
  return e;
}
