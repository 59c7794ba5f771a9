/* learn/layer.h - one layer as a text: what it says, and the shape behind it. The kinds, their words and their
 * documentation are one table (layer.c); docs/CONFIG.md shows it. */
#pragma once
#include "ad/layers.h"
#include "base/text.h"

typedef enum gb_layer_kind {
  GB_LAYER_DENSE,
  GB_LAYER_GRID,
  GB_LAYER_CONV,
  GB_LAYER_DECONV,
  GB_LAYER_BATCHNORM,
  GB_LAYER_LAYERNORM,
  GB_LAYER_MAXPOOL,
  GB_LAYER_UPSAMPLE,
  GB_LAYER_MEAN,
  GB_LAYER_DROPOUT,
  GB_LAYER_SKIP,
  GB_LAYER_ADD,
  GB_LAYER_KINDS
} gb_layer_kind;

typedef struct gb_layer {
  gb_layer_kind kind;
  size_t size[3];
  gb_window window;
  bool p4, no_bias;
  gb_activation activation;
  double rate;
} gb_layer;

/** Read a text.
 *  Local.
 *  @param[in] where     e.g. "model.encoder[2]", for messages
 *  @param[in] standard  activation of layers with a product that name none
 *  @return GB_ERR_CONFIG with where, the text, what is wrong and what could be written */
gb_err gb_layer_parse(const char *where, const char *text, gb_activation standard, gb_layer *out);

/** The kind of the layer that a text begins with, GB_LAYER_KINDS if there is no such, and whether layers of this kind
 *  have weights of their own.
 *  Local. */
gb_layer_kind gb_layer_kind_of(const char *text);
bool gb_layer_has_weights(gb_layer_kind kind);

/* Sites with channels, each perhaps in four orientations (the group p4). */
typedef struct gb_extent {
  gb_shape shape;
  bool p4;
} gb_extent;

/** "8 x 8 x 3" or "8 x 8 x 4 x 3".
 *  Local.
 *  @return buffer */
const char *gb_extent_text(gb_extent l, char buffer[80]);

/** What is behind a layer.
 *  Local.
 *  @return GB_ERR_CONFIG with where, text and both shapes, if the layer does not fit */
gb_err gb_layer_shape(const char *where, const char *text, const gb_layer *l, gb_extent in, gb_extent *out);

/** The table of layers, as a chapter in Markdown.
 *  Local. */
void gb_layer_markdown(gb_text *out);
