/* report/hybrid_page.c - report.html of grey-box VAEs. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "report/hybrid_report.h"
#include "report/page.h"
#include "report/plot.h"

enum { GATE_FIRST = 2, GATE_LAST = 5 }; /* of gb_scale: what the table shows */

static const double *at(const gb_hybrid_numbers *s, size_t offset)
{
  return (const double *)((const char *)s + offset);
}

/* Mean and spread over the seeds. */
static void cell(gb_text *t, const gb_hybrid_group *g, size_t offset)
{
  double mean = *at(&g->mean, offset), sd = *at(&g->sd, offset);
  if (!isfinite(mean))
    gb_text_add(t, "<td>–</td>");
  else if (!isfinite(sd))
    gb_text_add(t, "<td>%.3g</td>", mean);
  else
    gb_text_add(t, "<td>%.3g ± %.1g</td>", mean, sd);
}

static void reference_cell(gb_text *t, const gb_reference *of, size_t offset)
{
  double v = gb_reference_value(*at(&of->number, offset));
  if (isfinite(v))
    gb_text_add(t, "<td>%.3g</td>", v);
  else
    gb_text_add(t, "<td></td>");
}

/* Which numbers a table has. */
typedef struct columns {
  size_t n, offset[5 + 3 * GB_MOST_PARAMETERS];
  gb_text heads;
} columns;

static void add_column(columns *c, size_t offset, const char *head, const char *name)
{
  c->offset[c->n++] = offset;
  gb_text_add(&c->heads, "<th>%s", head);
  gb_page_text(&c->heads, name);
  gb_text_add(&c->heads, "</th>");
}

static bool has_any(const gb_hybrid_report *r, const gb_reference *of, const columns *c)
{
  bool any = false;
  for (size_t i = 0; i < c->n; i++) any = any || isfinite(gb_reference_value(*at(&of->number, c->offset[i])));
  return any && gb_hybrid_fits(r, of);
}

/* The letter of a source: a for the first one among the references of this physics, and so on. */
static char letter(const gb_hybrid_report *r, const char *source)
{
  size_t n;
  const gb_reference *of = gb_references(&n);
  char at = 'a';
  for (size_t i = 0; i < n; i++) {
    bool before = false;
    if (!gb_hybrid_fits(r, &of[i])) continue;
    if (!strcmp(of[i].source, source)) return at;
    for (size_t k = 0; k < i; k++)
      before = before || (gb_hybrid_fits(r, &of[k]) && !strcmp(of[k].source, of[i].source));
    at = (char)(at + !before);
  }
  return at;
}

static void sources(const gb_hybrid_report *r, gb_text *t)
{
  size_t n;
  const gb_reference *of = gb_references(&n);
  char next = 'a';
  for (size_t i = 0; i < n; i++) {
    if (!gb_hybrid_fits(r, &of[i]) || letter(r, of[i].source) != next) continue;
    gb_text_add(t, "%s<sup>%c</sup> %s", next == 'a' ? " References: " : "; ", next, of[i].source);
    next++;
  }
  if (next > 'a') gb_text_add(t, ".");
}

/* The references of a name; or, without one, those that no group has. */
static void reference_rows(const gb_hybrid_report *r, const columns *c, const char *name, gb_text *t)
{
  size_t n;
  const gb_reference *of = gb_references(&n);
  for (size_t i = 0; i < n; i++) {
    bool mine = name && !strcmp(of[i].model, name), orphan = !name;
    for (size_t k = 0; k < r->n_groups && orphan; k++) orphan = strcmp(r->group[k].name, of[i].model) != 0;
    if (!has_any(r, &of[i], c) || !(mine || orphan)) continue;
    gb_text_add(t, "<tr style='color:#777'><td>&nbsp; %s, reference <sup>%c</sup></td><td></td>", of[i].model,
                letter(r, of[i].source));
    for (size_t k = 0; k < c->n; k++) reference_cell(t, &of[i], c->offset[k]);
    gb_text_add(t, "</tr>\n");
  }
}

/* Nothing of a group that has none of these numbers. */
static void own_row(const gb_hybrid_group *g, const columns *c, gb_text *t)
{
  bool any = false;
  for (size_t i = 0; i < c->n; i++) any = any || isfinite(*at(&g->mean, c->offset[i]));
  if (!any) return;
  gb_text_add(t, "<tr><td>");
  gb_page_text(t, g->label);
  gb_text_add(t, "</td><td>%zu</td>", g->n);
  for (size_t i = 0; i < c->n; i++) cell(t, g, c->offset[i]);
  gb_text_add(t, "</tr>\n");
}

static gb_err table(const gb_hybrid_report *r, columns *c, gb_text *t)
{
  gb_err e = gb_text_done(&c->heads);
  gb_text_add(t, "<div class='wide'><table><thead><tr><th>model</th><th>seeds</th>%s</tr></thead><tbody>\n",
              e ? "" : c->heads.s);
  for (size_t k = 0; k < r->n_groups; k++) {
    own_row(&r->group[k], c, t);
    bool last = k + 1 == r->n_groups || strcmp(r->group[k + 1].name, r->group[k].name);
    if (last) reference_rows(r, c, r->group[k].name, t);
  }
  reference_rows(r, c, NULL, t);
  gb_text_add(t, "</tbody></table></div>\n");
  gb_text_free(&c->heads);
  return e;
}

static gb_err reconstruction(const gb_hybrid_report *r, gb_text *t)
{
  const gb_var *parameter = gb_hybrid_parameters(r);
  columns c = {0};
  add_column(&c, offsetof(gb_hybrid_numbers, l2), "L2", "");
  add_column(&c, offsetof(gb_hybrid_numbers, mae), "MAE", "");
  add_column(&c, offsetof(gb_hybrid_numbers, sse), "SSE", "");
  if (r->member[0].global) {
    add_column(&c, offsetof(gb_hybrid_numbers, log_mse), "log<sub>10</sub> MSE", "");
    add_column(&c, offsetof(gb_hybrid_numbers, network_norm), "network", "");
  }
  for (size_t j = 0; j < r->n_parameter; j++) {
    add_column(&c, offsetof(gb_hybrid_numbers, parameter_mae) + j * sizeof(double), "MAE of ", parameter[j].name);
    if (r->member[0].global) continue; /* one value has no correlation */
    add_column(&c, offsetof(gb_hybrid_numbers, parameter_median) + j * sizeof(double), "median relative error of ",
               parameter[j].name);
    add_column(&c, offsetof(gb_hybrid_numbers, correlation) + j * sizeof(double), "r of ", parameter[j].name);
  }
  gb_text_add(t, "<h2>Reconstruction and parameters</h2>\n");
  GB_TRY(table(r, &c, t));
  gb_text_add(t,
              "<p>Over the %zu test samples, with posterior means. L2: mean over samples of the Euclidean norm of "
              "reconstruction − sample; MAE: mean |difference| of one number; SSE: mean over samples of the squared "
              "norm. Of a parameter: mean |inferred − true|, median of |inferred − true| / |true|, and Pearson's "
              "correlation r. Mean ± standard deviation "
              "over seeds.%s",
              r->n_test,
              r->member[0].global ? " MSE: mean squared difference of one number; network: mean squared size of its "
                                    "part of the rates, relative to the state."
                                  : "");
  sources(r, t);
  gb_text_add(t, "</p>\n");
  return GB_OK;
}

/* Where there is an analysis.h5. */
static gb_err linear(const gb_hybrid_report *r, gb_text *t)
{
  columns c = {0};
  if (!r->linear.of.n) {
    if (*r->linear.note) gb_text_add(t, "<p>%s.</p>\n", r->linear.note);
    return GB_OK;
  }
  add_column(&c, offsetof(gb_hybrid_numbers, rate), "KL, nats", "");
  add_column(&c, offsetof(gb_hybrid_numbers, square), "SSE, z ~ q", "");
  add_column(&c, offsetof(gb_hybrid_numbers, gain), "gain", "");
  gb_text_add(t, "<h2>Beside the best linear model</h2>\n");
  GB_TRY(table(r, &c, t));
  gb_text_add(
      t,
      "<p>SSE at draws of the latents of q, not at its mean. Gain: what the best linear code with as many "
      "latents and this KL leaves (greybox-analyze, %s split), over that: more than 1 is what the known equation "
      "and the networks bring.</p>\n",
      r->linear.split);
  return GB_OK;
}

static const gb_hybrid_group *find(const gb_hybrid_report *r, const char *name)
{
  for (size_t k = 0; k < r->n_groups; k++)
    if (!strcmp(r->group[k].name, name)) return &r->group[k];
  return NULL;
}

/* What the regularisers bought, in one sentence with the numbers of these runs. */
static void verdict(const gb_hybrid_report *r, gb_text *t)
{
  const gb_hybrid_group *without = find(r, "NN+phys"), *with = find(r, "NN+phys+reg");
  if (!without || !with || !gb_hybrid_has_parameters(r, with) || !gb_hybrid_has_parameters(r, without)) return;
  gb_text_add(t,
              "<p><b>What the regularisers bought.</b> Without them %s is missed by %.3g on average, with them by "
              "%.3g; the reconstruction is off by L2 = %.3g without, %.3g with them.</p>\n",
              gb_hybrid_parameters(r)[0].name, without->mean.parameter_mae[0], with->mean.parameter_mae[0],
              without->mean.l2, with->mean.l2);
}

/* Which colour is whose. */
static void legend(const gb_hybrid_report *r, gb_text *t)
{
  gb_text_add(t, "<p>");
  for (size_t k = 0; k < r->n_groups; k++) {
    gb_text_add(t, "<span style='color:%s'>■</span> ", gb_plot_colour(k));
    gb_page_text(t, r->group[k].label);
    gb_text_add(t, " &nbsp; ");
  }
  gb_text_add(t, "</p>\n");
}

static gb_err parameters(const gb_hybrid_report *r, gb_text *t)
{
  bool any = false;
  for (size_t k = 0; k < r->n_groups; k++) any = any || gb_hybrid_has_parameters(r, &r->group[k]);
  any = any && !r->member[0].global;
  if (!any) return GB_OK;
  gb_text_add(t, "<h2>Inferred against true parameters</h2><figure>");
  GB_TRY(gb_hybrid_figure_parameters(r, t));
  gb_page_caption(t, "Test samples, the first seed of each kind of model. On the line they would be right.");
  return GB_OK;
}

static gb_err scales(const gb_hybrid_report *r, gb_text *t)
{
  bool any = false;
  columns c = {0};
  for (size_t k = 0; k < r->n_groups; k++) any = any || gb_hybrid_has_scales(&r->group[k]);
  if (!any) return GB_OK;
  for (size_t i = GATE_FIRST; i <= GATE_LAST; i++) {
    char head[32];
    snprintf(head, sizeof head, "× %g", gb_scale[i]);
    add_column(&c, offsetof(gb_hybrid_numbers, counterfactual) + i * sizeof(double), head, "");
  }
  gb_text_add(t, "<h2>Counterfactuals: another %s</h2>\n", gb_hybrid_parameters(r)[0].name);
  GB_TRY(table(r, &c, t));
  gb_text_add(t, "<figure>");
  GB_TRY(gb_hybrid_figure_scales(r, t));
  gb_page_caption(
      t,
      "The inferred parameter is multiplied by a factor and decoded, all other latents as they were. Mean |difference| "
      "from what the generator makes (without noise) of all other true values and, left and in the table, the same "
      "scaled inferred value, as in the references (dotted); right, the scaled true one.");
  return GB_OK;
}

static gb_err what_if(const gb_hybrid_report *r, gb_text *t)
{
  const gb_what_if *asked = gb_hybrid_what_if(r);
  columns c = {0};
  if (!asked) return GB_OK;
  const char *parameter = gb_hybrid_parameters(r)[0].name;
  add_column(&c, offsetof(gb_hybrid_numbers, what_if.own), "as inferred", "");
  for (size_t k = 0; k < asked->n; k++) {
    char head[32];
    snprintf(head, sizeof head, "= %g", asked->value[k]);
    add_column(&c, offsetof(gb_hybrid_numbers, what_if.of) + k * sizeof(double), head, "");
  }
  add_column(&c, offsetof(gb_hybrid_numbers, what_if.all), "all", "");
  add_column(&c, offsetof(gb_hybrid_numbers, what_if.across), "across a threshold", "");
  gb_text_add(t, "<h2>Counterfactual behaviour: %s set to a value</h2>\n", parameter);
  GB_TRY(table(r, &c, t));
  gb_text_add(
      t,
      "<p>Part of the test samples whose decode does what the generator's curve does with this %s and all else "
      "of the truth: be steady, swing ever less, swing on, or go from one level to another. Across a threshold: "
      "the %zu of %zu cases in which that is not what the sample does. Maxima count that stand out by %.2g, three "
      "standard deviations of the noise. Models that know the law are given the value, all else as inferred; "
      "latents of the others are moved by the difference of the mean latents of the hundredth of the training "
      "samples that is nearest to the value and of that nearest to the true %s, which they are told.</p>\n",
      parameter, asked->crossings, r->n_test * asked->n, 3 * asked->noise, parameter);
  gb_text_add(t, "<figure>");
  GB_TRY(gb_hybrid_figure_what_if(r, t));
  gb_page_caption(t,
                  "The first test sample at each value: the generator, without noise (dots); the first model of each "
                  "kind.");
  return GB_OK;
}

static gb_err horizon(const gb_hybrid_report *r, gb_text *t)
{
  bool any = false;
  columns c = {0};
  for (size_t k = 0; k < r->n_groups; k++) any = any || gb_hybrid_horizon(r, &r->group[k]) > 0;
  if (!any) return GB_OK;
  for (size_t i = 0; i < GB_HORIZONS; i++) {
    bool reached = false;
    for (size_t k = 0; k < r->n_groups; k++) reached = reached || isfinite(r->group[k].mean.extrapolation[i]);
    if (!reached) continue;
    char head[32];
    snprintf(head, sizeof head, "frame %zu", (size_t)gb_horizon[i] * r->dims->frames - 1);
    add_column(&c, offsetof(gb_hybrid_numbers, extrapolation) + i * sizeof(double), head, "");
  }
  gb_text_add(t, "<h2>Beyond the last frame</h2>\n");
  GB_TRY(table(r, &c, t));
  gb_text_add(t, "<figure>");
  GB_TRY(gb_hybrid_figure_horizon(r, t));
  gb_page_caption(t,
                  "Mean |difference| of one frame from what the generator makes without noise; dashed: the last frame "
                  "of a sample. A network behind the solution knows no other number of frames. Curves end where some "
                  "row has grown beyond all bounds.");
  return GB_OK;
}

static gb_err examples(const gb_hybrid_report *r, gb_text *t)
{
  gb_text_add(t, "<h2>Test samples</h2>\n");
  if (!r->physics->image) {
    gb_text_add(t, "<figure>");
    GB_TRY(gb_hybrid_figure_trajectories(r, t));
    gb_page_caption(t, "The first test samples, one component of them (dots); the first model of each kind (coloured), "
                       "and what its known part alone makes of the same parameters (dashed).");
    return GB_OK;
  }
  for (size_t k = 0; k < r->n_groups; k++) {
    gb_text_add(t, "<h3>");
    gb_page_text(t, r->group[k].label);
    gb_text_add(t, "</h3><figure>");
    GB_TRY(gb_hybrid_figure_images(r, &r->group[k], t));
    gb_page_caption(t, "Samples; the image of the known part alone, if there is one; the model.");
    gb_text_add(t, "<figure>");
    GB_TRY(gb_hybrid_figure_generated(r, &r->group[k], t));
    gb_page_caption(t, "Generated: parameters drawn uniformly from report.generate_low to report.generate_high, the "
                       "other latents from a normal distribution of standard deviation report.generate_spread.");
  }
  return GB_OK;
}

/* The first model of each kind. */
static gb_err classes(const gb_hybrid_report *r, gb_text *t)
{
  for (size_t k = 0; k < r->n_groups; k++) {
    const gb_classes *of = &r->member[r->group[k].member[0]].classes;
    if (of->n) GB_TRY(gb_classes_page(of, r->group[k].label, r->run, t));
  }
  return GB_OK;
}

gb_err gb_hybrid_page(const gb_hybrid_report *r, gb_text *t)
{
  gb_page_open(t, r->physics->doc);
  gb_text_add(t, "<p>%zu models on ", r->n_models);
  gb_page_text(t, r->data_path);
  gb_text_add(t, ": %zu training and %zu test samples.</p>\n", r->n_train, r->n_test);
  GB_TRY(reconstruction(r, t));
  GB_TRY(linear(r, t));
  verdict(r, t);
  GB_TRY(parameters(r, t));
  GB_TRY(scales(r, t));
  GB_TRY(what_if(r, t));
  GB_TRY(horizon(r, t));
  GB_TRY(classes(r, t));
  gb_text_add(t, "<h2>Training</h2>");
  legend(r, t);
  gb_text_add(t, "<figure>");
  GB_TRY(gb_hybrid_figure_learning(r, t));
  gb_page_caption(t, "Terms at validations, in squared units of the samples, before their weights; means over seeds.");
  GB_TRY(examples(r, t));
  return gb_page_close(t);
}
