/* unit/config_case.h - two schemas with a field of every kind, shared by the tests of config and the fuzzer. */
#pragma once
#include <string.h>

#include "config/config.h"

typedef struct case_sim {
  bool verbose;
  int64_t L, seed;
  double J;
  const char *name, *mode, *dir;
  gb_reals T, shifts;
  gb_texts tags;
} case_sim;

typedef struct case_opt {
  double lr, floor;
  int64_t steps, huge;
  const char *method;
  gb_texts layers;
} case_opt;

static const gb_field case_sim_fields[] = {
    GB_WORD(case_sim, verbose, "false", NULL, GB_FREE, "Say more."),
    GB_NUMBER(case_sim, L, "16", 2, 4096, "sites", GB_FIXED, "Side of the lattice; even."),
    GB_NUMBER(case_sim, seed, NULL, 0, 9007199254740992.0, "1", GB_FIXED, "Seed of all random numbers."),
    GB_NUMBER(case_sim, J, "1", -10, 1e3, "energy", GB_FIXED, "Coupling."),
    GB_WORD(case_sim, name, "plain", NULL, GB_FIXED, "Any text."),
    GB_WORD(case_sim, mode, "fast", "fast|slow|very slow", GB_FIXED, "How."),
    GB_WORD(case_sim, dir, "out", NULL, GB_FREE, "Where; not empty."),
    GB_NUMBER(case_sim, T, "{min: 1, max: 2, count: 3}", 0, 100, "energy", GB_FIXED, "Temperatures."),
    GB_NUMBER(case_sim, shifts, "[]", -1, 1, "1", GB_FREE, "A list that may be empty."),
    GB_WORD(case_sim, tags, "[]", NULL, GB_FIXED, "Labels."),
    {0}};

static const gb_field case_opt_fields[] = {
    GB_NUMBER(case_opt, lr, "1e-3", 1e-8, 1, "1", GB_FREE, "Step size."),
    GB_NUMBER(case_opt, floor, "0", -1e308, 1e308, "1", GB_FIXED, "Any number."),
    GB_NUMBER(case_opt, steps, "100", 1, 1e9, "steps", GB_FREE, "How many."),
    GB_NUMBER(case_opt, huge, "0", -0x1p63, 0x1p63, "1", GB_FIXED, "Any integer."),
    GB_WORD(case_opt, method, "adam", "adam|sgd", GB_FIXED, "Which."),
    GB_WORD(case_opt, layers, "[conv, dense]", "conv|dense|pool", GB_FIXED, "What."),
    {0}};

/* A rule of each sort: on a number, on a free text (a stored config lacks it), and one without a key. */
static gb_err case_sim_check(const void *opts)
{
  const case_sim *o = opts;
  GB_CHECK(o->L % 2 == 0, GB_ERR_CONFIG, "sim.L = %lld is odd. Use %lld.", (long long)o->L, (long long)o->L + 1);
  GB_CHECK(*o->dir, GB_ERR_CONFIG, "sim.dir is empty");
  GB_CHECK(o->T.n < 1000 || o->tags.n == 0, GB_ERR_CONFIG, "too much");
  return GB_OK;
}

static const gb_schema case_sim_schema = {"sim", "A simulation.", sizeof(case_sim), case_sim_fields, case_sim_check};
static const gb_schema case_opt_schema = {"opt", "An optimiser.", sizeof(case_opt), case_opt_fields, NULL};
static const gb_schema *const case_schemas[] = {&case_sim_schema, &case_opt_schema, NULL};
