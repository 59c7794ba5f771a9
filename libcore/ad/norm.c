/* ad/norm.c - batch norm and layer norm. Sums over what is normalised are in double, in a fixed order. */
#include "ad/norm.h"

#include <math.h>

#include "linalg/vmath.h"

enum { X, GAMMA, BETA, MEAN, VARIANCE };
enum { COLUMNS = 64 }; /* channels whose sums are kept at a time */

typedef struct norm {
  gb_activation activation;
  const gb_draws *draws; /* of batch norm */
} norm;

static double inverse_root(double variance)
{
  return 1 / sqrt(variance + GB_NORM_EPSILON);
}

static size_t sites(const gb_node *y)
{
  return y->shape.h * y->shape.w;
}

/* y->work begins with the normalised values, then those before the activation, if its derivative wants them. */
static size_t values_kept(gb_activation a)
{
  return gb_activation_is_monotone(a) ? 1 : 2;
}

static void activate(gb_node *y)
{
  const norm *l = y->ctx;
  size_t n = y->rows * y->width;
  gb_activate_kept(l->activation, n, y->v, y->work + n);
}

static void activate_vjp(gb_node *y)
{
  const norm *l = y->ctx;
  size_t n = y->rows * y->width;
  gb_activate_kept_vjp(l->activation, n, y->v, y->work + n, y->g);
}

/* What batch norm keeps for each piece and channel, behind that: [parts, c] each. */
typedef struct kept {
  gb_real *mean, *variance; /* forward; variance over n values, with n in the denominator */
  gb_real *g, *g_x;         /* backward: sums of the gradient, and of gradient times normalised value */
} kept;

static kept kept_of(const gb_node *y)
{
  const norm *l = y->ctx;
  gb_real *at = y->work + values_kept(l->activation) * y->rows * y->width;
  size_t n = y->parts * y->shape.c;
  return (kept){at, at + n, at + 2 * n, at + 3 * n};
}

/* sum[i] = sum over rows of a[r, i], product[i] = that of a[r, i] b[r, i]; m channels of c. */
static void sums(size_t rows, size_t c, size_t m, const gb_real *restrict a, const gb_real *restrict b, double *sum,
                 double *product)
{
  for (size_t i = 0; i < m; i++) sum[i] = product[i] = 0;
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < m; i++) {
      double v = (double)a[r * c + i];
      sum[i] += v;
      product[i] += v * (double)b[r * c + i];
    }
}

/* Mean and variance of the channels of one piece. Squares of floats are exact in double: no second pass is needed. */
static void moments(size_t n, size_t c, const gb_real *x, gb_real *mean, gb_real *variance)
{
  double sum[COLUMNS], square[COLUMNS];
  for (size_t first = 0; first < c; first += COLUMNS) {
    size_t m = c - first < COLUMNS ? c - first : COLUMNS;
    sums(n, c, m, x + first, x + first, sum, square);
    for (size_t i = 0; i < m; i++) {
      double mu = sum[i] / (double)n;
      mean[first + i] = (gb_real)mu;
      variance[first + i] = (gb_real)fmax(square[i] / (double)n - mu * mu, 0);
    }
  }
}

/* xhat = (x - mean) / sqrt(variance + epsilon), y = gamma xhat + beta */
static void normalise(size_t rows, size_t c, const gb_real *mean, const gb_real *variance, const gb_real *gamma,
                      const gb_real *beta, const gb_real *restrict x, gb_real *restrict xhat, gb_real *restrict y)
{
  gb_real inverse[COLUMNS];
  for (size_t first = 0; first < c; first += COLUMNS) {
    size_t m = c - first < COLUMNS ? c - first : COLUMNS;
    for (size_t i = 0; i < m; i++) inverse[i] = (gb_real)inverse_root((double)variance[first + i]);
    for (size_t r = 0; r < rows; r++) {
      const gb_real *from = x + r * c + first;
      gb_real *hat = xhat + r * c + first, *to = y + r * c + first;
      for (size_t i = 0; i < m; i++) {
        hat[i] = (from[i] - mean[first + i]) * inverse[i];
        to[i] = gamma[first + i] * hat[i] + beta[first + i];
      }
    }
  }
}

static bool training(const gb_node *y)
{
  const norm *l = y->ctx;
  return l->draws->training;
}

static void batch_pieces(gb_node *y, size_t n)
{
  size_t c = y->shape.c, numbers = n * c;
  kept k = kept_of(y);
  for (size_t p = 0; p < y->parts; p++) {
    const gb_real *x = y->in[X]->v + p * numbers;
    moments(n, c, x, k.mean + p * c, k.variance + p * c);
    normalise(n, c, k.mean + p * c, k.variance + p * c, y->in[GAMMA]->v, y->in[BETA]->v, x, y->work + p * numbers,
              y->v + p * numbers);
  }
}

static gb_err batch_forward(gb_node *y)
{
  size_t rows = y->rows * sites(y), n = rows / y->parts;
  GB_CHECK(n > 1 || !training(y), GB_ERR_CONFIG,
           "batchnorm: a shard has one sample, of one site: its variance says nothing. Lower train.shards, raise "
           "train.batch or use layernorm.");
  if (training(y))
    batch_pieces(y, n);
  else
    normalise(rows, y->shape.c, y->in[MEAN]->v, y->in[VARIANCE]->v, y->in[GAMMA]->v, y->in[BETA]->v, y->in[X]->v,
              y->work, y->v);
  activate(y);
  return GB_OK;
}

/* x_bar, nothing if it is not born, += gamma / sqrt(variance + epsilon) (g - <g> - xhat <g xhat>): the means only if
 * they were the piece's own. */
static void batch_input(size_t n, size_t c, bool own, bool born, const gb_real *variance, const gb_real *gamma,
                        const gb_real *g_sum, const gb_real *g_x_sum, const gb_real *restrict g,
                        const gb_real *restrict xhat, gb_real *restrict x_bar)
{
  gb_real scale[COLUMNS], g_mean[COLUMNS], g_x_mean[COLUMNS];
  for (size_t first = 0; first < c; first += COLUMNS) {
    size_t m = c - first < COLUMNS ? c - first : COLUMNS;
    for (size_t i = 0; i < m; i++) {
      scale[i] = gamma[first + i] * (gb_real)inverse_root((double)variance[first + i]);
      g_mean[i] = own ? g_sum[first + i] / (gb_real)n : 0;
      g_x_mean[i] = own ? g_x_sum[first + i] / (gb_real)n : 0;
    }
    for (size_t r = 0; r < n; r++)
      for (size_t i = 0; i < m; i++) {
        size_t k = r * c + first + i;
        x_bar[k] = (born ? x_bar[k] : 0) + scale[i] * (g[k] - g_mean[i] - xhat[k] * g_x_mean[i]);
      }
  }
}

/* Sums over the values of a piece, rounded once. */
static void piece_sums(size_t n, size_t c, const gb_real *g, const gb_real *xhat, gb_real *g_sum, gb_real *g_x_sum)
{
  double sum[COLUMNS], product[COLUMNS];
  for (size_t first = 0; first < c; first += COLUMNS) {
    size_t m = c - first < COLUMNS ? c - first : COLUMNS;
    sums(n, c, m, g + first, xhat + first, sum, product);
    for (size_t i = 0; i < m; i++) {
      g_sum[first + i] = (gb_real)sum[i];
      g_x_sum[first + i] = (gb_real)product[i];
    }
  }
}

/* The part of a piece in the gradient of a statistic: its value for each of its samples; 0 out of training. */
static void as_gradients(const gb_node *y, size_t n, kept k)
{
  gb_real rows = training(y) ? (gb_real)(y->rows / y->copies / y->parts) : 0, unbiased = (gb_real)n / (gb_real)(n - 1);
  for (size_t i = 0; i < y->parts * y->shape.c; i++) {
    k.mean[i] = rows ? k.mean[i] * rows : 0;
    k.variance[i] = rows ? k.variance[i] * (rows * unbiased) : 0;
  }
}

static gb_err batch_vjp(gb_node *y)
{
  gb_node *x = y->in[X];
  size_t c = y->shape.c, n = y->rows * sites(y) / y->parts, numbers = n * c;
  bool own = training(y);
  kept k = kept_of(y);
  activate_vjp(y);
  for (size_t p = 0; p < y->parts; p++) {
    const gb_real *g = y->g + p * numbers, *xhat = y->work + p * numbers;
    piece_sums(n, c, g, xhat, k.g + p * c, k.g_x + p * c);
    if (x->g)
      batch_input(n, c, own, gb_node_is_born(x), own ? k.variance + p * c : y->in[VARIANCE]->v, y->in[GAMMA]->v,
                  k.g + p * c, k.g_x + p * c, g, xhat, x->g + p * numbers);
  }
  as_gradients(y, n, k);
  gb_node_sum_rows(y, y->in[GAMMA], y->parts, c, k.g_x, NULL); /* one "row" for each piece */
  gb_node_sum_rows(y, y->in[BETA], y->parts, c, k.g, NULL);
  gb_node_sum_rows(y, y->in[MEAN], y->parts, c, k.mean, NULL);
  gb_node_sum_rows(y, y->in[VARIANCE], y->parts, c, k.variance, NULL);
  return GB_OK;
}

static const gb_op batch_op = {"batch norm", batch_forward, batch_vjp};

static norm *make_context(gb_graph *g, const gb_draws *draws, gb_activation a)
{
  norm *l = gb_graph_context(g, sizeof *l);
  if (l) *l = (norm){a, draws};
  return l;
}

gb_node *gb_batch_norm(gb_graph *g, gb_node *x, gb_node *gamma, gb_node *beta, gb_node *mean, gb_node *variance,
                       const gb_draws *draws, gb_activation a)
{
  norm *l = make_context(g, draws, a);
  if (!l || !x) return NULL;
  gb_node *y = gb_graph_apply(g, &batch_op, l, x->shape, 5, (gb_node *[]){x, gamma, beta, mean, variance});
  if (!y) return NULL;
  y->starts = true;
  y->n_work = values_kept(a) * x->width + 4 * x->shape.c; /* there may be as many pieces as rows */
  return y;
}

/* Partial sums that fit a vector register; their order is part of the result. */
enum { LANES = 8 };

/* Sums over i of a[i] b[i], and of that times d[i]; NULL stands for ones. */
static void dot(size_t n, const gb_real *restrict a, const gb_real *restrict b, const gb_real *restrict d, double *sum,
                double *product)
{
  double s[LANES] = {0}, q[LANES] = {0};
  size_t whole = n / LANES * LANES;
  for (size_t i = 0; i < whole; i += LANES)
    for (size_t k = 0; k < LANES; k++) {
      double v = (double)a[i + k] * (b ? (double)b[i + k] : 1);
      s[k] += v;
      q[k] += v * (double)d[i + k];
    }
  for (size_t i = whole; i < n; i++) {
    double v = (double)a[i] * (b ? (double)b[i] : 1);
    s[0] += v;
    q[0] += v * (double)d[i];
  }
  *sum = gb_eight_total(s);
  *product = gb_eight_total(q);
}

/* What layer norm keeps: [rows, sites] */
static gb_real *inverses(const gb_node *y)
{
  const norm *l = y->ctx;
  return y->work + values_kept(l->activation) * y->rows * y->width;
}

/* One site: x_bar += inverse (gamma g - <gamma g> - xhat <gamma g xhat>) */
static void layer_input(size_t c, bool born, gb_real inverse, gb_real mean, gb_real slope,
                        const gb_real *restrict gamma, const gb_real *restrict g, const gb_real *restrict xhat,
                        gb_real *restrict x_bar)
{
  for (size_t i = 0; i < c; i++)
    x_bar[i] = (born ? x_bar[i] : 0) + inverse * (gamma[i] * g[i] - mean - xhat[i] * slope);
}

/* One site: xhat = (x - mean) inverse, y = gamma xhat + beta */
static void layer_values(size_t c, gb_real inverse, gb_real mean, const gb_real *restrict gamma,
                         const gb_real *restrict beta, const gb_real *restrict x, gb_real *restrict xhat,
                         gb_real *restrict y)
{
  for (size_t i = 0; i < c; i++) {
    xhat[i] = (x[i] - mean) * inverse;
    y[i] = gamma[i] * xhat[i] + beta[i];
  }
}

static gb_err layer_forward(gb_node *y)
{
  size_t c = y->shape.c, rows = y->rows * sites(y);
  gb_real *inverse = inverses(y);
  for (size_t r = 0; r < rows; r++) {
    const gb_real *x = y->in[X]->v + r * c;
    double sum, square;
    dot(c, x, NULL, x, &sum, &square);
    double mean = sum / (double)c, variance = fmax(square / (double)c - mean * mean, 0);
    inverse[r] = (gb_real)inverse_root(variance);
    layer_values(c, inverse[r], (gb_real)mean, y->in[GAMMA]->v, y->in[BETA]->v, x, y->work + r * c, y->v + r * c);
  }
  activate(y);
  return GB_OK;
}

static gb_err layer_vjp(gb_node *y)
{
  gb_node *x = y->in[X];
  size_t c = y->shape.c, rows = y->rows * sites(y);
  const gb_real *gamma = y->in[GAMMA]->v, *inverse = inverses(y);
  activate_vjp(y);
  gb_node_sum_rows(y, y->in[GAMMA], rows, c, y->g, y->work);
  gb_node_sum_rows(y, y->in[BETA], rows, c, y->g, NULL);
  if (!x->g) return GB_OK;
  for (size_t r = 0; r < rows; r++) {
    const gb_real *g = y->g + r * c, *xhat = y->work + r * c;
    double sum, product;
    dot(c, g, gamma, xhat, &sum, &product);
    layer_input(c, gb_node_is_born(x), inverse[r], (gb_real)(sum / (double)c), (gb_real)(product / (double)c), gamma, g,
                xhat, x->g + r * c);
  }
  return GB_OK;
}

static gb_err layer_jvp(gb_node *y)
{
  const norm *l = y->ctx;
  size_t c = y->shape.c, n = sites(y), rows = y->rows * y->directions * n, values = y->rows * y->width;
  const gb_real *gamma = y->in[GAMMA]->v, *inverse = inverses(y);
  for (size_t r = 0; r < rows; r++) {
    size_t site = r / (y->directions * n) * n + r % n;
    const gb_real *x = y->in[X]->t + r * c, *xhat = y->work + site * c;
    double sum, product;
    dot(c, x, NULL, xhat, &sum, &product);
    gb_real mean = (gb_real)(sum / (double)c), slope = (gb_real)(product / (double)c);
    for (size_t i = 0; i < c; i++) y->t[r * c + i] = gamma[i] * (inverse[site] * (x[i] - mean - xhat[i] * slope));
  }
  gb_activate_kept_jvp(l->activation, y->rows, y->directions, y->width, y->v, y->work + values, y->t);
  return GB_OK;
}

static const gb_op layer_op = {"layer norm", layer_forward, layer_vjp};

gb_node *gb_layer_norm(gb_graph *g, gb_node *x, gb_node *gamma, gb_node *beta, gb_activation a)
{
  norm *l = make_context(g, NULL, a);
  if (!l || !x) return NULL;
  gb_node *y = gb_graph_apply(g, &layer_op, l, x->shape, 3, (gb_node *[]){x, gamma, beta});
  if (!y) return NULL;
  y->starts = true;
  y->jvp = layer_jvp;
  y->n_work = values_kept(a) * x->width + x->shape.h * x->shape.w;
  return y;
}
