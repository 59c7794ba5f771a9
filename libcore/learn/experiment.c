/* learn/experiment.c - config -> data set, model, training; and the way back from a run directory. */
#include "learn/experiment.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "ad/profile.h"
#include "base/file.h"
#include "base/mem.h"
#include "comm/tree.h"
#include "learn/checkpoint.h"

const gb_schema *const gb_experiment_sections[] = {&gb_dataset_schema,     &gb_vae_schema,   &gb_hybrid_schema,
                                                   &gb_regularizer_schema, &gb_ode_schema,   &gb_objective_schema,
                                                   &gb_optim_schema,       &gb_train_schema, NULL};

/* All options of a training. */
struct gb_experiment {
  gb_run_opts run;
  gb_dataset_opts data;
  gb_vae_opts vae;
  gb_hybrid_opts hybrid;
  gb_regularizer_opts regularizer;
  gb_ode_opts ode;
  gb_objective_opts objective;
  gb_optim_opts optim;
  gb_train_opts train;
  char data_path[PATH_MAX];
};
typedef struct gb_experiment experiment;

static void read_options(const gb_config *cfg, experiment *x)
{
  gb_config_get(cfg, &gb_run_schema, &x->run);
  gb_config_get(cfg, &gb_dataset_schema, &x->data);
  gb_config_get(cfg, &gb_vae_schema, &x->vae);
  gb_config_get(cfg, &gb_hybrid_schema, &x->hybrid);
  gb_config_get(cfg, &gb_regularizer_schema, &x->regularizer);
  gb_config_get(cfg, &gb_ode_schema, &x->ode);
  gb_config_get(cfg, &gb_objective_schema, &x->objective);
  gb_config_get(cfg, &gb_optim_schema, &x->optim);
  gb_config_get(cfg, &gb_train_schema, &x->train);
  if (!x->data.path) return; /* a stored config has no paths */
  if (*x->data.path)
    snprintf(x->data_path, sizeof x->data_path, "%s", x->data.path);
  else
    snprintf(x->data_path, sizeof x->data_path, "%s/dataset.h5", x->run.dir);
  x->data.path = x->data_path;
}

/* The model for a physics: of an equilibrium its own kind of VAE, else a hybrid.
 *  @param[in] frames  to decode, of hybrids; 0: those of a sample */
static gb_err make_model(const experiment *x, const gb_sim *sim, size_t rows, size_t frames, gb_text *table,
                         gb_built *out)
{
  *out = (gb_built){0};
  if (sim->kind->ensemble) {
    GB_TRY(gb_vae_create(&x->vae, &x->objective, sim, rows, (uint64_t)x->run.seed, table, &out->vae));
    out->model = gb_vae_model(out->vae);
    return GB_OK;
  }
  gb_hybrid_plan plan = {.opts = &x->hybrid,
                         .regularizer = &x->regularizer,
                         .objective = &x->objective,
                         .ode = &x->ode,
                         .sim = sim,
                         .frames = frames,
                         .rows = rows,
                         .seed = (uint64_t)x->run.seed};
  GB_TRY(gb_hybrid_create(&plan, table, &out->hybrid));
  out->model = gb_hybrid_model(out->hybrid);
  return GB_OK;
}

/* Which symmetries the training uses: those of data.augment, which the physics must have. An image of the sky may be
 * seen from behind or in any position. */
static gb_err symmetries_of(const experiment *x, const gb_sim *sim, unsigned *out)
{
  static const unsigned spins = GB_SPIN_ROTATION | GB_SPIN_REFLECTION;
  const gb_ensemble *en = sim->kind->ensemble;
  unsigned offered = en && sim->dims.ndim == 2                 ? en->symmetries
                     : sim->kind->image && sim->dims.ndim == 3 ? GB_LATTICE_REFLECTION | GB_LATTICE_ROTATION
                                                               : 0;
  if (strcmp(sim->dims.unit, "rad")) offered &= ~spins;
  if (sim->dims.shape[0] != sim->dims.shape[1]) offered &= ~(unsigned)GB_LATTICE_ROTATION;
  GB_TRY(gb_symmetry_parse(x->data.augment, "data.augment", offered, sim->kind->name, out));
  GB_CHECK(
      !*out || gb_objective_kind_of(&x->objective) != GB_RELBO_JOINT, GB_ERR_CONFIG,
      "data.augment moves the samples, but objective.kind: relbo-joint is a number of the data as they are. Set it "
      "to [], or take another kind.");
  return GB_OK;
}

enum { MOST_SECTIONS = 16 };

/* Does the model of this physics read the section? */
static bool is_used(const gb_physics *physics, const gb_schema *section)
{
  bool of_hybrids = section == &gb_hybrid_schema || section == &gb_regularizer_schema || section == &gb_ode_schema;
  return physics->ensemble ? !of_hybrids : section != &gb_vae_schema;
}

/* Run, the physics, and the sections of a training: all, as read_options() wants them, or those that define a result.
 */
static void sections_of(const gb_physics *physics, bool all, const gb_schema *out[MOST_SECTIONS])
{
  size_t n = 0;
  out[n++] = &gb_run_schema;
  out[n++] = physics->schema;
  for (size_t i = 0; gb_experiment_sections[i]; i++)
    if (all || is_used(physics, gb_experiment_sections[i])) out[n++] = gb_experiment_sections[i];
  out[n] = NULL;
}

gb_err gb_experiment_plan(gb_comm c, const gb_config *cfg, const gb_sim *sim, gb_text *out)
{
  experiment x;
  gb_built built = {0};
  gb_dataset *data = NULL;
  gb_range part[GB_TREE_PARTS];
  char a[32], b[32];
  read_options(cfg, &x);
  GB_TRY(gb_comm_agree(c, make_model(&x, sim, gb_train_rows(&x.train, c.size), 0, out, &built)));
  const gb_model *model = &built.model;
  unsigned symmetries;
  double weights = (double)gb_params_size(model->params) * sizeof(gb_real);
  double slots = weights * (double)gb_tree_cut(gb_comm_share(c, (size_t)x.train.shards), part), held = 0;
  bool there = gb_comm_any(c, c.rank == 0 && access(x.data_path, R_OK) == 0);
  gb_err e = gb_comm_agree(c, symmetries_of(&x, sim, &symmetries));
  if (there && !e) e = gb_dataset_open(c, &x.data, sim->dims.ndim, sim->dims.shape, &data);
  gb_text_add(out, "model: %s, %zu weights\n", model->name, gb_params_count(model->params));
  if (data) {
    double rows = (double)gb_dataset_rows(data, GB_TRAIN);
    held = (double)gb_dataset_bytes(data);
    gb_text_add(out, "data: %s, %.0f training, %zu validation, %zu test samples\n", x.data_path, rows,
                gb_dataset_rows(data, GB_VALIDATION), gb_dataset_rows(data, GB_TEST));
    if (*gb_dataset_note(data)) gb_text_add(out, "%s\n", gb_dataset_note(data));
    gb_text_add(out, "steps: %lld of %lld samples = %.1f epochs\n", (long long)x.train.steps, (long long)x.train.batch,
                (double)x.train.steps * (double)x.train.batch / rows);
  } else {
    gb_text_add(out, "data: %s is not there yet\nsteps: %lld of %lld samples\n", x.data_path, (long long)x.train.steps,
                (long long)x.train.batch);
  }
  gb_text_add(out, "memory per rank: %s with %d rank%s (at most %lld)\n",
              gb_text_bytes((double)gb_graph_bytes(model->graph) + slots + 6 * weights + held, a), c.size,
              c.size > 1 ? "s" : "", (long long)x.train.shards);
  gb_text_add(out, "disk: %s\n",
              gb_text_bytes(10 * weights, b)); /* two generations of 3 vectors, and 3 of a new one; 1 of the best */
  gb_dataset_close(&data);
  gb_model_destroy(&built.model);
  return e;
}

/* May this run directory be used? Fails if its checkpoint belongs to another config. */
static gb_err check_directory(gb_comm c, const gb_config *cfg, const gb_schema *const sections[], const char *path,
                              bool resume)
{
  char *then = NULL;
  if (!gb_comm_any(c, c.rank == 0 && access(path, F_OK) == 0)) return GB_OK;
  gb_err e = resume ? GB_OK
                    : GB_FAIL(GB_ERR_CONFIG,
                              "run.resume is false but %s exists. Choose another run.dir, or let it resume.", path);
  GB_TRY(gb_comm_agree(c, e));
  GB_TRY(gb_checkpoint_config(c, path, &then));
  e = gb_comm_agree(c, gb_config_match(cfg, then, path, sections));
  gb_free(&then);
  return e;
}

/* Where the time went: of this training, over its ranks; of rank 0, op by op. */
static gb_err tell_times(gb_comm c, const gb_graph *graph, const gb_times *mine, gb_run *run)
{
  gb_text t = {0};
  gb_times *all = NULL;
  gb_err e = gb_comm_agree(c, gb_new(&all, (size_t)c.size));
  if (e) return e;
  gb_comm_gather(c, mine, 1, sizeof *mine, all);
  if (c.rank == 0) {
    gb_times_print((size_t)c.size, all, &t);
    gb_text_add(&t, "\nOps of rank 0:\n");
    gb_profile_print(graph, &t);
    e = gb_text_done(&t);
    if (!e) fputs(t.s, stdout);
    if (!e) e = gb_file_write(gb_run_path(run, "profile.txt"), t.s, t.n);
  }
  gb_text_free(&t);
  gb_free(&all);
  return gb_comm_agree(c, e);
}

/* Has the model a term of this name? Told before a training that would be for nothing. */
static gb_err check_term(const gb_model *model, const char *name)
{
  gb_text terms = {0};
  if (!name || gb_is(name, "loss")) return GB_OK;
  for (int k = 0; k < model->n_terms; k++) {
    if (gb_is(model->term[k], name)) return GB_OK;
    gb_text_add(&terms, ", %s", model->term[k]);
  }
  gb_err e = GB_FAIL(GB_ERR_CONFIG, "the model has no term `%.100s`. It has loss%s.", name, terms.s ? terms.s : "");
  gb_text_free(&terms);
  return e;
}

/* The checkpoint to go on from, if there is one: the last whole one. */
static gb_err recover(gb_comm c, gb_run *run)
{
  gb_text told = {0};
  gb_err e = gb_checkpoint_recover(c, gb_run_path(run, "checkpoint.h5"), &told);
  if (!e && told.n) {
    gb_run_say(run, "%s", told.s);
    gb_run_log(run, "recovered", 1, (gb_kv[]){{"what", 0, told.s}});
  }
  gb_text_free(&told);
  return e;
}

gb_err gb_experiment_train(gb_comm c, const gb_config *cfg, const gb_sim *sim, gb_run *run, gb_training *t)
{
  experiment x;
  const gb_schema *sections[MOST_SECTIONS];
  gb_text config = {0};
  gb_dataset *own = NULL, *data = t->data;
  gb_built built = {0};
  unsigned symmetries;
  gb_err e = GB_OK;
  read_options(cfg, &x);
  x.train.until = t->until;
  GB_TRY(gb_comm_agree(c, symmetries_of(&x, sim, &symmetries)));
  sections_of(sim->kind, false, sections);
  GB_TRY(recover(c, run));
  GB_TRY(check_directory(c, cfg, sections, gb_run_path(run, "checkpoint.h5"), x.run.resume));
  gb_config_print_fixed(cfg, sections, &config);
  GB_GOTO(e, gb_comm_agree(c, gb_text_done(&config)), done);
  if (!data) GB_GOTO(e, gb_dataset_open(c, &x.data, sim->dims.ndim, sim->dims.shape, &own), done);
  if (own) data = own;
  GB_GOTO(e, gb_comm_agree(c, make_model(&x, sim, gb_train_rows(&x.train, c.size), 0, NULL, &built)), done);
  GB_GOTO(e, gb_comm_agree(c, gb_dataset_augment(data, symmetries)), done);
  if (*gb_dataset_note(data)) gb_run_say(run, "%s", gb_dataset_note(data));
  const gb_model *model = &built.model;
  GB_GOTO(e, gb_comm_agree(c, check_term(model, t->needs)), done);
  gb_graph_measure(model->graph, t->profile);
  gb_run_log(run, "start", 3,
             (gb_kv[]){{"model", 0, model->name},
                       {"weights", (double)gb_params_count(model->params), NULL},
                       {"training_samples", (double)gb_dataset_rows(data, GB_TRAIN), NULL}});
  GB_GOTO(e,
          gb_train(c, &x.train, &x.optim, (uint64_t)x.run.seed, model, model->params, data, run, config.s, &t->result),
          done);
  gb_run_log(run, "done", 3,
             (gb_kv[]){{"step", (double)t->result.step, NULL},
                       {"best", t->result.best, NULL},
                       {"best_step", (double)t->result.best_step, NULL}});
  gb_run_say(run, "%s: %s, %llu steps, best validation loss %.4f at step %llu", gb_run_path(run, "best.h5"),
             model->name, (unsigned long long)t->result.step, t->result.best, (unsigned long long)t->result.best_step);
  if (t->profile) GB_GOTO(e, tell_times(c, model->graph, &t->result.times, run), done);
done:
  gb_model_destroy(&built.model);
  gb_dataset_close(&own);
  gb_text_free(&config);
  return e;
}

/* The file to read: the best weights, or the last ones where nothing was validated. */
static gb_err weights_file(gb_comm c, const char *dir, const char **name, char path[PATH_MAX])
{
  static const char *const names[] = {"best.h5", "checkpoint.h5"};
  bool there = false;
  for (int i = 0; i < 2 && !there; i++) {
    *name = names[i];
    snprintf(path, PATH_MAX, "%s/%s", dir, *name);
    there = gb_comm_any(c, c.rank == 0 && access(path, F_OK) == 0);
  }
  return gb_comm_agree(c, there ? GB_OK
                                : GB_FAIL(GB_ERR_IO,
                                          "%s: there is neither best.h5 nor checkpoint.h5. Train a model there first, "
                                          "or give another run.dir.",
                                          dir));
}

gb_dataset_opts gb_experiment_data(const gb_config *cfg, char path[PATH_MAX])
{
  experiment x;
  read_options(cfg, &x);
  snprintf(path, PATH_MAX, "%s", x.data_path);
  x.data.path = path;
  return x.data;
}

static gb_err open_trained(gb_comm c, const char *dir, const gb_physics *physics, size_t rows, size_t frames,
                           bool evidence, gb_trained *out)
{
  static const gb_schema *sections[MOST_SECTIONS]; /* the config keeps it */
  char path[PATH_MAX], *text = NULL;
  gb_err e = GB_OK;
  *out = (gb_trained){0};
  sections_of(physics, true, sections);
  GB_TRY(weights_file(c, dir, &out->file, path));
  GB_TRY(gb_checkpoint_config(c, path, &text));
  GB_GOTO(e, gb_comm_agree(c, gb_new(&out->opts, 1)), done);
  GB_GOTO(e, gb_comm_agree(c, gb_config_parse_stored(path, text, sections, &out->cfg)), done);
  read_options(out->cfg, out->opts);
  out->opts->objective.evidence = evidence;
  if (evidence) out->opts->objective.free_bits = 0;
  GB_GOTO(e, gb_comm_agree(c, gb_sim_create(physics, out->cfg, gb_comm_self(), &out->sim)), done);
  GB_GOTO(e, gb_comm_agree(c, make_model(out->opts, &out->sim, rows, frames, NULL, &out->built)), done);
  gb_state s = {.params = out->built.model.params};
  GB_GOTO(e, gb_checkpoint_load(c, path, &s), done);
  out->seed = (uint64_t)out->opts->run.seed;
  out->step = s.step;
  out->data = s.data;
  out->name = out->built.model.name;
done:
  gb_free(&text);
  if (e) gb_trained_close(out);
  return e;
}

gb_err gb_trained_open(gb_comm c, const char *dir, const gb_physics *physics, size_t rows, size_t frames,
                       gb_trained *out)
{
  return open_trained(c, dir, physics, rows, frames, false, out);
}

gb_err gb_trained_open_evidence(gb_comm c, const char *dir, const gb_physics *physics, size_t rows, gb_trained *out)
{
  return open_trained(c, dir, physics, rows, 0, true, out);
}

void gb_trained_close(gb_trained *t)
{
  gb_model_destroy(&t->built.model);
  gb_free(&t->opts);
  gb_sim_destroy(&t->sim);
  gb_config_destroy(&t->cfg);
  *t = (gb_trained){0};
}
