/* report/sweep_judged.c - the part of a sweep's page that is read from weights: bounds, factors, latents. */
#include <math.h>

#include "report/page.h"
#include "report/sweep_report.h"

enum { MOST_ROWS = 2000 };

/* How many trials that should have been judged were not, and the first reason. */
static void missing(const gb_sweep_report *r, gb_text *t)
{
  const gb_sweep_assessment *a = &r->judged;
  const char *why = NULL;
  size_t n = 0;
  for (size_t i = 0; i < r->design.n_trials && a->trial; i++) {
    if (a->trial[i].done || !*a->trial[i].why) continue;
    if (!n++) why = a->trial[i].why;
  }
  if (!n) return;
  gb_text_add(t, "<p>%zu trial%s could not be compared; the reason of the first: ", n, n > 1 ? "s" : "");
  gb_page_text(t, why);
  gb_text_add(t, "</p>\n");
}

static void bounds(const gb_sweep_report *r, gb_text *t)
{
  static const gb_sweep_quantity column[] = {GB_SWEEP_IWAE,         GB_SWEEP_ELBO,   GB_SWEEP_GAP,
                                             GB_SWEEP_RATE,         GB_SWEEP_ACTIVE, GB_SWEEP_CORRELATION,
                                             GB_SWEEP_ENERGY_ERROR, GB_SWEEP_ERROR,  GB_SWEEP_GAIN};
  const gb_sweep_assessment *a = &r->judged;
  size_t shown = 0;
  gb_text_add(t, "<div class='wide'><table style='font-size:.85em'><thead><tr><th>point</th><th>trials</th>");
  for (size_t k = 0; k < sizeof column / sizeof *column; k++) {
    if (!gb_sweep_has(r, column[k])) continue;
    gb_text_add(t, "<th>%s", r->name[column[k]]);
    if (column[k] == GB_SWEEP_CORRELATION) gb_text_add(t, "<br>with %s", a->factors.of[a->chosen].name);
    gb_text_add(t, "</th>");
  }
  gb_text_add(t, "</tr></thead><tbody>\n");
  for (size_t p = 0; p < r->design.n_points && shown < MOST_ROWS; p++) {
    if (!r->point[GB_SWEEP_IWAE][p].n) continue;
    shown++;
    gb_text_add(t, "<tr><td>");
    gb_sweep_point_settings(r, p, t);
    gb_text_add(t, "</td><td>%zu</td>", r->point[GB_SWEEP_IWAE][p].n);
    for (size_t k = 0; k < sizeof column / sizeof *column; k++)
      if (gb_sweep_has(r, column[k])) gb_sweep_mean_cell(t, &r->point[column[k]][p]);
    gb_text_add(t, "</tr>\n");
  }
  gb_text_add(t, "</tbody></table></div>\n");
}

static void orders(const gb_bounds *b, gb_text *t)
{
  gb_text_add(t, "<div class='wide'><table><thead><tr><th>order α</th>");
  for (int o = 0; o < GB_BOUND_ORDERS; o++) gb_text_add(t, "<th>%g</th>", gb_bound_order[o]);
  gb_text_add(t, "</tr></thead><tbody><tr><td>L<sub>α</sub>, nats</td>");
  for (int o = 0; o < GB_BOUND_ORDERS; o++) {
    gb_text_add(t, "<td>%.2f ± %.2g</td>", b->bound[o][0], b->bound[o][1]);
  }
  gb_text_add(t, "</tr></tbody></table></div>\n");
}

static void factor_row(const gb_disentangled *d, const gb_factors *f, size_t k, gb_text *t)
{
  gb_text_add(t, "<tr><td>%s%s</td>", f->of[k].name, f->of[k].period > 0 ? " ∘" : "");
  for (size_t j = 0; j < d->latents; j++) {
    double r = d->correlation[j * f->n + k], i = d->information[j * f->n + k];
    if (isfinite(r))
      gb_text_add(t, "<td style='background:hsla(210,70%%,60%%,%.2f)'>%.2f | %.2f</td>", fabs(r), r, i);
    else
      gb_text_add(t, "<td>– | %.2f</td>", i);
  }
  gb_sweep_cell(t, d->gap[k]);
  gb_text_add(t, "</tr>\n");
}

static void factors(const gb_sweep_assessment *a, gb_text *t)
{
  const gb_disentangled *d = &a->trial[a->best].of.of;
  if (!d->latents || !a->factors.n) return;
  gb_text_add(t,
              "<p>What its latents know: correlation of each latent's mean with a factor | mutual information, nats; "
              "the darker, the larger the correlation. ∘: a direction, whose correlation is that with its cosine and "
              "sine together. Gap: the mutual information gap, from 0 (two latents know as much of the factor) to 1 "
              "(one latent knows it, and no other knows anything).</p>\n"
              "<div class='wide'><table><thead><tr><th>factor</th>");
  for (size_t j = 0; j < d->latents; j++) gb_text_add(t, "<th>latent %zu</th>", j + 1);
  gb_text_add(t, "<th>gap</th></tr></thead><tbody>\n");
  for (size_t k = 0; k < a->factors.n; k++) factor_row(d, &a->factors, k, t);
  gb_text_add(t, "<tr><td>variance of the mean</td>");
  for (size_t j = 0; j < d->latents; j++) gb_text_add(t, "<td>%.3g</td>", d->variance[j]);
  gb_text_add(t, "<td></td></tr></tbody></table></div>\n");
}

void gb_sweep_page_judged(const gb_sweep_report *r, gb_text *t)
{
  const gb_sweep_assessment *a = &r->judged;
  if (!a->trial) return;
  gb_text_add(t, "<h2>Bounds of trained models</h2>\n");
  missing(r, t);
  if (!a->n) return;
  gb_text_add(t,
              "<p>One measure for all objectives, on %zu test samples: with %zu latents drawn of q(z|x) for each, the "
              "ELBO and the IWAE bound, which is closer to ln p(x) from below (nats, more is better); the gap between "
              "them, which closes where q is the posterior; the rate KL(q‖p); active units, latents whose mean varies "
              "by more than 0.01; the best correlation of a latent's mean with a known factor",
              a->rows, a->draws);
  if (gb_sweep_has(r, GB_SWEEP_ENERGY_ERROR))
    gb_text_add(t, "; the mean error of the energy per site of a reconstruction; the squared error |x − E[x|z]|² of "
                   "the numbers that the encoder sees, at one z ~ q");
  if (gb_sweep_has(r, GB_SWEEP_GAIN))
    gb_text_add(t, "; the gain, the error of the best linear code with as many latents and the same rate over that of "
                   "the model: more than 1 is what being nonlinear brings");
  gb_text_add(t, ". Means over the seeds, ± their standard error.</p>\n");
  bounds(r, t);
  gb_text_add(t, "<h2>The trial with the highest bound: %04zu</h2>\n<p>", a->best);
  gb_sweep_point_settings(r, gb_design_point(&r->design, a->best), t);
  gb_text_add(t, ". Its sampled Renyi bounds, which cannot rise with their order (0: IWAE, 1: ELBO), with the standard "
                 "error over the samples:</p>\n");
  orders(&a->trial[a->best].of.bounds, t);
  factors(a, t);
  if (!a->traversal.n) return;
  gb_text_add(t,
              "<p>Each of its latents alone from −3 to 3 standard deviations of the prior, all others at its mean; "
              "those that vary most over the data.</p>\n%s",
              a->traversal.s);
}
