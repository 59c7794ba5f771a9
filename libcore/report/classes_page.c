/* report/classes_page.c - classes of curves on the page and in report.json. */
#include <jansson.h>
#include <math.h>

#include "report/classes.h"
#include "report/json.h"
#include "report/page.h"
#include "report/plot.h"

static const char *const kind_name[GB_PATH_KINDS] = {"other_class", "same_class"};

static const gb_factor *class_factor(const gb_classes *k)
{
  return &k->factors.of[k->factor];
}

static const char *class_name(const gb_classes *k, size_t c, char buffer[32])
{
  return gb_class_name(class_factor(k)->unit, c, buffer);
}

/* The two latents that tell most of the class. */
static void most_telling(const gb_classes *k, size_t latent[2])
{
  const gb_disentangled *d = &k->compared;
  for (int place = 0; place < 2; place++) {
    double most = -INFINITY;
    for (size_t j = 0; j < d->latents; j++) {
      double v = d->information[j * d->factors + k->factor];
      if (v <= most || (place == 1 && j == latent[0])) continue;
      most = v;
      latent[place] = j;
    }
  }
}

static void points(const gb_classes *k, const size_t latent[2], size_t which, size_t colour, gb_plot *s)
{
  enum { MOST_POINTS = 2000 };
  size_t shown = k->rows < MOST_POINTS ? k->rows : MOST_POINTS;
  gb_text_add(&s->t, "$b%d << EOD\n", s->blocks++);
  for (size_t i = 0; i < shown; i++)
    if (which >= k->n || (size_t)class_factor(k)->value[i] == which)
      gb_text_add(&s->t, "%.4g %.4g %.4g\n", k->mean[i * k->latents + latent[0]], k->mean[i * k->latents + latent[1]],
                  k->factors.of[colour].value[i]);
  gb_text_add(&s->t, "EOD\n");
}

static gb_err scatter(const gb_classes *k, gb_run *run, gb_text *t)
{
  size_t latent[2] = {0, 0};
  gb_plot s = {0};
  bool second = k->colour < k->factors.n;
  if (k->latents < 2) return GB_OK;
  most_telling(k, latent);
  gb_text_add(&s.t, "%sset key noenhanced\nset xlabel 'latent %zu'\nset ylabel 'latent %zu'\n", gb_plot_style(),
              latent[0] + 1, latent[1] + 1);
  for (size_t c = 0; c < k->n; c++)
    if (k->of[c].n) points(k, latent, c, k->factor, &s);
  if (second) points(k, latent, k->n, k->colour, &s);
  gb_text_add(&s.t, "set multiplot layout 1,%d\nset title '%s' noenhanced\n", second ? 2 : 1, class_factor(k)->name);
  gb_plot_begin(&s);
  for (size_t c = 0, block = 0; c < k->n; c++) {
    char title[32];
    if (!k->of[c].n) continue;
    gb_plot_curve(&s, (int)block++, "using 1:2 with points pt 7 ps 0.25", gb_plot_colour(c), class_name(k, c, title));
  }
  gb_plot_end(&s);
  if (second)
    gb_text_add(&s.t,
                "set title '%s' noenhanced\nset palette rgbformulae 33,13,10\n"
                "plot $b%d using 1:2:3 with points pt 7 ps 0.25 lc palette notitle\n",
                k->factors.of[k->colour].name, s.blocks - 1);
  gb_text_add(&s.t, "unset multiplot\n");
  gb_text_add(t, "<figure>");
  GB_TRY(gb_plot_draw(&s, run, 1080, 420, t));
  gb_page_caption(t, "Means of q(z|x) of test samples: the two latents with the largest mutual information with the "
                     "class, coloured by it; and by another truth.");
  return GB_OK;
}

static void class_table(const gb_classes *k, gb_text *t)
{
  gb_text_add(t, "<div class='wide'><table><thead><tr><th>");
  gb_page_text(t, class_factor(k)->name);
  gb_text_add(t, "</th><th>test samples</th><th>R²</th><th>found by the classifier</th><th>ripple: mean</th>"
                 "<th>95 %% below</th><th>most</th></tr></thead><tbody>\n");
  for (size_t c = 0; c < k->n; c++) {
    const gb_class *o = &k->of[c];
    char name[32];
    if (!o->n) continue;
    gb_text_add(t, "<tr><td>%s</td><td>%zu</td><td>%.5f</td><td>%.4f</td>", class_name(k, c, name), o->n, o->r2,
                o->recall);
    gb_text_add(t, "<td>%.2f %%</td><td>%.2f %%</td><td>%.2f %%</td></tr>\n", 100 * o->ripple_mean, 100 * o->ripple_95,
                100 * o->ripple_most);
  }
  gb_text_add(t,
              "</tbody></table></div>\n<p>R²: 1 − squared errors of all numbers of the class over their squares about "
              "the mean of all of them. Classifier: logistic regression on standardised latent means, each class "
              "against all others, ridge %g, fitted to the training split: <b>%.2f %%</b> of the test samples are "
              "right, %.2f %% of the training samples. Ripple: standard deviation of reconstruction − %s over the "
              "second half of the frames, in parts of its range.</p>\n",
              k->ridge, 100 * k->accuracy, 100 * k->training_accuracy,
              k->against_exact ? "the curve without noise" : "sample");
}

static gb_err path_figure(const gb_classes *k, gb_run *run, gb_text *t)
{
  gb_plot s = {0};
  size_t rows = 0, columns = 0;
  for (int kind = 0; kind < GB_PATH_KINDS; kind++) {
    size_t n = k->paths[kind].n < GB_SHOWN_PAIRS ? k->paths[kind].n : GB_SHOWN_PAIRS;
    rows += n > 0;
    columns = n > columns ? n : columns;
  }
  if (!rows) return GB_OK;
  gb_text_add(&s.t,
              "%sset key off\nset xlabel 'frame'\nset palette rgbformulae 33,13,10\nset cbrange [0:1]\n"
              "set multiplot layout %zu,%zu\n",
              gb_plot_style(), rows, columns);
  for (int kind = 0; kind < GB_PATH_KINDS; kind++)
    for (size_t i = 0; i < columns && i < k->paths[kind].n; i++) {
      const gb_path *p = &k->paths[kind].of[i];
      gb_text_add(&s.t, "$p << EOD\n");
      for (size_t stop = 0; stop < GB_STOPS; stop++) {
        const double *y = k->paths[kind].curve + (i * GB_STOPS + stop) * k->frames;
        for (size_t f = 0; f < k->frames; f++)
          gb_text_add(&s.t, "%zu %.5g %.3g\n", f, y[f], (double)stop / (GB_STOPS - 1));
        gb_text_add(&s.t, "\n");
      }
      gb_text_add(&s.t, "EOD\nset title 'sample %zu to %zu'\nplot $p using 1:2:3 with lines lw 1.3 lc palette\n",
                  p->from, p->to);
    }
  gb_text_add(&s.t, "unset multiplot\n");
  gb_text_add(t, "<figure>");
  GB_TRY(gb_plot_draw(&s, run, 1080, (int)rows * 300, t));
  gb_page_caption(t,
                  "Decodes on the line between the latent means of two test samples (0 to 1), which are of different "
                  "classes (first row) or of the same (second row).");
  return GB_OK;
}

static void path_table(const gb_path *p, gb_text *t)
{
  gb_text_add(t, "<div class='wide'><table><thead><tr><th>sample %zu to %zu</th>", p->from, p->to);
  for (size_t s = 0; s < GB_STOPS; s++) gb_text_add(t, "<th>%.2f</th>", (double)s / (GB_STOPS - 1));
  gb_text_add(t, "</tr></thead><tbody>\n");
  for (size_t q = 0; q < GB_STOP_NUMBERS; q++) {
    gb_text_add(t, "<tr><td>%s</td>", gb_stop_name[q]);
    for (size_t s = 0; s < GB_STOPS; s++) {
      double v = p->stop[s][q];
      if (q == GB_STOP_BEHAVIOUR)
        gb_text_add(t, "<td>%s</td>", gb_behaviour_name[(size_t)v]);
      else
        gb_text_add(t, isnan(v) ? "<td></td>" : "<td>%.3g</td>", v);
    }
    gb_text_add(t, "</tr>\n");
  }
  gb_text_add(t, "</tbody></table></div>\n");
}

static gb_err paths(const gb_classes *k, gb_run *run, gb_text *t)
{
  gb_text_add(t, "<h3>From one curve to another</h3>\n");
  GB_TRY(path_figure(k, run, t));
  for (int kind = 0; kind < GB_PATH_KINDS; kind++)
    for (size_t i = 0; i < GB_SHOWN_PAIRS && i < k->paths[kind].n; i++) path_table(&k->paths[kind].of[i], t);
  gb_text_add(
      t,
      "<p>Behaviour, period and amplitude as the data set describes its curves; swing: range of the curve "
      "minus the monotonic curve nearest to it; bin: the strongest of the Fourier transform of that; frequency: "
      "where the transform of the curve, without what it has of the one at the end, is strongest, in steps of "
      "1/16 bin; value at the first and the last frame.</p>\n<p>Over %zu pairs of different classes (where these are "
      "behaviours: of a curve that oscillates and one that does not), from the one that swings more: rank correlation "
      "of the swing with the place on the path %.3f on average, at most "
      "−0.9 on %.0f %% of the paths. Over the first 60 %% of the path the frequency stays within half a bin on "
      "%.0f %% of the paths, the bin stays on %.0f %%; on straight lines between the two curves themselves, "
      "whose oscillation has one frequency from start to end, the bin stays on %.0f %%: so much of the loss is "
      "its own.</p>\n",
      k->paths[GB_PATH_APART].n, k->trend, 100 * k->falling, 100 * k->steady, 100 * k->kept, 100 * k->blended);
  return GB_OK;
}

gb_err gb_classes_page(const gb_classes *k, const char *label, gb_run *run, gb_text *t)
{
  gb_text_add(t, "<h2>Classes: ");
  gb_page_text(t, class_factor(k)->name);
  gb_text_add(t, " (");
  gb_page_text(t, label);
  gb_text_add(t, ")</h2>\n");
  class_table(k, t);
  GB_TRY(scatter(k, run, t));
  return paths(k, run, t);
}

static json_t *path_json(const gb_path *p)
{
  json_t *o = json_pack("{s:I, s:I, s:o, s:o, s:o, s:o}", "from", (json_int_t)p->from, "to", (json_int_t)p->to, "trend",
                        gb_json_number(p->trend), "kept", gb_json_number(p->kept), "steady", gb_json_number(p->steady),
                        "blended", gb_json_number(p->blended));
  for (size_t q = 0; q < GB_STOP_NUMBERS; q++)
    json_object_set_new(o, gb_stop_name[q], gb_json_list(GB_STOPS, GB_STOP_NUMBERS, &p->stop[0][q]));
  return o;
}

json_t *gb_classes_json(const gb_classes *k)
{
  json_t *of = json_array(), *all = json_object();
  for (size_t c = 0; c < k->n; c++) {
    const gb_class *o = &k->of[c];
    char name[32];
    json_array_append_new(of, json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:o}", "name", class_name(k, c, name),
                                        "test_samples", (json_int_t)o->n, "r2", gb_json_number(o->r2), "recall",
                                        gb_json_number(o->recall), "ripple_mean", gb_json_number(o->ripple_mean),
                                        "ripple_95", gb_json_number(o->ripple_95), "ripple_most",
                                        gb_json_number(o->ripple_most)));
  }
  for (int kind = 0; kind < GB_PATH_KINDS; kind++) {
    json_t *list = json_array();
    for (size_t i = 0; i < k->paths[kind].n; i++) json_array_append_new(list, path_json(&k->paths[kind].of[i]));
    json_object_set_new(all, kind_name[kind], list);
  }
  json_t *information = gb_json_list(k->latents, k->compared.factors, k->compared.information + k->factor);
  json_t *mean = json_array();
  for (size_t j = 0; j < k->latents; j++) json_array_append_new(mean, gb_json_list(k->rows, k->latents, k->mean + j));
  return json_pack("{s:s, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "truth",
                   class_factor(k)->name, "classes", of, "ridge", k->ridge, "accuracy", gb_json_number(k->accuracy),
                   "training_accuracy", gb_json_number(k->training_accuracy), "information", information, "mean", mean,
                   "paths", all, "trend", gb_json_number(k->trend), "falling", gb_json_number(k->falling), "kept",
                   gb_json_number(k->kept), "steady", gb_json_number(k->steady), "blended", gb_json_number(k->blended),
                   "against_exact", (int)k->against_exact);
}
