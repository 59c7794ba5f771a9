/* tests/physics/test_pen_dna.c - template networks against numbers computed elsewhere, their derivatives, and networks
 * that are none. */
#include "molecule.h"

#include "sim/petsc.h"

#define NETWORK(K_a, K_b, K_i, aa, ab, bi)                                                                             \
  "strands: [\"a: K " K_a "\", \"b: K " K_b "\", \"i: K " K_i "\"], observe: [a, b, i], templates: "                   \
  "[\"aa: a -> a, total " aa ", inhibitor i\", \"ab: a -> b, total " ab "\", \"bi: b -> i, total " bi "\"]"

/* The oscillator: values by SciPy's LSODA at 1e-11 and, to four digits, its BDF at 1e-8; least and most in the end. */
static void oscillator(void **state)
{
  (void)state;
  static const struct {
    double t, u[3];
  } known[] = {{200, {5.96333188e-3, 0.126628710, 1.69065859}}, {1000, {1.34092586e-4, 3.19495238e-2, 0.502346529}}};
  static const double late[3][2] = {{6.198e-5, 0.83386}, {3.259e-3, 0.29735}, {0.06826, 2.4163}};
  molecule m;
  molecule_open(&m, "pen_dna",
                "pen_dna: {noise: 0, frames: 24001, frame_time: 0.25, tolerance: 1e-9, " NETWORK(
                    "45.7, start 10", "91.1", "0.0207", "23.9", "3.62", "42.9") "}");
  CHECK_NEAR(molecule_at(&m, 50, 0), 0.011552, 1e-6);
  CHECK_NEAR(molecule_at(&m, 50, 1), 0.2350, 5e-5);
  CHECK_NEAR(molecule_at(&m, 50, 2), 2.7323, 5e-5);
  for (size_t k = 0; k < 2; k++)
    for (size_t s = 0; s < 3; s++) CHECK_NEAR(molecule_at(&m, known[k].t, s) / known[k].u[s], 1, 2e-6);
  CHECK(molecule_label(&m)[GB_CURVE_BEHAVIOUR] == GB_CURVE_SUSTAINED);
  CHECK_NEAR(molecule_label(&m)[GB_CURVE_PERIOD], 128.33, 0.005 * 128.33);
  for (size_t s = 0; s < 3; s++) {
    double least, most;
    molecule_range(&m, 5000, s, &least, &most);
    CHECK_NEAR(least / late[s][0], 1, 1e-3);
    CHECK_NEAR(most / late[s][1], 1, 1e-3);
  }
  molecule_close(&m);
}

/* Between the last two maxima of the first strand. */
static double last_period(const molecule *m)
{
  size_t last[2] = {0};
  for (size_t k = 1; k + 1 < m->frames; k++) {
    float before = m->x[(k - 1) * m->seen], here = m->x[k * m->seen], behind = m->x[(k + 1) * m->seen];
    if (here <= before || here < behind) continue;
    last[0] = last[1];
    last[1] = k;
  }
  return (double)(last[1] - last[0]) * m->b.sim.dims.frame_time;
}

/* The first swings fade: the amplitude of a is 0.117 in the second thousand minutes and 0.047 in the third. */
static void fading(void **state)
{
  (void)state;
  double least, most;
  molecule m;
  molecule_open(&m, "pen_dna",
                "pen_dna: {noise: 0, frames: 12001, frame_time: 0.25, tolerance: 1e-8, exonuclease: [1, 1], " NETWORK(
                    "40, start 10", "50, start 5", "0.1", "5", "1", "15") "}");
  CHECK(molecule_label(&m)[GB_CURVE_BEHAVIOUR] == GB_CURVE_DAMPED);
  CHECK_NEAR(last_period(&m), 114.5, 0.005 * 114.5);
  molecule_range(&m, 2000, 0, &least, &most);
  CHECK_NEAR(most - least, 0.047, 0.001);
  molecule_close(&m);
}

static void steady(void **state)
{
  (void)state;
  static const double known[] = {19.09, 20.1, 7.545};
  molecule m;
  molecule_open(&m, "pen_dna",
                "pen_dna: {noise: 0, frames: 301, frame_time: 10, exonuclease: [1, 1], " NETWORK(
                    "10, start 5", "50, start 5", "1, start 5", "10", "10", "10") "}");
  for (size_t s = 0; s < 3; s++) CHECK_NEAR(molecule_at(&m, 3000, s) / known[s], 1, 5e-4);
  CHECK(molecule_label(&m)[GB_CURVE_BEHAVIOUR] == GB_CURVE_STEADY);
  molecule_close(&m);
}

/* An autocatalyst alone: K, total, start; where it ends, to five digits, and when it is half way, on a grid of half a
 * minute. */
static void autocatalysts(void **state)
{
  (void)state;
  static const struct {
    double K, total, start, end, half;
  } known[] = {{40, 5, 0.1, 12.8616, 12},
               {40, 10, 0.1, 25.3930, 9.5},
               {40, 20, 0.1, 44.8669, 8.5},
               {10, 10, 0.1, 26.6161, 0},
               {40, 10, 0.01, 25.3930, 12.5}};
  for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
    molecule m;
    char yaml[512];
    size_t half = 0;
    snprintf(yaml, sizeof yaml,
             "pen_dna: {noise: 0, frames: 1201, frame_time: 0.5, tolerance: 1e-8, exonuclease: [1, 1], strands: "
             "[\"a: K %g, start %g\"], templates: [\"aa: a -> a, total %g\"]}",
             known[k].K, known[k].start, known[k].total);
    molecule_open(&m, "pen_dna", yaml);
    CHECK_NEAR(molecule_at(&m, 600, 0), known[k].end, 6e-5);
    while ((double)m.x[half] < known[k].end / 2) half++;
    if (known[k].half > 0) CHECK_NEAR((double)half / 2, known[k].half, 0.5);
    molecule_close(&m);
    snprintf(yaml + strlen(yaml) - 1, 16, ", unit: 7}"); /* the unit changes numbers, not what happens */
    molecule_open(&m, "pen_dna", yaml);
    CHECK_NEAR(7 * molecule_at(&m, 600, 0), known[k].end, 6e-5);
    molecule_close(&m);
  }
}

static void methods_agree(void **state)
{
  (void)state;
  molecule_methods("pen_dna",
                   "frames: 128, frame_time: 3, " NETWORK("45.7, start 10", "91.1", "0.0207", "23.9", "3.62", "42.9"),
                   1e-6);
}

/* Networks with many ranges, sequences, strands that are not seen. */
static void derivatives(void **state)
{
  (void)state;
  static const char *const yaml[] = {
      "pen_dna: {}",
      "pen_dna: {unit: 10, observe: [b, a], strands: [\"a: K 0.5..2, start 10, sequence GACTC\", \"b: K 1..3, sequence "
      "TGACT\", \"i: K 0.1..0.3\"], templates: [\"aa: a -> a, total 1..2, inhibitor i\", \"ab: a -> b, total 1..5\", "
      "\"bi: b -> i, total 2..3, inhibitor i\"], polymerase: [0.5, 2], exonuclease: [1, 3]}"};
  for (int i = 0; i < 2; i++) {
    bed b;
    bed_open(&b, "pen_dna", yaml[i]);
    CHECK(b.sim.dims.n_parameter == (i ? 8 : 1) && b.sim.dims.seen == (i ? 2 : 1) && b.sim.dims.n_state == 21);
    assert_string_equal(gb_sim_parameters(&b.sim)[0].name, i ? "K_b" : "total_auto");
    bed_check_dynamics(&b.sim);
    bed_close(&b);
  }
}

static void instrument(void **state)
{
  (void)state;
  molecule_instrument("pen_dna",
                      "observe: [i, a], strands: [\"a: K 40..50, start 1..2\", \"b: K 90\", \"i: K 0.02\"], templates: "
                      "[\"aa: a -> a, total 20, inhibitor i\", \"ab: a -> b, total 3..4\", \"bi: b -> i, total 40\"]",
                      3);
}

/* What is known starts at the first frame, or where the sample was prepared; strands that are not seen, there too. */
static void starts(void **state)
{
  (void)state;
  static const char *const way[] = {"observed", "prepared"};
  for (int k = 0; k < 2; k++) {
    molecule m;
    char yaml[512];
    double u[9];
    snprintf(yaml, sizeof yaml,
             "pen_dna: {unit: 2, offset: [1, 1], start: %s, observe: [b], strands: [\"a: K 40, start 1..2\", \"b: K "
             "90, start "
             "3..7\", \"c: K 1\"], templates: [\"ab: a -> b, total 3\"]}",
             way[k]);
    molecule_open(&m, "pen_dna", yaml);
    gb_real *x = gb_alloc(m.b.sim.dims.n, sizeof *x);
    for (size_t i = 0; i < m.b.sim.dims.n; i++) x[i] = (gb_real)m.x[i];
    CHECK(m.b.sim.dims.n_state == 9);
    m.b.sim.kind->dynamics->start(m.b.sim.self, 1, x, u);
    CHECK_NEAR(u[0], k ? 2.5 : (double)m.x[0], 1e-12); /* what is seen comes first */
    CHECK_NEAR(u[1], 0.75, 1e-12);
    CHECK(u[2] == 0 && u[3] == 1);
    gb_free(&x);
    molecule_close(&m);
  }
}

/* What bases at the junction do: the pair CT holds less than what strands without sequences are given. */
static void sequences(void **state)
{
  (void)state;
  static const char *const sequence[] = {"", ", sequence TGACTC", ", sequence AACC"};
  double end[3];
  for (int k = 0; k < 3; k++) {
    molecule m;
    char yaml[512];
    snprintf(
        yaml, sizeof yaml,
        "pen_dna: {noise: 0, frames: 3, frame_time: 300, exonuclease: [1, 1], strands: [\"a: K 40, start 0.1%s\"], "
        "templates: [\"aa: a -> a, total 10\"]}",
        sequence[k]);
    molecule_open(&m, "pen_dna", yaml);
    end[k] = molecule_at(&m, 600, 0);
    molecule_close(&m);
  }
  CHECK(fabs(end[1] - end[0]) > 0.1 && fabs(end[2] - end[0]) > 0.1 && fabs(end[2] - end[1]) > 0.1);
}

/* Rows without a template are those of the network that has none, and as many as were asked for. */
static void missing_templates(void **state)
{
  enum { ROWS = 400 };
  (void)state;
  static const char common[] =
      "pen_dna: {noise: 0, frames: 12, frame_time: 4, exonuclease: [1, 1], strands: [\"a: K "
      "40..50, start 0.1\", \"b: K 50\"], templates: [\"aa: a -> a, total 10\", \"ab: a -> b, total "
      "2..3";
  char yaml[512];
  float x[12], y[12];
  double z[64], alone[64], gone = 0;
  bed some, none;
  snprintf(yaml, sizeof yaml, "%s, missing 0.3\"]}", common);
  bed_open(&some, "pen_dna", yaml);
  snprintf(yaml, sizeof yaml, "%s\"]}", common);
  strcpy(strstr(yaml, ", \"ab"), "]}");
  bed_open(&none, "pen_dna", yaml);
  assert_string_equal(gb_sim_parameters(&some.sim)[1].name, "total_ab");
  CHECK(some.sim.dims.low[1] == 0 && some.sim.dims.high[1] == 3);
  for (uint64_t row = 0; row < ROWS; row++) {
    CHECK_OK(some.sim.kind->simulator->simulate(some.sim.self, 1, row, x, z));
    CHECK(z[1] == 0 || (z[1] >= 2 && z[1] <= 3));
    if (z[1] > 0) continue;
    gone++;
    CHECK_OK(none.sim.kind->simulator->simulate(none.sim.self, 1, row, y, alone));
    CHECK_NEAR(alone[0], z[0], 0);
    for (int k = 0; k < 12; k++) CHECK_NEAR((double)x[k], (double)y[k], 1e-4 * (double)y[11]);
  }
  CHECK_NEAR(gone / ROWS, 0.3, 5 * sqrt(0.3 * 0.7 / ROWS));
  bed_close(&some);
  bed_close(&none);
}

static void no_networks(void **state)
{
  (void)state;
  static const struct {
    const char *yaml, *message;
  } bad[] = {
      {"templates: [\"x: a -> c, total 1\"]",
       "pen_dna.templates: template x: there is no strand `c`; pen_dna.strands has"},
      {"templates: [\"x: a -> , total 1\"]", "template x has no output"},
      {"templates: [\"x: -> a, total 1\"]", "template x has no input"},
      {"templates: [\"x: a, total 1\"]", "template x: `a` is not of the form input -> output"},
      {"templates: []", "pen_dna.templates: a network without templates has no output"},
      {"templates: [\"x: a -> b, total -3\"]", "template x: total = -3 is negative"},
      {"templates: [\"x: a -> b, total 4..3\"]", "template x: total = 4..3 is no range"},
      {"templates: [\"x: a -> b, total 4nM\"]", "template x: `total 4nM` is no number"},
      {"templates: [\"x: a -> b\"]", "template x: its total > 0 (nM) is missing"},
      {"templates: [\"x: a -> b, total 1, inhibitor q\"]", "template x: there is no strand `q`"},
      {"templates: [\"x: a -> b, total 1, inhibtor i\"]", "template x: `inhibtor` is not known"},
      {"templates: [\"x: a -> b, total 1\", \"x: a -> a, total 1\"]", "there are two templates x"},
      {"templates: [\"x: a -> b, total 1, inhibitor i\", \"y: i -> a, total 1\"]", "template y: its input i inhibits"},
      {"templates: [\"x: a -> b, total 1, missing 2\"]", "template x: missing `2` is no part of the rows"},
      {"templates: [\"a -> b, total 1\"]", "has no colon"},
      {"strands: [\"a: K 4, start -10\"]", "pen_dna.strands: strand a: start = -10 is negative"},
      {"strands: [\"a: start 10\"]", "strand a: its dissociation constant K > 0 (nM) is missing"},
      {"strands: [\"a: K 4\", \"a: K 5\"]", "there are two strands a"},
      {"strands: [\"2: K 4\"]", "\"2\" is no name of a strand"},
      {"strands: [\"a: K 4, sequence ABBA\"]", "strand a: sequence `ABBA`"},
      {"observe: [z]", "pen_dna.observe: strand 1: there is no strand `z`"},
      {"observe: [a, a]", "pen_dna.observe names a twice"},
      {"observe: []", "pen_dna.observe has 0 strands"},
      {"observe: [b], templates: [\"x: a -> a, total 1\"]", "strand b is no output of a template and starts at 0"},
      {"exonuclease: [2, 1]", "pen_dna.exonuclease = [2, 1]"},
      {"gain: [2, 1]", "pen_dna.gain = [2, 1]"},
  };
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
    char yaml[512];
    snprintf(yaml, sizeof yaml, "pen_dna: {%s}", bad[k].yaml);
    bed_refused("pen_dna", yaml, bad[k].message);
    snprintf(yaml, sizeof yaml, "pen_dna:\n  frames: 10\n  %s\n", bad[k].yaml); /* the message tells the line */
    if (strchr(bad[k].yaml, ']') == strrchr(bad[k].yaml, ']')) bed_refused("pen_dna", yaml, "test:3: pen_dna.");
  }
}

/* A network that no steps can follow: the row, what was drawn, when, and the strand or template. */
static void failures_name_the_row(void **state)
{
  (void)state;
  float x[128];
  double z[64];
  bed b;
  bed_open(&b, "pen_dna",
           "pen_dna: {method: explicit, frame_time: 10000, frames: 100, exonuclease: [1000, 1000], "
           "strands: [\"a: K 1e8..5e8, start 1e8\"], templates: [\"aa: a -> a, total 1e8\"]}");
  CHECK_FAILS(b.sim.kind->simulator->simulate(b.sim.self, 1, 17, x, z), GB_ERR_NUMERIC, "row 17 (K_a = ");
  CHECK_FAILS(b.sim.kind->simulator->simulate(b.sim.self, 1, 17, x, z), GB_ERR_NUMERIC, "(pen_dna.");
  bed_close(&b);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {TEST(oscillator),        TEST(fading),        TEST(steady),
                                     TEST(autocatalysts),     TEST(methods_agree), TEST(derivatives),
                                     TEST(instrument),        TEST(starts),        TEST(sequences),
                                     TEST(missing_templates), TEST(no_networks),   TEST(failures_name_the_row)};
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  gb_petsc_end();
  MPI_Finalize();
  return failed;
}
