/* apps/generate.c - config -> data set. */
#include "sim/generate.h"
#include "app.h"
#include "sim/chains.h"
#include "sim/simulate.h"

static gb_err need_samples(const gb_call *call)
{
  GB_CHECK(call->sim.kind->ensemble || call->sim.kind->simulator, GB_ERR_CONFIG,
           "run.physics = %s has neither an equilibrium to sample nor a simulator", call->sim.kind->name);
  return GB_OK;
}

static gb_err plan(const gb_call *call, gb_text *out)
{
  GB_TRY(need_samples(call));
  return (call->sim.kind->ensemble ? gb_generate_plan : gb_simulate_plan)(call->cfg, &call->sim, call->c.size, out);
}

static gb_err run(const gb_call *call)
{
  bool chains = call->sim.kind->ensemble;
  const gb_schema *const defining[] = {&gb_run_schema, call->sim.kind->schema,
                                       chains ? &gb_chains_schema : &gb_simulate_schema, NULL};
  gb_run *r = NULL;
  GB_TRY(gb_comm_agree(call->c, need_samples(call)));
  GB_TRY(gb_run_open_alone(call->c, call->program, call->cfg, call->all, &r));
  gb_err e = (chains ? gb_generate : gb_simulate)(call->c, call->cfg, call->sim.kind, defining, r);
  gb_run_close(&r);
  return e;
}

int main(int argc, char **argv)
{
  static const gb_schema *const sections[] = {&gb_chains_schema, &gb_simulate_schema, NULL};
  static const gb_app app = {
      .name = "greybox-generate",
      .purpose = "data sets of a physics: Monte Carlo samples, or simulated rows",
      .help =
          "Reads a config. Writes run.dir/dataset.h5. Of a physics with an equilibrium: independent configurations\n"
          "over a grid of temperatures, with observables, errors and autocorrelation times (section generate). Of a\n"
          "physics with a simulator: independent rows, with the truth behind each (section simulate). The data do\n"
          "not depend on the number of ranks. A stopped or killed run continues when the same command is given\n"
          "again, and ends with the same data.\n\n"
          "Example: mpirun -n 2 greybox-generate configs/xy_quickstart.yaml generate.samples=50",
      .sections = sections,
      .plan = plan,
      .run = run};
  return gb_app_main(argc, argv, &app);
}
