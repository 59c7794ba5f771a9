/* tests/unit/test_err.c - one recorded failure, its place, and exit codes that job scripts rely on. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static gb_err inner(int n)
{
  GB_CHECK(n > 0, GB_ERR_CONFIG, "n = %d is not positive", n);
  return GB_OK;
}

static gb_err middle(int n)
{
  GB_TRY(inner(n));
  return GB_OK;
}

static gb_err outer(int n, int *reached)
{
  gb_err e = GB_OK;
  GB_GOTO(e, middle(n), done);
  ++*reached;
done:
  return e;
}

static void codes_are_exit_codes(void **state)
{
  (void)state;
  /* docs/FILES.md promises these numbers to job scripts: 75 is requeued, no other is. */
  static const struct {
    gb_err code;
    int status;
  } table[] = {{GB_OK, 0},      {GB_ERR_CONFIG, 2}, {GB_ERR_IO, 3},   {GB_ERR_NUMERIC, 4},
               {GB_ERR_LIB, 5}, {GB_ERR_MEMORY, 6}, {GB_ERR_BUSY, 7}, {GB_STOPPED, 75}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    CHECK((int)table[i].code == table[i].status);
    CHECK(strcmp(gb_err_text(table[i].code), "unknown error") != 0);
    for (size_t j = 0; j < i; j++) CHECK(strcmp(gb_err_text(table[i].code), gb_err_text(table[j].code)) != 0);
  }
  assert_string_equal(gb_err_text((gb_err)99), "unknown error");
}

static void success_records_nothing(void **state)
{
  (void)state;
  int reached = 0;
  CHECK(outer(1, &reached) == GB_OK);
  CHECK(reached == 1);
  assert_string_equal(gb_err_message(), "");
  assert_string_equal(gb_err_place(), "");
}

static void message_and_place(void **state)
{
  (void)state;
  int reached = 0;
  CHECK(outer(-3, &reached) == GB_ERR_CONFIG);
  CHECK(reached == 0);
  assert_string_equal(gb_err_message(), "n = -3 is not positive");
  const char *a = strstr(gb_err_place(), "inner (test_err.c:"), *b = strstr(gb_err_place(), "middle (test_err.c:"),
             *c = strstr(gb_err_place(), "outer (test_err.c:");
  CHECK(a && b && c && a < b && b < c); /* innermost first, file without its folder */
}

static void first_failure_keeps_its_message(void **state)
{
  (void)state;
  CHECK(inner(-1) == GB_ERR_CONFIG);
  CHECK(GB_FAIL(GB_ERR_IO, "second") == GB_ERR_IO); /* its own code, the first message */
  assert_string_equal(gb_err_message(), "n = -1 is not positive");
  gb_err_clear();
  assert_string_equal(gb_err_message(), "");
  assert_string_equal(gb_err_place(), "");
  CHECK(GB_FAIL(GB_ERR_IO, "second") == GB_ERR_IO);
  assert_string_equal(gb_err_message(), "second");
}

static void adopted_and_common(void **state)
{
  (void)state;
  CHECK(inner(-1) == GB_ERR_CONFIG);
  CHECK(!gb_err_is_common());
  gb_err_adopt("from rank 2", "there (x.c:1)");
  assert_string_equal(gb_err_message(), "from rank 2");
  assert_string_equal(gb_err_place(), "there (x.c:1)");
  CHECK(GB_FAIL(GB_ERR_IO, "later") == GB_ERR_IO);
  assert_string_equal(gb_err_message(), "from rank 2");
  gb_err_set_common();
  CHECK(gb_err_is_common());
  gb_err_clear();
  CHECK(!gb_err_is_common());
}

/* A stop is no failure: programs that pass it on must not collect places. */
static void stop_leaves_no_trace(void **state)
{
  (void)state;
  CHECK(gb_trace(GB_STOPPED, "a/b.c", 7, "f") == GB_STOPPED);
  assert_string_equal(gb_err_place(), "");
}

static void long_messages_and_deep_traces_are_cut(void **state)
{
  (void)state;
  static char longer[5000];
  memset(longer, 'x', sizeof longer - 1);
  CHECK(GB_FAIL(GB_ERR_IO, "%s", longer) == GB_ERR_IO);
  CHECK(strlen(gb_err_message()) > 1000 && strlen(gb_err_message()) < sizeof longer - 1);
  for (int i = 0; i < 1000; i++) gb_trace(GB_ERR_IO, "folder/file.c", i, "function");
  CHECK(strlen(gb_err_place()) > 500 && strlen(gb_err_place()) < 5000);
  gb_err_clear();
  gb_err_adopt(longer, longer);
  CHECK(strlen(gb_err_message()) < sizeof longer - 1 && strlen(gb_err_place()) < sizeof longer - 1);
}

/* A bug stops the process with a message; what is asserted truly costs nothing. */
static void assertions_abort(void **state)
{
  (void)state;
  int to_parent[2], status;
  char text[512] = "";
  GB_ASSERT(1 + 1 == 2);
  CHECK(pipe(to_parent) == 0);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    signal(SIGABRT, SIG_DFL);
    dup2(to_parent[1], STDERR_FILENO);
    GB_ASSERT(1 + 1 == 3);
    _exit(0);
  }
  close(to_parent[1]);
  CHECK(read(to_parent[0], text, sizeof text - 1) > 0);
  close(to_parent[0]);
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  CHECK(strstr(text, "bug") && strstr(text, "test_err.c") && strstr(text, "1 + 1 == 3"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(codes_are_exit_codes),
      TEST(success_records_nothing),
      TEST(message_and_place),
      TEST(first_failure_keeps_its_message),
      TEST(adopted_and_common),
      TEST(stop_leaves_no_trace),
      TEST(long_messages_and_deep_traces_are_cut),
      TEST(assertions_abort),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
