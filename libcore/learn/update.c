/* learn/update.c - every rank updates its pieces; moments and averages are as long as those, not as the weights. */
#include "learn/update.h"

#include <string.h>

#include "base/mem.h"

/* A run of elements that are treated alike. */
typedef struct stretch {
  size_t first, at, count; /* in the weights; in the vectors below */
  gb_rule rule;
  double rate;
} stretch;

enum { M, V, AVERAGE, VECTORS };

struct gb_update {
  gb_comm c;
  const gb_optim_opts *optim;
  gb_params *params;
  gb_exchange *x;
  size_t n_stretches;
  stretch *stretch;
  gb_real *vector[VECTORS]; /* [gb_exchange_owned()]; AVERAGE may be NULL */
};

/* What of tensor t, padding included, is in a piece. */
static gb_range overlap(const gb_params *p, int t, gb_range piece)
{
  size_t first = gb_params_info(p, t)->first;
  size_t end = t + 1 < gb_params_n(p) ? gb_params_info(p, t + 1)->first : gb_params_size(p);
  if (first < piece.first) first = piece.first;
  if (end > piece.first + piece.count) end = piece.first + piece.count;
  return (gb_range){first, end > first ? end - first : 0};
}

static gb_err find_stretches(gb_update *u)
{
  size_t n_pieces, n = 0, at = 0;
  const gb_range *piece = gb_exchange_pieces(u->x, &n_pieces);
  GB_TRY(gb_new(&u->stretch, n_pieces * (size_t)(gb_params_n(u->params) + 1)));
  for (size_t p = 0; p < n_pieces; p++)
    for (int t = 0; t < gb_params_n(u->params); t++) {
      const gb_param_info *info = gb_params_info(u->params, t);
      gb_range r = overlap(u->params, t, piece[p]);
      stretch *last = n ? &u->stretch[n - 1] : NULL;
      if (!r.count) continue;
      if (last && last->rule == info->rule && last->rate == info->rate && last->first + last->count == r.first)
        last->count += r.count;
      else
        u->stretch[n++] = (stretch){r.first, at, r.count, info->rule, info->rate};
      at += r.count;
    }
  u->n_stretches = n;
  return GB_OK;
}

gb_err gb_update_create(gb_comm c, const gb_optim_opts *optim, gb_params *params, gb_exchange *x, gb_update **out)
{
  size_t n = gb_exchange_owned(x);
  gb_update *u = NULL;
  gb_err e = gb_new(&u, 1);
  if (!e) {
    *u = (gb_update){.c = c, .optim = optim, .params = params, .x = x};
    e = find_stretches(u);
    for (int k = 0; k < VECTORS && !e; k++)
      if (k != AVERAGE || optim->ema > 0) e = gb_new(&u->vector[k], n);
  }
  for (size_t i = 0; !e && u->vector[AVERAGE] && i < u->n_stretches; i++)
    memcpy(u->vector[AVERAGE] + u->stretch[i].at, gb_params_value(params) + u->stretch[i].first,
           u->stretch[i].count * sizeof(gb_real));
  *out = u;
  return gb_comm_agree(c, e);
}

gb_err gb_update_destroy(gb_update **u)
{
  if (!*u) return GB_OK;
  gb_err e = GB_OK;
  if (gb_params_value((*u)->params) == gb_exchange_weights((*u)->x)) e = gb_params_place((*u)->params, NULL, true);
  for (int k = 0; k < VECTORS; k++) gb_free(&(*u)->vector[k]);
  gb_free(&(*u)->stretch);
  gb_free(u);
  return e;
}

gb_err gb_update_begin(gb_update *u)
{
  gb_real *to = gb_exchange_weights(u->x);
  for (size_t i = 0; i < u->n_stretches; i++)
    memcpy(to + u->stretch[i].first, gb_params_value(u->params) + u->stretch[i].first,
           u->stretch[i].count * sizeof *to);
  gb_exchange_share(u->x);
  return gb_comm_agree(u->c, gb_params_place(u->params, to, false));
}

void gb_update_step(gb_update *u, double rate, uint64_t step, const gb_real *gradient, double norm)
{
  gb_real *w = gb_exchange_weights(u->x), *average = u->vector[AVERAGE];
  double scale = gb_optim_shortened(u->optim, norm);
  for (size_t i = 0; i < u->n_stretches; i++) {
    const stretch *s = &u->stretch[i];
    if (s->rule == GB_FOLLOWS)
      gb_optim_follow(s->count, gradient + s->first, w + s->first);
    else if (s->rule == GB_GROWS)
      gb_optim_grow(s->rate, s->count, gradient + s->first, w + s->first);
    else
      gb_optim_step(u->optim, rate, scale, step, s->count, gradient + s->first, u->vector[M] + s->at,
                    u->vector[V] + s->at, w + s->first);
    if (average) gb_optim_average(u->optim, step, s->count, w + s->first, average + s->at);
  }
  gb_exchange_share(u->x);
}

void gb_update_swap(gb_update *u)
{
  gb_real *w = gb_exchange_weights(u->x), *average = u->vector[AVERAGE];
  if (!average) return;
  for (size_t i = 0; i < u->n_stretches; i++)
    for (size_t k = 0; k < u->stretch[i].count; k++) {
      gb_real *a = w + u->stretch[i].first + k, *b = average + u->stretch[i].at + k, kept = *a;
      *a = *b;
      *b = kept;
    }
  gb_exchange_share(u->x);
}

/* Whole vectors on rank 0, for as long as a file is written or read. */
static gb_err whole_vectors(gb_update *u, gb_state *s)
{
  gb_real **whole[VECTORS] = {&s->m, &s->v, &s->average};
  gb_err e = GB_OK;
  for (int k = 0; k < VECTORS && !e && u->c.rank == 0; k++)
    if (u->vector[k]) e = gb_new(whole[k], gb_params_size(u->params));
  return gb_comm_agree(u->c, e);
}

static void drop_whole(gb_state *s)
{
  gb_free(&s->m);
  gb_free(&s->v);
  gb_free(&s->average);
}

gb_err gb_update_save(gb_update *u, const char *path, const char *config, gb_state *s)
{
  gb_err e = whole_vectors(u, s);
  gb_real *whole[VECTORS] = {s->m, s->v, s->average};
  for (int k = 0; k < VECTORS && !e; k++)
    if (u->vector[k]) gb_exchange_gather(u->x, u->vector[k], whole[k]);
  if (!e) e = gb_checkpoint_advance(u->c, path, config, s);
  drop_whole(s);
  return e;
}

gb_err gb_update_load(gb_update *u, const char *path, gb_state *s)
{
  gb_err e = whole_vectors(u, s);
  gb_real *whole[VECTORS] = {s->m, s->v, s->average};
  if (!e) e = gb_checkpoint_load(u->c, path, s);
  for (int k = 0; k < VECTORS && !e; k++)
    if (u->vector[k]) gb_exchange_deal(u->x, whole[k], u->vector[k]);
  drop_whole(s);
  return e;
}
