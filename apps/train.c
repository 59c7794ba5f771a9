/* apps/train.c - data set -> checkpoint. */
#include "app.h"
#include "learn/experiment.h"

static gb_err plan(const gb_call *call, gb_text *out)
{
  return gb_experiment_plan(call->c, call->cfg, &call->sim, out);
}

static gb_err run(const gb_call *call)
{
  gb_run *r = NULL;
  GB_TRY(gb_run_open(call->c, call->program, call->cfg, call->all, &r));
  gb_err e = gb_experiment_train(call->c, call->cfg, &call->sim, r);
  gb_run_close(&r);
  return e;
}

int main(int argc, char **argv)
{
  const gb_app app = {
      .name = "greybox-train",
      .purpose = "train a variational autoencoder with physics in its loss",
      .help = "Reads a config and a data set. Writes into run.dir: checkpoint.h5 (all state), best.h5 (weights of the "
              "best\n"
              "validation), log.jsonl (loss by term). Weights are the same bits on any number of ranks up to "
              "train.shards. A\n"
              "stopped or killed run continues when the same command is given again, on any number of ranks.\n"
              "The ladder of models: model.spread=fixed|learned (G) and objective.energy_weight=0 or more (H).\n\n"
              "Example: mpirun -n 2 greybox-train configs/xy_quickstart.yaml objective.energy_weight=100",
      .sections = gb_experiment_sections,
      .plan = plan,
      .run = run};
  return gb_app_main(argc, argv, &app);
}
