/*
 * Hashes.
 *
 * SipHash-2-4 (Aumasson and Bernstein, 2012), keyed, 64 bits: for tables and index keys that
 * strangers can choose the content of. SHA-256 (FIPS 180-4, by nettle): for identity of content and
 * the audit chain.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/str.h"

struct hash_key {
  uint64_t k0, k1;
};

/* A random key from the operating system. */
struct hash_key hash_key_random(void);

uint64_t hash_siphash(struct hash_key key, struct str s);

/* Several parts as one, each preceded by its length, so that ("a","bc") and ("ab","c") differ. */
uint64_t hash_siphash_parts(struct hash_key key, const struct str *parts, size_t n);

/* Fast, unkeyed (FNV-1a): for content of our own only. */
static inline uint64_t hash_fast(struct str s) {
  uint64_t h = 0xcbf29ce484222325u;
  for (size_t i = 0; i < s.n; i++)
    h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
  return h;
}

#define HASH_SHA256_BYTES 32
void hash_sha256(struct str s, uint8_t ret_digest[HASH_SHA256_BYTES]);
void hash_sha256_parts(const struct str *parts, size_t n, uint8_t ret_digest[HASH_SHA256_BYTES]);

#endif
