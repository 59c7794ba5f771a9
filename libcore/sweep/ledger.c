/* sweep/ledger.c - JSON lines, appended whole and synced. */
#include "sweep/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

static const char *const event_name[GB_EVENTS] = {"start", "done", "failed"};

#define MOST_BYTES ((size_t)1 << 31)

/* A whole JSON line, freed by free(); o is let go of. */
static char *as_line(json_t *o)
{
  char *s = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(17)), *line = NULL;
  if (s && asprintf(&line, "%s\n", s) < 0) line = NULL;
  free(s);
  json_decref(o);
  return line;
}

gb_err gb_ledger_begin(const char *path, const char *config)
{
  char *text = NULL;
  size_t n = 0;
  if (access(path, F_OK) == 0) {
    GB_TRY(gb_file_read(path, MOST_BYTES, &text, &n));
    size_t whole = n;
    while (whole > 0 && text[whole - 1] != '\n') whole--;
    gb_free(&text);
    GB_CHECK(whole == n || truncate(path, (off_t)whole) == 0, GB_ERR_IO, "%s: %s", path, strerror(errno));
    if (whole > 0) return GB_OK;
  }
  json_t *o = json_object();
  json_object_set_new(o, "event", json_string("sweep"));
  json_object_set_new(o, "format", json_integer(1));
  json_object_set_new(o, "config", json_string(config));
  char *line = as_line(o);
  gb_err e = line ? gb_file_write(path, line, strlen(line)) : GB_FAIL(GB_ERR_MEMORY, "no memory for %s", path);
  free(line);
  return e;
}

/* A text that JSON can hold: what is not ASCII may be cut within a character. */
static json_t *text_value(const char *s)
{
  char ascii[sizeof((gb_result *)0)->reason];
  json_t *whole = json_string(s);
  if (whole) return whole;
  snprintf(ascii, sizeof ascii, "%s", s);
  for (char *p = ascii; *p; p++)
    if ((unsigned char)*p >= 0x80) *p = '?';
  return json_string(ascii);
}

static void add_result(json_t *o, const gb_record *r)
{
  const gb_result *x = &r->result;
  if (r->event == GB_EVENT_FAILED) {
    json_object_set_new(o, "code", json_integer(x->code));
    json_object_set_new(o, "reason", text_value(x->reason));
  } else if (r->event == GB_EVENT_DONE) {
    json_t *terms = json_object();
    for (int k = 0; k < x->n_terms; k++) json_object_set_new(terms, x->term[k], json_real(x->mean[k]));
    json_object_set_new(o, "step", json_integer((json_int_t)x->step));
    json_object_set_new(o, "best_step", json_integer((json_int_t)x->best_step));
    json_object_set_new(o, "metric", json_real(x->metric));
    json_object_set_new(o, "terms", terms);
  }
  if (r->event != GB_EVENT_START) json_object_set_new(o, "seconds", json_real(round(x->seconds * 1e3) / 1e3));
}

static gb_err add_settings(json_t *o, const gb_design *d, size_t trial)
{
  json_t *settings = json_object();
  gb_err e = GB_OK;
  for (size_t k = 0; k < d->n_axes && !e; k++) {
    gb_text value = {0};
    gb_design_value(d, gb_design_point(d, trial), k, &value);
    e = gb_text_done(&value);
    if (!e) json_object_set_new(settings, d->axis[k].key, json_string(value.s));
    gb_text_free(&value);
  }
  if (d->opts.seeds > 1) json_object_set_new(settings, "run.seed", json_integer((json_int_t)gb_design_seed(d, trial)));
  json_object_set_new(o, "settings", settings);
  return e;
}

static gb_err append(const char *path, const char *line)
{
  size_t n = strlen(line), done = 0;
  int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
  GB_CHECK(fd >= 0, GB_ERR_IO, "%s: %s", path, strerror(errno));
  while (done < n) {
    ssize_t put = write(fd, line + done, n - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) break;
    done += (size_t)put;
  }
  bool bad = done < n || fsync(fd);
  int error = errno;
  close(fd);
  GB_CHECK(!bad, GB_ERR_IO, "%s: %s", path, strerror(error));
  return GB_OK;
}

gb_err gb_ledger_append(const char *path, const gb_design *d, const gb_record *r)
{
  char time[24];
  json_t *o = json_object();
  json_object_set_new(o, "time", json_string(gb_clock_utc(time)));
  json_object_set_new(o, "event", json_string(event_name[r->event]));
  json_object_set_new(o, "trial", json_integer((json_int_t)r->trial));
  json_object_set_new(o, "rung", json_integer(r->rung));
  if (r->event != GB_EVENT_START) json_object_set_new(o, "steps", json_integer((json_int_t)r->result.steps));
  gb_err e = add_settings(o, d, r->trial);
  add_result(o, r);
  char *line = as_line(o);
  if (!e) e = line ? append(path, line) : GB_FAIL(GB_ERR_MEMORY, "no memory for %s", path);
  free(line);
  return e;
}

/* A number of an object that is not negative. */
static bool whole(const json_t *o, const char *key, uint64_t *out)
{
  const json_t *v = json_object_get(o, key);
  if (!json_is_integer(v) || json_integer_value(v) < 0) return false;
  *out = (uint64_t)json_integer_value(v);
  return true;
}

static bool done_of(const json_t *o, gb_result *x)
{
  const char *name;
  json_t *mean, *terms = json_object_get(o, "terms");
  const json_t *metric = json_object_get(o, "metric");
  if (!whole(o, "step", &x->step) || !whole(o, "best_step", &x->best_step) || !json_is_number(metric)) return false;
  x->metric = json_number_value(metric);
  json_object_foreach(terms, name, mean)
  {
    if (x->n_terms == GB_MOST_TERMS || !json_is_number(mean)) return false;
    snprintf(x->term[x->n_terms], sizeof x->term[0], "%s", name);
    x->mean[x->n_terms++] = json_number_value(mean);
  }
  return json_is_object(terms);
}

static bool failure_of(const json_t *o, gb_result *x)
{
  uint64_t code;
  const char *reason = json_string_value(json_object_get(o, "reason"));
  if (!whole(o, "code", &code) || code == 0 || code > 255 || !reason) return false;
  x->code = (gb_err)code;
  snprintf(x->reason, sizeof x->reason, "%s", reason);
  return true;
}

/* One line: the config, a result, or a start, of which nothing is kept.
 *  @return false if it is none of them */
static bool take_line(const char *line, size_t n, gb_ledger *l)
{
  uint64_t trial, rung;
  json_t *o = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
  const char *event = json_string_value(json_object_get(o, "event"));
  bool good = event && (l->config || gb_is(event, "sweep")); /* that comes first */
  if (good && gb_is(event, "sweep")) {
    const char *config = json_string_value(json_object_get(o, "config"));
    good = config && !l->config && (l->config = gb_strdup(config));
  } else if (good && !gb_is(event, "start")) {
    gb_record r = {.event = gb_is(event, "done") ? GB_EVENT_DONE : GB_EVENT_FAILED};
    good = whole(o, "trial", &trial) && whole(o, "rung", &rung) && rung < 64 && whole(o, "steps", &r.result.steps);
    r.result.seconds = json_number_value(json_object_get(o, "seconds"));
    good =
        good && (r.event == GB_EVENT_DONE ? done_of(o, &r.result) : gb_is(event, "failed") && failure_of(o, &r.result));
    if (good) {
      r.trial = (size_t)trial;
      r.rung = (int)rung;
      l->record[l->n++] = r;
    }
  }
  json_decref(o);
  return good;
}

gb_err gb_ledger_read(const char *path, gb_ledger *out)
{
  char *text = NULL;
  size_t n = 0, lines = 0;
  *out = (gb_ledger){0};
  if (access(path, F_OK)) return GB_OK;
  GB_TRY(gb_file_read(path, MOST_BYTES, &text, &n));
  for (size_t i = 0; i < n; i++) lines += text[i] == '\n';
  gb_err e = gb_new(&out->record, lines);
  int number = 1;
  for (const char *line = text, *end; !e && (end = memchr(line, '\n', (size_t)(text + n - line)));
       line = end + 1, number++)
    if (!take_line(line, (size_t)(end - line), out))
      e = GB_FAIL(GB_ERR_IO,
                  "%s:%d: this line is damaged. Delete it: the trial it was about is looked at again, and what it has "
                  "saved is used.",
                  path, number);
  gb_free(&text);
  return e;
}

void gb_ledger_free(gb_ledger *l)
{
  gb_free(&l->config);
  gb_free(&l->record);
  *l = (gb_ledger){0};
}
