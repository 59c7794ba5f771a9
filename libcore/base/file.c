/* base/file.c - POSIX files, written aside and renamed. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"

static gb_err read_all(int fd, const char *path, size_t limit, char **text, size_t *n)
{
  struct stat st;
  GB_CHECK(fstat(fd, &st) == 0, GB_ERR_IO, "%s: %s", path, strerror(errno));
  GB_CHECK(S_ISREG(st.st_mode), GB_ERR_IO, "%s: is not a regular file", path);
  GB_CHECK(st.st_size >= 0 && (size_t)st.st_size <= limit, GB_ERR_IO,
           "%s: has %lld bytes; at most %zu are allowed here. Is this the right file?", path, (long long)st.st_size,
           limit);
  size_t size = (size_t)st.st_size, done = 0;
  char *s;
  GB_TRY(gb_new(&s, size + 1));
  while (done < size) {
    ssize_t got = read(fd, s + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      int error = errno;
      gb_free(&s);
      return GB_FAIL(GB_ERR_IO, "%s: %s", path, strerror(error));
    }
    if (got == 0) break;
    done += (size_t)got;
  }
  *text = s;
  *n = done;
  return GB_OK;
}

gb_err gb_file_read(const char *path, size_t limit, char **text, size_t *n)
{
  /* O_NONBLOCK: opening a FIFO must not wait for a writer. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  GB_CHECK(fd >= 0, GB_ERR_IO, "%s: %s", path, strerror(errno));
  gb_err e = read_all(fd, path, limit, text, n);
  close(fd);
  return e;
}

static gb_err write_all(int fd, const char *path, const char *s, size_t n)
{
  while (n > 0) {
    ssize_t put = write(fd, s, n);
    if (put < 0 && errno == EINTR) continue;
    GB_CHECK(put >= 0, GB_ERR_IO, "%s: %s", path, strerror(errno));
    s += put;
    n -= (size_t)put;
  }
  return GB_OK;
}

static gb_err part_name(const char *path, char part[PATH_MAX])
{
  GB_CHECK(snprintf(part, PATH_MAX, "%s.part", path) < PATH_MAX, GB_ERR_IO, "%.200s...: the path is too long", path);
  return GB_OK;
}

gb_err gb_file_write(const char *path, const char *s, size_t n)
{
  char part[PATH_MAX];
  GB_TRY(part_name(path, part));
  int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  GB_CHECK(fd >= 0, GB_ERR_IO, "%s: %s", part, strerror(errno));
  gb_err e = write_all(fd, part, s, n);
  if (close(fd) != 0 && !e) e = GB_FAIL(GB_ERR_IO, "%s: %s", part, strerror(errno));
  if (e) {
    unlink(part);
    return e;
  }
  return gb_file_commit(part, path);
}

static gb_err sync_path(const char *path, int flags)
{
  int fd = open(path, flags | O_CLOEXEC);
  GB_CHECK(fd >= 0, GB_ERR_IO, "%s: %s", path, strerror(errno));
  int failed = fsync(fd), error = errno;
  close(fd);
  /* Some file systems cannot sync a folder; they say EINVAL and keep their own promise. */
  GB_CHECK(!failed || error == EINVAL, GB_ERR_IO, "%s: fsync: %s", path, strerror(error));
  return GB_OK;
}

gb_err gb_file_commit(const char *part, const char *path)
{
  return gb_file_commit_keeping(part, path, NULL);
}

gb_err gb_file_commit_keeping(const char *part, const char *path, const char *kept)
{
  char folder[PATH_MAX];
  GB_TRY(sync_path(part, O_RDONLY)); /* before anything is renamed: a full disk may be told only now */
  GB_CHECK(!kept || rename(path, kept) == 0 || errno == ENOENT, GB_ERR_IO, "%s: cannot be renamed to %s: %s", path,
           kept, strerror(errno));
  GB_CHECK(rename(part, path) == 0, GB_ERR_IO, "%s: cannot be renamed to %s: %s", part, path, strerror(errno));
  GB_CHECK(snprintf(folder, sizeof folder, "%s", path) < (int)sizeof folder, GB_ERR_IO,
           "%.200s...: the path is too long", path);
  char *slash = strrchr(folder, '/');
  if (slash == folder)
    slash[1] = 0;
  else if (slash)
    *slash = 0;
  else
    strcpy(folder, ".");
  return sync_path(folder, O_RDONLY | O_DIRECTORY);
}

static const char seal_mark[] = "\ngreybox xxh3 ";
enum { MARK = sizeof seal_mark - 1, DIGITS = 32, SEAL = MARK + DIGITS + 1 };

static gb_err read_whole(const char *path, char **text, size_t *n)
{
  return gb_file_read(path, SIZE_MAX / 4, text, n);
}

gb_err gb_file_seal(const char *path)
{
  char *text = NULL, line[SEAL + 1], hex[33];
  size_t n = 0;
  GB_TRY(read_whole(path, &text, &n));
  gb_hash_hex(text, n, hex);
  gb_free(&text);
  snprintf(line, sizeof line, "%s%s\n", seal_mark, hex);
  int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
  GB_CHECK(fd >= 0, GB_ERR_IO, "%s: %s", path, strerror(errno));
  gb_err e = write_all(fd, path, line, SEAL);
  if (close(fd) != 0 && !e) e = GB_FAIL(GB_ERR_IO, "%s: %s", path, strerror(errno));
  return e;
}

gb_err gb_file_check_seal(const char *path)
{
  char *text = NULL, hex[33];
  size_t n = 0;
  gb_err e = GB_OK;
  GB_TRY(read_whole(path, &text, &n));
  if (n >= SEAL && !memcmp(text + n - SEAL, seal_mark, MARK)) {
    gb_hash_hex(text, n - SEAL, hex);
    if (memcmp(text + n - DIGITS - 1, hex, DIGITS))
      e = GB_FAIL(GB_ERR_IO, "%s: does not match the checksum at its end: the file is damaged", path);
  }
  gb_free(&text);
  return e;
}

gb_err gb_file_make_folder(const char *path)
{
  char part[PATH_MAX];
  GB_CHECK(snprintf(part, sizeof part, "%s", path) < (int)sizeof part, GB_ERR_IO, "%.200s...: the path is too long",
           path);
  for (char *p = part + (*part == '/');; p++) {
    if (*p && *p != '/') continue;
    char kept = *p;
    *p = 0;
    GB_CHECK(mkdir(part, 0777) == 0 || errno == EEXIST, GB_ERR_IO, "%s: the folder cannot be made: %s", part,
             strerror(errno));
    if (!kept) break;
    *p = kept;
  }
  struct stat st;
  GB_CHECK(stat(path, &st) == 0 && S_ISDIR(st.st_mode), GB_ERR_IO, "%s: is not a folder", path);
  return GB_OK;
}
