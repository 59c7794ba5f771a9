/* sim/rows.h - what simulators of rows share: ranges to draw from, draws, noise, and the message of a row that failed.
 */
#pragma once
#include "sim/curve.h"

/** Check a range [low, high] of the options; equal: the number is fixed.
 *  Local.
 *  @param[in] key  "section.key", for the message
 *  @return GB_ERR_CONFIG naming key and value, if it is not two numbers in order */
gb_err gb_range_check(const char *key, gb_reals range);

/** Check the box of a parameter: low < high, and the range that rows are drawn from is inside.
 *  Local.
 *  @param[in] drawn_key, drawn  of that range, already checked */
gb_err gb_box_check(const char *key, gb_reals box, const char *drawn_key, gb_reals drawn);

/** Number `which` of a row, uniform in a range: a function of its arguments.
 *  Local. */
double gb_row_draw(uint64_t seed, uint64_t row, uint32_t which, gb_reals range);

/* A row whose simulation fails may be drawn again: another draw has another number. */
enum { GB_MOST_DRAWS = 1001 };

/** The number under which draw number `draw` of a row is simulated; the first is draw 0 and has the row's own.
 *  Local.
 *  @param[in] row   below 2^34
 *  @param[in] draw  below GB_MOST_DRAWS */
uint64_t gb_row_again(uint64_t row, uint64_t draw);

/** "row 17", or "row 17, draw 2" (from 1) of such a number, for a message.
 *  Local.
 *  @return buffer */
const char *gb_row_name(uint64_t number, char buffer[48]);

/** x = exact + noise of standard deviation sd.
 *  Local.
 *  @param[in]  exact  [n]
 *  @param[out] x      [n]
 *  @return GB_ERR_MEMORY */
gb_err gb_row_observe(uint64_t seed, uint64_t row, double sd, size_t n, const double *exact, float *x);

/* Rows whose frames are a solution of an equation, and noise on it. */
typedef struct gb_solved {
  const void *self;
  gb_err (*solve)(const void *self, const double *truth, size_t frames, double *x /* [frames, seen] */);
  size_t frames, seen; /* of a row; numbers of a frame */
  double noise;        /* its standard deviation */
  int n_truth;         /* that are drawn */
  const gb_var *truth;
  bool describe;   /* behind what is drawn stand the numbers of sim/curve.h, of the first one seen */
  double interval; /* between frames, for them */
} gb_solved;

/** For gb_simulator: `exact`, and `simulate` behind the drawing of the truth.
 *  Local.
 *  @param[in,out] truth  [n_truth] drawn; with `describe` [n_truth + GB_CURVE_NUMBERS], the rest written
 *  @return the failure of solve, of a row with its number and truth; GB_ERR_MEMORY */
gb_err gb_solved_exact(const gb_solved *s, const double *truth, size_t frames, float *x);
gb_err gb_solved_row(const gb_solved *s, uint64_t seed, uint64_t row, double *truth, float *x);

/** Make a recorded failure say which row it is of, and what was drawn for it.
 *  Local.
 *  @return e */
gb_err gb_row_failed(gb_err e, uint64_t row, int n_truth, const gb_var *truth, const double *value /* [n_truth] */);
