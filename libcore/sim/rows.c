/* sim/rows.c - ranges, draws and noise of simulated rows. */
#include "sim/rows.h"

#include "base/mem.h"
#include "linalg/normals.h"
#include "sim/curve.h"

gb_err gb_range_check(const char *key, gb_reals range)
{
  GB_CHECK(range.n == 2, GB_ERR_CONFIG, "%s has %zu numbers: give two, [low, high]; twice the same one fixes it", key,
           range.n);
  GB_CHECK(range.v[0] <= range.v[1], GB_ERR_CONFIG, "%s = [%g, %g]: the first number is above the second", key,
           range.v[0], range.v[1]);
  return GB_OK;
}

gb_err gb_box_check(const char *key, gb_reals box, const char *drawn_key, gb_reals drawn)
{
  GB_TRY(gb_range_check(key, box));
  GB_CHECK(box.v[0] < box.v[1], GB_ERR_CONFIG, "%s = [%g, %g] is empty: inferred values need room", key, box.v[0],
           box.v[1]);
  GB_CHECK(drawn.v[0] >= box.v[0] && drawn.v[1] <= box.v[1], GB_ERR_CONFIG,
           "%s = [%g, %g] does not contain %s = [%g, %g], so the truth could not be inferred. Widen it.", key, box.v[0],
           box.v[1], drawn_key, drawn.v[0], drawn.v[1]);
  return GB_OK;
}

double gb_row_draw(uint64_t seed, uint64_t row, uint32_t which, gb_reals range)
{
  uint32_t word[4];
  gb_rng_block(gb_rng_key(seed, GB_RNG_TRUTH, row, 0), which / 4, word);
  return gb_rng_between(word[which % 4], range.v[0], range.v[1]);
}

enum { ROW_BITS = 34 };

uint64_t gb_row_again(uint64_t row, uint64_t draw)
{
  GB_ASSERT(row >> ROW_BITS == 0 && draw < GB_MOST_DRAWS);
  return row | draw << ROW_BITS;
}

const char *gb_row_name(uint64_t number, char buffer[48])
{
  uint64_t draw = number >> ROW_BITS, row = number & ((1ull << ROW_BITS) - 1);
  if (draw)
    snprintf(buffer, 48, "row %llu, draw %llu", (unsigned long long)row, (unsigned long long)draw + 1);
  else
    snprintf(buffer, 48, "row %llu", (unsigned long long)row);
  return buffer;
}

gb_err gb_row_observe(uint64_t seed, uint64_t row, double sd, size_t n, const double *exact, float *x)
{
  gb_real *noise;
  GB_TRY(gb_new(&noise, n));
  gb_normals(seed, GB_RNG_NOISE, row, 0, 1, n, n, noise);
  for (size_t i = 0; i < n; i++) x[i] = (float)(exact[i] + sd * (double)noise[i]);
  gb_free(&noise);
  return GB_OK;
}

gb_err gb_row_failed(gb_err e, uint64_t row, int n_truth, const gb_var *truth, const double *value)
{
  gb_text t = {0}, place = {0};
  char name[48];
  if (!e) return e;
  gb_text_add(&t, "%s", gb_row_name(row, name));
  for (int i = 0; i < n_truth; i++) gb_text_add(&t, "%s%s = %.9g", i ? ", " : " (", truth[i].name, value[i]);
  gb_text_add(&t, "%s: %s", n_truth ? ")" : "", gb_err_message());
  gb_text_add(&place, "%s", gb_err_place());
  if (!gb_text_done(&t) && !gb_text_done(&place)) gb_err_adopt(t.s, place.s);
  gb_text_free(&t);
  gb_text_free(&place);
  return e;
}

gb_err gb_solved_exact(const gb_solved *s, const double *truth, size_t frames, float *x)
{
  double *y;
  GB_TRY(gb_new(&y, frames * s->seen));
  gb_err e = s->solve(s->self, truth, frames, y);
  for (size_t i = 0; i < frames * s->seen; i++) x[i] = (float)y[i];
  gb_free(&y);
  return e;
}

/* What the curve does, behind what was drawn. */
static void describe(const gb_solved *s, const double *y, double *truth)
{
  gb_curve c = gb_curve_describe(s->frames, s->seen, y, s->interval);
  gb_curve_numbers(&c, truth + s->n_truth);
}

gb_err gb_solved_row(const gb_solved *s, uint64_t seed, uint64_t row, double *truth, float *x)
{
  size_t n = s->frames * s->seen;
  double *y;
  gb_err e;
  GB_TRY(gb_new(&y, n));
  GB_GOTO(e, gb_row_failed(s->solve(s->self, truth, s->frames, y), row, s->n_truth, s->truth, truth), done);
  if (s->describe) describe(s, y, truth);
  GB_GOTO(e, gb_row_observe(seed, row, s->noise, n, y, x), done);
done:
  gb_free(&y);
  return e;
}
