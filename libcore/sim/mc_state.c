/* sim/mc_state.c - generate.state.h5: one row per unit, so that any number of ranks reads it back.
 *
 * Notes
 * Everything in it is under a checksum: a state that changed on the disk must end the run, not change its data. */
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "sim/mc.h"

const char gb_mc_state_name[] = "generate.state.h5";

enum { VERSION = 1 };
typedef enum number { FORMAT, STAGE, STAGE_DONE, SAMPLES_DONE, CONFIG_HASH, TABLE_HASH, N_NUMBERS } number;

/* Of all numbers before it, and of the tables that do not belong to one unit. */
static int64_t table_hash(const gb_mc *mc, const int64_t numbers[N_NUMBERS])
{
  size_t n_T = mc->ch.n_T;
  uint64_t part[] = {gb_hash64(numbers, TABLE_HASH * sizeof *numbers), gb_hash64(mc->ch.steps, n_T * sizeof(int64_t)),
                     gb_hash64(mc->ch.stride, n_T * sizeof(int64_t)),
                     gb_hash64(mc->ch.tau, n_T * (size_t)gb_mc_ensemble(mc)->n_track * sizeof(double))};
  return (int64_t)gb_hash64(part, sizeof part);
}

/* Of what belongs to my k-th unit. */
static uint64_t row_hash(const gb_mc *mc, size_t k)
{
  size_t n_state = mc->sim->dims.n_state, series = (size_t)gb_mc_ensemble(mc)->n_track * mc->ch.series_room;
  uint64_t part[] = {gb_hash64(mc->ch.state + k * n_state, n_state * sizeof(double)),
                     gb_hash64(mc->ch.series + k * series, series * sizeof(double))};
  return gb_hash64(part, sizeof part);
}

static gb_err add_state(gb_mc *mc, gb_h5 *f, size_t series)
{
  gb_h5_spec spec[] = {
      {"/numbers",
       GB_H5_I64,
       1,
       {N_NUMBERS},
       {0},
       0,
       "1",
       "Format, stage, steps done of it, samples done, checksums of /config and of the tables.",
       {0}},
      {"/steps", GB_H5_I64, 1, {mc->ch.n_T}, {0}, 0, "steps", "Steps made by each chain of a temperature.", {0}},
      {"/stride", GB_H5_I64, 1, {mc->ch.n_T}, {0}, 0, "steps", "Steps between samples; 0: not yet known.", {0}},
      {"/tau_int",
       GB_H5_F64,
       2,
       {mc->ch.n_T, (uint64_t)gb_mc_ensemble(mc)->n_track},
       {0},
       0,
       "steps",
       "From the last pilot.",
       {0}},
      {"/state", GB_H5_F64, 2, {mc->ch.n_units, mc->sim->dims.n_state}, {0}, 0, "1", "State of each chain.", {0}},
      {"/checksum", GB_H5_U64, 1, {mc->ch.n_units}, {0}, 0, "1", "XXH3-64 of each row of /state and /series.", {0}},
      {"/series", GB_H5_F64, 2, {mc->ch.n_units, series}, {0}, 0, "1", "The present pilot.", {0}},
  };
  for (size_t i = 0; i < sizeof spec / sizeof *spec - (series == 0); i++) GB_TRY(gb_h5_add(f, &spec[i]));
  return GB_OK;
}

static gb_err write_state(gb_mc *mc, gb_h5 *f, size_t series, const gb_h5_block *row, const uint64_t *hash)
{
  int64_t numbers[N_NUMBERS] = {VERSION, mc->ch.stage, mc->ch.stage_done, mc->samples_done, 0, 0};
  gb_text config = {0};
  gb_config_print_fixed(mc->cfg, mc->sections, &config);
  gb_err e = gb_comm_agree(mc->c, gb_text_done(&config));
  if (!e) {
    numbers[CONFIG_HASH] = (int64_t)gb_hash64(config.s, config.n);
    numbers[TABLE_HASH] = table_hash(mc, numbers);
    e = gb_h5_put_text(f, "/config", config.s, "Resolved config.");
  }
  gb_text_free(&config);
  GB_TRY(e);
  GB_TRY(gb_h5_write_all(f, "/numbers", numbers));
  GB_TRY(gb_h5_write_all(f, "/steps", mc->ch.steps));
  GB_TRY(gb_h5_write_all(f, "/stride", mc->ch.stride));
  GB_TRY(gb_h5_write_all(f, "/tau_int", mc->ch.tau));
  GB_TRY(gb_h5_write(f, "/state", mc->ch.n_mine, row, mc->ch.state));
  GB_TRY(gb_h5_write(f, "/checksum", mc->ch.n_mine, row + mc->ch.n_mine, hash));
  if (series) GB_TRY(gb_h5_write(f, "/series", mc->ch.n_mine, row + 2 * mc->ch.n_mine, mc->ch.series));
  return GB_OK;
}

gb_err gb_mc_save(gb_mc *mc)
{
  size_t n = mc->ch.n_mine, series = (size_t)gb_mc_ensemble(mc)->n_track * mc->ch.series_room,
         n_state = mc->sim->dims.n_state;
  gb_h5 *f = NULL;
  gb_h5_block *row = NULL; /* of /state, then /checksum, then /series */
  uint64_t *hash = NULL;
  gb_err e = GB_OK;
  if (mc->data) GB_TRY(gb_h5_sync(mc->data));
  GB_GOTO(e, gb_new(&row, 3 * n), ready);
  GB_GOTO(e, gb_new(&hash, n), ready);
  for (size_t k = 0; k < n; k++) {
    uint64_t u = gb_chains_unit(&mc->ch, k);
    row[k] = (gb_h5_block){{u, 0}, {1, n_state}};
    row[n + k] = (gb_h5_block){{u}, {1}};
    row[2 * n + k] = (gb_h5_block){{u, 0}, {1, series}};
    hash[k] = row_hash(mc, k);
  }
ready:
  e = gb_comm_agree(mc->c, e);
  if (!e) e = gb_h5_create(mc->c, gb_run_path(mc->run, gb_mc_state_name), &f);
  if (!e) e = add_state(mc, f, series);
  if (!e) e = write_state(mc, f, series, row, hash);
  if (f) {
    gb_err closed = gb_h5_close(&f, !e);
    if (!e) e = closed;
  }
  gb_free(&row);
  gb_free(&hash);
  return e;
}

static gb_err read_rows(gb_mc *mc, gb_h5 *f)
{
  size_t series = (size_t)gb_mc_ensemble(mc)->n_track * mc->ch.series_room, n_state = mc->sim->dims.n_state;
  for (size_t k = 0; k < mc->ch.n_mine; k++) {
    uint64_t u = gb_chains_unit(&mc->ch, k), hash;
    gb_h5_block state = {{u, 0}, {1, n_state}}, check = {{u}, {1}}, pilot = {{u, 0}, {1, series}};
    double *mine = mc->ch.state + k * n_state;
    GB_TRY(gb_h5_read(f, "/state", GB_H5_F64, &state, mine));
    GB_TRY(gb_h5_read(f, "/checksum", GB_H5_U64, &check, &hash));
    if (series) GB_TRY(gb_h5_read(f, "/series", GB_H5_F64, &pilot, mc->ch.series + k * series));
    GB_CHECK(hash == row_hash(mc, k), GB_ERR_IO,
             "%s: the state of chain %llu does not match its checksum: the file is damaged. Remove it to "
             "start the run again.",
             gb_run_path(mc->run, gb_mc_state_name), (unsigned long long)u);
  }
  return GB_OK;
}

gb_err gb_mc_match(gb_mc *mc, gb_h5 *f, const char *name, const char *path)
{
  char *then = NULL;
  gb_err e = gb_h5_get_text(f, name, &then);
  if (!e) e = gb_config_match(mc->cfg, then, path, mc->sections);
  gb_free(&then);
  return e;
}

/* The config is compared first: only with the same one have the tables the shapes that are asked for. */
static gb_err read_tables(gb_mc *mc, gb_h5 *f, const char *path, int64_t numbers[N_NUMBERS])
{
  char *then = NULL;
  GB_TRY(gb_h5_get_text(f, "/config", &then));
  gb_err e = gb_h5_read_all(f, "/numbers", GB_H5_I64, N_NUMBERS, numbers);
  bool damaged = !e && numbers[CONFIG_HASH] != (int64_t)gb_hash64(then, strlen(then));
  gb_free(&then);
  GB_TRY(e);
  GB_CHECK(numbers[FORMAT] == VERSION, GB_ERR_IO,
           "%s: was written in format %lld, this program reads %d. Finish the run with the program that began it.",
           path, (long long)numbers[FORMAT], VERSION);
  if (!damaged) {
    GB_TRY(gb_mc_match(mc, f, "/config", path));
    GB_TRY(gb_h5_read_all(f, "/steps", GB_H5_I64, mc->ch.n_T, mc->ch.steps));
    GB_TRY(gb_h5_read_all(f, "/stride", GB_H5_I64, mc->ch.n_T, mc->ch.stride));
    GB_TRY(gb_h5_read_all(f, "/tau_int", GB_H5_F64, mc->ch.n_T * (size_t)gb_mc_ensemble(mc)->n_track, mc->ch.tau));
    damaged = numbers[TABLE_HASH] != table_hash(mc, numbers);
  }
  GB_CHECK(!damaged, GB_ERR_IO,
           "%s: does not match its checksums: the file is damaged. Remove it to start the run again.", path);
  return GB_OK;
}

gb_err gb_mc_load(gb_mc *mc)
{
  const char *path = gb_run_path(mc->run, gb_mc_state_name);
  gb_h5 *f = NULL;
  int64_t numbers[N_NUMBERS] = {0};
  GB_TRY(gb_h5_open(mc->c, path, &f));
  gb_err e = gb_comm_agree(mc->c, read_tables(mc, f, path, numbers));
  if (!e) e = gb_chains_enter_stage(&mc->ch, numbers[STAGE], numbers[STAGE_DONE]);
  if (!e) e = gb_comm_agree(mc->c, read_rows(mc, f));
  mc->samples_done = numbers[SAMPLES_DONE];
  gb_err closed = gb_h5_close(&f, false);
  return e ? e : closed;
}
