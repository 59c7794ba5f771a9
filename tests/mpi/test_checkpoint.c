/* tests/mpi/test_checkpoint.c - a training state comes back bit by bit, or not at all. */
#include "learn/checkpoint.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/hash.h"
#include "mpi/ranks.h"

static const char config[] = "run:\n  physics: \"xy\"\n  seed: 7\nmodel:\n  encoder: [\"dense 5\", \"caf\xc3\xa9\"]\n";

/* A model's tensors; `change` 1: one more, 2: another shape, 3: other axes, 4: another name. */
static gb_params *make_params(int change)
{
  gb_params *p;
  gb_param id;
  size_t shape[] = {3, change == 2 ? 6 : 5};
  CHECK_OK(gb_params_create(&p));
  CHECK_OK(gb_params_add(p, "encoder.0.weight", change == 3 ? 1 : 2, change == 3 ? (size_t[]){15} : shape, 1, &id));
  CHECK_OK(gb_params_add(p, change == 4 ? "encoder.0.offset" : "encoder.0.bias", 1, (size_t[]){5}, 0, &id));
  CHECK_OK(gb_params_add(p, "output.weight", 4, (size_t[]){2, 2, 1, 3}, 2, &id));
  if (change == 1) CHECK_OK(gb_params_add(p, "output.bias", 1, (size_t[]){3}, 0, &id));
  CHECK_OK(gb_params_freeze(p, 1));
  return p;
}

/* Weights and moments with every kind of float; the same on all ranks. */
static void fill(gb_state *s)
{
  static const float special[] = {-0.0f, 1e-42f, -3e38f, INFINITY, -INFINITY, 0.1f};
  size_t n = gb_params_size(s->params);
  gb_real *v[] = {gb_params_value(s->params), s->m, s->v, s->average};
  for (int k = 0; k < (s->average ? 4 : 3); k++)
    for (int t = 0; t < gb_params_n(s->params); t++) {
      const gb_param_info *info = gb_params_info(s->params, t);
      gb_rng_normal(gb_rng_key(4, GB_RNG_TEST, (uint64_t)k, (uint64_t)t), info->count, v[k] + info->first);
    }
  for (size_t i = 0; i < sizeof special / sizeof *special; i++) v[i % 3][i] = special[i];
  v[0][6] = NAN;
  CHECK(n >= 16);
  s->step = 123456789012345;
  s->best = -12.345678901234567;
  s->best_step = 99;
  s->stale = 3;
  s->stopped_early = 1;
  s->data = 0xfedcba9876543210;
}

static gb_state make_state(int change, bool moments)
{
  gb_state s = {.params = make_params(change)};
  if (moments) {
    CHECK_OK(gb_new(&s.m, gb_params_size(s.params)));
    CHECK_OK(gb_new(&s.v, gb_params_size(s.params)));
  }
  return s;
}

static void drop(gb_state *s)
{
  gb_params_destroy(&s->params);
  gb_free(&s->m);
  gb_free(&s->v);
  gb_free(&s->average);
}

/* `vectors`: moments and average, too; they come to rank 0 only. */
static bool equal(const gb_state *a, const gb_state *b, bool vectors)
{
  size_t bytes = gb_params_size(a->params) * sizeof(gb_real);
  return a->step == b->step && a->best == b->best && a->best_step == b->best_step && a->stale == b->stale &&
         a->stopped_early == b->stopped_early && a->data == b->data &&
         !memcmp(gb_params_value(a->params), gb_params_value(b->params), bytes) &&
         (!b->m || !vectors || (!memcmp(a->m, b->m, bytes) && !memcmp(a->v, b->v, bytes))) &&
         (!b->average || !vectors || !memcmp(a->average, b->average, bytes));
}

/* Save the state of fill() as `name` on these ranks. */
static const char *saved(gb_comm c, const char *name, bool moments)
{
  gb_state s = make_state(0, true), kept;
  fill(&s);
  kept = s;
  if (!moments) s.m = s.v = NULL;
  CHECK_OK(gb_checkpoint_save(c, scratch(name), config, &s));
  drop(&kept);
  MPI_Barrier(world.mpi);
  return scratch(name);
}

static void comes_back_bit_by_bit(void **state)
{
  (void)state;
  gb_state s = make_state(0, true), t = make_state(0, true);
  const char *path = saved(world, "round.h5", true);
  char *text = NULL;
  fill(&s);
  CHECK(access(scratch("round.h5.part"), F_OK) != 0);
  CHECK_OK(gb_checkpoint_load(world, path, &t));
  CHECK(equal(&s, &t, world.rank == 0));
  CHECK_OK(gb_checkpoint_config(world, path, &text));
  assert_string_equal(text, config);
  gb_free(&text);
  s.best = INFINITY; /* before the first validation */
  s.step = 1;
  CHECK_OK(gb_checkpoint_save(world, path, "", &s)); /* over the old one */
  MPI_Barrier(world.mpi);
  CHECK_OK(gb_checkpoint_load(world, path, &t));
  CHECK(equal(&s, &t, world.rank == 0));
  CHECK_OK(gb_checkpoint_config(world, path, &text));
  assert_string_equal(text, "");
  gb_free(&text);
  drop(&s);
  drop(&t);
}

/* With a running average of the weights; a file without one is refused where one is wanted. */
static void averages(void **state)
{
  (void)state;
  gb_state s = make_state(0, true), t = make_state(0, true);
  CHECK_OK(gb_new(&s.average, gb_params_size(s.params)));
  CHECK_OK(gb_new(&t.average, gb_params_size(t.params)));
  fill(&s);
  const char *path = scratch("average.h5");
  CHECK_OK(gb_checkpoint_save(world, path, config, &s));
  MPI_Barrier(world.mpi);
  CHECK_OK(gb_checkpoint_load(world, path, &t));
  CHECK(equal(&s, &t, world.rank == 0));
  CHECK(world.rank == 0 || t.m[6] == 0); /* vectors come to rank 0 */
  CHECK_ALL_FAIL(gb_checkpoint_load(world, saved(world, "none.h5", true), &t), GB_ERR_IO, "/average/encoder.0.weight");
  drop(&s);
  drop(&t);
}

/* Weights alone, as in best.h5: can be read as such, but not as a state to go on from. */
static void weights_alone(void **state)
{
  (void)state;
  gb_state s = make_state(0, true), t = make_state(0, false), u = make_state(0, true);
  const char *path = saved(world, "best.h5", false);
  fill(&s);
  CHECK_OK(gb_checkpoint_load(world, path, &t));
  CHECK(equal(&s, &t, world.rank == 0));
  CHECK_ALL_FAIL(gb_checkpoint_load(world, path, &u), GB_ERR_IO, "/adam/m/encoder.0.weight");
  CHECK_OK(gb_checkpoint_load(world, saved(world, "whole.h5", true), &t)); /* and weights out of a whole state */
  CHECK(equal(&s, &t, world.rank == 0));
  drop(&s);
  drop(&t);
  drop(&u);
}

/* Not a byte depends on how many ranks there are, on the time, or on what was written before. */
static void the_file_is_the_same_on_any_ranks(void **state)
{
  (void)state;
  size_t n[3] = {0};
  saved(world, "of_all.h5", true);
  if (world.rank == 0) {
    gb_state s = make_state(0, true);
    fill(&s);
    CHECK_OK(gb_checkpoint_save(self, scratch("of_one.h5"), config, &s));
    struct timespec pause = {1, 100000000}; /* times in a file have seconds */
    nanosleep(&pause, NULL);
    CHECK_OK(gb_checkpoint_save(self, scratch("later.h5"), config, &s));
    drop(&s);
    char *a = scratch_get(scratch("of_all.h5"), &n[0]), *b = scratch_get(scratch("of_one.h5"), &n[1]),
         *c = scratch_get(scratch("later.h5"), &n[2]);
    CHECK(n[0] > 1000 && n[0] == n[1] && n[1] == n[2] && !memcmp(a, b, n[0]) && !memcmp(b, c, n[0]));
    free(a);
    free(b);
    free(c);
  }
  MPI_Barrier(world.mpi);
}

static void other_tensors_are_refused(void **state)
{
  (void)state;
  static const char *const message[] = {"/weights/output.bias", "/weights/encoder.0.weight has another shape",
                                        "/weights/encoder.0.weight", "/weights/encoder.0.offset"};
  const char *path = saved(world, "other.h5", true);
  for (int change = 1; change <= 4; change++) {
    gb_state s = make_state(change, true);
    CHECK_ALL_FAIL(gb_checkpoint_load(world, path, &s), GB_ERR_IO, message[change - 1]);
    drop(&s);
  }
}

static void unusable_files(void **state)
{
  (void)state;
  gb_state s = make_state(0, true);
  char *text = NULL;
  CHECK_ALL_FAIL(gb_checkpoint_load(world, scratch("nowhere.h5"), &s), GB_ERR_IO, "nowhere.h5");
  CHECK_ALL_FAIL(gb_checkpoint_config(world, scratch("nowhere.h5"), &text), GB_ERR_IO, "nowhere.h5");
  CHECK(!text);
  CHECK_ALL_FAIL(gb_checkpoint_save(world, scratch("no/folder.h5"), config, &s), GB_ERR_IO, "no/folder.h5");
  const char *path = saved(world, "cut.h5", true);
  size_t n = 0;
  char *bytes = scratch_get(path, &n);
  MPI_Barrier(world.mpi);
  for (size_t left = 0; left < n; left += 1 + n / 12) {
    if (world.rank == 0) scratch_put(path, bytes, left);
    MPI_Barrier(world.mpi);
    CHECK_ALL_FAIL(gb_checkpoint_load(world, path, &s), GB_ERR_IO, "cut.h5");
  }
  free(bytes);
  drop(&s);
}

/* One changed bit anywhere is an error that names the file, or no matter (as in the word that introduces the seal), but
 * never another state and never a crash of HDF5. Of the weights, moments, numbers and the config it is an error without
 * the seal, too: then the checksum of the dataset tells. Each rank tries its own bytes. */
typedef struct area {
  const char *what;
  size_t first, count;
} area;

static size_t find(const char *file, size_t n, const void *what, size_t bytes)
{
  const char *at = memmem(file, n, what, bytes);
  CHECK(at != NULL);
  CHECK(!memmem(at + 1, n - (size_t)(at + 1 - file), what, bytes)); /* there is no other place like it */
  return (size_t)(at - file);
}

static size_t areas_of(const char *file, size_t n, const gb_state *s, area *out)
{
  size_t count = 0;
  const gb_real *v[] = {gb_params_value(s->params), s->m, s->v};
  const uint64_t numbers[] = {1, s->step, s->best_step, s->stale, s->stopped_early, s->data};
  for (int k = 0; k < 3; k++)
    for (int t = 0; t < gb_params_n(s->params); t++) {
      const gb_param_info *info = gb_params_info(s->params, t);
      size_t bytes = info->count * sizeof **v;
      out[count++] = (area){info->name, find(file, n, v[k] + info->first, bytes), bytes};
    }
  out[count++] = (area){"/numbers", find(file, n, numbers, sizeof numbers), sizeof numbers};
  out[count++] = (area){"/best", find(file, n, &s->best, sizeof s->best), sizeof s->best};
  out[count++] = (area){"/config", find(file, n, config, sizeof config - 1), sizeof config - 1};
  return count;
}

/* Load state and config; was it refused? If not, both must be what was saved. */
static bool refused(const char *path, const gb_state *original, gb_state *s, const char *where, size_t at)
{
  char *text = NULL;
  gb_err_clear();
  gb_err e = gb_checkpoint_load(self, path, s);
  if (!e) e = gb_checkpoint_config(self, path, &text);
  if (e && (e != GB_ERR_IO || !strstr(gb_err_message(), path)))
    fail_msg("byte %zu (%s): %d, \"%s\"", at, where, (int)e, gb_err_message());
  if (!e && (!equal(original, s, true) || strcmp(text, config)))
    fail_msg("byte %zu (%s) gives another state", at, where);
  gb_free(&text);
  gb_err_clear();
  return e != GB_OK;
}

static void flip(const char *path, size_t at, char bit)
{
  int fd = open(path, O_RDWR);
  char byte;
  if (fd < 0 || pread(fd, &byte, 1, (off_t)at) != 1) abort();
  byte ^= bit;
  if (pwrite(fd, &byte, 1, (off_t)at) != 1 || close(fd)) abort();
}

enum { SEAL = 47 }; /* bytes of the line at the end */

static void flipped_bits(void **state)
{
  (void)state;
  enum { MOST = 32 };
  char name[32];
  area a[MOST];
  size_t n = 0, found = 0;
  gb_state s = make_state(0, true), t = make_state(0, true);
  fill(&s);
  snprintf(name, sizeof name, "mine%d.h5", world.rank);
  const char *path = scratch(name);
  CHECK_OK(gb_checkpoint_save(self, path, config, &s));
  char *file = scratch_get(path, &n);
  CHECK(!strncmp(file + n - SEAL, "\ngreybox xxh3 ", 14));
  size_t n_areas = areas_of(file, n, &s, a);
  CHECK(!refused(path, &s, &t, "as it is", 0));
  gb_range mine = gb_comm_share(world, n);
  for (size_t at = mine.first; at < mine.first + mine.count; at += 7) {
    flip(path, at, (char)(1 << (at % 8)));
    bool bad = refused(path, &s, &t, "anywhere", at);
    if (!bad && at < n - SEAL) fail_msg("byte %zu of %zu is not missed", at, n);
    found += bad;
    flip(path, at, (char)(1 << (at % 8)));
  }
  CHECK(found > 100 / (size_t)world.size);
  CHECK(!refused(path, &s, &t, "as it was", 0));
  scratch_put(path, file, n - SEAL);
  CHECK(!refused(path, &s, &t, "without its seal", 0));
  for (size_t i = 0; i < n_areas; i++)
    for (size_t k = (size_t)world.rank; k < a[i].count; k += 3 * (size_t)world.size) {
      flip(path, a[i].first + k, (char)(1 << (k % 8)));
      if (!refused(path, &s, &t, a[i].what, a[i].first + k)) fail_msg("byte %zu of %s is not missed", k, a[i].what);
      flip(path, a[i].first + k, (char)(1 << (k % 8)));
    }
  free(file);
  drop(&s);
  drop(&t);
}

/* Read a checkpoint and say its step; 0: refused. */
static uint64_t step_in(const char *path)
{
  gb_state s = make_state(0, true);
  gb_err e = gb_checkpoint_load(world, path, &s);
  uint64_t step = e ? 0 : s.step;
  drop(&s);
  gb_err_clear();
  return step;
}

static void advance(const char *path, uint64_t step)
{
  gb_state s = make_state(0, true);
  fill(&s);
  s.step = step;
  CHECK_OK(gb_checkpoint_advance(world, path, config, &s));
  drop(&s);
}

/* What recovery does to `path`: as text, the same on all ranks; NULL: it fails. */
static const char *recovered(const char *path)
{
  static char said[800];
  gb_text told = {0};
  gb_err e = gb_checkpoint_recover(world, path, &told);
  snprintf(said, sizeof said, "%s", told.s ? told.s : "");
  gb_text_free(&told);
  gb_comm_bcast(world, said, sizeof said);
  return e ? NULL : said;
}

/* Two generations: of a damaged or missing file the one before takes the place; of two damaged ones neither is touched.
 */
static void generations(void **state)
{
  (void)state;
  char path[PATH_MAX], prev[PATH_MAX], damaged[PATH_MAX];
  snprintf(path, sizeof path, "%s", scratch("g.h5"));
  snprintf(prev, sizeof prev, "%s", scratch("g.prev.h5"));
  snprintf(damaged, sizeof damaged, "%s", scratch("g.damaged.h5"));
  CHECK(!strcmp(recovered(path), "")); /* there is nothing yet */
  advance(path, 1);
  CHECK(access(prev, F_OK) != 0 && !strcmp(recovered(path), ""));
  for (int how = 0; how < 3; how++) {
    advance(path, 2);
    advance(path, 3);
    CHECK(step_in(path) == 3 && step_in(prev) == 2 && !strcmp(recovered(path), ""));
    MPI_Barrier(world.mpi);
    if (world.rank == 0) {
      if (how == 0) flip(path, 2000, 4);
      if (how == 1) CHECK(truncate(path, 1000) == 0);
      if (how == 2) CHECK(unlink(path) == 0);
      unlink(damaged);
    }
    MPI_Barrier(world.mpi);
    const char *said = recovered(path);
    CHECK(said && strstr(said, "g.prev.h5, the one before it"));
    CHECK(strstr(said, how == 0 ? "does not match" : how == 1 ? "cut short" : "g.h5 is missing"));
    CHECK(step_in(path) == 2 && access(prev, F_OK) != 0 && (access(damaged, F_OK) == 0) == (how < 2));
    CHECK(!strcmp(recovered(path), ""));
  }
  advance(path, 4);
  MPI_Barrier(world.mpi);
  if (world.rank == 0) {
    flip(path, 900, 1);
    flip(prev, 900, 1);
  }
  MPI_Barrier(world.mpi);
  gb_text told = {0};
  CHECK_ALL_FAIL(gb_checkpoint_recover(world, path, &told), GB_ERR_IO, "g.prev.h5, is no better");
  CHECK(access(path, F_OK) == 0 && access(prev, F_OK) == 0);
  gb_text_free(&told);
}

/* Saves of rank 0 with more and more room, never enough: refused each time, and nothing is left of them. */
static bool refused_for_want_of_room(const char *path, off_t enough)
{
  struct rlimit old, less;
  gb_state s = make_state(0, true);
  bool right = true;
  fill(&s);
  signal(SIGXFSZ, SIG_IGN);
  getrlimit(RLIMIT_FSIZE, &old);
  for (off_t room = 0; room < enough && right; room += 97) {
    less = (struct rlimit){(rlim_t)room, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &less);
    gb_err_clear();
    gb_err e = gb_checkpoint_advance(self, path, config, &s);
    setrlimit(RLIMIT_FSIZE, &old);
    right = e == GB_ERR_IO && strstr(gb_err_message(), "File too large") && access(scratch("room.h5.part"), F_OK);
    if (!right) fprintf(stderr, "room %lld: %d, %s\n", (long long)room, (int)e, gb_err_message());
  }
  return right;
}

/* No room for all of a new file, wherever that shows: refused, the two generations stay, and the part goes. In a
 * process of its own: after a file that cannot be closed HDF5 is of no more use. */
static void no_room(void **state)
{
  (void)state;
  char path[PATH_MAX];
  struct stat st = {0};
  int status = 0;
  snprintf(path, sizeof path, "%s", scratch("room.h5"));
  advance(path, 5);
  advance(path, 6);
  if (world.rank == 0) {
    CHECK(stat(path, &st) == 0);
    pid_t child = fork();
    if (child == 0) _exit(refused_for_want_of_room(path, st.st_size) ? 0 : 1);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
  }
  MPI_Barrier(world.mpi);
  CHECK(step_in(path) == 6 && step_in(scratch("room.prev.h5")) == 5);
}

/* A file of a later program: said so, even though its checksum is right. */
static void another_format(void **state)
{
  (void)state;
  gb_state s = make_state(0, true);
  const char *path = saved(world, "format.h5", true);
  if (world.rank == 0) {
    size_t n = 0;
    char *file = scratch_get(path, &n), before[33], after[33];
    fill(&s);
    uint64_t numbers[] = {1, s.step, s.best_step, s.stale, s.stopped_early, s.data};
    gb_hash_hex(numbers, sizeof numbers, before);
    size_t at = find(file, n, numbers, sizeof numbers), hash = find(file, n, before, 32);
    numbers[0] = 2;
    gb_hash_hex(numbers, sizeof numbers, after);
    memcpy(file + at, numbers, sizeof numbers);
    memcpy(file + hash, after, 32);
    scratch_put(path, file, n - SEAL);
    free(file);
  }
  MPI_Barrier(world.mpi);
  CHECK_ALL_FAIL(gb_checkpoint_load(world, path, &s), GB_ERR_IO, "was written in format 2, this program reads 1");
  drop(&s);
}

static const struct CMUnitTest tests[] = {
    TEST(comes_back_bit_by_bit),
    TEST(averages),
    TEST(weights_alone),
    TEST(the_file_is_the_same_on_any_ranks),
    TEST(other_tensors_are_refused),
    TEST(unusable_files),
    TEST(flipped_bits),
    TEST(another_format),
    TEST(generations),
    TEST(no_room),
};
RUN_ON_RANKS(tests)
