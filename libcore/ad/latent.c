/* ad/latent.c - reparameterisation and Kullback-Leibler term. */
#include "ad/latent.h"

#include <math.h>

#include "linalg/vmath.h"

enum { MU, LOGVAR, EPS };

static gb_err sample_forward(gb_node *z)
{
  const gb_real *mu = z->in[MU]->v, *l = z->in[LOGVAR]->v, *eps = z->in[EPS]->v;
  gb_real *restrict v = z->v;
  for (size_t i = 0; i < z->rows * z->width; i++) v[i] = mu[i] + gb_exp(l[i] / 2) * eps[i];
  return GB_OK;
}

static gb_err sample_vjp(gb_node *z)
{
  const gb_real *l = z->in[LOGVAR]->v, *eps = z->in[EPS]->v, *g = z->g;
  gb_real *restrict mu_bar = z->in[MU]->g, *restrict l_bar = z->in[LOGVAR]->g;
  for (size_t i = 0; mu_bar && i < z->rows * z->width; i++) mu_bar[i] += g[i];
  for (size_t i = 0; l_bar && i < z->rows * z->width; i++) l_bar[i] += g[i] * gb_exp(l[i] / 2) * eps[i] / 2;
  return GB_OK;
}

static const gb_op sample_op = {"latent sample", sample_forward, sample_vjp};

gb_node *gb_latent_sample(gb_graph *g, gb_node *mu, gb_node *logvar, gb_node *eps)
{
  return mu ? gb_graph_apply(g, &sample_op, NULL, mu->shape, 3, (gb_node *[]){mu, logvar, eps}) : NULL;
}

/* What the posterior is compared with: its mean, logvar and exp(-logvar), [width] each. */
typedef struct prior {
  const gb_real *mean, *logvar, *precision;
} prior;

static gb_err kl_forward(gb_node *y)
{
  const prior *p = y->ctx;
  const gb_node *mu = y->in[MU], *l = y->in[LOGVAR];
  size_t n = mu->width;
  for (size_t r = 0; r < y->rows; r++) {
    const gb_real *m = mu->v + r * n, *lr = l->v + r * n;
    gb_real *restrict ratio = y->work + r * n;
    double sum = 0;
    for (size_t i = 0; i < n; i++) ratio[i] = gb_exp(lr[i] - p->logvar[i]);
    for (size_t i = 0; i < n; i++) {
      double d = (double)m[i] - (double)p->mean[i];
      sum += (double)ratio[i] + d * d * (double)p->precision[i] - 1 - ((double)lr[i] - (double)p->logvar[i]);
    }
    y->term[r] = sum / 2;
  }
  return GB_OK;
}

static gb_err kl_vjp(gb_node *y)
{
  const prior *p = y->ctx;
  gb_node *mu = y->in[MU], *l = y->in[LOGVAR];
  size_t n = mu->width;
  for (size_t r = 0; r < y->rows; r++) {
    for (size_t i = 0; mu->g && i < n; i++)
      mu->g[r * n + i] += y->g[r] * (mu->v[r * n + i] - p->mean[i]) * p->precision[i];
    for (size_t i = 0; l->g && i < n; i++) l->g[r * n + i] += y->g[r] * (y->work[r * n + i] - 1) / 2;
  }
  return GB_OK;
}

static const gb_op kl_op = {"KL", kl_forward, kl_vjp};

static prior *make_prior(gb_graph *g, gb_shape shape, const double *mean, const double *logvar)
{
  size_t n = gb_shape_width(shape);
  prior *p = gb_graph_context(g, sizeof *p);
  gb_real *v = gb_graph_context(g, 3 * n * sizeof *v);
  if (!v) return NULL;
  *p = (prior){v, v + n, v + 2 * n};
  for (size_t i = 0; i < n; i++) {
    v[i] = mean ? (gb_real)mean[i % shape.c] : 0;
    v[n + i] = logvar ? (gb_real)logvar[i % shape.c] : 0;
    v[2 * n + i] = logvar ? (gb_real)exp(-logvar[i % shape.c]) : 1;
  }
  return p;
}

gb_node *gb_latent_kl_to(gb_graph *g, gb_node *mu, gb_node *logvar, const double *mean, const double *logvar0)
{
  if (!mu || !logvar) return NULL;
  GB_ASSERT(mu->width == logvar->width);
  prior *p = make_prior(g, mu->shape, mean, logvar0);
  gb_node *y = p ? gb_graph_term(g, &kl_op, p, 2, (gb_node *[]){mu, logvar}) : NULL;
  if (y) y->n_work = mu->width; /* exp(logvar - logvar0) */
  return y;
}

gb_node *gb_latent_kl(gb_graph *g, gb_node *mu, gb_node *logvar)
{
  return gb_latent_kl_to(g, mu, logvar, NULL, NULL);
}

static gb_real kl_of(gb_real mu, gb_real l)
{
  return (gb_exp(l) + mu * mu - 1 - l) / 2;
}

static gb_err free_bits_forward(gb_node *y)
{
  const gb_node *mu = y->in[MU], *l = y->in[LOGVAR];
  gb_real lambda = (gb_real) * (const double *)y->ctx;
  for (size_t r = 0; r < y->rows; r++) {
    double sum = 0;
    for (size_t i = r * mu->width; i < (r + 1) * mu->width; i++) {
      gb_real lack = lambda - kl_of(mu->v[i], l->v[i]);
      sum += (double)(lack < 0 ? 0 : lack); /* NaN stays */
    }
    y->term[r] = sum;
  }
  return GB_OK;
}

static gb_err free_bits_vjp(gb_node *y)
{
  gb_node *mu = y->in[MU], *l = y->in[LOGVAR];
  gb_real lambda = (gb_real) * (const double *)y->ctx;
  for (size_t r = 0; r < y->rows; r++)
    for (size_t i = r * mu->width; i < (r + 1) * mu->width; i++) {
      gb_real g = kl_of(mu->v[i], l->v[i]) < lambda ? y->g[r] : 0;
      if (mu->g) mu->g[i] -= g * mu->v[i];
      if (l->g) l->g[i] -= g * (gb_exp(l->v[i]) - 1) / 2;
    }
  return GB_OK;
}

static const gb_op free_bits_op = {"free bits", free_bits_forward, free_bits_vjp};

gb_node *gb_latent_free_bits(gb_graph *g, gb_node *mu, gb_node *logvar, double lambda)
{
  double *ctx = gb_graph_context(g, sizeof *ctx);
  if (!ctx) return NULL;
  *ctx = lambda;
  return gb_graph_term(g, &free_bits_op, ctx, 2, (gb_node *[]){mu, logvar});
}
