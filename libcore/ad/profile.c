/* ad/profile.c - a table of measured ops. */
#include "ad/profile.h"

#include <math.h>
#include <string.h>

/* "encoder.0 conv" of an op with weights "encoder.0.weight", else the name of the op. */
static void name_of(const gb_graph *g, const gb_node *y, size_t size, char *name)
{
  snprintf(name, size, "%s", y->op->name);
  for (int k = 0; k < y->n_in; k++) {
    if (!y->in[k]->is_param) continue;
    for (int i = 0; i < gb_params_n(gb_graph_params(g)); i++) {
      const gb_param_info *p = gb_params_info(gb_graph_params(g), i);
      const char *dot = strrchr(p->name, '.');
      if (p->first == y->in[k]->first && dot)
        snprintf(name, size, "%.*s %s", (int)(dot - p->name), p->name, y->op->name);
    }
    return;
  }
}

static double total_of(const gb_graph *g, int way)
{
  int n;
  gb_node *const *node = gb_graph_nodes(g, &n);
  double sum = 0;
  for (int i = 0; i < n; i++) sum += node[i]->seconds[way];
  return sum;
}

void gb_profile_print(const gb_graph *g, gb_text *out)
{
  int n;
  gb_node *const *node = gb_graph_nodes(g, &n);
  double total[2] = {total_of(g, 0), total_of(g, 1)}, all = total[0] + total[1], flops = 0, rows = 0;
  gb_text_add(out, "  %-28s %12s %12s %7s %9s\n", "op", "forward", "backward", "share", "GFLOP/s");
  for (int i = 0; i < n; i++) {
    const gb_node *y = node[i];
    char name[64], rate[16] = "";
    if (!y->op || !y->rows_done[0]) continue;
    double r = (double)y->rows_done[0], back = (double)y->rows_done[1], seconds = y->seconds[0] + y->seconds[1];
    double done = y->flops * (r + (y->in[0]->g ? 2 : 1) * back); /* the first layer has no gradient of x */
    if (y->flops > 0) snprintf(rate, sizeof rate, "%.1f", 1e-9 * done / seconds);
    name_of(g, y, sizeof name, name);
    gb_text_add(out, "  %-28s %9.3f us %9.3f us %6.1f%% %9s\n", name, 1e6 * y->seconds[0] / r,
                back > 0 ? 1e6 * y->seconds[1] / back : 0, 100 * seconds / all, rate);
    flops += done;
    rows = fmax(rows, r / (double)y->copies);
  }
  if (rows > 0)
    gb_text_add(out, "  %-28s %9.3f us %9.3f us %6.1f%% %9.1f   per sample\n", "all", 1e6 * total[0] / rows,
                1e6 * total[1] / rows, 100.0, 1e-9 * flops / all);
}
