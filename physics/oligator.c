/* physics/oligator.c - the Oligator, an oscillator of three DNA templates: alpha makes alpha and beta, beta makes an
 * inhibitor of the first.
 *
 * Notes
 * Nineteen species in nM and minutes: three strands, and of every template what is alone, with input, with output, with
 * both, extended; the first also inhibited. `first_order`: enzymes are proportional to what they work on.
 * `michaelis_menten`: what they work on competes for them, and association is the same for all strands. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "sim/integrate.h"
#include "sim/reactions.h"
#include "sim/rows.h"

typedef struct oligator_opts {
  int64_t frames;
  double frame_time, noise, unit, tolerance;
  const char *kinetics, *observe, *method;
  gb_reals template_1, template_2, template_3, alpha, affinity_alpha, affinity_beta, affinity_inhibitor, affinity_ratio;
} oligator_opts;

static const gb_field fields[] = {
    GB_NUMBER(oligator_opts, frames, "128", 2, 100000, "frames", GB_FIXED, "Frames in a sample."),
    GB_NUMBER(oligator_opts, frame_time, "8", 1e-6, 1e4, "min", GB_FIXED, "Time between frames."),
    GB_WORD(oligator_opts, observe, "fluorescence", "fluorescence|strands", GB_FIXED,
            "What a frame shows: -0.38 + 0.00093 times the bound bases, in nM, or the strands alpha, beta, inhibitor."),
    GB_NUMBER(oligator_opts, unit, "1", 1e-6, 1e6, "nM", GB_FIXED,
              "The concentration of a strand that is 1 in a sample."),
    GB_NUMBER(oligator_opts, noise, "0.005", 0, 10, "1", GB_FIXED, "Standard deviation of the noise on every number."),
    GB_WORD(oligator_opts, kinetics, "first_order", "first_order|michaelis_menten", GB_FIXED, "Of the enzymes."),
    GB_NUMBER(oligator_opts, template_1, "[30.8, 46.2]", 1e-9, 1e6, "nM", GB_FIXED,
              "Range [low, high] of the template alpha -> alpha; published: 38.5."),
    GB_NUMBER(oligator_opts, template_2, "[3.112, 4.668]", 1e-9, 1e6, "nM", GB_FIXED,
              "Range [low, high] of the template alpha -> beta; published: 3.89."),
    GB_NUMBER(oligator_opts, template_3, "[30.8, 46.2]", 1e-9, 1e6, "nM", GB_FIXED,
              "Range [low, high] of the template beta -> inhibitor; published: 38.5."),
    GB_NUMBER(oligator_opts, alpha, "[8, 12]", 0, 1e6, "nM", GB_FIXED, "Range [low, high] of alpha at t = 0."),
    GB_NUMBER(oligator_opts, affinity_alpha, "[7, 8]", 5, 12, "log10(1/M)", GB_FIXED,
              "Range [low, high] of the association constant of alpha; this and the next three of michaelis_menten."),
    GB_NUMBER(oligator_opts, affinity_beta, "[7, 8]", 5, 12, "log10(1/M)", GB_FIXED,
              "Range [low, high] of the association constant of beta."),
    GB_NUMBER(oligator_opts, affinity_inhibitor, "[9, 10]", 5, 12, "log10(1/M)", GB_FIXED,
              "Range [low, high] of the association constant of the inhibitor on the template that it inhibits."),
    GB_NUMBER(oligator_opts, affinity_ratio, "[1, 5]", 1e-3, 1e3, "1", GB_FIXED,
              "Range [low, high] of how much stronger it binds to the template that makes it."),
    GB_WORD(oligator_opts, method, "implicit", "implicit|explicit", GB_FIXED,
            "How rows are integrated: by a Rosenbrock method, or by an explicit Runge-Kutta method of order 8(7)."),
    GB_NUMBER(oligator_opts, tolerance, "1e-6", 1e-13, 1e-2, "1", GB_FIXED,
              "Of the local error, relative; absolute a thousandth of it, in nM."),
    {0}};

/* What is drawn. */
enum { TEMPLATE, ALPHA_0 = 3, AFFINITY_ALPHA, AFFINITY_BETA, AFFINITY_INHIBITOR, AFFINITY_RATIO, N_DRAWN };
enum { N_TRUTH = N_DRAWN + GB_CURVE_NUMBERS };
static const gb_var truth[N_TRUTH] = {
    {"template_1", "nM", "Template alpha -> alpha."},
    {"template_2", "nM", "Template alpha -> beta."},
    {"template_3", "nM", "Template beta -> inhibitor."},
    {"alpha", "nM", "Alpha at t = 0."},
    {"affinity_alpha", "log10(1/M)", "Association constant of alpha; 0 in first_order."},
    {"affinity_beta", "log10(1/M)", "Association constant of beta; 0 in first_order."},
    {"affinity_inhibitor", "log10(1/M)", "Association constant of the inhibitor on template 1; 0 in first_order."},
    {"affinity_ratio", "1", "That on template 3, relative to it; 0 in first_order."},
    GB_CURVE_VARS("min", "1"),
};

static gb_reals range_of(const oligator_opts *o, int k)
{
  const gb_reals range[N_DRAWN] = {o->template_1,     o->template_2,    o->template_3,         o->alpha,
                                   o->affinity_alpha, o->affinity_beta, o->affinity_inhibitor, o->affinity_ratio};
  return range[k];
}

static gb_err check(const void *opts)
{
  char key[64];
  for (int k = 0; k < N_DRAWN; k++) {
    snprintf(key, sizeof key, "oligator.%s", truth[k].name);
    GB_TRY(gb_range_check(key, range_of(opts, k)));
  }
  return GB_OK;
}

static const gb_schema schema = {"oligator", "The Oligator: three templates that oscillate.", sizeof(oligator_opts),
                                 fields, check};

/* --- the network */

enum { ALPHA, BETA, INHIBITOR, N_STRAND, N_TEMPLATE = 3 };
typedef enum part { ALONE, WITH_INPUT, WITH_OUTPUT, WITH_BOTH, EXTENDED, INHIBITED } part;
static const size_t first_part[N_TEMPLATE + 1] = {3, 9, 14, 19}; /* only the first template has INHIBITED */
enum { N_SPECIES = 19 };

/* Factors of reactions: rates at which strands leave templates, and at which alpha displaces the inhibitor. */
enum { OFF_ALPHA, OFF_BETA, OFF_INHIBITOR_1, OFF_INHIBITOR_3, DISPLACE, N_FACTOR };
enum { POLYMERASE, NICKASE, EXONUCLEASE };

typedef struct gene {
  int input, output, off_input, off_output;
} gene;
static const gene genes[N_TEMPLATE] = {{ALPHA, ALPHA, OFF_ALPHA, OFF_ALPHA},
                                       {ALPHA, BETA, OFF_ALPHA, OFF_BETA},
                                       {BETA, INHIBITOR, OFF_BETA, OFF_INHIBITOR_3}};

/* Rates per minute, at infinite enzyme (Km) or as published in first order (Km 0: it is not kept busy). */
typedef struct constants {
  double on[N_STRAND], toehold;
  double extend[N_TEMPLATE], displace[N_TEMPLATE], nick[N_TEMPLATE], cut[N_STRAND];
  double extend_K, displace_K[N_TEMPLATE], nick_K, cut_K[N_STRAND];
} constants;

static const constants first_order = {.on = {0.0294, 0.0171, 0.027},
                                      .toehold = 0.021546,
                                      .extend = {15.2, 11.8408, 17.024},
                                      .displace = {11.8408, 9.2239832, 5.566848},
                                      .nick = {3.34, 2.60186, 3.2064},
                                      .cut = {0.411, 0.485802, 1.7262}};
static const double first_order_off[N_FACTOR] = {3.43457943925, 0.610714285714, 0.00608108108108, 0.00186296832954,
                                                 4.15391351351e-5};

static const constants michaelis_menten = {
    .on = {0.06, 0.06, 0.06},
    .toehold = 0.06,
    .extend = {1200. / 44, 1200. / 44, 1200. / 44},
    .displace = {1200. / 44, 1200. / 44, 40 / 3.5},
    .nick = {80. / 30, 80. / 30, 80. / 30},
    .cut = {300. / 440, 300. / 440, 300. / 150},
    .extend_K = 44,
    .displace_K = {44, 44, 3.5},
    .nick_K = 30,
    .cut_K = {440, 440, 150},
};

static int at(int t, part which)
{
  return (int)first_part[t] + (int)which;
}

/* strand + from <-> to */
static void bind(gb_reactions *r, int strand, double on, int off, int from, int to)
{
  gb_reactions_add(
      r, (gb_reaction){on, GB_NO, GB_NO, {strand, from}, 3, {{strand, -1, GB_NO}, {from, -1, GB_NO}, {to, 1, GB_NO}}});
  gb_reactions_add(
      r, (gb_reaction){1, off, GB_NO, {to, GB_NO}, 3, {{strand, 1, GB_NO}, {from, 1, GB_NO}, {to, -1, GB_NO}}});
}

/* inhibitor + T1 with alpha <-> T1 inhibited + alpha */
static void displace(gb_reactions *r, const constants *c, int from)
{
  int to = at(0, INHIBITED);
  gb_reactions_add(r, (gb_reaction){c->toehold,
                                    GB_NO,
                                    GB_NO,
                                    {INHIBITOR, from},
                                    4,
                                    {{INHIBITOR, -1, GB_NO}, {from, -1, GB_NO}, {to, 1, GB_NO}, {ALPHA, 1, GB_NO}}});
  gb_reactions_add(r, (gb_reaction){1,
                                    DISPLACE,
                                    GB_NO,
                                    {ALPHA, to},
                                    4,
                                    {{INHIBITOR, 1, GB_NO}, {from, 1, GB_NO}, {to, -1, GB_NO}, {ALPHA, -1, GB_NO}}});
}

/* What an enzyme turns into `to`, and sets free; K > 0: it competes for it. */
static void work(gb_reactions *r, int enzyme, double rate, double K, int from, int to, int out)
{
  gb_reaction w = {rate, GB_NO, K > 0 ? enzyme : GB_NO, {from, GB_NO}, 1, {{from, -1, GB_NO}}};
  if (to != GB_NO) w.change[w.n_change++] = (gb_change){to, 1, GB_NO};
  if (out != GB_NO) w.change[w.n_change++] = (gb_change){out, 1, GB_NO};
  gb_reactions_add(r, w);
  if (K > 0) gb_reactions_load(r, (gb_load){enzyme, {from, 1 / K, GB_NO}});
}

static gb_err react(const constants *c, gb_reactions *r)
{
  enum { MOST_REACTIONS = 64, MOST_LOADS = 16 };
  GB_TRY(gb_reactions_create(r, N_SPECIES, N_FACTOR, MOST_REACTIONS, MOST_LOADS));
  for (int t = 0; t < N_TEMPLATE; t++) {
    const gene *g = &genes[t];
    bind(r, g->input, c->on[g->input], g->off_input, at(t, ALONE), at(t, WITH_INPUT));
    bind(r, g->input, c->on[g->input], g->off_input, at(t, WITH_OUTPUT), at(t, WITH_BOTH));
    bind(r, g->output, c->on[g->output], g->off_output, at(t, ALONE), at(t, WITH_OUTPUT));
    bind(r, g->output, c->on[g->output], g->off_output, at(t, WITH_INPUT), at(t, WITH_BOTH));
    work(r, POLYMERASE, c->extend[t], c->extend_K, at(t, WITH_INPUT), at(t, EXTENDED), GB_NO);
    work(r, POLYMERASE, c->displace[t], c->displace_K[t], at(t, WITH_BOTH), at(t, EXTENDED), g->output);
    work(r, NICKASE, c->nick[t], c->nick_K, at(t, EXTENDED), at(t, WITH_BOTH), GB_NO);
  }
  bind(r, INHIBITOR, c->on[INHIBITOR], OFF_INHIBITOR_1, at(0, ALONE), at(0, INHIBITED));
  displace(r, c, at(0, WITH_INPUT));
  displace(r, c, at(0, WITH_OUTPUT));
  for (int s = 0; s < N_STRAND; s++) work(r, EXONUCLEASE, c->cut[s], c->cut_K[s], s, GB_NO, GB_NO);
  return GB_OK;
}

/* Base pairs that a state of a template binds the dye with. */
static double bases(const double *u)
{
  double sum = 11 * (u[at(0, WITH_INPUT)] + u[at(0, WITH_OUTPUT)] + u[at(1, WITH_INPUT)] + u[at(1, WITH_OUTPUT)] +
                     u[at(2, WITH_INPUT)]);
  sum += 16 * (u[at(2, WITH_OUTPUT)] + u[at(0, INHIBITED)]);
  for (int t = 0; t < N_TEMPLATE; t++) sum += (t == 2 ? 27 : 22) * (u[at(t, WITH_BOTH)] + u[at(t, EXTENDED)]);
  return sum;
}

/* --- rows */

typedef struct oligator {
  oligator_opts opts;
  bool saturates, dye;
  size_t seen;
  gb_reactions reactions;
  double factor[N_FACTOR], total[N_TEMPLATE]; /* of the trajectory in hand */
  const double *factors[N_FACTOR];
  gb_integrator *integrator; /* made when first needed */
} oligator;

static gb_err create(const void *opts, gb_comm team, void **self, gb_dims *dims)
{
  oligator *p;
  GB_CHECK(team.size == 1, GB_ERR_CONFIG, "an oligator cannot be spread over ranks. Set generate.ranks_per_chain = 1.");
  GB_TRY(gb_new(&p, 1));
  *self = p;
  p->opts = *(const oligator_opts *)opts;
  p->saturates = gb_is(p->opts.kinetics, "michaelis_menten");
  p->dye = gb_is(p->opts.observe, "fluorescence");
  p->seen = p->dye ? 1 : N_STRAND;
  for (int k = 0; k < N_FACTOR; k++) p->factors[k] = &p->factor[k];
  GB_TRY(react(p->saturates ? &michaelis_menten : &first_order, &p->reactions));
  *dims = gb_dims_rows(2, (size_t[]){(size_t)p->opts.frames, p->seen}, (const char *[]){"frame", "component"},
                       p->dye ? "1" : "unit");
  dims->frames = (size_t)p->opts.frames;
  dims->seen = p->seen;
  dims->frame_time = p->opts.frame_time;
  return GB_OK;
}

static void destroy(void **self)
{
  oligator *p = *self;
  if (p) {
    gb_integrator_destroy(&p->integrator);
    gb_reactions_destroy(&p->reactions);
  }
  gb_free(self);
}

static void rate(void *ctx, double t, const double *u, double *du)
{
  const oligator *p = ctx;
  (void)t;
  gb_reactions_rate(&p->reactions, 1, 1, u, p->factors, du);
}

static void jacobian(void *ctx, const double *u, size_t stride, double *j)
{
  const oligator *p = ctx;
  gb_reactions_jacobian(&p->reactions, u, p->factors, stride, j);
}

static gb_err conserved(void *ctx, double t, double *u)
{
  static const char *const name[N_TEMPLATE] = {"1", "2", "3"};
  const oligator *p = ctx;
  for (int s = 0; s < N_STRAND; s++) u[s] = fmax(u[s], 0);
  for (int k = 0; k < N_TEMPLATE; k++)
    GB_TRY(gb_reactions_conserved(name[k], t, p->total[k], first_part[k + 1] - first_part[k], u + first_part[k]));
  return GB_OK;
}

static void component(void *ctx, size_t i, char out[GB_COMPONENT_NAME])
{
  static const char *const strand_name[N_STRAND] = {"alpha", "beta", "inhibitor"};
  int t = 0;
  (void)ctx;
  while (i >= first_part[t + 1]) t++;
  if (i < N_STRAND)
    snprintf(out, GB_COMPONENT_NAME, "strand %s", strand_name[i]);
  else
    snprintf(out, GB_COMPONENT_NAME, "a part of template %d (oligator.template_%d)", t + 1, t + 1);
}

static gb_err integrator(oligator *p)
{
  gb_equation f = {.n = N_SPECIES,
                   .ctx = p,
                   .rate = rate,
                   .tolerance = p->opts.tolerance,
                   .least = 1e-3 * p->opts.tolerance,
                   .check = conserved,
                   .name = component};
  if (p->integrator) return GB_OK;
  if (gb_is(p->opts.method, "implicit")) f.jacobian = jacobian;
  return gb_integrator_create(&f, &p->integrator);
}

/* Strands leave at on / K; what displaces the inhibitor follows from detailed balance. */
static void set_factors(oligator *p, const double *z)
{
  const double on = michaelis_menten.on[ALPHA];
  if (!p->saturates) {
    memcpy(p->factor, first_order_off, sizeof p->factor);
    return;
  }
  p->factor[OFF_ALPHA] = on / (1e-9 * pow(10, z[AFFINITY_ALPHA])); /* 1/M = 1e-9/nM */
  p->factor[OFF_BETA] = on / (1e-9 * pow(10, z[AFFINITY_BETA]));
  p->factor[OFF_INHIBITOR_1] = on / (1e-9 * pow(10, z[AFFINITY_INHIBITOR]));
  p->factor[OFF_INHIBITOR_3] = p->factor[OFF_INHIBITOR_1] / z[AFFINITY_RATIO];
  p->factor[DISPLACE] = michaelis_menten.toehold * p->factor[OFF_INHIBITOR_1] / p->factor[OFF_ALPHA];
}

static void look(const oligator *p, const double *u, double *x)
{
  if (p->dye)
    *x = -0.38 + 0.00093 * bases(u);
  else
    for (int s = 0; s < N_STRAND; s++) x[s] = fmax(u[s], 0) / p->opts.unit;
}

/* x [frames, seen] */
static gb_err solve(const void *self, const double *z, size_t frames, double *x)
{
  oligator *p = (oligator *)self; /* factors and integrator are its scratch */
  double first[N_SPECIES] = {[ALPHA] = z[ALPHA_0]}, *time, *u;
  for (int t = 0; t < N_TEMPLATE; t++) first[at(t, ALONE)] = p->total[t] = z[TEMPLATE + t];
  set_factors(p, z);
  GB_TRY(integrator(p));
  GB_TRY(gb_new(&time, frames + frames * N_SPECIES));
  u = time + frames;
  for (size_t k = 0; k < frames; k++) time[k] = (double)k * p->opts.frame_time;
  gb_err e = gb_integrator_run(p->integrator, first, frames, time, u);
  for (size_t k = 0; !e && k < frames; k++) look(p, u + k * N_SPECIES, x + k * p->seen);
  gb_free(&time);
  return e;
}

static gb_solved solved(const oligator *p)
{
  return (gb_solved){.self = p,
                     .solve = solve,
                     .frames = (size_t)p->opts.frames,
                     .seen = p->seen,
                     .noise = p->opts.noise,
                     .n_truth = N_DRAWN,
                     .truth = truth,
                     .describe = true,
                     .interval = p->opts.frame_time};
}

static gb_err exact(void *self, const double *z, size_t frames, float *x)
{
  gb_solved s = solved(self);
  return gb_solved_exact(&s, z, frames, x);
}

static gb_err simulate(void *self, uint64_t seed, uint64_t row, float *x, double *z)
{
  const oligator *p = self;
  gb_solved s = solved(p);
  for (uint32_t k = 0; k < N_DRAWN; k++)
    z[k] = k < AFFINITY_ALPHA || p->saturates ? gb_row_draw(seed, row, k, range_of(&p->opts, (int)k)) : 0;
  return gb_solved_row(&s, seed, row, z, x);
}

static const gb_simulator simulator = {.n_truth = N_TRUTH, .truth = truth, .simulate = simulate, .exact = exact};

const gb_physics gb_physics_oligator = {
    .name = "oligator",
    .doc = "The Oligator: an oscillator of three DNA templates.",
    .source = "K. Montagne et al., Mol. Syst. Biol. 7 (2011) 466, as BIOMD0000000315; michaelis_menten: "
              "H. W. H. van Roekel et al., ACS Synth. Biol. 4 (2015) 735",
    .schema = &schema,
    .create = create,
    .destroy = destroy,
    .simulator = &simulator,
};
