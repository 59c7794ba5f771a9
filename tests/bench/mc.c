/* tests/bench/mc.c - the XY kernels on one core: cycles per spin, ratios to textbook programs, independent
 * configurations per second. Usage: bench_mc [kernels] [samples]   (both if none is named)
 *
 * Cycles: where the processor's counter cannot be read (as on most virtual machines) the clock is measured in the same
 * rounds by a chain of dependent multiplications, three cycles each on every x86-64 core since 2008. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "bench.h"
#include "config/config.h"
#include "sim/chains.h"
#include "xy/xy.h"

extern const gb_physics gb_physics_xy;

/* The textbook programs, in double. Metropolis: angles, a random site, the change of energy by eight cosines, exp.
 * Over-relaxation: unit vectors, site after site. */
typedef struct textbook {
  int L;
  double K, *theta, *c, *s;
  uint64_t state[4];
} textbook;

static double uniform(textbook *t) /* xoshiro256++: D. Blackman and S. Vigna, public domain algorithm */
{
  uint64_t *s = t->state, sum = s[0] + s[3], r = (sum << 23 | sum >> 41) + s[0], u = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= u;
  s[3] = s[3] << 45 | s[3] >> 19;
  return (double)(r >> 11) * 0x1p-53;
}

static double textbook_metropolis(void *ctx)
{
  textbook *t = ctx;
  int L = t->L, n = L * L, sweeps = 1 + 100000 / n;
  for (int k = 0; k < sweeps * n; k++) {
    int i = (int)(uniform(t) * n), x = i % L, y = i / L;
    double now = t->theta[i], next = now + 2 * (uniform(t) - 0.5) * 1.6;
    const double around[4] = {t->theta[y * L + (x + 1) % L], t->theta[y * L + (x + L - 1) % L],
                              t->theta[(y + 1) % L * L + x], t->theta[(y + L - 1) % L * L + x]};
    double change = 0;
    for (int j = 0; j < 4; j++) change += cos(now - around[j]) - cos(next - around[j]);
    if (change <= 0 || uniform(t) < exp(-t->K * change)) t->theta[i] = next;
  }
  return (double)sweeps * n;
}

static double textbook_overrelaxation(void *ctx)
{
  textbook *t = ctx;
  int L = t->L, n = L * L, sweeps = 1 + 400000 / n;
  for (int k = 0; k < sweeps; k++)
    for (int y = 0; y < L; y++)
      for (int x = 0; x < L; x++) {
        int i = y * L + x;
        const int j[4] = {y * L + (x + 1) % L, y * L + (x + L - 1) % L, (y + 1) % L * L + x, (y + L - 1) % L * L + x};
        double hc = t->c[j[0]] + t->c[j[1]] + t->c[j[2]] + t->c[j[3]];
        double hs = t->s[j[0]] + t->s[j[1]] + t->s[j[2]] + t->s[j[3]];
        double f = 2 * (t->c[i] * hc + t->s[i] * hs) / (hc * hc + hs * hs + 1e-300);
        t->c[i] = f * hc - t->c[i];
        t->s[i] = f * hs - t->s[i];
      }
  return (double)sweeps * n;
}

/* The kernels. */
typedef struct lab {
  gb_xy *s;
  gb_dims dims;
  gb_walkers w;
  void *state;
  uint64_t step;
  float *x[GB_MOST_WALKERS];
  double obs[GB_MOST_WALKERS][GB_XY_OBS];
} lab;

static double cycles(void *ctx)
{
  uint64_t x = 1;
  (void)ctx;
#if defined(__x86_64__)
  for (int i = 0; i < 1000000; i++) __asm__ volatile("imul %0, %0\n\timul %0, %0\n\timul %0, %0" : "+r"(x));
  return 9e6;
#else
  return (double)x;
#endif
}

static double sites(const lab *k)
{
  return (double)k->dims.n * (double)k->w.n;
}

static double our_metropolis(void *ctx)
{
  lab *k = ctx;
  int sweeps = 1 + (int)(4e6 / sites(k));
  for (int i = 0; i < sweeps; i++)
    gb_xy_run(k->s, &k->w, &(gb_xy_sweeps){.metropolis = 1, .K = 1 / k->w.T, .number = k->step++}, k->state);
  return sweeps * sites(k);
}

static double our_overrelaxation(void *ctx)
{
  lab *k = ctx;
  int sweeps = 1 + (int)(2e7 / sites(k));
  gb_xy_run(k->s, &k->w, &(gb_xy_sweeps){.overrelaxation = (size_t)sweeps}, k->state);
  gb_xy_normalise(k->s, k->state);
  return sweeps * sites(k);
}

static double our_wolff(void *ctx)
{
  lab *k = ctx;
  int64_t flips[GB_MOST_WALKERS] = {0}, all = 0;
  int clusters = 1 + (int)(4e5 / sites(k));
  for (int i = 0; i < clusters; i++) gb_xy_wolff(k->s, &k->w, 1 / k->w.T, k->step++, k->state, flips);
  for (size_t i = 0; i < k->w.n; i++) all += flips[i];
  return (double)all;
}

static double our_samples(void *ctx)
{
  lab *k = ctx;
  double *obs[GB_MOST_WALKERS];
  int n = 1 + (int)(2e6 / sites(k));
  for (size_t i = 0; i < k->w.n; i++) obs[i] = k->obs[i];
  for (int i = 0; i < n; i++) gb_xy_sample(k->s, &k->w, k->step++, k->state, k->x, obs);
  return n * sites(k);
}

static double our_words(void *ctx)
{
  static gb_vu sum;
  (void)ctx;
  for (uint32_t i = 0; i < 100000; i++) {
    gb_vu counter[4] = {i - (gb_vu){0}, {1}, {2}, {3}}, out[4];
    gb_vu_philox(7, 8, counter, out);
    sum ^= out[0] ^ out[1] ^ out[2] ^ out[3];
  }
  return 4e5 * GB_LANES;
}

static gb_config *configure(const char *yaml)
{
  static const gb_schema *sections[3];
  gb_config *cfg;
  sections[0] = gb_physics_xy.schema;
  sections[1] = &gb_chains_schema;
  if (gb_config_parse("bench", yaml, strlen(yaml), 0, NULL, sections, &cfg)) exit(1);
  return cfg;
}

static void print_cycles(const char *what, int L, const char *unit, const bench_side *ours, const bench_side *clock,
                         double aim)
{
  char name[96];
  double c = clock->median / ours->median;
  snprintf(name, sizeof name, "%s L=%d", what, L);
  printf("{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s/s\", \"cycles\": %.3g, \"aim\": %g, \"pass\": %s}\n", name,
         ours->median, unit, c, aim, c <= aim ? "true" : "false");
}

static void kernels_at(int L, bool strips)
{
  char yaml[64], name[96];
  gb_sim sim;
  bench_side side[2];
  snprintf(yaml, sizeof yaml, "xy: {L: %d, T: [0.9]}", L);
  gb_config *cfg = configure(yaml);
  gb_xy_opts opts;
  gb_config_get(cfg, gb_physics_xy.schema, &opts);
  lab k = {.w = {.T = 0.9, .seed = 1}};
  void *self;
  if (gb_xy_arrange(&opts, gb_comm_self(), strips, &self, &k.dims)) exit(1);
  sim = (gb_sim){&gb_physics_xy, self, k.dims};
  k.s = self;
  k.w.n = k.dims.walkers;
  k.state = gb_alloc(1, k.dims.walker_bytes);
  for (size_t i = 0; i < k.w.n; i++) {
    k.w.chain[i] = i;
    k.x[i] = gb_alloc(k.dims.n, sizeof(float));
  }
  textbook t = {.L = L, .K = 1 / 0.9, .state = {1, 2, 3, 4}};
  t.theta = gb_alloc(k.dims.n, sizeof(double));
  t.c = gb_alloc(k.dims.n, sizeof(double));
  t.s = gb_alloc(k.dims.n, sizeof(double));
  double cost[GB_MOST_WALKERS];
  gb_xy_start(self, &k.w, false, k.state);
  for (int i = 0; i < 200; i++) gb_xy_step(self, &k.w, k.s->n_mix / 2, k.step++, true, k.state, cost);
  for (int i = 0; i < 20; i++) textbook_metropolis(&t);
  for (size_t i = 0; i < k.dims.n; i++) t.c[i] = cos(t.theta[i]), t.s[i] = sin(t.theta[i]);
  printf("{\"name\": \"L=%d: %d floats a vector, lanes are %s\"}\n", L, GB_LANES, strips ? "strips" : "replicas");
  bench_alternate(our_metropolis, &k, textbook_metropolis, &t, side);
  snprintf(name, sizeof name, "Metropolis L=%d", L);
  bench_print(name, "spin updates/s", &side[0], "textbook double Metropolis", &side[1], 30);
  bench_alternate(our_overrelaxation, &k, textbook_overrelaxation, &t, side);
  snprintf(name, sizeof name, "over-relaxation L=%d", L);
  bench_print(name, "spin updates/s", &side[0], "textbook double over-relaxation", &side[1], 20);
  bench_alternate(our_metropolis, &k, cycles, NULL, side);
  print_cycles("Metropolis", L, "spin updates", &side[0], &side[1], 7.5);
  bench_alternate(our_overrelaxation, &k, cycles, NULL, side);
  print_cycles("over-relaxation", L, "spin updates", &side[0], &side[1], 1.3);
  if (k.s->neighbour) {
    bench_alternate(our_wolff, &k, cycles, NULL, side);
    print_cycles("Wolff", L, "flipped spins", &side[0], &side[1], 60);
  }
  bench_alternate(our_samples, &k, cycles, NULL, side);
  print_cycles("observables and angles", L, "sites", &side[0], &side[1], 20);
  bench_alternate(our_words, &k, cycles, NULL, side);
  print_cycles("Philox4x32-10", L, "32-bit words", &side[0], &side[1], 2.5);
  for (size_t i = 0; i < k.w.n; i++) gb_free(&k.x[i]);
  gb_free(&k.state);
  gb_free(&t.theta);
  gb_free(&t.c);
  gb_free(&t.s);
  gb_sim_destroy(&sim);
  gb_config_destroy(&cfg);
}

/* Independent configurations: thermalised, tuned, and drawn with a stride of 2 tau_int of the slowest tracked quantity,
 * as greybox-generate draws them, without output. */
typedef struct farm {
  gb_chains ch;
  uint64_t drawn;
  float *x;
  double *obs;
} farm;

enum { ROUND = 32 };

static double draw(void *ctx)
{
  farm *f = ctx;
  gb_chains_draw(&f->ch, 0, f->drawn, ROUND, f->x, f->obs);
  f->drawn += ROUND;
  return (double)ROUND * (double)f->ch.group[0].w.n;
}

static void samples_at(int L, double T, double aim)
{
  char yaml[256], name[160];
  gb_sim sim;
  gb_chains_opts o;
  bench_side side[2];
  farm f = {.drawn = 0};
  snprintf(yaml, sizeof yaml,
           "xy: {L: %d, T: [%g]}\ngenerate: {chains: %d, samples: 1000, spacing: 2, hot_chains: 0, "
           "validation_chains: 0, test_chains: 0}\n",
           L, T, GB_LANES);
  gb_config *cfg = configure(yaml);
  gb_config_get(cfg, &gb_chains_schema, &o);
  if (gb_sim_create(&gb_physics_xy, cfg, gb_comm_self(), &sim)) exit(1);
  if (gb_chains_create(gb_comm_self(), gb_comm_self(), &sim, &o, 1, &f.ch)) exit(1);
  while (!gb_chains_ready(&f.ch))
    if (gb_chains_advance(&f.ch, 1 << 30)) exit(1);
  f.x = gb_alloc(GB_LANES * ROUND * sim.dims.n, sizeof(float));
  f.obs = gb_alloc(GB_LANES * ROUND * (size_t)gb_physics_xy.ensemble->n_obs, sizeof(double));
  bench_alternate(draw, &f, cycles, NULL, side);
  const double *m = sim.dims.mix + 3 * f.ch.mix[0];
  double slowest = 0;
  for (int q = 0; q < gb_physics_xy.ensemble->n_track; q++) slowest = fmax(slowest, f.ch.tau[q]);
  double c = side[1].median / side[0].median / (double)sim.dims.n, at_3 = 3e9 / (c * (double)sim.dims.n);
  snprintf(name, sizeof name, "L=%d T=%g", L, T);
  printf("{\"name\": \"independent configurations %s\", \"value\": %.5g, \"unit\": \"1/s\", \"at_3_GHz\": %.5g, "
         "\"cycles_per_site\": %.4g, \"tau_int\": %.3g, \"stride\": %lld, \"metropolis\": %g, \"overrelaxation\": %g, "
         "\"wolff\": %g, \"gate\": %g, \"pass\": %s}\n",
         name, side[0].median, at_3, c, slowest, (long long)f.ch.stride[0], m[0], m[1], m[2], aim,
         at_3 >= aim ? "true" : "false");
  fflush(stdout);
  gb_chains_destroy(&f.ch);
  gb_sim_destroy(&sim);
  gb_free(&f.x);
  gb_free(&f.obs);
  gb_config_destroy(&cfg);
}

static bool wanted(int argc, char **argv, const char *what)
{
  bool any = argc == 1;
  for (int i = 1; i < argc; i++) any |= !strcmp(argv[i], what);
  return any;
}

int main(int argc, char **argv)
{
  static const double T[] = {0.5, 0.9, 1.0, 1.1, 1.5};
  MPI_Init(NULL, NULL);
  if (wanted(argc, argv, "kernels"))
    for (int L = 16; L <= 256; L *= 2) {
      kernels_at(L, false);
      if (L >= 128) kernels_at(L, true);
    }
  if (wanted(argc, argv, "samples"))
    for (int L = 16; L <= 128; L *= 2)
      for (size_t t = 0; t < sizeof T / sizeof *T; t++)
        samples_at(L, T[t],
                   L == 32 && T[t] == 0.9   ? 25000
                   : L == 32 && T[t] == 1.0 ? 10000
                   : L == 64 && T[t] == 0.9 ? 5000
                                            : 0);
  MPI_Finalize();
  return 0;
}
