/* report/sweep_page.c - report.html of a sweep. */
#include <math.h>

#include "base/mem.h"
#include "report/page.h"
#include "report/sweep_report.h"

enum { MOST_ROWS = 2000 }; /* of a table; report.json has all */

void gb_sweep_cell(gb_text *t, double v)
{
  if (isfinite(v))
    gb_text_add(t, "<td>%.6g</td>", v);
  else
    gb_text_add(t, "<td>–</td>");
}

void gb_sweep_mean_cell(gb_text *t, const gb_sweep_mean *m)
{
  if (m->n && m->error > 0)
    gb_text_add(t, "<td>%.6g ± %.2g</td>", m->mean, m->error);
  else
    gb_sweep_cell(t, m->n ? m->mean : NAN);
}

/* Behind the names of terms that are not those of the ledger. */
static const char *split_of(const gb_sweep_report *r, gb_sweep_quantity q)
{
  return r->judged.n && (q == GB_SWEEP_RATE || q == GB_SWEEP_DISTORTION) ? " (test)" : "";
}

static void settings(const gb_sweep_report *r, size_t trial, gb_text *t)
{
  gb_text s = {0};
  gb_standing_settings(&r->design, trial, &s);
  if (!gb_text_done(&s) && s.n) gb_page_text(t, s.s);
  gb_text_free(&s);
}

static void value(const gb_sweep_report *r, size_t point, size_t axis, gb_text *t)
{
  gb_text s = {0};
  gb_design_value(&r->design, point, axis, &s);
  if (!gb_text_done(&s) && s.n) gb_page_text(t, s.s);
  gb_text_free(&s);
}

void gb_sweep_point_settings(const gb_sweep_report *r, size_t point, gb_text *t)
{
  for (size_t k = 0; k < r->design.n_axes; k++) {
    gb_text_add(t, "%s%s=", k ? " " : "", r->design.axis[k].key);
    value(r, point, k, t);
  }
}

static void summary(const gb_sweep_report *r, gb_text *t)
{
  const gb_sweep_opts *o = &r->design.opts;
  const gb_tally *n = &r->tally;
  gb_text_add(t,
              "<p>A sweep of %zu trials: a %s design of %zu points, %lld seed%s each. %zu done, %zu failed, %zu open",
              r->design.n_trials, o->design, r->design.n_points, (long long)o->seeds, o->seeds > 1 ? "s" : "", n->done,
              n->failed, n->open + n->running);
  gb_text_add(t, "; trainings took %.0f s in all. Compared by <code>", r->trained);
  gb_page_text(t, o->metric);
  gb_text_add(t, "</code>, less is better, of the best weights of a trial on the validation split.");
  if (r->judged.n)
    gb_text_add(t, " Rate, distortion and all other numbers are of these weights on the test split (%zu samples).",
                r->judged.rows);
  if (o->rungs > 1 && r->rung >= 0)
    gb_text_add(t,
                " Figures and means are of the trials that reached step %llu (rung %d), the highest any has reached.",
                (unsigned long long)r->standing.rung_steps[r->rung], r->rung);
  gb_text_add(t, "</p>\n");
  if (!r->n_order) return;
  gb_text_add(t, "<p>The best trial is <b>%04zu</b>: ", r->order[0]);
  settings(r, r->order[0], t);
  gb_text_add(t, ", with a %s of %.6g.</p>\n", o->metric, r->standing.result[r->order[0]].metric);
}

/* Points of the front, in the order of the design. */
static void front(const gb_sweep_report *r, gb_text *t)
{
  gb_text_add(t,
              "<div class='wide'><table><thead><tr><th>Pareto front</th><th>trials</th><th>kl%s</th><th>%s%s</th><th>",
              split_of(r, GB_SWEEP_RATE), r->name[GB_SWEEP_DISTORTION], split_of(r, GB_SWEEP_DISTORTION));
  gb_page_text(t, r->name[GB_SWEEP_METRIC]);
  gb_text_add(t, "</th></tr></thead><tbody>\n");
  for (size_t p = 0; p < r->design.n_points; p++) {
    if (!r->front[p]) continue;
    gb_text_add(t, "<tr><td>");
    gb_sweep_point_settings(r, p, t);
    gb_text_add(t, "</td><td>%zu</td>", r->point[GB_SWEEP_RATE][p].n);
    gb_sweep_mean_cell(t, &r->point[GB_SWEEP_RATE][p]);
    gb_sweep_mean_cell(t, &r->point[GB_SWEEP_DISTORTION][p]);
    gb_sweep_mean_cell(t, &r->point[GB_SWEEP_METRIC][p]);
    gb_text_add(t, "</tr>\n");
  }
  gb_text_add(t, "</tbody></table></div>\n");
}

/* Where the exact curves of linear models are drawn. */
static gb_err linear(const gb_sweep_report *r, gb_text *t)
{
  const gb_baseline *b = &r->bound.of;
  if (!b->of.n) {
    gb_text_add(t, "<p>%s</p>\n",
                *r->bound.note ? r->bound.note
                               : "With analysis.h5 of greybox-analyze in this directory, exact curves of linear models "
                                 "are drawn here, too.");
    return GB_OK;
  }
  if (gb_sweep_has(r, GB_SWEEP_ERROR)) {
    gb_text_add(t, "<figure>");
    GB_TRY(gb_sweep_figure(r, GB_SWEEP_ERROR, t));
    gb_page_caption(t, "Points and lines as above, of the squared error |x − E[x|z]|² of the numbers that the encoder "
                       "sees.");
  }
  gb_text_add(t,
              "<p>Grey: the exact curves of linear-Gaussian VAEs, of the %s split (greybox-analyze): no linear code "
              "has less %s at a rate.",
              b->split, r->physics->ensemble ? "error" : "distortion");
  if (r->bound.nats)
    gb_text_add(t, " In nats they have the best variance of the noise at each rate.");
  else if (r->physics->ensemble)
    gb_text_add(t, " There is none in nats: decoders are densities of angles, and linear models of other numbers.");
  if (r->physics->ensemble && !gb_sweep_has(r, GB_SWEEP_ERROR))
    gb_text_add(t, " Errors of trials are read from their weights, with report.bound_samples > 0.");
  gb_text_add(t, "</p>\n");
  return GB_OK;
}

static gb_err plane(const gb_sweep_report *r, gb_text *t)
{
  bool any = false;
  for (size_t p = 0; p < r->design.n_points; p++) any = any || r->front[p];
  gb_text_add(t, "<h2>Rate and distortion</h2>\n");
  if (!any) {
    gb_text_add(t, "<p>No trial that is done has both terms, <code>kl</code> and <code>nll</code> or "
                   "<code>reconstruction</code>.</p>\n");
    return GB_OK;
  }
  gb_text_add(t, "<figure>");
  GB_TRY(gb_sweep_figure(r, GB_SWEEP_DISTORTION, t));
  gb_page_caption(
      t, "Points: means over the seeds. Lines join points that differ by the second axis only, which the "
         "colours of points show; those of lines show the first axis. Dashed: no other point has as little of both. "
         "What is more than 20 times as far from the least value as the median is left outside.");
  front(r, t);
  return linear(r, t);
}
/* The rank of a cell among all cells of its map, from 0 to 1: one bad corner does not bleach the rest. */
static double shade(size_t n, const double *cell, double v)
{
  size_t below = 0, there = 0;
  for (size_t i = 0; i < n; i++) {
    there += isfinite(cell[i]) != 0;
    below += cell[i] < v; /* not of NAN */
  }
  return there > 1 ? (double)below / (double)(there - 1) : 0;
}

static void map_row(const gb_sweep_report *r, const double *cell, size_t i, gb_text *t)
{
  size_t n = r->design.axis[1].n;
  gb_text_add(t, "<tr><th>");
  gb_page_text(t, r->design.axis[0].value[i]);
  gb_text_add(t, "</th>");
  for (size_t j = 0; j < n; j++) {
    double v = cell[i * n + j];
    if (isfinite(v))
      gb_text_add(t, "<td style='background:hsl(210,70%%,%.0f%%)'>%.6g</td>",
                  60 + 38 * shade(r->design.axis[0].n * n, cell, v), v);
    else
      gb_text_add(t, "<td>–</td>");
  }
  gb_text_add(t, "</tr>\n");
}

static gb_err map(const gb_sweep_report *r, gb_sweep_quantity q, gb_text *t)
{
  const gb_axis *rows = &r->design.axis[0], *columns = &r->design.axis[1];
  double *cell = NULL;
  gb_err e = gb_sweep_map(r, q, &cell);
  gb_text_add(t, "<div class='wide'><table><thead><tr><th>");
  gb_page_text(t, r->name[q]);
  gb_text_add(t, "%s", split_of(r, q));
  if (q == GB_SWEEP_CORRELATION) gb_text_add(t, " with %s", r->judged.factors.of[r->judged.chosen].name);
  gb_text_add(t, "<br><small>%s ↓ %s →</small></th>", rows->key, columns->key);
  for (size_t j = 0; j < columns->n; j++) {
    gb_text_add(t, "<th>");
    gb_page_text(t, columns->value[j]);
    gb_text_add(t, "</th>");
  }
  gb_text_add(t, "</tr></thead><tbody>\n");
  for (size_t i = 0; i < rows->n && !e; i++) map_row(r, cell, i, t);
  gb_text_add(t, "</tbody></table></div>\n");
  gb_free(&cell);
  return e;
}

static gb_err maps(const gb_sweep_report *r, gb_text *t)
{
  if (!gb_sweep_has_maps(r)) return GB_OK;
  gb_text_add(t, "<h2>Over the first two axes</h2>\n<p>Means over seeds%s; the darker, the less, by rank.</p>\n",
              r->design.n_axes > 2 ? " and all other axes" : "");
  for (gb_sweep_quantity q = 0; q < GB_SWEEP_QUANTITIES; q++) {
    bool again = !r->judged.n && q != GB_SWEEP_METRIC && gb_is(r->name[q], r->name[GB_SWEEP_METRIC]);
    if (!again && (q == GB_SWEEP_METRIC || gb_sweep_has(r, q))) GB_TRY(map(r, q, t));
  }
  return GB_OK;
}

static void trial_row(const gb_sweep_report *r, size_t i, gb_text *t)
{
  const gb_result *x = &r->standing.result[i];
  gb_text_add(t, "<tr><td>%04zu</td><td>%llu</td><td>%llu</td>", i, (unsigned long long)x->step,
              (unsigned long long)x->best_step);
  gb_sweep_cell(t, x->metric);
  gb_sweep_cell(t, r->value[GB_SWEEP_RATE][i]);
  gb_sweep_cell(t, r->value[GB_SWEEP_DISTORTION][i]);
  gb_text_add(t, "<td>%.1f</td><td style='text-align:left'>", x->seconds);
  settings(r, i, t);
  gb_text_add(t, "</td></tr>\n");
}

static void trials(const gb_sweep_report *r, gb_text *t)
{
  if (!r->n_order) return;
  gb_text_add(t,
              "<h2>Trials</h2>\n<div class='wide'><table><thead><tr><th>trial</th><th>steps</th><th>best at</th><th>");
  gb_page_text(t, r->name[GB_SWEEP_METRIC]);
  gb_text_add(
      t,
      "</th><th>kl%s</th><th>%s%s</th><th>seconds</th><th style='text-align:left'>settings</th></tr></thead><tbody>\n",
      split_of(r, GB_SWEEP_RATE), r->name[GB_SWEEP_DISTORTION], split_of(r, GB_SWEEP_DISTORTION));
  for (size_t i = 0; i < r->n_order && i < MOST_ROWS; i++) trial_row(r, r->order[i], t);
  gb_text_add(t, "</tbody></table></div>\n");
  if (r->n_order > MOST_ROWS) gb_text_add(t, "<p>The best %d of %zu.</p>\n", MOST_ROWS, r->n_order);
}

static void failures(const gb_sweep_report *r, gb_text *t)
{
  size_t shown = 0;
  if (!r->tally.failed) return;
  gb_text_add(t, "<h2>Failed trials</h2>\n<div "
                 "class='wide'><table><thead><tr><th>trial</th><th>status</th><th "
                 "style='text-align:left'>settings</th><th style='text-align:left'>reason</th></tr></"
                 "thead><tbody>\n");
  for (size_t i = 0; i < r->design.n_trials && shown < MOST_ROWS; i++) {
    const gb_result *x = &r->standing.result[i];
    if (!x->code) continue;
    shown++;
    gb_text_add(t, "<tr><td>%04zu</td><td>%d</td><td style='text-align:left'>", i, (int)x->code);
    settings(r, i, t);
    gb_text_add(t, "</td><td style='text-align:left;white-space:normal'>");
    gb_page_text(t, x->reason);
    gb_text_add(t, "</td></tr>\n");
  }
  gb_text_add(t, "</tbody></table></div>\n");
}

static void ranks(const gb_sweep_report *r, gb_text *t)
{
  if (!r->n_starts) return;
  gb_text_add(t, "<h2>Use of the ranks</h2>\n<div class='wide'><table><thead><tr><th>end of a "
                 "start</th><th></th><th>ranks</th><th>seconds</th><th>of them training</th></tr></thead><tbody>\n");
  for (size_t i = 0; i < r->n_starts; i++) {
    const gb_sweep_start *s = &r->start[i];
    gb_text_add(t, "<tr><td>%s</td><td>%s</td>", s->time, s->end);
    gb_sweep_cell(t, s->ranks);
    gb_text_add(t, "<td>%.1f</td><td>%.1f %%</td></tr>\n", s->seconds, 100 * s->utilisation);
  }
  gb_text_add(t, "</tbody></table></div>\n<p>Starts that were killed are not listed.</p>\n");
}

gb_err gb_sweep_page(const gb_sweep_report *r, gb_text *out)
{
  gb_page_open(out, r->physics->doc);
  summary(r, out);
  GB_TRY(plane(r, out));
  gb_sweep_page_judged(r, out);
  GB_TRY(maps(r, out));
  trials(r, out);
  failures(r, out);
  ranks(r, out);
  return gb_page_close(out);
}
