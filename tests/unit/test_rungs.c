/* tests/unit/test_rungs.c - successive halving: the rule of ASHA, whoever is fast. */
#include "sweep/rungs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "check.h"

enum { MOST = 64, RUNGS = 4 };

/* How good a trial is at a rung, and whether it fails there: drawn. */
static double metric_of(uint64_t seed, size_t trial, int rung)
{
  uint32_t w[4];
  gb_rng_block(gb_rng_key(seed, GB_RNG_TEST, trial, (uint64_t)rung), 0, w);
  if (w[1] % 16 == 0) return INFINITY; /* it fails */
  return (double)(w[0] % 50);          /* there are equal ones */
}

typedef struct outcome {
  size_t n[RUNGS], entrant[RUNGS][MOST];
} outcome;

/* The rule by its definition: after each result in the order of entry, all of the best 1/eta that are not yet promoted.
 */
static outcome by_definition(uint64_t seed, size_t n, int rungs, int eta)
{
  outcome o = {.n = {n}};
  for (size_t i = 0; i < n; i++) o.entrant[0][i] = i;
  for (int r = 0; r + 1 < rungs; r++) {
    bool promoted[MOST] = {false};
    for (size_t m = 1; m <= o.n[r]; m++) {
      size_t sorted[MOST], k = 0;
      memcpy(sorted, o.entrant[r], m * sizeof *sorted);
      for (size_t i = 0; i < m; i++)
        for (size_t j = i + 1; j < m; j++) {
          double a = metric_of(seed, sorted[i], r), b = metric_of(seed, sorted[j], r);
          if (b < a || (b == a && sorted[j] < sorted[i])) {
            size_t kept = sorted[i];
            sorted[i] = sorted[j];
            sorted[j] = kept;
          }
        }
      for (k = 0; k < m / (size_t)eta; k++) {
        if (promoted[sorted[k]] || isinf(metric_of(seed, sorted[k], r))) continue;
        promoted[sorted[k]] = true;
        o.entrant[r + 1][o.n[r + 1]++] = sorted[k];
      }
    }
  }
  return o;
}

static void finish(gb_rungs *h, uint64_t seed, size_t trial, int rung)
{
  double m = metric_of(seed, trial, rung);
  gb_rungs_set(h, trial, rung, isinf(m) ? GB_TRIAL_FAILED : GB_TRIAL_DONE, m);
}

/* So many groups work on it, and which of them ends first is drawn.
 *  @return trials that were trained at each rung */
static outcome by_groups(uint64_t seed, size_t n, int rungs, int eta, int groups)
{
  outcome o;
  size_t order[MOST], trial[8];
  int rung[8], busy = 0;
  uint32_t draw = 0, w[4];
  gb_rungs *h;
  memset(&o, 0, sizeof o);
  for (size_t i = 0; i < n; i++) order[i] = i;
  CHECK_OK(gb_rungs_create(n, rungs, eta, order, &h));
  for (gb_next next = GB_NEXT_TRIAL; next != GB_NEXT_NONE || busy > 0;) {
    next = busy < groups ? gb_rungs_next(h, &trial[busy], &rung[busy]) : GB_NEXT_WAIT;
    if (next == GB_NEXT_TRIAL) {
      CHECK(gb_rungs_state(h, trial[busy], rung[busy]) == GB_TRIAL_RUNNING);
      CHECK(rung[busy] == 0 || gb_rungs_state(h, trial[busy], rung[busy] - 1) == GB_TRIAL_DONE);
      o.entrant[rung[busy]][o.n[rung[busy]]++] = trial[busy];
      busy++;
      continue;
    }
    if (!busy) break;
    gb_rng_block(gb_rng_key(seed + 99, GB_RNG_TEST, (uint64_t)groups, 0), draw++, w);
    int i = (int)(w[0] % (uint32_t)busy);
    finish(h, seed, trial[i], rung[i]);
    trial[i] = trial[--busy];
    rung[i] = rung[busy];
  }
  CHECK(gb_rungs_next(h, trial, rung) == GB_NEXT_NONE); /* nobody waits for nothing */
  for (int r = 0; r < rungs; r++) CHECK(gb_rungs_entered(h, r) == o.n[r]);
  gb_rungs_destroy(&h);
  return o;
}

static int by_number(const void *a, const void *b)
{
  const size_t *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

static void same_trials_whoever_is_fast(void **state)
{
  (void)state;
  static const size_t n[] = {1, 7, 16, 33, MOST};
  for (uint64_t seed = 0; seed < 20; seed++)
    for (int c = 0; c < 5; c++)
      for (int eta = 2; eta < 5; eta++) {
        int rungs = c == 0 ? 1 : 2 + (int)seed % 3;
        outcome a = by_definition(seed, n[c], rungs, eta);
        for (int r = 0; r < rungs; r++) qsort(a.entrant[r], a.n[r], sizeof(size_t), by_number);
        for (int groups = 1; groups <= 8; groups += 1 + (groups > 1) * 2) {
          outcome b = by_groups(seed, n[c], rungs, eta, groups);
          for (int r = 0; r < rungs; r++) {
            qsort(b.entrant[r], b.n[r], sizeof(size_t), by_number);
            CHECK(a.n[r] == b.n[r] && !memcmp(a.entrant[r], b.entrant[r], a.n[r] * sizeof(size_t)));
          }
        }
      }
}

/* What was known before a kill, told in the order of a file, leads to the same. */
static void goes_on_from_results(void **state)
{
  (void)state;
  enum { N = 32, ETA = 2 };
  size_t order[N];
  outcome a = by_definition(5, N, RUNGS, ETA);
  for (size_t i = 0; i < N; i++) order[i] = i;
  for (size_t known = 0; known <= a.n[0]; known += 4) {
    gb_rungs *h;
    size_t trial;
    int rung, entered[RUNGS] = {0};
    CHECK_OK(gb_rungs_create(N, RUNGS, ETA, order, &h));
    for (int r = RUNGS - 1; r >= 0; r--) /* higher rungs before the lower ones they follow from */
      for (size_t i = 0; i < a.n[r] && i < known / (1u << r); i++) finish(h, 5, a.entrant[r][i], r);
    while (gb_rungs_next(h, &trial, &rung) == GB_NEXT_TRIAL) finish(h, 5, trial, rung);
    for (int r = 0; r < RUNGS; r++)
      for (size_t i = 0; i < N; i++) entered[r] += gb_rungs_state(h, i, r) != GB_TRIAL_OPEN;
    for (int r = 0; r < RUNGS; r++) CHECK((size_t)entered[r] == a.n[r] && gb_rungs_entered(h, r) == a.n[r]);
    gb_rungs_destroy(&h);
  }
}

/* Of n trials that all succeed n / eta^r at least reach rung r; the best one of a rung always goes on. */
static void the_best_go_on(void **state)
{
  (void)state;
  enum { N = 64, ETA = 4, LEVELS = 4 };
  size_t order[N], trial;
  int rung;
  gb_rungs *h;
  for (size_t i = 0; i < N; i++) order[i] = (i * 37) % N;
  CHECK_OK(gb_rungs_create(N, LEVELS, ETA, order, &h));
  while (gb_rungs_next(h, &trial, &rung) == GB_NEXT_TRIAL) gb_rungs_set(h, trial, rung, GB_TRIAL_DONE, (double)trial);
  for (int r = 0, least = N; r < LEVELS; r++, least /= ETA) CHECK(gb_rungs_entered(h, r) >= (size_t)least);
  CHECK(gb_rungs_state(h, 0, LEVELS - 1) == GB_TRIAL_DONE);
  CHECK(gb_rungs_entered(h, 1) < N / 2);
  gb_rungs_destroy(&h);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(same_trials_whoever_is_fast), TEST(goes_on_from_results),
                                     TEST(the_best_go_on)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
