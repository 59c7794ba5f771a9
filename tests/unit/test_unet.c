/* tests/unit/test_unet.c - the U-Net: shapes, weights, what it refuses; that it is a function of the whole image. */
#include "learn/unet.h"

#include "check.h"

enum { ROWS = 2 };

typedef struct net {
  gb_params *p;
  gb_graph *g;
  gb_node *x, *y;
  gb_text table;
  gb_draws draws;
} net;

static gb_err build(net *n, gb_shape in, size_t n_widths, const size_t widths[], size_t channels, size_t h_out)
{
  *n = (net){.draws = {.training = true}};
  CHECK_OK(gb_params_create(&n->p));
  CHECK_OK(gb_graph_create(n->p, ROWS, &n->g));
  n->x = gb_graph_data(n->g, in);
  gb_style style = {&n->draws, "none", GB_INIT_GAIN, &n->table};
  n->y = gb_unet_build(n->g, &style, "unet", n->x, n_widths, widths, channels, h_out);
  if (n->y) CHECK_OK(gb_params_freeze(n->p, 1));
  return gb_graph_plan(n->g);
}

static void drop(net *n)
{
  gb_graph_destroy(&n->g);
  gb_params_destroy(&n->p);
  gb_text_free(&n->table);
}

static const size_t widths[] = {8, 16, 32, 64};

/* Two convolutions of k x k from a to b channels with norms: biases or none. */
static size_t pair(size_t a, size_t b, size_t first, size_t second, bool bias)
{
  return first * first * a * b + second * second * b * b + 2 * (2 + bias) * b;
}

/* That of N. Takeishi and A. Kalousis, less the biases that a norm takes away again. */
static void galaxies(void **state)
{
  (void)state;
  static const char *const lines[] = {"conv 8 kernel 3 pad 0 nobias 69 x 69 x 4 -> 67 x 67 x 8",
                                      "conv 8 kernel 4 pad 0 nobias 67 x 67 x 8 -> 64 x 64 x 8",
                                      "maxpool 2 64 x 64 x 8 -> 32 x 32 x 8",
                                      "conv 64 kernel 3 pad 1 nobias 8 x 8 x 32 -> 8 x 8 x 64",
                                      "upsample 2 8 x 8 x 64 -> 16 x 16 x 64",
                                      "conv 32 kernel 3 pad 1 relu 16 x 16 x 96 -> 16 x 16 x 32",
                                      "conv 8 kernel 3 pad 1 relu 64 x 64 x 24 -> 64 x 64 x 8",
                                      "conv 3 kernel 2 pad 3 64 x 64 x 8 -> 69 x 69 x 3"};
  net n;
  CHECK_OK(build(&n, (gb_shape){69, 69, 4}, 4, widths, 3, 69));
  CHECK(n.y->shape.h == 69 && n.y->shape.w == 69 && n.y->shape.c == 3);
  assert_int_equal(gb_params_count(n.p), pair(4, 8, 3, 4, false) + pair(8, 16, 3, 3, false) +
                                             pair(16, 32, 3, 3, false) + pair(32, 64, 3, 3, false) +
                                             pair(96, 32, 3, 3, true) + pair(48, 16, 3, 3, true) +
                                             pair(24, 8, 3, 3, true) + 4 * 8 * 3 + 3);
  char *to = n.table.s; /* runs of blanks become one */
  for (const char *from = to; (*to = *from); from++)
    if (*from != ' ' || from[1] != ' ') to++;
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    if (!strstr(n.table.s, lines[i])) fail_msg("no line \"%s\" in\n%s", lines[i], n.table.s);
  }
  gb_rng_normal(gb_rng_key(1, GB_RNG_TEST, 0, 0), ROWS * n.x->width, n.x->v);
  CHECK_OK(gb_graph_run(n.g, NULL, NULL, ROWS, 1));
  for (size_t i = 0; i < ROWS * n.y->width; i++) CHECK(isfinite((double)n.y->v[i]));
  drop(&n);
}

static void sizes(void **state)
{
  (void)state;
  static const struct {
    size_t h, n_widths, h_out;
  } good[] = {{64, 4, 64}, {69, 4, 64}, {64, 4, 62}, {64, 4, 63}, {61, 4, 61}, {13, 4, 13},
              {7, 1, 7},   {8, 4, 8},   {69, 7, 69}, {6, 2, 6},   {7, 2, 7},   {2, 2, 7}};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    static const size_t narrow[] = {2, 3, 2, 1, 2, 1, 2};
    net n;
    CHECK_OK(build(&n, (gb_shape){good[i].h, good[i].h, 1}, good[i].n_widths, narrow, 2, good[i].h_out));
    CHECK(n.y->shape.h == good[i].h_out && n.y->shape.w == good[i].h_out && n.y->shape.c == 2);
    CHECK_OK(gb_graph_run(n.g, NULL, NULL, ROWS, 1));
    drop(&n);
  }
}

static void refusals(void **state)
{
  (void)state;
  static const size_t none[] = {8, 0};
  static const struct {
    gb_shape in;
    size_t n_widths;
    const size_t *widths;
    size_t h_out;
    const char *message;
  } bad[] = {
      {{70, 70, 1},
       4,
       widths,
       70,
       "a U-Net of 4 widths halves images 3 times: 70 x 70 pixels do not fit. Sides "
       "must be multiples of 8, or 5 more: such as 72 or 77"},
      {{4, 4, 1}, 4, widths, 4, "4 x 4 pixels do not fit. Sides must be multiples of 8, or 5 more: such as 8 or 13"},
      {{5, 5, 1}, 4, widths, 5, "5 x 5 pixels do not fit"},
      {{64, 32, 1}, 4, widths, 64, "a U-Net of 64 x 32 pixels: its images must be square"},
      {{64, 64, 1},
       4,
       widths,
       70,
       "from 64 x 64 to 70 x 70 pixels: its finest level has 64 x 64, and its output "
       "may have 2 less to 5 more on a side"},
      {{69, 69, 1}, 4, widths, 61, "from 69 x 69 to 61 x 61 pixels: its finest level has 64 x 64"},
      {{64, 64, 1}, 0, widths, 64, "a U-Net of 0 widths: write 1 to 12"},
      {{64, 64, 1}, 13, widths, 64, "a U-Net of 13 widths: write 1 to 12"},
      {{64, 64, 1}, 2, none, 64, "unet_down1[1] `conv 0 kernel 3 pad 1 nobias`: a size must be a whole number"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    net n;
    CHECK_FAILS(build(&n, bad[i].in, bad[i].n_widths, bad[i].widths, 3, bad[i].h_out), GB_ERR_CONFIG, bad[i].message);
    CHECK(!n.y);
    drop(&n);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(galaxies), TEST(sizes), TEST(refusals)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
