/* report/analysis_file.c - analysis.h5: one list of data sets, written and read. */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "io/h5.h"
#include "report/analysis.h"

const char *const gb_linear_number_name[GB_LINEAR_NUMBERS] = {"noise", "active", "objective",  "log_likelihood",
                                                              "rate",  "error",  "distortion", "information"};

static const char *const number_unit[GB_LINEAR_NUMBERS] = {"squared numbers", "1",   "nat", "nat", "nat",
                                                           "squared numbers", "nat", "nat"};
static const char *const number_doc[GB_LINEAR_NUMBERS] = {"Variance of the decoder's noise.",
                                                          "Modes that the model uses.",
                                                          "The objective at its maximum, mean of a sample.",
                                                          "ln p(x) of the model, mean of a sample.",
                                                          "KL(q(z|x) || p(z)), mean of a sample.",
                                                          "|x - W z|^2 under q, mean of a sample.",
                                                          "-ln p(x|z) under q, mean of a sample.",
                                                          "Mutual information of x and z in the model."};

enum { MOST_ITEMS = 64 };

typedef struct item {
  char name[64];
  double *v;
  int ndim;
  uint64_t shape[4];
  const char *dims[4], *unit, *doc;
} item;

typedef struct list {
  size_t n;
  item of[MOST_ITEMS];
} list;

static const char weight_axis[GB_FAMILIES][8] = {"", "/beta", "/alpha", "/alpha"};

static item *add(list *l, double *v, const char *unit, const char *doc, int ndim, const size_t shape[])
{
  GB_ASSERT(l->n < MOST_ITEMS);
  item *i = &l->of[l->n++];
  *i = (item){.v = v, .ndim = ndim, .unit = unit, .doc = doc};
  for (int k = 0; k < ndim; k++) i->shape[k] = shape[k];
  return i;
}

static void name(item *i, const char *folder, const char *last)
{
  snprintf(i->name, sizeof i->name, "%s/%s", folder, last);
}

/* The axes that label others come first. Scales cannot be empty, and a list of weights can. */
static void list_axes(const gb_analysis *a, list *l)
{
  const gb_family *f = a->family;
  name(add(l, a->noise, "squared numbers", "Variance of the noise that was given; 0: it was fitted.", 1, &a->n_noise),
       "", "given_noise");
  name(add(l, a->latent, "1", "Latents of a model.", 1, &a->n_latent), "", "latent");
  name(add(l, f[GB_BETA_ELBO].weight, "1", "Weight of the rate.", 1, &f[GB_BETA_ELBO].n_weight), "", "beta");
  name(add(l, f[GB_ESCORT].weight, "1", "Order of the Renyi bounds.", 1, &f[GB_ESCORT].n_weight), "", "alpha");
  name(add(l, a->level, "squared numbers", "Error that is left along every mode of more variance.", 1, &a->n_level),
       "/rate_distortion", "level");
  for (size_t i = 0; i < l->n; i++) l->of[i].dims[0] = l->of[i].name;
}

static void list_family(const gb_analysis *a, gb_family_kind kind, list *l)
{
  const gb_family *f = &a->family[kind];
  char folder[32];
  size_t shape[4] = {a->n_noise, a->n_latent, f->n_weight, a->n_mode};
  bool weighted = kind != GB_PPCA;
  snprintf(folder, sizeof folder, "/%s", gb_family_name[kind]);
  for (int k = 0; k <= GB_LINEAR_NUMBERS; k++) {
    bool signal = k == GB_LINEAR_NUMBERS;
    size_t of[4] = {shape[0], shape[1]};
    int n = 2;
    if (weighted) of[n++] = shape[2];
    if (signal) of[n++] = shape[3];
    item *i = add(l, signal ? f->signal : f->number[k], signal ? "squared numbers" : number_unit[k],
                  signal ? "Squared length of the decoder's column along each mode." : number_doc[k], n, of);
    name(i, folder, signal ? "signal" : gb_linear_number_name[k]);
    i->dims[0] = "/given_noise";
    i->dims[1] = "/latent";
    if (weighted) i->dims[2] = weight_axis[kind];
  }
}

/* All but the components and what stands in integers. */
static void list_items(const gb_analysis *a, list *l)
{
  size_t curves[2] = {1 + a->n_latent, a->n_level}, renyi[3] = {a->n_noise, a->n_latent, a->family[GB_ESCORT].n_weight};
  l->n = 0;
  list_axes(a, l);
  name(add(l, a->pca.mean, "numbers of a sample", "Mean sample.", 1, &a->pca.width), "", "mean");
  name(add(l, a->pca.lam, "squared numbers", "Eigenvalues of the covariance (divided by the number of samples).", 1,
           &a->pca.width),
       "", "eigenvalue");
  for (gb_family_kind f = 0; f < GB_FAMILIES; f++) list_family(a, f, l);
  item *i = add(l, a->renyi, "nat", "Renyi mutual information of order alpha of x and z in the model.", 3, renyi);
  name(i, "/ppca", "renyi_information");
  i->dims[0] = "/given_noise";
  i->dims[1] = "/latent";
  i->dims[2] = "/alpha";
  for (int k = 0; k < 2; k++) {
    i = add(l, k ? a->error : a->rate, k ? "squared numbers" : "nat",
            k ? "Least error at the rate; first with as many latents as numbers, then with /latent."
              : "Rate; first with as many latents as numbers, then with /latent.",
            2, curves);
    name(i, "/rate_distortion", k ? "error" : "rate");
    i->dims[1] = "/rate_distortion/level";
  }
}

static bool is_empty(const item *i)
{
  for (int k = 0; k < i->ndim; k++)
    if (!i->shape[k]) return true;
  return false;
}

static gb_err put(gb_h5 *f, const item *i)
{
  gb_h5_spec s = {.name = i->name, .type = GB_H5_F64, .ndim = i->ndim, .unit = i->unit, .doc = i->doc};
  if (is_empty(i)) return GB_OK;
  memcpy(s.shape, i->shape, sizeof i->shape);
  memcpy(s.dims, i->dims, sizeof i->dims);
  GB_TRY(gb_h5_add(f, &s));
  return gb_h5_write_all(f, i->name, i->v);
}

/* Every rank its own. */
static gb_err put_components(gb_h5 *f, const gb_principal *p)
{
  gb_h5_spec s = {.name = "/component",
                  .type = GB_H5_F64,
                  .ndim = 2,
                  .shape = {p->n_component, p->width},
                  .unit = "1",
                  .doc = "Eigenvectors of the covariance, one a row, as /eigenvalue; signs, and turns within equal "
                         "eigenvalues, are arbitrary."};
  gb_h5_block mine = {.start = {p->mine.first, 0}, .count = {p->mine.count, p->width}};
  if (!p->n_component) return GB_OK;
  GB_TRY(gb_h5_add(f, &s));
  return gb_h5_write(f, s.name, p->mine.count ? 1 : 0, &mine, p->component);
}

static gb_err put_integers(gb_h5 *f, const gb_analysis *a)
{
  gb_h5_spec n = {.name = "/samples", .type = GB_H5_U64, .ndim = 1, .shape = {1}, .unit = "1", .doc = "Their number."};
  gb_h5_spec data = n;
  data.name = "/data_fingerprint";
  data.doc = "Tells data sets apart, as in checkpoints.";
  GB_TRY(gb_h5_add(f, &n));
  GB_TRY(gb_h5_write_all(f, n.name, &(uint64_t){a->pca.n}));
  GB_TRY(gb_h5_add(f, &data));
  return gb_h5_write_all(f, data.name, &a->data);
}

gb_err gb_analysis_write(gb_comm c, const gb_analysis *a, size_t n, const char *const note[][2], const char *path)
{
  list *l;
  gb_h5 *f = NULL;
  gb_err e;
  GB_TRY(gb_comm_agree(c, gb_new(&l, 1)));
  list_items(a, l);
  GB_GOTO(e, gb_h5_create(c, path, &f), done);
  for (size_t i = 0; i < l->n; i++) GB_GOTO(e, put(f, &l->of[i]), done);
  GB_GOTO(e, put_components(f, &a->pca), done);
  GB_GOTO(e, put_integers(f, a), done);
  for (size_t i = 0; i < n; i++) GB_GOTO(e, gb_h5_note(f, "/", note[i][0], note[i][1]), done);
  GB_GOTO(e, gb_h5_close(&f, true), done);
done:
  gb_h5_close(&f, false);
  gb_free(&l);
  return e;
}

/* Length of a list, 0 if it is not there. */
static gb_err length(gb_h5 *f, const char *set, size_t *n)
{
  uint64_t shape;
  *n = 0;
  if (!gb_h5_has(f, set)) return GB_OK;
  GB_TRY(gb_h5_shape(f, set, GB_H5_F64, 1, &shape));
  *n = shape;
  return GB_OK;
}

static gb_err read_sizes(gb_h5 *f, const char *path, gb_analysis *a)
{
  uint64_t component[2] = {0, 0}, signal[3];
  gb_route route = GB_ROUTE_AUTO;
  gb_text text = {0};
  GB_CHECK(gb_h5_has(f, "/eigenvalue") && gb_h5_has(f, "/ppca/active"), GB_ERR_IO,
           "%s is no analysis.h5. Make it with greybox-analyze.", path);
  GB_TRY(length(f, "/eigenvalue", &a->pca.width));
  GB_TRY(length(f, "/given_noise", &a->n_noise));
  GB_TRY(length(f, "/latent", &a->n_latent));
  GB_TRY(length(f, "/rate_distortion/level", &a->n_level));
  GB_TRY(length(f, "/beta", &a->family[GB_BETA_ELBO].n_weight));
  GB_TRY(length(f, "/alpha", &a->family[GB_ESCORT].n_weight));
  a->family[GB_JOINT].n_weight = a->family[GB_ESCORT].n_weight;
  a->family[GB_PPCA].n_weight = 1;
  if (gb_h5_has(f, "/ppca/signal")) {
    GB_TRY(gb_h5_shape(f, "/ppca/signal", GB_H5_F64, 3, signal));
    a->n_mode = signal[2];
  }
  if (gb_h5_has(f, "/component")) GB_TRY(gb_h5_shape(f, "/component", GB_H5_F64, 2, component));
  a->pca.n_component = component[0];
  a->pca.mine = (gb_range){0, component[0]};
  gb_err e = gb_h5_get_note(f, "/", "route", &text);
  while (!e && route < GB_ROUTES && !gb_is(text.s, gb_route_name[route])) route++;
  a->pca.route = route < GB_ROUTES ? route : GB_ROUTE_AUTO;
  gb_text_free(&text);
  return e;
}

/* Before there is room for it: is everything of the size that the axes say? */
static gb_err check_items(gb_h5 *f, const char *path, const list *l)
{
  uint64_t shape[4];
  for (const item *i = l->of; i < l->of + l->n; i++) {
    if (is_empty(i)) continue;
    GB_TRY(gb_h5_shape(f, i->name, GB_H5_F64, i->ndim, shape));
    for (int k = 0; k < i->ndim; k++)
      GB_CHECK(shape[k] == i->shape[k], GB_ERR_IO, "%s: %s has %llu items along axis %d, %llu are expected", path,
               i->name, (unsigned long long)shape[k], k, (unsigned long long)i->shape[k]);
  }
  return GB_OK;
}

static gb_err read_items(gb_h5 *f, const char *path, gb_analysis *a, list *l)
{
  uint64_t n;
  list_items(a, l);
  GB_TRY(check_items(f, path, l));
  GB_TRY(gb_new(&a->pca.mean, a->pca.width));
  GB_TRY(gb_new(&a->pca.lam, a->pca.width));
  GB_TRY(gb_new(&a->pca.component, a->pca.n_component * a->pca.width));
  GB_TRY(gb_analysis_allocate(a));
  list_items(a, l);
  for (size_t i = 0; i < l->n; i++) {
    const item *x = &l->of[i];
    size_t count = 1;
    for (int k = 0; k < x->ndim; k++) count *= x->shape[k];
    if (count) GB_TRY(gb_h5_read_all(f, x->name, GB_H5_F64, count, x->v));
  }
  a->family[GB_PPCA].weight[0] = 1;
  if (a->family[GB_JOINT].n_weight)
    memcpy(a->family[GB_JOINT].weight, a->family[GB_ESCORT].weight, a->family[GB_JOINT].n_weight * sizeof(double));
  if (a->pca.n_component)
    GB_TRY(gb_h5_read_all(f, "/component", GB_H5_F64, a->pca.n_component * a->pca.width, a->pca.component));
  GB_TRY(gb_h5_read_all(f, "/samples", GB_H5_U64, 1, &n));
  a->pca.n = n;
  return gb_h5_read_all(f, "/data_fingerprint", GB_H5_U64, 1, &a->data);
}

gb_err gb_analysis_read(gb_comm c, const char *path, gb_analysis *out)
{
  gb_h5 *f = NULL;
  list *l = NULL;
  *out = (gb_analysis){0};
  gb_err e = gb_new(&l, 1);
  if (!e) e = gb_h5_open(gb_comm_self(), path, &f);
  if (!e) e = read_sizes(f, path, out);
  if (!e) e = read_items(f, path, out, l);
  gb_h5_close(&f, false);
  gb_free(&l);
  e = gb_comm_agree(c, e);
  if (e) gb_analysis_free(out);
  return e;
}
