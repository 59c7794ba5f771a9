/* learn/passes.c - a plan of passes, made once; the additions between them. */
#include "learn/passes.h"

#include "base/mem.h"
#include "base/watch.h"

enum { LEVELS = GB_TREE_BITS + 1 };

/* One forward and backward pass. Gradients of passes are added as a binary counter counts: what is complete is added to
 * the left half that waits on the level below. */
typedef struct pass {
  size_t part, level; /* where its gradient goes: level 0 is the part itself, the others are ours */
  size_t first, rows; /* in the batch */
  size_t shards;      /* pieces of it for the tree: gb_gradient.parts */
  size_t additions;   /* afterwards: level - 1 += level, and so on downwards */
  bool add;           /* goes on with the rows of a shard */
} pass;

struct gb_passes {
  gb_batch batch;
  const gb_model *model;
  gb_exchange *x;
  size_t n_weights, n;
  pass *pass;             /* [n] */
  gb_real *level[LEVELS]; /* [n_weights]; level[0] is not used */
  float *sample;          /* [batch.most, width] */
  double *label;          /* of all training rows; NULL: the model needs none */
  double *labels;         /* [batch.most] of the rows of a pass, */
  uint64_t *row;          /* [batch.most] which are these */
  size_t added_from;      /* in the last pass: elements from here on have been added */
};

static size_t power_of_two_below(size_t n)
{
  size_t p = 1;
  while (2 * p <= n) p *= 2;
  return p;
}

size_t gb_passes_rows(size_t shard_rows, size_t n_shards, size_t ranks, size_t most, bool fast)
{
  size_t share = (n_shards + ranks - 1) / ranks;
  if (!fast) share = power_of_two_below(share);
  if (!most || most >= share * shard_rows) return share * shard_rows;
  return most < shard_rows || fast ? most : power_of_two_below(most / shard_rows) * shard_rows;
}

/* Rows of a unit of the tree, and of a pass: units have whole shards, passes fill units. */
static void sizes(const gb_passes *p, gb_range part, size_t *unit, size_t *piece)
{
  size_t most = p->batch.most, shard = p->batch.shard_rows;
  bool fast = p->batch.fast;
  if (fast)
    *unit = part.count * shard;
  else if (most < shard)
    *unit = shard;
  else
    *unit = power_of_two_below(most / shard < part.count ? most / shard : part.count) * shard;
  *piece = fast && p->model->whole_shards ? shard : most < *unit ? most : *unit;
}

/* The passes of one part; only counts them while there is no room. */
static void plan_part(gb_passes *p, size_t number, gb_range part)
{
  size_t unit, piece, shard = p->batch.shard_rows;
  sizes(p, part, &unit, &piece);
  for (size_t u = 0; u < part.count * shard / unit; u++) {
    pass a = {.part = number, .shards = piece == unit && !p->batch.fast ? unit / shard : 1};
    for (size_t bits = u; bits; bits &= bits - 1) a.level++;
    for (size_t at = 0; at < unit; at += piece) {
      a.first = part.first * shard + u * unit + at;
      a.rows = unit - at < piece ? unit - at : piece;
      a.add = at > 0;
      for (size_t bits = u; at + a.rows == unit && bits & 1; bits >>= 1) a.additions++;
      if (p->pass) p->pass[p->n] = a;
      p->n++;
    }
  }
}

static void plan(gb_passes *p)
{
  size_t n_parts;
  const gb_range *part = gb_exchange_parts(p->x, &n_parts);
  p->n = 0;
  for (size_t i = 0; i < n_parts; i++) plan_part(p, i, part[i]);
}

/* Of a large data set, the rows of the next step come while one computes. */
static gb_err read_ahead(const gb_passes *p)
{
  const pass *first = p->pass, *last = p->pass + p->n - 1;
  if (!p->n) return GB_OK;
  return gb_dataset_ahead(p->batch.data, p->batch.seed, p->batch.rows, first->first,
                          last->first + last->rows - first->first);
}

gb_err gb_passes_create(const gb_batch *batch, const gb_model *model, size_t n_weights, gb_exchange *x, gb_passes **out)
{
  size_t levels = 0;
  *out = NULL;
  GB_CHECK(
      !model->whole_shards || batch->most >= batch->shard_rows, GB_ERR_CONFIG,
      "train.micro_batch = %zu is less than a shard, train.batch / train.shards = %zu samples, whose statistics the "
      "model needs. Raise train.micro_batch, or raise train.shards (a new run: results depend on it).",
      batch->most, batch->shard_rows);
  GB_TRY(gb_new(out, 1));
  gb_passes *p = *out;
  *p = (gb_passes){.batch = *batch, .model = model, .x = x, .n_weights = n_weights};
  plan(p);
  GB_TRY(gb_new(&p->pass, p->n));
  plan(p);
  for (size_t i = 0; i < p->n; i++) levels = p->pass[i].level > levels ? p->pass[i].level : levels;
  for (size_t l = 1; l <= levels; l++) GB_TRY(gb_new(&p->level[l], n_weights));
  GB_TRY(gb_new(&p->sample, batch->most * gb_dataset_width(batch->data)));
  GB_TRY(gb_model_labels(model, batch->data, GB_TRAIN, &p->label));
  GB_TRY(gb_new(&p->labels, batch->most));
  GB_TRY(gb_new(&p->row, batch->most));
  return read_ahead(p);
}

void gb_passes_destroy(gb_passes **p)
{
  if (!*p) return;
  gb_free(&(*p)->pass);
  for (int l = 0; l < LEVELS; l++) gb_free(&(*p)->level[l]);
  gb_free(&(*p)->sample);
  gb_free(&(*p)->label);
  gb_free(&(*p)->labels);
  gb_free(&(*p)->row);
  gb_free(p);
}

static gb_real *place(gb_passes *p, const pass *a, size_t level)
{
  return level ? p->level[level] : gb_exchange_gradient(p->x, a->part);
}

static void add(size_t n, const gb_real *restrict from, gb_real *restrict to)
{
  for (size_t i = 0; i < n; i++) to[i] += from[i];
}

/* The additions that follow a pass, for elements [first, end). */
static void add_levels(gb_passes *p, const pass *a, size_t first, size_t end)
{
  for (size_t k = 0; k < a->additions; k++)
    add(end - first, place(p, a, a->level - k) + first, place(p, a, a->level - k - 1) + first);
}

/* During the last pass: elements from `first` on are final, once they are added. */
static void done(void *self, size_t first)
{
  gb_passes *p = self;
  if (first < p->added_from) {
    add_levels(p, &p->pass[p->n - 1], first, p->added_from);
    p->added_from = first;
  }
  gb_exchange_passed(p->x, first);
}

static void tell_labels(gb_passes *p, const pass *a, uint64_t step)
{
  gb_dataset_batch(p->batch.data, p->batch.seed, step, p->batch.rows, a->first, a->rows, p->row);
  for (size_t r = 0; r < a->rows; r++) p->labels[r] = p->label[p->row[r]];
  p->model->take_labels(p->model->self, a->rows, p->labels);
}

static gb_err one(gb_passes *p, const pass *a, uint64_t step, const double *weight, double *sum, gb_times *times)
{
  const gb_model *m = p->model;
  const double *term[GB_MOST_TERMS];
  bool overlap = a == &p->pass[p->n - 1] && gb_exchange_overlaps(p->x);
  gb_gradient g = {.block = place(p, a, a->level), .parts = a->shards, .add = a->add};
  GB_TRY(gb_dataset_training(p->batch.data, p->batch.seed, step, p->batch.rows, a->first, a->rows, p->sample));
  if (p->label) tell_labels(p, a, step);
  gb_times_end(times, GB_TIME_DATA);
  GB_TRY(m->forward(m->self, a->rows, a->shards, p->sample, (gb_pass){step, a->first, true}, term));
  for (size_t r = 0; r < a->rows; r++) {
    double *s = sum + (a->first + r) / p->batch.shard_rows * (size_t)m->n_terms;
    bool first = (a->first + r) % p->batch.shard_rows == 0;
    for (int k = 0; k < m->n_terms; k++) s[k] = (first ? 0 : s[k]) + (term[k] ? term[k][r] : 0);
  }
  gb_times_end(times, GB_TIME_FORWARD);
  p->added_from = p->n_weights;
  if (overlap) {
    g.done = done;
    g.ctx = p;
  }
  GB_TRY(m->backward(m->self, weight, &g));
  add_levels(p, a, 0, p->added_from);
  gb_times_end(times, GB_TIME_BACKWARD);
  return GB_OK;
}

gb_err gb_passes_run(gb_passes *p, uint64_t step, const double *weight, double *sum, gb_times *times)
{
  for (size_t i = 0; i < p->n; i++) {
    GB_TRY(one(p, &p->pass[i], step, weight, sum, times));
    GB_BEAT();
  }
  return GB_OK;
}
