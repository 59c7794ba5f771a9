/* sweep/rungs.h - which trial is trained next, and how far: successive halving that no clock has a say in.
 *
 * ASHA (Li et al., MLSys 2020, arXiv:1810.05934, algorithm 2) promotes a trial as soon as it is among the best 1/eta of
 * those that have reached its rung so far, so what it does depends on who is fast. Here results of a rung are taken in
 * the order in which trials entered it, each as soon as those before it are known; then the rule of ASHA is applied.
 * Who is promoted, and in which order, is a function of the results alone; when a result is late, later ones of the
 * same rung wait for it, but nobody waits for a whole rung. */
#pragma once
#include <stddef.h>

#include "base/err.h"

typedef enum gb_trial_state { GB_TRIAL_OPEN, GB_TRIAL_RUNNING, GB_TRIAL_DONE, GB_TRIAL_FAILED } gb_trial_state;

typedef struct gb_rungs gb_rungs;

/** Trials, none of them begun.
 *  Local.
 *  @param[in] order  [n_trials] in which they enter the first rung; copied */
gb_err gb_rungs_create(size_t n_trials, int rungs, int eta, const size_t *order, gb_rungs **out);
void gb_rungs_destroy(gb_rungs **h);

/** Say how it went for a trial at a rung.
 *  Local.
 *  @param[in] metric  of GB_TRIAL_DONE: less is better; not NaN */
void gb_rungs_set(gb_rungs *h, size_t trial, int rung, gb_trial_state state, double metric);

typedef enum gb_next { GB_NEXT_TRIAL, GB_NEXT_WAIT, GB_NEXT_NONE } gb_next;

/** The next trial to train, of the highest rung first; it is running from now on.
 *  Local.
 *  @return GB_NEXT_WAIT if what is running may call for another one; GB_NEXT_NONE if not */
gb_next gb_rungs_next(gb_rungs *h, size_t *trial, int *rung);

/** How it is with a trial at a rung.
 *  Local. */
gb_trial_state gb_rungs_state(const gb_rungs *h, size_t trial, int rung);

/** The metric of a trial that is done.
 *  Local. */
double gb_rungs_metric(const gb_rungs *h, size_t trial, int rung);

/** Trials that entered a rung, so far.
 *  Local. */
size_t gb_rungs_entered(const gb_rungs *h, int rung);
