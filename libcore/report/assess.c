/* report/assess.c - passes over the test split, the training codes and the prior; statistics of what came out. */
#include "report/assess.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "linalg/normals.h"
#include "sim/series.h"

enum { MOST_OBS = 32, FEWEST = 8, MOST_CODES = 20000 };

static const gb_ensemble *ensemble(const gb_trained *m)
{
  return m->sim.kind->ensemble;
}

static gb_err make_rows(gb_rows *r, size_t n, size_t n_obs)
{
  r->n = n;
  GB_TRY(gb_new(&r->t, n));
  return gb_new(&r->obs, n * n_obs);
}

static gb_err make(gb_assessment *a, size_t n_test, size_t n_prior)
{
  for (int s = 0; s < GB_SOURCES; s++) {
    GB_TRY(make_rows(&a->rows[s], s == GB_FROM_PRIOR ? n_prior : n_test, a->n_obs));
    GB_TRY(gb_new(&a->summary[s], a->n_T * a->n_summary * 2));
  }
  GB_TRY(gb_new(&a->mu, n_test * a->latent));
  GB_TRY(gb_new(&a->term, n_test * GB_VAE_TERMS));
  GB_TRY(gb_new(&a->square, n_test));
  return gb_new(&a->kl, n_test * a->latent);
}

void gb_assessment_free(gb_assessment *a)
{
  for (int s = 0; s < GB_SOURCES; s++) {
    gb_free(&a->rows[s].t);
    gb_free(&a->rows[s].obs);
    gb_free(&a->summary[s]);
  }
  gb_free(&a->mu);
  gb_free(&a->term);
  gb_free(&a->kl);
  gb_free(&a->square);
  *a = (gb_assessment){0};
}

/* Latent means of training samples, for labelling; at most MOST_CODES, evenly taken. */
typedef struct codes {
  size_t n, stride;
  size_t *t;  /* [n] */
  double *mu; /* [n, latent] */
} codes;

/* Work is cut into passes of the model's size; pass k belongs to rank k mod size. What a pass needs: */
typedef struct pass {
  gb_comm c;
  gb_trained *m;
  gb_dataset *data;
  gb_assessment *a;
  codes codes;
  size_t rows, width;
  double *turned;
  uint64_t *row;
  float *x, *y;
  gb_real *z;
} pass;

static gb_err open_pass(pass *p)
{
  p->rows = p->m->built.model.rows;
  p->width = gb_dataset_width(p->data);
  GB_TRY(gb_new(&p->turned, p->rows));
  GB_TRY(gb_new(&p->row, p->rows));
  GB_TRY(gb_new(&p->x, p->rows * p->width));
  GB_TRY(gb_new(&p->y, p->rows * p->width));
  return gb_new(&p->z, p->rows * gb_vae_look(p->m->built.vae).latent);
}

static void close_pass(pass *p)
{
  gb_free(&p->codes.t);
  gb_free(&p->codes.mu);
  gb_free(&p->turned);
  gb_free(&p->row);
  gb_free(&p->x);
  gb_free(&p->y);
  gb_free(&p->z);
}

/* Encode rows [first, first + n) of a split. */
static gb_err encode(pass *p, gb_split split, size_t first, size_t n)
{
  double sum[GB_VAE_TERMS];
  gb_model model = p->m->built.model;
  for (size_t i = 0; i < n; i++) p->row[i] = first + i;
  GB_TRY(gb_dataset_read(p->data, split, n, p->row, p->x));
  return gb_model_sums(&model, n, p->x, (gb_pass){GB_PASS_FIXED, first, false}, sum);
}

static void observe(const pass *p, const gb_rows *r, size_t first, size_t n, const float *x, size_t n_obs)
{
  const gb_reals T = gb_dataset_temperatures(p->data);
  for (size_t i = 0; i < n; i++)
    ensemble(p->m)->observe(p->m->sim.self, T.v[r->t[first + i]], x + i * p->width, r->obs + (first + i) * n_obs);
}

/* Observables of the decoded rows: the mean field, or with noise. */
static void observe_output(pass *p, bool noisy, size_t first, size_t n, gb_rows *r, size_t n_obs)
{
  gb_vae_output(p->m->built.vae, noisy, (gb_pass){GB_PASS_FIXED, first, false}, p->y);
  observe(p, r, first, n, p->y, n_obs);
}

/* One draw of q for each encoded row, whatever law the objective draws from. */
static gb_err decode_draw(pass *p, size_t first, size_t n)
{
  gb_vae_view w = gb_vae_look(p->m->built.vae);
  gb_normals(p->m->seed, GB_RNG_LATENT, first, GB_PASS_FIXED, n, w.latent, w.latent, p->z);
  for (size_t i = 0; i < n * w.latent; i++)
    p->z[i] = w.mu[i] + (gb_real)(exp((double)w.logvar[i] / 2) * (double)p->z[i]);
  GB_TRY(gb_vae_decode(p->m->built.vae, n, p->z, p->turned));
  gb_vae_squares(p->m->built.vae, p->a->square + first);
  return GB_OK;
}

static gb_err test_pass(pass *p, size_t first, size_t n)
{
  gb_assessment *a = p->a;
  GB_TRY(encode(p, GB_TEST, first, n));
  gb_vae_view w = gb_vae_look(p->m->built.vae);
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < GB_VAE_TERMS; k++) a->term[(first + i) * GB_VAE_TERMS + k] = w.term[k] ? w.term[k][i] : 0;
    for (size_t j = 0; j < a->latent; j++) {
      double mu = (double)w.mu[i * a->latent + j], l = (double)w.logvar[i * a->latent + j];
      a->mu[(first + i) * a->latent + j] = mu;
      a->kl[(first + i) * a->latent + j] = (exp(l) + mu * mu - 1 - l) / 2;
    }
  }
  observe(p, &a->rows[GB_FROM_DATA], first, n, p->x, a->n_obs);
  memcpy(p->turned, w.turned, n * sizeof *p->turned);
  GB_TRY(decode_draw(p, first, n));
  memcpy(p->z, w.mu, n * a->latent * sizeof *p->z);
  GB_TRY(gb_vae_decode(p->m->built.vae, n, p->z, p->turned));
  observe_output(p, false, first, n, &a->rows[GB_FROM_MEAN], a->n_obs);
  observe_output(p, true, first, n, &a->rows[GB_FROM_SAMPLE], a->n_obs);
  return GB_OK;
}

static gb_err code_pass(pass *p, size_t first, size_t n)
{
  double sum[GB_VAE_TERMS];
  gb_model model = p->m->built.model;
  for (size_t i = 0; i < n; i++) p->row[i] = (first + i) * p->codes.stride;
  GB_TRY(gb_dataset_read(p->data, GB_TRAIN, n, p->row, p->x));
  GB_TRY(gb_model_sums(&model, n, p->x, (gb_pass){GB_PASS_FIXED, first, false}, sum));
  gb_vae_view w = gb_vae_look(p->m->built.vae);
  for (size_t i = 0; i < n * w.latent; i++) p->codes.mu[first * w.latent + i] = (double)w.mu[i];
  return GB_OK;
}

static size_t nearest(const codes *k, const gb_real *z, size_t latent)
{
  double best = INFINITY;
  size_t t = 0;
  for (size_t i = 0; i < k->n; i++) {
    double d = 0;
    for (size_t j = 0; j < latent; j++) d += pow((double)z[j] - k->mu[i * latent + j], 2);
    if (d < best) best = d, t = k->t[i];
  }
  return t;
}

static gb_err prior_pass(pass *p, size_t first, size_t n)
{
  gb_assessment *a = p->a;
  gb_rows *r = &a->rows[GB_FROM_PRIOR];
  for (size_t i = 0; i < n; i++) {
    gb_rng_normal(gb_rng_key(p->m->seed, GB_RNG_PRIOR, first + i, 0), a->latent, p->z + i * a->latent);
    r->t[first + i] = nearest(&p->codes, p->z + i * a->latent, a->latent);
  }
  GB_TRY(gb_vae_decode(p->m->built.vae, n, p->z, NULL));
  observe_output(p, true, first, n, r, a->n_obs);
  return GB_OK;
}

/* Run my passes over `total` rows. */
static gb_err each_pass(pass *p, size_t total, gb_err (*body)(pass *p, size_t first, size_t n))
{
  gb_err e = GB_OK;
  for (size_t first = (size_t)p->c.rank * p->rows; first < total && !e; first += (size_t)p->c.size * p->rows)
    e = body(p, first, total - first < p->rows ? total - first : p->rows);
  return gb_comm_agree(p->c, e);
}

static gb_err assess_test(pass *p)
{
  gb_assessment *a = p->a;
  size_t n = a->rows[GB_FROM_DATA].n;
  for (size_t i = 0; i < n; i++)
    for (int s = GB_FROM_DATA; s <= GB_FROM_SAMPLE; s++)
      a->rows[s].t[i] = gb_dataset_temperature_of(p->data, GB_TEST, i);
  GB_TRY(each_pass(p, n, test_pass));
  for (int s = GB_FROM_DATA; s <= GB_FROM_SAMPLE; s++) gb_comm_merge(p->c, a->rows[s].obs, n * a->n_obs);
  gb_comm_merge(p->c, a->mu, n * a->latent);
  gb_comm_merge(p->c, a->kl, n * a->latent);
  gb_comm_merge(p->c, a->square, n);
  gb_comm_merge(p->c, a->term, n * GB_VAE_TERMS);
  return GB_OK;
}

static gb_err encode_training(pass *p)
{
  codes *k = &p->codes;
  size_t rows = gb_dataset_rows(p->data, GB_TRAIN);
  k->stride = (rows + MOST_CODES - 1) / MOST_CODES;
  k->n = rows / k->stride;
  gb_err e = gb_new(&k->t, k->n);
  if (!e) e = gb_new(&k->mu, k->n * p->a->latent);
  GB_TRY(gb_comm_agree(p->c, e));
  for (size_t i = 0; i < k->n; i++) k->t[i] = gb_dataset_temperature_of(p->data, GB_TRAIN, i * k->stride);
  GB_TRY(each_pass(p, k->n, code_pass));
  gb_comm_merge(p->c, k->mu, k->n * p->a->latent);
  return GB_OK;
}

static gb_err assess_prior(pass *p)
{
  gb_rows *r = &p->a->rows[GB_FROM_PRIOR];
  double *t;
  GB_TRY(each_pass(p, r->n, prior_pass));
  gb_comm_merge(p->c, r->obs, r->n * p->a->n_obs);
  GB_TRY(gb_comm_agree(p->c, gb_new(&t, r->n)));
  for (size_t i = 0; i < r->n; i++) t[i] = (double)r->t[i];
  gb_comm_merge(p->c, t, r->n);
  for (size_t i = 0; i < r->n; i++) r->t[i] = (size_t)t[i];
  gb_free(&t);
  return GB_OK;
}

typedef struct at_temperature {
  const gb_trained *m;
  double T;
} at_temperature;

static void summary_of(const void *ctx, const double *moment, double *out)
{
  const at_temperature *at = ctx;
  ensemble(at->m)->summarize(at->m->sim.self, at->T, moment, out);
}

/* Thermodynamics of one source at one temperature. */
static gb_err summarize(const gb_trained *m, gb_assessment *a, int source, size_t t, double T)
{
  const gb_rows *r = &a->rows[source];
  size_t n_moment = (size_t)ensemble(m)->n_moment, n = 0;
  double *moment, value[MOST_OBS], error[MOST_OBS], *out = a->summary[source] + t * a->n_summary * 2;
  at_temperature at = {m, T};
  gb_function f = {summary_of, &at, n_moment, a->n_summary};
  GB_ASSERT(a->n_summary <= MOST_OBS);
  GB_TRY(gb_new(&moment, r->n * n_moment));
  for (size_t i = 0; i < r->n; i++)
    if (r->t[i] == t) ensemble(m)->moments(m->sim.self, r->obs + i * a->n_obs, moment + n++ * n_moment);
  gb_err e = n < FEWEST ? GB_OK : gb_series_jackknife(1, n, moment, f, value, error);
  for (size_t q = 0; q < a->n_summary; q++) {
    out[2 * q] = n < FEWEST ? NAN : value[q];
    out[2 * q + 1] = n < FEWEST ? NAN : error[q];
  }
  gb_free(&moment);
  return e;
}

gb_err gb_assess(gb_comm c, gb_trained *m, gb_dataset *data, size_t n_prior, gb_assessment *out)
{
  gb_reals T = gb_dataset_temperatures(data);
  size_t n_test = gb_dataset_rows(data, GB_TEST);
  pass p = {.c = c, .m = m, .data = data, .a = out};
  *out = (gb_assessment){.n_T = T.n,
                         .latent = gb_vae_look(m->built.vae).latent,
                         .n_obs = (size_t)ensemble(m)->n_obs,
                         .n_summary = (size_t)ensemble(m)->n_summary};
  gb_err e = n_test ? make(out, n_test, n_prior)
                    : GB_FAIL(GB_ERR_CONFIG, "the data set has no test samples: generate.test_chains was 0");
  if (!e) e = open_pass(&p);
  e = gb_comm_agree(c, e);
  if (!e) e = assess_test(&p);
  if (!e && n_prior) e = encode_training(&p);
  if (!e && n_prior) e = assess_prior(&p);
  for (int s = 0; s < GB_SOURCES && !e; s++)
    for (size_t t = 0; t < T.n && !e; t++) e = summarize(m, out, s, t, T.v[t]);
  close_pass(&p);
  e = gb_comm_agree(c, e);
  if (e) gb_assessment_free(out);
  return e;
}

static void first_moment(const void *ctx, const double *mean, double *out)
{
  (void)ctx;
  out[0] = mean[0];
}

gb_err gb_assess_energy_error(const gb_assessment *a, gb_source source, double out[2])
{
  const gb_rows *data = &a->rows[GB_FROM_DATA], *rec = &a->rows[source];
  double *d;
  GB_TRY(gb_new(&d, data->n));
  for (size_t i = 0; i < data->n; i++) d[i] = fabs(rec->obs[i * a->n_obs] - data->obs[i * a->n_obs]);
  gb_err e = gb_series_jackknife(1, data->n, d, (gb_function){first_moment, NULL, 1, 1}, &out[0], &out[1]);
  gb_free(&d);
  return e;
}

gb_err gb_assess_error(const gb_assessment *a, double out[2])
{
  return gb_series_jackknife(1, a->rows[GB_FROM_DATA].n, a->square, (gb_function){first_moment, NULL, 1, 1}, &out[0],
                             &out[1]);
}

static double radius(const gb_assessment *a, size_t i)
{
  double sum = 0;
  for (size_t j = 0; j < a->latent; j++) sum += a->mu[i * a->latent + j] * a->mu[i * a->latent + j];
  return sqrt(sum);
}

double gb_assess_correlation(const gb_assessment *a, int which)
{
  const gb_rows *r = &a->rows[GB_FROM_DATA];
  double sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0, n = (double)r->n;
  for (size_t i = 0; i < r->n; i++) {
    double x = radius(a, i), y = r->obs[i * a->n_obs + (size_t)which];
    sx += x;
    sy += y;
    sxx += x * x;
    syy += y * y;
    sxy += x * y;
  }
  return (sxy / n - sx * sy / n / n) / sqrt((sxx / n - sx * sx / n / n) * (syy / n - sy * sy / n / n));
}

gb_err gb_assess_radius(const gb_assessment *a, double *out)
{
  const gb_rows *r = &a->rows[GB_FROM_DATA];
  double *v;
  gb_err e = GB_OK;
  GB_TRY(gb_new(&v, r->n));
  for (size_t t = 0; t < a->n_T && !e; t++) {
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
      if (r->t[i] == t) v[n++] = radius(a, i);
    out[2 * t] = out[2 * t + 1] = NAN;
    if (n >= FEWEST)
      e = gb_series_jackknife(1, n, v, (gb_function){first_moment, NULL, 1, 1}, &out[2 * t], &out[2 * t + 1]);
  }
  gb_free(&v);
  return e;
}

double gb_assess_kl(const gb_assessment *a, size_t j)
{
  double sum = 0;
  size_t n = a->rows[GB_FROM_DATA].n;
  for (size_t i = 0; i < n; i++) sum += a->kl[i * a->latent + j] / (double)n;
  return sum;
}

double gb_assess_rate(const gb_assessment *a)
{
  double sum = 0;
  for (size_t j = 0; j < a->latent; j++) sum += gb_assess_kl(a, j);
  return sum;
}

static double slope_of(const double *T, const double *y, size_t i)
{
  return (y[i + 1] - y[i]) / (T[i + 1] - T[i]);
}

/* How far slope k is below the highest slope on either side of it; negative if it is not the lowest of three. */
static double prominence(size_t n, const double *T, const double *y, size_t k)
{
  double s = slope_of(T, y, k), left = -INFINITY, right = -INFINITY;
  if (s > slope_of(T, y, k - 1) || s >= slope_of(T, y, k + 1)) return -1;
  for (size_t i = 0; i < k; i++) left = fmax(left, slope_of(T, y, i));
  for (size_t i = k + 1; i + 1 < n; i++) right = fmax(right, slope_of(T, y, i));
  return fmin(left, right) - s;
}

/* Temperature of the inflection where the curve falls most markedly: the vertex of the parabola through the downward
 * slope of largest prominence and its neighbours. Not the steepest one: radii of latents that resolve ever smaller
 * fluctuations fall steeper still, and with wiggles, towards T = 0. */
static bool falls(size_t n, const double *T, const double *y, double unused, double *out)
{
  (void)unused;
  size_t k = 0;
  double most = 0;
  for (size_t i = 1; i + 2 < n; i++) {
    double p = prominence(n, T, y, i);
    if (p > most && slope_of(T, y, i) < 0) most = p, k = i;
  }
  if (!(most > 0)) return false;
  double x[3], s[3];
  for (size_t i = 0; i < 3; i++) {
    x[i] = (T[k + i] + T[k + i - 1]) / 2;
    s[i] = slope_of(T, y, k + i - 1);
  }
  double a = (s[1] - s[0]) / (x[1] - x[0]), b = (s[2] - s[1]) / (x[2] - x[1]), curvature = (b - a) / (x[2] - x[0]);
  *out = curvature > 0 ? (x[0] + x[1]) / 2 - a / (2 * curvature) : x[1];
  return true;
}

static bool crosses(size_t n, const double *T, const double *y, double slope, double *out)
{
  for (size_t i = 0; i + 1 < n; i++) {
    double a = y[i] - slope * T[i], b = y[i + 1] - slope * T[i + 1];
    if (a > 0 && b <= 0) {
      *out = T[i] + (T[i + 1] - T[i]) * a / (a - b);
      return true;
    }
  }
  return false;
}

/* Read a temperature off a curve; its error is the scatter when the curve is drawn again within its errors. */
static bool read_off(bool (*reader)(size_t, const double *, const double *, double, double *), size_t n,
                     const double *T, const double *y, double slope, double out[2])
{
  enum { DRAWS = 1000, MOST = 4096 };
  double v[MOST], sum = 0, square = 0, at;
  size_t kept = 0, m = 0;
  gb_real noise[MOST];
  double grid[MOST], error[MOST], value[MOST];
  for (size_t i = 0; i < n && m < MOST; i++) {
    if (!isfinite(y[2 * i])) continue;
    grid[m] = T[i];
    value[m] = y[2 * i];
    error[m++] = y[2 * i + 1];
  }
  if (!reader(m, grid, value, slope, &out[0])) return false;
  for (uint64_t k = 0; k < DRAWS; k++) {
    gb_rng_normal(gb_rng_key(0, GB_RNG_TEST, k, 0), m, noise);
    for (size_t i = 0; i < m; i++) v[i] = value[i] + error[i] * (double)noise[i];
    if (!reader(m, grid, v, slope, &at)) continue;
    sum += at;
    square += at * at;
    kept++;
  }
  double mean = kept ? sum / (double)kept : 0;
  out[1] = kept > 1 ? sqrt(fmax(0, square / (double)kept - mean * mean)) : 0;
  return true;
}

bool gb_assess_crossover(size_t n, const double *T, const double *y, double out[2])
{
  return read_off(falls, n, T, y, 0, out);
}

bool gb_assess_crossing(size_t n, const double *T, const double *y, double slope, double out[2])
{
  return read_off(crosses, n, T, y, slope, out);
}
