/* sim/direct.h - explicit Runge-Kutta steps of equal length, unrolled: every stage is kept, and the gradient is exactly
 * that of the numbers computed. */
#pragma once
#include "sim/rhs.h"

typedef struct gb_direct gb_direct;

/** Is this one of its methods?
 *  Local. */
bool gb_direct_has(const char *method);

/** Rows that are integrated together.
 *  Local. */
size_t gb_direct_block(size_t pass_rows);

/** The solver of one op.
 *  Local.
 *  @param[in] f  borrowed, made for blocks of gb_direct_block() rows
 *  @return GB_ERR_MEMORY */
gb_err gb_direct_create(gb_rhs *f, gb_direct **out);
void gb_direct_destroy(gb_direct **d);

/** Forward and backward pass of the op y.
 *  Local.
 *  @return GB_ERR_NUMERIC where a state is not finite; GB_ERR_MEMORY in the first pass */
gb_err gb_direct_forward(gb_direct *d, gb_node *y);
gb_err gb_direct_vjp(gb_direct *d, gb_node *y);

/** Stages in a frame.
 *  Local. */
size_t gb_direct_stages(const gb_ode_opts *o);
