/* ad/elementwise.c - sums, means and dropout. */
#include "ad/elementwise.h"

#include <string.h>

#include "base/hash.h"

/* x->g += g, which may be the first that comes there. */
static void pass_on(gb_node *x, size_t n, const gb_real *restrict g)
{
  gb_real *restrict to = x->g;
  if (!to) return;
  if (gb_node_is_born(x))
    for (size_t i = 0; i < n; i++) to[i] += g[i];
  else
    memcpy(to, g, n * sizeof *to);
  gb_node_bear(x);
}

typedef struct addition {
  gb_activation a;
} addition;

/* Where an activation needs what it was applied to, y->work has it. */
static gb_err add_forward(gb_node *y)
{
  const addition *s = y->ctx;
  const gb_real *a = y->in[0]->v, *b = y->n_in > 1 ? y->in[1]->v : NULL;
  size_t n = y->rows * y->width;
  if (b)
    for (size_t i = 0; i < n; i++) y->v[i] = a[i] + b[i];
  else
    memcpy(y->v, a, n * sizeof *a);
  gb_activate_kept(s->a, n, y->v, y->work);
  return GB_OK;
}

static gb_err add_vjp(gb_node *y)
{
  const addition *s = y->ctx;
  size_t n = y->rows * y->width;
  gb_activate_kept_vjp(s->a, n, y->v, y->work, y->g);
  for (int k = 0; k < y->n_in; k++) pass_on(y->in[k], n, y->g);
  return GB_OK;
}

static gb_err add_jvp(gb_node *y)
{
  const addition *s = y->ctx;
  size_t n = y->rows * y->directions * y->width;
  memset(y->t, 0, n * sizeof *y->t);
  for (int k = 0; k < y->n_in; k++)
    for (size_t i = 0; y->in[k]->t && i < n; i++) y->t[i] += y->in[k]->t[i];
  gb_activate_kept_jvp(s->a, y->rows, y->directions, y->width, y->v, y->work, y->t);
  return GB_OK;
}

static const gb_op add_op = {"add", add_forward, add_vjp}, activate_op = {"activate", add_forward, add_vjp};

static gb_node *sum_of(gb_graph *g, const gb_op *op, int n, gb_node *const in[], gb_activation activation)
{
  addition *s = gb_graph_context(g, sizeof *s);
  if (!s) return NULL;
  s->a = activation;
  gb_node *y = gb_graph_apply(g, op, s, in[0]->shape, n, in);
  if (!y) return NULL;
  y->starts = true;
  y->jvp = add_jvp;
  if (!gb_activation_is_monotone(activation)) y->n_work = y->width;
  return y;
}

gb_node *gb_add(gb_graph *g, gb_node *a, gb_node *b, gb_activation activation)
{
  if (!a || !b) return NULL;
  GB_ASSERT(a->width == b->width);
  return sum_of(g, &add_op, 2, (gb_node *[]){a, b}, activation);
}

gb_node *gb_activated(gb_graph *g, gb_node *x, gb_activation activation)
{
  return x ? sum_of(g, &activate_op, 1, &x, activation) : NULL;
}

static void means(const gb_node *y, size_t rows, const gb_real *x, gb_real *to)
{
  size_t c = y->width, width = y->in[0]->width, sites = width / c;
  for (size_t r = 0; r < rows; r++)
    for (size_t k = 0; k < c; k++) {
      const gb_real *from = x + r * width + k;
      double sum = 0;
      for (size_t i = 0; i < sites; i++) sum += (double)from[i * c];
      to[r * c + k] = (gb_real)(sum / (double)sites);
    }
}

static gb_err mean_forward(gb_node *y)
{
  means(y, y->rows, y->in[0]->v, y->v);
  return GB_OK;
}

static gb_err mean_jvp(gb_node *y)
{
  means(y, y->rows * y->directions, y->in[0]->t, y->t);
  return GB_OK;
}

static gb_err mean_vjp(gb_node *y)
{
  gb_node *x = y->in[0];
  size_t c = y->width, sites = x->width / c;
  for (size_t r = 0; r < y->rows; r++)
    for (size_t i = 0; i < sites; i++)
      for (size_t k = 0; k < c; k++) x->g[r * x->width + i * c + k] += y->g[r * c + k] / (gb_real)sites;
  return GB_OK;
}

static const gb_op mean_op = {"mean", mean_forward, mean_vjp};

gb_node *gb_mean(gb_graph *g, gb_node *x)
{
  gb_node *y = x ? gb_graph_apply(g, &mean_op, NULL, (gb_shape){1, 1, x->shape.c}, 1, &x) : NULL;
  if (y) y->jvp = mean_jvp;
  return y;
}

typedef struct dropout {
  const gb_draws *draws;
  double rate;
  uint64_t name;
} dropout;

/* factor [width] of one row: 0, or 1 / (1 - rate). The seed carries the name, so layers share no numbers. */
static void draw_factors(const dropout *d, uint64_t row, size_t width, gb_real *factor)
{
  enum { WORDS = 256 };
  uint32_t word[WORDS], limit = (uint32_t)(d->rate * 0x1p32);
  gb_real kept = (gb_real)(1 / (1 - d->rate));
  gb_key key = gb_rng_key(d->draws->seed ^ d->name, GB_RNG_DROPOUT, row, d->draws->step);
  for (size_t first = 0; first < width; first += WORDS) {
    size_t m = width - first < WORDS ? width - first : WORDS;
    gb_rng_words(key, (uint32_t)(first / 4), m, word);
    for (size_t i = 0; i < m; i++) factor[first + i] = word[i] < limit ? 0 : kept;
  }
}

static gb_err dropout_forward(gb_node *y)
{
  const dropout *d = y->ctx;
  const gb_real *x = y->in[0]->v;
  size_t n = y->rows * y->width;
  if (!d->draws->training) {
    memcpy(y->v, x, n * sizeof *x);
    return GB_OK;
  }
  for (size_t r = 0; r < y->rows; r++)
    draw_factors(d, d->draws->first_row * y->copies + r, y->width, y->work + r * y->width);
  for (size_t i = 0; i < n; i++) y->v[i] = x[i] * y->work[i];
  return GB_OK;
}

static gb_err dropout_vjp(gb_node *y)
{
  const dropout *d = y->ctx;
  size_t n = y->rows * y->width;
  if (d->draws->training)
    for (size_t i = 0; i < n; i++) y->g[i] *= y->work[i];
  pass_on(y->in[0], n, y->g);
  return GB_OK;
}

static gb_err dropout_jvp(gb_node *y)
{
  const dropout *d = y->ctx;
  const gb_real *t = y->in[0]->t;
  size_t n = y->rows * y->directions, width = y->width;
  for (size_t r = 0; r < n; r++) {
    const gb_real *factor = y->work + r / y->directions * width;
    for (size_t i = r * width, k = 0; k < width; i++, k++) y->t[i] = d->draws->training ? t[i] * factor[k] : t[i];
  }
  return GB_OK;
}

static const gb_op dropout_op = {"dropout", dropout_forward, dropout_vjp};

gb_node *gb_dropout(gb_graph *g, gb_node *x, double rate, const char *name, const gb_draws *draws)
{
  dropout *d = gb_graph_context(g, sizeof *d);
  if (!d || !x) return NULL;
  *d = (dropout){draws, rate, gb_hash64(name, strlen(name))};
  gb_node *y = gb_graph_apply(g, &dropout_op, d, x->shape, 1, &x);
  if (!y) return NULL;
  y->starts = true;
  y->jvp = dropout_jvp;
  y->n_work = x->width;
  return y;
}
