/* base/generations.c - renames, decided by seals. */
#include "base/generations.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static void sibling(const char *path, const char *word, char name[PATH_MAX])
{
  size_t n = strlen(path), most = PATH_MAX - 32;
  if (n > 3 && !strcmp(path + n - 3, ".h5")) n -= 3;
  snprintf(name, PATH_MAX, "%.*s.%s.h5", (int)(n < most ? n : most), path, word);
}

void gb_generations_before(const char *path, char name[PATH_MAX])
{
  sibling(path, "prev", name);
}

static gb_err move(const char *from, const char *to)
{
  GB_CHECK(rename(from, to) == 0, GB_ERR_IO, "%s: cannot be renamed to %s: %s", from, to, strerror(errno));
  return GB_OK;
}

gb_err gb_generations_recover(const char *path, gb_text *told)
{
  char before[PATH_MAX], damaged[PATH_MAX], why[600];
  bool there = access(path, F_OK) == 0;
  gb_err e = there ? gb_file_sealed(path) : GB_OK;
  gb_generations_before(path, before);
  sibling(path, "damaged", damaged);
  if (access(before, F_OK) || (there && e != GB_ERR_IO)) {
    if (e == GB_ERR_IO) gb_err_clear();
    return e == GB_ERR_IO ? GB_OK : e;
  }
  snprintf(why, sizeof why, there ? "%s" : "%s is missing", there ? gb_err_message() : path);
  gb_err_clear();
  size_t n = strlen(why);
  if (n && why[n - 1] == '.') why[n - 1] = 0;
  e = gb_file_sealed(before);
  if (e == GB_ERR_IO) gb_err_clear();
  GB_CHECK(e != GB_ERR_IO, GB_ERR_IO,
           "%s; the one before, %s, is no better. Choose another run.dir, or remove both to start again.", why, before);
  if (!e && there) e = move(path, damaged);
  if (!e) e = move(before, path);
  if (e) return e;
  gb_text_add(told, "%s. Going on from %s, the one before it", why, before);
  return gb_text_done(told);
}
