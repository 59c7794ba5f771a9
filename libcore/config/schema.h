/* config/schema.h - a parameter is declared once: its type, default, unit, range and meaning in one table
 * row.
 *
 * From the table come parsing, range errors, --help, docs/CONFIG.md, the resolved config.yaml of a run and
 * the comparison on resume. A declaration stands next to the struct it fills:
 *
 *   typedef struct xy_opts { int64_t L; double J; } xy_opts;
 *   static const gb_field xy_fields[] = {
 *     GB_NUMBER(xy_opts, L, "16", 2, 4096, "sites", GB_FIXED, "Side of the periodic square lattice."),
 *     GB_NUMBER(xy_opts, J, "1", 0, 1e3, "energy", GB_FIXED, "Coupling; 1 sets the unit of energy."),
 *     {0}};
 *   const gb_schema xy_schema = {"xy", "The 2D XY model.", sizeof(xy_opts), xy_fields, NULL};
 *
 * The kind follows from the C type of the member (_Generic), so table and struct cannot disagree. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

typedef struct gb_reals {
  size_t n;
  const double *v;
} gb_reals; /* a list of numbers, borrowed */
typedef struct gb_texts {
  size_t n;
  const char *const *v;
} gb_texts; /* a list of texts, borrowed */

typedef enum gb_kind { GB_BOOL, GB_INT, GB_REAL, GB_TEXT, GB_REALS, GB_TEXTS } gb_kind;
typedef enum gb_resume { GB_FIXED, GB_FREE } gb_resume; /* may a resumed run change it? */

typedef struct gb_field {
  const char *name;
  gb_kind kind;
  size_t offset;        /* of the member in the options struct */
  const char *fallback; /* default as YAML text; NULL: the user must say it */
  double lo, hi;        /* inclusive range of GB_INT, GB_REAL and each of GB_REALS */
  const char *choices;  /* "a|b|c" for GB_TEXT; NULL: any text */
  const char *unit;     /* "1" if it has none */
  gb_resume resume;
  const char *doc; /* one sentence or two, with the source of the default if it has one */
} gb_field;

typedef struct gb_schema {
  const char *section; /* the YAML key */
  const char *doc;
  size_t size;                       /* sizeof the options struct */
  const gb_field *fields;            /* ends with {0} */
  gb_err (*check)(const void *opts); /* rules between fields; a message starts with "section.key"; NULL: none */
} gb_schema;

#define GB_KIND_OF(T, f)                                                                                               \
  _Generic(((T *)0)->f, bool                                                                                 \
           : GB_BOOL, int64_t                                                                                \
           : GB_INT, double                                                                                  \
           : GB_REAL, const char *                                                                           \
           : GB_TEXT, gb_reals                                                                               \
           : GB_REALS, gb_texts                                                                              \
           : GB_TEXTS)
#define GB_NUMBER(T, f, fallback, lo, hi, unit, resume, doc)                                                           \
  {                                                                                                                    \
#f, GB_KIND_OF(T, f), offsetof(T, f), fallback, lo, hi, NULL, unit, resume, doc                                    \
  }
#define GB_WORD(T, f, fallback, choices, resume, doc)                                                                  \
  {                                                                                                                    \
#f, GB_KIND_OF(T, f), offsetof(T, f), fallback, 0, 0, choices, "1", resume, doc                                    \
  }

/** The type of a field for a reader: "integer", "list of numbers", "a|b|c".
 *  Local. */
const char *gb_field_kind(const gb_field *f);

/** The allowed range for a reader: "2 ... 4096 sites", "a|b|c", or "" if there is none.
 *  Local.
 *  @return buffer */
const char *gb_field_range(const gb_field *f, char buffer[256]);

/** Terminal help of one section (--help), and its chapter of docs/CONFIG.md.
 *  Local. */
void gb_schema_help(const gb_schema *s, gb_text *out);
void gb_schema_markdown(const gb_schema *s, gb_text *out);
