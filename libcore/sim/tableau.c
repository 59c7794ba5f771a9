/* sim/tableau.c - methods from textbooks, and one whose coefficients follow from Chebyshev's polynomials. */
#include "sim/tableau.h"

#include <string.h>

#include "base/err.h"

enum { CLASSIC = 4 }; /* most stages of these */
static const struct classic {
  const char *name;
  size_t n;
  double a[CLASSIC][CLASSIC], b[CLASSIC], c[CLASSIC];
} classics[] = {
    {"euler", 1, {{0}}, {1}, {0}},
    {"midpoint", 2, {{0}, {0.5}}, {0, 1}, {0, 0.5}},
    {"rk4", 4, {{0}, {0.5}, {0, 0.5}, {0, 0, 1}}, {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6}, {0, 0.5, 0.5, 1}},
};

static const struct classic *find(const char *method)
{
  for (size_t i = 0; i < sizeof classics / sizeof *classics; i++)
    if (!strcmp(classics[i].name, method)) return classics + i;
  return NULL;
}

bool gb_tableau_has(const char *method)
{
  return find(method) || !strcmp(method, "rkc");
}

size_t gb_tableau_stages(const char *method, size_t stages)
{
  const struct classic *k = find(method);
  return k ? k->n : stages;
}

/* State j of the published recursion is y_j = u + h sum_i row[j][i] rate_i, rate_i that at y_i; y_s is the step. */
static void chebyshev(size_t s, gb_tableau *out)
{
  enum { ROOM = GB_MOST_STAGES + 1 };
  double T[ROOM] = {0}, D[ROOM] = {0}, D2[ROOM] = {0}; /* Chebyshev's polynomials and their derivatives at w0 */
  double b[ROOM] = {0};
  double row[ROOM][GB_MOST_STAGES] = {{0}};
  double w0 = 1 + 2.0 / 13 / (double)(s * s), w1;
  T[0] = 1;
  T[1] = w0;
  D[1] = 1;
  for (size_t j = 2; j <= s; j++) {
    T[j] = 2 * w0 * T[j - 1] - T[j - 2];
    D[j] = 2 * T[j - 1] + 2 * w0 * D[j - 1] - D[j - 2];
    D2[j] = 4 * D[j - 1] + 2 * w0 * D2[j - 1] - D2[j - 2];
  }
  w1 = D[s] / D2[s];
  for (size_t j = 2; j <= s; j++) b[j] = D2[j] / (D[j] * D[j]);
  b[0] = b[1] = b[2];
  row[1][0] = b[1] * w1;
  for (size_t j = 2; j <= s; j++) {
    double before = 2 * b[j] * w0 / b[j - 1], earlier = -b[j] / b[j - 2], rate = 2 * b[j] * w1 / b[j - 1];
    for (size_t i = 0; i < j; i++) row[j][i] = before * row[j - 1][i] + earlier * row[j - 2][i];
    row[j][j - 1] += rate;
    row[j][0] -= (1 - b[j - 1] * T[j - 1]) * rate;
  }
  out->n = s;
  for (size_t j = 0; j < s; j++)
    for (size_t i = 0; i < j; i++) {
      out->a[j][i] = row[j][i];
      out->c[j] += row[j][i];
    }
  memcpy(out->b, row[s], sizeof out->b);
}

void gb_tableau_make(const char *method, size_t stages, gb_tableau *out)
{
  const struct classic *k = find(method);
  *out = (gb_tableau){0};
  if (!k) {
    GB_ASSERT(stages >= 2 && stages <= GB_MOST_STAGES);
    chebyshev(stages, out);
    return;
  }
  out->n = k->n;
  for (size_t i = 0; i < k->n; i++) {
    memcpy(out->a[i], k->a[i], sizeof k->a[i]);
    out->b[i] = k->b[i];
    out->c[i] = k->c[i];
  }
}
