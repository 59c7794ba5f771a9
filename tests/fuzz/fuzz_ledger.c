/* tests/fuzz/fuzz_ledger.c - any bytes as a sweep's trials.jsonl: read, or refused with file and line; never a crash, a
 * hang or a leak. What was read is the same after the ledger was begun again and written on. The first byte of an input
 * says whether the rest is the whole file or follows the first line of a good one. */
#include <stdlib.h>

#include "check.h"
#include "learn/experiment.h"
#include "registry.h"
#include "sim/physics.h"
#include "sweep/past.h"
#include "unit/scratch.h"

static char path[PATH_MAX];
static const gb_schema *all[64];
static gb_config *cfg;
static gb_design design;
static gb_standing standing;
static gb_trials trials;
static gb_text fixed; /* what a good ledger begins with */
static char *first_line;
static size_t first_n;

static void leave(void)
{
  scratch_remove();
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
  static const char text[] = "run: {physics: xy, dir: d, seed: 3}\nxy: {L: 4, T: [0.6, 1]}\n"
                             "train: {steps: 50, validate_every: 10}\n"
                             "sweep: {axes: [objective.beta log 1 100 count 3], rungs: 2, eta: 2}\n";
  size_t n = 0;
  (void)argc, (void)argv;
  scratch_make();
  atexit(leave);
  snprintf(path, sizeof path, "%s", scratch("trials.jsonl"));
  all[n++] = &gb_run_schema;
  for (size_t i = 0; gb_physics_all[i]; i++) all[n++] = gb_physics_all[i]->schema;
  for (size_t i = 0; gb_experiment_sections[i]; i++) all[n++] = gb_experiment_sections[i];
  all[n++] = &gb_sweep_schema;
  const gb_physics *xy;
  CHECK_OK(gb_sim_find(gb_physics_all, "xy", &xy));
  CHECK_OK(gb_config_parse("f", text, strlen(text), 0, NULL, all, &cfg));
  CHECK_OK(gb_past_design(cfg, xy, &design, &standing));
  trials = (gb_trials){.cfg = cfg, .physics = xy, .all = all, .design = &design, .dir = "d"};
  gb_standing s = {.design = &design};
  gb_ledger none;
  CHECK_OK(gb_past_read(&trials, path, &s, &none, &fixed));
  gb_past_free(&s);
  CHECK_OK(gb_ledger_begin(path, fixed.s));
  first_line = scratch_get(path, &first_n);
  return 0;
}

/* Read it into `s`, whose steps of rungs are borrowed.
 * @param[out] n  records */
static gb_err read_it(gb_standing *s, size_t *n)
{
  gb_ledger l;
  *s = (gb_standing){.design = &design, .rung_steps = standing.rung_steps};
  gb_err e = gb_past_read(&trials, path, s, &l, NULL);
  *n = l.n;
  gb_ledger_free(&l);
  return e;
}

static void let_go(gb_standing *s)
{
  s->rung_steps = NULL;
  gb_past_free(s);
}

static void fault(const char *what)
{
  fprintf(stderr, "%s: %s\n", what, gb_err_message());
  abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
  gb_standing once, twice;
  size_t n, then;
  if (size < 1) return 0;
  size_t begin = data[0] % 2 ? first_n : 0;
  char *bytes = malloc(first_n + size);
  memcpy(bytes, first_line, begin);
  memcpy(bytes + begin, data + 1, size - 1);
  scratch_put(path, bytes, begin + size - 1);
  free(bytes);
  int64_t live = gb_mem_live();
  gb_err_clear();
  gb_err e = read_it(&once, &n);
  if (e && e != GB_ERR_IO && e != GB_ERR_CONFIG) fault("an error of another kind");
  if (e && !strstr(gb_err_message(), path)) fault("an error without the name of its file");
  if (!e) {
    gb_record r = {.event = GB_EVENT_DONE, .trial = 1, .result = {.steps = 10, .metric = 0.5}};
    if (gb_ledger_begin(path, fixed.s) || read_it(&twice, &then)) fault("begun again it is another");
    for (size_t i = 0; i < design.n_trials && n == then; i++)
      for (int k = 0; k < design.opts.rungs; k++)
        if (gb_rungs_state(once.rungs, i, k) != gb_rungs_state(twice.rungs, i, k)) fault("another state of a trial");
    let_go(&twice);
    if (n != then) fault("another number of records");
    if (gb_ledger_append(path, &design, &r) || read_it(&twice, &then) || then != n + 1)
      fault("nothing can be appended");
    let_go(&twice);
  }
  let_go(&once);
  gb_err_clear();
  if (gb_mem_live() != live) fault("a leak");
  return 0;
}
