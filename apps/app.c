/* apps/app.c - the shared start and end of all programs. */
#include "app.h"

#include <getopt.h>
#include <string.h>
#include <sys/stat.h>

#include "base/watch.h"
#include "io/h5.h"
#include "learn/experiment.h"
#include "registry.h"
#include "report/analysis.h"
#include "report/report.h"
#include "sim/chains.h"
#include "sim/petsc.h"
#include "sim/simulate.h"
#include "sweep/design.h"

const gb_schema *const *gb_app_sections(void)
{
  enum { MOST = 64 };
  static const gb_schema *all[MOST];
  size_t n = 0;
  all[n++] = &gb_run_schema;
  for (size_t i = 0; gb_physics_all[i]; i++) all[n++] = gb_physics_all[i]->schema;
  all[n++] = &gb_chains_schema;
  all[n++] = &gb_simulate_schema;
  for (size_t i = 0; gb_experiment_sections[i]; i++) all[n++] = gb_experiment_sections[i];
  all[n++] = &gb_sweep_schema;
  all[n++] = &gb_analyze_schema;
  all[n++] = &gb_report_schema;
  all[n++] = &gb_h5_schema;
  GB_ASSERT(n < MOST);
  return all;
}

static void print_help(const gb_app *app)
{
  gb_text t = {0};
  gb_text_add(&t, "%s - %s\n\nUsage: [mpirun -n RANKS] %s CONFIG.yaml [section.key=value ...] [--dry-run]\n\n%s\n\n",
              app->name, app->purpose, app->name, app->help);
  gb_text_add(&t, "Options:\n"
                  "  --dry-run   check everything, print the resolved config and what the run needs, touch nothing\n");
  for (const gb_app_mode *m = app->modes; m && m->name; m++) gb_text_add(&t, "  --%-9s %s\n", m->name, m->help);
  gb_text_add(&t, ""
                  "  --help      this text\n"
                  "  --version   version and commit\n\n"
                  "Exit status:\n");
#define X(name, code, text) gb_text_add(&t, "  %-3d %s\n", code, text);
  GB_ERR_LIST(X)
#undef X
  gb_text_add(&t, "\nKeys, with defaults and ranges (all sections: docs/CONFIG.md):\n");
  gb_schema_help(&gb_run_schema, &t);
  for (size_t i = 0; gb_physics_all[i]; i++) gb_schema_help(gb_physics_all[i]->schema, &t);
  for (size_t i = 0; app->sections[i]; i++) gb_schema_help(app->sections[i], &t);
  gb_schema_help(&gb_h5_schema, &t);
  if (!gb_text_done(&t)) fputs(t.s, stdout);
  gb_text_free(&t);
}

/* The resolved config, and what the run needs as comments: together a config again. */
static gb_err dry_run(const gb_app *app, const gb_call *call)
{
  gb_text t = {0}, plan = {0};
  gb_config_print(call->cfg, call->all, &t);
  gb_text_add(&t, "\n# %s would need\n", app->name);
  gb_err e = app->plan(call, &plan);
  if (!e) e = gb_text_done(&plan);
  for (const char *line = e ? NULL : plan.s, *end; line && *line; line = *end ? end + 1 : end) {
    end = strchrnul(line, '\n');
    gb_text_add(&t, "# %.*s\n", (int)(end - line), line);
  }
  if (!e) e = gb_text_done(&t);
  if (!e && call->c.rank == 0) fputs(t.s, stdout);
  gb_text_free(&plan);
  gb_text_free(&t);
  return e;
}

static gb_err start(const gb_app *app, gb_comm c, int n, char **args, bool dry, const gb_app_mode *mode)
{
  gb_call call = {.c = c, .program = app->name, .all = gb_app_sections()};
  gb_config *cfg = NULL;
  gb_run_opts run;
  gb_h5_opts io;
  const gb_physics *physics;
  gb_err e = GB_OK;
  if (n < 1) /* common: one message from rank 0, and no abort */
    return gb_comm_agree(c, GB_FAIL(GB_ERR_CONFIG,
                                    "no config file. Usage: %s CONFIG.yaml [section.key=value ...]; --help tells more",
                                    app->name));
  GB_TRY(gb_config_load(c, args[0], n - 1, args + 1, call.all, &cfg));
  gb_config_get(cfg, &gb_run_schema, &run);
  gb_config_get(cfg, &gb_h5_schema, &io);
  gb_h5_tune(&io);
  gb_watch_limit(run.watchdog);
  call.cfg = cfg;
  call.config = args[0];
  call.n_overrides = n - 1;
  call.overrides = args + 1;
  GB_GOTO(e, gb_comm_agree(c, gb_sim_find(gb_physics_all, run.physics, &physics)), done);
  GB_GOTO(e, gb_comm_agree(c, gb_sim_create(physics, cfg, gb_comm_self(), &call.sim)), done);
  e = dry ? gb_comm_agree(c, dry_run(app, &call)) : mode ? mode->run(&call) : app->run(&call);
done:
  gb_sim_destroy(&call.sim);
  gb_config_destroy(&cfg);
  return e;
}

/* One message, whoever failed; then out, in order if all ranks know, by MPI_Abort if they may not. */
static int leave(const gb_app *app, gb_comm *c, gb_err e)
{
  bool common = !e || gb_err_is_common();
  if (e && (!common || c->rank == 0)) {
    fflush(stdout);
    fprintf(stderr, "%s: %s%s\n", app->name, e == GB_STOPPED ? "" : "error: ", gb_err_message());
    if (e != GB_ERR_CONFIG && e != GB_STOPPED) fprintf(stderr, "%s: raised at %s\n", app->name, gb_err_place());
  }
  if (!common || gb_h5_broken()) MPI_Abort(c->mpi, (int)e);
  gb_comm_close(c);
  gb_petsc_end();
  MPI_Finalize();
  return (int)e;
}

enum { HELP, VERSION, DRY, OWN, MOST_OPTIONS = 16 };

/* --help, --version, --dry-run, and from OWN on the modes of the program. */
static void list_options(const gb_app *app, struct option options[MOST_OPTIONS], gb_text *names)
{
  static const char *const common[OWN] = {"help", "version", "dry-run"};
  int n = 0;
  for (; n < OWN; n++) options[n] = (struct option){common[n], no_argument, NULL, n};
  for (const gb_app_mode *m = app->modes; m && m->name; m++, n++) {
    GB_ASSERT(n + 1 < MOST_OPTIONS);
    options[n] = (struct option){m->name, no_argument, NULL, n};
    gb_text_add(names, "--%s, ", m->name);
  }
  options[n] = (struct option){0};
}

int gb_app_main(int argc, char **argv, const gb_app *app)
{
  struct option options[MOST_OPTIONS];
  bool asked[OWN] = {false};
  const gb_app_mode *mode = NULL;
  const char *wrong = NULL;
  gb_text own = {0};
  gb_comm c = {0};
  umask(umask(0) | S_IWOTH); /* no file of ours can be written by everybody */
  gb_run_catch_signals();
  gb_err watched = gb_watch_start(app->name);
  MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &(int){0}); /* for gb_h5_write_start(); less is no failure */
  gb_err e = gb_comm_open(MPI_COMM_WORLD, &c);
  gb_watch_rank(c.rank, c.size);
  if (!e) e = gb_comm_agree(c, watched);
  opterr = c.rank == 0;
  list_options(app, options, &own);
  for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (o == '?')
      wrong = "an option is not known";
    else if (o < OWN)
      asked[o] = true;
    else if (mode)
      wrong = "two options exclude each other";
    else
      mode = &app->modes[o - OWN];
  }
  if (asked[DRY] && mode) wrong = "two options exclude each other";
  if (wrong) {
    e = gb_comm_agree(c, GB_FAIL(GB_ERR_CONFIG, "command line: %s. Options: %s--dry-run, --help, --version.", wrong,
                                 own.s ? own.s : ""));
  } else if (asked[HELP] || asked[VERSION]) {
    if (c.rank == 0 && asked[HELP]) print_help(app);
    if (c.rank == 0 && !asked[HELP]) printf("%s %s\n", app->name, gb_run_version());
  } else if (!e) {
    e = start(app, c, argc - optind, argv + optind, asked[DRY], mode);
  }
  gb_text_free(&own);
  return leave(app, &c, e);
}
