/* sim/generate.c - a Monte Carlo run from its first step to the finished data set.
 *
 * Notes
 * dataset.h5 grows as dataset.h5.part. All its datasets are made, with their space, before the first sample
 * is drawn; from then on only numbers are written into it. A kill can therefore lose numbers, never the file.
 * The state (generate.state.h5: spins, strides, how many samples are in the part) is written aside and
 * renamed after the part was synced. A continued run draws the samples after the saved count again: the same
 * numbers, at the same places. With compression the part is dataset.raw.h5.part and a last pass copies it
 * into dataset.h5: compressed chunks move when they are rewritten, so they cannot be filled bit by bit. */
#include "sim/generate.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "io/angle16.h"
#include "sim/mc.h"

/* Of configurations, per rank and round. */
#define BUFFER_BYTES ((size_t)1 << 25)
/* A wish to stop waits for the end of a round. */
#define ROUND_SECONDS 2.0

static const char RAW[] = "dataset.raw.h5";

/* Samples [first, first + n) of all my chains, on their way into the file. */
typedef struct batch {
  size_t n;
  float *x;           /* [data_mine, n, dims.n_mine] */
  uint16_t *code;     /* the same as 16-bit codes, if they are what is stored */
  double *obs;        /* [n_obs, data_mine, n] */
  uint64_t *hash;     /* [data_mine, n] */
  gb_h5_block *block; /* [data_mine] */
  gb_h5_item *item;   /* [n_items] */
} batch;

/* A rank's part of a spread configuration. */
typedef struct box {
  size_t first[2], count[2];
} box;

typedef struct job {
  gb_mc mc;
  double saved_at;
  batch round[2]; /* one is drawn while the other is written */
  double *drawn;  /* [n_obs, room] of each walker of one group */
  box *box;       /* [ranks of the team] what each holds of a configuration; NULL if teams are single ranks */
  char *whole;    /* a configuration as boxes, and put together from them */
  size_t room, n_items;
  char (*name)[64]; /* [n_items] of the datasets */
} job;

static uint64_t samples(const job *j)
{
  return (uint64_t)j->mc.ch.opts.samples;
}

static const char *work_name(const job *j)
{
  return j->mc.ch.opts.deflate && j->mc.store ? RAW : gb_making_data;
}

static gb_err save(job *j)
{
  j->saved_at = gb_clock_now();
  return gb_mc_save(&j->mc);
}

static gb_wish ask(const job *j)
{
  gb_making m = gb_mc_making(&j->mc);
  return gb_making_ask(&m, j->saved_at, j->mc.ch.opts.save_seconds);
}

static gb_err act(job *j, gb_wish w)
{
  gb_making m = gb_mc_making(&j->mc);
  if (w == GB_GO_ON) return GB_OK;
  GB_TRY(save(j));
  return w == GB_SAVE ? GB_OK : gb_making_stopped(&m);
}

/* What is done of the work before the first sample; the trials count as one piece. */
static void tell_wait(const job *j)
{
  const gb_chains *ch = &j->mc.ch;
  char what[64];
  size_t waiting = 0, mixes = ch->sim->dims.n_mix;
  double done = (double)ch->stage_done, total = (double)gb_chains_stage_steps(ch);
  for (size_t t = 0; t < ch->n_T; t++) waiting += ch->stride[t] == 0;
  snprintf(what, sizeof what, "%zu of %zu temperatures not ready", waiting, ch->n_T);
  if (!strcmp(gb_chains_stage_name(ch), "trial")) {
    snprintf(what, sizeof what, "mix %lld of %zu", (long long)ch->stage, mixes);
    done += (double)(ch->stage - 1) * total;
    total *= (double)mixes;
  }
  gb_run_progress(j->mc.run, gb_chains_stage_name(ch), done, total, "steps", what);
}

static gb_err equilibrate(job *j)
{
  int64_t slice = 16;
  while (!gb_chains_ready(&j->mc.ch)) {
    double begin = gb_clock_now();
    GB_TRY(gb_chains_advance(&j->mc.ch, slice));
    tell_wait(j);
    double seconds = gb_clock_now() - begin;
    if (seconds < ROUND_SECONDS / 2) slice = slice * 2 < 1 << 20 ? slice * 2 : slice;
    if (seconds > ROUND_SECONDS && slice > 1) slice /= 2;
    slice = gb_making_choice(j->mc.c, slice);
    GB_TRY(act(j, ask(j)));
  }
  return GB_OK;
}

static size_t stored_bytes(const job *j)
{
  return j->mc.stored == GB_H5_U16 ? sizeof(uint16_t) : sizeof(float);
}

static gb_err make_round(const job *j, batch *r)
{
  size_t sites = j->mc.sim->dims.n_mine, all = j->mc.ch.data_mine * j->room;
  GB_TRY(gb_new(&r->x, all * sites));
  if (j->mc.stored == GB_H5_U16) GB_TRY(gb_new(&r->code, all * sites));
  GB_TRY(gb_new(&r->obs, all * (size_t)gb_mc_ensemble(&j->mc)->n_obs));
  GB_TRY(gb_new(&r->hash, all));
  return gb_new(&r->item, j->n_items);
}

static void free_round(batch *r)
{
  gb_free(&r->x);
  gb_free(&r->code);
  gb_free(&r->obs);
  gb_free(&r->hash);
  gb_free(&r->block);
  gb_free(&r->item);
}

static gb_err name_items(job *j)
{
  const gb_ensemble *en = gb_mc_ensemble(&j->mc);
  size_t k = 0;
  GB_TRY(gb_new(&j->name, (size_t)en->n_obs + 2));
  for (int q = 0; q < en->n_obs; q++) snprintf(j->name[k++], sizeof *j->name, "/observables/%s", en->obs[q].name);
  if (j->mc.store) snprintf(j->name[k++], sizeof *j->name, "/configurations");
  if (j->mc.store) snprintf(j->name[k++], sizeof *j->name, "/checksum");
  j->n_items = k;
  return GB_OK;
}

static gb_err make_buffers(job *j)
{
  GB_TRY(name_items(j));
  for (int k = 0; k < 2; k++) GB_TRY(make_round(j, &j->round[k]));
  GB_TRY(gb_new(&j->drawn, GB_MOST_WALKERS * (size_t)gb_mc_ensemble(&j->mc)->n_obs * j->room));
  if (j->mc.ch.team.size == 1) return GB_OK;
  GB_TRY(gb_new(&j->box, (size_t)j->mc.ch.team.size));
  return gb_new(&j->whole, 2 * j->mc.sim->dims.n * stored_bytes(j));
}

static gb_err make_room(job *j)
{
  size_t most = j->mc.ch.data_mine + 1; /* + 1: the same on all ranks, give or take one unit */
  j->room = BUFFER_BYTES / (most * j->mc.sim->dims.n_mine * sizeof(float));
  if (j->room < 1) j->room = 1;
  if (j->room > samples(j)) j->room = samples(j);
  j->room = (size_t)gb_making_choice(j->mc.c, (int64_t)j->room);
  GB_TRY(gb_comm_agree(j->mc.c, make_buffers(j)));
  const gb_dims *d = &j->mc.sim->dims;
  box mine = {{d->first[0], d->first[1]}, {d->count[0], d->count[1]}};
  if (j->box) gb_comm_gather(j->mc.ch.team, &mine, 1, sizeof mine, j->box);
  return GB_OK;
}

/* Sample i of a round as it will stand in the file. */
static const char *stored(const job *j, const batch *r, size_t i)
{
  const char *all = r->code ? (const char *)r->code : (const char *)r->x;
  return all + i * j->mc.sim->dims.n_mine * stored_bytes(j);
}

/* Checksum of a sample; one that is spread over a team is put together by the first of its ranks, which writes it. */
static uint64_t hash_sample(const job *j, const char *mine)
{
  const gb_dims *d = &j->mc.sim->dims;
  size_t one = stored_bytes(j);
  gb_comm team = j->mc.ch.team;
  if (team.size == 1) return gb_hash64(mine, d->n_mine * one);
  char *boxes = j->whole, *whole = boxes + d->n * one;
  gb_comm_gather(team, mine, d->n_mine, one, boxes);
  if (team.rank > 0) return 0;
  for (const box *b = j->box; b < j->box + team.size; boxes += d->n_mine * one, b++)
    for (size_t y = 0; y < b->count[0]; y++)
      memcpy(whole + ((b->first[0] + y) * d->shape[1] + b->first[1]) * one, boxes + y * b->count[1] * one,
             b->count[1] * one);
  return gb_hash64(whole, d->n * one);
}

static void draw_group(job *j, size_t g, batch *r)
{
  const gb_group *group = &j->mc.ch.group[g];
  size_t n = r->n, sites = j->mc.sim->dims.n_mine, n_obs = (size_t)gb_mc_ensemble(&j->mc)->n_obs;
  size_t begin = group->first * n, count = group->w.n * n;
  gb_chains_draw(&j->mc.ch, g, (uint64_t)j->mc.samples_done, n, r->x + begin * sites, j->drawn);
  for (size_t k = 0; k < group->w.n; k++)
    for (size_t q = 0; q < n_obs; q++)
      memcpy(r->obs + (q * j->mc.ch.data_mine + group->first + k) * n, j->drawn + (k * n_obs + q) * n,
             n * sizeof *r->obs);
  if (r->code) gb_angle16_encode(count * sites, r->x + begin * sites, r->code + begin * sites);
  for (size_t i = begin; i < begin + count && j->mc.store; i++) r->hash[i] = hash_sample(j, stored(j, r, i));
}

static void draw_round(job *j, batch *r)
{
  const gb_chains *ch = &j->mc.ch;
  for (size_t g = 0; g < ch->data_groups; g++) {
    draw_group(j, g, r);
    double part = (double)(g + 1) / (double)ch->data_groups;
    if (g + 1 < ch->data_groups)
      gb_run_progress(j->mc.run, "sampling", ((double)j->mc.samples_done + part * (double)r->n) * (double)ch->n_data,
                      (double)samples(j) * (double)ch->n_data, "configurations", NULL);
  }
}

/* Write a round while the next one is drawn. Chains that are spread over ranks need MPI themselves: they wait. */
static gb_err send_round(job *j, batch *r)
{
  size_t n_obs = (size_t)gb_mc_ensemble(&j->mc)->n_obs, mine = j->mc.ch.data_mine, once = gb_mc_writes(&j->mc);
  gb_free(&r->block);
  GB_TRY(gb_comm_agree(j->mc.c, gb_mc_blocks(&j->mc, (uint64_t)j->mc.samples_done, r->n, &r->block)));
  for (size_t q = 0; q < n_obs; q++) r->item[q] = (gb_h5_item){j->name[q], once, r->block, r->obs + q * mine * r->n};
  if (j->mc.store) {
    r->item[n_obs] = (gb_h5_item){j->name[n_obs], mine, r->block, stored(j, r, 0)};
    r->item[n_obs + 1] = (gb_h5_item){j->name[n_obs + 1], once, r->block, r->hash};
  }
  GB_TRY(gb_h5_write_start(j->mc.data, &(gb_h5_batch){.n = j->n_items, .item = r->item}));
  return j->mc.ch.team.size > 1 ? gb_h5_write_wait(j->mc.data) : GB_OK;
}

/* Samples of the next round, from how long the last one took. */
static size_t next_round(const job *j, size_t last, double seconds)
{
  size_t chunk = gb_mc_chunk(j->mc.sim, &j->mc.ch.opts);
  double n = (double)last * fmin(4, ROUND_SECONDS / fmax(seconds, 1e-3));
  size_t next = n < 1 ? 1 : (size_t)fmin(n, (double)j->room);
  return next > chunk ? next / chunk * chunk : next; /* whole chunks are written once */
}

static gb_err draw(job *j)
{
  size_t n = gb_mc_chunk(j->mc.sim, &j->mc.ch.opts);
  GB_TRY(make_room(j));
  if (n > j->room) n = j->room;
  for (int k = 0; j->mc.samples_done < j->mc.ch.opts.samples; k = 1 - k) {
    batch *r = &j->round[k];
    double begin = gb_clock_now();
    size_t left = (size_t)(j->mc.ch.opts.samples - j->mc.samples_done);
    r->n = n < left ? n : left;
    draw_round(j, r);
    double seconds = gb_clock_now() - begin;
    GB_TRY(gb_h5_write_wait(j->mc.data)); /* of the round before; from here on MPI may be used */
    n = (size_t)gb_making_choice(j->mc.c, (int64_t)next_round(j, r->n, seconds));
    bool last = r->n == left;
    gb_wish w = last ? GB_GO_ON : ask(j);
    GB_TRY(send_round(j, r));
    j->mc.samples_done += (int64_t)r->n;
    gb_run_progress(j->mc.run, "sampling", (double)j->mc.samples_done * (double)j->mc.ch.n_data,
                    (double)samples(j) * (double)j->mc.ch.n_data, "configurations", NULL);
    GB_TRY(act(j, w)); /* saving waits for the round */
  }
  return save(j);
}

/* Copy one per-sample dataset, my units, `n` samples of all of them at a time. */
static gb_err copy(job *j, gb_h5 *to, const char *name, gb_h5_type type, size_t units, size_t sample_bytes, size_t n,
                   void *buffer)
{
  for (uint64_t first = 0; first < samples(j); first += n) {
    uint64_t count = samples(j) - first < n ? samples(j) - first : n;
    gb_h5_block *block = NULL;
    gb_err e = gb_mc_blocks(&j->mc, first, count, &block);
    for (size_t k = 0; k < units && !e; k++)
      e = gb_h5_read(j->mc.data, name, type, &block[k], (char *)buffer + k * count * sample_bytes);
    e = gb_comm_agree(j->mc.c, e);
    if (!e) e = gb_h5_write(to, name, units, block, buffer);
    gb_free(&block);
    GB_TRY(e);
  }
  return GB_OK;
}

/* The second pass of a compressed data set: everything from the raw part into a new file. */
static gb_err compress(job *j)
{
  batch *r = &j->round[0];
  size_t chunk = gb_mc_chunk(j->mc.sim, &j->mc.ch.opts), n = j->room > chunk ? j->room / chunk * chunk : j->room;
  gb_h5 *to = NULL;
  gb_err e = GB_OK;
  GB_TRY(gb_mc_make_part(&j->mc, gb_making_data, (int)j->mc.ch.opts.deflate, &to));
  size_t all = j->mc.ch.data_mine, once = gb_mc_writes(&j->mc), bytes = j->mc.sim->dims.n_mine * stored_bytes(j);
  GB_GOTO(e, copy(j, to, "/configurations", j->mc.stored, all, bytes, n, r->x), done);
  GB_GOTO(e, copy(j, to, "/checksum", GB_H5_U64, once, sizeof(uint64_t), n, r->hash), done);
  for (int i = 0; i < gb_mc_ensemble(&j->mc)->n_obs; i++)
    GB_GOTO(e, copy(j, to, j->name[i], GB_H5_F64, once, sizeof(double), n, r->obs), done);
done:
  gb_h5_close(&j->mc.data, false);
  j->mc.data = to;
  return e;
}

static gb_err finish(job *j)
{
  gb_making m = gb_mc_making(&j->mc);
  if (j->mc.ch.opts.deflate && j->mc.store) GB_TRY(compress(j));
  GB_TRY(gb_mc_results(&j->mc));
  GB_TRY(gb_h5_sync(j->mc.data));
  GB_TRY(gb_h5_close(&j->mc.data, true));
  gb_making_tidy(&m);
  if (j->mc.c.rank == 0) {
    char part[64];
    snprintf(part, sizeof part, "%s.part", RAW);
    unlink(gb_run_path(j->mc.run, part));
  }
  return GB_OK;
}

static gb_err work(job *j)
{
  gb_making m = gb_mc_making(&j->mc);
  gb_found there;
  GB_TRY(gb_making_look(&m, &there));
  if (there == GB_ALL) return gb_making_complete(&m);
  if (there == GB_A_STATE) {
    GB_TRY(gb_mc_load(&j->mc));
    gb_run_say(j->mc.run, "continuing: %lld of %llu samples of each chain are stored",
               (long long)(j->mc.samples_done < 0 ? 0 : j->mc.samples_done), (unsigned long long)samples(j));
  }
  gb_run_log(j->mc.run, "start", 1,
             (gb_kv[]){{"samples_done", (double)(j->mc.samples_done < 0 ? 0 : j->mc.samples_done), NULL}});
  GB_TRY(equilibrate(j));
  if (j->mc.samples_done < 0) {
    GB_TRY(gb_mc_make_part(&j->mc, work_name(j), 0, &j->mc.data));
    j->mc.samples_done = 0;
    GB_TRY(save(j));
  } else {
    GB_TRY(gb_h5_continue(j->mc.c, gb_run_path(j->mc.run, work_name(j)), &j->mc.data));
  }
  GB_TRY(draw(j));
  GB_TRY(finish(j));
  gb_run_log(j->mc.run, "done", 1, (gb_kv[]){{"samples_done", (double)j->mc.samples_done, NULL}});
  gb_run_say(j->mc.run, "%s: %zu temperatures x %lld chains x %llu samples", gb_run_path(j->mc.run, gb_making_data),
             j->mc.ch.n_T, (long long)j->mc.ch.opts.chains, (unsigned long long)samples(j));
  return GB_OK;
}

static void release(job *j)
{
  gb_h5_close(&j->mc.data, false);
  gb_chains_destroy(&j->mc.ch);
  for (int k = 0; k < 2; k++) free_round(&j->round[k]);
  gb_free(&j->drawn);
  gb_free(&j->box);
  gb_free(&j->whole);
  gb_free(&j->name);
}

static gb_err check_teams(gb_comm c, const gb_chains_opts *o)
{
  GB_CHECK(c.size % o->ranks_per_chain == 0, GB_ERR_CONFIG,
           "generate.ranks_per_chain = %lld does not divide the %d ranks of this run", (long long)o->ranks_per_chain,
           c.size);
  return GB_OK;
}

gb_err gb_generate(gb_comm c, const gb_config *cfg, const gb_physics *physics, const gb_schema *const sections[],
                   gb_run *run)
{
  gb_chains_opts o;
  gb_sim sim = {0};
  gb_comm team = {0};
  gb_config_get(cfg, &gb_chains_schema, &o);
  GB_TRY(gb_comm_agree(c, check_teams(c, &o)));
  GB_TRY(gb_comm_teams(c, (int)o.ranks_per_chain, &team));
  job j = {.mc = {.c = c, .run = run, .cfg = cfg, .sim = &sim, .sections = sections, .samples_done = -1},
           .saved_at = gb_clock_now()};
  j.mc.store = strcmp(o.configurations, "none") != 0;
  j.mc.stored = strcmp(o.configurations, "uint16") ? GB_H5_F32 : GB_H5_U16;
  gb_err e = gb_comm_agree(c, gb_sim_create(physics, cfg, team, &sim));
  if (!e) e = gb_chains_create(c, team, &sim, &o, (uint64_t)gb_run_get(run)->seed, &j.mc.ch);
  if (!e) e = work(&j);
  release(&j);
  gb_sim_destroy(&sim);
  gb_comm_close(&team);
  return e;
}

double gb_generate_buffers(void)
{
  return 3.0 * (double)BUFFER_BYTES; /* two rounds, and what HDF5 does with them */
}
