/* sim/picture.c - an op around gb_image. */
#include "sim/picture.h"

typedef struct picture {
  const gb_sim *sim;
} picture;

static gb_err forward(gb_node *y)
{
  const picture *c = y->ctx;
  c->sim->kind->image->draw(c->sim->self, y->rows, y->in[0]->v, y->v);
  return GB_OK;
}

static gb_err vjp(gb_node *y)
{
  const picture *c = y->ctx;
  if (y->in[0]->g) c->sim->kind->image->draw_vjp(c->sim->self, y->rows, y->in[0]->v, y->g, y->in[0]->g);
  return GB_OK;
}

static const gb_op op = {"image", forward, vjp};

static gb_err check(const gb_sim *sim, const gb_node *theta)
{
  GB_CHECK(sim->kind->image, GB_ERR_CONFIG, "run.physics = %s has no known image", sim->kind->name);
  GB_CHECK(theta->width == sim->dims.n_parameter, GB_ERR_CONFIG, "an image of %s has %zu parameters, but %zu are given",
           sim->kind->name, sim->dims.n_parameter, theta->width);
  return GB_OK;
}

gb_node *gb_image_draw(gb_graph *g, const gb_sim *sim, gb_node *theta)
{
  if (!theta) return NULL;
  gb_err e = check(sim, theta);
  if (e) return gb_graph_fail(g, e);
  picture *c = gb_graph_context(g, sizeof *c);
  if (!c) return NULL;
  c->sim = sim;
  gb_shape shape = {sim->dims.shape[0], sim->dims.shape[1], sim->kind->image->channels};
  return gb_graph_apply(g, &op, c, shape, 1, &theta);
}
