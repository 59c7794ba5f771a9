/* tests/bench/gemm.c - seconds of matrix products by OpenBLAS's sgemm on one core: the most that dense arithmetic
 * gives.
 *
 * Standard input: lines `NAME TA TB M N K` with TA, TB = n or t (C = op(A) op(B), row-major). Standard output, per
 * line: NAME, M N K, seconds of one product: the median and the best of the rounds. All shapes are measured in turn,
 * round by round. With the argument `kernels` only the name of the kernels that OpenBLAS chose is printed. */
#include <cblas.h>
#include <string.h>

#include "bench.h"

enum { MOST = 64 };

typedef struct product {
  char name[64];
  CBLAS_TRANSPOSE ta, tb;
  int m, n, k;
  size_t a, b, c; /* places in the pool */
  double seconds[BENCH_ROUNDS];
} product;

static void multiply(const product *p, float *pool)
{
  int lda = p->ta == CblasTrans ? p->m : p->k, ldb = p->tb == CblasTrans ? p->k : p->n;
  cblas_sgemm(CblasRowMajor, p->ta, p->tb, p->m, p->n, p->k, 1, pool + p->a, lda, pool + p->b, ldb, 0, pool + p->c,
              p->n);
}

/* As many products as take about 20 ms. */
static double seconds(const product *p, float *pool)
{
  double begin = gb_clock_now(), now;
  int n = 0;
  do {
    multiply(p, pool);
    n++;
  } while ((now = gb_clock_now()) < begin + 0.02);
  return (now - begin) / n;
}

int main(int argc, char **argv)
{
  static product p[MOST];
  char ta[2], tb[2];
  int n = 0;
  size_t size = 0;
  if (argc > 1 && !strcmp(argv[1], "kernels")) return puts(openblas_get_corename()) < 0;
  openblas_set_num_threads(1);
  while (n < MOST && scanf("%63s %1s %1s %d %d %d", p[n].name, ta, tb, &p[n].m, &p[n].n, &p[n].k) == 6) {
    p[n].ta = *ta == 't' ? CblasTrans : CblasNoTrans;
    p[n].tb = *tb == 't' ? CblasTrans : CblasNoTrans;
    p[n].a = size;
    p[n].b = p[n].a + (size_t)p[n].m * (size_t)p[n].k;
    p[n].c = p[n].b + (size_t)p[n].k * (size_t)p[n].n;
    size = p[n].c + (size_t)p[n].m * (size_t)p[n].n;
    n++;
  }
  float *pool = malloc(size * sizeof *pool);
  if (!pool) return 1;
  for (size_t i = 0; i < size; i++) pool[i] = (float)(i % 17) / 16 - 0.5f;
  for (int r = -1; r < BENCH_ROUNDS; r++) /* round -1 warms */
    for (int i = 0; i < n; i++) p[i].seconds[r < 0 ? 0 : r] = seconds(&p[i], pool);
  for (int i = 0; i < n; i++) {
    qsort(p[i].seconds, BENCH_ROUNDS, sizeof *p[i].seconds, bench_compare);
    printf("%s %d %d %d %.6g %.6g\n", p[i].name, p[i].m, p[i].n, p[i].k, p[i].seconds[BENCH_ROUNDS / 2],
           p[i].seconds[0]);
  }
  free(pool);
  return 0;
}
