/* tests/physics/test_registry.c - what every physics in physics/list.h must hold, whatever it is: a new line in the
 * list is tested without a new test. */
#include <ctype.h>

#include "base/rng.h"
#include "ensemble.h"
#include "learn/experiment.h"
#include "report/report.h"
#include "rows.h"
#include "sim/petsc.h"

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

/* Parameters of a known part are the first of the truth, by name; they have a box. */
static void check_known_part(const gb_sim *sim)
{
  const gb_physics *p = sim->kind;
  const gb_dims *d = &sim->dims;
  int n = p->dynamics ? p->dynamics->n_parameter : p->image ? p->image->n_parameter : 0;
  const gb_var *v = p->dynamics ? p->dynamics->parameter : p->image ? p->image->parameter : NULL;
  CHECK(!(p->dynamics && p->image) && n <= GB_MOST_PARAMETERS && d->n_parameter <= (size_t)n);
  if (n) {
    check_vars("parameter", n, v);
    CHECK(d->n_parameter > 0 && p->simulator && p->simulator->n_truth >= n);
  }
  for (int k = 0; k < n; k++) assert_string_equal(p->simulator->truth[k].name, v[k].name);
  for (size_t k = 0; k < d->n_parameter; k++) CHECK(d->low[k] < d->high[k]);
  if (p->image) CHECK(p->image->draw && p->image->draw_vjp && p->image->channels > 0 && d->ndim == 3);
  if (!p->dynamics) return;
  CHECK(p->dynamics->start && p->dynamics->rate && p->dynamics->rate_vjp);
  CHECK(!p->dynamics->kinematics == !p->dynamics->kinematics_vjp);
  CHECK(d->ndim == 2 && d->shape[0] == d->frames && d->shape[1] == d->seen && d->frame_time > 0);
  CHECK(d->n_state >= d->seen && d->driven < d->n_state);
}

/* The names that an instance has of its own. */
static void check_own_truth(const gb_sim *sim)
{
  int n;
  const gb_var *v = gb_sim_truth(sim, &n);
  CHECK(v == sim->dims.truth && n == sim->dims.n_truth && (size_t)n >= sim->dims.n_parameter);
  check_sentence(v[0].name, v[0].doc);
  for (int i = 0; i < n; i++)
    for (int k = 0; k < i; k++) CHECK(strcmp(v[k].name, v[i].name));
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
    CHECK(d->ndim >= 1 && d->ndim <= GB_SAMPLE_NDIM && d->unit && *d->unit);
    for (int k = 0; k < d->ndim; k++) {
      n *= d->shape[k];
      CHECK(d->axis[k] && *d->axis[k]);
    }
    CHECK(n == d->n && n > 0 && d->n_mine == n);
    for (int k = 0; k < d->ndim; k++) CHECK(d->first[k] == 0 && d->count[k] == d->shape[k]);
    CHECK(en || p->simulator);
    check_known_part(&x.sim);
    if (d->truth) check_own_truth(&x.sim);
    if (p->simulator) {
      CHECK(p->simulator->simulate);
      check_vars("truth", p->simulator->n_truth, p->simulator->truth);
    }
    if (en) {
      CHECK(d->n_field > 0 && d->walker_bytes > 0 && d->n_mix >= 1);
      CHECK(d->walkers >= 1 && d->walkers <= GB_MOST_WALKERS);
      check_vars("observable", en->n_obs, en->obs);
      check_vars("tracked quantity", en->n_track + en->n_sector, en->track);
      CHECK(en->n_track > 0 && en->n_sector >= 0);
      if (d->n_mix > 1) {
        CHECK(d->mix);
        check_vars("setting of a mix", en->n_setting, en->setting);
      }
      check_vars("result", en->n_summary, en->summary);
      CHECK(en->n_moment > 0 && en->n_moment <= LAB_MOST);
      CHECK(en->start && en->step && en->measure && en->sample && en->pack && en->unpack && en->observe &&
            en->moments && en->summarize && en->energy && en->energy_vjp);
      assert_string_equal(en->obs[0].name, "energy"); /* the report and the energy term count on it */
      CHECK(d->temperature.n > 0);
    }
    close_instance(&x);
    x.sim.kind = NULL;
    gb_sim_destroy(&x.sim); /* nothing there: no matter */
  }
}

static void check_finite(const char *what, size_t n, const double *v)
{
  for (size_t i = 0; i < n; i++)
    if (!isfinite(v[i])) fail_msg("%s %zu is %g", what, i, v[i]);
}

/* Chains that walk together, what they left behind, and their description. */
typedef struct walk {
  const gb_sim *sim;
  gb_walkers w;
  char *state;
  float *x[GB_MOST_WALKERS]; /* [SAMPLES, n] */
  double obs[GB_MOST_WALKERS][LAB_MOST], track[GB_MOST_WALKERS * LAB_MOST], cost[GB_MOST_WALKERS];
  float *field[GB_MOST_WALKERS]; /* [n_field, n] */
  double *tuned[GB_MOST_WALKERS];
} walk;

static void describe(walk *k)
{
  k->sim->kind->ensemble->unpack(k->sim->self, &k->w, k->state, k->field, k->tuned);
}

/* Samples of numbers first ... and what is measured. */
static void take(walk *k, uint64_t number, size_t at)
{
  const gb_ensemble *en = k->sim->kind->ensemble;
  float *x[GB_MOST_WALKERS];
  double *obs[GB_MOST_WALKERS];
  for (size_t i = 0; i < k->w.n; i++) {
    x[i] = k->x[i] + at * k->sim->dims.n;
    obs[i] = k->obs[i];
  }
  en->sample(k->sim->self, &k->w, number, k->state, x, obs);
  en->measure(k->sim->self, &k->w, k->state, k->track);
}

/* Start and run chains, and take samples on the way; tune in the first half, go through all mixes in the second. */
static void run_walk(walk *k, const gb_sim *sim, double T, uint64_t seed, size_t n, const uint64_t *chain, bool hot)
{
  const gb_ensemble *en = sim->kind->ensemble;
  *k = (walk){.sim = sim, .w = {.T = T, .seed = seed, .n = n}};
  CHECK_OK(gb_new(&k->state, sim->dims.walker_bytes));
  for (size_t i = 0; i < n; i++) {
    k->w.chain[i] = chain[i];
    CHECK_OK(gb_new(&k->x[i], SAMPLES * sim->dims.n));
    CHECK_OK(gb_new(&k->field[i], sim->dims.n_field * sim->dims.n));
    CHECK_OK(gb_new(&k->tuned[i], sim->dims.n_tuned));
  }
  en->start(sim->self, &k->w, hot, k->state);
  for (uint64_t s = 0; s < STEPS; s++) {
    double before[GB_MOST_WALKERS];
    bool tune = s < STEPS / 2;
    memcpy(before, k->cost, sizeof before);
    en->step(sim->self, &k->w, tune ? sim->dims.n_mix - 1 : s % sim->dims.n_mix, s, tune, k->state, k->cost);
    for (size_t i = 0; i < n; i++) CHECK(k->cost[i] > before[i]); /* nothing is free */
    if (s >= STEPS - SAMPLES) take(k, s - (STEPS - SAMPLES), s - (STEPS - SAMPLES));
  }
  describe(k);
  for (size_t i = 0; i < n; i++) check_finite("cost", 1, &k->cost[i]);
}

static void end_walk(walk *k)
{
  gb_free(&k->state);
  for (size_t i = 0; i < k->w.n; i++) {
    gb_free(&k->x[i]);
    gb_free(&k->field[i]);
    gb_free(&k->tuned[i]);
  }
}

/* Walker i of a and walker j of b: the same chain, or not? All there is of it, bit by bit. */
static bool same_field(const walk *a, size_t i, const walk *b, size_t j)
{
  const gb_dims *d = &a->sim->dims;
  return !memcmp(a->field[i], b->field[j], d->n_field * d->n * sizeof(float)) &&
         !memcmp(a->tuned[i], b->tuned[j], d->n_tuned * sizeof(double));
}

static bool same_samples(const walk *a, size_t i, const walk *b, size_t j)
{
  return !memcmp(a->x[i], b->x[j], SAMPLES * a->sim->dims.n * sizeof(float));
}

static bool same_walker(const walk *a, size_t i, const walk *b, size_t j)
{
  const gb_ensemble *en = a->sim->kind->ensemble;
  size_t n_track = (size_t)(en->n_track + en->n_sector);
  return same_field(a, i, b, j) && same_samples(a, i, b, j) &&
         !memcmp(a->obs[i], b->obs[j], (size_t)en->n_obs * sizeof(double)) &&
         !memcmp(a->track + i * n_track, b->track + j * n_track, n_track * sizeof(double)) && a->cost[i] == b->cost[j];
}

/* The same seed and chain give the same bits, in another instance too and after other work; all else gives others. */
static void check_chains(const gb_physics *kind, double T, bool hot)
{
  instance a, b;
  walk w[5];
  open_instance(&a, kind);
  open_instance(&b, kind);
  size_t n = a.sim.dims.n;
  run_walk(&w[0], &a.sim, T, 7, 1, (const uint64_t[]){3}, hot);
  run_walk(&w[2], &a.sim, T, 8, 1, (const uint64_t[]){3}, hot);
  run_walk(&w[3], &a.sim, T, 7, 1, (const uint64_t[]){4}, hot);
  run_walk(&w[4], &a.sim, T * 1.25, 7, 1, (const uint64_t[]){3}, hot);
  run_walk(&w[1], &b.sim, T, 7, 1, (const uint64_t[]){3}, hot);
  CHECK(same_walker(&w[0], 0, &w[1], 0));
  for (int k = 2; k < 5; k++) CHECK(!same_field(&w[0], 0, &w[k], 0) && !same_samples(&w[0], 0, &w[k], 0));
  for (size_t i = 1; i < SAMPLES; i++) CHECK(memcmp(w[0].x[0], w[0].x[0] + i * n, n * sizeof(float)));
  for (size_t i = 0; i < SAMPLES * n; i++) {
    CHECK(isfinite(w[0].x[0][i]));
    if (!strcmp(a.sim.dims.unit, "rad")) CHECK((double)w[0].x[0][i] > -M_PI && (double)w[0].x[0][i] <= M_PI);
  }
  for (int k = 0; k < 5; k++) end_walk(&w[k]);
  close_instance(&a);
  close_instance(&b);
}

/* A sample and a measurement leave the chain alone, and can be had again; so can its description, from which the chain
 * goes on as if nothing had happened, beside others too. */
static void check_description(const gb_physics *kind, double T)
{
  instance a;
  walk whole, again;
  open_instance(&a, kind);
  const gb_ensemble *en = kind->ensemble;
  size_t n = a.sim.dims.walkers;
  uint64_t chain[GB_MOST_WALKERS] = {0};
  for (size_t i = 0; i < n; i++) chain[i] = 20 + i;
  run_walk(&whole, &a.sim, T, 7, n, chain, false);
  run_walk(&again, &a.sim, T, 9, n, chain, true);
  take(&whole, SAMPLES - 1, 0);
  for (size_t i = 0; i < n; i++)
    CHECK(!memcmp(whole.x[i], whole.x[i] + (SAMPLES - 1) * a.sim.dims.n, a.sim.dims.n * sizeof(float)));
  const float *field[GB_MOST_WALKERS];
  const double *tuned[GB_MOST_WALKERS];
  for (size_t i = 0; i < n; i++) {
    field[i] = whole.field[i];
    tuned[i] = whole.tuned[i];
  }
  again.w.seed = 7;
  en->pack(a.sim.self, &again.w, field, tuned, again.state);
  describe(&again);
  for (size_t i = 0; i < n; i++) CHECK(same_field(&whole, i, &again, i));
  for (uint64_t s = STEPS; s < 2 * STEPS; s++) {
    en->step(a.sim.self, &whole.w, s % a.sim.dims.n_mix, s, s % 2, whole.state, whole.cost);
    en->step(a.sim.self, &again.w, s % a.sim.dims.n_mix, s, s % 2, again.state, again.cost);
  }
  describe(&whole);
  describe(&again);
  for (size_t i = 0; i < n; i++) CHECK(same_field(&whole, i, &again, i));
  end_walk(&whole);
  end_walk(&again);
  close_instance(&a);
}

/* A chain's bits do not depend on who walks beside it, nor in which lane, nor on how many there are. */
static void check_neighbours(const gb_physics *kind, double T, bool hot)
{
  instance a;
  walk one, all, few;
  uint64_t chain[GB_MOST_WALKERS] = {0}, other[GB_MOST_WALKERS] = {0};
  open_instance(&a, kind);
  size_t n = a.sim.dims.walkers, half = (n + 1) / 2;
  for (size_t i = 0; i < n; i++) {
    chain[i] = 100 + 3 * i;
    other[i] = i + 1 == half ? chain[0] : 5000 + i;
  }
  run_walk(&all, &a.sim, T, 7, n, chain, hot);
  run_walk(&few, &a.sim, T, 7, half, other, hot);
  CHECK(same_walker(&all, 0, &few, half - 1));
  for (size_t i = 0; i<n; i += n> 1 ? n - 1 : 1) {
    run_walk(&one, &a.sim, T, 7, 1, chain + i, hot);
    CHECK(same_walker(&one, 0, &all, i));
    end_walk(&one);
  }
  for (size_t i = 1; i < n; i++) CHECK(!same_field(&all, 0, &all, i));
  const gb_ensemble *en = kind->ensemble;
  check_finite("tracked quantity", n * (size_t)(en->n_track + en->n_sector), all.track);
  for (size_t i = 0; i < n; i++) check_finite("observable", (size_t)en->n_obs, all.obs[i]);
  end_walk(&all);
  end_walk(&few);
  close_instance(&a);
}

/* Each mix by itself leaves a finite state, from either start, and has its cost. */
static void check_mixes(const gb_physics *kind, double T)
{
  instance a;
  const gb_ensemble *en = kind->ensemble;
  open_instance(&a, kind);
  size_t n = a.sim.dims.walkers, n_number = a.sim.dims.n_field * a.sim.dims.n;
  uint64_t chain[GB_MOST_WALKERS] = {0};
  for (size_t i = 0; i < n; i++) chain[i] = i;
  for (size_t mix = 0; mix < a.sim.dims.n_mix; mix++)
    for (int hot = 0; hot < 2; hot++) {
      walk k;
      run_walk(&k, &a.sim, T, 11, n, chain, hot);
      en->start(a.sim.self, &k.w, hot, k.state);
      memset(k.cost, 0, sizeof k.cost);
      for (uint64_t s = 0; s < STEPS; s++) en->step(a.sim.self, &k.w, mix, s, false, k.state, k.cost);
      describe(&k);
      for (size_t i = 0; i < n; i++) {
        CHECK(k.cost[i] > 0);
        for (size_t q = 0; q < n_number; q++) CHECK(isfinite(k.field[i][q]));
        check_finite("tuned number", a.sim.dims.n_tuned, k.tuned[i]);
      }
      end_walk(&k);
    }
  close_instance(&a);
}

static void chains_are_functions_of_their_keys(void **state)
{
  (void)state;
  for (size_t i = 0; gb_physics_all[i]; i++) {
    instance x;
    if (!gb_physics_all[i]->ensemble) continue;
    open_instance(&x, gb_physics_all[i]);
    gb_reals T = x.sim.dims.temperature;
    for (int hot = 0; hot < 2; hot++) {
      check_chains(gb_physics_all[i], T.v[0], hot);
      check_chains(gb_physics_all[i], T.v[T.n / 2], hot);
      check_chains(gb_physics_all[i], T.v[T.n - 1], hot);
      check_neighbours(gb_physics_all[i], T.v[T.n / 2], hot);
    }
    check_description(gb_physics_all[i], T.v[T.n / 2]);
    check_mixes(gb_physics_all[i], T.v[0]);
    check_mixes(gb_physics_all[i], T.v[T.n - 1]);
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

/* Each symmetry that is declared, alone: energy and |m| of a moved sample are those of the sample. Turned angles are
 * floats again: 1e-6 of the energy's scale, of which the first is the largest here. */
static void check_symmetries(const gb_sim *sim, const float *x)
{
  const gb_ensemble *en = sim->kind->ensemble;
  size_t h = sim->dims.shape[0], w = sim->dims.shape[1];
  double T = sim->dims.temperature.v[0], before[LAB_MOST], after[LAB_MOST];
  float *y;
  uint32_t *scratch;
  if (!en->symmetries) return;
  CHECK(sim->dims.ndim == 2);
  CHECK_OK(gb_new(&y, sim->dims.n));
  CHECK_OK(gb_new(&scratch, h + w));
  en->observe(sim->self, T, x, before);
  for (unsigned one = 1; one <= GB_LATTICE_ROTATION; one *= 2)
    for (uint64_t k = 0; k < 10 && en->symmetries & one; k++) {
      gb_move m = gb_symmetry_draw(one, 5, k, 0, h, w);
      gb_symmetry_move(&m, h, w, 1, scratch, x, y);
      en->observe(sim->self, T, y, after);
      for (int o = 0; o < 2; o++) CHECK_NEAR(after[o], before[o], 2e-6 * (1 + fabs(before[o])));
    }
  gb_free(&y);
  gb_free(&scratch);
}

static void energies_agree(void **state)
{
  (void)state;
  for (size_t i = 0; gb_physics_all[i]; i++) {
    instance a;
    if (!gb_physics_all[i]->ensemble) continue;
    open_instance(&a, gb_physics_all[i]);
    gb_reals T = a.sim.dims.temperature;
    for (size_t t = 0; t < T.n; t += 1 + T.n / 4) {
      walk k;
      run_walk(&k, &a.sim, T.v[t], 3, 1, (const uint64_t[]){0}, false);
      check_energy(&a.sim, k.x[0]);
      check_symmetries(&a.sim, k.x[0]);
      end_walk(&k);
    }
    check_vjp(&a.sim);
    close_instance(&a);
  }
}

/* A row is a function of seed and row: in another instance too, and after others. Its truth is inside the box, and
 * without noise it is what `exact` says. */
static void check_rows(const gb_physics *kind)
{
  enum { ROWS = 6 };
  static const struct {
    uint64_t seed, row;
  } of[ROWS] = {{3, 0}, {3, 1}, {4, 0}, {3, 1ull << 40}, {3, 0}, {3, 1}};
  const gb_simulator *s = kind->simulator;
  float *x, *y;
  double z[ROWS][LAB_MOST];
  int n_truth;
  instance a, b;
  open_instance(&a, kind);
  open_instance(&b, kind);
  const gb_dims *d = &a.sim.dims;
  gb_sim_truth(&a.sim, &n_truth);
  CHECK_OK(gb_new(&x, ROWS * d->n));
  CHECK_OK(gb_new(&y, 2 * d->n));
  for (size_t k = 0; k < ROWS; k++)
    CHECK_OK(s->simulate(k < 4 ? a.sim.self : b.sim.self, of[k].seed, of[k].row, x + k * d->n, z[k]));
  for (size_t k = 0; k < ROWS; k++) {
    check_finite("truth", (size_t)n_truth, z[k]);
    for (size_t q = 0; q < d->n_parameter; q++) CHECK(z[k][q] >= d->low[q] && z[k][q] <= d->high[q]);
    for (size_t i = 0; i < d->n; i++) CHECK(isfinite(x[k * d->n + i]));
    for (size_t i = 0; i < k; i++) {
      bool same = of[i].seed == of[k].seed && of[i].row == of[k].row;
      CHECK(same == !memcmp(x + i * d->n, x + k * d->n, d->n * sizeof *x));
      CHECK(same == !memcmp(z[i], z[k], (size_t)n_truth * sizeof(double)));
    }
  }
  if (s->exact) { /* of more frames than samples have: what the first are does not change but by rounding */
    CHECK_OK(s->exact(a.sim.self, z[0], d->frames, y));
    CHECK(memcmp(x, y, d->n * sizeof *x));
    double noise = 0;
    for (size_t i = 0; i < d->n; i++) noise += fabs((double)x[i] - (double)y[i]) / (double)d->n;
    CHECK_OK(s->exact(a.sim.self, z[0], 2 * d->frames, y));
    for (size_t i = 0; i < d->n; i++) CHECK_NEAR((double)y[i], (double)x[i], 8 * noise);
  }
  gb_free(&x);
  gb_free(&y);
  close_instance(&a);
  close_instance(&b);
}

/* A row does not depend on the rows beside it, and starts where its observation is. */
static void check_beside(const gb_sim *sim)
{
  enum { ROWS = 9 };
  const gb_dims *d = &sim->dims;
  const gb_dynamics *dy = sim->kind->dynamics;
  size_t n = d->n_state;
  gb_real *x;
  double *u, *du, *one, *theta;
  CHECK_OK(gb_new(&x, ROWS * d->n));
  CHECK_OK(gb_new(&u, 2 * ROWS * n));
  CHECK_OK(gb_new(&one, 2 * n));
  CHECK_OK(gb_new(&theta, (ROWS + 1) * GB_MOST_PARAMETERS));
  du = u + ROWS * n;
  for (size_t i = 0; i < ROWS * d->n; i++) x[i] = (gb_real)sin(1.3 * (double)i);
  for (size_t k = 0; k < d->n_parameter; k++) bed_uniform(k, ROWS, d->low[k], d->high[k], theta + k * ROWS);
  dy->start(sim->self, ROWS, x, u);
  dy->rate(sim->self, ROWS, 0.3, u, theta, du);
  for (size_t r = 0; r < ROWS; r++) {
    double *alone = theta + ROWS * GB_MOST_PARAMETERS;
    for (size_t k = 0; k < d->n_parameter; k++) alone[k] = theta[k * ROWS + r];
    dy->start(sim->self, 1, x + r * d->n, one);
    dy->rate(sim->self, 1, 0.3, one, alone, one + n);
    for (size_t i = 0; i < n; i++) CHECK(one[i] == u[i * ROWS + r] && one[n + i] == du[i * ROWS + r]);
    for (size_t i = 0; i < d->seen; i++) CHECK(one[i] == (double)x[r * d->n + i]);
  }
  gb_free(&x);
  gb_free(&u);
  gb_free(&one);
  gb_free(&theta);
}

static void rows_are_functions_of_their_keys(void **state)
{
  (void)state;
  for (size_t i = 0; gb_physics_all[i]; i++)
    if (gb_physics_all[i]->simulator) check_rows(gb_physics_all[i]);
}

static void known_parts_have_their_derivatives(void **state)
{
  (void)state;
  for (size_t i = 0; gb_physics_all[i]; i++) {
    instance a;
    open_instance(&a, gb_physics_all[i]);
    if (gb_physics_all[i]->dynamics) check_beside(&a.sim);
    if (gb_physics_all[i]->dynamics) bed_check_dynamics(&a.sim);
    if (gb_physics_all[i]->image) bed_check_image(&a.sim);
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

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {TEST(schemas_hold),
                                     TEST(descriptions_hold),
                                     TEST(chains_are_functions_of_their_keys),
                                     TEST(energies_agree),
                                     TEST(rows_are_functions_of_their_keys),
                                     TEST(known_parts_have_their_derivatives),
                                     TEST(unknown_names)};
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  gb_petsc_end();
  MPI_Finalize();
  return failed;
}
