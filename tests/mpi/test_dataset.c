/* tests/mpi/test_dataset.c - rows of a file: splits, batches, both ways of reading, and files that are not as they
 * ought to be. */
#include "data/dataset.h"

#include "base/rng.h"
#include "mpi/small_data.h"

static small_data data; /* what the file was written from */
static bool coded;      /* the tests run twice: float32 and 16-bit angles in the file */

static void fill(uint64_t seed)
{
  data_fill(&data, seed);
  if (coded) data_encode(&data);
}

/* 4 GiB: in memory; 0: row by row. */
static gb_dataset_opts opts_of(const char *path, double memory)
{
  return (gb_dataset_opts){.path = path, .memory = memory};
}

static gb_err open_data(const char *path, double memory, gb_dataset **out)
{
  gb_dataset_opts o = opts_of(path, memory);
  return gb_dataset_open(world, &o, 2, data_shape, out);
}

static const char *written(void)
{
  fill(1);
  data_write(&data, scratch("data.h5"), NULL);
  return scratch("data.h5");
}

/* Place in the file of row `row` of a split: its chain of each temperature in turn. */
static size_t place(size_t split, size_t row)
{
  return (row / DATA_SAMPLES * DATA_CHAINS + split) * DATA_SAMPLES + row % DATA_SAMPLES;
}

static void rows_of_splits(void **state)
{
  (void)state;
  enum { ROWS = DATA_T * DATA_SAMPLES };
  const char *path = written();
  for (int way = 0; way < 2; way++) {
    gb_dataset *d;
    CHECK_OK(open_data(path, way ? 0 : 4, &d));
    CHECK(gb_dataset_width(d) == DATA_WIDTH && gb_dataset_temperatures(d).n == DATA_T);
    CHECK(!memcmp(gb_dataset_temperatures(d).v, data.temperature, sizeof data.temperature));
    size_t held = way ? DATA_N * sizeof(uint64_t)                                        /* checksums */
                      : (coded ? sizeof data.code : sizeof data.x) / (size_t)world.size; /* all ranks are on one node */
    CHECK(gb_dataset_bytes(d) == held + DATA_N * sizeof(uint64_t));
    for (gb_split s = GB_TRAIN; s < GB_SPLITS; s++) {
      uint64_t row[ROWS];
      float x[ROWS][DATA_WIDTH];
      CHECK(gb_dataset_rows(d, s) == ROWS);
      for (size_t i = 0; i < ROWS; i++) row[i] = (i * 5 + (size_t)world.rank * 3) % ROWS; /* each rank its own */
      CHECK_OK(gb_dataset_read(d, s, ROWS, row, x[0]));
      for (size_t i = 0; i < ROWS; i++) {
        CHECK(!memcmp(x[i], data.x[place(s, row[i])], sizeof x[i]));
        CHECK(gb_dataset_temperature_of(d, s, row[i]) == row[i] / DATA_SAMPLES);
      }
    }
    gb_dataset_close(&d);
    CHECK(!d);
    gb_dataset_close(&d);
  }
}

/* Ranks may read different numbers of rows at different times: nothing in it waits for others. */
static void reading_is_local(void **state)
{
  (void)state;
  gb_dataset *d;
  CHECK_OK(open_data(written(), 0, &d));
  for (int k = 0; k <= 3 * world.rank; k++) {
    uint64_t row = (uint64_t)(k * 5 + world.rank) % (DATA_T * DATA_SAMPLES);
    float x[DATA_WIDTH];
    CHECK_OK(gb_dataset_read(d, GB_TEST, 1, &row, x));
    CHECK(!memcmp(x, data.x[place(GB_TEST, row)], sizeof x));
  }
  gb_dataset_close(&d);
}

/* A split that is not by chains; one that is empty. */
static void any_split(void **state)
{
  (void)state;
  gb_dataset *d;
  size_t n[GB_SPLITS] = {0};
  fill(2);
  for (size_t i = 0; i < DATA_N; i++) data.split[i] = i % 5 == 1 ? GB_TEST : GB_TRAIN;
  data_write(&data, scratch("any.h5"), NULL);
  CHECK_OK(open_data(scratch("any.h5"), 4, &d));
  for (size_t i = 0; i < DATA_N; i++) {
    float x[DATA_WIDTH];
    uint64_t row = n[data.split[i]]++;
    CHECK_OK(gb_dataset_read(d, (gb_split)data.split[i], 1, &row, x));
    CHECK(!memcmp(x, data.x[i], sizeof x));
    CHECK(gb_dataset_temperature_of(d, (gb_split)data.split[i], row) == i / (DATA_CHAINS * DATA_SAMPLES));
  }
  for (int s = 0; s < GB_SPLITS; s++) CHECK(gb_dataset_rows(d, (gb_split)s) == n[s]);
  CHECK(n[GB_VALIDATION] == 0);
  gb_dataset_close(&d);
}

/* 36 training rows, batches of 8: epochs end in the middle of batches. */
static void batches(void **state)
{
  (void)state;
  enum { ROWS = DATA_T * DATA_SAMPLES, BATCH = 8, EPOCHS = 4, STEPS = ROWS * EPOCHS / BATCH };
  gb_dataset *d;
  uint64_t row[STEPS * BATCH], other[BATCH];
  CHECK_OK(open_data(written(), 4, &d));
  for (uint64_t s = 0; s < STEPS; s++) gb_dataset_batch(d, 9, s, BATCH, 0, BATCH, row + s * BATCH);
  CHECK(same_on_all(row, sizeof row));
  for (int e = 0; e < EPOCHS; e++) { /* every row once an epoch */
    int seen[ROWS] = {0};
    for (size_t i = 0; i < ROWS; i++) {
      CHECK(row[e * ROWS + i] < ROWS);
      seen[row[e * ROWS + i]]++;
    }
    for (size_t i = 0; i < ROWS; i++) CHECK(seen[i] == 1);
  }
  CHECK(memcmp(row, row + ROWS, ROWS * sizeof *row)); /* in another order each time */
  CHECK(memcmp(row, row + 2 * ROWS, ROWS * sizeof *row));
  size_t in_place = 0;
  for (size_t i = 0; i < ROWS; i++) in_place += row[i] == i;
  CHECK(in_place < ROWS / 2); /* not as in the file */
  /* a pure function: any part of any batch, in any order */
  for (uint64_t s = STEPS; s-- > 0;)
    for (size_t first = 0; first < BATCH; first += 2) {
      gb_dataset_batch(d, 9, s, BATCH, first, 2, other);
      CHECK(!memcmp(other, row + s * BATCH + first, 2 * sizeof *other));
    }
  gb_dataset_batch(d, 10, 0, BATCH, 0, BATCH, other);
  CHECK(memcmp(other, row, sizeof other));                      /* another seed */
  gb_dataset_batch(d, 9, 999999999999, BATCH, 0, BATCH, other); /* the most steps */
  for (int i = 0; i < BATCH; i++) CHECK(other[i] < ROWS);
  gb_dataset_close(&d);
}

/* A batch larger than the training set takes rows again, evenly. */
static void large_batches(void **state)
{
  (void)state;
  enum { ROWS = DATA_T * DATA_SAMPLES, BATCH = 2 * ROWS };
  gb_dataset *d;
  uint64_t row[BATCH];
  int seen[ROWS] = {0};
  CHECK_OK(open_data(written(), 4, &d));
  gb_dataset_batch(d, 1, 3, BATCH, 0, BATCH, row);
  for (size_t i = 0; i < BATCH; i++) seen[row[i]]++;
  for (size_t i = 0; i < ROWS; i++) CHECK(seen[i] == 2);
  gb_dataset_close(&d);
}

/* The fingerprint follows the samples, not the way of reading. */
static void fingerprints(void **state)
{
  (void)state;
  uint64_t print[3];
  for (int i = 0; i < 3; i++) {
    gb_dataset *d;
    fill(1);
    if (i == 2) {
      data.x[DATA_N - 1][3] += 1;
      if (coded)
        data_encode(&data);
      else
        data.checksum[DATA_N - 1] = gb_hash64(data.x[DATA_N - 1], sizeof *data.x);
    }
    data_write(&data, scratch("print.h5"), NULL);
    CHECK_OK(open_data(scratch("print.h5"), i == 1 ? 0 : 4, &d));
    print[i] = gb_dataset_fingerprint(d);
    gb_dataset_close(&d);
  }
  CHECK(print[0] == print[1] && print[0] != print[2] && same_on_all(print, sizeof print));
}

static void missing_parts(void **state)
{
  (void)state;
  static const char *const name[] = {"/temperature", "/split", "/checksum", "/configurations"};
  gb_dataset *d = NULL;
  CHECK_ALL_FAIL(open_data(scratch("nowhere.h5"), 4, &d), GB_ERR_IO, "nowhere.h5");
  CHECK(!d);
  if (world.rank == 0) scratch_put(scratch("text.h5"), "not HDF5 at all", 15);
  MPI_Barrier(world.mpi);
  CHECK_ALL_FAIL(open_data(scratch("text.h5"), 4, &d), GB_ERR_IO, "text.h5");
  CHECK(!d);
  fill(1);
  for (int i = 0; i < 4; i++) {
    data_write(&data, scratch("part.h5"), name[i]);
    CHECK_ALL_FAIL(open_data(scratch("part.h5"), 4, &d), GB_ERR_IO, name[i]);
    CHECK(!d);
  }
}

static void another_shape(void **state)
{
  (void)state;
  const char *path = written();
  static const size_t shape[][2] = {{6, 6}, {4, 2}, {2, 4}};
  static const char *const message[] = {"holds samples of 4 x 4, the config says 6 x 6", "4 x 4, the config says 4 x 2",
                                        "4 x 4, the config says 2 x 4"};
  gb_dataset_opts o = opts_of(path, 4);
  gb_dataset *d = NULL;
  for (int i = 0; i < 3; i++) {
    CHECK_ALL_FAIL(gb_dataset_open(world, &o, 2, shape[i], &d), GB_ERR_CONFIG, message[i]);
    CHECK(!d);
  }
  CHECK_ALL_FAIL(gb_dataset_open(world, &o, 1, data_shape, &d), GB_ERR_IO, "/configurations"); /* one axis too many */
}

static void unknown_split(void **state)
{
  (void)state;
  gb_dataset *d = NULL;
  fill(1);
  data.split[40] = 7;
  data_write(&data, scratch("seven.h5"), NULL);
  CHECK_ALL_FAIL(open_data(scratch("seven.h5"), 4, &d), GB_ERR_IO, "/split holds 7; 0, 1 and 2 are known");
  CHECK(!d);
}

/* The last rank reads a row; all hear how it went. */
static gb_err last_rank_reads(gb_dataset *d, gb_split split, uint64_t row)
{
  float x[DATA_WIDTH];
  return gb_comm_agree(world, world.rank == world.size - 1 ? gb_dataset_read(d, split, 1, &row, x) : GB_OK);
}

/* A flipped bit in a sample: found when the file is opened, or row by row when that row is read, on whichever rank. */
static void damaged_samples(void **state)
{
  (void)state;
  enum { BAD = (2 * DATA_CHAINS + GB_VALIDATION) * DATA_SAMPLES + 5 }; /* temperature 2, sample 5 of chain 1 */
  static const char message[] = "sample 5 of chain 1 at temperature 2 does not match its checksum: the file is damaged";
  gb_dataset *d = NULL;
  float x[DATA_WIDTH];
  uint32_t bits;
  uint64_t row = 2 * DATA_SAMPLES + 5;
  fill(1);
  data.code[BAD][DATA_WIDTH - 1] ^= 1; /* the last bit of the last angle */
  memcpy(&bits, &data.x[BAD][DATA_WIDTH - 1], sizeof bits);
  bits ^= 1;
  memcpy(&data.x[BAD][DATA_WIDTH - 1], &bits, sizeof bits);
  data_write(&data, scratch("flipped.h5"), NULL);
  CHECK_ALL_FAIL(open_data(scratch("flipped.h5"), 4, &d), GB_ERR_IO, message);
  CHECK(!d);
  CHECK_OK(open_data(scratch("flipped.h5"), 0, &d));
  for (uint64_t i = 0; i < gb_dataset_rows(d, GB_VALIDATION); i++)
    if (i != row) CHECK_OK(gb_dataset_read(d, GB_VALIDATION, 1, &i, x));
  CHECK_ALL_FAIL(last_rank_reads(d, GB_VALIDATION, row), GB_ERR_IO, message);
  gb_dataset_close(&d);
}

/* Angles that went through 16 bits are near those that did not; other types than these two are refused. */
static void storages(void **state)
{
  (void)state;
  static small_data angles;
  gb_dataset *d = NULL;
  data_fill(&angles, 1);
  fill(1);
  for (size_t i = 0; i < DATA_N; i++)
    for (size_t k = 0; k < DATA_WIDTH; k++)
      CHECK_NEAR(remainder((double)(data.x[i][k] - angles.x[i][k]), 2 * M_PI), 0, M_PI / 65536 + 1e-6);
  data.type = GB_H5_U8;
  data_write(&data, scratch("bytes.h5"), NULL);
  CHECK_ALL_FAIL(open_data(scratch("bytes.h5"), 4, &d), GB_ERR_IO,
                 "/configurations is neither of type float32 nor uint16");
  CHECK(!d);
}

/* A data set that has as many temperatures as it says. */
static void temperatures_that_disagree(void **state)
{
  (void)state;
  gb_dataset *d = NULL;
  fill(1);
  if (world.rank == 0) {
    gb_h5 *f;
    gb_h5_spec s = {
        .name = "/temperature", .type = GB_H5_F64, .ndim = 1, .shape = {DATA_T - 1}, .unit = "energy", .doc = "Test."};
    CHECK_OK(gb_h5_create(self, scratch("three.h5"), &f));
    CHECK_OK(gb_h5_add(f, &s));
    CHECK_OK(gb_h5_write_all(f, s.name, data.temperature));
    data_put(f, "/split", GB_H5_U8, 3, data.split);
    data_put(f, "/checksum", GB_H5_U64, 3, data.checksum);
    data_put(f, "/configurations", data.type, 5, data_stored(&data));
    CHECK_OK(gb_h5_close(&f, true));
  }
  MPI_Barrier(world.mpi);
  CHECK_ALL_FAIL(open_data(scratch("three.h5"), 4, &d), GB_ERR_IO, "3 temperatures, but samples at 4");
}

enum { BATCH = 12, SEED = 9 };

/* Row `number` of the training batch of a step, by itself. */
static void one_row(gb_dataset *d, uint64_t step, size_t number, float *x)
{
  CHECK_OK(gb_dataset_training(d, SEED, step, BATCH, number, 1, x));
}

/* Held in memory, read when asked for, read ahead: the same samples, whatever the steps, the parts of a batch and what
 * is read in between. Without symmetries they are the rows of the batch. */
static void training_samples(void **state)
{
  (void)state;
  const char *path = written();
  static const uint64_t steps[] = {0, 1, 2, 3, 3, 7, 8, 2, 100000, 100001};
  for (unsigned set = 0; set < 2; set++) {
    gb_dataset *held, *ahead;
    gb_range mine = gb_comm_share(world, BATCH);
    CHECK_OK(open_data(path, 4, &held));
    CHECK_OK(open_data(path, 0, &ahead));
    CHECK_OK(gb_dataset_ahead(ahead, SEED, BATCH, mine.first, mine.count));
    if (set) CHECK_OK(gb_dataset_augment(held, GB_SPIN_ROTATION | GB_TRANSLATION | GB_LATTICE_ROTATION));
    if (set) CHECK_OK(gb_dataset_augment(ahead, GB_SPIN_ROTATION | GB_TRANSLATION | GB_LATTICE_ROTATION));
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
      float all[BATCH][DATA_WIDTH], mine_of[BATCH][DATA_WIDTH], one[DATA_WIDTH], plain[DATA_WIDTH];
      uint64_t row[BATCH];
      size_t half = mine.count / 2;
      CHECK_OK(gb_dataset_training(held, SEED, steps[s], BATCH, 0, BATCH, all[0]));
      CHECK_OK(gb_dataset_training(ahead, SEED, steps[s], BATCH, mine.first, half, mine_of[0]));
      if (s % 3 == 0) CHECK_OK(gb_dataset_read(ahead, GB_VALIDATION, 1, &steps[0], plain)); /* between two parts */
      CHECK_OK(gb_dataset_training(ahead, SEED, steps[s], BATCH, mine.first + half, mine.count - half, mine_of[half]));
      CHECK(!memcmp(mine_of, all[mine.first], mine.count * sizeof *all));
      size_t other = (mine.first + mine.count) % BATCH; /* of another rank, if there is one */
      one_row(ahead, steps[s], other, one);
      CHECK(!memcmp(one, all[other], sizeof one));
      gb_dataset_batch(held, SEED, steps[s], BATCH, 0, BATCH, row);
      for (size_t i = 0; i < BATCH; i++) {
        CHECK_OK(gb_dataset_read(held, GB_TRAIN, 1, &row[i], plain));
        CHECK(!memcmp(plain, all[i], sizeof plain) == !set);
      }
      CHECK(same_on_all(all, sizeof all));
    }
    gb_dataset_close(&held);
    gb_dataset_close(&ahead);
  }
}

/* Moved anew in each step, but never what validation or a report reads. */
static void only_training_is_moved(void **state)
{
  (void)state;
  gb_dataset *d;
  float a[DATA_WIDTH], b[DATA_WIDTH];
  CHECK_OK(open_data(written(), 4, &d));
  CHECK_OK(gb_dataset_augment(d, GB_SPIN_ROTATION));
  for (size_t step = 0; step < 5; step++) {
    float turn = 0;
    uint64_t row;
    gb_dataset_batch(d, SEED, step, BATCH, 3, 1, &row);
    one_row(d, step, 3, a);
    CHECK_OK(gb_dataset_read(d, GB_TRAIN, 1, &row, b));
    CHECK(!memcmp(b, data.x[place(GB_TRAIN, row)], sizeof b));
    for (int i = 0; i < DATA_WIDTH; i++) {
      float by = (float)remainder((double)a[i] - (double)b[i], 2 * M_PI);
      if (i) CHECK_NEAR(remainder((double)(by - turn), 2 * M_PI), 0, 2e-6);
      turn = by;
    }
    CHECK(fabsf(turn) > 1e-4f);
  }
  gb_dataset_close(&d);
}

/* A sample that was damaged is found when it is used, though it was read a step before; the data set can be used on,
 * and closed while it reads. */
static void background_failures(void **state)
{
  (void)state;
  gb_dataset *d = NULL;
  float x[BATCH][DATA_WIDTH];
  size_t failed = 0;
  fill(1);
  data.code[place(GB_TRAIN, 11)][0] ^= 1;
  data.x[place(GB_TRAIN, 11)][0] += 1;
  data_write(&data, scratch("flipped.h5"), NULL);
  CHECK_OK(open_data(scratch("flipped.h5"), 0, &d));
  CHECK_OK(gb_dataset_ahead(d, SEED, BATCH, 0, BATCH));
  for (uint64_t step = 0; step < 6; step++) { /* two epochs of three steps */
    gb_err_clear();
    gb_err e = gb_dataset_training(d, SEED, step, BATCH, 0, BATCH, x[0]);
    if (!e) continue;
    CHECK(e == GB_ERR_IO && strstr(gb_err_message(), "does not match its checksum: the file is damaged"));
    failed++;
  }
  gb_err_clear();
  CHECK(failed == 2);
  gb_dataset_close(&d);
  gb_h5 *f = NULL; /* a block that is not there: the thread fails, and says so once it is asked */
  static const gb_h5_block beyond = {{DATA_T, 0, 0}, {1, 1, 1}};
  uint64_t hash;
  CHECK_OK(gb_h5_open(self, scratch("flipped.h5"), &f));
  for (int asked = 0; asked < 2; asked++) {
    gb_h5_read_start(f, &(gb_h5_want){"/checksum", GB_H5_U64, 1, &beyond, &hash});
    CHECK(gb_h5_has(f, "/checksum")); /* other uses wait for the thread, and do not take its failure */
    if (asked) CHECK_FAILS(gb_h5_read_wait(f), GB_ERR_IO, "items 4 ... 5 of axis 0 were asked for; it has 4");
    if (asked) CHECK_OK(gb_h5_read_wait(f));
  }
  CHECK_OK(gb_h5_close(&f, false));
  CHECK(!*gb_err_message());
}

static int begin_floats(void **state)
{
  coded = false;
  return check_begin(state);
}

static int begin_codes(void **state)
{
  coded = true;
  return check_begin(state);
}

#define BOTH(f)                                                                                                        \
  {#f ", float32", f, begin_floats, check_end, NULL},                                                                  \
  {                                                                                                                    \
#f ", uint16", f, begin_codes, check_end, NULL                                                                     \
  }

static const struct CMUnitTest tests[] = {
    BOTH(rows_of_splits),
    BOTH(reading_is_local),
    BOTH(any_split),
    BOTH(batches),
    BOTH(large_batches),
    BOTH(fingerprints),
    BOTH(missing_parts),
    BOTH(another_shape),
    BOTH(unknown_split),
    BOTH(damaged_samples),
    BOTH(storages),
    BOTH(temperatures_that_disagree),
    BOTH(training_samples),
    BOTH(only_training_is_moved),
    BOTH(background_failures),
};
RUN_ON_RANKS(tests)
