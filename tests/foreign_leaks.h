/* tests/foreign_leaks.h - for tests that start MPI: LeakSanitizer crashes in what Open MPI leaves behind. Our own
 * memory is counted (base/mem.h, check_end()). Included by the file that has main(). */
#pragma once

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
  return "detect_leaks=0";
}
