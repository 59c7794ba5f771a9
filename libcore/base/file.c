/* base/file.c - POSIX files, written aside and renamed. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/watch.h"

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
    GB_BEAT();
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
    GB_BEAT();
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

/* EINTR: fallocate() of a large file takes its time. */
static int reserve(int fd, uint64_t bytes)
{
  struct statvfs fs;
  int error = 0;
  while (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes) && (error = errno) == EINTR) error = 0;
  if (error != EOPNOTSUPP && error != ENOSYS) return error;
  return fstatvfs(fd, &fs) ? errno : (uint64_t)fs.f_bavail * fs.f_frsize < bytes ? ENOSPC : 0;
}

gb_err gb_file_reserve(const char *path, uint64_t bytes)
{
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  GB_CHECK(fd >= 0, GB_ERR_IO, "%s: %s", path, strerror(errno));
  int error = reserve(fd, bytes);
  close(fd);
  GB_CHECK(!error, GB_ERR_IO, "%s: %s: %.1f MB are needed. Make room, or give another run.dir.", path, strerror(error),
           (double)bytes * 1e-6);
  return GB_OK;
}

void gb_file_trim(const char *path)
{
  struct stat st;
  if (stat(path, &st) == 0 && truncate(path, st.st_size)) return;
}

static const char seal_mark[] = "\ngreybox xxh3 ";
enum { MARK = sizeof seal_mark - 1, DIGITS = 32, SEAL = MARK + DIGITS + 1 };
static const off_t sealed_most = (off_t)4 << 30; /* beyond, all ranks would wait while one reads */

/* Checksum of a file up to `n` bytes before its end. */
static gb_err hash_but(int fd, const char *path, size_t n, char hex[33])
{
  struct stat st;
  int error = fstat(fd, &st) ? errno : st.st_size < (off_t)n ? EIO : gb_hash_file(fd, (size_t)st.st_size - n, hex);
  GB_CHECK(!error, GB_ERR_IO, "%s: %s", path, strerror(error));
  return GB_OK;
}

gb_err gb_file_seal(const char *path)
{
  char line[SEAL + 1], hex[33];
  int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
  GB_CHECK(fd >= 0, GB_ERR_IO, "%s: %s", path, strerror(errno));
  bool small = lseek(fd, 0, SEEK_END) <= sealed_most;
  gb_err e = small ? hash_but(fd, path, 0, hex) : GB_OK;
  snprintf(line, sizeof line, "%s%s\n", seal_mark, small ? hex : "");
  if (!e && small) e = write_all(fd, path, line, SEAL);
  if (close(fd) != 0 && !e) e = GB_FAIL(GB_ERR_IO, "%s: %s", path, strerror(errno));
  return e;
}

/* The seal of an open regular file; `found`: there is one. */
static gb_err compare(int fd, const char *path, bool *found)
{
  char end[SEAL], hex[33];
  struct stat st;
  GB_CHECK(fstat(fd, &st) == 0, GB_ERR_IO, "%s: %s", path, strerror(errno));
  GB_CHECK(S_ISREG(st.st_mode), GB_ERR_IO, "%s: is not a regular file", path);
  *found = st.st_size >= SEAL && pread(fd, end, SEAL, st.st_size - SEAL) == SEAL && !memcmp(end, seal_mark, MARK);
  GB_CHECK(*found || st.st_size < SEAL || !memmem(end, SEAL, seal_mark, MARK), GB_ERR_IO, "%s: is cut short", path);
  if (!*found) return GB_OK;
  GB_TRY(hash_but(fd, path, SEAL, hex));
  GB_CHECK(!memcmp(end + MARK, hex, DIGITS), GB_ERR_IO,
           "%s: does not match the checksum at its end: the file is damaged. Restore it, or remove it to make it anew.",
           path);
  return GB_OK;
}

/* `found`: there is a seal, or the file is too long for one. */
static gb_err open_and_compare(const char *path, bool *found)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  GB_CHECK(fd >= 0, GB_ERR_IO, "%s: %s", path, strerror(errno));
  gb_err e = compare(fd, path, found);
  if (!e && lseek(fd, 0, SEEK_END) > sealed_most) *found = true;
  close(fd);
  return e;
}

gb_err gb_file_check_seal(const char *path)
{
  bool found = false;
  return open_and_compare(path, &found);
}

gb_err gb_file_sealed(const char *path)
{
  bool found = false;
  GB_TRY(open_and_compare(path, &found));
  GB_CHECK(found, GB_ERR_IO, "%s: has no checksum at its end: the file is damaged, or cut short", path);
  return GB_OK;
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
