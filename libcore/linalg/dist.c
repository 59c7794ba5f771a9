/* linalg/dist.c - ScaLAPACK and BLACS behind a handle. */
#include "linalg/dist.h"

#include <dlfcn.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/watch.h"

/* The libraries come without a header. Names that begin with C are meant for C, the others are Fortran: all arguments
 * by address, 32-bit integers. */
int Csys2blacs_handle(MPI_Comm c);
void Cfree_blacs_system_handle(int handle);
void Cblacs_gridinit(int *context, const char *order, int rows, int columns);
void Cblacs_gridinfo(int context, int *rows, int *columns, int *row, int *column);
void Cblacs_gridexit(int context);
void Cpdgemr2d(int m, int n, const double *a, int ia, int ja, const int *desca, double *b, int ib, int jb,
               const int *descb, int context);
void pdsyrk_(const char *uplo, const char *trans, const int *n, const int *k, const double *alpha, const double *a,
             const int *ia, const int *ja, const int *desca, const double *beta, double *c, const int *ic,
             const int *jc, const int *descc);
void pdsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *ia, const int *ja,
              const int *desca, double *w, double *z, const int *iz, const int *jz, const int *descz, double *work,
              const int *lwork, int *iwork, const int *liwork, int *info);
void pdgesvd_(const char *jobu, const char *jobvt, const int *m, const int *n, double *a, const int *ia, const int *ja,
              const int *desca, double *s, double *u, const int *iu, const int *ju, const int *descu, double *vt,
              const int *ivt, const int *jvt, const int *descvt, double *work, const int *lwork, int *info);
void pdgeqrf_(const int *m, const int *n, double *a, const int *ia, const int *ja, const int *desca, double *tau,
              double *work, const int *lwork, int *info);
void pdlacpy_(const char *uplo, const int *m, const int *n, const double *a, const int *ia, const int *ja,
              const int *desca, double *b, const int *ib, const int *jb, const int *descb);
void pdtran_(const int *m, const int *n, const double *alpha, const double *a, const int *ia, const int *ja,
             const int *desca, const double *beta, double *c, const int *ic, const int *jc, const int *descc);

/* Most numbers that one call may move from one rank: the library counts bytes of its messages in 32 bits. */
#define MOST_MOVED ((size_t)1 << 27)

enum { BLOCK = 64, DESC = 9 };

typedef struct mesh {
  int context, rows, columns, row, column; /* row, column: of this rank */
} mesh;

struct gb_dist {
  gb_comm c;
  int handle;             /* of c */
  mesh grid, line, tower; /* of all ranks; line: 1 x ranks, tower: ranks x 1 */
};

struct gb_dist_matrix {
  gb_dist *d;
  int m, n, block, rows, columns; /* rows, columns: of the part of this rank */
  int desc[DESC];
  double *v; /* [columns, rows], column after column */
};

static const int one = 1;

/* A call of the library that gives the watchdog no sign: it may take what a tenth of a slow core would need. */
static void begin_long(const gb_dist *d, const char *routine, double flops)
{
  gb_watch_long(routine, flops / (1e8 * d->c.size));
}

static double product(int a, int b, int c)
{
  return (double)a * b * c;
}

static size_t larger(size_t a, size_t b)
{
  return a > b ? a : b;
}

static int smaller(int a, int b)
{
  return a < b ? a : b;
}

static mesh make_mesh(int handle, int rows, int columns)
{
  mesh g = {.context = handle};
  Cblacs_gridinit(&g.context, "Row-major", rows, columns);
  Cblacs_gridinfo(g.context, &g.rows, &g.columns, &g.row, &g.column);
  return g;
}

/* Threads of the BLAS: the cores of a machine, divided by its ranks, unless the user has said how many. */
static void share_cores(gb_comm c)
{
  void (*set)(int) = NULL;
  *(void **)&set = dlsym(RTLD_DEFAULT, "openblas_set_num_threads");
  gb_comm machine = gb_comm_machine(c);
  long cores = sysconf(_SC_NPROCESSORS_ONLN) / machine.size;
  gb_comm_close(&machine);
  if (set && !getenv("OPENBLAS_NUM_THREADS") && !getenv("OMP_NUM_THREADS")) set(cores > 1 ? (int)cores : 1);
}

gb_err gb_dist_open(gb_comm c, int rows, int columns, gb_dist **out)
{
  gb_dist *d = NULL;
  *out = NULL;
  if (!rows && !columns)
    for (int k = 1; k * k <= c.size; k++)
      if (c.size % k == 0) rows = k;
  if (!columns && rows) columns = c.size / rows;
  gb_err e = rows > 0 && columns > 0 && rows * columns == c.size
                 ? gb_new(&d, 1)
                 : GB_FAIL(GB_ERR_CONFIG, "a grid of %d x %d has not the %d ranks there are", rows, columns, c.size);
  GB_TRY(gb_comm_agree(c, e));
  d->c = c;
  d->handle = Csys2blacs_handle(c.mpi);
  d->grid = make_mesh(d->handle, rows, columns);
  d->line = make_mesh(d->handle, 1, c.size);
  d->tower = make_mesh(d->handle, c.size, 1);
  share_cores(c);
  *out = d;
  return GB_OK;
}

/* BLACS itself stays as it is, since other grids may be open: it is never asked to end, and so never ends MPI. */
void gb_dist_close(gb_dist **dist)
{
  gb_dist *d = *dist;
  if (!d) return;
  Cblacs_gridexit(d->tower.context);
  Cblacs_gridexit(d->line.context);
  Cblacs_gridexit(d->grid.context);
  Cfree_blacs_system_handle(d->handle);
  gb_free(dist);
}

void gb_dist_shape(const gb_dist *d, int *rows, int *columns)
{
  *rows = d->grid.rows;
  *columns = d->grid.columns;
}

/* Of n indices in blocks dealt to p ranks, how many rank `mine` has (numroc). */
static size_t local(size_t n, size_t block, int mine, int p)
{
  size_t blocks = n / block, most = blocks / (size_t)p, extra = blocks % (size_t)p;
  size_t own = most * block;
  if ((size_t)mine < extra) return own + block;
  return (size_t)mine == extra ? own + n % block : own;
}

/* Blocks of a small matrix are smaller, so that all ranks have a part. */
static size_t block_of(const gb_dist *d, size_t m, size_t n)
{
  size_t p = (size_t)(d->grid.rows > d->grid.columns ? d->grid.rows : d->grid.columns),
         most = ((m < n ? m : n) + p - 1) / p;
  return most < BLOCK ? most : BLOCK;
}

static void describe(int desc[DESC], const mesh *g, size_t m, size_t n, size_t mb, size_t nb, size_t rows)
{
  const int of[DESC] = {1, g->context, (int)m, (int)n, (int)mb, (int)nb, 0, 0, (int)larger(rows, 1)};
  for (int i = 0; i < DESC; i++) desc[i] = of[i];
}

gb_err gb_dist_create(gb_dist *d, size_t m, size_t n, gb_dist_matrix **out)
{
  gb_dist_matrix *a = NULL;
  size_t b = block_of(d, m, n);
  size_t rows = local(m, b, d->grid.row, d->grid.rows), columns = local(n, b, d->grid.column, d->grid.columns);
  size_t most_rows = local(m, b, 0, d->grid.rows), most_columns = local(n, b, 0, d->grid.columns);
  gb_err e = GB_OK;
  *out = NULL;
  GB_ASSERT(m && n);
  if (m > INT_MAX || n > INT_MAX || most_columns > INT_MAX / larger(most_rows, 1))
    e = GB_FAIL(GB_ERR_CONFIG,
                "a matrix of %zu x %zu over %d ranks has more than %d numbers on a rank, the most ScaLAPACK can count. "
                "Use more ranks, or smaller or fewer samples.",
                m, n, d->c.size, INT_MAX);
  if (!e) e = gb_new(&a, 1);
  if (!e) e = gb_new(&a->v, larger(rows * columns, 1));
  e = gb_comm_agree(d->c, e);
  if (e) {
    gb_dist_destroy(&a);
    return e;
  }
  a->d = d;
  a->m = (int)m;
  a->n = (int)n;
  a->block = (int)b;
  a->rows = (int)rows;
  a->columns = (int)columns;
  describe(a->desc, &d->grid, m, n, b, b, rows);
  *out = a;
  return GB_OK;
}

void gb_dist_destroy(gb_dist_matrix **matrix)
{
  if (!*matrix) return;
  gb_free(&(*matrix)->v);
  gb_free(matrix);
}

/* The largest piece of all ranks'. */
static size_t largest_piece(const gb_dist *d, size_t count)
{
  return (count + (size_t)d->c.size - 1) / (size_t)d->c.size;
}

gb_range gb_dist_piece(const gb_dist *d, size_t count)
{
  size_t most = largest_piece(d, count), first = most * (size_t)d->c.rank;
  if (first >= count) return (gb_range){count, 0};
  return (gb_range){first, count - first < most ? count - first : most};
}

/* Largest piece of `count` items of `width` numbers, if it can be moved. */
static gb_err check_piece(const gb_dist *d, size_t count, size_t width, size_t *most)
{
  *most = largest_piece(d, count);
  GB_ASSERT(count);
  GB_CHECK(width * *most <= MOST_MOVED, GB_ERR_CONFIG,
           "%zu vectors of %zu numbers on a rank are too many to be moved at once by ScaLAPACK, whose messages have at "
           "most %zu numbers. Use more ranks, or fewer of them.",
           *most, width, MOST_MOVED);
  return GB_OK;
}

/* The pieces as columns of a matrix over the line of ranks. */
static gb_err describe_pieces(const gb_dist_matrix *a, size_t first, size_t count, int desc[DESC])
{
  size_t m = (size_t)a->m, most;
  GB_ASSERT(first + count <= (size_t)a->n);
  GB_TRY(check_piece(a->d, count, m, &most));
  describe(desc, &a->d->line, m, count, m, most, m);
  return GB_OK;
}

gb_err gb_dist_put(gb_dist_matrix *a, size_t first, size_t count, const double *mine)
{
  int desc[DESC];
  GB_TRY(gb_comm_agree(a->d->c, describe_pieces(a, first, count, desc)));
  Cpdgemr2d(a->m, (int)count, mine, 1, 1, desc, a->v, 1, (int)first + 1, a->desc, a->d->line.context);
  return GB_OK;
}

gb_err gb_dist_get(const gb_dist_matrix *a, size_t first, size_t count, double *mine)
{
  int desc[DESC];
  GB_TRY(gb_comm_agree(a->d->c, describe_pieces(a, first, count, desc)));
  Cpdgemr2d(a->m, (int)count, a->v, 1, (int)first + 1, a->desc, mine, 1, 1, desc, a->d->line.context);
  return GB_OK;
}

/* Column after column, as the library wants them. */
static void transpose(size_t rows, size_t columns, const double *restrict from, double *restrict to)
{
  enum { TILE = 16 };
  for (size_t i0 = 0; i0 < rows; i0 += TILE)
    for (size_t j0 = 0; j0 < columns; j0 += TILE)
      for (size_t i = i0; i < rows && i < i0 + TILE; i++)
        for (size_t j = j0; j < columns && j < j0 + TILE; j++) to[j * rows + i] = from[i * columns + j];
}

gb_err gb_dist_put_rows(gb_dist_matrix *a, size_t first, size_t count, const double *mine)
{
  const gb_dist *d = a->d;
  size_t n = (size_t)a->n, most;
  gb_range piece = gb_dist_piece(d, count);
  double *columns = NULL;
  int desc[DESC];
  GB_ASSERT(first + count <= (size_t)a->m);
  gb_err e = check_piece(d, count, n, &most);
  if (!e) e = gb_new(&columns, larger(piece.count * n, 1));
  e = gb_comm_agree(d->c, e);
  if (!e) {
    transpose(piece.count, n, mine, columns);
    describe(desc, &d->tower, count, n, most, n, piece.count);
    Cpdgemr2d((int)count, a->n, columns, 1, 1, desc, a->v, (int)first + 1, 1, a->desc, d->tower.context);
  }
  gb_free(&columns);
  return e;
}

void gb_dist_square(double scale, const gb_dist_matrix *a, size_t columns, double keep, gb_dist_matrix *c)
{
  int k = (int)columns;
  GB_ASSERT(a->m == c->m && c->m == c->n && k <= a->n);
  begin_long(a->d, "pdsyrk", product(a->m, a->m, k));
  pdsyrk_("L", "N", &c->m, &k, &scale, a->v, &one, &one, a->desc, &keep, c->v, &one, &one, c->desc);
}

/* Room for n numbers, of which a library told as a double how many it wants. */
static gb_err make_work(const gb_dist *d, double wanted, double **work, int *n)
{
  gb_err e = wanted < INT_MAX ? gb_new(work, (size_t)larger((size_t)wanted, 1))
                              : GB_FAIL(GB_ERR_CONFIG,
                                        "ScaLAPACK wants %.0f numbers of work space on a rank, but can count only %d. "
                                        "Use more ranks.",
                                        wanted, INT_MAX);
  *n = (int)wanted;
  return gb_comm_agree(d->c, e);
}

/* Ranks may have found different things. */
static gb_err check_info(const gb_dist *d, const char *routine, int info)
{
  GB_ASSERT(info >= 0); /* an argument */
  return gb_comm_agree(
      d->c, info ? GB_FAIL(GB_ERR_NUMERIC, "%s of ScaLAPACK did not converge: info = %d", routine, info) : GB_OK);
}

/* What pdormtr needs inside of pdsyevd (its documentation), for which the answer of pdsyevd to a query has no room if
 * the matrix is small: it then complains, and the vectors are wrong, but info is 0. */
static double back_transformation(const gb_dist_matrix *a)
{
  double b = a->block, m = a->m + b;
  return b * (2 * m + b) + 4 * m;
}

gb_err gb_dist_eigen(gb_dist_matrix *a, double *value, gb_dist_matrix *vector)
{
  const gb_dist *d = a->d;
  int info = 0, n_work = -1, n_integers = -1, *integers = NULL;
  double query = 0, *work = NULL;
  gb_err e = GB_OK;
  GB_ASSERT(a->m == a->n && vector->m == a->m && vector->n == a->m);
  for (size_t i = 0; i < (size_t)a->rows * (size_t)a->columns; i++)
    a->v[i] = -a->v[i]; /* eigenvalues come increasing */
  pdsyevd_("V", "L", &a->m, a->v, &one, &one, a->desc, value, vector->v, &one, &one, vector->desc, &query, &n_work,
           &n_integers, &n_integers, &info);
  GB_TRY(check_info(d, "pdsyevd", info));
  n_integers = 7 * a->m + 8 * d->grid.columns + 2;
  GB_GOTO(e, make_work(d, query + back_transformation(a), &work, &n_work), done);
  GB_GOTO(e, gb_comm_agree(d->c, gb_new(&integers, (size_t)n_integers)), done);
  begin_long(d, "pdsyevd", 10 * product(a->m, a->m, a->m));
  pdsyevd_("V", "L", &a->m, a->v, &one, &one, a->desc, value, vector->v, &one, &one, vector->desc, work, &n_work,
           integers, &n_integers, &info);
  GB_GOTO(e, check_info(d, "pdsyevd", info), done);
  for (int i = 0; i < a->m; i++) value[i] = -value[i];
  gb_comm_bcast(d->c, value, (size_t)a->m * sizeof *value);
done:
  gb_free(&work);
  gb_free(&integers);
  return e;
}

/* All ranks take the values of rank 0. pdgesvd reports info = k + 1 if they differ in any bit: they do where a rank
 * holds no part of the vectors, since dbdsqr then takes another way (dlasq1). That is no failure while they differ by
 * rounding.
 * @param[out] scratch [k] */
static gb_err same_values(const gb_dist *d, int k, int info, double *value, double *scratch)
{
  double off = 0;
  for (int i = 0; i < k; i++) scratch[i] = value[i];
  gb_comm_bcast(d->c, value, (size_t)k * sizeof *value);
  for (int i = 0; i < k; i++) off = fmax(off, fabs(scratch[i] - value[i]));
  gb_comm_max(d->c, &off, 1);
  return check_info(d, "pdgesvd", info == k + 1 && off <= 1e-13 * k * value[0] ? 0 : info);
}

gb_err gb_dist_svd(gb_dist_matrix *a, double *value, gb_dist_matrix *vector)
{
  const gb_dist *d = a->d;
  int info = 0, n_work = -1, none[DESC], k = smaller(a->m, a->n);
  double query = 0, unused = 0, *work = NULL;
  GB_ASSERT(vector->m == a->m && vector->n == k);
  describe(none, &d->grid, (size_t)k, (size_t)a->n, (size_t)a->block, (size_t)a->block, (size_t)k);
  pdgesvd_("V", "N", &a->m, &a->n, a->v, &one, &one, a->desc, value, vector->v, &one, &one, vector->desc, &unused, &one,
           &one, none, &query, &n_work, &info);
  GB_TRY(check_info(d, "pdgesvd", info));
  GB_TRY(make_work(d, query, &work, &n_work));
  begin_long(d, "pdgesvd", 20 * product(a->m, a->n, k));
  pdgesvd_("V", "N", &a->m, &a->n, a->v, &one, &one, a->desc, value, vector->v, &one, &one, vector->desc, &unused, &one,
           &one, none, work, &n_work, &info);
  gb_err e = same_values(d, k, info, value, work);
  gb_free(&work);
  return e;
}

gb_err gb_dist_triangle(gb_dist_matrix *a, gb_dist_matrix *l)
{
  gb_dist *d = a->d;
  gb_dist_matrix *r = NULL;
  const double unit = 1, zero = 0;
  int info = 0, n_work = -1, k = smaller(a->m, a->n);
  double query = 0, *work = NULL, *tau = NULL;
  gb_err e = GB_OK;
  GB_ASSERT(l->m == a->n && l->n == k);
  pdgeqrf_(&a->m, &a->n, a->v, &one, &one, a->desc, &query, &query, &n_work, &info);
  GB_TRY(check_info(d, "pdgeqrf", info));
  GB_GOTO(e, make_work(d, query, &work, &n_work), done);
  GB_GOTO(e, gb_comm_agree(d->c, gb_new(&tau, larger((size_t)a->columns, 1))), done);
  GB_GOTO(e, gb_dist_create(d, (size_t)k, (size_t)a->n, &r), done);
  begin_long(d, "pdgeqrf", 4 * product(a->m, a->n, k));
  pdgeqrf_(&a->m, &a->n, a->v, &one, &one, a->desc, tau, work, &n_work, &info);
  GB_GOTO(e, check_info(d, "pdgeqrf", info), done);
  pdlacpy_("U", &k, &a->n, a->v, &one, &one, a->desc, r->v, &one, &one, r->desc);
  pdtran_(&l->m, &k, &unit, r->v, &one, &one, r->desc, &zero, l->v, &one, &one, l->desc);
done:
  gb_dist_destroy(&r);
  gb_free(&work);
  gb_free(&tau);
  return e;
}
