/* apps/train.c - data set -> checkpoint. */
#include <limits.h>

#include "app.h"
#include "learn/experiment.h"
#include "report/evaluate.h"

static gb_err plan(const gb_call *call, gb_text *out)
{
  return gb_experiment_plan(call->c, call->cfg, &call->sim, out);
}

static gb_err train(const gb_call *call, bool profile)
{
  gb_run *r = NULL;
  GB_TRY(gb_run_open_alone(call->c, call->program, call->cfg, call->all, &r));
  gb_err e = gb_experiment_train(call->c, call->cfg, &call->sim, r, &(gb_training){.profile = profile});
  gb_run_close(&r);
  return e;
}

static gb_err run(const gb_call *call)
{
  return train(call, false);
}

static gb_err profile(const gb_call *call)
{
  return train(call, true);
}

static gb_err evaluate(const gb_call *call)
{
  char path[PATH_MAX];
  gb_run_opts run_opts;
  gb_config_get(call->cfg, &gb_run_schema, &run_opts);
  gb_dataset_opts data = gb_experiment_data(call->cfg, path);
  return gb_evaluate(call->c, run_opts.dir, call->sim.kind, &data);
}

int main(int argc, char **argv)
{
  static const gb_app_mode modes[] = {
      {"evaluate",
       "no training: all terms of the trained model (best.h5) on every split of data.path, any data set of\n"
       "              its shape, as a table and in run.dir/evaluation.json",
       evaluate},
      {"profile",
       "train as always, and say at the end where the time went: phases over the ranks, and every op with its\n"
       "              flop rate; also in run.dir/profile.txt",
       profile},
      {0}};
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
      .run = run,
      .modes = modes};
  return gb_app_main(argc, argv, &app);
}
