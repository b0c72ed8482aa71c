#include "base/hash.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <sys/random.h>

struct hash_key hash_key_random(void) {
  struct hash_key key;
  if (getrandom(&key, sizeof key, 0) != (ssize_t)sizeof key)
    abort(); /* without randomness no key is safe to use */
  return key;
}

struct sip {
  uint64_t v0, v1, v2, v3;
  uint64_t tail; /* bytes not yet compressed, the low `n % 8` of them */
  uint64_t n;
};

static inline uint64_t rotate(uint64_t x, int bits) {
  return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s) {
  s->v0 += s->v1;
  s->v1 = rotate(s->v1, 13) ^ s->v0;
  s->v0 = rotate(s->v0, 32);
  s->v2 += s->v3;
  s->v3 = rotate(s->v3, 16) ^ s->v2;
  s->v0 += s->v3;
  s->v3 = rotate(s->v3, 21) ^ s->v0;
  s->v2 += s->v1;
  s->v1 = rotate(s->v1, 17) ^ s->v2;
  s->v2 = rotate(s->v2, 32);
}

static void sip_init(struct sip *s, struct hash_key key) {
  *s = (struct sip){
      .v0 = key.k0 ^ 0x736f6d6570736575u,
      .v1 = key.k1 ^ 0x646f72616e646f6du,
      .v2 = key.k0 ^ 0x6c7967656e657261u,
      .v3 = key.k1 ^ 0x7465646279746573u,
  };
}

static inline void sip_word(struct sip *s, uint64_t word) {
  s->v3 ^= word;
  sip_round(s);
  sip_round(s);
  s->v0 ^= word;
}

static void sip_add(struct sip *s, const char *p, size_t n) {
  size_t i = 0;
  if (s->n % 8 == 0)
    for (; n - i >= 8; i += 8) {
      uint64_t word;
      memcpy(&word, p + i, sizeof word);
      sip_word(s, word);
      s->n += 8;
    }
  for (; i < n; i++) {
    s->tail |= (uint64_t)(unsigned char)p[i] << (8 * (s->n % 8));
    if (++s->n % 8 == 0) {
      sip_word(s, s->tail);
      s->tail = 0;
    }
  }
}

static uint64_t sip_end(struct sip *s) {
  sip_word(s, s->tail | s->n << 56);
  s->v2 ^= 0xff;
  for (int i = 0; i < 4; i++)
    sip_round(s);
  return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t hash_siphash(struct hash_key key, struct str s) {
  struct sip sip;
  sip_init(&sip, key);
  sip_add(&sip, s.p, s.n);
  return sip_end(&sip);
}

uint64_t hash_siphash_parts(struct hash_key key, const struct str *parts, size_t n) {
  struct sip sip;
  sip_init(&sip, key);
  for (size_t i = 0; i < n; i++) {
    uint64_t length = parts[i].n;
    sip_add(&sip, (const char *)&length, sizeof length);
    sip_add(&sip, parts[i].p, parts[i].n);
  }
  return sip_end(&sip);
}

void hash_sha256(struct str s, uint8_t ret_digest[HASH_SHA256_BYTES]) {
  struct sha256_ctx ctx;
  sha256_init(&ctx);
  sha256_update(&ctx, s.n, (const uint8_t *)s.p);
  sha256_digest(&ctx, HASH_SHA256_BYTES, ret_digest);
}

void hash_sha256_parts(const struct str *parts, size_t n, uint8_t ret_digest[HASH_SHA256_BYTES]) {
  struct sha256_ctx ctx;
  sha256_init(&ctx);
  for (size_t i = 0; i < n; i++) {
    uint64_t length = parts[i].n;
    sha256_update(&ctx, sizeof length, (const uint8_t *)&length);
    sha256_update(&ctx, parts[i].n, (const uint8_t *)parts[i].p);
  }
  sha256_digest(&ctx, HASH_SHA256_BYTES, ret_digest);
}
