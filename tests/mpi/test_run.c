/* tests/mpi/test_run.c - the run directory: config, provenance, log, and the wish to stop. */
#include "io/run.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "mpi/ranks.h"
#include "unit/config_case.h"

static const gb_schema *const schemas[] = {&gb_run_schema, &case_sim_schema, NULL};

static gb_config *config_for(const char *dir)
{
  gb_config *cfg;
  char text[PATH_MAX + 100];
  snprintf(text, sizeof text, "run: {dir: \"%s\", seed: 5, log_seconds: 0.1}\nsim: {seed: 3, name: \"a\\nb\"}\n", dir);
  CHECK_OK(gb_config_parse("f.yaml", text, strlen(text), 0, NULL, schemas, &cfg));
  return cfg;
}

/* The config outlives the run: the run borrows its texts. */
static gb_config *open_run(const char *dir, gb_run **r)
{
  gb_config *cfg = config_for(dir);
  CHECK_OK(gb_run_open(world, "greybox-test", cfg, schemas, r));
  return cfg;
}

static void close_run(gb_run **r, gb_config **cfg)
{
  gb_run_close(r);
  gb_config_destroy(cfg);
  MPI_Barrier(world.mpi); /* now all that was written is there */
}

static size_t count(const char *text, const char *what)
{
  size_t n = 0;
  for (const char *p = text; (p = strstr(p, what)); p++) n++;
  return n;
}

/* config.yaml is the resolved config, word for word what parsing it gives again. */
static void config_is_kept(void **state)
{
  (void)state;
  gb_config *cfg = config_for(scratch("kept/deep")), *back;
  gb_run *r;
  CHECK_OK(gb_run_open(world, "greybox-test", cfg, schemas, &r));
  assert_string_equal(gb_run_get(r)->dir, scratch("kept/deep"));
  CHECK(gb_run_get(r)->seed == 5 && gb_run_get(r)->resume && gb_run_get(r)->log_seconds == 0.1);
  assert_string_equal(gb_run_path(r, "log.jsonl"), scratch("kept/deep/log.jsonl"));
  if (world.rank == 0) {
    size_t n = 0;
    gb_text a = {0}, b = {0};
    char *text = scratch_get(scratch("kept/deep/config.yaml"), &n);
    CHECK(text != NULL);
    CHECK_OK(gb_config_parse("config.yaml", text, n, 0, NULL, schemas, &back));
    gb_config_print(cfg, schemas, &a);
    gb_config_print(back, schemas, &b);
    assert_string_equal(a.s, b.s);
    assert_string_equal(a.s, text);
    gb_text_free(&a);
    gb_text_free(&b);
    gb_config_destroy(&back);
    free(text);
  }
  gb_run_close(&r);
  CHECK(r == NULL);
  gb_run_close(&r); /* NULL is allowed */
  gb_config_destroy(&cfg);
}

/* Eight paths at a time. */
static void paths(void **state)
{
  (void)state;
  const char *p[8];
  char name[8][16], expected[PATH_MAX];
  gb_run *r;
  gb_config *cfg = open_run(scratch("paths"), &r);
  for (int i = 0; i < 8; i++) {
    snprintf(name[i], sizeof name[i], "file%d", i);
    p[i] = gb_run_path(r, name[i]);
  }
  for (int i = 0; i < 8; i++) {
    snprintf(expected, sizeof expected, "%s/paths/%s", scratch_folder, name[i]);
    assert_string_equal(p[i], expected);
  }
  close_run(&r, &cfg);
}

/* Every start adds a paragraph to build.txt: who, where, with what. */
static void provenance(void **state)
{
  (void)state;
  char ranks[32];
  static const char *const line[] = {"program: greybox-test\n",
                                     "start: 2",
                                     "host of rank 0: ",
                                     "greybox: ",
                                     "commit: ",
                                     "compiler: ",
                                     "flags: ",
                                     "mpi: ",
                                     "hdf5: "};
  for (size_t start = 1; start <= 3; start++) {
    gb_run *r;
    gb_config *cfg = open_run(scratch("build"), &r);
    close_run(&r, &cfg);
    if (world.rank == 0) {
      size_t n = 0;
      char *text = scratch_get(scratch("build/build.txt"), &n);
      CHECK(text != NULL);
      for (size_t i = 0; i < sizeof line / sizeof *line; i++) CHECK(count(text, line[i]) == start);
      snprintf(ranks, sizeof ranks, "ranks: %d\n", world.size);
      CHECK(count(text, ranks) == start);
      free(text);
    }
    MPI_Barrier(world.mpi);
  }
  CHECK(strlen(gb_run_version()) > 3);
}

/* The k-th line of a log as JSON; every line must be an object. */
static json_t *line_of(const char *path, size_t k, size_t *lines)
{
  size_t n = 0, i = 0;
  json_t *wanted = NULL;
  char *text = scratch_get(path, &n);
  CHECK(text != NULL);
  CHECK(n == 0 || text[n - 1] == '\n');
  for (char *line = text; *line; i++) {
    char *end = strchr(line, '\n');
    json_error_t why;
    *end = 0;
    json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(o)) fail_msg("line %zu is no JSON object: %s: %s", i + 1, why.text, line);
    if (i == k)
      wanted = o;
    else
      json_decref(o);
    line = end + 1;
  }
  *lines = i;
  free(text);
  return wanted;
}

static void log_is_json(void **state)
{
  (void)state;
  gb_run *r;
  gb_config *cfg = open_run(scratch("log"), &r);
  const gb_kv kv[] = {{"int", 12, NULL},       {"negative", -3, NULL},
                      {"real", 0.1, NULL},     {"nan", NAN, NULL},
                      {"inf", INFINITY, NULL}, {"minus", -INFINITY, NULL},
                      {"huge", 1e300, NULL},   {"large", 0x1p60, NULL},
                      {"tiny", 1e-300, NULL},  {"text", 3, "caf\xc3\xa9 \"q\" \\ \n\t\x01 </script>"},
                      {"empty", 0, ""}};
  enum { LINES = 5 };
  for (int i = 0; i < LINES; i++) gb_run_log(r, i % 2 ? "odd \"event\"" : "even", i % 2 ? 0 : 11, kv);
  close_run(&r, &cfg);
  if (world.rank == 0) { /* the others wrote nothing: LINES lines in all */
    size_t lines;
    json_t *o = line_of(scratch("log/log.jsonl"), 0, &lines);
    CHECK(lines == LINES && json_object_size(o) == 3 + 11);
    assert_string_equal(json_string_value(json_object_get(o, "program")), "greybox-test");
    assert_string_equal(json_string_value(json_object_get(o, "event")), "even");
    CHECK(strlen(json_string_value(json_object_get(o, "time"))) == 20);
    CHECK(json_is_integer(json_object_get(o, "int")) && json_integer_value(json_object_get(o, "int")) == 12);
    CHECK(json_integer_value(json_object_get(o, "negative")) == -3);
    CHECK(json_real_value(json_object_get(o, "real")) == 0.1);
    CHECK(json_is_null(json_object_get(o, "nan")) && json_is_null(json_object_get(o, "inf")));
    CHECK(json_is_null(json_object_get(o, "minus")));
    CHECK(json_number_value(json_object_get(o, "huge")) == 1e300);
    CHECK_NEAR(json_number_value(json_object_get(o, "large")) / 0x1p60, 1, 1e-9);
    CHECK_NEAR(json_number_value(json_object_get(o, "tiny")) * 1e300, 1, 1e-9);
    assert_string_equal(json_string_value(json_object_get(o, "text")), kv[9].text);
    assert_string_equal(json_string_value(json_object_get(o, "empty")), "");
    json_decref(o);
    o = line_of(scratch("log/log.jsonl"), 1, &lines);
    CHECK(json_object_size(o) == 3);
    assert_string_equal(json_string_value(json_object_get(o, "event")), "odd \"event\"");
    json_decref(o);
  }
}

/* Text that is no UTF-8 (a path, a message cut in the middle of a character) must not cost the event. */
static void log_of_broken_text(void **state)
{
  (void)state;
  gb_run *r;
  gb_config *cfg = open_run(scratch("broken"), &r);
  gb_run_log(r, "failure", 2, (gb_kv[]){{"message", 0, "caf\xc3"}, {"code", 3, NULL}});
  close_run(&r, &cfg);
  if (world.rank == 0) {
    size_t lines;
    json_t *o = line_of(scratch("broken/log.jsonl"), 0, &lines);
    CHECK(lines == 1 && json_integer_value(json_object_get(o, "code")) == 3);
    const char *message = json_string_value(json_object_get(o, "message"));
    CHECK(message && !strncmp(message, "caf", 3));
    json_decref(o);
  }
}

/* What a rank prints between begin and end, from a file. */
static int kept_stdout;
static void capture_begin(const char *path)
{
  fflush(stdout);
  kept_stdout = dup(STDOUT_FILENO);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  dup2(fd, STDOUT_FILENO);
  close(fd);
}

static char *capture_end(const char *path)
{
  size_t n = 0;
  fflush(stdout);
  dup2(kept_stdout, STDOUT_FILENO);
  close(kept_stdout);
  return scratch_get(path, &n);
}

/* People read one line for one event, from rank 0 only; the log has the same progress. */
static void says_and_shows_progress(void **state)
{
  (void)state;
  char name[32];
  snprintf(name, sizeof name, "out%d", world.rank);
  struct timespec pause = {0, 120000000};
  capture_begin(scratch(name));
  gb_run *r;
  gb_config *cfg = open_run(scratch("say"), &r); /* standard output is a file now: no bar */
  gb_run_say(r, "hello %d", 5);
  gb_run_progress(r, "counting", 0, 10, "beans", NULL);
  for (int i = 1; i <= 10; i++) {
    if (i == 5) nanosleep(&pause, NULL); /* log_seconds is 0.1 */
    gb_run_progress(r, "counting", i, 10, "beans", "loss 3");
  }
  gb_run_progress(r, "nothing", 0, 0, "beans", NULL); /* done at once */
  close_run(&r, &cfg);
  char *text = capture_end(scratch(name));
  if (world.rank == 0) {
    size_t lines;
    CHECK(!strncmp(text, "hello 5\n", 8));
    CHECK(count(text, "counting") == 2 && count(text, "\n") == 4);
    CHECK(strstr(text, "5/10 beans") && strstr(text, "100 %  10/10 beans") && strstr(text, "loss 3\n"));
    CHECK(!strchr(text, '\r') && !strchr(text, 033) && !strstr(text, "nan") && !strstr(text, "inf"));
    json_t *o = line_of(scratch("say/log.jsonl"), 1, &lines);
    CHECK(lines == 3);
    assert_string_equal(json_string_value(json_object_get(o, "event")), "progress");
    assert_string_equal(json_string_value(json_object_get(o, "what")), "counting");
    CHECK(json_integer_value(json_object_get(o, "done")) == 10 &&
          json_integer_value(json_object_get(o, "total")) == 10);
    json_decref(o);
  } else {
    assert_string_equal(text, "");
  }
  free(text);
}

static void note_progress(void *ctx, double done, double total)
{
  double *seen = ctx;
  seen[0]++;
  seen[1] = done / total;
}

/* A run that is part of another one writes its log, and leaves standard output to the other. */
static void quiet_runs(void **state)
{
  (void)state;
  char name[32];
  double seen[2] = {0};
  snprintf(name, sizeof name, "quiet_out%d", world.rank);
  capture_begin(scratch(name));
  gb_run *r;
  gb_config *cfg = open_run(scratch("quiet"), &r);
  gb_run_quiet(r, note_progress, seen);
  gb_run_say(r, "hello");
  gb_run_table(r, "never shown\n");
  for (int i = 1; i <= 4; i++) gb_run_progress(r, "counting", i, 4, "beans", NULL);
  close_run(&r, &cfg);
  char *text = capture_end(scratch(name));
  assert_string_equal(text, "");
  free(text);
  CHECK(seen[0] == (world.rank == 0 ? 4 : 0) && seen[1] == (world.rank == 0 ? 1 : 0));
  if (world.rank == 0) {
    size_t lines;
    json_t *o = line_of(scratch("quiet/log.jsonl"), 0, &lines);
    CHECK(lines == 1 && json_integer_value(json_object_get(o, "done")) == 4);
    json_decref(o);
  }
}

/* No directory can be made: all ranks are told, and told why. */
static void unusable_directories(void **state)
{
  (void)state;
  gb_run *r = (gb_run *)state;
  char longest[PATH_MAX];
  if (world.rank == 0) scratch_put(scratch("file"), "x", 1);
  MPI_Barrier(world.mpi);
  memset(longest, 'x', sizeof longest - 1);
  longest[sizeof longest - 1] = 0;
  const struct {
    const char *dir;
    gb_err code;
    const char *message;
  } table[] = {{scratch("file"), GB_ERR_IO, scratch("file")},
               {scratch("file/below"), GB_ERR_IO, scratch("file/below")},
               {"", GB_ERR_CONFIG, "run.dir"},
               {longest, GB_ERR_CONFIG, "run.dir"}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    gb_config *cfg = config_for(table[i].dir);
    CHECK_ALL_FAIL(gb_run_open(world, "greybox-test", cfg, schemas, &r), table[i].code, table[i].message);
    CHECK(r == NULL);
    gb_config_destroy(&cfg);
  }
}

static void wait_a_second(void)
{
  struct timespec pause = {1, 50000000};
  nanosleep(&pause, NULL);
}

/* `touch RUN/stop`: rank 0 sees it within a second, takes it away, and the next start goes on. */
static void stop_file(void **state)
{
  (void)state;
  gb_run *r;
  gb_config *cfg = open_run(scratch("stop_run"), &r);
  CHECK(!gb_run_stop_wanted(r));
  if (world.rank == 0) scratch_put(scratch("stop_run/stop"), "", 0);
  MPI_Barrier(world.mpi);
  wait_a_second();
  CHECK(gb_run_stop_wanted(r) == (world.rank == 0));
  MPI_Barrier(world.mpi);
  gb_run_stop_done(r);
  MPI_Barrier(world.mpi);
  CHECK(access(scratch("stop_run/stop"), F_OK) != 0);
  wait_a_second();
  CHECK(!gb_run_stop_wanted(r));
  gb_run_stop_done(r); /* nothing to forget: no matter */
  close_run(&r, &cfg);
}

/* In a child, since a signal is remembered for good: does it ask to stop? A second Ctrl-C must end it. */
static int child_after(gb_run *r, int number, int times)
{
  int status = -1;
  pid_t child = fork();
  if (child == 0) {
    bool before = gb_run_stop_wanted(r);
    for (int i = 0; i < times; i++) raise(number);
    _exit(!before && gb_run_stop_wanted(r) ? 42 : 1);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  return status;
}

static void signals(void **state)
{
  (void)state;
  static const int number[] = {SIGTERM, SIGUSR1, SIGINT};
  gb_run *r;
  gb_config *cfg = open_run(scratch("signals"), &r);
  for (size_t i = 0; i < sizeof number / sizeof *number; i++) {
    int status = child_after(r, number[i], 1);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
  }
  int status = child_after(r, SIGTERM, 3); /* schedulers repeat themselves */
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
  pid_t child = fork(); /* asked by the program itself */
  if (child == 0) {
    bool before = gb_run_stop_wanted(r);
    gb_run_stop_ask();
    _exit(!before && gb_run_stop_wanted(r) ? 42 : 1);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42);
  status = child_after(r, SIGINT, 2);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
  int ends[2];
  CHECK(pipe(ends) == 0);
  close(ends[0]);
  CHECK(write(ends[1], "x", 1) == -1 && errno == EPIPE); /* a closed terminal is survived */
  close(ends[1]);
  CHECK(!gb_run_stop_wanted(r));
  MPI_Barrier(world.mpi);
  if (world.rank == world.size - 1) raise(SIGUSR1); /* it may reach one rank only */
  CHECK(gb_run_stop_wanted(r) == (world.rank == world.size - 1));
  CHECK(gb_comm_any(world, gb_run_stop_wanted(r)));
  close_run(&r, &cfg);
}

static const struct CMUnitTest tests[] = {
    TEST(config_is_kept),       TEST(paths),
    TEST(provenance),           TEST(log_is_json),
    TEST(log_of_broken_text),   TEST(says_and_shows_progress),
    TEST(quiet_runs),           TEST(stop_file),
    TEST(unusable_directories), TEST(signals),
};
RUN_ON_RANKS(tests)
