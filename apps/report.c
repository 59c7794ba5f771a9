/* apps/report.c - checkpoints and data sets -> report. */
#include "report/report.h"
#include "app.h"
#include "data/dataset.h"

static gb_err plan(const gb_call *call, gb_text *out)
{
  (void)call;
  gb_text_add(out, "the data set and the models in memory, a few MiB of disk, seconds to minutes\n");
  return GB_OK;
}

static gb_err run(const gb_call *call)
{
  gb_run *r = NULL;
  GB_TRY(gb_run_open(call->c, call->program, call->cfg, call->all, &r));
  gb_err e = gb_report_write(call->c, call->cfg, call->sim.kind, &call->sim, r);
  gb_run_close(&r);
  return e;
}

int main(int argc, char **argv)
{
  static const gb_schema *const sections[] = {&gb_dataset_schema, &gb_report_schema, NULL};
  const gb_app app = {
      .name = "greybox-report",
      .purpose = "compare trained models with the data, or the trials of a sweep; find T_KT from several lattice sizes",
      .help = "Reads a data set and one or more trained models. Writes run.dir/report.html, one page "
              "without outside parts, and\n"
              "run.dir/report.json with every number on it. Models are compared on the test samples, "
              "which no training saw.\n"
              "Of planar spins: thermodynamics of reconstructions and of the prior; with report.sizes "
              "also the Kosterlitz-Thouless\n"
              "temperature, for which no model is needed. Of all other physics: reconstructions, "
              "inferred parameters against true\n"
              "ones, counterfactuals, extrapolation in time, generated images; mean and spread over "
              "runs that differ by their seeds\n"
              "only, beside published numbers.\n"
              "Of a sweep, finished or not: its trials, rate against distortion with the Pareto front, "
              "maps over two axes, failures,\n"
              "use of the ranks; bounds of ln p(x), known factors and pictures of latents, from the "
              "weights of all trials on the\n"
              "test split. If greybox-analyze was run in the same directory, all of them stand beside the "
              "exact linear models.\n\n"
              "Examples: greybox-report configs/xy_quickstart.yaml\n"
              "          greybox-report configs/xy_kt.yaml \"report.sizes=[runs/L16, runs/L32, "
              "runs/L64]\"\n"
              "          greybox-report configs/pendulum.yaml\n"
              "          greybox-report configs/xy_sweep.yaml",
      .sections = sections,
      .plan = plan,
      .run = run};
  return gb_app_main(argc, argv, &app);
}
