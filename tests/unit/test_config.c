/* tests/unit/test_config.c - every promise of config.h: what is accepted, what is refused and with which words. */
#include "config/config.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/rng.h"
#include "check.h"
#include "unit/config_case.h"

enum { MOST_OVERRIDES = 8 };

static gb_err parse(const char *text, gb_config **cfg)
{
  return gb_config_parse("f.yaml", text, strlen(text), 0, NULL, case_schemas, cfg);
}

static case_sim sim_of(const gb_config *cfg)
{
  case_sim o;
  gb_config_get(cfg, &case_sim_schema, &o);
  return o;
}

static case_opt opt_of(const gb_config *cfg)
{
  case_opt o;
  gb_config_get(cfg, &case_opt_schema, &o);
  return o;
}

static void defaults(void **state)
{
  (void)state;
  gb_config *cfg;
  CHECK_OK(parse("sim: {seed: 3}\n", &cfg));
  case_sim s = sim_of(cfg);
  case_opt o = opt_of(cfg);
  CHECK(s.seed == 3 && !s.verbose && s.L == 16 && s.J == 1);
  assert_string_equal(s.name, "plain");
  assert_string_equal(s.mode, "fast");
  CHECK(s.T.n == 3 && s.T.v[0] == 1 && s.T.v[1] == 1.5 && s.T.v[2] == 2);
  CHECK(s.shifts.n == 0 && s.tags.n == 0);
  CHECK(o.lr == 1e-3 && o.steps == 100 && o.huge == 0);
  CHECK(o.layers.n == 2);
  assert_string_equal(o.layers.v[1], "dense");
  CHECK(gb_config_given(cfg, "sim", "seed"));
  CHECK(!gb_config_given(cfg, "sim", "L") && !gb_config_given(cfg, "opt", "lr") && !gb_config_given(cfg, "no", "lr"));
  gb_config_destroy(&cfg);
  CHECK(cfg == NULL);
  gb_config_destroy(&cfg); /* NULL is allowed */
}

static void every_type(void **state)
{
  (void)state;
  gb_config *cfg;
  CHECK_OK(parse("sim:\n"
                 "  seed: 9007199254740992\n"
                 "  verbose: true\n"
                 "  L: 64\n"
                 "  J: -2.5\n"
                 "  name: \"caf\xc3\xa9: a \\\"quoted\\\" \\\\ path\"\n"
                 "  mode: very slow\n"
                 "  T: [0.5, 1, 2e0, 1e-3, 0]\n"
                 "  shifts: 0.25\n" /* one number is a list of one */
                 "  tags: [a, 'b c', \"\", 1.5]\n"
                 "opt:\n"
                 "  huge: -9223372036854775808\n"
                 "  layers: pool\n",
                 &cfg));
  case_sim s = sim_of(cfg);
  CHECK(s.seed == (int64_t)1 << 53 && s.verbose && s.L == 64 && s.J == -2.5);
  assert_string_equal(s.name, "caf\xc3\xa9: a \"quoted\" \\ path");
  assert_string_equal(s.mode, "very slow");
  static const double T[] = {0.5, 1, 2, 1e-3, 0};
  CHECK(s.T.n == 5 && !memcmp(s.T.v, T, sizeof T));
  CHECK(s.shifts.n == 1 && s.shifts.v[0] == 0.25);
  CHECK(s.tags.n == 4);
  assert_string_equal(s.tags.v[1], "b c");
  assert_string_equal(s.tags.v[2], "");
  assert_string_equal(s.tags.v[3], "1.5");
  CHECK(opt_of(cfg).huge == INT64_MIN);
  CHECK(opt_of(cfg).layers.n == 1);
  gb_config_destroy(&cfg);
}

/* What a value text becomes: accepted with this number, or refused. */
static void integers(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    int64_t value;
  } good[] = {{"1e3", 1000},
              {"1E3", 1000},
              {"+7", 7},
              {"-7", -7},
              {"1.0", 1},
              {"2.50e1", 25},
              {"0", 0},
              {"-0", 0},
              {"\"12\"", 12},
              {"0e5", 0},
              {"1e15", 1000000000000000},
              {"9223372036854775807", INT64_MAX},
              {"9007199254740993", 9007199254740993}};
  static const struct {
    const char *text, *why;
  } bad[] = {{"010", "octal"},
             {"-010", "octal"},
             {"00", "octal"},
             {"0x10", "is not a number"},
             {"0b1", "is not a number"},
             {"0o7", "is not a number"},
             {"1,5", "is not a number"},
             {"1_000", "is not a number"},
             {"1 000", "is not a number"},
             {"\" 1\"", "is not a number"},
             {"\"1 \"", "is not a number"},
             {"1.5", "is not an integer"},
             {"1e-1", "is not an integer"},
             {"1e17", "is not an integer"}, /* not every integer there is a double */
             {"nan", "is not a number"},
             {".nan", "is not a number"},
             {"inf", "is not a number"},
             {"-inf", "is not a number"},
             {".inf", "is not a number"},
             {"1e400", "is too large"},
             {"-1e400", "is too large"},
             {"9223372036854775808", "is outside the range"},
             {"-9223372036854775809", "is outside the range"},
             {"100000000000000000000000000", "is outside the range"},
             {"yes", "is not a number"},
             {"true", "is not a number"},
             {"~", "is not a number"},
             {"null", "is not a number"},
             {"", "is empty"},
             {"\"\"", "is empty"},
             {"'-'", "is not a number"},
             {"+", "is not a number"},
             {"e", "is not a number"},
             {"1e", "is not a number"},
             {"1e3x", "is not a number"},
             {"--1", "is not a number"},
             {"1-1", "is not a number"},
             {"1.2.3", "is not a number"},
             {"12:30", "is not a number"},    /* YAML 1.1 reads it in base 60 */
             {"\xd9\xa1", "is not a number"}, /* an Arabic digit one */
             {"[1]", "is not a single value"},
             {"{a: 1}", "is not a single value"}};
  char text[200];
  gb_config *cfg;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    snprintf(text, sizeof text, "sim: {seed: 1}\nopt:\n  huge: %s\n", good[i].text);
    CHECK_OK(parse(text, &cfg));
    CHECK(opt_of(cfg).huge == good[i].value);
    gb_config_destroy(&cfg);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    snprintf(text, sizeof text, "sim: {seed: 1}\nopt:\n  huge: %s\n", bad[i].text);
    CHECK_FAILS(parse(text, &cfg), GB_ERR_CONFIG, bad[i].why);
    CHECK(cfg == NULL);
  }
}

static void reals(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    double value;
  } good[] = {{"1", 1}, {"-1.5e-3", -1.5e-3},   {".5", 0.5}, {"5.", 5}, {"+0.1", 0.1}, {"1e308", 1e308}, {"1e-400", 0},
              {"0", 0}, {"4.9e-324", 4.9e-324}, {"0.3", 0.3}};
  static const char *const bad[] = {"nan", "NaN", "inf", "Infinity", ".inf", "1e400", "0x1p3", "1,5",  "1f",
                                    "010", "yes", "''",  "1 2",      "[1]",  "1e+",   "01.5",  "1e309"};
  char text[200];
  gb_config *cfg;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    snprintf(text, sizeof text, "sim: {seed: 1}\nopt:\n  floor: %s\n", good[i].text);
    CHECK_OK(parse(text, &cfg));
    CHECK(opt_of(cfg).floor == good[i].value);
    gb_config_destroy(&cfg);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    snprintf(text, sizeof text, "sim: {seed: 1}\nopt:\n  floor: %s\n", bad[i]);
    CHECK_FAILS(parse(text, &cfg), GB_ERR_CONFIG, "f.yaml:3: opt.floor = ");
    if (!strcmp(bad[i], "1,5")) continue; /* in a list that is two numbers */
    snprintf(text, sizeof text, "sim:\n  seed: 1\n  T: [1, %s]\n", bad[i]);
    CHECK_FAILS(parse(text, &cfg), GB_ERR_CONFIG, "f.yaml:3: ");
  }
}

static void booleans(void **state)
{
  (void)state;
  static const char *const bad[] = {"yes", "no", "on", "off", "True", "FALSE", "1", "0", "y", "", "tru", "[true]"};
  char text[200];
  gb_config *cfg;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    snprintf(text, sizeof text, "sim:\n  seed: 1\n  verbose: %s\n", bad[i]);
    CHECK_FAILS(parse(text, &cfg), GB_ERR_CONFIG, "f.yaml:3: sim.verbose = ");
  }
}

/* Inclusive at both ends, for numbers and for each element of a list, exact for integers beyond 2^53. */
static void range_ends(void **state)
{
  (void)state;
  static const char *const good[] = {"sim: {seed: 0}",
                                     "sim: {seed: 9007199254740992}",
                                     "sim: {seed: 1, L: 2}",
                                     "sim: {seed: 1, L: 4096}",
                                     "sim: {seed: 1, J: -10}",
                                     "sim: {seed: 1, J: 1000}",
                                     "sim: {seed: 1, T: [0, 100]}",
                                     "sim: {seed: 1, T: {min: 0, max: 100, count: 2}}"};
  static const char *const bad[] = {"sim: {seed: -1}",
                                    "sim: {seed: 9007199254740993}",
                                    "sim: {seed: 1, L: 1}",
                                    "sim: {seed: 1, L: 4097}",
                                    "sim: {seed: 1, J: -10.000000000000002}",
                                    "sim: {seed: 1, J: 1000.0000000000001}",
                                    "sim: {seed: 1, T: [1, -1e-300]}",
                                    "sim: {seed: 1, T: [1, 100.1, 2]}",
                                    "sim: {seed: 1, T: {min: -1, max: 100, count: 2}}",
                                    "sim: {seed: 1, T: {min: 0, max: 101, count: 2}}"};
  gb_config *cfg;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    CHECK_OK(parse(good[i], &cfg));
    gb_config_destroy(&cfg);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK_FAILS(parse(bad[i], &cfg), GB_ERR_CONFIG, "is outside the range");
}

/* File, line, key, value, reason, allowed range with unit, default: nothing is left to look up. */
static void messages_are_complete(void **state)
{
  (void)state;
  gb_config *cfg;
  char *args[] = {"sim.L=1"};
  gb_err_clear();
  CHECK(parse("sim:\n  seed: 1\n  L: 5000\n", &cfg) == GB_ERR_CONFIG);
  assert_string_equal(gb_err_message(),
                      "f.yaml:3: sim.L = 5000 is outside the range. Allowed: 2 ... 4096 sites; default: 16");
  gb_err_clear();
  CHECK(parse("sim:\n  seed: 1\n  mode: quick\n", &cfg) == GB_ERR_CONFIG);
  assert_string_equal(gb_err_message(), "f.yaml:3: sim.mode = quick is not one of the choices. Allowed: fast|slow|very "
                                        "slow; default: fast");
  gb_err_clear();
  CHECK(parse("sim:\n  seed: -1\n", &cfg) == GB_ERR_CONFIG); /* no default to tell */
  assert_string_equal(gb_err_message(),
                      "f.yaml:2: sim.seed = -1 is outside the range. Allowed: 0 ... 9007199254740992");
  gb_err_clear();
  CHECK(gb_config_parse("f.yaml", "sim: {seed: 1}", 14, 1, args, case_schemas, &cfg) == GB_ERR_CONFIG);
  assert_string_equal(gb_err_message(),
                      "command line: sim.L = 1 is outside the range. Allowed: 2 ... 4096 sites; default: 16");
}

static void missing_required(void **state)
{
  (void)state;
  gb_config *cfg;
  char *args[] = {"sim.seed=4"};
  static const char *const text[] = {"", "sim:\n", "sim: {L: 4}\n", "opt: {}\n"};
  for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
    CHECK_FAILS(parse(text[i], &cfg), GB_ERR_CONFIG,
                "sim.seed is missing: Seed of all random numbers. Add it to the file, or sim.seed=... to the command "
                "line.");
    CHECK_OK(gb_config_parse("f.yaml", text[i], strlen(text[i]), 1, args, case_schemas, &cfg));
    CHECK(sim_of(cfg).seed == 4);
    gb_config_destroy(&cfg);
  }
}

static void choices_match_whole_words(void **state)
{
  (void)state;
  gb_config *cfg;
  static const char *const bad[] = {"fas", "fastt", "very", "slow|fast", "fast|", "'|'", "''", "Fast", "\" fast\""};
  char text[100];
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    snprintf(text, sizeof text, "sim: {seed: 1, mode: %s}\n", bad[i]);
    CHECK_FAILS(parse(text, &cfg), GB_ERR_CONFIG, "is not one of the choices");
  }
  CHECK_FAILS(parse("sim: {seed: 1}\nopt:\n  layers: [conv, poool]\n", &cfg), GB_ERR_CONFIG,
              "f.yaml:3: opt.layers = poool is not one of the choices. Allowed: conv|dense|pool");
}

static void unknown_names(void **state)
{
  (void)state;
  static const struct {
    const char *text, *message;
  } table[] = {
      {"sim:\n  seed: 1\n  shift: []\n", "f.yaml:3: there is no key sim.shift. Did you mean `sim.shifts`?"},
      {"sim:\n  sede: 1\n", "f.yaml:2: there is no key sim.sede. Did you mean `sim.seed`?"},
      {"sim: {seed: 1}\nopt:\n  methd: sgd\n", "f.yaml:3: there is no key opt.methd. Did you mean `opt.method`?"},
      {"sim:\n  seed: 1\nopts:\n  lr: 1\n", "f.yaml:4: there is no section opts. Did you mean `opt`?"},
      {"smi:\n  seed: 1\n", "f.yaml:2: there is no section smi. Did you mean `sim`?"},
      /* right key, wrong section: even a key of one letter, which is near to any other */
      {"sim: {seed: 1}\nopt:\n  verbose: true\n", "f.yaml:3: there is no key opt.verbose. Did you mean `sim.verbose`?"},
      {"sim: {seed: 1}\nopt:\n  J: 2\n", "f.yaml:3: there is no key opt.J. Did you mean `sim.J`?"},
      {"sim:\n  seed: 1\n  lr: 1\n", "f.yaml:3: there is no key sim.lr. Did you mean `opt.lr`?"},
      /* nothing is near: no guess */
      {"sim:\n  seed: 1\n  completely_else: 1\n",
       "f.yaml:3: there is no key sim.completely_else. docs/CONFIG.md lists all keys."},
      {"sim:\n  seed: 1\n  xyz: 1\n", "f.yaml:3: there is no key sim.xyz. docs/CONFIG.md lists all keys."},
      {"sim:\n  seed: 1\ncompletely_else:\n  a: 1\n",
       "f.yaml:4: there is no section completely_else. docs/CONFIG.md lists all keys."},
  };
  gb_config *cfg;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    CHECK_FAILS(parse(table[i].text, &cfg), GB_ERR_CONFIG, table[i].message);
  char *args[] = {"sim.sed=1"}, *section[] = {"simm.seed=1"}, *dots[] = {"sim.seed.x=1"};
  CHECK_FAILS(gb_config_parse("f", "", 0, 1, args, case_schemas, &cfg), GB_ERR_CONFIG,
              "command line: there is no key sim.sed. Did you mean `sim.seed`?");
  CHECK_FAILS(gb_config_parse("f", "", 0, 1, section, case_schemas, &cfg), GB_ERR_CONFIG, "Did you mean `sim`?");
  CHECK_FAILS(gb_config_parse("f", "", 0, 1, dots, case_schemas, &cfg), GB_ERR_CONFIG, "no key sim.seed.x");
}

static void duplicates(void **state)
{
  (void)state;
  gb_config *cfg;
  CHECK_FAILS(parse("sim:\n  seed: 1\n  L: 4\n  seed: 2\n", &cfg), GB_ERR_CONFIG,
              "f.yaml:4: sim.seed is given twice; the first is at line 2.");
  CHECK_FAILS(parse("sim:\n  seed: 1\nopt: {}\nsim:\n  L: 4\n", &cfg), GB_ERR_CONFIG,
              "f.yaml:4: section sim is given twice; the first is at line 1.");
}

/* A later override wins over an earlier one, all win over the file; the last of a key decides alone, so an
 * error in the file under it does not matter to the value but its key must exist. */
static void overrides_win_in_order(void **state)
{
  (void)state;
  gb_config *cfg;
  const char *text = "sim: {seed: 1, L: 8, T: [3]}\n";
  char *args[] = {"sim.L=32",        "opt.lr=3e-4", "sim.L=64", "sim.T={min: 5, max: 7, count: 3}",
                  "sim.tags=[a, b]", "sim.name="};
  CHECK_OK(gb_config_parse("f", text, strlen(text), 6, args, case_schemas, &cfg));
  case_sim s = sim_of(cfg);
  CHECK(s.L == 64 && s.seed == 1);
  CHECK(opt_of(cfg).lr == 3e-4);
  CHECK(s.T.n == 3 && s.T.v[1] == 6);
  CHECK(s.tags.n == 2);
  assert_string_equal(s.name, "");
  CHECK(gb_config_given(cfg, "opt", "lr"));
  gb_config_destroy(&cfg);
  char *broken[] = {"sim.L"};
  CHECK_FAILS(gb_config_parse("f", text, strlen(text), 1, broken, case_schemas, &cfg), GB_ERR_CONFIG, "command line");
  char *list[] = {"sim.L=[1]"};
  CHECK_FAILS(gb_config_parse("f", text, strlen(text), 1, list, case_schemas, &cfg), GB_ERR_CONFIG,
              "command line: sim.L = [...] is not a single value");
}

static void grids(void **state)
{
  (void)state;
  gb_config *cfg;
  CHECK_OK(parse("sim: {seed: 1, T: {count: 11, max: 0.7, min: 0.2}}", &cfg)); /* in any order */
  case_sim s = sim_of(cfg);
  CHECK(s.T.n == 11 && s.T.v[0] == 0.2 && s.T.v[10] == 0.7);                     /* the ends exactly */
  for (size_t i = 0; i < 11; i++) CHECK(s.T.v[i] == (20 + 5 * (double)i) / 100); /* the decimals that people mean */
  gb_config_destroy(&cfg);
  CHECK_OK(parse("sim: {seed: 1, T: {min: 3, max: 1, count: 3}}", &cfg)); /* downwards too */
  CHECK(sim_of(cfg).T.v[2] == 1);
  gb_config_destroy(&cfg);
  CHECK_OK(parse("sim: {seed: 1, T: {min: 3, max: 9, count: 1}}", &cfg));
  CHECK(sim_of(cfg).T.n == 1 && sim_of(cfg).T.v[0] == 3);
  gb_config_destroy(&cfg);
  CHECK_OK(parse("sim: {seed: 1, T: {min: 0, max: 1, count: 1e4}}", &cfg));
  CHECK(sim_of(cfg).T.n == 10000);
  gb_config_destroy(&cfg);
  static const struct {
    const char *grid, *message;
  } bad[] = {{"{min: 1, max: 2}", "count is missing"},
             {"{max: 2, count: 2}", "min is missing"},
             {"{min: 1, count: 2}", "max is missing"},
             {"{}", "min is missing"},
             {"{min: 1, max: 2, count: 2, step: 1}", "step is not expected"},
             {"{min: 1, max: 2, count: 2, min: 1}", "min is not expected (once)"},
             {"{min: 1, max: 2, count: 0}", "integer from 1 to"},
             {"{min: 1, max: 2, count: -3}", "integer from 1 to"},
             {"{min: 1, max: 2, count: 2.5}", "integer from 1 to"},
             {"{min: 1, max: 2, count: 1e6}", "integer from 1 to"},
             {"{min: 1, max: 2, count: 1e300}", "integer from 1 to"},
             {"{min: 1, max: 2, count: x}", "is not a number"},
             {"{min: 1, max: , count: 2}", "is not a number"},
             {"{min: nan, max: 2, count: 2}", "is not a number"}};
  char text[200];
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    snprintf(text, sizeof text, "sim:\n  seed: 1\n  T: %s\n", bad[i].grid);
    CHECK_FAILS(parse(text, &cfg), GB_ERR_CONFIG, bad[i].message);
    CHECK_FAILS(parse(text, &cfg), GB_ERR_CONFIG, "f.yaml:3: sim.T = ");
  }
  CHECK_FAILS(parse("sim: {seed: 1, tags: {min: 1, max: 2, count: 3}}", &cfg), GB_ERR_CONFIG, "is a map");
}

static void rules_between_fields(void **state)
{
  (void)state;
  gb_config *cfg;
  char *args[] = {"sim.L=7"};
  CHECK_FAILS(parse("sim:\n  seed: 1\n  L: 5\n", &cfg), GB_ERR_CONFIG, "f.yaml:3: sim.L = 5 is odd. Use 6.");
  CHECK_FAILS(gb_config_parse("f.yaml", "sim: {seed: 1, L: 5}", 20, 1, args, case_schemas, &cfg), GB_ERR_CONFIG,
              "command line: sim.L = 7 is odd");
  CHECK_FAILS(parse("sim: {seed: 1, tags: [a], T: {min: 0, max: 1, count: 1000}}", &cfg), GB_ERR_CONFIG,
              "f.yaml: too much"); /* a message without a key gets the file */
}

static gb_text printed(const gb_config *cfg)
{
  gb_text t = {0};
  gb_config_print(cfg, case_schemas, &t);
  CHECK_OK(gb_text_done(&t));
  return t;
}

static void same_reals(gb_reals a, gb_reals b)
{
  CHECK(a.n == b.n);
  for (size_t i = 0; i < a.n; i++) CHECK(a.v[i] == b.v[i]);
}

static void same_texts(gb_texts a, gb_texts b)
{
  CHECK(a.n == b.n);
  for (size_t i = 0; i < a.n; i++) assert_string_equal(a.v[i], b.v[i]);
}

/* Print, parse, compare every field; printing again gives the same bytes. */
static void round_trip(const char *text, int n, char *const args[])
{
  gb_config *a, *b;
  CHECK_OK(gb_config_parse("f", text, strlen(text), n, args, case_schemas, &a));
  gb_text once = printed(a);
  CHECK_OK(gb_config_parse("config.yaml", once.s, once.n, 0, NULL, case_schemas, &b));
  gb_text twice = printed(b);
  assert_string_equal(once.s, twice.s);
  case_sim s = sim_of(a), t = sim_of(b);
  case_opt o = opt_of(a), p = opt_of(b);
  CHECK(s.verbose == t.verbose && s.L == t.L && s.seed == t.seed && s.J == t.J);
  assert_string_equal(s.name, t.name);
  assert_string_equal(s.mode, t.mode);
  assert_string_equal(s.dir, t.dir);
  same_reals(s.T, t.T);
  same_reals(s.shifts, t.shifts);
  same_texts(s.tags, t.tags);
  CHECK(o.lr == p.lr && o.floor == p.floor && o.steps == p.steps && o.huge == p.huge);
  assert_string_equal(o.method, p.method);
  same_texts(o.layers, p.layers);
  for (const gb_field *f = case_sim_fields; f->name; f++) CHECK(gb_config_given(b, "sim", f->name)); /* complete */
  gb_text_free(&once);
  gb_text_free(&twice);
  gb_config_destroy(&a);
  gb_config_destroy(&b);
}

static void round_trips(void **state)
{
  (void)state;
  round_trip("sim: {seed: 1}", 0, NULL);
  round_trip("sim: {seed: 9007199254740991, J: 0.1, T: [0.30000000000000004, 1e-5, 3.3333333333333335, 0]}\n"
             "opt: {floor: -4.9e-324, lr: 0.00031622776601683794, huge: 9223372036854775807}",
             0, NULL);
  round_trip("sim: {seed: 1, tags: [\"\", \" \", \"- a\", \"a: b\", \"# c\", \"[x]\", \"null\", \"~\", \"'\", \"yes\", "
             "\"1\", \"&a\", \"*a\", \"!t\", \"%\", \"@\", \"`\"]}",
             0, NULL);
  static const char *const name[] = {"quotes \\\" and ' both",
                                     "back\\\\slash\\\\n",
                                     "line\\nbreak\\n",
                                     " spaces  at both ends ",
                                     "tab\\there",
                                     "caf\xc3\xa9 \xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x99\x82",
                                     "bell\\a escape\\e",
                                     "\\x7f delete",
                                     "\\x80 control",
                                     "\\N next line",
                                     "\\_ no-break space",
                                     "\\L line \\P paragraph",
                                     "\\uFEFF mark",
                                     "\\uFFFE none",
                                     "\\U0010FFFF last",
                                     "\\r\\n",
                                     "---",
                                     "a \\\\ b \\\" c"};
  char text[200];
  for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
    snprintf(text, sizeof text, "sim: {seed: 1, name: \"%s\", tags: [\"%s\"]}", name[i], name[i]);
    round_trip(text, 0, NULL);
  }
  char *args[] = {"sim.name=a # b", "sim.dir=\"run\\n\\\"1\\\"\""};
  round_trip("sim: {seed: 1}", 2, args);
}

/* Every character that a text can hold comes back, not only those somebody thought of. */
static void round_trip_of_all_characters(void **state)
{
  (void)state;
  char text[100];
  for (uint32_t c = 1; c <= 0x10ffff; c += c < 0x3000 ? 1 : c > 0xd700 && c < 0x10010 ? 1 : 997) {
    if (c >= 0xd800 && c < 0xe000) continue; /* surrogates are no characters */
    snprintf(text, sizeof text, "sim: {seed: 1, name: \"<\\U%08x>\"}", c);
    gb_config *a, *b;
    CHECK_OK(parse(text, &a));
    gb_text t = printed(a);
    CHECK_OK(parse(t.s, &b));
    if (strcmp(sim_of(a).name, sim_of(b).name)) fail_msg("U+%04X does not survive printing", c);
    gb_text_free(&t);
    gb_config_destroy(&a);
    gb_config_destroy(&b);
  }
}

/* The largest lists there can be are still read back: what is printed must stay below the limit of a file. */
static void round_trip_of_the_longest_list(void **state)
{
  (void)state;
  gb_config *cfg;
  char text[100], *most;
  CHECK(parse("sim: {seed: 1, T: {min: 0, max: 1, count: 0}}", &cfg) == GB_ERR_CONFIG);
  most = strstr(gb_err_message(), "1 to ");
  CHECK(most != NULL);
  snprintf(text, sizeof text, "sim: {seed: 1, T: {min: 0.1, max: 99.3, count: %d}}", atoi(most + 5));
  gb_err_clear();
  round_trip(text, 0, NULL);
}

static void print_is_commented(void **state)
{
  (void)state;
  gb_config *cfg;
  CHECK_OK(parse("sim: {seed: 1}", &cfg));
  gb_text t = printed(cfg);
  CHECK(!strncmp(t.s, "sim:  # A simulation.\n", 22));
  CHECK(strstr(t.s, "\n  L: 16  # Side of the lattice; even. [2 ... 4096 sites]\n") != NULL);
  CHECK(strstr(t.s, "\n  mode: fast  # How. [fast|slow|very slow]\n") != NULL);
  CHECK(strstr(t.s, "\n  name: \"plain\"  # Any text.\n") != NULL);
  CHECK(strstr(t.s, "\n  T: [1, 1.5, 2]  # Temperatures. [0 ... 100 energy]\n") != NULL);
  gb_text_free(&t);
  gb_config_destroy(&cfg);
}

/* Resume: the fixed fields of an earlier run against those of now. */
static gb_err match(const char *then, const char *now)
{
  gb_config *a, *b;
  gb_text t = {0};
  CHECK_OK(parse(then, &a));
  CHECK_OK(parse(now, &b));
  gb_config_print_fixed(a, case_schemas, &t);
  CHECK_OK(gb_text_done(&t));
  gb_err e = gb_config_match(b, t.s, "state.h5", case_schemas);
  gb_text_free(&t);
  gb_config_destroy(&a);
  gb_config_destroy(&b);
  return e;
}

static void match_accepts_the_same(void **state)
{
  (void)state;
  CHECK_OK(match("sim: {seed: 1}", "sim: {seed: 1}"));
  CHECK_OK(match("sim: {seed: 1, L: 32}", "sim: {seed: 1e0, L: \"32\"}")); /* values, not spellings */
  CHECK_OK(match("sim: {seed: 1, T: {min: 1, max: 2, count: 3}}", "sim: {seed: 1, T: [1, 1.5, 2]}"));
  CHECK_OK(match("sim: {seed: 1, J: 0.1, name: \"a\\nb\"}", "sim: {seed: 1, J: 1e-1, name: \"a\\nb\"}"));
}

static void match_lets_free_fields_change(void **state)
{
  (void)state;
  CHECK_OK(match("sim: {seed: 1, verbose: true, dir: a, shifts: [1]}\nopt: {lr: 0.5, steps: 7}",
                 "sim: {seed: 1, dir: b}\nopt: {steps: 8}"));
}

static void match_names_what_differs(void **state)
{
  (void)state;
  static const struct {
    const char *then, *now, *message;
  } table[] = {
      {"sim: {seed: 1}", "sim: {seed: 2}", "sim.seed is now 2 but state.h5 was made with 1."},
      {"sim: {seed: 1, L: 32}", "sim: {seed: 1}", "sim.L is now 16 but state.h5 was made with 32."},
      {"sim: {seed: 1}", "sim: {seed: 1, J: 1.0000000000000002}", "sim.J is now 1.0000000000000002 but"},
      {"sim: {seed: 1}", "sim: {seed: 1, T: [1, 2]}", "sim.T is now [1, 2] but state.h5 was made with [1, 1.5, 2]."},
      {"sim: {seed: 1}", "sim: {seed: 1, mode: slow}", "sim.mode is now slow but state.h5 was made with fast."},
      {"sim: {seed: 1, tags: [a, b]}", "sim: {seed: 1, tags: [\"a, b\"]}", "sim.tags is now [\"a, b\"] but"},
      {"sim: {seed: 1}\nopt: {method: sgd}", "sim: {seed: 1}", "opt.method is now adam but"},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    CHECK_FAILS(match(table[i].then, table[i].now), GB_ERR_CONFIG, table[i].message);
    CHECK_FAILS(match(table[i].then, table[i].now), GB_ERR_CONFIG, "another run.dir");
  }
}

static void match_of_a_damaged_text(void **state)
{
  (void)state;
  gb_config *cfg;
  static const char *const then[] = {"sim: {", "sim: {seed: x}", "sim: {sed: 1}", "else: {a: 1}", "sim: {L: 16}"};
  CHECK_OK(parse("sim: {seed: 1}", &cfg));
  for (size_t i = 0; i < sizeof then / sizeof *then; i++)
    CHECK_FAILS(gb_config_match(cfg, then[i], "state.h5", case_schemas), GB_ERR_CONFIG, "state.h5");
  gb_config_destroy(&cfg);
}

/* A rule of the schema cannot judge a stored config: its free fields are not there. */
static void fixed_print_has_only_fixed(void **state)
{
  (void)state;
  gb_config *cfg;
  gb_text t = {0};
  CHECK_OK(parse("sim: {seed: 1}", &cfg));
  gb_config_print_fixed(cfg, case_schemas, &t);
  CHECK(!strstr(t.s, "dir") && !strstr(t.s, "verbose") && !strstr(t.s, "lr") && !strstr(t.s, "#"));
  CHECK(strstr(t.s, "\n  seed: 1\n") && strstr(t.s, "\nopt:\n"));
  gb_config_destroy(&cfg);

  /* Read again, free fields have their defaults. */
  case_sim sim;
  case_opt opt;
  CHECK_OK(gb_config_parse_stored("best.h5", t.s, case_schemas, &cfg));
  gb_config_get(cfg, &case_sim_schema, &sim);
  gb_config_get(cfg, &case_opt_schema, &opt);
  assert_string_equal(sim.dir, "out");
  CHECK(sim.seed == 1 && opt.steps == 100 && opt.lr == 1e-3);
  gb_text_free(&t);
  gb_config_destroy(&cfg);
}

static void malformed_texts(void **state)
{
  (void)state;
  gb_config *cfg;
  double start = gb_clock_now();
  size_t n = 2 << 20;
  char *s = malloc(n + 1);
  memset(s, '#', n);
  CHECK_FAILS(gb_config_parse("f.yaml", s, n, 0, NULL, case_schemas, &cfg), GB_ERR_CONFIG, "f.yaml: has 2097152 bytes");
  memset(s, '[', n);
  CHECK_FAILS(gb_config_parse("f.yaml", s, 100000, 0, NULL, case_schemas, &cfg), GB_ERR_CONFIG, "f.yaml:1");
  memset(s, '{', n);
  CHECK_FAILS(gb_config_parse("f.yaml", s, 100000, 0, NULL, case_schemas, &cfg), GB_ERR_CONFIG, "f.yaml:1");
  memset(s, 0, n);
  CHECK_FAILS(gb_config_parse("f.yaml", s, 100, 0, NULL, case_schemas, &cfg), GB_ERR_CONFIG, "f.yaml:1");
  free(s);
  CHECK_FAILS(parse("sim: {seed: &a 1}", &cfg), GB_ERR_CONFIG, "f.yaml:1: anchors");
  CHECK_FAILS(parse("sim:\n\tseed: 1\n", &cfg), GB_ERR_CONFIG, "f.yaml:2");
  CHECK(cfg == NULL);
  CHECK_NEAR(gb_clock_now() - start, 0, 1);
}

/* A long value is cut in the message; what it says about place and range is not. */
static void long_values(void **state)
{
  (void)state;
  gb_config *cfg;
  static char text[100000];
  char *p = stpcpy(text, "sim:\n  seed: ");
  memset(p, '9', 90000);
  CHECK_FAILS(parse(text, &cfg), GB_ERR_CONFIG, "is too large for a number. Allowed: 0 ...");
  memset(p, 'x', 90000);
  CHECK_FAILS(parse(text, &cfg), GB_ERR_CONFIG, "is not a number. Allowed: 0 ...");
}

/* 20000 damaged configs: each is read or refused with a reason, and nothing stays behind (check_end). */
static void mutations(void **state)
{
  (void)state;
  static const char original[] = "# a valid config\n"
                                 "sim:\n"
                                 "  seed: 12\n"
                                 "  verbose: true\n"
                                 "  L: 64  # sites\n"
                                 "  J: -2.5\n"
                                 "  name: \"caf\xc3\xa9: \\\"q\\\" \\\\ \\n\"\n"
                                 "  T: {min: 0.5, max: 2, count: 4}\n"
                                 "  tags: [a, 'b c', \"\"]\n"
                                 "opt:\n"
                                 "  lr: 1e-3\n"
                                 "  layers: [conv, pool]\n"
                                 "  method: sgd\n";
  static const char special[] = "{}[]:,-?#&*!|>'\"%@`\n\r\t \\0123456789.eE~=<";
  enum { SIZE = sizeof original - 1, ROUNDS = 20000, EDITS = 4 };
  size_t good = 0, refused = 0;
  for (uint64_t round = 0; round < ROUNDS; round++) {
    char text[SIZE + EDITS];
    uint32_t w[4 * EDITS + 4];
    size_t n = SIZE;
    gb_config *cfg;
    memcpy(text, original, SIZE);
    gb_rng_words(gb_rng_key(1, GB_RNG_TEST, round, 0), 0, sizeof w / sizeof *w, w);
    for (uint32_t edit = 0; edit <= w[0] % EDITS; edit++) {
      const uint32_t *u = w + 4 * edit + 1;
      size_t at = u[0] % n;
      char ch = u[2] % 4 ? special[u[3] % (sizeof special - 1)] : (char)(u[3] & 255);
      if (u[1] % 3 == 0) { /* insert */
        memmove(text + at + 1, text + at, n - at);
        n++;
      } else if (u[1] % 3 == 1) { /* delete instead of replacing */
        memmove(text + at, text + at + 1, n - at - 1);
        n--;
        continue;
      }
      text[at] = ch;
    }
    gb_err_clear();
    gb_err e = gb_config_parse("f.yaml", text, n, 0, NULL, case_schemas, &cfg);
    if (e == GB_OK) {
      gb_text t = printed(cfg);
      gb_config *again;
      CHECK_OK(parse(t.s, &again)); /* whatever was accepted can be printed and read back */
      gb_config_destroy(&again);
      gb_text_free(&t);
      gb_config_destroy(&cfg);
      good++;
    } else {
      CHECK(e == GB_ERR_CONFIG && cfg == NULL);
      CHECK(!strncmp(gb_err_message(), "f.yaml", 6) && strlen(gb_err_message()) > 10);
      refused++;
    }
  }
  CHECK(good > ROUNDS / 20 && refused > ROUNDS / 20); /* the mutations are neither all harmless nor all fatal */
}

/* A derived config is that of the file with all overrides, the old ones first; the first one stays as it is. */
static void derived(void **state)
{
  (void)state;
  static const char text[] = "sim: {seed: 3, tags: [a, b]}\nopt:\n  lr: 0.25\n";
  char *first[] = {"sim.L=32", "opt.steps=7"}, *then[] = {"sim.L=64", "sim.T={min: 1, max: 3, count: 2}"};
  char *all[] = {first[0], first[1], then[0], then[1]}, *bad[] = {"opt.lr=-1"};
  gb_config *cfg, *one, *two, *same, *none;
  gb_text a = {0}, b = {0};
  CHECK_OK(gb_config_parse("f.yaml", text, strlen(text), 2, first, case_schemas, &cfg));
  CHECK_OK(gb_config_derive(cfg, 2, then, &one));
  CHECK_OK(gb_config_derive(one, 0, NULL, &two));
  CHECK_OK(gb_config_parse("f.yaml", text, strlen(text), 4, all, case_schemas, &same));
  CHECK_FAILS(gb_config_derive(cfg, 1, bad, &none), GB_ERR_CONFIG, "command line: opt.lr = -1");
  CHECK(none == NULL && sim_of(cfg).L == 32 && sim_of(one).L == 64);
  gb_config_destroy(&one);
  gb_config_destroy(&cfg);
  gb_config_print(two, case_schemas, &a);
  gb_config_print(same, case_schemas, &b);
  assert_string_equal(a.s, b.s);
  CHECK(gb_config_given(two, "sim", "T") && gb_config_given(two, "opt", "steps") && !gb_config_given(two, "sim", "J"));
  gb_text_free(&a);
  gb_text_free(&b);
  gb_config_destroy(&two);
  gb_config_destroy(&same);
}

static void fields_by_name(void **state)
{
  (void)state;
  gb_config *cfg;
  const gb_schema *s;
  const gb_field *f;
  CHECK_OK(parse("sim: {seed: 3}\n", &cfg));
  CHECK_OK(gb_config_find(cfg, "opt.lr", &s, &f));
  CHECK(s == &case_opt_schema && f->kind == GB_REAL);
  assert_string_equal(f->name, "lr");
  CHECK_FAILS(gb_config_find(cfg, "opt.stps", &s, &f), GB_ERR_CONFIG, "Did you mean `opt.steps`?");
  CHECK_FAILS(gb_config_find(cfg, "sim.lr", &s, &f), GB_ERR_CONFIG, "Did you mean `opt.lr`?");
  CHECK_FAILS(gb_config_find(cfg, "sin.lr", &s, &f), GB_ERR_CONFIG, "Did you mean `sim`?");
  CHECK_FAILS(gb_config_find(cfg, "lr", &s, &f), GB_ERR_CONFIG, "section.key");
  gb_config_destroy(&cfg);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(defaults),
      TEST(every_type),
      TEST(integers),
      TEST(reals),
      TEST(booleans),
      TEST(range_ends),
      TEST(messages_are_complete),
      TEST(missing_required),
      TEST(choices_match_whole_words),
      TEST(unknown_names),
      TEST(duplicates),
      TEST(overrides_win_in_order),
      TEST(derived),
      TEST(fields_by_name),
      TEST(grids),
      TEST(rules_between_fields),
      TEST(round_trips),
      TEST(round_trip_of_all_characters),
      TEST(round_trip_of_the_longest_list),
      TEST(print_is_commented),
      TEST(match_accepts_the_same),
      TEST(match_lets_free_fields_change),
      TEST(match_names_what_differs),
      TEST(match_of_a_damaged_text),
      TEST(fixed_print_has_only_fixed),
      TEST(malformed_texts),
      TEST(long_values),
      TEST(mutations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
