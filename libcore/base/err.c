/* base/err.c - the one recorded failure of each thread. */
#include "base/err.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct {
  bool set, common;
  char message[2048];
  char place[1024];
} failure;

static void add_place(const char *file, int line, const char *func)
{
  const char *base = strrchr(file, '/');
  size_t used = strlen(failure.place);
  snprintf(failure.place + used, sizeof failure.place - used, "%s%s (%s:%d)", used ? " < " : "", func,
           base ? base + 1 : file, line);
}

const char *gb_err_text(gb_err code)
{
  switch (code) {
#define X(name, exit_code, text)                                                                                       \
  case name: return text;
    GB_ERR_LIST(X)
#undef X
  }
  return "unknown error";
}

gb_err gb_fail(gb_err code, const char *file, int line, const char *func, const char *fmt, ...)
{
  if (failure.set) return gb_trace(code, file, line, func);
  va_list args;
  va_start(args, fmt);
  vsnprintf(failure.message, sizeof failure.message, fmt, args);
  va_end(args);
  failure.set = true;
  add_place(file, line, func);
  return code;
}

gb_err gb_trace(gb_err code, const char *file, int line, const char *func)
{
  if (code != GB_STOPPED) add_place(file, line, func);
  return code;
}

void gb_panic(const char *file, int line, const char *expr)
{
  fprintf(stderr, "greybox: this is a bug, please report it: %s:%d: %s does not hold\n", file, line, expr);
  abort();
}

void gb_err_clear(void)
{
  memset(&failure, 0, sizeof failure);
}

const char *gb_err_message(void)
{
  return failure.message;
}

const char *gb_err_place(void)
{
  return failure.place;
}

void gb_err_adopt(const char *message, const char *place)
{
  failure.set = true;
  snprintf(failure.message, sizeof failure.message, "%s", message);
  snprintf(failure.place, sizeof failure.place, "%s", place);
}

bool gb_err_is_common(void)
{
  return failure.common;
}

void gb_err_set_common(void)
{
  failure.common = true;
}
