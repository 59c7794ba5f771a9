/* physics/xy/halo.c - what a box of a spread lattice needs of its neighbours. */
#include "xy/xy.h"

/* Ends of all rows of colour q: the first spins go left, the last go right. */
static int column_messages(gb_xy *s, const gb_xy_spin *mine, size_t q, gb_message m[])
{
  for (size_t y = 0; y < s->ny; y++) {
    const gb_xy_spin *first = mine + y * s->slots, *last = first + s->slots - 1;
    s->out[q][0][2 * y] = first->c[0];
    s->out[q][0][2 * y + 1] = first->s[0];
    s->out[q][1][2 * y] = last->c[GB_LANES - 1];
    s->out[q][1][2 * y + 1] = last->s[GB_LANES - 1];
  }
  m[0] = (gb_message){GB_LEFT, s->out[q][0], s->column[q][0], 2 * s->ny * sizeof(float)};
  m[1] = (gb_message){GB_RIGHT, s->out[q][1], s->column[q][1], 2 * s->ny * sizeof(float)};
  return 2;
}

void gb_xy_send_halo(gb_xy *s, gb_xy_state *state, size_t q, gb_exchange *x)
{
  size_t n = s->slots;
  gb_xy_spin *mine = state->spin + q * s->ny * n;
  gb_message m[4];
  int k = 0;
  if (s->grid.size[0] > 1) {
    m[k++] = (gb_message){GB_DOWN, mine, s->above + q * n, n * sizeof *mine};
    m[k++] = (gb_message){GB_UP, mine + (s->ny - 1) * n, s->below + q * n, n * sizeof *mine};
  }
  if (s->grid.size[1] > 1) k += column_messages(s, mine, q, m + k);
  gb_grid_begin(&s->grid, k, m, x);
}

/* The corner is what the rank above got from its right: columns first, then rows. */
void gb_xy_fetch_halo(gb_xy *s, gb_xy_state *state)
{
  for (size_t q = 0; q < 2; q++) {
    gb_xy_spin *mine = state->spin + q * s->ny * s->slots;
    float *right = s->column[q][0];
    gb_message m[2];
    gb_exchange x;
    if (s->grid.size[1] > 1) {
      gb_grid_begin(&s->grid, column_messages(s, mine, q, m), m, &x);
      gb_grid_end(&x);
    }
    m[0] = (gb_message){GB_DOWN, mine, s->above + q * s->slots, s->slots * sizeof *mine};
    m[1] = (gb_message){GB_DOWN, right, right + 2 * s->ny, 2 * sizeof *right};
    gb_grid_begin(&s->grid, s->grid.size[0] > 1 ? 2 : 0, m, &x);
    gb_grid_end(&x);
    if (s->grid.size[0] == 1)
      for (int i = 0; i < 2; i++) right[2 * s->ny + (size_t)i] = right[i];
  }
}
