/* sim/rhs.c - products over the rows of a block, stage by stage; their operands stay on the tape. */
#include "sim/rhs.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "linalg/gemm.h"
#include "linalg/narrow.h"
#include "linalg/small.h"
#include "linalg/vmath.h"

enum { LINE = GB_ALIGN, LINES = 64 /* of a tape, that are multiplied together */ };
static const int32_t here[1] = {0};

/* The next `bytes` of memory; counts only, while there is none. */
static void *carve(char *memory, size_t *used, size_t bytes)
{
  void *at = memory ? memory + *used : NULL;
  *used += (bytes + LINE - 1) / LINE * LINE;
  return at;
}

static gb_runs runs_of(size_t width, size_t image)
{
  return (gb_runs){.rows = 1, .taps = 1, .c = width, .offset = here, .image = image};
}

static void sizes(gb_rhs *f)
{
  const gb_ode_network *net = &f->p.network;
  int n = f->p.inside == GB_INSIDE_NOTHING ? 0 : net->n_layers;
  f->p.network.n_layers = n;
  f->n = f->p.sim->dims.n_state;
  f->size = f->p.reduced ? 2 * f->n : f->n;
  f->sees = f->n - f->p.sees_from;
  f->n_theta = f->theta_node ? f->theta_node->width : 0;
  f->n_latent = f->latent_node && n ? f->latent_node->width : 0;
  f->n_out = n ? gb_ode_outputs(f->p.sim, f->p.inside) : 0;
  f->width[0] = n ? gb_ode_inputs(&f->p, f->n_latent) : 0;
  f->value_width = f->width[0];
  for (int l = 0; l < n; l++) {
    f->width[l + 1] = net->b[l]->width;
    GB_ASSERT(net->W[l]->width == f->width[l] * f->width[l + 1]);
    f->value_width += f->width[l + 1];
    f->delta_width += f->width[l + 1];
    if (!gb_activation_is_monotone(net->activation[l])) f->before_width += f->width[l + 1];
    f->n_weights += net->W[l]->width + net->b[l]->width;
  }
  GB_ASSERT(f->width[n] == f->n_out);
}

static size_t widest(const gb_rhs *f)
{
  size_t most = 0;
  for (int l = 0; l <= f->p.network.n_layers; l++) most = f->width[l] > most ? f->width[l] : most;
  return most;
}

/* Places of the arrays of a tape of rows * stages, value and before, or delta. */
static void place_values(const gb_rhs *f, size_t rows, size_t stages, gb_real *at, gb_tape *t)
{
  const gb_ode_network *net = &f->p.network;
  size_t n = rows * stages;
  t->stages = stages;
  for (int l = 0; l <= net->n_layers; l++, at += n * f->width[l - 1]) t->value[l] = at;
  for (int l = 0; l < net->n_layers; l++) {
    if (gb_activation_is_monotone(net->activation[l])) continue;
    t->before[l] = at;
    at += n * f->width[l + 1];
  }
}

static void place_deltas(const gb_rhs *f, gb_real *at, gb_tape *t)
{
  for (int l = 1; l <= f->p.network.n_layers; l++) {
    t->delta[l] = at;
    at += f->rows * t->stages * f->width[l];
  }
}

static size_t lay_out(gb_rhs *f, size_t pass_rows, char *m)
{
  const gb_ode_network *net = &f->p.network;
  size_t used = 0, r = f->most, number = sizeof(gb_real);
  f->theta = carve(m, &used, f->n_theta * r * sizeof(double));
  f->theta_bar = carve(m, &used, f->n_theta * r * sizeof(double));
  f->latent_bar = carve(m, &used, f->n_latent * r * sizeof(double));
  f->driven = carve(m, &used, f->n_theta * r * sizeof(double));
  f->driven_bar = carve(m, &used, f->n_theta * r * sizeof(double));
  f->input_bar = carve(m, &used, f->width[0] * r * number);
  f->norm_weight = carve(m, &used, pass_rows * number);
  f->observed = carve(m, &used, f->n * r * sizeof(double));
  f->unit = carve(m, &used, f->size * r * sizeof(double));
  for (int l = 0; l < net->n_layers; l++) {
    f->packed[0][l] = carve(m, &used, gb_gemm_packed(f->width[l], f->width[l + 1]) * number);
    f->packed[1][l] = carve(m, &used, gb_gemm_packed(f->width[l + 1], f->width[l]) * number);
  }
  gb_runs wide = runs_of(widest(f), widest(f));
  f->scratch = carve(m, &used, gb_narrow_outer_scratch(&wide, LINES));
  f->values = carve(m, &used, (LINES * wide.c + GB_NARROW_ROOM) * number);
  f->lines = carve(m, &used, LINES * wide.c * number);
  f->piece = carve(m, &used, f->n_weights * (f->n_levels + 2) * number);
  gb_real *values = carve(m, &used, r * (f->value_width + f->before_width) * number);
  gb_real *deltas = carve(m, &used, r * f->delta_width * number);
  if (!m) return used;
  f->rows = r;
  place_values(f, r, 1, values, &f->probe);
  place_deltas(f, deltas, &f->probe);
  return used;
}

gb_err gb_rhs_create(gb_rhs *f, const gb_ode_problem *p, gb_node *x, gb_node *theta, gb_node *latents, size_t most,
                     size_t pass_rows)
{
  *f = (gb_rhs){.p = *p,
                .known = p->sim->kind->dynamics,
                .x = x,
                .theta_node = p->known == GB_KNOWN_LAW ? theta : NULL,
                .latent_node = latents,
                .most = most};
  sizes(f);
  while ((size_t)1 << f->n_levels < pass_rows) f->n_levels++;
  size_t bytes = lay_out(f, pass_rows, NULL);
  char *memory;
  GB_TRY(gb_new(&memory, bytes));
  f->memory = memory;
  lay_out(f, pass_rows, memory);
  return GB_OK;
}

void gb_rhs_destroy(gb_rhs *f)
{
  gb_free(&f->memory);
  gb_free(&f->tape);
  gb_free(&f->deltas);
}

void gb_rhs_pack(gb_rhs *f, bool transposed)
{
  for (int l = 0; l < f->p.network.n_layers; l++) {
    size_t in = f->width[l], out = f->width[l + 1];
    gb_gemm_pack(1, transposed ? out : in, transposed ? in : out, f->p.network.W[l]->v, NULL, out, transposed,
                 f->packed[transposed][l]);
  }
}

size_t gb_rhs_rows(const gb_node *y, size_t first, size_t most)
{
  size_t piece = y->rows / y->parts, left = piece - first % piece;
  return left < most ? left : most;
}

void gb_rhs_block(gb_rhs *f, size_t first, size_t rows)
{
  GB_ASSERT(rows <= f->most);
  f->first = first;
  f->rows = rows;
  for (size_t i = 0; i < f->n_theta; i++)
    for (size_t r = 0; r < rows; r++) f->theta[i * rows + r] = f->theta_node->v[(first + r) * f->n_theta + i];
  memset(f->theta_bar, 0, f->n_theta * rows * sizeof *f->theta_bar);
  memset(f->latent_bar, 0, f->n_latent * rows * sizeof *f->latent_bar);
}

void gb_rhs_start(gb_rhs *f, double *u)
{
  f->known->start(f->p.sim->self, f->rows, f->x->v + f->first * f->x->width, u);
  if (f->p.reduced) memcpy(u + f->n * f->rows, u, f->n * f->rows * sizeof *u);
}

/* What an array of the tape has of width[l] at a stage: [rows, width[l]]. */
static gb_real *at_stage(const gb_rhs *f, gb_real *const array[], int l, size_t stage)
{
  return array[l] + stage * f->rows * f->width[l];
}

static void put_inputs(const gb_rhs *f, const gb_tape *tape, size_t stage, double t, const double *u)
{
  size_t n = f->width[0];
  gb_real *in = at_stage(f, tape->value, 0, stage), clock[2] = {(gb_real)t, 0};
  const gb_real *z = f->n_latent ? f->latent_node->v + f->first * f->n_latent : NULL;
  if (f->p.clock == GB_CLOCK_CIRCLE) {
    clock[0] = (gb_real)sin(t);
    clock[1] = (gb_real)cos(t);
  }
  gb_small_to_rows(f->rows, f->sees, u + f->p.sees_from * f->rows, in + f->n_latent, n);
  for (size_t r = 0; r < f->rows; r++, in += n) {
    for (size_t k = 0; k < f->n_latent; k++) in[k] = z[r * f->n_latent + k];
    for (size_t k = f->n_latent + f->sees, i = 0; k < n; i++) in[k++] = clock[i];
  }
}

static void layer(gb_rhs *f, const gb_tape *tape, size_t stage, int l)
{
  size_t in = f->width[l], out = f->width[l + 1];
  gb_activation a = f->p.network.activation[l];
  bool at_once = gb_activation_is_monotone(a);
  gb_real *y = at_stage(f, tape->value, l + 1, stage);
  gb_finish end = {.start = GB_START_BIAS,
                   .bias = f->p.network.b[l]->v,
                   .activate = at_once && a != GB_NONE ? gb_activate : NULL,
                   .kind = (int)a};
  gb_small_rows(f->rows, in, at_stage(f, tape->value, l, stage), out, f->packed[0][l], &end, y);
  if (!at_once) gb_activate_kept(a, f->rows * out, y, tape->before[l] + stage * f->rows * out);
}

static void network(gb_rhs *f, const gb_tape *tape, size_t stage, double t, const double *u)
{
  if (f->p.network.n_layers) put_inputs(f, tape, stage, t, u);
  for (int l = 0; l < f->p.network.n_layers; l++) layer(f, tape, stage, l);
}

/* The outputs of the network in row r, at one stage. */
static gb_real *output(const gb_rhs *f, gb_real *const array[], size_t stage, size_t r)
{
  return at_stage(f, array, f->p.network.n_layers, stage) + r * f->n_out;
}

/* The parameters at a stage. */
static const double *parameters(gb_rhs *f, const gb_tape *tape, size_t stage)
{
  if (f->p.inside != GB_INSIDE_PARAMETERS) return f->theta;
  for (size_t r = 0; r < f->rows; r++) {
    const gb_real *out = output(f, tape->value, stage, r);
    for (size_t i = 0; i < f->n_out; i++)
      f->driven[i * f->rows + r] = f->theta[i * f->rows + r] * (double)gb_exp(out[i]);
  }
  return f->driven;
}

static void known_rate(const gb_rhs *f, double t, const double *u, const double *theta, double *du)
{
  void *self = f->p.sim->self;
  if (f->p.known == GB_KNOWN_LAW) {
    f->known->rate(self, f->rows, t, u, theta, du);
    return;
  }
  memset(du, 0, f->n * f->rows * sizeof *du);
  if (f->p.known == GB_KNOWN_KINEMATICS && f->known->kinematics) f->known->kinematics(self, f->rows, u, du);
}

static void known_vjp(const gb_rhs *f, double t, const double *u, const double *theta, const double *w, double *ubar,
                      double *theta_bar)
{
  void *self = f->p.sim->self;
  if (f->p.known == GB_KNOWN_LAW)
    f->known->rate_vjp(self, f->rows, t, u, theta, w, ubar, theta_bar);
  else if (f->p.known == GB_KNOWN_KINEMATICS && f->known->kinematics)
    f->known->kinematics_vjp(self, f->rows, w, ubar);
}

void gb_rhs_rate(gb_rhs *f, const gb_tape *tape, size_t stage, double t, const double *u, double *du)
{
  size_t half = f->n * f->rows;
  network(f, tape, stage, t, u);
  known_rate(f, t, u, parameters(f, tape, stage), du);
  if (f->p.reduced) known_rate(f, t, u + half, f->theta, du + half);
  if (f->p.inside != GB_INSIDE_SUM) return;
  gb_small_from_rows(f->rows, f->n_out, output(f, tape->value, stage, 0), f->n_out,
                     du + f->p.sim->dims.driven * f->rows);
}

/* Back through the activation of layer l. */
static void activation_vjp(const gb_rhs *f, const gb_tape *tape, size_t stage, int l)
{
  gb_activation a = f->p.network.activation[l];
  size_t n = f->rows * f->width[l + 1];
  const gb_real *before = tape->before[l] ? tape->before[l] + stage * n : NULL;
  gb_activate_kept_vjp(a, n, at_stage(f, tape->value, l + 1, stage), before, at_stage(f, tape->delta, l + 1, stage));
}

static void add_inputs(const gb_rhs *f, bool latents, double *ubar)
{
  size_t n = f->width[0];
  if (latents) gb_small_from_rows(f->rows, f->n_latent, f->input_bar, n, f->latent_bar);
  if (ubar) gb_small_from_rows(f->rows, f->sees, f->input_bar + f->n_latent, n, ubar + f->p.sees_from * f->rows);
}

static void network_vjp(gb_rhs *f, const gb_tape *tape, size_t stage, bool latents, double *ubar)
{
  for (int l = f->p.network.n_layers - 1; l >= 0; l--) {
    activation_vjp(f, tape, stage, l);
    gb_small_rows(f->rows, f->width[l + 1], at_stage(f, tape->delta, l + 1, stage), f->width[l], f->packed[1][l],
                  &(gb_finish){.start = GB_START_ZERO}, l ? at_stage(f, tape->delta, l, stage) : f->input_bar);
  }
  add_inputs(f, latents, ubar);
}

/* Through theta * exp(network), from the gradient of the product. */
static void parameters_vjp(gb_rhs *f, const gb_tape *tape, size_t stage, bool theta)
{
  for (size_t r = 0; r < f->rows; r++) {
    const gb_real *out = output(f, tape->value, stage, r);
    gb_real *delta = output(f, tape->delta, stage, r);
    for (size_t i = 0, at = r; i < f->n_out; i++, at += f->rows) {
      delta[i] = (gb_real)(f->driven_bar[at] * f->driven[at]);
      if (theta) f->theta_bar[at] += f->driven_bar[at] * (double)gb_exp(out[i]);
    }
  }
}

/* Of the whole solution; `weights`: of parameters and latents, too. */
static void whole_vjp(gb_rhs *f, const gb_tape *tape, size_t stage, double t, const double *u, const double *w,
                      double *ubar, bool weights)
{
  if (f->p.inside == GB_INSIDE_PARAMETERS) {
    memset(f->driven_bar, 0, f->n_theta * f->rows * sizeof *f->driven_bar);
    known_vjp(f, t, u, parameters(f, tape, stage), w, ubar, f->driven_bar);
    parameters_vjp(f, tape, stage, weights);
  } else
    known_vjp(f, t, u, f->theta, w, ubar, weights ? f->theta_bar : NULL);
  if (f->p.inside == GB_INSIDE_SUM)
    gb_small_to_rows(f->rows, f->n_out, w + f->p.sim->dims.driven * f->rows, output(f, tape->delta, stage, 0),
                     f->n_out);
  if (f->n_out) network_vjp(f, tape, stage, weights, ubar);
}

void gb_rhs_vjp(gb_rhs *f, const gb_tape *tape, size_t stage, double t, const double *u, const double *w, double *ubar)
{
  size_t half = f->n * f->rows;
  whole_vjp(f, tape, stage, t, u, w, ubar, true);
  if (f->p.reduced) known_vjp(f, t, u + half, f->theta, w + half, ubar + half, f->theta_bar);
}

void gb_rhs_state_vjp(gb_rhs *f, const gb_tape *tape, size_t stage, double t, const double *u, const double *w,
                      double *ubar)
{
  size_t half = f->n * f->rows;
  whole_vjp(f, tape, stage, t, u, w, ubar, false);
  if (f->p.reduced) known_vjp(f, t, u + half, f->theta, w + half, ubar + half, NULL);
}

void gb_rhs_jacobian(gb_rhs *f, const gb_tape *tape, size_t stage, double t, const double *u, size_t component,
                     double *jacobian)
{
  size_t half = f->n * f->rows;
  memset(f->unit, 0, f->size * f->rows * sizeof *f->unit);
  memset(jacobian, 0, f->size * f->rows * sizeof *jacobian);
  for (size_t h = 0; h < f->size; h += f->n)
    for (size_t r = 0; r < f->rows; r++) f->unit[(h + component) * f->rows + r] = 1;
  if (f->p.inside == GB_INSIDE_SUM && component < f->p.sim->dims.driven)
    known_vjp(f, t, u, f->theta, f->unit, jacobian, NULL);
  else
    whole_vjp(f, tape, stage, t, u, f->unit, jacobian, false);
  if (f->p.reduced) known_vjp(f, t, u + half, f->theta, f->unit + half, jacobian + half, NULL);
}

gb_err gb_rhs_grow(void *memory, size_t *has, size_t n, size_t size)
{
  void **at = memory;
  if (n <= *has) return GB_OK;
  gb_free(at);
  *has = 0;
  *at = gb_alloc(n, size);
  GB_CHECK(*at, GB_ERR_MEMORY,
           "no memory for the stages of a differential equation: %zu numbers of %zu bytes; take fewer "
           "rows at once (train.micro_batch)",
           n, size);
  *has = n;
  return GB_OK;
}

size_t gb_rhs_bytes(const gb_rhs *f, size_t rows, size_t stages)
{
  size_t numbers = rows * (f->value_width + f->before_width) + f->most * f->delta_width;
  return stages * (numbers * sizeof(gb_real) + rows * f->size * sizeof(double));
}

gb_err gb_rhs_tape(gb_rhs *f, size_t rows, size_t stages, gb_tape *out)
{
  GB_TRY(gb_rhs_grow(&f->tape, &f->n_tape, rows * stages * (f->value_width + f->before_width), sizeof *f->tape));
  place_values(f, rows, stages, f->tape, out);
  return GB_OK;
}

gb_err gb_rhs_deltas(gb_rhs *f, gb_tape *tape)
{
  GB_TRY(gb_rhs_grow(&f->deltas, &f->n_deltas, f->rows * tape->stages * f->delta_width, sizeof *f->deltas));
  place_deltas(f, f->deltas, tape);
  return GB_OK;
}

gb_tape gb_rhs_tape_from(const gb_rhs *f, const gb_tape *tape, size_t row)
{
  gb_tape t = *tape;
  size_t skip = row * tape->stages;
  for (int l = 0; l <= f->p.network.n_layers; l++) t.value[l] += skip * f->width[l];
  for (int l = 0; l < f->p.network.n_layers; l++)
    if (t.before[l]) t.before[l] += skip * f->width[l + 1];
  return t;
}

void gb_rhs_no_deltas(const gb_rhs *f, const gb_tape *tape, size_t first, size_t count)
{
  for (int l = 1; l <= f->p.network.n_layers; l++)
    memset(at_stage(f, tape->delta, l, first), 0, count * f->rows * f->width[l] * sizeof(gb_real));
}

static void add_rows(size_t rows, size_t n, const gb_real *restrict a, bool add, gb_real *restrict sum)
{
  if (!add) memset(sum, 0, n * sizeof *sum);
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < n; i++) sum[i] += a[r * n + i];
}

/* Where the gradients of layer l are in a block of those of all weights. */
static gb_real *weights_of(const gb_rhs *f, gb_real *block, int l, bool bias)
{
  for (int k = 0; k < l; k++) block += (f->width[k] + 1) * f->width[k + 1];
  return bias ? block + f->width[l] * f->width[l + 1] : block;
}

/* A piece is finished: it goes to the left of its tree or, if it is a right half, is added to its left one. */
static void finish_piece(gb_rhs *f, size_t piece, gb_node *weight, gb_real *sum)
{
  size_t n = weight->width, l = 0;
  for (; piece >> l & 1; l++) {
    const gb_real *left = sum + (l + 1) * f->n_weights;
    for (size_t i = 0; i < n; i++) sum[i] = left[i] + sum[i];
  }
  memcpy(sum + (l + 1) * f->n_weights, sum, n * sizeof *sum);
  memcpy(weight->g, sum, n * sizeof *sum);
}

/* Lines first ... first + count of the rows of the block from row `at` on, [row, stage]; a tape has [stage, row]. */
static void gather(const gb_rhs *f, const gb_tape *tape, gb_real *const array[], int l, size_t at, size_t first,
                   size_t count, gb_real *to)
{
  size_t n = f->width[l], end = first + count;
  for (size_t i = first, some; i < end; i += some, to += some * n) {
    size_t stage = i % tape->stages;
    some = tape->stages - stage < end - i ? tape->stages - stage : end - i;
    gb_small_gather(some, n, at_stage(f, array, l, stage) + (at + i / tape->stages) * n, f->rows * n, to);
  }
}

/* From rows [at, at + rows) of the block, all of one piece: a chain over rows, and over the stages of a row. */
static void collect_layer(gb_rhs *f, const gb_tape *tape, int l, size_t at, size_t rows, bool add, gb_real *w_sum,
                          gb_real *b_sum)
{
  size_t n = f->width[l + 1], all = rows * tape->stages, count;
  gb_runs in = runs_of(f->width[l], f->width[l]);
  for (size_t first = 0; first < all; first += count, add = true) {
    count = all - first < LINES ? all - first : LINES;
    gather(f, tape, tape->value, l, at, first, count, f->values);
    gather(f, tape, tape->delta, l + 1, at, first, count, f->lines);
    if (n <= GB_NARROW)
      gb_narrow_outer(count, 1, add, &in, f->values, n, f->lines, w_sum, f->scratch);
    else
      gb_small_outer(count, add, f->width[l], f->values, n, f->lines, w_sum);
    add_rows(count, n, f->lines, add, b_sum);
  }
}

static void collect_piece(gb_rhs *f, const gb_node *y, const gb_tape *tape, size_t at, size_t rows)
{
  size_t size = y->rows / y->parts, begin = f->first + at, piece = begin / size;
  bool last = begin + rows == (piece + 1) * size, whole = y->parts == 1, add = begin % size || y->add;
  for (int l = 0; l < f->p.network.n_layers; l++) {
    gb_node *w = f->p.network.W[l], *b = f->p.network.b[l];
    gb_real *w_sum = whole ? w->g : weights_of(f, f->piece, l, false);
    gb_real *b_sum = whole ? b->g : weights_of(f, f->piece, l, true);
    collect_layer(f, tape, l, at, rows, add, w_sum, b_sum);
    if (whole || !last) continue;
    finish_piece(f, piece, w, w_sum);
    finish_piece(f, piece, b, b_sum);
  }
}

static void collect_weights(gb_rhs *f, const gb_node *y, const gb_tape *tape)
{
  for (size_t at = 0, rows; at < f->rows; at += rows) {
    rows = gb_rhs_rows(y, f->first + at, f->rows - at);
    collect_piece(f, y, tape, at, rows);
  }
}

static void collect_rows(const gb_rhs *f, gb_node *to, size_t n, const double *bar)
{
  for (size_t r = 0; to && to->g && r < f->rows; r++)
    for (size_t i = 0; i < n; i++) to->g[(f->first + r) * n + i] += (gb_real)bar[i * f->rows + r];
}

/* What a loss term says about the network at frame k of the observations: |F|^2 / (|x| + 1e-5)^2, divided by the
 * frames.
 *  @param[out] scale  what |F|^2 is multiplied by */
static double norm_at(const gb_rhs *f, const gb_tape *tape, size_t stage, size_t r, double *scale)
{
  const gb_real *out = output(f, tape->value, stage, r);
  double x2 = 0, f2 = 0;
  for (size_t i = 0; i < f->n; i++) x2 += f->observed[i * f->rows + r] * f->observed[i * f->rows + r];
  for (size_t i = 0; i < f->n_out; i++) f2 += (double)out[i] * (double)out[i];
  double length = sqrt(x2) + 1e-5;
  *scale = 1 / (length * length * (double)f->norm_frames);
  return f2 * *scale;
}

/* The network at an observation. */
static void observe(gb_rhs *f, const gb_tape *tape, size_t stage, size_t frame)
{
  for (size_t r = 0; r < f->rows; r++)
    for (size_t i = 0; i < f->n; i++)
      f->observed[i * f->rows + r] = (double)f->norm_x->v[((f->first + r) * f->norm_frames + frame) * f->n + i];
  network(f, tape, stage, (double)frame * f->p.sim->dims.frame_time, f->observed);
}

void gb_rhs_norm(gb_rhs *f, double *term)
{
  double scale;
  memset(term + f->first, 0, f->rows * sizeof *term);
  for (size_t k = 0; k < f->norm_frames; k++) {
    observe(f, &f->probe, 0, k);
    for (size_t r = 0; r < f->rows; r++) term[f->first + r] += norm_at(f, &f->probe, 0, r, &scale);
  }
}

/* The same stages again, now recorded, behind those of the solution. */
static void norm_vjp(gb_rhs *f, const gb_tape *tape)
{
  size_t at = tape->stages - f->norm_frames;
  double scale;
  if (!f->norm_counts) gb_rhs_no_deltas(f, tape, at, f->norm_frames);
  for (size_t k = 0; f->norm_counts && k < f->norm_frames; k++) {
    observe(f, tape, at + k, k);
    for (size_t r = 0; r < f->rows; r++) {
      norm_at(f, tape, at + k, r, &scale);
      scale *= 2 * (double)f->norm_weight[f->first + r];
      for (size_t i = 0; i < f->n_out; i++)
        output(f, tape->delta, at + k, r)[i] = (gb_real)(scale * (double)output(f, tape->value, at + k, r)[i]);
    }
    network_vjp(f, tape, at + k, true, NULL);
  }
}

void gb_rhs_collect(gb_rhs *f, const gb_node *y, const gb_tape *tape)
{
  if (f->norm_frames) norm_vjp(f, tape);
  collect_rows(f, f->theta_node, f->n_theta, f->theta_bar);
  collect_rows(f, f->latent_node, f->n_latent, f->latent_bar);
  collect_weights(f, y, tape);
}

gb_err gb_rhs_refuse(const gb_rhs *f, size_t row, size_t component, double t, const char *what)
{
  gb_text where = {0};
  const gb_dims *d = &f->p.sim->dims;
  for (size_t i = 0; i < f->n_theta; i++)
    gb_text_add(&where, "%s%s = %.6g", i ? ", " : "; ", gb_sim_parameters(f->p.sim)[i].name,
                f->theta[i * f->rows + row]);
  for (size_t i = 0; i < f->n_latent; i++)
    gb_text_add(&where, "%s%.4g", i ? ", " : "; latents ",
                (double)f->latent_node->v[(f->first + row) * f->n_latent + i]);
  gb_err e =
      GB_FAIL(GB_ERR_NUMERIC,
              "the differential equation of row %llu, frame %.4g, time %.6g: component %zu%s %s%s. Take more "
              "ode.substeps or another ode.method, a smaller learning rate, or clip gradients",
              (unsigned long long)(f->p.draws->first_row + f->first + row), t / d->frame_time, t, component % f->n,
              component < f->n ? "" : " of the known part alone", what, where.s ? where.s : "");
  gb_text_free(&where);
  return e;
}

gb_err gb_rhs_check(const gb_rhs *f, double t, const double *u)
{
  double none[8] = {0}; /* as long as all are finite */
  size_t n = f->size * f->rows;
  for (size_t at = 0; at < n; at += 8)
    for (size_t k = 0; k < 8 && at + k < n; k++) none[k] += 0 * u[at + k];
  if (gb_eight_total(none) == 0) return GB_OK;
  for (size_t r = 0; r < f->rows; r++)
    for (size_t i = 0; i < f->size; i++)
      if (!isfinite(u[i * f->rows + r])) return gb_rhs_refuse(f, r, i, t, "is not finite");
  return GB_OK;
}

void gb_rhs_put_frame(const gb_rhs *f, const gb_node *y, size_t frame, const double *u)
{
  size_t seen = f->p.sim->dims.seen;
  gb_real *to = y->v + f->first * y->width + frame * seen;
  gb_small_to_rows(f->rows, seen, u, to, y->width);
  if (f->p.reduced) gb_small_to_rows(f->rows, seen, u + f->n * f->rows, to + y->width / 2, y->width);
}

void gb_rhs_take_frame(const gb_rhs *f, const gb_node *y, size_t frame, double *ubar)
{
  size_t seen = f->p.sim->dims.seen;
  const gb_real *from = y->g + f->first * y->width + frame * seen;
  gb_small_from_rows(f->rows, seen, from, y->width, ubar);
  if (f->p.reduced) gb_small_from_rows(f->rows, seen, from + y->width / 2, y->width, ubar + f->n * f->rows);
}
