/* tests/mpi/test_h5.c - files whose content does not depend on the ranks, and plain words for damaged ones. */
#include "io/h5.h"

#include <hdf5.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "io/pieces.h"
#include "mpi/ranks.h"

enum { ROWS = 37, COLS = 5 };

static const gb_h5_spec axis = {.name = "/axis/col",
                                .type = GB_H5_F64,
                                .ndim = 1,
                                .shape = {COLS},
                                .unit = "m",
                                .doc = "The columns.",
                                .dims = {"/axis/col"}};
static const gb_h5_spec plain = {.name = "/group/deep/plain",
                                 .type = GB_H5_F32,
                                 .ndim = 2,
                                 .shape = {ROWS, COLS},
                                 .unit = "energy",
                                 .doc = "Rows.",
                                 .dims = {NULL, "/axis/col"}};
static gb_h5_spec packed = {.name = "/packed",
                            .type = GB_H5_I64,
                            .ndim = 2,
                            .shape = {ROWS, COLS},
                            .chunk = {4, COLS},
                            .deflate = 4,
                            .unit = "1",
                            .doc = "Chunks of four rows."};
static const gb_h5_spec scalar = {.name = "/scalar", .type = GB_H5_U64, .ndim = 0, .unit = "1", .doc = "One."};
static const gb_h5_spec bytes = {
    .name = "/bytes", .type = GB_H5_U8, .ndim = 1, .shape = {ROWS}, .unit = "1", .doc = "Bytes."};

static const gb_h5_spec codes = {.name = "/codes",
                                 .type = GB_H5_U16,
                                 .ndim = 2,
                                 .shape = {ROWS, COLS},
                                 .chunk = {3, COLS},
                                 .unit = "1",
                                 .doc = "Two bytes each."};

static uint16_t code_at(size_t row, size_t col)
{
  return (uint16_t)(65535 - 1771 * row - col); /* from the largest down to nearly 0 */
}

static float plain_at(size_t row, size_t col)
{
  return (float)row + 0.1f * (float)col;
}

static int64_t packed_at(size_t row, size_t col)
{
  return (int64_t)(row * row * row) - (int64_t)col * 1000;
}

/* How the rows are spread over the ranks. */
typedef enum spread { SHARES, ONLY_LAST, INTERLEAVED } spread;

static size_t my_blocks(gb_comm c, spread how, gb_h5_block block[ROWS])
{
  size_t n = 0;
  gb_range mine = gb_comm_share(c, ROWS);
  if (how == ONLY_LAST) mine = (gb_range){0, c.rank == c.size - 1 ? ROWS : 0};
  if (how == INTERLEAVED) {
    for (size_t row = (size_t)c.rank; row < ROWS; row += (size_t)c.size)
      block[n++] = (gb_h5_block){{row, 0}, {1, COLS}};
    return n;
  }
  if (mine.count) block[n++] = (gb_h5_block){{mine.first, 0}, {mine.count, COLS}};
  return n;
}

static void write_rows(gb_h5 *f, gb_comm c, spread how)
{
  gb_h5_block block[ROWS];
  float a[ROWS * COLS];
  int64_t b[ROWS * COLS];
  uint16_t q[ROWS * COLS];
  size_t n = my_blocks(c, how, block), k = 0;
  for (size_t i = 0; i < n; i++)
    for (size_t row = block[i].start[0]; row < block[i].start[0] + block[i].count[0]; row++)
      for (size_t col = 0; col < COLS; col++, k++) {
        a[k] = plain_at(row, col);
        b[k] = packed_at(row, col);
        q[k] = code_at(row, col);
      }
  CHECK_OK(gb_h5_write(f, plain.name, n, block, a));
  CHECK_OK(gb_h5_write(f, packed.name, n, block, b));
  CHECK_OK(gb_h5_write(f, codes.name, n, block, q));
}

static void make_file(gb_comm c, const char *path, spread how)
{
  gb_h5 *f;
  double col[COLS] = {0, 0.5, 1, 1.5, 2};
  uint64_t one = UINT64_MAX;
  unsigned char byte[ROWS];
  for (size_t i = 0; i < ROWS; i++) byte[i] = (unsigned char)(255 - i);
  CHECK_OK(gb_h5_create(c, path, &f));
  CHECK_OK(gb_h5_add(f, &axis));
  CHECK_OK(gb_h5_add(f, &plain));
  CHECK_OK(gb_h5_add(f, &packed));
  CHECK_OK(gb_h5_add(f, &scalar));
  CHECK_OK(gb_h5_add(f, &bytes));
  CHECK_OK(gb_h5_add(f, &codes));
  CHECK_OK(gb_h5_put_text(f, "/meta/config", "a: {b: \"caf\xc3\xa9\"}\n", "The config."));
  CHECK_OK(gb_h5_put_text(f, "/meta/empty", "", "Nothing."));
  CHECK_OK(gb_h5_note(f, "/", "format", "test 1"));
  CHECK_OK(gb_h5_note(f, plain.name, "source", "test_h5.c"));
  CHECK_OK(gb_h5_write_all(f, axis.name, col));
  CHECK_OK(gb_h5_write_all(f, scalar.name, &one));
  CHECK_OK(gb_h5_write_all(f, bytes.name, byte));
  write_rows(f, c, how);
  CHECK_OK(gb_h5_sync(f));
  CHECK_OK(gb_h5_close(&f, true));
  CHECK(f == NULL);
}

static void check_contents(gb_h5 *f)
{
  float a[ROWS * COLS];
  int64_t b[ROWS * COLS];
  uint16_t q[ROWS * COLS];
  double col[COLS];
  unsigned char byte[ROWS];
  uint64_t one, shape[2];
  char *text;
  CHECK_OK(gb_h5_read_all(f, plain.name, GB_H5_F32, ROWS * COLS, a));
  CHECK_OK(gb_h5_read_all(f, packed.name, GB_H5_I64, ROWS * COLS, b));
  CHECK_OK(gb_h5_read_all(f, codes.name, GB_H5_U16, ROWS * COLS, q));
  for (size_t row = 0; row < ROWS; row++)
    for (size_t c = 0; c < COLS; c++)
      CHECK(a[row * COLS + c] == plain_at(row, c) && b[row * COLS + c] == packed_at(row, c) &&
            q[row * COLS + c] == code_at(row, c));
  CHECK_OK(gb_h5_read_all(f, axis.name, GB_H5_F64, COLS, col));
  CHECK(col[0] == 0 && col[4] == 2);
  CHECK_OK(gb_h5_read_all(f, scalar.name, GB_H5_U64, 1, &one));
  CHECK(one == UINT64_MAX);
  CHECK_OK(gb_h5_read_all(f, bytes.name, GB_H5_U8, ROWS, byte));
  CHECK(byte[0] == 255 && byte[ROWS - 1] == 255 - (ROWS - 1));
  CHECK_OK(gb_h5_get_text(f, "/meta/config", &text));
  assert_string_equal(text, "a: {b: \"caf\xc3\xa9\"}\n");
  gb_free(&text);
  CHECK_OK(gb_h5_get_text(f, "/meta/empty", &text));
  assert_string_equal(text, "");
  gb_free(&text);
  CHECK_OK(gb_h5_shape(f, packed.name, GB_H5_I64, 2, shape));
  CHECK(shape[0] == ROWS && shape[1] == COLS);
  static const gb_h5_spec *const spec[] = {&axis, &plain, &packed, &scalar, &bytes, &codes};
  for (size_t i = 0; i < sizeof spec / sizeof *spec; i++) {
    gb_h5_type type;
    CHECK_OK(gb_h5_stored(f, spec[i]->name, &type));
    CHECK(type == spec[i]->type);
  }
}

/* What any ranks wrote, each rank reads; also each on its own, another part at another time. */
static void reads_back(void **state)
{
  (void)state;
  for (spread how = SHARES; how <= INTERLEAVED; how++) {
    gb_h5 *f;
    make_file(world, scratch("a.h5"), how);
    CHECK(access(scratch("a.h5.part"), F_OK) != 0);
    CHECK_OK(gb_h5_open(world, scratch("a.h5"), &f));
    check_contents(f);
    for (size_t row = (size_t)world.rank; row < ROWS; row += 1 + (size_t)world.rank) { /* other counts on each rank */
      float v[2];
      CHECK_OK(gb_h5_read(f, plain.name, GB_H5_F32, &(gb_h5_block){{row, 2}, {1, 2}}, v));
      CHECK(v[0] == plain_at(row, 2) && v[1] == plain_at(row, 3));
    }
    CHECK_OK(
        gb_h5_read(f, plain.name, GB_H5_F32, &(gb_h5_block){{ROWS, COLS}, {0, 0}}, NULL)); /* nothing, at the end */
    CHECK_OK(gb_h5_close(&f, false));
    CHECK(access(scratch("a.h5"), F_OK) == 0);
  }
  gb_h5 *none = NULL;
  CHECK_OK(gb_h5_close(&none, true));
}

/* One rank alone, all ranks, any spread: the same bytes, attributes and all; with deflate, whose chunks move
 * when they are written, the same contents. */
static void files_do_not_depend_on_ranks(void **state)
{
  (void)state;
  size_t n = 0, m = 0;
  bool h5diff = system("command -v h5diff >/dev/null") == 0;
  for (int deflate = 0; deflate <= 4; deflate += 4) {
    packed.deflate = deflate;
    if (world.rank == 0) make_file(self, scratch("alone.h5"), SHARES);
    for (spread how = SHARES; how <= INTERLEAVED; how++) {
      make_file(world, scratch("all.h5"), how);
      if (world.rank == 0) {
        char *a = scratch_get(scratch("alone.h5"), &n), *b = scratch_get(scratch("all.h5"), &m), command[PATH_MAX];
        CHECK(a && b && n == m);
        size_t first = 0;
        while (first < n && a[first] == b[first]) first++;
        if (!deflate && first < n) fail_msg("the files differ from byte %zu of %zu on", first, n);
        snprintf(command, sizeof command, "cd '%.1000s' && h5diff -c alone.h5 all.h5", scratch_folder);
        if (h5diff) CHECK(system(command) == 0);
        free(a);
        free(b);
      }
      MPI_Barrier(world.mpi);
    }
  }
  packed.deflate = 4;
}

static void names_and_notes(void **state)
{
  (void)state;
  gb_h5 *f;
  make_file(world, scratch("a.h5"), SHARES);
  CHECK_OK(gb_h5_open(world, scratch("a.h5"), &f));
  static const char *const there[] = {"/axis",       "/axis/col",         "/group",
                                      "/group/deep", "/group/deep/plain", "/meta/config"};
  static const char *const not_there[] = {"/no", "/no/where", "/group/no", "/group/deep/plain/x", "/group/no/plain"};
  for (size_t i = 0; i < sizeof there / sizeof *there; i++) CHECK(gb_h5_has(f, there[i]));
  for (size_t i = 0; i < sizeof not_there / sizeof *not_there; i++) CHECK(!gb_h5_has(f, not_there[i]));
  gb_text t = {0};
  CHECK_OK(gb_h5_get_note(f, plain.name, "unit", &t));
  assert_string_equal(t.s, "energy");
  gb_text_free(&t);
  CHECK_OK(gb_h5_get_note(f, packed.name, "doc", &t));
  assert_string_equal(t.s, "Chunks of four rows.");
  gb_text_free(&t);
  CHECK_FAILS(gb_h5_get_note(f, packed.name, "nothing", &t), GB_ERR_IO, scratch("a.h5"));
  gb_text_free(&t);
  CHECK_OK(gb_h5_close(&f, false));
  CHECK(strchr(gb_h5_version(), '.') != NULL);
}

/* As other programs see it: the axis is a scale that labels the second axis of the rows. */
static void dimension_scales(void **state)
{
  (void)state;
  make_file(world, scratch("a.h5"), SHARES);
  if (world.rank == 0 && system("command -v h5dump >/dev/null") == 0) {
    char command[PATH_MAX + 200];
    snprintf(command, sizeof command, "h5dump -A -d /axis/col '%s' | grep -q DIMENSION_SCALE", scratch("a.h5"));
    CHECK(system(command) == 0);
    snprintf(command, sizeof command, "h5dump -A -d %s '%s' | grep -q DIMENSION_LIST", plain.name, scratch("a.h5"));
    CHECK(system(command) == 0);
  }
}

/* A part is no file; continued, it becomes one. */
static void part_and_commit(void **state)
{
  (void)state;
  gb_h5 *f;
  CHECK_OK(gb_h5_create(world, scratch("p.h5"), &f));
  CHECK_OK(gb_h5_add(f, &bytes));
  CHECK_OK(gb_h5_close(&f, false));
  CHECK(access(scratch("p.h5.part"), F_OK) == 0 && access(scratch("p.h5"), F_OK) != 0);
  CHECK_ALL_FAIL(gb_h5_open(world, scratch("p.h5"), &f), GB_ERR_IO, scratch("p.h5"));
  CHECK(f == NULL);
  CHECK_OK(gb_h5_continue(world, scratch("p.h5"), &f));
  unsigned char all[ROWS] = {1, 2, 3}, back[ROWS];
  CHECK_OK(gb_h5_write_all(f, bytes.name, all));
  CHECK_OK(gb_h5_close(&f, true));
  CHECK(access(scratch("p.h5.part"), F_OK) != 0);
  CHECK_OK(gb_h5_open(world, scratch("p.h5"), &f));
  CHECK_OK(gb_h5_read_all(f, bytes.name, GB_H5_U8, ROWS, back));
  CHECK(!memcmp(all, back, ROWS));
  CHECK_OK(gb_h5_close(&f, true)); /* a file opened for reading stays what it is */
  CHECK(access(scratch("p.h5"), F_OK) == 0);
  CHECK_ALL_FAIL(gb_h5_continue(world, scratch("p.h5"), &f), GB_ERR_IO, scratch("p.h5.part"));
}

/* Several calls, one row each, in chunks that a row does not fill: nothing written before is lost. */
static void writes_in_pieces(void **state)
{
  (void)state;
  gb_h5 *f;
  int64_t row[COLS], all[ROWS * COLS];
  CHECK_OK(gb_h5_create(world, scratch("q.h5"), &f));
  CHECK_OK(gb_h5_add(f, &packed));
  for (size_t i = 0; i < ROWS; i++) {
    bool mine = i % (size_t)world.size == (size_t)world.rank;
    for (size_t c = 0; c < COLS; c++) row[c] = packed_at(i, c);
    CHECK_OK(gb_h5_write(f, packed.name, mine, &(gb_h5_block){{i, 0}, {1, COLS}}, row));
  }
  CHECK_OK(gb_h5_close(&f, true));
  CHECK_OK(gb_h5_open(world, scratch("q.h5"), &f));
  CHECK_OK(gb_h5_read_all(f, packed.name, GB_H5_I64, ROWS * COLS, all));
  for (size_t i = 0; i < ROWS * COLS; i++) CHECK(all[i] == packed_at(i / COLS, i % COLS));
  CHECK_OK(gb_h5_close(&f, false));
}

/* Blocks too large to go in one call, of two sizes, unequally many on the ranks, through chunks that they cut. */
static void large_blocks(void **state)
{
  enum { LINES = 23, WIDTH = 6000 };
  static const gb_h5_spec spec = {.name = "/large",
                                  .type = GB_H5_F32,
                                  .ndim = 3,
                                  .shape = {LINES, 2, WIDTH},
                                  .chunk = {5, 1, 1500},
                                  .unit = "1",
                                  .doc = "Large."};
  gb_h5 *f;
  gb_h5_block block[LINES];
  float *x;
  size_t n = 0, k = 0, whole = LINES * 2 * WIDTH;
  (void)state;
  CHECK_OK(gb_new(&x, whole));
  for (size_t line = 0; line < LINES; line++) {
    size_t owner = line * line % 7 % (size_t)world.size, from = line % 3 == 0 ? 100 : 0;
    if (owner != (size_t)world.rank) continue;
    block[n++] = (gb_h5_block){{line, 0, from}, {1, 2, WIDTH - from}};
    for (size_t i = 0; i < 2; i++)
      for (size_t j = from; j < WIDTH; j++) x[k++] = (float)((line * 2 + i) * WIDTH + j);
  }
  CHECK_OK(gb_h5_create(world, scratch("large.h5"), &f));
  CHECK_OK(gb_h5_add(f, &spec));
  CHECK_OK(gb_h5_write(f, spec.name, n, block, x));
  CHECK_OK(gb_h5_close(&f, true));
  CHECK_OK(gb_h5_open(world, scratch("large.h5"), &f));
  CHECK_OK(gb_h5_read_all(f, spec.name, GB_H5_F32, whole, x));
  for (size_t i = 0; i < whole; i++)
    if (i % WIDTH >= 100 || i / (2 * WIDTH) % 3) CHECK(x[i] == (float)i);
  CHECK_OK(gb_h5_close(&f, false));
  gb_free(&x);
}

/* A writer killed after a sync, in the middle of writing: what the disk holds then opens and can be continued. */
static void survives_a_kill(void **state)
{
  (void)state;
  gb_h5 *f;
  float some[COLS] = {7}, all[ROWS * COLS] = {0}, back[ROWS * COLS];
  CHECK_OK(gb_h5_create(world, scratch("k.h5"), &f));
  CHECK_OK(gb_h5_add(f, &axis));
  CHECK_OK(gb_h5_add(f, &plain));
  CHECK_OK(gb_h5_sync(f));
  for (int part = 0; part < 2; part++) { /* without and with a write that nobody synced */
    if (part) CHECK_OK(gb_h5_write(f, plain.name, world.rank == 0, &(gb_h5_block){{3, 0}, {1, COLS}}, some));
    if (world.rank == 0) {
      size_t n = 0;
      char *now = scratch_get(scratch("k.h5.part"), &n);
      scratch_put(scratch(part ? "written.h5.part" : "synced.h5.part"), now, n);
      free(now);
    }
  }
  CHECK_OK(gb_h5_close(&f, false));
  MPI_Barrier(world.mpi);
  for (int part = 0; part < 2; part++) {
    const char *path = scratch(part ? "written.h5" : "synced.h5");
    CHECK_OK(gb_h5_continue(world, path, &f));
    for (size_t i = 0; i < ROWS * COLS; i++) all[i] = (float)i;
    CHECK_OK(gb_h5_write_all(f, plain.name, all));
    CHECK_OK(gb_h5_close(&f, true));
    CHECK_OK(gb_h5_open(world, path, &f));
    CHECK_OK(gb_h5_read_all(f, plain.name, GB_H5_F32, ROWS * COLS, back));
    CHECK(!memcmp(all, back, sizeof all));
    CHECK_OK(gb_h5_close(&f, false));
  }
}

/* No call may move more than a few bytes: the same contents, and on any ranks the same bytes. */
static void in_small_pieces(void **state)
{
  const size_t usual = gb_pieces_limit;
  static const size_t limit[] = {8, 60, 2000};
  for (size_t i = 0; i < sizeof limit / sizeof *limit; i++) {
    gb_pieces_limit = limit[i];
    reads_back(state);
    files_do_not_depend_on_ranks(state);
    writes_in_pieces(state);
    if (limit[i] >= 2000) large_blocks(state);
  }
  gb_pieces_limit = usual;
}

/* Where the bytes of a dataset begin in the file, which needs a known pattern; rank 0 looks. */
static size_t begin_of(const char *path, const unsigned char *pattern, size_t n)
{
  size_t size = 0;
  char *all = scratch_get(path, &size), *at = memmem(all, size, pattern, n);
  size_t begin = at ? (size_t)(at - all) : 1;
  free(all);
  return begin;
}

/* Stripes, alignment, who writes: hints that arrive at MPI, and files that read the same. */
static void hints(void **state)
{
  static const gb_h5_opts usual = {.collective_buffering = "automatic"},
                          tuned[] = {{4, 0.0625, "enable", 2}, {1, 1, "disable", 0}, {0, 0.125, "automatic", 1}};
  static const char *const key[] = {"striping_factor", "striping_unit", "cb_nodes"};
  static const char *const expected[][3] = {{"4", "65536", "2"}, {"1", "1048576", NULL}, {NULL, "131072", "1"}};
  static unsigned char pattern[3 << 19], back[sizeof pattern];
  gb_h5_spec spec = {.name = "/p", .type = GB_H5_U8, .ndim = 1, .shape = {sizeof pattern}, .unit = "1", .doc = "P."};
  char value[MPI_MAX_INFO_VAL + 1];
  for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (unsigned char)(i * i >> 7);
  for (int i = 0; i < 3; i++) {
    gb_h5 *f;
    gb_h5_tune(&tuned[i]);
    CHECK_OK(gb_h5_create(world, scratch("hints.h5"), &f));
    for (int k = 0; k < 3; k++) /* MPI may have values of its own where none is asked for */
      if (world.size > 1 && expected[i][k]) CHECK(gb_h5_hint(f, key[k], value) && !strcmp(value, expected[i][k]));
    CHECK(world.size > 1 || !gb_h5_hint(f, key[0], value));
    CHECK_OK(gb_h5_add(f, &bytes));
    CHECK_OK(gb_h5_add(f, &spec));
    CHECK_OK(gb_h5_write_all(f, spec.name, pattern));
    CHECK_OK(gb_h5_close(&f, true));
    gb_h5_tune(&usual);
    CHECK_OK(gb_h5_open(world, scratch("hints.h5"), &f));
    CHECK_OK(gb_h5_read_all(f, spec.name, GB_H5_U8, sizeof back, back));
    CHECK(!memcmp(pattern, back, sizeof back));
    CHECK_OK(gb_h5_close(&f, false));
    if (world.rank == 0)
      CHECK(begin_of(scratch("hints.h5"), pattern, sizeof pattern) % (size_t)(tuned[i].stripe_size * 0x1p20) == 0);
    gb_h5_tune(&tuned[i]);
    reads_back(state);
    large_blocks(state);
    survives_a_kill(state);
  }
  gb_h5_tune(&usual);
  CHECK_OK(gb_h5_schema.check(&tuned[0]));
  CHECK_FAILS(gb_h5_schema.check(&(gb_h5_opts){.stripe_size = 0.1}), GB_ERR_CONFIG, "io.stripe_size = 0.1 MiB");
}

/* Element numbers and offsets beyond 32 bits. The file is a hole but for what is written. */
static void more_than_2_to_31_elements(void **state)
{
  enum { N = 100, ENDS = 4 };
  static const uint64_t all = 3000000017, edge = (uint64_t)1 << 31, side = 54773; /* side^2 is just above 3e9 */
  const gb_h5_spec line = {.name = "/line", .type = GB_H5_U8, .ndim = 1, .shape = {all}, .unit = "1", .doc = "Long."};
  const gb_h5_spec plane = {
      .name = "/plane", .type = GB_H5_U8, .ndim = 2, .shape = {side, side}, .unit = "1", .doc = "Wide."};
  /* across element 2^31, twice between, the end; the plane lies beyond byte 2^32 of the file in part */
  const uint64_t start[ENDS] = {edge - N / 2, all - 500000000, edge + 300000000, all - N};
  gb_h5 *f;
  unsigned char x[N], back[N];
  size_t mine = 0;
  gb_h5_block block[ENDS];
  (void)state;
  unsigned char *out = gb_alloc(ENDS, N);
  CHECK(out);
  CHECK_OK(gb_h5_create(world, scratch("sparse.h5"), &f));
  CHECK_OK(gb_h5_add(f, &line));
  CHECK_OK(gb_h5_add(f, &plane));
  static const size_t order[ENDS] = {0, 2, 1, 3}; /* blocks of a call are in increasing order */
  for (size_t k = 0; k < ENDS; k++) {
    if (order[k] % (size_t)world.size != (size_t)world.rank) continue;
    for (size_t i = 0; i < N; i++) out[mine * N + i] = (unsigned char)(order[k] * 50 + i);
    block[mine++] = (gb_h5_block){{start[order[k]]}, {N}};
  }
  CHECK_OK(gb_h5_write(f, line.name, mine, block, out));
  for (size_t i = 0; i < N; i++) x[i] = (unsigned char)(7 * i + (size_t)world.rank);
  gb_h5_block corner = {{side - 10 * ((uint64_t)world.rank + 1), side - 10}, {10, 10}};
  CHECK_OK(gb_h5_write(f, plane.name, 1, &corner, x));
  CHECK_OK(gb_h5_close(&f, true));
  CHECK_OK(gb_h5_open(world, scratch("sparse.h5"), &f));
  uint64_t shape[2];
  CHECK_OK(gb_h5_shape(f, line.name, GB_H5_U8, 1, shape));
  CHECK(shape[0] == all);
  for (size_t k = 0; k < ENDS; k++) { /* each rank reads what all wrote */
    CHECK_OK(gb_h5_read(f, line.name, GB_H5_U8, &(gb_h5_block){{start[k]}, {N}}, back));
    for (size_t i = 0; i < N; i++) CHECK(back[i] == (unsigned char)(k * 50 + i));
    CHECK_OK(gb_h5_read(f, line.name, GB_H5_U8, &(gb_h5_block){{start[k] - N}, {N}}, back));
    for (size_t i = 0; i < N; i++) CHECK(back[i] == 0);
  }
  for (size_t r = 0; r < (size_t)world.size; r++) {
    corner.start[0] = side - 10 * (r + 1);
    CHECK_OK(gb_h5_read(f, plane.name, GB_H5_U8, &corner, back));
    for (size_t i = 0; i < N; i++) CHECK(back[i] == (unsigned char)(7 * i + r));
  }
  CHECK_OK(gb_h5_close(&f, false));
  gb_release(out);
  if (world.rank == 0) unlink(scratch("sparse.h5"));
}

static void wrong_requests(void **state)
{
  (void)state;
  gb_h5 *f;
  float v[ROWS * COLS];
  uint64_t shape[3];
  char *text = NULL;
  make_file(world, scratch("a.h5"), SHARES);
  CHECK_OK(gb_h5_open(world, scratch("a.h5"), &f));
  const char *path = scratch("a.h5");
  gb_h5_block all = {{0, 0}, {ROWS, COLS}};
  CHECK_FAILS(gb_h5_read(f, "/none", GB_H5_F32, &all, v), GB_ERR_IO, path);
  CHECK_FAILS(gb_h5_read(f, plain.name, GB_H5_F64, &all, v), GB_ERR_IO, "is not of type float64");
  CHECK_FAILS(gb_h5_read(f, packed.name, GB_H5_U64, &all, v), GB_ERR_IO, path);
  CHECK_FAILS(gb_h5_read(f, "/meta/config", GB_H5_U8, &all, v), GB_ERR_IO, path);
  CHECK_FAILS(gb_h5_read_all(f, "/meta/config", GB_H5_U8, 1, v), GB_ERR_IO, path);
  CHECK_FAILS(gb_h5_read(f, "/group", GB_H5_F32, &all, v), GB_ERR_IO, path);
  static const gb_h5_block outside[] = {{{0, 0}, {ROWS + 1, COLS}},
                                        {{0, 1}, {1, COLS}},
                                        {{ROWS, 0}, {1, 1}},
                                        {{UINT64_MAX, 0}, {2, 1}},
                                        {{1, 0}, {UINT64_MAX, 1}}};
  for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
    CHECK_FAILS(gb_h5_read(f, plain.name, GB_H5_F32, &outside[i], v), GB_ERR_IO, path);
    CHECK_FAILS(gb_h5_read(f, plain.name, GB_H5_F32, &outside[i], v), GB_ERR_IO, plain.name);
  }
  CHECK_FAILS(gb_h5_read_all(f, plain.name, GB_H5_F32, ROWS, v), GB_ERR_IO, "185 elements, 37 are expected");
  CHECK_FAILS(gb_h5_shape(f, plain.name, GB_H5_F32, 3, shape), GB_ERR_IO, "2 axes, 3 are expected");
  CHECK_FAILS(gb_h5_shape(f, plain.name, GB_H5_I64, 2, shape), GB_ERR_IO, "int64");
  gb_h5_type type;
  CHECK_FAILS(gb_h5_read(f, codes.name, GB_H5_U8, &all, v), GB_ERR_IO, "is not of type uint8");
  CHECK_FAILS(gb_h5_read(f, bytes.name, GB_H5_U16, &(gb_h5_block){{0}, {1}}, v), GB_ERR_IO, "is not of type uint16");
  CHECK_FAILS(gb_h5_stored(f, "/none", &type), GB_ERR_IO, path);
  CHECK_FAILS(gb_h5_stored(f, "/meta/config", &type), GB_ERR_IO, "of a type that this program does not store");
  CHECK_FAILS(gb_h5_get_text(f, "/none", &text), GB_ERR_IO, path);
  CHECK_FAILS(gb_h5_get_text(f, plain.name, &text), GB_ERR_IO, "is not a text");
  CHECK(text == NULL);
  CHECK_OK(gb_h5_close(&f, false));
}

/* A shape that promises more than any file of this size could hold: no room is made for it. */
static void more_than_there_is(void **state)
{
  (void)state;
  static const hsize_t axes[] = {(hsize_t)1 << 32, (hsize_t)1 << 40};
  const char *path = scratch("promises.h5");
  gb_h5 *f;
  uint64_t shape[2];
  double v;
  if (world.rank == 0) {
    hid_t made = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), space = H5Screate_simple(2, axes, NULL);
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(list, 2, (hsize_t[]){2, 2});
    H5Dclose(H5Dcreate2(made, "/x", H5T_IEEE_F64LE, space, H5P_DEFAULT, list, H5P_DEFAULT));
    H5Pclose(list);
    H5Sclose(space);
    H5Fclose(made);
  }
  MPI_Barrier(world.mpi);
  CHECK_OK(gb_h5_open(world, path, &f));
  CHECK_FAILS(gb_h5_shape(f, "/x", GB_H5_F64, 2, shape), GB_ERR_IO, "/x is said to have 3.78e+22 bytes, in a file of");
  CHECK_FAILS(gb_h5_read_all(f, "/x", GB_H5_F64, 1, &v), GB_ERR_IO, path);
  CHECK_OK(gb_h5_close(&f, false));
}

/* One rank is wrong: all are told, none waits. */
static void one_rank_is_wrong(void **state)
{
  (void)state;
  float v[COLS] = {0};
  for (int bad = 0; bad < world.size; bad++) {
    gb_h5 *f;
    CHECK_OK(gb_h5_create(world, scratch("w.h5"), &f));
    CHECK_OK(gb_h5_add(f, &axis));
    CHECK_OK(gb_h5_add(f, &plain));
    gb_h5_block row = {{world.rank == bad ? ROWS : (uint64_t)world.rank, 0}, {1, COLS}};
    CHECK_ALL_FAIL(gb_h5_write(f, plain.name, 1, &row, v), GB_ERR_IO, scratch("w.h5"));
    CHECK_ALL_FAIL(gb_h5_write(f, "/none", 1, &row, v), GB_ERR_IO, scratch("w.h5"));
    CHECK_ALL_FAIL(gb_h5_add(f, &axis), GB_ERR_IO, "/axis/col"); /* it is there already */
    CHECK_OK(gb_h5_close(&f, false));
  }
}

/* A path that is no readable HDF5 file: refused on all ranks, in words, without waiting. */
static void no_files(void **state)
{
  (void)state;
  static const char *const name[] = {"missing.h5", "text.h5",  "empty.h5", "folder.h5",  "fifo.h5",
                                     "cut_a.h5",   "cut_b.h5", "cut_c.h5", "no/where.h5"};
  gb_h5 *f;
  make_file(world, scratch("a.h5"), SHARES);
  if (world.rank == 0) {
    size_t n = 0;
    char *whole = scratch_get(scratch("a.h5"), &n);
    scratch_put(scratch("text.h5"), "this is a text, and a long one as texts go: not HDF5", 52);
    scratch_put(scratch("empty.h5"), "", 0);
    CHECK(mkdir(scratch("folder.h5"), 0777) == 0);
    CHECK(mkfifo(scratch("fifo.h5"), 0666) == 0);
    scratch_put(scratch("cut_a.h5"), whole, 60);
    scratch_put(scratch("cut_b.h5"), whole, n / 2);
    scratch_put(scratch("cut_c.h5"), whole, n - 1);
    free(whole);
  }
  MPI_Barrier(world.mpi);
  for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
    CHECK_ALL_FAIL(gb_h5_open(world, scratch(name[i]), &f), GB_ERR_IO, scratch(name[i]));
    CHECK(f == NULL);
    gb_h5_open(world, scratch(name[i]), &f);
    if (strstr(gb_err_message(), "no reason given")) fail_msg("%s", gb_err_message());
    gb_err_clear();
  }
  CHECK_ALL_FAIL(gb_h5_create(world, scratch("no/where.h5"), &f), GB_ERR_IO, scratch("no/where.h5"));
  CHECK_OK(gb_h5_create(world, scratch("folder.h5"), &f)); /* the name is taken by a folder: told at the end */
  CHECK_ALL_FAIL(gb_h5_close(&f, true), GB_ERR_IO, scratch("folder.h5"));
  CHECK(f == NULL && access(scratch("folder.h5.part"), F_OK) == 0);
  char longest[PATH_MAX + 10];
  memset(longest, 'x', sizeof longest - 1);
  longest[sizeof longest - 1] = 0;
  CHECK_ALL_FAIL(gb_h5_create(world, longest, &f), GB_ERR_IO, "too long");
  CHECK_ALL_FAIL(gb_h5_open(world, longest, &f), GB_ERR_IO, "too long");
}

static const struct CMUnitTest tests[] = {
    TEST(reads_back),
    TEST(files_do_not_depend_on_ranks),
    TEST(names_and_notes),
    TEST(dimension_scales),
    TEST(part_and_commit),
    TEST(writes_in_pieces),
    TEST(in_small_pieces),
    TEST(hints),
    TEST(more_than_2_to_31_elements),
    TEST(large_blocks),
    TEST(survives_a_kill),
    TEST(wrong_requests),
    TEST(more_than_there_is),
    TEST(no_files),
    TEST(one_rank_is_wrong),
};
RUN_ON_RANKS(tests)
