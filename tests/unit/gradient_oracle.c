/* tests/unit/gradient_oracle.c - loss terms and gradients of whole models, in double, against those of another
 * implementation: tests/oracle/make_oracle.py, which describes its files and how it drew weights and data. */
#include <stdlib.h>

#include "check.h"
#include "config/config.h"
#include "learn/vae.h"
#include "registry.h"

enum { MOST_TENSORS = 64, SEED = 2026, FIRST_INDEX = 1000 };

/* The issue asks for 1e-6. Both sides agree to about 1e-13; von Mises functions are known to 1e-9 (linalg/von_mises.h).
 */
static const double tolerance = 1e-10, tolerance_von_mises = 1e-9;

typedef struct oracle {
  FILE *file;
  char name[64], config[4096];
  size_t rows, parts, n_terms, n_tensors;
  unsigned long long seed;
  gb_pass pass;
  double weight[GB_MOST_TERMS], *term[GB_MOST_TERMS];
} oracle;

/* The text between the lines `config` and `end`. */
static void read_config(oracle *o)
{
  char line[512] = "";
  size_t used = 0;
  while (strcmp(line, "config\n")) CHECK(fgets(line, sizeof line, o->file));
  while (fgets(line, sizeof line, o->file) && strcmp(line, "end\n")) {
    size_t n = strlen(line);
    CHECK(used + n < sizeof o->config);
    memcpy(o->config + used, line, n + 1);
    used += n;
  }
}

static void open_oracle(const char *name, oracle *o)
{
  char path[512];
  const char *source = getenv("SOURCE");
  int training;
  unsigned long long step, first_row;
  *o = (oracle){.n_terms = 0};
  snprintf(o->name, sizeof o->name, "%s", name);
  snprintf(path, sizeof path, "%s/tests/oracle/%s.txt", source ? source : ".", name);
  o->file = fopen(path, "r");
  if (!o->file) fail_msg("%s: cannot be read; SOURCE names the source tree", path);
  read_config(o);
  CHECK(fscanf(o->file, " pass %zu %zu %llu %llu %llu %d", &o->rows, &o->parts, &o->seed, &step, &first_row,
               &training) == 6);
  o->pass = (gb_pass){step, first_row, training};
}

static void read_numbers(const oracle *o, size_t n, double *out)
{
  for (size_t i = 0; i < n; i++) CHECK(fscanf(o->file, "%lf", &out[i]) == 1);
}

/* The terms in the order of the model. */
static void read_terms(oracle *o, const gb_model *m)
{
  for (; o->n_terms < (size_t)m->n_terms; o->n_terms++) {
    char name[64];
    CHECK(fscanf(o->file, " term %63s %lf", name, &o->weight[o->n_terms]) == 2);
    assert_string_equal(name, m->term[o->n_terms]);
    o->term[o->n_terms] = gb_alloc(o->rows, sizeof(double));
    CHECK(o->term[o->n_terms]);
    read_numbers(o, o->rows, o->term[o->n_terms]);
  }
}

static double draw(uint64_t index, uint32_t word)
{
  uint32_t w[4];
  gb_rng_block(gb_rng_key(SEED, GB_RNG_TEST, index, 0), word / 4, w);
  return 2 * gb_rng_unit(w[word % 4]) - 1;
}

static const gb_param_info *find(const gb_params *p, const char *name)
{
  for (int i = 0; i < gb_params_n(p); i++)
    if (!strcmp(gb_params_info(p, i)->name, name)) return gb_params_info(p, i);
  fail_msg("the model has no weights `%s`", name);
  return NULL;
}

/* Draw all weights; their gradients by the other implementation go to expected[], a block as that of the weights. */
static void read_tensors(oracle *o, gb_params *p, double *expected)
{
  char name[64];
  int ndim;
  for (; fscanf(o->file, " tensor %63s %d", name, &ndim) == 2; o->n_tensors++) {
    const gb_param_info *info = find(p, name);
    double centre, reach;
    CHECK(ndim == info->ndim);
    for (int i = 0; i < ndim; i++) {
      size_t n;
      CHECK(fscanf(o->file, "%zu", &n) == 1 && n == info->shape[i]);
    }
    CHECK(fscanf(o->file, "%lf %lf", &centre, &reach) == 2);
    for (size_t k = 0; k < info->count; k++)
      gb_params_value(p)[info->first + k] = centre + reach * draw(FIRST_INDEX + o->n_tensors, (uint32_t)k);
    read_numbers(o, info->count, expected + info->first);
  }
  CHECK(feof(o->file));
  CHECK(o->n_tensors == (size_t)gb_params_n(p)); /* names are unique, so every tensor of the model was given */
}

static double largest(size_t n, const double *v)
{
  double most = 0;
  for (size_t i = 0; i < n; i++) most = fmax(most, fabs(v[i]));
  return most;
}

/* Largest difference in units of the largest number, or of `least`, if that is more. */
static double deviation(size_t n, const double *a, const double *b, double least)
{
  double worst = 0;
  for (size_t i = 0; i < n; i++) worst = fmax(worst, isfinite(a[i]) ? fabs(a[i] - b[i]) : INFINITY);
  return worst / fmax(largest(n, b), least);
}

static void compare(oracle *o, gb_vae *v, size_t sites, double allowed)
{
  gb_model m = gb_vae_model(v);
  gb_params *p = gb_vae_params(v);
  size_t n = gb_params_size(p);
  double *expected = gb_alloc(n, sizeof *expected), *got = gb_alloc(n, sizeof *got);
  float *x = gb_alloc(o->rows * sites, sizeof *x);
  const double *term[GB_MOST_TERMS];
  CHECK(expected && got && x);
  read_terms(o, &m);
  read_tensors(o, p, expected);
  for (size_t i = 0; i < o->rows * sites; i++) x[i] = (float)(M_PI * draw(i, 0));
  CHECK_OK(m.forward(m.self, o->rows, o->parts, x, o->pass, term));
  for (size_t k = 0; k < o->n_terms; k++) {
    double d = deviation(o->rows, term[k], o->term[k], 0);
    if (!(d <= allowed)) fail_msg("%s: term %s differs by %.2g of the largest", o->name, m.term[k], d);
  }
  CHECK_OK(m.backward(m.self, o->weight, &(gb_gradient){.block = got, .parts = o->parts}));
  double least = 1e-3 * largest(n, expected); /* a bias before a batch norm has no gradient but rounding */
  for (int i = 0; i < gb_params_n(p); i++) {
    const gb_param_info *info = gb_params_info(p, i);
    double d = deviation(info->count, got + info->first, expected + info->first, least);
    if (!(d <= allowed)) fail_msg("%s: gradient of %s differs by %.2g of the largest", o->name, info->name, d);
  }
  gb_free(&expected);
  gb_free(&got);
  gb_free(&x);
}

static void check_case(const char *name)
{
  const gb_schema *sections[] = {gb_physics_all[0]->schema, &gb_vae_schema, &gb_objective_schema, NULL};
  oracle o;
  gb_config *cfg;
  gb_sim sim;
  gb_vae *v;
  gb_vae_opts model;
  gb_objective_opts objective;
  open_oracle(name, &o);
  CHECK_OK(gb_config_parse(name, o.config, strlen(o.config), 0, NULL, sections, &cfg));
  gb_config_get(cfg, &gb_vae_schema, &model);
  gb_config_get(cfg, &gb_objective_schema, &objective);
  CHECK_OK(gb_sim_create(gb_physics_all[0], cfg, gb_comm_self(), &sim));
  CHECK_OK(gb_vae_create(&model, &objective, &sim, o.rows, o.seed, NULL, &v));
  compare(&o, v, sim.dims.n, strcmp(model.likelihood, "gaussian") ? tolerance_von_mises : tolerance);
  for (size_t k = 0; k < o.n_terms; k++) gb_free(&o.term[k]);
  fclose(o.file);
  gb_vae_destroy(&v);
  gb_sim_destroy(&sim);
  gb_config_destroy(&cfg);
}

#define CASE(name)                                                                                                     \
  static void name(void **state)                                                                                       \
  {                                                                                                                    \
    (void)state;                                                                                                       \
    check_case(#name);                                                                                                 \
  }
CASE(dense)
CASE(dense_angle)
CASE(dense_von_mises)
CASE(conv)
CASE(conv_von_mises)
CASE(deconv)
CASE(residual)
CASE(batchnorm)
CASE(batchnorm_parts)
CASE(batchnorm_learned)
CASE(dropout)
CASE(p4)
CASE(image)

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(dense),
                                     TEST(dense_angle),
                                     TEST(dense_von_mises),
                                     TEST(conv),
                                     TEST(conv_von_mises),
                                     TEST(deconv),
                                     TEST(residual),
                                     TEST(batchnorm),
                                     TEST(batchnorm_parts),
                                     TEST(batchnorm_learned),
                                     TEST(dropout),
                                     TEST(p4),
                                     TEST(image)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
