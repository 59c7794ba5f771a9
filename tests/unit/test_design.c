/* tests/unit/test_design.c - grids, random and Sobol designs, seeds, rungs; and the ledger of their trials. */
#include "sweep/design.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "check.h"
#include "io/run.h"
#include "learn/optim.h"
#include "learn/trainer.h"
#include "sweep/ledger.h"
#include "unit/scratch.h"

static const gb_schema *const schemas[] = {&gb_run_schema, &gb_sweep_schema, &gb_train_schema, &gb_optim_schema, NULL};
static const gb_schema *const allowed[] = {&gb_train_schema, &gb_optim_schema, NULL};

/* The design of a section "sweep"; *cfg keeps its texts. */
static gb_err read_design(const char *sweep, gb_config **cfg, gb_design *d)
{
  char text[1000];
  int n = snprintf(text, sizeof text, "run: {dir: x, seed: 40}\nsweep:\n%s", sweep);
  *d = (gb_design){0};
  GB_TRY(gb_config_parse("f.yaml", text, (size_t)n, 0, NULL, schemas, cfg));
  return gb_design_read(*cfg, allowed, d);
}

static void done(gb_config **cfg, gb_design *d)
{
  gb_design_free(d);
  gb_config_destroy(cfg);
}

static void check_value(const gb_design *d, size_t point, size_t axis, const char *expected)
{
  gb_text t = {0};
  gb_design_value(d, point, axis, &t);
  assert_string_equal(t.s, expected);
  gb_text_free(&t);
}

static void grids(void **state)
{
  (void)state;
  gb_config *cfg;
  gb_design d;
  bool seen[12] = {false};
  CHECK_OK(read_design("  axes:\n    - optimizer.learning_rate log 0.01 1 count 3\n    - train.batch integer 4 5\n"
                       "  seeds: 2\n  rungs: 2\n  eta: 2\n",
                       &cfg, &d));
  CHECK(d.n_axes == 2 && d.n_points == 6 && d.n_trials == 12);
  check_value(&d, 0, 0, "0.01");
  check_value(&d, 0, 1, "4");
  check_value(&d, 1, 0, "0.01"); /* the last axis runs fastest, seeds within a point */
  check_value(&d, 1, 1, "5");
  check_value(&d, 5, 0, "1");
  CHECK(gb_design_point(&d, 3) == 1 && gb_design_seed(&d, 3) == 41 && gb_design_seed(&d, 2) == 40);
  size_t in_place = 0;
  for (size_t i = 0; i < 12; i++) { /* halving visits each trial once, not corner by corner */
    size_t trial = gb_design_order(&d, i);
    CHECK(trial < 12 && !seen[trial]);
    seen[trial] = true;
    in_place += trial == i;
  }
  CHECK(in_place < 6);
  done(&cfg, &d);
}

/* Points in [0, 1] of one axis. */
static double number(const gb_design *d, size_t point, size_t axis)
{
  gb_text t = {0};
  gb_design_value(d, point, axis, &t);
  double v = strtod(t.s, NULL);
  gb_text_free(&t);
  return v;
}

/* Both designs fill the axes; Sobol points, shifted or not, one in each interval; more points leave the first ones
 * alone. */
static void points(void **state)
{
  (void)state;
  enum { N = 64 };
  for (int sobol = 0; sobol < 2; sobol++) {
    gb_config *cfg[3];
    gb_design d[3];
    char text[300];
    for (int i = 0; i < 3; i++) {
      snprintf(text, sizeof text,
               "  axes: [optimizer.learning_rate linear 0 1, optimizer.beta1 linear 0 1]\n"
               "  design: %s\n  trials: %d\n  design_seed: %d\n",
               sobol ? "sobol" : "random", i == 1 ? 2 * N : N, i == 2 ? 8 : 7);
      CHECK_OK(read_design(text, &cfg[i], &d[i]));
    }
    double mean[2] = {0}, product = 0, moved = 0;
    bool seen[2][N] = {{false}};
    for (size_t p = 0; p < N; p++) {
      for (size_t k = 0; k < 2; k++) {
        double v = number(&d[0], p, k);
        CHECK(v > 0 && v < 1 && v == number(&d[1], p, k));
        mean[k] += v / N;
        moved = fmax(moved, fabs(v - number(&d[2], p, k)));
        size_t cell = (size_t)(v * N);
        if (sobol) CHECK(!seen[k][cell]);
        seen[k][cell] = true;
      }
      product += (number(&d[0], p, 0) - 0.5) * (number(&d[0], p, 1) - 0.5) / N;
    }
    CHECK(moved > 0.1);                            /* another seed, other points */
    CHECK_NEAR(mean[0], 0.5, sobol ? 0.01 : 0.15); /* 1/sqrt(12 N) = 0.036 */
    CHECK_NEAR(mean[1], 0.5, sobol ? 0.01 : 0.15);
    CHECK_NEAR(product, 0, 0.05); /* 1/(12 sqrt(N)) = 0.01: the axes do not follow each other */
    for (size_t i = 0; i < 3; i++) CHECK(gb_design_order(&d[i], 5) == 5);
    for (int i = 0; i < 3; i++) done(&cfg[i], &d[i]);
  }
}

static void steps_of_rungs(void **state)
{
  (void)state;
  gb_config *cfg;
  gb_design d;
  CHECK_OK(read_design("  axes: [optimizer.learning_rate log 0.01 1 count 64]\n  rungs: 3\n  eta: 4\n", &cfg, &d));
  CHECK(gb_design_steps(&d, 1600, 100, 2) == 1600 && gb_design_steps(&d, 1600, 100, 1) == 400);
  CHECK(gb_design_steps(&d, 1600, 100, 0) == 100);
  CHECK(gb_design_steps(&d, 1601, 100, 0) == 200); /* up to a validation */
  CHECK(gb_design_steps(&d, 50, 100, 0) == 50);
  done(&cfg, &d);
}

static void refusals(void **state)
{
  (void)state;
  static const struct {
    const char *sweep, *message;
  } table[] = {{"  axes: []\n", "sweep.axes is empty"},
               {"  axes: [optimizer.lerning_rate log 1 2 count 2]\n", "Did you mean `optimizer.learning_rate`"},
               {"  axes: [optimizer.lerning_rate log 1 2 count 2]\n", "\"optimizer.lerning_rate log 1 2 count 2\""},
               {"  axes: [run.dir values a b]\n", "run.dir cannot be varied"},
               {"  axes: [sweep.seeds values 1 2]\n", "sweep.seeds cannot be varied"},
               {"  axes: [train.batch values 8 16, train.batch values 4]\n", "train.batch is varied twice"},
               {"  axes: [run.seed values 1 2]\n  seeds: 2\n", "run.seed is varied by"},
               {"  axes: [train.batch values 8 16]\n  trials: 3\n", "a grid has all combinations"},
               {"  axes: [train.batch values 8 16]\n  design: random\n", "needs to know how many points"},
               {"  axes: [train.batch values 8 16]\n  rungs: 2\n", "of 2 trials none would reach the last rung"},
               {"  axes: [train.batch integer 1 9999, train.steps integer 1 9999]\n", "more than 1000000 trials"}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    gb_config *cfg = NULL;
    gb_design d;
    CHECK_FAILS(read_design(table[i].sweep, &cfg, &d), GB_ERR_CONFIG, table[i].message);
    done(&cfg, &d);
  }
}

/* --- the ledger */

static gb_record example(gb_event event, size_t trial)
{
  gb_record r = {.event = event, .trial = trial, .rung = 1, .result = {.steps = 400, .seconds = 1.25}};
  if (event == GB_EVENT_FAILED) {
    r.result.code = GB_ERR_NUMERIC;
    snprintf(r.result.reason, sizeof r.result.reason, "step 12: \"nll\" \\ caf\xc3\xa9");
  } else {
    r.result.step = 390;
    r.result.best_step = 380;
    r.result.metric = 0.1 + (double)trial / 3;
    r.result.n_terms = 2;
    snprintf(r.result.term[0], sizeof r.result.term[0], "nll");
    snprintf(r.result.term[1], sizeof r.result.term[1], "kl");
    r.result.mean[0] = -M_PI * 1e30;
    r.result.mean[1] = 1e-300;
  }
  return r;
}

static void check_same(const gb_record *a, const gb_record *b)
{
  CHECK(a->event == b->event && a->trial == b->trial && a->rung == b->rung);
  CHECK(!memcmp(&a->result, &b->result, sizeof a->result));
}

static void write_ledger(const char *path, const gb_design *d)
{
  remove(path);
  CHECK_OK(gb_ledger_begin(path, "sweep:\n  a: \"b\"\n"));
  for (size_t i = 0; i < 4; i++) {
    gb_record start = {.event = GB_EVENT_START, .trial = i, .rung = 1};
    gb_record r = example(i % 2 ? GB_EVENT_FAILED : GB_EVENT_DONE, i);
    CHECK_OK(gb_ledger_append(path, d, &start));
    CHECK_OK(gb_ledger_append(path, d, &r));
  }
}

/* Numbers come back as the same bits; a file cut anywhere gives the whole lines before the cut, and goes on from there.
 */
static void ledgers_cut_anywhere(void **state)
{
  (void)state;
  gb_config *cfg;
  gb_design d;
  gb_ledger l;
  size_t n = 0;
  scratch_make();
  const char *path = scratch("trials.jsonl");
  CHECK_OK(read_design("  axes: [optimizer.learning_rate log 0.01 1 count 4]\n  seeds: 2\n", &cfg, &d));
  CHECK_OK(gb_ledger_read(path, &l));
  CHECK(l.config == NULL && l.n == 0);
  gb_ledger_free(&l);
  write_ledger(path, &d);
  char *text = scratch_get(path, &n);
  CHECK(strstr(text, "\"settings\":{\"optimizer.learning_rate\":\"0.046415888\",\"run.seed\":40}") != NULL);
  for (size_t cut = 1; cut <= n; cut++) {
    size_t lines = 0, kept = 0;
    for (size_t i = 0; i < cut; i++) lines += text[i] == '\n';
    if (lines > 1) kept = (lines - 1) / 2;
    scratch_put(path, text, cut);
    CHECK_OK(gb_ledger_read(path, &l));
    CHECK((l.config != NULL) == (lines > 0) && l.n == kept);
    for (size_t i = 0; i < l.n; i++) {
      gb_record r = example(i % 2 ? GB_EVENT_FAILED : GB_EVENT_DONE, i);
      check_same(&l.record[i], &r);
    }
    gb_ledger_free(&l);
    if (cut % 97) continue;
    gb_record more = example(GB_EVENT_DONE, 7);
    CHECK_OK(gb_ledger_begin(path, "sweep:\n  a: \"b\"\n"));
    CHECK_OK(gb_ledger_append(path, &d, &more));
    CHECK_OK(gb_ledger_read(path, &l));
    CHECK(l.n == kept + 1);
    assert_string_equal(l.config, "sweep:\n  a: \"b\"\n");
    check_same(&l.record[kept], &more);
    gb_ledger_free(&l);
  }
  free(text);
  scratch_remove();
  done(&cfg, &d);
}

/* A damaged line that is not the last is not passed over in silence. */
static void damaged_lines(void **state)
{
  (void)state;
  gb_config *cfg;
  gb_design d;
  gb_ledger l;
  size_t n = 0;
  scratch_make();
  const char *path = scratch("trials.jsonl");
  CHECK_OK(read_design("  axes: [optimizer.learning_rate log 0.01 1 count 4]\n", &cfg, &d));
  write_ledger(path, &d);
  char *text = scratch_get(path, &n);
  static const char *const spoil[] = {"\"event\":\"done\"", "\"metric\":0.", "\"steps\":400",
                                      "\"reason\":", "{\"time\""};
  for (size_t i = 0; i < sizeof spoil / sizeof *spoil; i++) {
    char *at = strstr(text, spoil[i]);
    CHECK(at != NULL);
    char was = at[1];
    at[1] = '#';
    scratch_put(path, text, n);
    at[1] = was;
    CHECK_FAILS(gb_ledger_read(path, &l), GB_ERR_IO, "this line is damaged");
    gb_ledger_free(&l);
  }
  free(text);
  scratch_remove();
  CHECK_FAILS(gb_ledger_append(path, &d, &(gb_record){.event = GB_EVENT_START}), GB_ERR_IO, "trials.jsonl");
  done(&cfg, &d);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(grids), TEST(points), TEST(steps_of_rungs), TEST(refusals), TEST(ledgers_cut_anywhere), TEST(damaged_lines)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
