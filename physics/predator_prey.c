/* physics/predator_prey.c - two DNA strands, of which one eats the other: the predator-prey oscillator of the PEN DNA
 * toolbox.
 *
 * Notes
 * dN/dt = k1 pol G N / (1 + b G N) - k2 pol N P - rec kN N / (1 + P / Km)
 * dP/dt = k2 pol N P - rec kP P / (1 + P / Km)
 * in nM and minutes. Where the prey N cannot grow faster than it is degraded it dies out (G below 90 nM with the
 * defaults); with much template G the oscillations are damped (above 170 nM); between them they go on. What is known
 * counts concentrations below 0, which a network may cause, as 0.
 * What is seen is light (sim/instrument.h), of both strands alike. The known part knows nothing of that. */
#include <math.h>
#include <string.h>

#include "base/lanes.h"
#include "base/mem.h"
#include "sim/instrument.h"
#include "sim/integrate.h"

typedef struct prey_opts {
  int64_t frames;
  double frame_time, noise, unit, tolerance;
  gb_reals G, predation, prey, predator, G_box, predation_box;
  gb_instrument instrument;
  double growth, polymerase, exonuclease, prey_decay, predator_decay, load, saturation;
  const char *observe, *law, *start, *method;
} prey_opts;

static const gb_field fields[] = {
    GB_NUMBER(prey_opts, frames, "256", 2, 100000, "frames", GB_FIXED, "Frames in a sample."),
    GB_NUMBER(prey_opts, frame_time, "3", 1e-6, 1e4, "min", GB_FIXED, "Time between frames."),
    GB_NUMBER(prey_opts, unit, "100", 1e-6, 1e6, "nM", GB_FIXED, "The concentration that is 1 in a sample."),
    GB_NUMBER(prey_opts, noise, "0.01", 0, 10, "unit", GB_FIXED, "Standard deviation of the noise on every number."),
    GB_WORD(prey_opts, observe, "both", "prey|both", GB_FIXED, "What a frame shows: the prey, or prey and predator."),
    GB_NUMBER(prey_opts, G, "[80, 200]", 0, 1e5, "nM", GB_FIXED,
              "Range [low, high] of the template on which the prey grows."),
    GB_NUMBER(prey_opts, predation, "[0.0031, 0.0031]", 0, 10, "1/(nM min)", GB_FIXED,
              "Range [low, high] of the rate k2 of predation."),
    GB_NUMBER(prey_opts, prey, "[10, 10]", 0, 1e5, "nM", GB_FIXED, "Range [low, high] of the prey at t = 0."),
    GB_NUMBER(prey_opts, predator, "[10, 10]", 0, 1e5, "nM", GB_FIXED, "Range [low, high] of the predator at t = 0."),
    GB_INSTRUMENT_FIELDS(prey_opts, instrument),
    GB_NUMBER(prey_opts, growth, "0.0020", 0, 10, "1/(nM min)", GB_FIXED, "Rate k1 of growth."),
    GB_NUMBER(prey_opts, polymerase, "3.7", 0, 1e4, "nM", GB_FIXED, "Polymerase pol."),
    GB_NUMBER(prey_opts, exonuclease, "32.5", 0, 1e4, "nM", GB_FIXED, "Exonuclease rec."),
    GB_NUMBER(prey_opts, prey_decay, "0.0210", 0, 10, "1/(nM min)", GB_FIXED, "Rate kN at which prey is degraded."),
    GB_NUMBER(prey_opts, predator_decay, "0.0047", 0, 10, "1/(nM min)", GB_FIXED,
              "Rate kP at which predators are degraded."),
    GB_NUMBER(prey_opts, load, "4.8e-5", 0, 1, "1/nM^2", GB_FIXED, "Saturation b of growth."),
    GB_NUMBER(prey_opts, saturation, "34", 1e-6, 1e6, "nM", GB_FIXED,
              "Predators Km that halve what the exonuclease does."),
    GB_WORD(prey_opts, law, "template", "template|template_and_predation", GB_FIXED,
            "Parameters of the known part: G, or G and k2."),
    GB_WORD(
        prey_opts, start, "observed", "observed|prepared", GB_FIXED,
        "Where the known part starts: at what the first frame shows, what is not seen in the middle of its range; or "
        "all in the middle of their ranges, as the sample was prepared."),
    GB_NUMBER(prey_opts, G_box, "[50, 250]", 0, 1e5, "nM", GB_FIXED, "Box [low, high] in which G is inferred."),
    GB_NUMBER(prey_opts, predation_box, "[0.001, 0.006]", 0, 10, "1/(nM min)", GB_FIXED,
              "Box [low, high] in which k2 is inferred."),
    GB_WORD(prey_opts, method, "explicit", "explicit|implicit", GB_FIXED,
            "How rows are integrated: by an explicit Runge-Kutta method of order 8(7), or by a Rosenbrock method."),
    GB_NUMBER(prey_opts, tolerance, "1e-7", 1e-13, 1e-2, "1", GB_FIXED,
              "Of the local error, relative; absolute a thousandth of it, in nM."),
    {0}};

static gb_err check(const void *opts)
{
  const prey_opts *o = opts;
  GB_TRY(gb_range_check("predator_prey.G", o->G));
  GB_TRY(gb_range_check("predator_prey.predation", o->predation));
  GB_TRY(gb_range_check("predator_prey.prey", o->prey));
  GB_TRY(gb_range_check("predator_prey.predator", o->predator));
  GB_TRY(gb_instrument_check("predator_prey", &o->instrument));
  GB_TRY(gb_box_check("predator_prey.G_box", o->G_box, "predator_prey.G", o->G));
  if (gb_is(o->law, "template")) return GB_OK;
  return gb_box_check("predator_prey.predation_box", o->predation_box, "predator_prey.predation", o->predation);
}

static const gb_schema schema = {"predator_prey", "Predator and prey: what is simulated, and what is known of it.",
                                 sizeof(prey_opts), fields, check};

/* The parameters of the known part come first. */
enum { TEMPLATE, PREDATION, N_PARAMETER, PREY = N_PARAMETER, PREDATOR, LIGHT, N_DRAWN = LIGHT + GB_INSTRUMENT_NUMBERS };
enum { N_TRUTH = N_DRAWN + GB_CURVE_NUMBERS };
static const gb_var truth[N_TRUTH] = {
    {"template", "nM", "Template G on which the prey grows."},
    {"predation", "1/(nM min)", "Rate k2 of predation."},
    {"prey", "nM", "Prey at t = 0."},
    {"predator", "nM", "Predators at t = 0."},
    GB_INSTRUMENT_VARS,
    GB_CURVE_VARS("min", "unit"),
};

typedef struct predator_prey {
  prey_opts opts;
  double low[N_PARAMETER], high[N_PARAMETER], predation; /* of the known part, if it is no parameter */
  bool predation_known;
  size_t seen;
  double now[N_DRAWN];       /* the truth of the trajectory in hand */
  gb_integrator *integrator; /* made when first needed */
} predator_prey;

static gb_err create(const void *opts, gb_comm team, void **self, gb_dims *dims)
{
  predator_prey *p;
  GB_CHECK(team.size == 1, GB_ERR_CONFIG,
           "predator_prey cannot be spread over ranks. Set generate.ranks_per_chain = 1.");
  GB_TRY(gb_new(&p, 1));
  const prey_opts *o = &p->opts;
  p->opts = *(const prey_opts *)opts;
  p->seen = gb_is(o->observe, "prey") ? 1 : 2;
  p->predation_known = gb_is(o->law, "template");
  p->predation = (o->predation.v[0] + o->predation.v[1]) / 2;
  p->low[TEMPLATE] = o->G_box.v[0];
  p->high[TEMPLATE] = o->G_box.v[1];
  p->low[PREDATION] = o->predation_box.v[0];
  p->high[PREDATION] = o->predation_box.v[1];
  *dims = gb_dims_rows(2, (size_t[]){(size_t)o->frames, p->seen}, (const char *[]){"frame", "component"}, "unit");
  dims->n_parameter = p->predation_known ? 1 : 2;
  dims->low = p->low;
  dims->high = p->high;
  dims->n_state = 2;
  dims->seen = p->seen;
  dims->driven = 0;
  dims->frames = (size_t)o->frames;
  dims->frame_time = o->frame_time;
  *self = p;
  return GB_OK;
}

static void destroy(void **self)
{
  predator_prey *p = *self;
  if (p) gb_integrator_destroy(&p->integrator);
  gb_free(self);
}

/* Rates in nM per minute, and their derivatives: of N and P by N and P, of N by G. The derivative by k2 is that of
 * what is eaten, pol N P. */
typedef struct kinetics {
  double dn, dp, n_n, n_p, p_n, p_p, n_G, eaten;
} kinetics;

GB_INLINE kinetics react(const prey_opts *o, double n, double p, double G, double k2)
{
  double has_n = n > 0 ? 1 : 0, has_p = p > 0 ? 1 : 0, N = n > 0 ? n : 0, P = p > 0 ? p : 0;
  double full = 1 / (1 + o->load * G * N), grow = o->growth * o->polymerase * G * N * full;
  double free = 1 / (1 + P / o->saturation), cut_n = o->exonuclease * o->prey_decay * free,
         cut_p = o->exonuclease * o->predator_decay * free, eaten = o->polymerase * N * P;
  return (kinetics){.dn = grow - k2 * eaten - cut_n * N,
                    .dp = k2 * eaten - cut_p * P,
                    .n_n = has_n * (o->growth * o->polymerase * G * full * full - k2 * o->polymerase * P - cut_n),
                    .n_p = has_p * (-k2 * o->polymerase * N + cut_n * free / o->saturation * N),
                    .p_n = has_n * k2 * o->polymerase * P,
                    .p_p = has_p * (k2 * o->polymerase * N - cut_p * free),
                    .n_G = o->growth * o->polymerase * N * full * full,
                    .eaten = eaten};
}

static void both(void *ctx, double t, const double *u, double *du)
{
  const predator_prey *p = ctx;
  kinetics k = react(&p->opts, u[0], u[1], p->now[TEMPLATE], p->now[PREDATION]);
  (void)t;
  du[0] = k.dn;
  du[1] = k.dp;
}

static void jacobian(void *ctx, const double *u, size_t stride, double *j)
{
  const predator_prey *p = ctx;
  kinetics k = react(&p->opts, u[0], u[1], p->now[TEMPLATE], p->now[PREDATION]);
  j[0] = k.n_n;
  j[1] = k.p_n;
  j[stride] = k.n_p;
  j[stride + 1] = k.p_p;
}

static void component(void *ctx, size_t i, char out[GB_COMPONENT_NAME])
{
  (void)ctx;
  snprintf(out, GB_COMPONENT_NAME, "strand %s (predator_prey.%s)", truth[PREY + i].name, truth[PREY + i].name);
}

static gb_err integrator(predator_prey *p)
{
  gb_equation f = {.n = 2,
                   .ctx = p,
                   .rate = both,
                   .tolerance = p->opts.tolerance,
                   .least = 1e-3 * p->opts.tolerance,
                   .name = component};
  if (p->integrator) return GB_OK;
  if (gb_is(p->opts.method, "implicit")) f.jacobian = jacobian;
  return gb_integrator_create(&f, &p->integrator);
}

/* x [frames, seen], in units: light. */
static gb_err solve(const void *self, const double *z, size_t frames, double *x)
{
  predator_prey *p = (predator_prey *)self; /* the truth and the integrator are its scratch */
  double *time, *u;
  gb_err e;
  memcpy(p->now, z, sizeof p->now);
  GB_TRY(integrator(p));
  GB_TRY(gb_new(&time, 3 * frames));
  u = time + frames;
  for (size_t k = 0; k < frames; k++) time[k] = (double)k * p->opts.frame_time;
  e = gb_integrator_run(p->integrator, z + PREY, frames, time, u);
  for (size_t k = 0; !e && k < frames; k++)
    for (size_t i = 0; i < p->seen; i++) x[k * p->seen + i] = fmax(u[2 * k + i], 0) / p->opts.unit;
  if (!e) gb_instrument_show(&p->opts.instrument, z + LIGHT, frames, p->seen, p->opts.frame_time, x);
  gb_free(&time);
  return e;
}

static gb_solved solved(const predator_prey *p)
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
  const predator_prey *p = self;
  const prey_opts *o = &p->opts;
  const gb_reals range[LIGHT] = {o->G, o->predation, o->prey, o->predator};
  gb_solved s = solved(p);
  for (uint32_t k = 0; k < LIGHT; k++) z[k] = gb_row_draw(seed, row, k, range[k]);
  gb_instrument_draw(&o->instrument, seed, row, LIGHT, z + LIGHT);
  return gb_solved_row(&s, seed, row, z, x);
}

static const gb_simulator simulator = {.n_truth = N_TRUTH, .truth = truth, .simulate = simulate, .exact = exact};

static double middle(const predator_prey *p, gb_reals range)
{
  return (range.v[0] + range.v[1]) / 2 / p->opts.unit;
}

static void start(void *self, size_t rows, const gb_real *x, double *u)
{
  const predator_prey *p = self;
  size_t n = (size_t)p->opts.frames * p->seen;
  bool observed = gb_is(p->opts.start, "observed");
  for (size_t r = 0; r < rows; r++) {
    u[r] = observed ? (double)x[r * n] : middle(p, p->opts.prey);
    u[rows + r] = observed && p->seen == 2 ? (double)x[r * n + 1] : middle(p, p->opts.predator);
  }
}

/* Loops over rows, which become vector loops as the compiler knows what does not depend on the row. */
GB_INLINE void rates(const prey_opts *restrict o, bool fixed, double k2, size_t rows, const double *restrict u,
                     const double *restrict theta, double *restrict du)
{
  double unit = o->unit, per = 1 / unit;
  for (size_t r = 0; r < rows; r++) {
    kinetics k = react(o, unit * u[r], unit * u[rows + r], theta[r], fixed ? k2 : theta[rows + r]);
    du[r] = k.dn * per;
    du[rows + r] = k.dp * per;
  }
}

static void rate(void *self, size_t rows, double t, const double *u, const double *theta, double *du)
{
  const predator_prey *p = self;
  (void)t;
  if (p->predation_known)
    rates(&p->opts, true, p->predation, rows, u, theta, du);
  else
    rates(&p->opts, false, 0, rows, u, theta, du);
}

GB_INLINE void pull_back(const prey_opts *restrict o, bool fixed, double k2, bool parameters, size_t rows,
                         const double *restrict u, const double *restrict theta, const double *restrict w,
                         double *restrict ubar, double *restrict theta_bar)
{
  double unit = o->unit, per = 1 / unit;
  for (size_t r = 0; r < rows; r++) {
    double of_n = w[r], of_p = w[rows + r];
    kinetics k = react(o, unit * u[r], unit * u[rows + r], theta[r], fixed ? k2 : theta[rows + r]);
    ubar[r] += k.n_n * of_n + k.p_n * of_p;
    ubar[rows + r] += k.n_p * of_n + k.p_p * of_p;
    if (parameters) theta_bar[r] += k.n_G * per * of_n;
    if (parameters && !fixed) theta_bar[rows + r] += k.eaten * per * (of_p - of_n);
  }
}

static void rate_vjp(void *self, size_t rows, double t, const double *u, const double *theta, const double *w,
                     double *ubar, double *theta_bar)
{
  const predator_prey *p = self;
  (void)t;
  if (p->predation_known && theta_bar)
    pull_back(&p->opts, true, p->predation, true, rows, u, theta, w, ubar, theta_bar);
  else if (p->predation_known)
    pull_back(&p->opts, true, p->predation, false, rows, u, theta, w, ubar, theta_bar);
  else if (theta_bar)
    pull_back(&p->opts, false, 0, true, rows, u, theta, w, ubar, theta_bar);
  else
    pull_back(&p->opts, false, 0, false, rows, u, theta, w, ubar, theta_bar);
}

static const gb_dynamics dynamics = {
    .n_parameter = N_PARAMETER, .parameter = truth, .start = start, .rate = rate, .rate_vjp = rate_vjp};

const gb_physics gb_physics_predator_prey = {
    .name = "predator_prey",
    .doc = "DNA strands as predator and prey: extinction, oscillation, damping.",
    .source = "T. Fujii and Y. Rondelez, ACS Nano 7 (2013) 27, with the parameters of its supporting information",
    .schema = &schema,
    .create = create,
    .destroy = destroy,
    .simulator = &simulator,
    .dynamics = &dynamics,
};
