/* tests/physics/test_galaxy.c - images of galaxies: known pixels, the parts of simulated ones, and their noise. */
#include "galaxy/galaxy.h"
#include "rows.h"

enum { SIZE = 69, N = SIZE * SIZE };

/* Nothing but the disk: no place, colours, neighbours, sky, noise or blur. */
#define SHARP "dust: false, colour: false, neighbours: 0, sky: [0, 0], gain: [0, 0], read_noise: 0, jitter: 0"
#define BARE  SHARP ", psf: 0"

/* Floats: of the order of 1e-6 of I0. The same numbers to all digits: tests/unit/gradient_picture.c. */
static void known_pixels(void **state)
{
  (void)state;
  static const gb_real z[] = {0.8f, 0.5f, 0.8f, 0.6f};
  static gb_real y[N];
  double sum = 0;
  bed b;
  bed_open(&b, "galaxy", "galaxy: {}");
  b.sim.kind->image->draw(b.sim.self, 1, z, y);
  for (size_t i = 0; i < N; i++) sum += (double)y[i];
  CHECK(y[34 * SIZE + 34] == 0.8f);
  CHECK_NEAR((double)y[20 * SIZE + 20], 0.166558729549, 1e-6);
  CHECK_NEAR((double)y[20 * SIZE + 48], 0.00260425704523, 1e-6);
  CHECK_NEAR((double)y[34 * SIZE + 44], 0.141795961580, 1e-6);
  CHECK_NEAR((double)y[10 * SIZE + 34], 0.00223542354831, 1e-6);
  CHECK_NEAR(sum, 248.08565131, 1e-3);
  bed_close(&b);
}

/* Half of the light of a Sersic profile is inside r = 1; indices 1 and 4 as in the literature. */
static void half_light(void **state)
{
  (void)state;
  CHECK_NEAR(gb_galaxy_sersic_b(1), 1.678347, 1e-4);
  CHECK_NEAR(gb_galaxy_sersic_b(4), 7.669249, 1e-4);
  for (double n = 0.5; n <= 8; n += 0.5) {
    double inside = 0, all = 0, b = gb_galaxy_sersic_b(n);
    for (double l = -20; l < 3 * n + 3; l += 1e-3) { /* r = exp(l) */
      double r = exp(l), light = exp(-b * pow(r, 1 / n)) * r * r;
      all += light;
      if (l < 0) inside += light;
    }
    CHECK_NEAR(inside / all, 0.5, 1e-3);
  }
}

/* A bare simulated disk is the known image of its truth, in all channels, but for 8 bits. */
static void bare_disk_is_the_known_image(void **state)
{
  (void)state;
  static const char *const yaml[] = {"galaxy: {" BARE "}", "galaxy: {profile: gaussian, class: face_on, " BARE "}",
                                     "galaxy: {profile: sersic, sersic_index: 2, " BARE "}",
                                     "galaxy: {psf: 1.5, known_psf: 1.5, " SHARP "}"};
  static float x[N * 3];
  static gb_real y[N];
  for (int k = 0; k < 4; k++) {
    bed b;
    bed_open(&b, "galaxy", yaml[k]);
    for (uint64_t row = 0; row < 5; row++) {
      double z[GB_GALAXY_TRUTH];
      gb_real theta[GB_GALAXY_PARAMETERS];
      CHECK_OK(b.sim.kind->simulator->simulate(b.sim.self, 4, row, x, z));
      for (int q = 0; q < GB_GALAXY_PARAMETERS; q++) theta[q] = (gb_real)z[q];
      b.sim.kind->image->draw(b.sim.self, 1, theta, y);
      for (size_t i = 0; i < N * 3; i++) CHECK_NEAR((double)x[i], (double)y[i / 3], 0.5 / 255 + 1e-5);
    }
    bed_close(&b);
  }
}

typedef struct statistics {
  double mean[3], largest, above; /* per channel; the largest number; pixels above 0.1 */
} statistics;

static statistics mean_of(const char *yaml, uint64_t rows, double class_low, double class_high)
{
  static float x[N * 3];
  statistics s = {0};
  bed b;
  bed_open(&b, "galaxy", yaml);
  for (uint64_t row = 0; row < rows; row++) {
    double z[GB_GALAXY_TRUTH];
    CHECK_OK(b.sim.kind->simulator->simulate(b.sim.self, 4, row, x, z));
    CHECK(z[GB_GALAXY_CLASS] >= class_low && z[GB_GALAXY_CLASS] <= class_high);
    for (size_t i = 0; i < N * 3; i++) {
      float code = rintf(255 * x[i]);
      CHECK(x[i] == code / 255.0f && x[i] >= 0 && x[i] <= 1);
      s.mean[i % 3] += (double)x[i] / N / (double)rows;
      s.largest = fmax(s.largest, (double)x[i]);
      s.above += x[i] > 0.1f;
    }
  }
  bed_close(&b);
  return s;
}

/* Every part does what it says, on the same rows: a part that is switched off leaves the draws of the others alone. */
static void parts(void **state)
{
  (void)state;
  enum { ROWS = 12 };
  statistics bare = mean_of("galaxy: {" BARE "}", ROWS, 6, 6);
  CHECK(bare.mean[0] == bare.mean[1] && bare.mean[1] == bare.mean[2] && bare.largest <= 1);
#define WITH(part, but) mean_of("galaxy: {" part ", " but "}", ROWS, 0, 9)
  statistics s = WITH("dust: true", "colour: false, neighbours: 0, sky: [0, 0], psf: 0, gain: [0, 0], read_noise: 0, "
                                    "jitter: 0");
  CHECK(s.mean[0] < 0.95 * bare.mean[0]);
  s = WITH("colour: true", "dust: false, neighbours: 0, sky: [0, 0], psf: 0, gain: [0, 0], read_noise: 0, jitter: 0");
  CHECK(s.mean[0] > 1.02 * s.mean[1] && s.mean[1] > 1.05 * s.mean[2]);
  s = WITH("neighbours: 3", "dust: false, colour: false, sky: [0, 0], psf: 0, gain: [0, 0], read_noise: 0, jitter: 0");
  CHECK(s.mean[0] > 1.01 * bare.mean[0] && s.mean[0] < 1.5 * bare.mean[0]);
  s = WITH("sky: [0.04, 0.04]", "dust: false, colour: false, neighbours: 0, psf: 0, gain: [0, 0], read_noise: 0, "
                                "jitter: 0");
  CHECK_NEAR(s.mean[0], bare.mean[0] + 0.04, 1e-3);
  s = WITH("psf: 1.5",
           "dust: false, colour: false, neighbours: 0, sky: [0, 0], gain: [0, 0], read_noise: 0, jitter: 0");
  CHECK_NEAR(s.mean[0], bare.mean[0], 1e-3);
  CHECK(s.largest < 0.9 * bare.largest);
  s = mean_of("galaxy: {class: edge_on_bulge, " BARE "}", ROWS, 4, 4);
  CHECK(s.mean[0] > 1.05 * bare.mean[0]);
  bare = mean_of("galaxy: {class: face_on, " BARE "}", ROWS, 0, 0);
  s = mean_of("galaxy: {class: spiral, " BARE "}", ROWS, 7, 9);
  CHECK(fabs(s.mean[0] / bare.mean[0] - 1) > 1e-4 && fabs(s.mean[0] / bare.mean[0] - 1) < 0.2);
}

/* All classes occur among mixed rows. */
static void mixed_rows(void **state)
{
  (void)state;
  enum { ROWS = 200 };
  static float x[8 * 8 * 3];
  int count[10] = {0};
  bed b;
  bed_open(&b, "galaxy", "galaxy: {class: mixed, size: 8}");
  for (uint64_t row = 0; row < ROWS; row++) {
    double z[GB_GALAXY_TRUTH];
    CHECK_OK(b.sim.kind->simulator->simulate(b.sim.self, 1, row, x, z));
    count[(int)z[GB_GALAXY_CLASS]]++;
  }
  CHECK(count[0] > 25 && count[4] > 25 && count[6] > 25 && count[7] > 5 && count[8] > 5 && count[9] > 5);
  CHECK(count[0] + count[4] + count[6] + count[7] + count[8] + count[9] == ROWS);
  bed_close(&b);
}

/* Of one distribution: mean and variance are both the mean, within five standard errors; and its probabilities. */
static void poisson(void **state)
{
  (void)state;
  static const double mean[] = {0.01, 0.5, 1, 3.7, 12, 100, 800};
  enum { DRAWS = 100000 };
  for (size_t m = 0; m < sizeof mean / sizeof *mean; m++) {
    double sum = 0, square = 0, zero = 0;
    for (size_t i = 0; i < DRAWS; i++) { /* equally spaced: the distribution itself */
      double k = gb_galaxy_poisson(mean[m], (i + 0.5) / DRAWS);
      CHECK(k >= 0 && k == floor(k));
      sum += k / DRAWS;
      square += (k - mean[m]) * (k - mean[m]) / DRAWS;
      zero += k == 0;
    }
    CHECK_NEAR(sum, mean[m], 2e-3 * sqrt(mean[m]));
    CHECK_NEAR(square, mean[m], 5e-3 * mean[m] + 1e-5);
    CHECK_NEAR(zero / DRAWS, exp(-mean[m]), 2.0 / DRAWS);
  }
  assert_true(gb_galaxy_poisson(0, 0.5) == 0);
  for (size_t m = 0; m < sizeof mean / sizeof *mean; m++) CHECK(gb_galaxy_poisson(mean[m], 1) < 2 * mean[m] + 60);
}

/* Sky alone, at a level where nothing is clipped: variance = level / gain + reading out + 8 bits. */
static void noise(void **state)
{
  (void)state;
  static float x[N * 3];
  double z[GB_GALAXY_TRUTH], sum = 0, square = 0, n = 0;
  bed b;
  bed_open(&b, "galaxy",
           "galaxy: {dust: false, colour: false, neighbours: 0, sky: [0.5, 0.5], psf: 0, gain: [300, 300], intensity: "
           "[0.1, 0.1], semi_axis: [0.1, 0.1], read_noise: 0.02}");
  CHECK_OK(b.sim.kind->simulator->simulate(b.sim.self, 4, 8, x, z));
  for (size_t i = 0; i < SIZE; i++)
    for (size_t j = 0; j < 3 * SIZE; j++)
      if (i < 10 || i >= SIZE - 10) { /* there the disk is below e^-7 of 0.1 */
        double v = (double)x[i * 3 * SIZE + j] - 0.5;
        sum += v;
        square += v * v;
        n++;
      }
  double expected = 0.5 / 300 + 0.02 * 0.02 + 1.0 / (12 * 255 * 255);
  CHECK_NEAR(sum / n, 0, 5 * sqrt(expected / n) + 1e-4);
  CHECK_NEAR(square / n, expected, expected * (5 * sqrt(2 / n) + 1e-2));
  bed_close(&b);
}

static void derivatives(void **state)
{
  (void)state;
  static const char *const yaml[] = {"galaxy: {size: 24}", "galaxy: {size: 24, profile: gaussian}",
                                     "galaxy: {size: 24, profile: sersic, sersic_index: 2}",
                                     "galaxy: {size: 24, known_psf: 1}"};
  for (int k = 0; k < 4; k++) {
    bed b;
    bed_open(&b, "galaxy", yaml[k]);
    bed_check_image(&b.sim);
    bed_close(&b);
  }
}

/* What surrounds images that train an encoder: none to three neighbours, equally often, a function of row and step. */
static void surroundings(void **state)
{
  (void)state;
  enum { S = 24, ROWS = 500 };
  static gb_real y[S * S], again[S * S];
  static const gb_real theta[GB_GALAXY_PARAMETERS] = {0.5f, 0.5f, 0.8f, 1};
  int empty = 0, equal = 0;
  bed b;
  bed_open(&b, "galaxy", "galaxy: {size: 24, known_neighbours: 3, known_psf: 1}");
  const gb_image *image = b.sim.kind->image;
  for (uint64_t r = 0; r < ROWS; r++) {
    double light = 0;
    memset(y, 0, sizeof y);
    memset(again, 0, sizeof again);
    image->surround(b.sim.self, theta, 7, r, 3, y);
    image->surround(b.sim.self, theta, 7, r, 3, again);
    CHECK(!memcmp(y, again, sizeof y));
    for (size_t i = 0; i < S * S; i++) {
      CHECK(y[i] >= 0 && y[i] <= 1.5f);
      light += (double)y[i];
    }
    empty += light <= 0;
    image->surround(b.sim.self, theta, 7, r, 4, again);
    equal += !memcmp(y, again, sizeof y);
  }
  CHECK_NEAR(empty / (double)ROWS, 0.25, 5 * sqrt(0.25 * 0.75 / ROWS));
  CHECK_NEAR(equal / (double)ROWS, 0.25, 5 * sqrt(0.25 * 0.75 / ROWS)); /* nothing was added at step 4 */
  bed_close(&b);
  bed_open(&b, "galaxy", "galaxy: {size: 24}");
  memset(y, 0, sizeof y);
  image->surround(b.sim.self, theta, 7, 0, 3, y);
  for (size_t i = 0; i < S * S; i++) CHECK(y[i] == 0);
  bed_close(&b);
}

/* The sky that may be left is the same everywhere. */
static void sky(void **state)
{
  (void)state;
  enum { S = 24, ROWS = 500 };
  static gb_real y[S * S];
  static const gb_real theta[GB_GALAXY_PARAMETERS] = {0.5f, 0.5f, 0.8f, 1};
  double mean = 0;
  bed b;
  bed_open(&b, "galaxy", "galaxy: {size: 24, known_psf: 1, known_sky: [0.01, 0.05]}");
  for (uint64_t r = 0; r < ROWS; r++) {
    memset(y, 0, sizeof y);
    b.sim.kind->image->surround(b.sim.self, theta, 7, r, 3, y);
    for (size_t i = 1; i < S * S; i++) CHECK(y[i] == y[0]);
    CHECK(y[0] >= 0.01f && y[0] <= 0.05f);
    mean += (double)y[0] / ROWS;
  }
  CHECK_NEAR(mean, 0.03, 5 * 0.04 / sqrt(12.0 * ROWS));
  bed_close(&b);
}

/* The disk, with what is added, has its centre beside the middle: as far as the option says. */
static void places(void **state)
{
  (void)state;
  enum { S = 49, ROWS = 400 };
  static gb_real y[S * S];
  static const gb_real theta[GB_GALAXY_PARAMETERS] = {0.8f, 0.1f, 0.2f, 1};
  double square[2] = {0};
  bed b;
  bed_open(&b, "galaxy", "galaxy: {size: 49, known_psf: 1, known_jitter: 0.05}");
  for (uint64_t r = 0; r < ROWS; r++) {
    double all = 0, at[2] = {0};
    b.sim.kind->image->draw(b.sim.self, 1, theta, y);
    b.sim.kind->image->surround(b.sim.self, theta, 7, r, 3, y);
    for (size_t i = 0; i < S * S; i++) {
      CHECK(y[i] > -1e-6f);
      all += (double)y[i];
      at[0] += (double)y[i] * ((double)(i % S) / (S / 2) - 1);
      at[1] += (double)y[i] * ((double)(i / S) / (S / 2) - 1);
    }
    for (int k = 0; k < 2; k++) square[k] += at[k] * at[k] / (all * all) / ROWS;
  }
  for (int k = 0; k < 2; k++) CHECK_NEAR(square[k] / (0.05 * 0.05), 1, 5 * sqrt(2.0 / ROWS));
  bed_close(&b);
}

static void bad_ranges_are_refused(void **state)
{
  (void)state;
  bed_refused("galaxy", "galaxy: {intensity: [0.9, 0.5]}", "galaxy.intensity = [0.9, 0.5]");
  bed_refused("galaxy", "galaxy: {edge_on_ellipticity: [0.5, 1]}", "galaxy.edge_on_ellipticity");
  bed_refused("galaxy", "galaxy: {gain: [1]}", "galaxy.gain has 1 numbers");
  bed_refused("galaxy", "galaxy: {ellipticity_box: [0.9, 0.5]}", "galaxy.ellipticity_box = [0.9, 0.5]");
  bed_refused("galaxy", "galaxy: {class: round}", "galaxy.class");
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {TEST(known_pixels), TEST(half_light),  TEST(bare_disk_is_the_known_image),
                                     TEST(parts),        TEST(mixed_rows),  TEST(poisson),
                                     TEST(noise),        TEST(derivatives), TEST(surroundings),
                                     TEST(sky),          TEST(places),      TEST(bad_ranges_are_refused)};
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failed;
}
