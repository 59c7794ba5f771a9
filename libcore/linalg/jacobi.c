/* linalg/jacobi.c - rounds of rotations in planes that have no axis in common, so that their angles are independent
 * work; a lane that has converged gets rotations by 0 while others go on. */
#include "linalg/jacobi.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { LANES = GB_JACOBI_LANES, MOST_SWEEPS = 40 };

typedef double lanes __attribute__((vector_size(LANES * sizeof(double)), aligned(sizeof(double)), may_alias));

static const double small = 0x1p-106; /* of the square of an element, relative to the product of its diagonal ones */

/* A plane, and how it is turned. */
typedef struct plane {
  size_t p, q;
  double cosine[LANES], sine[LANES], p_moves[LANES], keeps[LANES]; /* of the diagonal; 0 of a[p, q] where it turns */
} plane;

static lanes *at(size_t m, double *a, size_t i, size_t j)
{
  return (lanes *)(a + (i * m + j) * LANES);
}

/* The rotation that annihilates a[p, q]. Does any lane turn? */
static bool find_angle(size_t m, double *a, plane *r)
{
  const double *app = (double *)at(m, a, r->p, r->p), *aqq = (double *)at(m, a, r->q, r->q),
               *apq = (double *)at(m, a, r->p, r->q);
  int turning = 0;
  for (int l = 0; l < LANES; l++) {
    bool still = apq[l] * apq[l] <= small * fabs(app[l] * aqq[l]);
    double divisor = still ? 1 : 2 * apq[l], tau = (aqq[l] - app[l]) / divisor;
    double turn = (tau < 0 ? -1.0 : 1.0) / (fabs(tau) + sqrt(1 + tau * tau)), t = still ? 0 : turn;
    r->cosine[l] = 1 / sqrt(1 + t * t);
    r->sine[l] = t * r->cosine[l];
    r->p_moves[l] = t * apq[l];
    r->keeps[l] = t != 0 ? 0 : apq[l];
    turning |= !still;
  }
  return turning;
}

static inline void turn(lanes c, lanes s, lanes *x, lanes *y)
{
  lanes a = *x, b = *y;
  *x = c * a - s * b;
  *y = s * a + c * b;
}

/* The two by two elements in the rows of one plane and the columns of another, and their mirror images. */
static inline void turn_block(size_t m, double *a, const plane *r, const plane *k)
{
  lanes pp = *at(m, a, r->p, k->p), pq = *at(m, a, r->p, k->q), qp = *at(m, a, r->q, k->p), qq = *at(m, a, r->q, k->q);
  lanes c = *(const lanes *)k->cosine, s = *(const lanes *)k->sine;
  turn(c, s, &pp, &pq);
  turn(c, s, &qp, &qq);
  c = *(const lanes *)r->cosine;
  s = *(const lanes *)r->sine;
  turn(c, s, &pp, &qp);
  turn(c, s, &pq, &qq);
  *at(m, a, r->p, k->p) = *at(m, a, k->p, r->p) = pp;
  *at(m, a, r->p, k->q) = *at(m, a, k->q, r->p) = pq;
  *at(m, a, r->q, k->p) = *at(m, a, k->p, r->q) = qp;
  *at(m, a, r->q, k->q) = *at(m, a, k->q, r->q) = qq;
}

/* An axis that is in no plane, which an odd number of them leaves: the elements in its row, and mirrored. */
static inline void turn_axis(size_t m, double *a, const plane *r, size_t i)
{
  lanes p = *at(m, a, i, r->p), q = *at(m, a, i, r->q);
  turn(*(const lanes *)r->cosine, *(const lanes *)r->sine, &p, &q);
  *at(m, a, i, r->p) = *at(m, a, r->p, i) = p;
  *at(m, a, i, r->q) = *at(m, a, r->q, i) = q;
}

static void rotate(size_t m, size_t n, const plane *r, size_t alone, double *a, double *v)
{
  for (size_t i = 0; i < n; i++) {
    lanes moves = *(const lanes *)r[i].p_moves;
    *at(m, a, r[i].p, r[i].p) -= moves;
    *at(m, a, r[i].q, r[i].q) += moves;
    *at(m, a, r[i].p, r[i].q) = *at(m, a, r[i].q, r[i].p) = *(const lanes *)r[i].keeps;
    for (size_t k = 0; k < i; k++) turn_block(m, a, &r[i], &r[k]);
    if (alone < m) turn_axis(m, a, &r[i], alone);
  }
  for (size_t k = 0; k < m; k++)
    for (size_t i = 0; i < n; i++)
      turn(*(const lanes *)r[i].cosine, *(const lanes *)r[i].sine, at(m, v, k, r[i].p), at(m, v, k, r[i].q));
}

/* Number i of the axes around a table, turned by `round` places; the first one keeps its seat. */
static size_t seat(size_t i, size_t round, size_t seats)
{
  return i ? 1 + (i - 1 + round) % (seats - 1) : 0;
}

/* All planes once, those of a round in pairs across the table; an odd number of axes leaves one seat empty. */
static bool sweep(size_t m, double *a, double *v)
{
  enum { MOST = 32 };
  plane r[MOST];
  size_t seats = m + m % 2;
  bool turning = false;
  for (size_t round = 0; round + 1 < seats; round++) {
    size_t n = 0, alone = m;
    bool any = false;
    for (size_t i = 0; i < seats / 2; i++) {
      size_t p = seat(i, round, seats), q = seat(seats - 1 - i, round, seats);
      if (p >= m || q >= m) {
        alone = p < m ? p : q;
        continue;
      }
      r[n] = (plane){.p = p < q ? p : q, .q = p < q ? q : p};
      any |= find_angle(m, a, &r[n++]);
    }
    if (any) rotate(m, n, r, alone, a, v);
    turning |= any;
  }
  return turning;
}

void gb_jacobi(size_t m, double *a, double *v)
{
  memset(v, 0, m * m * LANES * sizeof *v);
  for (size_t i = 0; i < m * LANES; i++) v[(i / LANES) * (m + 1) * LANES + i % LANES] = 1;
  for (int k = 0; k < MOST_SWEEPS && sweep(m, a, v); k++) {}
}
