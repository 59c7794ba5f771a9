/* learn/joint.c - between weights in half turns and laws in rad; moments of the data. */
#include "learn/joint.h"

#include <math.h>
#include <string.h>

#include "ad/rotor.h"
#include "base/mem.h"

enum { X, WEIGHT, BIAS };

gb_err gb_joint_loss_create(gb_params *params, const gb_joint_maps *maps, double alpha, gb_joint_loss *out)
{
  *out = (gb_joint_loss){.maps = *maps, .params = params, .alpha = alpha};
  GB_TRY(gb_joint_create(maps->output->width, maps->mu->width, &out->law));
  return gb_new(&out->by, gb_params_size(params));
}

void gb_joint_loss_destroy(gb_joint_loss *l)
{
  gb_joint_destroy(&l->law);
  gb_free(&l->by);
}

typedef struct moments {
  size_t n;
  double *mean, *square;
} moments;

static void add_mean(moments *s, const gb_real *x)
{
  for (size_t i = 0; i < s->n; i++) s->mean[i] += M_PI * (double)x[i];
}

static void add_square(moments *s, const gb_real *x)
{
  for (size_t i = 0; i < s->n; i++) {
    double d = M_PI * (double)x[i] - s->mean[i];
    for (size_t k = 0; k <= i; k++) s->square[i * s->n + k] += d * (M_PI * (double)x[k] - s->mean[k]);
  }
}

/* Calls `add` with every training sample, in order. */
static gb_err over_samples(gb_dataset *data, size_t most, gb_half_turns *turns, void *self, moments *s,
                           void (*add)(moments *s, const gb_real *x))
{
  size_t rows = gb_dataset_rows(data, GB_TRAIN), n;
  float *x = NULL;
  uint64_t *row = NULL;
  gb_err e = gb_new(&x, most * s->n);
  if (!e) e = gb_new(&row, most);
  for (size_t first = 0; first < rows && !e; first += n) {
    n = rows - first < most ? rows - first : most;
    for (size_t i = 0; i < n; i++) row[i] = first + i;
    e = gb_dataset_read(data, GB_TRAIN, n, row, x);
    const gb_real *at = e ? NULL : turns(self, n, x);
    for (size_t i = 0; i < n && !e; i++) add(s, at + i * s->n);
  }
  gb_free(&x);
  gb_free(&row);
  return e;
}

static gb_err find_moments(gb_joint_loss *l, gb_dataset *data, size_t most, gb_half_turns *turns, void *self)
{
  moments s = {.n = l->law.n};
  double rows = (double)gb_dataset_rows(data, GB_TRAIN);
  gb_err e = gb_new(&s.mean, s.n);
  if (!e) e = gb_new(&s.square, s.n * s.n);
  if (!e) e = over_samples(data, most, turns, self, &s, add_mean);
  for (size_t i = 0; i < s.n && !e; i++) s.mean[i] /= rows;
  if (!e) e = over_samples(data, most, turns, self, &s, add_square);
  for (size_t i = 0; i < s.n * s.n && !e; i++) s.square[i] /= rows;
  if (!e && gb_joint_data(&l->law, s.mean, s.square)) {
    gb_err_clear();
    e = GB_FAIL(GB_ERR_CONFIG,
                "objective.kind: relbo-joint: the covariance of the %.0f training samples, of %zu sites, is singular, "
                "and the divergence infinite. Generate more samples, or take another kind.",
                rows, s.n);
  }
  gb_free(&s.mean);
  gb_free(&s.square);
  return e;
}

gb_err gb_joint_loss_prepare(gb_joint_loss *l, gb_comm c, gb_dataset *data, size_t rows, gb_half_turns *turns,
                             void *self)
{
  uint64_t fingerprint = gb_dataset_fingerprint(data);
  if (l->known && l->data == fingerprint) return GB_OK;
  GB_TRY(gb_comm_agree(c, find_moments(l, data, rows, turns, self)));
  l->known = true;
  l->data = fingerprint;
  return GB_OK;
}

static double log_s2(const gb_joint_loss *l)
{
  return l->maps.spread ? (double)*l->maps.spread->v : l->maps.fixed;
}

/* Weights of dense layers are [inputs, outputs]. */
static void read_maps(gb_joint_loss *l)
{
  gb_joint *j = &l->law;
  const gb_real *w = gb_params_value(l->params);
  const gb_real *V = w + l->maps.mu->in[WEIGHT]->first, *b = w + l->maps.mu->in[BIAS]->first;
  const gb_real *W = w + l->maps.output->in[WEIGHT]->first, *c = w + l->maps.output->in[BIAS]->first;
  for (size_t k = 0; k < j->m; k++) {
    j->b[k] = (double)b[k];
    j->log_gamma[k] = (double)w[l->maps.logvar->first + k];
    for (size_t i = 0; i < j->n; i++) {
      j->V[k * j->n + i] = (double)V[i * j->m + k] / M_PI;
      j->W[i * j->m + k] = (double)W[k * j->n + i] * M_PI;
    }
  }
  for (size_t i = 0; i < j->n; i++) j->c[i] = (double)c[i] * M_PI;
  j->log_s2 = log_s2(l);
}

static void write_gradient(gb_joint_loss *l)
{
  const gb_joint *j = &l->law;
  gb_real *V = l->by + l->maps.mu->in[WEIGHT]->first, *b = l->by + l->maps.mu->in[BIAS]->first;
  gb_real *W = l->by + l->maps.output->in[WEIGHT]->first, *c = l->by + l->maps.output->in[BIAS]->first;
  for (size_t k = 0; k < j->m; k++) {
    b[k] = (gb_real)j->by_b[k];
    l->by[l->maps.logvar->first + k] = (gb_real)j->by_log_gamma[k];
    for (size_t i = 0; i < j->n; i++) {
      V[i * j->m + k] = (gb_real)(j->by_V[k * j->n + i] / M_PI);
      W[k * j->n + i] = (gb_real)(j->by_W[i * j->m + k] * M_PI);
    }
  }
  for (size_t i = 0; i < j->n; i++) c[i] = (gb_real)(j->by_c[i] * M_PI);
  if (l->maps.spread) l->by[l->maps.spread->in[0]->first] = (gb_real)(j->by_log_s2 * gb_rotor_spread_slope(log_s2(l)));
}

gb_err gb_joint_loss_forward(gb_joint_loss *l)
{
  GB_CHECK(l->known, GB_ERR_CONFIG,
           "objective.kind: relbo-joint is a number of the training data, which this model has not seen. Take a data "
           "set, or another kind.");
  read_maps(l);
  l->value = gb_joint_divergence(&l->law, l->alpha, &l->used) + gb_joint_entropy(&l->law);
  write_gradient(l);
  return GB_OK;
}

/* Rows are added one after another and pieces in a tree, as gb_gradient has it: pieces are equal, and doubling exact.
 */
void gb_joint_loss_backward(const gb_joint_loss *l, double weight, size_t rows, const gb_gradient *out)
{
  size_t piece = rows / out->parts;
  for (size_t i = 0; i < gb_params_size(l->params); i++) {
    gb_real sum = out->add ? out->block[i] : 0, one = (gb_real)(weight * (double)l->by[i]);
    for (size_t r = 0; r < piece; r++) sum += one;
    out->block[i] = sum * (gb_real)out->parts;
  }
  if (out->done) out->done(out->ctx, 0);
}
