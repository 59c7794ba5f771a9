/* tests/unit/gradient_picture.c - known images in double: pixels to all known digits, and the op and its gradient. */
#include "foreign_leaks.h"
#include "gradient_bench.h"
#include "physics/rows.h"
#include "sim/picture.h"

enum { SIZE = 69, N = SIZE * SIZE };

/* The exponential ellipse I0 = 0.8, A = 0.5, e = 0.8, theta = 0.6: computed in Python from the formula. */
static void pixels(void **state)
{
  (void)state;
  static const struct {
    size_t y, x;
    double value, tolerance;
  } known[] = {{34, 34, 0.8, 1e-15},
               {20, 20, 0.166558729549, 5e-13},
               {20, 48, 0.00260425704523, 5e-15},
               {34, 44, 0.141795961580, 5e-13},
               {10, 34, 0.00223542354831, 5e-15}};
  static const gb_real z[] = {0.8, 0.5, 0.8, 0.6};
  static gb_real y[N];
  double sum = 0;
  bed b;
  bed_open(&b, "galaxy", "galaxy: {}");
  b.sim.kind->image->draw(b.sim.self, 1, z, y);
  for (size_t i = 0; i < N; i++) sum += y[i];
  for (size_t k = 0; k < sizeof known / sizeof *known; k++)
    CHECK_NEAR(y[known[k].y * SIZE + known[k].x], known[k].value, known[k].tolerance);
  CHECK_NEAR(sum, 248.08565131, 5e-9);
  bed_close(&b);
}

static const char *const profile[] = {
    "galaxy: {size: 9}", "galaxy: {size: 10, profile: gaussian}", "galaxy: {size: 9, profile: sersic, sersic_index: 4}",
    "galaxy: {size: 131, profile: sersic, sersic_index: 1.5}", "galaxy: {size: 9, known_psf: 1.3}"};

static void derivatives(void **state)
{
  (void)state;
  for (size_t k = 0; k < sizeof profile / sizeof *profile; k++) {
    bed b;
    bed_open(&b, "galaxy", profile[k]);
    bed_check_image(&b.sim);
    bed_close(&b);
  }
}

/* Brighter, wider, rounder, turned: signs in the centre of the image's quarters. */
static void parameters_mean_what_they_say(void **state)
{
  (void)state;
  enum { S = 11, ROWS = 5 };
  static const gb_real z[ROWS * 4] = {0.5, 0.5, 0.7, 0,   0.6, 0.5, 0.7, 0,   0.5, 0.7,
                                      0.7, 0,   0.5, 0.5, 0.3, 0,   0.5, 0.5, 0.7, 0.4};
  gb_real y[ROWS * S * S];
  bed b;
  bed_open(&b, "galaxy", "galaxy: {size: 11}");
  b.sim.kind->image->draw(b.sim.self, ROWS, z, y);
#define AT(row, line, column) y[(row)*S * S + (line)*S + (column)]
  CHECK(AT(0, 5, 8) > AT(0, 2, 5)); /* along x */
  for (size_t i = 0; i < S * S; i++) CHECK_NEAR(AT(1, 0, i), 1.2 * AT(0, 0, i), 1e-15);
  CHECK(AT(2, 5, 8) > AT(0, 5, 8) && AT(2, 2, 5) > AT(0, 2, 5));
  CHECK(AT(3, 5, 8) == AT(0, 5, 8) && AT(3, 2, 5) > AT(0, 2, 5));
  CHECK(AT(4, 7, 8) > AT(4, 3, 8) && AT(0, 7, 8) == AT(0, 3, 8)); /* clockwise: down to the right */
  bed_close(&b);
}

/* As an op behind layers, the last of which gives softplus of little: parameters near 0.7, inside the box. */
static void op(void **state)
{
  (void)state;
  for (size_t k = 0; k < 3; k++) {
    bed s;
    bench b;
    bed_open(&s, "galaxy", profile[k]);
    begin(&b);
    gb_node *h = source(&b, "in", (gb_shape){1, 1, 4});
    gb_node *z = gb_dense(b.g, h, weights(&b, "w", 2, (size_t[]){4, 4}, 0.2), weights(&b, "b", 1, (size_t[]){4}, 0.1),
                          (gb_shape){1, 1, 4}, GB_SOFTPLUS);
    z = gb_dense(b.g, z, weights(&b, "v", 2, (size_t[]){4, 4}, 0.05), weights(&b, "c", 1, (size_t[]){4}, 0.1),
                 (gb_shape){1, 1, 4}, GB_SOFTPLUS);
    gb_node *y = gb_image_draw(b.g, &s.sim, z);
    CHECK(y && y->shape.h == s.sim.dims.shape[0] && y->shape.w == s.sim.dims.shape[1] && y->shape.c == 1);
    probe_node(&b, y);
    finish(&b);
    bed_close(&s);
  }
}

static void misuse_is_refused(void **state)
{
  (void)state;
  bed s;
  bench b;
  bed_open(&s, "galaxy", "galaxy: {}");
  begin(&b);
  CHECK(!gb_image_draw(b.g, &s.sim, data(&b, (gb_shape){1, 1, 3})) && !gb_image_draw(b.g, &s.sim, NULL));
  CHECK(strstr(gb_err_message(), "an image of galaxy has 4 parameters, but 3 are given"));
  CHECK_OK(gb_params_freeze(b.p, 1));
  CHECK(gb_graph_plan(b.g) == GB_ERR_CONFIG);
  end(&b);
  bed_close(&s);
  bed_open(&s, "pendulum", "pendulum: {}");
  begin(&b);
  gb_err_clear();
  CHECK(!gb_image_draw(b.g, &s.sim, data(&b, (gb_shape){1, 1, 1})));
  CHECK(strstr(gb_err_message(), "run.physics = pendulum has no known image"));
  end(&b);
  bed_close(&s);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {TEST(pixels), TEST(derivatives), TEST(parameters_mean_what_they_say), TEST(op),
                                     TEST(misuse_is_refused)};
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failed;
}
