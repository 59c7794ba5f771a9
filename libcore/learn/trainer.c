/* learn/trainer.c - the loop: shards, reduction, update, validation, checkpoints. */
#include "learn/trainer.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "comm/reduce.h"
#include "learn/checkpoint.h"

static const gb_field fields[] = {
    GB_NUMBER(gb_train_opts, steps, "10000", 1, 1e12, "steps", GB_FREE,
              "Length of the training; a finished one goes on if this is raised (a cosine schedule then has the new "
              "length)."),
    GB_NUMBER(gb_train_opts, batch, "128", 1, 1e7, "samples", GB_FIXED, "Samples in a step, over all ranks."),
    GB_NUMBER(
        gb_train_opts, shards, "4", 1, 65536, "1", GB_FIXED,
        "Pieces of a batch, a divisor of it: the most ranks that can work. Results depend on it, not on the ranks."),
    GB_NUMBER(gb_train_opts, log_every, "100", 1, 1e9, "steps", GB_FREE, "Interval of training lines in log.jsonl."),
    GB_NUMBER(gb_train_opts, validate_every, "500", 1, 1e9, "steps", GB_FIXED,
              "Interval of validations; the best one is kept in best.h5."),
    GB_NUMBER(gb_train_opts, save_every, "500", 1, 1e9, "steps", GB_FREE,
              "Interval of checkpoints; a killed run loses at most the steps since."),
    GB_NUMBER(gb_train_opts, patience, "0", 0, 1e9, "validations", GB_FIXED,
              "Stop after so many validations without a better one; 0: never."),
    {0}};

static gb_err check(const void *opts)
{
  const gb_train_opts *o = opts;
  GB_CHECK(o->batch % o->shards == 0, GB_ERR_CONFIG,
           "train.shards = %lld does not divide train.batch = %lld: all pieces must be equal", (long long)o->shards,
           (long long)o->batch);
  return GB_OK;
}

const gb_schema gb_train_schema = {"train", "The training loop.", sizeof(gb_train_opts), fields, check};

typedef struct loop {
  gb_comm c;
  const gb_train_opts *opts;
  const gb_optim_opts *optim;
  uint64_t seed;
  const gb_model *model;
  gb_dataset *data;
  gb_run *run;
  const char *config;
  gb_state state;
  gb_reduce *reduce;
  size_t shard_rows, n_side;
  double *side;                                /* [shards, n_terms] sums of the terms, then the wish to stop */
  gb_real *grad;                               /* of the mean loss */
  float *x;                                    /* [shard_rows, width] */
  double log_sum[GB_MOST_TERMS + 1], log_norm; /* since the last log line: terms, loss */
  uint64_t log_steps;
  double log_time;
} loop;

static size_t shards(const loop *t)
{
  return (size_t)t->opts->shards;
}

static double weighted(const gb_model *model, const double *weight, const double *term)
{
  double sum = 0;
  for (int k = 0; k < model->n_terms; k++) sum += weight[k] * term[k];
  return sum;
}

static double sum_of(size_t n, const double *v)
{
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += v[i];
  return sum;
}

static gb_err one_shard(loop *t, size_t shard, const double *weight)
{
  size_t first = shard * t->shard_rows;
  gb_pass pass = {t->state.step, first, true};
  GB_TRY(gb_dataset_training(t->data, t->seed, t->state.step, (size_t)t->opts->batch, first, t->shard_rows, t->x));
  const double *term[GB_MOST_TERMS];
  double *sum = t->side + shard * (size_t)t->model->n_terms;
  GB_TRY(t->model->forward(t->model->self, t->shard_rows, 1, t->x, pass, term));
  for (int k = 0; k < t->model->n_terms; k++) sum[k] = sum_of(t->shard_rows, term[k]);
  return t->model->backward(t->model->self, weight,
                            &(gb_gradient){.block = gb_reduce_slot(t->reduce, shard), .parts = 1});
}

/* A loss or gradient that is not finite: the same verdict on all ranks, since all see the same sums. */
static gb_err check_finite(const loop *t, const double *mean, size_t bad_block)
{
  unsigned long long step = t->state.step;
  static const char cure[] =
      "The last checkpoint is intact. Start a new run.dir with a lower optimizer.learning_rate, or "
      "with optimizer.clip_norm: a continued run repeats this.";
  for (int k = 0; k < t->model->n_terms; k++)
    GB_CHECK(isfinite(mean[k]), GB_ERR_NUMERIC, "step %llu: the loss term `%s` is not finite. %s", step,
             t->model->term[k], cure);
  GB_CHECK((int)bad_block == gb_params_n(t->state.params), GB_ERR_NUMERIC,
           "step %llu: the gradient of %s is not finite, while the loss terms are. %s", step,
           gb_params_info(t->state.params, (int)bad_block)->name, cure);
  return GB_OK;
}

static void log_line(loop *t, double rate, const double *weight)
{
  gb_kv kv[GB_MOST_TERMS * 2 + 8];
  char name[GB_MOST_TERMS][32];
  size_t n = 0;
  double now = gb_clock_now(), steps = (double)t->log_steps;
  kv[n++] = (gb_kv){"step", (double)t->state.step, NULL};
  kv[n++] = (gb_kv){"loss", t->log_sum[t->model->n_terms] / steps, NULL};
  for (int k = 0; k < t->model->n_terms; k++) kv[n++] = (gb_kv){t->model->term[k], t->log_sum[k] / steps, NULL};
  for (int k = 0; k < t->model->n_terms; k++) {
    snprintf(name[k], sizeof name[k], "weight_%s", t->model->term[k]);
    kv[n++] = (gb_kv){name[k], weight[k], NULL};
  }
  kv[n++] = (gb_kv){"learning_rate", rate, NULL};
  kv[n++] = (gb_kv){"gradient_norm", t->log_norm / steps, NULL};
  kv[n++] = (gb_kv){"samples_per_second", steps * (double)t->opts->batch / (now - t->log_time), NULL};
  gb_run_log(t->run, "train", n, kv);
  memset(t->log_sum, 0, sizeof t->log_sum);
  t->log_norm = 0;
  t->log_steps = 0;
  t->log_time = now;
}

/* One step. `stop`: did any rank get the wish? */
static gb_err step(loop *t, bool *stop)
{
  size_t n_terms = (size_t)t->model->n_terms, bad;
  double weight[GB_MOST_TERMS], mean[GB_MOST_TERMS] = {0}, batch = (double)t->opts->batch;
  gb_range mine = gb_reduce_mine(t->reduce);
  gb_err e = GB_OK;
  t->model->weights(t->model->self, t->state.step, weight);
  for (size_t i = 0; i < t->n_side; i++) t->side[i] = -INFINITY;
  for (size_t s = mine.first; s < mine.first + mine.count && !e; s++) e = one_shard(t, s, weight);
  double *wish = t->side + shards(t) * n_terms, *failed = wish + 1;
  *wish = gb_run_stop_wanted(t->run);
  *failed = e != GB_OK;
  bad = gb_reduce_sum(t->reduce, 1 / batch, t->side, t->grad);
  *stop = *wish > 0;
  if (*failed > 0) return gb_comm_agree(t->c, e);
  for (size_t s = 0; s < shards(t); s++)
    for (size_t k = 0; k < n_terms; k++) mean[k] += t->side[s * n_terms + k] / batch;
  e = check_finite(t, mean, bad);
  if (e) {
    gb_err_set_common();
    return e;
  }
  size_t n = gb_params_size(t->state.params);
  double norm = gb_optim_norm(n, t->grad), clip = t->optim->clip_norm;
  double rate = gb_optim_rate(t->optim, t->state.step, (uint64_t)t->opts->steps);
  gb_optim_step(t->optim, rate, clip > 0 && norm > clip ? clip / norm : 1, t->state.step, n, t->grad, t->state.m,
                t->state.v, gb_params_value(t->state.params));
  t->state.step++;
  for (size_t k = 0; k < n_terms; k++) t->log_sum[k] += mean[k];
  t->log_sum[n_terms] += weighted(t->model, weight, mean);
  t->log_norm += norm;
  t->log_steps++;
  if (t->state.step % (uint64_t)t->opts->log_every == 0) log_line(t, rate, weight);
  return GB_OK;
}

gb_err gb_train_evaluate(gb_comm c, const gb_model *model, gb_dataset *data, gb_split split, double *mean)
{
  size_t rows = gb_dataset_rows(data, split), n_terms = (size_t)model->n_terms;
  size_t passes = (rows + model->rows - 1) / model->rows;
  double *sum = NULL;
  float *x = NULL;
  uint64_t *row = NULL;
  gb_err e = gb_new(&sum, passes * n_terms);
  if (!e) e = gb_new(&x, model->rows * gb_dataset_width(data));
  if (!e) e = gb_new(&row, model->rows);
  for (size_t p = (size_t)c.rank; p < passes && !e; p += (size_t)c.size) {
    size_t first = p * model->rows, n = rows - first < model->rows ? rows - first : model->rows;
    for (size_t i = 0; i < n; i++) row[i] = first + i;
    e = gb_dataset_read(data, split, n, row, x);
    if (!e) e = gb_model_sums(model, n, x, (gb_pass){GB_PASS_FIXED, first, false}, sum + p * n_terms);
  }
  e = gb_comm_agree(c, e);
  if (!e) {
    gb_comm_merge(c, sum, passes * n_terms);
    for (size_t k = 0; k < n_terms; k++) mean[k] = 0;
    for (size_t p = 0; p < passes; p++)
      for (size_t k = 0; k < n_terms; k++) mean[k] += sum[p * n_terms + k] / (double)rows;
  }
  gb_free(&sum);
  gb_free(&x);
  gb_free(&row);
  return e;
}

static gb_err save(loop *t, const char *name, bool with_moments)
{
  gb_state s = t->state;
  if (!with_moments) s.m = s.v = NULL;
  return gb_checkpoint_save(t->c, gb_run_path(t->run, name), t->config, &s);
}

static gb_err validate(loop *t)
{
  double mean[GB_MOST_TERMS], weight[GB_MOST_TERMS];
  gb_kv kv[GB_MOST_TERMS + 4];
  size_t n = 0;
  if (!gb_dataset_rows(t->data, GB_VALIDATION)) return GB_OK;
  GB_TRY(gb_train_evaluate(t->c, t->model, t->data, GB_VALIDATION, mean));
  t->model->weights(t->model->self, GB_PASS_FIXED, weight);
  double loss = weighted(t->model, weight, mean);
  bool better = loss < t->state.best;
  if (better) {
    t->state.best = loss;
    t->state.best_step = t->state.step;
    t->state.stale = 0;
    GB_TRY(save(t, "best.h5", false));
  } else {
    t->state.stale++;
    t->state.stopped_early = t->opts->patience > 0 && t->state.stale >= (uint64_t)t->opts->patience;
  }
  kv[n++] = (gb_kv){"step", (double)t->state.step, NULL};
  kv[n++] = (gb_kv){"loss", loss, NULL};
  for (int k = 0; k < t->model->n_terms; k++) kv[n++] = (gb_kv){t->model->term[k], mean[k], NULL};
  kv[n++] = (gb_kv){"best", t->state.best, NULL};
  gb_run_log(t->run, "validate", n, kv);
  return GB_OK;
}

static gb_err stop_here(loop *t)
{
  GB_TRY(save(t, "checkpoint.h5", true));
  gb_run_stop_done(t->run);
  gb_err e = GB_FAIL(GB_STOPPED, "stopped on request after step %llu; everything is saved in %s",
                     (unsigned long long)t->state.step, gb_run_get(t->run)->dir);
  gb_err_set_common();
  return e;
}

static bool finished(const loop *t)
{
  return t->state.step >= (uint64_t)t->opts->steps || t->state.stopped_early;
}

static gb_err run_loop(loop *t)
{
  while (!finished(t)) {
    bool stop = false;
    char extra[96];
    double shown = t->log_steps ? t->log_sum[t->model->n_terms] / (double)t->log_steps : NAN;
    GB_TRY(step(t, &stop));
    if (t->log_steps) shown = t->log_sum[t->model->n_terms] / (double)t->log_steps;
    if (isfinite(t->state.best))
      snprintf(extra, sizeof extra, "loss %.2f  best %.2f", shown, t->state.best);
    else
      snprintf(extra, sizeof extra, "loss %.2f", shown);
    gb_run_progress(t->run, "training", (double)t->state.step, (double)t->opts->steps, "steps", extra);
    if (t->state.step % (uint64_t)t->opts->validate_every == 0 || t->state.step == (uint64_t)t->opts->steps)
      GB_TRY(validate(t));
    if (t->state.step % (uint64_t)t->opts->save_every == 0 || finished(t)) GB_TRY(save(t, "checkpoint.h5", true));
    if (stop && !finished(t)) return stop_here(t);
  }
  return GB_OK;
}

static gb_err restore(loop *t)
{
  const char *path = gb_run_path(t->run, "checkpoint.h5");
  uint64_t data = t->state.data;
  int there = t->c.rank == 0 && access(path, F_OK) == 0;
  gb_comm_bcast(t->c, &there, sizeof there);
  if (!there) return GB_OK;
  GB_TRY(gb_checkpoint_load(t->c, path, &t->state));
  gb_err e = t->state.data == data
                 ? GB_OK
                 : GB_FAIL(GB_ERR_CONFIG,
                           "%s was trained on another data set than the one data.path names now. Give the "
                           "old one, or choose another run.dir.",
                           path);
  GB_TRY(gb_comm_agree(t->c, e));
  if (t->state.step < (uint64_t)t->opts->steps) t->state.stopped_early &= t->opts->patience > 0;
  gb_run_say(t->run, finished(t) ? "%s is complete (%llu steps): nothing to do." : "continuing %s after %llu steps",
             path, (unsigned long long)t->state.step);
  return GB_OK;
}

static gb_err prepare(loop *t)
{
  size_t n = gb_params_size(t->state.params), n_blocks = (size_t)gb_params_n(t->state.params);
  size_t *block = NULL;
  gb_err e = gb_new(&block, n_blocks);
  for (size_t i = 0; i < n_blocks && !e; i++) { /* a block reaches to the next one: padding included */
    size_t next = i + 1 < n_blocks ? gb_params_info(t->state.params, (int)i + 1)->first : n;
    block[i] = next - gb_params_info(t->state.params, (int)i)->first;
  }
  if (!e) e = gb_new(&t->side, t->n_side);
  if (!e) e = gb_new(&t->grad, n);
  if (!e) e = gb_new(&t->state.m, n);
  if (!e) e = gb_new(&t->state.v, n);
  if (!e) e = gb_new(&t->x, t->shard_rows * gb_dataset_width(t->data));
  if (!e && !gb_dataset_rows(t->data, GB_TRAIN)) e = GB_FAIL(GB_ERR_CONFIG, "the data set holds no training samples");
  if (!e && t->c.size > t->opts->shards)
    e = GB_FAIL(GB_ERR_CONFIG,
                "train.shards = %lld: %d ranks cannot share so few pieces. Start at most %lld ranks, or raise "
                "train.shards (a new run: results depend on it).",
                (long long)t->opts->shards, t->c.size, (long long)t->opts->shards);
  e = gb_comm_agree(t->c, e);
  if (!e) e = gb_reduce_create(t->c, n_blocks, block, shards(t), t->n_side, &t->reduce);
  if (!e) {
    gb_range mine = gb_reduce_mine(t->reduce);
    e = gb_comm_agree(t->c, gb_dataset_ahead(t->data, t->seed, (size_t)t->opts->batch, mine.first * t->shard_rows,
                                             mine.count * t->shard_rows));
  }
  gb_free(&block);
  return e;
}

gb_err gb_train(gb_comm c, const gb_train_opts *opts, const gb_optim_opts *optim, uint64_t seed, const gb_model *model,
                gb_params *params, gb_dataset *data, gb_run *run, const char *config, gb_train_result *out)
{
  loop t = {
      .c = c, .opts = opts, .optim = optim, .seed = seed, .model = model, .data = data, .run = run, .config = config};
  t.state = (gb_state){.best = INFINITY, .params = params, .data = gb_dataset_fingerprint(data)};
  t.shard_rows = (size_t)(opts->batch / opts->shards);
  t.n_side = (size_t)(opts->shards * model->n_terms) + 2;
  t.log_time = gb_clock_now();
  GB_ASSERT(model->n_terms <= GB_MOST_TERMS && model->rows >= t.shard_rows);
  gb_err e = prepare(&t);
  if (!e) e = restore(&t);
  if (!e) e = run_loop(&t);
  *out = (gb_train_result){t.state.step, t.state.best_step, t.state.best};
  gb_reduce_destroy(&t.reduce);
  gb_free(&t.side);
  gb_free(&t.grad);
  gb_free(&t.state.m);
  gb_free(&t.state.v);
  gb_free(&t.x);
  return e;
}
