/* report/evidence.c - bounds, factors and energies of one model. */
#include "report/evidence.h"

#include <math.h>

#include "report/assess.h"

static gb_err energies(gb_comm c, gb_trained *m, gb_dataset *data, gb_evidence *out)
{
  gb_assessment a;
  if (!m->sim.kind->ensemble) return GB_OK;
  GB_TRY(gb_assess(c, m, data, 0, &a));
  gb_err e = gb_assess_energy_error(&a, GB_FROM_MEAN, out->energy_error[0]);
  if (!e) e = gb_assess_energy_error(&a, GB_FROM_SAMPLE, out->energy_error[1]);
  if (!e) e = gb_assess_error(&a, out->square);
  out->has_energy = true;
  gb_assessment_free(&a);
  return gb_comm_agree(c, e);
}

gb_err gb_evidence_gather(gb_comm c, gb_trained *m, gb_dataset *data, const gb_factors *factors, size_t draws,
                          gb_bound_watch watch, gb_evidence *out)
{
  gb_err e = GB_OK;
  *out = (gb_evidence){0};
  GB_GOTO(e, gb_bounds_estimate(c, &m->built.model, data, draws, watch, &out->bounds), failed);
  GB_GOTO(e, gb_comm_agree(c, gb_factors_compare(factors, out->bounds.latents, out->bounds.mean, &out->of)), failed);
  GB_GOTO(e, energies(c, m, data, out), failed);
  gb_bounds_free(&out->bounds); /* the means of all rows: only the factors wanted them */
  return GB_OK;
failed:
  gb_evidence_free(out);
  return e;
}

void gb_evidence_free(gb_evidence *e)
{
  gb_bounds_free(&e->bounds);
  gb_disentangled_free(&e->of);
}
