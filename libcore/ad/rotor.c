/* ad/rotor.c - directions, spreads, likelihoods and noisy fields of planar spins.
 *
 * Sites are worked on in strips: their numbers are laid out apart, (a, b) pairs as two arrays, and every loop over a
 * strip is then one vector loop. The sum over a row adds its strips in order. */
#include "ad/rotor.h"

#include <math.h>

#include "linalg/normals.h"
#include "linalg/vmath.h"
#include "linalg/von_mises.h"

enum { STRIP = 128 };

/* Context of the ops with noise. */
typedef struct noisy {
  gb_noise noise;
  double fixed;
  const gb_draws *draws;
} noisy;

static inline size_t strip_end(size_t i, size_t n)
{
  return n - i < STRIP ? n - i : STRIP;
}

/* x[i] of numbers that stand c apart */
static inline void take(size_t n, size_t c, const gb_real *restrict from, gb_real *restrict x)
{
  if (c == 2)
    for (size_t i = 0; i < n; i++) x[i] = from[2 * i];
  else if (c == 3)
    for (size_t i = 0; i < n; i++) x[i] = from[3 * i];
  else
    for (size_t i = 0; i < n; i++) x[i] = from[c * i];
}

static inline void add_into(size_t n, size_t c, const gb_real *restrict x, gb_real *restrict to)
{
  if (c == 3)
    for (size_t i = 0; i < n; i++) to[3 * i] += x[i];
  else
    for (size_t i = 0; i < n; i++) to[c * i] += x[i];
}

/* Pairs that stand side by side. */
static inline void split(size_t n, const gb_real *restrict from, gb_real *restrict a, gb_real *restrict b)
{
  for (size_t i = 0; i < n; i++) {
    a[i] = from[2 * i];
    b[i] = from[2 * i + 1];
  }
}

static inline void join(size_t n, const gb_real *restrict a, const gb_real *restrict b, gb_real *restrict to)
{
  for (size_t i = 0; i < n; i++) {
    to[2 * i] = a[i];
    to[2 * i + 1] = b[i];
  }
}

static inline void add_pairs(size_t n, const gb_real *restrict a, const gb_real *restrict b, gb_real *restrict to)
{
  for (size_t i = 0; i < n; i++) {
    to[2 * i] += a[i];
    to[2 * i + 1] += b[i];
  }
}

static size_t sites_of(const gb_node *y)
{
  return y->rows * y->shape.h * y->shape.w;
}

/* One over the length of a vector; a vanishing one has no direction. */
static inline gb_real scale_of(gb_real a, gb_real b)
{
  return 1 / gb_sqrt(a * a + b * b + GB_R(1e-8));
}

static gb_err from_vector_forward(gb_node *u)
{
  const gb_node *raw = u->in[0];
  size_t c = raw->shape.c, n = sites_of(u);
  for (size_t i = 0, m; i < n; i += m) {
    gb_real a[STRIP], b[STRIP];
    m = strip_end(i, n);
    take(m, c, raw->v + i * c, a);
    take(m, c, raw->v + i * c + 1, b);
    for (size_t k = 0; k < m; k++) {
      gb_real s = scale_of(a[k], b[k]);
      a[k] *= s;
      b[k] *= s;
    }
    join(m, a, b, u->v + 2 * i);
  }
  return GB_OK;
}

static gb_err from_vector_vjp(gb_node *u)
{
  gb_node *raw = u->in[0];
  size_t c = raw->shape.c, n = sites_of(u);
  for (size_t i = 0, m; i < n; i += m) {
    gb_real a[STRIP], b[STRIP], ga[STRIP], gb[STRIP];
    m = strip_end(i, n);
    take(m, c, raw->v + i * c, a);
    take(m, c, raw->v + i * c + 1, b);
    split(m, u->g + 2 * i, ga, gb);
    for (size_t k = 0; k < m; k++) {
      gb_real s = scale_of(a[k], b[k]), x = a[k] * s, y = b[k] * s, along = x * ga[k] + y * gb[k];
      a[k] = s * (ga[k] - x * along);
      b[k] = s * (gb[k] - y * along);
    }
    if (c == 2) {
      add_pairs(m, a, b, raw->g + 2 * i);
      continue;
    }
    add_into(m, c, a, raw->g + i * c);
    add_into(m, c, b, raw->g + i * c + 1);
  }
  return GB_OK;
}

static gb_err from_angle_forward(gb_node *u)
{
  const gb_node *raw = u->in[0];
  size_t c = raw->shape.c, n = sites_of(u);
  for (size_t i = 0, m; i < n; i += m) {
    gb_real a[STRIP], b[STRIP];
    m = strip_end(i, n);
    take(m, c, raw->v + i * c, a);
    for (size_t k = 0; k < m; k++) gb_circle_half_turns(a[k], &a[k], &b[k]);
    join(m, a, b, u->v + 2 * i);
  }
  return GB_OK;
}

static gb_err from_angle_vjp(gb_node *u)
{
  gb_node *raw = u->in[0];
  size_t c = raw->shape.c, n = sites_of(u);
  for (size_t i = 0, m; i < n; i += m) {
    gb_real turn[STRIP];
    m = strip_end(i, n);
    const gb_real *v = u->v + 2 * i, *g = u->g + 2 * i;
    for (size_t k = 0; k < m; k++) turn[k] = (gb_real)M_PI * (v[2 * k] * g[2 * k + 1] - v[2 * k + 1] * g[2 * k]);
    add_into(m, c, turn, raw->g + i * c);
  }
  return GB_OK;
}

static const gb_real middle = (gb_real)(GB_SPREAD_LOW + GB_SPREAD_HIGH) / 2,
                     reach = (gb_real)(GB_SPREAD_HIGH - GB_SPREAD_LOW) / 2;

static gb_err spread_forward(gb_node *l)
{
  const gb_node *raw = l->in[0];
  size_t c = raw->shape.c, n = l->rows * l->width;
  gb_real *restrict v = l->v;
  for (size_t i = 0, m; i < n; i += m) {
    gb_real a[STRIP];
    m = strip_end(i, n);
    take(m, c, raw->v + i * c + c - 1, a);
    for (size_t k = 0; k < m; k++) v[i + k] = middle + reach * gb_tanh((a[k] - middle) / reach);
  }
  return GB_OK;
}

static gb_err spread_vjp(gb_node *l)
{
  gb_node *raw = l->in[0];
  size_t c = raw->shape.c, n = l->rows * l->width;
  for (size_t i = 0, m; i < n; i += m) {
    gb_real a[STRIP];
    m = strip_end(i, n);
    for (size_t k = 0; k < m; k++) {
      gb_real t = (l->v[i + k] - middle) / reach;
      a[k] = l->g[i + k] * (1 - t * t);
    }
    add_into(m, c, a, raw->g + i * c + c - 1);
  }
  return GB_OK;
}

/* Row and direction of each sample's tangents, whose sites stand one after another. */
static size_t tangents_of(const gb_node *y)
{
  return y->rows * y->directions;
}

static gb_err from_vector_jvp(gb_node *u)
{
  const gb_node *raw = u->in[0];
  size_t c = raw->shape.c, n = u->width / 2;
  for (size_t d = 0; d < tangents_of(u); d++) {
    const gb_real *restrict at = raw->v + d / u->directions * raw->width, *restrict t = raw->t + d * raw->width;
    gb_real *restrict to = u->t + d * u->width;
    for (size_t i = 0; i < n; i++) {
      gb_real a = at[i * c], b = at[i * c + 1], s = scale_of(a, b), x = a * s, y = b * s;
      gb_real ta = t[i * c], tb = t[i * c + 1], along = x * ta + y * tb;
      to[2 * i] = s * (ta - x * along);
      to[2 * i + 1] = s * (tb - y * along);
    }
  }
  return GB_OK;
}

static gb_err from_angle_jvp(gb_node *u)
{
  const gb_node *raw = u->in[0];
  size_t c = raw->shape.c, n = u->width / 2;
  for (size_t d = 0; d < tangents_of(u); d++) {
    const gb_real *restrict v = u->v + d / u->directions * u->width, *restrict t = raw->t + d * raw->width;
    gb_real *restrict to = u->t + d * u->width;
    for (size_t i = 0; i < n; i++) {
      gb_real turn = (gb_real)M_PI * t[i * c];
      to[2 * i] = -turn * v[2 * i + 1];
      to[2 * i + 1] = turn * v[2 * i];
    }
  }
  return GB_OK;
}

static gb_err spread_jvp(gb_node *l)
{
  const gb_node *raw = l->in[0];
  size_t c = raw->shape.c, n = l->width;
  for (size_t d = 0; d < tangents_of(l); d++) {
    const gb_real *restrict v = l->v + d / l->directions * n, *restrict t = raw->t + d * raw->width + c - 1;
    for (size_t i = 0; i < n; i++) {
      gb_real bent = (v[i] - middle) / reach;
      l->t[d * n + i] = t[i * c] * (1 - bent * bent);
    }
  }
  return GB_OK;
}

double gb_rotor_spread_slope(double l)
{
  double bent = (l - (double)middle) / (double)reach;
  return 1 - bent * bent;
}

/* The context is what is bent into the first l. */
static gb_err shared_forward(gb_node *l)
{
  gb_real raw = (gb_real) * (const double *)l->ctx + *l->in[0]->v;
  gb_real v = middle + reach * gb_tanh((raw - middle) / reach);
  for (size_t i = 0; i < l->rows * l->width; i++) l->v[i] = v;
  return GB_OK;
}

static gb_err shared_vjp(gb_node *l)
{
  double slope = gb_rotor_spread_slope((double)*l->v);
  for (size_t r = 0; r < l->rows; r++) l->work[r] = (gb_real)(slope * gb_sum(l->width, l->g + r * l->width));
  gb_node_sum_rows(l, l->in[0], l->rows, 1, l->work, NULL);
  return GB_OK;
}

static const gb_op shared_op = {"shared spread", shared_forward, shared_vjp};

static const gb_op from_vector_op = {"direction of a vector", from_vector_forward, from_vector_vjp};
static const gb_op from_angle_op = {"direction of an angle", from_angle_forward, from_angle_vjp};
static const gb_op spread_op = {"spread", spread_forward, spread_vjp};

static gb_node *per_site(gb_graph *g, const gb_op *op, gb_err (*jvp)(gb_node *), gb_node *raw, size_t channels)
{
  if (!raw) return NULL;
  gb_node *y = gb_graph_apply(g, op, NULL, (gb_shape){raw->shape.h, raw->shape.w, channels}, 1, &raw);
  if (y) y->jvp = jvp;
  return y;
}

gb_node *gb_rotor_from_vector(gb_graph *g, gb_node *raw)
{
  return per_site(g, &from_vector_op, from_vector_jvp, raw, 2);
}

gb_node *gb_rotor_from_angle(gb_graph *g, gb_node *raw)
{
  return per_site(g, &from_angle_op, from_angle_jvp, raw, 2);
}

gb_node *gb_rotor_spread(gb_graph *g, gb_node *raw)
{
  return per_site(g, &spread_op, spread_jvp, raw, 1);
}

gb_node *gb_rotor_shared_spread(gb_graph *g, gb_node *weight, gb_shape shape, size_t copies, double start)
{
  double *raw = gb_graph_context(g, sizeof *raw);
  if (!raw || !weight) return NULL;
  GB_ASSERT(weight->is_param && weight->width == 1 && start > GB_SPREAD_LOW && start < GB_SPREAD_HIGH);
  *raw = (double)middle + (double)reach * atanh((start - (double)middle) / (double)reach);
  gb_node *l = gb_graph_apply(g, &shared_op, raw, shape, 1, &weight);
  if (!l) return NULL;
  l->copies = copies;
  l->n_work = 1;
  return l;
}

static void *make_context(gb_graph *g, gb_noise noise, double fixed, const gb_draws *draws)
{
  noisy *n = gb_graph_context(g, sizeof *n);
  if (n) *n = (noisy){noise, fixed, draws};
  return n;
}

/* Nodes of u and l as inputs 0 and 1; x, if any, comes last. */
enum { U, L };
enum { NLL_INPUTS = 2, FIELD_INPUTS = 1 }; /* without l */

static gb_node *spread_node(const gb_node *y, int n_without)
{
  return y->n_in > n_without ? y->in[L] : NULL;
}

/* ln sigma^2 of the sites from i on. */
static inline void take_spread(size_t m, const gb_node *l, const noisy *n, size_t i, gb_real *restrict out)
{
  for (size_t k = 0; k < m; k++) out[k] = l ? l->v[i + k] : (gb_real)n->fixed;
}

/* A strip of sites of a likelihood: direction, sample, ln sigma^2. */
typedef struct strip {
  gb_real uc[STRIP], us[STRIP], xc[STRIP], xs[STRIP], l[STRIP], t[STRIP];
} strip;

/* Terms without their constant. Residual and kappa are left for the vjp. */
static void gaussian_terms(size_t m, strip *s, gb_real *restrict residual, gb_real *restrict kappa)
{
  for (size_t k = 0; k < m; k++) {
    gb_real c = s->xc[k] * s->uc[k] + s->xs[k] * s->us[k], sine = s->xs[k] * s->uc[k] - s->xc[k] * s->us[k];
    gb_real d = gb_angle(c, sine), q = gb_exp(-s->l[k]);
    s->t[k] = (d * d * q + s->l[k]) / 2;
    residual[k] = d;
    kappa[k] = q;
  }
}

/* ln I0(kappa) - kappa cos d = (ln I0(kappa) - kappa) + kappa (1 - cos d), and 1 - cos d = |x - u|^2 / 2: no large
 * numbers cancel. The derivative by l and kappa are left for the vjp. */
static void von_mises_terms(size_t m, strip *s, gb_real *restrict by_l, gb_real *restrict kappa)
{
  for (size_t k = 0; k < m; k++) {
    gb_real dc = s->xc[k] - s->uc[k], ds = s->xs[k] - s->us[k], q = gb_exp(-s->l[k]), less, lack;
    gb_von_mises_less(q, &less, &lack);
    gb_real far = q * ((dc * dc + ds * ds) / 2);
    s->t[k] = less + far;
    by_l[k] = lack - far;
    kappa[k] = q;
  }
}

/* Two numbers per site stay in y->work [rows, 2, sites]. */
static gb_err nll_forward(gb_node *y)
{
  const noisy *n = y->ctx;
  const gb_node *u = y->in[U], *l = spread_node(y, NLL_INPUTS), *x = y->in[y->n_in - 1];
  size_t sites = x->width / 2, copies = y->copies;
  double constant = (double)sites * log(2 * M_PI) * (n->noise == GB_GAUSSIAN ? 0.5 : 1);
  strip s;
  for (size_t r = 0; r < y->rows; r++) {
    gb_real *work = y->work + 2 * r * sites;
    double sum = 0;
    for (size_t k = 0, m; k < sites; k += m) {
      size_t i = r * sites + k;
      m = strip_end(k, sites);
      split(m, u->v + 2 * i, s.uc, s.us);
      split(m, x->v + 2 * (r / copies * sites + k), s.xc, s.xs);
      take_spread(m, l, n, i, s.l);
      (n->noise == GB_GAUSSIAN ? gaussian_terms : von_mises_terms)(m, &s, work + k, work + sites + k);
      sum += gb_sum(m, s.t);
    }
    y->term[r] = sum + constant;
  }
  return GB_OK;
}

/* Gradients by u into s->xc, s->xs, and by l into s->t, of a term whose weight is g. */
static void gaussian_gradient(size_t m, strip *s, gb_real g, const gb_real *restrict residual,
                              const gb_real *restrict kappa)
{
  for (size_t k = 0; k < m; k++) {
    gb_real d = residual[k], q = kappa[k];
    gb_real turn = -g * d * q / (s->uc[k] * s->uc[k] + s->us[k] * s->us[k]); /* by the direction's angle, over |u|^2 */
    s->xc[k] = -turn * s->us[k];
    s->xs[k] = turn * s->uc[k];
    s->t[k] = g * (1 - d * d * q) / 2;
  }
}

static void von_mises_gradient(size_t m, strip *s, gb_real g, const gb_real *restrict by_l,
                               const gb_real *restrict kappa)
{
  for (size_t k = 0; k < m; k++) {
    s->xc[k] = g * kappa[k] * (s->uc[k] - s->xc[k]);
    s->xs[k] = g * kappa[k] * (s->us[k] - s->xs[k]);
    s->t[k] = g * by_l[k];
  }
}

static gb_err nll_vjp(gb_node *y)
{
  const noisy *n = y->ctx;
  gb_node *u = y->in[U], *x = y->in[y->n_in - 1], *l = spread_node(y, NLL_INPUTS);
  size_t sites = x->width / 2, copies = y->copies;
  strip s;
  for (size_t r = 0; r < y->rows; r++) {
    const gb_real *work = y->work + 2 * r * sites;
    for (size_t k = 0, m; k < sites; k += m) {
      size_t i = r * sites + k;
      m = strip_end(k, sites);
      split(m, u->v + 2 * i, s.uc, s.us);
      split(m, x->v + 2 * (r / copies * sites + k), s.xc, s.xs);
      (n->noise == GB_GAUSSIAN ? gaussian_gradient : von_mises_gradient)(m, &s, y->g[r], work + k, work + sites + k);
      if (u->g) add_pairs(m, s.xc, s.xs, u->g + 2 * i);
      if (l && l->g) add_into(m, 1, s.t, l->g + i);
    }
  }
  return GB_OK;
}

static const gb_op nll_op = {"likelihood of angles", nll_forward, nll_vjp};

gb_node *gb_rotor_nll(gb_graph *g, gb_noise noise, gb_node *x, gb_node *u, gb_node *l, double fixed)
{
  void *ctx = make_context(g, noise, fixed, NULL);
  gb_node *in[] = {u, l ? l : x, x};
  gb_node *y =
      ctx && u ? gb_graph_apply_to_copies(g, &nll_op, ctx, (gb_shape){1, 1, 0}, u->copies, l ? 3 : 2, in) : NULL;
  if (y) y->n_work = x->width;
  return y;
}

/* Mean resultant length of the noise, and its derivative in l, of ln sigma^2 = l. */
static void lengths(gb_noise noise, size_t m, const gb_real *restrict l, gb_real *restrict length,
                    gb_real *restrict slope)
{
  if (noise == GB_GAUSSIAN) {
    for (size_t k = 0; k < m; k++) {
      gb_real half = gb_exp(l[k]) / 2;
      length[k] = gb_exp(-half);
      slope[k] = -half * length[k];
    }
    return;
  }
  for (size_t k = 0; k < m; k++) {
    double kappa = exp(-(double)l[k]);
    length[k] = (gb_real)gb_von_mises_length(kappa);
    slope[k] = (gb_real)(-kappa * gb_von_mises_length_slope(kappa));
  }
}

static gb_err expected_forward(gb_node *s)
{
  const noisy *n = s->ctx;
  const gb_node *u = s->in[U], *l = spread_node(s, FIELD_INPUTS);
  size_t all = sites_of(s);
  for (size_t i = 0, m; i < all; i += m) {
    gb_real spread[STRIP], r[STRIP], slope[STRIP];
    m = strip_end(i, all);
    take_spread(m, l, n, i, spread);
    lengths(n->noise, m, spread, r, slope);
    for (size_t k = 0; k < m; k++) {
      s->v[2 * (i + k)] = r[k] * u->v[2 * (i + k)];
      s->v[2 * (i + k) + 1] = r[k] * u->v[2 * (i + k) + 1];
    }
  }
  return GB_OK;
}

static gb_err expected_vjp(gb_node *s)
{
  const noisy *n = s->ctx;
  gb_node *u = s->in[U], *l = spread_node(s, FIELD_INPUTS);
  size_t all = sites_of(s);
  for (size_t i = 0, m; i < all; i += m) {
    gb_real spread[STRIP], r[STRIP], slope[STRIP], gc[STRIP], gs[STRIP], uc[STRIP], us[STRIP];
    m = strip_end(i, all);
    take_spread(m, l, n, i, spread);
    lengths(n->noise, m, spread, r, slope);
    split(m, s->g + 2 * i, gc, gs);
    split(m, u->v + 2 * i, uc, us);
    for (size_t k = 0; k < m; k++) {
      slope[k] *= gc[k] * uc[k] + gs[k] * us[k];
      gc[k] *= r[k];
      gs[k] *= r[k];
    }
    if (u->g) add_pairs(m, gc, gs, u->g + 2 * i);
    if (l && l->g) add_into(m, 1, slope, l->g + i);
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

/* What stays of a row of a sampled field in s->work [rows, WORK, sites]. */
enum { TURN, COSINE, SINE, WORK };

/* Each site draws until it accepts: a stream of its own, numbered in the key. */
static void von_mises_turns(const gb_draws *d, uint64_t first, size_t r, size_t sites, const gb_node *l, const noisy *n,
                            gb_real *turn)
{
  gb_key row = gb_rng_key(d->seed, GB_RNG_OUTPUT, first + r, d->step);
  for (size_t k = 0; k < sites; k++) {
    gb_key site = row;
    site.k[1] ^= (uint32_t)k + 1;
    turn[k] = (gb_real)gb_von_mises_draw(exp(-(l ? (double)l->v[r * sites + k] : n->fixed)), site);
  }
}

static gb_err sample_forward(gb_node *s)
{
  const noisy *n = s->ctx;
  const gb_draws *d = n->draws;
  const gb_node *u = s->in[U], *l = spread_node(s, FIELD_INPUTS);
  size_t sites = s->shape.h * s->shape.w;
  bool gaussian = n->noise == GB_GAUSSIAN;
  uint64_t first = d->first_row * s->copies; /* copies draw for themselves */
  if (gaussian) gb_normals(d->seed, GB_RNG_OUTPUT, first, d->step, s->rows, sites, WORK * sites, s->work);
  for (size_t r = 0; r < s->rows; r++) {
    gb_real *turns = s->work + WORK * r * sites;
    if (!gaussian) von_mises_turns(d, first, r, sites, l, n, turns);
    for (size_t k = 0, m; k < sites; k += m) {
      gb_real spread[STRIP], uc[STRIP], us[STRIP], vc[STRIP], vs[STRIP];
      gb_real *restrict turn = turns + k, *restrict c = turn + COSINE * sites, *restrict sn = turn + SINE * sites;
      size_t i = r * sites + k;
      m = strip_end(k, sites);
      take_spread(m, l, n, i, spread);
      split(m, u->v + 2 * i, uc, us);
      if (gaussian)
        for (size_t j = 0; j < m; j++) turn[j] *= gb_exp(spread[j] / 2);
      for (size_t j = 0; j < m; j++) {
        gb_circle(turn[j], &c[j], &sn[j]);
        vc[j] = c[j] * uc[j] - sn[j] * us[j];
        vs[j] = sn[j] * uc[j] + c[j] * us[j];
      }
      join(m, vc, vs, s->v + 2 * i);
    }
  }
  return GB_OK;
}

/* The derivative of a turn in l. */
static void turn_slopes(gb_noise noise, size_t m, const gb_real *restrict l, const gb_real *restrict turn,
                        gb_real *restrict slope)
{
  if (noise == GB_GAUSSIAN) {
    for (size_t k = 0; k < m; k++) slope[k] = turn[k] / 2;
    return;
  }
  for (size_t k = 0; k < m; k++) {
    double kappa = exp(-(double)l[k]);
    slope[k] = (gb_real)(-kappa * gb_von_mises_move(kappa, (double)turn[k]));
  }
}

static gb_err sample_vjp(gb_node *s)
{
  const noisy *n = s->ctx;
  gb_node *u = s->in[U], *l = spread_node(s, FIELD_INPUTS);
  size_t sites = s->shape.h * s->shape.w;
  for (size_t r = 0; r < s->rows; r++)
    for (size_t k = 0, m; k < sites; k += m) {
      gb_real gc[STRIP], gs[STRIP], bc[STRIP], bs[STRIP], vc[STRIP], vs[STRIP], slope[STRIP];
      const gb_real *turn = s->work + WORK * r * sites + k, *c = turn + COSINE * sites, *sn = turn + SINE * sites;
      size_t i = r * sites + k;
      m = strip_end(k, sites);
      split(m, s->g + 2 * i, gc, gs);
      for (size_t j = 0; j < m; j++) {
        bc[j] = c[j] * gc[j] + sn[j] * gs[j];
        bs[j] = c[j] * gs[j] - sn[j] * gc[j];
      }
      if (u->g) add_pairs(m, bc, bs, u->g + 2 * i);
      if (!l || !l->g) continue;
      split(m, s->v + 2 * i, vc, vs);
      turn_slopes(n->noise, m, l->v + i, turn, slope);
      for (size_t j = 0; j < m; j++) slope[j] *= vc[j] * gs[j] - vs[j] * gc[j]; /* d/d turn: the spin rotates */
      add_into(m, 1, slope, l->g + i);
    }
  return GB_OK;
}

static const gb_op sample_op = {"sampled field", sample_forward, sample_vjp};

gb_node *gb_rotor_sample(gb_graph *g, gb_noise noise, gb_node *u, gb_node *l, double fixed, const gb_draws *draws)
{
  gb_node *s = field(g, &sample_op, make_context(g, noise, fixed, draws), u, l);
  if (s) s->n_work = WORK * s->shape.h * s->shape.w;
  return s;
}
