/* ad/graph.h - reverse-mode differentiation over a static graph. An op is a function and its transposed derivative.
 *
 * A graph is built once: nodes are added in the order in which they are computed, then gb_graph_plan() gives all of
 * them memory from one arena. A step fills the data nodes and calls run and backward; nothing is allocated in it.
 * Every node holds up to `rows` independent rows (samples); what mixes rows are only the sums over rows in the
 * gradients of weights. The loss is a weighted sum of terms; a term is a node with one double per row.
 *
 * Derivatives also go forward, along given directions: gb_graph_carry() and gb_graph_push() give the Jacobian of a part
 * of the graph, row by row, without a transposed pass per output.
 *
 * A node may hold several copies of each sample (ad/combine.h, gb_stack()), laid out [row][copy]. To an op they are
 * rows like any other, so one layer serves them all: this is how weights are shared. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "ad/params.h"

enum { GB_NODE_INPUTS = 16 };

typedef struct gb_graph gb_graph;
typedef struct gb_node gb_node;

/* What a run draws: random numbers are functions of (seed, step, number of the row). Shared by reference with the ops.
 */
typedef struct gb_draws {
  uint64_t seed, step, first_row; /* first_row: global number of the first row */
  bool training;                  /* else noise of regularisers is off, and statistics are those that were learned */
} gb_draws;

/* Where a backward pass puts the gradient of the weights. Rows are in `parts` equal pieces; the gradient of a piece is
 * a sum over its rows one after another, and pieces are added in a binary tree. So the bits do not depend on which rows
 * share a pass, if the same pieces are added in the same tree. */
typedef struct gb_gradient {
  gb_real *block;                        /* the weights' block */
  size_t parts;                          /* a power of two that divides the rows */
  bool add;                              /* continue the sum over rows that block holds; only of one piece */
  void (*done)(void *ctx, size_t first); /* NULL, or told after every op that all elements from `first` on are final */
  void *ctx;
} gb_gradient;

typedef struct gb_shape {
  size_t h, w, c;
} gb_shape; /* one row: height, width, channels (last index fastest) */

/** Numbers in a row.
 *  Local. */
static inline size_t gb_shape_width(gb_shape s)
{
  return s.h * s.w * s.c;
}

typedef enum gb_way { GB_FORWARD, GB_VJP, GB_JVP, GB_WAYS } gb_way; /* ways through an op */

typedef struct gb_op {
  const char *name;
  gb_err (*forward)(gb_node *y); /* in[]->v -> y->v, or y->term */
  gb_err (*vjp)(gb_node *y);     /* y->g, ADDED INTO in[]->g where that is not NULL; y->g may be overwritten. Of
                                    weights: see gb_node_sum_rows(). NULL: no gradient passes */
} gb_op;

struct gb_node {
  const gb_op *op; /* NULL: data or weights */
  void *ctx;       /* borrowed by the graph, or owned if it came from gb_graph_context() */
  gb_shape shape;
  size_t width;  /* numbers in a row; of weights: in the tensor */
  size_t copies; /* of each sample, >= 1: that of the inputs, unless the builder sets it before the next node is made */
  size_t rows;   /* rows in use now, copies counted: a multiple of copies */
  size_t parts;  /* pieces of them, and whether the gradient of weights is continued: gb_gradient */
  bool add;
  bool is_param;
  size_t first;              /* of weights: place in the block */
  gb_node *of;               /* NULL, or the node whose v and g these are, and whose `born` counts: gb_graph_view() */
  gb_real *v;                /* [rows, width] value */
  gb_real *g;                /* [rows, width] gradient; NULL if nothing below it has weights */
  double *term;              /* [rows] of a loss term */
  gb_err (*jvp)(gb_node *y); /* set by the builder, of an op whose rows are independent: in[]->t -> y->t. Of inputs
                                without a tangent t is NULL, it is 0 */
  gb_real *t;                /* [rows, directions, width] tangents; NULL if none come here */
  size_t directions;
  bool starts;   /* set by the builder: its vjp asks gb_node_is_born(in[]), and a gradient not born holds nothing, not
                    even 0 */
  bool born;     /* has anything been added into g in this backward pass? */
  gb_real *work; /* scratch that survives from forward to vjp */
  size_t n_work; /* its size per row */
  void *scratch; /* shared by all ops: of use within one call */
  size_t n_scratch; /* its size in bytes */
  int n_in;
  gb_node *in[GB_NODE_INPUTS];
  double flops;            /* of products, of a row in the forward pass; each gradient has as many */
  double seconds[GB_WAYS]; /* spent in forward, vjp and jvp, and rows they had; if gb_graph_measure() */
  uint64_t rows_done[GB_WAYS];
};

/** An empty graph.
 *  Local.
 *  @param[in] p     weights, borrowed; may still be growing
 *  @param[in] rows  most rows of any step */
gb_err gb_graph_create(gb_params *p, size_t rows, gb_graph **out);
void gb_graph_destroy(gb_graph **g);

/* Builders return NULL after a failure and on a NULL input; the graph keeps the failure and gb_graph_plan() returns it,
 * so expressions nest without checks. */

/** A node that the caller fills before each run.
 *  Local. */
gb_node *gb_graph_data(gb_graph *g, gb_shape shape);

/** A weight tensor. Only one op may have it; what shares it are copies (gb_node).
 *  Local. */
gb_node *gb_graph_param(gb_graph *g, gb_param id);

/** The result of an op; it has as many copies as its inputs that are no weights, which must agree.
 *  Local. */
gb_node *gb_graph_apply(gb_graph *g, const gb_op *op, void *ctx, gb_shape shape, int n_in, gb_node *const in[]);

/** The same, of a number of copies that the inputs need not have.
 *  Local. */
gb_node *gb_graph_apply_to_copies(gb_graph *g, const gb_op *op, void *ctx, gb_shape shape, size_t copies, int n_in,
                                  gb_node *const in[]);

/** The same numbers in another shape, of as many numbers: nothing is moved.
 *  Local.
 *  @param[in] op  its name; without a vjp no gradient passes */
gb_node *gb_graph_view(gb_graph *g, const gb_op *op, gb_node *x, gb_shape shape);

/** Has anything been added into x->g in this backward pass?
 *  Local. */
static inline bool gb_node_is_born(const gb_node *x)
{
  return x->of ? x->of->born : x->born;
}

/** From now on, yes.
 *  Local. x->g is not NULL. */
static inline void gb_node_bear(gb_node *x)
{
  *(x->of ? &x->of->born : &x->born) = true;
}

/** A loss term: of inputs with one copy, or an input of another op, which passes its gradient on.
 *  Local. */
gb_node *gb_graph_term(gb_graph *g, const gb_op *op, void *ctx, int n_in, gb_node *const in[]);

/** Zeroed memory for the context of an op, freed with the graph; NULL after a failure.
 *  Local. */
void *gb_graph_context(gb_graph *g, size_t size);

/** A context that owns more than its own memory: destroy(ctx) is called before the graph frees it.
 *  Local. Does nothing after a failure.
 *  @param[in] ctx  from gb_graph_context() */
void gb_graph_owns(gb_graph *g, void *ctx, void (*destroy)(void *ctx));

/** Record a failure of a builder; returns NULL.
 *  Local. */
void *gb_graph_fail(gb_graph *g, gb_err e);

/** The weights, and the most rows of any step.
 *  Local. */
gb_params *gb_graph_params(const gb_graph *g);
size_t gb_graph_rows(const gb_graph *g);

/** Give all nodes memory. The weights must be frozen.
 *  Local.
 *  @return the first failure of a builder, or GB_ERR_MEMORY */
gb_err gb_graph_plan(gb_graph *g);

/** Measure, from now on, how long each op takes; or no longer. All counts begin again.
 *  Local. */
void gb_graph_measure(gb_graph *g, bool on);

/** The nodes, in the order in which they are computed.
 *  Local. Borrowed.
 *  @param[out] n  how many */
gb_node *const *gb_graph_nodes(const gb_graph *g, int *n);

/** Tell of memory that an op takes for itself when it first runs.
 *  Local. */
void gb_graph_will_hold(gb_graph *g, size_t bytes);

/** Bytes of the arena, and of what was told of.
 *  Local. */
size_t gb_graph_bytes(const gb_graph *g);

/** Compute nodes in order, from the first op after `after` (NULL: from the start) up to and including `last` (NULL:
 * all). Local.
 *  @param[in] rows   rows in use from now on; at most the graph's
 *  @param[in] parts  equal pieces of them: statistics over rows are taken over a piece */
gb_err gb_graph_run(gb_graph *g, const gb_node *after, const gb_node *last, size_t rows, size_t parts);

/** Let tangents be carried from a node, one for each of its numbers, to others behind it. Before gb_graph_plan().
 *  Local.
 *  @param[in] rows  most rows of a gb_graph_push(), copies not counted
 *  @return NULL, or the first op on the way that cannot (gb_node.jvp); nothing is carried then */
const gb_node *gb_graph_carry(gb_graph *g, gb_node *from, int n_to, gb_node *const to[], size_t rows);

/** The Jacobian, after a gb_graph_run() of the same rows: tangent k of a row is the derivative by number k of the node
 * where they begin.
 *  Local.
 *  Source: forward mode, A. Griewank and A. Walther, Evaluating Derivatives (2008), section 3.1. */
gb_err gb_graph_push(gb_graph *g);

/** Gradient of sum_k weight[k] * sum over rows of term[k], after gb_graph_run() of all terms.
 *  Local.
 *  @param[in,out] out  its block is overwritten, or continued */
gb_err gb_graph_backward(gb_graph *g, int n_terms, gb_node *const term[], const double weight[],
                         const gb_gradient *out);

/** For a vjp: the gradient of a weight tensor of n elements whose part of row r is a[r, i] or a[r, i] * b[r, i]. Sums
 * over rows, continues and adds pieces as gb_gradient has it; every weight tensor is written once in a backward pass.
 * Local.
 *  @param[in] rows   a multiple of y->rows: several per sample, such as pixels
 *  @param[in] a, b   [rows, n]; b may be NULL */
void gb_node_sum_rows(const gb_node *y, gb_node *param, size_t rows, size_t n, const gb_real *a, const gb_real *b);
