/* linalg/blas.c - the only use of OpenBLAS. */
#include "linalg/blas.h"

#include <cblas.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void gb_blas_choose_kernels(char *const argv[])
{
#ifdef __x86_64__
  static const char *const oldest[] = {"Prescott", "Core2", "Katmai",
                                       "Coppermine"}; /* what DYNAMIC_ARCH falls back to */
  const char *fitting = __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") ? "SkylakeX"
                        : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")        ? "Haswell"
                                                                                                 : NULL;
  if (!fitting || getenv("OPENBLAS_CORETYPE")) return;
  for (size_t i = 0; i < sizeof oldest / sizeof *oldest; i++) {
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1); /* not the link itself: `ps` would show its name */
    if (n <= 0 || strcmp(openblas_get_corename(), oldest[i])) continue;
    self[n] = 0;
    setenv("OPENBLAS_CORETYPE", fitting, 1);
    execv(self, argv); /* if this fails the program is slow, not wrong */
  }
#else
  (void)argv;
#endif
}

void gb_blas_start(void)
{
  openblas_set_num_threads(1);
}

const char *gb_blas_describe(void)
{
  static char text[256];
  snprintf(text, sizeof text, "%s, kernels %s", openblas_get_config(), openblas_get_corename());
  return text;
}

void gb_gemm(bool ta, bool tb, size_t m, size_t n, size_t k, gb_real alpha, const gb_real *a, size_t lda,
             const gb_real *b, size_t ldb, gb_real beta, gb_real *c, size_t ldc)
{
  CBLAS_TRANSPOSE at = ta ? CblasTrans : CblasNoTrans, bt = tb ? CblasTrans : CblasNoTrans;
#ifdef GB_DOUBLE
  cblas_dgemm(
#else
  cblas_sgemm(
#endif
      CblasRowMajor, at, bt, (int)m, (int)n, (int)k, alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}
