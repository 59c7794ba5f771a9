/* sim/energy.c - the energy term as an op around gb_ensemble. */
#include "sim/energy.h"

#include "base/mem.h"

typedef struct energies {
  const gb_sim *sim;
  size_t rows; /* room of each of the two parts of e */
  double e[];  /* field, then data */
} energies;

enum { FIELD, DATA };

static gb_err forward(gb_node *y)
{
  energies *c = y->ctx;
  const gb_ensemble *en = c->sim->kind->ensemble;
  double n = (double)c->sim->dims.n, *field = c->e, *data = c->e + c->rows;
  en->energy(c->sim->self, y->rows, y->in[FIELD]->v, field);
  en->energy(c->sim->self, y->rows, y->in[DATA]->v, data);
  for (size_t r = 0; r < y->rows; r++) y->term[r] = n * (data[r] - field[r]) * (data[r] - field[r]);
  return GB_OK;
}

static gb_err vjp(gb_node *y)
{
  const energies *c = y->ctx;
  double n = (double)c->sim->dims.n;
  for (size_t r = 0; r < y->rows; r++) y->g[r] *= (gb_real)(2 * n * (c->e[r] - c->e[c->rows + r]));
  c->sim->kind->ensemble->energy_vjp(c->sim->self, y->rows, y->in[FIELD]->v, y->g, y->in[FIELD]->g);
  return GB_OK;
}

static const gb_op op = {"energy", forward, vjp};

gb_node *gb_energy_term(gb_graph *g, const gb_sim *sim, gb_node *field, gb_node *data)
{
  size_t rows = gb_graph_rows(g);
  energies *c = gb_graph_context(g, sizeof *c + 2 * rows * sizeof *c->e);
  if (!c) return NULL;
  c->sim = sim;
  c->rows = rows;
  return gb_graph_term(g, &op, c, 2, (gb_node *[]){field, data});
}

const double *gb_energy_of_field(const gb_node *term)
{
  return ((const energies *)term->ctx)->e;
}

const double *gb_energy_of_data(const gb_node *term)
{
  const energies *c = term->ctx;
  return c->e + c->rows;
}
