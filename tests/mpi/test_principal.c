/* tests/mpi/test_principal.c - principal components on any number of ranks and by every route are those of one rank and
 * of LAPACK; and what is refused. */
#include "report/principal.h"

#include "base/rng.h"
#include "mpi/ranks.h"

void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
             const int *lwork, int *iwork, const int *liwork, int *info);

enum { ROWS = 700, WIDTH = 24, KEPT = 6 };

static double x[ROWS][WIDTH], lam[WIDTH], vector[WIDTH * WIDTH], mean[WIDTH];

/* Pairs of modes of equal variance, turned into each other, far from the origin; as single precision, as data sets are.
 */
static void make(size_t n, size_t width)
{
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < width; k++) {
      uint32_t r[4];
      gb_rng_words(gb_rng_key(11, GB_RNG_TEST, i, 0), (uint32_t)k * 4, 4, r);
      double sum = gb_rng_unit(r[0]) + gb_rng_unit(r[1]) + gb_rng_unit(r[2]) + gb_rng_unit(r[3]) - 2;
      x[i][k] = (float)(100 + (double)k + sum * pow(0.7, (double)(k / 2)));
    }
}

static void reference(int n, int width)
{
  static double work[1 << 14];
  static int integers[10 * WIDTH];
  int n_work = 1 << 14, n_int = 10 * WIDTH, info;
  for (int k = 0; k < width; k++) {
    mean[k] = 0;
    for (int i = 0; i < n; i++) mean[k] += x[i][k] / n;
  }
  for (int k = 0; k < width; k++)
    for (int j = 0; j < width; j++) {
      vector[k * width + j] = 0;
      for (int i = 0; i < n; i++) vector[k * width + j] += (x[i][k] - mean[k]) * (x[i][j] - mean[j]) / n;
    }
  dsyevd_("V", "L", &width, vector, &width, lam, work, &n_work, integers, &n_int, &info);
  CHECK(info == 0);
}

static gb_err read_array(void *of, size_t first, size_t n, double *out)
{
  size_t width = ((gb_samples *)of)->width;
  for (size_t i = 0; i < n; i++) memcpy(out + i * width, x[first + i], width * sizeof *out);
  return GB_OK;
}

static gb_samples samples(size_t n, size_t width)
{
  return (gb_samples){.name = "these", .n = n, .width = width, .read = read_array};
}

static double memory = 0x1p30;

static gb_err find(size_t n, size_t width, size_t kept, gb_route route, gb_principal *p)
{
  gb_samples s = samples(n, width);
  s.self = &s;
  return gb_principal_find(world, &s, kept, route, memory, p);
}

static void check(size_t n, size_t width, gb_route route)
{
  gb_principal p;
  double projector[WIDTH][WIDTH] = {{0}};
  size_t k = n < width ? n : width, kept = KEPT < k ? KEPT : k;
  CHECK_OK(find(n, width, KEPT, route, &p));
  CHECK(p.route == route && p.n == n && p.width == width && p.n_component == kept);
  for (size_t i = 0; i < width; i++) {
    CHECK_NEAR(p.mean[i], mean[i], 1e-10);
    CHECK_NEAR(p.lam[i], lam[width - 1 - i], 1e-10 * lam[width - 1]);
    CHECK(i + 1 < n || p.lam[i] == 0);
  }
  for (size_t c = 0; c < p.mine.count; c++)
    for (size_t i = 0; i < width; i++)
      for (size_t j = 0; j < width; j++) projector[i][j] += p.component[c * width + i] * p.component[c * width + j];
  gb_comm_sum(world, projector[0], WIDTH * WIDTH);
  if (n > width || kept < k) /* else the last one is anything orthogonal to the others */
    for (size_t i = 0; i < width; i++)
      for (size_t j = 0; j < width; j++) {
        double sum = 0;
        for (size_t c = 0; c < kept; c++)
          sum += vector[(width - 1 - c) * width + i] * vector[(width - 1 - c) * width + j];
        CHECK_NEAR(projector[i][j], sum, 1e-10);
      }
  gb_principal_free(&p);
}

static void every_route_agrees_with_lapack(void **state)
{
  static const size_t shapes[][2] = {{ROWS, WIDTH}, {40, WIDTH}, {25, WIDTH}, {11, WIDTH}, {2, 3}, {5, 1}, {ROWS, 2}};
  (void)state;
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    make(shapes[s][0], shapes[s][1]);
    reference((int)shapes[s][0], (int)shapes[s][1]);
    for (gb_route r = GB_ROUTE_COVARIANCE; r < GB_ROUTES; r++) check(shapes[s][0], shapes[s][1], r);
  }
}

/* With little memory samples come in many windows, the last one smaller. */
static void windows_add_up(void **state)
{
  (void)state;
  make(ROWS, WIDTH);
  reference(ROWS, WIDTH);
  memory = 2.5e5;
  for (gb_route r = GB_ROUTE_COVARIANCE; r < GB_ROUTES; r++) check(ROWS, WIDTH, r);
  memory = 0;
  check(ROWS, WIDTH, GB_ROUTE_COVARIANCE); /* one sample of each rank at a time */
  memory = 0x1p30;
}

static void the_shape_chooses(void **state)
{
  (void)state;
  CHECK(gb_principal_route(GB_ROUTE_AUTO, 1, 2000, 1000, 1e9) == GB_ROUTE_QR);
  CHECK(gb_principal_route(GB_ROUTE_AUTO, 1, 1999, 1000, 1e9) == GB_ROUTE_COVARIANCE);
  CHECK(gb_principal_route(GB_ROUTE_AUTO, 1, 2000000, 1000, 1e9) == GB_ROUTE_COVARIANCE); /* 16 GB */
  CHECK(gb_principal_route(GB_ROUTE_AUTO, 100, 2000000, 1000, 1e9) == GB_ROUTE_QR);
  CHECK(gb_principal_route(GB_ROUTE_AUTO, 100, 2000000, 1025, 1e9) == GB_ROUTE_COVARIANCE);
  CHECK(gb_principal_route(GB_ROUTE_SVD, 1, 10, 1000, 0) == GB_ROUTE_SVD);
}

/* Small modes: the covariance loses what is below rounding of the largest, the others keep it. */
static void squared_conditioning(void **state)
{
  gb_principal p;
  (void)state;
  make(ROWS, 2);
  for (size_t i = 0; i < ROWS; i++) {
    double t = sin((double)i), s = cos(3 * (double)i);
    x[i][0] = t + 1e-10 * s;
    x[i][1] = t - 1e-10 * s;
  }
  CHECK_OK(find(ROWS, 2, 2, GB_ROUTE_QR, &p));
  CHECK_NEAR(p.lam[1], 1e-20, 0.02e-20);
  gb_principal_free(&p);
  CHECK_OK(find(ROWS, 2, 2, GB_ROUTE_SVD, &p));
  CHECK_NEAR(p.lam[1], 1e-20, 0.02e-20);
  gb_principal_free(&p);
  CHECK_OK(find(ROWS, 2, 2, GB_ROUTE_COVARIANCE, &p));
  CHECK(p.lam[1] < 1e-15);
  gb_principal_free(&p);
}

static void refusals(void **state)
{
  gb_principal p;
  gb_samples s = samples(ROWS, WIDTH);
  (void)state;
  s.self = &s;
  make(ROWS, WIDTH);
  x[ROWS - 1][3] = NAN; /* which one rank alone sees */
  for (gb_route r = GB_ROUTE_COVARIANCE; r < GB_ROUTES; r++) {
    CHECK_ALL_FAIL(find(ROWS, WIDTH, 2, r, &p), GB_ERR_NUMERIC, "these: number 3 of sample 699 is not finite");
    gb_principal_free(&p);
  }
  x[0][0] = x[ROWS - 1][3] = INFINITY;
  CHECK_ALL_FAIL(find(ROWS, WIDTH, 2, GB_ROUTE_AUTO, &p), GB_ERR_NUMERIC, "is not finite");
  gb_principal_free(&p);
  CHECK_ALL_FAIL(find(1, WIDTH, 2, GB_ROUTE_AUTO, &p), GB_ERR_CONFIG, "these: 1 samples have no covariance");
  gb_principal_free(&p);
  for (size_t i = 0; i < ROWS; i++)
    for (size_t k = 0; k < WIDTH; k++) x[i][k] = (float)(0.1 * (double)k);
  for (gb_route r = GB_ROUTE_COVARIANCE; r < GB_ROUTES; r++) {
    CHECK_ALL_FAIL(find(ROWS, WIDTH, 2, r, &p), GB_ERR_NUMERIC, "all samples are equal");
    gb_principal_free(&p);
  }
  CHECK_ALL_FAIL(gb_principal_find(world, &s, 2, GB_ROUTE_SVD, 1e4, &p), GB_ERR_CONFIG,
                 "by the route svd, but 9.8 KiB");
  gb_principal_free(&p);
}

static const struct CMUnitTest tests[] = {TEST(every_route_agrees_with_lapack), TEST(windows_add_up),
                                          TEST(the_shape_chooses), TEST(squared_conditioning), TEST(refusals)};
RUN_ON_RANKS(tests)
