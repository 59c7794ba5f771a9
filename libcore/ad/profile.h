/* ad/profile.h - where the time of a graph goes. */
#pragma once
#include "ad/graph.h"
#include "base/text.h"

/** A line per op that was run: its name, microseconds per row forward and backward, its share of all the time,
 * and GFLOP/s where products are counted; and a line of sums. After gb_graph_measure().
 *  Local. */
void gb_profile_print(const gb_graph *g, gb_text *out);
