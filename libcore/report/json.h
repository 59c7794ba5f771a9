/* report/json.h - pieces of report.json. */
#pragma once
#include "report/baseline.h"
#include "report/models.h"

struct json_t;

/** A number, null if it is not finite; n of them, `stride` apart.
 *  Local. A new reference. */
struct json_t *gb_json_number(double v);
struct json_t *gb_json_list(size_t n, size_t stride, const double *v);

/** A learning curve: "step", "loss", and every term by its name.
 *  Local. A new reference. */
struct json_t *gb_json_curve(const gb_learning *c, int n_terms, const char *const term[]);

/** The curves of linear models: "latent", "rate", and `name`, y [n_curves, n_level].
 *  Local. A new reference. */
struct json_t *gb_json_baseline(const gb_baseline *b, const char *name, const double *y);

/** The text of an object, which is freed.
 *  Local.
 *  @return GB_ERR_MEMORY */
gb_err gb_json_done(struct json_t *o, gb_text *out);
