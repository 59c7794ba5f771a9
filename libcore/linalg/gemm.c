/* linalg/gemm.c - register blocks, panels, and pointers to runs.
 *
 * A block of C, MR rows by two vectors, stays in registers while the inner index runs; A is read number by number
 * (broadcast), B vector by vector from a panel as wide as the block. Rows come in groups small enough for the first
 * cache, the inner index in blocks small enough for the panel to stay in the second. Where a block ends is of no
 * consequence: the chain of an element is stored and continued. */
#include "linalg/gemm.h"

#include <string.h>

#include "linalg/stretch.h"
#include "linalg/vectors.h"

#if defined(__AVX512F__)
enum { MR = 8 }; /* 16 of 32 registers hold the block */
#else
enum { MR = 6 }; /* 12 of 16 */
#endif
enum {
  NR = 2 * GB_VR,
  WIDE = 2 * MR,        /* columns of A that are copied together for A^T G */
  GROUP = 64 / MR * MR, /* rows whose runs are looked up together */
  INNER = 512,          /* inner numbers of a pass over C */
  LEVELS = 9            /* of pieces within a stretch: 2^8 */
};

static size_t up(size_t n, size_t step)
{
  return (n + step - 1) / step * step;
}

size_t gb_gemm_packed(size_t k, size_t n)
{
  return k * up(n, NR);
}

/* One run of a panel whose columns are the rows of a matrix in memory. */
static void pack_transposed(size_t c, size_t m, const gb_real *from, size_t column, gb_real *packed)
{
  size_t i = 0;
  for (; m == NR && i + GB_VR <= c; i += GB_VR)
    for (int h = 0; h < 2; h++) {
      gb_vr v[GB_VR];
      for (int j = 0; j < GB_VR; j++) v[j] = *(const gb_vr *)(from + (size_t)(h * GB_VR + j) * column + i);
      gb_vr_transpose(v);
      for (int j = 0; j < GB_VR; j++) *(gb_vr *)(packed + (i + (size_t)j) * NR + h * GB_VR) = v[j];
    }
  for (; i < c; i++) {
    for (size_t j = 0; j < m; j++) packed[i * NR + j] = from[i + j * column];
    memset(packed + i * NR + m, 0, (NR - m) * sizeof *packed);
  }
}

/* Columns of a panel, or more, as those of its first vector and the rest. */
GB_INLINE void split(size_t columns, size_t some[2])
{
  some[0] = columns < GB_VR ? columns : GB_VR;
  some[1] = columns - some[0];
}

/* One run of a panel whose columns are the columns of a matrix in memory. */
static void pack_straight(size_t c, size_t m, const gb_real *from, size_t row, gb_real *packed)
{
  size_t some[2];
  split(m, some);
  for (size_t i = 0; i < c; i++, packed += NR, from += row) {
    *(gb_vr *)packed = gb_vr_get(from, some[0]);
    *(gb_vr *)(packed + GB_VR) = gb_vr_get(from + some[0], some[1]);
  }
}

void gb_gemm_pack(size_t taps, size_t c, size_t n, const gb_real *b, const size_t *tap, size_t row, bool transposed,
                  gb_real *packed)
{
  for (size_t first = 0; first < n; first += NR) {
    size_t m = n - first < NR ? n - first : NR;
    for (size_t t = 0; t < taps; t++, packed += c * NR) {
      const gb_real *from = b + (tap ? tap[t] : t * c * row);
      if (transposed)
        pack_transposed(c, m, from + first * row, row, packed);
      else
        pack_straight(c, m, from + first, row, packed);
    }
  }
}

/* Starts of the runs of `rows` rows from `first` on, as [row / MR, taps, MR]; rows beyond the last repeat it. */
static void look_up(const gb_runs *a, const gb_real *x, size_t first, size_t rows, const gb_real **run)
{
  size_t image = first / a->rows, p = first % a->rows;
  const gb_real *from = x + image * a->image;
  for (size_t r = 0; r < (rows + MR - 1) / MR * MR; r++) {
    const int32_t *offset = a->offset + p * a->taps;
    const gb_real **to = run + r / MR * a->taps * MR + r % MR;
    for (size_t t = 0; t < a->taps; t++) to[t * MR] = offset[t] < 0 ? a->zeros : from + offset[t];
    if (r + 1 < rows && ++p == a->rows) {
      p = 0;
      from += a->image;
    }
  }
}

/* acc += MR rows times a panel: the inner loop of gb_gemm_rows(). */
GB_INLINE void chain_rows(int cols, size_t taps, size_t c, size_t skip, const gb_real *const *run, const gb_real *b,
                          gb_vr acc[MR][2])
{
  for (size_t t = 0; t < taps; t++, run += MR) {
    const gb_real *p[MR];
    for (int i = 0; i < MR; i++) p[i] = run[i] + skip;
    for (size_t k = 0; k < c; k++, b += NR) {
      gb_vr b0 = *(const gb_vr *)b, b1 = *(const gb_vr *)(b + GB_VR);
#pragma GCC unroll 8
      for (int i = 0; i < MR; i++) {
        gb_vr x = gb_vr_all(p[i][k]);
        acc[i][0] = gb_vr_fma(x, b0, acc[i][0]);
        if (cols > 1) acc[i][1] = gb_vr_fma(x, b1, acc[i][1]);
      }
    }
  }
}

/* What one block needs to know: which runs, where its rows of C are, and how chains start and end. */
typedef struct block {
  size_t taps, c, skip; /* numbers skip ... skip + c of each run */
  const gb_real *const *run;
  const gb_real *panel;
  size_t rows, columns; /* that are there */
  gb_real *to[MR];
  const gb_real *bias; /* where chains start; NULL: from 0, or from C */
  bool load;
} block;

GB_INLINE void one_block(int cols, bool whole, const block *k)
{
  gb_vr acc[MR][2];
  size_t some[2];
  split(k->columns, some);
  for (int i = 0; i < MR; i++) {
    const gb_real *from = k->load ? k->to[i] : k->bias;
    for (int j = 0; j < cols; j++)
      acc[i][j] = from ? gb_vr_get(from + j * GB_VR, whole ? GB_VR : some[j]) : gb_vr_all(0);
  }
  chain_rows(cols, k->taps, k->c, k->skip, k->run, k->panel, acc);
  for (size_t i = 0; i < k->rows; i++)
    for (int j = 0; j < cols; j++) gb_vr_put(k->to[i] + j * GB_VR, whole ? GB_VR : some[j], acc[i][j]);
}

size_t gb_gemm_rows_scratch(const gb_runs *a)
{
  return up(GROUP * a->taps * sizeof(gb_real *), GB_VR_BYTES);
}

/* Where the rows of a group are in C; beyond the last one, that one. */
static void look_up_result(const gb_runs *a, size_t first, size_t rows, size_t n, gb_real *c, size_t c_image,
                           const int32_t *place, gb_real *to[GROUP])
{
  size_t p = first % a->rows;
  c += first / a->rows * c_image;
  for (size_t r = 0; r < GROUP; r++) {
    to[r] = c + (place ? (size_t)place[p] : p * n);
    if (r + 1 < rows && ++p == a->rows) {
      p = 0;
      c += c_image;
    }
  }
}

/* All columns of a group of rows, for one block of inner numbers. */
static void one_group(const gb_runs *a, block k, size_t rows, size_t inner, size_t n, const gb_real *packed,
                      const gb_real *bias, gb_real *const to[GROUP])
{
  const gb_real *const *run = k.run;
  for (size_t j = 0; j < n; j += NR) {
    k.columns = n - j < NR ? n - j : NR;
    k.panel = packed + j * a->taps * a->c + inner * NR;
    k.bias = bias ? bias + j : NULL;
    for (size_t r = 0; r < rows; r += MR) {
      k.rows = rows - r < MR ? rows - r : MR;
      k.run = run + r * a->taps;
      for (size_t i = 0; i < MR; i++) k.to[i] = to[r + i] + j;
      if (k.columns == NR)
        one_block(2, true, &k);
      else if (k.columns > GB_VR)
        one_block(2, false, &k);
      else
        one_block(1, false, &k);
    }
  }
}

/* The finished rows of a group, still in the cache: at once if they follow each other in C. */
static void activate_group(size_t rows, size_t n, const gb_finish *f, gb_real *const to[GROUP])
{
  if (to[rows - 1] == to[0] + (rows - 1) * n)
    f->activate(f->kind, rows * n, to[0]);
  else
    for (size_t r = 0; r < rows; r++) f->activate(f->kind, n, to[r]);
}

void gb_gemm_rows(size_t images, const gb_runs *a, const gb_real *x, size_t n, const gb_real *packed,
                  const gb_finish *finish, gb_real *c, size_t c_image, const int32_t *place, void *scratch)
{
  size_t all_rows = images * a->rows, run_c = a->taps ? a->c : 0;
  size_t at_once = run_c && run_c < INNER ? INNER / run_c : 1;
  const gb_real **run = scratch, *bias = finish->start == GB_START_BIAS ? finish->bias : NULL;
  for (size_t t = 0, skip = 0, done = 0; t == 0 || t < a->taps;) {
    block k = {.taps = a->taps - t < at_once ? a->taps - t : at_once,
               .c = run_c - skip < INNER ? run_c - skip : INNER,
               .skip = skip,
               .load = done > 0 || finish->start == GB_START_ADD,
               .run = run + t * MR};
    bool last = done + k.taps * k.c == a->taps * run_c;
    for (size_t first = 0; first < all_rows; first += GROUP) {
      size_t rows = all_rows - first < GROUP ? all_rows - first : GROUP;
      gb_real *to[GROUP];
      look_up(a, x, first, rows, run);
      look_up_result(a, first, rows, n, c, c_image, place, to);
      one_group(a, k, rows, done, n, packed, bias, to);
      if (last && finish->activate) activate_group(rows, n, finish, to);
    }
    done += k.taps * k.c;
    skip = skip + k.c < run_c ? skip + k.c : 0;
    if (skip == 0) t += k.taps ? k.taps : 1;
  }
}

/* Gradients of weights: A^T G. Both are copied, a stretch of rows at a time, into the order in which they are read. */

/* n numbers of a run, for every row, side by side with those of other runs; with n known to the compiler a piece is a
 * move or two. */
GB_INLINE void copy_pieces(size_t n, size_t rows, const gb_real *const *from, size_t at, gb_real *to)
{
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < n; i++) to[r * WIDE + i] = from[r][at + i];
}

/* WIDE columns of A for the rows of a stretch, as [row, WIDE]: columns first ... first + WIDE of [taps, c]. */
static void copy_columns(const gb_runs *a, const gb_real *const *run, size_t rows, size_t first, gb_real *to)
{
  size_t end = a->taps * a->c, n;
  for (size_t k = first; k < first + WIDE && k < end; k += n) {
    size_t tap = k / a->c, at = k % a->c, left = first + WIDE - k;
    const gb_real *const *from = run + tap * GB_STRETCH;
    gb_real *out = to + (k - first);
    n = a->c - at < left ? a->c - at : left;
    switch (n) { /* few channels make many short pieces */
    case 1: copy_pieces(1, rows, from, at, out); break;
    case 2: copy_pieces(2, rows, from, at, out); break;
    case 3: copy_pieces(3, rows, from, at, out); break;
    case 4: copy_pieces(4, rows, from, at, out); break;
    case 8: copy_pieces(8, rows, from, at, out); break;
    case WIDE: copy_pieces(WIDE, rows, from, at, out); break;
    default: copy_pieces(n, rows, from, at, out);
    }
  }
}

/* G of a stretch as panels [n / NR, row, NR]. */
static void copy_panels(size_t rows, size_t n, const gb_real *g, gb_real *to)
{
  for (size_t j = 0; j < n; j += NR, to += rows * NR) pack_straight(rows, n - j < NR ? n - j : NR, g + j, n, to);
}

/* A stretch of rows: part of one piece, or `pieces` whole ones. It is told where in the tree they stand. */
typedef struct stretch {
  size_t rows, pieces;
  bool first, last; /* does a piece begin, end here? */
  size_t n_left;    /* finished sums to its left, of 1, 2, 4 ... stretches, that it completes */
  bool whole;       /* is the result the whole sum? */
  bool add;         /* begin with what D holds */
} stretch;

/* A cell of D, MR by NR, with its place in the strips [level][taps * c, n, rounded up]. */
typedef struct cell {
  const gb_real *a, *g; /* [rows, WIDE], [rows, NR] */
  gb_real *d, *strip;
  size_t growing, level;    /* from `strip` to where an unfinished piece is kept; from one level to the next */
  size_t elements, some[2]; /* rows of D that are there, and columns of each vector */
  size_t n;                 /* from one row of D to the next */
} cell;

GB_INLINE void chain_outer(int cols, size_t rows, const gb_real *a, const gb_real *g, gb_vr acc[MR][2])
{
  for (size_t r = 0; r < rows; r++, a += WIDE, g += NR) {
    gb_vr g0 = *(const gb_vr *)g, g1 = *(const gb_vr *)(g + GB_VR);
#pragma GCC unroll 8
    for (int i = 0; i < MR; i++) {
      gb_vr x = gb_vr_all(a[i]);
      acc[i][0] = gb_vr_fma(x, g0, acc[i][0]);
      if (cols > 1) acc[i][1] = gb_vr_fma(x, g1, acc[i][1]);
    }
  }
}

/* acc = what is at `from`, or that + acc */
GB_INLINE void take(int cols, const gb_real *from, bool plus, gb_vr acc[MR][2])
{
  for (int i = 0; i < MR; i++)
    for (int j = 0; j < cols; j++) {
      gb_vr v = *(const gb_vr *)(from + i * NR + j * GB_VR);
      if (plus) v += acc[i][j];
      acc[i][j] = v;
    }
}

GB_INLINE void put(int cols, gb_vr acc[MR][2], gb_real *to)
{
  for (int i = 0; i < MR; i++)
    for (int j = 0; j < cols; j++) *(gb_vr *)(to + i * NR + j * GB_VR) = acc[i][j];
}

/* acc = what D holds, or the other way round; of the elements and columns that are there. */
GB_INLINE void from_result(int cols, const cell *k, gb_vr acc[MR][2])
{
  for (size_t i = 0; i < MR; i++)
    for (int j = 0; j < cols; j++)
      acc[i][j] = i < k->elements ? gb_vr_get(k->d + i * k->n + j * GB_VR, k->some[j]) : gb_vr_all(0);
}

GB_INLINE void to_result(int cols, const cell *k, gb_vr acc[MR][2])
{
  for (size_t i = 0; i < MR; i++)
    for (int j = 0; j < cols && i < k->elements; j++) gb_vr_put(k->d + i * k->n + j * GB_VR, k->some[j], acc[i][j]);
}

GB_INLINE void one_cell(int cols, const cell *k, const stretch *s)
{
  gb_real inside[LEVELS][MR * NR];
  gb_vr acc[MR][2];
  size_t rows = s->rows / s->pieces, p = 0;
  do {
    if (s->add)
      from_result(cols, k, acc);
    else if (s->first)
      for (int i = 0; i < MR; i++) acc[i][0] = acc[i][1] = gb_vr_all(0);
    else
      take(cols, k->strip + k->growing, false, acc);
    chain_outer(cols, rows, k->a + p * rows * WIDE, k->g + p * rows * NR, acc);
    size_t l = 0;
    for (; p >> l & 1; l++) take(cols, inside[l], true, acc);
    if (p + 1 < s->pieces) put(cols, acc, inside[l]);
  } while (++p < s->pieces);
  if (!s->last) {
    put(cols, acc, k->strip + k->growing);
    return;
  }
  for (size_t l = 0; l < s->n_left; l++) take(cols, k->strip + l * k->level, true, acc);
  if (s->whole)
    to_result(cols, k, acc);
  else
    put(cols, acc, k->strip + s->n_left * k->level);
}

/* Numbers of a level. */
static size_t level_size(const gb_runs *a, size_t n)
{
  return up(a->taps * a->c, MR) * up(n, NR);
}

/* Pieces that fit into a stretch together. */
static size_t pieces_at_once(size_t piece, size_t parts)
{
  size_t q = 1;
  while (2 * q <= parts && 2 * q * piece <= GB_STRETCH) q *= 2;
  return q;
}

/* Strips of unfinished and of finished sums, for so many pieces. */
static size_t n_strips(size_t piece, size_t parts)
{
  size_t q = pieces_at_once(piece, parts);
  return q == parts && q * piece <= GB_STRETCH ? 0 : gb_stretch_levels(parts / q) + 1;
}

size_t gb_gemm_outer_scratch(const gb_runs *a, size_t images, size_t n)
{
  size_t most = 0;
  for (size_t parts = 1; parts <= images; parts *= 2) {
    size_t strips = n_strips(images * a->rows / parts, parts);
    most = strips > most ? strips : most;
  }
  return up(GB_STRETCH * a->taps * sizeof(gb_real *), GB_VR_BYTES) +
         (GB_STRETCH * (WIDE + up(n, NR)) + most * level_size(a, n)) * sizeof(gb_real);
}

/* Scratch of a product, in the order in which it is laid out. */
typedef struct outer {
  const gb_real **run; /* [taps, GB_STRETCH] */
  gb_real *columns;    /* [GB_STRETCH, WIDE] */
  gb_real *panels;     /* [n, GB_STRETCH] */
  gb_real *strips;
} outer;

static void one_stretch(const outer *o, const gb_runs *a, size_t n, const stretch *s, size_t growing, gb_real *d)
{
  size_t end = a->taps * a->c;
  for (size_t first = 0; first < end; first += WIDE) {
    copy_columns(a, o->run, s->rows, first, o->columns);
    for (size_t j = 0; j < n; j += NR)
      for (size_t at = first; at < first + WIDE && at < end; at += MR) {
        cell k = {.a = o->columns + (at - first),
                  .g = o->panels + j * s->rows,
                  .d = d + at * n + j,
                  .strip = o->strips + j * up(end, MR) + at * NR,
                  .growing = growing,
                  .level = level_size(a, n),
                  .elements = end - at < MR ? end - at : MR,
                  .n = n};
        split(n - j, k.some);
        if (k.some[1])
          one_cell(2, &k, s);
        else
          one_cell(1, &k, s);
      }
  }
}

void gb_gemm_outer(size_t images, size_t parts, bool add, const gb_runs *a, const gb_real *x, size_t n,
                   const gb_real *g, gb_real *d, void *scratch)
{
  size_t piece = images * a->rows / parts, q = pieces_at_once(piece, parts), whole = q * piece;
  outer o = {.run = scratch};
  o.columns = (gb_real *)((char *)scratch + up(GB_STRETCH * a->taps * sizeof *o.run, GB_VR_BYTES));
  o.panels = o.columns + GB_STRETCH * WIDE;
  o.strips = o.panels + GB_STRETCH * up(n, NR);
  for (size_t p = 0; p < parts / q; p++)
    for (size_t done = 0, rows; done < whole; done += rows) {
      rows = whole - done < GB_STRETCH ? whole - done : GB_STRETCH;
      stretch s = {.rows = rows,
                   .pieces = q,
                   .first = done == 0,
                   .last = done + rows == whole,
                   .whole = p + 1 == parts / q,
                   .add = add && done == 0};
      while (p >> s.n_left & 1) s.n_left++;
      gb_stretch_look_up(a, x, p * whole + done, rows, o.run);
      copy_panels(rows, n, g + (p * whole + done) * n, o.panels);
      one_stretch(&o, a, n, &s, gb_stretch_levels(parts / q) * level_size(a, n), d);
    }
}
