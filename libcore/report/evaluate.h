/* report/evaluate.h - the terms of a trained model on the splits of any data set of its shape. */
#pragma once
#include "data/dataset.h"
#include "sim/physics.h"

/** Load the weights of the best validation in `dir` (the last ones if nothing was validated), take the means of all
 * terms over every split with the noise of the validations, print them as a table on rank 0 and write
 * dir/evaluation.json, whole or not at all.
 *  Collective over c. The numbers do not depend on its ranks.
 *  @param[in] physics  of the model
 *  @param[in] data     its path may be any data set of samples of the same shape
 *  @return GB_ERR_IO if dir holds no weights, or a file cannot be read or written; GB_ERR_CONFIG if the shape differs;
 *          GB_ERR_NUMERIC naming split and term if a mean is not finite: nothing is written then */
gb_err gb_evaluate(gb_comm c, const char *dir, const gb_physics *physics, const gb_dataset_opts *data);
