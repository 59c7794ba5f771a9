/* io/lock.c - flock(), which NFS and most parallel file systems pass on to all nodes.
 *
 * Notes
 * Why not a file that is there or not: a killed run leaves it behind. Why not its age: clocks of nodes differ. The file
 * is never removed, or a third run could lock another file of its name. */
#include "io/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE = 512 };

static void read_line(int fd, char line[LINE])
{
  ssize_t n = pread(fd, line, LINE - 1, 0);
  line[n > 0 ? n : 0] = 0;
  line[strcspn(line, "\n")] = 0;
}

static void host_name(char host[256])
{
  if (gethostname(host, 255)) strcpy(host, "unknown");
  host[255] = 0;
}

/* Of a process on this host one can ask the system; others count as alive. */
static bool is_dead(const char *line)
{
  char host[256], there[256];
  long pid;
  host_name(host);
  const char *from = strstr(line, "host=");
  return !*line || (from && sscanf(from, "host=%255s pid=%ld", there, &pid) == 2 && !strcmp(host, there) && pid > 0 &&
                    kill((pid_t)pid, 0) && errno == ESRCH);
}

/* One try.
 *  @return 0: locked; EWOULDBLOCK: another holds it; else why it cannot be said */
static int try_lock(int fd)
{
  char line[LINE];
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return 0;
  if (errno != ENOSYS && errno != EOPNOTSUPP && errno != ENOLCK && errno != EINVAL) return errno;
  read_line(fd, line);
  return is_dead(line) ? 0 : EWOULDBLOCK;
}

static gb_err wait_for(int fd, const char *path, double patience)
{
  char line[LINE];
  double end = gb_clock_now() + patience;
  int why;
  while ((why = try_lock(fd))) {
    GB_CHECK(why == EWOULDBLOCK || why == EINTR, GB_ERR_IO, "%s: cannot be locked: %s", path, strerror(why));
    read_line(fd, line);
    GB_CHECK(gb_clock_now() < end, GB_ERR_BUSY,
             "%s: another run uses this directory: %s. Wait for its end or stop it, or give another run.dir. (If that "
             "run is dead and the file system has no locks: remove the file.)",
             path, *line ? line : "one that has not said yet who it is");
    nanosleep(&(struct timespec){0, 100000000}, NULL);
  }
  return GB_OK;
}

static gb_err write_line(int fd, const char *path, const char *program)
{
  char line[LINE], host[256], time[24];
  const char *job = getenv("SLURM_JOB_ID");
  host_name(host);
  int n = snprintf(line, sizeof line, "%s job=%.32s host=%s pid=%ld since=%s\n", program, job ? job : "none", host,
                   (long)getpid(), gb_clock_utc(time));
  GB_CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, line, (size_t)n, 0) == n, GB_ERR_IO, "%s: %s", path, strerror(errno));
  return GB_OK;
}

gb_err gb_lock_take(const char *path, const char *program, double patience, gb_text *before, int *lock)
{
  char line[LINE];
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  *lock = -1;
  GB_CHECK(fd >= 0, GB_ERR_IO, "%s: %s", path, strerror(errno));
  gb_err e = wait_for(fd, path, patience);
  if (!e) {
    read_line(fd, line);
    gb_text_add(before, "%s", line);
    e = write_line(fd, path, program);
  }
  if (!e) e = gb_text_done(before);
  if (e)
    close(fd);
  else
    *lock = fd;
  return e;
}

void gb_lock_drop(int *lock)
{
  if (*lock < 0) return;
  if (ftruncate(*lock, 0)) { /* the next start then says that this run did not end in order: no more than that */
  }
  close(*lock);
  *lock = -1;
}
