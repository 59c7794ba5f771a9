/* learn/objective.c - the options of the objective, and its schedules. */
#include "learn/objective.h"

static const gb_field fields[] = {
    GB_NUMBER(gb_objective_opts, beta, "1", 0, 1e6, "1", GB_FIXED, "Weight of the KL term; 1 is the ELBO."),
    GB_NUMBER(gb_objective_opts, beta_warmup, "0", 0, 1e12, "steps", GB_FIXED,
              "The weight of the KL term rises linearly from 0 to beta over so many steps."),
    GB_NUMBER(gb_objective_opts, beta_cycle, "0", 0, 1e12, "steps", GB_FIXED,
              "Length of a cycle in which the weight of the KL term rises from 0 to beta again; 0: no cycles. Cyclical "
              "annealing, arXiv:1903.10145."),
    GB_NUMBER(gb_objective_opts, beta_cycles, "4", 1, 1e9, "cycles", GB_FIXED,
              "How many such cycles; then the weight stays at beta."),
    GB_NUMBER(gb_objective_opts, beta_ramp, "0.5", 0.001, 1, "1", GB_FIXED,
              "Part of a cycle over which the weight rises, linearly."),
    GB_NUMBER(gb_objective_opts, free_bits, "0", 0, 1e3, "nats", GB_FIXED,
              "lambda: each latent's KL counts as max(lambda, KL), sample by sample, so that no latent gains by "
              "carrying less; 0: none. arXiv:1606.04934, where the maximum is that of minibatch means."),
    GB_NUMBER(gb_objective_opts, energy_weight, "0", 0, 1e9, "nats", GB_FIXED,
              "Weight lambda_E of (E(x) - E(rec))^2 / N, the energy term (the H of HG-VAE); 0: none. It is a penalty, "
              "no part of "
              "the evidence bound."),
    GB_NUMBER(gb_objective_opts, energy_start, "0", 0, 1e12, "steps", GB_FIXED,
              "The energy term has no weight before this step: latents find the order parameter first."),
    GB_NUMBER(gb_objective_opts, energy_warmup, "0", 0, 1e12, "steps", GB_FIXED,
              "From energy_start on the weight of the energy term rises linearly from 0 over so many steps."),
    GB_WORD(gb_objective_opts, energy_mode, "sample", "mean|sample|expected", GB_FIXED,
            "Whose energy: of the mean field, of one noisy reconstruction, or the exact expectation over the noise."),
    {0}};

static gb_err check(const void *opts)
{
  const gb_objective_opts *o = opts;
  GB_CHECK(!o->beta_cycle || !o->beta_warmup, GB_ERR_CONFIG,
           "objective.beta_cycle and objective.beta_warmup are both set, and the first cycle is a warm-up already. Set "
           "one of them to 0.");
  return GB_OK;
}

const gb_schema gb_objective_schema = {"objective",
                                       "What is minimised: nll + beta (kl + free_bits) + energy_weight energy.",
                                       sizeof(gb_objective_opts), fields, check};

double gb_objective_warmed(double weight, uint64_t step, int64_t start, int64_t warmup)
{
  if (step < (uint64_t)start) return 0;
  uint64_t since = step - (uint64_t)start;
  return since < (uint64_t)warmup ? weight * (double)since / (double)warmup : weight;
}

/* Cycles: 0 at the start of each, linear up to beta over beta_ramp of it, then beta.
 * Source: H. Fu et al., arXiv:1903.10145, eqs. 6 and 7, whose t - 1 is our step and whose T / M the length of a cycle.
 */
double gb_objective_beta(const gb_objective_opts *o, uint64_t step)
{
  uint64_t length = (uint64_t)o->beta_cycle;
  if (!length) return gb_objective_warmed(o->beta, step, 0, o->beta_warmup);
  if (step / length >= (uint64_t)o->beta_cycles) return o->beta;
  double along = (double)(step % length) / (double)length;
  return along < o->beta_ramp ? o->beta * along / o->beta_ramp : o->beta;
}
