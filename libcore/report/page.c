/* report/page.c - report.html: one page, nothing loaded from elsewhere. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "report/figures.h"
#include "report/page.h"
#include "report/report.h"

static const char head[] =
    "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>\n"
    "<meta name='viewport' content='width=device-width, initial-scale=1'>\n<title>greybox report</title>\n<style>\n"
    "body{font:16px/1.5 system-ui,sans-serif;color:#222;max-width:1080px;margin:2em auto;padding:0 1em}\n"
    "h1{font-size:1.6em;margin-bottom:.2em}h2{font-size:1.2em;margin-top:2em;border-bottom:1px solid #ddd}\n"
    "table{border-collapse:collapse;margin:1em 0}th,td{padding:.25em .8em;text-align:right;border-bottom:1px solid "
    "#eee}\n"
    "th:first-child,td:first-child{text-align:left}td:not(:first-child){white-space:nowrap}thead th{border-bottom:2px "
    "solid #888}\n"
    "figure{margin:1.2em 0}figcaption{color:#555;font-size:.92em}svg{max-width:100%;height:auto}\n"
    ".wide{overflow-x:auto}pre{background:#f6f6f6;padding:1em;overflow-x:auto;font-size:.85em}\n"
    "</style></head><body>\n";

/* Text of files and configs may hold anything: never markup. */
void gb_page_text(gb_text *t, const char *s)
{
  for (; *s; s++) switch (*s) {
    case '<': gb_text_add(t, "&lt;"); break;
    case '>': gb_text_add(t, "&gt;"); break;
    case '&': gb_text_add(t, "&amp;"); break;
    case '\'': gb_text_add(t, "&#39;"); break;
    case '"': gb_text_add(t, "&quot;"); break;
    default: gb_text_add(t, "%c", *s);
    }
}

/* 0.0173(4): value with the error of its last digit. */
void gb_page_value(gb_text *t, const double v[2])
{
  if (!(v[1] > 0) || !isfinite(v[0])) {
    gb_text_add(t, "%.4g", v[0]);
    return;
  }
  int digits = (int)-floor(log10(v[1]));
  double unit = pow(10, -digits);
  if (digits < 0) digits = 0, unit = 1;
  gb_text_add(t, "%.*f(%.0f)", digits, v[0], round(v[1] / unit));
}

static int active(const gb_assessment *a)
{
  static const double least = 0.05; /* nats: below, a latent carries nothing a reader could see */
  int units = 0;
  for (size_t j = 0; j < a->latent; j++) units += gb_assess_kl(a, j) > least;
  return units;
}

static void ladder(const gb_report *r, gb_text *t)
{
  gb_text_add(
      t, "<h2>The ladder</h2>\n<div class='wide'><table><thead><tr><th>model</th><th>−ln p(x|z), nats</th>"
         "<th>per site</th><th>KL, nats</th><th>|Δe|, mean field</th><th>|Δe|, sample</th><th>corr(|μ_z|, |m|)</th>"
         "<th>active latents</th><th>crossover of |μ_z|</th></tr></thead><tbody>\n");
  for (size_t i = 0; i < r->n_models; i++) {
    const gb_reported *m = &r->model[i];
    gb_text_add(t, "<tr><td>%s <small>(", m->m.name);
    gb_page_text(t, m->dir);
    gb_text_add(t, ")</small></td><td>%.1f</td><td>%.3f</td><td>%.1f</td><td>", m->term[GB_VAE_NLL],
                m->term[GB_VAE_NLL] / (double)r->sites, m->term[GB_VAE_KL]);
    gb_page_value(t, m->energy_error[0]);
    gb_text_add(t, "</td><td>");
    gb_page_value(t, m->energy_error[1]);
    gb_text_add(t, "</td><td>%.3f</td><td>%d of %zu</td><td>", m->correlation_m, active(&m->a), m->a.latent);
    if (m->has_crossover)
      gb_page_value(t, m->crossover);
    else
      gb_text_add(t, "–");
    gb_text_add(t, "</td></tr>\n");
  }
  gb_text_add(
      t,
      "</tbody></table></div>\n<p>All numbers are means over the %zu test samples, which come from chains that no "
      "training saw. |Δe| is the mean over samples of |e(reconstruction) − e(sample)| per site; the mean field is the "
      "decoded direction without noise, the sample has one draw of it. A number in brackets is one standard error in "
      "the last digit.</p>\n",
      r->n_test);
}

/* What validations log of every model beside its terms, here of the test split. */
static void notes(const gb_report *r, gb_text *t)
{
  gb_text_add(t, "<h2>What latents carry</h2>\n<div class='wide'><table>\n");
  for (size_t i = 0; i < r->n_models; i++) {
    const gb_reported *m = &r->model[i];
    gb_model model = m->m.built.model;
    gb_text_add(t, "<tr><th>%s <small>(", m->m.name);
    gb_page_text(t, m->dir);
    gb_text_add(t, ")</small></th>");
    for (int k = 0; k < model.n_notes; k++)
      gb_text_add(t, "<td><small>%s</small> %.4g</td>", model.note[k], m->mean[model.n_terms + k]);
    gb_text_add(t, "</tr>\n");
  }
  gb_text_add(
      t,
      "</table></div>\n<p>kl_j: KL of latent j, nats; active_units: latents with more than 0.01. Of Renyi objectives: "
      "outside, the part of the samples outside of the domain of their alpha; least_w, the smallest weight of any "
      "(the divergence is infinite at 0); delta_linear and delta_sampled, what the bound is above the ELBO by the "
      "linearised decoder and by draws: where they are far apart, only the second counts "
      "(docs/theory/renyi.md).</p>\n");
}

static const gb_reported *find(const gb_report *r, const char *name)
{
  for (size_t i = 0; i < r->n_models; i++)
    if (!strcmp(r->model[i].m.name, name)) return &r->model[i];
  return NULL;
}

/* What the physics in the loss bought, in one sentence with the numbers of this run. */
static void verdict(const gb_report *r, gb_text *t)
{
  const gb_reported *g = find(r, "G-VAE"), *hg = find(r, "HG-VAE");
  if (!g || !hg) return;
  double factor = g->energy_error[1][0] / hg->energy_error[1][0];
  double price = (hg->term[GB_VAE_NLL] - g->term[GB_VAE_NLL]) / (double)r->sites;
  gb_text_add(
      t,
      "<p><b>What the energy term bought.</b> Without it (G-VAE) a noisy reconstruction misses the energy of its "
      "sample by "
      "%.4f per site on average; with it (HG-VAE) by %.4f, a factor of %.1f. The price is %.2f nats per site of "
      "likelihood: to fix the energy of every single reconstruction the decoder must be surer of each angle than the "
      "data allow (docs/theory/hgvae.md derives the trade-off).</p>\n",
      g->energy_error[1][0], hg->energy_error[1][0], factor, price);
}

static void transition(const gb_report *r, gb_text *t)
{
  gb_text_add(t, "<p>");
  if (r->has_crossing) {
    gb_text_add(t, "The helicity modulus of the data crosses 2T/π at T = ");
    gb_page_value(t, r->crossing);
    gb_text_add(t, ". ");
  }
  for (size_t i = 0; i < r->n_models; i++) {
    if (!r->model[i].has_crossover) continue;
    gb_text_add(t, "⟨|μ_z|⟩ of %s has its most marked inflection at T = ", r->model[i].m.name);
    gb_page_value(t, r->model[i].crossover);
    gb_text_add(t, ". ");
  }
  gb_text_add(t, "For orientation: T_KT = 0.8929 on the infinite lattice. On a lattice of this size the crossing lies "
                 "above it and "
                 "approaches it only as 1/ln²L, and what the latents see is the drop of the finite-size magnetisation, "
                 "higher still. "
                 "Neither is an estimate of T_KT; that takes several sizes and their scaling (report.sizes).</p>\n");
}

void gb_page_caption(gb_text *t, const char *text)
{
  gb_text_add(t, "<figcaption>%s</figcaption></figure>\n", text);
}

/* One test sample as each model sees it. */
typedef struct gallery {
  float *x, *mean[GB_MOST_MODELS], *noisy[GB_MOST_MODELS];
  gb_real *z;
} gallery;

static gb_err make_gallery(const gb_report *r, gallery *g)
{
  GB_TRY(gb_new(&g->x, r->sites));
  for (size_t i = 0; i < r->n_models; i++) {
    GB_TRY(gb_new(&g->mean[i], r->sites));
    GB_TRY(gb_new(&g->noisy[i], r->sites));
  }
  size_t latent = 1;
  for (size_t i = 0; i < r->n_models; i++) latent = r->model[i].a.latent > latent ? r->model[i].a.latent : latent;
  return gb_new(&g->z, latent);
}

static void free_gallery(const gb_report *r, gallery *g)
{
  gb_free(&g->x);
  gb_free(&g->z);
  for (size_t i = 0; i < r->n_models; i++) {
    gb_free(&g->mean[i]);
    gb_free(&g->noisy[i]);
  }
}

static gb_err see(const gb_reported *m, uint64_t row, gallery *g, float *mean, float *noisy)
{
  gb_model model = m->m.built.model;
  gb_pass pass = {GB_PASS_FIXED, row, false};
  double sum[GB_MOST_TERMS];
  GB_TRY(gb_model_sums(&model, 1, g->x, pass, sum));
  gb_vae_view w = gb_vae_look(m->m.built.vae);
  double turned = w.turned[0];
  memcpy(g->z, w.mu, w.latent * sizeof *g->z);
  GB_TRY(gb_vae_decode(m->m.built.vae, 1, g->z, &turned));
  gb_vae_output(m->m.built.vae, false, pass, mean);
  gb_vae_output(m->m.built.vae, true, pass, noisy);
  return GB_OK;
}

static gb_err show_sample(const gb_report *r, uint64_t row, gallery *g, gb_text *t)
{
  const float *field[GB_MOST_MODELS + 1];
  const char *title[GB_MOST_MODELS + 1];
  char of[2][GB_MOST_MODELS][64];
  size_t side = r->model[0].m.sim.dims.shape[0];
  GB_TRY(gb_dataset_read(r->data, GB_TEST, 1, &row, g->x));
  for (size_t i = 0; i < r->n_models; i++) {
    GB_TRY(see(&r->model[i], row, g, g->mean[i], g->noisy[i]));
    snprintf(of[0][i], sizeof of[0][i], "%s, mean field", r->model[i].m.name);
    snprintf(of[1][i], sizeof of[1][i], "%s, sample", r->model[i].m.name);
  }
  gb_text_add(t, "<h3>T = %.3g</h3>\n", r->T.v[gb_dataset_temperature_of(r->data, GB_TEST, row)]);
  for (int line = 0; line < 2; line++) {
    field[0] = line == 0 ? g->x : NULL;
    title[0] = line == 0 ? "data" : "";
    for (size_t i = 0; i < r->n_models; i++) {
      field[i + 1] = line == 0 ? g->mean[i] : g->noisy[i];
      title[i + 1] = of[line][i];
    }
    gb_figure_lattices(side, r->n_models + 1, field, title, t);
  }
  return GB_OK;
}

/* The first test sample at the temperature of the grid nearest to T. */
static uint64_t sample_near(const gb_report *r, double T)
{
  size_t best = 0;
  for (size_t t = 1; t < r->T.n; t++)
    if (fabs(r->T.v[t] - T) < fabs(r->T.v[best] - T)) best = t;
  for (uint64_t i = 0; i < r->n_test; i++)
    if (gb_dataset_temperature_of(r->data, GB_TEST, i) == best) return i;
  return 0;
}

static gb_err show_samples(const gb_report *r, gb_text *t)
{
  static const double T[] = {0.5, 0.9, 1.3}; /* ordered, near the transition, disordered */
  gallery g = {0};
  gb_err e = make_gallery(r, &g);
  for (size_t i = 0; i < sizeof T / sizeof *T && !e; i++) e = show_sample(r, sample_near(r, T[i]), &g, t);
  free_gallery(r, &g);
  return e;
}

static gb_err figures(const gb_report *r, gb_text *t)
{
  gb_text_add(t, "<h2>Training</h2><figure>");
  GB_TRY(gb_figure_loss(r, t));
  gb_page_caption(
      t, "Loss by term, in nats per sample. Lines: validation; dots: training. `energy` is N(e − e<sub>rec</sub>)².");
  gb_text_add(t, "<h2>Thermodynamics of reconstructions</h2><figure>");
  GB_TRY(gb_figure_observables(r, GB_FROM_SAMPLE, t));
  gb_page_caption(t,
                  "Reconstructions with one draw of the decoder's noise, against the test samples themselves (black).");
  gb_text_add(t, "<figure>");
  GB_TRY(gb_figure_observables(r, GB_FROM_MEAN, t));
  gb_page_caption(
      t, "Their mean fields: what is left when the noise is taken away. Vortices of the data that are missing here "
         "were put "
         "into the noise.");
  gb_text_add(t, "<h2>Samples of the prior</h2><figure>");
  GB_TRY(gb_figure_observables(r, GB_FROM_PRIOR, t));
  gb_page_caption(t,
                  "z drawn from N(0, 1), decoded with noise. A latent has no temperature: each draw gets that of the "
                  "training sample "
                  "whose latent mean is nearest; temperatures that fewer than 8 draws fell to are left out.");
  gb_text_add(t, "<h2>Latent space</h2><figure>");
  GB_TRY(gb_figure_latent(r, t));
  gb_page_caption(t, "Latent means of test samples, coloured by temperature: the two latents with the largest KL.");
  gb_text_add(t, "<h2>The transition</h2><figure>");
  GB_TRY(gb_figure_transition(r, t));
  gb_page_caption(
      t, "Left: mean |μ<sub>z</sub>|, dashed its most marked inflection. Right: where the stiffness of the data "
         "meets the "
         "Nelson–Kosterlitz line.");
  transition(r, t);
  gb_text_add(t, "<h2>Configurations</h2>\n");
  GB_TRY(show_samples(r, t));
  gb_text_add(t, "<p>Colour and arrow show the angle. White dots: vortices (+1), black dots: antivortices (−1).</p>\n");
  gb_page_sampling(r, t);
  return GB_OK;
}

static gb_err models(const gb_report *r, gb_text *out)
{
  gb_text_add(out, "<p>%zu models on ", r->n_models);
  gb_page_text(out, r->data_path);
  gb_text_add(out, ": %zu sites, %zu temperatures from %g to %g, %zu training and %zu test samples.</p>\n", r->sites,
              r->T.n, r->T.v[0], r->T.v[r->T.n - 1], r->n_train, r->n_test);
  ladder(r, out);
  verdict(r, out);
  notes(r, out);
  GB_TRY(gb_page_linear(r, out));
  return figures(r, out);
}

void gb_page_open(gb_text *t, const char *title)
{
  gb_text_add(t, "%s<h1>", head);
  gb_page_text(t, title);
  gb_text_add(t, "</h1>\n");
}

gb_err gb_page_close(gb_text *t)
{
  gb_text build = {0};
  gb_run_build(&build);
  gb_text_add(t, "<h2>Provenance</h2>\n<pre>");
  if (!gb_text_done(&build)) gb_page_text(t, build.s);
  gb_text_add(t, "</pre>\n<p>Every number here and behind the curves is in report.json.</p>\n</body></html>\n");
  gb_text_free(&build);
  return gb_text_done(t);
}

gb_err gb_report_page(const gb_report *r, gb_text *out)
{
  gb_page_open(out, r->physics->doc);
  if (r->n_models) GB_TRY(models(r, out));
  if (r->sizes.n) GB_TRY(gb_page_kt(r, out));
  return gb_page_close(out);
}
