/* report/sweep_bound.c - the exact linear rate-distortion curve beside the trials of a sweep. */
#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/h5.h"
#include "learn/experiment.h"
#include "report/analysis.h"
#include "report/sweep_report.h"

double gb_sweep_distortion(size_t n, double error)
{
  return 0.5 * (double)n * log(2 * M_PI * M_E * error / (double)n);
}

static bool varies(const gb_design *d, const char *key)
{
  for (size_t k = 0; k < d->n_axes; k++)
    if (gb_is(d->axis[k].key, key)) return true;
  return false;
}

static gb_err refuse(gb_sweep_bound *b, const char *why)
{
  snprintf(b->note, sizeof b->note, "The linear curve is not drawn: %s.", why);
  return GB_OK;
}

/* The attributes of analysis.h5 that say what its numbers are. */
static gb_err encoding_of(const char *path, gb_text *encoding, gb_text *align)
{
  gb_h5 *f = NULL;
  gb_err e = gb_h5_open(gb_comm_self(), path, &f);
  if (!e) e = gb_h5_get_note(f, "/", "encoding", encoding);
  if (!e) e = gb_h5_get_note(f, "/", "align", align);
  gb_h5_close(&f, false);
  return e;
}

/* Does a VAE of angles see the numbers that were analysed? */
static gb_err check_encoding(const gb_trials *t, const char *path, gb_sweep_bound *b, bool *fits)
{
  gb_vae_opts o;
  gb_text encoding = {0}, align = {0};
  gb_config_get(t->cfg, &gb_vae_schema, &o);
  gb_err e = encoding_of(path, &encoding, &align);
  *fits = !e && gb_is(encoding.s, o.encoding) && gb_is(align.s, o.align ? "true" : "false") &&
          !varies(t->design, "model.encoding") && !varies(t->design, "model.align");
  gb_text_free(&encoding);
  gb_text_free(&align);
  return e || *fits ? e : refuse(b, "model.encoding or model.align of the trials is not that of analysis.h5");
}

/* From errors to the distortion of VAEs of angles. Numbers of the encoding `angle` are the angles over pi, so densities
 * differ by a factor; (cos, sin) are twice as many as angles, and densities of one are none of the other. */
static void as_nats(const gb_trials *t, size_t width, gb_sweep_bound *b)
{
  gb_vae_opts o;
  gb_config_get(t->cfg, &gb_vae_schema, &o);
  bool angle = gb_is(o.encoding, "angle");
  b->same = angle && gb_is(o.likelihood, "gaussian") && !varies(t->design, "model.likelihood");
  for (size_t i = 0; i < b->n_curves * b->n_level; i++)
    b->distortion[i] = gb_sweep_distortion(width, b->distortion[i]) + (angle ? (double)width * log(M_PI) : 0);
  snprintf(
      b->note, sizeof b->note, "Its distortion is −ln p of the %s, with the best variance of the noise at each rate%s.",
      angle ? "angles" : "numbers (cos, sin)",
      b->same ? ""
              : "; the decoder of the trials is a density of other numbers, so only shapes can be compared: the curves "
                "are shifted to pass through the point of the least rate");
}

static gb_err copy_curves(const gb_analysis *a, gb_sweep_bound *b)
{
  size_t n = (1 + a->n_latent) * a->n_level;
  GB_TRY(gb_new(&b->latent, 1 + a->n_latent));
  GB_TRY(gb_new(&b->rate, n));
  GB_TRY(gb_new(&b->distortion, n));
  b->latent[0] = (double)a->pca.width;
  if (a->n_latent) memcpy(b->latent + 1, a->latent, a->n_latent * sizeof(double));
  if (n) memcpy(b->rate, a->rate, n * sizeof(double));
  if (n) memcpy(b->distortion, a->error, n * sizeof(double));
  b->n_curves = 1 + a->n_latent;
  b->n_level = a->n_level;
  return GB_OK;
}

static gb_err take(const gb_trials *t, const char *path, uint64_t data, gb_sweep_bound *b)
{
  gb_analysis a = {0};
  bool fits = true;
  gb_err e = gb_analysis_read(gb_comm_self(), path, &a);
  if (!e && a.data != data) {
    e = refuse(b, "analysis.h5 is that of another data set");
    fits = false;
  }
  if (!e && fits && t->physics->ensemble) e = check_encoding(t, path, b, &fits);
  if (!e && fits) e = copy_curves(&a, b);
  if (!e && fits && t->physics->ensemble) as_nats(t, a.pca.width, b);
  if (!e && fits && !t->physics->ensemble) {
    b->same = true;
    snprintf(b->note, sizeof b->note, "Its distortion is the squared error of a sample, as the term reconstruction.");
  }
  gb_analysis_free(&a);
  return e;
}

gb_err gb_sweep_bound_find(gb_comm c, const gb_trials *t, const gb_sim *sim, gb_run *run, gb_sweep_bound *out)
{
  char path[PATH_MAX], analysis[PATH_MAX];
  gb_dataset *data = NULL;
  gb_dataset_opts opts = gb_experiment_data(t->cfg, path);
  *out = (gb_sweep_bound){0};
  snprintf(analysis, sizeof analysis, "%s", gb_run_path(run, "analysis.h5"));
  if (!gb_comm_any(c, c.rank == 0 && access(analysis, F_OK) == 0)) return GB_OK;
  if (!gb_trial_shares_data(t)) return refuse(out, "the trials do not all learn from one data set");
  GB_TRY(gb_dataset_open(c, &opts, sim->dims.ndim, sim->dims.shape, &data));
  gb_err e = c.rank == 0 ? take(t, analysis, gb_dataset_fingerprint(data), out) : GB_OK;
  gb_dataset_close(&data);
  return gb_comm_agree(c, e);
}

void gb_sweep_bound_free(gb_sweep_bound *b)
{
  gb_free(&b->latent);
  gb_free(&b->rate);
  gb_free(&b->distortion);
  b->n_curves = b->n_level = 0;
}

/* The first curve at a rate; linear between its points, which rise in rate. */
static double at_rate(const gb_sweep_bound *b, double rate)
{
  size_t i = 1;
  while (i + 1 < b->n_level && b->rate[i] < rate) i++;
  double low = b->rate[i - 1], high = b->rate[i], part = high > low ? (rate - low) / (high - low) : 0;
  return b->distortion[i - 1] + fmin(fmax(part, 0), 1) * (b->distortion[i] - b->distortion[i - 1]);
}

void gb_sweep_bound_shift(gb_sweep_bound *b, size_t n, const gb_sweep_mean *rate, const gb_sweep_mean *distortion)
{
  size_t least = n;
  if (b->same || b->n_curves == 0 || b->n_level < 2) return;
  for (size_t i = 0; i < n; i++) {
    if (!isfinite(rate[i].mean) || !isfinite(distortion[i].mean)) continue;
    if (least == n || rate[i].mean < rate[least].mean) least = i;
  }
  if (least < n) b->shift = distortion[least].mean - at_rate(b, rate[least].mean);
}
