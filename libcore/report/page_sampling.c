/* report/page_sampling.c - the section on how the data were sampled. */
#include <string.h>

#include "report/page.h"

/* Names separated by commas as heads of columns. */
static void heads(gb_text *t, const char *names)
{
  gb_text_add(t, "<th>");
  for (const char *s = names; *s; s++) {
    if (*s == ',')
      gb_text_add(t, "</th><th>");
    else
      gb_page_text(t, (char[]){*s == '_' ? ' ' : *s, 0});
  }
  gb_text_add(t, "</th>");
}

static void row(const gb_sampling *s, size_t t, gb_text *out)
{
  gb_text_add(out, "<tr><td>%g</td>", s->T[t]);
  for (size_t i = 0; i < s->n_setting; i++) gb_text_add(out, "<td>%g</td>", s->mix[t * s->n_setting + i]);
  for (size_t i = 0; i < s->n_track; i++) gb_text_add(out, "<td>%.3g</td>", s->tau[t * s->n_track + i]);
  gb_text_add(out, "<td>%lld</td><td>%lld</td><td>%.1f</td><td>%g</td>", (long long)s->stride[t],
              (long long)s->dropped[t], s->hot[2 * t], s->hot[2 * t + 1]);
  if (s->quality[t])
    gb_text_add(out, "<td><b>%lld</b></td></tr>\n", (long long)s->quality[t]);
  else
    gb_text_add(out, "<td>good</td></tr>\n");
}

void gb_page_sampling(const gb_report *r, gb_text *t)
{
  const gb_sampling *s = &r->sampling;
  size_t flagged = 0;
  if (!s->n_T) return;
  for (size_t i = 0; i < s->n_T; i++) flagged += s->quality[i] != 0;
  gb_text_add(t,
              "<h2>How the data were sampled</h2>\n<div class='wide'><table><thead><tr><th></th><th colspan='%zu'>in a "
              "step</th><th colspan='%zu'>τ<sub>int</sub>, steps</th><th colspan='2'>steps</th><th colspan='2'>hot "
              "starts</th><th></th></tr>\n<tr><th>T</th>",
              s->n_setting, s->n_track);
  heads(t, s->settings.s);
  heads(t, s->tracks.s);
  gb_text_add(
      t, "<th>stride</th><th>dropped</th><th>largest z</th><th>trapped</th><th>quality</th></tr></thead><tbody>\n");
  for (size_t i = 0; i < s->n_T; i++) row(s, i, t);
  gb_text_add(t, "</tbody></table></div>\n<p>%s quality: ",
              flagged ? "Not all temperatures are well sampled." : "All temperatures are well sampled.");
  gb_page_text(t, s->meaning.s);
  gb_text_add(t, "</p>\n");
}
