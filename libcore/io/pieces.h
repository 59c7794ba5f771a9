/* io/pieces.h - a block cut into pieces that one call of the I/O libraries can take. For h5.c and its tests. */
#pragma once
#include "io/h5.h"

/* No call moves more bytes than this: counts below MPI-IO are int, and the buffers of collective writing grow with
 * them. A constant, but for tests. */
extern size_t gb_pieces_limit;

/** Number of pieces of a block, at least 1; pieces follow each other in the memory of the block.
 *  Local.
 *  @param[in] size   bytes of an element
 *  @param[in] limit  bytes of a piece; an element is not cut */
size_t gb_pieces_count(int ndim, const gb_h5_block *block, size_t size, size_t limit);

/** Piece i of them: whole rows of the first axis if one fits, else of the next one.
 *  Local. */
gb_h5_block gb_pieces_get(int ndim, const gb_h5_block *block, size_t size, size_t limit, size_t i);

/** Elements of a block.
 *  Local. */
size_t gb_pieces_elements(int ndim, const gb_h5_block *block);
