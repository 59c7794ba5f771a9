/* sim/making.c - provenance, axes, and the way of a run through its directory. */
#include "sim/making.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/generations.h"
#include "base/mem.h"

const char gb_making_data[] = "dataset.h5", gb_making_state[] = "generate.state.h5";

int64_t gb_making_choice(gb_comm c, int64_t mine)
{
  gb_comm_bcast(c, &mine, sizeof mine);
  return mine;
}

gb_err gb_making_axis(const gb_making *m, gb_h5 *f, const char *name, uint64_t n, const char *doc)
{
  gb_h5_spec s = {.name = name, .type = GB_H5_I64, .ndim = 1, .shape = {n}, .unit = "1", .doc = doc, .dims = {name}};
  int64_t *v;
  GB_TRY(gb_h5_add(f, &s));
  GB_TRY(gb_comm_agree(m->c, gb_new(&v, n)));
  for (uint64_t k = 0; k < n; k++) v[k] = (int64_t)k;
  gb_err e = gb_h5_write_all(f, name, v);
  gb_free(&v);
  return e;
}

gb_err gb_making_provenance(const gb_making *m, gb_h5 *f)
{
  gb_text config = {0}, build = {0};
  char ranks[16];
  gb_config_print_fixed(m->cfg, m->sections, &config);
  gb_run_build(&build);
  snprintf(ranks, sizeof ranks, "%d", m->c.size);
  gb_err e = gb_text_done(&config);
  if (!e) e = gb_text_done(&build);
  e = gb_comm_agree(m->c, e);
  if (!e)
    e = gb_h5_put_text(f, "/provenance/config", config.s,
                       "All keys that determine the data, YAML; the seed is run.seed.");
  if (!e) e = gb_h5_put_text(f, "/provenance/build", build.s, "Commit, compiler and libraries.");
  if (!e) e = gb_h5_note(f, "/provenance", "ranks", ranks); /* an attribute: no data set knows the number of ranks */
  if (!e) e = gb_h5_note(f, "/", "title", m->sim->kind->doc);
  if (!e) e = gb_h5_note(f, "/", "physics", m->sim->kind->name);
  if (!e) e = gb_h5_note(f, "/", "source", m->sim->kind->source);
  gb_text_free(&config);
  gb_text_free(&build);
  return e;
}

gb_err gb_making_match(const gb_making *m, gb_h5 *f, const char *name, const char *path)
{
  char *then = NULL;
  gb_err e = gb_h5_get_text(f, name, &then);
  if (!e) e = gb_config_match(m->cfg, then, path, m->sections);
  gb_free(&then);
  return e;
}

static gb_err refuse_overwrite(const gb_making *m, gb_found there)
{
  GB_CHECK(
      there == GB_NOTHING || gb_run_get(m->run)->resume, GB_ERR_CONFIG,
      "run.resume is false but %s already holds a data set or its state. Choose another run.dir, or let it resume.",
      gb_run_get(m->run)->dir);
  return GB_OK;
}

void gb_making_keep_state(const gb_making *m)
{
  char before[PATH_MAX];
  const char *path = gb_run_path(m->run, gb_making_state);
  gb_generations_before(path, before);
  if (m->c.rank == 0) rename(path, before); /* there may be none */
}

static gb_err look(const gb_making *m, int64_t *what)
{
  const char *state = gb_run_path(m->run, gb_making_state);
  gb_text told = {0};
  *what = GB_ALL;
  if (access(gb_run_path(m->run, gb_making_data), F_OK) == 0) return GB_OK;
  gb_err e = gb_generations_recover(state, &told);
  if (!e && told.n) gb_run_say(m->run, "%s", told.s);
  if (!e && told.n) gb_run_log(m->run, "recovered", 1, (gb_kv[]){{"what", 0, told.s}});
  gb_text_free(&told);
  *what = access(state, F_OK) == 0 ? GB_A_STATE : GB_NOTHING;
  return e;
}

gb_err gb_making_look(const gb_making *m, gb_found *there)
{
  int64_t what = GB_NOTHING;
  GB_TRY(gb_comm_agree(m->c, m->c.rank == 0 ? look(m, &what) : GB_OK));
  *there = (gb_found)gb_making_choice(m->c, what);
  return gb_comm_agree(m->c, refuse_overwrite(m, *there));
}

gb_err gb_making_complete(const gb_making *m)
{
  const char *path = gb_run_path(m->run, gb_making_data);
  gb_h5 *f = NULL;
  GB_TRY(gb_h5_open(m->c, path, &f));
  gb_err e = gb_comm_agree(m->c, gb_making_match(m, f, "/provenance/config", path));
  gb_h5_close(&f, false);
  GB_TRY(e);
  gb_run_say(m->run, "%s is complete and was made with this config: nothing to do.", path);
  return GB_OK;
}

gb_wish gb_making_ask(const gb_making *m, double saved_at, double save_seconds)
{
  double agreed[2] = {gb_run_stop_wanted(m->run), m->c.rank == 0 && gb_clock_now() - saved_at >= save_seconds};
  gb_comm_max(m->c, agreed, 2);
  return agreed[0] > 0 ? GB_STOP : agreed[1] > 0 ? GB_SAVE : GB_GO_ON;
}

gb_err gb_making_stopped(const gb_making *m)
{
  gb_run_stop_done(m->run);
  gb_err e = GB_FAIL(GB_STOPPED, "stopped on request; everything is saved in %s", gb_run_get(m->run)->dir);
  gb_err_set_common();
  return e;
}

void gb_making_tidy(const gb_making *m)
{
  char before[PATH_MAX];
  const char *path = gb_run_path(m->run, gb_making_state);
  gb_generations_before(path, before);
  if (m->c.rank != 0) return;
  unlink(before);
  unlink(path);
}
