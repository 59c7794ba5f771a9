/* tests/mpi/test_config.c - a config file is read once and is the same on all ranks; so is its refusal. */
#include "config/config.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "mpi/ranks.h"
#include "unit/config_case.h"

static void put(const char *name, const char *text)
{
  if (world.rank == 0) scratch_put(scratch(name), text, strlen(text));
  MPI_Barrier(world.mpi);
}

static void same_on_all_ranks(void **state)
{
  (void)state;
  gb_config *cfg;
  char *args[] = {"opt.lr=0.25", "sim.tags=[x, y]"};
  gb_text t = {0};
  put("good.yaml", "sim:\n  seed: 7\n  name: \"caf\xc3\xa9\"\n");
  CHECK_OK(gb_config_load(world, scratch("good.yaml"), 2, args, case_schemas, &cfg));
  case_opt o;
  case_sim s;
  gb_config_get(cfg, &case_opt_schema, &o);
  gb_config_get(cfg, &case_sim_schema, &s);
  CHECK(o.lr == 0.25 && s.seed == 7 && s.tags.n == 2);
  assert_string_equal(s.name, "caf\xc3\xa9");
  gb_config_print(cfg, case_schemas, &t);
  CHECK_OK(gb_text_done(&t));
  char of_0[8192] = "";
  CHECK(t.n < sizeof of_0);
  memcpy(of_0, t.s, t.n);
  gb_comm_bcast(world, of_0, sizeof of_0);
  assert_string_equal(t.s, of_0);
  gb_text_free(&t);
  gb_config_destroy(&cfg);
}

/* Only rank 0 touches the file: on the others it need not exist (a node without the file system). */
static void only_rank_0_reads(void **state)
{
  (void)state;
  gb_config *cfg;
  put("only.yaml", "sim: {seed: 7}\n");
  CHECK_OK(
      gb_config_load(world, world.rank == 0 ? scratch("only.yaml") : "/no/such/file", 0, NULL, case_schemas, &cfg));
  case_sim s;
  gb_config_get(cfg, &case_sim_schema, &s);
  CHECK(s.seed == 7);
  gb_config_destroy(&cfg);
}

/* No file at all: the path and the reason, on all ranks, within a second. */
static void unreadable(void **state)
{
  (void)state;
  static const struct {
    const char *name, *why;
  } table[] = {{"missing.yaml", "No such file"},    {"folder", "is not a regular file"},
               {"fifo", "is not a regular file"},   {"dangling", "No such file"},
               {"large.yaml", "has 2097152 bytes"}, {"none/where.yaml", "No such file"}};
  double start = gb_clock_now();
  if (world.rank == 0) {
    size_t n = 2 << 20;
    char *s = malloc(n);
    memset(s, '#', n);
    scratch_put(scratch("large.yaml"), s, n);
    free(s);
    CHECK(mkdir(scratch("folder"), 0777) == 0);
    CHECK(mkfifo(scratch("fifo"), 0666) == 0);
    CHECK(symlink("nowhere", scratch("dangling")) == 0);
  }
  MPI_Barrier(world.mpi);
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    gb_config *cfg = (gb_config *)state;
    CHECK_ALL_FAIL(gb_config_load(world, scratch(table[i].name), 0, NULL, case_schemas, &cfg), GB_ERR_IO, table[i].why);
    CHECK(cfg == NULL);
    CHECK_ALL_FAIL(gb_config_load(world, scratch(table[i].name), 0, NULL, case_schemas, &cfg), GB_ERR_IO,
                   scratch(table[i].name));
  }
  CHECK_NEAR(gb_clock_now() - start, 0, 5); /* a dozen loads on crowded cores */
}

static void wrong(void **state)
{
  (void)state;
  static const struct {
    const char *text, *message;
  } table[] = {{"sim:\n  seed: x\n", "wrong.yaml:2: sim.seed = x is not a number"},
               {"sim:\n\tseed: 1\n", "wrong.yaml:2: is not valid YAML"},
               {"", "wrong.yaml: sim.seed is missing"},
               {"sim: {seed: 1, L: 5}\n", "wrong.yaml:1: sim.L = 5 is odd"},
               {"\x7f"
                "ELF\x01\x02",
                "wrong.yaml:1: is not valid YAML"}};
  gb_config *cfg;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    put("wrong.yaml", table[i].text);
    CHECK_ALL_FAIL(gb_config_load(world, scratch("wrong.yaml"), 0, NULL, case_schemas, &cfg), GB_ERR_CONFIG,
                   table[i].message);
    CHECK(cfg == NULL);
    MPI_Barrier(world.mpi);
  }
  char *args[] = {"sim.seed"};
  put("wrong.yaml", "sim: {seed: 1}\n");
  CHECK_ALL_FAIL(gb_config_load(world, scratch("wrong.yaml"), 1, args, case_schemas, &cfg), GB_ERR_CONFIG,
                 "command line");
}

static const struct CMUnitTest tests[] = {TEST(same_on_all_ranks), TEST(only_rank_0_reads), TEST(unreadable),
                                          TEST(wrong)};
RUN_ON_RANKS(tests)
