/* io/run.c - the run directory, its log and the wish to stop. */
#include "io/run.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/watch.h"
#include "build_info.h" /* made by CMake: GB_VERSION, GB_COMMIT, GB_COMPILER, GB_FLAGS */
#include "io/h5.h"
#include "io/lock.h"

static const gb_field fields[] = {
    GB_WORD(gb_run_opts, physics, "xy", NULL, GB_FIXED,
            "Which physics: the name of one of the sections in docs/PHYSICS.md."),
    GB_WORD(gb_run_opts, dir, NULL, NULL, GB_FREE, "Directory for everything a program writes; made if it is missing."),
    GB_NUMBER(gb_run_opts, seed, "1", 0, 9007199254740992.0, "1", GB_FIXED,
              "Seed of all random numbers. Equal config and seed give equal results on any number of ranks."),
    GB_WORD(gb_run_opts, resume, "true", NULL, GB_FREE,
            "Continue what the directory holds; false: refuse a directory that already holds results."),
    GB_NUMBER(gb_run_opts, log_seconds, "10", 0.1, 86400, "s", GB_FREE,
              "Interval of progress lines in log.jsonl and, without a terminal, on standard output."),
    GB_NUMBER(
        gb_run_opts, watchdog, "1800", 0, 1e7, "s", GB_FREE,
        "A rank on which nothing moves for so long (no collective, row, sweep or piece of a file comes to its end) "
        "ends the program with status 8; 0: it waits for ever. Longer than the longest pause of a file system."),
    {0}};
const gb_schema gb_run_schema = {"run", "Where results go, and the seed.", sizeof(gb_run_opts), fields, NULL};

enum { PATHS = 8 };

struct gb_run {
  gb_comm c;
  gb_run_opts opts;
  const char *program;
  FILE *log;     /* rank 0 */
  int lock;      /* rank 0; -1: none */
  bool terminal; /* standard output is one */
  char path[PATHS][PATH_MAX];
  int next_path;
  struct {
    const char *what;
    double start, first_done, shown, logged;
    bool open; /* a terminal line without its newline */
  } bar;
  const char *table; /* lines below the bar */
  void (*watch)(void *ctx, double done, double total);
  void *watcher;
  double stop_looked;
};

static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
  stop_signal = number;
  if (number == SIGINT) signal(SIGINT, SIG_DFL); /* a second Ctrl-C ends the program at once */
}

void gb_run_catch_signals(void)
{
  struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigemptyset(&act.sa_mask);
  sigaction(SIGTERM, &act, NULL);
  sigaction(SIGUSR1, &act, NULL);
  sigaction(SIGINT, &act, NULL);
  signal(SIGPIPE, SIG_IGN); /* a closed terminal must not kill a run */
}

const char *gb_run_version(void)
{
  return GB_VERSION " (" GB_COMMIT ")";
}

void gb_run_build(gb_text *out)
{
  char mpi[MPI_MAX_LIBRARY_VERSION_STRING];
  int n;
  MPI_Get_library_version(mpi, &n);
  mpi[strcspn(mpi, ",\n")] = 0;
  gb_text_add(out, "greybox: %s\ncommit: %s\ncompiler: %s\nflags: %s\nmpi: %s\nhdf5: %s\n", GB_VERSION, GB_COMMIT,
              GB_COMPILER, GB_FLAGS, mpi, gb_h5_version());
}

/* What is known only now: appended to build.txt, so that every start of every program is on record. */
static gb_err append_build(gb_run *r)
{
  char host[256] = "unknown", time[24];
  gb_text t = {0};
  gethostname(host, sizeof host - 1);
  gb_text_add(&t, "program: %s\nstart: %s\nranks: %d\nhost of rank 0: %s\n", r->program, gb_clock_utc(time), r->c.size,
              host);
  gb_run_build(&t);
  gb_text_add(&t, "\n");
  gb_err e = gb_text_done(&t);
  if (!e) {
    FILE *f = fopen(gb_run_path(r, "build.txt"), "a");
    bool ok = f && fwrite(t.s, 1, t.n, f) == t.n;
    if (f && fclose(f)) ok = false;
    if (!ok) e = GB_FAIL(GB_ERR_IO, "%s: %s", gb_run_path(r, "build.txt"), strerror(errno));
  }
  gb_text_free(&t);
  return e;
}

/* Will a person see standard output as it comes? Open MPI gives its ranks a terminal of its own in any case;
 * then the output of its launcher, our parent, is what counts. */
static bool on_terminal(void)
{
  enum {
    PTS_FIRST = 136,
    PTS_LAST = 143
  }; /* major numbers of /dev/pts: Linux, Documentation/admin-guide/devices.txt */
  char path[64];
  struct stat st;
  if (!isatty(STDOUT_FILENO)) return false;
  if (!getenv("OMPI_COMM_WORLD_RANK")) return true;
  snprintf(path, sizeof path, "/proc/%ld/fd/1", (long)getppid());
  return stat(path, &st) == 0 && S_ISCHR(st.st_mode) && major(st.st_rdev) >= PTS_FIRST && major(st.st_rdev) <= PTS_LAST;
}

static gb_err write_config(gb_run *r, const gb_config *cfg, const gb_schema *const sections[])
{
  gb_text t = {0};
  gb_config_print(cfg, sections, &t);
  gb_err e = gb_text_done(&t);
  if (!e) e = gb_file_write(gb_run_path(r, "config.yaml"), t.s, t.n);
  gb_text_free(&t);
  return e;
}

/* Waits for a rank that its launcher left behind: it notices within a few seconds. */
static gb_err lock(gb_run *r)
{
  static const double patience = 10;
  gb_text before = {0};
  gb_err e = gb_lock_take(gb_run_path(r, "lock"), r->program, patience, &before, &r->lock);
  if (!e && before.n) gb_run_say(r, "the run before did not end in order: %s", before.s);
  gb_text_free(&before);
  return e;
}

static gb_err prepare(gb_run *r, const gb_config *cfg, const gb_schema *const sections[], bool alone)
{
  GB_TRY(gb_file_make_folder(r->opts.dir));
  if (alone) GB_TRY(lock(r));
  GB_TRY(write_config(r, cfg, sections));
  GB_TRY(append_build(r));
  r->log = fopen(gb_run_path(r, "log.jsonl"), "a");
  GB_CHECK(r->log, GB_ERR_IO, "%s: %s", gb_run_path(r, "log.jsonl"), strerror(errno));
  return GB_OK;
}

static gb_err open_run(gb_comm c, const char *program, const gb_config *cfg, const gb_schema *const sections[],
                       bool alone, gb_run **out)
{
  gb_run *r = NULL;
  *out = NULL;
  gb_run_catch_signals();
  gb_err e = gb_new(&r, 1);
  if (!e) {
    r->c = c;
    r->program = program;
    r->lock = -1;
    r->terminal = on_terminal();
    r->stop_looked = -1e9;
    gb_config_get(cfg, &gb_run_schema, &r->opts);
    if (!*r->opts.dir || strlen(r->opts.dir) > PATH_MAX - 64)
      e = GB_FAIL(GB_ERR_CONFIG, "run.dir: \"%.100s\" is no usable name for a directory", r->opts.dir);
  }
  if (!e && c.rank == 0) e = prepare(r, cfg, sections, alone);
  e = gb_comm_agree(c, e);
  if (e) gb_run_close(&r);
  *out = r;
  return e;
}

gb_err gb_run_open(gb_comm c, const char *program, const gb_config *cfg, const gb_schema *const sections[],
                   gb_run **out)
{
  return open_run(c, program, cfg, sections, false, out);
}

gb_err gb_run_open_alone(gb_comm c, const char *program, const gb_config *cfg, const gb_schema *const sections[],
                         gb_run **out)
{
  return open_run(c, program, cfg, sections, true, out);
}

/* Leave the bar and the table where they are, and go on below. */
static void end_bar(gb_run *r)
{
  for (const char *p = r->bar.open ? r->table : NULL; p && (p = strchr(p, '\n')); p++) printf("\n");
  if (r->bar.open) printf("\n");
  r->bar.open = false;
}

/* The lines below the bar, each cut to the width of the terminal, then back to the bar. */
static void show_table(const char *lines, int width)
{
  int n = 0;
  for (const char *end; *lines && (end = strchr(lines, '\n')); lines = end + 1, n++)
    printf("\n%.*s\033[K", end - lines < width ? (int)(end - lines) : width, lines);
  printf("\033[J");
  if (n) printf("\033[%dA", n);
}

static int terminal_width(void)
{
  struct winsize size;
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void gb_run_close(gb_run **run)
{
  gb_run *r = *run;
  if (!r) return;
  end_bar(r);
  if (r->log) fclose(r->log);
  gb_lock_drop(&r->lock);
  gb_free(run);
}

const gb_run_opts *gb_run_get(const gb_run *r)
{
  return &r->opts;
}

const char *gb_run_path(gb_run *r, const char *name)
{
  char *p = r->path[r->next_path++ % PATHS];
  snprintf(p, PATH_MAX, "%s/%s", r->opts.dir, name);
  return p;
}

/* A JSON string; of a text that is no UTF-8 (a path, a message cut within a character) what is ASCII. */
static json_t *text_value(const char *s)
{
  json_t *whole = json_string(s);
  if (whole) return whole;
  char *ascii = gb_strdup(s);
  for (char *p = ascii; p && *p; p++)
    if ((unsigned char)*p >= 0x80) *p = '?';
  whole = json_string(ascii ? ascii : "");
  gb_free(&ascii);
  return whole;
}

void gb_run_log(gb_run *r, const char *event, size_t n, const gb_kv kv[])
{
  char time[24];
  if (!r->log) return;
  json_t *o = json_object();
  json_object_set_new(o, "time", json_string(gb_clock_utc(time)));
  json_object_set_new(o, "program", json_string(r->program));
  json_object_set_new(o, "event", text_value(event));
  for (size_t i = 0; i < n; i++) {
    double v = kv[i].value;
    json_t *value = kv[i].text                          ? text_value(kv[i].text)
                    : !isfinite(v)                      ? json_null()
                    : v == floor(v) && fabs(v) < 0x1p53 ? json_integer((json_int_t)v)
                                                        : json_real(v);
    json_object_set_new(o, kv[i].key, value);
  }
  char *line = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(10));
  if (line) fprintf(r->log, "%s\n", line);
  fflush(r->log);
  free(line);
  json_decref(o);
}

void gb_run_say(gb_run *r, const char *fmt, ...)
{
  va_list args;
  if (r->c.rank != 0 || r->watch) return;
  end_bar(r);
  va_start(args, fmt);
  vprintf(fmt, args);
  va_end(args);
  printf("\n");
  fflush(stdout);
}

void gb_run_progress(gb_run *r, const char *what, double done, double total, const char *unit, const char *extra)
{
  char rate_text[32], left_text[32], line[512];
  gb_watch_work(what, done, total);
  if (r->c.rank != 0) return;
  if (r->watch) r->watch(r->watcher, done, total);
  double now = gb_clock_now(), redraw = 0.2;
  if (!r->bar.what || strcmp(r->bar.what, what)) {
    end_bar(r);
    r->bar.what = what;
    r->bar.start = r->bar.logged = now;
    r->bar.shown = now - 1;
    r->bar.first_done = done;
  }
  bool last = done >= total, log = last || now - r->bar.logged >= r->opts.log_seconds;
  bool terminal = r->terminal && !r->watch;
  if (!log && !(terminal && now - r->bar.shown >= redraw)) return;
  double rate = now > r->bar.start ? (done - r->bar.first_done) / (now - r->bar.start) : 0;
  double left = rate > 0 ? (total - done) / rate : 0;
  snprintf(line, sizeof line, "%s %3.0f %%  %.0f/%.0f %s  %s/s  %s %s%s%s", what, total > 0 ? 100 * done / total : 100,
           done, total, unit, gb_text_count(rate, rate_text), last ? "took" : "left",
           gb_text_seconds(last ? now - r->bar.start : left, left_text), extra ? "  " : "", extra ? extra : "");
  r->bar.shown = now;
  if (terminal) {
    printf("\r%.*s\033[K", r->table ? terminal_width() - 1 : (int)sizeof line, line);
    if (r->table) show_table(r->table, terminal_width() - 1);
    r->bar.open = true;
    if (last) end_bar(r);
  } else if (log && !r->watch) {
    printf("%s\n", line);
  }
  fflush(stdout);
  if (log) {
    r->bar.logged = now;
    gb_kv kv[] = {{"what", 0, what}, {"done", done, NULL},       {"total", total, NULL},
                  {"unit", 0, unit}, {"per_second", rate, NULL}, {"seconds_left", left, NULL}};
    gb_run_log(r, "progress", sizeof kv / sizeof *kv, kv);
  }
}

void gb_run_table(gb_run *r, const char *lines)
{
  r->table = lines && *lines ? lines : NULL;
}

void gb_run_quiet(gb_run *r, void (*watch)(void *ctx, double done, double total), void *ctx)
{
  r->watch = watch;
  r->watcher = ctx;
}

void gb_run_stop_ask(void)
{
  stop_signal = SIGTERM;
}

bool gb_run_stop_wanted(gb_run *r)
{
  double now = gb_clock_now();
  if (stop_signal) return true;
  if (r->c.rank != 0 || now - r->stop_looked < 1) return false;
  r->stop_looked = now;
  return access(gb_run_path(r, "stop"), F_OK) == 0;
}

void gb_run_stop_done(gb_run *r)
{
  if (r->c.rank == 0) unlink(gb_run_path(r, "stop"));
}
