/* tests/unit/test_clock.c - time for people and logs. */
#include <time.h>

#include "base/clock.h"
#include "check.h"

static void never_goes_back(void **state)
{
  (void)state;
  double first = gb_clock_now(), last = first;
  struct timespec pause = {0, 20000000};
  for (int i = 0; i < 1000; i++) {
    double now = gb_clock_now();
    CHECK(now >= last);
    last = now;
  }
  nanosleep(&pause, NULL);
  CHECK(gb_clock_now() - first >= 0.02); /* in seconds */
}

static void wall_clock(void **state)
{
  (void)state;
  char text[24];
  struct tm parts = {0};
  time_t before = time(NULL);
  CHECK(gb_clock_utc(text) == text);
  const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  CHECK(rest && *rest == 0 && strlen(text) == 20);
  time_t told = timegm(&parts);
  CHECK(told >= before && told <= time(NULL));
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(never_goes_back), TEST(wall_clock)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
