/* report/page_linear.c - models of a report beside the exact linear ones: a table, and the plane of rate and error. */
#include <math.h>

#include "report/page.h"
#include "report/plot.h"
#include "report/report.h"

static gb_err figure(const gb_report *r, gb_text *svg)
{
  enum { MOST_CURVES = 32 };
  gb_plot s = {0};
  const gb_baseline *b = &r->linear;
  int curve[MOST_CURVES], point[GB_MOST_MODELS];
  size_t n = b->n_curves < MOST_CURVES ? b->n_curves : MOST_CURVES;
  double far = 0;
  for (size_t i = 0; i < n; i++)
    curve[i] = gb_plot_block(&s, b->n_level, b->rate + i * b->n_level, 1, b->error + i * b->n_level, 1);
  for (size_t i = 0; i < r->n_models; i++) {
    const gb_reported *m = &r->model[i];
    point[i] = isfinite(m->gain) ? gb_plot_block(&s, 1, &m->rate, 2, m->square, 2) : -1;
    far = isfinite(m->gain) ? fmax(far, m->rate) : far;
  }
  gb_text_add(&s.t,
              "%sset key outside right top\nset xlabel 'rate, nats'\nset ylabel 'squared error of a sample'\n"
              "set xrange [0:%g]\nset yrange [0:*]\n",
              gb_plot_style(), far > 0 ? 1.5 * far : 1);
  gb_plot_begin(&s);
  for (size_t i = 0; i < n; i++) {
    char how[48], title[48];
    snprintf(how, sizeof how, "using 1:2 with lines lw 1.4 dt %zu", 1 + i % 5);
    snprintf(title, sizeof title, i ? "linear, %g latents" : "linear, any latents", b->latent[i]);
    gb_plot_curve(&s, curve[i], how, "#777777", title);
  }
  for (size_t i = 0; i < r->n_models; i++)
    gb_plot_curve(&s, point[i], "using 1:2:3 with yerrorbars pt 7 ps 0.8", gb_plot_colour(i), r->model[i].m.name);
  gb_plot_end(&s);
  return gb_plot_draw(&s, r->run, 1080, 400, svg);
}

static void row(const gb_baseline *b, const gb_reported *m, gb_text *t)
{
  gb_text_add(t, "<tr><td>%s <small>(", m->m.name);
  gb_page_text(t, m->dir);
  gb_text_add(t, ")</small></td><td>%zu</td><td>%.3f</td><td>", m->a.latent, m->rate);
  gb_page_value(t, m->square);
  if (isfinite(m->gain))
    gb_text_add(t, "</td><td>%.4g</td><td>%.4g</td><td>%.4g</td><td>%.3f</td></tr>\n",
                gb_linear_error_at(b->of, m->a.latent, m->rate), gb_linear_error_at(b->of, b->of.n, m->rate),
                gb_linear_error_at(b->of, m->a.latent, INFINITY), m->gain);
  else
    gb_text_add(t, "</td><td>–</td><td>–</td><td>–</td><td>–</td></tr>\n");
}

gb_err gb_page_linear(const gb_report *r, gb_text *t)
{
  const gb_baseline *b = &r->linear;
  gb_text_add(t, "<h2>Beside the best linear model</h2>\n");
  if (!b->of.n) {
    gb_text_add(t, "<p>%s.</p>\n",
                *b->note ? b->note
                         : "With analysis.h5 of greybox-analyze in this directory, models are compared here with "
                           "exact linear ones");
    return GB_OK;
  }
  gb_text_add(t, "<div class='wide'><table><thead><tr><th>model</th><th>latents</th><th>rate, nats</th><th>squared "
                 "error</th><th>linear, as many latents</th><th>linear, any latents</th><th>PCA, as many "
                 "components</th><th>gain</th></tr></thead><tbody>\n");
  for (size_t i = 0; i < r->n_models; i++) row(b, &r->model[i], t);
  gb_text_add(
      t,
      "</tbody></table></div>\n<p>Rate: KL(q‖p(z)). Error: |x − E[x|z]|² of a test sample at one z ~ q, summed over "
      "its "
      "%zu numbers (encoding %s%s). Linear: what the best linear code of this rate leaves, exactly (reverse "
      "water-filling of the eigenvalues of the %s split; docs/theory/linear.md); PCA: without any limit of the rate. "
      "Gain: error of the linear code with as many latents and this rate, over that of the model; more than 1 is what "
      "being nonlinear brings. –: model.encoding or model.align of the model are not those of analysis.h5.</p>\n"
      "<figure>",
      b->of.n, b->encoding, gb_is(b->align, "true") ? ", aligned" : "", b->split);
  GB_TRY(figure(r, t));
  gb_page_caption(t, "Points: the models. Grey: the exact curves of linear codes; below them no linear code is.");
  return GB_OK;
}
