/* base/text.c - edit distance, readable numbers, growing text. */
#include "base/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int min3(int a, int b, int c)
{
  int m = a < b ? a : b;
  return m < c ? m : c;
}

int gb_text_distance(const char *a, const char *b, int limit)
{
  enum { LONGEST = 63 };
  size_t na = strlen(a), nb = strlen(b);
  if (na > LONGEST || nb > LONGEST) return limit + 1;
  int row[LONGEST + 1];
  for (size_t j = 0; j <= nb; j++) row[j] = (int)j;
  for (size_t i = 1; i <= na; i++) {
    int diagonal = row[0];
    row[0] = (int)i;
    for (size_t j = 1; j <= nb; j++) {
      int up = row[j];
      row[j] = min3(up + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
      diagonal = up;
    }
  }
  return row[nb] <= limit ? row[nb] : limit + 1;
}

const char *gb_text_bytes(double bytes, char buffer[32])
{
  static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  size_t u = 0;
  while (bytes >= 1024 && u < sizeof unit / sizeof *unit - 1) {
    bytes /= 1024;
    u++;
  }
  snprintf(buffer, 32, u ? "%.1f %s" : "%.0f %s", bytes, unit[u]);
  return buffer;
}

const char *gb_text_seconds(double seconds, char buffer[32])
{
  const double century = 100 * 365.25 * 86400;
  long s = seconds < century ? (long)(seconds + 0.5) : 0;
  if (!(seconds < century)) /* what is left at a rate near 0; also NaN */
    snprintf(buffer, 32, "ages");
  else if (seconds < 10)
    snprintf(buffer, 32, "%.1f s", seconds);
  else if (s < 60)
    snprintf(buffer, 32, "%ld s", s);
  else if (s < 3600)
    snprintf(buffer, 32, "%ld min %02ld s", s / 60, s % 60);
  else
    snprintf(buffer, 32, "%ld h %02ld min", s / 3600, s / 60 % 60);
  return buffer;
}

const char *gb_text_count(double count, char buffer[32])
{
  static const char *const unit[] = {"", " k", " M", " G", " T"};
  size_t u = 0;
  while (count >= 9999.5 && u < sizeof unit / sizeof *unit - 1) {
    count /= 1000;
    u++;
  }
  snprintf(buffer, 32, u ? "%.1f%s" : "%.4g%s", count, unit[u]);
  return buffer;
}

static bool make_room(gb_text *t, size_t n)
{
  if (t->failed) return false;
  if (t->n + n + 1 <= t->room) return true;
  size_t room = 2 * (t->n + n + 1) + 256;
  char *s = gb_alloc(room, 1);
  if (!s) {
    t->failed = true;
    return false;
  }
  if (t->n) memcpy(s, t->s, t->n);
  gb_free(&t->s);
  t->s = s;
  t->room = room;
  return true;
}

void gb_text_bytes_add(gb_text *t, const char *s, size_t n)
{
  if (!make_room(t, n)) return;
  if (n) memcpy(t->s + t->n, s, n);
  t->n += n;
  t->s[t->n] = 0;
}

void gb_text_add(gb_text *t, const char *fmt, ...)
{
  va_list args, again;
  va_start(args, fmt);
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, fmt, args);
  va_end(args);
  if (n >= 0 && make_room(t, (size_t)n)) {
    vsnprintf(t->s + t->n, (size_t)n + 1, fmt, again);
    t->n += (size_t)n;
  }
  va_end(again);
}

void gb_text_cell(gb_text *t, const char *s)
{
  for (; *s; s++) gb_text_add(t, *s == '|' ? "\\%c" : "%c", *s);
}

gb_err gb_text_done(const gb_text *t)
{
  GB_CHECK(!t->failed, GB_ERR_MEMORY, "no memory for a text of %zu bytes", t->n);
  return GB_OK;
}

void gb_text_free(gb_text *t)
{
  gb_free(&t->s);
  *t = (gb_text){0};
}
