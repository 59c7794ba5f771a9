/* tests/bench/linear.c - seconds of principal components: covariance and eigenproblem, QR and singular values, for
 * random samples; and which part of the rate of dgemm, measured on every rank at the same time, the products reach.
 *
 * Arguments: numbers in a sample, samples, rounds. Standard output: one JSON object per route, of the fastest round.
 * The rate of the covariance counts n^2 operations per sample (a triangle), that of QR 2 n^2 (samples - n/3). */
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "report/principal.h"

void dgemm_(const char *ta, const char *tb, const int *m, const int *n, const int *k, const double *alpha,
            const double *a, const int *lda, const double *b, const int *ldb, const double *beta, double *c,
            const int *ldc);

static size_t width;

/* Words as they are drawn, without logarithms: reading is no part of what is measured. */
static gb_err read_random(void *unused, size_t first, size_t n, double *x)
{
  (void)unused;
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < width; k += 4) {
      uint32_t w[4];
      gb_rng_block(gb_rng_key(1, GB_RNG_TEST, first + i, 0), (uint32_t)(k / 4), w);
      for (size_t j = 0; j < 4 && k + j < width; j++)
        x[i * width + k + j] = (gb_rng_unit(w[j]) - 0.5) * (1 + 10 / (1 + (double)(k + j)));
    }
  return GB_OK;
}

/* Gflop/s of dgemm on this rank, the others at the same time. */
static double dgemm_rate(gb_comm c)
{
  enum { N = 1024 };
  const int n = N;
  const double one = 1, zero = 0;
  double *a = gb_alloc(3 * (size_t)N * N, sizeof *a), best = 0;
  for (size_t i = 0; i < 2 * (size_t)N * N; i++) a[i] = (double)(i % 7) - 3;
  for (int r = 0; r < 4; r++) {
    gb_comm_any(c, false); /* together */
    double begin = gb_clock_now();
    dgemm_("N", "T", &n, &n, &n, &one, a, &n, a + N * N, &n, &zero, a + 2 * N * N, &n);
    double rate = 2e-9 * N * N * N / (gb_clock_now() - begin);
    best = r && rate > best ? rate : best;
  }
  gb_free(&a);
  return best;
}

static void measure(gb_comm c, gb_route route, size_t n, int rounds, double rate)
{
  gb_samples s = {.name = "random", .n = n, .width = width, .read = read_random};
  double best[GB_PARTS] = {0, 0, 1e99, 1e99}, w = (double)width;
  for (int r = 0; r < rounds; r++) {
    gb_principal p;
    if (gb_principal_find(c, &s, 16, route, 0x1p36, &p)) {
      fprintf(stderr, "bench_linear: %s\n", gb_err_message());
      MPI_Abort(c.mpi, 1);
    }
    gb_comm_max(c, p.seconds, GB_PARTS);
    if (p.seconds[GB_PART_PRODUCTS] + p.seconds[GB_PART_VALUES] < best[GB_PART_PRODUCTS] + best[GB_PART_VALUES])
      memcpy(best, p.seconds, sizeof best);
    gb_principal_free(&p);
  }
  double operations = route == GB_ROUTE_COVARIANCE ? (double)n * w * w : 2 * w * w * ((double)n - w / 3);
  double reached = 1e-9 * operations / best[GB_PART_PRODUCTS];
  if (c.rank == 0)
    printf("{\"name\": \"%s\", \"numbers\": %zu, \"samples\": %zu, \"ranks\": %d, \"read_s\": %.4g, \"move_s\": %.4g, "
           "\"products_s\": %.4g, \"values_s\": %.4g, \"products_gflops\": %.4g, \"dgemm_gflops\": %.4g, "
           "\"fraction\": %.3g}\n",
           gb_route_name[route], width, n, c.size, best[GB_PART_READ], best[GB_PART_MOVE], best[GB_PART_PRODUCTS],
           best[GB_PART_VALUES], reached, rate, reached / rate);
  fflush(stdout);
}

int main(int argc, char **argv)
{
  gb_comm c;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &(int){0});
  gb_comm_open(MPI_COMM_WORLD, &c);
  width = argc > 1 ? strtoull(argv[1], NULL, 10) : 512;
  size_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 16 * width;
  int rounds = argc > 3 ? atoi(argv[3]) : 3;
  double rate = dgemm_rate(c);
  gb_comm_sum(c, &rate, 1);
  for (gb_route r = GB_ROUTE_COVARIANCE; r <= GB_ROUTE_QR; r++) measure(c, r, n, rounds, rate);
  gb_comm_close(&c);
  MPI_Finalize();
  return 0;
}
