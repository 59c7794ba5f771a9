/* report/gnuplot.c - the only use of gnuplot: a script in, a file out, no shell in between. */
#include "report/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/watch.h"

extern char **environ;

/* Run gnuplot on the script; its messages go to a file. */
static gb_err run_program(const char *script, const char *messages)
{
  char *argv[] = {"gnuplot", (char *)script, NULL};
  posix_spawn_file_actions_t files;
  pid_t child;
  int status = 0;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, messages, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  int error = posix_spawnp(&child, argv[0], &files, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&files);
  GB_CHECK(!error, GB_ERR_LIB, "gnuplot cannot be started: %s. Install it (package gnuplot-nox).", strerror(error));
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  GB_BEAT();
  GB_CHECK(WIFEXITED(status) && WEXITSTATUS(status) != 127, GB_ERR_LIB,
           "gnuplot cannot be started. Install it (package gnuplot-nox).");
  GB_CHECK(WEXITSTATUS(status) == 0, GB_ERR_LIB, "gnuplot failed; see %s", messages);
  return GB_OK;
}

static gb_err append_svg(const char *path, gb_text *svg)
{
  enum { LARGEST = 1 << 28 };
  char *text = NULL;
  size_t n = 0;
  GB_TRY(gb_file_read(path, LARGEST, &text, &n));
  const char *from = strstr(text, "<svg"); /* the XML header has no place inside a page */
  if (from) gb_text_add(svg, "%s", from);
  gb_free(&text);
  GB_CHECK(from, GB_ERR_LIB, "gnuplot drew no SVG");
  return gb_text_done(svg);
}

gb_err gb_gnuplot(gb_run *run, int width, int height, const char *script, gb_text *svg)
{
  static int number; /* makes the names inside the SVGs of one page differ */
  const char *in = gb_run_path(run, ".figure.gp"), *out = gb_run_path(run, ".figure.svg");
  const char *messages = gb_run_path(run, ".figure.log");
  gb_text whole = {0};
  gb_text_add(&whole,
              "set encoding utf8\nset terminal svg size %d,%d dynamic enhanced font 'sans-serif,13' name 'figure%d' "
              "background 'white'\nset output '%s'\n%s\n",
              width, height, number++, out, script);
  gb_err e = gb_text_done(&whole);
  if (!e) e = gb_file_write(in, whole.s, whole.n);
  if (!e) e = run_program(in, messages);
  if (!e) e = append_svg(out, svg);
  gb_text_free(&whole);
  unlink(in);
  unlink(out);
  if (!e) unlink(messages); /* after a failure it is what a person wants to read */
  return e;
}
