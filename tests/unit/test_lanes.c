/* tests/unit/test_lanes.c - arithmetic in vector lanes against libm in double and against the scalar generator, and the
 * same bits in every lane and on every machine. */
#include "base/lanes.h"

#include <stdlib.h>

#include "check.h"
#include "unit/bits.h"

static uint32_t word(uint32_t i, uint64_t index)
{
  uint32_t w[4];
  gb_rng_block(gb_rng_key(31, GB_RNG_TEST, index, 0), i / 4, w);
  return w[i % 4];
}

static float unit(uint32_t i, uint64_t index)
{
  return ((float)(word(i, index) >> 9) + 0.5f) * 0x1p-23f;
}

static void less_selects(void **state)
{
  static const float v[] = {-INFINITY, -3e38f, -1, -1e-30f, -0.f, 0, 1e-30f, 1, 1.0000001f, 3e38f, INFINITY};
  enum { N = sizeof v / sizeof *v };
  (void)state;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++)
      for (int k = 0; k < GB_LANES; k++) {
        gb_vf a = gb_vf_all(7), b = gb_vf_all(3), x = gb_vf_all(1), y = gb_vf_all(2);
        a[k] = v[i];
        b[k] = v[j];
        gb_vf r = gb_vf_less(a, b, x, y);
        for (int l = 0; l < GB_LANES; l++) CHECK(r[l] == (l == k && v[i] < v[j] ? 1 : 2)); /* equal: the second */
      }
  /* what is chosen keeps its bits */
  gb_vf r = gb_vf_less(gb_vf_all(0), gb_vf_all(1), -(gb_vf){0}, (gb_vf){0});
  for (int l = 0; l < GB_LANES; l++) CHECK(to_bits(r[l]) == 0x80000000);
}

static void signs_are_bits(void **state)
{
  static const float v[] = {0, -0.f, 1.5f, -1.5f, 1e-40f, -1e-40f, INFINITY, -INFINITY};
  (void)state;
  for (int i = 0; i < 8; i++) {
    CHECK(to_bits(gb_vf_all(v[i])[GB_LANES - 1]) == to_bits(v[i] - 0.f));
    for (int j = 0; j < 8; j++) {
      gb_vf x = {0}, s = {0};
      for (int l = 0; l < GB_LANES; l++) x[l] = v[i], s[l] = v[j];
      for (int l = 0; l < GB_LANES; l++) {
        CHECK(to_bits(gb_vf_abs(x)[l]) == to_bits(fabsf(v[i])));
        CHECK(to_bits(gb_vf_sign(x, s)[l]) == to_bits(copysignf(v[i], v[j])));
      }
    }
  }
}

/* 2^x: the polynomial has 1.6e-7; a product below 1/2 and the sum, of up to 1 and relative to at least 0.7, are
 * rounded: 1e-7. */
static void exp2_is_near(void **state)
{
  double worst = 0, at = 0;
  (void)state;
  for (int i = 0; i <= 30 << 18; i += GB_LANES) {
    gb_vf x = {0};
    for (int l = 0; l < GB_LANES; l++) x[l] = (float)-(i + l < 30 << 18 ? i + l : 30 << 18) * 0x1p-18f;
    gb_vf y = gb_vf_exp2(x);
    for (int l = 0; l < GB_LANES; l++) {
      double exact = exp2((double)x[l]), error = fabs((double)y[l] - exact) / exact;
      if (!(error <= worst)) worst = error, at = (double)x[l];
    }
  }
  if (!(worst < 2.6e-7)) fail_msg("gb_vf_exp2(%.9g) has a relative error of %.3g", at, worst);
  static const float tiny[] = {0, -0.f, -1e-45f, -1e-30f, -1e-9f};
  for (int i = 0; i < 5; i++) CHECK_NEAR(gb_vf_exp2(gb_vf_all(tiny[i]))[0], 1, 2.6e-7);
  for (int n = 1; n <= 30; n++) CHECK_NEAR(gb_vf_exp2(gb_vf_all((float)-n))[0], ldexp(1, -n), 2.6e-7 * ldexp(1, -n));
  /* borders of the reduction, from both sides */
  for (int n = 0; n < 30; n++)
    for (int side = -1; side <= 1; side++) {
      float x = -(float)n - 0.5f;
      x = side ? nextafterf(x, side < 0 ? -INFINITY : INFINITY) : x;
      CHECK_NEAR(gb_vf_exp2(gb_vf_all(x))[0], exp2((double)x), 2.6e-7 * exp2((double)x));
    }
  static const float low[] = {-30, -30.000002f, -31, -1000, -3e38f, -INFINITY};
  for (int i = 0; i < 6; i++) CHECK(gb_vf_exp2(gb_vf_all(low[i]))[0] == gb_vf_exp2(gb_vf_all(-30))[0]);
}

/* log2 x, relative to itself: the polynomial's 1e-7 and three roundings; the last sum, of an exponent -1 and a number
 * up to 1/2, doubles what is relative to the number. */
static void log2_is_near(void **state)
{
  double worst = 0, at = 0;
  uint32_t first = to_bits(0x1p-126f), last = to_bits(3e38f);
  (void)state;
  for (uint32_t b = first; b < last - GB_LANES * 101; b += GB_LANES * 101) {
    gb_vf x = {0};
    for (uint32_t l = 0; l < GB_LANES; l++) x[l] = from_bits(b + 101 * l);
    gb_vf y = gb_vf_log2(x);
    for (int l = 0; l < GB_LANES; l++) {
      double exact = log2((double)x[l]), error = fabs((double)y[l] - exact) / fabs(exact);
      if (exact != 0 && !(error <= worst)) worst = error, at = (double)x[l];
    }
  }
  /* and all floats around 1, from sqrt(1/2) to sqrt(2), every 17th */
  for (uint32_t b = 0x3f350000; b < 0x3fb60000; b += 17 * GB_LANES) {
    gb_vf x = {0};
    for (uint32_t l = 0; l < GB_LANES; l++) x[l] = from_bits(b + 17 * l);
    gb_vf y = gb_vf_log2(x);
    for (int l = 0; l < GB_LANES; l++) {
      double exact = log2((double)x[l]), error = fabs((double)y[l] - exact) / fabs(exact);
      if (exact != 0 && !(error <= worst)) worst = error, at = (double)x[l];
    }
  }
  if (!(worst < 2.5e-7)) fail_msg("gb_vf_log2(%.9g) has a relative error of %.3g", at, worst);
  for (int n = -126; n < 128; n++) CHECK(gb_vf_log2(gb_vf_all(ldexpf(1, n)))[0] == (float)n); /* exact, 0 at 1 */
  CHECK(gb_vf_log2(gb_vf_all(nextafterf(1, 0)))[0] < 0 && gb_vf_log2(gb_vf_all(nextafterf(1, 2)))[0] > 0);
  /* what clusters ask for: never 0, so that a bond of no weight is never active */
  CHECK(-gb_vf_log2(gb_vf_all((0x7fffff + 0.5f) * 0x1p-23f))[0] > 0);
  CHECK_NEAR(gb_vf_log2(gb_vf_all(0.5f * 0x1p-23f))[0], -24, 0);
}

/* All 2^23 numbers that 23 random bits make, and those half a step beside them. The polynomials have 6e-8, the argument
 * (up to pi/4) a rounding of 2^-25 twice and a few more follow. */
static void circle_is_near(void **state)
{
  (void)state;
  for (int half = 0; half < 2; half++) {
    double worst = 0, at = 0, length = 0;
    for (uint32_t i = 0; i < 1 << 23; i += GB_LANES) {
      gb_vf u = {0}, c, s;
      for (uint32_t l = 0; l < GB_LANES; l++) u[l] = ((float)(i + l) + 0.5f * (float)half) * 0x1p-23f;
      gb_vf_circle(u, &c, &s);
      for (int l = 0; l < GB_LANES; l++) {
        double sine, cosine;
        sincos(2 * M_PI * (double)u[l], &sine, &cosine);
        double error = fmax(fabs((double)c[l] - cosine), fabs((double)s[l] - sine));
        if (!(error <= worst)) worst = error, at = (double)u[l];
        length = fmax(length, fabs((double)c[l] * (double)c[l] + (double)s[l] * (double)s[l] - 1));
      }
    }
    if (!(worst < 1.5e-7)) fail_msg("gb_vf_circle(%.9g) has an error of %.3g", at, worst);
    CHECK(length < 3e-7);
  }
}

/* Turning u by a quarter turns the vector by a quarter, bit by bit, and u -> 1 - u mirrors it: so a uniform u gives
 * each quarter and each half of one the same number of vectors, and means vanish exactly. */
static void circle_is_uniform(void **state)
{
  int64_t quadrant[4] = {0}, octant = 0, up = 0;
  double sum_c = 0, sum_s = 0;
  (void)state;
  for (uint32_t i = 0; i < 1 << 23; i += GB_LANES) {
    gb_vf u = {0}, v = {0}, m = {0}, c, s, c_v, s_v, c_m, s_m;
    for (uint32_t l = 0; l < GB_LANES; l++) {
      u[l] = ((float)(i + l) + 0.5f) * 0x1p-23f; /* (2 i + 1) 2^-24 */
      v[l] = ((float)((i + l + (1 << 21)) & ((1 << 23) - 1)) + 0.5f) * 0x1p-23f;
      m[l] = 1 - u[l];
    }
    gb_vf_circle(u, &c, &s);
    gb_vf_circle(v, &c_v, &s_v);
    gb_vf_circle(m, &c_m, &s_m);
    for (int l = 0; l < GB_LANES; l++) {
      if (u[l] < 0.5f) CHECK(u[l] * 0x1p24f == floorf(u[l] * 0x1p24f)); /* no draw is rounded below 1/2 */
      if (v[l] - u[l] == 0.25f) CHECK(c_v[l] == -s[l] && s_v[l] == c[l]);
      CHECK_NEAR(c_m[l], c[l], 1.2e-7);
      CHECK_NEAR(s_m[l], -s[l], 3e-7);
      quadrant[(c[l] < 0) + 2 * (s[l] < 0)]++;
      octant += fabsf(c[l]) > fabsf(s[l]);
      up += s[l] > 0;
      sum_c += (double)c[l];
      sum_s += (double)s[l];
    }
  }
  for (int k = 0; k < 4; k++) CHECK(llabs(quadrant[k] - (1 << 21)) <= 1);
  CHECK(llabs(octant - (1 << 22)) <= 4 && llabs(up - (1 << 22)) <= 1);
  CHECK_NEAR(sum_c, 0, 2);
  CHECK_NEAR(sum_s, 0, 2);
  static const float border[5][3] = {{0, 1, 0}, {0.25f, 0, 1}, {0.5f, -1, 0}, {0.75f, 0, -1}, {0, 1, 0}};
  for (int k = 0; k < 5; k++) {
    gb_vf c, s;
    gb_vf_circle(gb_vf_all(border[k][0]), &c, &s);
    CHECK(c[0] == border[k][1] && s[0] == border[k][2]);
  }
}

/* The polynomial has 6e-8; a quotient, a product and two sums of up to pi follow: 2^-24 (1 + 1/2) + 2^-23 + 2^-23 as
 * floats near pi have steps of 2^-22. pi itself is off by 9e-8. */
static void angle_is_near(void **state)
{
  enum { STEPS = 1 << 20 };
  static const double radius[] = {1, 0.999999, 1e-15, 3e-3, 700, 1e15};
  double worst = 0, at = 0;
  (void)state;
  for (size_t r = 0; r < sizeof radius / sizeof *radius; r++)
    for (int i = -STEPS; i < STEPS; i += GB_LANES) {
      gb_vf c = {0}, s = {0};
      for (int l = 0; l < GB_LANES; l++) {
        double a = M_PI * (i + l + 0.37) / STEPS;
        c[l] = (float)(radius[r] * cos(a));
        s[l] = (float)(radius[r] * sin(a));
      }
      gb_vf x = gb_vf_angle(c, s);
      for (int l = 0; l < GB_LANES; l++) {
        double exact = atan2((double)s[l], (double)c[l]), error = fabs((double)x[l] - exact);
        if (!(error <= worst)) worst = error, at = exact;
      }
    }
  if (!(worst < 4e-7)) fail_msg("gb_vf_angle at %.9g has an error of %.3g", at, worst);
}

static void angles_of_special_vectors(void **state)
{
  static const float v[] = {0, -0.f, 1e-38f, -1e-38f, 1e-20f, -1e-20f, 0.6f, -0.6f, 1, -1, 1e30f, -1e30f};
  enum { N = sizeof v / sizeof *v };
  (void)state;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      if (v[i] == 0 && v[j] == 0) continue;
      double a = (double)gb_vf_angle(gb_vf_all(1) * v[i], gb_vf_all(1) * v[j])[0];
      gb_vf c = {0}, s = {0};
      c[0] = v[i], s[0] = v[j];
      for (int l = 1; l < GB_LANES; l++) c[l] = 1;
      a = (double)gb_vf_angle(c, s)[0];
      /* -0 is 0 on the cosine, where atan2 would say pi; a sine of -0 gives a negative angle, -pi included */
      double exact = atan2((double)v[j], v[i] == 0 ? 0 : (double)v[i]);
      CHECK_NEAR(a, exact, 4e-7);
      CHECK((signbit(a) != 0) == (signbit(v[j]) != 0));
      CHECK(fabs(a) <= (double)0x1.921fb6p+1f);
    }
  CHECK(gb_vf_angle(gb_vf_all(1), (gb_vf){0})[0] == 0);
  CHECK(gb_vf_angle(gb_vf_all(-1), (gb_vf){0})[0] == 0x1.921fb6p+1f);
  CHECK(gb_vf_angle((gb_vf){0}, gb_vf_all(1))[0] == 0x1.921fb6p+0f);
  for (int i = 0; i < 1000; i++) { /* equal components: four of them give the same bits but for quarters and signs */
    float x = ldexpf(0.5f + unit((uint32_t)i, 1), i % 200 - 100);
    gb_vf p = gb_vf_angle(gb_vf_all(x), gb_vf_all(x)), q = gb_vf_angle(gb_vf_all(-x), gb_vf_all(-x));
    CHECK_NEAR(p[0], M_PI / 4, 1.5e-7);
    CHECK_NEAR(q[0], -3 * M_PI / 4, 4e-7);
    CHECK(gb_vf_angle(gb_vf_all(x), gb_vf_all(-x))[0] == -p[0] && gb_vf_angle(gb_vf_all(-x), gb_vf_all(x))[0] == -q[0]);
  }
}

/* Every lane with a counter of its own, under many keys. */
static void philox_is_the_generator(void **state)
{
  (void)state;
  for (uint32_t k = 0; k < 2000; k++) {
    gb_vu counter[4], out[4];
    uint32_t k0 = k < 4 ? (k & 1) * 0xffffffff : word(2 * k, 2),
             k1 = k < 4 ? (k >> 1) * 0xffffffff : word(2 * k + 1, 2);
    for (uint32_t l = 0; l < GB_LANES; l++)
      for (uint32_t i = 0; i < 4; i++) {
        uint32_t w = word((k * GB_LANES + l) * 4 + i, 3);
        counter[i][l] = k % 5 == 0 ? 0xffffffff - w % 3 : k % 7 == 0 ? w % 3 : w;
      }
    gb_vu_philox(k0, k1, counter, out);
    for (uint32_t l = 0; l < GB_LANES; l++) {
      uint32_t w[4];
      gb_key key = {{k0, k1}, {counter[1][l], counter[2][l], counter[3][l]}};
      gb_rng_block(key, counter[0][l], w);
      for (int i = 0; i < 4; i++) CHECK(out[i][l] == w[i]);
    }
  }
}

enum { COUNT = 4096 * 16 };

/* Input number i of what follows: functions 0 ... 4 of it, in any lane. */
static void apply(const uint32_t *index, gb_vf out[6])
{
  gb_vf x = {0}, u = {0}, c = {0}, s = {0}, n = {0};
  for (int l = 0; l < GB_LANES; l++) {
    uint32_t i = index[l];
    x[l] = -32 * unit(i, 4);
    u[l] = unit(i, 5);
    n[l] = from_bits(0x00800000 + word(i, 6) % 0x7e000000);
    c[l] = 2 * unit(i, 7) - 1;
    s[l] = 2 * unit(i, 8) - 1;
  }
  out[0] = gb_vf_exp2(x);
  out[1] = gb_vf_log2(n);
  gb_vf_circle(u, &out[2], &out[3]);
  out[4] = gb_vf_angle(c, s);
  out[5] = gb_vf_less(c, s, x, u);
}

/* A lane gives the same bits whatever the others hold, and all of them do. */
static void lanes_do_not_meet(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < 2000; i++) {
    uint32_t mixed[GB_LANES], equal[GB_LANES];
    gb_vf a[6], b[6];
    for (uint32_t l = 0; l < GB_LANES; l++) {
      mixed[l] = (i + 977 * l) % COUNT;
      equal[l] = i;
    }
    apply(mixed, a);
    apply(equal, b);
    for (int f = 0; f < 6; f++) {
      CHECK(to_bits(a[f][0]) == to_bits(b[f][0]));
      for (int l = 1; l < GB_LANES; l++) CHECK(to_bits(b[f][l]) == to_bits(b[f][0]));
    }
  }
}

/* The same bits on every machine: checksums (FNV-1a) of COUNT results of each function. Source: builds of this test for
 * AVX-512 (16 lanes), for AVX2 and for plain x86-64 (8 lanes each) agree in them. */
static void bits_are_those_of_other_machines(void **state)
{
  static const uint64_t expected[6] = {0xb1977af3b7748ce1, 0x0f2ba28afd1a5c60, 0x54b91907513eb48c,
                                       0x65eb3c7fe587f2c9, 0x41be3201c04d0c51, 0x64c3f632c777e233};
  uint64_t sum[6];
  (void)state;
  for (int f = 0; f < 6; f++) sum[f] = UINT64_C(0xcbf29ce484222325);
  for (uint32_t i = 0; i < COUNT; i += GB_LANES) {
    uint32_t index[GB_LANES];
    gb_vf out[6];
    for (uint32_t l = 0; l < GB_LANES; l++) index[l] = i + l;
    apply(index, out);
    for (int f = 0; f < 6; f++)
      for (int l = 0; l < GB_LANES; l++) sum[f] = (sum[f] ^ to_bits(out[f][l])) * UINT64_C(0x100000001b3);
  }
  for (int f = 0; f < 6; f++)
    if (sum[f] != expected[f]) fail_msg("function %d: checksum 0x%016llx", f, (unsigned long long)sum[f]);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(less_selects),
      TEST(signs_are_bits),
      TEST(exp2_is_near),
      TEST(log2_is_near),
      TEST(circle_is_near),
      TEST(circle_is_uniform),
      TEST(angle_is_near),
      TEST(angles_of_special_vectors),
      TEST(philox_is_the_generator),
      TEST(lanes_do_not_meet),
      TEST(bits_are_those_of_other_machines),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
