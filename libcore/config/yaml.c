/* config/yaml.c - the only use of libyaml: its events, with limits.
 *
 * Events, not documents: the loader of libyaml would follow aliases and build trees of any depth. Here the
 * shape is known (section, key, value, item), so nesting is counted as it comes and the first surplus level
 * is refused before the rest of the text is looked at. */
#include "config/yaml.h"

#include <string.h>
#include <yaml.h>

#include "base/mem.h"

typedef struct reader {
  const char *label, *text;
  yaml_parser_t parser;
  yaml_event_t event; /* the current one; empty when ours to fetch */
  bool held;
} reader;

static int line_of(const reader *r)
{
  return (int)r->event.start_mark.line + 1;
}

/* Step to the next event. */
static gb_err next(reader *r)
{
  if (r->held) yaml_event_delete(&r->event);
  r->held = false;
  if (!yaml_parser_parse(&r->parser, &r->event)) {
    const yaml_parser_t *p = &r->parser;
    size_t line = p->problem_mark.line + 1;
    if (p->error == YAML_READER_ERROR) { /* the reader is ahead of the marks: it tells the byte */
      line = 1;
      for (size_t i = 0; i < p->problem_offset; i++) line += r->text[i] == '\n';
    }
    return GB_FAIL(GB_ERR_CONFIG, "%s:%zu: is not valid YAML: %s%s%s. Indent with spaces and write `key: value`.",
                   r->label, line, p->problem ? p->problem : "unreadable", p->context ? ", " : "",
                   p->context ? p->context : "");
  }
  r->held = true;
  const char *what = NULL;
  switch (r->event.type) {
  case YAML_ALIAS_EVENT: what = "aliases (*name)"; break;
  case YAML_SCALAR_EVENT:
    if (r->event.data.scalar.anchor) what = "anchors (&name)";
    if (r->event.data.scalar.tag) what = "tags (!name)";
    break;
  case YAML_SEQUENCE_START_EVENT:
    if (r->event.data.sequence_start.anchor) what = "anchors (&name)";
    if (r->event.data.sequence_start.tag) what = "tags (!name)";
    break;
  case YAML_MAPPING_START_EVENT:
    if (r->event.data.mapping_start.anchor) what = "anchors (&name)";
    if (r->event.data.mapping_start.tag) what = "tags (!name)";
    break;
  default: break;
  }
  GB_CHECK(!what, GB_ERR_CONFIG, "%s:%d: %s are not used here. Write the value itself.", r->label, line_of(r), what);
  return GB_OK;
}

/* A copy of the current scalar. */
static gb_err scalar(reader *r, const char *role, char **out)
{
  GB_CHECK(r->event.type == YAML_SCALAR_EVENT, GB_ERR_CONFIG,
           "%s:%d: %s must be plain text here, not a list or a map. Expected `section:`, below it `key: value`.",
           r->label, line_of(r), role);
  const char *s = (const char *)r->event.data.scalar.value;
  size_t n = r->event.data.scalar.length;
  GB_CHECK(strlen(s) == n, GB_ERR_CONFIG, "%s:%d: %s contains a zero byte", r->label, line_of(r), role);
  *out = gb_strdup(s);
  GB_CHECK(*out, GB_ERR_MEMORY, "no memory for a config value of %zu bytes", n);
  return GB_OK;
}

/* The items of a list or map up to its end, or the one scalar. */
static gb_err value(reader *r, gb_entry *e)
{
  yaml_event_type_t end = YAML_NO_EVENT;
  size_t room = 1;
  if (r->event.type == YAML_SEQUENCE_START_EVENT) end = YAML_SEQUENCE_END_EVENT;
  if (r->event.type == YAML_MAPPING_START_EVENT) end = YAML_MAPPING_END_EVENT;
  e->kind = end == YAML_SEQUENCE_END_EVENT  ? GB_ENTRY_LIST
            : end == YAML_MAPPING_END_EVENT ? GB_ENTRY_MAP
                                            : GB_ENTRY_SCALAR;
  e->n = 0;
  GB_TRY(gb_new(&e->item, room));
  if (end == YAML_NO_EVENT) {
    GB_TRY(scalar(r, "a value", &e->item[0]));
    e->n = 1;
    return GB_OK;
  }
  for (;;) {
    GB_TRY(next(r));
    if (r->event.type == end) return GB_OK;
    GB_CHECK(e->n < GB_YAML_ITEMS, GB_ERR_CONFIG, "%s:%d: a list has more than %d items", r->label, line_of(r),
             GB_YAML_ITEMS);
    if (e->n == room) {
      char **more;
      GB_TRY(gb_new(&more, 2 * room));
      memcpy(more, e->item, room * sizeof *more);
      gb_free(&e->item);
      e->item = more;
      room *= 2;
    }
    GB_TRY(scalar(r, "an item of a list", &e->item[e->n]));
    e->n++;
  }
}

gb_entry *gb_entries_find(const gb_entries *entries, const char *section, const char *key)
{
  for (size_t i = 0; i < entries->n; i++)
    if (!strcmp(entries->v[i].section, section) && !strcmp(entries->v[i].key, key)) return &entries->v[i];
  return NULL;
}

static gb_err append(gb_entries *entries, gb_entry **out)
{
  if (entries->n == entries->room) {
    size_t room = entries->room ? 2 * entries->room : 64;
    gb_entry *v;
    GB_TRY(gb_new(&v, room));
    if (entries->n) memcpy(v, entries->v, entries->n * sizeof *v);
    gb_free(&entries->v);
    entries->v = v;
    entries->room = room;
  }
  *out = &entries->v[entries->n++];
  **out = (gb_entry){0};
  return GB_OK;
}

static gb_err copy_text(const char *s, char **out)
{
  *out = gb_strdup(s);
  GB_CHECK(*out, GB_ERR_MEMORY, "no memory for a config value");
  return GB_OK;
}

gb_err gb_entries_copy(const gb_entries *from, gb_entries *to)
{
  for (size_t i = 0; i < from->n; i++) {
    const gb_entry *a = &from->v[i];
    gb_entry *b;
    GB_TRY(append(to, &b));
    b->kind = a->kind;
    b->line = a->line;
    GB_TRY(copy_text(a->section, &b->section));
    GB_TRY(copy_text(a->key, &b->key));
    GB_TRY(gb_new(&b->item, a->n ? a->n : 1));
    for (; b->n < a->n; b->n++) GB_TRY(copy_text(a->item[b->n], &b->item[b->n]));
  }
  return GB_OK;
}

static gb_err section(reader *r, char *name, gb_entries *entries)
{
  if (r->event.type == YAML_SCALAR_EVENT && r->event.data.scalar.length == 0) return GB_OK; /* "section:" alone */
  GB_CHECK(r->event.type == YAML_MAPPING_START_EVENT, GB_ERR_CONFIG,
           "%s:%d: section %.100s holds no keys. Write `%.100s:` and below it, indented, `key: value`.", r->label,
           line_of(r), name, name);
  for (;;) {
    gb_entry *e, *twin;
    GB_TRY(next(r));
    if (r->event.type == YAML_MAPPING_END_EVENT) return GB_OK;
    GB_CHECK(entries->n < GB_YAML_ENTRIES, GB_ERR_CONFIG, "%s:%d: there are more than %d keys", r->label, line_of(r),
             GB_YAML_ENTRIES);
    GB_TRY(append(entries, &e));
    e->line = line_of(r);
    GB_CHECK((e->section = gb_strdup(name)), GB_ERR_MEMORY, "no memory for a config key");
    e->key = NULL;
    char *key = NULL;
    GB_TRY(scalar(r, "a key", &key));
    entries->n--; /* look for a twin among the others */
    twin = gb_entries_find(entries, name, key);
    entries->n++;
    e->key = key;
    GB_CHECK(!twin, GB_ERR_CONFIG, "%s:%d: %.100s.%.100s is given twice; the first is at line %d. Keep one of them.",
             r->label, e->line, name, key, twin->line);
    GB_TRY(next(r));
    GB_TRY(value(r, e));
  }
}

static gb_err document(reader *r, gb_entries *entries)
{
  enum { MOST_SECTIONS = 64 };
  struct {
    char *name;
    int line;
  } seen[MOST_SECTIONS];
  int n_seen = 0;
  gb_err e = GB_OK;
  GB_TRY(next(r)); /* stream start */
  GB_TRY(next(r));
  if (r->event.type == YAML_STREAM_END_EVENT) return GB_OK; /* empty: all defaults */
  GB_TRY(next(r));
  bool empty = r->event.type == YAML_SCALAR_EVENT && r->event.data.scalar.length == 0; /* "---" alone */
  GB_CHECK(empty || r->event.type == YAML_MAPPING_START_EVENT, GB_ERR_CONFIG,
           "%s:%d: expected `section:` and below it, indented, `key: value`", r->label, line_of(r));
  while (!empty) {
    GB_GOTO(e, next(r), done);
    if (r->event.type == YAML_MAPPING_END_EVENT) break;
    char *name = NULL;
    int line = line_of(r);
    GB_GOTO(e, scalar(r, "a section", &name), done);
    if (n_seen == MOST_SECTIONS) {
      gb_free(&name);
      e = GB_FAIL(GB_ERR_CONFIG, "%s:%d: there are more than %d sections", r->label, line, MOST_SECTIONS);
      goto done;
    }
    seen[n_seen].name = name;
    seen[n_seen++].line = line;
    for (int i = 0; i < n_seen - 1; i++)
      if (!strcmp(seen[i].name, name)) {
        e = GB_FAIL(GB_ERR_CONFIG, "%s:%d: section %.100s is given twice; the first is at line %d. Join them.",
                    r->label, line, name, seen[i].line);
        goto done;
      }
    GB_GOTO(e, next(r), done);
    GB_GOTO(e, section(r, name, entries), done);
  }
  GB_GOTO(e, next(r), done); /* document end */
  GB_GOTO(e, next(r), done);
  if (r->event.type != YAML_STREAM_END_EVENT)
    e = GB_FAIL(GB_ERR_CONFIG, "%s:%d: a second document starts here. Keep one.", r->label, line_of(r));
done:
  for (int i = 0; i < n_seen; i++) gb_free(&seen[i].name);
  return e;
}

static gb_err open_reader(reader *r, const char *label, const char *text, size_t n)
{
  *r = (reader){.label = label, .text = text};
  GB_CHECK(yaml_parser_initialize(&r->parser), GB_ERR_MEMORY, "no memory for the YAML parser");
  yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, n);
  return GB_OK;
}

static void close_reader(reader *r)
{
  if (r->held) yaml_event_delete(&r->event);
  yaml_parser_delete(&r->parser);
}

gb_err gb_yaml_parse(const char *label, const char *text, size_t n, gb_entries *entries)
{
  reader r;
  GB_CHECK(n <= GB_YAML_BYTES, GB_ERR_CONFIG, "%s: has %zu bytes; a config has at most %zu. Is this the right file?",
           label, n, GB_YAML_BYTES);
  GB_TRY(open_reader(&r, label, text, n));
  gb_err e = document(&r, entries);
  close_reader(&r);
  return e;
}

static gb_err single(reader *r, gb_entry *entry)
{
  GB_TRY(next(r)); /* stream start */
  GB_TRY(next(r)); /* document start, or the end of an empty stream */
  if (r->event.type == YAML_STREAM_END_EVENT) {
    GB_TRY(gb_new(&entry->item, 1));
    GB_CHECK((entry->item[0] = gb_strdup("")), GB_ERR_MEMORY, "no memory for a config value");
    entry->n = 1;
    return GB_OK;
  }
  GB_TRY(next(r));
  GB_TRY(value(r, entry));
  GB_TRY(next(r)); /* document end */
  GB_TRY(next(r));
  GB_CHECK(r->event.type == YAML_STREAM_END_EVENT, GB_ERR_CONFIG, "%s: holds more than one value", r->label);
  return GB_OK;
}

gb_err gb_yaml_value(const char *label, const char *text, gb_entry *entry)
{
  reader r;
  GB_TRY(open_reader(&r, label, text, strlen(text)));
  gb_err e = single(&r, entry);
  close_reader(&r);
  return e;
}

gb_err gb_yaml_override(const char *argument, gb_entries *entries)
{
  const char *equals = strchr(argument, '='), *dot = strchr(argument, '.');
  GB_CHECK(equals && dot && dot < equals && dot > argument && equals > dot + 1, GB_ERR_CONFIG,
           "command line: `%.200s` is not understood. Overrides look like section.key=value.", argument);
  GB_CHECK(strlen(argument) <= GB_YAML_BYTES, GB_ERR_CONFIG, "command line: an override is longer than %zu bytes",
           GB_YAML_BYTES);
  gb_entry fresh = {0};
  gb_err e = GB_OK;
  GB_GOTO(e, gb_new(&fresh.section, (size_t)(dot - argument) + 1), done);
  memcpy(fresh.section, argument, (size_t)(dot - argument));
  GB_GOTO(e, gb_new(&fresh.key, (size_t)(equals - dot)), done);
  memcpy(fresh.key, dot + 1, (size_t)(equals - dot) - 1);
  GB_GOTO(e, gb_yaml_value("command line", equals + 1, &fresh), done);
  gb_entry *old = gb_entries_find(entries, fresh.section, fresh.key);
  if (old)
    gb_entry_free(old);
  else
    GB_GOTO(e, append(entries, &old), done);
  *old = fresh;
  return GB_OK;
done:
  gb_entry_free(&fresh);
  return e;
}

void gb_entry_free(gb_entry *entry)
{
  gb_free(&entry->section);
  gb_free(&entry->key);
  for (size_t i = 0; i < entry->n; i++) gb_free(&entry->item[i]);
  gb_free(&entry->item);
  *entry = (gb_entry){0};
}

void gb_entries_free(gb_entries *entries)
{
  for (size_t i = 0; i < entries->n; i++) gb_entry_free(&entries->v[i]);
  gb_free(&entries->v);
  *entries = (gb_entries){0};
}
