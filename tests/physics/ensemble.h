/* tests/physics/ensemble.h - run the chains of a physics inside a test, on one rank, and compare what they give. */
#pragma once
#include <stdlib.h>

#include "check.h"
#include "registry.h"
#include "sim/chains.h"
#include "sim/series.h"

enum { LAB_MOST = 32 }; /* observables, moments or summary quantities of a physics */

typedef struct lab {
  gb_comm c;
  gb_config *cfg;
  gb_sim sim;
  gb_chains_opts opts;
  const gb_ensemble *en;
  const gb_schema *schemas[3]; /* the config keeps a pointer to them */
} lab;

static inline const gb_physics *lab_physics(const char *name)
{
  const gb_physics *kind = NULL;
  CHECK_OK(gb_sim_find(gb_physics_all, name, &kind));
  return kind;
}

/* An instance of a physics from YAML text with its section and "generate". */
static inline void lab_open(lab *l, const char *name, const char *yaml)
{
  const gb_physics *kind = lab_physics(name);
  *l = (lab){.en = kind->ensemble, .schemas = {kind->schema, &gb_chains_schema}};
  CHECK_OK(gb_comm_open(MPI_COMM_SELF, &l->c));
  CHECK_OK(gb_config_parse("test", yaml, strlen(yaml), 0, NULL, l->schemas, &l->cfg));
  gb_config_get(l->cfg, &gb_chains_schema, &l->opts);
  CHECK_OK(gb_sim_create(kind, l->cfg, gb_comm_self(), &l->sim));
  CHECK(l->en->n_obs <= LAB_MOST && l->en->n_moment <= LAB_MOST && l->en->n_summary <= LAB_MOST);
}

static inline void lab_close(lab *l)
{
  gb_sim_destroy(&l->sim);
  gb_config_destroy(&l->cfg);
  gb_comm_close(&l->c);
}

/* Chains whose strides are known. */
static inline void lab_equilibrate(const lab *l, uint64_t seed, gb_chains *ch)
{
  CHECK_OK(gb_chains_create(l->c, gb_comm_self(), &l->sim, &l->opts, seed, ch));
  while (!gb_chains_ready(ch)) CHECK_OK(gb_chains_advance(ch, 1 << 30));
}

/* Observables [chains, samples, n_obs] of fresh samples of temperature t, by all its chains. */
static inline void lab_draw(gb_chains *ch, size_t t, double *observed)
{
  enum { ROUND = 64 };
  const gb_ensemble *en = ch->sim->kind->ensemble;
  size_t n_obs = (size_t)en->n_obs, n = (size_t)ch->opts.samples;
  float *x;
  double *round;
  CHECK_OK(gb_new(&x, GB_MOST_WALKERS * ROUND * ch->sim->dims.n));
  CHECK_OK(gb_new(&round, GB_MOST_WALKERS * ROUND * n_obs));
  for (size_t g = 0; g < ch->data_groups; g++)
    for (size_t first = 0; first < n && ch->group[g].t == t; first += ROUND) {
      size_t count = n - first < ROUND ? n - first : ROUND;
      gb_chains_draw(ch, g, first, count, x, round);
      for (size_t k = 0; k < ch->group[g].w.n; k++) {
        size_t c = ch->unit[ch->group[g].first + k] - t * (size_t)ch->opts.chains;
        for (size_t i = 0; i < count; i++)
          for (size_t q = 0; q < n_obs; q++)
            observed[(c * n + first + i) * n_obs + q] = round[(k * n_obs + q) * count + i];
      }
    }
  gb_free(&x);
  gb_free(&round);
}

typedef struct lab_at {
  const lab *l;
  double T;
} lab_at;

static inline void lab_function(const void *ctx, const double *moment, double *out)
{
  const lab_at *a = ctx;
  a->l->en->summarize(a->l->sim.self, a->T, moment, out);
}

typedef struct lab_result {
  double T, value[LAB_MOST], error[LAB_MOST];
} lab_result;

/* Summary quantities from observables [n_chains, n, n_obs], as the program computes them. */
static inline lab_result lab_summarize(const lab *l, double T, size_t n_chains, size_t n, const double *observed)
{
  size_t n_obs = (size_t)l->en->n_obs, n_moment = (size_t)l->en->n_moment;
  lab_at at = {l, T};
  lab_result r = {.T = T};
  double *moment;
  CHECK_OK(gb_new(&moment, n_chains * n * n_moment));
  for (size_t i = 0; i < n_chains * n; i++) l->en->moments(l->sim.self, observed + i * n_obs, moment + i * n_moment);
  gb_function f = {lab_function, &at, n_moment, (size_t)l->en->n_summary};
  CHECK_OK(gb_series_jackknife(n_chains, n, moment, f, r.value, r.error));
  gb_free(&moment);
  return r;
}

/* Draw opts.samples samples of temperature t and summarise them. */
static inline lab_result lab_sample(const lab *l, gb_chains *ch, size_t t)
{
  size_t chains = (size_t)ch->opts.chains, n = (size_t)ch->opts.samples;
  double *observed;
  CHECK_OK(gb_new(&observed, chains * n * (size_t)l->en->n_obs));
  lab_draw(ch, t, observed);
  lab_result r = lab_summarize(l, l->sim.dims.temperature.v[t], chains, n, observed);
  gb_free(&observed);
  return r;
}

static inline size_t lab_index(int n, const gb_var *v, const char *name)
{
  for (int i = 0; i < n; i++)
    if (!strcmp(v[i].name, name)) return (size_t)i;
  fail_msg("no quantity is called %s", name);
  return 0;
}

/* Is the quantity `name` of r within 4 combined standard errors (plus what the theory neglects) of `exact`? */
static inline bool lab_agrees(const lab *l, const lab_result *r, const char *name, double exact, double exact_error,
                              double neglected)
{
  size_t q = lab_index(l->en->n_summary, l->en->summary, name);
  double sigma = sqrt(r->error[q] * r->error[q] + exact_error * exact_error);
  if (fabs(r->value[q] - exact) <= 4 * sigma + neglected) return true;
  print_error("%zu sites, T = %g, %s: %.8g +- %.2g, expected %.8g +- %.2g: %.1f standard errors\n", l->sim.dims.n, r->T,
              name, r->value[q], r->error[q], exact, exact_error, (r->value[q] - exact) / sigma);
  return false;
}

/* Is the relative statistical error of `name` below `limit`? A comparison with huge errors proves nothing. */
static inline bool lab_precise(const lab *l, const lab_result *r, const char *name, double limit)
{
  size_t q = lab_index(l->en->n_summary, l->en->summary, name);
  if (r->error[q] < limit * fabs(r->value[q])) return true;
  print_error("%zu sites, T = %g: the error %.2g of %s = %.6g is above %.0e of it\n", l->sim.dims.n, r->T, r->error[q],
              name, r->value[q], limit);
  return false;
}
