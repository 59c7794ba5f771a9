/* config/config.c - entries become checked option structs.
 *
 * All sections are filled and checked when the config is loaded; gb_config_get() only copies. So a program
 * fails early, once, and every rank fails alike because all parse the same text. */
#include "config/config.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "config/yaml.h"

struct gb_config {
  char *label;
  const gb_schema *const *schemas;
  bool stored;        /* from gb_config_print_fixed(): free fields are missing, and have their defaults */
  void **opts;        /* [number of schemas] filled structs */
  gb_entries entries; /* what the user gave */
  gb_entries parsed;  /* keeps the texts of defaults alive */
  size_t n_owned;
  void **owned; /* arrays behind gb_reals and gb_texts */
};

static size_t count(const gb_schema *const schemas[])
{
  size_t n = 0;
  while (schemas[n]) n++;
  return n;
}

/* "configs/xy.yaml:7" or "command line": where a value comes from. */
static void locate(const gb_config *cfg, const gb_entry *e, char where[512])
{
  if (e && e->line)
    snprintf(where, 512, "%s:%d", cfg->label, e->line);
  else
    snprintf(where, 512, "%s", e ? "command line" : cfg->label);
}

static gb_err keep(gb_config *cfg, void *array)
{
  enum { STEP = 64 };
  if (cfg->n_owned % STEP == 0) {
    void **more = gb_alloc(cfg->n_owned + STEP, sizeof *more);
    if (!more) {
      gb_free(&array);
      return GB_FAIL(GB_ERR_MEMORY, "no memory for a config list");
    }
    if (cfg->n_owned) memcpy(more, cfg->owned, cfg->n_owned * sizeof *more);
    gb_free(&cfg->owned);
    cfg->owned = more;
  }
  cfg->owned[cfg->n_owned++] = array;
  return GB_OK;
}

/* What a message about one value needs. */
typedef struct place {
  const gb_schema *schema;
  const gb_field *field;
  char where[512];
} place;

static gb_err refuse(const place *p, const char *text, const char *why)
{
  char range[256];
  gb_field_range(p->field, range);
  return GB_FAIL(GB_ERR_CONFIG, "%s: %s.%s = %.200s %s.%s%s%s%s", p->where, p->schema->section, p->field->name, text,
                 why, *range ? " Allowed: " : "", range, p->field->fallback ? "; default: " : "",
                 p->field->fallback ? p->field->fallback : "");
}

/* A decimal number and nothing else: "1,5", "010", "0x10", "1e3x", "nan" and "inf" are refused. */
static gb_err number(const place *p, const char *text, double *out)
{
  const char *digits = text + (*text == '-' || *text == '+');
  char *end;
  errno = 0;
  double v = strtod(text, &end);
  if (!*text || *end || strspn(text, "+-.0123456789eE") != strlen(text)) return refuse(p, text, "is not a number");
  if (digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9')
    return refuse(p, text, "starts with a 0, which some readers take for octal; leave it out");
  if (!isfinite(v)) return refuse(p, text, "is too large for a number");
  *out = v;
  return GB_OK;
}

static gb_err real(const place *p, const char *text, double *out)
{
  GB_TRY(number(p, text, out));
  if (!(*out >= p->field->lo && *out <= p->field->hi)) return refuse(p, text, "is outside the range");
  return GB_OK;
}

static gb_err integer(const place *p, const char *text, int64_t *out)
{
  double v;
  char *end;
  GB_TRY(number(p, text, &v));
  errno = 0;
  long long whole = strtoll(text, &end, 10);
  if (*end) { /* 1e6 is a fine way to write an integer, 1.5 is not */
    if (v != floor(v) || fabs(v) > 0x1p53) return refuse(p, text, "is not an integer");
    whole = (long long)v;
  } else if (errno == ERANGE) {
    return refuse(p, text, "is outside the range");
  }
  /* long double: 2^53 + 1 must not pass as 2^53 */
  if ((long double)whole < (long double)p->field->lo || (long double)whole > (long double)p->field->hi)
    return refuse(p, text, "is outside the range");
  *out = whole;
  return GB_OK;
}

static gb_err word(const place *p, const char *text, const char **out)
{
  const char *c = p->field->choices;
  size_t n = strlen(text);
  *out = text;
  if (!c) return GB_OK;
  for (; *c; c += *c == '|') {
    size_t len = strcspn(c, "|");
    if (len == n && !strncmp(c, text, n)) return GB_OK;
    c += len;
  }
  return refuse(p, *text ? text : "\"\"", "is not one of the choices");
}

/* Point i of 0 ... n from min to max. Inner points are rounded to 12 digits: 0.3 is wanted, not 0.30000000000000004. */
static double between(double min, double max, size_t i, size_t n)
{
  if (i == 0) return min;
  if (i == n) return max;
  char text[32];
  snprintf(text, sizeof text, "%.12g", ((double)(n - i) * min + (double)i * max) / (double)n);
  return strtod(text, NULL);
}

/* {min, max, count}: equidistant numbers, both ends included. */
static gb_err grid(const place *p, const gb_entry *e, gb_reals *out, double **v)
{
  enum { MIN, MAX, COUNT, PARTS };
  static const char *const name[PARTS] = {"min", "max", "count"};
  double part[PARTS];
  bool have[PARTS] = {false};
  for (size_t i = 0; i + 1 < e->n; i += 2) {
    int k = 0;
    while (k < PARTS && strcmp(e->item[i], name[k])) k++;
    if (k == PARTS || have[k]) return refuse(p, e->item[i], "is not expected (once) in a grid {min, max, count}");
    have[k] = true;
    GB_TRY(k == COUNT ? number(p, e->item[i + 1], &part[k]) : real(p, e->item[i + 1], &part[k]));
  }
  for (int k = 0; k < PARTS; k++)
    if (!have[k]) return refuse(p, name[k], "is missing in the grid {min, max, count}");
  if (part[COUNT] != floor(part[COUNT]) || part[COUNT] < 1 || part[COUNT] > GB_YAML_ITEMS) {
    char why[64];
    snprintf(why, sizeof why, "must be an integer from 1 to %d", GB_YAML_ITEMS);
    return refuse(p, "count", why);
  }
  out->n = (size_t)part[COUNT];
  GB_TRY(gb_new(v, out->n));
  for (size_t i = 0; i < out->n; i++) (*v)[i] = between(part[MIN], part[MAX], i, out->n - 1);
  return GB_OK;
}

static gb_err reals(gb_config *cfg, const place *p, const gb_entry *e, gb_reals *out)
{
  double *v = NULL;
  gb_err err = GB_OK;
  out->n = e->n;
  if (e->kind == GB_ENTRY_MAP) {
    err = grid(p, e, out, &v);
  } else {
    err = gb_new(&v, e->n);
    for (size_t i = 0; i < e->n && !err; i++) err = real(p, e->item[i], &v[i]);
  }
  if (err) {
    gb_free(&v);
    return err;
  }
  out->v = v;
  return keep(cfg, v);
}

static gb_err texts(gb_config *cfg, const place *p, const gb_entry *e, gb_texts *out)
{
  if (e->kind == GB_ENTRY_MAP) return refuse(p, "{...}", "is a map; a list of texts is expected");
  const char **v;
  GB_TRY(gb_new(&v, e->n));
  GB_TRY(keep(cfg, (void *)v));
  for (size_t i = 0; i < e->n; i++) GB_TRY(word(p, e->item[i], &v[i]));
  *out = (gb_texts){e->n, v};
  return GB_OK;
}

static gb_err assign(gb_config *cfg, const place *p, const gb_entry *e, void *member)
{
  const char *text = e->n ? e->item[0] : "";
  gb_kind kind = p->field->kind;
  if (kind == GB_REALS) return reals(cfg, p, e, member);
  if (kind == GB_TEXTS) return texts(cfg, p, e, member);
  if (e->kind != GB_ENTRY_SCALAR)
    return refuse(p, e->kind == GB_ENTRY_LIST ? "[...]" : "{...}", "is not a single value");
  if (!*text && kind != GB_TEXT) return refuse(p, "\"\"", "is empty");
  switch (kind) {
  case GB_BOOL:
    if (strcmp(text, "true") && strcmp(text, "false")) return refuse(p, text, "must be true or false");
    *(bool *)member = *text == 't';
    return GB_OK;
  case GB_INT: return integer(p, text, member);
  case GB_REAL: return real(p, text, member);
  default: return word(p, text, member);
  }
}

static gb_err default_of(gb_config *cfg, const place *p, gb_entry **out)
{
  if (cfg->parsed.n == cfg->parsed.room) { /* reserved by fill_all() */
    return GB_FAIL(GB_ERR_MEMORY, "no room for defaults");
  }
  *out = &cfg->parsed.v[cfg->parsed.n++];
  **out = (gb_entry){0};
  return gb_yaml_value(p->field->name, p->field->fallback, *out);
}

/* Put file and line of the "section.key" that `from` begins with before a message. */
static gb_err add_location(const gb_config *cfg, const char *from, gb_err code)
{
  char where[512], section[128] = "", key[128] = "", message[2048], spot[1024];
  const gb_entry *e = NULL;
  if (sscanf(from, "%127[a-z_].%127[A-Za-z0-9_]", section, key) == 2) e = gb_entries_find(&cfg->entries, section, key);
  locate(cfg, e, where);
  snprintf(message, sizeof message, "%.500s: %.1500s", where, gb_err_message());
  snprintf(spot, sizeof spot, "%s", gb_err_place());
  gb_err_adopt(message, spot);
  return code;
}

gb_err gb_config_locate(const gb_config *cfg, const char *section, gb_err e)
{
  size_t n = strlen(section);
  const char *from = e ? gb_err_message() : NULL;
  while (from && (from = strstr(from, section)) && from[n] != '.') from += n;
  return from ? add_location(cfg, from, e) : e;
}

/* A check between fields starts its message with "section.key". */
static gb_err run_check(const gb_config *cfg, const gb_schema *s, const void *opts)
{
  gb_err e = s->check(opts);
  return e ? add_location(cfg, gb_err_message(), e) : GB_OK;
}

static gb_err fill(gb_config *cfg, const gb_schema *s, void *opts)
{
  place p = {.schema = s};
  for (const gb_field *f = s->fields; f->name; f++) {
    gb_entry *e = gb_entries_find(&cfg->entries, s->section, f->name);
    p.field = f;
    locate(cfg, e, p.where);
    if (!e && cfg->stored && f->resume == GB_FREE && !f->fallback) continue;
    if (!e) {
      GB_CHECK(f->fallback, GB_ERR_CONFIG,
               "%s: %s.%s is missing: %s Add it to the file, or %s.%s=... to the command line.", p.where, s->section,
               f->name, f->doc, s->section, f->name);
      GB_TRY(default_of(cfg, &p, &e));
    }
    GB_TRY(assign(cfg, &p, e, (char *)opts + f->offset));
  }
  /* A stored config was checked when it was written, and what lacks its free fields cannot be. */
  return s->check && !cfg->stored ? run_check(cfg, s, opts) : GB_OK;
}

/* The known name nearest to `name`, or "": at most three edits, and fewer than would make any short name near. */
static const char *nearest(const char *name, const gb_schema *const schemas[], const gb_schema *within)
{
  enum { LIMIT = 3 };
  const char *best = "";
  size_t half = (strlen(name) + 1) / 2;
  int least = half < LIMIT ? (int)half + 1 : LIMIT + 1;
  for (size_t i = 0; !within && schemas[i]; i++) {
    int d = gb_text_distance(name, schemas[i]->section, LIMIT);
    if (d < least) least = d, best = schemas[i]->section;
  }
  for (const gb_field *f = within ? within->fields : NULL; f && f->name; f++) {
    int d = gb_text_distance(name, f->name, LIMIT);
    if (d < least) least = d, best = f->name;
  }
  return best;
}

static const gb_schema *find_schema(const gb_schema *const schemas[], const char *section)
{
  for (size_t i = 0; schemas[i]; i++)
    if (!strcmp(schemas[i]->section, section)) return schemas[i];
  return NULL;
}

static const gb_field *find_field(const gb_schema *s, const char *key)
{
  for (const gb_field *f = s->fields; f->name; f++)
    if (!strcmp(f->name, key)) return f;
  return NULL;
}

/* There is no such key: say which one may be meant. */
static gb_err unknown(const gb_config *cfg, const char *where, const char *section, const char *key)
{
  const gb_schema *s = find_schema(cfg->schemas, section);
  if (!s) {
    const char *near = nearest(section, cfg->schemas, NULL);
    return GB_FAIL(GB_ERR_CONFIG, "%s: there is no section %.100s.%s%s%s docs/CONFIG.md lists all keys.", where,
                   section, *near ? " Did you mean `" : "", near, *near ? "`?" : "");
  }
  for (size_t k = 0; cfg->schemas[k]; k++) /* right key, wrong section? */
    if (find_field(cfg->schemas[k], key))
      return GB_FAIL(GB_ERR_CONFIG, "%s: there is no key %.100s.%.100s. Did you mean `%s.%s`?", where, section, key,
                     cfg->schemas[k]->section, key);
  const char *near = nearest(key, cfg->schemas, s);
  return GB_FAIL(GB_ERR_CONFIG, "%s: there is no key %.100s.%.100s.%s%s%s%s%s docs/CONFIG.md lists all keys.", where,
                 section, key, *near ? " Did you mean `" : "", *near ? section : "", *near ? "." : "", near,
                 *near ? "`?" : "");
}

static gb_err refuse_unknown(const gb_config *cfg)
{
  for (size_t i = 0; i < cfg->entries.n; i++) {
    const gb_entry *e = &cfg->entries.v[i];
    const gb_schema *s = find_schema(cfg->schemas, e->section);
    char where[512];
    locate(cfg, e, where);
    if (!s || !find_field(s, e->key)) return unknown(cfg, where, e->section, e->key);
  }
  return GB_OK;
}

gb_err gb_config_find(const gb_config *cfg, const char *name, const gb_schema **schema, const gb_field **field)
{
  char section[128], key[128];
  GB_CHECK(sscanf(name, "%127[^.].%127s", section, key) == 2, GB_ERR_CONFIG, "`%.100s` is not of the form section.key",
           name);
  *schema = find_schema(cfg->schemas, section);
  *field = *schema ? find_field(*schema, key) : NULL;
  return *field ? GB_OK : unknown(cfg, cfg->label, section, key);
}

static gb_err fill_all(gb_config *cfg)
{
  size_t n = count(cfg->schemas), n_fields = 0;
  for (size_t i = 0; i < n; i++)
    for (const gb_field *f = cfg->schemas[i]->fields; f->name; f++) n_fields++;
  GB_TRY(refuse_unknown(cfg));
  GB_TRY(gb_new(&cfg->opts, n));
  GB_TRY(gb_new(&cfg->parsed.v, n_fields));
  cfg->parsed.room = n_fields;
  for (size_t i = 0; i < n; i++) {
    cfg->opts[i] = gb_alloc(cfg->schemas[i]->size, 1);
    GB_CHECK(cfg->opts[i], GB_ERR_MEMORY, "no memory for the options of %s", cfg->schemas[i]->section);
    GB_TRY(fill(cfg, cfg->schemas[i], cfg->opts[i]));
  }
  return GB_OK;
}

/* A config of the entries that `from` has (NULL: none), of a text (NULL: none), and of overrides. */
static gb_err make(const char *label, const gb_entries *from, const char *text, size_t n, int n_overrides,
                   char *const overrides[], const gb_schema *const schemas[], bool stored, gb_config **out)
{
  gb_config *cfg;
  gb_err e = GB_OK;
  *out = NULL;
  GB_TRY(gb_new(&cfg, 1));
  cfg->schemas = schemas;
  cfg->stored = stored;
  GB_GOTO(e, (cfg->label = gb_strdup(label)) ? GB_OK : GB_FAIL(GB_ERR_MEMORY, "no memory for a name"), failed);
  if (from) GB_GOTO(e, gb_entries_copy(from, &cfg->entries), failed);
  if (text) GB_GOTO(e, gb_yaml_parse(label, text, n, &cfg->entries), failed);
  for (int i = 0; i < n_overrides; i++) GB_GOTO(e, gb_yaml_override(overrides[i], &cfg->entries), failed);
  GB_GOTO(e, fill_all(cfg), failed);
  *out = cfg;
  return GB_OK;
failed:
  gb_config_destroy(&cfg);
  return e;
}

gb_err gb_config_parse(const char *label, const char *text, size_t n, int n_overrides, char *const overrides[],
                       const gb_schema *const schemas[], gb_config **out)
{
  return make(label, NULL, text, n, n_overrides, overrides, schemas, false, out);
}

gb_err gb_config_parse_stored(const char *label, const char *text, const gb_schema *const schemas[], gb_config **out)
{
  return make(label, NULL, text, strlen(text), 0, NULL, schemas, true, out);
}

gb_err gb_config_derive(const gb_config *cfg, int n_overrides, char *const overrides[], gb_config **out)
{
  return make(cfg->label, &cfg->entries, NULL, 0, n_overrides, overrides, cfg->schemas, cfg->stored, out);
}

gb_err gb_config_load(gb_comm c, const char *path, int n_overrides, char *const overrides[],
                      const gb_schema *const schemas[], gb_config **out)
{
  char *text = NULL;
  size_t n = 0;
  *out = NULL;
  GB_TRY(gb_comm_agree(c, c.rank == 0 ? gb_file_read(path, GB_YAML_BYTES, &text, &n) : GB_OK));
  gb_err e = gb_comm_bcast_text(c, &text, &n);
  if (!e) e = gb_comm_agree(c, gb_config_parse(path, text, n, n_overrides, overrides, schemas, out));
  if (e) gb_config_destroy(out);
  gb_free(&text);
  return e;
}

void gb_config_destroy(gb_config **cfg)
{
  if (!*cfg) return;
  gb_config *c = *cfg;
  for (size_t i = 0; c->opts && c->schemas[i]; i++) gb_free(&c->opts[i]);
  for (size_t i = 0; i < c->n_owned; i++) gb_free(&c->owned[i]);
  gb_free(&c->opts);
  gb_free(&c->owned);
  gb_free(&c->label);
  gb_entries_free(&c->entries);
  gb_entries_free(&c->parsed);
  gb_free(cfg);
}

static const void *opts_of(const gb_config *cfg, const gb_schema *schema)
{
  size_t i = 0;
  while (cfg->schemas[i] != schema) GB_ASSERT(cfg->schemas[i++]);
  return cfg->opts[i];
}

void gb_config_get(const gb_config *cfg, const gb_schema *schema, void *opts)
{
  memcpy(opts, opts_of(cfg, schema), schema->size);
}

bool gb_config_given(const gb_config *cfg, const char *section, const char *key)
{
  return gb_entries_find(&cfg->entries, section, key) != NULL;
}

/* The shortest decimal that reads back as the same double. */
static void print_real(double v, gb_text *out)
{
  char s[40];
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(s, sizeof s, "%.*g", digits, v);
    if (strtod(s, NULL) == v) break;
  }
  gb_text_add(out, "%s", s);
}

/* One character of valid UTF-8 (all texts come from the YAML reader), and its length. */
static uint32_t decode(const char *v, int *length)
{
  unsigned char first = (unsigned char)*v;
  int n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  uint32_t code = n == 1 ? first : first & (0xffu >> (n + 1));
  for (*length = 1; *length < n && v[*length]; ++*length) code = code << 6 | ((unsigned char)v[*length] & 0x3f);
  return code;
}

/* May this character stand in a double-quoted text as it is? YAML 1.1, section 5.1, less the line breaks
 * beyond ASCII, which a reader folds into a space, and the byte order mark. */
static bool printable(uint32_t c)
{
  return (c >= 0x20 && c < 0x7f) || (c >= 0xa0 && c < 0xd800 && c != 0x2028 && c != 0x2029) ||
         (c >= 0xe000 && c < 0xfffe && c != 0xfeff) || c >= 0x10000;
}

static void print_text(const char *v, gb_text *out)
{
  gb_text_add(out, "\"");
  for (int n; *v; v += n) {
    uint32_t c = decode(v, &n);
    if (!printable(c))
      gb_text_add(out, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
    else
      gb_text_add(out, "%s%.*s", c == '"' || c == '\\' ? "\\" : "", n, v);
  }
  gb_text_add(out, "\"");
}

static void print_value(const gb_field *f, const void *opts, gb_text *out)
{
  const void *member = (const char *)opts + f->offset;
  switch (f->kind) {
  case GB_BOOL: gb_text_add(out, *(const bool *)member ? "true" : "false"); break;
  case GB_INT: gb_text_add(out, "%lld", (long long)*(const int64_t *)member); break;
  case GB_REAL: print_real(*(const double *)member, out); break;
  case GB_TEXT:
    if (f->choices)
      gb_text_add(out, "%s", *(const char *const *)member);
    else
      print_text(*(const char *const *)member, out);
    break;
  case GB_REALS: {
    const gb_reals *v = member;
    gb_text_add(out, "[");
    for (size_t i = 0; i < v->n; i++) {
      if (i) gb_text_add(out, ", ");
      print_real(v->v[i], out);
    }
    gb_text_add(out, "]");
    break;
  }
  case GB_TEXTS: {
    const gb_texts *v = member;
    gb_text_add(out, "[");
    for (size_t i = 0; i < v->n; i++) {
      if (i) gb_text_add(out, ", ");
      print_text(v->v[i], out);
    }
    gb_text_add(out, "]");
    break;
  }
  }
}

void gb_config_print(const gb_config *cfg, const gb_schema *const sections[], gb_text *out)
{
  char range[256];
  for (size_t i = 0; sections[i]; i++) {
    const gb_schema *s = sections[i];
    const void *opts = opts_of(cfg, s);
    gb_text_add(out, "%s:  # %s\n", s->section, s->doc);
    for (const gb_field *f = s->fields; f->name; f++) {
      gb_text_add(out, "  %s: ", f->name);
      print_value(f, opts, out);
      gb_field_range(f, range);
      gb_text_add(out, "  # %s%s%s%s\n", f->doc, *range ? " [" : "", range, *range ? "]" : "");
    }
  }
}

void gb_config_print_fixed(const gb_config *cfg, const gb_schema *const sections[], gb_text *out)
{
  for (size_t i = 0; sections[i]; i++) {
    gb_text_add(out, "%s:\n", sections[i]->section);
    for (const gb_field *f = sections[i]->fields; f->name; f++) {
      if (f->resume != GB_FIXED) continue;
      gb_text_add(out, "  %s: ", f->name);
      print_value(f, opts_of(cfg, sections[i]), out);
      gb_text_add(out, "\n");
    }
  }
}

static gb_err match_field(const gb_schema *s, const gb_field *f, const void *now, const void *then, const char *where)
{
  gb_text a = {0}, b = {0};
  print_value(f, now, &a);
  print_value(f, then, &b);
  gb_err e = gb_text_done(&a);
  if (!e) e = gb_text_done(&b);
  if (!e && strcmp(a.s, b.s))
    e = GB_FAIL(GB_ERR_CONFIG,
                "%s.%s is now %.200s but %s was made with %.200s. This key must not change when a run is "
                "continued: set "
                "it back, or choose another run.dir.",
                s->section, f->name, a.s, where, b.s);
  gb_text_free(&a);
  gb_text_free(&b);
  return e;
}

gb_err gb_config_match(const gb_config *now, const char *then, const char *where, const gb_schema *const sections[])
{
  gb_config *old;
  gb_err e = GB_OK;
  GB_TRY(gb_config_parse_stored(where, then, sections, &old));
  for (size_t i = 0; sections[i] && !e; i++)
    for (const gb_field *f = sections[i]->fields; f->name && !e; f++)
      if (f->resume == GB_FIXED)
        e = match_field(sections[i], f, opts_of(now, sections[i]), opts_of(old, sections[i]), where);
  gb_config_destroy(&old);
  return e;
}
