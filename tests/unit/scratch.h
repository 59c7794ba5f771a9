/* unit/scratch.h - a folder of its own for a test, removed with all that is in it. */
#pragma once
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch_folder[256];

static inline void scratch_make(void)
{
  const char *base = getenv("TMPDIR");
  snprintf(scratch_folder, sizeof scratch_folder, "%.200s/greybox_test_XXXXXX", base && *base ? base : "/tmp");
  if (!mkdtemp(scratch_folder)) {
    perror(scratch_folder);
    abort();
  }
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
  (void)st, (void)flag, (void)ftw;
  return remove(path);
}

static inline void scratch_remove(void)
{
  nftw(scratch_folder, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path in the folder; borrowed until 8 more are asked for. */
static inline const char *scratch(const char *name)
{
  static char path[8][PATH_MAX];
  static int next;
  char *p = path[next++ % 8];
  snprintf(p, PATH_MAX, "%s/%s", scratch_folder, name);
  return p;
}

/* Put bytes into a file with nothing of the library between. */
static inline void scratch_put(const char *path, const void *data, size_t n)
{
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(data, 1, n, f) != n || fclose(f)) {
    perror(path);
    abort();
  }
}

/* The bytes of a file and their number, freed by free(); NULL if there is none. */
static inline char *scratch_get(const char *path, size_t *n)
{
  FILE *f = fopen(path, "rb");
  if (!f) return NULL;
  fseek(f, 0, SEEK_END);
  *n = (size_t)ftell(f);
  rewind(f);
  char *s = calloc(*n + 1, 1);
  if (!s || fread(s, 1, *n, f) != *n) abort();
  fclose(f);
  return s;
}
