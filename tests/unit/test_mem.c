/* tests/unit/test_mem.c - zeroed, aligned, counted memory. */
#include "check.h"

static void zeroed_and_aligned(void **state)
{
  (void)state;
  for (size_t n = 0; n < 300; n++) {
    unsigned char *p = gb_alloc(n, 1);
    CHECK(p != NULL);
    CHECK((uintptr_t)p % GB_ALIGN == 0);
    for (size_t i = 0; i < n; i++) CHECK(p[i] == 0);
    if (n) memset(p, 0xff, n); /* so that a reused block would show */
    gb_free(&p);
    CHECK(p == NULL);
  }
}

static void counts(void **state)
{
  (void)state;
  int64_t live = gb_mem_live();
  size_t bytes = gb_mem_bytes();
  double *a = gb_alloc(100, sizeof *a);
  char *b = gb_alloc(7, 1), *none = NULL;
  CHECK(a && b);
  CHECK(gb_mem_live() == live + 2);
  CHECK(gb_mem_bytes() == bytes + 100 * sizeof *a + 7);
  CHECK(gb_mem_peak() >= gb_mem_bytes());
  size_t peak = gb_mem_peak();
  gb_free(&a);
  CHECK(gb_mem_live() == live + 1);
  CHECK(gb_mem_bytes() == bytes + 7);
  gb_free(&b);
  gb_free(&none);
  CHECK(gb_mem_live() == live);
  CHECK(gb_mem_bytes() == bytes);
  CHECK(gb_mem_peak() == peak);
}

static void peak_is_the_highest(void **state)
{
  (void)state;
  size_t before = gb_mem_peak(), n = before + 1000;
  char *p = gb_alloc(n, 1);
  CHECK(p);
  CHECK(gb_mem_peak() == gb_mem_bytes());
  gb_free(&p);
  CHECK(gb_mem_peak() >= n);
}

static void impossible_sizes(void **state)
{
  (void)state;
  int64_t live = gb_mem_live();
  size_t bytes = gb_mem_bytes();
  volatile size_t all = SIZE_MAX; /* volatile: the compiler warns about constants of this size */
  CHECK(gb_alloc(all, 2) == NULL);
  CHECK(gb_alloc(all / 2 + 1, 2) == NULL);
  CHECK(gb_alloc(all, 1) == NULL);
  CHECK(gb_alloc(PTRDIFF_MAX, 1) == NULL);
  CHECK(gb_mem_live() == live);
  CHECK(gb_mem_bytes() == bytes);
}

static void new_names_what_it_lacks(void **state)
{
  (void)state;
  double *rows;
  CHECK_OK(gb_new(&rows, 3));
  CHECK(rows && rows[0] == 0 && rows[2] == 0);
  gb_free(&rows);
  rows = (double *)state; /* must be NULL afterwards: cleanup blocks free it */
  CHECK_FAILS(gb_new(&rows, (size_t)-1 / 8), GB_ERR_MEMORY, "rows: ");
  CHECK(rows == NULL);
}

static void copies_of_text(void **state)
{
  (void)state;
  char text[] = "abc", *copy = gb_strdup(text), *empty = gb_strdup("");
  text[0] = 'x';
  assert_string_equal(copy, "abc");
  assert_string_equal(empty, "");
  CHECK(gb_strdup(NULL) == NULL);
  gb_free(&copy);
  gb_free(&empty);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(zeroed_and_aligned), TEST(counts),         TEST(peak_is_the_highest),
      TEST(impossible_sizes),   TEST(copies_of_text), TEST(new_names_what_it_lacks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
