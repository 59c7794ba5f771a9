/* physics/xy/halo.c - what a box of a lattice needs of its neighbours. */
#include <string.h>

#include "xy/xy.h"

/* What goes out is copied: rows at the border may change while it travels. */
void gb_xy_send_rows(gb_xy *s, gb_xy_state *state, size_t depth, gb_messages *x)
{
  size_t n = depth * s->slots, bytes = n * sizeof(gb_xy_spin);
  int64_t d = (int64_t)depth, ny = (int64_t)s->ny;
  gb_message m[4];
  for (size_t q = 0; q < 2; q++) {
    gb_xy_spin *first = s->border + 2 * q * n, *last = first + n;
    memcpy(first, gb_xy_at(s, state, q, 0), bytes);
    memcpy(last, gb_xy_at(s, state, q, ny - d), bytes);
    m[2 * q] = (gb_message){GB_DOWN, first, gb_xy_at(s, state, q, ny), bytes};
    m[2 * q + 1] = (gb_message){GB_UP, last, gb_xy_at(s, state, q, -d), bytes};
  }
  gb_grid_begin(&s->grid, 4, m, x);
}

/* The first spins of all rows go left, the last ones right. */
void gb_xy_send_columns(gb_xy *s, gb_xy_state *state, size_t q, gb_messages *x)
{
  size_t bytes = 2 * s->ny * sizeof(float);
  for (size_t y = 0; y < s->ny; y++) {
    const gb_xy_spin *first = gb_xy_get(s, state, q, y), *last = first + s->slots - 1;
    s->out[q][0][2 * y] = first->c[0];
    s->out[q][0][2 * y + 1] = first->s[0];
    s->out[q][1][2 * y] = last->c[GB_LANES - 1];
    s->out[q][1][2 * y + 1] = last->s[GB_LANES - 1];
  }
  gb_message m[2] = {{GB_LEFT, s->out[q][0], s->column[q][0], bytes}, {GB_RIGHT, s->out[q][1], s->column[q][1], bytes}};
  gb_grid_begin(&s->grid, 2, m, x);
}

/* The corner is what the box above got from its right: columns first, then rows. */
void gb_xy_fetch_halo(gb_xy *s, gb_xy_state *state)
{
  gb_messages x;
  for (size_t q = 0; q < 2 && s->grid.size[1] > 1; q++) {
    float *right = s->column[q][0];
    gb_xy_send_columns(s, state, q, &x);
    gb_grid_end(&x);
    gb_grid_begin(&s->grid, 1, &(gb_message){GB_DOWN, right, right + 2 * s->ny, 2 * sizeof *right}, &x);
    gb_grid_end(&x);
  }
  if (!s->halo) return;
  gb_xy_send_rows(s, state, 1, &x);
  gb_grid_end(&x);
}
