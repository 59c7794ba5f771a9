/* tests/mpi/test_dist.c - ScaLAPACK on every grid there is against LAPACK on one rank: eigenvalues, singular values,
 * and projectors on spaces that no multiplet is cut by. */
#include "linalg/dist.h"

#include "base/rng.h"
#include "mpi/ranks.h"

void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
             const int *lwork, int *iwork, const int *liwork, int *info);
void dgesvd_(const char *jobu, const char *jobvt, const int *m, const int *n, double *a, const int *lda, double *s,
             double *u, const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork, int *info);

enum { MOST = 150, WIDE = 331 };

static double data[WIDE * MOST], square[MOST * MOST], lam[MOST], sig[MOST], left[MOST * MOST], vec[MOST * MOST],
    work[1 << 18], mine[WIDE * MOST], all[WIDE * MOST], w[MOST];
static int integers[10 * MOST];

/* Samples in columns: standard normal numbers with variances that fall, in pairs of equal ones. */
static void make(size_t m, size_t n)
{
  for (size_t j = 0; j < n; j++)
    for (size_t i = 0; i < m; i++) {
      uint32_t r[2];
      gb_rng_words(gb_rng_key(7, GB_RNG_TEST, j, 0), 2 * i, 2, r);
      data[j * m + i] =
          sqrt(-2 * log(1 - gb_rng_unit(r[0]))) * cos(2 * M_PI * gb_rng_unit(r[1])) / (1 + (double)(i / 2));
    }
}

/* By LAPACK on this rank. */
static void reference(int m, int n)
{
  int n_work = (int)(sizeof work / sizeof *work), n_int = 10 * MOST, info;
  for (int j = 0; j < m; j++)
    for (int i = 0; i < m; i++) {
      double sum = 0;
      for (int k = 0; k < n; k++) sum += data[k * m + i] * data[k * m + j];
      square[j * m + i] = sum;
    }
  memcpy(vec, square, sizeof vec);
  dsyevd_("V", "L", &m, vec, &m, lam, work, &n_work, integers, &n_int, &info);
  CHECK(info == 0);
  memcpy(all, data, (size_t)(m * n) * sizeof *all);
  int k = m < n ? m : n, unused = 1;
  dgesvd_("S", "N", &m, &n, all, &m, sig, left, &m, NULL, &unused, work, &n_work, &info);
  CHECK(info == 0 && k <= m);
}

/* max |U U' - V V'| over the first k columns of u, and those of v: first, first + step, ... */
static double projectors_differ(int m, int k, const double *u, const double *v, int first, int step)
{
  double most = 0;
  for (int i = 0; i < m; i++)
    for (int j = 0; j <= i; j++) {
      double d = 0;
      for (int c = 0; c < k; c++) {
        const double *b = v + (first + step * c) * m;
        d += u[c * m + i] * u[c * m + j] - b[i] * b[j];
      }
      most = fabs(d) > most ? fabs(d) : most;
    }
  return most;
}

/* All columns of a on all ranks. */
static void collect(const gb_dist *d, const gb_dist_matrix *a, size_t m, size_t n)
{
  gb_range r = gb_dist_piece(d, n);
  CHECK_OK(gb_dist_get(a, 0, n, mine));
  memset(all, 0, sizeof all);
  memcpy(all + r.first * m, mine, r.count * m * sizeof *all);
  gb_comm_merge(world, all, n * m);
}

/* Samples in two windows, the second one smaller, as columns or as rows. */
static void put_all(gb_dist *d, size_t m, size_t n, bool rows, gb_dist_matrix *a)
{
  size_t half = n > 1 ? n * 2 / 3 : 1;
  for (size_t first = 0, count = half; first < n; first += count) {
    count = n - first < half ? n - first : half;
    gb_range r = gb_dist_piece(d, count);
    CHECK_OK((rows ? gb_dist_put_rows : gb_dist_put)(a, first, count, data + (first + r.first) * m));
  }
}

static void check_eigen(gb_dist *d, int m, int n)
{
  gb_dist_matrix *a, *c, *v;
  CHECK_OK(gb_dist_create(d, (size_t)m, (size_t)n, &a));
  CHECK_OK(gb_dist_create(d, (size_t)m, (size_t)m, &c));
  CHECK_OK(gb_dist_create(d, (size_t)m, (size_t)m, &v));
  put_all(d, (size_t)m, (size_t)n, false, a);
  collect(d, a, (size_t)m, (size_t)n);
  CHECK(!memcmp(all, data, (size_t)(m * n) * sizeof *all)); /* there and back */
  size_t part = (size_t)(n + 1) / 2;
  gb_dist_square(0.25, a, part, 0, c);
  put_all(d, (size_t)m, (size_t)n, false, a);
  gb_dist_square(1, a, part, 0, c); /* what was there is forgotten */
  gb_range r = gb_dist_piece(d, (size_t)n - part);
  if ((size_t)n > part) {
    CHECK_OK(gb_dist_put(a, 0, (size_t)n - part, data + (part + r.first) * (size_t)m));
    gb_dist_square(1, a, (size_t)n - part, 1, c);
  }
  CHECK_OK(gb_dist_eigen(c, w, v));
  for (int i = 0; i < m; i++) CHECK_NEAR(w[i], lam[m - 1 - i], 1e-10 * lam[m - 1]);
  collect(d, v, (size_t)m, (size_t)m);
  int k = m < 4 ? m : 4; /* pairs of variances are equal before sampling; after it nothing is, but much is near */
  CHECK(projectors_differ(m, k, all, vec, m - 1, -1) < 1e-10);
  CHECK(projectors_differ(m, m, all, vec, 0, 1) < 1e-10);
  gb_dist_destroy(&a);
  gb_dist_destroy(&c);
  gb_dist_destroy(&v);
}

static void check_svd(gb_dist *d, int m, int n, bool triangle)
{
  gb_dist_matrix *a, *l = NULL, *u;
  int k = m < n ? m : n;
  CHECK_OK(gb_dist_create(d, (size_t)(triangle ? n : m), (size_t)(triangle ? m : n), &a));
  CHECK_OK(gb_dist_create(d, (size_t)m, (size_t)k, &u));
  put_all(d, (size_t)m, (size_t)n, triangle, a);
  if (triangle) {
    CHECK_OK(gb_dist_create(d, (size_t)m, (size_t)k, &l));
    CHECK_OK(gb_dist_triangle(a, l));
  }
  CHECK_OK(gb_dist_svd(triangle ? l : a, w, u));
  for (int i = 0; i < k; i++) CHECK_NEAR(w[i], sig[i], 1e-10 * sig[0]);
  collect(d, u, (size_t)m, (size_t)k);
  CHECK(projectors_differ(m, k < 4 ? k : 4, all, left, 0, 1) < 1e-10);
  gb_dist_destroy(&a);
  gb_dist_destroy(&l);
  gb_dist_destroy(&u);
}

static void equals_lapack_on_all_grids(void **state)
{
  static const int shapes[][2] = {{1, 1}, {1, 7}, {2, 1}, {2, 5}, {3, 40}, {9, 4}, {30, 331}, {150, 331}, {150, 90}};
  (void)state;
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    int m = shapes[s][0], n = shapes[s][1];
    make((size_t)m, (size_t)n);
    reference(m, n);
    for (int rows = 1; rows <= world.size; rows++) {
      if (world.size % rows) continue;
      gb_dist *d;
      CHECK_OK(gb_dist_open(world, rows, world.size / rows, &d));
      if (n >= m) check_eigen(d, m, n); /* else values are 0 and spaces of them arbitrary */
      check_svd(d, m, n, false);
      check_svd(d, m, n, true);
      gb_dist_close(&d);
      CHECK(!d);
    }
  }
}

static void is_square_where_it_can_be(void **state)
{
  static const int expected[5][2] = {{0, 0}, {1, 1}, {1, 2}, {1, 3}, {2, 2}};
  gb_dist *d;
  int rows, columns;
  (void)state;
  CHECK_OK(gb_dist_open(world, 0, 0, &d));
  gb_dist_shape(d, &rows, &columns);
  CHECK(rows == expected[world.size][0] && columns == expected[world.size][1]);
  gb_dist_close(&d);
  gb_dist_close(&d); /* nothing left to close */
}

/* Groups of ranks at the same time, as trials of a sweep are. */
static void works_on_a_part_of_the_ranks(void **state)
{
  gb_comm part = gb_comm_split(world, world.rank % 2, 0);
  gb_dist *d;
  gb_dist_matrix *a, *v;
  double value[5];
  (void)state;
  CHECK_OK(gb_dist_open(part, 0, 0, &d));
  CHECK_OK(gb_dist_create(d, 5, 5, &a));
  CHECK_OK(gb_dist_create(d, 5, 5, &v));
  gb_range r = gb_dist_piece(d, 5);
  for (size_t i = 0; i < r.count * 5; i++) mine[i] = 0;
  for (size_t i = 0; i < r.count; i++) mine[i * 5 + r.first + i] = (double)(r.first + i) + world.rank % 2;
  CHECK_OK(gb_dist_put(a, 0, 5, mine));
  CHECK_OK(gb_dist_eigen(a, value, v));
  for (int i = 0; i < 5; i++) CHECK_NEAR(value[i], 4 - i + world.rank % 2, 1e-12);
  gb_dist_destroy(&a);
  gb_dist_destroy(&v);
  gb_dist_close(&d);
  gb_comm_close(&part);
}

static void refuses_what_it_cannot_count(void **state)
{
  gb_dist *d;
  gb_dist_matrix *a;
  (void)state;
  CHECK_ALL_FAIL(gb_dist_open(world, 2, world.size, &d), GB_ERR_CONFIG, "a grid of 2 x");
  CHECK_OK(gb_dist_open(world, 0, 0, &d));
  CHECK_ALL_FAIL(gb_dist_create(d, 1u << 20, 1u << 20, &a), GB_ERR_CONFIG, "Use more ranks");
  CHECK(!a);
  CHECK_ALL_FAIL(gb_dist_create(d, 1, (size_t)1 << 33, &a), GB_ERR_CONFIG, "8589934592");
  gb_dist_close(&d);
}

static const struct CMUnitTest tests[] = {TEST(equals_lapack_on_all_grids), TEST(is_square_where_it_can_be),
                                          TEST(works_on_a_part_of_the_ranks), TEST(refuses_what_it_cannot_count)};
RUN_ON_RANKS(tests)
