/* sim/physics.c - from a name and a config to an instance. */
#include "sim/physics.h"

#include <string.h>

#include "base/mem.h"

gb_dims gb_dims_plain(size_t ny, size_t nx, const char *unit, gb_reals temperature, size_t n_field)
{
  return (gb_dims){.ndim = 2,
                   .shape = {ny, nx},
                   .axis = {"y", "x"},
                   .n = ny * nx,
                   .unit = unit,
                   .temperature = temperature,
                   .count = {ny, nx},
                   .n_mine = ny * nx,
                   .n_field = n_field,
                   .walkers = 1,
                   .walker_bytes = n_field * ny * nx * sizeof(float),
                   .n_mix = 1};
}

gb_dims gb_dims_rows(int ndim, const size_t shape[], const char *const axis[], const char *unit)
{
  gb_dims d = {.ndim = ndim, .n = 1, .unit = unit};
  for (int k = 0; k < ndim; k++) {
    d.shape[k] = d.count[k] = shape[k];
    d.axis[k] = axis[k];
    d.n *= shape[k];
  }
  d.n_mine = d.n;
  return d;
}

static const char between[] = ", "; /* names of classes */

size_t gb_var_classes(const gb_var *v)
{
  size_t n = 1;
  for (const char *s = v->unit; (s = strstr(s, between)); s += strlen(between)) n++;
  return n > 1 ? n : 0;
}

const char *gb_class_name(const char *unit, size_t class, char buffer[32])
{
  const char *s = unit;
  for (size_t k = 0; k < class && s; k++) s = strstr(s, between) ? strstr(s, between) + strlen(between) : NULL;
  if (s && strstr(unit, between))
    snprintf(buffer, 32, "%.*s", (int)strcspn(s, ","), s);
  else
    snprintf(buffer, 32, "%zu", class);
  return buffer;
}

gb_err gb_sim_find(const gb_physics *const all[], const char *name, const gb_physics **out)
{
  enum { LIMIT = 3 };
  gb_text known = {0};
  const char *near = NULL;
  for (size_t i = 0; all[i]; i++) {
    if (!strcmp(all[i]->name, name)) {
      *out = all[i];
      gb_text_free(&known);
      return GB_OK;
    }
    if (gb_text_distance(name, all[i]->name, LIMIT) <= LIMIT) near = all[i]->name;
    gb_text_add(&known, "%s%s", i ? ", " : "", all[i]->name);
  }
  gb_err e = GB_FAIL(GB_ERR_CONFIG, "run.physics = %.100s is not known.%s%s%s Known: %s.", name,
                     near ? " Did you mean `" : "", near ? near : "", near ? "`?" : "", known.s ? known.s : "");
  gb_text_free(&known);
  return e;
}

gb_err gb_sim_create(const gb_physics *kind, const gb_config *cfg, gb_comm team, gb_sim *out)
{
  *out = (gb_sim){.kind = kind};
  void *opts = gb_alloc(1, kind->schema->size);
  GB_CHECK(opts, GB_ERR_MEMORY, "no memory for the options of %s", kind->name);
  gb_config_get(cfg, kind->schema, opts);
  gb_err e = kind->create(opts, team, &out->self, &out->dims);
  gb_free(&opts);
  return e;
}

void gb_sim_destroy(gb_sim *sim)
{
  if (sim->kind) sim->kind->destroy(&sim->self);
  *sim = (gb_sim){0};
}

const gb_var *gb_sim_truth(const gb_sim *sim, int *n)
{
  *n = sim->dims.truth ? sim->dims.n_truth : sim->kind->simulator->n_truth;
  return sim->dims.truth ? sim->dims.truth : sim->kind->simulator->truth;
}

const gb_var *gb_sim_find_truth(const gb_sim *sim, const char *name)
{
  int n = 0;
  const gb_var *truth = sim->kind->simulator ? gb_sim_truth(sim, &n) : NULL;
  for (int k = 0; k < n; k++)
    if (!strcmp(truth[k].name, name)) return &truth[k];
  return NULL;
}

const gb_var *gb_sim_parameters(const gb_sim *sim)
{
  return sim->dims.truth       ? sim->dims.truth
         : sim->kind->dynamics ? sim->kind->dynamics->parameter
                               : sim->kind->image->parameter;
}
