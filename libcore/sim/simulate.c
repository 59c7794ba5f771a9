/* sim/simulate.c - rows are simulated in rounds; each rank makes its share of a round, all write it together.
 *
 * Notes
 * dataset.h5 grows as dataset.h5.part, all whose datasets are made, with their space, before the first row. A row is a
 * function of (options, seed, row), so the state of a run is one number: how many rows are on disk. It is written after
 * the part was synced. A continued run makes the rows behind them again: the same numbers at the same places.
 * A simulator may use libraries that call MPI, so nothing is written while rows are made. */
#include "sim/simulate.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/watch.h"
#include "data/dataset.h"
#include "sim/making.h"
#include "sim/rows.h"

#define BUFFER_BYTES  ((size_t)1 << 25) /* of samples, per rank and round */
#define ROUND_SECONDS 1.0               /* a wish to stop waits for the end of a round */
#define TRIAL_SECONDS 1.0               /* of --dry-run */

static const gb_field fields[] = {
    GB_NUMBER(gb_simulate_opts, training, "1000", 1, 1e10, "rows", GB_FIXED,
              "Rows to learn from; the first ones of the file."),
    GB_NUMBER(gb_simulate_opts, validation, "500", 0, 1e10, "rows", GB_FIXED, "Rows that choose the best weights."),
    GB_NUMBER(gb_simulate_opts, test, "1000", 0, 1e10, "rows", GB_FIXED,
              "Rows of the final comparison; the last ones of the file."),
    GB_NUMBER(
        gb_simulate_opts, redraws, "0", 0, GB_MOST_DRAWS - 1, "1", GB_FIXED,
        "How often a row whose simulation fails is drawn again; /draws and /failure of the data set tell of which rows "
        "and why. With 0 the first failure ends the run."),
    GB_NUMBER(gb_simulate_opts, save_seconds, "60", 0, 1e6, "s", GB_FREE,
              "Interval at which rows are made safe on disk; a killed run loses at most the work since."),
    {0}};
const gb_schema gb_simulate_schema = {"simulate", "How many independent rows a simulator makes.",
                                      sizeof(gb_simulate_opts), fields, NULL};

enum { FORMAT_NUMBER = 3, REASON = 256 /* bytes of the text of a failure */ };
typedef enum number { FORMAT, ROWS_DONE, ROWS_REDRAWN, CONFIG_HASH, NUMBERS_HASH, N_NUMBERS } number;

typedef struct job {
  gb_making m;
  gb_simulate_opts opts;
  gb_sim sim;
  uint64_t seed, n, done, redrawn; /* rows in all; on their way or on disk; those of more than one draw */
  bool image;                      /* bytes are stored, of which 255 stands for 1 */
  const gb_var *var;               /* [n_truth] */
  int n_truth;
  int ans;                 /* number of the truth that is a class of images; -1: none */
  char (*truth_name)[128]; /* [n_truth] of the datasets */
  gb_h5 *data;
  double saved_at;
  size_t room;     /* rows there is room for, of this rank */
  float *x;        /* [dims.n] one sample */
  double *drawn;   /* [n_truth] of it */
  char *stored;    /* [room, dims.n] as they will stand in the file */
  double *truth;   /* [n_truth, room] */
  uint64_t *hash;  /* [room] */
  uint8_t *label;  /* [room] split, then ans */
  uint16_t *draws; /* [room] */
  char *reason;    /* [room, REASON] why the first draw failed; "": it did not */
} job;

static size_t sample_bytes(const gb_sim *sim, bool image)
{
  return sim->dims.n * (image ? 1 : sizeof(float));
}

/* Samples of a physics that draws images are images; others are numbers. */
static bool is_image(const gb_sim *sim)
{
  return sim->kind->image && sim->dims.ndim == 3;
}

/* --- the layout of dataset.h5 (docs/FILES.md) */

static gb_h5_spec per_row(const job *j, const char *name, gb_h5_type type, const char *unit, const char *doc)
{
  return (gb_h5_spec){
      .name = name, .type = type, .ndim = 1, .shape = {j->n}, .unit = unit, .doc = doc, .dims = {"/row"}};
}

/* When the frames are. */
static gb_err add_times(const job *j, gb_h5 *f, const char *frame)
{
  const gb_dims *d = &j->sim.dims;
  gb_h5_spec s = {.name = "/time",
                  .type = GB_H5_F64,
                  .ndim = 1,
                  .shape = {d->shape[0]},
                  .unit = "time",
                  .doc = "Time of each frame, in the unit of the physics.",
                  .dims = {frame}};
  double *time = NULL;
  GB_TRY(gb_h5_add(f, &s));
  GB_TRY(gb_comm_agree(j->m.c, gb_new(&time, d->shape[0])));
  for (size_t k = 0; k < d->shape[0]; k++) time[k] = (double)k * d->frame_time;
  gb_err e = gb_h5_write_all(f, "/time", time);
  gb_free(&time);
  return e;
}

static gb_err add_samples(const job *j, gb_h5 *f)
{
  const gb_dims *d = &j->sim.dims;
  char axis[GB_SAMPLE_NDIM][64];
  gb_h5_spec x = j->image ? per_row(j, "/images", GB_H5_U8, "1/255", "Images: bytes of which 255 stands for 1.")
                          : per_row(j, "/observables", GB_H5_F32, d->unit, "What is observed, with noise.");
  GB_TRY(gb_making_axis(&j->m, f, "/row", j->n, "Number of the row."));
  for (int i = 0; i < d->ndim; i++) {
    snprintf(axis[i], sizeof axis[i], "/%s", d->axis[i]);
    GB_TRY(gb_making_axis(&j->m, f, axis[i], d->shape[i], "Place in the sample."));
    x.shape[x.ndim] = d->shape[i];
    x.dims[x.ndim++] = axis[i];
  }
  if (d->frame_time > 0) GB_TRY(add_times(j, f, axis[0]));
  return gb_h5_add(f, &x);
}

static gb_err add_tables(const job *j, gb_h5 *f)
{
  gb_h5_spec split = per_row(j, "/split", GB_H5_U8, "1", "0: training, 1: validation, 2: test."),
             check = per_row(j, "/checksum", GB_H5_U64, "1", "XXH3-64 of the little-endian bytes of each sample."),
             ans = per_row(j, "/ans", GB_H5_U8, "1", "Class of the image."),
             draws = per_row(j, "/draws", GB_H5_U16, "1", "Draws of the row; all but the last one failed."),
             reason = per_row(j, "/failure", GB_H5_U8, "1", "Why the first draw failed: text, then zeros.");
  GB_TRY(gb_h5_add(f, &split));
  GB_TRY(gb_h5_add(f, &check));
  if (j->ans >= 0) GB_TRY(gb_h5_add(f, &ans));
  reason.shape[reason.ndim++] = REASON;
  if (j->opts.redraws > 0) {
    GB_TRY(gb_h5_add(f, &draws));
    GB_TRY(gb_h5_add(f, &reason));
  }
  for (int i = 0; i < j->n_truth; i++) {
    gb_h5_spec t = per_row(j, j->truth_name[i], GB_H5_F64, j->var[i].unit, j->var[i].doc);
    GB_TRY(gb_h5_add(f, &t));
  }
  return GB_OK;
}

static gb_err make_part(job *j)
{
  gb_err e = GB_OK;
  GB_TRY(gb_h5_create(j->m.c, gb_run_path(j->m.run, gb_making_data), &j->data));
  GB_GOTO(e, add_samples(j, j->data), done);
  GB_GOTO(e, add_tables(j, j->data), done);
  GB_GOTO(e, gb_making_provenance(&j->m, j->data), done);
  e = gb_h5_sync(j->data);
done:
  return e;
}

/* --- the state: rows that are on disk */

static gb_err write_state(const job *j)
{
  int64_t numbers[N_NUMBERS] = {FORMAT_NUMBER, (int64_t)j->done, (int64_t)j->redrawn, 0, 0};
  gb_h5_spec s = {.name = "/numbers",
                  .type = GB_H5_I64,
                  .ndim = 1,
                  .shape = {N_NUMBERS},
                  .unit = "1",
                  .doc = "Format, rows done and redrawn, checksums of /config and of the numbers before."};
  gb_text config = {0};
  gb_h5 *f = NULL;
  gb_config_print_fixed(j->m.cfg, j->m.sections, &config);
  gb_err e = gb_text_done(&config);
  if (!e) e = gb_h5_create(gb_comm_self(), gb_run_path(j->m.run, gb_making_state), &f);
  if (!e) {
    numbers[CONFIG_HASH] = (int64_t)gb_hash64(config.s, config.n);
    numbers[NUMBERS_HASH] = (int64_t)gb_hash64(numbers, NUMBERS_HASH * sizeof *numbers);
    e = gb_h5_put_text(f, "/config", config.s, "Resolved config.");
  }
  if (!e) e = gb_h5_add(f, &s);
  if (!e) e = gb_h5_write_all(f, "/numbers", numbers);
  if (!e) gb_making_keep_state(&j->m);
  gb_err closed = gb_h5_close(&f, !e);
  gb_text_free(&config);
  return e ? e : closed;
}

static gb_err save(job *j)
{
  GB_TRY(gb_h5_sync(j->data));
  gb_err e = gb_comm_agree(j->m.c, j->m.c.rank == 0 ? write_state(j) : GB_OK);
  j->saved_at = gb_clock_now();
  return e;
}

static gb_err read_numbers(job *j, gb_h5 *f, const char *path)
{
  int64_t numbers[N_NUMBERS];
  char *config = NULL;
  GB_TRY(gb_making_match(&j->m, f, "/config", path));
  GB_TRY(gb_h5_read_all(f, "/numbers", GB_H5_I64, N_NUMBERS, numbers));
  GB_TRY(gb_h5_get_text(f, "/config", &config));
  bool good = numbers[CONFIG_HASH] == (int64_t)gb_hash64(config, strlen(config)) &&
              numbers[NUMBERS_HASH] == (int64_t)gb_hash64(numbers, NUMBERS_HASH * sizeof *numbers);
  gb_free(&config);
  GB_CHECK(good && numbers[FORMAT] == FORMAT_NUMBER && numbers[ROWS_DONE] >= 0 && (uint64_t)numbers[ROWS_DONE] <= j->n,
           GB_ERR_IO, "%s: does not match its checksums: the file is damaged. Remove it to start the run again.", path);
  j->done = (uint64_t)numbers[ROWS_DONE];
  j->redrawn = (uint64_t)numbers[ROWS_REDRAWN];
  return GB_OK;
}

static gb_err load(job *j)
{
  const char *path = gb_run_path(j->m.run, gb_making_state);
  gb_h5 *f = NULL;
  GB_TRY(gb_h5_open(j->m.c, path, &f));
  gb_err e = gb_comm_agree(j->m.c, read_numbers(j, f, path));
  gb_h5_close(&f, false);
  GB_TRY(e);
  return gb_h5_continue(j->m.c, gb_run_path(j->m.run, gb_making_data), &j->data);
}

/* --- rows */

static gb_split split_of(const gb_simulate_opts *o, uint64_t row)
{
  return row < (uint64_t)o->training                     ? GB_TRAIN
         : row < (uint64_t)(o->training + o->validation) ? GB_VALIDATION
                                                         : GB_TEST;
}

/* "time = 0.15, frame = 3, component = 1" */
static void add_place(const gb_dims *d, size_t at, gb_text *t)
{
  size_t behind = d->n;
  if (d->frame_time > 0) gb_text_add(t, "time = %g, ", (double)(at / (d->n / d->shape[0])) * d->frame_time);
  for (int i = 0; i < d->ndim; i++) {
    behind /= d->shape[i];
    gb_text_add(t, "%s%s = %zu", i ? ", " : "", d->axis[i], at / behind % d->shape[i]);
  }
}

static gb_err not_finite(const gb_sim *sim, uint64_t row, size_t at, const float *x, const double *truth)
{
  gb_text place = {0}, drawn = {0};
  char name[48];
  int n;
  const gb_var *var = gb_sim_truth(sim, &n);
  add_place(&sim->dims, at, &place);
  for (int i = 0; i < n; i++) gb_text_add(&drawn, "%s%s = %.17g", i ? ", " : "", var[i].name, truth[i]);
  gb_err e = GB_FAIL(GB_ERR_NUMERIC,
                     "%s is %g at %s, for %s. Change the section %s: another range, a finer step or tolerance.",
                     gb_row_name(row, name), (double)x[at], place.s ? place.s : "", drawn.s ? drawn.s : "",
                     sim->kind->schema->section);
  gb_text_free(&place);
  gb_text_free(&drawn);
  return e;
}

static gb_err one_row(const gb_sim *sim, uint64_t seed, uint64_t row, float *x, double *truth)
{
  GB_TRY(sim->kind->simulator->simulate(sim->self, seed, row, x, truth));
  for (size_t i = 0; i < sim->dims.n; i++)
    if (!isfinite(x[i])) return not_finite(sim, row, i, x, truth);
  return GB_OK;
}

/* A row, drawn again as long as it fails, up to `most` times.
 *  @param[out] reason  [REASON] why the first draw failed */
static gb_err draw_row(const gb_sim *sim, uint64_t seed, uint64_t row, uint64_t most, float *x, double *truth,
                       uint16_t *draws, char *reason)
{
  memset(reason, 0, REASON);
  for (uint64_t draw = 0;; draw++) {
    gb_err e = one_row(sim, seed, gb_row_again(row, draw), x, truth);
    *draws = (uint16_t)(draw + 1);
    if (e != GB_ERR_NUMERIC || draw == most) return e;
    if (draw == 0) snprintf(reason, REASON, "%s", gb_err_message());
    gb_err_clear();
  }
}

static void to_bytes(size_t n, const float *x, uint8_t *byte)
{
  for (size_t i = 0; i < n; i++) byte[i] = (uint8_t)lrintf(255 * fminf(fmaxf(x[i], 0), 1));
}

/* My rows [first, first + n) of a round. */
static gb_err make_rows(job *j, uint64_t first, size_t n)
{
  size_t bytes = sample_bytes(&j->sim, j->image), n_truth = (size_t)j->n_truth;
  for (size_t i = 0; i < n; i++) {
    char *to = j->stored + i * bytes;
    gb_err e = draw_row(&j->sim, j->seed, first + i, (uint64_t)j->opts.redraws, j->x, j->drawn, &j->draws[i],
                        j->reason + i * REASON);
    GB_TRY(gb_config_locate(j->m.cfg, j->sim.kind->schema->section, e));
    if (j->image)
      to_bytes(j->sim.dims.n, j->x, (uint8_t *)to);
    else
      memcpy(to, j->x, bytes);
    j->hash[i] = gb_hash64(to, bytes);
    for (size_t k = 0; k < n_truth; k++) j->truth[k * j->room + i] = j->drawn[k];
    GB_BEAT();
  }
  return GB_OK;
}

/* Which rows were drawn again, and why. */
static gb_err write_failures(job *j, uint64_t first, size_t n)
{
  gb_h5_block one = {{first}, {n}}, text = {{first}, {n, REASON}};
  double again = 0;
  if (j->opts.redraws == 0) return GB_OK;
  for (size_t i = 0; i < n; i++) again += j->draws[i] > 1;
  gb_comm_sum(j->m.c, &again, 1);
  j->redrawn += (uint64_t)again;
  GB_TRY(gb_h5_write(j->data, "/draws", n > 0, &one, j->draws));
  return gb_h5_write(j->data, "/failure", n > 0, &text, j->reason);
}

static gb_err write_rows(job *j, uint64_t first, size_t n)
{
  const gb_dims *d = &j->sim.dims;
  gb_h5_block one = {{first}, {n}}, all = one;
  size_t some = n > 0;
  for (int i = 0; i < d->ndim; i++) all.count[1 + i] = d->shape[i];
  GB_TRY(gb_h5_write(j->data, j->image ? "/images" : "/observables", some, &all, j->stored));
  GB_TRY(gb_h5_write(j->data, "/checksum", some, &one, j->hash));
  for (size_t i = 0; i < n; i++) j->label[i] = (uint8_t)split_of(&j->opts, first + i);
  GB_TRY(gb_h5_write(j->data, "/split", some, &one, j->label));
  for (size_t i = 0; i < n && j->ans >= 0; i++) j->label[i] = (uint8_t)j->truth[(size_t)j->ans * j->room + i];
  if (j->ans >= 0) GB_TRY(gb_h5_write(j->data, "/ans", some, &one, j->label));
  GB_TRY(write_failures(j, first, n));
  for (int k = 0; k < j->n_truth; k++)
    GB_TRY(gb_h5_write(j->data, j->truth_name[k], some, &one, j->truth + (size_t)k * j->room));
  return GB_OK;
}

/* Rows of the next round, of all ranks, from how long the last one took. */
static uint64_t next_round(const job *j, uint64_t last, double seconds)
{
  double n = (double)last * fmin(4, ROUND_SECONDS / fmax(seconds, 1e-3)), most = (double)j->room * j->m.c.size;
  return n < j->m.c.size ? (uint64_t)j->m.c.size : (uint64_t)fmin(n, most);
}

static gb_err make_all(job *j)
{
  uint64_t n = (uint64_t)j->m.c.size;
  while (j->done < j->n) {
    double begin = gb_clock_now();
    if (n > j->n - j->done) n = j->n - j->done;
    gb_range mine = gb_comm_share(j->m.c, n);
    uint64_t first = j->done + mine.first;
    GB_TRY(gb_comm_agree(j->m.c, make_rows(j, first, mine.count)));
    GB_TRY(write_rows(j, first, mine.count));
    j->done += n;
    gb_run_progress(j->m.run, "simulating", (double)j->done, (double)j->n, "rows", NULL);
    n = (uint64_t)gb_making_choice(j->m.c, (int64_t)next_round(j, n, gb_clock_now() - begin));
    if (j->done == j->n) break;
    gb_wish w = gb_making_ask(&j->m, j->saved_at, j->opts.save_seconds);
    if (w != GB_GO_ON) GB_TRY(save(j));
    if (w == GB_STOP) return gb_making_stopped(&j->m);
  }
  return GB_OK;
}

static size_t room_of(const gb_sim *sim, bool image, uint64_t n, int size)
{
  size_t room = BUFFER_BYTES / sample_bytes(sim, image), share = (size_t)(n / (uint64_t)size + 1);
  return room < 1 ? 1 : room < share ? room : share;
}

static gb_err make_room(job *j)
{
  size_t n_truth;
  j->var = gb_sim_truth(&j->sim, &j->n_truth);
  n_truth = (size_t)j->n_truth;
  j->room = room_of(&j->sim, j->image, j->n, j->m.c.size);
  GB_TRY(gb_new(&j->truth_name, n_truth));
  GB_TRY(gb_new(&j->x, j->sim.dims.n));
  GB_TRY(gb_new(&j->drawn, n_truth));
  GB_TRY(gb_new(&j->stored, j->room * sample_bytes(&j->sim, j->image)));
  GB_TRY(gb_new(&j->truth, n_truth * j->room));
  GB_TRY(gb_new(&j->hash, j->room));
  GB_TRY(gb_new(&j->label, j->room));
  GB_TRY(gb_new(&j->draws, j->room));
  GB_TRY(gb_new(&j->reason, j->room * REASON));
  for (size_t k = 0; k < n_truth; k++) {
    snprintf(j->truth_name[k], sizeof *j->truth_name, "/truth/%s", j->var[k].name);
    if (j->image && !strcmp(j->var[k].name, "class")) j->ans = (int)k;
  }
  return GB_OK;
}

static gb_err work(job *j)
{
  gb_found there;
  GB_TRY(gb_making_look(&j->m, &there));
  if (there == GB_ALL) return gb_making_complete(&j->m);
  GB_TRY(gb_comm_agree(j->m.c, make_room(j)));
  if (there == GB_A_STATE) {
    GB_TRY(load(j));
    gb_run_say(j->m.run, "continuing: %llu of %llu rows are stored", (unsigned long long)j->done,
               (unsigned long long)j->n);
  } else {
    GB_TRY(make_part(j));
    GB_TRY(save(j));
  }
  gb_run_log(j->m.run, "start", 1, (gb_kv[]){{"rows_done", (double)j->done, NULL}});
  GB_TRY(make_all(j));
  GB_TRY(gb_h5_sync(j->data));
  GB_TRY(gb_h5_close(&j->data, true));
  gb_making_tidy(&j->m);
  gb_run_log(j->m.run, "done", 2,
             (gb_kv[]){{"rows_done", (double)j->done, NULL}, {"rows_redrawn", (double)j->redrawn, NULL}});
  if (j->redrawn)
    gb_run_say(j->m.run, "%llu rows failed and were drawn again: /draws and /failure tell which and why",
               (unsigned long long)j->redrawn);
  gb_run_say(j->m.run, "%s: %lld + %lld + %lld rows for training, validation and test",
             gb_run_path(j->m.run, gb_making_data), (long long)j->opts.training, (long long)j->opts.validation,
             (long long)j->opts.test);
  return GB_OK;
}

static void release(job *j)
{
  gb_h5_close(&j->data, false);
  gb_free(&j->truth_name);
  gb_free(&j->x);
  gb_free(&j->drawn);
  gb_free(&j->stored);
  gb_free(&j->truth);
  gb_free(&j->hash);
  gb_free(&j->label);
  gb_free(&j->draws);
  gb_free(&j->reason);
  gb_sim_destroy(&j->sim);
}

static uint64_t rows_of(const gb_simulate_opts *o)
{
  return (uint64_t)o->training + (uint64_t)o->validation + (uint64_t)o->test;
}

gb_err gb_simulate(gb_comm c, const gb_config *cfg, const gb_physics *physics, const gb_schema *const sections[],
                   gb_run *run)
{
  job j = {.m = {.c = c, .run = run, .cfg = cfg, .sections = sections},
           .ans = -1,
           .seed = (uint64_t)gb_run_get(run)->seed,
           .saved_at = gb_clock_now()};
  gb_config_get(cfg, &gb_simulate_schema, &j.opts);
  j.n = rows_of(&j.opts);
  gb_err e = gb_comm_agree(c, gb_sim_create(physics, cfg, gb_comm_self(), &j.sim));
  j.m.sim = &j.sim;
  if (!e) {
    j.image = is_image(&j.sim);
    e = work(&j);
  }
  release(&j);
  return e;
}

/* --- the plan */

/* Seconds a row, from the first rows of the run. */
static gb_err try_rows(const gb_sim *sim, uint64_t seed, uint64_t redraws, uint64_t most, double *seconds)
{
  uint16_t draws;
  char reason[REASON];
  float *x = NULL;
  double *truth = NULL;
  uint64_t n = 0;
  int n_truth;
  gb_sim_truth(sim, &n_truth);
  gb_err e = gb_new(&x, sim->dims.n);
  if (!e) e = gb_new(&truth, (size_t)n_truth);
  double begin = gb_clock_now();
  while (!e && n < most && (n == 0 || gb_clock_now() - begin < TRIAL_SECONDS))
    e = draw_row(sim, seed, n++, redraws, x, truth, &draws, reason);
  *seconds = n ? (gb_clock_now() - begin) / (double)n : 0;
  gb_free(&x);
  gb_free(&truth);
  return e;
}

gb_err gb_simulate_plan(const gb_config *cfg, const gb_sim *sim, int size, gb_text *out)
{
  gb_simulate_opts o;
  gb_run_opts run;
  char a[32], b[32], t[32];
  double seconds;
  int n_truth;
  gb_sim_truth(sim, &n_truth);
  gb_config_get(cfg, &gb_simulate_schema, &o);
  gb_config_get(cfg, &gb_run_schema, &run);
  bool image = is_image(sim);
  uint64_t n = rows_of(&o);
  double truth = 8.0 * n_truth, row = (double)sample_bytes(sim, image) + truth;
  double room = (double)room_of(sim, image, n, size);
  gb_text_add(out, "rows: %lld training + %lld validation + %lld test = %llu of %zu numbers%s\n", (long long)o.training,
              (long long)o.validation, (long long)o.test, (unsigned long long)n, sim->dims.n,
              image ? ", as bytes" : "");
  gb_text_add(out, "memory per rank: %s with %d rank%s\n", gb_text_bytes(room * (row + 9), a), size,
              size > 1 ? "s" : "");
  gb_text_add(out, "disk: %s\n", gb_text_bytes((double)n * (row + 17), b));
  GB_TRY(try_rows(sim, (uint64_t)run.seed, (uint64_t)o.redraws, n, &seconds));
  gb_text_add(out,
              "tried: %.3g rows/s per rank\ntime: about %s on %d rank%s like this one, without what the disk takes\n",
              1 / fmax(seconds, 1e-9), gb_text_seconds(seconds * (double)n / size, t), size, size > 1 ? "s" : "");
  return GB_OK;
}
