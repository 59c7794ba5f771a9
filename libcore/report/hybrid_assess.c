/* report/hybrid_assess.c - passes over the test split, with its parameters as they are and changed, and beyond its end.
 */
#include "report/hybrid_assess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

const double gb_scale[GB_SCALES] = {0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 2.5, 3};
const int gb_horizon[GB_HORIZONS] = {1, 2, 4, 8, 12, 20};

enum { PER_SAMPLE = 10, LONG_ROWS = 32 }; /* points of the curve of errors; rows of a pass over long trajectories */
enum { SSE, ABS, THETA };                 /* columns of the table of a row; parameters, then errors of both kinds */

/* Work is cut into passes of the model's size; pass k belongs to rank k mod size. What a pass needs: */
typedef struct pass {
  gb_comm c;
  gb_trained *m;
  gb_dataset *data;
  const gb_hybrid_assess_opts *o;
  gb_hybrid_assessment *a;
  bool scales; /* are there counterfactuals? */
  size_t rows, n_truth, columns;
  double *truth; /* [test rows, n_truth] all that was drawn; NULL: not known */
  double *table; /* [test rows, columns] */
  uint64_t *row;
  float *x, *exact;
  gb_real *theta, *inside, *after; /* [rows, ...] */
} pass;

static gb_hybrid *hybrid(const pass *p)
{
  return p->m->built.hybrid;
}

/* What is drawn for a row, by name: how many numbers, 0 without a simulator. */
static size_t drawn(const gb_trained *m, const gb_var **truth)
{
  int n = 0;
  if (m->sim.kind->simulator) *truth = gb_sim_truth(&m->sim, &n);
  return (size_t)n;
}

/* The truth behind the test rows, if the file tells it all. */
static gb_err load_truth(pass *p)
{
  const gb_var *truth = NULL;
  size_t n = p->a->n, n_truth = drawn(p->m, &truth);
  double *column;
  for (size_t j = 0; j < n_truth; j++)
    if (!gb_dataset_has_truth(p->data, truth[j].name)) return GB_OK;
  if (!n_truth) return GB_OK;
  GB_TRY(gb_new(&p->truth, n * n_truth));
  GB_TRY(gb_new(&column, n));
  gb_err e = GB_OK;
  for (size_t j = 0; j < n_truth && !e; j++) {
    e = gb_dataset_truth(p->data, GB_TEST, truth[j].name, column);
    for (size_t i = 0; i < n && !e; i++) p->truth[i * n_truth + j] = column[i];
  }
  p->n_truth = n_truth;
  gb_free(&column);
  return e;
}

static bool has_generator(const pass *p)
{
  return p->truth && p->m->sim.kind->simulator->exact;
}

static bool is_global(const pass *p)
{
  gb_hybrid_opts o;
  gb_config_get(p->m->cfg, &gb_hybrid_schema, &o);
  return !strcmp(o.inference, "global");
}

static size_t frames_of(const pass *p)
{
  return p->m->sim.dims.frames;
}

static gb_err open_pass(pass *p, size_t frames)
{
  gb_hybrid_view v = gb_hybrid_look(hybrid(p));
  size_t seen = p->m->sim.dims.seen, width = p->a->width;
  p->rows = p->m->built.model.rows;
  GB_TRY(gb_new(&p->row, p->rows));
  GB_TRY(gb_new(&p->x, p->rows * width));
  GB_TRY(gb_new(&p->exact, frames * seen + width));
  GB_TRY(gb_new(&p->theta, 2 * p->rows * v.n_parameter));
  GB_TRY(gb_new(&p->inside, p->rows * v.n_inside));
  return gb_new(&p->after, p->rows * v.n_after);
}

static void close_pass(pass *p)
{
  gb_free(&p->row);
  gb_free(&p->x);
  gb_free(&p->exact);
  gb_free(&p->theta);
  gb_free(&p->inside);
  gb_free(&p->after);
}

/* Run my passes over `total` rows. */
static gb_err each_pass(pass *p, size_t total, gb_err (*body)(pass *p, size_t first, size_t n))
{
  gb_err e = GB_OK;
  for (size_t first = (size_t)p->c.rank * p->rows; first < total && !e; first += (size_t)p->c.size * p->rows)
    e = body(p, first, total - first < p->rows ? total - first : p->rows);
  return gb_comm_agree(p->c, e);
}

static gb_err infer(pass *p, size_t first, size_t n)
{
  for (size_t i = 0; i < n; i++) p->row[i] = first + i;
  GB_TRY(gb_dataset_read(p->data, GB_TEST, n, p->row, p->x));
  return gb_hybrid_infer(hybrid(p), n, first, p->x);
}

/* Keep the first rows for the eye. */
static void keep_examples(pass *p, size_t first, size_t n, const gb_hybrid_view *v)
{
  gb_hybrid_assessment *a = p->a;
  for (size_t i = 0; i < n && first + i < a->n_example; i++) {
    for (size_t k = 0; k < a->width; k++) a->sample[(first + i) * a->width + k] = (double)p->x[i * a->width + k];
    for (int d = 0; d < GB_DECODES; d++) {
      size_t w = a->decode_width[d];
      for (size_t k = 0; k < w; k++) a->decode[d][(first + i) * w + k] = (double)v->decode[d][i * w + k];
    }
  }
}

static double mean_error(size_t n, const gb_real *y, const float *exact)
{
  double sum = 0;
  for (size_t k = 0; k < n; k++) sum += fabs((double)y[k] - (double)exact[k]);
  return sum / (double)n;
}

/* Errors of one scale, against the generator with the inferred parameter and with the true one. */
static gb_err scaled_pass(pass *p, size_t first, size_t n, size_t which)
{
  const gb_simulator *s = p->m->sim.kind->simulator;
  size_t m = p->a->n_parameter, width = p->a->width;
  gb_real *scaled = p->theta + p->rows * m;
  memcpy(scaled, p->theta, n * m * sizeof *scaled);
  for (size_t i = 0; i < n; i++) scaled[i * m] = (gb_real)((double)p->theta[i * m] * gb_scale[which]);
  gb_err diverged = gb_hybrid_decode(hybrid(p), n, p->x, scaled, NULL, NULL);
  if (diverged && diverged != GB_ERR_NUMERIC) return diverged;
  if (diverged) gb_err_clear(); /* no failure of the report: infinity is the answer */
  gb_hybrid_view v = gb_hybrid_look(hybrid(p));
  for (size_t i = 0; i < n; i++) {
    double *truth = p->truth + (first + i) * p->n_truth, *error = p->table + (first + i) * p->columns + THETA + m;
    double here = truth[0];
    if (diverged) {
      error[which] = error[GB_SCALES + which] = INFINITY;
      continue;
    }
    truth[0] = (double)scaled[i * m];
    gb_err e = s->exact(p->m->sim.self, truth, frames_of(p), p->exact);
    truth[0] = here;
    GB_TRY(e);
    error[which] = mean_error(width, v.decode[GB_DECODE_PAB] + i * width, p->exact);
    truth[0] = here * gb_scale[which];
    e = s->exact(p->m->sim.self, truth, frames_of(p), p->exact);
    truth[0] = here;
    GB_TRY(e);
    error[GB_SCALES + which] = mean_error(width, v.decode[GB_DECODE_PAB] + i * width, p->exact);
  }
  return GB_OK;
}

static gb_err test_pass(pass *p, size_t first, size_t n)
{
  size_t width = p->a->width, m = p->a->n_parameter;
  GB_TRY(infer(p, first, n));
  gb_hybrid_view v = gb_hybrid_look(hybrid(p));
  for (size_t i = 0; i < n; i++) {
    double *row = p->table + (first + i) * p->columns;
    for (size_t k = 0; k < width; k++) {
      double d = (double)v.decode[GB_DECODE_PAB][i * width + k] - (double)p->x[i * width + k];
      row[SSE] += d * d;
      row[ABS] += fabs(d);
    }
    for (size_t j = 0; j < m; j++) row[THETA + j] = (double)v.theta[i * m + j];
  }
  keep_examples(p, first, n, &v);
  if (m) memcpy(p->theta, v.theta, n * m * sizeof *p->theta);
  for (size_t k = 0; k < GB_SCALES && p->scales; k++) GB_TRY(scaled_pass(p, first, n, k));
  return GB_OK;
}

static gb_err make(pass *p)
{
  gb_hybrid_assessment *a = p->a;
  gb_hybrid_view v = gb_hybrid_look(hybrid(p));
  const gb_image *image = p->m->sim.kind->image;
  a->n_parameter = v.n_parameter;
  a->n_example = a->n < GB_EXAMPLES ? a->n : GB_EXAMPLES;
  for (int d = 0; d < GB_DECODES; d++) {
    bool known_image = image && (d == GB_DECODE_P || d == GB_DECODE_PA);
    a->decode_width[d] = !v.decode[d]  ? 0
                         : known_image ? image->channels * p->m->sim.dims.shape[0] * p->m->sim.dims.shape[1]
                                       : a->width;
    if (v.decode[d]) GB_TRY(gb_new(&a->decode[d], a->n_example * a->decode_width[d]));
  }
  GB_TRY(gb_new(&a->sample, a->n_example * a->width));
  GB_TRY(gb_new(&a->inferred, a->n * v.n_parameter));
  GB_TRY(load_truth(p));
  if (p->truth && v.n_parameter) GB_TRY(gb_new(&a->truth, a->n * v.n_parameter));
  p->scales = has_generator(p) && v.n_parameter && !is_global(p);
  p->columns = THETA + v.n_parameter + 2 * GB_SCALES;
  GB_TRY(gb_new(&p->table, a->n * p->columns));
  return open_pass(p, frames_of(p));
}

/* inferred, moved by half turns to next to the truth, where the parameter is the direction of something without head
 * and tail. */
static double nearest(const gb_trained *m, const gb_var *parameter, double inferred, double truth)
{
  if (!m->sim.kind->image || strcmp(parameter->unit, "rad")) return inferred;
  return truth + remainder(inferred - truth, M_PI);
}

static double correlation(size_t n, size_t stride, const double *x, const double *y)
{
  double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < n; i++) {
    mx += x[i * stride] / (double)n;
    my += y[i * stride] / (double)n;
  }
  for (size_t i = 0; i < n; i++) {
    double u = x[i * stride] - mx, v = y[i * stride] - my;
    xx += u * u;
    yy += v * v;
    xy += u * v;
  }
  /* what rounding leaves of a constant is no variance */
  bool varies = xx > 1e-20 * (double)n * mx * mx && yy > 1e-20 * (double)n * my * my;
  return varies ? xy / sqrt(xx * yy) : NAN;
}

static int ascending(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Of the relative errors of parameter j. */
static gb_err find_median(gb_hybrid_assessment *a, size_t j)
{
  double *error;
  size_t m = a->n_parameter;
  GB_TRY(gb_new(&error, a->n));
  for (size_t i = 0; i < a->n; i++)
    error[i] = fabs(a->inferred[i * m + j] - a->truth[i * m + j]) / fabs(a->truth[i * m + j]);
  qsort(error, a->n, sizeof *error, ascending);
  a->number.parameter_median[j] = (error[(a->n - 1) / 2] + error[a->n / 2]) / 2;
  gb_free(&error);
  return GB_OK;
}

/* From the table of all rows, in their order. */
static gb_err sum_up(pass *p)
{
  gb_hybrid_assessment *a = p->a;
  gb_hybrid_numbers *s = &a->number;
  size_t m = a->n_parameter;
  double n = (double)a->n;
  s->l2 = s->mae = s->sse = 0;
  for (size_t k = 0; k < GB_SCALES && p->scales; k++) s->counterfactual[k] = s->intervention[k] = 0;
  for (size_t i = 0; i < a->n; i++) {
    const double *row = p->table + i * p->columns, *error = row + THETA + m;
    s->l2 += sqrt(row[SSE]) / n;
    s->sse += row[SSE] / n;
    s->mae += row[ABS] / (n * (double)a->width);
    for (size_t k = 0; k < GB_SCALES && p->scales; k++) {
      s->counterfactual[k] += error[k] / n;
      s->intervention[k] += error[GB_SCALES + k] / n;
    }
    for (size_t j = 0; j < m; j++) {
      double *inferred = &a->inferred[i * m + j];
      *inferred = row[THETA + j];
      if (!a->truth) continue;
      a->truth[i * m + j] = p->truth[i * p->n_truth + j];
      *inferred = nearest(p->m, &gb_sim_parameters(&p->m->sim)[j], *inferred, a->truth[i * m + j]);
    }
  }
  s->log_mse = log10(s->sse / (double)a->width);
  for (size_t j = 0; j < m && a->truth; j++) {
    double sum = 0;
    for (size_t i = 0; i < a->n; i++) sum += fabs(a->inferred[i * m + j] - a->truth[i * m + j]);
    s->parameter_mae[j] = sum / n;
    s->correlation[j] = correlation(a->n, m, a->inferred + j, a->truth + j);
    GB_TRY(find_median(a, j));
  }
  return GB_OK;
}

static gb_err assess_test(pass *p)
{
  gb_hybrid_assessment *a = p->a;
  GB_TRY(gb_comm_agree(p->c, make(p)));
  GB_TRY(each_pass(p, a->n, test_pass));
  gb_comm_merge(p->c, p->table, a->n * p->columns);
  gb_comm_merge(p->c, a->sample, a->n_example * a->width);
  for (int d = 0; d < GB_DECODES; d++)
    if (a->decode[d]) gb_comm_merge(p->c, a->decode[d], a->n_example * a->decode_width[d]);
  return gb_comm_agree(p->c, sum_up(p));
}

/* --- images from nothing but latents. */

static gb_err generate_pass(pass *p, size_t first, size_t n)
{
  gb_hybrid_view v = gb_hybrid_look(hybrid(p));
  const gb_hybrid_assess_opts *o = p->o;
  const double *low = o->low.n ? o->low.v : p->m->sim.dims.low, *high = o->high.n ? o->high.v : p->m->sim.dims.high;
  size_t networks = v.n_inside + v.n_after;
  gb_real z[2 * 1024]; /* the most that hybrid.latent_inside and latent_after allow */
  for (size_t i = 0; i < n; i++) {
    uint32_t word[GB_MOST_PARAMETERS];
    gb_rng_words(gb_rng_key(o->seed, GB_RNG_PARAMETER, first + i, GB_RNG_STEP_MAX), 0, v.n_parameter, word);
    gb_rng_normal(gb_rng_key(o->seed, GB_RNG_PRIOR, first + i, 0), networks, z);
    for (size_t j = 0; j < v.n_parameter; j++)
      p->theta[i * v.n_parameter + j] = (gb_real)gb_rng_between(word[j], low[j], high[j]);
    for (size_t j = 0; j < v.n_inside; j++) p->inside[i * v.n_inside + j] = (gb_real)o->spread * z[j];
    for (size_t j = 0; j < v.n_after; j++) p->after[i * v.n_after + j] = (gb_real)o->spread * z[v.n_inside + j];
  }
  GB_TRY(gb_hybrid_decode(hybrid(p), n, p->x, p->theta, p->inside, p->after));
  v = gb_hybrid_look(hybrid(p));
  for (size_t i = 0; i < n * p->a->width; i++)
    p->a->generated[first * p->a->width + i] = (double)v.decode[GB_DECODE_PAB][i];
  return GB_OK;
}

static gb_err check_ranges(const pass *p)
{
  const gb_hybrid_assess_opts *o = p->o;
  size_t m = p->a->n_parameter;
  GB_CHECK(!m || ((!o->low.n || o->low.n == m) && (!o->high.n || o->high.n == m)), GB_ERR_CONFIG,
           "report.generate_low has %zu numbers and report.generate_high %zu; the physics has %zu parameters. Give one "
           "number for each, or none.",
           o->low.n, o->high.n, m);
  return GB_OK;
}

static gb_err generate(pass *p)
{
  gb_hybrid_assessment *a = p->a;
  if (!p->m->sim.kind->image) return GB_OK;
  gb_err e = check_ranges(p);
  if (!e) e = gb_new(&a->generated, GB_GENERATED * a->width);
  GB_TRY(gb_comm_agree(p->c, e));
  GB_TRY(each_pass(p, GB_GENERATED, generate_pass));
  gb_comm_merge(p->c, a->generated, GB_GENERATED * a->width);
  return GB_OK;
}

/* --- beyond the last frame. */

/* The last frame of j + 1 tenths of a sample. */
static size_t frame_of(const pass *p, size_t j)
{
  return ((j + 1) * frames_of(p) + PER_SAMPLE - 1) / PER_SAMPLE - 1;
}

static gb_err long_pass(pass *p, size_t first, size_t n)
{
  const gb_simulator *s = p->m->sim.kind->simulator;
  size_t seen = p->m->sim.dims.seen, width = p->o->frames * seen;
  GB_TRY(infer(p, first, n));
  gb_hybrid_view v = gb_hybrid_look(hybrid(p));
  GB_ASSERT(v.width == width);
  for (size_t i = 0; i < n; i++) {
    GB_TRY(s->exact(p->m->sim.self, p->truth + (first + i) * p->n_truth, p->o->frames, p->exact));
    for (size_t j = 0; j < p->columns; j++) {
      size_t at = frame_of(p, j) * seen;
      p->table[(first + i) * p->columns + j] =
          mean_error(seen, v.decode[GB_DECODE_PAB] + i * width + at, p->exact + at);
    }
  }
  return GB_OK;
}

static void sum_up_long(pass *p)
{
  gb_hybrid_assessment *a = p->a;
  for (size_t j = 0; j < p->columns; j++) {
    a->frame[j] = (double)frame_of(p, j);
    for (size_t i = 0; i < a->n; i++) a->error[j] += p->table[i * p->columns + j] / (double)a->n;
  }
  for (size_t k = 0; k < GB_HORIZONS; k++) {
    size_t j = PER_SAMPLE * (size_t)gb_horizon[k];
    if (j <= a->n_horizon) a->number.extrapolation[k] = a->error[j - 1];
  }
}

static gb_err make_long(pass *p)
{
  gb_hybrid_assessment *a = p->a;
  a->n_horizon = PER_SAMPLE * p->o->frames / frames_of(p);
  p->columns = a->n_horizon;
  GB_TRY(gb_new(&a->frame, a->n_horizon));
  GB_TRY(gb_new(&a->error, a->n_horizon));
  GB_TRY(gb_new(&p->table, a->n * p->columns));
  return open_pass(p, p->o->frames);
}

static bool extrapolates(const pass *p)
{
  gb_hybrid_opts o;
  gb_config_get(p->m->cfg, &gb_hybrid_schema, &o);
  return p->m->sim.kind->dynamics && has_generator(p) && p->o->frames > frames_of(p) && !strcmp(o.after, "nothing");
}

/* The same model once more, with more frames. */
static gb_err extrapolate_to(const pass *near, const char *dir, size_t frames)
{
  gb_trained m;
  gb_err e = GB_OK;
  gb_hybrid_assess_opts o = *near->o;
  gb_hybrid_assessment *a = near->a;
  o.frames = frames;
  GB_TRY(gb_trained_open(near->c, dir, near->m->sim.kind, LONG_ROWS, frames, &m));
  pass p = {.c = near->c, .m = &m, .data = near->data, .o = &o, .a = a};
  p.truth = near->truth;
  p.n_truth = near->n_truth;
  GB_GOTO(e, gb_comm_agree(p.c, make_long(&p)), done);
  GB_GOTO(e, each_pass(&p, a->n, long_pass), done);
  gb_comm_merge(p.c, p.table, a->n * p.columns);
  sum_up_long(&p);
done:
  if (e) {
    a->n_horizon = 0;
    gb_free(&a->frame);
    gb_free(&a->error);
  }
  gb_free(&p.table);
  close_pass(&p);
  gb_trained_close(&m);
  return e;
}

/* As far as all test rows stay finite: an equation with a network in it may run away where no sample ever was. */
static gb_err extrapolate(const pass *p, const char *dir)
{
  if (!extrapolates(p)) return GB_OK;
  gb_err e = extrapolate_to(p, dir, p->o->frames);
  for (int k = GB_HORIZONS - 1; k >= 0 && e == GB_ERR_NUMERIC; k--) {
    size_t frames = (size_t)gb_horizon[k] * frames_of(p);
    if (frames >= p->o->frames) continue;
    gb_err_clear();
    e = extrapolate_to(p, dir, frames);
  }
  if (e == GB_ERR_NUMERIC) gb_err_clear();
  return e == GB_ERR_NUMERIC ? GB_OK : e;
}

gb_err gb_hybrid_assess(gb_comm c, gb_trained *m, const char *dir, gb_dataset *data, const gb_hybrid_assess_opts *opts,
                        gb_hybrid_assessment *out)
{
  pass p = {.c = c, .m = m, .data = data, .o = opts, .a = out};
  gb_err e = GB_OK;
  *out = (gb_hybrid_assessment){.n = gb_dataset_rows(data, GB_TEST), .width = gb_dataset_width(data)};
  for (size_t i = 0; i < sizeof out->number / sizeof(double); i++) ((double *)&out->number)[i] = NAN;
  if (!out->n) e = GB_FAIL(GB_ERR_CONFIG, "the data set has no test samples; make some (simulate.test)");
  GB_GOTO(e, gb_comm_agree(c, e), done);
  GB_GOTO(e, assess_test(&p), done);
  GB_GOTO(e, gb_what_if_assess(c, m, data, p.truth, opts->what_if, &out->what_if, &out->number.what_if), done);
  GB_GOTO(e, generate(&p), done);
  GB_GOTO(e, extrapolate(&p, dir), done);
done:
  gb_free(&p.truth);
  gb_free(&p.table);
  close_pass(&p);
  if (e) gb_hybrid_assessment_free(out);
  return e;
}

void gb_hybrid_assessment_free(gb_hybrid_assessment *a)
{
  gb_free(&a->inferred);
  gb_free(&a->truth);
  gb_free(&a->frame);
  gb_free(&a->error);
  gb_free(&a->sample);
  for (int d = 0; d < GB_DECODES; d++) gb_free(&a->decode[d]);
  gb_free(&a->generated);
  gb_what_if_free(&a->what_if);
  *a = (gb_hybrid_assessment){0};
}
