/* sim/mc_dataset.c - the layout of dataset.h5 (docs/FILES.md lists it). */
#include <string.h>

#include "base/mem.h"
#include "io/angle16.h"
#include "sim/mc.h"

#define CHUNK_BYTES ((size_t)1 << 18) /* of configurations: a few hundred small lattices, or one large one */

gb_making gb_mc_making(const gb_mc *mc)
{
  return (gb_making){mc->c, mc->run, mc->cfg, mc->sim, mc->sections};
}

const gb_ensemble *gb_mc_ensemble(const gb_mc *mc)
{
  return mc->sim->kind->ensemble;
}

size_t gb_mc_chunk(const gb_sim *sim, const gb_chains_opts *o)
{
  size_t n = CHUNK_BYTES / (sim->dims.n * sizeof(float));
  if (n < 1) n = 1;
  return n < (size_t)o->samples ? n : (size_t)o->samples;
}

static uint64_t samples(const gb_mc *mc)
{
  return (uint64_t)mc->ch.opts.samples;
}

/* The shape of everything that is stored per sample: [T, chain, sample], then what the caller adds. */
static gb_h5_spec per_sample(const gb_mc *mc, const char *name, gb_h5_type type, const char *unit, const char *doc)
{
  return (gb_h5_spec){.name = name,
                      .type = type,
                      .ndim = 3,
                      .shape = {mc->ch.n_T, (uint64_t)mc->ch.opts.chains, samples(mc)},
                      .unit = unit,
                      .doc = doc,
                      .dims = {"/temperature", "/chain", "/sample"}};
}

static gb_h5_spec per_temperature(const gb_mc *mc, const char *name, gb_h5_type type, int columns, const char *unit,
                                  const char *doc)
{
  return (gb_h5_spec){.name = name,
                      .type = type,
                      .ndim = columns ? 2 : 1,
                      .shape = {mc->ch.n_T, (uint64_t)columns},
                      .unit = unit,
                      .doc = doc,
                      .dims = {"/temperature"}};
}

static gb_err add_axes(gb_mc *mc, gb_h5 *f)
{
  const gb_dims *d = &mc->sim->dims;
  gb_making m = gb_mc_making(mc);
  char name[64];
  gb_h5_spec temperature = per_temperature(mc, "/temperature", GB_H5_F64, 0, "energy", "Temperature, k_B = 1.");
  GB_TRY(gb_h5_add(f, &temperature));
  GB_TRY(gb_h5_write_all(f, "/temperature", d->temperature.v));
  GB_TRY(gb_making_axis(&m, f, "/chain", (uint64_t)mc->ch.opts.chains, "Number of the Markov chain."));
  GB_TRY(gb_making_axis(&m, f, "/sample", samples(mc), "Number of the stored sample in its chain."));
  for (int i = 0; i < d->ndim; i++) {
    snprintf(name, sizeof name, "/%s", d->axis[i]);
    GB_TRY(gb_making_axis(&m, f, name, d->shape[i], "Coordinate on the lattice."));
  }
  return GB_OK;
}

/* Names joined by commas, for a `columns` attribute. */
static gb_err note_columns(gb_h5 *f, const char *name, int n, const gb_var *v)
{
  gb_text t = {0};
  for (int i = 0; i < n; i++) gb_text_add(&t, "%s%s", i ? "," : "", v[i].name);
  gb_err e = gb_text_done(&t);
  if (!e) e = gb_h5_note(f, name, "columns", t.s);
  gb_text_free(&t);
  return e;
}

/* "metropolis=1 overrelaxation=2 wolff=0,..." */
static gb_err note_mixes(gb_mc *mc, gb_h5 *f)
{
  const gb_ensemble *en = gb_mc_ensemble(mc);
  const gb_dims *d = &mc->sim->dims;
  gb_text t = {0};
  for (size_t m = 0; m < d->n_mix; m++)
    for (int i = 0; i < en->n_setting; i++)
      gb_text_add(&t, "%s%s=%g",
                  i   ? " "
                  : m ? ","
                      : "",
                  en->setting[i].name, d->mix[m * (size_t)en->n_setting + (size_t)i]);
  gb_err e = gb_text_done(&t);
  if (!e) e = gb_h5_note(f, "/sampling/cost", "columns", t.s ? t.s : "");
  gb_text_free(&t);
  return e;
}

static gb_err add_results(gb_mc *mc, gb_h5 *f)
{
  const gb_ensemble *en = gb_mc_ensemble(mc);
  char name[128];
  for (int i = 0; i < en->n_summary; i++) {
    snprintf(name, sizeof name, "/summary/%s", en->summary[i].name);
    gb_h5_spec s = per_temperature(mc, name, GB_H5_F64, 2, en->summary[i].unit, en->summary[i].doc);
    GB_TRY(gb_h5_add(f, &s));
    GB_TRY(gb_h5_note(f, name, "columns", "mean,standard_error"));
  }
  gb_h5_spec tau =
      per_temperature(mc, "/summary/tau_int", GB_H5_F64, en->n_summary, "samples",
                      "Integrated autocorrelation time of the stored samples, per quantity (columns), of the "
                      "linearised function for derived ones; 0.5: independent; -1: chains too short to tell.");
  GB_TRY(gb_h5_add(f, &tau));
  GB_TRY(note_columns(f, "/summary/tau_int", en->n_summary, en->summary));
  gb_h5_spec sampling[] = {
      per_temperature(mc, "/sampling/stride", GB_H5_I64, 0, "steps",
                      "Monte Carlo steps between stored samples of a chain."),
      per_temperature(mc, "/sampling/thermalisation", GB_H5_I64, 0, "steps",
                      "Steps made and discarded before the first sample."),
      per_temperature(mc, "/sampling/tau_int", GB_H5_F64, en->n_track, "steps",
                      "Integrated autocorrelation times measured in the discarded pilot, plus one standard "
                      "error (columns). "
                      "The stride is generate.spacing times the largest."),
      per_temperature(mc, "/sampling/mix", GB_H5_F64, en->n_setting, "per step",
                      "What a step is made of (columns): chosen during burn-in, or given in the config."),
      per_temperature(mc, "/sampling/cost", GB_H5_F64, (int)mc->sim->dims.n_mix, "cycles/site",
                      "Tabulated processor cycles per site and independent sample (2 tau_int of the slowest tracked "
                      "quantity) of each mix that was tried (columns); -1: its tau_int was not settled; 0: no trial."),
      per_temperature(mc, "/sampling/hot_start", GB_H5_F64, 2, "1",
                      "Chains that started hot against those that started ordered: the largest difference of a tracked "
                      "mean in standard errors, and how many hot chains were trapped in a winding sector."),
      per_temperature(mc, "/sampling/quality", GB_H5_I64, 0, "1",
                      "0: good. Else a sum of 1: the first and second half of the chains differ; 2: hot and ordered "
                      "starts differ; 4: a stored chain is trapped in a winding sector; 8: stored samples are "
                      "correlated."),
  };
  for (size_t i = 0; i < sizeof sampling / sizeof *sampling; i++)
    if (en->n_setting || strcmp(sampling[i].name, "/sampling/mix")) GB_TRY(gb_h5_add(f, &sampling[i]));
  GB_TRY(note_columns(f, "/sampling/tau_int", en->n_track, en->track));
  if (en->n_setting) GB_TRY(note_columns(f, "/sampling/mix", en->n_setting, en->setting));
  GB_TRY(gb_h5_note(f, "/sampling/hot_start", "columns", "largest_z,trapped_chains"));
  return note_mixes(mc, f);
}

static gb_err add_samples(gb_mc *mc, gb_h5 *f, int deflate)
{
  const gb_dims *d = &mc->sim->dims;
  const gb_ensemble *en = gb_mc_ensemble(mc);
  char name[128], axes[GB_SAMPLE_NDIM][64];
  gb_h5_spec x = per_sample(mc, "/configurations", mc->stored, mc->stored == GB_H5_U16 ? GB_ANGLE16_UNIT : d->unit,
                            "Samples. Each has its own random global rotation, an exact symmetry of the model.");
  x.chunk[0] = x.chunk[1] = 1;
  x.chunk[2] = gb_mc_chunk(mc->sim, &mc->ch.opts);
  x.deflate = deflate;
  for (int i = 0; i < d->ndim; i++) {
    snprintf(axes[i], sizeof axes[i], "/%s", d->axis[i]);
    x.shape[x.ndim] = x.chunk[x.ndim] = d->shape[i];
    x.dims[x.ndim++] = axes[i];
  }
  if (mc->store) GB_TRY(gb_h5_add(f, &x));
  for (int i = 0; i < en->n_obs; i++) {
    snprintf(name, sizeof name, "/observables/%s", en->obs[i].name);
    gb_h5_spec s = per_sample(mc, name, GB_H5_F64, en->obs[i].unit, en->obs[i].doc);
    GB_TRY(gb_h5_add(f, &s));
  }
  gb_h5_spec check = per_sample(mc, "/checksum", GB_H5_U64, "1", "XXH3-64 of the little-endian bytes of each sample.");
  if (mc->store) GB_TRY(gb_h5_add(f, &check));
  gb_h5_spec split =
      per_sample(mc, "/split", GB_H5_U8, "1",
                 "0: training, 1: validation, 2: test. Whole chains, so that no test sample has a training "
                 "sample of its own chain beside it.");
  return gb_h5_add(f, &split);
}

static gb_err write_split(gb_mc *mc, gb_h5 *f)
{
  const gb_chains_opts *o = &mc->ch.opts;
  uint8_t *v;
  gb_err e = GB_OK;
  GB_TRY(gb_comm_agree(mc->c, gb_new(&v, samples(mc))));
  for (size_t u = 0; u < mc->ch.n_data && !e; u++) {
    int64_t chain = (int64_t)u % o->chains;
    uint8_t part = chain >= o->chains - o->test_chains                          ? 2
                   : chain >= o->chains - o->test_chains - o->validation_chains ? 1
                                                                                : 0;
    gb_h5_block b = {{u / (size_t)o->chains, (uint64_t)chain, 0}, {1, 1, samples(mc)}};
    memset(v, part, samples(mc));
    e = gb_h5_write(f, "/split", mc->c.rank == 0, &b, v);
  }
  gb_free(&v);
  return e;
}

gb_err gb_mc_make_part(gb_mc *mc, const char *name, int deflate, gb_h5 **out)
{
  gb_making m = gb_mc_making(mc);
  gb_err e = GB_OK;
  GB_TRY(gb_h5_create(mc->c, gb_run_path(mc->run, name), out));
  GB_GOTO(e, add_axes(mc, *out), failed);
  GB_GOTO(e, add_samples(mc, *out, deflate), failed);
  GB_GOTO(e, add_results(mc, *out), failed);
  GB_GOTO(e, gb_making_provenance(&m, *out), failed);
  GB_GOTO(e, write_split(mc, *out), failed);
  GB_GOTO(e, gb_h5_sync(*out), failed);
  return GB_OK;
failed:
  gb_h5_close(out, false);
  return e;
}

gb_err gb_mc_blocks(const gb_mc *mc, uint64_t first, uint64_t n, gb_h5_block **out)
{
  const gb_dims *d = &mc->sim->dims;
  GB_TRY(gb_new(out, mc->ch.data_mine));
  for (size_t k = 0; k < mc->ch.data_mine; k++) {
    size_t u = mc->ch.unit[k], chains = (size_t)mc->ch.opts.chains;
    (*out)[k] = (gb_h5_block){{u / chains, u % chains, first}, {1, 1, n}};
    for (int i = 0; i < d->ndim; i++) {
      (*out)[k].start[3 + i] = d->first[i];
      (*out)[k].count[3 + i] = d->count[i];
    }
  }
  return GB_OK;
}

size_t gb_mc_writes(const gb_mc *mc)
{
  return mc->ch.team.rank == 0 ? mc->ch.data_mine : 0;
}
