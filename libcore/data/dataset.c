/* data/dataset.c - rows of an HDF5 file, in memory if they fit. */
#include "data/dataset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/watch.h"
#include "comm/cluster.h"
#include "data/layout.h"

static const gb_field fields[] = {
    GB_WORD(gb_dataset_opts, path, "", NULL, GB_FREE,
            "Data set to learn from: a dataset.h5 of greybox-generate. Empty: dataset.h5 in run.dir."),
    GB_NUMBER(gb_dataset_opts, memory, "4", 0, 1e6, "GiB", GB_FREE,
              "A data set up to this size is held in memory, once on a node; of a larger one the rows of the next step "
              "are read while a step computes."),
    GB_WORD(gb_dataset_opts, augment, "[]", NULL, GB_FIXED,
            "Training samples are moved by random elements of these symmetries, anew in every step: any "
            "of " GB_SYMMETRIES ", as far as the physics has them."),
    GB_NUMBER(gb_dataset_opts, import_class, "6", -1, 1e6, "1", GB_FIXED,
              "Of a foreign file laid out as Galaxy10 (/images, /ans, no /split): the class that is taken. 6 of "
              "Galaxy10 SDSS: discs seen from the side, without bulge."),
    GB_NUMBER(gb_dataset_opts, import_training, "400", 1, 1e9, "images", GB_FIXED,
              "Of such a file: images of the class for training, chosen at random."),
    GB_NUMBER(gb_dataset_opts, import_validation, "100", 0, 1e9, "images", GB_FIXED,
              "Of such a file: images of the class for validation; the others are for the test."),
    GB_NUMBER(gb_dataset_opts, import_seed, "1", 0, 1e15, "1", GB_FIXED,
              "Of such a file: seed of the choice. Trainings that are compared share it."),
    {0}};
const gb_schema gb_dataset_schema = {"data", "What to learn from.", sizeof(gb_dataset_opts), fields, NULL};

typedef struct wanted {
  uint64_t at, i;
} wanted; /* a row: its place in the file, its number in a list */

/* A list of rows, as stored, in the order of the file: neighbours are read together. */
typedef struct shelf {
  enum { EMPTY, READING, FULL } state; /* of the rows of `step`, if it is used for training */
  uint64_t step;
  size_t n, n_block, room; /* rows; runs of neighbours; rows that there is room for */
  wanted *row;             /* [n] sorted by place */
  uint64_t *list, *where;  /* [n] places in the order of the list; where in x they are */
  gb_h5_block *block;      /* [n_block] */
  char *x;                 /* [n, stored] */
} shelf;

struct gb_dataset {
  gb_h5 *file;
  char *path;
  gb_layout layout;         /* what the file is; its checksums until all samples were compared with them */
  uint64_t *row[GB_SPLITS]; /* place in the file of each row of a split */
  size_t n_rows[GB_SPLITS];
  gb_comm here;              /* the ranks that share x */
  gb_shared *held;           /* x, in the part of rank 0 of them; NULL: not held */
  const char *x;             /* [n, width] as stored, or NULL */
  shelf one, now, next;      /* for gb_dataset_read(); of this step and the next one */
  size_t batch, first, mine; /* what is read ahead: rows [first, first + mine) of a batch; mine = 0: nothing */
  uint64_t seed;
  unsigned symmetries;
  float *still;      /* [width] a sample before it is moved */
  uint32_t *scratch; /* of gb_symmetry_move() */
};

/* Places of the rows of each split. */
static gb_err divide(gb_dataset *d)
{
  const gb_layout *l = &d->layout;
  for (size_t i = 0; i < l->n; i++) d->n_rows[l->split[i]]++;
  for (int s = 0; s < GB_SPLITS; s++) {
    GB_TRY(gb_new(&d->row[s], d->n_rows[s]));
    for (size_t i = 0, k = 0; i < l->n; i++)
      if (l->split[i] == s) d->row[s][k++] = i;
  }
  return GB_OK;
}

/* All but the samples. */
static gb_err read_tables(gb_dataset *d, const gb_dataset_opts *opts, int ndim, const size_t shape[])
{
  GB_TRY(gb_layout_read(d->file, d->path, opts, ndim, shape, &d->layout));
  GB_TRY(divide(d));
  gb_free(&d->layout.split);
  return GB_OK;
}

static gb_err verify(const gb_dataset *d, uint64_t row, const void *x)
{
  return gb_layout_verify(&d->layout, d->path, row, x, d->layout.hash);
}

static size_t stored_bytes(const gb_dataset *d)
{
  return gb_layout_bytes(&d->layout);
}

/* A block for one row, or the last of the n blocks grows by it.
 *  @return blocks now */
static size_t add_to_blocks(const gb_layout *l, uint64_t row, bool joins, size_t n, gb_h5_block block[])
{
  if (joins) {
    block[n - 1].count[l->lead - 1]++;
    return n;
  }
  gb_h5_block *b = &block[n];
  *b = (gb_h5_block){0};
  gb_layout_locate(l, row, b->start);
  for (int k = 0; k < l->lead; k++) b->count[k] = 1;
  for (int k = 0; k < l->ndim; k++) b->count[l->lead + k] = l->shape[l->lead + k];
  return n + 1;
}

/* The ranks of this machine, if it has room for memory that they share; else this one alone. */
static gb_comm sharers(gb_comm c, size_t bytes)
{
  gb_comm machine = gb_comm_machine(c);
  int room = bytes < gb_shared_room() / 2;
  gb_comm_bcast(machine, &room, sizeof room);
  if (room) return machine;
  gb_comm alone = gb_comm_split(machine, machine.rank, 0);
  gb_comm_close(&machine);
  return alone;
}

/* All samples; of a foreign file the chosen ones, which may lie anywhere in compressed chunks. */
static gb_err read_samples(gb_dataset *d, char *x)
{
  const gb_layout *l = &d->layout;
  if (!l->place) return gb_h5_read_all(d->file, l->name, l->type, l->n * l->width, x);
  gb_h5_block *block = NULL;
  size_t n = 0;
  GB_TRY(gb_new(&block, l->n));
  for (size_t i = 0; i < l->n; i++) n = add_to_blocks(l, i, gb_layout_neighbours(l, i), n, block);
  gb_err e = gb_h5_read_packed(d->file, &(gb_h5_want){l->name, l->type, n, block, x});
  gb_free(&block);
  return e;
}

/* One rank reads for all that share, each verifies its part. */
static gb_err hold_samples(gb_comm c, gb_dataset *d)
{
  size_t size = stored_bytes(d), bytes = d->layout.n * size;
  d->here = sharers(c, bytes);
  GB_TRY(gb_comm_agree(c, gb_shared_create(d->here, d->here.rank == 0 ? bytes : 0, &d->held)));
  char *x = gb_shared_of(d->held, 0);
  gb_err e = d->here.rank == 0 ? read_samples(d, x) : GB_OK;
  gb_shared_sync(d->held);
  gb_range mine = gb_comm_share(d->here, d->layout.n);
  GB_TRY(gb_comm_agree(c, e));
  for (size_t i = mine.first; i < mine.first + mine.count && !e; i++) e = verify(d, i, x + i * size);
  GB_TRY(gb_comm_agree(c, e));
  d->x = x;
  gb_free(&d->layout.hash);
  return GB_OK;
}

/* Will all of the file be read in any case? */
static bool small(const gb_dataset_opts *opts)
{
  struct stat st;
  return stat(opts->path, &st) == 0 && (double)st.st_size <= opts->memory * 0x1p30;
}

gb_err gb_dataset_open(gb_comm c, const gb_dataset_opts *opts, int ndim, const size_t shape[], gb_dataset **out)
{
  gb_dataset *d = NULL;
  gb_err e = gb_new(&d, 1);
  if (!e && !(d->path = gb_strdup(opts->path))) e = GB_FAIL(GB_ERR_MEMORY, "no memory for a name");
  if (!e && access(opts->path, F_OK))
    e = GB_FAIL(GB_ERR_IO, "%s: %s. Make it with greybox-generate, or let data.path name another data set.", opts->path,
                strerror(errno));
  /* Of a data set that is too large for memory each sample is compared with its own checksum. */
  if (!e && c.rank == 0 && small(opts)) e = gb_file_check_seal(opts->path);
  e = gb_comm_agree(c, e);
  if (!e) e = gb_h5_open_compared(gb_comm_self(), opts->path, &d->file);
  if (!e) e = read_tables(d, opts, ndim, shape);
  e = gb_comm_agree(c, e);
  if (!e && (double)d->layout.n * (double)stored_bytes(d) <= opts->memory * 0x1p30) e = hold_samples(c, d);
  if (e) gb_dataset_close(&d);
  *out = d;
  return e;
}

static void empty(shelf *s)
{
  gb_free(&s->row);
  gb_free(&s->list);
  gb_free(&s->where);
  gb_free(&s->block);
  gb_free(&s->x);
  *s = (shelf){0};
}

void gb_dataset_close(gb_dataset **dataset)
{
  gb_dataset *d = *dataset;
  if (!d) return;
  gb_h5_close(&d->file, false);
  gb_free(&d->path);
  gb_layout_free(&d->layout);
  for (int s = 0; s < GB_SPLITS; s++) gb_free(&d->row[s]);
  gb_shared_destroy(&d->held);
  gb_comm_close(&d->here);
  empty(&d->one);
  empty(&d->now);
  empty(&d->next);
  gb_free(&d->still);
  gb_free(&d->scratch);
  gb_free(dataset);
}

size_t gb_dataset_rows(const gb_dataset *d, gb_split split)
{
  return d->n_rows[split];
}

size_t gb_dataset_width(const gb_dataset *d)
{
  return d->layout.width;
}

gb_reals gb_dataset_temperatures(const gb_dataset *d)
{
  return (gb_reals){d->layout.n_T, d->layout.grid};
}

static gb_err make_room(const gb_dataset *d, shelf *s, size_t n)
{
  if (n <= s->room) return GB_OK;
  empty(s);
  GB_TRY(gb_new(&s->row, n));
  GB_TRY(gb_new(&s->list, n));
  GB_TRY(gb_new(&s->where, n));
  GB_TRY(gb_new(&s->block, n));
  GB_TRY(gb_new(&s->x, n * stored_bytes(d)));
  s->room = n;
  return GB_OK;
}

static int by_place(const void *a, const void *b)
{
  const wanted *x = a, *y = b;
  return x->at == y->at ? (x->i > y->i) - (x->i < y->i) : (x->at > y->at) - (x->at < y->at);
}

/* Sort the n places of s->list, and cut them into runs of samples that are neighbours in the file. A row that is wanted
 * twice is read twice. */
static gb_h5_want plan_reading(const gb_dataset *d, shelf *s, size_t n)
{
  const gb_layout *l = &d->layout;
  for (size_t i = 0; i < n; i++) s->row[i] = (wanted){s->list[i], i};
  qsort(s->row, n, sizeof *s->row, by_place);
  s->n = n;
  s->n_block = 0;
  for (size_t i = 0; i < n; i++) {
    uint64_t at = s->row[i].at;
    bool joins = i && at == s->row[i - 1].at + 1 && gb_layout_neighbours(l, at);
    s->where[s->row[i].i] = i;
    s->n_block = add_to_blocks(l, at, joins, s->n_block, s->block);
  }
  return (gb_h5_want){l->name, l->type, s->n_block, s->block, s->x};
}

static gb_err verify_shelf(const gb_dataset *d, const shelf *s)
{
  for (size_t i = 0; i < s->n; i++) GB_TRY(verify(d, s->row[i].at, s->x + i * stored_bytes(d)));
  return GB_OK;
}

/* Row i of the list. */
static const void *on_shelf(const gb_dataset *d, const shelf *s, size_t i)
{
  return s->x + s->where[i] * stored_bytes(d);
}

static void decode(const gb_dataset *d, const void *stored, float *x)
{
  gb_layout_decode(&d->layout, stored, x);
}

static const void *held_row(const gb_dataset *d, uint64_t row)
{
  return d->x + row * stored_bytes(d);
}

/* The n places of s->list, now. */
static gb_err read_list(gb_dataset *d, shelf *s, size_t n)
{
  gb_h5_want w = plan_reading(d, s, n);
  GB_TRY(gb_h5_read_blocks(d->file, &w));
  return verify_shelf(d, s);
}

gb_err gb_dataset_read(gb_dataset *d, gb_split split, size_t n, const uint64_t row[], float *x)
{
  shelf *s = &d->one;
  if (!d->x) {
    GB_TRY(make_room(d, s, n));
    for (size_t i = 0; i < n; i++) s->list[i] = d->row[split][row[i]];
    GB_TRY(read_list(d, s, n));
  }
  for (size_t i = 0; i < n; i++)
    decode(d, d->x ? held_row(d, d->row[split][row[i]]) : on_shelf(d, s, i), x + i * d->layout.width);
  GB_BEAT();
  return GB_OK;
}

gb_err gb_dataset_augment(gb_dataset *d, unsigned symmetries)
{
  const gb_layout *l = &d->layout;
  size_t h = l->shape[l->lead], w = l->shape[l->lead + 1];
  d->symmetries = symmetries;
  if (!symmetries || d->still) return GB_OK;
  GB_ASSERT((l->ndim == 2 || l->ndim == 3) && (h == w || !(symmetries & GB_LATTICE_ROTATION)));
  GB_TRY(gb_new(&d->still, l->width));
  return gb_new(&d->scratch, h + w);
}

/* A sample of the training as the model gets it; `number`: in the batch. */
static void deliver(gb_dataset *d, const void *stored, uint64_t seed, uint64_t step, uint64_t number, float *x)
{
  if (!d->symmetries) {
    decode(d, stored, x);
    return;
  }
  const gb_layout *l = &d->layout;
  size_t h = l->shape[l->lead], w = l->shape[l->lead + 1], channels = l->width / (h * w);
  gb_move m = gb_symmetry_draw(d->symmetries, seed, number, step, h, w);
  bool plain = l->type == GB_H5_F32;
  if (!plain) decode(d, stored, d->still);
  gb_symmetry_move(&m, h, w, channels, d->scratch, plain ? stored : d->still, x);
}

/* Places of rows of a training batch. */
static void list_batch(const gb_dataset *d, uint64_t seed, uint64_t step, size_t batch, size_t first, size_t n,
                       uint64_t at[])
{
  gb_dataset_batch(d, seed, step, batch, first, n, at);
  for (size_t i = 0; i < n; i++) at[i] = d->row[GB_TRAIN][at[i]];
}

gb_err gb_dataset_ahead(gb_dataset *d, uint64_t seed, size_t batch, size_t first, size_t n)
{
  if (d->x) return GB_OK;
  if (d->next.state == READING) GB_TRY(gb_h5_read_wait(d->file));
  d->now.state = d->next.state = EMPTY;
  d->seed = seed;
  d->batch = batch;
  d->first = first;
  d->mine = n;
  GB_TRY(make_room(d, &d->now, n));
  return make_room(d, &d->next, n);
}

/* Put the rows of `step` into d->now, and start on those of the next step. */
static gb_err turn_to(gb_dataset *d, uint64_t step)
{
  if (d->now.state == FULL && d->now.step == step) return GB_OK;
  bool was_reading = d->next.state == READING;
  d->now.state = EMPTY;
  d->next.state = EMPTY;
  if (was_reading) GB_TRY(gb_h5_read_wait(d->file));
  if (was_reading && d->next.step == step) {
    shelf kept = d->now;
    d->now = d->next;
    d->next = kept;
    GB_TRY(verify_shelf(d, &d->now));
  } else {
    list_batch(d, d->seed, step, d->batch, d->first, d->mine, d->now.list);
    GB_TRY(read_list(d, &d->now, d->mine));
  }
  d->now.step = step;
  d->now.state = FULL;
  list_batch(d, d->seed, step + 1, d->batch, d->first, d->mine, d->next.list);
  gb_h5_want w = plan_reading(d, &d->next, d->mine);
  gb_h5_read_start(d->file, &w);
  d->next.step = step + 1;
  d->next.state = READING;
  return GB_OK;
}

gb_err gb_dataset_training(gb_dataset *d, uint64_t seed, uint64_t step, size_t batch, size_t first, size_t n, float *x)
{
  bool ahead = d->mine && seed == d->seed && batch == d->batch && first >= d->first && first + n <= d->first + d->mine;
  shelf *s = ahead ? &d->now : &d->one;
  size_t skip = ahead ? first - d->first : 0;
  if (ahead) {
    GB_TRY(turn_to(d, step));
  } else if (!d->x) {
    GB_TRY(make_room(d, s, n));
    list_batch(d, seed, step, batch, first, n, s->list);
    GB_TRY(read_list(d, s, n));
  }
  for (size_t i = 0, m; i < n; i += m) {
    uint64_t at[128];
    m = n - i < 128 ? n - i : 128;
    if (d->x) list_batch(d, seed, step, batch, first + i, m, at);
    for (size_t k = 0; k < m; k++)
      deliver(d, d->x ? held_row(d, at[k]) : on_shelf(d, s, skip + i + k), seed, step, first + i + k,
              x + (i + k) * d->layout.width);
  }
  return GB_OK;
}

size_t gb_dataset_temperature_of(const gb_dataset *d, gb_split split, uint64_t row)
{
  GB_ASSERT(d->layout.n_T);
  return d->row[split][row] / (d->layout.shape[1] * d->layout.shape[2]);
}

void gb_dataset_batch(const gb_dataset *d, uint64_t seed, uint64_t step, size_t batch, size_t first, size_t n,
                      uint64_t row[])
{
  uint64_t rows = d->n_rows[GB_TRAIN];
  for (size_t i = 0, m; i < n; i += m) { /* an epoch at a time */
    uint64_t position = step * batch + first + i, epoch = position / rows, at = position % rows;
    m = n - i < rows - at ? n - i : rows - at;
    gb_rng_permute_range(gb_rng_key(seed, GB_RNG_SHUFFLE, 0, epoch), rows, at, m, row + i);
  }
}

size_t gb_dataset_bytes(const gb_dataset *d)
{
  size_t rows = d->one.room + d->now.room + d->next.room;
  const gb_layout *l = &d->layout;
  size_t tables = l->n * (sizeof **d->row + (l->place ? sizeof *l->place : 0) + (l->hash ? sizeof *l->hash : 0));
  return tables + (d->x ? l->n * stored_bytes(d) / (size_t)d->here.size : rows * stored_bytes(d));
}

bool gb_dataset_has_truth(const gb_dataset *d, const char *name)
{
  char path[128];
  snprintf(path, sizeof path, "/truth/%s", name);
  return gb_h5_has(d->file, path);
}

gb_err gb_dataset_truth(gb_dataset *d, gb_split split, const char *name, double *out)
{
  char path[128];
  double *all = NULL;
  snprintf(path, sizeof path, "/truth/%s", name);
  GB_CHECK(gb_dataset_has_truth(d, name), GB_ERR_IO,
           "%s: there is no %s: whoever made the data did not know or tell it", d->path, path);
  GB_TRY(gb_new(&all, d->layout.n));
  gb_err e = gb_h5_read_all(d->file, path, GB_H5_F64, d->layout.n, all);
  for (size_t i = 0; i < d->n_rows[split] && !e; i++) out[i] = all[d->row[split][i]];
  gb_free(&all);
  return e;
}

const char *gb_dataset_note(const gb_dataset *d)
{
  return d->layout.note;
}

uint64_t gb_dataset_fingerprint(const gb_dataset *d)
{
  return d->layout.fingerprint;
}
