/* tests/bench/rng.c - the random words of the Metropolis kernel, in the order in which it uses them, to standard
 * output: for 16 or 8 chains at a time, site after site, sweep after sweep, without end. Usage: bench_rng | dieharder
 * -g 200 -a */
#include <stdio.h>
#include <stdlib.h>

#include "xy/xy.h"

int main(void)
{
  static const double T = 1;
  gb_xy_opts o = {.L = 64, .J = 1, .T = {1, &T}, .metropolis = 1, .overrelaxation = 0, .wolff = 0};
  gb_dims dims;
  void *self;
  if (gb_xy_arrange(&o, gb_comm_self(), false, &self, &dims)) return 1;
  gb_xy *s = self;
  gb_walkers w = {.T = T, .seed = 1, .n = GB_LANES};
  for (size_t k = 0; k < GB_LANES; k++) w.chain[k] = k;
  for (uint64_t sweep = 0;; sweep++) {
    gb_xy_stream stream;
    gb_xy_open_stream(s, &w, GB_RNG_METROPOLIS, sweep, &stream);
    for (size_t p = 0; p < 2; p++)
      for (size_t y = 0; y < s->ny; y++) {
        gb_xy_words(s, &stream, p, (int64_t)y, 0, s->slots);
        if (fwrite(s->words, sizeof *s->words, s->slots, stdout) < s->slots) return 0; /* the reader has enough */
      }
  }
}
