/* report/sweep_bound.c - the exact linear rate-distortion curve beside the trials of a sweep. */
#include <limits.h>
#include <math.h>
#include <unistd.h>

#include "base/mem.h"
#include "learn/experiment.h"
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
  gb_baseline_free(&b->of);
  snprintf(b->note, sizeof b->note, "The linear curve is not drawn: %s.", why);
  return GB_OK;
}

/* From errors to the distortion of VAEs of angles, where both are densities of the same numbers: those of the encoding
 * `angle` are the angles over pi, so densities differ by a factor; (cos, sin) are twice as many as angles. */
static gb_err as_nats(const gb_trials *t, const gb_vae_opts *o, gb_sweep_bound *b)
{
  size_t n = b->of.n_curves * b->of.n_level, width = b->of.of.n;
  if (!gb_is(o->encoding, "angle") || !gb_is(o->likelihood, "gaussian") || varies(t->design, "model.likelihood"))
    return GB_OK;
  GB_TRY(gb_new(&b->nats, n));
  for (size_t i = 0; i < n; i++) b->nats[i] = gb_sweep_distortion(width, b->of.error[i]) + (double)width * log(M_PI);
  return GB_OK;
}

static gb_err take(const gb_trials *t, const char *path, uint64_t data, gb_sweep_bound *b)
{
  gb_vae_opts o;
  GB_TRY(gb_baseline_read(path, data, &b->of));
  if (*b->of.note) return refuse(b, b->of.note);
  if (!t->physics->ensemble || !b->of.of.n) return GB_OK;
  gb_config_get(t->cfg, &gb_vae_schema, &o);
  if (!gb_baseline_fits(&b->of, &o) || varies(t->design, "model.encoding") || varies(t->design, "model.align"))
    return refuse(b, "model.encoding or model.align of the trials is not that of analysis.h5");
  return as_nats(t, &o, b);
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
  gb_baseline_free(&b->of);
  gb_free(&b->nats);
}

const double *gb_sweep_curve(const gb_sweep_report *r, gb_sweep_quantity q)
{
  bool squared = q == GB_SWEEP_ERROR || (q == GB_SWEEP_DISTORTION && !r->physics->ensemble);
  return squared ? r->bound.of.error : q == GB_SWEEP_DISTORTION ? r->bound.nats : NULL;
}
