/* tests/unit/test_text.c - edit distance, readable numbers, growing text. */
#include <stdlib.h>

#include "base/rng.h"
#include "base/text.h"
#include "check.h"

static void distance_known(void **state)
{
  (void)state;
  static const struct {
    const char *a, *b;
    int d;
  } table[] = {{"", "", 0},     {"", "abc", 3},      {"abc", "abc", 0}, {"kitten", "sitting", 3}, /* Wikipedia */
               {"lr", "Lr", 1}, {"flaw", "lawn", 2}, {"ab", "ba", 2},   {"batch", "batches", 2}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    CHECK(gb_text_distance(table[i].a, table[i].b, 10) == table[i].d);
    CHECK(gb_text_distance(table[i].b, table[i].a, 10) == table[i].d);
  }
  CHECK(gb_text_distance("kitten", "sitting", 3) == 3);
  CHECK(gb_text_distance("kitten", "sitting", 2) == 3); /* limit + 1: more than the limit */
  CHECK(gb_text_distance("kitten", "sitting", 0) == 1);
}

/* Levenshtein by its recursive definition: slow, but short enough to be right. */
static int distance(const char *a, const char *b)
{
  if (!*a || !*b) return (int)(strlen(a) + strlen(b));
  int d = distance(a + 1, b + 1) + (*a != *b), e = distance(a + 1, b) + 1, f = distance(a, b + 1) + 1;
  d = d < e ? d : e;
  return d < f ? d : f;
}

static void distance_against_definition(void **state)
{
  (void)state;
  gb_key key = gb_rng_key(1, GB_RNG_TEST, 0, 0);
  for (uint32_t i = 0; i < 300; i++) {
    uint32_t w[4];
    char a[8] = "", b[8] = "";
    gb_rng_block(key, i, w);
    for (uint32_t k = 0; k < w[0] % 6; k++) a[k] = (char)('a' + (w[2] >> 2 * k) % 3);
    for (uint32_t k = 0; k < w[1] % 6; k++) b[k] = (char)('a' + (w[3] >> 2 * k) % 3);
    CHECK(gb_text_distance(a, b, 10) == distance(a, b));
  }
}

static void distance_of_long_names(void **state)
{
  (void)state;
  char a[66], b[66];
  memset(a, 'a', sizeof a);
  memset(b, 'a', sizeof b);
  a[63] = b[63] = 0;
  CHECK(gb_text_distance(a, b, 3) == 0);
  b[62] = 'b';
  CHECK(gb_text_distance(a, b, 3) == 1);
  a[63] = 'a', a[64] = 0;
  CHECK(gb_text_distance(a, a, 3) == 4); /* over 63 characters: unlike anything */
}

static void readable_numbers(void **state)
{
  (void)state;
  static const struct {
    const char *(*f)(double, char[32]);
    double v;
    const char *text;
  } table[] = {
      {gb_text_bytes, 0, "0 B"},
      {gb_text_bytes, 1000, "1000 B"},
      {gb_text_bytes, 1024, "1.0 KiB"},
      {gb_text_bytes, 1.5 * 1024 * 1024 * 1024, "1.5 GiB"},
      {gb_text_bytes, 0x1p80, "1073741824.0 PiB"},
      {gb_text_seconds, 0, "0.0 s"},
      {gb_text_seconds, 1.24, "1.2 s"},
      {gb_text_seconds, 41.2, "41 s"},
      {gb_text_seconds, 59.7, "1 min 00 s"},
      {gb_text_seconds, 61, "1 min 01 s"},
      {gb_text_seconds, 3599.6, "1 h 00 min"},
      {gb_text_seconds, 3 * 3600 + 12 * 60 + 20, "3 h 12 min"},
      {gb_text_count, 0, "0"},
      {gb_text_count, 0.25, "0.25"},
      {gb_text_count, 9999, "9999"},
      {gb_text_count, 12345, "12.3 k"},
      {gb_text_count, 1.5e7, "15.0 M"},
      {gb_text_count, 3e16, "30000.0 T"},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    char buffer[32];
    const char *s = table[i].f(table[i].v, buffer);
    CHECK(s == buffer);
    assert_string_equal(s, table[i].text);
  }
}

/* A rate of zero gives an endless rest of time: it must read as such, not as a number of wild digits. */
static void endless_times(void **state)
{
  (void)state;
  char buffer[32];
  static const double v[] = {INFINITY, NAN, 1e300, 1e19};
  for (size_t i = 0; i < sizeof v / sizeof *v; i++)
    CHECK(strpbrk(gb_text_seconds(v[i], buffer), "-0123456789") == NULL);
}

static void growing(void **state)
{
  (void)state;
  gb_text t = {0};
  char *expected = calloc(40000, 1), piece[16];
  size_t n = 0;
  CHECK_OK(gb_text_done(&t));
  gb_text_add(&t, "%s", "");
  assert_string_equal(t.s, "");
  for (int i = 0; i < 3000; i++) {
    n += (size_t)snprintf(expected + n, 40000 - n, "%d,", i * i);
    snprintf(piece, sizeof piece, "%d,", i * i);
    if (i % 2)
      gb_text_add(&t, "%d,", i * i);
    else
      gb_text_bytes_add(&t, piece, strlen(piece));
    CHECK(t.n == n && t.n < t.room && t.s[t.n] == 0);
  }
  assert_string_equal(t.s, expected);
  gb_text_bytes_add(&t, "a\0b", 3); /* bytes, whatever they are */
  CHECK(t.n == n + 3 && !memcmp(t.s + n, "a\0b", 4));
  CHECK_OK(gb_text_done(&t));
  gb_text_free(&t);
  CHECK(t.s == NULL && t.n == 0 && t.room == 0);
  free(expected);
}

static void out_of_memory_is_told_once(void **state)
{
  (void)state;
  gb_text t = {0};
  volatile size_t impossible = (size_t)1 << 62;
  gb_text_add(&t, "kept");
  gb_text_bytes_add(&t, NULL, impossible);
  gb_text_add(&t, " not added");
  gb_text_bytes_add(&t, "x", 1);
  assert_string_equal(t.s, "kept");
  CHECK_FAILS(gb_text_done(&t), GB_ERR_MEMORY, "4 bytes");
  gb_text_free(&t);
  CHECK_OK(gb_text_done(&t)); /* freed: usable again */
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(distance_known),
      TEST(distance_against_definition),
      TEST(distance_of_long_names),
      TEST(readable_numbers),
      TEST(endless_times),
      TEST(growing),
      TEST(out_of_memory_is_told_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
