/* base/text.h - small jobs on strings that messages need. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/err.h"

/** Is a the text b?
 *  Local. */
static inline bool gb_is(const char *a, const char *b)
{
  return !strcmp(a, b);
}

/** Edits (insert, delete, replace one character) that turn a into b (Levenshtein distance).
 *  Local.
 *  @return at most `limit` + 1; strings over 63 characters count as unlike */
int gb_text_distance(const char *a, const char *b, int limit);

/** Bytes as "1.5 GiB"; seconds as "3 h 12 min", "41 s", over a century "ages"; rates and counts as "12.3 k".
 *  Local.
 *  @return buffer */
const char *gb_text_bytes(double bytes, char buffer[32]);
const char *gb_text_seconds(double seconds, char buffer[32]);
const char *gb_text_count(double count, char buffer[32]);

/** A text that grows. Zero-initialise; free with gb_text_free(). After a failed allocation it stays as it is
 * and gb_text_done() reports GB_ERR_MEMORY, so that a chain of appends needs one check. Local. */
typedef struct gb_text {
  char *s; /* NULL until the first append */
  size_t n, room;
  bool failed;
} gb_text;
void gb_text_add(gb_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void gb_text_bytes_add(gb_text *t, const char *s, size_t n);
void gb_text_cell(gb_text *t, const char *s); /* of a Markdown table: | is escaped */
gb_err gb_text_done(const gb_text *t);
void gb_text_free(gb_text *t);
