/* config/config.h - one YAML file and the command line in, checked option structs out. */
#pragma once
#include "comm/comm.h"
#include "config/schema.h"

typedef struct gb_config gb_config;

/** Read a config file and apply "section.key=value" overrides (a later one wins over an earlier one, all win
 * over the file). Everything is checked here, against all schemas, before any work starts: syntax, unknown
 * and doubled keys, types, ranges, rules between fields. Collective over c: rank 0 reads, all ranks parse the
 * same text.
 *  @param[in] schemas  every section that may occur; ends with NULL; outlives the config
 *  @return GB_ERR_CONFIG with file, line, key, value and cure; GB_ERR_IO if the file cannot be read */
gb_err gb_config_load(gb_comm c, const char *path, int n_overrides, char *const overrides[],
                      const gb_schema *const schemas[], gb_config **out);

/** The same from a text in memory.
 *  Local.
 *  @param[in] label  stands for the file name in messages */
gb_err gb_config_parse(const char *label, const char *text, size_t n, int n_overrides, char *const overrides[],
                       const gb_schema *const schemas[], gb_config **out);

/** The same from what gb_config_print_fixed() made; free fields without a default stay zero.
 *  Local. */
gb_err gb_config_parse_stored(const char *label, const char *text, const gb_schema *const schemas[], gb_config **out);

/** The same config with further overrides, which win over all it was made of.
 *  Local.
 *  @return as gb_config_parse() */
gb_err gb_config_derive(const gb_config *cfg, int n_overrides, char *const overrides[], gb_config **out);

/** The section and the field of "section.key".
 *  Local.
 *  @return GB_ERR_CONFIG naming the nearest key there is */
gb_err gb_config_find(const gb_config *cfg, const char *name, const gb_schema **schema, const gb_field **field);

/** Free it, and all that was borrowed from it.
 *  Local. NULL is allowed. */
void gb_config_destroy(gb_config **cfg);

/** The options of one section.
 *  Local. Texts and lists in them are borrowed from cfg.
 *  @param[out] opts  schema->size bytes */
void gb_config_get(const gb_config *cfg, const gb_schema *schema, void *opts);

/** Put file and line of the first key of a section that a recorded failure names before its message, if it names one.
 *  Local.
 *  @return e */
gb_err gb_config_locate(const gb_config *cfg, const char *section, gb_err e);

/** Did the user (file or command line) give this key, or is it the default?
 *  Local. */
bool gb_config_given(const gb_config *cfg, const char *section, const char *key);

/** The resolved config as commented YAML; reading it gives the same config.
 *  Local.
 *  @param[in] sections  schemas to print, ends with NULL */
void gb_config_print(const gb_config *cfg, const gb_schema *const sections[], gb_text *out);

/** Only the GB_FIXED fields, without comments: all that determines a result, for storing beside it.
 *  Local. */
void gb_config_print_fixed(const gb_config *cfg, const gb_schema *const sections[], gb_text *out);

/** Resume: every GB_FIXED field of the sections must have the value it had when the state was written.
 *  Local.
 *  @param[in] then   gb_config_print_fixed() of that time
 *  @param[in] where  the file it comes from, for the message
 *  @return GB_ERR_CONFIG naming the field and both values */
gb_err gb_config_match(const gb_config *now, const char *then, const char *where, const gb_schema *const sections[]);
