/* ad/rotor.c - directions, spreads, likelihoods and noisy fields of planar spins. */
#include "ad/rotor.h"

#include <math.h>

#include "linalg/vmath.h"
#include "linalg/von_mises.h"

/* Context of the ops with noise. */
typedef struct noisy {
  gb_noise noise;
  double fixed;
  const gb_draws *draws;
} noisy;

static gb_err from_vector_forward(gb_node *u)
{
  const gb_node *raw = u->in[0];
  size_t c = raw->shape.c;
  for (size_t i = 0; i < u->rows * u->shape.h * u->shape.w; i++) {
    const gb_real *a = raw->v + i * c;
    gb_real n = 1 / (gb_real)sqrt(a[0] * a[0] + a[1] * a[1] + GB_R(1e-8)); /* a vanishing vector has no direction */
    u->v[2 * i] = a[0] * n;
    u->v[2 * i + 1] = a[1] * n;
  }
  return GB_OK;
}

static gb_err from_vector_vjp(gb_node *u)
{
  gb_node *raw = u->in[0];
  size_t c = raw->shape.c;
  for (size_t i = 0; i < u->rows * u->shape.h * u->shape.w; i++) {
    const gb_real *a = raw->v + i * c, *v = u->v + 2 * i, *g = u->g + 2 * i;
    gb_real n = 1 / (gb_real)sqrt(a[0] * a[0] + a[1] * a[1] + GB_R(1e-8)), along = v[0] * g[0] + v[1] * g[1];
    raw->g[i * c] += n * (g[0] - v[0] * along);
    raw->g[i * c + 1] += n * (g[1] - v[1] * along);
  }
  return GB_OK;
}

static gb_err from_angle_forward(gb_node *u)
{
  const gb_node *raw = u->in[0];
  for (size_t i = 0; i < u->rows * u->shape.h * u->shape.w; i++) {
    double s, c;
    sincos(M_PI * (double)raw->v[i * raw->shape.c], &s, &c);
    u->v[2 * i] = (gb_real)c;
    u->v[2 * i + 1] = (gb_real)s;
  }
  return GB_OK;
}

static gb_err from_angle_vjp(gb_node *u)
{
  gb_node *raw = u->in[0];
  for (size_t i = 0; i < u->rows * u->shape.h * u->shape.w; i++) {
    const gb_real *v = u->v + 2 * i, *g = u->g + 2 * i;
    raw->g[i * raw->shape.c] += (gb_real)M_PI * (v[0] * g[1] - v[1] * g[0]);
  }
  return GB_OK;
}

static const gb_real middle = (gb_real)(GB_SPREAD_LOW + GB_SPREAD_HIGH) / 2,
                     reach = (gb_real)(GB_SPREAD_HIGH - GB_SPREAD_LOW) / 2;

static gb_err spread_forward(gb_node *l)
{
  const gb_node *raw = l->in[0];
  size_t c = raw->shape.c;
  for (size_t i = 0; i < l->rows * l->width; i++)
    l->v[i] = middle + reach * gb_tanh((raw->v[i * c + c - 1] - middle) / reach);
  return GB_OK;
}

static gb_err spread_vjp(gb_node *l)
{
  gb_node *raw = l->in[0];
  size_t c = raw->shape.c;
  for (size_t i = 0; i < l->rows * l->width; i++) {
    gb_real t = (l->v[i] - middle) / reach;
    raw->g[i * c + c - 1] += l->g[i] * (1 - t * t);
  }
  return GB_OK;
}

static const gb_op from_vector_op = {"direction of a vector", from_vector_forward, from_vector_vjp};
static const gb_op from_angle_op = {"direction of an angle", from_angle_forward, from_angle_vjp};
static const gb_op spread_op = {"spread", spread_forward, spread_vjp};

static gb_node *per_site(gb_graph *g, const gb_op *op, gb_node *raw, size_t channels)
{
  if (!raw) return NULL;
  return gb_graph_apply(g, op, NULL, (gb_shape){raw->shape.h, raw->shape.w, channels}, 1, &raw);
}

gb_node *gb_rotor_from_vector(gb_graph *g, gb_node *raw)
{
  return per_site(g, &from_vector_op, raw, 2);
}

gb_node *gb_rotor_from_angle(gb_graph *g, gb_node *raw)
{
  return per_site(g, &from_angle_op, raw, 2);
}

gb_node *gb_rotor_spread(gb_graph *g, gb_node *raw)
{
  return per_site(g, &spread_op, raw, 1);
}

/* ln sigma^2 of site i, and where its gradient goes. */
static double spread_of(const gb_node *l, const noisy *n, size_t i)
{
  return l ? (double)l->v[i] : n->fixed;
}

static void *make_context(gb_graph *g, gb_noise noise, double fixed, const gb_draws *draws)
{
  noisy *n = gb_graph_context(g, sizeof *n);
  if (n) *n = (noisy){noise, fixed, draws};
  return n;
}

/* Nodes of u and l as inputs 0 and 1; x, if any, comes last. */
enum { U, L };

static const gb_node *spread_node(const gb_node *y, int n_without)
{
  return y->n_in > n_without ? y->in[L] : NULL;
}

/* Residual x - direction, in (-pi, pi], and its cosine. */
static double residual(double x, const gb_real *u, double *cosine)
{
  double s, c;
  sincos(x, &s, &c);
  *cosine = c * (double)u[0] + s * (double)u[1];
  return atan2(s * (double)u[0] - c * (double)u[1], *cosine);
}

enum { NLL_INPUTS = 2, FIELD_INPUTS = 1 }; /* without l */

/* Residual and its cosine of each site stay in y->work [sites, 2]. */
static gb_err nll_forward(gb_node *y)
{
  const noisy *n = y->ctx;
  const gb_node *u = y->in[U], *l = spread_node(y, NLL_INPUTS), *x = y->in[y->n_in - 1];
  const double ln_2pi = log(2 * M_PI);
  for (size_t r = 0; r < y->rows; r++) {
    double sum = 0, c;
    for (size_t i = r * x->width; i < (r + 1) * x->width; i++) {
      double spread = spread_of(l, n, i), d = residual((double)x->v[i], u->v + 2 * i, &c), kappa = exp(-spread);
      sum += n->noise == GB_GAUSSIAN ? (d * d * kappa + spread + ln_2pi) / 2
                                     : ln_2pi + gb_von_mises_log_i0(kappa) - kappa * c;
      y->work[2 * i] = (gb_real)d;
      y->work[2 * i + 1] = (gb_real)c;
    }
    y->term[r] = sum;
  }
  return GB_OK;
}

static gb_err nll_vjp(gb_node *y)
{
  const noisy *n = y->ctx;
  gb_node *u = y->in[U], *x = y->in[y->n_in - 1];
  gb_node *l = y->n_in > NLL_INPUTS ? y->in[L] : NULL;
  for (size_t r = 0; r < y->rows; r++)
    for (size_t i = r * x->width; i < (r + 1) * x->width; i++) {
      double g = (double)y->g[r], kappa = exp(-spread_of(l, n, i)), d = (double)y->work[2 * i];
      double uc = (double)u->v[2 * i], us = (double)u->v[2 * i + 1], s, c;
      if (n->noise == GB_GAUSSIAN) {
        double turn = -g * d * kappa / (uc * uc + us * us); /* by the direction's angle, over |u|^2 */
        u->g[2 * i] += (gb_real)(-turn * us);
        u->g[2 * i + 1] += (gb_real)(turn * uc);
        if (l) l->g[i] += (gb_real)(g * (1 - d * d * kappa) / 2);
      } else {
        sincos((double)x->v[i], &s, &c);
        u->g[2 * i] += (gb_real)(-g * kappa * c);
        u->g[2 * i + 1] += (gb_real)(-g * kappa * s);
        if (l) l->g[i] += (gb_real)(g * kappa * ((double)y->work[2 * i + 1] - gb_von_mises_length(kappa)));
      }
    }
  return GB_OK;
}

static const gb_op nll_op = {"likelihood of angles", nll_forward, nll_vjp};

gb_node *gb_rotor_nll(gb_graph *g, gb_noise noise, gb_node *x, gb_node *u, gb_node *l, double fixed)
{
  void *ctx = make_context(g, noise, fixed, NULL);
  gb_node *in[] = {u, l ? l : x, x};
  gb_node *y = ctx ? gb_graph_term(g, &nll_op, ctx, l ? 3 : 2, in) : NULL;
  if (y) y->n_work = 2 * x->width;
  return y;
}

/* Mean resultant length of the noise, and its derivative in l. */
static double length_of(gb_noise noise, double spread, double *slope)
{
  if (noise == GB_GAUSSIAN) {
    double variance = exp(spread), r = exp(-variance / 2);
    *slope = -variance * r / 2;
    return r;
  }
  double kappa = exp(-spread);
  *slope = -kappa * gb_von_mises_length_slope(kappa);
  return gb_von_mises_length(kappa);
}

static gb_err expected_forward(gb_node *s)
{
  const noisy *n = s->ctx;
  const gb_node *u = s->in[U], *l = spread_node(s, FIELD_INPUTS);
  for (size_t i = 0; i < s->rows * s->shape.h * s->shape.w; i++) {
    double slope, r = length_of(n->noise, spread_of(l, n, i), &slope);
    s->v[2 * i] = (gb_real)(r * (double)u->v[2 * i]);
    s->v[2 * i + 1] = (gb_real)(r * (double)u->v[2 * i + 1]);
  }
  return GB_OK;
}

static gb_err expected_vjp(gb_node *s)
{
  const noisy *n = s->ctx;
  gb_node *u = s->in[U];
  const gb_node *l = spread_node(s, FIELD_INPUTS);
  for (size_t i = 0; i < s->rows * s->shape.h * s->shape.w; i++) {
    double slope, r = length_of(n->noise, spread_of(l, n, i), &slope);
    double gc = (double)s->g[2 * i], gs = (double)s->g[2 * i + 1];
    u->g[2 * i] += (gb_real)(r * gc);
    u->g[2 * i + 1] += (gb_real)(r * gs);
    if (l) l->g[i] += (gb_real)(slope * (gc * (double)u->v[2 * i] + gs * (double)u->v[2 * i + 1]));
  }
  return GB_OK;
}

static const gb_op expected_op = {"expected field", expected_forward, expected_vjp};

static gb_node *field(gb_graph *g, const gb_op *op, void *ctx, gb_node *u, gb_node *l)
{
  if (!ctx || !u) return NULL;
  return gb_graph_apply(g, op, ctx, u->shape, l ? 2 : 1, (gb_node *[]){u, l});
}

gb_node *gb_rotor_expected(gb_graph *g, gb_noise noise, gb_node *u, gb_node *l, double fixed)
{
  return field(g, &expected_op, make_context(g, noise, fixed, NULL), u, l);
}

/* The variate of each site stays in s->work [sites]. */
static gb_err sample_forward(gb_node *s)
{
  const noisy *n = s->ctx;
  const gb_node *u = s->in[U], *l = spread_node(s, FIELD_INPUTS);
  size_t sites = s->shape.h * s->shape.w;
  for (size_t r = 0; r < s->rows; r++) {
    gb_real *turn = s->work + r * sites;
    gb_key row = gb_rng_key(n->draws->seed, GB_RNG_OUTPUT, n->draws->first_row + r, n->draws->step);
    if (n->noise == GB_GAUSSIAN) gb_rng_normal(row, sites, turn);
    for (size_t k = 0; k < sites; k++) {
      size_t i = r * sites + k;
      double spread = spread_of(l, n, i), c, sn;
      if (n->noise == GB_GAUSSIAN) {
        turn[k] *= (gb_real)exp(spread / 2);
      } else { /* each site draws until it accepts: a stream of its own, numbered in the key */
        gb_key site = row;
        site.k[1] ^= (uint32_t)k + 1;
        turn[k] = (gb_real)gb_von_mises_draw(exp(-spread), site);
      }
      sincos((double)turn[k], &sn, &c);
      s->v[2 * i] = (gb_real)(c * (double)u->v[2 * i] - sn * (double)u->v[2 * i + 1]);
      s->v[2 * i + 1] = (gb_real)(sn * (double)u->v[2 * i] + c * (double)u->v[2 * i + 1]);
    }
  }
  return GB_OK;
}

static gb_err sample_vjp(gb_node *s)
{
  const noisy *n = s->ctx;
  gb_node *u = s->in[U];
  const gb_node *l = spread_node(s, FIELD_INPUTS);
  for (size_t i = 0; i < s->rows * s->shape.h * s->shape.w; i++) {
    double turn = (double)s->work[i], gc = (double)s->g[2 * i], gs = (double)s->g[2 * i + 1], c, sn;
    sincos(turn, &sn, &c);
    u->g[2 * i] += (gb_real)(c * gc + sn * gs);
    u->g[2 * i + 1] += (gb_real)(c * gs - sn * gc);
    if (!l) continue;
    double by_turn = (double)s->v[2 * i] * gs - (double)s->v[2 * i + 1] * gc; /* d/d turn: the spin rotates */
    double kappa = exp(-(double)l->v[i]);
    double slope = n->noise == GB_GAUSSIAN ? turn / 2 : -kappa * gb_von_mises_move(kappa, turn);
    l->g[i] += (gb_real)(by_turn * slope);
  }
  return GB_OK;
}

static const gb_op sample_op = {"sampled field", sample_forward, sample_vjp};

gb_node *gb_rotor_sample(gb_graph *g, gb_noise noise, gb_node *u, gb_node *l, double fixed, const gb_draws *draws)
{
  gb_node *s = field(g, &sample_op, make_context(g, noise, fixed, draws), u, l);
  if (s) s->n_work = s->shape.h * s->shape.w;
  return s;
}
