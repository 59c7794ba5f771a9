/* tests/physics/test_xy.c - thermodynamics of the XY model against what is known: exact small lattices, an independent
 * Monte Carlo, series at high and low temperature.
 *
 * Every comparison allows 4 combined standard errors. Seeds are fixed, so a result is the same every time; with about
 * 170 comparisons a correct program fails one of them with probability 0.01, once, when the random numbers change.
 * The relative error of the energy must be below 1e-3, so that agreement means something. */
#include "ensemble.h"

enum { MOST_ROWS = 256, CHAINS = 16 };

typedef struct row {
  int L;
  double T;
  char name[64];
  double mean, error;
} row;

static size_t read_reference(row *rows)
{
  const char *source = getenv("SOURCE");
  char path[4096], line[512];
  size_t n = 0;
  if (!source) fail_msg("SOURCE is not set to the source folder: run me with ctest");
  snprintf(path, sizeof path, "%s/tests/physics/xy_reference.csv", source);
  FILE *f = fopen(path, "r");
  if (!f) fail_msg("%s cannot be read", path);
  while (fgets(line, sizeof line, f)) {
    row *r = &rows[n];
    if (sscanf(line, "%d,%lf,%63[^,],%lf,%lf", &r->L, &r->T, r->name, &r->mean, &r->error) != 5) continue;
    CHECK(++n < MOST_ROWS);
  }
  fclose(f);
  return n;
}

/* Open the model with these temperatures. Spacing 2: less independent samples than the default, but more of them in the
 * same time, and the errors come from bins. */
static void open_xy(lab *l, int L, const char *T, int samples)
{
  char yaml[1024];
  snprintf(yaml, sizeof yaml,
           "xy: {L: %d, T: [%s]}\n"
           "generate: {chains: %d, hot_chains: 0, samples: %d, spacing: 2, validation_chains: 0, test_chains: 0}\n",
           L, T, CHAINS, samples);
  lab_open(l, "xy", yaml);
}

/* All rows of one lattice. */
static void against_reference(int L, int samples, size_t expected_points)
{
  static row rows[MOST_ROWS];
  size_t n = read_reference(rows), points = 0;
  double T[16];
  char list[256] = "";
  for (size_t i = 0; i < n; i++) {
    bool known = rows[i].L != L;
    for (size_t t = 0; t < points; t++) known |= T[t] == rows[i].T;
    if (known) continue;
    CHECK(points < sizeof T / sizeof *T);
    T[points++] = rows[i].T;
  }
  CHECK(points == expected_points);
  for (size_t a = 0; a < points; a++) /* the grid must increase */
    for (size_t b = a + 1; b < points; b++)
      if (T[b] < T[a]) {
        double kept = T[a];
        T[a] = T[b];
        T[b] = kept;
      }
  for (size_t t = 0; t < points; t++)
    snprintf(list + strlen(list), sizeof list - strlen(list), "%s%.17g", t ? ", " : "", T[t]);
  lab l;
  gb_chains ch;
  bool good = true;
  open_xy(&l, L, list, samples);
  lab_equilibrate(&l, 20240101, &ch);
  for (size_t t = 0; t < points; t++) {
    lab_result r = lab_sample(&l, &ch, t);
    good &= lab_precise(&l, &r, "energy", 1e-3);
    for (size_t i = 0; i < n; i++)
      if (rows[i].L == L && rows[i].T == T[t]) good &= lab_agrees(&l, &r, rows[i].name, rows[i].mean, rows[i].error, 0);
  }
  gb_chains_destroy(&ch);
  lab_close(&l);
  CHECK(good);
}

static void size_4_is_exact(void **state)
{
  (void)state;
  against_reference(4, 16000, 4);
}

static void size_8_agrees_with_the_reference(void **state)
{
  (void)state;
  against_reference(8, 4000, 5);
}

static void size_16_agrees_with_the_reference(void **state)
{
  (void)state;
  against_reference(16, 900, 5);
}

static void size_32_agrees_with_the_reference(void **state)
{
  (void)state;
  against_reference(32, 250, 5);
}

/* Modified Bessel function I_k(x) of integer order: its power series, all of whose terms are positive. */
static double bessel(int k, double x)
{
  double term = 1, sum = 0;
  k = abs(k);
  for (int i = 1; i <= k; i++) term *= x / 2 / i;
  for (int m = 1; term > 1e-18 * sum; m++) {
    sum += term;
    term *= x * x / 4 / m / (m + k);
  }
  return sum;
}

/* The 2 x 2 torus is the ring of 4 sites with doubled bonds: coupling 2 K. Transfer matrix in Fourier space:
 * Z = (2 pi)^4 sum_k I_k(2K)^4. */
typedef struct ring {
  double energy, m2;
} ring;

static ring torus_2(double K)
{
  enum { MOST = 40 };
  double z = 0, slope = 0, near = 0, far = 0, x = 2 * K;
  for (int k = -MOST; k <= MOST; k++) {
    double i = bessel(k, x), next = bessel(k + 1, x);
    z += pow(i, 4);
    slope += pow(i, 3) * (bessel(k - 1, x) + next) / 2; /* I_k' = (I_{k-1} + I_{k+1}) / 2 */
    near += pow(i, 3) * next;                           /* <cos(theta_0 - theta_1)> */
    far += i * i * next * next;                         /* <cos(theta_0 - theta_2)> */
  }
  return (ring){-2 * slope / z, (1 + 2 * near / z + far / z) / 4};
}

static double torus_2_specific_heat(double K)
{
  double h = 1e-3 * K; /* five points: an error of h^4 K^-4 / 30 = 3e-14 of the fifth derivative */
  return -K * K *
         (8 * (torus_2(K + h).energy - torus_2(K - h).energy) - torus_2(K + 2 * h).energy + torus_2(K - 2 * h).energy) /
         (12 * h);
}

/* <|m|> and <|m|^4> of the 2 x 2 torus by quadrature: one angle is 0, the others run over a grid. The trapezoidal rule
 * converges exponentially for the smooth |m|^4; |m| has a kink where it vanishes, a set of codimension 2. */
static void torus_2_moments(double K, double *abs_m, double *m4)
{
  enum { N = 64 };
  double c[N], s[N], z = 0, sum_abs = 0, sum_4 = 0;
  for (int i = 0; i < N; i++) {
    c[i] = cos(2 * M_PI * i / N);
    s[i] = sin(2 * M_PI * i / N);
  }
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++)
      for (int k = 0; k < N; k++) { /* ring 0 - i - j - k - 0 */
        double weight = exp(2 * K * (c[i] + c[(N + j - i) % N] + c[(N + k - j) % N] + c[k] - 4));
        double mc = 1 + c[i] + c[j] + c[k], ms = s[i] + s[j] + s[k], m2 = (mc * mc + ms * ms) / 16;
        z += weight;
        sum_abs += weight * sqrt(m2);
        sum_4 += weight * m2 * m2;
      }
  *abs_m = sum_abs / z;
  *m4 = sum_4 / z;
}

static void size_2_is_exact(void **state)
{
  /* e, c, <m^2> by an independent code (integer-current transfer matrix): digits as printed there, so that the oracle
   * itself is checked; m2 = 0: not printed there. */
  static const struct {
    double T, e, c, m2;
  } printed[] = {{0.5, -1.801560753, 0.425260, 0.91782984},
                 {0.9, -1.613351403, 0.527533, 0},
                 {1.0, -1.559121845, 0.556275, 0.81824317},
                 {2.0, -1.010393080, 0.444947, 0.59594023}};
  lab l;
  gb_chains ch;
  bool good = true;
  (void)state;
  open_xy(&l, 2, "0.5, 0.9, 1.0, 2.0", 45000);
  lab_equilibrate(&l, 2, &ch);
  for (size_t t = 0; t < l.sim.dims.temperature.n; t++) {
    double T = l.sim.dims.temperature.v[t], abs_m, m4, c = torus_2_specific_heat(1 / T);
    ring exact = torus_2(1 / T);
    CHECK_NEAR(exact.energy, printed[t].e, 1e-9);
    CHECK_NEAR(c, printed[t].c, 1e-6);
    if (printed[t].m2 > 0) CHECK_NEAR(exact.m2, printed[t].m2, 1e-8);
    torus_2_moments(1 / T, &abs_m, &m4);
    lab_result r = lab_sample(&l, &ch, t);
    good &= lab_precise(&l, &r, "energy", 1e-3);
    good &= lab_agrees(&l, &r, "energy", exact.energy, 0, 0);
    good &= lab_agrees(&l, &r, "specific_heat", c, 0, 0);
    good &= lab_agrees(&l, &r, "helicity_modulus", -exact.energy / 2, 0, 0); /* no current can circulate */
    good &= lab_agrees(&l, &r, "m2", exact.m2, 0, 0);
    good &= lab_agrees(&l, &r, "chi", 4 * exact.m2 / T, 0, 0);
    good &= lab_agrees(&l, &r, "abs_m", abs_m, 1e-5, 0);
    good &= lab_agrees(&l, &r, "binder", 1 - m4 / (3 * exact.m2 * exact.m2), 0, 0);
  }
  gb_chains_destroy(&ch);
  lab_close(&l);
  CHECK(good);
}

/* -e(K) of the infinite lattice, coefficients of K, K^3, ...: the logarithm of Z over the dual integer-height model,
 * finite-lattice method, exact rationals (compare H. Arisue, Phys. Rev. E 79 (2009) 011107). An L x L torus differs by
 * (K/2)^L. */
static const double high[] = {1,
                              3.0 / 8,
                              1.0 / 48,
                              -31.0 / 3072,
                              -731.0 / 30720,
                              -29239.0 / 1474560,
                              -265427.0 / 20643840,
                              -75180487.0 / 10569646080};

static void high_temperature_series(void **state)
{
  lab l;
  gb_chains ch;
  bool good = true;
  (void)state;
  open_xy(&l, 16, "2, 4", 5000);
  lab_equilibrate(&l, 3, &ch);
  for (size_t t = 0; t < 2; t++) {
    double T = l.sim.dims.temperature.v[t], K = 1 / T, e = 0, c = 0;
    for (size_t i = 0; i < sizeof high / sizeof *high; i++) {
      double power = 2 * (double)i + 1;
      e -= high[i] * pow(K, power);
      c += power * high[i] * pow(K, power + 1);
    }
    /* the next term is about the last one times K^2 */
    lab_result r = lab_sample(&l, &ch, t);
    good &= lab_precise(&l, &r, "energy", 1e-3);
    good &= lab_agrees(&l, &r, "energy", e, 0, 0.01 * pow(K, 17));
    good &= lab_agrees(&l, &r, "specific_heat", c, 0, 0.2 * pow(K, 18));
    good &= lab_agrees(&l, &r, "helicity_modulus", 0, 0, pow(K / 2, 15)); /* decays like (K/2)^L */
  }
  gb_chains_destroy(&ch);
  lab_close(&l);
  CHECK(good);
}

/* Spin waves and the first correction to them. The T^3 terms were measured to be about +0.036 T^3 in e and -0.034 T^3
 * in Y at T = 0.3; 0.05 T^3 is allowed. */
static void low_temperature_expansion(void **state)
{
  static const double sum_g3 = 0.984; /* sum over r of the cube of the normalised bond-bond propagator, L = 16 */
  lab l;
  gb_chains ch;
  bool good = true;
  (void)state;
  open_xy(&l, 16, "0.01, 0.1", 1500);
  lab_equilibrate(&l, 4, &ch);
  for (size_t t = 0; t < 2; t++) {
    double T = l.sim.dims.temperature.v[t], modes = 1 - 1.0 / 256, neglected = 0.05 * pow(T, 3);
    lab_result r = lab_sample(&l, &ch, t);
    good &= lab_precise(&l, &r, "energy", 1e-4);
    good &= lab_agrees(&l, &r, "energy", -2 + T / 2 * modes + T * T / 16, 0, neglected);
    good &= lab_agrees(&l, &r, "specific_heat", modes / 2 + T / 8, 0, 3 * neglected / T);
    good &= lab_agrees(&l, &r, "helicity_modulus", 1 - T / 4 * modes - (1.0 / 32 + sum_g3 / 48) * T * T, 0, neglected);
    good &= lab_agrees(&l, &r, "vortex_density", 0, 0, 0);
  }
  gb_chains_destroy(&ch);
  lab_close(&l);
  CHECK(good);
}

/* Independent angles: a plaquette has winding +1 or -1 with probability 1/6 each; <|m|^2> = 1/N and <|m|^4> =
 * (2 N - 1) / N^3. */
static void infinite_temperature(void **state)
{
  enum { N = 64 };
  lab l;
  gb_chains ch;
  bool good = true;
  (void)state;
  open_xy(&l, 8, "1e6", 5000);
  lab_equilibrate(&l, 5, &ch);
  lab_result r = lab_sample(&l, &ch, 0);
  good &= lab_agrees(&l, &r, "energy", -1e-6, 0, 0); /* -K */
  good &= lab_agrees(&l, &r, "m2", 1.0 / N, 0, 0);
  good &= lab_agrees(&l, &r, "binder", 1 - (2.0 - 1.0 / N) / 3, 0, 0);
  good &= lab_agrees(&l, &r, "vortex_density", 1.0 / 3, 0, 0);
  good &= lab_agrees(&l, &r, "helicity_modulus", 0, 0, 0);
  good &= lab_precise(&l, &r, "m2", 1e-2);
  good &= lab_precise(&l, &r, "vortex_density", 2e-3);
  gb_chains_destroy(&ch);
  lab_close(&l);
  CHECK(good);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      TEST(size_2_is_exact),
      TEST(size_4_is_exact),
      TEST(size_8_agrees_with_the_reference),
      TEST(size_16_agrees_with_the_reference),
      TEST(size_32_agrees_with_the_reference),
      TEST(high_temperature_series),
      TEST(low_temperature_expansion),
      TEST(infinite_temperature),
  };
  MPI_Init(&argc, &argv);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failed;
}
