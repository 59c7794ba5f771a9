/* tests/mpi/test_trainer.c - the training loop around a model of two tensors whose gradient is known, a statistic and a
 * multiplier: the same bits on any number of ranks and nodes, in passes of any size and after any interruption, and one
 * message for whatever goes wrong. */
#include "learn/trainer.h"

#include <sys/stat.h>
#include <time.h>

#include "learn/checkpoint.h"
#include "mpi/small_data.h"

enum { FIT, SHRINK, N_TERMS, BATCH = 8, SHARDS = 4, STEPS = 36, MOST_ROWS = 24 };

/* y = a x + b_0 + b_1 noise against cos x_0; terms (y - cos x_0)^2 / 2 and (1 + noise^2) |b|^2 / 2. The statistic is
 * the mean of x_1; the multiplier grows with that of 3 + x_1. */
typedef enum fault {
  NONE,
  NAN_TERM,
  INFINITE_TERM,
  NAN_GRADIENT,
  INFINITE_GRADIENT,
  FAILURE,
  STOP,
  DAMAGE /* of a weight in memory */
} fault;
typedef struct line {
  gb_params *p;
  gb_param a, mean, multiplier, b;
  size_t n, parts;
  gb_pass pass;
  double noise[MOST_ROWS], off[MOST_ROWS], term[N_TERMS][MOST_ROWS];
  float x[MOST_ROWS][DATA_WIDTH];
  fault fault; /* at this step, on whoever has this row */
  uint64_t at_step, at_row;
  const char *stop_file;
} line;

static double noise_of(gb_pass pass, size_t r)
{
  gb_real v;
  gb_rng_normal(gb_rng_key(77, GB_RNG_LATENT, pass.first_row + r, pass.step), 1, &v);
  return (double)v;
}

static bool is_now(const line *m, fault f)
{
  return m->fault == f && m->pass.step == m->at_step && m->at_row >= m->pass.first_row &&
         m->at_row < m->pass.first_row + m->n;
}

static const gb_real *tensor(const line *m, gb_param t)
{
  return gb_params_value(m->p) + gb_params_info(m->p, t)->first;
}

static gb_err forward(void *self_, size_t n, size_t parts, const float *x, gb_pass pass, const double *term[])
{
  line *m = self_;
  const gb_real *a = tensor(m, m->a), *b = tensor(m, m->b);
  m->n = n;
  m->pass = pass;
  memcpy(m->x, x, n * sizeof *m->x);
  m->parts = parts;
  for (int k = 0; k < N_TERMS; k++) term[k] = m->term[k];
  for (size_t r = 0; r < n; r++) {
    double e = m->noise[r] = noise_of(pass, r), y = (double)b[0] + (double)b[1] * e;
    for (size_t k = 0; k < DATA_WIDTH; k++) y += (double)a[k] * (double)m->x[r][k];
    m->off[r] = y - cos((double)m->x[r][0]);
    m->term[FIT][r] = m->off[r] * m->off[r] / 2;
    m->term[SHRINK][r] = (1 + e * e) * ((double)b[0] * (double)b[0] + (double)b[1] * (double)b[1]) / 2;
  }
  if (is_now(m, NAN_TERM)) m->term[SHRINK][n - 1] = NAN;
  if (is_now(m, INFINITE_TERM)) m->term[FIT][n - 1] = -INFINITY;
  GB_CHECK(!is_now(m, FAILURE), GB_ERR_IO, "row %llu cannot be had", (unsigned long long)m->at_row);
  if (is_now(m, DAMAGE)) gb_params_value(m->p)[3] += 1;
  if (is_now(m, STOP)) { /* the loop looks for the file once a second */
    struct timespec pause = {1, 50000000};
    scratch_put(m->stop_file, "", 0);
    nanosleep(&pause, NULL);
  }
  return GB_OK;
}

/* Gradients of the rows [first, first + n), one after another, on top of g. */
static void add_rows(const line *m, const double *weight, size_t first, size_t n, gb_real *g)
{
  gb_real *ga = g + gb_params_info(m->p, m->a)->first, *gb = g + gb_params_info(m->p, m->b)->first,
          *mean = g + gb_params_info(m->p, m->mean)->first, *growth = g + gb_params_info(m->p, m->multiplier)->first;
  const gb_real *b = tensor(m, m->b);
  for (size_t r = first; r < first + n; r++) {
    double e = m->noise[r], f = weight[FIT] * m->off[r], s = weight[SHRINK] * (1 + e * e);
    for (size_t k = 0; k < DATA_WIDTH; k++) ga[k] += (gb_real)(f * (double)m->x[r][k]);
    gb[0] += (gb_real)(f + s * (double)b[0]);
    gb[1] += (gb_real)(f * e + s * (double)b[1]);
    *mean += (gb_real)m->x[r][1];
    *growth += 3 + (gb_real)m->x[r][1];
  }
}

enum { SIZE = 64 }; /* of the block: four tensors of less than a line each, but for a */

/* The tree over pieces [first, first + count), as ad/graph.h has it. */
static void add_pieces(const line *m, const double *weight, size_t first, size_t count, gb_real *g)
{
  gb_real right[SIZE] = {0};
  size_t piece = m->n / m->parts;
  if (count == 1) {
    add_rows(m, weight, first * piece, piece, g);
    return;
  }
  add_pieces(m, weight, first, count / 2, g);
  add_pieces(m, weight, first + count / 2, count / 2, right);
  for (size_t i = 0; i < SIZE; i++) g[i] += right[i];
}

static gb_err backward(void *self_, const double *weight, const gb_gradient *out)
{
  line *m = self_;
  gb_real *grad = out->block;
  CHECK(gb_params_size(m->p) == SIZE && out->parts == m->parts && (!out->add || out->parts == 1));
  if (!out->add) memset(grad, 0, SIZE * sizeof *grad);
  add_pieces(m, weight, 0, m->parts, grad);
  if (is_now(m, NAN_GRADIENT)) grad[gb_params_info(m->p, m->b)->first + 1] = NAN;
  if (is_now(m, INFINITE_GRADIENT)) grad[gb_params_info(m->p, m->a)->first + DATA_WIDTH - 1] = -INFINITY;
  for (int first = 48; out->done && first >= 16; first -= 16) out->done(out->ctx, (size_t)first);
  return GB_OK;
}

static void weights(const void *self_, uint64_t step, double *weight)
{
  (void)self_;
  weight[FIT] = 1;
  weight[SHRINK] = step < 10 ? 0.01 * (double)step : 0.1;
}

static line make_line(void)
{
  line m = {0};
  CHECK_OK(gb_params_create(&m.p));
  CHECK_OK(gb_params_add(m.p, "a", 1, (size_t[]){DATA_WIDTH}, 0.3, &m.a));
  CHECK_OK(gb_params_add_statistic(m.p, "mean", 1, 0.5, &m.mean));
  CHECK_OK(gb_params_add_multiplier(m.p, "multiplier", 2, 0.01, &m.multiplier));
  CHECK_OK(gb_params_add(m.p, "b", 1, (size_t[]){2}, 0.3, &m.b));
  CHECK_OK(gb_params_freeze(m.p, 5));
  return m;
}

static gb_model model_of(line *m, size_t rows)
{
  static const char *const term[] = {"fit", "shrink"};
  return (gb_model){.self = m,
                    .rows = rows,
                    .n_terms = N_TERMS,
                    .term = term,
                    .forward = forward,
                    .backward = backward,
                    .weights = weights};
}

/* One training and all it needs; what a test changes, it changes before run(). */
typedef struct training {
  gb_train_opts opts;
  gb_optim_opts optim;
  const char *data;
  double memory; /* GiB for the data set */
  size_t rows;   /* of a pass of the model; 0: as many as it can use */
  bool whole_shards;
  fault fault;
  uint64_t at_step, at_row;
  gb_train_result result;
} training;

static training standard(void)
{
  return (training){.opts = {.steps = STEPS,
                             .batch = BATCH,
                             .shards = SHARDS,
                             .reduction = "exact",
                             .log_every = 4,
                             .hash_every = 1,
                             .validate_every = 5,
                             .save_every = 7},
                    .optim = {.optimizer = "adam",
                              .schedule = "constant",
                              .learning_rate = 0.02,
                              .beta1 = 0.9,
                              .beta2 = 0.999,
                              .epsilon = 1e-8,
                              .clip_norm = 1},
                    .data = "data.h5",
                    .memory = 4};
}

/* Train on the ranks of c in the run directory `dir` of the scratch folder. */
static gb_err run(gb_comm c, const char *dir, training *t)
{
  static const gb_schema *const sections[] = {&gb_run_schema, NULL};
  char yaml[PATH_MAX], stop[PATH_MAX], data_path[PATH_MAX];
  gb_config *cfg;
  gb_run *r = NULL;
  gb_dataset *d = NULL;
  snprintf(yaml, sizeof yaml, "run: {dir: \"%.300s/%s\", log_seconds: 1000}", scratch_folder, dir);
  snprintf(stop, sizeof stop, "%.300s/%s/stop", scratch_folder, dir);
  snprintf(data_path, sizeof data_path, "%.300s/%s", scratch_folder, t->data);
  gb_dataset_opts o = {.path = data_path, .memory = t->memory};
  line m = make_line();
  m.fault = t->fault;
  m.at_step = t->at_step;
  m.at_row = t->at_row;
  m.stop_file = stop;
  gb_model model = model_of(&m, t->rows ? t->rows : gb_train_rows(&t->opts, c.size));
  model.whole_shards = t->whole_shards;
  CHECK_OK(gb_config_parse("test", yaml, strlen(yaml), 0, NULL, sections, &cfg));
  CHECK_OK(gb_run_open(c, "greybox-test", cfg, sections, &r));
  CHECK_OK(gb_dataset_open(c, &o, 2, data_shape, &d));
  gb_err e = gb_train(c, &t->opts, &t->optim, 21, &model, m.p, d, r, "model: line\n", &t->result);
  gb_dataset_close(&d);
  gb_run_close(&r);
  gb_config_destroy(&cfg);
  gb_params_destroy(&m.p);
  return e;
}

static small_data data;

static void write_data(const char *name, uint64_t seed)
{
  data_fill(&data, seed);
  data_write(&data, scratch(name), NULL);
}

static bool same_file(const char *a, const char *b)
{
  size_t n[2] = {0};
  char *x = scratch_get(scratch(a), &n[0]), *y = scratch_get(scratch(b), &n[1]);
  bool same = x && y && n[0] > 0 && n[0] == n[1] && !memcmp(x, y, n[0]);
  free(x);
  free(y);
  return same;
}

/* All that a training leaves, against that of an undisturbed one on rank 0 alone. */
static void check_same_as_alone(const char *dir, training *t)
{
  MPI_Barrier(world.mpi);
  if (world.rank == 0) {
    static int number;
    char alone[32], name[2][64];
    training u = *t;
    u.fault = NONE;
    snprintf(alone, sizeof alone, "alone%d", number++);
    CHECK_OK(run(self, alone, &u));
    CHECK(u.result.step == t->result.step && u.result.best == t->result.best);
    CHECK(u.result.best_step == t->result.best_step);
    for (int i = 0; i < 2; i++) {
      const char *file = i ? "best.h5" : "checkpoint.h5";
      snprintf(name[0], sizeof name[0], "%s/%s", alone, file);
      snprintf(name[1], sizeof name[1], "%s/%s", dir, file);
      if (!same_file(name[0], name[1])) fail_msg("%s and %s differ", name[0], name[1]);
    }
  }
  MPI_Barrier(world.mpi);
}

/* Every way to divide the work, against one rank that does all at once. */
static void any_ranks_give_the_same_bits(void **state)
{
  (void)state;
  write_data("data.h5", 1);
  for (int i = 0; i < 8; i++) {
    char dir[32];
    training t = standard();
    snprintf(dir, sizeof dir, "ranks%d", i);
    if (i == 1) t.optim.optimizer = "adamw", t.optim.weight_decay = 0.1, t.optim.schedule = "cosine";
    if (i == 2) t.opts.batch = 24, t.opts.shards = 24, t.memory = 0; /* one row each, read row by row */
    if (i == 3) t.opts.ranks_per_node = 1, t.optim.ema = 0.9;
    if (i == 4) t.opts.ranks_per_node = 2, t.opts.micro_batch = 2; /* shards, one by one */
    if (i == 5) t.opts.micro_batch = 1, t.opts.shards = 2 + 2 * (world.size > 2), t.opts.batch = 24;
    if (i == 6) t.opts.micro_batch = 7, t.opts.batch = 24, t.opts.shards = 6; /* one shard, not two */
    if (i == 7) t.opts.micro_batch = 5, t.opts.batch = 24, t.opts.shards = 4, t.opts.ranks_per_node = 1; /* 5 + 1 */
    CHECK_OK(run(world, dir, &t));
    CHECK(t.result.step == STEPS && isfinite(t.result.best));
    CHECK(same_on_all(&t.result, offsetof(gb_train_result, times)));
    t.opts.micro_batch = 0;
    check_same_as_alone(dir, &t);
  }
}

/* Plain sums are right, too, and another program's bits. */
static void fast_is_as_good(void **state)
{
  (void)state;
  line m = make_line(), n = make_line();
  gb_state s[2] = {{.params = m.p}, {.params = n.p}};
  write_data("data.h5", 1);
  for (int i = 0; i < 2; i++) {
    training t = standard();
    t.opts.reduction = i ? "fast" : "exact";
    CHECK_OK(run(world, i ? "fast" : "exact", &t));
    CHECK_OK(gb_checkpoint_load(world, scratch(i ? "fast/checkpoint.h5" : "exact/checkpoint.h5"), &s[i]));
  }
  for (size_t i = 0; i < SIZE; i++) CHECK_NEAR((double)gb_params_value(n.p)[i], (double)gb_params_value(m.p)[i], 1e-5);
  training t = standard();
  t.opts.reduction = "fast";
  t.opts.steps = 20;
  CHECK_OK(run(world, "fast_half", &t)); /* stopped and continued it has its own bits */
  t.opts.steps = STEPS;
  CHECK_OK(run(world, "fast_half", &t));
  if (world.rank == 0) CHECK(same_file("fast/checkpoint.h5", "fast_half/checkpoint.h5"));
  gb_params_destroy(&m.p);
  gb_params_destroy(&n.p);
}

/* What is validated and kept as the best is the average; what goes on are the weights. */
static void averages_are_validated(void **state)
{
  (void)state;
  training t = standard();
  line m = make_line();
  gb_dataset *d;
  double mean[N_TERMS], weight[N_TERMS];
  write_data("data.h5", 1);
  gb_dataset_opts o = {.path = scratch("data.h5"), .memory = 4};
  t.optim.ema = 0.8;
  CHECK_OK(run(world, "average", &t));
  gb_state s = {.params = m.p};
  CHECK_OK(gb_checkpoint_load(world, scratch("average/best.h5"), &s));
  CHECK_OK(gb_dataset_open(world, &o, 2, data_shape, &d));
  gb_model model = model_of(&m, 4);
  CHECK_OK(gb_train_evaluate(world, &model, d, GB_VALIDATION, mean));
  weights(NULL, GB_PASS_FIXED, weight);
  CHECK(mean[FIT] + weight[SHRINK] * mean[SHRINK] == t.result.best);
  training u = standard(); /* the weights are as without an average */
  CHECK_OK(run(world, "no_average", &u));
  line n = make_line();
  gb_state v = {.params = n.p};
  CHECK_OK(gb_checkpoint_load(world, scratch("average/checkpoint.h5"), &s));
  CHECK_OK(gb_checkpoint_load(world, scratch("no_average/checkpoint.h5"), &v));
  CHECK(!memcmp(gb_params_value(m.p), gb_params_value(n.p), SIZE * sizeof(gb_real)));
  CHECK(u.result.best != t.result.best);
  gb_dataset_close(&d);
  gb_params_destroy(&m.p);
  gb_params_destroy(&n.p);
}

/* A weight that changes in the memory of one rank alone is noticed before it enters an update. */
static void damaged_weights(void **state)
{
  (void)state;
  write_data("data.h5", 1);
  for (int fast = 0; fast < 2 && world.size > 1; fast++) {
    char dir[32], message[96];
    training t = standard();
    snprintf(dir, sizeof dir, "damage%d", fast);
    snprintf(message, sizeof message, "step 11: the weights of rank %d (1 of %d ranks in all) are not those of rank 0",
             world.size - 1, world.size);
    t.opts.reduction = fast ? "fast" : "exact";
    t.opts.ranks_per_node = 1;
    t.fault = DAMAGE;
    t.at_step = 11;
    t.at_row = BATCH - 1;
    CHECK_ALL_FAIL(run(world, dir, &t), GB_ERR_NUMERIC, message);
    CHECK(t.result.step == 11);
  }
}

/* The same training written down in double: what the loop computes is right, not only reproducible. Rounding to float
 * changes a weight by less than 1e-5 in 36 steps of 0.02, a wrong factor in the gradient of a term by more than 1e-2.
 */
static void follows_the_gradient(void **state)
{
  (void)state;
  enum { N = DATA_WIDTH + 2 };
  training t = standard();
  gb_dataset *d;
  line m = make_line(), start = make_line();
  double w[N], mean_v[N] = {0}, mean_m[N] = {0};
  write_data("data.h5", 1);
  gb_dataset_opts o = {.path = scratch("data.h5"), .memory = 4};
  double statistic = 0.5, multiplier = 2;
  t.optim.clip_norm = 0.5;
  CHECK_OK(run(world, "right", &t));
  gb_state s = {.params = m.p};
  CHECK_OK(gb_checkpoint_load(world, scratch("right/checkpoint.h5"), &s));
  CHECK(s.step == STEPS && s.stopped_early == 0);
  CHECK_OK(gb_dataset_open(world, &o, 2, data_shape, &d));
  CHECK(s.data == gb_dataset_fingerprint(d));
  for (int i = 0; i < N; i++)
    w[i] = (double)(i < DATA_WIDTH ? tensor(&start, start.a)[i] : tensor(&start, start.b)[i - DATA_WIDTH]);
  for (uint64_t step = 0; step < STEPS; step++) {
    double g[N] = {0}, weight[N_TERMS], norm = 0, x_1 = 0;
    weights(NULL, step, weight);
    for (size_t r = 0; r < BATCH; r++) {
      uint64_t row;
      float x[DATA_WIDTH];
      gb_dataset_batch(d, 21, step, BATCH, r, 1, &row);
      CHECK_OK(gb_dataset_read(d, GB_TRAIN, 1, &row, x));
      x_1 += (double)x[1] / BATCH;
      double e = noise_of((gb_pass){step, 0, true}, r), y = w[DATA_WIDTH] + w[DATA_WIDTH + 1] * e;
      for (int k = 0; k < DATA_WIDTH; k++) y += w[k] * (double)x[k];
      double off = y - cos((double)x[0]);
      for (int k = 0; k < DATA_WIDTH; k++) g[k] += off * (double)x[k] / BATCH;
      g[DATA_WIDTH] += (off + weight[SHRINK] * (1 + e * e) * w[DATA_WIDTH]) / BATCH;
      g[DATA_WIDTH + 1] += (off * e + weight[SHRINK] * (1 + e * e) * w[DATA_WIDTH + 1]) / BATCH;
    }
    for (int i = 0; i < N; i++) norm += g[i] * g[i];
    double scale = fmin(1, t.optim.clip_norm / sqrt(norm)), k = (double)step + 1;
    statistic += 0.1 * (x_1 - statistic);
    multiplier += 0.01 * (3 + x_1);
    for (int i = 0; i < N; i++) {
      mean_m[i] = 0.9 * mean_m[i] + 0.1 * scale * g[i];
      mean_v[i] = 0.999 * mean_v[i] + 0.001 * scale * scale * g[i] * g[i];
      w[i] -= 0.02 * mean_m[i] / (1 - pow(0.9, k)) / (sqrt(mean_v[i] / (1 - pow(0.999, k))) + 1e-8);
    }
  }
  for (int i = 0; i < N; i++)
    CHECK_NEAR((double)(i < DATA_WIDTH ? tensor(&m, m.a)[i] : tensor(&m, m.b)[i - DATA_WIDTH]), w[i], 5e-5);
  CHECK_NEAR((double)*tensor(&m, m.mean), statistic, 1e-5);
  CHECK_NEAR((double)*tensor(&m, m.multiplier), multiplier, 1e-5);
  gb_dataset_close(&d);
  gb_params_destroy(&m.p);
  gb_params_destroy(&start.p);
}

/* 20 steps on all ranks, the rest on one, or the other way round: as if nothing had happened. */
static void goes_on_where_it_was(void **state)
{
  (void)state;
  write_data("data.h5", 1);
  for (int i = 0; i < 2; i++) {
    const char *dir = i ? "half_alone" : "half_together";
    training t = standard();
    t.opts.steps = 20;
    if (i == 0) {
      CHECK_OK(run(world, dir, &t));
    } else if (world.rank == 0) {
      CHECK_OK(run(self, dir, &t));
    }
    MPI_Barrier(world.mpi);
    t.opts.steps = STEPS;
    if (i == 1) {
      CHECK_OK(run(world, dir, &t));
    } else if (world.rank == 0) {
      CHECK_OK(run(self, dir, &t));
    }
    gb_comm_bcast(world, &t.result, sizeof t.result);
    check_same_as_alone(dir, &t);
    training again = t;
    CHECK_OK(run(world, dir, &again)); /* nothing to do */
    CHECK(!memcmp(&again.result, &t.result, offsetof(gb_train_result, times)));
    check_same_as_alone(dir, &t);
  }
}

/* A `stop` file that is there before the first step, and one that appears in the middle. */
static void stops_and_goes_on(void **state)
{
  (void)state;
  training t = standard();
  write_data("data.h5", 1);
  if (world.rank == 0) {
    CHECK(mkdir(scratch("stopped"), 0777) == 0);
    scratch_put(scratch("stopped/stop"), "", 0);
  }
  MPI_Barrier(world.mpi);
  CHECK_ALL_FAIL(run(world, "stopped", &t), GB_STOPPED, "stopped on request after step 1; everything is saved in ");
  CHECK(t.result.step == 1);
  MPI_Barrier(world.mpi);
  CHECK(access(scratch("stopped/stop"), F_OK) != 0);
  t.fault = STOP;
  t.at_step = 16;
  t.at_row = BATCH - 1;
  CHECK_ALL_FAIL(run(world, "stopped", &t), GB_STOPPED, "stopped on request after step 1");
  CHECK(t.result.step == 17 || t.result.step == 18);
  t.fault = NONE;
  CHECK_OK(run(world, "stopped", &t));
  CHECK(t.result.step == STEPS);
  check_same_as_alone("stopped", &t);
}

/* Whatever becomes infinite or NaN on one shard: all ranks name the step and the term or tensor, the checkpoint of step
 * 7 stays, and without the fault the training ends as if there had been none. */
static void numbers_that_are_none(void **state)
{
  (void)state;
  static const struct {
    fault fault;
    const char *message;
  } c[] = {{NAN_TERM, "step 11: the loss term `shrink` is not finite"},
           {INFINITE_TERM, "step 11: the loss term `fit` is not finite"},
           {NAN_GRADIENT, "step 11: the gradient of b is not finite"},
           {INFINITE_GRADIENT, "step 11: the gradient of a is not finite"}};
  write_data("data.h5", 1);
  for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
    training t = standard();
    char dir[32], path[32];
    snprintf(dir, sizeof dir, "nan%zu", i);
    snprintf(path, sizeof path, "nan%zu/checkpoint.h5", i);
    t.fault = c[i].fault;
    t.at_step = 11;
    t.at_row = (i * 5 + 2) % BATCH;
    CHECK_ALL_FAIL(run(world, dir, &t), GB_ERR_NUMERIC, c[i].message);
    CHECK(t.result.step == 11);
    line m = make_line();
    gb_state s = {.params = m.p};
    CHECK_OK(gb_checkpoint_load(world, scratch(path), &s));
    CHECK(s.step == 7);
    gb_params_destroy(&m.p);
    MPI_Barrier(world.mpi);
    t.fault = NONE;
    CHECK_OK(run(world, dir, &t));
    check_same_as_alone(dir, &t);
  }
}

static void failures_of_one_rank(void **state)
{
  (void)state;
  training t = standard();
  write_data("data.h5", 1);
  t.fault = FAILURE;
  t.at_step = 3;
  t.at_row = 5;
  CHECK_ALL_FAIL(run(world, "failing", &t), GB_ERR_IO, "row 5 cannot be had");
  CHECK(t.result.step == 3);
  data_fill(&data, 1); /* a sample of the training set that does not match its checksum */
  data.x[3][0] = 0.125f;
  data_write(&data, scratch("damaged.h5"), NULL);
  t = standard();
  t.data = "damaged.h5";
  t.memory = 0;
  CHECK_ALL_FAIL(run(world, "damaged", &t), GB_ERR_IO, "sample 3 of chain 0 at temperature 0 does not match");
}

/* Nothing is learnt at a rate of 0: the first validation stays the best, and after `patience` more it ends. */
static void patience_ends(void **state)
{
  (void)state;
  training t = standard();
  write_data("data.h5", 1);
  t.optim.learning_rate = 0;
  t.opts.patience = 3;
  CHECK_OK(run(world, "patient", &t));
  CHECK(t.result.step == 20 && t.result.best_step == 5);
  line m = make_line();
  gb_state s = {.params = m.p};
  CHECK_OK(gb_checkpoint_load(world, scratch("patient/checkpoint.h5"), &s));
  CHECK(s.step == 20 && s.stopped_early == 1 && s.stale == 3);
  gb_params_destroy(&m.p);
  check_same_as_alone("patient", &t);
  CHECK_OK(run(world, "patient", &t)); /* it stays ended */
  CHECK(t.result.step == 20);
  t = standard(); /* and without patience it would have gone on */
  t.optim.learning_rate = 0;
  CHECK_OK(run(world, "endless", &t));
  CHECK(t.result.step == STEPS && t.result.best_step == 5);
}

static void refusals(void **state)
{
  (void)state;
  char message[64];
  training t = standard();
  write_data("data.h5", 1);
  t.opts.shards = 1;
  if (world.size > 1) {
    snprintf(message, sizeof message, "train.shards = 1: %d ranks cannot share so few pieces", world.size);
    CHECK_ALL_FAIL(run(world, "few", &t), GB_ERR_CONFIG, message);
  } else {
    CHECK_OK(run(world, "few", &t));
  }
  t = standard();
  t.whole_shards = true;
  t.rows = 1;
  CHECK_ALL_FAIL(run(world, "pieces", &t), GB_ERR_CONFIG,
                 "train.micro_batch = 1 is less than a shard, train.batch / train.shards = 2 samples");
  t.rows = 2;
  CHECK_OK(run(world, "pieces", &t));
  t = standard();
  t.opts.steps = 10;
  CHECK_OK(run(world, "data", &t));
  write_data("other.h5", 2);
  t.data = "other.h5";
  t.opts.steps = STEPS;
  CHECK_ALL_FAIL(run(world, "data", &t), GB_ERR_CONFIG, "data/checkpoint.h5 was trained on another data set");
  t.data = "data.h5";
  CHECK_OK(run(world, "data", &t)); /* with its own it goes on */
  check_same_as_alone("data", &t);
  data_fill(&data, 1);
  for (size_t i = 0; i < DATA_N; i++) data.split[i] = GB_TEST;
  data_write(&data, scratch("test_only.h5"), NULL);
  t = standard();
  t.data = "test_only.h5";
  CHECK_ALL_FAIL(run(world, "untrained", &t), GB_ERR_CONFIG, "no training samples");
  if (world.rank == 0) scratch_put(scratch("few/checkpoint.h5"), "damaged", 7);
  MPI_Barrier(world.mpi);
  t = standard();
  CHECK_ALL_FAIL(run(world, "few", &t), GB_ERR_IO, "few/checkpoint.h5");
}

/* Without a validation split there is no best model, and no end by patience. */
static void no_validation(void **state)
{
  (void)state;
  training t = standard();
  data_fill(&data, 1);
  for (size_t i = 0; i < DATA_N; i++) data.split[i] = data.split[i] == GB_VALIDATION ? GB_TEST : data.split[i];
  data_write(&data, scratch("no_validation.h5"), NULL);
  t.data = "no_validation.h5";
  t.opts.patience = 1;
  CHECK_OK(run(world, "unvalidated", &t));
  CHECK(t.result.step == STEPS && t.result.best == INFINITY);
  MPI_Barrier(world.mpi);
  CHECK(access(scratch("unvalidated/best.h5"), F_OK) != 0 && access(scratch("unvalidated/checkpoint.h5"), F_OK) == 0);
}

/* The mean over a split, in passes of any size, with the fixed noise of each row. */
static void evaluations(void **state)
{
  (void)state;
  enum { ROWS = DATA_T * DATA_SAMPLES };
  double first[N_TERMS];
  gb_dataset *d;
  line m = make_line();
  write_data("data.h5", 1);
  gb_dataset_opts o = {.path = scratch("data.h5"), .memory = 4};
  CHECK_OK(gb_dataset_open(world, &o, 2, data_shape, &d));
  for (size_t rows = 1; rows <= MOST_ROWS; rows += 2) {
    gb_model model = model_of(&m, rows);
    double mean[2][N_TERMS], expected[N_TERMS] = {0}, sum[N_TERMS];
    for (uint64_t r = 0; r < ROWS; r++) {
      float x[DATA_WIDTH];
      CHECK_OK(gb_dataset_read(d, GB_TEST, 1, &r, x));
      CHECK_OK(gb_model_sums(&model, 1, x, (gb_pass){GB_PASS_FIXED, r, false}, sum));
      for (int k = 0; k < N_TERMS; k++) expected[k] += sum[k] / ROWS;
    }
    CHECK_OK(gb_train_evaluate(world, &model, d, GB_TEST, mean[0]));
    CHECK_OK(gb_train_evaluate(self, &model, d, GB_TEST, mean[1]));
    CHECK(!memcmp(mean[0], mean[1], sizeof mean[0]) && same_on_all(mean, sizeof mean));
    for (int k = 0; k < N_TERMS; k++) CHECK_NEAR(mean[0][k], expected[k], 1e-13);
    if (rows == 1) memcpy(first, mean[0], sizeof first);
    CHECK(!memcmp(first, mean[0], sizeof first));
    m.fault = FAILURE;
    m.at_step = GB_PASS_FIXED;
    m.at_row = ROWS - 1;
    CHECK_ALL_FAIL(gb_train_evaluate(world, &model, d, GB_TEST, mean[0]), GB_ERR_IO, "row 35 cannot be had");
    m.fault = NONE;
  }
  gb_dataset_close(&d);
  gb_params_destroy(&m.p);
}

static size_t count(const char *text, const char *what)
{
  size_t n = 0;
  for (const char *p = text; (p = strstr(p, what)); p++) n++;
  return n;
}

/* One line every log_every steps, one for each validation, each with its terms. */
static void the_log(void **state)
{
  (void)state;
  training t = standard();
  write_data("data.h5", 1);
  CHECK_OK(run(world, "logged", &t));
  MPI_Barrier(world.mpi);
  if (world.rank == 0) {
    size_t n = 0;
    char *log = scratch_get(scratch("logged/log.jsonl"), &n);
    CHECK(count(log, "\"event\":\"train\"") == STEPS / 4);
    CHECK(count(log, "\"event\":\"validate\"") == STEPS / 5 + 1); /* and at the end */
    CHECK(count(log, "\"fit\":") == STEPS / 4 + STEPS / 5 + 1 && count(log, "\"weight_shrink\":0.1") > 0);
    CHECK(count(log, "\"step\":36,") == 2 && count(log, "null") == 0);
    free(log);
  }
}

/* Paused between validations, and longer trainings than asked for left alone: in the end nothing shows. */
static void pauses_do_not_show(void **state)
{
  (void)state;
  static const int64_t until[] = {7, 13, 13, 12, 30, 0};
  static const uint64_t reached[] = {7, 13, 13, 13, 30, STEPS}, best_by[] = {5, 10, 10, 10, 30, STEPS};
  training t = standard();
  t.optim.schedule = "cosine";
  write_data("data.h5", 1);
  for (int i = 0; i < 6; i++) {
    t.opts.until = until[i];
    CHECK_OK(run(world, "paused", &t));
    CHECK(t.result.step == reached[i] && isfinite(t.result.best) && t.result.best_step <= best_by[i]);
  }
  check_same_as_alone("paused", &t);
}

static const struct CMUnitTest tests[] = {
    TEST(any_ranks_give_the_same_bits),
    TEST(fast_is_as_good),
    TEST(averages_are_validated),
    TEST(damaged_weights),
    TEST(follows_the_gradient),
    TEST(goes_on_where_it_was),
    TEST(stops_and_goes_on),
    TEST(pauses_do_not_show),
    TEST(numbers_that_are_none),
    TEST(failures_of_one_rank),
    TEST(patience_ends),
    TEST(refusals),
    TEST(no_validation),
    TEST(evaluations),
    TEST(the_log),
};
RUN_ON_RANKS(tests)
