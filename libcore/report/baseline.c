/* report/baseline.c - from analysis.h5 to the error of linear codes. */
#include "report/baseline.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/h5.h"
#include "report/analysis.h"

/* An attribute of the file that says what its numbers are. */
static gb_err note_of(gb_h5 *f, const char *name, size_t most, char *out)
{
  gb_text t = {0};
  gb_err e = gb_h5_get_note(f, "/", name, &t);
  if (!e) snprintf(out, most, "%s", t.n ? t.s : "");
  gb_text_free(&t);
  return e;
}

static gb_err read_notes(const char *path, gb_baseline *b)
{
  gb_h5 *f = NULL;
  gb_err e = gb_h5_open(gb_comm_self(), path, &f);
  if (!e) e = note_of(f, "split", sizeof b->split, b->split);
  if (!e) e = note_of(f, "encoding", sizeof b->encoding, b->encoding);
  if (!e) e = note_of(f, "align", sizeof b->align, b->align);
  gb_h5_close(&f, false);
  return e;
}

static gb_err copy(const gb_analysis *a, gb_baseline *b)
{
  size_t n = (1 + a->n_latent) * a->n_level;
  GB_TRY(gb_new(&b->lam, a->pca.width));
  GB_TRY(gb_new(&b->latent, 1 + a->n_latent));
  GB_TRY(gb_new(&b->rate, n));
  GB_TRY(gb_new(&b->error, n));
  memcpy(b->lam, a->pca.lam, a->pca.width * sizeof *b->lam);
  b->of = (gb_spectrum){a->pca.width, b->lam};
  b->latent[0] = (double)a->pca.width;
  if (a->n_latent) memcpy(b->latent + 1, a->latent, a->n_latent * sizeof *b->latent);
  if (n) memcpy(b->rate, a->rate, n * sizeof *b->rate);
  if (n) memcpy(b->error, a->error, n * sizeof *b->error);
  b->n_curves = 1 + a->n_latent;
  b->n_level = a->n_level;
  return GB_OK;
}

gb_err gb_baseline_read(const char *path, uint64_t data, gb_baseline *out)
{
  gb_analysis a = {0};
  *out = (gb_baseline){0};
  if (access(path, F_OK)) return GB_OK;
  gb_err e = gb_analysis_read(gb_comm_self(), path, &a);
  if (!e) e = read_notes(path, out);
  if (!e && a.data == data)
    e = copy(&a, out);
  else if (!e)
    snprintf(out->note, sizeof out->note, "analysis.h5 is that of another data set");
  gb_analysis_free(&a);
  return e;
}

void gb_baseline_free(gb_baseline *b)
{
  gb_free(&b->lam);
  gb_free(&b->latent);
  gb_free(&b->rate);
  gb_free(&b->error);
  b->of = (gb_spectrum){0};
  b->n_curves = b->n_level = 0;
}

bool gb_baseline_fits(const gb_baseline *b, const gb_vae_opts *o)
{
  return gb_is(b->encoding, o->encoding) && gb_is(b->align, o->align ? "true" : "false");
}

double gb_baseline_gain(const gb_baseline *b, size_t latents, double rate, double error)
{
  if (!b->of.n || latents > b->of.n || !isfinite(rate) || !(error > 0)) return NAN;
  return gb_linear_error_at(b->of, latents, rate) / error;
}
