/* report/page_kt.c - the section on the Kosterlitz-Thouless transition: data sets, readings, what they say. */
#include <math.h>

#include "report/figures.h"
#include "report/page.h"

static void headline(const gb_report *r, gb_text *t)
{
  const gb_kt *k = &r->kt;
  const gb_kt_reading *flow = &k->cut[k->chosen].by[GB_KT_FLOW];
  double off = (k->T - GB_KT_KNOWN) / hypot(k->error, GB_KT_KNOWN_ERROR);
  gb_text_add(t, "<p><b>T_KT = ");
  gb_page_value(t, (double[2]){k->T, k->error});
  gb_text_add(t, "</b>: %.5f ± %.5f (statistical) ± ", k->T, k->statistical);
  gb_text_add(t, "%.5f (systematic", k->systematic);
  if (isfinite(k->shift)) gb_text_add(t, ": %.5f dropping the smallest lattice", k->shift);
  if (isfinite(k->truncation)) gb_text_add(t, "%s %.5f higher orders", isfinite(k->shift) ? "," : ":", k->truncation);
  gb_text_add(t, ")");
  gb_text_add(t,
              ", from L ≥ %g, χ²/dof = %.1f/%d. With J = 1 the known value is 0.89289(5) (Komura and Okabe 2012): this "
              "one is %.1f standard errors %s it, %s.</p>\n",
              k->cut[k->chosen].L_min, flow->chi2, flow->dof, fabs(off), off < 0 ? "below" : "above",
              fabs(off) < 2   ? "in agreement"
              : fabs(off) < 3 ? "in tension"
                              : "in disagreement");
}

static void lattices(const gb_report *r, gb_text *t)
{
  const gb_kt *k = &r->kt;
  gb_text_add(t, "<div class='wide'><table><thead><tr><th>data set</th><th>L</th><th>temperatures</th>"
                 "<th>left out</th><th>Y = 2T/π at T</th></tr></thead><tbody>\n");
  for (size_t i = 0; i < r->sizes.n; i++) {
    const gb_lattice *a = &r->sizes.of[i];
    size_t of = 0;
    while (of + 1 < k->n_sizes && k->L[of] < a->L) of++;
    gb_text_add(t, "<tr><td>");
    gb_page_text(t, a->path);
    gb_text_add(t, "</td><td>%g</td><td>%zu, %g to %g</td><td>", a->L, a->n_T, a->T[0], a->T[a->n_T - 1]);
    bool any = false;
    for (size_t j = 0; j < a->n_T; j++) {
      if (a->quality[j] == 0) continue;
      gb_text_add(t, "%s%g (%lld)", any ? ", " : "", a->T[j], (long long)a->quality[j]);
      any = true;
    }
    gb_text_add(t, "%s</td><td>", any ? "" : "–");
    if (k->crosses[of])
      gb_page_value(t, k->crossing[of]);
    else
      gb_text_add(t, "–");
    gb_text_add(t, "</td></tr>\n");
  }
  gb_text_add(t, "</tbody></table></div>\n");
  if (!r->sizes.n_flagged) return;
  gb_text_add(t, "<p>Temperatures left out were not well sampled, by /sampling/quality (in brackets) of their data "
                 "sets. ");
  gb_page_text(t, r->sizes.meaning.s);
  gb_text_add(t, "</p>\n");
}

static void reading(const gb_kt_reading *m, gb_text *t)
{
  gb_text_add(t, "<td>");
  if (!m->found) {
    gb_text_add(t, "–</td><td>–</td><td>–</td>");
    return;
  }
  gb_page_value(t, m->T);
  gb_text_add(t, "</td><td>");
  gb_page_value(t, m->C);
  gb_text_add(t, "</td><td>%.1f/%d</td>", m->chi2, m->dof);
}

static void readings(const gb_report *r, gb_text *t)
{
  const gb_kt *k = &r->kt;
  gb_text_add(t, "<div class='wide'><table><thead><tr><th>from</th>");
  for (int m = 0; m < GB_KT_METHODS; m++)
    gb_text_add(t, "<th>%s: T_KT</th><th>C</th><th>χ²/dof</th>", gb_kt_method_name[m]);
  gb_text_add(t, "</tr></thead><tbody>\n");
  for (size_t i = 0; i < k->n_cuts; i++) {
    gb_text_add(t, "<tr><td>L ≥ %g%s</td>", k->cut[i].L_min, i == k->chosen ? " (headline)" : "");
    for (int m = 0; m < GB_KT_METHODS; m++) reading(&k->cut[i].by[m], t);
    gb_text_add(t, "</tr>\n");
  }
  gb_text_add(
      t,
      "</tbody></table></div>\n<p><b>flow</b>: one fit to all sizes and temperatures with |πY/2T − 1| &lt; %g, along "
      "the renormalisation flow du/dl = 2(c − u²)(1 + u), u = πY/2T − 1, l = ln L, where c(T) passes through 0 at "
      "T_KT. "
      "<b>least</b> and <b>amplitude</b>: Weber and Minnhagen's u = 1/(2(ln L + C)), which holds at T_KT only: where "
      "its χ² is least, and where a free factor A before 1 + u is 1. They leave out the terms beyond 1/ln L, so they "
      "drift with the smallest lattice. Errors in brackets are statistical. The headline is the flow from the smallest "
      "lattice on whose χ² is acceptable; its systematic error is the shift to the line below it and half the shift "
      "when the "
      "factor 1 + u is left out; the total is all in quadrature (docs/theory/xy.md).</p>\n",
      GB_KT_WINDOW);
}

gb_err gb_page_kt(const gb_report *r, gb_text *t)
{
  gb_text_add(t, "<h2>Kosterlitz–Thouless transition</h2>\n");
  headline(r, t);
  lattices(r, t);
  gb_text_add(t, "<figure>");
  GB_TRY(gb_figure_kt(r, t));
  gb_page_caption(t,
                  "Top: the helicity modulus of every size, and how it flows with the size (lines: the fit). Bottom: "
                  "the two readings of Weber and Minnhagen beside it, and what dropping small lattices changes.");
  readings(r, t);
  return gb_text_done(t);
}
