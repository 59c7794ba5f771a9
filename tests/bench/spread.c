/* tests/bench/spread.c - steps of one large lattice over all ranks: prints site updates per second.
 * Usage: mpirun -n N bench_spread L SECONDS; run.sh compares N = 1 and N = 2. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/config.h"
#include "xy/xy.h"

int main(int argc, char **argv)
{
  enum { SWEEPS = 9 }; /* one Metropolis and eight over-relaxation sweeps */
  gb_comm c;
  gb_dims dims;
  void *self, *state;
  if (argc != 3) return 2;
  MPI_Init(NULL, NULL);
  gb_comm_open(MPI_COMM_WORLD, &c);
  double T = 0.9, seconds = atof(argv[2]), work = 0, end[1] = {0};
  gb_xy_opts o = {.L = atoll(argv[1]), .J = 1, .T = {1, &T}, .metropolis = 1, .overrelaxation = 8, .wolff = 0};
  gb_err e = gb_comm_agree(c, gb_xy_arrange(&o, c, true, &self, &dims));
  if (e || !(state = gb_alloc(1, dims.walker_bytes))) return fprintf(stderr, "bench_spread: %s\n", gb_err_message()), 1;
  gb_walkers w = {.T = T, .seed = 1, .n = 1};
  gb_xy_start(self, &w, true, state);
  double begin = 0;
  for (uint64_t step = 0; end[0] == 0; step++) { /* the first step is to warm up */
    if (step == 1) begin = gb_clock_now();
    gb_xy_run(self, &w, &(gb_xy_sweeps){.metropolis = 1, .overrelaxation = SWEEPS - 1, .K = 1 / T, .number = step},
              state);
    work += step > 0 ? SWEEPS * (double)dims.n : 0;
    end[0] = step > 1 && gb_clock_now() - begin > seconds;
    gb_comm_max(c, end, 1);
  }
  if (c.rank == 0) printf("%.6g\n", work / (gb_clock_now() - begin));
  gb_free(&state);
  gb_xy_destroy(&self);
  gb_comm_close(&c);
  MPI_Finalize();
  return 0;
}
