/* report/what_if.c - decodes at other values of a parameter, what they do, and what the generator says. */
#include "report/what_if.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim/curve.h"

enum { DEFAULT_VALUES = 7, SEEN = 3 }; /* SEEN: standard deviations of the noise */

typedef struct work {
  gb_comm c;
  gb_trained *m;
  gb_dataset *data;
  const double *truth;
  gb_what_if *out;
  size_t n, n_truth, rows, frames, seen, width, columns;
  double *table;      /* [test rows, columns] behaviours: of the generator's own curve and at each value; decoded */
  double *square;     /* [test rows] noise */
  double *curve, *z;  /* [frames]; [n_truth] */
  float *x, *exact;   /* [rows, width]; [width] */
  uint64_t *row;      /* [rows] */
  gb_real *latent[2]; /* [rows, ...] parameters, or if there are none: what is decoded; as it was inferred */
  size_t n_latent;    /* inside and after, of a model without parameters */
  size_t n_train;
  double *at, *mean; /* [n_train] the parameter, ascending; [n_train, n_latent] latents in this order */
} work;

static gb_hybrid *hybrid(const work *w)
{
  return w->m->built.hybrid;
}

static bool has_law(const work *w)
{
  return gb_hybrid_look(hybrid(w)).n_parameter > 0;
}

/* --- latents that go with a value of the parameter, on average */

/* The first training row whose value is not below this one. */
static size_t place_of(const work *w, double value)
{
  size_t low = 0, high = w->n_train;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (w->at[middle] < value)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* Mean latents of the training rows whose value is nearest: a hundredth of them. */
static void typical(const work *w, double value, double *out)
{
  size_t n = w->n_train, count = n / 100 + 1, first = place_of(w, value), end = first;
  while (end - first < count)
    if (end == n || (first > 0 && value - w->at[first - 1] <= w->at[end] - value))
      first--;
    else
      end++;
  for (size_t j = 0; j < w->n_latent; j++) {
    out[j] = 0;
    for (size_t i = first; i < end; i++) out[j] += w->mean[i * w->n_latent + j] / (double)count;
  }
}

typedef struct order {
  double value;
  size_t row;
} order;

static int ascending(const void *a, const void *b)
{
  const order *x = a, *y = b;
  if (x->value < y->value || x->value > y->value) return x->value < y->value ? -1 : 1;
  return x->row < y->row ? -1 : 1;
}

/* The latents of a model without parameters, of row i of the last pass. */
static gb_real latent_of(const gb_hybrid_view *v, size_t i, size_t j)
{
  return j < v->n_inside ? v->inside[i * v->n_inside + j] : v->after[i * v->n_after + j - v->n_inside];
}

static gb_err infer(work *w, gb_split split, size_t first, size_t n)
{
  for (size_t i = 0; i < n; i++) w->row[i] = first + i;
  GB_TRY(gb_dataset_read(w->data, split, n, w->row, w->x));
  return gb_hybrid_infer(hybrid(w), n, first, w->x);
}

static gb_err learn_typical(work *w)
{
  size_t n = w->n_train, m = w->n_latent;
  double *mean = NULL, *value = NULL;
  order *by = NULL;
  gb_err e = gb_new(&mean, n * m);
  if (!e) e = gb_new(&value, n);
  if (!e) e = gb_new(&by, n);
  if (!e) e = gb_new(&w->at, n);
  if (!e) e = gb_new(&w->mean, n * m);
  if (!e) e = gb_dataset_truth(w->data, GB_TRAIN, gb_sim_parameters(&w->m->sim)[0].name, value);
  for (size_t first = (size_t)w->c.rank * w->rows; first < n && !e; first += (size_t)w->c.size * w->rows) {
    size_t some = n - first < w->rows ? n - first : w->rows;
    e = infer(w, GB_TRAIN, first, some);
    if (e) break;
    gb_hybrid_view v = gb_hybrid_look(hybrid(w));
    for (size_t i = 0; i < some; i++)
      for (size_t j = 0; j < m; j++) mean[(first + i) * m + j] = (double)latent_of(&v, i, j);
  }
  GB_GOTO(e, gb_comm_agree(w->c, e), done);
  gb_comm_merge(w->c, mean, n * m);
  for (size_t i = 0; i < n; i++) by[i] = (order){value[i], i};
  qsort(by, n, sizeof *by, ascending);
  for (size_t i = 0; i < n; i++) {
    w->at[i] = by[i].value;
    memcpy(w->mean + i * m, mean + by[i].row * m, m * sizeof *mean);
  }
done:
  gb_free(&mean);
  gb_free(&value);
  gb_free(&by);
  return e;
}

/* --- decodes */

static void keep_latents(work *w, size_t n)
{
  gb_hybrid_view v = gb_hybrid_look(hybrid(w));
  if (v.n_parameter) {
    memcpy(w->latent[1], v.theta, n * v.n_parameter * sizeof *v.theta);
    return;
  }
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < w->n_latent; j++) w->latent[1][i * w->n_latent + j] = latent_of(&v, i, j);
}

static gb_err decode_law(work *w, size_t n, double value)
{
  size_t m = gb_hybrid_look(hybrid(w)).n_parameter;
  memcpy(w->latent[0], w->latent[1], n * m * sizeof *w->latent[0]);
  for (size_t i = 0; i < n; i++) w->latent[0][i * m] = (gb_real)value;
  return gb_hybrid_decode(hybrid(w), n, w->x, w->latent[0], NULL, NULL);
}

/* From the true value, which is more than such a model can know. */
static gb_err decode_moved(work *w, size_t first, size_t n, double value)
{
  size_t m = w->n_latent, inside = gb_hybrid_look(hybrid(w)).n_inside;
  double from[2 * 1024], to[2 * 1024]; /* the most that hybrid.latent_inside and latent_after allow */
  typical(w, value, to);
  for (size_t i = 0; i < n; i++) {
    typical(w, w->truth[(first + i) * w->n_truth], from);
    for (size_t j = 0; j < m; j++) {
      size_t place = j < inside ? i * inside + j : n * inside + i * (m - inside) + j - inside;
      w->latent[0][place] = (gb_real)((double)w->latent[1][i * m + j] + to[j] - from[j]);
    }
  }
  return gb_hybrid_decode(hybrid(w), n, w->x, NULL, w->latent[0], w->latent[0] + n * inside);
}

static double behaviour(work *w, double *keep)
{
  if (keep) memcpy(keep, w->curve, w->frames * sizeof *keep);
  gb_curve c = gb_curve_describe_above(w->frames, 1, w->curve, w->m->sim.dims.frame_time, SEEN * w->out->noise);
  return c.behaviour;
}

static double behaviour_of_decode(work *w, size_t i, double *keep)
{
  const gb_real *y = gb_hybrid_look(hybrid(w)).decode[GB_DECODE_PAB] + i * w->width;
  for (size_t f = 0; f < w->frames; f++) w->curve[f] = (double)y[f * w->seen];
  return behaviour(w, keep);
}

/* Of a row's truth with this value of the parameter. */
static gb_err generate(work *w, size_t row, double value)
{
  memcpy(w->z, w->truth + row * w->n_truth, w->n_truth * sizeof *w->z);
  w->z[0] = value;
  GB_TRY(w->m->sim.kind->simulator->exact(w->m->sim.self, w->z, w->frames, w->exact));
  for (size_t f = 0; f < w->frames; f++) w->curve[f] = (double)w->exact[f * w->seen];
  return GB_OK;
}

static double own_value(const work *w, size_t row)
{
  return w->truth[row * w->n_truth];
}

static gb_err find_noise(work *w, size_t first, size_t n)
{
  for (size_t i = 0; i < n; i++) w->row[i] = first + i;
  GB_TRY(gb_dataset_read(w->data, GB_TEST, n, w->row, w->x));
  for (size_t i = 0; i < n; i++) {
    GB_TRY(generate(w, first + i, own_value(w, first + i)));
    for (size_t k = 0; k < w->width; k++)
      w->square[first + i] += pow((double)w->x[i * w->width + k] - (double)w->exact[k], 2) / (double)w->width;
  }
  return GB_OK;
}

/* A decode that diverges behaves like nothing. */
static gb_err value_pass(work *w, size_t first, size_t n, size_t which)
{
  gb_what_if *o = w->out;
  double value = o->value[which];
  gb_err diverged = has_law(w) ? decode_law(w, n, value) : decode_moved(w, first, n, value);
  if (diverged && diverged != GB_ERR_NUMERIC) return diverged;
  if (diverged) gb_err_clear();
  for (size_t i = 0; i < n; i++) {
    double *t = w->table + (first + i) * w->columns;
    bool shown = first + i == 0;
    t[o->n + 2 + which] =
        diverged ? GB_BEHAVIOURS : behaviour_of_decode(w, i, shown ? o->decode + which * w->frames : NULL);
    GB_TRY(generate(w, first + i, value));
    t[1 + which] = behaviour(w, shown ? o->exact + which * w->frames : NULL);
  }
  return GB_OK;
}

static gb_err test_pass(work *w, size_t first, size_t n)
{
  GB_TRY(infer(w, GB_TEST, first, n));
  keep_latents(w, n);
  for (size_t i = 0; i < n; i++) {
    double *t = w->table + (first + i) * w->columns;
    t[w->out->n + 1] = behaviour_of_decode(w, i, NULL);
    GB_TRY(generate(w, first + i, own_value(w, first + i)));
    t[0] = behaviour(w, NULL);
  }
  for (size_t k = 0; k < w->out->n; k++) GB_TRY(value_pass(w, first, n, k));
  return GB_OK;
}

/* Pass k belongs to rank k mod size. */
static gb_err each_pass(work *w, gb_err (*body)(work *w, size_t first, size_t n))
{
  gb_err e = GB_OK;
  for (size_t first = (size_t)w->c.rank * w->rows; first < w->n && !e; first += (size_t)w->c.size * w->rows)
    e = body(w, first, w->n - first < w->rows ? w->n - first : w->rows);
  return gb_comm_agree(w->c, e);
}

static bool same(double a, double b)
{
  return fabs(a - b) < 0.5;
}

static void sum_up(work *w, gb_what_if_numbers *s)
{
  gb_what_if *o = w->out;
  double right = 0, across = 0;
  s->own = s->all = s->across = 0;
  for (size_t k = 0; k < o->n; k++) s->of[k] = 0;
  for (size_t i = 0; i < w->n; i++) {
    const double *is = w->table + i * w->columns, *decoded = is + o->n + 1;
    s->own += same(is[0], decoded[0]) / (double)w->n;
    for (size_t k = 1; k <= o->n; k++) {
      bool hit = same(is[k], decoded[k]), crosses = !same(is[k], is[0]);
      s->of[k - 1] += hit / (double)w->n;
      right += hit;
      across += hit && crosses;
      o->crossings += crosses;
    }
  }
  s->all = right / (double)(w->n * o->n);
  s->across = o->crossings ? across / (double)o->crossings : NAN;
}

static gb_err choose_values(const work *w, gb_reals values, gb_what_if *o)
{
  const gb_dims *d = &w->m->sim.dims;
  GB_CHECK(values.n <= GB_WHAT_IFS, GB_ERR_CONFIG, "report.what_if has %zu values; at most %d can be asked", values.n,
           GB_WHAT_IFS);
  o->n = values.n ? values.n : DEFAULT_VALUES;
  for (size_t k = 0; k < o->n; k++)
    o->value[k] = values.n ? values.v[k] : d->low[0] + (d->high[0] - d->low[0]) * (double)k / (DEFAULT_VALUES - 1);
  return GB_OK;
}

static gb_err open_work(work *w, gb_reals values)
{
  gb_hybrid_view v = gb_hybrid_look(hybrid(w));
  GB_TRY(choose_values(w, values, w->out));
  w->columns = 2 * (w->out->n + 1);
  w->n_latent = v.n_parameter ? 0 : v.n_inside + v.n_after;
  size_t latents = v.n_parameter ? v.n_parameter : w->n_latent;
  GB_TRY(gb_new(&w->table, w->n * w->columns));
  GB_TRY(gb_new(&w->square, w->n));
  GB_TRY(gb_new(&w->curve, w->frames));
  GB_TRY(gb_new(&w->z, w->n_truth));
  GB_TRY(gb_new(&w->x, w->rows * w->width));
  GB_TRY(gb_new(&w->exact, w->width));
  GB_TRY(gb_new(&w->row, w->rows));
  for (int k = 0; k < 2; k++) GB_TRY(gb_new(&w->latent[k], w->rows * latents));
  GB_TRY(gb_new(&w->out->decode, w->out->n * w->frames));
  return gb_new(&w->out->exact, w->out->n * w->frames);
}

static void close_work(work *w)
{
  gb_free(&w->table);
  gb_free(&w->square);
  gb_free(&w->curve);
  gb_free(&w->z);
  gb_free(&w->x);
  gb_free(&w->exact);
  gb_free(&w->row);
  for (int k = 0; k < 2; k++) gb_free(&w->latent[k]);
  gb_free(&w->at);
  gb_free(&w->mean);
}

static gb_err assess(work *w, gb_reals values, gb_what_if_numbers *number)
{
  gb_what_if *o = w->out;
  GB_TRY(gb_comm_agree(w->c, open_work(w, values)));
  if (!has_law(w)) GB_TRY(learn_typical(w));
  GB_TRY(each_pass(w, find_noise));
  gb_comm_merge(w->c, w->square, w->n);
  for (size_t i = 0; i < w->n; i++) o->noise += w->square[i] / (double)w->n;
  o->noise = sqrt(o->noise);
  GB_TRY(each_pass(w, test_pass));
  gb_comm_merge(w->c, w->table, w->n * w->columns);
  gb_comm_merge(w->c, o->decode, o->n * w->frames);
  gb_comm_merge(w->c, o->exact, o->n * w->frames);
  sum_up(w, number);
  return GB_OK;
}

/* Is behaviour told, and is there a parameter and something to change? */
static bool can_ask(const gb_trained *m)
{
  const gb_physics *k = m->sim.kind;
  bool labels = false;
  int n = 0;
  if (!k->dynamics || !k->simulator || !k->simulator->exact || !m->sim.dims.n_parameter) return false;
  const gb_var *truth = gb_sim_truth(&m->sim, &n);
  for (int j = 0; j < n; j++) labels = labels || !strcmp(truth[j].name, "behaviour");
  return labels && m->built.model.latents;
}

gb_err gb_what_if_assess(gb_comm c, gb_trained *m, gb_dataset *data, const double *truth, gb_reals values,
                         gb_what_if *out, gb_what_if_numbers *number)
{
  const gb_dims *d = &m->sim.dims;
  int n_truth = 0;
  *out = (gb_what_if){.frames = d->frames};
  if (!truth || !can_ask(m)) return GB_OK;
  gb_sim_truth(&m->sim, &n_truth);
  work w = {.c = c,
            .m = m,
            .data = data,
            .truth = truth,
            .out = out,
            .n = gb_dataset_rows(data, GB_TEST),
            .n_train = gb_dataset_rows(data, GB_TRAIN),
            .n_truth = (size_t)n_truth,
            .rows = m->built.model.rows,
            .frames = d->frames,
            .seen = d->seen,
            .width = d->n};
  gb_err e = assess(&w, values, number);
  close_work(&w);
  if (e) gb_what_if_free(out);
  return e;
}

void gb_what_if_free(gb_what_if *w)
{
  gb_free(&w->decode);
  gb_free(&w->exact);
  w->n = 0;
}
