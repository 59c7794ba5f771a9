/* sim/generate.c - the files of a Monte Carlo run.
 *
 * Notes
 * dataset.h5 grows as dataset.h5.part. All its datasets are made, with their space, before the first sample
 * is drawn; from then on only numbers are written into it. A kill can therefore lose numbers, never the file.
 * The state (generate.state.h5: spins, strides, how many samples are in the part) is written aside and
 * renamed after the part was synced. A continued run draws the samples after the saved count again: the same
 * numbers, at the same places. With compression the part is dataset.raw.h5.part and a last pass copies it
 * into dataset.h5: compressed chunks move when they are rewritten, so they cannot be filled bit by bit. */
#include "sim/generate.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "io/h5.h"
#include "sim/chains.h"
#include "sim/series.h"

#define CHUNK_BYTES ((size_t)1 << 18)   /* of configurations: a few hundred small lattices, or one large one \
                                         */
#define BUFFER_BYTES  ((size_t)1 << 25) /* of configurations per rank and round */
#define ROUND_SECONDS 2.0               /* a wish to stop waits for the end of a round */

static const char STATE[] = "generate.state.h5", DATA[] = "dataset.h5", RAW[] = "dataset.raw.h5";

typedef struct job {
  gb_comm c;
  gb_run *run;
  const gb_config *cfg;
  const gb_sim *sim;
  const gb_schema *const *sections;
  gb_chains ch;
  int64_t samples_done; /* of every chain, in the part; -1: the part is not made yet */
  gb_h5 *data;
  double saved_at;
  float *x;       /* [n_mine, room, sites] one round */
  double *obs;    /* [n_mine, n_obs, room] */
  uint64_t *hash; /* [n_mine, room] */
  size_t room;
} job;

static const gb_ensemble *ensemble(const job *j)
{
  return j->sim->kind->ensemble;
}

static uint64_t samples(const job *j)
{
  return (uint64_t)j->ch.opts.samples;
}

static size_t chunk_samples(const gb_sim *sim, const gb_chains_opts *o)
{
  size_t n = CHUNK_BYTES / (sim->dims.n * sizeof(float));
  if (n < 1) n = 1;
  return n < (size_t)o->samples ? n : (size_t)o->samples;
}

static const char *work_name(const job *j)
{
  return j->ch.opts.deflate ? RAW : DATA;
}

/* The shape of everything that is stored per sample: [T, chain, sample], then what the caller adds. */
static gb_h5_spec per_sample(const job *j, const char *name, gb_h5_type type, const char *unit,
                             const char *doc)
{
  return (gb_h5_spec){.name = name,
                      .type = type,
                      .ndim = 3,
                      .shape = {j->ch.n_T, (uint64_t)j->ch.opts.chains, samples(j)},
                      .unit = unit,
                      .doc = doc,
                      .dims = {"/temperature", "/chain", "/sample"}};
}

static gb_h5_spec per_temperature(const job *j, const char *name, gb_h5_type type, int columns,
                                  const char *unit, const char *doc)
{
  return (gb_h5_spec){.name = name,
                      .type = type,
                      .ndim = columns ? 2 : 1,
                      .shape = {j->ch.n_T, (uint64_t)columns},
                      .unit = unit,
                      .doc = doc,
                      .dims = {"/temperature"}};
}

static gb_err add_axes(job *j, gb_h5 *f)
{
  const gb_dims *d = &j->sim->dims;
  struct {
    const char *name, *doc;
    uint64_t n;
  } axis[2 + GB_SAMPLE_NDIM] = {{"/chain", "Number of the Markov chain.", (uint64_t)j->ch.opts.chains},
                                {"/sample", "Number of the stored sample in its chain.", samples(j)}};
  char names[GB_SAMPLE_NDIM][64];
  gb_h5_spec temperature =
      per_temperature(j, "/temperature", GB_H5_F64, 0, "energy", "Temperature, k_B = 1.");
  GB_TRY(gb_h5_add(f, &temperature));
  GB_TRY(gb_h5_write_all(f, "/temperature", d->temperature.v));
  for (int i = 0; i < d->ndim; i++) {
    snprintf(names[i], sizeof names[i], "/%s", d->axis[i]);
    axis[2 + i].name = names[i];
    axis[2 + i].doc = "Coordinate on the lattice.";
    axis[2 + i].n = d->shape[i];
  }
  for (int i = 0; i < 2 + d->ndim; i++) {
    gb_h5_spec s = {.name = axis[i].name,
                    .type = GB_H5_I64,
                    .ndim = 1,
                    .shape = {axis[i].n},
                    .unit = "1",
                    .doc = axis[i].doc,
                    .dims = {axis[i].name}};
    int64_t *v;
    GB_TRY(gb_h5_add(f, &s));
    GB_TRY(gb_comm_agree(j->c, gb_new(&v, axis[i].n)));
    for (uint64_t k = 0; k < axis[i].n; k++) v[k] = (int64_t)k;
    gb_err e = gb_h5_write_all(f, axis[i].name, v);
    gb_free(&v);
    GB_TRY(e);
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

static gb_err add_results(job *j, gb_h5 *f)
{
  const gb_ensemble *en = ensemble(j);
  char name[128];
  for (int i = 0; i < en->n_summary; i++) {
    snprintf(name, sizeof name, "/summary/%s", en->summary[i].name);
    gb_h5_spec s = per_temperature(j, name, GB_H5_F64, 2, en->summary[i].unit, en->summary[i].doc);
    GB_TRY(gb_h5_add(f, &s));
    GB_TRY(gb_h5_note(f, name, "columns", "mean,standard_error"));
  }
  gb_h5_spec tau = per_temperature(
      j, "/summary/tau_int", GB_H5_F64, en->n_summary, "samples",
      "Integrated autocorrelation time of the stored samples, per quantity (columns), of the "
      "linearised function for derived ones; 0.5: independent; -1: chains too short to tell.");
  GB_TRY(gb_h5_add(f, &tau));
  GB_TRY(note_columns(f, "/summary/tau_int", en->n_summary, en->summary));
  gb_h5_spec sampling[] = {
      per_temperature(j, "/sampling/stride", GB_H5_I64, 0, "steps",
                      "Monte Carlo steps between stored samples of a chain."),
      per_temperature(j, "/sampling/thermalisation", GB_H5_I64, 0, "steps",
                      "Steps made and discarded before the first sample."),
      per_temperature(j, "/sampling/tau_int", GB_H5_F64, en->n_track, "steps",
                      "Integrated autocorrelation times measured in the discarded pilot, plus one standard "
                      "error (columns). "
                      "The stride is generate.spacing times the largest."),
  };
  for (size_t i = 0; i < sizeof sampling / sizeof *sampling; i++) GB_TRY(gb_h5_add(f, &sampling[i]));
  return note_columns(f, "/sampling/tau_int", en->n_track, en->track);
}

static gb_err add_samples(job *j, gb_h5 *f, int deflate)
{
  const gb_dims *d = &j->sim->dims;
  const gb_ensemble *en = ensemble(j);
  char name[128], axes[GB_SAMPLE_NDIM][64];
  gb_h5_spec x =
      per_sample(j, "/configurations", GB_H5_F32, d->unit,
                 "Samples. Each has its own random global rotation, an exact symmetry of the model.");
  x.chunk[0] = x.chunk[1] = 1;
  x.chunk[2] = chunk_samples(j->sim, &j->ch.opts);
  x.deflate = deflate;
  for (int i = 0; i < d->ndim; i++) {
    snprintf(axes[i], sizeof axes[i], "/%s", d->axis[i]);
    x.shape[x.ndim] = x.chunk[x.ndim] = d->shape[i];
    x.dims[x.ndim++] = axes[i];
  }
  GB_TRY(gb_h5_add(f, &x));
  for (int i = 0; i < en->n_obs; i++) {
    snprintf(name, sizeof name, "/observables/%s", en->obs[i].name);
    gb_h5_spec s = per_sample(j, name, GB_H5_F64, en->obs[i].unit, en->obs[i].doc);
    GB_TRY(gb_h5_add(f, &s));
  }
  gb_h5_spec check =
      per_sample(j, "/checksum", GB_H5_U64, "1", "XXH3-64 of the little-endian bytes of each sample.");
  GB_TRY(gb_h5_add(f, &check));
  gb_h5_spec split =
      per_sample(j, "/split", GB_H5_U8, "1",
                 "0: training, 1: validation, 2: test. Whole chains, so that no test sample has a training "
                 "sample of its own chain beside it.");
  return gb_h5_add(f, &split);
}

static gb_err add_provenance(job *j, gb_h5 *f)
{
  gb_text config = {0}, build = {0};
  char ranks[16];
  gb_config_print_fixed(j->cfg, j->sections, &config);
  gb_run_build(&build);
  snprintf(ranks, sizeof ranks, "%d", j->c.size);
  gb_err e = gb_text_done(&config);
  if (!e) e = gb_text_done(&build);
  e = gb_comm_agree(j->c, e);
  if (!e)
    e = gb_h5_put_text(f, "/provenance/config", config.s,
                       "All keys that determine the data, YAML; the seed is run.seed.");
  if (!e) e = gb_h5_put_text(f, "/provenance/build", build.s, "Commit, compiler and libraries.");
  if (!e)
    e = gb_h5_note(f, "/provenance", "ranks",
                   ranks); /* an attribute: no data set knows the number of ranks */
  if (!e) e = gb_h5_note(f, "/", "title", j->sim->kind->doc);
  if (!e) e = gb_h5_note(f, "/", "physics", j->sim->kind->name);
  if (!e) e = gb_h5_note(f, "/", "source", j->sim->kind->source);
  gb_text_free(&config);
  gb_text_free(&build);
  return e;
}

static gb_err write_split(job *j, gb_h5 *f)
{
  const gb_chains_opts *o = &j->ch.opts;
  uint8_t *v;
  gb_err e = GB_OK;
  GB_TRY(gb_comm_agree(j->c, gb_new(&v, samples(j))));
  for (size_t u = 0; u < j->ch.n_units && !e; u++) {
    int64_t chain = (int64_t)u % o->chains;
    uint8_t part = chain >= o->chains - o->test_chains                          ? 2
                   : chain >= o->chains - o->test_chains - o->validation_chains ? 1
                                                                                : 0;
    gb_h5_block b = {{u / (size_t)o->chains, (uint64_t)chain, 0}, {1, 1, samples(j)}};
    memset(v, part, samples(j));
    e = gb_h5_write(f, "/split", j->c.rank == 0, &b, v);
  }
  gb_free(&v);
  return e;
}

static gb_err make_part(job *j, const char *name, int deflate, gb_h5 **out)
{
  gb_err e = GB_OK;
  GB_TRY(gb_h5_create(j->c, gb_run_path(j->run, name), out));
  GB_GOTO(e, add_axes(j, *out), failed);
  GB_GOTO(e, add_samples(j, *out, deflate), failed);
  GB_GOTO(e, add_results(j, *out), failed);
  GB_GOTO(e, add_provenance(j, *out), failed);
  GB_GOTO(e, write_split(j, *out), failed);
  GB_GOTO(e, gb_h5_sync(*out), failed);
  return GB_OK;
failed:
  gb_h5_close(out, false);
  return e;
}

/* My units as blocks of a per-sample dataset, samples [first, first + n). */
static gb_err my_blocks(const job *j, uint64_t first, uint64_t n, gb_h5_block **out)
{
  const gb_dims *d = &j->sim->dims;
  GB_TRY(gb_new(out, j->ch.n_mine));
  for (size_t k = 0; k < j->ch.n_mine; k++) {
    size_t u = gb_chains_unit(&j->ch, k), chains = (size_t)j->ch.opts.chains;
    (*out)[k] = (gb_h5_block){{u / chains, u % chains, first}, {1, 1, n}};
    for (int i = 0; i < d->ndim; i++) (*out)[k].count[3 + i] = d->shape[i];
  }
  return GB_OK;
}

/* state: one row per unit, so that any number of ranks reads it back. */
enum { VERSION = 1 };
typedef enum number { FORMAT, STAGE, STAGE_DONE, SAMPLES_DONE, N_NUMBERS } number;

static gb_err add_state(job *j, gb_h5 *f, size_t series)
{
  gb_h5_spec spec[] = {
      {"/numbers",
       GB_H5_I64,
       1,
       {N_NUMBERS},
       {0},
       0,
       "1",
       "Format, stage, steps done of it, samples done.",
       {0}},
      {"/steps",
       GB_H5_I64,
       1,
       {j->ch.n_T},
       {0},
       0,
       "steps",
       "Steps made by each chain of a temperature.",
       {0}},
      {"/stride",
       GB_H5_I64,
       1,
       {j->ch.n_T},
       {0},
       0,
       "steps",
       "Steps between samples; 0: not yet known.",
       {0}},
      {"/tau_int",
       GB_H5_F64,
       2,
       {j->ch.n_T, (uint64_t)ensemble(j)->n_track},
       {0},
       0,
       "steps",
       "From the last pilot.",
       {0}},
      {"/state",
       GB_H5_F64,
       2,
       {j->ch.n_units, j->sim->dims.n_state},
       {0},
       0,
       "1",
       "State of each chain.",
       {0}},
      {"/checksum", GB_H5_U64, 1, {j->ch.n_units}, {0}, 0, "1", "XXH3-64 of each row of /state.", {0}},
      {"/series", GB_H5_F64, 2, {j->ch.n_units, series}, {0}, 0, "1", "The present pilot.", {0}},
  };
  for (size_t i = 0; i < sizeof spec / sizeof *spec - (series == 0); i++) GB_TRY(gb_h5_add(f, &spec[i]));
  return GB_OK;
}

static gb_err write_state(job *j, gb_h5 *f, size_t series, const gb_h5_block *row, const uint64_t *hash)
{
  int64_t numbers[N_NUMBERS] = {VERSION, j->ch.stage, j->ch.stage_done, j->samples_done};
  gb_text config = {0};
  gb_config_print_fixed(j->cfg, j->sections, &config);
  gb_err e = gb_comm_agree(j->c, gb_text_done(&config));
  if (!e) e = gb_h5_put_text(f, "/config", config.s, "Resolved config.");
  gb_text_free(&config);
  GB_TRY(e);
  GB_TRY(gb_h5_write_all(f, "/numbers", numbers));
  GB_TRY(gb_h5_write_all(f, "/steps", j->ch.steps));
  GB_TRY(gb_h5_write_all(f, "/stride", j->ch.stride));
  GB_TRY(gb_h5_write_all(f, "/tau_int", j->ch.tau));
  GB_TRY(gb_h5_write(f, "/state", j->ch.n_mine, row, j->ch.state));
  GB_TRY(gb_h5_write(f, "/checksum", j->ch.n_mine, row + j->ch.n_mine, hash));
  if (series) GB_TRY(gb_h5_write(f, "/series", j->ch.n_mine, row + 2 * j->ch.n_mine, j->ch.series));
  return GB_OK;
}

static gb_err save(job *j)
{
  size_t n = j->ch.n_mine, series = (size_t)ensemble(j)->n_track * j->ch.series_room,
         n_state = j->sim->dims.n_state;
  gb_h5 *f = NULL;
  gb_h5_block *row = NULL; /* of /state, then /checksum, then /series */
  uint64_t *hash = NULL;
  gb_err e = GB_OK;
  if (j->data) GB_TRY(gb_h5_sync(j->data));
  GB_GOTO(e, gb_new(&row, 3 * n), ready);
  GB_GOTO(e, gb_new(&hash, n), ready);
  for (size_t k = 0; k < n; k++) {
    uint64_t u = gb_chains_unit(&j->ch, k);
    row[k] = (gb_h5_block){{u, 0}, {1, n_state}};
    row[n + k] = (gb_h5_block){{u}, {1}};
    row[2 * n + k] = (gb_h5_block){{u, 0}, {1, series}};
    hash[k] = gb_hash64(j->ch.state + k * n_state, n_state * sizeof(double));
  }
ready:
  e = gb_comm_agree(j->c, e);
  if (!e) e = gb_h5_create(j->c, gb_run_path(j->run, STATE), &f);
  if (!e) e = add_state(j, f, series);
  if (!e) e = write_state(j, f, series, row, hash);
  if (f) {
    gb_err closed = gb_h5_close(&f, !e);
    if (!e) e = closed;
  }
  gb_free(&row);
  gb_free(&hash);
  j->saved_at = gb_clock_now();
  return e;
}

static gb_err read_rows(job *j, gb_h5 *f)
{
  size_t series = (size_t)ensemble(j)->n_track * j->ch.series_room, n_state = j->sim->dims.n_state;
  for (size_t k = 0; k < j->ch.n_mine; k++) {
    uint64_t u = gb_chains_unit(&j->ch, k), hash;
    gb_h5_block state = {{u, 0}, {1, n_state}}, check = {{u}, {1}}, pilot = {{u, 0}, {1, series}};
    double *mine = j->ch.state + k * n_state;
    GB_TRY(gb_h5_read(f, "/state", GB_H5_F64, &state, mine));
    GB_TRY(gb_h5_read(f, "/checksum", GB_H5_U64, &check, &hash));
    GB_CHECK(hash == gb_hash64(mine, n_state * sizeof(double)), GB_ERR_IO,
             "%s: the state of chain %llu does not match its checksum: the file is damaged. Remove it to "
             "start the run again.",
             gb_run_path(j->run, STATE), (unsigned long long)u);
    if (series) GB_TRY(gb_h5_read(f, "/series", GB_H5_F64, &pilot, j->ch.series + k * series));
  }
  return GB_OK;
}

static gb_err match(job *j, gb_h5 *f, const char *name, const char *path)
{
  char *then = NULL;
  gb_err e = gb_h5_get_text(f, name, &then);
  if (!e) e = gb_config_match(j->cfg, then, path, j->sections);
  gb_free(&then);
  return e;
}

static gb_err load(job *j)
{
  const char *path = gb_run_path(j->run, STATE);
  gb_h5 *f = NULL;
  int64_t numbers[N_NUMBERS] = {0};
  gb_err e = GB_OK;
  GB_TRY(gb_h5_open(j->c, path, &f));
  GB_GOTO(e, match(j, f, "/config", path), done);
  GB_GOTO(e, gb_h5_read_all(f, "/numbers", GB_H5_I64, N_NUMBERS, numbers), done);
  if (numbers[FORMAT] != VERSION) {
    e = GB_FAIL(GB_ERR_IO,
                "%s: was written in format %lld, this program reads %d. Finish the run with the program that "
                "began it.",
                path, (long long)numbers[FORMAT], VERSION);
    goto done;
  }
  GB_GOTO(e, gb_h5_read_all(f, "/steps", GB_H5_I64, j->ch.n_T, j->ch.steps), done);
  GB_GOTO(e, gb_h5_read_all(f, "/stride", GB_H5_I64, j->ch.n_T, j->ch.stride), done);
  GB_GOTO(e, gb_h5_read_all(f, "/tau_int", GB_H5_F64, j->ch.n_T * (size_t)ensemble(j)->n_track, j->ch.tau),
          done);
done:
  e = gb_comm_agree(j->c, e);
  if (!e) e = gb_chains_enter_stage(&j->ch, numbers[STAGE], numbers[STAGE_DONE]);
  if (!e) e = gb_comm_agree(j->c, read_rows(j, f));
  j->samples_done = numbers[SAMPLES_DONE];
  gb_err closed = gb_h5_close(&f, false);
  return e ? e : closed;
}

/* End of a piece of work: save if it is time or if someone asked to stop. */
static gb_err pause_point(job *j)
{
  double now = gb_clock_now();
  struct {
    bool stop, save;
  } mine = {gb_run_stop_wanted(j->run), now - j->saved_at >= j->ch.opts.save_seconds};
  double agreed[2] = {mine.stop, j->c.rank == 0 && mine.save};
  gb_comm_max(j->c, agreed, 2);
  if (agreed[0] > 0 || agreed[1] > 0) GB_TRY(save(j));
  if (!(agreed[0] > 0)) return GB_OK;
  gb_run_stop_done(j->run);
  gb_err e = GB_FAIL(GB_STOPPED, "stopped on request; everything is saved in %s", gb_run_get(j->run)->dir);
  gb_err_set_common();
  return e;
}

/* A number that only rank 0 may choose, because it looks at the clock. */
static int64_t chosen_by_root(gb_comm c, int64_t mine)
{
  gb_comm_bcast(c, &mine, sizeof mine);
  return mine;
}

static gb_err equilibrate(job *j)
{
  int64_t slice = 16;
  while (!gb_chains_ready(&j->ch)) {
    double begin = gb_clock_now();
    char what[64];
    size_t waiting = 0;
    for (size_t t = 0; t < j->ch.n_T; t++) waiting += j->ch.stride[t] == 0;
    snprintf(what, sizeof what, "%zu of %zu temperatures not ready", waiting, j->ch.n_T);
    GB_TRY(gb_chains_advance(&j->ch, slice));
    gb_run_progress(j->run, j->ch.stage ? "pilot" : "burn-in", (double)j->ch.stage_done,
                    (double)gb_chains_stage_steps(&j->ch), "steps", what);
    double seconds = gb_clock_now() - begin;
    if (seconds < ROUND_SECONDS / 2) slice = slice * 2 < 1 << 20 ? slice * 2 : slice;
    if (seconds > ROUND_SECONDS && slice > 1) slice /= 2;
    slice = chosen_by_root(j->c, slice);
    GB_TRY(pause_point(j));
  }
  return GB_OK;
}

static gb_err make_room(job *j)
{
  size_t sites = j->sim->dims.n,
         most = j->ch.n_mine + 1; /* + 1: the same on all ranks, give or take one unit */
  j->room = BUFFER_BYTES / (most * sites * sizeof(float));
  if (j->room < 1) j->room = 1;
  if (j->room > samples(j)) j->room = samples(j);
  j->room = (size_t)chosen_by_root(j->c, (int64_t)j->room);
  gb_err e = gb_new(&j->x, j->ch.n_mine * j->room * sites);
  if (!e) e = gb_new(&j->obs, j->ch.n_mine * j->room * (size_t)ensemble(j)->n_obs);
  if (!e) e = gb_new(&j->hash, j->ch.n_mine * j->room);
  return gb_comm_agree(j->c, e);
}

static void draw_round(job *j, size_t n)
{
  size_t sites = j->sim->dims.n, n_obs = (size_t)ensemble(j)->n_obs, mine = j->ch.n_mine;
  uint64_t first = (uint64_t)j->samples_done;
  for (size_t k = 0; k < mine; k++) {
    float *x = j->x + k * n * sites;
    gb_chains_draw(&j->ch, k, first, n, x, j->obs + k * n_obs * n);
    for (size_t i = 0; i < n; i++) j->hash[k * n + i] = gb_hash64(x + i * sites, sites * sizeof *x);
    double done = ((double)first + (double)n * (double)(k + 1) / (double)mine) * (double)j->ch.n_units;
    if (k + 1 < mine)
      gb_run_progress(j->run, "sampling", done, (double)samples(j) * (double)j->ch.n_units, "configurations",
                      NULL);
  }
}

/* The column of one observable, gathered from the units' [n_obs, n] tables; reuses the front of `out`. */
static void gather(const job *j, int which, size_t n, double *out)
{
  size_t n_obs = (size_t)ensemble(j)->n_obs;
  for (size_t k = 0; k < j->ch.n_mine; k++)
    memcpy(out + k * n, j->obs + (k * n_obs + (size_t)which) * n, n * sizeof *out);
}

static gb_err write_round(job *j, size_t n)
{
  char name[128];
  gb_h5_block *block = NULL;
  double *column = NULL;
  gb_err e = my_blocks(j, (uint64_t)j->samples_done, n, &block);
  if (!e) e = gb_new(&column, j->ch.n_mine * n);
  e = gb_comm_agree(j->c, e);
  if (!e) e = gb_h5_write(j->data, "/configurations", j->ch.n_mine, block, j->x);
  if (!e) e = gb_h5_write(j->data, "/checksum", j->ch.n_mine, block, j->hash);
  for (int i = 0; i < ensemble(j)->n_obs && !e; i++) {
    snprintf(name, sizeof name, "/observables/%s", ensemble(j)->obs[i].name);
    gather(j, i, n, column);
    e = gb_h5_write(j->data, name, j->ch.n_mine, block, column);
  }
  gb_free(&column);
  gb_free(&block);
  return e;
}

/* Samples of the next round, from how long the last one took. */
static size_t next_round(const job *j, size_t last, double seconds)
{
  size_t chunk = chunk_samples(j->sim, &j->ch.opts);
  double n = (double)last * fmin(4, ROUND_SECONDS / fmax(seconds, 1e-3));
  size_t next = n < 1 ? 1 : (size_t)fmin(n, (double)j->room);
  return next > chunk ? next / chunk * chunk : next; /* whole chunks are written once */
}

static gb_err draw(job *j)
{
  size_t round = chunk_samples(j->sim, &j->ch.opts);
  GB_TRY(make_room(j));
  if (round > j->room) round = j->room;
  while (j->samples_done < j->ch.opts.samples) {
    double begin = gb_clock_now();
    size_t left = (size_t)(j->ch.opts.samples - j->samples_done), n = round < left ? round : left;
    draw_round(j, n);
    GB_TRY(write_round(j, n));
    j->samples_done += (int64_t)n;
    gb_run_progress(j->run, "sampling", (double)j->samples_done * (double)j->ch.n_units,
                    (double)samples(j) * (double)j->ch.n_units, "configurations", NULL);
    round = (size_t)chosen_by_root(j->c, (int64_t)next_round(j, round, gb_clock_now() - begin));
    if (j->samples_done < j->ch.opts.samples) GB_TRY(pause_point(j));
  }
  return save(j);
}

typedef struct at_temperature {
  const job *j;
  double T;
} at_temperature;

static void summary_of(const void *ctx, const double *moment, double *out)
{
  const at_temperature *a = ctx;
  ensemble(a->j)->summarize(a->j->sim->self, a->T, moment, out);
}

/* Results of one temperature: value and error of every summary quantity [n_summary, 2], and tau_int
 * [n_summary]. */
static gb_err summarize(job *j, size_t t, double *value, double *tau)
{
  enum { MOST = 32 };
  const gb_ensemble *en = ensemble(j);
  size_t chains = (size_t)j->ch.opts.chains, n = samples(j), all = chains * n;
  size_t n_obs = (size_t)en->n_obs, n_moment = (size_t)en->n_moment, n_summary = (size_t)en->n_summary;
  at_temperature at = {j, j->sim->dims.temperature.v[t]};
  gb_function f = {summary_of, &at, n_moment, n_summary};
  double *column = NULL, *moment = NULL, obs[MOST], mean[MOST], error[MOST];
  char name[128];
  gb_err e = GB_OK;
  GB_ASSERT(n_obs <= MOST && n_summary <= MOST);
  GB_GOTO(e, gb_new(&column, n_obs * all), done);
  GB_GOTO(e, gb_new(&moment, n_moment * all), done);
  for (size_t q = 0; q < n_obs; q++) {
    gb_h5_block b = {{t, 0, 0}, {1, chains, n}};
    snprintf(name, sizeof name, "/observables/%s", en->obs[q].name);
    GB_GOTO(e, gb_h5_read(j->data, name, GB_H5_F64, &b, column + q * all), done);
  }
  for (size_t i = 0; i < all; i++) {
    for (size_t q = 0; q < n_obs; q++) obs[q] = column[q * all + i];
    en->moments(j->sim->self, obs, moment + i * n_moment);
  }
  GB_GOTO(e, gb_series_jackknife(chains, n, moment, f, mean, error), done);
  GB_GOTO(e, gb_series_function_tau(chains, n, moment, f, tau), done);
  for (size_t q = 0; q < n_summary; q++) {
    value[2 * q] = mean[q];
    value[2 * q + 1] = error[q];
  }
done:
  gb_free(&column);
  gb_free(&moment);
  return e;
}

static gb_err write_results(job *j, const double *value, const double *tau)
{
  const gb_ensemble *en = ensemble(j);
  size_t n_summary = (size_t)en->n_summary;
  char name[128];
  double *pair;
  GB_TRY(gb_comm_agree(j->c, gb_new(&pair, 2 * j->ch.n_T)));
  gb_err e = GB_OK;
  for (size_t q = 0; q < n_summary && !e; q++) {
    for (size_t t = 0; t < j->ch.n_T; t++)
      memcpy(pair + 2 * t, value + 2 * (t * n_summary + q), 2 * sizeof *pair);
    snprintf(name, sizeof name, "/summary/%s", en->summary[q].name);
    e = gb_h5_write_all(j->data, name, pair);
  }
  gb_free(&pair);
  GB_TRY(e);
  GB_TRY(gb_h5_write_all(j->data, "/summary/tau_int", tau));
  GB_TRY(gb_h5_write_all(j->data, "/sampling/stride", j->ch.stride));
  GB_TRY(gb_h5_write_all(j->data, "/sampling/thermalisation", j->ch.steps));
  return gb_h5_write_all(j->data, "/sampling/tau_int", j->ch.tau);
}

/* Each temperature is summarised by one rank, from the file. */
static gb_err finish_results(job *j)
{
  size_t n_summary = (size_t)ensemble(j)->n_summary;
  double *value = NULL, *tau = NULL;
  gb_err e = gb_new(&value, 2 * n_summary * j->ch.n_T);
  if (!e) e = gb_new(&tau, n_summary * j->ch.n_T);
  for (size_t t = (size_t)j->c.rank; t < j->ch.n_T && !e; t += (size_t)j->c.size)
    e = summarize(j, t, value + 2 * n_summary * t, tau + n_summary * t);
  e = gb_comm_agree(j->c, e);
  if (!e) {
    gb_comm_merge(j->c, value, 2 * n_summary * j->ch.n_T);
    gb_comm_merge(j->c, tau, n_summary * j->ch.n_T);
    e = write_results(j, value, tau);
  }
  gb_free(&value);
  gb_free(&tau);
  return e;
}

/* Copy one per-sample dataset, my units, `n` samples of all of them at a time. */
static gb_err copy(job *j, gb_h5 *to, const char *name, gb_h5_type type, size_t sample_bytes, size_t n,
                   void *buffer)
{
  for (uint64_t first = 0; first < samples(j); first += n) {
    uint64_t count = samples(j) - first < n ? samples(j) - first : n;
    gb_h5_block *block = NULL;
    gb_err e = my_blocks(j, first, count, &block);
    for (size_t k = 0; k < j->ch.n_mine && !e; k++)
      e = gb_h5_read(j->data, name, type, &block[k], (char *)buffer + k * count * sample_bytes);
    e = gb_comm_agree(j->c, e);
    if (!e) e = gb_h5_write(to, name, j->ch.n_mine, block, buffer);
    gb_free(&block);
    GB_TRY(e);
  }
  return GB_OK;
}

/* The second pass of a compressed data set: everything from the raw part into a new file. */
static gb_err compress(job *j)
{
  size_t chunk = chunk_samples(j->sim, &j->ch.opts), n = j->room > chunk ? j->room / chunk * chunk : j->room;
  char name[128];
  gb_h5 *to = NULL;
  gb_err e = GB_OK;
  GB_TRY(make_part(j, DATA, (int)j->ch.opts.deflate, &to));
  GB_GOTO(e, copy(j, to, "/configurations", GB_H5_F32, j->sim->dims.n * sizeof(float), n, j->x), done);
  GB_GOTO(e, copy(j, to, "/checksum", GB_H5_U64, sizeof(uint64_t), n, j->hash), done);
  for (int i = 0; i < ensemble(j)->n_obs; i++) {
    snprintf(name, sizeof name, "/observables/%s", ensemble(j)->obs[i].name);
    GB_GOTO(e, copy(j, to, name, GB_H5_F64, sizeof(double), n, j->obs), done);
  }
done:
  gb_h5_close(&j->data, false);
  j->data = to;
  return e;
}

static gb_err finish(job *j)
{
  if (j->ch.opts.deflate) GB_TRY(compress(j));
  GB_TRY(finish_results(j));
  GB_TRY(gb_h5_sync(j->data));
  GB_TRY(gb_h5_close(&j->data, true));
  if (j->c.rank == 0) {
    unlink(gb_run_path(j->run, STATE));
    char part[64];
    snprintf(part, sizeof part, "%s.part", RAW);
    unlink(gb_run_path(j->run, part));
  }
  return GB_OK;
}

/* What the directory holds already: decided by rank 0, told to all. */
typedef enum found { NOTHING, A_STATE, ALL } found;

static found look(const job *j)
{
  int64_t what = NOTHING;
  if (access(gb_run_path(j->run, STATE), F_OK) == 0) what = A_STATE;
  if (access(gb_run_path(j->run, DATA), F_OK) == 0) what = ALL;
  return (found)chosen_by_root(j->c, what);
}

static gb_err already_done(job *j)
{
  const char *path = gb_run_path(j->run, DATA);
  gb_h5 *f = NULL;
  GB_TRY(gb_h5_open(j->c, path, &f));
  gb_err e = gb_comm_agree(j->c, match(j, f, "/provenance/config", path));
  gb_h5_close(&f, false);
  GB_TRY(e);
  gb_run_say(j->run, "%s is complete and was made with this config: nothing to do.", path);
  return GB_OK;
}

static gb_err work(job *j)
{
  found there = look(j);
  GB_CHECK(there == NOTHING || gb_run_get(j->run)->resume, GB_ERR_CONFIG,
           "run.resume is false but %s already holds a data set or its state. Choose another run.dir, or let "
           "it resume.",
           gb_run_get(j->run)->dir);
  if (there == ALL) return already_done(j);
  if (there == A_STATE) {
    GB_TRY(load(j));
    gb_run_say(j->run, "continuing: %lld of %llu samples of each chain are stored",
               (long long)(j->samples_done < 0 ? 0 : j->samples_done), (unsigned long long)samples(j));
  }
  gb_run_log(j->run, "start", 1,
             (gb_kv[]){{"samples_done", (double)(j->samples_done < 0 ? 0 : j->samples_done), NULL}});
  GB_TRY(equilibrate(j));
  if (j->samples_done < 0) {
    GB_TRY(make_part(j, work_name(j), 0, &j->data));
    j->samples_done = 0;
    GB_TRY(save(j));
  } else {
    GB_TRY(gb_h5_continue(j->c, gb_run_path(j->run, work_name(j)), &j->data));
  }
  GB_TRY(draw(j));
  GB_TRY(finish(j));
  gb_run_log(j->run, "done", 1, (gb_kv[]){{"samples_done", (double)j->samples_done, NULL}});
  gb_run_say(j->run, "%s: %zu temperatures x %lld chains x %llu samples", gb_run_path(j->run, DATA),
             j->ch.n_T, (long long)j->ch.opts.chains, (unsigned long long)samples(j));
  return GB_OK;
}

gb_err gb_generate(gb_comm c, const gb_config *cfg, const gb_sim *sim, const gb_schema *const sections[],
                   gb_run *run)
{
  job j = {.c = c, .run = run, .cfg = cfg, .sim = sim, .sections = sections, .samples_done = -1};
  gb_chains_opts opts;
  GB_CHECK(sim->kind->ensemble, GB_ERR_CONFIG, "run.physics = %s has no equilibrium to sample",
           sim->kind->name);
  gb_config_get(cfg, &gb_chains_schema, &opts);
  GB_TRY(gb_chains_create(c, sim, &opts, (uint64_t)gb_run_get(run)->seed, &j.ch));
  j.saved_at = gb_clock_now();
  gb_err e = work(&j);
  gb_h5_close(&j.data, false);
  gb_chains_destroy(&j.ch);
  gb_free(&j.x);
  gb_free(&j.obs);
  gb_free(&j.hash);
  return e;
}

void gb_generate_plan(const gb_config *cfg, const gb_sim *sim, int size, gb_text *out)
{
  gb_chains_opts o;
  char a[32], b[32];
  gb_config_get(cfg, &gb_chains_schema, &o);
  const gb_ensemble *en = sim->kind->ensemble;
  double n = (double)sim->dims.temperature.n * (double)o.chains * (double)o.samples;
  double sample_bytes = (double)sim->dims.n * sizeof(float) + 8.0 * (en->n_obs + 1) + 1;
  double disk = n * sample_bytes * (o.deflate ? 2 : 1) +
                (double)sim->dims.temperature.n * (double)o.chains * 8 * (double)sim->dims.n_state;
  gb_text_add(out, "configurations: %zu temperatures x %lld chains x %lld samples = %.0f\n",
              sim->dims.temperature.n, (long long)o.chains, (long long)o.samples, n);
  gb_text_add(
      out,
      "steps per chain: at least %lld before the first sample, then %lld strides (measured during the run)\n",
      (long long)(o.burn_in + o.pilot), (long long)o.samples);
  gb_text_add(out, "memory per rank: %s with %d rank%s\n",
              gb_text_bytes(gb_chains_bytes(sim, &o, size) + 2.0 * BUFFER_BYTES, a), size,
              size > 1 ? "s" : "");
  gb_text_add(out, "disk: %s%s\n", gb_text_bytes(disk, b),
              o.deflate ? " while it runs (raw and compressed data)" : "");
}
