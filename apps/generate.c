/* apps/generate.c - config -> data set. */
#include "sim/generate.h"
#include "app.h"
#include "sim/chains.h"

static gb_err need_ensemble(const gb_call *call)
{
  GB_CHECK(call->sim.kind->ensemble, GB_ERR_CONFIG, "run.physics = %s has no equilibrium to sample",
           call->sim.kind->name);
  return GB_OK;
}

static gb_err plan(const gb_call *call, gb_text *out)
{
  GB_TRY(need_ensemble(call));
  return gb_generate_plan(call->cfg, &call->sim, call->c.size, out);
}

static gb_err run(const gb_call *call)
{
  const gb_schema *const defining[] = {&gb_run_schema, call->sim.kind->schema, &gb_chains_schema, NULL};
  gb_run *r = NULL;
  GB_TRY(gb_comm_agree(call->c, need_ensemble(call)));
  GB_TRY(gb_run_open(call->c, call->program, call->cfg, call->all, &r));
  gb_err e = gb_generate(call->c, call->cfg, call->sim.kind, defining, r);
  gb_run_close(&r);
  return e;
}

int main(int argc, char **argv)
{
  static const gb_schema *const sections[] = {&gb_chains_schema, NULL};
  static const gb_app app = {
      .name = "greybox-generate",
      .purpose = "Monte Carlo data sets of a lattice model",
      .help = "Reads a config. Writes run.dir/dataset.h5: independent configurations over a grid of "
              "temperatures, with\n"
              "observables, errors and autocorrelation times. The data do not depend on the number of ranks. "
              "A stopped or\n"
              "killed run continues when the same command is given again, and ends with the same data.\n\n"
              "Example: mpirun -n 2 greybox-generate configs/xy_quickstart.yaml generate.samples=50",
      .sections = sections,
      .plan = plan,
      .run = run};
  return gb_app_main(argc, argv, &app);
}
