#include "format/url.h"

#define PAIRS_MAX 1000

static bool needs_decoding(struct str text, bool plus_is_space) {
  return str_find_char(text, '%', 0) >= 0 || (plus_is_space && str_find_char(text, '+', 0) >= 0);
}

static int decode(struct arena *arena, struct str text, bool plus_is_space, struct str *ret_text,
                  struct err *reterr) {
  struct str decoded = text;
  if (needs_decoding(text, plus_is_space)) {
    char *out = arena_alloc(arena, text.n);
    size_t n = 0;
    if (!out)
      return err_no_memory(reterr);
    for (size_t i = 0; i < text.n; i++) {
      if (text.p[i] == '%') {
        int high = text.n - i > 2 ? str_hex_digit(text.p[i + 1]) : -1;
        int low = high >= 0 ? str_hex_digit(text.p[i + 2]) : -1;
        if (low < 0)
          return err_set(reterr, ERR_VALUE, "",
                         "The URL has a '%%' that is not followed by two hexadecimal digits.");
        out[n++] = (char)(high * 16 + low);
        i += 2;
      } else {
        out[n++] = plus_is_space && text.p[i] == '+' ? ' ' : text.p[i];
      }
    }
    decoded = str_n(out, n);
  }
  if (!str_is_utf8(decoded) || str_find_char(decoded, '\0', 0) >= 0)
    return err_set(reterr, ERR_VALUE, "", "The URL is not valid UTF-8 after decoding.");
  *ret_text = decoded;
  return 0;
}

int url_decode(struct arena *arena, struct str text, struct str *ret_text, struct err *reterr) {
  return decode(arena, text, false, ret_text, reterr);
}

int url_decode_query(struct arena *arena, struct str text, struct str *ret_text,
                     struct err *reterr) {
  return decode(arena, text, true, ret_text, reterr);
}

static bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

void url_encode(struct buf *buf, struct str text) {
  static const char digits[] = "0123456789ABCDEF";
  for (size_t i = 0; i < text.n; i++) {
    unsigned char c = (unsigned char)text.p[i];
    if (is_unreserved(text.p[i])) {
      buf_add_char(buf, text.p[i]);
    } else {
      buf_add_char(buf, '%');
      buf_add_char(buf, digits[c >> 4]);
      buf_add_char(buf, digits[c & 15]);
    }
  }
}

int url_parse_query(struct arena *arena, struct str query, struct url_pair **ret_pairs,
                    size_t *ret_n, struct err *reterr) {
  VEC(struct url_pair) pairs = {0};
  struct str rest = query, piece;
  while (rest.n > 0 && str_split(&rest, '&', &piece)) {
    if (piece.n == 0)
      continue;
    struct str name, value = piece;
    str_split(&value, '=', &name);
    struct url_pair *pair = VEC_PUSH(arena, &pairs);
    if (!pair)
      return err_no_memory(reterr);
    if (pairs.n > PAIRS_MAX)
      return err_set(reterr, ERR_TOO_LONG, "", "The query has more than %d parameters.", PAIRS_MAX);
    int code = url_decode_query(arena, name, &pair->name, reterr);
    if (code == 0)
      code = url_decode_query(arena, value, &pair->value, reterr);
    if (code)
      return code;
  }
  *ret_pairs = pairs.p;
  *ret_n = pairs.n;
  return 0;
}
