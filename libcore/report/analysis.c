/* report/analysis.c - from a config to exact linear baselines. */
#include "report/analysis.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "data/dataset.h"
#include "learn/experiment.h"
#include "linalg/planar.h"

static gb_err check_opts(const void *opts)
{
  const gb_analyze_opts *o = opts;
  GB_CHECK(o->latent.n, GB_ERR_CONFIG, "analyze.latent is empty: give at least one number of latents");
  GB_CHECK(o->noise.n, GB_ERR_CONFIG, "analyze.noise is empty: give at least one variance, 0 for a fitted one");
  for (size_t i = 0; i < o->latent.n; i++)
    GB_CHECK(o->latent.v[i] == floor(o->latent.v[i]), GB_ERR_CONFIG, "analyze.latent: %g is no whole number",
             o->latent.v[i]);
  return GB_OK;
}

static const gb_field fields[] = {
    GB_WORD(gb_analyze_opts, split, "training", "training|validation|test|all", GB_FREE, "Samples to analyse."),
    GB_NUMBER(gb_analyze_opts, latent, "[1, 2, 4, 8]", 0, 1e6, "1", GB_FREE,
              "Numbers of latents of the linear models."),
    GB_NUMBER(gb_analyze_opts, beta, "[0.25, 0.5, 1, 2, 4]", 1e-6, 1e6, "1", GB_FREE,
              "Weights of the rate for which the optimum of the beta-ELBO is found."),
    GB_NUMBER(
        gb_analyze_opts, alpha, "[0.3, 0.5, 0.8, 1, 1.3]", 1e-6, 1e3, "1", GB_FREE,
        "Orders for which the optima of the Renyi bounds relbo-escort and relbo-joint are found, bounds of our own "
        "derivation (docs/theory/linear.md)."),
    GB_NUMBER(gb_analyze_opts, noise, "[0]", 0, 1e12, "squared units of the numbers", GB_FREE,
              "Variances of the decoder's noise for which optima are found; 0: that of the optimum."),
    GB_NUMBER(gb_analyze_opts, components, "64", 0, 1e6, "1", GB_FREE,
              "Leading components that are stored; at least as many as latents."),
    GB_NUMBER(gb_analyze_opts, levels, "200", 2, 1e6, "1", GB_FREE, "Points of the rate-distortion curve."),
    GB_WORD(gb_analyze_opts, route, "auto", "auto|covariance|qr|svd", GB_FREE,
            "How components are found: eigenvalues of the covariance; QR factorisation of the samples, then singular "
            "values of its triangle; singular values of the samples. auto: qr if there are twice as many samples as "
            "numbers in one, these are at most 1024, and analyze.memory is enough; else the covariance."),
    GB_NUMBER(gb_analyze_opts, memory, "2", 0.001, 1e6, "GiB", GB_FREE,
              "Memory per rank for qr and svd, which hold all samples, in double precision, spread over the ranks."),
    {0}};
const gb_schema gb_analyze_schema = {"analyze", "Exact linear baselines of a data set.", sizeof(gb_analyze_opts),
                                     fields, check_opts};

const char *const gb_family_name[GB_FAMILIES] = {"ppca", "beta_elbo", "relbo_escort", "relbo_joint"};
static gb_linear_objective *const objective[GB_FAMILIES] = {gb_linear_elbo, gb_linear_elbo, gb_linear_escort,
                                                            gb_linear_joint};

static gb_route route_of(const gb_analyze_opts *o)
{
  gb_route r = GB_ROUTE_AUTO;
  while (!gb_is(o->route, gb_route_name[r])) r++;
  return r;
}

static size_t most_latents(const gb_analyze_opts *o)
{
  double most = 0;
  for (size_t i = 0; i < o->latent.n; i++) most = fmax(most, o->latent.v[i]);
  return (size_t)most;
}

/* --- Samples of a data set as the trainer sees them. */

enum { ROWS = 64 }; /* read at once */

typedef struct source {
  gb_samples samples;
  gb_dataset *data;
  gb_split first, last; /* splits, one after another */
  bool planar, half_turns, align;
  float *raw;      /* [ROWS, width of the data set] */
  gb_real *vector; /* [width of a sample in vectors] */
  gb_real *half;   /* [width of the data set] */
  char name[PATH_MAX + 32], path[PATH_MAX];
} source;

/* One sample. */
static void encode(const source *s, const float *raw, double *x)
{
  size_t n = gb_dataset_width(s->data);
  if (!s->planar) {
    for (size_t i = 0; i < n; i++) x[i] = (double)raw[i];
    return;
  }
  gb_planar_vectors(n, raw, s->align, s->vector);
  if (s->half_turns) gb_planar_half_turns(n, s->vector, s->half);
  const gb_real *from = s->half_turns ? s->half : s->vector;
  for (size_t i = 0; i < s->samples.width; i++) x[i] = (double)from[i];
}

static gb_err read_rows(void *self, size_t first, size_t n, double *x)
{
  source *s = self;
  uint64_t row[ROWS];
  gb_split split = s->first;
  for (size_t done = 0, m; done < n; done += m) {
    while (first >= gb_dataset_rows(s->data, split)) first -= gb_dataset_rows(s->data, split++);
    size_t left = gb_dataset_rows(s->data, split) - first;
    for (m = 0; m < ROWS && m < n - done && m < left; m++) row[m] = first + m;
    GB_TRY(gb_dataset_read(s->data, split, m, row, s->raw));
    for (size_t i = 0; i < m; i++) encode(s, s->raw + i * gb_dataset_width(s->data), x + (done + i) * s->samples.width);
    first += m;
  }
  return GB_OK;
}

static const char *encoding_of(const source *s)
{
  return !s->planar ? "none" : s->half_turns ? "angle" : "cossin";
}

/* What does not need the data set. */
static void choose(const gb_config *cfg, const gb_sim *sim, const gb_analyze_opts *o, source *s)
{
  gb_vae_opts vae;
  gb_config_get(cfg, &gb_vae_schema, &vae);
  *s = (source){.last = GB_TEST};
  if (!gb_is(o->split, "all"))
    s->first = s->last = gb_is(o->split, "training") ? GB_TRAIN : gb_is(o->split, "test") ? GB_TEST : GB_VALIDATION;
  s->planar = sim->kind->ensemble && gb_is(sim->dims.unit, "rad");
  s->half_turns = s->planar && gb_is(vae.encoding, "angle");
  s->align = s->planar && vae.align;
  s->samples.width = sim->dims.n * (s->planar && !s->half_turns ? 2 : 1);
}

static void close_source(source *s)
{
  gb_dataset_close(&s->data);
  gb_free(&s->raw);
  gb_free(&s->vector);
  gb_free(&s->half);
}

/* Closed by close_source(), also after a failure. Collective over c. */
static gb_err open_source(gb_comm c, const gb_config *cfg, const gb_sim *sim, const gb_analyze_opts *o, source *s)
{
  gb_dataset_opts d = gb_experiment_data(cfg, s->path);
  GB_TRY(gb_dataset_open(c, &d, sim->dims.ndim, sim->dims.shape, &s->data));
  size_t n = gb_dataset_width(s->data);
  for (gb_split k = s->first; k <= s->last; k++) s->samples.n += gb_dataset_rows(s->data, k);
  snprintf(s->name, sizeof s->name, "%s, analyze.split = %s", s->path, o->split);
  s->samples.name = s->name;
  s->samples.read = read_rows;
  s->samples.self = s;
  gb_err e = gb_new(&s->raw, ROWS * n);
  if (!e) e = gb_new(&s->vector, 2 * n);
  if (!e) e = gb_new(&s->half, n);
  return gb_comm_agree(c, e);
}

/* --- From samples to results. */

static gb_err check_latents(const gb_analyze_opts *o, const gb_samples *s)
{
  size_t m = most_latents(o);
  bool fitted = false;
  for (size_t i = 0; i < o->noise.n; i++) fitted |= o->noise.v[i] == 0;
  GB_CHECK(m + fitted <= s->width, GB_ERR_CONFIG,
           "analyze.latent = %zu: samples have %zu numbers, so linear models have at most %zu latents%s", m, s->width,
           s->width - fitted, fitted ? " where the noise is fitted (analyze.noise has a 0)" : "");
  GB_CHECK(
      m + fitted < s->n, GB_ERR_CONFIG,
      "analyze.latent = %zu: the %zu samples of %s have no more than %zu independent components. Use fewer latents, "
      "or more samples (analyze.split: all).",
      m, s->n, s->name, s->n ? s->n - 1 : 0);
  return GB_OK;
}

size_t gb_analysis_at(const gb_analysis *a, gb_family_kind kind, size_t noise, size_t latent, size_t weight)
{
  return (noise * a->n_latent + latent) * a->family[kind].n_weight + weight;
}

gb_err gb_analysis_allocate(gb_analysis *a)
{
  size_t models = a->n_noise * a->n_latent, curves = 1 + a->n_latent;
  GB_TRY(gb_new(&a->noise, a->n_noise));
  GB_TRY(gb_new(&a->latent, a->n_latent));
  for (int f = 0; f < GB_FAMILIES; f++) {
    gb_family *of = &a->family[f];
    GB_TRY(gb_new(&of->weight, of->n_weight));
    for (int k = 0; k < GB_LINEAR_NUMBERS; k++) GB_TRY(gb_new(&of->number[k], models * of->n_weight));
    GB_TRY(gb_new(&of->signal, models * of->n_weight * a->n_mode));
  }
  GB_TRY(gb_new(&a->renyi, models * a->family[GB_ESCORT].n_weight));
  GB_TRY(gb_new(&a->level, a->n_level));
  GB_TRY(gb_new(&a->rate, curves * a->n_level));
  return gb_new(&a->error, curves * a->n_level);
}

void gb_analysis_free(gb_analysis *a)
{
  gb_principal_free(&a->pca);
  gb_free(&a->noise);
  gb_free(&a->latent);
  for (int f = 0; f < GB_FAMILIES; f++) {
    gb_free(&a->family[f].weight);
    for (int k = 0; k < GB_LINEAR_NUMBERS; k++) gb_free(&a->family[f].number[k]);
    gb_free(&a->family[f].signal);
  }
  gb_free(&a->renyi);
  gb_free(&a->level);
  gb_free(&a->rate);
  gb_free(&a->error);
  *a = (gb_analysis){0};
}

static gb_spectrum spectrum_of(const gb_analysis *a)
{
  return (gb_spectrum){a->pca.width, a->pca.lam};
}

/* One optimum; where there is none its numbers are NAN. */
static gb_err find_optimum(gb_analysis *a, gb_family_kind kind, size_t noise, size_t latent, size_t weight)
{
  gb_family *f = &a->family[kind];
  gb_optimum best;
  size_t at = gb_analysis_at(a, kind, noise, latent, weight);
  gb_err e = objective[kind](spectrum_of(a), (size_t)a->latent[latent], f->weight[weight], a->noise[noise],
                             f->signal + at * a->n_mode, &best);
  if (e && e != GB_ERR_NUMERIC) return gb_trace(e, __FILE__, __LINE__, __func__);
  if (e) gb_err_clear();
  for (size_t i = 0; i < a->n_mode && e; i++) f->signal[at * a->n_mode + i] = NAN;
  for (int k = 0; k < GB_LINEAR_NUMBERS; k++) f->number[k][at] = e ? NAN : best.v[k];
  return GB_OK;
}

static gb_err find_optima(gb_analysis *a)
{
  for (gb_family_kind f = 0; f < GB_FAMILIES; f++)
    for (size_t s = 0; s < a->n_noise; s++)
      for (size_t m = 0; m < a->n_latent; m++)
        for (size_t w = 0; w < a->family[f].n_weight; w++) GB_TRY(find_optimum(a, f, s, m, w));
  return GB_OK;
}

static void find_renyi_information(gb_analysis *a)
{
  const gb_family *p = &a->family[GB_PPCA], *of = &a->family[GB_ESCORT];
  for (size_t i = 0; i < a->n_noise * a->n_latent; i++)
    for (size_t w = 0; w < of->n_weight; w++)
      a->renyi[i * of->n_weight + w] = gb_linear_renyi_information(
          (size_t)a->latent[i % a->n_latent], p->signal + i * a->n_mode, p->number[GB_LINEAR_NOISE][i], of->weight[w]);
}

/* From the largest eigenvalue, where the rate is 0, to a hundredth of the smallest, far beyond which every mode is
 * active; but no more than nine decades. */
static void find_curves(gb_analysis *a)
{
  gb_spectrum of = spectrum_of(a);
  double most = of.lam[0], least = fmax(of.lam[of.n - 1] / 100, 1e-9 * most);
  for (size_t i = 0; i < a->n_level; i++) a->level[i] = most * pow(least / most, (double)i / (double)(a->n_level - 1));
  for (size_t k = 0; k <= a->n_latent; k++)
    for (size_t i = 0; i < a->n_level; i++)
      gb_linear_rate(of, k ? (size_t)a->latent[k - 1] : of.n, a->level[i], &a->rate[k * a->n_level + i],
                     &a->error[k * a->n_level + i]);
}

static void fill(gb_analysis *a, const gb_analyze_opts *o)
{
  memcpy(a->noise, o->noise.v, o->noise.n * sizeof *a->noise);
  memcpy(a->latent, o->latent.v, o->latent.n * sizeof *a->latent);
  a->family[GB_PPCA].weight[0] = 1;
  if (o->beta.n) memcpy(a->family[GB_BETA_ELBO].weight, o->beta.v, o->beta.n * sizeof *o->beta.v);
  for (gb_family_kind f = GB_ESCORT; f <= GB_JOINT && o->alpha.n; f++)
    memcpy(a->family[f].weight, o->alpha.v, o->alpha.n * sizeof *o->alpha.v);
}

gb_err gb_analysis_find(gb_comm c, const gb_analyze_opts *o, const gb_samples *samples, gb_analysis *a)
{
  size_t m = most_latents(o), keep = (size_t)o->components > m ? (size_t)o->components : m;
  *a = (gb_analysis){.n_noise = o->noise.n, .n_latent = o->latent.n, .n_mode = m, .n_level = (size_t)o->levels};
  a->family[GB_PPCA].n_weight = 1;
  a->family[GB_BETA_ELBO].n_weight = o->beta.n;
  a->family[GB_ESCORT].n_weight = a->family[GB_JOINT].n_weight = o->alpha.n;
  GB_TRY(gb_comm_agree(c, check_latents(o, samples)));
  GB_TRY(gb_principal_find(c, samples, keep, route_of(o), o->memory * 0x1p30, &a->pca));
  gb_err e = gb_analysis_allocate(a);
  if (!e) fill(a, o);
  if (!e) e = find_optima(a);
  if (!e) find_renyi_information(a);
  if (!e) find_curves(a);
  return gb_comm_agree(c, e);
}

/* --- The program. */

/* Optima of one family for one noise and the most latents, or of all latents. */
static void table(const gb_analysis *a, gb_family_kind kind, size_t noise, gb_text *out)
{
  const gb_family *f = &a->family[kind];
  for (size_t m = 0; m < a->n_latent; m++)
    for (size_t w = 0; w < f->n_weight; w++) {
      if (kind != GB_PPCA && a->latent[m] != (double)a->n_mode) continue;
      size_t at = gb_analysis_at(a, kind, noise, m, w);
      char weight[32] = "";
      if (kind != GB_PPCA) snprintf(weight, sizeof weight, "%g", f->weight[w]);
      gb_text_add(out, "%-13s %7.0f %7s", gb_family_name[kind], a->latent[m], weight);
      if (isnan(f->number[0][at])) {
        gb_text_add(out, "  no finite optimum\n");
        continue;
      }
      gb_text_add(out, " %6.0f", f->number[GB_LINEAR_ACTIVE][at]);
      static const int shown[] = {GB_LINEAR_NOISE, GB_LINEAR_RATE, GB_LINEAR_ERROR, GB_LINEAR_OBJECTIVE,
                                  GB_LINEAR_LIKELIHOOD};
      for (size_t k = 0; k < sizeof shown / sizeof *shown; k++) gb_text_add(out, " %11.5g", f->number[shown[k]][at]);
      gb_text_add(out, "\n");
    }
}

static void tell(const gb_analysis *a, const source *s, gb_text *out)
{
  const gb_principal *p = &a->pca;
  double variance = 0, first = 0;
  for (size_t i = 0; i < p->width; i++) variance += p->lam[p->width - 1 - i];
  gb_text_add(out, "%s: %zu samples of %zu numbers (encoding %s), route %s on %d x %d ranks\n", s->name, p->n, p->width,
              encoding_of(s), gb_route_name[p->route], p->grid[0], p->grid[1]);
  gb_text_add(out, "variance %.6g; eigenvalues", variance);
  for (size_t i = 0; i < p->width && i < 8; i++) gb_text_add(out, " %.5g", p->lam[i]);
  for (size_t i = 0; i < a->n_mode; i++) first += p->lam[i];
  gb_text_add(out, "%s; the first %zu have %.2f %% of it\n", p->width > 8 ? " ..." : "", a->n_mode,
              100 * first / variance);
  for (size_t k = 0; k < a->n_noise; k++) {
    gb_text_add(out, "\n%-13s %7s %7s %6s %11s %11s %11s %11s %11s\n", "objective", "latents", "weight", "active",
                "noise", "rate", "error", "objective", "ln p(x)");
    for (gb_family_kind f = 0; f < GB_FAMILIES; f++) table(a, f, k, out);
  }
}

static gb_err write_and_tell(gb_comm c, const gb_analysis *a, const source *s, const gb_analyze_opts *o,
                             const gb_sim *sim, gb_run *run)
{
  gb_text t = {0};
  char grid[32];
  const char *path = gb_run_path(run, "analysis.h5");
  snprintf(grid, sizeof grid, "%d x %d", a->pca.grid[0], a->pca.grid[1]);
  const char *const note[][2] = {{"title", "Exact linear baselines of a data set."},
                                 {"physics", sim->kind->name},
                                 {"data", s->path},
                                 {"split", o->split},
                                 {"encoding", encoding_of(s)},
                                 {"align", s->align ? "true" : "false"},
                                 {"route", gb_route_name[a->pca.route]},
                                 {"ranks", grid},
                                 {"version", gb_run_version()}};
  GB_TRY(gb_analysis_write(c, a, sizeof note / sizeof *note, note, path));
  tell(a, s, &t);
  gb_text_add(&t, "\n%s\n", path);
  gb_err e = gb_text_done(&t);
  if (!e && c.rank == 0) fputs(t.s, stdout);
  gb_text_free(&t);
  return gb_comm_agree(c, e);
}

gb_err gb_analyze(gb_comm c, const gb_config *cfg, const gb_sim *sim, gb_run *run)
{
  gb_analyze_opts o;
  gb_analysis a = {0};
  source s;
  gb_err e = GB_OK;
  gb_config_get(cfg, &gb_analyze_schema, &o);
  choose(cfg, sim, &o, &s);
  GB_GOTO(e, open_source(c, cfg, sim, &o, &s), done);
  if (*gb_dataset_note(s.data)) gb_run_say(run, "%s", gb_dataset_note(s.data));
  gb_run_log(run, "start", 2,
             (gb_kv[]){{"samples", (double)s.samples.n, NULL}, {"numbers", (double)s.samples.width, NULL}});
  GB_GOTO(e, gb_analysis_find(c, &o, &s.samples, &a), done);
  a.data = gb_dataset_fingerprint(s.data);
  GB_GOTO(e, write_and_tell(c, &a, &s, &o, sim, run), done);
  gb_run_log(run, "done", 5,
             (gb_kv[]){{"route", 0, gb_route_name[a.pca.route]},
                       {"seconds_read", a.pca.seconds[GB_PART_READ], NULL},
                       {"seconds_move", a.pca.seconds[GB_PART_MOVE], NULL},
                       {"seconds_products", a.pca.seconds[GB_PART_PRODUCTS], NULL},
                       {"seconds_values", a.pca.seconds[GB_PART_VALUES], NULL}});
done:
  gb_analysis_free(&a);
  close_source(&s);
  return e;
}

gb_err gb_analysis_plan(gb_comm c, const gb_config *cfg, const gb_sim *sim, gb_text *out)
{
  gb_analyze_opts o;
  source s;
  char path[PATH_MAX], a[32], b[32];
  gb_err e = GB_OK;
  gb_config_get(cfg, &gb_analyze_schema, &o);
  gb_experiment_data(cfg, path);
  choose(cfg, sim, &o, &s);
  bool there = gb_comm_any(c, c.rank == 0 && access(path, R_OK) == 0);
  if (there) GB_GOTO(e, open_source(c, cfg, sim, &o, &s), done);
  if (there) GB_GOTO(e, gb_comm_agree(c, check_latents(&o, &s.samples)), done);
  size_t n = s.samples.n, width = s.samples.width;
  gb_route route = there ? gb_principal_route(route_of(&o), c.size, n, width, o.memory * 0x1p30) : route_of(&o);
  double components = fmin((double)width, fmax((double)o.components, (double)most_latents(&o)));
  if (there)
    gb_text_add(
        out, "data: %s, %zu samples of %zu numbers (encoding %s)\nroute: %s\nmemory per rank: %s with %d rank%s\n",
        path, n, width, encoding_of(&s), gb_route_name[route],
        gb_text_bytes(gb_principal_bytes(route, c.size, n, width, o.memory * 0x1p30) + (double)gb_dataset_bytes(s.data),
                      a),
        c.size, c.size > 1 ? "s" : "");
  else
    gb_text_add(out, "data: %s is not there yet, samples of %zu numbers (encoding %s)\n", path, width, encoding_of(&s));
  gb_text_add(out, "disk: %s\n", gb_text_bytes((components + 2) * (double)width * sizeof(double), b));
done:
  close_source(&s);
  return e;
}
