/* report/classes.c - passes over the training and the test split, a classifier, what its classes are like. */
#include "report/classes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "linalg/logistic.h"
#include "report/wave.h"

enum { SSE, SUM, SQUARE, RIPPLE, COLUMNS }; /* of the table of the test rows; then latents */

typedef struct work {
  gb_comm c;
  gb_trained *m;
  gb_dataset *data;
  gb_classes *k;
  gb_split split;
  size_t rows, width, frames, seen, latents;
  double *table; /* [test rows, COLUMNS] */
  double *mean;  /* [rows of the split, latents] */
  double *curve;
  uint64_t *row;
  float *x, *exact;
} work;

static gb_hybrid *hybrid(const work *w)
{
  return w->m->built.hybrid;
}

static void sizes_of(const gb_hybrid_view *v, size_t n[3], const gb_real *z[3])
{
  n[0] = v->n_parameter;
  n[1] = v->n_inside;
  n[2] = v->n_after;
  z[0] = v->theta;
  z[1] = v->inside;
  z[2] = v->after;
}

/* Which number of a frame is looked at. */
static size_t component(const work *w, size_t frame)
{
  return frame * w->seen + w->seen / 2;
}

/* --- latents of all rows, errors of the test rows */

/* The truth of a row, if all that was drawn is known. */
static bool truth_of(const work *w, size_t row, double *truth)
{
  int n;
  const gb_factors *f = &w->k->factors;
  gb_sim_truth(&w->m->sim, &n);
  if (f->n != (size_t)n || !w->m->sim.kind->simulator->exact) return false;
  for (size_t j = 0; j < f->n; j++) truth[j] = f->of[j].value[row];
  return true;
}

static gb_err errors(work *w, size_t i, size_t row, const gb_real *y)
{
  double *t = w->table + row * COLUMNS, truth[GB_MOST_FACTORS], mean = 0, square = 0;
  const float *x = w->x + i * w->width, *against = x;
  for (size_t k = 0; k < w->width; k++) {
    double v = (double)x[k], d = (double)y[k] - v;
    t[SSE] += d * d;
    t[SUM] += v;
    t[SQUARE] += v * v;
  }
  if (truth_of(w, row, truth)) {
    GB_TRY(w->m->sim.kind->simulator->exact(w->m->sim.self, truth, w->frames, w->exact));
    against = w->exact;
  }
  size_t half = w->frames / 2;
  double n = (double)(w->frames - half);
  for (size_t f = 0; f < w->frames; f++) w->curve[f] = (double)against[component(w, f)];
  for (size_t f = half; f < w->frames; f++) mean += ((double)y[component(w, f)] - w->curve[f]) / n;
  for (size_t f = half; f < w->frames; f++) square += pow((double)y[component(w, f)] - w->curve[f] - mean, 2) / n;
  t[RIPPLE] = sqrt(square) / gb_wave_range(w->frames, w->curve);
  return GB_OK;
}

static gb_err infer(work *w, size_t first, size_t n)
{
  size_t size[3], at;
  const gb_real *z[3];
  for (size_t i = 0; i < n; i++) w->row[i] = first + i;
  GB_TRY(gb_dataset_read(w->data, w->split, n, w->row, w->x));
  GB_TRY(gb_hybrid_infer(hybrid(w), n, first, w->x));
  gb_hybrid_view v = gb_hybrid_look(hybrid(w));
  sizes_of(&v, size, z);
  for (size_t i = 0; i < n; i++) {
    double *mean = w->mean + (first + i) * w->latents;
    at = 0;
    for (int p = 0; p < 3; p++)
      for (size_t j = 0; j < size[p]; j++) mean[at++] = (double)z[p][i * size[p] + j];
    if (w->split == GB_TEST) GB_TRY(errors(w, i, first + i, v.decode[GB_DECODE_PAB] + i * w->width));
  }
  return GB_OK;
}

/* Pass k belongs to rank k mod size. */
static gb_err infer_all(work *w, gb_split split, double **mean)
{
  size_t total = gb_dataset_rows(w->data, split);
  gb_err e = gb_new(mean, total * w->latents);
  w->split = split;
  w->mean = *mean;
  for (size_t first = (size_t)w->c.rank * w->rows; first < total && !e; first += (size_t)w->c.size * w->rows)
    e = infer(w, first, total - first < w->rows ? total - first : w->rows);
  GB_TRY(gb_comm_agree(w->c, e));
  gb_comm_merge(w->c, *mean, total * w->latents);
  return GB_OK;
}

/* --- the classifier: for each class a plane that parts it from all others; a row belongs where its score is greatest
 */

typedef struct planes {
  double shift[64], scale[64]; /* latents have mean 0 and variance 1 over the training rows */
  double w[GB_MOST_CLASSES][65];
} planes;

static void standardise(size_t n, size_t m, double *x, const planes *p)
{
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < m; j++) x[i * m + j] = (x[i * m + j] - p->shift[j]) * p->scale[j];
}

static void find_scales(size_t n, size_t m, const double *x, planes *p)
{
  for (size_t j = 0; j < m; j++) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) mean += x[i * m + j] / (double)n;
    for (size_t i = 0; i < n; i++) square += pow(x[i * m + j] - mean, 2) / (double)n;
    p->shift[j] = mean;
    p->scale[j] = square > 0 ? 1 / sqrt(square) : 0;
  }
}

static size_t class_of(const planes *p, size_t classes, size_t m, const double *x)
{
  size_t best = 0;
  for (size_t k = 1; k < classes; k++)
    if (gb_logistic_score(m, x, p->w[k]) > gb_logistic_score(m, x, p->w[best])) best = k;
  return best;
}

/* The part of rows that is found; of each class, if wanted. */
static double judge(const planes *p, size_t classes, size_t n, size_t m, const double *x, const double *truth,
                    gb_class *of)
{
  double right = 0;
  for (size_t i = 0; i < n; i++) {
    size_t is = (size_t)truth[i];
    if (class_of(p, classes, m, x + i * m) != is) continue;
    right++;
    if (of) of[is].recall += 1 / (double)of[is].n;
  }
  return right / (double)n;
}

/* x are changed: standardised. */
static gb_err fit(size_t classes, size_t n, size_t m, double *x, const double *truth, double ridge, planes *p)
{
  bool *yes = NULL;
  gb_err e = gb_new(&yes, n);
  find_scales(n, m, x, p);
  standardise(n, m, x, p);
  for (size_t k = 0; k < classes && !e; k++) {
    for (size_t i = 0; i < n; i++) yes[i] = (size_t)truth[i] == k;
    e = gb_logistic_fit(n, m, x, yes, ridge, p->w[k]);
  }
  gb_free(&yes);
  return e;
}

static gb_err is_class(size_t n, const double *v, const char *name)
{
  for (size_t i = 0; i < n; i++)
    GB_CHECK(v[i] >= 0 && v[i] < GB_MOST_CLASSES && v[i] <= floor(v[i]), GB_ERR_CONFIG,
             "report.class = %s: %g is no class; classes are 0 ... %d. Name a truth that has such values.", name, v[i],
             GB_MOST_CLASSES - 1);
  return GB_OK;
}

static gb_err classify(work *w, double *x)
{
  gb_classes *k = w->k;
  const gb_factor *f = &k->factors.of[k->factor];
  size_t n = gb_dataset_rows(w->data, GB_TRAIN), m = w->latents;
  double *truth = NULL, *test = NULL;
  planes *p = NULL;
  gb_err e = gb_new(&truth, n);
  if (!e) e = gb_new(&test, k->rows * m);
  if (!e) e = gb_new(&p, 1);
  if (!e) e = gb_dataset_truth(w->data, GB_TRAIN, f->name, truth);
  if (!e) e = is_class(n, truth, f->name);
  if (!e) e = fit(k->n, n, m, x, truth, k->ridge, p);
  if (!e) {
    k->training_accuracy = judge(p, k->n, n, m, x, truth, NULL);
    memcpy(test, k->mean, k->rows * m * sizeof *test);
    standardise(k->rows, m, test, p);
    k->accuracy = judge(p, k->n, k->rows, m, test, f->value, k->of);
  }
  gb_free(&truth);
  gb_free(&test);
  gb_free(&p);
  return e;
}

/* --- numbers of each class */

static int ascending(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static gb_err describe_class(const work *w, size_t which)
{
  gb_class *of = &w->k->of[which];
  const double *is = w->k->factors.of[w->k->factor].value;
  double sum[COLUMNS] = {0}, *ripple = NULL;
  size_t n = 0;
  GB_TRY(gb_new(&ripple, of->n));
  for (size_t i = 0; i < w->k->rows; i++) {
    if ((size_t)is[i] != which) continue;
    for (int q = 0; q < COLUMNS; q++) sum[q] += w->table[i * COLUMNS + (size_t)q];
    ripple[n++] = w->table[i * COLUMNS + RIPPLE];
  }
  of->r2 = gb_wave_r2((double)(n * w->width), sum[SSE], sum[SUM], sum[SQUARE]);
  of->ripple_mean = of->ripple_95 = of->ripple_most = NAN;
  qsort(ripple, n, sizeof *ripple, ascending);
  if (n) {
    of->ripple_mean = sum[RIPPLE] / (double)n;
    of->ripple_95 = ripple[(n - 1) * 95 / 100];
    of->ripple_most = ripple[n - 1];
  }
  gb_free(&ripple);
  return GB_OK;
}

/* --- paths */

static void sum_up_paths(gb_classes *k)
{
  const gb_paths *apart = &k->paths[GB_PATH_APART];
  double n = (double)apart->n;
  k->trend = k->falling = k->kept = k->blended = k->steady = n > 0 ? 0 : NAN;
  for (size_t i = 0; i < apart->n; i++) {
    const gb_path *p = &apart->of[i];
    k->trend += p->trend / n;
    k->falling += (p->trend <= -0.9) / n;
    k->kept += (p->kept >= 0.6) / n;
    k->blended += (p->blended >= 0.6) / n;
    k->steady += (p->steady >= 0.6) / n;
  }
}

/* --- all of it */

/* The factor of this name; else, if none was asked for, the first of the usual ones that there is; else f->n. */
static gb_err find_factor(const gb_factors *f, const char *key, const char *name, const char *const usual[],
                          size_t *out)
{
  *out = gb_factors_find(f, name);
  GB_CHECK(!*name || *out < f->n, GB_ERR_CONFIG,
           "%s = %s: the data set has no such truth. Name one that greybox-describe physics lists, or none.", key,
           name);
  for (int i = 0; usual[i] && *out == f->n; i++) *out = gb_factors_find(f, usual[i]);
  return GB_OK;
}

static gb_err count_classes(gb_classes *k)
{
  const gb_factor *f = &k->factors.of[k->factor];
  GB_TRY(is_class(k->rows, f->value, f->name));
  for (size_t i = 0; i < k->rows; i++) {
    size_t is = (size_t)f->value[i];
    k->of[is].n++;
    if (is >= k->n) k->n = is + 1;
  }
  return GB_OK;
}

static gb_err open_work(work *w)
{
  double truth[GB_MOST_FACTORS];
  w->rows = w->m->built.model.rows;
  w->k->against_exact = truth_of(w, 0, truth);
  GB_CHECK(w->latents <= 64, GB_ERR_CONFIG, "report.class: at most 64 latents can be classified, not %zu", w->latents);
  GB_TRY(gb_new(&w->table, w->k->rows * COLUMNS));
  GB_TRY(gb_new(&w->curve, w->frames));
  GB_TRY(gb_new(&w->row, w->rows));
  GB_TRY(gb_new(&w->x, w->rows * w->width));
  GB_TRY(gb_new(&w->exact, w->width));
  return GB_OK;
}

static void close_work(work *w)
{
  gb_free(&w->table);
  gb_free(&w->curve);
  gb_free(&w->row);
  gb_free(&w->x);
  gb_free(&w->exact);
}

/* What paths are between. The frequency of a curve can only stay on its way to one that has none, so of behaviours
 * those that oscillate make one kind, and the others another. */
static void kinds_of(const gb_classes *k, double *kind)
{
  const gb_factor *f = &k->factors.of[k->factor];
  bool behaviours = !strcmp(f->name, "behaviour");
  for (size_t i = 0; i < k->rows; i++)
    kind[i] = behaviours ? gb_behaviour_oscillates((gb_behaviour)f->value[i]) : f->value[i];
}

static gb_err assess_paths(work *w)
{
  gb_classes *k = w->k;
  double *kind = NULL;
  gb_err e = GB_OK;
  GB_GOTO(e, gb_comm_agree(w->c, gb_new(&kind, k->rows)), done);
  kinds_of(k, kind);
  GB_GOTO(e, gb_paths_decode(w->c, w->m, w->data, k->mean, kind, false, &k->paths[GB_PATH_APART]), done);
  GB_GOTO(e,
          gb_paths_decode(w->c, w->m, w->data, k->mean, k->factors.of[k->factor].value, true, &k->paths[GB_PATH_ALIKE]),
          done);
  sum_up_paths(k);
done:
  gb_free(&kind);
  return e;
}

static gb_err assess(work *w)
{
  gb_classes *k = w->k;
  double *training = NULL;
  gb_err e = GB_OK;
  GB_GOTO(e, gb_comm_agree(w->c, open_work(w)), done);
  GB_GOTO(e, infer_all(w, GB_TRAIN, &training), done);
  GB_GOTO(e, infer_all(w, GB_TEST, &k->mean), done);
  gb_comm_merge(w->c, w->table, k->rows * COLUMNS);
  GB_GOTO(e, gb_comm_agree(w->c, classify(w, training)), done);
  for (size_t i = 0; i < k->n && !e; i++) e = describe_class(w, i);
  if (!e) e = gb_factors_compare(&k->factors, k->latents, k->mean, &k->compared);
  GB_GOTO(e, gb_comm_agree(w->c, e), done);
  GB_GOTO(e, assess_paths(w), done);
done:
  gb_free(&training);
  close_work(w);
  return e;
}

gb_err gb_classes_assess(gb_comm c, gb_trained *m, gb_dataset *data, const char *name, const char *colour,
                         gb_classes *out)
{
  static const char *const classes[] = {"behaviour", NULL}, *const colours[] = {"frequency", "period", NULL};
  const gb_dims *d = &m->sim.dims;
  gb_err e = GB_OK;
  *out = (gb_classes){0};
  if (m->sim.kind->image || !m->sim.kind->simulator || !m->built.model.latents) return GB_OK;
  out->ridge = 1;
  out->rows = gb_dataset_rows(data, GB_TEST);
  out->latents = m->built.model.latents;
  out->frames = d->frames;
  work w = {.c = c, .m = m, .data = data, .k = out, .width = d->n, .frames = d->frames, .seen = d->seen};
  w.latents = out->latents;
  GB_GOTO(e, gb_factors_read(c, &m->sim, data, &out->factors), done);
  e = find_factor(&out->factors, "report.class", name, classes, &out->factor);
  if (!e) e = find_factor(&out->factors, "report.factor", colour, colours, &out->colour);
  if (!e && out->factor < out->factors.n) e = count_classes(out);
  GB_GOTO(e, gb_comm_agree(c, e), done);
  if (out->n) e = assess(&w);
done:
  if (e) gb_classes_free(out);
  return e;
}

void gb_classes_free(gb_classes *k)
{
  gb_factors_free(&k->factors);
  gb_disentangled_free(&k->compared);
  gb_free(&k->mean);
  for (int i = 0; i < GB_PATH_KINDS; i++) gb_paths_free(&k->paths[i]);
  k->n = 0;
}
