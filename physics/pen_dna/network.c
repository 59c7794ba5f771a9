/* physics/pen_dna/network.c - strands and templates from lines of text, and the equations of a template. */
#include "pen_dna/network.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* --- reading */

/* One line: "name: words, key value, key low..high". */
typedef struct line {
  const char *key;  /* of the config */
  const char *what; /* "strand", "template" */
  char name[NAME];
  char rest[256];
} line;

/* The text without blanks at both ends, in place. */
static char *trim(char *s)
{
  while (isspace((unsigned char)*s)) s++;
  for (size_t n = strlen(s); n > 0 && isspace((unsigned char)s[n - 1]);) s[--n] = 0;
  return s;
}

static bool is_name(const char *s)
{
  if (!isalpha((unsigned char)*s)) return false;
  for (; *s; s++)
    if (!isalnum((unsigned char)*s) && *s != '_') return false;
  return true;
}

static gb_err split(const char *key, const char *what, const char *text, line *l)
{
  char copy[320];
  const char *colon = strchr(text, ':');
  GB_CHECK(strlen(text) < 256, GB_ERR_CONFIG, "%s: \"%.60s...\" is too long", key, text);
  GB_CHECK(colon, GB_ERR_CONFIG, "%s: \"%s\" has no colon behind the name of the %s", key, text, what);
  snprintf(copy, sizeof copy, "%.*s", (int)(colon - text), text);
  char *name = trim(copy);
  GB_CHECK(is_name(name) && strlen(name) < NAME, GB_ERR_CONFIG,
           "%s: \"%s\" is no name of a %s: a letter, then letters, digits and _, at most %d", key, name, what,
           NAME - 1);
  l->key = key;
  l->what = what;
  snprintf(l->name, sizeof l->name, "%s", name);
  snprintf(l->rest, sizeof l->rest, "%s", colon + 1);
  return GB_OK;
}

/* A number that is not negative; the whole text. */
static bool number(const char *s, double *out)
{
  char *end;
  *out = strtod(s, &end);
  return *s && !*end && strspn(s, "+-.0123456789eE") == strlen(s);
}

/* "5" or "4..6" */
static gb_err read_amount(const line *l, const char *word, char *text, amount *out)
{
  char *dots = strstr(text, ".."), *high = text;
  if (dots) {
    *dots = 0;
    high = trim(dots + 2);
  }
  GB_CHECK(number(trim(text), &out->low) && number(high, &out->high), GB_ERR_CONFIG,
           "%s: %s %s: `%s %s%s%s` is no number and no range low..high", l->key, l->what, l->name, word, text,
           dots ? ".." : "", dots ? high : "");
  GB_CHECK(out->low >= 0 && out->high >= 0, GB_ERR_CONFIG, "%s: %s %s: %s = %g is negative", l->key, l->what, l->name,
           word, out->low < 0 ? out->low : out->high);
  GB_CHECK(out->low <= out->high && out->high < 1e9, GB_ERR_CONFIG, "%s: %s %s: %s = %g..%g is no range below 1e9",
           l->key, l->what, l->name, word, out->low, out->high);
  return GB_OK;
}

/* The next `key value` of a list with commas; value points behind the key. */
static char *next_word(char **rest, char **value)
{
  char *word = strsep(rest, ",");
  if (!word) return NULL;
  word = trim(word);
  *value = word + strcspn(word, " \t");
  if (**value) *(*value)++ = 0;
  *value = trim(*value);
  return word;
}

static gb_err read_sequence(const line *l, const char *value, char sequence[64])
{
  GB_CHECK(*value && strlen(value) < 64 && strspn(value, "ACGT") == strlen(value), GB_ERR_CONFIG,
           "%s: strand %s: sequence `%s` is not of the letters A, C, G, T, up to 63", l->key, l->name, value);
  snprintf(sequence, 64, "%s", value);
  return GB_OK;
}

static gb_err read_part(const line *l, const char *value, double *out)
{
  GB_CHECK(number(value, out) && *out >= 0 && *out <= 1, GB_ERR_CONFIG,
           "%s: template %s: missing `%s` is no part of the rows, 0 ... 1", l->key, l->name, value);
  return GB_OK;
}

static gb_err read_strand(line *l, strand *s)
{
  char *rest = l->rest, *value, *word;
  bool bound = false;
  *s = (strand){0};
  memcpy(s->name, l->name, sizeof s->name);
  while ((word = next_word(&rest, &value))) {
    if (gb_is(word, "K")) {
      GB_TRY(read_amount(l, word, value, &s->K));
      bound = true;
    } else if (gb_is(word, "start")) {
      GB_TRY(read_amount(l, word, value, &s->start));
    } else if (gb_is(word, "sequence")) {
      GB_TRY(read_sequence(l, value, s->sequence));
    } else {
      return GB_FAIL(GB_ERR_CONFIG, "%s: strand %s: `%s` is not known; known: K, start, sequence", l->key, l->name,
                     word);
    }
  }
  GB_CHECK(bound && s->K.low > 0, GB_ERR_CONFIG, "%s: strand %s: its dissociation constant K > 0 (nM) is missing",
           l->key, l->name);
  return GB_OK;
}

static gb_err find_strand(const network *w, const line *l, const char *name, int *out)
{
  gb_text known = {0};
  for (size_t i = 0; i < w->n_strand; i++) {
    if (gb_is(w->strand[i].name, name)) {
      *out = (int)i;
      gb_text_free(&known);
      return GB_OK;
    }
    gb_text_add(&known, "%s%s", i ? ", " : "", w->strand[i].name);
  }
  gb_err e = GB_FAIL(GB_ERR_CONFIG, "%s: %s %s: there is no strand `%s`; pen_dna.strands has %s", l->key, l->what,
                     l->name, name, known.s ? known.s : "none");
  gb_text_free(&known);
  return e;
}

/* "a -> b" */
static gb_err read_arrow(const network *w, const line *l, char *text, template_ *t)
{
  char *arrow = strstr(text, "->");
  GB_CHECK(arrow, GB_ERR_CONFIG, "%s: template %s: `%s` is not of the form input -> output", l->key, l->name, text);
  *arrow = 0;
  char *input = trim(text), *output = trim(arrow + 2);
  GB_CHECK(*input, GB_ERR_CONFIG, "%s: template %s has no input before ->", l->key, l->name);
  GB_CHECK(*output, GB_ERR_CONFIG, "%s: template %s has no output behind ->", l->key, l->name);
  GB_TRY(find_strand(w, l, input, &t->input));
  return find_strand(w, l, output, &t->output);
}

/* Nearest neighbours at the junction of input and output: how much stacking holds both (dissociation becomes so many
 * times as fast), and dangling ends of the left and the right one alone. */
static const struct junction {
  char bases[3];
  double stack, left, right;
} junctions[] = {{"AA", .16, .93, .55}, {"AT", .12, .45, 1.31}, {"AC", .04, 2.32, .65}, {"AG", .16, .99, .47},
                 {"TA", 1.2, .39, .49}, {"TT", .16, .43, .78},  {"TC", .16, .39, .25},  {"TG", .62, .5, .33},
                 {"CA", .62, .41, .48}, {"CT", .16, .42, 1.05}, {"CC", .12, .48, .55},  {"CG", .19, .67, 1.13},
                 {"GA", .16, .41, .62}, {"GT", .04, .23, 1.43}, {"GC", .04, .33, .76},  {"GG", .12, .5, .65}};

static void set_junction(const network *w, double stack, template_ *t)
{
  const char *a = w->strand[t->input].sequence, *b = w->strand[t->output].sequence;
  t->stack = stack;
  t->left = t->right = 1;
  for (size_t i = 0; *a && *b && i < sizeof junctions / sizeof *junctions; i++)
    if (junctions[i].bases[0] == a[strlen(a) - 1] && junctions[i].bases[1] == b[0]) {
      t->stack = junctions[i].stack;
      t->left = junctions[i].left;
      t->right = junctions[i].right;
    }
}

static gb_err read_template(const network *w, line *l, double stack, template_ *t)
{
  char *rest = l->rest, *value, *word = strsep(&rest, ",");
  *t = (template_){.inhibitor = GB_NO};
  memcpy(t->name, l->name, sizeof t->name);
  GB_TRY(read_arrow(w, l, trim(word), t));
  while ((word = next_word(&rest, &value))) {
    if (gb_is(word, "total"))
      GB_TRY(read_amount(l, word, value, &t->total));
    else if (gb_is(word, "inhibitor"))
      GB_TRY(find_strand(w, l, value, &t->inhibitor));
    else if (gb_is(word, "missing"))
      GB_TRY(read_part(l, value, &t->missing));
    else
      return GB_FAIL(GB_ERR_CONFIG, "%s: template %s: `%s` is not known; known: total, inhibitor, missing", l->key,
                     l->name, word);
  }
  GB_CHECK(t->total.low > 0, GB_ERR_CONFIG, "%s: template %s: its total > 0 (nM) is missing", l->key, l->name);
  set_junction(w, stack, t);
  return GB_OK;
}

/* Strands that are observed come first, in the order of the list. */
static gb_err order(gb_texts strands, gb_texts observe, network *w)
{
  static const char key[] = "pen_dna.strands";
  line l;
  w->n_strand = strands.n;
  GB_CHECK(strands.n >= 1 && strands.n <= MOST_STRANDS, GB_ERR_CONFIG, "%s has %zu strands: 1 to %d are possible", key,
           strands.n, MOST_STRANDS);
  for (size_t i = 0; i < strands.n; i++) {
    GB_TRY(split(key, "strand", strands.v[i], &l));
    for (size_t k = 0; k < i; k++)
      GB_CHECK(!gb_is(w->strand[k].name, l.name), GB_ERR_CONFIG, "%s: there are two strands %s", key, l.name);
    GB_TRY(read_strand(&l, &w->strand[i]));
  }
  GB_CHECK(observe.n >= 1 && observe.n <= strands.n, GB_ERR_CONFIG,
           "pen_dna.observe has %zu strands: at least one must be observed, and each once", observe.n);
  for (w->n_seen = 0; w->n_seen < observe.n; w->n_seen++) {
    int at = 0;
    l.key = "pen_dna.observe";
    l.what = "strand";
    snprintf(l.name, sizeof l.name, "%zu", w->n_seen + 1);
    GB_TRY(find_strand(w, &l, observe.v[w->n_seen], &at));
    GB_CHECK((size_t)at >= w->n_seen, GB_ERR_CONFIG, "pen_dna.observe names %s twice", observe.v[w->n_seen]);
    strand kept = w->strand[at];
    memmove(w->strand + w->n_seen + 1, w->strand + w->n_seen, ((size_t)at - w->n_seen) * sizeof kept);
    w->strand[w->n_seen] = kept;
  }
  return GB_OK;
}

static gb_err read_templates(gb_texts templates, double stack, network *w)
{
  static const char key[] = "pen_dna.templates";
  line l;
  w->n_template = templates.n;
  GB_CHECK(templates.n >= 1, GB_ERR_CONFIG, "%s: a network without templates has no output", key);
  GB_CHECK(templates.n <= MOST_TEMPLATES, GB_ERR_CONFIG, "%s has %zu templates: %d are possible", key, templates.n,
           MOST_TEMPLATES);
  for (size_t i = 0; i < templates.n; i++) {
    template_ *t = &w->template_[i];
    GB_TRY(split(key, "template", templates.v[i], &l));
    for (size_t k = 0; k < i; k++)
      GB_CHECK(!gb_is(w->template_[k].name, l.name), GB_ERR_CONFIG, "%s: there are two templates %s", key, l.name);
    GB_TRY(read_template(w, &l, stack, t));
    if (t->inhibitor != GB_NO) w->strand[t->inhibitor].inhibits = true;
  }
  for (size_t i = 0; i < w->n_template; i++) {
    int s = w->template_[i].input;
    GB_CHECK(!w->strand[s].inhibits, GB_ERR_CONFIG,
             "%s: template %s: its input %s inhibits another template; an inhibitor cannot be an input", key,
             w->template_[i].name, w->strand[s].name);
  }
  return GB_OK;
}

/* What is observed must be able to appear. */
static gb_err check_output(const network *w)
{
  for (size_t s = 0; s < w->n_seen; s++) {
    bool appears = w->strand[s].start.high > 0;
    for (size_t i = 0; i < w->n_template; i++) appears = appears || w->template_[i].output == (int)s;
    GB_CHECK(appears, GB_ERR_CONFIG, "pen_dna.observe: strand %s is no output of a template and starts at 0",
             w->strand[s].name);
  }
  return GB_OK;
}

static gb_err add_ranged(network *w, size_t what, amount a, double missing, const char *prefix, const char *name)
{
  if (!(a.low < a.high) && missing == 0) return GB_OK;
  GB_CHECK(w->n_ranged < MOST_RANGED, GB_ERR_CONFIG,
           "pen_dna.templates: more than %d numbers of the network are ranges", MOST_RANGED);
  w->ranged[w->n_ranged] = what;
  w->ranged_missing[w->n_ranged] = missing;
  snprintf(w->ranged_name[w->n_ranged++], 2 * NAME, "%s%s", prefix, name);
  return GB_OK;
}

static gb_err list_ranged(network *w)
{
  static const char *const level[LEVELS] = {"polymerase", "nickase", "exonuclease"};
  size_t factor = LEVELS;
  for (size_t i = 0; i < w->n_strand; i++)
    GB_TRY(add_ranged(w, factor + i, w->strand[i].K, 0, "K_", w->strand[i].name));
  for (size_t i = 0; i < w->n_template; i++)
    GB_TRY(add_ranged(w, factor + w->n_strand + i, w->template_[i].total, w->template_[i].missing, "total_",
                      w->template_[i].name));
  for (size_t i = 0; i < LEVELS; i++) GB_TRY(add_ranged(w, i, w->level[i], 0, "", level[i]));
  w->n_ranged_factor = w->n_ranged;
  for (size_t i = 0; i < w->n_strand; i++)
    GB_TRY(add_ranged(w, MOST_FACTORS + i, w->strand[i].start, 0, "start_", w->strand[i].name));
  return GB_OK;
}

gb_err gb_pen_read(gb_texts strands, gb_texts templates, gb_texts observe, const gb_reals level[LEVELS], double stack,
                   network *w)
{
  *w = (network){0};
  for (int i = 0; i < LEVELS; i++) w->level[i] = (amount){level[i].v[0], level[i].v[1]};
  GB_TRY(order(strands, observe, w));
  GB_TRY(read_templates(templates, stack, w));
  GB_TRY(check_output(w));
  return list_ranged(w);
}

/* --- reactions */

amount gb_pen_factor(const network *w, size_t i)
{
  return i < LEVELS                 ? w->level[i]
         : i < LEVELS + w->n_strand ? w->strand[i - LEVELS].K
                                    : w->template_[i - LEVELS - w->n_strand].total;
}

size_t gb_pen_species(const network *w)
{
  return w->n_strand + PARTS * w->n_template;
}

size_t gb_pen_part(const network *w, size_t template_number, part which)
{
  return w->n_strand + PARTS * template_number + which;
}

/* Rates and constants (nM, min): association; enzymes' speeds Vm and constants Km; displacement of an output that
 * inhibits is slower; an inhibitor binds its target more loosely; toeholds by which input and output displace an
 * inhibitor. */
static const double association = 0.2, polymerase_speed = 1050, polymerase_K = 80, displacement_K = 5.5,
                    displacement_ratio = 0.2, nickase_speed = 80, nickase_K = 30, exonuclease_speed = 300,
                    exonuclease_K = 440, exonuclease_K_inhibitor = 150, inhibitor_looseness = 3, toehold_input = 0.002,
                    toehold_output = 0.01;

/* A template being written. */
typedef struct writer {
  const network *w;
  gb_reactions *r;
  double unit;
  size_t t; /* the template */
} writer;

static int state(const writer *a, part which)
{
  return (int)gb_pen_part(a->w, a->t, which);
}

/* Strand changes are so many nM as the template's total times the part of it that reacts. */
static gb_change strand_change(const writer *a, int s, double by)
{
  return (gb_change){s, by / a->unit, LEVELS + (int)a->w->n_strand + (int)a->t};
}

/* from + s -> to, at rate k, and back at rate k * ratio * K(s). */
static void bind(const writer *a, int s, part from, part to, double ratio)
{
  gb_reaction on = {association * a->unit, GB_NO, GB_NO, {s, state(a, from)}, 3, {{0}}};
  on.change[0] = strand_change(a, s, -1);
  on.change[1] = (gb_change){state(a, from), -1, GB_NO};
  on.change[2] = (gb_change){state(a, to), 1, GB_NO};
  gb_reaction off = {association * ratio, LEVELS + s, GB_NO, {state(a, to), GB_NO}, 3, {{0}}};
  for (int k = 0; k < 3; k++) {
    off.change[k] = on.change[k];
    off.change[k].by = -on.change[k].by;
  }
  gb_reactions_add(a->r, on);
  gb_reactions_add(a->r, off);
}

/* from + in -> to + out, at rate k * ratio. */
static void exchange(const writer *a, int in, part from, int out, part to, double ratio)
{
  gb_reaction e = {association * ratio * a->unit, GB_NO, GB_NO, {in, state(a, from)}, 4, {{0}}};
  e.change[0] = strand_change(a, in, -1);
  e.change[1] = strand_change(a, out, 1);
  e.change[2] = (gb_change){state(a, from), -1, GB_NO};
  e.change[3] = (gb_change){state(a, to), 1, GB_NO};
  gb_reactions_add(a->r, e);
}

/* from -> to by an enzyme; with a strand that is set free. */
static void work(const writer *a, int enzyme, double rate, part from, part to, int out)
{
  gb_reaction e = {rate, enzyme, enzyme, {state(a, from), GB_NO}, 2, {{0}}};
  e.change[0] = (gb_change){state(a, from), -1, GB_NO};
  e.change[1] = (gb_change){state(a, to), 1, GB_NO};
  if (out != GB_NO) e.change[e.n_change++] = strand_change(a, out, 1);
  gb_reactions_add(a->r, e);
}

/* A part of a template that keeps an enzyme busy. */
static void occupy(const writer *a, int enzyme, part which, double K)
{
  gb_reactions_load(a->r, (gb_load){enzyme, {state(a, which), 1 / K, LEVELS + (int)a->w->n_strand + (int)a->t}});
}

static void write_template(const writer *a)
{
  const template_ *t = &a->w->template_[a->t];
  int in = t->input, out = t->output, not = t->inhibitor;
  double displaced = a->w->strand[out].inhibits ? displacement_ratio : 1;
  bind(a, in, ALONE, WITH_INPUT, t->left);
  bind(a, out, ALONE, WITH_OUTPUT, t->right);
  bind(a, in, WITH_OUTPUT, WITH_BOTH, t->stack / t->right);
  bind(a, out, WITH_INPUT, WITH_BOTH, t->stack / t->left);
  if (not != GB_NO) {
    bind(a, not, ALONE, INHIBITED, inhibitor_looseness);
    exchange(a, not, WITH_INPUT, in, INHIBITED, 1);
    exchange(a, not, WITH_OUTPUT, out, INHIBITED, 1);
    exchange(a, in, INHIBITED, not, WITH_INPUT, toehold_input);
    exchange(a, out, INHIBITED, not, WITH_OUTPUT, toehold_output);
  }
  work(a, POLYMERASE, polymerase_speed / polymerase_K, WITH_INPUT, EXTENDED, GB_NO);
  work(a, POLYMERASE,
       a->w->strand[out].inhibits ? polymerase_speed / displacement_K * displaced : polymerase_speed / polymerase_K,
       WITH_BOTH, EXTENDED, out);
  work(a, NICKASE, nickase_speed / nickase_K, EXTENDED, WITH_BOTH, GB_NO);
  occupy(a, POLYMERASE, WITH_INPUT, polymerase_K);
  occupy(a, POLYMERASE, WITH_BOTH, displacement_K);
  occupy(a, NICKASE, EXTENDED, nickase_K);
}

gb_err gb_pen_react(const network *w, double unit, gb_reactions *r)
{
  enum { PER_TEMPLATE = 17, LOADS = 3 };
  GB_TRY(gb_reactions_create(r, gb_pen_species(w), LEVELS + w->n_strand + w->n_template,
                             PER_TEMPLATE * w->n_template + w->n_strand, LOADS * w->n_template + w->n_strand));
  for (size_t i = 0; i < w->n_template; i++) write_template(&(writer){w, r, unit, i});
  for (int s = 0; s < (int)w->n_strand; s++) {
    double K = w->strand[s].inhibits ? exonuclease_K_inhibitor : exonuclease_K;
    gb_reaction cut = {exonuclease_speed / K, EXONUCLEASE, EXONUCLEASE, {s, GB_NO}, 1, {{s, -1, GB_NO}}};
    gb_reactions_add(r, cut);
    gb_reactions_load(r, (gb_load){EXONUCLEASE, {s, unit / K, GB_NO}});
  }
  return GB_OK;
}
