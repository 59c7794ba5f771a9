/* sweep/axis.c - words to values. A value is a text: it is written as it will stand on the command line of a trial. */
#include "sweep/axis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char form[] = "Write \"section.key values A B C\", or \"section.key linear|log|integer MIN MAX count N\".";
static const char *const scale_name[] = {"values", "linear", "log", "integer"};

/* The next word, up to a blank that is in no brackets and no quotes.
 *  @return its length; 0: there is none, or it does not end */
static size_t next_word(const char **text)
{
  const char *s = *text + strspn(*text, " \t");
  int depth = 0;
  char quote = 0;
  size_t n = 0;
  for (; s[n] && (depth > 0 || quote || (s[n] != ' ' && s[n] != '\t')); n++) {
    if (quote) {
      if (s[n] == quote) quote = 0;
    } else if (s[n] == '"' || s[n] == '\'') {
      quote = s[n];
    } else {
      depth += (s[n] == '[' || s[n] == '{') - (s[n] == ']' || s[n] == '}');
    }
  }
  *text = s;
  return depth > 0 || quote ? 0 : n;
}

static gb_err refuse(const gb_axis *a, const char *why)
{
  return GB_FAIL(GB_ERR_CONFIG, "sweep.axes: \"%.200s\": %s. %s", a->text, why, form);
}

static gb_err append(gb_axis *a, const char *s, size_t n)
{
  GB_CHECK(a->n < GB_AXIS_MOST, GB_ERR_CONFIG, "sweep.axes: \"%.200s\" has more than %d values", a->text, GB_AXIS_MOST);
  if ((a->n & (a->n - 1)) == 0) { /* full at powers of two */
    char **more;
    GB_TRY(gb_new(&more, a->n ? 2 * a->n : 1));
    if (a->n) memcpy(more, a->value, a->n * sizeof *more);
    gb_free(&a->value);
    a->value = more;
  }
  GB_TRY(gb_new(&a->value[a->n], n + 1));
  memcpy(a->value[a->n++], s, n);
  return GB_OK;
}

/* The words behind the scale: a list for now, also of numbers. */
static gb_err words(gb_axis *a, const char *text)
{
  for (size_t n; (n = next_word(&text)) > 0; text += n) GB_TRY(append(a, text, n));
  return *text ? refuse(a, "a bracket or a quotation mark is not closed") : GB_OK;
}

static bool number(const char *s, double *out)
{
  char *end;
  *out = strtod(s, &end);
  return *s && !*end && isfinite(*out);
}

static void forget_values(gb_axis *a)
{
  for (size_t i = 0; i < a->n; i++) gb_free(&a->value[i]);
  gb_free(&a->value);
  a->n = 0;
}

/* MIN MAX [count N]; the count is kept as so many values without a text. */
static gb_err numbers(gb_axis *a)
{
  double count = 0;
  bool counted = a->n == 4 && gb_is(a->value[2], "count");
  if (a->n != 2 && !counted) return refuse(a, "behind the scale two numbers are expected, and then count N or nothing");
  if (!number(a->value[0], &a->min) || !number(a->value[1], &a->max)) return refuse(a, "MIN and MAX must be numbers");
  if (counted && (!number(a->value[3], &count) || count != floor(count) || count < 2 || count > GB_AXIS_MOST))
    return refuse(a, "the count must be an integer from 2 to 10000");
  if (a->min >= a->max) return refuse(a, "MIN must be below MAX");
  if (a->scale == GB_SCALE_LOG && a->min <= 0) return refuse(a, "a logarithmic scale needs MIN above 0");
  if (a->scale == GB_SCALE_INTEGER && (a->min != floor(a->min) || a->max != floor(a->max)))
    return refuse(a, "MIN and MAX of an integer scale must be integers");
  forget_values(a);
  for (int i = 0; i < (int)count; i++) GB_TRY(append(a, "", 0));
  return GB_OK;
}

gb_err gb_axis_parse(const char *text, gb_axis *out)
{
  gb_axis *a = out;
  const char *rest = text;
  *a = (gb_axis){.text = gb_strdup(text)};
  GB_CHECK(a->text, GB_ERR_MEMORY, "no memory for an axis");
  size_t n = next_word(&rest);
  const char *dot = memchr(rest, '.', n);
  if (!n || !dot || dot == rest || dot == rest + n - 1) return refuse(a, "it does not begin with a key, section.key");
  GB_TRY(gb_new(&a->key, n + 1));
  memcpy(a->key, rest, n);
  rest += n;
  n = next_word(&rest);
  size_t scale = 0;
  while (scale < 4 && (strlen(scale_name[scale]) != n || strncmp(rest, scale_name[scale], n))) scale++;
  if (scale == 4) return refuse(a, "the word behind the key is none of values, linear, log, integer");
  a->scale = (gb_axis_scale)scale;
  GB_TRY(words(a, rest + n));
  if (a->scale != GB_SCALE_VALUES) return numbers(a);
  return a->n ? GB_OK : refuse(a, "no value is given");
}

void gb_axis_free(gb_axis *a)
{
  forget_values(a);
  gb_free(&a->text);
  gb_free(&a->key);
  *a = (gb_axis){0};
}

/* The number at t of [0, 1] between the ends, which are met exactly. */
static double between(const gb_axis *a, double t)
{
  double v = a->scale == GB_SCALE_LOG ? a->min * pow(a->max / a->min, t) : a->min + (a->max - a->min) * t;
  if (t <= 0) v = a->min;
  if (t >= 1) v = a->max;
  return a->whole ? round(v) : v;
}

static void print(const gb_axis *a, double v, gb_text *out)
{
  gb_text_add(out, a->whole ? "%.0f" : "%.8g", v);
}

gb_err gb_axis_settle(gb_axis *a, bool whole, bool list)
{
  size_t count = a->n;
  if (a->scale == GB_SCALE_VALUES) return GB_OK;
  a->whole = whole || a->scale == GB_SCALE_INTEGER;
  if (count == 0 && list) {
    if (a->scale != GB_SCALE_INTEGER) return refuse(a, "a grid needs to know how many values: add count N");
    if (a->max - a->min >= GB_AXIS_MOST) return refuse(a, "these are more than 10000 integers");
    count = (size_t)(a->max - a->min) + 1;
  }
  forget_values(a);
  for (size_t i = 0; i < count; i++) {
    gb_text t = {0};
    print(a, between(a, (double)i / (double)(count - 1)), &t);
    gb_err e = gb_text_done(&t);
    if (!e && !(a->n && gb_is(a->value[a->n - 1], t.s))) e = append(a, t.s, t.n);
    gb_text_free(&t);
    if (e) return e;
  }
  return GB_OK;
}

void gb_axis_value(const gb_axis *a, double u, gb_text *out)
{
  if (a->n) {
    size_t i = (size_t)(u * (double)a->n);
    gb_text_add(out, "%s", a->value[i < a->n ? i : a->n - 1]);
  } else if (a->scale == GB_SCALE_INTEGER) { /* each as likely as any other, the ends too */
    double v = a->min + floor(u * (a->max - a->min + 1));
    print(a, v < a->max ? v : a->max, out);
  } else {
    print(a, between(a, u), out);
  }
}
