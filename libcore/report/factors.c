/* report/factors.c - known factors of a data set, and correlation and mutual information of latents with them. */
#include "report/factors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MOST_BINS = 20, MOST_OBS = GB_MOST_FACTORS - 2 };

static gb_err add(gb_factors *f, const char *name, const char *unit, double period)
{
  GB_CHECK(f->n < GB_MOST_FACTORS, GB_ERR_CONFIG, "a data set has at most %d known factors", GB_MOST_FACTORS);
  f->of[f->n] = (gb_factor){name, unit, period, NULL};
  return gb_new(&f->of[f->n++].value, f->rows);
}

void gb_factors_free(gb_factors *f)
{
  for (size_t k = 0; k < f->n; k++) gb_free(&f->of[k].value);
  f->n = 0;
}

size_t gb_factors_find(const gb_factors *f, const char *name)
{
  size_t k = 0;
  while (k < f->n && strcmp(f->of[k].name, name)) k++;
  return k;
}

static double direction(size_t n, const float *x)
{
  double c = 0, s = 0;
  for (size_t i = 0; i < n; i++) {
    c += cos((double)x[i]);
    s += sin((double)x[i]);
  }
  return atan2(s, c);
}

static bool has_direction(const gb_sim *sim)
{
  return !strcmp(sim->dims.unit, "rad");
}

static gb_err name_equilibrium(const gb_sim *sim, gb_factors *f)
{
  const gb_ensemble *en = sim->kind->ensemble;
  GB_TRY(add(f, "T", "energy", 0));
  for (int q = 0; q < en->n_obs; q++) GB_TRY(add(f, en->obs[q].name, en->obs[q].unit, 0));
  return has_direction(sim) ? add(f, "direction", "rad", 2 * M_PI) : GB_OK;
}

/* My share of the rows: temperature, observables, direction. */
static gb_err measure(gb_comm c, const gb_sim *sim, gb_dataset *data, gb_factors *f)
{
  const gb_ensemble *en = sim->kind->ensemble;
  const gb_reals T = gb_dataset_temperatures(data);
  gb_range mine = gb_comm_share(c, f->rows);
  double obs[MOST_OBS];
  float *x = NULL;
  gb_err e = gb_new(&x, gb_dataset_width(data));
  for (size_t i = mine.first; i < mine.first + mine.count && !e; i++) {
    uint64_t row = i;
    double at = T.v[gb_dataset_temperature_of(data, GB_TEST, row)];
    e = gb_dataset_read(data, GB_TEST, 1, &row, x);
    if (e) break;
    en->observe(sim->self, at, x, obs);
    f->of[0].value[i] = at;
    for (int q = 0; q < en->n_obs; q++) f->of[1 + q].value[i] = obs[q];
    if (has_direction(sim)) f->of[1 + en->n_obs].value[i] = direction(gb_dataset_width(data), x);
  }
  gb_free(&x);
  return e;
}

static gb_err read_truth(const gb_sim *sim, gb_dataset *data, gb_factors *f)
{
  int n = 0;
  const gb_var *truth = sim->kind->simulator ? gb_sim_truth(sim, &n) : NULL;
  for (int j = 0; j < n; j++) {
    bool angle = !strcmp(truth[j].unit, "rad");
    if (!gb_dataset_has_truth(data, truth[j].name)) continue;
    GB_TRY(add(f, truth[j].name, truth[j].unit, !angle ? 0 : sim->kind->image ? M_PI : 2 * M_PI));
    GB_TRY(gb_dataset_truth(data, GB_TEST, truth[j].name, f->of[f->n - 1].value));
  }
  return GB_OK;
}

gb_err gb_factors_read(gb_comm c, const gb_sim *sim, gb_dataset *data, gb_factors *out)
{
  *out = (gb_factors){.rows = gb_dataset_rows(data, GB_TEST)};
  if (!sim->kind->ensemble) return gb_comm_agree(c, read_truth(sim, data, out));
  gb_err e = name_equilibrium(sim, out);
  if (!e) e = measure(c, sim, data, out);
  GB_TRY(gb_comm_agree(c, e));
  for (size_t k = 0; k < out->n; k++) gb_comm_merge(c, out->of[k].value, out->rows);
  return GB_OK;
}

/* --- statistics */

typedef struct moments {
  double xx, yy, xy;
} moments;

static moments about_means(size_t n, const double *x, size_t stride, const double *y)
{
  double mx = 0, my = 0;
  moments m = {0};
  for (size_t i = 0; i < n; i++) {
    mx += x[i * stride] / (double)n;
    my += y[i] / (double)n;
  }
  for (size_t i = 0; i < n; i++) {
    double u = x[i * stride] - mx, v = y[i] - my;
    m.xx += u * u;
    m.yy += v * v;
    m.xy += u * v;
  }
  /* what rounding leaves of a constant is no variance */
  if (!(m.xx > 1e-20 * (double)n * mx * mx)) m.xx = 0;
  if (!(m.yy > 1e-20 * (double)n * my * my)) m.yy = 0;
  return m;
}

static double pearson(size_t n, const double *x, size_t stride, const double *y)
{
  moments m = about_means(n, x, stride, y);
  return m.xx > 0 && m.yy > 0 ? m.xy / sqrt(m.xx * m.yy) : NAN;
}

/* R of the regression of x on cos and sin. */
static double with_direction(size_t n, const double *x, size_t stride, const gb_factor *f)
{
  double *c = NULL, *s = NULL, r = NAN;
  if (!gb_new(&c, n) && !gb_new(&s, n)) {
    for (size_t i = 0; i < n; i++) {
      double a = 2 * M_PI * f->value[i] / f->period;
      c[i] = cos(a);
      s[i] = sin(a);
    }
    double xc = pearson(n, x, stride, c), xs = pearson(n, x, stride, s), cs = pearson(n, c, 1, s);
    r = sqrt(fmin(1, fmax(0, (xc * xc + xs * xs - 2 * xc * xs * cs) / (1 - cs * cs))));
    if (!isfinite(xc) || !isfinite(xs)) r = NAN; /* fmin() and fmax() drop it */
  }
  gb_free(&c);
  gb_free(&s);
  return r;
}

double gb_factor_correlation(size_t rows, const double *x, size_t stride, const gb_factor *f)
{
  return f->period > 0 ? with_direction(rows, x, stride, f) : pearson(rows, x, stride, f->value);
}

size_t gb_factor_bins(size_t rows)
{
  double b = floor(cbrt((double)rows) + 1e-9);
  return b < 2 ? 2 : b > MOST_BINS ? MOST_BINS : (size_t)b;
}

typedef struct ranked {
  double v;
  size_t at;
} ranked;

static int by_value(const void *a, const void *b)
{
  const ranked *x = a, *y = b;
  if (x->v < y->v || x->v > y->v) return x->v < y->v ? -1 : 1;
  return (x->at > y->at) - (x->at < y->at);
}

/* Into which bin each number falls: by the rank of the first of its equals. */
static void cut(size_t n, const double *x, size_t stride, ranked *room, unsigned char *bin)
{
  size_t bins = gb_factor_bins(n), first = 0;
  for (size_t i = 0; i < n; i++) room[i] = (ranked){x[i * stride], i};
  qsort(room, n, sizeof *room, by_value);
  for (size_t i = 0; i < n; i++) {
    if (room[i].v > room[first].v) first = i;
    bin[room[i].at] = (unsigned char)(first * bins / n);
  }
}

/* Entropy of counts, and how many are not 0. */
static double entropy_of(size_t cells, const size_t *count, size_t n, size_t *there)
{
  double h = 0;
  *there = 0;
  for (size_t k = 0; k < cells; k++) {
    double p = (double)count[k] / (double)n;
    if (!count[k]) continue;
    h -= p * log(p);
    ++*there;
  }
  return h;
}

static double information_of(size_t n, const unsigned char *x, const unsigned char *y, double *entropy)
{
  size_t pair[MOST_BINS * MOST_BINS] = {0}, a[MOST_BINS] = {0}, b[MOST_BINS] = {0}, na, nb, nab;
  for (size_t i = 0; i < n; i++) {
    pair[x[i] * MOST_BINS + y[i]]++;
    a[x[i]]++;
    b[y[i]]++;
  }
  double ha = entropy_of(MOST_BINS, a, n, &na), hb = entropy_of(MOST_BINS, b, n, &nb);
  double hab = entropy_of(MOST_BINS * MOST_BINS, pair, n, &nab), rows = 2 * (double)n;
  if (entropy) *entropy = hb + (double)(nb - 1) / rows;
  return ha + hb - hab + ((double)(na + nb) - (double)nab - 1) / rows;
}

gb_err gb_factor_information(size_t rows, const double *x, size_t stride, const double *y, double *out, double *entropy)
{
  ranked *room = NULL;
  unsigned char *bin = NULL;
  gb_err e = gb_new(&room, rows);
  if (!e) e = gb_new(&bin, 2 * rows);
  if (!e) {
    cut(rows, x, stride, room, bin);
    cut(rows, y, 1, room, bin + rows);
    *out = information_of(rows, bin, bin + rows, entropy);
  }
  gb_free(&room);
  gb_free(&bin);
  return e;
}

/* --- all latents with all factors */

static double variance(size_t n, const double *x, size_t stride)
{
  double mean = 0, square = 0;
  for (size_t i = 0; i < n; i++) mean += x[i * stride] / (double)n;
  for (size_t i = 0; i < n; i++) square += (x[i * stride] - mean) * (x[i * stride] - mean);
  return square / (double)n;
}

static double gap_of(const gb_disentangled *d, size_t k, double entropy)
{
  double first = 0, second = 0; /* a second latent that there is not tells nothing */
  for (size_t j = 0; j < d->latents; j++) {
    double v = d->information[j * d->factors + k];
    if (v > first) {
      second = first;
      first = v;
    } else if (v > second)
      second = v;
  }
  return d->latents && entropy > 0 ? (first - second) / entropy : NAN;
}

gb_err gb_factors_compare(const gb_factors *f, size_t latents, const double *mean, gb_disentangled *out)
{
  static const double least = 0.01; /* arXiv:1509.00519 */
  *out = (gb_disentangled){.latents = latents, .factors = f->n};
  GB_TRY(gb_new(&out->correlation, latents * f->n));
  GB_TRY(gb_new(&out->information, latents * f->n));
  GB_TRY(gb_new(&out->gap, f->n));
  GB_TRY(gb_new(&out->variance, latents));
  for (size_t j = 0; j < latents; j++) {
    out->variance[j] = variance(f->rows, mean + j, latents);
    out->active += out->variance[j] > least;
  }
  for (size_t k = 0; k < f->n; k++) {
    double entropy = 0;
    for (size_t j = 0; j < latents; j++) {
      out->correlation[j * f->n + k] = gb_factor_correlation(f->rows, mean + j, latents, &f->of[k]);
      GB_TRY(
          gb_factor_information(f->rows, mean + j, latents, f->of[k].value, &out->information[j * f->n + k], &entropy));
    }
    out->gap[k] = gap_of(out, k, entropy);
  }
  return GB_OK;
}

void gb_disentangled_free(gb_disentangled *d)
{
  gb_free(&d->correlation);
  gb_free(&d->information);
  gb_free(&d->gap);
  gb_free(&d->variance);
}

static double most(const gb_disentangled *d, const double *v, size_t factor)
{
  double top = NAN;
  for (size_t j = 0; j < d->latents; j++) top = fmax(top, fabs(v[j * d->factors + factor])); /* NAN is passed over */
  return top;
}

double gb_disentangled_correlation(const gb_disentangled *d, size_t factor)
{
  return most(d, d->correlation, factor);
}

double gb_disentangled_information(const gb_disentangled *d, size_t factor)
{
  double top = NAN;
  for (size_t j = 0; j < d->latents; j++) top = fmax(top, d->information[j * d->factors + factor]);
  return top;
}
