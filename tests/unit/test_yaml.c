/* tests/unit/test_yaml.c - YAML text to entries; what is no config is refused at once, whatever it is. */
#include <stdlib.h>

#include "base/clock.h"
#include "check.h"
#include "config/yaml.h"

static void item_is(const gb_entry *e, size_t i, const char *text)
{
  CHECK(e && i < e->n);
  assert_string_equal(e->item[i], text);
}

static void shapes(void **state)
{
  (void)state;
  const char text[] = "# a comment\n"
                      "a:\n"
                      "  x: 1\n"
                      "  y: [1, two, '3 4', \"5\\n\"]  # after it\n"
                      "  m: {min: 1, max: 2}\n"
                      "\n"
                      "b: {z: hello world, empty: , list: []}\n"
                      "c:\n"
                      "d:\n"
                      "  block:\n"
                      "    - 1\n"
                      "    - 2\n"
                      "  folded: >\n"
                      "    one\n"
                      "    two\n";
  static const struct {
    const char *section, *key;
    gb_entry_kind kind;
    size_t n;
    int line;
  } table[] = {{"a", "x", GB_ENTRY_SCALAR, 1, 3},     {"a", "y", GB_ENTRY_LIST, 4, 4},
               {"a", "m", GB_ENTRY_MAP, 4, 5},        {"b", "z", GB_ENTRY_SCALAR, 1, 7},
               {"b", "empty", GB_ENTRY_SCALAR, 1, 7}, {"b", "list", GB_ENTRY_LIST, 0, 7},
               {"d", "block", GB_ENTRY_LIST, 2, 10},  {"d", "folded", GB_ENTRY_SCALAR, 1, 13}};
  enum { N = sizeof table / sizeof *table };
  gb_entries all = {0};
  CHECK_OK(gb_yaml_parse("f", text, strlen(text), &all));
  CHECK(all.n == N);
  for (size_t i = 0; i < N; i++) {
    const gb_entry *e = gb_entries_find(&all, table[i].section, table[i].key);
    CHECK(e == &all.v[i]); /* in the order of the text */
    CHECK(e->kind == table[i].kind && e->n == table[i].n && e->line == table[i].line);
  }
  item_is(&all.v[0], 0, "1");
  item_is(&all.v[1], 1, "two");
  item_is(&all.v[1], 2, "3 4");
  item_is(&all.v[1], 3, "5\n");
  item_is(&all.v[2], 0, "min");
  item_is(&all.v[2], 3, "2");
  item_is(&all.v[3], 0, "hello world");
  item_is(&all.v[4], 0, "");
  item_is(&all.v[7], 0, "one two\n");
  CHECK(gb_entries_find(&all, "a", "z") == NULL);
  CHECK(gb_entries_find(&all, "c", "x") == NULL);
  gb_entries_free(&all);
  CHECK(all.n == 0 && all.v == NULL);
}

/* What an editor on another system saves is the same config. */
static void line_ends_and_marks(void **state)
{
  (void)state;
  static const char *const text[] = {"a:\n  x: 1\n",
                                     "a:\r\n  x: 1\r\n",
                                     "\xef\xbb\xbf"
                                     "a:\n  x: 1\n",
                                     "---\na:\n  x: 1\n...\n",
                                     "a:\n  x: 1",
                                     "%YAML 1.1\n---\na: {x: 1}\n"};
  for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
    gb_entries all = {0};
    CHECK_OK(gb_yaml_parse("f", text[i], strlen(text[i]), &all));
    CHECK(all.n == 1);
    item_is(gb_entries_find(&all, "a", "x"), 0, "1");
    gb_entries_free(&all);
  }
  const char utf16[] = "\xff\xfe"
                       "a\0:\0 \0{\0x\0:\0 \0\xe4\0}\0";
  gb_entries all = {0};
  CHECK_OK(gb_yaml_parse("f", utf16, sizeof utf16 - 1, &all)); /* with a mark libyaml reads it: as UTF-8 from here on */
  item_is(gb_entries_find(&all, "a", "x"), 0, "\xc3\xa4");
  gb_entries_free(&all);
}

static void nothing_is_a_config(void **state)
{
  (void)state;
  static const char *const text[] = {"", "\n\n", "# only a comment\n", "---\n", "a:\n", "a: {}\n", "a:\nb:\n"};
  for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
    gb_entries all = {0};
    CHECK_OK(gb_yaml_parse("f", text[i], strlen(text[i]), &all));
    CHECK(all.n == 0);
    gb_entries_free(&all);
  }
}

/* Refused with this text in the message, within a second, leaving nothing behind. */
static void refused(const char *text, size_t n, const char *message)
{
  gb_entries all = {0};
  double start = gb_clock_now();
  gb_err_clear();
  gb_err e = gb_yaml_parse("f.yaml", text, n, &all);
  double seconds = gb_clock_now() - start;
  if (e != GB_ERR_CONFIG || !strstr(gb_err_message(), message))
    fail_msg("\"%.60s\" gave %d, \"%s\"; expected \"%s\"", text, (int)e, gb_err_message(), message);
  CHECK(!strncmp(gb_err_message(), "f.yaml", 6));
  CHECK_NEAR(seconds, 0, 1);
  gb_entries_free(&all);
  gb_err_clear();
}

static void malformed(void **state)
{
  (void)state;
  static const struct {
    const char *text, *message;
  } table[] = {
      {"a:\n\tx: 1\n", "f.yaml:2: is not valid YAML"}, /* a tab */
      {"a:\n  x: 1\n y: 2\n", "f.yaml:3: is not valid YAML"},
      {"a:\n  x: [1, 2\n", "is not valid YAML"},
      {"a:\n  x: {p: 1\n", "is not valid YAML"},
      {"a:\n  x: \"open\n", "is not valid YAML"},
      {"a:\n  x: 'open\n", "is not valid YAML"},
      {"a:\n  x: \"\\q\"\n", "f.yaml:2: is not valid YAML"},
      {"a:\n  x: @1\n", "f.yaml:2: is not valid YAML"},
      {"a:\n  x: a: b\n", "f.yaml:2: is not valid YAML"},
      {"a: b\n", "f.yaml:1: section a holds no keys"},
      {"a: [1]\n", "f.yaml:1: section a holds no keys"},
      {"...\n", "f.yaml:1: is not valid YAML"},
      {"just text\n", "f.yaml:1: expected `section:`"},
      {"- a\n- b\n", "f.yaml:1: expected `section:`"},
      {"[a]\n", "f.yaml:1: expected `section:`"},
      {"a:\n  x: [[1]]\n", "f.yaml:2: an item of a list must be plain text"},
      {"a:\n  x: [{p: 1}]\n", "f.yaml:2: an item of a list must be plain text"},
      {"a:\n  x: {p: [1]}\n", "f.yaml:2: an item of a list must be plain text"},
      {"a:\n  x: {p: {q: 1}}\n", "f.yaml:2: an item of a list must be plain text"},
      {"a:\n  [x]: 1\n", "f.yaml:2: a key must be plain text"},
      {"[a]: {x: 1}\n", "f.yaml:1: a section must be plain text"},
      {"a:\n  x: &p 1\n", "f.yaml:2: anchors"},
      {"a:\n  x: &p [1]\n", "f.yaml:2: anchors"},
      {"a: &p\n  x: 1\n", "anchors"},
      {"&p a:\n  x: 1\n", "f.yaml:1: anchors"},
      {"a:\n  x: *p\n", "f.yaml:2: aliases"},
      {"a: *p\n", "f.yaml:1: aliases"},
      {"a:\n  <<: *p\n", "f.yaml:2: aliases"},
      {"a:\n  x: !!int 1\n", "f.yaml:2: tags"},
      {"a:\n  x: !!python/object/apply:os.system [1]\n", "f.yaml:2: tags"},
      {"a: !t {x: 1}\n", "f.yaml:1: tags"},
      {"a: {x: 1}\n---\nb: {x: 1}\n", "f.yaml:2: a second document starts here"},
      {"a: {x: 1}\n...\n---\n", "a second document starts here"},
      {"---\n---\na: {x: 1}\n", "f.yaml:2: a second document starts here"},
      {"a:\n  x: 1\n  y: 2\n  x: 3\n", "f.yaml:4: a.x is given twice; the first is at line 2"},
      {"a: {x: 1}\nb: {x: 1}\na: {y: 1}\n", "f.yaml:3: section a is given twice; the first is at line 1"},
      {"a:\nb:\na:\n", "f.yaml:3: section a is given twice; the first is at line 1"},
      {"a:\n  x: \"a\\0b\"\n", "f.yaml:2: a value contains a zero byte"},
      {"a:\n  x: [\"a\\0\"]\n", "f.yaml:2: an item of a list contains a zero byte"},
      {"a:\n  x: \x01\n", "f.yaml:2: is not valid YAML"},
      {"a:\n  x: 1\n  y: \xff\xfe\n", "f.yaml:3: is not valid YAML"}, /* not UTF-8 */
      {"a:\n  x: \xc0\xaf\n", "is not valid YAML"},                   /* overlong */
      {"a:\n  x: \xed\xa0\x80\n", "is not valid YAML"},               /* a surrogate */
      {"a:\n  x: \xf4\x90\x80\x80\n", "is not valid YAML"},           /* beyond Unicode */
      {"%YAML 3.0\n---\na:\n", "is not valid YAML"},
      {"a:\n  ? x\n  : [1\n", "is not valid YAML"},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    refused(table[i].text, strlen(table[i].text), table[i].message);
}

static void binary(void **state)
{
  (void)state;
  const char utf16_without_mark[] = "a\0:\0\n\0",
             utf16_cut[] = "\xff\xfe"
                           "a\0:\0{",
             elf[] = "\x7f"
                     "ELF\2\1\1\0\0\0",
             hdf5[] = "\x89HDF\r\n\x1a\n\0\0", gzip[] = "\x1f\x8b\x08\0\0\0", zero[] = "a:\n  x: 1\0\n",
             only_zeros[100] = "";
  refused(utf16_without_mark, sizeof utf16_without_mark - 1, "is not valid YAML");
  refused(utf16_cut, sizeof utf16_cut - 1, "is not valid YAML");
  refused(elf, sizeof elf - 1, "is not valid YAML");
  refused(hdf5, sizeof hdf5 - 1, "is not valid YAML");
  refused(gzip, sizeof gzip - 1, "is not valid YAML");
  refused(zero, sizeof zero - 1, "is not valid YAML");
  refused(only_zeros, sizeof only_zeros, "is not valid YAML");
}

/* `head`, then n times `part`, then `tail`. */
static void repeated(const char *head, const char *part, size_t n, const char *tail, const char *message)
{
  size_t length = strlen(part), size = strlen(head) + n * length + strlen(tail);
  char *s = malloc(size + 1), *p = stpcpy(s, head);
  for (size_t i = 0; i < n; i++) p = mempcpy(p, part, length);
  strcpy(p, tail);
  refused(s, size, message);
  free(s);
}

/* No input may cost more than its length: each of these has broken a YAML reader. */
static void bombs(void **state)
{
  (void)state;
  const char laughs[] = "a: &a [x,x,x,x,x,x,x,x,x]\n"
                        "b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                        "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                        "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n";
  refused(laughs, strlen(laughs), "anchors");
  repeated("", "[", 100000, "", "");
  repeated("", "{", 100000, "", "");
  repeated("a:\n  x: ", "[", 100000, "", "");
  repeated("a:\n  x: ", "{", 100000, "", "");
  repeated("a:\n  x: ", "{a: ", 100000, "", "");
  repeated("a: ", "[", 100000, "]", "");
  repeated("", "- ", 100000, "x\n", "");
  repeated("", "? ", 100000, "x\n", "");
  repeated("a:\n  x: ", "\n    - [", 1000, "", "");
  repeated("a: {", "? x ", 100000, "", "");
  repeated("a:\n  x: ", "*", 100000, "\n", "");
  repeated("a:\n  x: ", "&", 100000, "\n", "");
  repeated("a:\n  x: ", "!", 100000, "\n", "");
  repeated("a:\n  x: \"", "\\", 99999, "\n", "is not valid YAML");
  repeated("", "%YAML 1.1\n", 50000, "---\n", "is not valid YAML");
  repeated("", "%TAG !e! x\n", 50000, "---\n", "is not valid YAML");
  repeated("", "---\n", 100000, "", "a second document");
  repeated("a:\n  x: |", "\n\n", 100000, "\tb\n c: [", "");
  repeated("a:\n  x: 1 ", "#", 2 << 20, "\n", "2097163 bytes");
  repeated("a:\n  x: ", "1", GB_YAML_BYTES, "\n", "1048585 bytes");
}

/* At the limits of yaml.h: the last allowed is read, one more is refused. */
static void limits(void **state)
{
  (void)state;
  for (size_t surplus = 0; surplus < 2; surplus++) {
    gb_entries all = {0};
    size_t n = GB_YAML_ITEMS + surplus, size = 16 + 2 * n;
    char *s = malloc(size), *p = stpcpy(s, "a: {x: [");
    for (size_t i = 0; i < n; i++) p = stpcpy(p, "1,");
    stpcpy(p, "]}\n");
    if (surplus)
      refused(s, strlen(s), "f.yaml:1: a list has more than");
    else {
      CHECK_OK(gb_yaml_parse("f", s, strlen(s), &all));
      CHECK(all.n == 1 && all.v[0].n == n);
    }
    gb_entries_free(&all);
    free(s);

    n = GB_YAML_ENTRIES + surplus, size = 16 + 16 * n;
    s = malloc(size), p = stpcpy(s, "a:\n");
    for (size_t i = 0; i < n; i++) p += sprintf(p, "  k%zu: 1\n", i);
    if (surplus)
      refused(s, strlen(s), "f.yaml:4098: there are more than 4096 keys");
    else {
      CHECK_OK(gb_yaml_parse("f", s, strlen(s), &all));
      CHECK(all.n == n);
    }
    gb_entries_free(&all);
    free(s);

    n = 64 + surplus, size = 16 + 16 * n;
    s = malloc(size), p = s;
    for (size_t i = 0; i < n; i++) p += sprintf(p, "s%zu:\n", i);
    if (surplus)
      refused(s, strlen(s), "f.yaml:65: there are more than 64 sections");
    else
      CHECK_OK(gb_yaml_parse("f", s, strlen(s), &all));
    gb_entries_free(&all);
    free(s);
  }
}

static void overrides(void **state)
{
  (void)state;
  const char text[] = "a: {x: 1, y: 2}\n";
  gb_entries all = {0};
  CHECK_OK(gb_yaml_parse("f", text, strlen(text), &all));
  CHECK_OK(gb_yaml_override("a.x=5", &all));
  CHECK_OK(gb_yaml_override("b.z=[1, 2]", &all));
  CHECK_OK(gb_yaml_override("a.m={min: 1, max: 2}", &all));
  CHECK_OK(gb_yaml_override("a.e=", &all));
  CHECK_OK(gb_yaml_override("a.eq=p=q", &all)); /* the first = counts */
  CHECK_OK(gb_yaml_override("a.path=/tmp/a.b/c", &all));
  CHECK_OK(gb_yaml_override("a.x='6 # 7'", &all));
  CHECK(all.n == 7);
  item_is(gb_entries_find(&all, "a", "x"), 0, "6 # 7");
  item_is(gb_entries_find(&all, "a", "y"), 0, "2");
  item_is(gb_entries_find(&all, "b", "z"), 1, "2");
  item_is(gb_entries_find(&all, "a", "m"), 2, "max");
  item_is(gb_entries_find(&all, "a", "e"), 0, "");
  item_is(gb_entries_find(&all, "a", "eq"), 0, "p=q");
  item_is(gb_entries_find(&all, "a", "path"), 0, "/tmp/a.b/c");
  CHECK(gb_entries_find(&all, "a", "x")->line == 0 && gb_entries_find(&all, "a", "y")->line == 1);
  CHECK(gb_entries_find(&all, "a", "m")->kind == GB_ENTRY_MAP);

  static const char *const wrong[] = {"", "a", "a.x", "a=1", "=1", ".=1", "a.=1", ".x=1", "a=b.c", "--a.x"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    CHECK_FAILS(gb_yaml_override(wrong[i], &all), GB_ERR_CONFIG, "is not understood");
  static const char *const bad_value[] = {"a.x=[1",   "a.x=@",    "a.x=&p 1",  "a.x=*p",
                                          "a.x=!t 1", "a.x=\x01", "a.x=[[1]]", "a.x=1\n--- 2\n"};
  for (size_t i = 0; i < sizeof bad_value / sizeof *bad_value; i++)
    CHECK_FAILS(gb_yaml_override(bad_value[i], &all), GB_ERR_CONFIG, "command line");
  CHECK(all.n == 7); /* what was refused left no trace */
  item_is(gb_entries_find(&all, "a", "x"), 0, "6 # 7");
  gb_entries_free(&all);
}

/* The command line cannot get around the limit of the file, and messages stay whole. */
static void long_names(void **state)
{
  (void)state;
  gb_entries all = {0};
  char *s = malloc(GB_YAML_BYTES + 10);
  memset(s, 'x', GB_YAML_BYTES + 9);
  s[GB_YAML_BYTES + 9] = 0;
  memcpy(s, "a.b=", 4);
  CHECK_FAILS(gb_yaml_override(s, &all), GB_ERR_CONFIG, "longer than");
  s[1] = 'a'; /* no dot: the message must still say what is wrong */
  CHECK_FAILS(gb_yaml_override(s, &all), GB_ERR_CONFIG, "section.key=value");
  memset(s, 'a', 1000); /* nor may a long name push the rest out of a message */
  s[1000] = ':', s[1001] = 0;
  strcat(s, " 1\n");
  refused(s, strlen(s), "holds no keys");
  s[1001] = 0;
  strcat(s, " {x: 1, x: 2}\n");
  refused(s, strlen(s), "is given twice");
  free(s);
  gb_entries_free(&all);
}

static void single_values(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    gb_entry_kind kind;
    size_t n;
    const char *first;
  } table[] = {{"1e-3", GB_ENTRY_SCALAR, 1, "1e-3"},
               {"", GB_ENTRY_SCALAR, 1, ""},
               {"\"\"", GB_ENTRY_SCALAR, 1, ""},
               {"[]", GB_ENTRY_LIST, 0, NULL},
               {"[a, b]", GB_ENTRY_LIST, 2, "a"},
               {"{min: 1, max: 2, count: 3}", GB_ENTRY_MAP, 6, "min"},
               {"two words", GB_ENTRY_SCALAR, 1, "two words"}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    gb_entry e = {0};
    CHECK_OK(gb_yaml_value("f", table[i].text, &e));
    CHECK(e.kind == table[i].kind && e.n == table[i].n);
    if (e.n) assert_string_equal(e.item[0], table[i].first);
    gb_entry_free(&e);
  }
  gb_entry e = {0};
  CHECK_FAILS(gb_yaml_value("field", "[1", &e), GB_ERR_CONFIG, "field");
  gb_entry_free(&e);
  CHECK_FAILS(gb_yaml_value("field", "1\n---\n2", &e), GB_ERR_CONFIG, "more than one value");
  gb_entry_free(&e);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(shapes),
      TEST(line_ends_and_marks),
      TEST(nothing_is_a_config),
      TEST(malformed),
      TEST(binary),
      TEST(bombs),
      TEST(limits),
      TEST(overrides),
      TEST(long_names),
      TEST(single_values),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
