/* tests/unit/test_network.c - the language of layers: what it means, what it refuses and how it says so, first weights.
 */
#include "learn/network.h"

#include "ad/latent.h"
#include "ad/layers.h"
#include "check.h"

enum { ROWS = 2, MOST = 8 };

typedef struct net {
  gb_params *p;
  gb_graph *g;
  gb_node *x, *y;
  gb_text table;
  gb_draws draws;
  gb_style style;
} net;

/* Layers on an input of this shape; what went wrong is left to the caller. */
static gb_err build(net *n, const char *key, size_t n_layers, const char *const layers[], const char *activation,
                    gb_shape in, uint64_t seed)
{
  *n = (net){0};
  CHECK_OK(gb_params_create(&n->p));
  CHECK_OK(gb_graph_create(n->p, ROWS, &n->g));
  n->x = gb_graph_data(n->g, in);
  n->style = (gb_style){&n->draws, activation, GB_INIT_GAIN, &n->table};
  n->y = gb_network_build(n->g, &n->style, key, NULL, (gb_texts){n_layers, layers}, n->x);
  if (n->y) CHECK_OK(gb_params_freeze(n->p, seed));
  return gb_graph_plan(n->g);
}

static void drop(net *n)
{
  gb_graph_destroy(&n->g);
  gb_params_destroy(&n->p);
  gb_text_free(&n->table);
}

static const gb_shape lattice = {8, 8, 2};

/* A layer with the shape behind it and its weights. */
static void shapes_and_counts(void **state)
{
  (void)state;
  static const struct {
    gb_shape in;
    const char *layer;
    gb_shape out;
    size_t weights;
  } good[] = {
      {{8, 8, 2}, "dense 10", {1, 1, 10}, 128 * 10 + 10},
      {{8, 8, 2}, "dense 10 tanh", {1, 1, 10}, 128 * 10 + 10},
      {{1, 1, 3}, "grid 4 6 5", {4, 6, 5}, 3 * 120 + 120},
      {{8, 8, 2}, "conv 7", {8, 8, 7}, 9 * 2 * 7 + 7},
      {{8, 8, 2}, "conv 7 stride 2", {4, 4, 7}, 9 * 2 * 7 + 7},
      {{8, 8, 2}, "conv 7 kernel 1", {8, 8, 7}, 2 * 7 + 7},
      {{8, 8, 2}, "conv 7 kernel 8 stride 8 relu", {1, 1, 7}, 64 * 2 * 7 + 7},
      {{8, 8, 2}, "conv 7 stride 4 kernel 2", {2, 2, 7}, 4 * 2 * 7 + 7},
      {{8, 6, 2}, "  conv   7  none   stride 2 ", {4, 3, 7}, 9 * 2 * 7 + 7},
      {{8, 8, 2}, "conv 7 padding circular stride 2 gelu", {4, 4, 7}, 9 * 2 * 7 + 7},
      {{8, 8, 2}, "conv 7 padding zero", {8, 8, 7}, 9 * 2 * 7 + 7},
      {{4, 4, 3}, "deconv 5 padding zero stride 2", {8, 8, 5}, 3 * 9 * 5 + 5},
      {{4, 4, 3}, "deconv 5 kernel 4 stride 2", {8, 8, 5}, 3 * 16 * 5 + 5},
      {{4, 6, 3}, "deconv 5", {4, 6, 5}, 3 * 9 * 5 + 5},
      {{1, 1, 3}, "deconv 5 stride 3 softplus", {3, 3, 5}, 3 * 9 * 5 + 5},
      {{69, 69, 4}, "conv 8 pad 0", {67, 67, 8}, 9 * 4 * 8 + 8}, /* a U-Net for 69 x 69 */
      {{67, 67, 8}, "conv 8 kernel 4 pad 0", {64, 64, 8}, 16 * 8 * 8 + 8},
      {{64, 64, 8}, "conv 3 kernel 2 pad 3", {69, 69, 3}, 4 * 8 * 3 + 3},
      {{69, 69, 3}, "conv 16 kernel 5 pad 2 leaky_relu", {69, 69, 16}, 25 * 3 * 16 + 16},
      {{1, 1, 9}, "deconv 16 kernel 4 pad 0", {4, 4, 16}, 16 * 9 * 16 + 16}, /* from a vector to 69 x 69 */
      {{4, 4, 16}, "deconv 8 kernel 4 stride 2 pad 1", {8, 8, 8}, 16 * 16 * 8 + 8},
      {{16, 16, 4}, "deconv 2 kernel 5 stride 2 pad 1", {33, 33, 2}, 25 * 4 * 2 + 2},
      {{33, 33, 2}, "deconv 1 kernel 5 stride 2 pad 0 nobias", {69, 69, 1}, 25 * 2},
      {{8, 9, 2}, "conv 3 stride 2 pad 1 kernel 5 nobias", {3, 4, 3}, 25 * 2 * 3},
      {{8, 8, 2}, "conv 3 nobias padding zero sigmoid", {8, 8, 3}, 9 * 2 * 3},
      {{8, 8, 2}, "conv 3 p4 nobias", {8, 32, 3}, 9 * 2 * 3},
      {{2, 2, 2}, "dense 3 nobias leaky_relu", {1, 1, 3}, 8 * 3},
      {{2, 2, 2}, "grid 3 4 5 nobias", {3, 4, 5}, 8 * 60},
      {{6, 6, 2}, "conv 5 p4", {6, 24, 5}, 9 * 2 * 5 + 5}, /* orientations side by side */
      {{6, 6, 2}, "conv 5 p4 stride 3 gelu kernel 5", {2, 8, 5}, 25 * 2 * 5 + 5},
      {{8, 6, 2}, "batchnorm", {8, 6, 2}, 4}, /* statistics are no weights */
      {{1, 1, 9}, "batchnorm relu", {1, 1, 9}, 18},
      {{8, 6, 2}, "layernorm elu", {8, 6, 2}, 4},
  };
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    net n;
    gb_shape out = good[i].out;
    char text[64];
    CHECK_OK(build(&n, "model.encoder", 1, &good[i].layer, "elu", good[i].in, 1));
    if (n.y->shape.h != out.h || n.y->shape.w != out.w || n.y->shape.c != out.c)
      fail_msg("%s: %zu x %zu x %zu", good[i].layer, n.y->shape.h, n.y->shape.w, n.y->shape.c);
    assert_int_equal(gb_params_count(n.p), good[i].weights);
    assert_string_equal(gb_params_info(n.p, 0)->name, "encoder.0.weight");
    if (strstr(good[i].layer, "nobias"))
      assert_int_equal(gb_params_n(n.p), 1);
    else
      assert_string_equal(gb_params_info(n.p, 1)->name, "encoder.0.bias");
    if (strstr(good[i].layer, "p4"))
      snprintf(text, sizeof text, "-> %zu x %zu x 4 x %zu", out.h, out.w / 4, out.c);
    else
      snprintf(text, sizeof text, "-> %zu x %zu x %zu", out.h, out.w, out.c);
    CHECK(strstr(n.table.s, text) && strstr(n.table.s, good[i].layer) && strstr(n.table.s, "encoder.0"));
    CHECK_OK(gb_graph_run(n.g, NULL, NULL, ROWS, 1));
    drop(&n);
  }
}

/* Layers without weights. */
static void resized(void **state)
{
  (void)state;
  static const struct {
    gb_shape in;
    const char *layer;
    gb_shape out;
  } good[] = {{{69, 69, 2}, "maxpool 2", {34, 34, 2}},
              {{17, 8, 3}, "maxpool 3", {5, 2, 3}},
              {{4, 5, 3}, "maxpool 1", {4, 5, 3}},
              {{8, 3, 2}, "upsample 2", {16, 6, 2}},
              {{1, 1, 2}, "upsample 5", {5, 5, 2}}};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    net n;
    gb_shape out = good[i].out;
    CHECK_OK(build(&n, "model.encoder", 1, &good[i].layer, "elu", good[i].in, 1));
    CHECK(n.y->shape.h == out.h && n.y->shape.w == out.w && n.y->shape.c == out.c && gb_params_n(n.p) == 0);
    CHECK_OK(gb_graph_run(n.g, NULL, NULL, ROWS, 1));
    drop(&n);
  }
}

/* Blocks and interpolation would mix the orientations of a site. */
static void orientations_are_not_resized(void **state)
{
  (void)state;
  static const char *const pool[] = {"conv 3 p4", "maxpool 2"}, *const up[] = {"conv 3 p4", "upsample 2"};
  net n;
  CHECK_FAILS(build(&n, "e", 2, pool, "elu", lattice, 1), GB_ERR_CONFIG,
              "e[1] `maxpool 2`: its input is 8 x 8 x 4 x 3: it has four orientations");
  drop(&n);
  CHECK_FAILS(build(&n, "e", 2, up, "elu", lattice, 1), GB_ERR_CONFIG,
              "e[1] `upsample 2`: its input is 8 x 8 x 4 x 3: it has four orientations");
  drop(&n);
}

/* Layers follow each other; no layer at all is the input itself. */
static void chains(void **state)
{
  (void)state;
  net n;
  static const char *const layers[] = {"conv 4 stride 2", "conv 6 stride 2 kernel 4", "dense 12", "grid 2 2 3",
                                       "deconv 5 kernel 2 stride 2"};
  CHECK_OK(build(&n, "model.decoder", 5, layers, "tanh", lattice, 1));
  CHECK(n.y->shape.h == 4 && n.y->shape.w == 4 && n.y->shape.c == 5);
  CHECK(gb_params_n(n.p) == 10);
  CHECK(gb_params_count(n.p) == 9 * 2 * 4 + 4 + 16 * 4 * 6 + 6 + 24 * 12 + 12 + 12 * 12 + 12 + 3 * 4 * 5 + 5);
  assert_string_equal(gb_params_info(n.p, 8)->name, "decoder.4.weight");
  drop(&n);
  CHECK_OK(build(&n, "model.encoder", 0, NULL, "tanh", lattice, 1));
  CHECK(n.y->width == 128 && gb_params_count(n.p) == 0 && !n.table.s);
  drop(&n);
}

/* What a message must name: key with the number of the layer, the layer as written, and what is wrong. The layer at
 * fault is the second of three: the first is 4 x 4 x 3, and the third is not looked at. */
static void mistakes_are_explained(void **state)
{
  (void)state;
  static const struct {
    const char *layer, *message;
  } bad[] = {
      {"pool 2", "no such layer. Write `dense N [nobias]`, `grid H W C [nobias]`, `conv C [kernel K] [stride S]"},
      {"Dense 2", "no such layer"},
      {"add ", "no `skip` before it. A residual block is written: skip, its layers, add."},
      {"skip", "no `add` follows that ends the residual block"},
      {"skip elu", "`elu` is not understood: `skip` is all there is to write"},
      {"skip 3", "`3` is not understood: `skip` is all there is to write"},
      {"add 3", "`3` is not understood. Options: an activation (none|"},
      {"batchnorm 3", "`3` is not understood. Options: an activation (none|"},
      {"batchnorm elux", "`elux` is not understood. Options: an activation"},
      {"layernorm kernel 3", "`kernel` is not understood. Options: an activation"},
      {"batch norm", "no such layer"},
      {"dropout", "a probability above 0 and up to 0.99 must follow, not ``"},
      {"dropout 0", "a probability above 0 and up to 0.99 must follow, not `0`"},
      {"dropout 1", "a probability above 0 and up to 0.99 must follow, not `1`"},
      {"dropout -0.1", "not `-0.1`"},
      {"dropout nan", "not `nan`"},
      {"dropout 0.1x", "not `0.1x`"},
      {"dropout elu", "not `elu`"},
      {"dropout 0.1 elu", "`elu` is not understood: `dropout P` is all there is to write"},
      {"", "no such layer"},
      {"   ", "no such layer"},
      {"denser 3", "no such layer"},
      {"dense", "a size must be a whole number from 1 to 1048576, not ``"},
      {"dense 0", "a size must be a whole number from 1 to 1048576, not `0`"},
      {"dense -4", "a size must be a whole number from 1 to 1048576, not `-4`"},
      {"dense 1.5", "a size must be a whole number from 1 to 1048576, not `1.5`"},
      {"dense 1e3", "not `1e3`"},
      {"dense 12x", "not `12x`"},
      {"dense tanh", "a size must be a whole number from 1 to 1048576, not `tanh`"},
      {"dense 1048577", "not `1048577`"},
      {"dense 99999999999999999999999", "not `99999999999999999999999`"},
      {"grid 2 2", "a size must be a whole number from 1 to 1048576, not ``"},
      {"grid 2 2 elu", "not `elu`"},
      {"grid 2 2 3 4",
       "`4` is not understood. Options: nobias and an activation (none|relu|leaky_relu|elu|gelu|tanh|sigmoid|"},
      {"dense 3 4", "`4` is not understood"},
      {"dense 3 kernel 3", "`kernel` is not understood. Options: nobias and an activation"},
      {"dense 3 swish", "`swish` is not understood"},
      {"conv 3 kernal 3",
       "`kernal` is not understood. Options: kernel K, stride S, padding circular|zero, pad P, p4, nobias and an "
       "activation"},
      {"conv 3 padding", "padding is `circular` (the lattice is periodic) or `zero`, not ``"},
      {"deconv 3 padding zeros stride 2", "padding is `circular` (the lattice is periodic) or `zero`, not `zeros`"},
      {"dense 3 padding zero", "`padding` is not understood"},
      {"dense 3 p4", "`p4` is not understood. Options: nobias and an activation"},
      {"deconv 3 p4",
       "`p4` is not understood. Options: kernel K, stride S, padding circular|zero, pad P, nobias and an "
       "activation"},
      {"conv 3 p4 kernel 2", "input 4 x 4 x 3, output 4 x 4 x 4 x 3: p4 needs a square lattice, an odd kernel"},
      {"conv 3 p4 padding zero", "input 4 x 4 x 3, output 4 x 4 x 4 x 3: p4 needs a square lattice, an odd kernel"},
      {"conv 3 p4 kernel 5", "kernel 5 is larger than the lattice"},
      {"conv 3 p4 stride 3", "stride 3 does not divide 4 x 4"},
      {"conv 3 pad", "pad must be a whole number from 0 to 1048576, not ``"},
      {"conv 3 pad -1", "pad must be a whole number from 0 to 1048576, not `-1`"},
      {"conv 3 pad 1 padding zero", "write one of both"},
      {"conv 3 padding circular pad 1", "write one of both"},
      {"conv 3 p4 pad 1", "input 4 x 4 x 3, output 4 x 4 x 4 x 3: p4 needs a square lattice, an odd kernel"},
      {"conv 3 kernel 7 pad 1", "its input is 4 x 4 x 3: the kernel is larger than that with its zeros"},
      {"deconv 3 pad 3", "its input is 4 x 4 x 3: with so much pad nothing is left"},
      {"conv 3 pad 1048576", "output 2097154 x 2097154 x 3: more than"},
      {"batchnorm nobias", "`nobias` is not understood. Options: an activation"},
      {"maxpool", "a size must be a whole number from 1 to 1048576, not ``"},
      {"maxpool 5", "its input is 4 x 4 x 3: that is smaller than what it pools"},
      {"maxpool 2 relu", "`relu` is not understood: `maxpool S` is all there is to write"},
      {"upsample 0", "a size must be a whole number from 1 to 1048576, not `0`"},
      {"upsample 1048576", "output 4194304 x 4194304 x 3: more than"},
      {"mean 3", "`3` is not understood: `mean` is all there is to write"},
      {"conv 3 kernel", "kernel must be a whole number from 1 to 1048576, not ``"},
      {"conv 3 kernel 0", "kernel must be a whole number from 1 to 1048576, not `0`"},
      {"conv 3 kernel stride 2", "kernel must be a whole number from 1 to 1048576, not `stride`"},
      {"deconv 3 stride -1", "stride must be a whole number from 1 to 1048576, not `-1`"},
      {"conv 3 stride 3", "its input is 4 x 4 x 3; stride 3 does not divide 4 x 4"},
      {"conv 3 stride 8", "its input is 4 x 4 x 3; stride 8 does not divide 4 x 4"},
      {"conv 5 kernel 5", "input 4 x 4 x 3, output 4 x 4 x 5; kernel 5 is larger than the lattice"},
      {"deconv 5 kernel 9 stride 2", "input 4 x 4 x 3, output 8 x 8 x 5; kernel 9 is larger than the lattice"},
      {"grid 1048576 1048576 1048576", "output 1048576 x 1048576 x 1048576: more than 1073741824 numbers"},
      {"deconv 3 stride 1048576", "output 4194304 x 4194304 x 3: more than"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    net n;
    char where[160];
    const char *const layers[] = {"conv 3 stride 2", bad[i].layer, "nonsense"};
    bool last = !strcmp(bad[i].layer, "skip"); /* right by itself */
    gb_err_clear();
    gb_err e = build(&n, "model.encoder", last ? 2 : 3, layers, "elu", lattice, 1);
    if (e != GB_ERR_CONFIG || n.y) fail_msg("`%s` gives %d", bad[i].layer, (int)e);
    snprintf(where, sizeof where, "model.encoder[1] `%s`: ", bad[i].layer);
    if (strncmp(gb_err_message(), where, strlen(where)) || !strstr(gb_err_message(), bad[i].message))
      fail_msg("`%s`: \"%s\" lacks \"%s\"", bad[i].layer, gb_err_message(), bad[i].message);
    CHECK(!strstr(gb_err_message(), "nonsense"));
    drop(&n);
    gb_err_clear();
  }
}

/* Residual blocks: shapes, the weights of what the skip goes through, names. */
static void residual_blocks(void **state)
{
  (void)state;
  static const struct {
    gb_shape in;
    size_t n;
    const char *layer[7];
    gb_shape out;
    int tensors;
    size_t weights;
    const char *last; /* tensor */
  } c[] = {
      {{8, 8, 2}, 3, {"skip", "conv 2", "add"}, {8, 8, 2}, 2, 38, "e.1.bias"},
      {{8, 8, 2}, 3, {"skip", "conv 5 p4 stride 4", "add"}, {2, 8, 5}, 4, 95 + 15, "e.2.bias"},
      {{8, 8, 2}, 4, {"conv 3 p4", "skip", "conv 5 p4", "add"}, {8, 32, 5}, 6, 57 + 545 + 65, "e.3.bias"},
      {{8, 8, 2}, 5, {"conv 3 p4", "skip", "mean", "dense 4", "add"}, {1, 1, 4}, 6, 57 + 16 + 768 * 4 + 4, "e.4.bias"},
      {{8, 8, 2}, 3, {"skip", "conv 5 stride 4", "add tanh"}, {2, 2, 5}, 4, 95 + 15, "e.2.bias"},
      {{4, 2, 2}, 3, {"skip", "deconv 3 stride 2", "add"}, {8, 4, 3}, 4, 57 + 2 * 4 * 3 + 3, "e.2.bias"},
      {{1, 1, 4}, 3, {"skip", "dense 5", "add"}, {1, 1, 5}, 4, 50, "e.2.bias"},
      {{4, 4, 2}, 3, {"skip", "dense 5", "add"}, {1, 1, 5}, 4, 2 * 165, "e.2.bias"},
      {{1, 1, 4}, 3, {"skip", "grid 2 3 2", "add"}, {2, 3, 2}, 4, 2 * 60, "e.2.bias"},
      {{8, 8, 2},
       7,
       {"skip", "conv 3", "skip", "conv 3", "batchnorm", "add", "add"},
       {8, 8, 3},
       10,
       57 + 84 + 6 + 9,
       "e.6.bias"},
  };
  for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
    net n;
    CHECK_OK(build(&n, "model.e", c[i].n, c[i].layer, "elu", c[i].in, 1));
    CHECK(n.y->shape.h == c[i].out.h && n.y->shape.w == c[i].out.w && n.y->shape.c == c[i].out.c);
    assert_int_equal(gb_params_n(n.p), c[i].tensors);
    assert_int_equal(gb_params_count(n.p), c[i].weights);
    assert_string_equal(gb_params_info(n.p, c[i].tensors - 1)->name, c[i].last);
    CHECK_OK(gb_graph_run(n.g, NULL, NULL, ROWS, 1));
    drop(&n);
  }
}

static void residual_mistakes(void **state)
{
  (void)state;
  static const struct {
    size_t n;
    const char *layer[4], *message;
  } bad[] = {
      {2, {"skip", "add"}, "model.encoder[1] `add`: no layer with weights since its `skip`"},
      {3, {"skip", "dropout 0.1", "add elu"}, "model.encoder[2] `add elu`: no layer with weights since its `skip`"},
      {4, {"skip", "skip", "conv 2", "add"}, "model.encoder[0] `skip`: no `add` follows"},
      {4, {"skip", "conv 2", "add", "add"}, "model.encoder[3] `add`: no `skip` before it"},
      {3,
       {"skip", "grid 3 3 1", "add"},
       "model.encoder[2] `add`: its `skip` remembers 8 x 8 x 2, the block gives 3 x 3 x 1: no stride leads from one"},
      {3, {"skip", "grid 4 8 1", "add"}, "its `skip` remembers 8 x 8 x 2, the block gives 4 x 8 x 1"},
      {3, {"skip", "grid 16 24 1", "add"}, "its `skip` remembers 8 x 8 x 2, the block gives 16 x 24 x 1"},
      {3,
       {"dense 8", "grid 4 4 1", "layernorm"},
       "model.encoder[2] `layernorm`: its input is 4 x 4 x 1: one channel has"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    net n;
    CHECK_FAILS(build(&n, "model.encoder", bad[i].n, bad[i].layer, "elu", lattice, 1), GB_ERR_CONFIG, bad[i].message);
    drop(&n);
  }
  const char *nested[18];
  for (int k = 0; k < 18; k++) nested[k] = "skip";
  net n;
  CHECK_FAILS(build(&n, "e", 18, nested, "elu", lattice, 1), GB_ERR_CONFIG,
              "e[16] `skip`: more than 16 residual blocks within each other");
  drop(&n);
}

static double rms(const gb_params *p, const gb_real *value, const char *name)
{
  for (int t = 0; t < gb_params_n(p); t++) {
    const gb_param_info *info = gb_params_info(p, t);
    double sum = 0;
    if (strcmp(info->name, name)) continue;
    for (size_t i = 0; i < info->count; i++) sum += pow((double)value[info->first + i], 2) / (double)info->count;
    return sqrt(sum);
  }
  fail_msg("no tensor %s", name);
  return 0;
}

/* The last layer with weights of a block starts ten times smaller; blocks within and after do not matter. Of n uniform
 * numbers the root mean square scatters by sqrt(0.2 / n) of itself. */
static void blocks_start_near_identity(void **state)
{
  (void)state;
  static const char *const layers[] = {
      "dense 40 none", "skip",          "dense 40 none", "skip",        "dense 40 none", /* 0 - 4 */
      "dense 40 none", "add",           "dense 40 none", "add",         "dense 40 none", /* 5 - 9 */
      "skip",          "dense 40 none", "batchnorm",     "dropout 0.1", "add"};
  static const struct {
    const char *name;
    double scale;
  } c[] = {{"e.0.weight", 1},   {"e.2.weight", 1}, {"e.4.weight", 1}, {"e.5.weight", 0.1},
           {"e.7.weight", 0.1}, {"e.9.weight", 1}, {"e.11.weight", 1}};
  net n;
  CHECK_OK(build(&n, "e", sizeof layers / sizeof *layers, layers, "elu", (gb_shape){1, 1, 40}, 5));
  const gb_real *value = gb_params_value(n.p);
  for (size_t i = 0; i < sizeof c / sizeof *c; i++)
    CHECK_NEAR(rms(n.p, value, c[i].name) * sqrt(40) / c[i].scale, 1, 5 * sqrt(0.2 / 1600));
  CHECK_NEAR(rms(n.p, value, "e.12.weight"), 0.1, 1e-7);
  drop(&n);
}

/* A norm starts as one: gamma 1, beta 0, statistics of what has mean 0 and variance 1. */
static void norms_start_as_norms(void **state)
{
  (void)state;
  static const char *const layers[] = {"batchnorm", "layernorm"};
  static const struct {
    const char *name;
    gb_real value;
    bool statistic;
  } c[] = {{"e.0.weight", 1, false},     {"e.0.bias", 0, false},   {"e.0.running_mean", 0, true},
           {"e.0.running_var", 1, true}, {"e.1.weight", 1, false}, {"e.1.bias", 0, false}};
  net n;
  CHECK_OK(build(&n, "e", 2, layers, "elu", lattice, 5));
  CHECK(gb_params_n(n.p) == 6 && gb_params_have_statistics(n.p));
  for (int t = 0; t < 6; t++) {
    const gb_param_info *info = gb_params_info(n.p, t);
    assert_string_equal(info->name, c[t].name);
    CHECK(info->count == 2 && info->rule == (c[t].statistic ? GB_FOLLOWS : GB_LEARNED));
    for (size_t i = 0; i < 2; i++) CHECK(gb_params_value(n.p)[info->first + i] == c[t].value);
  }
  CHECK(strstr(n.table.s, " 4 weights\n")); /* statistics are none */
  drop(&n);
  CHECK_OK(build(&n, "e", 1, layers + 1, "elu", lattice, 5));
  CHECK(!gb_params_have_statistics(n.p));
  drop(&n);
}

/* Layers with a product have model.activation if they name none, the others none: with inputs of both signs, a
 * rectifier leaves no negative number. */
static void activations(void **state)
{
  (void)state;
  static const struct {
    const char *layer;
    bool rectified;
  } c[] = {{"dense 9", true},    {"dense 9 none", false},  {"conv 3", true},      {"conv 3 none", false},
           {"deconv 3", true},   {"grid 2 2 4", true},     {"batchnorm", false},  {"batchnorm relu", true},
           {"layernorm", false}, {"layernorm relu", true}, {"dropout 0.5", false}};
  for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
    net n;
    size_t negative = 0;
    CHECK_OK(build(&n, "e", 1, &c[i].layer, "relu", lattice, 5));
    gb_rng_normal(gb_rng_key(1, GB_RNG_TEST, 0, 0), ROWS * n.x->width, n.x->v);
    CHECK_OK(gb_graph_run(n.g, NULL, NULL, ROWS, 1));
    for (size_t k = 0; k < ROWS * n.y->width; k++) negative += n.y->v[k] < 0;
    if (c[i].rectified ? negative > 0 : negative == 0) fail_msg("%s: %zu negative numbers", c[i].layer, negative);
    drop(&n);
  }
}

/* Four pieces in one pass give the bits of four passes of one, added in the tree: through every kind of layer. */
static void pieces_are_exact(void **state)
{
  (void)state;
  enum { PARTS = 4, PIECE = 3, ALL = PARTS * PIECE };
  static const char *const layers[] = {"conv 6 stride 2 none",
                                       "batchnorm gelu",
                                       "dropout 0.2",
                                       "skip",
                                       "conv 5 padding zero",
                                       "layernorm",
                                       "add elu",
                                       "deconv 3 stride 2",
                                       "skip",
                                       "dense 20",
                                       "batchnorm",
                                       "add tanh"};
  static const double one = 1;
  gb_text table = {0};
  gb_draws draws = {.seed = 2, .step = 8, .training = true};
  gb_params *p;
  gb_graph *g;
  CHECK_OK(gb_params_create(&p));
  CHECK_OK(gb_graph_create(p, ALL, &g));
  gb_node *x = gb_graph_data(g, lattice);
  gb_style style = {&draws, "elu", GB_INIT_GAIN, &table};
  gb_node *y = gb_network_build(g, &style, "e", NULL, (gb_texts){sizeof layers / sizeof *layers, layers}, x);
  gb_node *term = gb_latent_kl(g, y, y);
  CHECK_OK(gb_params_freeze(p, 3));
  CHECK_OK(gb_graph_plan(g));
  size_t size = gb_params_size(p), width = gb_shape_width(lattice), differing = 0;
  gb_real *whole = gb_alloc(size, sizeof *whole), *part[PARTS], *data = gb_alloc(ALL * width, sizeof *data);
  double terms[ALL];
  gb_rng_normal(gb_rng_key(1, GB_RNG_TEST, 0, 0), ALL * width, data);
  for (size_t k = 0; k <= PARTS; k++) { /* first all of them */
    size_t first = k ? (k - 1) * PIECE : 0, rows = k ? PIECE : ALL, parts = k ? 1 : PARTS;
    gb_real *out = k ? (part[k - 1] = gb_alloc(size, sizeof *out)) : whole;
    memcpy(x->v, data + first * width, rows * width * sizeof *data);
    draws.first_row = 100 + first;
    CHECK_OK(gb_graph_run(g, NULL, NULL, rows, parts));
    if (!k) memcpy(terms, term->term, sizeof terms);
    CHECK(!memcmp(terms + first, term->term, rows * sizeof *terms));
    CHECK_OK(gb_graph_backward(g, 1, &term, &one, &(gb_gradient){.block = out, .parts = parts}));
  }
  for (size_t i = 0; i < size; i++) {
    gb_real sum = (part[0][i] + part[1][i]) + (part[2][i] + part[3][i]);
    CHECK(!memcmp(&whole[i], &sum, sizeof sum));
    differing += part[0][i] != part[1][i];
  }
  CHECK(differing > size / 2);
  for (size_t k = 0; k < PARTS; k++) gb_free(&part[k]);
  gb_free(&whole);
  gb_free(&data);
  gb_text_free(&table);
  gb_graph_destroy(&g);
  gb_params_destroy(&p);
}

/* The pixel that a turn by 90 degrees about pixel (0, 0) brings to (y, x). */
static size_t before_turn(size_t n, size_t y, size_t x)
{
  return ((n - x) % n) * n + y;
}

/* Turned input gives turned output, with the same bits: position and orientation change places, every sum keeps its
 * order. Also of strides: the even pixels are turned into even ones. A mean, and so what follows it, stays. */
static void turns_commute(void **state)
{
  (void)state;
  enum { L = 8, C = 2, SITES = L * L };
  static const struct {
    size_t n, side;
    const char *layer[8];
  } c[] = {
      {1, 8, {"conv 3 p4 tanh"}},
      {1, 4, {"conv 3 p4 kernel 5 stride 2 none"}},
      {2, 8, {"conv 3 p4", "conv 5 p4 gelu"}},
      {3, 2, {"conv 3 p4 stride 2", "layernorm", "conv 5 p4 kernel 3 stride 2"}},
      {6, 4, {"conv 3 p4 stride 2", "batchnorm elu", "skip", "conv 4 p4", "add", "layernorm"}},
      {6, 0, {"conv 3 p4 stride 2", "skip", "conv 4 p4", "add", "mean", "dense 7"}},
  };
  for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
    net n;
    CHECK_OK(build(&n, "e", c[i].n, c[i].layer, "elu", (gb_shape){L, L, C}, 5));
    gb_real x[ROWS * SITES * C], *first = gb_alloc(ROWS * n.y->width, sizeof *first);
    gb_rng_normal(gb_rng_key(1, GB_RNG_TEST, 0, 0), ROWS * SITES * C, x);
    memcpy(n.x->v, x, sizeof x);
    CHECK_OK(gb_graph_run(n.g, NULL, NULL, ROWS, 1));
    memcpy(first, n.y->v, ROWS * n.y->width * sizeof *first);
    for (size_t r = 0; r < ROWS; r++)
      for (size_t p = 0; p < SITES; p++)
        memcpy(n.x->v + (r * SITES + p) * C, x + (r * SITES + before_turn(L, p / L, p % L)) * C, C * sizeof *x);
    CHECK_OK(gb_graph_run(n.g, NULL, NULL, ROWS, 1));
    size_t side = c[i].side, channels = n.y->shape.c, moved = 0;
    for (size_t k = 0; side == 0 && k < ROWS * n.y->width; k++) CHECK_NEAR((double)n.y->v[k], (double)first[k], 1e-5);
    for (size_t r = 0; r < ROWS; r++)
      for (size_t p = 0; p < side * side; p++)
        for (size_t o = 0; o < GB_TURNS; o++) {
          const gb_real *now = n.y->v + ((r * side * side + p) * GB_TURNS + o) * channels;
          size_t from =
              (r * side * side + before_turn(side, p / side, p % side)) * GB_TURNS + (o + GB_TURNS - 1) % GB_TURNS;
          CHECK(!memcmp(now, first + from * channels, channels * sizeof *now));
          moved += memcmp(now, first + (now - n.y->v), channels * sizeof *now) != 0;
        }
    CHECK(moved >= ROWS * side * side); /* it does move */
    gb_free(&first);
    drop(&n);
  }
}

static void long_texts(void **state)
{
  (void)state;
  char text[2000];
  const char *layer = text;
  net n;
  for (size_t length = 126; length < sizeof text; length += length < 130 ? 1 : 300) {
    memset(text, ' ', length);
    memcpy(text, "dense 3", 7);
    text[length] = 0;
    if (length < 128) {
      CHECK_OK(build(&n, "model.decoder", 1, &layer, "elu", lattice, 1));
    } else {
      CHECK_FAILS(build(&n, "model.decoder", 1, &layer, "elu", lattice, 1), GB_ERR_CONFIG,
                  "model.decoder[0]: a layer has fewer than 128 characters");
    }
    drop(&n);
  }
}

/* A product that overflows must not become a small block. */
static void absurd_sizes_are_refused(void **state)
{
  (void)state;
  static const char *const layers[2][2] = {{"dense 1048576", "grid 1024 1024 1024"},
                                           {"grid 1 1 1048576", "deconv 1048576"}};
  static const char *const message[2] = {"model: encoder.1.weight would have 1125899906842624 weights",
                                         "output 1 x 1 x 1048576; kernel 3 is larger"};
  for (int i = 0; i < 2; i++) {
    net n;
    CHECK_FAILS(build(&n, "model.encoder", 2, layers[i], "elu", lattice, 1), GB_ERR_CONFIG, message[i]);
    drop(&n);
  }
  gb_params *p;
  gb_graph *g;
  CHECK_OK(gb_params_create(&p));
  CHECK_OK(gb_graph_create(p, (size_t)1 << 40, &g));
  gb_graph_data(g, (gb_shape){1024, 1024, 1024});
  CHECK_FAILS(gb_graph_plan(g), GB_ERR_MEMORY, "a pass over 1099511627776 rows needs");
  gb_graph_destroy(&g);
  gb_params_destroy(&p);
}

/* Heads: the last layer of an encoder is dense; that of a decoder a convolution if it is on the lattice already, a
 * transposed one if it is on a coarser one. */
static void heads(void **state)
{
  (void)state;
  static const struct {
    gb_shape in, out;
    size_t weights;
    const char *kind;
  } c[] = {{{4, 4, 5}, {4, 4, 3}, 9 * 5 * 3 + 3, "conv kernel 3"},
           {{2, 2, 5}, {4, 4, 3}, 9 * 5 * 3 + 3, "deconv kernel 3 stride 2"},
           {{2, 2, 5}, {6, 6, 3}, 25 * 5 * 3 + 3, "deconv kernel 5 stride 3"},
           {{4, 2, 5}, {4, 4, 3}, 40 * 48 + 48, "dense"},
           {{1, 1, 16}, {4, 4, 1}, 16 * 16 + 16, "dense"},
           {{2, 2, 5}, {2, 2, 3}, 20 * 12 + 12, "dense"}}; /* a window of 3 does not fit on 2 x 2 */
  for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
    net n;
    n = (net){0};
    CHECK_OK(gb_params_create(&n.p));
    CHECK_OK(gb_graph_create(n.p, ROWS, &n.g));
    n.style = (gb_style){&n.draws, "elu", GB_INIT_GAIN, &n.table};
    n.y = gb_network_site_head(n.g, &n.style, "output", gb_graph_data(n.g, c[i].in), c[i].out);
    CHECK(n.y && n.y->width == gb_shape_width(c[i].out) && n.y->shape.h == c[i].out.h);
    CHECK(gb_params_count(n.p) == c[i].weights && strstr(n.table.s, c[i].kind));
    assert_string_equal(gb_params_info(n.p, 0)->name, "output.weight");
    drop(&n);
  }
  gb_graph *g = NULL;
  CHECK(!gb_network_dense_head(g, NULL, "mu", NULL, lattice) && !gb_network_site_head(g, NULL, "mu", NULL, lattice));
}

/* Uniform in [-b, b] with variance b^2 / 3 = gain / fan_in. Over n weights the variance scatters by sqrt(0.8 / n) of
 * itself (kurtosis 9/5), the mean by b / sqrt(3 n): 5 of each, with fixed seeds. */
static void first_weights_have_their_variance(void **state)
{
  (void)state;
  static const struct {
    gb_shape in;
    const char *layer;
    double fan_in, gain;
  } c[] = {{{8, 8, 2}, "dense 100 relu", 128, 2},
           {{8, 8, 2}, "dense 100 elu", 128, 2},
           {{8, 8, 2}, "dense 100 leaky_relu", 128, 2 / 1.04},
           {{8, 8, 2}, "dense 100 sigmoid", 128, 1},
           {{8, 8, 2}, "dense 100 tanh", 128, 1},
           {{8, 8, 2}, "dense 100 softplus", 128, 1},
           {{8, 8, 2}, "dense 100 none", 128, 1},
           {{1, 1, 50}, "grid 4 4 20 tanh", 50, 1},
           {{8, 8, 20}, "conv 60 relu", 180, 2},
           {{8, 8, 20}, "conv 60 kernel 4 stride 2 tanh", 320, 1},
           {{4, 4, 20}, "deconv 60 kernel 4 stride 2 relu", 20 * 16 / 4.0, 2}};
  for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
    net n;
    CHECK_OK(build(&n, "e", 1, &c[i].layer, "elu", c[i].in, 7));
    size_t count = gb_params_info(n.p, 0)->count;
    const gb_real *w = gb_params_value(n.p);
    double mean = 0, square = 0, largest = 0, variance = c[i].gain / c[i].fan_in, N = (double)count;
    for (size_t k = 0; k < count; k++) {
      mean += (double)w[k] / N;
      square += (double)w[k] * (double)w[k] / N;
      largest = fmax(largest, fabs((double)w[k]));
    }
    CHECK_NEAR(square / variance, 1, 5 * sqrt(0.8 / N));
    CHECK_NEAR(mean, 0, 5 * sqrt(variance / N));
    CHECK_NEAR(largest / sqrt(3 * variance), 1, 20 / N); /* the ends are reached, and not passed */
    CHECK(largest <= sqrt(3 * variance) * (1 + 1e-6));
    const gb_param_info *b = gb_params_info(n.p, 1);
    for (size_t k = 0; k < b->count; k++) CHECK(w[b->first + k] == 0);
    drop(&n);
  }
}

/* The seed and the place in the list decide, nothing else: no two tensors and no two seeds share numbers. */
static void first_weights_follow_the_seed(void **state)
{
  (void)state;
  net a, b, c;
  static const char *const layers[] = {"dense 32 none", "dense 32 none", "dense 32 none"};
  gb_shape in = {1, 1, 32};
  CHECK_OK(build(&a, "e", 3, layers, "elu", in, 7));
  CHECK_OK(build(&b, "e", 2, layers, "tanh", in, 7));
  CHECK_OK(build(&c, "e", 3, layers, "elu", in, 8));
  const gb_real *x = gb_params_value(a.p), *y = gb_params_value(b.p), *z = gb_params_value(c.p);
  CHECK(!memcmp(x, y, gb_params_size(b.p) * sizeof *x)); /* a longer network begins with the same */
  enum { N = 32 * 32 };
  for (int i = 0; i < 3; i++) {
    const gb_real *u = x + gb_params_info(a.p, 2 * i)->first, *v = x + gb_params_info(a.p, 2 * ((i + 1) % 3))->first;
    size_t same = 0, other = 0;
    for (size_t k = 0; k < N; k++) {
      same += u[k] == v[k];
      other += u[k] == z[k + gb_params_info(c.p, 2 * i)->first];
    }
    CHECK(same < 4 && other < 4); /* 24 bits of 1024 pairs: one is equal in 10^4 tries */
  }
  drop(&a);
  drop(&b);
  drop(&c);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(shapes_and_counts),
                                     TEST(resized),
                                     TEST(orientations_are_not_resized),
                                     TEST(chains),
                                     TEST(mistakes_are_explained),
                                     TEST(residual_blocks),
                                     TEST(residual_mistakes),
                                     TEST(blocks_start_near_identity),
                                     TEST(norms_start_as_norms),
                                     TEST(activations),
                                     TEST(pieces_are_exact),
                                     TEST(turns_commute),
                                     TEST(long_texts),
                                     TEST(absurd_sizes_are_refused),
                                     TEST(heads),
                                     TEST(first_weights_have_their_variance),
                                     TEST(first_weights_follow_the_seed)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
