/* report/principal.c - from samples, window by window, to eigenvalues. */
#include "report/principal.h"

#include <float.h>
#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "linalg/dist.h"

const char *const gb_route_name[GB_ROUTES] = {"auto", "covariance", "qr", "svd"};

enum { WINDOW = 1 << 21 }; /* most numbers that a rank reads and moves at once */

/* All that the steps below share. */
typedef struct finder {
  gb_comm c;
  const gb_samples *of;
  gb_principal *p;
  gb_dist *d;
  size_t most;    /* samples of a rank in a window */
  double *window; /* [most, width] */
  double since;   /* when the present part of the work began */
} finder;

static size_t least(size_t a, size_t b)
{
  return a < b ? a : b;
}

/* Samples of a rank in a window: a piece of all, if that is small; few where memory is. */
static size_t window_rows(int ranks, size_t n, size_t width, double memory)
{
  size_t share = (n + (size_t)ranks - 1) / (size_t)ranks, rows = (size_t)fmin(WINDOW, memory / 128) / width;
  return least(share, rows ? rows : 1);
}

gb_route gb_principal_route(gb_route wanted, int ranks, size_t n, size_t width, double memory)
{
  if (wanted != GB_ROUTE_AUTO) return wanted;
  return n / 2 >= width && width <= GB_QR_MOST && gb_principal_bytes(GB_ROUTE_QR, ranks, n, width, memory) <= memory
             ? GB_ROUTE_QR
             : GB_ROUTE_COVARIANCE;
}

/* Matrices, vectors, and work space of about two more. */
double gb_principal_bytes(gb_route route, int ranks, size_t n, size_t width, double memory)
{
  double square = (double)width * (double)width, all = (double)n * (double)width;
  double numbers = 5 * square + (route == GB_ROUTE_COVARIANCE ? 0 : all);
  double window = (double)window_rows(ranks, n, width, memory) * (double)width;
  return sizeof(double) * (numbers / ranks + 2 * window);
}

/* Time since the last call belongs to a part. */
static void count_time(finder *f, int part)
{
  double now = gb_clock_now();
  f->p->seconds[part] += now - f->since;
  f->since = now;
}

static gb_err check_finite(const finder *f, size_t first, size_t n)
{
  size_t width = f->of->width;
  for (size_t i = 0; i < n * width; i++)
    GB_CHECK(isfinite(f->window[i]), GB_ERR_NUMERIC,
             "%s: number %zu of sample %zu is not finite. Generate the data anew, or leave such samples out.",
             f->of->name, i % width, first + i / width);
  return GB_OK;
}

/* My part of the window that starts at a sample. Collective over c. */
static gb_err read_window(finder *f, size_t first, size_t count, gb_range *mine)
{
  *mine = gb_dist_piece(f->d, count);
  gb_err e = mine->count ? f->of->read(f->of->self, first + mine->first, mine->count, f->window) : GB_OK;
  if (!e) e = check_finite(f, first + mine->first, mine->count);
  e = gb_comm_agree(f->c, e);
  count_time(f, GB_PART_READ);
  return e;
}

static size_t window_at(const finder *f, size_t first)
{
  return least(f->most * (size_t)f->c.size, f->of->n - first);
}

/* Exact for samples that are all equal: floats add up without rounding as long as they are equal and few. */
static gb_err find_mean(finder *f)
{
  size_t width = f->of->width, n = f->of->n;
  double *mean = f->p->mean;
  gb_range mine;
  for (size_t first = 0, count; first < n; first += count) {
    count = window_at(f, first);
    GB_TRY(read_window(f, first, count, &mine));
    for (size_t i = 0; i < mine.count; i++)
      for (size_t k = 0; k < width; k++) mean[k] += f->window[i * width + k];
  }
  gb_comm_sum(f->c, mean, width);
  for (size_t k = 0; k < width; k++) mean[k] /= (double)n;
  return GB_OK;
}

/* The window without its mean, as columns or rows [at, at + count) of a. */
static gb_err put_window(finder *f, size_t first, size_t count, bool rows, size_t at, gb_dist_matrix *a)
{
  size_t width = f->of->width;
  gb_range mine;
  GB_TRY(read_window(f, first, count, &mine));
  for (size_t i = 0; i < mine.count; i++)
    for (size_t k = 0; k < width; k++) f->window[i * width + k] -= f->p->mean[k];
  GB_TRY((rows ? gb_dist_put_rows : gb_dist_put)(a, at, count, f->window));
  count_time(f, GB_PART_MOVE);
  return GB_OK;
}

/* c = covariance, its lower triangle. */
static gb_err add_covariance(finder *f, gb_dist_matrix *c)
{
  size_t n = f->of->n;
  gb_dist_matrix *a = NULL;
  gb_err e = GB_OK;
  GB_TRY(gb_dist_create(f->d, f->of->width, least(n, f->most * (size_t)f->c.size), &a));
  for (size_t first = 0, count; first < n; first += count) {
    count = window_at(f, first);
    GB_GOTO(e, put_window(f, first, count, false, 0, a), done);
    gb_dist_square(1 / (double)n, a, count, 1, c);
    count_time(f, GB_PART_PRODUCTS);
  }
done:
  gb_dist_destroy(&a);
  return e;
}

/* The first components from the columns of v. */
static gb_err keep(finder *f, const gb_dist_matrix *v)
{
  gb_principal *p = f->p;
  p->mine = gb_dist_piece(f->d, p->n_component);
  GB_TRY(gb_comm_agree(f->c, gb_new(&p->component, p->mine.count * p->width)));
  return p->n_component ? gb_dist_get(v, 0, p->n_component, p->component) : GB_OK;
}

static gb_err by_covariance(finder *f)
{
  gb_principal *p = f->p;
  gb_dist_matrix *c = NULL, *v = NULL;
  gb_err e = GB_OK;
  GB_GOTO(e, gb_dist_create(f->d, p->width, p->width, &c), done);
  GB_GOTO(e, gb_dist_create(f->d, p->width, p->width, &v), done);
  GB_GOTO(e, add_covariance(f, c), done);
  GB_GOTO(e, gb_dist_eigen(c, p->lam, v), done);
  count_time(f, GB_PART_VALUES);
  GB_GOTO(e, keep(f, v), done);
done:
  gb_dist_destroy(&c);
  gb_dist_destroy(&v);
  return e;
}

/* Singular values of the matrix whose columns are samples; or of the triangle of one whose rows are. */
static gb_err by_singular_values(finder *f)
{
  gb_principal *p = f->p;
  size_t k = least(p->n, p->width);
  gb_dist_matrix *a = NULL, *l = NULL, *u = NULL;
  gb_err e = GB_OK;
  bool rows = p->route == GB_ROUTE_QR;
  GB_GOTO(e, gb_dist_create(f->d, rows ? p->n : p->width, rows ? p->width : p->n, &a), done);
  for (size_t first = 0, count; first < p->n; first += count) {
    count = window_at(f, first);
    GB_GOTO(e, put_window(f, first, count, rows, first, a), done);
  }
  if (rows) {
    GB_GOTO(e, gb_dist_create(f->d, p->width, k, &l), done);
    GB_GOTO(e, gb_dist_triangle(a, l), done);
    gb_dist_destroy(&a);
    count_time(f, GB_PART_PRODUCTS);
  }
  GB_GOTO(e, gb_dist_create(f->d, p->width, k, &u), done);
  GB_GOTO(e, gb_dist_svd(l ? l : a, p->lam, u), done);
  for (size_t i = 0; i < k; i++) p->lam[i] *= p->lam[i] / (double)p->n;
  count_time(f, GB_PART_VALUES);
  GB_GOTO(e, keep(f, u), done);
done:
  gb_dist_destroy(&a);
  gb_dist_destroy(&l);
  gb_dist_destroy(&u);
  return e;
}

/* n samples less their mean have rank n - 1 at most; what is below rounding is 0. */
static void clean(gb_principal *p)
{
  double larger = (double)(p->n > p->width ? p->n : p->width), rounding = larger * DBL_EPSILON;
  if (p->route != GB_ROUTE_COVARIANCE) rounding *= rounding; /* of singular values, whose squares these are */
  for (size_t i = 0; i < p->width; i++)
    if (i + 1 >= p->n || p->lam[i] <= rounding * p->lam[0]) p->lam[i] = 0;
}

static gb_err check(const gb_samples *s, int ranks, gb_route route, double memory)
{
  char a[32], b[32];
  double bytes = gb_principal_bytes(route, ranks, s->n, s->width, memory);
  GB_CHECK(s->n >= 2, GB_ERR_CONFIG, "%s: %zu samples have no covariance. Take more of them.", s->name, s->n);
  GB_CHECK(route == GB_ROUTE_COVARIANCE || bytes <= memory, GB_ERR_CONFIG,
           "%s: %zu samples of %zu numbers need %s on each of %d ranks by the route %s, but %s are allowed. Use more "
           "ranks or memory, or the covariance.",
           s->name, s->n, s->width, gb_text_bytes(bytes, a), ranks, gb_route_name[route], gb_text_bytes(memory, b));
  return GB_OK;
}

gb_err gb_principal_find(gb_comm c, const gb_samples *samples, size_t components, gb_route route, double memory,
                         gb_principal *out)
{
  size_t n = samples->n, width = samples->width;
  gb_err e = GB_OK;
  *out = (gb_principal){.n = n, .width = width, .n_component = least(components, least(n, width))};
  finder f = {.c = c, .of = samples, .p = out, .most = window_rows(c.size, n, width, memory), .since = gb_clock_now()};
  out->route = gb_principal_route(route, c.size, n, width, memory);
  GB_TRY(gb_comm_agree(c, check(samples, c.size, out->route, memory)));
  GB_TRY(gb_dist_open(c, 0, 0, &f.d));
  gb_dist_shape(f.d, &out->grid[0], &out->grid[1]);
  e = gb_new(&out->mean, width);
  if (!e) e = gb_new(&out->lam, width);
  if (!e) e = gb_new(&f.window, f.most * width);
  GB_GOTO(e, gb_comm_agree(c, e), done);
  GB_GOTO(e, find_mean(&f), done);
  GB_GOTO(e, (out->route == GB_ROUTE_COVARIANCE ? by_covariance : by_singular_values)(&f), done);
  clean(out);
  if (out->lam[0] == 0)
    e = gb_comm_agree(
        c, GB_FAIL(GB_ERR_NUMERIC, "%s: all samples are equal, there is no variance to analyse", samples->name));
done:
  gb_free(&f.window);
  gb_dist_close(&f.d);
  return e;
}

void gb_principal_free(gb_principal *p)
{
  gb_free(&p->mean);
  gb_free(&p->lam);
  gb_free(&p->component);
  *p = (gb_principal){0};
}
