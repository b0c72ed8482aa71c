#include "../test.h"

#include "base/hash.h"

/* The vectors of the SipHash paper's reference: key 00..0f, input 00, 01, .., n-1. */
static void siphash_gives_the_published_values(void **state) {
  (void)state;
  static const struct {
    size_t n;
    uint64_t hash;
  } known[] = {{0, 0x726fdb47dd0e0e31u}, {1, 0x74f839c593dc67fdu},  {7, 0xab0200f58b01d137u},
               {8, 0x93f5f5799a932462u}, {15, 0xa129ca6149be45e5u}, {63, 0x958a324ceb064572u}};
  char input[64];
  for (int i = 0; i < 64; i++)
    input[i] = (char)i;
  struct hash_key key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    assert_true(hash_siphash(key, str_n(input, known[i].n)) == known[i].hash);
}

static void parts_are_told_apart(void **state) {
  (void)state;
  struct hash_key key = hash_key_random();
  const struct str a[] = {STR("a"), STR("bc")}, b[] = {STR("ab"), STR("c")};
  assert_true(hash_siphash_parts(key, a, 2) != hash_siphash_parts(key, b, 2));
  assert_true(hash_siphash_parts(key, a, 2) == hash_siphash_parts(key, a, 2));
}

static void sha256_gives_the_published_value(void **state) {
  (void)state;
  uint8_t digest[HASH_SHA256_BYTES];
  hash_sha256(STR("abc"), digest);
  static const uint8_t expected[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea};
  assert_memory_equal(digest, expected, sizeof expected);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(siphash_gives_the_published_values),
                                     TEST(parts_are_told_apart),
                                     TEST(sha256_gives_the_published_value)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
