/* config/yaml.h - YAML text to a flat list of "section.key" entries. libyaml appears in yaml.c only. */
#pragma once
#include <stddef.h>

#include "base/err.h"

typedef enum gb_entry_kind { GB_ENTRY_SCALAR, GB_ENTRY_LIST, GB_ENTRY_MAP } gb_entry_kind;

typedef struct gb_entry {
  char *section, *key;
  gb_entry_kind kind;
  size_t n;
  char **item; /* [n] the scalar, the list, or of a map: name, value, name, value ... */
  int line;    /* of the key, from 1; 0: given on the command line */
} gb_entry;

typedef struct gb_entries {
  size_t n, room;
  gb_entry *v;
} gb_entries;

#define GB_YAML_BYTES ((size_t)1 << 20) /* limits that no honest config reaches */
enum { GB_YAML_ENTRIES = 4096, GB_YAML_ITEMS = 16384 };

/** Parse `text` as "section: {key: value}" and append its entries; a value is a scalar, a list of scalars or
 * a map of scalars. Anchors, aliases, tags, further documents and deeper nesting are refused, so no input
 * costs more than its length. Local.
 *  @param[in] label  stands for the file name in messages
 *  @return GB_ERR_CONFIG with label and line; entries then holds what was read before and is still to be
 * freed */
gb_err gb_yaml_parse(const char *label, const char *text, size_t n, gb_entries *entries);

/** Append copies of all entries of another list.
 *  Local.
 *  @return GB_ERR_MEMORY; `to` is then still to be freed */
gb_err gb_entries_copy(const gb_entries *from, gb_entries *to);

/** Parse one "section.key=value" of the command line; it replaces an entry of that name.
 *  Local. */
gb_err gb_yaml_override(const char *argument, gb_entries *entries);

/** Parse a single value (the default of a field).
 *  Local.
 *  @param[out] entry  only kind, n and item are set */
gb_err gb_yaml_value(const char *label, const char *text, gb_entry *entry);

/** The entry of a key, or NULL.
 *  Local. Borrowed until an entry is added. */
gb_entry *gb_entries_find(const gb_entries *entries, const char *section, const char *key);
/** Free the contents; what remains is zero.
 *  Local. */
void gb_entry_free(gb_entry *entry);
void gb_entries_free(gb_entries *entries);
