/* learn/joint.h - RELBO-C as a loss: the Renyi divergence between the joint law of data and encoder and that of the
 * model, of a linear VAE of angles; linalg/joint.h has the algebra, docs/theory/renyi.md the derivation.
 *
 * It is a number of the weights and of mean and covariance of the training data, not of a batch: every row of a pass
 * has the same loss and the same gradient. */
#pragma once
#include "ad/graph.h"
#include "comm/comm.h"
#include "data/dataset.h"
#include "linalg/joint.h"

/* Where the linear maps stand. Angles are in half turns inside the network. */
typedef struct gb_joint_maps {
  const gb_node *mu, *output; /* dense, of half turns x and of z: in[1], in[2] are their weights */
  const gb_node *logvar;      /* the weights [m] that are ln gamma */
  const gb_node *spread;      /* NULL, or gb_rotor_shared_spread() */
  double fixed;               /* ln sigma^2 where that is NULL */
} gb_joint_maps;

typedef struct gb_joint_loss {
  gb_joint law;
  gb_joint_maps maps;
  gb_params *params;
  double alpha, used, value; /* value: D_alpha plus the entropy of the data's law; at alpha = 1 the mean of -ELBO */
  gb_real *by;               /* [weights] its gradient */
  bool known;                /* the law of the data, */
  uint64_t data;             /* of the data set of this fingerprint */
} gb_joint_loss;

/** Local. The weights are frozen. */
gb_err gb_joint_loss_create(gb_params *params, const gb_joint_maps *maps, double alpha, gb_joint_loss *out);
void gb_joint_loss_destroy(gb_joint_loss *l);

/** Angles of samples as the encoder sees them, in half turns. Local.
 *  @return [n, width], borrowed until the next call */
typedef const gb_real *gb_half_turns(void *self, size_t n, const float *x);

/** Mean and covariance of the training split, if they are not those of this data set already.
 *  Collective over c; every rank reads all rows, so that all have the same bits.
 *  @param[in] rows  most in a call of `turns`
 *  @return GB_ERR_CONFIG if the covariance is singular */
gb_err gb_joint_loss_prepare(gb_joint_loss *l, gb_comm c, gb_dataset *data, size_t rows, gb_half_turns *turns,
                             void *self);

/** The loss at the weights, with its gradient.
 *  Local. After a gb_graph_run() up to the spread.
 *  @return GB_ERR_CONFIG if the law of the data is not known */
gb_err gb_joint_loss_forward(gb_joint_loss *l);

/** Gradient of `weight` times the sum over so many rows.
 *  Local.
 *  @param[in,out] out  as gb_graph_backward() */
void gb_joint_loss_backward(const gb_joint_loss *l, double weight, size_t rows, const gb_gradient *out);
