/* tests/fuzz/fuzz_config.c - any bytes as a config: read or refused with a reason; never a crash, a hang or a leak.
 *
 * What is accepted is printed and read again, and must then print the same; it must also match itself on resume. The
 * bytes up to the first 0, if there is one, are overrides, one a line; the rest is the file. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "unit/config_case.h"

enum { MOST_OVERRIDES = 8 };

/* Print, read, print again; and resume from what was stored. */
static void round_trip(const gb_config *cfg)
{
  gb_text once = {0}, twice = {0}, fixed = {0};
  gb_config *back;
  gb_config_print(cfg, case_schemas, &once);
  gb_config_print_fixed(cfg, case_schemas, &fixed);
  if (gb_text_done(&once) || gb_text_done(&fixed)) abort();
  gb_err e = gb_config_parse("printed", once.s, once.n, 0, NULL, case_schemas, &back);
  if (e && !strstr(gb_err_message(), "bytes; a config has at most")) abort(); /* escapes may quadruple a long text */
  if (!e) {
    gb_config_print(back, case_schemas, &twice);
    if (gb_text_done(&twice) || strcmp(once.s, twice.s)) abort();
    if (gb_config_match(cfg, fixed.s, "stored", case_schemas)) abort();
  }
  gb_config_destroy(&back);
  gb_text_free(&once);
  gb_text_free(&twice);
  gb_text_free(&fixed);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
  const unsigned char *zero = memchr(data, 0, size);
  char *lines = gb_alloc(size + 1, 1), *override[MOST_OVERRIDES], *next = lines;
  const char *text = (const char *)(zero ? zero + 1 : data);
  size_t n = zero ? size - (size_t)(zero + 1 - data) : size;
  int n_overrides = 0;
  gb_config *cfg;
  if (zero) memcpy(lines, data, (size_t)(zero - data));
  for (char *line; n_overrides < MOST_OVERRIDES && (line = strsep(&next, "\n")) && *line;)
    override[n_overrides++] = line;
  gb_err_clear();
  gb_err e = gb_config_parse("f", text, n, n_overrides, override, case_schemas, &cfg);
  if (e && (e != GB_ERR_CONFIG || cfg || strlen(gb_err_message()) < 5)) abort();
  gb_err_clear();
  if (!e) round_trip(cfg);
  gb_config_destroy(&cfg);
  gb_free(&lines);
  if (gb_mem_live()) abort();
  return 0;
}
