/* learn/hybrid_graph.h - the nodes of a grey-box VAE, and how they hang together. For learn/hybrid.c. */
#pragma once
#include "learn/hybrid.h"

/* A loss term with its weight in training, which beta of the objective may multiply. */
typedef struct gb_hybrid_term {
  const char *name;
  gb_node *node;
  double weight;
  bool times_beta;
} gb_hybrid_term;

typedef struct gb_hybrid_graph {
  size_t n_parameter, n_inside, n_after; /* latents */
  gb_draws draws;
  double alpha;     /* of the objective; while latents are inferred 1, where the escort law of q is q */
  gb_node *x, *eps; /* data: samples; noise of all latents, parameters first */
  gb_node *drawn;   /* data: parameters drawn to train the encoder (augmentation); or NULL */
  gb_node *label;   /* data: class of a sample, -1: unknown; or NULL */
  size_t classes;
  gb_node *drawn_noise;            /* data: noise and surroundings of their samples, or NULL */
  gb_node *drawn_calibration;      /* data: ln gain and baseline of their curves, or NULL */
  gb_node *theta, *inside, *after; /* latents, or NULL */
  gb_node *mu, *logvar;            /* of all latents, parameters first, or NULL */
  double prior_mean[GB_MOST_PARAMETERS], prior_logvar[GB_MOST_PARAMETERS]; /* of parameters; of all others 0 */
  gb_node *augmentation; /* the term of drawn parameters, which is there before the latents are; or NULL */
  gb_node *last_latent;  /* decoding begins after it; NULL: from the start */
  gb_node *unmixed;      /* or NULL */
  gb_node *decode[GB_DECODES];
  int n_terms;
  gb_hybrid_term term[GB_MOST_TERMS]; /* reconstruction first, then kl if there is an encoder */
} gb_hybrid_graph;

/** Add all nodes.
 *  Local. Failures are kept by the graph.
 *  @param[out] out  its draws are borrowed by the graph */
void gb_hybrid_build(gb_graph *g, const gb_hybrid_plan *plan, gb_text *table, gb_hybrid_graph *out);
