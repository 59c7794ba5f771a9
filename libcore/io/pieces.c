/* io/pieces.c - which axis is cut, and into runs of which length. */
#include "io/pieces.h"

size_t gb_pieces_limit = (size_t)1 << 29;

/* Axes before `axis` are taken one index at a time, `axis` in runs, those after it whole. */
typedef struct cut {
  int axis;
  uint64_t run, n_runs;
} cut;

static cut where(int ndim, const gb_h5_block *block, size_t size, size_t limit)
{
  if (ndim == 0 || gb_pieces_elements(ndim, block) == 0) return (cut){0, ndim ? block->count[0] : 1, 1};
  cut c = {ndim - 1, 0, 0};
  uint64_t row = size; /* bytes of one index of the axis */
  for (int i = ndim - 1; i > 0 && row * block->count[i] <= limit; i--) {
    row *= block->count[i];
    c.axis = i - 1;
  }
  c.run = row <= limit ? limit / row : 1;
  if (c.run > block->count[c.axis]) c.run = block->count[c.axis];
  c.n_runs = (block->count[c.axis] + c.run - 1) / c.run;
  return c;
}

size_t gb_pieces_elements(int ndim, const gb_h5_block *block)
{
  size_t n = 1;
  for (int i = 0; i < ndim; i++) n *= block->count[i];
  return n;
}

size_t gb_pieces_count(int ndim, const gb_h5_block *block, size_t size, size_t limit)
{
  cut c = where(ndim, block, size, limit);
  return gb_pieces_elements(c.axis, block) * c.n_runs;
}

gb_h5_block gb_pieces_get(int ndim, const gb_h5_block *block, size_t size, size_t limit, size_t i)
{
  cut c = where(ndim, block, size, limit);
  gb_h5_block piece = *block;
  if (ndim == 0) return piece;
  uint64_t first = i % c.n_runs * c.run, left = block->count[c.axis] - first;
  piece.start[c.axis] += first;
  piece.count[c.axis] = left < c.run ? left : c.run;
  i /= c.n_runs;
  for (int k = c.axis - 1; k >= 0; k--) {
    piece.start[k] += i % block->count[k];
    piece.count[k] = 1;
    i /= block->count[k];
  }
  return piece;
}
