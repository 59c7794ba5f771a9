/* sweep/rungs.c - lists of entrants, sorted lists of results, and a place up to which results have been taken. */
#include "sweep/rungs.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

typedef struct cell {
  gb_trial_state state;
  bool promoted;
  double metric;
} cell;

typedef struct rung {
  size_t n, *entrant;    /* trials in the order in which they came */
  size_t taken, *sorted; /* results taken; their trials, the best first */
  size_t begun;          /* entrants before this place are not open */
  cell *cell;            /* [n_trials] */
} rung;

struct gb_rungs {
  size_t n_trials, n_running;
  int n, eta;
  rung *rung; /* [n] */
};

gb_err gb_rungs_create(size_t n_trials, int rungs, int eta, const size_t *order, gb_rungs **out)
{
  gb_rungs *h = NULL;
  gb_err e = gb_new(&h, 1);
  if (!e) *h = (gb_rungs){.n_trials = n_trials, .n = rungs, .eta = eta};
  if (!e) e = gb_new(&h->rung, (size_t)rungs);
  for (int r = 0; r < rungs && !e; r++) {
    e = gb_new(&h->rung[r].entrant, n_trials);
    if (!e) e = gb_new(&h->rung[r].sorted, n_trials);
    if (!e) e = gb_new(&h->rung[r].cell, n_trials);
  }
  if (!e) {
    memcpy(h->rung[0].entrant, order, n_trials * sizeof *order);
    h->rung[0].n = n_trials;
  }
  *out = h;
  if (e) gb_rungs_destroy(out);
  return e;
}

void gb_rungs_destroy(gb_rungs **rungs)
{
  gb_rungs *h = *rungs;
  if (!h) return;
  for (int r = 0; h->rung && r < h->n; r++) {
    gb_free(&h->rung[r].entrant);
    gb_free(&h->rung[r].sorted);
    gb_free(&h->rung[r].cell);
  }
  gb_free(&h->rung);
  gb_free(rungs);
}

static bool is_final(gb_trial_state s)
{
  return s == GB_TRIAL_DONE || s == GB_TRIAL_FAILED;
}

/* Of equal results the lower number is better. */
static bool is_better(const rung *g, size_t a, size_t b)
{
  double x = g->cell[a].metric, y = g->cell[b].metric;
  return x < y || (x == y && a < b);
}

static void promote(gb_rungs *h, int r, size_t trial)
{
  cell *c = &h->rung[r].cell[trial];
  if (c->promoted || c->state != GB_TRIAL_DONE) return;
  c->promoted = true;
  rung *up = &h->rung[r + 1];
  up->entrant[up->n++] = trial;
}

/* Take the result of the next entrant. Only it, and the last place of the best 1/eta, can be new among them. */
static void take(gb_rungs *h, int r)
{
  rung *g = &h->rung[r];
  size_t trial = g->entrant[g->taken], low = 0, high = g->taken;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (is_better(g, g->sorted[middle], trial))
      low = middle + 1;
    else
      high = middle;
  }
  memmove(g->sorted + low + 1, g->sorted + low, (g->taken - low) * sizeof *g->sorted);
  g->sorted[low] = trial;
  size_t best = ++g->taken / (size_t)h->eta;
  if (low < best) promote(h, r, trial);
  if (best > 0) promote(h, r, g->sorted[best - 1]);
}

void gb_rungs_set(gb_rungs *h, size_t trial, int r, gb_trial_state state, double metric)
{
  cell *c = &h->rung[r].cell[trial];
  GB_ASSERT(trial < h->n_trials && r < h->n && !is_final(c->state) && !isnan(metric));
  h->n_running += (size_t)(state == GB_TRIAL_RUNNING) - (size_t)(c->state == GB_TRIAL_RUNNING);
  c->state = state;
  c->metric = state == GB_TRIAL_DONE ? metric : INFINITY;
  for (int k = 0; k < h->n - 1; k++) {
    rung *g = &h->rung[k];
    while (g->taken < g->n && is_final(g->cell[g->entrant[g->taken]].state)) take(h, k);
  }
}

gb_next gb_rungs_next(gb_rungs *h, size_t *trial, int *r)
{
  for (int k = h->n - 1; k >= 0; k--) {
    rung *g = &h->rung[k];
    while (g->begun < g->n && g->cell[g->entrant[g->begun]].state != GB_TRIAL_OPEN) g->begun++;
    if (g->begun == g->n) continue;
    *trial = g->entrant[g->begun];
    *r = k;
    gb_rungs_set(h, *trial, k, GB_TRIAL_RUNNING, 0);
    return GB_NEXT_TRIAL;
  }
  size_t last = 0; /* running in the last rung, which leads nowhere */
  for (size_t i = 0; i < h->rung[h->n - 1].n; i++)
    last += h->rung[h->n - 1].cell[h->rung[h->n - 1].entrant[i]].state == GB_TRIAL_RUNNING;
  return h->n_running > last ? GB_NEXT_WAIT : GB_NEXT_NONE;
}

gb_trial_state gb_rungs_state(const gb_rungs *h, size_t trial, int r)
{
  return h->rung[r].cell[trial].state;
}

double gb_rungs_metric(const gb_rungs *h, size_t trial, int r)
{
  return h->rung[r].cell[trial].metric;
}

size_t gb_rungs_entered(const gb_rungs *h, int r)
{
  return h->rung[r].n;
}
