/* ad/cross_entropy.c - softmax and logarithm in one op: neither overflows, whatever the scores. */
#include "ad/cross_entropy.h"

#include <math.h>

enum { SCORE, LABEL };

/* ln sum_k exp(s_k) */
static double log_sum_exp(size_t n, const gb_real *s)
{
  double most = (double)s[0], sum = 0;
  for (size_t k = 1; k < n; k++) most = fmax(most, (double)s[k]);
  for (size_t k = 0; k < n; k++) sum += exp((double)s[k] - most);
  return most + log(sum);
}

static gb_err entropy_forward(gb_node *y)
{
  size_t n = y->in[SCORE]->width;
  for (size_t r = 0; r < y->rows; r++) {
    const gb_real *s = y->in[SCORE]->v + r * n;
    double label = (double)y->in[LABEL]->v[r];
    y->term[r] = label < 0 ? 0 : log_sum_exp(n, s) - (double)s[(size_t)label];
  }
  return GB_OK;
}

static gb_err entropy_vjp(gb_node *y)
{
  gb_node *score = y->in[SCORE];
  size_t n = score->width;
  for (size_t r = 0; score->g && r < y->rows; r++) {
    const gb_real *s = score->v + r * n;
    double label = (double)y->in[LABEL]->v[r], all;
    if (label < 0) continue;
    all = log_sum_exp(n, s);
    for (size_t k = 0; k < n; k++)
      score->g[r * n + k] += y->g[r] * (gb_real)(exp((double)s[k] - all) - (k == (size_t)label));
  }
  return GB_OK;
}

static const gb_op entropy_op = {"cross entropy", entropy_forward, entropy_vjp};

gb_node *gb_cross_entropy(gb_graph *g, gb_node *score, gb_node *label)
{
  if (!score || !label) return NULL;
  GB_ASSERT(label->width == 1);
  return gb_graph_term(g, &entropy_op, NULL, 2, (gb_node *[]){score, label});
}
