/* physics/pen_dna.c - networks of DNA templates in the PEN toolbox (polymerase, exonuclease, nickase), as the user
 * writes them.
 *
 * Notes
 * A template holds its input on the left and its output on the right, is extended by polymerase from input to output,
 * and nicked; an inhibitor blocks it. Enzymes saturate. The state are the concentrations of strands, in `unit`, and of
 * every template the parts of its total that are alone, with input, with output, with both, extended, inhibited:
 * their sum is 1 for ever, which is checked after every step. In nM and minutes.
 * What is known is the network itself; its parameters are the numbers that are given as ranges. What is seen is light
 * (sim/instrument.h), of which the known part knows nothing. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "pen_dna/network.h"
#include "sim/instrument.h"
#include "sim/integrate.h"

typedef struct pen_opts {
  int64_t frames;
  double frame_time, noise, unit, stack, tolerance;
  gb_texts strands, templates, observe;
  gb_reals polymerase, nickase, exonuclease;
  gb_instrument instrument;
  const char *start, *method;
} pen_opts;

static const gb_field fields[] = {
    GB_NUMBER(pen_opts, frames, "128", 2, 100000, "frames", GB_FIXED, "Frames in a sample."),
    GB_NUMBER(pen_opts, frame_time, "8", 1e-6, 1e4, "min", GB_FIXED, "Time between frames."),
    GB_NUMBER(pen_opts, unit, "1", 1e-6, 1e6, "nM", GB_FIXED, "The concentration that is 1 in a sample."),
    GB_NUMBER(pen_opts, noise, "0.01", 0, 10, "unit", GB_FIXED, "Standard deviation of the noise on every number."),
    GB_WORD(pen_opts, strands, "[\"a: K 45.7, start 10\", \"b: K 91.1\", \"i: K 0.0207\"]", NULL, GB_FIXED,
            "Strands, \"name: K number, start number, sequence letters\": dissociation constant and concentration at "
            "t = 0 in nM; the sequence (5' to 3') may be left out. A number may be a range, low..high, of which every "
            "row draws."),
    GB_WORD(pen_opts, templates,
            "[\"auto: a -> a, total 21.5..26.3, inhibitor i\", \"ab: a -> b, total 3.62\", \"bi: b -> i, total 42.9\"]",
            NULL, GB_FIXED,
            "Templates, \"name: input -> output, total number, inhibitor strand\": total in nM, or a range; the "
            "inhibitor may be left out. `missing 0.5`: half of the rows go without the template, and have total 0."),
    GB_WORD(pen_opts, observe, "[a]", NULL, GB_FIXED, "Strands that a frame shows."),
    GB_NUMBER(pen_opts, polymerase, "[1, 1]", 0, 1e3, "1", GB_FIXED, "Range [low, high] of the level of polymerase."),
    GB_NUMBER(pen_opts, nickase, "[1, 1]", 0, 1e3, "1", GB_FIXED, "Range [low, high] of the level of nickase."),
    GB_NUMBER(pen_opts, exonuclease, "[3.6, 3.6]", 0, 1e3, "1", GB_FIXED,
              "Range [low, high] of the level of exonuclease."),
    GB_NUMBER(pen_opts, stack, "0.2", 1e-3, 10, "1", GB_FIXED,
              "How much more slowly input and output leave a template that holds both, if they have no sequences: else "
              "by the bases that meet."),
    GB_INSTRUMENT_FIELDS(pen_opts, instrument),
    GB_WORD(pen_opts, start, "observed", "observed|prepared", GB_FIXED,
            "Where the known part starts: at what the first frame shows, strands that are not seen in the middle of "
            "their ranges; or all there, as the sample was prepared."),
    GB_WORD(pen_opts, method, "implicit", "implicit|explicit", GB_FIXED,
            "How rows are integrated: by a Rosenbrock method, or by an explicit Runge-Kutta method of order 8(7)."),
    GB_NUMBER(pen_opts, tolerance, "1e-6", 1e-13, 1e-2, "1", GB_FIXED,
              "Of the local error, relative; absolute a thousandth of it, in units."),
    {0}};

static gb_err read(const pen_opts *o, network *w)
{
  const gb_reals level[LEVELS] = {o->polymerase, o->nickase, o->exonuclease};
  GB_TRY(gb_range_check("pen_dna.polymerase", o->polymerase));
  GB_TRY(gb_range_check("pen_dna.nickase", o->nickase));
  GB_TRY(gb_range_check("pen_dna.exonuclease", o->exonuclease));
  GB_TRY(gb_instrument_check("pen_dna", &o->instrument));
  return gb_pen_read(o->strands, o->templates, o->observe, level, o->stack, w);
}

static gb_err check(const void *opts)
{
  network *w;
  GB_TRY(gb_new(&w, 1));
  gb_err e = read(opts, w);
  gb_free(&w);
  return e;
}

static const gb_schema schema = {"pen_dna", "A network of DNA templates: what is simulated, and what is known of it.",
                                 sizeof(pen_opts), fields, check};

/* An instance has names of its own: K_a, total_auto, exonuclease, start_a. */
#define RANGED(k)                                                                                                      \
  {                                                                                                                    \
    "ranged_" #k, "1", "Range number " #k " of the network, under its own name."                                       \
  }
enum {
  N_PARAMETER = 8,
  N_SEEN = GB_INSTRUMENT_NUMBERS + GB_CURVE_NUMBERS, /* behind what is ranged */
  MOST_TRUTH = MOST_RANGED + N_SEEN
};
static const gb_var truth[N_PARAMETER + N_SEEN] = {
    RANGED(1), RANGED(2), RANGED(3), RANGED(4),          RANGED(5),
    RANGED(6), RANGED(7), RANGED(8), GB_INSTRUMENT_VARS, GB_CURVE_VARS("min", "unit")};

typedef struct pen_dna {
  pen_opts opts;
  network w;
  gb_reactions reactions;
  size_t n, n_factor, n_parameter;
  gb_var var[MOST_TRUTH];
  double low[MOST_RANGED], high[MOST_RANGED];
  double middle[MOST_FACTORS][GB_REACTION_ROWS]; /* of factors, for every row of a block */
  double factor[MOST_FACTORS];                   /* of the trajectory in hand */
  const double *factors[MOST_FACTORS];           /* their addresses */
  gb_integrator *integrator;                     /* made when first needed */
} pen_dna;

/* The low or the high end of what is ranged. */
static amount ranged(const network *w, size_t k)
{
  size_t what = w->ranged[k];
  return what < MOST_FACTORS ? gb_pen_factor(w, what) : w->strand[what - MOST_FACTORS].start;
}

static void name_truth(pen_dna *p)
{
  const network *w = &p->w;
  for (size_t k = 0; k < w->n_ranged; k++) {
    size_t what = w->ranged[k];
    p->var[k] = (gb_var){w->ranged_name[k], what < LEVELS ? "1" : "nM",
                         what < LEVELS                 ? "Level of the enzyme."
                         : what < LEVELS + w->n_strand ? "Dissociation constant of the strand."
                         : what < MOST_FACTORS         ? "Total of the template."
                                                       : "Strand at t = 0."};
    p->low[k] = w->ranged_missing[k] > 0 ? 0 : ranged(w, k).low;
    p->high[k] = ranged(w, k).high;
  }
  memcpy(p->var + w->n_ranged, truth + N_PARAMETER, N_SEEN * sizeof *truth);
}

static gb_err set_up(pen_dna *p)
{
  GB_TRY(read(&p->opts, &p->w));
  GB_TRY(gb_pen_react(&p->w, p->opts.unit, &p->reactions));
  p->n = gb_pen_species(&p->w);
  p->n_factor = p->reactions.n_parameter;
  p->n_parameter = p->w.n_ranged_factor < N_PARAMETER ? p->w.n_ranged_factor : N_PARAMETER;
  for (size_t i = 0; i < p->n_factor; i++) {
    amount a = gb_pen_factor(&p->w, i);
    for (size_t r = 0; r < GB_REACTION_ROWS; r++) p->middle[i][r] = (a.low + a.high) / 2;
    p->factors[i] = &p->factor[i];
  }
  name_truth(p);
  return GB_OK;
}

static gb_err create(const void *opts, gb_comm team, void **self, gb_dims *dims)
{
  pen_dna *p;
  GB_CHECK(team.size == 1, GB_ERR_CONFIG, "pen_dna cannot be spread over ranks. Set generate.ranks_per_chain = 1.");
  GB_TRY(gb_new(&p, 1));
  *self = p;
  p->opts = *(const pen_opts *)opts;
  GB_TRY(set_up(p));
  *dims =
      gb_dims_rows(2, (size_t[]){(size_t)p->opts.frames, p->w.n_seen}, (const char *[]){"frame", "component"}, "unit");
  dims->n_truth = (int)p->w.n_ranged + N_SEEN;
  dims->truth = p->var;
  dims->n_parameter = p->n_parameter;
  dims->low = p->low;
  dims->high = p->high;
  dims->n_state = p->n;
  dims->seen = p->w.n_seen;
  dims->frames = (size_t)p->opts.frames;
  dims->frame_time = p->opts.frame_time;
  return GB_OK;
}

static void destroy(void **self)
{
  pen_dna *p = *self;
  if (p) {
    gb_integrator_destroy(&p->integrator);
    gb_reactions_destroy(&p->reactions);
  }
  gb_free(self);
}

static void react(void *ctx, double t, const double *u, double *du)
{
  const pen_dna *p = ctx;
  (void)t;
  gb_reactions_rate(&p->reactions, 1, 1, u, p->factors, du);
}

static void jacobian(void *ctx, const double *u, size_t stride, double *j)
{
  const pen_dna *p = ctx;
  gb_reactions_jacobian(&p->reactions, u, p->factors, stride, j);
}

static gb_err conserved(void *ctx, double t, double *u)
{
  const pen_dna *p = ctx;
  for (size_t s = 0; s < p->w.n_strand; s++) u[s] = fmax(u[s], 0);
  for (size_t k = 0; k < p->w.n_template; k++) /* parts are fractions */
    GB_TRY(gb_reactions_conserved(p->w.template_[k].name, t, 1, PARTS, u + gb_pen_part(&p->w, k, ALONE)));
  return GB_OK;
}

static void component(void *ctx, size_t i, char out[GB_COMPONENT_NAME])
{
  static const char *const part_name[PARTS] = {"alone",     "with input", "with output",
                                               "with both", "extended",   "inhibited"};
  const network *w = &((const pen_dna *)ctx)->w;
  size_t k = i < w->n_strand ? 0 : i - w->n_strand;
  if (i < w->n_strand)
    snprintf(out, GB_COMPONENT_NAME, "strand %s (pen_dna.strands)", w->strand[i].name);
  else
    snprintf(out, GB_COMPONENT_NAME, "template %s, %s (pen_dna.templates)", w->template_[k / PARTS].name,
             part_name[k % PARTS]);
}

static gb_err integrator(pen_dna *p)
{
  gb_equation f = {.n = p->n,
                   .ctx = p,
                   .rate = react,
                   .tolerance = p->opts.tolerance,
                   .least = 1e-3 * p->opts.tolerance,
                   .check = conserved,
                   .name = component};
  if (p->integrator) return GB_OK;
  if (gb_is(p->opts.method, "implicit")) f.jacobian = jacobian;
  return gb_integrator_create(&f, &p->integrator);
}

/* The truth of a row into the factors and the first state. */
static void place(pen_dna *p, const double *z, double *u)
{
  for (size_t i = 0; i < p->n_factor; i++) p->factor[i] = p->middle[i][0];
  for (size_t s = 0; s < p->w.n_strand; s++) u[s] = p->w.strand[s].start.low / p->opts.unit;
  for (size_t i = p->w.n_strand; i < p->n; i++) u[i] = 0;
  for (size_t k = 0; k < p->w.n_template; k++) u[gb_pen_part(&p->w, k, ALONE)] = 1;
  for (size_t k = 0; k < p->w.n_ranged; k++) {
    size_t what = p->w.ranged[k];
    if (what < MOST_FACTORS)
      p->factor[what] = z[k];
    else
      u[what - MOST_FACTORS] = z[k] / p->opts.unit;
  }
}

/* x [frames, seen] */
static gb_err solve(const void *self, const double *z, size_t frames, double *x)
{
  pen_dna *p = (pen_dna *)self; /* factors and integrator are its scratch */
  double *time, *first, *u;
  GB_TRY(integrator(p));
  GB_TRY(gb_new(&time, frames + p->n + frames * p->n));
  first = time + frames;
  u = first + p->n;
  for (size_t k = 0; k < frames; k++) time[k] = (double)k * p->opts.frame_time;
  place(p, z, first);
  gb_err e = gb_integrator_run(p->integrator, first, frames, time, u);
  for (size_t k = 0; !e && k < frames; k++)
    for (size_t i = 0; i < p->w.n_seen; i++) x[k * p->w.n_seen + i] = fmax(u[k * p->n + i], 0);
  if (!e) gb_instrument_show(&p->opts.instrument, z + p->w.n_ranged, frames, p->w.n_seen, p->opts.frame_time, x);
  gb_free(&time);
  return e;
}

static gb_solved solved(const pen_dna *p)
{
  return (gb_solved){.self = p,
                     .solve = solve,
                     .frames = (size_t)p->opts.frames,
                     .seen = p->w.n_seen,
                     .noise = p->opts.noise,
                     .n_truth = (int)p->w.n_ranged + GB_INSTRUMENT_NUMBERS,
                     .truth = p->var,
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
  const pen_dna *p = self;
  gb_solved s = solved(p);
  for (uint32_t k = 0; k < p->w.n_ranged; k++) {
    static const double unit[] = {0, 1};
    amount a = ranged(&p->w, k);
    double range[] = {a.low, a.high};
    bool there = gb_row_draw(seed, row, MOST_RANGED + k, (gb_reals){2, unit}) >= p->w.ranged_missing[k];
    z[k] = there ? gb_row_draw(seed, row, k, (gb_reals){2, range}) : 0;
  }
  gb_instrument_draw(&p->opts.instrument, seed, row, 2 * MOST_RANGED, z + p->w.n_ranged);
  return gb_solved_row(&s, seed, row, z, x);
}

static const gb_simulator simulator = {
    .n_truth = N_PARAMETER + N_SEEN, .truth = truth, .simulate = simulate, .exact = exact};

/* Templates start alone. */
static void start(void *self, size_t rows, const gb_real *x, double *u)
{
  const pen_dna *p = self;
  size_t n = (size_t)p->opts.frames * p->w.n_seen;
  bool observed = gb_is(p->opts.start, "observed");
  memset(u, 0, p->n * rows * sizeof *u);
  for (size_t s = 0; s < p->w.n_strand; s++) {
    amount a = p->w.strand[s].start;
    for (size_t r = 0; r < rows; r++)
      u[s * rows + r] = observed && s < p->w.n_seen ? (double)x[r * n + s] : (a.low + a.high) / 2 / p->opts.unit;
  }
  for (size_t k = 0; k < p->w.n_template; k++)
    for (size_t r = 0; r < rows; r++) u[gb_pen_part(&p->w, k, ALONE) * rows + r] = 1;
}

/* Factors of a block of rows from `first` on: parameters, or the middle of the range. */
static void factors_of(const pen_dna *p, size_t rows, size_t first, const double *theta, const double **factor)
{
  for (size_t i = 0; i < p->n_factor; i++) factor[i] = p->middle[i];
  for (size_t k = 0; k < p->n_parameter; k++) factor[p->w.ranged[k]] = theta + k * rows + first;
}

static size_t block(size_t rows, size_t first)
{
  return rows - first < GB_REACTION_ROWS ? rows - first : GB_REACTION_ROWS;
}

static void rate(void *self, size_t rows, double t, const double *u, const double *theta, double *du)
{
  const pen_dna *p = self;
  const double *factor[MOST_FACTORS];
  (void)t;
  for (size_t i = 0; i < rows; i += GB_REACTION_ROWS) {
    factors_of(p, rows, i, theta, factor);
    gb_reactions_rate(&p->reactions, block(rows, i), rows, u + i, factor, du + i);
  }
}

static void rate_vjp(void *self, size_t rows, double t, const double *u, const double *theta, const double *w,
                     double *ubar, double *theta_bar)
{
  const pen_dna *p = self;
  const double *factor[MOST_FACTORS];
  double *bar[MOST_FACTORS] = {NULL};
  (void)t;
  for (size_t i = 0; i < rows; i += GB_REACTION_ROWS) {
    factors_of(p, rows, i, theta, factor);
    for (size_t k = 0; theta_bar && k < p->n_parameter; k++) bar[p->w.ranged[k]] = theta_bar + k * rows + i;
    gb_reactions_vjp(&p->reactions, block(rows, i), rows, u + i, factor, w + i, ubar + i, theta_bar ? bar : NULL);
  }
}

static const gb_dynamics dynamics = {
    .n_parameter = N_PARAMETER, .parameter = truth, .start = start, .rate = rate, .rate_vjp = rate_vjp};

const gb_physics gb_physics_pen_dna = {
    .name = "pen_dna",
    .doc = "Networks of DNA templates, polymerase, exonuclease and nickase.",
    .source = "A. Baccouche et al., Methods 67 (2014) 234 (the toolbox); N. Aubert et al., J. R. Soc. Interface 11 "
              "(2014) 20131167 (DACCAD, whose equations and constants these are)",
    .schema = &schema,
    .create = create,
    .destroy = destroy,
    .simulator = &simulator,
    .dynamics = &dynamics,
};
