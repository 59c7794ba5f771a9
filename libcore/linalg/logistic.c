/* linalg/logistic.c - Newton's method for logistic regression. */
#include "linalg/logistic.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "linalg/lu.h"

enum { MOST_STEPS = 100, MOST_HALVINGS = 30 };

typedef struct problem {
  size_t n, m;
  const double *x;
  const bool *yes;
  double ridge;
} problem;

double gb_logistic_score(size_t m, const double *x, const double *w)
{
  double s = w[0];
  for (size_t j = 0; j < m; j++) s += w[j + 1] * x[j];
  return s;
}

/* Minus the log-likelihood, plus the ridge. */
static double loss(const problem *p, const double *w)
{
  double sum = 0;
  for (size_t j = 1; j <= p->m; j++) sum += p->ridge / 2 * w[j] * w[j];
  for (size_t i = 0; i < p->n; i++) {
    double s = gb_logistic_score(p->m, p->x + i * p->m, w), against = p->yes[i] ? -s : s;
    sum += fmax(0, against) + log1p(exp(-fabs(against))); /* ln(1 + exp(against)) */
  }
  return sum;
}

static void derivatives(const problem *p, const double *w, double *gradient, double *hessian)
{
  size_t m = p->m, k = m + 1;
  memset(gradient, 0, k * sizeof *gradient);
  memset(hessian, 0, k * k * sizeof *hessian);
  for (size_t j = 1; j < k; j++) {
    gradient[j] = p->ridge * w[j];
    hessian[j * k + j] = p->ridge;
  }
  for (size_t i = 0; i < p->n; i++) {
    const double *x = p->x + i * m;
    double q = 1 / (1 + exp(-gb_logistic_score(m, x, w))), d = q - (p->yes[i] ? 1 : 0), v = q * (1 - q);
    for (size_t a = 0; a < k; a++) {
      double xa = a ? x[a - 1] : 1;
      gradient[a] += d * xa;
      for (size_t b = 0; b < k; b++) hessian[b * k + a] += v * xa * (b ? x[b - 1] : 1);
    }
  }
}

/* The step of Newton's method, halved until the loss is less. False: it is least. */
static bool improve(const problem *p, const double *gradient, double *hessian, int *pivot, double *trial, double *w)
{
  size_t k = p->m + 1;
  double step = 1, before = loss(p, w), *direction = trial + k;
  memcpy(direction, gradient, k * sizeof *direction);
  gb_lu_factor(k, k, hessian, pivot);
  gb_lu_solve(k, k, hessian, pivot, direction);
  for (int h = 0; h < MOST_HALVINGS; h++, step /= 2) {
    for (size_t j = 0; j < k; j++) trial[j] = w[j] - step * direction[j];
    if (!(loss(p, trial) < before)) continue;
    memcpy(w, trial, k * sizeof *w);
    return true;
  }
  return false;
}

gb_err gb_logistic_fit(size_t n, size_t m, const double *x, const bool *yes, double ridge, double *w)
{
  const problem p = {n, m, x, yes, ridge};
  size_t k = m + 1;
  double *room = NULL, size = 0;
  int *pivot = NULL, step = 0;
  gb_err e = gb_new(&room, k * (k + 3));
  if (!e) e = gb_new(&pivot, k);
  memset(w, 0, k * sizeof *w);
  for (; step < MOST_STEPS && !e; step++) {
    double *gradient = room, *trial = room + k, *hessian = room + 3 * k;
    derivatives(&p, w, gradient, hessian);
    size = 0;
    for (size_t j = 0; j < k; j++) size = fmax(size, fabs(gradient[j]));
    if (size < 1e-10 * (double)n || !improve(&p, gradient, hessian, pivot, trial, w)) break;
  }
  if (!e && !(size < 1e-6 * (double)n))
    e = GB_FAIL(GB_ERR_NUMERIC, "a logistic regression of %zu rows did not converge in %d steps", n, step);
  gb_free(&room);
  gb_free(&pivot);
  return e;
}
