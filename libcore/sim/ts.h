/* sim/ts.h - the same by PETSc: TS for the solution, TSAdjoint for its gradient, every method of section `ode`. */
#pragma once
#include "sim/rhs.h"

typedef struct gb_ts gb_ts;

/** Rows that are integrated together, at most.
 *  Local. */
size_t gb_ts_block(const gb_ode_opts *o, size_t pass_rows);

/** The solver of one op.
 *  Local.
 *  @param[in] f  borrowed, made for blocks of gb_ts_block() rows
 *  @param[in] pass_rows  most rows of a pass
 *  @return GB_ERR_MEMORY, GB_ERR_LIB */
gb_err gb_ts_create(gb_rhs *f, size_t pass_rows, gb_ts **out);
void gb_ts_destroy(gb_ts **s);

/** Forward and backward pass of the op y.
 *  Local.
 *  @return GB_ERR_NUMERIC where a state is not finite, or steps became too small or too many, or Newton's method did
 * not converge; GB_ERR_MEMORY; GB_ERR_LIB */
gb_err gb_ts_forward(gb_ts *s, gb_node *y);
gb_err gb_ts_vjp(gb_ts *s, gb_node *y);
