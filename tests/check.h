/* tests/check.h - cmocka with what every test needs: nearness, expected failures, no leaks. */
#pragma once
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"

#define CHECK(cond)                                                                                                    \
  do {                                                                                                                 \
    if (!(cond)) fail_msg("%s does not hold; last failure: %s", #cond, gb_err_message());                              \
  } while (0)

/* |a - b| <= tol */
#define CHECK_NEAR(a, b, tol)                                                                                          \
  do {                                                                                                                 \
    double a_ = (a), b_ = (b), tol_ = (tol);                                                                           \
    if (!(fabs(a_ - b_) <= tol_))                                                                                      \
      fail_msg("%s = %.12g but %s = %.12g: differ by %.3g, allowed %.3g", #a, a_, #b, b_, fabs(a_ - b_), tol_);        \
  } while (0)

#define CHECK_OK(call)                                                                                                 \
  do {                                                                                                                 \
    gb_err e_ = (call);                                                                                                \
    if (e_) fail_msg("%s failed with %d: %s", #call, (int)e_, gb_err_message());                                       \
  } while (0)

/* The call fails with this code and a message that contains this text. */
#define CHECK_FAILS(call, code, text)                                                                                  \
  do {                                                                                                                 \
    gb_err_clear();                                                                                                    \
    gb_err e_ = (call);                                                                                                \
    if (e_ != (code)) fail_msg("%s returned %d, expected %d", #call, (int)e_, (int)(code));                            \
    if (!strstr(gb_err_message(), text))                                                                               \
      fail_msg("%s: the message \"%s\" lacks \"%s\"", #call, gb_err_message(), text);                                  \
    gb_err_clear();                                                                                                    \
  } while (0)

/* Setup and teardown of each test: no failure recorded before, no block left after. */
static int64_t check_live_before;
static inline int check_begin(void **state)
{
  (void)state;
  gb_err_clear();
  check_live_before = gb_mem_live();
  return 0;
}
static inline int check_end(void **state)
{
  (void)state;
  if (gb_mem_live() == check_live_before) return 0;
  fprintf(stderr, "%lld blocks were not freed\n", (long long)(gb_mem_live() - check_live_before));
  return 1;
}
#define TEST(f) cmocka_unit_test_setup_teardown(f, check_begin, check_end)
