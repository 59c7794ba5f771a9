/* tests/unit/test_schema.c - what people read of a parameter table, and that the table follows the struct. */
#include "check.h"
#include "unit/config_case.h"

static const gb_field *field(const char *name)
{
  for (const gb_field *f = case_sim_fields; f->name; f++)
    if (!strcmp(f->name, name)) return f;
  fail_msg("no field %s", name);
  return NULL;
}

static void kinds_follow_the_struct(void **state)
{
  (void)state;
  static const struct {
    const char *name;
    gb_kind kind;
    size_t offset;
    const char *text;
  } table[] = {{"verbose", GB_BOOL, offsetof(case_sim, verbose), "true or false"},
               {"L", GB_INT, offsetof(case_sim, L), "integer"},
               {"J", GB_REAL, offsetof(case_sim, J), "number"},
               {"name", GB_TEXT, offsetof(case_sim, name), "text"},
               {"mode", GB_TEXT, offsetof(case_sim, mode), "fast|slow|very slow"},
               {"T", GB_REALS, offsetof(case_sim, T), "list of numbers"},
               {"tags", GB_TEXTS, offsetof(case_sim, tags), "list of texts"}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const gb_field *f = field(table[i].name);
    CHECK(f->kind == table[i].kind);
    CHECK(f->offset == table[i].offset);
    assert_string_equal(gb_field_kind(f), table[i].text);
  }
}

static void ranges(void **state)
{
  (void)state;
  char buffer[256];
  CHECK(gb_field_range(field("L"), buffer) == buffer);
  assert_string_equal(gb_field_range(field("L"), buffer), "2 ... 4096 sites");
  assert_string_equal(gb_field_range(field("shifts"), buffer), "-1 ... 1"); /* unit "1" is not printed */
  assert_string_equal(gb_field_range(field("mode"), buffer), "fast|slow|very slow");
  assert_string_equal(gb_field_range(field("name"), buffer), "");
  assert_string_equal(gb_field_range(field("verbose"), buffer), "");
}

/* Every field with name, default or "required", range and sentence; no line too long for a terminal. */
static void help_is_complete(void **state)
{
  (void)state;
  gb_text t = {0};
  char range[256], head[128];
  gb_schema_help(&case_sim_schema, &t);
  CHECK_OK(gb_text_done(&t));
  CHECK(!strncmp(t.s, "sim: A simulation.\n", 19));
  for (const gb_field *f = case_sim_fields; f->name; f++) {
    snprintf(head, sizeof head, "sim.%s = %s", f->name, f->fallback ? f->fallback : "(required)");
    const char *at = strstr(t.s, head);
    CHECK(at != NULL);
    CHECK(strstr(at, *gb_field_range(f, range) ? range : gb_field_kind(f)) != NULL);
    CHECK(strstr(at, f->doc) != NULL);
  }
  gb_text_free(&t);
}

static void help_breaks_lines(void **state)
{
  (void)state;
  static char one_word[400], doc[1200];
  memset(one_word, 'w', sizeof one_word - 1);
  for (int i = 0; i < 100; i++) strcat(doc, "word ");
  strcat(doc, one_word);
  const gb_field fields[] = {GB_NUMBER(case_sim, L, "16", 2, 4096, "sites", GB_FIXED, doc), {0}};
  const gb_schema s = {"s", "Doc.", sizeof(case_sim), fields, NULL};
  gb_text t = {0};
  size_t words = 0, letters = 0;
  gb_schema_help(&s, &t);
  for (const char *line = strchr(t.s, '\n') + 1; *line; line = strchr(line, '\n') + 1)
    CHECK(strcspn(line, "\n") <= 100);
  for (const char *p = t.s; (p = strstr(p, "word")); p++) words++;
  for (const char *p = strstr(t.s, "word"); *p; p++) letters += *p == 'w';
  CHECK(words == 100 && letters == 100 + sizeof one_word - 1); /* nothing lost at the breaks */
  gb_text_free(&t);
}

/* A Markdown table: each row has the six cells of its head, whatever the choices contain. */
static void markdown_is_a_table(void **state)
{
  (void)state;
  gb_text t = {0};
  gb_schema_markdown(&case_sim_schema, &t);
  CHECK_OK(gb_text_done(&t));
  CHECK(!strncmp(t.s, "## sim\n", 7));
  size_t rows = 0;
  for (const char *line = t.s; *line; line = strchr(line, '\n') + 1) {
    if (*line != '|') continue;
    size_t bars = 0;
    for (const char *p = line; *p != '\n'; p++) bars += *p == '|' && (p == line || p[-1] != '\\');
    CHECK(bars == 7);
    rows++;
  }
  CHECK(rows == 2 + sizeof case_sim_fields / sizeof *case_sim_fields - 1);
  CHECK(strstr(t.s, "| `sim.seed` | integer | required | 0 ... 9007199254740992 | fixed |") != NULL);
  CHECK(strstr(t.s, "| `sim.mode` | choice | `fast` | fast\\|slow\\|very slow | fixed | How. |") != NULL);
  CHECK(strstr(t.s, "| `sim.dir` | text | `out` |  | free |") != NULL);
  gb_text_free(&t);
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(kinds_follow_the_struct), TEST(ranges), TEST(help_is_complete),
                                     TEST(help_breaks_lines), TEST(markdown_is_a_table)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
