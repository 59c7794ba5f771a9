/* tests/unit/test_symmetry.c - words, the group that is drawn from, and what its elements leave as it is. */
#include "data/symmetry.h"

#include "check.h"
#include "config/config.h"
#include "registry.h"
#include "sim/physics.h"

enum { ALL = GB_SPIN_ROTATION | GB_SPIN_REFLECTION | GB_TRANSLATION | GB_LATTICE_REFLECTION | GB_LATTICE_ROTATION };

static void words(void **state)
{
  (void)state;
  static const char *const some[] = {"translation", "spin_rotation"}, *const wrong[] = {"translation", "rotation"};
  unsigned set = 99;
  CHECK_OK(gb_symmetry_parse((gb_texts){0, NULL}, "data.augment", 0, "xy", &set));
  CHECK(set == 0);
  CHECK_OK(gb_symmetry_parse((gb_texts){2, some}, "data.augment", ALL, "xy", &set));
  CHECK(set == (GB_TRANSLATION | GB_SPIN_ROTATION));
  CHECK_FAILS(gb_symmetry_parse((gb_texts){2, wrong}, "data.augment", ALL, "xy", &set), GB_ERR_CONFIG,
              "data.augment: `rotation` is no symmetry. Known are spin_rotation, ");
  CHECK_FAILS(gb_symmetry_parse((gb_texts){2, some}, "data.augment", GB_TRANSLATION, "rotors", &set), GB_ERR_CONFIG,
              "data.augment: samples of rotors do not have the symmetry `spin_rotation`");
}

/* On 3 x 3 sites the symmetries of a lattice make 9 translations times the 8 of a square, all different. Each is drawn
 * equally often: chi^2 of n cells is n - 1 +- sqrt(2 n), allowed 5 of these. */
static void elements_are_uniform(void **state)
{
  (void)state;
  enum { SIDE = 3, SITES = SIDE * SIDE, EACH = 400, MOST = 72 };
  static const struct {
    unsigned set;
    size_t elements;
  } group[] = {{GB_TRANSLATION, 9},
               {GB_LATTICE_REFLECTION, 4},
               {GB_LATTICE_ROTATION, 4},
               {GB_LATTICE_REFLECTION | GB_LATTICE_ROTATION, 8},
               {GB_TRANSLATION | GB_LATTICE_ROTATION, 36},
               {GB_TRANSLATION | GB_LATTICE_REFLECTION | GB_LATTICE_ROTATION, MOST},
               {GB_SPIN_ROTATION | GB_SPIN_REFLECTION, 1}};
  float x[SITES], y[SITES];
  uint32_t scratch[2 * SIDE];
  for (int i = 0; i < SITES; i++) x[i] = (float)i / 10;
  for (size_t g = 0; g < sizeof group / sizeof *group; g++) {
    float seen[MOST][SITES];
    size_t n = 0, count[MOST] = {0};
    for (uint64_t k = 0; k < EACH * group[g].elements; k++) {
      gb_move m = gb_symmetry_draw(group[g].set, 7, k / 10, k % 10, SIDE, SIDE);
      m.sign = 1;
      m.turn = 0;
      gb_symmetry_move(&m, SIDE, SIDE, 1, scratch, x, y);
      size_t e = 0;
      while (e < n && memcmp(seen[e], y, sizeof y)) e++;
      CHECK(e < group[g].elements);
      if (e == n) memcpy(seen[n++], y, sizeof y);
      count[e]++;
    }
    CHECK(n == group[g].elements);
    double chi2 = 0;
    for (size_t e = 0; e < n; e++) chi2 += pow((double)count[e] - EACH, 2) / EACH;
    CHECK_NEAR(chi2, (double)n - 1, 5 * sqrt(2 * (double)n));
  }
}

/* Turns are uniform over the circle, half of the signs are reversed; without their words they are left alone. */
static void spins_are_uniform(void **state)
{
  (void)state;
  enum { N = 20000 };
  double c = 0, s = 0, c2 = 0, sign = 0;
  for (uint64_t k = 0; k < N; k++) {
    gb_move m = gb_symmetry_draw(GB_SPIN_ROTATION | GB_SPIN_REFLECTION, 7, k, 3, 4, 4);
    c += cos((double)m.turn) / N;
    s += sin((double)m.turn) / N;
    c2 += cos(2 * (double)m.turn) / N;
    sign += (double)m.sign / N;
    CHECK(fabs(m.turn) <= M_PI && (m.sign == 1 || m.sign == -1) && !m.shift[0] && !m.transpose && !m.mirror[1]);
    m = gb_symmetry_draw(GB_TRANSLATION, 7, k, 3, 4, 4);
    CHECK(m.turn == 0 && m.sign == 1);
  }
  CHECK_NEAR(c, 0, 4 * sqrt(0.5 / N));
  CHECK_NEAR(s, 0, 4 * sqrt(0.5 / N));
  CHECK_NEAR(c2, 0, 4 * sqrt(0.5 / N));
  CHECK_NEAR(sign, 0, 4 * sqrt(1.0 / N));
}

/* Each operation alone, and all together: energy, |m|, helicity and vortices of an XY sample stay; windings may change
 * places and signs. Angles are floats: 1e-6. */
static void observables_stay(void **state)
{
  (void)state;
  enum { L = 6, N = L * L, DRAWS = 60, MOST = 16 };
  static const char yaml[] = "xy: {L: 6, J: 1.7}";
  const gb_schema *sections[] = {gb_physics_all[0]->schema, NULL};
  gb_config *cfg;
  gb_sim sim;
  float x[N], y[N];
  uint32_t scratch[2 * L];
  size_t changed = 0;
  CHECK_OK(gb_config_parse("test", yaml, strlen(yaml), 0, NULL, sections, &cfg));
  CHECK_OK(gb_sim_create(gb_physics_all[0], cfg, gb_comm_self(), &sim));
  const gb_ensemble *en = sim.kind->ensemble;
  CHECK(en->symmetries == ALL && en->n_obs <= MOST);
  for (unsigned set = 1; set <= ALL; set += set < 16 ? set : 1) /* 1, 2, 4, 8, 16, then the mixtures up to all */
    for (uint64_t k = 0; k < DRAWS; k++) {
      double before[MOST], after[MOST], wound[2] = {0};
      gb_move m = gb_symmetry_draw(set, 3, k, set, L, L);
      for (size_t i = 0; i < N; i++) {
        uint32_t w[4];
        gb_rng_block(gb_rng_key(5, GB_RNG_TEST, i, k), 0, w);
        x[i] = (float)(3.14159 * (2 * gb_rng_unit(w[0]) - 1));
      }
      gb_symmetry_move(&m, L, L, 1, scratch, x, y);
      en->observe(sim.self, 0.9, x, before);
      en->observe(sim.self, 0.9, y, after);
      for (int o = 0; o < en->n_obs; o++) {
        if (strncmp(en->obs[o].name, "winding", 7))
          CHECK_NEAR(after[o], before[o], 2e-6);
        else
          for (int b = 0; b < 2; b++) wound[b] += fabs(b ? after[o] : before[o]);
      }
      for (size_t i = 0; i < N; i++) CHECK(fabsf(y[i]) <= 0x1.921fb6p+1f);
      changed += memcmp(x, y, sizeof x) != 0;
    }
  CHECK(changed > 15 * DRAWS);
  gb_sim_destroy(&sim);
  gb_config_destroy(&cfg);
}

/* A lattice that is not square: translations and reflections wrap each side by its own length. */
static void sides_may_differ(void **state)
{
  (void)state;
  enum { H = 2, W = 5 };
  float x[H * W], y[H * W];
  uint32_t scratch[H + W];
  for (int i = 0; i < H * W; i++) x[i] = (float)i / 10;
  for (uint64_t k = 0; k < 50; k++) {
    gb_move m = gb_symmetry_draw(GB_TRANSLATION | GB_LATTICE_REFLECTION, 7, k, 0, H, W);
    gb_symmetry_move(&m, H, W, 1, scratch, x, y);
    for (size_t i = 0; i < H; i++)
      for (size_t j = 0; j < W; j++) {
        size_t a = (i + H - m.shift[0]) % H, b = (j + W - m.shift[1]) % W;
        if (m.mirror[0]) a = H - 1 - a;
        if (m.mirror[1]) b = W - 1 - b;
        CHECK(y[i * W + j] == x[a * W + b]);
      }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(words), TEST(elements_are_uniform), TEST(spins_are_uniform),
                                     TEST(observables_stay), TEST(sides_may_differ)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
