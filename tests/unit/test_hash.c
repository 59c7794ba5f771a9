/* tests/unit/test_hash.c - the checksums that stored files carry. */
#include "base/hash.h"
#include "check.h"

/* What libxxhash 0.8.1 gave when the first files were written; the XXH3 family is frozen since xxHash 0.8.0.
 * Stored files carry these numbers, so a change of algorithm or of the order of digits must show. */
static void known(void **state)
{
  (void)state;
  char hex[33];
  CHECK(gb_hash64("", 0) == 0x2d06800538d394c2);
  CHECK(gb_hash64("abc", 3) == 0x78af5f94892f3950);
  gb_hash_hex("", 0, hex);
  assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
  gb_hash_hex("abc", 3, hex);
  assert_string_equal(hex, "06b05ab6733a618578af5f94892f3950");
}

/* One flipped bit anywhere changes both sums, whatever the length and the alignment. */
static void every_bit_counts(void **state)
{
  (void)state;
  static unsigned char data[700];
  for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 37);
  for (size_t n = 1; n < sizeof data; n += n < 20 ? 1 : 97) {
    char whole[33], other[33];
    uint64_t sum = gb_hash64(data, n);
    gb_hash_hex(data, n, whole);
    CHECK(strlen(whole) == 32 && strspn(whole, "0123456789abcdef") == 32);
    for (size_t bit = 0; bit < 8 * n; bit++) {
      data[bit / 8] ^= (unsigned char)(1 << bit % 8);
      gb_hash_hex(data, n, other);
      CHECK(gb_hash64(data, n) != sum);
      CHECK(strcmp(whole, other) != 0);
      data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    static unsigned char moved[sizeof data + 1];
    memcpy(moved + 1, data, n);
    CHECK(gb_hash64(moved + 1, n) == sum);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {TEST(known), TEST(every_bit_counts)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
