/* learn/times.c - the table of phases. */
#include "learn/times.h"

void gb_times_print(size_t ranks, const gb_times rank[], gb_text *out)
{
  static const char *const name[GB_TIMES] = {"data", "forward", "backward", "exchange", "update", "validation", "save"};
  double mean[GB_TIMES] = {0}, most[GB_TIMES] = {0}, all = 0;
  for (int k = 0; k < GB_TIMES; k++) {
    for (size_t r = 0; r < ranks; r++) {
      mean[k] += rank[r].seconds[k] / (double)ranks;
      most[k] = rank[r].seconds[k] > most[k] ? rank[r].seconds[k] : most[k];
    }
    all += mean[k];
  }
  gb_text_add(out,
              "Phases of %zu rank%s, in seconds (exchange: with the wait for other ranks):\n  %-28s %12s %12s %7s\n",
              ranks, ranks > 1 ? "s" : "", "phase", "mean", "most", "share");
  for (int k = 0; k < GB_TIMES; k++)
    gb_text_add(out, "  %-28s %12.3f %12.3f %6.1f%%\n", name[k], mean[k], most[k], all > 0 ? 100 * mean[k] / all : 0);
}
