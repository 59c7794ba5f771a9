/* report/traverse.c - decodes along the axes of the latent space. */
#include "report/traverse.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "report/figures.h"
#include "report/plot.h"
#include "report/tiles.h"

enum { STEPS = 7, MOST = 6 };  /* decodes of a latent; latents */
enum { ARROWS = 4096 };        /* in one column, so that the page stays small */
static const double reach = 3; /* standard deviations of the prior */
static const char *const colour[STEPS] = {"#2166ac", "#67a9cf", "#bcd6e6", "#666666", "#f4c4a8", "#ef8a62", "#b2182b"};

static double at(size_t step)
{
  return reach * (2 * (double)step / (STEPS - 1) - 1);
}

/* Latents by variance, the largest first; equal ones in their order. */
static size_t choose(size_t n, const double *variance, size_t most, size_t *out)
{
  size_t m = n < most ? n : most;
  for (size_t i = 0; i < m; i++) {
    size_t best = n;
    for (size_t j = 0; j < n; j++) {
      bool taken = false;
      for (size_t k = 0; k < i; k++) taken = taken || out[k] == j;
      if (!taken && (best == n || variance[j] > variance[best])) best = j;
    }
    out[i] = best;
  }
  return m;
}

void gb_latent_name(const gb_trained *m, size_t latent, gb_text *out)
{
  const gb_physics *k = m->sim.kind;
  const gb_var *parameter = k->image || k->dynamics ? gb_sim_parameters(&m->sim) : NULL;
  size_t n = m->built.hybrid ? gb_hybrid_look(m->built.hybrid).n_parameter : 0;
  if (latent < n)
    gb_text_add(out, "%s", parameter[latent].name);
  else
    gb_text_add(out, "latent %zu", latent - n + 1);
}

/* --- fields of angles */

static gb_err one_field_row(gb_trained *m, size_t latent, float *x, gb_real *z, gb_text *out)
{
  gb_vae *v = m->built.vae;
  size_t n = gb_vae_look(v).latent, sites = m->sim.dims.n;
  const float *field[STEPS];
  const char *title[STEPS];
  char text[STEPS][48];
  memset(z, 0, STEPS * n * sizeof *z);
  for (size_t i = 0; i < STEPS; i++) z[i * n + latent] = (gb_real)at(i);
  GB_TRY(gb_vae_decode(v, STEPS, z, NULL));
  gb_vae_output(v, false, (gb_pass){GB_PASS_FIXED, 0, false}, x);
  for (size_t i = 0; i < STEPS; i++) {
    field[i] = x + i * sites;
    title[i] = text[i];
    if (i)
      snprintf(text[i], sizeof text[i], "z = %g", at(i));
    else
      snprintf(text[i], sizeof text[i], "latent %zu: z = %g", latent + 1, at(i));
  }
  gb_figure_lattices(m->sim.dims.shape[0], STEPS, field, title, out);
  return GB_OK;
}

static gb_err fields(gb_trained *m, size_t n, const size_t *latent, gb_text *out)
{
  float *x = NULL;
  gb_real *z = NULL;
  gb_err e = gb_new(&x, STEPS * m->sim.dims.n);
  if (!e) e = gb_new(&z, STEPS * gb_vae_look(m->built.vae).latent);
  for (size_t k = 0; k < n && !e; k++) {
    gb_text_add(out, "<figure>");
    e = one_field_row(m, latent[k], x, z, out);
    gb_text_add(out, "</figure>\n");
  }
  gb_free(&x);
  gb_free(&z);
  return e;
}

/* --- grey-box VAEs */

typedef struct latents { /* [STEPS, ...] */
  size_t n_parameter, n_inside, n_after;
  gb_real *theta, *inside, *after;
} latents;

static gb_err make_latents(const gb_hybrid_view *v, latents *z)
{
  *z = (latents){v->n_parameter, v->n_inside, v->n_after, NULL, NULL, NULL};
  GB_TRY(gb_new(&z->theta, STEPS * z->n_parameter));
  GB_TRY(gb_new(&z->inside, STEPS * z->n_inside));
  return gb_new(&z->after, STEPS * z->n_after);
}

static void free_latents(latents *z)
{
  gb_free(&z->theta);
  gb_free(&z->inside);
  gb_free(&z->after);
}

/* All at the mean of the prior, but for one. */
static void place(const gb_trained *m, const gb_hybrid_view *v, size_t latent, latents *z)
{
  const gb_dims *d = &m->sim.dims;
  const double *low = d->least ? d->least : d->low, *high = d->most ? d->most : d->high;
  memset(z->inside, 0, STEPS * z->n_inside * sizeof *z->inside);
  memset(z->after, 0, STEPS * z->n_after * sizeof *z->after);
  for (size_t i = 0; i < STEPS; i++) {
    for (size_t j = 0; j < z->n_parameter; j++) {
      double t = j == latent ? at(i) * exp(v->prior_logvar[j] / 2) : 0;
      z->theta[i * z->n_parameter + j] = (gb_real)fmin(high[j], fmax(low[j], v->prior_mean[j] + t));
    }
    if (latent >= z->n_parameter && latent < z->n_parameter + z->n_inside)
      z->inside[i * z->n_inside + latent - z->n_parameter] = (gb_real)at(i);
    if (latent >= z->n_parameter + z->n_inside)
      z->after[i * z->n_after + latent - z->n_parameter - z->n_inside] = (gb_real)at(i);
  }
}

static gb_err decode(gb_trained *m, const float *x, size_t latent, latents *z, double *y)
{
  gb_hybrid *h = m->built.hybrid;
  gb_hybrid_view v = gb_hybrid_look(h);
  place(m, &v, latent, z);
  GB_TRY(gb_hybrid_decode(h, STEPS, x, z->theta, z->inside, z->after));
  v = gb_hybrid_look(h);
  for (size_t i = 0; i < STEPS * v.width; i++) y[i] = (double)v.decode[GB_DECODE_PAB][i];
  return GB_OK;
}

static void curves(const gb_trained *m, const double *y, gb_plot *s)
{
  const gb_dims *d = &m->sim.dims;
  int block[STEPS];
  for (size_t i = 0; i < STEPS; i++) {
    gb_text_add(&s->t, "$b%d << EOD\n", s->blocks);
    for (size_t k = 0; k < d->frames; k++)
      gb_text_add(&s->t, "%.6g %.6g\n", (double)k * d->frame_time, y[i * d->n + k * d->seen + d->seen / 2]);
    gb_text_add(&s->t, "EOD\n");
    block[i] = s->blocks++;
  }
  gb_plot_begin(s);
  for (size_t i = 0; i < STEPS; i++) {
    char title[32];
    snprintf(title, sizeof title, "z = %g", at(i));
    gb_plot_curve(s, block[i], "using 1:2 with lines lw 1.6", colour[i], title);
  }
  gb_plot_end(s);
}

/* A panel, or a row of tiles, for each latent. */
static gb_err draw_hybrid(gb_trained *m, size_t n, const size_t *latent, const float *x, latents *z, double *y,
                          gb_run *run, gb_text *out)
{
  const gb_dims *d = &m->sim.dims;
  bool image = m->sim.kind->image;
  size_t pixels = d->shape[0] * d->shape[1], columns = n < 3 ? n : 3, rows = (n + columns - 1) / columns, shown = 0;
  gb_plot s = {0};
  gb_tiles t = {0};
  gb_text names = {0}, name = {0};
  if (image) GB_TRY(gb_tiles_make(d, n, STEPS, &t));
  gb_text_add(&s.t, "%sset key noenhanced\nset xlabel 'time'\nset multiplot layout %zu,%zu\n", gb_plot_style(), rows,
              columns);
  gb_err e = GB_OK;
  for (size_t k = 0; k < n && !e; k++) {
    e = decode(m, x, latent[k], z, y);
    gb_latent_name(m, latent[k], &name);
    gb_text_add(&names, "%s%s%s", k ? ", " : "", name.s ? name.s : "",
                e == GB_ERR_NUMERIC ? " (its decode fails)" : "");
    if (e == GB_ERR_NUMERIC) {
      gb_err_clear();
      e = GB_OK;
      gb_text_free(&name);
      continue;
    }
    shown++;
    if (image)
      for (size_t i = 0; i < STEPS && !e; i++) gb_tiles_put(&t, k, i, d->n / pixels, y + i * d->n);
    else {
      gb_text_add(&s.t, "set title '%s' noenhanced\nset key %s\n", name.s ? name.s : "", shown > 1 ? "off" : "on");
      curves(m, y, &s);
    }
    gb_text_free(&name);
  }
  gb_text_add(&s.t, "unset multiplot\n");
  gb_text_add(out, "<figure>");
  if (!e && image) e = gb_tiles_draw(run, &t, out);
  if (!e && !image && shown) e = gb_plot_draw(&s, run, 1080, (int)rows * 300, out);
  gb_text_add(out, "<figcaption>%s: %s.</figcaption></figure>\n", image ? "Rows" : "Panels", names.s ? names.s : "");
  gb_free(&t.pixel);
  gb_text_free(&s.t);
  gb_text_free(&names);
  return e;
}

static gb_err hybrids(gb_trained *m, gb_dataset *data, size_t n, const size_t *latent, gb_run *run, gb_text *out)
{
  const size_t width = m->sim.dims.n;
  gb_hybrid_view v = gb_hybrid_look(m->built.hybrid);
  float *x = NULL;
  double *y = NULL;
  latents z = {0};
  uint64_t row[STEPS] = {0}; /* the first one, each time */
  gb_err e = make_latents(&v, &z);
  if (!e) e = gb_new(&x, STEPS * width);
  if (!e) e = gb_new(&y, STEPS * width);
  if (!e) e = gb_dataset_read(data, GB_TEST, STEPS, row, x);
  if (!e) e = draw_hybrid(m, n, latent, x, &z, y, run, out);
  free_latents(&z);
  gb_free(&x);
  gb_free(&y);
  return e;
}

gb_err gb_traverse(gb_trained *m, gb_dataset *data, const double *variance, gb_run *run, gb_text *out)
{
  size_t latent[MOST], most = MOST, fit = ARROWS / m->sim.dims.n;
  if (m->built.vae && fit < most) most = fit ? fit : 1;
  size_t n = choose(m->built.model.latents, variance, most, latent);
  if (!n) return GB_OK;
  GB_TRY(m->built.vae ? fields(m, n, latent, out) : hybrids(m, data, n, latent, run, out));
  return gb_text_done(out);
}
