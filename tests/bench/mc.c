/* tests/bench/mc.c - spin updates per second of the XY kernels on one core, against a textbook program. */
#include "xy.c"

#include "bench.h"
#include "config/config.h"

/* The textbook program: angles, a random site, the change of energy by eight cosines, exp. */
typedef struct textbook {
  int L;
  double K, *theta;
  uint64_t s[4];
} textbook;

static double uniform(textbook *t) /* xoshiro256++: D. Blackman and S. Vigna, public domain algorithm */
{
  uint64_t *s = t->s, sum = s[0] + s[3], r = (sum << 23 | sum >> 41) + s[0], u = s[1] << 17;
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
  int L = t->L, n = L * L, sweeps = 1 + 40000 / n;
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

typedef struct kernel {
  xy *self;
  double *state, T;
  uint64_t step;
} kernel;

static double our_metropolis(void *ctx)
{
  kernel *k = ctx;
  size_t sweeps = 1 + 400000 / k->self->sites;
  for (size_t i = 0; i < sweeps; i++) metropolis(k->self, 1 / k->T, gb_rng_key(1, GB_RNG_TEST, 0, k->step++), k->state);
  return (double)(sweeps * k->self->sites);
}

static double our_overrelaxation(void *ctx)
{
  kernel *k = ctx;
  size_t sweeps = 1 + 2000000 / k->self->sites;
  for (size_t i = 0; i < sweeps; i++) overrelax(k->self, k->state);
  normalise(k->self, k->state);
  return (double)(sweeps * k->self->sites);
}

static double our_steps(void *ctx)
{
  kernel *k = ctx;
  size_t steps = 1 + 50000 / k->self->sites;
  for (size_t i = 0; i < steps; i++) step(k->self, k->T, 1, 0, k->step++, false, k->state);
  return (double)(steps * k->self->sites);
}

static void one_size(int L)
{
  char yaml[64], name[64];
  const gb_schema *const sections[] = {&schema, NULL};
  gb_config *cfg;
  xy_opts opts;
  gb_dims dims;
  void *self;
  bench_side side[2];
  snprintf(yaml, sizeof yaml, "xy: {L: %d, T: [0.9]}", L);
  if (gb_config_parse("bench", yaml, strlen(yaml), 0, NULL, sections, &cfg)) exit(1);
  gb_config_get(cfg, &schema, &opts);
  if (create(&opts, &self, &dims)) exit(1);
  kernel k = {self, gb_alloc(dims.n_state, sizeof(double)), 0.9, 0};
  textbook t = {L, 1 / 0.9, gb_alloc(dims.n, sizeof(double)), {1, 2, 3, 4}};
  start(self, k.T, 1, 0, k.state);
  for (int i = 0; i < 200; i++) step(self, k.T, 1, 0, k.step++, true, k.state);
  for (int i = 0; i < 20; i++) textbook_metropolis(&t);
  bench_alternate(our_metropolis, &k, textbook_metropolis, &t, side);
  snprintf(name, sizeof name, "Metropolis L=%d", L);
  bench_print(name, "spin updates/s", &side[0], "textbook double Metropolis", &side[1], 0);
  bench_alternate(our_overrelaxation, &k, NULL, NULL, side);
  snprintf(name, sizeof name, "over-relaxation L=%d", L);
  bench_print(name, "spin updates/s", &side[0], NULL, NULL, 0);
  bench_alternate(our_steps, &k, NULL, NULL, side);
  snprintf(name, sizeof name, "whole steps L=%d", L);
  bench_print(name, "sites*steps/s", &side[0], NULL, NULL, 0);
  gb_free(&k.state);
  gb_free(&t.theta);
  destroy(&self);
  gb_config_destroy(&cfg);
}

int main(void)
{
  static const int L[] = {16, 32, 64, 128};
  for (size_t i = 0; i < sizeof L / sizeof *L; i++) one_size(L[i]);
  return 0;
}
