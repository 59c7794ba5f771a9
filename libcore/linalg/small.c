/* linalg/small.c - register blocks of few rows by two vectors, like those of gemm.c. */
#include "linalg/small.h"

#include <string.h>

#include "linalg/stretch.h"
#include "linalg/vectors.h"

#if defined(__AVX512F__)
enum { MR = 8 };
#else
enum { MR = 6 };
#endif
enum { NR = 2 * GB_VR };

static size_t at_most(size_t n, size_t most)
{
  return n < most ? n : most;
}

/* Rows of the next block, of sizes that the compiler knows. */
static size_t next_rows(size_t left)
{
  return left >= MR ? MR : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

/* A register block of C: where its rows are, and how chains start. */
typedef struct block {
  size_t k, n;
  const gb_real *a, *panel, *bias; /* bias: NULL: from 0, or from C */
  gb_real *c;
  size_t some[2]; /* columns of each vector */
  bool load;
} block;

GB_INLINE void rows_block(int m, int cols, bool whole, const block *b)
{
  gb_vr acc[MR][2];
  const gb_real *panel = b->panel, *a = b->a;
  for (int i = 0; i < m; i++) {
    const gb_real *from = b->load ? b->c + (size_t)i * b->n : b->bias;
    for (int j = 0; j < cols; j++)
      acc[i][j] = from ? gb_vr_get(from + j * GB_VR, whole ? GB_VR : b->some[j]) : gb_vr_all(0);
  }
  for (size_t k = 0; k < b->k; k++, panel += NR, a++) {
    gb_vr b0 = *(const gb_vr *)panel, b1 = *(const gb_vr *)(panel + GB_VR);
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) {
      gb_vr x = gb_vr_all(a[(size_t)i * b->k]);
      acc[i][0] = gb_vr_fma(x, b0, acc[i][0]);
      if (cols > 1) acc[i][1] = gb_vr_fma(x, b1, acc[i][1]);
    }
  }
  for (int i = 0; i < m; i++)
    for (int j = 0; j < cols; j++)
      gb_vr_put(b->c + (size_t)i * b->n + j * GB_VR, whole ? GB_VR : b->some[j], acc[i][j]);
}

GB_INLINE void any_block(int m, const block *b)
{
  if (b->some[1] == GB_VR)
    rows_block(m, 2, true, b);
  else if (b->some[1])
    rows_block(m, 2, false, b);
  else
    rows_block(m, 1, false, b);
}

/* Of the columns of a panel that are there, those of each vector. */
static void split(size_t columns, size_t some[2])
{
  if (columns > NR) columns = NR;
  some[0] = columns < GB_VR ? columns : GB_VR;
  some[1] = columns - some[0];
}

void gb_small_rows(size_t rows, size_t k, const gb_real *a, size_t n, const gb_real *packed, const gb_finish *finish,
                   gb_real *c)
{
  block b = {.k = k, .n = n, .load = finish->start == GB_START_ADD};
  for (size_t first = 0, m; first < rows; first += m) {
    m = next_rows(rows - first);
    b.a = a + first * k;
    for (size_t j = 0; j < n; j += NR) {
      split(n - j, b.some);
      b.panel = packed + j * k;
      b.bias = finish->start == GB_START_BIAS ? finish->bias + j : NULL;
      b.c = c + first * n + j;
      switch (m) {
      case MR: any_block(MR, &b); break;
      case 4: any_block(4, &b); break;
      case 2: any_block(2, &b); break;
      default: any_block(1, &b);
      }
    }
  }
  if (finish->activate) finish->activate(finish->kind, rows * n, c);
}

/* A register block of D, and the numbers of A and G that belong to it. */
typedef struct cell {
  size_t rows, k, n;
  const gb_real *a, *g;
  gb_real *d;
  size_t some[2];
  bool load;
} cell;

GB_INLINE void outer_block(int m, int cols, bool whole, const cell *b)
{
  gb_vr acc[MR][2];
  const gb_real *a = b->a, *g = b->g;
  size_t n0 = whole ? GB_VR : b->some[0], n1 = whole ? GB_VR : b->some[1];
  for (int i = 0; i < m; i++)
    for (int j = 0; j < cols; j++)
      acc[i][j] = b->load ? gb_vr_get(b->d + (size_t)i * b->n + j * GB_VR, j ? n1 : n0) : gb_vr_all(0);
  for (size_t r = 0; r < b->rows; r++, a += b->k, g += b->n) {
    gb_vr g0 = gb_vr_get(g, n0), g1 = cols > 1 ? gb_vr_get(g + GB_VR, n1) : gb_vr_all(0);
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) {
      gb_vr x = gb_vr_all(a[i]);
      acc[i][0] = gb_vr_fma(x, g0, acc[i][0]);
      if (cols > 1) acc[i][1] = gb_vr_fma(x, g1, acc[i][1]);
    }
  }
  for (int i = 0; i < m; i++)
    for (int j = 0; j < cols; j++) gb_vr_put(b->d + (size_t)i * b->n + j * GB_VR, j ? n1 : n0, acc[i][j]);
}

GB_INLINE void any_cell(int m, const cell *b)
{
  if (b->some[1] == GB_VR)
    outer_block(m, 2, true, b);
  else if (b->some[1])
    outer_block(m, 2, false, b);
  else
    outer_block(m, 1, false, b);
}

void gb_small_outer(size_t rows, bool add, size_t k, const gb_real *a, size_t n, const gb_real *g, gb_real *d)
{
  cell b = {.rows = rows, .k = k, .n = n, .load = add};
  for (size_t j = 0; j < n; j += NR)
    for (size_t i = 0, m; i < k; i += m) {
      m = next_rows(k - i);
      b.a = a + i;
      b.g = g + j;
      b.d = d + i * n + j;
      split(n - j, b.some);
      switch (m) {
      case MR: any_cell(MR, &b); break;
      case 4: any_cell(4, &b); break;
      case 2: any_cell(2, &b); break;
      default: any_cell(1, &b);
      }
    }
}

enum { LINES = 64 /* of A and G, that the first cache holds */ };

size_t gb_small_sums_scratch(size_t parts, size_t k, size_t n)
{
  return (gb_stretch_levels(parts) + 1) * k * n * sizeof(gb_real);
}

void gb_small_sums(size_t rows, size_t parts, bool add, size_t k, const gb_real *a, size_t n, const gb_real *g,
                   gb_real *d, void *scratch)
{
  size_t piece = rows / parts, size = k * n;
  gb_real *level = scratch;
  for (size_t p = 0; p < parts; p++, a += piece * k, g += piece * n) {
    for (size_t at = 0; at < piece; at += LINES)
      gb_small_outer(at_most(piece - at, LINES), add || at > 0, k, a + at * k, n, g + at * n, d);
    size_t l = 0;
    for (; p >> l & 1; l++) /* a full pair of the tree: left + right */
      for (size_t i = 0; i < size; i++) d[i] = level[l * size + i] + d[i];
    memcpy(level + l * size, d, size * sizeof *d);
  }
}

typedef double doubles __attribute__((vector_size(GB_VR * sizeof(double)), aligned(sizeof(double)), may_alias));

void gb_small_to_rows(size_t rows, size_t n, const double *u, gb_real *to, size_t next)
{
  for (size_t r = 0; r < rows; r += GB_VR)
    for (size_t i = 0; i < n; i += GB_VR) {
      gb_vr v[GB_VR];
      size_t there = at_most(rows - r, GB_VR), some = at_most(n - i, GB_VR);
      for (size_t k = 0; k < GB_VR; k++) {
        const double *from = u + (i + k) * rows + r;
        v[k] = gb_vr_all(0);
        if (k < some && there == GB_VR) v[k] = __builtin_convertvector(*(const doubles *)from, gb_vr);
        for (size_t j = 0; k < some && there < GB_VR && j < there; j++) v[k][j] = (gb_real)from[j];
      }
      gb_vr_transpose(v);
      for (size_t k = 0; k < there; k++) gb_vr_put(to + (r + k) * next + i, some, v[k]);
    }
}

void gb_small_from_rows(size_t rows, size_t n, const gb_real *from, size_t next, double *u)
{
  for (size_t r = 0; r < rows; r += GB_VR)
    for (size_t i = 0; i < n; i += GB_VR) {
      gb_vr v[GB_VR];
      size_t there = at_most(rows - r, GB_VR), some = at_most(n - i, GB_VR);
      for (size_t k = 0; k < GB_VR; k++) v[k] = k < there ? gb_vr_get(from + (r + k) * next + i, some) : gb_vr_all(0);
      gb_vr_transpose(v);
      for (size_t k = 0; k < some; k++) {
        double *to = u + (i + k) * rows + r;
        if (there == GB_VR)
          *(doubles *)to += __builtin_convertvector(v[k], doubles);
        else
          for (size_t j = 0; j < there; j++) to[j] += (double)v[k][j];
      }
    }
}

void gb_small_gather(size_t lines, size_t n, const gb_real *from, size_t step, gb_real *to)
{
  for (size_t i = 0; i < lines; i++, from += step, to += n) {
    size_t k = 0;
    for (; k + GB_VR <= n; k += GB_VR) *(gb_vr *)(to + k) = *(const gb_vr *)(from + k);
    if (k < n) gb_vr_put(to + k, n - k, gb_vr_get(from + k, n - k));
  }
}
