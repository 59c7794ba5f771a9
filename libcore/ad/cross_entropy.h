/* ad/cross_entropy.h - the loss of a classifier. */
#pragma once
#include "ad/graph.h"

/** Loss term -ln p(label), p = softmax(score): cross entropy, in nats. A row whose label is negative has none: its term
 *  and its gradient are 0.
 *  Local. Source: C. M. Bishop, Pattern Recognition and Machine Learning (2006), eqs. 4.104 and 4.108.
 *  @param[in] score  of every class
 *  @param[in] label  data node of one number, 0 ... width of score - 1, or negative */
gb_node *gb_cross_entropy(gb_graph *g, gb_node *score, gb_node *label);
