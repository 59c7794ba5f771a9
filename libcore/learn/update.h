/* learn/update.h - what the owner of weights keeps of them: moments and averages; and how they come into a file. */
#pragma once
#include "comm/exchange.h"
#include "learn/checkpoint.h"
#include "learn/optim.h"

typedef struct gb_update gb_update;

/** Moments are 0, the average is what the weights are.
 *  Collective over c.
 *  @param[in] optim, params, x  borrowed; params have the same values on all ranks, which are those of x
 *  @return GB_ERR_MEMORY */
gb_err gb_update_create(gb_comm c, const gb_optim_opts *optim, gb_params *params, gb_exchange *x, gb_update **out);

/** Give the weights back into memory of params.
 *  Local. Before the exchange is destroyed.
 *  @return GB_ERR_MEMORY */
gb_err gb_update_destroy(gb_update **u);

/** Read the whole state: weights, moments, average. Before gb_update_begin().
 *  Collective over c. */
gb_err gb_update_load(gb_update *u, const char *path, gb_state *s);

/** From now on the weights of params are those of the exchange.
 *  Collective over c. */
gb_err gb_update_begin(gb_update *u);

/** New weights everywhere.
 *  Collective over c.
 *  @param[in] rate      the learning rate
 *  @param[in] step      from 0
 *  @param[in] gradient  of gb_exchange_sum(), which ends here
 *  @param[in] norm      of it */
void gb_update_step(gb_update *u, double rate, uint64_t step, const gb_real *gradient, double norm);

/** Put the average in place of the weights, and the weights back the next time; nothing if there is no average.
 *  Collective over c. */
void gb_update_swap(gb_update *u);

/** Write the whole state.
 *  Collective over c.
 *  @param[in] s  its m, v and average are NULL */
gb_err gb_update_save(gb_update *u, const char *path, const char *config, gb_state *s);
