/* apps/sweep.c - data set -> many checkpoints. */
#include "sweep/sweep.h"
#include "app.h"

#define SWEEP(call) (call)->cfg, (call)->sim.kind, (call)->all, (call)->config, (call)->n_overrides, (call)->overrides

static gb_err plan(const gb_call *call, gb_text *out)
{
  return gb_sweep_plan(call->c, &(gb_sweep_call){SWEEP(call)}, out);
}

static gb_err run(const gb_call *call)
{
  gb_run *r = NULL;
  GB_TRY(gb_run_open_alone(call->c, call->program, call->cfg, call->all, &r));
  gb_err e = gb_sweep_run(call->c, &(gb_sweep_call){SWEEP(call)}, r);
  gb_run_close(&r);
  return e;
}

static gb_err list(const gb_call *call)
{
  gb_text t = {0};
  gb_err e = gb_sweep_list(&(gb_sweep_call){SWEEP(call)}, &t);
  if (!e && call->c.rank == 0) fputs(t.s, stdout);
  gb_text_free(&t);
  return gb_comm_agree(call->c, e);
}

int main(int argc, char **argv)
{
  static const gb_schema *const sections[] = {&gb_sweep_schema, NULL};
  static const gb_app_mode modes[] = {
      {"list", "no training: the command of each trial, a line each, to be run by other means (a Slurm array)", list},
      {0}};
  const gb_app app = {
      .name = "greybox-sweep",
      .purpose = "train one config with many settings: grids, random and Sobol designs, seeds, successive halving",
      .help =
          "Reads a config and a data set. Section sweep says which keys take which values; ranks train the trials in\n"
          "groups of sweep.ranks_per_trial, each as greybox-train would, in run.dir/trials/NNNN. Writes trials.jsonl\n"
          "(every event, at once) and sweep.json (all results). No result depends on the number of ranks. A trial "
          "that\n"
          "fails is recorded with its reason, and the others go on. A stopped or killed sweep continues when the same\n"
          "command is given again, also on other ranks, and in the middle of trials.\n\n"
          "Axes are written as `key scale values`:\n"
          "  objective.beta log 0.1 10 count 8      equal ratios; without a count, for random and sobol, any number "
          "between\n"
          "  objective.energy_weight linear 0 100 count 5\n"
          "  model.latent integer 2 8               all integers, or so many with a count\n"
          "  model.spread values fixed learned      any texts; [in brackets] if they have blanks\n\n"
          "Example: mpirun -n 2 greybox-sweep configs/xy_sweep.yaml \"sweep.axes=[objective.beta log 1 100 count 4]\"",
      .sections = sections,
      .plan = plan,
      .run = run,
      .modes = modes};
  return gb_app_main(argc, argv, &app);
}
