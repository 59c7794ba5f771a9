/* learn/objective.c - the options of the objective, and its schedules. */
#include "learn/objective.h"

static const gb_field fields[] = {
    GB_WORD(
        gb_objective_opts, kind, "elbo", "elbo|relbo|relbo-escort|relbo-joint|renyi-prior|vr|iwae", GB_FIXED,
        "The bound. relbo: ELBO plus KL - D_alpha from the posterior of the decoder; relbo-escort: nll under the "
        "escort of q and prior, D_alpha from the prior; relbo-joint: D_alpha between the joint laws of data and "
        "encoder and of the model, for linear models; renyi-prior: D_alpha from the prior; vr: the sampled "
        "variational Renyi bound (arXiv:1602.02311); iwae: that at alpha 0 (arXiv:1509.00519). The three relbo are our "
        "derivations (docs/theory/renyi.md), consistent with the published abstract of arXiv:2312.06828, not a copy "
        "of its formula."),
    GB_NUMBER(gb_objective_opts, alpha, "0.5", -100, 100, "1", GB_FIXED,
              "Order of the Renyi divergence; 1 is the ELBO. Above 0, except for vr. elbo and iwae do not read it."),
    GB_WORD(gb_objective_opts, gradient, "stop", "stop|sampled", GB_FIXED,
            "Of relbo. stop: the decoder linearised at the mean of q, its posterior held fixed; sampled: from samples, "
            "as vr."),
    GB_NUMBER(gb_objective_opts, samples, "8", 1, 4096, "1", GB_FIXED,
              "Latent samples per row of vr, iwae and sampled gradients, and of the check of relbo at validations: the "
              "decoder's work grows with it."),
    GB_NUMBER(gb_objective_opts, linearise_every, "1", 1, 65536, "rows", GB_FIXED,
              "Of relbo with gradient: stop. The decoder is linearised for every so many-th row of a batch, and only "
              "these rows, with so many times their weight, move the encoder: the same gradient in the mean, with that "
              "much more variance, for so many times less work on Jacobians. The decoder learns from all rows."),
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

static gb_err check_renyi(const gb_objective_opts *o)
{
  gb_objective_kind kind = gb_objective_kind_of(o);
  bool tempered = kind == GB_RELBO || kind == GB_RENYI_SAMPLED;
  GB_CHECK(
      kind == GB_ELBO || kind == GB_RENYI_SAMPLED || o->alpha > 0, GB_ERR_CONFIG,
      "objective.alpha = %g, but objective.kind: %s needs alpha > 0. 0.5 is between ln p(x) (alpha near 0) and the "
      "ELBO (1); vr takes any alpha.",
      o->alpha, o->kind);
  GB_CHECK(
      !gb_is(o->kind, "relbo") || o->alpha > 0, GB_ERR_CONFIG,
      "objective.alpha = %g, but objective.kind: relbo needs alpha > 0. Take vr, which is its sampled form for any "
      "alpha.",
      o->alpha);
  GB_CHECK(
      kind == GB_ELBO || o->free_bits == 0, GB_ERR_CONFIG,
      "objective.free_bits = %g changes the KL term, of which objective.kind: %s is no longer a bound. Set it to 0, "
      "or take kind: elbo.",
      o->free_bits, o->kind);
  GB_CHECK(!tempered || o->beta > 0, GB_ERR_CONFIG,
           "objective.beta = 0: objective.kind: %s bounds a likelihood to the power 1/beta. Take beta > 0.", o->kind);
  GB_CHECK(
      !tempered || (!o->beta_warmup && !o->beta_cycle), GB_ERR_CONFIG,
      "objective.beta_warmup and objective.beta_cycle change beta during the training, which objective.kind: %s does "
      "not allow: it bounds a likelihood to the power 1/beta. Set both to 0.",
      o->kind);
  GB_CHECK(kind == GB_RELBO || o->linearise_every <= 1, GB_ERR_CONFIG,
           "objective.linearise_every = %lld, but only objective.kind: relbo with gradient: stop linearises a decoder. "
           "Set it to 1.",
           (long long)o->linearise_every);
  if (kind != GB_RELBO_JOINT) return GB_OK;
  GB_CHECK(o->beta == 1 && !o->beta_warmup && !o->beta_cycle, GB_ERR_CONFIG,
           "objective.beta = %g with objective.beta_warmup = %lld and objective.beta_cycle = %lld, but objective.kind: "
           "relbo-joint is one divergence, of which no part has a weight. Set beta to 1 and the others to 0.",
           o->beta, (long long)o->beta_warmup, (long long)o->beta_cycle);
  GB_CHECK(
      o->energy_weight == 0, GB_ERR_CONFIG,
      "objective.energy_weight = %g, but objective.kind: relbo-joint is for linear models, which energies are not. "
      "Set it to 0, or take another kind.",
      o->energy_weight);
  return GB_OK;
}

static gb_err check(const void *opts)
{
  const gb_objective_opts *o = opts;
  GB_CHECK(!o->beta_cycle || !o->beta_warmup, GB_ERR_CONFIG,
           "objective.beta_cycle and objective.beta_warmup are both set, and the first cycle is a warm-up already. Set "
           "one of them to 0.");
  return check_renyi(o);
}

const gb_schema gb_objective_schema = {
    "objective",
    "What is minimised: nll + beta (kl + free_bits + renyi) + energy_weight energy; renyi is what objective.kind adds. "
    "With relbo-escort and renyi-prior: nll + beta renyi + energy_weight energy.",
    sizeof(gb_objective_opts), fields, check};

gb_objective_kind gb_objective_kind_of(const gb_objective_opts *o)
{
  if (o->evidence) return GB_ELBO;
  if (gb_is(o->kind, "relbo")) return gb_is(o->gradient, "stop") ? GB_RELBO : GB_RENYI_SAMPLED;
  if (gb_is(o->kind, "vr") || gb_is(o->kind, "iwae")) return GB_RENYI_SAMPLED;
  if (gb_is(o->kind, "relbo-escort")) return GB_RELBO_ESCORT;
  if (gb_is(o->kind, "relbo-joint")) return GB_RELBO_JOINT;
  return gb_is(o->kind, "renyi-prior") ? GB_RENYI_PRIOR : GB_ELBO;
}

bool gb_objective_has_kl(const gb_objective_opts *o)
{
  gb_objective_kind kind = gb_objective_kind_of(o);
  return kind != GB_RELBO_ESCORT && kind != GB_RENYI_PRIOR;
}

double gb_objective_alpha(const gb_objective_opts *o)
{
  return gb_is(o->kind, "elbo") || o->evidence ? 1 : gb_is(o->kind, "iwae") ? 0 : o->alpha;
}

size_t gb_objective_samples(const gb_objective_opts *o)
{
  return gb_objective_kind_of(o) == GB_RENYI_SAMPLED ? (size_t)o->samples : 1;
}

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
