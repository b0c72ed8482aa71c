/*
 * Layout before base64url (RFC 4648, no padding); numbers are little-endian:
 *
 *   u8   version = 1; 2: behind a match that stands inside another resource
 *   u64  check: FNV-1a over shape and all bytes behind this field
 *   u64  rid
 *   version 2: u32 place
 *   per key: u8 kind: 0 nothing, 1 number, 2 text;  number: i64;  text: u16 length, bytes
 */
#include "store/search/search_cursor.h"

#include "base/base64.h"
#include "base/hash.h"

enum {
  CURSOR_VERSION = 1,
  CURSOR_CONTAINED = 2,
  CHECK_AT = 1,
  BODY_AT = 9,
  CURSOR_BYTES_MAX = 4096
};

static void add_number(struct buf *buf, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; i++)
    buf_add_char(buf, (char)(value >> (8 * i) & 0xff));
}

static bool take_number(struct str *s, size_t bytes, uint64_t *ret_value) {
  if (s->n < bytes)
    return false;
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; i++)
    value |= (uint64_t)(unsigned char)s->p[i] << (8 * i);
  *ret_value = value;
  *s = str_slice(*s, bytes, s->n);
  return true;
}

static uint64_t check_of(struct str body, uint64_t shape) {
  return hash_fast(body) ^ (shape * 0x9e3779b97f4a7c15u);
}

struct str search_cursor_write(struct arena *arena, const struct search_mark *mark, size_t keys_n,
                               uint64_t shape) {
  struct buf buf, text;
  buf_init_arena(&buf, arena, CURSOR_BYTES_MAX);
  buf_init_arena(&text, arena, CURSOR_BYTES_MAX * 2);
  add_number(&buf, mark->is_contained ? CURSOR_CONTAINED : CURSOR_VERSION, 1);
  add_number(&buf, 0, 8);
  add_number(&buf, mark->rid, 8);
  if (mark->is_contained)
    add_number(&buf, mark->place, 4);
  for (size_t i = 0; i < keys_n; i++) {
    const struct search_key *key = &mark->keys[i];
    add_number(&buf, key->kind, 1);
    if (key->kind == SEARCH_KEY_NUMBER)
      add_number(&buf, (uint64_t)key->number, 8);
    if (key->kind == SEARCH_KEY_TEXT) {
      add_number(&buf, key->text.n, 2);
      buf_add(&buf, key->text);
    }
  }
  if (buf_is_overflown(&buf))
    return STR_NULL;
  uint64_t check = check_of(str_slice(buf_str(&buf), BODY_AT, buf.n), shape);
  for (size_t i = 0; i < 8; i++)
    buf.p[CHECK_AT + i] = (char)(check >> (8 * i) & 0xff);
  base64url_write(&text, buf_str(&buf));
  return buf_is_overflown(&text) ? STR_NULL : buf_str(&text);
}

static bool take_key(struct str *s, struct search_key *ret_key) {
  uint64_t kind, value;
  *ret_key = (struct search_key){.kind = SEARCH_KEY_NONE};
  if (!take_number(s, 1, &kind) || kind > SEARCH_KEY_TEXT)
    return false;
  ret_key->kind = (enum search_key_kind)kind;
  if (kind == SEARCH_KEY_NUMBER) {
    if (!take_number(s, 8, &value))
      return false;
    ret_key->number = (int64_t)value;
  }
  if (kind == SEARCH_KEY_TEXT) {
    if (!take_number(s, 2, &value) || value > s->n)
      return false;
    ret_key->text = str_slice(*s, 0, value);
    *s = str_slice(*s, value, s->n);
  }
  return true;
}

int search_cursor_read(struct arena *arena, struct str text, size_t keys_n, uint64_t shape,
                       struct search_mark *ret_mark, struct err *reterr) {
  struct search_mark mark = {.is_set = true};
  struct str bytes;
  uint64_t version, check, place = 0;
  bool is_good = text.n <= CURSOR_BYTES_MAX * 2 && base64url_read(arena, text, &bytes, NULL) == 0 &&
                 take_number(&bytes, 1, &version) &&
                 (version == CURSOR_VERSION || version == CURSOR_CONTAINED) &&
                 take_number(&bytes, 8, &check) && check == check_of(bytes, shape) &&
                 take_number(&bytes, 8, &mark.rid);
  mark.is_contained = is_good && version == CURSOR_CONTAINED;
  if (mark.is_contained)
    is_good = take_number(&bytes, 4, &place);
  mark.place = (uint32_t)place;
  for (size_t i = 0; i < keys_n && is_good; i++)
    is_good = take_key(&bytes, &mark.keys[i]);
  if (!is_good || bytes.n > 0)
    return err_set(reterr, ERR_VALUE, "_cursor",
                   "is not a cursor of this search; take the next page's link as it was given");
  *ret_mark = mark;
  return 0;
}
