/* learn/unet.c - every stage is a list of layers in the words of docs/CONFIG.md. */
#include "learn/unet.h"

#include <string.h>

#include "ad/combine.h"

enum {
  MOST_LEVELS = 12,
  TAKEN_OFF = 5,  /* pixels, by kernels 3 and 4 without zeros around */
  MOST_ADDED = 5, /* by the last convolution, and what it may take off */
  MOST_CUT = 2,
  MOST_LAYERS = 6,
  TEXT = 64
};

typedef struct unet {
  gb_graph *g;
  gb_style style;
  const char *name;
} unet;

/* Layers of a stage, being written. */
typedef struct stage {
  size_t n;
  char text[MOST_LAYERS][TEXT];
} stage;

static void say(stage *s, const char *format, size_t a, size_t b, size_t c)
{
  snprintf(s->text[s->n++], TEXT, format, a, b, c);
}

static gb_node *build(const unet *u, const char *where, size_t level, const stage *s, gb_node *x)
{
  char key[GB_PARAM_NAME];
  const char *layer[MOST_LAYERS];
  for (size_t i = 0; i < s->n; i++) layer[i] = s->text[i];
  snprintf(key, sizeof key, "%.24s_%s%zu", u->name, where, level);
  return x ? gb_network_build(u->g, &u->style, key, NULL, (gb_texts){s->n, layer}, x) : NULL;
}

/* @param[in] crop  take TAKEN_OFF pixels off? */
static gb_node *down(const unet *u, size_t level, size_t width, bool crop, gb_node *x)
{
  stage s = {0};
  if (level) say(&s, "maxpool 2", 0, 0, 0);
  say(&s, "conv %zu kernel %zu pad %zu nobias", width, 3, !crop);
  say(&s, "batchnorm relu", 0, 0, 0);
  say(&s, "conv %zu kernel %zu pad %zu nobias", width, crop ? 4 : 3, !crop);
  say(&s, "batchnorm relu", 0, 0, 0);
  return build(u, "down", level, &s, x);
}

static gb_node *up(const unet *u, size_t level, size_t width, gb_node *x, gb_node *fine)
{
  stage grow = {0}, s = {0};
  say(&grow, "upsample 2", 0, 0, 0);
  x = build(u, "up", level, &grow, x);
  x = x ? gb_concat(u->g, 2, (gb_node *[]){x, fine}) : NULL;
  for (int k = 0; k < 2; k++) {
    say(&s, "conv %zu kernel %zu pad %zu relu", width, 3, 1);
    say(&s, "batchnorm", 0, 0, 0);
  }
  return build(u, "join", level, &s, x);
}

/* From side n to n + added. */
static gb_node *last(const unet *u, size_t channels, int added, gb_node *x)
{
  stage s = {0};
  size_t kernel = added % 2 ? 2 : 3;
  say(&s, "conv %zu kernel %zu pad %zu", channels, kernel, (size_t)(added + (int)kernel - 1) / 2);
  return build(u, "last", 0, &s, x);
}

/* The side of the finest level. */
static gb_err check_sizes(const gb_node *x, size_t n_widths, size_t h_out, size_t *fine)
{
  GB_CHECK(n_widths >= 1 && n_widths <= MOST_LEVELS, GB_ERR_CONFIG, "a U-Net of %zu widths: write 1 to %d", n_widths,
           MOST_LEVELS);
  size_t h = x->shape.h, step = (size_t)1 << (n_widths - 1);
  GB_CHECK(x->shape.w == h, GB_ERR_CONFIG, "a U-Net of %zu x %zu pixels: its images must be square", h, x->shape.w);
  *fine = h % step ? h - TAKEN_OFF : h;
  GB_CHECK(
      h % step == 0 || (h > TAKEN_OFF && *fine % step == 0), GB_ERR_CONFIG,
      "a U-Net of %zu widths halves images %zu times: %zu x %zu pixels do not fit. Sides must be multiples of %zu, "
      "or %d more: such as %zu or %zu. Or take fewer widths.",
      n_widths, n_widths - 1, h, h, step, TAKEN_OFF, (h / step + 1) * step, (h / step + 1) * step + TAKEN_OFF);
  GB_CHECK(
      h_out + MOST_CUT >= *fine && h_out <= *fine + MOST_ADDED, GB_ERR_CONFIG,
      "a U-Net from %zu x %zu to %zu x %zu pixels: its finest level has %zu x %zu, and its output may have %d less "
      "to %d more on a side",
      h, h, h_out, h_out, *fine, *fine, MOST_CUT, MOST_ADDED);
  return GB_OK;
}

gb_node *gb_unet_build(gb_graph *g, const gb_style *style, const char *name, gb_node *x, size_t n_widths,
                       const size_t widths[], size_t channels_out, size_t h_out)
{
  unet u = {g, *style, name};
  gb_node *kept[MOST_LEVELS] = {NULL};
  size_t fine = 0;
  if (!x) return NULL;
  GB_ASSERT(!strchr(name, '.'));
  u.style.activation = "none";
  gb_err e = check_sizes(x, n_widths, h_out, &fine);
  if (e) return gb_graph_fail(g, e);
  for (size_t k = 0; k < n_widths; k++) kept[k] = x = down(&u, k, widths[k], k == 0 && x && x->shape.h != fine, x);
  for (size_t k = n_widths - 1; k-- > 0;) x = up(&u, k, widths[k], x, kept[k]);
  return last(&u, channels_out, (int)h_out - (int)fine, x);
}
