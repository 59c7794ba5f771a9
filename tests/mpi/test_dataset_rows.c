/* tests/mpi/test_dataset_rows.c - files of independent rows, of images, and foreign files of labelled images. */
#include "base/hash.h"

#include "base/rng.h"
#include "data/dataset.h"
#include "io/h5.h"
#include "mpi/small_data.h"
#include <sys/stat.h>

enum { N = 40, FRAMES = 6, SEEN = 2, SIDE = 5, WIDTH = FRAMES * SEEN, PIXELS = SIDE * SIDE * 3 };

static const size_t row_shape[] = {FRAMES, SEEN}, image_shape[] = {SIDE, SIDE, 3};

static float x[N][WIDTH];
static uint8_t image[N][PIXELS], split[N];
static uint64_t checksum[N];
static double omega[N];

static void fill(void)
{
  for (size_t i = 0; i < N; i++) {
    uint32_t w[PIXELS];
    gb_rng_words(gb_rng_key(3, GB_RNG_TEST, i, 0), 0, PIXELS, w);
    for (size_t k = 0; k < WIDTH; k++) x[i][k] = (float)(10 * gb_rng_unit(w[k])); /* beyond pi: no angles */
    for (size_t k = 0; k < PIXELS; k++) image[i][k] = (uint8_t)(w[k] >> 24);
    split[i] = i < 24 ? GB_TRAIN : i < 33 ? GB_VALIDATION : GB_TEST;
    omega[i] = gb_rng_unit(w[0]);
  }
}

static void put(gb_h5 *f, gb_h5_spec s, const void *v)
{
  s.unit = "1";
  s.doc = "Test.";
  s.shape[0] = N;
  CHECK_OK(gb_h5_add(f, &s));
  CHECK_OK(gb_h5_write_all(f, s.name, v));
}

static const gb_h5_spec of_rows = {.name = "/observables", .type = GB_H5_F32, .ndim = 3, .shape = {N, FRAMES, SEEN}},
                        of_images = {.name = "/images", .type = GB_H5_U8, .ndim = 4, .shape = {N, SIDE, SIDE, 3}};

/* What greybox-generate writes. */
static const char *written(const char *name, bool images)
{
  fill();
  for (size_t i = 0; i < N; i++)
    checksum[i] = images ? gb_hash64(image[i], sizeof image[i]) : gb_hash64(x[i], sizeof x[i]);
  if (world.rank == 0) {
    gb_h5 *f;
    CHECK_OK(gb_h5_create(self, scratch(name), &f));
    put(f, images ? of_images : of_rows, images ? (void *)image : x);
    put(f, (gb_h5_spec){.name = "/split", .type = GB_H5_U8, .ndim = 1}, split);
    put(f, (gb_h5_spec){.name = "/checksum", .type = GB_H5_U64, .ndim = 1}, checksum);
    put(f, (gb_h5_spec){.name = "/truth/omega", .type = GB_H5_F64, .ndim = 1}, omega);
    CHECK_OK(gb_h5_close(&f, true));
  }
  MPI_Barrier(world.mpi);
  return scratch(name);
}

static gb_dataset_opts options(const char *path, double memory)
{
  return (gb_dataset_opts){.path = path,
                           .memory = memory,
                           .import_class = 6,
                           .import_training = 8,
                           .import_validation = 4,
                           .import_seed = 1};
}

static gb_err open_rows(const char *path, double memory, int ndim, const size_t shape[], gb_dataset **out)
{
  gb_dataset_opts o = options(path, memory);
  return gb_dataset_open(world, &o, ndim, shape, out);
}

static size_t place(gb_split s, size_t row)
{
  return row + (s == GB_TRAIN ? 0 : s == GB_VALIDATION ? 24 : 33);
}

static void decoded(size_t i, bool images, float out[])
{
  if (!images) memcpy(out, x[i], sizeof x[i]);
  for (size_t k = 0; k < PIXELS && images; k++) out[k] = (float)image[i][k] / 255;
}

static void rows_and_images(void **state)
{
  (void)state;
  for (int way = 0; way < 4; way++) {
    bool images = way & 1, held = way & 2;
    size_t width = images ? PIXELS : WIDTH, stored = images ? PIXELS : WIDTH * sizeof(float);
    gb_dataset *d;
    float one[PIXELS], wanted[PIXELS];
    CHECK_OK(open_rows(written("rows.h5", images), held ? 4 : 0, images ? 3 : 2, images ? image_shape : row_shape, &d));
    CHECK(gb_dataset_width(d) == width && gb_dataset_temperatures(d).n == 0 && !*gb_dataset_note(d));
    CHECK(gb_dataset_rows(d, GB_TRAIN) == 24 && gb_dataset_rows(d, GB_VALIDATION) == 9);
    for (gb_split s = GB_TRAIN; s < GB_SPLITS; s++)
      for (uint64_t i = gb_dataset_rows(d, s); i-- > 0;) {
        CHECK_OK(gb_dataset_read(d, s, 1, &i, one));
        decoded(place(s, i), images, wanted);
        CHECK(!memcmp(one, wanted, width * sizeof *one));
      }
    size_t bytes = held ? N * stored / (size_t)world.size : N * sizeof(uint64_t) + stored;
    CHECK(gb_dataset_bytes(d) == N * sizeof(uint64_t) + bytes);
    CHECK(gb_dataset_fingerprint(d) == gb_hash64(checksum, sizeof checksum));
    gb_dataset_close(&d);
  }
}

static void truth(void **state)
{
  (void)state;
  gb_dataset *d;
  double v[N];
  CHECK_OK(open_rows(written("rows.h5", false), 4, 2, row_shape, &d));
  CHECK(gb_dataset_has_truth(d, "omega") && !gb_dataset_has_truth(d, "gamma"));
  for (gb_split s = GB_TRAIN; s < GB_SPLITS; s++) {
    CHECK_OK(gb_dataset_truth(d, s, "omega", v));
    for (size_t i = 0; i < gb_dataset_rows(d, s); i++) CHECK(v[i] == omega[place(s, i)]);
  }
  CHECK_FAILS(gb_dataset_truth(d, GB_TEST, "gamma", v), GB_ERR_IO, "rows.h5: there is no /truth/gamma");
  gb_dataset_close(&d);
}

static void damaged_rows(void **state)
{
  (void)state;
  gb_dataset *d = NULL;
  written("rows.h5", true);
  if (world.rank == 0) { /* the sample is stored in the clear: find its bytes and change one */
    FILE *file = fopen(scratch("rows.h5"), "r+b");
    static char all[1 << 16];
    size_t n = fread(all, 1, sizeof all, file), at = 0;
    while (at + PIXELS < n && memcmp(all + at, image[27], PIXELS)) at++;
    CHECK(at + PIXELS < n);
    fseek(file, (long)at + 2, SEEK_SET);
    fputc(all[at + 2] ^ 4, file);
    fclose(file);
  }
  MPI_Barrier(world.mpi);
  CHECK_ALL_FAIL(open_rows(scratch("rows.h5"), 4, 3, image_shape, &d), GB_ERR_IO, "checksum at its end");
  if (world.rank == 0) { /* without that one: an older file */
    struct stat st;
    CHECK(stat(scratch("rows.h5"), &st) == 0 && truncate(scratch("rows.h5"), st.st_size - 47) == 0);
  }
  MPI_Barrier(world.mpi);
  CHECK_ALL_FAIL(open_rows(scratch("rows.h5"), 4, 3, image_shape, &d), GB_ERR_IO,
                 "row 27 does not match its checksum: the file is damaged");
  CHECK(!d);
}

static void other_shapes(void **state)
{
  (void)state;
  static const size_t larger[] = {SIDE + 1, SIDE, 3}, longer[] = {FRAMES + 1, SEEN};
  gb_dataset *d = NULL;
  const char *rows = written("rows.h5", false), *images = written("images.h5", true);
  CHECK_ALL_FAIL(open_rows(rows, 4, 2, longer, &d), GB_ERR_CONFIG, "holds samples of 6 x 2, the config says 7 x 2");
  CHECK_ALL_FAIL(open_rows(images, 4, 3, larger, &d), GB_ERR_CONFIG,
                 "holds samples of 5 x 5 x 3, the config says 6 x 5 x 3");
  CHECK_ALL_FAIL(open_rows(rows, 4, 3, image_shape, &d), GB_ERR_IO, "/observables has 3 axes, 4 are expected");
  CHECK_ALL_FAIL(open_rows(images, 4, 2, row_shape, &d), GB_ERR_IO, "/images has 4 axes, 3 are expected");
  CHECK(!d);
}

/* Every element of the square's group occurs, moves the three channels of a pixel together, and is the same whether
 * rows are held or read ahead. */
static void images_are_moved(void **state)
{
  (void)state;
  enum { BATCH = 8, STEPS = 12 };
  const char *path = written("images.h5", true);
  gb_dataset *held, *ahead;
  gb_range mine = gb_comm_share(world, BATCH);
  bool seen[2][2][2] = {{{false}}};
  CHECK_OK(open_rows(path, 4, 3, image_shape, &held));
  CHECK_OK(open_rows(path, 0, 3, image_shape, &ahead));
  CHECK_OK(gb_dataset_augment(held, GB_LATTICE_REFLECTION | GB_LATTICE_ROTATION));
  CHECK_OK(gb_dataset_augment(ahead, GB_LATTICE_REFLECTION | GB_LATTICE_ROTATION));
  CHECK_OK(gb_dataset_ahead(ahead, 5, BATCH, mine.first, mine.count));
  for (uint64_t step = 0; step < STEPS; step++) {
    float all[BATCH][PIXELS], part[BATCH][PIXELS];
    uint64_t row[BATCH];
    gb_dataset_batch(held, 5, step, BATCH, 0, BATCH, row);
    CHECK_OK(gb_dataset_training(held, 5, step, BATCH, 0, BATCH, all[0]));
    CHECK_OK(gb_dataset_training(ahead, 5, step, BATCH, mine.first, mine.count, part[0]));
    CHECK(!memcmp(all[mine.first], part, mine.count * sizeof *part));
    for (int i = 0; i < BATCH; i++) {
      int found = 0;
      float plain[PIXELS];
      decoded(row[i], true, plain);
      for (int g = 0; g < 8; g++) {
        int across = g & 1, up = g >> 1 & 1, left = g >> 2;
        bool equal = true;
        for (int a = 0; a < SIDE; a++)
          for (int b = 0; b < SIDE; b++) {
            int y = up ? SIDE - 1 - a : a, z = left ? SIDE - 1 - b : b;
            equal &= !memcmp(all[i] + 3 * (a * SIDE + b), plain + 3 * (across ? z * SIDE + y : y * SIDE + z),
                             3 * sizeof(float));
          }
        found += equal;
        seen[across][up][left] |= equal;
      }
      CHECK(found == 1);
    }
  }
  for (int g = 0; g < 8; g++) CHECK(seen[g & 1][g >> 1 & 1][g >> 2]);
  gb_dataset_close(&held);
  gb_dataset_close(&ahead);
}

/* Numbers that are no angles are not wrapped. */
static void plain_numbers(void **state)
{
  (void)state;
  gb_dataset *d;
  float one[WIDTH], sum = 0, wanted = 0;
  uint64_t row;
  CHECK_OK(open_rows(written("rows.h5", false), 4, 2, row_shape, &d));
  CHECK_OK(gb_dataset_augment(d, GB_LATTICE_REFLECTION));
  gb_dataset_batch(d, 1, 0, 1, 0, 1, &row);
  CHECK_OK(gb_dataset_training(d, 1, 0, 1, 0, 1, one));
  for (int k = 0; k < WIDTH; k++) {
    sum += one[k];
    wanted += x[row][k];
  }
  CHECK_NEAR((double)sum, (double)wanted, 1e-4);
  gb_dataset_close(&d);
}

/* --- a foreign file: 40 images, every third or so of class 6, in compressed chunks that cut images. */

static int64_t label(size_t i)
{
  return i % 3 == 1 || i == 20 || i == 21 ? 6 : (int64_t)(i % 5);
}

enum { OF_CLASS = 15 };

static const char *foreign(gb_h5_spec s, const void *v, gb_h5_type ans, int64_t shift)
{
  static union {
    int64_t i64[N];
    uint8_t u8[N];
    uint16_t u16[N];
    float f32[N];
  } labels;
  fill();
  for (size_t i = 0; i < N; i++) {
    int64_t l = label(i) + shift;
    if (ans == GB_H5_I64) labels.i64[i] = l;
    if (ans == GB_H5_U8) labels.u8[i] = (uint8_t)l;
    if (ans == GB_H5_U16) labels.u16[i] = (uint16_t)l;
    if (ans == GB_H5_F32) labels.f32[i] = (float)l;
  }
  if (world.rank == 0) {
    gb_h5 *f;
    CHECK_OK(gb_h5_create(self, scratch("Galaxy10.h5"), &f));
    put(f, s, v);
    put(f, (gb_h5_spec){.name = "/ans", .type = ans, .ndim = 1}, &labels);
    CHECK_OK(gb_h5_close(&f, true));
  }
  MPI_Barrier(world.mpi);
  return scratch("Galaxy10.h5");
}

static gb_h5_spec packed(void)
{
  gb_h5_spec s = of_images;
  static const uint64_t chunk[] = {7, 3, 2, 1};
  memcpy(s.chunk, chunk, sizeof chunk);
  s.deflate = 4;
  return s;
}

/* Which images a data set deals out for what, as a number; all of them are of the class, each once. */
static void dealt(gb_dataset *d, int to[N])
{
  static const size_t rows[GB_SPLITS] = {8, 4, OF_CLASS - 12};
  for (int i = 0; i < N; i++) to[i] = -1;
  for (gb_split s = GB_TRAIN; s < GB_SPLITS; s++) {
    CHECK(gb_dataset_rows(d, s) == rows[s]);
    for (uint64_t i = 0; i < rows[s]; i++) {
      float one[PIXELS], wanted[PIXELS];
      size_t k = 0;
      CHECK_OK(gb_dataset_read(d, s, 1, &i, one));
      for (; k < N; k++) {
        decoded(k, true, wanted);
        if (!memcmp(one, wanted, sizeof one)) break;
      }
      CHECK(k < N && label(k) == 6 && to[k] < 0);
      to[k] = (int)s;
    }
  }
}

static void importer(void **state)
{
  (void)state;
  static const gb_h5_type types[] = {GB_H5_I64, GB_H5_U8, GB_H5_U16};
  int first[N], to[N];
  uint64_t print = 0;
  for (int way = 0; way < 6; way++) {
    gb_dataset *d;
    const char *path = foreign(way & 1 ? packed() : of_images, image, types[way / 2], 0);
    for (int held = 0; held < 2; held++) {
      CHECK_OK(open_rows(path, held ? 4 : 0, 3, image_shape, &d));
      dealt(d, to);
      if (way + held == 0) {
        memcpy(first, to, sizeof first);
        print = gb_dataset_fingerprint(d);
      }
      CHECK(!memcmp(first, to, sizeof first) && print == gb_dataset_fingerprint(d) && same_on_all(to, sizeof to));
      CHECK(strstr(gb_dataset_note(d), "15 of 40 images are of class 6") && !strstr(gb_dataset_note(d), "Warning"));
      CHECK(!gb_dataset_has_truth(d, "e"));
      gb_dataset_close(&d);
    }
  }
  gb_dataset_opts o = options(scratch("Galaxy10.h5"), 4);
  gb_dataset *d;
  o.import_seed = 2;
  CHECK_OK(gb_dataset_open(world, &o, 3, image_shape, &d));
  dealt(d, to);
  CHECK(memcmp(first, to, sizeof first) && print != gb_dataset_fingerprint(d));
  gb_dataset_close(&d);
}

static void odd_foreign_files(void **state)
{
  (void)state;
  gb_dataset *d = NULL;
  static float numbers[N][PIXELS];
  static uint8_t more[N][SIDE * SIDE * 4];
  static const size_t four[] = {SIDE, SIDE, 4};
  gb_h5_spec s = of_images;
  s.ndim = 3;
  s.shape[2] = SIDE * 3;
  CHECK_ALL_FAIL(open_rows(foreign(s, image, GB_H5_U8, 0), 4, 3, image_shape, &d), GB_ERR_IO,
                 "/images has 3 axes, 4 are expected");
  s = of_images;
  s.type = GB_H5_F32;
  CHECK_ALL_FAIL(open_rows(foreign(s, numbers, GB_H5_U8, 0), 4, 3, image_shape, &d), GB_ERR_IO,
                 "/images is not of type uint8");
  s = of_images;
  s.shape[3] = 4;
  CHECK_ALL_FAIL(open_rows(foreign(s, more, GB_H5_U8, 0), 4, 3, image_shape, &d), GB_ERR_CONFIG,
                 "holds samples of 5 x 5 x 4, the config says 5 x 5 x 3");
  CHECK_ALL_FAIL(open_rows(scratch("Galaxy10.h5"), 4, 3, four, &d), GB_ERR_IO, "/images has 4 channels");
  CHECK_ALL_FAIL(open_rows(foreign(of_images, image, GB_H5_F32, 0), 4, 3, image_shape, &d), GB_ERR_IO,
                 "/ans does not hold integers");
  CHECK_ALL_FAIL(open_rows(foreign(of_images, image, GB_H5_I64, 100), 4, 3, image_shape, &d), GB_ERR_CONFIG,
                 "holds no image of class 6");
  gb_dataset_opts o = options(foreign(of_images, image, GB_H5_I64, 0), 4);
  o.import_validation = 8;
  CHECK_ALL_FAIL(gb_dataset_open(world, &o, 3, image_shape, &d), GB_ERR_CONFIG,
                 "data.import_training = 8 and data.import_validation = 8: ");
  CHECK(!d);
}

/* As many images as Galaxy10 SDSS has, of one pixel, and one too few of class 6. */
static void incomplete_galaxy10(void **state)
{
  (void)state;
  enum { ALL = 21785 };
  static const size_t pixel[] = {1, 1, 3};
  static uint8_t bytes[ALL * 3], ans[ALL];
  for (int of_class = 588; of_class < 590; of_class++) {
    gb_dataset *d;
    for (int i = 0; i < ALL; i++) ans[i] = i % 37 == 0 && i / 37 < of_class ? 6 : 1;
    if (world.rank == 0) {
      gb_h5 *f;
      gb_h5_spec images = {"/images", GB_H5_U8, 4, {ALL, 1, 1, 3}, {0}, 0, "1", "Test.", {0}},
                 labels = {"/ans", GB_H5_U8, 1, {ALL}, {0}, 0, "1", "Test.", {0}};
      CHECK_OK(gb_h5_create(self, scratch("pixels.h5"), &f));
      CHECK_OK(gb_h5_add(f, &images));
      CHECK_OK(gb_h5_add(f, &labels));
      CHECK_OK(gb_h5_write_all(f, "/images", bytes));
      CHECK_OK(gb_h5_write_all(f, "/ans", ans));
      CHECK_OK(gb_h5_close(&f, true));
    }
    MPI_Barrier(world.mpi);
    CHECK_OK(open_rows(scratch("pixels.h5"), 4, 3, pixel, &d));
    CHECK(!strstr(gb_dataset_note(d), "Warning: Galaxy10 SDSS has 589") == (of_class == 589));
    gb_dataset_close(&d);
  }
}

static const struct CMUnitTest tests[] = {
    TEST(rows_and_images), TEST(truth),    TEST(damaged_rows),      TEST(other_shapes),       TEST(images_are_moved),
    TEST(plain_numbers),   TEST(importer), TEST(odd_foreign_files), TEST(incomplete_galaxy10)};
RUN_ON_RANKS(tests)
