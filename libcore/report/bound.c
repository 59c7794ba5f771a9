/* report/bound.c - passes over the test split, one for each draw, and sums of ln w. */
#include "report/bound.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "linalg/renyi.h"

const double gb_bound_order[GB_BOUND_ORDERS] = {0, 0.25, 0.5, 0.75, 1, 1.5};

/* Columns of the table of a row; then the means of its latents. */
enum { GAP = GB_BOUND_ORDERS, DISTORTION, RATE, TERM, LATENTS };

typedef struct pass {
  const gb_model *model;
  gb_dataset *data;
  size_t draws, columns;
  double *table; /* [test rows, columns] */
  double *log_w; /* [rows of a pass, draws] */
  uint64_t *row;
  float *x;
} pass;

static gb_err open_pass(pass *p)
{
  size_t rows = p->model->rows;
  p->columns = LATENTS + p->model->latents;
  GB_TRY(gb_new(&p->table, gb_dataset_rows(p->data, GB_TEST) * p->columns));
  GB_TRY(gb_new(&p->log_w, rows * p->draws));
  GB_TRY(gb_new(&p->row, rows));
  return gb_new(&p->x, rows * gb_dataset_width(p->data));
}

static void close_pass(pass *p)
{
  gb_free(&p->table);
  gb_free(&p->log_w);
  gb_free(&p->row);
  gb_free(&p->x);
}

/* One draw of every row of a pass. */
static gb_err draw(pass *p, size_t first, size_t n, size_t k)
{
  const gb_model *model = p->model;
  const double *term[GB_MOST_TERMS];
  GB_TRY(model->forward(model->self, n, 1, p->x, (gb_pass){k, first, false}, term));
  for (size_t i = 0; i < n; i++) {
    double *row = p->table + (first + i) * p->columns;
    gb_weight w = model->weigh(model->self, i, k ? NULL : row + LATENTS);
    p->log_w[i * p->draws + k] = w.likelihood + w.ratio;
    row[DISTORTION] -= w.likelihood / (double)p->draws;
    row[TERM] += term[0][i] / (double)p->draws;
    if (!k && model->latents) row[RATE] = term[1][i];
  }
  return GB_OK;
}

/* All draws of rows [first, first + n). */
static gb_err rows_pass(pass *p, size_t first, size_t n)
{
  for (size_t i = 0; i < n; i++) p->row[i] = first + i;
  GB_TRY(gb_dataset_read(p->data, GB_TEST, n, p->row, p->x));
  for (size_t k = 0; k < p->draws; k++) GB_TRY(draw(p, first, n, k));
  for (size_t i = 0; i < n; i++) {
    double *row = p->table + (first + i) * p->columns;
    for (int o = 0; o < GB_BOUND_ORDERS; o++) {
      row[o] = gb_renyi_bound(gb_bound_order[o], p->draws, p->log_w + i * p->draws, NULL);
      GB_CHECK(isfinite(row[o]), GB_ERR_NUMERIC, "the bound of order %g of test row %zu is not finite",
               gb_bound_order[o], first + i);
    }
    row[GAP] = row[GB_BOUND_IWAE] - row[GB_BOUND_ELBO];
  }
  return GB_OK;
}

static void mean_of(const pass *p, size_t rows, size_t column, double out[2])
{
  double square = 0, n = (double)rows;
  out[0] = 0;
  for (size_t i = 0; i < rows; i++) out[0] += p->table[i * p->columns + column];
  out[0] /= n;
  for (size_t i = 0; i < rows; i++) square += pow(p->table[i * p->columns + column] - out[0], 2);
  out[1] = rows > 1 ? sqrt(square / (n * (n - 1))) : NAN;
}

static void sum_up(const pass *p, gb_bounds *b)
{
  for (size_t o = 0; o < GB_BOUND_ORDERS; o++) mean_of(p, b->rows, o, b->bound[o]);
  mean_of(p, b->rows, GAP, b->gap);
  mean_of(p, b->rows, DISTORTION, b->distortion);
  mean_of(p, b->rows, RATE, b->rate);
  mean_of(p, b->rows, TERM, b->term);
  for (size_t i = 0; i < b->rows && b->latents; i++)
    memcpy(b->mean + i * b->latents, p->table + i * p->columns + LATENTS, b->latents * sizeof *b->mean);
}

gb_err gb_bounds_estimate(gb_comm c, const gb_model *model, gb_dataset *data, size_t draws, gb_bound_watch watch,
                          gb_bounds *out)
{
  pass p = {.model = model, .data = data, .draws = draws};
  size_t rows = gb_dataset_rows(data, GB_TEST), step = model->rows;
  GB_ASSERT(model->weigh && draws > 0);
  *out = (gb_bounds){.rows = rows, .draws = draws, .latents = model->latents};
  gb_err e = rows ? gb_new(&out->mean, rows * model->latents)
                  : GB_FAIL(GB_ERR_CONFIG, "the data set has no test samples; bounds are of those");
  if (!e) e = open_pass(&p);
  e = gb_comm_agree(c, e);
  for (size_t first = (size_t)c.rank * step; first < rows && !e; first += (size_t)c.size * step) {
    e = rows_pass(&p, first, rows - first < step ? rows - first : step);
    if (watch.tell) watch.tell(watch.ctx, (double)(first + step < rows ? first + step : rows) / (double)rows);
  }
  e = gb_comm_agree(c, e);
  if (!e) gb_comm_merge(c, p.table, rows * p.columns);
  if (!e) sum_up(&p, out);
  close_pass(&p);
  if (e) gb_bounds_free(out);
  return e;
}

void gb_bounds_free(gb_bounds *b)
{
  gb_free(&b->mean);
}
