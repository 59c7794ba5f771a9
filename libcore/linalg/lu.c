/* linalg/lu.c - LU factors with row exchanges, and substitution, in loops along columns, which become vector loops. */
#include "linalg/lu.h"

#include <math.h>

static void swap(double *x, size_t i, size_t j)
{
  double kept = x[i];
  x[i] = x[j];
  x[j] = kept;
}

static size_t largest(size_t n, const double *column, size_t k)
{
  size_t best = k;
  for (size_t i = k + 1; i < n; i++)
    if (fabs(column[i]) > fabs(column[best])) best = i;
  return best;
}

void gb_lu_factor(size_t n, size_t stride, double *a, int *pivot)
{
  for (size_t k = 0; k < n; k++) {
    double *left = a + k * stride;
    size_t best = largest(n, left, k);
    pivot[k] = (int)best;
    for (size_t j = 0; best != k && j < n; j++) swap(a + j * stride, k, best);
    for (size_t i = k + 1; i < n; i++) left[i] /= left[k];
    for (size_t j = k + 1; j < n; j++) {
      double *restrict column = a + j * stride, top = column[k];
      if (top == 0) continue; /* as most elements of the Jacobian of a network are */
      for (size_t i = k + 1; i < n; i++) column[i] -= left[i] * top;
    }
  }
}

void gb_lu_solve(size_t n, size_t stride, const double *a, const int *pivot, double *restrict x)
{
  for (size_t k = 0; k < n; k++) swap(x, k, (size_t)pivot[k]);
  for (size_t j = 0; j < n; j++)
    for (size_t i = j + 1; i < n; i++) x[i] -= a[j * stride + i] * x[j];
  for (size_t j = n; j-- > 0;) {
    x[j] /= a[j * stride + j];
    for (size_t i = 0; i < j; i++) x[i] -= a[j * stride + i] * x[j];
  }
}

void gb_lu_solve_transposed(size_t n, size_t stride, const double *a, const int *pivot, double *restrict x)
{
  for (size_t j = 0; j < n; j++) {
    for (size_t i = 0; i < j; i++) x[j] -= a[j * stride + i] * x[i];
    x[j] /= a[j * stride + j];
  }
  for (size_t j = n; j-- > 0;)
    for (size_t i = j + 1; i < n; i++) x[j] -= a[j * stride + i] * x[i];
  for (size_t k = n; k-- > 0;) swap(x, k, (size_t)pivot[k]);
}
