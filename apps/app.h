/* apps/app.h - what all programs share: arguments in, exit status out. */
#pragma once
#include "config/config.h"
#include "io/run.h"
#include "sim/physics.h"

typedef struct gb_call { /* one start of a program; the same on all ranks */
  gb_comm c;
  const char *program;
  const char *config; /* its file, and the overrides on the command line */
  int n_overrides;
  char *const *overrides;
  const gb_config *cfg;
  const gb_schema *const *all; /* every section there is */
  gb_sim sim;                  /* the physics that run.physics names */
} gb_call;

typedef struct gb_app_mode {
  const char *name, *help; /* "evaluate" for --evaluate; its line in --help */
  gb_err (*run)(const gb_call *call);
} gb_app_mode;

typedef struct gb_app {
  const char *name, *purpose;                        /* "greybox-generate"; one line */
  const char *help;                                  /* what it reads and writes, with an example */
  const gb_schema *const *sections;                  /* shown by --help besides `run` and the physics; ends with NULL */
  gb_err (*plan)(const gb_call *call, gb_text *out); /* --dry-run: what it will need; touches nothing */
  gb_err (*run)(const gb_call *call);
  const gb_app_mode *modes; /* other things to do than run; ends with a name of NULL. NULL: none */
} gb_app;

/** The body of main(): MPI, --help, --version, --dry-run, config, physics, the program, one error message.
 *  @return the exit status */
int gb_app_main(int argc, char **argv, const gb_app *app);

/** Every section any program knows, in the order of docs/CONFIG.md; ends with NULL.
 *  Local. */
const gb_schema *const *gb_app_sections(void);
