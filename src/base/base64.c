#include "base/base64.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

struct alphabet {
  const char *letters; /* 64 */
  bool is_padded;      /* to groups of four; white space may stand between */
};

static const struct alphabet standard = {LETTERS "+/", true};
static const struct alphabet of_urls = {LETTERS "-_", false};

static void write_as(struct buf *buf, struct str bytes, const struct alphabet *alphabet) {
  for (size_t at = 0; at < bytes.n; at += 3) {
    size_t n = bytes.n - at < 3 ? bytes.n - at : 3;
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; i++)
      bits = bits << 8 | (i < n ? (unsigned char)bytes.p[at + i] : 0u);
    char group[4];
    for (size_t i = 0; i < 4; i++)
      group[i] = i > n ? '=' : alphabet->letters[bits >> (18 - 6 * i) & 63];
    buf_add(buf, str_n(group, alphabet->is_padded ? 4 : n + 1));
  }
}

/* -1: not of the alphabet. */
static int value_of(char c, const struct alphabet *alphabet) {
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  return c == alphabet->letters[62] ? 62 : c == alphabet->letters[63] ? 63 : -1;
}

static int read_as(struct arena *arena, struct str text, const struct alphabet *alphabet,
                   struct str *ret_bytes, struct err *reterr) {
  char *bytes = arena_alloc(arena, text.n / 4 * 3 + 3);
  size_t n = 0, letters_n = 0, pads_n = 0;
  uint32_t bits = 0;
  if (!bytes)
    return err_no_memory(reterr);
  for (size_t i = 0; i < text.n; i++) {
    char c = text.p[i];
    if (alphabet->is_padded && (c == ' ' || c == '\t' || c == '\r' || c == '\n'))
      continue;
    bool is_pad = alphabet->is_padded && c == '=';
    int value = value_of(c, alphabet);
    if (is_pad ? ++pads_n > 2 : value < 0 || pads_n > 0)
      return err_set(reterr, ERR_VALUE, "", "This is not base64.");
    if (is_pad)
      continue;
    bits = bits << 6 | (uint32_t)value;
    if (++letters_n % 4 != 1) /* 8 more bits are there */
      bytes[n++] = (char)(bits >> (letters_n % 4 == 2 ? 4 : letters_n % 4 == 3 ? 2 : 0));
  }
  size_t rest = letters_n % 4;
  uint32_t lost = rest == 2 ? bits & 15 : rest == 3 ? bits & 3 : 0;
  bool is_whole = !alphabet->is_padded || (letters_n + pads_n) % 4 == 0;
  if (!is_whole || rest == 1 || lost)
    return err_set(reterr, ERR_VALUE, "", "This is not base64.");
  *ret_bytes = str_n(bytes, n);
  return 0;
}

void base64_write(struct buf *buf, struct str bytes) {
  write_as(buf, bytes, &standard);
}

int base64_read(struct arena *arena, struct str text, struct str *ret_bytes, struct err *reterr) {
  return read_as(arena, text, &standard, ret_bytes, reterr);
}

void base64url_write(struct buf *buf, struct str bytes) {
  write_as(buf, bytes, &of_urls);
}

int base64url_read(struct arena *arena, struct str text, struct str *ret_bytes,
                   struct err *reterr) {
  return read_as(arena, text, &of_urls, ret_bytes, reterr);
}
