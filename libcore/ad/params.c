/* ad/params.c - names, shapes and the block. */
#include "ad/params.h"

#include <string.h>

#include "base/mem.h"

enum { MOST = 512, LINE = GB_ALIGN / sizeof(gb_real) };
static const size_t largest = (size_t)1 << 40; /* weights of a tensor: sums over all of them stay in range */

struct gb_params {
  int n;
  gb_param_info info[MOST];
  double bound[MOST], start[MOST];
  double *about[MOST];  /* NULL, or what is added to each element */
  gb_real *own, *value; /* memory of its own, or NULL; the block */
};

gb_err gb_params_create(gb_params **out)
{
  return gb_new(out, 1);
}

void gb_params_destroy(gb_params **p)
{
  if (!*p) return;
  for (int i = 0; i < (*p)->n; i++) gb_free(&(*p)->about[i]);
  gb_free(&(*p)->own);
  gb_free(p);
}

gb_err gb_params_add(gb_params *p, const char *name, int ndim, const size_t shape[], double bound, gb_param *out)
{
  GB_ASSERT(!p->value && ndim <= GB_PARAM_NDIM);
  GB_CHECK(p->n < MOST, GB_ERR_CONFIG, "model: more than %d weight tensors; use fewer layers", MOST);
  for (int i = 0; i < p->n; i++) GB_ASSERT(strcmp(p->info[i].name, name));
  gb_param_info *t = &p->info[p->n];
  *t = (gb_param_info){.ndim = ndim, .first = gb_params_size(p), .count = 1};
  snprintf(t->name, sizeof t->name, "%s", name);
  for (int i = 0; i < ndim; i++) {
    t->shape[i] = shape[i];
    t->count *= shape[i];
  }
  GB_CHECK(t->count <= largest, GB_ERR_CONFIG, "model: %s would have %zu weights; use smaller layers", name, t->count);
  p->bound[p->n] = bound;
  *out = p->n++;
  return GB_OK;
}

gb_err gb_params_add_constant(gb_params *p, const char *name, size_t n, double value, gb_param *out)
{
  GB_TRY(gb_params_add(p, name, 1, &n, 0, out));
  p->start[*out] = value;
  return GB_OK;
}

gb_err gb_params_add_statistic(gb_params *p, const char *name, size_t n, double value, gb_param *out)
{
  GB_TRY(gb_params_add_constant(p, name, n, value, out));
  p->info[*out].rule = GB_FOLLOWS;
  return GB_OK;
}

gb_err gb_params_add_multiplier(gb_params *p, const char *name, double value, double rate, gb_param *out)
{
  GB_TRY(gb_params_add_constant(p, name, 1, value, out));
  p->info[*out].rule = GB_GROWS;
  p->info[*out].rate = rate;
  return GB_OK;
}

gb_err gb_params_start_about(gb_params *p, const char *name, const double *value)
{
  int i = 0;
  while (i < p->n && strcmp(p->info[i].name, name)) i++;
  GB_ASSERT(i < p->n && !p->value && !p->about[i]);
  GB_TRY(gb_new(&p->about[i], p->info[i].count));
  memcpy(p->about[i], value, p->info[i].count * sizeof *value);
  return GB_OK;
}

/* Bound != 0: uniform numbers. */
static void draw(gb_params *p, int i, uint64_t seed)
{
  gb_key key = gb_rng_key(seed, GB_RNG_WEIGHTS, (uint64_t)i, 0);
  for (size_t k = 0; k < p->info[i].count; k += 4) {
    uint32_t w[4];
    gb_rng_block(key, (uint32_t)(k / 4), w);
    for (size_t j = 0; j < 4 && k + j < p->info[i].count; j++)
      p->value[p->info[i].first + k + j] = (gb_real)(p->bound[i] * (2 * gb_rng_unit(w[j]) - 1));
  }
}

gb_err gb_params_freeze(gb_params *p, uint64_t seed)
{
  GB_TRY(gb_new(&p->own, gb_params_size(p)));
  p->value = p->own;
  for (int i = 0; i < p->n; i++) {
    for (size_t k = 0; k < p->info[i].count; k++) p->value[p->info[i].first + k] = (gb_real)p->start[i];
    if (p->bound[i] != 0) draw(p, i, seed);
    for (size_t k = 0; k < p->info[i].count && p->about[i]; k++)
      p->value[p->info[i].first + k] += (gb_real)p->about[i][k];
  }
  return GB_OK;
}

int gb_params_n(const gb_params *p)
{
  return p->n;
}

size_t gb_params_size(const gb_params *p)
{
  if (!p->n) return 0;
  const gb_param_info *last = &p->info[p->n - 1];
  return (last->first + last->count + LINE - 1) / LINE * LINE;
}

size_t gb_params_count(const gb_params *p)
{
  size_t n = 0;
  for (int i = 0; i < p->n; i++) n += p->info[i].rule == GB_LEARNED ? p->info[i].count : 0;
  return n;
}

bool gb_params_have_statistics(const gb_params *p)
{
  for (int i = 0; i < p->n; i++)
    if (p->info[i].rule == GB_FOLLOWS) return true;
  return false;
}

const gb_param_info *gb_params_info(const gb_params *p, int i)
{
  GB_ASSERT(i >= 0 && i < p->n);
  return &p->info[i];
}

gb_real *gb_params_value(gb_params *p)
{
  return p->value;
}

gb_err gb_params_place(gb_params *p, gb_real *memory, bool copy)
{
  gb_real *from = p->value, *own = NULL;
  GB_ASSERT(from);
  if (!memory) GB_TRY(gb_new(&own, gb_params_size(p)));
  p->value = memory ? memory : own;
  if (copy) memcpy(p->value, from, gb_params_size(p) * sizeof *from);
  gb_free(&p->own);
  p->own = own;
  return GB_OK;
}
