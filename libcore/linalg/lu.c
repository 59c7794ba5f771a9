/* linalg/lu.c - LU factors with row exchanges, and substitution, in loops along columns, which become vector loops. */
#include "linalg/lu.h"

#include <math.h>
#include <string.h>

#include "base/lanes.h"

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

/* Column k becomes the negative of what was added of it to others, times 1 / pivot. */
GB_INLINE void invert(size_t n, size_t stride, double *a, int *pivot)
{
  for (size_t k = 0; k < n; k++) {
    double *restrict left = a + k * stride, over;
    size_t best = largest(n, left, k);
    pivot[k] = (int)best;
    for (size_t j = 0; best != k && j < n; j++) swap(a + j * stride, k, best);
    over = 1 / left[k];
    left[k] = 0;
    for (size_t j = 0; j < n; j++) {
      double *restrict column = a + j * stride, top = column[k] * over;
      if (j == k || top == 0) continue;
      for (size_t i = 0; i < stride; i++) column[i] -= left[i] * top;
      column[k] = top;
    }
    for (size_t i = 0; i < stride; i++) left[i] *= -over;
    left[k] = over;
  }
  for (size_t k = n; k-- > 0;) /* what rows did to A, columns do to its inverse, backwards */
    for (size_t i = 0; pivot[k] != (int)k && i < n; i++) {
      double kept = a[k * stride + i];
      a[k * stride + i] = a[(size_t)pivot[k] * stride + i];
      a[(size_t)pivot[k] * stride + i] = kept;
    }
}

GB_INLINE void apply(size_t n, size_t stride, const double *a, const double *x, double *restrict y)
{
  memset(y, 0, stride * sizeof *y);
  for (size_t j = 0; j < n; j++)
    for (size_t i = 0; i < stride; i++) y[i] += a[j * stride + i] * x[j];
}

/* With a stride that the compiler knows, loops are a few instructions. */
void gb_inverse(size_t n, size_t stride, double *a, int *pivot)
{
  switch (stride) {
  case 8: invert(n, 8, a, pivot); break;
  case 16: invert(n, 16, a, pivot); break;
  case 24: invert(n, 24, a, pivot); break;
  case 32: invert(n, 32, a, pivot); break;
  default: invert(n, stride, a, pivot);
  }
}

void gb_inverse_apply(size_t n, size_t stride, const double *a, const double *x, double *y)
{
  switch (stride) {
  case 8: apply(n, 8, a, x, y); break;
  case 16: apply(n, 16, a, x, y); break;
  case 24: apply(n, 24, a, x, y); break;
  case 32: apply(n, 32, a, x, y); break;
  default: apply(n, stride, a, x, y);
  }
}
