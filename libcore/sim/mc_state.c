/* sim/mc_state.c - generate.state.h5: one row per unit, so that any number of ranks reads it back.
 *
 * Notes
 * Everything in it is under a checksum: a state that changed on the disk must end the run, not change its data. */
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "sim/mc.h"

enum { VERSION = 2 };
typedef enum number { FORMAT, STAGE, STAGE_DONE, SAMPLES_DONE, CONFIG_HASH, TABLE_HASH, N_NUMBERS } number;

/* The tables that do not belong to one unit. */
typedef struct table {
  const char *name, *unit, *doc;
  gb_h5_type type;
  uint64_t shape[2];
  void *v; /* of numbers of 8 bytes */
} table;

enum { N_TABLES = 6 };

static void list_tables(gb_mc *mc, table out[N_TABLES])
{
  gb_chains *ch = &mc->ch;
  const table t[N_TABLES] = {
      {"/steps", "steps", "Steps made by each chain of a temperature.", GB_H5_I64, {ch->n_T, 1}, ch->steps},
      {"/mix", "1", "Number of the mix that was chosen.", GB_H5_I64, {ch->n_T, 1}, ch->mix},
      {"/cost", "cycles", "Of each mix tried.", GB_H5_F64, {ch->n_T, mc->sim->dims.n_mix}, ch->cost},
      {"/stride", "steps", "Steps between samples; 0: not yet known.", GB_H5_I64, {ch->n_T, 1}, ch->stride},
      {"/tau_int",
       "steps",
       "From the last pilot.",
       GB_H5_F64,
       {ch->n_T, (uint64_t)gb_mc_ensemble(mc)->n_track},
       ch->tau},
      {"/hot", "1", "Hot against ordered start.", GB_H5_F64, {ch->n_T, 2}, ch->hot},
  };
  memcpy(out, t, sizeof t);
}

/* Of all numbers before it, and of the tables. */
static int64_t table_hash(gb_mc *mc, const int64_t numbers[N_NUMBERS])
{
  table t[N_TABLES];
  uint64_t part[1 + N_TABLES] = {gb_hash64(numbers, TABLE_HASH * sizeof *numbers)};
  list_tables(mc, t);
  for (int i = 0; i < N_TABLES; i++) part[1 + i] = gb_hash64(t[i].v, t[i].shape[0] * t[i].shape[1] * 8);
  return (int64_t)gb_hash64(part, sizeof part);
}

/* My chains, unpacked: what is in the file. */
typedef struct rows {
  size_t n_field, n_series; /* numbers per unit */
  float *field;             /* [n_mine, n_field] */
  double *tuned;            /* [n_mine, n_tuned] */
  uint64_t *hash;           /* [n_mine] */
  gb_h5_block *state, *one, *tune, *series;
} rows;

static void free_rows(rows *r)
{
  gb_free(&r->field);
  gb_free(&r->tuned);
  gb_free(&r->hash);
  gb_free(&r->state);
  gb_free(&r->one);
  gb_free(&r->tune);
  gb_free(&r->series);
}

static gb_err make_rows(gb_mc *mc, rows *r)
{
  const gb_dims *d = &mc->sim->dims;
  size_t n = mc->ch.n_mine;
  r->n_field = d->n_field * d->n_mine;
  r->n_series = gb_chains_recorded(&mc->ch) * mc->ch.series_room;
  GB_TRY(gb_new(&r->field, n * r->n_field));
  GB_TRY(gb_new(&r->tuned, n * d->n_tuned + 1));
  GB_TRY(gb_new(&r->hash, n));
  GB_TRY(gb_new(&r->state, n));
  GB_TRY(gb_new(&r->one, n));
  GB_TRY(gb_new(&r->tune, n));
  GB_TRY(gb_new(&r->series, n));
  for (size_t k = 0; k < n; k++) {
    uint64_t u = mc->ch.unit[k];
    r->state[k] = (gb_h5_block){{u, 0}, {1, d->n_field}};
    for (int i = 0; i < d->ndim; i++) {
      r->state[k].start[2 + i] = d->first[i];
      r->state[k].count[2 + i] = d->count[i];
    }
    r->one[k] = (gb_h5_block){{u}, {1}};
    r->tune[k] = (gb_h5_block){{u, 0}, {1, d->n_tuned}};
    r->series[k] = (gb_h5_block){{u, 0, 0}, {1, gb_chains_recorded(&mc->ch), mc->ch.series_room}};
  }
  return GB_OK;
}

/* Every number with its place: the same sum however a configuration is spread over ranks. */
static uint64_t mixed(uint64_t place, uint32_t bits)
{
  uint64_t v =
      place * 0x9E3779B97F4A7C15 ^ (uint64_t)bits * 0xD6E8FEB86659FD93; /* two odd constants, then a finaliser */
  v = (v ^ v >> 32) * 0xD6E8FEB86659FD93;
  return v ^ v >> 29;
}

static uint64_t field_sum(const gb_dims *d, const float *field)
{
  uint64_t sum = 0;
  size_t nx = d->count[1], ny = d->count[0];
  for (size_t f = 0; f < d->n_field; f++)
    for (size_t y = 0; y < ny; y++)
      for (size_t x = 0; x < nx; x++) {
        uint32_t bits;
        memcpy(&bits, &field[(f * ny + y) * nx + x], sizeof bits);
        sum += mixed((f * d->shape[0] + d->first[0] + y) * d->shape[1] + d->first[1] + x, bits);
      }
  return sum;
}

/* Of all that belongs to a unit. Collective over the team. */
static void hash_rows(gb_mc *mc, rows *r)
{
  const gb_dims *d = &mc->sim->dims;
  for (size_t k = 0; k < mc->ch.n_mine; k++) r->hash[k] = field_sum(d, r->field + k * r->n_field);
  gb_comm_sum_i64(mc->ch.team, (int64_t *)r->hash, mc->ch.n_mine); /* wraps: a sum modulo 2^64 */
  for (size_t k = 0; k < mc->ch.n_mine; k++) {
    uint64_t part[] = {r->hash[k], gb_hash64(r->tuned + k * d->n_tuned, d->n_tuned * sizeof(double)),
                       gb_hash64(mc->ch.series + k * r->n_series, r->n_series * sizeof(double))};
    r->hash[k] = gb_hash64(part, sizeof part);
  }
}

/* Between the working states of the groups and rows. */
static void convert(gb_mc *mc, rows *r, bool into_rows)
{
  const gb_ensemble *en = gb_mc_ensemble(mc);
  for (size_t g = 0; g < mc->ch.n_groups; g++) {
    const gb_group *group = &mc->ch.group[g];
    float *field[GB_MOST_WALKERS];
    double *tuned[GB_MOST_WALKERS];
    for (size_t k = 0; k < group->w.n; k++) {
      field[k] = r->field + (group->first + k) * r->n_field;
      tuned[k] = r->tuned + (group->first + k) * mc->sim->dims.n_tuned;
    }
    if (into_rows)
      en->unpack(mc->sim->self, &group->w, group->state, field, tuned);
    else
      en->pack(mc->sim->self, &group->w, (const float *const *)field, (const double *const *)tuned, group->state);
  }
}

static gb_err add_state(gb_mc *mc, gb_h5 *f)
{
  const gb_dims *d = &mc->sim->dims;
  table t[N_TABLES];
  gb_h5_spec numbers = {.name = "/numbers",
                        .type = GB_H5_I64,
                        .ndim = 1,
                        .shape = {N_NUMBERS},
                        .unit = "1",
                        .doc =
                            "Format, stage, steps done of it, samples done, checksums of /config and of the tables."};
  gb_h5_spec state = {.name = "/state",
                      .type = GB_H5_F32,
                      .ndim = 2 + d->ndim,
                      .shape = {mc->ch.n_units, d->n_field},
                      .unit = "1",
                      .doc = "State of each chain."};
  for (int i = 0; i < d->ndim; i++) state.shape[2 + i] = d->shape[i];
  gb_h5_spec tuned = {.name = "/tuned",
                      .type = GB_H5_F64,
                      .ndim = 2,
                      .shape = {mc->ch.n_units, d->n_tuned},
                      .unit = "1",
                      .doc = "Tuned proposals of each chain."};
  gb_h5_spec checksum = {.name = "/checksum",
                         .type = GB_H5_U64,
                         .ndim = 1,
                         .shape = {mc->ch.n_units},
                         .unit = "1",
                         .doc = "Hash of each row of /state, /tuned and /series."};
  gb_h5_spec series = {.name = "/series",
                       .type = GB_H5_F64,
                       .ndim = 3,
                       .shape = {mc->ch.n_units, gb_chains_recorded(&mc->ch), mc->ch.series_room},
                       .unit = "1",
                       .doc = "The present trial or pilot."};
  list_tables(mc, t);
  GB_TRY(gb_h5_add(f, &numbers));
  for (int i = 0; i < N_TABLES; i++) {
    gb_h5_spec s = {t[i].name, t[i].type, 2, {t[i].shape[0], t[i].shape[1]}, {0}, 0, t[i].unit, t[i].doc, {0}};
    GB_TRY(gb_h5_add(f, &s));
  }
  GB_TRY(gb_h5_add(f, &state));
  if (d->n_tuned) GB_TRY(gb_h5_add(f, &tuned));
  GB_TRY(gb_h5_add(f, &checksum));
  return mc->ch.series_room ? gb_h5_add(f, &series) : GB_OK;
}

static gb_err write_state(gb_mc *mc, gb_h5 *f, const rows *r)
{
  int64_t numbers[N_NUMBERS] = {VERSION, mc->ch.stage, mc->ch.stage_done, mc->samples_done, 0, 0};
  size_t once = mc->ch.team.rank == 0 ? mc->ch.n_mine : 0;
  gb_text config = {0};
  table t[N_TABLES];
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
  list_tables(mc, t);
  for (int i = 0; i < N_TABLES; i++) GB_TRY(gb_h5_write_all(f, t[i].name, t[i].v));
  GB_TRY(gb_h5_write(f, "/state", mc->ch.n_mine, r->state, r->field));
  if (mc->sim->dims.n_tuned) GB_TRY(gb_h5_write(f, "/tuned", once, r->tune, r->tuned));
  GB_TRY(gb_h5_write(f, "/checksum", once, r->one, r->hash));
  if (mc->ch.series_room) GB_TRY(gb_h5_write(f, "/series", once, r->series, mc->ch.series));
  return GB_OK;
}

gb_err gb_mc_save(gb_mc *mc)
{
  gb_h5 *f = NULL;
  rows r = {0};
  if (mc->data) GB_TRY(gb_h5_sync(mc->data));
  gb_err e = gb_comm_agree(mc->c, make_rows(mc, &r));
  if (!e) {
    convert(mc, &r, true);
    hash_rows(mc, &r);
    e = gb_h5_create(mc->c, gb_run_path(mc->run, gb_making_state), &f);
  }
  if (!e) e = add_state(mc, f);
  if (!e) e = write_state(mc, f, &r);
  gb_making m = gb_mc_making(mc);
  if (!e) gb_making_keep_state(&m);
  gb_err closed = gb_h5_close(&f, !e);
  free_rows(&r);
  return e ? e : closed;
}

/* The working states of my groups and their series; then whether they are what was written. */
static gb_err read_rows(gb_mc *mc, gb_h5 *f, rows *r)
{
  for (size_t k = 0; k < mc->ch.n_mine; k++) {
    GB_TRY(gb_h5_read(f, "/state", GB_H5_F32, &r->state[k], r->field + k * r->n_field));
    if (mc->sim->dims.n_tuned)
      GB_TRY(gb_h5_read(f, "/tuned", GB_H5_F64, &r->tune[k], r->tuned + k * mc->sim->dims.n_tuned));
    if (r->n_series) GB_TRY(gb_h5_read(f, "/series", GB_H5_F64, &r->series[k], mc->ch.series + k * r->n_series));
  }
  return GB_OK;
}

static gb_err check_rows(gb_mc *mc, gb_h5 *f, const rows *r)
{
  for (size_t k = 0; k < mc->ch.n_mine; k++) {
    uint64_t then;
    GB_TRY(gb_h5_read(f, "/checksum", GB_H5_U64, &r->one[k], &then));
    GB_CHECK(then == r->hash[k], GB_ERR_IO,
             "%s: chain %zu does not match its checksum: the file is damaged. Remove it to start the run again.",
             gb_run_path(mc->run, gb_making_state), mc->ch.unit[k]);
  }
  return GB_OK;
}

static gb_err restore(gb_mc *mc, gb_h5 *f)
{
  rows r = {0};
  gb_err e = gb_comm_agree(mc->c, make_rows(mc, &r));
  if (!e) e = gb_comm_agree(mc->c, read_rows(mc, f, &r));
  if (!e) {
    hash_rows(mc, &r);
    e = gb_comm_agree(mc->c, check_rows(mc, f, &r));
  }
  if (!e) convert(mc, &r, false);
  free_rows(&r);
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
    gb_making m = gb_mc_making(mc);
    GB_TRY(gb_making_match(&m, f, "/config", path));
    table t[N_TABLES];
    list_tables(mc, t);
    for (int i = 0; i < N_TABLES; i++)
      GB_TRY(gb_h5_read_all(f, t[i].name, t[i].type, t[i].shape[0] * t[i].shape[1], t[i].v));
    damaged = numbers[TABLE_HASH] != table_hash(mc, numbers);
  }
  GB_CHECK(!damaged, GB_ERR_IO,
           "%s: does not match its checksums: the file is damaged. Remove it to start the run again.", path);
  return GB_OK;
}

gb_err gb_mc_load(gb_mc *mc)
{
  const char *path = gb_run_path(mc->run, gb_making_state);
  gb_h5 *f = NULL;
  int64_t numbers[N_NUMBERS] = {0};
  GB_TRY(gb_h5_open(mc->c, path, &f));
  gb_err e = gb_comm_agree(mc->c, read_tables(mc, f, path, numbers));
  if (!e) e = gb_chains_enter_stage(&mc->ch, numbers[STAGE], numbers[STAGE_DONE]);
  if (!e) e = restore(mc, f);
  mc->samples_done = numbers[SAMPLES_DONE];
  gb_err closed = gb_h5_close(&f, false);
  return e ? e : closed;
}
