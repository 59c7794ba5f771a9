/* learn/trainer.c - the loop: gradients, exchange, update, validation, checkpoints. */
#include "learn/trainer.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "learn/passes.h"
#include "learn/update.h"

static const gb_field fields[] = {
    GB_NUMBER(gb_train_opts, steps, "10000", 1, 1e12, "steps", GB_FREE,
              "Length of the training; a finished one goes on if this is raised (a cosine schedule then has the new "
              "length)."),
    GB_NUMBER(gb_train_opts, batch, "128", 1, 1e7, "samples", GB_FIXED, "Samples in a step, over all ranks."),
    GB_NUMBER(
        gb_train_opts, shards, "4", 1, 65536, "1", GB_FIXED,
        "Pieces of a batch, a divisor of it: the most ranks that can work. Results depend on it, not on the ranks."),
    GB_NUMBER(gb_train_opts, micro_batch, "0", 0, 1e7, "samples", GB_FREE,
              "Most samples that a rank computes at once: bounds its memory, changes no result; 0: all it has."),
    GB_WORD(
        gb_train_opts, reduction, "exact", "exact|fast", GB_FIXED,
        "How gradients are added. exact: results do not depend on the number of ranks; fast: as the MPI library likes, "
        "to see what exactness costs."),
    GB_NUMBER(gb_train_opts, ranks_per_node, "0", 0, 1e6, "ranks", GB_FREE,
              "Ranks that share memory (in /dev/shm), and one copy of the weights; 0: all of a machine; 1: none share. "
              "Changes no result."),
    GB_NUMBER(gb_train_opts, log_every, "100", 1, 1e9, "steps", GB_FREE, "Interval of training lines in log.jsonl."),
    GB_NUMBER(gb_train_opts, validate_every, "500", 1, 1e9, "steps", GB_FIXED,
              "Interval of validations; the best one is kept in best.h5."),
    GB_NUMBER(gb_train_opts, save_every, "500", 1, 1e9, "steps", GB_FREE,
              "Interval of checkpoints; a killed run loses at most the steps since."),
    GB_NUMBER(gb_train_opts, hash_every, "1000", 0, 1e12, "steps", GB_FREE,
              "Interval at which the ranks compare their weights; 0: never."),
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

size_t gb_train_rows(const gb_train_opts *o, int ranks)
{
  return gb_passes_rows((size_t)(o->batch / o->shards), (size_t)o->shards, (size_t)ranks, (size_t)o->micro_batch,
                        !strcmp(o->reduction, "fast"));
}

/* What ranks tell each other in every step, after the terms of all shards. The two halves of the hash, and the same
 * negated: a largest value is then also a smallest one. */
enum { WISH, FAILED, HIGH, NOT_HIGH, LOW, NOT_LOW, TOLD };

typedef struct loop {
  gb_comm c;
  const gb_train_opts *opts;
  const gb_optim_opts *optim;
  const gb_model *model;
  gb_dataset *data;
  gb_run *run;
  const char *config;
  gb_state state; /* without its vectors: they are in `update` */
  gb_cluster cluster;
  gb_exchange *exchange;
  gb_passes *passes;
  gb_update *update;
  gb_times times;
  size_t n_sums;                               /* shards * n_terms */
  double *side;                                /* [n_sums + TOLD] sums of the terms of shards, then what is told */
  uint64_t hash;                               /* of the weights */
  double log_sum[GB_MOST_TERMS + 1], log_norm; /* since the last log line: terms, loss */
  uint64_t log_steps;
  double log_time;
} loop;

static double weighted(const gb_model *model, const double *weight, const double *term)
{
  double sum = 0;
  for (int k = 0; k < model->n_terms; k++) sum += weight[k] * term[k];
  return sum;
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
  for (int k = 0; k < t->model->n_terms; k++)
    if (!(t->model->idle >> k & 1)) kv[n++] = (gb_kv){t->model->term[k], t->log_sum[k] / steps, NULL};
  for (int k = 0; k < t->model->n_terms; k++) {
    if (t->model->idle >> k & 1) continue;
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

/* Before the exchange of a step: all ranks must have computed with the same weights. */
static void tell(loop *t, double *told, gb_err e)
{
  told[WISH] = gb_run_stop_wanted(t->run);
  told[FAILED] = e != GB_OK;
  if (!t->opts->hash_every || (t->state.step + 1) % (uint64_t)t->opts->hash_every) return;
  t->hash = gb_hash64(gb_params_value(t->state.params), gb_params_size(t->state.params) * sizeof(gb_real));
  told[HIGH] = (double)(t->hash >> 32);
  told[LOW] = (double)(t->hash & 0xffffffff);
  told[NOT_HIGH] = -told[HIGH];
  told[NOT_LOW] = -told[LOW];
}

/* Name the lowest of the ranks whose weights are not those of rank 0. */
static gb_err check_hashes(loop *t, const double *told)
{
  if (told[HIGH] == -told[NOT_HIGH] && told[LOW] == -told[NOT_LOW]) return GB_OK;
  if (told[HIGH] == -INFINITY) return GB_OK; /* not compared in this step */
  uint64_t of_0 = t->hash;
  gb_comm_bcast(t->c, &of_0, sizeof of_0);
  int64_t n = t->hash != of_0;
  double lowest = n ? -t->c.rank : -t->c.size;
  gb_comm_max(t->c, &lowest, 1);
  gb_comm_sum_i64(t->c, &n, 1);
  return GB_FAIL(
      GB_ERR_NUMERIC,
      "step %llu: the weights of rank %.0f (%lld of %d ranks in all) are not those of rank 0: a machine or the "
      "network damages data. The last checkpoint is older; start again from it, on other machines.",
      (unsigned long long)t->state.step, -lowest, (long long)n, t->c.size);
}

/* Gradients of my rows, then their sum over all; what all ranks have to say of it. */
static gb_err gradient(loop *t, const double *weight, double *mean, const gb_real **grad, double *norm, bool *stop)
{
  size_t n_terms = (size_t)t->model->n_terms;
  double *told = t->side + t->n_sums, batch = (double)t->opts->batch;
  for (size_t i = 0; i < t->n_sums + TOLD; i++) t->side[i] = -INFINITY;
  gb_err e = gb_passes_run(t->passes, t->state.step, weight, t->side, &t->times);
  tell(t, told, e);
  size_t bad = gb_exchange_sum(t->exchange, 1 / batch, t->side, grad, norm);
  gb_times_end(&t->times, GB_TIME_EXCHANGE);
  *stop = told[WISH] > 0;
  if (told[FAILED] > 0) return gb_comm_agree(t->c, e);
  for (size_t i = 0; i < t->n_sums; i++) mean[i % n_terms] += t->side[i] / batch;
  e = check_hashes(t, told);
  if (!e) e = check_finite(t, mean, bad);
  if (e) gb_err_set_common();
  return e;
}

/* One step. `stop`: did any rank get the wish? */
static gb_err step(loop *t, bool *stop)
{
  size_t n_terms = (size_t)t->model->n_terms;
  double weight[GB_MOST_TERMS], mean[GB_MOST_TERMS] = {0}, norm;
  const gb_real *grad;
  double rate = gb_optim_rate(t->optim, t->state.step, (uint64_t)t->opts->steps);
  gb_times_begin(&t->times);
  t->model->weights(t->model->self, t->state.step, weight);
  GB_TRY(gradient(t, weight, mean, &grad, &norm, stop));
  gb_update_step(t->update, rate, t->state.step, grad, norm);
  gb_times_end(&t->times, GB_TIME_UPDATE);
  t->state.step++;
  for (size_t k = 0; k < n_terms; k++) t->log_sum[k] += mean[k];
  t->log_sum[n_terms] += weighted(t->model, weight, mean);
  t->log_norm += norm;
  t->log_steps++;
  if (t->state.step % (uint64_t)t->opts->log_every == 0) log_line(t, rate, weight);
  return GB_OK;
}

/* Rows are added in groups of fixed size, each by one rank, and groups in their order. */
enum { GROUP = 16 };

/* What is added up: terms, then notes. Of some notes the least is wanted. */
typedef struct sums {
  size_t n;       /* of a group */
  double *sum;    /* [groups, n] */
  double *lowest; /* [n], negative: of all groups of this rank */
} sums;

static void add_row(const gb_model *model, const double *const term[], size_t row, double *sum, double *lowest)
{
  double note[GB_MOST_NOTES];
  for (int k = 0; k < model->n_terms; k++) sum[k] += term[k][row];
  if (model->n_notes) model->note_row(model->self, row, note);
  for (int k = 0; k < model->n_notes; k++) {
    sum[model->n_terms + k] += note[k];
    lowest[model->n_terms + k] = fmax(lowest[model->n_terms + k], -note[k]);
  }
}

/* The terms of the groups of this rank, in passes of whatever size. */
static gb_err evaluate_groups(const gb_model *model, gb_dataset *data, gb_split split, gb_range groups, const sums *s)
{
  size_t rows = gb_dataset_rows(data, split), end = (groups.first + groups.count) * GROUP, n;
  size_t most = model->rows > GROUP ? model->rows / GROUP * GROUP : model->rows; /* passes begin with a group */
  const double *term[GB_MOST_TERMS];
  float *x = NULL;
  uint64_t *row = NULL;
  double *label = NULL;
  gb_err e = gb_new(&x, model->rows * gb_dataset_width(data));
  if (!e) e = gb_new(&row, model->rows);
  if (!e) e = gb_model_labels(model, data, split, &label);
  if (end > rows) end = rows;
  for (size_t first = groups.first * GROUP; first < end && !e; first += n) {
    n = end - first < most ? end - first : most;
    for (size_t i = 0; i < n; i++) row[i] = first + i;
    e = gb_dataset_read(data, split, n, row, x);
    if (label) model->take_labels(model->self, n, label + first);
    if (!e) e = model->forward(model->self, n, 1, x, (gb_pass){GB_PASS_FIXED, first, false}, term);
    for (size_t i = 0; i < n && !e; i++) add_row(model, term, i, s->sum + (first + i) / GROUP * s->n, s->lowest);
  }
  gb_free(&x);
  gb_free(&row);
  gb_free(&label);
  return e;
}

static void finish_means(const gb_model *model, const sums *s, size_t groups, size_t rows, double *mean)
{
  for (size_t k = 0; k < s->n; k++) mean[k] = 0;
  for (size_t i = 0; i < groups * s->n; i++) mean[i % s->n] += s->sum[i] / (double)rows;
  for (int k = 0; k < model->n_notes && k < 64; k++)
    if (model->least >> k & 1) mean[model->n_terms + k] = -s->lowest[model->n_terms + k];
  if (model->n_notes) model->note_all(model->self, mean + model->n_terms);
}

gb_err gb_train_evaluate(gb_comm c, const gb_model *model, gb_dataset *data, gb_split split, double *mean)
{
  size_t rows = gb_dataset_rows(data, split), n = (rows + GROUP - 1) / GROUP;
  double lowest[GB_MOST_TERMS + GB_MOST_NOTES];
  sums s = {.n = (size_t)(model->n_terms + model->n_notes), .lowest = lowest};
  for (size_t k = 0; k < s.n; k++) lowest[k] = -INFINITY;
  if (model->prepare) GB_TRY(model->prepare(model->self, c, data));
  gb_err e = gb_new(&s.sum, n * s.n);
  if (!e) e = evaluate_groups(model, data, split, gb_comm_share(c, n), &s);
  e = gb_comm_agree(c, e);
  if (!e) {
    gb_comm_merge(c, s.sum, n * s.n);
    gb_comm_max(c, lowest, s.n);
    finish_means(model, &s, n, rows, mean);
  }
  gb_free(&s.sum);
  return e;
}

static gb_err save(loop *t)
{
  gb_err e = gb_update_save(t->update, gb_run_path(t->run, "checkpoint.h5"), t->config, &t->state);
  gb_times_end(&t->times, GB_TIME_SAVE);
  return e;
}

/* Keep what is validated now as the best, or count another one that was not better. */
static gb_err judge(loop *t, double loss)
{
  if (loss < t->state.best) {
    t->state.best = loss;
    t->state.best_step = t->state.step;
    t->state.stale = 0;
    return gb_checkpoint_save(t->c, gb_run_path(t->run, "best.h5"), t->config, &t->state);
  }
  t->state.stale++;
  t->state.stopped_early = t->opts->patience > 0 && t->state.stale >= (uint64_t)t->opts->patience;
  return GB_OK;
}

static gb_err validate(loop *t)
{
  double mean[GB_MOST_TERMS + GB_MOST_NOTES], weight[GB_MOST_TERMS];
  gb_kv kv[GB_MOST_TERMS + GB_MOST_NOTES + 4];
  size_t n = 0;
  if (!gb_dataset_rows(t->data, GB_VALIDATION)) return GB_OK;
  gb_times_begin(&t->times);
  gb_update_swap(t->update);
  GB_TRY(gb_train_evaluate(t->c, t->model, t->data, GB_VALIDATION, mean));
  t->model->weights(t->model->self, GB_PASS_FIXED, weight);
  double loss = weighted(t->model, weight, mean);
  GB_TRY(judge(t, loss));
  gb_update_swap(t->update);
  gb_times_end(&t->times, GB_TIME_VALIDATION);
  kv[n++] = (gb_kv){"step", (double)t->state.step, NULL};
  kv[n++] = (gb_kv){"loss", loss, NULL};
  for (int k = 0; k < t->model->n_terms; k++) kv[n++] = (gb_kv){t->model->term[k], mean[k], NULL};
  kv[n++] = (gb_kv){"best", t->state.best, NULL};
  for (int k = 0; k < t->model->n_notes; k++) kv[n++] = (gb_kv){t->model->note[k], mean[t->model->n_terms + k], NULL};
  gb_run_log(t->run, "validate", n, kv);
  return GB_OK;
}

static gb_err stop_here(loop *t)
{
  GB_TRY(save(t));
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

/* A pause changes nothing but the time: no validation that would not have been. */
static bool paused(const loop *t)
{
  return t->opts->until > 0 && t->state.step >= (uint64_t)t->opts->until;
}

static gb_err run_loop(loop *t)
{
  while (!finished(t) && !paused(t)) {
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
    if (t->state.step % (uint64_t)t->opts->save_every == 0 || finished(t) || paused(t)) GB_TRY(save(t));
    if (stop && !finished(t) && !paused(t)) return stop_here(t);
  }
  return GB_OK;
}

static gb_err restore(loop *t)
{
  const char *path = gb_run_path(t->run, "checkpoint.h5");
  uint64_t data = t->state.data;
  if (!gb_comm_any(t->c, t->c.rank == 0 && access(path, F_OK) == 0)) return GB_OK;
  GB_TRY(gb_update_load(t->update, path, &t->state));
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

static gb_err check_start(const loop *t)
{
  GB_CHECK(gb_dataset_rows(t->data, GB_TRAIN), GB_ERR_CONFIG, "the data set holds no training samples");
  GB_CHECK(
      t->c.size <= t->opts->shards, GB_ERR_CONFIG,
      "train.shards = %lld: %d ranks cannot share so few pieces. Start at most %lld ranks, or raise train.shards (a "
      "new run: results depend on it).",
      (long long)t->opts->shards, t->c.size, (long long)t->opts->shards);
  return GB_OK;
}

/* Sizes of the tensors, padding included, and which are not part of a gradient's length. */
static gb_err open_exchange(loop *t, bool fast)
{
  const gb_params *p = t->state.params;
  int n = gb_params_n(p);
  size_t *size = NULL;
  bool *unclipped = NULL;
  gb_err e = gb_new(&size, (size_t)n);
  if (!e) e = gb_new(&unclipped, (size_t)n);
  for (int i = 0; i < n && !e; i++) {
    const gb_param_info *info = gb_params_info(p, i);
    size[i] = (i + 1 < n ? gb_params_info(p, i + 1)->first : gb_params_size(p)) - info->first;
    unclipped[i] = info->rule != GB_LEARNED;
  }
  gb_exchange_opts o = {.n_tensors = (size_t)n,
                        .size = size,
                        .unclipped = unclipped,
                        .n_shards = (size_t)t->opts->shards,
                        .n_side = t->n_sums + TOLD,
                        .fast = fast};
  e = gb_comm_agree(t->c, e);
  if (!e) e = gb_exchange_create(&t->cluster, &o, &t->exchange);
  gb_free(&size);
  gb_free(&unclipped);
  return e;
}

static gb_err prepare(loop *t, uint64_t seed)
{
  size_t most = (size_t)t->opts->micro_batch, rows = t->model->rows;
  gb_batch batch = {.data = t->data,
                    .seed = seed,
                    .rows = (size_t)t->opts->batch,
                    .shard_rows = (size_t)(t->opts->batch / t->opts->shards),
                    .most = most && most < rows ? most : rows,
                    .fast = !strcmp(t->opts->reduction, "fast")};
  GB_TRY(gb_comm_agree(t->c, check_start(t)));
  GB_TRY(gb_cluster_open(t->c, (int)t->opts->ranks_per_node, &t->cluster));
  GB_TRY(open_exchange(t, batch.fast));
  gb_err e = gb_new(&t->side, t->n_sums + TOLD);
  if (!e) e = gb_passes_create(&batch, t->model, gb_params_size(t->state.params), t->exchange, &t->passes);
  GB_TRY(gb_comm_agree(t->c, e));
  GB_TRY(gb_update_create(t->c, t->optim, t->state.params, t->exchange, &t->update));
  GB_TRY(restore(t));
  return gb_update_begin(t->update);
}

gb_err gb_train(gb_comm c, const gb_train_opts *opts, const gb_optim_opts *optim, uint64_t seed, const gb_model *model,
                gb_params *params, gb_dataset *data, gb_run *run, const char *config, gb_train_result *out)
{
  loop t = {.c = c, .opts = opts, .optim = optim, .model = model, .data = data, .run = run, .config = config};
  t.state = (gb_state){.best = INFINITY, .params = params, .data = gb_dataset_fingerprint(data)};
  t.n_sums = (size_t)(opts->shards * model->n_terms);
  t.log_time = gb_clock_now();
  GB_ASSERT(model->n_terms <= GB_MOST_TERMS && model->rows > 0);
  if (model->prepare) GB_TRY(model->prepare(model->self, c, data));
  gb_err e = prepare(&t, seed);
  if (!e) e = run_loop(&t);
  *out = (gb_train_result){t.state.step, t.state.best_step, t.state.best, t.times};
  gb_err kept = gb_update_destroy(&t.update);
  if (!e) e = gb_comm_agree(c, kept);
  gb_passes_destroy(&t.passes);
  gb_exchange_destroy(&t.exchange);
  gb_cluster_close(&t.cluster);
  gb_free(&t.side);
  return e;
}
