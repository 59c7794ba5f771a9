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

/* Operations of an op so far: a gradient by weights and one by x, which the first layer has not; a tangent is a row. */
static double work_of(const gb_node *y)
{
  double passes = (double)y->rows_done[GB_FORWARD] + (y->in[0]->g ? 2 : 1) * (double)y->rows_done[GB_VJP];
  return y->flops * (passes + (double)y->directions * (double)y->rows_done[GB_JVP]);
}

/* Microseconds of a row, or nothing of what was not run. */
static void add_time(gb_text *out, double seconds, double rows)
{
  if (rows > 0)
    gb_text_add(out, " %9.3f us", 1e6 * seconds / rows);
  else
    gb_text_add(out, " %12s", "");
}

void gb_profile_print(const gb_graph *g, gb_text *out)
{
  int n;
  gb_node *const *node = gb_graph_nodes(g, &n);
  double total[GB_WAYS], all = 0, flops = 0, rows = 0;
  for (int k = 0; k < GB_WAYS; k++) all += total[k] = total_of(g, k);
  int ways = total[GB_JVP] > 0 ? GB_WAYS : GB_JVP;
  gb_text_add(out, "  %-28s %12s %12s%s %7s %9s\n", "op", "forward", "backward", ways > GB_JVP ? "     tangents" : "",
              "share", "GFLOP/s");
  for (int i = 0; i < n; i++) {
    const gb_node *y = node[i];
    char name[64], rate[16] = "";
    double seconds = 0;
    if (!y->op || !y->rows_done[GB_FORWARD]) continue;
    for (int k = 0; k < GB_WAYS; k++) seconds += y->seconds[k];
    if (y->flops > 0) snprintf(rate, sizeof rate, "%.1f", 1e-9 * work_of(y) / seconds);
    name_of(g, y, sizeof name, name);
    gb_text_add(out, "  %-28s", name);
    for (int k = 0; k < ways; k++) add_time(out, y->seconds[k], (double)y->rows_done[k]);
    gb_text_add(out, " %6.1f%% %9s\n", 100 * seconds / all, rate);
    flops += work_of(y);
    if (y->rows_done[GB_VJP]) rows = fmax(rows, (double)y->rows_done[GB_VJP] / (double)y->copies);
  }
  if (!(rows > 0)) return;
  gb_text_add(out, "  %-28s", "all, per sample of a batch");
  for (int k = 0; k < ways; k++) add_time(out, total[k], rows);
  gb_text_add(out, " %6.1f%% %9.1f\n", 100.0, 1e-9 * flops / all);
}
