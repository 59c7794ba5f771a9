/* config/schema.c - what people read of a parameter table. */
#include "config/schema.h"

#include <string.h>

const char *gb_field_kind(const gb_field *f)
{
  static const char *const name[] = {
      [GB_BOOL] = "true or false", [GB_INT] = "integer",           [GB_REAL] = "number",
      [GB_TEXT] = "text",          [GB_REALS] = "list of numbers", [GB_TEXTS] = "list of texts"};
  return f->choices ? f->choices : name[f->kind];
}

const char *gb_field_range(const gb_field *f, char buffer[256])
{
  const char *unit = strcmp(f->unit, "1") ? f->unit : "";
  if (f->kind == GB_INT || f->kind == GB_REAL || f->kind == GB_REALS)
    snprintf(buffer, 256, "%.16g ... %.16g%s%s", f->lo, f->hi, *unit ? " " : "", unit);
  else
    snprintf(buffer, 256, "%s", f->choices ? f->choices : "");
  return buffer;
}

/* Append text broken into lines of at most `width` characters, each indented. */
static void wrapped(gb_text *out, const char *text, int indent, int width)
{
  while (*text) {
    size_t n = strlen(text), room = (size_t)(width - indent);
    if (n > room) {
      for (n = room; n > 0 && text[n] != ' ';) n--;
      if (n == 0) n = room;
    }
    gb_text_add(out, "%*s%.*s\n", indent, "", (int)n, text);
    text += n;
    while (*text == ' ') text++;
  }
}

void gb_schema_help(const gb_schema *s, gb_text *out)
{
  char range[256];
  gb_text_add(out, "%s: %s\n", s->section, s->doc);
  for (const gb_field *f = s->fields; f->name; f++) {
    gb_text_add(out, "  %s.%s = %s", s->section, f->name, f->fallback ? f->fallback : "(required)");
    if (*gb_field_range(f, range))
      gb_text_add(out, "   [%s]\n", range);
    else
      gb_text_add(out, "   [%s]\n", gb_field_kind(f));
    wrapped(out, f->doc, 6, 100);
  }
}

void gb_schema_markdown(const gb_schema *s, gb_text *out)
{
  char range[256];
  gb_text_add(out,
              "## %s\n\n%s\n\n| key | type | default | range, unit | on resume | meaning "
              "|\n|---|---|---|---|---|---|\n",
              s->section, s->doc);
  for (const gb_field *f = s->fields; f->name; f++) {
    gb_text_add(out, "| `%s.%s` | %s | %s%s%s | ", s->section, f->name, f->choices ? "choice" : gb_field_kind(f),
                f->fallback ? "`" : "", f->fallback ? (*f->fallback ? f->fallback : "\"\"") : "required",
                f->fallback ? "`" : "");
    gb_text_cell(out, gb_field_range(f, range));
    gb_text_add(out, " | %s | ", f->resume == GB_FIXED ? "fixed" : "free");
    gb_text_cell(out, f->doc);
    gb_text_add(out, " |\n");
  }
  gb_text_add(out, "\n");
}
