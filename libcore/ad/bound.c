/* ad/bound.c - samples and terms of Renyi bounds. */
#include "ad/bound.h"

#include <math.h>

#include "linalg/renyi.h"
#include "linalg/vmath.h"

enum { MU, LOGVAR, EPS };

/* x->g[i] += v, which may be the first that comes there. */
static inline void give(gb_node *x, size_t i, double v)
{
  if (x->g) x->g[i] = (gb_node_is_born(x) ? x->g[i] : 0) + (gb_real)v;
}

static gb_err samples_forward(gb_node *z)
{
  const gb_real *mu = z->in[MU]->v, *l = z->in[LOGVAR]->v, *eps = z->in[EPS]->v;
  size_t m = z->width;
  for (size_t r = 0; r < z->rows; r++) {
    size_t of = r / z->copies * m;
    for (size_t i = 0; i < m; i++) z->v[r * m + i] = mu[of + i] + gb_exp(l[of + i] / 2) * eps[r * m + i];
  }
  return GB_OK;
}

static gb_err samples_vjp(gb_node *z)
{
  gb_node *mu = z->in[MU], *l = z->in[LOGVAR];
  size_t m = z->width, n = z->copies;
  for (size_t i = 0; i < mu->rows * m; i++) {
    size_t first = i / m * n * m + i % m;
    gb_real sum = 0, moved = 0;
    for (size_t k = 0; k < n; k++) {
      sum += z->g[first + k * m];
      moved += z->g[first + k * m] * z->in[EPS]->v[first + k * m];
    }
    if (mu->g) mu->g[i] += sum;
    if (l->g) l->g[i] += moved * gb_exp(l->v[i] / 2) / 2;
  }
  return GB_OK;
}

static const gb_op samples_op = {"latent samples", samples_forward, samples_vjp};

gb_node *gb_bound_samples(gb_graph *g, gb_node *mu, gb_node *logvar, gb_node *eps)
{
  if (!mu || !eps) return NULL;
  return gb_graph_apply_to_copies(g, &samples_op, NULL, mu->shape, eps->copies, 3, (gb_node *[]){mu, logvar, eps});
}

/* A times what mu and logvar get. */
static gb_err scaled_vjp(gb_node *z)
{
  const gb_given *given = z->ctx;
  gb_node *mu = z->in[MU], *l = z->in[LOGVAR];
  size_t m = z->width;
  for (size_t r = 0; r < z->rows; r++) {
    const gb_real *u = z->g + r * m, *eps = z->in[EPS]->v + r * m, *log_var = l->v + r * m;
    for (size_t j = 0; j < m; j++) {
      const gb_real *A = given->A + (r * m + j) * m;
      double sum = 0, noise = 0;
      for (size_t k = 0; k < m; k++) {
        sum += (double)A[k] * exp((double)log_var[k] / 2) * (double)u[k];
        noise += (double)A[k] * (double)eps[k];
      }
      double root = exp((double)log_var[j] / 2);
      give(mu, r * m + j, sum / root);
      give(l, r * m + j, root * (double)u[j] * noise / 2);
    }
  }
  return GB_OK;
}

static const gb_op scaled_op = {"scaled latent sample", samples_forward, scaled_vjp};

gb_node *gb_bound_scaled(gb_graph *g, const gb_given *given, gb_node *mu, gb_node *logvar, gb_node *eps)
{
  gb_node *z = mu ? gb_graph_apply(g, &scaled_op, (void *)given, mu->shape, 3, (gb_node *[]){mu, logvar, eps}) : NULL;
  if (z) z->starts = true;
  return z;
}

static gb_err mean_forward(gb_node *y)
{
  size_t n = y->in[0]->copies;
  for (size_t r = 0; r < y->rows; r++) {
    double sum = 0;
    for (size_t k = 0; k < n; k++) sum += y->in[0]->term[r * n + k];
    y->term[r] = sum / (double)n;
  }
  return GB_OK;
}

static gb_err mean_vjp(gb_node *y)
{
  size_t n = y->in[0]->copies;
  for (size_t i = 0; i < y->rows * n; i++) give(y->in[0], i, (double)y->g[i / n] / (double)n);
  return GB_OK;
}

static const gb_op mean_op = {"mean of samples", mean_forward, mean_vjp};

gb_node *gb_bound_mean(gb_graph *g, gb_node *term)
{
  gb_node *y = gb_graph_apply_to_copies(g, &mean_op, NULL, (gb_shape){1, 1, 0}, 1, 1, &term);
  if (y) y->starts = true;
  return y;
}

enum { NLL, Z, OF_MU, OF_LOGVAR, OF_EPS };

typedef struct sampled {
  double alpha, beta;
  double *log_w; /* [copies] of the row at hand */
  double *share; /* [rows, copies] */
} sampled;

static double kl_of(double mu, double l)
{
  return gb_renyi_kl(exp(l), exp(l / 2) * mu);
}

/* ln p(z) - ln q(z|x) = (|eps|^2 - |z|^2 + sum of logvar) / 2 */
static gb_err sampled_forward(gb_node *y)
{
  const sampled *s = y->ctx;
  const gb_node *z = y->in[Z], *mu = y->in[OF_MU], *l = y->in[OF_LOGVAR], *eps = y->in[OF_EPS];
  size_t m = z->width, n = z->copies;
  for (size_t r = 0; r < y->rows; r++) {
    double rest = 0, mean = 0;
    for (size_t k = 0; k < n; k++) {
      double nll = y->in[NLL]->term[r * n + k] / s->beta, sum = 0;
      for (size_t i = 0; i < m; i++) {
        double a = (double)z->v[(r * n + k) * m + i], e = (double)eps->v[(r * n + k) * m + i];
        sum += (e * e - a * a + (double)l->v[r * m + i]) / 2;
      }
      s->log_w[k] = sum - nll;
      mean += nll / (double)n;
    }
    for (size_t i = 0; i < m; i++) rest += kl_of((double)mu->v[r * m + i], (double)l->v[r * m + i]);
    y->term[r] = -gb_renyi_bound(s->alpha, n, s->log_w, s->share + r * n) - mean - rest;
  }
  return GB_OK;
}

static gb_err sampled_vjp(gb_node *y)
{
  const sampled *s = y->ctx;
  gb_node *nll = y->in[NLL], *z = y->in[Z], *mu = y->in[OF_MU], *l = y->in[OF_LOGVAR];
  size_t m = z->width, n = z->copies;
  for (size_t i = 0; i < y->rows * n; i++) {
    double g = (double)y->g[i / n];
    give(nll, i, g * (s->share[i] - 1 / (double)n) / s->beta);
    for (size_t j = i * m; j < (i + 1) * m; j++) give(z, j, g * s->share[i] * (double)z->v[j]);
  }
  for (size_t i = 0; i < y->rows * m; i++) {
    double g = (double)y->g[i / m];
    give(mu, i, -g * (double)mu->v[i]);
    give(l, i, -g * exp((double)l->v[i]) / 2);
  }
  return GB_OK;
}

static const gb_op sampled_op = {"sampled Renyi bound", sampled_forward, sampled_vjp};

gb_node *gb_bound_sampled(gb_graph *g, double alpha, double beta, gb_node *nll, gb_node *z, gb_node *mu,
                          gb_node *logvar, gb_node *eps)
{
  sampled *s = gb_graph_context(g, sizeof *s);
  if (!s || !nll || !z) return NULL;
  *s = (sampled){.alpha = alpha, .beta = beta};
  s->log_w = gb_graph_context(g, z->copies * sizeof *s->log_w);
  s->share = gb_graph_context(g, gb_graph_rows(g) * z->copies * sizeof *s->share);
  gb_node *y =
      gb_graph_apply_to_copies(g, &sampled_op, s, (gb_shape){1, 1, 0}, 1, 5, (gb_node *[]){nll, z, mu, logvar, eps});
  if (y) y->starts = true;
  return y;
}

typedef struct against {
  const double *alpha;
  double *mean, *log_var, *root; /* [latent] of the prior; its standard deviation */
} against;

static against *keep(gb_graph *g, const double *alpha, const gb_node *mu, gb_prior prior)
{
  against *a = mu ? gb_graph_context(g, sizeof *a) : NULL;
  double *v = a ? gb_graph_context(g, 3 * mu->width * sizeof *v) : NULL;
  if (!v) return NULL;
  *a = (against){alpha, v, v + mu->width, v + 2 * mu->width};
  for (size_t j = 0; j < mu->width; j++) {
    a->mean[j] = prior.mean ? prior.mean[j] : 0;
    a->log_var[j] = prior.logvar ? prior.logvar[j] : 0;
    a->root[j] = exp(a->log_var[j] / 2);
  }
  return a;
}

/* Mean and variance of latent j in units where the prior is N(0, 1). */
static double mean_of(const gb_node *y, size_t r, size_t j)
{
  const against *a = y->ctx;
  return ((double)y->in[MU]->v[r * y->in[MU]->width + j] - a->mean[j]) / a->root[j];
}

static double variance_of(const gb_node *y, size_t r, size_t j)
{
  const against *a = y->ctx;
  return exp((double)y->in[LOGVAR]->v[r * y->in[LOGVAR]->width + j] - a->log_var[j]);
}

/* alpha of a row: the largest variance bounds it. */
static double alpha_of(const gb_node *y, size_t r)
{
  double top = variance_of(y, r, 0);
  for (size_t j = 1; j < y->in[LOGVAR]->width; j++) top = fmax(top, variance_of(y, r, j));
  return gb_renyi_alpha(*((const against *)y->ctx)->alpha, top);
}

/* Of a diagonal q and a prior of unit variance rho is gamma and h is -sqrt(gamma) mu. */
static gb_err divergence_forward(gb_node *y)
{
  size_t m = y->in[MU]->width;
  for (size_t r = 0; r < y->rows; r++) {
    double alpha = alpha_of(y, r);
    y->term[r] = 0;
    for (size_t j = 0; j < m; j++) {
      double gamma = variance_of(y, r, j);
      y->term[r] += gb_renyi_divergence(alpha, gamma, sqrt(gamma) * mean_of(y, r, j));
    }
  }
  return GB_OK;
}

/* With v = w = alpha + (1 - alpha) gamma: by mu alpha mu / v, by ln gamma 1/2 [gamma / v - 1 - alpha (1 - alpha) mu^2
 * gamma / v^2]: finite for any gamma, which those of KL are not. */
static gb_err divergence_vjp(gb_node *y)
{
  const against *a = y->ctx;
  size_t m = y->in[MU]->width;
  for (size_t r = 0; r < y->rows; r++) {
    double alpha = alpha_of(y, r), e = 1 - alpha, g = (double)y->g[r];
    for (size_t j = 0; j < m; j++) {
      double mu = mean_of(y, r, j), gamma = variance_of(y, r, j), v = alpha + e * gamma;
      give(y->in[MU], r * m + j, g * alpha * mu / v / a->root[j]);
      give(y->in[LOGVAR], r * m + j, g / 2 * (alpha * (gamma - 1) / v - alpha * e * (mu / v) * (mu / v) * gamma));
    }
  }
  return GB_OK;
}

static const gb_op divergence_op = {"Renyi divergence", divergence_forward, divergence_vjp};

gb_node *gb_bound_divergence(gb_graph *g, const double *alpha, gb_node *mu, gb_node *logvar, gb_prior prior)
{
  against *kept = keep(g, alpha, mu, prior);
  gb_node *y = kept ? gb_graph_term(g, &divergence_op, kept, 2, (gb_node *[]){mu, logvar}) : NULL;
  if (y) y->starts = true;
  return y;
}

static gb_err escort_forward(gb_node *z)
{
  const against *a = z->ctx;
  size_t m = z->width;
  for (size_t r = 0; r < z->rows; r++) {
    double alpha = alpha_of(z, r);
    for (size_t j = 0; j < m; j++) {
      double gamma = variance_of(z, r, j), v = alpha + (1 - alpha) * gamma, eps = (double)z->in[EPS]->v[r * m + j];
      z->v[r * m + j] = (gb_real)(a->mean[j] + a->root[j] * (alpha * mean_of(z, r, j) / v + sqrt(gamma / v) * eps));
    }
  }
  return GB_OK;
}

static gb_err escort_vjp(gb_node *z)
{
  const against *a = z->ctx;
  size_t m = z->width;
  for (size_t r = 0; r < z->rows; r++) {
    double alpha = alpha_of(z, r);
    for (size_t j = 0; j < m; j++) {
      double mu = mean_of(z, r, j), gamma = variance_of(z, r, j), v = alpha + (1 - alpha) * gamma, gain = alpha / v;
      double g = (double)z->g[r * m + j], eps = (double)z->in[EPS]->v[r * m + j];
      double widened = sqrt(gamma / v) * eps / 2 - (1 - alpha) * gamma * mu / v;
      give(z->in[MU], r * m + j, g * gain);
      give(z->in[LOGVAR], r * m + j, g * gain * a->root[j] * widened);
    }
  }
  return GB_OK;
}

static const gb_op escort_op = {"escort sample", escort_forward, escort_vjp};

gb_node *gb_bound_escort(gb_graph *g, const double *alpha, gb_node *mu, gb_node *logvar, gb_node *eps, gb_prior prior)
{
  against *kept = keep(g, alpha, mu, prior);
  gb_node *z = kept ? gb_graph_apply(g, &escort_op, kept, mu->shape, 3, (gb_node *[]){mu, logvar, eps}) : NULL;
  if (z) z->starts = true;
  return z;
}

static gb_err given_forward(gb_node *y)
{
  const gb_given *given = y->ctx;
  for (size_t r = 0; r < y->rows; r++) y->term[r] = given->value[r];
  return GB_OK;
}

static gb_err given_vjp(gb_node *y)
{
  const gb_given *given = y->ctx;
  size_t m = y->in[MU]->width;
  for (size_t i = 0; i < y->rows * m; i++) {
    give(y->in[MU], i, (double)(y->g[i / m] * given->by_mu[i]));
    give(y->in[LOGVAR], i, (double)(y->g[i / m] * given->by_log_var[i]));
  }
  return GB_OK;
}

static const gb_op given_op = {"Renyi regulariser", given_forward, given_vjp};

gb_node *gb_bound_given(gb_graph *g, const gb_given *given, gb_node *mu, gb_node *logvar)
{
  gb_node *y = gb_graph_term(g, &given_op, (void *)given, 2, (gb_node *[]){mu, logvar});
  if (y) y->starts = true;
  return y;
}
