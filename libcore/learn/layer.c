/* learn/layer.c - the table of layers, and the reader of one. */
#include "learn/layer.h"

#include <stdlib.h>
#include <string.h>

enum { LARGEST = 1 << 20, MOST_NUMBERS = 1 << 30 }; /* a size; numbers in a sample, so that products stay in range */
static const double most_dropped = 0.99;

typedef enum activated { STANDARD, IF_NAMED, NEVER } activated;

static const struct {
  const char *name, *form, *shape, *doc;
  int sizes; /* numbers that follow the name */
  bool window, weights;
  activated activated;
} kinds[GB_LAYER_KINDS] = {
    {"dense", "dense N [nobias]", "1 x 1 x N", "All outputs from all inputs. nobias: without a bias.", 1, false, true,
     STANDARD},
    {"grid", "grid H W C [nobias]", "H x W x C", "Dense, its outputs arranged as H x W sites with C channels.", 3,
     false, true, STANDARD},
    {"conv", "conv C [kernel K] [stride S] [padding zero] [pad P] [p4] [nobias]", "H/S x W/S x C",
     "Convolution, K x K sites to one; K = 3 and S = 1 if not said. S divides H and W. The lattice is periodic "
     "(`padding circular`), or zeros lie around it. With `pad P`, P of them lie on every side, and a side of n sites "
     "becomes one of (n + 2P - K)/S + 1, rounded down. p4: for H = W and odd K, every filter in its four "
     "orientations, so that a turn by 90 degrees before the layer is one behind it; output H/S x W/S x 4 x C, "
     "which p4, norms, dropout and residual blocks keep, and dense and mean end. The work of a convolution "
     "from and to 4 C channels, a quarter of its weights; take multiples of 16 channels.",
     1, true, true, STANDARD},
    {"deconv", "deconv C [kernel K] [stride S] [padding zero] [pad P] [nobias]", "HS x WS x C",
     "Transposed convolution: the lattice becomes S times larger. With S = 2 take K = 4: all sites then get "
     "equally many contributions. With `pad P` a side of n sites becomes one of (n - 1)S + K - 2P.",
     1, true, true, STANDARD},
    {"batchnorm", "batchnorm", "as before",
     "Each channel is brought to mean 0 and variance 1 over the samples (and sites) of one of the train.shards "
     "pieces of a batch, then scaled and shifted by learned numbers; so it does not depend on the ranks. After "
     "training: by running means (0.9 old + 0.1 new each step).",
     0, false, true, IF_NAMED},
    {"layernorm", "layernorm", "as before",
     "The channels of a site (behind a dense layer: all its outputs) are brought to mean 0 and variance 1, "
     "then scaled and shifted by learned numbers; each sample by itself.",
     0, false, true, IF_NAMED},
    {"maxpool", "maxpool S", "H/S x W/S x C",
     "The largest number of S x S sites, in each channel; sides are rounded down.", 1, false, false, NEVER},
    {"upsample", "upsample S", "HS x WS x C",
     "Bilinear interpolation, with the corner sites of both lattices at the same place.", 1, false, false, NEVER},
    {"mean", "mean", "1 x 1 x C",
     "Mean over all sites, and orientations: what remains does not change when the lattice is shifted by "
     "multiples of the strides before it, or turned if all layers before it are p4.",
     0, false, false, NEVER},
    {"dropout", "dropout P", "as before",
     "In training each number is 0 with probability P, else divided by 1 - P; 0 < P <= 0.99.", 0, false, false, NEVER},
    {"skip", "skip", "as before", "Remembers its input for the `add` that belongs to it, as brackets do.", 0, false,
     false, NEVER},
    {"add", "add", "as before",
     "Adds what the `skip` remembered: the layers between are a residual block, x + f(x). The last of them "
     "with weights starts ten times smaller, so that the block starts near x. If f changes the shape, x goes "
     "through a layer of its own without activation: 1 x 1 convolution with the stride it takes, on a finer "
     "lattice a transposed one, dense from or to one site.",
     0, false, false, IF_NAMED},
};

gb_layer_kind gb_layer_kind_of(const char *text)
{
  int k = 0;
  text += strspn(text, " ");
  size_t n = strcspn(text, " ");
  while (k < GB_LAYER_KINDS && (strlen(kinds[k].name) != n || strncmp(text, kinds[k].name, n))) k++;
  return (gb_layer_kind)k;
}

bool gb_layer_has_weights(gb_layer_kind kind)
{
  return kind < GB_LAYER_KINDS && kinds[kind].weights;
}

static gb_err no_such(const char *where, const char *text)
{
  gb_text forms = {0};
  for (int k = 0; k < GB_LAYER_KINDS; k++)
    gb_text_add(&forms, "%s`%s`", k == 0 ? "" : k + 1 < GB_LAYER_KINDS ? ", " : " or ", kinds[k].form);
  gb_err e = gb_text_done(&forms);
  if (!e) e = GB_FAIL(GB_ERR_CONFIG, "%s `%s`: no such layer. Write %s.", where, text, forms.s);
  gb_text_free(&forms);
  return e;
}

static gb_err whole_number(const char *where, const char *text, const char *what, long least, const char *word,
                           size_t *out)
{
  char *end = NULL;
  long v = word ? strtol(word, &end, 10) : 0;
  GB_CHECK(word && end != word && !*end && v >= least && v <= LARGEST, GB_ERR_CONFIG,
           "%s `%s`: %s must be a whole number from %ld to %d, not `%s`", where, text, what, least, LARGEST,
           word ? word : "");
  *out = (size_t)v;
  return GB_OK;
}

static gb_err probability(const char *where, const char *text, const char *word, double *out)
{
  char *end = NULL;
  *out = word ? strtod(word, &end) : 0;
  GB_CHECK(word && end != word && !*end && *out > 0 && *out <= most_dropped, GB_ERR_CONFIG,
           "%s `%s`: a probability above 0 and up to %g must follow, not `%s`", where, text, most_dropped,
           word ? word : "");
  return GB_OK;
}

static gb_err padding(const char *where, const char *text, const char *word, bool *zero)
{
  *zero = word && !strcmp(word, "zero");
  GB_CHECK(*zero || (word && !strcmp(word, "circular")), GB_ERR_CONFIG,
           "%s `%s`: padding is `circular` (the lattice is periodic) or `zero`, not `%s`", where, text,
           word ? word : "");
  return GB_OK;
}

/* What its text may say: with a product, there is a bias to leave out. */
static bool may_lack_bias(gb_layer_kind k)
{
  return kinds[k].activated == STANDARD;
}

static gb_err not_understood(const char *where, const char *text, gb_layer_kind k, const char *word)
{
  if (kinds[k].activated == NEVER)
    return GB_FAIL(GB_ERR_CONFIG, "%s `%s`: `%s` is not understood: `%s` is all there is to write.", where, text, word,
                   kinds[k].form);
  return GB_FAIL(GB_ERR_CONFIG, "%s `%s`: `%s` is not understood. Options: %san activation (%s).", where, text, word,
                 k == GB_LAYER_CONV ? "kernel K, stride S, padding circular|zero, pad P, p4, nobias and "
                 : kinds[k].window  ? "kernel K, stride S, padding circular|zero, pad P, nobias and "
                 : may_lack_bias(k) ? "nobias and "
                                    : "",
                 GB_ACTIVATIONS);
}

/* @param[in,out] rest   the words that follow
 *  @param[out] known  is it one of those that describe windows? */
static gb_err window_word(const char *where, const char *text, const char *word, char **rest, gb_window *w, bool *known)
{
  *known = true;
  if (!strcmp(word, "kernel")) return whole_number(where, text, "kernel", 1, strtok_r(NULL, " ", rest), &w->kernel);
  if (!strcmp(word, "stride")) return whole_number(where, text, "stride", 1, strtok_r(NULL, " ", rest), &w->stride);
  bool pad = !strcmp(word, "pad");
  *known = pad || !strcmp(word, "padding");
  if (!*known) return GB_OK;
  w->padded |= pad;
  return pad ? whole_number(where, text, "pad", 0, strtok_r(NULL, " ", rest), &w->pad)
             : padding(where, text, strtok_r(NULL, " ", rest), &w->zero);
}

gb_err gb_layer_parse(const char *where, const char *text, gb_activation standard, gb_layer *out)
{
  char copy[128], *rest = copy, *word;
  GB_CHECK(strlen(text) < sizeof copy, GB_ERR_CONFIG, "%s: a layer has fewer than %zu characters", where, sizeof copy);
  strcpy(copy, text);
  gb_layer_kind k = gb_layer_kind_of(text);
  if (k == GB_LAYER_KINDS) return no_such(where, text);
  strtok_r(copy, " ", &rest);
  *out = (gb_layer){.kind = k,
                    .window = {.kernel = 3, .stride = 1},
                    .activation = kinds[k].activated == STANDARD ? standard : GB_NONE};
  for (int i = 0; i < kinds[k].sizes; i++)
    GB_TRY(whole_number(where, text, "a size", 1, strtok_r(NULL, " ", &rest), &out->size[i]));
  if (k == GB_LAYER_DROPOUT) GB_TRY(probability(where, text, strtok_r(NULL, " ", &rest), &out->rate));
  while ((word = strtok_r(NULL, " ", &rest))) {
    bool known = false;
    if (kinds[k].window) GB_TRY(window_word(where, text, word, &rest, &out->window, &known));
    if (known) continue;
    if (k == GB_LAYER_CONV && !strcmp(word, "p4"))
      out->p4 = true;
    else if (may_lack_bias(k) && !strcmp(word, "nobias"))
      out->no_bias = true;
    else if (kinds[k].activated != NEVER && gb_activation_find(word) >= 0)
      out->activation = (gb_activation)gb_activation_find(word);
    else
      return not_understood(where, text, k, word);
  }
  GB_CHECK(!out->window.padded || !strstr(text, "padding"), GB_ERR_CONFIG,
           "%s `%s`: `pad` puts zeros around the lattice, `padding` says what is there without them: write one of both",
           where, text);
  return GB_OK;
}

const char *gb_extent_text(gb_extent l, char buffer[80])
{
  snprintf(buffer, 80, "%zu x %zu x %s%zu", l.shape.h, l.shape.w, l.p4 ? "4 x " : "", l.shape.c);
  return buffer;
}

static gb_err check_size(const char *where, const char *text, gb_extent in, gb_extent out)
{
  char from[80], to[80];
  GB_CHECK((double)out.shape.h * (double)out.shape.w * (double)out.shape.c * (out.p4 ? 4 : 1) <= MOST_NUMBERS,
           GB_ERR_CONFIG, "%s `%s`: input %s, output %s: more than %d numbers", where, text, gb_extent_text(in, from),
           gb_extent_text(out, to), MOST_NUMBERS);
  return GB_OK;
}

static gb_err check_window(const char *where, const char *text, const gb_layer *l, gb_extent in, gb_extent out)
{
  char from[80], to[80];
  gb_shape large = l->kind == GB_LAYER_CONV ? in.shape : out.shape;
  GB_CHECK(l->window.padded || (l->window.kernel <= large.h && l->window.kernel <= large.w), GB_ERR_CONFIG,
           "%s `%s`: input %s, output %s; kernel %zu is larger than the lattice", where, text, gb_extent_text(in, from),
           gb_extent_text(out, to), l->window.kernel);
  GB_CHECK(
      out.shape.h && out.shape.w, GB_ERR_CONFIG, "%s `%s`: its input is %s: %s", where, text, gb_extent_text(in, from),
      l->kind == GB_LAYER_CONV ? "the kernel is larger than that with its zeros. Take a smaller kernel or more pad."
                               : "with so much pad nothing is left. Take less, or a larger kernel.");
  GB_CHECK(
      l->p4 || !in.p4, GB_ERR_CONFIG,
      "%s `%s`: its input %s has four orientations, its output %s would not. Write p4 here, too, or let a dense or "
      "mean come first.",
      where, text, gb_extent_text(in, from), gb_extent_text(out, to));
  GB_CHECK(
      !l->p4 || (in.shape.h == in.shape.w && l->window.kernel % 2 && !l->window.zero && !l->window.padded),
      GB_ERR_CONFIG,
      "%s `%s`: input %s, output %s: p4 needs a square lattice, an odd kernel and circular padding, or a turn would "
      "not lead from pixel to pixel",
      where, text, gb_extent_text(in, from), gb_extent_text(out, to));
  return GB_OK;
}

gb_err gb_layer_shape(const char *where, const char *text, const gb_layer *l, gb_extent in, gb_extent *out)
{
  char from[80];
  size_t s = l->window.stride;
  gb_shape i = in.shape;
  *out = in;
  switch (l->kind) {
  case GB_LAYER_DENSE: *out = (gb_extent){{1, 1, l->size[0]}, false}; break;
  case GB_LAYER_GRID: *out = (gb_extent){{l->size[0], l->size[1], l->size[2]}, false}; break;
  case GB_LAYER_MEAN: *out = (gb_extent){{1, 1, in.shape.c}, false}; break;
  case GB_LAYER_CONV:
    GB_CHECK(l->window.padded || (i.h % s == 0 && i.w % s == 0), GB_ERR_CONFIG,
             "%s `%s`: its input is %s; stride %zu does not divide %zu x %zu", where, text, gb_extent_text(in, from), s,
             i.h, i.w);
    *out = (gb_extent){{gb_window_small(l->window, i.h), gb_window_small(l->window, i.w), l->size[0]}, l->p4};
    break;
  case GB_LAYER_DECONV:
    *out = (gb_extent){{gb_window_large(l->window, i.h), gb_window_large(l->window, i.w), l->size[0]}, false};
    break;
  case GB_LAYER_MAXPOOL:
    GB_CHECK(!in.p4 && l->size[0] <= i.h && l->size[0] <= i.w, GB_ERR_CONFIG, "%s `%s`: its input is %s: %s", where,
             text, gb_extent_text(in, from),
             in.p4 ? "it has four orientations. Let a mean or dense come first."
                   : "that is smaller than what it pools");
    out->shape = (gb_shape){i.h / l->size[0], i.w / l->size[0], i.c};
    break;
  case GB_LAYER_UPSAMPLE:
    GB_CHECK(!in.p4, GB_ERR_CONFIG,
             "%s `%s`: its input is %s: it has four orientations. Let a mean or dense come first.", where, text,
             gb_extent_text(in, from));
    out->shape = (gb_shape){i.h * l->size[0], i.w * l->size[0], i.c};
    break;
  case GB_LAYER_LAYERNORM:
    GB_CHECK(in.shape.c > 1, GB_ERR_CONFIG,
             "%s `%s`: its input is %s: one channel has no variance. Give the layer before it more channels, or use "
             "batchnorm.",
             where, text, gb_extent_text(in, from));
    break;
  default: break;
  }
  GB_TRY(check_size(where, text, in, *out));
  return kinds[l->kind].window ? check_window(where, text, l, in, *out) : GB_OK;
}

void gb_layer_markdown(gb_text *out)
{
  static const char *const activation[] = {[STANDARD] = "model.activation", [IF_NAMED] = "none", [NEVER] = "never"};
  gb_text_add(out,
              "## Layers\n\n"
              "`model.encoder` and `model.decoder` are lists of texts, one for each layer. The input of a layer has "
              "H x W sites with C channels; shapes follow from the input, `greybox-train --dry-run` shows them. "
              "A layer applies an activation to what it computed: the one it names last, as in `dense 64 tanh`, "
              "else the one below. Activations: ");
  gb_text_add(out, "%s.\n\n| layer | output | activation if none is named | meaning |\n|---|---|---|---|\n",
              GB_ACTIVATIONS);
  for (int k = 0; k < GB_LAYER_KINDS; k++)
    gb_text_add(out, "| `%s` | %s | %s | %s |\n", kinds[k].form, kinds[k].shape, activation[kinds[k].activated],
                kinds[k].doc);
  gb_text_add(out, "\nA residual block of the usual form, with its norms before the activations: `skip, conv 32 none, "
                   "batchnorm elu, conv 32 none, batchnorm, add elu`.\n\n");
}
