/* tests/unit/gradient_unet.c - a whole U-Net against differences, in double. */
#include "gradient_bench.h"
#include "learn/unet.h"

/* Rectifiers and largest numbers have kinks: a step so small that no unit crosses one. */
static void unets(void **state)
{
  (void)state;
  static const struct {
    size_t h, n_widths, widths[3], h_out;
  } c[] = {{9, 2, {3, 2}, 9}, {9, 3, {2, 3, 2}, 7}, {4, 2, {2, 3}, 2}, {3, 1, {2}, 3}};
  for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
    gb_draws draws = {.training = true};
    gb_text table = {0};
    bench b;
    begin_rows(&b, 4, 2);
    b.step = 1e-6;
    gb_node *x = source(&b, "x", (gb_shape){c[i].h, c[i].h, 2});
    gb_style style = {&draws, "none", GB_INIT_GAIN, &table};
    gb_node *y = gb_unet_build(b.g, &style, "u", x, c[i].n_widths, c[i].widths, 2, c[i].h_out);
    probe_node(&b, y);
    finish(&b);
    gb_text_free(&table);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(unets)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
