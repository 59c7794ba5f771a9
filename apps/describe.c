/* apps/describe.c - tables -> documentation. Needs no MPI, no config, no data. */
#include <string.h>

#include "app.h"
#include "learn/layer.h"
#include "registry.h"

static const char note[] =
    "<!-- Written by `greybox-describe %s`; a test compares. Change the tables in the source instead. -->\n\n";

static void config_chapter(gb_text *out)
{
  gb_text_add(out, note, "config");
  gb_text_add(
      out, "# Configuration\n\nA config is a YAML file of sections and keys. `section.key=value` on the command line "
           "wins over "
           "the file. A list of numbers is `[0.5, 0.9]` or a grid `{min: 0.1, max: 2, count: 20}`, both ends included. "
           "Unknown and doubled keys, wrong types and values out of range are errors with file, line and cure. "
           "\"Fixed\" keys "
           "must not change when a run is continued.\n\n");
  for (const gb_schema *const *s = gb_app_sections(); *s; s++) gb_schema_markdown(*s, out);
  gb_layer_markdown(out);
}

static void variables(gb_text *out, const char *title, int n, const gb_var *v)
{
  gb_text_add(out, "%s\n\n| name | unit | meaning |\n|---|---|---|\n", title);
  for (int i = 0; i < n; i++) {
    gb_text_add(out, "| `%s` | %s | ", v[i].name, v[i].unit);
    gb_text_cell(out, v[i].doc);
    gb_text_add(out, " |\n");
  }
  gb_text_add(out, "\n");
}

static void physics_chapter(gb_text *out)
{
  gb_text_add(out, note, "physics");
  gb_text_add(out, "# Physics\n\nChosen by `run.physics`; the keys of each are in CONFIG.md.\n\n");
  for (const gb_physics *const *p = gb_physics_all; *p; p++) {
    gb_text_add(out, "## %s\n\n%s\n\nSource: %s.\n\n", (*p)->name, (*p)->doc, (*p)->source);
    const gb_ensemble *e = (*p)->ensemble;
    const gb_simulator *s = (*p)->simulator;
    if ((*p)->dynamics)
      variables(out, "Parameters of the known differential equation:", (*p)->dynamics->n_parameter,
                (*p)->dynamics->parameter);
    if ((*p)->image) variables(out, "Parameters of the known image:", (*p)->image->n_parameter, (*p)->image->parameter);
    if (s) variables(out, "The truth of a simulated row:", s->n_truth, s->truth);
    if (!e) continue;
    variables(out, "Per stored sample, `/observables`:", e->n_obs, e->obs);
    variables(out, "Per temperature, `/summary` (mean and standard error):", e->n_summary, e->summary);
    variables(out, "What must decorrelate between stored samples, `/sampling/tau_int`:", e->n_track, e->track);
  }
}

static void template_chapter(gb_text *out)
{
  static const char least[] = "run: {dir: runs/new}";
  gb_config *cfg;
  if (gb_config_parse("template", least, strlen(least), 0, NULL, gb_app_sections(), &cfg)) return;
  gb_config_print(cfg, gb_app_sections(), out);
  gb_config_destroy(&cfg);
}

static const struct {
  const char *name, *text;
  void (*write)(gb_text *out);
} topics[] = {{"config", "docs/CONFIG.md: every key", config_chapter},
              {"physics", "docs/PHYSICS.md: every physics and what it measures", physics_chapter},
              {"template", "a complete config with all defaults, to start your own from", template_chapter}};

static void version(gb_text *out)
{
  gb_text_add(out, "greybox-describe %s\n", gb_run_version());
}

static void usage(gb_text *out)
{
  gb_text_add(out,
              "greybox-describe - documentation from the tables in the source\n\nUsage: greybox-describe TOPIC\n\n");
  for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
    gb_text_add(out, "  %-10s %s\n", topics[i].name, topics[i].text);
  gb_text_add(out, "  --help     this text\n  --version  version and commit\n");
}

int main(int argc, char **argv)
{
  const char *word = argc == 2 ? argv[1] : "";
  void (*write)(gb_text *) = !strcmp(word, "--help") ? usage : !strcmp(word, "--version") ? version : NULL;
  for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
    if (!strcmp(word, topics[i].name)) write = topics[i].write;
  gb_text t = {0};
  (write ? write : usage)(&t);
  gb_err e = write ? gb_text_done(&t) : GB_ERR_CONFIG;
  if (t.s) fputs(t.s, write ? stdout : stderr);
  gb_text_free(&t);
  return (int)e;
}
