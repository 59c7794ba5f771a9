/* tests/bench/ode.c - milliseconds of a gradient through a neural pendulum: 200 rows, 49 intervals of 0.05, squares of
 * all frames, theta'' = -omega^2 sin theta - zeta theta' + network(z, theta, theta', t), layers 4-64-64-1 with elu;
 * gradient of weights, omega, zeta and z.
 *
 * Standard output: one JSON object per solver and method; medians and best of the rounds, which alternate. The argument
 * is the rate of sgemm in GFLOP/s (bench_gemm), of which the products of the network are said to reach a fraction. */
#include <mpi.h>
#include <stdlib.h>

#include "bench.h"
#include "sim/petsc.h"
#include "unit/ode_bench.h"

enum { N = 7, ROUNDS = 41, ROWS = 200, FRAMES = 50 };

typedef struct way {
  const char *solver, *method;
  bool counted; /* is the number of operations known beforehand? */
  double gate;  /* ms, 0: none */
  swinger s;
  double ms[3][ROUNDS]; /* forward, backward, both */
} way;

static way ways[N] = {{.solver = "direct", .method = "euler", .counted = true},
                      {.solver = "petsc", .method = "euler", .counted = true},
                      {.solver = "direct", .method = "rk4", .counted = true, .gate = 26},
                      {.solver = "petsc", .method = "rk4", .counted = true, .gate = 35},
                      {.solver = "petsc", .method = "dopri5"},
                      {.solver = "petsc", .method = "crank_nicolson"},
                      {.solver = "petsc", .method = "backward_euler"}};

static void begin(way *w)
{
  w->s = (swinger){.solver = w->solver,
                   .method = w->method,
                   .rows = ROWS,
                   .frames = FRAMES,
                   .frame_time = 0.05,
                   .seen = 1,
                   .n_latent = 1,
                   .hidden = 64,
                   .layers = 3,
                   .activation = GB_ELU,
                   .inside = GB_INSIDE_SUM,
                   .clock = GB_CLOCK_TIME,
                   .tolerance = 1e-6};
  swing_begin(&w->s);
}

static void measure(way *w, gb_real *grad, int round)
{
  double begin = gb_clock_now();
  swing_loss(&w->s);
  double middle = gb_clock_now();
  swing_backward(&w->s, grad, false);
  double end = gb_clock_now();
  if (round < 0) return;
  w->ms[0][round] = 1e3 * (middle - begin);
  w->ms[1][round] = 1e3 * (end - middle);
  w->ms[2][round] = 1e3 * (end - begin);
}

static void print(way *w, double sgemm)
{
  double flops = 3 * ROWS * w->s.y->flops;
  for (int k = 0; k < 3; k++) qsort(w->ms[k], ROUNDS, sizeof **w->ms, bench_compare);
  double median = w->ms[2][ROUNDS / 2], rate = flops / median / 1e6;
  printf(
      "{\"name\": \"neural pendulum, %s, %s\", \"unit\": \"ms\", \"value\": %.4g, \"best\": %.4g, \"forward\": %.4g, "
      "\"backward\": %.4g",
      w->method, w->solver, median, w->ms[2][0], w->ms[0][ROUNDS / 2], w->ms[1][ROUNDS / 2]);
  if (w->counted) printf(", \"GFLOP\": %.3g, \"GFLOP/s\": %.4g", flops / 1e9, rate);
  if (w->counted && sgemm > 0) printf(", \"of sgemm\": %.2g", rate / sgemm);
  if (w->gate > 0)
    printf(", \"gate\": %g, \"pass\": %s}\n", w->gate, median <= w->gate ? "true" : "false");
  else
    printf(", \"gate\": null, \"pass\": null}\n");
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  for (int i = 0; i < N; i++) begin(&ways[i]);
  gb_real *grad = gb_alloc(gb_params_size(ways[0].s.p), sizeof *grad);
  for (int r = -2; r < ROUNDS; r++)
    for (int i = 0; i < N; i++) measure(&ways[i], grad, r);
  for (int i = 0; i < N; i++) {
    print(&ways[i], argc > 1 ? atof(argv[1]) : 0);
    swing_end(&ways[i].s);
  }
  gb_free(&grad);
  gb_petsc_end();
  MPI_Finalize();
  return 0;
}
