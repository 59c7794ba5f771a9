/* tests/physics/test_registry.c - what every physics in physics/list.h must hold, whatever it is: a new line in the
 * list is tested without a new test. */
#include <ctype.h>

#include "base/rng.h"
#include "ensemble.h"
#include "learn/experiment.h"
#include "report/report.h"

enum { STEPS = 12, SAMPLES = 5 };

/* Sentences or a formula, with a full stop; not a placeholder. */
static void check_sentence(const char *what, const char *s)
{
  if (!s || strlen(s) < 4 || s[strlen(s) - 1] != '.') fail_msg("%s: \"%s\" is no sentence", what, s ? s : "(none)");
}

/* Every field: a name, a unit, a sentence, a range that is one. */
static void check_fields(const gb_schema *s)
{
  char what[160];
  CHECK(s->section && *s->section && s->size > 0);
  check_sentence(s->section, s->doc);
  CHECK(s->fields->name); /* at least one */
  for (const gb_field *f = s->fields; f->name; f++) {
    snprintf(what, sizeof what, "%s.%s", s->section, f->name);
    if (!f->unit || !*f->unit) fail_msg("%s has no unit", what);
    check_sentence(what, f->doc);
    CHECK(f->offset < s->size);
    bool number = f->kind == GB_INT || f->kind == GB_REAL || f->kind == GB_REALS;
    if (number && !(f->lo < f->hi)) fail_msg("%s: %g ... %g is no range", what, f->lo, f->hi);
    for (const gb_field *g = s->fields; g < f; g++) CHECK(strcmp(g->name, f->name));
  }
}

/* Parse `section: {keys, field: value}`, with the keys that have no default. */
static gb_err parse(const gb_schema *s, const gb_field *field, const char *value, gb_config **cfg)
{
  static const gb_schema *sections[2];
  gb_text t = {0};
  sections[0] = s;
  gb_text_add(&t, "%s: {", s->section);
  for (const gb_field *f = s->fields; f->name; f++)
    if (!f->fallback && f != field) gb_text_add(&t, "%s: %s, ", f->name, f->kind == GB_TEXT ? "somewhere" : "1");
  if (field) gb_text_add(&t, "%s: %s", field->name, value);
  gb_text_add(&t, "}\n");
  gb_err e = gb_config_parse("test", t.s, t.n, 0, NULL, sections, cfg);
  gb_text_free(&t);
  return e;
}

static void check_inside(const gb_schema *s, const gb_field *f, double v)
{
  if (!(v >= f->lo && v <= f->hi)) fail_msg("the default of %s.%s, %g, is out of its range", s->section, f->name, v);
}

static void check_defaults(const gb_schema *s)
{
  gb_config *cfg;
  char *opts = gb_alloc(1, s->size);
  CHECK_OK(parse(s, NULL, NULL, &cfg));
  gb_config_get(cfg, s, opts);
  for (const gb_field *f = s->fields; f->name; f++) {
    const void *v = opts + f->offset;
    if (f->kind == GB_INT) check_inside(s, f, (double)*(const int64_t *)v);
    if (f->kind == GB_REAL) check_inside(s, f, *(const double *)v);
    for (size_t i = 0; f->kind == GB_REALS && i < ((const gb_reals *)v)->n; i++)
      check_inside(s, f, ((const gb_reals *)v)->v[i]);
  }
  gb_config_destroy(&cfg);
  gb_free(&opts);
}

/* A value just outside is refused with a message that names the key and the value. */
static void check_refused(const gb_schema *s, const gb_field *f, const char *value)
{
  gb_config *cfg = NULL;
  char name[128];
  gb_err_clear();
  gb_err e = parse(s, f, value, &cfg);
  if (e != GB_ERR_CONFIG) fail_msg("%s.%s = %s is accepted", s->section, f->name, value);
  snprintf(name, sizeof name, "%s.%s", s->section, f->name);
  if (!strstr(gb_err_message(), name)) fail_msg("\"%s\" does not name %s", gb_err_message(), name);
  gb_err_clear();
}

static void check_ranges(const gb_schema *s)
{
  char value[64];
  for (const gb_field *f = s->fields; f->name; f++) {
    const char *form = f->kind == GB_REALS ? "[%.17g]" : "%.17g";
    if (f->kind == GB_INT) { /* limits are whole and below 2^53 */
      snprintf(value, sizeof value, "%.0f", f->lo - 1);
      check_refused(s, f, value);
      snprintf(value, sizeof value, "%.0f", f->hi + (f->hi < 0x1p53 ? 1 : 2));
      check_refused(s, f, value);
    } else if (f->kind == GB_REAL || f->kind == GB_REALS) {
      snprintf(value, sizeof value, form, nextafter(f->lo, -INFINITY));
      check_refused(s, f, value);
      snprintf(value, sizeof value, form, nextafter(f->hi, INFINITY));
      check_refused(s, f, value);
      check_refused(s, f, f->kind == GB_REALS ? "[.nan]" : ".nan");
    } else if (f->choices) {
      check_refused(s, f, f->kind == GB_TEXTS ? "[nonsense]" : "nonsense");
    } else if (f->kind == GB_BOOL) {
      check_refused(s, f, "perhaps");
    }
  }
}

/* Physics first, then the sections that all of them share. */
static void schemas_hold(void **state)
{
  (void)state;
  const gb_schema *all[64], *const shared[] = {&gb_run_schema, &gb_chains_schema, &gb_report_schema};
  size_t n = 0;
  for (size_t i = 0; gb_physics_all[i]; i++) all[n++] = gb_physics_all[i]->schema;
  CHECK(n > 0);
  for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) all[n++] = shared[i];
  for (size_t i = 0; gb_experiment_sections[i]; i++) all[n++] = gb_experiment_sections[i];
  for (size_t i = 0; i < n; i++) {
    check_fields(all[i]);
    check_defaults(all[i]);
    check_ranges(all[i]);
    for (size_t k = 0; k < i; k++) CHECK(strcmp(all[k]->section, all[i]->section));
  }
}

/* An instance with its defaults: the size of its samples, the grid of its temperatures. */
typedef struct instance {
  gb_config *cfg;
  gb_sim sim;
} instance;

static void open_instance(instance *x, const gb_physics *kind)
{
  CHECK_OK(parse(kind->schema, NULL, NULL, &x->cfg));
  CHECK_OK(gb_sim_create(kind, x->cfg, gb_comm_self(), &x->sim));
}

static void close_instance(instance *x)
{
  gb_sim_destroy(&x->sim);
  CHECK(!x->sim.kind && !x->sim.self);
  gb_config_destroy(&x->cfg);
}

static void check_vars(const char *what, int n, const gb_var *v)
{
  CHECK(n > 0 && n <= LAB_MOST);
  for (int i = 0; i < n; i++) {
    if (!v[i].name || !*v[i].name || !v[i].unit || !*v[i].unit) fail_msg("%s %d has no name or no unit", what, i);
    for (const char *p = v[i].name; *p; p++)
      CHECK(islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '_');
    check_sentence(v[i].name, v[i].doc);
    for (int k = 0; k < i; k++) CHECK(strcmp(v[k].name, v[i].name));
  }
}

static void descriptions_hold(void **state)
{
  (void)state;
  for (size_t i = 0; gb_physics_all[i]; i++) {
    const gb_physics *p = gb_physics_all[i], *found;
    const gb_ensemble *en = p->ensemble;
    instance x;
    assert_string_equal(p->name, p->schema->section);
    check_sentence(p->name, p->doc);
    CHECK(p->source && strlen(p->source) > 20);
    CHECK_OK(gb_sim_find(gb_physics_all, p->name, &found));
    CHECK(found == p);
    open_instance(&x, p);
    const gb_dims *d = &x.sim.dims;
    size_t n = 1;
    CHECK(d->ndim >= 1 && d->ndim <= GB_SAMPLE_NDIM && d->unit && *d->unit && d->n_state > 0);
    for (int k = 0; k < d->ndim; k++) {
      n *= d->shape[k];
      CHECK(d->axis[k] && *d->axis[k]);
    }
    CHECK(n == d->n && n > 0);
    if (en) {
      check_vars("observable", en->n_obs, en->obs);
      check_vars("tracked quantity", en->n_track, en->track);
      check_vars("result", en->n_summary, en->summary);
      CHECK(en->n_moment > 0 && en->n_moment <= LAB_MOST);
      CHECK(en->start && en->step && en->measure && en->sample && en->observe && en->moments && en->summarize &&
            en->energy && en->energy_vjp);
      assert_string_equal(en->obs[0].name, "energy"); /* the report and the energy term count on it */
      CHECK(d->temperature.n > 0);
    }
    close_instance(&x);
    x.sim.kind = NULL;
    gb_sim_destroy(&x.sim); /* nothing there: no matter */
  }
}

/* Run a chain and take samples on the way; `tune` for the first half. */
static void run_chain(const gb_sim *sim, double T, uint64_t seed, uint64_t chain, double *state, float *x)
{
  const gb_ensemble *en = sim->kind->ensemble;
  en->start(sim->self, T, seed, chain, state);
  for (uint64_t s = 0; s < STEPS; s++) {
    en->step(sim->self, T, seed, chain, s, s < STEPS / 2, state);
    if (s >= STEPS - SAMPLES)
      en->sample(sim->self, seed, chain, s - (STEPS - SAMPLES), state, x + (s - (STEPS - SAMPLES)) * sim->dims.n);
  }
}

static void check_finite(const char *what, size_t n, const double *v)
{
  for (size_t i = 0; i < n; i++)
    if (!isfinite(v[i])) fail_msg("%s %zu is %g", what, i, v[i]);
}

/* The same seed and chain give the same bits, in another instance too and after other work; all else gives others. */
static void check_chains(const gb_physics *kind, double T)
{
  instance a, b;
  const gb_ensemble *en = kind->ensemble;
  open_instance(&a, kind);
  open_instance(&b, kind);
  size_t n = a.sim.dims.n, n_state = a.sim.dims.n_state;
  double *s[5], track[LAB_MOST];
  float *x[5];
  for (int k = 0; k < 5; k++) {
    CHECK_OK(gb_new(&s[k], n_state));
    CHECK_OK(gb_new(&x[k], SAMPLES * n));
  }
  run_chain(&a.sim, T, 7, 3, s[0], x[0]);
  run_chain(&a.sim, T, 8, 3, s[2], x[2]);
  run_chain(&a.sim, T, 7, 4, s[3], x[3]);
  run_chain(&a.sim, T * 1.25, 7, 3, s[4], x[4]);
  run_chain(&b.sim, T, 7, 3, s[1], x[1]);
  CHECK(!memcmp(s[0], s[1], n_state * sizeof **s) && !memcmp(x[0], x[1], SAMPLES * n * sizeof **x));
  for (int k = 2; k < 5; k++)
    CHECK(memcmp(s[0], s[k], n_state * sizeof **s) && memcmp(x[0], x[k], SAMPLES * n * sizeof **x));
  for (size_t i = 1; i < SAMPLES; i++) CHECK(memcmp(x[0], x[0] + i * n, n * sizeof **x));
  /* a sample and a measurement leave the chain alone, and can be had again */
  memcpy(s[1], s[0], n_state * sizeof **s);
  en->sample(a.sim.self, 7, 3, SAMPLES - 1, s[0], x[1]);
  en->measure(a.sim.self, T, s[0], track);
  CHECK(!memcmp(s[0], s[1], n_state * sizeof **s));
  CHECK(!memcmp(x[1], x[0] + (SAMPLES - 1) * n, n * sizeof **x));
  check_finite("tracked quantity", (size_t)en->n_track, track);
  check_finite("number of a state", n_state, s[0]);
  for (size_t i = 0; i < SAMPLES * n; i++) {
    CHECK(isfinite(x[0][i]));
    if (!strcmp(a.sim.dims.unit, "rad")) CHECK((double)x[0][i] > -M_PI && (double)x[0][i] <= M_PI);
  }
  for (int k = 0; k < 5; k++) {
    gb_free(&s[k]);
    gb_free(&x[k]);
  }
  close_instance(&a);
  close_instance(&b);
}

static void chains_are_functions_of_their_keys(void **state)
{
  (void)state;
  for (size_t i = 0; gb_physics_all[i]; i++) {
    instance x;
    if (!gb_physics_all[i]->ensemble) continue;
    open_instance(&x, gb_physics_all[i]);
    gb_reals T = x.sim.dims.temperature;
    check_chains(gb_physics_all[i], T.v[0]);
    check_chains(gb_physics_all[i], T.v[T.n / 2]);
    check_chains(gb_physics_all[i], T.v[T.n - 1]);
    close_instance(&x);
  }
}

/* energy() of the unit vectors of a sample is its first observable. The vectors are floats: each of the 2 n products of
 * two of them has an error of at most 2^-23, and the energy of aligned vectors is the sum of them all. */
static void check_energy(const gb_sim *sim, const float *x)
{
  const gb_ensemble *en = sim->kind->ensemble;
  size_t n = sim->dims.n;
  double e[2], obs[LAB_MOST], moment[LAB_MOST], summary[LAB_MOST], mean[LAB_MOST] = {0};
  gb_real *v;
  CHECK_OK(gb_new(&v, 4 * n));
  for (size_t s = 0; s < SAMPLES; s++) {
    double T = sim->dims.temperature.v[sim->dims.temperature.n / 2];
    for (size_t i = 0; i < n; i++) {
      v[2 * i] = (gb_real)cos((double)x[s * n + i]);
      v[2 * i + 1] = (gb_real)sin((double)x[s * n + i]);
      v[2 * (n + i)] = 1; /* the second row: aligned */
    }
    en->energy(sim->self, 2, v, e);
    en->observe(sim->self, T, x + s * n, obs);
    check_finite("observable", (size_t)en->n_obs, obs);
    CHECK_NEAR(e[0], obs[0], 4 * 0x1p-23 * fabs(e[1]));
    en->moments(sim->self, obs, moment);
    check_finite("moment", (size_t)en->n_moment, moment);
    for (int k = 0; k < en->n_moment; k++) mean[k] += moment[k] / SAMPLES;
    en->summarize(sim->self, T, mean, summary);
  }
  check_finite("result", (size_t)en->n_summary, summary);
  gb_free(&v);
}

/* Derivative of sum_r ebar_r e_r against fourth-order differences. The field and the step are multiples of 2^-8 below
 * 4, so that sums and products of a few of them are exact in float; the energy comes in double. What is left is the
 * rounding of the vjp: a few additions and one product, each 2^-24, of the largest element: 1e-6 of it. That it is
 * added into sbar shows in its start value, which costs another rounding of 2^-24 of it. */
static void check_vjp(const gb_sim *sim)
{
  enum { ROWS = 2, PROBES = 60 };
  static const gb_real ebar[ROWS] = {1, -2.5f}, start = 0.25f;
  static const double h = 0x1p-6, c[] = {1.0 / 12, -2.0 / 3, 2.0 / 3, -1.0 / 12};
  static const double at[] = {-2, -1, 1, 2};
  const gb_ensemble *en = sim->kind->ensemble;
  size_t width = 2 * sim->dims.n, all = ROWS * width;
  double e[ROWS], largest = 0;
  gb_real *v, *bar;
  CHECK_OK(gb_new(&v, all));
  CHECK_OK(gb_new(&bar, all));
  for (size_t i = 0; i < all; i++) {
    uint32_t w[4];
    gb_rng_block(gb_rng_key(2, GB_RNG_TEST, i, 0), 0, w);
    v[i] = (gb_real)(rint(512 * gb_rng_unit(w[0]) - 256) / 256);
    bar[i] = start;
  }
  en->energy_vjp(sim->self, ROWS, v, ebar, bar);
  for (size_t i = 0; i < all; i++) largest = fmax(largest, fabs((double)(bar[i] - start)));
  CHECK(largest > 0);
  for (size_t k = 0; k < PROBES; k++) {
    size_t i = (k * 7919) % all; /* a prime: all places, both rows */
    gb_real kept = v[i];
    double d = 0;
    for (int q = 0; q < 4; q++) {
      v[i] = (gb_real)((double)kept + at[q] * h);
      en->energy(sim->self, ROWS, v, e);
      for (int r = 0; r < ROWS; r++) d += c[q] * (double)ebar[r] * e[r] / h;
    }
    v[i] = kept;
    CHECK_NEAR((double)bar[i] - (double)start, d, 1e-6 * largest + 0x1p-24 * (double)start);
  }
  gb_free(&v);
  gb_free(&bar);
}

static void energies_agree(void **state)
{
  (void)state;
  for (size_t i = 0; gb_physics_all[i]; i++) {
    instance a;
    double *s;
    float *x;
    if (!gb_physics_all[i]->ensemble) continue;
    open_instance(&a, gb_physics_all[i]);
    CHECK_OK(gb_new(&s, a.sim.dims.n_state));
    CHECK_OK(gb_new(&x, SAMPLES * a.sim.dims.n));
    gb_reals T = a.sim.dims.temperature;
    for (size_t t = 0; t < T.n; t += 1 + T.n / 4) {
      run_chain(&a.sim, T.v[t], 3, 0, s, x);
      check_energy(&a.sim, x);
    }
    check_vjp(&a.sim);
    gb_free(&s);
    gb_free(&x);
    close_instance(&a);
  }
}

static void unknown_names(void **state)
{
  (void)state;
  const gb_physics *found = NULL;
  char near[64];
  snprintf(near, sizeof near, "%sx", gb_physics_all[0]->name);
  CHECK_FAILS(gb_sim_find(gb_physics_all, near, &found), GB_ERR_CONFIG, "Did you mean `");
  CHECK_FAILS(gb_sim_find(gb_physics_all, "nothing like it", &found), GB_ERR_CONFIG, "Known: ");
  CHECK(!found);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(schemas_hold), TEST(descriptions_hold),
                                     TEST(chains_are_functions_of_their_keys), TEST(energies_agree),
                                     TEST(unknown_names)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
