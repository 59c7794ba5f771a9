/* tests/unit/test_file.c - files that are whole or absent. */
#include <limits.h>
#include <sys/stat.h>

#include "base/file.h"
#include "check.h"
#include "unit/scratch.h"

static void reads_back(void **state)
{
  (void)state;
  const char *path = scratch("a");
  char *text = NULL;
  size_t n = 0;
  CHECK_OK(gb_file_write(path, "one\0two", 7));
  CHECK_OK(gb_file_read(path, 7, &text, &n));
  CHECK(n == 7 && !memcmp(text, "one\0two", 8)); /* with a 0 after it */
  gb_free(&text);
  CHECK_OK(gb_file_write(path, "", 0)); /* replaces what was there */
  CHECK_OK(gb_file_read(path, 0, &text, &n));
  CHECK(n == 0 && *text == 0);
  gb_free(&text);
  CHECK(access(scratch("a.part"), F_OK) != 0);
}

static void large(void **state)
{
  (void)state;
  size_t size = 3 << 20, n;
  char *data = gb_alloc(size, 1), *text = NULL;
  for (size_t i = 0; i < size; i++) data[i] = (char)(i * i >> 7);
  CHECK_OK(gb_file_write(scratch("large"), data, size));
  CHECK_OK(gb_file_read(scratch("large"), size, &text, &n));
  CHECK(n == size && !memcmp(data, text, n));
  gb_free(&text);
  CHECK_FAILS(gb_file_read(scratch("large"), size - 1, &text, &n), GB_ERR_IO, "3145728 bytes");
  gb_free(&data);
}

/* What is no file: each is an error that names the path, and none may be waited for. */
static void no_files(void **state)
{
  (void)state;
  char *text = NULL;
  size_t n;
  CHECK(mkdir(scratch("folder"), 0777) == 0);
  CHECK(mkfifo(scratch("fifo"), 0666) == 0);
  CHECK(symlink("nowhere", scratch("dangling")) == 0);
  CHECK_FAILS(gb_file_read(scratch("missing"), 100, &text, &n), GB_ERR_IO, scratch("missing"));
  CHECK_FAILS(gb_file_read(scratch("folder"), 100, &text, &n), GB_ERR_IO, scratch("folder"));
  CHECK_FAILS(gb_file_read(scratch("fifo"), 100, &text, &n), GB_ERR_IO, "not a regular file");
  CHECK_FAILS(gb_file_read(scratch("dangling"), 100, &text, &n), GB_ERR_IO, scratch("dangling"));
  CHECK_FAILS(gb_file_read("/dev/zero", 100, &text, &n), GB_ERR_IO, "not a regular file");
  CHECK_FAILS(gb_file_read("", 100, &text, &n), GB_ERR_IO, "No such file");
  CHECK(text == NULL);
}

/* The old file stays whole when the new one cannot be written. */
static void failed_writes_leave_the_old(void **state)
{
  (void)state;
  char longest[PATH_MAX + 10], *text = NULL;
  size_t n;
  CHECK_OK(gb_file_write(scratch("old"), "old", 3));
  CHECK(mkdir(scratch("old.part"), 0777) == 0); /* stands where the new one is to be written */
  CHECK_FAILS(gb_file_write(scratch("old"), "new", 3), GB_ERR_IO, scratch("old.part"));
  CHECK_OK(gb_file_read(scratch("old"), 3, &text, &n));
  assert_string_equal(text, "old");
  gb_free(&text);
  CHECK_FAILS(gb_file_write(scratch("none/file"), "new", 3), GB_ERR_IO, scratch("none/file"));
  memset(longest, 'x', sizeof longest - 1);
  longest[sizeof longest - 1] = 0;
  CHECK_FAILS(gb_file_write(longest, "new", 3), GB_ERR_IO, "too long");
  CHECK_FAILS(gb_file_make_folder(longest), GB_ERR_IO, "too long");
}

/* /dev/full accepts an open and refuses every byte. */
static void full_disk(void **state)
{
  (void)state;
  if (access("/dev/full", W_OK)) skip();
  CHECK(symlink("/dev/full", scratch("full.part")) == 0);
  CHECK_FAILS(gb_file_write(scratch("full"), "new", 3), GB_ERR_IO, "No space left");
  CHECK(access(scratch("full"), F_OK) != 0);
}

static void commits(void **state)
{
  (void)state;
  char *text = NULL;
  size_t n;
  scratch_put(scratch("x.part"), "x", 1);
  CHECK_OK(gb_file_commit(scratch("x.part"), scratch("x")));
  CHECK(access(scratch("x.part"), F_OK) != 0);
  CHECK_OK(gb_file_read(scratch("x"), 10, &text, &n));
  assert_string_equal(text, "x");
  gb_free(&text);
  CHECK_FAILS(gb_file_commit(scratch("x.part"), scratch("x")), GB_ERR_IO, scratch("x.part"));
  CHECK(access(scratch("x"), F_OK) == 0);
  CHECK(mkdir(scratch("taken"), 0777) == 0);
  scratch_put(scratch("taken.part"), "x", 1);
  CHECK_FAILS(gb_file_commit(scratch("taken.part"), scratch("taken")), GB_ERR_IO, "cannot be renamed");
}

/* A path without a slash belongs to the current folder. */
static void relative(void **state)
{
  (void)state;
  char before[PATH_MAX], *text = NULL;
  size_t n;
  CHECK(getcwd(before, sizeof before) != NULL);
  CHECK(chdir(scratch_folder) == 0);
  CHECK_OK(gb_file_write("plain", "p", 1));
  CHECK_OK(gb_file_read("plain", 1, &text, &n));
  gb_free(&text);
  CHECK_OK(gb_file_make_folder("p/q"));
  CHECK_OK(gb_file_make_folder("./p/../r//s/"));
  CHECK(access("r/s", X_OK) == 0);
  CHECK(chdir(before) == 0);
}

/* Any changed or missing byte is found; what is too long to be read once more is left alone. */
static void seals(void **state)
{
  (void)state;
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s", scratch("sealed"));
  static const char text[] = "what is not to change";
  CHECK_OK(gb_file_write(path, text, sizeof text));
  CHECK_OK(gb_file_check_seal(path));
  CHECK_FAILS(gb_file_sealed(path), GB_ERR_IO, "has no checksum");
  CHECK_OK(gb_file_seal(path));
  CHECK_OK(gb_file_sealed(path));
  FILE *f = fopen(path, "r+");
  CHECK(f && !fseek(f, 3, SEEK_SET) && fputc('X', f) == 'X' && !fclose(f));
  CHECK_FAILS(gb_file_sealed(path), GB_ERR_IO, "does not match the checksum");
  CHECK(truncate(path, sizeof text + 20) == 0);
  CHECK_FAILS(gb_file_sealed(path), GB_ERR_IO, "damaged, or cut short");
  CHECK(truncate(path, ((off_t)4 << 30) + 1) == 0); /* a hole: no disk, no time */
  CHECK_OK(gb_file_seal(path));
  CHECK_OK(gb_file_sealed(path));
  struct stat st;
  CHECK(stat(path, &st) == 0 && st.st_size == ((off_t)4 << 30) + 1);
}

static void folders(void **state)
{
  (void)state;
  struct stat st;
  CHECK_OK(gb_file_make_folder(scratch("f/g/h")));
  CHECK_OK(gb_file_make_folder(scratch("f/g/h"))); /* again: nothing to do */
  CHECK_OK(gb_file_make_folder("/"));
  CHECK(stat(scratch("f/g/h"), &st) == 0 && S_ISDIR(st.st_mode));
  scratch_put(scratch("file"), "x", 1);
  CHECK_FAILS(gb_file_make_folder(scratch("file")), GB_ERR_IO, scratch("file"));
  CHECK_FAILS(gb_file_make_folder(scratch("file/below")), GB_ERR_IO, scratch("file/below"));
  CHECK_FAILS(gb_file_make_folder(""), GB_ERR_IO, "");
}

static int begin(void **state)
{
  (void)state;
  scratch_make();
  return 0;
}

static int end(void **state)
{
  (void)state;
  scratch_remove();
  return 0;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(reads_back), TEST(large), TEST(no_files), TEST(failed_writes_leave_the_old), TEST(full_disk), TEST(commits),
      TEST(relative),   TEST(seals), TEST(folders),
  };
  return cmocka_run_group_tests(tests, begin, end);
}
