/* ad/latent.c - reparameterisation and Kullback-Leibler term. */
#include "ad/latent.h"

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
  for (size_t i = 0; i < z->rows * z->width; i++) mu_bar[i] += g[i];
  for (size_t i = 0; i < z->rows * z->width; i++) l_bar[i] += g[i] * gb_exp(l[i] / 2) * eps[i] / 2;
  return GB_OK;
}

static const gb_op sample_op = {"latent sample", sample_forward, sample_vjp};

gb_node *gb_latent_sample(gb_graph *g, gb_node *mu, gb_node *logvar, gb_node *eps)
{
  return mu ? gb_graph_apply(g, &sample_op, NULL, mu->shape, 3, (gb_node *[]){mu, logvar, eps}) : NULL;
}

static gb_err kl_forward(gb_node *y)
{
  const gb_node *mu = y->in[MU], *l = y->in[LOGVAR];
  for (size_t i = 0; i < y->rows * mu->width; i++) y->work[i] = gb_exp(l->v[i]);
  for (size_t r = 0; r < y->rows; r++) {
    double sum = 0;
    for (size_t i = r * mu->width; i < (r + 1) * mu->width; i++)
      sum += (double)y->work[i] + (double)mu->v[i] * (double)mu->v[i] - 1 - (double)l->v[i];
    y->term[r] = sum / 2;
  }
  return GB_OK;
}

static gb_err kl_vjp(gb_node *y)
{
  gb_node *mu = y->in[MU], *l = y->in[LOGVAR];
  for (size_t r = 0; r < y->rows; r++)
    for (size_t i = r * mu->width; i < (r + 1) * mu->width; i++) {
      mu->g[i] += y->g[r] * mu->v[i];
      l->g[i] += y->g[r] * (y->work[i] - 1) / 2;
    }
  return GB_OK;
}

static const gb_op kl_op = {"KL", kl_forward, kl_vjp};

gb_node *gb_latent_kl(gb_graph *g, gb_node *mu, gb_node *logvar)
{
  gb_node *y = gb_graph_term(g, &kl_op, NULL, 2, (gb_node *[]){mu, logvar});
  if (y) y->n_work = mu->width; /* exp(logvar) */
  return y;
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
      mu->g[i] -= g * mu->v[i];
      l->g[i] -= g * (gb_exp(l->v[i]) - 1) / 2;
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
