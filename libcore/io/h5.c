/* io/h5.c - files made, written and read; with h5_query.c the only use of HDF5.
 *
 * Space is allocated early, fill values are never written and object times are not tracked: the bytes of a
 * file then follow from what is put into it (with deflate, the order of chunks also from the ranks). The
 * classic file format is used (no superblock flag marks a file as open), so a file whose writer was killed
 * during gb_h5_write() opens again. */
#include <errno.h>
#include <fcntl.h>
#include <hdf5_hl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/watch.h"
#include "io/h5_inside.h"
#include "io/pieces.h"

static const gb_field fields[] = {
    GB_NUMBER(gb_h5_opts, stripe_count, "0", 0, 2000, "servers", GB_FREE,
              "Storage targets that a new file is spread over (Lustre); 0: what the folder says (lfs setstripe). For "
              "large data sets: as many as there are, at most one a rank."),
    GB_NUMBER(gb_h5_opts, stripe_size, "0", 0, 1024, "MiB", GB_FREE,
              "Bytes in a row on one storage target, a multiple of 64 KiB; datasets and chunks of at least this size "
              "then start at a multiple of it. 0: what the folder says, and no alignment."),
    GB_WORD(gb_h5_opts, collective_buffering, "automatic", "automatic|enable|disable", GB_FREE,
            "Do some ranks gather the data of all before they write? automatic: the MPI library decides."),
    GB_NUMBER(gb_h5_opts, aggregators, "0", 0, 1000000, "ranks", GB_FREE,
              "How many ranks gather (MPI hint cb_nodes); 0: the MPI library decides. A good value: stripe_count, or "
              "one a node."),
    {0}};

static gb_err check_opts(const void *opts)
{
  double pieces = ((const gb_h5_opts *)opts)->stripe_size * 16;
  GB_CHECK(pieces == floor(pieces), GB_ERR_CONFIG,
           "io.stripe_size = %g MiB is not a multiple of 64 KiB, as Lustre needs it. Choose e.g. 1, 4 or 0.0625.",
           pieces / 16);
  return GB_OK;
}

const gb_schema gb_h5_schema = {"io", "How files are laid out and written on a parallel file system.",
                                sizeof(gb_h5_opts), fields, check_opts};

/* See gb_h5_tune(). */
static struct {
  char stripe_count[24], stripe_bytes[24], aggregators[24]; /* "": by default */
  const char *buffering;                                    /* a literal; NULL: by default */
  hsize_t align;                                            /* bytes; 0: not */
} tuned;

static void number_or_none(char text[24], double v)
{
  snprintf(text, 24, v > 0 ? "%.0f" : "", v);
}

void gb_h5_tune(const gb_h5_opts *opts)
{
  tuned.align = (hsize_t)(opts->stripe_size * 0x1p20);
  number_or_none(tuned.stripe_count, (double)opts->stripe_count);
  number_or_none(tuned.stripe_bytes, (double)tuned.align);
  number_or_none(tuned.aggregators, (double)opts->aggregators);
  tuned.buffering = !strcmp(opts->collective_buffering, "enable")    ? "enable"
                    : !strcmp(opts->collective_buffering, "disable") ? "disable"
                                                                     : NULL;
}

/* The hints of the MPI standard, which ROMIO takes too; and where they have names of their own, those of ROMIO
 * (romio_...) and of OMPIO (stripe_...; Open MPI 4, fs/lustre). */
static MPI_Info hints(void)
{
  const char *hint[7][2];
  size_t n = 0;
  const struct {
    const char *key, *value;
  } all[] = {{"striping_factor", tuned.stripe_count},
             {"stripe_width", tuned.stripe_count},
             {"striping_unit", tuned.stripe_bytes},
             {"stripe_size", tuned.stripe_bytes},
             {"cb_nodes", tuned.aggregators},
             {"romio_cb_write", tuned.buffering},
             {"collective_buffering", !tuned.buffering            ? NULL
                                      : tuned.buffering[0] == 'e' ? "true"
                                                                  : "false"}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (!all[i].value || !*all[i].value) continue;
    hint[n][0] = all[i].key;
    hint[n++][1] = all[i].value;
  }
  return gb_comm_info(n, hint);
}

/* The file with a thread that writes or reads. HDF5 knows no threads: before any other use of it the thread must be
 * done. */
static gb_h5 *behind;

void gb_h5_settle(void)
{
  if (behind) gb_task_join(&behind->task);
  behind = NULL;
}

/* The innermost message of the HDF5 error stack: of those with a list of details what the system said. */
static herr_t innermost(unsigned n, const H5E_error2_t *error, void *text)
{
  static const char system_says[] = "error message = '";
  const char *desc = error->desc ? error->desc : "unknown", *from = strstr(desc, system_says);
  if (from) from += sizeof system_says - 1;
  if (n == 0) snprintf(text, 256, "%.*s", (int)strcspn(from ? from : desc, from ? "'\n" : "\n"), from ? from : desc);
  return 0;
}

gb_err gb_h5_failed(const gb_h5 *f, const char *what, const char *name)
{
  char why[256] = "no reason given";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, why);
  return GB_FAIL(GB_ERR_IO, "%s: %s%s%s failed: %s", f->writing ? f->part : f->path, what, name ? " " : "",
                 name ? name : "", why);
}

static hid_t memory_type(gb_h5_type type)
{
  switch (type) {
  case GB_H5_F32: return H5T_NATIVE_FLOAT;
  case GB_H5_F64: return H5T_NATIVE_DOUBLE;
  case GB_H5_I64: return H5T_NATIVE_INT64;
  case GB_H5_U64: return H5T_NATIVE_UINT64;
  case GB_H5_U8: return H5T_NATIVE_UINT8;
  case GB_H5_U16: return H5T_NATIVE_UINT16;
  }
  return -1;
}

/* COMPARE: READ, after looking at the checksum */
typedef enum open_mode { CREATE, CONTINUE, READ, COMPARE } open_mode;

static gb_err open_file(gb_h5 *f, open_mode mode)
{
  hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE);
  MPI_Info info = f->c.size > 1 && mode != READ ? hints() : MPI_INFO_NULL;
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  if (f->c.size > 1) {
    H5Pset_fapl_mpio(access, f->c.mpi, info);
    H5Pset_coll_metadata_write(access, true);
  }
  if (mode != READ && tuned.align) H5Pset_alignment(access, tuned.align, tuned.align);
  f->transfer = H5Pcreate(H5P_DATASET_XFER);
  if (f->c.size > 1 && mode != READ) H5Pset_dxpl_mpio(f->transfer, H5FD_MPIO_COLLECTIVE);
  if (f->c.size > 1 && tuned.buffering && tuned.buffering[0] == 'd') /* Open MPI's own MPI-IO has no hint for it */
    H5Pset_dxpl_mpio_collective_opt(f->transfer, H5FD_MPIO_INDIVIDUAL_IO);
  switch (mode) {
  case CREATE: f->file = H5Fcreate(f->part, H5F_ACC_TRUNC, create, access); break;
  case CONTINUE: f->file = H5Fopen(f->part, H5F_ACC_RDWR, access); break;
  case READ:
  case COMPARE: f->file = H5Fopen(f->path, H5F_ACC_RDONLY, access); break;
  }
  /* At once: the next call to HDF5 forgets the reason. */
  gb_err e = f->file < 0 ? gb_h5_failed(f, mode == CREATE ? "creating the file" : "opening the file", NULL) : GB_OK;
  H5Pclose(access);
  H5Pclose(create);
  gb_comm_info_free(&info); /* HDF5 has its own copy */
  return e;
}

/* HDF5 would wait for ever at a FIFO and has no plain words for a folder or a missing file: ask the system. */
static gb_err look(const char *path)
{
  struct stat st;
  GB_CHECK(stat(path, &st) == 0 && access(path, R_OK) == 0, GB_ERR_IO, "%s: %s", path, strerror(errno));
  GB_CHECK(S_ISREG(st.st_mode), GB_ERR_IO, "%s: is not a regular file", path);
  return GB_OK;
}

/* A collective write that fails on one rank, for want of room, can hold the others for ever (HDF5 1.10 over Open MPI's
 * MPI-IO does): all room is had before. Structure and texts have a reserve.
 * Collective. */
static gb_err reserve(gb_h5 *f, uint64_t more)
{
  static const uint64_t structure = 1 << 20;
  f->wanted += more;
  if (f->wanted + structure / 2 <= f->reserved) return GB_OK;
  f->reserved = f->wanted + structure;
  return gb_comm_agree(f->c, f->c.rank == 0 ? gb_file_reserve(f->part, f->reserved) : GB_OK);
}

static gb_err make(gb_comm c, const char *path, open_mode mode, gb_h5 **out)
{
  gb_h5_settle();
  gb_h5 *f = NULL;
  *out = NULL;
  gb_err e = gb_new(&f, 1);
  if (!e && strlen(path) + 6 > PATH_MAX) e = GB_FAIL(GB_ERR_IO, "%.200s...: the path is too long", path);
  if (!e) {
    *f = (gb_h5){.c = c, .file = -1, .transfer = -1, .writing = mode == CREATE || mode == CONTINUE};
    snprintf(f->path, sizeof f->path, "%s", path);
    snprintf(f->part, sizeof f->part, "%.*s.part", PATH_MAX - 6, path);
    if (mode != CREATE) e = look(mode == CONTINUE ? f->part : f->path);
    if (mode == COMPARE && !e && c.rank == 0) e = gb_file_check_seal(f->path);
    if (mode == COMPARE) mode = READ;
  }
  e = gb_comm_agree(c, e);
  if (!e && mode == CREATE) e = reserve(f, 0);
  if (!e) e = gb_comm_agree(c, open_file(f, mode));
  if (!e && mode == CREATE) { /* once more: an old part was cut off */
    f->reserved = 0;
    e = reserve(f, 0);
    if (e) H5Fclose(f->file);
  }
  if (e && f) {
    if (f->transfer >= 0) H5Pclose(f->transfer);
    gb_free(&f);
  }
  *out = f;
  return e;
}

gb_err gb_h5_create(gb_comm c, const char *path, gb_h5 **out)
{
  return make(c, path, CREATE, out);
}

gb_err gb_h5_continue(gb_comm c, const char *path, gb_h5 **out)
{
  return make(c, path, CONTINUE, out);
}

gb_err gb_h5_open(gb_comm c, const char *path, gb_h5 **out)
{
  return make(c, path, COMPARE, out);
}

gb_err gb_h5_open_compared(gb_comm c, const char *path, gb_h5 **out)
{
  return make(c, path, READ, out);
}

static gb_err sync_part(gb_h5 *f)
{
  if (f->c.rank != 0) return GB_OK;
  int fd = open(f->part, O_RDONLY | O_CLOEXEC);
  GB_CHECK(fd >= 0, GB_ERR_IO, "%s: %s", f->part, strerror(errno));
  int bad = fsync(fd), error = errno;
  close(fd);
  GB_CHECK(!bad, GB_ERR_IO, "%s: fsync: %s", f->part, strerror(error));
  return GB_OK;
}

static gb_err flush(gb_h5 *f)
{
  gb_err e = H5Fflush(f->file, H5F_SCOPE_GLOBAL) < 0 ? gb_h5_failed(f, "flushing", NULL) : sync_part(f);
  return gb_comm_agree(f->c, e);
}

gb_err gb_h5_sync(gb_h5 *f)
{
  GB_TRY(gb_h5_write_wait(f));
  return flush(f);
}

static bool broken;

bool gb_h5_broken(void)
{
  return broken;
}

static gb_err commit_part(const gb_h5 *f)
{
  GB_TRY(gb_file_seal(f->part));
  if (f->reserved) gb_file_trim(f->part);
  return gb_file_commit(f->part, f->path);
}

gb_err gb_h5_close(gb_h5 **file, bool commit)
{
  gb_h5 *f = *file;
  if (!f) return GB_OK;
  gb_comm c = f->c;
  gb_h5_settle();
  gb_err before = f->writing ? gb_h5_write_wait(f) : GB_OK,
         e = H5Fclose(f->file) < 0 ? gb_h5_failed(f, "closing", NULL) : GB_OK;
  broken = broken || e;
  H5Pclose(f->transfer);
  e = gb_comm_agree(c, e);
  if (f->reserved && c.rank == 0 && (e || !commit)) gb_file_trim(f->part);
  if (before) e = before;
  if (!e && commit && f->writing) e = gb_comm_agree(c, c.rank == 0 ? commit_part(f) : GB_OK);
  gb_free(file);
  return e;
}

/* A property list for names like "/a/b/c": folders on the way are made, without times. */
static hid_t with_folders(void)
{
  hid_t link = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(link, 1);
  return link;
}

static gb_err attach_scales(gb_h5 *f, hid_t set, const gb_h5_spec *spec)
{
  for (int i = 0; i < spec->ndim; i++) {
    if (!spec->dims[i]) continue;
    if (!strcmp(spec->dims[i], spec->name)) { /* this dataset labels its own axis */
      const char *base = strrchr(spec->name, '/');
      if (H5DSset_scale(set, base ? base + 1 : spec->name) < 0) return gb_h5_failed(f, "making a scale of", spec->name);
      continue;
    }
    hid_t scale = H5Dopen2(f->file, spec->dims[i], H5P_DEFAULT);
    if (scale < 0) return gb_h5_failed(f, "opening the scale", spec->dims[i]);
    herr_t bad = H5DSattach_scale(set, scale, (unsigned)i);
    const char *base = strrchr(spec->dims[i], '/');
    if (bad >= 0) bad = H5DSset_label(set, (unsigned)i, base ? base + 1 : spec->dims[i]);
    H5Dclose(scale);
    if (bad < 0) return gb_h5_failed(f, "attaching a scale to", spec->name);
  }
  return GB_OK;
}

/* A fixed-length string: its bytes are in the object, not in a heap. An empty one still needs one byte. */
static hid_t string_type(const char *text)
{
  hid_t type = H5Tcopy(H5T_C_S1);
  size_t n = strlen(text);
  H5Tset_size(type, n ? n : 1);
  H5Tset_cset(type, H5T_CSET_UTF8);
  H5Tset_strpad(type, H5T_STR_NULLPAD);
  return type;
}

static gb_err note(gb_h5 *f, hid_t object, const char *name, const char *attribute, const char *text)
{
  hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
  H5Tset_size(type, H5T_VARIABLE); /* what h5py shows as a str */
  H5Tset_cset(type, H5T_CSET_UTF8);
  hid_t a = H5Acreate2(object, attribute, type, space, H5P_DEFAULT, H5P_DEFAULT);
  herr_t bad = a < 0 ? -1 : H5Awrite(a, type, &text);
  if (a >= 0) H5Aclose(a);
  H5Sclose(space);
  H5Tclose(type);
  return bad < 0 ? gb_h5_failed(f, "writing an attribute of", name) : GB_OK;
}

gb_err gb_h5_note(gb_h5 *f, const char *name, const char *attribute, const char *text)
{
  gb_h5_settle();
  hid_t object = H5Oopen(f->file, name, H5P_DEFAULT);
  if (object < 0) return gb_h5_failed(f, "opening", name);
  gb_err e = note(f, object, name, attribute, text);
  H5Oclose(object);
  return e;
}

static hid_t creation_list(const gb_h5_spec *spec)
{
  hid_t list = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_obj_track_times(list, false);
  H5Pset_fill_time(list, H5D_FILL_TIME_NEVER);
  H5Pset_alloc_time(list, H5D_ALLOC_TIME_EARLY);
  if (spec->chunk[0]) {
    hsize_t chunk[GB_H5_NDIM];
    for (int i = 0; i < spec->ndim; i++) chunk[i] = spec->chunk[i];
    H5Pset_chunk(list, spec->ndim, chunk);
  }
  if (spec->deflate) {
    GB_ASSERT(spec->chunk[0]);
    H5Pset_shuffle(list);
    H5Pset_deflate(list, (unsigned)spec->deflate);
  }
  return list;
}

gb_err gb_h5_add(gb_h5 *f, const gb_h5_spec *spec)
{
  gb_h5_settle();
  hsize_t shape[GB_H5_NDIM];
  gb_err e = GB_OK;
  uint64_t bytes = H5Tget_size(gb_h5_stored_type(spec->type));
  for (int i = 0; i < spec->ndim; i++) bytes *= shape[i] = spec->shape[i];
  GB_TRY(reserve(f, bytes));
  hid_t space = H5Screate_simple(spec->ndim, shape, NULL), list = creation_list(spec), link = with_folders();
  hid_t set = H5Dcreate2(f->file, spec->name, gb_h5_stored_type(spec->type), space, link, list, H5P_DEFAULT);
  if (set < 0) e = gb_h5_failed(f, "making the dataset", spec->name);
  if (!e) e = note(f, set, spec->name, "unit", spec->unit);
  if (!e) e = note(f, set, spec->name, "doc", spec->doc);
  if (!e) e = attach_scales(f, set, spec);
  if (set >= 0) H5Dclose(set);
  H5Pclose(link);
  H5Pclose(list);
  H5Sclose(space);
  return gb_comm_agree(f->c, e);
}

static gb_err pick(gb_h5 *f, const char *name, size_t n, const gb_h5_block block[], gb_h5_selection *s)
{
  hsize_t total = 0, memory[GB_H5_NDIM];
  herr_t bad = n == 0 ? H5Sselect_none(s->file) : 0;
  for (size_t k = 0; k < n && bad >= 0; k++) {
    hsize_t start[GB_H5_NDIM], count[GB_H5_NDIM];
    for (int i = 0; i < s->ndim; i++) {
      start[i] = block[k].start[i];
      count[i] = memory[i] = block[k].count[i];
    }
    total += gb_pieces_elements(s->ndim, &block[k]);
    if (s->ndim) bad = H5Sselect_hyperslab(s->file, k ? H5S_SELECT_OR : H5S_SELECT_SET, start, NULL, count, NULL);
  }
  if (s->memory >= 0) H5Sclose(s->memory);
  /* The shape of the block where there is one: HDF5 1.10 maps memory of another shape to chunks element by element. */
  s->memory = n == 1 && s->ndim ? H5Screate_simple(s->ndim, memory, NULL) : H5Screate_simple(1, &total, NULL);
  if (n == 0) H5Sselect_none(s->memory);
  return bad < 0 || s->memory < 0 ? gb_h5_failed(f, "selecting a block of", name) : GB_OK;
}

/* My blocks on their way into the file, a call at a time. */
typedef struct outgoing {
  int ndim;
  size_t size, n; /* bytes of an element; blocks */
  const gb_h5_block *block;
  size_t next, piece; /* where the next call begins: block, and piece of it */
} outgoing;

/* What one call takes: some whole blocks together, or one piece of one block. */
typedef struct portion {
  size_t n, bytes;
  const gb_h5_block *block;
  gb_h5_block piece;
} portion;

static size_t bytes_of(const outgoing *o, size_t i)
{
  return gb_pieces_elements(o->ndim, &o->block[i]) * o->size;
}

static void take_blocks(outgoing *o, portion *p)
{
  *p = (portion){.block = o->block + o->next};
  while (o->next < o->n && (p->n == 0 || p->bytes + bytes_of(o, o->next) <= gb_pieces_limit)) {
    p->bytes += bytes_of(o, o->next++);
    p->n++;
  }
}

static void take_piece(outgoing *o, portion *p)
{
  *p = (portion){0};
  if (o->next == o->n) return;
  const gb_h5_block *b = &o->block[o->next];
  p->piece = gb_pieces_get(o->ndim, b, o->size, gb_pieces_limit, o->piece);
  p->block = &p->piece;
  p->n = 1;
  p->bytes = gb_pieces_elements(o->ndim, &p->piece) * o->size;
  if (++o->piece < gb_pieces_count(o->ndim, b, o->size, gb_pieces_limit)) return;
  o->piece = 0;
  o->next++;
}

/* Calls that all my blocks need. */
static size_t n_calls(outgoing o, void (*take)(outgoing *, portion *))
{
  portion p;
  size_t n = 0;
  for (take(&o, &p); p.n; take(&o, &p)) n++;
  return n;
}

/* Small blocks go together, large ones one by one: a union of blocks has a shape that memory cannot have (see pick()).
 * All ranks make the same number of calls; one that has nothing left, or whose selection failed, selects nothing. */
static gb_err write_calls(gb_h5 *f, const char *name, outgoing o, gb_h5_type type, gb_h5_selection *s, const char *data)
{
  static const double large = 1 << 14; /* bytes: below, a call costs more than its elements */
  double most[3] = {(double)n_calls(o, take_piece), (double)n_calls(o, take_blocks), 0};
  for (size_t i = 0; i < o.n; i++) most[2] = fmax(most[2], (double)bytes_of(&o, i));
  gb_comm_max(f->c, most, 3);
  bool together = most[2] < fmin(large, (double)gb_pieces_limit);
  gb_err e = GB_OK;
  for (double i = 0; i < most[together] && !e; i++) {
    portion p;
    (together ? take_blocks : take_piece)(&o, &p);
    gb_err mine = pick(f, name, p.n, p.block, s);
    if (mine) pick(f, name, 0, NULL, s);
    if (H5Dwrite(s->set, memory_type(type), s->memory, s->file, f->transfer, data) < 0 && !mine)
      mine = gb_h5_failed(f, "writing", name);
    e = gb_comm_agree(f->c, mine);
    if (p.n) data += p.bytes;
  }
  return e;
}

static gb_err write_now(gb_h5 *f, const char *name, size_t n, const gb_h5_block block[], const void *data)
{
  gb_h5_selection s;
  gb_h5_type type = GB_H5_U8;
  gb_err e = gb_h5_open_set(f, name, n, block, &s);
  if (!e) e = gb_h5_known_type(f, &s, name, &type);
  e = gb_comm_agree(f->c, e); /* nobody writes before all can: no rank waits */
  if (!e) {
    outgoing o = {.ndim = s.ndim, .size = H5Tget_size(memory_type(type)), .n = n, .block = block};
    e = write_calls(f, name, o, type, &s, data);
  }
  gb_h5_drop(&s);
  return e;
}

gb_err gb_h5_write(gb_h5 *f, const char *name, size_t n, const gb_h5_block block[], const void *data)
{
  gb_h5_settle();
  return write_now(f, name, n, block, data);
}

/* In the thread: nothing here allocates with gb_new(). */
static gb_err write_batch(void *file)
{
  gb_h5 *f = file;
  for (const gb_h5_item *i = f->batch.item; i < f->batch.item + f->batch.n; i++)
    GB_TRY(write_now(f, i->name, i->n, i->block, i->data));
  return f->batch.sync ? flush(f) : GB_OK;
}

gb_err gb_h5_write_start(gb_h5 *f, const gb_h5_batch *batch)
{
  gb_h5_settle();
  GB_TRY(gb_h5_write_wait(f));
  f->batch = *batch;
  gb_task_start(&f->task, !gb_comm_threads(), write_batch, f);
  behind = f;
  return GB_OK;
}

gb_err gb_h5_write_wait(gb_h5 *f)
{
  gb_h5_settle();
  return gb_task_result(&f->task);
}

gb_err gb_h5_write_all(gb_h5 *f, const char *name, const void *data)
{
  gb_h5_settle();
  gb_h5_selection s;
  gb_h5_block all = {{0}, {0}};
  gb_err e = gb_h5_open_set(f, name, 0, NULL, &s);
  for (int i = 0; i < s.ndim && !e; i++) all.count[i] = s.shape[i];
  gb_h5_drop(&s);
  GB_TRY(gb_comm_agree(f->c, e));
  return gb_h5_write(f, name, f->c.rank == 0, &all, data);
}

static gb_err read_now(gb_h5 *f, const gb_h5_want *w)
{
  gb_h5_selection s;
  size_t size = H5Tget_size(memory_type(w->type));
  char *data = w->data;
  gb_err e = gb_h5_open_set(f, w->name, w->n, w->block, &s);
  if (!e) e = gb_h5_check_type(f, s.set, w->name, w->type);
  for (size_t k = 0; k < w->n && !e; k++) {
    size_t n = gb_pieces_count(s.ndim, &w->block[k], size, gb_pieces_limit);
    for (size_t i = 0; i < n && !e; i++) {
      gb_h5_block piece = gb_pieces_get(s.ndim, &w->block[k], size, gb_pieces_limit, i);
      e = pick(f, w->name, 1, &piece, &s);
      if (!e && H5Dread(s.set, memory_type(w->type), s.memory, s.file, H5P_DEFAULT, data) < 0)
        e = gb_h5_failed(f, "reading", w->name);
      data += gb_pieces_elements(s.ndim, &piece) * size;
      GB_BEAT();
    }
  }
  gb_h5_drop(&s);
  return e;
}

gb_err gb_h5_read(gb_h5 *f, const char *name, gb_h5_type type, const gb_h5_block *block, void *data)
{
  return gb_h5_read_blocks(f, &(gb_h5_want){name, type, 1, block, data});
}

gb_err gb_h5_read_blocks(gb_h5 *f, const gb_h5_want *want)
{
  gb_h5_settle();
  return read_now(f, want);
}

/* A union of the blocks in one call would unpack each chunk once, too, but HDF5 1.10 maps it element by element. */
gb_err gb_h5_read_packed(gb_h5 *f, const gb_h5_want *want)
{
  enum { ROOM = 1 << 28, SLOTS = 100003 }; /* bytes of unpacked chunks; a prime much larger than their number */
  gb_h5_settle();
  hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
  H5Pset_chunk_cache(access, SLOTS, ROOM, H5D_CHUNK_CACHE_W0_DEFAULT);
  hid_t kept = H5Dopen2(f->file, want->name, access); /* the first to open it decides; the next one shares */
  H5Pclose(access);
  gb_err e = kept < 0 ? gb_h5_failed(f, "opening the dataset", want->name) : read_now(f, want);
  if (kept >= 0) H5Dclose(kept);
  return e;
}

/* In the thread. */
static gb_err read_wanted(void *file)
{
  gb_h5 *f = file;
  return read_now(f, &f->want);
}

void gb_h5_read_start(gb_h5 *f, const gb_h5_want *want)
{
  GB_ASSERT(f->c.size == 1);
  gb_h5_settle();
  f->want = *want;
  gb_task_start(&f->task, !gb_comm_threads(), read_wanted, f);
  behind = f;
}

gb_err gb_h5_read_wait(gb_h5 *f)
{
  gb_h5_settle();
  return gb_task_result(&f->task);
}

gb_err gb_h5_read_all(gb_h5 *f, const char *name, gb_h5_type type, size_t n, void *data)
{
  gb_h5_settle();
  gb_h5_selection s;
  gb_h5_block all = {{0}, {0}};
  size_t found = 1;
  gb_err e = gb_h5_open_set(f, name, 0, NULL, &s);
  for (int i = 0; i < s.ndim && !e; i++) found *= all.count[i] = s.shape[i];
  gb_h5_drop(&s);
  if (e) return e;
  GB_CHECK(found == n, GB_ERR_IO, "%s: %s has %zu elements, %zu are expected", f->path, name, found, n);
  return gb_h5_read(f, name, type, &all, data);
}

gb_err gb_h5_put_text(gb_h5 *f, const char *name, const char *text, const char *doc)
{
  gb_h5_settle();
  gb_h5_spec plain = {.ndim = 0};
  gb_err e = GB_OK;
  hid_t type = string_type(text), space = H5Screate(H5S_SCALAR), list = creation_list(&plain), link = with_folders();
  hid_t set = H5Dcreate2(f->file, name, type, space, link, list, H5P_DEFAULT);
  if (set < 0) e = gb_h5_failed(f, "making the text", name);
  if (!e) e = note(f, set, name, "doc", doc);
  if (f->c.rank != 0) H5Sselect_none(space);
  if (!e && H5Dwrite(set, type, space, space, f->transfer, text) < 0) e = gb_h5_failed(f, "writing the text", name);
  if (set >= 0) H5Dclose(set);
  H5Pclose(link);
  H5Pclose(list);
  H5Sclose(space);
  H5Tclose(type);
  return gb_comm_agree(f->c, e);
}
