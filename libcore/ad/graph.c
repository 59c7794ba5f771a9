/* ad/graph.c - the list of nodes, its arena, and the two passes. */
#include "ad/graph.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "linalg/narrow.h"

enum { MOST = 1024, LINE = GB_ALIGN / sizeof(gb_real) };

struct gb_graph {
  gb_params *params;
  size_t rows;
  int n, n_contexts;
  gb_node *node[MOST];
  size_t final_from[MOST]; /* the first weight that no op before a node has */
  void *context[MOST];
  void (*destroy[MOST])(void *ctx); /* of a context, or NULL */
  gb_err failure;
  bool measure;
  const gb_node *carried_from; /* NULL: no tangents */
  size_t carried_rows;
  gb_real *arena, *tangents;
  double *terms;
  char *scratch;
  size_t n_arena, n_tangents, n_terms, n_scratch, elsewhere;
};

gb_err gb_graph_create(gb_params *p, size_t rows, gb_graph **out)
{
  GB_TRY(gb_new(out, 1));
  (*out)->params = p;
  (*out)->rows = rows;
  return GB_OK;
}

void gb_graph_destroy(gb_graph **graph)
{
  gb_graph *g = *graph;
  if (!g) return;
  for (int i = 0; i < g->n; i++) gb_free(&g->node[i]);
  for (int i = 0; i < g->n_contexts; i++) {
    if (g->destroy[i]) g->destroy[i](g->context[i]);
    gb_free(&g->context[i]);
  }
  gb_free(&g->arena);
  gb_free(&g->tangents);
  gb_free(&g->terms);
  gb_free(&g->scratch);
  gb_free(graph);
}

void *gb_graph_fail(gb_graph *g, gb_err e)
{
  if (!g->failure) g->failure = e;
  return NULL;
}

gb_params *gb_graph_params(const gb_graph *g)
{
  return g->params;
}

size_t gb_graph_rows(const gb_graph *g)
{
  return g->rows;
}

void *gb_graph_context(gb_graph *g, size_t size)
{
  if (g->failure) return NULL;
  GB_ASSERT(g->n_contexts < MOST);
  void *p = gb_alloc(1, size);
  if (!p) return gb_graph_fail(g, GB_FAIL(GB_ERR_MEMORY, "no memory for an op"));
  return g->context[g->n_contexts++] = p;
}

void gb_graph_owns(gb_graph *g, void *ctx, void (*destroy)(void *ctx))
{
  for (int i = 0; i < g->n_contexts; i++)
    if (g->context[i] == ctx) g->destroy[i] = destroy;
}

static gb_node *add(gb_graph *g, gb_node node)
{
  gb_node *n;
  if (g->failure) return NULL;
  GB_ASSERT(g->n < MOST && !g->arena);
  gb_err e = gb_new(&n, 1);
  if (e) return gb_graph_fail(g, e);
  *n = node;
  return g->node[g->n++] = n;
}

gb_node *gb_graph_data(gb_graph *g, gb_shape shape)
{
  return add(g, (gb_node){.shape = shape, .width = gb_shape_width(shape), .copies = 1});
}

gb_node *gb_graph_param(gb_graph *g, gb_param id)
{
  const gb_param_info *info = gb_params_info(g->params, id);
  return add(g, (gb_node){.is_param = true, .first = info->first, .width = info->count, .copies = 1});
}

/* Does an op have this tensor already? Its gradient would be written twice. */
static bool is_taken(const gb_graph *g, const gb_node *param)
{
  for (int i = 0; i < g->n; i++)
    for (int k = 0; k < g->node[i]->n_in; k++)
      if (g->node[i]->in[k]->is_param && g->node[i]->in[k]->first == param->first) return true;
  return false;
}

gb_node *gb_graph_apply(gb_graph *g, const gb_op *op, void *ctx, gb_shape shape, int n_in, gb_node *const in[])
{
  gb_node node = {.op = op, .ctx = ctx, .shape = shape, .width = gb_shape_width(shape), .n_in = n_in};
  GB_ASSERT(n_in <= GB_NODE_INPUTS);
  for (int i = 0; i < n_in; i++) {
    if (!in[i]) return NULL;
    node.in[i] = in[i];
    if (in[i]->is_param) {
      GB_ASSERT(!is_taken(g, in[i]));
      continue;
    }
    GB_ASSERT(!node.copies || node.copies == in[i]->copies);
    node.copies = in[i]->copies;
  }
  if (!node.copies) node.copies = 1;
  return add(g, node);
}

gb_node *gb_graph_apply_to_copies(gb_graph *g, const gb_op *op, void *ctx, gb_shape shape, size_t copies, int n_in,
                                  gb_node *const in[])
{
  gb_node node = {.op = op, .ctx = ctx, .shape = shape, .width = gb_shape_width(shape), .n_in = n_in, .copies = copies};
  GB_ASSERT(n_in <= GB_NODE_INPUTS);
  for (int i = 0; i < n_in; i++) {
    if (!in[i]) return NULL;
    GB_ASSERT(!in[i]->is_param);
    node.in[i] = in[i];
  }
  return add(g, node);
}

gb_node *gb_graph_view(gb_graph *g, const gb_op *op, gb_node *x, gb_shape shape)
{
  if (!x) return NULL;
  GB_ASSERT(gb_shape_width(shape) == x->width && !x->is_param);
  gb_node *y = gb_graph_apply(g, op, NULL, shape, 1, &x);
  if (y) y->of = x->of ? x->of : x;
  return y;
}

gb_node *gb_graph_term(gb_graph *g, const gb_op *op, void *ctx, int n_in, gb_node *const in[])
{
  return gb_graph_apply(g, op, ctx, (gb_shape){1, 1, 0}, n_in, in);
}

/* Is any of these among the inputs? */
static bool reads(const gb_node *y, size_t n, gb_node *const x[], const bool marked[])
{
  for (int k = 0; k < y->n_in; k++)
    for (size_t i = 0; i < n; i++)
      if (marked[i] && x[i] == y->in[k]) return true;
  return false;
}

/* Nodes that depend on `from`, and on which one of `to` depends. */
static void find_way(const gb_graph *g, const gb_node *from, int n_to, gb_node *const to[], bool way[MOST])
{
  bool behind[MOST] = {false};
  for (int i = 0; i < g->n; i++) behind[i] = g->node[i] == from || reads(g->node[i], (size_t)i, g->node, behind);
  for (int i = g->n - 1; i >= 0; i--) {
    way[i] = false;
    for (int k = 0; k < n_to; k++) way[i] |= behind[i] && g->node[i] == to[k];
    for (int j = i + 1; j < g->n; j++)
      for (int k = 0; k < g->node[j]->n_in; k++) way[i] |= behind[i] && way[j] && g->node[j]->in[k] == g->node[i];
  }
}

const gb_node *gb_graph_carry(gb_graph *g, gb_node *from, int n_to, gb_node *const to[], size_t rows)
{
  bool way[MOST];
  if (g->failure) return NULL;
  GB_ASSERT(!g->arena && !g->carried_from);
  find_way(g, from, n_to, to, way);
  for (int i = 0; i < g->n; i++)
    if (way[i] && g->node[i] != from && !g->node[i]->jvp) return g->node[i];
  for (int i = 0; i < g->n; i++)
    if (way[i]) g->node[i]->directions = from->width;
  g->carried_from = from;
  g->carried_rows = rows < g->rows ? rows : g->rows;
  return NULL;
}

static size_t padded(size_t n)
{
  return (n + LINE - 1) / LINE * LINE;
}

static bool is_term(const gb_node *n)
{
  return n->op && n->width == 0;
}

/* Does a gradient have to pass through this node to reach weights? */
static bool needs_gradient(const gb_node *n)
{
  bool yes = n->is_param;
  if (n->op && !n->op->vjp) return false;
  for (int i = 0; i < n->n_in; i++) yes |= n->in[i]->g != NULL || n->in[i]->is_param;
  return yes;
}

/* Gradients share memory: that of a node is needed from the first op that adds to it, going backward, to its own. */
typedef struct free_list {
  struct {
    size_t first, count;
  } gap[2 * MOST];
  int n;
  size_t end; /* everything from here on is free */
} free_list;

static size_t take(free_list *l, size_t count)
{
  for (int i = 0; i < l->n; i++) {
    if (l->gap[i].count < count) continue;
    size_t first = l->gap[i].first;
    l->gap[i].first += count;
    l->gap[i].count -= count;
    return first;
  }
  l->end += count;
  return l->end - count;
}

static void give_back(free_list *l, size_t first, size_t count)
{
  for (int i = 0; i < l->n; i++) {
    if (l->gap[i].first + l->gap[i].count == first) {
      l->gap[i].count += count;
      return;
    }
    if (first + count == l->gap[i].first) {
      l->gap[i].first = first;
      l->gap[i].count += count;
      return;
    }
  }
  l->gap[l->n].first = first;
  l->gap[l->n++].count = count;
}

static size_t gradient_size(const gb_graph *g, const gb_node *n)
{
  return padded(g->rows * n->copies * (is_term(n) ? 1 : n->width));
}

/* Places of all gradients, counted from `first` on.
 *  @param[out] place  [g->n]
 *  @return where they end */
static size_t place_gradients(const gb_graph *g, size_t first, size_t place[MOST])
{
  static const size_t nowhere = (size_t)-1;
  free_list l = {.end = first};
  for (int i = 0; i < g->n; i++) place[i] = nowhere;
  for (int i = 0; i < g->n; i++) /* the terms are where it begins: they have theirs from the start */
    if (is_term(g->node[i]) && g->node[i]->g) place[i] = take(&l, gradient_size(g, g->node[i]));
  for (int i = g->n - 1; i >= 0; i--) {
    const gb_node *y = g->node[i];
    if (place[i] == nowhere) continue; /* no term is reached from there */
    for (int k = 0; k < y->n_in; k++) {
      const gb_node *x = y->in[k], *root = x->of ? x->of : x;
      for (int j = 0; j < i; j++)
        if (g->node[j] == root && x->g && !x->is_param && place[j] == nowhere)
          place[j] = take(&l, gradient_size(g, root));
    }
    give_back(&l, place[i], gradient_size(g, y));
  }
  return l.end;
}

/* Two rounds over the same code: the first counts (arena still NULL), the second hands out. */
static void lay_out(gb_graph *g)
{
  size_t used = 0, terms = 0, place[MOST];
  static gb_real mark; /* stands for "has a gradient" while counting */
  for (int i = 0; i < g->n; i++) {
    gb_node *n = g->node[i];
    n->scratch = g->scratch;
    if (n->n_scratch > g->n_scratch) g->n_scratch = n->n_scratch;
    if (n->is_param) continue;
    n->v = n->of ? n->of->v : g->arena ? g->arena + used : NULL;
    if (!n->of) used += padded(g->rows * n->copies * n->width);
    n->work = g->arena && n->n_work ? g->arena + used : NULL;
    used += padded(g->rows * n->copies * n->n_work);
    if (is_term(n)) {
      n->term = g->terms ? g->terms + terms : NULL;
      terms += g->rows * n->copies;
    }
    if (needs_gradient(n)) n->g = &mark;
  }
  used = place_gradients(g, used, place);
  for (int i = 0; i < g->n && g->arena; i++)
    if (g->node[i]->g && !g->node[i]->is_param)
      g->node[i]->g = g->node[i]->of ? g->node[i]->of->g : place[i] < used ? g->arena + place[i] : NULL;
  g->n_arena = used;
  g->n_terms = terms;
}

static void place_tangents(gb_graph *g)
{
  size_t used = 0;
  for (int i = 0; i < g->n; i++) {
    gb_node *n = g->node[i];
    if (!n->directions) continue;
    n->t = g->tangents ? g->tangents + used : NULL;
    used += padded(g->carried_rows * n->copies * n->directions * n->width);
  }
  g->n_tangents = used;
}

/* Numbers of the arena, at most: in double, since absurd layers overflow a size_t. */
static double wanted(const gb_graph *g)
{
  double per_row = 0;
  for (int i = 0; i < g->n; i++) {
    const gb_node *n = g->node[i];
    if (!n->is_param) per_row += (double)(n->directions * n->copies * n->width);
    if (!n->is_param) per_row += (double)n->copies * (2 * (double)(n->width + LINE) + (double)n->n_work);
  }
  return per_row * (double)(g->rows + LINE);
}

static void find_final(gb_graph *g)
{
  size_t first = 0;
  for (int i = 0; i < g->n; i++) {
    g->final_from[i] = first;
    for (int k = 0; k < g->node[i]->n_in; k++) {
      const gb_node *p = g->node[i]->in[k];
      if (p->is_param && p->first + p->width > first) first = p->first + p->width;
    }
  }
}

gb_err gb_graph_plan(gb_graph *g)
{
  if (g->failure) return g->failure;
  GB_CHECK(wanted(g) < 0x1p58, GB_ERR_MEMORY, "a pass over %zu rows needs %.2g numbers: use smaller layers", g->rows,
           wanted(g));
  lay_out(g);
  GB_TRY(gb_new(&g->arena, g->n_arena + GB_NARROW_ROOM));
  GB_TRY(gb_new(&g->terms, g->n_terms));
  GB_TRY(gb_new(&g->scratch, g->n_scratch));
  lay_out(g);
  place_tangents(g);
  if (g->n_tangents) GB_TRY(gb_new(&g->tangents, g->n_tangents + GB_NARROW_ROOM));
  place_tangents(g);
  find_final(g);
  return GB_OK;
}

void gb_graph_will_hold(gb_graph *g, size_t bytes)
{
  g->elsewhere += bytes;
}

size_t gb_graph_bytes(const gb_graph *g)
{
  return (g->n_arena + g->n_tangents) * sizeof(gb_real) + g->n_terms * sizeof(double) + g->n_scratch + g->elsewhere;
}

void gb_graph_measure(gb_graph *g, bool on)
{
  g->measure = on;
  for (int i = 0; i < g->n; i++)
    for (int k = 0; k < GB_WAYS; k++) g->node[i]->seconds[k] = (double)(g->node[i]->rows_done[k] = 0);
}

gb_node *const *gb_graph_nodes(const gb_graph *g, int *n)
{
  *n = g->n;
  return g->node;
}

static gb_err timed(const gb_graph *g, gb_node *n, gb_way way)
{
  double start = g->measure ? gb_clock_now() : 0;
  gb_err e = way == GB_FORWARD ? n->op->forward(n) : way == GB_VJP ? n->op->vjp(n) : n->jvp(n);
  if (!g->measure) return e;
  n->seconds[way] += gb_clock_now() - start;
  n->rows_done[way] += n->rows;
  return e;
}

gb_err gb_graph_run(gb_graph *g, const gb_node *after, const gb_node *last, size_t rows, size_t parts)
{
  bool on = after == NULL;
  GB_ASSERT(rows <= g->rows);
  for (int i = 0; i < g->n; i++) {
    gb_node *n = g->node[i];
    n->rows = rows * n->copies;
    n->parts = parts;
    if (n->is_param) n->v = gb_params_value(g->params) + n->first; /* the block may have moved */
    if (on && n->op) GB_TRY(timed(g, n, GB_FORWARD));
    on |= n == after;
    if (n == last) break;
  }
  return GB_OK;
}

gb_err gb_graph_push(gb_graph *g)
{
  for (int i = 0; i < g->n; i++) {
    gb_node *n = g->node[i];
    if (!n->directions) continue;
    GB_ASSERT(n->rows <= g->carried_rows * n->copies);
    if (n != g->carried_from) {
      GB_TRY(timed(g, n, GB_JVP));
      continue;
    }
    memset(n->t, 0, n->rows * n->width * n->width * sizeof *n->t);
    for (size_t k = 0; k < n->rows * n->width; k++) n->t[k * n->width + k % n->width] = 1;
  }
  return GB_OK;
}

/* Before the vjp of y: its inputs' gradients hold zeros, unless it starts them itself. */
static void bear(const gb_node *y)
{
  for (int k = 0; k < y->n_in && !y->starts; k++) {
    const gb_node *x = y->in[k];
    if (x->g && !gb_node_is_born(x) && !(x->is_param && y->add))
      memset(x->g, 0, (x->is_param ? 1 : x->rows) * x->width * sizeof *x->g);
  }
}

/* No gradient reaches y, so none its weights. */
static void pass_by(const gb_node *y)
{
  for (int k = 0; k < y->n_in; k++)
    if (y->in[k]->is_param && !y->add) memset(y->in[k]->g, 0, y->in[k]->width * sizeof *y->in[k]->g);
}

gb_err gb_graph_backward(gb_graph *g, int n_terms, gb_node *const term[], const double weight[], const gb_gradient *out)
{
  for (int i = 0; i < g->n; i++) {
    gb_node *n = g->node[i];
    n->parts = out->parts;
    n->add = out->add;
    n->born = false;
    if (!n->is_param) continue;
    n->g = out->block + n->first;
    memset(n->g + n->width, 0, (padded(n->width) - n->width) * sizeof *n->g);
  }
  for (int k = 0; k < n_terms; k++) {
    for (size_t r = 0; term[k]->g && r < term[k]->rows; r++) term[k]->g[r] = (gb_real)weight[k];
    term[k]->born = term[k]->g != NULL;
  }
  for (int i = g->n - 1; i >= 0; i--) {
    gb_node *y = g->node[i];
    if (!y->op) continue;
    if (y->g && gb_node_is_born(y)) {
      bear(y);
      GB_TRY(timed(g, y, GB_VJP));
      for (int k = 0; k < y->n_in; k++)
        if (y->in[k]->g) gb_node_bear(y->in[k]);
    } else
      pass_by(y);
    if (out->done) out->done(out->ctx, g->final_from[i]);
  }
  return GB_OK;
}

enum { COLUMNS = 64, MOST_LEVELS = 24 };

/* One piece of the sum over rows: sum [n] continues. */
static void sum_piece(size_t rows, size_t stride, size_t n, const gb_real *restrict a, const gb_real *restrict b,
                      gb_real *restrict sum)
{
  for (size_t r = 0; r < rows; r++)
    if (b)
      for (size_t i = 0; i < n; i++) sum[i] += a[r * stride + i] * b[r * stride + i];
    else
      for (size_t i = 0; i < n; i++) sum[i] += a[r * stride + i];
}

void gb_node_sum_rows(const gb_node *y, gb_node *param, size_t rows, size_t n, const gb_real *a, const gb_real *b)
{
  gb_real level[MOST_LEVELS][COLUMNS];
  size_t piece = rows / y->parts;
  for (size_t first = 0; first < n; first += COLUMNS) {
    size_t m = n - first < COLUMNS ? n - first : COLUMNS;
    gb_real *out = param->g + first;
    for (size_t p = 0; p < y->parts; p++) {
      gb_real sum[COLUMNS] = {0};
      int l = 0;
      if (y->add) memcpy(sum, out, m * sizeof *sum);
      sum_piece(piece, n, m, a + p * piece * n + first, b ? b + p * piece * n + first : NULL, sum);
      for (; p >> l & 1; l++) /* a full pair of the tree: left + right */
        for (size_t i = 0; i < m; i++) sum[i] = level[l][i] + sum[i];
      memcpy(level[l], sum, m * sizeof *sum);
      memcpy(out, sum, m * sizeof *sum); /* the last one is the whole: parts is a power of two */
    }
  }
}
