/* report/figures.c - scripts for gnuplot, and lattices drawn by hand (an arrow per site is a path of 30 bytes). */
#include "report/figures.h"

#include <math.h>
#include <string.h>

#include "report/plot.h"

gb_err gb_figure_loss(const gb_report *r, gb_text *svg)
{
  gb_plot s = {0};
  gb_model model = r->model[0].m.built.model;
  int train[GB_MOST_MODELS][GB_VAE_TERMS], valid[GB_MOST_MODELS][GB_VAE_TERMS];
  gb_text_add(&s.t, "%s", gb_plot_style());
  for (size_t i = 0; i < r->n_models; i++)
    for (int k = 0; k < model.n_terms; k++) {
      const gb_reported *m = &r->model[i];
      train[i][k] = gb_plot_block(&s, m->train.n, m->train.step, 1, m->train.term[k], 1);
      valid[i][k] = gb_plot_block(&s, m->validate.n, m->validate.step, 1, m->validate.term[k], 1);
    }
  gb_text_add(&s.t, "set multiplot layout 1,%d\nset xlabel 'step'\nset format x '%%.0s%%c'\nset logscale y\n",
              model.n_terms);
  for (int k = 0; k < model.n_terms; k++) {
    bool any_sign = !strcmp(model.term[k], "renyi");
    gb_text_add(&s.t, "%s logscale y\nset title '%s'\nset key %s\n", any_sign ? "unset" : "set", model.term[k],
                k == 0 ? "on top right" : "off");
    gb_plot_begin(&s);
    for (size_t i = 0; i < r->n_models; i++) {
      gb_plot_curve(&s, train[i][k], "using 1:2 with points pt 7 ps 0.15", gb_plot_colour(i), NULL);
      gb_plot_curve(&s, valid[i][k], "using 1:2 with lines lw 2", gb_plot_colour(i), r->model[i].m.name);
    }
    gb_plot_end(&s);
  }
  gb_text_add(&s.t, "unset multiplot\n");
  return gb_plot_draw(&s, r->run, 1080, 340, svg);
}

gb_err gb_figure_observables(const gb_report *r, gb_source source, gb_text *svg)
{
  enum { COLUMNS = 3 };
  gb_plot s = {0};
  const gb_ensemble *en = r->physics->ensemble;
  static const char *const shown[] = {"energy", "specific_heat", "abs_m", "helicity_modulus", "vortex_density"};
  gb_text_add(&s.t, "%sset multiplot layout 2,%d\nset xlabel 'T'\nset xrange [%g:%g]\n", gb_plot_style(), COLUMNS, 0.0,
              r->T.v[r->T.n - 1] * 1.03);
  for (size_t p = 0; p < sizeof shown / sizeof *shown; p++)
    for (int q = 0; q < en->n_summary; q++) {
      if (strcmp(en->summary[q].name, shown[p])) continue;
      const gb_assessment *a = &r->model[0].a;
      int data = gb_plot_block(&s, a->n_T, r->T.v, 2, a->summary[GB_FROM_DATA] + 2 * q, 2 * a->n_summary),
          rec[GB_MOST_MODELS];
      for (size_t i = 0; i < r->n_models; i++)
        rec[i] = gb_plot_block(&s, a->n_T, r->T.v, 2, r->model[i].a.summary[source] + 2 * q, 2 * a->n_summary);
      gb_text_add(&s.t, "set title '%s' noenhanced\nset key %s\n", shown[p], p == 0 ? "on top left" : "off");
      gb_plot_begin(&s);
      gb_plot_curve(&s, data, "using 1:2 with lines lw 1.5", "#000000", NULL);
      gb_plot_curve(&s, data, "using 1:2:3 with yerrorbars pt 6 ps 0.5", "#000000", "data");
      for (size_t i = 0; i < r->n_models; i++) {
        gb_plot_curve(&s, rec[i], "using 1:2:3 with yerrorbars pt 7 ps 0.4", gb_plot_colour(i), r->model[i].m.name);
        gb_plot_curve(&s, rec[i], "using 1:2 with lines lw 0.7", gb_plot_colour(i), NULL);
      }
      gb_plot_end(&s);
    }
  gb_text_add(&s.t, "unset multiplot\n");
  return gb_plot_draw(&s, r->run, 1080, 640, svg);
}

/* The two latents with the largest mean KL. */
static void most_used(const gb_assessment *a, size_t out[2])
{
  double best[2] = {-1, -1};
  out[0] = out[1] = 0;
  for (size_t j = 0; j < a->latent; j++) {
    double kl = gb_assess_kl(a, j);
    if (kl > best[0]) {
      best[1] = best[0];
      out[1] = out[0];
      best[0] = kl;
      out[0] = j;
    } else if (kl > best[1]) {
      best[1] = kl;
      out[1] = j;
    }
  }
}

gb_err gb_figure_latent(const gb_report *r, gb_text *svg)
{
  enum { MOST_POINTS = 1500 }; /* a panel: the page stays small */
  gb_plot s = {0};
  gb_text_add(&s.t,
              "%sset palette defined (0 '#313695', 0.25 '#74add1', 0.45 '#fee090', 0.6 '#f46d43', 1 '#a50026')\n"
              "set cbrange [%g:%g]\nset size square\nset multiplot layout 1,%zu\n",
              gb_plot_style(), r->T.v[0], r->T.v[r->T.n - 1], r->n_models);
  for (size_t i = 0; i < r->n_models; i++) {
    const gb_assessment *a = &r->model[i].a;
    size_t n = a->rows[GB_FROM_DATA].n, stride = (n + MOST_POINTS - 1) / MOST_POINTS, used[2];
    most_used(a, used);
    gb_text_add(&s.t, "$p%zu << EOD\n", i);
    for (size_t k = 0; k < n; k += stride)
      gb_text_add(&s.t, "%.3f %.3f %.3g\n", a->mu[k * a->latent + used[0]], a->mu[k * a->latent + used[1]],
                  r->T.v[a->rows[GB_FROM_DATA].t[k]]);
    gb_text_add(&s.t, "EOD\nset title '%s'\nset xlabel 'mu_{%zu}'\nset ylabel 'mu_{%zu}' offset 1.5\n%s\n",
                r->model[i].m.name, used[0], used[1], i + 1 == r->n_models ? "set cblabel 'T'" : "unset colorbox");
    if (i + 1 == r->n_models) gb_text_add(&s.t, "set colorbox\n");
    gb_text_add(&s.t, "plot $p%zu using 1:2:3 with points pt 7 ps 0.22 lc palette\n", i);
  }
  gb_text_add(&s.t, "unset multiplot\n");
  return gb_plot_draw(&s, r->run, 1080, r->n_models > 2 ? 320 : 460, svg);
}

gb_err gb_figure_transition(const gb_report *r, gb_text *svg)
{
  gb_plot s = {0};
  const gb_ensemble *en = r->physics->ensemble;
  const gb_assessment *a = &r->model[0].a;
  int radius[GB_MOST_MODELS], helicity = -1;
  for (size_t i = 0; i < r->n_models; i++) radius[i] = gb_plot_block(&s, r->T.n, r->T.v, 2, r->model[i].radius, 2);
  for (int q = 0; q < en->n_summary; q++)
    if (!strcmp(en->summary[q].name, "helicity_modulus"))
      helicity = gb_plot_block(&s, a->n_T, r->T.v, 2, a->summary[GB_FROM_DATA] + 2 * q, 2 * a->n_summary);
  gb_text_add(&s.t, "%sset multiplot layout 1,2\nset xlabel 'T'\nset xrange [0:%g]\n", gb_plot_style(),
              r->T.v[r->T.n - 1] * 1.03);
  gb_text_add(&s.t, "set title '⟨|μ_z|⟩ of the test samples'\nset yrange [0:*]\n");
  for (size_t i = 0; i < r->n_models; i++)
    if (r->model[i].has_crossover)
      gb_text_add(&s.t, "set arrow from %g, graph 0 to %g, graph 1 nohead dt 2 lc rgb '%s'\n", r->model[i].crossover[0],
                  r->model[i].crossover[0], gb_plot_colour(i));
  gb_plot_begin(&s);
  for (size_t i = 0; i < r->n_models; i++) {
    gb_plot_curve(&s, radius[i], "using 1:2:3 with yerrorbars pt 7 ps 0.4", gb_plot_colour(i), r->model[i].m.name);
    gb_plot_curve(&s, radius[i], "using 1:2 with lines lw 1.2", gb_plot_colour(i), NULL);
  }
  gb_plot_end(&s);
  gb_text_add(&s.t, "unset arrow\nset title 'helicity modulus Y of the data and 2T/π'\nset yrange [*:1.05]\n"
                    "set arrow from 0.8929, graph 0 to 0.8929, graph 1 nohead dt 3 lc rgb '#888888'\n"
                    "set label 'T_{KT} = 0.8929' at 0.8929, graph 0.08 offset -1,0 right tc rgb '#666666'\n");
  if (r->has_crossing)
    gb_text_add(&s.t, "set arrow from %g, graph 0 to %g, graph 1 nohead dt 2 lc rgb '#000000'\n", r->crossing[0],
                r->crossing[0]);
  gb_plot_begin(&s);
  gb_plot_curve(&s, helicity, "using 1:2:3 with yerrorbars pt 6 ps 0.5", "#000000", "Y");
  gb_plot_curve(&s, helicity, "using 1:2 with lines lw 1.2", "#000000", NULL);
  gb_text_add(&s.t, "%s2 / pi * x with lines lw 1.5 lc rgb '#EE6677' title '2T/π'\nunset multiplot\n",
              s.begun ? ", " : "");
  return gb_plot_draw(&s, r->run, 1080, 400, svg);
}

/* --- the search for T_KT. */

static double deviation(double T, double Y)
{
  return M_PI * Y / (2 * T) - 1;
}

static bool same_size(const gb_lattice *a, double L)
{
  return !(a->L < L) && !(a->L > L);
}

/* Points the flow was fitted to; curves end with them. */
static bool fitted(double T, double Y)
{
  return fabs(deviation(T, Y)) < GB_KT_WINDOW;
}

/* Y(T) of one size and, if it was fitted, the flow through it: blocks $yK and $fK. */
static void size_blocks(const gb_report *r, size_t k, gb_text *t)
{
  enum { STEPS = 60 };
  const gb_kt *kt = &r->kt;
  double low = INFINITY, high = 0;
  gb_text_add(t, "$y%zu << EOD\n", k);
  for (size_t i = 0; i < r->sizes.n; i++) {
    const gb_lattice *a = &r->sizes.of[i];
    for (size_t j = 0; j < a->n_T && same_size(a, kt->L[k]); j++) {
      gb_text_add(t, "%.8g %.8g %.3g\n", a->T[j], a->Y[2 * j], a->Y[2 * j + 1]);
      if (!fitted(a->T[j], a->Y[2 * j])) continue;
      low = fmin(low, a->T[j]);
      high = fmax(high, a->T[j]);
    }
  }
  gb_text_add(t, "EOD\n$f%zu << EOD\nNaN NaN\n", k);
  for (int i = 0; i <= STEPS && low < high && kt->L[k] >= kt->cut[kt->chosen].L_min; i++) {
    double T = low + (high - low) * i / STEPS;
    gb_text_add(t, "%.6g %.6g\n", T, gb_kt_curve(&kt->cut[kt->chosen], kt->L[k], T));
  }
  gb_text_add(t, "EOD\n");
}

static void sizes_panel(const gb_report *r, gb_text *t)
{
  const gb_kt *kt = &r->kt;
  for (size_t k = 0; k < kt->n_sizes; k++) size_blocks(r, k, t);
  gb_text_add(t, "set title 'Y(T), the flow through it, and 2T/π'\nset xlabel 'T'\nset key on bottom left\nplot ");
  for (size_t k = 0; k < kt->n_sizes; k++)
    gb_text_add(t,
                "$y%zu using 1:2:3 with yerrorbars pt 7 ps 0.4 lc rgb '%s' title 'L = %g', $f%zu with lines lw 1 lc "
                "rgb '%s', ",
                k, gb_plot_colour(k), kt->L[k], k, gb_plot_colour(k));
  gb_text_add(t, "2 / pi * x with lines lw 1.5 dt 2 lc rgb '#000000'\n");
}

/* One line of the flow: (L, x - 1, T). */
static void flow_line(const gb_kt *kt, double T, gb_text *t)
{
  enum { STEPS = 40 };
  const gb_kt_cut *cut = &kt->cut[kt->chosen];
  for (int i = 0; i <= STEPS; i++) {
    double L = cut->L_min * pow(kt->L[kt->n_sizes - 1] / cut->L_min, (double)i / STEPS), Y = gb_kt_curve(cut, L, T);
    if (fitted(T, Y)) gb_text_add(t, "%.6g %.6g %.8g\n", L, deviation(T, Y), T);
  }
  gb_text_add(t, "\n");
}

/* Points (L, x - 1), the flow at the temperatures that several sizes share, and that at T_KT. */
static void flow_panel(const gb_report *r, gb_text *t)
{
  const gb_kt *kt = &r->kt;
  gb_text_add(t, "$flow << EOD\nNaN NaN NaN\n");
  for (size_t k = 0; k < kt->n_T; k++) flow_line(kt, kt->T_grid[k], t);
  gb_text_add(t, "EOD\n$separatrix << EOD\n");
  flow_line(kt, kt->T, t);
  gb_text_add(t, "EOD\n$points << EOD\nNaN NaN NaN NaN\n");
  for (size_t i = 0; i < r->sizes.n; i++)
    for (size_t j = 0; j < r->sizes.of[i].n_T; j++) {
      const gb_lattice *a = &r->sizes.of[i];
      if (fitted(a->T[j], a->Y[2 * j]))
        gb_text_add(t, "%g %.6g %.3g %.8g\n", a->L, deviation(a->T[j], a->Y[2 * j]),
                    M_PI / (2 * a->T[j]) * a->Y[2 * j + 1], a->T[j]);
    }
  gb_text_add(t,
              "EOD\nset title 'πY/2T − 1 flows with L; dashed: T_{KT}'\nset xlabel 'L'\nset key off\n"
              "set logscale x 2\nset xrange [%g:%g]\nset cblabel 'T'\n"
              "plot $flow using 1:2:3 with lines lw 1 lc palette, $separatrix using 1:2 with lines lw 2 "
              "dt 2 lc rgb '#000000', $points using 1:2:3:4 with yerrorbars pt 7 ps 0.4 lc palette\n"
              "unset logscale x\nset autoscale x\nunset colorbox\n",
              kt->L[0] / 1.2, kt->L[kt->n_sizes - 1] * 1.2);
}

static void chi2_panel(const gb_report *r, gb_text *t)
{
  const gb_kt *kt = &r->kt;
  gb_text_add(t, "$chi2 << EOD\nNaN NaN\n");
  for (size_t k = 0; k < kt->n_T; k++)
    if (kt->dof[k] > 0 && kt->chi2[k] > 0) gb_text_add(t, "%.8g %.6g\n", kt->T_grid[k], kt->chi2[k] / kt->dof[k]);
  gb_text_add(t,
              "EOD\nset title 'χ²/dof of Weber and Minnhagen, A = 1'\nset xlabel 'T'\nset logscale y\n"
              "set arrow from %g, graph 0 to %g, graph 1 nohead dt 2 lc rgb '#000000'\n"
              "plot $chi2 with linespoints pt 7 ps 0.5 lc rgb '%s'\nunset arrow\nunset logscale y\n",
              kt->T, kt->T, gb_plot_colour(0));
}

static void cuts_panel(const gb_report *r, gb_text *t)
{
  const gb_kt *kt = &r->kt;
  for (int m = 0; m < GB_KT_METHODS; m++) {
    gb_text_add(t, "$cut%d << EOD\nNaN NaN NaN\n", m);
    for (size_t i = 0; i < kt->n_cuts; i++)
      if (kt->cut[i].by[m].found)
        gb_text_add(t, "%g %.8g %.3g\n", kt->cut[i].L_min * (1 + 0.04 * (m - 1)), kt->cut[i].by[m].T[0],
                    kt->cut[i].by[m].T[1]);
    gb_text_add(t, "EOD\n");
  }
  gb_text_add(t,
              "set title 'T_{KT} from L_{min} on; dashed: known'\nset xlabel 'L_{min}'\nset logscale x 2\n"
              "set xrange [%g:%g]\nset key on top left\nplot %g with lines dt 2 lw 1.5 lc rgb '#000000'",
              kt->L[0] / 1.5, kt->cut[kt->n_cuts - 1].L_min * 1.5, GB_KT_KNOWN);
  for (int m = 0; m < GB_KT_METHODS; m++)
    gb_text_add(t, ", $cut%d using 1:2:3 with yerrorbars pt 7 ps 0.5 lw 1.5 lc rgb '%s' title '%s'", m,
                gb_plot_colour((size_t)m), gb_kt_method_name[m]);
  gb_text_add(t, "\n");
}

gb_err gb_figure_kt(const gb_report *r, gb_text *svg)
{
  gb_plot s = {0};
  gb_text_add(&s.t,
              "%sset palette defined (0 '#313695', 0.25 '#74add1', 0.45 '#fee090', 0.6 '#f46d43', 1 '#a50026')\n"
              "set multiplot layout 2,2\n",
              gb_plot_style());
  sizes_panel(r, &s.t);
  flow_panel(r, &s.t);
  chi2_panel(r, &s.t);
  cuts_panel(r, &s.t);
  gb_text_add(&s.t, "unset multiplot\n");
  return gb_plot_draw(&s, r->run, 1080, 800, svg);
}

/* Winding of the plaquette whose lower left corner is (x, y): +1, 0 or -1. */
static int winding(size_t side, const float *a, size_t x, size_t y)
{
  size_t right = (x + 1) % side, above = (y + 1) % side;
  const size_t corner[4] = {y * side + x, y * side + right, above * side + right, above * side + x};
  double sum = 0;
  for (int k = 0; k < 4; k++) sum += remainder((double)a[corner[(k + 1) % 4]] - (double)a[corner[k]], 2 * M_PI);
  return (int)lround(sum / (2 * M_PI));
}

enum { CELL = 10, HUES = 24, TITLE = 18, GAP = 14 }; /* in the units of the drawing */

static void one_lattice(size_t side, const float *a, double left, gb_text *svg)
{
  double top = TITLE, size = CELL * (double)side;
  gb_text_add(svg, "<rect x='%g' y='%g' width='%g' height='%g' fill='#fff' stroke='#ccc'/>", left, top, size, size);
  for (int hue = 0; hue < HUES; hue++) { /* one path per colour, an arrowhead with a tail per site */
    bool begun = false;
    for (size_t i = 0; i < side * side; i++) {
      double turn = (double)a[i] / (2 * M_PI), c = cos((double)a[i]), s = sin((double)a[i]);
      if ((int)((turn - floor(turn)) * HUES) % HUES != hue) continue;
      double x = left + CELL * ((double)(i % side) + 0.5), y = top + size - CELL * ((double)(i / side) + 0.5);
      if (!begun) gb_text_add(svg, "<path fill='hsl(%d,75%%,45%%)' d='", hue * 360 / HUES);
      begun = true;
      gb_text_add(svg, "M%.1f %.1fl%.1f %.1fl%.1f %.1fz", x + 4 * c, y - 4 * s, -7.5 * c - 2 * s, 7.5 * s - 2 * c,
                  4 * s, 4 * c);
    }
    if (begun) gb_text_add(svg, "'/>");
  }
  for (size_t y = 0; y < side; y++)
    for (size_t x = 0; x < side; x++) {
      int w = winding(side, a, x, y);
      if (!w) continue;
      gb_text_add(svg, "<circle cx='%g' cy='%g' r='3.2' fill='%s' stroke='#000' stroke-width='0.8'/>",
                  left + CELL * (double)(x + 1), top + size - CELL * (double)(y + 1), w > 0 ? "#fff" : "#000");
    }
}

void gb_figure_lattices(size_t side, size_t n, const float *const field[], const char *const title[], gb_text *svg)
{
  double size = CELL * (double)side, width = (double)n * (size + GAP), height = size + TITLE + CELL;
  gb_text_add(
      svg,
      "<svg viewBox='0 0 %g %g' width='%g' xmlns='http://www.w3.org/2000/svg' font-family='sans-serif' font-size='12'>",
      width, height, width);
  for (size_t i = 0; i < n; i++) {
    double left = (double)i * (size + GAP);
    if (!field[i]) continue;
    gb_text_add(svg, "<text x='%g' y='12' fill='#333'>%s</text>", left, title[i]);
    one_lattice(side, field[i], left, svg);
  }
  gb_text_add(svg, "</svg>\n");
}
