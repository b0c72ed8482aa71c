#include "base/id.h"

#include <stdlib.h>
#include <sys/random.h>

static void format_uuid(uint8_t bytes[16], unsigned version, char ret_uuid[ID_UUID_BYTES]) {
  static const char digits[] = "0123456789abcdef";
  bytes[6] = (uint8_t)((bytes[6] & 0x0F) | version << 4);
  bytes[8] = (uint8_t)((bytes[8] & 0x3F) | 0x80);
  char *p = ret_uuid;
  for (int i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10)
      *p++ = '-';
    *p++ = digits[bytes[i] >> 4];
    *p++ = digits[bytes[i] & 15];
  }
  *p = '\0';
}

void id_uuid_random(char ret_uuid[ID_UUID_BYTES]) {
  uint8_t bytes[16];
  if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
    abort(); /* without randomness no id is unique */
  format_uuid(bytes, 4, ret_uuid);
}

void id_uuid_of(const struct str *parts, size_t n, char ret_uuid[ID_UUID_BYTES]) {
  uint8_t digest[HASH_SHA256_BYTES];
  hash_sha256_parts(parts, n, digest);
  format_uuid(digest, 8, ret_uuid);
}

bool id_is_fhir_id(struct str s) {
  if (s.n == 0 || s.n > 64)
    return false;
  static const bool is_allowed[256] = {
      ['-'] = true, ['.'] = true, ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
  };
  bool all_are = true; /* without a branch per character: an id is looked at on every read */
  for (size_t i = 0; i < s.n; i++)
    all_are &= is_allowed[(unsigned char)s.p[i]];
  return all_are;
}
