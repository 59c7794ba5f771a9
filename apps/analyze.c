/* apps/analyze.c - data set -> exact linear baselines. */
#include "app.h"
#include "data/dataset.h"
#include "learn/vae.h"
#include "report/analysis.h"

static gb_err plan(const gb_call *call, gb_text *out)
{
  return gb_analysis_plan(call->c, call->cfg, &call->sim, out);
}

static gb_err run(const gb_call *call)
{
  gb_run *r = NULL;
  GB_TRY(gb_run_open(call->c, call->program, call->cfg, call->all, &r));
  gb_err e = gb_analyze(call->c, call->cfg, &call->sim, r);
  gb_run_close(&r);
  return e;
}

int main(int argc, char **argv)
{
  static const gb_schema *const sections[] = {&gb_dataset_schema, &gb_analyze_schema, NULL};
  const gb_app app = {
      .name = "greybox-analyze",
      .purpose = "exact linear baselines of a data set: what the best linear model can reach",
      .help =
          "Reads a data set, every rank its rows, and writes run.dir/analysis.h5: principal components, the linear-\n"
          "Gaussian VAE that is best under the ELBO (probabilistic PCA), the beta-ELBO and two Renyi bounds, for "
          "every number\n"
          "of latents, the exact rate-distortion curve, and mutual information; a short table on standard output.\n"
          "The Renyi bounds (RELBO) are derivations of our own, consistent with the abstract of arXiv:2312.06828, "
          "not a copy of\n"
          "its formula: docs/theory/linear.md. Angles become numbers as model.encoding and model.align say, so a "
          "VAE that was\n"
          "trained with the same config can be compared. Results agree to 1e-10, not to the bit, on different "
          "numbers of ranks.\n\n"
          "Example: mpirun -n 2 greybox-analyze configs/xy_quickstart.yaml \"analyze.latent=[2, 4]\"",
      .sections = sections,
      .plan = plan,
      .run = run};
  return gb_app_main(argc, argv, &app);
}
