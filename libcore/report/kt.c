/* report/kt.c - three readings of T_KT and the small least-squares fit they share. */
#include "report/kt.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "report/assess.h"

const char *const gb_kt_method_name[GB_KT_METHODS] = {"flow", "least", "amplitude"};

enum { FEWEST = 3 };               /* sizes, and temperatures */
enum { T_KT, B1, B2, U0, U1, U2 }; /* parameters of the flow; temperatures in units of fit.scale */
enum { V, AMPLITUDE };             /* of Weber and Minnhagen: V = 1/(2 (l0 + C)) */

/* --- least squares: Levenberg-Marquardt with difference quotients. */

typedef struct fit {
  size_t n, n_par;
  const gb_kt_point *p;
  double l0, scale;
  double (*x)(const double *par, double dl, double T); /* not finite: not allowed */
} fit;

static double chi2_of(const fit *f, const double *par)
{
  double sum = 0;
  for (size_t i = 0; i < f->n; i++) {
    const gb_kt_point *p = &f->p[i];
    sum +=
        pow((M_PI * p->Y / (2 * p->T) - f->x(par, log(p->L) - f->l0, p->T / f->scale)) * 2 * p->T / M_PI / p->error, 2);
  }
  return isfinite(sum) ? sum : INFINITY;
}

/* Normal equations: a = J^T J, g = J^T r. */
static void linearise(const fit *f, const double *par, double a[][GB_KT_PARAMETERS], double *g)
{
  static const double step = 1e-5;
  memset(a, 0, sizeof(double[GB_KT_PARAMETERS][GB_KT_PARAMETERS]));
  memset(g, 0, sizeof(double[GB_KT_PARAMETERS]));
  for (size_t i = 0; i < f->n; i++) {
    const gb_kt_point *p = &f->p[i];
    double q[GB_KT_PARAMETERS], d[GB_KT_PARAMETERS], dl = log(p->L) - f->l0, T = p->T / f->scale;
    double weight = 2 * p->T / (M_PI * p->error), r = p->Y / p->error - weight * f->x(par, dl, T);
    memcpy(q, par, f->n_par * sizeof *q);
    for (size_t k = 0; k < f->n_par; k++) {
      q[k] = par[k] + step;
      d[k] = f->x(q, dl, T);
      q[k] = par[k] - step;
      d[k] = weight * (d[k] - f->x(q, dl, T)) / (2 * step);
      q[k] = par[k];
    }
    for (size_t j = 0; j < f->n_par; j++) {
      g[j] += d[j] * r;
      for (size_t k = 0; k < f->n_par; k++) a[j][k] += d[j] * d[k];
    }
  }
}

/* Solve (a + damping diag a) y = g by Cholesky; false if it is not positive. */
static bool solve(size_t n, double a[][GB_KT_PARAMETERS], const double *g, double damping, double *y)
{
  double l[GB_KT_PARAMETERS][GB_KT_PARAMETERS];
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j <= i; j++) {
      double sum = i == j ? a[i][i] * (1 + damping) : a[i][j];
      for (size_t k = 0; k < j; k++) sum -= l[i][k] * l[j][k];
      if (i == j && !(sum > a[i][i] * DBL_EPSILON)) return false;
      l[i][j] = i == j ? sqrt(sum) : sum / l[j][j];
    }
  for (size_t i = 0; i < n; i++) {
    y[i] = g[i];
    for (size_t k = 0; k < i; k++) y[i] -= l[i][k] * y[k];
    y[i] /= l[i][i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; k++) y[i] -= l[k][i] * y[k];
    y[i] /= l[i][i];
  }
  return true;
}

/* From par to the least chi^2 near it; returns that, INFINITY if par is not allowed. */
static double minimise(const fit *f, double *par)
{
  enum { MOST_STEPS = 100 };
  static const double most_damping = 1e10, enough = 1e-7; /* of chi^2, where 1 is one standard deviation */
  double chi2 = chi2_of(f, par), damping = 1e-3, a[GB_KT_PARAMETERS][GB_KT_PARAMETERS], g[GB_KT_PARAMETERS];
  for (int i = 0; i < MOST_STEPS && isfinite(chi2); i++) {
    double y[GB_KT_PARAMETERS], to[GB_KT_PARAMETERS], there = INFINITY;
    linearise(f, par, a, g);
    for (; damping < most_damping; damping *= 10) {
      if (!solve(f->n_par, a, g, damping, y)) continue;
      for (size_t k = 0; k < f->n_par; k++) to[k] = par[k] + y[k];
      if ((there = chi2_of(f, to)) <= chi2) break;
    }
    if (!(there <= chi2)) break;
    bool done = chi2 - there < enough;
    memcpy(par, to, f->n_par * sizeof *par);
    chi2 = there;
    damping = fmax(damping / 10, 1e-12);
    if (done) break;
  }
  return chi2;
}

/* --- the curves. */

/* The flow, with the next order in u or without. */
static double integrate(double c, double u0, double dl, double next)
{
  static const double longest = 0.06; /* of a Runge-Kutta step: its error is then below 1e-6 inside the window */
  int steps = 1 + (int)(fabs(dl) / longest);
  double u = u0, h = dl / steps;
#define SLOPE(v) (2 * (c - (v) * (v)) * (1 + next * (v)))
  for (int i = 0; i < steps; i++) {
    double k1 = SLOPE(u), k2 = SLOPE(u + h / 2 * k1), k3 = SLOPE(u + h / 2 * k2), k4 = SLOPE(u + h * k3);
    u += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4);
  }
#undef SLOPE
  double x = 1 + u;
  return x * (1 - 16 * M_PI * x * exp(-4 * M_PI * x));
}

double gb_kt_flow(double c, double u0, double dl)
{
  return integrate(c, u0, dl, 1);
}

static double curve(const double *par, double dl, double T, double next)
{
  double t = 1 - T / par[T_KT];
  return integrate(t * (par[B1] + t * par[B2]), par[U0] + t * (par[U1] + t * par[U2]), dl, next);
}

static double flow_curve(const double *par, double dl, double T)
{
  return curve(par, dl, T, 1);
}

static double leading_curve(const double *par, double dl, double T)
{
  return curve(par, dl, T, 0);
}

double gb_kt_curve(const gb_kt_cut *cut, double L, double T)
{
  return 2 * T / M_PI * flow_curve(cut->flow, log(L) - cut->l0, T / cut->scale);
}

/* 1 + 1/(2 (l + C)), by its value at l0: no pole stands between the two signs of V. */
static double least_curve(const double *par, double dl, double T)
{
  (void)T;
  double d = 1 + 2 * par[V] * dl;
  return d > 0 ? 1 + par[V] / d : NAN;
}

static double amplitude_curve(const double *par, double dl, double T)
{
  return par[AMPLITUDE] * least_curve(par, dl, T);
}

/* --- points, in order of L, then T. */

static int by_size(const void *a, const void *b)
{
  const gb_kt_point *p = a, *q = b;
  if (p->L != q->L) return p->L < q->L ? -1 : 1;
  return (p->T > q->T) - (p->T < q->T);
}

static int by_value(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static size_t sizes_of(size_t n, const gb_kt_point *p)
{
  size_t sizes = 0;
  for (size_t i = 0; i < n; i++) sizes += i == 0 || p[i].L != p[i - 1].L;
  return sizes;
}

static bool same_T(double a, double b)
{
  return fabs(a - b) <= 1e-9 * fabs(a);
}

/* The points that use() picks, and where their lattices have their middle. */
static fit pick(size_t n, const gb_kt_point *p, bool (*use)(const gb_kt_point *, double T), double T, gb_kt_point *room)
{
  fit f = {.p = room, .scale = 1};
  for (size_t i = 0; i < n; i++)
    if (use(&p[i], T)) room[f.n++] = p[i];
  for (size_t i = 0; i < f.n; i++) f.l0 += log(room[i].L) / (double)f.n;
  return f;
}

static bool inside(const gb_kt_point *p, double T)
{
  (void)T;
  return fabs(M_PI * p->Y / (2 * p->T) - 1) < GB_KT_WINDOW;
}

static bool at(const gb_kt_point *p, double T)
{
  return same_T(p->T, T);
}

/* --- the readings. A place where one is searched for: the points, and what an earlier search of the same cut left. */

typedef struct search {
  size_t n;
  gb_kt_point *p, *room; /* [n] */
  double T[2];           /* lowest and highest temperature */
  size_t n_grid;         /* temperatures that FEWEST sizes have */
  double grid[GB_KT_TEMPERATURES], chi2[GB_KT_TEMPERATURES], A[GB_KT_TEMPERATURES], C[GB_KT_TEMPERATURES],
      C_of_A[GB_KT_TEMPERATURES];
  int dof[GB_KT_TEMPERATURES];
} search;

static void read_flow(const search *s, gb_kt_cut *cut, bool again,
                      double (*flow)(const double *par, double dl, double T))
{
  enum { STARTS = 5 };
  fit f = pick(s->n, s->p, inside, 0, s->room);
  double best = INFINITY;
  gb_kt_reading *r = &cut->by[GB_KT_FLOW];
  r->found = false;
  f.n_par = GB_KT_PARAMETERS;
  f.x = flow;
  f.scale = cut->scale = (s->T[0] + s->T[1]) / 2;
  if (f.n < f.n_par) return;
  if (again) f.l0 = cut->l0;
  cut->l0 = f.l0;
  for (int k = 0; k < (again ? 1 : STARTS); k++) {
    double T = (s->T[0] + (s->T[1] - s->T[0]) * (k + 0.5) / STARTS) / f.scale;
    double par[GB_KT_PARAMETERS] = {[T_KT] = T, [B1] = 1.1, [U0] = 1 / (2 * (f.l0 + 1)), [U1] = 3};
    if (again) memcpy(par, cut->flow, sizeof par);
    double chi2 = minimise(&f, par);
    if (!(chi2 < best)) continue;
    best = chi2;
    memcpy(cut->flow, par, sizeof par);
  }
  r->T[0] = cut->flow[T_KT] * f.scale;
  r->C[0] = 1 / (2 * cut->flow[U0]) - f.l0;
  r->chi2 = best;
  r->dof = (int)(f.n - f.n_par);
  r->found = isfinite(best) && cut->flow[B1] > 0 && r->T[0] > s->T[0] && r->T[0] < s->T[1];
}

/* Both fits of Weber and Minnhagen at every temperature of the grid. */
static void fit_grid(search *s)
{
  for (size_t t = 0; t < s->n_grid; t++) {
    fit f = pick(s->n, s->p, at, s->grid[t], s->room);
    double par[GB_KT_PARAMETERS] = {[V] = 1 / (2 * (f.l0 + 1)), [AMPLITUDE] = 1};
    f.n_par = 1;
    f.x = least_curve;
    s->chi2[t] = minimise(&f, par);
    s->dof[t] = (int)f.n - 1;
    s->C[t] = 1 / (2 * par[V]) - f.l0;
    f.n_par = 2;
    f.x = amplitude_curve;
    s->A[t] = isfinite(minimise(&f, par)) ? par[AMPLITUDE] : NAN;
    s->C_of_A[t] = 1 / (2 * par[V]) - f.l0;
  }
}

static double between(const double *T, const double *y, size_t i, double at_T)
{
  return y[i] + (y[i + 1] - y[i]) * (at_T - T[i]) / (T[i + 1] - T[i]);
}

static const gb_kt_point *find(const search *s, double L, double T)
{
  for (size_t i = 0; i < s->n; i++)
    if (s->p[i].L == L && same_T(s->p[i].T, T)) return &s->p[i];
  return NULL;
}

/* chi^2 of A = 1 at a temperature between those of the grid: each lattice by the parabola through its Y at grid[k - 1],
 * grid[k] and grid[k + 1]. */
static double chi2_near(const search *s, size_t k, double T, gb_kt_reading *r)
{
  const double *g = s->grid + k - 1;
  const double w[3] = {(T - g[1]) * (T - g[2]) / ((g[0] - g[1]) * (g[0] - g[2])),
                       (T - g[0]) * (T - g[2]) / ((g[1] - g[0]) * (g[1] - g[2])),
                       (T - g[0]) * (T - g[1]) / ((g[2] - g[0]) * (g[2] - g[1]))};
  fit f = pick(s->n, s->p, at, g[1], s->room);
  size_t n = f.n;
  f.n = 0;
  for (size_t i = 0; i < n; i++) {
    const gb_kt_point *p[3];
    for (int q = 0; q < 3; q++) p[q] = find(s, s->room[i].L, g[q]);
    if (!p[0] || !p[2]) continue;
    double Y = w[0] * p[0]->Y + w[1] * p[1]->Y + w[2] * p[2]->Y;
    s->room[f.n++] = (gb_kt_point){p[1]->L, T, Y, p[1]->error};
  }
  double par[GB_KT_PARAMETERS] = {[V] = 1 / (2 * (f.l0 + 1))};
  f.n_par = 1;
  f.x = least_curve;
  r->T[0] = T;
  r->chi2 = minimise(&f, par);
  r->C[0] = 1 / (2 * par[V]) - f.l0;
  r->dof = (int)f.n - 1;
  return r->chi2;
}

/* Golden section around the temperature of the grid whose chi^2 is least. */
static void read_least(const search *s, gb_kt_reading *r)
{
  static const double golden = 0.3819660112501051, enough = 1e-4; /* of the spacing of temperatures */
  size_t k = 0;
  for (size_t t = 1; t < s->n_grid; t++)
    if (s->chi2[t] < s->chi2[k]) k = t;
  r->found = k > 0 && k + 1 < s->n_grid;
  if (!r->found) return;
  double low = s->grid[k - 1], high = s->grid[k + 1], stop = enough * (high - low);
  while (high - low > stop) {
    double a = low + golden * (high - low), b = high - golden * (high - low);
    if (chi2_near(s, k, a, r) < chi2_near(s, k, b, r))
      high = b;
    else
      low = a;
  }
  r->found = isfinite(r->chi2);
}

static void read_amplitude(const search *s, gb_kt_reading *r)
{
  r->found = false;
  for (size_t t = 0; t + 1 < s->n_grid && !r->found; t++) {
    double a = s->A[t] - 1, b = s->A[t + 1] - 1;
    if (!(a > 0 && b <= 0)) continue;
    size_t near = a < -b ? t : t + 1;
    *r = (gb_kt_reading){.found = true, .chi2 = s->chi2[near], .dof = s->dof[near]};
    r->T[0] = s->grid[t] + (s->grid[t + 1] - s->grid[t]) * a / (a - b);
    r->C[0] = between(s->grid, s->C_of_A, t, r->T[0]);
  }
}

static void read_all(search *s, gb_kt_cut *cut, bool again)
{
  read_flow(s, cut, again, flow_curve);
  fit_grid(s);
  read_least(s, &cut->by[GB_KT_LEAST]);
  read_amplitude(s, &cut->by[GB_KT_AMPLITUDE]);
}

/* Statistical errors: the scatter when the points are drawn again within their errors. `p` keeps them as they are. */
static gb_err redraw(search *s, const gb_kt_point *p, int draws, gb_kt_cut *cut)
{
  double sum[GB_KT_METHODS][2] = {{0}}, square[GB_KT_METHODS][2] = {{0}};
  int kept[GB_KT_METHODS] = {0};
  gb_real *z;
  GB_TRY(gb_new(&z, s->n));
  for (int k = 0; k < draws; k++) {
    gb_kt_cut drawn = *cut;
    gb_rng_normal(gb_rng_key(0, GB_RNG_REDRAW, (uint64_t)k, 0), s->n, z);
    /* the same noise for the same point, whatever is dropped: counted from the largest lattice */
    for (size_t i = 0; i < s->n; i++) s->p[i].Y = p[i].Y + p[i].error * (double)z[s->n - 1 - i];
    read_all(s, &drawn, true);
    for (int m = 0; m < GB_KT_METHODS; m++) {
      const gb_kt_reading *r = &drawn.by[m], *of = &cut->by[m];
      if (!r->found || !of->found) continue;
      double d[2] = {r->T[0] - of->T[0], r->C[0] - of->C[0]};
      kept[m]++;
      for (int q = 0; q < 2; q++) sum[m][q] += d[q], square[m][q] += d[q] * d[q];
    }
  }
  for (int m = 0; m < GB_KT_METHODS; m++) {
    gb_kt_reading *r = &cut->by[m];
    double n = kept[m];
    r->found = r->found && 2 * kept[m] > draws; /* else there is more noise than reading */
    r->T[1] = sqrt(fmax(0, square[m][0] / n - pow(sum[m][0] / n, 2)));
    r->C[1] = sqrt(fmax(0, square[m][1] / n - pow(sum[m][1] / n, 2)));
  }
  gb_free(&z);
  return GB_OK;
}

/* Temperatures that at least FEWEST sizes have. */
static void find_grid(search *s)
{
  s->n_grid = 0;
  for (size_t i = 0; i < s->n; i++) {
    bool known = false;
    size_t have = 0;
    for (size_t k = 0; k < s->n_grid; k++) known |= same_T(s->grid[k], s->p[i].T);
    for (size_t k = 0; k < s->n; k++)
      have +=
          same_T(s->p[k].T, s->p[i].T) && (k == 0 || s->p[k].L != s->p[k - 1].L || !same_T(s->p[k - 1].T, s->p[k].T));
    if (!known && have >= FEWEST && s->n_grid < GB_KT_TEMPERATURES) s->grid[s->n_grid++] = s->p[i].T;
  }
  qsort(s->grid, s->n_grid, sizeof *s->grid, by_value);
}

static void load(search *s, const gb_kt_point *p, size_t n)
{
  s->n = n;
  memcpy(s->p, p, n * sizeof *p);
  find_grid(s);
}

static gb_err make_cut(search *s, const gb_kt_point *p, size_t n, int draws, gb_kt_cut *cut)
{
  cut->L_min = p[0].L;
  cut->n_sizes = sizes_of(n, p);
  load(s, p, n);
  read_all(s, cut, false);
  return redraw(s, p, draws, cut);
}

/* --- the whole. */

static gb_err cross(size_t n, const gb_kt_point *p, gb_kt *out)
{
  double *T, *y;
  gb_err e = gb_new(&T, n);
  if (e) return e;
  e = gb_new(&y, 2 * n);
  for (size_t i = 0, k; i < n && !e; i += k) {
    size_t size = out->n_sizes++;
    for (k = 0; i + k < n && p[i + k].L == p[i].L; k++) {
      T[k] = p[i + k].T;
      y[2 * k] = p[i + k].Y;
      y[2 * k + 1] = p[i + k].error;
    }
    out->L[size] = p[i].L;
    out->crosses[size] = gb_assess_crossing(k, T, y, 2 / M_PI, out->crossing[size]);
  }
  gb_free(&T);
  gb_free(&y);
  return e;
}

static gb_err check(size_t n, const gb_kt_point *p)
{
  size_t sizes = sizes_of(n, p), temperatures = 0;
  for (size_t i = 0; i < n; i++) {
    GB_CHECK(p[i].L > 0 && p[i].T > 0 && isfinite(p[i].Y) && isfinite(p[i].T), GB_ERR_CONFIG,
             "L = %g, T = %g: Y = %g is no point to fit", p[i].L, p[i].T, p[i].Y);
    GB_CHECK(p[i].error > 0 && isfinite(p[i].error), GB_ERR_CONFIG,
             "L = %g, T = %g: the error of the helicity modulus is %g. A fit needs errors: generate more samples.",
             p[i].L, p[i].T, p[i].error);
    bool first = true;
    for (size_t k = 0; k < i; k++) first &= !same_T(p[k].T, p[i].T);
    temperatures += first;
  }
  GB_CHECK(sizes >= FEWEST, GB_ERR_CONFIG,
           "T_KT needs data sets of at least %d lattice sizes, these are %zu. Generate more of them.", FEWEST, sizes);
  GB_CHECK(sizes <= GB_KT_SIZES, GB_ERR_CONFIG, "%zu lattice sizes; at most %d can be compared", sizes, GB_KT_SIZES);
  GB_CHECK(temperatures >= FEWEST, GB_ERR_CONFIG,
           "T_KT needs at least %d temperatures, these are %zu. Generate with more of them.", FEWEST, temperatures);
  return GB_OK;
}

/* Is this chi^2 within two standard deviations of what chance makes of a right model? */
static bool acceptable(const gb_kt_reading *r)
{
  return r->found && r->chi2 <= r->dof + 2 * sqrt(2.0 * r->dof);
}

static gb_err choose(gb_kt *k)
{
  size_t last = k->n_sizes - FEWEST; /* the cut after it has two sizes left: good for a shift only */
  for (k->chosen = 0; k->chosen < last && !acceptable(&k->cut[k->chosen].by[GB_KT_FLOW]);) k->chosen++;
  const gb_kt_reading *r = &k->cut[k->chosen].by[GB_KT_FLOW], *next = &k->cut[k->chosen + 1].by[GB_KT_FLOW];
  GB_CHECK(r->found, GB_ERR_NUMERIC,
           "the flow of Y with L could not be fitted. It needs points within %g %% of Y = 2T/pi, below and above T_KT: "
           "more temperatures there, or more samples.",
           100 * GB_KT_WINDOW);
  k->T = r->T[0];
  k->statistical = r->T[1];
  k->shift = next->found ? fabs(next->T[0] - r->T[0]) : NAN;
  return GB_OK;
}

/* What the orders beyond those of the flow may do: half of what the last one kept does. The next is smaller by another
 * factor u < 0.15, so that this is cautious. `s` holds the points of the cut. */
static void judge_orders(const search *s, gb_kt *k)
{
  gb_kt_cut leading = k->cut[k->chosen];
  read_flow(s, &leading, false, leading_curve);
  const gb_kt_reading *r = &leading.by[GB_KT_FLOW];
  k->truncation = r->found ? fabs(r->T[0] - k->T) / 2 : NAN;
  k->systematic = hypot(isfinite(k->shift) ? k->shift : 0, isfinite(k->truncation) ? k->truncation : 0);
  k->error = hypot(k->statistical, k->systematic);
}

static gb_err analyse(size_t n, const gb_kt_point *p, int draws, search *s, gb_kt *out)
{
  bool any = false;
  GB_TRY(check(n, p));
  GB_TRY(cross(n, p, out));
  for (size_t i = 0; i < out->n_sizes; i++) any |= out->crosses[i];
  GB_CHECK(any, GB_ERR_CONFIG,
           "the helicity modulus of no lattice crosses 2T/pi inside its temperatures. Take temperatures on both sides "
           "of the transition (0.85 to 0.95 for J = 1).");
  s->T[0] = INFINITY;
  for (size_t i = 0; i < n; i++) {
    s->T[0] = fmin(s->T[0], p[i].T);
    s->T[1] = fmax(s->T[1], p[i].T);
  }
  for (size_t from = 0; out->n_cuts + 1 < out->n_sizes; out->n_cuts++) {
    GB_TRY(make_cut(s, p + from, n - from, draws, &out->cut[out->n_cuts]));
    for (double L = p[from].L; from < n && p[from].L == L;) from++;
  }
  GB_TRY(choose(out));
  size_t from = 0;
  while (p[from].L < out->cut[out->chosen].L_min) from++;
  load(s, p + from, n - from);
  judge_orders(s, out);
  fit_grid(s);
  out->n_T = s->n_grid;
  memcpy(out->T_grid, s->grid, sizeof s->grid);
  memcpy(out->chi2, s->chi2, sizeof s->chi2);
  memcpy(out->A, s->A, sizeof s->A);
  memcpy(out->dof, s->dof, sizeof s->dof);
  return GB_OK;
}

gb_err gb_kt_analyse(size_t n, const gb_kt_point *p, int draws, gb_kt *out)
{
  search *s = NULL;
  gb_kt_point *sorted = NULL;
  *out = (gb_kt){0};
  gb_err e = gb_new(&s, 1);
  if (!e) e = gb_new(&s->p, n);
  if (!e) e = gb_new(&s->room, n);
  if (!e) e = gb_new(&sorted, n);
  if (!e) {
    if (n) memcpy(sorted, p, n * sizeof *p);
    qsort(sorted, n, sizeof *sorted, by_size);
    e = analyse(n, sorted, draws, s, out);
  }
  if (s) {
    gb_free(&s->p);
    gb_free(&s->room);
  }
  gb_free(&sorted);
  gb_free(&s);
  return e;
}
